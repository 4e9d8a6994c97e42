/* SPDX-License-Identifier: BSD-3-Clause */

/* When what has come is acknowledged: bursts from A to B, some of whose segments are lost. */

#include "tcp_priv.h"
#include "toy_pair.h"

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

#define A pair.end[0].stack
#define B pair.end[1].stack

#define MSS   1448u
#define SEGS  6
#define BURST (SEGS * MSS)
#define BEGIN 16 /* that many are acknowledged at once when a connection is new */
#define KEPT  64

/* What B has said: in segments from where the burst begins. */
struct said {
	uint32_t ack;
	uint32_t edge; /* of the window, in bytes */
	bool with_sack;
};

static struct said said[KEPT];
static unsigned n_said, n_data;
static unsigned lost;	/* so many segments of the burst before it arrive; 0: none is lost */
static struct conn *to; /* B's end */
static uint32_t begin;	/* of the burst */
static weir_sock from, a;

static void note(const struct tcphdr *tcp)
{
	const uint32_t ack = ntohl(tcp->ack_seq) - begin;

	CU_ASSERT_FATAL(n_said < KEPT);
	CU_ASSERT_EQUAL(ack % MSS, 0);
	said[n_said++] = (struct said){.ack = ack / MSS,
				       .edge = ack + ((uint32_t)ntohs(tcp->window) << to->scale_in),
				       .with_sack = tcp->doff > 8};
}

static bool lose_one(struct pair *p, int who, struct rte_mbuf *m)
{
	const struct iphdr *ip = rte_pktmbuf_mtod(m, const struct iphdr *);

	(void)p;
	if (who == 1 && to != NULL)
		note((const struct tcphdr *)(ip + 1));
	return who == 1 || m->pkt_len < MSS || n_data++ != lost || lost == 0;
}

/* A burst leaves, without segment @lose unless that is 0, and B takes and reads what comes. */
static void carry(unsigned lose, uint64_t ns)
{
	static uint8_t buf[BURST];
	const uint64_t until_ns = pair.now_ns + ns;
	int64_t n;

	lost = lose;
	n_data = n_said = 0;
	begin = to->rcv_nxt;
	CU_ASSERT_EQUAL(weir_send(A, from, buf, BURST), BURST);
	work_of(conn_by(A, from))->cc.cwnd_bytes = 2 * BURST; /* else it were two bursts */
	while (pair_step(until_ns))
		while ((n = weir_recv(B, a, buf, sizeof(buf))) > 0)
			continue;
}

/* A connection that has left its beginning behind. */
static void open_pair(void)
{
	weir_sock l;

	to = NULL;
	pair_begin_with((struct weir_stack_conf){.sndbuf_bytes = 1 << 20, .unpaced = true});
	pair.bursts = true;
	pair.passes = lose_one;
	l = pair_listen(80, 8);
	from = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	a = pair_accept(l);
	to = conn_by(B, a);
	for (unsigned i = 0; i <= BEGIN / SEGS; i++)
		carry(0, 100 * MS);
	CU_ASSERT_EQUAL(to->rcv_nxt, to->rcv_acked);
}

static void check_said(unsigned i, uint32_t ack, bool with_sack)
{
	CU_ASSERT_FATAL(i < n_said);
	CU_ASSERT_EQUAL(said[i].ack, ack);
	CU_ASSERT_EQUAL(said[i].with_sack, with_sack);
}

/* Every second of a whole burst, and no window is taken back. */
static void check_each_second(void)
{
	carry(0, 10 * MS);
	CU_ASSERT_EQUAL(n_said, SEGS / 2);
	for (unsigned i = 0; i < SEGS / 2; i++)
		check_said(i, 2 * (i + 1), false);
	for (unsigned i = 1; i < SEGS / 2; i++)
		CU_ASSERT(said[i].edge >= said[i - 1].edge);
}

static void test_a_burst_has_one_ack_while_nothing_is_lost(void)
{
	open_pair();
	carry(0, 10 * MS);
	CU_ASSERT_EQUAL(n_said, 1);
	check_said(0, SEGS, false);
	pair_end();
}

static void test_of_a_burst_with_a_hole_no_ack_is_the_only_one(void)
{
	open_pair();
	carry(2, PAIR_DELAY_NS + MS / 2);
	CU_ASSERT_EQUAL(n_said, 3);
	check_said(0, 2, false);
	check_said(1, 2, true); /* three are early */
	check_said(2, 2, true);
	pair_end();
}

static void test_who_knows_no_sack_hears_of_each_segment_behind_a_hole(void)
{
	open_pair();
	to->flags &= ~CONN_SACK;
	conn_by(A, from)->flags &= ~CONN_SACK;
	carry(2, PAIR_DELAY_NS + MS / 2);
	CU_ASSERT_EQUAL(n_said, 4);
	for (unsigned i = 0; i < 4; i++) {
		check_said(i, 2, false);
		CU_ASSERT_EQUAL(said[i].edge, said[0].edge); /* else it were no duplicate */
	}
	pair_end();
}

static void test_for_some_segments_after_a_hole_each_second_one_is_acknowledged(void)
{
	open_pair();
	carry(2, 100 * MS);
	check_said(n_said - 1, SEGS, false);
	for (unsigned i = 0; i < 3; i++) /* after the one that fills it, 15 */
		check_each_second();
	carry(0, 10 * MS);
	CU_ASSERT_EQUAL(n_said, 1);
	pair_end();
}

WEIR_TESTS("stack/tcp_ack", TEST(a_burst_has_one_ack_while_nothing_is_lost),
	   TEST(of_a_burst_with_a_hole_no_ack_is_the_only_one),
	   TEST(who_knows_no_sack_hears_of_each_segment_behind_a_hole),
	   TEST(for_some_segments_after_a_hole_each_second_one_is_acknowledged))
