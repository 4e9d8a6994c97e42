/* SPDX-License-Identifier: BSD-3-Clause */

/* What a host makes of router advertisements, in virtual time. */

#include "autoconf_priv.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/clock.h>
#include <weir/cursor.h>

#define S      WEIR_NS_PER_S
#define HOUR_S 3600

static const struct weir_siphash_key key = {1, 2};
static struct autoconf *ac;
static struct autoconf_iface *wan;
static struct weir_iface iface;
static uint64_t now;
static struct neigh_frame sent[64];
static uint64_t sent_ns[64];
static unsigned n_sent;

static bool toy_send(void *ctx, const struct autoconf_iface *f, struct neigh_frame *frame)
{
	CU_ASSERT_FATAL(n_sent < 64);
	sent_ns[n_sent] = now;
	sent[n_sent++] = *frame;
	return true;
}

static void toy_say(void *ctx, const struct autoconf_iface *f, const struct autoconf_addr *a,
		    enum autoconf_event event, const struct weir_mac *other)
{
}

static const struct autoconf_door door = {.send = toy_send, .say = toy_say};

static struct weir_iface conf(const char *name, const char *address)
{
	struct weir_iface f = {.mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500};

	snprintf(f.name, sizeof(f.name), "%s", name);
	if (address != NULL)
		CU_ASSERT_EQUAL_FATAL(
			weir_prefix_parse(address, strlen(address), &f.addr[f.n_addrs++]), 0);
	return f;
}

/* wan and lan, of which lan has an address of the configuration. */
static void configure(struct autoconf_rules rules)
{
	const struct weir_iface f[2] = {conf("wan", NULL), conf("lan", "2001:db8:f::1/64")};
	const struct autoconf_rules both[2] = {rules, {0}};
	struct autoconf *fresh;

	CU_ASSERT_EQUAL_FATAL(autoconf_create(ac, &key, &key, f, both, 2, now, &fresh), 0);
	autoconf_free(ac);
	ac = fresh;
	wan = autoconf_find(ac, "wan");
}

static const struct autoconf_rules plain = {.slaac = true};

static void begin(struct autoconf_rules rules)
{
	now = S;
	n_sent = 0;
	configure(rules);
}

static void end(void)
{
	autoconf_free(ac);
	ac = NULL;
}

static void wait_s(unsigned s)
{
	const uint64_t until = now + s * S;
	const uint64_t step = s > 1000 ? S : S / 10;

	while (now < until) {
		now += step;
		autoconf_run(ac, &door, now);
	}
}

struct said {
	uint8_t bytes[1460];
	struct weir_writer w;
};

/* An advertisement of a router for so long, high (8), medium (0) or low (24). */
static void say(struct said *ra, uint16_t router_s, uint8_t flags)
{
	ra->w = (struct weir_writer){.at = ra->bytes, .end = ra->bytes + sizeof(ra->bytes)};
	weir_put_u32_be(&ra->w, UINT32_C(134) << 24);
	weir_put_u8(&ra->w, 64);
	weir_put_u8(&ra->w, flags);
	weir_put_u16_be(&ra->w, router_s);
	weir_put_u64_be(&ra->w, 0);
}

#define ON_LINK 0x80
#define AUTO	0x40

static void say_prefix(struct said *ra, const char *prefix, uint8_t flags, uint32_t valid_s,
		       uint32_t preferred_s)
{
	struct weir_prefix p;

	CU_ASSERT_EQUAL_FATAL(weir_prefix_parse(prefix, strlen(prefix), &p), 0);
	weir_put_u16_be(&ra->w, 0x0304);
	weir_put_u8(&ra->w, p.length);
	weir_put_u8(&ra->w, flags);
	weir_put_u32_be(&ra->w, valid_s);
	weir_put_u32_be(&ra->w, preferred_s);
	weir_put_u32_be(&ra->w, 0);
	weir_put(&ra->w, p.addr.bytes, 16);
}

static void say_mtu(struct said *ra, uint32_t mtu)
{
	weir_put_u32_be(&ra->w, 0x05010000);
	weir_put_u32_be(&ra->w, mtu);
}

static int hear_from(uint8_t router, const struct said *ra)
{
	const struct weir_addr from = {.family = 6, .bytes = {0xfe, 0x80, [15] = router}};

	return slaac_heard(ac, wan, &from, ra->bytes, (size_t)(ra->w.at - ra->bytes), now);
}

/* The usual one: a prefix of both flags. */
static void hear_prefix(const char *prefix, uint32_t valid_s, uint32_t preferred_s)
{
	struct said ra;

	say(&ra, 1800, 0);
	say_prefix(&ra, prefix, ON_LINK | AUTO, valid_s, preferred_s);
	CU_ASSERT_EQUAL(hear_from(1, &ra), 0);
}

static const struct weir_iface *dressed(void)
{
	iface = conf("wan", NULL);
	autoconf_dress(ac, &iface);
	return &iface;
}

static const char *text(const struct weir_addr *a)
{
	static char t[WEIR_ADDR_TEXT];

	return weir_addr_format(a, t);
}

static void test_routers_are_asked_for_ever_more_seldom_until_one_answers(void)
{
	struct said ra;

	begin(plain);
	wait_s(200);
	CU_ASSERT_FATAL(n_sent >= 5 && n_sent <= 7);
	CU_ASSERT(sent_ns[0] <= 2 * S + S / 10);
	for (unsigned i = 1; i < n_sent; i++) {
		const uint64_t pause = sent_ns[i] - sent_ns[i - 1];

		CU_ASSERT(pause >= (4 * S << (i - 1)) * 9 / 10);
		CU_ASSERT(pause <= (4 * S << (i - 1)) * 11 / 10 + S / 10);
	}
	CU_ASSERT_EQUAL(sent[0].len_bytes, 56); /* with our MAC address */
	CU_ASSERT_EQUAL(sent[0].bytes[40], 133);
	CU_ASSERT_EQUAL(sent[0].bytes[8] << 8 | sent[0].bytes[9], 0xfe80);
	CU_ASSERT_EQUAL(memcmp(sent[0].bytes + 50, wan->mac.bytes, 6), 0);
	n_sent = 0;
	say(&ra, 100, 0);
	hear_from(1, &ra);
	wait_s(99);
	CU_ASSERT_EQUAL(n_sent, 0);
	wait_s(3);
	CU_ASSERT_EQUAL(wan->n_routers, 0);
	CU_ASSERT_EQUAL(n_sent, 1); /* the last one is gone */
	end();
}

static void test_a_solicitation_does_not_spread_what_may_not_be_ours(void)
{
	begin((struct autoconf_rules){.slaac = true, .probes = 5});
	wait_s(3);
	for (unsigned i = 0; i < n_sent; i++)
		if (sent[i].bytes[40] == 133) {
			CU_ASSERT_EQUAL(sent[i].len_bytes, 48);
			CU_ASSERT_EQUAL(sent[i].bytes[8], 0); /* from :: */
		}
	end();
}

static void test_a_prefix_makes_an_address_and_a_subnet(void)
{
	begin((struct autoconf_rules){.slaac = true, .eui64 = true});
	hear_prefix("2001:db8:1::/64", HOUR_S, HOUR_S / 2);
	CU_ASSERT_TRUE(ac->changed);
	CU_ASSERT_EQUAL_FATAL(dressed()->n_addrs, 1);
	CU_ASSERT_STRING_EQUAL(text(&iface.addr[0].addr), "2001:db8:1::ff:fe00:1");
	CU_ASSERT_EQUAL(iface.addr[0].length, 128);
	CU_ASSERT_EQUAL_FATAL(iface.n_onlink, 1);
	CU_ASSERT_STRING_EQUAL(text(&iface.onlink[0].addr), "2001:db8:1::");
	CU_ASSERT_EQUAL(iface.addr_flags[0], 0);
	ac->changed = false;
	wait_s(HOUR_S / 2);
	CU_ASSERT_TRUE(ac->changed);
	CU_ASSERT_EQUAL(dressed()->addr_flags[0], WEIR_ADDR_DEPRECATED);
	CU_ASSERT_EQUAL(autoconf_state(&wan->addr[1]), AUTOCONF_DEPRECATED);
	wait_s(HOUR_S / 2);
	CU_ASSERT_EQUAL(dressed()->n_addrs + iface.n_onlink, 0);
	end();
}

static void test_each_flag_does_its_part(void)
{
	struct said ra;

	begin(plain);
	say(&ra, 0, 0);
	say_prefix(&ra, "2001:db8:1::/64", ON_LINK, HOUR_S, HOUR_S);
	say_prefix(&ra, "2001:db8:2::/64", AUTO, HOUR_S, HOUR_S);
	say_prefix(&ra, "2001:db8:3::/64", 0, HOUR_S, HOUR_S);
	hear_from(1, &ra);
	CU_ASSERT_EQUAL(dressed()->n_addrs, 1);
	CU_ASSERT_EQUAL(iface.addr[0].addr.bytes[5], 2);
	CU_ASSERT_EQUAL(iface.n_onlink, 1);
	CU_ASSERT_EQUAL(iface.onlink[0].addr.bytes[5], 1);
	CU_ASSERT_EQUAL(wan->n_routers, 0);
	end();
}

static void test_stable_identifiers_differ_by_network_and_not_by_restart(void)
{
	struct weir_addr first[2];

	for (unsigned i = 0; i < 2; i++) {
		begin(plain);
		hear_prefix("2001:db8:1::/64", HOUR_S, HOUR_S);
		hear_prefix("2001:db8:2::/64", HOUR_S, HOUR_S);
		first[i] = wan->addr[1].prefix.addr;
		CU_ASSERT_NOT_EQUAL(
			memcmp(first[i].bytes + 8, wan->addr[2].prefix.addr.bytes + 8, 8), 0);
		CU_ASSERT_NOT_EQUAL(
			memcmp(first[i].bytes + 8, wan->addr[0].prefix.addr.bytes + 8, 8), 0);
		end();
	}
	CU_ASSERT_TRUE(weir_addr_equal(&first[0], &first[1]));
}

static void test_a_duplicate_is_replaced_three_times(void)
{
	const struct autoconf_rules rules = {.slaac = true, .probes = 1, .optimistic = true};
	struct neigh_notice n = {.kind = NEIGH_NOTICE_CLAIM, .mac = {{2, 9}}};

	begin(rules);
	hear_prefix("2001:db8:1::/64", HOUR_S, HOUR_S);
	CU_ASSERT_EQUAL(autoconf_state(&wan->addr[1]), AUTOCONF_OPTIMISTIC);
	for (unsigned i = 0; i < 4; i++) {
		n.addr = wan->addr[1].prefix.addr;
		autoconf_heard(ac, wan, &n, &door, now);
		CU_ASSERT_EQUAL(autoconf_state(&wan->addr[1]),
				i < 3 ? AUTOCONF_TENTATIVE : AUTOCONF_GONE);
	}
	CU_ASSERT_EQUAL(ac->counters.duplicates, 4);
	end();
}

/* RFC 4862 section 5.5.3 e. */
static void test_nobody_ends_an_address_within_two_hours(void)
{
	begin(plain);
	hear_prefix("2001:db8:1::/64", 10 * HOUR_S, HOUR_S);
	hear_prefix("2001:db8:1::/64", 10, 0);
	CU_ASSERT_EQUAL(wan->addr[1].valid_ns, now + 2 * HOUR_S * S);
	CU_ASSERT_EQUAL(autoconf_state(&wan->addr[1]), AUTOCONF_DEPRECATED); /* that it may */
	wait_s(HOUR_S);
	hear_prefix("2001:db8:1::/64", 10, 5);
	CU_ASSERT_EQUAL(wan->addr[1].valid_ns, now + HOUR_S * S);
	CU_ASSERT_EQUAL(autoconf_state(&wan->addr[1]), AUTOCONF_PREFERRED);
	hear_prefix("2001:db8:1::/64", HOUR_S + 10, 5); /* longer than is left */
	CU_ASSERT_EQUAL(wan->addr[1].valid_ns, now + (HOUR_S + 10) * S);
	hear_prefix("2001:db8:1::/64", RA_FOREVER_S, RA_FOREVER_S);
	CU_ASSERT_EQUAL(wan->addr[1].valid_ns, UINT64_MAX);
	wait_s(5 * HOUR_S);
	CU_ASSERT_EQUAL(wan->n_addrs, 2);
	end();
}

static void test_routers_come_with_a_preference_and_go(void)
{
	struct said ra;

	begin(plain);
	for (uint8_t r = 1; r <= 3; r++) {
		say(&ra, 60 * r, (uint8_t[]){0, 8, 0, 24}[r]);
		hear_from(r, &ra);
	}
	CU_ASSERT_EQUAL_FATAL(wan->n_routers, 3);
	CU_ASSERT_EQUAL(wan->router[0].preference, RA_HIGH);
	CU_ASSERT_EQUAL(wan->router[1].preference, RA_MEDIUM);
	CU_ASSERT_EQUAL(wan->router[2].preference, RA_LOW);
	say(&ra, 0, 0);
	hear_from(2, &ra);
	CU_ASSERT_EQUAL(wan->n_routers, 2);
	wait_s(61);
	CU_ASSERT_EQUAL(wan->n_routers, 1);
	CU_ASSERT_EQUAL(wan->router[0].addr.bytes[15], 3);
	end();
}

static void test_what_does_not_fit_is_left_out_and_counted(void)
{
	struct said ra;
	char prefix[32];

	begin(plain);
	for (uint8_t r = 1; r <= AUTOCONF_ROUTERS_MAX + 2; r++) {
		say(&ra, 60, 0);
		hear_from(r, &ra);
	}
	CU_ASSERT_EQUAL(wan->n_routers, AUTOCONF_ROUTERS_MAX);
	CU_ASSERT_EQUAL(ac->counters.refused, 2);
	say(&ra, 0, 0);
	for (unsigned i = 0; i < RA_PREFIXES_MAX + 3; i++) {
		snprintf(prefix, sizeof(prefix), "2001:db8:%x::/64", 0x100 + i);
		say_prefix(&ra, prefix, ON_LINK | AUTO, HOUR_S, HOUR_S);
	}
	hear_from(1, &ra);
	CU_ASSERT_EQUAL(wan->n_addrs, AUTOCONF_ADDRS_MAX);
	CU_ASSERT_EQUAL(wan->n_onlink, AUTOCONF_PREFIXES_MAX);
	CU_ASSERT_EQUAL(ac->counters.refused, 2 + 3);
	hear_prefix("2001:db8:77::/64", HOUR_S, HOUR_S);
	CU_ASSERT_EQUAL(wan->n_addrs, AUTOCONF_ADDRS_MAX);
	CU_ASSERT_EQUAL(ac->counters.refused, 2 + 3 + 2); /* no subnet and no address */
	end();
}

static void test_prefixes_that_make_no_address_are_passed_over(void)
{
	static const char *const odd[] = {"fe80::/64", "ff02::/64", "2001:db8:1::/48", "::/0",
					  "2001:db8:f::/64" /* lan's */};

	begin(plain);
	for (unsigned i = 0; i < 5; i++) {
		struct said ra;

		say(&ra, 0, 0);
		say_prefix(&ra, odd[i], AUTO, HOUR_S, HOUR_S);
		hear_from(1, &ra);
	}
	hear_prefix("2001:db8:2::/64", 10, 20); /* preferred for longer than it is valid */
	CU_ASSERT_EQUAL(wan->n_addrs, 1);
	end();
}

static void test_the_mtu_is_taken_if_the_link_has_it(void)
{
	static const uint32_t told[] = {1400, 1279, 70000, 9000};
	static const uint16_t used[] = {1400, 1400, 1400, 1500};
	struct said ra;

	begin(plain);
	for (unsigned i = 0; i < 4; i++) {
		say(&ra, 0, 0);
		say_mtu(&ra, told[i]);
		hear_from(1, &ra);
		CU_ASSERT_EQUAL(dressed()->mtu, used[i]);
	}
	end();
}

static void test_a_reload_keeps_what_was_learnt_until_it_is_switched_off(void)
{
	begin(plain);
	hear_prefix("2001:db8:1::/64", HOUR_S, HOUR_S);
	configure(plain);
	CU_ASSERT_EQUAL(dressed()->n_addrs, 1);
	CU_ASSERT_EQUAL(wan->n_routers, 1);
	configure((struct autoconf_rules){0});
	CU_ASSERT_EQUAL(dressed()->n_addrs + iface.n_onlink, 0);
	CU_ASSERT_EQUAL(wan->n_routers, 0);
	CU_ASSERT_FALSE(iface.slaac);
	end();
}

static void test_an_address_that_the_configuration_takes_over_is_there_once(void)
{
	struct weir_iface f = conf("wan", NULL);
	struct autoconf *fresh;

	begin(plain);
	hear_prefix("2001:db8:1::/64", HOUR_S, 0);
	f.addr[f.n_addrs++] = wan->addr[1].prefix;
	CU_ASSERT_EQUAL_FATAL(autoconf_create(ac, &key, &key, &f, &plain, 1, now, &fresh), 0);
	autoconf_free(ac);
	ac = fresh;
	wan = autoconf_find(ac, "wan");
	CU_ASSERT_EQUAL(wan->n_addrs, 2);
	CU_ASSERT_EQUAL(autoconf_state(&wan->addr[1]), AUTOCONF_PREFERRED);
	wait_s(2 * HOUR_S);
	CU_ASSERT_EQUAL(wan->n_addrs, 2); /* it has no lifetime any more */
	end();
}

static void test_an_address_that_has_just_ended_is_not_given_two_hours(void)
{
	begin(plain);
	hear_prefix("2001:db8:1::/64", 60, 60);
	now += 61 * S;
	hear_prefix("2001:db8:1::/64", 5, 5);
	CU_ASSERT_EQUAL(wan->addr[1].valid_ns, now + 5 * S);
	end();
}

static void test_a_message_that_lies_is_refused_whole(void)
{
	struct said ra;

	begin(plain);
	say(&ra, 1800, 0);
	weir_put_u16_be(&ra.w, 0x6300); /* an option without a length */
	weir_put_u32_be(&ra.w, 0);
	CU_ASSERT_EQUAL(hear_from(1, &ra), -EBADMSG);
	say(&ra, 1800, 0);
	weir_put_u16_be(&ra.w, 0x6302); /* one that is not all there */
	weir_put_u32_be(&ra.w, 0);
	CU_ASSERT_EQUAL(hear_from(1, &ra), -EBADMSG);
	say(&ra, 1800, 0);
	ra.w.at--;
	CU_ASSERT_EQUAL(hear_from(1, &ra), -EBADMSG);
	CU_ASSERT_EQUAL(wan->n_routers, 0);
	say(&ra, 1800, 0);
	weir_put_u64_be(&ra.w, UINT64_C(0x6301) << 48); /* one that nobody knows */
	CU_ASSERT_EQUAL(hear_from(1, &ra), 0);
	CU_ASSERT_EQUAL(wan->n_routers, 1);
	end();
}

WEIR_TESTS("dataplane/slaac", TEST(routers_are_asked_for_ever_more_seldom_until_one_answers),
	   TEST(a_solicitation_does_not_spread_what_may_not_be_ours),
	   TEST(a_prefix_makes_an_address_and_a_subnet), TEST(each_flag_does_its_part),
	   TEST(stable_identifiers_differ_by_network_and_not_by_restart),
	   TEST(a_duplicate_is_replaced_three_times), TEST(nobody_ends_an_address_within_two_hours),
	   TEST(routers_come_with_a_preference_and_go),
	   TEST(what_does_not_fit_is_left_out_and_counted),
	   TEST(prefixes_that_make_no_address_are_passed_over),
	   TEST(the_mtu_is_taken_if_the_link_has_it),
	   TEST(a_reload_keeps_what_was_learnt_until_it_is_switched_off),
	   TEST(an_address_that_the_configuration_takes_over_is_there_once),
	   TEST(an_address_that_has_just_ended_is_not_given_two_hours),
	   TEST(a_message_that_lies_is_refused_whole))
