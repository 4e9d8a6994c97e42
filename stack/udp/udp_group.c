/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Datagrams for many: to groups (RFC 1112, RFC 4291 section 2.7) and by broadcast (RFC 919, RFC
 * 1122 section 3.3.6), in and out, and the options about them with Linux's names and meanings.
 */

#include "stack_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

/* ---- in ---- */

/* Who takes the datagram; all but the last get a packet that shares its bytes. */
struct takers {
	struct rte_mbuf *m;
	struct sock *last; /* NULL: nobody so far */
};

static void add_taker(struct weir_stack *s, struct takers *t, struct sock *k)
{
	struct rte_mbuf *copy;

	if (t->last != NULL) {
		copy = rte_pktmbuf_clone(t->m, s->conf.pool);
		if (copy == NULL) {
			stack_count(&s->stats.no_mbuf, 1);
		} else {
			*weir_meta(copy) = *weir_meta(t->m);
			udp_give(s, t->last, copy);
		}
	}
	t->last = k;
}

/* Linux: a socket that has not joined hears what others have, unless IP_MULTICAST_ALL is off. */
static bool hears(const struct weir_stack *s, const struct sock *k, uint16_t iface,
		  const struct weir_endpoint *to)
{
	return !addr_is_group(&to->addr) || !(k->flags & SOCK_OWN_GROUPS) ||
	       group_is_member(s, k, iface, &to->addr);
}

bool udp_input_many(struct weir_stack *s, struct rte_mbuf *m, const struct weir_endpoint *from,
		    const struct weir_endpoint *to)
{
	const struct weir_endpoint any = {.port = to->port}, *at[] = {to, &any};
	const uint16_t iface = weir_meta(m)->iface_in;
	struct takers t = {.m = m};

	if (addr_is_group(&to->addr) && !weir_stack_hears(s, iface, &to->addr))
		return false;
	if (!udp_trim(s, m))
		return true;
	for (unsigned i = 0; i < RTE_DIM(at); i++) {
		struct sock *k = NULL;

		while ((k = sock_each(s, k, at[i], from)) != NULL)
			if (hears(s, k, iface, to))
				add_taker(s, &t, k);
	}
	if (t.last == NULL)
		return false;
	udp_give(s, t.last, m);
	return true;
}

/* ---- out ---- */

/* RFC 919 and 922: all of a link, or of a subnet of ours. Those end in two set bits at least. */
static bool is_broadcast(struct weir_stack *s, const struct weir_addr *to, struct weir_link *out)
{
	return to->family == 4 && (to->bytes[3] & 3) == 3 &&
	       ip_link(s, to, &(struct weir_link){.iface = WEIR_NO_IFACE}, out);
}

static bool is_any_links(const struct weir_addr *a)
{
	static const struct weir_addr all = {4, {255, 255, 255, 255}};

	return weir_addr_equal(a, &all);
}

bool udp_is_many(struct weir_stack *s, const struct weir_addr *a)
{
	struct weir_link link;

	return addr_is_group(a) || is_any_links(a) || is_broadcast(s, a, &link);
}

int udp_link(struct weir_stack *s, const struct sock *k, const struct weir_addr *to,
	     struct weir_link *out)
{
	struct weir_link want = {.iface = WEIR_NO_IFACE};

	*out = want;
	if (addr_is_group(to)) {
		want.iface = k->group_iface;
		return ip_link(s, to, &want, out) ? 1 : -ENETUNREACH;
	}
	if (is_any_links(to)) {
		want.from = k->at.addr;
		if (want.from.family != 0 && udp_is_many(s, &want.from))
			want.from.family = 0;
		if (!ip_link(s, to, &want, out))
			return -ENETUNREACH;
	} else if (!is_broadcast(s, to, out)) {
		return 0;
	}
	return k->flags & SOCK_BROADCAST ? 1 : -EACCES;
}

/* Our own sockets hear it too, as if it had come by that interface. */
static void loop(struct weir_stack *s, struct rte_mbuf *m, const struct weir_endpoint *from,
		 const struct weir_endpoint *to, uint16_t iface)
{
	const bool v4 = to->addr.family == 4;
	struct rte_mbuf *copy = rte_pktmbuf_clone(m, s->conf.pool);

	if (copy == NULL) {
		stack_count(&s->stats.no_mbuf, 1);
		return;
	}
	*weir_meta(copy) = (struct weir_meta){
		.port_in = WEIR_NO_PORT,
		.iface_in = iface,
		.flags = WEIR_META_L4 | (v4 ? WEIR_META_IP4 : WEIR_META_IP6) |
			 (addr_is_group(&to->addr) ? 0 : WEIR_META_BROADCAST),
		.l4_off = v4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr),
		.proto = IPPROTO_UDP,
	};
	if (!udp_input_many(s, copy, from, to))
		rte_pktmbuf_free(copy);
}

void udp_send_many(struct weir_stack *s, const struct sock *k, struct rte_mbuf *m,
		   const struct weir_addr *source, const struct weir_endpoint *to, uint16_t iface)
{
	const struct weir_endpoint from = {*source, k->at.port};
	const bool group = addr_is_group(&to->addr);

	ip_put_many(s, m, source, &to->addr, k->tos, group ? k->group_ttl : IP_HOPS, iface);
	if (!group || (!(k->flags & SOCK_NO_LOOP) && weir_stack_hears(s, iface, &to->addr)))
		loop(s, m, &from, to, iface);
	if (group && k->group_ttl == 0)
		rte_pktmbuf_free(m); /* not beyond ourselves */
	else
		pkt_put(&s->out, m);
}

/* ---- options ---- */

/* An interface as options have it: its number and one, 0 for none. */
static bool read_index(int index, uint16_t *iface)
{
	*iface = index == 0 ? WEIR_NO_IFACE : (uint16_t)(index - 1);
	return index >= 0 && index <= UINT16_MAX;
}

/* ip_mreq, or ip_mreqn, or an address alone: what an IPv4 interface is named by. */
static int read_iface4(const void *value, uint32_t bytes, struct ip_mreqn *out)
{
	*out = (struct ip_mreqn){0};
	if (bytes >= sizeof(*out)) {
		memcpy(out, value, sizeof(*out));
	} else if (bytes >= sizeof(struct ip_mreq)) {
		memcpy(out, value, sizeof(struct ip_mreq));
	} else if (bytes >= sizeof(struct in_addr)) {
		memcpy(&out->imr_address, value, sizeof(struct in_addr));
	} else {
		return -EINVAL;
	}
	return 0;
}

/* The interface that is meant for a group; @iface is WEIR_NO_IFACE if the system may choose. */
static int find_iface(struct weir_stack *s, const struct weir_addr *group, uint16_t iface,
		      const struct in_addr *addr, uint16_t *out)
{
	struct weir_link want = {.iface = iface}, link;

	if (iface == WEIR_NO_IFACE && addr != NULL && addr->s_addr != INADDR_ANY)
		want.from = weir_addr_of((const uint8_t *)addr, 4);
	if (!ip_link(s, group, &want, &link))
		return -ENODEV;
	*out = link.iface;
	return 0;
}

static int change(struct weir_stack *s, struct sock *k, const struct weir_addr *group,
		  uint16_t iface, const struct in_addr *addr, bool joins)
{
	const bool any = iface == WEIR_NO_IFACE && (addr == NULL || addr->s_addr == INADDR_ANY);
	int rc;

	if (!addr_is_group(group))
		return -EINVAL;
	if (!joins && any)
		return group_leave(s, k, WEIR_NO_IFACE, group);
	rc = find_iface(s, group, iface, addr, &iface);
	if (rc < 0)
		return rc;
	return joins ? group_join(s, k, iface, group) : group_leave(s, k, iface, group);
}

static int change4(struct weir_stack *s, struct sock *k, const void *value, uint32_t bytes,
		   bool joins)
{
	struct ip_mreqn r;
	struct weir_addr group;
	uint16_t iface;

	if (bytes < sizeof(struct ip_mreq) || read_iface4(value, bytes, &r) < 0)
		return -EINVAL;
	if (!read_index(r.imr_ifindex, &iface))
		return -ENODEV;
	group = weir_addr_of((const uint8_t *)&r.imr_multiaddr, 4);
	return change(s, k, &group, iface, &r.imr_address, joins);
}

static int change6(struct weir_stack *s, struct sock *k, const void *value, uint32_t bytes,
		   bool joins)
{
	struct ipv6_mreq r;
	struct weir_addr group;
	uint16_t iface;

	if (bytes < sizeof(r))
		return -EINVAL;
	memcpy(&r, value, sizeof(r));
	if (!read_index((int)r.ipv6mr_interface, &iface))
		return -ENODEV;
	group = weir_addr_of((const uint8_t *)&r.ipv6mr_multiaddr, 6);
	return change(s, k, &group, iface, NULL, joins);
}

/* By which interface groups are sent to; a group of the family stands for all. */
static int set_iface(struct weir_stack *s, struct sock *k, uint8_t family, uint16_t iface,
		     const struct in_addr *addr)
{
	static const struct weir_addr all4 = {4, {224, 0, 0, 1}},
				      all6 = {6, {0xff, 0x02, [15] = 1}};

	if (iface == WEIR_NO_IFACE && (addr == NULL || addr->s_addr == INADDR_ANY)) {
		k->group_iface = WEIR_NO_IFACE;
		return 0;
	}
	return find_iface(s, family == 4 ? &all4 : &all6, iface, addr, &k->group_iface) < 0
		       ? -EADDRNOTAVAIL
		       : 0;
}

static int set_iface4(struct weir_stack *s, struct sock *k, const void *value, uint32_t bytes)
{
	struct ip_mreqn r;
	uint16_t iface;

	if (read_iface4(value, bytes, &r) < 0 || !read_index(r.imr_ifindex, &iface))
		return -EINVAL;
	return set_iface(s, k, 4, iface, &r.imr_address);
}

/* Linux takes a byte as well as an int for what IPv4 has had as one. */
static int read_number(int level, const void *value, uint32_t bytes, int *out)
{
	if (bytes >= sizeof(*out))
		memcpy(out, value, sizeof(*out));
	else if (level == IPPROTO_IP && bytes >= 1)
		*out = *(const uint8_t *)value;
	else
		return -EINVAL;
	return 0;
}

static int set_ttl(struct sock *k, int number)
{
	if (number == -1)
		number = 1;
	if (number < 0 || number > UINT8_MAX)
		return -EINVAL;
	k->group_ttl = (uint8_t)number;
	return 0;
}

/* Those that are on at first are kept as what is off. */
static int set_off(struct sock *k, uint8_t flag, int number)
{
	if (number != 0 && number != 1)
		return -EINVAL;
	k->flags = (uint8_t)(number == 0 ? k->flags | flag : k->flags & ~flag);
	return 0;
}

/* The same options of both families. */
enum group_opt { OPT_NONE, OPT_TTL, OPT_LOOP, OPT_ALL, OPT_IFACE, OPT_JOIN, OPT_LEAVE };

static enum group_opt opt_of(int level, int name)
{
	static const struct {
		int level, name;
		enum group_opt opt;
	} opts[] = {
		{IPPROTO_IP, IP_MULTICAST_TTL, OPT_TTL},
		{IPPROTO_IPV6, IPV6_MULTICAST_HOPS, OPT_TTL},
		{IPPROTO_IP, IP_MULTICAST_LOOP, OPT_LOOP},
		{IPPROTO_IPV6, IPV6_MULTICAST_LOOP, OPT_LOOP},
		{IPPROTO_IP, IP_MULTICAST_ALL, OPT_ALL},
		{IPPROTO_IPV6, IPV6_MULTICAST_ALL, OPT_ALL},
		{IPPROTO_IP, IP_MULTICAST_IF, OPT_IFACE},
		{IPPROTO_IPV6, IPV6_MULTICAST_IF, OPT_IFACE},
		{IPPROTO_IP, IP_ADD_MEMBERSHIP, OPT_JOIN},
		{IPPROTO_IPV6, IPV6_JOIN_GROUP, OPT_JOIN},
		{IPPROTO_IP, IP_DROP_MEMBERSHIP, OPT_LEAVE},
		{IPPROTO_IPV6, IPV6_LEAVE_GROUP, OPT_LEAVE},
	};

	for (unsigned i = 0; i < RTE_DIM(opts); i++)
		if (opts[i].level == level && opts[i].name == name)
			return opts[i].opt;
	return OPT_NONE;
}

int group_setsockopt(struct weir_stack *s, struct sock *k, int level, int name, const void *value,
		     uint32_t bytes)
{
	const enum group_opt opt = opt_of(level, name);
	const bool v4 = level == IPPROTO_IP;
	uint16_t iface;
	int number, rc;

	switch (opt) {
	case OPT_NONE:
		return -ENOPROTOOPT;
	case OPT_JOIN:
	case OPT_LEAVE:
		return v4 ? change4(s, k, value, bytes, opt == OPT_JOIN)
			  : change6(s, k, value, bytes, opt == OPT_JOIN);
	case OPT_IFACE:
		if (v4)
			return set_iface4(s, k, value, bytes);
		break;
	default:
		break;
	}
	rc = read_number(level, value, bytes, &number);
	if (rc < 0)
		return rc;
	if (opt == OPT_TTL)
		return set_ttl(k, number);
	if (opt == OPT_LOOP || opt == OPT_ALL)
		return set_off(k, opt == OPT_LOOP ? SOCK_NO_LOOP : SOCK_OWN_GROUPS, number);
	return read_index(number, &iface) ? set_iface(s, k, 6, iface, NULL) : -ENODEV;
}

int group_getsockopt(const struct sock *k, int level, int name, int *number)
{
	switch (opt_of(level, name)) {
	case OPT_TTL:
		*number = k->group_ttl;
		return 0;
	case OPT_LOOP:
		*number = !(k->flags & SOCK_NO_LOOP);
		return 0;
	case OPT_ALL:
		*number = !(k->flags & SOCK_OWN_GROUPS);
		return 0;
	case OPT_IFACE:
		*number = k->group_iface == WEIR_NO_IFACE ? 0 : k->group_iface + 1;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}
