/* SPDX-License-Identifier: BSD-3-Clause */

/* The allocators of libc and DPDK as --wrap sees them: each counts down, one fails. */

#include "failalloc.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static unsigned countdown;
static bool armed;

void failalloc_at(unsigned nth)
{
	countdown = nth;
	armed = nth != 0;
}

bool failalloc_done(void)
{
	const bool unreached = armed;

	armed = false;
	return unreached;
}

static bool fails(void)
{
	if (!armed || --countdown != 0)
		return false;
	armed = false;
	return true;
}

#define WRAP(type, name, params, args)                      \
	type __real_##name params;                          \
	type __wrap_##name params;                          \
	type __wrap_##name params                           \
	{                                                   \
		return fails() ? NULL : __real_##name args; \
	}

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, (void *p, size_t size), (p, size))
WRAP(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size))
WRAP(void *, aligned_alloc, (size_t align, size_t size), (align, size))
WRAP(char *, strdup, (const char *s), (s))
WRAP(char *, strndup, (const char *s, size_t n), (s, n))
