/* SPDX-License-Identifier: BSD-3-Clause */

/* Router advertisements: bytes in, a struct out. All of it is a stranger's. */

#include "ra_priv.h"

#include <errno.h>
#include <string.h>
#include <weir/cursor.h>

#define TYPE_ADVERT   134
#define OPTION_PREFIX 3
#define OPTION_MTU    5
#define FLAG_ON_LINK  0x80
#define FLAG_AUTO     0x40

/* RFC 4191 section 2.2: 01 high, 00 medium, 11 low, 10 is to be taken as medium. */
static enum ra_preference preference_of(uint8_t flags)
{
	static const enum ra_preference of[] = {RA_MEDIUM, RA_HIGH, RA_MEDIUM, RA_LOW};

	return of[flags >> 3 & 3];
}

/* RFC 4861 section 4.6.2, behind type and length. A length beyond 128 bits is no prefix. */
static void take_prefix(struct weir_cursor *c, struct ra_message *out)
{
	const uint8_t length = weir_take_u8(c);
	const uint8_t flags = weir_take_u8(c);
	struct ra_prefix p = {.on_link = flags & FLAG_ON_LINK,
			      .autonomous = flags & FLAG_AUTO,
			      .valid_s = weir_take_u32_be(c),
			      .preferred_s = weir_take_u32_be(c)};
	const uint8_t *addr;

	weir_take(c, 4); /* reserved */
	addr = weir_take(c, 16);
	if (c->bad || length > 128)
		return;
	if (out->n_prefixes == RA_PREFIXES_MAX) {
		out->n_more += out->n_more < UINT8_MAX;
		return;
	}
	p.prefix = (struct weir_prefix){.addr = weir_addr_of(addr, 6), .length = length};
	p.prefix = weir_prefix_network(&p.prefix);
	out->prefix[out->n_prefixes++] = p;
}

static void take_mtu(struct weir_cursor *c, struct ra_message *out)
{
	weir_take(c, 2); /* reserved */
	out->mtu_bytes = weir_take_u32_be(c);
	if (c->bad)
		out->mtu_bytes = 0;
}

/* An option of a known type that has not the length of its type is passed over. */
static int take_option(struct weir_cursor *c, struct ra_message *out)
{
	const uint8_t type = weir_take_u8(c);
	const size_t option_bytes = weir_take_u8(c) * 8u;
	struct weir_cursor body;

	if (option_bytes == 0)
		return -EBADMSG;
	body.at = weir_take(c, option_bytes - 2);
	if (c->bad)
		return -EBADMSG;
	body = (struct weir_cursor){.at = body.at, .end = body.at + option_bytes - 2};
	if (type == OPTION_PREFIX && option_bytes == 32)
		take_prefix(&body, out);
	else if (type == OPTION_MTU && option_bytes == 8)
		take_mtu(&body, out);
	return 0;
}

int ra_parse(const uint8_t *bytes, size_t len_bytes, struct ra_message *out)
{
	struct weir_cursor c = {.at = bytes, .end = bytes + len_bytes};
	const uint8_t type = weir_take_u8(&c);
	const uint8_t code = weir_take_u8(&c);
	int rc = 0;

	memset(out, 0, sizeof(*out));
	weir_take(&c, 3); /* checksum, hop limit */
	out->preference = (uint8_t)preference_of(weir_take_u8(&c));
	out->router_s = weir_take_u16_be(&c);
	weir_take(&c, 8); /* reachable and retransmission times */
	if (c.bad || type != TYPE_ADVERT || code != 0)
		return -EBADMSG;
	while (rc == 0 && weir_left(&c) > 0)
		rc = take_option(&c, out);
	return rc;
}
