/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * To connect to a name: Happy Eyeballs version 2 (RFC 8305).
 *
 * Both families are asked for at once. As soon as IPv6 addresses are there, or IPv4 ones and a
 * little time for the others, connections are begun one after the other, families in turns, each
 * when the one before has failed or has had a little time; the first that is answered is given,
 * the others are reset.
 *
 * Dials live in their owner's memory; those of one thread share a struct weir_dialer. The owner of
 * the stack passes events on (weir_dial_event()), then runs it once (weir_dialer_run()). All on the
 * stack's thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>
#include <weir/resolver.h>
#include <weir/socket.h>
#include <weir/wheel.h>

struct weir_dialer;

/** What a dialer is made of. What is 0 is as RFC 8305 section 8 has it. */
struct weir_dialer_conf {
	struct weir_stack *stack;	/**< borrowed */
	struct weir_resolver *resolver; /**< borrowed; run it before the dialer */
	uint64_t resolution_ns;		/**< for IPv6 addresses after the IPv4 ones: 50 ms */
	uint64_t attempt_ns;		/**< for an answer before another is tried: 250 ms */
	uint64_t connect_ns;		/**< for all of a dial; 0: no limit but TCP's */
	uint64_t now_ns;		/**< the time to begin with */
};

/** What it has counted. Written by its thread, read by any with relaxed loads. */
struct weir_dialer_stats {
	uint64_t begun;	    /**< dials */
	uint64_t connected; /**< that have ended with a connection */
	uint64_t failed;    /**< that have ended without */
	uint64_t timed_out; /**< of these, those that took longer than connect_ns */
	uint64_t attempts;  /**< connections that were begun */
	uint64_t ip4;	    /**< dials that a connection over IPv4 has won */
	uint64_t ip6;	    /**< over IPv6 */
};

/** Addresses of both families that a dial tries at most. */
#define WEIR_DIAL_ADDRS (2 * WEIR_NAME_ADDRS)

/** What a dial knows of one family. */
struct weir_dial_family {
	struct weir_name_ask ask;		 /**< the dialer's */
	struct weir_addr addrs[WEIR_NAME_ADDRS]; /**< in the order of the answer */
	uint8_t n;				 /**< how many there are */
	uint8_t at;				 /**< the next to be tried */
	bool known;				 /**< it is answered */
};

/** A connection in the making, in its owner's memory until it is over. All but done is its own. */
struct weir_dial {
	/**
	 * It is over, called inside of weir_dial_event(), weir_resolver_run() and
	 * weir_dialer_run().
	 * @param error  0: @p sock is connected and the owner's; else why there is none: the last
	 *               attempt's error, or what weir_name_ask.done has told; -ETIMEDOUT.
	 */
	void (*done)(struct weir_dial *d, int error, weir_sock sock, uint64_t now_ns);
	struct weir_dialer *dialer;	   /**< NULL: it is over, or has not begun */
	void *user;			   /**< comes with events of its sockets */
	uint16_t port;			   /**< host order */
	uint8_t last;			   /**< family of the last attempt; 0: none yet */
	int error;			   /**< of the last one that has failed */
	struct weir_dial_family family[2]; /**< IPv6, IPv4 */
	weir_sock socks[WEIR_DIAL_ADDRS];  /**< of attempts that wait for an answer */
	unsigned n_socks;		   /**< how many there are */
	struct weir_timer next;		   /**< of the next attempt */
	struct weir_timer limit;	   /**< of all */
};

/** Make a dialer; all its memory is taken here. @return 0, -EINVAL or -ENOMEM. */
WEIR_MUST_CHECK int weir_dialer_create(const struct weir_dialer_conf *conf,
				       struct weir_dialer **out);
/** Free it; its dials are over. NULL is allowed. */
void weir_dialer_free(struct weir_dialer *r);

/** Change connect_ns: of dials that begin. */
void weir_dialer_set_limit(struct weir_dialer *r, uint64_t connect_ns);

/**
 * Begin.
 * @param d     The owner's memory, zero but for done.
 * @param name  A host's name, or an address as text, which is the only one then.
 * @param port  Host order.
 * @param user  Comes with the events of its sockets, and of the one that is given.
 * @return 0: done will be called, not before the next event or run; -EALREADY (it has not ended),
 *         -EINVAL (no name, no port), or as weir_resolve().
 */
WEIR_MUST_CHECK int weir_dial(struct weir_dialer *r, struct weir_dial *d, const char *name,
			      uint16_t port, void *user, uint64_t now_ns);
/** End it now: nobody is told. One that is over is left alone. */
void weir_dial_cancel(struct weir_dial *d);
/** An event of one of its sockets. It may be over after that. */
void weir_dial_event(struct weir_dial *d, const struct weir_event *e, uint64_t now_ns);
/**
 * Run timers.
 * @return when it is to be called again at the latest; UINT64_MAX: no dial waits for the time.
 */
uint64_t weir_dialer_run(struct weir_dialer *r, uint64_t now_ns);
/** What it has counted. Any thread. */
void weir_dialer_stats(const struct weir_dialer *r, struct weir_dialer_stats *out);
