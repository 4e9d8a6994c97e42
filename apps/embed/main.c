/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-embed: a stack in a foreign epoll loop, behind a TUN device (docs/guide/stack.md) */

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <weir/clock.h>
#include <weir/eal.h>
#include <weir/socket.h>
#include <weir/stack_fd.h>

#define PORT  7
#define BATCH 32

struct peer {
	struct rte_mbuf *held; /* received, and not taken back yet */
};

static void welcome(struct weir_stack *s, weir_sock listener)
{
	struct peer *p;
	weir_sock sock;

	while ((p = calloc(1, sizeof(*p))) != NULL && weir_accept(s, listener, p, &sock, NULL) == 0)
		;
	free(p); /* the one that nobody waited for */
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

int main(int argc, char **argv)
{
	struct weir_stack_fd tun = {.fd = argc == 2 ? weir_tun_open(argv[1]) : -EINVAL};
	struct weir_stack_conf conf = {.sockets = 1, .socket_pkts = 1, .connections = 1000};
	const struct weir_endpoint at = {.port = PORT};
	const int loop = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ready = {.events = EPOLLIN};
	struct weir_event events[BATCH];
	struct weir_stack *s;
	weir_sock listener;
	struct weir_why why;

	if (argc != 2)
		errx(2, "usage: weir-embed TUN");
	if (tun.fd < 0)
		errx(1, "no %s: %s", argv[1], strerror(-tun.fd));
	if (epoll_ctl(loop, EPOLL_CTL_ADD, tun.fd, &ready) < 0)
		err(1, "no epoll");
	if (weir_eal_init(&(struct weir_eal_conf){.hugepages = WEIR_HUGEPAGES_NONE}, &why) < 0)
		errx(1, "%s", why.text);
	conf.pool = weir_stack_pool("embed", 8191);
	conf.output = weir_stack_fd_output;
	conf.ctx = &tun;
	conf.now_ns = weir_clock_system_ns();
	if (conf.pool == NULL || getrandom(&conf.secret, sizeof(conf.secret), 0) < 0)
		errx(1, "no memory");
	if (weir_stack_create(&conf, &s) < 0 || weir_socket(s, WEIR_TCP, NULL, &listener) < 0 ||
	    weir_bind(s, listener, &at) < 0 || weir_listen(s, listener, 128) < 0)
		errx(1, "no stack");
	for (;;) {
		const uint64_t due_ns = weir_stack_poll(s, weir_clock_system_ns());
		const uint16_t n = weir_stack_events(s, events, BATCH);
		/* Who was served may have something to send: then the next round comes at once. */
		const int wait_ms = weir_stack_wait_ms(n > 0 ? 0 : due_ns, weir_clock_system_ns());

		for (uint16_t i = 0; i < n; i++)
			if (events[i].user != NULL)
				echo(s, events[i].sock, events[i].user);
			else
				welcome(s, events[i].sock);
		if (epoll_wait(loop, &ready, 1, wait_ms) > 0)
			weir_stack_fd_input(s, &tun, BATCH, weir_clock_system_ns());
	}
}
