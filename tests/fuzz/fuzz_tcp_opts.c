/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TCP's options, read; then written, and read again: the same.
 *
 * Input: a byte, odd for a SYN, and the options. What we write is padded to words, so of what has
 * filled 40 bytes without that, the last SACK blocks and a user timeout may be left out.
 */

#include "tcp/tcp_priv.h"

#include <string.h>

#include "fuzz.h"

static void compare(const struct tcp_opts *a, const struct tcp_opts *b, uint32_t bytes)
{
	const uint8_t lost = a->flags & (uint8_t)~b->flags;

	must((b->flags & (uint8_t)~a->flags) == 0, "nothing is added");
	must(lost == 0 || (lost == OPT_USER_TIMEOUT && bytes == OPT_BYTES_MOST), "flags");
	must(a->sacks == b->sacks || (a->sacks > b->sacks && bytes > OPT_BYTES_MOST - 8), "blocks");
	must(a->scale == b->scale && a->mss == b->mss, "scale and MSS");
	must(a->stamp == b->stamp && a->echo == b->echo, "stamps");
	must(lost != 0 || a->user_timeout == b->user_timeout, "user timeout");
	must(a->cookie_bytes == b->cookie_bytes, "length of the cookie");
	must(memcmp(a->cookie, b->cookie, a->cookie_bytes) == 0, "cookie");
	for (uint8_t i = 0; i < b->sacks; i++)
		must(a->sack[i].from == b->sack[i].from && a->sack[i].to == b->sack[i].to, "block");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const bool syn = size > 0 && data[0] & 1;
	uint8_t p[OPT_BYTES_MOST];
	struct tcp_opts a, b;
	uint32_t bytes;

	if (size == 0 || !tcp_opts_read(data + 1, (uint32_t)(size - 1), syn, &a))
		return 0;
	must(a.scale <= 14 && a.sacks <= SACK_BLOCKS && a.cookie_bytes <= sizeof(a.cookie),
	     "bounds");
	bytes = tcp_opts_write(p, &a, syn);
	must(bytes <= OPT_BYTES_MOST && bytes % 4 == 0, "whole words, 40 bytes at most");
	must(tcp_opts_read(p, bytes, syn, &b), "what we write can be read");
	compare(&a, &b, bytes);
	return 0;
}
