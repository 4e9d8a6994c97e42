/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Entries of an address set as text: a line, and a file of them. A file is read to its end and all
 * its lines are judged, and whether they fit, before the set is touched.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/units.h>

#include "set_priv.h"

#define SECOND_NS UINT64_C(1000000000)

/* Of a wrong line, what is shown of a word. */
#define SHOWN 60

/* Room for a line of a file with its NUL: entries are short, comments may be long. */
#define LINE_MAX_BYTES 4096

struct word {
	const char *text;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of what is left; its length is 0 at the end. */
static struct word take_word(const char **at, const char *end)
{
	struct word w;

	while (*at < end && is_blank(**at))
		(*at)++;
	w.text = *at;
	while (*at < end && !is_blank(**at))
		(*at)++;
	w.len = (size_t)(*at - w.text);
	return w;
}

static bool is_word(struct word w, const char *text)
{
	return w.len == strlen(text) && memcmp(w.text, text, w.len) == 0;
}

/* Precision and text of a "%.*s", so that text from outside is cut. */
#define SHOW(w) (int)((w).len < SHOWN ? (w).len : SHOWN), (w).text

static int take_prefix(struct word w, struct weir_prefix *out, struct weir_why *why)
{
	int rc = weir_prefix_parse(w.text, w.len, out);

	if (rc == -EINVAL && weir_addr_parse(w.text, w.len, &out->addr) == 0) {
		out->length = out->addr.family == 4 ? 32 : 128;
		rc = 0;
	}
	if (rc == -ERANGE)
		return weir_why(why, -EINVAL, "%.*s: the length of its prefix is too large",
				SHOW(w));
	if (rc < 0)
		return weir_why(why, -EINVAL, "%.*s is no address and no prefix", SHOW(w));
	*out = weir_prefix_network(out);
	return 0;
}

static int take_timeout(const char **at, const char *end, uint32_t *out_s, struct weir_why *why)
{
	const struct word w = take_word(at, end);
	uint64_t ns;

	if (w.len == 0)
		return weir_why(why, -EINVAL, "timeout of how long? For example: timeout 10m");
	if (weir_parse_duration(w.text, w.len, &ns) < 0)
		return weir_why(why, -EINVAL, "timeout %.*s is no duration, such as 90s or 10m",
				SHOW(w));
	if (ns < SECOND_NS || ns / SECOND_NS >= WEIR_SET_FOREVER)
		return weir_why(why, -EINVAL, "timeout %.*s is out of range, must be 1s or more",
				SHOW(w));
	*out_s = (uint32_t)(ns / SECOND_NS);
	return 0;
}

int weir_set_parse(const char *text, size_t len_bytes, struct weir_prefix *out, uint32_t *timeout_s,
		   struct weir_why *why)
{
	const char *hash, *end;
	struct weir_prefix prefix = {0};
	uint32_t timeout = 0;
	struct word w;
	int rc = 0;

	if (len_bytes == 0)
		text = ""; /* NULL is none, too */
	hash = memchr(text, '#', len_bytes);
	end = hash != NULL ? hash : text + len_bytes;
	w = take_word(&text, end);
	if (w.len > 0) {
		rc = take_prefix(w, &prefix, why);
		w = take_word(&text, end);
	}
	if (rc == 0 && is_word(w, "timeout")) {
		rc = take_timeout(&text, end, &timeout, why);
		w = take_word(&text, end);
	}
	if (rc == 0 && w.len > 0)
		rc = weir_why(why, -EINVAL, "%.*s is too much: an entry is PREFIX [timeout TIME]",
			      SHOW(w));
	if (rc < 0)
		return rc;
	*out = prefix;
	*timeout_s = timeout;
	return 0;
}

/* An entry of a file. */
struct item {
	struct weir_prefix prefix;
	uint32_t timeout_s;
	uint32_t line;
};

struct items {
	struct item *at;
	size_t n, room;
};

static int append(struct items *items, const struct item *item)
{
	if (items->n == items->room) {
		const size_t room = items->room > 0 ? 2 * items->room : 1024;
		struct item *at = reallocarray(items->at, room, sizeof(*at));

		if (at == NULL)
			return -ENOMEM;
		items->at = at;
		items->room = room;
	}
	items->at[items->n++] = *item;
	return 0;
}

/* The next line without its end into LINE_MAX_BYTES; 1, 0 at the end of the file, or an error. */
static int read_line(FILE *f, char *text, size_t *len)
{
	errno = 0;
	if (fgets(text, LINE_MAX_BYTES, f) == NULL)
		return ferror(f) ? -errno : 0;
	*len = strlen(text);
	if (*len > 0 && text[*len - 1] == '\n')
		(*len)--;
	else if (!feof(f))
		return -E2BIG;
	return 1;
}

static int read_items(FILE *f, const char *path, struct items *items, struct weir_why *why)
{
	struct item item = {.line = 1};
	char text[LINE_MAX_BYTES];
	struct weir_why wrong;
	size_t len = 0;
	int rc;

	for (; (rc = read_line(f, text, &len)) > 0; item.line++) {
		rc = weir_set_parse(text, len, &item.prefix, &item.timeout_s, &wrong);
		if (rc < 0)
			return weir_why(why, rc, "%s:%u: %s", path, item.line, wrong.text);
		if (item.prefix.addr.family == 0)
			continue;
		rc = append(items, &item);
		if (rc < 0)
			return weir_why(why, rc, "%s: out of memory", path);
	}
	if (rc == -E2BIG)
		return weir_why(why, -EINVAL, "%s:%u: a line of text has fewer than %d bytes", path,
				item.line, LINE_MAX_BYTES - 1);
	if (rc < 0)
		return weir_why(why, rc, "%s: cannot be read: %s", path, strerror(-rc));
	return 0;
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	const int by_prefix = memcmp(&x->prefix, &y->prefix, sizeof(x->prefix));

	return by_prefix != 0 ? by_prefix : (x->line > y->line) - (x->line < y->line);
}

/* Of the lines for a prefix only the last one. */
static void keep_last(struct items *items)
{
	size_t n = 0;

	if (items->n > 0)
		qsort(items->at, items->n, sizeof(*items->at), compare_items);
	for (size_t i = 0; i < items->n; i++)
		if (i + 1 == items->n || memcmp(&items->at[i].prefix, &items->at[i + 1].prefix,
						sizeof(items->at[i].prefix)) != 0)
			items->at[n++] = items->at[i];
	items->n = n;
}

static int add_items(struct weir_set *s, const char *path, const struct items *items,
		     uint32_t now_s, struct weir_why *why)
{
	uint64_t entries = s->entries;
	int rc = 0;

	for (size_t i = 0; i < items->n; i++)
		entries += !set_has(s, &items->at[i].prefix);
	if (entries > s->max)
		return weir_why(
			why, -ENOSPC,
			"%s: set %s would have %llu entries, but has room for %u; raise its "
			"entries",
			path, s->name, (unsigned long long)entries, s->max);
	for (size_t i = 0; i < items->n && rc == 0; i++) {
		const uint32_t timeout_s = items->at[i].timeout_s;
		uint32_t until_s = WEIR_SET_FOREVER;

		if (timeout_s > 0 && timeout_s < WEIR_SET_FOREVER - now_s)
			until_s = now_s + timeout_s;
		rc = weir_set_add(s, &items->at[i].prefix, until_s);
	}
	return rc; /* there is room, so it is 0 */
}

int weir_set_load_file(struct weir_set *s, const char *path, uint32_t now_s, struct weir_why *why)
{
	struct items items = {0};
	FILE *f = fopen(path, "re");
	int rc;

	if (f == NULL)
		return weir_why(why, -errno, "%s: cannot be opened: %s", path, strerror(errno));
	rc = read_items(f, path, &items, why);
	fclose(f);
	if (rc == 0) {
		keep_last(&items);
		rc = add_items(s, path, &items, now_s, why);
	}
	free(items.at);
	return rc;
}
