/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which rule decides, by reading one after the other: for people, and as what the compiled rules
 * are tested against. It shares nothing with them but the rules.
 */

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <weir/geo.h>

#include "rules_priv.h"

/* Room for a sentence about a rule that does not match. */
#define SENTENCE 192

struct reason {
	char text[SENTENCE];
};

static bool no(struct reason *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool no(struct reason *why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
	return false;
}

static bool is_in(const struct weir_rules *rs, const struct weir_rule_addrs *a,
		  const struct weir_addr *addr, uint32_t now_s)
{
	const uint8_t *bytes = addr->bytes;
	struct weir_prefix found;
	uint16_t country;

	for (uint32_t i = 0; i < a->n_prefixes; i++)
		if (weir_prefix_contains(&a->prefixes[i], addr))
			return true;
	for (uint32_t i = 0; i < a->n_sets; i++)
		if (weir_set_find(a->sets[i], addr, now_s, &found))
			return true;
	if (a->n_countries == 0)
		return false;
	weir_geo_lookup(rs->geo, addr->family, &bytes, 1, &country);
	for (uint32_t i = 0; i < a->n_countries; i++)
		if (a->countries[i] == country)
			return true;
	return false;
}

/* "10.0.0.0/8", "set bad", "10.0.0.0/8 or 4 others" */
static const char *name_addrs(const struct weir_rules *rs, const struct weir_rule_addrs *a,
			      char text[SENTENCE])
{
	const uint32_t n = a->n_prefixes + a->n_sets + a->n_countries;
	char prefix[WEIR_PREFIX_TEXT];
	int used;

	if (a->n_prefixes > 0)
		used = snprintf(text, SENTENCE, "%s", weir_prefix_format(a->prefixes, prefix));
	else if (a->n_sets > 0)
		used = snprintf(text, SENTENCE, "set %s", weir_set_name(a->sets[0]));
	else
		used = snprintf(text, SENTENCE, "country %s",
				weir_geo_code(rs->geo, a->countries[0]));
	if (n > 1)
		snprintf(text + used, SENTENCE - (size_t)used, " or %u other%s", n - 1,
			 n == 2 ? "" : "s");
	return text;
}

static bool addr_matches(const struct weir_rules *rs, const char *side,
			 const struct weir_rule_addrs *a, const uint8_t *bytes, uint8_t family,
			 uint32_t now_s, struct reason *why)
{
	const struct weir_addr addr = weir_addr_of(bytes, family);
	char text[SENTENCE];

	if (a->n_prefixes + a->n_sets + a->n_countries == 0)
		return true;
	if (is_in(rs, a, &addr, now_s) != a->negate)
		return true;
	return no(why, "%s is %s %s", side, a->negate ? "in" : "not in", name_addrs(rs, a, text));
}

static bool ports_match(const char *side, const struct weir_range *ranges, uint32_t n,
			const struct weir_rule_ask *a, uint16_t port_be, struct reason *why)
{
	const struct weir_tuple *t = &a->tuple;
	const uint16_t port = ntohs(port_be);
	char more[32] = "";

	if (n == 0)
		return true;
	if (t->proto != IPPROTO_TCP && t->proto != IPPROTO_UDP && t->proto != IPPROTO_SCTP)
		return no(why, "protocol %u has no ports", t->proto);
	if (a->later)
		return no(why, "a later fragment has no ports");
	for (uint32_t i = 0; i < n; i++)
		if (port >= ranges[i].lo && port <= ranges[i].hi)
			return true;
	if (n > 1)
		snprintf(more, sizeof(more), " or %u other%s", n - 1, n == 2 ? "" : "s");
	if (ranges[0].lo == ranges[0].hi)
		return no(why, "%s port %u is not %u%s", side, port, ranges[0].lo, more);
	return no(why, "%s port %u is not in %u-%u%s", side, port, ranges[0].lo, ranges[0].hi,
		  more);
}

static bool icmp_matches(const struct weir_rule *r, const struct weir_rule_ask *a,
			 struct reason *why)
{
	const struct weir_tuple *t = &a->tuple;

	if (r->icmp_type < 0 && r->icmp_code < 0)
		return true;
	if (t->proto != (t->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return no(why, "protocol %u is not ICMP", t->proto);
	if (a->later)
		return no(why, "a later fragment has no ICMP type");
	if (r->icmp_type >= 0 && r->icmp_type != a->icmp_type)
		return no(why, "ICMP type %u is not %d", a->icmp_type, r->icmp_type);
	if (r->icmp_code >= 0 && r->icmp_code != a->icmp_code)
		return no(why, "ICMP code %u is not %d", a->icmp_code, r->icmp_code);
	return true;
}

static bool flags_match(const struct weir_rule *r, const struct weir_rule_ask *a,
			struct reason *why)
{
	if (r->tcp_mask == 0)
		return true;
	if (a->tuple.proto != IPPROTO_TCP)
		return no(why, "protocol %u is not TCP", a->tuple.proto);
	if (a->later)
		return no(why, "a later fragment has no TCP flags");
	if ((a->tcp_flags & r->tcp_mask) == r->tcp_flags)
		return true;
	return no(why, "TCP flags 0x%02x are not 0x%02x of 0x%02x", a->tcp_flags, r->tcp_flags,
		  r->tcp_mask);
}

static bool zone_matches(const char *side, uint32_t zones, uint8_t zone, struct reason *why)
{
	if (zones == 0 || (zones & UINT32_C(1) << zone) != 0)
		return true;
	return no(why, "it %s zone %u", side, zone);
}

static bool header_matches(const struct weir_rule *r, const struct weir_rule_ask *a,
			   struct reason *why)
{
	const struct weir_tuple *t = &a->tuple;

	if (r->family != 0 && r->family != t->family)
		return no(why, "it is IPv%u", t->family);
	if (r->proto != 0 && r->proto != t->proto)
		return no(why, "protocol %u is not %u", t->proto, r->proto);
	if (r->vlan != 0 && r->vlan != a->vlan)
		return no(why, "VLAN %u is not %u", a->vlan, r->vlan);
	if (r->dscp >= 0 && r->dscp != a->dscp)
		return no(why, "DSCP %u is not %d", a->dscp, r->dscp);
	return icmp_matches(r, a, why) && flags_match(r, a, why) &&
	       ports_match("source", r->sports, r->n_sports, a, t->sport, why) &&
	       ports_match("destination", r->dports, r->n_dports, a, t->dport, why);
}

static bool app_matches(const struct weir_rule *r, const struct weir_rule_ask *a,
			struct reason *why)
{
	if (r->app == 0 || r->app == a->app)
		return true;
	if (a->app == 0 && r->action == WEIR_ACTION_ACCEPT)
		return true; /* for the time being */
	if (a->app == 0)
		return no(why, "the application is not known yet");
	return no(why, "application %u is not %u", a->app, r->app);
}

static bool matches(const struct weir_rules *rs, const struct weir_rule *r,
		    const struct weir_rule_ask *a, uint32_t now_s, struct reason *why)
{
	const struct weir_tuple *t = &a->tuple;

	return zone_matches("comes from", r->from_zones, a->from, why) &&
	       zone_matches("goes to", r->to_zones, a->to, why) && header_matches(r, a, why) &&
	       addr_matches(rs, "source", &r->src, t->src, t->family, now_s, why) &&
	       addr_matches(rs, "destination", &r->dst, t->dst, t->family, now_s, why) &&
	       app_matches(r, a, why);
}

/* Whether a rule that matches is the end; if not, why. */
static bool ends(const struct weir_rule *r, struct reason *why)
{
	if (r->limit == WEIR_LIMIT_OVER_RULE || r->limit == WEIR_LIMIT_OVER_SOURCE)
		return no(why, "it matches, but the limit is not exceeded");
	if (r->action == WEIR_ACTION_COUNT)
		return no(why, "it matches and counts; the next rules decide");
	return true;
}

uint32_t weir_rules_explain(const struct weir_rules *rs, const struct weir_rule_ask *ask,
			    uint32_t now_s,
			    void (*why_not)(void *ctx, uint32_t rule, const char *what), void *ctx)
{
	const uint8_t family = ask->tuple.family;

	if (ask->from >= rs->zones || ask->to >= rs->zones || (family != 4 && family != 6))
		return WEIR_RULE_DEFAULT;
	for (uint32_t i = 0; i < rs->n; i++) {
		const struct weir_rule *r = &rs->rules[i];
		struct reason why;

		if (matches(rs, r, ask, now_s, &why) && ends(r, &why))
			return i;
		if (why_not != NULL)
			why_not(ctx, i, why.text);
	}
	return WEIR_RULE_DEFAULT;
}
