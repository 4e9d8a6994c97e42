/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * fuzz_sniff: any bytes as what a client says first. The first byte says in which steps a stream
 * grows; growing must come to what all at once comes to, and never ask for what is there.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <weir/sniff.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum weir_sniff_result sniff_fn(const uint8_t *p, size_t bytes, struct weir_sniff *s);

static void check(const struct weir_sniff *s, enum weir_sniff_result r, size_t bytes)
{
	if (memchr(s->name, 0, sizeof(s->name)) == NULL ||
	    memchr(s->alpn, 0, sizeof(s->alpn)) == NULL)
		abort();
	for (const char *c = s->name; *c != '\0'; c++)
		if (!islower(*c) && !isdigit(*c) && strchr("-_.", *c) == NULL)
			abort();
	if (r == WEIR_SNIFF_FOUND && s->bad_name && s->name[0] != '\0')
		abort();
	if (r == WEIR_SNIFF_NEED_MORE && s->need_bytes <= bytes)
		abort();
}

/* In memory of its own, so that a sanitizer sees a read past its end. */
static enum weir_sniff_result sniff(sniff_fn *fn, const uint8_t *p, size_t bytes,
				    struct weir_sniff *s)
{
	uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
	enum weir_sniff_result r;

	if (copy == NULL)
		abort();
	memcpy(copy, p, bytes);
	r = fn(copy, bytes, s);
	free(copy);
	check(s, r, bytes);
	return r;
}

static void grow(sniff_fn *fn, const uint8_t *p, size_t bytes, size_t step)
{
	struct weir_sniff all = {0}, s = {0};
	const enum weir_sniff_result wanted = sniff(fn, p, bytes, &all);
	enum weir_sniff_result r = WEIR_SNIFF_NEED_MORE;

	for (size_t n = 0; n < bytes && r == WEIR_SNIFF_NEED_MORE;) {
		n = n + step < bytes ? n + step : bytes;
		if (n >= s.need_bytes)
			r = sniff(fn, p, n, &s);
	}
	if (s.need_bytes > bytes || bytes == 0)
		return; /* it waits for what does not come */
	if (r != wanted || (r == WEIR_SNIFF_FOUND && strcmp(s.name, all.name) != 0))
		abort();
}

/* Pass over a message in pieces: that must end where all at once ends. */
static void pass_over(enum weir_sniff_proto proto, const uint8_t *p, size_t bytes, size_t step)
{
	struct weir_sniff all = {.proto = proto}, s = {.proto = proto};
	struct weir_sniff_rest all_rest = {0}, rest = {0};
	const size_t end = weir_sniff_rest(p, bytes, &all, &all_rest);
	size_t at = 0;

	step = step < 2 ? 2 : step; /* of DNS the length is there, or it is not known to be one */
	while (at < bytes && !rest.over && !rest.lost) {
		const size_t n = step < bytes - at ? step : bytes - at;
		const size_t taken = weir_sniff_rest(p + at, n, &s, &rest);

		if (taken > n || (taken < n && !rest.over && !rest.lost))
			abort();
		at += taken;
	}
	if (at != end || rest.over != all_rest.over || rest.lost != all_rest.lost ||
	    s.unreadable != all.unreadable || rest.tunnel != all_rest.tunnel)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static sniff_fn *const streams[] = {weir_sniff_stream, weir_sniff_tls, weir_sniff_http,
					    weir_sniff_dns_stream};
	struct weir_sniff s = {0};
	enum weir_sniff_result r;

	if (size < 1 || size > 20000)
		return 0;
	for (unsigned i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		grow(streams[i], data + 1, size - 1, 1u + data[0]);
	pass_over(WEIR_SNIFF_HTTP, data + 1, size - 1, 1u + data[0]);
	pass_over(WEIR_SNIFF_DNS, data + 1, size - 1, 1u + data[0]);
	r = sniff(weir_sniff_datagram, data + 1, size - 1, &s);
	if (r == WEIR_SNIFF_NEED_MORE ||
	    (r == WEIR_SNIFF_FOUND && !weir_sniff_may_be(data + 1, size - 1)))
		abort();
	return 0;
}
