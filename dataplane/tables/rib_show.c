/* SPDX-License-Identifier: BSD-3-Clause */

/* What the routing table tells people: one address explained, all routes, how full it is. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

const char *weir_route_source_name(enum weir_route_source source)
{
	static const char *const name[WEIR_ROUTE_SOURCES] = {"connected", "static", "kernel", "ra"};

	return source < WEIR_ROUTE_SOURCES ? name[source] : "unknown";
}

const char *weir_hop_kind_name(enum weir_hop_kind kind)
{
	static const char *const name[WEIR_HOP_KINDS] = {
		"none",	       "local",	   "link",	"gateway",   "group",	  "blackhole",
		"unreachable", "prohibit", "broadcast", "multicast", "link-local"};

	return kind < WEIR_HOP_KINDS ? name[kind] : "unknown";
}

static int by_prefix(const void *a, const void *b)
{
	const struct weir_prefix *p = &(*(struct weir_rib_entry *const *)a)->to;
	const struct weir_prefix *q = &(*(struct weir_rib_entry *const *)b)->to;
	int d = p->addr.family - q->addr.family;

	if (d == 0)
		d = memcmp(p->addr.bytes, q->addr.bytes, sizeof(p->addr.bytes));
	return d != 0 ? d : p->length - q->length;
}

int rib_sorted(const struct weir_rib *rib, struct weir_rib_entry ***out, size_t *n)
{
	const size_t most = (size_t)rib->live[0] + rib->live[1];
	struct weir_rib_entry **all = malloc((most + 1) * sizeof(*all));
	size_t at = 0;

	if (all == NULL)
		return -ENOMEM;
	for (uint32_t b = 0; b <= rib->mask; b++)
		for (struct weir_rib_entry *e = rib->bucket[b]; e != NULL; e = e->next)
			if (e->routes != NULL)
				all[at++] = e;
	qsort(all, at, sizeof(*all), by_prefix);
	*out = all;
	*n = at;
	return 0;
}

int weir_rib_each(const struct weir_rib *rib,
		  int (*fn)(void *ctx, const struct weir_route_view *view), void *ctx)
{
	struct weir_rib_entry **all;
	size_t n;
	int rc = rib_sorted(rib, &all, &n);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++) {
		const struct weir_rib_route *best = rib_best(all[i]);

		for (const struct weir_rib_route *r = all[i]->routes; r != NULL && rc == 0;
		     r = r->next) {
			const struct weir_route_view view = {
				.route = {.to = all[i]->to,
					  .kind = r->path->kind,
					  .source = r->source,
					  .metric = r->metric,
					  .mtu = r->path->mtu,
					  .n_hops = r->path->n,
					  .hops = r->path->nh},
				.active = r == best,
			};

			rc = fn(ctx, &view);
		}
	}
	free(all);
	return rc;
}

void weir_rib_stats(const struct weir_rib *rib, struct weir_rib_stats *out)
{
	*out = (struct weir_rib_stats){
		.routes4 = rib->live[0],
		.routes6 = rib->live[1],
		.max_routes4 = rib->conf.routes4,
		.max_routes6 = rib->conf.routes6,
		.hops = hops_used(rib->hops),
		.bytes = weir_rib_size(&rib->conf) + rib->bytes + rib->paths.bytes,
	};
	for (uint32_t b = 0; b <= rib->mask; b++)
		for (const struct weir_rib_entry *e = rib->bucket[b]; e != NULL; e = e->next)
			for (const struct weir_rib_route *r = e->routes; r != NULL; r = r->next) {
				out->by_source[r->source]++;
				out->inactive += r->path->hop == 0;
			}
}

/* "via 192.0.2.1 on wan" */
static void say_hop(const struct weir_rib *rib, const struct weir_hop *hop, char *text, size_t size)
{
	char via[WEIR_ADDR_TEXT];

	if (hop->kind == WEIR_HOP_GATEWAY)
		snprintf(text, size, "via %s on %s, MTU %u", weir_addr_format(&hop->gateway, via),
			 rib->ifaces->at[hop->iface].name, hop->mtu);
	else if (hop->kind == WEIR_HOP_LINK ||
		 (hop->kind == WEIR_HOP_BROADCAST && hop->iface != WEIR_NO_IFACE))
		snprintf(text, size, "%s on %s, MTU %u", weir_hop_kind_name(hop->kind),
			 rib->ifaces->at[hop->iface].name, hop->mtu);
	else if (hop->kind == WEIR_HOP_GROUP)
		snprintf(text, size, "one of %u by the flow's hash", hop->group_n);
	else
		snprintf(text, size, "%s", weir_hop_kind_name(hop->kind));
}

static const struct weir_rib_entry *longest(const struct weir_rib *rib, const struct weir_addr *to)
{
	for (int length = to->family == 6 ? 128 : 32; length >= 0; length--) {
		struct weir_prefix p = {.addr = *to, .length = (uint8_t)length};
		const struct weir_rib_entry *e;

		p = weir_prefix_network(&p);
		e = rib_find(rib, &p);
		if (e != NULL && e->hop != 0)
			return e;
	}
	return NULL;
}

void weir_rib_explain(const struct weir_rib *rib, const struct weir_addr *to,
		      struct weir_rib_answer *out)
{
	const struct weir_rib_entry *e = longest(rib, to);
	const struct weir_rib_route *best = e == NULL ? NULL : rib_best(e);
	char addr[WEIR_ADDR_TEXT], prefix[WEIR_PREFIX_TEXT], hop[120];

	memset(out, 0, sizeof(*out));
	weir_addr_format(to, addr);
	if (best == NULL) {
		snprintf(out->text, sizeof(out->text), "%s: no route", addr);
		return;
	}
	out->prefix = e->to;
	out->source = best->source;
	out->metric = best->metric;
	out->hop_number = e->hop;
	out->hop = *hops_at(rib->hops, e->hop);
	for (uint8_t i = 0; i < out->hop.group_n; i++)
		out->member[i] = *hops_at(rib->hops, hops_members(rib->hops)[e->hop][i]);
	say_hop(rib, &out->hop, hop, sizeof(hop));
	snprintf(out->text, sizeof(out->text), "%s: %s route %s, metric %u: %s", addr,
		 weir_route_source_name(best->source), weir_prefix_format(&e->to, prefix),
		 best->metric, hop);
}
