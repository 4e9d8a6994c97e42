/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The control socket: JSON requests over a UNIX stream socket, one a line.
 *
 *	{"cmd": "ports", "args": {"name": "wan"}}
 *	{"ok": true, "data": [...]}    or    {"ok": false, "error": "no port is called wan"}
 *
 * Answers come in the order of the requests. The command "help" is built in: it lists the others.
 *
 * A server belongs to one thread, which calls weir_ctl_server_poll() when its descriptor is
 * readable and at least once a second; nothing blocks. Control path only.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <weir/must_check.h>
#include <weir/why.h>

/** Clients at a time; one more is told so and disconnected. */
#define WEIR_CTL_CLIENTS_MAX 16
/** Bytes of a request's line. */
#define WEIR_CTL_REQUEST_BYTES_MAX (1u << 20)
/** Bytes of an answer's line. */
#define WEIR_CTL_REPLY_BYTES_MAX (64u << 20)
/** How deep a request's arrays and objects may nest. */
#define WEIR_CTL_DEPTH_MAX 32
/** Time to send a whole request, and to take some bytes of an answer. */
#define WEIR_CTL_IDLE_NS UINT64_C(30000000000)

/** Who asks, as the kernel says (SO_PEERCRED): the process that connected. */
struct weir_ctl_peer {
	pid_t pid; /**< in our PID namespace; 0: it is in another one */
	uid_t uid; /**< effective when it connected */
	gid_t gid; /**< effective when it connected */
};

/** A request as a handler sees it. All of it is gone after the call. */
struct weir_ctl_request {
	const char *cmd;	   /**< the name that it was registered by */
	const json_t *args;	   /**< an object, empty if the request had none; never NULL */
	struct weir_ctl_peer peer; /**< who asks, for rights and the audit log */
	uint64_t now_ns;	   /**< as given to weir_ctl_server_poll() */
};

/**
 * Answers a command.
 * @param ctx    As registered.
 * @param reply  Takes a new reference to the answer's data; left alone means null.
 * @param why    Takes the sentence that the client is told if the result is negative.
 * @return 0 or -errno. Without a sentence the client is told weir_error_text() of it.
 */
typedef int weir_ctl_handler(void *ctx, const struct weir_ctl_request *request, json_t **reply,
			     struct weir_why *why);

/**
 * Told of each command that changes state, after its handler ran; writes the audit log.
 * @param rc  What the handler returned.
 */
typedef void weir_ctl_audit(void *ctx, const struct weir_ctl_request *request, int rc);

/** The command changes something: it is audited. */
#define WEIR_CTL_CHANGES_STATE 1u

struct weir_ctl_server;

/**
 * Create a server and listen.
 *
 * A socket file that a killed process left is replaced; one that is answered is not.
 * @param path  Of the socket, at most 107 bytes. The folder must exist.
 * @param mode  Its permissions whatever the umask is, such as 0660.
 * @param why   Takes a sentence if this fails; NULL is allowed.
 * @return 0; -EADDRINUSE if another process answers there; -EEXIST if the path is something other
 *         than a socket; -ENAMETOOLONG, -ENOMEM or what the system said.
 */
WEIR_MUST_CHECK int weir_ctl_server_create(const char *path, mode_t mode,
					   struct weir_ctl_server **out, struct weir_why *why);

/** Disconnect everybody, remove the socket file if it is still ours, free. NULL is allowed. */
void weir_ctl_server_free(struct weir_ctl_server *s);

/**
 * Add a command.
 * @param cmd    Its name, not used before. Kept, not copied, like @p help.
 * @param help   What it does, in one line.
 * @param flags  0 or WEIR_CTL_CHANGES_STATE.
 * @return 0, -EEXIST if there is one of that name, -EINVAL, -ENOMEM.
 */
WEIR_MUST_CHECK int weir_ctl_register(struct weir_ctl_server *s, const char *cmd, const char *help,
				      weir_ctl_handler *handler, void *ctx, unsigned flags);

/** Who is told of commands that change state; NULL for nobody. */
void weir_ctl_server_audit(struct weir_ctl_server *s, weir_ctl_audit *audit, void *ctx);

/** The descriptor to wait on for reading (an epoll of the server's own). Still the server's. */
int weir_ctl_server_fd(const struct weir_ctl_server *s);

/**
 * Accept, read, answer and write as far as it goes without blocking; disconnect who is too slow.
 * @param now_ns  The time now, on any clock that does not go back.
 * @return How many requests were answered, or -errno if the server itself is broken.
 */
WEIR_MUST_CHECK int weir_ctl_server_poll(struct weir_ctl_server *s, uint64_t now_ns);

/**
 * Client: ask and wait for the answer. Blocks up to the timeout; any thread may call.
 * @param args        An object, or NULL for none; still the caller's.
 * @param timeout_ns  For all of it, at most 24 days.
 * @param data        Takes a new reference to the answer's data; NULL if it is not wanted.
 * @param why         Takes a sentence if this fails; NULL is allowed.
 * @return 0; -EREMOTEIO if the server refused (its sentence is in @p why); -ETIMEDOUT;
 *         -EPROTO if the answer is none; -ENOENT or -ECONNREFUSED if nobody listens there; -ENOMEM
 *         or what the system said.
 */
WEIR_MUST_CHECK int weir_ctl_call(const char *path, const char *cmd, json_t *args,
				  uint64_t timeout_ns, json_t **data, struct weir_why *why);
