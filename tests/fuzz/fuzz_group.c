/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * IGMP and MLD of any bytes at a stack that hears groups.
 *
 * Input: a byte of choices (bit 0: IPv6, the others: bytes of a segment), then packets, each two
 * bytes of its length and itself from its IP header on; as 10_parse has it, that header with its
 * options lies in one piece. Whatever comes: nothing outside of the packets is read, each is
 * answered at most once for each group and changes no group, and in the end no timer is left.
 */

#include "ip/ip_group_priv.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>

#include "fuzz_eal.h"

#define GROUPS 3
/* The longest time that MLD can say is 8,388 s. */
#define WAIT_MOST (UINT64_C(8400) * 1000000000)

static struct rte_mempool *pool;
static unsigned sent;

static void output(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	(void)ctx;
	sent += n;
	rte_pktmbuf_free_bulk(pkts, n);
}

static bool link_to(void *ctx, const struct weir_addr *to, const struct weir_link *want,
		    struct weir_link *out)
{
	static const struct weir_addr four = {4, {192, 0, 2, 1}}, six = {6, {0xfe, 0x80, [15] = 1}};

	(void)ctx, (void)want;
	*out = (struct weir_link){.mtu_bytes = 1500, .from = to->family == 4 ? four : six};
	return true;
}

/* The header of IP and its options; 0: that is no packet that 10_parse lets through. */
static uint16_t head_of(const uint8_t *p, size_t n, bool v6)
{
	size_t head = v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr);

	if (n < head)
		return 0;
	if (!v6)
		head = (p[0] & 0xfu) * 4;
	else if (p[6] == IPPROTO_HOPOPTS)
		head += n > 41 ? (p[41] + 1u) * 8 : n;
	return head > n || head < sizeof(struct iphdr) ? 0 : (uint16_t)head;
}

static struct rte_mbuf *packet(const uint8_t *p, size_t n, uint16_t head, uint16_t seg_bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *seg;

	must(m != NULL, "there is a buffer");
	memcpy(rte_pktmbuf_append(m, head), p, head);
	for (size_t at = head; at < n;) {
		const uint16_t part = (uint16_t)RTE_MIN(n - at, (size_t)seg_bytes);

		seg = rte_pktmbuf_alloc(pool);
		must(seg != NULL, "there is a buffer");
		memcpy(rte_pktmbuf_append(seg, part), p + at, part);
		must(rte_pktmbuf_chain(m, seg) == 0, "it is not too long");
		at += part;
	}
	return m;
}

/* All that is due, in its time. @return when the last was. */
static uint64_t run(struct weir_stack *s, uint64_t now_ns)
{
	uint64_t due_ns;
	unsigned polls = 0;

	while ((due_ns = weir_stack_poll(s, now_ns)) != UINT64_MAX) {
		must(due_ns > now_ns && due_ns < now_ns + WAIT_MOST,
		     "no timer is longer than can be said");
		must(++polls < 100, "timers end");
		now_ns = due_ns;
	}
	return now_ns;
}

static uint64_t receive(struct weir_stack *s, const uint8_t *p, size_t n, bool v6,
			uint16_t seg_bytes, uint64_t now_ns)
{
	const uint16_t head = head_of(p, n, v6);
	struct rte_mbuf *m;

	if (head == 0)
		return now_ns;
	m = packet(p, n, head, seg_bytes);
	*weir_meta(m) =
		(struct weir_meta){.flags = WEIR_META_L4 | (v6 ? WEIR_META_IP6 : WEIR_META_IP4),
				   .l4_off = head,
				   .proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_IGMP};
	sent = 0;
	if (!group_input(s, m))
		rte_pktmbuf_free(m);
	now_ns = run(s, now_ns);
	must(sent <= GROUPS, "a question has an answer for each group at most");
	return now_ns;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_stack_conf conf = {.sockets = 1,
				       .socket_pkts = 1,
				       .secret = {1, 2},
				       .output = output,
				       .link = link_to};
	const bool v6 = size > 0 && data[0] & 1;
	struct weir_addr group = v6 ? (struct weir_addr){6, {0xff, 0x15}}
				    : (struct weir_addr){4, {239, 1, 2}};
	uint64_t now_ns = 1;
	struct weir_stack *s;
	weir_sock sock;

	if (size < 3 || size > 4096)
		return 0;
	if (pool == NULL) {
		fuzz_eal("64");
		pool = fuzz_pool(511);
	}
	conf.pool = pool;
	must(weir_stack_create(&conf, &s) == 0, "a stack is made");
	must(weir_socket(s, WEIR_UDP, NULL, &sock) == 0, "there is a socket");
	for (unsigned i = 0; i < GROUPS; i++) {
		group.bytes[v6 ? 15 : 3] = (uint8_t)(3 + i);
		must(group_join(s, sock_of(s, sock), 0, &group) == 0, "it joins");
	}
	now_ns = run(s, now_ns);
	must(sent >= GROUPS, "joining is said");
	for (size_t at = 1; at + 2 <= size;) {
		const size_t n = RTE_MIN((size_t)data[at] << 8 | data[at + 1], size - at - 2);

		now_ns = receive(s, data + at + 2, n, v6, (uint16_t)(4 + (data[0] >> 1)), now_ns);
		at += 2 + n;
	}
	for (unsigned i = 0; i < GROUPS; i++) {
		group.bytes[v6 ? 15 : 3] = (uint8_t)(3 + i);
		must(weir_stack_hears(s, 0, &group), "no message makes us leave");
	}
	must(weir_sock_close(s, sock) == 0, "it closes");
	run(s, now_ns);
	weir_stack_free(s);
	must(rte_mempool_in_use_count(pool) == 0, "every buffer is home");
	return 0;
}
