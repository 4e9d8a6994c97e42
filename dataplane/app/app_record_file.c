/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A file of units that is appended to by large writes. A write that falls short (a full disk)
 * leaves the rest in the buffer; what finds no room there is lost and counted, so no unit is ever
 * torn but one that the old file of a rotation would not take.
 */

#include "app_record_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/log.h>

/* Non-blocking: a FIFO without a reader must not stop the program. */
static int open_path(const char *path)
{
	const int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

	return fd < 0 ? -errno : fd;
}

int record_file_open(struct record_file *f, const char *path,
		     size_t (*unit_bytes)(const char *at, size_t left), struct weir_why *why)
{
	int rc;

	*f = (struct record_file){.fd = -1, .unit_bytes = unit_bytes};
	f->path = strdup(path);
	f->buf = malloc(RECORD_FILE_BYTES);
	if (f->path == NULL || f->buf == NULL)
		rc = weir_why(why, -ENOMEM, "%s: out of memory", path);
	else if ((f->fd = open_path(path)) < 0)
		rc = weir_why(why, f->fd, "%s: %s", path, strerror(-f->fd));
	else
		return 0;
	record_file_close(f);
	return rc;
}

void record_file_close(struct record_file *f)
{
	if (f->fd >= 0 && f->path != NULL) {
		record_file_flush(f);
		close(f->fd);
	}
	free(f->buf);
	free(f->path);
	*f = (struct record_file){.fd = -1};
}

/* Say it once, until it goes well again. */
static void note(struct record_file *f, int rc)
{
	if (rc < 0 && f->failing == 0)
		weir_log_warn("records", "%s: %s", f->path, strerror(-rc));
	else if (rc == 0 && f->failing < 0)
		weir_log_info("records", "%s: is written again, %" PRIu64 " lost so far", f->path,
			      f->lost);
	f->failing = rc;
}

/* So many bytes are in the file: where in a unit does that end? */
static void take_off(struct record_file *f, size_t bytes)
{
	size_t at = f->torn;

	while (at < bytes)
		at += f->unit_bytes(f->buf + at, f->used - at);
	f->torn = at - bytes;
	f->used -= bytes;
	memmove(f->buf, f->buf + bytes, f->used);
}

void record_file_flush(struct record_file *f)
{
	while (f->used > 0) {
		const ssize_t n = write(f->fd, f->buf, f->used);

		if (n < 0 && errno == EINTR)
			continue;
		note(f, n < 0 ? -errno : 0);
		if (n <= 0)
			return;
		take_off(f, (size_t)n);
	}
}

char *record_file_room(struct record_file *f, size_t bytes)
{
	if (RECORD_FILE_BYTES - f->used < bytes)
		record_file_flush(f);
	if (RECORD_FILE_BYTES - f->used >= bytes)
		return f->buf + f->used;
	f->lost++;
	return NULL;
}

void record_file_add(struct record_file *f, size_t bytes)
{
	f->used += bytes;
	f->units++;
}

int record_file_reopen(struct record_file *f)
{
	const int fd = open_path(f->path);

	if (fd < 0) {
		weir_log_warn("records", "%s: %s", f->path, strerror(-fd));
		return fd;
	}
	record_file_flush(f);
	for (size_t at = 0; at < f->used; f->lost++)
		at += at == 0 && f->torn > 0 ? f->torn : f->unit_bytes(f->buf + at, f->used - at);
	f->used = f->torn = 0;
	close(f->fd);
	f->fd = fd;
	return 0;
}
