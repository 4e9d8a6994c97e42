/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A worker's neighbours: who answers to which address (RFC 826, RFC 4861 section 7.3).
 *
 * Chained buckets of a fixed number of entries, a timer in each, and a list of those that may be
 * evicted. ARP goes by the machine of neighbour discovery. No layer above tells us that a neighbour
 * is alive, so one that is used is asked by unicast when its time is up, and packets go to it
 * meanwhile: traffic only stops if it does not answer.
 */

#include "neigh_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/clock.h>

/* RFC 4861 section 10. */
#define TRIES	     3
#define RETRY_NS     WEIR_NS_PER_S
#define REACHABLE_NS (30 * WEIR_NS_PER_S)
#define DELAY_NS     (5 * WEIR_NS_PER_S)
/* How long nobody needs to ask for an entry until it goes. */
#define STALE_NS  (20 * 60 * WEIR_NS_PER_S)
#define FAILED_NS (60 * WEIR_NS_PER_S)

/* Entries a second that others make us create by asking for us, and how many at once. */
#define INVITATIONS_PER_S 1000
#define INVITATIONS	  256

#define NEIGHBOURS_MAX (1u << 22)

static bool may_be_evicted(uint8_t state)
{
	return state == WEIR_NEIGH_INCOMPLETE || state == WEIR_NEIGH_STALE ||
	       state == WEIR_NEIGH_FAILED;
}

static bool has_mac(const struct neigh *e)
{
	return e->state != WEIR_NEIGH_FREE && e->state != WEIR_NEIGH_INCOMPLETE &&
	       e->state != WEIR_NEIGH_FAILED;
}

/* Between half and one and a half of REACHABLE_NS (RFC 4861 section 6.3.2), so that neighbours that
 * came at once are not asked at once. */
static uint64_t reachable_ns(const struct neigh *e, uint64_t now_ns)
{
	const uint64_t random = weir_siphash13_u64x2(&e->table->secret, e->hash, now_ns);

	return REACHABLE_NS / 2 + ((random & UINT16_MAX) * REACHABLE_NS >> 16);
}

static uint64_t state_ns(const struct neigh *e, uint64_t now_ns)
{
	switch (e->state) {
	case WEIR_NEIGH_INCOMPLETE:
	case WEIR_NEIGH_PROBE:
		return RETRY_NS;
	case WEIR_NEIGH_REACHABLE:
		return reachable_ns(e, now_ns);
	case WEIR_NEIGH_DELAY:
		return DELAY_NS;
	case WEIR_NEIGH_FAILED:
		return FAILED_NS;
	default:
		return STALE_NS;
	}
}

/* The one place where a state changes: list, timer, and what others see, follow. */
static void enter(struct neigh *e, enum weir_neigh_state state, uint64_t now_ns)
{
	struct weir_neigh_table *t = e->table;

	if (may_be_evicted(e->state))
		TAILQ_REMOVE(&t->idle, e, idle);
	e->state = (uint8_t)state;
	e->tries = 0;
	e->ready = has_mac(e) && state != WEIR_NEIGH_STALE;
	if (may_be_evicted(e->state))
		TAILQ_INSERT_TAIL(&t->idle, e, idle);
	if (state == WEIR_NEIGH_FREE || state == WEIR_NEIGH_PERMANENT)
		weir_wheel_cancel(t->shard->wheel, &e->timer);
	else
		weir_wheel_arm(t->shard->wheel, &e->timer,
			       weir_deadline_after(now_ns, state_ns(e, now_ns)));
	neigh_show(e, now_ns);
}

/* The oldest packet that waits. */
static struct rte_mbuf *take_held(struct weir_neigh_table *t, struct neigh *e)
{
	struct rte_mbuf *m = t->held[(size_t)(e - t->entries) * t->n_queue + e->held_at];

	e->held_at = e->held_at + 1u == t->n_queue ? 0 : (uint16_t)(e->held_at + 1);
	e->held_n--;
	t->n_held--;
	return m;
}

static void drop_held(struct weir_neigh_table *t, struct neigh *e, enum weir_drop why)
{
	while (e->held_n > 0)
		weir_drop(t->shard, take_held(t, e), why);
}

/* A packet waits; the oldest makes room. */
static enum weir_verdict hold(struct weir_neigh_table *t, struct neigh *e, struct rte_mbuf *m)
{
	uint32_t at;

	if (e->held_n == t->n_queue || (t->n_held == t->max_held && e->held_n > 0))
		weir_drop(t->shard, take_held(t, e), WEIR_DROP_NEIGH_QUEUE);
	if (t->n_held == t->max_held)
		return weir_say_drop(m, WEIR_DROP_NEIGH_QUEUE);
	at = (uint32_t)e->held_at + e->held_n;
	if (at >= t->n_queue)
		at -= t->n_queue;
	t->held[(size_t)(e - t->entries) * t->n_queue + at] = m;
	e->held_n++;
	t->n_held++;
	return WEIR_HELD;
}

/* The packets that waited are whole frames now: hop numbers may mean others in the next pass. */
static void send_held(struct weir_neigh_table *t, struct neigh *e, uint64_t now_ns)
{
	if (e->held_n == 0)
		return;
	e->used = true;
	if (e->state == WEIR_NEIGH_STALE)
		enter(e, WEIR_NEIGH_DELAY, now_ns);
	while (e->held_n > 0) {
		struct rte_mbuf *m = take_held(t, e);
		struct weir_meta *meta = weir_meta(m);

		meta->port_out = e->port;
		meta->iface_out = neigh_key_iface(&e->key);
		if (weir_l2_put(m, &e->l2, weir_l2_type(m)))
			weir_origin_push(t->shard->origin, m, WEIR_TX);
		else
			weir_drop(t->shard, m, WEIR_DROP_HEADROOM);
	}
}

static void set_mac(struct neigh *e, const struct weir_l3 *l3, const uint8_t *mac)
{
	const struct weir_iface *iface = &l3->ifaces[neigh_key_iface(&e->key)];

	weir_l2_make(&e->l2, mac, iface->mac, iface->vlan);
	e->port = iface->port;
}

/* Ask for the first time. */
static void begin_asking(struct neigh *e, const struct weir_l3 *l3, enum weir_neigh_state state,
			 uint64_t now_ns)
{
	enter(e, state, now_ns);
	e->tries = 1;
	neigh_ask(e->table, l3, e);
}

static void ask_again_or_fail(struct neigh *e, const struct weir_l3 *l3, uint64_t now_ns)
{
	if (e->tries < TRIES) {
		e->tries++;
		neigh_ask(e->table, l3, e);
		weir_wheel_arm(e->table->shard->wheel, &e->timer,
			       weir_deadline_after(now_ns, RETRY_NS));
		return;
	}
	drop_held(e->table, e, WEIR_DROP_NEIGH_FAILED);
	enter(e, WEIR_NEIGH_FAILED, now_ns);
}

const struct weir_l3 *neigh_l3(struct weir_neigh_table *t)
{
	const struct weir_gen *gen = t->shard->gens == NULL ? NULL
							    : weir_gens_enter(t->shard->gens);

	if (gen == NULL)
		return NULL;
	neigh_sync(t, gen);
	return gen->l3;
}

/* An entry's time is up. */
static void fire(struct weir_timer *timer, uint64_t now_ns)
{
	struct neigh *e = RTE_PTR_SUB(timer, offsetof(struct neigh, timer));
	const struct weir_l3 *l3 = neigh_l3(e->table);

	switch (e->state) {
	case WEIR_NEIGH_FREE: /* its interface went with the generation, just now */
		return;
	case WEIR_NEIGH_INCOMPLETE:
	case WEIR_NEIGH_PROBE:
		ask_again_or_fail(e, l3, now_ns);
		return;
	case WEIR_NEIGH_REACHABLE:
		if (e->used)
			begin_asking(e, l3, WEIR_NEIGH_PROBE, now_ns);
		else
			enter(e, WEIR_NEIGH_STALE, now_ns);
		return;
	case WEIR_NEIGH_DELAY:
		begin_asking(e, l3, WEIR_NEIGH_PROBE, now_ns);
		return;
	default:
		neigh_forget(e->table, e, WEIR_DROP_NEIGH_FAILED);
	}
}

static struct neigh *find(struct weir_neigh_table *t, const struct neigh_key *key, uint64_t hash)
{
	uint32_t at = t->buckets[hash & t->bucket_mask];

	while (at != NEIGH_NONE && !neigh_key_equal(&t->entries[at].key, key))
		at = t->entries[at].next;
	return at == NEIGH_NONE ? NULL : &t->entries[at];
}

struct neigh *neigh_find(struct weir_neigh_table *t, const struct neigh_key *key)
{
	return find(t, key, neigh_hash(t, key));
}

void neigh_find_bulk(struct weir_neigh_table *t, const struct neigh_key *key, const uint64_t *hash,
		     struct neigh **out, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const uint32_t at = t->buckets[hash[i] & t->bucket_mask];

		rte_prefetch0(&t->entries[at == NEIGH_NONE ? 0 : at]);
	}
	for (unsigned i = 0; i < n; i++)
		out[i] = find(t, &key[i], hash[i]);
}

/* A fresh entry in its bucket. NULL: none is free, and none may or can be evicted. */
static struct neigh *make(struct weir_neigh_table *t, const struct neigh_key *key, bool evict)
{
	const uint64_t hash = neigh_hash(t, key);
	uint32_t *bucket = &t->buckets[hash & t->bucket_mask];
	struct neigh *e;

	if (t->free == NEIGH_NONE) {
		if (!evict || TAILQ_EMPTY(&t->idle))
			return NULL;
		neigh_forget(t, TAILQ_FIRST(&t->idle), WEIR_DROP_NEIGH_FULL);
	}
	e = &t->entries[t->free];
	t->free = e->next;
	e->serial++;
	e->key = *key;
	e->hash = hash;
	e->used = false;
	e->next = *bucket;
	*bucket = (uint32_t)(e - t->entries);
	memset(&e->l2, 0, sizeof(e->l2));
	return e;
}

void neigh_forget(struct weir_neigh_table *t, struct neigh *e, enum weir_drop why)
{
	uint32_t *at = &t->buckets[e->hash & t->bucket_mask];

	drop_held(t, e, why);
	while (&t->entries[*at] != e)
		at = &t->entries[*at].next;
	*at = e->next;
	enter(e, WEIR_NEIGH_FREE, 0);
	e->serial++;
	memset(&e->key, 0, sizeof(e->key)); /* nobody's: recent[] may still lead here */
	e->next = t->free;
	t->free = (uint32_t)(e - t->entries);
}

struct neigh *neigh_want(struct weir_neigh_table *t, const struct weir_l3 *l3,
			 const struct neigh_key *key, uint64_t now_ns)
{
	struct neigh *e = neigh_find(t, key);

	if (e != NULL)
		return e;
	e = make(t, key, true);
	if (e != NULL)
		begin_asking(e, l3, WEIR_NEIGH_INCOMPLETE, now_ns);
	return e;
}

bool neigh_use(struct weir_neigh_table *t, const struct weir_l3 *l3, struct neigh *e,
	       struct rte_mbuf *m, uint64_t now_ns, enum weir_verdict *verdict)
{
	if (e->state == WEIR_NEIGH_STALE)
		enter(e, WEIR_NEIGH_DELAY, now_ns);
	if (e->ready)
		return true;
	if (e->state == WEIR_NEIGH_FAILED)
		begin_asking(e, l3, WEIR_NEIGH_INCOMPLETE, now_ns);
	*verdict = hold(t, e, m);
	return false;
}

/* RFC 4861 sections 7.2.3 and 7.2.5, of an entry that is there. */
static void learn(struct neigh *e, const struct weir_l3 *l3, const struct neigh_news *news,
		  uint64_t now_ns)
{
	const bool known = has_mac(e);
	const bool differs = news->mac != NULL &&
			     memcmp(e->l2.bytes, news->mac, RTE_ETHER_ADDR_LEN) != 0;

	if (!known && news->mac == NULL)
		return;
	if (known && differs && !news->override) {
		if (e->state == WEIR_NEIGH_REACHABLE)
			enter(e, WEIR_NEIGH_STALE, now_ns);
		return;
	}
	if (!known || differs)
		set_mac(e, l3, news->mac);
	if (news->solicited) {
		e->used = false;
		enter(e, WEIR_NEIGH_REACHABLE, now_ns);
	} else if (!known || differs) {
		enter(e, WEIR_NEIGH_STALE, now_ns);
	}
}

void neigh_learn(struct weir_neigh_table *t, const struct weir_l3 *l3,
		 const struct neigh_news *news, uint64_t now_ns)
{
	struct neigh *e = neigh_find(t, &news->key);

	if (e == NULL) {
		if (news->mac == NULL || !news->invited ||
		    !weir_bucket_take(&t->invitations, 1, now_ns))
			return;
		e = make(t, &news->key, false);
	}
	if (e == NULL || e->state == WEIR_NEIGH_PERMANENT)
		return;
	learn(e, l3, news, now_ns);
	weir_count(&t->shard->counters.neigh_learned, 1);
	if (has_mac(e))
		send_held(t, e, now_ns);
}

bool neigh_fix(struct weir_neigh_table *t, const struct weir_l3 *l3, const struct neigh_key *key,
	       const uint8_t *mac, uint64_t now_ns)
{
	struct neigh *e = neigh_find(t, key);

	if (e == NULL)
		e = make(t, key, true);
	if (e == NULL)
		return false;
	set_mac(e, l3, mac);
	enter(e, WEIR_NEIGH_PERMANENT, now_ns);
	send_held(t, e, now_ns);
	return true;
}

static struct neigh_iface identity(const struct weir_iface *iface)
{
	struct neigh_iface id = {.port = iface->port, .vlan = {iface->vlan[0], iface->vlan[1]}};

	memcpy(id.mac, iface->mac, sizeof(id.mac));
	return id;
}

void neigh_changed(struct weir_neigh_table *t, const struct weir_gen *gen)
{
	static const struct weir_l3 nothing;
	const struct weir_l3 *l3 = gen->l3 == NULL ? &nothing : gen->l3;
	bool other = l3->n_ifaces < t->n_ifaces;
	bool gone[WEIR_IFACES_MAX];

	memset(gone, true, sizeof(gone));
	for (uint16_t i = 0; i < l3->n_ifaces; i++) {
		const struct neigh_iface id = identity(&l3->ifaces[i]);

		gone[i] = i < t->n_ifaces && memcmp(&id, &t->ifaces[i], sizeof(id)) != 0;
		other |= gone[i];
		t->ifaces[i] = id;
	}
	for (uint32_t i = 0; other && i < t->n_entries; i++) {
		struct neigh *e = &t->entries[i];

		if (e->state != WEIR_NEIGH_FREE && gone[neigh_key_iface(&e->key)])
			neigh_forget(t, e, WEIR_DROP_NEIGH_FAILED);
	}
	t->n_ifaces = l3->n_ifaces;
	t->gen_number = gen->number;
	memset(t->by_hop, 0, l3->n_hops * sizeof(t->by_hop[0]));
}

static void *zalloc_lines(size_t bytes)
{
	void *p = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(bytes, RTE_CACHE_LINE_SIZE));

	if (p != NULL)
		memset(p, 0, bytes);
	return p;
}

static void init_entries(struct weir_neigh_table *t)
{
	memset(t->buckets, 0xff, ((size_t)t->bucket_mask + 1) * sizeof(*t->buckets));
	for (uint32_t i = t->n_entries; i-- > 0;) {
		struct neigh *e = &t->entries[i];

		e->table = t;
		e->timer.fire = fire;
		e->serial = 1; /* an empty slot of by_hop says 0 */
		e->next = t->free;
		t->free = i;
	}
}

int neigh_create(struct weir_shard *shard, struct weir_neigh_table **out)
{
	const struct weir_limits *limits = &shard->limits;
	struct weir_neigh_table *t;
	int rc;

	if (limits->neighbours == 0 || limits->neighbours > NEIGHBOURS_MAX ||
	    limits->neighbour_queue == 0 || limits->neighbour_queue > UINT16_MAX)
		return -EINVAL;
	t = zalloc_lines(sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->shard = shard;
	t->secret = shard->secret;
	t->n_entries = limits->neighbours;
	t->n_queue = limits->neighbour_queue;
	t->max_held = t->n_entries + t->n_queue;
	t->bucket_mask = rte_align32pow2(t->n_entries * 2) - 1;
	t->free = NEIGH_NONE;
	TAILQ_INIT(&t->idle);
	rc = weir_bucket_init(&t->invitations, INVITATIONS_PER_S, INVITATIONS, 0);
	if (rc < 0)
		goto err;
	rc = -ENOMEM;
	t->entries = zalloc_lines(t->n_entries * sizeof(*t->entries));
	t->buckets = calloc((size_t)t->bucket_mask + 1, sizeof(*t->buckets));
	t->held = calloc((size_t)t->n_entries * t->n_queue, sizeof(struct rte_mbuf *));
	if (t->entries == NULL || t->buckets == NULL || t->held == NULL)
		goto err;
	init_entries(t);
	rc = neigh_inbox_create(t);
	if (rc < 0)
		goto err;
	*out = t;
	return 0;
err:
	neigh_free(t);
	return rc;
}

void neigh_free(struct weir_neigh_table *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; t->entries != NULL && i < t->n_entries; i++) {
		drop_held(t, &t->entries[i], WEIR_DROP_STOPPING);
		weir_wheel_cancel(t->shard->wheel, &t->entries[i].timer);
	}
	neigh_inbox_free(t);
	free(t->held);
	free(t->buckets);
	free(t->entries);
	free(t);
}
