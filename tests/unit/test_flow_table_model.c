/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The flow table against one that is slow and obvious: an array that is searched from its
 * beginning.
 *
 * Few addresses and ports, so that tuples meet; a table that is often full; translation in each of
 * its ways; time that passes. What the table ends by itself it tells, and each end must be right.
 */

#include "toy_flow.h"

#include <errno.h>
#include <stdlib.h>

#define ENTRIES	 96
#define EXTS	 40
#define OPS	 400000
#define OPS_LONG 20000000

/* A flow as the model knows it; drafts too. */
struct slow {
	bool used, draft;
	struct weir_tuple orig, to;
	enum weir_flow_class cls;
	uint8_t zone;
	uint64_t last_ms; /* does not wrap, as that of the table does */
	bool ext;
};

/* What the operation may end by itself. */
enum may { NOTHING, TIMED_OUT, ONE_FOR_ROOM, THIS };

static const uint64_t timeouts_ns[WEIR_FLOW_CLASSES] = WEIR_FLOW_TIMEOUTS;
static struct weir_flow_table *table;
static struct slow slow[ENTRIES];
static uint64_t now_ms, ends[4], clashes;
static enum may may;
static uint32_t may_flow;
static uint64_t random_state;

static uint32_t any(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) * below >> 32);
}

static bool timed_out(const struct slow *s)
{
	return now_ms - s->last_ms > timeouts_ns[s->cls] / MS;
}

static unsigned count_used(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ENTRIES; i++)
		n += slow[i].used;
	return n;
}

/* Whether it is of the lowest class that has more than this share, of which somebody may go. */
static bool is_lowest(const struct slow *s, unsigned share)
{
	unsigned n[WEIR_FLOW_CLASSES] = {0};

	for (unsigned i = 0; i < ENTRIES; i++)
		n[slow[i].cls] += slow[i].used && !slow[i].draft;
	for (unsigned c = 0; c < s->cls; c++)
		if (n[c] > (c == WEIR_FLOW_CLOSED ? 0 : share))
			return false;
	return s->cls == WEIR_FLOW_CLOSED || n[s->cls] > share;
}

/* Whether somebody of a class has more than its share, established flows apart. */
static bool is_any_above(unsigned share)
{
	unsigned n[WEIR_FLOW_CLASSES] = {0}, above = 0;

	for (unsigned i = 0; i < ENTRIES; i++)
		n[slow[i].cls] += slow[i].used && !slow[i].draft;
	for (unsigned c = 0; c < WEIR_FLOW_ESTABLISHED; c++)
		above += n[c] > (c == WEIR_FLOW_CLOSED ? 0 : share);
	return above > 0;
}

/* Whether it was its turn to make room. */
static bool is_next(const struct slow *s)
{
	if (s->cls == WEIR_FLOW_ESTABLISHED && now_ms - s->last_ms < 60000)
		return false;
	return is_lowest(s, ENTRIES / 16) || (!is_any_above(ENTRIES / 16) && is_lowest(s, 0));
}

static void on_end(void *ctx, struct weir_flow *f, uint32_t flow)
{
	struct slow *s = &slow[flow];

	CU_ASSERT_TRUE(s->used);
	CU_ASSERT_EQUAL((f->flags & WEIR_FLOW_DRAFT) != 0, s->draft);
	switch (may) {
	case THIS:
		CU_ASSERT_EQUAL(flow, may_flow);
		break;
	case ONE_FOR_ROOM:
		CU_ASSERT_EQUAL(count_used(), ENTRIES);
		CU_ASSERT_TRUE(is_next(s));
		CU_ASSERT_FALSE(s->draft);
		break;
	case TIMED_OUT:
		CU_ASSERT_TRUE(timed_out(s));
		CU_ASSERT_FALSE(s->draft);
		break;
	default:
		CU_FAIL("nothing may end here");
	}
	ends[may]++;
	s->used = false;
}

static struct weir_tuple any_tuple(uint8_t family)
{
	const uint8_t proto = any(2) == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	const uint32_t src = 1 + any(4), dst = 100 + any(2);
	const uint16_t sport = (uint16_t)(1 + any(4)), dport = (uint16_t)(10 + any(2));
	struct weir_tuple t;

	if (family == 4)
		t = toy_tuple4(src, sport, dst, dport, proto);
	else
		t = toy_tuple6((uint16_t)src, sport, (uint16_t)dst, dport, proto);
	t.vrf = any(8) == 0;
	if (any(8) == 0)
		t = weir_tuple_reverse(&t);
	return t;
}

/* The reference of a tuple, searched from the beginning. */
static uint32_t search(const struct weir_tuple *t)
{
	for (uint32_t i = 0; i < ENTRIES; i++) {
		const struct weir_tuple reply = weir_tuple_reverse(&slow[i].to);

		if (!slow[i].used || slow[i].draft || timed_out(&slow[i]))
			continue;
		if (toy_tuple_equal(&slow[i].orig, t))
			return i << 1 | WEIR_DIR_ORIG;
		if (toy_tuple_equal(&reply, t))
			return i << 1 | WEIR_DIR_REPLY;
	}
	return WEIR_NO_FLOW;
}

/* An entry that is in use, of drafts or of others; ENTRIES: there is none. */
static uint32_t any_used(bool draft)
{
	const uint32_t begin = any(ENTRIES);

	for (uint32_t i = 0; i < ENTRIES; i++) {
		const uint32_t at = (begin + i) % ENTRIES;

		if (slow[at].used && slow[at].draft == draft)
			return at;
	}
	return ENTRIES;
}

static void pass_time(uint32_t ms)
{
	now_ms += ms;
	weir_flow_table_tick(table, now_ms * MS);
}

static void begin_draft(void)
{
	const struct weir_tuple t = any_tuple(any(2) == 0 ? 4 : 6);
	uint32_t flow;

	pass_time(1);
	may = ONE_FOR_ROOM;
	flow = weir_flow_draft(table, &t);
	if (flow == WEIR_NO_FLOW) {
		CU_ASSERT_EQUAL(count_used(), ENTRIES);
		return;
	}
	CU_ASSERT_FALSE(slow[flow].used);
	slow[flow] = (struct slow){.used = true,
				   .draft = true,
				   .orig = t,
				   .to = t,
				   .last_ms = now_ms,
				   .zone = (uint8_t)any(4),
				   .cls = t.proto == IPPROTO_TCP ? WEIR_FLOW_HALF_OPEN
								 : WEIR_FLOW_UNANSWERED};
	weir_flow_at(table, flow)->zone[WEIR_DIR_ORIG] = slow[flow].zone;
}

static void translate(uint32_t flow)
{
	struct weir_tuple to = any_tuple(any(2) == 0 ? 4 : 6);
	struct slow *s = &slow[flow];
	const bool in_place = s->orig.family == 4 && to.family == 4 && to.proto == s->orig.proto &&
			      to.vrf == s->orig.vrf;
	unsigned used = 0;
	int rc;

	if (any(8) == 0)
		to = s->orig;
	for (unsigned i = 0; i < ENTRIES; i++)
		used += slow[i].used && slow[i].ext;
	rc = weir_flow_translate(table, weir_flow_at(table, flow), &to);
	if (!in_place && !s->ext && !toy_tuple_equal(&to, &s->orig)) {
		CU_ASSERT_EQUAL(rc, used < EXTS ? 0 : -ENOSPC);
		s->ext = rc == 0;
	} else {
		CU_ASSERT_EQUAL(rc, 0);
	}
	if (rc == 0)
		s->to = to;
}

static void commit(uint32_t flow)
{
	struct slow *s = &slow[flow];
	const struct weir_tuple reply = weir_tuple_reverse(&s->to);
	const uint32_t same = search(&s->orig), back = search(&reply);
	uint32_t ref = 4711;
	int rc;

	may = same == WEIR_NO_FLOW ? TIMED_OUT : THIS;
	may_flow = flow;
	rc = weir_flow_commit(table, flow, &ref);
	if (same != WEIR_NO_FLOW) {
		CU_ASSERT_EQUAL(rc, -EEXIST);
		CU_ASSERT_EQUAL(ref, same);
		CU_ASSERT_FALSE(s->used);
	} else if (back != WEIR_NO_FLOW) {
		CU_ASSERT_EQUAL(rc, -EADDRINUSE);
		clashes++;
	} else {
		CU_ASSERT_EQUAL(rc, 0);
		CU_ASSERT_EQUAL(ref, flow << 1);
		s->draft = false;
	}
}

static void end(uint32_t flow)
{
	may = THIS;
	may_flow = flow;
	if (slow[flow].draft && any(2) == 0)
		weir_flow_abort(table, flow);
	else
		weir_flow_kill(table, flow);
	CU_ASSERT_FALSE(slow[flow].used);
}

static void look_up(void)
{
	struct weir_tuple t[40] = {0};
	uint32_t refs[40];
	const uint16_t n = (uint16_t)any(41);

	for (uint16_t i = 0; i < n; i++) {
		const uint32_t flow = any_used(false);

		t[i] = any_tuple(any(2) == 0 ? 4 : 6);
		if (flow < ENTRIES && any(2) == 0)
			t[i] = slow[flow].orig;
		else if (flow < ENTRIES && any(2) == 0)
			t[i] = weir_tuple_reverse(&slow[flow].to);
	}
	weir_flow_lookup(table, t, n, refs);
	for (uint16_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(refs[i], search(&t[i]));
}

static void change(uint32_t flow)
{
	struct weir_flow *f = weir_flow_at(table, flow);

	if (timed_out(&slow[flow]))
		return;
	slow[flow].cls = (enum weir_flow_class)any(WEIR_FLOW_CLASSES);
	weir_flow_set_class(table, f, slow[flow].cls);
	weir_flow_count(f, WEIR_DIR_ORIG, 1, weir_flow_table_now_ms(table));
	slow[flow].last_ms = now_ms;
}

static void expire(void)
{
	may = TIMED_OUT;
	CU_ASSERT_TRUE(weir_flow_expire(table, 8) <= 8);
}

static void check_counters(void)
{
	const struct weir_flow_stats *st = weir_flow_table_stats(table);
	uint64_t classes[WEIR_FLOW_CLASSES] = {0}, exts = 0;
	uint32_t zones[4] = {0};

	for (unsigned i = 0; i < ENTRIES; i++) {
		const bool known = slow[i].used && !slow[i].draft;

		classes[slow[i].cls] += known;
		zones[slow[i].zone] += known;
		exts += slow[i].used && slow[i].ext;
	}
	for (unsigned c = 0; c < WEIR_FLOW_CLASSES; c++)
		CU_ASSERT_EQUAL(st->in_class[c], classes[c]);
	for (uint8_t z = 0; z < 4; z++)
		CU_ASSERT_EQUAL(weir_flow_zone_count(table, z), zones[z]);
	CU_ASSERT_EQUAL(st->exts_used, exts);
	CU_ASSERT_EQUAL(st->used, count_used());
}

static void operate(void)
{
	const uint32_t lot = any(100), draft = any_used(true), known = any_used(false);

	if (lot < 30)
		begin_draft();
	else if (lot < 40 && draft < ENTRIES)
		translate(draft);
	else if (lot < 65 && draft < ENTRIES)
		commit(draft);
	else if (lot < 68 && draft < ENTRIES)
		end(draft);
	else if (lot < 72 && known < ENTRIES)
		end(known);
	else if (lot < 82 && known < ENTRIES)
		change(known);
	else if (lot < 92)
		look_up();
	else if (lot < 97)
		expire();
	else
		pass_time(any(10) == 0 ? any(200000) : any(3000));
}

static void test_it_does_what_an_array_does_that_is_searched_from_its_beginning(void)
{
	const unsigned ops = getenv("WEIR_TEST_LONG") == NULL ? OPS : OPS_LONG;
	struct weir_flow_conf conf = toy_flow_conf(ENTRIES);
	const struct weir_flow_stats *st;

	conf.exts = EXTS;
	table = toy_flows_of(&conf);
	weir_flow_table_on_end(table, on_end, NULL);
	st = weir_flow_table_stats(table);
	random_state = 88172645463325252;
	now_ms = 5000;
	for (unsigned i = 0; i < ops && CU_get_number_of_failures() < 20; i++) {
		operate();
		may = NOTHING;
		if (i % 64 == 0)
			check_counters();
	}
	for (uint32_t i = 0; i < ENTRIES; i++)
		if (slow[i].used)
			end(i);
	check_counters();
	CU_ASSERT_EQUAL(st->used, 0);
	/* Each way was gone often enough to mean something. */
	CU_ASSERT_TRUE(ends[TIMED_OUT] > ops / 200);
	CU_ASSERT_TRUE(ends[ONE_FOR_ROOM] > ops / 200);
	CU_ASSERT_TRUE(ends[THIS] > ops / 50);
	CU_ASSERT_TRUE(st->raced > ops / 200);
	CU_ASSERT_TRUE(clashes > ops / 2000);
	CU_ASSERT_TRUE(st->refused > 0);
	weir_flow_table_free(table);
}

WEIR_TESTS("dataplane/flow_table_model",
	   TEST(it_does_what_an_array_does_that_is_searched_from_its_beginning))
