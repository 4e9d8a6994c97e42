/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rules to lists: pairs of zones that the same rules are for share one of each family.
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

static bool is_between(const struct weir_rule *r, unsigned from, unsigned to)
{
	return (r->from_zones == 0 || r->from_zones >> from & 1) &&
	       (r->to_zones == 0 || r->to_zones >> to & 1);
}

/* Number the pairs of address lists that rules need. */
static int number_classes(struct rules_compile *c)
{
	const uint32_t n_src = c->list->src.n_lists + 1, n_dst = c->list->dst.n_lists + 1;
	uint16_t *of = malloc((size_t)n_src * n_dst * sizeof(of[0]));

	if (of == NULL)
		return -ENOMEM;
	memset(of, 0xff, (size_t)n_src * n_dst * sizeof(of[0]));
	c->n_classes = 0;
	for (uint32_t i = 0; i < c->rs->n; i++) {
		const uint16_t src = c->sides.src[i], dst = c->sides.dst[i];
		uint16_t *class;

		if (!c->wanted[i])
			continue;
		class = &of[RTE_MIN(src, n_src - 1) * n_dst + RTE_MIN(dst, n_dst - 1)];
		if (*class == NO_CLASS) {
			*class = (uint16_t)c->n_classes;
			c->classes[c->n_classes++] = (struct rules_class){.src = src, .dst = dst};
		}
		c->class[i] = *class;
	}
	free(of);
	return 0;
}

int rules_add(struct rules_compile *c, uint32_t rule, uint16_t category)
{
	const struct weir_rule *r = &c->rs->rules[rule];
	const struct rules_entry_how how = {
		.src = c->sides.src[rule] == RULES_NO_LIST && rules_lists_plain(&r->src),
		.dst = c->sides.dst[rule] == RULES_NO_LIST && rules_lists_plain(&r->dst),
		.class = c->class[rule],
		.category = category,
	};

	if (rules_entry_count(r, c->family, how.src, how.dst) >
	    ENTRIES_MAX - c->rs->stats.entries - c->entries.n)
		return weir_why(c->why, -ENOSPC,
				"rule %s: with it the rules have more than %u combinations of "
				"addresses, ports and zones",
				r->name, ENTRIES_MAX);
	return rules_entry_add(&c->entries, r, rule, &how);
}

bool rules_takes_all(const struct rules_compile *c, uint32_t rule)
{
	const struct weir_rule *r = &c->rs->rules[rule];

	return r->proto == 0 && r->n_sports + r->n_dports == 0 && r->icmp_type < 0 &&
	       r->icmp_code < 0 && r->tcp_mask == 0 && r->vlan == 0 && r->dscp < 0 && r->app == 0 &&
	       c->sides.src[rule] == RULES_NO_LIST && c->sides.dst[rule] == RULES_NO_LIST &&
	       !rules_lists_plain(&r->src) && !rules_lists_plain(&r->dst);
}

int rules_build(struct rules_compile *c, uint32_t categories, struct rules_parts *out)
{
	int rc;

	if (c->entries.n == 0)
		return 0;
	rc = rules_parts_make(c->rs, &c->entries, c->classes, c->n_classes, categories, out);
	if (rc < 0)
		return weir_why(c->why, rc, "rte_acl cannot build the rules: %s", strerror(-rc));
	c->rs->stats.entries += c->entries.n;
	c->rs->stats.contexts += out->n;
	return 0;
}

static bool is_end(const struct rules_compile *c, uint32_t rule)
{
	return c->wanted[rule] && !rules_passes(&c->rs->rules[rule]);
}

/* Find the first rule that ends each search, behind which no packet comes, and the first that may
 * end one. @return the former, or how many rules there are. */
static uint32_t find_end(struct rules_compile *c)
{
	struct rules_list *list = c->list;
	uint32_t end = 0;

	list->rest = list->first = WEIR_RULE_DEFAULT;
	while (end < c->rs->n && !(is_end(c, end) && rules_takes_all(c, end))) {
		if (is_end(c, end))
			list->first = RTE_MIN(list->first, end);
		end++;
	}
	if (end < c->rs->n) {
		list->rest = end;
		list->first = RTE_MIN(list->first, end);
	}
	return end;
}

static int make_ends(struct rules_compile *c, uint32_t end)
{
	int rc = 0;

	c->entries.n = 0;
	for (uint32_t i = 0; i < end && rc == 0; i++)
		if (is_end(c, i))
			rc = rules_add(c, i, 0);
	return rc < 0 ? rc : rules_build(c, 1, &c->list->ends);
}

static bool can_match(const struct weir_rule *r, uint8_t family)
{
	return rules_lists_possible(&r->src, family) && rules_lists_possible(&r->dst, family) &&
	       rules_entry_count(r, family, false, false) > 0;
}

static int make_list(struct rules_compile *c, unsigned from, unsigned to)
{
	const struct weir_rules *rs = c->rs;
	uint32_t end;
	int rc;

	for (uint32_t i = 0; i < rs->n; i++)
		c->wanted[i] = is_between(&rs->rules[i], from, to) &&
			       can_match(&rs->rules[i], c->family);
	c->entries.family = c->family;
	rc = rules_lists_make(c);
	if (rc == 0)
		rc = number_classes(c);
	if (rc < 0)
		return rc;
	end = find_end(c);
	rc = rules_passes_make(c, end);
	if (rc == 0)
		rc = make_ends(c, end);
	if (rc == 0 && c->family == 4)
		rc = rules_plain_make(c->list, &c->entries);
	if (c->list->plain.near != NULL)
		c->rs->stats.bytes += RULES_NEAR_WORDS * sizeof(uint64_t);
	return rc;
}

/* Two lists more, one for each family. */
static int add_lists(struct rules_compile *c, unsigned from, unsigned to)
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

static int make_pairs(struct rules_compile *c)
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

static void free_compile(struct rules_compile *c)
{
	free(c->wanted);
	free(c->sides.src);
	free(c->sides.dst);
	free(c->class);
	free(c->classes);
	free(c->entries.bytes);
}

static int make_all(struct weir_rules *rs, struct weir_why *why)
{
	const size_t n = rs->n + 1u;
	struct rules_compile c = {
		.rs = rs,
		.why = why,
		.wanted = calloc(n, sizeof(c.wanted[0])),
		.sides = {.src = calloc(n, sizeof(c.sides.src[0])),
			  .dst = calloc(n, sizeof(c.sides.dst[0]))},
		.class = calloc(n, sizeof(c.class[0])),
		.classes = calloc(n, sizeof(c.classes[0])),
	};
	int rc = -ENOMEM;

	if (c.wanted != NULL && c.sides.src != NULL && c.sides.dst != NULL && c.class != NULL &&
	    c.classes != NULL)
		rc = make_pairs(&c);
	free_compile(&c);
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
