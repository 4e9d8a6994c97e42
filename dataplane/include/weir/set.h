/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Address sets: up to millions of addresses and prefixes, one lookup, changed while packets pass.
 *
 * An entry is a prefix of IPv4 or IPv6 with an optional time at which it ends. Workers look up
 * without a lock; one thread at a time changes. In front stands a blocked Bloom filter, so that an
 * address that is in no entry costs one cache line for each prefix length in use.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/must_check.h>
#include <weir/siphash.h>
#include <weir/why.h>

/** Entries of a set at most. */
#define WEIR_SET_ENTRIES_MAX (UINT32_C(1) << 24)
/** Room for the name of a set, with its NUL. */
#define WEIR_SET_NAME 64

/** Addresses that are looked up at once, at most. */
#define WEIR_SET_BURST 64

/** An entry that does not end. */
#define WEIR_SET_FOREVER UINT32_MAX

/** What a set is made of. */
struct weir_set_conf {
	const char *name;		/**< copied; under WEIR_SET_NAME bytes */
	uint32_t entries;		/**< at most; a full set refuses */
	int numa;			/**< node of the memory; -1: any */
	struct weir_siphash_key secret; /**< keys its hash, random */
	/**
	 * Returns when no worker uses any more what it found in the set before the call, such as
	 * weir_gens_synchronize(). Called by what changes the set, about once in a thousand
	 * deletions. NULL: nobody looks up while the set is changed.
	 */
	void (*synchronize)(void *ctx);
	void *ctx; /**< the argument of synchronize */
};

/** How full a set is. */
struct weir_set_stats {
	uint32_t entries;    /**< now, ended ones that were not yet taken out included */
	uint32_t max;	     /**< at most */
	uint32_t lengths[2]; /**< prefix lengths in use: IPv4, IPv6 */
	uint64_t bytes;	     /**< memory */
};

struct weir_set;

/** Memory of such a set in bytes, for --plan. Any thread. */
WEIR_MUST_CHECK uint64_t weir_set_size(const struct weir_set_conf *conf);
/**
 * Make an empty set. EAL must be up. Control thread.
 * @return 0, -EINVAL for no or a too long name or a number of entries that is 0 or above
 *         WEIR_SET_ENTRIES_MAX, or -ENOMEM.
 */
WEIR_MUST_CHECK int weir_set_create(const struct weir_set_conf *conf, struct weir_set **out,
				    struct weir_why *why);
/** Free; no worker may see it. NULL is allowed. Control thread. */
void weir_set_free(struct weir_set *s);
/** Its name. */
const char *weir_set_name(const struct weir_set *s);

/**
 * Add an entry, or set the end of one that is there. Host bits of the prefix are ignored.
 * @param until_s when it ends, in seconds of the clock that lookups are given, not 0; or
 *                WEIR_SET_FOREVER. From that second on it does not match.
 * @return 0, -ENOSPC (full), or -EINVAL: no prefix, or until_s is 0. Control thread.
 */
WEIR_MUST_CHECK int weir_set_add(struct weir_set *s, const struct weir_prefix *prefix,
				 uint32_t until_s);
/** Take an entry out, of just this length. @return 0 or -ENOENT. Control thread. */
WEIR_MUST_CHECK int weir_set_del(struct weir_set *s, const struct weir_prefix *prefix);
/** Take all out. Control thread. */
void weir_set_flush(struct weir_set *s);
/** Take out what has ended. @return how many. Control thread, now and then. */
unsigned weir_set_expire(struct weir_set *s, uint32_t now_s);
/**
 * Visit entries, in no order, those too that have ended; @p fn must not change the set. Control
 * thread.
 * @return 0 or what fn returned if not 0.
 */
WEIR_MUST_CHECK int
weir_set_each(const struct weir_set *s,
	      int (*fn)(void *ctx, const struct weir_prefix *prefix, uint32_t until_s), void *ctx);
/** Count. Control thread. */
void weir_set_stats(const struct weir_set *s, struct weir_set_stats *out);
/**
 * The longest prefix that an address is in; false: none, and @p out is untouched. A worker's thread
 * or the control thread.
 */
WEIR_MUST_CHECK bool weir_set_find(const struct weir_set *s, const struct weir_addr *addr,
				   uint32_t now_s, struct weir_prefix *out);

/**
 * Which of some addresses are in a set. A worker's thread.
 * @param addr   n pointers to addresses in network order: 4 bytes or 16 by the family.
 * @param family 4 or 6, of all.
 * @param n      to WEIR_SET_BURST.
 * @return bit i: addr[i] is in it.
 */
WEIR_MUST_CHECK uint64_t weir_set_lookup(const struct weir_set *s, uint8_t family,
					 const uint8_t *const *addr, unsigned n, uint32_t now_s);

/**
 * Read an entry as people write it: an address or a prefix, perhaps `timeout 10m`, perhaps a
 * comment from `#` on.
 * @param text      len_bytes of it, without a newline.
 * @param out       the entry without host bits; family 0 if the text is blank or only a comment.
 * @param timeout_s after how many seconds it ends, 1 or more; 0 if it does not.
 * @return 0, or -EINVAL with a sentence; then @p out and @p timeout_s are untouched. Any thread.
 */
WEIR_MUST_CHECK int weir_set_parse(const char *text, size_t len_bytes, struct weir_prefix *out,
				   uint32_t *timeout_s, struct weir_why *why);
/**
 * Add what a file lists, an entry a line as weir_set_parse() reads them. Of lines for the same
 * prefix the last one counts. All are added, or after an error none.
 * @param now_s from when time-outs count.
 * @return 0, -EINVAL for a wrong line ("FILE:LINE: ..."), -ENOSPC if the set has too little room
 *         for all, -ENOMEM, or why the file cannot be read. Control thread.
 */
WEIR_MUST_CHECK int weir_set_load_file(struct weir_set *s, const char *path, uint32_t now_s,
				       struct weir_why *why);
