/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A stack's beginning and end, and its two doors: input, and poll for output.
 */

#include "tcp_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#define OUT_BURST 64
#define IN_BURST  64

#define GROUPS_DEFAULT 64

int weir_stack_create(const struct weir_stack_conf *conf, struct weir_stack **out)
{
	struct weir_stack *s;
	int rc;

	if (conf->pool == NULL || conf->output == NULL || conf->sockets == 0 ||
	    conf->sockets > WEIR_STACK_SOCKETS_MAX || conf->socket_pkts == 0 ||
	    conf->groups > WEIR_STACK_GROUPS_MAX)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->conf = *conf;
	if (s->conf.groups == 0)
		s->conf.groups = GROUPS_DEFAULT;
	s->now_ns = conf->now_ns;
	rc = sock_table_create(s);
	if (rc == 0)
		rc = groups_create(s);
	if (rc == 0)
		rc = tcp_create(s);
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
	tcp_free(s);
	sock_table_free(s);
	groups_free(s);
	while ((m = pkt_take(&s->out)) != NULL)
		rte_pktmbuf_free(m);
	free(s);
}

/* An error about a packet of ours. False: it is nothing of the kind. */
static bool icmp_input(struct weir_stack *s, struct rte_mbuf *m)
{
	struct ip_error e;

	if (!ip_error_read(m, &e))
		return false;
	if (e.ends.proto == IPPROTO_TCP ? s->tcp == NULL || !tcp_icmp(s, &e) : !udp_icmp(s, &e))
		return false;
	stack_count(&s->stats.icmp_errors, 1);
	rte_pktmbuf_free(m);
	return true;
}

/* What is not TCP's. False: it is for no socket. */
static bool input_one(struct weir_stack *s, struct rte_mbuf *m)
{
	switch (weir_meta(m)->proto) {
	case IPPROTO_UDP:
		return udp_input(s, m);
	case IPPROTO_IGMP:
		return group_input(s, m);
	case IPPROTO_ICMPV6:
		return icmp_input(s, m) || group_input(s, m);
	case IPPROTO_ICMP:
		return icmp_input(s, m);
	default:
		return false;
	}
}

uint16_t weir_stack_input(struct weir_stack *s, struct rte_mbuf **pkts, uint16_t n, uint64_t now_ns)
{
	struct rte_mbuf *tcp[IN_BURST];
	uint16_t left = 0, n_tcp = 0;

	s->now_ns = now_ns;
	for (uint16_t i = 0; i < n; i++) {
		if (weir_meta(pkts[i])->proto == IPPROTO_TCP && s->tcp != NULL) {
			tcp[n_tcp++] = pkts[i];
			if (n_tcp == IN_BURST) {
				tcp_input(s, tcp, n_tcp);
				n_tcp = 0;
			}
		} else if (!input_one(s, pkts[i])) {
			pkts[left++] = pkts[i];
		}
	}
	if (n_tcp > 0)
		tcp_input(s, tcp, n_tcp);
	return left;
}

uint64_t weir_stack_poll(struct weir_stack *s, uint64_t now_ns)
{
	struct rte_mbuf *pkts[OUT_BURST];
	uint64_t due_ns, tcp_due_ns;

	s->now_ns = now_ns;
	due_ns = groups_poll(s);
	if (s->tcp != NULL) {
		tcp_due_ns = tcp_poll(s);
		due_ns = RTE_MIN(due_ns, tcp_due_ns);
	}
	while (s->out.n > 0) {
		uint16_t n = 0;

		while (n < OUT_BURST && s->out.n > 0)
			pkts[n++] = pkt_take(&s->out);
		s->conf.output(s->conf.ctx, pkts, n);
	}
	return due_ns;
}

void weir_stack_stats(const struct weir_stack *s, struct weir_stack_stats *out)
{
	stack_count_read(&s->stats, out, sizeof(*out));
}
