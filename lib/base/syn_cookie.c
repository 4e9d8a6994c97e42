/* SPDX-License-Identifier: BSD-3-Clause */

/* syn_cookie: what a SYN says, kept in the numbers of our answer. */
#include <weir/syn_cookie.h>

#include <assert.h>

#define EPOCH_SHIFT 30
#define MSS_SHIFT   27
#define HASH_MASK   ((UINT32_C(1) << MSS_SHIFT) - 1)

#define STAMP_WSCALE UINT32_C(0x0f)
#define STAMP_SACK   UINT32_C(0x10)
#define STAMP_ECN    UINT32_C(0x20)
#define STAMP_MASK   UINT32_C(0x3f)

/* "SYN ": of all that is hashed by a secret, only cookies end so. */
#define USE UINT32_C(0x53594e20)

/* Ascending. What hosts on Ethernet offer, with and without tunnels; 536 and 1220 are what a host
 * has that offers nothing (RFC 9293 section 3.7.1, RFC 8200 section 5); jumbo frames. */
static const uint16_t mss_of_class[WEIR_SYN_MSS_CLASSES] = {216,  536,	1220, 1360,
							    1400, 1440, 1460, 8940};

/* What is hashed; no padding. */
struct cookie_words {
	struct weir_tuple tuple;
	uint32_t client_seq;
	uint32_t mss_class;
	uint32_t epoch;
	uint32_t use;
};
static_assert(sizeof(struct cookie_words) == 56, "hashed as it lies in memory");

static uint32_t make(const struct weir_syn_cookies *c, const struct weir_tuple *t,
		     uint32_t client_seq, uint32_t mss_class, uint32_t epoch)
{
	const struct cookie_words words = {*t, client_seq, mss_class, epoch, USE};
	const uint64_t hash = weir_siphash24(&c->secret, &words, sizeof(words));

	return epoch << EPOCH_SHIFT | mss_class << MSS_SHIFT | ((uint32_t)hash & HASH_MASK);
}

uint32_t weir_syn_cookie_make(const struct weir_syn_cookies *c, const struct weir_tuple *t,
			      uint32_t client_seq, uint16_t mss)
{
	uint32_t class = WEIR_SYN_MSS_CLASSES - 1;

	while (class > 0 && mss_of_class[class] > mss)
		class --;
	return make(c, t, client_seq, class, c->epoch);
}

uint16_t weir_syn_cookie_mss(uint32_t cookie)
{
	return mss_of_class[cookie >> MSS_SHIFT & (WEIR_SYN_MSS_CLASSES - 1)];
}

enum weir_syn_cookie weir_syn_cookie_check(const struct weir_syn_cookies *c,
					   const struct weir_tuple *t, uint32_t client_seq,
					   uint32_t cookie, uint16_t *mss)
{
	const uint32_t age = (c->epoch - (cookie >> EPOCH_SHIFT)) % WEIR_SYN_EPOCHS;
	const uint32_t class = cookie >> MSS_SHIFT & (WEIR_SYN_MSS_CLASSES - 1);

	if (make(c, t, client_seq, class, c->epoch - age) != cookie)
		return WEIR_SYN_COOKIE_WRONG;
	if (age >= WEIR_SYN_EPOCHS_GOOD)
		return WEIR_SYN_COOKIE_STALE;
	*mss = mss_of_class[class];
	return WEIR_SYN_COOKIE_GOOD;
}

uint32_t weir_syn_stamp_make(const struct weir_syn_offer *o, uint32_t ticks)
{
	uint32_t stamp = ticks & ~STAMP_MASK;

	stamp |= o->wscale;
	stamp |= o->sack ? STAMP_SACK : 0;
	return stamp | (o->ecn ? STAMP_ECN : 0);
}

void weir_syn_stamp_read(uint32_t stamp, struct weir_syn_offer *o)
{
	o->wscale = stamp & STAMP_WSCALE;
	o->sack = stamp & STAMP_SACK;
	o->ecn = stamp & STAMP_ECN;
}
