/* SPDX-License-Identifier: BSD-3-Clause */
/* Netlink messages as the kernel sends them, cut short and bent. */
#include "link_priv.h"
#include "netdev_in_priv.h"
#include "netlink_priv.h"
#include "test.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define US     7
#define ALL_UP (IFF_UP | IFF_RUNNING | IFF_LOWER_UP)

struct toy_message {
	uint8_t data[256];
	size_t bytes;
};

static void put(struct toy_message *m, const void *p, size_t bytes)
{
	memcpy(m->data + m->bytes, p, bytes);
	m->bytes += NLMSG_ALIGN(bytes);
	memcpy(m->data, &(uint32_t){(uint32_t)m->bytes}, sizeof(uint32_t));
}

static void put_attr(struct toy_message *m, uint16_t type, const void *value, size_t bytes)
{
	const struct nlattr a = {.nla_len = (uint16_t)(NLA_HDRLEN + bytes), .nla_type = type};

	put(m, &a, sizeof(a));
	put(m, value, bytes);
}

static struct toy_message message(uint16_t type)
{
	const struct nlmsghdr head = {.nlmsg_type = type};
	struct toy_message m = {{0}, 0};

	put(&m, &head, sizeof(head));
	return m;
}

static struct toy_message link_message(uint16_t type, int ifindex, uint8_t family, uint32_t flags)
{
	const struct ifinfomsg info = {
		.ifi_family = family, .ifi_index = ifindex, .ifi_flags = flags};
	struct toy_message m = message(type);

	put(&m, &info, sizeof(info));
	put_attr(&m, IFLA_IFNAME, "v0", 3);
	put_attr(&m, IFLA_MTU, &(uint32_t){1400}, 4);
	put_attr(&m, IFLA_MIN_MTU, &(uint32_t){68}, 4);
	put_attr(&m, IFLA_MAX_MTU, &(uint32_t){9000}, 4);
	return m;
}

static struct xdp_link_news read_it(const struct toy_message *m)
{
	struct xdp_link_news news;

	CU_ASSERT_EQUAL(xdp_link_read(m->data, m->bytes, US, &news), (long)m->bytes);
	return news;
}

static struct xdp_link_news read_link_message(uint16_t type, int ifindex, uint8_t family,
					      uint32_t flags)
{
	const struct toy_message m = link_message(type, ifindex, family, flags);

	return read_it(&m);
}

static void test_a_link_is_up_with_all_three_flags_only(void)
{
	const uint32_t flags[] = {IFF_UP, IFF_RUNNING, IFF_LOWER_UP};
	struct xdp_link_news news = read_link_message(RTM_NEWLINK, US, AF_UNSPEC, ALL_UP);

	CU_ASSERT_EQUAL(news.kind, XDP_LINK_STATE);
	CU_ASSERT_TRUE(news.up);
	CU_ASSERT_EQUAL(news.mtu, 1400);
	CU_ASSERT_EQUAL(news.min_mtu, 68);
	CU_ASSERT_EQUAL(news.max_mtu, 9000);
	for (unsigned i = 0; i < 3; i++) {
		news = read_link_message(RTM_NEWLINK, US, AF_UNSPEC, ALL_UP & ~flags[i]);
		CU_ASSERT_EQUAL(news.kind, XDP_LINK_STATE);
		CU_ASSERT_FALSE(news.up);
	}
}

static void test_others_and_what_a_bridge_says_are_nothing(void)
{
	CU_ASSERT_EQUAL(read_link_message(RTM_NEWLINK, 8, AF_UNSPEC, ALL_UP).kind,
			XDP_LINK_NOTHING);
	CU_ASSERT_EQUAL(read_link_message(RTM_DELLINK, 8, AF_UNSPEC, ALL_UP).kind,
			XDP_LINK_NOTHING);
	CU_ASSERT_EQUAL(read_link_message(RTM_DELLINK, US, AF_BRIDGE, ALL_UP).kind,
			XDP_LINK_NOTHING);
	CU_ASSERT_EQUAL(read_link_message(RTM_NEWLINK, US, AF_BRIDGE, 0).kind, XDP_LINK_NOTHING);
	CU_ASSERT_EQUAL(read_link_message(RTM_NEWROUTE, US, AF_UNSPEC, 0).kind, XDP_LINK_NOTHING);
}

static struct xdp_link_news read_error(int error)
{
	const struct nlmsgerr e = {.error = error};
	struct toy_message m = message(NLMSG_ERROR);

	put(&m, &e, sizeof(e));
	return read_it(&m);
}

static void test_deletion_and_a_missing_device_are_the_end(void)
{
	CU_ASSERT_EQUAL(read_link_message(RTM_DELLINK, US, AF_UNSPEC, 0).kind, XDP_LINK_GONE);
	CU_ASSERT_EQUAL(read_error(-ENODEV).kind, XDP_LINK_GONE);
	CU_ASSERT_EQUAL(read_error(-EPERM).kind, XDP_LINK_NOTHING);
	CU_ASSERT_EQUAL(read_error(0).kind, XDP_LINK_NOTHING);
}

static void test_addresses_of_any_interface_are_news(void)
{
	const struct toy_message come = message(RTM_NEWADDR), gone = message(RTM_DELADDR);

	CU_ASSERT_EQUAL(read_it(&come).kind, XDP_LINK_ADDRESS);
	CU_ASSERT_EQUAL(read_it(&gone).kind, XDP_LINK_ADDRESS);
}

/* In memory of exactly that size, so that a sanitizer sees a step past its end. */
static long read_cut(const struct toy_message *m, size_t bytes, struct xdp_link_news *news)
{
	uint8_t *data = malloc(bytes > 0 ? bytes : 1);
	long step;

	CU_ASSERT_PTR_NOT_NULL_FATAL(data);
	memcpy(data, m->data, bytes);
	step = xdp_link_read(data, bytes, US, news);
	free(data);
	return step;
}

static void test_a_message_that_is_cut_is_refused(void)
{
	const struct toy_message m = link_message(RTM_NEWLINK, US, AF_UNSPEC, ALL_UP);
	struct xdp_link_news news;

	for (size_t bytes = 0; bytes < m.bytes; bytes++) {
		CU_ASSERT_EQUAL(read_cut(&m, bytes, &news), -EPROTO);
		CU_ASSERT_EQUAL(news.kind, XDP_LINK_NOTHING);
	}
}

static void test_a_message_that_says_it_is_shorter_is_read_no_further(void)
{
	struct toy_message m = link_message(RTM_NEWLINK, US, AF_UNSPEC, ALL_UP);
	struct xdp_link_news news;

	for (uint32_t says = 0; says < m.bytes; says++) {
		long step;

		memcpy(m.data, &says, sizeof(says));
		step = xdp_link_read(m.data, m.bytes, US, &news);
		if (says < sizeof(struct nlmsghdr)) {
			CU_ASSERT_EQUAL(step, -EPROTO);
		} else {
			CU_ASSERT_EQUAL(step, (long)NLMSG_ALIGN(says));
			CU_ASSERT_EQUAL(news.kind == XDP_LINK_STATE,
					says >= NLMSG_LENGTH(sizeof(struct ifinfomsg)));
			CU_ASSERT_EQUAL(news.max_mtu, 0);
		}
	}
}

static void test_attributes_of_a_wrong_size_are_not_read(void)
{
	const struct ifinfomsg info = {.ifi_index = US, .ifi_flags = ALL_UP};
	struct toy_message m = message(RTM_NEWLINK);
	struct nlattr endless = {.nla_len = 3};
	struct xdp_link_news news;

	put(&m, &info, sizeof(info));
	put_attr(&m, IFLA_MTU, &(uint16_t){1400}, 2);
	put(&m, &endless, sizeof(endless));
	put_attr(&m, IFLA_MAX_MTU, &(uint32_t){9000}, 4);
	news = read_it(&m);
	CU_ASSERT_EQUAL(news.kind, XDP_LINK_STATE);
	CU_ASSERT_EQUAL(news.mtu, 0);
	CU_ASSERT_EQUAL(news.max_mtu, 0);
}

static void test_two_messages_of_one_datagram_are_read_one_after_the_other(void)
{
	struct toy_message m = link_message(RTM_NEWLINK, US, AF_UNSPEC, ALL_UP);
	const struct toy_message next = message(RTM_NEWADDR);
	const size_t first = m.bytes;
	struct xdp_link_news news;

	memcpy(m.data + m.bytes, next.data, next.bytes);
	m.bytes += next.bytes;
	CU_ASSERT_EQUAL(xdp_link_read(m.data, m.bytes, US, &news), (long)first);
	CU_ASSERT_EQUAL(news.kind, XDP_LINK_STATE);
	CU_ASSERT_EQUAL(xdp_link_read(m.data + first, next.bytes, US, &news), (long)next.bytes);
	CU_ASSERT_EQUAL(news.kind, XDP_LINK_ADDRESS);
}

static void test_xdp_features_are_read_or_refused_whole(void)
{
	const struct genlmsghdr genl = {.cmd = 1, .version = 1};
	struct toy_message m = message(20);
	struct netdev_xdp x = {.features = 99};

	put(&m, &genl, sizeof(genl));
	put_attr(&m, 1, &(uint32_t){US}, 4);
	CU_ASSERT_EQUAL(netdev_xdp_read(m.data, m.bytes, &x), -EPROTO);
	CU_ASSERT_EQUAL(x.features, 99);
	put_attr(&m, 3, &(uint64_t){NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_RX_SG}, 8);
	put_attr(&m, 4, &(uint32_t){17}, 4);
	put_attr(&m, 5, &(uint64_t){NETDEV_XDP_RX_METADATA_HASH}, 8);
	put_attr(&m, 6, &(uint64_t){NETDEV_XSK_FLAGS_TX_CHECKSUM}, 8);
	CU_ASSERT_EQUAL(netdev_xdp_read(m.data, m.bytes, &x), 0);
	CU_ASSERT_EQUAL(x.features, NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_RX_SG);
	CU_ASSERT_EQUAL(x.zc_max_segs, 17);
	CU_ASSERT_EQUAL(x.rx_metadata, NETDEV_XDP_RX_METADATA_HASH);
	CU_ASSERT_EQUAL(x.xsk, NETDEV_XSK_FLAGS_TX_CHECKSUM);
	CU_ASSERT_EQUAL(netdev_xdp_read(m.data, m.bytes - 4, &x), -EPROTO);
	CU_ASSERT_EQUAL(netdev_xdp_read(m.data, 3, &x), -EPROTO);
}

WEIR_TESTS("xdp/link", TEST(a_link_is_up_with_all_three_flags_only),
	   TEST(others_and_what_a_bridge_says_are_nothing),
	   TEST(deletion_and_a_missing_device_are_the_end),
	   TEST(addresses_of_any_interface_are_news), TEST(a_message_that_is_cut_is_refused),
	   TEST(a_message_that_says_it_is_shorter_is_read_no_further),
	   TEST(attributes_of_a_wrong_size_are_not_read),
	   TEST(two_messages_of_one_datagram_are_read_one_after_the_other),
	   TEST(xdp_features_are_read_or_refused_whole))
