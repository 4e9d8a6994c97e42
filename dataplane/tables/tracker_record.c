/* SPDX-License-Identifier: BSD-3-Clause */

/* Records of flows and rules, from a worker into its ring. */

#include "tracker_priv.h"

#include <netinet/in.h>
#include <weir/shard.h>

#include "flow_priv.h"
#include "nat_priv.h"

#define NS_PER_MS UINT64_C(1000000)
/* Entries that a call of tracker_update() looks at, at most, and how late it may come. While more
 * wait it is called every millisecond. */
#define LOOKS_MOST 4096
#define LATE_MS	   50

static uint64_t start_ns(const struct weir_tracker *t, const struct weir_flow *f)
{
	const uint64_t age_ns = (uint64_t)(t->flows->now_ms - f->start_ms) * NS_PER_MS;

	return age_ns < t->now_ns ? t->now_ns - age_ns : 0;
}

void tracker_fill(struct weir_tracker *t, const struct weir_flow *f, uint32_t flow,
		  struct weir_record *r)
{
	weir_flow_tuple(t->flows, f, WEIR_DIR_ORIG, &r->orig);
	if (f->flags & (WEIR_FLOW_SNAT | WEIR_FLOW_DNAT))
		weir_flow_leaving(t->flows, f, WEIR_DIR_ORIG, &r->to);
	r->start_ns = start_ns(t, f);
	r->flow_id = weir_record_flow_id(t->shard->worker, flow, f->start_ms);
	for (unsigned d = 0; d < WEIR_DIRS; d++) {
		r->pkts[d] = f->pkts[d];
		r->bytes[d] = weir_flow_bytes(f, d);
		r->tcp_flags[d] = weir_flow_tcp_flags(f, d);
		r->zone[d] = f->zone[d];
	}
	r->rule = f->rule;
	r->mark = f->mark;
	r->app = f->app;
	r->tcp_state = f->proto == IPPROTO_TCP ? f->tcp_state : 0;
}

static void write_flow(struct weir_tracker *t, const struct weir_flow *f, uint32_t flow,
		       enum weir_record_kind kind, enum weir_record_reason reason)
{
	struct weir_record *r;

	if (!weir_record_allow(t->records, kind, t->now_ns))
		return;
	r = weir_record_begin(t->records, kind, t->now_ns);
	if (r == NULL)
		return;
	tracker_fill(t, f, flow, r);
	r->reason = (uint8_t)reason;
	weir_record_commit(t->records);
}

static enum weir_nat_event nat_event(const struct weir_record *r, bool begins)
{
	if (r->orig.family == 4)
		return begins ? WEIR_NAT_EVENT_NAT44_CREATE : WEIR_NAT_EVENT_NAT44_DELETE;
	if (r->to.family == 4)
		return begins ? WEIR_NAT_EVENT_NAT64_CREATE : WEIR_NAT_EVENT_NAT64_DELETE;
	return begins ? WEIR_NAT_EVENT_CREATE : WEIR_NAT_EVENT_DELETE;
}

static void write_nat(struct weir_tracker *t, const struct weir_flow *f, uint32_t flow, bool begins)
{
	struct weir_record *r;

	if (!(f->flags & (WEIR_FLOW_SNAT | WEIR_FLOW_DNAT)) ||
	    !weir_record_allow(t->records, WEIR_RECORD_NAT, t->now_ns))
		return;
	r = weir_record_begin(t->records, WEIR_RECORD_NAT, t->now_ns);
	if (r == NULL)
		return;
	tracker_fill(t, f, flow, r);
	r->nat_event = (uint8_t)nat_event(r, begins);
	weir_record_commit(t->records);
}

/* The subscriber, its address outside and the ports; of no flow in particular. */
static void write_block(struct weir_tracker *t, const struct nat_lease *lease, bool begins)
{
	struct weir_record *r;

	if (!weir_record_allow(t->records, WEIR_RECORD_NAT, t->now_ns))
		return;
	r = weir_record_begin(t->records, WEIR_RECORD_NAT, t->now_ns);
	if (r == NULL)
		return;
	r->orig.family = r->to.family = 4;
	memcpy(r->orig.src, &lease->inside_be, sizeof(lease->inside_be));
	memcpy(r->to.src, &lease->outside_be, sizeof(lease->outside_be));
	r->block_lo = lease->lo;
	r->block_hi = lease->hi;
	r->nat_event = begins ? WEIR_NAT_EVENT_BLOCK : WEIR_NAT_EVENT_UNBLOCK;
	weir_record_commit(t->records);
}

/* weir_nat_source() has just said of which block the flow's port is. */
static void take_block(struct weir_tracker *t, struct weir_flow *f)
{
	const struct nat_lease lease = {.inside_be = f->v4.src,
					.outside_be = f->v4.xsrc,
					.lo = t->nat.block.lo,
					.hi = t->nat.block.hi};
	bool begins;

	if (t->leases == NULL || lease.hi == 0 ||
	    (f->flags & (WEIR_FLOW_SNAT | WEIR_FLOW_EXT)) != WEIR_FLOW_SNAT || f->family != 4)
		return;
	f->v4.lease = nat_leases_take(t->leases, &lease, &begins);
	if (f->v4.lease != 0 && begins)
		write_block(t, &lease, true);
}

static void give_block(struct weir_tracker *t, const struct weir_flow *f)
{
	struct nat_lease ended;

	if (t->leases != NULL && f->family == 4 && f->v4.lease != 0 &&
	    nat_leases_give(t->leases, f->v4.lease, &ended))
		write_block(t, &ended, false);
}

void tracker_begun(struct weir_tracker *t, struct weir_flow *f, uint32_t flow)
{
	if (t->records == NULL)
		return;
	f->flags |= WEIR_FLOW_LOGGED;
	take_block(t, f);
	write_flow(t, f, flow, WEIR_RECORD_FLOW_START, WEIR_RECORD_IDLE);
	write_nat(t, f, flow, true);
}

/* Without another cause it is its time: of TCP that was closed, what the closing left. */
static enum weir_record_reason reason_of(const struct weir_tracker *t, const struct weir_flow *f)
{
	if (t->ending != WEIR_RECORD_REASONS)
		return (enum weir_record_reason)t->ending;
	return f->cls == WEIR_FLOW_CLOSED || (f->flags & WEIR_FLOW_DEAD) ? WEIR_RECORD_CLOSED
									 : WEIR_RECORD_IDLE;
}

void tracker_ended(struct weir_tracker *t, const struct weir_flow *f, uint32_t flow)
{
	if (t->records == NULL || !(f->flags & WEIR_FLOW_LOGGED))
		return;
	write_flow(t, f, flow, WEIR_RECORD_FLOW_END, reason_of(t, f));
	write_nat(t, f, flow, false);
	give_block(t, f);
}

/* The whole table once in update_ms, however often and however late this is called; a table that is
 * too large for that in the time that it takes. */
bool tracker_update(struct weir_tracker *t)
{
	const struct weir_flow_table *flows = t->flows;
	const uint32_t round_ms = RTE_MAX(t->update_ms, flows->n_entries / LOOKS_MOST);
	uint32_t until;

	if (t->records == NULL || t->update_ms == 0)
		return false;
	until = (uint32_t)((uint64_t)flows->n_entries * (flows->now_ms % t->update_ms) /
			   t->update_ms);
	for (unsigned looks = LOOKS_MOST; looks > 0 && t->update_at != until; looks--) {
		const struct weir_flow *f = &flows->entries[t->update_at];

		/* Only what has had a packet since the last time. */
		if (f->family != 0 && (f->flags & WEIR_FLOW_LOGGED) &&
		    flows->now_ms - f->last_ms < round_ms + LATE_MS &&
		    flows->now_ms - f->start_ms >= t->update_ms)
			write_flow(t, f, t->update_at, WEIR_RECORD_FLOW_UPDATE, WEIR_RECORD_IDLE);
		t->update_at = t->update_at + 1 == flows->n_entries ? 0 : t->update_at + 1;
	}
	return t->update_at != until;
}

void tracker_judged(struct weir_tracker *t, const struct weir_rule *rule,
		    const struct weir_rule_ask *ask, uint32_t ip_bytes)
{
	struct weir_record *r;

	if (t->records == NULL || !weir_record_allow(t->records, WEIR_RECORD_RULE, t->now_ns))
		return;
	r = weir_record_begin(t->records, WEIR_RECORD_RULE, t->now_ns);
	if (r == NULL)
		return;
	r->orig = ask->tuple;
	r->zone[WEIR_DIR_ORIG] = ask->from;
	r->zone[WEIR_DIR_REPLY] = ask->to;
	r->rule = rule->slot;
	r->action = (uint8_t)rule->action;
	r->pkts[WEIR_DIR_ORIG] = 1;
	r->bytes[WEIR_DIR_ORIG] = ip_bytes;
	r->tcp_flags[WEIR_DIR_ORIG] = ask->tcp_flags;
	weir_record_commit(t->records);
}
