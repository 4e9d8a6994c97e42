/* SPDX-License-Identifier: BSD-3-Clause */

/* The firewall on the control socket: rules and flows; which commands there are. */

#include "fw_app_priv.h"
#include "fw_ctl_priv.h"
#include "fw_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <weir/clock.h>
#include <weir/error.h>
#include <weir/log.h>
#include <weir/shard.h>

#include "app/app_l3_priv.h"
#include "app/app_priv.h"
#include "app/app_show_priv.h"

/* Flows in one answer, of all workers. */
#define FLOWS_MAX 100000

const struct weir_policy *fw_policy_now(const struct weir_run *run)
{
	return app_l3_policy(run->l3);
}

uint32_t fw_now_s(const struct weir_run *run)
{
	return (uint32_t)(weir_run_now_ns(run) / WEIR_NS_PER_S);
}

uint32_t fw_next_s(const struct weir_run *run)
{
	return fw_now_s(run) + 1;
}

const char *fw_zone_name(const struct weir_policy *p, uint8_t zone)
{
	return zone < p->n_zones ? p->zone[zone].name : "?";
}

const char *fw_action_name(enum weir_action action)
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
	if (fw_push_rules(fw, slot) > 0)
		json_object_set_new(j, "driver_rules", json_integer(fw_push_rules(fw, slot)));
	if (last_ns != 0 && last_ns <= now_ns)
		json_object_set_new(j, "idle_s", json_real((double)(now_ns - last_ns) / 1e9));
	return j;
}

static int cmd_rules(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		     struct weir_why *why)
{
	struct weir_run *run = ctx;
	const struct weir_rules *rules = fw_policy_now(run)->rules;
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
		json_array_append_new(*reply, rule_json(run->fw, r->name, fw_action_name(r->action),
							r->slot, r->line));
	}
	json_array_append_new(*reply, rule_json(run->fw, "default",
						fw_action_name(weir_rules_default(rules)), 0, 0));
	return 0;
}

/* ---- flows ---- */

json_t *fw_tuple_json(const struct weir_tuple *t)
{
	char src[WEIR_ADDR_TEXT], dst[WEIR_ADDR_TEXT];

	return json_pack("{s:s, s:i, s:s, s:i}", "src", weir_addr_text(t->src, t->family, src),
			 "sport", ntohs(t->sport), "dst", weir_addr_text(t->dst, t->family, dst),
			 "dport", ntohs(t->dport));
}

static const char *rule_name(const struct fw *fw, uint32_t slot)
{
	const char *name = fw_slot_name(fw, slot);

	return name == NULL ? "default" : name;
}

static json_t *flow_json(const struct weir_run *run, const struct weir_flow_view *v,
			 uint16_t worker)
{
	const struct weir_policy *p = fw_policy_now(run);
	const struct weir_flow *f = &v->flow;
	json_t *j = json_pack(
		"{s:i, s:i, s:o, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "worker",
		worker, "proto", f->proto, "orig", fw_tuple_json(&v->orig), "state",
		f->proto == IPPROTO_TCP ? weir_tcp_state_name(f->tcp_state)
					: weir_flow_class_name(f->cls),
		"from", fw_zone_name(p, f->zone[0]), "to", fw_zone_name(p, f->zone[1]), "rule",
		rule_name(run->fw, f->rule), "packets", (json_int_t)f->pkts[0], "bytes",
		(json_int_t)weir_flow_bytes(f, WEIR_DIR_ORIG), "reply_packets",
		(json_int_t)f->pkts[1], "reply_bytes",
		(json_int_t)weir_flow_bytes(f, WEIR_DIR_REPLY), "idle_s", v->idle_ms / 1e3, "age_s",
		v->age_ms / 1e3, "left_s", v->left_ms / 1e3);

	if (f->flags & (WEIR_FLOW_SNAT | WEIR_FLOW_DNAT))
		json_object_set_new(j, "leaves", fw_tuple_json(&v->to));
	if (f->app != 0 && fw_app_name(run->fw, f->app) != NULL)
		json_object_set_new(j, "application", json_string(fw_app_name(run->fw, f->app)));
	if (f->flags & WEIR_FLOW_INSPECT)
		json_object_set_new(j, "inspected", json_true());
	if (f->mark != 0)
		json_object_set_new(j, "mark", json_integer(f->mark));
	return j;
}

static bool is_answered(const void *ask)
{
	return weir_flow_ask_done(ask);
}

int fw_ask_worker(struct weir_run *run, uint16_t worker, struct weir_flow_ask *ask,
		  struct weir_why *why)
{
	struct weir_engine *e = weir_system_engine(run->system, worker);
	struct weir_flow_table *flows = weir_engine_shard(e)->tracker->flows;

	weir_flow_ask_post(flows, ask);
	if (weir_engine_await(e, is_answered, ask))
		return 0;
	weir_flow_ask_post(flows, NULL);
	weir_gens_synchronize(weir_system_gens(run->system));
	return weir_flow_ask_done(ask)
		       ? 0
		       : weir_why(why, -ETIMEDOUT, "worker %u does not answer", worker);
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
		rc = fw_ask_worker(run, w, ask, why);
		if (rc < 0)
			return rc;
		for (uint32_t i = 0; list != NULL && i < ask->matched; i++)
			json_array_append_new(list, flow_json(run, &ask->views[i], w));
		*matched += ask->matched;
	}
	return 0;
}

static int check_tracked(const struct weir_run *run, struct weir_why *why)
{
	if (!run->fw->sizes.stateless)
		return 0;
	return weir_why(why, -ENOTSUP, "flows: nothing is tracked (firewall.stateless)");
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

	if (rc == 0)
		rc = check_tracked(run, why);
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
	return rc; /* what *reply holds is freed by who asked, if this failed */
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

	if (rc == 0)
		rc = check_tracked(run, why);
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

int fw_register(struct weir_run *run)
{
	static const struct {
		const char *name, *help;
		weir_ctl_handler *run;
		unsigned flags;
	} commands[] = {
		{"rules", "Rules and what they have counted", cmd_rules, 0},
		{"rules_push", "Hot drop rules: in the driver, or why not", fw_ctl_push, 0},
		{"flows", "Flows of all workers: addr, proto, port, limit", cmd_flows, 0},
		{"flows_kill", "End flows: addr, proto, port, all", cmd_flows_kill,
		 WEIR_CTL_CHANGES_STATE},
		{"sets", "Sets of addresses, and how full they are", fw_ctl_sets, 0},
		{"set_list", "Entries of a set: name, skip, limit", fw_ctl_set_list, 0},
		{"set_add", "Add to a set: name, entries, timeout_s", fw_ctl_set_add,
		 WEIR_CTL_CHANGES_STATE},
		{"set_del", "Take out of a set: name, entries", fw_ctl_set_del,
		 WEIR_CTL_CHANGES_STATE},
		{"set_flush", "Empty a set: name", fw_ctl_set_flush, WEIR_CTL_CHANGES_STATE},
		{"dpi", "What payloads are inspected for, and what was found", fw_ctl_dpi, 0},
		{"judge", "What would become of a packet: from, src, dst, proto, sport, dport, app",
		 fw_ctl_judge, 0},
	};
	int rc = 0;

	if (run->ctl == NULL)
		return 0;
	for (size_t i = 0; rc == 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
		rc = weir_ctl_register(run->ctl, commands[i].name, commands[i].help,
				       commands[i].run, run, commands[i].flags);
	return rc;
}
