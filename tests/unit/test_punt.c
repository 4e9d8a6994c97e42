/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 95_punt and the kernel path, with real TAPs in a network namespace of this process (root), and
 * with rings alone (anybody).
 */

#include "95_punt.c"
#include "failalloc.h"
#include "punt.c"
#include "test.h"
#include "toy_eal.h"
#include "toy_mbuf.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define PATIENCE_MS 5000
#define POOL_MBUFS  511
#define TAP	    "weir-t0"
#define TYPE_TEST   0x88b5 /* for experiments (IEEE 802) */

static struct rte_mempool *pool;
static struct weir_port port = {.id = 3, .mtu = 4000, .mac = {{2, 0, 0, 0, 0, 1}}};
static const struct weir_punt_port ports[] = {{&port, TAP}};

/* A namespace, and buffers. False: not root, so the kernel cannot be asked. */
static bool world(void)
{
	FILE *f;

	if (pool != NULL)
		return true;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
		printf("[not root: skipped] ");
		return false;
	}
	f = fopen("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w");
	if (f != NULL) { /* less of the kernel's own talk */
		fputs("1", f);
		fclose(f);
	}
	pool = toy_pool("punt", POOL_MBUFS);
	return true;
}

static struct weir_punt *make(uint16_t workers)
{
	struct weir_punt *p = NULL;
	struct weir_why why = {.text = ""};

	CU_ASSERT_EQUAL_FATAL(weir_punt_create(ports, 1, workers, pool, &p, &why), 0);
	return p;
}

static int on_tap(unsigned long request, struct ifreq *ifr)
{
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int rc;

	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), TAP);
	rc = ioctl(fd, request, ifr);
	close(fd);
	return rc;
}

/* The kernel's side of the TAP. */
static int packet_socket(uint16_t type)
{
	const int fd = socket(AF_PACKET, SOCK_RAW, htons(type));
	const struct sockaddr_ll at = {.sll_family = AF_PACKET,
				       .sll_protocol = htons(type),
				       .sll_ifindex = (int)if_nametoindex(TAP)};

	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, PATIENCE_MS) == 1;
}

/* A frame with a pattern, for the port or from it. */
static void fill(uint8_t *frame, unsigned bytes)
{
	memcpy(frame,
	       (const uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, TYPE_TEST >> 8,
				 TYPE_TEST & 0xff},
	       14);
	for (unsigned i = 14; i < bytes; i++)
		frame[i] = (uint8_t)(i * 7);
}

static struct rte_mbuf *frame_mbuf(unsigned bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	fill((uint8_t *)rte_pktmbuf_append(m, (uint16_t)bytes), bytes);
	*weir_meta(m) = (struct weir_meta){.port_in = port.id};
	return m;
}

static enum weir_verdict judge(struct punt_node *n, struct rte_mbuf *m)
{
	const struct weir_pass pass = {.now_ns = 0};
	uint8_t verdict = WEIR_VERDICTS;
	struct weir_burst b = {.pkt = &m, .verdict = &verdict, .n = 1, .pass = &pass};

	weir_node_punt.process(n, &b);
	return (enum weir_verdict)verdict;
}

/* Rings without TAPs or a thread, for the node alone. */
static struct weir_punt *rings_alone(void)
{
	struct weir_punt *p = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*p) + sizeof(p->worker[0]));

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	memset(p, 0, sizeof(*p) + sizeof(p->worker[0]));
	memset(p->tap_of, NO_TAP, sizeof(p->tap_of));
	p->tap_of[port.id] = 0;
	p->workers = 1;
	CU_ASSERT_EQUAL_FATAL(make_rings(p, NULL), 0);
	return p;
}

static void *node_with(struct weir_shard *s, struct weir_punt *p, uint64_t pps)
{
	void *node = NULL;

	*s = (struct weir_shard){.punt = p, .limits = {.punt_pps = pps}};
	CU_ASSERT_EQUAL_FATAL(weir_node_punt.create(s, &node), 0);
	return node;
}

static void test_without_a_kernel_path_a_packet_is_dropped(void)
{
	struct weir_punt *p = rings_alone();
	struct weir_shard s;
	struct toy_mbuf t;
	void *node;

	node = node_with(&s, NULL, 1000);
	toy_mbuf(&t, NULL, 60);
	CU_ASSERT_EQUAL(judge(node, &t.m), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_PUNT_OFF);
	s.punt = p;
	t.meta.port_in = (uint16_t)(port.id + 1);
	CU_ASSERT_EQUAL(judge(node, &t.m), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_PUNT_OFF);
	t.meta.port_in = WEIR_NO_PORT;
	CU_ASSERT_EQUAL(judge(node, &t.m), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_PUNT_OFF);
	weir_node_punt.free(node);
	weir_punt_free(p);
}

static void test_the_kernel_gets_no_more_than_the_limit(void)
{
	struct weir_punt *p = rings_alone();
	struct weir_shard s;
	struct toy_mbuf t;
	struct rte_mbuf *out;
	void *node;

	node = node_with(&s, p, 200); /* two at once */
	toy_mbuf(&t, NULL, 60);
	t.meta.port_in = port.id;
	CU_ASSERT_EQUAL(judge(node, &t.m), WEIR_HELD);
	CU_ASSERT_EQUAL(judge(node, &t.m), WEIR_HELD);
	CU_ASSERT_EQUAL(judge(node, &t.m), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_PUNT_FULL);
	while (rte_ring_sc_dequeue(p->worker[0].to_kernel, (void **)&out) == 0)
		CU_ASSERT_PTR_EQUAL(out, &t.m);
	weir_node_punt.free(node);
	weir_punt_free(p);
}

static void test_a_full_ring_is_a_named_drop(void)
{
	struct weir_punt *p = rings_alone();
	struct weir_shard s;
	struct toy_mbuf t;
	struct rte_mbuf *out;
	unsigned held = 0;
	void *node;

	node = node_with(&s, p, WEIR_BUCKET_RATE_MAX);
	toy_mbuf(&t, NULL, 60);
	t.meta.port_in = port.id;
	for (unsigned i = 0; i < 2 * RING_PKTS; i++)
		held += judge(node, &t.m) == WEIR_HELD;
	CU_ASSERT_EQUAL(held, RING_PKTS - 1);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_PUNT_FULL);
	while (rte_ring_sc_dequeue(p->worker[0].to_kernel, (void **)&out) == 0)
		held--;
	CU_ASSERT_EQUAL(held, 0);
	weir_node_punt.free(node);
	weir_punt_free(p);
}

static void test_the_thread_is_woken_only_if_it_sleeps_and_something_came(void)
{
	struct weir_punt *p = rings_alone();
	struct rte_mbuf *out;
	struct toy_mbuf t;
	uint64_t wakes;

	toy_mbuf(&t, NULL, 60);
	atomic_store(&p->asleep, true);
	punt_flush(p, 0);
	CU_ASSERT_TRUE(read(p->wake_fd, &wakes, sizeof(wakes)) < 0);
	CU_ASSERT_TRUE(punt_put(p, 0, &t.m));
	punt_flush(p, 0);
	punt_flush(p, 0);
	CU_ASSERT_EQUAL(read(p->wake_fd, &wakes, sizeof(wakes)), sizeof(wakes));
	CU_ASSERT_EQUAL(wakes, 1);
	atomic_store(&p->asleep, false);
	CU_ASSERT_TRUE(punt_put(p, 0, &t.m));
	punt_flush(p, 0);
	CU_ASSERT_TRUE(read(p->wake_fd, &wakes, sizeof(wakes)) < 0);
	while (rte_ring_sc_dequeue(p->worker[0].to_kernel, (void **)&out) == 0)
		CU_ASSERT_PTR_EQUAL(out, &t.m);
	weir_punt_free(p);
}

static void test_the_tap_is_dressed_as_the_port_and_leaves_with_it(void)
{
	struct ifreq ifr = {.ifr_flags = 0};
	struct weir_punt *p;

	if (!world())
		return;
	p = make(1);
	CU_ASSERT_EQUAL(on_tap(SIOCGIFHWADDR, &ifr), 0);
	CU_ASSERT_EQUAL(memcmp(ifr.ifr_hwaddr.sa_data, port.mac.addr_bytes, 6), 0);
	CU_ASSERT_EQUAL(on_tap(SIOCGIFMTU, &ifr), 0);
	CU_ASSERT_EQUAL(ifr.ifr_mtu, port.mtu);
	CU_ASSERT_EQUAL(on_tap(SIOCGIFFLAGS, &ifr), 0);
	CU_ASSERT_TRUE(ifr.ifr_flags & IFF_UP);
	weir_punt_free(p);
	CU_ASSERT_EQUAL(if_nametoindex(TAP), 0);
}

static void test_a_punted_frame_reaches_the_kernel_as_it_was(void)
{
	static uint8_t want[1400], got[2048];
	struct weir_punt_stats stats;
	struct weir_punt *p;
	struct weir_shard s;
	void *node;
	int fd;

	if (!world())
		return;
	fill(want, sizeof(want));
	p = make(2);
	fd = packet_socket(TYPE_TEST);
	node = node_with(&s, p, 100000);
	s.worker = 1;
	CU_ASSERT_EQUAL_FATAL(weir_punt_start(p, NULL), 0);
	for (unsigned i = 0; i < 3; i++) { /* the thread sleeps in between, or not */
		CU_ASSERT_EQUAL(judge(node, frame_mbuf(sizeof(want))), WEIR_HELD);
		punt_flush(p, 1);
		CU_ASSERT_TRUE_FATAL(readable(fd));
		CU_ASSERT_EQUAL(recv(fd, got, sizeof(got), 0), sizeof(want));
		CU_ASSERT_EQUAL(memcmp(got, want, sizeof(want)), 0);
	}
	weir_punt_stats(p, &stats);
	CU_ASSERT_EQUAL(stats.to_kernel_errors, 0);
	weir_node_punt.free(node);
	weir_punt_free(p);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_MBUFS);
	close(fd);
}

/* A tag stays on the frame; the kernel takes it off for its VLAN devices, as from any wire. */
static void test_a_tagged_frame_keeps_its_tag(void)
{
	static const uint8_t tag[4] = {0x81, 0x00, 0x60, 42};
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	uint8_t got[256];
	struct iovec part = {got, sizeof(got)};
	struct msghdr msg = {.msg_iov = &part,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	struct tpacket_auxdata aux;
	struct weir_punt *p;
	struct rte_mbuf *m;
	uint8_t *frame;
	int fd;

	if (!world())
		return;
	p = make(1);
	fd = packet_socket(ETH_P_ALL); /* others see it after the tag was used */
	CU_ASSERT_EQUAL(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &(int){1}, sizeof(int)), 0);
	m = frame_mbuf(100);
	CU_ASSERT_PTR_NOT_NULL_FATAL(rte_pktmbuf_prepend(m, sizeof(tag)));
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	memmove(frame, frame + sizeof(tag), 12);
	memcpy(frame + 12, tag, sizeof(tag));
	weir_meta(m)->l3_off = 18;
	CU_ASSERT_TRUE(punt_put(p, 0, m));
	CU_ASSERT_EQUAL_FATAL(weir_punt_start(p, NULL), 0);
	do { /* past what the kernel itself has to say */
		CU_ASSERT_TRUE_FATAL(readable(fd));
		msg.msg_controllen = sizeof(control);
	} while (recvmsg(fd, &msg, 0) != 100);
	CU_ASSERT_PTR_NOT_NULL_FATAL(CMSG_FIRSTHDR(&msg));
	memcpy(&aux, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(aux));
	CU_ASSERT_TRUE(aux.tp_status & TP_STATUS_VLAN_VALID);
	CU_ASSERT_EQUAL(aux.tp_vlan_tci, 0x6000 | 42);
	weir_punt_free(p);
	close(fd);
}

static void test_a_chain_is_written_as_one_frame(void)
{
	static uint8_t want[1500], got[4096];
	struct rte_mbuf *m;
	struct weir_punt *p;
	int fd;

	if (!world())
		return;
	fill(want, sizeof(want));
	p = make(1);
	fd = packet_socket(TYPE_TEST);
	m = frame_mbuf(1000);
	m->next = frame_mbuf(500);
	memcpy(rte_pktmbuf_mtod(m->next, void *), want + 1000, 500);
	m->nb_segs = 2;
	m->pkt_len = 1500;
	CU_ASSERT_TRUE(punt_put(p, 0, m));
	CU_ASSERT_EQUAL_FATAL(weir_punt_start(p, NULL), 0);
	CU_ASSERT_TRUE_FATAL(readable(fd));
	CU_ASSERT_EQUAL(recv(fd, got, sizeof(got), 0), sizeof(want));
	CU_ASSERT_EQUAL(memcmp(got, want, sizeof(want)), 0);
	weir_punt_free(p);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_MBUFS);
	close(fd);
}

static void test_what_waits_when_it_is_stopped_is_still_written(void)
{
	struct weir_punt_stats stats;
	struct weir_punt *p;

	if (!world())
		return;
	p = make(1);
	CU_ASSERT_EQUAL_FATAL(weir_punt_start(p, NULL), 0);
	for (unsigned i = 0; i < 200; i++)
		CU_ASSERT_TRUE(punt_put(p, 0, frame_mbuf(60)));
	weir_punt_stop(p);
	weir_punt_stats(p, &stats);
	CU_ASSERT_EQUAL(stats.to_kernel_pkts, 200);
	weir_punt_free(p);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_MBUFS);
}

static void test_a_tap_that_is_down_is_counted(void)
{
	struct ifreq ifr = {.ifr_flags = 0};
	struct weir_punt_stats stats;
	struct weir_punt *p;

	if (!world())
		return;
	p = make(1);
	CU_ASSERT_EQUAL(on_tap(SIOCSIFFLAGS, &ifr), 0);
	CU_ASSERT_TRUE(punt_put(p, 0, frame_mbuf(60)));
	CU_ASSERT_EQUAL_FATAL(weir_punt_start(p, NULL), 0);
	weir_punt_stop(p);
	weir_punt_stats(p, &stats);
	CU_ASSERT_EQUAL(stats.to_kernel_pkts, 0);
	CU_ASSERT_EQUAL(stats.to_kernel_errors, 1);
	weir_punt_free(p);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_MBUFS);
}

static int kicked_fd;

static void kick(struct weir_engine *e)
{
	const uint64_t one = 1;

	CU_ASSERT_EQUAL(write(kicked_fd, &one, sizeof(one)), sizeof(one));
}

/* The next frame of that type that the kernel sent; NULL if none comes. */
static struct rte_mbuf *taken(struct weir_punt *p, uint16_t type)
{
	struct rte_mbuf *m;
	uint64_t kicks;

	for (;;) {
		while (punt_take(p, 0, &m, 1) == 1) {
			if (rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->ether_type == htons(type))
				return m;
			rte_pktmbuf_free(m);
		}
		if (!readable(kicked_fd) || read(kicked_fd, &kicks, sizeof(kicks)) < 0)
			return NULL;
	}
}

static struct weir_punt *make_kicking(void)
{
	struct weir_punt *p = make(2);

	kicked_fd = eventfd(0, EFD_CLOEXEC);
	CU_ASSERT_TRUE_FATAL(kicked_fd >= 0);
	punt_wakes(p, 0, kick, NULL);
	punt_wakes(p, 1, NULL, NULL);
	CU_ASSERT_EQUAL_FATAL(weir_punt_start(p, NULL), 0);
	return p;
}

static void test_a_frame_of_the_kernel_comes_to_worker_0_whole_and_marked_as_ours(void)
{
	static const uint16_t sizes[] = {60, 1514, 2048, 2049, 4014};
	static uint8_t want[4096], got[4096];
	struct rte_mbuf *m, *none;
	struct weir_punt *p;
	int fd;

	if (!world())
		return;
	fill(want, sizeof(want));
	p = make_kicking();
	fd = packet_socket(TYPE_TEST);
	for (unsigned i = 0; i < RTE_DIM(sizes); i++) {
		CU_ASSERT_EQUAL_FATAL(send(fd, want, sizes[i], 0), sizes[i]);
		m = taken(p, TYPE_TEST);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL_FATAL(m->pkt_len, sizes[i]);
		CU_ASSERT_EQUAL(m->nb_segs, 1 + (sizes[i] - 1) / 2048);
		CU_ASSERT_EQUAL(rte_mbuf_check(m, 1, &(const char *){NULL}), 0);
		CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_read(m, 0, sizes[i], got), want, sizes[i]), 0);
		CU_ASSERT_EQUAL(weir_meta(m)->flags, WEIR_META_OURS | WEIR_META_KERNEL);
		CU_ASSERT_EQUAL(weir_meta(m)->port_out, port.id);
		CU_ASSERT_EQUAL(weir_meta(m)->port_in, WEIR_NO_PORT);
		CU_ASSERT_EQUAL(punt_take(p, 1, &none, 1), 0);
		rte_pktmbuf_free(m);
	}
	weir_punt_free(p);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_MBUFS);
	close(fd);
	close(kicked_fd);
}

static void test_the_kernels_own_packet_leaves_with_the_ports_address(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_in ours = {.sin_family = AF_INET};
	struct ifreq ifr = {.ifr_flags = 0};
	const struct rte_ether_hdr *eth;
	struct weir_punt *p;
	struct rte_mbuf *m;
	int fd;

	if (!world())
		return;
	p = make_kicking();
	inet_pton(AF_INET, "192.0.2.1", &ours.sin_addr);
	memcpy(&ifr.ifr_addr, &ours, sizeof(ours));
	CU_ASSERT_EQUAL_FATAL(on_tap(SIOCSIFADDR, &ifr), 0);
	inet_pton(AF_INET, "192.0.2.2", &to.sin_addr);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	CU_ASSERT_EQUAL(sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to)), 1);
	m = taken(p, 0x0806); /* it asks for the neighbour first */
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	CU_ASSERT_EQUAL(memcmp(&eth->src_addr, &port.mac, 6), 0);
	rte_pktmbuf_free(m);
	close(fd);
	weir_punt_free(p);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_MBUFS);
	close(kicked_fd);
}

static void test_without_buffers_the_kernels_frames_are_lost_and_counted(void)
{
	struct rte_mbuf *all[POOL_MBUFS];
	struct weir_punt_stats stats;
	struct weir_punt *p;
	struct rte_mbuf *m;
	bool more;
	uint8_t frame[60];
	int fd;

	if (!world())
		return;
	fill(frame, sizeof(frame));
	p = make(1);
	fd = packet_socket(TYPE_TEST);
	CU_ASSERT_EQUAL_FATAL(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_alloc_bulk(pool, all, POOL_MBUFS), 0);
	do { /* no thread runs: this is it */
		m = read_frame(p, &p->tap[0], &more);
		CU_ASSERT_PTR_NULL(m);
	} while (more);
	weir_punt_stats(p, &stats);
	CU_ASSERT_TRUE(stats.from_kernel_drops >= 1);
	rte_pktmbuf_free_bulk(all, POOL_MBUFS);
	weir_punt_free(p);
	close(fd);
}

static void test_a_name_that_is_taken_or_none_is_refused_with_a_sentence(void)
{
	const struct weir_punt_port bad[] = {{&port, "a-name-of-16-byte"}, {&port, ""}};
	struct weir_why why = {.text = ""};
	struct weir_punt *p, *second = NULL;

	if (!world())
		return;
	p = make(1);
	CU_ASSERT_EQUAL(weir_punt_create(ports, 1, 1, pool, &second, &why), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, TAP ": a network device has that name already"));
	for (unsigned i = 0; i < RTE_DIM(bad); i++) {
		CU_ASSERT_EQUAL(weir_punt_create(&bad[i], 1, 1, pool, &second, &why), -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "cannot name a TAP"));
	}
	CU_ASSERT_EQUAL(weir_punt_create(ports, 0, 1, pool, &second, &why), -EINVAL);
	CU_ASSERT_EQUAL(weir_punt_create(ports, 1, 0, pool, &second, &why), -EINVAL);
	CU_ASSERT_PTR_NULL(second);
	weir_punt_free(p);
}

static void test_without_permission_it_says_what_is_missing(void)
{
	struct weir_why why = {.text = ""};
	struct weir_punt *p = NULL;

	if (!world())
		return;
	CU_ASSERT_EQUAL_FATAL(seteuid(65534), 0);
	CU_ASSERT_EQUAL(weir_punt_create(ports, 1, 1, pool, &p, &why), -EPERM);
	CU_ASSERT_EQUAL_FATAL(seteuid(0), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "CAP_NET_ADMIN"));
	CU_ASSERT_PTR_NULL(p);
}

static void test_without_memory_nothing_is_left_behind(void)
{
	if (!world())
		return;
	FAILALLOC_EACH(n)
	{
		struct weir_punt *p = NULL;
		const int rc = weir_punt_create(ports, 1, 2, pool, &p, NULL);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			weir_punt_free(p);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(p);
		CU_ASSERT_EQUAL(if_nametoindex(TAP), 0);
	}
	weir_punt_free(NULL);
}

static void test_a_node_needs_memory_and_a_limit(void)
{
	struct weir_shard s = {.limits = WEIR_LIMITS_DEFAULT};
	void *self = NULL;

	failalloc_at(1);
	CU_ASSERT_EQUAL(weir_node_punt.create(&s, &self), -ENOMEM);
	failalloc_at(0);
	s.limits.punt_pps = 0;
	CU_ASSERT_EQUAL(weir_node_punt.create(&s, &self), -ERANGE);
	CU_ASSERT_PTR_NULL(self);
}

WEIR_TESTS("kernel/punt", TEST(without_a_kernel_path_a_packet_is_dropped),
	   TEST(the_kernel_gets_no_more_than_the_limit), TEST(a_full_ring_is_a_named_drop),
	   TEST(the_thread_is_woken_only_if_it_sleeps_and_something_came),
	   TEST(the_tap_is_dressed_as_the_port_and_leaves_with_it),
	   TEST(a_punted_frame_reaches_the_kernel_as_it_was), TEST(a_tagged_frame_keeps_its_tag),
	   TEST(a_chain_is_written_as_one_frame),
	   TEST(what_waits_when_it_is_stopped_is_still_written),
	   TEST(a_tap_that_is_down_is_counted),
	   TEST(a_frame_of_the_kernel_comes_to_worker_0_whole_and_marked_as_ours),
	   TEST(the_kernels_own_packet_leaves_with_the_ports_address),
	   TEST(without_buffers_the_kernels_frames_are_lost_and_counted),
	   TEST(a_name_that_is_taken_or_none_is_refused_with_a_sentence),
	   TEST(without_permission_it_says_what_is_missing),
	   TEST(without_memory_nothing_is_left_behind), TEST(a_node_needs_memory_and_a_limit))
