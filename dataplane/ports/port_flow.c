/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * rte_flow: packets that a driver drops and counts for us.
 *
 * Before a rule goes, one that lets its packets pass is put in front of it. Then its counter stands
 * still, is read, and what comes from then on is counted above.
 */

#include "port_flow_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <rte_errno.h>
#include <rte_flow.h>
#include <stdlib.h>
#include <string.h>
#include <weir/port.h>

#define WEIR_XDP "net_weir_xdp"
/* Priorities of net_weir_xdp from here on are behind what steer= leaves to the kernel. */
#define WEIR_XDP_LAST 65536
/* Times that a counter is read until it stands still. */
#define READS_MAX  100
#define QUEUES_MAX 64

#define ECHO4 8
#define ECHO6 128

#define END(kind)                                  \
	{                                          \
		.type = RTE_FLOW_##kind##_TYPE_END \
	}

struct port_flow {
	const struct weir_port *port;
	struct port_flow_match match;
	struct rte_flow *drop;
	struct rte_flow *pass; /* in front of it, at its end */
};

/* A pattern with all that its items point to. */
struct pattern {
	struct rte_flow_item_eth eth, eth_mask;
	struct rte_flow_item_vlan vlan, vlan_mask;
	union {
		struct rte_flow_item_ipv4 four;
		struct rte_flow_item_ipv6 six;
	} ip, ip_mask;
	union {
		struct rte_flow_item_tcp tcp;
		struct rte_flow_item_udp udp;
		struct rte_flow_item_icmp icmp;
		struct rte_flow_item_icmp6 icmp6;
		rte_be16_t ports[2]; /* TCP and UDP begin with source and destination */
		uint8_t bytes[2];    /* both kinds of ICMP with type and code */
	} l4, l4_last, l4_mask;
	struct rte_flow_item items[5];
	unsigned n;
};

static bool is_weir_xdp(const struct weir_port *p)
{
	return strcmp(p->driver, WEIR_XDP) == 0;
}

static void add_item(struct pattern *p, enum rte_flow_item_type type, const void *spec,
		     const void *last, const void *mask)
{
	p->items[p->n++] = (struct rte_flow_item){type, spec, last, mask};
}

static void add_link(struct pattern *p, const struct port_flow_match *m)
{
	memcpy(p->eth.hdr.dst_addr.addr_bytes, m->mac, sizeof(m->mac));
	memset(&p->eth_mask.hdr.dst_addr, 0xff, sizeof(p->eth_mask.hdr.dst_addr));
	p->eth.has_vlan = m->vlan != 0;
	p->eth_mask.has_vlan = 1;
	add_item(p, RTE_FLOW_ITEM_TYPE_ETH, &p->eth, NULL, &p->eth_mask);
	if (m->vlan == 0)
		return;
	p->vlan.hdr.vlan_tci = htons(m->vlan);
	p->vlan_mask.hdr.vlan_tci = htons(0x0fff);
	add_item(p, RTE_FLOW_ITEM_TYPE_VLAN, &p->vlan, NULL, &p->vlan_mask);
}

static void set_prefix(void *spec, void *mask, const struct weir_prefix *from, unsigned bytes)
{
	uint8_t *bits = mask;

	memcpy(spec, from->addr.bytes, bytes);
	for (unsigned i = 0; i < from->length; i++)
		bits[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

static void add_network(struct pattern *p, const struct port_flow_match *m)
{
	if (m->family == 4) {
		struct rte_ipv4_hdr *ip = &p->ip.four.hdr, *mask = &p->ip_mask.four.hdr;

		set_prefix(&ip->src_addr, &mask->src_addr, &m->src, 4);
		set_prefix(&ip->dst_addr, &mask->dst_addr, &m->dst, 4);
		mask->fragment_offset = RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK);
		add_item(p, RTE_FLOW_ITEM_TYPE_IPV4, &p->ip, NULL, &p->ip_mask);
	} else {
		struct rte_ipv6_hdr *ip = &p->ip.six.hdr, *mask = &p->ip_mask.six.hdr;

		set_prefix(&ip->src_addr, &mask->src_addr, &m->src, 16);
		set_prefix(&ip->dst_addr, &mask->dst_addr, &m->dst, 16);
		p->ip_mask.six.has_frag_ext = 1;
		add_item(p, RTE_FLOW_ITEM_TYPE_IPV6, &p->ip, NULL, &p->ip_mask);
	}
}

/* More than one port, and not all. */
static bool is_part(const struct weir_range *r)
{
	return r->lo != r->hi && (r->lo != 0 || r->hi != UINT16_MAX);
}

static void set_range(struct pattern *p, unsigned i, const struct weir_range *r)
{
	if (r->lo == 0 && r->hi == UINT16_MAX)
		return;
	p->l4.ports[i] = htons(r->lo);
	p->l4_last.ports[i] = htons(r->hi);
	p->l4_mask.ports[i] = UINT16_MAX;
}

static void add_transport(struct pattern *p, const struct port_flow_match *m)
{
	const bool ports = m->proto == IPPROTO_TCP || m->proto == IPPROTO_UDP;
	const bool range = ports && (is_part(&m->sports) || is_part(&m->dports));

	if (ports) {
		set_range(p, 0, &m->sports);
		set_range(p, 1, &m->dports);
	} else {
		p->l4.bytes[0] = m->family == 4 ? ECHO4 : ECHO6;
		p->l4_mask.bytes[0] = UINT8_MAX;
		p->l4.bytes[1] = m->icmp_code < 0 ? 0 : (uint8_t)m->icmp_code;
		p->l4_mask.bytes[1] = m->icmp_code < 0 ? 0 : UINT8_MAX;
	}
	add_item(p,
		 m->proto == IPPROTO_TCP   ? RTE_FLOW_ITEM_TYPE_TCP
		 : m->proto == IPPROTO_UDP ? RTE_FLOW_ITEM_TYPE_UDP
		 : m->family == 4	   ? RTE_FLOW_ITEM_TYPE_ICMP
					   : RTE_FLOW_ITEM_TYPE_ICMP6,
		 &p->l4, range ? &p->l4_last : NULL, &p->l4_mask);
}

static void make_pattern(struct pattern *p, const struct port_flow_match *m)
{
	memset(p, 0, sizeof(*p));
	add_link(p, m);
	add_network(p, m);
	add_transport(p, m);
	add_item(p, RTE_FLOW_ITEM_TYPE_END, NULL, NULL, NULL);
}

static const struct rte_flow_action drop_and_count[] = {
	{.type = RTE_FLOW_ACTION_TYPE_COUNT}, {.type = RTE_FLOW_ACTION_TYPE_DROP}, END(ACTION)};

/* @last: those that are looked at behind the others of ours. */
static struct rte_flow_attr attributes(const struct weir_port *p, bool last)
{
	return (struct rte_flow_attr){.ingress = 1,
				      .priority = (is_weir_xdp(p) ? WEIR_XDP_LAST : 0) + last};
}

static int refused(const struct weir_port *p, int rc, const struct rte_flow_error *error,
		   struct weir_why *why)
{
	rc = rc == 0 ? -EIO : rc > 0 ? -rc : rc;
	return weir_why(why, rc, "port %s: %s", p->name,
			error->message != NULL ? error->message : strerror(-rc));
}

int port_flow_can(const struct weir_port *p, struct weir_why *why)
{
	const struct port_flow_match any = {.family = 4,
					    .proto = IPPROTO_UDP,
					    .sports = {0, UINT16_MAX},
					    .dports = {0, UINT16_MAX}};
	const struct rte_flow_attr attr = attributes(p, true);
	struct rte_flow_error error = {.message = NULL};
	struct pattern pattern;

	make_pattern(&pattern, &any);
	if (p->dpdk_id != UINT16_MAX &&
	    rte_flow_validate(p->dpdk_id, &attr, pattern.items, drop_and_count, &error) == 0)
		return 0;
	return weir_why(why, -ENOTSUP, "port %s: %s cannot drop packets by rules (%s)", p->name,
			p->driver, error.message != NULL ? error.message : "it has no rte_flow");
}

int port_flow_drop(const struct weir_port *p, const struct port_flow_match *m,
		   struct port_flow **out, struct weir_why *why)
{
	const struct rte_flow_attr attr = attributes(p, true);
	struct port_flow *f = calloc(1, sizeof(*f));
	struct rte_flow_error error = {.message = NULL};
	struct pattern pattern;

	if (f == NULL)
		return weir_why(why, -ENOMEM, "port %s: out of memory", p->name);
	*f = (struct port_flow){.port = p, .match = *m};
	make_pattern(&pattern, m);
	f->drop = rte_flow_create(p->dpdk_id, &attr, pattern.items, drop_and_count, &error);
	if (f->drop == NULL) {
		free(f);
		return refused(p, rte_errno, &error, why);
	}
	*out = f;
	return 0;
}

int port_flow_read(const struct port_flow *f, struct port_flow_count *out)
{
	const uint64_t header_bytes = sizeof(struct rte_ether_hdr) +
				      (f->match.vlan != 0 ? sizeof(struct rte_vlan_hdr) : 0);
	const struct rte_flow_action count[] = {{.type = RTE_FLOW_ACTION_TYPE_COUNT}, END(ACTION)};
	struct rte_flow_query_count now = {.hits = 0};
	struct rte_flow_error error;
	const int rc = rte_flow_query(f->port->dpdk_id, f->drop, count, &now, &error);

	if (rc < 0)
		return rc;
	*out = (struct port_flow_count){now.hits, now.bytes - now.hits * header_bytes};
	if (!now.bytes_set)
		out->bytes = 0;
	return 0;
}

/* Put a rule in front that brings its packets to us, as if there were none. */
static void pass_by(struct port_flow *f)
{
	const struct weir_port *p = f->port;
	const struct rte_flow_attr attr = attributes(p, false);
	uint16_t queues[QUEUES_MAX];
	struct rte_flow_action_rss rss = {.queue = queues};
	const struct rte_flow_action to_us[] = {{.type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss},
						END(ACTION)};
	struct rte_flow_error error;
	struct pattern pattern;

	/* Without a list net_weir_xdp spreads as ever. */
	for (; !is_weir_xdp(p) && rss.queue_num < RTE_MIN((uint32_t)p->rxqs, (uint32_t)QUEUES_MAX);
	     rss.queue_num++)
		queues[rss.queue_num] = (uint16_t)rss.queue_num;
	make_pattern(&pattern, &f->match);
	f->pass = rte_flow_create(p->dpdk_id, &attr, pattern.items, to_us, &error);
}

/* What it has dropped, once packets pass it by: another core may still be at one that had come
 * before, so it is read until it stands still. */
static int read_last(const struct port_flow *f, struct port_flow_count *out)
{
	struct port_flow_count before;
	int rc = port_flow_read(f, out);

	for (unsigned i = 0; rc == 0 && i < READS_MAX; i++) {
		before = *out;
		rc = port_flow_read(f, out);
		if (f->pass == NULL || before.pkts == out->pkts)
			break;
	}
	return rc;
}

static int end_one(struct port_flow *f, struct weir_why *why)
{
	struct rte_flow_error error = {.message = NULL};
	int rc = rte_flow_destroy(f->port->dpdk_id, f->drop, &error);

	if (rc == 0 && f->pass != NULL)
		rc = rte_flow_destroy(f->port->dpdk_id, f->pass, &error);
	if (rc < 0)
		rc = refused(f->port, rc, &error, why);
	free(f);
	return rc;
}

bool port_flow_end(struct port_flow *const *flows, uint32_t n, struct port_flow_count *out,
		   struct weir_why *why)
{
	bool good = true;

	for (uint32_t i = 0; i < n; i++)
		pass_by(flows[i]);
	for (uint32_t i = 0; i < n; i++)
		if (read_last(flows[i], &out[i]) < 0)
			good = weir_why(why, -EIO,
					"port %s: its driver does not tell what it dropped",
					flows[i]->port->name) == 0;
	for (uint32_t i = 0; i < n; i++)
		if (end_one(flows[i], why) < 0)
			good = false;
	return good;
}
