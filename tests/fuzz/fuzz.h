/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What fuzz targets share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A broken promise ends the run: libFuzzer keeps the input that broke it. */
static inline void must(bool kept, const char *promise)
{
	if (kept)
		return;
	fprintf(stderr, "a promise was broken: %s\n", promise);
	abort();
}
