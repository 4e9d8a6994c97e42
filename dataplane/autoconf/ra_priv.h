/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A router advertisement, read (RFC 4861 sections 4.2 and 4.6, RFC 4191 section 2.2). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/must_check.h>

/* Prefixes that are read of one message; further ones are counted. */
#define RA_PREFIXES_MAX 16
/* A lifetime that does not end. */
#define RA_FOREVER_S UINT32_MAX

enum ra_preference { RA_HIGH, RA_MEDIUM, RA_LOW, RA_PREFERENCES };

struct ra_prefix {
	struct weir_prefix prefix; /* host bits cleared */
	bool on_link, autonomous;
	uint32_t valid_s, preferred_s;
};

struct ra_message {
	uint16_t router_s;  /* lifetime as a default router, 0: none */
	uint8_t preference; /* enum ra_preference */
	uint8_t n_prefixes;
	uint8_t n_more;	    /* prefixes beyond RA_PREFIXES_MAX */
	uint32_t mtu_bytes; /* 0: not said */
	struct ra_prefix prefix[RA_PREFIXES_MAX];
};

/*
 * Read the ICMPv6 message (its type first). Returns 0 or -EBADMSG: cut short, another type, or an
 * option that lies about its length. Options that nobody knows are passed over (section 4.6).
 */
WEIR_MUST_CHECK int ra_parse(const uint8_t *bytes, size_t len_bytes, struct ra_message *out);
