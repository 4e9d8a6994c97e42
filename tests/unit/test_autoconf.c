/* SPDX-License-Identifier: BSD-3-Clause */

/* Addresses that are probed, found free or lost, in virtual time. */

#include "autoconf_priv.h"
#include "test.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <weir/clock.h>
#include <weir/csum.h>

#define S WEIR_NS_PER_S
#define OUR                              \
	{                                \
		{                        \
			2, 0, 0, 0, 0, 1 \
		}                        \
	}

static const struct weir_siphash_key key = {1, 2};
static const struct weir_mac our_mac = OUR;
static const struct weir_mac other_mac = {{2, 0, 0, 0, 0, 9}};
static const struct autoconf_rules optimistic = {.probes = 1, .optimistic = true};
static const struct autoconf_rules strict = {.probes = 2};

static struct autoconf *ac;
static struct weir_iface iface;
static uint64_t now;
static struct neigh_frame sent[16];
static uint64_t sent_ns[16];
static unsigned n_sent, room;
static unsigned said[2];
static struct weir_mac said_of;

static bool toy_send(void *ctx, const struct autoconf_iface *f, struct neigh_frame *frame)
{
	CU_ASSERT_STRING_EQUAL(f->name, "wan");
	if (n_sent == room)
		return false;
	sent_ns[n_sent] = now;
	sent[n_sent++] = *frame;
	return true;
}

static void toy_say(void *ctx, const struct autoconf_iface *f, const struct autoconf_addr *a,
		    enum autoconf_event event, const struct weir_mac *other)
{
	said[event]++;
	said_of = *other;
}

static const struct autoconf_door door = {.send = toy_send, .say = toy_say};

static struct weir_prefix prefix(const char *text)
{
	struct weir_prefix p;

	CU_ASSERT_EQUAL_FATAL(weir_prefix_parse(text, strlen(text), &p), 0);
	return p;
}

/* "wan" with an address or none, as the configuration says. */
static struct weir_iface conf(const char *address)
{
	struct weir_iface f = {.name = "wan"};

	memcpy(f.mac, &our_mac, sizeof(f.mac));
	if (address != NULL)
		f.addr[f.n_addrs++] = prefix(address);
	return f;
}

static void configure(const char *address, const struct autoconf_rules *rules)
{
	const struct weir_iface f = conf(address);
	struct autoconf *fresh;

	CU_ASSERT_EQUAL_FATAL(autoconf_create(ac, &key, &key, &f, rules, 1, now, &fresh), 0);
	autoconf_free(ac);
	ac = fresh;
}

static void begin(const char *address, const struct autoconf_rules *rules)
{
	now = S;
	n_sent = 0;
	room = 16;
	memset(said, 0, sizeof(said));
	configure(address, rules);
}

static void end(void)
{
	autoconf_free(ac);
	ac = NULL;
}

static void wait_ns(uint64_t ns)
{
	for (const uint64_t until = now + ns; now < until;) {
		now += S / 10;
		autoconf_run(ac, &door, now);
	}
}

static void hear(const char *address, enum neigh_notice_kind kind, const struct weir_mac *mac)
{
	struct neigh_notice n = {.kind = (uint8_t)kind, .mac = *mac};

	CU_ASSERT_EQUAL_FATAL(weir_addr_parse(address, strlen(address), &n.addr), 0);
	autoconf_heard(ac, autoconf_find(ac, "wan"), &n, &door, now);
}

/* The interface as it is published now. */
static const struct weir_iface *dressed(const char *address)
{
	iface = conf(address);
	autoconf_dress(ac, &iface);
	return &iface;
}

static enum autoconf_state state(unsigned k)
{
	return autoconf_state(&ac->iface[0].addr[k]);
}

/* Probes among what was sent, by target. */
static unsigned solicits(const char *address)
{
	const struct weir_prefix p = prefix(address);
	unsigned n = 0;

	for (unsigned i = 0; i < n_sent; i++)
		n += sent[i].len_bytes == 72 && memcmp(sent[i].bytes + 48, p.addr.bytes, 16) == 0;
	return n;
}

static void test_an_optimistic_address_is_used_at_once_and_marked(void)
{
	begin("2001:db8::1/64", &optimistic);
	CU_ASSERT_EQUAL(dressed("2001:db8::1/64")->n_addrs, 1);
	CU_ASSERT_EQUAL(iface.addr_flags[0], WEIR_ADDR_OPTIMISTIC);
	CU_ASSERT_EQUAL(iface.link_local_flags, WEIR_ADDR_OPTIMISTIC);
	CU_ASSERT_FALSE(iface.no_link_local);
	CU_ASSERT_TRUE(iface.watched);
	CU_ASSERT_EQUAL(state(1), AUTOCONF_OPTIMISTIC);
	wait_ns(5 * S / 2);
	CU_ASSERT_TRUE(ac->changed);
	CU_ASSERT_EQUAL(dressed("2001:db8::1/64")->addr_flags[0], 0);
	CU_ASSERT_EQUAL(state(1), AUTOCONF_PREFERRED);
	CU_ASSERT_EQUAL(solicits("2001:db8::1/128"), 1);
	CU_ASSERT_EQUAL(solicits("fe80::ff:fe00:1/128"), 1);
	end();
}

static void test_a_tentative_address_is_not_used_but_its_subnet_is_on_the_link(void)
{
	struct weir_prefix net;

	begin("2001:db8::1/64", &strict);
	CU_ASSERT_EQUAL(dressed("2001:db8::1/64")->n_addrs, 0);
	CU_ASSERT_TRUE(iface.no_link_local);
	CU_ASSERT_EQUAL(iface.n_tentative, 2);
	CU_ASSERT_EQUAL_FATAL(iface.n_onlink, 1);
	net = prefix("2001:db8::/64");
	CU_ASSERT_TRUE(weir_addr_equal(&iface.onlink[0].addr, &net.addr));
	CU_ASSERT_EQUAL(iface.onlink[0].length, 64);
	wait_ns(4 * S);
	CU_ASSERT_EQUAL(solicits("2001:db8::1/128"), 2);
	CU_ASSERT_EQUAL(dressed("2001:db8::1/64")->n_addrs, 1);
	CU_ASSERT_FALSE(iface.no_link_local);
	CU_ASSERT_EQUAL(iface.n_tentative + iface.n_onlink, 0);
	end();
}

static void test_a_probe_is_as_rfc_4862_and_7527_want_it(void)
{
	const uint8_t *b = sent[0].bytes;
	uint32_t sum;

	begin(NULL, &optimistic);
	wait_ns(3 * S);
	CU_ASSERT_EQUAL_FATAL(n_sent, 1);
	CU_ASSERT_EQUAL(sent[0].type_be, htons(0x86dd));
	CU_ASSERT_EQUAL(memcmp(&sent[0].to, (uint8_t[]){0x33, 0x33, 0xff, 0, 0, 1}, 6), 0);
	CU_ASSERT_EQUAL(b[7], 255);
	for (unsigned i = 8; i < 24; i++)
		CU_ASSERT_EQUAL(b[i], 0); /* from :: */
	CU_ASSERT_EQUAL(b[24] << 8 | b[25], 0xff02);
	CU_ASSERT_EQUAL(b[40], 135);
	CU_ASSERT_EQUAL(b[64] << 8 | b[65], 14 << 8 | 1); /* the nonce, and no MAC address */
	sum = weir_csum_pseudo6(b + 8, b + 24, IPPROTO_ICMPV6, 32);
	CU_ASSERT_EQUAL(weir_csum_finish(weir_csum_add(sum, weir_csum_sum(b + 40, 32))), 0);
	end();
}

static void test_ipv4_is_probed_three_times_and_announced_twice(void)
{
	begin("192.0.2.1/24", &optimistic);
	wait_ns(15 * S);
	CU_ASSERT_EQUAL_FATAL(n_sent, 1 + 3 + 2); /* one is the link-local address's */
	for (unsigned i = 0, arp = 0; i < n_sent; i++) {
		const bool announces = arp >= 3;

		if (sent[i].len_bytes != 28)
			continue;
		arp++;
		CU_ASSERT_EQUAL(memcmp(sent[i].bytes + 8, &our_mac, 6), 0);
		CU_ASSERT_EQUAL(sent[i].bytes[14], announces ? 192 : 0);
		CU_ASSERT_EQUAL(sent[i].bytes[24], 192);
	}
	CU_ASSERT_TRUE(sent_ns[n_sent - 1] - sent_ns[n_sent - 2] >= 2 * S);
	CU_ASSERT_EQUAL(state(1), AUTOCONF_PREFERRED);
	end();
}

static void test_somebody_who_has_or_wants_it_makes_it_a_duplicate(void)
{
	static const char *const address[] = {"2001:db8::1/64", "192.0.2.1/24"};
	static const char *const bare[] = {"2001:db8::1", "192.0.2.1"};

	for (unsigned i = 0; i < 4; i++) {
		begin(address[i / 2], &optimistic);
		wait_ns(S / 2);
		hear(bare[i / 2], i % 2 ? NEIGH_NOTICE_PROBE : NEIGH_NOTICE_CLAIM, &other_mac);
		CU_ASSERT_EQUAL(state(1), AUTOCONF_GONE);
		CU_ASSERT_EQUAL(memcmp(&ac->iface[0].addr[1].other, &other_mac, 6), 0);
		CU_ASSERT_EQUAL(dressed(address[i / 2])->n_addrs, 0);
		CU_ASSERT_EQUAL(iface.n_tentative, 0);
		CU_ASSERT_EQUAL(iface.n_onlink, 1);
		CU_ASSERT_EQUAL(said[AUTOCONF_IS_DUPLICATE], 1);
		CU_ASSERT_EQUAL(memcmp(&said_of, &other_mac, 6), 0);
		wait_ns(20 * S);
		CU_ASSERT_EQUAL(state(1), AUTOCONF_GONE);
		CU_ASSERT_EQUAL(ac->counters.duplicates, 1);
		end();
	}
}

static void test_a_duplicate_link_local_address_is_not_used(void)
{
	begin(NULL, &optimistic);
	hear("fe80::ff:fe00:1", NEIGH_NOTICE_CLAIM, &our_mac); /* two with one MAC address */
	CU_ASSERT_EQUAL(state(0), AUTOCONF_GONE);
	CU_ASSERT_TRUE(dressed(NULL)->no_link_local);
	end();
}

static void test_our_own_probe_that_comes_back_counts_for_nothing(void)
{
	struct neigh_notice n = {.kind = NEIGH_NOTICE_PROBE, .has_nonce = true, .mac = our_mac};

	begin(NULL, &strict);
	wait_ns(S + S / 2);
	n.addr = weir_link_local(our_mac.bytes);
	n.nonce = ac->iface[0].addr[0].nonce;
	while (ac->iface[0].addr[0].probes_left > 0)
		wait_ns(S / 10);
	autoconf_heard(ac, &ac->iface[0], &n, &door, now);
	CU_ASSERT_EQUAL(state(0), AUTOCONF_TENTATIVE);
	CU_ASSERT_EQUAL(ac->counters.looped, 1);
	/* RFC 7527 section 4.1: three more, and good if these stay away. */
	wait_ns(5 * S);
	CU_ASSERT_EQUAL(n_sent, 2 + 3);
	CU_ASSERT_EQUAL(state(0), AUTOCONF_PREFERRED);
	end();
}

static void test_another_nonce_is_another_host_even_with_our_mac(void)
{
	struct neigh_notice n = {.kind = NEIGH_NOTICE_PROBE, .has_nonce = true, .mac = our_mac};

	begin(NULL, &strict);
	n.addr = weir_link_local(our_mac.bytes);
	autoconf_heard(ac, &ac->iface[0], &n, &door, now);
	CU_ASSERT_EQUAL(state(0), AUTOCONF_GONE);
	end();
}

static void test_a_good_address_is_kept_and_defended_every_ten_seconds(void)
{
	begin("192.0.2.1/24", &optimistic);
	wait_ns(15 * S);
	n_sent = 0;
	for (unsigned i = 0; i < 19; i++) {
		hear("192.0.2.1", NEIGH_NOTICE_CLAIM, &other_mac);
		wait_ns(S);
	}
	hear("192.0.2.1", NEIGH_NOTICE_CLAIM, &our_mac); /* an announcement of ours */
	CU_ASSERT_EQUAL(n_sent, 2);
	CU_ASSERT_EQUAL(sent[0].bytes[14], 192);
	CU_ASSERT_EQUAL(said[AUTOCONF_CONFLICT], 2);
	CU_ASSERT_EQUAL(ac->counters.conflicts, 19);
	CU_ASSERT_EQUAL(state(1), AUTOCONF_PREFERRED);
	end();
}

static void test_a_reload_keeps_what_is_known_and_probes_what_is_new(void)
{
	begin("2001:db8::1/64", &optimistic);
	wait_ns(3 * S);
	configure("2001:db8::1/64", &optimistic);
	CU_ASSERT_EQUAL(state(1), AUTOCONF_PREFERRED);
	configure("2001:db8::2/64", &optimistic);
	CU_ASSERT_EQUAL(state(0), AUTOCONF_PREFERRED);
	CU_ASSERT_EQUAL(state(1), AUTOCONF_OPTIMISTIC);
	hear("2001:db8::2", NEIGH_NOTICE_CLAIM, &other_mac);
	configure("2001:db8::2/64", &optimistic);
	CU_ASSERT_EQUAL(state(1), AUTOCONF_TENTATIVE); /* not used before the answer */
	wait_ns(3 * S);
	CU_ASSERT_EQUAL(state(1), AUTOCONF_PREFERRED);
	end();
}

static void test_without_probes_all_is_good_at_once(void)
{
	begin("2001:db8::1/64", &(struct autoconf_rules){0});
	CU_ASSERT_EQUAL(dressed("2001:db8::1/64")->n_addrs, 1);
	CU_ASSERT_EQUAL(iface.addr_flags[0] | iface.link_local_flags, 0);
	CU_ASSERT_FALSE(iface.watched || iface.no_link_local);
	wait_ns(5 * S);
	CU_ASSERT_EQUAL(n_sent, 0);
	CU_ASSERT_FALSE(ac->changed);
	end();
}

static void test_a_frame_without_room_is_offered_again(void)
{
	begin(NULL, &optimistic);
	room = 0;
	wait_ns(5 * S);
	CU_ASSERT_EQUAL(state(0), AUTOCONF_OPTIMISTIC);
	room = 1;
	wait_ns(2 * S);
	CU_ASSERT_EQUAL(n_sent, 1);
	CU_ASSERT_EQUAL(state(0), AUTOCONF_PREFERRED);
	end();
}

WEIR_TESTS("dataplane/autoconf", TEST(an_optimistic_address_is_used_at_once_and_marked),
	   TEST(a_tentative_address_is_not_used_but_its_subnet_is_on_the_link),
	   TEST(a_probe_is_as_rfc_4862_and_7527_want_it),
	   TEST(ipv4_is_probed_three_times_and_announced_twice),
	   TEST(somebody_who_has_or_wants_it_makes_it_a_duplicate),
	   TEST(a_duplicate_link_local_address_is_not_used),
	   TEST(our_own_probe_that_comes_back_counts_for_nothing),
	   TEST(another_nonce_is_another_host_even_with_our_mac),
	   TEST(a_good_address_is_kept_and_defended_every_ten_seconds),
	   TEST(a_reload_keeps_what_is_known_and_probes_what_is_new),
	   TEST(without_probes_all_is_good_at_once), TEST(a_frame_without_room_is_offered_again))
