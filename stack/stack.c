/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A stack's beginning and end, and its two doors: input, and poll for output.
 */

#include "stack_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#define OUT_BURST 64

int weir_stack_create(const struct weir_stack_conf *conf, struct weir_stack **out)
{
	struct weir_stack *s;
	int rc;

	if (conf->pool == NULL || conf->output == NULL || conf->sockets == 0 ||
	    conf->sockets > WEIR_STACK_SOCKETS_MAX || conf->socket_pkts == 0)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->conf = *conf;
	rc = sock_table_create(s);
	if (rc < 0) {
		weir_stack_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void weir_stack_free(struct weir_stack *s)
{
	struct rte_mbuf *m;

	if (s == NULL)
		return;
	sock_table_free(s);
	while ((m = pkt_take(&s->out)) != NULL)
		rte_pktmbuf_free(m);
	free(s);
}

uint16_t weir_stack_input(struct weir_stack *s, struct rte_mbuf **pkts, uint16_t n, uint64_t now_ns)
{
	uint16_t left = 0;

	(void)now_ns; /* UDP has no timers */
	for (uint16_t i = 0; i < n; i++)
		if (weir_meta(pkts[i])->proto != IPPROTO_UDP || !udp_input(s, pkts[i]))
			pkts[left++] = pkts[i];
	return left;
}

uint64_t weir_stack_poll(struct weir_stack *s, uint64_t now_ns)
{
	struct rte_mbuf *pkts[OUT_BURST];

	(void)now_ns;
	while (s->out.n > 0) {
		uint16_t n = 0;

		while (n < OUT_BURST && s->out.n > 0)
			pkts[n++] = pkt_take(&s->out);
		s->conf.output(s->conf.ctx, pkts, n);
	}
	return UINT64_MAX;
}

void weir_stack_stats(const struct weir_stack *s, struct weir_stack_stats *out)
{
	const uint64_t *from = (const uint64_t *)&s->stats;
	uint64_t *to = (uint64_t *)out;

	for (unsigned i = 0; i < sizeof(*out) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}
