/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * NPTv6: an IPv6 prefix for another so that no checksum changes (RFC 6296).
 *
 * One word of the address takes up what the prefixes' sums differ by: that of the subnet (bits 48
 * to 63) of prefixes up to /48, else the first one behind the prefix, from bit 64 on, that is not
 * 0xffff. Zero has two forms in one's complement; the word never becomes 0xffff, so a translation
 * back finds the same one.
 */

#include "nat_priv.h"

#include <weir/csum.h>

#define WORDS	    8
#define SUBNET_WORD 3
#define HOST_WORD   4

void nat_npt6_compile(struct nat_rule *r)
{
	r->npt_adjust = weir_csum_fold(weir_csum_change128(r->outside.value, r->inside.value));
}

/* The word that is changed; WORDS: none can be. */
static unsigned word_of(const struct nat_rule *r, const uint16_t word[WORDS])
{
	unsigned at = (r->npt_bits + 15u) / 16;

	if (r->npt_bits <= 48)
		return word[SUBNET_WORD] == 0xffff ? WORDS : SUBNET_WORD;
	if (at < HOST_WORD)
		at = HOST_WORD;
	while (at < WORDS && word[at] == 0xffff)
		at++;
	return at;
}

bool nat_npt6(const struct nat_rule *r, bool outwards, uint8_t addr[16])
{
	const uint16_t adjust = outwards ? r->npt_adjust : (uint16_t)~r->npt_adjust;
	uint16_t word[WORDS];
	unsigned at;

	memcpy(word, addr, sizeof(word));
	at = word_of(r, word);
	if (at == WORDS)
		return false;
	word[at] = weir_csum_fold((uint32_t)word[at] + adjust);
	if (word[at] == 0xffff)
		word[at] = 0;
	memcpy(addr, word, sizeof(word));
	nat_move(outwards ? &r->outside : &r->inside, addr);
	return true;
}
