/* SPDX-License-Identifier: BSD-3-Clause */

/* A script's packet lines: what is given to the stack, and what it has to answer. */

#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_US   UINT64_C(1000)
#define ANY_TIME_NS UINT64_C(3600000000000)

static void print_to(FILE *f, const struct runner *r, const char *what, uint64_t at_ns,
		     const struct seg *g)
{
	char text[1024];

	print_seg(text, sizeof(text), g);
	fprintf(f, "%s packet: %9.6f %s\n", what, seconds(r, at_ns), text);
}

static void print_line(const struct runner *r, const char *what, uint64_t at_ns,
		       const struct seg *g)
{
	print_to(stderr, r, what, at_ns, g);
}

/* ---- to the stack ---- */

/* Cookies that the stack has given are shown to it. False: it has not. */
static bool fill_cookies(const struct runner *r, struct seg *g)
{
	for (unsigned i = 0; i < g->n_opts; i++) {
		struct opt *o = &g->opts[i];

		if (o->kind != OPT_FO || o->cookie == 0)
			continue;
		if (!r->cookies[o->cookie - 1].is_known)
			return false;
		memcpy(o->data, r->cookies[o->cookie - 1].bytes, COOKIE_BYTES);
	}
	return true;
}

int run_in(struct runner *r, const struct seg *script)
{
	/* From the peer: its port is the source. */
	struct talk *t = talk_of(r, script->dst_port, script->src_port);
	struct seg live = *script;
	struct rte_mbuf *m;

	if (t == NULL)
		return refuse(r, "more than %d connections", TALKS_MOST);
	if (r->script->set.verbose)
		print_to(stdout, r, "inbound injected", r->now_ns, script);
	if (!fill_cookies(r, &live))
		return refuse(r, "a cookie that the stack has not given yet");
	if (script->is_icmp) {
		live.seq += t->iss;
		m = wire_make_icmp(r, t, &live);
	} else {
		talk_learn_in(t, &live);
		seg_to_live(t, &live);
		m = wire_make(r, t, &live);
	}
	if (m == NULL)
		return refuse(r,
			      "a packet that does not fit: options of more than %d bytes, or "
			      "more payload than a buffer has",
			      OPT_BYTES_MOST);
	if (!script->is_icmp)
		r->burst[r->n_burst++] = m;
	else if (weir_stack_input(r->stack, &m, 1, r->now_ns) != 0)
		rte_pktmbuf_free(m); /* it has looked at it */
	return 0;
}

int run_burst(struct runner *r)
{
	const uint16_t n = r->n_burst;
	const uint16_t left = weir_stack_input(r->stack, r->burst, n, r->now_ns);

	r->n_burst = 0;
	rte_pktmbuf_free_bulk(r->burst, left);
	return left > 0 ? fail(r, "the stack did not take %u of %u packets", left, n) : 0;
}

/* ---- from the stack ---- */

static int differs(struct runner *r, const char *field, uint32_t want, uint32_t got)
{
	return fail(r,
		    "error handling packet: live packet field %s: expected: %" PRIu32 " (0x%" PRIx32
		    ") vs actual: %" PRIu32 " (0x%" PRIx32 ")",
		    field, want, want, got, got);
}

static bool is_same_opt(const struct opt *a, const struct opt *b)
{
	return a->kind == b->kind && a->value == b->value && a->echo == b->echo &&
	       a->bytes == b->bytes && a->blocks == b->blocks &&
	       memcmp(a->data, b->data, a->bytes) == 0 &&
	       memcmp(a->sack, b->sack, a->blocks * sizeof(a->sack[0])) == 0;
}

/* The first of its name can be any; what it was has to come again, and differs from the others. */
static bool is_cookie(struct runner *r, const struct opt *want, const struct opt *got)
{
	struct cookie *c = &r->cookies[want->cookie - 1];

	if (got->kind != OPT_FO || got->bytes != COOKIE_BYTES)
		return false;
	if (c->is_known)
		return memcmp(c->bytes, got->data, COOKIE_BYTES) == 0;
	for (unsigned i = 0; i < COOKIES; i++)
		if (r->cookies[i].is_known &&
		    memcmp(r->cookies[i].bytes, got->data, COOKIE_BYTES) == 0)
			return false;
	c->is_known = true;
	memcpy(c->bytes, got->data, COOKIE_BYTES);
	return true;
}

/* What we stamp is the stack's affair: the script's number only has to come back. */
static int check_opts(struct runner *r, struct talk *t, const struct seg *want, struct seg *got,
		      const struct seg *live)
{
	bool same = want->n_opts == got->n_opts;

	for (unsigned i = 0; same && i < want->n_opts; i++) {
		if (want->opts[i].kind == OPT_TS && got->opts[i].kind == OPT_TS) {
			talk_learn_stamp(t, want->opts[i].value, live->opts[i].value);
			got->opts[i].value = want->opts[i].value;
		}
		same = want->opts[i].kind == OPT_FO && want->opts[i].cookie != 0
			       ? is_cookie(r, &want->opts[i], &got->opts[i])
			       : is_same_opt(&want->opts[i], &got->opts[i]);
	}
	return same || want->any_opts ? 0
				      : fail(r, "error handling packet: bad outbound TCP options");
}

static int check_ecn(struct runner *r, const struct seg *want, const struct seg *got)
{
	if (want->has_tos && want->tos != got->tos)
		return differs(r, "ip_tos", want->tos, got->tos);
	if (want->ecn == ECN_ECT0_OR_ECT1)
		return got->ecn == 1 || got->ecn == 2 ? 0 : differs(r, "ip_ecn", 2, got->ecn);
	return want->ecn == ECN_ANY || want->ecn == got->ecn
		       ? 0
		       : differs(r, "ip_ecn", want->ecn, got->ecn);
}

static int check_seg(struct runner *r, struct talk *t, const struct seg *want, struct seg *got,
		     const struct seg *live)
{
	if (want->flags != got->flags)
		return differs(r, "tcp_flags", want->flags, got->flags);
	if (want->seq != got->seq)
		return differs(r, "tcp_seq", want->seq, got->seq);
	if (want->bytes != got->bytes)
		return differs(r, "tcp_data_len", want->bytes, got->bytes);
	if (want->flags & FLAG_ACK && want->ack != got->ack)
		return differs(r, "tcp_ack_seq", want->ack, got->ack);
	if (want->has_wnd && want->wnd != got->wnd)
		return differs(r, "tcp_window", want->wnd, got->wnd);
	if (want->urg != got->urg)
		return differs(r, "tcp_urg_ptr", want->urg, got->urg);
	if (check_ecn(r, want, got) < 0)
		return -1;
	return check_opts(r, t, want, got, live);
}

/* The oldest packet that was sent, as the script would have it. NULL, or what is wrong with it. */
static const char *look(struct runner *r, struct seg *live, struct seg *got, struct talk **t)
{
	struct rte_mbuf *m = r->sent[r->sent_from % SENT_MOST].m;
	const char *why = wire_read(r, m, live);

	if (why != NULL)
		return why;
	*t = talk_of(r, live->src_port, live->dst_port);
	if (*t == NULL)
		return "there are too many connections";
	*got = *live;
	return NULL;
}

static void drop_oldest(struct runner *r)
{
	rte_pktmbuf_free(r->sent[r->sent_from++ % SENT_MOST].m);
}

/* Linux gives packetdrill segments of many packets (TSO); we have sent them one by one. */
static int join(struct runner *r, struct talk *t, const struct seg *want, struct seg *got)
{
	while (got->bytes > 0 && got->bytes < want->bytes && r->sent_from != r->sent_n) {
		struct seg live, more;
		struct talk *other;
		const char *why = look(r, &live, &more, &other);

		if (why != NULL)
			return fail(r, "a packet of the stack: %s", why);
		seg_to_script(t, &more);
		if (other != t || more.seq != got->seq + got->bytes || more.bytes == 0 ||
		    more.ack != got->ack || more.flags & (FLAG_SYN | FLAG_RST))
			break;
		if (!wire_is_right(t, r->sent[r->sent_from % SENT_MOST].m, &live))
			return fail(r, "bytes of the stream are wrong");
		got->bytes += more.bytes;
		/* Where Linux cuts a write into such segments, and pushes, is its own affair. */
		got->flags = (uint8_t)((got->flags | more.flags) & ~FLAG_PSH) |
			     (want->flags & FLAG_PSH);
		got->wnd = more.wnd;
		drop_oldest(r);
	}
	return 0;
}

static int check_time(struct runner *r, const struct when *when, uint64_t from_ns, uint64_t to_ns,
		      uint64_t at_ns, uint64_t tolerance_ns)
{
	if (when->kind == WHEN_ANY ||
	    (at_ns + tolerance_ns >= from_ns && at_ns <= to_ns + tolerance_ns))
		return 0;
	if (from_ns == to_ns)
		return fail(r,
			    "timing error: expected outbound packet at %.6f sec but happened at "
			    "%.6f sec; tolerance %.6f sec",
			    seconds(r, from_ns), seconds(r, at_ns), (double)tolerance_ns / 1e9);
	return fail(r,
		    "timing error: expected outbound packet in time range %.6f~%.6f sec but "
		    "happened at %.6f sec",
		    seconds(r, from_ns), seconds(r, to_ns), seconds(r, at_ns));
}

static int take(struct runner *r, const struct seg *want, struct seg *got)
{
	struct rte_mbuf *m = r->sent[r->sent_from % SENT_MOST].m;
	struct seg live;
	struct talk *t;
	const char *why = look(r, &live, got, &t);
	int rc = 0;

	if (why != NULL)
		return fail(r, "a packet of the stack: %s", why);
	if (t != talk_of(r, want->src_port, want->dst_port)) {
		const struct talk *w = talk_of(r, want->src_port, want->dst_port);

		if (w == NULL)
			return refuse(r, "more than %d connections", TALKS_MOST);
		return fail(r, "expected a packet of ports %u > %u, and came one of %u > %u",
			    w->our_port, w->peer_port, live.src_port, live.dst_port);
	}
	if (want->flags & FLAG_SYN)
		talk_learn_out(t, &live, want);
	seg_to_script(t, got);
	if (r->script->set.verbose)
		print_to(stdout, r, "outbound sniffed", r->sent[r->sent_from % SENT_MOST].at_ns,
			 got);
	if (live.bytes > 0 && !wire_is_right(t, m, &live))
		return fail(r, "bytes of the stream are wrong");
	drop_oldest(r);
	if (r->script->set.tso == TSO_NONE)
		rc = join(r, t, want, got);
	return rc < 0 ? rc : check_seg(r, t, want, got, &live);
}

int run_out(struct runner *r, const struct event *e)
{
	const uint64_t base_ns = e->when.kind == WHEN_AFTER ? r->now_ns : r->begin_ns;
	const uint64_t from_ns = base_ns + e->when.from_ns, to_ns = base_ns + e->when.to_ns;
	const struct settings *set = &r->script->set;
	uint64_t tolerance_ns = set->tolerance_us * NS_PER_US, at_ns;
	struct seg got = {.ecn = ECN_ANY};
	int rc = 0;

	if (to_ns > r->now_ns)
		tolerance_ns =
			RTE_MAX(tolerance_ns, (to_ns - r->now_ns) / 100 * set->tolerance_percent);
	if (r->sent_from == r->sent_n)
		rc = run_until(r,
			       e->when.kind == WHEN_ANY ? r->now_ns + ANY_TIME_NS
							: RTE_MAX(to_ns + tolerance_ns, r->now_ns),
			       true);
	if (rc < 0)
		return rc;
	if (r->sent_from == r->sent_n) {
		fail(r, "error handling packet: timed out: nothing was sent until %.6f sec",
		     seconds(r, r->now_ns));
		print_line(r, "script", e->when.kind == WHEN_ANY ? r->now_ns : from_ns, e->seg);
		return -1;
	}
	at_ns = r->sent[r->sent_from % SENT_MOST].at_ns;
	rc = take(r, e->seg, &got);
	if (rc == 0)
		rc = check_time(r, &e->when, from_ns, to_ns, at_ns, tolerance_ns);
	if (rc < 0) {
		print_line(r, "script", e->when.kind == WHEN_ANY ? at_ns : from_ns, e->seg);
		print_line(r, "actual", at_ns, &got);
	}
	return rc;
}

int run_rest(struct runner *r)
{
	int rc = 0;

	while (r->sent_from != r->sent_n) {
		const uint64_t at_ns = r->sent[r->sent_from % SENT_MOST].at_ns;
		struct seg live, got = {.ecn = ECN_ANY};
		struct talk *t;
		const char *why = look(r, &live, &got, &t);

		if (why != NULL)
			rc = fail(r, "a packet of the stack: %s", why);
		/* What the last event has brought about may be left out. */
		if (why == NULL && rc == 0 && at_ns < r->now_ns) {
			rc = fail(r, "a packet was sent that no line expects");
			seg_to_script(t, &got);
			print_line(r, "actual", at_ns, &got);
		}
		drop_oldest(r);
	}
	return rc;
}
