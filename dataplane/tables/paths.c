/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Paths: what a route leads to, as it was asked for. Equal ones are one, so a hundred thousand
 * routes through one router are resolved once, and once more when the interfaces change.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

#define BUCKETS (sizeof(((struct weir_paths *)0)->bucket) / sizeof(struct weir_path *))

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct weir_nexthop));
}

/* Copy with zeroed padding, sort, make unique. */
static uint16_t normalise(struct weir_nexthop *to, const struct weir_nexthop *from, uint16_t n)
{
	uint16_t kept = 0;

	memset(to, 0, n * sizeof(*to));
	for (uint16_t i = 0; i < n; i++) {
		to[i].gateway.family = from[i].gateway.family;
		memcpy(to[i].gateway.bytes, from[i].gateway.bytes, sizeof(to[i].gateway.bytes));
		to[i].iface = from[i].iface;
		to[i].onlink = from[i].onlink;
	}
	qsort(to, n, sizeof(*to), compare);
	for (uint16_t i = 0; i < n; i++)
		if (i == 0 || compare(&to[kept - 1], &to[i]) != 0)
			memmove(&to[kept++], &to[i], sizeof(*to));
	return kept;
}

static struct weir_path **bucket_of(struct weir_paths *ps, uint8_t kind, uint16_t mtu,
				    const struct weir_nexthop *nh, uint16_t n)
{
	const uint64_t hash =
		weir_siphash13(&ps->key, nh, n * sizeof(*nh)) + ((uint64_t)mtu << 8 | kind);

	return &ps->bucket[hash % BUCKETS];
}

int path_get(struct weir_paths *ps, enum weir_hop_kind kind, uint16_t mtu,
	     const struct weir_nexthop *nh, uint16_t n, struct weir_path **out)
{
	struct weir_nexthop sorted[WEIR_GROUP_MAX];
	struct weir_path **at, *p;

	n = normalise(sorted, nh, n);
	at = bucket_of(ps, (uint8_t)kind, mtu, sorted, n);
	for (p = *at; p != NULL; p = p->next) {
		if (p->kind == kind && p->mtu == mtu && p->n == n &&
		    memcmp(p->nh, sorted, n * sizeof(sorted[0])) == 0) {
			p->refs++;
			*out = p;
			return 0;
		}
	}
	p = calloc(1, sizeof(*p) + n * sizeof(sorted[0]));
	if (p == NULL)
		return -ENOMEM;
	p->refs = 1;
	p->kind = (uint8_t)kind;
	p->mtu = mtu;
	p->n = (uint8_t)n;
	memcpy(p->nh, sorted, n * sizeof(sorted[0]));
	p->next = *at;
	*at = p;
	p->unresolved = true;
	p->fresh = ps->fresh;
	ps->fresh = p;
	ps->n++;
	ps->bytes += sizeof(*p) + n * sizeof(sorted[0]);
	*out = p;
	return 0;
}

static void path_free(struct weir_paths *ps, struct weir_path *p)
{
	struct weir_path **at = bucket_of(ps, p->kind, p->mtu, p->nh, p->n);

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	hops_put(ps->hops, p->hop);
	hops_put(ps->hops, p->old_hop);
	ps->n--;
	ps->bytes -= sizeof(*p) + p->n * sizeof(p->nh[0]);
	free(p);
}

void path_put(struct weir_paths *ps, struct weir_path *p)
{
	if (p != NULL && --p->refs == 0 && !p->unresolved) /* else it goes with the fresh list */
		path_free(ps, p);
}

static uint16_t iface_of(const struct weir_nexthop *nh, const struct weir_ifaces *s)
{
	if (nh->iface == WEIR_NO_IFACE)
		return ifaces_subnet(s, &nh->gateway);
	if (nh->iface >= s->n || s->at[nh->iface].port == WEIR_NO_PORT)
		return WEIR_NO_IFACE;
	if (nh->gateway.family == 0 || nh->onlink || iface_reaches(&s->at[nh->iface], &nh->gateway))
		return nh->iface;
	return WEIR_NO_IFACE;
}

/* A router that we are ourselves leads nowhere. */
static bool is_ours(const struct weir_addr *a, const struct weir_iface *i)
{
	for (uint8_t k = 0; k < i->n_addrs; k++)
		if (weir_addr_equal(a, &i->addr[k].addr))
			return true;
	return weir_addr_equal(a, &i->link_local);
}

/* One next hop's number with a reference, 0 if it cannot be resolved, or -errno. */
static int resolve_one(struct weir_paths *ps, const struct weir_path *p,
		       const struct weir_nexthop *nh, const struct weir_ifaces *s, uint16_t *number)
{
	const uint16_t iface = iface_of(nh, s);
	struct weir_hop hop;

	*number = 0;
	if (iface == WEIR_NO_IFACE || is_ours(&nh->gateway, &s->at[iface]))
		return 0;
	memset(&hop, 0, sizeof(hop));
	hop.kind = p->kind;
	if (p->kind == WEIR_HOP_GATEWAY && nh->gateway.family == 0)
		hop.kind = WEIR_HOP_LINK;
	hop.iface = iface;
	hop.mtu = s->at[iface].mtu;
	if (p->mtu != 0 && p->mtu < hop.mtu)
		hop.mtu = p->mtu;
	memcpy(&hop.gateway, &nh->gateway, sizeof(hop.gateway));
	return hops_get(ps->hops, &hop, NULL, number);
}

static int by_number(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* A group of what could be resolved; of one member, that. Takes over the references. */
static int make_group(struct weir_paths *ps, uint16_t *member, uint16_t n, uint16_t *number)
{
	struct weir_hop group;
	int rc = 0;

	*number = 0;
	qsort(member, n, sizeof(*member), by_number);
	for (uint16_t i = 1; i < n;) { /* two next hops may be one in the end */
		if (member[i] != member[i - 1]) {
			i++;
			continue;
		}
		hops_put(ps->hops, member[i]);
		memmove(&member[i], &member[i + 1], (n - i - 1u) * sizeof(*member));
		n--;
	}
	if (n == 1) {
		*number = member[0];
		return 0;
	}
	if (n > 1) {
		memset(&group, 0, sizeof(group));
		group.kind = WEIR_HOP_GROUP;
		group.group_n = (uint8_t)n;
		rc = hops_get(ps->hops, &group, member, number);
	}
	for (uint16_t i = 0; i < n; i++)
		hops_put(ps->hops, member[i]); /* the group has its own */
	return rc;
}

static int resolve(struct weir_paths *ps, struct weir_path *p, const struct weir_ifaces *s)
{
	uint16_t member[WEIR_GROUP_MAX], n = 0;
	struct weir_hop hop;
	int rc = 0;

	p->lost = 0;
	if (p->n == 0) {
		memset(&hop, 0, sizeof(hop));
		hop.kind = p->kind;
		hop.iface = WEIR_NO_IFACE;
		return hops_get(ps->hops, &hop, NULL, &p->hop);
	}
	for (uint8_t i = 0; i < p->n && rc == 0; i++) {
		rc = resolve_one(ps, p, &p->nh[i], s, &member[n]);
		if (rc == 0 && member[n] != 0)
			n++;
		else if (rc == 0)
			p->lost++;
	}
	if (rc == 0)
		return make_group(ps, member, n, &p->hop);
	while (n > 0)
		hops_put(ps->hops, member[--n]);
	return rc;
}

static int resolve_fresh(struct weir_paths *ps, const struct weir_ifaces *s)
{
	while (ps->fresh != NULL) {
		struct weir_path *p = ps->fresh;
		const int rc = p->refs == 0 || p->hop != 0 ? 0 : resolve(ps, p, s);

		if (rc < 0)
			return rc;
		ps->fresh = p->fresh;
		p->unresolved = false;
		if (p->refs == 0)
			path_free(ps, p);
	}
	return 0;
}

int paths_resolve(struct weir_paths *ps, const struct weir_ifaces *s, bool all)
{
	int rc = 0;

	for (size_t b = 0; all && b < BUCKETS; b++)
		for (struct weir_path *p = ps->bucket[b]; p != NULL; p = p->next) {
			p->old_hop = p->hop;
			p->hop = 0;
		}
	for (size_t b = 0; all && b < BUCKETS && rc == 0; b++)
		for (struct weir_path *p = ps->bucket[b]; p != NULL && rc == 0; p = p->next)
			if (p->refs > 0)
				rc = resolve(ps, p, s);
	return rc < 0 ? rc : resolve_fresh(ps, s);
}

void paths_keep(struct weir_paths *ps)
{
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct weir_path *p = ps->bucket[b]; p != NULL; p = p->next) {
			hops_put(ps->hops, p->old_hop);
			p->old_hop = 0;
		}
}

void paths_undo(struct weir_paths *ps)
{
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct weir_path *p = ps->bucket[b]; p != NULL; p = p->next) {
			hops_put(ps->hops, p->hop);
			p->hop = p->old_hop;
			p->old_hop = 0;
		}
}

void paths_drop_fresh(struct weir_paths *ps)
{
	while (ps->fresh != NULL) {
		struct weir_path *p = ps->fresh;

		ps->fresh = p->fresh;
		p->unresolved = false;
		if (p->refs == 0)
			path_free(ps, p);
	}
}

const struct weir_nexthop *path_lost(const struct weir_path *p, const struct weir_ifaces *s)
{
	for (uint8_t i = 0; i < p->n; i++) {
		const uint16_t iface = iface_of(&p->nh[i], s);

		if (iface == WEIR_NO_IFACE || is_ours(&p->nh[i].gateway, &s->at[iface]))
			return &p->nh[i];
	}
	return NULL;
}
