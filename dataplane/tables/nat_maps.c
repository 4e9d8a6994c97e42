/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * nat_maps: which port outside a port inside has, for all peers (RFC 4787 section 4.1).
 *
 * A mapping is found from both sides: by its address, port and protocol inside, and by those
 * outside. It lives as long as flows hold it. One array, chained by two keyed hashes with as many
 * heads as there are mappings at least, so that chains are short whoever chooses the ports.
 */

#include "nat_priv.h"

#include <errno.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <weir/shard.h>

#define ENTRIES_MAX (UINT32_C(1) << 24)

/* The two sides of a mapping, and its two chains. */
enum side { INSIDE, OUTSIDE, SIDES };

struct weir_nat_maps {
	struct nat_map *map;
	uint32_t *head[SIDES]; /* by hash: number of the first, plus one */
	uint32_t mask;	       /* of the hashes */
	uint32_t entries;
	uint32_t free_head; /* number of the first that is free, plus one; chained by next[0] */
	uint32_t used;	    /* the worker writes it, others read */
	struct weir_siphash_key secret;
};

static uint32_t heads_of(uint32_t entries)
{
	uint32_t heads = 1;

	while (heads < entries)
		heads *= 2;
	return heads;
}

uint64_t weir_nat_maps_size(uint32_t entries)
{
	return sizeof(struct weir_nat_maps) + (uint64_t)entries * sizeof(struct nat_map) +
	       SIDES * (uint64_t)heads_of(entries) * sizeof(uint32_t);
}

int weir_nat_maps_create(uint32_t entries, int numa, const struct weir_siphash_key *secret,
			 struct weir_nat_maps **out)
{
	struct weir_nat_maps *maps;

	if (entries == 0 || entries > ENTRIES_MAX)
		return -EINVAL;
	maps = calloc(1, sizeof(*maps));
	if (maps == NULL)
		return -ENOMEM;
	maps->entries = entries;
	maps->mask = heads_of(entries) - 1;
	maps->secret = *secret;
	maps->map = rte_zmalloc_socket("nat_maps", entries * sizeof(*maps->map),
				       RTE_CACHE_LINE_SIZE, numa);
	for (unsigned side = 0; side < SIDES; side++)
		maps->head[side] = rte_zmalloc_socket("nat_maps",
						      (maps->mask + UINT64_C(1)) * sizeof(uint32_t),
						      RTE_CACHE_LINE_SIZE, numa);
	if (maps->map == NULL || maps->head[INSIDE] == NULL || maps->head[OUTSIDE] == NULL) {
		weir_nat_maps_free(maps);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i + 1 < entries; i++)
		maps->map[i].next[0] = i + 2;
	maps->free_head = 1;
	*out = maps;
	return 0;
}

void weir_nat_maps_free(struct weir_nat_maps *maps)
{
	if (maps == NULL)
		return;
	rte_free(maps->map);
	for (unsigned side = 0; side < SIDES; side++)
		rte_free(maps->head[side]);
	free(maps);
}

uint32_t weir_nat_maps_used(const struct weir_nat_maps *maps)
{
	return __atomic_load_n(&maps->used, __ATOMIC_RELAXED);
}

static uint32_t *head_of(struct weir_nat_maps *maps, enum side side, const uint8_t addr[16],
			 uint16_t port_be, uint8_t proto, uint16_t vrf)
{
	const struct nat_addr a = nat_addr(addr);
	const uint64_t rest = (uint64_t)vrf << 32 | (uint64_t)port_be << 16 | (uint64_t)side << 8 |
			      proto;

	return &maps->head[side][weir_siphash13_u64x3(&maps->secret, a.word[0], a.word[1], rest) &
				 maps->mask];
}

/* The protocol that packets outside have. */
static uint8_t outside_proto(const struct nat_map *map)
{
	return map->inside_family == map->outside_family ? map->proto : nat_other_proto(map->proto);
}

static bool is_inside(const struct nat_map *map, uint8_t family, const uint8_t addr[16],
		      uint16_t port_be, uint8_t proto, uint16_t vrf)
{
	return map->inside_port == port_be && map->inside_family == family && map->proto == proto &&
	       map->vrf == vrf && memcmp(map->inside, addr, 16) == 0;
}

struct nat_map *nat_map_inside(struct weir_nat_maps *maps, const struct weir_tuple *t, uint8_t zone)
{
	uint32_t at = *head_of(maps, INSIDE, t->src, t->sport, t->proto, t->vrf);

	for (; at != 0; at = maps->map[at - 1].next[INSIDE]) {
		struct nat_map *map = &maps->map[at - 1];

		if (map->zone == zone &&
		    is_inside(map, t->family, t->src, t->sport, t->proto, t->vrf))
			return map;
	}
	return NULL;
}

struct nat_map *nat_map_outside(struct weir_nat_maps *maps, uint8_t family, const uint8_t addr[16],
				uint16_t port_be, uint8_t proto, uint16_t vrf)
{
	uint32_t at = *head_of(maps, OUTSIDE, addr, port_be, proto, vrf);

	for (; at != 0; at = maps->map[at - 1].next[OUTSIDE]) {
		struct nat_map *map = &maps->map[at - 1];

		if (map->outside_port == port_be && map->outside_family == family &&
		    outside_proto(map) == proto && map->vrf == vrf &&
		    memcmp(map->outside, addr, 16) == 0)
			return map;
	}
	return NULL;
}

static uint32_t *head_inside(struct weir_nat_maps *maps, const struct nat_map *map)
{
	return head_of(maps, INSIDE, map->inside, map->inside_port, map->proto, map->vrf);
}

static uint32_t *head_outside(struct weir_nat_maps *maps, const struct nat_map *map)
{
	return head_of(maps, OUTSIDE, map->outside, map->outside_port, outside_proto(map),
		       map->vrf);
}

static void link_map(struct weir_nat_maps *maps, struct nat_map *map, enum side side,
		     uint32_t *head)
{
	map->next[side] = *head;
	*head = (uint32_t)(map - maps->map) + 1;
}

static void unlink_map(struct weir_nat_maps *maps, const struct nat_map *map, enum side side,
		       uint32_t *head)
{
	const uint32_t number = (uint32_t)(map - maps->map) + 1;

	while (*head != number)
		head = &maps->map[*head - 1].next[side];
	*head = map->next[side];
}

struct nat_map *nat_map_add(struct weir_nat_maps *maps, const struct weir_tuple *orig,
			    const struct weir_tuple *to, uint8_t zone,
			    const struct weir_prefix *nat64)
{
	struct nat_map *map;

	if (maps->free_head == 0)
		return NULL;
	map = &maps->map[maps->free_head - 1];
	maps->free_head = map->next[0];
	*map = (struct nat_map){.inside_port = orig->sport,
				.outside_port = to->sport,
				.vrf = orig->vrf,
				.inside_family = orig->family,
				.outside_family = to->family,
				.proto = orig->proto,
				.zone = zone,
				.refs = 1,
				.nat64 = *nat64};
	memcpy(map->inside, orig->src, sizeof(map->inside));
	memcpy(map->outside, to->src, sizeof(map->outside));
	link_map(maps, map, INSIDE, head_inside(maps, map));
	link_map(maps, map, OUTSIDE, head_outside(maps, map));
	__atomic_store_n(&maps->used, maps->used + 1, __ATOMIC_RELAXED);
	return map;
}

bool nat_map_inwards(struct weir_nat_maps *maps, struct weir_tuple *t)
{
	const struct nat_map *map;

	if (maps->used == 0 || !nat_has_ports(t->proto))
		return false;
	map = nat_map_outside(maps, t->family, t->dst, t->dport, t->proto, t->vrf);
	if (map == NULL)
		return false;
	if (map->inside_family != t->family) {
		uint8_t src[4];

		memcpy(src, t->src, sizeof(src));
		weir_nat64_embed(&map->nat64, src, t->src);
		t->family = map->inside_family;
	}
	memcpy(t->dst, map->inside, sizeof(t->dst));
	t->dport = map->inside_port;
	return true;
}

/* Whether an address and port are the mapping's outside, as its own family or the inside sees it.
 */
static bool has_outside(const struct nat_map *map, uint8_t family, const uint8_t addr[16],
			uint16_t port_be)
{
	uint8_t embedded[16];

	if (map->outside_port != port_be)
		return false;
	if (map->outside_family == family)
		return memcmp(map->outside, addr, 16) == 0;
	weir_nat64_embed(&map->nat64, map->outside, embedded);
	return memcmp(embedded, addr, sizeof(embedded)) == 0;
}

static void drop_ref(struct weir_nat_maps *maps, struct nat_map *map)
{
	if (--map->refs > 0)
		return;
	unlink_map(maps, map, INSIDE, head_inside(maps, map));
	unlink_map(maps, map, OUTSIDE, head_outside(maps, map));
	map->next[0] = maps->free_head;
	maps->free_head = (uint32_t)(map - maps->map) + 1;
	__atomic_store_n(&maps->used, maps->used - 1, __ATOMIC_RELAXED);
}

/* Give back the mapping between this inside, of a tuple's source, and that outside. */
static void release(struct weir_nat_maps *maps, const struct weir_tuple *inside,
		    const struct weir_tuple *outside)
{
	uint32_t at =
		*head_of(maps, INSIDE, inside->src, inside->sport, inside->proto, inside->vrf);

	for (; at != 0; at = maps->map[at - 1].next[INSIDE]) {
		struct nat_map *map = &maps->map[at - 1];

		if (is_inside(map, inside->family, inside->src, inside->sport, inside->proto,
			      inside->vrf) &&
		    has_outside(map, outside->family, outside->src, outside->sport)) {
			drop_ref(maps, map);
			return;
		}
	}
}

void weir_nat_release(struct weir_nat_maps *maps, const struct weir_tuple *orig,
		      const struct weir_tuple *to)
{
	const struct weir_tuple inside = weir_tuple_reverse(to), outside = weir_tuple_reverse(orig);

	release(maps, orig, to);	  /* of its source */
	release(maps, &inside, &outside); /* of its destination */
}
