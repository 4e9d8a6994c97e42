/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Takes requests and hostile bytes; says answers and attributes. Only datagrams of the kernel
 * itself (port 0) are believed.
 */

#include "netlink_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int xdp_nl_open(int protocol, uint32_t groups)
{
	const struct sockaddr_nl us = {.nl_family = AF_NETLINK, .nl_groups = groups};
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	int rc;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&us, sizeof(us)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

long xdp_nl_receive(int fd, void *data, size_t bytes)
{
	struct iovec room = {.iov_base = data, .iov_len = bytes};
	struct sockaddr_nl from = {0};
	struct msghdr m;
	ssize_t got;

	do {
		m = (struct msghdr){.msg_name = &from,
				    .msg_namelen = sizeof(from),
				    .msg_iov = &room,
				    .msg_iovlen = 1};
		got = recvmsg(fd, &m, 0);
	} while ((got < 0 && errno == EINTR) || (got >= 0 && from.nl_pid != 0));
	if (got < 0)
		return -errno;
	return m.msg_flags & MSG_TRUNC ? -EMSGSIZE : got;
}

/* Its error, or 0 if it is another message; -EPROTO if it is none. */
static int error_of(const void *message, size_t bytes)
{
	struct nlmsghdr head;
	struct nlmsgerr error;

	if (bytes < sizeof(head))
		return -EPROTO;
	memcpy(&head, message, sizeof(head));
	if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > bytes)
		return -EPROTO;
	if (head.nlmsg_type != NLMSG_ERROR)
		return 0;
	if (head.nlmsg_len < NLMSG_LENGTH(sizeof(error)))
		return -EPROTO;
	memcpy(&error, (const uint8_t *)message + NLMSG_HDRLEN, sizeof(error));
	return error.error < 0 ? error.error : -EPROTO; /* nobody asked for an ACK */
}

long xdp_nl_ask(int fd, struct nlmsghdr *request, void *answer, size_t answer_bytes)
{
	long got;
	int rc;

	request->nlmsg_flags = NLM_F_REQUEST;
	if (send(fd, request, request->nlmsg_len, 0) < 0)
		return -errno;
	/* The kernel answers within send(), so the answer is there. */
	got = xdp_nl_receive(fd, answer, answer_bytes);
	if (got < 0)
		return got;
	rc = error_of(answer, (size_t)got);
	return rc < 0 ? rc : got;
}

bool xdp_nl_next(struct weir_cursor *c, struct xdp_nl_attr *a)
{
	const size_t left = weir_left(c);
	struct nlattr head;
	const uint8_t *p;
	size_t padding;

	if (left == 0)
		return false;
	p = weir_take(c, sizeof(head));
	if (p == NULL)
		return false;
	memcpy(&head, p, sizeof(head));
	if (head.nla_len < sizeof(head)) {
		c->bad = true;
		return false;
	}
	a->type = head.nla_type & NLA_TYPE_MASK;
	a->bytes = head.nla_len - sizeof(head);
	a->data = weir_take(c, a->bytes);
	padding = NLA_ALIGN(head.nla_len) - head.nla_len;
	weir_take(c, padding < weir_left(c) ? padding : weir_left(c));
	return !c->bad;
}

bool xdp_nl_number(const struct xdp_nl_attr *a, void *out, size_t bytes)
{
	if (a->bytes != bytes)
		return false;
	memcpy(out, a->data, bytes);
	return true;
}
