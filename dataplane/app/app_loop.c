/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The control thread's loop: an epoll set of descriptors with a function each, and a tick.
 */

#include "app_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <weir/clock.h>

#define WATCHES	   64
#define TICK_MS	   100
#define EVENTS_MAX 16

struct watch {
	int fd;			  /* -1: a tick */
	void (*ready)(void *ctx); /* NULL: free */
	void *ctx;
};

struct app_loop {
	int epoll;
	struct watch watch[WATCHES];
};

int app_loop_create(struct app_loop **out, struct weir_why *why)
{
	struct app_loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return weir_why(why, -ENOMEM, "control loop: out of memory");
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		free(l);
		return weir_why(why, -errno, "control loop: epoll: %s", strerror(errno));
	}
	*out = l;
	return 0;
}

void app_loop_free(struct app_loop *l)
{
	if (l == NULL)
		return;
	close(l->epoll);
	free(l);
}

int app_loop_add(struct app_loop *l, int fd, void (*ready)(void *ctx), void *ctx)
{
	for (unsigned i = 0; i < WATCHES; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};

		if (l->watch[i].ready != NULL)
			continue;
		if (fd >= 0 && epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
			return -errno;
		l->watch[i] = (struct watch){fd, ready, ctx};
		return 0;
	}
	return -ENOSPC;
}

void app_loop_del(struct app_loop *l, int fd)
{
	for (unsigned i = 0; i < WATCHES; i++) {
		if (l->watch[i].ready == NULL || l->watch[i].fd != fd)
			continue;
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
		l->watch[i].ready = NULL;
	}
}

static void tick(struct app_loop *l)
{
	for (unsigned i = 0; i < WATCHES; i++)
		if (l->watch[i].ready != NULL && l->watch[i].fd < 0)
			l->watch[i].ready(l->watch[i].ctx);
}

static uint64_t now_ms(void)
{
	return weir_clock_system_ns() / 1000000;
}

void app_loop_run(struct app_loop *l, const bool *ended)
{
	struct epoll_event ev[EVENTS_MAX];
	uint64_t due_ms = now_ms() + TICK_MS;

	while (!*ended) {
		const uint64_t t_ms = now_ms();
		const int n = epoll_wait(l->epoll, ev, EVENTS_MAX,
					 due_ms > t_ms ? (int)(due_ms - t_ms) : 0);

		for (int i = 0; i < n && !*ended; i++) {
			const struct watch *w = &l->watch[ev[i].data.u32];

			if (w->ready != NULL)
				w->ready(w->ctx);
		}
		if (now_ms() >= due_ms) {
			tick(l);
			due_ms = now_ms() + TICK_MS;
		}
	}
}
