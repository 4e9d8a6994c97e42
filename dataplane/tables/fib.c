/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One side of the forwarding tables: rte_fib (DIR24_8) and rte_fib6 (TRIE).
 *
 * What DPDK 22.11 does, and what is done about it here:
 * - Overwriting the hop of a known prefix hides a lack of tbl8 groups (it returns 0 with the table
 *   half written). So groups are counted here, exactly, before anything is written, and the
 *   tables get a few more than that limit.
 * - rte_fib6 reserves groups by an estimate that depends on the order of changes, and drifts: it
 *   can say -ENOSPC though groups are left. The caller then builds the side anew, shorter prefixes
 *   first, which makes the estimate right again.
 * - A prefix that reaches the end of the address space (0.0.0.0/0, 240.0.0.0/4, ff00::/8), changed
 *   while longer prefixes inside it fill that end, overwrites the whole table: the edge wraps to 0.
 *   So those longer ones (255.255.255.255/32 is always there) are taken out first and put back.
 * - Both families' node pools are named MP_name, so the names of the tables must differ.
 * - The internal RIB needs two nodes a route at most; max_routes makes them all at create.
 * - A deleted prefix falls back to the one that covers it, or to default_nh, which is 0.
 */

#include <errno.h>
#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_rib.h>
#include <rte_rib6.h>
#include <rte_vect.h>
#include <stdio.h>
#include <string.h>

#include "tables.h"

/* More groups than the limit: for those that a change needs on its way. */
#define SPARE	   64
#define NODE_BYTES 192 /* of a node of the internal RIB with its mempool header, rounded up */

/* An entry is a hop or a group's number, of 15 bits; beyond that the tables double. */
static bool is_wide(uint32_t groups)
{
	return groups + SPARE > WEIR_HOPS_MAX;
}

/*
 * Where the entries of an empty table begin. That is rte_fib's own affair, so it is found by adding
 * a route: the line that changes (behind the first, of counters) is it. A wrong or no answer costs
 * speed only, for the address is but prefetched.
 */
static const uint8_t *find_first4(struct rte_fib *fib)
{
	uint8_t before[8 * RTE_CACHE_LINE_SIZE];
	const uint8_t *table = rte_fib_get_dp(fib), *found = NULL;

	memcpy(before, table, sizeof(before));
	if (rte_fib_add(fib, 0, 24, 1) != 0)
		return NULL;
	for (size_t at = RTE_CACHE_LINE_SIZE; at < sizeof(before); at += RTE_CACHE_LINE_SIZE)
		if (found == NULL && table[at] != before[at])
			found = table + at;
	rte_fib_delete(fib, 0, 24);
	return found;
}

static int create4(struct weir_fib *f, const struct weir_rib_conf *c, const char *name)
{
	struct rte_fib_conf conf = {.type = RTE_FIB_DIR24_8, .default_nh = WEIR_HOP_NONE};

	conf.max_routes = (int)c->routes4 + SPARE;
	conf.dir24_8.nh_sz = is_wide(c->groups4) ? RTE_FIB_DIR24_8_4B : RTE_FIB_DIR24_8_2B;
	conf.dir24_8.num_tbl8 = c->groups4 + SPARE;
	f->v4 = rte_fib_create(name, c->numa, &conf);
	if (f->v4 == NULL)
		return -ENOMEM;
	f->first4 = find_first4(f->v4);
	f->first4_bytes = is_wide(c->groups4) ? 4 : 2;
	return 0;
}

/*
 * rte_fib6 looks up 16 addresses at once with AVX-512: a third of the cycles, where rte_fib gains
 * nothing. DPDK chooses it only if EAL was told so for everything; here it is for this table. An
 * operator's --force-max-simd-bitwidth, or a processor without it, leaves the scalar way.
 */
static void choose_lookup6(struct rte_fib6 *fib)
{
	const uint16_t bits = rte_vect_get_max_simd_bitwidth();

	if (rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_512) < 0)
		return;
	if (rte_fib6_select_lookup(fib, RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512) < 0)
		rte_fib6_select_lookup(fib, RTE_FIB6_LOOKUP_TRIE_SCALAR);
	rte_vect_set_max_simd_bitwidth(bits);
}

static int create6(struct weir_fib *f, const struct weir_rib_conf *c, const char *name)
{
	struct rte_fib6_conf conf = {.type = RTE_FIB6_TRIE, .default_nh = WEIR_HOP_NONE};

	conf.max_routes = (int)c->routes6 + SPARE;
	conf.trie.nh_sz = is_wide(c->groups6) ? RTE_FIB6_TRIE_4B : RTE_FIB6_TRIE_2B;
	conf.trie.num_tbl8 = c->groups6 + SPARE;
	f->v6 = rte_fib6_create(name, c->numa, &conf);
	if (f->v6 == NULL)
		return -ENOMEM;
	choose_lookup6(f->v6);
	return 0;
}

int fib_create(struct weir_fib *f, const struct weir_rib_conf *conf)
{
	static unsigned made; /* names must differ */
	char name[32];
	int rc;

	memset(f, 0, sizeof(*f));
	snprintf(name, sizeof(name), "weir4_%u", made);
	rc = create4(f, conf, name);
	snprintf(name, sizeof(name), "weir6_%u", made++);
	if (rc == 0)
		rc = create6(f, conf, name);
	if (rc < 0)
		fib_destroy(f);
	return rc;
}

void fib_destroy(struct weir_fib *f)
{
	rte_fib_free(f->v4);
	rte_fib6_free(f->v6);
	memset(f, 0, sizeof(*f));
}

static uint32_t word(const struct weir_prefix *p)
{
	const uint8_t *b = p->addr.bytes;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Groups that this prefix needs and no other one that is in the table. */
static uint32_t own_groups4(struct weir_fib *f, const struct weir_prefix *to)
{
	if (to->length <= 24)
		return 0;
	return rte_rib_get_nxt(rte_fib_get_rib(f->v4), word(to) & ~UINT32_C(0xff), 24, NULL,
			       RTE_RIB_GET_NXT_COVER) == NULL;
}

static uint32_t own_groups6(struct weir_fib *f, const struct weir_prefix *to)
{
	struct rte_rib6 *rib = rte_fib6_get_rib(f->v6);
	struct weir_prefix block = {.addr = to->addr};
	uint32_t n = 0;

	if (to->length <= 24)
		return 0;
	/* A group for each byte from the 4th on: from the longest, until one is there already. */
	for (int bits = (to->length - 1) / 8 * 8; bits >= 24; bits -= 8) {
		block.length = (uint8_t)bits;
		block = weir_prefix_network(&block);
		if (rte_rib6_get_nxt(rib, (const void *)block.addr.bytes, block.length, NULL,
				     RTE_RIB6_GET_NXT_COVER) != NULL)
			break;
		n++;
	}
	return n;
}

static int set4(struct weir_fib *f, const struct weir_rib_conf *conf, const struct weir_prefix *to,
		uint16_t hop)
{
	const uint32_t ip = word(to);
	uint32_t groups;
	int rc;

	if (hop == 0) {
		rc = rte_fib_delete(f->v4, ip, to->length);
		if (rc == 0)
			f->groups4 -= own_groups4(f, to);
		return rc;
	}
	if (rte_rib_lookup_exact(rte_fib_get_rib(f->v4), ip, to->length) != NULL)
		return rte_fib_add(f->v4, ip, to->length, hop);
	groups = own_groups4(f, to);
	if (f->groups4 + groups > conf->groups4)
		return -ENOSPC;
	rc = rte_fib_add(f->v4, ip, to->length, hop);
	if (rc == 0)
		f->groups4 += groups;
	return rc;
}

static int set6(struct weir_fib *f, const struct weir_rib_conf *conf, const struct weir_prefix *to,
		uint16_t hop)
{
	const void *ip = to->addr.bytes; /* arrays in DPDK 22.11, structs since 24.11 */
	uint32_t groups;
	int rc;

	if (hop == 0) {
		rc = rte_fib6_delete(f->v6, ip, to->length);
		if (rc == 0)
			f->groups6 -= own_groups6(f, to);
		return rc;
	}
	if (rte_rib6_lookup_exact(rte_fib6_get_rib(f->v6), ip, to->length) != NULL)
		return rte_fib6_add(f->v6, ip, to->length, hop);
	groups = own_groups6(f, to);
	if (f->groups6 + groups > conf->groups6)
		return -ENOSPC;
	rc = rte_fib6_add(f->v6, ip, to->length, hop);
	if (rc == 0)
		f->groups6 += groups;
	return rc;
}

static int set(struct weir_fib *f, const struct weir_rib_conf *conf, const struct weir_prefix *to,
	       uint16_t hop)
{
	return to->addr.family == 4 ? set4(f, conf, to, hop) : set6(f, conf, to, hop);
}

/* The hop of this very prefix, 0 if it is not there. */
static uint16_t hop_of(struct weir_fib *f, const struct weir_prefix *to)
{
	uint64_t hop = 0;

	if (to->addr.family == 4) {
		struct rte_rib_node *n =
			rte_rib_lookup_exact(rte_fib_get_rib(f->v4), word(to), to->length);

		if (n != NULL)
			rte_rib_get_nh(n, &hop);
	} else {
		struct rte_rib6_node *n = rte_rib6_lookup_exact(
			rte_fib6_get_rib(f->v6), (const void *)to->addr.bytes, to->length);

		if (n != NULL)
			rte_rib6_get_nh(n, &hop);
	}
	return (uint16_t)hop;
}

/* The prefix of this length that ends where the address space does. */
static struct weir_prefix at_the_end(uint8_t family, uint8_t length)
{
	struct weir_prefix p = {.addr.family = family, .length = length};

	memset(p.addr.bytes, 0xff, family == 4 ? 4 : 16);
	return weir_prefix_network(&p);
}

int fib_set(struct weir_fib *f, const struct weir_rib_conf *conf, const struct weir_prefix *to,
	    uint16_t hop)
{
	const uint8_t family = to->addr.family, most = family == 4 ? 32 : 128;
	const struct weir_prefix end = at_the_end(family, to->length);
	uint16_t longer[129];
	int rc = 0;

	if (!weir_addr_equal(&end.addr, &to->addr))
		return set(f, conf, to, hop);
	for (unsigned l = most; l > to->length && rc == 0; l--) {
		const struct weir_prefix p = at_the_end(family, (uint8_t)l);

		longer[l] = hop_of(f, &p);
		if (longer[l] != 0)
			rc = set(f, conf, &p, 0);
	}
	if (rc == 0)
		rc = set(f, conf, to, hop);
	for (unsigned l = to->length + 1u; l <= most && rc == 0; l++) {
		const struct weir_prefix p = at_the_end(family, (uint8_t)l);

		if (longer[l] != 0)
			rc = set(f, conf, &p, longer[l]);
	}
	return rc;
}

/* 2^24 entries and the groups, of 2 or 4 bytes. */
static uint64_t entry_bytes(uint32_t groups)
{
	return ((UINT64_C(1) << 24) + 256 * ((uint64_t)groups + SPARE)) * (is_wide(groups) ? 4 : 2);
}

uint64_t fib_bytes(const struct weir_rib_conf *conf)
{
	const uint64_t nodes = 2 * ((uint64_t)conf->routes4 + conf->routes6 + 2 * SPARE);

	return entry_bytes(conf->groups4) + entry_bytes(conf->groups6) + nodes * NODE_BYTES;
}
