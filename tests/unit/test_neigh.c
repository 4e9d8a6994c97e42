/* SPDX-License-Identifier: BSD-3-Clause */

/* The neighbour table: each state of RFC 4861 section 7.3 and what leads from one to another. */

#include "failalloc.h"
#include "toy_neigh.h"

#include <errno.h>
#include <pthread.h>

/* As 80_neigh_out does it. */
static enum weir_verdict send_to(struct rte_mbuf *m, unsigned last)
{
	const struct neigh_key key = key4(last);
	struct neigh *e = neigh_want(table, &toy_l3, &key, now);
	enum weir_verdict v;

	if (e == NULL)
		return WEIR_DROP;
	if (!e->ready && !neigh_use(table, &toy_l3, e, m, now, &v))
		return v;
	e->used = true;
	return WEIR_TX;
}

static void hear(unsigned last, const uint8_t *mac, bool solicited, bool override, bool invited)
{
	neigh_learn(table, &toy_l3,
		    &(struct neigh_news){key4(last), mac, solicited, override, invited}, now);
}

static void answer(unsigned last)
{
	hear(last, peer_mac, true, true, false);
}

static void test_an_unknown_neighbour_is_asked_and_the_packet_waits(void)
{
	struct toy_mbuf t;

	toy_world();
	CU_ASSERT_EQUAL(send_to(toy_packet(&t, 9), 9), WEIR_HELD);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_INCOMPLETE);
	CU_ASSERT_EQUAL_FATAL(n_sent, 1);
	CU_ASSERT_EQUAL(sent_by[0], WEIR_TX);
	CU_ASSERT_EQUAL(toy_shard.counters.neigh_requests, 1);
	answer(9);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_REACHABLE);
	CU_ASSERT_EQUAL_FATAL(n_sent, 2);
	CU_ASSERT_PTR_EQUAL(sent[1], &t.m);
	CU_ASSERT_EQUAL(sent_by[1], WEIR_TX);
	CU_ASSERT_EQUAL(memcmp(frame(1), peer_mac, 6), 0);
	CU_ASSERT_EQUAL(memcmp(frame(1) + 6, toy_mac, 6), 0);
	CU_ASSERT_EQUAL(t.m.refcnt, 2);
	toy_world_end();
}

static void test_it_is_asked_three_times_a_second_apart_then_it_has_failed(void)
{
	struct toy_mbuf t;

	toy_world();
	send_to(toy_packet(&t, 9), 9);
	toy_wait(S - S / 50);
	CU_ASSERT_EQUAL(n_sent, 1);
	toy_wait(S / 25);
	CU_ASSERT_EQUAL(n_sent, 2);
	toy_wait(S);
	CU_ASSERT_EQUAL(n_sent, 3);
	CU_ASSERT_EQUAL(t.m.refcnt, 2);
	toy_wait(S + S / 10);
	CU_ASSERT_EQUAL(n_sent, 3);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_FAILED);
	CU_ASSERT_EQUAL(dropped(WEIR_DROP_NEIGH_FAILED), 1);
	CU_ASSERT_EQUAL(t.m.refcnt, 1);
	toy_world_end();
}

static void test_a_failed_one_is_asked_anew_by_the_next_packet_and_goes_in_a_minute(void)
{
	struct toy_mbuf t;

	toy_world();
	send_to(toy_packet(&t, 9), 9);
	toy_wait(4 * S);
	CU_ASSERT_EQUAL(send_to(toy_packet(&t, 9), 9), WEIR_HELD);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_INCOMPLETE);
	CU_ASSERT_EQUAL(n_sent, 4);
	toy_wait(4 * S);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_FAILED);
	toy_wait(60 * S);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_FREE);
	toy_world_end();
}

static void test_the_oldest_waiting_packet_makes_room(void)
{
	struct toy_mbuf t[TOY_QUEUE + 2];

	toy_world();
	for (unsigned i = 0; i < TOY_QUEUE + 2; i++)
		CU_ASSERT_EQUAL(send_to(toy_packet(&t[i], 9), 9), WEIR_HELD);
	CU_ASSERT_EQUAL(dropped(WEIR_DROP_NEIGH_QUEUE), 2);
	CU_ASSERT_EQUAL(t[0].m.refcnt, 1);
	CU_ASSERT_EQUAL(t[1].m.refcnt, 1);
	answer(9);
	CU_ASSERT_EQUAL_FATAL(n_sent, 1 + TOY_QUEUE);
	for (unsigned i = 0; i < TOY_QUEUE; i++)
		CU_ASSERT_PTR_EQUAL(sent[1 + i], &t[2 + i].m);
	CU_ASSERT_EQUAL(n_sent, toy_shard.counters.neigh_requests + TOY_QUEUE);
	toy_world_end();
}

static void test_all_that_wait_together_are_bounded_too(void)
{
	struct toy_mbuf t[TOY_TABLE * TOY_QUEUE];
	unsigned kept = 0;

	toy_world();
	for (unsigned i = 0; i < TOY_TABLE * TOY_QUEUE; i++)
		send_to(toy_packet(&t[i], 10 + i / TOY_QUEUE), 10 + i / TOY_QUEUE);
	for (unsigned i = 0; i < TOY_TABLE; i++) {
		const struct neigh_key key = key4(10 + i);

		kept += neigh_find(table, &key)->held_n;
	}
	CU_ASSERT_EQUAL(kept, TOY_TABLE + TOY_QUEUE);
	CU_ASSERT_EQUAL(table->n_held, kept);
	toy_world_end();
	CU_ASSERT_EQUAL(dropped(WEIR_DROP_STOPPING), TOY_TABLE + TOY_QUEUE);
}

static void test_a_used_neighbour_is_asked_by_unicast_and_traffic_never_stops(void)
{
	struct toy_mbuf t;
	unsigned probes = 0;

	toy_world();
	send_to(toy_packet(&t, 9), 9);
	answer(9);
	for (unsigned i = 0; i < 1200; i++) { /* two minutes */
		const unsigned before = n_sent;

		CU_ASSERT_EQUAL(send_to(toy_packet(&t, 9), 9), WEIR_TX);
		toy_wait(S / 10);
		if (n_sent > before) {
			CU_ASSERT_EQUAL(memcmp(frame(n_sent - 1), peer_mac, 6), 0);
			CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_PROBE);
			CU_ASSERT_EQUAL(send_to(toy_packet(&t, 9), 9), WEIR_TX);
			answer(9);
			probes++;
		}
	}
	CU_ASSERT_TRUE(probes >= 2 && probes <= 8);
	CU_ASSERT_EQUAL(dropped(WEIR_DROP_NEIGH_FAILED), 0);
	toy_world_end();
}

static void test_a_probed_one_that_is_silent_fails(void)
{
	struct toy_mbuf t;

	toy_world();
	send_to(toy_packet(&t, 9), 9);
	answer(9);
	send_to(toy_packet(&t, 9), 9);
	toy_wait(46 * S + 3 * S);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_FAILED);
	CU_ASSERT_EQUAL(toy_shard.counters.neigh_requests, 1 + 3);
	n_sent = 0;
	CU_ASSERT_EQUAL(send_to(toy_packet(&t, 9), 9), WEIR_HELD);
	CU_ASSERT_EQUAL_FATAL(n_sent, 1);
	toy_world_end();
}

static void test_an_unused_neighbour_grows_stale_and_is_forgotten(void)
{
	struct toy_mbuf t;

	toy_world();
	send_to(toy_packet(&t, 9), 9);
	answer(9);
	answer(9);
	toy_wait(46 * S);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_STALE);
	CU_ASSERT_EQUAL(toy_shard.counters.neigh_requests, 1);
	toy_wait(20 * 60 * S);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_FREE);
	toy_world_end();
}

static void test_a_stale_one_is_used_at_once_then_delayed_then_probed(void)
{
	struct toy_mbuf t;

	toy_world();
	hear(9, peer_mac, false, true, true);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_STALE);
	CU_ASSERT_EQUAL(send_to(toy_packet(&t, 9), 9), WEIR_TX);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_DELAY);
	toy_wait(4 * S);
	CU_ASSERT_EQUAL(n_sent, 0);
	toy_wait(S + S / 10);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_PROBE);
	CU_ASSERT_EQUAL(n_sent, 1);
	answer(9);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_REACHABLE);
	toy_world_end();
}

static void test_an_unasked_word_leaves_what_waits_going_out_but_is_not_believed_for_long(void)
{
	struct toy_mbuf t;

	toy_world();
	send_to(toy_packet(&t, 9), 9);
	hear(9, peer_mac, false, true, false);
	CU_ASSERT_EQUAL(n_sent, 2);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_DELAY);
	toy_world_end();
}

static void test_another_mac_is_taken_only_with_override(void)
{
	const struct neigh_key key = key4(9);
	struct toy_mbuf t;
	struct neigh *e;

	toy_world();
	send_to(toy_packet(&t, 9), 9);
	answer(9);
	e = neigh_find(table, &key);
	hear(9, other_mac, true, false, false);
	CU_ASSERT_EQUAL(memcmp(e->l2.bytes, peer_mac, 6), 0);
	CU_ASSERT_EQUAL(e->state, WEIR_NEIGH_STALE);
	answer(9);
	hear(9, other_mac, false, true, false);
	CU_ASSERT_EQUAL(memcmp(e->l2.bytes, other_mac, 6), 0);
	CU_ASSERT_EQUAL(e->state, WEIR_NEIGH_STALE);
	hear(9, NULL, true, true, false); /* an advertisement without option */
	CU_ASSERT_EQUAL(e->state, WEIR_NEIGH_REACHABLE);
	hear(9, other_mac, false, true, false);
	CU_ASSERT_EQUAL(e->state, WEIR_NEIGH_REACHABLE);
	toy_world_end();
}

static void test_nobody_is_entered_who_was_not_asked_for_or_invited(void)
{
	toy_world();
	hear(9, peer_mac, true, true, false);
	hear(10, NULL, false, true, true);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_FREE);
	CU_ASSERT_EQUAL(state_of(key4(10)), WEIR_NEIGH_FREE);
	toy_world_end();
}

static void test_invited_ones_evict_nobody_but_traffic_evicts_them(void)
{
	struct toy_mbuf t;

	toy_world();
	for (unsigned i = 0; i < 100; i++)
		hear(10 + i, peer_mac, false, true, true);
	for (unsigned i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(state_of(key4(10 + i)),
				i < TOY_TABLE ? WEIR_NEIGH_STALE : WEIR_NEIGH_FREE);
	CU_ASSERT_EQUAL(send_to(toy_packet(&t, 200), 200), WEIR_HELD);
	CU_ASSERT_EQUAL(state_of(key4(10)), WEIR_NEIGH_FREE); /* the oldest */
	CU_ASSERT_EQUAL(state_of(key4(11)), WEIR_NEIGH_STALE);
	toy_world_end();
}

static void test_invitations_are_bounded_in_rate(void)
{
	unsigned entered = 0;

	toy_world();
	for (unsigned i = 0; i < 1000; i++) {
		const struct neigh_key key = key4(10);
		struct neigh *e;

		hear(10, peer_mac, false, true, true);
		e = neigh_find(table, &key);
		if (e != NULL) {
			entered++;
			neigh_forget(table, e, WEIR_DROP_NEIGH_FAILED);
		}
	}
	CU_ASSERT_EQUAL(entered, 256);
	toy_world_end();
}

static void test_a_table_full_of_reachable_ones_refuses(void)
{
	struct toy_mbuf t[TOY_TABLE + 1];

	toy_world();
	for (unsigned i = 0; i < TOY_TABLE; i++) {
		send_to(toy_packet(&t[i], 10 + i), 10 + i);
		answer(10 + i);
	}
	CU_ASSERT_EQUAL(send_to(toy_packet(&t[TOY_TABLE], 99), 99), WEIR_DROP);
	for (unsigned i = 0; i < TOY_TABLE; i++)
		CU_ASSERT_EQUAL(state_of(key4(10 + i)), WEIR_NEIGH_REACHABLE);
	toy_world_end();
}

static void test_an_evicted_question_drops_what_waited_for_it(void)
{
	struct toy_mbuf t[TOY_TABLE + 1];

	toy_world();
	for (unsigned i = 0; i <= TOY_TABLE; i++)
		CU_ASSERT_EQUAL(send_to(toy_packet(&t[i], 10 + i), 10 + i), WEIR_HELD);
	CU_ASSERT_EQUAL(dropped(WEIR_DROP_NEIGH_FULL), 1);
	CU_ASSERT_EQUAL(t[0].m.refcnt, 1);
	CU_ASSERT_EQUAL(t[1].m.refcnt, 2);
	toy_world_end();
}

static void test_without_buffers_the_question_is_repeated_later(void)
{
	struct toy_mbuf t;

	toy_world();
	no_buffers = true;
	CU_ASSERT_EQUAL(send_to(toy_packet(&t, 9), 9), WEIR_HELD);
	CU_ASSERT_EQUAL(n_sent, 0);
	no_buffers = false;
	toy_wait(S + S / 10);
	CU_ASSERT_EQUAL(n_sent, 1);
	toy_world_end();
}

static void test_the_control_thread_sets_and_takes_away(void)
{
	const struct weir_addr addr = {.family = 4, .bytes = {192, 0, 2, 9}};
	struct weir_mac mac, group = {{1, 0, 0, 0, 0, 1}};
	struct toy_mbuf t;

	toy_world();
	memcpy(mac.bytes, peer_mac, 6);
	CU_ASSERT_EQUAL(weir_neigh_set(table, 0, &addr, &group, true), -EINVAL);
	CU_ASSERT_EQUAL(weir_neigh_set(table, 0, &addr, &mac, true), 0);
	CU_ASSERT_EQUAL(weir_neigh_set(table, 77, &addr, &mac, true), 0); /* no such interface */
	toy_wait(S / 5);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_PERMANENT);
	CU_ASSERT_EQUAL(send_to(toy_packet(&t, 9), 9), WEIR_TX);
	hear(9, other_mac, true, true, true);
	toy_wait(3600 * S);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_PERMANENT);
	CU_ASSERT_EQUAL(n_sent, 0);
	CU_ASSERT_EQUAL(weir_neigh_set(table, 0, &addr, NULL, false), 0);
	toy_wait(S / 5);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_FREE);
	CU_ASSERT_EQUAL(weir_neigh_set(table, 0, &addr, &mac, false), 0);
	toy_wait(S / 5);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_STALE);
	toy_world_end();
}

static void test_a_full_inbox_says_so_and_empties(void)
{
	const struct weir_addr addr = {.family = 4, .bytes = {192, 0, 2, 9}};
	unsigned n = 0;

	toy_world();
	while (n < 10000 && weir_neigh_set(table, 0, &addr, NULL, false) == 0)
		n++;
	CU_ASSERT_TRUE(n >= 256 && n < 10000);
	toy_wait(2 * S);
	CU_ASSERT_EQUAL(weir_neigh_set(table, 0, &addr, NULL, false), 0);
	toy_world_end();
}

static void test_a_generation_with_another_interface_forgets_its_neighbours_only(void)
{
	static const uint16_t none[2];
	const struct neigh_key on1 = neigh_key4(1, toy_ip4(9));
	struct weir_gen next = {.number = 2, .l3 = &toy_l3};
	struct toy_mbuf t;

	toy_world();
	send_to(toy_packet(&t, 9), 9);
	neigh_fix(table, &toy_l3, &on1, peer_mac, now);
	neigh_sync(table, &next); /* nothing has changed */
	CU_ASSERT_EQUAL(state_of(on1), WEIR_NEIGH_PERMANENT);
	memcpy(toy_ifaces[1].vlan, none, sizeof(none));
	next.number = 3;
	neigh_sync(table, &next);
	CU_ASSERT_EQUAL(state_of(on1), WEIR_NEIGH_FREE);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_INCOMPLETE);
	toy_l3.n_ifaces = 0;
	next.number = 4;
	neigh_sync(table, &next);
	CU_ASSERT_EQUAL(state_of(key4(9)), WEIR_NEIGH_FREE);
	CU_ASSERT_EQUAL(t.m.refcnt, 1);
	toy_world_end();
}

static struct weir_neigh_info listed[TOY_TABLE];
static void list(void *ctx, const struct weir_neigh_info *n)
{
	unsigned *at = ctx;

	if (*at < TOY_TABLE)
		listed[(*at)++] = *n;
}

static void test_the_list_shows_each_one_as_it_is(void)
{
	struct toy_mbuf t;
	unsigned n = 0;

	toy_world();
	CU_ASSERT_EQUAL(weir_neigh_each(table, list, &n), 0);
	send_to(toy_packet(&t, 9), 9);
	answer(9);
	CU_ASSERT_EQUAL(weir_neigh_each(table, list, &n), 1);
	CU_ASSERT_EQUAL(listed[0].state, WEIR_NEIGH_REACHABLE);
	CU_ASSERT_EQUAL(listed[0].since_ns, now);
	CU_ASSERT_EQUAL(listed[0].addr.bytes[3], 9);
	CU_ASSERT_EQUAL(memcmp(listed[0].mac.bytes, peer_mac, 6), 0);
	CU_ASSERT_STRING_EQUAL(weir_neigh_state_name(WEIR_NEIGH_REACHABLE), "reachable");
	toy_world_end();
}

/* While the worker flips an entry between two MACs: the list never shows a mix. */
static void see_no_mix(void *ctx, const struct weir_neigh_info *n)
{
	bool *mixed = ctx;

	for (unsigned i = 1; i < 6; i++)
		*mixed |= n->mac.bytes[i] != n->mac.bytes[0];
	*mixed |= (n->since_ns & 0xff) != n->mac.bytes[0];
}

static void *lister(void *ctx)
{
	for (unsigned i = 0; i < 20000; i++)
		weir_neigh_each(table, see_no_mix, ctx);
	return NULL;
}

static void test_the_list_is_whole_while_the_worker_writes(void)
{
	bool mixed = false;
	pthread_t thread;
	struct neigh *e;

	toy_world();
	e = &table->entries[0];
	e->state = WEIR_NEIGH_REACHABLE;
	neigh_show(e, 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, lister, &mixed), 0);
	for (unsigned i = 0; i < 200000; i++) {
		memset(e->l2.bytes, (int)(i & 0xfe), 6);
		neigh_show(e, i & 0xfe);
	}
	pthread_join(thread, NULL);
	CU_ASSERT_FALSE(mixed);
	e->state = WEIR_NEIGH_FREE;
	toy_world_end();
}

static void test_many_come_and_go_and_none_is_lost(void)
{
	static struct toy_mbuf t[TOY_SENT];
	unsigned entries = 0;
	uint64_t random = 1;

	toy_world();
	for (unsigned i = 0; i < 20000; i++) {
		unsigned last;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		last = 2 + (random >> 60);
		n_sent = n_fresh = 0;
		if (random >> 40 & 1)
			send_to(toy_packet(&t[i % TOY_SENT], last), last);
		else
			hear(last, random >> 41 & 1 ? peer_mac : other_mac, random >> 42 & 1,
			     random >> 43 & 1, random >> 44 & 1);
		if ((random >> 45 & 7) == 0)
			toy_wait((random >> 50 & 0xf) * S / 4);
		CU_ASSERT_FATAL(table->n_held <= table->max_held);
	}
	for (uint32_t b = 0; b <= table->bucket_mask; b++)
		for (uint32_t at = table->buckets[b]; at != NEIGH_NONE;
		     at = table->entries[at].next)
			entries++;
	for (uint32_t at = table->free; at != NEIGH_NONE; at = table->entries[at].next)
		entries++;
	CU_ASSERT_EQUAL(entries, TOY_TABLE);
	toy_world_end();
}

static void test_create_refuses_limits_of_zero_and_gives_back_what_it_took(void)
{
	struct weir_neigh_table *t = NULL;

	toy_world();
	FAILALLOC_EACH(n)
	{
		const int rc = neigh_create(&toy_shard, &t);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(t);
	}
	neigh_free(t);
	neigh_free(NULL);
	toy_shard.limits.neighbours = 0;
	CU_ASSERT_EQUAL(neigh_create(&toy_shard, &t), -EINVAL);
	toy_shard.limits.neighbours = 4;
	toy_shard.limits.neighbour_queue = 0;
	CU_ASSERT_EQUAL(neigh_create(&toy_shard, &t), -EINVAL);
	toy_world_end();
}

WEIR_TESTS("table/neigh", TEST(an_unknown_neighbour_is_asked_and_the_packet_waits),
	   TEST(it_is_asked_three_times_a_second_apart_then_it_has_failed),
	   TEST(a_failed_one_is_asked_anew_by_the_next_packet_and_goes_in_a_minute),
	   TEST(the_oldest_waiting_packet_makes_room), TEST(all_that_wait_together_are_bounded_too),
	   TEST(a_used_neighbour_is_asked_by_unicast_and_traffic_never_stops),
	   TEST(a_probed_one_that_is_silent_fails),
	   TEST(an_unused_neighbour_grows_stale_and_is_forgotten),
	   TEST(a_stale_one_is_used_at_once_then_delayed_then_probed),
	   TEST(an_unasked_word_leaves_what_waits_going_out_but_is_not_believed_for_long),
	   TEST(another_mac_is_taken_only_with_override),
	   TEST(nobody_is_entered_who_was_not_asked_for_or_invited),
	   TEST(invited_ones_evict_nobody_but_traffic_evicts_them),
	   TEST(invitations_are_bounded_in_rate), TEST(a_table_full_of_reachable_ones_refuses),
	   TEST(an_evicted_question_drops_what_waited_for_it),
	   TEST(without_buffers_the_question_is_repeated_later),
	   TEST(the_control_thread_sets_and_takes_away), TEST(a_full_inbox_says_so_and_empties),
	   TEST(a_generation_with_another_interface_forgets_its_neighbours_only),
	   TEST(the_list_shows_each_one_as_it_is), TEST(the_list_is_whole_while_the_worker_writes),
	   TEST(many_come_and_go_and_none_is_lost),
	   TEST(create_refuses_limits_of_zero_and_gives_back_what_it_took))
