/* SPDX-License-Identifier: BSD-3-Clause */

/* Names asked of a DNS server on the other end of a wire, in virtual time. */

#include <errno.h>
#include <weir/resolver.h>

#include "failalloc.h"
#include "toy_dns.h"

#define A pair.end[0].stack

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static struct weir_resolver *resolver;

struct asker {
	struct weir_name_ask ask; /* first */
	unsigned told;
	int error;
	unsigned n;
	struct weir_addr addrs[WEIR_NAME_ADDRS];
	bool again; /* asks once more when it is told */
};

static void told(struct weir_name_ask *ask, int error, const struct weir_addr *addrs, unsigned n,
		 uint64_t now_ns)
{
	struct asker *a = (struct asker *)ask;

	CU_ASSERT_EQUAL(now_ns, pair.now_ns);
	CU_ASSERT_EQUAL(error == 0, n > 0);
	a->told++;
	a->error = error;
	a->n = n;
	memcpy(a->addrs, addrs, n * sizeof(*addrs));
	if (a->again)
		CU_ASSERT_EQUAL(weir_resolve(resolver, DNS_NAME, 4, ask, now_ns), 0);
}

static int ask(struct asker *a, const char *name, uint8_t family)
{
	a->ask.done = told;
	return weir_resolve(resolver, name, family, &a->ask, pair.now_ns);
}

static void run(uint64_t ns)
{
	const uint64_t until_ns = pair.now_ns + ns;

	while (pair.now_ns < until_ns) {
		dns_serve_udp();
		dns_serve_tcp();
		weir_resolver_run(resolver, pair.now_ns);
		(void)pair_step(RTE_MIN(pair.now_ns + MS / 4, until_ns));
	}
	weir_resolver_run(resolver, pair.now_ns);
}

static struct weir_resolver_conf conf_of(uint32_t names)
{
	static struct weir_endpoint server;

	server = toy_end("192.0.2.2", 0);
	return (struct weir_resolver_conf){.stack = A,
					   .pool = toy_only_pool(),
					   .servers = &server,
					   .n_servers = 1,
					   .timeout_ms = 20,
					   .tries = 2,
					   .names = names,
					   .least_ttl_ns = S,
					   .most_ttl_ns = 100 * S,
					   .negative_ns = 5 * S};
}

static void begin(uint32_t names)
{
	struct weir_resolver_conf conf;

	pair_begin();
	conf = conf_of(names);
	dns_begin();
	dns.addrs[0] = "192.0.2.80";
	dns.addrs[1] = "192.0.2.81";
	dns.addrs[2] = "2001:db8::80";
	dns.n = 3;
	CU_ASSERT_EQUAL_FATAL(weir_resolver_create(&conf, &resolver), 0);
}

static struct weir_resolver_stats stats_now(void)
{
	struct weir_resolver_stats s;

	weir_resolver_stats(resolver, &s);
	return s;
}

static void end(void)
{
	weir_resolver_free(resolver);
	pair_end();
}

static void is_addr(const struct asker *a, unsigned i, const char *text)
{
	const struct weir_endpoint e = toy_end(text, 0);

	CU_ASSERT(i < a->n && weir_addr_equal(&a->addrs[i], &e.addr));
}

static void test_a_name_has_addresses_of_both_families(void)
{
	struct asker four = {0}, six = {0};

	begin(8);
	CU_ASSERT_EQUAL(ask(&four, DNS_NAME, 4), 0);
	CU_ASSERT_EQUAL(ask(&four, DNS_NAME, 4), -EALREADY);
	CU_ASSERT_EQUAL(ask(&six, "WWW.Weir.Test.", 6), 0);
	CU_ASSERT_EQUAL(four.told, 0);
	run(10 * MS);
	CU_ASSERT_EQUAL(four.told, 1);
	CU_ASSERT_EQUAL(four.n, 2);
	is_addr(&four, 0, "192.0.2.80");
	is_addr(&four, 1, "192.0.2.81");
	CU_ASSERT_EQUAL(six.n, 1);
	is_addr(&six, 0, "2001:db8::80");
	CU_ASSERT_EQUAL(stats_now().answered, 2);
	end();
}

static void test_answers_are_kept_for_their_ttl_and_shared(void)
{
	struct asker a[3] = {0};

	begin(8);
	dns.ttl_s = 10;
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(ask(&a[i], DNS_NAME, 4), 0);
	run(10 * MS);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(a[i].told, 1);
	CU_ASSERT_EQUAL(dns.questions[0], 1);
	run(9 * S);
	CU_ASSERT_EQUAL(ask(&a[0], DNS_NAME, 4), 0);
	CU_ASSERT_EQUAL(a[0].told, 1); /* not before the next run, though it is known */
	run(0);
	CU_ASSERT_EQUAL(a[0].told, 2);
	CU_ASSERT_EQUAL(dns.questions[0], 1);
	CU_ASSERT_EQUAL(stats_now().cached, 1);
	run(S);
	CU_ASSERT_EQUAL(ask(&a[0], DNS_NAME, 4), 0);
	run(10 * MS);
	CU_ASSERT_EQUAL(a[0].told, 3);
	CU_ASSERT_EQUAL(dns.questions[0], 2);
	dns.ttl_s = 0; /* the least is a second, the most a hundred */
	run(11 * S);
	CU_ASSERT_EQUAL(ask(&a[0], DNS_NAME, 4), 0);
	run(10 * MS);
	CU_ASSERT_EQUAL(ask(&a[0], DNS_NAME, 4), 0);
	run(0);
	CU_ASSERT_EQUAL(dns.questions[0], 3);
	dns.ttl_s = INT32_MAX;
	run(2 * S);
	CU_ASSERT_EQUAL(ask(&a[0], DNS_NAME, 4), 0);
	run(101 * S);
	CU_ASSERT_EQUAL(ask(&a[0], DNS_NAME, 4), 0);
	run(10 * MS);
	CU_ASSERT_EQUAL(dns.questions[0], 5);
	CU_ASSERT_EQUAL(a[0].told, 7);
	end();
}

static void test_that_there_is_no_such_name_is_kept_too(void)
{
	struct asker a = {0}, six = {0};

	begin(8);
	dns.mood = DNS_NO_NAME;
	CU_ASSERT_EQUAL(ask(&a, DNS_NAME, 4), 0);
	run(10 * MS);
	CU_ASSERT_EQUAL(a.told, 1);
	CU_ASSERT_EQUAL(a.error, -ENOENT);
	CU_ASSERT_EQUAL(ask(&a, DNS_NAME, 4), 0);
	run(4 * S);
	CU_ASSERT_EQUAL(a.told, 2);
	CU_ASSERT_EQUAL(dns.questions[0], 1);
	dns.mood = DNS_RIGHT;
	dns.n = 2; /* no IPv6 address */
	CU_ASSERT_EQUAL(ask(&six, DNS_NAME, 6), 0);
	run(2 * S);
	CU_ASSERT_EQUAL(six.error, -ENOENT);
	CU_ASSERT_EQUAL(ask(&a, DNS_NAME, 4), 0);
	run(10 * MS);
	CU_ASSERT_EQUAL(a.error, 0);
	CU_ASSERT_EQUAL(stats_now().negative, 2);
	end();
}

static void test_an_answer_that_was_cut_is_asked_for_by_tcp(void)
{
	struct asker a = {0};

	begin(8);
	dns.mood = DNS_CUT;
	CU_ASSERT_EQUAL(ask(&a, DNS_NAME, 4), 0);
	run(20 * MS);
	CU_ASSERT_EQUAL(dns.by_tcp, 1);
	CU_ASSERT_EQUAL(a.told, 1);
	CU_ASSERT_EQUAL(a.n, 2);
	end();
}

/* c-ares keeps its own time: what it waits for here are milliseconds of the real clock. */
static void test_a_server_that_does_not_answer_is_given_up(void)
{
	struct asker a = {0}, gone = {0};

	begin(8);
	dns.mood = DNS_SILENT;
	CU_ASSERT_EQUAL(ask(&a, DNS_NAME, 4), 0);
	CU_ASSERT_EQUAL(ask(&gone, DNS_NAME, 4), 0);
	weir_resolve_cancel(&gone.ask);
	weir_resolve_cancel(&gone.ask);
	while (a.told == 0)
		run(100 * MS);
	CU_ASSERT_EQUAL(a.error, -ETIMEDOUT);
	CU_ASSERT_EQUAL(gone.told, 0);
	CU_ASSERT_EQUAL(dns.questions[0], 2); /* tries */
	dns.mood = DNS_RIGHT;		      /* a failure is not kept */
	CU_ASSERT_EQUAL(ask(&a, DNS_NAME, 4), 0);
	run(20 * MS);
	CU_ASSERT_EQUAL(a.told, 2);
	CU_ASSERT_EQUAL(a.error, 0);
	dns.mood = DNS_WRONG_ID; /* of another question, or forged */
	CU_ASSERT_EQUAL(ask(&gone, DNS_NAME, 6), 0);
	while (gone.told == 0)
		run(100 * MS);
	CU_ASSERT_EQUAL(gone.error, -ETIMEDOUT);
	CU_ASSERT_EQUAL(stats_now().failed, 2);
	end();
}

static void test_nonsense_is_no_answer(void)
{
	struct asker a = {0};
	unsigned right = 0;

	begin(1);
	dns.mood = DNS_NONSENSE;
	for (unsigned i = 0; i < 2000; i++) {
		const unsigned before = a.told;
		char name[32];

		snprintf(name, sizeof(name), "n%u.weir.test", i);
		CU_ASSERT_EQUAL_FATAL(ask(&a, name, i % 2 ? 4 : 6), 0);
		run(4 * MS);
		right += a.told > before && a.error == 0;
		weir_resolve_cancel(&a.ask);
		if (a.told == before) { /* c-ares has left it: it would answer for 20 ms */
			weir_resolver_free(resolver);
			CU_ASSERT_EQUAL_FATAL(
				weir_resolver_create(&(struct weir_resolver_conf){0}, &resolver),
				-EINVAL);
			struct weir_resolver_conf conf = conf_of(1);

			CU_ASSERT_EQUAL_FATAL(weir_resolver_create(&conf, &resolver), 0);
		}
	}
	CU_ASSERT(right > 0 && right < 2000);
	end();
}

static void test_what_is_no_name_is_refused(void)
{
	static const char *const bad[] = {"",	  ".",	 "..",	"a..b", ".a",
					  "-a.b", "a b", "a/b", "ä",	"a.-b"};
	char longest[WEIR_NAME_MAX + 3];
	struct asker a = {0};

	begin(1);
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		CU_ASSERT_EQUAL(ask(&a, bad[i], 4), -EINVAL);
		CU_ASSERT_FALSE(weir_name_is_valid(bad[i]));
	}
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 63; i < WEIR_NAME_MAX; i += 64)
		longest[i] = '.';
	longest[WEIR_NAME_MAX] = '\0';
	CU_ASSERT(weir_name_is_valid(longest));
	longest[WEIR_NAME_MAX] = '.';
	longest[WEIR_NAME_MAX + 1] = '\0';
	CU_ASSERT(weir_name_is_valid(longest));
	longest[WEIR_NAME_MAX] = 'a';
	CU_ASSERT_FALSE(weir_name_is_valid(longest));
	longest[63] = 'a';
	longest[100] = '\0';
	CU_ASSERT_FALSE(weir_name_is_valid(longest)); /* a label of 64 */
	CU_ASSERT_EQUAL(ask(&a, "a", 5), -EINVAL);
	end();
}

static void test_a_full_table_gives_the_place_of_what_nobody_asks_for(void)
{
	struct asker a[3] = {0};

	begin(2);
	CU_ASSERT_EQUAL(ask(&a[0], "a.test", 4), 0);
	CU_ASSERT_EQUAL(ask(&a[1], "b.test", 4), 0);
	CU_ASSERT_EQUAL(ask(&a[2], "c.test", 4), -ENOSPC);
	CU_ASSERT_EQUAL(stats_now().full, 1);
	run(10 * MS);
	CU_ASSERT_EQUAL(ask(&a[2], "c.test", 4), 0);
	run(10 * MS);
	CU_ASSERT_EQUAL(a[2].told, 1);
	CU_ASSERT_EQUAL(a[2].error, 0);
	end();
}

static void test_who_asks_again_from_within_is_told_by_the_next_run(void)
{
	struct asker a = {.again = true};

	begin(2);
	CU_ASSERT_EQUAL(ask(&a, DNS_NAME, 4), 0);
	while (a.told == 0) {
		dns_serve_udp();
		(void)pair_step(pair.now_ns + MS);
		weir_resolver_run(resolver, pair.now_ns);
	}
	CU_ASSERT_EQUAL(a.told, 1);
	a.again = false;
	weir_resolver_run(resolver, pair.now_ns);
	CU_ASSERT_EQUAL(a.told, 2);
	end();
}

static void test_create_says_what_is_wrong_and_survives_a_lack_of_memory(void)
{
	struct weir_resolver_conf conf;
	struct weir_resolver *made = NULL;

	begin(1);
	conf = conf_of(0);
	CU_ASSERT_EQUAL(weir_resolver_create(&conf, &made), -EINVAL);
	conf = conf_of(1025);
	CU_ASSERT_EQUAL(weir_resolver_create(&conf, &made), -EINVAL);
	conf = conf_of(1);
	conf.n_servers = 0;
	CU_ASSERT_EQUAL(weir_resolver_create(&conf, &made), -EINVAL);
	conf = conf_of(16);
	FAILALLOC_EACH(n)
	{
		const int rc = weir_resolver_create(&conf, &made);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(made);
	}
	weir_resolver_free(made);
	weir_resolver_free(NULL);
	end();
}

WEIR_TESTS("service/resolver", TEST(a_name_has_addresses_of_both_families),
	   TEST(answers_are_kept_for_their_ttl_and_shared),
	   TEST(that_there_is_no_such_name_is_kept_too),
	   TEST(an_answer_that_was_cut_is_asked_for_by_tcp),
	   TEST(a_server_that_does_not_answer_is_given_up), TEST(nonsense_is_no_answer),
	   TEST(what_is_no_name_is_refused),
	   TEST(a_full_table_gives_the_place_of_what_nobody_asks_for),
	   TEST(who_asks_again_from_within_is_told_by_the_next_run),
	   TEST(create_says_what_is_wrong_and_survives_a_lack_of_memory))
