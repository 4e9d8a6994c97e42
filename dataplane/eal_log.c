/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What DPDK and the libraries under it print becomes lines of weir's log. While a call is expected
 * to fail in its own way, their errors are kept for our sentence instead of being logged.
 */

#include "eal_priv.h"

#include <dlfcn.h>
#include <errno.h>
#include <rte_log.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <weir/log.h>

/* Of the calling thread only: what other threads have to say meanwhile is logged. */
static __thread char first_error[WEIR_WHY_LEN / 2];
static __thread bool hushed;

static enum weir_log_level level_of(uint32_t rte_level)
{
	if (rte_level == 0 || rte_level >= RTE_LOG_DEBUG)
		return WEIR_LOG_DEBUG;
	if (rte_level >= RTE_LOG_NOTICE)
		return WEIR_LOG_INFO;
	return rte_level == RTE_LOG_WARNING ? WEIR_LOG_WARN : WEIR_LOG_ERROR;
}

/* What our driver tells while it begins is no complaint of what we know already. */
static bool is_ours(enum weir_log_level level, const char *text, size_t bytes)
{
	static const char name[] = "net_weir_xdp: ";

	return level != WEIR_LOG_ERROR && bytes >= sizeof(name) - 1 &&
	       memcmp(text, name, sizeof(name) - 1) == 0;
}

static ssize_t take_line(void *cookie, const char *text, size_t bytes)
{
	const enum weir_log_level level = level_of((uint32_t)rte_log_cur_msg_loglevel());
	int n = (int)bytes;

	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (level == WEIR_LOG_ERROR && hushed && first_error[0] == 0)
		snprintf(first_error, sizeof(first_error), "%.*s", n, text);
	if (n > 0 && (!hushed || is_ours(level, text, (size_t)n)))
		weir_log_at(level, "dpdk", NULL, "%.*s", n, text);
	return (ssize_t)bytes;
}

int eal_log_open(void)
{
	const cookie_io_functions_t io = {.write = take_line};
	FILE *f = fopencookie(NULL, "w", io);

	if (f == NULL)
		return -ENOMEM;
	setlinebuf(f);
	return rte_openlog_stream(f) == 0 ? 0 : -EINVAL;
}

__attribute__((format(printf, 2, 0))) static int take_library(int level, const char *fmt,
							      va_list ap)
{
	char text[256];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	if (n > 0)
		weir_log_debug("xdp", "%.*s", (int)strcspn(text, "\n"), text);
	return n;
}

/*
 * libbpf and libxdp print to stderr by themselves. They come with DPDK's plug-ins, not with us, so
 * their hooks are used only if some plug-in has loaded them.
 */
static void take_library_of(const char *file, const char *hook)
{
	void *library = dlopen(file, RTLD_LAZY | RTLD_NOLOAD);
	void *(*set)(int (*)(int, const char *, va_list));

	if (library == NULL)
		return;
	*(void **)&set = dlsym(library, hook);
	if (set != NULL)
		set(take_library);
	dlclose(library);
}

void eal_log_hush(void)
{
	first_error[0] = 0;
	hushed = true;
	take_library_of("libbpf.so.1", "libbpf_set_print");
	take_library_of("libxdp.so.1", "libxdp_set_print");
}

void eal_log_speak(void)
{
	hushed = false;
}

const char *eal_log_cause(void)
{
	return first_error;
}
