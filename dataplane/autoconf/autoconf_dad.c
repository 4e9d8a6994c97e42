/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One address: probed, good, or a duplicate.
 *
 *	begin -> PROBING -- nobody objects -------------> GOOD -- IPv4: announced twice
 *	            '------ somebody has or wants it --> DUPLICATE
 *
 * A good address is kept whoever else claims it: who runs a router or a server wants it to stay
 * (RFC 5227 section 2.4 (c)); of IPv4 it is defended by an announcement every 10 seconds at most.
 */

#include "autoconf_priv.h"

#include <string.h>
#include <weir/clock.h>

/* RFC 4861 section 10. */
#define DELAY_NS   WEIR_NS_PER_S /* MAX_RTR_SOLICITATION_DELAY */
#define RETRANS_NS WEIR_NS_PER_S
#define SOLICITS   3 /* MAX_MULTICAST_SOLICIT */
/* RFC 5227 section 1.1. */
#define ARP_PROBES	     3
#define ARP_PROBE_MIN_NS     WEIR_NS_PER_S
#define ARP_PROBE_SPREAD_NS  WEIR_NS_PER_S /* PROBE_MAX less PROBE_MIN */
#define ARP_ANNOUNCE_WAIT_NS (2 * WEIR_NS_PER_S)
#define ARP_ANNOUNCES	     2
#define ARP_ANNOUNCE_NS	     (2 * WEIR_NS_PER_S)
#define DEFEND_NS	     (10 * WEIR_NS_PER_S)

uint64_t autoconf_random(struct autoconf *ac, uint64_t below)
{
	return weir_siphash13_u64(&ac->key, ac->drawn++) % below;
}

static bool is_v4(const struct autoconf_addr *a)
{
	return a->prefix.addr.family == 4;
}

void dad_begin(struct autoconf *ac, const struct autoconf_rules *rules, struct autoconf_addr *a,
	       bool optimistic, uint64_t now_ns)
{
	const uint64_t nonce = weir_siphash13_u64(&ac->key, ac->drawn++);

	a->phase = rules->probes > 0 ? AUTOCONF_PROBING : AUTOCONF_GOOD;
	a->optimistic = optimistic;
	a->probes_left = rules->probes == 0 ? 0 : is_v4(a) ? ARP_PROBES : rules->probes;
	a->announces_left = 0;
	a->due_ns = rules->probes > 0 ? now_ns + autoconf_random(ac, DELAY_NS) : UINT64_MAX;
	a->complained_ns = 0;
	memcpy(a->nonce.bytes, &nonce, sizeof(a->nonce.bytes));
}

static bool probe(struct autoconf *ac, const struct autoconf_iface *f,
		  const struct autoconf_addr *a, const struct autoconf_door *door)
{
	struct neigh_frame frame;

	if (is_v4(a))
		frame_arp(&frame, &f->mac, &a->prefix.addr, false);
	else
		frame_solicit(&frame, &a->prefix.addr, &a->nonce);
	if (!door->send(door->ctx, f, &frame))
		return false;
	ac->counters.probes++;
	return true;
}

static bool announce(const struct autoconf_iface *f, const struct autoconf_addr *a,
		     const struct autoconf_door *door)
{
	struct neigh_frame frame;

	frame_arp(&frame, &f->mac, &a->prefix.addr, true);
	return door->send(door->ctx, f, &frame);
}

/* How long to wait for an objection to the probe that was just sent. */
static uint64_t pause_ns(struct autoconf *ac, const struct autoconf_addr *a)
{
	if (!is_v4(a))
		return RETRANS_NS;
	return a->probes_left == 0 ? ARP_ANNOUNCE_WAIT_NS
				   : ARP_PROBE_MIN_NS + autoconf_random(ac, ARP_PROBE_SPREAD_NS);
}

void dad_run(struct autoconf *ac, const struct autoconf_iface *f, struct autoconf_addr *a,
	     const struct autoconf_door *door, uint64_t now_ns)
{
	if (now_ns < a->due_ns)
		return;
	if (a->probes_left > 0) {
		if (!probe(ac, f, a, door))
			return;
		a->probes_left--;
		a->due_ns = now_ns + pause_ns(ac, a);
		return;
	}
	if (a->phase == AUTOCONF_PROBING) {
		a->phase = AUTOCONF_GOOD;
		a->announces_left = is_v4(a) ? ARP_ANNOUNCES : 0;
		ac->changed = true;
	}
	if (a->announces_left > 0 && announce(f, a, door))
		a->announces_left--;
	a->due_ns = a->announces_left > 0 ? now_ns + ARP_ANNOUNCE_NS : UINT64_MAX;
}

/* RFC 7527 section 4.2: one of ours. While they come back nobody can be heard, so go on asking. */
static bool is_looped(struct autoconf *ac, struct autoconf_addr *a, const struct neigh_notice *n)
{
	if (!n->has_nonce || memcmp(&n->nonce, &a->nonce, sizeof(n->nonce)) != 0)
		return false;
	ac->counters.looped++;
	if (a->phase == AUTOCONF_PROBING && a->probes_left == 0)
		a->probes_left = SOLICITS;
	return true;
}

static void lose(struct autoconf *ac, const struct autoconf_iface *f, struct autoconf_addr *a,
		 const struct neigh_notice *n, const struct autoconf_door *door)
{
	a->phase = AUTOCONF_DUPLICATE;
	a->probes_left = 0;
	a->due_ns = UINT64_MAX;
	a->other = n->mac;
	ac->counters.duplicates++;
	ac->changed = true;
	door->say(door->ctx, f, a, AUTOCONF_IS_DUPLICATE, &n->mac);
}

/* RFC 5227 section 2.4; RFC 4862 section 5.4.4 leaves it open what to do about IPv6. */
static void defend(struct autoconf *ac, const struct autoconf_iface *f, struct autoconf_addr *a,
		   const struct neigh_notice *n, const struct autoconf_door *door, uint64_t now_ns)
{
	ac->counters.conflicts++;
	if (a->complained_ns != 0 && now_ns - a->complained_ns < DEFEND_NS)
		return;
	a->complained_ns = now_ns;
	door->say(door->ctx, f, a, AUTOCONF_CONFLICT, &n->mac);
	if (is_v4(a) && !announce(f, a, door))
		a->complained_ns = 0; /* no room: the next one makes us try again */
}

void dad_heard(struct autoconf *ac, const struct autoconf_iface *f, struct autoconf_addr *a,
	       const struct neigh_notice *n, const struct autoconf_door *door, uint64_t now_ns)
{
	const bool own_mac = memcmp(&n->mac, &f->mac, sizeof(n->mac)) == 0;

	if (n->kind == NEIGH_NOTICE_PROBE && is_looped(ac, a, n))
		return;
	/* ARP has no nonce: the same MAC address is ourselves (RFC 5227 section 2.1.1). */
	if (own_mac && (is_v4(a) || a->phase == AUTOCONF_GOOD))
		return;
	if (a->phase == AUTOCONF_PROBING)
		lose(ac, f, a, n, door);
	else if (a->phase == AUTOCONF_GOOD && n->kind == NEIGH_NOTICE_CLAIM)
		defend(ac, f, a, n, door, now_ns);
}
