/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ctl_client: one question to a control socket, and its answer, within a time.
 *
 * The only place in lib/base that reads a clock: the kernel's socket timeouts are for one call
 * each, and must shrink while the answer trickles in.
 */
#include "ctl_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <weir/wheel.h>

#define NS_PER_S       UINT64_C(1000000000)
#define TIMEOUT_NS_MAX (24 * 86400 * NS_PER_S)
#define IN_BYTES_FIRST 4096

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Let the next call on @p fd wait no longer than the deadline. 0, or -ETIMEDOUT if it is over. */
static int limit(int fd, int option, uint64_t deadline_ns)
{
	const uint64_t left_us = weir_deadline_left(deadline_ns, now_ns()) / 1000;
	const struct timeval tv = {
		.tv_sec = (time_t)(left_us / 1000000),
		.tv_usec = (suseconds_t)(left_us % 1000000),
	};

	if (left_us == 0)
		return -ETIMEDOUT; /* to the kernel 0 would mean forever */
	return setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv)) < 0 ? -errno : 0;
}

static int because(struct weir_why *why, int rc, const char *path)
{
	if (rc == -EAGAIN)
		rc = -ETIMEDOUT;
	switch (rc) {
	case -ETIMEDOUT:
		return weir_why(why, rc, "%s did not answer in time", path);
	case -ENOENT:
	case -ECONNREFUSED:
		return weir_why(why, rc, "nobody listens at %s: is the program running?", path);
	case -EACCES:
		return weir_why(why, rc, "no permission to use %s: be its owner or in its group",
				path);
	case -EPROTO:
		return weir_why(why, rc, "what %s answered is not an answer", path);
	default:
		return weir_why(why, rc, "cannot ask %s: %s", path, strerror(-rc));
	}
}

/* A connected socket, or -errno. */
static int dial(const char *path, uint64_t deadline_ns, struct weir_why *why)
{
	struct sockaddr_un address;
	int fd, rc;

	rc = ctl_address(path, &address, why);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return because(why, -errno, path);
	do {
		rc = limit(fd, SO_SNDTIMEO, deadline_ns);
		if (rc == 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			rc = -errno;
	} while (rc == -EINTR);
	if (rc == 0)
		return fd;
	close(fd);
	return because(why, rc, path);
}

static int send_all(int fd, const struct ctl_line *line, uint64_t deadline_ns)
{
	for (size_t sent = 0; sent < line->bytes;) {
		const int rc = limit(fd, SO_SNDTIMEO, deadline_ns);
		ssize_t n;

		if (rc < 0)
			return rc;
		n = send(fd, line->text + sent, line->bytes - sent, MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		else if (n < 0 && errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Read up to a newline. @p line is the caller's to free, whatever this returns. */
static int read_line(int fd, struct ctl_line *line, uint64_t deadline_ns)
{
	size_t room = 0;

	for (;;) {
		ssize_t n;
		int rc;

		if (line->bytes == room) {
			char *text;

			if (room >= WEIR_CTL_REPLY_BYTES_MAX)
				return -EPROTO;
			room = room == 0 ? IN_BYTES_FIRST : 2 * room;
			text = realloc(line->text, room);
			if (text == NULL)
				return -ENOMEM;
			line->text = text;
		}
		rc = limit(fd, SO_RCVTIMEO, deadline_ns);
		if (rc < 0)
			return rc;
		n = recv(fd, line->text + line->bytes, room - line->bytes, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPROTO; /* hung up before the newline */
		line->bytes += (size_t)n;
		if (line->text[line->bytes - 1] == '\n')
			return 0;
	}
}

/* The answer's data, or what the server said instead. */
static int understand(const struct ctl_line *line, const char *path, json_t **data,
		      struct weir_why *why)
{
	json_t *root = json_loadb(line->text, line->bytes, 0, NULL);
	const char *error = json_string_value(json_object_get(root, "error"));
	int rc = 0;

	if (json_is_true(json_object_get(root, "ok"))) {
		if (data != NULL) {
			json_t *value = json_object_get(root, "data");

			*data = value == NULL ? json_null() : json_incref(value);
		}
	} else if (error != NULL) {
		rc = weir_why(why, -EREMOTEIO, "%s", error);
	} else {
		rc = because(why, -EPROTO, path);
	}
	json_decref(root);
	return rc;
}

static int make_request(const char *cmd, json_t *args, struct ctl_line *line, struct weir_why *why)
{
	json_t *root = json_pack("{s:s, s:O*}", "cmd", cmd, "args", args);
	int rc = root == NULL ? -ENOMEM : ctl_line_make(root, WEIR_CTL_REQUEST_BYTES_MAX, line);

	json_decref(root);
	if (rc == -EMSGSIZE)
		weir_why(why, rc, "the request is longer than %u MiB",
			 WEIR_CTL_REQUEST_BYTES_MAX >> 20);
	else if (rc < 0)
		weir_why(why, rc, "out of memory, or '%s' is not UTF-8", cmd);
	return rc;
}

int weir_ctl_call(const char *path, const char *cmd, json_t *args, uint64_t timeout_ns,
		  json_t **data, struct weir_why *why)
{
	const uint64_t deadline_ns = weir_deadline_after(
		now_ns(), timeout_ns < TIMEOUT_NS_MAX ? timeout_ns : TIMEOUT_NS_MAX);
	struct ctl_line request = {NULL, 0}, answer = {NULL, 0};
	int fd = -1, rc;

	rc = make_request(cmd, args, &request, why);
	if (rc < 0)
		return rc;
	fd = rc = dial(path, deadline_ns, why);
	if (rc < 0)
		goto out;
	rc = send_all(fd, &request, deadline_ns);
	/* Who turned us away left a sentence before hanging up. */
	if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET)
		rc = read_line(fd, &answer, deadline_ns);
	rc = rc < 0 ? because(why, rc, path) : understand(&answer, path, data, why);
	close(fd);
out:
	free(answer.text);
	free(request.text);
	return rc;
}
