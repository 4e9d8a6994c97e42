/* SPDX-License-Identifier: BSD-3-Clause */

/* Happy Eyeballs (RFC 8305) over a wire with a DNS server at its other end, in virtual time. */

#include <errno.h>
#include <weir/dial.h>

#include "failalloc.h"
#include "toy_dns.h"

#define A pair.end[0].stack

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static struct weir_resolver *resolver;
static struct weir_dialer *dialer;
static struct weir_dial dial;
static unsigned n_told;
static int error;
static weir_sock sock;
static uint64_t at_ns; /* since it began */
static uint64_t begun_ns;
static uint8_t deaf; /* a family whose SYNs are lost */

static void told(struct weir_dial *d, int why, weir_sock given, uint64_t now_ns)
{
	CU_ASSERT_PTR_EQUAL(d, &dial);
	CU_ASSERT_EQUAL(why == 0, given != WEIR_NO_SOCK);
	n_told++;
	error = why;
	sock = given;
	at_ns = now_ns - begun_ns;
}

/* SYNs of a family are lost. */
static bool not_deaf(struct pair *p, int who, struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint8_t family = ip[0] >> 4;

	(void)p;
	return who != 0 || family != deaf || (family == 4 ? ip[9] : ip[6]) != IPPROTO_TCP;
}

static void run(uint64_t ns)
{
	const uint64_t until_ns = pair.now_ns + ns;

	while (pair.now_ns < until_ns) {
		struct weir_event e;

		dns_serve_udp();
		while (weir_stack_events(A, &e, 1) > 0)
			if (e.user == &dial)
				weir_dial_event(&dial, &e, pair.now_ns);
		weir_resolver_run(resolver, pair.now_ns);
		weir_dialer_run(dialer, pair.now_ns);
		(void)pair_step(RTE_MIN(pair.now_ns + MS / 4, until_ns));
	}
}

static void make(uint64_t connect_ns)
{
	const struct weir_endpoint server = toy_end("192.0.2.2", 0);
	const struct weir_resolver_conf names = {.stack = A,
						 .pool = toy_only_pool(),
						 .servers = &server,
						 .n_servers = 1,
						 .names = 4,
						 .most_ttl_ns = S};
	struct weir_dialer_conf conf = {
		.stack = A, .connect_ns = connect_ns, .now_ns = pair.now_ns};

	CU_ASSERT_EQUAL_FATAL(weir_resolver_create(&names, &resolver), 0);
	conf.resolver = resolver;
	CU_ASSERT_EQUAL_FATAL(weir_dialer_create(&conf, &dialer), 0);
}

static void begin(uint64_t connect_ns)
{
	pair_begin();
	dns_begin();
	dns.addrs[0] = "192.0.2.80";
	dns.addrs[1] = "192.0.2.81";
	dns.addrs[2] = "2001:db8::80";
	dns.addrs[3] = "2001:db8::81";
	dns.n = 4;
	deaf = 0;
	pair.passes = not_deaf;
	make(connect_ns);
	dial = (struct weir_dial){.done = told};
	n_told = 0;
}

static int go(const char *name, uint16_t port)
{
	begun_ns = pair.now_ns;
	return weir_dial(dialer, &dial, name, port, &dial, pair.now_ns);
}

static struct weir_dialer_stats stats_now(void)
{
	struct weir_dialer_stats s;

	weir_dialer_stats(dialer, &s);
	CU_ASSERT_EQUAL(s.connected, s.ip4 + s.ip6);
	return s;
}

static void end(void)
{
	weir_dialer_free(dialer);
	weir_resolver_free(resolver);
	pair_end();
}

static uint8_t family_of(weir_sock s)
{
	struct weir_endpoint peer = {0};

	CU_ASSERT_EQUAL(weir_getpeername(A, s, &peer), 0);
	return peer.addr.family;
}

static void test_ipv6_is_taken_where_both_serve(void)
{
	begin(0);
	(void)pair_listen(80, 8);
	CU_ASSERT_EQUAL(go(DNS_NAME, 80), 0);
	CU_ASSERT_EQUAL(go(DNS_NAME, 80), -EALREADY);
	run(300 * MS);
	CU_ASSERT_EQUAL_FATAL(n_told, 1);
	CU_ASSERT_EQUAL(error, 0);
	CU_ASSERT_EQUAL(family_of(sock), 6);
	CU_ASSERT(at_ns < 10 * MS);
	CU_ASSERT_EQUAL(stats_now().attempts, 1);
	end();
}

static void test_a_silent_family_costs_a_quarter_of_a_second(void)
{
	begin(0);
	(void)pair_listen(80, 8);
	deaf = 6;
	CU_ASSERT_EQUAL(go(DNS_NAME, 80), 0);
	run(400 * MS);
	CU_ASSERT_EQUAL_FATAL(n_told, 1);
	CU_ASSERT_EQUAL(family_of(sock), 4);
	CU_ASSERT(at_ns > 250 * MS && at_ns < 260 * MS);
	CU_ASSERT_EQUAL(stats_now().attempts, 2);
	CU_ASSERT_EQUAL(A->stats.tcp_connections, 1); /* the other attempt is gone */
	end();
}

static void test_ipv6_addresses_that_come_late_are_waited_for_a_little(void)
{
	begin(0);
	(void)pair_listen(80, 8);
	dns.silent_to = 6;
	CU_ASSERT_EQUAL(go(DNS_NAME, 80), 0);
	run(100 * MS);
	CU_ASSERT_EQUAL_FATAL(n_told, 1);
	CU_ASSERT_EQUAL(family_of(sock), 4);
	CU_ASSERT(at_ns > 50 * MS && at_ns < 60 * MS);
	end();
}

static void test_families_take_turns_and_a_refusal_goes_on_at_once(void)
{
	begin(0);
	CU_ASSERT_EQUAL(go(DNS_NAME, 80), 0); /* nobody listens: four resets */
	run(100 * MS);
	CU_ASSERT_EQUAL(n_told, 1);
	CU_ASSERT_EQUAL(error, -ECONNREFUSED);
	CU_ASSERT(at_ns < 20 * MS);
	CU_ASSERT_EQUAL(stats_now().attempts, 4);
	CU_ASSERT_EQUAL(stats_now().failed, 1);
	deaf = 6;
	CU_ASSERT_EQUAL(go(DNS_NAME, 80), 0);
	run(240 * MS);
	CU_ASSERT_EQUAL(stats_now().attempts, 5); /* 6 is silent */
	run(20 * MS);
	CU_ASSERT_EQUAL(stats_now().attempts, 7); /* 4 refuses, so 6 again at once */
	run(250 * MS);
	CU_ASSERT_EQUAL(stats_now().attempts, 8);
	CU_ASSERT_EQUAL(n_told, 1); /* two of IPv6 may still be answered */
	weir_dial_cancel(&dial);
	weir_dial_cancel(&dial);
	run(S);
	CU_ASSERT_EQUAL(n_told, 1);
	CU_ASSERT_EQUAL(A->stats.tcp_connections, 0);
	end();
}

static void test_it_ends_with_its_limit(void)
{
	begin(2 * S);
	dns.mood = DNS_SILENT;
	CU_ASSERT_EQUAL(go(DNS_NAME, 80), 0);
	run(2 * S + 10 * MS);
	CU_ASSERT_EQUAL(n_told, 1);
	CU_ASSERT_EQUAL(error, -ETIMEDOUT);
	CU_ASSERT_EQUAL(stats_now().timed_out, 1);
	dns.mood = DNS_RIGHT;
	deaf = 4;
	dns.n = 2; /* IPv4 alone */
	weir_dialer_set_limit(dialer, S);
	CU_ASSERT_EQUAL(go("other.weir.test", 80), 0);
	run(S + 10 * MS);
	CU_ASSERT_EQUAL(n_told, 2);
	CU_ASSERT_EQUAL(error, -ETIMEDOUT);
	CU_ASSERT_EQUAL(A->stats.tcp_connections, 0);
	end();
}

static void test_a_name_that_there_is_not(void)
{
	begin(0);
	dns.mood = DNS_NO_NAME;
	CU_ASSERT_EQUAL(go(DNS_NAME, 80), 0);
	run(20 * MS);
	CU_ASSERT_EQUAL(n_told, 1);
	CU_ASSERT_EQUAL(error, -ENOENT);
	CU_ASSERT_EQUAL(go("no name", 80), -EINVAL);
	CU_ASSERT_EQUAL(go(DNS_NAME, 0), -EINVAL);
	end();
}

static void test_an_address_needs_no_server(void)
{
	begin(0);
	(void)pair_listen(80, 8);
	CU_ASSERT_EQUAL(go("2001:db8::99", 80), 0);
	run(20 * MS);
	CU_ASSERT_EQUAL(n_told, 1);
	CU_ASSERT_EQUAL(family_of(sock), 6);
	CU_ASSERT_EQUAL(dns.questions[0] + dns.questions[1], 0);
	CU_ASSERT_EQUAL(go("192.0.2.99", 81), 0);
	run(20 * MS);
	CU_ASSERT_EQUAL(n_told, 2);
	CU_ASSERT_EQUAL(error, -ECONNREFUSED);
	end();
}

static void test_an_attempt_that_somebody_ends_is_a_failed_one(void)
{
	struct weir_event e = {.user = &dial};

	begin(0);
	deaf = 6;
	dns.addrs[0] = "2001:db8::80";
	dns.n = 1;
	CU_ASSERT_EQUAL(go(DNS_NAME, 80), 0);
	run(20 * MS);
	CU_ASSERT_EQUAL_FATAL(dial.n_socks, 1);
	e.sock = dial.socks[0];
	CU_ASSERT_EQUAL(weir_sock_abort(A, e.sock), 0); /* as weirctl sockets kill does */
	weir_dial_event(&dial, &e, pair.now_ns);
	CU_ASSERT_EQUAL(n_told, 1);
	CU_ASSERT_EQUAL(error, -EBADF);
	end();
}

static void test_create_says_what_is_wrong_and_survives_a_lack_of_memory(void)
{
	struct weir_dialer_conf conf = {0};
	struct weir_dialer *made = NULL;

	begin(0);
	CU_ASSERT_EQUAL(weir_dialer_create(&conf, &made), -EINVAL);
	conf = (struct weir_dialer_conf){.stack = A, .resolver = resolver};
	FAILALLOC_EACH(n)
	{
		const int rc = weir_dialer_create(&conf, &made);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(made);
	}
	weir_dialer_free(made);
	weir_dialer_free(NULL);
	end();
}

WEIR_TESTS("service/dial", TEST(ipv6_is_taken_where_both_serve),
	   TEST(a_silent_family_costs_a_quarter_of_a_second),
	   TEST(ipv6_addresses_that_come_late_are_waited_for_a_little),
	   TEST(families_take_turns_and_a_refusal_goes_on_at_once), TEST(it_ends_with_its_limit),
	   TEST(a_name_that_there_is_not), TEST(an_address_needs_no_server),
	   TEST(an_attempt_that_somebody_ends_is_a_failed_one),
	   TEST(create_says_what_is_wrong_and_survives_a_lack_of_memory))
