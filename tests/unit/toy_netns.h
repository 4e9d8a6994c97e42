/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A network namespace of the test's own, gone with the process, and commands in it. main() of such
 * a test ends with 77, skipped, where that is not permitted.
 */

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The calling thread, and those that it starts from now on, in a new namespace. */
static inline bool toy_netns(void)
{
	if (unshare(CLONE_NEWNET) == 0)
		return true;
	printf("skipped: no network namespace of our own: %s\n", strerror(errno));
	return false;
}

/* Whether a shell command succeeds. */
__attribute__((format(printf, 1, 2))) static inline bool toy_sh(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return system(command) == 0;
}

/* A pair v0 and v1, both up, with four and two queues, and with three and one. */
static inline bool toy_veth(void)
{
	return toy_sh("ip link add v0 numrxqueues 4 numtxqueues 2 type veth peer name v1 "
		      "numrxqueues 3 numtxqueues 1 && "
		      "ip link set v0 up && ip link set v1 up");
}

static inline bool toy_veth_end(void)
{
	return toy_sh("ip link del v1");
}
