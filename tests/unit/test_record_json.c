/* SPDX-License-Identifier: BSD-3-Clause */

/* Records as lines, read back by jansson. */

#include "test.h"
#include "toy_record.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

static char line[WEIR_RECORD_JSON_MAX];

/* The line of a record, parsed; the caller's reference. */
static json_t *written(const struct weir_record *r, const struct weir_record_names *names)
{
	const int bytes = weir_record_json(r, names, line, sizeof(line));
	json_error_t error;
	json_t *j;

	CU_ASSERT_FATAL(bytes > 0);
	CU_ASSERT_EQUAL(line[bytes], '\0');
	CU_ASSERT_EQUAL(strlen(line), (size_t)bytes);
	j = json_loadb(line, (size_t)bytes, JSON_REJECT_DUPLICATES, &error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(j);
	return j;
}

static const json_t *at(const json_t *j, const char *path)
{
	char part[32];

	while (j != NULL && *path != '\0') {
		const size_t n = strcspn(path, ".");

		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		j = json_object_get(j, part);
		path += n + (path[n] == '.');
	}
	return j;
}

static void expect_text(const json_t *j, const char *path, const char *want)
{
	const char *got = json_string_value(at(j, path));

	CU_ASSERT_PTR_NOT_NULL_FATAL(got);
	CU_ASSERT_STRING_EQUAL(got, want);
}

static void expect_number(const json_t *j, const char *path, json_int_t want)
{
	CU_ASSERT_FATAL(json_is_integer(at(j, path)));
	CU_ASSERT_EQUAL(json_integer_value(at(j, path)), want);
}

static void test_the_end_of_a_flow_is_told_in_the_words_of_eve(void)
{
	const struct weir_record r = toy_flow();
	json_t *j = written(&r, &toy_names);

	expect_text(j, "timestamp", "2026-01-13T02:19:53.123456+0000");
	expect_text(j, "event_type", "flow");
	expect_number(j, "flow_id", (INT64_C(1) << 47) | (77 << 21) | 5000);
	expect_number(j, "worker", 1);
	expect_text(j, "src_ip", "10.0.0.2");
	expect_number(j, "src_port", 40000);
	expect_text(j, "dest_ip", "198.51.100.7");
	expect_number(j, "dest_port", 443);
	expect_text(j, "proto", "TCP");
	expect_text(j, "app_proto", "tls");
	expect_text(j, "zone.from", "lan");
	expect_text(j, "zone.to", "wan");
	expect_number(j, "rule.slot", 3);
	expect_text(j, "rule.name", "web");
	expect_text(j, "nat.src_ip", "192.0.2.1");
	expect_number(j, "nat.src_port", 50001);
	expect_text(j, "nat.dest_ip", "198.51.100.7");
	expect_number(j, "flow.pkts_toserver", 10);
	expect_number(j, "flow.pkts_toclient", 8);
	expect_number(j, "flow.bytes_toserver", 1200);
	expect_number(j, "flow.bytes_toclient", 64000);
	expect_text(j, "flow.start", "2026-01-13T02:18:18.123456+0000");
	expect_text(j, "flow.end", "2026-01-13T02:19:53.123456+0000");
	expect_number(j, "flow.age", 95);
	expect_text(j, "flow.state", "closed");
	expect_text(j, "flow.reason", "closed");
	expect_text(j, "tcp.tcp_flags", "db");
	expect_text(j, "tcp.tcp_flags_ts", "db");
	expect_text(j, "tcp.tcp_flags_tc", "1b");
	expect_text(j, "tcp.state", "TIME_WAIT");
	expect_number(j, "mark", 9);
	json_decref(j);
}

static void test_start_and_update_are_told_apart_from_the_end(void)
{
	struct weir_record r = toy_flow();
	json_t *j;

	r.kind = WEIR_RECORD_FLOW_START;
	r.pkts[1] = 0;
	j = written(&r, &toy_names);
	expect_text(j, "event_type", "flow_start");
	expect_text(j, "flow.state", "new");
	CU_ASSERT_PTR_NULL(at(j, "flow.end"));
	CU_ASSERT_PTR_NULL(at(j, "flow.reason"));
	json_decref(j);
	r.kind = WEIR_RECORD_FLOW_UPDATE;
	r.pkts[1] = 1;
	j = written(&r, &toy_names);
	expect_text(j, "event_type", "flow_update");
	expect_text(j, "flow.state", "established");
	json_decref(j);
}

static void test_each_reason_has_its_word(void)
{
	static const char *const words[] = {"timeout", "closed", "killed",
					    "evicted", "policy", "unknown"};
	struct weir_record r = toy_flow();

	for (uint8_t reason = 0; reason <= WEIR_RECORD_REASONS; reason++) {
		json_t *j;

		r.reason = reason;
		j = written(&r, NULL);
		expect_text(j, "flow.reason", words[reason]);
		json_decref(j);
	}
}

static void test_what_has_no_name_is_told_by_its_number(void)
{
	struct weir_record r = toy_flow();
	json_t *j = written(&r, NULL);

	expect_number(j, "app_proto", 5);
	expect_number(j, "zone.from", 1);
	expect_number(j, "rule.slot", 3);
	CU_ASSERT_PTR_NULL(at(j, "rule.name"));
	expect_number(j, "tcp.state", 7);
	json_decref(j);
	r.zone[0] = 17;
	r.zone[1] = WEIR_RECORD_NO_ZONE;
	r.rule = WEIR_RECORD_NO_RULE;
	j = written(&r, &toy_names);
	expect_number(j, "zone.from", 17);
	CU_ASSERT_PTR_NULL(at(j, "zone.to"));
	CU_ASSERT_PTR_NULL(at(j, "rule"));
	json_decref(j);
}

static void test_what_is_not_translated_says_nothing_of_it(void)
{
	struct weir_record r = toy_flow();
	json_t *j;

	r.to = r.orig;
	j = written(&r, NULL);
	CU_ASSERT_PTR_NULL(at(j, "nat"));
	json_decref(j);
	memset(&r.to, 0, sizeof(r.to));
	j = written(&r, NULL);
	CU_ASSERT_PTR_NULL(at(j, "nat"));
	json_decref(j);
}

static void test_an_alert_names_pattern_verdict_and_domain(void)
{
	struct weir_record r = toy_flow();
	json_t *j;

	r.kind = WEIR_RECORD_ALERT;
	r.signature = 2001;
	r.action = WEIR_RECORD_REJECT;
	weir_record_set_text(&r, WEIR_RECORD_TEXT_SNI, "evil.example", 12);
	j = written(&r, &toy_names);
	expect_text(j, "event_type", "alert");
	expect_text(j, "alert.action", "blocked");
	expect_text(j, "alert.verdict", "reject");
	expect_number(j, "alert.signature_id", 2001);
	expect_text(j, "alert.signature", "an \"evil\" domain");
	expect_text(j, "tls.sni", "evil.example");
	CU_ASSERT_PTR_NULL(at(j, "tls.cut"));
	expect_number(j, "flow.pkts_toserver", 10);
	json_decref(j);
	r.action = WEIR_RECORD_ACCEPT;
	r.signature = 1;
	weir_record_set_text(&r, WEIR_RECORD_TEXT_HOST, "h", 1);
	j = written(&r, &toy_names);
	expect_text(j, "alert.action", "allowed");
	expect_text(j, "http.hostname", "h");
	expect_number(j, "alert.gid", 1);
	CU_ASSERT_PTR_NULL(at(j, "alert.signature"));
	json_decref(j);
	r.gid = WEIR_RECORD_GID_DOMAINS; /* the same number of something else */
	j = written(&r, &toy_names);
	expect_number(j, "alert.gid", 2);
	expect_number(j, "alert.signature_id", 1);
	expect_text(j, "alert.signature", "blocked");
	json_decref(j);
	weir_record_set_text(&r, WEIR_RECORD_TEXT_QNAME, "q.example", 9);
	j = written(&r, &toy_names);
	expect_text(j, "dns.rrname", "q.example");
	json_decref(j);
}

static void test_a_rule_says_what_it_did(void)
{
	static const char *const words[] = {"accept", "drop", "reject", "count", "synproxy", "tag"};
	struct weir_record r = toy_flow();

	r.kind = WEIR_RECORD_RULE;
	r.tcp_flags[0] = 0x02;
	r.tcp_flags[1] = 0;
	for (uint8_t action = 0; action < WEIR_RECORD_ACTIONS; action++) {
		json_t *j;

		r.action = action;
		j = written(&r, &toy_names);
		expect_text(j, "event_type", "rule");
		expect_text(j, "rule.name", "web");
		expect_text(j, "rule.action", words[action]);
		expect_text(j, "tcp.tcp_flags", "02");
		CU_ASSERT_PTR_NULL(at(j, "tcp.tcp_flags_ts"));
		CU_ASSERT_PTR_NULL(at(j, "flow"));
		json_decref(j);
	}
}

static void test_times_and_protocols_are_words_for_others_too(void)
{
	char when[WEIR_RECORD_TIME_TEXT], proto[WEIR_RECORD_PROTO_TEXT];

	CU_ASSERT_STRING_EQUAL(weir_record_time(TOY_TIME, when), "2026-01-13T02:19:53.123456+0000");
	CU_ASSERT_STRING_EQUAL(weir_record_time(0, when), "1970-01-01T00:00:00.000000+0000");
	CU_ASSERT_EQUAL(strlen(weir_record_time(UINT64_MAX, when)), 31);
	CU_ASSERT_STRING_EQUAL(weir_record_proto(IPPROTO_ICMPV6, proto), "IPv6-ICMP");
	CU_ASSERT_STRING_EQUAL(weir_record_proto(2, proto), "002");
	CU_ASSERT_STRING_EQUAL(weir_record_proto(253, proto), "253");
}

static void test_a_translation_has_the_tuple_before_and_after(void)
{
	struct weir_record r = toy_flow();
	json_t *j;

	r.kind = WEIR_RECORD_NAT;
	r.nat_event = WEIR_NAT_EVENT_NAT64_CREATE;
	r.orig = toy_tuple("2001:db8::2", 4000, "64:ff9b::c633:6407", 53, IPPROTO_UDP);
	r.to = toy_tuple("192.0.2.1", 2000, "198.51.100.7", 53, IPPROTO_UDP);
	j = written(&r, &toy_names);
	expect_text(j, "event_type", "nat");
	expect_text(j, "proto", "UDP");
	expect_text(j, "src_ip", "2001:db8::2");
	expect_text(j, "nat.event", "nat64_session_create");
	expect_number(j, "nat.event_id", 6);
	expect_text(j, "nat.src_ip", "192.0.2.1");
	expect_number(j, "nat.src_port", 2000);
	expect_text(j, "nat.dest_ip", "198.51.100.7");
	json_decref(j);
}

static void test_a_block_of_ports_has_a_subscriber_and_a_range(void)
{
	struct weir_record r = {.time_ns = TOY_TIME,
				.kind = WEIR_RECORD_NAT,
				.nat_event = WEIR_NAT_EVENT_BLOCK,
				.orig = toy_tuple("100.64.0.9", 0, "0.0.0.0", 0, 0),
				.to = toy_tuple("192.0.2.1", 0, "0.0.0.0", 0, 0),
				.block_lo = 1024,
				.block_hi = 1535};
	json_t *j = written(&r, NULL);

	expect_text(j, "src_ip", "100.64.0.9");
	CU_ASSERT_PTR_NULL(at(j, "dest_ip"));
	CU_ASSERT_PTR_NULL(at(j, "proto"));
	expect_text(j, "nat.event", "ports_allocated");
	expect_text(j, "nat.src_ip", "192.0.2.1");
	expect_number(j, "nat.port_lo", 1024);
	expect_number(j, "nat.port_hi", 1535);
	json_decref(j);
}

static void test_icmp_has_a_type_and_an_identifier_and_no_ports(void)
{
	struct weir_record r = toy_flow();
	json_t *j;

	r.orig = r.to = toy_tuple("2001:db8::2", 4711, "2001:db8::3", 128, IPPROTO_ICMPV6);
	j = written(&r, NULL);
	expect_text(j, "proto", "IPv6-ICMP");
	expect_number(j, "icmp_type", 128);
	expect_number(j, "icmp_id", 4711);
	CU_ASSERT_PTR_NULL(at(j, "src_port"));
	CU_ASSERT_PTR_NULL(at(j, "tcp"));
	json_decref(j);
	r.orig.proto = 89;
	j = written(&r, NULL);
	expect_text(j, "proto", "089");
	json_decref(j);
}

static const char *first_control(const char *s)
{
	while ((unsigned char)*s >= 0x20 && *s != 0x7f)
		s++;
	return *s == '\0' ? NULL : s;
}

/* Every byte, before and behind every fifth other one. */
static void test_no_text_from_the_network_breaks_a_line(void)
{
	struct weir_record r = toy_flow();

	r.kind = WEIR_RECORD_ALERT;
	for (unsigned lead = 0; lead < 256; lead++) {
		for (unsigned byte = lead % 5; byte < 256; byte += 5) {
			const char text[] = {'a', (char)lead, (char)byte, 'z'};
			json_t *j;

			weir_record_set_text(&r, WEIR_RECORD_TEXT_PLAIN, text, sizeof(text));
			j = written(&r, NULL);
			CU_ASSERT_PTR_NOT_NULL(at(j, "payload.text"));
			CU_ASSERT_PTR_NULL(first_control(line));
			json_decref(j);
		}
	}
}

static void test_escapes_keep_what_can_be_kept(void)
{
	static const char text[] = "a\"b\\c\n\x1b[31m\xc3\xa9\xff\xe2\x80\xae\xed\xa0\x80.";
	struct weir_record r = toy_flow();
	json_t *j;

	r.kind = WEIR_RECORD_ALERT;
	weir_record_set_text(&r, WEIR_RECORD_TEXT_HOST, text, sizeof(text) - 1);
	j = written(&r, NULL);
	expect_text(j, "http.hostname",
		    "a\"b\\c\n\x1b[31m\xc3\xa9\xef\xbf\xbd\xe2\x80\xae"
		    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd.");
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "\\u202e")); /* not as it is: it turns the line round */
	json_decref(j);
}

static void test_a_text_beyond_the_room_is_cut_and_says_so(void)
{
	struct weir_record r = toy_flow();
	char long_name[WEIR_RECORD_TEXT + 1];
	json_t *j;

	memset(long_name, 'x', sizeof(long_name));
	r.kind = WEIR_RECORD_ALERT;
	weir_record_set_text(&r, WEIR_RECORD_TEXT_SNI, long_name, sizeof(long_name));
	j = written(&r, NULL);
	CU_ASSERT_EQUAL(json_string_length(at(j, "tls.sni")), WEIR_RECORD_TEXT);
	CU_ASSERT(json_is_true(at(j, "tls.cut")));
	json_decref(j);
	r.text_bytes = 255; /* a broken record is not read beyond its end */
	j = written(&r, NULL);
	CU_ASSERT_EQUAL(json_string_length(at(j, "tls.sni")), WEIR_RECORD_TEXT);
	json_decref(j);
}

static const char *endless(void *ctx, uint32_t number)
{
	static char name[1000];

	memset(name, 1, sizeof(name) - 1); /* six bytes in a line for each */
	return name;
}

static void test_the_longest_line_fits_and_no_shorter_room_is_overrun(void)
{
	const struct weir_record_names names = {endless, endless, endless, endless, endless, NULL};
	struct weir_record r;
	int bytes;

	memset(&r, 0xff, sizeof(r));
	memset(r.text, 1, sizeof(r.text));
	r.text_kind = WEIR_RECORD_TEXT_PLAIN;
	r.text_cut = true;
	r.kind = WEIR_RECORD_ALERT;
	r.rule = 1;
	r.zone[0] = r.zone[1] = 1;
	r.orig.proto = IPPROTO_TCP;
	bytes = weir_record_json(&r, &names, line, sizeof(line));
	CU_ASSERT_FATAL(bytes > 6000);
	for (int room = 1; room <= bytes; room++) {
		line[room] = 'X';
		CU_ASSERT_EQUAL_FATAL(weir_record_json(&r, &names, line, (size_t)room), -ENOBUFS);
		CU_ASSERT_EQUAL(line[room], 'X');
	}
	CU_ASSERT_EQUAL(weir_record_json(&r, &names, line, 0), -ENOBUFS);
	CU_ASSERT_EQUAL(weir_record_json(&r, &names, line, (size_t)bytes + 1), bytes);
	r.kind = WEIR_RECORD_KINDS;
	CU_ASSERT_EQUAL(weir_record_json(&r, &names, line, sizeof(line)), -EINVAL);
}

WEIR_TESTS("base/record_json", TEST(the_end_of_a_flow_is_told_in_the_words_of_eve),
	   TEST(start_and_update_are_told_apart_from_the_end), TEST(each_reason_has_its_word),
	   TEST(what_has_no_name_is_told_by_its_number),
	   TEST(what_is_not_translated_says_nothing_of_it),
	   TEST(an_alert_names_pattern_verdict_and_domain), TEST(a_rule_says_what_it_did),
	   TEST(times_and_protocols_are_words_for_others_too),
	   TEST(a_translation_has_the_tuple_before_and_after),
	   TEST(a_block_of_ports_has_a_subscriber_and_a_range),
	   TEST(icmp_has_a_type_and_an_identifier_and_no_ports),
	   TEST(no_text_from_the_network_breaks_a_line), TEST(escapes_keep_what_can_be_kept),
	   TEST(a_text_beyond_the_room_is_cut_and_says_so),
	   TEST(the_longest_line_fits_and_no_shorter_room_is_overrun))
