/* SPDX-License-Identifier: BSD-3-Clause */

/* Ports on DPDK's software devices, pools, and the raw mode, under an EAL without hugepages. */

#include "failalloc.h"
#include "toy_eal.h"

#include <errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weir/meta.h>
#include <weir/raw.h>

#define MBUFS 4095

static struct rte_mempool *pool;

static int open_port(const char *device, struct weir_port_conf conf, struct weir_port **out,
		     struct weir_why *why)
{
	if (pool == NULL)
		pool = toy_pool("eth", MBUFS);
	conf.name = "p";
	conf.device = device;
	return weir_port_eth_open(&conf, 0, pool, out, why);
}

static struct weir_port *started(const char *device)
{
	struct weir_why why = {0};
	struct weir_port *p = NULL;

	CU_ASSERT_EQUAL_FATAL(
		open_port(device, (struct weir_port_conf){.rxd = 256, .txd = 256}, &p, &why), 0);
	CU_ASSERT_EQUAL_FATAL(weir_port_start(p, &why), 0);
	return p;
}

static void close_and_count(struct weir_port *p)
{
	weir_port_close(p);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), MBUFS);
}

static struct rte_mbuf *packet(uint8_t number)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	memset(rte_pktmbuf_append(m, 60), number, 60);
	return m;
}

static void test_a_pool_has_a_line_of_metadata_for_each_packet(void)
{
	struct rte_mempool *mp = toy_pool("meta", 511);
	struct rte_mbuf *m = rte_pktmbuf_alloc(mp);

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(m->priv_size, sizeof(struct weir_meta));
	CU_ASSERT_PTR_EQUAL(weir_meta(m), rte_mbuf_to_priv(m));
	CU_ASSERT_EQUAL(rte_pktmbuf_data_room_size(mp), 2176);
	rte_pktmbuf_free(m);
	rte_mempool_free(mp);
}

static void test_a_pool_that_does_not_fit_is_said_in_hugepages(void)
{
	struct weir_pool_plan plan;
	struct rte_mempool *mp = NULL;
	struct weir_why why = {0};

	toy_eal();
	weir_pool_size(&(struct weir_pool_need){.rx_descs = 1000000, .mtu = 1500}, &plan);
	CU_ASSERT_EQUAL(weir_pool_create("large", &plan, -1, &mp, &why), -ENOMEM);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "hugepages of 2 MiB"));
	CU_ASSERT_PTR_NULL(mp);
}

static void test_a_second_pool_of_one_name_is_refused(void)
{
	const struct weir_pool_plan plan = {.mbufs = 511, .data_bytes = 2176, .cache = 32};
	struct rte_mempool *one = toy_pool("twice", 511), *two = NULL;
	struct weir_why why = {0};

	CU_ASSERT_EQUAL(weir_pool_create("twice", &plan, -1, &two, &why), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "already a pool named twice"));
	rte_mempool_free(one);
}

static void test_a_device_gives_and_takes_packets_and_counts_them(void)
{
	struct weir_port *p = started("net_null0,size=64");
	struct weir_port_stats s;
	struct rte_mbuf *pkts[32];

	CU_ASSERT_STRING_EQUAL(p->driver, "net_null");
	CU_ASSERT_EQUAL(p->rx(p, 0, pkts, 32), 32);
	CU_ASSERT_EQUAL(pkts[31]->pkt_len, 64);
	CU_ASSERT_EQUAL(p->tx(p, 0, pkts, 32), 32);
	CU_ASSERT_EQUAL(p->ops->stats(p, &s), 0);
	CU_ASSERT_EQUAL(s.rx_pkts, 32);
	CU_ASSERT_EQUAL(s.tx_pkts, 32);
	CU_ASSERT_TRUE(p->ops->link_up(p));
	close_and_count(p);
}

static void test_a_closed_device_can_be_had_again(void)
{
	for (unsigned i = 0; i < 3; i++)
		close_and_count(started("net_null0"));
}

static void test_one_device_is_one_port(void)
{
	struct weir_port *p = started("net_null0"), *q = NULL;
	struct weir_why why = {0};

	CU_ASSERT_EQUAL(open_port("net_null0", (struct weir_port_conf){0}, &q, &why), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "already another port's device"));
	CU_ASSERT_PTR_NULL(q);
	CU_ASSERT_TRUE(p->ops->link_up(p)); /* the first is not harmed */
	close_and_count(p);
}

static void test_a_ring_device_hands_back_what_it_was_given(void)
{
	struct weir_port *p = started("net_ring0");
	struct rte_mbuf *m = packet(9), *out[2];

	CU_ASSERT_EQUAL(p->tx(p, 0, &m, 1), 1);
	CU_ASSERT_EQUAL_FATAL(p->rx(p, 0, out, 2), 1);
	CU_ASSERT_PTR_EQUAL(out[0], m);
	rte_pktmbuf_free(m);
	close_and_count(p);
}

static void test_a_capture_file_is_a_port(void)
{
	static const uint32_t head[] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};
	static const uint32_t record[] = {0, 0, 60, 60};
	char path[] = "/tmp/weir-test-XXXXXX", device[96];
	struct rte_mbuf *pkts[8];
	const uint8_t frame[60] = {0x11};
	const int fd = mkstemp(path);
	struct weir_port *p;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, head, sizeof(head)), (ssize_t)sizeof(head));
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(write(fd, record, sizeof(record)), (ssize_t)sizeof(record));
		CU_ASSERT_EQUAL(write(fd, frame, sizeof(frame)), (ssize_t)sizeof(frame));
	}
	close(fd);
	snprintf(device, sizeof(device), "net_pcap0,rx_pcap=%s", path);
	p = started(device);
	CU_ASSERT_EQUAL_FATAL(p->rx(p, 0, pkts, 8), 3);
	CU_ASSERT_EQUAL(pkts[2]->pkt_len, 60);
	CU_ASSERT_EQUAL(*rte_pktmbuf_mtod(pkts[2], uint8_t *), 0x11);
	rte_pktmbuf_free_bulk(pkts, 3);
	close_and_count(p);
	unlink(path);
}

static void test_a_device_that_is_none_is_said(void)
{
	struct weir_port *p = NULL;
	struct weir_why why = {0};

	CU_ASSERT_EQUAL(open_port("net_nonsense0", (struct weir_port_conf){0}, &p, &why), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "no device for \"net_nonsense0\""));
	CU_ASSERT_PTR_NULL(p);
}

static void test_more_queues_than_a_device_has_are_refused(void)
{
	struct weir_port *p = NULL;
	struct weir_why why = {0};

	CU_ASSERT_EQUAL(open_port("net_ring0", (struct weir_port_conf){.rxqs = 500}, &p, &why),
			-EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "500 queues are wanted, net_ring has"));
	close_and_count(started("net_ring0")); /* nothing of it was left */
}

static void test_a_frame_larger_than_the_buffers_is_refused(void)
{
	struct weir_port *p = NULL;
	struct weir_why why = {0};

	CU_ASSERT_EQUAL(open_port("net_null0", (struct weir_port_conf){.mtu = 9000}, &p, &why),
			-EMSGSIZE);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "frames of 9022 bytes may come"));
}

static void test_a_port_without_interrupts_does_not_promise_them(void)
{
	struct weir_port *p = started("net_null0");

	CU_ASSERT_FALSE(p->caps & WEIR_PORT_INTR);
	CU_ASSERT_EQUAL(p->ops->intr_add(p, 0), -ENOTSUP);
	CU_ASSERT_FALSE(p->caps & WEIR_PORT_RSS);
	close_and_count(p);
}

static void test_several_queues_are_spread_alike_where_the_device_takes_the_key(void)
{
	const struct weir_port_conf conf = {.rxqs = 2, .txqs = 2, .rxd = 256, .txd = 256};
	struct weir_port *p = NULL, *q = NULL;
	uint8_t key[40];
	struct rte_eth_rss_conf rss = {.rss_key = key, .rss_key_len = sizeof(key)};

	CU_ASSERT_EQUAL_FATAL(open_port("net_null0", conf, &p, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_port_start(p, NULL), 0);
	CU_ASSERT_EQUAL(p->rxqs, 2);
	CU_ASSERT_TRUE(p->caps & WEIR_PORT_RSS);
	CU_ASSERT_EQUAL(rte_eth_dev_rss_hash_conf_get(p->dpdk_id, &rss), 0);
	for (unsigned i = 0; i < sizeof(key); i++)
		CU_ASSERT_EQUAL(key[i], i % 2 ? 0x5a : 0x6d);
	CU_ASSERT_EQUAL_FATAL(open_port("net_ring0", conf, &q, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_port_start(q, NULL), 0);
	CU_ASSERT_FALSE(q->caps & WEIR_PORT_RSS);
	weir_port_close(q);
	close_and_count(p);
}

static void count_one(void *ctx, const char *name, uint64_t value)
{
	if (strcmp(name, "rx_good_packets") == 0 && value == 4)
		(*(unsigned *)ctx)++;
}

static void test_device_counters_have_names(void)
{
	struct weir_port *p = started("net_null0");
	struct rte_mbuf *pkts[4];
	unsigned seen = 0;

	CU_ASSERT_EQUAL_FATAL(p->rx(p, 0, pkts, 4), 4);
	rte_pktmbuf_free_bulk(pkts, 4);
	CU_ASSERT_EQUAL(p->ops->each_xstat(p, count_one, &seen), 0);
	CU_ASSERT_EQUAL(seen, 1);
	close_and_count(p);
}

static void test_the_raw_mode_moves_packets_and_shows_its_rings(void)
{
	const struct weir_port_conf ports[] = {
		{.name = "a", .device = "net_null0", .rxd = 256, .txd = 256},
		{.name = "b", .device = "net_ring0", .rxd = 256, .txd = 256}};
	char text[1024] = "";
	FILE *to = fmemopen(text, sizeof(text), "w");
	struct rte_mbuf *pkts[16];
	struct weir_raw *r = NULL;
	struct weir_why why = {0};

	toy_eal();
	CU_ASSERT_EQUAL_FATAL(weir_raw_open(ports, 2, 64, &r, &why), 0);
	CU_ASSERT_EQUAL(weir_raw_rx(r, 0, 0, pkts, 16), 16);
	CU_ASSERT_EQUAL(weir_raw_tx(r, 1, 0, pkts, 16), 16);
	CU_ASSERT_EQUAL(weir_raw_wait(r, 0), -ENOTSUP);
	CU_ASSERT_EQUAL(weir_raw_debug_rings(r, 1, 0, to), 0);
	CU_ASSERT_EQUAL(weir_raw_debug_rings(r, 2, 0, to), -EINVAL);
	CU_ASSERT_EQUAL(weir_raw_debug_rings(r, 1, 1, to), -EINVAL);
	fclose(to);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "port 1 b (net_ring) queue 0 of 1 rx, 1 tx, link up"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "tx 16 packets"));
	CU_ASSERT_EQUAL(weir_raw_rx(r, 1, 0, pkts, 16), 16);
	rte_pktmbuf_free_bulk(pkts, 16);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(weir_raw_pool(r)), weir_raw_pool(r)->size);
	weir_raw_close(r);
}

static void test_a_raw_mode_that_cannot_open_a_port_leaves_none_open(void)
{
	const struct weir_port_conf ports[] = {{.name = "a", .device = "net_null0"},
					       {.name = "b", .device = "net_nonsense0"}};
	struct weir_raw *r = NULL;
	struct weir_why why = {0};

	toy_eal();
	CU_ASSERT_TRUE(weir_raw_open(ports, 2, 0, &r, &why) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "port b: no device"));
	CU_ASSERT_PTR_NULL(r);
	close_and_count(started("net_null0"));
}

/* Device, port and raw mode: what was opened before memory ran out is closed again. */
static void test_opening_survives_failing_allocations(void)
{
	const struct weir_port_conf ports[] = {
		{.name = "a", .device = "net_null7", .rxd = 64, .txd = 64},
		{.name = "b", .device = "net_null8", .rxd = 64, .txd = 64},
	};
	unsigned failed = 0;

	toy_eal();
	FAILALLOC_EACH(n)
	{
		struct weir_why why = {0};
		struct weir_raw *r = NULL;
		const int rc = weir_raw_open(ports, 2, 0, &r, &why);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			weir_raw_close(r);
			break;
		}
		failed++;
		CU_ASSERT(rc < 0);
		CU_ASSERT_PTR_NULL(r);
		CU_ASSERT(why.text[0] != '\0');
	}
	CU_ASSERT(failed >= 4);
}

WEIR_TESTS("ports/port_eth", TEST(a_pool_has_a_line_of_metadata_for_each_packet),
	   TEST(a_pool_that_does_not_fit_is_said_in_hugepages),
	   TEST(a_second_pool_of_one_name_is_refused),
	   TEST(a_device_gives_and_takes_packets_and_counts_them),
	   TEST(a_closed_device_can_be_had_again), TEST(one_device_is_one_port),
	   TEST(a_ring_device_hands_back_what_it_was_given), TEST(a_capture_file_is_a_port),
	   TEST(a_device_that_is_none_is_said), TEST(more_queues_than_a_device_has_are_refused),
	   TEST(a_frame_larger_than_the_buffers_is_refused),
	   TEST(a_port_without_interrupts_does_not_promise_them),
	   TEST(several_queues_are_spread_alike_where_the_device_takes_the_key),
	   TEST(device_counters_have_names), TEST(the_raw_mode_moves_packets_and_shows_its_rings),
	   TEST(a_raw_mode_that_cannot_open_a_port_leaves_none_open),
	   TEST(opening_survives_failing_allocations))
