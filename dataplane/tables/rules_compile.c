/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules to lists of segments.
 *
 *	pairs of zones:  those that the same rules are for share a list
 *	segments:        cut behind each rule that may not end the search
 *	contexts:        of a segment's entries, in rules_parts.c
 */

#include <errno.h>
#include <inttypes.h>
#include <rte_malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weir/clock.h>

#include "rules_priv.h"

/* Entries of all contexts together: some hundred MiB. */
#define ENTRIES_MAX (1u << 20)
#define NO_CLASS    UINT16_MAX

struct compile {
	struct weir_rules *rs;
	struct weir_why *why;
	struct rules_list *list;
	uint8_t family;
	bool *wanted; /* by rule: whether it is in the list */
	struct rules_sides sides;
	struct rules_entries entries;
	uint16_t class_of[WEIR_RULE_SETS_MAX + 1][WEIR_RULE_SETS_MAX + 1];
	struct rules_class *classes; /* of the segment, n_classes */
	uint16_t n_classes;
};

static bool is_between(const struct weir_rule *r, unsigned from, unsigned to)
{
	return (r->from_zones == 0 || r->from_zones >> from & 1) &&
	       (r->to_zones == 0 || r->to_zones >> to & 1);
}

/* A segment more, without its contexts. */
static struct rules_segment *append_segment(struct compile *c)
{
	struct rules_segment *grown =
		realloc(c->list->segments, (c->list->n_segments + 1) * sizeof(grown[0]));

	if (grown == NULL)
		return NULL;
	c->list->segments = grown;
	grown += c->list->n_segments++;
	*grown = (struct rules_segment){
		.rest = WEIR_RULE_DEFAULT, .pass = WEIR_RULE_DEFAULT, .limit = RULES_NO_LIMIT};
	c->rs->stats.bytes += sizeof(*grown);
	return grown;
}

static uint16_t limit_of(const struct weir_rules *rs, uint32_t rule)
{
	for (uint32_t i = 0; i < rs->n_limits; i++)
		if (rs->limits[i].rule == rule)
			return (uint16_t)i;
	return RULES_NO_LIMIT;
}

/* Number the pairs of address lists that rules from begin to end need. */
static void find_classes(struct compile *c, uint32_t begin, uint32_t end)
{
	memset(c->class_of, 0xff, sizeof(c->class_of));
	c->n_classes = 0;
	for (uint32_t i = begin; i < end; i++) {
		const uint8_t src = c->sides.src[i], dst = c->sides.dst[i];

		if (!c->wanted[i] || c->class_of[src][dst] != NO_CLASS)
			continue;
		c->class_of[src][dst] = c->n_classes;
		c->classes[c->n_classes] = (struct rules_class){
			.src = src, .dst = dst, .id_be = htobe16(c->n_classes)};
		c->n_classes++;
	}
}

static int add_rule(struct compile *c, uint32_t i)
{
	const struct weir_rule *r = &c->rs->rules[i];
	const uint8_t s = c->sides.src[i], d = c->sides.dst[i];
	const bool src = s == RULES_NO_LIST && rules_lists_plain(&r->src);
	const bool dst = d == RULES_NO_LIST && rules_lists_plain(&r->dst);

	if (rules_entry_count(r, c->family, src, dst) >
	    ENTRIES_MAX - c->rs->stats.entries - c->entries.n)
		return weir_why(c->why, -ENOSPC,
				"rule %s: with it the rules have more than %u combinations of "
				"addresses, ports and zones",
				r->name, ENTRIES_MAX);
	return rules_entry_add(&c->entries, r, i, src, dst, c->class_of[s][d]);
}

/* Whether a rule of the list matches every packet that comes to it. */
static bool takes_all(const struct compile *c, uint32_t i)
{
	const struct weir_rule *r = &c->rs->rules[i];

	return c->wanted[i] && r->proto == 0 && r->n_sports + r->n_dports == 0 &&
	       r->icmp_type < 0 && r->icmp_code < 0 && r->tcp_mask == 0 && r->vlan == 0 &&
	       r->dscp < 0 && r->app == 0 && c->sides.src[i] == RULES_NO_LIST &&
	       c->sides.dst[i] == RULES_NO_LIST && !rules_lists_plain(&r->src) &&
	       !rules_lists_plain(&r->dst);
}

/* One segment of rules from begin to end, of which the last may be one that passes. */
static int make_segment(struct compile *c, uint32_t begin, uint32_t end)
{
	struct rules_segment *s;
	uint32_t rest = begin;
	int rc = 0;

	while (rest < end && !takes_all(c, rest))
		rest++;
	find_classes(c, begin, rest);
	c->entries.n = 0;
	for (uint32_t i = begin; i < rest && rc == 0; i++)
		if (c->wanted[i])
			rc = add_rule(c, i);
	if (rc < 0 || (c->entries.n == 0 && rest == end))
		return rc;
	s = append_segment(c);
	if (s == NULL)
		return -ENOMEM;
	if (rest < end)
		s->rest = rest;
	if (rules_passes(&c->rs->rules[end - 1])) {
		s->pass = end - 1;
		s->limit = limit_of(c->rs, end - 1);
	}
	if (c->entries.n > 0)
		rc = rules_parts_make(c->rs, &c->entries, c->classes, c->n_classes, s);
	if (rc < 0)
		return weir_why(c->why, rc, "rte_acl cannot build rules %s to %s: %s",
				c->rs->rules[begin].name, c->rs->rules[end - 1].name,
				strerror(-rc));
	c->rs->stats.entries += c->entries.n;
	c->rs->stats.contexts += s->n_parts;
	return 0;
}

/* Whether no packet comes to what stands behind the list's last segment. */
static bool is_closed(const struct rules_list *list)
{
	const struct rules_segment *last;

	if (list->n_segments == 0)
		return false;
	last = &list->segments[list->n_segments - 1];
	return last->rest != WEIR_RULE_DEFAULT && last->rest != last->pass;
}

static bool can_match(const struct weir_rule *r, uint8_t family)
{
	return rules_lists_possible(&r->src, family) && rules_lists_possible(&r->dst, family) &&
	       rules_entry_count(r, family, false, false) > 0;
}

static int make_list(struct compile *c, unsigned from, unsigned to)
{
	const struct weir_rules *rs = c->rs;
	uint32_t begin = 0, passes = 0;
	int rc;

	for (uint32_t i = 0; i < rs->n; i++)
		c->wanted[i] = is_between(&rs->rules[i], from, to) &&
			       can_match(&rs->rules[i], c->family);
	c->entries.family = c->family;
	rc = rules_lists_make(c->rs, c->list, c->family, c->wanted, &c->sides, c->why);
	for (uint32_t i = 0; i < rs->n && rc == 0; i++) {
		if (!c->wanted[i] || !rules_passes(&rs->rules[i]))
			continue;
		if (++passes > WEIR_RULE_SEGMENTS_MAX)
			return weir_why(c->why, -ENOSPC,
					"rule %s: more than %u rules between two zones that "
					"count or have a limit",
					rs->rules[i].name, WEIR_RULE_SEGMENTS_MAX);
		if (!is_closed(c->list))
			rc = make_segment(c, begin, i + 1);
		begin = i + 1;
	}
	if (rc == 0 && begin < rs->n && !is_closed(c->list))
		rc = make_segment(c, begin, rs->n);
	if (rc == 0 && c->family == 4)
		rc = rules_plain_make(c->list, &c->entries);
	if (c->list->plain.near != NULL)
		c->rs->stats.bytes += RULES_NEAR_WORDS * sizeof(uint64_t);
	return rc;
}

/* Two lists more, one for each family. */
static int add_lists(struct compile *c, unsigned from, unsigned to)
{
	struct weir_rules *rs = c->rs;
	struct rules_list *grown = realloc(rs->lists, (rs->n_lists + 2) * sizeof(grown[0]));
	int rc = 0;

	if (grown == NULL)
		return -ENOMEM;
	rs->lists = grown;
	memset(&grown[rs->n_lists], 0, 2 * sizeof(grown[0]));
	rs->list_of[from][to] = (uint16_t)rs->n_lists;
	rs->n_lists += 2;
	rs->stats.bytes += 2 * sizeof(grown[0]);
	for (unsigned i = 0; i < 2 && rc == 0; i++) {
		c->family = i == 0 ? 4 : 6;
		c->list = &rs->lists[rs->list_of[from][to] + i];
		free(c->entries.bytes);
		c->entries = (struct rules_entries){0};
		rc = make_list(c, from, to);
	}
	return rc;
}

/* Which rules are for a pair, as a number: pairs with the same one may be for the same rules. */
static uint64_t fingerprint(const struct weir_rules *rs, unsigned from, unsigned to)
{
	uint64_t hash = 0;

	for (uint32_t i = 0; i < rs->n; i++)
		if (is_between(&rs->rules[i], from, to))
			hash = (hash ^ (i + 1)) * UINT64_C(0x9e3779b97f4a7c15);
	return hash;
}

static bool same_rules(const struct weir_rules *rs, unsigned from, unsigned to, unsigned from2,
		       unsigned to2)
{
	for (uint32_t i = 0; i < rs->n; i++)
		if (is_between(&rs->rules[i], from, to) != is_between(&rs->rules[i], from2, to2))
			return false;
	return true;
}

static int make_pairs(struct compile *c)
{
	uint64_t seen[WEIR_ZONES_MAX * WEIR_ZONES_MAX];
	struct weir_rules *rs = c->rs;
	const unsigned zones = rs->zones;

	for (unsigned pair = 0; pair < zones * zones; pair++) {
		const unsigned from = pair / zones, to = pair % zones;
		unsigned other = 0;
		int rc;

		seen[pair] = fingerprint(rs, from, to);
		while (other < pair && (seen[other] != seen[pair] ||
					!same_rules(rs, other / zones, other % zones, from, to)))
			other++;
		if (other < pair) {
			rs->list_of[from][to] = rs->list_of[other / zones][other % zones];
			continue;
		}
		rc = add_lists(c, from, to);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int make_all(struct weir_rules *rs, struct weir_why *why)
{
	const size_t most_classes = sizeof(((struct compile *)NULL)->class_of) / sizeof(uint16_t);
	struct compile *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	if (c == NULL)
		return -ENOMEM;
	c->rs = rs;
	c->why = why;
	c->wanted = calloc(rs->n + 1u, sizeof(c->wanted[0]));
	c->sides.src = malloc(rs->n + 1u);
	c->sides.dst = malloc(rs->n + 1u);
	c->classes = calloc(most_classes, sizeof(c->classes[0]));
	if (c->wanted != NULL && c->sides.src != NULL && c->sides.dst != NULL && c->classes != NULL)
		rc = make_pairs(c);
	free(c->wanted);
	free(c->sides.src);
	free(c->sides.dst);
	free(c->classes);
	free(c->entries.bytes);
	free(c);
	return rc;
}

/* Bytes that are taken of EAL's heaps. */
static uint64_t heap_bytes(void)
{
	struct rte_malloc_socket_stats stats;
	uint64_t bytes = 0;

	for (int i = 0; i < RTE_MAX_NUMA_NODES; i++)
		if (rte_malloc_get_socket_stats(i, &stats) == 0)
			bytes += stats.heap_allocsz_bytes;
	return bytes;
}

static void take_over(struct weir_rules *rs, const struct weir_rules_conf *conf)
{
	static atomic_uint_fast64_t made;

	rs->serial = 1 + atomic_fetch_add(&made, 1);
	rs->zones = conf->zones;
	rs->default_action = conf->default_action;
	rs->geo = conf->geo;
	rs->workers = conf->workers;
	rs->numa = conf->numa;
	rs->stats.bytes = sizeof(*rs);
	if (conf->sources_max != NULL)
		memcpy(rs->sources_max, conf->sources_max,
		       conf->zones * sizeof(rs->sources_max[0]));
}

int weir_rules_compile(const struct weir_rules_conf *conf, struct weir_rules **out,
		       struct weir_why *why)
{
	const uint64_t begin_ns = weir_clock_system_ns(), begin_bytes = heap_bytes();
	struct weir_rules *rs;
	uint64_t end_bytes;
	int rc = rules_judge(conf, why);

	if (rc < 0)
		return rc;
	if (why != NULL)
		why->text[0] = '\0';
	rs = calloc(1, sizeof(*rs));
	if (rs == NULL)
		return weir_why(why, -ENOMEM, "out of memory for the rules");
	take_over(rs, conf);
	rc = rules_copy(rs, conf->rules, conf->n);
	if (rc == 0)
		rc = rules_limit_collect(rs, why);
	if (rc == 0)
		rc = make_all(rs, why);
	if (rc < 0) {
		weir_rules_free(rs);
		if (why != NULL && why->text[0] != '\0')
			return rc;
		return weir_why(why, rc, "out of memory for the rules");
	}
	end_bytes = heap_bytes();
	rs->stats.bytes += end_bytes > begin_bytes ? end_bytes - begin_bytes : 0;
	rs->stats.build_ns = weir_clock_system_ns() - begin_ns;
	*out = rs;
	return 0;
}
