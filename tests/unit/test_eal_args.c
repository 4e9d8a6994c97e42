/* SPDX-License-Identifier: BSD-3-Clause */

/* EAL's command line and the checks before it, on CPUs and hugepages of the test's making. */

#include "eal_priv.h"
#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cpu_set_t cpus(unsigned n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned i = 0; i < n; i++)
		CPU_SET(i, &set);
	return set;
}

/* All arguments in one line, with a blank before and behind each. */
static int line_of(const struct weir_eal_conf *conf, const cpu_set_t *allowed, char *line,
		   size_t len, struct weir_why *why)
{
	struct eal_words a;
	int rc = eal_words(conf, allowed, &a, why);

	line[0] = 0;
	if (rc < 0)
		return rc;
	for (int i = 0; i < a.argc; i++)
		snprintf(line + strlen(line), len - strlen(line), " %s ", a.argv[i]);
	CU_ASSERT_PTR_NULL(a.argv[a.argc]);
	eal_words_free(&a);
	CU_ASSERT_PTR_NULL(a.argv);
	return 0;
}

static void test_the_control_thread_floats_where_no_worker_runs(void)
{
	const cpu_set_t two = cpus(2);
	const struct weir_eal_conf conf = {.cores = (const uint16_t[]){1}, .n_cores = 1};
	char line[512];

	CU_ASSERT_EQUAL(line_of(&conf, &two, line, sizeof(line), NULL), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(line, " --lcores  0@(0),1@1 "));
}

static void test_the_control_thread_floats_everywhere_if_workers_have_every_core(void)
{
	const cpu_set_t one = cpus(1);
	const struct weir_eal_conf conf = {.cores = (const uint16_t[]){0, 0}, .n_cores = 2};
	char line[512];

	CU_ASSERT_EQUAL(line_of(&conf, &one, line, sizeof(line), NULL), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(line, " 0@(0),1@0,2@0 "));
}

static void test_memory_is_hugepages_that_leave_no_file(void)
{
	const cpu_set_t one = cpus(1);
	char line[512];

	CU_ASSERT_EQUAL(line_of(&(struct weir_eal_conf){0}, &one, line, sizeof(line), NULL), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(line, " --in-memory "));
	CU_ASSERT_PTR_NULL(strstr(line, "--no-huge"));
}

static void test_memory_can_be_ordinary_pages(void)
{
	const struct weir_eal_conf conf = {.hugepages = WEIR_HUGEPAGES_NONE, .memory_mib = 96};
	const cpu_set_t one = cpus(1);
	char line[512];

	CU_ASSERT_EQUAL(line_of(&conf, &one, line, sizeof(line), NULL), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(line, " --no-huge  --no-shconf  -m  96 "));
	CU_ASSERT_PTR_NULL(strstr(line, "--in-memory"));
}

static void test_devices_plugins_and_extra_arguments_come_in(void)
{
	const struct weir_eal_conf conf = {
		.pci = (const char *const[]){"0000:01:00.0", "0000:02:00.0", NULL},
		.plugins = (const char *const[]){"/proc/self/exe", NULL},
		.extra = (const char *const[]){"--telemetry", NULL},
	};
	const cpu_set_t one = cpus(1);
	char line[512];

	CU_ASSERT_EQUAL(line_of(&conf, &one, line, sizeof(line), NULL), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(line, " -a  0000:01:00.0  -a  0000:02:00.0 "));
	CU_ASSERT_PTR_NOT_NULL(strstr(line, " -d  /proc/self/exe  --telemetry "));
	CU_ASSERT_PTR_NULL(strstr(line, "--no-pci"));
}

static void test_a_core_that_is_not_there_is_said(void)
{
	const cpu_set_t one = cpus(1);
	const struct weir_eal_conf conf = {.cores = (const uint16_t[]){9999}, .n_cores = 1};
	struct weir_why why = {0};
	char line[512];

	CU_ASSERT_EQUAL(line_of(&conf, &one, line, sizeof(line), &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "core 9999, but this machine has only"));
}

static void test_a_core_that_we_may_not_use_is_said(void)
{
	const cpu_set_t none = cpus(0);
	const struct weir_eal_conf conf = {.cores = (const uint16_t[]){0}, .n_cores = 1};
	struct weir_why why = {0};
	char line[512];

	CU_ASSERT_EQUAL(line_of(&conf, &none, line, sizeof(line), &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "core 0, which this process may not use"));
}

static void test_a_missing_plugin_is_said(void)
{
	const struct weir_eal_conf conf = {.plugins = (const char *const[]){"/no/such.so", NULL}};
	const cpu_set_t one = cpus(1);
	struct weir_why why = {0};
	char line[512];

	CU_ASSERT_EQUAL(line_of(&conf, &one, line, sizeof(line), &why), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "cannot read the driver /no/such.so"));
}

static void test_no_memory_for_arguments_is_an_error(void)
{
	const struct weir_eal_conf conf = {.cores = (const uint16_t[]){0}, .n_cores = 1};
	const cpu_set_t one = cpus(1);
	struct eal_words a = {0};
	int rc;

	FAILALLOC_EACH(n)
	{
		rc = eal_words(&conf, &one, &a, NULL);
		if (failalloc_done())
			break;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(a.argv);
	}
	CU_ASSERT_EQUAL(rc, 0);
	eal_words_free(&a);
}

/* A /sys/kernel/mm/hugepages of our own. */
static void write_number(const char *dir, const char *name, unsigned n)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fprintf(f, "%u\n", n);
	fclose(f);
}

static void remove_pages(const char *sysfs, const char *dir)
{
	static const char *const names[] = {"nr_hugepages", "free_hugepages", "resv_hugepages"};
	char path[256];

	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		CU_ASSERT_EQUAL(unlink(path), 0);
	}
	CU_ASSERT_EQUAL(rmdir(dir), 0);
	CU_ASSERT_EQUAL(rmdir(sysfs), 0);
}

static void test_too_few_hugepages_are_said_with_the_command_that_mends_it(void)
{
	char sysfs[] = "/tmp/weir-test-XXXXXX", dir[128], command[192];
	struct weir_why why = {0};

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(sysfs));
	snprintf(dir, sizeof(dir), "%s/hugepages-2048kB", sysfs);
	CU_ASSERT_EQUAL_FATAL(mkdir(dir, 0700), 0);
	write_number(dir, "nr_hugepages", 42);
	write_number(dir, "free_hugepages", 13);
	write_number(dir, "resv_hugepages", 3);
	CU_ASSERT_EQUAL(eal_check_pages(sysfs, WEIR_HUGEPAGES_2M, 20, &why), 0);
	CU_ASSERT_EQUAL(eal_check_pages(sysfs, WEIR_HUGEPAGES_2M, 255, &why), -ENOMEM);
	snprintf(command, sizeof(command), "echo 160 > %s/nr_hugepages", dir);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "need 128 hugepages of 2 MiB, 10 are free"));
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, command));
	CU_ASSERT_EQUAL(eal_check_pages(sysfs, WEIR_HUGEPAGES_1G, 1, &why), -ENOMEM);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "need 1 hugepages of 1 GiB, 0 are free"));
	CU_ASSERT_EQUAL(eal_check_pages(sysfs, WEIR_HUGEPAGES_NONE, 9999, &why), 0);
	remove_pages(sysfs, dir);
}

WEIR_TESTS("dataplane/eal_args", TEST(the_control_thread_floats_where_no_worker_runs),
	   TEST(the_control_thread_floats_everywhere_if_workers_have_every_core),
	   TEST(memory_is_hugepages_that_leave_no_file), TEST(memory_can_be_ordinary_pages),
	   TEST(devices_plugins_and_extra_arguments_come_in),
	   TEST(a_core_that_is_not_there_is_said), TEST(a_core_that_we_may_not_use_is_said),
	   TEST(a_missing_plugin_is_said), TEST(no_memory_for_arguments_is_an_error),
	   TEST(too_few_hugepages_are_said_with_the_command_that_mends_it))
