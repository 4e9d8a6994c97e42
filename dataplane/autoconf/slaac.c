/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a host learns of its routers: RFC 4861 section 6.3, RFC 4862 section 5.5, RFC 7559.
 *
 * Every table of an interface has a fixed size. What does not fit is left out and counted: who is
 * there stays, so that a stranger who announces more cannot push out what is in use.
 */

#include "autoconf_priv.h"

#include <errno.h>
#include <string.h>
#include <weir/clock.h>

#define TWO_HOURS_NS (2 * 3600 * WEIR_NS_PER_S)
/* RFC 7559 section 2. */
#define SOLICIT_FIRST_NS (4 * WEIR_NS_PER_S)
#define SOLICIT_MOST_NS	 (3600 * WEIR_NS_PER_S)
#define DELAY_NS	 WEIR_NS_PER_S /* MAX_RTR_SOLICITATION_DELAY */
#define ID_RETRIES	 3	       /* IDGEN_RETRIES, RFC 7217 section 6 */
#define IP6_MTU_LEAST	 1280

static uint64_t after_s(uint64_t now_ns, uint32_t s)
{
	return s == RA_FOREVER_S ? UINT64_MAX : now_ns + s * WEIR_NS_PER_S;
}

static bool is_link_local(const struct weir_addr *a)
{
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static bool same_prefix(const struct weir_prefix *a, const struct weir_prefix *b)
{
	return a->length == b->length && weir_addr_equal(&a->addr, &b->addr);
}

void slaac_begin(struct autoconf *ac, struct autoconf_iface *f, uint64_t now_ns)
{
	f->solicit_ns = now_ns + autoconf_random(ac, DELAY_NS);
	f->solicit_pause_ns = 0;
}

/* ---- routers ---- */

static void take_router(struct autoconf *ac, struct autoconf_iface *f, const struct weir_addr *addr,
			const struct ra_message *ra, uint64_t now_ns)
{
	uint8_t k = 0;

	while (k < f->n_routers && !weir_addr_equal(&f->router[k].addr, addr))
		k++;
	if (ra->router_s == 0) {
		if (k < f->n_routers) {
			f->router[k] = f->router[--f->n_routers];
			ac->changed = true;
		}
		return;
	}
	if (k == AUTOCONF_ROUTERS_MAX) {
		ac->counters.refused++;
		return;
	}
	ac->changed |= k == f->n_routers || f->router[k].preference != ra->preference;
	f->n_routers += k == f->n_routers;
	f->router[k] = (struct autoconf_router){
		.addr = *addr,
		.preference = ra->preference,
		.until_ns = now_ns + ra->router_s * WEIR_NS_PER_S,
	};
	f->solicit_ns = UINT64_MAX; /* RFC 7559 section 2.1: there is one */
}

/* ---- prefixes on the link ---- */

static bool is_elsewhere(const struct autoconf *ac, const struct autoconf_iface *here,
			 const struct weir_prefix *p)
{
	for (uint16_t i = 0; i < ac->n; i++) {
		const struct autoconf_iface *f = &ac->iface[i];

		if (f == here)
			continue;
		for (uint8_t k = 1; k < f->n_addrs; k++) {
			const struct weir_prefix net = weir_prefix_network(&f->addr[k].prefix);

			if (same_prefix(&net, p))
				return true;
		}
		for (uint8_t k = 0; k < f->n_onlink; k++)
			if (same_prefix(&f->onlink[k].prefix, p))
				return true;
	}
	return false;
}

/* RFC 4861 section 6.3.4. */
static void take_onlink(struct autoconf *ac, struct autoconf_iface *f, const struct ra_prefix *p,
			uint64_t now_ns)
{
	uint8_t k = 0;

	while (k < f->n_onlink && !same_prefix(&f->onlink[k].prefix, &p->prefix))
		k++;
	if (k < f->n_onlink && p->valid_s == 0) {
		f->onlink[k] = f->onlink[--f->n_onlink];
		ac->changed = true;
		return;
	}
	if (p->valid_s == 0)
		return;
	if (k == AUTOCONF_PREFIXES_MAX) {
		ac->counters.refused++;
		return;
	}
	ac->changed |= k == f->n_onlink;
	f->n_onlink += k == f->n_onlink;
	f->onlink[k] = (struct autoconf_onlink){p->prefix, after_s(now_ns, p->valid_s)};
}

/* ---- addresses ---- */

/* RFC 5453: identifiers that are none of a host's. */
static bool is_reserved(uint64_t id)
{
	return id == 0 || id >> 32 == 0x02005efe || id >= UINT64_C(0xfdffffffffffff80);
}

/* RFC 7217 section 5, with SipHash-2-4 as the function and the interface's name as Net_Iface. */
static uint64_t stable_id(const struct autoconf *ac, const struct autoconf_iface *f,
			  const struct weir_prefix *p, uint8_t *tries)
{
	uint8_t in[8 + sizeof(f->name) + 1] = {0};
	uint64_t id;

	memcpy(in, p->addr.bytes, 8);
	memcpy(in + 8, f->name, strlen(f->name));
	do {
		in[sizeof(in) - 1] = *tries;
		id = weir_siphash24(&ac->secret, in, sizeof(in));
		*tries += is_reserved(id);
	} while (is_reserved(id));
	return id;
}

/* The address that we have in a prefix of 64 bits. */
static void set_addr(const struct autoconf *ac, const struct autoconf_iface *f,
		     const struct weir_prefix *p, struct autoconf_addr *a)
{
	const struct weir_addr from_mac = weir_link_local(f->mac.bytes);
	uint64_t id;

	a->prefix = *p;
	if (f->rules.eui64) {
		memcpy(a->prefix.addr.bytes + 8, from_mac.bytes + 8, 8);
		return;
	}
	id = stable_id(ac, f, p, &a->tries);
	for (unsigned i = 0; i < 8; i++)
		a->prefix.addr.bytes[8 + i] = (uint8_t)(id >> (56 - 8 * i));
}

static struct autoconf_addr *find_learnt(struct autoconf_iface *f, const struct weir_prefix *p)
{
	for (uint8_t k = 1; k < f->n_addrs; k++) {
		const struct weir_prefix net = weir_prefix_network(&f->addr[k].prefix);

		if (f->addr[k].learnt && same_prefix(&net, p))
			return &f->addr[k];
	}
	return NULL;
}

/* RFC 4862 section 5.5.3 e: nobody without authority can end an address within two hours. */
static void prolong(struct autoconf *ac, struct autoconf_addr *a, const struct ra_prefix *p,
		    uint64_t now_ns)
{
	const uint64_t valid_ns = after_s(now_ns, p->valid_s);
	const bool was_deprecated = a->deprecated;

	a->preferred_ns = after_s(now_ns, p->preferred_s);
	a->deprecated = p->preferred_s == 0;
	ac->changed |= a->deprecated != was_deprecated;
	if (valid_ns > now_ns + TWO_HOURS_NS || valid_ns > a->valid_ns)
		a->valid_ns = valid_ns;
	else if (a->valid_ns > now_ns + TWO_HOURS_NS)
		a->valid_ns = now_ns + TWO_HOURS_NS;
}

/* RFC 4862 section 5.5.3 d. */
static void take_addr(struct autoconf *ac, struct autoconf_iface *f, const struct ra_prefix *p,
		      uint64_t now_ns)
{
	struct autoconf_addr *a = find_learnt(f, &p->prefix);

	if (a != NULL) {
		prolong(ac, a, p, now_ns);
		return;
	}
	if (p->valid_s == 0)
		return;
	if (p->prefix.length != 64 || f->n_addrs == AUTOCONF_ADDRS_MAX) {
		ac->counters.refused++;
		return;
	}
	a = &f->addr[f->n_addrs];
	*a = (struct autoconf_addr){.learnt = true,
				    .deprecated = p->preferred_s == 0,
				    .preferred_ns = after_s(now_ns, p->preferred_s),
				    .valid_ns = after_s(now_ns, p->valid_s)};
	set_addr(ac, f, &p->prefix, a);
	if (autoconf_find_addr(f, &a->prefix.addr) != NULL)
		return; /* the configuration has it already */
	f->n_addrs++;
	dad_begin(ac, &f->rules, a, f->rules.optimistic, now_ns);
	ac->changed = true;
}

void slaac_again(struct autoconf *ac, const struct autoconf_iface *f, struct autoconf_addr *a,
		 uint64_t now_ns)
{
	struct weir_prefix p = weir_prefix_network(&a->prefix);

	if (!a->learnt || f->rules.eui64 || a->phase != AUTOCONF_DUPLICATE ||
	    a->tries >= ID_RETRIES)
		return;
	a->tries++;
	set_addr(ac, f, &p, a);
	dad_begin(ac, &f->rules, a, false, now_ns);
	ac->changed = true;
}

/* ---- the message ---- */

static void take_prefix(struct autoconf *ac, struct autoconf_iface *f, const struct ra_prefix *p,
			uint64_t now_ns)
{
	if (is_link_local(&p->prefix.addr) || p->prefix.addr.bytes[0] == 0xff ||
	    p->prefix.length == 0)
		return;
	if (is_elsewhere(ac, f, &p->prefix)) {
		ac->counters.refused++;
		return;
	}
	if (p->on_link)
		take_onlink(ac, f, p, now_ns);
	if (p->autonomous && p->preferred_s <= p->valid_s)
		take_addr(ac, f, p, now_ns);
}

int slaac_heard(struct autoconf *ac, struct autoconf_iface *f, const struct weir_addr *from,
		const uint8_t *bytes, size_t len_bytes, uint64_t now_ns)
{
	struct ra_message ra;
	const int rc = ra_parse(bytes, len_bytes, &ra);

	if (rc < 0 || !f->rules.slaac)
		return rc < 0 ? rc : 0;
	ac->counters.adverts++;
	ac->counters.refused += ra.n_more;
	take_router(ac, f, from, &ra, now_ns);
	if (ra.mtu_bytes >= IP6_MTU_LEAST && ra.mtu_bytes <= UINT16_MAX &&
	    ra.mtu_bytes != f->mtu_bytes) {
		f->mtu_bytes = (uint16_t)ra.mtu_bytes;
		ac->changed = true;
	}
	for (uint8_t k = 0; k < ra.n_prefixes; k++)
		take_prefix(ac, f, &ra.prefix[k], now_ns);
	return 0;
}

/* ---- time ---- */

static void solicit(struct autoconf *ac, struct autoconf_iface *f, const struct autoconf_door *door,
		    uint64_t now_ns)
{
	const struct autoconf_addr *own = &f->addr[0];
	const enum autoconf_state state = autoconf_state(own);
	struct neigh_frame frame;

	/* RFC 4861 section 4.1, RFC 4429 section 3.2: nobody is to learn what may not be ours. */
	frame_router_solicit(&frame,
			     state == AUTOCONF_PREFERRED || state == AUTOCONF_OPTIMISTIC
				     ? &own->prefix.addr
				     : NULL,
			     state == AUTOCONF_PREFERRED ? &f->mac : NULL);
	if (!door->send(door->ctx, f, &frame))
		return;
	f->solicit_pause_ns = f->solicit_pause_ns == 0 ? SOLICIT_FIRST_NS : 2 * f->solicit_pause_ns;
	if (f->solicit_pause_ns > SOLICIT_MOST_NS)
		f->solicit_pause_ns = SOLICIT_MOST_NS;
	/* RFC 7559 (RFC 8415 section 15): give or take a tenth. */
	f->solicit_ns = now_ns + f->solicit_pause_ns * 9 / 10 +
			autoconf_random(ac, f->solicit_pause_ns / 5);
}

static void expire_addrs(struct autoconf *ac, struct autoconf_iface *f, uint64_t now_ns)
{
	for (uint8_t k = f->n_addrs; k-- > 1;) {
		struct autoconf_addr *a = &f->addr[k];

		if (!a->learnt)
			continue;
		if (now_ns >= a->valid_ns) {
			*a = f->addr[--f->n_addrs];
			ac->changed = true;
		} else if (!a->deprecated && now_ns >= a->preferred_ns) {
			a->deprecated = true;
			ac->changed = true;
		}
	}
}

void slaac_run(struct autoconf *ac, struct autoconf_iface *f, const struct autoconf_door *door,
	       uint64_t now_ns)
{
	const uint8_t routers = f->n_routers, onlink = f->n_onlink;

	expire_addrs(ac, f, now_ns);
	for (uint8_t k = f->n_routers; k-- > 0;)
		if (now_ns >= f->router[k].until_ns)
			f->router[k] = f->router[--f->n_routers];
	for (uint8_t k = f->n_onlink; k-- > 0;)
		if (now_ns >= f->onlink[k].until_ns)
			f->onlink[k] = f->onlink[--f->n_onlink];
	ac->changed |= f->n_routers != routers || f->n_onlink != onlink;
	if (f->n_routers == 0 && f->solicit_ns == UINT64_MAX)
		slaac_begin(ac, f, now_ns); /* the last one is gone: look for others */
	if (now_ns >= f->solicit_ns)
		solicit(ac, f, door, now_ns);
}

void slaac_keep(struct autoconf_iface *f, const struct autoconf_iface *was)
{
	for (uint8_t k = 1; k < was->n_addrs && f->n_addrs < AUTOCONF_ADDRS_MAX; k++)
		if (was->addr[k].learnt && autoconf_find_addr(f, &was->addr[k].prefix.addr) == NULL)
			f->addr[f->n_addrs++] = was->addr[k];
	memcpy(f->router, was->router, sizeof(f->router));
	memcpy(f->onlink, was->onlink, sizeof(f->onlink));
	f->n_routers = was->n_routers;
	f->n_onlink = was->n_onlink;
	f->mtu_bytes = was->mtu_bytes;
	f->solicit_ns = was->solicit_ns;
	f->solicit_pause_ns = was->solicit_pause_ns;
}
