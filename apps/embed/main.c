/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * weir-embed: a stack inside somebody else's program: an epoll loop, a TUN device, and an echo over
 * TCP at all addresses that the kernel routes to the device. No worker, no pipeline, no hugepages.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <rte_eal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <weir/meta.h>
#include <weir/socket.h>

#define PORT	  7
#define EVENTS	  32
#define NS_PER_MS UINT64_C(1000000)

struct peer {
	struct rte_mbuf *held; /* received, and not taken back yet */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 * NS_PER_MS + (uint64_t)t.tv_nsec;
}

/* ---- packets in and out ---- */

static void take_in(struct weir_stack *s, struct rte_mempool *pool, int tun)
{
	for (unsigned i = 0; i < EVENTS; i++) { /* then it is the others' turn */
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		ssize_t n =
			m == NULL ? -1
				  : read(tun, rte_pktmbuf_mtod(m, void *), rte_pktmbuf_tailroom(m));

		if (n > 0)
			rte_pktmbuf_append(m, (uint16_t)n);
		if (n <= 0 || !weir_stack_parse(m) || weir_stack_input(s, &m, 1, now_ns()) > 0)
			rte_pktmbuf_free(m);
		if (n <= 0)
			return;
	}
}

static void send_out(void *tun, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct iovec part[16];
		int parts = 0;

		for (struct rte_mbuf *m = pkts[i]; m != NULL && parts < 16; m = m->next)
			part[parts++] = (struct iovec){rte_pktmbuf_mtod(m, void *), m->data_len};
		if (writev(*(int *)tun, part, parts) < 0 && errno != EAGAIN)
			perror("weir-embed: send"); /* lost: TCP sends it again */
		rte_pktmbuf_free(pkts[i]);
	}
}

/* ---- the echo ---- */

static void echo(struct weir_stack *s, weir_sock sock, struct peer *p)
{
	int64_t n;

	do
		n = p->held != NULL ? weir_send_mbuf(s, sock, &p->held)
				    : weir_recv_mbuf(s, sock, &p->held);
	while (n > 0);
	if (n == -EAGAIN)
		return;
	weir_sock_close(s, sock);
	rte_pktmbuf_free(p->held);
	free(p);
}

static void serve(struct weir_stack *s)
{
	struct weir_event events[EVENTS];
	struct peer *p;
	weir_sock sock;
	uint16_t n;

	while ((n = weir_stack_events(s, events, EVENTS)) > 0)
		for (uint16_t i = 0; i < n; i++) {
			if (events[i].user != NULL) {
				echo(s, events[i].sock, events[i].user);
				continue;
			}
			while ((p = calloc(1, sizeof(*p))) != NULL &&
			       weir_accept(s, events[i].sock, p, &sock, NULL) == 0)
				;
			free(p); /* the one that nobody waited for */
		}
}

/* ---- making it ---- */

static int open_tun(const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0 ? -1 : fd;
}

static struct weir_stack *make_stack(struct rte_mempool *pool, int *tun)
{
	struct weir_stack_conf conf = {.pool = pool,
				       .sockets = 1,
				       .socket_pkts = 1,
				       .connections = 1000,
				       .now_ns = now_ns(),
				       .output = send_out,
				       .ctx = tun};
	const struct weir_endpoint at = {.port = PORT};
	struct weir_stack *s;
	weir_sock listener;

	if (getrandom(&conf.secret, sizeof(conf.secret), 0) != sizeof(conf.secret) ||
	    weir_stack_create(&conf, &s) < 0)
		return NULL;
	if (weir_socket(s, WEIR_TCP, NULL, &listener) == 0 && weir_bind(s, listener, &at) == 0 &&
	    weir_listen(s, listener, 128) == 0)
		return s;
	weir_stack_free(s);
	return NULL;
}

/* Milliseconds until then, as epoll counts. */
static int timeout_ms(uint64_t due_ns, uint64_t at_ns)
{
	if (due_ns == UINT64_MAX)
		return -1;
	return due_ns <= at_ns ? 0
			       : (int)RTE_MIN((due_ns - at_ns) / NS_PER_MS + 1, UINT64_C(60000));
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0],
		       (char[]){"--no-huge"},
		       (char[]){"--no-shconf"},
		       (char[]){"--no-pci"},
		       (char[]){"--no-telemetry"},
		       (char[]){"-m64"},
		       (char[]){"-l0"},
		       (char[]){"--log-level=error"}};
	struct epoll_event ready = {.events = EPOLLIN};
	struct rte_mempool *pool;
	struct weir_stack *s;
	uint64_t due_ns;
	int tun, loop;

	if (argc != 2)
		return fputs("usage: weir-embed TUN\n", stderr), 2;
	tun = open_tun(argv[1]);
	loop = epoll_create1(EPOLL_CLOEXEC);
	if (tun < 0 || loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, tun, &ready) < 0)
		return perror("weir-embed"), 1;
	if (rte_eal_init(RTE_DIM(eal), eal) < 0)
		return fputs("weir-embed: no EAL\n", stderr), 1;
	pool = rte_pktmbuf_pool_create("embed", 8191, 0, sizeof(struct weir_meta),
				       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	s = pool == NULL ? NULL : make_stack(pool, &tun);
	if (s == NULL)
		return fputs("weir-embed: no stack\n", stderr), 1;
	for (;;) {
		serve(s);
		due_ns = weir_stack_poll(s, now_ns());
		if (epoll_wait(loop, &ready, 1, timeout_ms(due_ns, now_ns())) > 0)
			take_in(s, pool, tun);
	}
}
