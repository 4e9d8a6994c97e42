/* SPDX-License-Identifier: BSD-3-Clause */

/* What a user writes behind net_weir_xdp0, in --vdev. */

#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define XDP_ARGS_TEXT_BYTES 2048 /* of steer= and of owns=, with the NUL */
#define XDP_ARGS_QUEUES	    64

enum xdp_want { XDP_WANT_AUTO, XDP_WANT_ON, XDP_WANT_OFF };
enum xdp_want_mode { XDP_WANT_MODE_AUTO, XDP_WANT_MODE_DRV, XDP_WANT_MODE_SKB };
enum xdp_want_rss { XDP_WANT_RSS_AUTO, XDP_WANT_RSS_HW, XDP_WANT_RSS_SOFT };
enum xdp_want_txcsum { XDP_WANT_TXCSUM_AUTO, XDP_WANT_TXCSUM_SOFT, XDP_WANT_TXCSUM_KERNEL };
enum xdp_want_rxcsum { XDP_WANT_RXCSUM_NONE, XDP_WANT_RXCSUM_VERIFY, XDP_WANT_RXCSUM_TRUST };
enum xdp_want_rx_ts { XDP_WANT_RX_TS_NONE, XDP_WANT_RX_TS_HW, XDP_WANT_RX_TS_SW };

struct xdp_args {
	char iface[IFNAMSIZ];
	char steer[XDP_ARGS_TEXT_BYTES]; /* words with + between; empty: the default */
	char owns[XDP_ARGS_TEXT_BYTES];	 /* addresses with + between; empty: none */
	uint32_t queues;		 /* ethdev queues at most; 0: as many as the device has */
	uint32_t start_queue;		 /* the first hardware queue */
	uint32_t hw_queues;		 /* hardware queues from there; 0: all */
	uint32_t busy_budget;		 /* packets of one busy poll */
	uint32_t busy_usecs;
	enum xdp_want_mode mode;
	enum xdp_want zerocopy;
	enum xdp_want busy_poll;
	enum xdp_want_rss rss;
	enum xdp_want_txcsum txcsum;
	enum xdp_want_rxcsum rxcsum;
	enum xdp_want_rx_ts rx_ts;
	bool symmetric;
	bool coexist;
	bool need_wakeup;
};

/*
 * Read devargs: key=value with commas between. Returns 0; -EINVAL after one log line that names the
 * key, what was found and what is allowed; -ENOMEM. Leaves out alone on error.
 */
int xdp_args_parse(const char *text, struct xdp_args *out);
