/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0-only) */

/* The Toeplitz hash of a packet, by a table for each byte of its input. */

#pragma once

#include "maps.h"
#include "packet.h"

/* What of a packet is hashed: nothing, addresses, or addresses and ports. */
enum hashed { HASHED_NOTHING, HASHED_IP, HASHED_PORTS };

static __always_inline enum hashed hashed_by(const struct steer_key *key, __u32 ip, __u32 tcp,
					     __u32 udp)
{
	if (!(key->has & STEER_HAS_FRAGMENT)) {
		if ((key->has & STEER_HAS_TCP) && (config.rss_types & tcp))
			return HASHED_PORTS;
		if ((key->has & STEER_HAS_UDP) && (config.rss_types & udp))
			return HASHED_PORTS;
	}
	return config.rss_types & ip ? HASHED_IP : HASHED_NOTHING;
}

/* All pieces of a datagram have the hash of its addresses: only the first has ports. */
static __always_inline enum hashed what_is_hashed(const struct steer_key *key)
{
	if (key->has & STEER_HAS_IPV4)
		return hashed_by(key, STEER_RSS_IPV4, STEER_RSS_IPV4_TCP, STEER_RSS_IPV4_UDP);
	if (key->has & STEER_HAS_IPV6)
		return hashed_by(key, STEER_RSS_IPV6, STEER_RSS_IPV6_TCP, STEER_RSS_IPV6_UDP);
	return HASHED_NOTHING;
}

static __always_inline bool is_above(const __u8 *a, const __u8 *b)
{
	__u64 left, right;

	__builtin_memcpy(&left, a, 8);
	__builtin_memcpy(&right, b, 8);
	if (left == right) {
		__builtin_memcpy(&left, a + 8, 8);
		__builtin_memcpy(&right, b + 8, 8);
	}
	return bpf_be64_to_cpu(left) > bpf_be64_to_cpu(right);
}

static __always_inline __u32 add_bytes(__u32 hash, const __u32 table[][256], const __u8 *in,
				       const int n)
{
#pragma unroll
	for (int i = 0; i < n; i++)
		hash ^= table[i][in[i]];
	return hash;
}

/* Of a packet that is to be hashed. A subprogram of its own, so that the verifier reads it once. */
__noinline __u32 steer_hash(const struct steer_key *key)
{
	const __u32(*table)[256] = toeplitz[config.key_set & 1];
	const __u8 *low, *high;
	__u8 ports[4] = {};
	__u32 hash = 0;
	int at;

	if (key == NULL)
		return 0;
	low = key->src_ip;
	high = key->dst_ip;
	__builtin_memcpy(ports, &key->src_port, 4);
	if (config.symmetric) {
		if (is_above(low, high)) {
			low = key->dst_ip;
			high = key->src_ip;
		}
		if (bpf_ntohs(key->src_port) > bpf_ntohs(key->dst_port)) {
			__builtin_memcpy(ports, &key->dst_port, 2);
			__builtin_memcpy(ports + 2, &key->src_port, 2);
		}
	}
	if (key->has & STEER_HAS_IPV4) {
		hash = add_bytes(hash, table, low, 4);
		hash = add_bytes(hash, table + 4, high, 4);
		at = 8;
	} else {
		hash = add_bytes(hash, table, low, 16);
		hash = add_bytes(hash, table + 16, high, 16);
		at = 32;
	}
	if (what_is_hashed(key) == HASHED_PORTS)
		hash = add_bytes(hash, table + at, ports, 4);
	return hash;
}
