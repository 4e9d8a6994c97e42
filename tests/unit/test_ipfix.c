/* SPDX-License-Identifier: BSD-3-Clause */

/* IPFIX messages, by their bytes and as a collector reads them. */

#include <weir/ipfix.h>

#include "test.h"
#include "toy_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ROOM	1400
#define REVERSE UINT64_C(29305)

/* ---- a collector: templates by their ids, and the fields of the last data records ---- */

struct toy_field {
	uint64_t ie; /* with the enterprise in its high half */
	uint16_t bytes;
	const uint8_t *value;
};

struct toy_data {
	uint16_t id;
	unsigned n;
	struct toy_field field[64];
};

struct toy_template {
	unsigned n;
	struct toy_field field[64];
};

struct collector {
	uint32_t export_s, sequence, domain;
	unsigned templates, data;
	struct toy_template known[512];
	struct toy_data last[64]; /* data records of the last message, in their order */
};

static void read_template(struct collector *c, struct weir_cursor *in, bool options)
{
	const uint16_t id = weir_take_u16_be(in), n = weir_take_u16_be(in);
	struct toy_template *t = &c->known[id % 512];

	CU_ASSERT_FATAL(id >= 256 && id < 512 && n <= 64);
	if (options)
		CU_ASSERT_EQUAL(weir_take_u16_be(in), 1);
	t->n = n;
	for (unsigned i = 0; i < n; i++) {
		const uint16_t ie = weir_take_u16_be(in);

		t->field[i].bytes = weir_take_u16_be(in);
		t->field[i].ie = ie & 0x7fff;
		if (ie & 0x8000)
			t->field[i].ie |= (uint64_t)weir_take_u32_be(in) << 32;
	}
	c->templates++;
}

static void read_data(struct collector *c, struct weir_cursor *in, uint16_t id)
{
	const struct toy_template *t = &c->known[id % 512];
	struct toy_data *d = &c->last[c->data];

	CU_ASSERT_FATAL(id < 512 && t->n > 0); /* the template came first */
	CU_ASSERT_FATAL(c->data < 64);
	d->id = id;
	d->n = t->n;
	for (unsigned i = 0; i < t->n; i++) {
		uint16_t bytes = t->field[i].bytes;

		if (bytes == 65535)
			bytes = weir_take_u8(in);
		d->field[i] = (struct toy_field){t->field[i].ie, bytes, weir_take(in, bytes)};
	}
	c->data++;
}

static void collect(struct collector *c, const uint8_t *message, size_t bytes)
{
	struct weir_cursor in = {.at = message, .end = message + bytes};

	CU_ASSERT_EQUAL(weir_take_u16_be(&in), 10);
	CU_ASSERT_EQUAL(weir_take_u16_be(&in), bytes);
	c->export_s = weir_take_u32_be(&in);
	c->sequence = weir_take_u32_be(&in);
	c->domain = weir_take_u32_be(&in);
	c->templates = c->data = 0;
	while (!in.bad && weir_left(&in) > 0) {
		const uint16_t id = weir_take_u16_be(&in), set_bytes = weir_take_u16_be(&in);
		struct weir_cursor set = {.at = weir_take(&in, set_bytes - 4)};

		CU_ASSERT_FATAL(set_bytes > 4 && set.at != NULL);
		set.end = set.at + set_bytes - 4;
		while (!set.bad && weir_left(&set) > 0) {
			if (id == 2 || id == 3)
				read_template(c, &set, id == 3);
			else
				read_data(c, &set, id);
		}
		CU_ASSERT_FALSE(set.bad);
	}
	CU_ASSERT_FALSE(in.bad);
}

static const struct toy_field *find(const struct collector *c, unsigned data, uint64_t ie)
{
	const struct toy_data *d = &c->last[data];

	for (unsigned i = 0; i < d->n; i++)
		if (d->field[i].ie == ie)
			return &d->field[i];
	return NULL;
}

static void expect_number(const struct collector *c, unsigned data, uint64_t ie, uint64_t want)
{
	const struct toy_field *f = find(c, data, ie);
	uint64_t got = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	for (unsigned i = 0; i < f->bytes; i++)
		got = got << 8 | f->value[i];
	CU_ASSERT_EQUAL(got, want);
}

static void expect_address(const struct collector *c, unsigned data, uint64_t ie, const char *want)
{
	const struct toy_field *f = find(c, data, ie);
	char got[INET6_ADDRSTRLEN];

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	inet_ntop(f->bytes == 4 ? AF_INET : AF_INET6, f->value, got, sizeof(got));
	CU_ASSERT_STRING_EQUAL(got, want);
}

/* ---- an exporter ---- */

static uint8_t buf[ROOM];
static struct collector collector;

static struct weir_ipfix exporter(struct weir_ipfix_conf conf)
{
	struct weir_ipfix x;

	if (conf.template_every_ns == 0)
		conf.template_every_ns = 60 * TOY_SECOND;
	CU_ASSERT_EQUAL_FATAL(weir_ipfix_init(&x, &conf), 0);
	memset(&collector, 0, sizeof(collector));
	return x;
}

/* One record in a message of its own, as the collector reads it. */
static void export_one(struct weir_ipfix *x, const struct weir_record *r)
{
	weir_ipfix_begin(x, buf, sizeof(buf), TOY_TIME);
	CU_ASSERT_EQUAL_FATAL(weir_ipfix_put(x, r), 0);
	collect(&collector, buf, weir_ipfix_end(x));
	CU_ASSERT_EQUAL(collector.data, 1);
}

static void test_a_flow_has_both_directions_in_one_record(void)
{
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.domain = 42});
	struct weir_record r = toy_flow();

	r.to = r.orig;
	export_one(&x, &r);
	CU_ASSERT_EQUAL(collector.domain, 42);
	CU_ASSERT_EQUAL(collector.export_s, 1768270793);
	CU_ASSERT_EQUAL(collector.sequence, 0);
	expect_address(&collector, 0, 8, "10.0.0.2");
	expect_address(&collector, 0, 12, "198.51.100.7");
	expect_number(&collector, 0, 7, 40000);
	expect_number(&collector, 0, 11, 443);
	expect_number(&collector, 0, 4, 6);
	expect_number(&collector, 0, 6, 0xdb);
	expect_number(&collector, 0, REVERSE << 32 | 6, 0x1b);
	expect_number(&collector, 0, 1, 1200);
	expect_number(&collector, 0, 2, 10);
	expect_number(&collector, 0, REVERSE << 32 | 1, 64000);
	expect_number(&collector, 0, REVERSE << 32 | 2, 8);
	expect_number(&collector, 0, 152, UINT64_C(1768270698123));
	expect_number(&collector, 0, 153, UINT64_C(1768270793123));
	expect_number(&collector, 0, 136, 3);
	expect_number(&collector, 0, 233, 2);
	expect_number(&collector, 0, 239, 1);
	expect_number(&collector, 0, 148, r.flow_id);
	expect_number(&collector, 0, 10, 1);
	expect_number(&collector, 0, 14, 2);
	expect_number(&collector, 0, 95, 0x06000005);
	CU_ASSERT_PTR_NULL(find(&collector, 0, 225));
}

static void test_each_translation_has_its_template(void)
{
	static const struct {
		const char *src, *dst, *to_src, *to_dst;
		uint16_t ie_src, ie_dst, ie_to_src, ie_to_dst;
	} cases[] = {
		{"10.0.0.2", "198.51.100.7", "192.0.2.1", "198.51.100.7", 8, 12, 225, 226},
		{"2001:db8::2", "64:ff9b::c633:6407", "192.0.2.1", "198.51.100.7", 27, 28, 225,
		 226},
		{"fd00::2", "2001:db8:1::7", "2001:db8::2", "2001:db8:1::7", 27, 28, 281, 282},
	};
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.domain = 1});

	for (unsigned i = 0; i < 3; i++) {
		struct weir_record r = toy_flow();

		r.orig = toy_tuple(cases[i].src, 1000, cases[i].dst, 53, IPPROTO_UDP);
		r.to = toy_tuple(cases[i].to_src, 2000, cases[i].to_dst, 5353, IPPROTO_UDP);
		for (unsigned nat = 0; nat < 2; nat++) {
			r.kind = nat ? WEIR_RECORD_NAT : WEIR_RECORD_FLOW_END;
			r.nat_event = WEIR_NAT_EVENT_NAT44_CREATE;
			export_one(&x, &r);
			expect_address(&collector, 0, cases[i].ie_src, cases[i].src);
			expect_address(&collector, 0, cases[i].ie_dst, cases[i].dst);
			expect_address(&collector, 0, cases[i].ie_to_src, cases[i].to_src);
			expect_address(&collector, 0, cases[i].ie_to_dst, cases[i].to_dst);
			expect_number(&collector, 0, 227, 2000);
			expect_number(&collector, 0, 228, 5353);
			CU_ASSERT_EQUAL(find(&collector, 0, 230) != NULL, nat);
		}
		expect_number(&collector, 0, 230, 4);
		expect_number(&collector, 0, 323, UINT64_C(1768270793123));
	}
}

static void test_a_block_of_ports_is_told_as_rfc_8158_says(void)
{
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.domain = 1});
	struct weir_record r = {.time_ns = TOY_TIME,
				.kind = WEIR_RECORD_NAT,
				.nat_event = WEIR_NAT_EVENT_UNBLOCK,
				.orig = toy_tuple("100.64.0.9", 0, "0.0.0.0", 0, 0),
				.to = toy_tuple("192.0.2.1", 0, "0.0.0.0", 0, 0),
				.block_lo = 1024,
				.block_hi = 1535};

	export_one(&x, &r);
	expect_number(&collector, 0, 230, 17);
	expect_address(&collector, 0, 8, "100.64.0.9");
	expect_address(&collector, 0, 225, "192.0.2.1");
	expect_number(&collector, 0, 361, 1024);
	expect_number(&collector, 0, 362, 1535);
	r.orig = toy_tuple("2001:db8::9", 0, "::", 0, 0);
	export_one(&x, &r);
	expect_address(&collector, 0, 27, "2001:db8::9");
}

static void test_starts_rules_and_alerts_are_events(void)
{
	static const struct {
		enum weir_record_kind kind;
		enum weir_record_action action;
		unsigned event;
	} cases[] = {
		{WEIR_RECORD_FLOW_START, WEIR_RECORD_ACCEPT, 1},
		{WEIR_RECORD_RULE, WEIR_RECORD_ACCEPT, 1},
		{WEIR_RECORD_RULE, WEIR_RECORD_DROP, 3},
		{WEIR_RECORD_RULE, WEIR_RECORD_REJECT, 3},
		{WEIR_RECORD_RULE, WEIR_RECORD_COUNT, 0},
		{WEIR_RECORD_ALERT, WEIR_RECORD_ACCEPT, 4},
		{WEIR_RECORD_ALERT, WEIR_RECORD_DROP, 3},
	};
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.domain = 1});
	struct weir_record r = toy_flow();

	r.signature = 2001;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r.kind = (uint8_t)cases[i].kind;
		r.action = (uint8_t)cases[i].action;
		export_one(&x, &r);
		expect_number(&collector, 0, 233, cases[i].event);
		expect_number(&collector, 0, 302, r.kind == WEIR_RECORD_ALERT ? 2001 : 3);
		expect_address(&collector, 0, 8, "10.0.0.2");
	}
	r.kind = WEIR_RECORD_FLOW_UPDATE;
	export_one(&x, &r);
	expect_number(&collector, 0, 233, 5);
	expect_number(&collector, 0, 136, 2);
}

static void test_each_end_of_a_flow_has_its_reason(void)
{
	static const uint8_t reasons[] = {1, 3, 4, 5, 4, 0};
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.domain = 1});
	struct weir_record r = toy_flow();

	for (uint8_t i = 0; i < sizeof(reasons); i++) {
		r.reason = i;
		export_one(&x, &r);
		expect_number(&collector, 0, 136, reasons[i]);
	}
}

static void test_flows_told_of_more_than_once_have_totals(void)
{
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.totals = true});
	const struct weir_record r = toy_flow();

	export_one(&x, &r);
	expect_number(&collector, 0, 85, 1200);
	expect_number(&collector, 0, 86, 10);
	expect_number(&collector, 0, REVERSE << 32 | 85, 64000);
	expect_number(&collector, 0, REVERSE << 32 | 86, 8);
	CU_ASSERT_PTR_NULL(find(&collector, 0, 1));
	CU_ASSERT_PTR_NULL(find(&collector, 0, REVERSE << 32 | 2));
}

static void test_icmp_has_its_type_where_collectors_look_for_it(void)
{
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.domain = 1});
	struct weir_record r = toy_flow();

	r.orig = r.to = toy_tuple("10.0.0.2", 4711, "10.0.0.3", 8, IPPROTO_ICMP);
	export_one(&x, &r);
	expect_number(&collector, 0, 7, 4711);
	expect_number(&collector, 0, 11, 0x0800);
}

static void test_zones_are_told_by_name_along_with_the_templates(void)
{
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.n_zones = 4, .names = &toy_names});
	const struct weir_record r = toy_flow();

	weir_ipfix_begin(&x, buf, sizeof(buf), TOY_TIME);
	CU_ASSERT_EQUAL_FATAL(weir_ipfix_put(&x, &r), 0);
	collect(&collector, buf, weir_ipfix_end(&x));
	CU_ASSERT_EQUAL(collector.data, 3); /* two of the four have a name */
	expect_number(&collector, 0, 10, 1);
	CU_ASSERT_NSTRING_EQUAL(find(&collector, 0, 82)->value, "lan", 3);
	CU_ASSERT_EQUAL(find(&collector, 0, 82)->bytes, 3);
	expect_number(&collector, 1, 10, 2);
	CU_ASSERT_NSTRING_EQUAL(find(&collector, 1, 82)->value, "wan", 3);
	export_one(&x, &r);
	CU_ASSERT_EQUAL(collector.sequence, 3); /* options data are counted too */
}

static void test_records_of_one_template_share_a_set(void)
{
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.domain = 1});
	const struct weir_record r = toy_flow();
	size_t one, two;

	export_one(&x, &r);
	export_one(&x, &r);
	weir_ipfix_begin(&x, buf, sizeof(buf), TOY_TIME);
	CU_ASSERT_EQUAL(weir_ipfix_put(&x, &r), 0);
	one = weir_ipfix_end(&x);
	weir_ipfix_begin(&x, buf, sizeof(buf), TOY_TIME);
	CU_ASSERT_EQUAL(weir_ipfix_put(&x, &r), 0);
	CU_ASSERT_EQUAL(weir_ipfix_put(&x, &r), 0);
	two = weir_ipfix_end(&x);
	CU_ASSERT_EQUAL(two - one, one - 16 - 4); /* a record more, no header of a set */
	collect(&collector, buf, two);
	CU_ASSERT_EQUAL(collector.data, 2);
	CU_ASSERT_EQUAL(collector.sequence, 3);
}

static void test_a_full_message_is_whole_and_the_next_goes_on(void)
{
	static const size_t rooms[] = {WEIR_IPFIX_BYTES_MIN, 1000, ROOM};

	for (unsigned i = 0; i < 3; i++) {
		struct weir_ipfix x =
			exporter((struct weir_ipfix_conf){.n_zones = 4, .names = &toy_names});
		struct weir_record r = toy_flow();
		uint32_t data = 0, templates = 0, messages = 0;

		weir_ipfix_begin(&x, buf, rooms[i], TOY_TIME);
		for (unsigned n = 0; n < 200; n++) {
			r.kind = (uint8_t)(n % WEIR_RECORD_KINDS);
			while (weir_ipfix_put(&x, &r) == -ENOBUFS) {
				const size_t bytes = weir_ipfix_end(&x);

				CU_ASSERT_FATAL(bytes > 0 && bytes <= rooms[i]);
				collect(&collector, buf, bytes);
				CU_ASSERT_EQUAL(collector.sequence, data);
				data += collector.data;
				templates += collector.templates;
				messages++;
				weir_ipfix_begin(&x, buf, rooms[i], TOY_TIME);
			}
		}
		collect(&collector, buf, weir_ipfix_end(&x));
		CU_ASSERT_EQUAL(data + collector.data, 202);
		CU_ASSERT_EQUAL(templates + collector.templates, 13);
		CU_ASSERT(messages > 5);
	}
}

static void test_templates_come_again_after_their_time(void)
{
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.domain = 1});
	const struct weir_record r = toy_flow();
	static const struct {
		uint64_t at_s;
		unsigned templates;
	} cases[] = {{100, 12}, {101, 0}, {159, 0}, {160, 12}, {161, 0}, {500, 12}, {400, 12}};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		weir_ipfix_begin(&x, buf, sizeof(buf), cases[i].at_s * TOY_SECOND);
		CU_ASSERT_EQUAL(weir_ipfix_put(&x, &r), 0);
		collect(&collector, buf, weir_ipfix_end(&x));
		CU_ASSERT_EQUAL(collector.templates, cases[i].templates);
	}
}

static void test_templates_come_again_after_so_many_messages(void)
{
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.template_every_msgs = 3});
	const struct weir_record r = toy_flow();

	for (unsigned i = 0; i < 12; i++) {
		export_one(&x, &r);
		CU_ASSERT_EQUAL(collector.templates, i % 3 == 0 ? 12 : 0);
	}
}

static void test_a_message_without_data_is_not_sent(void)
{
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.domain = 1});
	struct weir_record r = toy_flow();

	weir_ipfix_begin(&x, buf, sizeof(buf), TOY_TIME);
	CU_ASSERT_EQUAL(weir_ipfix_end(&x), 0);
	weir_ipfix_begin(&x, buf, sizeof(buf), TOY_TIME);
	r.kind = WEIR_RECORD_KINDS;
	CU_ASSERT_EQUAL(weir_ipfix_put(&x, &r), -EINVAL);
	CU_ASSERT_EQUAL(weir_ipfix_end(&x), 0);
	r.kind = WEIR_RECORD_RULE;
	export_one(&x, &r); /* its templates were not lost with the empty messages */
	CU_ASSERT_EQUAL(collector.templates, 12);
}

/* Written out by hand from RFC 7011 sections 3.1 to 3.4, RFC 5103 and RFC 8158. */
static void test_the_bytes_are_those_of_the_rfcs(void)
{
	static const uint8_t message[] = {0,	10,			    /* version */
					  0,	0,			    /* length: below */
					  0x69, 0x65, 0xab, 0xc9,	    /* export time */
					  0,	0,    0,    0,		    /* sequence */
					  0,	0,    0,    7};		    /* domain */
	static const uint8_t template[] = {1, 10,  0, 6,		    /* id 266, 6 fields */
					   1, 67,  0, 8,		    /* observationTimeMs */
					   0, 230, 0, 1,		    /* natEvent */
					   0, 8,   0, 4,		    /* sourceIPv4Address */
					   0, 225, 0, 4,		    /* postNATSource */
					   1, 105, 0, 2,		    /* portRangeStart */
					   1, 106, 0, 2};		    /* portRangeEnd */
	static const uint8_t reverse[] = {0x80, 1, 0, 8, 0, 0, 0x72, 0x79}; /* 29305 */
	static const uint8_t data[] = {1,   10, 0, 25,			    /* set 266 */
				       0,   0,	1, 0x9b, 0xb5, 0x27, 0x09, 0xa3, /* ms */
				       16,					 /* allocated */
				       100, 64, 0, 9,	 192,  0,    2,	   1, /* inside, outside */
				       4,   0,	5, 255};		      /* 1024 to 1535 */
	struct weir_ipfix x = exporter((struct weir_ipfix_conf){.domain = 7});
	const struct weir_record r = {.time_ns = TOY_TIME,
				      .kind = WEIR_RECORD_NAT,
				      .nat_event = WEIR_NAT_EVENT_BLOCK,
				      .orig = toy_tuple("100.64.0.9", 0, "0.0.0.0", 0, 0),
				      .to = toy_tuple("192.0.2.1", 0, "0.0.0.0", 0, 0),
				      .block_lo = 1024,
				      .block_hi = 1535};
	size_t bytes;

	weir_ipfix_begin(&x, buf, sizeof(buf), TOY_TIME);
	CU_ASSERT_EQUAL_FATAL(weir_ipfix_put(&x, &r), 0);
	bytes = weir_ipfix_end(&x);
	CU_ASSERT_EQUAL(memcmp(buf, message, 2), 0);
	CU_ASSERT_EQUAL((size_t)buf[2] << 8 | buf[3], bytes);
	CU_ASSERT_EQUAL(memcmp(buf + 4, message + 4, 12), 0);
	CU_ASSERT_EQUAL(memcmp(buf + 16, "\0\2", 2), 0); /* a set of templates */
	CU_ASSERT_PTR_NOT_NULL(memmem(buf, bytes, template, sizeof(template)));
	CU_ASSERT_PTR_NOT_NULL(memmem(buf, bytes, reverse, sizeof(reverse)));
	CU_ASSERT_EQUAL(memcmp(buf + bytes - sizeof(data), data, sizeof(data)), 0);
}

static void test_too_many_zones_are_refused(void)
{
	struct weir_ipfix x;

	CU_ASSERT_EQUAL(weir_ipfix_init(&x, &(struct weir_ipfix_conf){.n_zones = 65}), -EINVAL);
}

/* WEIR_IPFIX_FILE=PATH: one message of each kind of record, for other collectors to read. */
static void test_what_it_writes_can_be_kept_for_other_readers(void)
{
	const char *path = getenv("WEIR_IPFIX_FILE");
	struct weir_ipfix x =
		exporter((struct weir_ipfix_conf){.domain = 7, .n_zones = 4, .names = &toy_names});
	FILE *f = path == NULL ? tmpfile() : fopen(path, "wb");
	struct weir_record r = toy_flow();

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	r.nat_event = WEIR_NAT_EVENT_NAT44_CREATE;
	weir_ipfix_begin(&x, buf, sizeof(buf), TOY_TIME);
	for (r.kind = 0; r.kind < WEIR_RECORD_KINDS; r.kind++)
		CU_ASSERT_EQUAL(weir_ipfix_put(&x, &r), 0);
	CU_ASSERT_EQUAL(fwrite(buf, weir_ipfix_end(&x), 1, f), 1);
	CU_ASSERT_EQUAL(fclose(f), 0);
}

WEIR_TESTS("proto/ipfix", TEST(a_flow_has_both_directions_in_one_record),
	   TEST(each_translation_has_its_template), TEST(a_block_of_ports_is_told_as_rfc_8158_says),
	   TEST(starts_rules_and_alerts_are_events), TEST(each_end_of_a_flow_has_its_reason),
	   TEST(flows_told_of_more_than_once_have_totals),
	   TEST(icmp_has_its_type_where_collectors_look_for_it),
	   TEST(zones_are_told_by_name_along_with_the_templates),
	   TEST(records_of_one_template_share_a_set),
	   TEST(a_full_message_is_whole_and_the_next_goes_on),
	   TEST(templates_come_again_after_their_time),
	   TEST(templates_come_again_after_so_many_messages),
	   TEST(a_message_without_data_is_not_sent), TEST(the_bytes_are_those_of_the_rfcs),
	   TEST(too_many_zones_are_refused), TEST(what_it_writes_can_be_kept_for_other_readers))
