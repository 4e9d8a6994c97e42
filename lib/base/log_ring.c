/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a worker has to report, as fixed records in a lock-free ring: the worker puts, the control
 * thread drains and writes the lines. Full is counted, never waited for.
 */

#include "log_priv.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 64 /* of a cache */

struct record {
	struct weir_log_event *event;
	uint64_t now_ns;
	uint64_t arg[WEIR_LOG_ARGS_MAX];
};

static_assert(sizeof(struct record) == LINE_BYTES, "a record is one cache line");

struct weir_log_ring {
	alignas(LINE_BYTES) atomic_uint head; /* the worker's: records put so far */
	unsigned tail_seen;		      /* the worker's: an old value of tail */
	_Atomic uint64_t lost;		      /* the worker's */
	alignas(LINE_BYTES) atomic_uint tail; /* the control thread's: records drained so far */
	uint64_t lost_told;		      /* the control thread's */
	alignas(LINE_BYTES) unsigned mask;    /* the rest never changes */
	char thread[WEIR_LOG_NAME_MAX];
	alignas(LINE_BYTES) struct record record[];
};

int weir_log_ring_create(const char *thread, unsigned records, struct weir_log_ring **out)
{
	struct weir_log_ring *r;

	if (records < 2 || records > 65536 || (records & (records - 1)) != 0)
		return -EINVAL;
	r = aligned_alloc(LINE_BYTES, sizeof(*r) + records * sizeof(r->record[0]));
	if (r == NULL)
		return -ENOMEM;
	memset(r, 0, sizeof(*r) + records * sizeof(r->record[0]));
	r->mask = records - 1;
	snprintf(r->thread, sizeof(r->thread), "%s", thread);
	*out = r;
	return 0;
}

void weir_log_ring_free(struct weir_log_ring *ring)
{
	free(ring);
}

/* The worker's. Reads the other side's line only when the ring looks full. */
static bool is_full(struct weir_log_ring *r, unsigned head)
{
	if (head - r->tail_seen <= r->mask)
		return false;
	r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
	return head - r->tail_seen > r->mask;
}

bool weir_log_ring_put(struct weir_log_ring *ring, struct weir_log_event *event, uint64_t now_ns,
		       const uint64_t *args, unsigned n)
{
	const unsigned head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	struct record *rec = &ring->record[head & ring->mask];

	if (is_full(ring, head)) {
		const uint64_t lost = atomic_load_explicit(&ring->lost, memory_order_relaxed);

		atomic_store_explicit(&ring->lost, lost + 1, memory_order_relaxed);
		return false;
	}
	rec->event = event;
	rec->now_ns = now_ns;
	for (unsigned i = 0; i < WEIR_LOG_ARGS_MAX; i++)
		rec->arg[i] = i < n ? args[i] : 0;
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	return true;
}

uint64_t weir_log_ring_lost(const struct weir_log_ring *ring)
{
	return atomic_load_explicit(&ring->lost, memory_order_relaxed);
}

static void write_record(const struct weir_log_ring *r, const struct record *rec, uint64_t now_ns,
			 uint64_t wall_ns)
{
	struct weir_log_event *ev = rec->event;
	const uint64_t age_ns = now_ns > rec->now_ns ? now_ns - rec->now_ns : 0;
	struct weir_log_field fields[WEIR_LOG_ARGS_MAX];
	struct log_entry e = {.level = ev->level,
			      .module = ev->module,
			      .thread = r->thread,
			      .msg = ev->msg,
			      .fields = fields,
			      .wall_ns = wall_ns > age_ns ? wall_ns - age_ns : 0};

	if (!weir_log_on(ev->level, ev->module))
		return;
	for (; e.n_fields < WEIR_LOG_ARGS_MAX && ev->arg[e.n_fields] != NULL; e.n_fields++)
		fields[e.n_fields] = WEIR_U64(ev->arg[e.n_fields], rec->arg[e.n_fields]);
	log_emit(&ev->site, &e);
}

static void tell_lost(struct weir_log_ring *r, uint64_t wall_ns)
{
	const uint64_t lost = weir_log_ring_lost(r);
	struct weir_log_field fields[] = {WEIR_U64("records", lost - r->lost_told)};
	struct log_entry e = {.level = WEIR_LOG_WARN,
			      .module = "log",
			      .thread = r->thread,
			      .msg = "the worker's log ring was full, records are lost",
			      .fields = fields,
			      .n_fields = 1,
			      .wall_ns = wall_ns};

	if (lost == r->lost_told)
		return;
	r->lost_told = lost;
	if (weir_log_on(e.level, e.module))
		log_emit(NULL, &e);
}

unsigned weir_log_ring_drain(struct weir_log_ring *ring, uint64_t now_ns)
{
	const unsigned head = atomic_load_explicit(&ring->head, memory_order_acquire);
	unsigned tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	const uint64_t wall_ns = log_wall_ns();
	const unsigned n = head - tail;

	for (; tail != head; tail++) {
		const struct record rec = ring->record[tail & ring->mask];

		/* give the place back before the slow part */
		atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
		write_record(ring, &rec, now_ns, wall_ns);
	}
	tell_lost(ring, wall_ns);
	return n;
}
