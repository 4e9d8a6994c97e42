/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Names to addresses, asked of DNS servers over the stack's own UDP and TCP (c-ares).
 *
 * An answer is kept as long as its TTL says, between two bounds; those who ask for the same name
 * at the same time share one question. Questions have random IDs and ports; a server that does not
 * answer is left for the next one, a truncated answer is asked for by TCP.
 *
 * For names of the configuration and of requests, not of every packet: c-ares allocates and reads
 * the clock. The owner of the stack runs it (weir_resolver_run()) whenever one of its sockets has
 * an event, or its time has come: only there is anybody told. All on the stack's thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <weir/addr.h>
#include <weir/must_check.h>
#include <weir/socket.h>

struct weir_resolver;
struct resolver_name;

/** Addresses of a name that are kept, of each family; those after them are left out. */
#define WEIR_NAME_ADDRS 4
/** Bytes of a name at most, without the end (RFC 1035 section 3.1). */
#define WEIR_NAME_MAX 253
/** Servers at most. */
#define WEIR_DNS_SERVERS 4
/** UDP sockets that a resolver may have at once, for weir_stack_conf.sockets. */
#define WEIR_RESOLVER_SOCKETS WEIR_DNS_SERVERS
/** Datagrams that may wait in one of them, for weir_stack_conf.socket_pkts. */
#define WEIR_RESOLVER_PKTS 16

/** Somebody who asks, in the asker's memory until done is called. */
struct weir_name_ask {
	/**
	 * The answer. The memory is the asker's again.
	 * @param error  0, and at least one address; -ENOENT: there is no such name, or it has no
	 *               address of that family; -ETIMEDOUT, -ECONNREFUSED: no server answers;
	 *               -EPROTO: none answers as it must; -ENOMEM.
	 * @param addrs  In the server's order, valid during the call.
	 */
	void (*done)(struct weir_name_ask *ask, int error, const struct weir_addr *addrs,
		     unsigned n, uint64_t now_ns);
	struct weir_resolver *resolver;	 /**< the resolver's; NULL: it does not wait */
	struct resolver_name *name;	 /**< the resolver's */
	TAILQ_ENTRY(weir_name_ask) link; /**< the resolver's */
};

/** What a resolver is made of. */
struct weir_resolver_conf {
	struct weir_stack *stack;	     /**< borrowed */
	struct rte_mempool *pool;	     /**< of questions; borrowed */
	const struct weir_endpoint *servers; /**< asked in this order; port 0: 53; copied */
	unsigned n_servers;		     /**< 1 to WEIR_DNS_SERVERS */
	uint32_t timeout_ms;		     /**< for the first answer; 0: 2,000 */
	uint32_t tries;			     /**< of each server; 0: 3 */
	uint32_t names;			     /**< that are known at once, 1 to 1,024, each with
						  its family */
	uint64_t least_ttl_ns;		     /**< an answer is kept no shorter */
	uint64_t most_ttl_ns;		     /**< and no longer */
	uint64_t negative_ns;		     /**< that there is none is kept so long */
	void *user;			     /**< comes with the events of its sockets */
};

/** What it has counted. Written by its thread, read by any with relaxed loads. */
struct weir_resolver_stats {
	uint64_t asked;	    /**< asks */
	uint64_t cached;    /**< of these, those that an answer from before has served */
	uint64_t questions; /**< that were put to servers */
	uint64_t answered;  /**< of these, those with addresses */
	uint64_t negative;  /**< those to which there is no such name or address */
	uint64_t failed;    /**< those that no server has answered as it must */
	uint64_t full;	    /**< asks refused: no place for another name */
};

/**
 * Make a resolver. Control thread.
 * @return 0, -EINVAL, -ENOMEM, or -ENOSYS (c-ares cannot be used).
 */
WEIR_MUST_CHECK int weir_resolver_create(const struct weir_resolver_conf *conf,
					 struct weir_resolver **out);
/** Free it and its sockets; nobody who waits is told. NULL is allowed. */
void weir_resolver_free(struct weir_resolver *r);

/** Whether a text is a host's name: letters, digits, - and _ in labels (RFC 1123 section 2.1). */
WEIR_MUST_CHECK bool weir_name_is_valid(const char *text);

/**
 * Ask for a name's addresses of one family.
 * @param name    Whole, with or without the last dot; no search list is tried.
 * @param family  4 or 6.
 * @param ask     With done set, not waiting.
 * @return 0: done will be called, not before the next run; -EINVAL (no name), -EALREADY (it waits),
 *         -ENOSPC (no place for another name).
 */
WEIR_MUST_CHECK int weir_resolve(struct weir_resolver *r, const char *name, uint8_t family,
				 struct weir_name_ask *ask, uint64_t now_ns);
/** Take an ask back: done is not called any more. One that does not wait is left alone. */
void weir_resolve_cancel(struct weir_name_ask *ask);

/**
 * Go on with all that its sockets are ready for, and tell those who waited.
 * @return when it is to be called again at the latest; UINT64_MAX: not before the next event or
 *         call.
 */
uint64_t weir_resolver_run(struct weir_resolver *r, uint64_t now_ns);
/** What it has counted. Any thread. */
void weir_resolver_stats(const struct weir_resolver *r, struct weir_resolver_stats *out);
