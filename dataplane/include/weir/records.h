/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Records on their way from a worker to the control thread: a ring of them for each worker.
 *
 * A worker writes a record in place and goes on; a full ring loses what is new, and counts it. The
 * control thread drains the rings of all workers and hands each record to whoever writes it down.
 *
 *	struct weir_record *r = weir_record_begin(ring, WEIR_RECORD_FLOW_END, pass->now_ns);
 *
 *	if (r != NULL) {
 *		r->reason = WEIR_RECORD_IDLE;
 *		...
 *		weir_record_commit(ring);
 *	}
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>
#include <weir/record.h>

/** Records that a ring holds at most. */
#define WEIR_RECORDS_MAX (UINT32_C(1) << 20)

/** Sizes and rates of one worker's ring. */
struct weir_record_ring_conf {
	uint16_t worker;  /**< told in each record */
	uint32_t entries; /**< records that it holds: 2 to WEIR_RECORDS_MAX, rounded up to a power
			       of two */
	/** Records of each kind that weir_record_allow() lets pass in a second; 0: all. */
	uint64_t rate_pps[WEIR_RECORD_KINDS];
};

/** Counters of a ring. One writer (the worker), read with weir_counted(). */
struct weir_records_stats {
	uint64_t written[WEIR_RECORD_KINDS]; /**< records of each kind */
	uint64_t limited[WEIR_RECORD_KINDS]; /**< not written: over the rate of their kind */
};

/** A ring. */
struct weir_records;

/** Memory of a ring in bytes, for --plan. Any thread. */
WEIR_MUST_CHECK uint64_t weir_records_size(const struct weir_record_ring_conf *conf);
/** Make a ring. @return 0, -EINVAL (entries, a rate) or -ENOMEM. Control thread. */
WEIR_MUST_CHECK int weir_records_create(const struct weir_record_ring_conf *conf,
					struct weir_records **out);
/** Free it; its worker has stopped. NULL is allowed. */
void weir_records_free(struct weir_records *ring);
/** Its counters. Any thread. */
const struct weir_records_stats *weir_records_stats(const struct weir_records *ring);
/** Records that found the ring full. Any thread. */
WEIR_MUST_CHECK uint64_t weir_records_lost(const struct weir_records *ring);

/* The worker's: */

/** Whether the rate of a kind lets one more record pass; if not, it is counted as limited. */
WEIR_MUST_CHECK bool weir_record_allow(struct weir_records *ring, enum weir_record_kind kind,
				       uint64_t now_ns);

/**
 * Begin a record, to be filled in place. Its kind, time and worker are set, rule and zones are
 * none, all else is 0; the bytes of text are those of some earlier record (weir_record_set_text()).
 * @param now_ns  The pass's time; start_ns is to be on the same clock.
 * @return NULL if the ring is full (counted). Without a commit, the next begin takes it again.
 */
WEIR_MUST_CHECK struct weir_record *weir_record_begin(struct weir_records *ring,
						      enum weir_record_kind kind, uint64_t now_ns);
/** Let the control thread have the record that was begun last, and count it. */
void weir_record_commit(struct weir_records *ring);

/* The control thread's: */

/** Told of each record; valid until it returns. */
typedef void weir_record_fn(void *ctx, const struct weir_record *r);

/**
 * Hand over what the rings have in them by now, oldest first within each of them.
 * @param epoch_ns  Nanoseconds from 1970 to the start of the passes' clock: added to both times.
 * @param most      Records of each ring at most, so that the caller gets to do other things too.
 * @return how many there were.
 */
unsigned weir_records_drain(struct weir_records *const *rings, unsigned n, uint64_t epoch_ns,
			    unsigned most, weir_record_fn *fn, void *ctx);
