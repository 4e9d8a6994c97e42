/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Happy Eyeballs version 2 (RFC 8305). In its words: the resolution delay (section 3) lets IPv6
 * addresses catch up with IPv4 ones, then families take turns (section 4), one attempt each
 * connection attempt delay (section 5). Addresses of one family stay in the server's order.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <weir/dial.h>

#include "service_priv.h"

#define TICK_NS (UINT64_C(1) << 20)
/* Timers that fire in one run at most. */
#define TIMERS 256
/* RFC 8305 section 8. */
#define RESOLUTION_NS UINT64_C(50000000)
#define ATTEMPT_NS    UINT64_C(250000000)

enum { IP6, IP4 };

struct weir_dialer {
	struct weir_dialer_conf conf;
	struct weir_wheel *wheel;
	struct weir_dialer_stats stats;
};

/* ---- the end ---- */

/* Nothing is left of it but the socket of the winner. */
static void let_go(struct weir_dial *d, weir_sock winner)
{
	struct weir_dialer *r = d->dialer;

	for (int f = IP6; f <= IP4; f++)
		weir_resolve_cancel(&d->family[f].ask);
	weir_wheel_cancel(r->wheel, &d->next);
	weir_wheel_cancel(r->wheel, &d->limit);
	for (unsigned i = 0; i < d->n_socks; i++)
		if (d->socks[i] != winner)
			weir_sock_abort(r->conf.stack, d->socks[i]);
	d->n_socks = 0;
	d->dialer = NULL;
}

static void won(struct weir_dial *d, weir_sock sock, uint64_t now_ns)
{
	struct weir_dialer *r = d->dialer;
	struct weir_endpoint peer = {0};

	stack_count(&r->stats.connected, 1);
	if (weir_getpeername(r->conf.stack, sock, &peer) == 0)
		stack_count(peer.addr.family == 4 ? &r->stats.ip4 : &r->stats.ip6, 1);
	let_go(d, sock);
	d->done(d, 0, sock, now_ns);
}

static void lost(struct weir_dial *d, int error, uint64_t now_ns)
{
	struct weir_dialer *r = d->dialer;

	stack_count(&r->stats.failed, 1);
	let_go(d, WEIR_NO_SOCK);
	d->done(d, error, WEIR_NO_SOCK, now_ns);
}

void weir_dial_cancel(struct weir_dial *d)
{
	if (d->dialer != NULL)
		let_go(d, WEIR_NO_SOCK);
}

/* ---- attempts ---- */

/* The next address: of the other family than the last one's, if it has any left. */
static const struct weir_addr *next_addr(struct weir_dial *d)
{
	const int first = d->last == 6 ? IP4 : IP6;

	for (int i = 0; i < 2; i++) {
		struct weir_dial_family *f = &d->family[i == 0 ? first : !first];

		if (f->at < f->n)
			return &f->addrs[f->at++];
	}
	return NULL;
}

/* @return 0: it waits for its answer; or why it does not. */
static int begin_one(struct weir_dial *d, const struct weir_addr *addr)
{
	struct weir_dialer *r = d->dialer;
	const struct weir_endpoint to = {.addr = *addr, .port = d->port};
	weir_sock sock;
	int rc = weir_socket(r->conf.stack, WEIR_TCP, d->user, &sock);

	d->last = addr->family;
	if (rc < 0)
		return rc;
	rc = weir_connect(r->conf.stack, sock, &to);
	if (rc != -EINPROGRESS) {
		weir_sock_close(r->conf.stack, sock);
		return rc;
	}
	stack_count(&r->stats.attempts, 1);
	d->socks[d->n_socks++] = sock;
	return 0;
}

/* Try the next address that there is a way to. The dial may be over after that. */
static void attempt(struct weir_dial *d, uint64_t now_ns)
{
	const struct weir_addr *addr;

	while ((addr = next_addr(d)) != NULL) {
		const int rc = begin_one(d, addr);

		if (rc < 0) {
			d->error = rc;
			continue;
		}
		weir_wheel_arm(d->dialer->wheel, &d->next, now_ns + d->dialer->conf.attempt_ns);
		return;
	}
	if (d->n_socks == 0 && d->family[IP6].known && d->family[IP4].known)
		lost(d, d->error, now_ns);
}

static void next_fire(struct weir_timer *t, uint64_t now_ns)
{
	attempt((struct weir_dial *)((char *)t - offsetof(struct weir_dial, next)), now_ns);
}

static void limit_fire(struct weir_timer *t, uint64_t now_ns)
{
	struct weir_dial *d = (struct weir_dial *)((char *)t - offsetof(struct weir_dial, limit));

	stack_count(&d->dialer->stats.timed_out, 1);
	lost(d, -ETIMEDOUT, now_ns);
}

void weir_dial_event(struct weir_dial *d, const struct weir_event *e, uint64_t now_ns)
{
	struct weir_dialer *r = d->dialer;
	struct weir_endpoint ours;
	uint32_t ready;
	unsigned i = 0;

	while (r != NULL && i < d->n_socks && d->socks[i] != e->sock)
		i++;
	if (r == NULL || i == d->n_socks)
		return;
	ready = weir_sock_ready(r->conf.stack, e->sock);
	if (!(ready & WEIR_READY_ERR) && weir_getsockname(r->conf.stack, e->sock, &ours) == 0) {
		if (ready & WEIR_READY_OUT)
			won(d, e->sock, now_ns);
		return;
	}
	d->error = service_error(r->conf.stack, e->sock);
	if (d->error == 0)
		d->error = -ECONNRESET;
	weir_sock_close(r->conf.stack, e->sock);
	d->socks[i] = d->socks[--d->n_socks];
	attempt(d, now_ns); /* RFC 8305 section 5: at once */
}

/* ---- names ---- */

/* Section 3: at once with IPv6 addresses, or without any to come; else a little later. */
static void resolved(struct weir_dial *d, uint64_t now_ns)
{
	const bool begun = d->last != 0;

	if (!begun && !d->family[IP6].known) {
		if (d->family[IP4].n > 0)
			weir_wheel_arm(d->dialer->wheel, &d->next,
				       now_ns + d->dialer->conf.resolution_ns);
		return;
	}
	if (!begun || !weir_timer_is_armed(&d->next))
		attempt(d, now_ns);
}

static void answer(struct weir_dial *d, int which, int error, const struct weir_addr *addrs,
		   unsigned n, uint64_t now_ns)
{
	struct weir_dial_family *f = &d->family[which];

	f->known = true;
	f->n = (uint8_t)RTE_MIN(n, (unsigned)WEIR_NAME_ADDRS);
	memcpy(f->addrs, addrs, f->n * sizeof(*addrs));
	if (error != 0 && (d->error == 0 || d->error == -ENOENT))
		d->error = error; /* that there is none says less than any other error */
	resolved(d, now_ns);
}

static void answer6(struct weir_name_ask *ask, int error, const struct weir_addr *addrs, unsigned n,
		    uint64_t now_ns)
{
	answer((struct weir_dial *)((char *)ask - offsetof(struct weir_dial, family[IP6].ask)), IP6,
	       error, addrs, n, now_ns);
}

static void answer4(struct weir_name_ask *ask, int error, const struct weir_addr *addrs, unsigned n,
		    uint64_t now_ns)
{
	answer((struct weir_dial *)((char *)ask - offsetof(struct weir_dial, family[IP4].ask)), IP4,
	       error, addrs, n, now_ns);
}

/* ---- calls ---- */

static int ask_for(struct weir_dial *d, const char *name, uint64_t now_ns)
{
	struct weir_resolver *r = d->dialer->conf.resolver;
	struct weir_addr addr;
	int rc;

	if (weir_addr_parse(name, strlen(name), &addr) == 0) {
		struct weir_dial_family *f = &d->family[addr.family == 6 ? IP6 : IP4];

		d->family[IP6].known = d->family[IP4].known = true;
		f->addrs[f->n++] = addr;
		weir_wheel_arm(d->dialer->wheel, &d->next, now_ns);
		return 0;
	}
	d->family[IP6].ask.done = answer6;
	d->family[IP4].ask.done = answer4;
	rc = weir_resolve(r, name, 6, &d->family[IP6].ask, now_ns);
	return rc < 0 ? rc : weir_resolve(r, name, 4, &d->family[IP4].ask, now_ns);
}

int weir_dial(struct weir_dialer *r, struct weir_dial *d, const char *name, uint16_t port,
	      void *user, uint64_t now_ns)
{
	int rc;

	if (d->dialer != NULL)
		return -EALREADY;
	if (port == 0)
		return -EINVAL;
	*d = (struct weir_dial){.done = d->done,
				.dialer = r,
				.user = user,
				.port = port,
				.next.fire = next_fire,
				.limit.fire = limit_fire};
	rc = ask_for(d, name, now_ns);
	if (rc < 0) {
		let_go(d, WEIR_NO_SOCK);
		return rc;
	}
	stack_count(&r->stats.begun, 1);
	if (r->conf.connect_ns != 0)
		weir_wheel_arm(r->wheel, &d->limit,
			       weir_deadline_after(now_ns, r->conf.connect_ns));
	return 0;
}

void weir_dialer_set_limit(struct weir_dialer *r, uint64_t connect_ns)
{
	r->conf.connect_ns = connect_ns;
}

uint64_t weir_dialer_run(struct weir_dialer *r, uint64_t now_ns)
{
	weir_wheel_run(r->wheel, now_ns, TIMERS);
	return weir_wheel_next_ns(r->wheel);
}

int weir_dialer_create(const struct weir_dialer_conf *conf, struct weir_dialer **out)
{
	struct weir_dialer *r;
	int rc;

	if (conf->stack == NULL || conf->resolver == NULL)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->conf = *conf;
	if (conf->resolution_ns == 0)
		r->conf.resolution_ns = RESOLUTION_NS;
	if (conf->attempt_ns == 0)
		r->conf.attempt_ns = ATTEMPT_NS;
	rc = weir_wheel_create(TICK_NS, conf->now_ns, &r->wheel);
	if (rc < 0) {
		free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void weir_dialer_free(struct weir_dialer *r)
{
	if (r == NULL)
		return;
	weir_wheel_free(r->wheel);
	free(r);
}

void weir_dialer_stats(const struct weir_dialer *r, struct weir_dialer_stats *out)
{
	stack_count_read(&r->stats, out, sizeof(*out));
}
