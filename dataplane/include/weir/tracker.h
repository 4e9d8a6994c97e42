/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What the stages 30 to 50 of one worker share: its flows, its part of the rules' limits and of
 * translation, counters of rules.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/flow.h>
#include <weir/must_check.h>
#include <weir/nat.h>
#include <weir/rules.h>
#include <weir/why.h>

struct nat_leases;
struct weir_capture;
struct weir_capture_conf;
struct weir_dpi;
struct weir_dpi_worker;
struct weir_dpi_worker_conf;
struct weir_record_ring_conf;
struct weir_records;
struct weir_shard;

/** Counters of a rule, of packets of all flows that it let in, and of those that it turned away.
 * One writer (the worker), read with weir_counted(). */
struct weir_rule_counter {
	uint64_t pkts;	  /**< packets */
	uint64_t bytes;	  /**< IP bytes */
	uint64_t last_ns; /**< time of the last one, on the clock of passes; 0: none */
};

/** Sizes, for each worker. */
struct weir_tracker_conf {
	struct weir_flow_conf flows; /**< numa and secret are the worker's */
	bool stateless;		     /**< packets are judged by 40_filter, there are no flows */
	uint32_t rule_slots;	     /**< counters of rules; slot 0 is the default policy's */
	uint32_t limit_sources;	     /**< sources that limits of rules know at a time */
	const struct weir_record_ring_conf *records; /**< NULL: nothing is recorded */
	const struct weir_capture_conf *capture;     /**< NULL: nothing is captured */
	uint32_t update_ms; /**< from one record of a flow that goes on to the next; 0: none */
	uint32_t nat_maps;  /**< mappings of endpoint-independent translation */
	/** Subscribers whose blocks of ports are recorded at a time; 0: none are. */
	uint32_t nat_blocks;
	const struct weir_dpi_worker_conf *dpi; /**< numa, alert and ctx are the worker's; NULL:
						     nothing is inspected */
};

/** Counters of the SYN proxy. One writer (the worker), read with weir_counted(). */
struct weir_synproxy_stats {
	uint64_t answered; /**< SYNs that got a cookie */
	uint64_t accepted; /**< cookies that came back, fresh: clients that may pass */
	uint64_t stale;	   /**< cookies that came back too late */
	uint64_t wrong;	   /**< what was no cookie */
	uint64_t opened;   /**< servers that have answered, with whatever */
};

/** Made by the engine, kept in its shard. Fields are the worker's. */
struct weir_tracker {
	struct weir_shard *shard;	     /**< whose it is */
	bool stateless;			     /**< as in the conf */
	struct weir_flow_table *flows;	     /**< connections */
	struct weir_rules_worker *rules;     /**< buckets of limits */
	struct weir_nat_asker nat;	     /**< chooses ports */
	struct nat_leases *leases;	     /**< blocks of ports in use, or NULL: not recorded */
	struct weir_rule_counter *counter;   /**< rule_slots of them */
	uint32_t rule_slots;		     /**< how many */
	uint32_t decided;		     /**< 40_acl: slot of the rule that decided last */
	struct weir_records *records;	     /**< ring of records, or NULL */
	struct weir_capture *capture;	     /**< ring of packets, or NULL */
	struct weir_dpi_worker *dpi;	     /**< inspection, or NULL */
	const struct weir_dpi *patterns;     /**< what the pass inspects for, or NULL */
	uint64_t dpi_no_ext;		     /**< flows not inspected, for want of an extension */
	uint32_t update_ms;		     /**< as in the conf */
	uint32_t update_at;		     /**< entry that is looked at next for an update */
	uint64_t now_ns;		     /**< the pass's time */
	struct weir_synproxy_stats synproxy; /**< counters of the SYN proxy */
	uint8_t ending; /**< enum weir_record_reason of flows that end now; REASONS: their time */
};

/** Memory of a tracker in bytes, for --plan. Any thread. */
WEIR_MUST_CHECK uint64_t weir_tracker_size(const struct weir_tracker_conf *conf);
/** Make it. @return 0 or -errno with a sentence. Control thread. */
WEIR_MUST_CHECK int weir_tracker_create(const struct weir_tracker_conf *conf,
					struct weir_shard *shard, struct weir_tracker **out,
					struct weir_why *why);
/** Free it. NULL is allowed. Control thread. */
void weir_tracker_free(struct weir_tracker *t);

/** Blocks of ports that are recorded as in use. Any thread. */
WEIR_MUST_CHECK uint32_t weir_tracker_blocks(const struct weir_tracker *t);
/** Flows whose block could not be told, because too many are in use. Any thread. */
WEIR_MUST_CHECK uint64_t weir_tracker_blocks_untold(const struct weir_tracker *t);

/** Give back the mapping that a flow holds, if it holds one. The worker's thread. */
void weir_tracker_give_back(struct weir_tracker *t, struct weir_flow *f);

/** Count packets of a rule, and the IP bytes of all of them. The worker's thread. */
static inline void weir_tracker_count_some(struct weir_tracker *t, uint32_t slot, uint32_t pkts,
					   uint64_t bytes, uint64_t now_ns)
{
	struct weir_rule_counter *c = &t->counter[slot];

	__atomic_store_n(&c->pkts, c->pkts + pkts, __ATOMIC_RELAXED);
	__atomic_store_n(&c->bytes, c->bytes + bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&c->last_ns, now_ns, __ATOMIC_RELAXED);
}

/** Count a packet of a rule. The worker's thread. */
static inline void weir_tracker_count(struct weir_tracker *t, uint32_t slot, uint32_t ip_bytes,
				      uint64_t now_ns)
{
	weir_tracker_count_some(t, slot, 1, ip_bytes, now_ns);
}
