/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What would become of the first packet of a flow: the steps of 35_balance, 40_acl and the routing
 * table, one after the other, each of which may end it. Limits are taken as not exceeded.
 */

#include "fw_ctl_priv.h"
#include "fw_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <weir/drop.h>
#include <weir/error.h>

#include "app/app_l3_priv.h"
#include "app/app_priv.h"
#include "app/app_show_priv.h"
#include "nodes/tuple_priv.h"
#include "tables/bogon_priv.h"

#define TCP_SYN 2

/* A packet under judgement. */
struct trial {
	const struct weir_run *run;
	const struct weir_policy *policy;
	struct weir_rule_ask ask;  /* as rules see it */
	struct weir_addr src, dst; /* dst: after translation */
	struct weir_tuple leaves;  /* with its destination after translation */
	uint32_t nat_rule;	   /* which has chosen that, or WEIR_RULE_DEFAULT */
	struct weir_rib_answer way;
	json_t *passed; /* rules that did not match */
};

/* Why a rule did not match; zones and applications by their names. */
static void note_reason(void *ctx, uint32_t rule, const char *what)
{
	const struct trial *t = ctx;
	const struct weir_rule *r = weir_rules_at(t->policy->rules, rule);
	char text[96];

	if (r->from_zones != 0 && !(r->from_zones & UINT32_C(1) << t->ask.from)) {
		snprintf(text, sizeof(text), "it comes from zone %s",
			 fw_zone_name(t->policy, t->ask.from));
		what = text;
	} else if (r->to_zones != 0 && !(r->to_zones & UINT32_C(1) << t->ask.to)) {
		snprintf(text, sizeof(text), "it goes to zone %s",
			 fw_zone_name(t->policy, t->ask.to));
		what = text;
	} else if (r->app != 0 && t->ask.app != 0 && strncmp(what, "application ", 12) == 0) {
		snprintf(text, sizeof(text), "application %s is not %s",
			 fw_app_name(t->run->fw, t->ask.app), fw_app_name(t->run->fw, r->app));
		what = text;
	}
	json_array_append_new(t->passed, json_pack("{s:s, s:i, s:s}", "rule", r->name, "line",
						   (int)r->line, "not", what));
}

/* A zone by its name, or by that of an interface in it. */
static int find_zone(const struct weir_run *run, const struct weir_policy *p, const char *name,
		     uint8_t *out, struct weir_why *why)
{
	const uint16_t iface = name == NULL ? WEIR_NO_IFACE
					    : weir_rib_iface(app_l3_rib(run->l3), name);

	for (unsigned z = 0; name != NULL && z < p->n_zones; z++) {
		if (strcmp(p->zone[z].name, name) == 0) {
			*out = (uint8_t)z;
			return 0;
		}
	}
	if (iface < WEIR_IFACES_MAX && p->zone_of[iface] != WEIR_NO_ZONE) {
		*out = p->zone_of[iface];
		return 0;
	}
	return weir_why(why, -EINVAL,
			"explain: from is \"%s\", must be a zone or an interface that packets come "
			"by",
			name == NULL ? "" : name);
}

static int read_packet(struct trial *t, const char *proto, const char *src, const char *dst,
		       json_int_t sport, json_int_t dport, struct weir_why *why)
{
	const struct fw_build nowhere = {.file = "explain"};
	struct weir_tuple *tuple = &t->ask.tuple;

	if (src == NULL || dst == NULL || weir_addr_parse(src, strlen(src), &t->src) < 0 ||
	    weir_addr_parse(dst, strlen(dst), &t->dst) < 0 || t->src.family != t->dst.family)
		return weir_why(why, -EINVAL,
				"explain: src and dst must be addresses of the same family");
	if (sport < 0 || sport > UINT16_MAX || dport < 0 || dport > UINT16_MAX)
		return weir_why(why, -ERANGE, "explain: ports must be 0 to 65535");
	*tuple = (struct weir_tuple){.family = t->src.family,
				     .sport = htons((uint16_t)sport),
				     .dport = htons((uint16_t)dport)};
	memcpy(tuple->src, t->src.bytes, sizeof(tuple->src));
	memcpy(tuple->dst, t->dst.bytes, sizeof(tuple->dst));
	t->ask.to = WEIR_NO_ZONE;
	t->ask.tcp_flags = TCP_SYN;
	t->ask.icmp_type = tuple->family == 4 ? 8 : 128; /* echo requests */
	return fw_proto(&nowhere, 0, proto == NULL ? "tcp" : proto, &tuple->proto, why);
}

/* Keys of an explanation that say what is in the packet's headers. */
struct header_words {
	const char *dscp, *icmp, *flags;
};

static bool is_icmp(const struct weir_tuple *t)
{
	return t->proto == (t->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static int read_headers(struct trial *t, const struct header_words *w, struct weir_why *why)
{
	const struct fw_build nowhere = {.file = "explain"};
	const struct weir_tuple *tuple = &t->ask.tuple;
	int16_t type, code;
	uint8_t mask;
	int rc = 0;

	if (w->icmp != NULL && !is_icmp(tuple))
		return weir_why(why, -EINVAL, "explain: icmp needs proto %s",
				tuple->family == 4 ? "icmp" : "icmp6");
	if (w->flags != NULL && tuple->proto != IPPROTO_TCP)
		return weir_why(why, -EINVAL, "explain: flags needs proto tcp");
	if (w->dscp != NULL)
		rc = fw_dscp(&nowhere, 0, "dscp", w->dscp, &t->ask.dscp, why);
	if (rc == 0 && w->flags != NULL)
		rc = fw_tcp_flags(&nowhere, 0, "flags", w->flags, &t->ask.tcp_flags, &mask, why);
	if (rc == 0 && w->icmp != NULL) {
		rc = fw_icmp(&nowhere, 0, w->icmp, tuple->family == 6, &type, &code, why);
		t->ask.icmp_type = rc == 0 ? (uint8_t)type : 0;
		t->ask.icmp_code = rc == 0 && code > 0 ? (uint8_t)code : 0;
	}
	return rc;
}

/* The VLAN that it comes by. A zone of several has none that could be told, if rules ask for it. */
static int find_vlan(struct trial *t, const char *from, struct weir_why *why)
{
	const struct weir_run *run = t->run;
	const struct weir_rules *rules = t->policy->rules;
	const int vlan = fw_vlan_of(app_fw_conf(run->app, run->conf), run->conf, from);

	t->ask.vlan = vlan < 0 ? 0 : (uint16_t)vlan;
	for (uint32_t i = 0; vlan < 0 && i < weir_rules_count(rules); i++)
		if (weir_rules_at(rules, i)->vlan != 0)
			return weir_why(why, -EINVAL,
					"explain: zone %s has interfaces of several VLANs, and "
					"rules ask for them: from must be one of the interfaces",
					from);
	return 0;
}

/* What inspection can tell of the flow: nothing by now, unless it is said. */
static int read_application(struct trial *t, const char *name, struct weir_why *why)
{
	const uint8_t proto = t->ask.tuple.proto;

	if (name == NULL) {
		t->ask.app = proto == IPPROTO_TCP || proto == IPPROTO_UDP ? 0 : WEIR_APP_UNKNOWN;
		return 0;
	}
	t->ask.app = fw_app_number(t->run->fw, name);
	return t->ask.app != 0
		       ? 0
		       : weir_why(why, -EINVAL, "explain: app is \"%s\", which is none", name);
}

/* 35_balance: where it really goes. */
static void translate(struct trial *t)
{
	struct weir_nat_asker nobody = {.now_s = fw_now_s(t->run)};

	t->leaves = t->ask.tuple;
	t->nat_rule = WEIR_RULE_DEFAULT;
	if (t->policy->nat == NULL || t->ask.from == WEIR_ZONE_SELF ||
	    !weir_nat_destination(t->policy->nat, &nobody, t->ask.from, &t->leaves, &t->nat_rule))
		return;
	t->dst = weir_addr_of(t->leaves.dst, t->leaves.family);
	if (t->leaves.family != t->ask.tuple.family)
		return; /* NAT64: rules see it before */
	memcpy(t->ask.tuple.dst, t->leaves.dst, sizeof(t->leaves.dst));
	t->ask.tuple.dport = t->leaves.dport;
}

/* The zone of the interface that an address is reached by; *forwards: there is one. */
static uint8_t zone_of_way(const struct trial *t, const struct weir_rib_answer *a, bool *forwards)
{
	const struct weir_hop *hop = a->hop.kind == WEIR_HOP_GROUP ? &a->member[0] : &a->hop;

	*forwards = hop->kind == WEIR_HOP_LINK || hop->kind == WEIR_HOP_GATEWAY;
	if (!*forwards)
		return WEIR_ZONE_SELF;
	return hop->iface < WEIR_IFACES_MAX ? t->policy->zone_of[hop->iface] : WEIR_NO_ZONE;
}

/* Whether it may have its source in its zone. */
static enum weir_drop check_source(const struct trial *t)
{
	const struct weir_zone *zone = &t->policy->zone[t->ask.from];
	struct weir_rib_answer way;
	bool forwards, back, on_link;

	weir_rib_explain(app_l3_rib(t->run->l3), &t->src, &way);
	back = zone_of_way(t, &way, &forwards) == t->ask.from && forwards;
	on_link = way.hop.kind == WEIR_HOP_LINK_LOCAL;
	if (zone->antispoof && !on_link && !back)
		return WEIR_DROP_SPOOFED;
	if (!zone->bogons || (back && way.hop.kind == WEIR_HOP_LINK) ||
	    (on_link && t->ask.to == WEIR_ZONE_SELF))
		return WEIR_DROP_NONE;
	return bogon_is(t->src.family, t->src.bytes) ? WEIR_DROP_BOGON : WEIR_DROP_NONE;
}

static bool is_stateless(const struct weir_run *run)
{
	return app_fw_conf(run->app, run->conf)->firewall.stateless;
}

/* Whether a flow may begin with it: no answer, no ICMP error, and of TCP as weir_flow_tcp() says.
 */
static bool begins_flow(const struct trial *t)
{
	const struct weir_flow_segment segment = {.flags = t->ask.tcp_flags, .wscale = -1};
	const uint8_t type = t->ask.icmp_type;
	enum weir_flow_class cls = WEIR_FLOW_HALF_OPEN;
	struct weir_flow draft = {.proto = IPPROTO_TCP};
	bool answer = false;

	if (t->ask.tuple.proto == IPPROTO_TCP)
		return weir_flow_tcp(&draft, WEIR_DIR_ORIG, &segment, t->policy->loose, &cls) ==
		       WEIR_FLOW_TCP_OK;
	if (!is_icmp(&t->ask.tuple))
		return true;
	return (t->ask.tuple.family == 4 ? icmp_question4(type, &answer)
					 : icmp_question6(type, &answer)) != 0 &&
	       !answer;
}

/* What ends it before any rule is asked; WEIR_DROP_NONE: nothing does. */
static enum weir_drop check_way(struct trial *t)
{
	bool forwards;

	weir_rib_explain(app_l3_rib(t->run->l3), &t->dst, &t->way);
	switch (t->way.hop.kind) {
	case WEIR_HOP_NONE:
	case WEIR_HOP_UNREACHABLE:
		return WEIR_DROP_NO_ROUTE;
	case WEIR_HOP_PROHIBIT:
		return WEIR_DROP_PROHIBITED;
	case WEIR_HOP_BLACKHOLE:
		return WEIR_DROP_BLACKHOLE;
	default:
		t->ask.to = zone_of_way(t, &t->way, &forwards);
	}
	if (t->ask.to == WEIR_NO_ZONE)
		return WEIR_DROP_RULE;
	if (t->ask.from == WEIR_ZONE_SELF)
		return WEIR_DROP_NONE;
	if (t->ask.to != WEIR_ZONE_SELF && !is_stateless(t->run) && !begins_flow(t))
		return WEIR_DROP_FLOW_INVALID;
	return check_source(t);
}

static json_t *verdict_json(const char *action, enum weir_drop why)
{
	json_t *j = json_pack("{s:s}", "action", action);

	if (why != WEIR_DROP_NONE) {
		json_object_set_new(j, "drop", json_string(weir_drop_text(why)->label));
		json_object_set_new(j, "meaning", json_string(weir_drop_text(why)->meaning));
	}
	return j;
}

/* 40_acl: the rule that decides. */
static json_t *ask_rules(struct trial *t)
{
	const struct weir_rules *rules = t->policy->rules;
	const uint32_t rule = weir_rules_explain(rules, &t->ask, fw_now_s(t->run), note_reason, t);
	const struct weir_rule *r = rule == WEIR_RULE_DEFAULT ? NULL : weir_rules_at(rules, rule);
	const enum weir_action action = r == NULL ? weir_rules_default(rules) : r->action;
	json_t *j = verdict_json(fw_action_name(action), action == WEIR_ACTION_DROP ? WEIR_DROP_RULE
							 : action == WEIR_ACTION_REJECT
								 ? WEIR_DROP_RULE_REJECT
								 : WEIR_DROP_NONE);

	json_object_set_new(j, "rule", json_string(r == NULL ? "default" : r->name));
	if (r != NULL)
		json_object_set_new(j, "line", json_integer(r->line));
	if (r != NULL && r->app != 0 && t->ask.app == 0)
		json_object_set_new(j, "waits_for", json_string(fw_app_name(t->run->fw, r->app)));
	return j;
}

/* Whether rules say what becomes of it: not of what our host begins, unless one names it.
 */
static bool is_asked(const struct trial *t)
{
	return t->ask.from != WEIR_ZONE_SELF ||
	       (t->policy->judges_self && !is_stateless(t->run) && begins_flow(t));
}

static json_t *accept_own(void)
{
	json_t *j = verdict_json("accept", WEIR_DROP_NONE);

	json_object_set_new(j, "meaning",
			    json_string("it begins no flow, or no rule names self in from"));
	return j;
}

static json_t *judge(struct trial *t)
{
	enum weir_drop why;
	json_t *j;

	translate(t);
	why = check_way(t);
	if (t->ask.to == WEIR_ZONE_SELF || t->ask.from == WEIR_ZONE_SELF)
		t->ask.app = WEIR_APP_UNKNOWN; /* it is not inspected */
	if (why == WEIR_DROP_NONE)
		j = is_asked(t) ? ask_rules(t) : accept_own();
	else
		j = verdict_json(why == WEIR_DROP_NO_ROUTE || why == WEIR_DROP_PROHIBITED ? "reject"
											  : "drop",
				 why);
	json_object_set_new(j, "file", json_string(app_conf_name(t->run)));
	json_object_set_new(j, "from", json_string(fw_zone_name(t->policy, t->ask.from)));
	if (t->ask.to != WEIR_NO_ZONE)
		json_object_set_new(j, "to", json_string(fw_zone_name(t->policy, t->ask.to)));
	json_object_set_new(j, "route", json_string(t->way.text));
	json_object_set_new(j, "leaves", fw_tuple_json(&t->leaves));
	if (t->nat_rule != WEIR_RULE_DEFAULT)
		json_object_set_new(j, "nat",
				    json_string(weir_nat_name(t->policy->nat, t->nat_rule)));
	json_object_set(j, "passed", t->passed);
	return j;
}

int fw_ctl_judge(void *ctx, const struct weir_ctl_request *rq, json_t **reply, struct weir_why *why)
{
	struct weir_run *run = ctx;
	struct trial t = {.run = run, .policy = fw_policy_now(run)};
	const char *from = NULL, *src = NULL, *dst = NULL, *proto = NULL, *application = NULL;
	struct header_words words = {NULL};
	json_int_t sport = 0, dport = 0;
	int rc = app_args(rq, why, "{s?s, s?s, s?s, s?s, s?I, s?I, s?s, s?s, s?s, s?s}", "from",
			  &from, "src", &src, "dst", &dst, "proto", &proto, "sport", &sport,
			  "dport", &dport, "app", &application, "dscp", &words.dscp, "icmp",
			  &words.icmp, "flags", &words.flags);

	if (rc == 0)
		rc = find_zone(run, t.policy, from, &t.ask.from, why);
	if (rc == 0)
		rc = read_packet(&t, proto, src, dst, sport, dport, why);
	if (rc == 0)
		rc = read_headers(&t, &words, why);
	if (rc == 0)
		rc = find_vlan(&t, from, why);
	if (rc == 0)
		rc = read_application(&t, application, why);
	if (rc < 0)
		return rc;
	t.passed = json_array();
	*reply = judge(&t);
	json_decref(t.passed);
	return 0;
}
