/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf_value: single values. One table row for each type: its C type's size, what it is called,
 * how its text is read and written.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "conf_priv.h"
#include "utf8_priv.h"
#include <weir/addr.h>
#include <weir/units.h>

/* Bytes of the longest text that a number or an address is printed as. */
#define VALUE_TEXT 64

typedef int parse_fn(const struct weir_conf_key *key, const char *text, size_t len, void *out);
typedef void format_fn(const struct weir_conf_key *key, const void *value, char text[VALUE_TEXT]);

static int in_bounds(const struct weir_conf_key *key, uint64_t number)
{
	return number < key->min || (key->max != 0 && number > key->max) ? -ERANGE : 0;
}

static int parse_bool(const struct weir_conf_key *key, const char *text, size_t len, void *out)
{
	const bool yes = len == 4 && memcmp(text, "true", 4) == 0;

	if (!yes && !(len == 5 && memcmp(text, "false", 5) == 0))
		return -EINVAL;
	*(bool *)out = yes;
	return 0;
}

static int parse_number(const struct weir_conf_key *key, const char *text, size_t len, void *out)
{
	uint64_t number;
	int rc;

	if (key->type == WEIR_CONF_SIZE)
		rc = weir_parse_size(text, len, &number);
	else if (key->type == WEIR_CONF_DURATION)
		rc = weir_parse_duration(text, len, &number);
	else if (key->type == WEIR_CONF_RATE)
		rc = weir_parse_rate(text, len, &number);
	else
		rc = weir_parse_uint(text, len, &number);
	if (rc == 0)
		rc = in_bounds(key, number);
	if (rc == 0)
		*(uint64_t *)out = number;
	return rc;
}

static int parse_double(const struct weir_conf_key *key, const char *text, size_t len, void *out)
{
	double number;
	const int rc = weir_parse_double(text, len, &number);

	if (rc < 0)
		return rc;
	if (key->max != 0 && (number < (double)key->min || number > (double)key->max))
		return -ERANGE;
	*(double *)out = number;
	return 0;
}

static int parse_string(const struct weir_conf_key *key, const char *text, size_t len, void *out)
{
	const int rc = in_bounds(key, len);
	char *copy;

	if (rc < 0)
		return rc;
	copy = malloc(len + 1);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy[len] = '\0';
	free(*(char **)out);
	*(char **)out = copy;
	return 0;
}

static int parse_enum(const struct weir_conf_key *key, const char *text, size_t len, void *out)
{
	for (int i = 0; key->names[i] != NULL; i++)
		if (strlen(key->names[i]) == len && memcmp(key->names[i], text, len) == 0) {
			*(int *)out = i;
			return 0;
		}
	return -EINVAL;
}

static int parse_mac(const struct weir_conf_key *key, const char *text, size_t len, void *out)
{
	return weir_mac_parse(text, len, out);
}

static int parse_addr(const struct weir_conf_key *key, const char *text, size_t len, void *out)
{
	return weir_addr_parse(text, len, out);
}

static int parse_prefix(const struct weir_conf_key *key, const char *text, size_t len, void *out)
{
	return weir_prefix_parse(text, len, out);
}

static void format_number(const struct weir_conf_key *key, const void *value, char text[VALUE_TEXT])
{
	const uint64_t number = *(const uint64_t *)value;

	if (key->type == WEIR_CONF_SIZE)
		weir_format_size(number, text);
	else if (key->type == WEIR_CONF_DURATION)
		weir_format_duration(number, text);
	else if (key->type == WEIR_CONF_RATE)
		weir_format_rate(number, text);
	else
		snprintf(text, VALUE_TEXT, "%" PRIu64, number);
}

static void format_bool(const struct weir_conf_key *key, const void *value, char text[VALUE_TEXT])
{
	snprintf(text, VALUE_TEXT, "%s", *(const bool *)value ? "true" : "false");
}

static void format_double(const struct weir_conf_key *key, const void *value, char text[VALUE_TEXT])
{
	weir_format_double(*(const double *)value, text);
}

static void format_mac(const struct weir_conf_key *key, const void *value, char text[VALUE_TEXT])
{
	char mac[WEIR_MAC_TEXT];

	snprintf(text, VALUE_TEXT, "\"%s\"", weir_mac_format(value, mac));
}

static void format_addr(const struct weir_conf_key *key, const void *value, char text[VALUE_TEXT])
{
	char addr[WEIR_ADDR_TEXT];

	snprintf(text, VALUE_TEXT, "\"%s\"", weir_addr_format(value, addr));
}

static void format_prefix(const struct weir_conf_key *key, const void *value, char text[VALUE_TEXT])
{
	char prefix[WEIR_PREFIX_TEXT];

	snprintf(text, VALUE_TEXT, "\"%s\"", weir_prefix_format(value, prefix));
}

static const struct value_type {
	const char *what; /* "must be ..." */
	size_t size;
	parse_fn *parse;
	format_fn *format; /* NULL: text of any length */
} types[] = {
	[WEIR_CONF_BOOL] = {"true or false", sizeof(bool), parse_bool, format_bool},
	[WEIR_CONF_UINT] = {"a whole number", sizeof(uint64_t), parse_number, format_number},
	[WEIR_CONF_SIZE] = {"a size such as 64KiB", sizeof(uint64_t), parse_number, format_number},
	[WEIR_CONF_DURATION] = {"a duration such as 10s or 5ms", sizeof(uint64_t), parse_number,
				format_number},
	[WEIR_CONF_RATE] = {"a rate such as 100kpps or 5/s", sizeof(uint64_t), parse_number,
			    format_number},
	[WEIR_CONF_DOUBLE] = {"a number such as 0.25", sizeof(double), parse_double, format_double},
	[WEIR_CONF_STRING] = {"a text", sizeof(char *), parse_string, NULL},
	[WEIR_CONF_ENUM] = {"", sizeof(int), parse_enum, NULL},
	[WEIR_CONF_MAC] = {"a MAC address such as 02:00:00:00:00:01", sizeof(struct weir_mac),
			   parse_mac, format_mac},
	[WEIR_CONF_ADDR] = {"an IPv4 or IPv6 address", sizeof(struct weir_addr), parse_addr,
			    format_addr},
	[WEIR_CONF_PREFIX] = {"an address with a prefix length, such as 192.0.2.0/24",
			      sizeof(struct weir_prefix), parse_prefix, format_prefix},
	[WEIR_CONF_RECORD] = {"a section", 0, NULL, NULL},
};

size_t conf_value_size(const struct weir_conf_key *key)
{
	return key->type == WEIR_CONF_RECORD ? key->sub->size : types[key->type].size;
}

int conf_value_parse(const struct weir_conf_key *key, const char *text, size_t len, void *out)
{
	return types[key->type].parse(key, text, len, out);
}

/* What may not stand in YAML is written as \u and four digits; it is never above U+FFFF. */
void conf_text_print(const char *text, FILE *to)
{
	size_t left = strlen(text);
	unsigned size;
	uint32_t c;

	fputc('"', to);
	for (; (size = utf8_next(text, left, &c)) > 0; text += size, left -= size) {
		if (c == '"' || c == '\\')
			fprintf(to, "\\%c", (char)c);
		else if (c == '\n')
			fputs("\\n", to);
		else if (c >= ' ' && conf_may_stand(c))
			fwrite(text, 1, size, to);
		else
			fprintf(to, "\\u%04x", c);
	}
	fputc('"', to);
}

void conf_value_print(const struct weir_conf_key *key, const void *value, FILE *to)
{
	char text[VALUE_TEXT];

	if (key->type == WEIR_CONF_STRING) {
		conf_text_print(*(char *const *)value, to);
	} else if (key->type == WEIR_CONF_ENUM) {
		fputs(key->names[*(const int *)value], to);
	} else {
		types[key->type].format(key, value, text);
		fputs(text, to);
	}
}

const char *conf_bounds(const struct weir_conf_key *key, char text[CONF_BOUNDS])
{
	const char *bytes = key->type == WEIR_CONF_STRING ? " bytes" : "";
	char least[VALUE_TEXT], most[VALUE_TEXT];

	text[0] = '\0';
	if (key->type == WEIR_CONF_DOUBLE || key->type == WEIR_CONF_STRING) {
		snprintf(least, sizeof(least), "%" PRIu64, key->min);
		snprintf(most, sizeof(most), "%" PRIu64, key->max);
	} else {
		format_number(key, &key->min, least);
		format_number(key, &key->max, most);
	}
	if (key->max != 0)
		snprintf(text, CONF_BOUNDS, "%s to %s%s", least, most, bytes);
	else if (key->min != 0)
		snprintf(text, CONF_BOUNDS, "%s%s or more", least, bytes);
	return text;
}

/* "busy, adaptive or interrupt", as many as there is room for. */
static void list_names(const char *const *names, char text[CONF_ALLOWED])
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; names[i] != NULL && used < CONF_ALLOWED - 1; i++) {
		const char *before = i == 0 ? "" : names[i + 1] == NULL ? " or " : ", ";
		const int n = snprintf(text + used, CONF_ALLOWED - used, "%s%s", before, names[i]);

		used += n > 0 ? (size_t)n : 0;
	}
}

const char *conf_allowed(const struct weir_conf_key *key, int rc, char text[CONF_ALLOWED])
{
	const char *what = types[key->type].what;
	char bounds[CONF_BOUNDS];

	if (key->type == WEIR_CONF_ENUM) {
		list_names(key->names, text);
		return text;
	}
	conf_bounds(key, bounds);
	if (bounds[0] == '\0' && rc == -ERANGE && types[key->type].parse == parse_number)
		snprintf(text, CONF_ALLOWED, "%s below 2^64", what);
	else if (bounds[0] == '\0')
		snprintf(text, CONF_ALLOWED, "%s", what);
	else if (rc == -ERANGE)
		snprintf(text, CONF_ALLOWED, "%s", bounds);
	else
		snprintf(text, CONF_ALLOWED, "%s, %s", what, bounds);
	return text;
}
