/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What libmaxminddb takes on trust (1.7.1), judged before it sees it (MaxMind DB file format
 * specification 2.0):
 * - It multiplies the number of nodes in 32 bits, and so may find that a tree fits into a file that
 *   is too short for it, and read behind that. So the metadata are read here first.
 * - It skips what stands before a field by calling itself for each map or array inside another, so
 *   a record can let it run out of stack, or skip over all of a file for each of many records. So
 *   it is found out first how deep a record is, and of how many values. (Metadata are too short for
 *   that: they are in the last 128 KiB.)
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "geo_priv.h"

#define TAIL_BYTES (UINT32_C(128) << 10) /* where the metadata are */
#define GAP_BYTES  16			 /* between the tree and the records */

/* Records of countries have 5 levels and some 150 values, most of them names. */
#define LEVELS_MAX 32
#define VALUES_MAX 4096

/* Types that say how the bytes that follow are read. */
enum {
	EXTENDED = 0,
	POINTER = 1,
	TEXT = 2,
	UINT16 = 5,
	UINT32 = 6,
	MAP = 7,
	ARRAY = 11,
	BOOLEAN = 14,
};

struct judge {
	const uint8_t *data;
	uint32_t bytes;
	uint32_t at;
	unsigned values;
	bool bad; /* sticky */
};

static uint32_t take(struct judge *j, unsigned bytes)
{
	uint32_t n = 0;

	if (j->bytes - j->at < bytes)
		j->bad = true;
	for (unsigned i = 0; i < bytes && !j->bad; i++)
		n = n << 8 | j->data[j->at++];
	return n;
}

static void judge_value(struct judge *j, unsigned level);

/* What it points to; then what follows the pointer is next. */
static void judge_pointer(struct judge *j, uint8_t control, unsigned level)
{
	static const uint32_t first[] = {0, 2048, 526336, 0};
	const unsigned size = control >> 3 & 3;
	const uint32_t high = size == 3 ? 0 : (uint32_t)(control & 7) << 8 * (size + 1);
	const uint32_t to = first[size] + (high | take(j, size + 1));
	const uint32_t next = j->at;

	if (to >= j->bytes)
		j->bad = true;
	if (j->bad)
		return;
	j->at = to;
	judge_value(j, level + 1);
	j->at = next;
}

static void judge_value(struct judge *j, unsigned level)
{
	static const uint32_t first[] = {29, 285, 65821};
	const uint8_t control = (uint8_t)take(j, 1);
	uint32_t type = control >> 5, size = control & 31;

	if (level == LEVELS_MAX || ++j->values > VALUES_MAX)
		j->bad = true;
	if (type == POINTER && !j->bad) {
		judge_pointer(j, control, level);
		return;
	}
	if (type == EXTENDED)
		type = 7 + take(j, 1);
	if (size >= 29)
		size = first[size - 29] + take(j, size - 28);
	if (type == MAP || type == ARRAY) {
		/* A size that the file does not hold ends at its end, or at VALUES_MAX. */
		for (uint32_t i = 0; i < size && !j->bad; i++) {
			if (type == MAP)
				judge_value(j, level + 1);
			if (!j->bad)
				judge_value(j, level + 1);
		}
	} else if (type != BOOLEAN && !j->bad) {
		if (size > j->bytes - j->at)
			j->bad = true;
		else
			j->at += size;
	}
}

bool geo_check_record(const MMDB_entry_s *entry)
{
	struct judge j = {
		.data = entry->mmdb->data_section,
		.bytes = entry->mmdb->data_section_size,
		.at = entry->offset,
	};

	if (j.at >= j.bytes)
		return false;
	judge_value(&j, 0);
	return !j.bad;
}

/* The key of a pair, if it stands there and is not pointed to. */
static bool take_key(struct judge *j, const char *name, bool *is)
{
	const uint8_t control = (uint8_t)take(j, 1);
	const uint32_t len = control & 31;

	if (control >> 5 != TEXT || len >= 29 || len > j->bytes - j->at)
		j->bad = true;
	if (j->bad)
		return false;
	*is = len == strlen(name) && memcmp(j->data + j->at, name, len) == 0;
	j->at += len;
	return true;
}

static bool take_number(struct judge *j, uint32_t *number)
{
	const uint8_t control = (uint8_t)take(j, 1);
	const uint8_t type = control >> 5, len = control & 31;

	if ((type != UINT16 && type != UINT32) || len > 4)
		j->bad = true;
	*number = take(j, len);
	return !j->bad;
}

/* A number of the metadata by its name, which is there just once; false: it is not. */
static bool find_number(const uint8_t *metadata, uint32_t bytes, const char *name, uint32_t *number)
{
	struct judge j = {.data = metadata, .bytes = bytes};
	const uint8_t control = (uint8_t)take(&j, 1);
	unsigned found = 0;
	bool is;

	if (control >> 5 != MAP || (control & 31) >= 29)
		return false;
	for (unsigned pair = 0; pair < (control & 31) && take_key(&j, name, &is); pair++) {
		if (is)
			found += take_number(&j, number);
		else
			judge_value(&j, 1);
	}
	return found == 1 && !j.bad;
}

/* The last mark; the metadata are behind it. */
static const uint8_t *find_metadata(const uint8_t *tail, size_t bytes)
{
	static const char mark[] = "\xab\xcd\xefMaxMind.com";
	const size_t len = sizeof(mark) - 1;

	for (size_t at = bytes; at >= len; at--)
		if (memcmp(tail + at - len, mark, len) == 0)
			return tail + at;
	return NULL;
}

static bool tree_fits(const uint8_t *tail, size_t bytes, uint64_t file_bytes)
{
	const uint8_t *metadata = find_metadata(tail, bytes);
	uint32_t nodes, bits, len;

	if (metadata == NULL)
		return false;
	len = (uint32_t)(tail + bytes - metadata);
	if (!find_number(metadata, len, "node_count", &nodes) ||
	    !find_number(metadata, len, "record_size", &bits))
		return false;
	return bits <= 32 && (uint64_t)nodes * (2 * bits / 8) + GAP_BYTES <= file_bytes;
}

int geo_check_file(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *tail = malloc(TAIL_BYTES);
	int rc = f == NULL ? -errno : 0;
	size_t bytes = 0;
	long size = 0;

	if (rc == 0 && tail == NULL)
		rc = -ENOMEM;
	if (rc == 0 && (fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0 ||
			fseek(f, size > (long)TAIL_BYTES ? size - (long)TAIL_BYTES : 0, SEEK_SET)))
		rc = -errno;
	if (rc == 0) {
		bytes = fread(tail, 1, TAIL_BYTES, f);
		if (ferror(f))
			rc = -errno;
		else if (!tree_fits(tail, bytes, (uint64_t)size))
			rc = -EBADMSG;
	}
	free(tail);
	if (f != NULL)
		fclose(f);
	return rc;
}
