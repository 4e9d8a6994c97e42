/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A stack at a file descriptor, for programs with a loop of their own: one packet a read or write,
 * which begins with its IP header, as a TUN device has it. See apps/embed.
 *
 * The stack itself stays without I/O: these are the only functions that make system calls, and
 * none of them blocks if the descriptor does not.
 */

#include <rte_mempool.h>
#include <stdint.h>
#include <weir/must_check.h>
#include <weir/stack.h>

/** Where packets come from and go to: weir_stack_conf.ctx of weir_stack_fd_output(). */
struct weir_stack_fd {
	int fd;		       /**< a TUN device, or what is like it; the caller's */
	uint64_t in_pkts;      /**< given to the stack */
	uint64_t refused_pkts; /**< of these, not taken: see weir_stack_parse(), or no socket */
	uint64_t out_pkts;     /**< written */
	uint64_t lost_pkts;    /**< not written: the descriptor had no room; TCP sends them again */
};

/** Packet buffers of 2 KiB as a stack wants them. @return NULL: no memory, or no EAL. */
struct rte_mempool *weir_stack_pool(const char *name, uint32_t mbufs);

/**
 * Open a TUN device, made if there is none of that name; it does not block.
 * @return the descriptor, the caller's, or -errno: -EPERM, -ENAMETOOLONG, ...
 */
WEIR_MUST_CHECK int weir_tun_open(const char *name);

/**
 * Read packets into buffers of the stack's pool and give them to it, @p most at most, so that
 * others have their turn.
 * @return how many were read.
 */
unsigned weir_stack_fd_input(struct weir_stack *s, struct weir_stack_fd *f, unsigned most,
			     uint64_t now_ns);

/** weir_stack_conf.output: writes each packet. @param ctx  struct weir_stack_fd */
void weir_stack_fd_output(void *ctx, struct rte_mbuf **pkts, uint16_t n);

/** Milliseconds to wait for events until @p due_ns of weir_stack_poll(), as poll() has them. */
int weir_stack_wait_ms(uint64_t due_ns, uint64_t now_ns);
