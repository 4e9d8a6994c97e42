/* SPDX-License-Identifier: BSD-3-Clause */

/* Rules of the configuration as weir_rules_compile() takes them. */

#include "fw_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* Protocols of one rule: its own, those of its services. */
#define VARIANTS_MAX 256

/* Applications of one rule, as its schema says. */
#define APPS_MAX 16

/* limit.per, in the order of its words. */
enum { PER_RULE, PER_SOURCE, PER_PREFIX };

/* Of sources that share a limit, where limit.per is prefix and says no more. */
#define PREFIX4_BITS 24
#define PREFIX6_BITS 56

/* A protocol with ports; a rule with several becomes as many rules with one slot. */
struct variant {
	uint8_t proto; /* 0: all */
	const struct weir_conf_list *sports, *dports;
	uint32_t line; /* where the ports stand */
};

static int add_variants(const struct fw_build *b, uint32_t line,
			const struct weir_conf_list *protos, const struct weir_conf_list *sports,
			const struct weir_conf_list *dports, struct variant *out, unsigned *n,
			struct weir_why *why)
{
	char *const *word;

	if (*n + protos->n + 1 > VARIANTS_MAX)
		return weir_conf_fail(why, b->file, line,
				      "its services have more than %d protocols together",
				      VARIANTS_MAX);
	if (protos->n == 0)
		out[(*n)++] = (struct variant){0, sports, dports, line};
	weir_conf_each (word, protos) {
		struct variant *v = &out[*n];
		int rc;

		*v = (struct variant){0, sports, dports, line};
		rc = fw_proto(b, line, *word, &v->proto, why);
		if (rc < 0)
			return rc;
		(*n)++;
	}
	return 0;
}

/* A service that names no protocol would be every packet. */
static int check_services(const struct fw_build *b, struct weir_why *why)
{
	const struct weir_service_conf *s;

	weir_conf_each (s, &b->conf->services)
		if (s->proto.n == 0)
			return weir_conf_fail(
				why, b->file, s->at.line,
				"services.%s: proto is missing, it must name the protocols",
				s->name);
	return 0;
}

static int find_service(const struct fw_build *b, uint32_t line, const char *name,
			const struct weir_service_conf **out, struct weir_why *why)
{
	const struct weir_service_conf *s;

	weir_conf_each (s, &b->conf->services) {
		if (strcmp(s->name, name) == 0) {
			*out = s;
			return 0;
		}
	}
	return weir_conf_fail(why, b->file, line, "service is %s, which services: does not have",
			      name);
}

static int collect_variants(const struct fw_build *b, const struct weir_rule_conf *c,
			    struct variant *out, unsigned *n, struct weir_why *why)
{
	const struct weir_service_conf *s = NULL;
	char *const *name;
	int rc;

	*n = 0;
	if (c->service.n == 0)
		return add_variants(b, c->at.line, &c->proto, &c->sport, &c->dport, out, n, why);
	if (c->proto.n + c->sport.n + c->dport.n > 0)
		return weir_conf_fail(
			why, b->file, c->at.line,
			"rule %s has service, so it may not have proto, sport and dport", c->name);
	weir_conf_each (name, &c->service) {
		rc = find_service(b, c->at.line, *name, &s, why);
		if (rc == 0)
			rc = add_variants(b, s->at.line, &s->proto, &s->sport, &s->dport, out, n,
					  why);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int refuse_rule(const struct fw_build *b, const struct weir_rule_conf *c, uint32_t line,
		       const char *key, const char *needs, struct weir_why *why)
{
	return weir_conf_fail(why, b->file, line, "rule %s: %s needs %s", c->name, key, needs);
}

static int fill_limit(const struct fw_build *b, const struct weir_rule_conf *c, struct weir_rule *r,
		      struct weir_why *why)
{
	const struct weir_limit_conf *l = &c->limit;

	if (l->at.line == 0)
		return 0;
	if (l->per != PER_PREFIX && (l->prefix4 != 0 || l->prefix6 != 0))
		return refuse_rule(b, c, l->at.line,
				   l->prefix4 != 0 ? "limit.prefix4" : "limit.prefix6",
				   "limit.per: prefix", why);
	r->limit = l->per == PER_RULE ? l->over ? WEIR_LIMIT_OVER_RULE : WEIR_LIMIT_RULE
		   : l->over	      ? WEIR_LIMIT_OVER_SOURCE
				      : WEIR_LIMIT_SOURCE;
	if (l->per == PER_PREFIX) {
		r->limit_bits4 = (uint8_t)(l->prefix4 != 0 ? l->prefix4 : PREFIX4_BITS);
		r->limit_bits6 = (uint8_t)(l->prefix6 != 0 ? l->prefix6 : PREFIX6_BITS);
	}
	r->limit_pps = l->rate;
	r->limit_burst = l->burst != 0 ? l->burst : l->rate;
	return 0;
}

/* Whether the rule's action is one that what it wants of its flows goes with. */
static int check_action(const struct fw_build *b, const struct weir_rule_conf *c,
			struct weir_why *why)
{
	static const char *const accepts = "action: accept or synproxy";

	if (c->action == WEIR_ACTION_ACCEPT || c->action == WEIR_ACTION_SYNPROXY)
		return 0;
	if (c->mark != 0)
		return refuse_rule(b, c, c->at.line, "mark", accepts, why);
	if (c->set_dscp != NULL)
		return refuse_rule(b, c, c->at.line, "set_dscp", accepts, why);
	return 0;
}

/* What a rule matches beside protocols and ports, and what it does. */
static int fill_rule(struct fw_build *b, const struct weir_rule_conf *c, struct weir_rule *r,
		     struct weir_why *why)
{
	const uint32_t line = c->at.line;
	uint8_t dscp;
	int rc;

	*r = (struct weir_rule){
		.name = c->name,
		.icmp_type = -1,
		.icmp_code = -1,
		.vlan = (uint16_t)c->vlan,
		.dscp = -1,
		.action = (enum weir_action)c->action,
		.log = c->log,
		.capture = c->capture,
		.inspect = c->inspect,
		.has_mark = c->mark != 0,
		.set_mark = (uint32_t)c->mark,
		.has_dscp = c->set_dscp != NULL,
		.line = line,
	};
	rc = fw_zones(b, line, "from", &c->from, &r->from_zones, why);
	if (rc == 0)
		rc = fw_zones(b, line, "to", &c->to, &r->to_zones, why);
	if (rc == 0)
		rc = fw_addrs(b, line, "source", &c->source, &r->src, why);
	if (rc == 0)
		rc = fw_addrs(b, line, "destination", &c->destination, &r->dst, why);
	if (rc == 0 && c->tcp_flags != NULL)
		rc = fw_tcp_flags(b, line, "tcp_flags", c->tcp_flags, &r->tcp_flags, &r->tcp_mask,
				  why);
	if (rc == 0 && c->dscp != NULL) {
		rc = fw_dscp(b, line, "dscp", c->dscp, &dscp, why);
		r->dscp = rc == 0 ? (int8_t)dscp : -1;
	}
	if (rc == 0 && c->set_dscp != NULL)
		rc = fw_dscp(b, line, "set_dscp", c->set_dscp, &r->set_dscp, why);
	if (rc == 0)
		rc = check_action(b, c, why);
	return rc == 0 ? fill_limit(b, c, r, why) : rc;
}

/* One protocol of a rule. */
static int fill_variant(struct fw_build *b, const struct weir_rule_conf *c, const struct variant *v,
			struct weir_rule *r, struct weir_why *why)
{
	int rc = 0;

	r->proto = v->proto;
	if (v->sports->n + v->dports->n > 0 && !weir_proto_has_ports(v->proto))
		return weir_conf_fail(why, b->file, v->line,
				      "ports need proto: tcp, udp or sctp beside them");
	if (c->tcp_flags != NULL && v->proto != IPPROTO_TCP)
		return refuse_rule(b, c, c->at.line, "tcp_flags", "proto: tcp", why);
	if (c->icmp != NULL && v->proto != IPPROTO_ICMP && v->proto != IPPROTO_ICMPV6)
		return refuse_rule(b, c, c->at.line, "icmp", "proto: icmp or icmp6", why);
	if (c->icmp != NULL)
		rc = fw_icmp(b, c->at.line, c->icmp, v->proto == IPPROTO_ICMPV6, &r->icmp_type,
			     &r->icmp_code, why);
	if (rc == 0 && v->sports->n > 0)
		rc = fw_ranges(b, v->line, "sport", v->sports, &r->sports, &r->n_sports, why);
	if (rc == 0 && v->dports->n > 0)
		rc = fw_ranges(b, v->line, "dport", v->dports, &r->dports, &r->n_dports, why);
	return rc;
}

/* What a rule says, so that its counters stay with it as long as it says that. */
static uint64_t hash_rule(const struct weir_rule_conf *c)
{
	uint64_t h = FW_SAID_NOTHING;

	h = fw_said_words(h, &c->from);
	h = fw_said_words(h, &c->to);
	h = fw_said_words(h, &c->source);
	h = fw_said_words(h, &c->destination);
	h = fw_said_words(h, &c->service);
	h = fw_said_words(h, &c->proto);
	h = fw_said_words(h, &c->sport);
	h = fw_said_words(h, &c->dport);
	h = fw_said_text(h, c->icmp);
	h = fw_said_text(h, c->tcp_flags);
	h = fw_said_text(h, c->dscp);
	h = fw_said_text(h, c->set_dscp);
	h = fw_said(h, &c->vlan, sizeof(c->vlan));
	h = fw_said(h, &c->action, sizeof(c->action));
	h = fw_said(h, &c->mark, sizeof(c->mark));
	h = fw_said(h, &c->log, sizeof(c->log));
	h = fw_said(h, &c->capture, sizeof(c->capture));
	h = fw_said(h, &c->inspect, sizeof(c->inspect));
	h = fw_said_words(h, &c->application);
	h = fw_said(h, &c->limit.rate, sizeof(c->limit.rate));
	h = fw_said(h, &c->limit.burst, sizeof(c->limit.burst));
	h = fw_said(h, &c->limit.per, sizeof(c->limit.per));
	h = fw_said(h, &c->limit.prefix4, sizeof(c->limit.prefix4));
	h = fw_said(h, &c->limit.prefix6, sizeof(c->limit.prefix6));
	return fw_said(h, &c->limit.over, sizeof(c->limit.over));
}

/* "web", "web/2", "web/3": the rules that one becomes. */
static const char *variant_name(struct fw_build *b, const char *name, unsigned i)
{
	const size_t len = strlen(name) + sizeof("/4096");
	char *text;

	if (i == 0)
		return name;
	text = fw_alloc(&b->arena, 1, len);
	if (text != NULL)
		snprintf(text, len, "%s/%u", name, i + 1);
	return text;
}

static int add_rule(struct fw_build *b, const struct weir_rule_conf *c, struct weir_rule *rules,
		    uint32_t *n, struct weir_why *why)
{
	struct variant variants[VARIANTS_MAX];
	uint8_t apps[APPS_MAX];
	struct weir_rule common;
	unsigned n_variants, n_apps;
	int rc = fill_rule(b, c, &common, why);

	if (rc == 0)
		rc = collect_variants(b, c, variants, &n_variants, why);
	if (rc == 0)
		rc = fw_dpi_apps(b, c, apps, &n_apps, why);
	if (rc < 0)
		return rc;
	rc = fw_slot_take(b->fw, c->name, hash_rule(c), &common.slot, why);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < n_variants * n_apps; i++) {
		if (*n == WEIR_RULES_MAX)
			return weir_conf_fail(why, b->file, c->at.line,
					      "rule %s is one too many: at most %d, one for each "
					      "protocol of a service and each application",
					      c->name, WEIR_RULES_MAX);
		rules[*n] = common;
		rules[*n].app = apps[i % n_apps];
		rules[*n].name = variant_name(b, c->name, i);
		if (rules[*n].name == NULL)
			return weir_why(why, -ENOMEM, "rules: out of memory");
		b->policy->by_app |= rules[*n].app != 0;
		rc = fill_variant(b, c, &variants[i / n_apps], &rules[*n], why);
		if (rc < 0)
			return rc;
		(*n)++;
	}
	return 0;
}

static int check_names(struct fw_build *b, struct weir_why *why)
{
	const struct weir_conf_list *list = &b->conf->firewall.rules;
	struct fw_name *names = fw_alloc(&b->arena, list->n, sizeof(*names));
	const struct weir_rule_conf *c;
	size_t n = 0;

	if (names == NULL)
		return weir_why(why, -ENOMEM, "rules: out of memory");
	weir_conf_each (c, list) {
		if (strcmp(c->name, "default") == 0)
			return weir_conf_fail(why, b->file, c->at.line,
					      "rule default: what no rule matches is called so");
		names[n++] = (struct fw_name){c->name, c->at.line};
	}
	return fw_names_differ(b, "rule", names, n, why);
}

static int compile(struct fw_build *b, const struct weir_rules_conf *conf, struct weir_why *why)
{
	const int rc = weir_rules_compile(conf, &b->policy->rules, why);

	for (uint32_t i = 0; rc < 0 && i < conf->n; i++)
		if (fw_is_about(why, "rule", conf->rules[i].name))
			return fw_at_line(b, conf->rules[i].line, rc, why);
	return rc;
}

/* What the data path has to know of rules that ask for the SYN proxy. */
static struct weir_synproxy synproxy_of(const struct weir_synproxy_section *s,
					const struct weir_rules_conf *conf)
{
	struct weir_synproxy p = {.mss = (uint16_t)s->mss,
				  .wscale = (uint8_t)s->wscale,
				  .timestamps = s->timestamps,
				  .sack = s->sack,
				  .ecn = s->ecn};

	for (uint32_t i = 0; i < conf->n; i++)
		if (conf->rules[i].action == WEIR_ACTION_SYNPROXY)
			p.zones |= conf->rules[i].from_zones == 0 ? UINT32_MAX
								  : conf->rules[i].from_zones;
	p.zones &= ~(UINT32_C(1) << WEIR_ZONE_SELF);
	return p;
}

static bool names_self(const struct weir_rules_conf *conf)
{
	for (uint32_t i = 0; i < conf->n; i++)
		if (conf->rules[i].from_zones >> WEIR_ZONE_SELF & 1)
			return true;
	return false;
}

int fw_build_rules(struct fw_build *b, struct weir_why *why)
{
	static const enum weir_action defaults[] = {WEIR_ACTION_ACCEPT, WEIR_ACTION_DROP,
						    WEIR_ACTION_REJECT};
	struct weir_system *system = b->system;
	struct weir_rules_conf conf = {
		.zones = b->policy->n_zones,
		.default_action = defaults[b->conf->firewall.policy],
		.geo = b->geo,
		.workers = system == NULL ? 1 : weir_system_workers(system),
		.numa = -1,
	};
	const struct weir_rule_conf *c;
	struct weir_rule *rules = fw_alloc(&b->arena, WEIR_RULES_MAX, sizeof(*rules));

	int rc;

	if (rules == NULL)
		return weir_why(why, -ENOMEM, "rules: out of memory");
	conf.rules = rules;
	rc = check_names(b, why);
	if (rc == 0)
		rc = check_services(b, why);
	weir_conf_each (c, &b->conf->firewall.rules)
		if (rc == 0)
			rc = add_rule(b, c, rules, &conf.n, why);
	b->policy->synproxy = synproxy_of(&b->conf->firewall.synproxy, &conf);
	b->policy->judges_self = names_self(&conf);
	return rc < 0 ? rc : compile(b, &conf, why);
}
