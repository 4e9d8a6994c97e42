/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Neighbours and other threads: an inbox from the control thread, emptied by a timer of the
 * worker, and a copy of each entry for whoever lists them.
 *
 * The copy has a sequence number that is odd while it is written. The worker's stores of its words
 * are releases and the readers' loads acquires: who sees a new word sees the odd number too.
 */

#include "neigh_notice_priv.h"
#include "neigh_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/clock.h>

#define INBOX_PERIOD_NS (WEIR_NS_PER_S / 10)
#define INBOX_SLOTS	1024
/* Taken in at once, so that a pass stays short. */
#define INBOX_AT_ONCE 128

/* How often a reader tries to see one entry at rest. */
#define READ_TRIES 16

/* What the control thread says. */
struct told {
	struct weir_addr addr;
	struct weir_mac mac;
	uint8_t verb; /* enum told_verb */
	uint16_t iface;
	uint16_t spare;
};
static_assert(sizeof(struct told) % 4 == 0, "rte_ring moves words of four bytes");

enum told_verb { TOLD_FORGET, TOLD_PERMANENT, TOLD_HINT };

const char *weir_neigh_state_name(enum weir_neigh_state state)
{
	static const char *const names[WEIR_NEIGH_STATES] = {"free",   "incomplete", "reachable",
							     "stale",  "delay",	     "probe",
							     "failed", "permanent"};

	return (unsigned)state < WEIR_NEIGH_STATES ? names[state] : names[WEIR_NEIGH_FREE];
}

void neigh_show(struct neigh *e, uint64_t now_ns)
{
	struct weir_neigh_info info;
	uint64_t word[NEIGH_INFO_WORDS];

	memset(&info, 0, sizeof(info));
	info.since_ns = now_ns;
	info.iface = neigh_key_iface(&e->key);
	info.state = e->state;
	info.addr = neigh_key_addr(&e->key);
	memcpy(info.mac.bytes, e->l2.bytes, sizeof(info.mac.bytes));
	memcpy(word, &info, sizeof(word));
	__atomic_store_n(&e->shown_seq, e->shown_seq + 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < NEIGH_INFO_WORDS; i++)
		__atomic_store_n(&e->shown[i], word[i], __ATOMIC_RELEASE);
	__atomic_store_n(&e->shown_seq, e->shown_seq + 1, __ATOMIC_RELEASE);
}

static bool read_shown(const struct neigh *e, struct weir_neigh_info *info)
{
	uint64_t word[NEIGH_INFO_WORDS];

	for (unsigned n = 0; n < READ_TRIES; n++) {
		const uint32_t seq = __atomic_load_n(&e->shown_seq, __ATOMIC_ACQUIRE);

		for (unsigned i = 0; i < NEIGH_INFO_WORDS; i++)
			word[i] = __atomic_load_n(&e->shown[i], __ATOMIC_ACQUIRE);
		if (seq % 2 == 0 && __atomic_load_n(&e->shown_seq, __ATOMIC_RELAXED) == seq) {
			memcpy(info, word, sizeof(word));
			return info->state != WEIR_NEIGH_FREE;
		}
	}
	return false;
}

unsigned weir_neigh_each(const struct weir_neigh_table *t,
			 void (*see)(void *ctx, const struct weir_neigh_info *n), void *ctx)
{
	struct weir_neigh_info info;
	unsigned seen = 0;

	for (uint32_t i = 0; i < t->n_entries; i++) {
		if (!read_shown(&t->entries[i], &info))
			continue;
		see(ctx, &info);
		seen++;
	}
	return seen;
}

int weir_neigh_set(struct weir_neigh_table *t, uint16_t iface, const struct weir_addr *addr,
		   const struct weir_mac *mac, bool permanent)
{
	struct told told = {.addr = *addr, .iface = iface, .verb = TOLD_FORGET};

	if ((addr->family != 4 && addr->family != 6) ||
	    (mac != NULL && !neigh_mac_good(mac->bytes)))
		return -EINVAL;
	if (mac != NULL) {
		told.mac = *mac;
		told.verb = permanent ? TOLD_PERMANENT : TOLD_HINT;
	}
	return rte_ring_sp_enqueue_elem(t->inbox, &told, sizeof(told)) == 0 ? 0 : -EAGAIN;
}

/* Interfaces that the generation does not have any more are passed over. */
static void take_in(struct weir_neigh_table *t, const struct weir_l3 *l3, const struct told *told,
		    uint64_t now_ns)
{
	const struct neigh_key key = neigh_key(told->iface, &told->addr);
	struct neigh *e;

	if (l3 == NULL || told->iface >= l3->n_ifaces)
		return;
	switch (told->verb) {
	case TOLD_FORGET:
		e = neigh_find(t, &key);
		if (e != NULL)
			neigh_forget(t, e, WEIR_DROP_NEIGH_FAILED);
		return;
	case TOLD_PERMANENT:
		neigh_fix(t, l3, &key, told->mac.bytes, now_ns);
		return;
	default:
		neigh_learn(t, l3,
			    &(struct neigh_news){.key = key,
						 .mac = told->mac.bytes,
						 .override = true,
						 .invited = true},
			    now_ns);
	}
}

static void inbox_fire(struct weir_timer *timer, uint64_t now_ns)
{
	struct weir_neigh_table *t =
		RTE_PTR_SUB(timer, offsetof(struct weir_neigh_table, inbox_timer));
	struct told told;

	for (unsigned n = 0; n < INBOX_AT_ONCE; n++) {
		if (rte_ring_sc_dequeue_elem(t->inbox, &told, sizeof(told)) != 0)
			break;
		take_in(t, neigh_l3(t), &told, now_ns);
	}
	neigh_send_frames(t);
	weir_wheel_arm(t->shard->wheel, timer, weir_deadline_after(now_ns, INBOX_PERIOD_NS));
}

int neigh_inbox_create(struct weir_neigh_table *t)
{
	const ssize_t bytes = rte_ring_get_memsize_elem(sizeof(struct told), INBOX_SLOTS);

	t->inbox = aligned_alloc(RTE_CACHE_LINE_SIZE,
				 RTE_ALIGN_CEIL((size_t)bytes, RTE_CACHE_LINE_SIZE));
	if (t->inbox == NULL)
		return -ENOMEM;
	if (rte_ring_init(t->inbox, "neigh", INBOX_SLOTS, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0)
		return -EINVAL;
	t->inbox_timer.fire = inbox_fire;
	weir_wheel_arm(t->shard->wheel, &t->inbox_timer, 0);
	return neigh_notice_create(t);
}

void neigh_inbox_free(struct weir_neigh_table *t)
{
	weir_wheel_cancel(t->shard->wheel, &t->inbox_timer);
	neigh_notice_free(t);
	free(t->inbox);
}
