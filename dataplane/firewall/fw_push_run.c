/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Hot drop rules go down into the drivers, and come back when they are cold, before a reload, a
 * change of their sets or of the routes that they depend on, and at the end.
 *
 * Once a second rules are looked at. What is pushed is counted by the driver; what it had counted
 * when it comes back is added to the rule's slot (fw_slots.c), so that the sum is right at any
 * time.
 */

#include "fw_app_priv.h"
#include "fw_ctl_priv.h"
#include "fw_priv.h"
#include "fw_push_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <weir/clock.h>
#include <weir/error.h>
#include <weir/shard.h>

#include "app/app_priv.h"
#include "app/app_show_priv.h"

/* Rules that are pushed, or hot and not pushed, at most. */
#define ENTRIES_MAX 256
/* A rule is cold after so many looks below half of what makes it hot. */
#define COLD_LOOKS 3
/* After how long a rule that may not be pushed is thought about again. */
#define RETRY_NS (10 * WEIR_NS_PER_S)

/* A hot rule. */
struct entry {
	uint32_t slot;
	uint64_t pps;
	unsigned cold;	     /* looks */
	uint64_t again_ns;   /* not pushed: when it is thought about again */
	struct weir_why why; /* what is not pushed of it */
	struct fw_push_plan plan;
	struct port_flow **flows;     /* plan.n; NULL: it is not pushed */
	struct port_flow_count *told; /* plan.n: what drivers said last */
	uint64_t pkts, last_ns;	      /* their sum then, and when it had grown */
	bool out;		      /* it comes back now */
};

struct fw_push {
	struct fw *fw;
	uint64_t looked_ns;
	uint64_t *seen; /* packets of each slot by then */
	uint32_t ports; /* bits of those whose driver can */
	uint32_t used;	/* rules of drivers */
	uint32_t n;
	struct entry entry[ENTRIES_MAX];
};

static const struct weir_push_conf *conf_of(const struct fw *fw)
{
	return &app_fw_conf(fw->run->app, fw->run->conf)->firewall.push_down;
}

static struct entry *find(const struct fw *fw, uint32_t slot)
{
	struct fw_push *p = fw->push;

	for (uint32_t i = 0; p != NULL && i < p->n; i++)
		if (p->entry[i].slot == slot)
			return &p->entry[i];
	return NULL;
}

/* ---- counters ---- */

static uint64_t sum_told(const struct entry *e, uint64_t *bytes)
{
	uint64_t pkts = 0;

	*bytes = 0;
	for (uint32_t i = 0; i < e->plan.n; i++) {
		pkts += e->told[i].pkts;
		*bytes += e->told[i].bytes;
	}
	return pkts;
}

static void note(struct entry *e, uint64_t now_ns)
{
	uint64_t bytes;
	const uint64_t pkts = sum_told(e, &bytes);

	if (pkts > e->pkts)
		e->last_ns = now_ns;
	e->pkts = pkts;
}

void fw_push_sum(const struct fw *fw, uint32_t slot, uint64_t *pkts, uint64_t *bytes,
		 uint64_t *last_ns)
{
	struct entry *e = find(fw, slot);

	*pkts = *bytes = *last_ns = 0;
	if (e == NULL || e->flows == NULL)
		return;
	for (uint32_t i = 0; i < e->plan.n; i++)
		if (port_flow_read(e->flows[i], &e->told[i]) < 0)
			continue; /* what it said last stands */
	note(e, weir_run_now_ns(fw->run));
	*pkts = sum_told(e, bytes);
	*last_ns = e->last_ns;
}

/* ---- out of the drivers ---- */

static void forget(struct entry *e)
{
	fw_push_plan_free(&e->plan);
	free(e->flows);
	free(e->told);
	e->flows = NULL;
	e->told = NULL;
	e->pkts = 0;
}

/* What it had counted becomes the slot's. */
static void settle(struct fw_push *p, struct entry *e)
{
	struct fw_slot *s = &p->fw->slots[e->slot];
	uint64_t bytes;

	note(e, weir_run_now_ns(p->fw->run));
	s->pushed_pkts += sum_told(e, &bytes);
	s->pushed_bytes += bytes;
	if (e->last_ns > s->pushed_ns)
		s->pushed_ns = e->last_ns;
	p->used -= e->plan.n;
}

static void say_trouble(const struct weir_why *why)
{
	weir_log_error("firewall", "rules in drivers: %s", why->text);
}

/* All entries that are marked, in one go: each step of it may wait for the kernel. */
static void pull_marked(struct fw_push *p)
{
	struct port_flow **flows = calloc(p->used + 1u, sizeof(struct port_flow *));
	struct port_flow_count *told = calloc(p->used + 1u, sizeof(*told));
	struct weir_why why = {""};
	uint32_t n = 0, at = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		struct entry *e = &p->entry[i];

		if (!e->out || e->flows == NULL)
			continue;
		if (flows == NULL || told == NULL) { /* one by one */
			if (!port_flow_end(e->flows, e->plan.n, e->told, &why))
				say_trouble(&why);
			continue;
		}
		memcpy(&flows[n], e->flows, e->plan.n * sizeof(struct port_flow *));
		memcpy(&told[n], e->told, e->plan.n * sizeof(*told));
		n += e->plan.n;
	}
	if (n > 0 && !port_flow_end(flows, n, told, &why))
		say_trouble(&why);
	for (uint32_t i = 0; i < p->n; i++) {
		struct entry *e = &p->entry[i];

		if (!e->out || e->flows == NULL)
			continue;
		if (n > 0)
			memcpy(e->told, &told[at], e->plan.n * sizeof(*told));
		at += e->plan.n;
		settle(p, e);
		weir_log_info("firewall",
			      "rule %s: back from the driver, which dropped %" PRIu64 " packets",
			      p->fw->slots[e->slot].name, e->pkts);
		forget(e);
	}
	free(flows);
	free(told);
}

/* Take marked entries off the list. */
static void remove_marked(struct fw_push *p)
{
	uint32_t kept = 0;

	pull_marked(p);
	for (uint32_t i = 0; i < p->n; i++)
		if (!p->entry[i].out)
			p->entry[kept++] = p->entry[i];
	p->n = kept;
}

void fw_push_pull(struct fw *fw)
{
	struct fw_push *p = fw->push;

	for (uint32_t i = 0; p != NULL && i < p->n; i++)
		p->entry[i].out = true;
	if (p != NULL && p->n > 0)
		remove_marked(p);
}

static bool has_set(const struct weir_rule_addrs *a, const struct weir_set *set)
{
	for (uint32_t i = 0; i < a->n_sets; i++)
		if (a->sets[i] == set)
			return true;
	return false;
}

void fw_push_before_set(struct fw *fw, const struct weir_set *set)
{
	const struct weir_rules *rs = fw_policy_now(fw->run)->rules;
	struct fw_push *p = fw->push;

	if (p == NULL || p->n == 0)
		return;
	for (uint32_t i = 0; i < weir_rules_count(rs); i++) {
		const struct weir_rule *r = weir_rules_at(rs, i);
		struct entry *e = find(fw, r->slot);

		if (e != NULL && (has_set(&r->src, set) || has_set(&r->dst, set)))
			e->out = true;
	}
	remove_marked(p);
}

static bool is_same_plan(const struct fw_push_plan *a, const struct fw_push_plan *b)
{
	bool same = a->n == b->n;

	for (uint32_t i = 0; same && i < a->n; i++)
		same = fw_push_is_same(&a->matches[i], &b->matches[i]);
	return same;
}

void fw_push_before_routes(struct fw *fw, const struct weir_l3 *fresh)
{
	struct fw_push *p = fw == NULL ? NULL : fw->push;
	struct weir_why why;

	if (p == NULL || p->n == 0)
		return;
	for (uint32_t i = 0; i < p->n; i++) {
		struct entry *e = &p->entry[i];
		const struct fw_push_ground g = {fw_policy_now(fw->run), fresh, p->ports,
						 fw->sizes.stateless};
		struct fw_push_plan plan;

		if (e->flows == NULL)
			continue;
		e->out = fw_push_plan(&g, e->slot, e->plan.n, &plan, &why) < 0 ||
			 !is_same_plan(&plan, &e->plan);
		fw_push_plan_free(&plan);
	}
	remove_marked(p);
}

/* ---- into the drivers ---- */

/* Whether a flow that workers know would be hit. */
static int check_flows(struct weir_run *run, const struct fw_push_plan *plan, struct weir_why *why)
{
	struct weir_flow_view view;
	int rc = 0;

	for (uint16_t w = 0; rc == 0 && w < weir_system_workers(run->system); w++) {
		struct weir_flow_ask ask = {.filter = {.match = fw_push_touches, .match_ctx = plan},
					    .views = &view,
					    .room = 1,
					    .limit = 1};

		rc = fw_ask_worker(run, w, &ask, why);
		if (rc == 0 && ask.matched > 0)
			rc = weir_why(why, -EPERM,
				      "it matches packets of a flow that began before");
	}
	return rc;
}

static int push_all(struct fw_push *p, struct entry *e, struct weir_why *why)
{
	struct fw_push_plan *plan = &e->plan;
	struct weir_why end = {""};
	uint32_t n = 0;
	int rc = 0;

	e->flows = calloc(plan->n, sizeof(struct port_flow *));
	e->told = calloc(plan->n, sizeof(*e->told));
	if (e->flows == NULL || e->told == NULL) {
		plan->n = 0;
		return weir_why(why, -ENOMEM, "out of memory");
	}
	for (; n < plan->n; n++) {
		rc = port_flow_drop(weir_system_port(p->fw->run->system, plan->matches[n].port),
				    &plan->matches[n].what, &e->flows[n], why);
		if (rc < 0)
			break;
	}
	p->used += n;
	if (rc == 0)
		return 0;
	plan->n = n; /* those that are to be taken back */
	if (n > 0 && !port_flow_end(e->flows, n, e->told, &end))
		say_trouble(&end);
	return rc;
}

static void say_result(const struct fw_push *p, const struct entry *e, bool pushed)
{
	const char *name = p->fw->slots[e->slot].name;

	if (pushed)
		weir_log_info("firewall",
			      "rule %s: %" PRIu64 " packets/s, dropped by the driver from "
			      "now on (%u of its rules)%s%s",
			      name, e->pps, e->plan.n,
			      e->why.text[0] == 0 ? "" : ", in part: ", e->why.text);
	else
		weir_log_info("firewall",
			      "rule %s: %" PRIu64 " packets/s, not left to the driver: %s", name,
			      e->pps, e->why.text);
}

static void try_push(struct fw_push *p, struct entry *e, uint64_t now_ns)
{
	struct weir_run *run = p->fw->run;
	const struct weir_push_conf *conf = conf_of(p->fw);
	const struct fw_push_ground g = {fw_policy_now(run),
					 weir_gens_current(weir_system_gens(run->system))->l3,
					 p->ports, p->fw->sizes.stateless};
	const uint32_t room = conf->rules > p->used ? (uint32_t)conf->rules - p->used : 0;
	const struct weir_why before = e->why;
	int rc;

	if (now_ns < e->again_ns)
		return;
	e->why.text[0] = 0;
	rc = fw_push_plan(&g, e->slot, room, &e->plan, &e->why);
	if (rc == 0 && !g.stateless)
		rc = check_flows(run, &e->plan, &e->why);
	if (rc == 0)
		rc = push_all(p, e, &e->why);
	if (rc < 0) {
		if (e->flows != NULL)
			settle(p, e);
		forget(e);
		e->again_ns = now_ns + RETRY_NS;
	}
	if (rc == 0 || strcmp(before.text, e->why.text) != 0)
		say_result(p, e, rc == 0);
}

/* A rule's packets in the second before. */
static void look_at(struct fw_push *p, uint32_t slot, uint64_t pps, uint64_t now_ns)
{
	const uint64_t above = conf_of(p->fw)->above;
	struct entry *e = find(p->fw, slot);

	if (e == NULL && (pps < above || p->n == ENTRIES_MAX))
		return;
	if (e == NULL) {
		e = &p->entry[p->n++];
		*e = (struct entry){.slot = slot};
	}
	e->pps = pps;
	e->cold = pps < above / 2 ? e->cold + 1 : 0;
	e->out = e->cold >= COLD_LOOKS;
	if (e->flows == NULL && pps >= above)
		try_push(p, e, now_ns);
}

static void look(struct fw_push *p, uint64_t now_ns)
{
	const struct weir_rules *rs = fw_policy_now(p->fw->run)->rules;
	const uint64_t passed_ns = now_ns - p->looked_ns;
	const bool first = p->looked_ns == 0;
	uint32_t last = 0;

	p->looked_ns = now_ns;
	for (uint32_t i = 0; i < weir_rules_count(rs); i++) {
		const struct weir_rule *r = weir_rules_at(rs, i);
		uint64_t pkts, bytes, last_ns, more;

		if (r->action != WEIR_ACTION_DROP || r->slot == last)
			continue;
		last = r->slot;
		fw_slot_sum(p->fw, last, &pkts, &bytes, &last_ns);
		more = pkts > p->seen[last] ? pkts - p->seen[last] : 0;
		p->seen[last] = pkts;
		if (!first)
			look_at(p, last, more * WEIR_NS_PER_S / passed_ns, now_ns);
	}
	remove_marked(p);
}

/* Which ports can, asked once; those that cannot are told once. */
static uint32_t find_ports(struct weir_system *s)
{
	uint32_t ports = 0;

	for (uint16_t i = 0; i < weir_system_ports(s); i++) {
		struct weir_why why = {""};

		if (port_flow_can(weir_system_port(s, i), &why) == 0)
			ports |= UINT32_C(1) << i;
		else
			weir_log_info("firewall", "push_down: %s", why.text);
	}
	return ports;
}

static struct fw_push *create(struct fw *fw)
{
	struct fw_push *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->seen = calloc(WEIR_RULE_SLOTS_MAX, sizeof(*p->seen));
	if (p->seen == NULL) {
		free(p);
		return NULL;
	}
	p->fw = fw;
	p->ports = find_ports(fw->run->system);
	return p;
}

static void tick(void *ctx)
{
	struct fw *fw = ctx;
	const uint64_t now_ns = weir_run_now_ns(fw->run);

	if (conf_of(fw)->at.line == 0)
		return;
	if (fw->push == NULL)
		fw->push = create(fw); /* else again in a moment */
	if (fw->push != NULL && now_ns - fw->push->looked_ns >= WEIR_NS_PER_S)
		look(fw->push, now_ns);
}

int fw_push_start(struct fw *fw, struct weir_why *why)
{
	const int rc = app_loop_add(fw->run->loop, -1, tick, fw);

	return rc < 0 ? weir_why(why, rc, "push_down: %s", weir_error_text(rc)) : 0;
}

void fw_push_stop(struct fw *fw)
{
	if (fw == NULL || fw->push == NULL)
		return;
	fw_push_pull(fw);
	free(fw->push->seen);
	free(fw->push);
	fw->push = NULL;
}

/* ---- what is told ---- */

uint32_t fw_push_rules(const struct fw *fw, uint32_t slot)
{
	const struct entry *e = find(fw, slot);

	return e == NULL || e->flows == NULL ? 0 : e->plan.n;
}

uint32_t fw_push_used(const struct fw *fw)
{
	return fw->push == NULL ? 0 : fw->push->used;
}

static json_t *entry_json(const struct fw *fw, const struct entry *e)
{
	const struct fw_slot *s = &fw->slots[e->slot];
	uint64_t pkts, bytes, last_ns;
	json_t *j;

	fw_push_sum(fw, e->slot, &pkts, &bytes, &last_ns);
	j = json_pack("{s:s, s:b, s:b, s:i, s:I, s:I, s:I}", "rule",
		      s->name == NULL ? "?" : s->name, "pushed", e->flows != NULL, "partly",
		      e->plan.partly, "driver_rules", (int)e->plan.n, "pps", (json_int_t)e->pps,
		      "packets", (json_int_t)(pkts + s->pushed_pkts), "bytes",
		      (json_int_t)(bytes + s->pushed_bytes));
	if (e->why.text[0] != 0)
		json_object_set_new(j, "why", json_string(e->why.text));
	return j;
}

int fw_ctl_push(void *ctx, const struct weir_ctl_request *rq, json_t **reply, struct weir_why *why)
{
	struct weir_run *run = ctx;
	const struct fw_push *p = run->fw->push;
	const int rc = app_args(rq, why, "{}");

	if (rc < 0)
		return rc;
	*reply = json_array();
	for (uint32_t i = 0; p != NULL && i < p->n; i++)
		json_array_append_new(*reply, entry_json(run->fw, &p->entry[i]));
	return 0;
}
