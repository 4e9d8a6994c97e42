/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A DNS server on end 1 of toy_pair.h, UDP and TCP: what it says of the one name that it has is the
 * test's, and it can be silent, refuse, cut answers short or talk nonsense.
 */

#include "toy_pair.h"

#include <weir/resolver.h>

#define DNS_NAME    "www.weir.test"
#define DNS_ANSWER  512
#define DNS_ADDRS   8
#define DNS_TYPE_A  1
#define DNS_TYPE_6A 28

enum dns_mood { DNS_RIGHT, DNS_SILENT, DNS_NO_NAME, DNS_CUT, DNS_NONSENSE, DNS_WRONG_ID };

static struct dns {
	weir_sock udp, listener, conn;
	enum dns_mood mood;
	uint8_t silent_to; /* a family whose questions are not answered */
	const char *addrs[DNS_ADDRS];
	unsigned n;
	uint32_t ttl_s;
	unsigned questions[2]; /* of IPv4, of IPv6 */
	unsigned by_tcp;
	uint32_t dice;
} dns;

static inline void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* One resource record: the name is that of the question. @return its bytes. */
static inline size_t dns_record(uint8_t *at, unsigned type, const struct weir_addr *addr)
{
	const unsigned bytes = type == DNS_TYPE_A ? 4 : 16;

	put16(at, 0xc00c);
	put16(at + 2, type);
	put16(at + 4, 1);
	put16(at + 6, dns.ttl_s >> 16);
	put16(at + 8, dns.ttl_s & 0xffff);
	put16(at + 10, bytes);
	memcpy(at + 12, addr->bytes, bytes);
	return 12 + bytes;
}

/* The answer to a question in place. @return its bytes; 0: none. */
static inline size_t dns_answer(uint8_t *msg, size_t n, bool tcp)
{
	const unsigned type = (unsigned)msg[n - 4] << 8 | msg[n - 3];
	unsigned answers = 0;

	CU_ASSERT_FATAL(n > 16 && n < 300 && (type == DNS_TYPE_A || type == DNS_TYPE_6A));
	dns.questions[type == DNS_TYPE_6A]++;
	dns.by_tcp += tcp;
	if (dns.mood == DNS_SILENT || dns.silent_to == (type == DNS_TYPE_A ? 4 : 6))
		return 0;
	put16(msg + 2, 0x8180);
	if (dns.mood == DNS_NO_NAME)
		put16(msg + 2, 0x8183);
	if (dns.mood == DNS_CUT && !tcp)
		put16(msg + 2, 0x8380);
	for (unsigned i = 0; dns.mood != DNS_NO_NAME && (dns.mood != DNS_CUT || tcp) && i < dns.n;
	     i++) {
		const struct weir_endpoint e = toy_end(dns.addrs[i], 0);

		if ((e.addr.family == 4) != (type == DNS_TYPE_A))
			continue;
		n += dns_record(msg + n, type, &e.addr);
		answers++;
	}
	put16(msg + 6, answers);
	if (dns.mood == DNS_WRONG_ID)
		msg[0] ^= 1;
	if (dns.mood == DNS_NONSENSE) /* ID and question stay, or it would not be looked at */
		for (size_t i = 4; i < n; i++) {
			dns.dice = dns.dice * 1664525 + 1013904223;
			if (dns.dice >> 28 == 0)
				msg[i] = (uint8_t)(dns.dice >> 8);
		}
	return n;
}

static inline void dns_serve_udp(void)
{
	struct weir_stack *s = pair.end[1].stack;
	struct weir_dgram d;

	while (weir_udp_recv(s, dns.udp, &d) == 0) {
		uint8_t msg[DNS_ANSWER];
		size_t n = rte_pktmbuf_pkt_len(d.payload);
		struct rte_mbuf *m;

		CU_ASSERT_FATAL(n < 300);
		memcpy(msg, rte_pktmbuf_mtod(d.payload, char *), n);
		rte_pktmbuf_free(d.payload);
		n = dns_answer(msg, n, false);
		if (n == 0)
			continue;
		m = toy_payload(msg, (uint32_t)n, 2000);
		if (weir_udp_send(s, dns.udp, m, &d.from, NULL) < 0)
			rte_pktmbuf_free(m);
	}
}

static inline void dns_serve_tcp(void)
{
	struct weir_stack *s = pair.end[1].stack;
	uint8_t msg[2 + DNS_ANSWER];
	int64_t n;

	if (dns.conn == WEIR_NO_SOCK && weir_accept(s, dns.listener, NULL, &dns.conn, NULL) < 0)
		return;
	n = weir_recv(s, dns.conn, msg, sizeof(msg));
	if (n > 2) { /* a question comes in one segment here */
		n = (int64_t)dns_answer(msg + 2, (size_t)n - 2, true);
		put16(msg, (unsigned)n);
		CU_ASSERT_EQUAL(weir_send(s, dns.conn, msg, (size_t)n + 2), n + 2);
	} else if (n == 0 || n != -EAGAIN) {
		weir_sock_close(s, dns.conn);
		dns.conn = WEIR_NO_SOCK;
	}
}

static inline void dns_begin(void)
{
	const struct weir_endpoint at = {.port = 53};

	dns = (struct dns){.ttl_s = 60, .dice = 1};
	CU_ASSERT_EQUAL_FATAL(weir_udp_open(pair.end[1].stack, &at, NULL, &dns.udp), 0);
	dns.listener = pair_listen(53, 4);
}
