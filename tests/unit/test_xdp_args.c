/* SPDX-License-Identifier: BSD-3-Clause */
/* What a user may write behind net_weir_xdp0, and the one line that each mistake is worth. */
#include "args_priv.h"
#include "test.h"
#include "toy_xdp_log.h"

#include <errno.h>

/* Refused, with one line that has these words, and nothing of it is kept. */
static void refused(const char *text, const char *words)
{
	struct xdp_args a, before;

	memset(&a, 0x5a, sizeof(a));
	before = a;
	toy_log_begin();
	CU_ASSERT_EQUAL(xdp_args_parse(text, &a), -EINVAL);
	CU_ASSERT_EQUAL(memcmp(&a, &before, sizeof(a)), 0);
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	if (!toy_log_has(words))
		fprintf(stderr, "%s: said %s, not %s\n", text, toy_log_text, words);
	CU_ASSERT_TRUE(toy_log_has(words));
}

static struct xdp_args taken(const char *text)
{
	struct xdp_args a = {.iface = "none"};

	toy_log_begin();
	CU_ASSERT_EQUAL(xdp_args_parse(text, &a), 0);
	CU_ASSERT_EQUAL(toy_log_lines(), 0);
	return a;
}

static void test_a_name_alone_gives_the_defaults(void)
{
	const struct xdp_args a = taken("iface=eth0");

	CU_ASSERT_STRING_EQUAL(a.iface, "eth0");
	CU_ASSERT_EQUAL(a.queues, 0);
	CU_ASSERT_EQUAL(a.start_queue, 0);
	CU_ASSERT_EQUAL(a.hw_queues, 0);
	CU_ASSERT_STRING_EQUAL(a.steer, "");
	CU_ASSERT_STRING_EQUAL(a.owns, "");
	CU_ASSERT_EQUAL(a.mode, XDP_WANT_MODE_AUTO);
	CU_ASSERT_EQUAL(a.zerocopy, XDP_WANT_AUTO);
	CU_ASSERT_EQUAL(a.busy_poll, XDP_WANT_AUTO);
	CU_ASSERT_EQUAL(a.busy_budget, 64);
	CU_ASSERT_EQUAL(a.busy_usecs, 20);
	CU_ASSERT_EQUAL(a.rss, XDP_WANT_RSS_AUTO);
	CU_ASSERT_EQUAL(a.rxcsum, XDP_WANT_RXCSUM_NONE);
	CU_ASSERT_EQUAL(a.rx_ts, XDP_WANT_RX_TS_NONE);
	CU_ASSERT_FALSE(a.symmetric);
	CU_ASSERT_FALSE(a.coexist);
	CU_ASSERT_TRUE(a.need_wakeup);
}

static void test_every_key_is_taken_in_any_order(void)
{
	const struct xdp_args a = taken(
		"need_wakeup=0,coexist=1,rx_ts=sw,rxcsum=verify,symmetric=1,rss=soft,busy_usecs=50,"
		"busy_budget=65535,busy_poll=off,zerocopy=on,mode=drv,owns=192.0.2.1+2001:db8::1,"
		"steer=tcp/22:kernel+all,hw_queues=2,start_queue=3,queues=64,iface=ens1f0np0.12345");

	CU_ASSERT_STRING_EQUAL(a.iface, "ens1f0np0.12345");
	CU_ASSERT_EQUAL(a.queues, 64);
	CU_ASSERT_EQUAL(a.start_queue, 3);
	CU_ASSERT_EQUAL(a.hw_queues, 2);
	CU_ASSERT_STRING_EQUAL(a.steer, "tcp/22:kernel+all");
	CU_ASSERT_STRING_EQUAL(a.owns, "192.0.2.1+2001:db8::1");
	CU_ASSERT_EQUAL(a.mode, XDP_WANT_MODE_DRV);
	CU_ASSERT_EQUAL(a.zerocopy, XDP_WANT_ON);
	CU_ASSERT_EQUAL(a.busy_poll, XDP_WANT_OFF);
	CU_ASSERT_EQUAL(a.busy_budget, 65535);
	CU_ASSERT_EQUAL(a.busy_usecs, 50);
	CU_ASSERT_EQUAL(a.rss, XDP_WANT_RSS_SOFT);
	CU_ASSERT_EQUAL(a.rxcsum, XDP_WANT_RXCSUM_VERIFY);
	CU_ASSERT_EQUAL(a.rx_ts, XDP_WANT_RX_TS_SW);
	CU_ASSERT_TRUE(a.symmetric);
	CU_ASSERT_TRUE(a.coexist);
	CU_ASSERT_FALSE(a.need_wakeup);
}

static void test_each_choice_has_its_own_meaning(void)
{
	CU_ASSERT_EQUAL(taken("iface=a,mode=skb").mode, XDP_WANT_MODE_SKB);
	CU_ASSERT_EQUAL(taken("iface=a,mode=auto").mode, XDP_WANT_MODE_AUTO);
	CU_ASSERT_EQUAL(taken("iface=a,zerocopy=off").zerocopy, XDP_WANT_OFF);
	CU_ASSERT_EQUAL(taken("iface=a,busy_poll=on").busy_poll, XDP_WANT_ON);
	CU_ASSERT_EQUAL(taken("iface=a,rss=hw").rss, XDP_WANT_RSS_HW);
	CU_ASSERT_EQUAL(taken("iface=a,txcsum=kernel").txcsum, XDP_WANT_TXCSUM_KERNEL);
	CU_ASSERT_EQUAL(taken("iface=a,txcsum=soft").txcsum, XDP_WANT_TXCSUM_SOFT);
	CU_ASSERT_EQUAL(taken("iface=a,rxcsum=trust").rxcsum, XDP_WANT_RXCSUM_TRUST);
	CU_ASSERT_EQUAL(taken("iface=a,rx_ts=hw").rx_ts, XDP_WANT_RX_TS_HW);
}

static void test_an_interface_is_needed_and_has_a_name_that_linux_takes(void)
{
	refused(NULL, "iface is missing");
	refused("", "iface is missing");
	refused("queues=2", "iface is missing");
	refused("iface=", "iface is empty");
	refused("iface=.", "must be an interface's name");
	refused("iface=..", "must be an interface's name");
	refused("iface=a/b", "must be an interface's name");
	refused("iface=a:1", "must be an interface's name");
	refused("iface=a%d", "must be an interface's name");
	refused("iface=a b", "must be an interface's name");
	refused("iface=\x1b[2J", "must be an interface's name");
	refused("iface=sixteen-bytes-xx", "of 1 to 15 bytes");
}

static void test_numbers_stay_in_their_range(void)
{
	refused("iface=a,queues=0", "a: queues is \"0\", must be 1 to 64");
	refused("iface=a,queues=65", "must be 1 to 64");
	refused("iface=a,queues=-1", "must be 1 to 64");
	refused("iface=a,queues=4294967297", "must be 1 to 64");
	refused("iface=a,queues=99999999999999999999999", "must be 1 to 64");
	refused("iface=a,queues=1x", "must be 1 to 64");
	refused("iface=a,queues= 1", "must be 1 to 64");
	refused("iface=a,start_queue=65536", "start_queue is \"65536\", must be 0 to 65535");
	refused("iface=a,hw_queues=0", "must be 1 to 64");
	refused("iface=a,busy_budget=0", "must be 1 to 65535");
	refused("iface=a,busy_budget=65536", "must be 1 to 65535");
	refused("iface=a,busy_usecs=0", "must be 1 to 1000000");
	CU_ASSERT_EQUAL(taken("iface=a,start_queue=0").start_queue, 0);
}

static void test_choices_and_switches_are_taken_to_the_letter(void)
{
	refused("iface=a,mode=native", "a: mode is \"native\", must be auto, drv or skb");
	refused("iface=a,zerocopy=1", "must be auto, on or off");
	refused("iface=a,busy_poll=ON", "must be auto, on or off");
	refused("iface=a,rss=sw", "must be auto, hw or soft");
	refused("iface=a,txcsum=hard", "must be auto, soft or kernel");
	refused("iface=a,rxcsum=all", "must be none, verify or trust");
	refused("iface=a,rx_ts=on", "must be none, hw or sw");
	refused("iface=a,symmetric=yes", "symmetric is \"yes\", must be 0 or 1");
	refused("iface=a,coexist=2", "must be 0 or 1");
	refused("iface=a,need_wakeup=00", "must be 0 or 1");
}

static void test_unknown_double_and_empty_keys_are_refused(void)
{
	refused("iface=a,speed=10", "a: speed is no key; the keys are iface queues");
	refused("iface=a,speed=10", "need_wakeup\n");
	refused("iface=a,queues=1,queues=1", "queues is there twice");
	refused("iface=a,iface=b", "iface is there twice");
	refused("iface=a,queues=", "queues is empty, must be queues=VALUE");
	refused("iface=a,queues", "queues is empty");
	refused("iface=a,steer=", "steer is empty");
	refused("iface=a,IFACE=b", "IFACE is no key");
}

static void test_wishes_that_exclude_each_other_are_refused(void)
{
	refused("iface=a,mode=skb,zerocopy=on", "zerocopy is on with mode=skb");
	refused("iface=a,mode=skb,rx_ts=hw", "rx_ts is hw with mode=skb");
	refused("iface=a,coexist=1,rx_ts=hw", "rx_ts is hw with coexist=1");
}

static void test_what_is_too_long_is_refused_and_the_longest_is_kept_whole(void)
{
	char text[XDP_ARGS_TEXT_BYTES + 64], many[512] = "iface=a";
	struct xdp_args a;
	int head = snprintf(text, sizeof(text), "iface=a,steer=");

	memset(text + head, 'x', XDP_ARGS_TEXT_BYTES);
	text[head + XDP_ARGS_TEXT_BYTES - 1] = '\0';
	a = taken(text);
	CU_ASSERT_EQUAL(strlen(a.steer), XDP_ARGS_TEXT_BYTES - 1);
	text[head + XDP_ARGS_TEXT_BYTES - 1] = 'x';
	text[head + XDP_ARGS_TEXT_BYTES] = '\0';
	refused(text, "steer has 2048 bytes, must be 1 to 2047");
	for (unsigned i = 0; i < 40; i++)
		strcat(many, ",queues=1");
	refused(many, "cannot be read");
}

WEIR_TESTS("xdp/args", TEST(a_name_alone_gives_the_defaults), TEST(every_key_is_taken_in_any_order),
	   TEST(each_choice_has_its_own_meaning),
	   TEST(an_interface_is_needed_and_has_a_name_that_linux_takes),
	   TEST(numbers_stay_in_their_range), TEST(choices_and_switches_are_taken_to_the_letter),
	   TEST(unknown_double_and_empty_keys_are_refused),
	   TEST(wishes_that_exclude_each_other_are_refused),
	   TEST(what_is_too_long_is_refused_and_the_longest_is_kept_whole))
