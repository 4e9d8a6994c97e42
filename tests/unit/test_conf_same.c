/* SPDX-License-Identifier: BSD-3-Clause */
/* What a reload may not change is found, by name. */
#include <string.h>
#include <weir/addr.h>
#include <weir/conf.h>

#include "test.h"

struct inner {
	struct weir_conf_at at;
	char *text;
	struct weir_addr addr;
	uint64_t live;
};

struct named {
	char *name;
	struct weir_conf_at at;
	uint64_t n;
};

struct outer {
	struct inner inner;
	uint64_t free, number;
	double share;
	struct weir_conf_list list, map;
};

static const struct weir_conf_key inner_keys[] = {
	{WEIR_CONF_KEY(struct inner, text), .type = WEIR_CONF_STRING},
	{WEIR_CONF_KEY(struct inner, addr), .type = WEIR_CONF_ADDR},
	{WEIR_CONF_KEY(struct inner, live), .type = WEIR_CONF_UINT, .live = true},
};

static const struct weir_conf_schema inner_schema = {
	.name = "inner",
	WEIR_CONF_STRUCT(struct inner, inner_keys),
	WEIR_CONF_HAS_AT(struct inner),
};

static const struct weir_conf_key named_keys[] = {
	{WEIR_CONF_KEY(struct named, n), .type = WEIR_CONF_UINT},
};

static const struct weir_conf_schema named_schema = {
	.name = "named",
	WEIR_CONF_STRUCT(struct named, named_keys),
	WEIR_CONF_HAS_AT(struct named),
};

static const struct weir_conf_key keys[] = {
	{WEIR_CONF_KEY(struct outer, inner), .type = WEIR_CONF_RECORD, .sub = &inner_schema,
	 .fixed = true},
	{WEIR_CONF_KEY(struct outer, free), .type = WEIR_CONF_UINT},
	{WEIR_CONF_KEY(struct outer, number), .type = WEIR_CONF_UINT, .fixed = true},
	{WEIR_CONF_KEY(struct outer, share), .type = WEIR_CONF_DOUBLE, .fixed = true},
	{WEIR_CONF_KEY(struct outer, list), .type = WEIR_CONF_PREFIX, .many = WEIR_CONF_LIST,
	 .fixed = true},
	{WEIR_CONF_KEY(struct outer, map), .type = WEIR_CONF_RECORD, .many = WEIR_CONF_MAP,
	 .sub = &named_schema, .fixed = true},
};

static const struct weir_conf_schema schema = {
	.name = "outer",
	WEIR_CONF_STRUCT(struct outer, keys),
};

#define BEFORE                                                                         \
	"inner: {text: a, addr: 192.0.2.1, live: 1}\nfree: 1\nnumber: 1\nshare: 0.5\n" \
	"list: [192.0.2.0/24]\nmap: {x: {n: 1}}\n"

/* The key that differs between BEFORE and a text; "": none does. */
static void differs(const char *text, const char *key)
{
	char path[WEIR_CONF_PATH];
	struct outer a, b;

	CU_ASSERT_EQUAL_FATAL(
		weir_conf_load_text("a", BEFORE, strlen(BEFORE), &schema, NULL, &a, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_conf_load_text("b", text, strlen(text), &schema, NULL, &b, NULL),
			      0);
	CU_ASSERT_EQUAL(weir_conf_differs(&schema, &a, &b, path), key[0] != '\0');
	CU_ASSERT_STRING_EQUAL(path, key);
	weir_conf_free(&schema, &a);
	weir_conf_free(&schema, &b);
}

static void test_what_is_the_same_does_not_differ(void)
{
	differs(BEFORE, "");
	/* Lines, order and spelling are no difference. */
	differs("# a word\nshare: 0.50\nmap:\n  x:\n    n: 0x1\nlist: [192.0.2.0/24]\nnumber: 1\n"
		"free: 1\ninner: {live: 1, text: \"a\", addr: 192.0.2.1}\n",
		"");
}

static void test_what_is_live_or_not_fixed_may_change(void)
{
	differs("inner: {text: a, addr: 192.0.2.1, live: 2}\nfree: 2\nnumber: 1\nshare: 0.5\n"
		"list: [192.0.2.0/24]\nmap: {x: {n: 1}}\n",
		"");
}

static void test_the_first_fixed_key_that_differs_is_named(void)
{
#define REST "\nfree: 1\nnumber: 1\nshare: 0.5\nlist: [192.0.2.0/24]\nmap: {x: {n: 1}}\n"
	differs("inner: {text: b, addr: 192.0.2.1, live: 1}" REST, "inner.text");
	differs("inner: {addr: 192.0.2.1, live: 1}" REST, "inner.text");
	differs("inner: {text: a, addr: 192.0.2.2, live: 1}" REST, "inner.addr");
	differs("inner: {text: a, addr: \"2001:db8::1\", live: 1}" REST, "inner.addr");
#undef REST
#define REST "inner: {text: a, addr: 192.0.2.1, live: 1}\n"
	differs(REST "number: 2\nshare: 0.5\nlist: [192.0.2.0/24]\nmap: {x: {n: 1}}\n", "number");
	differs(REST "number: 1\nshare: 0.25\nlist: [192.0.2.0/24]\nmap: {x: {n: 1}}\n", "share");
	differs(REST "number: 1\nshare: 0.5\nlist: [192.0.2.0/25]\nmap: {x: {n: 1}}\n", "list");
	differs(REST "number: 1\nshare: 0.5\nlist: []\nmap: {x: {n: 1}}\n", "list");
	differs(REST "number: 1\nshare: 0.5\nlist: [192.0.2.0/24]\nmap: {y: {n: 1}}\n", "map");
	differs(REST "number: 1\nshare: 0.5\nlist: [192.0.2.0/24]\nmap: {x: {n: 2}}\n", "map.n");
#undef REST
}

WEIR_TESTS("base/conf_same", TEST(what_is_the_same_does_not_differ),
	   TEST(what_is_live_or_not_fixed_may_change),
	   TEST(the_first_fixed_key_that_differs_is_named))
