/* SPDX-License-Identifier: BSD-3-Clause */
/* Table, key and types of a device that has its own: it lives in this file, like the port. */
#include "dev_priv.h"
#include "failalloc.h"
#include "test.h"
#include "toy_xdp_log.h"

#include <errno.h>
#include <rte_errno.h>

#define ENTRIES 64
#define KEY	52
#define FIRST	2 /* start_queue */
#define WINDOW	4 /* hardware queues from there */

static const uint64_t all_types = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP |
				  RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_IPV6 |
				  RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP;

static struct {
	uint32_t table[ENTRIES];
	uint8_t key[KEY];
	uint64_t types;
	bool types_fixed, key_fixed;
	unsigned writes;
} nic;

static struct {
	struct steer_config config;
	uint16_t reta[STEER_RETA];
	uint8_t key[XDP_RSS_KEY_BYTES];
} program;

static struct xdp_port port;
static struct xdp_local local;
static struct rte_eth_dev_data data;
static struct rte_eth_dev dev = {.data = &data};

static struct netdev_rss_size size = {ENTRIES, KEY};

int netdev_rss_size(const struct netdev *n, struct netdev_rss_size *out)
{
	*out = size;
	return 0;
}

int netdev_rss_get(const struct netdev *n, uint32_t *table, uint8_t *key)
{
	if (table != NULL)
		memcpy(table, nic.table, sizeof(nic.table));
	if (key != NULL)
		memcpy(key, nic.key, sizeof(nic.key));
	return 0;
}

int netdev_rss_set(struct netdev *n, const uint32_t *table, const uint8_t *key)
{
	if (key != NULL && nic.key_fixed)
		return -ENOTSUP;
	if (table != NULL)
		memcpy(nic.table, table, sizeof(nic.table));
	if (key != NULL)
		memcpy(nic.key, key, sizeof(nic.key));
	nic.writes++;
	return 0;
}

int netdev_rss_types_get(const struct netdev *n, uint64_t *types)
{
	*types = nic.types;
	return 0;
}

int netdev_rss_types_set(struct netdev *n, uint64_t types)
{
	if (nic.types_fixed)
		return -ENOTSUP;
	nic.types = types;
	nic.writes++;
	return 0;
}

struct steer *xdp_steer_of(const struct rte_eth_dev *of)
{
	return xdp_local_of(of)->steer;
}

uint16_t xdp_rx_window(const struct xdp_port *of)
{
	return WINDOW;
}

struct steer_config *steer_config(struct steer *s)
{
	return &program.config;
}

volatile uint16_t *steer_reta(struct steer *s)
{
	return program.reta;
}

void steer_set_key(struct steer *s, const uint8_t *key, size_t key_bytes)
{
	memcpy(program.key, key, sizeof(program.key));
}

/* A port that is to be configured with so many queues. */
static void begin(uint16_t queues, enum xdp_want_rss want)
{
	memset(&nic, 0, sizeof(nic));
	memset(&program, 0, sizeof(program));
	memset(&data, 0, sizeof(data));
	nic.types = RTE_ETH_RSS_IPV4;
	for (unsigned i = 0; i < ENTRIES; i++)
		nic.table[i] = FIRST + i % WINDOW;
	port = (struct xdp_port){.args = {.iface = "v0", .rss = want, .start_queue = FIRST},
				 .hints = NETDEV_XDP_RX_METADATA_HASH,
				 .rss.device = {.table_entries = ENTRIES, .key_bytes = KEY}};
	local = (struct xdp_local){.netdev = (void *)&nic, .steer = (void *)&program};
	dev.process_private = &local;
	data.dev_private = &port;
	data.nb_rx_queues = queues;
	data.dev_conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	data.dev_conf.rx_adv_conf.rss_conf.rss_hf = all_types;
	toy_log_begin();
}

/* What dev.c does. */
static int configure(void)
{
	const int rc = xdp_rss_configure(&dev);

	if (rc == 0) {
		port.n_rxqs = data.nb_rx_queues;
		port.n_rx_channels = WINDOW;
	}
	return rc;
}

static void test_a_device_is_left_as_it_is_but_for_the_types_that_are_asked_for(void)
{
	struct rte_eth_dev_info info = {0};
	uint8_t was[KEY] = {0};

	begin(4, XDP_WANT_RSS_AUTO);
	xdp_rss_info(&dev, &info);
	CU_ASSERT_EQUAL(info.reta_size, ENTRIES);
	CU_ASSERT_EQUAL(info.hash_key_size, KEY);
	CU_ASSERT_EQUAL(configure(), 0);
	CU_ASSERT_EQUAL(port.rss.by, XDP_RSS_DEVICE);
	CU_ASSERT_EQUAL(nic.types, all_types);
	CU_ASSERT_EQUAL(memcmp(nic.key, was, KEY), 0);
	CU_ASSERT_EQUAL(nic.writes, 1);
}

static void test_a_table_or_key_that_ethdev_has_no_number_for_is_none(void)
{
	static const struct netdev_rss_size sizes[] = {{65536, 40}, {128, 256}};
	struct xdp_rss rss = {0};

	for (unsigned i = 0; i < RTE_DIM(sizes); i++) {
		size = sizes[i];
		xdp_rss_learn(&rss, NULL);
		CU_ASSERT_EQUAL(rss.device.table_entries, 0);
	}
	size = (struct netdev_rss_size){65535, 255};
	xdp_rss_learn(&rss, NULL);
	CU_ASSERT_EQUAL(rss.device.table_entries, 65535);
}

static void test_its_table_is_told_in_queues_of_the_port(void)
{
	struct rte_eth_rss_reta_entry64 reta = {.mask = 1, .reta = {1}};

	begin(2, XDP_WANT_RSS_AUTO);
	CU_ASSERT_EQUAL(configure(), 0);
	nic.table[5] = 0; /* none of ours: the kernel's */
	CU_ASSERT_EQUAL(xdp_rss_reta_update(&dev, &reta, ENTRIES), 0);
	CU_ASSERT_EQUAL(nic.table[0], FIRST + 1);
	CU_ASSERT_EQUAL(nic.table[1], FIRST + 1);
	reta.mask = UINT64_MAX;
	CU_ASSERT_EQUAL(xdp_rss_reta_query(&dev, &reta, ENTRIES), 0);
	CU_ASSERT_EQUAL(reta.reta[0], 1);
	CU_ASSERT_EQUAL(reta.reta[2], 0);
	CU_ASSERT_EQUAL(reta.reta[3], 1);
	CU_ASSERT_EQUAL(reta.reta[5], UINT16_MAX);
	CU_ASSERT_EQUAL(xdp_rss_reta_query(&dev, &reta, STEER_RETA), -EINVAL);
}

static void test_types_and_key_are_both_changed_or_none(void)
{
	uint8_t key[KEY] = {1}, now[KEY];
	struct rte_eth_rss_conf conf = {
		.rss_key = key, .rss_key_len = KEY, .rss_hf = RTE_ETH_RSS_IPV6};

	begin(2, XDP_WANT_RSS_HW);
	CU_ASSERT_EQUAL(configure(), 0);
	nic.key_fixed = true;
	CU_ASSERT_EQUAL(xdp_rss_hash_update(&dev, &conf), -ENOTSUP);
	CU_ASSERT_EQUAL(nic.types, all_types);
	nic.key_fixed = false;
	CU_ASSERT_EQUAL(xdp_rss_hash_update(&dev, &conf), 0);
	conf = (struct rte_eth_rss_conf){.rss_key = now, .rss_key_len = KEY};
	CU_ASSERT_EQUAL(xdp_rss_hash_get(&dev, &conf), 0);
	CU_ASSERT_EQUAL(conf.rss_hf, RTE_ETH_RSS_IPV6);
	CU_ASSERT_EQUAL(conf.rss_key_len, KEY);
	CU_ASSERT_EQUAL(now[0], 1);
	conf.rss_key_len = XDP_RSS_KEY_BYTES;
	CU_ASSERT_EQUAL(xdp_rss_hash_update(&dev, &conf), -EINVAL);
}

static void test_the_program_hashes_what_a_device_cannot_and_a_line_says_so(void)
{
	uint8_t key[KEY] = {9};

	begin(4, XDP_WANT_RSS_AUTO);
	nic.types_fixed = true;
	data.dev_conf.rx_adv_conf.rss_conf.rss_key = key;
	data.dev_conf.rx_adv_conf.rss_conf.rss_key_len = KEY;
	CU_ASSERT_EQUAL(configure(), 0);
	CU_ASSERT_EQUAL(port.rss.by, XDP_RSS_PROGRAM);
	CU_ASSERT_TRUE(toy_log_has("v0: so the program hashes"));
	CU_ASSERT_EQUAL(program.key[0], 9);
	CU_ASSERT_EQUAL(program.config.rss_types, 0x3f);
	CU_ASSERT_EQUAL(program.reta[7], 3);
	/* rss=hw takes the types that there are */
	begin(4, XDP_WANT_RSS_HW);
	nic.types_fixed = true;
	CU_ASSERT_EQUAL(configure(), 0);
	CU_ASSERT_EQUAL(port.rss.by, XDP_RSS_DEVICE);
	CU_ASSERT_EQUAL(nic.types, RTE_ETH_RSS_IPV4);
}

static void test_a_key_of_another_length_than_the_devices_is_refused(void)
{
	uint8_t key[KEY] = {0};

	begin(4, XDP_WANT_RSS_AUTO);
	data.dev_conf.rx_adv_conf.rss_conf.rss_key = key;
	data.dev_conf.rx_adv_conf.rss_conf.rss_key_len = XDP_RSS_KEY_BYTES;
	CU_ASSERT_EQUAL(configure(), -EINVAL);
	CU_ASSERT_TRUE(toy_log_has("v0: the hash key's bytes are 40, must be 52"));
	CU_ASSERT_EQUAL(nic.writes, 0);
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
}

static void test_memory_that_runs_out_changes_no_table(void)
{
	struct rte_eth_rss_reta_entry64 reta = {.mask = 1, .reta = {1}};

	begin(2, XDP_WANT_RSS_AUTO);
	CU_ASSERT_EQUAL(configure(), 0);
	nic.writes = 0;
	failalloc_at(1);
	CU_ASSERT_EQUAL(xdp_rss_reta_update(&dev, &reta, ENTRIES), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	CU_ASSERT_EQUAL(nic.writes, 0);
}

static void test_a_secondary_process_is_told_that_it_may_not(void)
{
	struct rte_eth_rss_reta_entry64 reta = {.mask = 1};
	struct rte_eth_rss_conf conf = {0};

	begin(2, XDP_WANT_RSS_AUTO);
	CU_ASSERT_EQUAL(configure(), 0);
	local = (struct xdp_local){0};
	CU_ASSERT_EQUAL(xdp_rss_reta_update(&dev, &reta, ENTRIES), -E_RTE_SECONDARY);
	CU_ASSERT_EQUAL(xdp_rss_reta_query(&dev, &reta, ENTRIES), -E_RTE_SECONDARY);
	CU_ASSERT_EQUAL(xdp_rss_hash_update(&dev, &conf), -E_RTE_SECONDARY);
	CU_ASSERT_EQUAL(xdp_rss_hash_get(&dev, &conf), -E_RTE_SECONDARY);
}

WEIR_TESTS("xdp/rss_device", TEST(a_device_is_left_as_it_is_but_for_the_types_that_are_asked_for),
	   TEST(a_table_or_key_that_ethdev_has_no_number_for_is_none),
	   TEST(its_table_is_told_in_queues_of_the_port),
	   TEST(types_and_key_are_both_changed_or_none),
	   TEST(the_program_hashes_what_a_device_cannot_and_a_line_says_so),
	   TEST(a_key_of_another_length_than_the_devices_is_refused),
	   TEST(memory_that_runs_out_changes_no_table),
	   TEST(a_secondary_process_is_told_that_it_may_not))
