/* SPDX-License-Identifier: BSD-3-Clause */

/* All members of struct weir_stack_stats as metrics, by worker. */

#include "stack_app_priv.h"

#include <assert.h>
#include <stdio.h>

/* COUNT or GAUGE(member, name, unit, help, what to do about it), in the order of the struct. */
#define STACK_STATS                                                                                \
	COUNT(udp_in, "udp_in_packets", "packets", "Datagrams that sockets were given.", NULL)     \
	COUNT(udp_in_bytes, "udp_in_bytes", "bytes", "Payload of these.", NULL)                    \
	COUNT(udp_out, "udp_out_packets", "packets", "Datagrams sent.", NULL)                      \
	COUNT(udp_out_bytes, "udp_out_bytes", "bytes", "Payload of these.", NULL)                  \
	COUNT(udp_full, "udp_full_packets", "packets",                                             \
	      "Datagrams dropped because the socket's queue was full.",                            \
	      "Let the program keep more waiting (weir-echo: echo.waiting).")                      \
	COUNT(udp_bad, "udp_bad_packets", "packets",                                               \
	      "Datagrams dropped for a length that the packet does not have.",                     \
	      "Look at the sender.")                                                               \
	COUNT(group_queries, "group_queries", NULL,                                                \
	      "Questions of routers for groups (IGMP, MLD).", NULL)                                \
	COUNT(group_reports, "group_reports", NULL,                                                \
	      "Reports to routers: groups joined, left, or asked for.", NULL)                      \
	COUNT(group_bad, "group_bad_packets", "packets",                                           \
	      "IGMP and MLD that is none, or not of the link, dropped.", "Look at the sender.")    \
	COUNT(no_mbuf, "no_mbuf_packets", "packets", "Packets not sent for want of a buffer.",     \
	      "Raise stack.memory or runtime.mbufs.")                                              \
	COUNT(pool_short, "buffers_short", NULL,                                                   \
	      "Times that few buffers were left, so that connections slowed down.",                \
	      "Raise runtime.mbufs, or lower stack.memory.")                                       \
	COUNT(icmp_errors, "icmp_errors", "errors", "ICMP errors about packets of ours.",          \
	      "Look for routers that drop on the path.")                                           \
	COUNT(tcp_in, "tcp_in_segments", "segments", "Segments that came.", NULL)                  \
	COUNT(tcp_merged, "tcp_merged_segments", "segments",                                       \
	      "Of these, that followed another so closely that both were one.", NULL)              \
	COUNT(tcp_in_bytes, "tcp_in_bytes", "bytes", "Payload taken from these, in order.", NULL)  \
	COUNT(tcp_out, "tcp_out_segments", "segments", "Segments sent.", NULL)                     \
	COUNT(tcp_out_bytes, "tcp_out_bytes", "bytes", "Payload of these.", NULL)                  \
	COUNT(tcp_long, "tcp_long_packets", "packets",                                             \
	      "Packets of several segments, left to a port that cuts them.", NULL)                 \
	COUNT(tcp_resent, "tcp_resent_segments", "segments", "Segments sent again.",               \
	      "Some are how TCP finds its speed; many: look for losses on the path.")              \
	COUNT(tcp_rto, "tcp_rto", NULL, "Retransmission timers that ran out.",                     \
	      "Look for losses on the path, or for peers that are gone.")                          \
	COUNT(tcp_probes, "tcp_tail_probes", NULL, "Tail loss probes sent (RFC 8985).", NULL)      \
	COUNT(tcp_mtu_probes, "tcp_mtu_probes", NULL,                                              \
	      "Segments longer than the others, to find a wider path (RFC 4821).", NULL)           \
	COUNT(tcp_mtu_raised, "tcp_mtu_raised", NULL,                                              \
	      "Of these, that have arrived: segments are as long from then on.", NULL)             \
	COUNT(tcp_mtu_lost, "tcp_mtu_lost", NULL, "Of these, that were lost.",                     \
	      "Many: a path is narrow and ICMP is filtered on it. Let packet-too-big pass.")       \
	COUNT(tcp_undone, "tcp_undone_recoveries", "recoveries",                                   \
	      "Recoveries from a loss that was none.",                                             \
	      "Many: the path reorders packets or delays them by spells.")                         \
	COUNT(tcp_disordered, "tcp_disordered_segments", "segments",                               \
	      "Segments that came out of order.", "Look for losses or reordering on the path.")    \
	COUNT(tcp_opened, "tcp_opened_connections", "connections", "Connections that we began.",   \
	      NULL)                                                                                \
	COUNT(tcp_accepted, "tcp_accepted_connections", "connections",                             \
	      "Connections that peers began and finished.", NULL)                                  \
	GAUGE(tcp_connections, "tcp_open_sockets", "sockets",                                      \
	      "Connections now, and ports that listen.", NULL)                                     \
	GAUGE(tcp_half_open, "tcp_half_open_connections", "connections",                           \
	      "Connections that begin, now.", "Many for long: a SYN flood, or answers get lost.")  \
	GAUGE(tcp_time_wait, "tcp_time_wait_connections", "connections",                           \
	      "Connections in TIME-WAIT now.", NULL)                                               \
	COUNT(tcp_resets_in, "tcp_reset_connections", "connections",                               \
	      "Connections that the peer reset.", NULL)                                            \
	COUNT(tcp_resets_out, "tcp_resets_out", NULL, "Resets sent.", NULL)                        \
	COUNT(tcp_timed_out, "tcp_timed_out_connections", "connections",                           \
	      "Connections that ended because the peer was silent.", NULL)                         \
	COUNT(tcp_cookies_out, "tcp_cookies_out", NULL, "SYN cookies sent.",                       \
	      "Raise stack.half_open, unless it is a flood.")                                      \
	COUNT(tcp_cookies_in, "tcp_cookies_in", NULL, "Connections made from a SYN cookie.", NULL) \
	COUNT(tcp_bad, "tcp_bad_segments", "segments",                                             \
	      "Segments dropped because their header is none.", "Look at the sender.")             \
	COUNT(tcp_unwanted, "tcp_unwanted_segments", "segments",                                   \
	      "Segments dropped because they lie outside of the window.", NULL)                    \
	COUNT(tcp_paws, "tcp_paws_segments", "segments",                                           \
	      "Segments dropped for an old timestamp (RFC 7323).", NULL)                           \
	COUNT(tcp_challenges, "tcp_challenge_acks", NULL, "Challenge ACKs sent (RFC 5961).",       \
	      "Many: somebody guesses at connections.")                                            \
	COUNT(tcp_backlog, "tcp_backlog_full_segments", "segments",                                \
	      "Dropped because as many connections wait to be accepted as may.",                   \
	      "The program is too slow to accept: look at its load.")                              \
	COUNT(tcp_full, "tcp_full_segments", "segments",                                           \
	      "Dropped because there is no place for another connection.",                         \
	      "Raise stack.connections.")                                                          \
	COUNT(tcp_memory, "tcp_memory_segments", "segments",                                       \
	      "Dropped because connections hold as many bytes as they may.",                       \
	      "Raise stack.memory.")                                                               \
	COUNT(tcp_nobody, "tcp_nobody_segments", "segments",                                       \
	      "Segments of no connection, answered by a reset.", NULL)                             \
	COUNT(tcp_fastopen_in, "tcp_fastopen_in_connections", "connections",                       \
	      "Connections that a SYN with a good cookie began (RFC 7413).", NULL)                 \
	COUNT(tcp_fastopen_cookies, "tcp_fastopen_cookies", NULL,                                  \
	      "Cookies given to peers, for fast open next time.", NULL)                            \
	COUNT(tcp_fastopen_bad, "tcp_fastopen_bad_cookies", NULL,                                  \
	      "SYNs whose cookie was not good: the handshake was the usual one.",                  \
	      "Some are old; many: somebody guesses.")                                             \
	COUNT(tcp_fastopen_full, "tcp_fastopen_full_segments", "segments",                         \
	      "SYNs for fast open past the limit: the handshake was the usual one.",               \
	      "Raise stack.fastopen, unless somebody sends SYNs from addresses of others.")        \
	COUNT(tcp_fastopen_out, "tcp_fastopen_out_connections", "connections",                     \
	      "Connections of ours whose SYN's data the peer has taken.", NULL)                    \
	COUNT(tcp_fastopen_failed, "tcp_fastopen_failures", NULL,                                  \
	      "Times that fast open did harm, so that a peer is left alone for a while.",          \
	      "The peer, or something on the path, drops SYNs with data or the option.")           \
	GAUGE(tcp_sources, "tcp_sources", NULL,                                                    \
	      "Sources that are known (stack.sources): with connections, or not forgotten.", NULL) \
	COUNT(tcp_sources_full, "tcp_sources_full", NULL,                                          \
	      "SYNs not answered: no place for another source.", "Raise stack.sources.at_once.")   \
	COUNT(tcp_source_denied, "tcp_source_denied", NULL, "SYNs of sources that are denied.",    \
	      NULL)                                                                                \
	COUNT(tcp_source_connections, "tcp_source_connections", "connections",                     \
	      "SYNs not answered: the source has as many connections as it may.",                  \
	      "Look who it is (weirctl sockets); raise stack.sources.connections or allow it.")    \
	COUNT(tcp_source_rate, "tcp_source_rate", NULL,                                            \
	      "SYNs not answered: the source opens more in a second than it may.", NULL)           \
	COUNT(tcp_source_blocked, "tcp_source_blocked", NULL,                                      \
	      "SYNs not answered: the source is blocked for having opened too many.", NULL)        \
	COUNT(tcp_source_blocks, "tcp_source_blocks", NULL, "Times that a source was blocked.",    \
	      "Raise stack.sources.rate, or allow it.")                                            \
	COUNT(tcp_source_challenged, "tcp_source_challenged", NULL,                                \
	      "SYNs answered by a cookie: the source has begun many and finished none.",           \
	      "Many: a SYN flood from few sources.")

#define COUNT(member, name, unit, help, hint) ROW(COUNTER, name, unit, help, hint)
#define GAUGE(member, name, unit, help, hint) ROW(GAUGE, name, unit, help, hint)
#define ROW(kind, name, unit, help, hint) \
	{"weir_stack_" name, WEIR_METRIC_##kind, unit, help, hint, {"worker"}},
static const struct weir_metric metrics[] = {STACK_STATS};
#undef COUNT
#undef GAUGE

#define COUNT(member, name, unit, help, hint) offsetof(struct weir_stack_stats, member),
#define GAUGE(member, name, unit, help, hint) COUNT(member, name, unit, help, hint)
static const uint16_t members[] = {STACK_STATS};

#define N_METRICS (sizeof(metrics) / sizeof(metrics[0]))
static_assert(N_METRICS * sizeof(uint64_t) == sizeof(struct weir_stack_stats),
	      "each member is a metric: name new ones above");

static int collect(void *ctx, struct weir_metrics_sink *sink)
{
	const struct stack_app *app = weir_run_state(ctx);
	int rc = 0;

	for (uint16_t w = 0; app != NULL && rc == 0 && w < app->workers; w++) {
		struct weir_stack_stats s;
		char name[8];

		weir_stack_stats(app->worker[w]->stack, &s);
		snprintf(name, sizeof(name), "%u", w);
		for (unsigned i = 0; rc == 0 && i < N_METRICS; i++) {
			const uint64_t value = *(const uint64_t *)((const char *)&s + members[i]);

			rc = metrics[i].kind == WEIR_METRIC_GAUGE
				     ? weir_metrics_gauge(sink, &metrics[i], (double)value, name)
				     : weir_metrics_count(sink, &metrics[i], value, name);
		}
	}
	return rc;
}

int stack_add_metrics(struct weir_run *run)
{
	return weir_metrics_add(weir_run_metrics(run), metrics, N_METRICS, collect, run);
}
