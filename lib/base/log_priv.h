/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the log's files share: an entry is made in log.c, becomes a line in log_format.c, and goes
 * out in log_sink.c. */

#include <weir/log.h>

/* All that a line says. Strings belong to the caller. */
struct log_entry {
	enum weir_log_level level;
	const char *module;
	const char *thread;
	const char *msg;
	const struct weir_log_ctx *ctx; /* NULL: none */
	const struct weir_log_field *fields;
	size_t n_fields;
	uint64_t wall_ns;
	uint64_t suppressed; /* lines like it that were held back before */
};

/* What a sink wants of the format. */
enum {
	LOG_COLOUR = 1,	   /* the level in colour (text) */
	LOG_UNSTAMPED = 2, /* no time and no level: the receiver adds its own (text) */
};

/* The longest text is escaped to 6 times its length ("\u001b"). */
#define LOG_ESCAPED(n) (6 * (n))
#define LOG_LINE_MAX                                                 \
	(512 + LOG_ESCAPED(WEIR_LOG_TEXT_MAX + WEIR_LOG_VALUE_MAX) + \
	 WEIR_LOG_FIELDS_MAX * (LOG_ESCAPED(WEIR_LOG_VALUE_MAX) + WEIR_LOG_NAME_MAX + 8))

/* Write the entry and a NUL, no newline. @return The line's bytes without the NUL. */
size_t log_format(const struct log_entry *e, enum weir_log_format format, unsigned flags,
		  char *line, size_t line_size);

/* The log's one lock. Guards the sinks, the rate limits and the numbers of weir_log_stats. */
void log_lock(void);
void log_unlock(void);

/* Under the lock: write to every sink. @return How many failed. */
unsigned log_sinks_write(const struct log_entry *e);

/* Write an entry that happened on another thread, if its level is on. */
void log_emit(struct weir_log_site *site, struct log_entry *e);

/* The present, by weir_log_set_clock()'s clock. */
uint64_t log_wall_ns(void);
