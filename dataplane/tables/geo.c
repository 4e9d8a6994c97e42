/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Countries of addresses: a database (geo_db.c) in forwarding tables of the size that it needs,
 * rte_fib for IPv4 and rte_lpm6 for IPv6.
 *
 * Not rte_fib6: it reserves groups by an estimate, one and more for each prefix longer than 24 bits
 * that no other one covers (see fib.c), and here no prefix covers another. A database of the world
 * would need ten times the memory that is then used.
 */

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <rte_byteorder.h>
#include <rte_fib.h>
#include <rte_lpm6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "geo_priv.h"

/* What entries of 2 bytes can number. */
#define NARROW_GROUPS ((UINT32_C(1) << 15) - 1)
/* rte_lpm6's limit. */
#define GROUPS_MAX (UINT32_C(1) << 21)

struct weir_geo {
	struct rte_fib *v4;  /* NULL: there are no prefixes */
	struct rte_lpm6 *v6; /* the same */
	struct geo_count count4, count6;
	bool has[WEIR_GEO_COUNTRIES];
	char code[WEIR_GEO_COUNTRIES][3];
};

static bool is_wide(const struct geo_count *c)
{
	return c->groups + 1 > NARROW_GROUPS;
}

static int count_all(struct geo_db *db, const char *path, struct geo_count *four,
		     struct geo_count *six, struct weir_why *why)
{
	int rc = geo_db_walk(db, 4, NULL, NULL, four, why);

	if (rc == 0)
		rc = geo_db_walk(db, 6, NULL, NULL, six, why);
	if (rc < 0)
		return rc;
	if (four->prefixes == 0 && six->prefixes == 0)
		return weir_why(why, -ENODATA,
				"%s: no address in it has a country.iso_code; is it a database of "
				"countries?",
				path);
	if (six->groups >= GROUPS_MAX)
		return weir_why(why, -ENOSPC, "%s: its prefixes of IPv6 need more than %u groups",
				path, GROUPS_MAX);
	return 0;
}

/* Entries, and for each prefix two nodes of rte_rib, or a rule in rte_lpm6's hash. */
static uint64_t bytes4(const struct geo_count *c)
{
	const uint64_t entries = (UINT64_C(1) << 24) + 256 * (c->groups + UINT64_C(1));

	return c->prefixes == 0 ? 0 : entries * (is_wide(c) ? 4 : 2) + c->prefixes * UINT64_C(384);
}

static uint64_t bytes6(const struct geo_count *c)
{
	const uint64_t entries = (UINT64_C(1) << 24) + 256 * (c->groups + UINT64_C(1));

	return c->prefixes == 0 ? 0 : entries * 4 + c->prefixes * UINT64_C(100);
}

int weir_geo_size(const char *path, uint64_t *bytes, struct weir_why *why)
{
	struct geo_count four, six;
	struct geo_db *db;
	int rc = geo_db_open(path, &db, why);

	if (rc < 0)
		return rc;
	rc = count_all(db, path, &four, &six, why);
	geo_db_close(db);
	if (rc == 0)
		*bytes = sizeof(struct weir_geo) + bytes4(&four) + bytes6(&six);
	return rc;
}

static int add4(void *ctx, const struct weir_prefix *p, uint16_t country)
{
	struct weir_geo *g = ctx;
	const uint8_t *b = p->addr.bytes;
	const uint32_t ip = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 |
			    b[3];

	g->has[country] = true;
	return rte_fib_add(g->v4, ip, p->length, country);
}

static int add6(void *ctx, const struct weir_prefix *p, uint16_t country)
{
	struct weir_geo *g = ctx;
	const void *ip = p->addr.bytes; /* arrays in DPDK 22.11, structs since 24.11 */

	g->has[country] = true;
	return rte_lpm6_add(g->v6, ip, p->length, country);
}

static int fill4(struct weir_geo *g, struct geo_db *db, const char *name, int numa,
		 struct weir_why *why)
{
	struct rte_fib_conf conf = {.type = RTE_FIB_DIR24_8, .default_nh = WEIR_GEO_NONE};

	if (g->count4.prefixes == 0)
		return 0;
	conf.max_routes = (int)g->count4.prefixes + 1;
	conf.dir24_8.nh_sz = is_wide(&g->count4) ? RTE_FIB_DIR24_8_4B : RTE_FIB_DIR24_8_2B;
	conf.dir24_8.num_tbl8 = g->count4.groups + 1;
	g->v4 = rte_fib_create(name, numa, &conf);
	return g->v4 == NULL ? -ENOMEM : geo_db_walk(db, 4, add4, g, &g->count4, why);
}

static int fill6(struct weir_geo *g, struct geo_db *db, const char *name, int numa,
		 struct weir_why *why)
{
	const struct rte_lpm6_config conf = {.max_rules = g->count6.prefixes + 1,
					     .number_tbl8s = g->count6.groups + 1};

	if (g->count6.prefixes == 0)
		return 0;
	g->v6 = rte_lpm6_create(name, numa, &conf);
	return g->v6 == NULL ? -ENOMEM : geo_db_walk(db, 6, add6, g, &g->count6, why);
}

static int fill(struct weir_geo *g, struct geo_db *db, const char *path, int numa,
		struct weir_why *why)
{
	static unsigned made; /* names must differ */
	struct weir_why own = {0};
	char name[32];
	int rc;

	snprintf(name, sizeof(name), "weir_geo4_%u", made);
	rc = fill4(g, db, name, numa, &own);
	snprintf(name, sizeof(name), "weir_geo6_%u", made++);
	if (rc == 0)
		rc = fill6(g, db, name, numa, &own);
	if (rc < 0 && own.text[0] != '\0')
		return weir_why(why, rc, "%s", own.text);
	if (rc < 0)
		return weir_why(why, rc,
				"%s: no memory for its tables: they take %" PRIu64
				" MiB; add hugepages",
				path, (bytes4(&g->count4) + bytes6(&g->count6)) >> 20);
	return 0;
}

int weir_geo_create(const char *path, int numa, struct weir_geo **out, struct weir_why *why)
{
	struct weir_geo *g = NULL;
	struct geo_db *db;
	int rc = geo_db_open(path, &db, why);

	if (rc < 0)
		return rc;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		rc = weir_why(why, -ENOMEM, "%s: out of memory", path);
	if (rc == 0)
		rc = count_all(db, path, &g->count4, &g->count6, why);
	if (rc == 0)
		rc = fill(g, db, path, numa, why);
	geo_db_close(db);
	if (rc < 0) {
		weir_geo_free(g);
		return rc;
	}
	strcpy(g->code[WEIR_GEO_NONE], "??");
	for (unsigned i = 1; i < WEIR_GEO_COUNTRIES; i++) {
		g->code[i][0] = (char)('A' + (i - 1) / 26);
		g->code[i][1] = (char)('A' + (i - 1) % 26);
	}
	*out = g;
	return 0;
}

void weir_geo_free(struct weir_geo *g)
{
	if (g == NULL)
		return;
	rte_fib_free(g->v4);
	rte_lpm6_free(g->v6);
	free(g);
}

uint16_t weir_geo_country(const struct weir_geo *g, const char *iso_code)
{
	const uint16_t number = geo_number(iso_code, strlen(iso_code));

	return g->has[number] ? number : WEIR_GEO_NONE;
}

const char *weir_geo_code(const struct weir_geo *g, uint16_t country)
{
	return g->code[country < WEIR_GEO_COUNTRIES ? country : WEIR_GEO_NONE];
}

void weir_geo_prefixes(const struct weir_geo *g, uint32_t *v4, uint32_t *v6)
{
	*v4 = g->count4.prefixes;
	*v6 = g->count6.prefixes;
}

static void lookup4(const struct weir_geo *g, const uint8_t *const *addr, unsigned n,
		    uint16_t *country)
{
	uint32_t ip[WEIR_GEO_BURST];
	uint64_t hop[WEIR_GEO_BURST];

	for (unsigned i = 0; i < n; i++) {
		memcpy(&ip[i], addr[i], sizeof(ip[i]));
		ip[i] = rte_be_to_cpu_32(ip[i]);
	}
	rte_fib_lookup_bulk(g->v4, ip, hop, (int)n);
	for (unsigned i = 0; i < n; i++)
		country[i] = (uint16_t)hop[i];
}

static void lookup6(const struct weir_geo *g, const uint8_t *const *addr, unsigned n,
		    uint16_t *country)
{
	uint8_t ip[WEIR_GEO_BURST][16];
	int32_t hop[WEIR_GEO_BURST];

	for (unsigned i = 0; i < n; i++)
		memcpy(ip[i], addr[i], sizeof(ip[i]));
	rte_lpm6_lookup_bulk_func(g->v6, (void *)ip, hop, n);
	for (unsigned i = 0; i < n; i++)
		country[i] = hop[i] < 0 ? WEIR_GEO_NONE : (uint16_t)hop[i];
}

void weir_geo_lookup(const struct weir_geo *g, uint8_t family, const uint8_t *const *addr,
		     unsigned n, uint16_t *country)
{
	assert(n <= WEIR_GEO_BURST);
	if (family == 4 && g->v4 != NULL)
		lookup4(g, addr, n, country);
	else if (family == 6 && g->v6 != NULL)
		lookup6(g, addr, n, country);
	else
		memset(country, 0, n * sizeof(*country)); /* WEIR_GEO_NONE */
}
