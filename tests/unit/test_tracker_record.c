/* SPDX-License-Identifier: BSD-3-Clause */

/* Records of flows that go on, and what is in them at the end. */

#include "test.h"
#include "toy_firewall.h"

#include <weir/records.h>

#include "tables/tracker_priv.h"

#define MS UINT64_C(1000000)
#define RECORDED                                                                           \
	WORLD_PORTS "conntrack: {flows: 1024}\nrecords: {flows: /dev/null, updates: 1s}\n" \
		    "firewall: {rules: [{name: r, action: accept}]}\n"

static uint64_t updates(void)
{
	const struct weir_records *ring = world.shard.tracker->records;

	return weir_records_stats(ring)->written[WEIR_RECORD_FLOW_UPDATE];
}

static void say(uint16_t sport)
{
	const struct toy_ip p = toy_udp("10.0.0.2", sport, "192.0.2.9", 53);

	toy_expect(LAN, &p, WEIR_NEXT, WEIR_DROP_NONE);
}

/* The worker's timer every so often for ten seconds; a packet of one flow every 100 ms. */
static void ten_seconds(unsigned step_ms)
{
	for (unsigned ms = 0; ms < 10000; ms += step_ms) {
		if (ms % 100 == 0)
			say(4000);
		world.now_ns += step_ms * MS;
		tracker_tick(world.shard.tracker, world.now_ns);
		tracker_update(world.shard.tracker);
	}
}

static void test_a_flow_is_told_of_once_in_its_time_however_often_the_timer_comes(void)
{
	static const unsigned steps_ms[] = {1, 20, 50, 100};

	for (unsigned i = 0; i < RTE_DIM(steps_ms); i++) {
		uint64_t told;

		toy_begin(RECORDED);
		ten_seconds(steps_ms[i]);
		told = updates();
		CU_ASSERT(told == 9 || told == 10);
		toy_end();
	}
}

static void test_a_flow_that_is_silent_is_told_of_no_more(void)
{
	toy_begin(RECORDED);
	say(4000);
	for (unsigned i = 0; i < 200; i++) {
		world.now_ns += 50 * MS;
		tracker_tick(world.shard.tracker, world.now_ns);
		tracker_update(world.shard.tracker);
	}
	CU_ASSERT(updates() <= 1); /* its packet may be news when it is a second old */
	toy_end();
}

/* More entries than one call looks at, or twenty calls. */
static void test_a_large_table_is_told_of_in_its_time_too(void)
{
	uint64_t told;

	toy_begin(WORLD_PORTS
		  "conntrack: {flows: 262144}\nrecords: {flows: /dev/null, updates: 1s}\n"
		  "firewall: {rules: [{name: r, action: accept}]}\n");
	for (unsigned ms = 0; ms < 10000; ms++) {
		if (ms % 100 == 0)
			say(4000);
		world.now_ns += MS;
		weir_wheel_run(world.shard.wheel, world.now_ns, UINT32_MAX);
	}
	told = updates();
	CU_ASSERT(told == 9 || told == 10);
	toy_end();
}

static void keep(void *ctx, const struct weir_record *r)
{
	struct weir_record *of_kind = ctx;

	of_kind[r->kind] = *r;
}

static void tell(unsigned iface, uint8_t flags, uint32_t seq, uint32_t ack, enum weir_drop drop)
{
	const bool out = iface == LAN;
	const struct toy_ip p = out ? toy_tcp("10.0.0.2", 4000, "192.0.2.9", 80, flags, seq, ack)
				    : toy_tcp("192.0.2.9", 80, "10.0.0.2", 4000, flags, seq, ack);

	toy_expect(iface, &p, drop == WEIR_DROP_NONE ? WEIR_NEXT : WEIR_DROP, drop);
}

static void test_the_flags_of_all_packets_that_passed_are_kept_each_way(void)
{
	struct weir_record r[WEIR_RECORD_KINDS] = {0};
	struct weir_tracker *t;

	toy_begin(RECORDED);
	t = world.shard.tracker;
	tell(LAN, 0x02, 1000, 0, WEIR_DROP_NONE);
	tell(WAN, 0x12, 5000, 1001, WEIR_DROP_NONE);
	tell(LAN, 0x10, 1001, 5001, WEIR_DROP_NONE);
	tell(LAN, 0x58, 1001, 5001, WEIR_DROP_NONE);
	tell(LAN, 0x30, 99999999, 5001, WEIR_DROP_FLOW_INVALID); /* urgent, but dropped */
	tell(WAN, 0x14, 5001, 1001, WEIR_DROP_NONE);
	world.now_ns += 60000 * MS;
	tracker_tick(t, world.now_ns);
	CU_ASSERT_EQUAL(weir_flow_expire(t->flows, 100), 1);
	weir_records_drain(&t->records, 1, 0, 100, keep, r);
	CU_ASSERT_EQUAL(r[WEIR_RECORD_FLOW_START].tcp_flags[WEIR_DIR_ORIG], 0x02);
	CU_ASSERT_EQUAL(r[WEIR_RECORD_FLOW_END].orig.proto, IPPROTO_TCP);
	CU_ASSERT_EQUAL(r[WEIR_RECORD_FLOW_END].tcp_flags[WEIR_DIR_ORIG], 0x5a);
	CU_ASSERT_EQUAL(r[WEIR_RECORD_FLOW_END].tcp_flags[WEIR_DIR_REPLY], 0x16);
	CU_ASSERT_EQUAL(r[WEIR_RECORD_FLOW_END].bytes[WEIR_DIR_ORIG], 3 * 40);
	CU_ASSERT_EQUAL(r[WEIR_RECORD_FLOW_END].bytes[WEIR_DIR_REPLY], 2 * 40);
	say(4000); /* of UDP */
	weir_records_drain(&t->records, 1, 0, 100, keep, r);
	CU_ASSERT_EQUAL(r[WEIR_RECORD_FLOW_START].tcp_flags[WEIR_DIR_ORIG], 0);
	toy_end();
}

WEIR_TESTS("tables/tracker_record",
	   TEST(a_flow_is_told_of_once_in_its_time_however_often_the_timer_comes),
	   TEST(a_flow_that_is_silent_is_told_of_no_more),
	   TEST(a_large_table_is_told_of_in_its_time_too),
	   TEST(the_flags_of_all_packets_that_passed_are_kept_each_way))
