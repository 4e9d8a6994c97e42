/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A splice: what one stream brings goes out of another, both ways, by reference. The core of every
 * proxy.
 *
 * At most one buffer waits in each direction: who does not read is not sent to, and the other end
 * is not read from. An end of one direction is passed on behind its bytes, and the other direction
 * goes on; an error of one stream resets the other. When both directions have ended, when a stream
 * has failed or when nothing has happened for too long, both streams are closed and the owner is
 * told, once.
 *
 * Splices live in their owner's memory; those of one thread share a struct weir_splicer, which has
 * the limits, the timers and the counters. Nothing is allocated after its creation.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>
#include <weir/stream.h>
#include <weir/wheel.h>

struct weir_splice;
struct weir_splicer;

/**
 * A splice is over: its streams are closed and its memory is the owner's again.
 * Called inside of weir_splice_go_on() and weir_splicer_run().
 * @param error  0: both directions ended in order; -ETIMEDOUT: nothing has happened for idle_ns;
 *               else what has ended one of its streams.
 */
typedef void weir_splice_over_fn(void *ctx, struct weir_splice *p, int error);

/** What a splicer is made of. */
struct weir_splicer_conf {
	uint64_t idle_ns;	   /**< a splice ends if neither stream's peer has sent or taken
				      anything for so long; 0: never */
	uint64_t now_ns;	   /**< the time to begin with */
	weir_splice_over_fn *over; /**< who is told */
	void *ctx;		   /**< its first argument */
};

/** What it has counted. Written by its thread, read by any with relaxed loads. */
struct weir_splice_stats {
	uint64_t begun;	    /**< splices */
	uint64_t ended;	    /**< whose directions both ended in order */
	uint64_t failed;    /**< one of whose streams failed */
	uint64_t timed_out; /**< with nothing to do for too long */
	uint64_t aborted;   /**< by their owner */
	uint64_t bytes[2];  /**< from the first stream to the second, and back */
	uint64_t no_mbuf;   /**< times that a stream had no buffer: it is tried again soon */
};

/** One direction. */
struct weir_splice_way {
	struct rte_mbuf *held; /**< received, and not taken by the other stream yet */
	uint64_t bytes;	       /**< that the other stream has taken */
	bool ended;	       /**< no more comes */
	bool told;	       /**< and the other stream's peer is told so */
};

/** Two streams as one. All but the counts is the splicer's. */
struct weir_splice {
	struct weir_splicer *splicer;  /**< whose it is; NULL: it is over, or has not begun */
	struct weir_stream *end[2];    /**< its streams */
	struct weir_splice_way way[2]; /**< [i]: from end[i] to the other; bytes may be read */
	struct weir_timer timer;       /**< of the retry, or of the deadline */
	bool again;		       /**< the timer is of a retry */
};

/** Make a splicer; all its memory is taken here. @return 0, -EINVAL (no over) or -ENOMEM. */
WEIR_MUST_CHECK int weir_splicer_create(const struct weir_splicer_conf *conf,
					struct weir_splicer **out);
/** Free it; its splices are over or never used again. NULL is allowed. */
void weir_splicer_free(struct weir_splicer *r);
/** Change the idle time: of splices that begin, and of others when they are looked at next. */
void weir_splicer_set_idle(struct weir_splicer *r, uint64_t idle_ns);
/**
 * Run timers.
 * @return when it is to be called again at the latest; UINT64_MAX: no splice waits for the time.
 */
uint64_t weir_splicer_run(struct weir_splicer *r, uint64_t now_ns);
/** What it has counted. Any thread. */
void weir_splicer_stats(const struct weir_splicer *r, struct weir_splice_stats *out);

/**
 * Begin; weir_splice_go_on() moves the first bytes.
 * @param p  The owner's memory, not of a splice that has not ended.
 * @param a, b  Connected, or connecting. They are the splice's until it is over, and end with it.
 */
void weir_splice_begin(struct weir_splicer *r, struct weir_splice *p, struct weir_stream *a,
		       struct weir_stream *b, uint64_t now_ns);

/** An event of one of its streams: go on as far as it goes. The splice may be over after that. */
void weir_splice_go_on(struct weir_splice *p, uint64_t now_ns);

/** End it now: both streams are reset; nobody is told. One that is over is left alone. */
void weir_splice_abort(struct weir_splice *p);
