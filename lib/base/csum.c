/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * csum: the Internet checksum over bytes and pseudo headers.
 *
 * One's complement sums do not care how wide the words are that are added (2^64 and 2^32 are both
 * 1 modulo 0xffff), so sixteen bytes are added at a time, as four words whose carries have room
 * above them, and folded at the end (RFC 1071 section 2).
 */
#include <weir/csum.h>

#include <arpa/inet.h>

/* Two sums of 32-bit words: they hold 2^32 of these before they could overflow. */
typedef uint64_t pair __attribute__((vector_size(16)));

static pair load_pair(const uint8_t *p)
{
	pair words;

	memcpy(&words, p, sizeof(words));
	return words;
}

/* What is left over: less than sixteen bytes. */
static uint64_t sum_rest(const uint8_t *p, size_t bytes)
{
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half = 0;

	for (; bytes >= sizeof(word); p += sizeof(word), bytes -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (bytes >= sizeof(half)) {
		memcpy(&half, p, sizeof(half));
		sum += half;
		p += sizeof(half);
		bytes -= sizeof(half);
		half = 0;
	}
	if (bytes > 0)
		memcpy(&half, p, 1);
	return sum + half;
}

uint32_t weir_csum_sum(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	pair even = {0}, odd = {0};
	uint64_t sum;

	for (; bytes >= sizeof(pair); p += sizeof(pair), bytes -= sizeof(pair)) {
		const pair words = load_pair(p);

		even += words & UINT32_MAX;
		odd += words >> 32;
	}
	even += odd;
	sum = even[0] + even[1] + sum_rest(p, bytes);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	return (uint32_t)(sum + (sum >> 32));
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
