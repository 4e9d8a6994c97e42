/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The kernel's AF_XDP interface as far as Debian 12's linux/if_xdp.h (6.1) does not have it. All of
 * it is probed: a kernel that does not know a constant refuses it. Values:
 * include/uapi/linux/if_xdp.h of 6.18.
 */

#pragma once

#include <linux/if_xdp.h>
#include <stdint.h>

/* bind() flag, Linux 6.6: a packet may be several descriptors, in both directions. */
#define XSK_USE_SG (1 << 4)
/* xdp_desc.options: the packet goes on in the next descriptor. */
#define XSK_PKT_CONTD (1 << 0)
/* xdp_desc.options, Linux 6.8: struct xsk_tx_request lies in front of the data. */
#define XSK_TX_METADATA (1 << 1)
/* xdp_umem_reg.flags, Linux 6.8 and 6.11: tx_metadata_len is meant. */
#define XSK_UMEM_TX_METADATA_LEN (1 << 2)
/* Socket option, Linux 6.17: how many packets one send() moves in copy mode. */
#define XSK_MAX_TX_SKB_BUDGET 9

struct xsk_umem_reg {
	uint64_t addr;
	uint64_t len;
	uint32_t chunk_size;
	uint32_t headroom;
	uint32_t flags;
	uint32_t tx_metadata_len;
};

/* struct xsk_tx_metadata's request half. */
struct xsk_tx_request {
	uint64_t flags;
	uint16_t csum_start;  /* from the packet's start */
	uint16_t csum_offset; /* from csum_start */
	uint32_t pad;
	uint64_t launch_time_ns;
};

#define XSK_TX_REQUEST_CHECKSUM (1 << 1)
