/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What tests of inspection share: sources given in place, findings kept, a folder for files. */

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/dpi.h>

#define TOY_FINDINGS 32

/* What weir_dpi_compile() has told. */
struct toy_findings {
	char text[TOY_FINDINGS][WEIR_WHY_LEN];
	unsigned n;
};

static inline void toy_finding(void *ctx, const char *sentence)
{
	struct toy_findings *f = ctx;

	if (f->n < TOY_FINDINGS)
		snprintf(f->text[f->n], sizeof(f->text[0]), "%s", sentence);
	f->n++;
}

/* Whether one of them has these words. */
static inline bool toy_found(const struct toy_findings *f, const char *words)
{
	for (unsigned i = 0; i < f->n && i < TOY_FINDINGS; i++)
		if (strstr(f->text[i], words) != NULL)
			return true;
	return false;
}

static inline struct weir_dpi_source toy_patterns(const char *text)
{
	return (struct weir_dpi_source){.name = "toy.patterns",
					.text = text,
					.text_bytes = strlen(text),
					.action = WEIR_DPI_ALERT};
}

static inline struct weir_dpi_source toy_snort(const char *text)
{
	return (struct weir_dpi_source){.name = "toy.rules",
					.text = text,
					.text_bytes = strlen(text),
					.format = WEIR_DPI_SNORT};
}

/* Compile one source; NULL: it failed, and why says so. */
static inline struct weir_dpi *toy_dpi(const struct weir_dpi_source *source, struct toy_findings *f,
				       struct weir_why *why)
{
	const struct weir_dpi_conf conf = {.sources = source,
					   .n_sources = 1,
					   .budget_bytes = WEIR_DPI_UNLIMITED,
					   .secret = {1, 2},
					   .finding = f != NULL ? toy_finding : NULL,
					   .ctx = f};
	struct weir_dpi *d = NULL;

	*why = (struct weir_why){""};
	if (weir_dpi_compile(&conf, &d, why) < 0)
		CU_ASSERT_PTR_NULL(d);
	return d;
}

/* A folder of this test's own; toy_folder_clear() removes it with all files in it. */
static inline const char *toy_folder(void)
{
	static char path[] = "/tmp/weir-dpi-XXXXXX";
	static bool made;

	if (!made)
		CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(path));
	made = true;
	return path;
}

static inline void toy_folder_clear(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", toy_folder());
	CU_ASSERT_EQUAL(system(command), 0);
}

static inline void toy_write(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL(fwrite(bytes, 1, n, f), n);
	CU_ASSERT_EQUAL(fclose(f), 0);
}
