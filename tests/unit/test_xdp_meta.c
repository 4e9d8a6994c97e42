/* SPDX-License-Identifier: BSD-3-Clause */
/* The program's metadata in front of a packet becomes an mbuf's fields, or nothing does. */
#include "rx_meta_priv.h"
#include "test.h"

#include <string.h>

#define COOKIE	  UINT32_C(0x12345679)
#define TIME_FLAG (UINT64_C(1) << 25)

/* A packet behind its metadata, in a buffer of its own. */
struct toy_frame {
	struct rte_mbuf m;
	struct xdp_port port;
	_Alignas(8) uint8_t buf[512];
	struct steer_meta *meta;
};

static void begin(struct toy_frame *f, const struct steer_meta *meta)
{
	memset(f, 0, sizeof(*f));
	f->m.buf_addr = f->buf;
	f->m.data_off = 256;
	f->m.data_len = 60;
	f->port.cookie = COOKIE;
	f->port.time_offset = -1;
	f->meta = (struct steer_meta *)(f->buf + 256 - sizeof(*meta));
	*f->meta = *meta;
	xdp_rx_meta(&f->port, &f->m);
}

static void test_a_hash_is_told_only_if_there_is_one(void)
{
	struct toy_frame f;

	begin(&f, &(struct steer_meta){.cookie = COOKIE, .hash = 77, .flags = STEER_META_HASH});
	CU_ASSERT_EQUAL(f.m.ol_flags, RTE_MBUF_F_RX_RSS_HASH);
	CU_ASSERT_EQUAL(f.m.hash.rss, 77);
	begin(&f, &(struct steer_meta){.cookie = COOKIE, .hash = 77});
	CU_ASSERT_EQUAL(f.m.ol_flags, 0);
	CU_ASSERT_EQUAL(f.m.hash.rss, 0);
}

static void test_a_mark_and_a_hash_are_told_beside_each_other(void)
{
	struct toy_frame f;

	begin(&f, &(struct steer_meta){.cookie = COOKIE,
				       .hash = 77,
				       .mark = 88,
				       .flags = STEER_META_HASH | STEER_META_MARK});
	CU_ASSERT_EQUAL(f.m.ol_flags,
			RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID);
	CU_ASSERT_EQUAL(f.m.hash.rss, 77);
	CU_ASSERT_EQUAL(f.m.hash.fdir.hi, 88);
}

static void test_a_tag_that_was_taken_off_is_told_in_host_order(void)
{
	struct toy_frame f;

	begin(&f, &(struct steer_meta){.cookie = COOKIE,
				       .vlan_tci = RTE_BE16(0x2064),
				       .flags = STEER_META_VLAN});
	CU_ASSERT_EQUAL(f.m.ol_flags, RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED);
	CU_ASSERT_EQUAL(f.m.vlan_tci, 0x2064);
}

static void test_a_time_is_told_only_where_mbufs_have_a_field_for_it(void)
{
	const struct steer_meta meta = {
		.cookie = COOKIE, .time_ns = UINT64_C(1) << 40, .flags = STEER_META_TIME};
	struct toy_frame f;

	begin(&f, &meta);
	CU_ASSERT_EQUAL(f.m.ol_flags, 0);
	f.port.time_offset = (int)RTE_ALIGN(offsetof(struct rte_mbuf, dynfield1), 8);
	f.port.time_flag = TIME_FLAG;
	*f.meta = meta;
	xdp_rx_meta(&f.port, &f.m);
	CU_ASSERT_EQUAL(f.m.ol_flags, TIME_FLAG);
	CU_ASSERT_EQUAL(*RTE_MBUF_DYNFIELD(&f.m, f.port.time_offset, rte_mbuf_timestamp_t *),
			UINT64_C(1) << 40);
}

static void test_bytes_of_another_start_tell_nothing(void)
{
	struct toy_frame f;

	begin(&f, &(struct steer_meta){.cookie = COOKIE + 2, .hash = 77, .flags = UINT16_MAX});
	CU_ASSERT_EQUAL(f.m.ol_flags, 0);
	CU_ASSERT_EQUAL(f.m.hash.rss, 0);
	CU_ASSERT_EQUAL(f.m.vlan_tci, 0);
}

/* A buffer comes round again, with a packet that the program put nothing in front of. */
static void test_metadata_is_read_once(void)
{
	struct toy_frame f;

	begin(&f, &(struct steer_meta){.cookie = COOKIE, .hash = 77, .flags = STEER_META_HASH});
	f.m.ol_flags = 0;
	f.m.hash.rss = 0;
	xdp_rx_meta(&f.port, &f.m);
	CU_ASSERT_EQUAL(f.m.ol_flags, 0);
	CU_ASSERT_EQUAL(f.m.hash.rss, 0);
}

static void test_what_is_claimed_of_checksums_stays(void)
{
	struct toy_frame f;

	begin(&f, &(struct steer_meta){.cookie = COOKIE});
	f.m.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	*f.meta = (struct steer_meta){.cookie = COOKIE, .flags = STEER_META_HASH};
	xdp_rx_meta(&f.port, &f.m);
	CU_ASSERT_EQUAL(f.m.ol_flags, RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_RSS_HASH);
}

WEIR_TESTS("xdp/meta", TEST(a_hash_is_told_only_if_there_is_one),
	   TEST(a_mark_and_a_hash_are_told_beside_each_other),
	   TEST(a_tag_that_was_taken_off_is_told_in_host_order),
	   TEST(a_time_is_told_only_where_mbufs_have_a_field_for_it),
	   TEST(bytes_of_another_start_tell_nothing), TEST(metadata_is_read_once),
	   TEST(what_is_claimed_of_checksums_stays))
