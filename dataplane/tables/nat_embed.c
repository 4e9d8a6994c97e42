/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * nat_embed: IPv4 addresses in IPv6 prefixes (RFC 6052 section 2.2).
 *
 * The address follows the prefix, but leaves out bits 64 to 71 ("u"), which are zero, as is all
 * that follows it.
 */

#include <weir/nat.h>

#include <string.h>

/* The byte that stays zero. */
#define U_AT 8

void weir_nat64_embed(const struct weir_prefix *prefix, const uint8_t addr[4], uint8_t out[16])
{
	unsigned at = prefix->length / 8;

	memset(out, 0, 16);
	memcpy(out, prefix->addr.bytes, at);
	for (unsigned i = 0; i < 4; i++, at++) {
		if (at == U_AT)
			at++;
		out[at] = addr[i];
	}
}

bool weir_nat64_extract(const struct weir_prefix *prefix, const uint8_t addr[16], uint8_t out[4])
{
	unsigned at = prefix->length / 8;

	if (memcmp(addr, prefix->addr.bytes, at) != 0 || addr[U_AT] != 0)
		return false;
	for (unsigned i = 0; i < 4; i++, at++) {
		if (at == U_AT)
			at++;
		out[i] = addr[at];
	}
	return true;
}
