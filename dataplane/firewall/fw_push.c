/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What of a drop rule a driver can do as well: TCP, UDP and echo requests in one piece, by prefixes
 * and ports, from the interfaces of its zones. All else stays with the workers, so that ICMP errors
 * about flows, neighbour discovery and fragments reach them.
 */

#include "fw_push_in_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <weir/set.h>

#include "tables/rules_priv.h"

#define ECHO4 8
#define ECHO6 128

/* A plan as it is made. */
struct planning {
	const struct fw_push_ground *g;
	struct fw_push_plan *plan;
	uint32_t room;
	struct weir_why *why;
	bool told; /* why is set */
	struct weir_prefix *src,
		*dst; /* of the rule at hand, all families, sets by their entries */
	uint32_t n_src, n_dst;
};

void fw_push_plan_free(struct fw_push_plan *plan)
{
	free(plan->matches);
	*plan = (struct fw_push_plan){NULL};
}

/* ---- what is said in words ---- */

/* What a rule does or looks at that a driver cannot; NULL: nothing. */
static const char *beyond_drivers(const struct weir_rule *r)
{
	if (r->action != WEIR_ACTION_DROP)
		return "it does not drop";
	if (r->log || r->capture)
		return "it records what it drops";
	if (r->limit != WEIR_LIMIT_NONE)
		return "it has a limit";
	if (r->app != 0)
		return "it looks at applications";
	if (r->tcp_mask != 0)
		return "it looks at TCP flags";
	if (r->dscp >= 0)
		return "it looks at the DSCP";
	if (r->src.n_countries + r->dst.n_countries > 0)
		return "it names countries";
	if (r->src.negate || r->dst.negate)
		return "it is for all addresses but some";
	return NULL;
}

/* ---- addresses ---- */

struct entries {
	struct weir_prefix *list;
	uint32_t n, room;
};

static int take_entry(void *ctx, const struct weir_prefix *prefix, uint32_t until_s)
{
	struct entries *e = ctx;

	if (until_s != WEIR_SET_FOREVER)
		return -EPERM;
	if (e->n == e->room)
		return -ENOSPC;
	e->list[e->n++] = *prefix;
	return 0;
}

/* All addresses of a side as prefixes, one driver's rule each at least. */
static int expand(const struct planning *p, const struct weir_rule_addrs *a,
		  struct weir_prefix **out, uint32_t *n)
{
	struct entries e = {.room = a->n_prefixes};
	int rc = 0;

	for (uint32_t i = 0; i < a->n_sets; i++) {
		struct weir_set_stats st;

		weir_set_stats(a->sets[i], &st);
		if (st.entries > p->room)
			return weir_why(p->why, -ENOSPC,
					"set %s has %u entries, and drivers have room for %u rules",
					weir_set_name(a->sets[i]), st.entries, p->room);
		e.room += st.entries;
	}
	e.list = calloc(e.room + 1u, sizeof(*e.list));
	if (e.list == NULL)
		return weir_why(p->why, -ENOMEM, "out of memory");
	for (; e.n < a->n_prefixes; e.n++)
		e.list[e.n] = a->prefixes[e.n];
	for (uint32_t i = 0; i < a->n_sets && rc == 0; i++)
		rc = weir_set_each(a->sets[i], take_entry, &e);
	*out = e.list;
	*n = e.n;
	return rc == 0 ? 0 : weir_why(p->why, -EPERM, "a set of it has entries with a timeout");
}

/* Those of a family into the part; false: there are some, and none of the family. */
static bool choose_family(struct weir_rule_addrs *out, const struct weir_prefix *all, uint32_t n,
			  bool any, uint8_t family, struct weir_prefix *room)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++)
		if (all[i].addr.family == family)
			room[kept++] = weir_prefix_network(&all[i]);
	*out = (struct weir_rule_addrs){.prefixes = room, .n_prefixes = kept};
	return any || kept > 0;
}

static bool is_any(const struct weir_rule_addrs *a)
{
	return a->n_prefixes + a->n_sets == 0;
}

/* ---- matches ---- */

static bool is_same_prefix(const struct weir_prefix *a, const struct weir_prefix *b)
{
	return a->length == b->length && weir_addr_equal(&a->addr, &b->addr);
}

static bool is_same_range(const struct weir_range *a, const struct weir_range *b)
{
	return a->lo == b->lo && a->hi == b->hi;
}

bool fw_push_is_same(const struct fw_push_match *a, const struct fw_push_match *b)
{
	const struct port_flow_match *x = &a->what, *y = &b->what;

	return a->port == b->port && x->vlan == y->vlan &&
	       memcmp(x->mac, y->mac, sizeof(x->mac)) == 0 && x->family == y->family &&
	       x->proto == y->proto && x->icmp_code == y->icmp_code &&
	       is_same_prefix(&x->src, &y->src) && is_same_prefix(&x->dst, &y->dst) &&
	       is_same_range(&x->sports, &y->sports) && is_same_range(&x->dports, &y->dports);
}

static int append(struct planning *p, const struct fw_push_match *m)
{
	struct fw_push_plan *plan = p->plan;
	struct fw_push_match *grown;

	for (uint32_t i = 0; i < plan->n; i++)
		if (fw_push_is_same(&plan->matches[i], m))
			return 0; /* it is written twice */
	if (plan->n == p->room)
		return weir_why(p->why, -ENOSPC,
				"it takes more rules of drivers than the %u that there is room for",
				p->room);
	if ((plan->n & (plan->n - 1)) == 0) { /* double it */
		grown = realloc(plan->matches, (plan->n == 0 ? 1 : 2 * plan->n) * sizeof(*grown));
		if (grown == NULL)
			return weir_why(p->why, -ENOMEM, "out of memory");
		plan->matches = grown;
	}
	plan->matches[plan->n++] = *m;
	return 0;
}

static const struct weir_range *range_at(const struct weir_range *list, uint32_t n, uint32_t i)
{
	static const struct weir_range all = {0, UINT16_MAX};

	return n == 0 ? &all : &list[i];
}

/* Each combination of a part's addresses and ports, on one interface. */
static int add_matches(struct planning *p, const struct weir_rule *r, struct fw_push_match *m)
{
	const struct weir_prefix all = {.addr.family = r->family};
	const uint32_t dims[4] = {r->src.n_prefixes, r->dst.n_prefixes, r->n_sports, r->n_dports};
	uint64_t total = 1;
	int rc = 0;

	for (unsigned i = 0; i < 4; i++)
		total *= dims[i] == 0 ? 1 : dims[i] > p->room ? p->room + 1 : dims[i];
	for (uint64_t k = 0; k < total && rc == 0; k++) {
		uint64_t left = k;
		uint32_t at[4];

		for (unsigned i = 0; i < 4; i++) {
			at[i] = (uint32_t)(left % (dims[i] == 0 ? 1 : dims[i]));
			left /= dims[i] == 0 ? 1 : dims[i];
		}
		m->what.src = dims[0] == 0 ? all : r->src.prefixes[at[0]];
		m->what.dst = dims[1] == 0 ? all : r->dst.prefixes[at[1]];
		m->what.sports = *range_at(r->sports, dims[2], at[2]);
		m->what.dports = *range_at(r->dports, dims[3], at[3]);
		rc = append(p, m);
	}
	return rc;
}

/* A driver cannot tell a tag from one with another tag behind it. */
static bool has_inner(const struct weir_l3 *l3, const struct weir_iface *iface)
{
	return iface->vlan[0] != 0 && l3->inner[iface->port] != NULL &&
	       l3->inner[iface->port][iface->vlan[0]] != NULL;
}

/* On all interfaces where packets of the part may come in. */
static int add_interfaces(struct planning *p, const struct weir_rule *r)
{
	const struct weir_l3 *l3 = p->g->l3;
	const char *left_out = NULL;
	int rc = 0;

	for (uint16_t i = 0; i < l3->n_ifaces && rc == 0; i++) {
		const struct weir_iface *iface = &l3->ifaces[i];
		const uint8_t zone = p->g->policy->zone_of[i];
		struct fw_push_match m = {.port = iface->port,
					  .zone = zone,
					  .what = {.vlan = iface->vlan[0],
						   .family = r->family,
						   .proto = r->proto,
						   .icmp_code = r->icmp_code}};

		if (iface->port == WEIR_NO_PORT || zone == WEIR_NO_ZONE ||
		    (r->from_zones != 0 && !(r->from_zones >> zone & 1)) ||
		    (r->vlan != 0 && r->vlan != iface->vlan[0]))
			continue;
		if (!(p->g->ports >> iface->port & 1)) {
			left_out = "the driver of one of its ports cannot drop by rules";
			continue;
		}
		if (iface->vlan[1] != 0 || has_inner(l3, iface)) {
			left_out = "drivers cannot tell VLANs in VLANs apart";
			continue;
		}
		memcpy(m.what.mac, iface->mac, sizeof(m.what.mac));
		rc = add_matches(p, r, &m);
	}
	return rc < 0 || left_out == NULL ? rc : weir_why(p->why, -EPERM, "%s", left_out);
}

/* ---- parts ---- */

/* What is not done. -EPERM leaves a part out, the first sentence stays; all else is the end. */
static int leave_out(struct planning *p, int rc, const struct weir_why *what)
{
	if (rc == 0)
		return 0;
	if (rc != -EPERM) {
		*p->why = *what;
		return rc;
	}
	if (!p->told)
		*p->why = *what;
	p->told = true;
	p->plan->partly = true;
	return 0;
}

static bool wants_proto(const struct weir_rule *r, uint8_t family, uint8_t proto)
{
	uint8_t protos[3] = {0};
	const unsigned n = rules_protos(r, family, protos);

	for (unsigned i = 0; i < n; i++)
		if (protos[i] == 0 || protos[i] == proto)
			return true;
	return false;
}

static int add_part(struct planning *p, const struct weir_rule *r, uint32_t number, uint8_t family,
		    uint8_t proto, struct weir_prefix *room)
{
	const bool icmp = proto != IPPROTO_TCP && proto != IPPROTO_UDP;
	const int16_t echo = family == 4 ? ECHO4 : ECHO6;
	struct weir_why what = {""}, *const why = p->why;
	struct fw_push_part part = {.rule = *r, .written = r, .number = number};
	int rc;

	part.rule.family = family;
	part.rule.proto = proto;
	if (!wants_proto(r, family, proto) || (icmp && r->icmp_type >= 0 && r->icmp_type != echo) ||
	    !choose_family(&part.rule.src, p->src, p->n_src, is_any(&r->src), family, room) ||
	    !choose_family(&part.rule.dst, p->dst, p->n_dst, is_any(&r->dst), family,
			   room + p->n_src))
		return 0;
	if (icmp)
		part.rule.icmp_type = echo;
	p->why = &what;
	rc = fw_push_check(p->g, &part, &what);
	if (rc == 0)
		rc = add_interfaces(p, &part.rule);
	p->why = why;
	return leave_out(p, rc, &what);
}

/* Whether all that it matches is in parts: other protocols, types and pieces are not. */
static bool is_more_than_parts(const struct weir_rule *r)
{
	return r->proto == 0 && r->n_sports + r->n_dports == 0;
}

static int add_parts(struct planning *p, const struct weir_rule *r, uint32_t number)
{
	static const uint8_t protos[2][3] = {{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP},
					     {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6}};
	const unsigned families = rules_families(r);
	struct weir_prefix *room = calloc(p->n_src + p->n_dst + 1u, sizeof(*room));
	int rc = 0;

	if (room == NULL)
		return weir_why(p->why, -ENOMEM, "out of memory");
	for (unsigned six = 0; six < 2; six++)
		for (unsigned i = 0; i < 3 && rc == 0; i++)
			if (families & rules_family_bit(six ? 6 : 4))
				rc = add_part(p, r, number, six ? 6 : 4, protos[six][i], room);
	if (is_more_than_parts(r))
		p->plan->partly = true;
	free(room);
	return rc;
}

static int add_rule(struct planning *p, uint32_t number)
{
	const struct weir_rule *r = weir_rules_at(p->g->policy->rules, number);
	const char *beyond = beyond_drivers(r);
	struct weir_why what = {""};
	int rc;

	if (beyond != NULL) {
		weir_why(&what, -EPERM, "%s", beyond);
		return leave_out(p, -EPERM, &what);
	}
	p->src = p->dst = NULL;
	rc = expand(p, &r->src, &p->src, &p->n_src);
	if (rc == 0)
		rc = expand(p, &r->dst, &p->dst, &p->n_dst);
	if (rc == 0)
		rc = add_parts(p, r, number);
	free(p->src);
	free(p->dst);
	return rc;
}

int fw_push_plan(const struct fw_push_ground *g, uint32_t slot, uint32_t room,
		 struct fw_push_plan *plan, struct weir_why *why)
{
	const struct weir_rules *rs = g->policy->rules;
	struct planning p = {.g = g, .plan = plan, .room = room, .why = why};
	int rc = 0;

	*plan = (struct fw_push_plan){NULL};
	for (uint32_t i = 0; i < weir_rules_count(rs) && rc == 0; i++)
		if (weir_rules_at(rs, i)->slot == slot)
			rc = add_rule(&p, i);
	if (rc == 0 && plan->n == 0)
		rc = p.told ? -EPERM
			    : weir_why(why, -EPERM,
				       "drivers drop TCP, UDP and echo requests alone");
	return rc;
}

/* ---- packets ---- */

static bool is_in(const struct weir_prefix *p, const uint8_t addr[16])
{
	const unsigned bytes = p->length / 8;
	const uint8_t mask = (uint8_t)(0xff00 >> p->length % 8);

	return memcmp(addr, p->addr.bytes, bytes) == 0 &&
	       (mask == 0 || ((addr[bytes] ^ p->addr.bytes[bytes]) & mask) == 0);
}

static bool is_between(const struct weir_range *r, uint16_t port_be)
{
	return ntohs(port_be) >= r->lo && ntohs(port_be) <= r->hi;
}

bool fw_push_matches(const struct fw_push_plan *plan, uint8_t zone, const struct weir_tuple *t)
{
	for (uint32_t i = 0; i < plan->n; i++) {
		const struct port_flow_match *m = &plan->matches[i].what;
		const bool ports = m->proto == IPPROTO_TCP || m->proto == IPPROTO_UDP;

		if (plan->matches[i].zone == zone && m->proto == t->proto &&
		    m->family == t->family &&
		    (!ports ||
		     (is_between(&m->sports, t->sport) && is_between(&m->dports, t->dport))) &&
		    is_in(&m->src, t->src) && is_in(&m->dst, t->dst))
			return true;
	}
	return false;
}

bool fw_push_touches(const void *ctx, const struct weir_flow *f, const struct weir_tuple *orig,
		     const struct weir_tuple *reply)
{
	return fw_push_matches(ctx, f->zone[WEIR_DIR_ORIG], orig) ||
	       fw_push_matches(ctx, f->zone[WEIR_DIR_REPLY], reply);
}
