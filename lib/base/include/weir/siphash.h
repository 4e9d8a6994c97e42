/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * SipHash (Aumasson and Bernstein, 2012): a keyed hash for what an attacker chooses.
 *
 * SipHash-1-3 for hash tables, where only the order of buckets could leak; SipHash-2-4 where the
 * hash itself is seen (SYN cookies, sequence numbers). The forms for one, two and three words are
 * inlined and equal the hash of those words as little-endian bytes. All functions are pure; any
 * thread may call.
 */

#include <stddef.h>
#include <stdint.h>
#include <weir/must_check.h>

/** A secret key of 128 bits. Fill it from the kernel's random source, once per process. */
struct weir_siphash_key {
	uint64_t k0; /**< of the paper's 16 bytes the first 8, little-endian */
	uint64_t k1; /**< the last 8 */
};

/** The key that the algorithm's paper makes of 16 bytes (little-endian). */
WEIR_MUST_CHECK struct weir_siphash_key weir_siphash_key(const uint8_t bytes[16]);

/** SipHash-2-4 of @p bytes at @p data. */
WEIR_MUST_CHECK uint64_t weir_siphash24(const struct weir_siphash_key *key, const void *data,
					size_t bytes);

/** SipHash-1-3 of @p bytes at @p data. */
WEIR_MUST_CHECK uint64_t weir_siphash13(const struct weir_siphash_key *key, const void *data,
					size_t bytes);

/** The state, for the inlined forms below. */
struct weir_siphash_state {
	uint64_t v0; /**< takes each word in after its rounds */
	uint64_t v1; /**< only mixed with the others */
	uint64_t v2; /**< takes the mark of the end in */
	uint64_t v3; /**< takes each word in before its rounds */
};

/** The state that a key begins with. */
WEIR_MUST_CHECK static inline struct weir_siphash_state
weir_siphash_begin(const struct weir_siphash_key *key)
{
	return (struct weir_siphash_state){
		.v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = key->k1 ^ UINT64_C(0x7465646279746573),
	};
}

/** @p x turned left by @p bits, 1 to 63. */
WEIR_MUST_CHECK static inline uint64_t weir_siphash_turn(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

/** One SipRound. */
static inline void weir_siphash_round(struct weir_siphash_state *s)
{
	s->v0 += s->v1;
	s->v1 = weir_siphash_turn(s->v1, 13) ^ s->v0;
	s->v0 = weir_siphash_turn(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = weir_siphash_turn(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = weir_siphash_turn(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = weir_siphash_turn(s->v1, 17) ^ s->v2;
	s->v2 = weir_siphash_turn(s->v2, 32);
}

/** Take in one word with one round (the 1 of SipHash-1-3). */
static inline void weir_siphash13_word(struct weir_siphash_state *s, uint64_t word)
{
	s->v3 ^= word;
	weir_siphash_round(s);
	s->v0 ^= word;
}

/** The hash, by three rounds (the 3 of SipHash-1-3). @p bytes is how many were taken in. */
WEIR_MUST_CHECK static inline uint64_t weir_siphash13_end(struct weir_siphash_state *s,
							  uint64_t bytes)
{
	weir_siphash13_word(s, bytes << 56);
	s->v2 ^= 0xff;
	weir_siphash_round(s);
	weir_siphash_round(s);
	weir_siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/** SipHash-1-3 of 8 bytes. */
WEIR_MUST_CHECK static inline uint64_t weir_siphash13_u64(const struct weir_siphash_key *key,
							  uint64_t a)
{
	struct weir_siphash_state s = weir_siphash_begin(key);

	weir_siphash13_word(&s, a);
	return weir_siphash13_end(&s, 8);
}

/** SipHash-1-3 of 16 bytes: an IPv4 flow with room to spare. */
WEIR_MUST_CHECK static inline uint64_t weir_siphash13_u64x2(const struct weir_siphash_key *key,
							    uint64_t a, uint64_t b)
{
	struct weir_siphash_state s = weir_siphash_begin(key);

	weir_siphash13_word(&s, a);
	weir_siphash13_word(&s, b);
	return weir_siphash13_end(&s, 16);
}

/** SipHash-1-3 of 24 bytes. */
WEIR_MUST_CHECK static inline uint64_t weir_siphash13_u64x3(const struct weir_siphash_key *key,
							    uint64_t a, uint64_t b, uint64_t c)
{
	struct weir_siphash_state s = weir_siphash_begin(key);

	weir_siphash13_word(&s, a);
	weir_siphash13_word(&s, b);
	weir_siphash13_word(&s, c);
	return weir_siphash13_end(&s, 24);
}
