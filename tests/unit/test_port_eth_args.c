/* SPDX-License-Identifier: BSD-3-Clause */

/* What a port's configuration becomes before any device is touched. */

#include "failalloc.h"
#include "port_eth_priv.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *args_of(struct weir_port_conf conf, uint16_t id)
{
	static char text[256];

	weir_port_eth_devargs(&conf, id, text, sizeof(text));
	return text;
}

static int check(struct weir_port_conf conf, struct weir_why *why)
{
	if (conf.name == NULL)
		conf.name = "wan";
	return port_eth_check_conf(&conf, why);
}

/* This program does not hold our driver, so it must be named. */
#define OURS .interface = "eth0", .driver = "weir_xdp"

static void test_our_driver_is_told_only_what_differs_from_its_defaults(void)
{
	CU_ASSERT_STRING_EQUAL(args_of((struct weir_port_conf){OURS}, 3),
			       "net_weir_xdp3,iface=eth0,queues=1");
	CU_ASSERT_STRING_EQUAL(
		args_of((struct weir_port_conf){OURS, .rxqs = 4, .start_queue = 2, .hw_queues = 1,
						.zero_copy = WEIR_PORT_ZERO_COPY_ON,
						.coexist = true, .steer = "kernel:host+tcp/8080",
						.owns = "192.0.2.1+2001:db8::1"},
			0),
		"net_weir_xdp0,iface=eth0,queues=4,rss=soft,symmetric=1,start_queue=2,hw_queues=1,"
		"zerocopy=on,coexist=1,steer=kernel:host+tcp/8080,owns=192.0.2.1+2001:db8::1");
	CU_ASSERT_PTR_NOT_NULL(strstr(
		args_of((struct weir_port_conf){OURS, .zero_copy = WEIR_PORT_ZERO_COPY_OFF}, 0),
		",zerocopy=off"));
}

static void test_without_our_driver_an_interface_is_net_af_xdps_without_busy_polling(void)
{
	CU_ASSERT_FALSE(port_eth_has_weir_xdp());
	CU_ASSERT_STRING_EQUAL(args_of((struct weir_port_conf){.interface = "eth0", .rxqs = 2}, 3),
			       "net_af_xdp3,iface=eth0,start_queue=0,queue_count=2,busy_budget=0");
}

static void test_our_driver_is_asked_for_only_where_it_is(void)
{
	const struct weir_port_conf conf = {.name = "wan", OURS};
	struct weir_port *p = NULL;
	struct weir_why why = {0};

	CU_ASSERT_EQUAL(weir_port_eth_open(&conf, 0, NULL, &p, &why), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "scripts/fetch-dpdk-sdk"));
	CU_ASSERT_PTR_NULL(p);
}

static void test_the_link_local_address_goes_with_ours_if_it_is_asked_for(void)
{
	struct weir_port_conf conf = {.interface = "lo", .owns = "2001:db8::1"};
	char text[PORT_ETH_DEVARGS];

	CU_ASSERT_PTR_EQUAL(port_eth_owns(&conf, text), conf.owns);
	conf.owns_link_local = true; /* of the MAC 00:00:00:00:00:00 */
	CU_ASSERT_STRING_EQUAL(port_eth_owns(&conf, text), "2001:db8::1+fe80::200:ff:fe00:0");
	conf.owns = NULL;
	CU_ASSERT_STRING_EQUAL(port_eth_owns(&conf, text), "fe80::200:ff:fe00:0");
}

static void test_linux_has_its_own_addresses(void)
{
	const struct weir_addr loopback = {.family = 4, .bytes = {127, 0, 0, 1}};
	const struct weir_addr other = {.family = 4, .bytes = {127, 0, 0, 2}};

	CU_ASSERT_TRUE(linux_if_has_address("lo", &loopback));
	CU_ASSERT_FALSE(linux_if_has_address("lo", &other));
	CU_ASSERT_FALSE(linux_if_has_address("weir-none0", &loopback));
	CU_ASSERT(linux_if_mtu("lo") > 0);
	CU_ASSERT_EQUAL(linux_if_mtu("weir-none0"), -ENODEV);
}

static void test_other_drivers_can_be_named(void)
{
	CU_ASSERT_STRING_EQUAL(
		args_of((struct weir_port_conf){.interface = "e",
						.driver = "af_packet",
						.rxd = 512},
			0),
		"net_af_packet0,iface=e,qpairs=1,blocksz=4096,framesz=2048,framecnt=512");
	CU_ASSERT_STRING_EQUAL(
		args_of((struct weir_port_conf){.interface = "e", .driver = "tap"}, 1),
		"net_tap1,iface=e");
}

static void test_a_jumbo_frame_fits_a_slot_of_af_packet(void)
{
	CU_ASSERT_PTR_NOT_NULL(strstr(args_of((struct weir_port_conf){.interface = "e",
								      .driver = "af_packet",
								      .mtu = 9000},
					      0),
				      "blocksz=36864,framesz=9216"));
}

static void test_slots_of_af_packet_fill_their_blocks_and_fit_a_buffer(void)
{
	for (uint16_t mtu = WEIR_PORT_MTU_MIN; mtu <= WEIR_PORT_MTU_MAX; mtu++) {
		const char *const args = args_of(
			(struct weir_port_conf){
				.interface = "e", .driver = "af_packet", .rxd = 1, .mtu = mtu},
			0);
		const struct weir_pool_need need = {.mtu = mtu};
		struct weir_pool_plan plan;
		unsigned block = 0, slot = 1, count = 0;

		weir_pool_size(&need, &plan);
		CU_ASSERT_EQUAL(sscanf(strstr(args, "blocksz"), "blocksz=%u,framesz=%u,framecnt=%u",
				       &block, &slot, &count),
				3);
		CU_ASSERT_EQUAL(block % 4096, 0);
		CU_ASSERT_EQUAL(block % slot, 0);
		CU_ASSERT_EQUAL(count % (block / slot), 0);
		CU_ASSERT(slot >= mtu + 120u);
		CU_ASSERT(slot - 32 + RTE_PKTMBUF_HEADROOM <= plan.data_bytes);
	}
}

static void test_a_device_is_passed_on_as_it_is(void)
{
	CU_ASSERT_STRING_EQUAL(args_of((struct weir_port_conf){.device = "net_null0,size=64"}, 9),
			       "net_null0,size=64");
}

static void test_a_short_buffer_cuts_but_tells_the_length(void)
{
	const struct weir_port_conf conf = {.device = "net_null0"};
	char text[4];

	CU_ASSERT_EQUAL(weir_port_eth_devargs(&conf, 0, text, sizeof(text)), 9);
	CU_ASSERT_STRING_EQUAL(text, "net");
}

static void test_af_xdp_asks_for_its_fill_and_completion_rings(void)
{
	struct weir_pool_need need = {.mtu = 1000};

	weir_port_eth_need(&(struct weir_port_conf){.interface = "e", .rxqs = 2, .rxd = 512},
			   &need);
	CU_ASSERT_EQUAL(need.rx_descs, 2 * (512 + 2048));
	CU_ASSERT_EQUAL(need.tx_descs, 2 * (1024 + 2048));
	CU_ASSERT_EQUAL(need.mtu, 1500);
	weir_port_eth_need(&(struct weir_port_conf){.device = "d", .rxd = 100, .txd = 50}, &need);
	CU_ASSERT_EQUAL(need.rx_descs, 2 * (512 + 2048) + 100);
	CU_ASSERT_EQUAL(need.tx_descs, 2 * (1024 + 2048) + 50);
}

static void test_our_driver_asks_for_its_rings_and_for_no_long_buffers(void)
{
	struct weir_pool_need need = {.mtu = 1000};

	weir_port_eth_need(&(struct weir_port_conf){OURS, .rxqs = 2, .txqs = 3, .rxd = 500,
						    .txd = 10, .mtu = 9000},
			   &need);
	CU_ASSERT_EQUAL(need.rx_descs, 2 * 512);
	CU_ASSERT_EQUAL(need.tx_descs, 3 * 64);
	CU_ASSERT_EQUAL(need.mtu, 1000);
	weir_port_eth_need(&(struct weir_port_conf){OURS, .mtu = PORT_ETH_AF_XDP_MTU_MAX}, &need);
	CU_ASSERT_EQUAL(need.mtu, PORT_ETH_AF_XDP_MTU_MAX);
}

static void test_what_is_no_interface_name_never_reaches_the_driver(void)
{
	static const char *const bad[] = {
		"",	".",   "..", "a b", "eth0,mode=x", "a/b", "eth0=1", "sixteen-is-a-lot",
		"a\nb", "\x80"};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct weir_why why = {0};

		CU_ASSERT_EQUAL(check((struct weir_port_conf){.interface = bad[i]}, &why), -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "not the name of a Linux interface"));
	}
	CU_ASSERT_EQUAL(check((struct weir_port_conf){.interface = "enp3s0f0.100"}, NULL), 0);
}

static void test_what_contradicts_itself_is_refused_in_a_sentence(void)
{
	static const struct {
		struct weir_port_conf conf;
		const char *says;
	} bad[] = {
		{{.interface = "e", .device = "d"}, "either an interface or a device"},
		{{.name = "x"}, "either an interface or a device"},
		{{.name = "", .device = "d"}, "1 to 31 bytes"},
		{{.name = "a-name-that-is-too-long-for-a-port", .device = "d"}, "1 to 31 bytes"},
		{{.interface = "e", .driver = "xyz"}, "xyz is none of"},
		{{OURS, .steer = "all,queues=9"}, "must be words with + between"},
		{{OURS, .steer = ""}, "must be words with + between"},
		{{OURS, .owns = "a b"}, "must be words with + between"},
		{{.interface = "e", .driver = "af_xdp", .steer = "all"}, "only driver weir_xdp"},
		{{.interface = "e", .hw_queues = 1}, "this program is without"},
		{{.device = "d", .coexist = true}, "only driver weir_xdp"},
		{{.device = "d", .mtu = 67}, "must be 68 to 9000"},
		{{.device = "d", .mtu = 9001}, "mtu is 9001"},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct weir_why why = {0};

		CU_ASSERT_EQUAL(check(bad[i].conf, &why), -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, bad[i].says));
	}
}

static void test_a_missing_interface_is_named_before_any_driver_begins(void)
{
	const struct weir_port_conf conf = {.name = "wan", .interface = "weir-none0"};
	struct weir_port *p = NULL;
	struct weir_why why = {0};

	CU_ASSERT_EQUAL(weir_port_eth_open(&conf, 0, NULL, &p, &why), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "no interface named weir-none0"));
	CU_ASSERT_PTR_NULL(p);
}

static void test_opening_without_memory_is_said_too(void)
{
	const struct weir_port_conf conf = {.name = "wan", .interface = "weir-none0"};
	struct weir_port *p = NULL;
	int rc;

	FAILALLOC_EACH(n)
	{
		rc = weir_port_eth_open(&conf, 0, NULL, &p, NULL);
		if (failalloc_done())
			break;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
	}
	CU_ASSERT_EQUAL(rc, -ENODEV);
	CU_ASSERT_PTR_NULL(p);
}

static void test_a_new_socket_is_told_from_the_old_ones(void)
{
	const struct sock_list before = {.fd = {4, 7}, .n = 2};
	const struct sock_list after = {.fd = {3, 7, 9}, .n = 3};

	CU_ASSERT_EQUAL(sock_list_new(&before, &after, 0), 3);
	CU_ASSERT_EQUAL(sock_list_new(&before, &after, 1), 9);
	CU_ASSERT_EQUAL(sock_list_new(&before, &after, 2), -1);
	CU_ASSERT_EQUAL(sock_list_new(&before, &before, 0), -1);
}

WEIR_TESTS("ports/port_eth_args", TEST(our_driver_is_told_only_what_differs_from_its_defaults),
	   TEST(without_our_driver_an_interface_is_net_af_xdps_without_busy_polling),
	   TEST(our_driver_is_asked_for_only_where_it_is),
	   TEST(the_link_local_address_goes_with_ours_if_it_is_asked_for),
	   TEST(linux_has_its_own_addresses), TEST(other_drivers_can_be_named),
	   TEST(a_jumbo_frame_fits_a_slot_of_af_packet),
	   TEST(slots_of_af_packet_fill_their_blocks_and_fit_a_buffer),
	   TEST(a_device_is_passed_on_as_it_is), TEST(a_short_buffer_cuts_but_tells_the_length),
	   TEST(af_xdp_asks_for_its_fill_and_completion_rings),
	   TEST(our_driver_asks_for_its_rings_and_for_no_long_buffers),
	   TEST(what_is_no_interface_name_never_reaches_the_driver),
	   TEST(what_contradicts_itself_is_refused_in_a_sentence),
	   TEST(a_missing_interface_is_named_before_any_driver_begins),
	   TEST(opening_without_memory_is_said_too), TEST(a_new_socket_is_told_from_the_old_ones))
