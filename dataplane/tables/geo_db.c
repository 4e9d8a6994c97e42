/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The search tree of a MaxMind database as prefixes of countries.
 *
 * A node has a record for the bit 0 and one for the bit 1: another node, nothing, or data. A file
 * may hold anything, so it is walked to the depth of an address at most, and no more nodes are
 * visited than it has: the one reason to come to a node twice, other ways to the IPv4 part (::/96),
 * is left out.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "geo_priv.h"

#define MIXED	  UINT16_MAX /* a subtree of more than one country */
#define V4_DEPTH  96	     /* of the IPv4 part in a tree of IPv6 */
#define REMEMBERS 4096	     /* records, a power of two */

struct geo_db {
	MMDB_s mmdb;
	const char *path; /* the caller's */
	/* The country of a record by its place: many prefixes share one. */
	struct {
		uint32_t offset; /* + 1; 0: free */
		uint16_t country;
	} known[REMEMBERS];
};

struct walk {
	struct geo_db *db;
	unsigned bits;		/* of an address */
	uint32_t visited;	/* nodes */
	uint32_t v4_node;	/* its ways are left out; UINT32_MAX: none */
	struct weir_prefix way; /* the bits that lead here */
	int (*fn)(void *ctx, const struct weir_prefix *prefix, uint16_t country);
	void *ctx;
	struct geo_count *count;
	struct weir_why *why;
};

/* A record of a node. */
struct record {
	uint64_t value;
	uint8_t type;
	MMDB_entry_s entry;
};

uint16_t geo_number(const char *iso_code, size_t len)
{
	if (len != 2 || iso_code[0] < 'A' || iso_code[0] > 'Z' || iso_code[1] < 'A' ||
	    iso_code[1] > 'Z')
		return WEIR_GEO_NONE;
	return (uint16_t)(1 + 26 * (iso_code[0] - 'A') + iso_code[1] - 'A');
}

static int open_file(struct geo_db *db, const char *path, struct weir_why *why)
{
	const int rc = geo_check_file(path);
	int status;

	if (rc == -ENOMEM)
		return weir_why(why, rc, "%s: out of memory", path);
	if (rc == -EBADMSG)
		return weir_why(why, rc, "%s: is no MaxMind database, or not all of one", path);
	if (rc < 0)
		return weir_why(why, rc, "%s: cannot be read: %s", path, strerror(-rc));
	status = MMDB_open(path, MMDB_MODE_MMAP, &db->mmdb);
	if (status == MMDB_OUT_OF_MEMORY_ERROR)
		return weir_why(why, -ENOMEM, "%s: out of memory", path);
	if (status != MMDB_SUCCESS)
		return weir_why(why, -EBADMSG, "%s: is no MaxMind database: %s", path,
				MMDB_strerror(status));
	return 0;
}

int geo_db_open(const char *path, struct geo_db **out, struct weir_why *why)
{
	struct geo_db *db = calloc(1, sizeof(*db));
	int rc;

	if (db == NULL)
		return weir_why(why, -ENOMEM, "%s: out of memory", path);
	db->path = path;
	rc = open_file(db, path, why);
	if (rc < 0) {
		free(db);
		return rc;
	}
	*out = db;
	return 0;
}

void geo_db_close(struct geo_db *db)
{
	if (db == NULL)
		return;
	MMDB_close(&db->mmdb);
	free(db);
}

static int corrupt(const struct walk *w, const char *what)
{
	char text[WEIR_PREFIX_TEXT];

	return weir_why(w->why, -EBADMSG, "%s: corrupt at %s: %s", w->db->path,
			weir_prefix_format(&w->way, text), what);
}

/* The country in a record, NONE if it has no such field, or an error. */
static int read_country(const struct walk *w, MMDB_entry_s *entry)
{
	static const char *const fields[] = {"country", "registered_country"};
	uint16_t number = WEIR_GEO_NONE;
	MMDB_entry_data_s data;
	int status;

	if (!geo_check_record(entry))
		return corrupt(w, "a record is too deep, too long, or leads out of the file");
	for (unsigned i = 0; i < 2; i++) {
		status = MMDB_get_value(entry, &data, fields[i], "iso_code", NULL);
		if (status == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR)
			continue;
		if (status != MMDB_SUCCESS)
			return corrupt(w, MMDB_strerror(status));
		if (data.type == MMDB_DATA_TYPE_UTF8_STRING)
			number = geo_number(data.utf8_string, data.data_size);
		if (number == WEIR_GEO_NONE)
			return corrupt(w, "iso_code is not two capital letters");
		return number;
	}
	return WEIR_GEO_NONE;
}

static int country_of(struct walk *w, MMDB_entry_s *entry)
{
	struct geo_db *db = w->db;
	const uint32_t at = entry->offset & (REMEMBERS - 1);
	int country;

	if (db->known[at].offset == entry->offset + 1)
		return db->known[at].country;
	country = read_country(w, entry);
	if (country >= 0) {
		db->known[at].offset = entry->offset + 1;
		db->known[at].country = (uint16_t)country;
	}
	return country;
}

static int read_node(const struct walk *w, uint64_t node, struct record out[2])
{
	MMDB_search_node_s n;

	if (node >= w->db->mmdb.metadata.node_count ||
	    MMDB_read_node(&w->db->mmdb, (uint32_t)node, &n) != MMDB_SUCCESS)
		return corrupt(w, "a node is beyond the end of its search tree");
	out[0] = (struct record){n.left_record, n.left_record_type, n.left_record_entry};
	out[1] = (struct record){n.right_record, n.right_record_type, n.right_record_entry};
	return 0;
}

static void turn(struct walk *w, unsigned depth, bool one)
{
	const uint8_t bit = (uint8_t)(0x80 >> depth % 8);

	w->way.addr.bytes[depth / 8] &= (uint8_t)~bit;
	if (one)
		w->way.addr.bytes[depth / 8] |= bit;
}

static int tell(struct walk *w, unsigned length, uint16_t country)
{
	int rc = 0;

	if (country == WEIR_GEO_NONE || country == MIXED)
		return 0;
	if (++w->count->prefixes > WEIR_GEO_PREFIXES_MAX)
		return weir_why(w->why, -ENOSPC, "%s: more than %u prefixes of IPv%u", w->db->path,
				WEIR_GEO_PREFIXES_MAX, w->way.addr.family);
	w->way.length = (uint8_t)length;
	if (w->fn != NULL)
		rc = w->fn(w->ctx, &w->way, country);
	return rc;
}

/* Tell what is of one country in each half of a node. */
static int tell_halves(struct walk *w, unsigned depth, const int half[2])
{
	int rc = 0;

	for (unsigned one = 0; one < 2 && rc == 0; one++) {
		turn(w, depth, one);
		rc = tell(w, depth + 1, (uint16_t)half[one]);
	}
	turn(w, depth, 0);
	return rc;
}

static int subtree(struct walk *w, struct record *r, unsigned depth);

static int node(struct walk *w, uint64_t number, unsigned depth)
{
	struct record r[2];
	int half[2], rc;

	w->way.length = (uint8_t)depth;
	if (depth == w->bits)
		return corrupt(w, "its search tree is deeper than an address is long");
	if (++w->visited > w->db->mmdb.metadata.node_count)
		return corrupt(w, "its search tree comes to the same nodes again");
	rc = read_node(w, number, r);
	for (unsigned one = 0; one < 2 && rc >= 0; one++) {
		turn(w, depth, one);
		rc = half[one] = subtree(w, &r[one], depth + 1);
	}
	turn(w, depth, 0);
	if (rc < 0)
		return rc;
	if (half[0] == half[1] && half[0] != MIXED)
		return half[0];
	if (depth >= 24 && depth % 8 == 0)
		w->count->groups++;
	rc = tell_halves(w, depth, half);
	return rc < 0 ? rc : MIXED;
}

/* The country of all that a record leads to, or MIXED: then its parts were told. Or an error. */
static int subtree(struct walk *w, struct record *r, unsigned depth)
{
	if (r->type == MMDB_RECORD_TYPE_EMPTY)
		return WEIR_GEO_NONE;
	if (r->type == MMDB_RECORD_TYPE_DATA)
		return country_of(w, &r->entry);
	if (r->type != MMDB_RECORD_TYPE_SEARCH_NODE)
		return corrupt(w, "a record leads out of the file");
	if (r->value == w->v4_node)
		return WEIR_GEO_NONE;
	return node(w, r->value, depth);
}

/* Where the IPv4 part begins: at the root, or 96 zeros below. */
static int find_v4(struct walk *w, struct record *out)
{
	struct record r[2];
	int rc = 0;

	*out = (struct record){.type = MMDB_RECORD_TYPE_SEARCH_NODE};
	if (w->db->mmdb.metadata.ip_version == 4)
		return 0;
	for (unsigned depth = 0;
	     rc == 0 && depth < V4_DEPTH && out->type == MMDB_RECORD_TYPE_SEARCH_NODE; depth++) {
		rc = read_node(w, out->value, r);
		if (rc == 0)
			*out = r[0];
	}
	return rc;
}

int geo_db_walk(struct geo_db *db, uint8_t family,
		int (*fn)(void *ctx, const struct weir_prefix *prefix, uint16_t country), void *ctx,
		struct geo_count *count, struct weir_why *why)
{
	struct walk w = {
		.db = db,
		.bits = family == 4 ? 32 : 128,
		.v4_node = UINT32_MAX,
		.way.addr.family = family,
		.fn = fn,
		.ctx = ctx,
		.count = count,
		.why = why,
	};
	struct record start;
	int rc = find_v4(&w, &start);

	*count = (struct geo_count){0};
	if (rc < 0 || (family == 6 && db->mmdb.metadata.ip_version == 4))
		return rc;
	if (family == 6) {
		if (start.type == MMDB_RECORD_TYPE_SEARCH_NODE)
			w.v4_node = (uint32_t)start.value;
		start = (struct record){.type = MMDB_RECORD_TYPE_SEARCH_NODE};
	}
	/* Of one country as a whole: as two halves, for rte_lpm6 has no length 0. */
	if (family == 4)
		rc = subtree(&w, &start, 0);
	else
		rc = node(&w, 0, 0);
	if (rc >= 0 && rc != MIXED)
		rc = tell_halves(&w, 0, (const int[]){rc, rc});
	return rc < 0 ? rc : 0;
}
