/* SPDX-License-Identifier: BSD-3-Clause */

/* The worker's side of trace and pcap, on mbufs that live on the stack. */

#include "watch.c"

#include "failalloc.h"
#include "test.h"
#include "toy_mbuf.h"

#define L2 14
#define IP 20

static const struct weir_pass pass = {.now_ns = 77};

/* A UDP packet 192.0.2.2:1000 > 198.51.100.2:53 as 10_parse leaves it. */
static struct rte_mbuf *udp(struct toy_mbuf *t)
{
	uint8_t frame[60] = {0};
	struct rte_mbuf *m;

	frame[12] = 0x08;
	memcpy(frame + L2, (const uint8_t[]){0x45, 0, 0,   46, 0, 0, 0,	  0,  64,  17,
					     0,	   0, 192, 0,  2, 2, 198, 51, 100, 2},
	       IP);
	memcpy(frame + L2 + IP, (const uint8_t[]){0x03, 0xe8, 0, 53}, 4);
	m = toy_mbuf(t, frame, sizeof(frame));
	*weir_meta(m) = (struct weir_meta){.flags = WEIR_META_IP4 | WEIR_META_L4,
					   .l3_off = L2,
					   .l4_off = L2 + IP,
					   .proto = 17,
					   .port_in = 1};
	return m;
}

static struct watch_prefix prefix(const char *text)
{
	struct weir_prefix p;

	CU_ASSERT_EQUAL_FATAL(weir_prefix_parse(text, strlen(text), &p), 0);
	return watch_prefix(&p);
}

static void show(struct watch *w, unsigned stage, struct rte_mbuf *m, enum weir_verdict verdict)
{
	uint8_t v = (uint8_t)verdict;
	struct weir_burst b = {.pkt = &m, .verdict = &v, .n = 1, .pass = &pass};

	watch_hook(w)->see(watch_hook(w), stage, &b);
}

static struct watch *make(struct watch_conf conf)
{
	struct watch *w = NULL;

	if (conf.slots == 0)
		conf.slots = 8;
	conf.snap_bytes = 32;
	if (conf.count == 0)
		conf.count = 10;
	CU_ASSERT_EQUAL_FATAL(watch_create(&conf, &w), 0);
	return w;
}

#define ANY .filter.port = WEIR_NO_PORT

/* The next record's stage and verdict are these. */
static void expect(struct watch *w, uint32_t serial, unsigned stage, enum weir_verdict verdict)
{
	const struct watch_record *r = watch_peek(w);

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	CU_ASSERT_EQUAL(r->serial, serial);
	CU_ASSERT_EQUAL(r->stage, stage);
	CU_ASSERT_EQUAL(r->verdict, verdict);
	CU_ASSERT_EQUAL(r->known, verdict != WEIR_HELD);
	watch_pop(w);
}

static void test_a_filter_matches_what_it_says_and_nothing_else(void)
{
	struct watch_filter f = {.port = WEIR_NO_PORT};
	struct toy_mbuf t;
	struct rte_mbuf *m = udp(&t);

	CU_ASSERT(watch_match(&f, m));
	f = (struct watch_filter){.port = 1,
				  .proto = 17,
				  .sport_be = RTE_BE16(1000),
				  .dport_be = RTE_BE16(53),
				  .src = prefix("192.0.2.0/24"),
				  .dst = prefix("198.51.100.2/32"),
				  .host = prefix("192.0.2.2/31")};
	CU_ASSERT(watch_match(&f, m));
	f.host = prefix("198.51.100.0/24");
	CU_ASSERT(watch_match(&f, m));
	f.host = prefix("203.0.113.0/24");
	CU_ASSERT_FALSE(watch_match(&f, m));
	CU_ASSERT_FALSE(watch_match(&(struct watch_filter){.port = 2}, m));
	CU_ASSERT_FALSE(watch_match(&(struct watch_filter){.port = 1, .proto = 6}, m));
	CU_ASSERT_FALSE(
		watch_match(&(struct watch_filter){.port = 1, .dport_be = RTE_BE16(54)}, m));
	CU_ASSERT_FALSE(
		watch_match(&(struct watch_filter){.port = 1, .src = prefix("192.0.2.3/32")}, m));
	CU_ASSERT_FALSE(watch_match(&(struct watch_filter){.port = 1, .dst = prefix("::/0")}, m));
	CU_ASSERT(watch_match(&(struct watch_filter){.port = 1, .dst = prefix("0.0.0.0/0")}, m));
}

static void test_a_filter_reads_ipv6_addresses(void)
{
	struct watch_filter f = {.port = WEIR_NO_PORT, .dst = prefix("2001:db8:1::/47")};
	struct toy_mbuf t;
	struct rte_mbuf *m;
	uint8_t frame[L2 + 40] = {0};

	frame[L2] = 0x60;
	memcpy(frame + L2 + 24, (const uint8_t[]){0x20, 0x01, 0x0d, 0xb8, 0, 1}, 6);
	m = toy_mbuf(&t, frame, sizeof(frame));
	*weir_meta(m) = (struct weir_meta){.flags = WEIR_META_IP6, .l3_off = L2};
	CU_ASSERT(watch_match(&f, m));
	f.dst = prefix("2001:db8:2::/48");
	CU_ASSERT_FALSE(watch_match(&f, m));
	m->data_len = L2 + 39; /* not all there: not read */
	f.dst = prefix("::/0");
	CU_ASSERT_FALSE(watch_match(&f, m));
}

static void test_a_followed_packet_is_recorded_behind_each_stage(void)
{
	struct watch *w = make((struct watch_conf){.kind = WATCH_TRACE, .at = 3, ANY});
	struct toy_mbuf t;
	struct rte_mbuf *m = udp(&t);

	show(w, 0, m, WEIR_NEXT); /* not chosen yet */
	show(w, 3, m, WEIR_NEXT);
	CU_ASSERT(weir_meta(m)->flags & WEIR_META_TRACED);
	CU_ASSERT_PTR_NOT_NULL_FATAL(watch_peek(w));
	CU_ASSERT_EQUAL(watch_peek(w)->now_ns, 77);
	CU_ASSERT_EQUAL(watch_peek(w)->wire_bytes, 60);
	CU_ASSERT_EQUAL(watch_peek(w)->captured_bytes, 32);
	CU_ASSERT_EQUAL(watch_bytes(watch_peek(w))[L2], 0x45);
	expect(w, 1, 3, WEIR_NEXT);
	show(w, 6, m, WEIR_OUT);
	show(w, 10, m, WEIR_HELD);
	expect(w, 1, 6, WEIR_OUT);
	expect(w, 1, 10, WEIR_HELD);
	CU_ASSERT_PTR_NULL(watch_peek(w));
	watch_free(w);
}

static void test_a_packet_that_was_held_is_known_when_it_comes_back(void)
{
	struct watch *w = make((struct watch_conf){.kind = WATCH_TRACE, .at = 3, ANY});
	struct toy_mbuf t;
	struct rte_mbuf *m = udp(&t);

	show(w, 3, m, WEIR_OUT);
	show(w, 9, m, WEIR_HELD);
	show(w, 2, m, WEIR_TX);
	expect(w, 1, 3, WEIR_OUT);
	expect(w, 1, 9, WEIR_HELD);
	expect(w, 1, 2, WEIR_TX);
	watch_free(w);
}

static void test_a_buffer_used_again_is_another_packet(void)
{
	struct watch *w = make((struct watch_conf){.kind = WATCH_TRACE, .at = 3, ANY});
	struct toy_mbuf t;

	show(w, 3, udp(&t), WEIR_TX);
	show(w, 10, &t.m, WEIR_HELD);
	show(w, 10, &t.m, WEIR_HELD); /* nothing is known of it: not recorded */
	udp(&t);		      /* the mark is gone */
	show(w, 0, &t.m, WEIR_NEXT);
	show(w, 3, &t.m, WEIR_DROP);
	expect(w, 1, 3, WEIR_TX);
	expect(w, 1, 10, WEIR_HELD);
	expect(w, 2, 3, WEIR_DROP);
	CU_ASSERT_PTR_NULL(watch_peek(w));
	watch_free(w);
}

static void test_no_more_packets_are_chosen_than_asked_for(void)
{
	struct watch *w = make((struct watch_conf){.kind = WATCH_TRACE, .count = 2, ANY});
	struct toy_mbuf t[3];

	for (unsigned i = 0; i < 3; i++)
		show(w, 0, udp(&t[i]), WEIR_NEXT);
	expect(w, 1, 0, WEIR_NEXT);
	expect(w, 2, 0, WEIR_NEXT);
	CU_ASSERT_PTR_NULL(watch_peek(w));
	watch_free(w);
}

static void test_a_full_ring_counts_what_it_loses_and_goes_on(void)
{
	struct watch *w = make((struct watch_conf){.kind = WATCH_STAGE, .at = 0, .slots = 4, ANY});
	struct toy_mbuf t;
	struct rte_mbuf *m = udp(&t);

	for (unsigned i = 0; i < 6; i++)
		show(w, 0, m, WEIR_NEXT);
	CU_ASSERT_EQUAL(watch_lost(w), 2);
	expect(w, 1, 0, WEIR_NEXT);
	show(w, 0, m, WEIR_NEXT);
	CU_ASSERT_EQUAL(watch_lost(w), 2);
	for (uint32_t serial = 2; serial <= 5; serial++)
		expect(w, serial, 0, WEIR_NEXT);
	CU_ASSERT_PTR_NULL(watch_peek(w));
	watch_free(w);
}

static void test_a_drop_is_captured_by_its_reason(void)
{
	struct watch *w = make((struct watch_conf){.kind = WATCH_DROP, .drop = WEIR_DROP_TTL, ANY});
	struct toy_mbuf t;
	struct rte_mbuf *m = udp(&t);

	weir_meta(m)->drop = WEIR_DROP_TTL;
	show(w, 6, m, WEIR_REJECT); /* 75_reject will say DROP of it */
	show(w, 8, m, WEIR_DROP);
	weir_meta(m)->drop = WEIR_DROP_NO_ROUTE;
	show(w, 8, m, WEIR_DROP);
	show(w, 12, m, WEIR_HELD);
	expect(w, 1, 8, WEIR_DROP);
	CU_ASSERT_PTR_NULL(watch_peek(w));
	watch_free(w);
}

static void test_a_port_is_captured_one_way_only_and_once(void)
{
	struct watch *rx = make((struct watch_conf){.kind = WATCH_RX, .at = 1, .filter.port = 1});
	struct watch *tx =
		make((struct watch_conf){.kind = WATCH_TX, .at = 1 + 1, .port_out = 4, ANY});
	struct toy_mbuf t;
	struct rte_mbuf *m = udp(&t);

	weir_meta(m)->port_out = 4;
	for (unsigned stage = 0; stage < 3; stage++) {
		show(rx, stage, m, WEIR_NEXT);
		show(tx, stage, m, WEIR_TX);
	}
	expect(rx, 1, 1, WEIR_NEXT);
	expect(tx, 1, 0, WEIR_TX);
	expect(tx, 2, 2, WEIR_TX); /* stage 1, what other workers hand over, was left out */
	CU_ASSERT_PTR_NULL(watch_peek(rx));
	CU_ASSERT_PTR_NULL(watch_peek(tx));
	weir_meta(m)->laps = 1;
	show(rx, 1, m, WEIR_NEXT);
	CU_ASSERT_PTR_NULL(watch_peek(rx));
	watch_free(rx);
	watch_free(tx);
}

static void test_a_chain_of_buffers_is_copied_up_to_the_limit(void)
{
	struct watch *w = make((struct watch_conf){.kind = WATCH_STAGE, ANY});
	struct toy_mbuf a, b;
	struct rte_mbuf *m = toy_mbuf(&a, "0123456789012345678901234", 20);

	m->next = toy_mbuf(&b, "abcdefghijklmnopqrstuvwxyz", 20);
	m->pkt_len = 40;
	show(w, 0, m, WEIR_NEXT);
	CU_ASSERT_PTR_NOT_NULL_FATAL(watch_peek(w));
	CU_ASSERT_EQUAL(watch_peek(w)->captured_bytes, 32);
	CU_ASSERT_NSTRING_EQUAL(watch_bytes(watch_peek(w)), "01234567890123456789abcdefghijkl", 32);
	watch_free(w);
}

static void test_create_survives_each_failing_allocation(void)
{
	const struct watch_conf conf = {.slots = 8, .snap_bytes = 32};
	struct watch *w = NULL;

	FAILALLOC_EACH(n)
	{
		const int rc = watch_create(&conf, &w);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			CU_ASSERT_EQUAL(n, 3);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(w);
	}
	watch_free(w);
	w = NULL;
	CU_ASSERT_EQUAL(watch_create(&(struct watch_conf){.slots = 3}, &w), -EINVAL);
	watch_free(NULL);
}

WEIR_TESTS("dataplane/watch", TEST(a_filter_matches_what_it_says_and_nothing_else),
	   TEST(a_filter_reads_ipv6_addresses),
	   TEST(a_followed_packet_is_recorded_behind_each_stage),
	   TEST(a_packet_that_was_held_is_known_when_it_comes_back),
	   TEST(a_buffer_used_again_is_another_packet),
	   TEST(no_more_packets_are_chosen_than_asked_for),
	   TEST(a_full_ring_counts_what_it_loses_and_goes_on),
	   TEST(a_drop_is_captured_by_its_reason), TEST(a_port_is_captured_one_way_only_and_once),
	   TEST(a_chain_of_buffers_is_copied_up_to_the_limit),
	   TEST(create_survives_each_failing_allocation))
