/* SPDX-License-Identifier: BSD-3-Clause */

/* The queue of receiving: any segments in any order, against an array of bytes. */

#include "tcp_priv.h"
#include "toy_stack.h"

#include <string.h>

#define BEGIN UINT32_C(0xffffff80) /* so that sequence numbers wrap on the way */

/* A connection's receiving half, without the rest. */
static struct weir_stack *s;
static struct conn c;
static struct work w;

static void begin(void)
{
	s = toy_stack(1, 1);
	s->conf.memory_bytes = 1 << 20;
	s->conf.rcvbuf_bytes = 1 << 20;
	c = (struct conn){.rcv_nxt = BEGIN, .rcvbuf = 65536, .flags = CONN_SCALE, .scale_in = 7};
	w = (struct work){0};
}

static void end(void)
{
	rcv_free(s, &w);
	CU_ASSERT_EQUAL(s->held_bytes, 0);
	CU_ASSERT_EQUAL(w.ready.n, 0);
	CU_ASSERT_EQUAL(w.early.n, 0);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
	weir_stack_free(s);
}

/* These bytes at @at of the stream, between headers and padding, in segments of @seg_bytes. */
static struct segment segment(uint32_t at, const void *bytes, uint32_t n, uint8_t flags,
			      uint16_t seg_bytes)
{
	static uint8_t frame[4096];

	memset(frame, 0xee, 40);
	memcpy(frame + 40, bytes, n);
	memset(frame + 40 + n, 0xdd, 5);
	return (struct segment){.m = toy_payload(frame, 40 + n + 5, seg_bytes),
				.seq = BEGIN + at,
				.bytes = n,
				.off = 40,
				.flags = flags};
}

static enum rcv_what take_flags(uint32_t at, const char *text, uint8_t flags)
{
	struct segment seg = segment(at, text, (uint32_t)strlen(text), flags, 2000);
	enum rcv_what what = rcv_take(s, &c, &w, &seg);

	CU_ASSERT_PTR_NULL(seg.m);
	return what;
}

static enum rcv_what take(uint32_t at, const char *text)
{
	return take_flags(at, text, TCP_ACK);
}

static bool reads(const char *text)
{
	char got[256];
	const uint32_t n = rcv_copy(s, &w, got, sizeof(got));

	return n == strlen(text) && memcmp(got, text, n) == 0;
}

/* The SACK blocks as text, from the stream's begin: "20-30 10-15". Forgets the DSACK. */
static const char *sacks(uint8_t most)
{
	struct seq_range r[SACK_BLOCKS];
	const uint8_t n = rcv_sacks(&w, r, most);
	static char text[128];
	size_t at = 0;

	text[0] = 0;
	CU_ASSERT_FATAL(n <= most);
	for (uint8_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u-%u", i > 0 ? " " : "",
				       r[i].from - BEGIN, r[i].to - BEGIN);
	return text;
}

static void test_bytes_in_order_are_ready_at_once_without_headers_and_padding(void)
{
	begin();
	CU_ASSERT_EQUAL(take(0, "hello "), RCV_IN_ORDER);
	CU_ASSERT_EQUAL(take(6, "world"), RCV_IN_ORDER);
	CU_ASSERT_EQUAL(c.rcv_nxt, BEGIN + 11);
	CU_ASSERT_EQUAL(w.ready.bytes, 11);
	CU_ASSERT(reads("hello world"));
	CU_ASSERT_EQUAL(w.ready.bytes, 0);
	CU_ASSERT_STRING_EQUAL(sacks(4), "");
	end();
}

static void test_what_came_early_follows_when_the_hole_is_filled(void)
{
	begin();
	CU_ASSERT_EQUAL(take(6, "cdef"), RCV_EARLY);
	CU_ASSERT_EQUAL(take(12, "ij"), RCV_EARLY);
	CU_ASSERT_EQUAL(c.rcv_nxt, BEGIN);
	CU_ASSERT_STRING_EQUAL(sacks(4), "12-14 6-10");
	CU_ASSERT_EQUAL(take(10, "gh"), RCV_EARLY);
	CU_ASSERT_STRING_EQUAL(sacks(4), "6-14");
	CU_ASSERT_EQUAL(take(0, "12345ab"), RCV_IN_ORDER);
	CU_ASSERT_EQUAL(c.rcv_nxt, BEGIN + 14);
	CU_ASSERT_STRING_EQUAL(sacks(4), "6-7"); /* twice came the 6th alone */
	CU_ASSERT(reads("12345acdefghij"));
	end();
}

static void test_bytes_that_are_held_stay_where_others_come_for_them(void)
{
	begin();
	CU_ASSERT_EQUAL(take(4, "EF"), RCV_EARLY);
	CU_ASSERT_EQUAL(take(8, "IJ"), RCV_EARLY);
	CU_ASSERT_EQUAL(take(2, "cdefgh"), RCV_EARLY); /* around the first */
	CU_ASSERT_STRING_EQUAL(sacks(4), "4-6 2-10");
	CU_ASSERT_EQUAL(take(9, "jk"), RCV_EARLY); /* overlaps in front */
	CU_ASSERT_STRING_EQUAL(sacks(4), "9-10 2-11");
	CU_ASSERT_EQUAL(take(5, "fgh"), RCV_NOTHING);
	CU_ASSERT_STRING_EQUAL(sacks(4), "5-8 2-11");
	CU_ASSERT_EQUAL(take(0, "abcdefghijklm"), RCV_IN_ORDER);
	CU_ASSERT_STRING_EQUAL(sacks(4), "2-11");
	CU_ASSERT(reads("abcdEFghIJklm"));
	end();
}

static void test_a_segment_that_nobody_may_write_to_fills_the_first_hole(void)
{
	struct segment seg;
	struct rte_mbuf *whole;

	begin();
	CU_ASSERT_EQUAL(take(4, "EF"), RCV_EARLY);
	seg = segment(0, "abcdefghi", 9, TCP_ACK, 2000);
	whole = seg.m;
	seg.m = rte_pktmbuf_clone(whole, toy_only_pool());
	CU_ASSERT_PTR_NOT_NULL_FATAL(seg.m);
	CU_ASSERT_EQUAL(rcv_take(s, &c, &w, &seg), RCV_IN_ORDER);
	CU_ASSERT_EQUAL(c.rcv_nxt, BEGIN + 6);
	CU_ASSERT_EQUAL(take(6, "ghi"), RCV_IN_ORDER);
	CU_ASSERT(reads("abcdEFghi"));
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod_offset(whole, char *, 40), "abcdefghi", 9), 0);
	rte_pktmbuf_free(whole);
	end();
}

static void test_what_is_below_the_window_is_told_as_a_duplicate_once(void)
{
	begin();
	CU_ASSERT_EQUAL(take(0, "abcdef"), RCV_IN_ORDER);
	CU_ASSERT_EQUAL(take(0, "abc"), RCV_NOTHING);
	CU_ASSERT_EQUAL(take(3, "def"), RCV_NOTHING); /* touches it: one block */
	CU_ASSERT_STRING_EQUAL(sacks(3), "0-6");
	CU_ASSERT_STRING_EQUAL(sacks(3), "");
	CU_ASSERT_EQUAL(take(4, "efgh"), RCV_IN_ORDER);
	CU_ASSERT_EQUAL(take(0, "a"), RCV_NOTHING); /* one is told at once, the first */
	CU_ASSERT_STRING_EQUAL(sacks(3), "4-6");
	CU_ASSERT_EQUAL(take(8, ""), RCV_NOTHING);
	CU_ASSERT_EQUAL(take(20, ""), RCV_NOTHING);
	CU_ASSERT_STRING_EQUAL(sacks(3), "");
	CU_ASSERT(reads("abcdefgh"));
	end();
}

static void test_blocks_are_told_newest_first_and_all_that_have_room(void)
{
	begin();
	for (uint32_t at = 10; at <= 60; at += 10)
		CU_ASSERT_EQUAL(take(at, "xx"), RCV_EARLY);
	CU_ASSERT_STRING_EQUAL(sacks(3), "60-62 50-52 40-42");
	CU_ASSERT_STRING_EQUAL(sacks(4), "60-62 50-52 40-42 30-32");
	CU_ASSERT_EQUAL(take(20, "x"), RCV_NOTHING);
	CU_ASSERT_STRING_EQUAL(sacks(4), "20-21 20-22 60-62 50-52");
	CU_ASSERT_EQUAL(take(42, "12345678"), RCV_EARLY); /* joins two */
	CU_ASSERT_STRING_EQUAL(sacks(4), "40-52 20-22 60-62 10-12");
	CU_ASSERT_EQUAL(take(0, "0123456789"), RCV_IN_ORDER);
	CU_ASSERT_STRING_EQUAL(sacks(4), "40-52 20-22 60-62 30-32");
	CU_ASSERT_STRING_EQUAL(sacks(0), "");
	end();
}

static void test_a_fin_counts_when_all_before_it_is_there(void)
{
	static const struct {
		const char *text;
		uint32_t at;
	} last[] = {{"cd", 2}, {"", 4}};

	for (unsigned i = 0; i < RTE_DIM(last); i++) {
		begin();
		CU_ASSERT_EQUAL(take_flags(last[i].at, last[i].text, TCP_FIN | TCP_ACK), RCV_EARLY);
		CU_ASSERT(!(c.flags & CONN_FIN_IN));
		CU_ASSERT_STRING_EQUAL(sacks(4), i == 0 ? "2-5" : "4-5");
		CU_ASSERT_EQUAL(take(4, "nothing follows it"), RCV_NOTHING);
		CU_ASSERT_EQUAL(take(7, "nothing"), RCV_NOTHING);
		CU_ASSERT_EQUAL(take(0, "ab"), RCV_IN_ORDER);
		if (i == 1) {
			CU_ASSERT_EQUAL(c.rcv_nxt, BEGIN + 2);
			CU_ASSERT(!(c.flags & CONN_FIN_IN));
			CU_ASSERT_EQUAL(take(2, "cdefg"), RCV_IN_ORDER);
		}
		CU_ASSERT(c.flags & CONN_FIN_IN);
		CU_ASSERT_EQUAL(c.rcv_nxt, BEGIN + 5);
		(void)sacks(4);
		CU_ASSERT_EQUAL(take_flags(2, "cd", TCP_FIN | TCP_ACK), RCV_NOTHING);
		CU_ASSERT_STRING_EQUAL(sacks(4), "2-5");
		CU_ASSERT_EQUAL(take(5, "more"), RCV_NOTHING);
		CU_ASSERT_STRING_EQUAL(sacks(4), "");
		CU_ASSERT(reads("abcd"));
		end();
	}
}

static void test_a_fin_in_order_ends_with_or_without_bytes(void)
{
	begin();
	CU_ASSERT_EQUAL(take_flags(0, "ab", TCP_FIN | TCP_ACK), RCV_IN_ORDER);
	CU_ASSERT(c.flags & CONN_FIN_IN);
	CU_ASSERT_EQUAL(c.rcv_nxt, BEGIN + 3);
	CU_ASSERT(reads("ab"));
	end();
	begin();
	CU_ASSERT_EQUAL(take_flags(0, "", TCP_FIN | TCP_ACK), RCV_IN_ORDER);
	CU_ASSERT(c.flags & CONN_FIN_IN);
	CU_ASSERT_EQUAL(c.rcv_nxt, BEGIN + 1);
	CU_ASSERT_PTR_NULL(rcv_pop(s, &w));
	end();
}

static void test_a_fin_before_bytes_that_are_held_is_no_end(void)
{
	begin();
	CU_ASSERT_EQUAL(take(4, "ef"), RCV_EARLY);
	CU_ASSERT_EQUAL(take_flags(2, "c", TCP_FIN | TCP_ACK), RCV_EARLY);
	CU_ASSERT_EQUAL(take_flags(5, "", TCP_FIN | TCP_ACK), RCV_NOTHING);
	CU_ASSERT_STRING_EQUAL(sacks(4), "2-3 4-6");
	CU_ASSERT_EQUAL(take(0, "abcd"), RCV_IN_ORDER);
	CU_ASSERT(!(c.flags & CONN_FIN_IN));
	CU_ASSERT(reads("abcdef"));
	end();
}

static void test_a_slow_reader_of_single_bytes_does_not_hold_a_buffer_for_each(void)
{
	begin();
	for (uint32_t at = 0; at < 1000; at++)
		CU_ASSERT_EQUAL(take(at, "x"), RCV_IN_ORDER);
	CU_ASSERT_EQUAL(w.ready.bytes, 1000);
	CU_ASSERT_EQUAL(w.ready.n, 1);
	for (uint32_t at = 2999; at >= 2001; at--) /* the wrong way round */
		CU_ASSERT_EQUAL(take(at, "x"), RCV_EARLY);
	CU_ASSERT(w.early.n <= 4);
	CU_ASSERT_EQUAL(w.early.bytes, 999);
	CU_ASSERT(s->held_bytes <= 5 * (2176 + 128));
	CU_ASSERT(rte_mempool_in_use_count(toy_only_pool()) <= 5);
	CU_ASSERT_STRING_EQUAL(sacks(4), "2001-3000");
	end();
}

static void test_holes_are_counted_and_too_many_are_refused(void)
{
	struct weir_stack_stats stats;

	begin();
	for (uint32_t i = 1; i <= 256; i++)
		CU_ASSERT_EQUAL(take(i * 2, "x"), RCV_EARLY);
	CU_ASSERT_EQUAL(take(1000, "x"), RCV_NOTHING);
	weir_stack_stats(s, &stats);
	CU_ASSERT_EQUAL(stats.tcp_memory, 1);
	CU_ASSERT_EQUAL(stats.tcp_disordered, 256);
	CU_ASSERT_EQUAL(take(513, "x"), RCV_EARLY); /* makes no hole */
	CU_ASSERT_EQUAL(take(0, "xxx"), RCV_IN_ORDER);
	CU_ASSERT_EQUAL(take(1000, "x"), RCV_EARLY);
	end();
}

static void test_early_bytes_go_when_memory_is_short_and_holes_can_be_filled(void)
{
	const uint32_t one = 2176 + 128, room = 8 * one;
	uint32_t at;

	begin();
	s->conf.memory_bytes = room;
	for (at = 10; take(at, "early") == RCV_EARLY; at += 10)
		CU_ASSERT_FATAL(at < 200);
	CU_ASSERT_EQUAL(at, 10 + 5 * 10);
	s->held_bytes += 2 * one;		      /* another's */
	CU_ASSERT_EQUAL(take(0, "01"), RCV_IN_ORDER); /* nothing was there to read */
	CU_ASSERT_STRING_NOT_EQUAL(sacks(4), "");
	CU_ASSERT_EQUAL(take(2, "23456789"), RCV_IN_ORDER);
	CU_ASSERT_EQUAL(c.rcv_nxt, BEGIN + 10);
	CU_ASSERT_STRING_EQUAL(sacks(4), "");
	CU_ASSERT(reads("0123456789"));
	s->held_bytes += room - 2 * one;
	CU_ASSERT_EQUAL(take(10, "abc"), RCV_NOTHING);
	s->held_bytes -= room;
	CU_ASSERT_EQUAL(take(10, "abc"), RCV_IN_ORDER);
	CU_ASSERT(reads("abc"));
	end();
}

static void test_packets_are_handed_out_whole_and_copies_can_end_inside(void)
{
	struct segment seg;
	struct rte_mbuf *m;
	char got[8];

	begin();
	seg = segment(0, "0123456789", 10, TCP_ACK, 3);
	CU_ASSERT_EQUAL(rcv_take(s, &c, &w, &seg), RCV_IN_ORDER);
	CU_ASSERT_EQUAL(rcv_copy(s, &w, got, 5), 5);
	CU_ASSERT_EQUAL(memcmp(got, "01234", 5), 0);
	CU_ASSERT_EQUAL(w.ready.bytes, 5);
	CU_ASSERT_EQUAL(take(10, "ab"), RCV_IN_ORDER);
	m = rcv_pop(s, &w);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(m->pkt_len, 7);
	rte_mbuf_sanity_check(m, 1);
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(m, char *), "56", 1), 0);
	CU_ASSERT_EQUAL(s->held_bytes, 0);
	rte_pktmbuf_free(m);
	CU_ASSERT_PTR_NULL(rcv_pop(s, &w));
	CU_ASSERT_EQUAL(rcv_copy(s, &w, got, 5), 0);
	end();
}

static void test_the_window_grows_with_what_is_read_in_a_round_trip(void)
{
	uint64_t now = 1000000000;

	begin();
	c.srtt_us = 50000;
	rcv_tune(s, &c, &w, 0, now); /* it begins to measure */
	for (unsigned i = 0; i < 100; i++)
		rcv_tune(s, &c, &w, 100, now += 500000);
	CU_ASSERT_EQUAL(c.rcvbuf, 65536); /* 10,000 bytes in 50 ms */
	for (unsigned i = 0; i < 110; i++)
		rcv_tune(s, &c, &w, 400, now += 500000);
	CU_ASSERT_EQUAL(c.rcvbuf, 131072); /* 40,000 */
	rcv_tune(s, &c, &w, 1, now += 60000000);
	rcv_tune(s, &c, &w, 130000, now += UINT64_C(3600) * 1000000000);
	CU_ASSERT_EQUAL(c.rcvbuf, 131072); /* who reads once an hour */
	s->held_bytes = s->conf.memory_bytes / 2;
	rcv_tune(s, &c, &w, 130000, now += 60000000);
	CU_ASSERT_EQUAL(c.rcvbuf, 131072); /* memory is short */
	s->held_bytes = 0;
	for (unsigned i = 0; i < 5; i++)
		rcv_tune(s, &c, &w, c.rcvbuf, now += 60000000);
	CU_ASSERT_EQUAL(c.rcvbuf, 1 << 20); /* and no more */
	c.rcvbuf = 65535;
	c.flags = 0;
	rcv_tune(s, &c, &w, 65535, now += 60000000);
	CU_ASSERT_EQUAL(c.rcvbuf, 65535); /* nor more than can be said */
	end();
}

/* ---- the model: a byte's place holds what came first for it ---- */

#define PLACES 700

static struct {
	uint8_t held[PLACES]; /* 0: nothing, 1: a byte, 2: the FIN */
	uint8_t byte[PLACES];
	uint32_t touched[PLACES]; /* when the range that it is in was */
	uint32_t nxt, read, step;
	uint32_t dup_from, dup_to; /* the first duplicates of the last segment */
	bool fin_in;
} model;

static uint32_t seed;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)seed * below) >> 32);
}

/* The first place from @at on that is held, or is not. */
static uint32_t run_end(uint32_t at, uint32_t most)
{
	const bool held = model.held[at] != 0;

	while (at < most && (model.held[at] != 0) == held)
		at++;
	return at;
}

/* The range around a held place was touched now. */
static void model_touch(uint32_t at)
{
	const uint32_t to = run_end(at, PLACES);

	while (at > 0 && model.held[at - 1])
		at--;
	for (; at < to; at++)
		model.touched[at] = model.step;
}

/* Where a segment ends that others have ended, or that lies about the end. */
static uint32_t model_end(uint32_t to, bool *fin)
{
	uint32_t last = PLACES;

	while (last > 0 && model.held[last - 1] == 0)
		last--;
	if (last > model.nxt && model.held[last - 1] == 2 && last < to) {
		*fin = false;
		return last;
	}
	if (*fin && last > to - 1 && !(last == to && model.held[last - 1] == 2)) {
		*fin = false;
		return to - 1;
	}
	return to;
}

/* What rcv_take() is to say; @own: the segment may be written to. */
static enum rcv_what model_take(uint32_t from, uint32_t bytes, bool fin, uint8_t fill, bool own)
{
	uint32_t to = from + bytes + fin, was = model.nxt;
	bool some = false;

	model.step++;
	model.dup_from = model.dup_to = 0;
	if (from < model.nxt) {
		model.dup_from = from;
		model.dup_to = RTE_MIN(to, model.nxt);
	}
	if (to <= model.nxt || from == to || model.fin_in)
		return RCV_NOTHING;
	from = RTE_MAX(from, model.nxt);
	to = model_end(to, &fin);
	for (uint32_t at = from, next; at < to; at = next) {
		next = run_end(at, to);
		if (model.held[at]) {
			if (model.dup_from == model.dup_to) {
				model.dup_from = at;
				model.dup_to = next;
			}
			if (some && !own)
				break;
			if (at == from && next == to)
				model_touch(at);
			continue;
		}
		for (uint32_t i = at; i < next; i++) {
			model.held[i] = fin && i == to - 1 ? 2 : 1;
			model.byte[i] = (uint8_t)(fill + i);
		}
		model_touch(at);
		some = true;
	}
	while (model.nxt < PLACES && model.held[model.nxt])
		model.fin_in = model.held[model.nxt++] == 2;
	return !some ? RCV_NOTHING : model.nxt != was ? RCV_IN_ORDER : RCV_EARLY;
}

/* One of our ranges is in the model, as a whole. */
static bool is_range(struct seq_range r)
{
	const uint32_t from = r.from - BEGIN, to = r.to - BEGIN;

	return from > model.nxt && to <= PLACES && from < to && !model.held[from - 1] &&
	       run_end(from, PLACES) == to && model.held[from];
}

static void check_sacks(void)
{
	struct seq_range r[SACK_BLOCKS];
	const uint8_t most = (uint8_t)any(SACK_BLOCKS + 1), newest = w.n_newest;
	const uint8_t d = model.dup_from != model.dup_to && most > 0;
	const uint32_t due = rcv_sacks_due(&w);
	const uint8_t n = rcv_sacks(&w, r, most);
	uint32_t ranges = 0, newer = 0;

	CU_ASSERT_EQUAL(n, RTE_MIN(due, (uint32_t)most)); /* as many as room was left for */
	for (uint32_t at = model.nxt; at < PLACES; at = run_end(at, PLACES))
		ranges += model.held[at] != 0;
	CU_ASSERT_EQUAL(w.ranges, ranges);
	CU_ASSERT_EQUAL(n, RTE_MIN((uint32_t)most, ranges + d));
	if (d) {
		CU_ASSERT_EQUAL(r[0].from - BEGIN, model.dup_from);
		CU_ASSERT_EQUAL(r[0].to - BEGIN, model.dup_to);
	}
	for (uint8_t i = d; i < n; i++) {
		CU_ASSERT_FATAL(is_range(r[i]));
		for (uint8_t k = d; k < i; k++)
			CU_ASSERT(r[k].from != r[i].from);
		if (i - d >= newest) /* others are told, not by age */
			continue;
		newer = 0;
		for (uint32_t at = model.nxt; at < PLACES; at = run_end(at, PLACES))
			newer += model.held[at] &&
				 model.touched[at] > model.touched[r[i].from - BEGIN];
		CU_ASSERT_EQUAL(newer, (uint32_t)(i - d));
	}
}

/* The queues hold together, and hold what the model has. */
static void check_queues(void)
{
	uint64_t held = 0;
	uint32_t n = 0, bytes = 0, ranges = 0, before = c.rcv_nxt;
	struct rte_mbuf *first = NULL;

	for (struct rte_mbuf *m = w.ready.head; m != NULL; m = seg_of(m)->next) {
		held += held_of(m);
		bytes += m->pkt_len;
		CU_ASSERT(m->pkt_len > 0);
		CU_ASSERT((seg_of(m)->next == NULL) == (w.ready.tail == m));
		rte_mbuf_sanity_check(m, 1);
		n++;
	}
	CU_ASSERT_EQUAL(w.ready.n, n);
	CU_ASSERT_EQUAL(w.ready.bytes, bytes);
	n = bytes = 0;
	for (struct rte_mbuf *m = w.early.head; m != NULL; m = seg_of(m)->next) {
		const struct seg *g = seg_of(m);
		const bool is_last = g->next == NULL || seg_of(g->next)->seq != g->end;

		held += held_of(m);
		bytes += m->pkt_len;
		n++;
		rte_mbuf_sanity_check(m, 1);
		if (first == NULL) {
			first = m;
			ranges++;
			CU_ASSERT(seq_lt(before, g->seq));
		}
		CU_ASSERT_EQUAL(g->end - g->seq, m->pkt_len + (g->flags & SEG_FIN ? 1 : 0));
		CU_ASSERT(!(g->flags & SEG_FIN) || g->next == NULL);
		before = g->end;
		if (is_last) {
			CU_ASSERT_PTR_EQUAL(seg_of(first)->other, m);
			CU_ASSERT_PTR_EQUAL(g->other, first);
			first = NULL;
		}
		CU_ASSERT((g->next == NULL) == (w.early.tail == m));
	}
	CU_ASSERT_EQUAL(w.early.n, n);
	CU_ASSERT_EQUAL(w.early.bytes, bytes);
	CU_ASSERT_EQUAL(w.ranges, ranges);
	CU_ASSERT_EQUAL(s->held_bytes, held);
	CU_ASSERT_EQUAL(c.rcv_nxt - BEGIN, model.nxt);
	CU_ASSERT_EQUAL((c.flags & CONN_FIN_IN) != 0, model.fin_in);
}

static void read_some(uint32_t most)
{
	static uint8_t got[PLACES];
	uint32_t n;

	if (any(2)) {
		n = rcv_copy(s, &w, got, most);
	} else {
		struct rte_mbuf *m = rcv_pop(s, &w);
		const uint8_t *p = NULL;

		n = m == NULL ? 0 : m->pkt_len;
		if (n > 0)
			p = rte_pktmbuf_read(m, 0, n, got);
		if (n > 0 && p != got)
			memcpy(got, p, n);
		rte_pktmbuf_free(m);
	}
	CU_ASSERT_EQUAL(memcmp(got, model.byte + model.read, n), 0);
	model.read += n;
}

static void take_any(uint32_t stream, bool lies)
{
	const uint32_t at = any(3) ? RTE_MIN(stream, model.nxt + any(120)) : any(stream + 1);
	const uint32_t n = RTE_MIN(any(4) ? any(60) : any(300), stream - at);
	const bool fin = lies ? any(15) == 0 : at + n == stream && any(2);
	const uint8_t fill = (uint8_t)any(256);
	const bool own = any(8) != 0;
	static uint8_t bytes[PLACES];
	struct segment seg;

	for (uint32_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(fill + at + i);
	seg = segment(at, bytes, n, fin ? TCP_FIN | TCP_ACK : TCP_ACK,
		      any(4) ? 2000 : (uint16_t)(7 + any(50)));
	if (!own) {
		struct rte_mbuf *whole = seg.m;

		seg.m = rte_pktmbuf_clone(whole, toy_only_pool());
		CU_ASSERT_PTR_NOT_NULL_FATAL(seg.m);
		rte_pktmbuf_free(whole);
	}
	CU_ASSERT_EQUAL(rcv_take(s, &c, &w, &seg), model_take(at, n, fin, fill, own));
}

static void test_any_segments_in_any_order_give_the_bytes_that_came_first(void)
{
	const unsigned runs = getenv("WEIR_TEST_LONG") != NULL ? 20000 : 300;

	for (unsigned run = 0; run < runs && CU_get_number_of_failures() == 0; run++) {
		const bool lies = run % 4 == 0;
		const uint32_t stream = 1 + any(PLACES - 2);

		seed = run;
		memset(&model, 0, sizeof(model));
		begin();
		for (unsigned i = 0; i < 150; i++) {
			take_any(stream, lies);
			check_queues();
			check_sacks();
			if (any(5) == 0)
				read_some(any(200));
		}
		while (w.ready.n > 0)
			read_some(PLACES);
		CU_ASSERT_EQUAL(model.read, model.nxt - model.fin_in);
		end();
	}
}

WEIR_TESTS("tcp/rcv", TEST(bytes_in_order_are_ready_at_once_without_headers_and_padding),
	   TEST(what_came_early_follows_when_the_hole_is_filled),
	   TEST(bytes_that_are_held_stay_where_others_come_for_them),
	   TEST(a_segment_that_nobody_may_write_to_fills_the_first_hole),
	   TEST(what_is_below_the_window_is_told_as_a_duplicate_once),
	   TEST(blocks_are_told_newest_first_and_all_that_have_room),
	   TEST(a_fin_counts_when_all_before_it_is_there),
	   TEST(a_fin_in_order_ends_with_or_without_bytes),
	   TEST(a_fin_before_bytes_that_are_held_is_no_end),
	   TEST(a_slow_reader_of_single_bytes_does_not_hold_a_buffer_for_each),
	   TEST(holes_are_counted_and_too_many_are_refused),
	   TEST(early_bytes_go_when_memory_is_short_and_holes_can_be_filled),
	   TEST(packets_are_handed_out_whole_and_copies_can_end_inside),
	   TEST(the_window_grows_with_what_is_read_in_a_round_trip),
	   TEST(any_segments_in_any_order_give_the_bytes_that_came_first))
