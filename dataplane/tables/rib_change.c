/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a change does to routes and interfaces, step by step, so that it can be taken back without
 * asking for memory: what is replaced is kept with the step until nobody can want it back.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

static struct weir_rib_entry **bucket_of(const struct weir_rib *rib, const struct weir_prefix *to)
{
	uint8_t key[18];

	key[0] = to->addr.family;
	key[1] = to->length;
	memcpy(key + 2, to->addr.bytes, 16);
	return &rib->bucket[weir_siphash13(&rib->key, key, sizeof(key)) & rib->mask];
}

struct weir_rib_entry *rib_find(const struct weir_rib *rib, const struct weir_prefix *to)
{
	struct weir_rib_entry *e = *bucket_of(rib, to);

	while (e != NULL &&
	       (e->to.length != to->length || !weir_addr_equal(&e->to.addr, &to->addr)))
		e = e->next;
	return e;
}

void rib_dirty(struct weir_rib *rib, struct weir_rib_entry *e)
{
	if (e->is_dirty)
		return;
	e->is_dirty = true;
	e->old_hop = e->hop;
	e->dirty = rib->dirty;
	rib->dirty = e;
}

static struct weir_rib_entry *make_entry(struct weir_rib *rib, const struct weir_prefix *to)
{
	struct weir_rib_entry **at = bucket_of(rib, to);
	struct weir_rib_entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->to = *to;
	e->next = *at;
	*at = e;
	rib->bytes += sizeof(*e);
	rib_dirty(rib, e); /* so that it goes again if it stays empty */
	return e;
}

static void free_entry(struct weir_rib *rib, struct weir_rib_entry *e)
{
	struct weir_rib_entry **at = bucket_of(rib, &e->to);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	rib->bytes -= sizeof(*e);
	free(e);
}

static uint32_t *live(struct weir_rib *rib, const struct weir_rib_entry *e)
{
	return &rib->live[e->to.addr.family == 6];
}

static bool beats(const struct weir_rib_route *a, const struct weir_rib_route *b)
{
	return a->source != b->source ? a->source < b->source : a->metric < b->metric;
}

static void link_route(struct weir_rib *rib, struct weir_rib_entry *e, struct weir_rib_route *r)
{
	struct weir_rib_route **at = &e->routes;

	if (e->routes == NULL)
		++*live(rib, e);
	while (*at != NULL && beats(*at, r))
		at = &(*at)->next;
	r->next = *at;
	*at = r;
}

static void unlink_route(struct weir_rib *rib, struct weir_rib_entry *e, struct weir_rib_route *r)
{
	struct weir_rib_route **at = &e->routes;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	if (e->routes == NULL)
		--*live(rib, e);
}

static void free_route(struct weir_rib *rib, struct weir_rib_route *r)
{
	if (r == NULL)
		return;
	path_put(&rib->paths, r->path);
	rib->bytes -= sizeof(*r);
	free(r);
}

static int room_for_step(struct weir_rib *rib)
{
	const size_t room = rib->step_room == 0 ? 64 : 2 * rib->step_room;
	struct weir_rib_step *grown;

	if (rib->n_steps < rib->step_room)
		return 0;
	grown = realloc(rib->step, room * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	rib->step = grown;
	rib->step_room = room;
	return 0;
}

static struct weir_rib_route *find_route(const struct weir_rib_entry *e,
					 enum weir_route_source source, uint32_t metric)
{
	struct weir_rib_route *r = e->routes;

	while (r != NULL && (r->source != source || r->metric != metric))
		r = r->next;
	return r;
}

static struct weir_rib_route *make_route(struct weir_rib *rib, enum weir_route_source source,
					 uint32_t metric, struct weir_path *path)
{
	struct weir_rib_route *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->source = (uint8_t)source;
	r->metric = metric;
	r->path = path;
	r->seen = rib->mark[source];
	rib->bytes += sizeof(*r);
	return r;
}

/* Put one route of an entry in the place of another; either may be NULL. There is room. */
static void exchange(struct weir_rib *rib, struct weir_rib_entry *e, struct weir_rib_route *removed,
		     struct weir_rib_route *added)
{
	if (added != NULL)
		link_route(rib, e, added);
	if (removed != NULL)
		unlink_route(rib, e, removed);
	rib->step[rib->n_steps++] = (struct weir_rib_step){e, added, removed};
	rib_dirty(rib, e);
}

/* Let a path be that of a route; the reference moves here. */
static int set_path(struct weir_rib *rib, const struct weir_prefix *to,
		    enum weir_route_source source, uint32_t metric, struct weir_path *path)
{
	struct weir_rib_entry *e = rib_find(rib, to);
	struct weir_rib_route *old, *added;

	if (e == NULL)
		e = make_entry(rib, to);
	if (e == NULL)
		goto err;
	old = find_route(e, source, metric);
	if (old != NULL && old->path == path) {
		old->seen = rib->mark[source];
		path_put(&rib->paths, path);
		return 0;
	}
	if (room_for_step(rib) < 0)
		goto err;
	added = make_route(rib, source, metric, path);
	if (added == NULL)
		goto err;
	exchange(rib, e, old, added);
	return 0;
err:
	path_put(&rib->paths, path);
	return -ENOMEM;
}

static int judge_route(const struct weir_rib *rib, const struct weir_route *r, struct weir_why *why)
{
	const struct weir_prefix net = weir_prefix_network(&r->to);
	const bool six = r->to.addr.family == 6;
	const uint32_t most = six ? rib->conf.routes6 : rib->conf.routes4;
	char text[WEIR_PREFIX_TEXT];

	if ((r->to.addr.family != 4 && !six) || r->to.length > (six ? 128 : 32))
		return weir_why(why, -EINVAL, "a route's prefix is neither IPv4 nor IPv6");
	weir_prefix_format(&r->to, text);
	if (!weir_addr_equal(&net.addr, &r->to.addr))
		return weir_why(why, -EINVAL, "route %s: bits beyond the prefix length are set",
				text);
	if (r->source <= WEIR_ROUTE_CONNECTED || r->source >= WEIR_ROUTE_SOURCES)
		return weir_why(why, -EINVAL, "route %s: its source must be static or kernel",
				text);
	if (r->kind == WEIR_HOP_GATEWAY && (r->n_hops == 0 || r->n_hops > WEIR_GROUP_MAX))
		return weir_why(why, -EINVAL, "route %s: %u next hops, must be 1 to %u", text,
				r->n_hops, WEIR_GROUP_MAX);
	if (r->kind != WEIR_HOP_GATEWAY &&
	    (r->n_hops != 0 || (r->kind != WEIR_HOP_BLACKHOLE && r->kind != WEIR_HOP_UNREACHABLE &&
				r->kind != WEIR_HOP_PROHIBIT)))
		return weir_why(why, -EINVAL, "route %s: a kind that no route can have", text);
	/* The limit itself is judged at the commit, for a sweep may still make room. */
	if (rib->live[six] >= 2 * (uint64_t)most)
		return weir_why(why, -ENOSPC, "route %s: limit of %u IPv%c routes", text, most,
				six ? '6' : '4');
	return 0;
}

static int judge_hop(const struct weir_route *r, const struct weir_nexthop *nh,
		     struct weir_why *why)
{
	char text[WEIR_PREFIX_TEXT];
	const uint8_t family = nh->gateway.family;

	weir_prefix_format(&r->to, text);
	if (family == 0 && nh->iface == WEIR_NO_IFACE)
		return weir_why(why, -EINVAL, "route %s: neither a gateway nor an interface", text);
	if (family != 0 && family != 4 && family != 6)
		return weir_why(why, -EINVAL, "route %s: the gateway is no address", text);
	if (r->to.addr.family == 6 && family == 4)
		return weir_why(why, -EINVAL, "route %s: an IPv4 gateway for IPv6", text);
	if (nh->iface != WEIR_NO_IFACE && nh->iface >= WEIR_IFACES_MAX)
		return weir_why(why, -EINVAL, "route %s: interface number %u", text, nh->iface);
	return 0;
}

int weir_rib_route_add(struct weir_rib *rib, const struct weir_route *r, struct weir_why *why)
{
	struct weir_path *path;
	int rc = judge_route(rib, r, why);

	assert(rib->open);
	for (uint16_t i = 0; i < r->n_hops && rc == 0; i++)
		rc = judge_hop(r, &r->hops[i], why);
	if (rc < 0)
		return rc;
	rc = path_get(&rib->paths, r->kind, r->mtu, r->hops, r->n_hops, &path);
	if (rc == 0)
		rc = set_path(rib, &r->to, r->source, r->metric, path);
	return rc < 0 ? weir_why(why, rc, "out of memory for a route") : 0;
}

int weir_rib_route_del(struct weir_rib *rib, const struct weir_prefix *to,
		       enum weir_route_source source, uint32_t metric, struct weir_why *why)
{
	struct weir_rib_entry *e = rib_find(rib, to);
	struct weir_rib_route *r = e == NULL ? NULL : find_route(e, source, metric);
	char text[WEIR_PREFIX_TEXT];

	assert(rib->open);
	if (r == NULL)
		return weir_why(why, -ENOENT, "no %s route to %s with metric %u",
				weir_route_source_name(source), weir_prefix_format(to, text),
				metric);
	if (room_for_step(rib) < 0)
		return weir_why(why, -ENOMEM, "out of memory for a change of routes");
	exchange(rib, e, r, NULL);
	return 0;
}

int weir_rib_route_hops(const struct weir_rib *rib, const struct weir_prefix *to,
			enum weir_route_source source, uint32_t metric)
{
	const struct weir_rib_entry *e = rib_find(rib, to);
	const struct weir_rib_route *r = e == NULL ? NULL : find_route(e, source, metric);

	return r == NULL ? -ENOENT : r->path->n;
}

bool weir_rib_is_changed(const struct weir_rib *rib)
{
	return rib->n_steps > 0 || rib->old_ifaces != NULL;
}

void weir_rib_mark(struct weir_rib *rib, enum weir_route_source source)
{
	rib->mark[source]++;
}

static int sweep_entry(struct weir_rib *rib, struct weir_rib_entry *e,
		       enum weir_route_source source)
{
	struct weir_rib_route *next;

	for (struct weir_rib_route *r = e->routes; r != NULL; r = next) {
		next = r->next;
		if (r->source != source || r->seen == rib->mark[source])
			continue;
		if (room_for_step(rib) < 0)
			return -ENOMEM;
		exchange(rib, e, r, NULL);
	}
	return 0;
}

int weir_rib_sweep(struct weir_rib *rib, enum weir_route_source source, struct weir_why *why)
{
	assert(rib->open);
	for (uint32_t b = 0; b <= rib->mask; b++)
		for (struct weir_rib_entry *e = rib->bucket[b]; e != NULL; e = e->next)
			if (sweep_entry(rib, e, source) < 0)
				return weir_why(why, -ENOMEM,
						"out of memory for a change of routes");
	return 0;
}

int weir_rib_replace(struct weir_rib *rib, enum weir_route_source source,
		     const struct weir_route *routes, size_t n, struct weir_why *why)
{
	int rc;

	weir_rib_mark(rib, source);
	for (size_t i = 0; i < n; i++) {
		struct weir_route r = routes[i];

		r.source = source;
		rc = weir_rib_route_add(rib, &r, why);
		if (rc < 0)
			return rc;
	}
	return weir_rib_sweep(rib, source, why);
}

static int add_derived(void *ctx, const struct weir_prefix *to, enum weir_hop_kind kind,
		       uint16_t iface, struct weir_why *why)
{
	struct weir_rib *rib = ctx;
	const struct weir_nexthop nh = {.iface = iface};
	struct weir_path *path;
	int rc = path_get(&rib->paths, kind, 0, &nh, iface != WEIR_NO_IFACE, &path);

	if (rc == 0)
		rc = set_path(rib, to, WEIR_ROUTE_CONNECTED, 0, path);
	return rc < 0 ? weir_why(why, rc, "out of memory for connected routes") : 0;
}

/* Each interface has a LINK path, also without addresses. */
static int add_links(struct weir_rib *rib, struct weir_ifaces *s, struct weir_why *why)
{
	for (uint16_t i = 0; i < s->n; i++) {
		const struct weir_nexthop nh = {.iface = i};

		if (s->at[i].port != WEIR_NO_PORT &&
		    path_get(&rib->paths, WEIR_HOP_LINK, 0, &nh, 1, &s->link[i]) < 0)
			return weir_why(why, -ENOMEM, "out of memory for interfaces");
	}
	return 0;
}

void rib_put_ifaces(struct weir_rib *rib, struct weir_ifaces *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	for (uint16_t i = 0; i < s->n; i++)
		path_put(&rib->paths, s->link[i]);
	ifaces_free(s);
}

int weir_rib_set_ifaces(struct weir_rib *rib, const struct weir_iface *ifaces, uint16_t n,
			struct weir_why *why)
{
	struct weir_ifaces *fresh;
	int rc;

	assert(rib->open);
	if (rib->ifaces->n > 0 && ifaces_same(rib->ifaces, ifaces, n))
		return 0;
	rc = ifaces_create(rib->ifaces, ifaces, n, &fresh, why);
	if (rc < 0)
		return rc;
	rc = add_links(rib, fresh, why);
	if (rc < 0) {
		rib_put_ifaces(rib, fresh);
		return rc;
	}
	if (rib->old_ifaces == NULL)
		rib->old_ifaces = rib->ifaces;
	else
		rib_put_ifaces(rib, rib->ifaces);
	rib->ifaces = fresh;
	weir_rib_mark(rib, WEIR_ROUTE_CONNECTED);
	rc = ifaces_derive(fresh, add_derived, rib, why);
	return rc < 0 ? rc : weir_rib_sweep(rib, WEIR_ROUTE_CONNECTED, why);
}

uint16_t weir_rib_iface(const struct weir_rib *rib, const char *name)
{
	return ifaces_find(rib->ifaces, name);
}

const struct weir_rib_route *rib_best(const struct weir_rib_entry *e)
{
	const struct weir_rib_route *r = e->routes;

	while (r != NULL && r->path->hop == 0)
		r = r->next;
	return r;
}

/* The change is over: its list of entries too; those that are empty go. */
static void clean_entries(struct weir_rib *rib)
{
	while (rib->dirty != NULL) {
		struct weir_rib_entry *e = rib->dirty;

		rib->dirty = e->dirty;
		e->is_dirty = false;
		if (e->routes == NULL)
			free_entry(rib, e);
	}
	rib->n_steps = 0;
	if (rib->step_room > 4096) { /* a large change is rare, and its memory large */
		free(rib->step);
		rib->step = NULL;
		rib->step_room = 0;
	}
}

void rib_undo(struct weir_rib *rib)
{
	while (rib->n_steps > 0) {
		const struct weir_rib_step *s = &rib->step[--rib->n_steps];

		if (s->removed != NULL)
			link_route(rib, s->entry, s->removed);
		if (s->added != NULL)
			unlink_route(rib, s->entry, s->added);
		free_route(rib, s->added);
	}
	for (struct weir_rib_entry *e = rib->dirty; e != NULL; e = e->dirty)
		e->hop = e->old_hop;
	clean_entries(rib);
	if (rib->old_ifaces != NULL) {
		rib_put_ifaces(rib, rib->ifaces);
		rib->ifaces = rib->old_ifaces;
		rib->old_ifaces = NULL;
	}
	if (rib->resolved_all)
		paths_undo(&rib->paths);
	rib->resolved_all = false;
	paths_drop_fresh(&rib->paths);
}

void rib_keep(struct weir_rib *rib)
{
	for (size_t i = 0; i < rib->n_steps; i++)
		free_route(rib, rib->step[i].removed);
	clean_entries(rib);
	if (rib->resolved_all)
		paths_keep(&rib->paths);
	rib->resolved_all = false;
	rib_put_ifaces(rib, rib->old_ifaces);
	rib->old_ifaces = NULL;
}
