/* SPDX-License-Identifier: BSD-3-Clause */

/* Rules of translation of the configuration as weir_nat_compile() takes them. */

#include "fw_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const enum weir_nat_kind kinds[] = {WEIR_NAT_NONE,  WEIR_NAT_MASQUERADE, WEIR_NAT_SNAT,
					   WEIR_NAT_CGNAT, WEIR_NAT_DNAT,	WEIR_NAT_ONE_TO_ONE,
					   WEIR_NAT_NPT6,  WEIR_NAT_NAT64};

#define SOURCE_KINDS                                                          \
	(1 << WEIR_NAT_NONE | 1 << WEIR_NAT_MASQUERADE | 1 << WEIR_NAT_SNAT | \
	 1 << WEIR_NAT_CGNAT | 1 << WEIR_NAT_ONE_TO_ONE | 1 << WEIR_NAT_NPT6)
#define DESTINATION_KINDS                                                                          \
	(1 << WEIR_NAT_NONE | 1 << WEIR_NAT_DNAT | 1 << WEIR_NAT_ONE_TO_ONE | 1 << WEIR_NAT_NPT6 | \
	 1 << WEIR_NAT_NAT64)

/* Kinds that choose ports; a forward does where it is a hairpin. */
#define PORT_KINDS \
	(1 << WEIR_NAT_MASQUERADE | 1 << WEIR_NAT_SNAT | 1 << WEIR_NAT_CGNAT | 1 << WEIR_NAT_NAT64)
#define POOL_KINDS                                                             \
	(1 << WEIR_NAT_SNAT | 1 << WEIR_NAT_CGNAT | 1 << WEIR_NAT_ONE_TO_ONE | \
	 1 << WEIR_NAT_NPT6 | 1 << WEIR_NAT_NAT64)
#define INSIDE_KINDS \
	(1 << WEIR_NAT_CGNAT | 1 << WEIR_NAT_ONE_TO_ONE | 1 << WEIR_NAT_NPT6 | 1 << WEIR_NAT_NAT64)

/* Of a subscriber, where the rule does not say how many. */
#define BLOCK_PORTS 1024

/* Refuse a key that the rule would not look at. */
static int check_keys(const struct fw_build *b, const struct weir_nat_rule_conf *c, bool source,
		      struct weir_why *why)
{
	const unsigned kind = 1u << kinds[c->action];
	const unsigned dnat = 1u << WEIR_NAT_DNAT;
	const unsigned ports = PORT_KINDS | (c->hairpin ? dnat : 0);
	const struct {
		const char *key;
		bool there;
		unsigned goes_with;
		const char *needs;
	} keys[] = {
		{"pool", c->pool.n > 0, POOL_KINDS,
		 "action: snat, cgnat, one_to_one, npt or nat64"},
		{"inside", c->inside.addr.family != 0, INSIDE_KINDS,
		 "action: cgnat, one_to_one, npt or nat64"},
		{"ports", c->ports != NULL, ports,
		 "action: masquerade, snat, cgnat or nat64, or hairpin: true"},
		{"endpoint_independent", c->endpoint_independent, ports,
		 "action: masquerade, snat, cgnat or nat64, or hairpin: true"},
		{"block", c->block != 0, 1u << WEIR_NAT_CGNAT, "action: cgnat"},
		{"hairpin", c->hairpin, dnat, "action: dnat"},
	};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].there && !(keys[i].goes_with & kind))
			return weir_conf_fail(why, b->file, c->at.line, "nat rule %s: %s needs %s",
					      c->name, keys[i].key, keys[i].needs);
	if (!source && c->to_zones.n > 0)
		return weir_conf_fail(why, b->file, c->at.line,
				      "nat rule %s: to is for nat.source, for where a flow goes is "
				      "not known before",
				      c->name);
	return 0;
}

/* ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT */
static int parse_forward(const struct fw_build *b, uint32_t line, const char *word,
			 struct weir_addr *addr, uint16_t *port, struct weir_why *why)
{
	const char *colon = strrchr(word, ':'), *end = word + strlen(word);
	struct weir_range range;
	size_t len = strlen(word);

	*port = 0;
	if (weir_addr_parse(word, len, addr) == 0)
		return 0;
	if (colon == NULL)
		goto bad;
	len = (size_t)(colon - word);
	if (*word == '[' && len > 2 && colon[-1] == ']') {
		word++;
		len -= 2;
	}
	if (weir_addr_parse(word, len, addr) < 0 ||
	    fw_range(b, line, "forward", colon + 1, &range, why) < 0 || range.lo != range.hi ||
	    range.lo == 0 || end == colon + 1)
		goto bad;
	*port = range.lo;
	return 0;
bad:
	return weir_conf_fail(why, b->file, line,
			      "forward is %s, must be ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT",
			      word);
}

static int fill_rule(struct fw_build *b, const struct weir_nat_rule_conf *c, unsigned allowed,
		     struct weir_nat_rule *r, struct weir_why *why)
{
	const uint32_t line = c->at.line;
	int rc;

	*r = (struct weir_nat_rule){
		.name = c->name,
		.kind = kinds[c->action],
		.inside = c->inside,
		.pool = c->pool.items,
		.n_pool = (uint32_t)c->pool.n,
		.block = (uint16_t)(c->block != 0 ? c->block : BLOCK_PORTS),
		.endpoint_independent = c->endpoint_independent,
		.hairpin = c->hairpin,
		.line = line,
	};
	if (!(allowed & 1u << r->kind))
		return weir_conf_fail(why, b->file, line,
				      "nat rule %s: this action belongs into nat.%s", c->name,
				      allowed == SOURCE_KINDS ? "destination" : "source");
	rc = check_keys(b, c, allowed == SOURCE_KINDS, why);
	if (rc == 0)
		rc = fw_zones(b, line, "from", &c->from, &r->from_zones, why);
	if (rc == 0 && (r->from_zones >> WEIR_ZONE_SELF & 1))
		rc = weir_conf_fail(why, b->file, line,
				    "nat rule %s: from is self, whose packets are not translated",
				    c->name);
	if (rc == 0)
		rc = fw_zones(b, line, "to", &c->to_zones, &r->to_zones, why);
	if (rc == 0)
		rc = fw_addrs(b, line, "source", &c->source, &r->src, why);
	if (rc == 0)
		rc = fw_addrs(b, line, "destination", &c->destination, &r->dst, why);
	if (rc == 0 && c->proto != NULL)
		rc = fw_proto(b, line, c->proto, &r->proto, why);
	if (rc == 0 && c->dport != NULL)
		rc = fw_range(b, line, "dport", c->dport, &r->dports, why);
	if (rc == 0 && c->ports != NULL)
		rc = fw_range(b, line, "ports", c->ports, &r->ports, why);
	if (rc < 0)
		return rc;
	if ((r->kind == WEIR_NAT_DNAT) != (c->to != NULL))
		return weir_conf_fail(
			why, b->file, line,
			"nat rule %s: forward goes with action: dnat, and only with it", c->name);
	return c->to == NULL ? 0 : parse_forward(b, line, c->to, &r->to, &r->to_port, why);
}

static int fill_list(struct fw_build *b, const struct weir_conf_list *list, unsigned allowed,
		     const struct weir_nat_rule **out, uint32_t *n, struct weir_why *why)
{
	struct weir_nat_rule *rules = fw_alloc(&b->arena, list->n, sizeof(*rules));
	struct fw_name *names = fw_alloc(&b->arena, list->n, sizeof(*names));
	const struct weir_nat_rule_conf *c;

	if (rules == NULL || names == NULL)
		return weir_why(why, -ENOMEM, "nat: out of memory");
	weir_conf_each (c, list) {
		const int rc = fill_rule(b, c, allowed, &rules[*n], why);

		if (rc < 0)
			return rc;
		names[(*n)++] = (struct fw_name){c->name, c->at.line};
	}
	*out = rules;
	return fw_names_differ(b, "nat rule", names, *n, why);
}

/* The compiler names the rule, but not where it stands. */
static int place(const struct fw_build *b, const struct weir_nat_rule *rules, uint32_t n, int rc,
		 struct weir_why *why)
{
	for (uint32_t i = 0; i < n; i++)
		if (fw_is_about(why, "translation rule", rules[i].name))
			return fw_at_line(b, rules[i].line, rc, why);
	return rc;
}

int fw_build_nat(struct fw_build *b, struct weir_why *why)
{
	struct weir_nat_conf conf = {.n_source = 0};
	int rc;

	if (b->conf->nat.source.n + b->conf->nat.destination.n == 0)
		return 0;
	rc = fill_list(b, &b->conf->nat.destination, DESTINATION_KINDS, &conf.destination,
		       &conf.n_destination, why);
	if (rc == 0)
		rc = fill_list(b, &b->conf->nat.source, SOURCE_KINDS, &conf.source, &conf.n_source,
			       why);
	if (rc < 0)
		return rc;
	rc = weir_nat_compile(&conf, &b->policy->nat, why);
	if (rc < 0)
		rc = place(b, conf.destination, conf.n_destination, rc, why);
	return rc < 0 ? place(b, conf.source, conf.n_source, rc, why) : 0;
}
