/* SPDX-License-Identifier: BSD-3-Clause */
/* The XDP program on packets made by hand: what it reads of them, where they go, what is counted.
 */
#include "test.h"
#include "toy_steer.h"

#include <rte_byteorder.h>

#define MARK 7

static struct steer_queue_stats counted(void)
{
	struct steer_queue_stats stats;

	CU_ASSERT_EQUAL_FATAL(steer_stats(toy, 0, &stats), 0);
	return stats;
}

/* Whether a packet matches a rule, told by the rule's mark. */
static bool matches(const struct steer_spec *spec, const struct frame *f)
{
	struct steer_spec marked = *spec;
	struct toy_end end;

	marked.rule.has_mark = 1;
	marked.rule.mark = MARK;
	CU_ASSERT_NOT_EQUAL(toy_add(&marked), 0);
	end = toy_run(f);
	toy_flush();
	return end.has_meta && (end.meta.flags & STEER_META_MARK) && end.meta.mark == MARK;
}

static struct steer_spec any(void)
{
	return toy_spec(STEER_SPREAD, 0, 0);
}

static void has(struct steer_spec *spec, uint8_t bits)
{
	spec->key.has |= bits;
	spec->mask.has |= bits;
}

/* A rule for what has these ports and is of this protocol. */
static struct steer_spec with_ports(uint8_t bits, uint16_t src, uint16_t dst)
{
	struct steer_spec spec = any();

	has(&spec, bits);
	spec.key.src_port = htons(src);
	spec.key.dst_port = htons(dst);
	spec.mask.src_port = spec.mask.dst_port = UINT16_MAX;
	return spec;
}

static void test_all_goes_to_the_socket_unread(void)
{
	struct steer_config *config = toy_config();
	const struct frame f = frame_flow(6, "192.0.2.1", 1, "192.0.2.2", 2);

	config->soft_rss = config->meta = 0;
	steer_settle(toy);
	CU_ASSERT_EQUAL(config->all, 1);
	CU_ASSERT_EQUAL(toy_goes_to(&f), 0);
	CU_ASSERT_FALSE(toy_run(&f).has_meta);
	config->others = STEER_KERNEL;
	steer_settle(toy);
	CU_ASSERT_EQUAL(config->all, 0);
	CU_ASSERT_EQUAL(toy_goes_to(&f), TOY_KERNEL);
}

static void test_hardware_queues_of_others_pass_uncounted(void)
{
	struct steer_config *config = toy_config();
	const struct frame f = frame_flow(6, "192.0.2.1", 1, "192.0.2.2", 2);
	const struct steer_queue_stats before = counted();
	struct steer_queue_stats after;

	config->first_hwq = 1; /* the packet is of queue 0 */
	CU_ASSERT_EQUAL(toy_run(&f).action, XDP_PASS);
	config->first_hwq = 0;
	config->n_hwqs = 0;
	CU_ASSERT_EQUAL(toy_run(&f).action, XDP_PASS);
	after = counted();
	CU_ASSERT_EQUAL(after.seen, before.seen);
	CU_ASSERT_EQUAL(after.bytes, before.bytes);
}

static void test_every_packet_is_counted_once(void)
{
	struct steer_config *config = toy_config();
	const struct frame f = frame_flow(17, "192.0.2.1", 1, "192.0.2.2", 2);
	const struct steer_spec drop = toy_spec(STEER_DROP, 0, 1);
	struct steer_queue_stats s;
	uint32_t id;

	steer_stats_reset(toy);
	CU_ASSERT_EQUAL(toy_run(&f).action, XDP_REDIRECT);
	steer_set_socket(toy, 0, -1);
	config->soft_rss = 0;
	CU_ASSERT_EQUAL(toy_run(&f).action, XDP_PASS);
	config->others = STEER_KERNEL;
	CU_ASSERT_EQUAL(toy_run(&f).action, XDP_PASS);
	id = toy_add(&drop);
	CU_ASSERT_EQUAL(toy_run(&f).action, XDP_DROP);
	CU_ASSERT_EQUAL(steer_rule_remove(toy, id), 0);
	s = counted();
	CU_ASSERT_EQUAL(s.redirected, 1);
	CU_ASSERT_EQUAL(s.failed, 1);
	CU_ASSERT_EQUAL(s.passed, 1);
	CU_ASSERT_EQUAL(s.dropped, 1);
	CU_ASSERT_EQUAL(s.seen, 4);
	CU_ASSERT_EQUAL(s.bytes, 4 * f.len);
	CU_ASSERT_EQUAL(s.too_short, 0);
}

static void test_a_packet_without_a_socket_passes_as_it_came(void)
{
	const struct frame f = frame_flow(17, "192.0.2.1", 1, "192.0.2.2", 2);
	struct toy_end end;

	toy_config();
	CU_ASSERT_TRUE(toy_run(&f).has_meta);
	for (uint32_t q = 0; q < TOY_QUEUES; q++)
		CU_ASSERT_EQUAL(steer_set_socket(toy, q, -1), 0);
	end = toy_run(&f);
	CU_ASSERT_EQUAL(end.action, XDP_PASS);
	CU_ASSERT_FALSE(end.has_meta);
}

static void test_sockets_are_taken_out_twice_and_refused_beyond_the_map(void)
{
	toy_config();
	CU_ASSERT_EQUAL(steer_set_socket(toy, 3, -1), 0);
	CU_ASSERT_EQUAL(steer_set_socket(toy, 3, -1), 0);
	CU_ASSERT_EQUAL(steer_set_socket(toy, STEER_SOCKS, toy_sock), -EINVAL);
	CU_ASSERT_EQUAL(steer_set_socket(toy, 0, STDERR_FILENO), -ENOTSOCK);
}

static void test_a_frame_cut_at_any_length_goes_somewhere_and_is_counted(void)
{
	struct frame whole[3], f;
	struct steer_queue_stats s;
	uint64_t n;

	toy_config()->keep_host = 1;
	whole[0] = frame_eth();
	put_tag(&whole[0], 0x88a8, 5);
	put_tag(&whole[0], 0x8100, 6);
	put_ipv4(&whole[0], 6, "192.0.2.1", "192.0.2.2", 0, 10);
	put_ports(&whole[0], 1, 22);
	whole[1] = frame_eth();
	put_ipv6(&whole[1], 0, "fe80::1", "ff02::1");
	put(&whole[1], "\x2c\x00\x00\x00\x00\x00\x00\x00", 8); /* hop-by-hop, then fragment */
	put(&whole[1], "\x3a\x00\x00\x00\x00\x00\x00\x00", 8); /* the first, then ICMPv6 */
	put(&whole[1], "\x87\x00\x00\x00\x00\x00\x00\x00", 8); /* a solicitation */
	put_ip(&whole[1], "fe80::2");
	whole[2] = frame_eth();
	put(&whole[2], "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	put_zero(&whole[2], 20);
	for (enum steer_flavour flavour = STEER_PLAIN; flavour <= STEER_FRAGS; flavour++) {
		toy_load(flavour);
		steer_stats_reset(toy);
		n = 0;
		for (unsigned i = 0; i < 3; i++)
			/* The kernel runs no test on less than an Ethernet header. */
			for (f = whole[i], f.len = 14; f.len <= whole[i].len; f.len++) {
				CU_ASSERT_NOT_EQUAL(toy_run(&f).action, -1);
				n++;
			}
		s = counted();
		CU_ASSERT_EQUAL(s.seen, n);
		CU_ASSERT_EQUAL(s.too_short, 0);
	}
	toy_load(STEER_PLAIN);
}

static void test_macs_and_type_are_matched(void)
{
	struct steer_spec spec = any();
	struct frame f = frame_eth();

	toy_config();
	put16(&f, 0x88cc);
	put_zero(&f, 46);
	memcpy(spec.key.dst_mac, f.bytes, 6);
	memcpy(spec.key.src_mac, f.bytes + 6, 6);
	memset(spec.mask.dst_mac, 0xff, 12);
	spec.key.ethertype = htons(0x88cc);
	spec.mask.ethertype = UINT16_MAX;
	CU_ASSERT_TRUE(matches(&spec, &f));
	for (unsigned i = 0; i < 14; i++) {
		f.bytes[i] ^= 1;
		CU_ASSERT_FALSE(matches(&spec, &f));
		f.bytes[i] ^= 1;
	}
}

static void test_the_outermost_of_two_tags_is_matched(void)
{
	struct steer_spec spec = any(), untagged = any();
	struct frame f[3];

	toy_config();
	has(&spec, STEER_HAS_VLAN | STEER_HAS_IPV4);
	spec.key.vlan_tci = htons(5);
	spec.mask.vlan_tci = htons(0x0fff);
	untagged.mask.has = STEER_HAS_VLAN;
	for (unsigned i = 0; i < 3; i++) {
		f[i] = frame_eth();
		if (i > 0)
			put_tag(&f[i], i == 1 ? 0x8100 : 0x88a8, 0xe005);
		if (i > 1)
			put_tag(&f[i], 0x8100, 6);
		put_ipv4(&f[i], 6, "192.0.2.1", "192.0.2.2", 0, 0);
		put_ports(&f[i], 1, 2);
		CU_ASSERT_EQUAL(matches(&spec, &f[i]), i > 0);
		CU_ASSERT_EQUAL(matches(&untagged, &f[i]), i == 0);
	}
	spec.key.vlan_tci = htons(6);
	CU_ASSERT_FALSE(matches(&spec, &f[2]));
}

static void test_ports_are_found_behind_ipv4_options(void)
{
	const struct steer_spec spec = with_ports(STEER_HAS_IPV4 | STEER_HAS_TCP, 1000, 2000);

	toy_config();
	for (unsigned words = 0; words <= 10; words++) {
		struct frame f = frame_eth();

		put_ipv4(&f, 6, "192.0.2.1", "192.0.2.2", 0x4000, words);
		put_ports(&f, 1000, 2000);
		CU_ASSERT_TRUE(matches(&spec, &f));
	}
}

static void test_only_the_first_fragment_has_ports(void)
{
	const struct steer_spec spec = with_ports(STEER_HAS_UDP, 1000, 2000);
	struct steer_spec udp = any();
	const uint16_t frags[] = {0x0000, 0x2000, 0x2001, 0x0001};

	toy_config();
	udp.key.proto = 17;
	udp.mask.proto = UINT8_MAX;
	for (unsigned i = 0; i < 4; i++) {
		struct frame f = frame_eth(), f6 = frame_eth();

		put_ipv4(&f, 17, "192.0.2.1", "192.0.2.2", frags[i], 0);
		put_ports(&f, 1000, 2000);
		CU_ASSERT_EQUAL(matches(&spec, &f), i < 2);
		CU_ASSERT_TRUE(matches(&udp, &f));
		put_ipv6(&f6, 44, "2001:db8::1", "2001:db8::2");
		put8(&f6, 17);
		put8(&f6, 0);
		put16(&f6, (uint16_t)((frags[i] & 0x1fff) << 3 | (frags[i] & 0x2000 ? 1 : 0)));
		put_zero(&f6, 4);
		put_ports(&f6, 1000, 2000);
		CU_ASSERT_EQUAL(matches(&spec, &f6), i < 2);
		CU_ASSERT_TRUE(matches(&udp, &f6));
	}
}

static void test_six_extension_headers_are_stepped_over(void)
{
	const uint8_t types[] = {0, 60, 43, 60, 51, 44, 60};
	const struct steer_spec spec = with_ports(STEER_HAS_IPV6 | STEER_HAS_TCP, 1000, 2000);

	toy_config();
	for (unsigned n = 0; n <= 7; n++) {
		struct frame f = frame_eth();

		put_ipv6(&f, n == 0 ? 6 : types[0], "2001:db8::1", "2001:db8::2");
		for (unsigned i = 0; i < n; i++) {
			/* Each of 16 bytes, but the fragment header. */
			const uint8_t len = types[i] == 51 ? 2 : types[i] == 44 ? 0 : 1;

			put8(&f, i + 1 == n ? 6 : types[i + 1]);
			put8(&f, len);
			put_zero(&f, types[i] == 44 ? 6 : 14);
		}
		put_ports(&f, 1000, 2000);
		CU_ASSERT_EQUAL(matches(&spec, &f), n <= 6);
	}
}

static void test_headers_that_lie_are_not_read(void)
{
	struct steer_spec spec = any();
	struct frame f = frame_flow(6, "192.0.2.1", 1, "192.0.2.2", 2);

	toy_config();
	has(&spec, STEER_HAS_IPV4);
	CU_ASSERT_TRUE(matches(&spec, &f));
	f.bytes[14] = 0x44;
	CU_ASSERT_FALSE(matches(&spec, &f));
	f.bytes[14] = 0x65;
	CU_ASSERT_FALSE(matches(&spec, &f));
	f = frame_flow(6, "2001:db8::1", 1, "2001:db8::2", 2);
	spec.key.has = spec.mask.has = STEER_HAS_IPV6;
	CU_ASSERT_TRUE(matches(&spec, &f));
	f.bytes[14] = 0x45;
	CU_ASSERT_FALSE(matches(&spec, &f));
}

static void test_icmp_is_matched_by_type_and_code(void)
{
	struct frame f = frame_eth(), f6 = frame_eth();
	struct steer_spec spec = any();

	toy_config();
	put_ipv4(&f, 1, "192.0.2.1", "192.0.2.2", 0, 0);
	put16(&f, 0x0301);
	put_zero(&f, 6);
	put_ipv6(&f6, 58, "2001:db8::1", "2001:db8::2");
	put16(&f6, 0x0301);
	put_zero(&f6, 6);
	has(&spec, STEER_HAS_ICMP);
	spec.key.src_port = htons(0x0301);
	spec.mask.src_port = UINT16_MAX;
	CU_ASSERT_TRUE(matches(&spec, &f));
	CU_ASSERT_TRUE(matches(&spec, &f6));
	has(&spec, STEER_HAS_IPV4);
	CU_ASSERT_FALSE(matches(&spec, &f6));
	spec.key.src_port = htons(0x0300);
	CU_ASSERT_FALSE(matches(&spec, &f));
}

static void test_metadata_says_what_is_true_and_nothing_else(void)
{
	struct steer_config *config = toy_config();
	const struct frame f = frame_flow(6, "192.0.2.1", 1, "192.0.2.2", 2);
	struct toy_end end = toy_run(&f);

	CU_ASSERT_TRUE(end.has_meta);
	CU_ASSERT_EQUAL(end.meta.cookie, TOY_COOKIE);
	CU_ASSERT_EQUAL(end.meta.flags, 0); /* no type is hashed */
	config->sw_time = 1;
	config->rss_types = STEER_RSS_IPV4;
	end = toy_run(&f);
	CU_ASSERT_EQUAL(end.meta.flags, STEER_META_HASH | STEER_META_TIME | STEER_META_SW_TIME);
	CU_ASSERT(end.meta.time_ns > 0);
	config->meta = 0;
	CU_ASSERT_FALSE(toy_run(&f).has_meta);
}

static void test_a_frame_of_several_buffers_is_counted_whole(void)
{
	struct frame f = frame_flow(6, "192.0.2.1", 1, "192.0.2.2", 2);
	static uint8_t big[9000];
	struct xdp_md ctx = {.data_end = sizeof(big)};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = big, .data_size_in = sizeof(big),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1);

	toy_config();
	memcpy(big, f.bytes, f.len);
	toy_load(STEER_FRAGS);
	steer_stats_reset(toy);
	CU_ASSERT_EQUAL(bpf_prog_test_run_opts(toy_program, &opts), 0);
	CU_ASSERT_EQUAL(opts.retval, XDP_REDIRECT);
	CU_ASSERT_EQUAL(counted().bytes, sizeof(big));
	toy_load(STEER_PLAIN);
}

WEIR_TESTS("xdp/steer-prog", TEST(all_goes_to_the_socket_unread),
	   TEST(hardware_queues_of_others_pass_uncounted), TEST(every_packet_is_counted_once),
	   TEST(a_packet_without_a_socket_passes_as_it_came),
	   TEST(sockets_are_taken_out_twice_and_refused_beyond_the_map),
	   TEST(a_frame_cut_at_any_length_goes_somewhere_and_is_counted),
	   TEST(macs_and_type_are_matched), TEST(the_outermost_of_two_tags_is_matched),
	   TEST(ports_are_found_behind_ipv4_options), TEST(only_the_first_fragment_has_ports),
	   TEST(six_extension_headers_are_stepped_over), TEST(headers_that_lie_are_not_read),
	   TEST(icmp_is_matched_by_type_and_code),
	   TEST(metadata_says_what_is_true_and_nothing_else),
	   TEST(a_frame_of_several_buffers_is_counted_whole))
