/* SPDX-License-Identifier: BSD-3-Clause */

#include "app_priv.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES (64u << 20)

/* Of this process in memory, from proc(5)'s statm. */
static size_t resident_bytes(void)
{
	unsigned long all = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fscanf(f, "%lu %lu", &all, &resident), 2);
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_what_is_freed_stays_with_the_process(void)
{
	size_t full;
	volatile char *block; /* else a compiler sees that nobody reads it */

	app_keep_heap();
	block = malloc(BLOCK_BYTES);
	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	for (size_t i = 0; i < BLOCK_BYTES; i += 4096)
		block[i] = 1;
	full = resident_bytes();
	CU_ASSERT(full > BLOCK_BYTES);
	free((void *)(uintptr_t)block);
	CU_ASSERT(resident_bytes() > full - BLOCK_BYTES / 2);
}

static void test_the_wish_is_four_bytes_of_zero_and_stays_open(void)
{
	char path[] = "/tmp/weir-latency-XXXXXX";
	struct weir_why why = {""};
	int32_t said = -1;
	int fd = -1, file = mkstemp(path);

	CU_ASSERT_FATAL(file >= 0);
	CU_ASSERT_EQUAL(app_hold_awake(path, &fd, &why), 0);
	CU_ASSERT(fd >= 0);
	CU_ASSERT_EQUAL(pread(file, &said, sizeof(said), 0), (ssize_t)sizeof(said));
	CU_ASSERT_EQUAL(said, 0);
	CU_ASSERT_EQUAL(close(fd), 0);
	close(file);
	unlink(path);
}

static void test_a_host_without_the_device_is_named(void)
{
	struct weir_why why = {""};
	int fd = -1;

	CU_ASSERT_EQUAL(app_hold_awake("/nonexistent/latency", &fd, &why), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "runtime.wakeup: fast needs /nonexistent/latency"));
	CU_ASSERT_EQUAL(fd, -1);
}

static void test_a_device_that_refuses_is_named_and_closed(void)
{
	struct weir_why why = {""};
	int fd = -1;

	CU_ASSERT_EQUAL(app_hold_awake("/dev/full", &fd, &why), -ENOSPC);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "/dev/full does not take 0 us"));
	CU_ASSERT_EQUAL(fd, -1);
}

WEIR_TESTS("app/host", TEST(what_is_freed_stays_with_the_process),
	   TEST(the_wish_is_four_bytes_of_zero_and_stays_open),
	   TEST(a_host_without_the_device_is_named),
	   TEST(a_device_that_refuses_is_named_and_closed))
