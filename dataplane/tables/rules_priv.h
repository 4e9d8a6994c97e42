/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Rules as they are compiled. Pairs of zones whose rules are the same share a list, which is two:
 * one for each family. A list has rules that end the search, of which a packet needs the first that
 * it matches, and rules that may not, of which it needs all before that one: see rules_passes.c. A
 * rule that takes everything is no entry: in the trie it would lie under all others, and each
 * packet would have to be walked to the end of it.
 *
 *	rules.c          copies, and everything's end
 *	rules_compile.c  pairs of zones to lists
 *	rules_lists.c    address lists that are looked up, and the classes that they make
 *	rules_entries.c  a rule to entries of rte_acl
 *	rules_members.c  which lists an address set or a country is in
 *	rules_passes.c   rules that may not end the search
 *	rules_parts.c    entries to contexts of rte_acl
 *	rules_plain.c    lists that headers alone decide
 *	rules_ask.c      the data path
 *	rules_limit.c    token buckets
 *	rules_explain.c  the slow matcher, which shares nothing with all that
 *	rules_check.c    rules that never match, see rules_check_priv.h
 *	rules_overlap.c  whether a packet can match two rules
 */

#include <assert.h>
#include <endian.h>
#include <netinet/in.h>
#include <rte_acl.h>
#include <rte_common.h>
#include <string.h>
#include <weir/bucket.h>
#include <weir/rules.h>
#include <weir/set.h>

#include "rules_key_priv.h"

/* Packets that go through a list together: as many as sets look up at once. */
#define RULES_CHUNK 64
/* Keys that are classified together: each packet has one for each class that it is in. */
#define RULES_ROOM 256
/* Of a class: the side is of no list that is looked up, its prefixes are in the entries. */
#define RULES_NO_LIST WEIR_RULE_SETS_MAX
/* Of a rule that may not end the search: it has no limit, it counts. */
#define RULES_NO_LIMIT UINT16_MAX
/* Lists at most: one for each pair of zones and family. */
#define RULES_LISTS_MAX (2 * WEIR_ZONES_MAX * WEIR_ZONES_MAX)

/* A thing that is in an address list. */
struct rules_member {
	uint16_t what, list;
};

/* Things and the address lists that they are in. While they are collected, members; then at and
 * list, so that those of thing i are list[at[i]] to list[at[i + 1] - 1]. */
struct rules_members {
	uint32_t n; /* things, from 0 on */
	uint32_t *at;
	uint16_t *list;
	struct rules_member *member; /* n_members, of room */
	uint32_t n_members, room;
};

int rules_members_add(struct rules_members *m, uint16_t what, uint16_t list);
/* No more are added. 0 or -ENOMEM. @return bytes it takes in *bytes. */
int rules_members_seal(struct rules_members *m, uint64_t *bytes);
void rules_members_free(struct rules_members *m);

/* What a list of rules looks up of one side: address lists, and what is in them. */
struct rules_look {
	unsigned n_lists;
	unsigned n_negated;
	const struct weir_set **set; /* sets.n */
	struct rules_members sets;
	struct rules_members countries;
	uint16_t *negated; /* n_negated: lists that hold what is in none of theirs */
};

/* Entries that need the same address lists. */
struct rules_class {
	uint16_t src, dst; /* lists that a packet must be in; RULES_NO_LIST: none */
	uint16_t id_be;	   /* what the entries have in the field */
};

/* A context of rte_acl: all entries of some rules, or those that are like each other. */
struct rules_part {
	struct rte_acl_ctx *acl; /* its answers are numbers of rules, plus one */
	uint32_t first;		 /* the smallest of them */
	uint32_t n_classes;	 /* a packet asks once for each class that it is in */
	struct rules_class *classes;
	bool beyond;	       /* an entry looks at what no header has: VLAN or application */
	uint64_t lo[2], hi[2]; /* rules_top() of source and destination: no others can match */
};

/* Contexts of some rules. */
struct rules_parts {
	struct rules_part *part; /* n, by first */
	uint32_t n;
	uint32_t categories; /* answers for each packet */
};

/* Rules of a group, of which rte_acl says at once which ones a packet matches: a category each. */
#define RULES_GROUP  RTE_ACL_MAX_CATEGORIES
#define RULES_GROUPS (WEIR_RULE_PASSES_MAX / RULES_GROUP)
/* Which rules a packet matches, in bits. */
#define RULES_PASS_WORDS (WEIR_RULE_PASSES_MAX / 64)
static_assert(RULES_GROUPS <= 64 && WEIR_RULE_PASSES_MAX % 64 == 0, "masks are of 64 bits");

/* A rule that may not end the search. */
struct rules_pass {
	uint32_t rule;
	uint16_t limit; /* or RULES_NO_LIMIT */
};

/* All of a list, in their order. */
struct rules_passes {
	struct rules_pass *pass; /* n */
	uint32_t n;
	uint32_t n_words;  /* of all and of what packets match */
	uint32_t n_groups; /* of RULES_GROUP rules */
	uint32_t n_blocks; /* of groups, see block; 0: there is no root */
	uint32_t block;	   /* groups of a block */
	uint64_t *all;	   /* n_words: rules that take every packet, and are no entries */
	/* The first rule of each block that a packet matches: which groups are to be asked. */
	struct rules_parts root;
	struct rules_parts *group; /* n_groups */
};

/* A list without address lists, limits and counting: what a packet's headers say is all it needs.
 */
struct rules_plain {
	bool is;		 /* else it is not such a list */
	struct rte_acl_ctx *acl; /* NULL: there are no entries; reads packets as they lie there */
	uint32_t rest;		 /* as of a list */
	/* By the first 16 bits of an address, that of the header at near_at: whether an entry may
	 * match it. NULL: too many of them may. */
	uint64_t *near;
	uint8_t near_at;
};
#define RULES_NEAR_WORDS ((1u << 16) / 64)

struct rules_list {
	struct rules_parts ends; /* rules that end the search; may be none */
	uint32_t rest;	/* the rule that takes all that no entry matches; WEIR_RULE_DEFAULT: none */
	uint32_t first; /* the first rule that ends the search; WEIR_RULE_DEFAULT: none does */
	struct rules_passes passes;
	struct rules_plain plain;
	struct rules_look src, dst;
};

/* A limit: a full bucket, in which a packet costs as many tokens as there are workers. */
struct rules_limit {
	struct weir_bucket full;
	uint32_t slot; /* of its rule: they are sorted by it */
	uint32_t rule;
	bool of_source;
	uint64_t mask[2]; /* of_source: bits that tell sources apart, IPv4 and IPv6, as in memory */
	bool over;	  /* matches what is over the limit */
};

/* Prefixes too many for entries, as a set. */
struct rules_anon {
	const struct weir_prefix *prefixes; /* of the first rule with them */
	uint32_t n;
	struct weir_set *set;
};

struct weir_rules {
	struct weir_rule *rules; /* and all that they point to behind them */
	uint32_t n;
	unsigned zones;
	enum weir_action default_action;
	const struct weir_geo *geo;
	uint32_t sources_max[WEIR_ZONES_MAX]; /* by zone */
	uint16_t workers;
	int numa;
	uint64_t serial; /* no other rules of this process have it */

	uint16_t list_of[WEIR_ZONES_MAX][WEIR_ZONES_MAX]; /* from, to: of IPv4; IPv6 is the next */
	struct rules_list *lists;
	uint32_t n_lists;
	struct rules_limit *limits;
	uint32_t n_limits;
	struct rules_anon *anons;
	uint32_t n_anons;
	struct weir_rules_stats stats;
};

/* Whether it lets all that match it pass on, or may do so. */
static inline bool rules_passes(const struct weir_rule *r)
{
	return r->action == WEIR_ACTION_COUNT || r->limit != WEIR_LIMIT_NONE;
}

/* Entries of one context, or of several, as they are collected. */
struct rules_entries {
	uint8_t family;
	uint32_t n, room;
	uint8_t *bytes; /* n of rules_entry_bytes() */
};

/* The protocols that a rule matches in a family, 0 for all. @return how many; 0: none. */
unsigned rules_protos(const struct weir_rule *r, uint8_t family, uint8_t out[3]);
/* Whether one of a list's prefixes has all of this one. */
bool rules_has_prefix(const struct weir_rule_addrs *a, const struct weir_prefix *p);
/* Bytes of an entry, by family. */
size_t rules_entry_bytes(uint8_t family);
/* The fields of an entry, by family. */
void rules_entry_config(uint8_t family, struct rte_acl_config *out);
/* How many entries a rule becomes in this family, of prefixes without sides that are looked up. */
uint64_t rules_entry_count(const struct weir_rule *r, uint8_t family, bool src, bool dst);
/* How a rule becomes entries. */
struct rules_entry_how {
	bool src, dst;	   /* sides whose prefixes are in the entries */
	uint16_t class;	   /* what they ask of the address lists */
	uint16_t category; /* for which of the answers they stand */
};
/* Add a rule's entries. 0 or -ENOMEM. */
int rules_entry_add(struct rules_entries *to, const struct weir_rule *r, uint32_t number,
		    const struct rules_entry_how *how);

/* The first eight bytes of an address as a number; IPv4: four. */
static inline uint64_t rules_top(const void *addr, uint8_t family)
{
	uint64_t top;
	uint32_t word;

	if (family == 6) {
		memcpy(&top, addr, sizeof(top));
		return be64toh(top);
	}
	memcpy(&word, addr, sizeof(word));
	return be32toh(word);
}

/* What the address of an entry is: its length, and the first and last rules_top() in it. */
unsigned rules_entry_range(uint8_t family, const void *entry, bool dst, uint64_t *lo, uint64_t *hi);
/* The entry with this number. */
static inline struct rte_acl_rule *rules_entry_at(const struct rules_entries *e, uint32_t i)
{
	return (struct rte_acl_rule *)(e->bytes + i * rules_entry_bytes(e->family));
}

/* Whether it looks at what no header of IP or TCP has, classes apart. */
bool rules_entry_beyond(uint8_t family, const void *entry);
/* The class that an entry was added with. */
uint16_t rules_entry_class(const void *entry);
/* Set it, or let any do. */
void rules_entry_set_class(void *entry, uint16_t class, bool any);

/* A list of rules on its way. */
struct rules_compile {
	struct weir_rules *rs;
	struct weir_why *why;
	struct rules_list *list;
	uint8_t family;
	bool *wanted; /* by rule: whether it is in the list */
	struct rules_sides {
		uint16_t *src, *dst; /* by rule: the number of its address list, or RULES_NO_LIST */
	} sides;
	uint16_t *class;	     /* by rule: its number */
	struct rules_class *classes; /* n_classes */
	uint32_t n_classes;
	struct rules_entries entries;
};

/* Whether a rule of the list matches every packet that comes to it. */
bool rules_takes_all(const struct rules_compile *c, uint32_t rule);
/* Add a rule to c->entries. 0, -ENOSPC or -ENOMEM. */
int rules_add(struct rules_compile *c, uint32_t rule, uint16_t category);
/* Build contexts of c->entries. 0 or -errno. */
int rules_build(struct rules_compile *c, uint32_t categories, struct rules_parts *out);

/* The rules of the list before `end` that may not end the search. 0 or -errno. */
int rules_passes_make(struct rules_compile *c, uint32_t end);
void rules_passes_free(struct rules_passes *p);

/* Build contexts. @param classes by number. 0 or -errno; what was built is in out. */
int rules_parts_make(struct weir_rules *rs, const struct rules_entries *e,
		     const struct rules_class *classes, uint32_t n_classes, uint32_t categories,
		     struct rules_parts *out);
/* Free them. */
void rules_parts_free(struct rules_parts *p);

/* Decide c->sides for those rules that are wanted, and fill list->src and list->dst. */
int rules_lists_make(struct rules_compile *c);
void rules_look_free(struct rules_look *look);
/* Whether it is prefixes and nothing else, which may become entries. */
bool rules_lists_plain(const struct weir_rule_addrs *a);
/* How many prefixes of a family there are. */
uint32_t rules_lists_prefixes(const struct weir_rule_addrs *a, uint8_t family);
/* Whether an address of the family can be in it at all. */
bool rules_lists_possible(const struct weir_rule_addrs *a, uint8_t family);

/* What is wrong with a rule taken for itself. 0, -EINVAL or -ENOSPC. */
int rules_judge(const struct weir_rules_conf *conf, struct weir_why *why);
/* Copy rules and all they point to into one block. 0 or -ENOMEM. */
int rules_copy(struct weir_rules *rs, const struct weir_rule *rules, uint32_t n);
/* Collect the limits of rs->rules. 0, -ENOSPC or -ENOMEM. */
int rules_limit_collect(struct weir_rules *rs, struct weir_why *why);

/* Families as bits. */
static inline unsigned rules_family_bit(uint8_t family)
{
	return family == 4 ? 1 : 2;
}
/* Families of which packets can match a rule at all. */
unsigned rules_families(const struct weir_rule *r);
/* Whether it is between zones that there are. */
bool rules_has_zones(const struct weir_rules *rs, uint32_t rule);
/* Whether the first rule matches all that the second does, limits and order apart. */
bool rules_covers(const struct weir_rules *rs, uint32_t big_rule, uint32_t small_rule);
bool rules_covers_rule(const struct weir_rules *rs, const struct weir_rule *big,
		       const struct weir_rule *small);
/* Whether a packet may match both, order and what they do apart. In doubt it may. */
bool rules_overlap(const struct weir_rule *a, const struct weir_rule *b);

/* Describe a list of IPv4 for that, as a whole, with the entries of rules that end the search. What
 * it takes of memory is its own: rules_plain_free(). 0 or -ENOMEM. */
int rules_plain_make(struct rules_list *list, const struct rules_entries *e);
void rules_plain_free(struct rules_plain *p);

/* What decides about IPv4 between two zones; NULL: not the packet's headers alone. */
static inline const struct rules_plain *rules_plain4(const struct weir_rules *rs, uint8_t from,
						     uint8_t to)
{
	const struct rules_plain *p;

	if (from >= rs->zones || to >= rs->zones)
		return NULL;
	p = &rs->lists[rs->list_of[from][to]].plain;
	return p->is ? p : NULL;
}

/* Of each key the number of the first rule that has an entry for it, plus one; 0: none, see rest.
 * @param n to WEIR_RULE_ASKS_MAX. */
void rules_ask_plain(const struct rules_plain *p, const uint8_t **keys, uint32_t n,
		     uint32_t *answer);

/* The buckets of a worker. */
struct rules_buckets;
int rules_buckets_create(uint32_t sources, int numa, const struct weir_siphash_key *secret,
			 struct rules_buckets **out);
void rules_buckets_free(struct rules_buckets *b);
/* Take over from the rules before. */
void rules_buckets_adopt(struct rules_buckets *b, const struct weir_rules *rs, uint64_t now_ns);
/* Whether a rule with this limit matches one more packet of this source. */
bool rules_buckets_take(struct rules_buckets *b, const struct weir_rules *rs, uint16_t limit,
			const struct weir_tuple *tuple, uint64_t now_ns);
