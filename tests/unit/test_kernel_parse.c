/* SPDX-License-Identifier: BSD-3-Clause */

/* rtnetlink messages: what they mean, and that no lie about a length is believed. */

#include "kernel_parse.c"
#include "test.h"

#include <stdlib.h>

static const struct weir_kernel_link links[] = {{7, 0}, {9, 1}};
static const struct weir_kernel_map map = {links, 2};
static uint8_t room[4096] __attribute__((aligned(8)));
static const uint8_t to4[4] = {203, 0, 113, 0}, via4[4] = {192, 0, 2, 9};
static const uint8_t via6[16] = {0xfe, 0x80, [15] = 9};

static struct nlmsghdr *begin_route(uint8_t family, uint8_t dst_len, uint8_t type)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(room);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	nlh->nlmsg_type = RTM_NEWROUTE;
	rtm->rtm_family = family;
	rtm->rtm_dst_len = dst_len;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_BOOT;
	rtm->rtm_type = type;
	return nlh;
}

static struct nlmsghdr *simple_route(void)
{
	struct nlmsghdr *nlh = begin_route(AF_INET, 24, RTN_UNICAST);

	mnl_attr_put(nlh, RTA_DST, 4, to4);
	mnl_attr_put(nlh, RTA_GATEWAY, 4, via4);
	mnl_attr_put_u32(nlh, RTA_OIF, 9);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, 20);
	return nlh;
}

static void put_member(struct nlmsghdr *nlh, int ifindex, uint8_t flags, uint8_t last)
{
	struct rtnexthop nh = {.rtnh_ifindex = ifindex, .rtnh_flags = flags};
	struct {
		struct nlattr head;
		uint8_t addr[4];
	} gateway = {{8, RTA_GATEWAY}, {192, 0, 2, last}};
	uint8_t *at = mnl_nlmsg_get_payload_tail(nlh);

	nh.rtnh_len = sizeof(nh) + sizeof(gateway);
	memcpy(at, &nh, sizeof(nh));
	memcpy(at + sizeof(nh), &gateway, sizeof(gateway));
	nlh->nlmsg_len += nh.rtnh_len;
}

static struct nlmsghdr *multipath_route(void)
{
	struct nlmsghdr *nlh = begin_route(AF_INET, 24, RTN_UNICAST);
	struct nlattr *nest;

	mnl_attr_put(nlh, RTA_DST, 4, to4);
	nest = mnl_attr_nest_start(nlh, RTA_METRICS);
	mnl_attr_put_u32(nlh, RTAX_MTU, 1280);
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, RTA_MULTIPATH);
	put_member(nlh, 7, 0, 1);
	put_member(nlh, 9, 0, 2);
	put_member(nlh, 9, RTNH_F_DEAD, 3);
	put_member(nlh, 55, 0, 4); /* a device that is not weir's */
	mnl_attr_nest_end(nlh, nest);
	return nlh;
}

static void test_a_route_has_prefix_gateway_interface_and_metric(void)
{
	struct weir_kernel_route r;

	CU_ASSERT_EQUAL(kernel_read_route(simple_route(), &map, &r), 1);
	CU_ASSERT_EQUAL(r.route.to.length, 24);
	CU_ASSERT_EQUAL(memcmp(r.route.to.addr.bytes, to4, 4), 0);
	CU_ASSERT_EQUAL(r.route.metric, 20);
	CU_ASSERT_EQUAL(r.route.n_hops, 1);
	CU_ASSERT_EQUAL(r.hop[0].iface, 1);
	CU_ASSERT_EQUAL(memcmp(r.hop[0].gateway.bytes, via4, 4), 0);
}

static void test_several_next_hops_are_a_group_without_the_dead_and_foreign(void)
{
	struct weir_kernel_route r;

	CU_ASSERT_EQUAL(kernel_read_route(multipath_route(), &map, &r), 1);
	CU_ASSERT_EQUAL(r.route.n_hops, 2);
	CU_ASSERT_EQUAL(r.hop[0].iface, 0);
	CU_ASSERT_EQUAL(r.hop[1].iface, 1);
	CU_ASSERT_EQUAL(r.hop[1].gateway.bytes[3], 2);
	CU_ASSERT_EQUAL(r.route.mtu, 1280);
}

static void test_an_ipv4_route_may_go_through_an_ipv6_router(void)
{
	struct nlmsghdr *nlh = begin_route(AF_INET, 0, RTN_UNICAST);
	uint8_t via[18] = {AF_INET6, 0};
	struct weir_kernel_route r;

	memcpy(via + 2, via6, 16);
	mnl_attr_put(nlh, RTA_VIA, sizeof(via), via);
	mnl_attr_put_u32(nlh, RTA_OIF, 7);
	CU_ASSERT_EQUAL(kernel_read_route(nlh, &map, &r), 1);
	CU_ASSERT_EQUAL(r.route.to.addr.family, 4);
	CU_ASSERT_EQUAL(r.route.to.length, 0);
	CU_ASSERT_EQUAL(r.hop[0].gateway.family, 6);
	CU_ASSERT_EQUAL(memcmp(r.hop[0].gateway.bytes, via6, 16), 0);
}

static void test_kinds_tables_and_protocols_decide_what_is_mirrored(void)
{
	struct weir_kernel_route r;
	struct nlmsghdr *nlh = begin_route(AF_INET, 0, RTN_BLACKHOLE);
	struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	CU_ASSERT_EQUAL(kernel_read_route(nlh, &map, &r), 1);
	CU_ASSERT_EQUAL(r.route.kind, WEIR_HOP_BLACKHOLE);
	rtm->rtm_type = RTN_PROHIBIT;
	CU_ASSERT_EQUAL(kernel_read_route(nlh, &map, &r), 1);
	CU_ASSERT_EQUAL(r.route.kind, WEIR_HOP_PROHIBIT);
	rtm->rtm_type = RTN_UNREACHABLE;
	CU_ASSERT_EQUAL(kernel_read_route(nlh, &map, &r), 1);
	CU_ASSERT_EQUAL(r.route.kind, WEIR_HOP_UNREACHABLE);
	rtm->rtm_type = RTN_LOCAL;
	CU_ASSERT_EQUAL(kernel_read_route(nlh, &map, &r), 0);
	rtm->rtm_type = RTN_BLACKHOLE;
	rtm->rtm_table = RT_TABLE_LOCAL;
	CU_ASSERT_EQUAL(kernel_read_route(nlh, &map, &r), 0);
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_KERNEL;
	CU_ASSERT_EQUAL(kernel_read_route(nlh, &map, &r), 0);
	rtm->rtm_protocol = RTPROT_BOOT;
	rtm->rtm_tos = 8;
	CU_ASSERT_EQUAL(kernel_read_route(nlh, &map, &r), 0);
}

static void test_wrong_sizes_of_attributes_are_refused(void)
{
	struct weir_kernel_route r;
	struct nlmsghdr *nlh = begin_route(AF_INET, 33, RTN_BLACKHOLE);

	mnl_attr_put(nlh, RTA_DST, 4, to4);
	CU_ASSERT_EQUAL(kernel_read_route(nlh, &map, &r), -EBADMSG);
	nlh = begin_route(AF_INET, 24, RTN_BLACKHOLE);
	CU_ASSERT_EQUAL(kernel_read_route(nlh, &map, &r), -EBADMSG);
	mnl_attr_put(nlh, RTA_DST, 3, to4);
	CU_ASSERT_EQUAL(kernel_read_route(nlh, &map, &r), -EBADMSG);
	nlh = begin_route(AF_INET, 0, RTN_UNICAST);
	mnl_attr_put(nlh, RTA_VIA, 4, via6);
	CU_ASSERT_EQUAL(kernel_read_route(nlh, &map, &r), -EBADMSG);
}

/* Read a copy that ends where its memory ends, so that a sanitizer sees a step beyond. */
static void read_copy(const uint8_t *bytes, uint32_t len)
{
	struct nlmsghdr *copy = malloc(len);
	struct weir_kernel_route r;
	struct weir_kernel_neigh n;
	uint32_t ifindex, flags;

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	memcpy(copy, bytes, len);
	copy->nlmsg_len = len;
	CU_ASSERT(kernel_read_route(copy, &map, &r) <= 1);
	CU_ASSERT(kernel_read_neigh(copy, &map, &n) <= 1);
	CU_ASSERT(kernel_read_ifindex(copy, &ifindex, &flags) <= 1);
	free(copy);
}

static void test_cut_and_corrupted_messages_are_never_read_past_their_end(void)
{
	struct nlmsghdr *nlh = multipath_route();
	uint8_t bytes[512];
	const uint32_t len = nlh->nlmsg_len;

	CU_ASSERT_FATAL(len <= sizeof(bytes));
	for (uint32_t cut = sizeof(*nlh); cut <= len; cut++)
		read_copy(room, cut);
	for (uint32_t at = sizeof(*nlh); at < len; at++)
		for (unsigned value = 0; value < 256; value += 3) {
			memcpy(bytes, room, len);
			bytes[at] = (uint8_t)value;
			read_copy(bytes, len);
		}
}

static struct nlmsghdr *neigh(uint16_t type, uint16_t state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 5};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(room);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	nlh->nlmsg_type = type;
	ndm->ndm_family = AF_INET;
	ndm->ndm_ifindex = 7;
	ndm->ndm_state = state;
	mnl_attr_put(nlh, NDA_DST, 4, via4);
	mnl_attr_put(nlh, NDA_LLADDR, 6, mac);
	return nlh;
}

static void test_neighbours_are_known_in_some_states_only(void)
{
	struct weir_kernel_neigh n;

	CU_ASSERT_EQUAL(kernel_read_neigh(neigh(RTM_NEWNEIGH, NUD_REACHABLE), &map, &n), 1);
	CU_ASSERT_TRUE(n.known);
	CU_ASSERT_EQUAL(n.iface, 0);
	CU_ASSERT_EQUAL(n.mac.bytes[5], 5);
	CU_ASSERT_EQUAL(kernel_read_neigh(neigh(RTM_NEWNEIGH, NUD_FAILED), &map, &n), 1);
	CU_ASSERT_FALSE(n.known);
	CU_ASSERT_EQUAL(kernel_read_neigh(neigh(RTM_DELNEIGH, NUD_STALE), &map, &n), 1);
	CU_ASSERT_FALSE(n.known);
	CU_ASSERT_EQUAL(kernel_read_neigh(neigh(RTM_NEWNEIGH, NUD_INCOMPLETE), &map, &n), 0);
	CU_ASSERT_EQUAL(kernel_read_neigh(neigh(RTM_NEWNEIGH, NUD_NOARP), &map, &n), 0);
}

WEIR_TESTS("kernel/parse", TEST(a_route_has_prefix_gateway_interface_and_metric),
	   TEST(several_next_hops_are_a_group_without_the_dead_and_foreign),
	   TEST(an_ipv4_route_may_go_through_an_ipv6_router),
	   TEST(kinds_tables_and_protocols_decide_what_is_mirrored),
	   TEST(wrong_sizes_of_attributes_are_refused),
	   TEST(cut_and_corrupted_messages_are_never_read_past_their_end),
	   TEST(neighbours_are_known_in_some_states_only))
