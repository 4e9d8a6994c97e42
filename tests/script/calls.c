/* SPDX-License-Identifier: BSD-3-Clause */

/* Socket calls: as a program on Linux would make them, and ours. */

#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define ARGS_MOST 6

/* What a call says: >= 0, -errno, or that the script asks for what is not there. */
#define REFUSED INT64_MIN

struct made {
	struct runner *r;
	const struct call *call;
	const struct value *a[ARGS_MOST]; /* NULL behind the last */
	struct fd *fd;			  /* the first argument, where it is one */
};

struct fd *fd_of(struct runner *r, int64_t number)
{
	return number >= 0 && number < FDS_MOST && r->fds[number].open ? &r->fds[number] : NULL;
}

static int64_t number_of(const struct value *v)
{
	return v != NULL && v->kind == VALUE_NUMBER ? v->number : 0;
}

/* The number that the script expects is the new one's. */
static int64_t give_fd(struct made *m, weir_sock sock)
{
	const int64_t n = m->call->result.number;

	if (m->call->result.kind != VALUE_NUMBER || n < 0 || n >= FDS_MOST || m->r->fds[n].open) {
		weir_sock_close(m->r->stack, sock);
		if (n < 0) /* it was to fail */
			return 0;
		refuse(m->r, "%s: %" PRId64 " is no free descriptor", m->call->name, n);
		return REFUSED;
	}
	m->r->fds[n] = (struct fd){.open = true, .sock = sock};
	return n;
}

static struct weir_endpoint end_of(struct runner *r, const struct value *v, bool peer)
{
	struct weir_endpoint e = {.port = peer ? r->script->set.connect_port
					       : r->script->set.bind_port};
	const char *addr = r->script->set.v6 ? "2001:db8::1" : "192.0.2.1";

	if (peer && weir_addr_parse(addr, strlen(addr), &e.addr) < 0)
		e.port = 0;
	if (v == NULL || v->kind != VALUE_FIELDS)
		return e;
	for (const struct value *f = v->items; f != NULL; f = f->next)
		if (f->field != NULL && f->kind == VALUE_NUMBER &&
		    (strcmp(f->field, "sin_port") == 0 || strcmp(f->field, "sin6_port") == 0))
			e.port = (uint16_t)f->number;
	return e;
}

static int64_t do_socket(struct made *m)
{
	weir_sock sock;
	int rc;

	if ((number_of(m->a[1]) & 0xf) != SOCK_STREAM) {
		refuse(m->r, "socket: only SOCK_STREAM is supported");
		return REFUSED;
	}
	rc = weir_socket(m->r->stack, WEIR_TCP, NULL, &sock);
	return rc < 0 ? rc : give_fd(m, sock);
}

static int64_t do_bind(struct made *m)
{
	const struct weir_endpoint at = end_of(m->r, m->a[1], false);

	return weir_bind(m->r->stack, m->fd->sock, &at);
}

static int64_t do_listen(struct made *m)
{
	const int64_t n = number_of(m->a[1]);

	m->r->talk = NULL; /* who comes now is another */
	return weir_listen(m->r->stack, m->fd->sock, n < 1 ? 1 : (uint32_t)n);
}

static int64_t do_accept(struct made *m)
{
	weir_sock sock;
	const int rc = weir_accept(m->r->stack, m->fd->sock, NULL, &sock, NULL);

	return rc < 0 ? rc : give_fd(m, sock);
}

/* The connection is the current one from now on. */
static int64_t do_connect(struct made *m)
{
	const struct weir_endpoint to = end_of(m->r, m->a[1], true);
	struct weir_endpoint ours;
	const int rc = weir_connect(m->r->stack, m->fd->sock, &to);
	struct talk *t;

	if ((rc != -EINPROGRESS && rc != 0) ||
	    weir_getsockname(m->r->stack, m->fd->sock, &ours) < 0)
		return rc;
	t = talk_of(m->r, ours.port, to.port);
	if (t == NULL) {
		refuse(m->r, "more than %d connections", TALKS_MOST);
		return REFUSED;
	}
	*t = (struct talk){.our_port = ours.port, .peer_port = to.port};
	m->r->talk = t;
	return rc;
}

/* Linux's flags that a stack without blocking calls has already. */
static bool may_flags(struct made *m, const struct value *v)
{
	if ((number_of(v) & ~(int64_t)(MSG_DONTWAIT | MSG_NOSIGNAL)) == 0)
		return true;
	refuse(m->r, "%s: only MSG_DONTWAIT and MSG_NOSIGNAL are supported", m->call->name);
	return false;
}

static int64_t do_write(struct made *m)
{
	const int64_t bytes = number_of(m->a[2]);
	int64_t rc;

	if (bytes < 0 || bytes > CALL_BYTES) {
		refuse(m->r, "%s: more than %u bytes", m->call->name, CALL_BYTES);
		return REFUSED;
	}
	if (!may_flags(m, m->a[3]))
		return REFUSED;
	for (int64_t i = 0; i < bytes; i++)
		m->r->bytes[i] = stream_byte(m->fd->written + (uint64_t)i);
	rc = weir_send(m->r->stack, m->fd->sock, m->r->bytes, (size_t)bytes);
	if (rc > 0)
		m->fd->written += (uint64_t)rc;
	return rc;
}

static int64_t do_read(struct made *m)
{
	const int64_t bytes = number_of(m->a[2]);
	int64_t rc;

	if (!may_flags(m, m->a[3]))
		return REFUSED;
	rc = weir_recv(m->r->stack, m->fd->sock, m->r->bytes,
		       (size_t)RTE_MIN(RTE_MAX(bytes, 0), (int64_t)CALL_BYTES));
	for (int64_t i = 0; i < rc; i++)
		if (m->r->bytes[i] != stream_byte(m->fd->read + (uint64_t)i)) {
			fail(m->r, "%s: byte %" PRIu64 " of the stream is wrong", m->call->name,
			     m->fd->read + (uint64_t)i);
			return REFUSED;
		}
	if (rc > 0)
		m->fd->read += (uint64_t)rc;
	return rc;
}

static int64_t do_close(struct made *m)
{
	m->fd->open = false;
	return weir_sock_close(m->r->stack, m->fd->sock);
}

static int64_t do_abort(struct made *m)
{
	m->fd->open = false;
	return weir_sock_abort(m->r->stack, m->fd->sock);
}

static int64_t do_drain(struct made *m)
{
	return weir_listen_drain(m->r->stack, m->fd->sock);
}

static int64_t do_deadline(struct made *m)
{
	return weir_sock_deadline(m->r->stack, m->fd->sock, (enum weir_deadline)number_of(m->a[1]),
				  (uint64_t)number_of(m->a[2]) * UINT64_C(1000000));
}

static int64_t do_shutdown(struct made *m)
{
	return weir_shutdown(m->r->stack, m->fd->sock, (int)number_of(m->a[1]));
}

static int64_t do_fcntl(struct made *m)
{
	(void)m->fd;
	return number_of(m->a[1]) == 4 /* F_SETFL */ ? 0 : m->call->result.number;
}

static int64_t do_setsockopt(struct made *m)
{
	int refused = 0;
	const int64_t rc = call_setsockopt(m->r, m->a, &refused);

	return refused < 0 ? REFUSED : rc;
}

static int64_t do_getsockopt(struct made *m)
{
	int refused = 0;
	const int64_t rc = call_getsockopt(m->r, m->a, &refused);

	return refused < 0 ? REFUSED : rc;
}

/* ---- poll([{fd=3, events=POLLIN, revents=POLLIN}], 1, 0) ---- */

static int64_t field(const struct value *v, const char *name)
{
	for (const struct value *f = v->items; f != NULL; f = f->next)
		if (f->field != NULL && strcmp(f->field, name) == 0)
			return number_of(f);
	return 0;
}

static int64_t poll_bits(uint32_t ready)
{
	return (ready & WEIR_READY_IN ? POLLIN : 0) | (ready & WEIR_READY_OUT ? POLLOUT : 0) |
	       (ready & WEIR_READY_END ? POLLRDHUP : 0) | (ready & WEIR_READY_ERR ? POLLERR : 0);
}

static int64_t do_poll(struct made *m)
{
	int64_t n = 0;

	if (m->a[0] == NULL || m->a[0]->kind != VALUE_LIST || number_of(m->a[2]) != 0) {
		refuse(m->r, "poll: a list, its length, and 0: it does not wait");
		return REFUSED;
	}
	for (const struct value *v = m->a[0]->items; v != NULL; v = v->next) {
		const struct fd *fd = fd_of(m->r, field(v, "fd"));
		const int64_t want = field(v, "revents");
		int64_t got;

		if (fd == NULL) {
			refuse(m->r, "poll: %" PRId64 " is no socket", field(v, "fd"));
			return REFUSED;
		}
		got = poll_bits(weir_sock_ready(m->r->stack, fd->sock)) &
		      (field(v, "events") | POLLERR);
		n += got != 0;
		if ((got ^ want) & (POLLIN | POLLOUT | POLLRDHUP | POLLERR)) {
			fail(m->r, "poll: expected revents 0x%" PRIx64 " but got 0x%" PRIx64,
			     (uint64_t)want, (uint64_t)got);
			return REFUSED;
		}
	}
	return n;
}

/* ---- all of them ---- */

static const struct {
	const char *name;
	bool has_fd;
	int64_t (*make)(struct made *m);
} calls[] = {
	{"socket", false, do_socket},
	{"bind", true, do_bind},
	{"listen", true, do_listen},
	{"accept", true, do_accept},
	{"accept4", true, do_accept},
	{"connect", true, do_connect},
	{"write", true, do_write},
	{"send", true, do_write},
	{"sendto", true, do_write},
	{"read", true, do_read},
	{"recv", true, do_read},
	{"recvfrom", true, do_read},
	{"close", true, do_close},
	{"shutdown", true, do_shutdown},
	{"setsockopt", true, do_setsockopt},
	{"getsockopt", true, do_getsockopt},
	{"fcntl", true, do_fcntl},
	{"poll", false, do_poll},
	{"abort", true, do_abort},
	{"deadline", true, do_deadline},
	{"drain", true, do_drain},
};

static int check_result(struct runner *r, const struct call *c, int64_t rc)
{
	if (c->result.kind == VALUE_ANY)
		return 0;
	if (rc < 0) {
		if (c->result.number == -1 && (c->error == 0 || c->error == -rc))
			return 0;
		if (c->result.number == -1)
			return fail(
				r,
				"runtime error in %s call: Expected errno %d (%s) but got %d (%s)",
				c->name, c->error, errno_name(c->error), (int)-rc,
				errno_name((int)-rc));
		return fail(r,
			    "runtime error in %s call: Expected result %" PRId64
			    " but got -1 with errno %d (%s)",
			    c->name, c->result.number, (int)-rc, errno_name((int)-rc));
	}
	return rc == c->result.number ? 0
				      : fail(r,
					     "runtime error in %s call: Expected result %" PRId64
					     " but got %" PRId64,
					     c->name, c->result.number, rc);
}

int run_call(struct runner *r, const struct call *c)
{
	struct made m = {.r = r, .call = c};
	const struct value *v = c->args;
	int64_t rc;
	size_t i = 0;

	for (unsigned n = 0; n < ARGS_MOST && v != NULL; n++, v = v->next)
		m.a[n] = v;
	while (i < RTE_DIM(calls) && strcmp(calls[i].name, c->name) != 0)
		i++;
	if (i == RTE_DIM(calls))
		return refuse(r, "%s: this call is not supported", c->name);
	if (calls[i].has_fd) {
		m.fd = fd_of(r, m.a[0] == NULL ? -1 : number_of(m.a[0]));
		if (m.fd == NULL) /* Linux says so of any number that is none */
			return check_result(r, c, -EBADF);
	}
	rc = calls[i].make(&m);
	return rc == REFUSED ? -1 : check_result(r, c, rc);
}
