/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Takes what rtnetlink tells; says of one interface whether it is up, how large its frames are,
 * that an address came or went, and that it is gone. Holds a socket for each watch, in the
 * interrupt thread.
 *
 * When messages were lost (ENOBUFS) the kernel is asked anew for the state as it is.
 */

#include "link_priv.h"

#include "log_priv.h"
#include "netlink_priv.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <rte_interrupts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAMS_MAX 64 /* of one call: the interrupt thread has others to serve */

struct xdp_link_watch {
	struct rte_intr_handle *handle;
	int fd;
	int ifindex;
	const struct xdp_link_events *events;
	void *arg;
	/* The rest is of the interrupt thread alone. */
	bool known; /* up and mtu have been told */
	bool up;
	bool lost; /* some news: the state is to be asked for */
	bool over; /* gone, or removed by one of its own events */
	uint32_t mtu;
	uint8_t data[XDP_NL_ANSWER_BYTES];
};

/* ---- reading ---- */

static void read_attrs(struct weir_cursor *c, struct xdp_link_news *out)
{
	struct xdp_nl_attr a;

	while (xdp_nl_next(c, &a)) {
		if (a.type == IFLA_MTU)
			xdp_nl_number(&a, &out->mtu, sizeof(out->mtu));
		else if (a.type == IFLA_MIN_MTU)
			xdp_nl_number(&a, &out->min_mtu, sizeof(out->min_mtu));
		else if (a.type == IFLA_MAX_MTU)
			xdp_nl_number(&a, &out->max_mtu, sizeof(out->max_mtu));
	}
}

static void read_link(struct weir_cursor *c, bool deleted, int ifindex, struct xdp_link_news *out)
{
	const uint32_t running = IFF_UP | IFF_RUNNING | IFF_LOWER_UP;
	const uint8_t *p = weir_take(c, sizeof(struct ifinfomsg));
	struct ifinfomsg info;

	if (p == NULL)
		return;
	memcpy(&info, p, sizeof(info));
	/* A bridge tells of its ports with the same messages, of another family. */
	if (info.ifi_family != AF_UNSPEC || info.ifi_index != ifindex)
		return;
	if (deleted) {
		out->kind = XDP_LINK_GONE;
		return;
	}
	out->kind = XDP_LINK_STATE;
	out->up = (info.ifi_flags & running) == running;
	read_attrs(c, out);
}

/* The kernel refused to tell of the interface: only then is it not there any more. */
static void read_error(struct weir_cursor *c, struct xdp_link_news *out)
{
	const uint8_t *p = weir_take(c, sizeof(struct nlmsgerr));
	struct nlmsgerr error;

	if (p == NULL)
		return;
	memcpy(&error, p, sizeof(error));
	if (error.error == -ENODEV)
		out->kind = XDP_LINK_GONE;
}

long xdp_link_read(const void *data, size_t bytes, int ifindex, struct xdp_link_news *out)
{
	struct weir_cursor c = {.at = data};
	struct nlmsghdr head;
	size_t whole;

	*out = (struct xdp_link_news){.kind = XDP_LINK_NOTHING};
	if (bytes < sizeof(head))
		return -EPROTO;
	memcpy(&head, data, sizeof(head));
	if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > bytes)
		return -EPROTO;
	c.end = c.at + head.nlmsg_len;
	c.at += NLMSG_HDRLEN;
	if (head.nlmsg_type == RTM_NEWLINK || head.nlmsg_type == RTM_DELLINK)
		read_link(&c, head.nlmsg_type == RTM_DELLINK, ifindex, out);
	else if (head.nlmsg_type == RTM_NEWADDR || head.nlmsg_type == RTM_DELADDR)
		out->kind = XDP_LINK_ADDRESS;
	else if (head.nlmsg_type == NLMSG_ERROR)
		read_error(&c, out);
	whole = NLMSG_ALIGN((size_t)head.nlmsg_len);
	return (long)(whole < bytes ? whole : bytes);
}

/* ---- telling ---- */

static void tell_state(struct xdp_link_watch *w, const struct xdp_link_news *news)
{
	const bool link_told = w->known && w->up == news->up;
	const bool mtu_told = w->known && w->mtu == news->mtu;

	w->known = true;
	w->up = news->up;
	w->mtu = news->mtu;
	if (!link_told && w->events->link != NULL)
		w->events->link(w->arg, news->up);
	if (!mtu_told && !w->over && w->events->mtu != NULL)
		w->events->mtu(w->arg, news->mtu);
}

static void tell_gone(struct xdp_link_watch *w)
{
	w->over = true;
	if (w->events->gone != NULL)
		w->events->gone(w->arg);
}

/* One datagram. @return true if an address is in it. */
static bool take(struct xdp_link_watch *w, size_t bytes)
{
	struct xdp_link_news news;
	bool address = false;
	size_t at = 0;

	while (at < bytes && !w->over) {
		const long step = xdp_link_read(w->data + at, bytes - at, w->ifindex, &news);

		if (step < 0)
			break; /* the kernel never sends such a one */
		at += (size_t)step;
		if (news.kind == XDP_LINK_STATE)
			tell_state(w, &news);
		else if (news.kind == XDP_LINK_GONE)
			tell_gone(w);
		else if (news.kind == XDP_LINK_ADDRESS)
			address = true;
	}
	return address;
}

/* The answer comes as any other news does. */
static int ask_state(const struct xdp_link_watch *w)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} request = {
		.head = {.nlmsg_len = sizeof(request),
			 .nlmsg_type = RTM_GETLINK,
			 .nlmsg_flags = NLM_F_REQUEST},
		.info = {.ifi_family = AF_UNSPEC, .ifi_index = w->ifindex},
	};

	return send(w->fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

/* Take what is there, up to a bound. @return true if nothing is left. */
static bool drain(struct xdp_link_watch *w, bool *addresses)
{
	/* Also once it is over: what is not read would call again and again. */
	for (unsigned i = 0; i < DATAGRAMS_MAX; i++) {
		const long got = xdp_nl_receive(w->fd, w->data, sizeof(w->data));

		if (got == -EAGAIN)
			return true;
		if (got == -ENOBUFS)
			w->lost = true;
		else if (got < 0)
			XDP_LOG(WARNING, "interface %d: news of its link are lost: %s", w->ifindex,
				strerror((int)-got));
		else
			*addresses |= take(w, (size_t)got);
	}
	return false;
}

/* In the interrupt thread: something is to be read. */
static void on_readable(void *arg)
{
	struct xdp_link_watch *w = arg;
	bool addresses = false;
	const bool empty = drain(w, &addresses);

	/* Not before: a full socket would lose the answer too. */
	if (w->lost && empty && !w->over) {
		w->lost = ask_state(w) < 0;
		addresses = true;
	}
	if (addresses && !w->over && w->events->addresses != NULL)
		w->events->addresses(w->arg);
}

/* ---- life ---- */

static void watch_free(struct xdp_link_watch *w)
{
	rte_intr_instance_free(w->handle);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

static void on_unregistered(struct rte_intr_handle *handle, void *arg)
{
	watch_free(arg);
}

static int begin(struct xdp_link_watch *w)
{
	int rc;

	w->fd = xdp_nl_open(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
	if (w->fd < 0)
		return w->fd;
	rc = ask_state(w);
	if (rc < 0)
		return rc;
	w->handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (w->handle == NULL)
		return -ENOMEM;
	if (rte_intr_fd_set(w->handle, w->fd) < 0 ||
	    rte_intr_type_set(w->handle, RTE_INTR_HANDLE_EXT) < 0)
		return -EIO;
	return rte_intr_callback_register(w->handle, on_readable, w);
}

int xdp_link_watch_add(int ifindex, const struct xdp_link_events *events, void *arg,
		       struct xdp_link_watch **out)
{
	struct xdp_link_watch *w = calloc(1, sizeof(*w));
	int rc = -ENOMEM;

	if (w == NULL)
		goto err;
	w->fd = -1;
	w->ifindex = ifindex;
	w->events = events;
	w->arg = arg;
	rc = begin(w);
	if (rc < 0)
		goto err;
	*out = w;
	return 0;
err:
	XDP_LOG(ERR, "interface %d: its link cannot be watched: %s", ifindex, strerror(-rc));
	if (w != NULL)
		watch_free(w);
	return rc;
}

void xdp_link_watch_remove(struct xdp_link_watch *w)
{
	if (w == NULL)
		return;
	/* In the interrupt thread one of its own events may be what calls: then it is freed after
	 * it. */
	if (rte_thread_is_intr() &&
	    rte_intr_callback_unregister(w->handle, on_readable, w) == -EAGAIN) {
		w->over = true;
		rte_intr_callback_unregister_pending(w->handle, on_readable, w, on_unregistered);
		return;
	}
	if (!rte_thread_is_intr())
		rte_intr_callback_unregister_sync(w->handle, on_readable, w);
	watch_free(w);
}
