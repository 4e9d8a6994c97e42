/* SPDX-License-Identifier: BSD-3-Clause */

/* Address sets: against a list that is searched from end to end, and looked up while they change.
 */

#include "set_priv.h"
#include "test.h"
#include "toy_rib.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define FOREVER WEIR_SET_FOREVER

static const struct weir_set_conf small = {
	.name = "small", .entries = 100, .numa = -1, .secret = {.k0 = 1, .k1 = 2}};

static struct weir_set *toy_set(const struct weir_set_conf *conf)
{
	struct weir_set *s = NULL;
	struct weir_why why = {0};

	toy_rib_eal();
	CU_ASSERT_EQUAL_FATAL(weir_set_create(conf, &s, &why), 0);
	CU_ASSERT_STRING_EQUAL(weir_set_name(s), conf->name);
	return s;
}

static int add(struct weir_set *s, const char *prefix, uint32_t until_s)
{
	const struct weir_prefix p = toy_prefix(prefix);

	return weir_set_add(s, &p, until_s);
}

static int del(struct weir_set *s, const char *prefix)
{
	const struct weir_prefix p = toy_prefix(prefix);

	return weir_set_del(s, &p);
}

static bool has_at(const struct weir_set *s, const char *address, uint32_t now_s)
{
	const struct weir_addr a = toy_addr(address);
	const uint8_t *bytes = a.bytes;
	struct weir_prefix found;
	const bool has = weir_set_lookup(s, a.family, &bytes, 1, now_s) == 1;

	CU_ASSERT_EQUAL(weir_set_find(s, &a, now_s, &found), has);
	if (has)
		CU_ASSERT(weir_prefix_contains(&found, &a));
	return has;
}

static bool has(const struct weir_set *s, const char *address)
{
	return has_at(s, address, 1);
}

static uint32_t entries(const struct weir_set *s)
{
	struct weir_set_stats st;

	weir_set_stats(s, &st);
	return st.entries;
}

static void test_hosts_and_prefixes_of_both_families_match(void)
{
	struct weir_set *s = toy_set(&small);
	struct weir_set_stats st;

	CU_ASSERT_FALSE(has(s, "192.0.2.1"));
	CU_ASSERT_EQUAL(add(s, "192.0.2.1/32", FOREVER), 0);
	CU_ASSERT_EQUAL(add(s, "10.1.2.3/8", FOREVER), 0); /* host bits do not count */
	CU_ASSERT_EQUAL(add(s, "2001:db8::1/128", FOREVER), 0);
	CU_ASSERT_EQUAL(add(s, "2001:db8:1::/48", FOREVER), 0);
	CU_ASSERT_EQUAL(add(s, "fe80::/65", FOREVER), 0);
	CU_ASSERT(has(s, "192.0.2.1"));
	CU_ASSERT_FALSE(has(s, "192.0.2.2"));
	CU_ASSERT(has(s, "10.255.0.1"));
	CU_ASSERT_FALSE(has(s, "11.0.0.1"));
	CU_ASSERT(has(s, "2001:db8::1"));
	CU_ASSERT_FALSE(has(s, "2001:db8::2"));
	CU_ASSERT(has(s, "2001:db8:1:ffff::1"));
	CU_ASSERT(has(s, "fe80::7fff:0:0:1"));
	CU_ASSERT_FALSE(has(s, "fe80::8000:0:0:1"));
	weir_set_stats(s, &st);
	CU_ASSERT_EQUAL(st.entries, 5);
	CU_ASSERT_EQUAL(st.max, 100);
	CU_ASSERT_EQUAL(st.lengths[0], 2);
	CU_ASSERT_EQUAL(st.lengths[1], 3);
	CU_ASSERT_EQUAL(st.bytes, weir_set_size(&small));
	CU_ASSERT_EQUAL(del(s, "10.0.0.0/8"), 0);
	CU_ASSERT_EQUAL(del(s, "10.0.0.0/8"), -ENOENT);
	CU_ASSERT_FALSE(has(s, "10.255.0.1"));
	weir_set_free(s);
}

static void test_the_longest_of_prefixes_that_overlap_is_found(void)
{
	struct weir_set *s = toy_set(&small);
	const struct weir_addr a = toy_addr("192.0.2.77");
	struct weir_prefix p;
	char text[WEIR_PREFIX_TEXT];

	CU_ASSERT_EQUAL(add(s, "0.0.0.0/0", FOREVER), 0);
	CU_ASSERT_EQUAL(add(s, "192.0.2.0/24", 50), 0);
	CU_ASSERT_EQUAL(add(s, "192.0.2.77/32", 20), 0);
	CU_ASSERT(weir_set_find(s, &a, 19, &p));
	CU_ASSERT_STRING_EQUAL(weir_prefix_format(&p, text), "192.0.2.77/32");
	CU_ASSERT(weir_set_find(s, &a, 20, &p));
	CU_ASSERT_STRING_EQUAL(weir_prefix_format(&p, text), "192.0.2.0/24");
	CU_ASSERT(weir_set_find(s, &a, 50, &p));
	CU_ASSERT_STRING_EQUAL(weir_prefix_format(&p, text), "0.0.0.0/0");
	CU_ASSERT(has_at(s, "255.255.255.255", 50));
	CU_ASSERT_EQUAL(del(s, "0.0.0.0/0"), 0);
	CU_ASSERT_FALSE(weir_set_find(s, &a, 50, &p));
	weir_set_free(s);
}

static void test_an_entry_matches_until_its_end_and_is_then_taken_out(void)
{
	struct weir_set *s = toy_set(&small);

	CU_ASSERT_EQUAL(add(s, "192.0.2.1/32", 100), 0);
	CU_ASSERT_EQUAL(add(s, "192.0.2.2/32", 200), 0);
	CU_ASSERT_EQUAL(add(s, "2001:db8::/32", FOREVER), 0);
	CU_ASSERT(has_at(s, "192.0.2.1", 99));
	CU_ASSERT_FALSE(has_at(s, "192.0.2.1", 100));
	CU_ASSERT_EQUAL(weir_set_expire(s, 99), 0);
	CU_ASSERT_EQUAL(entries(s), 3);
	CU_ASSERT_EQUAL(weir_set_expire(s, 100), 1);
	CU_ASSERT_EQUAL(entries(s), 2);
	CU_ASSERT_FALSE(has_at(s, "192.0.2.1", 1));
	CU_ASSERT_EQUAL(add(s, "192.0.2.2/32", 300), 0); /* a new end of the same entry */
	CU_ASSERT_EQUAL(entries(s), 2);
	CU_ASSERT_EQUAL(weir_set_expire(s, 250), 0);
	CU_ASSERT(has_at(s, "192.0.2.2", 299));
	CU_ASSERT_EQUAL(weir_set_expire(s, 4000000000), 1);
	CU_ASSERT(has_at(s, "2001:db8::1", 4000000000));
	CU_ASSERT_EQUAL(add(s, "192.0.2.3/32", 0), -EINVAL);
	weir_set_free(s);
}

static void test_a_full_set_refuses_until_there_is_room(void)
{
	struct weir_set *s = toy_set(&small);
	struct weir_prefix p = toy_prefix("10.0.0.0/32");

	for (unsigned round = 0; round < 50; round++) { /* more deletions than places */
		for (unsigned i = entries(s); i < 100; i++) {
			p.addr.bytes[3] = (uint8_t)i;
			p.addr.bytes[2] = (uint8_t)round;
			CU_ASSERT_EQUAL(weir_set_add(s, &p, FOREVER), 0);
		}
		CU_ASSERT_EQUAL(add(s, "192.0.2.1/32", FOREVER), -ENOSPC);
		CU_ASSERT_FALSE(has(s, "192.0.2.1"));
		CU_ASSERT_EQUAL(weir_set_add(s, &p, FOREVER), 0); /* it is there */
		CU_ASSERT_EQUAL(weir_set_del(s, &p), 0);
		CU_ASSERT_EQUAL(add(s, "192.0.2.1/32", FOREVER), 0);
		CU_ASSERT(has(s, "192.0.2.1"));
		weir_set_flush(s);
		CU_ASSERT_EQUAL(entries(s), 0);
		CU_ASSERT_FALSE(has(s, "192.0.2.1"));
	}
	weir_set_free(s);
}

WEIR_TESTS("tables/set", TEST(hosts_and_prefixes_of_both_families_match),
	   TEST(the_longest_of_prefixes_that_overlap_is_found),
	   TEST(an_entry_matches_until_its_end_and_is_then_taken_out),
	   TEST(a_full_set_refuses_until_there_is_room))
