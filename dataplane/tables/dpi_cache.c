/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_cache: compiled databases on disk, so that the next start need not compile.
 *
 * Takes: a folder, and the key: all that the databases depend on, byte for byte.
 * Says:  the databases; or that there are none, that a file is damaged, not ours, or of other
 *        patterns with the same hash.
 * Holds: FOLDER/weir-dpi-HASH.db, at most FILES_MAX of them: a header with the lengths and a
 *        checksum of all that follows, the key itself, and each database as hyperscan serialises
 * it.
 *
 * hyperscan trusts a database as it trusts its own code. So only a file is read that belongs to us
 * or root and that nobody else may write; the checksum is against disks, not against people.
 */
#include "dpi_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/error.h>

#define FILES_MAX  8
#define FILE_BYTES (1ul << 31)
#define PREFIX	   "weir-dpi-"
#define SUFFIX	   ".db"
#define PATH_ROOM  4096

struct header {
	char magic[16];
	uint64_t sum; /* of what follows here */
	uint64_t key_bytes;
	uint64_t note_bytes;
	uint64_t db_bytes[DPI_MODES]; /* 0: none of this mode */
};

static const char magic[16] = "weir-dpi-cache-1";
/* Not secret: these hashes tell contents apart, nobody is kept from making the same. */
static const struct weir_siphash_key plain = {1, 2};

static int path_of(char path[PATH_ROOM], const char *dir, const struct dpi_bytes *key)
{
	const int n = snprintf(path, PATH_ROOM, "%s/" PREFIX "%016" PRIx64 SUFFIX, dir,
			       weir_siphash24(&plain, key->at, key->bytes));

	return n < PATH_ROOM ? 0 : -ENAMETOOLONG;
}

static uint64_t sum_of(const uint8_t *file, size_t bytes)
{
	const size_t from = offsetof(struct header, key_bytes);

	return weir_siphash24(&plain, file + from, bytes - from);
}

/* All of a file that is ours alone. -ENOENT: there is none. */
static int read_own(const char *path, uint8_t **file, size_t *bytes, struct weir_why *odd)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	size_t got = 0;
	int rc = 0;

	*file = NULL;
	if (fd < 0)
		return errno == ENOENT
			       ? -ENOENT
			       : weir_why(odd, -EIO, "%s: %s", path, weir_error_text(-errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 022) ||
	    (st.st_uid != geteuid() && st.st_uid != 0))
		rc = weir_why(odd, -EPERM, "%s: others may write it: it is not used", path);
	else if ((uint64_t)st.st_size < sizeof(struct header) || (uint64_t)st.st_size > FILE_BYTES)
		rc = weir_why(odd, -EBADMSG, "%s: is damaged: it is made anew", path);
	if (rc == 0) {
		*bytes = (size_t)st.st_size;
		*file = malloc(*bytes);
		rc = *file == NULL ? weir_why(odd, -ENOMEM, "%s: out of memory", path) : 0;
	}
	while (rc == 0 && got < *bytes) {
		const ssize_t n = read(fd, *file + got, *bytes - got);

		if (n <= 0)
			rc = weir_why(odd, -EIO, "%s: cannot be read: it is made anew", path);
		else
			got += (size_t)n;
	}
	close(fd);
	if (rc < 0) {
		free(*file);
		*file = NULL;
	}
	return rc;
}

/* Whether the lengths add up, all bytes are as they were written, and the key is this one. */
static bool is_whole(const uint8_t *file, size_t bytes, const struct dpi_bytes *key)
{
	size_t left = bytes - sizeof(struct header);
	struct header h;

	memcpy(&h, file, sizeof(h));
	if (memcmp(h.magic, magic, sizeof(magic)) != 0 || h.sum != sum_of(file, bytes))
		return false;
	if (h.key_bytes != key->bytes || h.key_bytes > left)
		return false;
	left -= h.key_bytes;
	if (h.note_bytes > left)
		return false;
	left -= h.note_bytes;
	for (unsigned m = 0; m < DPI_MODES; m++) {
		if (h.db_bytes[m] > left)
			return false;
		left -= h.db_bytes[m];
	}
	return left == 0 && memcmp(file + sizeof(h), key->at, key->bytes) == 0;
}

/* The parts of a file that is whole. */
static bool take(const uint8_t *file, struct dpi_cached *c)
{
	const uint8_t *at = file + sizeof(struct header);
	struct header h;

	memcpy(&h, file, sizeof(h));
	at += h.key_bytes;
	c->notes.bytes = h.note_bytes;
	c->notes.at = malloc(h.note_bytes + 1);
	if (c->notes.at == NULL)
		return false;
	memcpy(c->notes.at, at, h.note_bytes);
	c->notes.at[h.note_bytes] = '\0'; /* whatever the last note ends with */
	at += h.note_bytes;
	for (unsigned m = 0; m < DPI_MODES; at += h.db_bytes[m], m++)
		if (h.db_bytes[m] > 0 && hs_deserialize_database((const char *)at, h.db_bytes[m],
								 &c->db[m]) != HS_SUCCESS)
			return false;
	return true;
}

bool dpi_cache_read(const char *dir, const struct dpi_bytes *key, struct dpi_cached *c,
		    struct weir_why *odd)
{
	char path[PATH_ROOM];
	uint8_t *file = NULL;
	size_t bytes = 0;
	bool good;

	*c = (struct dpi_cached){{NULL}};
	if (path_of(path, dir, key) < 0 || read_own(path, &file, &bytes, odd) < 0)
		return false;
	good = is_whole(file, bytes, key) && take(file, c);
	free(file);
	if (good)
		return true;
	weir_why(odd, 0, "%s: is damaged: it is made anew", path);
	free(c->notes.at);
	for (unsigned m = 0; m < DPI_MODES; m++)
		hs_free_database(c->db[m]);
	*c = (struct dpi_cached){{NULL}};
	return false;
}

/* The whole file in memory; NULL: out of memory. */
static uint8_t *compose(const struct dpi_bytes *key, const struct dpi_cached *c, size_t *bytes)
{
	struct header h = {.key_bytes = key->bytes, .note_bytes = c->notes.bytes};
	char *text[DPI_MODES] = {NULL};
	uint8_t *file = NULL, *at;
	bool good = true;

	memcpy(h.magic, magic, sizeof(magic));
	*bytes = sizeof(h) + key->bytes + c->notes.bytes;
	for (unsigned m = 0; m < DPI_MODES && good; m++) {
		if (c->db[m] == NULL)
			continue;
		good = hs_serialize_database(c->db[m], &text[m], &h.db_bytes[m]) == HS_SUCCESS;
		*bytes += h.db_bytes[m];
	}
	if (good)
		file = malloc(*bytes);
	if (file != NULL) {
		at = mempcpy(file + sizeof(h), key->at, key->bytes);
		at = mempcpy(at, c->notes.at, c->notes.bytes);
		for (unsigned m = 0; m < DPI_MODES; m++)
			if (h.db_bytes[m] > 0)
				at = mempcpy(at, text[m], h.db_bytes[m]);
		memcpy(file, &h, sizeof(h));
		h.sum = sum_of(file, *bytes);
		memcpy(file, &h, sizeof(h));
	}
	for (unsigned m = 0; m < DPI_MODES; m++)
		free(text[m]);
	return file;
}

/* A new file beside it takes its place when it is complete. */
static int put(const char *path, const uint8_t *file, size_t bytes)
{
	char fresh[PATH_ROOM + 16];
	size_t done = 0;
	int fd, rc = 0;

	snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid());
	unlink(fresh); /* of a process with our number that died */
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	while (rc == 0 && done < bytes) {
		const ssize_t n = write(fd, file + done, bytes - done);

		if (n < 0 && errno != EINTR)
			rc = -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	close(fd);
	if (rc == 0 && rename(fresh, path) < 0)
		rc = -errno;
	if (rc < 0)
		unlink(fresh);
	return rc;
}

/* Whether it is one of our files, and how old. */
static bool is_ours(int dir, const char *name, struct timespec *written)
{
	const size_t bytes = strlen(name);
	struct stat st;

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
	    bytes != strlen(PREFIX) + 16 + strlen(SUFFIX) ||
	    strcmp(name + bytes - strlen(SUFFIX), SUFFIX) != 0 ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	*written = st.st_mtim;
	return true;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* Remove the oldest while there are more than FILES_MAX. */
static void prune(const char *path)
{
	for (unsigned n = FILES_MAX + 1; n > FILES_MAX;) {
		DIR *d = opendir(path);
		char oldest[sizeof(((struct dirent *)0)->d_name)] = "";
		struct timespec written, first = {0};
		const struct dirent *e;

		n = 0;
		while (d != NULL && (e = readdir(d)) != NULL) {
			if (!is_ours(dirfd(d), e->d_name, &written))
				continue;
			if (n++ == 0 || is_before(&written, &first)) {
				first = written;
				snprintf(oldest, sizeof(oldest), "%s", e->d_name);
			}
		}
		if (n > FILES_MAX && unlinkat(dirfd(d), oldest, 0) < 0)
			n = 0;
		if (d != NULL)
			closedir(d);
	}
}

int dpi_cache_write(const char *dir, const struct dpi_bytes *key, const struct dpi_cached *c,
		    struct weir_why *why)
{
	char path[PATH_ROOM];
	size_t bytes;
	uint8_t *file;
	int rc = path_of(path, dir, key);

	if (rc < 0)
		return weir_why(why, rc, "%s: its name is too long", dir);
	file = compose(key, c, &bytes);
	rc = file == NULL ? -ENOMEM : put(path, file, bytes);
	free(file);
	if (rc < 0)
		return weir_why(why, rc, "%s: compiled patterns cannot be kept there: %s", dir,
				weir_error_text(rc));
	prune(dir);
	return 0;
}
