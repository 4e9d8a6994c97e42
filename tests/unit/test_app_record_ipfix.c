/* SPDX-License-Identifier: BSD-3-Clause */

/* Messages to a collector, which is the other end of a socket pair here. */

#include "app_record_ipfix.c"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "failalloc.h"
#include "test.h"
#include "toy_record.h"

static const struct weir_records_ipfix_conf conf = {
	.to = (char *)"127.0.0.1:4739",
	.domain = 7,
	.mtu = 600,
	.template_every = 60 * TOY_SECOND,
};

/* An exporter whose socket ends here. */
static struct record_export *begun(int *collector)
{
	struct record_export *e = NULL;
	struct weir_why why = {""};
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(record_export_create(&conf, false, &toy_names, 3, &e, &why), 0);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	close(e->fd);
	e->fd = pair[0];
	*collector = pair[1];
	return e;
}

static void test_full_messages_are_sent_and_the_last_by_a_flush(void)
{
	const struct weir_record r = toy_flow();
	uint8_t message[2000];
	unsigned messages = 0;
	uint32_t sequence = 0;
	int collector;
	struct record_export *e = begun(&collector);
	ssize_t bytes;

	record_export_flush(e); /* nothing to send */
	for (unsigned i = 0; i < 25; i++)
		record_export_put(e, &r, TOY_TIME);
	record_export_flush(e);
	while ((bytes = recv(collector, message, sizeof(message), 0)) > 0) {
		CU_ASSERT(bytes <= 600);
		CU_ASSERT_EQUAL(message[1], 10);
		CU_ASSERT_EQUAL((ssize_t)(message[2] << 8 | message[3]), bytes);
		CU_ASSERT(message[11] >= sequence);
		sequence = message[11];
		CU_ASSERT_EQUAL(message[15], 7);
		messages++;
	}
	CU_ASSERT(messages > 5);
	CU_ASSERT(sequence > 10);
	CU_ASSERT_EQUAL(record_export_stats(e)->messages, messages);
	CU_ASSERT_EQUAL(record_export_stats(e)->records, 25);
	CU_ASSERT_EQUAL(record_export_stats(e)->errors, 0);
	record_export_free(e);
	close(collector);
}

static void test_a_collector_that_does_not_read_loses_messages_and_nothing_waits(void)
{
	const struct weir_record r = toy_flow();
	int collector;
	struct record_export *e = begun(&collector);
	const struct record_export_stats *s = record_export_stats(e);

	for (unsigned i = 0; i < 20000; i++)
		record_export_put(e, &r, TOY_TIME);
	CU_ASSERT(s->messages > 0);
	CU_ASSERT(s->errors > 0);
	CU_ASSERT_EQUAL(s->records, 20000);
	close(collector);
	record_export_flush(e);
	record_export_free(e);
}

static void test_a_collector_that_is_away_is_counted(void)
{
	const struct weir_record r = toy_flow();
	int collector;
	struct record_export *e = begun(&collector);

	close(collector);
	for (unsigned i = 1; i <= 3; i++) {
		record_export_put(e, &r, TOY_TIME);
		record_export_flush(e);
		CU_ASSERT(record_export_stats(e)->errors >= i);
	}
	CU_ASSERT_EQUAL(record_export_stats(e)->messages, 0);
	record_export_free(e);
}

/* A socket on the loopback, at the port of *at; 0: at any, which is told. */
static int bound(struct sockaddr_in *at)
{
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*at);

	at->sin_family = AF_INET;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)at, len), 0);
	CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

static void send_one(struct record_export *e)
{
	const struct weir_record r = toy_flow();

	record_export_put(e, &r, TOY_TIME);
	record_export_flush(e);
}

/* UDP tells a send that the one before has found nobody, and does nothing else then. */
static void test_a_collector_that_comes_gets_the_next_message_and_then_templates(void)
{
	struct weir_records_ipfix_conf there = conf;
	struct sockaddr_in at = {.sin_port = 0};
	struct record_export *e = NULL;
	struct weir_why why = {""};
	uint8_t message[2000];
	int collector;
	char to[32];

	close(bound(&at));
	snprintf(to, sizeof(to), "127.0.0.1:%u", ntohs(at.sin_port));
	there.to = to;
	CU_ASSERT_EQUAL_FATAL(record_export_create(&there, false, &toy_names, 3, &e, &why), 0);
	for (unsigned i = 0; i < 5; i++)
		send_one(e);
	CU_ASSERT(record_export_stats(e)->errors >= 4);
	collector = bound(&at);
	send_one(e);
	CU_ASSERT(recv(collector, message, sizeof(message), 0) > 0);
	while (recv(collector, message, sizeof(message), 0) > 0)
		; /* templates and records that one message had no room for */
	send_one(e);
	CU_ASSERT_FATAL(recv(collector, message, sizeof(message), 0) > 0);
	CU_ASSERT_EQUAL(message[17], 2); /* its first set is templates */
	record_export_free(e);
	close(collector);
}

static void test_what_is_in_the_making_is_sent_before_the_end(void)
{
	const struct weir_record r = toy_flow();
	uint8_t message[2000];
	unsigned messages = 0;
	int collector;
	struct record_export *e = begun(&collector);

	record_export_put(e, &r, TOY_TIME);
	record_export_free(e);
	while (recv(collector, message, sizeof(message), 0) > 0)
		messages++;
	CU_ASSERT(messages > 0);
	close(collector);
}

static void test_what_cannot_be_is_refused_with_a_sentence(void)
{
	struct weir_records_ipfix_conf bad = conf;
	struct record_export *e = NULL;
	struct weir_why why = {""};

	bad.to = (char *)"collector.example";
	CU_ASSERT_EQUAL(record_export_create(&bad, false, NULL, 0, &e, &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "is no ADDRESS:PORT"));
	CU_ASSERT_EQUAL(record_export_create(&conf, false, NULL, 65, &e, &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "64 zones"));
	CU_ASSERT_PTR_NULL(e);
	record_export_free(NULL);
}

static void test_create_survives_each_failing_allocation(void)
{
	FAILALLOC_EACH(n)
	{
		struct record_export *e = NULL;
		struct weir_why why = {""};
		const int rc = record_export_create(&conf, false, NULL, 0, &e, &why);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			record_export_free(e);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(e);
	}
}

WEIR_TESTS("app/record_ipfix", TEST(full_messages_are_sent_and_the_last_by_a_flush),
	   TEST(a_collector_that_does_not_read_loses_messages_and_nothing_waits),
	   TEST(a_collector_that_is_away_is_counted),
	   TEST(a_collector_that_comes_gets_the_next_message_and_then_templates),
	   TEST(what_is_in_the_making_is_sent_before_the_end),
	   TEST(what_cannot_be_is_refused_with_a_sentence),
	   TEST(create_survives_each_failing_allocation))
