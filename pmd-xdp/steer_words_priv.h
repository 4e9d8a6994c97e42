/* SPDX-License-Identifier: BSD-3-Clause */

/* What steer= and owns= say, read into rules and addresses. Pure: text in, values out. */

#pragma once

#include "steer_table_priv.h"

#include <weir/addr.h>
#include <weir/why.h>

#define STEER_WORDS_RULES 256

struct steer_words {
	uint8_t others; /* enum steer_verdict of what no rule matches */
	bool keep_host;
	unsigned n;
	struct steer_spec rules[STEER_WORDS_RULES];
};

/*
 *	all		every packet goes to user space
 *	host		the host's own ARP, ND, tcp/22 and tcp/179 stay with the kernel
 *	kernel:T+T...	these stay with the kernel, the rest goes to user space
 *	user:T+T...	these go to user space, the rest stays with the kernel
 *
 * A term T is arp, nd, icmp, icmp6, tcp, udp, tcp/PORT, tcp/A-B (either end's), udp/PORT, udp/A-B,
 * ip/PREFIX (the destination) or eth/0xTYPE; of kernel: also host.
 *
 * Returns 0, or -EINVAL with a sentence that names the term and what is allowed; @out is scratch
 *then.
 */
int steer_words_read(const char *text, struct steer_words *out, struct weir_why *why);
/* Addresses with + between. Returns their number, which may be above @max, or -EINVAL. */
int steer_addresses_read(const char *text, struct weir_addr *out, unsigned max,
			 struct weir_why *why);
