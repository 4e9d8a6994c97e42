/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * SYN cookies: who has sent a SYN is remembered in the numbers of our answer (RFC 4987 section 3.6,
 * RFC 7323), so that nothing is kept of it here.
 *
 *	sequence number	 31 30    29 28 27   26 ... 0
 *			 epoch    MSS class  hash of tuple, client's number, MSS class
 *	timestamp	 31 ... 6	      5	   4	 3 ... 0
 *			 time, 64 ms a step   ECN  SACK	 window scale, 15: none
 *
 * The hash is SipHash-2-4. Its key is another one in each epoch, and made of the secret that all
 * workers share: each can check what another one has answered. The last two epochs' cookies are
 * good, those of the two before are told from wrong ones.
 *
 * Pure, but for syn_cookies_tick(). The worker's thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/siphash.h>
#include <weir/tuple.h>

#define SYN_EPOCH_NS UINT64_C(64000000000)
/* Epochs that the bits of a cookie tell apart, and of how many it is good. */
#define SYN_EPOCHS	4
#define SYN_EPOCHS_GOOD 2
#define SYN_MSS_CLASSES 8
/* No window scale. */
#define SYN_NO_WSCALE  15
#define SYN_WSCALE_MAX 14

/* What a cookie is worth. */
enum syn_cookie {
	SYN_COOKIE_NONE,  /* there is none: the packet acknowledges nothing */
	SYN_COOKIE_GOOD,  /* ours, and fresh */
	SYN_COOKIE_STALE, /* was ours, too long ago */
	SYN_COOKIE_WRONG, /* a guess, or of another connection */
};

/* What a SYN offers; host order. */
struct syn_offer {
	uint32_t ts_value; /* with timestamps: its own */
	uint32_t ts_echo;  /* and the other side's */
	uint16_t mss;
	uint8_t wscale; /* SYN_NO_WSCALE: none */
	bool timestamps;
	bool sack;
	bool ecn;
};

/* The keys of the last epochs. */
struct syn_cookies {
	struct weir_siphash_key secret;
	struct weir_siphash_key key[SYN_EPOCHS]; /* by the low bits of the epoch */
	uint32_t epoch;
};

/* Begin with the secret that the workers share. */
void syn_cookies_begin(struct syn_cookies *c, const struct weir_siphash_key *secret);
/* The pass's time, before a cookie is made or checked. */
void syn_cookies_tick(struct syn_cookies *c, uint64_t now_ns);

/* The number to answer a SYN with. @mss is kept rounded down, but not below the lowest class. */
uint32_t syn_cookie_make(const struct syn_cookies *c, const struct weir_tuple *t,
			 uint32_t client_seq, uint16_t mss);
/* What a number that comes back is worth; *mss is set if it is GOOD. */
enum syn_cookie syn_cookie_check(const struct syn_cookies *c, const struct weir_tuple *t,
				 uint32_t client_seq, uint32_t cookie, uint16_t *mss);
/* The MSS that a good cookie tells of. */
uint16_t syn_cookie_mss(uint32_t cookie);

/* Our timestamp, which keeps what else was offered. */
uint32_t syn_stamp_make(const struct syn_offer *o, uint64_t now_ns);
/* Window scale, SACK and ECN of it. */
void syn_stamp_read(uint32_t stamp, struct syn_offer *o);
