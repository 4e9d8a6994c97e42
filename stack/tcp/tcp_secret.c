/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Numbers that nobody guesses: all are hashes of who speaks with whom, keyed by the stack's secret.
 * What a peer sees is of SipHash-2-4, and of what is hashed the last word says what it is for.
 */

#include "tcp_priv.h"

#include <netinet/in.h>
#include <string.h>
#include <weir/syn_cookie.h>

#define NS_PER_ISN UINT64_C(4000) /* RFC 6528 section 3 */

/* In a stamp that keeps what a SYN has said, the bits that do. */
#define STAMP_STEP 64

enum use {
	USE_ISN = 0x49534e20,
	USE_STAMP = 0x5453434c,
	USE_FASTOPEN = 0x54464f20,
};

#define WORDS_MOST 5

/*
 * Ends and what for, as words to hash. Addresses of which all but the first four bytes are 0, as
 * IPv4's are, share a word: that is less than half of the work, and how many words there are tells
 * both kinds apart, so that no two ends have the same.
 * @return how many.
 */
static inline unsigned words_of(const struct ends *e, uint32_t use, uint64_t word[WORDS_MOST])
{
	struct {
		uint64_t ours[2], peer[2];
		uint32_t ports;
	} in;

	static_assert(sizeof(*e) == 36, "no padding");
	memcpy(&in, e, sizeof(*e));
	if (likely(((in.ours[0] | in.peer[0]) >> 32 | in.ours[1] | in.peer[1]) == 0)) {
		word[0] = in.ours[0] | in.peer[0] << 32;
		word[1] = in.ports | (uint64_t)use << 32;
		return 2;
	}
	memcpy(word, &in, sizeof(in.ours) + sizeof(in.peer));
	word[4] = in.ports | (uint64_t)use << 32;
	return WORDS_MOST;
}

static uint64_t hash_of(const struct weir_siphash_key *key, const struct ends *e, enum use use)
{
	uint64_t word[WORDS_MOST];
	const unsigned n = words_of(e, use, word);

	return weir_siphash24(key, word, n * sizeof(word[0]));
}

uint32_t ends_hash(const struct weir_siphash_key *key, const struct ends *e)
{
	uint64_t word[WORDS_MOST];
	struct weir_siphash_state s = weir_siphash_begin(key);

	if (words_of(e, 0, word) == 2)
		return (uint32_t)weir_siphash13_u64x2(key, word[0], word[1]);
	for (unsigned i = 0; i < WORDS_MOST; i++)
		weir_siphash13_word(&s, word[i]);
	return (uint32_t)weir_siphash13_end(&s, sizeof(word));
}

uint32_t tcp_isn(const struct weir_siphash_key *key, const struct ends *e, uint64_t now_ns)
{
	return (uint32_t)(hash_of(key, e, USE_ISN) + now_ns / NS_PER_ISN);
}

/* One for all connections between these ends, so that the next one's stamps are newer than those
 * of the last, which may wait for its end (RFC 6191). */
uint32_t tcp_ts_offset(const struct weir_siphash_key *key, const struct ends *e)
{
	return (uint32_t)hash_of(key, e, USE_STAMP);
}

/* RFC 7413 section 4.1.2: good for a peer's address, whichever the ports and our address. */
uint64_t fastopen_cookie(const struct weir_siphash_key *key, const struct ends *e, uint32_t hour)
{
	struct ends peer = {0};

	memcpy(peer.peer, e->peer, sizeof(peer.peer));
	memcpy(peer.ours, &hour, sizeof(hour));
	return hash_of(key, &peer, USE_FASTOPEN);
}

/* ---- SYN cookies: weir/syn_cookie.h ---- */

static struct weir_tuple tuple_of(const struct ends *e)
{
	struct weir_tuple t = {.sport = e->peer_port, .dport = e->our_port, .proto = IPPROTO_TCP};

	memcpy(t.src, e->peer, sizeof(t.src));
	memcpy(t.dst, e->ours, sizeof(t.dst));
	return t;
}

uint32_t cookie_make(const struct weir_siphash_key *key, const struct ends *e, uint32_t peer_isn,
		     const struct cookie *c, uint64_t now_ns)
{
	const struct weir_syn_cookies now = weir_syn_cookies_at(key, now_ns);
	const struct weir_tuple t = tuple_of(e);

	return weir_syn_cookie_make(&now, &t, peer_isn, c->mss);
}

bool cookie_read(const struct weir_siphash_key *key, const struct ends *e, uint32_t seq,
		 uint32_t ack, uint64_t now_ns, struct cookie *out)
{
	const struct weir_syn_cookies now = weir_syn_cookies_at(key, now_ns);
	const struct weir_tuple t = tuple_of(e);
	uint16_t mss;

	if (weir_syn_cookie_check(&now, &t, seq - 1, ack - 1, &mss) != WEIR_SYN_COOKIE_GOOD)
		return false;
	*out = (struct cookie){.mss = mss, .scale = WEIR_SYN_NO_WSCALE};
	return true;
}

/* Not above @stamp: what we send next must not look older (PAWS, RFC 7323 section 5). */
uint32_t cookie_stamp(uint32_t stamp, const struct cookie *c)
{
	const struct weir_syn_offer o = {.wscale = c->scale, .sack = c->sack, .ecn = c->ecn};
	const uint32_t kept = weir_syn_stamp_make(&o, stamp);

	return seq_lt(stamp, kept) ? kept - STAMP_STEP : kept;
}

void cookie_read_stamp(uint32_t echo, struct cookie *out)
{
	struct weir_syn_offer o;

	weir_syn_stamp_read(echo, &o);
	out->scale = o.wscale;
	out->sack = o.sack;
	out->ecn = o.ecn;
}
