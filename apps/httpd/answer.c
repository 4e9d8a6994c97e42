/* SPDX-License-Identifier: BSD-3-Clause */

/* Answers that are made before anybody asks: their heads up to the date, and their bodies. */

#include "httpd_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	uint16_t code;
	const char *text;
} statuses[] = {
#define STATUS(code, text) {code, text},
	STATUSES
#undef STATUS
};

struct answer answer_root, answer_health, answer_pattern;
uint8_t httpd_pattern[PATTERN_BYTES];

/* Of each status, with its text as a body. */
static struct answer refusing[N_STATUSES];
static char refusing_text[N_STATUSES][64];

uint16_t status_of(unsigned slot)
{
	return statuses[slot].code;
}

uint16_t head_write(char out[HEAD_BYTES], unsigned slot, const char *type, uint64_t body_bytes)
{
	const char *allow = statuses[slot].code == 405 ? "Allow: GET, HEAD\r\n" : "";

	return (uint16_t)snprintf(out, HEAD_BYTES,
				  "HTTP/1.1 %u %s\r\nServer: weir\r\n%sContent-Type: %s\r\n"
				  "Content-Length: %" PRIu64 "\r\nDate: ",
				  statuses[slot].code, statuses[slot].text, allow, type,
				  body_bytes);
}

static void fill(struct answer *a, unsigned slot, const char *type, const void *body,
		 uint64_t body_bytes)
{
	*a = (struct answer){.status = statuses[slot].code,
			     .slot = (uint16_t)slot,
			     .body = body,
			     .body_bytes = body_bytes};
	a->head_bytes = head_write(a->head, slot, type, body_bytes);
}

void answer_fill(struct answer *a, const char *type, const void *body, uint64_t body_bytes)
{
	fill(a, 0, type, body, body_bytes);
}

static void fill_text(struct answer *a, const char *text)
{
	answer_fill(a, "text/plain", text, strlen(text));
}

static void make_pattern(void)
{
	char line[65];

	for (unsigned n = 0; n < PATTERN_BYTES / 64; n++) {
		snprintf(line, sizeof(line), "%04x%059d\n", n, 0);
		memcpy(httpd_pattern + n * 64, line, 64);
	}
	answer_fill(&answer_pattern, "application/octet-stream", httpd_pattern, 0);
	answer_pattern.is_pattern = true;
}

void answers_make(void)
{
	for (unsigned i = 0; i < N_STATUSES; i++) {
		const int n = snprintf(refusing_text[i], sizeof(refusing_text[i]), "%u %s\n",
				       statuses[i].code, statuses[i].text);

		fill(&refusing[i], i, "text/plain", refusing_text[i], (uint64_t)n);
	}
	fill_text(&answer_root, "weir-httpd\n");
	fill_text(&answer_health, "ok\n");
	make_pattern();
}

const struct answer *answer_refusing(uint16_t status)
{
	for (unsigned i = 0; i < N_STATUSES; i++)
		if (statuses[i].code == status)
			return &refusing[i];
	return answer_refusing(400);
}

static char *two_digits(char *at, unsigned n)
{
	*at++ = (char)('0' + n / 10);
	*at++ = (char)('0' + n % 10);
	return at;
}

static char *text(char *at, const char *from, unsigned bytes)
{
	memcpy(at, from, bytes);
	return at + bytes;
}

/* The date by counting years from the first of March of the year 0, so that leap days come last. */
void http_date(uint32_t epoch_s, char out[DATE_BYTES])
{
	static const char weekdays[] = "ThuFriSatSunMonTueWed", months[] =
									"MarAprMayJunJulAugSepOct"
									"NovDecJanFeb";
	const uint32_t days = epoch_s / 86400, s = epoch_s % 86400;
	const uint32_t z = days + 719468, era = z / 146097, in_era = z % 146097;
	const uint32_t year_of_era =
		(in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	const uint32_t in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const uint32_t month = (5 * in_year + 2) / 153, day = in_year - (153 * month + 2) / 5 + 1;
	const uint32_t year = year_of_era + era * 400 + (month >= 10);
	char *at = text(out, weekdays + 3 * (days % 7), 3);

	at = two_digits(text(at, ", ", 2), day);
	at = text(text(text(at, " ", 1), months + 3 * month, 3), " ", 1);
	at = two_digits(two_digits(at, year / 100), year % 100);
	at = two_digits(text(at, " ", 1), s / 3600);
	at = two_digits(text(at, ":", 1), s / 60 % 60);
	text(two_digits(text(at, ":", 1), s % 60), " GMT", 4);
}
