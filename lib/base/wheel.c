/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wheel: timers in slots, coarse ones far away and fine ones near.
 *
 * Takes timers and the time; fires those that are due. A timer lies on the level of the highest
 * six-bit digit in which its tick differs from the wheel's: level 0 holds the next 64 ticks one a
 * slot, level 1 the next 4096 in slots of 64, and so on. When the wheel's tick reaches a slot of a
 * coarse level, the slot's timers move down. A bit a slot says which are occupied, so that the
 * wheel jumps over empty time.
 */
#include <weir/wheel.h>

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define DIGIT_BITS     6
#define SLOTS	       64
#define LEVELS	       9
#define TICK_SHIFT_MIN 11
#define TICK_SHIFT_MAX 30
static_assert(LEVELS * DIGIT_BITS >= 64 - TICK_SHIFT_MIN + 1, "every 64-bit time has a level");
static_assert(sizeof(struct weir_timer) <= 40, "timers lie in every connection");

struct weir_wheel {
	uint64_t tick;	/* all before it is fired; slots are relative to it */
	uint64_t floor; /* the first tick that may be armed: tick, or after the run while firing */
	uint64_t next;	/* nothing is due before this tick; may be early after a cancel */
	unsigned tick_shift;
	unsigned levels_used; /* a bit for each level whose used[] is not 0 */
	uint64_t used[LEVELS];
	struct weir_timer *slot[LEVELS * SLOTS];
};

int weir_wheel_create(uint64_t tick_ns, uint64_t now_ns, struct weir_wheel **out)
{
	struct weir_wheel *w;

	if (tick_ns == 0 || (tick_ns & (tick_ns - 1)) != 0 || tick_ns >> TICK_SHIFT_MIN == 0 ||
	    tick_ns >> TICK_SHIFT_MAX > 1)
		return -EINVAL;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	w->tick_shift = (unsigned)__builtin_ctzll(tick_ns);
	w->tick = now_ns >> w->tick_shift;
	w->floor = w->tick;
	w->next = UINT64_MAX;
	*out = w;
	return 0;
}

void weir_wheel_free(struct weir_wheel *w)
{
	free(w);
}

static unsigned digit(uint64_t tick, unsigned level)
{
	return (unsigned)(tick >> (level * DIGIT_BITS)) & (SLOTS - 1);
}

/* Put a timer whose tick is not before the wheel's into the slot that is its own now. */
static void place(struct weir_wheel *w, struct weir_timer *t)
{
	const uint64_t differs = (t->tick ^ w->tick) | 1;
	const unsigned level = (63 - (unsigned)__builtin_clzll(differs)) / DIGIT_BITS;
	const unsigned at = digit(t->tick, level);
	struct weir_timer **head = &w->slot[level * SLOTS + at];

	t->next = *head;
	if (t->next != NULL)
		t->next->pprev = &t->next;
	t->pprev = head;
	*head = t;
	w->used[level] |= UINT64_C(1) << at;
	w->levels_used |= 1u << level;
}

void weir_wheel_arm(struct weir_wheel *w, struct weir_timer *t, uint64_t at_ns)
{
	const uint64_t part = at_ns & ((UINT64_C(1) << w->tick_shift) - 1);
	const uint64_t tick = (at_ns >> w->tick_shift) + (part != 0); /* never early: round up */

	weir_wheel_cancel(w, t);
	t->tick = tick > w->floor ? tick : w->floor;
	place(w, t);
	if (t->tick < w->next)
		w->next = t->tick;
}

void weir_wheel_cancel(struct weir_wheel *w, struct weir_timer *t)
{
	const uintptr_t back = (uintptr_t)t->pprev;

	if (t->pprev == NULL)
		return;
	*t->pprev = t->next;
	if (t->next != NULL) {
		t->next->pprev = t->pprev;
	} else if (back >= (uintptr_t)w->slot && back < (uintptr_t)(w->slot + LEVELS * SLOTS)) {
		/* It was alone: its back pointer tells which slot is empty now. */
		const unsigned n = (unsigned)(t->pprev - w->slot);
		const unsigned level = n / SLOTS;

		w->used[level] &= ~(UINT64_C(1) << n % SLOTS);
		if (w->used[level] == 0)
			w->levels_used &= ~(1u << level);
	}
	t->pprev = NULL;
}

/* A slot and the tick that it begins at. */
struct place {
	uint64_t tick;
	unsigned level;
	unsigned slot;
};

/* The occupied slot that begins first. Of those that begin together any will do. */
static struct place earliest(const struct weir_wheel *w)
{
	struct place best = {.tick = UINT64_MAX};

	for (unsigned left = w->levels_used; left != 0; left &= left - 1) {
		const unsigned level = (unsigned)__builtin_ctz(left);
		const unsigned slot = (unsigned)__builtin_ctzll(w->used[level]);
		const unsigned shift = level * DIGIT_BITS;
		const uint64_t above = w->tick >> shift >> DIGIT_BITS << DIGIT_BITS;
		const uint64_t tick = (above | slot) << shift;

		if (tick < best.tick)
			best = (struct place){tick, level, slot};
	}
	return best;
}

uint64_t weir_wheel_next_ns(const struct weir_wheel *w)
{
	const uint64_t begins = earliest(w).tick;
	/* A slot that has begun is not looked at before its first timer is due. */
	const uint64_t tick = begins > w->next ? begins : w->next;

	/* What was armed for the very end of time lies beyond it when rounded up. */
	return tick >> (64 - w->tick_shift) != 0 ? UINT64_MAX : tick << w->tick_shift;
}

unsigned weir_wheel_run(struct weir_wheel *w, uint64_t now_ns, unsigned max_timers)
{
	const uint64_t now = now_ns >> w->tick_shift;
	unsigned fired = 0;

	if (now >= w->tick)
		w->floor = now + 1;
	while (w->next <= now) {
		const struct place p = earliest(w);
		struct weir_timer *t = w->slot[p.level * SLOTS + p.slot];

		w->next = p.tick;
		if (p.tick > now)
			break;
		if (max_timers-- == 0) {
			w->floor = w->tick;
			return fired;
		}
		if (p.tick > w->tick)
			w->tick = p.tick;
		weir_wheel_cancel(w, t);
		if (p.level > 0) {
			place(w, t);
			continue;
		}
		t->fire(t, now_ns);
		fired++;
	}
	if (now > w->tick)
		w->tick = now;
	w->floor = w->tick;
	return fired;
}
