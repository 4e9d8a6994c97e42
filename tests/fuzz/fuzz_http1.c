/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * fuzz_http1: any bytes as requests, one behind the other, with their bodies. The first byte says
 * in which pieces they come; that must not change what they say.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/http1.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct weir_http1_limits limits = {.line_bytes = 200, .head_bytes = 600, .fields = 10};

/* A copy of just its size, so that a sanitizer sees a read past its end. */
static void *copy_of(const void *p, size_t bytes)
{
	void *copy = malloc(bytes > 0 ? bytes : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, p, bytes);
	return copy;
}

static int64_t read_head(struct weir_http1 *h, const uint8_t *p, size_t bytes)
{
	void *copy = copy_of(p, bytes);
	const int64_t rc = weir_http1_read(h, &limits, copy, bytes);

	free(copy);
	return rc;
}

static void inside(struct weir_http1_part part, int64_t head_bytes)
{
	if (part.at + (uint64_t)part.bytes > (uint64_t)head_bytes)
		abort();
}

static void check(const struct weir_http1 *h, const uint8_t *p, int64_t rc)
{
	char *out;
	int64_t n;

	if (rc == -EPROTO && (h->status < 400 || h->status > 505))
		abort();
	if (rc <= 0)
		return;
	inside(h->target, rc);
	inside(h->path, rc);
	inside(h->query, rc);
	inside(h->host, rc);
	if (h->chunked && h->body_bytes > 0)
		abort();
	out = malloc(h->path.bytes + 1);
	if (out == NULL)
		abort();
	n = weir_http1_path((const char *)p + h->path.at, h->path.bytes, out);
	if (n > (int64_t)h->path.bytes ||
	    (n > 0 && (out[0] != '/' || out[n] != '\0' || strlen(out) != (size_t)n ||
		       strstr(out, "/../") != NULL || strstr(out, "//") != NULL)))
		abort();
	free(out);
}

/* Bytes of the first request's head; 0: it is none, or not all there. */
static size_t one_head(const uint8_t *p, size_t bytes, size_t step, struct weir_http1 *whole)
{
	struct weir_http1 h = {0};
	int64_t rc = -EAGAIN, all;

	*whole = (struct weir_http1){0};
	all = read_head(whole, p, bytes);
	check(whole, p, all);
	for (size_t n = 0; n < bytes && rc == -EAGAIN;) {
		n = n + step < bytes ? n + step : bytes;
		rc = read_head(&h, p, n);
	}
	if (bytes == 0)
		return 0;
	/* A long line that is cut may be refused for another reason than all at once. */
	if (rc != all ||
	    (rc > 0 && (h.method != whole->method || h.path.at != whole->path.at ||
			h.path.bytes != whole->path.bytes || h.host.at != whole->host.at ||
			h.body_bytes != whole->body_bytes || h.keep_alive != whole->keep_alive)))
		abort();
	return all > 0 ? (size_t)all : 0;
}

/* Content of a chunked body in pieces: a sum that depends on the order of its bytes. */
static int64_t unchunk(const uint8_t *p, size_t bytes, size_t step, uint64_t *sum)
{
	struct weir_http1_chunks c = {0};
	bool done = false;
	size_t at = 0;

	*sum = 0;
	while (at < bytes && !done) {
		const size_t n = bytes - at < step ? bytes - at : step;
		uint8_t *copy = copy_of(p + at, n);
		struct weir_http1_part data;
		const int64_t rc = weir_http1_chunked(&c, copy, n, &data, &done);

		if (rc == 0 || rc > (int64_t)n ||
		    (rc > 0 && data.at + (uint64_t)data.bytes > (uint64_t)rc))
			abort();
		for (uint32_t i = 0; rc > 0 && i < data.bytes; i++)
			*sum = *sum * 31 + copy[data.at + i];
		free(copy);
		if (rc < 0)
			return rc;
		at += (size_t)rc;
	}
	return (int64_t)at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t step = size > 0 ? 1u + data[0] % 64 : 1;
	const uint8_t *p = data + 1;
	size_t left = size > 0 ? size - 1 : 0, head;
	struct weir_http1 h;

	if (size > 20000)
		return 0;
	while ((head = one_head(p, left, step, &h)) > 0) {
		uint64_t sum, whole_sum;
		int64_t body;

		p += head;
		left -= head;
		body = h.body_bytes < left ? (int64_t)h.body_bytes : (int64_t)left;
		if (h.chunked) {
			body = unchunk(p, left, left > 0 ? left : 1, &whole_sum);
			if (unchunk(p, left, step, &sum) != body || (body >= 0 && sum != whole_sum))
				abort();
		}
		if (body < 0)
			break;
		p += body;
		left -= (size_t)body;
	}
	return 0;
}
