/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of ethdev that cannot be honoured, and starts that fail halfway: the right number, one
 * line, nothing half done. Needs root. */
#include "toy_xdp.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static const struct rte_eth_conf plain;

static uint16_t plug(const char *more)
{
	uint16_t port = UINT16_MAX;

	CU_ASSERT_EQUAL_FATAL(toy_xdp_plug(more, &port), 0);
	return port;
}

/* A packet goes each way. */
static bool is_alive(uint16_t port)
{
	int wire = toy_xdp_wire("v1");
	struct rte_mbuf *m;
	bool sent;

	toy_xdp_send(wire, 1);
	m = toy_xdp_take(port, 0);
	sent = m != NULL && rte_eth_tx_burst(port, 0, &m, 1) == 1;
	close(wire);
	return sent;
}

static void test_a_devarg_that_the_device_cannot_honour_plugs_in_nothing(void)
{
	static const struct {
		const char *more;
		int rc;
		const char *words;
	} rows[] = {
		{",start_queue=4", -EINVAL, "v0: start_queue=4, but it has 4 receive queues"},
		{",hw_queues=5", -EINVAL, "v0: hw_queues=5 from 0, but it has 4"},
		{",start_queue=3,hw_queues=2", -EINVAL, "v0: hw_queues=2 from 3"},
		{",zerocopy=maybe", -EINVAL, "v0: zerocopy is \"maybe\""},
	};
	uint16_t port;

	for (unsigned i = 0; i < RTE_DIM(rows); i++) {
		toy_log_begin();
		CU_ASSERT_EQUAL(toy_xdp_plug(rows[i].more, &port), rows[i].rc);
		CU_ASSERT_TRUE(toy_log_has(rows[i].words));
		CU_ASSERT_EQUAL(rte_eth_dev_count_avail(), 0);
	}
	toy_log_begin();
	CU_ASSERT_EQUAL(rte_vdev_init(TOY_XDP_NAME, "iface=v9"), -ENODEV);
	CU_ASSERT_TRUE(toy_log_has("v9"));
}

static void test_what_cannot_be_configured_is_refused_and_can_be_mended(void)
{
	static const struct {
		struct rte_eth_conf conf;
		uint16_t rxqs, txqs;
		int rc;
		const char *words;
	} rows[] = {
		{.rxqs = 0, .txqs = 1, .rc = -EINVAL, .words = "v0: no rx queue"},
		{.rxqs = 5, .txqs = 1, .rc = -EINVAL, .words = "nb_rx_queues=5"},
		{.rxqs = 1, .txqs = 65, .rc = -EINVAL, .words = "nb_tx_queues=65"},
		{{.lpbk_mode = 1}, 1, 1, -ENOTSUP, "v0: loopback is not offered"},
		{{.txmode.mq_mode = RTE_ETH_MQ_TX_DCB}, 1, 1, -ENOTSUP, "v0: queues by DCB"},
		{{.rxmode.mq_mode = RTE_ETH_MQ_RX_VMDQ_RSS}, 1, 1, -ENOTSUP, "v0: queues by DCB"},
		{{.link_speeds = RTE_ETH_LINK_SPEED_10G | RTE_ETH_LINK_SPEED_FIXED},
		 1,
		 1,
		 -ENOTSUP,
		 "v0: a fixed speed is not offered"},
		{{.rxmode.mtu = 65000}, 1, 1, -EINVAL, "MTU (65000)"},
	};
	uint16_t port = plug("");

	for (unsigned i = 0; i < RTE_DIM(rows); i++) {
		toy_log_begin();
		CU_ASSERT_EQUAL(
			rte_eth_dev_configure(port, rows[i].rxqs, rows[i].txqs, &rows[i].conf),
			rows[i].rc);
		CU_ASSERT_TRUE(toy_log_has(rows[i].words));
		CU_ASSERT_NOT_EQUAL(rte_eth_dev_start(port), 0);
	}
	CU_ASSERT_EQUAL(toy_xdp_start(port, 2, &plain), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_configure(port, 1, 1, &plain), -EBUSY);
	CU_ASSERT_TRUE(is_alive(port));
	toy_xdp_unplug();
}

static void test_queues_that_cannot_be_had_are_refused(void)
{
	const struct rte_eth_rxconf later_rx = {.rx_deferred_start = 1};
	const struct rte_eth_txconf later_tx = {.tx_deferred_start = 1};
	struct rte_mempool *small = rte_pktmbuf_pool_create("small", 63, 0, 0, 1500, SOCKET_ID_ANY);
	uint16_t port = plug("");
	struct rte_eth_dev *dev = &rte_eth_devices[port];

	CU_ASSERT_EQUAL(rte_eth_dev_configure(port, 1, 1, &plain), 0);
	CU_ASSERT_EQUAL(rte_eth_rx_queue_setup(port, 0, 32, 0, NULL, toy_xdp_pool), -EINVAL);
	CU_ASSERT_EQUAL(rte_eth_rx_queue_setup(port, 0, 8192, 0, NULL, toy_xdp_pool), -EINVAL);
	CU_ASSERT_EQUAL(rte_eth_rx_queue_setup(port, 0, 100, 0, NULL, toy_xdp_pool), -EINVAL);
	CU_ASSERT_EQUAL(rte_eth_rx_queue_setup(port, 1, 64, 0, NULL, toy_xdp_pool), -EINVAL);
	CU_ASSERT_EQUAL(rte_eth_rx_queue_setup(port, 0, 64, 0, NULL, small), -EINVAL);
	CU_ASSERT_EQUAL(rte_eth_tx_queue_setup(port, 0, 32, 0, NULL), -EINVAL);
	toy_log_begin();
	CU_ASSERT_EQUAL(xdp_rx_queue_setup(dev, 0, 32, 0, &later_rx, toy_xdp_pool), -EINVAL);
	CU_ASSERT_TRUE(toy_log_has("v0: 32 descriptors, a ring has 64 to 4096"));
	CU_ASSERT_EQUAL(xdp_rx_queue_setup(dev, 0, 64, 0, &later_rx, toy_xdp_pool), -ENOTSUP);
	CU_ASSERT_EQUAL(xdp_tx_queue_setup(dev, 0, 64, 0, &later_tx), -ENOTSUP);
	CU_ASSERT_EQUAL(xdp_rx_queue_setup(dev, 0, 64, 0, &(struct rte_eth_rxconf){0}, small),
			-EINVAL);
	CU_ASSERT_TRUE(toy_log_has("pool small has buffers of less than 2048 bytes"));
	CU_ASSERT_EQUAL(toy_log_lines(), 4);
	CU_ASSERT_NOT_EQUAL(rte_eth_dev_start(port), 0);
	CU_ASSERT_EQUAL(toy_xdp_start(port, 1, &plain), 0);
	CU_ASSERT_TRUE(is_alive(port));
	toy_xdp_unplug();
	rte_mempool_free(small);
}

static void test_an_mtu_that_no_buffer_holds_is_refused(void)
{
	uint16_t port = plug(""), mtu;

	CU_ASSERT_EQUAL(toy_xdp_start(port, 1, &plain), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_set_mtu(port, 60), -EINVAL);
	toy_log_begin();
	CU_ASSERT_EQUAL(rte_eth_dev_set_mtu(port, 3000), -EINVAL);
	CU_ASSERT_TRUE(toy_log_has("v0: MTU 3000 does not fit a buffer, which holds 1920 bytes"));
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	CU_ASSERT_EQUAL(rte_eth_dev_set_mtu(port, 1400), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_get_mtu(port, &mtu), 0);
	CU_ASSERT_EQUAL(mtu, 1400);
	toy_xdp_unplug();
	CU_ASSERT_TRUE(toy_sh("ip -o link show v0 | grep -q 'mtu 1500'"));
}

/* ---- a start that fails halfway ---- */

static void test_a_pool_with_too_few_buffers_can_be_replaced_by_another(void)
{
	struct rte_mempool *few =
		rte_pktmbuf_pool_create("few", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	uint16_t port = plug("");

	CU_ASSERT_EQUAL(rte_eth_dev_configure(port, 2, 1, &plain), 0);
	for (uint16_t q = 0; q < 2; q++)
		CU_ASSERT_EQUAL(rte_eth_rx_queue_setup(port, q, 256, 0, NULL, few), 0);
	CU_ASSERT_EQUAL(rte_eth_tx_queue_setup(port, 0, 256, 0, NULL), 0);
	for (unsigned tries = 0; tries < 3; tries++) {
		toy_log_begin();
		CU_ASSERT_EQUAL(rte_eth_dev_start(port), -ENOMEM);
		CU_ASSERT_TRUE(toy_log_has("v0: pool few has too few buffers: rx queue"));
		CU_ASSERT_EQUAL(rte_mempool_avail_count(few), 255);
		CU_ASSERT_TRUE(toy_sh("! ip -o link show v0 | grep -q xdp"));
	}
	CU_ASSERT_EQUAL(toy_xdp_start(port, 2, &plain), 0);
	CU_ASSERT_TRUE(is_alive(port));
	toy_xdp_unplug();
	CU_ASSERT_EQUAL(rte_mempool_avail_count(few), 255);
	rte_mempool_free(few);
}

/* Whether this process may lock as much memory as it likes. */
static bool set_lock_right(bool on)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) != 0)
		return false;
	if (on)
		data[0].effective |= RTE_BIT32(CAP_IPC_LOCK);
	else
		data[0].effective &= ~RTE_BIT32(CAP_IPC_LOCK);
	return syscall(SYS_capset, &head, data) == 0;
}

static void test_a_limit_on_locked_memory_is_named_and_can_be_raised(void)
{
	struct rlimit was, little;
	uint16_t port = plug("");

	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_MEMLOCK, &was), 0);
	little = (struct rlimit){.rlim_cur = 65536, .rlim_max = was.rlim_max};
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_MEMLOCK, &little), 0);
	CU_ASSERT_TRUE_FATAL(set_lock_right(false));
	toy_log_begin();
	CU_ASSERT_EQUAL(toy_xdp_start(port, 1, &plain), -ENOBUFS);
	CU_ASSERT_TRUE(toy_log_has("v0: hardware queue 0: cannot register the pool's memory"));
	CU_ASSERT_TRUE(toy_log_has("RLIMIT_MEMLOCK"));
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	CU_ASSERT_TRUE(set_lock_right(true));
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_MEMLOCK, &was), 0);
	CU_ASSERT_EQUAL(rte_eth_dev_start(port), 0);
	CU_ASSERT_TRUE(is_alive(port));
	toy_xdp_unplug();
}

static void test_stops_and_starts_lose_nothing(void)
{
	const unsigned times = getenv("WEIR_TEST_LONG") == NULL ? 10 : 200;
	uint16_t port = plug(",queues=8");

	for (uint16_t i = 0; i < times; i++) {
		CU_ASSERT_EQUAL_FATAL(toy_xdp_start(port, 1 + i % 5, &plain), 0);
		CU_ASSERT_TRUE(is_alive(port));
		CU_ASSERT_EQUAL_FATAL(rte_eth_dev_stop(port), 0);
		CU_ASSERT_EQUAL(rte_mempool_avail_count(toy_xdp_pool), TOY_XDP_MBUFS);
	}
	toy_xdp_unplug();
}

/* ---- a queue that somebody else has ---- */

/* A socket on hardware queue 0, as a program that was killed leaves it for a moment. */
struct owner {
	int fd;
	struct xdp_ring fill, comp, rx;
	const uint64_t *retries; /* it goes at the first one */
	pthread_t thread;
};

static void take_queue(struct owner *o)
{
	static uint8_t memory[2 * XDP_CHUNK_MAX] __attribute__((aligned(4096)));
	const struct xdp_umem_shape shape = {
		.base = memory, .bytes = sizeof(memory), .chunk_bytes = XDP_CHUNK_MAX};
	uint64_t retries = 0;

	memset(o, 0, sizeof(*o));
	o->fd = xdp_sock_open();
	CU_ASSERT_TRUE_FATAL(o->fd >= 0);
	CU_ASSERT_EQUAL_FATAL(xdp_sock_umem(o->fd, &shape), 0);
	CU_ASSERT_EQUAL(xdp_sock_ring(o->fd, XDP_RING_FILL, XDP_DESC_MIN, &o->fill), 0);
	CU_ASSERT_EQUAL(xdp_sock_ring(o->fd, XDP_RING_COMPLETION, XDP_DESC_MIN, &o->comp), 0);
	CU_ASSERT_EQUAL(xdp_sock_ring(o->fd, XDP_RING_RX, XDP_DESC_MIN, &o->rx), 0);
	CU_ASSERT_EQUAL_FATAL(
		xdp_sock_bind(o->fd, (int)if_nametoindex("v0"), 0, XDP_COPY, -1, &retries), 0);
}

static void leave_queue(struct owner *o)
{
	xdp_sock_unmap(&o->fill);
	xdp_sock_unmap(&o->comp);
	xdp_sock_unmap(&o->rx);
	close(o->fd);
}

static void *leave_when_missed(void *owner)
{
	struct owner *o = owner;

	while (__atomic_load_n(o->retries, __ATOMIC_RELAXED) == 0)
		sched_yield();
	leave_queue(o);
	return NULL;
}

static void test_a_queue_that_a_crash_has_left_busy_is_waited_for(void)
{
	uint16_t port = plug("");
	struct owner crashed;

	take_queue(&crashed);
	crashed.retries = &xdp_port_of(&rte_eth_devices[port])->bind_retries;
	CU_ASSERT_EQUAL_FATAL(*crashed.retries, 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&crashed.thread, NULL, leave_when_missed, &crashed),
			      0);
	toy_log_begin();
	CU_ASSERT_EQUAL(toy_xdp_start(port, 1, &plain), 0);
	CU_ASSERT_EQUAL(toy_log_lines(), 0);
	CU_ASSERT_EQUAL(pthread_join(crashed.thread, NULL), 0);
	CU_ASSERT_TRUE(*crashed.retries > 0);
	CU_ASSERT_TRUE(is_alive(port));
	toy_xdp_unplug();
}

static void test_a_queue_that_another_program_keeps_is_named(void)
{
	uint16_t port = plug("");
	struct owner other;

	take_queue(&other);
	toy_log_begin();
	CU_ASSERT_EQUAL(toy_xdp_start(port, 1, &plain), -EBUSY);
	CU_ASSERT_TRUE(toy_log_has("v0: hardware queue 0: cannot"));
	CU_ASSERT_TRUE(toy_log_has("another socket has this queue"));
	leave_queue(&other);
	CU_ASSERT_EQUAL(rte_eth_dev_start(port), 0);
	CU_ASSERT_TRUE(is_alive(port));
	toy_xdp_unplug();
}

/* ---- an interface that vanishes ---- */

static void test_a_port_outlives_its_interface_and_says_so(void)
{
	uint16_t port = plug("");
	struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 9}};
	struct rte_mbuf *m;

	CU_ASSERT_EQUAL(toy_xdp_start(port, 2, &plain), 0);
	CU_ASSERT_TRUE(toy_veth_end());
	CU_ASSERT_EQUAL(rte_eth_rx_burst(port, 0, &m, 1), 0);
	m = rte_pktmbuf_alloc(toy_xdp_pool);
	rte_pktmbuf_append(m, 60);
	if (rte_eth_tx_burst(port, 0, &m, 1) == 0)
		rte_pktmbuf_free(m);
	CU_ASSERT_EQUAL(rte_eth_promiscuous_enable(port), -ENODEV);
	CU_ASSERT_EQUAL(rte_eth_dev_set_mtu(port, 1400), -ENODEV);
	CU_ASSERT_EQUAL(rte_eth_dev_default_mac_addr_set(port, &mac), -ENODEV);
	CU_ASSERT_EQUAL(rte_eth_dev_stop(port), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(toy_xdp_pool), TOY_XDP_MBUFS);
	toy_log_begin();
	CU_ASSERT_EQUAL(rte_eth_dev_start(port), -ENODEV);
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	toy_xdp_unplug();
	/* Another of that name can be had. */
	CU_ASSERT_TRUE(toy_veth());
	port = plug("");
	CU_ASSERT_EQUAL(toy_xdp_start(port, 1, &plain), 0);
	CU_ASSERT_TRUE(is_alive(port));
	toy_xdp_unplug();
}

static const struct weir_test tests[] = {
	TEST(a_devarg_that_the_device_cannot_honour_plugs_in_nothing),
	TEST(what_cannot_be_configured_is_refused_and_can_be_mended),
	TEST(queues_that_cannot_be_had_are_refused),
	TEST(an_mtu_that_no_buffer_holds_is_refused),
	TEST(a_pool_with_too_few_buffers_can_be_replaced_by_another),
	TEST(a_limit_on_locked_memory_is_named_and_can_be_raised),
	TEST(stops_and_starts_lose_nothing),
	TEST(a_queue_that_a_crash_has_left_busy_is_waited_for),
	TEST(a_queue_that_another_program_keeps_is_named),
	TEST(a_port_outlives_its_interface_and_says_so),
};

int main(void)
{
	const int rc = toy_xdp_begin();

	return rc != 0 ? rc : weir_tests_run("xdp/port", tests, sizeof(tests) / sizeof(tests[0]));
}
