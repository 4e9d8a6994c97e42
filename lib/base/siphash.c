/* SPDX-License-Identifier: BSD-3-Clause */
/* siphash: SipHash-c-d over bytes of any number, after the paper's section 2. */
#include <weir/siphash.h>

#include <endian.h>
#include <string.h>

static uint64_t load_le(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

struct weir_siphash_key weir_siphash_key(const uint8_t bytes[16])
{
	return (struct weir_siphash_key){.k0 = load_le(bytes), .k1 = load_le(bytes + 8)};
}

static inline void rounds(struct weir_siphash_state *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		weir_siphash_round(s);
}

static inline void word(struct weir_siphash_state *s, uint64_t m, unsigned c)
{
	s->v3 ^= m;
	rounds(s, c);
	s->v0 ^= m;
}

static inline uint64_t siphash(const struct weir_siphash_key *key, const void *data, size_t bytes,
			       unsigned c, unsigned d)
{
	struct weir_siphash_state s = weir_siphash_begin(key);
	const uint8_t *p = data;
	uint64_t last = 0;
	size_t left = bytes;

	for (; left >= 8; p += 8, left -= 8)
		word(&s, load_le(p), c);
	if (left > 0)
		memcpy(&last, p, left);
	word(&s, le64toh(last) | (uint64_t)bytes << 56, c);
	s.v2 ^= 0xff;
	rounds(&s, d);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t weir_siphash24(const struct weir_siphash_key *key, const void *data, size_t bytes)
{
	return siphash(key, data, bytes, 2, 4);
}

uint64_t weir_siphash13(const struct weir_siphash_key *key, const void *data, size_t bytes)
{
	return siphash(key, data, bytes, 1, 3);
}
