/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Addresses as values: IPv4 and IPv6 in one struct, prefixes, MAC addresses, and their text.
 *
 * Text is taken as bytes with a length (no NUL needed) and strictly: no blanks, no leading zeros
 * in an IPv4 address, no zone. Nothing is allocated or kept; any thread may call.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <weir/must_check.h>

/** An IPv4 or IPv6 address. All zero is no address at all. */
struct weir_addr {
	uint8_t family;	   /**< 4 or 6; 0: none */
	uint8_t bytes[16]; /**< network order; IPv4 uses the first four, the others are 0 */
};

/** An address with a prefix length. Host bits are kept: 192.0.2.1/24 is an interface's address. */
struct weir_prefix {
	struct weir_addr addr; /**< family 0: no prefix */
	uint8_t length;	       /**< bits: 0 to 32 or 0 to 128 */
};

/** An Ethernet address. */
struct weir_mac {
	uint8_t bytes[6]; /**< in the order in which they are sent */
};

/** Bytes of the longest text of each, with its NUL. */
#define WEIR_ADDR_TEXT 46
/** Bytes of a prefix as text, with its NUL. */
#define WEIR_PREFIX_TEXT 50
/** Bytes of a MAC address as text, with its NUL. */
#define WEIR_MAC_TEXT 18

/**
 * Read an address: 192.0.2.1 or 2001:db8::1 (RFC 4291 section 2.2).
 * @return 0, or -EINVAL (then @p out is untouched).
 */
WEIR_MUST_CHECK int weir_addr_parse(const char *text, size_t len_bytes, struct weir_addr *out);

/**
 * Read a prefix: an address, a slash, a length.
 * @return 0, -EINVAL if it is not one, -ERANGE if the length is above 32 or 128 (then @p out is
 * untouched).
 */
WEIR_MUST_CHECK int weir_prefix_parse(const char *text, size_t len_bytes, struct weir_prefix *out);

/** Read six pairs of hexadecimal digits with colons between them. @return 0 or -EINVAL. */
WEIR_MUST_CHECK int weir_mac_parse(const char *text, size_t len_bytes, struct weir_mac *out);

/** Write an address as RFC 5952 wants it, "none" for family 0. @return @p text. */
const char *weir_addr_format(const struct weir_addr *addr, char text[WEIR_ADDR_TEXT]);
/** An address from its bytes in network order, as tuples have them: 4 of family 4, else 16. */
WEIR_MUST_CHECK static inline struct weir_addr weir_addr_of(const uint8_t *bytes, uint8_t family)
{
	struct weir_addr a = {.family = family};

	memcpy(a.bytes, bytes, family == 4 ? 4 : sizeof(a.bytes));
	return a;
}
/** Write an address from its bytes, see weir_addr_of() and weir_addr_format(). @return @p text. */
static inline const char *weir_addr_text(const uint8_t *bytes, uint8_t family,
					 char text[WEIR_ADDR_TEXT])
{
	const struct weir_addr a = weir_addr_of(bytes, family);

	return weir_addr_format(&a, text);
}
/** Write a prefix, "none" for family 0. @return @p text. */
const char *weir_prefix_format(const struct weir_prefix *prefix, char text[WEIR_PREFIX_TEXT]);
/** Write a MAC address in lower case. @return @p text. */
const char *weir_mac_format(const struct weir_mac *mac, char text[WEIR_MAC_TEXT]);

/** Whether two addresses are the same. */
WEIR_MUST_CHECK bool weir_addr_equal(const struct weir_addr *a, const struct weir_addr *b);

/** The prefix with its host bits cleared: the network of an interface's address. */
WEIR_MUST_CHECK struct weir_prefix weir_prefix_network(const struct weir_prefix *prefix);

/** Whether an address is inside a prefix (never, if the families differ). */
WEIR_MUST_CHECK bool weir_prefix_contains(const struct weir_prefix *prefix,
					  const struct weir_addr *addr);
