/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * UDP sockets: the port of one that chooses none, the peer of one that is connected, and what ICMP
 * says to it.
 */

#include "stack_priv.h"

#include <errno.h>
#include <netinet/in.h>

#define EPHEMERAL_FIRST 32768u
#define EPHEMERAL_COUNT 28232u /* as Linux: 32768 to 60999 */
#define TRIES		4096u  /* each may be taken, or where none is computed another worker's */

/* A port by @random; false: answers of @peer to it do not come here. Of nobody's, nothing is known.
 */
static bool try_port(const struct weir_stack *s, struct weir_endpoint *at,
		     const struct weir_endpoint *peer, uint32_t random)
{
	const struct weir_stack_conf *conf = &s->conf;
	struct weir_tuple in;

	at->port = (uint16_t)(EPHEMERAL_FIRST + (((uint64_t)random * EPHEMERAL_COUNT) >> 32));
	if (conf->owns == NULL || peer == NULL)
		return true;
	in = (struct weir_tuple){.sport = htons(peer->port),
				 .dport = htons(at->port),
				 .proto = IPPROTO_UDP,
				 .family = peer->addr.family};
	memcpy(in.src, peer->addr.bytes, sizeof(in.src));
	memcpy(in.dst, at->addr.bytes, sizeof(in.dst));
	if (conf->port != NULL) {
		const uint16_t port =
			conf->port(conf->ctx, &in, EPHEMERAL_FIRST, EPHEMERAL_COUNT, random);

		if (port != 0) {
			at->port = port;
			return true;
		}
	}
	return conf->owns(conf->ctx, &in);
}

/*
 * RFC 6056 section 3.3.1: each port anew from a keyed hash, for UDP has no TIME-WAIT for whose sake
 * ports would have to go round, and one that is a step from the last helps who forges answers (RFC
 * 5452 section 9.2).
 */
int udp_choose(struct weir_stack *s, const struct weir_addr *ours, const struct weir_endpoint *peer,
	       struct weir_endpoint *out)
{
	struct weir_endpoint at = {.addr = *ours};

	for (unsigned i = 0; i < TRIES; i++) {
		const uint64_t hash =
			weir_siphash13_u64x3(&s->conf.secret, s->udp_port_next++, IPPROTO_UDP, 0);

		if (try_port(s, &at, peer, (uint32_t)hash) && udp_may_bind(s, &at, 0)) {
			*out = at;
			return 0;
		}
	}
	return peer == NULL ? -EADDRINUSE : -EADDRNOTAVAIL;
}

/* Whoever is bound to a group or a broadcast address sends from another. */
static bool has_source(struct weir_stack *s, const struct sock *k)
{
	return k->at.addr.family != 0 && !(k->flags & SOCK_FROM_WAY) &&
	       !udp_is_many(s, &k->at.addr);
}

int udp_source(struct weir_stack *s, const struct sock *k, const struct weir_addr *to,
	       struct weir_addr *out, uint16_t *iface)
{
	struct weir_link link = {.iface = WEIR_NO_IFACE};
	const int many = k == NULL ? 0 : udp_link(s, k, to, &link);
	struct weir_way way;

	if (many < 0)
		return many;
	*iface = link.iface;
	if (k != NULL && has_source(s, k)) {
		*out = k->at.addr;
		return k->at.addr.family == to->family ? 0 : -EINVAL;
	}
	if (k != NULL && k->peer.port != 0 && weir_addr_equal(&k->peer.addr, to)) {
		*out = k->at.addr;
		return 0;
	}
	if (many) {
		*out = link.from;
		return link.from.family == 0 ? -EADDRNOTAVAIL : 0;
	}
	if (s->conf.way == NULL)
		return -EADDRNOTAVAIL;
	if (!s->conf.way(s->conf.ctx, to, &way))
		return -ENETUNREACH;
	*out = way.from;
	return 0;
}

int udp_bind(struct weir_stack *s, struct sock *k, const struct weir_endpoint *at)
{
	struct weir_endpoint want = *at;
	int rc;

	if (k->at.port != 0)
		return -EINVAL;
	rc = at->port == 0 ? udp_choose(s, &at->addr, NULL, &want) : 0;
	return rc < 0 ? rc : sock_bind(s, k, &want);
}

/* Whoever was bound to any address is so again. */
static void disconnect(struct weir_stack *s, struct sock *k)
{
	const struct weir_addr any = {0}, at = k->flags & SOCK_FROM_WAY ? any : k->at.addr;

	if (k->peer.port == 0)
		return;
	k->flags &= (uint8_t)~SOCK_FROM_WAY;
	sock_set_peer(s, k, &at, &(struct weir_endpoint){0});
}

/* As in Linux the address is that of the way, as long as it is connected. */
int udp_connect(struct weir_stack *s, struct sock *k, const struct weir_endpoint *to)
{
	struct weir_endpoint at;
	struct weir_addr from;
	uint16_t iface;
	bool from_way;
	int rc;

	if (to->addr.family == 0) {
		disconnect(s, k);
		return 0;
	}
	if (to->port == 0)
		return -EINVAL;
	rc = udp_source(s, k, &to->addr, &from, &iface);
	from_way = k->at.addr.family == 0;
	if (rc == 0 && k->at.port == 0) {
		rc = udp_choose(s, &from, to, &at);
		if (rc == 0)
			rc = sock_bind(s, k, &at);
	}
	if (rc < 0)
		return rc;
	if (from_way)
		k->flags |= SOCK_FROM_WAY;
	sock_set_peer(s, k, &from, to);
	k->error = 0;
	return 0;
}

/*
 * As Linux: who is not connected is told nothing, for he could not know of which datagram, and what
 * may pass is not told either (RFC 1122 section 4.1.3.3). IPv4 may cut our datagrams, so that none
 * of them can be too big; of IPv6 a path's MTU is known to all from now on: it is nothing worse
 * than what every link carries.
 */
bool udp_icmp(struct weir_stack *s, const struct ip_error *e)
{
	const struct weir_endpoint ours = {weir_addr_of(e->ends.src, e->ends.family),
					   ntohs(e->ends.sport)};
	const struct weir_endpoint peer = {weir_addr_of(e->ends.dst, e->ends.family),
					   ntohs(e->ends.dport)};
	struct sock *k = sock_find(s, &ours, &peer);

	if (k == NULL)
		return false;
	if (e->error == EMSGSIZE) {
		if (e->ends.family == 4 || !ip_mtu_lower(s, &peer.addr, e->mtu_bytes))
			return true;
	} else if (!e->hard) {
		return true;
	}
	if (k->peer.port != 0) {
		k->error = e->error;
		sock_is_ready(s, k);
	}
	return true;
}

/* ---- options ---- */

static bool is_tos(int level, int name)
{
	return (level == IPPROTO_IP && name == IP_TOS) ||
	       (level == IPPROTO_IPV6 && name == IPV6_TCLASS);
}

static const struct {
	int level, name;
	uint8_t flag;
} flag_opts[] = {
	{SOL_SOCKET, SO_REUSEADDR, SOCK_REUSEADDR},
	{SOL_SOCKET, SO_REUSEPORT, SOCK_REUSEPORT},
	{SOL_SOCKET, SO_BROADCAST, SOCK_BROADCAST},
};

/* 0: it is none. */
static uint8_t flag_of(int level, int name)
{
	for (unsigned i = 0; i < RTE_DIM(flag_opts); i++)
		if (flag_opts[i].level == level && flag_opts[i].name == name)
			return flag_opts[i].flag;
	return 0;
}

int udp_setsockopt(struct weir_stack *s, struct sock *k, int level, int name, const void *value,
		   uint32_t bytes)
{
	const uint8_t flag = flag_of(level, name);
	int number;

	if (flag == 0 && !is_tos(level, name))
		return group_setsockopt(s, k, level, name, value, bytes);
	if (bytes < sizeof(number))
		return -EINVAL;
	memcpy(&number, value, sizeof(number));
	if (flag != 0) {
		k->flags = (uint8_t)(number != 0 ? k->flags | flag : k->flags & ~flag);
		return 0;
	}
	if (number == -1 && level == IPPROTO_IPV6) /* RFC 3542 section 6.5: as it was */
		number = 0;
	if (number < 0 || number > UINT8_MAX)
		return -EINVAL;
	k->tos = (uint8_t)number;
	return 0;
}

int udp_getsockopt(struct sock *k, int level, int name, int *number)
{
	const uint8_t flag = flag_of(level, name);

	if (is_tos(level, name))
		*number = k->tos;
	else if (flag != 0)
		*number = (k->flags & flag) != 0;
	else if (level == SOL_SOCKET && name == SO_TYPE)
		*number = SOCK_DGRAM;
	else if (level == SOL_SOCKET && name == SO_ERROR)
		*number = -sock_error(k);
	else
		return group_getsockopt(k, level, name, number);
	return 0;
}
