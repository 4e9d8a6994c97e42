/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What ctl's files share. ctl_answer.c: bytes to bytes, no socket. ctl_listen.c: the socket's file.
 * ctl_server.c: many clients. ctl_client.c: one call.
 */

#include <stdbool.h>
#include <sys/stat.h>
#include <weir/ctl.h>

struct ctl_command {
	const char *name;
	const char *help;
	weir_ctl_handler *handler;
	void *ctx;
	unsigned flags;
};

/* What a server can do. Zeroed memory is an empty table. */
struct ctl_commands {
	struct ctl_command *list;
	size_t n;
	weir_ctl_audit *audit;
	void *audit_ctx;
};

/* A line of text that is sent, with its newline. */
struct ctl_line {
	char *text; /* malloc'd; not ended by a zero */
	size_t bytes;
};

int ctl_commands_add(struct ctl_commands *c, const struct ctl_command *command);
void ctl_commands_free(struct ctl_commands *c);

/* Write @p value as one line. 0, -ENOMEM, or -EMSGSIZE if it is longer than @p bytes_max. */
int ctl_line_make(const json_t *value, size_t bytes_max, struct ctl_line *line);

/*
 * Answer one request, given without its newline. Everything that is wrong with the request is an
 * answer too; the only errors are -ENOMEM.
 */
int ctl_answer(const struct ctl_commands *c, const char *request, size_t bytes,
	       const struct weir_ctl_peer *peer, uint64_t now_ns, struct ctl_line *answer);

/* Make the answer that says what went wrong. 0 or -ENOMEM. */
int ctl_refuse(const struct weir_why *why, struct ctl_line *answer);

struct sockaddr_un;
/* The address of a path. 0 or -ENAMETOOLONG. */
int ctl_address(const char *path, struct sockaddr_un *address, struct weir_why *why);

/* A listening, non-blocking socket; *file tells what is at the path now. Descriptor or -errno. */
int ctl_listen(const char *path, mode_t mode, struct stat *file, struct weir_why *why);
/* Remove the socket's file if it is still the one that ctl_listen() made. */
void ctl_unlink(const char *path, const struct stat *file);
