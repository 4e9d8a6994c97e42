/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Levels, rate limits, and the way of an entry to the sinks.
 *
 * Whether a line is wanted is decided without the lock, since most are not: levels are atomics, and
 * the table of modules only grows. All else happens under the one lock.
 */

#include "log_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FOLLOW (-1) /* a module without a level of its own */

struct module_level {
	char name[WEIR_LOG_NAME_MAX]; /* written once, before n_modules tells of it */
	atomic_int level;
};

static struct module_level modules[WEIR_LOG_LEVELS_MAX];
static atomic_uint n_modules; /* written under the lock */
static atomic_int global_level = WEIR_LOG_INFO;

static uint64_t system_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t (*_Atomic wall_clock)(void) = system_clock_ns;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned rate_lines = 100;	       /* under the lock */
static uint64_t rate_interval_ns = 1000000000; /* under the lock */
static uint64_t lines, suppressed;	       /* under the lock */
static _Atomic uint64_t lost;

static _Thread_local char thread_name[WEIR_LOG_NAME_MAX];
static _Thread_local bool inside; /* this thread holds the lock */

void log_lock(void)
{
	pthread_mutex_lock(&lock);
}

void log_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

static const char *const level_names[] = {"trace", "debug", "info", "warn",
					  "error", "fatal", "off"};

const char *weir_log_level_name(enum weir_log_level level)
{
	return (unsigned)level <= WEIR_LOG_OFF ? level_names[level] : "unknown";
}

int weir_log_level_parse(const char *name, enum weir_log_level *out)
{
	for (unsigned i = 0; i <= WEIR_LOG_OFF; i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*out = (enum weir_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static struct module_level *find_module(const char *name)
{
	const unsigned n = atomic_load_explicit(&n_modules, memory_order_acquire);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(modules[i].name, name) == 0)
			return &modules[i];
	return NULL;
}

static int set_module_level(const char *name, enum weir_log_level level)
{
	struct module_level *m;
	int rc = 0;

	log_lock();
	m = find_module(name);
	if (m != NULL) {
		atomic_store_explicit(&m->level, (int)level, memory_order_relaxed);
	} else if (n_modules == WEIR_LOG_LEVELS_MAX) {
		rc = -ENOSPC;
	} else {
		m = &modules[n_modules];
		memcpy(m->name, name, strlen(name) + 1);
		atomic_store_explicit(&m->level, (int)level, memory_order_relaxed);
		atomic_store_explicit(&n_modules, n_modules + 1, memory_order_release);
	}
	log_unlock();
	return rc;
}

int weir_log_set_level(const char *module, enum weir_log_level level)
{
	if ((unsigned)level > WEIR_LOG_OFF)
		return -EINVAL;
	if (module == NULL) {
		atomic_store_explicit(&global_level, (int)level, memory_order_relaxed);
		return 0;
	}
	if (*module == '\0' || strlen(module) >= WEIR_LOG_NAME_MAX)
		return -EINVAL;
	return set_module_level(module, level);
}

enum weir_log_level weir_log_get_level(const char *module)
{
	const struct module_level *m = module == NULL ? NULL : find_module(module);
	int level = FOLLOW;

	if (m != NULL)
		level = atomic_load_explicit(&m->level, memory_order_relaxed);
	if (level == FOLLOW)
		level = atomic_load_explicit(&global_level, memory_order_relaxed);
	return (enum weir_log_level)level;
}

void weir_log_clear_levels(void)
{
	const unsigned n = atomic_load_explicit(&n_modules, memory_order_acquire);

	for (unsigned i = 0; i < n; i++)
		atomic_store_explicit(&modules[i].level, FOLLOW, memory_order_relaxed);
}

bool weir_log_on(enum weir_log_level level, const char *module)
{
	return (unsigned)level < WEIR_LOG_OFF && level >= weir_log_get_level(module);
}

void weir_log_set_thread(const char *name)
{
	snprintf(thread_name, sizeof(thread_name), "%s", name);
}

void weir_log_set_clock(uint64_t (*realtime_ns)(void))
{
	atomic_store(&wall_clock, realtime_ns == NULL ? system_clock_ns : realtime_ns);
}

uint64_t log_wall_ns(void)
{
	return atomic_load(&wall_clock)();
}

void weir_log_set_rate(unsigned max_lines, uint64_t interval_ns)
{
	log_lock();
	rate_lines = max_lines;
	rate_interval_ns = interval_ns;
	log_unlock();
}

void weir_log_stats(struct weir_log_stats *out)
{
	log_lock();
	*out = (struct weir_log_stats){
		.lines = lines, .suppressed = suppressed, .lost = atomic_load(&lost)};
	log_unlock();
}

/* Under the lock. A clock that was set back begins a new interval. */
static bool site_admits(struct weir_log_site *site, struct log_entry *e)
{
	if (site == NULL)
		return true;
	if (e->wall_ns < site->since_ns || e->wall_ns - site->since_ns >= rate_interval_ns) {
		site->since_ns = e->wall_ns;
		site->lines = 0;
	}
	if (rate_lines != 0 && site->lines >= rate_lines) {
		site->suppressed++;
		suppressed++;
		return false;
	}
	site->lines++;
	e->suppressed = site->suppressed;
	site->suppressed = 0;
	return true;
}

void log_emit(struct weir_log_site *site, struct log_entry *e)
{
	if (inside) {
		atomic_fetch_add(&lost, 1); /* a sink logs: the lock is ours already */
		return;
	}
	if (e->n_fields > WEIR_LOG_FIELDS_MAX)
		e->n_fields = WEIR_LOG_FIELDS_MAX;
	inside = true;
	log_lock();
	if (site_admits(site, e)) {
		lines++;
		atomic_fetch_add(&lost, log_sinks_write(e));
	}
	log_unlock();
	inside = false;
}

/* Complete an entry of the calling thread and write it. Keeps errno: people log on their way out.
 */
static void emit_here(struct weir_log_site *site, struct log_entry *e)
{
	const int saved = errno;
	char number[16];

	e->thread = thread_name;
	if (*thread_name == '\0') {
		snprintf(number, sizeof(number), "%d", (int)gettid());
		e->thread = number;
	}
	e->wall_ns = log_wall_ns();
	log_emit(site, e);
	errno = saved;
}

void weir_log_printf(struct weir_log_site *site, enum weir_log_level level, const char *module,
		     const struct weir_log_ctx *ctx, const char *fmt, ...)
{
	char msg[WEIR_LOG_TEXT_MAX + 2]; /* one byte too long shows that more was cut */
	struct log_entry e = {.level = level, .module = module, .msg = msg, .ctx = ctx};
	va_list ap;

	if (!weir_log_on(level, module))
		return;
	va_start(ap, fmt);
	if (vsnprintf(msg, sizeof(msg), fmt, ap) < 0)
		e.msg = fmt; /* what cannot be formatted is better shown raw than lost */
	va_end(ap);
	emit_here(site, &e);
}

void weir_log_fields(struct weir_log_site *site, enum weir_log_level level, const char *module,
		     const struct weir_log_ctx *ctx, const char *msg,
		     const struct weir_log_field *fields, size_t n)
{
	struct log_entry e = {.level = level,
			      .module = module,
			      .msg = msg,
			      .ctx = ctx,
			      .fields = fields,
			      .n_fields = n};

	if (weir_log_on(level, module))
		emit_here(site, &e);
}
