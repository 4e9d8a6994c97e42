/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ICMP errors about segments of ours (RFC 5927): believed only if they quote bytes that are on
 * their way. A path's MTU makes segments smaller; what will not go away ends a connection that
 * begins; an open one is told nothing and goes on (RFC 1122 section 4.2.3.9).
 */

#include "tcp_priv.h"

#include <errno.h>
#include <netinet/in.h>

static bool is_on_its_way(const struct conn *c, uint32_t seq)
{
	return seq_le(c->snd_una, seq) && seq_lt(seq, c->snd_nxt);
}

/* RFC 1191, RFC 8201: the way is narrower than its first link. */
static void narrow(struct conn *c, const struct ip_error *e)
{
	const struct weir_addr to = weir_addr_of(e->ends.dst, e->ends.family);
	uint16_t mss;

	ip_mtu_lower(c->stack, &to, e->mtu_bytes);
	mss = way_mss(c->stack, &c->ends, c->flags & CONN_V6);
	if (mss >= c->mss_out) {
		mtu_told(c, e->seq);
		return;
	}
	conn_set_mss(c, mss);
	if (c->state == TCPS_SYN_SENT && c->flags & CONN_FASTOPEN) { /* once more, without data */
		fastopen_harmed(c);
		syn_again(c);
	}
}

/* RFC 5461 section 4.1: who waits for a connection learns why there is none. */
static void begin_failed(struct conn *c, const struct ip_error *e)
{
	if (!e->hard)
		return;
	if (c->flags & CONN_FASTOPEN)
		fastopen_harmed(c);
	conn_end(c, e->error);
}

static void heed(struct conn *c, const struct ip_error *e)
{
	if (!is_on_its_way(c, e->seq))
		return;
	if (e->error == EMSGSIZE)
		narrow(c, e);
	else if (c->state == TCPS_SYN_SENT)
		begin_failed(c, e);
}

bool tcp_icmp(struct weir_stack *s, const struct ip_error *e)
{
	struct ends ends = {.our_port = e->ends.sport, .peer_port = e->ends.dport};
	uint32_t ref;

	memcpy(ends.ours, e->ends.src, sizeof(ends.ours));
	memcpy(ends.peer, e->ends.dst, sizeof(ends.peer));
	ref = tcp_find(s->tcp, ends_hash(&s->conf.secret, &ends), &ends);
	if ((ref & ((1u << REF_KIND_BITS) - 1)) == REF_CONN)
		heed(&s->tcp->conns[ref >> REF_KIND_BITS], e);
	return ref != 0;
}
