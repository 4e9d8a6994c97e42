/* SPDX-License-Identifier: BSD-3-Clause */

/* Records from workers to the control thread. */

#include <weir/records.h>

#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <weir/shard.h>

#define SECOND UINT64_C(1000000000)

static struct weir_records *make(struct weir_record_ring_conf conf)
{
	struct weir_records *ring = NULL;

	if (conf.entries == 0)
		conf.entries = 8;
	CU_ASSERT_EQUAL_FATAL(weir_records_create(&conf, &ring), 0);
	return ring;
}

/* What the control thread was told last, and of how many. */
struct told {
	struct weir_record last;
	unsigned n;
};

static void keep(void *ctx, const struct weir_record *r)
{
	struct told *t = ctx;

	t->last = *r;
	t->n++;
}

static struct told drain(struct weir_records *ring, uint64_t epoch_ns)
{
	struct told t = {.n = 0};

	CU_ASSERT_EQUAL(weir_records_drain(&ring, 1, epoch_ns, UINT32_MAX, keep, &t), t.n);
	return t;
}

static void put(struct weir_records *ring, enum weir_record_kind kind, uint64_t flow_id)
{
	struct weir_record *r = weir_record_begin(ring, kind, 5);

	if (r == NULL)
		return;
	r->flow_id = flow_id;
	weir_record_commit(ring);
}

static void test_a_record_arrives_as_it_was_written_at_the_time_of_the_day(void)
{
	struct weir_records *ring = make((struct weir_record_ring_conf){.worker = 3});
	struct weir_record *r = weir_record_begin(ring, WEIR_RECORD_FLOW_END, 7 * SECOND);
	struct told t;

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	CU_ASSERT_EQUAL((uintptr_t)r % 128, 0);
	r->start_ns = 2 * SECOND;
	r->reason = WEIR_RECORD_EVICTED;
	weir_record_set_text(r, WEIR_RECORD_TEXT_SNI, "name", 4);
	CU_ASSERT_EQUAL(drain(ring, 0).n, 0); /* not before it is committed */
	weir_record_commit(ring);
	t = drain(ring, 1000 * SECOND);
	CU_ASSERT_EQUAL(t.n, 1);
	CU_ASSERT_EQUAL(t.last.time_ns, 1007 * SECOND);
	CU_ASSERT_EQUAL(t.last.start_ns, 1002 * SECOND);
	CU_ASSERT_EQUAL(t.last.kind, WEIR_RECORD_FLOW_END);
	CU_ASSERT_EQUAL(t.last.reason, WEIR_RECORD_EVICTED);
	CU_ASSERT_EQUAL(t.last.worker, 3);
	CU_ASSERT_EQUAL(t.last.text_bytes, 4);
	CU_ASSERT_NSTRING_EQUAL(t.last.text, "name", 4);
	weir_records_free(ring);
}

static void test_nothing_of_an_earlier_record_is_left(void)
{
	struct weir_records *ring = make((struct weir_record_ring_conf){.entries = 2});
	struct told t;

	for (unsigned i = 0; i < 2; i++) {
		struct weir_record *r = weir_record_begin(ring, WEIR_RECORD_ALERT, 1);

		memset(&r->start_ns, 0xff, WEIR_RECORD_HEAD_BYTES - sizeof(r->time_ns));
		r->kind = WEIR_RECORD_ALERT;
		weir_record_commit(ring);
		drain(ring, 0);
	}
	put(ring, WEIR_RECORD_RULE, 0);
	t = drain(ring, 0);
	CU_ASSERT_EQUAL(t.last.start_ns, 0); /* none: no time is added to it */
	CU_ASSERT_EQUAL(t.last.pkts[0] | t.last.bytes[1] | t.last.signature | t.last.mark, 0);
	CU_ASSERT_EQUAL(t.last.orig.family | t.last.to.family | t.last.text_bytes, 0);
	CU_ASSERT_EQUAL(t.last.rule, WEIR_RECORD_NO_RULE);
	CU_ASSERT_EQUAL(t.last.zone[0] & t.last.zone[1], WEIR_RECORD_NO_ZONE);
	weir_records_free(ring);
}

static void test_a_full_ring_loses_records_and_counts_them(void)
{
	struct weir_records *ring = make((struct weir_record_ring_conf){.entries = 5});
	const struct weir_records_stats *stats = weir_records_stats(ring);

	for (uint64_t i = 0; i < 20; i++)
		put(ring, WEIR_RECORD_NAT, i);
	CU_ASSERT_EQUAL(weir_records_lost(ring), 12); /* five were rounded up to eight */
	CU_ASSERT_EQUAL(weir_counted(&stats->written[WEIR_RECORD_NAT]), 8);
	CU_ASSERT_EQUAL(drain(ring, 0).last.flow_id, 7);
	put(ring, WEIR_RECORD_NAT, 21);
	CU_ASSERT_EQUAL(drain(ring, 0).last.flow_id, 21);
	CU_ASSERT_EQUAL(weir_records_lost(ring), 12);
	CU_ASSERT_EQUAL(weir_counted(&stats->written[WEIR_RECORD_ALERT]), 0);
	weir_records_free(ring);
}

static void test_a_rate_holds_for_its_kind_alone(void)
{
	struct weir_records *ring =
		make((struct weir_record_ring_conf){.rate_pps = {[WEIR_RECORD_RULE] = 10}});
	unsigned rules = 0, alerts = 0;

	for (unsigned i = 0; i < 25; i++) {
		rules += weir_record_allow(ring, WEIR_RECORD_RULE, 0);
		alerts += weir_record_allow(ring, WEIR_RECORD_ALERT, 0);
	}
	CU_ASSERT_EQUAL(rules, 10);
	CU_ASSERT_EQUAL(alerts, 25);
	CU_ASSERT_EQUAL(weir_counted(&weir_records_stats(ring)->limited[WEIR_RECORD_RULE]), 15);
	for (unsigned i = 0; i < 25; i++)
		rules += weir_record_allow(ring, WEIR_RECORD_RULE, SECOND / 2);
	CU_ASSERT_EQUAL(rules, 15);
	weir_records_free(ring);
}

static void test_all_rings_are_drained_each_up_to_the_limit(void)
{
	struct weir_records *rings[3];
	struct told t = {.n = 0};

	for (uint16_t i = 0; i < 3; i++) {
		rings[i] = make((struct weir_record_ring_conf){.worker = i});
		for (unsigned n = 0; n < 5; n++)
			put(rings[i], WEIR_RECORD_FLOW_START, n);
	}
	CU_ASSERT_EQUAL(weir_records_drain(rings, 3, 0, 4, keep, &t), 12);
	CU_ASSERT_EQUAL(t.last.worker, 2);
	CU_ASSERT_EQUAL(t.last.flow_id, 3);
	CU_ASSERT_EQUAL(weir_records_drain(rings, 3, 0, 4, keep, &t), 3);
	CU_ASSERT_EQUAL(weir_records_drain(rings, 3, 0, 4, keep, &t), 0);
	CU_ASSERT_EQUAL(t.n, 15);
	for (unsigned i = 0; i < 3; i++)
		weir_records_free(rings[i]);
}

#define RECORDS 200000

struct stream {
	uint64_t next;
	bool torn;
};

/* Every field that was written in a record must be of the same record. */
static void check_stream(void *ctx, const struct weir_record *r)
{
	struct stream *s = ctx;

	if (r->flow_id != s->next || r->pkts[0] != s->next || r->bytes[1] != s->next ||
	    r->mark != (uint32_t)s->next || r->text_bytes != sizeof(s->next) ||
	    memcmp(r->text, &s->next, sizeof(s->next)) != 0)
		s->torn = true;
	s->next++;
}

static void *write_stream(void *ring)
{
	for (uint64_t i = 0; i < RECORDS;) {
		struct weir_record *r = weir_record_begin(ring, WEIR_RECORD_FLOW_UPDATE, i);

		if (r == NULL)
			continue; /* a test's worker may wait: so the order can be checked */
		r->flow_id = r->pkts[0] = r->bytes[1] = i;
		r->mark = (uint32_t)i;
		weir_record_set_text(r, WEIR_RECORD_TEXT_PLAIN, &i, sizeof(i));
		weir_record_commit(ring);
		i++;
	}
	return NULL;
}

static void test_records_of_another_thread_are_whole_and_in_order(void)
{
	struct weir_records *ring = make((struct weir_record_ring_conf){.entries = 64});
	struct stream s = {.next = 0};
	pthread_t worker;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&worker, NULL, write_stream, ring), 0);
	while (s.next < RECORDS)
		weir_records_drain(&ring, 1, 0, UINT32_MAX, check_stream, &s);
	pthread_join(worker, NULL);
	CU_ASSERT_FALSE(s.torn);
	CU_ASSERT_EQUAL(weir_counted(&weir_records_stats(ring)->written[WEIR_RECORD_FLOW_UPDATE]),
			RECORDS);
	weir_records_free(ring);
}

static void test_flows_have_numbers_of_their_own(void)
{
	CU_ASSERT_EQUAL(weir_record_flow_id(0, 0, 1), 1);
	CU_ASSERT_NOT_EQUAL(weir_record_flow_id(1, 2, 3), weir_record_flow_id(2, 2, 3));
	CU_ASSERT_NOT_EQUAL(weir_record_flow_id(1, 2, 3), weir_record_flow_id(1, 3, 3));
	CU_ASSERT_NOT_EQUAL(weir_record_flow_id(1, 2, 3), weir_record_flow_id(1, 2, 1803));
	CU_ASSERT(weir_record_flow_id(63, UINT32_MAX, UINT32_MAX) < UINT64_C(1) << 53);
}

static void test_sizes_and_rates_that_cannot_be_are_refused(void)
{
	struct weir_record_ring_conf conf = {.entries = 1};
	struct weir_records *ring = NULL;

	CU_ASSERT_EQUAL(weir_records_create(&conf, &ring), -EINVAL);
	conf.entries = WEIR_RECORDS_MAX + 1;
	CU_ASSERT_EQUAL(weir_records_create(&conf, &ring), -EINVAL);
	conf.entries = 5;
	CU_ASSERT(weir_records_size(&conf) > 8 * sizeof(struct weir_record));
	CU_ASSERT(weir_records_size(&conf) < 12 * sizeof(struct weir_record));
	conf.rate_pps[WEIR_RECORD_RULE] = UINT64_MAX;
	CU_ASSERT_EQUAL(weir_records_create(&conf, &ring), -EINVAL);
	CU_ASSERT_PTR_NULL(ring);
	weir_records_free(NULL);
}

static void test_create_survives_each_failing_allocation(void)
{
	const struct weir_record_ring_conf conf = {.entries = 8};

	FAILALLOC_EACH(n)
	{
		struct weir_records *ring = NULL;
		const int rc = weir_records_create(&conf, &ring);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			CU_ASSERT_EQUAL(n, 3);
			weir_records_free(ring);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(ring);
	}
}

WEIR_TESTS("dataplane/record", TEST(a_record_arrives_as_it_was_written_at_the_time_of_the_day),
	   TEST(nothing_of_an_earlier_record_is_left),
	   TEST(a_full_ring_loses_records_and_counts_them), TEST(a_rate_holds_for_its_kind_alone),
	   TEST(all_rings_are_drained_each_up_to_the_limit),
	   TEST(records_of_another_thread_are_whole_and_in_order),
	   TEST(flows_have_numbers_of_their_own), TEST(sizes_and_rates_that_cannot_be_are_refused),
	   TEST(create_survives_each_failing_allocation))
