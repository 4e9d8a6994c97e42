/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Countries of addresses, from a MaxMind database, as one lookup of a worker.
 *
 * The database (MaxMind DB file format 2.0, read by libmaxminddb) is walked once on the control
 * thread; neighbours of the same country become one prefix. Workers read forwarding tables of
 * rte_fib and rte_lpm6 whose next hops are numbers of countries. The country of an address is
 * country.iso_code of its record, or registered_country.iso_code where the first is missing. What a
 * database says of IPv4-mapped and 6to4 addresses, by pointing to its IPv4 part, is not taken over.
 */

#include <stdint.h>
#include <weir/must_check.h>
#include <weir/why.h>

/** No country is known of it. */
#define WEIR_GEO_NONE 0
/** Numbers of countries are below this. */
#define WEIR_GEO_COUNTRIES 677
/** Addresses that are looked up at once, at most. */
#define WEIR_GEO_BURST 64
/** Prefixes of a family at most, after neighbours of the same country became one. */
#define WEIR_GEO_PREFIXES_MAX (UINT32_C(1) << 22)

struct weir_geo;

/**
 * Memory that the tables of a database will take, for --plan. Reads the database. Any thread.
 * @param bytes of EAL's memory.
 * @return as weir_geo_create().
 */
WEIR_MUST_CHECK int weir_geo_size(const char *path, uint64_t *bytes, struct weir_why *why);
/**
 * Read a database. EAL must be up. Control thread.
 * @param numa node of the memory; -1: any.
 * @return 0, or -errno with a sentence that names the file: -EBADMSG if it is corrupt or no such
 *         database, -ENODATA if no address in it has a country, -ENOSPC above
 *         WEIR_GEO_PREFIXES_MAX, -ENOMEM, or why it cannot be read.
 */
WEIR_MUST_CHECK int weir_geo_create(const char *path, int numa, struct weir_geo **out,
				    struct weir_why *why);
/** Free; no worker may see it. NULL is allowed. Control thread. */
void weir_geo_free(struct weir_geo *g);
/**
 * The number of a country by its ISO 3166 code ("DE"), the same in every database; WEIR_GEO_NONE:
 * the database has no address of it. Any thread.
 */
WEIR_MUST_CHECK uint16_t weir_geo_country(const struct weir_geo *g, const char *iso_code);
/** The code of a number; "??" for WEIR_GEO_NONE and what is none. Lives as long as @p g. Any
 * thread. */
const char *weir_geo_code(const struct weir_geo *g, uint16_t country);
/** How many prefixes it has of IPv4 and IPv6. Any thread. */
void weir_geo_prefixes(const struct weir_geo *g, uint32_t *v4, uint32_t *v6);

/**
 * Countries of addresses. A worker's thread.
 * @param family  4 or 6, of all.
 * @param addr    n pointers to addresses in network order: 4 bytes or 16.
 * @param n       to WEIR_GEO_BURST.
 * @param country n numbers, WEIR_GEO_NONE where none is known.
 */
void weir_geo_lookup(const struct weir_geo *g, uint8_t family, const uint8_t *const *addr,
		     unsigned n, uint16_t *country);
