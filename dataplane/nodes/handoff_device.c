/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Where devices spread flows: which worker a tuple comes to, and which ports bring it to this one.
 *
 * The Toeplitz hash is linear, and the key that all devices get repeats after 16 bits: that of an
 * input is that of the XOR of its 16-bit words, and so the same both ways. A port is one of these
 * words, so that a port's part in the hash can be looked up, and nothing has to be tried. That is
 * rte_thash_adjust_tuple()'s way; its helper would change the key, and the two directions part.
 */

#include <netinet/in.h>
#include <string.h>

#include "handoff_priv.h"

static uint32_t device_hash(uint16_t words)
{
	const uint32_t key = UINT32_C(0x6d5a6d5a);
	uint32_t hash = 0;

	for (unsigned bit = 0; bit < 16; bit++)
		if (words & (0x8000 >> bit))
			hash ^= key << bit | (uint32_t)((uint64_t)key << bit >> 32);
	return hash;
}

static uint32_t hash_of(const struct weir_handoff *h, const struct weir_tuple *t)
{
	const bool ports = h->reta_ports && (t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP);
	uint16_t src, dst, all_be = ports ? t->sport ^ t->dport : 0;

	/* Bytes behind an IPv4 address are 0. */
	for (unsigned at = 0; at < sizeof(t->src); at += sizeof(src)) {
		memcpy(&src, t->src + at, sizeof(src));
		memcpy(&dst, t->dst + at, sizeof(dst));
		all_be ^= src ^ dst;
	}
	return device_hash(rte_be_to_cpu_16(all_be));
}

uint16_t handoff_owner_by_device(const struct weir_handoff *h, const struct weir_tuple *t)
{
	return (hash_of(h, t) & (h->reta - 1u)) % h->workers;
}

/* ---- ports ---- */

/* Whether blocks of 2^@bits ports have each value of the hash's lowest bits equally often. */
static bool is_even(const struct weir_handoff *h, unsigned bits)
{
	uint16_t n[1 << HANDOFF_PORT_BITS] = {0};

	for (unsigned port = 0; port < 1u << bits; port++)
		n[device_hash((uint16_t)port) & (h->entries - 1u)]++;
	for (unsigned e = 0; e < h->entries; e++)
		if (n[e] != 1u << bits >> rte_log2_u32(h->entries))
			return false;
	return true;
}

void handoff_ports_init(struct weir_handoff *h)
{
	/* Of a number that is a power of two, the lowest bits alone say which worker it is. */
	const uint16_t entries = rte_is_power_of_2(h->workers) ? h->workers : h->reta;
	uint16_t n[1 << HANDOFF_PORT_BITS] = {0};
	unsigned bits;

	h->entries = 0;
	if (!h->reta_ports || !rte_is_power_of_2(entries) || entries < h->workers ||
	    entries > 1 << HANDOFF_PORT_BITS)
		return;
	h->entries = entries;
	for (bits = rte_log2_u32(entries); !is_even(h, bits); bits++)
		if (bits == HANDOFF_PORT_BITS) {
			h->entries = 0;
			return;
		}
	h->block_ports = (uint16_t)(1u << bits);
	h->each = (uint16_t)(h->block_ports / entries);
	for (uint16_t port = 0; port < h->block_ports; port++) {
		const uint32_t e = device_hash(port) & (entries - 1u);

		h->port_of[e * h->each + n[e]++] = port;
	}
}

uint16_t handoff_port(const struct weir_handoff *h, const struct weir_tuple *t, uint16_t first,
		      uint16_t count, uint32_t i)
{
	const uint32_t ours = (h->entries - h->worker + h->workers - 1u) / h->workers * h->each;
	uint32_t blocks, block, place, entry;
	struct weir_tuple in = *t;

	if (h->entries == 0 || first % h->block_ports != 0)
		return 0;
	blocks = count / h->block_ports;
	if (blocks == 0)
		return 0;
	i %= blocks * ours;
	block = first + i / ours * h->block_ports;
	place = i % ours;
	entry = h->worker + place / h->each * h->workers;
	in.dport = rte_cpu_to_be_16((uint16_t)block);
	entry ^= hash_of(h, &in) & (h->entries - 1u);
	return (uint16_t)(block + h->port_of[entry * h->each + place % h->each]);
}
