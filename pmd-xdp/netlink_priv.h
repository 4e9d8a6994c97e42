/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Netlink in five functions: a socket, a question with one answer, and attributes that are read no
 * further than they reach.
 */

#pragma once

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/cursor.h>

/* More than a link without its virtual functions takes, which is all that we ask for. */
#define XDP_NL_ANSWER_BYTES 32768

/* A socket in the caller's network namespace that never blocks. Returns it, or -errno. */
int xdp_nl_open(int protocol, uint32_t groups);

/*
 * Send a request (nlmsg_len is set, the rest of the header is done here) and take its one answer.
 * Returns the bytes of the answer, a whole message, or the kernel's -errno.
 */
long xdp_nl_ask(int fd, struct nlmsghdr *request, void *answer, size_t answer_bytes);

/*
 * Take one datagram of the kernel. -EAGAIN: none is there; -ENOBUFS: some are lost; -EMSGSIZE: this
 * one is, for its size.
 */
long xdp_nl_receive(int fd, void *data, size_t bytes);

struct xdp_nl_attr {
	uint16_t type; /* without its flags */
	const uint8_t *data;
	size_t bytes;
};

/* The next attribute; false at the end, or (and the cursor bad) where it is cut. */
bool xdp_nl_next(struct weir_cursor *c, struct xdp_nl_attr *a);
/* Its number, of this size in the host's byte order; false if it has another size. */
bool xdp_nl_number(const struct xdp_nl_attr *a, void *out, size_t bytes);
