/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A writer of MaxMind databases (MaxMind DB file format specification, version 2.0), as small as
 * tests need it: a search tree, records of countries, and the metadata that a reader asks for.
 *
 *	toy_mmdb_begin(&db, 6, 28);
 *	de = toy_mmdb_country(&db, "country", "DE");
 *	toy_mmdb_add(&db, "192.0.2.0/24", de);          what is added later goes before
 *	toy_mmdb_write(&db, path);
 */

#include "test.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/addr.h>

/* Records while the tree grows: nothing, a node, or data. */
#define TOY_MMDB_EMPTY	UINT32_MAX
#define TOY_MMDB_DATA	UINT32_C(0x80000000)
#define TOY_MMDB_BROKEN UINT32_C(0x7fffffff) /* leads out of the file */

struct toy_mmdb {
	uint32_t (*node)[2];
	uint32_t nodes, room;
	uint8_t data[1 << 16];
	uint32_t data_bytes;
	uint8_t ip_version, record_bits;
};

static inline uint32_t toy_mmdb_node(struct toy_mmdb *db, uint32_t both)
{
	if (db->nodes == db->room) {
		db->room = db->room == 0 ? 1024 : 2 * db->room;
		db->node = realloc(db->node, db->room * sizeof(*db->node));
		CU_ASSERT_PTR_NOT_NULL_FATAL(db->node);
	}
	db->node[db->nodes][0] = db->node[db->nodes][1] = both;
	return db->nodes++;
}

static inline void toy_mmdb_begin(struct toy_mmdb *db, uint8_t ip_version, uint8_t record_bits)
{
	memset(db, 0, sizeof(*db));
	db->ip_version = ip_version;
	db->record_bits = record_bits;
	toy_mmdb_node(db, TOY_MMDB_EMPTY);
}

static inline void toy_mmdb_end(struct toy_mmdb *db)
{
	free(db->node);
}

/* Types: 2 is text, 5 and 6 are numbers, 7 is a map. Sizes below 29 alone. */
static inline size_t toy_mmdb_text(uint8_t *to, const char *text)
{
	const size_t n = strlen(text);

	to[0] = (uint8_t)(2 << 5 | n);
	memcpy(to + 1, text, n);
	return n + 1;
}

static inline size_t toy_mmdb_number(uint8_t *to, uint8_t type, uint32_t number)
{
	const uint8_t bytes = type == 5 ? 2 : 4;

	to[0] = (uint8_t)(type << 5 | bytes);
	for (uint8_t i = 0; i < bytes; i++)
		to[1 + i] = (uint8_t)(number >> 8 * (bytes - 1 - i));
	return 1u + bytes;
}

/* A record {"continent": {}, FIELD: {"iso_code": CODE}}; where it is. */
static inline uint32_t toy_mmdb_country(struct toy_mmdb *db, const char *field, const char *code)
{
	const uint32_t at = db->data_bytes;
	uint8_t *to = db->data + at;

	*to++ = 7 << 5 | 2;
	to += toy_mmdb_text(to, "continent");
	*to++ = 7 << 5;
	to += toy_mmdb_text(to, field);
	*to++ = 7 << 5 | 1;
	to += toy_mmdb_text(to, "iso_code");
	to += toy_mmdb_text(to, code);
	db->data_bytes = (uint32_t)(to - db->data);
	CU_ASSERT_FATAL(db->data_bytes < sizeof(db->data) - 64);
	return TOY_MMDB_DATA | at;
}

/* The record of a prefix, its nodes made; what stood above it is handed down. */
static inline uint32_t *toy_mmdb_record(struct toy_mmdb *db, const struct weir_prefix *p)
{
	const unsigned skip = p->addr.family == 4 && db->ip_version == 6 ? 96 : 0;
	uint32_t at = 0, side = 0;

	CU_ASSERT_FATAL(skip + p->length > 0);
	for (unsigned bit = 0; bit < skip + p->length; bit++) {
		if (bit > 0) {
			const uint32_t above = db->node[at][side];
			uint32_t next = above;

			if (above == TOY_MMDB_EMPTY || (above & TOY_MMDB_DATA)) {
				next = toy_mmdb_node(db, above);
				db->node[at][side] = next;
			}
			at = next;
		}
		side = 0;
		if (bit >= skip)
			side = p->addr.bytes[(bit - skip) / 8] >> (7 - (bit - skip) % 8) & 1;
	}
	return &db->node[at][side];
}

static inline void toy_mmdb_add_prefix(struct toy_mmdb *db, const struct weir_prefix *p,
				       uint32_t record)
{
	*toy_mmdb_record(db, p) = record;
}

static inline void toy_mmdb_add(struct toy_mmdb *db, const char *prefix, uint32_t record)
{
	struct weir_prefix p = {0};

	CU_ASSERT_EQUAL_FATAL(weir_prefix_parse(prefix, strlen(prefix), &p), 0);
	toy_mmdb_add_prefix(db, &p, record);
}

/* The node that another record leads to, to point there again. */
static inline uint32_t toy_mmdb_at(struct toy_mmdb *db, const char *prefix)
{
	struct weir_prefix p = {0};

	CU_ASSERT_EQUAL_FATAL(weir_prefix_parse(prefix, strlen(prefix), &p), 0);
	return *toy_mmdb_record(db, &p);
}

static inline uint32_t toy_mmdb_value(const struct toy_mmdb *db, uint32_t record)
{
	if (record == TOY_MMDB_EMPTY)
		return db->nodes;
	if (record & TOY_MMDB_DATA)
		return db->nodes + 16 + (record & ~TOY_MMDB_DATA);
	return record == TOY_MMDB_BROKEN ? db->nodes + 16 + (1 << 20) : record;
}

static inline size_t toy_mmdb_put_node(const struct toy_mmdb *db, uint32_t i, uint8_t *to)
{
	const uint32_t l = toy_mmdb_value(db, db->node[i][0]),
		       r = toy_mmdb_value(db, db->node[i][1]);
	uint8_t *at = to;

	if (db->record_bits == 32)
		*at++ = (uint8_t)(l >> 24);
	*at++ = (uint8_t)(l >> 16);
	*at++ = (uint8_t)(l >> 8);
	*at++ = (uint8_t)l;
	if (db->record_bits == 28)
		*at++ = (uint8_t)((l >> 24) << 4 | r >> 24);
	if (db->record_bits == 32)
		*at++ = (uint8_t)(r >> 24);
	*at++ = (uint8_t)(r >> 16);
	*at++ = (uint8_t)(r >> 8);
	*at++ = (uint8_t)r;
	return (size_t)(at - to);
}

static inline size_t toy_mmdb_metadata(const struct toy_mmdb *db, uint8_t *to)
{
	static const char mark[] = "\xab\xcd\xefMaxMind.com";
	uint8_t *at = to;

	memcpy(at, mark, sizeof(mark) - 1);
	at += sizeof(mark) - 1;
	*at++ = 7 << 5 | 9;
	at += toy_mmdb_text(at, "node_count");
	at += toy_mmdb_number(at, 6, db->nodes);
	at += toy_mmdb_text(at, "record_size");
	at += toy_mmdb_number(at, 5, db->record_bits);
	at += toy_mmdb_text(at, "ip_version");
	at += toy_mmdb_number(at, 5, db->ip_version);
	at += toy_mmdb_text(at, "database_type");
	at += toy_mmdb_text(at, "Toy-Country");
	at += toy_mmdb_text(at, "languages");
	memcpy(at, "\x00\x04", 2); /* an array of none */
	at += 2;
	at += toy_mmdb_text(at, "binary_format_major_version");
	at += toy_mmdb_number(at, 5, 2);
	at += toy_mmdb_text(at, "binary_format_minor_version");
	at += toy_mmdb_number(at, 5, 0);
	at += toy_mmdb_text(at, "build_epoch");
	memcpy(at, "\x01\x02\x2a", 3); /* a number of 64 bits: 42 */
	at += 3;
	at += toy_mmdb_text(at, "description");
	*at++ = 7 << 5;
	return (size_t)(at - to);
}

/* The file's bytes; free() them. */
static inline uint8_t *toy_mmdb_bytes(const struct toy_mmdb *db, size_t *bytes)
{
	uint8_t *file = calloc(1, db->nodes * 8ul + 16 + db->data_bytes + 512), *at = file;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	for (uint32_t i = 0; i < db->nodes; i++)
		at += toy_mmdb_put_node(db, i, at);
	at += 16;
	memcpy(at, db->data, db->data_bytes);
	at += db->data_bytes;
	at += toy_mmdb_metadata(db, at);
	*bytes = (size_t)(at - file);
	return file;
}

static inline void toy_mmdb_write_bytes(const char *path, const uint8_t *file, size_t bytes)
{
	FILE *f = fopen(path, "wb");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(file, 1, bytes, f), bytes);
	CU_ASSERT_EQUAL(fclose(f), 0);
}

static inline void toy_mmdb_write(const struct toy_mmdb *db, const char *path)
{
	size_t bytes;
	uint8_t *file = toy_mmdb_bytes(db, &bytes);

	toy_mmdb_write_bytes(path, file, bytes);
	free(file);
}
