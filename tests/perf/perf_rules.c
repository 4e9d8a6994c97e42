/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What does it cost to ask the rules? Sets of 100 to 40,000 rules, of the kinds of rules_made.c,
 * and packets of which each is inside a random rule; asked in bursts of 32 and of 64. Figures are
 * TSC cycles a packet of weir_rules_ask() as a whole, the minimum and median of the rounds, in
 * which all sets had their turns; time and memory of compiling are of the one time that each was
 * compiled. `--only mixed`: 2,000 rules, of which some count, or have an address set for a source.
 */

#include "perf.h"
#include "rules_made.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>
#include <weir/set.h>

#define PACKETS	   16384
#define ROUNDS_MAX 1024

static const uint32_t sizes[] = {100, 1000, 10000, 40000};
static const uint16_t bursts[] = {32, 64};
static const uint8_t families[] = {4, 6};

/* Of so many rules, how many count and how many have a set. */
#define MIXED	 2000
#define SETS_MAX 500
struct mix {
	uint32_t count, sets;
};
static const struct mix no_mix;
static const struct mix mixes[] = {{0, 0}, {1, 0},  {16, 0}, {64, 0},  {200, 0}, {1000, 0},
				   {0, 1}, {0, 16}, {0, 64}, {0, 200}, {0, 500}, {200, 200}};

struct subject {
	enum rules_kind kind;
	uint8_t family;
	uint32_t n;
	struct mix mix;
	struct weir_rules *rules;
	struct weir_rules_stats stats;
	uint64_t peak_bytes; /* at most, while it was compiled; what it is then included */
	struct weir_rule_ask *asks;
	double samples[RTE_DIM(bursts)][ROUNDS_MAX];
};

static struct subject *subjects[RULES_KINDS * RTE_DIM(families) * RTE_DIM(mixes)];
static_assert(RTE_DIM(mixes) >= RTE_DIM(sizes), "room for all");
static unsigned n_subjects;
static struct weir_set *sets[RTE_DIM(families)][SETS_MAX]; /* by rule, of all subjects */

/* A line of /proc/self/status in bytes; hugepages are not in it. */
static uint64_t resident(const char *line)
{
	FILE *f = fopen("/proc/self/status", "r");
	uint64_t kib = 0;
	char text[128];

	if (f == NULL)
		perf_die("/proc/self/status", -errno);
	while (fgets(text, sizeof(text), f) != NULL)
		if (strncmp(text, line, strlen(line)) == 0)
			kib = strtoull(text + strlen(line), NULL, 10);
	fclose(f);
	return kib * 1024;
}

/* Forget the peak so far. @return what is resident now. */
static uint64_t begin_peak(void)
{
	FILE *f;

	malloc_trim(0);
	f = fopen("/proc/self/clear_refs", "w");
	if (f == NULL || fputs("5", f) < 0 || fclose(f) != 0)
		perf_die("/proc/self/clear_refs", -errno);
	return resident("VmRSS:");
}

static FILE *open_dump(const char *folder, const struct subject *s, const char *what)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s_%u.%s", folder, rules_kind_name(s->kind), s->n, what);
	f = fopen(path, "w");
	if (f == NULL)
		perf_die(path, -errno);
	return f;
}

static void dump(const char *folder, const struct subject *s, const struct rules_made *made)
{
	FILE *f = open_dump(folder, s, "rules");

	rules_write(made, f);
	fclose(f);
	f = open_dump(folder, s, "packets");
	rules_write_packets(s->asks, PACKETS, f);
	fclose(f);
}

/* A set with a rule's own prefix, and 100 hosts. */
static struct weir_set *make_set(const struct weir_prefix *own, uint32_t number)
{
	const struct weir_set_conf conf = {
		.name = "hosts", .entries = 101, .numa = -1, .secret = {number, 1}};
	struct weir_prefix p = *own;
	struct weir_set *set = NULL;
	int rc = weir_set_create(&conf, &set, NULL);

	if (rc == 0)
		rc = weir_set_add(set, &p, WEIR_SET_FOREVER);
	p.length = p.addr.family == 4 ? 32 : 128;
	p.addr.bytes[0] = 203;
	p.addr.bytes[1] = (uint8_t)number;
	p.addr.bytes[2] = (uint8_t)(number >> 8);
	for (p.addr.bytes[3] = 0; p.addr.bytes[3] < 100 && rc == 0; p.addr.bytes[3]++)
		rc = weir_set_add(set, &p, WEIR_SET_FOREVER);
	if (rc < 0)
		perf_die("a set", rc);
	return set;
}

/* Some rules count, and some have a set: each so manieth. */
static void mix(const struct subject *s, struct rules_made *made)
{
	for (uint32_t i = 0; i < s->mix.count; i++)
		made->rules[i * made->n / s->mix.count].action = WEIR_ACTION_COUNT;
	for (uint32_t i = 0; i < s->mix.sets; i++) {
		const uint32_t number = i * made->n / s->mix.sets;
		struct weir_set **set = &sets[s->family == 6][number * SETS_MAX / made->n];
		struct weir_rule *r = &made->rules[number];

		if (*set == NULL)
			*set = make_set(r->src.prefixes, number);
		r->src = (struct weir_rule_addrs){.sets = (const struct weir_set *const *)set,
						  .n_sets = 1};
	}
}

static void add_subject(const struct perf_options *o, enum rules_kind kind, uint8_t family,
			uint32_t n, struct mix mixed)
{
	struct weir_rules_conf conf = {
		.n = n, .zones = 3, .default_action = WEIR_ACTION_DROP, .workers = 1, .numa = -1};
	struct subject *s = calloc(1, sizeof(*s));
	uint64_t before;
	struct rules_made made;
	struct weir_why why;

	if (s == NULL)
		perf_die("no memory", -ENOMEM);
	*s = (struct subject){.kind = kind, .family = family, .n = n, .mix = mixed};
	s->asks = calloc(PACKETS, sizeof(s->asks[0]));
	if (s->asks == NULL)
		perf_die("no memory", -ENOMEM);
	rules_make(&made, kind, family, n);
	rules_packets(&made, s->asks, PACKETS);
	mix(s, &made);
	conf.rules = made.rules;
	before = begin_peak();
	if (weir_rules_compile(&conf, &s->rules, &why) < 0)
		perf_die(why.text, -EINVAL);
	weir_rules_stats(s->rules, &s->stats);
	s->peak_bytes = resident("VmHWM:") - before;
	if (o->huge) /* which are not resident; a part of this is counted twice */
		s->peak_bytes += s->stats.bytes;
	if (o->dump != NULL && family == 4)
		dump(o->dump, s, &made);
	rules_unmake(&made);
	subjects[n_subjects++] = s;
}

static double sample(const struct subject *s, struct weir_rules_worker *w, uint16_t burst)
{
	uint32_t rule[64];
	uint64_t begin = 0;

	/* The first time around, caches forget the set before. */
	for (unsigned time = 0; time < 2; time++) {
		begin = rte_rdtsc_precise();
		for (uint32_t i = 0; i < PACKETS; i += burst)
			weir_rules_ask(s->rules, w, &s->asks[i], burst, 0, 0, rule, NULL, NULL);
	}
	return (double)(rte_rdtsc_precise() - begin) / PACKETS;
}

/* What is timed must be right: else a fast answer is worth nothing. */
static void verify(const struct subject *s, struct weir_rules_worker *w)
{
	uint32_t rule[64];

	for (uint32_t i = 0; i < 512; i += 64) {
		weir_rules_ask(s->rules, w, &s->asks[i], 64, 0, 0, rule, NULL, NULL);
		for (uint32_t k = 0; k < 64; k++)
			if (rule[k] != weir_rules_explain(s->rules, &s->asks[i + k], 0, NULL, NULL))
				perf_die("the compiled rules decide wrongly", -EIO);
	}
}

static void print_table(const struct perf_options *o)
{
	printf("rules: TSC cycles a packet, %u rounds: minimum (median)\n\n"
	       "%-12s %6s %5s %5s %6s %9s %7s %8s %17s %17s\n",
	       o->rounds, "kind", "rules", "count", "sets", "tables", "build ms", "MiB", "peak MiB",
	       "burst 32", "burst 64");
	for (unsigned i = 0; i < n_subjects; i++) {
		struct subject *s = subjects[i];

		printf("%-4s IPv%-3u %6u %5u %5u %6u %9.1f %7.1f %8.1f", rules_kind_name(s->kind),
		       s->family, s->n, s->mix.count, s->mix.sets, s->stats.contexts,
		       (double)s->stats.build_ns / 1e6, (double)s->stats.bytes / (1 << 20),
		       (double)s->peak_bytes / (1 << 20));
		for (unsigned b = 0; b < RTE_DIM(bursts); b++) {
			const double median = perf_median(s->samples[b], o->rounds);

			printf("  %7.1f (%6.1f)", s->samples[b][0], median);
		}
		printf("\n");
	}
}

static void print_json(const struct perf_options *o)
{
	printf("{\"benchmark\": \"rules\", \"rounds\": %u, \"rows\": [", o->rounds);
	for (unsigned i = 0; i < n_subjects; i++)
		for (unsigned b = 0; b < RTE_DIM(bursts); b++) {
			struct subject *s = subjects[i];
			const double median = perf_median(s->samples[b], o->rounds);

			printf("%s\n  {\"kind\": \"%s\", \"family\": %u, \"rules\": %u, "
			       "\"count\": %u, \"sets\": %u, \"burst\": %u, "
			       "\"contexts\": %u, \"build_ms\": %.1f, \"bytes\": %" PRIu64
			       ", \"peak_bytes\": %" PRIu64 ", \"min\": %.2f, \"median\": %.2f}",
			       i + b > 0 ? "," : "", rules_kind_name(s->kind), s->family, s->n,
			       s->mix.count, s->mix.sets, bursts[b], s->stats.contexts,
			       (double)s->stats.build_ns / 1e6, s->stats.bytes, s->peak_bytes,
			       s->samples[b][0], median);
		}
	printf("\n]}\n");
}

static void add_subjects(const struct perf_options *o, enum rules_kind kind, uint8_t family)
{
	if (o->only != NULL && strcmp(o->only, "mixed") != 0)
		perf_die("--only: there is `mixed`", -EINVAL);
	for (unsigned i = 0; o->only == NULL && i < RTE_DIM(sizes); i++)
		add_subject(o, kind, family, sizes[i], no_mix);
	for (unsigned i = 0; o->only != NULL && i < RTE_DIM(mixes); i++)
		if (kind == RULES_ACL || mixes[i].sets == 0)
			add_subject(o, kind, family, MIXED, mixes[i]);
}

static void free_subject(struct subject *s)
{
	weir_rules_free(s->rules);
	free(s->asks);
	free(s);
}

int main(int argc, char **argv)
{
	struct perf_options o = {.core = 1, .rounds = 40, .huge = true};
	const struct weir_siphash_key secret = {1, 2};
	struct weir_rules_worker *w = NULL;

	perf_options(&o, argc, argv);
	if (o.rounds > ROUNDS_MAX)
		perf_die("--rounds is too large", -ERANGE);
	perf_eal(&o, "perf_rules");
	if (weir_rules_worker_create(64, -1, &secret, &w) < 0)
		perf_die("no memory", -ENOMEM);
	for (unsigned kind = 0; kind < RULES_KINDS; kind++)
		for (unsigned f = 0; f < RTE_DIM(families); f++)
			if (o.family == 0 || o.family == families[f])
				add_subjects(&o, (enum rules_kind)kind, families[f]);
	for (unsigned i = 0; i < n_subjects; i++)
		verify(subjects[i], w);
	for (unsigned round = 0; round < o.rounds; round++)
		for (unsigned i = 0; i < n_subjects; i++)
			for (unsigned b = 0; b < RTE_DIM(bursts); b++)
				subjects[i]->samples[b][round] = sample(subjects[i], w, bursts[b]);
	if (o.json)
		print_json(&o);
	else
		print_table(&o);
	for (unsigned i = 0; i < n_subjects; i++)
		free_subject(subjects[i]);
	for (unsigned i = 0; i < RTE_DIM(families) * SETS_MAX; i++)
		weir_set_free(sets[i / SETS_MAX][i % SETS_MAX]);
	weir_rules_worker_free(w);
	return 0;
}
