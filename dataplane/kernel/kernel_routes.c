/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The mirror: one socket tells changes, another one answers questions, so that an answer is never
 * mixed with news. Everything is read again (a resync) when the kernel dropped news (ENOBUFS), and
 * where it tells none: IPv4 routes vanish silently with their device or address.
 */

#include <weir/kernel_routes.h>

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel_priv.h"

#define BUFFER_BYTES (32 * 1024)
#define QUEUE_BYTES  (8 * 1024 * 1024)
#define READS_MAX    4096 /* of one wake-up */
#define DUMP_TRIES   8	  /* the kernel's tables may change under a dump */

struct weir_kernel {
	struct weir_kernel_conf conf;
	struct mnl_socket *news, *questions;
	struct weir_kernel_link *link;
	uint32_t *link_flags; /* of each link, as last told */
	uint16_t n_links;
	bool resync;	  /* read everything at the next poll */
	bool duplicates4; /* there are IPv4 routes of one prefix and metric */
	int rc;		  /* the first failure of the batch */
	struct weir_why *why;
	uint32_t seq;
	bool dumping;
	struct weir_kernel_stats stats;
	struct weir_kernel_route route; /* large: not on the stack */
	uint8_t buffer[BUFFER_BYTES];
};

static const int groups[] = {RTNLGRP_LINK,	 RTNLGRP_NEIGH,	      RTNLGRP_IPV4_ROUTE,
			     RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};

static int open_news(struct weir_kernel *k)
{
	const int bytes = QUEUE_BYTES;
	int fd;

	k->news = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (k->news == NULL || mnl_socket_bind(k->news, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	fd = mnl_socket_get_fd(k->news);
	/* Without the right to force it the queue is shorter, and a resync comes sooner. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (mnl_socket_setsockopt(k->news, NETLINK_ADD_MEMBERSHIP, (void *)&groups[i],
					  sizeof(groups[i])) < 0)
			return -errno;
	return 0;
}

int weir_kernel_create(const struct weir_kernel_conf *conf, struct weir_kernel **out,
		       struct weir_why *why)
{
	struct weir_kernel *k = calloc(1, sizeof(*k));
	int rc;

	if (k == NULL)
		return weir_why(why, -ENOMEM, "out of memory for the mirror of the kernel");
	k->conf = *conf;
	k->resync = true;
	rc = open_news(k);
	if (rc == 0) {
		k->questions = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
		if (k->questions == NULL ||
		    mnl_socket_bind(k->questions, 0, MNL_SOCKET_AUTOPID) < 0)
			rc = -errno;
	}
	if (rc < 0) {
		weir_kernel_free(k);
		return weir_why(why, rc, "no netlink socket to the kernel: %s", strerror(-rc));
	}
	*out = k;
	return 0;
}

void weir_kernel_free(struct weir_kernel *k)
{
	if (k == NULL)
		return;
	if (k->news != NULL)
		mnl_socket_close(k->news);
	if (k->questions != NULL)
		mnl_socket_close(k->questions);
	free(k->link);
	free(k->link_flags);
	free(k);
}

int weir_kernel_links(struct weir_kernel *k, const struct weir_kernel_link *links, uint16_t n,
		      struct weir_why *why)
{
	struct weir_kernel_link *copy = calloc(n + 1u, sizeof(*copy));
	uint32_t *flags = calloc(n + 1u, sizeof(*flags));

	if (copy == NULL || flags == NULL) {
		free(copy);
		free(flags);
		return weir_why(why, -ENOMEM, "out of memory for %u links of the kernel", n);
	}
	if (n > 0)
		memcpy(copy, links, n * sizeof(*copy));
	free(k->link);
	free(k->link_flags);
	k->link = copy;
	k->link_flags = flags;
	k->n_links = n;
	k->resync = true;
	return 0;
}

int weir_kernel_fd(const struct weir_kernel *k)
{
	return mnl_socket_get_fd(k->news);
}

void weir_kernel_stats(const struct weir_kernel *k, struct weir_kernel_stats *out)
{
	*out = k->stats;
}

/* The first failure of a batch is the one that is told. */
static void failed(struct weir_kernel *k, int rc)
{
	if (k->rc == 0)
		k->rc = rc;
	k->why = NULL;
}

static void delete_route(struct weir_kernel *k, const struct weir_route *r)
{
	const int rc =
		weir_rib_route_del(k->conf.rib, &r->to, WEIR_ROUTE_KERNEL, r->metric, k->why);

	if (rc < 0)
		failed(k, rc);
}

static void route_is(struct weir_kernel *k, const struct weir_route *r, uint16_t nl_flags)
{
	const int known = weir_rib_route_hops(k->conf.rib, &r->to, WEIR_ROUTE_KERNEL, r->metric);
	int rc;

	if (r->kind == WEIR_HOP_GATEWAY && r->n_hops == 0) { /* through other devices */
		k->stats.ignored++;
		if (known >= 0 && !k->dumping)
			delete_route(k, r);
		return;
	}
	if (r->to.addr.family == 4 && known >= 0 && !k->dumping && !(nl_flags & NLM_F_REPLACE)) {
		k->duplicates4 = true;
		if (nl_flags & NLM_F_APPEND) /* the first one counts */
			return;
	}
	rc = weir_rib_route_add(k->conf.rib, r, k->why);
	if (rc == -EINVAL)
		k->stats.ignored++;
	else if (rc < 0)
		failed(k, rc);
}

static void route_is_gone(struct weir_kernel *k, const struct weir_route *r)
{
	const int known = weir_rib_route_hops(k->conf.rib, &r->to, WEIR_ROUTE_KERNEL, r->metric);

	if (known < 0)
		return;
	/* One of several next hops of IPv6 is told like a whole route. */
	if ((r->to.addr.family == 6 && known > r->n_hops) ||
	    (r->to.addr.family == 4 && k->duplicates4)) {
		k->resync = true;
		return;
	}
	delete_route(k, r);
}

static void on_route(struct weir_kernel *k, const struct nlmsghdr *nlh)
{
	const struct weir_kernel_map map = {k->link, k->n_links};
	const int rc = kernel_read_route(nlh, &map, &k->route);

	k->stats.bad += rc < 0;
	k->stats.ignored += rc == 0;
	if (rc <= 0)
		return;
	if (nlh->nlmsg_type == RTM_NEWROUTE)
		route_is(k, &k->route.route, nlh->nlmsg_flags);
	else
		route_is_gone(k, &k->route.route);
}

static void on_neigh(struct weir_kernel *k, const struct nlmsghdr *nlh)
{
	const struct weir_kernel_map map = {k->link, k->n_links};
	struct weir_kernel_neigh n;
	const int rc = kernel_read_neigh(nlh, &map, &n);

	k->stats.bad += rc < 0;
	if (rc > 0 && k->conf.neigh != NULL)
		k->conf.neigh(k->conf.ctx, n.iface, &n.addr, n.known ? &n.mac : NULL);
}

static void on_device(struct weir_kernel *k, const struct nlmsghdr *nlh)
{
	uint32_t ifindex, flags;

	if (kernel_read_ifindex(nlh, &ifindex, &flags) < 0) {
		k->stats.bad++;
		return;
	}
	flags &= IFF_UP | IFF_RUNNING;
	for (uint16_t i = 0; i < k->n_links; i++) {
		if (k->link[i].ifindex != ifindex)
			continue;
		if (nlh->nlmsg_type != RTM_NEWLINK || k->link_flags[i] != flags)
			k->resync = true;
		if (nlh->nlmsg_type == RTM_NEWLINK)
			k->link_flags[i] = flags;
	}
}

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	struct weir_kernel *k = data;

	k->stats.messages++;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR) {
		errno = EINTR;
		return MNL_CB_ERROR;
	}
	switch (nlh->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		on_route(k, nlh);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		on_neigh(k, nlh);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_DELADDR:
		on_device(k, nlh);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

/* Ask for a whole table. The kernel answers as it is read, so this does not wait for others. */
static int dump(struct weir_kernel *k, uint16_t type, uint8_t family)
{
	const unsigned portid = mnl_socket_get_portid(k->questions);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(k->buffer);
	int rc = MNL_CB_OK;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = ++k->seq;
	/* One header that is large enough for each kind; all begin with the family. */
	*(uint8_t *)mnl_nlmsg_put_extra_header(
		nlh, type == RTM_GETROUTE ? sizeof(struct rtmsg) : sizeof(struct ndmsg)) = family;
	if (mnl_socket_sendto(k->questions, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (rc == MNL_CB_OK) {
		const ssize_t n = mnl_socket_recvfrom(k->questions, k->buffer, sizeof(k->buffer));

		if (n < 0)
			return -errno;
		rc = mnl_cb_run(k->buffer, (size_t)n, k->seq, portid, on_message, k);
	}
	return rc < 0 ? -errno : 0;
}

/* Throw away the rest of an answer that was broken off. */
static int reopen_questions(struct weir_kernel *k)
{
	mnl_socket_close(k->questions);
	k->questions = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (k->questions == NULL || mnl_socket_bind(k->questions, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return 0;
}

static int dump_whole(struct weir_kernel *k, uint16_t type, uint8_t family)
{
	int rc = k->questions == NULL ? -EINTR : dump(k, type, family);

	for (int i = 1; i < DUMP_TRIES && rc == -EINTR; i++) {
		rc = reopen_questions(k);
		if (rc == 0)
			rc = dump(k, type, family);
	}
	return rc < 0 ? weir_why(k->why, rc, "cannot read the kernel's routes: %s", strerror(-rc))
		      : 0;
}

/* Everything anew. A change is open. */
static int read_all(struct weir_kernel *k)
{
	int rc;

	k->stats.resyncs++;
	k->resync = false;
	k->duplicates4 = false;
	k->dumping = true;
	weir_rib_mark(k->conf.rib, WEIR_ROUTE_KERNEL);
	rc = dump_whole(k, RTM_GETROUTE, AF_INET);
	if (rc == 0)
		rc = dump_whole(k, RTM_GETROUTE, AF_INET6);
	if (rc == 0)
		rc = dump_whole(k, RTM_GETNEIGH, AF_UNSPEC);
	k->dumping = false;
	if (rc == 0)
		rc = k->rc;
	return rc < 0 ? rc : weir_rib_sweep(k->conf.rib, WEIR_ROUTE_KERNEL, k->why);
}

/* The news that have come, as far as they are to be had without waiting. */
static int read_news(struct weir_kernel *k)
{
	for (int i = 0; i < READS_MAX; i++) {
		const ssize_t n = mnl_socket_recvfrom(k->news, k->buffer, sizeof(k->buffer));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n < 0 && (errno == ENOBUFS || errno == ENOSPC)) {
			k->resync = true; /* some were lost */
			continue;
		}
		if (n < 0)
			return weir_why(k->why, -errno, "cannot read news of the kernel: %s",
					strerror(errno));
		if (mnl_cb_run(k->buffer, (size_t)n, 0, 0, on_message, k) < 0)
			k->resync = true;
	}
	return 0;
}

static int finish(struct weir_kernel *k, int rc)
{
	const struct weir_l3 *l3;

	if (rc == 0)
		rc = k->rc;
	if (rc == 0 && !weir_rib_is_changed(k->conf.rib)) {
		weir_rib_abort(k->conf.rib);
		return 0;
	}
	if (rc == 0)
		rc = weir_rib_commit(k->conf.rib, &l3, k->why);
	weir_rib_abort(k->conf.rib);
	if (rc == 0) {
		k->stats.commits++;
		rc = k->conf.publish(k->conf.ctx, l3);
		if (rc < 0)
			weir_rib_revert(k->conf.rib, l3);
	}
	if (rc < 0)
		k->resync = true; /* the news are used up: ask again next time */
	return rc < 0 ? rc : 1;
}

int weir_kernel_poll(struct weir_kernel *k, struct weir_why *why)
{
	int rc = weir_rib_begin(k->conf.rib);

	if (rc < 0)
		return weir_why(why, rc, "the last change of routes is not over yet");
	k->rc = 0;
	k->why = why;
	rc = read_news(k);
	if (rc == 0 && k->resync) { /* news so far are in the dump too */
		weir_rib_abort(k->conf.rib);
		rc = weir_rib_begin(k->conf.rib);
		k->rc = 0;
		k->why = why;
		if (rc == 0)
			rc = read_all(k);
	}
	return finish(k, rc);
}
