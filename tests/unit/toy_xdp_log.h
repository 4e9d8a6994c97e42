/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The driver's log lines in memory, so that a test can count and read them. */

#include <rte_log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *toy_log_text;
static size_t toy_log_bytes;
static FILE *toy_log_stream;

/* Begin anew: what was logged before is forgotten. */
static inline void toy_log_begin(void)
{
	rte_openlog_stream(NULL);
	if (toy_log_stream != NULL)
		fclose(toy_log_stream);
	free(toy_log_text);
	toy_log_text = NULL;
	toy_log_stream = open_memstream(&toy_log_text, &toy_log_bytes);
	if (toy_log_stream == NULL)
		abort();
	rte_openlog_stream(toy_log_stream);
}

static inline unsigned toy_log_lines(void)
{
	unsigned lines = 0;

	fflush(toy_log_stream);
	for (const char *p = toy_log_text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	return lines;
}

static inline bool toy_log_has(const char *words)
{
	fflush(toy_log_stream);
	return strstr(toy_log_text, words) != NULL;
}
