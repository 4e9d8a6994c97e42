/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Stages 30 to 50 against a slow and obvious firewall.
 *
 * Few hosts and ports, so that flows meet; every kind of translation, with small pools; packets of
 * flows and of nobody, errors about them, time that passes, policies that change.
 * WEIR_TEST_LONG=1: two million packets.
 */

#include "toy_slow_firewall.h"

#include <arpa/inet.h>

#define PACKETS	     100000
#define PACKETS_LONG 2000000

static uint64_t begun, full, replies, by_mapping, errors;
static uint64_t random_state;

static uint32_t any(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) * below >> 32);
}

/* ---- packets ---- */

static char text[2][INET6_ADDRSTRLEN];

/* A packet of a tuple; its addresses are in text[]. */
static struct toy_ip packet(const struct weir_tuple *t, uint8_t flags, uint32_t seq, uint32_t ack)
{
	const int af = t->family == 4 ? AF_INET : AF_INET6;
	struct toy_ip p = {.proto = t->proto,
			   .src = inet_ntop(af, t->src, text[0], sizeof(text[0])),
			   .sport = ntohs(t->sport),
			   .dst = inet_ntop(af, t->dst, text[1], sizeof(text[1])),
			   .dport = ntohs(t->dport),
			   .tcp_flags = flags,
			   .seq = seq,
			   .ack = ack,
			   .data = "whatever"};

	if (t->proto != IPPROTO_TCP)
		p.data_bytes = 8;
	if (is_icmp(t)) {
		p.icmp_type = (uint8_t)question(t->family);
		if (is_answer(t)) {
			p.icmp_type = t->family == 4 ? 0 : 129;
			p.sport = p.dport;
		}
	}
	return p;
}

/* The tuple of a packet. */
static struct weir_tuple read_tuple(const uint8_t *at)
{
	struct weir_tuple t = {.family = at[0] >> 4, .proto = at[0] >> 4 == 4 ? at[9] : at[6]};
	const uint8_t *l4 = at + (t.family == 4 ? 20 : 40);

	memcpy(t.src, at + (t.family == 4 ? 12 : 8), t.family == 4 ? 4 : 16);
	memcpy(t.dst, at + (t.family == 4 ? 16 : 24), t.family == 4 ? 4 : 16);
	memcpy(&t.sport, l4, 4);
	if (is_icmp(&t)) {
		memcpy(&t.sport, l4 + 4, 2);
		t.dport = htons(question(t.family));
		if (l4[0] == 0 || l4[0] == 129) {
			t.dport = t.sport;
			t.sport = htons(question(t.family));
		}
	}
	return t;
}

static const uint8_t *ip_of(const struct toy_mbuf *m)
{
	return m->buf + m->m.data_off + m->meta.l3_off;
}

/* Whether all checksums of a packet are right. */
static bool sums_up(const uint8_t *at)
{
	const bool six = at[0] >> 4 == 6;
	const uint8_t *l4 = at + (six ? 40 : 20);

	if (six)
		return rte_ipv6_udptcp_cksum_verify((const void *)at, l4) == 0;
	if (rte_ipv4_cksum((const void *)at) != 0)
		return false;
	if (at[9] == IPPROTO_ICMP)
		return rte_raw_cksum(l4, (size_t)(at[2] << 8 | at[3]) - 20) == 0xffff;
	return rte_ipv4_udptcp_cksum_verify((const void *)at, l4) == 0;
}

static void show(const char *what, const struct weir_tuple *t)
{
	const struct toy_ip p = packet(t, 0, 0, 0);

	printf("\n  %s: proto %u %s %u to %s %u", what, p.proto, p.src, ntohs(t->sport), p.dst,
	       ntohs(t->dport));
}

/* As CU_ASSERT_TRUE(), and tells of which packet. */
static bool must(bool is, const char *what, const struct weir_tuple *t)
{
	if (!is)
		show(what, t);
	CU_ASSERT_TRUE(is);
	return is;
}

/* Words of an address, summed up as checksums are. */
static uint32_t sum_of(const uint8_t addr[16])
{
	return rte_raw_cksum(addr, 16) % 0xffff;
}

/* The source address of a new flow, which nothing but the first packet tells. */
static void learn(struct want *w, const struct weir_tuple *in, const struct weir_tuple *got)
{
	const struct seen *known = find_seen(in->src, false);

	if (known == NULL) {
		CU_ASSERT_TRUE_FATAL(n_seen < RTE_DIM(seen));
		memcpy(seen[n_seen].inside, in->src, 16);
		memcpy(seen[n_seen].outside, got->src, 16);
		known = &seen[n_seen++];
		if (in->family == 6)
			must(is_from(got, "2001:db8:99::/64") &&
				     sum_of(got->src) == sum_of(in->src),
			     "not neutral", got);
		else
			must(is_from(got, "198.51.100.128/31"), "not of the pool", got);
	}
	memcpy(w->out.src, known->outside, 16);
}

/* The port of a flow whose inside port has one for all. */
static void check_mapping(const struct weir_tuple *in, const struct weir_tuple *got)
{
	struct mapping *p = find_mapping(in->src, in->sport, in->proto), *same;

	if (p != NULL && is_held(p)) {
		must(got->sport == p->outside_port, "not the port that others see", got);
		return;
	}
	same = find_mapping(NULL, got->sport, got->proto);
	if (same != NULL && same != p) {
		must(!is_held(same), "the port of another", got);
		*same = mapping[--n_mapping];
		p = find_mapping(in->src, in->sport, in->proto);
	}
	if (p == NULL) {
		CU_ASSERT_TRUE_FATAL(n_mapping < RTE_DIM(mapping));
		p = &mapping[n_mapping++];
	}
	memcpy(p->inside, in->src, 16);
	p->port = in->sport;
	p->proto = in->proto;
	p->outside_port = got->sport;
}

static bool is_among(const struct want *w, uint16_t port)
{
	return port >= w->port_lo && port - w->port_lo < (int)w->port_n;
}

/* The source port of a new flow. */
static void check_port(const struct want *w, const struct weir_tuple *in,
		       const struct weir_tuple *got)
{
	must(!is_taken(got), "taken", got);
	if (w->is_mapped) {
		must(is_among(w, ntohs(got->sport)), "not of the range", got);
		check_mapping(in, got);
	} else if ((w->keeps_any || is_among(w, ntohs(in->sport))) && !is_taken(&w->out)) {
		must(got->sport == in->sport, "not kept", got);
	} else {
		must(is_among(w, ntohs(got->sport)), "not of the range", got);
	}
}

/* Whether a flow could not have had any port. */
static bool is_full(const struct want *w, const struct weir_tuple *in)
{
	const struct seen *known = find_seen(in->src, false);
	struct weir_tuple out = w->out;

	if (w->learns && known == NULL)
		return true; /* who knows */
	if (w->learns)
		memcpy(out.src, known->outside, 16);
	if (w->port_n == 0)
		return is_taken(&out);
	for (unsigned i = 0; i < w->port_n; i++) {
		out.sport = htons((uint16_t)(w->port_lo + i));
		if (!is_taken(&out))
			return false;
	}
	return true;
}

static void add_flow(const struct want *w, const struct weir_tuple *in, uint8_t from,
		     const struct weir_tuple *got)
{
	CU_ASSERT_TRUE_FATAL(n_slow < FLOWS);
	slow[n_slow++] = (struct slow){.in = *in,
				       .out = *got,
				       .from = from,
				       .to = w->to,
				       .policy = policies_made,
				       .last_ms = now_ms()};
	begun++;
	by_mapping += from == WAN && is_to(in, "198.51.100.200/32");
}

/* What became of a packet that was to pass. */
static void check_passed(struct want *w, const struct weir_tuple *in, uint8_t from, uint8_t flags,
			 const struct weir_tuple *got)
{
	struct slow *s = w->flow;

	if (s == NULL) {
		if (w->learns)
			learn(w, in, got);
		check_port(w, in, got);
		w->out.sport = got->sport;
	}
	if (!must(is_equal(got, &w->out), "leaves wrongly", got))
		show("must be", &w->out);
	if (s == NULL) {
		add_flow(w, in, from, got);
		return;
	}
	s->last_ms = now_ms();
	replies += w->is_reply;
	if (in->proto != IPPROTO_TCP)
		s->stage |= w->is_reply;
	else if (flags == (SYN | ACK) || (flags == ACK && s->stage == 1))
		s->stage = flags == ACK ? 2 : 1;
}

static void bring(const struct weir_tuple *in, uint8_t from, uint8_t flags, uint32_t seq,
		  uint32_t ack)
{
	const struct toy_ip p = packet(in, flags, seq, ack);
	struct want w = {.verdict = WEIR_NEXT};
	enum weir_verdict verdict;
	struct weir_tuple got;
	struct toy_mbuf m;

	w.flow = find(in, &w.is_reply);
	if (w.flow != NULL && w.is_reply && flags == SYN)
		return; /* both sides open at once: test_flow_tcp_model.c */
	if (w.flow != NULL)
		judge_known(&w, from);
	else
		judge_first(&w, in, from, flags);
	verdict = toy_walk(toy_come(&m, from, &p));
	if (verdict == WEIR_DROP && w.verdict == WEIR_NEXT && w.flow == NULL) {
		if (m.meta.drop == WEIR_DROP_NAT_FULL)
			must(is_full(&w, in), "full", in);
		else
			must(w.may_be_gone && m.meta.drop == WEIR_DROP_RULE, "dropped", in);
		full += m.meta.drop == WEIR_DROP_NAT_FULL;
		return;
	}
	if (!must(verdict == w.verdict && m.meta.drop == w.why, "judged wrongly", in))
		printf(": is %u %s, must be %u %s", verdict, weir_drop_text(m.meta.drop)->label,
		       w.verdict, weir_drop_text(w.why)->label);
	if (verdict != WEIR_NEXT || w.verdict != WEIR_NEXT)
		return;
	got = read_tuple(ip_of(&m));
	must(sums_up(ip_of(&m)), "its sums are wrong", in);
	check_passed(&w, in, from, flags, &got);
}

/* An error about a packet: as it left, so it is quoted; who sent it gets it as it came. */
static void send_error(const struct weir_tuple *left, const struct weir_tuple *came, uint8_t from,
		       enum weir_verdict verdict, enum weir_drop why)
{
	const bool six = left->family == 6;
	struct weir_tuple outer = weir_tuple_reverse(left), quoted;
	struct toy_ip p = packet(left, SYN, 1000, 0);
	enum weir_verdict is;
	struct toy_mbuf m;
	uint8_t quote[128];

	toy_ip_bytes(&p, quote);
	outer.proto = six ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	outer.sport = outer.dport = 0;
	p = packet(&outer, 0, 0, 0);
	p.icmp_type = six ? 1 : 3;
	p.data = quote;
	p.data_bytes = six ? 48 : 28;
	is = toy_walk(toy_come(&m, from, &p));
	if (!must(is == verdict && m.meta.drop == why, "error judged wrongly", left))
		printf(": is %u %s, must be %u %s", is, weir_drop_text(m.meta.drop)->label, verdict,
		       weir_drop_text(why)->label);
	if (is != WEIR_NEXT || verdict != WEIR_NEXT)
		return;
	outer = read_tuple(ip_of(&m));
	must(sums_up(ip_of(&m)), "its sums are wrong", left);
	must(memcmp(outer.dst, came->src, 16) == 0, "error goes elsewhere", came);
	must(memcmp(outer.src, came->dst, 16) == 0, "error comes from elsewhere", came);
	quoted = read_tuple(ip_of(&m) + (outer.family == 6 ? 48 : 28));
	must(is_equal(&quoted, came), "error quotes another packet", came);
	errors++;
}

/* ---- what is sent ---- */

static const char *const inside4[] = {
	"10.0.0.2",  "10.0.0.3",  "10.0.0.17", "10.0.0.18", "10.0.0.33", "10.0.0.34", "10.0.0.49",
	"10.0.0.50", "10.0.0.51", "10.0.0.65", "10.0.0.66", "10.0.0.80", "10.0.0.97"};
static const char *const inside6[] = {"2001:db8:1::2", "2001:db8:1::3", "2001:db8:1::61"};
static const char *const outside4[] = {"8.8.8.1", "8.8.8.2", "8.8.8.3"};
static const char *const outside6[] = {"2001:db8:2::1", "2001:db8:2::2"};
static const char *const wanted4[] = {"192.0.2.1",	"198.51.100.17", "198.51.100.18",
				      "198.51.100.200", "10.0.0.80",	 "10.0.0.17",
				      "198.18.0.1",	"203.0.113.1"};
static const uint16_t ports[] = {53, 80, 9};
static const uint16_t own_ports[] = {500, 1500, 2001, 2002, 3001, 40000};

#define ONE_OF(list) ((list)[any(RTE_DIM(list))])

static void to_outside(struct weir_tuple *t)
{
	const uint32_t lot = any(20);

	if (t->family == 4) {
		set_addr(t->src, ONE_OF(inside4));
		set_addr(t->dst, lot == 0 ? "192.0.2.1" : ONE_OF(outside4));
		return;
	}
	set_addr(t->src, ONE_OF(inside6));
	if (lot < 8)
		set_addr(t->dst, ONE_OF(outside6));
	else
		set_addr(t->dst, lot == 8 ? "2001:db8:77::1" : "64:ff9b::808:801");
	if (lot > 8)
		t->dst[15] = (uint8_t)(1 + any(RTE_DIM(outside4)));
}

static void to_inside(struct weir_tuple *t)
{
	if (t->family == 4) {
		set_addr(t->src, ONE_OF(outside4));
		set_addr(t->dst, ONE_OF(wanted4));
		return;
	}
	set_addr(t->src, ONE_OF(outside6));
	set_addr(t->dst, ONE_OF(inside6));
	for (unsigned i = 0; i < n_seen && any(4) != 0; i++)
		if (is_in(seen[i].outside, 6, "2001:db8:99::/64"))
			memcpy(t->dst, seen[i].outside, 16);
}

static struct weir_tuple any_tuple(uint8_t from)
{
	static const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP};
	struct weir_tuple t = {.proto = ONE_OF(protos), .family = any(3) == 0 ? 6 : 4};
	uint16_t dport = ONE_OF(ports);

	if (from == LAN)
		to_outside(&t);
	else
		to_inside(&t);
	if (t.family == 6 && t.proto == IPPROTO_ICMP)
		t.proto = IPPROTO_ICMPV6;
	if (from == WAN && any(2) == 0)
		dport = (uint16_t)(80 + any(6));
	if (from == WAN && n_mapping > 0 && is_to(&t, "198.51.100.200/32"))
		dport = ntohs(mapping[any(n_mapping)].outside_port);
	if (is_to(&t, "10.0.0.80/32"))
		dport = (uint16_t)(8000 + any(5));
	t.sport = htons(ONE_OF(own_ports));
	t.dport = htons(is_icmp(&t) ? question(t.family) : dport);
	if (is_icmp(&t) && any(20) == 0)
		RTE_SWAP(t.sport, t.dport); /* an answer that nobody asked for */
	return t;
}

/* A packet of a flow, either way. */
static void send_more(const struct slow *s)
{
	const bool back = any(2) == 0;
	const struct weir_tuple t = back ? weir_tuple_reverse(&s->out) : s->in;
	uint8_t from = back ? s->to : s->from, flags = SYN;

	if (s->stage > 0 || back)
		flags = s->stage == 2 || !back ? ACK : SYN | ACK;
	if (any(50) == 0)
		from = !from;
	bring(&t, from, flags, (back ? 5000 : 1000) + (flags == ACK), back ? 1001 : 5001);
}

/* An error about a packet of a flow, either way. It passes whatever policy has let the flow in. */
static void send_error_of(const struct slow *s)
{
	const bool back = any(2) == 0;
	const struct weir_tuple left = back ? weir_tuple_reverse(&s->in) : s->out;
	const struct weir_tuple came = back ? weir_tuple_reverse(&s->out) : s->in;

	send_error(&left, &came, back ? s->from : s->to, WEIR_NEXT, WEIR_DROP_NONE);
}

/* An error about a packet that there never was. */
static void send_lie(void)
{
	const struct weir_tuple t = any_tuple(LAN), back = weir_tuple_reverse(&t);
	bool is_reply;

	if (find(&back, &is_reply) == NULL && way_to(&back) == TO_LAN)
		send_error(&t, &t, WAN, WEIR_DROP, WEIR_DROP_FLOW_INVALID);
}

static void change_policy(void)
{
	policy = !policy;
	policies_made++;
	toy_change(policies[policy]);
}

static void turn(void)
{
	const uint32_t lot = any(1000);
	const uint8_t from = any(3) == 0 ? WAN : LAN;
	struct weir_tuple t;
	bool is_reply;

	if (lot == 0)
		change_policy();
	else if (lot == 1)
		pass_time(any(10) == 0 ? 8000000 : any(200000));
	else if (lot < 300)
		pass_time(any(300));
	if (lot < 400) {
		t = any_tuple(from);
		bring(&t, from, any(30) == 0 && find(&t, &is_reply) == NULL ? ACK : SYN, 1000, 0);
	} else if (lot < 900 && n_slow > 0) {
		send_more(&slow[any(n_slow)]);
	} else if (lot < 980 && n_slow > 0) {
		send_error_of(&slow[any(n_slow)]);
	} else {
		send_lie();
	}
}

static void test_random_traffic_becomes_what_a_plain_reading_of_the_policy_says(void)
{
	const unsigned n = getenv("WEIR_TEST_LONG") == NULL ? PACKETS : PACKETS_LONG;

	random_state = 88172645463325252;
	toy_begin(policies[0]);
	for (unsigned i = 0; i < n && CU_get_number_of_failures() < 20; i++)
		turn();
	CU_ASSERT_EQUAL(toy_stats()->created, begun);
	/* Each way was gone often enough to mean something. */
	CU_ASSERT_TRUE(begun > n / 20);
	CU_ASSERT_TRUE(replies > n / 10);
	CU_ASSERT_TRUE(errors > n / 40);
	CU_ASSERT_TRUE(judged_again > n / 1000);
	CU_ASSERT_TRUE(by_mapping > n / 2000);
	CU_ASSERT_TRUE(full > n / 2000);
	toy_end();
}

WEIR_TESTS("nodes/firewall_model",
	   TEST(random_traffic_becomes_what_a_plain_reading_of_the_policy_says))
