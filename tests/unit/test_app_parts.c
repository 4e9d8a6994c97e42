/* SPDX-License-Identifier: BSD-3-Clause */

/* The parts around a running program, made and freed with memory running out at every step. */

#include "app_priv.h"
#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct toy_conf {
	struct weir_app_conf app;
};

static const struct weir_conf_key keys[] = {
	WEIR_APP_CONF_KEYS(struct toy_conf),
};

static const struct weir_conf_schema schema = {
	.name = "toy",
	.doc = "A toy.",
	WEIR_CONF_STRUCT(struct toy_conf, keys),
};

static const struct weir_app app = {.name = "weir-toy", .summary = "a toy", .schema = &schema};

static char folder[] = "/tmp/weir-parts-XXXXXX";

static int make_all(struct weir_run *run, struct weir_why *why)
{
	int rc = app_loop_create(&run->loop, why);

	if (rc == 0)
		rc = app_metrics_create(run);
	if (rc == 0)
		rc = app_ctl_create(run, why);
	if (rc == 0)
		rc = app_trace_create(run);
	if (rc == 0)
		rc = app_http_create(run, why);
	if (rc == 0)
		rc = app_statsd_create(run, why);
	return rc;
}

static void free_all(struct weir_run *run)
{
	app_statsd_free(run->statsd);
	app_http_free(run->http);
	app_trace_free(run->trace);
	weir_ctl_server_free(run->ctl);
	weir_metrics_free(run->metrics);
	app_loop_free(run->loop);
}

static void test_each_part_survives_failing_allocations(void)
{
	struct weir_why why = {""};
	struct toy_conf conf;
	char text[512];
	unsigned failed = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(text, sizeof(text),
		 "ports: {a: {device: net_null0}}\n"
		 "control: {socket: %s/ctl.sock, http: '127.0.0.1:0', statsd: '127.0.0.1:9'}\n",
		 folder);
	CU_ASSERT_EQUAL_FATAL(
		weir_conf_load_text("toy", text, strlen(text), &schema, NULL, &conf, &why), 0);
	FAILALLOC_EACH(n)
	{
		struct weir_run run = {.app = &app, .conf = &conf, .signal_fd = -1};
		const int rc = make_all(&run, &why);
		const bool whole = failalloc_done();

		free_all(&run);
		if (whole) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		failed++;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
	}
	CU_ASSERT(failed > 10);
	weir_conf_free(&schema, &conf);
	CU_ASSERT_EQUAL(rmdir(folder), 0); /* the socket is gone */
}

WEIR_TESTS("app/parts", TEST(each_part_survives_failing_allocations))
