/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A set of interfaces: found by port and VLANs, and what follows from their addresses.
 *
 * A set is made once and not changed; the routing table holds one, every weir_l3 refers to one.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

uint16_t ifaces_find(const struct weir_ifaces *s, const char *name)
{
	for (uint16_t i = 0; i < s->n; i++)
		if (s->at[i].port != WEIR_NO_PORT && strcmp(s->at[i].name, name) == 0)
			return i;
	return WEIR_NO_IFACE;
}

static bool same_prefix(const struct weir_prefix *a, const struct weir_prefix *b)
{
	return a->length == b->length && weir_addr_equal(&a->addr, &b->addr);
}

/* What duplicate address detection has found out so far. */
static bool same_probed(const struct weir_iface *a, const struct weir_iface *b)
{
	if (a->no_link_local != b->no_link_local || a->link_local_flags != b->link_local_flags ||
	    a->watched != b->watched || a->slaac != b->slaac || a->n_tentative != b->n_tentative ||
	    a->n_onlink != b->n_onlink)
		return false;
	for (uint8_t k = 0; k < a->n_tentative; k++)
		if (!weir_addr_equal(&a->tentative[k], &b->tentative[k]))
			return false;
	for (uint8_t k = 0; k < a->n_onlink; k++)
		if (!same_prefix(&a->onlink[k], &b->onlink[k]))
			return false;
	return true;
}

static bool same_iface(const struct weir_iface *a, const struct weir_iface *b)
{
	if (strcmp(a->name, b->name) != 0 || a->port != b->port || a->mtu != b->mtu ||
	    a->vlan[0] != b->vlan[0] || a->vlan[1] != b->vlan[1] || a->kernel != b->kernel ||
	    memcmp(a->mac, b->mac, sizeof(a->mac)) != 0 || a->n_addrs != b->n_addrs)
		return false;
	if (b->link_local.family != 0 && !weir_addr_equal(&a->link_local, &b->link_local))
		return false;
	for (uint8_t k = 0; k < a->n_addrs; k++)
		if (!same_prefix(&a->addr[k], &b->addr[k]) || a->addr_flags[k] != b->addr_flags[k])
			return false;
	return same_probed(a, b);
}

bool ifaces_same(const struct weir_ifaces *s, const struct weir_iface *ifaces, uint16_t n)
{
	uint16_t there = 0;

	for (uint16_t i = 0; i < s->n; i++)
		there += s->at[i].port != WEIR_NO_PORT;
	if (there != n)
		return false;
	for (uint16_t i = 0; i < n; i++) {
		const uint16_t at = ifaces_find(s, ifaces[i].name);

		if (at == WEIR_NO_IFACE || !same_iface(&s->at[at], &ifaces[i]))
			return false;
	}
	return true;
}

/* Whether one machine can have it as its own: no group, no loopback, not "any". */
static bool is_host(const struct weir_addr *a)
{
	static const uint8_t first15[15];

	if (a->family == 4)
		return a->bytes[0] != 0 && a->bytes[0] != 127 && a->bytes[0] < 224;
	return a->bytes[0] != 0xff &&
	       (memcmp(a->bytes, first15, sizeof(first15)) != 0 || a->bytes[15] > 1);
}

static int judge_addr(const struct weir_iface *i, const struct weir_prefix *a, struct weir_why *why)
{
	const uint8_t most = a->addr.family == 4 ? 32 : 128;

	if (a->addr.family != 4 && a->addr.family != 6)
		return weir_why(why, -EINVAL, "interface %s: an address is neither IPv4 nor IPv6",
				i->name);
	if (a->length == 0 || a->length > most)
		return weir_why(why, -EINVAL, "interface %s: prefix length %u, must be 1 to %u",
				i->name, a->length, most);
	if (!is_host(&a->addr)) {
		char text[WEIR_ADDR_TEXT];

		return weir_why(why, -EINVAL, "interface %s: %s is no address of a host", i->name,
				weir_addr_format(&a->addr, text));
	}
	return 0;
}

static int judge(const struct weir_iface *i, struct weir_why *why)
{
	if (i->name[0] == '\0' || memchr(i->name, '\0', sizeof(i->name)) == NULL)
		return weir_why(why, -EINVAL, "an interface has no name, or one beyond 31 bytes");
	if (i->port >= WEIR_PORTS_MAX)
		return weir_why(why, -EINVAL, "interface %s: port %u, must be below %u", i->name,
				i->port, WEIR_PORTS_MAX);
	if (i->vlan[0] >= WEIR_VLANS - 1 || i->vlan[1] >= WEIR_VLANS - 1)
		return weir_why(why, -EINVAL, "interface %s: VLAN %u, must be 1 to 4094", i->name,
				i->vlan[0] >= WEIR_VLANS - 1 ? i->vlan[0] : i->vlan[1]);
	if (i->vlan[0] == 0 && i->vlan[1] != 0)
		return weir_why(why, -EINVAL, "interface %s: an inner VLAN without an outer one",
				i->name);
	if (i->mtu < 68) /* RFC 791 */
		return weir_why(why, -EINVAL, "interface %s: MTU %u, must be 68 or more", i->name,
				i->mtu);
	if (i->n_addrs > WEIR_IFACE_ADDRS_MAX)
		return weir_why(why, -EINVAL, "interface %s: %u addresses, must be at most %u",
				i->name, i->n_addrs, WEIR_IFACE_ADDRS_MAX);
	if (i->n_tentative > WEIR_IFACE_TENTATIVE_MAX || i->n_onlink > WEIR_IFACE_ONLINK_MAX)
		return weir_why(why, -EINVAL,
				"interface %s: too many tentative addresses or subnets", i->name);
	for (uint8_t k = 0; k < i->n_addrs; k++) {
		const int rc = judge_addr(i, &i->addr[k], why);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Two interfaces with one subnet could not both be right. */
static int judge_pair(const struct weir_iface *a, const struct weir_iface *b, struct weir_why *why)
{
	char text[WEIR_PREFIX_TEXT];

	for (uint8_t k = 0; k < a->n_addrs; k++) {
		const struct weir_prefix p = weir_prefix_network(&a->addr[k]);

		for (uint8_t m = 0; m < b->n_addrs; m++) {
			const struct weir_prefix q = weir_prefix_network(&b->addr[m]);

			if (weir_addr_equal(&a->addr[k].addr, &b->addr[m].addr) ||
			    (p.length == q.length && weir_addr_equal(&p.addr, &q.addr)))
				return weir_why(why, -EEXIST, "interfaces %s and %s both have %s",
						a->name, b->name, weir_prefix_format(&p, text));
		}
	}
	return 0;
}

static void make_link_local(struct weir_iface *i)
{
	if (i->link_local.family == 0 && !i->no_link_local)
		i->link_local = weir_link_local(i->mac);
}

static uint16_t *vlan_table(uint16_t **at)
{
	if (*at == NULL) {
		*at = malloc(WEIR_VLANS * sizeof(**at));
		if (*at != NULL)
			memset(*at, 0xff, WEIR_VLANS * sizeof(**at)); /* WEIR_NO_IFACE */
	}
	return *at;
}

/* Where the number of an interface stands, by its port and tags; NULL: out of memory. */
static uint16_t *place(struct weir_ifaces *s, const struct weir_iface *i)
{
	uint16_t *table;

	if (i->vlan[0] == 0)
		return &s->untagged[i->port];
	if (i->vlan[1] == 0) {
		table = vlan_table(&s->tagged[i->port]);
		return table == NULL ? NULL : &table[i->vlan[0]];
	}
	if (s->inner[i->port] == NULL)
		s->inner[i->port] = calloc(WEIR_VLANS, sizeof(s->inner[0][0]));
	if (s->inner[i->port] == NULL)
		return NULL;
	table = vlan_table(&s->inner[i->port][i->vlan[0]]);
	return table == NULL ? NULL : &table[i->vlan[1]];
}

static int insert(struct weir_ifaces *s, uint16_t index, const struct weir_iface *i,
		  struct weir_why *why)
{
	uint16_t *at = place(s, i);

	if (at == NULL)
		return weir_why(why, -ENOMEM, "out of memory for the VLANs of %s", i->name);
	if (*at != WEIR_NO_IFACE)
		return weir_why(why, -EEXIST, "interfaces %s and %s have the same port and VLAN",
				s->at[*at].name, i->name);
	*at = index;
	s->at[index] = *i;
	make_link_local(&s->at[index]);
	return 0;
}

/*
 * An index for each: the old one of its name, or one that was free before too, so that no route
 * moves to another interface by its number.
 */
static uint16_t choose_index(const struct weir_ifaces *s, const struct weir_ifaces *before,
			     const char *name)
{
	const uint16_t known = before == NULL ? WEIR_NO_IFACE : ifaces_find(before, name);

	if (known != WEIR_NO_IFACE)
		return known;
	for (uint16_t i = 0; i < s->n; i++)
		if (s->at[i].port == WEIR_NO_PORT &&
		    (before == NULL || i >= before->n || before->at[i].port == WEIR_NO_PORT))
			return i;
	return WEIR_NO_IFACE;
}

static int fill(struct weir_ifaces *s, const struct weir_ifaces *before,
		const struct weir_iface *ifaces, uint16_t n, struct weir_why *why)
{
	int rc = 0;

	for (uint16_t i = 0; i < n && rc == 0; i++) {
		uint16_t index;

		rc = judge(&ifaces[i], why);
		for (uint16_t j = 0; j < i && rc == 0; j++)
			rc = strcmp(ifaces[i].name, ifaces[j].name) == 0
				     ? weir_why(why, -EEXIST, "two interfaces have the name %s",
						ifaces[i].name)
				     : judge_pair(&ifaces[j], &ifaces[i], why);
		if (rc < 0)
			return rc;
		index = choose_index(s, before, ifaces[i].name);
		if (index == WEIR_NO_IFACE)
			return weir_why(why, -ENOSPC, "no number is free for interface %s",
					ifaces[i].name);
		rc = insert(s, index, &ifaces[i], why);
	}
	return rc;
}

int ifaces_create(const struct weir_ifaces *before, const struct weir_iface *ifaces, uint16_t n,
		  struct weir_ifaces **out, struct weir_why *why)
{
	const unsigned room = (before == NULL ? 0u : before->n) + n; /* all could be new ones */
	struct weir_ifaces *s;
	int rc;

	if (n > WEIR_IFACES_MAX)
		return weir_why(why, -ENOSPC, "%u interfaces, must be at most %u", n,
				WEIR_IFACES_MAX);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return weir_why(why, -ENOMEM, "out of memory for interfaces");
	s->refs = 1;
	s->n = (uint16_t)(room < WEIR_IFACES_MAX ? room : WEIR_IFACES_MAX);
	memset(s->untagged, 0xff, sizeof(s->untagged)); /* WEIR_NO_IFACE */
	s->at = calloc(s->n + 1u, sizeof(s->at[0]));
	s->link = calloc(s->n + 1u, sizeof(s->link[0]));
	s->link_hop = calloc(s->n + 1u, sizeof(s->link_hop[0]));
	if (s->at == NULL || s->link == NULL || s->link_hop == NULL) {
		rc = weir_why(why, -ENOMEM, "out of memory for %u interfaces", n);
		goto err;
	}
	for (uint16_t i = 0; i < s->n; i++)
		s->at[i].port = WEIR_NO_PORT;
	rc = fill(s, before, ifaces, n, why);
	if (rc < 0)
		goto err;
	while (s->n > 0 && s->at[s->n - 1].port == WEIR_NO_PORT)
		s->n--;
	*out = s;
	return 0;
err:
	ifaces_free(s);
	return rc;
}

int weir_ifaces_check(const struct weir_iface *ifaces, uint16_t n, struct weir_why *why)
{
	struct weir_ifaces *s;
	const int rc = ifaces_create(NULL, ifaces, n, &s, why);

	if (rc == 0)
		ifaces_free(s);
	return rc;
}

void ifaces_free(struct weir_ifaces *s)
{
	if (s == NULL)
		return;
	for (unsigned port = 0; port < WEIR_PORTS_MAX; port++) {
		free(s->tagged[port]);
		for (unsigned vlan = 0; s->inner[port] != NULL && vlan < WEIR_VLANS; vlan++)
			free(s->inner[port][vlan]);
		free(s->inner[port]);
	}
	free(s->at);
	free(s->link);
	free(s->link_hop);
	free(s);
}

static bool is_link_local(const struct weir_addr *a)
{
	return a->family == 6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

/* The longest of some subnets that has an address, if longer than @length; else @length. */
static int longest(const struct weir_prefix *p, uint8_t n, const struct weir_addr *addr, int length)
{
	for (uint8_t k = 0; k < n; k++)
		if (p[k].length > length && !is_link_local(&p[k].addr) &&
		    weir_prefix_contains(&p[k], addr))
			length = p[k].length;
	return length;
}

uint16_t ifaces_subnet(const struct weir_ifaces *s, const struct weir_addr *addr)
{
	uint16_t best = WEIR_NO_IFACE;
	int length = -1;

	for (uint16_t i = 0; i < s->n; i++) {
		const struct weir_iface *f = &s->at[i];
		int here = longest(f->addr, f->n_addrs, addr, length);

		here = longest(f->onlink, f->n_onlink, addr, here);
		if (here > length)
			best = i;
		length = here;
	}
	return best;
}

bool iface_reaches(const struct weir_iface *i, const struct weir_addr *addr)
{
	if (is_link_local(addr))
		return true;
	for (uint8_t k = 0; k < i->n_addrs; k++)
		if (weir_prefix_contains(&i->addr[k], addr))
			return true;
	for (uint8_t k = 0; k < i->n_onlink; k++)
		if (weir_prefix_contains(&i->onlink[k], addr))
			return true;
	return false;
}

typedef int derive_fn(void *ctx, const struct weir_prefix *to, enum weir_hop_kind kind,
		      uint16_t iface, struct weir_why *why);

/* The whole of a subnet, its broadcast address; RFC 3021: a /31 has none. */
static int derive4(const struct weir_prefix *a, uint16_t iface, derive_fn *fn, void *ctx,
		   struct weir_why *why)
{
	const struct weir_prefix net = weir_prefix_network(a);
	const struct weir_prefix self = {.addr = a->addr, .length = 32};
	struct weir_prefix broadcast = self;
	int rc = 0;

	if (a->length < 32)
		rc = fn(ctx, &net, WEIR_HOP_LINK, iface, why);
	if (rc == 0 && a->length < 31) {
		for (unsigned bit = a->length; bit < 32; bit++)
			broadcast.addr.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		rc = fn(ctx, &broadcast, WEIR_HOP_BROADCAST, iface, why);
	}
	return rc == 0 ? fn(ctx, &self, WEIR_HOP_LOCAL, WEIR_NO_IFACE, why) : rc;
}

/* The solicited-node group of an address (RFC 4291 2.7.1). */
static int derive_solicited(const struct weir_addr *a, derive_fn *fn, void *ctx,
			    struct weir_why *why)
{
	const struct weir_prefix group = {
		.addr = {.family = 6,
			 .bytes = {0xff, 0x02, [11] = 0x01, 0xff, a->bytes[13], a->bytes[14],
				   a->bytes[15]}},
		.length = 128};

	return fn(ctx, &group, WEIR_HOP_BROADCAST, WEIR_NO_IFACE, why);
}

static int derive6(const struct weir_prefix *a, uint16_t iface, derive_fn *fn, void *ctx,
		   struct weir_why *why)
{
	const struct weir_prefix net = weir_prefix_network(a);
	const struct weir_prefix self = {.addr = a->addr, .length = 128};
	struct weir_prefix anycast = net;
	int rc = derive_solicited(&a->addr, fn, ctx, why);

	if (rc != 0 || is_link_local(&a->addr)) /* 60_route knows those by their interface */
		return rc;
	if (a->length < 128)
		rc = fn(ctx, &net, WEIR_HOP_LINK, iface, why);
	if (rc == 0 && a->length < 127) { /* RFC 4291 2.6.1, but RFC 6164 */
		anycast.length = 128;
		rc = fn(ctx, &anycast, WEIR_HOP_LOCAL, WEIR_NO_IFACE, why);
	}
	return rc == 0 ? fn(ctx, &self, WEIR_HOP_LOCAL, WEIR_NO_IFACE, why) : rc;
}

/* What is so on every router: broadcast and groups, fe80::. */
static int derive_always(derive_fn *fn, void *ctx, struct weir_why *why)
{
	static const struct {
		struct weir_prefix to;
		enum weir_hop_kind kind;
	} always[] = {
		{{{4, {255, 255, 255, 255}}, 32}, WEIR_HOP_BROADCAST},
		{{{4, {224}}, 4}, WEIR_HOP_MULTICAST},
		{{{4, {224, 0, 0, 1}}, 32}, WEIR_HOP_BROADCAST}, /* all systems, RFC 1112 */
		{{{6, {0xff}}, 8}, WEIR_HOP_MULTICAST},
		{{{6, {0xff, 0x02, [15] = 1}}, 128}, WEIR_HOP_BROADCAST}, /* all nodes */
		{{{6, {0xfe, 0x80}}, 10}, WEIR_HOP_LINK_LOCAL},
	};

	for (unsigned i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
		const int rc = fn(ctx, &always[i].to, always[i].kind, WEIR_NO_IFACE, why);

		if (rc != 0)
			return rc;
	}
	return 0;
}

static int derive_iface(const struct weir_iface *f, uint16_t iface, derive_fn *fn, void *ctx,
			struct weir_why *why)
{
	int rc = 0;

	if (f->link_local.family == 6)
		rc = derive_solicited(&f->link_local, fn, ctx, why);
	for (uint8_t k = 0; k < f->n_addrs && rc == 0; k++)
		rc = f->addr[k].addr.family == 4 ? derive4(&f->addr[k], iface, fn, ctx, why)
						 : derive6(&f->addr[k], iface, fn, ctx, why);
	for (uint8_t k = 0; k < f->n_onlink && rc == 0; k++)
		if (!is_link_local(&f->onlink[k].addr))
			rc = fn(ctx, &f->onlink[k], WEIR_HOP_LINK, iface, why);
	return rc;
}

int ifaces_derive(const struct weir_ifaces *s, derive_fn *fn, void *ctx, struct weir_why *why)
{
	int rc = derive_always(fn, ctx, why);

	for (uint16_t i = 0; i < s->n && rc == 0; i++)
		if (s->at[i].port != WEIR_NO_PORT)
			rc = derive_iface(&s->at[i], i, fn, ctx, why);
	return rc;
}
