/* SPDX-License-Identifier: BSD-3-Clause */

/* Rules of a driver that only writes down what it is asked for. */

#include "failalloc.h"
#include "port_flow.c"
#include "test.h"

#define RULES_MAX 8

/* A rule as the driver got it. */
struct rte_flow {
	bool used, drops;
	uint32_t priority;
	enum rte_flow_item_type types[5];
	unsigned n_items;
	struct rte_flow_item_eth eth, eth_mask;
	struct rte_flow_item_vlan vlan, vlan_mask;
	struct rte_flow_item_ipv4 four, four_mask;
	struct rte_flow_item_ipv6 six, six_mask;
	uint8_t l4[4], l4_last[4], l4_mask[4];
	bool has_last;
	uint32_t queues;
	uint64_t hits, bytes;
};

static struct {
	struct rte_flow rule[RULES_MAX];
	int refuse;    /* rte_errno of the next rules */
	unsigned late; /* packets that are counted after a rule was put in front */
	bool tells_nothing;
	int refuse_end;
	bool refuse_end_of_pass; /* that of rules which drop is let */
} driver;

static struct weir_port port;

static void setup(const char *name)
{
	memset(&driver, 0, sizeof(driver));
	port = (struct weir_port){.dpdk_id = 3, .rxqs = 2, .name = "wan"};
	snprintf(port.driver, sizeof(port.driver), "%s", name);
}

static void take(struct rte_flow *r, const struct rte_flow_item *item)
{
	r->types[r->n_items++] = item->type;
	switch (item->type) {
	case RTE_FLOW_ITEM_TYPE_ETH:
		r->eth = *(const struct rte_flow_item_eth *)item->spec;
		r->eth_mask = *(const struct rte_flow_item_eth *)item->mask;
		break;
	case RTE_FLOW_ITEM_TYPE_VLAN:
		r->vlan = *(const struct rte_flow_item_vlan *)item->spec;
		r->vlan_mask = *(const struct rte_flow_item_vlan *)item->mask;
		break;
	case RTE_FLOW_ITEM_TYPE_IPV4:
		r->four = *(const struct rte_flow_item_ipv4 *)item->spec;
		r->four_mask = *(const struct rte_flow_item_ipv4 *)item->mask;
		break;
	case RTE_FLOW_ITEM_TYPE_IPV6:
		r->six = *(const struct rte_flow_item_ipv6 *)item->spec;
		r->six_mask = *(const struct rte_flow_item_ipv6 *)item->mask;
		break;
	default:
		memcpy(r->l4, item->spec, 4);
		memcpy(r->l4_mask, item->mask, 4);
		r->has_last = item->last != NULL;
		if (r->has_last)
			memcpy(r->l4_last, item->last, 4);
	}
}

int rte_flow_validate(uint16_t id, const struct rte_flow_attr *attr,
		      const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
		      struct rte_flow_error *error)
{
	CU_ASSERT_EQUAL(id, 3);
	CU_ASSERT_EQUAL(pattern[0].type, RTE_FLOW_ITEM_TYPE_ETH);
	error->message = driver.refuse == 0 ? NULL : "only queues";
	return -driver.refuse;
}

struct rte_flow *rte_flow_create(uint16_t id, const struct rte_flow_attr *attr,
				 const struct rte_flow_item pattern[],
				 const struct rte_flow_action actions[],
				 struct rte_flow_error *error)
{
	struct rte_flow *r = driver.rule;

	CU_ASSERT_EQUAL(id, 3);
	CU_ASSERT_EQUAL(attr->ingress, 1);
	if (driver.refuse != 0) {
		error->message = "there is no room";
		rte_errno = driver.refuse;
		return NULL;
	}
	while (r->used)
		r++;
	*r = (struct rte_flow){.used = true, .priority = attr->priority};
	for (; pattern->type != RTE_FLOW_ITEM_TYPE_END; pattern++)
		take(r, pattern);
	for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
		const struct rte_flow_action_rss *rss = actions->conf;

		r->drops |= actions->type == RTE_FLOW_ACTION_TYPE_DROP;
		if (actions->type == RTE_FLOW_ACTION_TYPE_RSS)
			r->queues = rss->queue_num;
	}
	return r;
}

int rte_flow_query(uint16_t id, struct rte_flow *r, const struct rte_flow_action *action,
		   void *data, struct rte_flow_error *error)
{
	struct rte_flow_query_count *out = data;

	CU_ASSERT_EQUAL(action->type, RTE_FLOW_ACTION_TYPE_COUNT);
	CU_ASSERT_TRUE(r->used && r->drops);
	if (driver.tells_nothing)
		return -EIO;
	*out = (struct rte_flow_query_count){
		.hits_set = 1, .bytes_set = 1, .hits = r->hits, .bytes = r->bytes};
	if (driver.late > 0) { /* another core is still at it */
		driver.late--;
		r->hits++;
		r->bytes += 114;
	}
	return 0;
}

int rte_flow_destroy(uint16_t id, struct rte_flow *r, struct rte_flow_error *error)
{
	CU_ASSERT_TRUE(r->used);
	if (driver.refuse_end != 0 && !(driver.refuse_end_of_pass && r->drops)) {
		error->message = "the kernel does not take the rule out";
		return -driver.refuse_end;
	}
	r->used = false;
	return 0;
}

static struct weir_prefix prefix(const char *text)
{
	struct weir_prefix p = {.length = 0};

	CU_ASSERT_EQUAL_FATAL(weir_prefix_parse(text, strlen(text), &p), 0);
	return p;
}

static struct port_flow_match udp4(void)
{
	return (struct port_flow_match){.mac = {2, 0, 0, 0, 0, 9},
					.family = 4,
					.proto = IPPROTO_UDP,
					.src = prefix("198.51.100.0/25"),
					.dst = prefix("0.0.0.0/0"),
					.sports = {0, UINT16_MAX},
					.dports = {53, 53},
					.icmp_code = -1};
}

static struct port_flow *drop(const struct port_flow_match *m)
{
	struct weir_why why = {""};
	struct port_flow *f = NULL;

	CU_ASSERT_EQUAL_FATAL(port_flow_drop(&port, m, &f, &why), 0);
	return f;
}

static void end(struct port_flow *f)
{
	struct port_flow_count told;
	struct weir_why why;

	CU_ASSERT_TRUE(port_flow_end(&f, 1, &told, &why));
}

static void test_a_rule_is_for_whole_untagged_packets_to_the_interface(void)
{
	const struct port_flow_match m = udp4();
	const struct rte_flow *r = driver.rule;
	struct port_flow *f;

	setup("net_weir_xdp");
	f = drop(&m);
	CU_ASSERT_EQUAL(r->n_items, 3);
	CU_ASSERT_EQUAL(r->types[1], RTE_FLOW_ITEM_TYPE_IPV4);
	CU_ASSERT_EQUAL(r->types[2], RTE_FLOW_ITEM_TYPE_UDP);
	CU_ASSERT_EQUAL(memcmp(r->eth.hdr.dst_addr.addr_bytes, m.mac, 6), 0);
	CU_ASSERT_EQUAL(r->eth_mask.hdr.dst_addr.addr_bytes[5], 0xff);
	CU_ASSERT(r->eth_mask.has_vlan == 1 && r->eth.has_vlan == 0);
	CU_ASSERT_EQUAL(r->four.hdr.src_addr, htonl(0xc6336400));
	CU_ASSERT_EQUAL(r->four_mask.hdr.src_addr, htonl(0xffffff80));
	CU_ASSERT_EQUAL(r->four_mask.hdr.dst_addr, 0);
	CU_ASSERT_EQUAL(r->four_mask.hdr.fragment_offset, htons(0x3fff));
	CU_ASSERT_EQUAL(r->four.hdr.fragment_offset, 0);
	CU_ASSERT_EQUAL(memcmp(r->l4, "\0\0\0\x35", 4), 0);
	CU_ASSERT_EQUAL(memcmp(r->l4_mask, "\0\0\xff\xff", 4), 0);
	CU_ASSERT_TRUE(r->drops);
	end(f);
	CU_ASSERT_FALSE(r->used);
}

static void test_tags_ports_and_ipv6_have_their_items(void)
{
	struct port_flow_match m = udp4();
	const struct rte_flow *r = driver.rule;
	struct port_flow *f;

	setup("net_weir_xdp");
	m.vlan = 100;
	m.family = 6;
	m.proto = IPPROTO_TCP;
	m.src = prefix("::/0");
	m.dst = prefix("2001:db8::/33");
	m.sports = (struct weir_range){1000, 2000};
	f = drop(&m);
	CU_ASSERT_EQUAL(r->n_items, 4);
	CU_ASSERT(r->types[1] == RTE_FLOW_ITEM_TYPE_VLAN &&
		  r->types[2] == RTE_FLOW_ITEM_TYPE_IPV6 && r->types[3] == RTE_FLOW_ITEM_TYPE_TCP);
	CU_ASSERT_EQUAL(r->eth.has_vlan, 1);
	CU_ASSERT_EQUAL(r->vlan.hdr.vlan_tci, htons(100));
	CU_ASSERT_EQUAL(r->vlan_mask.hdr.vlan_tci, htons(0x0fff));
	CU_ASSERT(r->six_mask.has_frag_ext == 1 && r->six.has_frag_ext == 0);
	CU_ASSERT_EQUAL(((const uint8_t *)&r->six_mask.hdr.dst_addr)[4], 0x80);
	CU_ASSERT_EQUAL(((const uint8_t *)&r->six_mask.hdr.src_addr)[0], 0);
	CU_ASSERT_TRUE(r->has_last);
	CU_ASSERT_EQUAL(memcmp(r->l4, "\x03\xe8\0\x35", 4), 0);
	CU_ASSERT_EQUAL(memcmp(r->l4_last, "\x07\xd0\0\x35", 4), 0);
	end(f);
}

static void test_of_icmp_there_are_echo_requests(void)
{
	for (unsigned i = 0; i < 4; i++) {
		const struct rte_flow *r = driver.rule;
		struct port_flow_match m = udp4();
		struct port_flow *f;

		setup("net_weir_xdp");
		m.family = i % 2 ? 6 : 4;
		m.src = m.dst = prefix(i % 2 ? "::/0" : "0.0.0.0/0");
		m.proto = i % 2 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		m.icmp_code = i < 2 ? -1 : 0;
		f = drop(&m);
		CU_ASSERT_EQUAL(r->types[2],
				i % 2 ? RTE_FLOW_ITEM_TYPE_ICMP6 : RTE_FLOW_ITEM_TYPE_ICMP);
		CU_ASSERT(r->l4[0] == (i % 2 ? 128 : 8) && r->l4_mask[0] == 0xff);
		CU_ASSERT_EQUAL(r->l4_mask[1], i < 2 ? 0 : 0xff);
		CU_ASSERT(r->l4[2] == 0 && r->l4_mask[2] == 0);
		end(f);
	}
}

static void test_our_driver_looks_at_them_behind_what_the_kernel_keeps(void)
{
	static const struct {
		const char *name;
		uint32_t pass, drop, queues;
	} drivers[] = {{"net_weir_xdp", 65536, 65537, 0}, {"mlx5_pci", 0, 1, 2}};

	for (unsigned i = 0; i < 2; i++) {
		const struct port_flow_match m = udp4();
		struct port_flow *f;

		setup(drivers[i].name);
		f = drop(&m);
		CU_ASSERT_EQUAL(driver.rule[0].priority, drivers[i].drop);
		end(f);
		CU_ASSERT_EQUAL(driver.rule[1].priority, drivers[i].pass); /* was put in front */
		CU_ASSERT_FALSE(driver.rule[1].drops);
		CU_ASSERT_EQUAL(driver.rule[1].queues, drivers[i].queues);
		CU_ASSERT(!driver.rule[0].used && !driver.rule[1].used);
	}
}

static void test_counts_are_bytes_of_ip(void)
{
	struct port_flow_match m = udp4();
	struct port_flow_count told = {0};
	struct port_flow *f;

	for (unsigned tagged = 0; tagged < 2; tagged++) {
		setup("net_weir_xdp");
		m.vlan = tagged ? 7 : 0;
		f = drop(&m);
		driver.rule[0].hits = 10;
		driver.rule[0].bytes = 1140;
		CU_ASSERT_EQUAL(port_flow_read(f, &told), 0);
		CU_ASSERT_EQUAL(told.pkts, 10);
		CU_ASSERT_EQUAL(told.bytes, tagged ? 960 : 1000);
		end(f);
	}
}

static void test_no_packet_is_lost_at_the_end(void)
{
	const struct port_flow_match m = udp4();
	struct port_flow_count told[2] = {{0}};
	struct port_flow *f[2];
	struct weir_why why;

	setup("net_weir_xdp");
	f[0] = drop(&m);
	f[1] = drop(&m);
	driver.rule[0].hits = 5;
	driver.rule[1].hits = 7;
	driver.late = 3;
	CU_ASSERT_TRUE(port_flow_end(f, 2, told, &why));
	CU_ASSERT_EQUAL(told[0].pkts, 5 + 3);
	CU_ASSERT_EQUAL(told[1].pkts, 7);
	for (unsigned i = 0; i < RULES_MAX; i++)
		CU_ASSERT_FALSE(driver.rule[i].used);
}

static void test_what_a_driver_refuses_is_said_in_its_words(void)
{
	const struct port_flow_match m = udp4();
	struct port_flow_count told = {.pkts = 4};
	struct port_flow *f = NULL;
	struct weir_why why = {""};

	setup("net_tap");
	CU_ASSERT_EQUAL(port_flow_can(&port, &why), 0);
	driver.refuse = ENOSPC;
	CU_ASSERT_EQUAL(port_flow_can(&port, &why), -ENOTSUP);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "port wan: net_tap cannot drop packets by rules (only queues)");
	CU_ASSERT_EQUAL(port_flow_drop(&port, &m, &f, &why), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(why.text, "port wan: there is no room");
	CU_ASSERT_PTR_NULL(f);
	driver.refuse = 0;
	f = drop(&m);
	driver.tells_nothing = true;
	driver.refuse_end = EIO;
	CU_ASSERT_NOT_EQUAL(port_flow_read(f, &told), 0);
	CU_ASSERT_FALSE(port_flow_end(&f, 1, &told, &why));
	CU_ASSERT_STRING_EQUAL(why.text, "port wan: the kernel does not take the rule out");
	CU_ASSERT_EQUAL(told.pkts, 4);
	port.dpdk_id = UINT16_MAX; /* memory */
	CU_ASSERT_EQUAL(port_flow_can(&port, &why), -ENOTSUP);
}

static void test_a_rule_in_front_that_stays_is_said_in_the_drivers_words(void)
{
	const struct port_flow_match m = udp4();
	struct port_flow_count told = {.pkts = 0};
	struct weir_why why = {""};
	struct port_flow *f;

	setup("net_tap");
	f = drop(&m);
	driver.rule[0].hits = 5;
	driver.refuse_end = EBUSY;
	driver.refuse_end_of_pass = true;
	CU_ASSERT_FALSE(port_flow_end(&f, 1, &told, &why));
	CU_ASSERT_STRING_EQUAL(why.text, "port wan: the kernel does not take the rule out");
	CU_ASSERT_EQUAL(told.pkts, 5);
	CU_ASSERT(!driver.rule[0].used && driver.rule[1].used);
}

static void test_without_memory_nothing_is_asked_of_the_driver(void)
{
	const struct port_flow_match m = udp4();
	struct port_flow *f = NULL;
	struct weir_why why;

	setup("net_weir_xdp");
	failalloc_at(1);
	CU_ASSERT_EQUAL(port_flow_drop(&port, &m, &f, &why), -ENOMEM);
	failalloc_at(0);
	CU_ASSERT_FALSE(driver.rule[0].used);
}

WEIR_TESTS("port/flow", TEST(a_rule_is_for_whole_untagged_packets_to_the_interface),
	   TEST(tags_ports_and_ipv6_have_their_items), TEST(of_icmp_there_are_echo_requests),
	   TEST(our_driver_looks_at_them_behind_what_the_kernel_keeps),
	   TEST(counts_are_bytes_of_ip), TEST(no_packet_is_lost_at_the_end),
	   TEST(what_a_driver_refuses_is_said_in_its_words),
	   TEST(a_rule_in_front_that_stays_is_said_in_the_drivers_words),
	   TEST(without_memory_nothing_is_asked_of_the_driver))
