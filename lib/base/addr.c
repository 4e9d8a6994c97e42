/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * addr: addresses, prefixes and MAC addresses, between text and bytes.
 *
 * The C library reads and writes the addresses themselves; what is here is strictness (a length
 * instead of a NUL, nothing before or after) and the prefix.
 */
#include <weir/addr.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define IP4_BITS 32
#define IP6_BITS 128

static unsigned family_bits(const struct weir_addr *addr)
{
	return addr->family == 4 ? IP4_BITS : IP6_BITS;
}

int weir_addr_parse(const char *text, size_t len_bytes, struct weir_addr *out)
{
	struct weir_addr addr = {0};
	char copy[WEIR_ADDR_TEXT];
	int af;

	if (len_bytes >= sizeof(copy) || memchr(text, '\0', len_bytes) != NULL)
		return -EINVAL;
	memcpy(copy, text, len_bytes);
	copy[len_bytes] = '\0';
	af = strchr(copy, ':') != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(af, copy, addr.bytes) != 1)
		return -EINVAL;
	addr.family = af == AF_INET ? 4 : 6;
	*out = addr;
	return 0;
}

/* One to three digits without a leading zero, or -1. */
static int parse_length(const char *text, size_t len_bytes)
{
	int length = 0;

	if (len_bytes < 1 || len_bytes > 3 || (len_bytes > 1 && text[0] == '0'))
		return -1;
	for (size_t i = 0; i < len_bytes; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		length = length * 10 + (text[i] - '0');
	}
	return length;
}

int weir_prefix_parse(const char *text, size_t len_bytes, struct weir_prefix *out)
{
	const char *slash = memchr(text, '/', len_bytes);
	struct weir_prefix prefix;
	int length;

	if (slash == NULL || weir_addr_parse(text, (size_t)(slash - text), &prefix.addr) < 0)
		return -EINVAL;
	length = parse_length(slash + 1, len_bytes - (size_t)(slash + 1 - text));
	if (length < 0)
		return -EINVAL;
	if ((unsigned)length > family_bits(&prefix.addr))
		return -ERANGE;
	prefix.length = (uint8_t)length;
	*out = prefix;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int weir_mac_parse(const char *text, size_t len_bytes, struct weir_mac *out)
{
	struct weir_mac mac;

	if (len_bytes != WEIR_MAC_TEXT - 1)
		return -EINVAL;
	for (unsigned i = 0; i < sizeof(mac.bytes); i++, text += 3) {
		const int high = hex_digit(text[0]);
		const int low = hex_digit(text[1]);

		if (high < 0 || low < 0 || (i + 1 < sizeof(mac.bytes) && text[2] != ':'))
			return -EINVAL;
		mac.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*out = mac;
	return 0;
}

const char *weir_addr_format(const struct weir_addr *addr, char text[WEIR_ADDR_TEXT])
{
	const int af = addr->family == 4 ? AF_INET : AF_INET6;

	if (addr->family == 0)
		snprintf(text, WEIR_ADDR_TEXT, "none");
	else
		inet_ntop(af, addr->bytes, text, WEIR_ADDR_TEXT);
	return text;
}

const char *weir_prefix_format(const struct weir_prefix *prefix, char text[WEIR_PREFIX_TEXT])
{
	char addr[WEIR_ADDR_TEXT];

	weir_addr_format(&prefix->addr, addr);
	if (prefix->addr.family == 0)
		snprintf(text, WEIR_PREFIX_TEXT, "none");
	else
		snprintf(text, WEIR_PREFIX_TEXT, "%s/%u", addr, prefix->length);
	return text;
}

const char *weir_mac_format(const struct weir_mac *mac, char text[WEIR_MAC_TEXT])
{
	const uint8_t *b = mac->bytes;

	snprintf(text, WEIR_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
	return text;
}

bool weir_addr_equal(const struct weir_addr *a, const struct weir_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

struct weir_prefix weir_prefix_network(const struct weir_prefix *prefix)
{
	struct weir_prefix network = *prefix;

	for (unsigned i = 0; i < sizeof(network.addr.bytes); i++) {
		if (prefix->length <= i * 8)
			network.addr.bytes[i] = 0;
		else if (prefix->length < i * 8 + 8)
			network.addr.bytes[i] &= (uint8_t)(0xff << (i * 8 + 8 - prefix->length));
	}
	return network;
}

bool weir_prefix_contains(const struct weir_prefix *prefix, const struct weir_addr *addr)
{
	const struct weir_prefix inside = {.addr = *addr, .length = prefix->length};
	const struct weir_prefix a = weir_prefix_network(prefix);
	const struct weir_prefix b = weir_prefix_network(&inside);

	return addr->family != 0 && weir_addr_equal(&a.addr, &b.addr);
}
