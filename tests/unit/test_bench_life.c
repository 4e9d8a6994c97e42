/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-bench from its configuration to its end, over ports of memory, with memory running out. */

#include "../../apps/bench/bench_priv.h"
#include "app_priv.h"
#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <rte_eal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/weir-bench-XXXXXX";

static void begin_eal(void)
{
	static const char *const words[] = {"test",	"--no-huge", "--no-shconf",
					    "--no-pci", "-m",	     "64",
					    "-l",	"0",	     "--log-level=error"};
	static char kept[RTE_DIM(words)][32]; /* EAL may write to them */
	char *args[RTE_DIM(words)];

	for (unsigned i = 0; i < RTE_DIM(words); i++)
		args[i] = strcpy(kept[i], words[i]);
	CU_ASSERT_TRUE_FATAL(rte_eal_init(RTE_DIM(args), args) >= 0);
}

static struct bench_conf *load(void)
{
	static struct bench_conf conf;
	struct weir_why why = {""};
	char text[512];

	snprintf(text, sizeof(text),
		 "ports: {a: {device: net_null0}, b: {device: net_null1}}\n"
		 "control: {socket: %s/ctl.sock}\n"
		 "bench: {mode: txonly, flows: 20, report: %s/report.json}\n",
		 folder, folder);
	CU_ASSERT_EQUAL_FATAL(
		weir_conf_load_text("bench", text, strlen(text), &bench_schema, NULL, &conf, &why),
		0);
	return &conf;
}

/* As app.c does it, but for the workers' threads, and with ports of memory. */
static int open_all(struct weir_run *run, struct weir_why *why)
{
	const uint16_t cores[] = {0, 0};
	struct weir_system_port ports[2] = {0};
	struct weir_system_conf sys = {.name = "bench",
				       .cores = cores,
				       .workers = 2,
				       .limits = WEIR_LIMITS_DEFAULT,
				       .ports = ports,
				       .n_ports = 2};
	int rc = app_loop_create(&run->loop, why);

	if (rc == 0)
		rc = bench_app.prepare(run, run->conf, &sys, why);
	for (uint16_t p = 0; rc == 0 && p < 2; p++)
		rc = weir_port_mem_create(p == 0 ? "a" : "b", p, 2, 2, 16, &ports[p].given);
	if (rc == 0)
		rc = weir_system_create(&sys, &run->system, why);
	for (uint16_t p = 0; run->system == NULL && p < 2; p++)
		weir_port_close(ports[p].given);
	if (rc == 0)
		rc = app_metrics_create(run);
	if (rc == 0)
		rc = app_ctl_create(run, why);
	if (rc == 0)
		rc = bench_app.start(run, run->conf, why);
	if (rc == 0)
		rc = bench_app.begin(run, why);
	return rc;
}

static void close_all(struct weir_run *run)
{
	bench_app.done(run);
	weir_ctl_server_free(run->ctl);
	weir_metrics_free(run->metrics);
	weir_system_free(run->system);
	app_loop_free(run->loop);
}

static void test_it_survives_failing_allocations(void)
{
	struct weir_why why;
	struct bench_conf *conf;
	unsigned failed = 0;

	begin_eal();
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	conf = load();
	FAILALLOC_EACH(n)
	{
		struct weir_run run = {.app = &bench_app, .conf = conf, .signal_fd = -1};
		const int rc = open_all(&run, &why);
		const bool whole = failalloc_done();

		if (whole) {
			const struct bench *b = run.state;

			CU_ASSERT_EQUAL_FATAL(rc, 0);
			CU_ASSERT_TRUE(b->forwarding);
			for (unsigned w = 0; w < 2; w++)
				for (unsigned p = 0; p < 2; p++)
					CU_ASSERT_EQUAL(b->worker[w]->lane[p].of, 4);
		}
		close_all(&run);
		if (whole)
			break;
		failed++;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
	}
	CU_ASSERT(failed > 50);
	weir_conf_free(&bench_schema, conf);
	CU_ASSERT_EQUAL(rmdir(folder), 0); /* the socket is gone, and nothing was reported */
}

WEIR_TESTS("bench/life", TEST(it_survives_failing_allocations))
