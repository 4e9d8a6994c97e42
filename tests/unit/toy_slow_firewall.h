/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A firewall that is slow and obvious: a list of flows that is searched from its beginning, and the
 * policy below once more, as a few ifs. Which port a flow gets is the real firewall's choice: here
 * stands which ones it may be.
 */

#include "toy_firewall.h"

#define FLOWS 2048

#define WORLD                                                                                          \
	WORLD_PORTS                                                                                    \
	"conntrack: {flows: 4096, extended: 4096}\n"                                                   \
	"nat:\n"                                                                                       \
	"  destination:\n"                                                                             \
	"  - {name: f, from: wan, destination: 192.0.2.1, proto: tcp, dport: 80-83, action: dnat,\n"   \
	"     forward: '10.0.0.80:8000', hairpin: true}\n"                                             \
	"  - {name: o, from: wan, action: one_to_one, inside: 10.0.0.16/28, pool: 198.51.100.16/28}\n" \
	"  - {name: p, from: wan, action: npt, inside: '2001:db8:1::/64', pool: '2001:db8:99::/64'}\n" \
	"  - {name: x, from: lan, action: nat64, inside: '64:ff9b::/96'}\n"                            \
	"  source:\n"                                                                                  \
	"  - {name: not, source: [10.0.0.96/28, '2001:db8:1::61/128'], action: none}\n"                \
	"  - {name: one, from: lan, to: wan, action: one_to_one, inside: 10.0.0.16/28,\n"              \
	"     pool: 198.51.100.16/28}\n"                                                               \
	"  - {name: npt, from: lan, to: wan, action: npt, inside: '2001:db8:1::/64',\n"                \
	"     pool: '2001:db8:99::/64'}\n"                                                             \
	"  - {name: cgn, from: lan, to: wan, action: cgnat, inside: 10.0.0.32/28,\n"                   \
	"     pool: 198.51.100.1/32, block: 64}\n"                                                     \
	"  - {name: few, from: lan, to: wan, source: 10.0.0.48/28, action: snat,\n"                    \
	"     pool: 198.51.100.128/31, ports: 2000-2003}\n"                                            \
	"  - {name: same, from: lan, to: wan, source: 10.0.0.64/28, action: snat,\n"                   \
	"     pool: 198.51.100.200/32, ports: 3000-3063, endpoint_independent: true}\n"                \
	"  - {name: all, from: lan, to: wan, action: masquerade}\n"                                    \
	"firewall:\n"                                                                                  \
	"  rules:\n"                                                                                   \
	"  - {name: hairpin, from: lan, to: lan, destination: 10.0.0.80, action: accept}\n"            \
	"  - {name: web, from: wan, to: lan, destination: 10.0.0.80, proto: tcp,\n"                    \
	"     dport: 8000-8003, action: accept}\n"                                                     \
	"  - {name: six, from: wan, to: lan, destination: '2001:db8:1::/64', proto: [tcp, udp],\n"     \
	"     dport: '80', action: accept}\n"
static const char *const policies[] = {
	WORLD
	"  - {name: out, from: lan, to: wan, action: accept}\n"
	"  - {name: in, from: wan, destination: [10.0.0.16/28, 10.0.0.64/28], action: accept}\n",
	/* Less of it. */
	WORLD "  - {name: no, proto: udp, dport: '9', action: drop}\n"
	      "  - {name: out, from: lan, to: wan, action: accept}\n",
};

/* A flow as the model knows it: its first packet as it came, and as it left. */
struct slow {
	struct weir_tuple in, out;
	uint8_t from, to;
	uint8_t stage; /* of TCP: SYN, SYN and ACK, open; of others: asked, answered */
	unsigned policy;
	uint64_t last_ms;
};

/* What has to become of a packet. */
struct want {
	enum weir_verdict verdict;
	enum weir_drop why;
	struct weir_tuple out; /* of a new flow: with the source port that it came with */
	struct slow *flow;     /* that is known */
	bool is_reply;
	uint8_t to;	  /* of a new flow: where it goes */
	uint16_t port_lo; /* if its source port is not free, it is one of these */
	uint32_t port_n;
	bool keeps_any;	  /* else one that is not among them is not kept */
	bool learns;	  /* its source address: any the first time, then always the same */
	bool is_mapped;	  /* endpoint-independent */
	bool may_be_gone; /* a mapping, which ends sooner or later after its last flow */
};

/* As whom a host is seen, from its first packet on. */
struct seen {
	uint8_t inside[16], outside[16];
};

/* A port that is the same for all peers. */
struct mapping {
	uint8_t inside[16];
	uint16_t port, outside_port;
	uint8_t proto;
};

static struct slow slow[FLOWS];
static struct seen seen[32];
static struct mapping mapping[128];
static unsigned n_slow, n_seen, n_mapping, policy, policies_made;
static uint64_t judged_again;

static inline bool is_equal(const struct weir_tuple *a, const struct weir_tuple *b)
{
	return a->family == b->family && a->proto == b->proto && a->sport == b->sport &&
	       a->dport == b->dport && memcmp(a->src, b->src, 16) == 0 &&
	       memcmp(a->dst, b->dst, 16) == 0;
}

static inline bool is_icmp(const struct weir_tuple *t)
{
	return t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6;
}

/* Of ICMP: what stands for the port that a question goes to. */
static inline uint16_t question(uint8_t family)
{
	return family == 4 ? 8 : 128;
}

static inline bool is_answer(const struct weir_tuple *t)
{
	return is_icmp(t) && ntohs(t->dport) != question(t->family);
}

static inline bool is_in(const uint8_t addr[16], uint8_t family, const char *prefix)
{
	const struct weir_prefix p = toy_prefix(prefix);
	struct weir_addr a = {.family = family};

	memcpy(a.bytes, addr, 16);
	return weir_prefix_contains(&p, &a);
}

static inline bool is_from(const struct weir_tuple *t, const char *prefix)
{
	return is_in(t->src, t->family, prefix);
}

static inline bool is_to(const struct weir_tuple *t, const char *prefix)
{
	return is_in(t->dst, t->family, prefix);
}

static inline void set_addr(uint8_t addr[16], const char *text)
{
	memcpy(addr, toy_addr(text).bytes, 16);
}

/* ---- flows ---- */

static inline uint64_t now_ms(void)
{
	return world.now_ns / 1000000;
}

static inline uint64_t timeout_ms(const struct slow *s)
{
	if (s->in.proto == IPPROTO_TCP)
		return s->stage == 2 ? 7440000 : 30000;
	return s->in.proto == IPPROTO_UDP && s->stage > 0 ? 120000 : 30000;
}

/* Time goes on, and flows are forgotten. */
static inline void pass_time(uint64_t ms)
{
	world.now_ns += ms * 1000000;
	weir_wheel_run(world.shard.wheel, world.now_ns, UINT32_MAX);
	for (unsigned i = 0; i < n_slow;)
		if (now_ms() - slow[i].last_ms > timeout_ms(&slow[i]))
			slow[i] = slow[--n_slow];
		else
			i++;
}

/* The flow that a packet is of. */
static inline struct slow *find(const struct weir_tuple *t, bool *is_reply)
{
	const struct weir_tuple back = weir_tuple_reverse(t);

	for (unsigned i = 0; i < n_slow; i++) {
		*is_reply = !is_equal(&slow[i].in, t);
		if (!*is_reply || is_equal(&slow[i].out, &back))
			return &slow[i];
	}
	return NULL;
}

/* Whether a flow cannot leave so, for its replies would be another's. */
static inline bool is_taken(const struct weir_tuple *out)
{
	const struct weir_tuple reply = weir_tuple_reverse(out);
	bool is_reply;

	return find(&reply, &is_reply) != NULL;
}

/* ---- the policy ---- */

enum way { TO_LAN = LAN, TO_WAN = WAN, TO_SELF, NOWHERE, FORBIDDEN, HOLE };

static inline enum way way_to(const struct weir_tuple *t)
{
	if (t->family == 6) {
		if (is_to(t, "2001:db8:1::1/128"))
			return TO_SELF;
		if (is_to(t, "2001:db8:1::/64"))
			return TO_LAN;
		return is_to(t, "2001:db8:2::/48") ? TO_WAN : NOWHERE;
	}
	if (is_to(t, "10.0.0.1/32") || is_to(t, "192.0.2.1/32"))
		return TO_SELF;
	if (is_to(t, "198.18.0.0/15"))
		return HOLE;
	if (is_to(t, "203.0.113.0/24"))
		return FORBIDDEN;
	return is_to(t, "10.0.0.0/24") ? TO_LAN : TO_WAN;
}

/* Destinations are after translation, sources before it. */
static inline bool is_allowed(const struct weir_tuple *t, uint8_t from, uint8_t to)
{
	const unsigned dport = is_icmp(t) ? 0 : ntohs(t->dport);

	if (from == LAN && to == LAN)
		return is_to(t, "10.0.0.80/32");
	if (from == WAN && to == LAN && t->proto == IPPROTO_TCP && is_to(t, "10.0.0.80/32") &&
	    dport >= 8000 && dport <= 8003)
		return true;
	if (from == WAN && is_to(t, "2001:db8:1::/64") && dport == 80)
		return true;
	if (policy == 1 && t->proto == IPPROTO_UDP && dport == 9)
		return false;
	if (from == LAN)
		return to == WAN;
	return policy == 0 && (is_to(t, "10.0.0.16/28") || is_to(t, "10.0.0.64/28"));
}

static inline struct seen *find_seen(const uint8_t addr[16], bool outside)
{
	for (unsigned i = 0; i < n_seen; i++)
		if (memcmp(outside ? seen[i].outside : seen[i].inside, addr, 16) == 0)
			return &seen[i];
	return NULL;
}

static inline struct mapping *find_mapping(const uint8_t *inside, uint16_t port, uint8_t proto)
{
	for (unsigned i = 0; i < n_mapping; i++)
		if (mapping[i].proto == proto &&
		    (inside == NULL ? mapping[i].outside_port == port
				    : mapping[i].port == port &&
					      memcmp(mapping[i].inside, inside, 16) == 0))
			return &mapping[i];
	return NULL;
}

/* Whether a flow holds a mapping. */
static inline bool is_held(const struct mapping *p)
{
	for (unsigned i = 0; i < n_slow; i++) {
		const struct slow *s = &slow[i];
		const bool inwards = s->from == WAN;

		if (s->in.proto == p->proto && (inwards ? s->out.dport : s->in.sport) == p->port &&
		    memcmp(inwards ? s->out.dst : s->in.src, p->inside, 16) == 0 &&
		    is_in(inwards ? s->in.dst : s->out.src, s->in.family, "198.51.100.200/32"))
			return true;
	}
	return false;
}

/* nat.destination: where a packet goes in truth. */
static inline void find_destination(struct want *w, uint8_t from)
{
	struct weir_tuple *t = &w->out;
	const unsigned dport = ntohs(t->dport);
	const struct mapping *p;

	if (t->proto == IPPROTO_TCP && is_to(t, "192.0.2.1/32") && dport >= 80 && dport <= 83) {
		set_addr(t->dst, "10.0.0.80");
		t->dport = htons((uint16_t)(8000 + dport - 80));
	} else if (from == WAN && is_to(t, "198.51.100.16/28")) {
		memcpy(t->dst, (uint8_t[]){10, 0, 0, t->dst[3]}, 4);
	} else if (from == WAN && is_to(t, "2001:db8:99::/64")) {
		memcpy(t->dst, find_seen(t->dst, true)->inside, 16);
	} else if (from == LAN && is_to(t, "64:ff9b::/96")) {
		memmove(t->dst, t->dst + 12, 4);
		memset(t->dst + 4, 0, 12);
		memset(t->src, 0, 16);
		t->family = 4;
		if (t->proto == IPPROTO_ICMPV6) {
			t->proto = IPPROTO_ICMP;
			t->dport = htons(8);
		}
	} else if (is_to(t, "198.51.100.200/32")) {
		p = find_mapping(NULL, t->dport, t->proto);
		if (p == NULL)
			return;
		w->may_be_gone = !is_held(p);
		memcpy(t->dst, p->inside, 16);
		t->dport = p->port;
	}
}

static inline void choose_from(struct want *w, const char *addr, unsigned lo, unsigned n)
{
	set_addr(w->out.src, addr);
	w->port_lo = (uint16_t)lo;
	w->port_n = n;
	w->keeps_any = false;
}

/* nat.source: as whom it leaves. */
static inline void find_source(struct want *w, const struct weir_tuple *in, uint8_t from)
{
	const unsigned all = 65536 - 1024;

	w->port_lo = 1024; /* if the destination alone is translated */
	w->port_n = is_equal(in, &w->out) ? 0 : all;
	w->keeps_any = true;
	if (w->to == LAN && from == LAN) {
		choose_from(w, "10.0.0.1", 1024, all);
	} else if (w->to == LAN) {
		return;
	} else if (in->family != w->out.family) {
		choose_from(w, "192.0.2.1", 1024, all);
	} else if (is_from(in, "10.0.0.96/28") || is_from(in, "2001:db8:1::61/128")) {
		return;
	} else if (is_from(in, "10.0.0.16/28")) {
		memcpy(w->out.src, (uint8_t[]){198, 51, 100, in->src[3]}, 4);
		w->port_n = all;
	} else if (in->family == 6) {
		w->learns = true;
		w->port_n = all;
	} else if (is_from(in, "10.0.0.32/28")) {
		choose_from(w, "198.51.100.1", 1024 + 64 * (in->src[3] - 32u), 64);
	} else if (is_from(in, "10.0.0.48/28")) {
		choose_from(w, "0.0.0.0", 2000, 4);
		w->learns = true;
	} else if (is_from(in, "10.0.0.64/28")) {
		choose_from(w, "198.51.100.200", 3000, 64);
		w->is_mapped = true;
	} else {
		choose_from(w, "192.0.2.1", 1024, all);
	}
}

/* A packet of nobody: may a flow begin with it? */
static inline void judge_first(struct want *w, const struct weir_tuple *in, uint8_t from,
			       uint8_t flags)
{
	static const struct {
		enum weir_verdict verdict;
		enum weir_drop why;
	} no_way[] = {[TO_SELF] = {WEIR_DROP, WEIR_DROP_RULE},
		      [NOWHERE] = {WEIR_REJECT, WEIR_DROP_NO_ROUTE},
		      [FORBIDDEN] = {WEIR_REJECT, WEIR_DROP_PROHIBITED},
		      [HOLE] = {WEIR_DROP, WEIR_DROP_BLACKHOLE}};
	struct weir_tuple shown = *in;
	enum way way;

	w->out = *in;
	find_destination(w, from);
	way = way_to(&w->out);
	w->verdict = WEIR_DROP;
	w->why = WEIR_DROP_RULE;
	if (way > TO_WAN) {
		w->verdict = no_way[way].verdict;
		w->why = no_way[way].why;
		return;
	}
	w->to = (uint8_t)way;
	if (in->family == w->out.family)
		shown = w->out;
	memcpy(shown.src, in->src, 16);
	if ((in->proto == IPPROTO_TCP && flags != SYN) || is_answer(in)) {
		w->why = WEIR_DROP_FLOW_INVALID;
	} else if (is_allowed(&shown, from, w->to)) {
		w->verdict = WEIR_NEXT;
		w->why = WEIR_DROP_NONE;
		find_source(w, in, from);
	}
}

/* A packet of a flow. */
static inline void judge_known(struct want *w, uint8_t from)
{
	struct slow *s = w->flow;
	struct weir_tuple shown = s->in;

	if (from != (w->is_reply ? s->to : s->from)) {
		w->verdict = WEIR_DROP;
		w->why = WEIR_DROP_FLOW_ZONE;
		return;
	}
	if (s->policy != policies_made) {
		if (s->in.family == s->out.family) {
			memcpy(shown.dst, s->out.dst, 16);
			shown.dport = s->out.dport;
		}
		judged_again++;
		s->policy = policies_made;
		if (!is_allowed(&shown, s->from, s->to)) {
			w->verdict = WEIR_DROP;
			w->why = WEIR_DROP_RULE;
			*s = slow[--n_slow];
			return;
		}
	}
	w->verdict = WEIR_NEXT;
	w->out = w->is_reply ? weir_tuple_reverse(&s->in) : s->out;
}
