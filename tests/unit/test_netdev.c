/* SPDX-License-Identifier: BSD-3-Clause */
/* A veth pair in a namespace of this test's own, asked and changed. Needs root. */
#include "failalloc.h"
#include "netdev_in_priv.h"
#include "test.h"
#include "toy_netns.h"
#include "toy_xdp_log.h"

#include <rte_ethdev.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static struct netdev *begin(void)
{
	struct netdev *n = NULL;

	toy_log_begin();
	CU_ASSERT_TRUE_FATAL(toy_veth());
	CU_ASSERT_EQUAL_FATAL(netdev_open("v0", &n), 0);
	return n;
}

static void end(struct netdev *n)
{
	netdev_close(n);
	CU_ASSERT_TRUE(toy_veth_end());
}

static void test_a_name_that_is_nobodys_is_refused_with_one_line(void)
{
	struct netdev *n = NULL;

	toy_log_begin();
	CU_ASSERT_EQUAL(netdev_open("nobody", &n), -ENODEV);
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	CU_ASSERT_TRUE(toy_log_has("nobody: no such interface"));
	CU_ASSERT_EQUAL(netdev_open("a-name-of-more-than-15-bytes", &n), -ENODEV);
	CU_ASSERT_PTR_NULL(n);
}

static void test_queues_are_counted_apart(void)
{
	struct netdev *n = begin(), *peer;
	uint32_t rx = 0, tx = 0;

	CU_ASSERT_EQUAL(netdev_channels(n, &rx, &tx), 0);
	CU_ASSERT_EQUAL(rx, 4);
	CU_ASSERT_EQUAL(tx, 2);
	CU_ASSERT_EQUAL_FATAL(netdev_open("v1", &peer), 0);
	CU_ASSERT_EQUAL(netdev_channels(peer, &rx, &tx), 0);
	CU_ASSERT_EQUAL(rx, 3);
	CU_ASSERT_EQUAL(tx, 1);
	netdev_close(peer);
	end(n);
}

static void test_without_ethtool_sysfs_counts_queues_if_it_shows_this_interface(void)
{
	struct netdev *n;
	uint32_t rx = 0, tx = 0;

	CU_ASSERT_TRUE_FATAL(toy_sh("ip tuntap add t0 mode tap"));
	CU_ASSERT_EQUAL_FATAL(netdev_open("t0", &n), 0);
	CU_ASSERT_EQUAL(netdev_channels(n, &rx, &tx), -ENOTSUP);
	CU_ASSERT_EQUAL(netdev_numa_node(n), -1);
	CU_ASSERT_EQUAL_FATAL(unshare(CLONE_NEWNS), 0);
	CU_ASSERT_EQUAL_FATAL(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(mount("sysfs", "/sys", "sysfs", 0, NULL), 0);
	CU_ASSERT_EQUAL(netdev_channels(n, &rx, &tx), 0);
	CU_ASSERT_EQUAL(rx, 1);
	CU_ASSERT_EQUAL(tx, 1);
	CU_ASSERT_EQUAL(umount2("/sys", MNT_DETACH), 0);
	netdev_close(n);
	CU_ASSERT_TRUE(toy_sh("ip link del t0"));
}

static void test_the_mac_address_is_set_and_put_back(void)
{
	struct netdev *n = begin();
	const struct rte_ether_addr ours = {{2, 0, 0, 0, 0, 0x42}};
	const struct rte_ether_addr group = {{1, 0, 0, 0, 0, 0x42}};
	struct rte_ether_addr was, now;

	CU_ASSERT_EQUAL(netdev_mac_get(n, &was), 0);
	CU_ASSERT_EQUAL(netdev_mac_set(n, &ours), 0);
	CU_ASSERT_EQUAL(netdev_mac_get(n, &now), 0);
	CU_ASSERT_TRUE(rte_is_same_ether_addr(&now, &ours));
	CU_ASSERT_TRUE(toy_sh("ip link show dev v0 | grep -q 02:00:00:00:00:42"));
	CU_ASSERT_EQUAL(toy_log_lines(), 0);
	CU_ASSERT_EQUAL(netdev_mac_set(n, &group), -EADDRNOTAVAIL);
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	CU_ASSERT_TRUE(toy_log_has("v0: the MAC address cannot be set"));
	netdev_close(n);
	CU_ASSERT_EQUAL_FATAL(netdev_open("v0", &n), 0);
	CU_ASSERT_EQUAL(netdev_mac_get(n, &now), 0);
	CU_ASSERT_TRUE(rte_is_same_ether_addr(&now, &was));
	end(n);
}

static void test_the_mtu_is_set_within_its_limits_and_put_back(void)
{
	struct netdev *n = begin();
	uint32_t mtu = 0, min = 0, max = 0;

	CU_ASSERT_EQUAL(netdev_mtu_limits(n, &min, &max), 0);
	CU_ASSERT_EQUAL(min, 68);
	CU_ASSERT_EQUAL(max, 65535);
	CU_ASSERT_EQUAL(netdev_mtu_set(n, 9000), 0);
	CU_ASSERT_EQUAL(netdev_mtu_get(n, &mtu), 0);
	CU_ASSERT_EQUAL(mtu, 9000);
	CU_ASSERT_EQUAL(toy_log_lines(), 0);
	CU_ASSERT_EQUAL(netdev_mtu_set(n, 65536), -EINVAL);
	CU_ASSERT_TRUE(toy_log_has("v0: MTU is to be 65536, must be 68 to 65535"));
	CU_ASSERT_EQUAL(netdev_mtu_set(n, 67), -EINVAL);
	CU_ASSERT_EQUAL(netdev_mtu_set(n, UINT32_MAX), -EINVAL);
	CU_ASSERT_EQUAL(toy_log_lines(), 3);
	CU_ASSERT_EQUAL(netdev_mtu_get(n, &mtu), 0);
	CU_ASSERT_EQUAL(mtu, 9000);
	netdev_close(n);
	CU_ASSERT_TRUE(toy_sh("ip link show dev v0 | grep -q 'mtu 1500'"));
	CU_ASSERT_TRUE(toy_veth_end());
}

static void test_what_somebody_else_has_changed_since_is_not_put_back(void)
{
	struct netdev *n = begin();
	const struct rte_ether_addr ours = {{2, 0, 0, 0, 0, 0x42}};

	CU_ASSERT_EQUAL(netdev_mtu_set(n, 9000), 0);
	CU_ASSERT_EQUAL(netdev_mac_set(n, &ours), 0);
	CU_ASSERT_TRUE(toy_sh("ip link set v0 mtu 4000 address 02:00:00:00:00:43"));
	netdev_close(n);
	CU_ASSERT_TRUE(toy_sh("ip link show dev v0 | grep -q 'mtu 4000'"));
	CU_ASSERT_TRUE(toy_sh("ip link show dev v0 | grep -q 02:00:00:00:00:43"));
	CU_ASSERT_TRUE(toy_veth_end());
}

static bool promiscuous(unsigned times)
{
	return toy_sh("ip -d link show dev v0 | grep -q 'promiscuity %u '", times);
}

static bool allmulti(unsigned times)
{
	return toy_sh("ip -d link show dev v0 | grep -q 'allmulti %u '", times) ||
	       toy_sh("ip link show dev v0 | grep -q ALLMULTI") == (times > 0);
}

static void test_promiscuous_mode_is_one_wish_and_ends_with_the_close(void)
{
	struct netdev *n = begin();

	CU_ASSERT_TRUE(promiscuous(0));
	CU_ASSERT_EQUAL(netdev_promisc(n, true), 0);
	CU_ASSERT_EQUAL(netdev_promisc(n, true), 0);
	CU_ASSERT_TRUE(promiscuous(1));
	CU_ASSERT_EQUAL(netdev_promisc(n, false), 0);
	CU_ASSERT_TRUE(promiscuous(0));
	CU_ASSERT_EQUAL(netdev_promisc(n, false), 0);
	CU_ASSERT_EQUAL(netdev_promisc(n, true), 0);
	CU_ASSERT_EQUAL(netdev_allmulti(n, true), 0);
	CU_ASSERT_TRUE(promiscuous(1));
	CU_ASSERT_TRUE(allmulti(1));
	netdev_close(n);
	CU_ASSERT_TRUE(promiscuous(0));
	CU_ASSERT_TRUE(allmulti(0));
	CU_ASSERT_TRUE(toy_veth_end());
}

static void test_promiscuous_mode_ends_when_the_process_is_killed(void)
{
	int ready[2];
	char byte;
	pid_t child;

	CU_ASSERT_TRUE_FATAL(toy_veth());
	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		struct netdev *n;

		alarm(60);
		if (netdev_open("v0", &n) == 0 && netdev_promisc(n, true) == 0 &&
		    write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
	CU_ASSERT_TRUE(promiscuous(1));
	CU_ASSERT_EQUAL(kill(child, SIGKILL), 0);
	CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
	CU_ASSERT_TRUE(promiscuous(0));
	close(ready[0]);
	CU_ASSERT_TRUE(toy_veth_end());
}

/* dev_mcast tells how often each address is wished for: ours once. */
static bool hears(const char *mac)
{
	return toy_sh("grep -q '[[:space:]]v0 .*%s$' /proc/thread-self/net/dev_mcast", mac);
}

static void test_a_multicast_list_replaces_the_one_of_before_or_leaves_it(void)
{
	struct netdev *n = begin();
	const struct rte_ether_addr first[] = {{{1, 0, 0x5e, 1, 0, 1}}, {{1, 0, 0x5e, 1, 0, 2}}};
	const struct rte_ether_addr second[] = {{{1, 0, 0x5e, 1, 0, 2}}, {{1, 0, 0x5e, 1, 0, 3}}};
	const struct rte_ether_addr wrong[] = {{{1, 0, 0x5e, 1, 0, 4}}, {{2, 0, 0x5e, 1, 0, 5}}};

	CU_ASSERT_EQUAL(netdev_multicast(n, first, 2), 0);
	CU_ASSERT_TRUE(hears("01005e010001") && hears("01005e010002"));
	CU_ASSERT_EQUAL(netdev_multicast(n, second, 2), 0);
	CU_ASSERT_FALSE(hears("01005e010001"));
	CU_ASSERT_TRUE(hears("01005e010002") && hears("01005e010003"));
	CU_ASSERT_EQUAL(toy_log_lines(), 0);
	CU_ASSERT_EQUAL(netdev_multicast(n, wrong, 2), -EINVAL);
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	CU_ASSERT_FALSE(hears("01005e010004"));
	CU_ASSERT_TRUE(hears("01005e010002") && hears("01005e010003"));
	CU_ASSERT_EQUAL(netdev_multicast(n, NULL, 0), 0);
	CU_ASSERT_FALSE(hears("01005e010002") || hears("01005e010003"));
	CU_ASSERT_EQUAL(netdev_multicast(n, first, 2), 0);
	netdev_close(n);
	CU_ASSERT_FALSE(hears("01005e010001") || hears("01005e010002"));
	CU_ASSERT_TRUE(toy_veth_end());
}

static bool answers_to(const char *mac)
{
	return toy_sh("bridge fdb show dev v0 | grep -q '^%s .*self'", mac);
}

static void test_further_addresses_are_added_and_removed_once(void)
{
	struct netdev *n = begin();
	const struct rte_ether_addr a = {{2, 0, 0, 0, 1, 1}}, b = {{2, 0, 0, 0, 1, 2}};
	const struct rte_ether_addr group = {{1, 0, 0, 0, 1, 3}};

	CU_ASSERT_EQUAL(netdev_unicast_add(n, &a), 0);
	CU_ASSERT_EQUAL(netdev_unicast_add(n, &b), 0);
	CU_ASSERT_EQUAL(netdev_unicast_add(n, &a), 0); /* as ethdev does at each start */
	CU_ASSERT_TRUE(answers_to("02:00:00:00:01:01") && answers_to("02:00:00:00:01:02"));
	CU_ASSERT_EQUAL(netdev_unicast_remove(n, &a), 0);
	CU_ASSERT_FALSE(answers_to("02:00:00:00:01:01"));
	CU_ASSERT_EQUAL(toy_log_lines(), 0);
	CU_ASSERT_EQUAL(netdev_unicast_remove(n, &a), -ENOENT);
	CU_ASSERT_EQUAL(netdev_unicast_add(n, &group), -EINVAL);
	CU_ASSERT_EQUAL(toy_log_lines(), 2);
	netdev_close(n);
	CU_ASSERT_FALSE(answers_to("02:00:00:00:01:02"));
	CU_ASSERT_TRUE(toy_veth_end());
}

static void test_the_link_is_up_only_when_the_peer_is_too(void)
{
	struct netdev *n = begin();
	struct rte_eth_link link;

	CU_ASSERT_EQUAL(netdev_link(n, &link), 0);
	CU_ASSERT_EQUAL(link.link_status, RTE_ETH_LINK_UP);
	CU_ASSERT_EQUAL(link.link_speed, RTE_ETH_SPEED_NUM_10G);
	CU_ASSERT_EQUAL(link.link_duplex, RTE_ETH_LINK_FULL_DUPLEX);
	CU_ASSERT_EQUAL(link.link_autoneg, RTE_ETH_LINK_FIXED);
	CU_ASSERT_TRUE(toy_sh("ip link set v1 down"));
	CU_ASSERT_EQUAL(netdev_link(n, &link), 0);
	CU_ASSERT_EQUAL(link.link_status, RTE_ETH_LINK_DOWN);
	CU_ASSERT_EQUAL(link.link_speed, RTE_ETH_SPEED_NUM_NONE);
	CU_ASSERT_TRUE(toy_sh("ip link set v1 up"));
	CU_ASSERT_EQUAL(netdev_up(n, false), 0);
	CU_ASSERT_EQUAL(netdev_up(n, false), 0);
	CU_ASSERT_EQUAL(netdev_link(n, &link), 0);
	CU_ASSERT_EQUAL(link.link_status, RTE_ETH_LINK_DOWN);
	CU_ASSERT_EQUAL(netdev_up(n, true), 0);
	CU_ASSERT_EQUAL(netdev_link(n, &link), 0);
	CU_ASSERT_EQUAL(link.link_status, RTE_ETH_LINK_UP);
	end(n);
}

static void test_a_speed_that_nobody_knows_is_unknown(void)
{
	struct netdev *n;
	struct rte_eth_link link;

	CU_ASSERT_TRUE_FATAL(toy_sh("ip link set lo up"));
	CU_ASSERT_EQUAL_FATAL(netdev_open("lo", &n), 0);
	CU_ASSERT_EQUAL(netdev_link(n, &link), 0);
	CU_ASSERT_EQUAL(link.link_status, RTE_ETH_LINK_UP);
	CU_ASSERT_EQUAL(link.link_speed, RTE_ETH_SPEED_NUM_UNKNOWN);
	netdev_close(n);
}

static void test_the_driver_tells_its_name_and_a_veth_has_no_hash_to_set(void)
{
	struct netdev *n = begin();
	struct netdev_driver driver;
	struct netdev_rss_size size;
	const uint32_t table[128] = {0};
	uint64_t types;

	CU_ASSERT_EQUAL(netdev_driver(n, &driver), 0);
	CU_ASSERT_STRING_EQUAL(driver.name, "veth");
	CU_ASSERT_EQUAL(netdev_rss_size(n, &size), -ENOTSUP);
	CU_ASSERT_EQUAL(netdev_rss_types_get(n, &types), -ENOTSUP);
	CU_ASSERT_EQUAL(toy_log_lines(), 0);
	CU_ASSERT_EQUAL(netdev_rss_set(n, table, NULL), -ENOTSUP);
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	end(n);
}

static void test_what_the_driver_can_do_for_xdp_is_told_where_the_kernel_can(void)
{
	struct netdev *n = begin();
	struct netdev_xdp x = {0};
	const int rc = netdev_xdp_features(n, &x);

	if (rc == -ENOTSUP) {
		printf("this kernel does not tell; ");
	} else {
		CU_ASSERT_EQUAL(rc, 0);
		CU_ASSERT_TRUE(x.features & NETDEV_XDP_ACT_BASIC);
		CU_ASSERT_TRUE(x.features & NETDEV_XDP_ACT_REDIRECT);
		CU_ASSERT_FALSE(x.features & NETDEV_XDP_ACT_XSK_ZEROCOPY);
	}
	end(n);
}

static void test_a_new_name_changes_nothing(void)
{
	struct netdev *n = begin();
	char name[IFNAMSIZ];

	CU_ASSERT_TRUE(toy_sh("ip link set v0 down && ip link set v0 name other"));
	CU_ASSERT_EQUAL(netdev_name(n, name), 0);
	CU_ASSERT_STRING_EQUAL(name, "other");
	CU_ASSERT_EQUAL(netdev_mtu_set(n, 1400), 0);
	CU_ASSERT_TRUE(toy_sh("ip link show dev other | grep -q 'mtu 1400'"));
	end(n);
}

static void test_an_interface_that_was_deleted_is_no_device(void)
{
	struct netdev *n = begin();
	struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 1}};
	struct rte_eth_link link;
	struct netdev_xdp xdp;
	uint32_t a, b;
	char name[IFNAMSIZ];

	CU_ASSERT_EQUAL(netdev_mtu_set(n, 1400), 0);
	CU_ASSERT_EQUAL(netdev_promisc(n, true), 0);
	CU_ASSERT_TRUE(toy_veth_end());
	CU_ASSERT_EQUAL(netdev_name(n, name), -ENODEV);
	CU_ASSERT_EQUAL(netdev_channels(n, &a, &b), -ENODEV);
	CU_ASSERT_EQUAL(netdev_mac_get(n, &mac), -ENODEV);
	CU_ASSERT_EQUAL(netdev_mtu_get(n, &a), -ENODEV);
	CU_ASSERT_EQUAL(netdev_mtu_limits(n, &a, &b), -ENODEV);
	CU_ASSERT_EQUAL(netdev_link(n, &link), -ENODEV);
	CU_ASSERT_NOT_EQUAL(netdev_xdp_features(n, &xdp), 0);
	CU_ASSERT_EQUAL(toy_log_lines(), 0);
	CU_ASSERT_EQUAL(netdev_mac_set(n, &mac), -ENODEV);
	CU_ASSERT_EQUAL(netdev_mtu_set(n, 1500), -ENODEV);
	CU_ASSERT_EQUAL(netdev_up(n, true), -ENODEV);
	CU_ASSERT_EQUAL(netdev_allmulti(n, true), -ENODEV);
	CU_ASSERT_EQUAL(netdev_unicast_add(n, &mac), -ENODEV);
	CU_ASSERT_EQUAL(toy_log_lines(), 5);
	netdev_close(n);
	CU_ASSERT_EQUAL(toy_log_lines(), 5);
}

static void test_the_namespace_is_that_of_the_opening(void)
{
	struct netdev *n = begin();
	uint32_t mtu = 0;
	const pid_t child = fork();
	int status;

	if (child == 0) {
		if (unshare(CLONE_NEWNET) == 0 && toy_sh("! ip link show dev v0 2>/dev/null") &&
		    netdev_mtu_set(n, 1300) == 0)
			_exit(0);
		_exit(1);
	}
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(netdev_mtu_get(n, &mtu), 0);
	CU_ASSERT_EQUAL(mtu, 1300);
	end(n);
}

static void test_memory_that_runs_out_leaves_nothing_behind(void)
{
	struct netdev *n = NULL, *other = begin();
	const struct rte_ether_addr group = {{1, 0, 0x5e, 1, 0, 1}}, mac = {{2, 0, 0, 0, 1, 1}};

	failalloc_at(1);
	CU_ASSERT_EQUAL(netdev_open("v0", &n), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	CU_ASSERT_PTR_NULL(n);
	failalloc_at(1);
	CU_ASSERT_EQUAL(netdev_multicast(other, &group, 1), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	failalloc_at(1);
	CU_ASSERT_EQUAL(netdev_unicast_add(other, &mac), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	CU_ASSERT_FALSE(hears("01005e010001") || answers_to("02:00:00:00:01:01"));
	CU_ASSERT_EQUAL(toy_log_lines(), 3);
	end(other);
}

static const struct weir_test tests[] = {
	TEST(a_name_that_is_nobodys_is_refused_with_one_line),
	TEST(queues_are_counted_apart),
	TEST(without_ethtool_sysfs_counts_queues_if_it_shows_this_interface),
	TEST(the_mac_address_is_set_and_put_back),
	TEST(the_mtu_is_set_within_its_limits_and_put_back),
	TEST(what_somebody_else_has_changed_since_is_not_put_back),
	TEST(promiscuous_mode_is_one_wish_and_ends_with_the_close),
	TEST(promiscuous_mode_ends_when_the_process_is_killed),
	TEST(a_multicast_list_replaces_the_one_of_before_or_leaves_it),
	TEST(further_addresses_are_added_and_removed_once),
	TEST(the_link_is_up_only_when_the_peer_is_too),
	TEST(a_speed_that_nobody_knows_is_unknown),
	TEST(the_driver_tells_its_name_and_a_veth_has_no_hash_to_set),
	TEST(what_the_driver_can_do_for_xdp_is_told_where_the_kernel_can),
	TEST(a_new_name_changes_nothing),
	TEST(an_interface_that_was_deleted_is_no_device),
	TEST(the_namespace_is_that_of_the_opening),
	TEST(memory_that_runs_out_leaves_nothing_behind),
};

int main(void)
{
	if (!toy_netns())
		return 77;
	return weir_tests_run("xdp/netdev", tests, sizeof(tests) / sizeof(tests[0]));
}
