/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_text: files of lines, and rules as they are gathered from them.
 */
#include "dpi_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/error.h>

static int read_all(int fd, char *text, size_t bytes, size_t *got)
{
	*got = 0;
	while (*got < bytes) {
		const ssize_t n = read(fd, text + *got, bytes - *got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return 0;
}

int dpi_file_read(const char *path, char **text, size_t *bytes, struct weir_why *why)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int rc = 0;

	*text = NULL;
	if (fd < 0 || fstat(fd, &st) < 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -EINVAL;
	else if (st.st_size > DPI_FILE_BYTES)
		rc = -EFBIG;
	if (rc == 0) {
		*text = malloc((size_t)st.st_size + 1);
		rc = *text == NULL ? -ENOMEM : read_all(fd, *text, (size_t)st.st_size, bytes);
	}
	if (fd >= 0)
		close(fd);
	if (rc < 0) {
		free(*text);
		*text = NULL;
		return weir_why(why, rc, "%s: cannot be read: %s", path,
				rc == -EINVAL ? "it is no file" : weir_error_text(rc));
	}
	(*text)[*bytes] = '\0';
	return 0;
}

bool dpi_line(struct dpi_text *left, struct dpi_text *line)
{
	const char *lf;

	if (left->bytes == 0)
		return false;
	lf = memchr(left->at, '\n', left->bytes);
	line->at = left->at;
	line->bytes = lf != NULL ? (size_t)(lf - left->at) : left->bytes;
	left->at += line->bytes + (lf != NULL);
	left->bytes -= line->bytes + (lf != NULL);
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct dpi_text dpi_trim(struct dpi_text t)
{
	while (t.bytes > 0 && is_blank(t.at[0])) {
		t.at++;
		t.bytes--;
	}
	while (t.bytes > 0 && is_blank(t.at[t.bytes - 1]))
		t.bytes--;
	return t;
}

bool dpi_number(struct dpi_text t, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (t.bytes == 0 || t.bytes > 18)
		return false;
	for (size_t i = 0; i < t.bytes; i++) {
		if (t.at[i] < '0' || t.at[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(t.at[i] - '0');
	}
	*out = n;
	return n <= max;
}

void dpi_finding(const struct weir_dpi_conf *conf, const char *fmt, ...)
{
	char sentence[WEIR_WHY_LEN];
	va_list ap;

	if (conf->finding == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	conf->finding(conf->ctx, sentence);
}

struct dpi_rule *dpi_rule_add(struct dpi_reader *r, int *rc)
{
	struct dpi_rules *rules = r->rules;
	struct dpi_rule *rule;

	if (rules->n == WEIR_DPI_PATTERNS_MAX) {
		*rc = weir_why(r->why, -E2BIG, "%s:%u: more than %u patterns", r->file, r->line,
			       WEIR_DPI_PATTERNS_MAX);
		return NULL;
	}
	if (rules->n == rules->room) {
		const uint32_t room = rules->room == 0 ? 64 : 2 * rules->room;
		struct dpi_rule *more = reallocarray(rules->rule, room, sizeof(*more));

		if (more == NULL) {
			*rc = weir_why(r->why, -ENOMEM, "out of memory for patterns");
			return NULL;
		}
		rules->rule = more;
		rules->room = room;
	}
	rule = &rules->rule[rules->n++];
	*rule = (struct dpi_rule){.file = r->file, .line = r->line};
	return rule;
}

int dpi_part_add(struct dpi_rule *rule, struct dpi_text regex, uint32_t flags)
{
	struct dpi_part *more;
	char *text;

	if (rule->n_parts == DPI_PARTS)
		return -E2BIG;
	more = reallocarray(rule->part, rule->n_parts + 1u, sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	rule->part = more;
	text = strndup(regex.at, regex.bytes);
	if (text == NULL)
		return -ENOMEM;
	rule->part[rule->n_parts++] =
		(struct dpi_part){.regex = text, .flags = flags, .max_end = UINT64_MAX};
	return 0;
}

void dpi_rule_clear(struct dpi_rule *rule)
{
	for (unsigned i = 0; i < rule->n_parts; i++)
		free(rule->part[i].regex);
	free(rule->part);
	free(rule->message);
	rule->part = NULL;
	rule->message = NULL;
	rule->n_parts = 0;
}

void dpi_rules_clear(struct dpi_rules *rules)
{
	for (uint32_t i = 0; i < rules->n; i++)
		dpi_rule_clear(&rules->rule[i]);
	for (uint32_t i = 0; i < rules->n_names; i++)
		free(rules->name[i]);
	free(rules->rule);
	free(rules->name);
	*rules = (struct dpi_rules){0};
}
