/* SPDX-License-Identifier: BSD-3-Clause */

/* The sum behind checksums, over packets of several segments. */

#pragma once

#include <rte_ip.h>
#include <rte_mbuf.h>

#include <stdbool.h>

/*
 * The ones' complement sum of @bytes of a packet from @off, not complemented; false if there are
 * not so many. Not rte_raw_cksum_mbuf(), which loses carries behind a segment of odd length (DPDK
 * 22.11).
 */
static inline bool xdp_raw_cksum(const struct rte_mbuf *m, uint32_t off, uint32_t bytes,
				 uint16_t *out)
{
	uint32_t sum = 0, done = 0;

	for (; m != NULL && off >= m->data_len; m = m->next)
		off -= m->data_len;
	for (; m != NULL && done < bytes; m = m->next) {
		const uint32_t n = RTE_MIN(bytes - done, m->data_len - off);
		const uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, void *, off), n);

		sum += done % 2 ? rte_bswap16(part) : part; /* RFC 1071, 2 (B) */
		done += n;
		off = 0;
	}
	*out = __rte_raw_cksum_reduce(sum);
	return done == bytes;
}
