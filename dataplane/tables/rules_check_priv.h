/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Rules that never match, found by asking each rule what earlier ones leave of it.
 *
 *	rules_check.c     one rule after the other, and what is said of it
 *	rules_index.c     earlier rules by what may cover a packet
 *	rules_together.c  whether several of them take all of a rule
 *	rules_cover.c     whether one of them does
 */

#include "rules_priv.h"

/* Earlier rules, found by their addresses, protocol and port. */
struct rules_index;

/* What is looked for: rules that contain all of this, and some that do not. */
struct rules_probe {
	const struct weir_rule *rule; /* whose sets and countries may be named */
	struct weir_prefix src, dst;  /* family 0: only rules with any, sets, countries or none of
					 some addresses */
	uint8_t proto;		      /* 0: only rules for all */
	struct weir_range first;      /* source ports, or types of ICMP */
	struct weir_range second;     /* destination ports, or codes */
};

typedef void rules_visit_fn(void *ctx, uint32_t rule);

/* 0 or -ENOMEM. */
int rules_index_create(const struct weir_rules *rs, struct rules_index **out);
void rules_index_free(struct rules_index *ix);
/* From now on the rule is found. 0 or -ENOMEM. */
int rules_index_add(struct rules_index *ix, uint32_t rule);
/* Call for each rule that may contain it, some more than once. @return how many were looked at. */
uint64_t rules_index_visit(const struct rules_index *ix, const struct rules_probe *probe,
			   rules_visit_fn *visit, void *ctx);
/* Whether each rule that was added is found: not if too many of them have very long lists. */
bool rules_index_has_all(const struct rules_index *ix);
/* From the first of a rule's ranges to the last: of ports, or of ICMP types or codes. */
struct weir_range rules_hull(const struct weir_range *ranges, uint32_t n, int16_t icmp);

enum rules_answer { RULES_NO, RULES_YES, RULES_UNSURE };

/* What several rules take together is cut out of a rule, piece by piece. */
struct rules_together;

/* 0 or -ENOMEM. */
int rules_together_create(const struct weir_rules *rs, const struct rules_index *ix,
			  struct rules_together **out);
void rules_together_free(struct rules_together *t);
/* Whether those of the index take all of a rule that a packet may match. @param by, n_by if so:
 * which ones, in their order; theirs until the next call. */
enum rules_answer rules_together(struct rules_together *t, uint32_t rule, const uint32_t **by,
				 uint32_t *n_by);

/* Zones that a rule is for, of those that there are. */
uint32_t rules_zones(const struct weir_rules *rs, uint32_t bits);
/* Whether one list has all addresses of these families that the other has. */
bool rules_addrs_cover(const struct weir_rule_addrs *big, const struct weir_rule_addrs *small,
		       unsigned families);
/* Whether the first matches whatever is known of the application when the second does. */
bool rules_apps_cover(const struct weir_rule *big, const struct weir_rule *small);
