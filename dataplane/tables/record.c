/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Records of one worker: a ring of slots, a bucket for each kind, counters.
 */

#include <weir/records.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/bucket.h>
#include <weir/rules.h>
#include <weir/shard.h>

#include "slots_priv.h"

static_assert((int)WEIR_RECORD_ACCEPT == (int)WEIR_ACTION_ACCEPT &&
		      (int)WEIR_RECORD_DROP == (int)WEIR_ACTION_DROP &&
		      (int)WEIR_RECORD_REJECT == (int)WEIR_ACTION_REJECT &&
		      (int)WEIR_RECORD_COUNT == (int)WEIR_ACTION_COUNT &&
		      (int)WEIR_RECORD_SYNPROXY == (int)WEIR_ACTION_SYNPROXY,
	      "a rule's action is a record's");

struct weir_records {
	struct slots slots;
	struct weir_records_stats stats;	      /* worker */
	struct weir_bucket bucket[WEIR_RECORD_KINDS]; /* worker; those of limited kinds */
	bool limited[WEIR_RECORD_KINDS];	      /* constant */
	uint16_t worker;			      /* constant */
};

static uint32_t slots_of(uint32_t entries)
{
	return rte_align32pow2(entries);
}

uint64_t weir_records_size(const struct weir_record_ring_conf *conf)
{
	return sizeof(struct weir_records) +
	       (uint64_t)slots_of(conf->entries) * sizeof(struct weir_record);
}

/* A second's worth at once: what logs is often a scan. */
static int set_rates(struct weir_records *ring, const struct weir_record_ring_conf *conf)
{
	int rc = 0;

	for (unsigned k = 0; rc == 0 && k < WEIR_RECORD_KINDS; k++) {
		ring->limited[k] = conf->rate_pps[k] != 0;
		if (ring->limited[k])
			rc = weir_bucket_init(&ring->bucket[k], conf->rate_pps[k],
					      conf->rate_pps[k], 0);
	}
	return rc < 0 ? -EINVAL : 0;
}

int weir_records_create(const struct weir_record_ring_conf *conf, struct weir_records **out)
{
	struct weir_records *ring;
	int rc;

	if (conf->entries < 2 || conf->entries > WEIR_RECORDS_MAX)
		return -EINVAL;
	ring = aligned_alloc(alignof(struct weir_records), sizeof(*ring));
	if (ring == NULL)
		return -ENOMEM;
	memset(ring, 0, sizeof(*ring));
	ring->worker = conf->worker;
	rc = set_rates(ring, conf);
	if (rc == 0)
		rc = slots_create(&ring->slots, slots_of(conf->entries), sizeof(struct weir_record),
				  alignof(struct weir_record));
	if (rc < 0) {
		weir_records_free(ring);
		return rc;
	}
	*out = ring;
	return 0;
}

void weir_records_free(struct weir_records *ring)
{
	if (ring == NULL)
		return;
	slots_free(&ring->slots);
	free(ring);
}

const struct weir_records_stats *weir_records_stats(const struct weir_records *ring)
{
	return &ring->stats;
}

uint64_t weir_records_lost(const struct weir_records *ring)
{
	return slots_lost(&ring->slots);
}

/* ---- worker ---- */

bool weir_record_allow(struct weir_records *ring, enum weir_record_kind kind, uint64_t now_ns)
{
	if (!ring->limited[kind] || weir_bucket_take(&ring->bucket[kind], 1, now_ns))
		return true;
	weir_count(&ring->stats.limited[kind], 1);
	return false;
}

struct weir_record *weir_record_begin(struct weir_records *ring, enum weir_record_kind kind,
				      uint64_t now_ns)
{
	struct weir_record *r = slots_reserve(&ring->slots);

	if (unlikely(r == NULL))
		return NULL;
	memset(r, 0, WEIR_RECORD_HEAD_BYTES);
	r->time_ns = now_ns;
	r->rule = WEIR_RECORD_NO_RULE;
	r->worker = ring->worker;
	r->kind = (uint8_t)kind;
	r->zone[0] = r->zone[1] = WEIR_RECORD_NO_ZONE;
	return r;
}

void weir_record_commit(struct weir_records *ring)
{
	const uint32_t head = atomic_load_explicit(&ring->slots.head, memory_order_relaxed);
	const struct weir_record *r = slots_at(&ring->slots, head);

	weir_count(&ring->stats.written[r->kind], 1);
	slots_commit(&ring->slots);
}

/* ---- control thread ---- */

static unsigned drain(struct slots *slots, uint64_t epoch_ns, unsigned most, weir_record_fn *fn,
		      void *ctx)
{
	struct weir_record *r;
	unsigned n = 0;

	for (; n < most && (r = slots_peek(slots)) != NULL; n++) {
		r->time_ns += epoch_ns;
		if (r->start_ns != 0)
			r->start_ns += epoch_ns;
		fn(ctx, r);
		slots_pop(slots);
	}
	return n;
}

unsigned weir_records_drain(struct weir_records *const *rings, unsigned n, uint64_t epoch_ns,
			    unsigned most, weir_record_fn *fn, void *ctx)
{
	unsigned drained = 0;

	for (unsigned i = 0; i < n; i++)
		drained += drain(&rings[i]->slots, epoch_ns, most, fn, ctx);
	return drained;
}
