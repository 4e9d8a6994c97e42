/* SPDX-License-Identifier: BSD-3-Clause */

/* Sets on the control socket: lists in parts, changes whole or refused. */

#include "toy_firewall.h"

#include "firewall/fw_ctl_priv.h"

#define TEXT WORLD_PORTS "sets: {s: {addresses: 10.0.0.0/8, entries: 4}}\n"

static struct weir_why why;

/* The answer to arguments as JSON; NULL, and a sentence, if they are refused. */
static json_t *ask(weir_ctl_handler *handler, const char *args)
{
	struct weir_ctl_request rq = {.cmd = "set", .args = json_loads(args, 0, NULL)};
	json_t *reply = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(rq.args);
	why.text[0] = '\0';
	if (handler(&world.fw.run, &rq, &reply, &why) < 0)
		CU_ASSERT_PTR_NULL(reply);
	json_decref((json_t *)(uintptr_t)rq.args);
	return reply;
}

static void expect_number(weir_ctl_handler *handler, const char *args, const char *key, int number)
{
	json_t *j = ask(handler, args);

	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(j, key)), number);
	json_decref(j);
}

static void expect_refusal(weir_ctl_handler *handler, const char *args, const char *sentence)
{
	CU_ASSERT_PTR_NULL(ask(handler, args));
	CU_ASSERT_STRING_EQUAL(why.text, sentence);
}

static size_t listed(const char *args)
{
	json_t *j = ask(fw_ctl_set_list, args);
	const size_t n = json_array_size(j);

	CU_ASSERT_TRUE(json_is_array(j));
	json_decref(j);
	return n;
}

static void test_entries_are_added_listed_and_taken_out(void)
{
	toy_begin(TEXT);
	expect_number(
		fw_ctl_set_add,
		"{\"name\": \"s\", \"entries\": [\"1.2.3.4\", \"2001:db8::/32 timeout 10m\"]}",
		"added", 2);
	CU_ASSERT_EQUAL(listed("{\"name\": \"s\"}"), 3);
	CU_ASSERT_EQUAL(listed("{\"name\": \"s\", \"limit\": 2}"), 2);
	CU_ASSERT_EQUAL(listed("{\"name\": \"s\", \"skip\": 2, \"limit\": 2}"), 1);
	expect_number(fw_ctl_set_del, "{\"name\": \"s\", \"entries\": [\"1.2.3.4\", \"5.6.7.8\"]}",
		      "deleted", 1);
	expect_number(fw_ctl_set_del, "{\"name\": \"s\", \"entries\": [\"5.6.7.8\"]}", "missing",
		      1);
	json_decref(ask(fw_ctl_set_flush, "{\"name\": \"s\"}"));
	CU_ASSERT_EQUAL(listed("{\"name\": \"s\"}"), 0);
	toy_end();
}

static void test_an_entrys_own_timeout_comes_before_that_of_all(void)
{
	json_t *list;
	unsigned with = 0;

	toy_begin(TEXT);
	json_decref(ask(fw_ctl_set_flush, "{\"name\": \"s\"}"));
	expect_number(fw_ctl_set_add,
		      "{\"name\": \"s\", \"timeout_s\": 60, \"entries\": [\"1.1.1.1 timeout 1h\", "
		      "\"2.2.2.2\"]}",
		      "added", 2);
	list = ask(fw_ctl_set_list, "{\"name\": \"s\"}");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *j = json_array_get(list, i);
		const bool own =
			strcmp(json_string_value(json_object_get(j, "prefix")), "1.1.1.1/32") == 0;
		const json_int_t left = json_integer_value(json_object_get(j, "left_s"));

		CU_ASSERT_TRUE(own ? left > 3500 && left <= 3600 : left > 50 && left <= 60);
		with++;
	}
	CU_ASSERT_EQUAL(with, 2);
	json_decref(list);
	toy_end();
}

static void test_an_entry_is_there_for_all_of_its_timeout(void)
{
	struct weir_addr addr;
	struct weir_prefix at;
	const struct weir_set *set;
	struct fw_set *const *sets;
	uint32_t before_s, after_s;
	size_t n;

	toy_begin(TEXT);
	CU_ASSERT_EQUAL_FATAL(weir_addr_parse("1.1.1.1", 7, &addr), 0);
	before_s = fw_now_s(&world.fw.run);
	expect_number(fw_ctl_set_add,
		      "{\"name\": \"s\", \"timeout_s\": 1, \"entries\": [\"1.1.1.1\"]}", "added",
		      1);
	after_s = fw_now_s(&world.fw.run);
	sets = fw_sets(world.fw.run.fw, &n);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	set = sets[0]->set;
	CU_ASSERT_TRUE(weir_set_find(set, &addr, before_s + 1, &at)); /* perhaps for no time yet */
	CU_ASSERT_FALSE(weir_set_find(set, &addr, after_s + 2, &at));
	toy_end();
}

static void test_a_request_with_a_wrong_entry_changes_nothing(void)
{
	toy_begin(TEXT);
	expect_refusal(fw_ctl_set_add, "{\"name\": \"s\", \"entries\": [\"1.1.1.1\", \"x\"]}",
		       "set: x is no address and no prefix");
	expect_refusal(fw_ctl_set_add, "{\"name\": \"s\", \"entries\": [\"1.1.1.1\", 5]}",
		       "set: entries must be strings");
	expect_refusal(fw_ctl_set_add, "{\"name\": \"s\", \"entries\": [\"1.1.1.1\", \" # \"]}",
		       "set: an entry is empty");
	expect_refusal(fw_ctl_set_del, "{\"name\": \"s\", \"entries\": [\"10.0.0.0/8\", \"x\"]}",
		       "set: x is no address and no prefix");
	expect_refusal(fw_ctl_set_add, "{\"name\": \"s\", \"entries\": []}",
		       "set: entries must be a list of prefixes");
	expect_refusal(fw_ctl_set_add, "{\"name\": \"t\", \"entries\": [\"1.1.1.1\"]}",
		       "set: there is no set \"t\"");
	expect_refusal(fw_ctl_set_flush, "{}", "set: there is no set \"\"");
	expect_refusal(fw_ctl_set_add,
		       "{\"name\": \"s\", \"entries\": [\"1.1.1.1\"], \"timeout_s\": -1}",
		       "set: timeout must be 0 to 365 days");
	expect_refusal(fw_ctl_set_list, "{\"name\": \"s\", \"limit\": 0}",
		       "set list: skip must be 0 or more, limit 1 to 100000");
	CU_ASSERT_EQUAL(listed("{\"name\": \"s\"}"), 1);
	toy_end();
}

static void test_a_full_set_says_how_many_went_in(void)
{
	json_t *sets;

	toy_begin(TEXT);
	expect_refusal(fw_ctl_set_add,
		       "{\"name\": \"s\", \"entries\": [\"1.1.1.1\", \"1.1.1.2\", \"1.1.1.3\", "
		       "\"1.1.1.4\"]}",
		       "set s is full: 3 of 4 were added");
	sets = ask(fw_ctl_sets, "{}");
	CU_ASSERT_EQUAL(json_array_size(sets), 1);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_array_get(sets, 0), "entries")), 4);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_array_get(sets, 0), "max")), 4);
	json_decref(sets);
	toy_end();
}

WEIR_TESTS("firewall/ctl_sets", TEST(entries_are_added_listed_and_taken_out),
	   TEST(an_entrys_own_timeout_comes_before_that_of_all),
	   TEST(an_entry_is_there_for_all_of_its_timeout),
	   TEST(a_request_with_a_wrong_entry_changes_nothing),
	   TEST(a_full_set_says_how_many_went_in))
