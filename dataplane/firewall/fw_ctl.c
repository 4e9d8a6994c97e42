/* SPDX-License-Identifier: BSD-3-Clause */

/* The firewall on the control socket: rules, flows, sets, judge. */

#include "fw_app_priv.h"
#include "fw_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weir/clock.h>
#include <weir/error.h>
#include <weir/log.h>
#include <weir/shard.h>

#include "app/app_l3_priv.h"
#include "app/app_priv.h"
#include "app/app_show_priv.h"

/* Flows in one answer, of all workers. */
#define FLOWS_MAX 100000
/* How long a worker may take to answer. */
#define PATIENCE_NS (2 * WEIR_NS_PER_S)
/* Entries of a set in one answer. */
#define ENTRIES_MAX 100000

static const struct weir_policy *policy_now(const struct weir_run *run)
{
	return app_l3_policy(run->l3);
}

static const char *zone_name(const struct weir_policy *p, uint8_t zone)
{
	return zone < p->n_zones ? p->zone[zone].name : "?";
}

static const char *action_name(enum weir_action action)
{
	static const char *const names[WEIR_ACTIONS] = {"accept", "drop", "reject", "count",
							"synproxy"};

	return names[action];
}

/* ---- rules ---- */

static json_t *rule_json(const struct fw *fw, const char *name, const char *action, uint32_t slot,
			 uint32_t line)
{
	const uint64_t now_ns = weir_run_now_ns(fw->run);
	uint64_t pkts, bytes, last_ns;
	json_t *j;

	fw_slot_sum(fw, slot, &pkts, &bytes, &last_ns);
	j = json_pack("{s:s, s:s, s:i, s:I, s:I}", "name", name, "action", action, "line",
		      (int)line, "packets", (json_int_t)pkts, "bytes", (json_int_t)bytes);
	if (last_ns != 0 && last_ns <= now_ns)
		json_object_set_new(j, "idle_s", json_real((double)(now_ns - last_ns) / 1e9));
	return j;
}

static int cmd_rules(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		     struct weir_why *why)
{
	struct weir_run *run = ctx;
	const struct weir_rules *rules = policy_now(run)->rules;
	uint32_t slot = 0;
	const int rc = app_args(rq, why, "{}");

	if (rc < 0)
		return rc;
	*reply = json_array();
	for (uint32_t i = 0; i < weir_rules_count(rules); i++) {
		const struct weir_rule *r = weir_rules_at(rules, i);

		if (r->slot == slot)
			continue; /* another protocol of the same rule */
		slot = r->slot;
		json_array_append_new(*reply, rule_json(run->fw, r->name, action_name(r->action),
							r->slot, r->line));
	}
	json_array_append_new(*reply, rule_json(run->fw, "default",
						action_name(weir_rules_default(rules)), 0, 0));
	return 0;
}

/* ---- flows ---- */

static const char *addr_text(const uint8_t *bytes, uint8_t family, char text[WEIR_ADDR_TEXT])
{
	struct weir_addr a = {.family = family};

	memcpy(a.bytes, bytes, family == 4 ? 4 : 16);
	return weir_addr_format(&a, text);
}

static json_t *tuple_json(const struct weir_tuple *t)
{
	char src[WEIR_ADDR_TEXT], dst[WEIR_ADDR_TEXT];

	return json_pack("{s:s, s:i, s:s, s:i}", "src", addr_text(t->src, t->family, src), "sport",
			 ntohs(t->sport), "dst", addr_text(t->dst, t->family, dst), "dport",
			 ntohs(t->dport));
}

static const char *rule_name(const struct fw *fw, uint32_t slot)
{
	if (slot == 0 || slot >= fw->n_slots || fw->slots[slot].name == NULL)
		return "default";
	return fw->slots[slot].name;
}

static json_t *flow_json(const struct weir_run *run, const struct weir_flow_view *v,
			 uint16_t worker)
{
	const struct weir_policy *p = policy_now(run);
	const struct weir_flow *f = &v->flow;
	json_t *j = json_pack(
		"{s:i, s:i, s:o, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "worker",
		worker, "proto", f->proto, "orig", tuple_json(&v->orig), "state",
		f->proto == IPPROTO_TCP ? weir_tcp_state_name(f->tcp_state)
					: weir_flow_class_name(f->cls),
		"from", zone_name(p, f->zone[0]), "to", zone_name(p, f->zone[1]), "rule",
		rule_name(run->fw, f->rule), "packets", (json_int_t)f->pkts[0], "bytes",
		(json_int_t)f->bytes[0], "reply_packets", (json_int_t)f->pkts[1], "reply_bytes",
		(json_int_t)f->bytes[1], "idle_s", v->idle_ms / 1e3, "age_s", v->age_ms / 1e3,
		"left_s", v->left_ms / 1e3);

	if (f->flags & (WEIR_FLOW_SNAT | WEIR_FLOW_DNAT))
		json_object_set_new(j, "leaves", tuple_json(&v->to));
	if (f->mark != 0)
		json_object_set_new(j, "mark", json_integer(f->mark));
	return j;
}

/* Ask one worker, and wait until it has looked through its table. */
static int ask_worker(struct weir_run *run, uint16_t worker, struct weir_flow_ask *ask,
		      struct weir_why *why)
{
	struct weir_engine *e = weir_system_engine(run->system, worker);
	const uint64_t until_ns = weir_run_now_ns(run) + PATIENCE_NS;
	const struct timespec ms = {.tv_nsec = 1000000};

	weir_flow_ask_post(weir_engine_shard(e)->tracker->flows, ask);
	while (!weir_flow_ask_done(ask)) {
		weir_engine_kick(e);
		nanosleep(&ms, NULL);
		if (weir_run_now_ns(run) > until_ns) {
			weir_flow_ask_post(weir_engine_shard(e)->tracker->flows, NULL);
			weir_gens_synchronize(weir_system_gens(run->system));
			return weir_why(why, -ETIMEDOUT, "worker %u does not answer", worker);
		}
	}
	return 0;
}

static int parse_filter(const char *addr, const char *proto, json_int_t port,
			struct weir_flow_filter *out, struct weir_why *why)
{
	const struct fw_build nowhere = {.file = "flows"};
	struct weir_prefix p;

	*out = (struct weir_flow_filter){.family = 0};
	if (port < 0 || port > UINT16_MAX)
		return weir_why(why, -ERANGE, "flows: port must be 0 to 65535");
	out->port = htons((uint16_t)port);
	if (proto != NULL && fw_proto(&nowhere, 0, proto, &out->proto, why) < 0)
		return -EINVAL;
	if (addr == NULL)
		return 0;
	if (weir_prefix_parse(addr, strlen(addr), &p) < 0) {
		if (weir_addr_parse(addr, strlen(addr), &p.addr) < 0)
			return weir_why(why, -EINVAL,
					"flows: addr is \"%s\", must be an address or a prefix",
					addr);
		p.length = p.addr.family == 4 ? 32 : 128;
	}
	out->family = p.addr.family;
	out->addr_bits = p.length;
	memcpy(out->addr, p.addr.bytes, sizeof(out->addr));
	return 0;
}

static int list_or_kill(struct weir_run *run, struct weir_flow_ask *ask, json_t *list,
			uint32_t *matched, struct weir_why *why)
{
	const struct weir_flow_ask asked = *ask;

	*matched = 0;
	for (uint16_t w = 0; w < weir_system_workers(run->system); w++) {
		int rc;

		*ask = asked;
		ask->limit = asked.limit - *matched;
		ask->room = ask->limit;
		if (ask->limit == 0)
			break;
		rc = ask_worker(run, w, ask, why);
		if (rc < 0)
			return rc;
		for (uint32_t i = 0; list != NULL && i < ask->matched; i++)
			json_array_append_new(list, flow_json(run, &ask->views[i], w));
		*matched += ask->matched;
	}
	return 0;
}

static int cmd_flows(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		     struct weir_why *why)
{
	struct weir_run *run = ctx;
	const char *addr = NULL, *proto = NULL;
	json_int_t port = 0, limit = 1000;
	struct weir_flow_ask ask = {.done = false};
	uint32_t matched;
	int rc = app_args(rq, why, "{s?s, s?s, s?I, s?I}", "addr", &addr, "proto", &proto, "port",
			  &port, "limit", &limit);

	if (rc == 0 && (limit < 1 || limit > FLOWS_MAX))
		rc = weir_why(why, -ERANGE, "flows: limit must be 1 to %d", FLOWS_MAX);
	if (rc == 0)
		rc = parse_filter(addr, proto, port, &ask.filter, why);
	if (rc < 0)
		return rc;
	ask.limit = (uint32_t)limit;
	ask.views = calloc((size_t)limit, sizeof(*ask.views));
	*reply = json_array();
	rc = ask.views == NULL || *reply == NULL ? weir_why(why, -ENOMEM, "flows: out of memory")
						 : list_or_kill(run, &ask, *reply, &matched, why);
	free(ask.views);
	if (rc < 0)
		json_decref(*reply);
	return rc;
}

static int cmd_flows_kill(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
			  struct weir_why *why)
{
	struct weir_run *run = ctx;
	const char *addr = NULL, *proto = NULL;
	json_int_t port = 0;
	int all = 0;
	struct weir_flow_ask ask = {.kill = true, .limit = UINT32_MAX};
	uint32_t matched;
	int rc = app_args(rq, why, "{s?s, s?s, s?I, s?b}", "addr", &addr, "proto", &proto, "port",
			  &port, "all", &all);

	if (rc == 0 && addr == NULL && proto == NULL && port == 0 && !all)
		rc = weir_why(why, -EINVAL, "flows kill: say which: addr, proto, port, or all");
	if (rc == 0)
		rc = parse_filter(addr, proto, port, &ask.filter, why);
	if (rc == 0)
		rc = list_or_kill(run, &ask, NULL, &matched, why);
	if (rc < 0)
		return rc;
	*reply = json_pack("{s:I}", "killed", (json_int_t)matched);
	return 0;
}

/* ---- sets ---- */

static int find_set(struct weir_run *run, const char *name, struct weir_set **out,
		    struct weir_why *why)
{
	size_t n;
	struct fw_set *const *sets = fw_sets(run->fw, &n);
	struct fw_set *s = name == NULL ? NULL : fw_set_find(sets, n, name);

	if (s == NULL)
		return weir_why(why, -ENOENT, "set: there is no set \"%s\"",
				name == NULL ? "" : name);
	*out = s->set;
	return 0;
}

static uint32_t now_s(const struct weir_run *run)
{
	return (uint32_t)(weir_run_now_ns(run) / WEIR_NS_PER_S);
}

static int cmd_sets(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		    struct weir_why *why)
{
	struct weir_run *run = ctx;
	size_t n;
	struct fw_set *const *sets = fw_sets(run->fw, &n);
	const int rc = app_args(rq, why, "{}");

	if (rc < 0)
		return rc;
	*reply = json_array();
	for (size_t i = 0; i < n; i++) {
		struct weir_set_stats st;

		weir_set_expire(sets[i]->set, now_s(run));
		weir_set_stats(sets[i]->set, &st);
		json_array_append_new(*reply, json_pack("{s:s, s:i, s:i, s:I}", "name",
							weir_set_name(sets[i]->set), "entries",
							(int)st.entries, "max", (int)st.max,
							"bytes", (json_int_t)st.bytes));
	}
	return 0;
}

struct entry_list {
	json_t *out;
	uint32_t now_s;
	unsigned left;
};

static int list_entry(void *ctx, const struct weir_prefix *prefix, uint32_t until_s)
{
	struct entry_list *list = ctx;
	char text[WEIR_PREFIX_TEXT];
	json_t *j;

	if (list->left-- == 0)
		return 1;
	j = json_pack("{s:s}", "prefix", weir_prefix_format(prefix, text));
	if (until_s != WEIR_SET_FOREVER)
		json_object_set_new(
			j, "left_s",
			json_integer(until_s > list->now_s ? until_s - list->now_s : 0));
	return json_array_append_new(list->out, j);
}

static int cmd_set_list(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
			struct weir_why *why)
{
	struct weir_run *run = ctx;
	struct entry_list list = {.now_s = now_s(run), .left = ENTRIES_MAX};
	struct weir_set *set;
	const char *name = NULL;
	int rc = app_args(rq, why, "{s?s}", "name", &name);

	if (rc == 0)
		rc = find_set(run, name, &set, why);
	if (rc < 0)
		return rc;
	list.out = json_array();
	*reply = list.out;
	return weir_set_each(set, list_entry, &list) < 0
		       ? weir_why(why, -ENOMEM, "set list: out of memory")
		       : 0;
}

/* The prefix of an entry, in whichever form; or a sentence. */
static int parse_entry(json_t *j, struct weir_prefix *out, struct weir_why *why)
{
	const char *text = json_string_value(j);

	if (text != NULL && weir_prefix_parse(text, strlen(text), out) == 0)
		return 0;
	if (text != NULL && weir_addr_parse(text, strlen(text), &out->addr) == 0) {
		out->length = out->addr.family == 4 ? 32 : 128;
		return 0;
	}
	return weir_why(why, -EINVAL, "set: \"%s\" is no address and no prefix",
			text == NULL ? "" : text);
}

/* Whether all can be done is known before the first is. */
static int check_entries(json_t *entries, struct weir_why *why)
{
	struct weir_prefix p;
	json_t *j;
	size_t i;

	if (!json_is_array(entries) || json_array_size(entries) == 0)
		return weir_why(why, -EINVAL, "set: entries must be a list of prefixes");
	json_array_foreach (entries, i, j) {
		const int rc = parse_entry(j, &p, why);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int change(struct weir_run *run, const struct weir_ctl_request *rq, bool add, json_t **reply,
		  struct weir_why *why)
{
	const char *name = NULL;
	json_t *entries = NULL, *j;
	json_int_t timeout_s = 0;
	struct weir_set *set;
	unsigned done = 0;
	size_t i;
	int rc = app_args(rq, why, "{s?s, s?o, s?I}", "name", &name, "entries", &entries,
			  "timeout_s", &timeout_s);

	if (rc == 0 && (timeout_s < 0 || timeout_s > 365 * 86400))
		rc = weir_why(why, -ERANGE, "set: timeout must be 0 to 365 days");
	if (rc == 0)
		rc = find_set(run, name, &set, why);
	if (rc == 0)
		rc = check_entries(entries, why);
	if (rc < 0)
		return rc;
	json_array_foreach (entries, i, j) {
		struct weir_prefix p;

		rc = parse_entry(j, &p, why);
		if (rc == 0)
			rc = add ? weir_set_add(set, &p,
						timeout_s == 0 ? WEIR_SET_FOREVER
							       : now_s(run) + (uint32_t)timeout_s)
				 : weir_set_del(set, &p);
		if (rc == -ENOSPC)
			return weir_why(why, rc, "set %s is full: %u of %zu were added", name, done,
					json_array_size(entries));
		done += rc == 0;
	}
	*reply = json_pack("{s:i}", add ? "added" : "deleted", (int)done);
	return 0;
}

static int cmd_set_add(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		       struct weir_why *why)
{
	return change(ctx, rq, true, reply, why);
}

static int cmd_set_del(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		       struct weir_why *why)
{
	return change(ctx, rq, false, reply, why);
}

static int cmd_set_flush(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
			 struct weir_why *why)
{
	struct weir_set *set;
	const char *name = NULL;
	int rc = app_args(rq, why, "{s?s}", "name", &name);

	if (rc == 0)
		rc = find_set(ctx, name, &set, why);
	if (rc < 0)
		return rc;
	weir_set_flush(set);
	*reply = json_object();
	return 0;
}

/* ---- judge ---- */

struct reasons {
	const struct weir_rules *rules;
	json_t *out;
	unsigned left;
};

static void note_reason(void *ctx, uint32_t rule, const char *what)
{
	struct reasons *r = ctx;

	if (r->left == 0)
		return;
	r->left--;
	json_array_append_new(r->out, json_pack("{s:s, s:s}", "rule",
						weir_rules_at(r->rules, rule)->name, "not", what));
}

static int find_zone(const struct weir_policy *p, const char *name, uint8_t *out,
		     struct weir_why *why)
{
	for (unsigned z = 0; name != NULL && z < p->n_zones; z++) {
		if (strcmp(p->zone[z].name, name) == 0) {
			*out = (uint8_t)z;
			return 0;
		}
	}
	return weir_why(why, -EINVAL, "explain: \"%s\" is no zone and no interface",
			name == NULL ? "" : name);
}

/* Where a packet for an address goes. */
static uint8_t zone_to(const struct weir_run *run, const struct weir_addr *to,
		       struct weir_rib_answer *a)
{
	const struct weir_hop *hop = &a->hop;

	weir_rib_explain(app_l3_rib(run->l3), to, a);
	if (hop->kind == WEIR_HOP_GROUP)
		hop = &a->member[0];
	if (hop->kind != WEIR_HOP_LINK && hop->kind != WEIR_HOP_GATEWAY)
		return WEIR_ZONE_SELF;
	return hop->iface < WEIR_IFACES_MAX ? policy_now(run)->zone_of[hop->iface] : WEIR_NO_ZONE;
}

static int fill_tuple(const char *src, const char *dst, const char *proto, json_int_t sport,
		      json_int_t dport, struct weir_tuple *t, struct weir_why *why)
{
	const struct fw_build nowhere = {.file = "explain"};
	struct weir_addr a, b;

	if (src == NULL || dst == NULL || weir_addr_parse(src, strlen(src), &a) < 0 ||
	    weir_addr_parse(dst, strlen(dst), &b) < 0 || a.family != b.family)
		return weir_why(why, -EINVAL,
				"explain: src and dst must be addresses of the same family");
	if (sport < 0 || sport > UINT16_MAX || dport < 0 || dport > UINT16_MAX)
		return weir_why(why, -ERANGE, "explain: ports must be 0 to 65535");
	*t = (struct weir_tuple){.family = a.family,
				 .sport = htons((uint16_t)sport),
				 .dport = htons((uint16_t)dport)};
	memcpy(t->src, a.bytes, sizeof(t->src));
	memcpy(t->dst, b.bytes, sizeof(t->dst));
	return fw_proto(&nowhere, 0, proto == NULL ? "tcp" : proto, &t->proto, why);
}

static json_t *verdict_json(const struct weir_run *run, const struct weir_rule_ask *ask,
			    const struct weir_rib_answer *a, const struct weir_tuple *to,
			    uint32_t nat_rule)
{
	const struct weir_policy *p = policy_now(run);
	struct reasons r = {.rules = p->rules, .out = json_array(), .left = 100};
	const uint32_t rule = weir_rules_explain(p->rules, ask, now_s(run), note_reason, &r);
	const bool by_default = rule == WEIR_RULE_DEFAULT;
	json_t *j =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "from", zone_name(p, ask->from),
			  "to", zone_name(p, ask->to), "route", a->text, "rule",
			  by_default ? "default" : weir_rules_at(p->rules, rule)->name, "action",
			  action_name(by_default ? weir_rules_default(p->rules)
						 : weir_rules_at(p->rules, rule)->action),
			  "leaves", tuple_json(to), "passed", r.out);

	if (!by_default)
		json_object_set_new(j, "line", json_integer(weir_rules_at(p->rules, rule)->line));
	if (nat_rule != WEIR_RULE_DEFAULT)
		json_object_set_new(j, "nat", json_string(weir_nat_name(p->nat, nat_rule)));
	return j;
}

static int cmd_judge(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		     struct weir_why *why)
{
	struct weir_run *run = ctx;
	const struct weir_policy *p = policy_now(run);
	const char *from = NULL, *src = NULL, *dst = NULL, *proto = NULL;
	json_int_t sport = 0, dport = 0;
	uint32_t nat_rule = WEIR_RULE_DEFAULT;
	struct weir_rule_ask ask = {.tcp_flags = 2 /* SYN */};
	struct weir_rib_answer a;
	struct weir_nat_asker nobody = {.now_s = now_s(run)};
	struct weir_tuple to;
	struct weir_addr dest;
	int rc = app_args(rq, why, "{s?s, s?s, s?s, s?s, s?I, s?I}", "from", &from, "src", &src,
			  "dst", &dst, "proto", &proto, "sport", &sport, "dport", &dport);

	if (rc == 0)
		rc = find_zone(p, from, &ask.from, why);
	if (rc == 0)
		rc = fill_tuple(src, dst, proto, sport, dport, &ask.tuple, why);
	if (rc < 0)
		return rc;
	ask.icmp_type = ask.tuple.family == 4 ? 8 : 128; /* echo requests */
	to = ask.tuple;
	if (p->nat != NULL && weir_nat_destination(p->nat, &nobody, ask.from, &to, &nat_rule) &&
	    to.family == ask.tuple.family) {
		memcpy(ask.tuple.dst, to.dst, sizeof(to.dst));
		ask.tuple.dport = to.dport;
	}
	dest = (struct weir_addr){.family = to.family};
	memcpy(dest.bytes, to.dst, to.family == 4 ? 4 : 16);
	ask.to = zone_to(run, &dest, &a);
	*reply = verdict_json(run, &ask, &a, &to, nat_rule);
	return 0;
}

int fw_register(struct weir_run *run)
{
	static const struct {
		const char *name, *help;
		int (*run)(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
			   struct weir_why *why);
		unsigned flags;
	} commands[] = {
		{"rules", "Rules and what they have counted", cmd_rules, 0},
		{"flows", "Flows of all workers: addr, proto, port, limit", cmd_flows, 0},
		{"flows_kill", "End flows: addr, proto, port, all", cmd_flows_kill,
		 WEIR_CTL_CHANGES_STATE},
		{"sets", "Sets of addresses, and how full they are", cmd_sets, 0},
		{"set_list", "Entries of a set: name", cmd_set_list, 0},
		{"set_add", "Add to a set: name, entries, timeout_s", cmd_set_add,
		 WEIR_CTL_CHANGES_STATE},
		{"set_del", "Take out of a set: name, entries", cmd_set_del,
		 WEIR_CTL_CHANGES_STATE},
		{"set_flush", "Empty a set: name", cmd_set_flush, WEIR_CTL_CHANGES_STATE},
		{"judge", "What would become of a packet: from, src, dst, proto, sport, dport",
		 cmd_judge, 0},
	};
	int rc = 0;

	if (run->ctl == NULL)
		return 0;
	for (size_t i = 0; rc == 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
		rc = weir_ctl_register(run->ctl, commands[i].name, commands[i].help,
				       commands[i].run, run, commands[i].flags);
	return rc;
}
