/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * fuzz_rewrite: any bytes as a frame; what 10_parse passes is rewritten.
 *
 * The first byte says how: bit 0 into the other family; bit 1 as an ICMP error; bit 2 its transport
 * checksum is made right before; bit 3 it is left to the port. The second says where the frame is
 * split into two segments. Whatever comes: nothing outside the packet is touched, a checksum that
 * was right stays right, what is refused by rewrite() is as it was, and the outcome passes 10_parse
 * with the same findings.
 */

#include "10_parse.c"
#include "rewrite_priv.h"
#include "toy_wire.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OTHER_FAMILY 1
#define AS_ERROR     2
#define MEND	     4
#define UNFINISHED   8

#define PATTERN 0xa5

static void must(bool kept, const char *promise)
{
	if (kept)
		return;
	fprintf(stderr, "fuzz_rewrite: %s\n", promise);
	abort();
}

/* The packet in a row, with IP header and transport where meta says. */
struct flat {
	uint8_t b[WIRE_BYTES + 64];
	uint16_t n;
	uint8_t *ip, *l4;
};

static void flatten(struct rte_mbuf *m, struct flat *f)
{
	f->n = wire_flat(m, f->b);
	f->ip = f->b + weir_meta(m)->l3_off;
	f->l4 = f->b + weir_meta(m)->l4_off;
}

/* Where its transport checksum is; 0: there is none to speak of. */
static unsigned csum_at(struct rte_mbuf *m, const struct flat *f)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint32_t there = f->n - meta->l4_off;

	if (meta->flags & WEIR_META_FRAG)
		return 0;
	if (!(meta->flags & WEIR_META_L4) &&
	    ((meta->proto != IPPROTO_UDPLITE && meta->proto != IPPROTO_DCCP) || there < 8))
		return 0;
	/* What a datagram has behind its length is in no sum. */
	if (meta->proto == IPPROTO_UDP && (uint32_t)(f->l4[4] << 8 | f->l4[5]) != there)
		return 0;
	return wire_csum_at(meta->proto);
}

static bool is_right(struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	struct flat f;

	flatten(m, &f);
	return csum_at(m, &f) == 0 ||
	       (meta->proto == IPPROTO_UDP && f.l4[6] == 0 && f.l4[7] == 0) ||
	       wire_l4_sum(f.ip, f.l4, f.n - meta->l4_off, meta->proto) == 0xffff;
}

/* Make the transport checksum right. Its bytes lie in the first segment. */
static void mend(struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	struct flat f;
	unsigned at;
	uint32_t csum;

	flatten(m, &f);
	at = csum_at(m, &f);
	if (at == 0 || (uint32_t)m->data_len < meta->l4_off + at + 2)
		return;
	toy_put16(f.l4 + at, 0);
	csum = (uint16_t)~wire_l4_sum(f.ip, f.l4, f.n - meta->l4_off, meta->proto);
	if (csum == 0 && (meta->proto == IPPROTO_UDP || meta->proto == IPPROTO_UDPLITE))
		csum = 0xffff;
	toy_put16(rte_pktmbuf_mtod_offset(m, uint8_t *, meta->l4_off + at), csum);
}

/* Where a packet goes: fixed addresses that pass 10_parse. */
static struct weir_tuple tuple_to(struct rte_mbuf *m, uint8_t how)
{
	static const uint8_t a6[16] = {0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	static const uint8_t b6[16] = {0, 0x64, 0xff, 0x9b, [12] = 192, 0, 2, 77};
	const bool v6 = !(weir_meta(m)->flags & WEIR_META_IP4) != !!(how & OTHER_FAMILY);
	struct weir_tuple t = {.family = v6 ? 6 : 4,
			       .proto = weir_meta(m)->proto,
			       .sport = RTE_BE16(0xfffe),
			       .dport = RTE_BE16(0x0102)};

	memcpy(t.src, v6 ? a6 : (const uint8_t *)"\xcb\x00\x71\x05", v6 ? 16 : 4);
	memcpy(t.dst, v6 ? b6 : (const uint8_t *)"\xc0\x00\x02\x4d", v6 ? 16 : 4);
	return t;
}

/* The protocol of the other family, if it goes there. */
static void set_proto(struct weir_tuple *t, uint8_t proto, bool other)
{
	t->proto = proto;
	if (other && proto == IPPROTO_ICMP)
		t->proto = IPPROTO_ICMPV6;
	else if (other && proto == IPPROTO_ICMPV6)
		t->proto = IPPROTO_ICMP;
}

/* Nothing but the packet was written: before and behind it the buffer is as it was. */
static void check_outside(const struct toy_mbuf *t, uint32_t from, uint32_t to)
{
	for (uint32_t i = 0; i < sizeof(t->buf); i++)
		if (i < from || i >= to)
			must(t->buf[i] == PATTERN, "a byte outside the packet was written");
}

/* Put a frame into one or two segments whose rooms have a pattern. */
static struct rte_mbuf *frame_of(struct toy_mbuf t[WIRE_SEGS], const struct wire *w, uint16_t cut)
{
	struct rte_mbuf *m = wire_mbuf(t, w, cut, 0);

	for (unsigned i = 0; i < m->nb_segs; i++) {
		memset(t[i].buf, PATTERN, sizeof(t[i].buf));
		memcpy(t[i].buf + TOY_HEADROOM, w->b + (i == 0 ? 0 : cut), t[i].m.data_len);
	}
	return m;
}

static void check_same_findings(struct rte_mbuf *m)
{
	const struct weir_meta was = *weir_meta(m);
	const struct weir_meta *meta = weir_meta(m);

	must(parse_any(m, NULL) == WEIR_NEXT, "10_parse does not pass the outcome");
	must(meta->l3_off == was.l3_off && meta->l4_off == was.l4_off && meta->proto == was.proto,
	     "headers do not lie where meta says");
	must((meta->flags & FOUND) == (was.flags & FOUND), "flags are not what 10_parse finds");
}

static void go(struct toy_mbuf t[WIRE_SEGS], struct rte_mbuf *m, uint16_t frame_bytes, uint8_t how)
{
	struct icmp_idents ids = {.next = 1};
	struct weir_tuple to = tuple_to(m, how);
	const bool error = wire_is_error(weir_meta(m)->flags & WEIR_META_IP4 ? 4 : 6,
					 weir_meta(m)->proto, *(const uint8_t *)l4(m));
	const bool right = is_right(m);
	uint32_t end = TOY_HEADROOM + frame_bytes; /* all may be pulled into one segment */
	enum weir_drop why;
	struct flat before, after;

	flatten(m, &before);
	if (how & AS_ERROR) {
		struct quote q;

		if (!error || !(weir_meta(m)->flags & WEIR_META_L4))
			return;
		if (quote_find(m, &q))
			set_proto(&to, q.was.proto, how & OTHER_FAMILY);
		why = rewrite_error(&ids, m, &to);
	} else {
		set_proto(&to, to.proto, how & OTHER_FAMILY);
		why = rewrite(&ids, m, &to);
	}
	if (m->data_off + (uint32_t)m->data_len > end)
		end = m->data_off + (uint32_t)m->data_len;
	check_outside(&t[0], RTE_MIN((uint32_t)m->data_off, (uint32_t)TOY_HEADROOM), end);
	if (why != WEIR_DROP_NONE && (how & AS_ERROR))
		return;
	flatten(m, &after);
	if (why != WEIR_DROP_NONE) {
		must(after.n == before.n && memcmp(after.b, before.b, after.n) == 0,
		     "a packet that was refused has changed");
		return;
	}
	if (how & UNFINISHED)
		weir_offload_finish(m, 0);
	must(!right || is_right(m), "a right checksum became wrong");
	check_same_findings(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct toy_mbuf t[WIRE_SEGS];
	struct rte_mbuf *m;
	uint16_t cut;
	struct wire w;
	uint8_t how;

	if (size < 2 + WIRE_L2 || size > 1400)
		return 0;
	how = data[0];
	w.n = (uint16_t)(size - 2);
	memcpy(w.b, data + 2, w.n);
	cut = data[1] < w.n ? data[1] : 0;
	m = frame_of(t, &w, cut);
	if (parse_any(m, NULL) != WEIR_NEXT ||
	    !(weir_meta(m)->flags & (WEIR_META_IP4 | WEIR_META_IP6)))
		return 0;
	if (how & MEND)
		mend(m);
	if ((how & UNFINISHED) && !(how & AS_ERROR) && (weir_meta(m)->flags & WEIR_META_L4) &&
	    !(weir_meta(m)->flags & (WEIR_META_FRAG | WEIR_META_OPTIONS)) &&
	    (weir_meta(m)->proto == IPPROTO_TCP || weir_meta(m)->proto == IPPROTO_UDP) &&
	    weir_meta(m)->l4_off - weir_meta(m)->l3_off <= 40)
		weir_offload_request(m, weir_meta(m)->l3_off, weir_meta(m)->l4_off);
	go(t, m, w.n, how);
	return 0;
}
