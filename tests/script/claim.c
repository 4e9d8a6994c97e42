/* SPDX-License-Identifier: BSD-3-Clause */

/* %{ assert tcpi_snd_cwnd == 10 }%, of the socket that was opened last and is open. */

#include "run.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

struct member {
	const char *name;
	int64_t value;
};

#define MEMBER(m)       \
	{               \
#m, i.m \
	}

/* What the stack has counted. */
static bool count_of(const struct runner *r, const char *name, int64_t *out)
{
	struct weir_stack_stats s;

	weir_stack_stats(r->stack, &s);
	if (strcmp(name, "weir_tcp_merged") == 0)
		*out = (int64_t)s.tcp_merged;
	else if (strcmp(name, "weir_tcp_long") == 0)
		*out = (int64_t)s.tcp_long;
	else
		return false;
	return true;
}

/* False: TCP_INFO has no such member. */
static bool value_of(const struct tcp_info *info, const char *name, int64_t *out)
{
	const struct tcp_info i = *info;
	const struct member members[] = {
		MEMBER(tcpi_state),	    MEMBER(tcpi_ca_state),
		MEMBER(tcpi_retransmits),   MEMBER(tcpi_probes),
		MEMBER(tcpi_backoff),	    MEMBER(tcpi_options),
		MEMBER(tcpi_snd_wscale),    MEMBER(tcpi_rcv_wscale),
		MEMBER(tcpi_rto),	    MEMBER(tcpi_ato),
		MEMBER(tcpi_snd_mss),	    MEMBER(tcpi_rcv_mss),
		MEMBER(tcpi_unacked),	    MEMBER(tcpi_sacked),
		MEMBER(tcpi_lost),	    MEMBER(tcpi_retrans),
		MEMBER(tcpi_fackets),	    MEMBER(tcpi_last_data_sent),
		MEMBER(tcpi_last_ack_sent), MEMBER(tcpi_last_data_recv),
		MEMBER(tcpi_last_ack_recv), MEMBER(tcpi_pmtu),
		MEMBER(tcpi_rcv_ssthresh),  MEMBER(tcpi_rtt),
		MEMBER(tcpi_rttvar),	    MEMBER(tcpi_snd_ssthresh),
		MEMBER(tcpi_snd_cwnd),	    MEMBER(tcpi_advmss),
		MEMBER(tcpi_reordering),    MEMBER(tcpi_rcv_rtt),
		MEMBER(tcpi_rcv_space),	    MEMBER(tcpi_total_retrans),
	};

	for (size_t k = 0; k < RTE_DIM(members); k++)
		if (strcmp(members[k].name, name) == 0) {
			*out = members[k].value;
			return true;
		}
	return false;
}

static bool holds(int64_t a, enum compare how, int64_t b)
{
	switch (how) {
	case CMP_EQ:
		return a == b;
	case CMP_NE:
		return a != b;
	case CMP_LT:
		return a < b;
	case CMP_LE:
		return a <= b;
	case CMP_GT:
		return a > b;
	default:
		return a >= b;
	}
}

int run_claims(struct runner *r, const struct claim *c)
{
	static const char *const sign[] = {"==", "!=", "<", "<=", ">", ">="};
	struct tcp_info info = {0};
	uint32_t bytes = sizeof(info);
	const struct fd *fd = NULL;

	for (unsigned i = 0; i < FDS_MOST; i++)
		if (r->fds[i].open)
			fd = &r->fds[i];
	if (c == NULL) /* only a time */
		return 0;
	if (fd == NULL || weir_getsockopt(r->stack, fd->sock, SOL_TCP, TCP_INFO, &info, &bytes) < 0)
		return refuse(r, "no socket is open that could say anything of itself");
	for (; c != NULL; c = c->next) {
		int64_t value;

		if (!value_of(&info, c->member, &value) && !count_of(r, c->member, &value))
			return refuse(r, "%s: TCP_INFO has no such member here", c->member);
		if (!holds(value, c->how, c->number))
			return fail(r, "assertion failed: %s %s %" PRId64 ", it is %" PRId64,
				    c->member, sign[c->how], c->number, value);
	}
	return 0;
}
