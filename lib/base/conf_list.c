/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf_list: lists and maps. Takes the events of a sequence or of a mapping of names; appends items
 * to a struct weir_conf_list that is fit to be freed at any time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf_priv.h"

/* Make room for one more item, zeroed and counted, so that freeing sees it half-built. */
static int add_item(struct conf_load *c, const struct weir_conf_key *key,
		    struct weir_conf_list *list, const struct conf_path *path, char **item)
{
	const struct conf_where where = conf_here(c, path);
	const size_t size = conf_value_size(key);

	if (key->max_items != 0 && list->n == key->max_items)
		return conf_wrong(c->why, &where, "has more than %zu items, must have at most %zu",
				  key->max_items, key->max_items);
	if (*c->items_left == 0)
		return conf_wrong(c->why, &where,
				  "has one item too many, must be at most %u in the whole file",
				  WEIR_CONF_ITEMS_MAX);
	--*c->items_left;
	if ((list->n & (list->n - 1)) == 0) { /* full: 0, 1, 2, 4, 8 ... */
		void *more = reallocarray(list->items, list->n == 0 ? 1 : list->n * 2, size);

		if (more == NULL)
			return conf_no_memory(c->why, c->name);
		list->items = more;
	}
	*item = (char *)list->items + list->n * size;
	memset(*item, 0, size);
	list->n++;
	return 0;
}

static int check_items(struct conf_load *c, const struct weir_conf_key *key,
		       const struct weir_conf_list *list, const struct conf_where *where)
{
	if (list->n >= key->min_items)
		return 0;
	return conf_wrong(c->why, where, "has %zu items, must have %zu or more", list->n,
			  key->min_items);
}

static int bind_item(struct conf_load *c, const struct weir_conf_key *key,
		     struct weir_conf_list *list, const struct conf_path *path)
{
	const struct conf_path step = {.up = path, .index = list->n};
	char *item;
	int rc = add_item(c, key, list, path, &item);

	if (rc < 0)
		return rc;
	if (key->type == WEIR_CONF_RECORD)
		return conf_bind_record(c, key->sub, item, &step);
	return conf_bind_scalar(c, key, item, &step);
}

int conf_bind_list(struct conf_load *c, const struct weir_conf_key *key,
		   struct weir_conf_list *list, const struct conf_path *path)
{
	const struct conf_where where = conf_here(c, path);
	const yaml_event_type_t single = key->type == WEIR_CONF_RECORD ? YAML_MAPPING_START_EVENT
								       : YAML_SCALAR_EVENT;
	int rc;

	if (key->one_ok && c->event.type == single && !conf_event_is_null(&c->event)) {
		rc = bind_item(c, key, list, path);
		return rc < 0 ? rc : check_items(c, key, list, &where);
	}
	if (c->event.type != YAML_SEQUENCE_START_EVENT)
		return conf_wrong_kind(c, "a list", path);
	while ((rc = conf_next(c)) == 0 && c->event.type != YAML_SEQUENCE_END_EVENT) {
		rc = bind_item(c, key, list, path);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : check_items(c, key, list, &where);
}

/* The name of a map's item and where it was given, to find one that is given twice. */
struct named {
	const char *name;
	uint32_t line;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	const int order = strcmp(x->name, y->name);

	return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

/* Sorted instead of hashed: no key can make it slow. */
static int check_twice(struct conf_load *c, struct named *names, size_t n,
		       const struct conf_path *up)
{
	if (n > 1)
		qsort(names, n, sizeof(names[0]), compare_named);
	for (size_t i = 1; i < n; i++) {
		const struct conf_path path = {.up = up, .name = names[i].name};
		const struct conf_where where = {
			.source = c->name, .line = names[i].line, .path = &path};

		if (strcmp(names[i - 1].name, names[i].name) == 0)
			return conf_wrong(c->why, &where, "is given twice, first in line %u",
					  names[i - 1].line);
	}
	return 0;
}

/* A name is 1 to 255 bytes without blanks and control characters. */
static int take_name(struct conf_load *c, const struct conf_path *up, char **name)
{
	const struct conf_where where = conf_here(c, up);
	const yaml_event_t *e = &c->event;
	char shown[CONF_SHOWN];
	const char *text;
	bool good;

	if (e->type != YAML_SCALAR_EVENT)
		return conf_wrong(c->why, &where, "has %s for a name, must be a text",
				  conf_event_kind(c));
	text = (const char *)e->data.scalar.value;
	good = e->data.scalar.length >= 1 && e->data.scalar.length <= 255;
	for (size_t i = 0; good && i < e->data.scalar.length; i++)
		good = (unsigned char)text[i] > ' ' && text[i] != 0x7f;
	if (!good)
		return conf_wrong(c->why, &where,
				  "has the name %s, must be 1 to 255 bytes without blanks",
				  conf_show(text, e->data.scalar.length, shown));
	*name = strdup(text);
	return *name != NULL ? 0 : conf_no_memory(c->why, c->name);
}

/* The current event is the name of the next item; its struct begins with `char *name`. */
static int bind_named(struct conf_load *c, const struct weir_conf_key *key,
		      struct weir_conf_list *list, const struct conf_path *path)
{
	struct conf_path step = {.up = path};
	char *item;
	int rc = add_item(c, key, list, path, &item);

	if (rc == 0)
		rc = take_name(c, path, (char **)item);
	if (rc == 0)
		rc = conf_next(c);
	if (rc < 0)
		return rc;
	step.name = *(char **)item;
	return conf_bind_record(c, key->sub, item, &step);
}

int conf_bind_map(struct conf_load *c, const struct weir_conf_key *key, struct weir_conf_list *list,
		  const struct conf_path *path)
{
	const struct conf_where where = conf_here(c, path);
	struct named *names = NULL;
	int rc;

	if (c->event.type != YAML_MAPPING_START_EVENT)
		return conf_wrong_kind(c, "a section of names", path);
	while ((rc = conf_next(c)) == 0 && c->event.type != YAML_MAPPING_END_EVENT) {
		const size_t n = list->n;
		const uint32_t line = conf_event_line(c);

		rc = bind_named(c, key, list, path);
		if (rc < 0)
			break;
		if ((n & (n - 1)) == 0) {
			struct named *more =
				reallocarray(names, n == 0 ? 1 : n * 2, sizeof(names[0]));

			if (more == NULL) {
				rc = conf_no_memory(c->why, c->name);
				break;
			}
			names = more;
		}
		names[n] =
			(struct named){*(char **)((char *)list->items + n * key->sub->size), line};
	}
	if (rc == 0)
		rc = check_twice(c, names, list->n, path);
	free(names);
	return rc < 0 ? rc : check_items(c, key, list, &where);
}
