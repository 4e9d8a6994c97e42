/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * SYN cookies: who has sent a SYN is remembered in the numbers of our answer (RFC 4987 section 3.6,
 * RFC 7323), so that nothing is kept of it here.
 *
 *	sequence number	 31 30    29 28 27   26 ... 0
 *			 epoch    MSS class  hash of tuple, client's number, MSS class, epoch
 *	timestamp	 31 ... 6	      5	   4	 3 ... 0
 *			 time		      ECN  SACK	 window scale, 15: none
 *
 * The hash is SipHash-2-4 with a secret that all workers share: each can check what another one has
 * answered. The last two epochs' cookies are good, those of the two before are told from wrong
 * ones. Pure; any thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>
#include <weir/siphash.h>
#include <weir/tuple.h>

/** Nanoseconds of an epoch. */
#define WEIR_SYN_EPOCH_NS UINT64_C(64000000000)
/** Epochs that the bits of a cookie tell apart. */
#define WEIR_SYN_EPOCHS 4
/** Epochs for which a cookie is good, its own included. */
#define WEIR_SYN_EPOCHS_GOOD 2
/** How many MSS a cookie can tell. */
#define WEIR_SYN_MSS_CLASSES 8
/** In place of a window scale: none. */
#define WEIR_SYN_NO_WSCALE 15
/** The largest window scale (RFC 7323 section 2.3). */
#define WEIR_SYN_WSCALE_MAX 14

/** What a cookie is worth. */
enum weir_syn_cookie {
	WEIR_SYN_COOKIE_NONE,  /**< there is none: the packet acknowledges nothing */
	WEIR_SYN_COOKIE_GOOD,  /**< ours, and fresh */
	WEIR_SYN_COOKIE_STALE, /**< was ours, too long ago */
	WEIR_SYN_COOKIE_WRONG, /**< a guess, or of another connection */
};

/** What a SYN offers; host order. */
struct weir_syn_offer {
	uint32_t ts_value; /**< with timestamps: its own */
	uint32_t ts_echo;  /**< and the other side's */
	uint16_t mss;	   /**< bytes of a segment at most */
	uint8_t wscale;	   /**< WEIR_SYN_NO_WSCALE: none */
	bool timestamps;   /**< RFC 7323 */
	bool sack;	   /**< RFC 2018 */
	bool ecn;	   /**< RFC 3168 */
};

/** What makes cookies and checks them at a time. */
struct weir_syn_cookies {
	struct weir_siphash_key secret; /**< random, the same for all who answer for an address */
	uint32_t epoch;			/**< of now */
};

/** Cookies of @p now_ns. */
WEIR_MUST_CHECK static inline struct weir_syn_cookies
weir_syn_cookies_at(const struct weir_siphash_key *secret, uint64_t now_ns)
{
	return (struct weir_syn_cookies){
		.secret = *secret,
		.epoch = (uint32_t)(now_ns / WEIR_SYN_EPOCH_NS),
	};
}

/**
 * The sequence number to answer a SYN with.
 * @param t           From the client to us.
 * @param client_seq  Of its SYN.
 * @param mss         Is kept rounded down, but not below the lowest class.
 */
WEIR_MUST_CHECK uint32_t weir_syn_cookie_make(const struct weir_syn_cookies *c,
					      const struct weir_tuple *t, uint32_t client_seq,
					      uint16_t mss);
/**
 * What a number that comes back is worth.
 * @param cookie  What the segment acknowledges, less 1.
 * @param mss     Set if it is WEIR_SYN_COOKIE_GOOD.
 */
WEIR_MUST_CHECK enum weir_syn_cookie weir_syn_cookie_check(const struct weir_syn_cookies *c,
							   const struct weir_tuple *t,
							   uint32_t client_seq, uint32_t cookie,
							   uint16_t *mss);
/** The MSS that a good cookie tells of. */
WEIR_MUST_CHECK uint16_t weir_syn_cookie_mss(uint32_t cookie);

/** Our timestamp, whose lowest six bits keep what else was offered; others are @p ticks's. */
WEIR_MUST_CHECK uint32_t weir_syn_stamp_make(const struct weir_syn_offer *o, uint32_t ticks);
/** Window scale, SACK and ECN of it. */
void weir_syn_stamp_read(uint32_t stamp, struct weir_syn_offer *o);
