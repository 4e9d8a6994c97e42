// SPDX-License-Identifier: BSD-3-Clause
/*
 * What it takes this machine to wake a sleeping thread, with nothing of ours in it: the thread on
 * core 0 writes to a pipe once a millisecond, the one on core 1 sleeps in read(). Prints the median
 * and the 99th percentile in nanoseconds, from before the write until the read has returned.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS 1000000u

static int ends[2];
static uint64_t *late_ns;
static size_t wanted;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		exit(1);
}

static void *sleeper(void *unused)
{
	pin(1);
	for (size_t i = 0; i < wanted; i++) {
		uint64_t sent;

		if (read(ends[0], &sent, sizeof(sent)) != sizeof(sent))
			exit(1);
		late_ns[i] = now_ns() - sent;
	}
	return unused;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	uint64_t next;

	wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	late_ns = calloc(wanted + 1, sizeof(*late_ns));
	if (wanted == 0 || late_ns == NULL || pipe(ends) != 0 ||
	    pthread_create(&thread, NULL, sleeper, NULL) != 0)
		return 1;
	pin(0);
	next = now_ns();
	for (size_t i = 0; i < wanted; i++) {
		uint64_t sent;

		for (next += PERIOD_NS; (sent = now_ns()) < next;)
			;
		if (write(ends[1], &sent, sizeof(sent)) != sizeof(sent))
			return 1;
	}
	pthread_join(thread, NULL);
	qsort(late_ns, wanted, sizeof(*late_ns), by_size);
	printf("%lu %lu\n", (unsigned long)late_ns[wanted / 2],
	       (unsigned long)late_ns[wanted * 99 / 100]);
	return 0;
}
