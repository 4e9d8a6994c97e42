/* SPDX-License-Identifier: BSD-3-Clause */

/* A pool of connections from stack A to servers on stack B, in virtual time. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <weir/conn_pool.h>

#include "failalloc.h"
#include "toy_pair.h"

#define A pair.end[0].stack
#define B pair.end[1].stack

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

#define PORTS 4

static struct weir_conn_pool *pool;
static weir_sock listeners[PORTS]; /* of B, ports 80 to 83 */
static weir_sock accepted[1024];
static unsigned n_accepted;
static unsigned opened, closed, resized, others;
static bool valid;

static void on_opened(void *ctx, weir_pooled conn, void *user)
{
	uint64_t *mark = user;

	CU_ASSERT_PTR_EQUAL(ctx, &opened);
	CU_ASSERT_EQUAL(*mark, 0);
	*mark = conn;
	opened++;
}

static bool on_validate(void *ctx, weir_pooled conn, void *user)
{
	(void)ctx;
	CU_ASSERT_EQUAL(*(uint64_t *)user, conn);
	return valid;
}

static void on_closed(void *ctx, weir_pooled conn, void *user)
{
	(void)ctx;
	CU_ASSERT_EQUAL(*(uint64_t *)user, conn);
	closed++;
}

static void on_resized(void *ctx, uint32_t before, uint32_t now)
{
	(void)ctx;
	CU_ASSERT_NOT_EQUAL(before, now);
	resized++;
}

static struct weir_conn_pool_conf conf_of(uint32_t connections)
{
	return (struct weir_conn_pool_conf){.stack = A,
					    .connections = connections,
					    .user_bytes = sizeof(uint64_t),
					    .now_ns = pair.now_ns,
					    .secret = {3, 4},
					    .opened = on_opened,
					    .validate = on_validate,
					    .closed = on_closed,
					    .resized = on_resized,
					    .ctx = &opened};
}

static void pool_begin_with(uint32_t connections, struct weir_conn_pool_limits limits)
{
	struct weir_conn_pool_conf conf;

	pair_begin_with((struct weir_stack_conf){.connections = 512});
	for (unsigned i = 0; i < PORTS; i++)
		listeners[i] = pair_listen((uint16_t)(80 + i), 512);
	n_accepted = opened = closed = resized = others = 0;
	valid = true;
	conf = conf_of(connections);
	conf.limits = limits;
	CU_ASSERT_EQUAL_FATAL(weir_conn_pool_create(&conf, &pool), 0);
}

static struct weir_conn_pool_stats stats_now(void)
{
	struct weir_conn_pool_stats s;

	weir_conn_pool_stats(pool, &s);
	return s;
}

/* Connections that are open are in one state each, and all that were opened are accounted for. */
static void check_sums(void)
{
	const struct weir_conn_pool_stats s = stats_now();
	const uint64_t now = s.states[0] + s.states[1] + s.states[2];
	uint64_t ages = 0;

	for (unsigned i = 0; i < WEIR_POOL_AGES; i++)
		ages += s.ages[i];
	CU_ASSERT_EQUAL(s.opened, s.closed + now);
	CU_ASSERT_EQUAL(s.opened, opened);
	CU_ASSERT_EQUAL(s.closed, closed);
	CU_ASSERT_EQUAL(ages, s.closed);
	CU_ASSERT_EQUAL(s.closed, s.by_failure + s.by_user + s.by_peer + s.by_validation +
					  s.by_idle + s.by_age + s.by_need);
	CU_ASSERT_EQUAL(s.asked, s.given + s.refused + s.failed + s.cancelled + s.waiting);
}

static void pool_end(void)
{
	check_sums();
	weir_conn_pool_free(pool);
	pair_end();
}

static uint64_t serve(void)
{
	struct weir_event e;

	for (unsigned i = 0; i < PORTS; i++)
		while (n_accepted < RTE_DIM(accepted) &&
		       weir_accept(B, listeners[i], NULL, &accepted[n_accepted], NULL) == 0)
			n_accepted++;
	while (weir_stack_events(A, &e, 1) == 1)
		others += !weir_conn_pool_event(pool, &e, pair.now_ns);
	return weir_conn_pool_run(pool, pair.now_ns);
}

static bool step(uint64_t until_ns)
{
	uint64_t next_ns;

	for (int i = 0; i < 2; i++)
		pair_deliver(i);
	serve();
	next_ns = UINT64_MAX;
	for (int i = 0; i < 2; i++) {
		const struct pair_end *e = &pair.end[i];
		const uint64_t due_ns = weir_stack_poll(e->stack, pair.now_ns);

		next_ns = RTE_MIN(next_ns, due_ns);
	}
	next_ns = RTE_MIN(next_ns, serve());
	for (int i = 0; i < 2; i++) {
		const struct pair_end *e = &pair.end[i];

		if (e->from < e->n)
			next_ns = RTE_MIN(next_ns, e->at_ns[e->from % PAIR_MOST]);
	}
	if (next_ns > until_ns) {
		pair.now_ns = until_ns;
		return false;
	}
	pair.now_ns = RTE_MAX(next_ns, pair.now_ns + PAIR_STEP_NS);
	return true;
}

static void run(uint64_t ns)
{
	const uint64_t until_ns = pair.now_ns + ns;
	unsigned steps = 0;

	while (step(until_ns))
		CU_ASSERT_FATAL(++steps < 1000000);
	serve();
}

/* Somebody who asks. */
struct asker {
	struct weir_pool_ask ask;
	weir_pooled conn;
	unsigned told;
	int error;
	uint64_t until_ns; /* it has the connection */
};

static unsigned n_told;

static void told(struct weir_pool_ask *ask, int error, weir_pooled conn, uint64_t now_ns)
{
	struct asker *a = (struct asker *)ask;

	(void)now_ns;
	a->told++;
	a->error = error;
	a->conn = conn;
	n_told++;
}

static int get(struct asker *a, uint16_t port)
{
	const struct weir_endpoint to = toy_end("192.0.2.2", port);
	int rc;

	a->ask.done = told;
	rc = weir_conn_pool_get(pool, &to, &a->ask, &a->conn, pair.now_ns);
	return rc;
}

static weir_pooled got(struct asker *a, uint16_t port)
{
	*a = (struct asker){0};
	if (get(a, port) == 0)
		return a->conn;
	run(20 * MS);
	CU_ASSERT_EQUAL(a->told, 1);
	CU_ASSERT_EQUAL(a->error, 0);
	return a->conn;
}

static struct weir_pooled_info info_of(weir_pooled conn)
{
	struct weir_pooled_info i = {0};

	CU_ASSERT_EQUAL(weir_conn_pool_look(pool, conn, &i), 0);
	return i;
}

static int put(weir_pooled conn, bool keep)
{
	return weir_conn_pool_put(pool, conn, keep, pair.now_ns);
}

static void test_a_connection_is_begun_once_and_used_again(void)
{
	struct asker a;
	weir_pooled first;
	char text[8];

	pool_begin_with(8, (struct weir_conn_pool_limits){0});
	first = got(&a, 80);
	CU_ASSERT_EQUAL(info_of(first).state, WEIR_POOLED_BUSY);
	CU_ASSERT_EQUAL(info_of(first).host.port, 80);
	CU_ASSERT_EQUAL(info_of(first).created_ns, S);
	CU_ASSERT_EQUAL(weir_send(A, info_of(first).sock, "hello", 5), 5);
	run(20 * MS);
	CU_ASSERT_EQUAL(weir_recv(B, accepted[0], text, sizeof(text)), 5);
	CU_ASSERT_EQUAL(put(first, true), 0);
	CU_ASSERT_EQUAL(put(first, true), -EBADF); /* nobody has it */
	CU_ASSERT_EQUAL(info_of(first).state, WEIR_POOLED_IDLE);
	CU_ASSERT_EQUAL(got(&a, 80), first);
	CU_ASSERT_EQUAL(info_of(first).uses, 2);
	CU_ASSERT_EQUAL(info_of(first).active_ns, pair.now_ns);
	CU_ASSERT_EQUAL(put(first, false), 0);
	CU_ASSERT_EQUAL(weir_conn_pool_look(pool, first, &(struct weir_pooled_info){0}), -EBADF);
	CU_ASSERT_NOT_EQUAL(got(&a, 80), first);
	CU_ASSERT_EQUAL(stats_now().reused, 1);
	CU_ASSERT_EQUAL(stats_now().by_user, 1);
	pool_end();
}

static void test_events_of_a_busy_connection_are_its_users(void)
{
	struct asker a;
	weir_pooled conn;

	pool_begin_with(2, (struct weir_conn_pool_limits){0});
	conn = got(&a, 80);
	CU_ASSERT_EQUAL(others, 0);
	CU_ASSERT_EQUAL(weir_send(B, accepted[0], "x", 1), 1);
	run(20 * MS);
	CU_ASSERT_EQUAL(others, 1);
	CU_ASSERT_EQUAL(put(conn, true), 0); /* it has something unread */
	CU_ASSERT_EQUAL(stats_now().by_peer, 1);
	CU_ASSERT_EQUAL(stats_now().states[WEIR_POOLED_IDLE], 0);
	pool_end();
}

static void test_an_idle_one_that_its_peer_ends_resets_or_talks_on_goes_at_once(void)
{
	for (unsigned how = 0; how < 3; how++) {
		struct asker a;

		pool_begin_with(2, (struct weir_conn_pool_limits){0});
		CU_ASSERT_EQUAL(put(got(&a, 80), true), 0);
		if (how == 0)
			CU_ASSERT_EQUAL(weir_sock_close(B, accepted[0]), 0);
		if (how == 1)
			CU_ASSERT_EQUAL(weir_sock_abort(B, accepted[0]), 0);
		if (how == 2)
			CU_ASSERT_EQUAL(weir_send(B, accepted[0], "late", 4), 4);
		run(20 * MS);
		CU_ASSERT_EQUAL(stats_now().by_peer, 1);
		CU_ASSERT_EQUAL(stats_now().states[WEIR_POOLED_IDLE], 0);
		CU_ASSERT_EQUAL(stats_now().hosts, 0);
		pool_end();
	}
}

static void test_one_that_is_not_alive_or_not_valid_is_not_given(void)
{
	struct asker a;
	weir_pooled conn;

	pool_begin_with(2, (struct weir_conn_pool_limits){0});
	conn = got(&a, 80);
	CU_ASSERT_EQUAL(put(conn, true), 0);
	CU_ASSERT_EQUAL(weir_sock_abort(A, info_of(conn).sock), 0); /* and nobody is told */
	conn = got(&a, 80);
	CU_ASSERT_EQUAL(stats_now().by_peer, 1);
	CU_ASSERT_EQUAL(put(conn, true), 0);
	valid = false;
	CU_ASSERT_NOT_EQUAL(got(&a, 80), conn);
	CU_ASSERT_EQUAL(stats_now().by_validation, 1);
	CU_ASSERT_EQUAL(stats_now().reused, 0);
	pool_end();
}

static void test_idle_time_and_age_end_connections(void)
{
	const struct weir_conn_pool_limits limits = {.idle_ns = 10 * S, .age_ns = 64 * S};
	struct asker a;
	weir_pooled conn;

	pool_begin_with(2, limits);
	conn = got(&a, 80);
	CU_ASSERT_EQUAL(put(conn, true), 0);
	run(9 * S);
	CU_ASSERT_EQUAL(got(&a, 80), conn);
	CU_ASSERT_EQUAL(put(conn, true), 0);
	run(11 * S);
	CU_ASSERT_EQUAL(stats_now().by_idle, 1);
	conn = got(&a, 80);
	run(55 * S); /* at least 7/8 of the age are allowed */
	CU_ASSERT_EQUAL(put(conn, true), 0);
	CU_ASSERT_EQUAL(info_of(conn).state, WEIR_POOLED_IDLE);
	run(9 * S + S / 2);
	CU_ASSERT_EQUAL(stats_now().by_age, 1); /* before the idle time */
	conn = got(&a, 80);
	run(100 * S); /* nobody is cut off */
	CU_ASSERT_EQUAL(info_of(conn).state, WEIR_POOLED_BUSY);
	CU_ASSERT_EQUAL(put(conn, true), 0);
	CU_ASSERT_EQUAL(stats_now().by_age, 2);
	CU_ASSERT_EQUAL(stats_now().ages[7], 2 - 1); /* 64 s to 128 s */
	pool_end();
}

static void test_limits_of_a_host_and_of_all_make_askers_wait_for_their_turn(void)
{
	struct weir_conn_pool_limits limits = {.connections = 3, .per_host = 2};
	struct asker a[5] = {0};

	pool_begin_with(4, limits);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(get(&a[i], 80), -EINPROGRESS);
	CU_ASSERT_EQUAL(get(&a[0], 80), -EALREADY);
	CU_ASSERT_EQUAL(get(&a[3], 81), -EINPROGRESS);
	CU_ASSERT_EQUAL(get(&a[4], 82), -EINPROGRESS); /* the third host: no place */
	run(20 * MS);
	CU_ASSERT_EQUAL(a[0].told + a[1].told + a[3].told, 3);
	CU_ASSERT_EQUAL(a[2].told + a[4].told, 0);
	CU_ASSERT_EQUAL(stats_now().waiting, 2);
	CU_ASSERT_EQUAL(put(a[0].conn, true), 0); /* port 80: its own have waited longer */
	run(20 * MS);
	CU_ASSERT_EQUAL(a[2].told, 1);
	CU_ASSERT_EQUAL(a[2].conn, a[0].conn);
	CU_ASSERT_EQUAL(a[4].told, 0);
	a[0] = (struct asker){0};
	CU_ASSERT_EQUAL(get(&a[0], 80), -EINPROGRESS);
	CU_ASSERT_EQUAL(put(a[2].conn, true), 0); /* now port 82's has */
	run(20 * MS);
	CU_ASSERT_EQUAL(a[4].told, 1);
	CU_ASSERT_EQUAL(a[0].told, 0);
	CU_ASSERT_EQUAL(stats_now().by_need, 1);
	limits.connections = 0;
	weir_conn_pool_set_limits(pool, &limits, pair.now_ns);
	CU_ASSERT_EQUAL(resized, 1);
	run(20 * MS);
	CU_ASSERT_EQUAL(a[0].told, 1);
	pool_end();
}

static void test_an_idle_one_of_another_host_makes_room(void)
{
	struct asker a;

	pool_begin_with(1, (struct weir_conn_pool_limits){0});
	CU_ASSERT_EQUAL(put(got(&a, 80), true), 0);
	CU_ASSERT_EQUAL(put(got(&a, 81), true), 0);
	CU_ASSERT_EQUAL(stats_now().by_need, 1);
	CU_ASSERT_EQUAL(stats_now().hosts, 1);
	CU_ASSERT_EQUAL(stats_now().states[WEIR_POOLED_IDLE], 1);
	pool_end();
}

static void test_fewer_connections_are_allowed_while_they_are_used(void)
{
	const struct weir_conn_pool_limits limits = {.connections = 1};
	struct asker a[4];

	pool_begin_with(4, (struct weir_conn_pool_limits){0});
	for (unsigned i = 0; i < 4; i++)
		got(&a[i], 80);
	CU_ASSERT_EQUAL(put(a[0].conn, true), 0);
	weir_conn_pool_set_limits(pool, &limits, pair.now_ns);
	CU_ASSERT_EQUAL(resized, 1);
	CU_ASSERT_EQUAL(stats_now().by_need, 1);
	for (unsigned i = 1; i < 4; i++)
		CU_ASSERT_EQUAL(put(a[i].conn, true), 0);
	CU_ASSERT_EQUAL(stats_now().by_need, 3);
	CU_ASSERT_EQUAL(stats_now().states[WEIR_POOLED_IDLE], 1);
	pool_end();
}

static void test_connections_begun_in_advance_are_given_at_once(void)
{
	const struct weir_conn_pool_limits limits = {.per_host = 3};
	const struct weir_endpoint host = toy_end("192.0.2.2", 80), none = {.port = 80};
	struct asker a = {0};

	pool_begin_with(8, limits);
	CU_ASSERT_EQUAL(weir_conn_pool_prewarm(pool, &host, 5, pair.now_ns), 3);
	CU_ASSERT_EQUAL(weir_conn_pool_prewarm(pool, &host, 1, pair.now_ns), -EAGAIN);
	CU_ASSERT_EQUAL(weir_conn_pool_prewarm(pool, &none, 1, pair.now_ns), -EINVAL);
	run(20 * MS);
	CU_ASSERT_EQUAL(stats_now().states[WEIR_POOLED_IDLE], 3);
	CU_ASSERT_EQUAL(get(&a, 80), 0);
	CU_ASSERT_EQUAL(info_of(a.conn).state, WEIR_POOLED_BUSY);
	pool_end();
}

static void test_askers_are_told_of_refusal_and_of_time_that_ran_out(void)
{
	const struct weir_conn_pool_limits limits = {
		.connect_ns = 2 * S, .wait_ns = 5 * S, .per_host = 1};
	struct asker a[3] = {0};

	pool_begin_with(8, limits);
	CU_ASSERT_EQUAL(get(&a[0], 99), -EINPROGRESS); /* nobody listens there */
	run(20 * MS);
	CU_ASSERT_EQUAL(a[0].told, 1);
	CU_ASSERT_EQUAL(a[0].error, -ECONNREFUSED);
	got(&a[0], 80);
	CU_ASSERT_EQUAL(get(&a[1], 80), -EINPROGRESS);
	run(4 * S);
	CU_ASSERT_EQUAL(a[1].told, 0);
	run(S + 10 * MS);
	CU_ASSERT_EQUAL(a[1].told, 1);
	CU_ASSERT_EQUAL(a[1].error, -ETIMEDOUT);
	CU_ASSERT_EQUAL(stats_now().timed_out, 1);
	CU_ASSERT_EQUAL(weir_conn_pool_get(pool, &(struct weir_endpoint){0}, &a[2].ask, &a[2].conn,
					   pair.now_ns),
			-EINVAL);
	pool_end();
}

static bool silent(struct pair *p, int who, struct rte_mbuf *m)
{
	(void)p;
	(void)who;
	(void)m;
	return false;
}

static void test_a_server_that_does_not_answer_is_given_up(void)
{
	struct weir_pooled_info info;
	struct asker a = {0};
	struct weir_event e;
	uint32_t at = 0;

	pool_begin_with(8, (struct weir_conn_pool_limits){.connect_ns = 2 * S});
	pair.passes = silent;
	CU_ASSERT_EQUAL(get(&a, 80), -EINPROGRESS);
	run(2 * S - 10 * MS);
	CU_ASSERT_EQUAL(a.told, 0);
	run(20 * MS);
	CU_ASSERT_EQUAL(a.told, 1);
	CU_ASSERT_EQUAL(a.error, -ETIMEDOUT);
	CU_ASSERT_EQUAL(A->stats.tcp_connections, 0);
	CU_ASSERT_EQUAL(stats_now().by_failure, 1);
	CU_ASSERT_EQUAL(get(&a, 80), -EINPROGRESS);
	CU_ASSERT_EQUAL_FATAL(weir_conn_pool_walk(pool, &at, &info, 1), 1);
	CU_ASSERT_EQUAL(weir_sock_abort(A, info.sock), 0); /* as weirctl sockets kill does */
	e = (struct weir_event){.sock = info.sock, .user = info.user};
	CU_ASSERT(weir_conn_pool_event(pool, &e, pair.now_ns));
	run(MS);
	CU_ASSERT_EQUAL(a.told, 2);
	CU_ASSERT_EQUAL(a.error, -EBADF);
	pool_end();
}

static void test_who_takes_an_ask_back_is_not_told(void)
{
	struct asker a[2] = {0};

	pool_begin_with(1, (struct weir_conn_pool_limits){0});
	CU_ASSERT_EQUAL(get(&a[0], 80), -EINPROGRESS);
	CU_ASSERT_EQUAL(get(&a[1], 80), -EINPROGRESS);
	weir_conn_pool_cancel(pool, &a[0].ask, pair.now_ns);
	weir_conn_pool_cancel(pool, &a[0].ask, pair.now_ns);
	run(20 * MS);
	CU_ASSERT_EQUAL(a[0].told, 0);
	CU_ASSERT_EQUAL(a[1].told, 1);
	CU_ASSERT_EQUAL(stats_now().cancelled, 1);
	pool_end();
}

static void test_there_are_no_more_hosts_than_places_for_them(void)
{
	struct asker a[3] = {0};
	struct weir_conn_pool_conf conf;

	pool_begin_with(1, (struct weir_conn_pool_limits){0});
	weir_conn_pool_free(pool);
	conf = conf_of(8);
	conf.hosts = 2;
	CU_ASSERT_EQUAL_FATAL(weir_conn_pool_create(&conf, &pool), 0);
	CU_ASSERT_EQUAL(get(&a[0], 80), -EINPROGRESS);
	CU_ASSERT_EQUAL(get(&a[1], 81), -EINPROGRESS);
	CU_ASSERT_EQUAL(get(&a[2], 82), -ENOSPC);
	run(20 * MS);
	CU_ASSERT_EQUAL(put(a[0].conn, false), 0);
	CU_ASSERT_EQUAL(get(&a[2], 82), -EINPROGRESS); /* the first host is forgotten */
	run(20 * MS);
	pool_end();
}

static void test_all_can_be_looked_at(void)
{
	struct weir_pooled_info info[2];
	struct asker a[3];
	uint32_t at = 0;
	unsigned seen = 0;

	pool_begin_with(8, (struct weir_conn_pool_limits){0});
	for (unsigned i = 0; i < 3; i++)
		got(&a[i], (uint16_t)(80 + i));
	while (at != UINT32_MAX) {
		const uint16_t n = weir_conn_pool_walk(pool, &at, info, 2);

		for (uint16_t i = 0; i < n; i++)
			seen |= 1u << (info[i].host.port - 80);
	}
	CU_ASSERT_EQUAL(seen, 7);
	pool_end();
}

static void test_create_says_what_is_wrong_and_survives_a_lack_of_memory(void)
{
	struct weir_conn_pool_conf conf;
	struct weir_conn_pool *made = NULL;

	pool_begin_with(1, (struct weir_conn_pool_limits){0});
	conf = conf_of(0);
	CU_ASSERT_EQUAL(weir_conn_pool_create(&conf, &made), -EINVAL);
	conf = conf_of(4);
	conf.stack = NULL;
	CU_ASSERT_EQUAL(weir_conn_pool_create(&conf, &made), -EINVAL);
	conf.stack = A;
	FAILALLOC_EACH(n)
	{
		const int rc = weir_conn_pool_create(&conf, &made);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(made);
	}
	weir_conn_pool_free(made);
	weir_conn_pool_free(NULL);
	pool_end();
}

/* ---- storms ---- */

static uint64_t dice;

static uint32_t roll(uint32_t below)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (uint32_t)(dice >> 11) % below;
}

#define STORM 10000

static struct asker storm[STORM];

/* What the servers' ends do when the pool has closed: nothing is kept. */
static void tidy_servers(void)
{
	for (unsigned i = 0; i < n_accepted; i++)
		if (weir_sock_ready(B, accepted[i]) & (WEIR_READY_END | WEIR_READY_ERR)) {
			weir_sock_close(B, accepted[i]);
			accepted[i--] = accepted[--n_accepted];
		}
}

/* Each holds its connection for a while, then gives it back, or not wanting it kept. */
static unsigned give_back_due(unsigned from)
{
	unsigned back = 0;

	for (unsigned i = from; i < STORM; i++) {
		struct asker *a = &storm[i];

		if (a->told == 1 && a->error == 0 && a->until_ns == 0)
			a->until_ns = pair.now_ns + (1 + roll(3)) * MS;
		if (a->until_ns != 0 && a->until_ns <= pair.now_ns && a->conn != WEIR_NO_POOLED) {
			CU_ASSERT_EQUAL(put(a->conn, roll(50) != 0), 0);
			a->conn = WEIR_NO_POOLED;
			back++;
		}
	}
	return back;
}

static void test_ten_thousand_askers_share_a_hundred_connections_and_all_are_served(void)
{
	const struct weir_conn_pool_limits limits = {.per_host = 40};
	unsigned back = 0, rounds = 0, port_told[PORTS] = {0};

	pool_begin_with(100, limits);
	memset(storm, 0, sizeof(storm));
	n_told = 0;
	dice = 12345;
	for (unsigned i = 0; i < STORM; i++)
		CU_ASSERT_EQUAL(get(&storm[i], (uint16_t)(80 + i % PORTS)), -EINPROGRESS);
	CU_ASSERT_EQUAL(stats_now().waiting, STORM);
	while (back < STORM && ++rounds < 20000) {
		run(MS);
		back += give_back_due(0);
		tidy_servers();
		CU_ASSERT(stats_now().states[WEIR_POOLED_BUSY] <= 100);
		/* Nobody starves: hosts are served alike, by halves of what is done. */
		if (back > STORM / 2 && port_told[0] == 0)
			for (unsigned i = 0; i < STORM; i++)
				port_told[i % PORTS] += storm[i].told;
	}
	CU_ASSERT_EQUAL(back, STORM);
	CU_ASSERT_EQUAL(n_told, STORM);
	for (unsigned i = 0; i < PORTS; i++)
		CU_ASSERT(port_told[i] > STORM / PORTS / 4);
	CU_ASSERT_EQUAL(stats_now().given, STORM);
	CU_ASSERT_EQUAL(stats_now().waiting, 0);
	CU_ASSERT(stats_now().reused > STORM / 2);
	pool_end();
}

static void stop_servers(void)
{
	for (unsigned i = 0; i < n_accepted; i++)
		weir_sock_abort(B, accepted[i]);
	n_accepted = 0;
	for (unsigned i = 0; i < PORTS; i++)
		weir_sock_close(B, listeners[i]);
}

static void test_a_server_that_restarts_is_used_again_at_once(void)
{
	struct asker a[8];

	pool_begin_with(8, (struct weir_conn_pool_limits){.wait_ns = 5 * S, .connect_ns = S});
	for (unsigned i = 0; i < 8; i++)
		got(&a[i], 80);
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(put(a[i].conn, true), 0);
	stop_servers();
	run(20 * MS);
	CU_ASSERT_EQUAL(stats_now().by_peer, 4); /* the idle ones are gone */
	for (unsigned i = 4; i < 8; i++)
		CU_ASSERT_EQUAL(put(a[i].conn, true), 0);
	CU_ASSERT_EQUAL(stats_now().by_peer, 8);
	a[0] = (struct asker){0};
	CU_ASSERT_EQUAL(get(&a[0], 80), -EINPROGRESS);
	run(20 * MS);
	CU_ASSERT_EQUAL(a[0].error, -ECONNREFUSED);
	for (unsigned i = 0; i < PORTS; i++)
		listeners[i] = pair_listen((uint16_t)(80 + i), 512);
	CU_ASSERT_NOT_EQUAL(got(&a[0], 80), WEIR_NO_POOLED);
	pool_end();
}

WEIR_TESTS("stack/conn_pool", TEST(a_connection_is_begun_once_and_used_again),
	   TEST(events_of_a_busy_connection_are_its_users),
	   TEST(an_idle_one_that_its_peer_ends_resets_or_talks_on_goes_at_once),
	   TEST(one_that_is_not_alive_or_not_valid_is_not_given),
	   TEST(idle_time_and_age_end_connections),
	   TEST(limits_of_a_host_and_of_all_make_askers_wait_for_their_turn),
	   TEST(an_idle_one_of_another_host_makes_room),
	   TEST(fewer_connections_are_allowed_while_they_are_used),
	   TEST(connections_begun_in_advance_are_given_at_once),
	   TEST(askers_are_told_of_refusal_and_of_time_that_ran_out),
	   TEST(a_server_that_does_not_answer_is_given_up), TEST(who_takes_an_ask_back_is_not_told),
	   TEST(there_are_no_more_hosts_than_places_for_them), TEST(all_can_be_looked_at),
	   TEST(create_says_what_is_wrong_and_survives_a_lack_of_memory),
	   TEST(ten_thousand_askers_share_a_hundred_connections_and_all_are_served),
	   TEST(a_server_that_restarts_is_used_again_at_once))
