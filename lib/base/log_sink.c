/* SPDX-License-Identifier: BSD-3-Clause */

/* Where lines go: stderr, the journal, files, syslog, a callback. All under the log's lock. */

#include "log_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

struct sink {
	struct weir_log_sink conf; /* its name is ours */
	int fd;			   /* a file's, -1 for none */
};

struct sink_set {
	struct sink sink[WEIR_LOG_SINKS_MAX];
	unsigned n; /* 0: text on stderr */
};

static struct sink_set current;	     /* under the log's lock */
static char line[LOG_LINE_MAX + 16]; /* under the log's lock; 16: "<6>", a newline and a NUL */

static int priority_of(enum weir_log_level level)
{
	static const int priority[] = {LOG_DEBUG,   LOG_DEBUG, LOG_INFO,
				       LOG_WARNING, LOG_ERR,   LOG_CRIT};

	return priority[level];
}

static bool wants_colour(void)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && (no_colour == NULL || *no_colour == '\0') &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}

static bool write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		const ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

/* One write for one line, so that lines of several processes do not mix. */
static bool write_fd(const struct sink *s, const struct log_entry *e)
{
	unsigned flags = 0;
	size_t n = 0;
	int fd = STDERR_FILENO;

	if (s->conf.target == WEIR_LOG_TO_FILE) {
		fd = s->fd;
	} else if (s->conf.target == WEIR_LOG_TO_JOURNAL) {
		flags = LOG_UNSTAMPED;
		line[n++] = '<';
		line[n++] = (char)('0' + priority_of(e->level));
		line[n++] = '>';
	} else if (wants_colour()) {
		flags = LOG_COLOUR;
	}
	n += log_format(e, s->conf.format, flags, line + n, LOG_LINE_MAX);
	line[n++] = '\n';
	return write_all(fd, line, n);
}

static bool sink_write(const struct sink *s, const struct log_entry *e)
{
	size_t n;

	switch (s->conf.target) {
	case WEIR_LOG_TO_SYSLOG:
		log_format(e, s->conf.format, LOG_UNSTAMPED, line, LOG_LINE_MAX);
		syslog(priority_of(e->level), "%s", line);
		return true;
	case WEIR_LOG_TO_CALLBACK:
		n = log_format(e, s->conf.format, 0, line, LOG_LINE_MAX);
		s->conf.write(s->conf.ctx, e->level, line, n);
		return true;
	default:
		return write_fd(s, e);
	}
}

unsigned log_sinks_write(const struct log_entry *e)
{
	static const struct sink fallback = {.conf = {.target = WEIR_LOG_TO_STDERR}, .fd = -1};
	unsigned failed = 0;

	if (current.n == 0)
		return !sink_write(&fallback, e);
	for (unsigned i = 0; i < current.n; i++)
		failed += !sink_write(&current.sink[i], e);
	return failed;
}

static int open_file(const char *path, int *fd)
{
	*fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	return *fd < 0 ? -errno : 0;
}

/* Takes half-made sets. */
static void set_free(struct sink_set *set)
{
	for (unsigned i = 0; i < set->n; i++) {
		if (set->sink[i].fd >= 0)
			close(set->sink[i].fd);
		free((char *)set->sink[i].conf.name);
	}
}

static int sink_check(const struct weir_log_sink *conf)
{
	if ((unsigned)conf->target > WEIR_LOG_TO_CALLBACK ||
	    (unsigned)conf->format > WEIR_LOG_KEYVALUE)
		return -EINVAL;
	if (conf->target == WEIR_LOG_TO_FILE && (conf->name == NULL || *conf->name == '\0'))
		return -EINVAL;
	if (conf->target == WEIR_LOG_TO_CALLBACK && conf->write == NULL)
		return -EINVAL;
	return 0;
}

static int sink_open(struct sink *s, const struct weir_log_sink *conf)
{
	*s = (struct sink){.conf = *conf, .fd = -1};
	if (conf->name != NULL) {
		s->conf.name = strdup(conf->name);
		if (s->conf.name == NULL)
			return -ENOMEM;
	}
	return conf->target == WEIR_LOG_TO_FILE ? open_file(conf->name, &s->fd) : 0;
}

static const struct weir_log_sink *find_syslog(const struct sink_set *set)
{
	for (unsigned i = 0; i < set->n; i++)
		if (set->sink[i].conf.target == WEIR_LOG_TO_SYSLOG)
			return &set->sink[i].conf;
	return NULL;
}

/* Under the lock. syslog(3) has one name in a process, and keeps the pointer. */
static void swap_in(struct sink_set *fresh, struct sink_set *old)
{
	const struct weir_log_sink *to_syslog;

	*old = current;
	current = *fresh;
	to_syslog = find_syslog(&current);
	if (to_syslog != NULL)
		openlog(to_syslog->name == NULL ? "weir" : to_syslog->name, LOG_PID, LOG_DAEMON);
	else if (find_syslog(old) != NULL)
		closelog();
}

int weir_log_set_sinks(const struct weir_log_sink *sinks, unsigned n)
{
	struct sink_set fresh = {0}, old;
	int rc = 0;

	if (n > WEIR_LOG_SINKS_MAX)
		return -ENOSPC;
	for (unsigned i = 0; i < n && rc == 0; i++) {
		rc = sink_check(&sinks[i]);
		if (rc == 0 && sinks[i].target == WEIR_LOG_TO_SYSLOG && find_syslog(&fresh) != NULL)
			rc = -EINVAL;
		if (rc == 0)
			rc = sink_open(&fresh.sink[fresh.n++], &sinks[i]);
	}
	if (rc < 0) {
		set_free(&fresh);
		return rc;
	}
	log_lock();
	swap_in(&fresh, &old);
	log_unlock();
	set_free(&old);
	return 0;
}

int weir_log_reopen(void)
{
	int first = 0;

	log_lock();
	for (unsigned i = 0; i < current.n; i++) {
		struct sink *s = &current.sink[i];
		int fd, rc;

		if (s->conf.target != WEIR_LOG_TO_FILE)
			continue;
		rc = open_file(s->conf.name, &fd);
		if (rc == 0) {
			close(s->fd);
			s->fd = fd;
		} else if (first == 0) {
			first = rc;
		}
	}
	log_unlock();
	return first;
}

static int format_parse(const char *name, enum weir_log_format *out)
{
	static const char *const names[] = {"text", "json", "keyvalue"};

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum weir_log_format)i;
			return 0;
		}
	}
	return -EINVAL;
}

int weir_log_sink_parse(const char *to, const char *format, struct weir_log_sink *out)
{
	struct weir_log_sink sink = {0};

	if (format_parse(format, &sink.format) < 0)
		return -EINVAL;
	if (strcmp(to, "stderr") == 0) {
		sink.target = WEIR_LOG_TO_STDERR;
	} else if (strcmp(to, "journal") == 0) {
		sink.target = WEIR_LOG_TO_JOURNAL;
	} else if (strcmp(to, "syslog") == 0) {
		sink.target = WEIR_LOG_TO_SYSLOG;
	} else if (strncmp(to, "syslog:", 7) == 0 && to[7] != '\0') {
		sink.target = WEIR_LOG_TO_SYSLOG;
		sink.name = to + 7;
	} else if (to[0] == '/') {
		sink.target = WEIR_LOG_TO_FILE;
		sink.name = to;
	} else {
		return -EINVAL;
	}
	*out = sink;
	return 0;
}
