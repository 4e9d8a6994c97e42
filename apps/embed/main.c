/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * weir-embed: a stack inside somebody else's program: an epoll loop, a TUN device, and an echo over
 * TCP at all addresses that the kernel routes to the device. No worker, no pipeline, no hugepages.
 */

#include <errno.h>
#include <rte_eal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <weir/socket.h>
#include <weir/stack_fd.h>

#define PORT  7
#define BATCH 32

struct peer {
	struct rte_mbuf *held; /* received, and not taken back yet */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

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

static void serve(struct weir_stack *s, const struct weir_event *e)
{
	struct peer *p;
	weir_sock sock;

	if (e->user != NULL) {
		echo(s, e->sock, e->user);
		return;
	}
	while ((p = calloc(1, sizeof(*p))) != NULL && weir_accept(s, e->sock, p, &sock, NULL) == 0)
		;
	free(p); /* the one that nobody waited for */
}

int main(int argc, char **argv)
{
	char words[][24] = {"embed",	      "--no-huge", "--no-shconf", "--no-pci",
			    "--no-telemetry", "-m64",	   "-l0",	  "--log-level=error"};
	char *eal[] = {words[0], words[1], words[2], words[3],
		       words[4], words[5], words[6], words[7]};
	struct weir_stack_fd tun = {.fd = argc == 2 ? weir_tun_open(argv[1]) : -EINVAL};
	struct weir_stack_conf conf = {.sockets = 1,
				       .socket_pkts = 1,
				       .connections = 1000,
				       .now_ns = now_ns(),
				       .output = weir_stack_fd_output,
				       .ctx = &tun};
	const struct weir_endpoint at = {.port = PORT};
	const int loop = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ready = {.events = EPOLLIN};
	struct weir_event events[BATCH];
	struct weir_stack *s;
	weir_sock listener;
	uint64_t due_ns;
	uint16_t n;

	if (argc != 2)
		return fputs("usage: weir-embed TUN\n", stderr), 2;
	if (tun.fd < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, tun.fd, &ready) < 0)
		return fprintf(stderr, "weir-embed: no %s: %s\n", argv[1], strerror(-tun.fd)), 1;
	if (rte_eal_init(RTE_DIM(eal), eal) < 0)
		return fputs("weir-embed: no EAL\n", stderr), 1;
	conf.pool = tun.pool = weir_stack_pool("embed", 8191);
	if (conf.pool == NULL || getrandom(&conf.secret, sizeof(conf.secret), 0) < 0)
		return fputs("weir-embed: no memory\n", stderr), 1;
	if (weir_stack_create(&conf, &s) < 0 || weir_socket(s, WEIR_TCP, NULL, &listener) < 0 ||
	    weir_bind(s, listener, &at) < 0 || weir_listen(s, listener, 128) < 0)
		return fputs("weir-embed: no stack\n", stderr), 1;
	for (;;) {
		while ((n = weir_stack_events(s, events, BATCH)) > 0)
			for (uint16_t i = 0; i < n; i++)
				serve(s, &events[i]);
		due_ns = weir_stack_poll(s, now_ns());
		if (epoll_wait(loop, &ready, 1, weir_stack_wait_ms(due_ns, now_ns())) > 0)
			weir_stack_fd_input(s, &tun, BATCH, now_ns());
	}
}
