/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * When flows go: by their timeout, or to make room.
 *
 * Each class has a queue. A packet does not move its flow in it: what is found alive at the head
 * goes to the tail. So that it is not moved for ever, a class is gone through in turns, four in its
 * timeout; between turns only what has timed out goes from the head.
 */

#include "flow_priv.h"

#include <errno.h>
#include <rte_prefetch.h>

/* Turns in a timeout, as a shift. */
#define TURNS_SHIFT 2
/* Of an established flow that may make room. */
#define SILENT_MS 60000
/* Flows among which the most silent one makes room. */
#define CANDIDATES 4
/* What a class has for itself, as a shift of all entries: a flood of answered questions must not
 * cost the few who are just beginning. */
#define SHARE_SHIFT 4
/* Differences of the clock are told apart from its wrapping. */
#define TIMEOUT_MS_MAX (UINT32_C(24) * 24 * 3600 * 1000)
#define MS	       UINT64_C(1000000)

static_assert((WEIR_FLOW_CLASSES & (WEIR_FLOW_CLASSES - 1)) == 0, "turned by a mask");

static uint32_t turn_ms(const struct weir_flow_table *t, unsigned cls)
{
	return (t->timeout_ms[cls] >> TURNS_SHIFT) + 1;
}

static bool is_past(const struct weir_flow_table *t, uint32_t when_ms)
{
	return (int32_t)(t->now_ms - when_ms) >= 0;
}

int flow_set_timeouts(struct weir_flow_table *t, const uint64_t timeout_ns[WEIR_FLOW_CLASSES])
{
	for (unsigned c = 0; c < WEIR_FLOW_CLASSES; c++)
		if (timeout_ns[c] < MS || timeout_ns[c] / MS > TIMEOUT_MS_MAX)
			return -EINVAL;
	weir_flow_table_timeouts(t, timeout_ns);
	return 0;
}

void weir_flow_table_timeouts(struct weir_flow_table *t,
			      const uint64_t timeout_ns[WEIR_FLOW_CLASSES])
{
	for (unsigned c = 0; c < WEIR_FLOW_CLASSES; c++) {
		t->timeout_ms[c] = (uint32_t)RTE_MIN(RTE_MAX(timeout_ns[c] / MS, UINT64_C(1)),
						     (uint64_t)TIMEOUT_MS_MAX);
		t->queue[c].turn_ms = t->queue[c].look_ms = t->now_ms;
	}
}

void flow_queues_init(struct weir_flow_table *t)
{
	for (unsigned c = 0; c < WEIR_FLOW_CLASSES; c++)
		t->queue[c].head = t->queue[c].tail = FLOW_NONE;
}

static void append(struct weir_flow_table *t, struct flow_queue *q, struct weir_flow *f)
{
	const uint32_t flow = flow_index(t, f);

	f->prev = q->tail;
	f->next = FLOW_NONE;
	if (q->tail == FLOW_NONE)
		q->head = flow;
	else
		t->entries[q->tail].next = flow;
	q->tail = flow;
	q->n++;
}

static void take_out(struct weir_flow_table *t, struct flow_queue *q, struct weir_flow *f)
{
	if (f->prev == FLOW_NONE)
		q->head = f->next;
	else
		t->entries[f->prev].next = f->next;
	if (f->next == FLOW_NONE)
		q->tail = f->prev;
	else
		t->entries[f->next].prev = f->prev;
	q->n--;
}

static void to_tail(struct weir_flow_table *t, struct flow_queue *q, struct weir_flow *f)
{
	take_out(t, q, f);
	append(t, q, f);
}

void flow_enqueue(struct weir_flow_table *t, struct weir_flow *f)
{
	append(t, &t->queue[f->cls], f);
	flow_more(&t->stats.in_class[f->cls]);
}

void flow_dequeue(struct weir_flow_table *t, struct weir_flow *f)
{
	take_out(t, &t->queue[f->cls], f);
	flow_less(&t->stats.in_class[f->cls]);
}

void weir_flow_set_class(struct weir_flow_table *t, struct weir_flow *f, enum weir_flow_class cls)
{
	if (likely(f->cls == cls))
		return;
	if (f->flags & WEIR_FLOW_DRAFT) { /* in no queue yet */
		f->cls = (uint8_t)cls;
		return;
	}
	flow_dequeue(t, f);
	f->cls = (uint8_t)cls;
	flow_enqueue(t, f);
}

/* The head of a class is alive and no turn is on: when it needs a look again. */
static void rest(struct weir_flow_table *t, struct flow_queue *q, const struct weir_flow *head)
{
	const uint32_t left_ms = t->timeout_ms[head->cls] - (t->now_ms - head->last_ms);

	q->look_ms = t->now_ms + 1 + RTE_MIN(left_ms, turn_ms(t, head->cls));
}

/* A class, up to `most` looks. @return how many. */
static unsigned expire_class(struct weir_flow_table *t, unsigned cls, unsigned most)
{
	struct flow_queue *q = &t->queue[cls];
	unsigned looks = 0;

	if (q->left == 0 && is_past(t, q->turn_ms)) {
		q->left = q->n;
		q->turn_ms = t->now_ms + turn_ms(t, cls);
		q->look_ms = t->now_ms;
	}
	if (q->left == 0 && !is_past(t, q->look_ms))
		return 0;
	for (; looks < most && q->head != FLOW_NONE; looks++) {
		struct weir_flow *f = &t->entries[q->head];

		if (f->next != FLOW_NONE)
			rte_prefetch0(t->entries[f->next].carried);
		if (f->flags & WEIR_FLOW_DEAD) {
			flow_end(t, f, &t->stats.killed);
		} else if (flow_timed_out(t, f)) {
			flow_end(t, f, &t->stats.expired[cls]);
		} else if (q->left != 0) {
			to_tail(t, q, f);
		} else {
			rest(t, q, f);
			break;
		}
		q->left -= q->left != 0;
	}
	if (q->head == FLOW_NONE)
		q->left = 0;
	return looks;
}

unsigned weir_flow_expire(struct weir_flow_table *t, unsigned most)
{
	unsigned looks = 0;

	for (unsigned i = 0; i < WEIR_FLOW_CLASSES && looks < most; i++) {
		looks += expire_class(t, t->turn_cls, most - looks);
		/* Also the class that is not done with: no class waits for another one's flood. */
		t->turn_cls = (t->turn_cls + 1) & (WEIR_FLOW_CLASSES - 1);
	}
	return looks;
}

/* The most silent of the first few of a class. NULL: all had a packet just now, and others of this
 * pass may still refer to them. */
static struct weir_flow *most_silent(struct weir_flow_table *t, const struct flow_queue *q)
{
	struct weir_flow *best = &t->entries[q->head];

	for (unsigned i = 1, flow = best->next; i < CANDIDATES && flow != FLOW_NONE; i++) {
		struct weir_flow *f = &t->entries[flow];

		if (t->now_ms - f->last_ms > t->now_ms - best->last_ms)
			best = f;
		flow = f->next;
	}
	return best->last_ms == t->now_ms ? NULL : best;
}

static void evict(struct weir_flow_table *t, struct weir_flow *f)
{
	if (f->flags & WEIR_FLOW_DEAD)
		flow_end(t, f, &t->stats.killed);
	else if (flow_timed_out(t, f))
		flow_end(t, f, &t->stats.expired[f->cls]);
	else
		flow_end(t, f, &t->stats.evicted[f->cls]);
}

/* Who makes room of a class. NULL: nobody. */
static struct weir_flow *candidate(struct weir_flow_table *t, unsigned cls)
{
	struct flow_queue *q = &t->queue[cls];
	struct weir_flow *f;

	if (q->head == FLOW_NONE)
		return NULL;
	f = most_silent(t, q);
	if (f != NULL && (cls != WEIR_FLOW_ESTABLISHED || t->now_ms - f->last_ms >= SILENT_MS))
		return f;
	/* None of these; the next one who asks sees others. */
	for (unsigned i = 0; i < CANDIDATES; i++)
		to_tail(t, q, &t->entries[q->head]);
	return NULL;
}

/* Who makes room: of the lowest class that has more than its share. */
static struct weir_flow *victim(struct weir_flow_table *t, uint32_t share)
{
	for (unsigned cls = 0; cls < WEIR_FLOW_CLASSES; cls++) {
		const bool is_spared = cls != WEIR_FLOW_CLOSED && t->queue[cls].n <= share;
		struct weir_flow *f = is_spared ? NULL : candidate(t, cls);

		if (f != NULL)
			return f;
	}
	return NULL;
}

bool flow_evict(struct weir_flow_table *t)
{
	struct weir_flow *f = victim(t, RTE_MAX(t->n_entries >> SHARE_SHIFT, 1u));

	if (f == NULL)
		f = victim(t, 0);
	if (f != NULL)
		evict(t, f);
	return f != NULL;
}
