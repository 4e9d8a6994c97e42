/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The log: one home for everything that weir says to people.
 *
 *	weir_log_info("port", "%s is up: %u Mbit/s", name, mbps);
 *	weir_log_kv(WEIR_LOG_WARN, "port", "queue is stuck", WEIR_STR("port", name),
 *WEIR_U64("queue", q));
 *
 * Works before any configuration: info and above, as text, on stderr. A line goes to every sink,
 *each in its own format. Text from outside is escaped in all formats. A call site that says too
 *much is cut short, and says later how much was left out.
 *
 * Thread safe, and for control threads only: a line takes a lock and a system call. A worker puts a
 * record into its struct weir_log_ring instead, and the control thread turns it into a line.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/must_check.h>

/** How much a line matters. WEIR_LOG_OFF is only for weir_log_set_level(): silence. */
enum weir_log_level {
	WEIR_LOG_TRACE, /**< each step, for who looks for a fault in weir */
	WEIR_LOG_DEBUG, /**< what was decided and why, for who looks for a fault */
	WEIR_LOG_INFO,	/**< what an operator wants to know */
	WEIR_LOG_WARN,	/**< what may need a hand */
	WEIR_LOG_ERROR, /**< what failed */
	WEIR_LOG_FATAL, /**< the program cannot go on; logging it does not end the program */
	WEIR_LOG_OFF,	/**< above all levels: no line has it */
};

/** Calls below this level are not compiled (-DWEIR_LOG_FLOOR=WEIR_LOG_INFO). */
#ifndef WEIR_LOG_FLOOR
#define WEIR_LOG_FLOOR WEIR_LOG_TRACE
#endif

/** Limits. Longer text is cut and ends in "..."; more fields or levels are refused or left out. */
#define WEIR_LOG_TEXT_MAX   1024 /**< bytes of one message */
#define WEIR_LOG_VALUE_MAX  256	 /**< bytes of one string field */
#define WEIR_LOG_FIELDS_MAX 16	 /**< fields of one line; later ones are left out */
#define WEIR_LOG_NAME_MAX   32	 /**< bytes of a module, thread or field name, with its NUL */
#define WEIR_LOG_LEVELS_MAX 64	 /**< modules with a level of their own */
#define WEIR_LOG_SINKS_MAX  8	 /**< sinks at a time */

/* ---- levels ---- */

/**
 * Set the lowest level that is logged. Any thread may call, at any time.
 * @param module  NULL sets it for all modules that have none of their own.
 * @return 0, -EINVAL for a bad level or name, -ENOSPC after WEIR_LOG_LEVELS_MAX modules.
 */
WEIR_MUST_CHECK int weir_log_set_level(const char *module, enum weir_log_level level);

/** The lowest level that is logged for @p module (NULL: for modules without their own). Any thread.
 */
enum weir_log_level weir_log_get_level(const char *module);

/** Take the modules' own levels away: all follow the global one again. Any thread may call. */
void weir_log_clear_levels(void);

/** Whether a line of this level and module would be written. Any thread may call. */
WEIR_MUST_CHECK bool weir_log_on(enum weir_log_level level, const char *module);

/** The level's name in lower case, "unknown" for a number that is none. Any thread may call. */
const char *weir_log_level_name(enum weir_log_level level);

/** The level of a name ("trace" to "fatal", "off"). @return 0, or -EINVAL. Any thread may call. */
WEIR_MUST_CHECK int weir_log_level_parse(const char *name, enum weir_log_level *out);

/* ---- sinks ---- */

/** How a line looks. */
enum weir_log_format {
	WEIR_LOG_TEXT,	   /**< for people */
	WEIR_LOG_JSON,	   /**< one object a line (RFC 8259) */
	WEIR_LOG_KEYVALUE, /**< key=value key="with spaces", known as logfmt */
};

/** Where lines go. */
enum weir_log_target {
	WEIR_LOG_TO_STDERR,   /**< in colour if it is a terminal and NO_COLOR is not set */
	WEIR_LOG_TO_JOURNAL,  /**< stderr with sd-daemon(3)'s "<6>" before each line, for systemd */
	WEIR_LOG_TO_FILE,     /**< appended to; see weir_log_reopen() */
	WEIR_LOG_TO_SYSLOG,   /**< syslog(3), facility daemon */
	WEIR_LOG_TO_CALLBACK, /**< a function of yours */
};

/** Where lines go, and what they look like there. */
struct weir_log_sink {
	enum weir_log_target target; /**< where; decides which of the members below count */
	enum weir_log_format format; /**< what a line looks like there */
	const char *name; /**< file: its path; syslog: the program's name, NULL for "weir" */
	/**
	 * callback: gets one line without a newline at its end, NUL-terminated. It is called with
	 * the log's lock held, by whichever thread logs; what it logs itself is counted as lost.
	 */
	void (*write)(void *ctx, enum weir_log_level level, const char *line, size_t line_bytes);
	void *ctx; /**< callback: its first argument */
};

/**
 * Replace all sinks at once. Names are copied. Files are opened (created with mode 0640) before the
 * old sinks are closed, so that a failure leaves the old ones in place. Any thread may call.
 * @param n  0 goes back to text on stderr.
 * @return 0, -EINVAL for a bad sink, -ENOSPC above WEIR_LOG_SINKS_MAX, -ENOMEM, or why a file did
 * not open.
 */
WEIR_MUST_CHECK int weir_log_set_sinks(const struct weir_log_sink *sinks, unsigned n);

/**
 * Read a sink from a configuration's two words.
 * @param to      "stderr", "journal", "syslog", "syslog:NAME", or "/path/of/a/file".
 * @param format  "text", "json" or "keyvalue".
 * @param out     Its name points into @p to.
 * @return 0, or -EINVAL.
 */
WEIR_MUST_CHECK int weir_log_sink_parse(const char *to, const char *format,
					struct weir_log_sink *out);

/**
 * Open the files of all file sinks again, after a rename by logrotate(8). Call it from the control
 * thread on SIGUSR1, not from the signal handler.
 * @return 0, or -errno of the first file that did not open; that sink goes on with its old file.
 */
WEIR_MUST_CHECK int weir_log_reopen(void);

/* ---- threads, time, volume ---- */

/** Name the calling thread in its lines ("main", "ctl"), instead of by its number. Copied. */
void weir_log_set_thread(const char *name);

/** Take the time from @p realtime_ns (ns since 1970) instead of CLOCK_REALTIME; NULL undoes it. */
void weir_log_set_clock(uint64_t (*realtime_ns)(void));

/**
 * Let each call site write at most @p lines lines in @p interval_ns nanoseconds; what is more is
 * counted, and the site's next line ends in "(37 more like it)". At first: 100 lines a second.
 * @param lines  0 is no limit.
 */
void weir_log_set_rate(unsigned lines, uint64_t interval_ns);

/** What the log did since the program began. */
struct weir_log_stats {
	uint64_t lines;	     /**< written, once for each line however many sinks */
	uint64_t suppressed; /**< held back by the rate limit */
	uint64_t lost;	     /**< a sink failed to write, or logged from inside itself */
};

/** Any thread may call. */
void weir_log_stats(struct weir_log_stats *out);

/* ---- context ---- */

/** Bytes of a traceparent's text, with the NUL. */
#define WEIR_TRACEPARENT_TEXT 56

/** What a line is about. Passed explicitly: with run to completion no thread belongs to a request.
 */
struct weir_log_ctx {
	uint64_t conn_id;	 /**< 0: none */
	uint64_t request_id;	 /**< 0: none */
	const char *traceparent; /**< NULL: none; may be hostile */
};

/** W3C Trace Context, level 1, section 3.2: who began this request. */
struct weir_traceparent {
	uint8_t trace_id[16]; /**< the whole request's, in the text's order; never all zeros */
	uint8_t parent_id[8]; /**< the caller's part of it; never all zeros */
	uint8_t flags;	      /**< bit 0: sampled */
};

/**
 * Read a traceparent header's value. Versions above 00 are read as 00, as section 3.2.4 says.
 * @param text_bytes  Its length; @p text need not end in NUL.
 * @return 0, or -EBADMSG if it breaks the grammar or an id is all zeros.
 */
WEIR_MUST_CHECK int weir_traceparent_parse(const char *text, size_t text_bytes,
					   struct weir_traceparent *out);

/** Write a traceparent header's value, of version 00, and a NUL. */
void weir_traceparent_format(const struct weir_traceparent *tp, char text[WEIR_TRACEPARENT_TEXT]);

/* ---- writing lines ---- */

/** A call site's (or key's) rate limit, all zero at first. Only the log touches it. */
struct weir_log_site {
	uint64_t since_ns;   /**< the interval's begin, since 1970; written under the log's lock */
	uint64_t suppressed; /**< held back since the last line; written under the log's lock */
	unsigned lines;	     /**< written in this interval; written under the log's lock */
};

/** One field of a structured line. Make it with the macros below. */
struct weir_log_field {
	const char *key; /**< its name; at most WEIR_LOG_NAME_MAX - 1 bytes are written */
	enum {
		WEIR_LOG_FIELD_STR, /**< str holds it */
		WEIR_LOG_FIELD_U64, /**< u64 holds it */
		WEIR_LOG_FIELD_I64, /**< i64 holds it */
		WEIR_LOG_FIELD_BOOL /**< yes holds it */
	} kind;			    /**< which member of the union is set */
	union {
		const char *str; /**< may be hostile, it is escaped; NULL is "" */
		uint64_t u64;	 /**< written in decimal */
		int64_t i64;	 /**< written in decimal */
		bool yes;	 /**< written as true or false */
	};
};

/** A field that is a string. */
#define WEIR_STR(k, v)            \
	((struct weir_log_field){ \
		.key = (k), .kind = WEIR_LOG_FIELD_STR, .str = (v)}) /* NULL is "" */
/** A field that is an unsigned number. */
#define WEIR_U64(k, v) ((struct weir_log_field){.key = (k), .kind = WEIR_LOG_FIELD_U64, .u64 = (v)})
/** A field that is a signed number. */
#define WEIR_I64(k, v) ((struct weir_log_field){.key = (k), .kind = WEIR_LOG_FIELD_I64, .i64 = (v)})
/** A field that is true or false. */
#define WEIR_BOOL(k, v) \
	((struct weir_log_field){.key = (k), .kind = WEIR_LOG_FIELD_BOOL, .yes = (v)})

/** Write a line made as by printf(3). @p site NULL: no rate limit; @p ctx NULL: none. */
__attribute__((format(printf, 5, 6))) void
weir_log_printf(struct weir_log_site *site, enum weir_log_level level, const char *module,
		const struct weir_log_ctx *ctx, const char *fmt, ...);

/** Write a line with fields. @p site NULL: no rate limit; @p ctx NULL: none. */
void weir_log_fields(struct weir_log_site *site, enum weir_log_level level, const char *module,
		     const struct weir_log_ctx *ctx, const char *msg,
		     const struct weir_log_field *fields, size_t n);

/** Write a line under a rate limit of the caller's (one for each port, peer, ...). */
#define weir_log_limited(site, level, module, ctx, ...)                                    \
	do {                                                                               \
		if ((int)(level) >= (int)WEIR_LOG_FLOOR && weir_log_on((level), (module))) \
			weir_log_printf((site), (level), (module), (ctx), __VA_ARGS__);    \
	} while (0)

/** Write a line about a connection or request: weir_log_at(WEIR_LOG_INFO, "http", &ctx, "..."). */
#define weir_log_at(level, module, ctx, ...)                                             \
	do {                                                                             \
		static struct weir_log_site weir_log_here;                               \
                                                                                         \
		weir_log_limited(&weir_log_here, (level), (module), (ctx), __VA_ARGS__); \
	} while (0)

/** Write a line: a module's name, then as printf(3). */
#define weir_log_trace(module, ...) weir_log_at(WEIR_LOG_TRACE, module, NULL, __VA_ARGS__)
/** As weir_log_trace(), for who looks for a fault. */
#define weir_log_debug(module, ...) weir_log_at(WEIR_LOG_DEBUG, module, NULL, __VA_ARGS__)
/** As weir_log_trace(), of what an operator wants to know. */
#define weir_log_info(module, ...) weir_log_at(WEIR_LOG_INFO, module, NULL, __VA_ARGS__)
/** As weir_log_trace(), of what may need a hand. */
#define weir_log_warn(module, ...) weir_log_at(WEIR_LOG_WARN, module, NULL, __VA_ARGS__)
/** As weir_log_trace(), of what failed. */
#define weir_log_error(module, ...) weir_log_at(WEIR_LOG_ERROR, module, NULL, __VA_ARGS__)
/** As weir_log_trace(), before a program ends because of it. */
#define weir_log_fatal(module, ...) weir_log_at(WEIR_LOG_FATAL, module, NULL, __VA_ARGS__)

/** Write a line with fields and a context: WEIR_STR, WEIR_U64, WEIR_I64, WEIR_BOOL. */
#define weir_log_kv_at(level, module, ctx, msg, ...)                                           \
	do {                                                                                   \
		static struct weir_log_site weir_log_here;                                     \
                                                                                               \
		if ((int)(level) >= (int)WEIR_LOG_FLOOR && weir_log_on((level), (module)))     \
			weir_log_fields(&weir_log_here, (level), (module), (ctx), (msg),       \
					(const struct weir_log_field[]){__VA_ARGS__},          \
					sizeof((const struct weir_log_field[]){__VA_ARGS__}) / \
						sizeof(struct weir_log_field));                \
	} while (0)

/** Write a line with fields. */
#define weir_log_kv(level, module, msg, ...) weir_log_kv_at(level, module, NULL, msg, __VA_ARGS__)

/* ---- from a worker ---- */

/** Numbers that one record carries. */
#define WEIR_LOG_ARGS_MAX 6

/**
 * Something that a worker can report. Static, one for each kind of event; its address is its id. A
 * worker never reads it: level, module and names are for the control thread's line.
 */
struct weir_log_event {
	enum weir_log_level level;	    /**< of its lines */
	const char *module;		    /**< whose lines they are, as in weir_log_info() */
	const char *msg;		    /**< the line's text; the numbers follow it as fields */
	const char *arg[WEIR_LOG_ARGS_MAX]; /**< the numbers' names; NULL ends them early */
	struct weir_log_site site;	    /**< the control thread's */
};

/** Records from one worker to the control thread, lock-free: one puts, one drains. */
struct weir_log_ring;

/**
 * @param thread   Who the lines are from ("worker 1"). Copied.
 * @param records  Room, a power of two from 2 to 65536; 64 bytes each.
 * @return 0, -EINVAL, or -ENOMEM. Control thread.
 */
WEIR_MUST_CHECK int weir_log_ring_create(const char *thread, unsigned records,
					 struct weir_log_ring **out);

/** Free a ring that nobody uses any more; undrained records go with it. NULL is allowed. */
void weir_log_ring_free(struct weir_log_ring *ring);

/**
 * Report an event. Only the ring's one worker may call; costs one cache line, never waits.
 * @param event   Must live as long as the ring.
 * @param now_ns  The worker's time, any clock.
 * @param args    @p n numbers, at most WEIR_LOG_ARGS_MAX; later ones are left out.
 * @return Whether there was room; if not, it is counted.
 */
bool weir_log_ring_put(struct weir_log_ring *ring, struct weir_log_event *event, uint64_t now_ns,
		       const uint64_t *args, unsigned n);

/**
 * Write out what is in the ring at this moment, and one warning if records were lost since the last
 * time. Control thread.
 * @param now_ns  The present on the worker's clock: it turns the records' times into wall time.
 * @return How many records were taken out.
 */
unsigned weir_log_ring_drain(struct weir_log_ring *ring, uint64_t now_ns);

/** How many records found the ring full. Any thread may call. */
uint64_t weir_log_ring_lost(const struct weir_log_ring *ring);
