/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The routing table: transactions, and the two sides of the forwarding tables.
 *
 *	commit:   the side that nobody reads gets the difference; the weir_l3 points there
 *	release:  the other side is read no more: it gets the same difference
 *
 * A side that could not take a difference is stale: workers never see it, and the next commit
 * builds it anew. So nothing has to be undone in a forwarding table.
 */

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tables.h"

/* As many groups as entries of 2 bytes can number, but for the spare ones (fib.c). */
#define NARROW_GROUPS (WEIR_HOPS_MAX - 64u)

/* What a commit hands out. */
struct box {
	struct weir_l3 l3; /* first: it is found by it */
	struct weir_ifaces *ifaces;
	uint8_t side;
};

static int with_defaults(const struct weir_rib_conf *conf, struct weir_rib_conf *out,
			 struct weir_why *why)
{
	const uint32_t most_routes = 16u << 20, most_groups = 32u << 20;

	*out = (struct weir_rib_conf){.numa = -1};
	if (conf != NULL)
		*out = *conf;
	if (out->routes4 == 0)
		out->routes4 = 100000;
	if (out->routes6 == 0)
		out->routes6 = 25000;
	if (out->groups4 == 0)
		out->groups4 = out->routes4 / 16 > 8192 ? out->routes4 / 16 : 8192;
	if (out->groups6 == 0)
		out->groups6 = out->routes6 > NARROW_GROUPS ? 2 * out->routes6 : NARROW_GROUPS;
	if (out->routes4 > most_routes || out->routes6 > most_routes)
		return weir_why(why, -EINVAL, "routes: limit above %u", most_routes);
	if (out->groups4 > most_groups || out->groups6 > most_groups)
		return weir_why(why, -EINVAL, "groups of long prefixes: limit above %u",
				most_groups);
	return 0;
}

static uint32_t buckets_for(const struct weir_rib_conf *c)
{
	uint32_t n = 1024;

	while (n < c->routes4 + c->routes6)
		n *= 2;
	return n;
}

uint64_t weir_rib_size(const struct weir_rib_conf *conf)
{
	struct weir_rib_conf c;

	if (with_defaults(conf, &c, NULL) < 0)
		return 0;
	return 2 * fib_bytes(&c) + hops_bytes() + buckets_for(&c) * sizeof(void *) +
	       sizeof(struct weir_rib);
}

int weir_rib_create(const struct weir_rib_conf *conf, struct weir_rib **out, struct weir_why *why)
{
	struct weir_rib_conf full;
	struct weir_rib *rib;
	int rc = with_defaults(conf, &full, why);

	if (rc < 0)
		return rc;
	rib = calloc(1, sizeof(*rib));
	if (rib == NULL)
		return weir_why(why, -ENOMEM, "out of memory for the routing table");
	rib->conf = full;
	rib->mask = buckets_for(&full) - 1;
	rib->bucket = calloc(rib->mask + 1ul, sizeof(rib->bucket[0]));
	rc = rib->bucket == NULL ? -ENOMEM : 0;
	if (rc == 0 && getrandom(&rib->key, sizeof(rib->key), 0) != sizeof(rib->key))
		rc = -EIO;
	rib->paths.key = rib->key;
	if (rc == 0)
		rc = hops_create(full.numa, &rib->key, &rib->hops);
	rib->paths.hops = rib->hops;
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = fib_create(&rib->side[i], &full);
	if (rc == 0)
		rc = ifaces_create(NULL, NULL, 0, &rib->ifaces, NULL);
	if (rc < 0) {
		weir_rib_free(rib);
		return weir_why(why, rc,
				"no memory for the routing table: it takes %" PRIu64
				" MiB; lower the limits of routes or add hugepages",
				weir_rib_size(&full) >> 20);
	}
	*out = rib;
	return 0;
}

static void free_routes(struct weir_rib *rib)
{
	for (uint32_t b = 0; b <= rib->mask; b++)
		while (rib->bucket[b] != NULL) {
			struct weir_rib_entry *e = rib->bucket[b];

			rib->bucket[b] = e->next;
			while (e->routes != NULL) {
				struct weir_rib_route *r = e->routes;

				e->routes = r->next;
				path_put(&rib->paths, r->path);
				free(r);
			}
			free(e);
		}
}

void weir_rib_free(struct weir_rib *rib)
{
	if (rib == NULL)
		return;
	assert(rib->users[0] == 0 && rib->users[1] == 0);
	weir_rib_abort(rib);
	if (rib->pending)
		rib_keep(rib);
	if (rib->bucket != NULL)
		free_routes(rib);
	rib_put_ifaces(rib, rib->ifaces);
	hops_free(rib->hops);
	fib_destroy(&rib->side[0]);
	fib_destroy(&rib->side[1]);
	free(rib->step);
	free(rib->bucket);
	free(rib);
}

static int say_full(const struct weir_rib *rib, const struct weir_prefix *to, int rc,
		    struct weir_why *why)
{
	const bool six = to->addr.family == 6;
	char text[WEIR_PREFIX_TEXT];

	return weir_why(why, rc,
			"no room for %s: prefixes as long need more than %u groups of 256; raise "
			"the limit groups%c, or routes%c, from which it follows by default",
			weir_prefix_format(to, text), six ? rib->conf.groups6 : rib->conf.groups4,
			six ? '6' : '4', six ? '6' : '4');
}

/* Bring a side from before the change to after it. What is deleted first makes room. */
static int apply(struct weir_rib *rib, uint8_t side, struct weir_why *why)
{
	int rc = 0;

	for (int adding = 0; adding < 2; adding++)
		for (const struct weir_rib_entry *e = rib->dirty; e != NULL && rc == 0;
		     e = e->dirty)
			if (e->hop != e->old_hop && (e->hop != 0) == adding) {
				rc = fib_set(&rib->side[side], &rib->conf, &e->to, e->hop);
				if (rc < 0)
					say_full(rib, &e->to, rc, why);
			}
	return rc;
}

/* Make a side anew from all entries, shorter prefixes before those inside them. */
static int rebuild(struct weir_rib *rib, uint8_t side, struct weir_why *why)
{
	struct weir_rib_entry **all;
	size_t n;
	int rc = rib_sorted(rib, &all, &n);

	if (rc < 0)
		return weir_why(why, rc, "out of memory to build the forwarding tables anew");
	rib->stale[side] = true;
	fib_destroy(&rib->side[side]);
	rc = fib_create(&rib->side[side], &rib->conf);
	if (rc < 0)
		weir_why(why, rc, "out of memory to build the forwarding tables anew");
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (all[i]->hop == 0)
			continue;
		rc = fib_set(&rib->side[side], &rib->conf, &all[i]->to, all[i]->hop);
		if (rc < 0)
			say_full(rib, &all[i]->to, rc, why);
	}
	rib->stale[side] = rc < 0;
	free(all);
	return rc;
}

/* The side that is not read gets the change. */
static int update(struct weir_rib *rib, uint8_t side, struct weir_why *why)
{
	if (!rib->stale[side] && apply(rib, side, why) == 0)
		return 0;
	return rebuild(rib, side, why);
}

/* The pending change is told to the other side, if nobody reads that any more. */
static void settle(struct weir_rib *rib)
{
	const uint8_t other = !rib->current;

	if (!rib->pending || (rib->flipped && rib->users[other] > 0))
		return;
	if (rib->flipped && !rib->stale[other] && apply(rib, other, NULL) < 0)
		rib->stale[other] = true; /* the next commit builds it */
	rib_keep(rib);
	rib->pending = false;
	rib->last = NULL;
}

int weir_rib_begin(struct weir_rib *rib)
{
	assert(!rib->open);
	settle(rib);
	if (rib->pending)
		return -EBUSY;
	rib->open = true;
	return 0;
}

void weir_rib_abort(struct weir_rib *rib)
{
	if (!rib->open)
		return;
	rib_undo(rib);
	rib->open = false;
}

static int judge_static(const struct weir_rib *rib, const struct weir_rib_entry *e,
			struct weir_why *why)
{
	char to[WEIR_PREFIX_TEXT], via[WEIR_ADDR_TEXT];

	for (const struct weir_rib_route *r = e->routes; r != NULL; r = r->next) {
		const struct weir_nexthop *nh;

		if (r->source != WEIR_ROUTE_STATIC || r->path->lost == 0)
			continue;
		nh = path_lost(r->path, rib->ifaces);
		weir_prefix_format(&e->to, to);
		if (nh->gateway.family == 0)
			return weir_why(why, -ENETUNREACH, "route %s: its interface is gone", to);
		return weir_why(why, -ENETUNREACH,
				"route %s: gateway %s is on no connected subnet%s, or is ours", to,
				weir_addr_format(&nh->gateway, via),
				nh->iface == WEIR_NO_IFACE ? "" : " of its interface");
	}
	return 0;
}

static int judge_limits(const struct weir_rib *rib, struct weir_why *why)
{
	for (int six = 0; six < 2; six++) {
		const uint32_t most = six ? rib->conf.routes6 : rib->conf.routes4;

		if (rib->live[six] > most)
			return weir_why(why, -ENOSPC,
					"%u IPv%c routes, but the limit routes%c is %u; raise it",
					rib->live[six], six ? '6' : '4', six ? '6' : '4', most);
	}
	return 0;
}

/* Which hop each touched prefix leads to now. */
static int choose(struct weir_rib *rib, bool *flip, struct weir_why *why)
{
	const bool all = rib->old_ifaces != NULL;
	int rc;

	rib->resolved_all = all;
	rc = paths_resolve(&rib->paths, rib->ifaces, all);
	if (rc < 0)
		return weir_why(why, rc, "more than %u next hops and groups", WEIR_HOPS_MAX);
	for (uint32_t b = 0; all && b <= rib->mask; b++)
		for (struct weir_rib_entry *e = rib->bucket[b]; e != NULL; e = e->next)
			rib_dirty(rib, e);
	*flip = all;
	for (struct weir_rib_entry *e = rib->dirty; e != NULL; e = e->dirty) {
		const struct weir_rib_route *best = rib_best(e);

		rc = judge_static(rib, e, why);
		if (rc < 0)
			return rc;
		e->hop = best == NULL ? 0 : best->path->hop;
		*flip |= e->hop != e->old_hop;
	}
	return judge_limits(rib, why);
}

static void fill_l3(const struct weir_rib *rib, struct box *b)
{
	const struct weir_ifaces *s = rib->ifaces;
	struct weir_l3 *l3 = &b->l3;

	l3->fib4 = rib->side[b->side].v4;
	l3->fib6 = rib->side[b->side].v6;
	l3->first4 = rib->side[b->side].first4;
	l3->first4_bytes = rib->side[b->side].first4_bytes;
	l3->hops = hops_at(rib->hops, 0);
	l3->members = hops_members(rib->hops);
	l3->ifaces = s->at;
	l3->link_hop = s->link_hop;
	l3->n_hops = WEIR_HOPS_MAX + 1;
	l3->n_ifaces = s->n;
	for (unsigned port = 0; port < WEIR_PORTS_MAX; port++) {
		l3->untagged[port] = s->untagged[port];
		l3->tagged[port] = s->tagged[port];
		l3->inner[port] = (const uint16_t *const *)s->inner[port];
	}
}

static int commit(struct weir_rib *rib, struct box *b, struct weir_why *why)
{
	bool flip = false;
	int rc = choose(rib, &flip, why);

	b->side = flip ? !rib->current : rib->current;
	if (rc == 0 && flip) {
		assert(rib->users[b->side] == 0); /* begin saw to it */
		rc = update(rib, b->side, why);
		if (rc < 0)
			rib->stale[b->side] = true;
	}
	if (rc < 0)
		return rc;
	if (rib->old_ifaces != NULL)
		for (uint16_t i = 0; i < rib->ifaces->n; i++)
			if (rib->ifaces->link[i] != NULL)
				rib->ifaces->link_hop[i] = rib->ifaces->link[i]->hop;
	rib->flipped = flip;
	rib->current = b->side;
	return 0;
}

int weir_rib_commit(struct weir_rib *rib, const struct weir_l3 **out, struct weir_why *why)
{
	struct box *b = calloc(1, sizeof(*b));
	int rc;

	assert(rib->open);
	rc = b == NULL ? weir_why(why, -ENOMEM, "out of memory for a change of routes")
		       : commit(rib, b, why);
	if (rc < 0) {
		free(b);
		weir_rib_abort(rib);
		return rc;
	}
	fill_l3(rib, b);
	b->ifaces = rib->ifaces;
	b->ifaces->refs++;
	rib->users[b->side]++;
	rib->last = &b->l3;
	rib->open = false;
	rib->pending = true;
	*out = &b->l3;
	return 0;
}

/* Side and interfaces of a weir_l3 have one user less. */
static void drop_box(struct weir_rib *rib, const struct weir_l3 *l3)
{
	struct box *b = (struct box *)(uintptr_t)l3; /* made here, so not really const */

	assert(rib->users[b->side] > 0);
	rib->users[b->side]--;
	rib_put_ifaces(rib, b->ifaces);
	free(b);
}

void weir_rib_revert(struct weir_rib *rib, const struct weir_l3 *l3)
{
	assert(rib->pending && !rib->open && rib->last == l3);
	drop_box(rib, l3);
	if (rib->flipped) {
		rib->stale[rib->current] = true;
		rib->current = !rib->current;
	}
	rib_undo(rib);
	rib->pending = false;
	rib->last = NULL;
}

void weir_rib_release(struct weir_rib *rib, const struct weir_l3 *l3)
{
	const bool former = l3 != NULL && l3 != rib->last;

	if (l3 == NULL)
		return;
	drop_box(rib, l3);
	if (former)
		settle(rib);
}
