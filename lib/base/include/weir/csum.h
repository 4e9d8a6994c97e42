/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The Internet checksum (RFC 1071): over bytes, in parts, and kept right while fields change.
 *
 * Sums are made of 16-bit words as they lie in memory, so a finished checksum is stored as it is,
 * without swapping bytes (RFC 1071 section 2(B)). A partial sum is 32 bits wide and not folded.
 * All functions are pure; any thread may call.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <weir/must_check.h>

/**
 * The partial sum of a range of bytes, at any address and of any length; an odd last byte counts
 * as a word with a zero after it.
 */
WEIR_MUST_CHECK uint32_t weir_csum_sum(const void *data, size_t bytes);

/** Two partial sums in one, carry included. */
WEIR_MUST_CHECK static inline uint32_t weir_csum_add(uint32_t a, uint32_t b)
{
	const uint32_t sum = a + b;

	return sum + (sum < a);
}

/**
 * Place a part's sum in its packet: bytes that begin at an odd offset count in the other half of
 * the word.
 * @param offset_bytes  Where the part begins, counted from where the checksum begins.
 */
WEIR_MUST_CHECK static inline uint32_t weir_csum_at(uint32_t sum, size_t offset_bytes)
{
	return offset_bytes & 1 ? sum << 8 | sum >> 24 : sum;
}

/** A partial sum as 16 bits. 0 only if all that was summed is 0. */
WEIR_MUST_CHECK static inline uint16_t weir_csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/** The checksum field that belongs to a partial sum, as it is stored. */
WEIR_MUST_CHECK static inline uint16_t weir_csum_finish(uint32_t sum)
{
	return (uint16_t)~weir_csum_fold(sum);
}

/**
 * The checksum of a range of bytes, as it is stored.
 * @return 0 if the range contains its own, right, checksum.
 */
WEIR_MUST_CHECK static inline uint16_t weir_csum(const void *data, size_t bytes)
{
	return weir_csum_finish(weir_csum_sum(data, bytes));
}

/**
 * The partial sum of the IPv4 pseudo header (RFC 9293 section 3.1).
 * @param proto     The protocol number (6, 17).
 * @param l4_bytes  Length of the transport header and its payload, at most 65535.
 */
WEIR_MUST_CHECK uint32_t weir_csum_pseudo4(uint32_t src_be, uint32_t dst_be, uint8_t proto,
					   uint32_t l4_bytes);

/** The partial sum of the IPv6 pseudo header (RFC 8200 section 8.1). Addresses are 16 bytes. */
WEIR_MUST_CHECK uint32_t weir_csum_pseudo6(const void *src, const void *dst, uint8_t proto,
					   uint32_t l4_bytes);

/*
 * RFC 1624 equation 3: HC' = ~(~HC + ~m + m'). A change is the partial sum ~m + m'; changes of
 * several fields add up by weir_csum_add() and can be kept and applied to many packets. The result
 * is bit for bit the checksum computed anew, for every header that is not all zeros.
 * Fields lie at even offsets.
 */

/** The change that a 16-bit field makes. */
WEIR_MUST_CHECK static inline uint32_t weir_csum_change16(uint16_t old, uint16_t fresh)
{
	return (uint32_t)(uint16_t)~old + fresh;
}

/** The change that a 32-bit field makes, such as an IPv4 address. */
WEIR_MUST_CHECK static inline uint32_t weir_csum_change32(uint32_t old, uint32_t fresh)
{
	return weir_csum_add(~old, fresh);
}

/** The change that 16 bytes make, such as an IPv6 address. */
WEIR_MUST_CHECK static inline uint32_t weir_csum_change128(const void *old, const void *fresh)
{
	uint32_t was[4], is[4], sum = 0;

	memcpy(was, old, sizeof(was));
	memcpy(is, fresh, sizeof(is));
	for (unsigned i = 0; i < 4; i++)
		sum = weir_csum_add(sum, weir_csum_change32(was[i], is[i]));
	return sum;
}

/** A stored checksum after a change. For UDP use weir_csum_udp_apply(). */
WEIR_MUST_CHECK static inline uint16_t weir_csum_apply(uint16_t csum, uint32_t change)
{
	return weir_csum_finish(weir_csum_add((uint16_t)~csum, change));
}

/** A stored checksum after a 16-bit field changed. */
WEIR_MUST_CHECK static inline uint16_t weir_csum_update16(uint16_t csum, uint16_t old,
							  uint16_t fresh)
{
	return weir_csum_apply(csum, weir_csum_change16(old, fresh));
}

/** A stored checksum after a 32-bit field changed. */
WEIR_MUST_CHECK static inline uint16_t weir_csum_update32(uint16_t csum, uint32_t old,
							  uint32_t fresh)
{
	return weir_csum_apply(csum, weir_csum_change32(old, fresh));
}

/** A stored checksum after a field of 16 bytes changed. */
WEIR_MUST_CHECK static inline uint16_t weir_csum_update128(uint16_t csum, const void *old,
							   const void *fresh)
{
	return weir_csum_apply(csum, weir_csum_change128(old, fresh));
}

/** A UDP checksum as it is sent: 0 would mean "none", so it goes as all ones (RFC 768). */
WEIR_MUST_CHECK static inline uint16_t weir_csum_udp(uint16_t csum)
{
	return csum == 0 ? 0xffff : csum;
}

/** A stored UDP checksum after a change. One that was not there (0) stays away. */
WEIR_MUST_CHECK static inline uint16_t weir_csum_udp_apply(uint16_t csum, uint32_t change)
{
	return csum == 0 ? 0 : weir_csum_udp(weir_csum_apply(csum, change));
}
