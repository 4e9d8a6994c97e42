/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever segments come, a TCP flow stays one: a known state, the class of it, a window; and what
 * is invalid or a challenge changes nothing. */
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <weir/flow.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* One record: a byte (bit 0 the direction, bit 1 loose), the length of a header, the header. */
static void check_class(const struct weir_flow *f, enum weir_flow_class cls)
{
	static const uint8_t by_state[WEIR_TCP_STATES] = {
		[WEIR_TCP_NONE] = WEIR_FLOW_HALF_OPEN,
		[WEIR_TCP_SYN_SENT] = WEIR_FLOW_HALF_OPEN,
		[WEIR_TCP_SYN_SENT2] = WEIR_FLOW_HALF_OPEN,
		[WEIR_TCP_SYN_RECV] = WEIR_FLOW_HALF_OPEN,
		[WEIR_TCP_ESTABLISHED] = WEIR_FLOW_ESTABLISHED,
		[WEIR_TCP_FIN_WAIT] = WEIR_FLOW_CLOSING,
		[WEIR_TCP_CLOSE_WAIT] = WEIR_FLOW_CLOSING,
		[WEIR_TCP_LAST_ACK] = WEIR_FLOW_CLOSING,
		[WEIR_TCP_TIME_WAIT] = WEIR_FLOW_CLOSED,
		[WEIR_TCP_CLOSE] = WEIR_FLOW_CLOSED,
	};
	const bool unsure = (f->flags & WEIR_FLOW_LOOSE) && !(f->flags & WEIR_FLOW_REPLIED);

	if (f->tcp_state >= WEIR_TCP_STATES ||
	    (cls != by_state[f->tcp_state] && !(unsure && cls == WEIR_FLOW_HALF_OPEN)))
		abort();
}

static void check_peers(const struct weir_flow *f)
{
	const bool both =
		f->tcp_state == WEIR_TCP_SYN_RECV ||
		(f->tcp_state >= WEIR_TCP_ESTABLISHED && f->tcp_state <= WEIR_TCP_TIME_WAIT);

	for (unsigned dir = 0; both && dir < WEIR_DIRS; dir++)
		if (f->peer[dir].max_window == 0 ||
		    (int32_t)(f->peer[dir].end - f->peer[dir].acked) < 0)
			abort();
}

static void check_same(const struct weir_flow *a, const struct weir_flow *b)
{
	for (unsigned dir = 0; dir < WEIR_DIRS; dir++)
		if (a->peer[dir].end != b->peer[dir].end ||
		    a->peer[dir].acked != b->peer[dir].acked ||
		    a->peer[dir].max_window != b->peer[dir].max_window)
			abort();
	if (a->tcp_state != b->tcp_state || a->flags != b->flags || a->wscale != b->wscale)
		abort();
}

static void take(struct weir_flow *f, uint8_t how, const uint8_t *header, size_t bytes)
{
	const struct weir_flow before = *f;
	struct weir_flow_segment seg;
	enum weir_flow_class cls = WEIR_FLOW_CLASSES;
	enum weir_flow_tcp verdict;
	uint8_t *copy = malloc(bytes + 1); /* so that a step past the end is seen */

	if (copy == NULL)
		return;
	memcpy(copy, header, bytes);
	weir_flow_segment(copy, (uint32_t)bytes, &seg);
	free(copy);
	if (seg.wscale < -1 || seg.wscale > 14 || seg.payload_bytes > bytes)
		abort();
	verdict = weir_flow_tcp(f, how & 1 ? WEIR_DIR_REPLY : WEIR_DIR_ORIG, &seg, how & 2, &cls);
	if (verdict != WEIR_FLOW_TCP_OK)
		check_same(f, &before);
	check_class(f, cls);
	check_peers(f);
	if (verdict == WEIR_FLOW_TCP_RENEW)
		*f = (struct weir_flow){.flags = WEIR_FLOW_DRAFT};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct weir_flow f = {.flags = WEIR_FLOW_DRAFT};

	while (bytes >= 2) {
		const uint8_t how = data[0];
		const size_t n = RTE_MIN((size_t)data[1], bytes - 2);

		take(&f, how, data + 2, n);
		data += 2 + n;
		bytes -= 2 + n;
	}
	return 0;
}
