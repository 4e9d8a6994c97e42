/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The country in a record of a MaxMind database (MaxMind DB file format specification 2.0, "Output
 * Data Section").
 *
 * libmaxminddb finds the field. But it skips what stands before it by calling itself for each map
 * or array inside another (1.7.1), so a file can let it run out of stack, or skip over all of a
 * file for each of its records. So a record is first judged here: how deep it is, and of how many
 * values. (The metadata are safe: they are no longer than 128 KiB.)
 */

#include <errno.h>
#include <maxminddb.h>

#include "geo_priv.h"

/* Records of countries have 5 levels and some 150 values, most of them names. */
#define LEVELS_MAX 32
#define VALUES_MAX 4096

/* Types that say how the bytes that follow are read. */
enum {
	EXTENDED = 0,
	POINTER = 1,
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

static bool is_sound(const MMDB_entry_s *entry)
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

uint16_t geo_number(const char *iso_code, size_t len)
{
	if (len != 2 || iso_code[0] < 'A' || iso_code[0] > 'Z' || iso_code[1] < 'A' ||
	    iso_code[1] > 'Z')
		return WEIR_GEO_NONE;
	return (uint16_t)(1 + 26 * (iso_code[0] - 'A') + iso_code[1] - 'A');
}

int geo_record_country(MMDB_entry_s *entry, const char **wrong)
{
	static const char *const fields[] = {"country", "registered_country"};
	MMDB_entry_data_s data;
	uint16_t number;
	int status;

	*wrong = "a record is too deep, too long, or leads out of the file";
	if (!is_sound(entry))
		return -EBADMSG;
	for (unsigned i = 0; i < 2; i++) {
		status = MMDB_get_value(entry, &data, fields[i], "iso_code", NULL);
		*wrong = MMDB_strerror(status);
		if (status == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR)
			continue;
		if (status != MMDB_SUCCESS)
			return -EBADMSG;
		number = data.type == MMDB_DATA_TYPE_UTF8_STRING
				 ? geo_number(data.utf8_string, data.data_size)
				 : WEIR_GEO_NONE;
		*wrong = "iso_code is not two capital letters";
		return number == WEIR_GEO_NONE ? -EBADMSG : number;
	}
	return WEIR_GEO_NONE;
}
