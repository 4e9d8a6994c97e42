/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The neighbour table as 15_neigh_in and 80_neigh_out use it. One per worker; all is the worker's
 * but the inbox and what is shown to other threads.
 */

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <weir/bucket.h>
#include <weir/gen.h>
#include <weir/neigh.h>
#include <weir/shard.h>
#include <weir/siphash.h>
#include <weir/vlan.h>
#include <weir/wheel.h>

#define NEIGH_NONE	  UINT32_MAX
#define NEIGH_RECENT_BITS 10

/* Who: the interface, the family and the address. Compared and hashed as words. */
struct neigh_key {
	uint64_t iface_family; /* interface << 8 | 4 or 6 */
	uint64_t addr[2];      /* as the bytes lie in memory; the rest 0 */
};

#define NEIGH_INFO_WORDS (sizeof(struct weir_neigh_info) / sizeof(uint64_t))
static_assert(sizeof(struct weir_neigh_info) % sizeof(uint64_t) == 0, "shown word by word");

/* A neighbour. The first line is all that a packet on its way out touches. */
struct neigh {
	struct weir_l2 l2; /* the Ethernet header to it */
	bool ready;	   /* packets go out at once: the state wants nothing of them */
	bool used;	   /* since it was last confirmed */
	uint8_t state;	   /* enum weir_neigh_state */
	struct neigh_key key;
	uint32_t serial; /* another one each time the entry is taken */
	uint32_t next;	 /* in its bucket, or of the free ones */
	uint16_t port;	 /* of its interface */
	uint8_t tries;	 /* requests since the last answer */

	struct weir_timer timer __rte_cache_aligned; /* what is next in its state */
	struct weir_neigh_table *table;
	uint64_t hash;
	TAILQ_ENTRY(neigh) idle; /* while it may be evicted: oldest first */

	uint64_t shown[NEIGH_INFO_WORDS] __rte_cache_aligned; /* struct weir_neigh_info */
	uint32_t shown_seq;				      /* odd while it is written */
	uint16_t held_at, held_n; /* packets that wait: first, how many */
};
static_assert(offsetof(struct neigh, timer) == RTE_CACHE_LINE_SIZE, "a packet touches one line");

/* The neighbour of a GATEWAY hop, if its serial is still the entry's. */
struct neigh_slot {
	uint32_t entry;
	uint32_t serial;
};

/* By what an interface is known again in the next generation. */
struct neigh_iface {
	uint16_t port;
	uint16_t vlan[2];
	uint8_t mac[RTE_ETHER_ADDR_LEN];
};

struct weir_neigh_table {
	struct neigh *entries;
	uint32_t n_entries;
	uint32_t *buckets; /* first entry of each */
	uint32_t bucket_mask;
	uint32_t free;
	TAILQ_HEAD(, neigh) idle;
	struct weir_siphash_key secret;
	struct weir_shard *shard;
	struct rte_mbuf **held; /* n_queue of each entry */
	uint32_t n_queue;
	uint32_t n_held, max_held;
	struct weir_bucket invitations; /* entries that others make us create */
	struct rte_ring *inbox;		/* from the control thread */
	struct weir_timer inbox_timer;
	struct rte_ring *notices; /* to the control thread, neigh_notice_priv.h */
	struct rte_ring *adverts; /* likewise */
	struct rte_ring *frames;  /* from it */
	uint64_t gen_number;	  /* the generation that by_hop and ifaces belong to */
	uint16_t n_ifaces;
	struct neigh_iface ifaces[WEIR_IFACES_MAX];
	struct neigh_slot by_hop[WEIR_HOPS_MAX + 1];
	uint32_t recent[1 << NEIGH_RECENT_BITS]; /* entries of links, by neigh_recent() */
};

/* What somebody said of a neighbour (RFC 4861 section 7.2.5). */
struct neigh_news {
	struct neigh_key key;
	const uint8_t *mac; /* NULL: nothing of it */
	bool solicited;	    /* an answer to us: it is there now */
	bool override;	    /* the MAC replaces another one */
	bool invited;	    /* unknown ones may be entered, if there is a free entry */
};

/*
 * Make a worker's table: limits.neighbours entries, its timers on shard->wheel.
 * Returns 0, -EINVAL if a limit is 0 or beyond any use, -ENOMEM. Control thread.
 */
int neigh_create(struct weir_shard *shard, struct weir_neigh_table **out);
/* Free it; packets that wait are dropped as STOPPING. NULL is allowed. The wheel still exists. */
void neigh_free(struct weir_neigh_table *t);

/* Forget what belongs to interfaces and hops of an older generation. Once a burst. */
void neigh_changed(struct weir_neigh_table *t, const struct weir_gen *gen);
static inline void neigh_sync(struct weir_neigh_table *t, const struct weir_gen *gen)
{
	if (unlikely(t->gen_number != gen->number))
		neigh_changed(t, gen);
}

/* The entry of a key, or NULL. */
struct neigh *neigh_find(struct weir_neigh_table *t, const struct neigh_key *key);
/* The entries of many keys, NULL where there is none; @hash is neigh_hash() of each. */
void neigh_find_bulk(struct weir_neigh_table *t, const struct neigh_key *key, const uint64_t *hash,
		     struct neigh **out, unsigned n);
/* The entry of a key; if there is none, one is made and asked for. NULL: table full. */
struct neigh *neigh_want(struct weir_neigh_table *t, const struct weir_l3 *l3,
			 const struct neigh_key *key, uint64_t now_ns);
/*
 * A packet for an entry that is not ready. True: send it at once. False: it is kept or dropped, and
 * *verdict says which.
 */
bool neigh_use(struct weir_neigh_table *t, const struct weir_l3 *l3, struct neigh *e,
	       struct rte_mbuf *m, uint64_t now_ns, enum weir_verdict *verdict);
/* Take in what somebody said; packets that waited for it go out in the next pass. */
void neigh_learn(struct weir_neigh_table *t, const struct weir_l3 *l3,
		 const struct neigh_news *news, uint64_t now_ns);
/* Take an entry's timer, packets and place away. */
void neigh_forget(struct weir_neigh_table *t, struct neigh *e, enum weir_drop why);
/* Enter a neighbour for good. False: table full. */
bool neigh_fix(struct weir_neigh_table *t, const struct weir_l3 *l3, const struct neigh_key *key,
	       const uint8_t *mac, uint64_t now_ns);

/* neigh_ask.c: send a request for an entry, by unicast if it has a MAC address. */
void neigh_ask(struct weir_neigh_table *t, const struct weir_l3 *l3, const struct neigh *e);

/* neigh_told.c: the inbox, and what is shown to other threads. */
int neigh_inbox_create(struct weir_neigh_table *t);
void neigh_inbox_free(struct weir_neigh_table *t);
void neigh_show(struct neigh *e, uint64_t now_ns);

/* The generation's layer 3 as a timer sees it; NULL: none. */
const struct weir_l3 *neigh_l3(struct weir_neigh_table *t);

/* The word that memcpy() would make, but made in a register: no wait for a store. */
static inline struct neigh_key neigh_key4(uint16_t iface, uint32_t addr_be)
{
	const unsigned shift = RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN ? 0 : 32;

	return (struct neigh_key){.iface_family = (uint64_t)iface << 8 | 4,
				  .addr = {(uint64_t)addr_be << shift}};
}

static inline struct neigh_key neigh_key6(uint16_t iface, const void *addr)
{
	struct neigh_key key = {.iface_family = (uint64_t)iface << 8 | 6};

	memcpy(key.addr, addr, sizeof(key.addr));
	return key;
}

static inline struct neigh_key neigh_key(uint16_t iface, const struct weir_addr *addr)
{
	struct neigh_key key = {.iface_family = (uint64_t)iface << 8 | addr->family};

	memcpy(key.addr, addr->bytes, sizeof(key.addr));
	return key;
}

static inline uint16_t neigh_key_iface(const struct neigh_key *key)
{
	return (uint16_t)(key->iface_family >> 8);
}

static inline struct weir_addr neigh_key_addr(const struct neigh_key *key)
{
	struct weir_addr addr = {.family = (uint8_t)key->iface_family};

	memcpy(addr.bytes, key->addr, sizeof(addr.bytes));
	return addr;
}

static inline bool neigh_key_equal(const struct neigh_key *a, const struct neigh_key *b)
{
	return ((a->iface_family ^ b->iface_family) | (a->addr[0] ^ b->addr[0]) |
		(a->addr[1] ^ b->addr[1])) == 0;
}

/* Keyed, for who sends chooses the addresses. An IPv4 key fits one word. */
static inline uint64_t neigh_hash(const struct weir_neigh_table *t, const struct neigh_key *key)
{
	if ((uint8_t)key->iface_family == 4)
		return weir_siphash13_u64(&t->secret, key->iface_family << 32 ^ key->addr[0]);
	return weir_siphash13_u64x3(&t->secret, key->iface_family, key->addr[0], key->addr[1]);
}

/*
 * Where a key's entry is noted that was found lately. Not secret: who makes addresses collide only
 * makes us look them up by neigh_hash() each time.
 */
static inline uint32_t *neigh_recent(struct weir_neigh_table *t, const struct neigh_key *key)
{
	const uint64_t mixed =
		(key->iface_family ^ key->addr[0] ^ key->addr[1]) * UINT64_C(0x9e3779b97f4a7c15);

	return &t->recent[mixed >> (64 - NEIGH_RECENT_BITS)];
}

/* A MAC address that can be a station's. */
static inline bool neigh_mac_good(const uint8_t mac[6])
{
	return !(mac[0] & 1) && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) != 0;
}

/* Whether an address is one of the interface's, its link-local one included. */
static inline bool neigh_is_ours(const struct weir_iface *iface, const struct neigh_key *key)
{
	const struct weir_addr addr = neigh_key_addr(key);

	for (unsigned i = 0; i < iface->n_addrs; i++)
		if (weir_addr_equal(&iface->addr[i].addr, &addr))
			return true;
	return weir_addr_equal(&iface->link_local, &addr);
}

/* Neighbour solicitation and advertisement with a link-layer option (RFC 4861 sections 4.3, 4.4).
 */
struct nd_msg {
	uint8_t type, code;
	uint16_t csum;
	uint32_t flags_be;
	uint8_t target[16];
	uint8_t option, option_words; /* the option's length in units of 8 bytes */
	uint8_t mac[RTE_ETHER_ADDR_LEN];
} __attribute__((packed));
static_assert(sizeof(struct nd_msg) == 32, "as on the wire");

#define ND_SOLICIT	  135
#define ND_ADVERT	  136
#define ND_ROUTER_ADVERT  134
#define ND_ROUTER_BYTES	  16 /* without options */
#define ND_BARE_BYTES	  24 /* without options */
#define ND_OPTION_SOURCE  1
#define ND_OPTION_TARGET  2
#define ND_OPTION_NONCE	  14
#define ND_FLAG_ROUTER	  UINT32_C(0x80000000)
#define ND_FLAG_SOLICITED UINT32_C(0x40000000)
#define ND_FLAG_OVERRIDE  UINT32_C(0x20000000)
#define ND_HOP_LIMIT	  255
