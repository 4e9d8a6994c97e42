/* SPDX-License-Identifier: BSD-3-Clause */

/* Sets of addresses on the control socket: how full, what is in them, changes. */

#include "fw_ctl_priv.h"
#include "fw_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/clock.h>
#include <weir/error.h>

#include "app/app_priv.h"
#include "app/app_show_priv.h"

/* Entries of a set in one answer; more are asked for in parts. */
#define ENTRIES_MAX   100000
#define TIMEOUT_MAX_S (365 * 86400)

static int find_set(struct weir_run *run, const char *name, struct weir_set **out,
		    struct weir_why *why)
{
	size_t n;
	struct fw_set *const *sets = fw_sets(run->fw, &n);
	struct fw_set *s = name == NULL ? NULL : fw_set_find(sets, n, name);

	if (s == NULL)
		return weir_why(why, -ENOENT, "set: there is no set \"%s\"",
				name == NULL ? "" : name);
	*out = s->set;
	return 0;
}

int fw_ctl_sets(void *ctx, const struct weir_ctl_request *rq, json_t **reply, struct weir_why *why)
{
	struct weir_run *run = ctx;
	size_t n;
	struct fw_set *const *sets = fw_sets(run->fw, &n);
	const int rc = app_args(rq, why, "{}");

	if (rc < 0)
		return rc;
	*reply = json_array();
	for (size_t i = 0; i < n; i++) {
		struct weir_set_stats st;

		weir_set_expire(sets[i]->set, fw_now_s(run));
		weir_set_stats(sets[i]->set, &st);
		json_array_append_new(*reply, json_pack("{s:s, s:i, s:i, s:I}", "name",
							weir_set_name(sets[i]->set), "entries",
							(int)st.entries, "max", (int)st.max,
							"bytes", (json_int_t)st.bytes));
	}
	return 0;
}

struct entry_list {
	json_t *out;
	uint32_t now_s;
	json_int_t skip, left;
};

static int list_entry(void *ctx, const struct weir_prefix *prefix, uint32_t until_s)
{
	struct entry_list *list = ctx;
	char text[WEIR_PREFIX_TEXT];
	json_t *j;

	if (until_s <= list->now_s)
		return 0; /* has ended */
	if (list->skip > 0) {
		list->skip--;
		return 0;
	}
	if (list->left-- == 0)
		return 1;
	j = json_pack("{s:s}", "prefix", weir_prefix_format(prefix, text));
	if (until_s != WEIR_SET_FOREVER)
		json_object_set_new(j, "left_s", json_integer(until_s - list->now_s - 1));
	return json_array_append_new(list->out, j);
}

int fw_ctl_set_list(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		    struct weir_why *why)
{
	struct weir_run *run = ctx;
	struct entry_list list = {.now_s = fw_now_s(run), .left = ENTRIES_MAX};
	struct weir_set *set;
	const char *name = NULL;
	int rc = app_args(rq, why, "{s?s, s?I, s?I}", "name", &name, "skip", &list.skip, "limit",
			  &list.left);

	if (rc == 0 && (list.skip < 0 || list.left < 1 || list.left > ENTRIES_MAX))
		rc = weir_why(why, -ERANGE, "set list: skip must be 0 or more, limit 1 to %d",
			      ENTRIES_MAX);
	if (rc == 0)
		rc = find_set(run, name, &set, why);
	if (rc < 0)
		return rc;
	list.out = json_array();
	*reply = list.out;
	return weir_set_each(set, list_entry, &list) < 0
		       ? weir_why(why, -ENOMEM, "set list: out of memory")
		       : 0;
}

/* An entry as a file has it, with a timeout of its own or not. */
static int parse_entry(const json_t *j, struct weir_prefix *out, uint32_t *timeout_s,
		       struct weir_why *why)
{
	const char *text = json_string_value(j);
	struct weir_why wrong = {""};

	if (text == NULL)
		return weir_why(why, -EINVAL, "set: entries must be strings");
	if (weir_set_parse(text, strlen(text), out, timeout_s, &wrong) < 0)
		return weir_why(why, -EINVAL, "set: %s", wrong.text);
	if (out->addr.family == 0)
		return weir_why(why, -EINVAL, "set: an entry is empty");
	return 0;
}

struct entry {
	struct weir_prefix prefix;
	uint32_t timeout_s; /* 0: none of its own */
};

/* What a request about entries says. */
struct change {
	struct weir_set *set;
	const char *name;
	struct entry *entry; /* n, to be freed */
	size_t n;
	json_int_t timeout_s; /* of entries without one; 0: none */
};

/* All of them before anything is changed. */
static int parse_entries(json_t *entries, struct change *c, struct weir_why *why)
{
	json_t *j;
	size_t i;

	if (!json_is_array(entries) || json_array_size(entries) == 0)
		return weir_why(why, -EINVAL, "set: entries must be a list of prefixes");
	c->n = json_array_size(entries);
	c->entry = calloc(c->n, sizeof(*c->entry));
	if (c->entry == NULL)
		return weir_why(why, -ENOMEM, "set: out of memory");
	json_array_foreach (entries, i, j) {
		const int rc = parse_entry(j, &c->entry[i].prefix, &c->entry[i].timeout_s, why);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Whatever it says, c->entry is to be freed. */
static int read_change(struct weir_run *run, const struct weir_ctl_request *rq, struct change *c,
		       struct weir_why *why)
{
	json_t *entries = NULL;
	int rc;

	*c = (struct change){.set = NULL};
	rc = app_args(rq, why, "{s?s, s?o, s?I}", "name", &c->name, "entries", &entries,
		      "timeout_s", &c->timeout_s);
	if (rc == 0 && (c->timeout_s < 0 || c->timeout_s > TIMEOUT_MAX_S))
		rc = weir_why(why, -ERANGE, "set: timeout must be 0 to 365 days");
	if (rc == 0)
		rc = find_set(run, c->name, &c->set, why);
	return rc == 0 ? parse_entries(entries, c, why) : rc;
}

static int add_entries(const struct change *c, const struct weir_run *run, struct weir_why *why)
{
	const uint32_t next_s = fw_next_s(run);

	weir_set_expire(c->set, fw_now_s(run)); /* what has ended makes room */
	for (size_t i = 0; i < c->n; i++) {
		const struct entry *e = &c->entry[i];
		const uint32_t timeout_s = e->timeout_s == 0 ? (uint32_t)c->timeout_s
							     : e->timeout_s;
		const int rc = weir_set_add(c->set, &e->prefix,
					    timeout_s == 0 ? WEIR_SET_FOREVER : next_s + timeout_s);

		if (rc < 0)
			return weir_why(why, rc, "set %s is full: %zu of %zu were added", c->name,
					i, c->n);
	}
	return 0;
}

int fw_ctl_set_add(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		   struct weir_why *why)
{
	struct weir_run *run = ctx;
	struct change c;
	int rc = read_change(run, rq, &c, why);

	if (rc == 0) {
		fw_push_before_set(run->fw, c.set);
		rc = add_entries(&c, run, why);
	}
	if (rc == 0)
		*reply = json_pack("{s:I}", "added", (json_int_t)c.n);
	free(c.entry);
	return rc;
}

int fw_ctl_set_del(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		   struct weir_why *why)
{
	struct weir_run *run = ctx;
	struct change c;
	const int rc = read_change(run, rq, &c, why);
	size_t done = 0;

	if (rc == 0) {
		fw_push_before_set(run->fw, c.set);
		for (size_t i = 0; i < c.n; i++)
			done += weir_set_del(c.set, &c.entry[i].prefix) == 0;
		*reply = json_pack("{s:I, s:I}", "deleted", (json_int_t)done, "missing",
				   (json_int_t)(c.n - done));
	}
	free(c.entry);
	return rc;
}

int fw_ctl_set_flush(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		     struct weir_why *why)
{
	struct weir_set *set;
	const char *name = NULL;
	int rc = app_args(rq, why, "{s?s}", "name", &name);

	if (rc == 0)
		rc = find_set(ctx, name, &set, why);
	if (rc < 0)
		return rc;
	fw_push_before_set(((struct weir_run *)ctx)->fw, set);
	weir_set_flush(set);
	*reply = json_object();
	return 0;
}
