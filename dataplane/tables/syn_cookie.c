/* SPDX-License-Identifier: BSD-3-Clause */

/* SYN cookies: see syn_cookie_priv.h for what lies where. */

#include "syn_cookie_priv.h"

#include <stddef.h>

#define EPOCH_SHIFT 30
#define MSS_SHIFT   27
#define HASH_MASK   ((UINT32_C(1) << MSS_SHIFT) - 1)

#define STAMP_WSCALE UINT32_C(0x0f)
#define STAMP_SACK   UINT32_C(0x10)
#define STAMP_ECN    UINT32_C(0x20)
#define STAMP_MASK   UINT32_C(0x3f)

#define NS_PER_MS 1000000

/* Ascending. What hosts on Ethernet offer, with and without tunnels; 536 and 1220 are what a host
 * has that offers nothing (RFC 9293 section 3.7.1, RFC 8200 section 5); jumbo frames. */
static const uint16_t mss_of_class[SYN_MSS_CLASSES] = {216,  536,  1220, 1360,
						       1400, 1440, 1460, 8940};

/* What is hashed; no padding. */
struct cookie_words {
	struct weir_tuple tuple;
	uint32_t client_seq;
	uint32_t mss_class;
};
static_assert(sizeof(struct cookie_words) == 48, "hashed as it lies in memory");

static struct weir_siphash_key key_of(const struct weir_siphash_key *secret, uint32_t epoch)
{
	const uint8_t of[2][12] = {"syn key 0", "syn key 1"}; /* no other use of the secret's */
	uint64_t k[2];

	for (unsigned i = 0; i < 2; i++) {
		uint8_t words[16];

		memcpy(words, of[i], sizeof(of[i]));
		memcpy(words + sizeof(of[i]), &epoch, sizeof(epoch));
		k[i] = weir_siphash24(secret, words, sizeof(words));
	}
	return (struct weir_siphash_key){.k0 = k[0], .k1 = k[1]};
}

static void set_epoch(struct syn_cookies *c, uint32_t epoch)
{
	c->epoch = epoch;
	for (uint32_t age = 0; age < SYN_EPOCHS; age++)
		c->key[(epoch - age) % SYN_EPOCHS] = key_of(&c->secret, epoch - age);
}

void syn_cookies_begin(struct syn_cookies *c, const struct weir_siphash_key *secret)
{
	c->secret = *secret;
	set_epoch(c, 0);
}

void syn_cookies_tick(struct syn_cookies *c, uint64_t now_ns)
{
	const uint32_t epoch = (uint32_t)(now_ns / SYN_EPOCH_NS);

	if (epoch != c->epoch)
		set_epoch(c, epoch);
}

static uint32_t make(const struct syn_cookies *c, const struct weir_tuple *t, uint32_t client_seq,
		     uint32_t mss_class, uint32_t epoch)
{
	const struct cookie_words words = {*t, client_seq, mss_class};
	const uint64_t hash = weir_siphash24(&c->key[epoch], &words, sizeof(words));

	return epoch << EPOCH_SHIFT | mss_class << MSS_SHIFT | ((uint32_t)hash & HASH_MASK);
}

uint32_t syn_cookie_make(const struct syn_cookies *c, const struct weir_tuple *t,
			 uint32_t client_seq, uint16_t mss)
{
	uint32_t class = SYN_MSS_CLASSES - 1;

	while (class > 0 && mss_of_class[class] > mss)
		class --;
	return make(c, t, client_seq, class, c->epoch % SYN_EPOCHS);
}

uint16_t syn_cookie_mss(uint32_t cookie)
{
	return mss_of_class[cookie >> MSS_SHIFT & (SYN_MSS_CLASSES - 1)];
}

enum syn_cookie syn_cookie_check(const struct syn_cookies *c, const struct weir_tuple *t,
				 uint32_t client_seq, uint32_t cookie, uint16_t *mss)
{
	const uint32_t epoch = cookie >> EPOCH_SHIFT;
	const uint32_t age = (c->epoch - epoch) % SYN_EPOCHS;
	const uint32_t class = cookie >> MSS_SHIFT & (SYN_MSS_CLASSES - 1);

	if (make(c, t, client_seq, class, epoch) != cookie)
		return SYN_COOKIE_WRONG;
	if (age >= SYN_EPOCHS_GOOD)
		return SYN_COOKIE_STALE;
	*mss = mss_of_class[class];
	return SYN_COOKIE_GOOD;
}

uint32_t syn_stamp_make(const struct syn_offer *o, uint64_t now_ns)
{
	uint32_t stamp = (uint32_t)(now_ns / NS_PER_MS) & ~STAMP_MASK;

	stamp |= o->wscale;
	stamp |= o->sack ? STAMP_SACK : 0;
	return stamp | (o->ecn ? STAMP_ECN : 0);
}

void syn_stamp_read(uint32_t stamp, struct syn_offer *o)
{
	o->wscale = stamp & STAMP_WSCALE;
	o->sack = stamp & STAMP_SACK;
	o->ecn = stamp & STAMP_ECN;
}
