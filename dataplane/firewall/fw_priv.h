/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the parts of a firewall's control side share. All of it belongs to the control thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <weir/capture.h>
#include <weir/conf.h>
#include <weir/dpi.h>
#include <weir/firewall.h>
#include <weir/geo.h>
#include <weir/record.h>
#include <weir/records.h>
#include <weir/rib.h>
#include <weir/set.h>
#include <weir/tracker.h>

/* Memory that lasts as long as a policy is being made. */
struct fw_arena {
	void **block;
	size_t n, room;
};

/* Zeroed memory; NULL: out of memory. */
void *fw_alloc(struct fw_arena *a, size_t n, size_t size);
void fw_arena_free(struct fw_arena *a);

/* A live set, and what the configuration said when it was filled. */
struct fw_set {
	struct weir_set *set;
	uint64_t said; /* hash of its section and of its file's content */
	uint32_t refs; /* policies that use it */
};

/* Compiled patterns and domains, and what the configuration said when they were made. */
struct fw_dpi {
	struct weir_dpi *dpi;
	struct weir_run *run; /* its workers are prepared for it */
	uint64_t said;	      /* hash of the section and of its files' state */
	uint32_t refs;	      /* policies that use it */
};

/* Sentences of the compiler that were logged. */
#define FW_TOLD_MAX 1000

/* Counters of rules, by names that outlive a reload. */
struct fw_slot {
	char *name;    /* NULL: free */
	uint64_t said; /* hash of the rule */
	bool current, fresh;
	uint64_t base_pkts, base_bytes; /* what the slot had counted for others before */
	uint64_t pushed_pkts, pushed_bytes, pushed_ns; /* of drivers, which drop them no more */
};

struct app_record;

struct fw {
	struct weir_run *run;
	struct fw_slot *slots;	/* WEIR_RULE_SLOTS_MAX; 0 is the default policy's */
	uint32_t n_slots;	/* beyond them all are free */
	uint32_t slot_next;	/* where the next free one is looked for */
	uint32_t *slot_of_rule; /* by hash, open: those that rules had when a policy was begun */
	uint32_t policies;	/* made so far: their numbers */
	struct weir_tracker_conf sizes;
	struct weir_dpi_worker_conf dpi_sizes; /* sizes.dpi */
	char *app[WEIR_APP_UNKNOWN];	       /* by number, from WEIR_APP_NAMED; they stay */
	uint64_t *told;			       /* n_told hashes */
	uint32_t n_told;
	FILE *findings;		      /* --check: where they are printed; NULL: they are logged */
	const struct weir_dpi *named; /* whose names alerts have; NULL: none */
	struct weir_record_ring_conf ring; /* sizes.records */
	struct weir_capture_conf packets;  /* sizes.capture */
	struct weir_record_names names;
	struct weir_records **rings;	/* by worker */
	struct weir_capture **captures; /* by worker */
	struct app_record *records;	/* NULL: nothing is recorded */
	struct fw_push *push;		/* NULL: no rule ever went into a driver */
};

/* fw.c, for --check and --offline: the core that we are on, and EAL on one core with room for so
 * many bytes of tables in small pages; no device. */
uint16_t fw_own_core(void);
int fw_begin_eal(const struct weir_run *run, uint16_t core, uint64_t bytes, struct weir_why *why);

/* What a policy holds beside what it says. */
struct fw_owner {
	struct fw_set **sets; /* n_sets, in the order of the configuration */
	size_t n_sets;
	struct weir_geo *geo;
	struct fw_dpi *dpi; /* NULL: nothing is inspected */
};

/* One worker's share of what is configured for all, rounded up. */
static inline uint32_t fw_share(uint64_t n, uint16_t workers)
{
	return (uint32_t)((n + workers - 1) / workers);
}

/* Timeouts as a flow table takes them. */
void fw_timeouts(const struct weir_timeouts_conf *t, uint64_t out[WEIR_FLOW_CLASSES]);

/* The sets of the policy in force; *n is 0 before the first. */
struct fw_set *const *fw_sets(const struct fw *fw, size_t *n);

/* fw_said.c: what the configuration says, as a hash that goes on from @said; FW_SAID_NOTHING is the
 * first. NULL is not "". Of a file: its path and whether it has changed. */
#define FW_SAID_NOTHING UINT64_C(0xcbf29ce484222325)
uint64_t fw_said(uint64_t said, const void *data, size_t bytes);
uint64_t fw_said_text(uint64_t said, const char *text);
uint64_t fw_said_words(uint64_t said, const struct weir_conf_list *words);
uint64_t fw_said_file(uint64_t said, const char *path);

/* What a policy is made from, and what it becomes. */
struct fw_build {
	struct fw *fw;
	struct weir_system *system;
	const struct weir_firewall_conf *conf;
	const struct weir_app_conf *app;
	const char *file;
	struct fw_arena arena;
	struct weir_geo *geo;
	struct weir_policy *policy; /* zones are set */
	struct fw_set **sets;	    /* in force by then: those of the configuration */
	size_t n_sets;
	struct fw_dpi *dpi;
};

/* fw_names.c: words of the configuration. Each says what is wrong as FILE:LINE: sentence. */
int fw_proto(const struct fw_build *b, uint32_t line, const char *word, uint8_t *out,
	     struct weir_why *why);
int fw_range(const struct fw_build *b, uint32_t line, const char *key, const char *word,
	     struct weir_range *out, struct weir_why *why);
int fw_ranges(struct fw_build *b, uint32_t line, const char *key,
	      const struct weir_conf_list *words, const struct weir_range **out, uint32_t *n,
	      struct weir_why *why);
int fw_icmp(const struct fw_build *b, uint32_t line, const char *word, bool six, int16_t *type,
	    int16_t *code, struct weir_why *why);
int fw_tcp_flags(const struct fw_build *b, uint32_t line, const char *key, const char *word,
		 uint8_t *flags, uint8_t *mask, struct weir_why *why);
int fw_dscp(const struct fw_build *b, uint32_t line, const char *key, const char *word,
	    uint8_t *out, struct weir_why *why);
/* Zones as bits; an empty list: 0. */
int fw_zones(const struct fw_build *b, uint32_t line, const char *key,
	     const struct weir_conf_list *words, uint32_t *out, struct weir_why *why);
/* Addresses, prefixes, sets, countries, with or without "!". */
int fw_addrs(struct fw_build *b, uint32_t line, const char *key, const struct weir_conf_list *words,
	     struct weir_rule_addrs *out, struct weir_why *why);

/* A name, and where it stands. */
struct fw_name {
	const char *name;
	uint32_t line;
};
/* Refuse a name that is there twice, or has control characters, which terminals, logs and metrics
 * would take for their own; sorts them. */
int fw_names_differ(const struct fw_build *b, const char *what, struct fw_name *names, size_t n,
		    struct weir_why *why);
/* Whether a sentence is about this one: compilers know "rule NAME", but not where it stands. */
bool fw_is_about(const struct weir_why *why, const char *what, const char *name);
/* Put file and line in front of a sentence; @rc is returned. */
int fw_at_line(const struct fw_build *b, uint32_t line, int rc, struct weir_why *why);

/* fw_policy.c: the outer VLAN of what comes by a zone or an interface, 0: none; -1: by some of the
 * zone's interfaces it is another one. */
int fw_vlan_of(const struct weir_firewall_conf *fc, const struct weir_app_conf *app,
	       const char *name);

/* fw_sets.c: sets that outlive a reload. */
/* Entries that a set has room for. */
uint32_t fw_set_entries(const struct weir_set_section *c);
int fw_sets_open(struct fw_build *b, struct weir_why *why);
struct fw_set *fw_set_find(struct fw_set *const *sets, size_t n, const char *name);
void fw_set_release(struct fw_set *s);

/* fw_dpi.c: patterns and domains that outlive a reload, and names of applications. */
void fw_dpi_sizes(const struct weir_dpi_section *c, uint16_t workers,
		  struct weir_dpi_worker_conf *out);
/* Streams of all workers for two generations. */
uint64_t fw_dpi_stream_bytes(const struct weir_dpi_section *c, uint16_t workers);
/* Whether a reload may go from one section to the other. */
bool fw_dpi_may_follow(const struct weir_dpi_section *old, const struct weir_dpi_section *fresh);
int fw_dpi_open(struct fw_build *b, struct weir_why *why);
void fw_dpi_release(struct fw_dpi *d);
/* The numbers of a rule's applications; an empty list: one 0. */
int fw_dpi_apps(const struct fw_build *b, const struct weir_rule_conf *c, uint8_t *out, unsigned *n,
		struct weir_why *why);
/* NULL: the number has no name. */
const char *fw_app_name(const struct fw *fw, uint32_t app);
/* 0: no application is called so. */
uint8_t fw_app_number(const struct fw *fw, const char *name);
/* fw_dpi_show.c */
int fw_dpi_metrics(struct weir_run *run);
/* fw_dpi.c: that of the policy in force; NULL: none. */
const struct fw_dpi *fw_dpi_now(const struct fw *fw);

/* fw_slots.c: counters of rules. */
/* The name of the rule that has a slot; NULL: none has it. */
const char *fw_slot_name(const struct fw *fw, uint32_t slot);
int fw_slots_create(struct fw *fw);
void fw_slots_free(struct fw *fw);
/* The slot of a rule: the one that it had, or another. 0 or -errno with a sentence. */
int fw_slot_take(struct fw *fw, const char *name, uint64_t said, uint32_t *slot,
		 struct weir_why *why);
void fw_slots_begin(struct fw *fw);
void fw_slots_keep(struct fw *fw);
void fw_slots_forget(struct fw *fw);
/* What a slot has counted, over all workers. */
void fw_slot_sum(const struct fw *fw, uint32_t slot, uint64_t *pkts, uint64_t *bytes,
		 uint64_t *last_ns);

/* fw_push_run.c: hot drop rules in drivers. What those have dropped for a slot, and are counting.
 */
void fw_push_sum(const struct fw *fw, uint32_t slot, uint64_t *pkts, uint64_t *bytes,
		 uint64_t *last_ns);
/* How many rules of drivers a slot has now, and all have. */
uint32_t fw_push_rules(const struct fw *fw, uint32_t slot);
uint32_t fw_push_used(const struct fw *fw);
/* All come back: another policy is being made. */
void fw_push_pull(struct fw *fw);
/* So do those that look into a set which is about to change. */
void fw_push_before_set(struct fw *fw, const struct weir_set *set);
/* Ask a worker about its flows, and wait for the answer. 0 or -ETIMEDOUT. */
int fw_ask_worker(struct weir_run *run, uint16_t worker, struct weir_flow_ask *ask,
		  struct weir_why *why);

/* fw_records.c: the sizes of rings that a configuration asks for. */
void fw_record_sizes(struct fw *fw, const struct weir_records_conf *conf);
/* Write down what there is; alerts of the next records have the names of the policy in force. */
void fw_record_names(struct fw *fw);

/* fw_stateless.c: firewall.stateless goes with all else that is configured. */
int fw_check_stateless(const struct fw_build *b, struct weir_why *why);

/* fw_findings.c: print what --check warns of. */
int fw_say_findings(const struct weir_policy *policy, const struct weir_firewall_conf *fc,
		    const char *file, FILE *to, struct weir_why *why);

/* fw_rules.c, fw_nat.c */
int fw_build_rules(struct fw_build *b, struct weir_why *why);
int fw_build_nat(struct fw_build *b, struct weir_why *why);
