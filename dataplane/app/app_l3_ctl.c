/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Layer 3 on the control socket: routes, neighbours, explain; and static neighbours to workers.
 */

#include "app_l3_priv.h"
#include "app_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/error.h>
#include <weir/neigh.h>

#include "app_show_priv.h"

/* Routes in one answer; a full table is asked for in parts. */
#define ROUTES_MAX 100000

static const char *iface_name(const struct app_l3 *l3, uint16_t iface)
{
	const struct weir_gen *gen = weir_gens_current(weir_system_gens(l3->run->system));

	return iface < gen->l3->n_ifaces ? gen->l3->ifaces[iface].name : NULL;
}

/* ---- routes ---- */

struct route_list {
	const struct app_l3 *l3;
	json_t *out;
	size_t skip, limit;
};

static json_t *hop_json(const struct app_l3 *l3, const struct weir_nexthop *hop)
{
	char text[WEIR_ADDR_TEXT];
	json_t *j = json_object();

	if (hop->gateway.family != 0)
		json_object_set_new(j, "via", json_string(weir_addr_format(&hop->gateway, text)));
	if (hop->iface != WEIR_NO_IFACE && iface_name(l3, hop->iface) != NULL)
		json_object_set_new(j, "dev", json_string(iface_name(l3, hop->iface)));
	return j;
}

static int list_route(void *ctx, const struct weir_route_view *view)
{
	const struct weir_route *r = &view->route;
	struct route_list *list = ctx;
	char text[WEIR_PREFIX_TEXT];
	json_t *hops;

	if (list->skip > 0) {
		list->skip--;
		return 0;
	}
	if (list->limit-- == 0)
		return 1;
	hops = json_array();
	for (uint16_t i = 0; i < r->n_hops; i++)
		json_array_append_new(hops, hop_json(list->l3, &r->hops[i]));
	return json_array_append_new(list->out, json_pack("{s:s, s:s, s:s, s:I, s:b, s:o}", "to",
							  weir_prefix_format(&r->to, text), "kind",
							  weir_hop_kind_name(r->kind), "source",
							  weir_route_source_name(r->source),
							  "metric", (json_int_t)r->metric, "active",
							  view->active, "hops", hops));
}

static int cmd_routes(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		      struct weir_why *why)
{
	struct weir_run *run = ctx;
	struct route_list list = {.l3 = run->l3};
	json_int_t skip = 0, limit = ROUTES_MAX;
	int rc = app_args(rq, why, "{s?I, s?I}", "skip", &skip, "limit", &limit);

	if (rc < 0)
		return rc;
	if (skip < 0 || limit < 1 || limit > ROUTES_MAX)
		return weir_why(why, -ERANGE, "routes: skip must be 0 or more, limit 1 to %d",
				ROUTES_MAX);
	list.skip = (size_t)skip;
	list.limit = (size_t)limit;
	list.out = json_array();
	rc = weir_rib_each(run->l3->rib, list_route, &list);
	if (rc < 0) {
		json_decref(list.out);
		return weir_why(why, rc, "routes: out of memory");
	}
	*reply = list.out;
	return 0;
}

/* ---- neighbours ---- */

struct neigh_list {
	const struct app_l3 *l3;
	json_t *out;
	uint16_t worker;
};

static void list_neigh(void *ctx, const struct weir_neigh_info *n)
{
	const struct neigh_list *list = ctx;
	const uint64_t now_ns = weir_run_now_ns(list->l3->run);
	const char *dev = iface_name(list->l3, n->iface);
	char addr[WEIR_ADDR_TEXT], mac[WEIR_MAC_TEXT];

	json_array_append_new(
		list->out,
		json_pack("{s:i, s:s, s:s, s:s, s:s, s:f}", "worker", list->worker, "dev",
			  dev == NULL ? "?" : dev, "address", weir_addr_format(&n->addr, addr),
			  "mac", weir_mac_format(&n->mac, mac), "state",
			  weir_neigh_state_name((enum weir_neigh_state)n->state), "age_s",
			  now_ns > n->since_ns ? (double)(now_ns - n->since_ns) / 1e9 : 0.0));
}

static int cmd_neighbours(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
			  struct weir_why *why)
{
	struct weir_run *run = ctx;
	struct neigh_list list = {.l3 = run->l3};
	const int rc = app_args(rq, why, "{}");

	if (rc < 0)
		return rc;
	list.out = json_array();
	for (; list.worker < weir_system_workers(run->system); list.worker++) {
		struct weir_engine *e = weir_system_engine(run->system, list.worker);

		weir_neigh_each(weir_engine_shard(e)->neigh, list_neigh, &list);
	}
	*reply = list.out;
	return 0;
}

/* ---- explain ---- */

static json_t *answer_hop(const struct app_l3 *l3, const struct weir_hop *hop)
{
	const struct weir_nexthop n = {.gateway = hop->gateway, .iface = hop->iface};
	json_t *j = hop_json(l3, &n);

	json_object_set_new(j, "kind",
			    json_string(weir_hop_kind_name((enum weir_hop_kind)hop->kind)));
	json_object_set_new(j, "mtu", json_integer(hop->mtu));
	return j;
}

static int cmd_explain(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		       struct weir_why *why)
{
	struct weir_run *run = ctx;
	struct weir_rib_answer a;
	struct weir_addr to;
	const char *dst = NULL;
	char text[WEIR_PREFIX_TEXT];
	json_t *hops;
	int rc = app_args(rq, why, "{s?s}", "dst", &dst);

	if (rc < 0)
		return rc;
	if (dst == NULL || weir_addr_parse(dst, strlen(dst), &to) < 0)
		return weir_why(why, -EINVAL, "explain: dst is \"%s\", must be an IP address",
				dst == NULL ? "" : dst);
	weir_rib_explain(run->l3->rib, &to, &a);
	hops = json_array();
	if (a.hop.kind == WEIR_HOP_GROUP)
		for (unsigned i = 0; i < a.hop.group_n; i++)
			json_array_append_new(hops, answer_hop(run->l3, &a.member[i]));
	else if (a.hop.kind != WEIR_HOP_NONE)
		json_array_append_new(hops, answer_hop(run->l3, &a.hop));
	*reply = json_pack("{s:s, s:s, s:s, s:s, s:o}", "dst", dst, "prefix",
			   weir_prefix_format(&a.prefix, text), "verdict",
			   weir_hop_kind_name((enum weir_hop_kind)a.hop.kind), "text", a.text,
			   "hops", hops);
	return 0;
}

int app_l3_register(struct weir_run *run)
{
	int rc;

	if (run->ctl == NULL)
		return 0;
	rc = weir_ctl_register(run->ctl, "routes", "Routes, best first: skip, limit", cmd_routes,
			       run, 0);
	if (rc == 0)
		rc = weir_ctl_register(run->ctl, "neighbours",
				       "What each worker knows of neighbours", cmd_neighbours, run,
				       0);
	if (rc == 0)
		rc = weir_ctl_register(run->ctl, "addresses", "Our addresses and their states",
				       app_autoconf_addresses, run, 0);
	if (rc == 0)
		rc = weir_ctl_register(run->ctl, "explain", "Where packets for an address go: dst",
				       cmd_explain, run, 0);
	return rc;
}

/* ---- static neighbours ---- */

/* One that a worker's inbox had no room for yet. */
struct pending {
	struct pending *next;
	uint16_t worker, iface;
	struct weir_addr addr;
	struct weir_mac mac;
	bool forget, permanent;
};

static int tell(struct app_l3 *l3, const struct pending *p)
{
	struct weir_engine *e = weir_system_engine(l3->run->system, p->worker);
	const int rc = weir_neigh_set(weir_engine_shard(e)->neigh, p->iface, &p->addr,
				      p->forget ? NULL : &p->mac, p->permanent);

	if (rc == 0)
		weir_engine_kick(e);
	return rc;
}

/* Tell workers again what they had no room for. */
void app_l3_retry(struct app_l3 *l3)
{
	while (l3->pending != NULL && tell(l3, l3->pending) != -EAGAIN) {
		struct pending *p = l3->pending;

		l3->pending = p->next;
		if (l3->pending == NULL)
			l3->pending_end = NULL;
		free(p);
	}
}

void app_l3_set_neighbour(struct app_l3 *l3, uint16_t iface, const struct weir_addr *addr,
			  const struct weir_mac *mac, bool permanent)
{
	for (uint16_t w = 0; w < weir_system_workers(l3->run->system); w++) {
		struct pending p = {.worker = w,
				    .iface = iface,
				    .addr = *addr,
				    .forget = mac == NULL,
				    .permanent = permanent};
		struct pending *later;
		int rc;

		if (mac != NULL)
			p.mac = *mac;
		rc = l3->pending == NULL ? tell(l3, &p) : -EAGAIN;
		if (rc == 0)
			continue;
		later = rc == -EAGAIN ? malloc(sizeof(*later)) : NULL;
		if (later == NULL) {
			weir_log_error("neighbours", "a neighbour of %s is not set: %s",
				       iface_name(l3, iface), weir_error_text(rc));
			continue;
		}
		*later = p;
		if (l3->pending_end == NULL)
			l3->pending = later;
		else
			l3->pending_end->next = later;
		l3->pending_end = later;
	}
}

void app_l3_forget(struct app_l3 *l3)
{
	while (l3->pending != NULL) {
		struct pending *p = l3->pending;

		l3->pending = p->next;
		free(p);
	}
	l3->pending_end = NULL;
}
