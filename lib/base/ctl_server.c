/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ctl_server: many clients on one thread.
 *
 * Takes lines from clients that may be slow, hostile or gone; says an answer to each, in order.
 * While an answer waits to be taken, its client is not read, so a client holds at most one
 * request's and one answer's worth of memory. An epoll of its own is the one descriptor that the
 * owner waits on.
 */
#include "ctl_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/wheel.h>

#define TURNS_MAX	16 /* answers and reads for one client before the others' turn */
#define IN_BYTES_FIRST	4096
#define IN_BYTES_KEPT	65536		     /* a larger buffer is given back once it is empty */
#define ACCEPT_PAUSE_NS UINT64_C(1000000000) /* when descriptors have run out */

struct client {
	int fd; /* -1: free */
	struct weir_ctl_peer peer;
	uint64_t deadline_ns;
	uint32_t events; /* what epoll waits for */
	bool last;	 /* disconnect when the answer is out */
	char *in;
	size_t in_bytes, in_from, in_seen, in_room; /* held; used up; without newline; allocated */
	struct ctl_line out;
	size_t out_sent;
};

struct weir_ctl_server {
	char *path;
	struct stat file;
	int listen_fd, epoll_fd;
	uint64_t accept_at_ns; /* not 0: accepting pauses until then */
	struct ctl_commands commands;
	struct client client[WEIR_CTL_CLIENTS_MAX];
};

static int watch(const struct weir_ctl_server *s, int op, int fd, uint32_t events, void *whose)
{
	struct epoll_event e = {.events = events, .data.ptr = whose};

	return epoll_ctl(s->epoll_fd, op, fd, &e) < 0 ? -errno : 0;
}

int weir_ctl_server_create(const char *path, mode_t mode, struct weir_ctl_server **out,
			   struct weir_why *why)
{
	struct weir_ctl_server *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return weir_why(why, -ENOMEM, "out of memory for the control socket");
	s->listen_fd = s->epoll_fd = -1;
	for (unsigned i = 0; i < WEIR_CTL_CLIENTS_MAX; i++)
		s->client[i].fd = -1;
	s->path = strdup(path);
	if (s->path == NULL) {
		rc = weir_why(why, -ENOMEM, "out of memory for the control socket");
		goto err;
	}
	rc = ctl_listen(path, mode, &s->file, why);
	if (rc < 0)
		goto err;
	s->listen_fd = rc;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	rc = s->epoll_fd < 0 ? -errno : watch(s, EPOLL_CTL_ADD, s->listen_fd, EPOLLIN, NULL);
	if (rc < 0) {
		weir_why(why, rc, "cannot wait on the control socket: %s", strerror(-rc));
		goto err;
	}
	*out = s;
	return 0;
err:
	weir_ctl_server_free(s);
	return rc;
}

static void drop(struct client *c)
{
	close(c->fd); /* which also takes it out of epoll */
	free(c->in);
	free(c->out.text);
	*c = (struct client){.fd = -1};
}

void weir_ctl_server_free(struct weir_ctl_server *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < WEIR_CTL_CLIENTS_MAX; i++)
		if (s->client[i].fd >= 0)
			drop(&s->client[i]);
	if (s->listen_fd >= 0) {
		ctl_unlink(s->path, &s->file);
		close(s->listen_fd);
	}
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	ctl_commands_free(&s->commands);
	free(s->path);
	free(s);
}

int weir_ctl_register(struct weir_ctl_server *s, const char *cmd, const char *help,
		      weir_ctl_handler *handler, void *ctx, unsigned flags)
{
	return ctl_commands_add(&s->commands,
				&(struct ctl_command){cmd, help, handler, ctx, flags});
}

void weir_ctl_server_audit(struct weir_ctl_server *s, weir_ctl_audit *audit, void *ctx)
{
	s->commands.audit = audit;
	s->commands.audit_ctx = ctx;
}

int weir_ctl_server_fd(const struct weir_ctl_server *s)
{
	return s->epoll_fd;
}

/* All out: 0. -EAGAIN if the client must take some first, another error if it is gone. */
static int send_answer(struct client *c, uint64_t now_ns)
{
	while (c->out_sent < c->out.bytes) {
		const ssize_t n = send(c->fd, c->out.text + c->out_sent, c->out.bytes - c->out_sent,
				       MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		c->out_sent += (size_t)n;
		c->deadline_ns = weir_deadline_after(now_ns, WEIR_CTL_IDLE_NS);
	}
	free(c->out.text);
	c->out = (struct ctl_line){NULL, 0};
	c->out_sent = 0;
	return 0;
}

/* Answer the next whole line. 1 if there was one, 0 if not, -ENOMEM. */
static int answer_line(struct weir_ctl_server *s, struct client *c, uint64_t now_ns)
{
	const char *line, *newline;
	int rc;

	if (c->in_seen == c->in_bytes)
		return 0;
	newline = memchr(c->in + c->in_seen, '\n', c->in_bytes - c->in_seen);
	if (newline == NULL) {
		c->in_seen = c->in_bytes;
		return 0;
	}
	line = c->in + c->in_from;
	rc = ctl_answer(&s->commands, line, (size_t)(newline - line), &c->peer, now_ns, &c->out);
	c->in_from = c->in_seen = (size_t)(newline + 1 - c->in);
	return rc < 0 ? rc : 1;
}

/* Make room to read more of a line. 0, -EMSGSIZE if the line has all that it may have, -ENOMEM. */
static int make_room(struct client *c)
{
	size_t room;
	char *in;

	if (c->in_from > 0) {
		c->in_bytes -= c->in_from;
		memmove(c->in, c->in + c->in_from, c->in_bytes);
		c->in_seen -= c->in_from;
		c->in_from = 0;
	}
	if (c->in_bytes == 0 && c->in_room > IN_BYTES_KEPT) {
		free(c->in);
		c->in = NULL;
		c->in_room = 0;
	}
	if (c->in_bytes < c->in_room)
		return 0;
	if (c->in_room >= WEIR_CTL_REQUEST_BYTES_MAX)
		return -EMSGSIZE;
	room = c->in_room == 0 ? IN_BYTES_FIRST : 2 * c->in_room;
	in = realloc(c->in, room);
	if (in == NULL)
		return -ENOMEM;
	c->in = in;
	c->in_room = room;
	return 0;
}

/* Read what is there. 1 if there was something, 0 at the end, or -errno (-EAGAIN: not now). */
static int read_more(struct client *c)
{
	struct weir_why why;
	ssize_t n;
	int rc = make_room(c);

	if (rc == -EMSGSIZE) {
		weir_why(&why, rc, "the request is longer than %u MiB",
			 WEIR_CTL_REQUEST_BYTES_MAX >> 20);
		c->last = true;
		c->in_from = c->in_seen = c->in_bytes; /* forget it */
		rc = ctl_refuse(&why, &c->out);
		return rc < 0 ? rc : 1;
	}
	if (rc < 0)
		return rc;
	do
		n = recv(c->fd, c->in + c->in_bytes, c->in_room - c->in_bytes, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	c->in_bytes += (size_t)n;
	return n > 0;
}

/* One client's turn. Returns how many requests were answered. */
static int serve(struct weir_ctl_server *s, struct client *c, uint64_t now_ns)
{
	uint32_t events = EPOLLOUT; /* left over when the turns are used up: come again at once */
	int answered = 0;

	for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
		int rc = send_answer(c, now_ns);

		if (rc == -EAGAIN)
			break;
		if (rc == 0 && c->last)
			rc = -ECONNRESET;
		if (rc == 0)
			rc = answer_line(s, c, now_ns);
		if (rc > 0) {
			answered++;
			continue;
		}
		if (rc == 0)
			rc = read_more(c);
		if (rc == -EAGAIN) {
			events = EPOLLIN;
			break;
		}
		if (rc <= 0) { /* said goodbye, vanished, or no memory for it */
			drop(c);
			return answered;
		}
	}
	if (events != c->events && watch(s, EPOLL_CTL_MOD, c->fd, events, c) < 0) {
		drop(c);
		return answered;
	}
	c->events = events;
	return answered;
}

static void turn_away(int fd)
{
	static const char sorry[] = "{\"ok\":false,\"error\":\"too many clients are connected to "
				    "the control socket, try again later\"}\n";

	/* A new socket's buffer has room for it; if not, being disconnected tells enough. */
	(void)send(fd, sorry, sizeof(sorry) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void welcome(struct weir_ctl_server *s, int fd, uint64_t now_ns)
{
	struct client *c = s->client;
	struct ucred cred;
	socklen_t cred_bytes = sizeof(cred);

	while (c < s->client + WEIR_CTL_CLIENTS_MAX && c->fd >= 0)
		c++;
	if (c == s->client + WEIR_CTL_CLIENTS_MAX) {
		turn_away(fd);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_bytes) < 0 ||
	    watch(s, EPOLL_CTL_ADD, fd, EPOLLIN, c) < 0) {
		close(fd);
		return;
	}
	*c = (struct client){
		.fd = fd,
		.peer = {.pid = cred.pid, .uid = cred.uid, .gid = cred.gid},
		.deadline_ns = weir_deadline_after(now_ns, WEIR_CTL_IDLE_NS),
		.events = EPOLLIN,
	};
}

/* 0, or -errno if the listening socket is broken. */
static int accept_all(struct weir_ctl_server *s, uint64_t now_ns)
{
	for (unsigned i = 0; i < WEIR_CTL_CLIENTS_MAX; i++) {
		const int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(s, fd, now_ns);
			continue;
		}
		switch (errno) {
		case EAGAIN:
			return 0;
		case EINTR:
		case ECONNABORTED:
			continue;
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM:
			/* It stays readable; look away, so that the owner does not spin. */
			s->accept_at_ns = weir_deadline_after(now_ns, ACCEPT_PAUSE_NS);
			return watch(s, EPOLL_CTL_MOD, s->listen_fd, 0, NULL);
		default:
			return -errno;
		}
	}
	return 0;
}

/* What is due whether or not anybody spoke. */
static int tend(struct weir_ctl_server *s, uint64_t now_ns)
{
	for (unsigned i = 0; i < WEIR_CTL_CLIENTS_MAX; i++)
		if (s->client[i].fd >= 0 && now_ns >= s->client[i].deadline_ns)
			drop(&s->client[i]);
	if (s->accept_at_ns == 0 || now_ns < s->accept_at_ns)
		return 0;
	s->accept_at_ns = 0;
	return watch(s, EPOLL_CTL_MOD, s->listen_fd, EPOLLIN, NULL);
}

int weir_ctl_server_poll(struct weir_ctl_server *s, uint64_t now_ns)
{
	struct epoll_event events[WEIR_CTL_CLIENTS_MAX + 1];
	int answered = 0, rc = 0;
	const int n = epoll_wait(s->epoll_fd, events, WEIR_CTL_CLIENTS_MAX + 1, 0);

	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr != NULL)
			answered += serve(s, events[i].data.ptr, now_ns);
		else if (rc == 0)
			rc = accept_all(s, now_ns);
	}
	if (rc == 0)
		rc = tend(s, now_ns);
	return rc < 0 ? rc : answered;
}
