/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Packets on their way from a worker to a capture file: a ring of copies for each worker.
 *
 * A worker puts packets that a rule captures, with a number that says why; the control thread takes
 * them out and writes them down. A full ring loses what is new, and counts it.
 */

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>

/** Bytes of a packet that are kept at most. */
#define WEIR_CAPTURE_SNAP_MAX 65535
/** Memory of one ring in bytes at most. */
#define WEIR_CAPTURE_BYTES_MAX (UINT64_C(1) << 30)

/** Sizes and rate of one worker's ring. */
struct weir_capture_conf {
	uint32_t packets;    /**< that it holds; rounded up to a power of two */
	uint32_t snap_bytes; /**< of each packet, 14 to WEIR_CAPTURE_SNAP_MAX */
	uint64_t rate_pps;   /**< packets in a second; 0: all */
};

/** A packet as it was when it was put. Its bytes follow: weir_captured_bytes(). */
struct weir_captured {
	uint64_t now_ns;	 /**< when, on the clock of passes */
	uint32_t comment;	 /**< why: the number that it was put with */
	uint32_t wire_bytes;	 /**< how long it was */
	uint32_t captured_bytes; /**< how many of them there are */
	uint16_t port_in;	 /**< index of the port it came from; WEIR_NO_PORT: none */
};

/** A ring. */
struct weir_capture;

/** Memory of a ring in bytes, for --plan. Any thread. */
WEIR_MUST_CHECK uint64_t weir_capture_size(const struct weir_capture_conf *conf);
/** Make a ring. @return 0, -EINVAL (a size, the rate) or -ENOMEM. Control thread. */
WEIR_MUST_CHECK int weir_capture_create(const struct weir_capture_conf *conf,
					struct weir_capture **out);
/** Free it; its worker has stopped. NULL is allowed. */
void weir_capture_free(struct weir_capture *c);
/** Packets that found the ring full. Any thread. */
WEIR_MUST_CHECK uint64_t weir_capture_lost(const struct weir_capture *c);
/** Packets over the rate. Any thread. */
WEIR_MUST_CHECK uint64_t weir_capture_limited(const struct weir_capture *c);

/**
 * Put a copy of a packet; it stays the caller's. The worker's thread.
 * @param comment  Why: told by weir_captured.comment, such as a rule's slot.
 * @param now_ns   The pass's time.
 * @return whether it was put: no if the ring is full or the rate is reached (counted).
 */
bool weir_capture_put(struct weir_capture *c, struct rte_mbuf *m, uint32_t comment,
		      uint64_t now_ns);

/** The oldest packet, NULL if there is none; valid until weir_capture_pop(). Control thread. */
WEIR_MUST_CHECK const struct weir_captured *weir_capture_peek(const struct weir_capture *c);
/** The bytes of a packet: captured_bytes of them. */
WEIR_MUST_CHECK const uint8_t *weir_captured_bytes(const struct weir_captured *packet);
/** Give the oldest packet's place back. Control thread. */
void weir_capture_pop(struct weir_capture *c);
