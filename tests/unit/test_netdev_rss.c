/* SPDX-License-Identifier: BSD-3-Clause */
/* Table, key and hashed fields against a device that lives in this file. */
#include "failalloc.h"
#include "netdev_in_priv.h"
#include "test.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <rte_ethdev.h>
#include <string.h>

#define ENTRIES 8
#define KEY	40
#define DISCARD UINT32_C(0x80000000) /* RXH_DISCARD without its shift into the sign */

static struct {
	uint32_t entries;
	uint32_t table[ENTRIES];
	uint8_t key[KEY];
	uint8_t fold;	     /* how the input is folded: in the ioctl's reserved bytes */
	uint32_t fields[16]; /* by kind of flow; 0 is a kind that it does not know */
	uint32_t fixed;	     /* a kind that cannot be changed */
	bool refuse_table;
	bool grows; /* each question for the size is answered with one more */
	unsigned writes;
	unsigned failures_told;
} nic;

static const uint32_t by_addresses = RXH_IP_SRC | RXH_IP_DST;
static const uint32_t by_ports = RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3;

static struct netdev begin(void)
{
	memset(&nic, 0, sizeof(nic));
	nic.entries = ENTRIES;
	nic.fold = 1;
	for (unsigned i = 0; i < ENTRIES; i++)
		nic.table[i] = i % 2;
	for (unsigned i = 0; i < KEY; i++)
		nic.key[i] = (uint8_t)i;
	nic.fields[TCP_V4_FLOW] = nic.fields[TCP_V6_FLOW] = by_ports;
	nic.fields[UDP_V4_FLOW] = nic.fields[UDP_V6_FLOW] = by_addresses | RXH_VLAN;
	return (struct netdev){.ifindex = 1};
}

static int table_call(struct ethtool_rxfh *x)
{
	const bool full = x->indir_size == ENTRIES && x->key_size == KEY;

	if (nic.entries == 0)
		return -EOPNOTSUPP;
	if (x->cmd == ETHTOOL_GRSSH && !full) {
		nic.entries += nic.grows;
		x->indir_size = nic.entries;
		x->key_size = KEY;
	} else if (x->cmd == ETHTOOL_GRSSH) {
		memcpy(x->rss_config, nic.table, sizeof(nic.table));
		memcpy(&x->rss_config[ENTRIES], nic.key, KEY);
		x->hfunc = 1;
		x->rsvd8[0] = nic.fold;
	} else {
		if (nic.refuse_table || !full || x->rsvd8[0] != nic.fold)
			return -EINVAL;
		memcpy(nic.table, x->rss_config, sizeof(nic.table));
		memcpy(nic.key, &x->rss_config[ENTRIES], KEY);
		nic.writes++;
	}
	return 0;
}

static int fields_call(struct ethtool_rxnfc *x)
{
	if (nic.fields[x->flow_type] == 0)
		return -EOPNOTSUPP;
	if (x->cmd == ETHTOOL_GRXFH) {
		x->data = nic.fields[x->flow_type];
		return 0;
	}
	if (x->flow_type == nic.fixed)
		return -EINVAL;
	nic.fields[x->flow_type] = (uint32_t)x->data | (x->data == 0 ? DISCARD : 0);
	nic.writes++;
	return 0;
}

int netdev_ethtool(const struct netdev *n, void *command)
{
	uint32_t cmd;

	memcpy(&cmd, command, sizeof(cmd));
	return cmd == ETHTOOL_GRSSH || cmd == ETHTOOL_SRSSH ? table_call(command)
							    : fields_call(command);
}

int netdev_failed(const struct netdev *n, const char *what, int rc)
{
	nic.failures_told++;
	return rc;
}

static void test_the_table_and_key_are_told_and_either_can_be_left_out(void)
{
	struct netdev n = begin();
	struct netdev_rss_size size;
	uint32_t table[ENTRIES];
	uint8_t key[KEY];

	CU_ASSERT_EQUAL(netdev_rss_size(&n, &size), 0);
	CU_ASSERT_EQUAL(size.table_entries, ENTRIES);
	CU_ASSERT_EQUAL(size.key_bytes, KEY);
	CU_ASSERT_EQUAL(netdev_rss_get(&n, table, NULL), 0);
	CU_ASSERT_EQUAL(memcmp(table, nic.table, sizeof(table)), 0);
	CU_ASSERT_EQUAL(netdev_rss_get(&n, NULL, key), 0);
	CU_ASSERT_EQUAL(memcmp(key, nic.key, sizeof(key)), 0);
}

static void test_a_new_table_leaves_the_key_and_the_close_puts_both_back(void)
{
	struct netdev n = begin();
	const uint32_t threes[ENTRIES] = {3, 3, 3, 3, 3, 3, 3, 3}, twos[ENTRIES] = {2};
	uint8_t key[KEY] = {0x6d};

	CU_ASSERT_EQUAL(netdev_rss_set(&n, threes, NULL), 0);
	CU_ASSERT_EQUAL(nic.table[7], 3);
	CU_ASSERT_EQUAL(nic.key[39], 39);
	CU_ASSERT_EQUAL(netdev_rss_set(&n, twos, key), 0);
	CU_ASSERT_EQUAL(nic.table[0], 2);
	CU_ASSERT_EQUAL(nic.key[0], 0x6d);
	netdev_rss_end(&n);
	CU_ASSERT_EQUAL(nic.table[0], 0);
	CU_ASSERT_EQUAL(nic.table[7], 1);
	CU_ASSERT_EQUAL(nic.key[39], 39);
	CU_ASSERT_EQUAL(nic.failures_told, 0);
}

static void test_what_somebody_else_has_set_since_is_left_alone(void)
{
	struct netdev n = begin();
	const uint32_t threes[ENTRIES] = {3, 3, 3, 3, 3, 3, 3, 3};

	CU_ASSERT_EQUAL(netdev_rss_set(&n, threes, NULL), 0);
	CU_ASSERT_EQUAL(netdev_rss_types_set(&n, RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6), 0);
	nic.table[0] = 5;
	nic.fields[TCP_V4_FLOW] = RXH_IP_SRC;
	netdev_rss_end(&n);
	netdev_types_end(&n);
	CU_ASSERT_EQUAL(nic.table[0], 5);
	CU_ASSERT_EQUAL(nic.table[1], 3);
	CU_ASSERT_EQUAL(nic.fields[TCP_V4_FLOW], RXH_IP_SRC);
	CU_ASSERT_EQUAL(nic.fields[TCP_V6_FLOW], by_ports);
}

static void test_a_device_without_a_table_or_that_refuses_says_so_once(void)
{
	struct netdev n = begin();
	const uint32_t zeroes[ENTRIES] = {0};
	struct netdev_rss_size size;

	nic.refuse_table = true;
	CU_ASSERT_EQUAL(netdev_rss_set(&n, zeroes, NULL), -EINVAL);
	CU_ASSERT_EQUAL(nic.failures_told, 1);
	CU_ASSERT_EQUAL(nic.table[1], 1);
	nic.entries = 0;
	CU_ASSERT_EQUAL(netdev_rss_size(&n, &size), -ENOTSUP);
	CU_ASSERT_EQUAL(netdev_rss_get(&n, NULL, NULL), -ENOTSUP);
	CU_ASSERT_EQUAL(netdev_rss_set(&n, zeroes, NULL), -ENOTSUP);
	CU_ASSERT_EQUAL(nic.failures_told, 2);
	netdev_rss_end(&n);
	CU_ASSERT_EQUAL(nic.writes, 0);
}

static void test_sizes_that_no_device_has_are_not_believed(void)
{
	struct netdev n = begin();
	struct netdev_rss_size size;

	nic.entries = 1u << 30;
	CU_ASSERT_EQUAL(netdev_rss_size(&n, &size), -EPROTO);
	nic.entries = ENTRIES;
	nic.grows = true;
	CU_ASSERT_EQUAL(netdev_rss_get(&n, NULL, NULL), -EPROTO);
}

static void test_memory_that_runs_out_changes_nothing(void)
{
	struct netdev n = begin();
	const uint32_t threes[ENTRIES] = {3, 3, 3, 3, 3, 3, 3, 3};

	FAILALLOC_EACH(nth)
	{
		const int rc = netdev_rss_set(&n, threes, NULL);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			CU_ASSERT_EQUAL(nth, 3);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_EQUAL(nic.table[0], 0);
	}
	netdev_rss_end(&n);
	CU_ASSERT_EQUAL(nic.table[0], 0);
}

static void test_hashed_fields_are_told_in_dpdks_words(void)
{
	struct netdev n = begin();
	uint64_t types;

	CU_ASSERT_EQUAL(netdev_rss_types_get(&n, &types), 0);
	CU_ASSERT_EQUAL(types, RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV4_TCP |
				       RTE_ETH_RSS_NONFRAG_IPV6_TCP);
	memset(nic.fields, 0, sizeof(nic.fields));
	CU_ASSERT_EQUAL(netdev_rss_types_get(&n, &types), -ENOTSUP);
}

static void test_new_fields_keep_the_others_and_the_close_puts_them_back(void)
{
	struct netdev n = begin();

	CU_ASSERT_EQUAL(netdev_rss_types_set(&n, RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6 |
							 RTE_ETH_RSS_NONFRAG_IPV4_UDP),
			0);
	CU_ASSERT_EQUAL(nic.fields[UDP_V4_FLOW], by_ports | RXH_VLAN);
	CU_ASSERT_EQUAL(nic.fields[UDP_V6_FLOW], by_addresses | RXH_VLAN);
	CU_ASSERT_EQUAL(nic.fields[TCP_V4_FLOW], by_addresses);
	CU_ASSERT_EQUAL(nic.writes, 3);
	netdev_types_end(&n);
	CU_ASSERT_EQUAL(nic.fields[UDP_V4_FLOW], by_addresses | RXH_VLAN);
	CU_ASSERT_EQUAL(nic.fields[TCP_V4_FLOW], by_ports);
}

static void test_fields_that_cannot_all_be_had_change_nothing(void)
{
	struct netdev n = begin();

	nic.fixed = UDP_V6_FLOW;
	CU_ASSERT_EQUAL(netdev_rss_types_set(&n, RTE_ETH_RSS_NONFRAG_IPV4_UDP |
							 RTE_ETH_RSS_NONFRAG_IPV6_UDP),
			-ENOTSUP);
	CU_ASSERT_EQUAL(nic.fields[TCP_V4_FLOW], by_ports);
	CU_ASSERT_EQUAL(nic.fields[UDP_V4_FLOW], by_addresses | RXH_VLAN);
	CU_ASSERT_EQUAL(nic.failures_told, 1);
	CU_ASSERT_EQUAL(netdev_rss_types_set(&n, RTE_ETH_RSS_NONFRAG_IPV4_SCTP), -ENOTSUP);
	CU_ASSERT_EQUAL(netdev_rss_types_set(&n, RTE_ETH_RSS_L2_PAYLOAD), -ENOTSUP);
	CU_ASSERT_EQUAL(nic.fields[TCP_V4_FLOW], by_ports);
}

WEIR_TESTS("xdp/netdev_rss", TEST(the_table_and_key_are_told_and_either_can_be_left_out),
	   TEST(a_new_table_leaves_the_key_and_the_close_puts_both_back),
	   TEST(what_somebody_else_has_set_since_is_left_alone),
	   TEST(a_device_without_a_table_or_that_refuses_says_so_once),
	   TEST(sizes_that_no_device_has_are_not_believed),
	   TEST(memory_that_runs_out_changes_nothing), TEST(hashed_fields_are_told_in_dpdks_words),
	   TEST(new_fields_keep_the_others_and_the_close_puts_them_back),
	   TEST(fields_that_cannot_all_be_had_change_nothing))
