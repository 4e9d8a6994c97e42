/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Translation as it is compiled: one array of rules, those of destinations first, read from the
 * first to the last. Their zones lie apart, so that most rules cost four bytes each.
 */

#include <netinet/in.h>
#include <rte_reciprocal.h>
#include <string.h>
#include <weir/nat.h>
#include <weir/set.h>

/* An address in two words as they lie in memory; IPv4 fills the first half of the first. */
struct nat_addr {
	uint64_t word[2];
};

/* A prefix, to be compared without a loop. */
struct nat_prefix {
	uint64_t value[2], mask[2];
	uint8_t family; /* 0: no prefix */
};

/* Addresses of one side, as struct weir_rule_addrs. */
struct nat_addrs {
	struct nat_prefix *prefixes;
	const struct weir_set **sets;
	uint32_t n_prefixes, n_sets;
	bool negate;
};

/* A prefix of a pool, of which up to POOL_PART_MAX addresses are used. */
struct nat_pool_part {
	uint8_t base[16];
	uint32_t first; /* how many addresses stand before it */
	uint32_t n;
};

/* CGNAT's arithmetic: subscribers in order have the blocks of the addresses in order. */
struct nat_blocks {
	uint32_t base;			   /* the first subscriber, host order */
	uint32_t n;			   /* subscribers */
	uint32_t per_addr;		   /* blocks of an outside address */
	struct rte_reciprocal by_per_addr; /* divides by it */
	uint16_t size;			   /* ports of a block */
};

struct nat_rule {
	enum weir_nat_kind kind;
	uint8_t family; /* of the packets that it is for; 0: both */
	uint8_t proto;	/* 0: all */
	uint8_t pool_family;
	bool endpoint_independent;
	bool hairpin;
	uint16_t to_port;
	struct weir_range dports; /* lo 0: all */
	uint16_t port_lo;	  /* ports to be used: */
	uint32_t port_n;	  /* so many from port_lo on */
	struct nat_addrs src, dst;
	struct nat_prefix inside, outside; /* ONE_TO_ONE, NPT6; inside of CGNAT and NAT64 too */
	struct weir_prefix nat64;	   /* inside once more, of NAT64 */
	uint16_t npt_adjust;		   /* NPT6: to be added on the way out */
	uint8_t npt_bits;		   /* NPT6: length of the prefixes */
	struct weir_addr to;		   /* DNAT */
	struct nat_pool_part *pool;	   /* n_pool, n_addrs addresses together */
	uint32_t n_pool, n_addrs;
	struct nat_blocks blocks; /* CGNAT */
	uint32_t from_zones;	  /* as written: a hairpin comes from others */
	char *name;
};

/* What is looked at first; no zones are all. */
struct nat_zones {
	uint32_t from, to;
};

struct weir_nat {
	struct nat_rule *rules;
	struct nat_zones *zones;
	uint32_t n_destination, n; /* n: all */
};

/* Addresses of a prefix in a pool at most: IPv6 has more than are needed. */
#define POOL_PART_MAX (UINT32_C(1) << 24)

static inline struct nat_addr nat_addr(const uint8_t bytes[16])
{
	struct nat_addr a;

	memcpy(&a, bytes, sizeof(a));
	return a;
}

static inline bool nat_contains(const struct nat_prefix *p, const uint8_t addr[16])
{
	const struct nat_addr a = nat_addr(addr);

	return ((a.word[0] & p->mask[0]) ^ p->value[0]) == 0 &&
	       ((a.word[1] & p->mask[1]) ^ p->value[1]) == 0;
}

/* Whether a side's addresses have this one. None at all have every one. */
static inline bool nat_addrs_match(const struct nat_addrs *as, uint8_t family,
				   const uint8_t addr[16], uint32_t now_s)
{
	if (as->n_prefixes + as->n_sets == 0)
		return true;
	for (uint32_t i = 0; i < as->n_prefixes; i++)
		if (as->prefixes[i].family == family && nat_contains(&as->prefixes[i], addr))
			return !as->negate;
	for (uint32_t i = 0; i < as->n_sets; i++)
		if (weir_set_lookup(as->sets[i], family, &addr, 1, now_s))
			return !as->negate;
	return as->negate;
}

/* Protocols whose ports rules can name. */
static inline bool nat_has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

/* The protocol in the other family. */
static inline uint8_t nat_other_proto(uint8_t proto)
{
	if (proto == IPPROTO_ICMP)
		return IPPROTO_ICMPV6;
	return proto == IPPROTO_ICMPV6 ? IPPROTO_ICMP : proto;
}

/* Whether a rule's zones are those; @p to WEIR_ZONES_MAX: it is not asked for. */
static inline bool nat_zones_match(const struct nat_zones *z, uint8_t from, uint8_t to)
{
	return (z->from == 0 || (from < WEIR_ZONES_MAX && z->from >> from & 1)) &&
	       (z->to == 0 || to == WEIR_ZONES_MAX || (to < WEIR_ZONES_MAX && z->to >> to & 1));
}

/* Protocol, family, port and addresses of a rule. */
static inline bool nat_match(const struct nat_rule *r, const struct weir_tuple *t,
			     const uint8_t src[16], const uint8_t dst[16], uint32_t now_s)
{
	const uint16_t dport = ntohs(t->dport);

	if ((r->family != 0 && r->family != t->family) || (r->proto != 0 && r->proto != t->proto))
		return false;
	if (r->dports.lo != 0 &&
	    (!nat_has_ports(t->proto) || dport < r->dports.lo || dport > r->dports.hi))
		return false;
	return nat_addrs_match(&r->src, t->family, src, now_s) &&
	       nat_addrs_match(&r->dst, t->family, dst, now_s);
}

/* The host's bits of an address behind another prefix. */
static inline void nat_move(const struct nat_prefix *to, uint8_t addr[16])
{
	struct nat_addr a = nat_addr(addr);

	a.word[0] = (a.word[0] & ~to->mask[0]) | to->value[0];
	a.word[1] = (a.word[1] & ~to->mask[1]) | to->value[1];
	memcpy(addr, &a, sizeof(a));
}

/* The address of a pool with this number. */
void nat_pool_at(const struct nat_rule *r, uint32_t number, uint8_t out[16]);
/* The number of an address in a pool; false: it is not in it. */
bool nat_pool_find(const struct nat_rule *r, const uint8_t addr[16], uint32_t *number);

/* Whether a rule can be what it says it is, with a sentence if not. @p source: its list. */
int nat_check(const struct weir_nat_rule *w, bool source, struct weir_why *why);
/* Whether two CGNAT rules give different ports (so that weir_nat_subscriber() has one answer). */
int nat_check_blocks(const struct weir_nat *nat, struct weir_why *why);

/* CGNAT: the arithmetic of a rule whose pool is compiled; -ENOSPC: too few blocks. */
int nat_blocks_compile(struct nat_rule *r, const struct weir_nat_rule *w, struct weir_why *why);
/* The block of a subscriber who is inside: outside address and first port. */
uint16_t nat_block_of(const struct nat_rule *r, const uint8_t subscriber[16], uint8_t outside[16]);

/* NPTv6 (RFC 6296). */
void nat_npt6_compile(struct nat_rule *r);
/* Translate an address; false: it cannot be. */
bool nat_npt6(const struct nat_rule *r, bool outwards, uint8_t addr[16]);

/* A mapping of a port inside to one outside. */
struct nat_map {
	uint8_t inside[16], outside[16];
	uint16_t inside_port, outside_port; /* network order; of ICMP the identifier */
	uint16_t vrf;
	uint8_t inside_family, outside_family;
	uint8_t proto;		  /* of the packets inside */
	uint8_t zone;		  /* that the first one went to */
	uint32_t refs;		  /* flows */
	uint32_t next[2];	  /* in the two chains: number, plus one */
	struct weir_prefix nat64; /* of families that differ */
};

/* The mapping of a tuple's source on its way to a zone; NULL: none. */
struct nat_map *nat_map_inside(struct weir_nat_maps *maps, const struct weir_tuple *t,
			       uint8_t zone);
/* The mapping that has an address and port outside; proto as outside; NULL: none. */
struct nat_map *nat_map_outside(struct weir_nat_maps *maps, uint8_t family, const uint8_t addr[16],
				uint16_t port_be, uint8_t proto, uint16_t vrf);
/* A new one of a flow from @p orig that leaves as @p to, with one reference; NULL: all are in use.
 */
struct nat_map *nat_map_add(struct weir_nat_maps *maps, const struct weir_tuple *orig,
			    const struct weir_tuple *to, uint8_t zone,
			    const struct weir_prefix *nat64);
/* The mapping that a destination belongs to leads there: change the tuple. False: it is none. */
bool nat_map_inwards(struct weir_nat_maps *maps, struct weir_tuple *t);

/* What a port is chosen by. */
struct nat_choice {
	const struct weir_tuple *orig;	 /* the first packet as it came */
	const struct weir_prefix *nat64; /* of families that differ */
	uint16_t port_lo;		 /* ports from here on */
	uint32_t port_n;		 /* so many */
	uint8_t zone;			 /* that it goes to */
	bool endpoint_independent;
};

/* Ports to be used where a rule says nothing. */
#define NAT_PORT_LO 1024

/* A source port (or identifier) for a tuple whose source address is set. @return 0 or -ENOSPC. */
int nat_choose_port(struct weir_nat_asker *a, const struct nat_choice *c, struct weir_tuple *t);
/* Of a tuple that is translated otherwise: the source port stays, if no flow has the reply's tuple
 * and replies come to this worker; else another one is chosen. @return 0 or -ENOSPC. */
int nat_keep_port(struct weir_nat_asker *a, const struct weir_tuple *orig, struct weir_tuple *t);

/* A block of ports in use, and how many flows use it. */
struct nat_lease {
	uint32_t inside_be, outside_be; /* subscriber and address outside */
	uint16_t lo, hi;		/* ports, host order */
	uint32_t refs;
	uint32_t next; /* in its chain: number, plus one */
};

#define NAT_LEASES_MAX (UINT32_C(1) << 24)

/* One worker's. NULL is allowed where it says so. */
struct nat_leases;
uint64_t nat_leases_size(uint32_t entries);
int nat_leases_create(uint32_t entries, int numa, const struct weir_siphash_key *secret,
		      struct nat_leases **out);
void nat_leases_free(struct nat_leases *l); /* NULL is allowed */
/* Any thread; NULL is allowed. */
uint32_t nat_leases_used(const struct nat_leases *l);
uint64_t nat_leases_untold(const struct nat_leases *l);
/* A flow uses a block; *begins: the first one. The lease's number, which the flow keeps, or 0:
 * there is no room to know it (counted). */
uint32_t nat_leases_take(struct nat_leases *l, const struct nat_lease *of, bool *begins);
/* A flow that holds this lease has ended; true: it was the last one. */
bool nat_leases_give(struct nat_leases *l, uint32_t number, struct nat_lease *ended);
