/* SPDX-License-Identifier: BSD-3-Clause */

/* What is in a stream is found once, however its segments come; and what is not looked at counts.
 */

#include "dpi_worker_priv.h"
#include "toy_dpi_worker.h"

static const char haystack[] = "say nothing of the needle in here";

static struct weir_dpi *compile(const char *patterns, uint64_t budget_bytes)
{
	const struct weir_dpi_source source = toy_patterns(patterns);
	const struct weir_dpi_conf conf = {
		.sources = &source, .n_sources = 1, .budget_bytes = budget_bytes};
	struct weir_dpi *d = NULL;
	struct weir_why why = {""};

	if (weir_dpi_compile(&conf, &d, &why) < 0)
		fprintf(stderr, "%s\n", why.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	return d;
}

/* All is given back: no state, no block, no buffer is in use. */
static void finish(struct weir_dpi_worker *w, struct weir_dpi *d)
{
	const struct weir_dpi_counters *c = weir_dpi_worker_counters(w);
	uint32_t n = 0;

	CU_ASSERT_EQUAL(c->used, 0);
	CU_ASSERT_EQUAL(c->held, 0);
	for (uint32_t i = w->free_block; i != 0; i = w->block[i].next)
		n++;
	CU_ASSERT_EQUAL(n, w->conf.held_blocks);
	n = 0;
	for (uint32_t i = w->free_buffer; i != 0; i = w->buffer_next[i])
		n++;
	CU_ASSERT_EQUAL(n, w->conf.sniff_buffers);
	weir_dpi_worker_retire(w, d);
	weir_dpi_worker_free(w);
	weir_dpi_free(d);
}

static void test_a_pattern_is_found_wherever_two_segments_meet(void)
{
	struct weir_dpi *d = compile("5:/needle/", WEIR_DPI_UNLIMITED);
	const uint32_t n = sizeof(haystack) - 1;
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);

	for (uint32_t cut = 0; cut <= n; cut++) {
		for (unsigned swapped = 0; swapped < 2; swapped++) {
			const struct toy_side s = toy_begin(w, d, 1000);
			struct weir_dpi_verdict v;

			a.n = 0;
			for (unsigned i = 0; i < 2; i++)
				v = i == swapped ? toy_give(&s, 0, haystack, cut)
						 : toy_give(&s, cut, haystack + cut, n - cut);
			CU_ASSERT_EQUAL(v.action, WEIR_DPI_PASS);
			CU_ASSERT_FALSE(v.done);
			CU_ASSERT_EQUAL_FATAL(a.n, 1);
			CU_ASSERT_EQUAL(a.alert[0].id, 5);
			CU_ASSERT_EQUAL(a.alert[0].by, WEIR_DPI_BY_PATTERN);
			CU_ASSERT_EQUAL(a.alert[0].flow, toy_tcp.flow);
			CU_ASSERT_EQUAL(a.alert[0].dir, WEIR_DIR_ORIG);
			CU_ASSERT_EQUAL(a.alert[0].end, 25);
			CU_ASSERT_STRING_EQUAL(a.alert[0].message, "needle");
			weir_dpi_end(w, d, s.state);
		}
	}
	finish(w, d);
}

static void test_three_segments_in_any_order_each_twice_say_it_once(void)
{
	static const unsigned order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct weir_dpi *d = compile("5:/needle/\n6:/e/", WEIR_DPI_UNLIMITED);
	const uint32_t n = sizeof(haystack) - 1;
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);

	for (uint32_t cut = 1; cut < n - 2; cut++) {
		const uint32_t at[] = {0, cut, cut + 2}, end[] = {cut, cut + 2, n};

		for (unsigned o = 0; o < 6; o++) {
			const struct toy_side s = toy_begin(w, d, UINT32_MAX - 10); /* wraps */

			a.n = 0;
			for (unsigned i = 0; i < 6; i++) {
				const unsigned part = order[o][i / 2];

				CU_ASSERT_EQUAL(toy_give(&s, at[part], haystack + at[part],
							 end[part] - at[part])
							.action,
						WEIR_DPI_PASS);
			}
			CU_ASSERT_EQUAL(toy_told(&a, 5), 1);
			CU_ASSERT_EQUAL(toy_told(&a, 6), 1);
			weir_dpi_end(w, d, s.state);
		}
	}
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->again_bytes, (n - 3) * 6ull * n);
	finish(w, d);
}

static void test_of_two_versions_of_a_byte_the_first_counts(void)
{
	struct weir_dpi *d = compile("1:/evil/\n2:/good/", WEIR_DPI_UNLIMITED);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	struct toy_side s = toy_begin(w, d, 50);

	/* Held bytes stand against a later segment over them, before and behind too. */
	CU_ASSERT_EQUAL(toy_give(&s, 6, "ev", 2).action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(toy_give(&s, 5, " xxil", 5).action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(toy_give(&s, 0, "hello good", 10).action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(toy_told(&a, 1), 1);
	CU_ASSERT_EQUAL(toy_told(&a, 2), 0);
	weir_dpi_end(w, d, s.state);

	/* So do inspected ones. */
	a.n = 0;
	s = toy_begin(w, d, 50);
	CU_ASSERT_EQUAL(toy_give(&s, 0, "go", 2).action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(toy_give(&s, 0, "evod", 4).action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(toy_told(&a, 1), 0);
	CU_ASSERT_EQUAL(toy_told(&a, 2), 1);
	weir_dpi_end(w, d, s.state);
	finish(w, d);
}

/* One random stream: a model of bytes of which the first copy counts, and what is in them. */
struct model {
	uint8_t byte[600];
	bool have[600];
	uint64_t x;
};

static uint32_t draw(struct model *m, uint32_t below)
{
	m->x ^= m->x << 13, m->x ^= m->x >> 7, m->x ^= m->x << 17;
	return (uint32_t)((m->x >> 11) % below);
}

/* A segment with bytes of its own, whatever came before. */
static void give_random(struct model *m, const struct toy_side *s, uint32_t at, uint32_t n)
{
	uint8_t bytes[600];

	for (uint32_t i = 0; i < n; i++) {
		bytes[i] = (uint8_t)('a' + draw(m, 3));
		if (!m->have[at + i])
			m->byte[at + i] = bytes[i];
		m->have[at + i] = true;
	}
	CU_ASSERT_EQUAL(toy_give(s, at, bytes, n).action, WEIR_DPI_PASS);
}

static void test_random_segments_say_what_the_whole_text_says(void)
{
	static const char *const words[] = {"abc", "aaaa", "cbacb", "bcabca", "ccccc", "abababab"};
	struct weir_dpi *d = compile("0:/abc/\n1:/aaaa/\n2:/cbacb/\n3:/bcabca/\n4:/ccccc/\n"
				     "5:/abababab/\n6:/ab{3}c*ca/",
				     WEIR_DPI_UNLIMITED);
	const unsigned rounds = getenv("WEIR_TEST_LONG") != NULL ? 100000 : 2000;
	struct model m = {.x = 88172645463325252u};
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);

	for (unsigned round = 0; round < rounds; round++) {
		const struct toy_side s = toy_begin(w, d, draw(&m, UINT32_MAX));
		uint32_t n = 0;

		a.n = 0;
		memset(m.have, 0, sizeof(m.have));
		for (unsigned i = 0; i < 20; i++) {
			const uint32_t at = draw(&m, 400);

			give_random(&m, &s, at, 1 + draw(&m, 60));
		}
		while (n < sizeof(m.byte) && draw(&m, 20) > 0) { /* fill from the front */
			const uint32_t bytes = 1 + draw(&m, 30);

			for (; n < sizeof(m.byte) && m.have[n]; n++)
				;
			give_random(&m, &s, n, bytes < 600 - n ? bytes : 600 - n);
		}
		for (n = 0; n < sizeof(m.byte) && m.have[n];)
			n++;
		for (uint32_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			CU_ASSERT_EQUAL(toy_told(&a, i),
					memmem(m.byte, n, words[i], strlen(words[i])) != NULL);
		CU_ASSERT_EQUAL(w->state[s.state].way[s.dir].seen_bytes, n);
		weir_dpi_end(w, d, s.state);
	}
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->held_flow, 0);
	finish(w, d);
}

static void test_behind_the_budget_nothing_is_looked_at_and_that_counts(void)
{
	struct weir_dpi *d = compile("1:/needle/", 10);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	const struct weir_dpi_counters *c = weir_dpi_worker_counters(w);
	struct toy_side s = toy_begin(w, d, 1);
	struct weir_dpi_verdict v;

	v = toy_give(&s, 0, "....needle", 10); /* just within it */
	CU_ASSERT_EQUAL(toy_told(&a, 1), 1);
	CU_ASSERT_FALSE(v.done);
	v = toy_give(&s, 10, "x", 1);
	CU_ASSERT_EQUAL(c->over_budget, 1);
	CU_ASSERT_FALSE(v.done); /* the other way goes on */
	s.dir = WEIR_DIR_REPLY;
	v = toy_give(&s, 0, ".....needle", 11);
	CU_ASSERT_EQUAL(toy_told(&a, 1), 1);
	CU_ASSERT_EQUAL(c->over_budget, 2);
	CU_ASSERT(v.done);
	CU_ASSERT_EQUAL(v.action, WEIR_DPI_PASS);
	CU_ASSERT_EQUAL(c->bytes, 20);
	weir_dpi_end(w, d, s.state);
	finish(w, d);
}

static void test_early_segments_have_a_limit_of_each_direction(void)
{
	struct weir_dpi *d = compile("1:/needle/", WEIR_DPI_UNLIMITED);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	const struct weir_dpi_counters *c = weir_dpi_worker_counters(w);
	const struct toy_side s = toy_begin(w, d, 1);
	struct weir_dpi_verdict v;

	for (uint32_t i = 0; i < w->conf.flow_blocks; i++)
		v = toy_give(&s, 10 + 2 * i, "x", 1);
	CU_ASSERT_EQUAL(c->held, w->conf.flow_blocks);
	CU_ASSERT_EQUAL(c->held_flow, 0);
	v = toy_give(&s, 11, "x", 1); /* has room where another ends */
	CU_ASSERT_EQUAL(c->held_flow, 0);
	v = toy_give(&s, 8, "x", 1);
	CU_ASSERT_EQUAL(c->held_flow, 1);
	CU_ASSERT_EQUAL(c->held, 0); /* given back at once */
	CU_ASSERT_EQUAL(v.action, WEIR_DPI_PASS);
	v = toy_give(&s, 0, "needle", 6);
	CU_ASSERT_EQUAL(a.n, 0); /* it goes on uninspected */
	weir_dpi_end(w, d, s.state);
	finish(w, d);
}

static void test_early_segments_have_a_limit_of_all(void)
{
	struct weir_dpi *d = compile("1:/needle/", WEIR_DPI_UNLIMITED);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	const struct weir_dpi_counters *c = weir_dpi_worker_counters(w);
	const struct toy_side s[2] = {toy_begin(w, d, 1), toy_begin(w, d, 1)};

	for (uint32_t i = 0; i < w->conf.held_blocks; i++)
		toy_give(&s[i % 2], 10 + 2 * i, "x", 1);
	CU_ASSERT_EQUAL(c->held, w->conf.held_blocks);
	toy_give(&s[0], 8, "x", 1);
	CU_ASSERT_EQUAL(c->held_full, 1);
	CU_ASSERT_EQUAL(c->held, w->conf.held_blocks / 2);
	toy_give(&s[1], 0, "needle....", 10);
	CU_ASSERT_EQUAL(toy_told(&a, 1), 1); /* the other flow is not touched */
	weir_dpi_end(w, d, s[0].state);
	weir_dpi_end(w, d, s[1].state);
	finish(w, d);
}

/* An early segment of more than a block, and one over it that fits between. */
static void test_a_large_early_segment_takes_several_blocks(void)
{
	struct weir_dpi *d = compile("1:/ab/\n2:/bz/", WEIR_DPI_UNLIMITED);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	const struct toy_side s = toy_begin(w, d, 1);
	static uint8_t bytes[1800];

	memset(bytes, 'x', sizeof(bytes));
	bytes[sizeof(bytes) - 1] = 'a';
	toy_give(&s, 1, bytes, sizeof(bytes));
	toy_give(&s, 1 + sizeof(bytes), bytes, sizeof(bytes));
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->held, 2);
	bytes[0] = 'b';
	toy_give(&s, 1 + 2 * sizeof(bytes), bytes, sizeof(bytes));
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->held, 3);
	CU_ASSERT_EQUAL(a.n, 0);
	toy_give(&s, 0, "b", 1);
	CU_ASSERT_EQUAL(toy_told(&a, 1), 1);
	CU_ASSERT_EQUAL(w->state[s.state].way[0].seen_bytes, 1 + 3 * sizeof(bytes));
	CU_ASSERT_EQUAL(weir_dpi_worker_counters(w)->held, 0);
	weir_dpi_end(w, d, s.state);
	finish(w, d);
}

static void test_without_a_syn_the_first_segment_is_the_beginning(void)
{
	struct weir_dpi *d = compile("1:/abcd/", WEIR_DPI_UNLIMITED);
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);
	struct toy_side s = {.w = w, .d = d, .dir = WEIR_DIR_ORIG, .base = 1};

	s.state = weir_dpi_begin(w, d, &toy_tcp);
	toy_give(&s, 2, "cd", 2);
	toy_give(&s, 0, "ab", 2); /* too late */
	CU_ASSERT_EQUAL(a.n, 0);
	weir_dpi_syn(w, s.state, s.dir, 0); /* that as well */
	toy_give(&s, 4, "abcd", 4);
	CU_ASSERT_EQUAL(a.n, 1);
	weir_dpi_end(w, d, s.state);
	finish(w, d);
}

static void test_payload_may_lie_in_a_chain(void)
{
	struct weir_dpi *d = compile("5:/needle/", WEIR_DPI_UNLIMITED);
	const uint16_t n = sizeof(haystack) - 1;
	struct toy_alerts a;
	struct weir_dpi_worker *w = toy_worker(d, &a);

	for (uint16_t cut = 0; cut <= n; cut++) {
		for (uint32_t off = 0; off < 19; off += 6) {
			const struct toy_side s = toy_begin(w, d, 1000);
			struct toy_mbuf t[3];
			struct rte_mbuf *m = toy_mbuf(&t[0], haystack, cut);
			struct weir_dpi_verdict v;

			toy_mbuf(&t[1], NULL, 0);
			toy_mbuf(&t[2], haystack + cut, (uint16_t)(n - cut));
			m->next = &t[1].m;
			t[1].m.next = &t[2].m;
			m->pkt_len = n;
			m->nb_segs = 3;
			a.n = 0;
			v = weir_dpi_segment(w, d, s.state, s.dir, 1000 + off, m, off, n - off);
			v = weir_dpi_segment(w, d, s.state, s.dir, 1000, m, 0, off);
			CU_ASSERT_EQUAL(a.n, 1);
			CU_ASSERT_EQUAL(w->state[s.state].way[0].seen_bytes, n);
			v = weir_dpi_segment(w, d, s.state, s.dir, 1000 + n, m, n - 1, 2);
			CU_ASSERT_EQUAL(w->state[s.state].way[0].seen_bytes, n); /* a lie */
			CU_ASSERT_EQUAL(v.action, WEIR_DPI_PASS);
			weir_dpi_end(w, d, s.state);
		}
	}
	finish(w, d);
}

WEIR_TESTS("tables/dpi_stream", TEST(a_pattern_is_found_wherever_two_segments_meet),
	   TEST(three_segments_in_any_order_each_twice_say_it_once),
	   TEST(of_two_versions_of_a_byte_the_first_counts),
	   TEST(random_segments_say_what_the_whole_text_says),
	   TEST(behind_the_budget_nothing_is_looked_at_and_that_counts),
	   TEST(early_segments_have_a_limit_of_each_direction),
	   TEST(early_segments_have_a_limit_of_all),
	   TEST(a_large_early_segment_takes_several_blocks),
	   TEST(without_a_syn_the_first_segment_is_the_beginning), TEST(payload_may_lie_in_a_chain))
