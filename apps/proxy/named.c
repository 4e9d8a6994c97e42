/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A backend that has a name: its addresses are asked for as often as their TTL says, and each
 * client's connection is the first of them that answers.
 */

#include "proxy_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <weir/error.h>

#define SECOND UINT64_C(1000000000)
/* Of the bounds of what a server says, and how long it is believed that there is nothing. */
#define TTL_LEAST_NS SECOND
#define TTL_MOST_NS  (3600 * SECOND)
#define NEGATIVE_NS  (5 * SECOND)
/* The name in both families. */
#define NAMES 2

struct named {
	char name[WEIR_NAME_MAX + 2];
	struct backend_user resolver_user;
	struct weir_resolver *resolver;
	struct weir_dialer *dialer;
};

static void connected(struct weir_dial *d, int error, weir_sock sock, uint64_t now_ns)
{
	const int on = 1; /* bytes were cut into segments by who has sent them */
	struct proxy_conn *c = (struct proxy_conn *)((char *)d - offsetof(struct proxy_conn, dial));
	struct proxy_worker *w = c->worker;

	if (error == 0) {
		weir_stream_tcp(&c->back, w->stack.stack, sock);
		error = weir_setsockopt(w->stack.stack, sock, IPPROTO_TCP, TCP_NODELAY, &on,
					sizeof(on));
		if (error < 0)
			weir_stream_abort(&c->back.stream);
	}
	if (error < 0)
		proxy_refuse(w, c);
	else
		proxy_splice(w, c, now_ns);
}

int named_ask(struct proxy_worker *w, struct proxy_conn *c, uint64_t now_ns)
{
	int rc;

	c->named = (struct backend_user){.user = {.is = STACK_OWN, .what = OF_NAME}, .conn = c};
	c->dial.done = connected;
	rc = weir_dial(w->named->dialer, &c->dial, w->named->name, w->to.port, &c->named, now_ns);
	return rc < 0 ? rc : -EAGAIN;
}

struct proxy_conn *named_event(struct proxy_worker *w, const struct weir_event *e, uint64_t now_ns)
{
	struct proxy_conn *c = ((struct backend_user *)e->user)->conn;

	(void)w;
	if (c == NULL) /* the resolver's: it is run in this pass */
		return NULL;
	if (c->joined)
		return c;
	weir_dial_event(&c->dial, e, now_ns);
	return NULL;
}

void named_follow(struct proxy_worker *w)
{
	weir_dialer_set_limit(w->named->dialer, weir_counted(&w->live.connect_ns));
}

uint64_t named_run(struct proxy_worker *w, uint64_t now_ns)
{
	const uint64_t names_ns = weir_resolver_run(w->named->resolver, now_ns);
	const uint64_t dials_ns = weir_dialer_run(w->named->dialer, now_ns);

	return RTE_MIN(names_ns, dials_ns);
}

void named_stats(const struct proxy_worker *w, struct weir_dialer_stats *dials,
		 struct weir_resolver_stats *names)
{
	weir_dialer_stats(w->named->dialer, dials);
	weir_resolver_stats(w->named->resolver, names);
}

static int make(struct named *n, const struct weir_shard *shard, struct weir_stack *stack,
		const struct proxy_section *conf)
{
	struct weir_endpoint servers[WEIR_DNS_SERVERS] = {0};
	struct weir_resolver_conf names = {
		.stack = stack,
		.pool = shard->pool,
		.servers = servers,
		.n_servers = (unsigned)conf->dns.n,
		.names = NAMES,
		.least_ttl_ns = TTL_LEAST_NS,
		.most_ttl_ns = TTL_MOST_NS,
		.negative_ns = NEGATIVE_NS,
		.user = &n->resolver_user,
	};
	struct weir_dialer_conf dials = {.stack = stack, .connect_ns = conf->connect};
	int rc;

	for (size_t i = 0; i < conf->dns.n; i++)
		servers[i].addr = ((const struct weir_addr *)conf->dns.items)[i];
	rc = weir_resolver_create(&names, &n->resolver);
	dials.resolver = n->resolver;
	return rc < 0 ? rc : weir_dialer_create(&dials, &n->dialer);
}

int named_open(struct proxy_worker *w, const struct weir_shard *shard,
	       const struct proxy_conf *conf, struct weir_why *why)
{
	int rc = -ENOMEM;

	w->named = calloc(1, sizeof(*w->named));
	if (w->named != NULL) {
		strncpy(w->named->name, conf->proxy.to, sizeof(w->named->name) - 1);
		w->named->resolver_user.user =
			(struct stack_user){.is = STACK_OWN, .what = OF_RESOLVER};
		rc = make(w->named, shard, w->stack.stack, &conf->proxy);
	}
	if (rc < 0)
		return weir_why(why, rc, "worker %u: proxy.to: no resolver: %s", shard->worker,
				weir_error_text(rc));
	return 0;
}

void named_close(struct proxy_worker *w)
{
	if (w->named == NULL)
		return;
	weir_dialer_free(w->named->dialer);
	weir_resolver_free(w->named->resolver);
	free(w->named);
	w->named = NULL;
}
