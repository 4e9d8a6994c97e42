/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * geo_db.c walks a database that geo_check.c judges, geo.c puts what they find into tables.
 * Control thread only.
 */

#include <maxminddb.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/geo.h>
#include <weir/why.h>

/* What there is of a family. */
struct geo_count {
	uint32_t prefixes;
	uint32_t groups; /* of 256 entries, for prefixes longer than 24, 32, 40 ... bits */
};

struct geo_db;

/* Open a file; its name must live as long. As weir_geo_create() returns. */
int geo_db_open(const char *path, struct geo_db **out, struct weir_why *why);
/* NULL is allowed. */
void geo_db_close(struct geo_db *db);
/*
 * Call @fn (NULL: only count) for each prefix of a family, in no order; they do not overlap, and
 * none has the length 0. Stops at the first error.
 */
int geo_db_walk(struct geo_db *db, uint8_t family,
		int (*fn)(void *ctx, const struct weir_prefix *prefix, uint16_t country), void *ctx,
		struct geo_count *count, struct weir_why *why);

/* geo_check.c: whether libmaxminddb may open a file; 0, -EBADMSG, or why it cannot be read. */
int geo_check_file(const char *path);
/* Whether it may read a record. */
bool geo_check_record(const MMDB_entry_s *entry);

/* The number of a country by two capital letters; WEIR_GEO_NONE if they are not. */
uint16_t geo_number(const char *iso_code, size_t len);
