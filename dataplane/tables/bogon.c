/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The special-purpose addresses of RFC 6890's registries, as IANA keeps them: those that are not
 * globally reachable, and the few within them that are. Groups are not here: 10_parse drops them.
 *
 * Of IPv6 the first eight bytes tell, so an address is one number in both families. The first entry
 * that has it decides.
 */

#include "bogon_priv.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>

struct entry {
	uint64_t first;
	uint8_t bits;
	bool bogon;
};

#define IP4(a, b, c, d) ((uint64_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static const struct entry four[] = {
	{IP4(0, 0, 0, 0), 8, true},	  /* this network, RFC 791 */
	{IP4(10, 0, 0, 0), 8, true},	  /* private, RFC 1918 */
	{IP4(100, 64, 0, 0), 10, true},	  /* between a provider and its customers, RFC 6598 */
	{IP4(127, 0, 0, 0), 8, true},	  /* loopback, RFC 1122 */
	{IP4(169, 254, 0, 0), 16, true},  /* link local, RFC 3927 */
	{IP4(172, 16, 0, 0), 12, true},	  /* private, RFC 1918 */
	{IP4(192, 0, 0, 9), 32, false},	  /* port control anycast, RFC 7723 */
	{IP4(192, 0, 0, 10), 32, false},  /* TURN anycast, RFC 8155 */
	{IP4(192, 0, 0, 0), 24, true},	  /* protocol assignments, RFC 6890 */
	{IP4(192, 0, 2, 0), 24, true},	  /* documentation, RFC 5737 */
	{IP4(192, 168, 0, 0), 16, true},  /* private, RFC 1918 */
	{IP4(198, 18, 0, 0), 15, true},	  /* benchmarks, RFC 2544 */
	{IP4(198, 51, 100, 0), 24, true}, /* documentation, RFC 5737 */
	{IP4(203, 0, 113, 0), 24, true},  /* documentation, RFC 5737 */
	{IP4(240, 0, 0, 0), 4, true},	  /* reserved, RFC 1112; broadcast, RFC 919 */
};

#define IP6(a, b, c, d) ((uint64_t)(a) << 48 | (uint64_t)(b) << 32 | (uint64_t)(c) << 16 | (d))

static const struct entry six[] = {
	{IP6(0, 0, 0, 0), 64, true},	       /* ::, ::1, IPv4-mapped: RFC 4291 */
	{IP6(0x64, 0xff9b, 1, 0), 48, true},   /* translation within a site, RFC 8215 */
	{IP6(0x100, 0, 0, 0), 64, true},       /* discard, RFC 6666 */
	{IP6(0x100, 0, 0, 1), 64, true},       /* dummy prefix, RFC 9780 */
	{IP6(0x2001, 0, 0, 0), 32, false},     /* Teredo, RFC 4380 */
	{IP6(0x2001, 1, 0, 0), 64, false},     /* anycast of single addresses, RFC 7723 */
	{IP6(0x2001, 3, 0, 0), 32, false},     /* AMT, RFC 7450 */
	{IP6(0x2001, 4, 0x112, 0), 48, false}, /* AS112, RFC 7535 */
	{IP6(0x2001, 0x20, 0, 0), 28, false},  /* ORCHIDv2, RFC 7343 */
	{IP6(0x2001, 0x30, 0, 0), 28, false},  /* drone identification, RFC 9374 */
	{IP6(0x2001, 0, 0, 0), 23, true},      /* protocol assignments, RFC 2928; RFC 5180 */
	{IP6(0x2001, 0xdb8, 0, 0), 32, true},  /* documentation, RFC 3849 */
	{IP6(0x3fff, 0, 0, 0), 20, true},      /* documentation, RFC 9637 */
	{IP6(0x5f00, 0, 0, 0), 16, true},      /* segment routing, RFC 9602 */
	{IP6(0xfc00, 0, 0, 0), 7, true},       /* unique local, RFC 4193 */
	{IP6(0xfe80, 0, 0, 0), 10, true},      /* link local, RFC 4291 */
};

static bool find(const struct entry *list, size_t n, unsigned width, uint64_t addr)
{
	for (size_t i = 0; i < n; i++)
		if ((addr ^ list[i].first) >> (width - list[i].bits) == 0)
			return list[i].bogon;
	return false;
}

bool bogon_is(uint8_t family, const uint8_t *addr)
{
	uint64_t top;
	uint32_t word;

	if (family == 6) {
		memcpy(&top, addr, sizeof(top));
		return find(six, sizeof(six) / sizeof(six[0]), 64, be64toh(top));
	}
	memcpy(&word, addr, sizeof(word));
	return find(four, sizeof(four) / sizeof(four[0]), 32, be32toh(word));
}
