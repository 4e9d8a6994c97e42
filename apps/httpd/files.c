/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The files under httpd.root, read once into memory that devices can send from, and found by a
 * keyed hash of their paths. Workers share them: nothing is written any more.
 *
 * Names that begin with a dot, and what is neither a file nor a folder, are left out. index.html is
 * also the answer to its folder's path.
 */

#include "httpd_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/siphash.h>

/* Folders in folders. */
#define DEPTH_MOST 16
#define FILES_MOST 65536
/* reply.c sends pieces that do not cross a multiple of 32 KiB. */
#define ALIGN_LONG 32768
#define INDEX	   "index.html"

struct file {
	char *path;
	size_t path_bytes;
	uint8_t *owned; /* its body; NULL: another entry's */
	struct answer answer;
};

struct files {
	struct weir_siphash_key key;
	struct file *all;
	uint32_t n, room;
	uint32_t *slots; /* place plus one; 0: nobody's. A power of two, less than half full. */
	uint32_t slot_mask;
	uint64_t bytes, bytes_max;
};

static const struct {
	const char *suffix, *type;
} types[] = {
	{"html", "text/html; charset=utf-8"},
	{"htm", "text/html; charset=utf-8"},
	{"css", "text/css; charset=utf-8"},
	{"js", "text/javascript; charset=utf-8"},
	{"txt", "text/plain; charset=utf-8"},
	{"md", "text/markdown; charset=utf-8"},
	{"json", "application/json"},
	{"xml", "application/xml"},
	{"pdf", "application/pdf"},
	{"wasm", "application/wasm"},
	{"svg", "image/svg+xml"},
	{"png", "image/png"},
	{"jpg", "image/jpeg"},
	{"jpeg", "image/jpeg"},
	{"gif", "image/gif"},
	{"webp", "image/webp"},
	{"ico", "image/vnd.microsoft.icon"},
	{"woff2", "font/woff2"},
};

static const char *type_of(const char *path)
{
	const char *dot = strrchr(path, '.');

	for (unsigned i = 0; dot != NULL && i < RTE_DIM(types); i++)
		if (strcasecmp(dot + 1, types[i].suffix) == 0)
			return types[i].type;
	return "application/octet-stream";
}

/* ---- reading ---- */

static struct file *new_file(struct files *f, const char *path, size_t path_bytes)
{
	struct file *file;

	if (f->n == f->room) {
		const uint32_t room = f->room == 0 ? 64 : 2 * f->room;
		struct file *more = reallocarray(f->all, room, sizeof(*more));

		if (more == NULL)
			return NULL;
		f->all = more;
		f->room = room;
	}
	file = &f->all[f->n];
	*file = (struct file){.path = strndup(path, path_bytes), .path_bytes = path_bytes};
	f->n += file->path != NULL;
	return file->path == NULL ? NULL : file;
}

static int read_whole(int fd, uint8_t *to, uint64_t bytes)
{
	while (bytes > 0) {
		const ssize_t n = read(fd, to, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO; /* it has become shorter */
		to += n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

/* A body in memory; an empty one is any memory. NULL: there is none. */
static uint8_t *body_alloc(uint64_t bytes)
{
	return rte_malloc("httpd", RTE_MAX(bytes, UINT64_C(1)),
			  bytes >= ALIGN_LONG ? ALIGN_LONG : RTE_CACHE_LINE_SIZE);
}

static int add_entries(struct files *f, const char *path, uint8_t *body, uint64_t bytes)
{
	const size_t folder = strlen(path) - strlen(INDEX);
	struct file *file = new_file(f, path, strlen(path));

	if (file == NULL) {
		rte_free(body);
		return -ENOMEM;
	}
	file->owned = body;
	answer_fill(&file->answer, type_of(path), body, bytes);
	if (strlen(path) <= strlen(INDEX) || strcmp(path + folder, INDEX) != 0 ||
	    path[folder - 1] != '/')
		return 0;
	file = new_file(f, path, folder);
	if (file == NULL)
		return -ENOMEM;
	answer_fill(&file->answer, type_of(path), body, bytes);
	return 0;
}

static int load_file(struct files *f, int fd, uint64_t bytes, const char *path,
		     struct weir_why *why)
{
	uint8_t *body;
	int rc;

	if (f->n == FILES_MOST)
		return weir_why(why, -E2BIG, "httpd.root has more than %d files", FILES_MOST);
	if (bytes > f->bytes_max - f->bytes)
		return weir_why(
			why, -EFBIG,
			"httpd.root: %s and those before it are more than httpd.files allows",
			path);
	body = body_alloc(bytes);
	if (body == NULL)
		return weir_why(why, -ENOMEM, "httpd.root: no memory for %s", path);
	rc = read_whole(fd, body, bytes);
	if (rc < 0) {
		rte_free(body);
		return weir_why(why, rc, "httpd.root: cannot read %s: %s", path, strerror(-rc));
	}
	f->bytes += bytes;
	rc = add_entries(f, path, body, bytes);
	return rc < 0 ? weir_why(why, rc, "httpd.root: out of memory") : 0;
}

static int load_folder(struct files *f, int fd, const char *path, unsigned depth,
		       struct weir_why *why);

/* One name of a folder. */
static int load_name(struct files *f, int folder, const char *path, const char *name,
		     unsigned depth, struct weir_why *why)
{
	char whole[PATH_MAX];
	struct stat st;
	int fd, rc = 0;

	if (name[0] == '.')
		return 0;
	if (snprintf(whole, sizeof(whole), "%s/%s", path, name) >= (int)sizeof(whole))
		return weir_why(why, -ENAMETOOLONG, "httpd.root: a path is too long: %s", path);
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ELOOP)
		return 0; /* a symbolic link leads nobody knows where */
	if (fd < 0 || fstat(fd, &st) < 0)
		rc = weir_why(why, -errno, "httpd.root: cannot open %s: %s", whole,
			      strerror(errno));
	else if (S_ISDIR(st.st_mode))
		return load_folder(f, fd, whole, depth + 1, why);
	else if (S_ISREG(st.st_mode))
		rc = load_file(f, fd, (uint64_t)st.st_size, whole, why);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Takes @fd. */
static int load_folder(struct files *f, int fd, const char *path, unsigned depth,
		       struct weir_why *why)
{
	DIR *dir = depth > DEPTH_MOST ? NULL : fdopendir(fd);
	const struct dirent *e;
	int rc = 0;

	if (dir == NULL) {
		close(fd);
		return weir_why(why, -ELOOP, "httpd.root: %s: more than %d folders deep", path,
				DEPTH_MOST);
	}
	while (rc == 0 && (e = readdir(dir)) != NULL)
		rc = load_name(f, dirfd(dir), path, e->d_name, depth, why);
	closedir(dir);
	return rc;
}

/* ---- finding ---- */

static uint32_t hash_of(const struct files *f, const char *path, size_t bytes)
{
	return (uint32_t)weir_siphash13(&f->key, path, bytes);
}

static int make_index(struct files *f)
{
	uint32_t slots = 2;

	while (slots < 2 * f->n)
		slots *= 2;
	f->slots = calloc(slots, sizeof(*f->slots));
	if (f->slots == NULL)
		return -ENOMEM;
	f->slot_mask = slots - 1;
	for (uint32_t i = 0; i < f->n; i++) {
		uint32_t at = hash_of(f, f->all[i].path, f->all[i].path_bytes) & f->slot_mask;

		while (f->slots[at] != 0)
			at = (at + 1) & f->slot_mask;
		f->slots[at] = i + 1;
	}
	return 0;
}

const struct answer *files_find(const struct files *f, const char *path, size_t bytes)
{
	uint32_t at = hash_of(f, path, bytes) & f->slot_mask;

	for (; f->slots[at] != 0; at = (at + 1) & f->slot_mask) {
		const struct file *file = &f->all[f->slots[at] - 1];

		if (file->path_bytes == bytes && memcmp(file->path, path, bytes) == 0)
			return &file->answer;
	}
	return NULL;
}

/* ---- life ---- */

int files_load(const struct httpd_section *conf, struct files **out, struct weir_why *why)
{
	struct files *f = calloc(1, sizeof(*f));
	int fd, rc;

	if (f == NULL)
		return weir_why(why, -ENOMEM, "httpd.root: out of memory");
	f->bytes_max = conf->files;
	fd = open(conf->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		rc = weir_why(why, -errno, "httpd.root: cannot open %s: %s", conf->root,
			      strerror(errno));
	else
		rc = load_folder(f, fd, "", 0, why);
	if (rc == 0 && make_index(f) < 0)
		rc = weir_why(why, -ENOMEM, "httpd.root: out of memory");
	if (rc < 0) {
		files_free(f);
		return rc;
	}
	*out = f;
	return 0;
}

void files_free(struct files *f)
{
	if (f == NULL)
		return;
	for (uint32_t i = 0; i < f->n; i++) {
		free(f->all[i].path);
		rte_free(f->all[i].owned);
	}
	free(f->all);
	free(f->slots);
	free(f);
}
