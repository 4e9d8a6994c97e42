/* SPDX-License-Identifier: BSD-3-Clause */

/* From the workers' rings to files, as the configuration says. */

#include "app_record.c"
#include "app_record_ipfix.c"

#include "failalloc.h"
#include "test.h"
#include "toy_mbuf.h"
#include "toy_record.h"

#include <jansson.h>

static char folder[] = "/tmp/weir-record-XXXXXX";

#define ALL_FILES                                                                        \
	"flows: %s/flows\nrules: %s/rules\nalerts: %s/alerts\n"                          \
	"capture: {file: %s/pcap, snaplen: 64, ring: 4}\nring: 16\nrule_log_rate: 2/s\n" \
	"ipfix: {to: '127.0.0.1:4739'}\n"

static const char *const names[] = {"flows", "rules", "alerts", "pcap"};

static int load(const char *text, struct weir_records_conf *conf, struct weir_why *why)
{
	int rc = weir_conf_load_text("t.yaml", text, strlen(text), &weir_records_schema, NULL, conf,
				     why);

	if (rc < 0)
		return rc;
	rc = app_record_check(conf, "t.yaml", why);
	if (rc < 0)
		weir_conf_free(&weir_records_schema, conf);
	return rc;
}

static struct weir_records_conf all_files(void)
{
	struct weir_records_conf conf;
	struct weir_why why = {""};
	char text[1024];

	snprintf(text, sizeof(text), ALL_FILES, folder, folder, folder, folder);
	CU_ASSERT_EQUAL_FATAL(load(text, &conf, &why), 0);
	return conf;
}

static const char *path(const char *name)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s/%s", folder, name);
	return text;
}

static void remove_files(void)
{
	for (unsigned i = 0; i < 4; i++)
		unlink(path(names[i]));
}

/* What a file has in it; free it. */
static char *content(const char *name, size_t *n_bytes)
{
	char *text = calloc(1, 1 << 20);
	FILE *f = fopen(path(name), "rb");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	*n_bytes = fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	return text;
}

/* How many lines there are; each must be JSON and of one of these types. */
static unsigned lines(const char *name, const char *types)
{
	size_t bytes;
	char *text = content(name, &bytes), *rest = text, *line;
	unsigned n = 0;

	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		json_t *j = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

		CU_ASSERT_PTR_NOT_NULL_FATAL(j);
		CU_ASSERT_PTR_NOT_NULL(
			strstr(types, json_string_value(json_object_get(j, "event_type"))));
		json_decref(j);
		n++;
	}
	free(text);
	return n;
}

/* One worker's rings, and all that is made of them. */
struct lab {
	struct weir_records_conf conf;
	struct weir_records *ring;
	struct weir_capture *capture;
	const char *ports[2];
	struct app_record *record;
	int collector; /* the other end of the exporter's socket */
};

static void lab_make(struct lab *l)
{
	struct weir_record_ring_conf ring;
	struct weir_capture_conf capture;
	struct app_record_options options = {.program = "weir-toy",
					     .names = &toy_names,
					     .n_zones = 3,
					     .ports = l->ports,
					     .n_ports = 2,
					     .rings = &l->ring,
					     .captures = &l->capture,
					     .workers = 1};
	struct weir_why why = {""};
	int pair[2];

	l->conf = all_files();
	l->ports[0] = "wan";
	l->ports[1] = "lan";
	ring = app_record_ring(&l->conf, 0);
	capture = app_record_capture(&l->conf);
	CU_ASSERT_EQUAL_FATAL(weir_records_create(&ring, &l->ring), 0);
	CU_ASSERT_EQUAL_FATAL(weir_capture_create(&capture, &l->capture), 0);
	CU_ASSERT_EQUAL_FATAL(app_record_create(&l->conf, &options, &l->record, &why), 0);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	close(l->record->export->fd);
	l->record->export->fd = pair[0];
	l->collector = pair[1];
}

static void lab_free(struct lab *l)
{
	app_record_free(l->record);
	close(l->collector);
	weir_records_free(l->ring);
	weir_capture_free(l->capture);
	weir_conf_free(&weir_records_schema, &l->conf);
}

static void put(struct lab *l, enum weir_record_kind kind)
{
	struct weir_record *r = weir_record_begin(l->ring, kind, 5);
	const struct weir_record flow = toy_flow();

	CU_ASSERT_PTR_NOT_NULL_FATAL(r);
	r->orig = flow.orig;
	r->to = flow.to;
	r->rule = 3;
	r->nat_event = WEIR_NAT_EVENT_NAT44_CREATE;
	weir_record_commit(l->ring);
}

static void test_each_kind_of_record_goes_to_its_file(void)
{
	struct lab l;
	struct app_record_stats s;
	char message[2000];

	lab_make(&l);
	for (unsigned kind = 0; kind < WEIR_RECORD_KINDS; kind++)
		put(&l, kind);
	put(&l, WEIR_RECORD_FLOW_END);
	app_record_drain(l.record, 10);
	CU_ASSERT_EQUAL(lines("flows", "flow_start flow_update flow nat"), 5);
	CU_ASSERT_EQUAL(lines("rules", "rule"), 1);
	CU_ASSERT_EQUAL(lines("alerts", "alert"), 1);
	app_record_stats(l.record, &s);
	CU_ASSERT_EQUAL(record_export_stats(s.export)->records, 7);
	CU_ASSERT(recv(l.collector, message, sizeof(message), 0) > 0);
	CU_ASSERT_EQUAL(s.file[0]->units, 5);
	app_record_drain(l.record, 20);
	CU_ASSERT_EQUAL(lines("flows", "flow_start flow_update flow nat"), 5);
	lab_free(&l);
	remove_files();
}

static void test_lines_have_the_time_of_the_day(void)
{
	struct lab l;
	size_t bytes;
	char *text, year[16];
	const time_t now = time(NULL);
	struct tm t;

	lab_make(&l);
	put(&l, WEIR_RECORD_ALERT);
	app_record_drain(l.record, 5);
	text = content("alerts", &bytes);
	gmtime_r(&now, &t);
	strftime(year, sizeof(year), "\"%Y-%m-", &t);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, year));
	free(text);
	lab_free(&l);
	remove_files();
}

/* A block's type and, behind it, its length: how many there are of a type. */
static unsigned blocks(const char *text, size_t bytes, uint32_t type)
{
	unsigned n = 0;

	for (size_t at = 0; at < bytes;) {
		uint32_t word[2], last;

		CU_ASSERT_FATAL(bytes - at >= 12);
		memcpy(word, text + at, sizeof(word));
		CU_ASSERT_FATAL(word[1] >= 12 && word[1] <= bytes - at);
		memcpy(&last, text + at + word[1] - 4, sizeof(last));
		CU_ASSERT_EQUAL(last, word[1]);
		n += word[0] == type;
		at += word[1];
	}
	return n;
}

static void test_captured_packets_go_to_a_file_with_their_rule(void)
{
	struct lab l;
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_mbuf(&t, NULL, 100);
	size_t bytes;
	char *text;

	lab_make(&l);
	memset(rte_pktmbuf_mtod(m, char *), 'P', 100);
	weir_meta(m)->port_in = 1;
	CU_ASSERT_TRUE(weir_capture_put(l.capture, m, 3, 5));
	weir_meta(m)->port_in = WEIR_NO_PORT;
	CU_ASSERT_TRUE(weir_capture_put(l.capture, m, 4, 5));
	app_record_drain(l.record, 10);
	text = content("pcap", &bytes);
	CU_ASSERT_EQUAL(blocks(text, bytes, 0x0a0d0d0a), 1);
	CU_ASSERT_EQUAL(blocks(text, bytes, 1), 3); /* two ports, and ourselves */
	CU_ASSERT_EQUAL(blocks(text, bytes, 6), 2);
	CU_ASSERT_PTR_NOT_NULL(memmem(text, bytes, "rule web", 8));
	CU_ASSERT_PTR_NOT_NULL(memmem(text, bytes, "rule in slot 4", 14));
	CU_ASSERT_PTR_NOT_NULL(memmem(text, bytes, "lan", 3));
	free(text);
	lab_free(&l);
	remove_files();
}

static void test_new_files_begin_behind_a_rotation(void)
{
	struct lab l;
	struct toy_mbuf t;
	size_t bytes;
	char *text;

	lab_make(&l);
	put(&l, WEIR_RECORD_RULE);
	app_record_drain(l.record, 10);
	remove_files();
	CU_ASSERT_EQUAL(app_record_reopen(l.record), 0);
	put(&l, WEIR_RECORD_RULE);
	weir_capture_put(l.capture, toy_mbuf(&t, NULL, 100), 3, 5);
	app_record_drain(l.record, 10);
	CU_ASSERT_EQUAL(lines("rules", "rule"), 1);
	text = content("pcap", &bytes);
	CU_ASSERT_EQUAL(blocks(text, bytes, 0x0a0d0d0a), 1); /* a header of its own */
	CU_ASSERT_EQUAL(blocks(text, bytes, 6), 1);
	free(text);
	lab_free(&l);
	remove_files();
}

static void test_metrics_tell_what_was_written_and_lost(void)
{
	struct weir_metrics *m = NULL;
	struct app_record *none = NULL;
	char *text = NULL;
	size_t bytes;
	struct weir_metrics_snapshot *snap = NULL;
	struct lab l;

	lab_make(&l);
	for (unsigned i = 0; i < 20; i++) {
		struct weir_record *r;

		CU_ASSERT_EQUAL(weir_record_allow(l.ring, WEIR_RECORD_RULE, 0), i < 2);
		r = weir_record_begin(l.ring, WEIR_RECORD_RULE, 5);
		if (r != NULL)
			weir_record_commit(l.ring);
	}
	app_record_drain(l.record, 10);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_create(&m), 0);
	CU_ASSERT_EQUAL(app_record_metrics(m, &l.record), 0);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_snapshot(m, &snap), 0);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_text(snap, WEIR_METRICS_PROMETHEUS, &text, &bytes), 0);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "weir_records_written_total{worker=\"0\",kind=\"rule\"} 16\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "weir_records_lost_total{worker=\"0\"} 4\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "weir_records_limited_total{worker=\"0\"} 18\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "weir_record_file_units_total{file=\"rules\"} 16\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "weir_ipfix_records_total 16\n"));
	free(text);
	weir_metrics_snapshot_free(snap);
	weir_metrics_free(m);
	CU_ASSERT_EQUAL_FATAL(weir_metrics_create(&m), 0);
	CU_ASSERT_EQUAL(app_record_metrics(m, &none), 0); /* for the manual */
	CU_ASSERT_EQUAL(weir_metrics_snapshot(m, &snap), 0);
	weir_metrics_snapshot_free(snap);
	weir_metrics_free(m);
	lab_free(&l);
	remove_files();
}

static void test_an_empty_section_records_nothing(void)
{
	struct weir_records_conf conf;
	struct weir_why why = {""};
	struct app_record *a = NULL;
	const struct app_record_options options = {.program = "weir-toy"};

	CU_ASSERT_EQUAL_FATAL(load("{}", &conf, &why), 0);
	CU_ASSERT_FALSE(app_record_wanted(&conf));
	CU_ASSERT_FALSE(app_record_captures(&conf));
	CU_ASSERT_EQUAL(app_record_ring(&conf, 2).entries, 8192);
	CU_ASSERT_EQUAL(app_record_ring(&conf, 2).worker, 2);
	CU_ASSERT_EQUAL(app_record_ring(&conf, 2).rate_pps[WEIR_RECORD_RULE], 1000);
	CU_ASSERT_EQUAL(app_record_ring(&conf, 2).rate_pps[WEIR_RECORD_ALERT], 0);
	CU_ASSERT_EQUAL(app_record_create(&conf, &options, &a, &why), 0);
	app_record_drain(a, 1);
	CU_ASSERT_EQUAL(app_record_reopen(a), 0);
	app_record_free(a);
	weir_conf_free(&weir_records_schema, &conf);
}

static void test_what_is_wrong_is_said_with_its_key(void)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
		{"flows: here", "t.yaml:1: records.flows is here, must be an absolute path"},
		{"alerts: /a\nrules: b", "records.rules is b, must be an absolute path"},
		{"capture:\n  file: c", "t.yaml:2: records.capture.file is c, must be an absolute"},
		{"flows: /a\nrules: /a", "t.yaml:1: records.flows and records.rules are both /a"},
		{"alerts: /b\ncapture: {file: /b}", "records.alerts and records.capture.file are"},
		{"ipfix: {to: nowhere}", "records.ipfix.to: \"nowhere\" is no ADDRESS:PORT"},
		{"capture: {file: /c, ring: 1048576, snaplen: 65535}", "is more than 1 GiB"},
		{"ring: 1", "ring is 1, must be 2 to 1048576"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_records_conf conf;
		struct weir_why why = {""};

		CU_ASSERT_EQUAL(load(cases[i].text, &conf, &why), -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, cases[i].sentence));
	}
}

static void test_a_file_that_could_not_be_opened_is_told_and_none_is_made(void)
{
	struct weir_records_conf conf = all_files();
	struct weir_why why = {""};
	char missing[] = "/nonexistent/x";

	CU_ASSERT_EQUAL(app_record_probe(&conf, "t.yaml", &why), 0);
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(access(path(names[i]), F_OK), -1);
	free(conf.flows);
	conf.flows = strdup(folder);
	CU_ASSERT_EQUAL(app_record_probe(&conf, "t.yaml", &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "t.yaml:1: records.flows: /tmp/"));
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, ": Is a directory"));
	free(conf.flows);
	conf.flows = strdup(missing);
	CU_ASSERT_EQUAL(app_record_probe(&conf, "t.yaml", &why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(
		why.text, "t.yaml:1: records.flows: /nonexistent/x: No such file or directory");
	weir_conf_free(&weir_records_schema, &conf);
}

static void test_every_key_that_changes_is_named(void)
{
	static const char *const cases[][2] = {
		{"flows: /x", "records.flows"},
		{"rules: /x", "records.rules"},
		{"alerts: /x", "records.alerts"},
		{"ring: 4", "records.ring"},
		{"rule_log_rate: 5/s", "records.rule_log_rate"},
		{"updates: 0s", "records.updates"},
		{"ipfix: {to: '127.0.0.1:1'}", "records.ipfix.to"},
		{"ipfix: {domain: 9}", "records.ipfix.domain"},
		{"ipfix: {mtu: 512}", "records.ipfix.mtu"},
		{"ipfix: {template_every: 5s}", "records.ipfix.template_every"},
		{"ipfix: {template_messages: 5}", "records.ipfix.template_messages"},
		{"capture: {file: /x}", "records.capture.file"},
		{"capture: {snaplen: 14}", "records.capture.snaplen"},
		{"capture: {rate: 5/s}", "records.capture.rate"},
		{"capture: {ring: 4}", "records.capture.ring"},
	};
	struct weir_records_conf plain, conf;
	struct weir_why why = {""};

	CU_ASSERT_EQUAL_FATAL(load("{}", &plain, &why), 0);
	CU_ASSERT_PTR_NULL(app_record_differs(&plain, &plain));
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *key;

		CU_ASSERT_EQUAL_FATAL(load(cases[i][0], &conf, &why), 0);
		key = app_record_differs(&plain, &conf);
		CU_ASSERT_PTR_NOT_NULL_FATAL(key);
		CU_ASSERT_STRING_EQUAL(key, cases[i][1]);
		weir_conf_free(&weir_records_schema, &conf);
	}
	weir_conf_free(&weir_records_schema, &plain);
}

static void test_create_survives_each_failing_allocation(void)
{
	const char *const ports[] = {"wan", "lan"};
	const struct app_record_options options = {
		.program = "weir-toy", .ports = ports, .n_ports = 2};
	struct weir_records_conf conf = all_files();
	unsigned failed = 0;

	FAILALLOC_EACH(n)
	{
		struct app_record *a = NULL;
		struct weir_why why = {""};
		const int rc = app_record_create(&conf, &options, &a, &why);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			app_record_free(a);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(a);
		failed++;
	}
	CU_ASSERT(failed > 10);
	weir_conf_free(&weir_records_schema, &conf);
	remove_files();
	CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void test_a_folder_for_the_files_can_be_made(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

WEIR_TESTS("app/record", TEST(a_folder_for_the_files_can_be_made),
	   TEST(each_kind_of_record_goes_to_its_file), TEST(lines_have_the_time_of_the_day),
	   TEST(captured_packets_go_to_a_file_with_their_rule),
	   TEST(new_files_begin_behind_a_rotation), TEST(metrics_tell_what_was_written_and_lost),
	   TEST(an_empty_section_records_nothing), TEST(what_is_wrong_is_said_with_its_key),
	   TEST(a_file_that_could_not_be_opened_is_told_and_none_is_made),
	   TEST(every_key_that_changes_is_named), TEST(create_survives_each_failing_allocation))
