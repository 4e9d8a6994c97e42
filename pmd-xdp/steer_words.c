/* SPDX-License-Identifier: BSD-3-Clause */

/* Read steer=: terms become rules of a priority below every flow rule's. */

#include "steer_words_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <weir/units.h>

#define TERMS \
	"arp, nd, icmp, icmp6, tcp, udp, tcp/PORT, tcp/A-B, udp/PORT, udp/A-B, ip/PREFIX, eth/0xTYPE"

/* A piece of the text. */
struct term {
	const char *text;
	size_t len;
};

static bool is_word(const struct term *t, const char *word)
{
	return t->len == strlen(word) && memcmp(t->text, word, t->len) == 0;
}

/* Step over what a term begins with. */
static bool skip_word(struct term *t, const char *word)
{
	const size_t len = strlen(word);

	if (t->len < len || memcmp(t->text, word, len) != 0)
		return false;
	t->text += len;
	t->len -= len;
	return true;
}

/* Cut off what stands before a separator. Returns false if nothing is left. */
static bool next_term(struct term *rest, char separator, struct term *out)
{
	const char *end;

	if (rest->text == NULL)
		return false;
	end = memchr(rest->text, separator, rest->len);
	*out = *rest;
	if (end == NULL) {
		rest->text = NULL;
		return true;
	}
	out->len = (size_t)(end - rest->text);
	rest->text = end + 1;
	rest->len -= out->len + 1;
	return true;
}

static bool read_number(const struct term *t, uint64_t lo, uint64_t hi, uint16_t *out)
{
	uint64_t number;

	if (weir_parse_uint(t->text, t->len, &number) < 0 || number < lo || number > hi)
		return false;
	*out = (uint16_t)number;
	return true;
}

static void must_have(struct steer_spec *spec, uint8_t has)
{
	spec->key.has |= has;
	spec->mask.has |= has;
}

static void must_be_type(struct steer_spec *spec, uint16_t ethertype)
{
	spec->key.ethertype = htons(ethertype);
	spec->mask.ethertype = UINT16_MAX;
}

static void must_be_proto(struct steer_spec *spec, uint8_t proto)
{
	spec->key.proto = proto;
	spec->mask.proto = UINT8_MAX;
}

/* PORT or A-B, at either end: two rules. The first has what both have. */
static bool add_ports(struct term t, struct steer_words *out)
{
	struct steer_spec *src = &out->rules[out->n], *dst = src + 1;
	struct term first;
	uint16_t lo, hi;

	if (!next_term(&t, '-', &first) || !read_number(&first, 0, UINT16_MAX, &lo))
		return false;
	hi = lo;
	if (t.text != NULL && !read_number(&t, lo, UINT16_MAX, &hi))
		return false;
	*dst = *src;
	if (lo == hi) { /* found by the hash table, so there may be many */
		src->key.src_port = dst->key.dst_port = htons(lo);
		src->mask.src_port = dst->mask.dst_port = UINT16_MAX;
	} else {
		src->rule.src_port_lo = dst->rule.dst_port_lo = lo;
		src->rule.src_port_hi = dst->rule.dst_port_hi = hi;
	}
	out->n += 2;
	return true;
}

/* Prefixes of the destination. */
static bool add_prefix(const struct term *t, struct steer_words *out)
{
	struct steer_spec *spec = &out->rules[out->n];
	struct weir_prefix prefix;

	if (weir_prefix_parse(t->text, t->len, &prefix) < 0)
		return false;
	prefix = weir_prefix_network(&prefix);
	must_have(spec, prefix.addr.family == 4 ? STEER_HAS_IPV4 : STEER_HAS_IPV6);
	memcpy(spec->key.dst_ip, prefix.addr.bytes, sizeof(spec->key.dst_ip));
	for (unsigned bit = 0; bit < prefix.length; bit++)
		spec->mask.dst_ip[bit / 8] |= 0x80 >> bit % 8;
	out->n++;
	return true;
}

static bool add_type(const struct term *t, struct steer_words *out)
{
	uint16_t type;

	if (!read_number(t, ETH_P_802_3_MIN, UINT16_MAX, &type))
		return false;
	must_be_type(&out->rules[out->n++], type);
	return true;
}

/* Terms that are a word. */
static bool add_word(const struct term *t, struct steer_words *out)
{
	struct steer_spec *spec = &out->rules[out->n];

	if (is_word(t, "arp"))
		must_be_type(spec, ETH_P_ARP);
	else if (is_word(t, "tcp"))
		must_be_proto(spec, IPPROTO_TCP);
	else if (is_word(t, "udp"))
		must_be_proto(spec, IPPROTO_UDP);
	else if (is_word(t, "icmp")) {
		must_have(spec, STEER_HAS_IPV4);
		must_be_proto(spec, IPPROTO_ICMP);
	} else if (is_word(t, "icmp6")) {
		must_have(spec, STEER_HAS_IPV6);
		must_be_proto(spec, IPPROTO_ICMPV6);
	} else if (is_word(t, "nd")) { /* RFC 4861: types 133 to 137, any code */
		must_have(spec, STEER_HAS_IPV6 | STEER_HAS_ICMP);
		spec->rule.src_port_lo = 133 << 8;
		spec->rule.src_port_hi = 137 << 8 | 255;
	} else {
		return false;
	}
	out->n++;
	return true;
}

static bool add_term(struct term t, enum steer_verdict verdict, struct steer_words *out)
{
	struct steer_spec *spec = &out->rules[out->n];

	*spec = steer_spec_any(verdict, STEER_PRIORITY_WORDS);
	if (skip_word(&t, "tcp/")) {
		must_have(spec, STEER_HAS_TCP);
		return add_ports(t, out);
	}
	if (skip_word(&t, "udp/")) {
		must_have(spec, STEER_HAS_UDP);
		return add_ports(t, out);
	}
	if (skip_word(&t, "ip/"))
		return add_prefix(&t, out);
	if (skip_word(&t, "eth/"))
		return add_type(&t, out);
	return add_word(&t, out);
}

static int read_terms(struct term rest, enum steer_verdict verdict, struct steer_words *out,
		      struct weir_why *why)
{
	struct term t;

	while (next_term(&rest, '+', &t)) {
		if (verdict == STEER_KERNEL && is_word(&t, "host")) {
			out->keep_host = true;
			continue;
		}
		if (out->n + 2 > STEER_WORDS_RULES)
			return weir_why(why, -EINVAL, "steer=: too many terms, at most %u",
					STEER_WORDS_RULES / 2);
		if (!add_term(t, verdict, out))
			return weir_why(why, -EINVAL,
					"steer=: '%.*s' is not a term; allowed are %s",
					(int)(t.len > 40 ? 40 : t.len), t.text,
					verdict == STEER_KERNEL ? "host, " TERMS : TERMS);
	}
	return 0;
}

int steer_words_read(const char *text, struct steer_words *out, struct weir_why *why)
{
	struct term rest = {text, text == NULL ? 0 : strlen(text)};

	out->others = STEER_USER;
	out->keep_host = false;
	out->n = 0;
	if (rest.len == 0 || is_word(&rest, "host")) {
		out->keep_host = true;
		return 0;
	}
	if (is_word(&rest, "all"))
		return 0;
	if (skip_word(&rest, "kernel:"))
		return read_terms(rest, STEER_KERNEL, out, why);
	if (!skip_word(&rest, "user:"))
		return weir_why(why, -EINVAL,
				"steer=%.40s is not all, host, kernel:TERM+TERM... or "
				"user:TERM+TERM...",
				text);
	out->others = STEER_KERNEL;
	return read_terms(rest, STEER_USER, out, why);
}

int steer_addresses_read(const char *text, struct weir_addr *out, unsigned max,
			 struct weir_why *why)
{
	struct term rest = {text, strlen(text)}, t;
	struct weir_addr addr;
	unsigned n = 0;

	while (next_term(&rest, '+', &t)) {
		if (weir_addr_parse(t.text, t.len, &addr) < 0)
			return weir_why(why, -EINVAL, "owns=: '%.*s' is not an address",
					(int)(t.len > 40 ? 40 : t.len), t.text);
		if (n < max)
			out[n] = addr;
		n++;
	}
	return (int)n;
}
