/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * csum: the Internet checksum over bytes and pseudo headers.
 *
 * One's complement sums do not care how wide the words are that are added (2^64 and 2^32 are both
 * 1 modulo 0xffff), so eight bytes are added at a time and folded at the end (RFC 1071 section 2).
 */
#include <weir/csum.h>

#include <arpa/inet.h>

/* Holds 2^64 words before it could overflow, and compiles to an add and an add with carry. */
typedef unsigned __int128 wide;

static uint32_t fold_wide(wide sum)
{
	uint64_t s = (uint64_t)sum, carry = (uint64_t)(sum >> 64);

	s += carry;
	s += s < carry;
	s = (s & UINT32_MAX) + (s >> 32);
	return (uint32_t)(s + (s >> 32));
}

static uint64_t load(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

uint32_t weir_csum_sum(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	wide even = 0, odd = 0; /* two, so that the carries of one need not wait for the other's */
	uint64_t last = 0;

	for (; bytes >= 32; p += 32, bytes -= 32) {
		even += load(p);
		odd += load(p + 8);
		even += load(p + 16);
		odd += load(p + 24);
	}
	for (; bytes >= 8; p += 8, bytes -= 8)
		even += load(p);
	if (bytes > 0)
		memcpy(&last, p, bytes);
	return fold_wide(even + odd + last);
}

uint32_t weir_csum_pseudo4(uint32_t src_be, uint32_t dst_be, uint8_t proto, uint32_t l4_bytes)
{
	const uint32_t rest = htonl((uint32_t)proto << 16 | (l4_bytes & 0xffff));

	return weir_csum_add(weir_csum_add(src_be, dst_be), rest);
}

uint32_t weir_csum_pseudo6(const void *src, const void *dst, uint8_t proto, uint32_t l4_bytes)
{
	const uint32_t sum = weir_csum_add(weir_csum_sum(src, 16), weir_csum_sum(dst, 16));

	return weir_csum_add(weir_csum_add(sum, htonl(l4_bytes)), htonl(proto));
}
