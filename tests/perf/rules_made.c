/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Rule sets in the manner of ClassBench: its programs and seeds are not used, its shapes are.
 *
 * acl  sources are subnets and hosts of some hundred sites, destinations hosts and small subnets of
 *      some dozen; TCP and UDP to one port, few ranges, the source port is any
 * fw   of each side a half is any or a very short prefix; a third of the ports are ranges (1024 and
 *      above, or arbitrary), on both sides; all protocols occur
 *
 * No two rules are the same, and more specific ones stand first, as in sets that people made.
 */

#include "rules_made.h"

#include "perf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define SITES_SRC 400
#define SITES_DST 60

static uint64_t state;

static uint32_t lot(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * below >> 32);
}

/* Whether a chance of so many in a hundred comes true. */
static bool in_100(uint32_t percent)
{
	return lot(100) < percent;
}

const char *rules_kind_name(enum rules_kind kind)
{
	return kind == RULES_ACL ? "acl" : "fw";
}

/* A /20 (IPv6: /44) of a site, the same each time; what is more specific is random. */
static struct weir_prefix site_prefix(uint8_t family, uint32_t site, unsigned longer)
{
	struct weir_prefix p = {.addr.family = family};
	const uint32_t spread = site * UINT32_C(0x9e3779b1);
	uint8_t *b = p.addr.bytes;

	if (family == 4) {
		const uint32_t word =
			htonl(UINT32_C(0x10000000) | (spread >> 5 & 0x07fff000) | lot(4096));

		memcpy(b, &word, 4);
		p.length = (uint8_t)(20 + longer);
	} else {
		b[0] = 0x20;
		b[1] = 0x01;
		b[2] = (uint8_t)(spread >> 24);
		b[3] = (uint8_t)(spread >> 16);
		b[4] = (uint8_t)(spread >> 8);
		b[5] = (uint8_t)(spread & 0xf0) | (uint8_t)lot(16);
		b[6] = (uint8_t)lot(16);
		b[7] = (uint8_t)lot(256);
		b[15] = (uint8_t)lot(256);
		p.length = (uint8_t)(longer == 12 ? 128 : longer == 0 ? 44 : 46 + 2 * longer);
	}
	return weir_prefix_network(&p);
}

static struct weir_prefix acl_prefix(uint8_t family, bool dst)
{
	const uint32_t site = dst ? 1000 + lot(SITES_DST) : lot(SITES_SRC);

	if (dst)
		return site_prefix(family, site, in_100(70) ? 12 : 4 + lot(8));
	return site_prefix(family, site, in_100(45) ? 12 : in_100(60) ? 4 : lot(12));
}

static struct weir_prefix fw_prefix(uint8_t family, bool dst)
{
	const uint32_t site = dst ? 1000 + lot(SITES_DST) : lot(SITES_SRC);
	struct weir_prefix p;

	if (in_100(50)) {
		p = site_prefix(family, site, 0);
		p.length = in_100(80) ? 0 : (uint8_t)(family == 4 ? 8 : 32);
		return weir_prefix_network(&p);
	}
	return site_prefix(family, site, in_100(60) ? 12 : lot(12));
}

static struct weir_range one_port(void)
{
	static const uint16_t known[] = {22,   25,   53,   80,	 110,  123,  143,  161,
					 389,  443,  445,  514,	 993,  1433, 1521, 3306,
					 3389, 5060, 5432, 6379, 8080, 8443};
	const uint16_t port = in_100(80) ? known[lot(sizeof(known) / sizeof(known[0]))]
					 : (uint16_t)lot(65536);

	return (struct weir_range){port, port};
}

static struct weir_range port_range(void)
{
	struct weir_range r = {1024, 65535};

	if (in_100(60))
		return r;
	r.lo = (uint16_t)lot(60000);
	r.hi = (uint16_t)(r.lo + lot(in_100(50) ? 16 : 5000));
	return r;
}

static void set_ports(struct weir_rule *r, enum rules_kind kind, struct weir_range ranges[2])
{
	const uint32_t exact = kind == RULES_ACL ? 85 : 45, range = kind == RULES_ACL ? 10 : 35;
	const uint32_t dice = lot(100);

	if (dice < exact + range) {
		ranges[1] = dice < exact ? one_port() : port_range();
		r->n_dports = 1;
	}
	if (kind == RULES_FW && in_100(40)) {
		ranges[0] = in_100(30) ? one_port() : port_range();
		r->n_sports = 1;
	}
}

static void make_rule(struct rules_made *m, enum rules_kind kind, uint8_t family, uint32_t i)
{
	struct weir_prefix *p = m->prefixes[i];
	struct weir_rule *r = &m->rules[i];

	*r = (struct weir_rule){.action = (enum weir_action)lot(2),
				.icmp_type = -1,
				.icmp_code = -1,
				.dscp = -1,
				.family = family};
	for (unsigned side = 0; side < 2; side++)
		p[side] = kind == RULES_ACL ? acl_prefix(family, side) : fw_prefix(family, side);
	r->src = (struct weir_rule_addrs){.prefixes = &p[0], .n_prefixes = 1};
	r->dst = (struct weir_rule_addrs){.prefixes = &p[1], .n_prefixes = 1};
	r->sports = &m->ranges[i][0];
	r->dports = &m->ranges[i][1];
	r->proto = in_100(75) ? IPPROTO_TCP : IPPROTO_UDP;
	if (kind == RULES_FW && in_100(15))
		r->proto = in_100(50) ? 0 : in_100(50) ? IPPROTO_ICMP : IPPROTO_GRE;
	if (r->proto == IPPROTO_TCP || r->proto == IPPROTO_UDP)
		set_ports(r, kind, m->ranges[i]);
}

/* The more specific first, then by all that they match, so that twins are neighbours. */
static int compare(const void *a, const void *b)
{
	const struct weir_rule *x = a, *y = b;
	const struct weir_prefix *xs = x->src.prefixes, *ys = y->src.prefixes;
	const struct weir_prefix *xd = x->dst.prefixes, *yd = y->dst.prefixes;
	const int bits = (ys->length + yd->length) - (xs->length + xd->length);
	int order = bits != 0 ? bits : memcmp(xs->addr.bytes, ys->addr.bytes, 16);

	if (order == 0)
		order = memcmp(xd->addr.bytes, yd->addr.bytes, 16);
	if (order == 0)
		order = xs->length - ys->length;
	if (order == 0)
		order = x->proto - y->proto;
	if (order == 0)
		order = memcmp(x->sports, y->sports, sizeof(*x->sports));
	if (order == 0)
		order = memcmp(x->dports, y->dports, sizeof(*x->dports));
	return order;
}

void rules_make(struct rules_made *m, enum rules_kind kind, uint8_t family, uint32_t n)
{
	const uint32_t more = n + n / 2 + 16; /* some are twins */

	state = 88172645463325252u + n + kind;
	*m = (struct rules_made){0};
	m->rules = calloc(more, sizeof(m->rules[0]));
	m->prefixes = calloc(more, sizeof(m->prefixes[0]));
	m->ranges = calloc(more, sizeof(m->ranges[0]));
	m->names = calloc(more, sizeof(m->names[0]));
	if (m->rules == NULL || m->prefixes == NULL || m->ranges == NULL || m->names == NULL)
		perf_die("no memory for the rules", -ENOMEM);
	for (uint32_t done = 0; m->n < n && done < 2; done++) {
		/* A second time only what is missing could be made; sets have enough of their own.
		 */
		for (uint32_t i = 0; i < more; i++) {
			memset(m->ranges[i], 0, sizeof(m->ranges[i]));
			make_rule(m, kind, family, i);
		}
		qsort(m->rules, more, sizeof(m->rules[0]), compare);
		m->n = 0;
		for (uint32_t i = 0; i < more; i++)
			if (m->n == 0 || compare(&m->rules[m->n - 1], &m->rules[i]) != 0)
				m->rules[m->n++] = m->rules[i];
	}
	if (m->n < n)
		perf_die("too few different rules", -ENOSPC);
	/* Every so many one is left out, so that all kinds of specificity stay. */
	for (uint32_t i = 0; i < n; i++) {
		m->rules[i] = m->rules[(uint64_t)i * m->n / n];
		snprintf(m->names[i], sizeof(m->names[i]), "r%u", i);
		m->rules[i].name = m->names[i];
	}
	m->n = n;
}

void rules_unmake(struct rules_made *m)
{
	free(m->rules);
	free(m->prefixes);
	free(m->ranges);
	free(m->names);
}

static void host_in(const struct weir_prefix *p, uint8_t out[16])
{
	const unsigned bytes = p->addr.family == 4 ? 4 : 16;

	memcpy(out, p->addr.bytes, 16);
	for (unsigned i = p->length; i < bytes * 8; i++)
		if (lot(2) == 0)
			out[i / 8] ^= (uint8_t)(0x80 >> i % 8);
}

static uint16_t port_in(const struct weir_range *r, uint32_t n)
{
	return htons((uint16_t)(n == 0 ? lot(65536) : r->lo + lot(r->hi - r->lo + 1u)));
}

void rules_packets(const struct rules_made *m, struct weir_rule_ask *asks, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct weir_rule *r = &m->rules[lot(m->n)];
		struct weir_rule_ask *a = &asks[i];

		*a = (struct weir_rule_ask){.from = 1, .to = 2};
		a->tuple.family = r->family;
		a->tuple.proto = r->proto != 0 ? r->proto : IPPROTO_TCP;
		host_in(r->src.prefixes, a->tuple.src);
		host_in(r->dst.prefixes, a->tuple.dst);
		a->tuple.sport = port_in(r->sports, r->n_sports);
		a->tuple.dport = port_in(r->dports, r->n_dports);
	}
}

static void write_prefix(const struct weir_prefix *p, const char *before, FILE *out)
{
	const uint8_t *b = p->addr.bytes;

	fprintf(out, "%s%u.%u.%u.%u/%u", before, b[0], b[1], b[2], b[3], p->length);
}

void rules_write(const struct rules_made *m, FILE *out)
{
	const struct weir_range any = {0, 65535};

	for (uint32_t i = 0; i < m->n; i++) {
		const struct weir_rule *r = &m->rules[i];
		const struct weir_range *s = r->n_sports > 0 ? r->sports : &any;
		const struct weir_range *d = r->n_dports > 0 ? r->dports : &any;

		write_prefix(r->src.prefixes, "@", out);
		write_prefix(r->dst.prefixes, "\t", out);
		fprintf(out, "\t%u : %u\t%u : %u\t0x%02x/0x%02x\n", s->lo, s->hi, d->lo, d->hi,
			r->proto, r->proto == 0 ? 0 : 0xff);
	}
}

void rules_write_packets(const struct weir_rule_ask *asks, uint32_t n, FILE *out)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct weir_tuple *t = &asks[i].tuple;
		uint32_t src, dst;

		memcpy(&src, t->src, 4);
		memcpy(&dst, t->dst, 4);
		fprintf(out, "%u\t%u\t%u\t%u\t%u\t0\n", ntohl(src), ntohl(dst), ntohs(t->sport),
			ntohs(t->dport), t->proto);
	}
}
