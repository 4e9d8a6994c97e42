/* SPDX-License-Identifier: BSD-3-Clause */
/* A primary and a secondary process in one: EAL's messages between them are function calls. */
#include "mp.c"
#include "mp_guest.c"
#include "test.h"
#include "toy_xdp_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>

#define SOCKS 19 /* three messages of eight descriptors */
#define PAGE  4096

int *xdp_fds[RTE_MAX_ETHPORTS];
const struct eth_dev_ops xdp_guest_ops;

static struct {
	struct xdp_port port;
	struct xdp_stats stats;
	struct rte_eth_dev dev;
	struct rte_eth_dev_data data;
	void *rx_queues[1], *tx_queues[1];
	struct xdp_rxq rxq;
	struct xdp_txq txq;
	struct xdp_sock socks[SOCKS];
	int host_fds[SOCKS];
	rte_mp_t host, guest;
	struct rte_mp_msg reply;
	bool replied;
	unsigned asked, told;
	rte_eal_alarm_callback alarm;
	void *alarm_arg;
	int map_rc;
	unsigned mapped;
	unsigned stops_at; /* after so many questions */
	bool gone;	   /* nobody may touch the queues any more */
	unsigned late;
} toy;

/* ---- EAL, played ---- */

int rte_mp_action_register(const char *name, rte_mp_t action)
{
	if (action == on_question)
		toy.host = action;
	else
		toy.guest = action;
	return 0;
}

int rte_mp_reply(struct rte_mp_msg *msg, const char *peer)
{
	toy.reply = *msg;
	for (int i = 0; i < msg->num_fds; i++)
		toy.reply.fds[i] = dup(msg->fds[i]); /* as SCM_RIGHTS does */
	toy.replied = true;
	return 0;
}

int rte_mp_request_sync(struct rte_mp_msg *req, struct rte_mp_reply *reply,
			const struct timespec *wait)
{
	toy.asked++;
	toy.replied = false;
	on_question(req, "guest");
	if (!toy.replied) {
		rte_errno = ETIMEDOUT;
		return -1;
	}
	if (toy.asked == toy.stops_at)
		toy.port.guests->generation++;
	reply->nb_sent = reply->nb_received = 1;
	reply->msgs = malloc(sizeof(toy.reply));
	*reply->msgs = toy.reply;
	return 0;
}

int rte_mp_sendmsg(struct rte_mp_msg *msg)
{
	toy.told++;
	return on_news(msg, "host");
}

int rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback cb, void *arg)
{
	toy.alarm = cb;
	toy.alarm_arg = arg;
	return 0;
}

int rte_eal_alarm_cancel(rte_eal_alarm_callback cb, void *arg)
{
	toy.alarm = NULL;
	return 0;
}

struct rte_eth_dev *rte_eth_dev_attach_secondary(const char *name)
{
	return &toy.dev;
}

void rte_eth_dev_probing_finish(struct rte_eth_dev *dev)
{
}

int rte_eth_dev_release_port(struct rte_eth_dev *dev)
{
	return 0;
}

void *rte_zmalloc(const char *type, size_t bytes, unsigned align)
{
	return calloc(1, bytes);
}

void rte_free(void *p)
{
	free(p);
}

/* ---- the rest of the driver, played ---- */

bool xdp_sockets_hold(const struct xdp_port *port)
{
	return port->stats->open;
}

void xdp_sockets_release(void)
{
}

int xdp_stats_read(struct rte_eth_dev *dev, struct xdp_count *out)
{
	out->rx[0].dropped = 42;
	return 0;
}

int xdp_sock_ring_again(int fd, enum xdp_ring_kind kind, const struct xdp_ring *ring)
{
	CU_ASSERT_TRUE(fcntl(fd, F_GETFD) >= 0);
	if (toy.map_rc == 0)
		toy.mapped++;
	return toy.map_rc;
}

/* Long enough that a stop falls into it. */
static uint16_t toy_burst(const void *queue, const void *want)
{
	for (unsigned i = 0; i < 1000; i++)
		rte_pause();
	if (queue != want || __atomic_load_n(&toy.gone, __ATOMIC_ACQUIRE))
		__atomic_add_fetch(&toy.late, 1, __ATOMIC_RELAXED);
	return 1;
}

uint16_t xdp_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	return toy_burst(queue, &toy.rxq);
}

uint16_t xdp_rx_burst_rich(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	return toy_burst(queue, &toy.rxq) + 1;
}

uint16_t xdp_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	return toy_burst(queue, &toy.txq);
}

/* ---- both ends ---- */

static struct rte_vdev_device vdev = {.device.name = "net_weir_xdp0"};

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void host_begin(void)
{
	memset(&toy, 0, sizeof(toy));
	toy_log_begin();
	toy.dev.data = &toy.data;
	toy.data.dev_private = &toy.port;
	toy.data.rx_queues = toy.rx_queues;
	toy.data.tx_queues = toy.tx_queues;
	toy.data.nb_rx_queues = toy.data.nb_tx_queues = 1;
	toy.rx_queues[0] = &toy.rxq;
	toy.tx_queues[0] = &toy.txq;
	toy.rxq.port = toy.txq.port = &toy.port;
	toy.port.stats = &toy.stats;
	toy.port.socks = toy.socks;
	toy.port.n_socks = SOCKS;
	toy.port.n_channels = 1;
	for (uint16_t i = 0; i < SOCKS; i++) {
		toy.socks[i].channel = &toy.port.channels[0];
		toy.host_fds[i] = open("/dev/null", O_RDONLY);
	}
	/* The guest will unmap it. */
	toy.socks[SOCKS - 1].rx.map =
		mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	toy.socks[SOCKS - 1].rx.map_bytes = PAGE;
	CU_ASSERT_EQUAL_FATAL(xdp_mp_open(&toy.dev), 0);
}

/* The descriptors that a process has are its own: the guest's take the place of the host's. */
static void host_start(void)
{
	xdp_fds[0] = toy.host_fds;
	toy.stats.open = true;
	xdp_mp_started(&toy.dev);
}

static void guest_begin(void)
{
	CU_ASSERT_EQUAL_FATAL(xdp_guest_probe(&vdev), 0);
}

static uint16_t rx(void)
{
	const struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[0];

	return toy.dev.rx_pkt_burst(ops->rxq.data[0], NULL, 1);
}

static uint16_t tx(void)
{
	const struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[0];

	return toy.dev.tx_pkt_burst(ops->txq.data[0], NULL, 1);
}

static void both_end(unsigned fds_before)
{
	CU_ASSERT_EQUAL(toy.late, 0);
	CU_ASSERT_EQUAL(xdp_guest_close(&toy.dev), 0);
	xdp_mp_close(&toy.dev);
	for (unsigned i = 0; i < SOCKS; i++)
		close(toy.host_fds[i]);
	CU_ASSERT_EQUAL(count_fds(), fds_before);
}

static void test_a_guest_takes_every_socket_and_polls(void)
{
	const unsigned fds = count_fds();

	host_begin();
	host_start();
	guest_begin();
	CU_ASSERT_EQUAL(toy.asked, 3);
	CU_ASSERT_EQUAL(count_fds(), fds + 2 * SOCKS);
	CU_ASSERT_EQUAL(toy.mapped, 1);
	CU_ASSERT_EQUAL(rx(), 1);
	CU_ASSERT_EQUAL(tx(), 1);
	toy.port.modes.meta = true; /* a rule with a mark came */
	CU_ASSERT_EQUAL(rx(), 2);
	both_end(fds);
}

static void test_a_stop_takes_all_back_and_a_start_gives_it_anew(void)
{
	const unsigned fds = count_fds();

	host_begin();
	guest_begin(); /* before the first start */
	CU_ASSERT_EQUAL(rx() + tx(), 0);
	for (unsigned i = 0; i < 100; i++) {
		toy.gone = false;
		host_start();
		CU_ASSERT_PTR_NOT_NULL_FATAL(toy.alarm);
		toy.alarm(toy.alarm_arg);
		CU_ASSERT_EQUAL(rx() + tx(), 2);
		xdp_mp_stopping(&toy.dev);
		toy.gone = true;
		CU_ASSERT_EQUAL(rx() + tx(), 0);
		CU_ASSERT_EQUAL(count_fds(), fds + SOCKS);
		CU_ASSERT_EQUAL(toy.port.guests->seats[0].mapped, 0);
		toy.socks[SOCKS - 1].rx.map =
			mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	CU_ASSERT_EQUAL(toy_log_lines(), 0);
	both_end(fds);
}

static void test_an_address_that_is_taken_leaves_statistics(void)
{
	const unsigned fds = count_fds();
	struct xdp_count count;

	host_begin();
	host_start();
	toy.map_rc = -EEXIST;
	guest_begin();
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	CU_ASSERT_TRUE(toy_log_has("statistics only, no packets in this process"));
	CU_ASSERT_EQUAL(rx() + tx(), 0);
	CU_ASSERT_EQUAL(xdp_guest_stats(&toy.dev, &count), 0);
	CU_ASSERT_EQUAL(count.rx[0].dropped, 42);
	CU_ASSERT_EQUAL(toy.port.guests->seats[0].mapped, 0);
	both_end(fds);
}

static void test_a_stop_while_a_guest_asks_leaves_it_with_nothing(void)
{
	const unsigned fds = count_fds();

	for (unsigned at = 1; at <= 3; at++) {
		host_begin();
		host_start();
		toy.stops_at = at;
		guest_begin();
		CU_ASSERT_EQUAL(rx() + tx(), 0);
		CU_ASSERT_EQUAL(toy.mapped, 0);
		CU_ASSERT_EQUAL(toy.port.guests->seats[0].mapped, 0);
		CU_ASSERT_EQUAL(toy_log_lines(), 0);
		both_end(fds);
	}
}

static void test_a_dead_guest_holds_up_no_stop(void)
{
	const unsigned fds = count_fds();
	pid_t pid;

	host_begin();
	host_start();
	guest_begin();
	pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	toy.port.guests->seats[1] = (struct xdp_seat){.pid = pid, .mapped = 1};
	xdp_mp_stopping(&toy.dev);
	CU_ASSERT_EQUAL(toy.port.guests->seats[1].pid, 0);
	CU_ASSERT_EQUAL(toy_log_lines(), 0);
	both_end(fds);
}

static void test_a_guest_that_stays_is_told_of(void)
{
	const unsigned fds = count_fds();

	host_begin();
	host_start();
	guest_begin();
	toy.port.guests->seats[1] = (struct xdp_seat){.pid = getpid(), .mapped = 1};
	xdp_mp_stopping(&toy.dev);
	CU_ASSERT_TRUE(toy_log_has("1 secondary processes do not let go"));
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	toy.port.guests->seats[1] = (struct xdp_seat){0};
	both_end(fds);
}

static void test_only_so_many_guests_find_a_seat(void)
{
	host_begin();
	for (unsigned i = 0; i < XDP_MAX_GUESTS; i++)
		toy.port.guests->seats[i].pid = 1;
	CU_ASSERT_EQUAL(xdp_guest_probe(&vdev), -EUSERS);
	CU_ASSERT_TRUE(toy_log_has("it has 16 secondary processes already"));
	memset(toy.port.guests, 0, sizeof(*toy.port.guests));
	xdp_mp_close(&toy.dev);
	for (unsigned i = 0; i < SOCKS; i++)
		close(toy.host_fds[i]);
}

static void test_a_message_of_another_form_is_refused(void)
{
	struct xdp_mp_message m = {.what = XDP_MP_STATS, .port_id = RTE_MAX_ETHPORTS};
	struct rte_mp_msg msg;

	host_begin();
	xdp_mp_write(&msg, &m);
	CU_ASSERT_EQUAL(on_question(&msg, NULL), -EINVAL);
	CU_ASSERT_EQUAL(on_news(&msg, NULL), -EINVAL);
	m.port_id = 1; /* nobody's */
	xdp_mp_write(&msg, &m);
	CU_ASSERT_EQUAL(on_question(&msg, NULL), -EINVAL);
	m.port_id = 0;
	m.what = XDP_MP_STOPPED;
	xdp_mp_write(&msg, &m);
	CU_ASSERT_EQUAL(on_question(&msg, NULL), -EINVAL);
	m.what = XDP_MP_STATS;
	xdp_mp_write(&msg, &m);
	msg.len_param--;
	CU_ASSERT_EQUAL(on_question(&msg, NULL), -EINVAL);
	CU_ASSERT_FALSE(toy.replied);
	m = (struct xdp_mp_message){.what = XDP_MP_SOCKETS, .first = SOCKS};
	xdp_mp_write(&msg, &m);
	host_start();
	CU_ASSERT_EQUAL(on_question(&msg, NULL), 0);
	CU_ASSERT_EQUAL(toy.reply.num_fds, 0);
	CU_ASSERT_EQUAL(((struct xdp_mp_message *)toy.reply.param)->rc, -EAGAIN);
	xdp_mp_close(&toy.dev);
	for (unsigned i = 0; i < SOCKS; i++)
		close(toy.host_fds[i]);
}

static bool poll_no_more;

static void *poll_on(void *arg)
{
	unsigned long *got = arg;

	while (!__atomic_load_n(&poll_no_more, __ATOMIC_ACQUIRE))
		__atomic_add_fetch(got, rx(), __ATOMIC_RELAXED);
	return NULL;
}

static void test_a_queue_goes_while_it_is_polled(void)
{
	const unsigned fds = count_fds();
	unsigned long got = 0;
	pthread_t thread;

	host_begin();
	guest_begin();
	poll_no_more = false;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, poll_on, &got), 0);
	for (unsigned i = 0; i < 200; i++) {
		const unsigned long before = __atomic_load_n(&got, __ATOMIC_RELAXED);

		__atomic_store_n(&toy.gone, false, __ATOMIC_RELEASE);
		host_start();
		toy.alarm(toy.alarm_arg);
		while (__atomic_load_n(&got, __ATOMIC_RELAXED) == before)
			sched_yield();
		xdp_mp_stopping(&toy.dev);
		__atomic_store_n(&toy.gone, true, __ATOMIC_RELEASE); /* a burst would see it */
		toy.socks[SOCKS - 1].rx.map =
			mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	__atomic_store_n(&poll_no_more, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	both_end(fds);
}

WEIR_TESTS("pmd-xdp/mp", TEST(a_guest_takes_every_socket_and_polls),
	   TEST(a_stop_takes_all_back_and_a_start_gives_it_anew),
	   TEST(an_address_that_is_taken_leaves_statistics),
	   TEST(a_stop_while_a_guest_asks_leaves_it_with_nothing),
	   TEST(a_dead_guest_holds_up_no_stop), TEST(a_guest_that_stays_is_told_of),
	   TEST(only_so_many_guests_find_a_seat), TEST(a_message_of_another_form_is_refused),
	   TEST(a_queue_goes_while_it_is_polled))
