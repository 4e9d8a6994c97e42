/* SPDX-License-Identifier: BSD-3-Clause */
/* What stays with the kernel: the host's own addresses as the interface has them, and steer='s
 * words. */
#include "test.h"
#include "toy_steer.h"

static void run(const char *command)
{
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

/* The host is 192.0.2.1 and 2001:db8::1, user space has 192.0.2.2 of it; packets come from others.
 */
static struct steer_config *with_host(const char *words)
{
	static bool made;
	struct steer_config *config = toy_config();

	if (!made)
		run("ip link set lo up && ip addr add 192.0.2.1/24 dev lo && "
		    "ip addr add 192.0.2.2/24 dev lo && ip addr add 2001:db8::1/64 dev lo nodad");
	made = true;
	CU_ASSERT_EQUAL(steer_owns(toy, "192.0.2.2"), 0);
	CU_ASSERT_EQUAL_FATAL(steer_words(toy, words), 0);
	return config;
}

static struct frame arp_for(const char *target)
{
	struct frame f = frame_eth();

	put(&f, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x05", 16);
	put_ip(&f, "192.0.2.9");
	put_zero(&f, 6);
	put_ip(&f, target);
	return f;
}

static struct frame nd(uint8_t type, const char *dst, const char *target)
{
	struct frame f = frame_eth();

	put_ipv6(&f, 58, "2001:db8::9", dst);
	put16(&f, (uint16_t)(type << 8));
	put_zero(&f, 6);
	put_ip(&f, target);
	return f;
}

static int tcp_to(const char *dst, uint16_t sport, uint16_t dport)
{
	const bool v6 = strchr(dst, ':') != NULL;
	const struct frame f = frame_flow(6, v6 ? "2001:db8::9" : "192.0.2.9", sport, dst, dport);

	return toy_goes_to(&f);
}

static int goes(struct frame f)
{
	return toy_goes_to(&f);
}

static void test_arp_for_the_host_stays(void)
{
	with_host(NULL);
	CU_ASSERT_EQUAL(goes(arp_for("192.0.2.1")), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(arp_for("127.0.0.1")), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(arp_for("192.0.2.2")), 0);
	CU_ASSERT_EQUAL(goes(arp_for("192.0.2.3")), 0);
}

static void test_nd_for_the_host_stays(void)
{
	with_host(NULL);
	CU_ASSERT_EQUAL(goes(nd(135, "ff02::1:ff00:1", "2001:db8::1")), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(nd(135, "2001:db8::1", "2001:db8::1")), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(nd(135, "ff02::1:ff00:2", "2001:db8::2")), 0);
	CU_ASSERT_EQUAL(goes(nd(136, "2001:db8::1", "2001:db8::9")), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(nd(136, "ff02::1", "2001:db8::1")), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(nd(136, "ff02::1", "2001:db8::9")), 0);
	CU_ASSERT_EQUAL(goes(nd(134, "ff02::1", "::")), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(nd(134, "2001:db8::1", "::")), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(nd(133, "ff02::2", "2001:db8::1")), 0); /* it has no target */
	CU_ASSERT_EQUAL(goes(nd(137, "2001:db8::1", "2001:db8::7")), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(nd(137, "2001:db8::2", "2001:db8::7")), 0);
	CU_ASSERT_EQUAL(goes(nd(128, "2001:db8::1", "2001:db8::1")), 0); /* a ping */
}

static void test_ssh_and_bgp_of_the_host_stay(void)
{
	static const char *const hosts[] = {"192.0.2.1", "2001:db8::1"};

	with_host("host");
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(tcp_to(hosts[i], 1024, 22), TOY_KERNEL);
		CU_ASSERT_EQUAL(tcp_to(hosts[i], 22, 1024), TOY_KERNEL);
		CU_ASSERT_EQUAL(tcp_to(hosts[i], 1024, 179), TOY_KERNEL);
		CU_ASSERT_EQUAL(tcp_to(hosts[i], 179, 1024), TOY_KERNEL);
		CU_ASSERT_EQUAL(tcp_to(hosts[i], 1024, 80), 0);
	}
	CU_ASSERT_EQUAL(tcp_to("192.0.2.2", 1024, 22), 0);
	CU_ASSERT_EQUAL(tcp_to("198.51.100.1", 1024, 22), 0);
	CU_ASSERT_EQUAL(goes(frame_flow(17, "192.0.2.9", 22, "192.0.2.1", 22)), 0);
}

static void test_addresses_that_come_and_go_are_followed(void)
{
	with_host(NULL);
	run("ip addr add 192.0.2.7/24 dev lo");
	CU_ASSERT_EQUAL(tcp_to("192.0.2.7", 1024, 22), 0);
	steer_hosts_changed(toy);
	CU_ASSERT_EQUAL(tcp_to("192.0.2.7", 1024, 22), TOY_KERNEL);
	CU_ASSERT_EQUAL(tcp_to("192.0.2.1", 1024, 22), TOY_KERNEL);
	run("ip addr del 192.0.2.7/24 dev lo");
	steer_hosts_changed(toy);
	CU_ASSERT_EQUAL(tcp_to("192.0.2.7", 1024, 22), 0);
}

static void test_more_addresses_than_fit_are_told(void)
{
	with_host(NULL);
	run("for i in $(seq 1 140); do echo addr add 2001:db8:1::$i/64 dev lo nodad; done | "
	    "ip -batch -");
	steer_hosts_changed(toy);
	CU_ASSERT_EQUAL(steer_hosts_read(toy), 0);
	run("ip -6 addr flush dev lo && ip addr add 2001:db8::1/64 dev lo nodad");
	steer_hosts_changed(toy);
	CU_ASSERT_EQUAL(tcp_to("2001:db8::1", 1024, 22), TOY_KERNEL);
	CU_ASSERT_EQUAL(tcp_to("2001:db8:1::1", 1024, 22), 0);
}

static void test_all_leaves_nothing(void)
{
	with_host("all");
	CU_ASSERT_EQUAL(goes(arp_for("192.0.2.1")), 0);
	CU_ASSERT_EQUAL(tcp_to("192.0.2.1", 1024, 22), 0);
}

static void test_terms_of_kernel_stay_and_the_rest_goes(void)
{
	struct frame icmp = frame_eth(), lldp = frame_eth();

	put_ipv4(&icmp, 1, "192.0.2.9", "198.51.100.1", 0, 0);
	put_zero(&icmp, 8);
	put16(&lldp, 0x88cc);
	put_zero(&lldp, 46);
	with_host("kernel:host+icmp+udp/53+tcp/8000-8080+ip/203.0.113.0/24+eth/0x88cc+nd");
	CU_ASSERT_EQUAL(goes(icmp), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(lldp), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(frame_flow(17, "192.0.2.9", 9, "198.51.100.1", 53)), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(frame_flow(17, "192.0.2.9", 53, "198.51.100.1", 9)), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(frame_flow(17, "192.0.2.9", 54, "198.51.100.1", 9)), 0);
	CU_ASSERT_EQUAL(tcp_to("198.51.100.1", 9, 8000), TOY_KERNEL);
	CU_ASSERT_EQUAL(tcp_to("198.51.100.1", 8080, 9), TOY_KERNEL);
	CU_ASSERT_EQUAL(tcp_to("198.51.100.1", 9, 7999), 0);
	CU_ASSERT_EQUAL(tcp_to("198.51.100.1", 8081, 9), 0);
	CU_ASSERT_EQUAL(tcp_to("203.0.113.77", 9, 9), TOY_KERNEL);
	CU_ASSERT_EQUAL(tcp_to("203.0.114.77", 9, 9), 0);
	CU_ASSERT_EQUAL(tcp_to("192.0.2.1", 1024, 22), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(nd(135, "ff02::1:ff00:2", "2001:db8::2")), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(nd(133, "ff02::2", "::")), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(nd(128, "ff02::2", "::")), 0);
}

static void test_terms_of_user_go_and_the_rest_stays(void)
{
	with_host("user:udp+tcp/80+ip/2001:db8:2::/48+arp");
	CU_ASSERT_EQUAL(goes(frame_flow(17, "192.0.2.9", 9, "198.51.100.1", 5)), 0);
	CU_ASSERT_EQUAL(tcp_to("198.51.100.1", 9, 80), 0);
	CU_ASSERT_EQUAL(tcp_to("198.51.100.1", 9, 81), TOY_KERNEL);
	CU_ASSERT_EQUAL(tcp_to("2001:db8:2:3::4", 9, 81), 0);
	CU_ASSERT_EQUAL(tcp_to("2001:db8:3::4", 9, 81), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(arp_for("192.0.2.1")), 0);
}

static void test_flow_rules_come_first_and_isolation_leaves_only_them(void)
{
	struct steer_spec spec = toy_spec(STEER_SPREAD, 5, 65535);

	with_host("kernel:host+udp");
	spec.key.has = spec.mask.has = STEER_HAS_TCP;
	spec.key.dst_port = htons(22);
	spec.mask.dst_port = UINT16_MAX;
	CU_ASSERT_NOT_EQUAL(toy_add(&spec), 0);
	CU_ASSERT_EQUAL(tcp_to("192.0.2.1", 1024, 22), 5);
	CU_ASSERT_EQUAL(tcp_to("192.0.2.1", 22, 1024), TOY_KERNEL);
	CU_ASSERT_EQUAL(tcp_to("192.0.2.1", 1, 1024), 0);
	steer_isolate(toy, true);
	CU_ASSERT_EQUAL(tcp_to("192.0.2.1", 1024, 22), 5);
	CU_ASSERT_EQUAL(tcp_to("192.0.2.1", 1, 1024), TOY_KERNEL);
	steer_isolate(toy, false);
	CU_ASSERT_EQUAL(tcp_to("192.0.2.1", 1, 1024), 0);
}

static void test_rules_behind_the_words_are_for_what_would_come_to_a_queue(void)
{
	static const struct {
		const char *words;
		int ssh, web, dns; /* where they go, the rule dropping all TCP */
	} cases[] = {
		{NULL, TOY_KERNEL, TOY_DROP, 0},
		{"all", TOY_DROP, TOY_DROP, 0},
		{"kernel:host+tcp/80", TOY_KERNEL, TOY_KERNEL, 0},
		{"user:tcp/80", TOY_KERNEL, 0, TOY_KERNEL},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct steer_spec spec = toy_spec(STEER_DROP, 0, STEER_PRIORITY_WORDS + 1);

		with_host(cases[i].words);
		spec.key.has = spec.mask.has = STEER_HAS_TCP;
		CU_ASSERT_NOT_EQUAL(toy_add(&spec), 0);
		CU_ASSERT_EQUAL(tcp_to("192.0.2.1", 1024, 22), cases[i].ssh);
		CU_ASSERT_EQUAL(tcp_to("192.0.2.1", 1024, 80), cases[i].web);
		CU_ASSERT_EQUAL(goes(frame_flow(17, "192.0.2.9", 9, "192.0.2.1", 53)),
				cases[i].dns);
	}
}

static void test_words_that_are_refused_change_nothing(void)
{
	with_host("kernel:udp");
	CU_ASSERT_EQUAL(steer_words(toy, "kernel:tcp+bogus"), -EINVAL);
	CU_ASSERT_EQUAL(steer_owns(toy, "192.0.2.1+x"), -EINVAL);
	CU_ASSERT_EQUAL(toy->table.n_rules, 1);
	CU_ASSERT_EQUAL(goes(frame_flow(17, "192.0.2.9", 9, "198.51.100.1", 5)), TOY_KERNEL);
	CU_ASSERT_EQUAL(goes(arp_for("192.0.2.2")), 0);
}

WEIR_TESTS("xdp/steer-host", TEST(arp_for_the_host_stays), TEST(nd_for_the_host_stays),
	   TEST(ssh_and_bgp_of_the_host_stay), TEST(addresses_that_come_and_go_are_followed),
	   TEST(more_addresses_than_fit_are_told), TEST(all_leaves_nothing),
	   TEST(terms_of_kernel_stay_and_the_rest_goes), TEST(terms_of_user_go_and_the_rest_stays),
	   TEST(flow_rules_come_first_and_isolation_leaves_only_them),
	   TEST(rules_behind_the_words_are_for_what_would_come_to_a_queue),
	   TEST(words_that_are_refused_change_nothing))
