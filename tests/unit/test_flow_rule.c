/* SPDX-License-Identifier: BSD-3-Clause */
/* rte_flow rules compiled: what each item and action becomes, and what is refused with which
 * number. */
#include "flow_priv.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <rte_ethdev.h>
#include <string.h>

#define ITEM(t, s, m, l)                                                        \
	(const struct rte_flow_item)                                            \
	{                                                                       \
		.type = RTE_FLOW_ITEM_TYPE_##t, .spec = s, .mask = m, .last = l \
	}
#define ACTION(t, c)                                        \
	(const struct rte_flow_action)                      \
	{                                                   \
		.type = RTE_FLOW_ACTION_TYPE_##t, .conf = c \
	}

static const struct rte_flow_attr ingress = {.ingress = 1, .priority = 7};
static const struct flow_port port = {.rss_types = STEER_RSS_IPV4 | STEER_RSS_IPV6, .key = {1, 2}};

static struct steer_spec out;
static struct rte_flow_error error;

/* Up to four items, the rest END. */
static int pattern(struct rte_flow_item a, struct rte_flow_item b, struct rte_flow_item c,
		   struct rte_flow_item d)
{
	const struct rte_flow_item items[] = {a, b, c, d, ITEM(END, NULL, NULL, NULL)};
	const struct rte_flow_action drop[] = {ACTION(DROP, NULL), ACTION(END, NULL)};

	memset(&error, 0, sizeof(error));
	return flow_compile(&ingress, items, drop, &port, &out, &error);
}

#define NOTHING ITEM(END, NULL, NULL, NULL)

static int actions(struct rte_flow_action a, struct rte_flow_action b, struct rte_flow_action c)
{
	const struct rte_flow_item items[] = {NOTHING};
	const struct rte_flow_action all[] = {a, b, c, ACTION(END, NULL)};

	memset(&error, 0, sizeof(error));
	return flow_compile(&ingress, items, all, &port, &out, &error);
}

static bool is_refused(int rc, int code, enum rte_flow_error_type type)
{
	return rc == -code && rte_errno == code && error.type == type && error.message != NULL;
}

static const struct rte_flow_item_eth no_eth;

static void test_an_empty_pattern_matches_everything(void)
{
	const struct steer_spec any = steer_spec_any(STEER_DROP, 7);

	CU_ASSERT_EQUAL(pattern(NOTHING, NOTHING, NOTHING, NOTHING), 0);
	CU_ASSERT_EQUAL(memcmp(&out, &any, sizeof(out)), 0);
	CU_ASSERT_EQUAL(pattern(ITEM(VOID, NULL, NULL, NULL), ITEM(ETH, NULL, NULL, NULL), NOTHING,
				NOTHING),
			0);
	CU_ASSERT_EQUAL(memcmp(&out, &any, sizeof(out)), 0);
}

static void test_attributes_that_are_not_ours_are_refused(void)
{
	static const struct {
		struct rte_flow_attr attr;
		int code;
		enum rte_flow_error_type type;
	} wrong[] = {
		{{.ingress = 1, .group = 1}, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_GROUP},
		{{.ingress = 1, .priority = 131072}, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_PRIORITY},
		{{.ingress = 1, .egress = 1}, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_EGRESS},
		{{.ingress = 1, .transfer = 1}, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER},
		{{.ingress = 0}, EINVAL, RTE_FLOW_ERROR_TYPE_ATTR_INGRESS},
	};
	const struct rte_flow_item items[] = {NOTHING};
	const struct rte_flow_action drop[] = {ACTION(DROP, NULL), ACTION(END, NULL)};
	const struct rte_flow_attr last = {.ingress = 1, .priority = 131071};

	for (unsigned i = 0; i < RTE_DIM(wrong); i++)
		CU_ASSERT_TRUE(
			is_refused(flow_compile(&wrong[i].attr, items, drop, &port, &out, &error),
				   wrong[i].code, wrong[i].type));
	CU_ASSERT_EQUAL(flow_compile(&last, items, drop, &port, &out, &error), 0);
	CU_ASSERT_EQUAL(flow_compile(&last, items, NULL, &port, &out, NULL), -EINVAL);
	CU_ASSERT_EQUAL(flow_compile(&last, NULL, drop, &port, &out, &error), -EINVAL);
	CU_ASSERT_EQUAL(flow_compile(NULL, items, drop, &port, &out, &error), -EINVAL);
}

static void test_the_words_of_the_port_stand_between_two_ranges_of_priorities(void)
{
	const struct rte_flow_item items[] = {NOTHING};
	const struct rte_flow_action drop[] = {ACTION(DROP, NULL), ACTION(END, NULL)};
	struct rte_flow_attr attr = {.ingress = 1, .priority = 65535};

	CU_ASSERT_EQUAL(flow_compile(&attr, items, drop, &port, &out, &error), 0);
	CU_ASSERT_EQUAL(out.priority, STEER_PRIORITY_WORDS - 1);
	attr.priority = 65536;
	CU_ASSERT_EQUAL(flow_compile(&attr, items, drop, &port, &out, &error), 0);
	CU_ASSERT_EQUAL(out.priority, STEER_PRIORITY_WORDS + 1);
}

static void test_an_ethernet_item_matches_macs_and_type(void)
{
	struct rte_flow_item_eth spec = {.hdr.dst_addr.addr_bytes = {1, 2, 3, 4, 5, 6}}, mask = {0};

	spec.hdr.ether_type = htons(0x88cc);
	CU_ASSERT_EQUAL(pattern(ITEM(ETH, &spec, NULL, NULL), NOTHING, NOTHING, NOTHING), 0);
	CU_ASSERT_EQUAL(memcmp(out.key.dst_mac, spec.hdr.dst_addr.addr_bytes, 6), 0);
	CU_ASSERT_EQUAL(out.mask.src_mac[5], 0xff); /* rte_flow's default mask */
	CU_ASSERT_EQUAL(out.mask.ethertype, 0);
	memset(mask.hdr.dst_addr.addr_bytes, 0xf0, 6);
	mask.hdr.ether_type = UINT16_MAX;
	CU_ASSERT_EQUAL(pattern(ITEM(ETH, &spec, &mask, NULL), NOTHING, NOTHING, NOTHING), 0);
	CU_ASSERT_EQUAL(out.key.dst_mac[0], 0);
	CU_ASSERT_EQUAL(out.mask.dst_mac[0], 0xf0);
	CU_ASSERT_EQUAL(out.key.ethertype, htons(0x88cc));
	CU_ASSERT_EQUAL(out.mask.has, STEER_HAS_VLAN); /* and untagged, as the type says */
	CU_ASSERT_EQUAL(out.key.has, 0);
}

static void test_a_vlan_item_matches_the_tag(void)
{
	struct rte_flow_item_eth eth = {0}, eth_mask = {0};
	struct rte_flow_item_vlan spec = {0}, mask = {0};

	spec.hdr.vlan_tci = htons(0xe005);
	spec.hdr.eth_proto = htons(0x0800);
	CU_ASSERT_EQUAL(pattern(ITEM(ETH, NULL, NULL, NULL), ITEM(VLAN, &spec, NULL, NULL), NOTHING,
				NOTHING),
			0);
	CU_ASSERT_EQUAL(out.key.vlan_tci, htons(5));
	CU_ASSERT_EQUAL(out.mask.vlan_tci, htons(0x0fff));
	CU_ASSERT_EQUAL(out.key.has, STEER_HAS_VLAN);
	mask.hdr.vlan_tci = mask.hdr.eth_proto = UINT16_MAX;
	eth.hdr.ether_type = htons(0x8100);
	eth_mask.hdr.ether_type = UINT16_MAX;
	CU_ASSERT_EQUAL(pattern(ITEM(ETH, &eth, &eth_mask, NULL), ITEM(VLAN, &spec, &mask, NULL),
				ITEM(IPV4, NULL, NULL, NULL), NOTHING),
			0);
	CU_ASSERT_EQUAL(out.key.vlan_tci, htons(0xe005));
	CU_ASSERT_EQUAL(out.key.ethertype, htons(0x0800));
	eth.hdr.ether_type = htons(0x0800);
	CU_ASSERT_TRUE(is_refused(pattern(ITEM(ETH, &eth, &eth_mask, NULL),
					  ITEM(VLAN, &spec, &mask, NULL), NOTHING, NOTHING),
				  EINVAL, RTE_FLOW_ERROR_TYPE_ITEM));
	spec.hdr.eth_proto = htons(0x8100);
	CU_ASSERT_TRUE(
		is_refused(pattern(ITEM(VLAN, &spec, &mask, NULL), NOTHING, NOTHING, NOTHING),
			   ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_SPEC));
}

static void test_tagged_or_not_can_be_asked_for_alone(void)
{
	struct rte_flow_item_eth spec = {.has_vlan = 1}, mask = {.has_vlan = 1};

	CU_ASSERT_EQUAL(pattern(ITEM(ETH, &spec, &mask, NULL), NOTHING, NOTHING, NOTHING), 0);
	CU_ASSERT_EQUAL(out.key.has, STEER_HAS_VLAN);
	CU_ASSERT_EQUAL(pattern(ITEM(ETH, &no_eth, &mask, NULL), NOTHING, NOTHING, NOTHING), 0);
	CU_ASSERT_EQUAL(out.key.has, 0);
	CU_ASSERT_EQUAL(out.mask.has, STEER_HAS_VLAN);
	spec.has_vlan = 0;
	spec.hdr.ether_type = htons(0x8100);
	mask.hdr.ether_type = UINT16_MAX;
	CU_ASSERT_TRUE(is_refused(pattern(ITEM(ETH, &spec, &mask, NULL), NOTHING, NOTHING, NOTHING),
				  EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC));
	CU_ASSERT_TRUE(is_refused(pattern(ITEM(ETH, &no_eth, &mask, NULL),
					  ITEM(VLAN, NULL, NULL, NULL), NOTHING, NOTHING),
				  EINVAL, RTE_FLOW_ERROR_TYPE_ITEM));
}

static void test_addresses_have_any_mask(void)
{
	struct rte_flow_item_ipv4 v4 = {0}, v4_mask = {0};
	struct rte_flow_item_ipv6 v6 = {0}, v6_mask = {0};

	v4.hdr.src_addr = htonl(0x0a010203);
	v4.hdr.dst_addr = htonl(0x0a0b0c0d);
	v4.hdr.next_proto_id = 47;
	v4_mask.hdr.src_addr = htonl(0xff00ff00);
	v4_mask.hdr.dst_addr = htonl(0xfffff000);
	v4_mask.hdr.next_proto_id = 0xff;
	CU_ASSERT_EQUAL(pattern(ITEM(IPV4, &v4, &v4_mask, NULL), NOTHING, NOTHING, NOTHING), 0);
	CU_ASSERT_EQUAL(memcmp(out.key.src_ip, "\x0a\x00\x02\x00\x00", 5), 0);
	CU_ASSERT_EQUAL(memcmp(out.mask.dst_ip, "\xff\xff\xf0\x00\x00", 5), 0);
	CU_ASSERT_EQUAL(out.key.proto, 47);
	CU_ASSERT_EQUAL(out.key.has, STEER_HAS_IPV4);
	memset(&v6.hdr.dst_addr, 0x55, 16);
	memset(&v6_mask.hdr.dst_addr, 0x0f, 16);
	CU_ASSERT_EQUAL(pattern(ITEM(ETH, NULL, NULL, NULL), ITEM(IPV6, &v6, &v6_mask, NULL),
				NOTHING, NOTHING),
			0);
	CU_ASSERT_EQUAL(out.key.dst_ip[15], 0x05);
	CU_ASSERT_EQUAL(out.mask.src_ip[0], 0);
	CU_ASSERT_EQUAL(out.key.has, STEER_HAS_IPV6);
}

static void test_that_a_packet_is_no_fragment_can_be_asked_for(void)
{
	const struct rte_flow_item_ipv4 v4 = {0}, v4_mask = {.hdr.fragment_offset = htons(0x3fff)};
	const struct rte_flow_item_ipv6 v6 = {0}, v6_mask = {.has_frag_ext = 1};

	CU_ASSERT_EQUAL(pattern(ITEM(IPV4, &v4, &v4_mask, NULL), NOTHING, NOTHING, NOTHING), 0);
	CU_ASSERT_EQUAL(out.mask.has, STEER_HAS_IPV4 | STEER_HAS_FRAGMENT);
	CU_ASSERT_EQUAL(out.key.has, STEER_HAS_IPV4);
	CU_ASSERT_EQUAL(pattern(ITEM(IPV6, &v6, &v6_mask, NULL), NOTHING, NOTHING, NOTHING), 0);
	CU_ASSERT_EQUAL(out.mask.has, STEER_HAS_IPV6 | STEER_HAS_FRAGMENT);
	CU_ASSERT_EQUAL(out.key.has, STEER_HAS_IPV6);
}

static void test_ports_are_exact_masked_or_a_range(void)
{
	struct rte_flow_item_tcp spec = {0}, mask = {0}, last = {0};

	spec.hdr.src_port = htons(80);
	spec.hdr.dst_port = htons(1000);
	last.hdr.dst_port = htons(2000);
	mask.hdr.src_port = htons(0xfff0);
	mask.hdr.dst_port = UINT16_MAX;
	CU_ASSERT_EQUAL(pattern(ITEM(IPV4, NULL, NULL, NULL), ITEM(TCP, &spec, &mask, &last),
				NOTHING, NOTHING),
			0);
	CU_ASSERT_EQUAL(out.mask.src_port, htons(0xfff0));
	CU_ASSERT_EQUAL(out.key.src_port, htons(80));
	CU_ASSERT_EQUAL(out.mask.dst_port, 0);
	CU_ASSERT_EQUAL(out.rule.dst_port_lo, 1000);
	CU_ASSERT_EQUAL(out.rule.dst_port_hi, 2000);
	CU_ASSERT_EQUAL(out.rule.src_port_hi, 65535);
	last.hdr.dst_port = htons(999); /* not above: no range */
	CU_ASSERT_EQUAL(pattern(ITEM(TCP, &spec, &mask, &last), NOTHING, NOTHING, NOTHING), 0);
	CU_ASSERT_EQUAL(out.mask.dst_port, UINT16_MAX);
	last.hdr.src_port = htons(90);
	CU_ASSERT_EQUAL(pattern(ITEM(TCP, &spec, &mask, &last), NOTHING, NOTHING, NOTHING), 0);
	CU_ASSERT_EQUAL(out.mask.src_port, htons(0xfff0)); /* 80 to 90 is no range in this mask */
	last.hdr.src_port = htons(96);
	CU_ASSERT_TRUE(
		is_refused(pattern(ITEM(TCP, &spec, &mask, &last), NOTHING, NOTHING, NOTHING),
			   ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK));
}

static void test_icmp_types_and_codes_are_ports(void)
{
	struct rte_flow_item_icmp spec = {0};
	struct rte_flow_item_icmp6 spec6 = {.type = 135}, mask6 = {.type = 0xff};

	spec.hdr.icmp_type = 3;
	spec.hdr.icmp_code = 4;
	CU_ASSERT_EQUAL(pattern(ITEM(IPV4, NULL, NULL, NULL), ITEM(ICMP, &spec, NULL, NULL),
				NOTHING, NOTHING),
			0);
	CU_ASSERT_EQUAL(out.key.src_port, htons(0x0304));
	CU_ASSERT_EQUAL(out.key.has, STEER_HAS_IPV4 | STEER_HAS_ICMP);
	CU_ASSERT_EQUAL(pattern(ITEM(ICMP6, &spec6, &mask6, NULL), NOTHING, NOTHING, NOTHING), 0);
	CU_ASSERT_EQUAL(out.key.src_port, htons(0x8700));
	CU_ASSERT_EQUAL(out.mask.src_port, htons(0xff00));
	CU_ASSERT_EQUAL(out.key.has, STEER_HAS_IPV6 | STEER_HAS_ICMP);
	CU_ASSERT_TRUE(is_refused(pattern(ITEM(IPV6, NULL, NULL, NULL),
					  ITEM(ICMP, NULL, NULL, NULL), NOTHING, NOTHING),
				  EINVAL, RTE_FLOW_ERROR_TYPE_ITEM));
	CU_ASSERT_TRUE(is_refused(pattern(ITEM(IPV4, NULL, NULL, NULL),
					  ITEM(ICMP6, NULL, NULL, NULL), NOTHING, NOTHING),
				  EINVAL, RTE_FLOW_ERROR_TYPE_ITEM));
}

static void test_layers_that_do_not_fit_are_refused(void)
{
	const struct rte_flow_item eth = ITEM(ETH, NULL, NULL, NULL),
				   ipv4 = ITEM(IPV4, NULL, NULL, NULL),
				   ipv6 = ITEM(IPV6, NULL, NULL, NULL),
				   tcp = ITEM(TCP, NULL, NULL, NULL),
				   udp = ITEM(UDP, NULL, NULL, NULL);
	const struct rte_flow_item wrong[][3] = {{ipv4, eth, NOTHING},	{eth, eth, NOTHING},
						 {ipv4, ipv6, NOTHING}, {eth, udp, NOTHING},
						 {ipv4, tcp, udp},	{tcp, ipv4, NOTHING}};

	for (unsigned i = 0; i < RTE_DIM(wrong); i++)
		CU_ASSERT_TRUE(is_refused(pattern(wrong[i][0], wrong[i][1], wrong[i][2], NOTHING),
					  EINVAL, RTE_FLOW_ERROR_TYPE_ITEM));
	CU_ASSERT_EQUAL(pattern(eth, ipv4, tcp, NOTHING), 0);
	CU_ASSERT_EQUAL(pattern(ipv6, udp, NOTHING, NOTHING), 0);
	CU_ASSERT_EQUAL(pattern(udp, NOTHING, NOTHING, NOTHING), 0);
	CU_ASSERT_TRUE(is_refused(pattern(eth, ITEM(VXLAN, NULL, NULL, NULL), NOTHING, NOTHING),
				  ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM));
}

static void test_fields_and_ranges_that_are_not_matched_are_refused(void)
{
	struct rte_flow_item_ipv4 v4 = {0}, v4_mask = {0}, v4_last = {0};
	struct rte_flow_item_ipv6 v6 = {.has_frag_ext = 1}, v6_mask = v6;
	struct rte_flow_item_tcp tcp = {0}, tcp_mask = {0};

	v4_mask.hdr.time_to_live = 1;
	CU_ASSERT_TRUE(
		is_refused(pattern(ITEM(IPV4, &v4, &v4_mask, NULL), NOTHING, NOTHING, NOTHING),
			   ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK));
	CU_ASSERT_TRUE(
		is_refused(pattern(ITEM(IPV6, &v6, &v6_mask, NULL), NOTHING, NOTHING, NOTHING),
			   ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK));
	v4_mask = (struct rte_flow_item_ipv4){.hdr.fragment_offset = htons(0x2000)};
	CU_ASSERT_TRUE(
		is_refused(pattern(ITEM(IPV4, &v4, &v4_mask, NULL), NOTHING, NOTHING, NOTHING),
			   ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK));
	tcp_mask.hdr.tcp_flags = 2;
	CU_ASSERT_TRUE(
		is_refused(pattern(ITEM(TCP, &tcp, &tcp_mask, NULL), NOTHING, NOTHING, NOTHING),
			   ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK));
	v4_last.hdr.dst_addr = htonl(9);
	CU_ASSERT_TRUE(
		is_refused(pattern(ITEM(IPV4, &v4, NULL, &v4_last), NOTHING, NOTHING, NOTHING),
			   ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_LAST));
	CU_ASSERT_TRUE(
		is_refused(pattern(ITEM(IPV4, NULL, &v4_mask, NULL), NOTHING, NOTHING, NOTHING),
			   EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC));
	CU_ASSERT_TRUE(
		is_refused(pattern(ITEM(IPV4, NULL, NULL, &v4_last), NOTHING, NOTHING, NOTHING),
			   EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC));
}

static void test_what_no_packet_can_be_is_refused(void)
{
	struct rte_flow_item_eth eth = {0}, eth_mask = {0};
	struct rte_flow_item_ipv4 v4 = {0}, v4_mask = {0};

	eth.hdr.ether_type = htons(0x86dd);
	eth_mask.hdr.ether_type = UINT16_MAX;
	CU_ASSERT_TRUE(is_refused(pattern(ITEM(ETH, &eth, &eth_mask, NULL),
					  ITEM(IPV4, NULL, NULL, NULL), NOTHING, NOTHING),
				  EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC));
	v4.hdr.next_proto_id = 17;
	v4_mask.hdr.next_proto_id = 0xff;
	CU_ASSERT_TRUE(is_refused(pattern(ITEM(IPV4, &v4, &v4_mask, NULL),
					  ITEM(TCP, NULL, NULL, NULL), NOTHING, NOTHING),
				  EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC));
	CU_ASSERT_EQUAL(pattern(ITEM(IPV4, &v4, &v4_mask, NULL), ITEM(UDP, NULL, NULL, NULL),
				NOTHING, NOTHING),
			0);
}

static void test_each_action_becomes_its_verdict(void)
{
	const struct rte_flow_action_queue queue = {.index = 5};
	const struct rte_flow_action_mark mark = {.id = 0xdeadbeef};
	const struct rte_flow_action end = ACTION(END, NULL);

	CU_ASSERT_EQUAL(actions(ACTION(DROP, NULL), end, end), 0);
	CU_ASSERT_EQUAL(out.rule.verdict, STEER_DROP);
	CU_ASSERT_EQUAL(actions(ACTION(PASSTHRU, NULL), ACTION(COUNT, NULL), end), 0);
	CU_ASSERT_EQUAL(out.rule.verdict, STEER_KERNEL);
	CU_ASSERT_EQUAL(out.rule.count, 1);
	CU_ASSERT_EQUAL(actions(ACTION(VOID, NULL), ACTION(MARK, &mark), ACTION(QUEUE, &queue)), 0);
	CU_ASSERT_EQUAL(out.rule.verdict, STEER_SPREAD);
	CU_ASSERT_EQUAL(out.rule.n_queues, 1);
	CU_ASSERT_EQUAL(out.rule.queues[0], 5);
	CU_ASSERT_EQUAL(out.rule.has_mark, 1);
	CU_ASSERT_EQUAL(out.rule.mark, 0xdeadbeef);
	CU_ASSERT_EQUAL(out.rule.count, 0);
}

static void test_actions_that_make_no_sense_are_refused(void)
{
	const struct rte_flow_action_queue queue = {.index = 5}, far = {.index = 64};
	const struct rte_flow_action_mark mark = {.id = 1};
	const struct rte_flow_action end = ACTION(END, NULL), drop = ACTION(DROP, NULL),
				     count = ACTION(COUNT, NULL);

	CU_ASSERT_TRUE(is_refused(actions(end, end, end), EINVAL, RTE_FLOW_ERROR_TYPE_ACTION));
	CU_ASSERT_TRUE(is_refused(actions(count, end, end), EINVAL, RTE_FLOW_ERROR_TYPE_ACTION));
	CU_ASSERT_TRUE(is_refused(actions(drop, ACTION(QUEUE, &queue), end), EINVAL,
				  RTE_FLOW_ERROR_TYPE_ACTION));
	CU_ASSERT_TRUE(is_refused(actions(count, drop, count), EINVAL, RTE_FLOW_ERROR_TYPE_ACTION));
	CU_ASSERT_TRUE(is_refused(actions(drop, ACTION(MARK, &mark), end), EINVAL,
				  RTE_FLOW_ERROR_TYPE_ACTION));
	CU_ASSERT_TRUE(is_refused(actions(ACTION(QUEUE, NULL), end, end), EINVAL,
				  RTE_FLOW_ERROR_TYPE_ACTION_CONF));
	CU_ASSERT_TRUE(is_refused(actions(ACTION(QUEUE, &far), end, end), EINVAL,
				  RTE_FLOW_ERROR_TYPE_ACTION_CONF));
	CU_ASSERT_TRUE(is_refused(actions(ACTION(MARK, NULL), end, end), EINVAL,
				  RTE_FLOW_ERROR_TYPE_ACTION_CONF));
	CU_ASSERT_TRUE(is_refused(actions(ACTION(JUMP, NULL), end, end), ENOTSUP,
				  RTE_FLOW_ERROR_TYPE_ACTION));
}

/* What an RSS action with this configuration comes to. */
static int rss(struct rte_flow_action_rss conf)
{
	return actions(ACTION(RSS, &conf), ACTION(END, NULL), ACTION(END, NULL));
}

static void test_rss_spreads_over_queues_as_the_port_hashes(void)
{
	static const uint16_t queues[65] = {3, 1, 63}, far[1] = {64};
	static const uint8_t other_key[40] = {9};
	const uint64_t types = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_IPV6;

	CU_ASSERT_EQUAL(rss((struct rte_flow_action_rss){.queue_num = 3, .queue = queues}), 0);
	CU_ASSERT_EQUAL(out.rule.verdict, STEER_SPREAD);
	CU_ASSERT_EQUAL(out.rule.n_queues, 3);
	CU_ASSERT_EQUAL(out.rule.queues[2], 63);
	CU_ASSERT_EQUAL(rss((struct rte_flow_action_rss){.func = RTE_ETH_HASH_FUNCTION_TOEPLITZ,
							 .types = types,
							 .key = port.key,
							 .key_len = sizeof(port.key)}),
			0);
	CU_ASSERT_EQUAL(out.rule.verdict, STEER_USER);
	const struct {
		struct rte_flow_action_rss conf;
		int code;
	} wrong[] = {
		{{.func = RTE_ETH_HASH_FUNCTION_SYMMETRIC_TOEPLITZ}, ENOTSUP},
		{{.level = 2}, ENOTSUP},
		{{.types = types | RTE_ETH_RSS_NONFRAG_IPV4_TCP}, ENOTSUP},
		{{.types = types | RTE_ETH_RSS_VXLAN}, ENOTSUP},
		{{.types = RTE_ETH_RSS_IPV4}, ENOTSUP},
		{{.key = other_key, .key_len = 40}, ENOTSUP},
		{{.key = port.key, .key_len = 16}, ENOTSUP},
		{{.queue_num = 65, .queue = queues}, EINVAL},
		{{.queue_num = 1}, EINVAL},
		{{.queue_num = 1, .queue = far}, EINVAL},
	};

	for (unsigned i = 0; i < RTE_DIM(wrong); i++)
		CU_ASSERT_TRUE(is_refused(rss(wrong[i].conf), wrong[i].code,
					  RTE_FLOW_ERROR_TYPE_ACTION_CONF));
}

WEIR_TESTS("xdp/flow-rule", TEST(an_empty_pattern_matches_everything),
	   TEST(attributes_that_are_not_ours_are_refused),
	   TEST(the_words_of_the_port_stand_between_two_ranges_of_priorities),
	   TEST(that_a_packet_is_no_fragment_can_be_asked_for),
	   TEST(an_ethernet_item_matches_macs_and_type), TEST(a_vlan_item_matches_the_tag),
	   TEST(tagged_or_not_can_be_asked_for_alone), TEST(addresses_have_any_mask),
	   TEST(ports_are_exact_masked_or_a_range), TEST(icmp_types_and_codes_are_ports),
	   TEST(layers_that_do_not_fit_are_refused),
	   TEST(fields_and_ranges_that_are_not_matched_are_refused),
	   TEST(what_no_packet_can_be_is_refused), TEST(each_action_becomes_its_verdict),
	   TEST(actions_that_make_no_sense_are_refused),
	   TEST(rss_spreads_over_queues_as_the_port_hashes))
