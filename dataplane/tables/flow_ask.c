/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Questions of the control thread about a worker's flows, and names for people.
 *
 * The control thread leaves a pointer; the worker goes through the slab, a part of it each pass,
 * and says so when it is through. While the answer is made it is the worker's alone.
 */

#include "flow_priv.h"

/* Entries looked at in one pass. */
#define PART 512

void weir_flow_ask_post(struct weir_flow_table *t, struct weir_flow_ask *ask)
{
	if (ask != NULL) {
		ask->matched = 0;
		ask->cursor = 0;
		__atomic_store_n(&ask->done, false, __ATOMIC_RELAXED);
	}
	atomic_store_explicit(&t->ask, ask, memory_order_release);
}

bool weir_flow_ask_waits(const struct weir_flow_table *t)
{
	return atomic_load_explicit(&t->ask, memory_order_relaxed) != NULL;
}

bool weir_flow_ask_done(const struct weir_flow_ask *ask)
{
	return __atomic_load_n(&ask->done, __ATOMIC_ACQUIRE);
}

static bool has_prefix(const uint8_t addr[16], const struct weir_flow_filter *w)
{
	const unsigned bits = RTE_MIN(w->addr_bits, w->family == 4 ? 32u : 128u);
	const unsigned bytes = bits / 8;
	const uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	return memcmp(addr, w->addr, bytes) == 0 &&
	       (mask == 0 || ((addr[bytes] ^ w->addr[bytes]) & mask) == 0);
}

/* The part of a filter that asks for addresses and ports, of one of a flow's two tuples. */
static bool has_end(const struct weir_tuple *t, const struct weir_flow_filter *w)
{
	return (w->port == 0 || t->sport == w->port || t->dport == w->port) &&
	       (w->family == 0 || t->family == w->family) &&
	       (w->addr_bits == 0 ||
		(t->family == w->family && (has_prefix(t->src, w) || has_prefix(t->dst, w))));
}

static bool is_asked_for(const struct weir_flow_filter *w, const struct weir_flow *f,
			 const struct weir_tuple *orig, const struct weir_tuple *to)
{
	return (w->proto == 0 || f->proto == w->proto) &&
	       (w->rule_plus_one == 0 || f->rule + 1 == w->rule_plus_one) &&
	       (has_end(orig, w) || has_end(to, w));
}

static void show(const struct weir_flow_table *t, const struct weir_flow *f,
		 struct weir_flow_view *v)
{
	v->flow = *f;
	v->idle_ms = t->now_ms - f->last_ms;
	v->age_ms = t->now_ms - f->start_ms;
	v->left_ms = t->timeout_ms[f->cls] - v->idle_ms;
}

static void answer(struct weir_flow_table *t, struct weir_flow_ask *ask, struct weir_flow *f)
{
	struct weir_tuple orig, reply, to;

	if (f->family == 0 || (f->flags & WEIR_FLOW_DRAFT) || flow_timed_out(t, f))
		return;
	weir_flow_tuple(t, f, WEIR_DIR_ORIG, &orig);
	weir_flow_tuple(t, f, WEIR_DIR_REPLY, &reply);
	to = weir_tuple_reverse(&reply);
	if (!is_asked_for(&ask->filter, f, &orig, &to) ||
	    (ask->filter.match != NULL &&
	     !ask->filter.match(ask->filter.match_ctx, f, &orig, &reply)))
		return;
	if (ask->kill) {
		flow_end(t, f, &t->stats.killed);
	} else {
		struct weir_flow_view *v = &ask->views[ask->matched];

		show(t, f, v);
		v->orig = orig;
		v->to = to;
	}
	ask->matched++;
}

void weir_flow_ask_serve(struct weir_flow_table *t)
{
	struct weir_flow_ask *ask = atomic_load_explicit(&t->ask, memory_order_acquire);
	uint32_t end, most;

	if (likely(ask == NULL))
		return;
	most = ask->kill ? ask->limit : RTE_MIN(ask->limit, ask->room);
	end = RTE_MIN(t->n_entries, ask->cursor + PART);
	while (ask->cursor < end && ask->matched < most)
		answer(t, ask, &t->entries[ask->cursor++]);
	if (ask->cursor < t->n_entries && ask->matched < most)
		return;
	/* First out of the table: once it is done, its owner may free it. */
	atomic_store_explicit(&t->ask, NULL, memory_order_relaxed);
	__atomic_store_n(&ask->done, true, __ATOMIC_RELEASE);
}

const char *weir_flow_class_name(enum weir_flow_class cls)
{
	static const char *const names[WEIR_FLOW_CLASSES] = {
		[WEIR_FLOW_CLOSED] = "closed",	       [WEIR_FLOW_HALF_OPEN] = "half-open",
		[WEIR_FLOW_UNANSWERED] = "unanswered", [WEIR_FLOW_ICMP] = "icmp",
		[WEIR_FLOW_OTHER] = "other",	       [WEIR_FLOW_UDP] = "udp",
		[WEIR_FLOW_CLOSING] = "closing",       [WEIR_FLOW_ESTABLISHED] = "established",
	};

	return (unsigned)cls < WEIR_FLOW_CLASSES ? names[cls] : "?";
}

const char *weir_tcp_state_name(enum weir_tcp_state state)
{
	static const char *const names[WEIR_TCP_STATES] = {
		[WEIR_TCP_NONE] = "NONE",	  [WEIR_TCP_SYN_SENT] = "SYN_SENT",
		[WEIR_TCP_SYN_RECV] = "SYN_RECV", [WEIR_TCP_ESTABLISHED] = "ESTABLISHED",
		[WEIR_TCP_FIN_WAIT] = "FIN_WAIT", [WEIR_TCP_CLOSE_WAIT] = "CLOSE_WAIT",
		[WEIR_TCP_LAST_ACK] = "LAST_ACK", [WEIR_TCP_TIME_WAIT] = "TIME_WAIT",
		[WEIR_TCP_CLOSE] = "CLOSE",	  [WEIR_TCP_SYN_SENT2] = "SYN_SENT2",
	};

	return (unsigned)state < WEIR_TCP_STATES ? names[state] : "?";
}
