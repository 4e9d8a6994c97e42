/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf_bind: values and records. Takes the events beside the schema and sets members as it goes;
 * there is no tree. What the schema does not expect ends the walk at once, so a hostile text is
 * never read deeper than the schema is.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf_priv.h"

/* One value from any source: the file, a default, the environment. */
static int bind_text(struct conf_load *c, const struct weir_conf_key *key, const char *text,
		     size_t len, void *out, const struct conf_where *where)
{
	char shown[CONF_SHOWN], allowed[CONF_ALLOWED];
	const int rc = conf_value_parse(key, text, len, out);

	if (rc == 0)
		return 0;
	if (rc == -ENOMEM)
		return conf_no_memory(c->why, c->name);
	conf_wrong(c->why, where, "is %s, must be %s", conf_show(text, len, shown),
		   conf_allowed(key, rc, allowed));
	return -EINVAL;
}

int conf_bind_scalar(struct conf_load *c, const struct weir_conf_key *key, void *out,
		     const struct conf_path *path)
{
	const struct conf_where where = conf_here(c, path);
	const yaml_event_t *e = &c->event;
	char allowed[CONF_ALLOWED];

	if (e->type != YAML_SCALAR_EVENT || conf_event_is_null(e))
		return conf_wrong_kind(c, conf_allowed(key, -EINVAL, allowed), path);
	return bind_text(c, key, (const char *)e->data.scalar.value, e->data.scalar.length, out,
			 &where);
}

/* If a variable sets this value, it does so over the file. @p set tells. */
static int bind_env(struct conf_load *c, const struct weir_conf_key *key, void *out,
		    const struct conf_path *path, bool *set)
{
	const struct conf_var *v = conf_env_find(c->env, path);
	struct conf_where where = {.path = path};
	char name[128];
	int rc;

	*set = v != NULL;
	if (v == NULL)
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)(v->name_len < 127 ? v->name_len : 127), v->name);
	where.source = name;
	rc = conf_text_check(c->why, name, v->value, strlen(v->value));
	return rc < 0 ? rc : bind_text(c, key, v->value, strlen(v->value), out, &where);
}

static int fill_absent(struct conf_load *c, const struct weir_conf_schema *schema, char *record,
		       const uint32_t *lines, const struct conf_where *where, bool demanded);

/* A list or a map that was not given, by its default, which is YAML. */
static int fill_list(struct conf_load *c, const struct weir_conf_key *key, void *out,
		     const struct conf_path *path)
{
	struct conf_load d = {.name = "default",
			      .is_default = true,
			      .depth = c->depth,
			      .items_left = c->items_left,
			      .why = c->why};

	return conf_read(&d, key->def, strlen(key->def), key, out, path);
}

/* A key that was not given. @p where names it, with the line of its record. */
static int fill_key(struct conf_load *c, const struct weir_conf_key *key, void *out,
		    const struct conf_where *where, bool demanded)
{
	static const uint32_t none[WEIR_CONF_KEYS_MAX];
	const bool section = key->type == WEIR_CONF_RECORD && key->many == WEIR_CONF_ONE;
	const struct conf_where def = {.source = "default", .path = where->path};
	char allowed[CONF_ALLOWED];
	bool set = false;
	int rc = 0;

	if (section)
		set = conf_env_reaches(c->env, where->path);
	else if (key->many == WEIR_CONF_ONE)
		rc = bind_env(c, key, out, where->path, &set);
	if (rc < 0 || (set && !section))
		return rc;
	if (key->required && demanded && !set)
		return conf_wrong(c->why, where, "is missing, must be %s",
				  key->many == WEIR_CONF_LIST ? "a list"
				  : key->many == WEIR_CONF_MAP
					  ? "a section of names"
					  : conf_allowed(key, -EINVAL, allowed));
	if (section)
		return fill_absent(c, key->sub, out, none, where, set);
	if (key->def == NULL)
		return 0;
	if (key->many != WEIR_CONF_ONE)
		return fill_list(c, key, out, where->path);
	return bind_text(c, key, key->def, strlen(key->def), out, &def);
}

/*
 * Set the keys that have no line. Required ones are demanded of a record that is there, not of one
 * that was left out whole.
 */
static int fill_absent(struct conf_load *c, const struct weir_conf_schema *schema, char *record,
		       const uint32_t *lines, const struct conf_where *where, bool demanded)
{
	int rc = 0;

	for (size_t i = 0; i < schema->n && rc == 0; i++) {
		const struct weir_conf_key *key = &schema->keys[i];
		const struct conf_path path = {.up = where->path, .name = key->name};
		const struct conf_where step = {where->source, where->line, &path};
		const size_t width = key->many == WEIR_CONF_ONE ? conf_value_size(key)
								: sizeof(struct weir_conf_list);

		assert(key->width == width); /* else the member's type is not the key's */
		if (lines[i] == 0)
			rc = fill_key(c, key, record + key->offset, &step, demanded);
	}
	return rc;
}

int conf_fill_root(struct conf_load *c, const struct weir_conf_key *root, void *out)
{
	static const uint32_t none[WEIR_CONF_KEYS_MAX];
	const struct conf_where where = {.source = c->name, .line = 1};

	return fill_absent(c, root->sub, out, none, &where, true);
}

static int unknown_key(struct conf_load *c, const struct weir_conf_schema *schema,
		       const struct conf_path *up)
{
	const char *text = (const char *)c->event.data.scalar.value;
	const struct conf_path path = {.up = up, .name = text};
	const struct conf_where where = conf_here(c, &path);
	const char *near = conf_nearest(schema, text, c->event.data.scalar.length);
	char known[CONF_ALLOWED] = "";
	size_t used = 0;

	if (near != NULL)
		return conf_wrong(c->why, &where, "is not a key, did you mean %s?", near);
	for (size_t i = 0; i < schema->n && used < sizeof(known) - 1; i++) {
		const char *before = i == 0 ? "" : i + 1 == schema->n ? " or " : ", ";
		const int n = snprintf(known + used, sizeof(known) - used, "%s%s", before,
				       schema->keys[i].name);

		used += n > 0 ? (size_t)n : 0;
	}
	return conf_wrong(c->why, &where, "is not a key, must be %s", known);
}

/* The current event as a key of the record. */
static int find_key(struct conf_load *c, const struct weir_conf_schema *schema,
		    const struct conf_path *up, const uint32_t *lines, size_t *found)
{
	const struct conf_where where = conf_here(c, up);
	const char *text;

	if (c->event.type != YAML_SCALAR_EVENT)
		return conf_wrong(c->why, &where, "has %s for a key, must be a name",
				  conf_event_kind(c));
	text = (const char *)c->event.data.scalar.value;
	for (size_t i = 0; i < schema->n; i++) {
		const struct conf_path path = {.up = up, .name = schema->keys[i].name};
		const struct conf_where key = conf_here(c, &path);

		if (strcmp(schema->keys[i].name, text) != 0)
			continue;
		if (lines[i] != 0)
			return conf_wrong(c->why, &key, "is given twice, first in line %u",
					  lines[i]);
		*found = i;
		return 0;
	}
	return unknown_key(c, schema, up);
}

/* The current event begins a mapping. */
int conf_bind_record(struct conf_load *c, const struct weir_conf_schema *schema, void *out,
		     const struct conf_path *path)
{
	uint32_t lines[WEIR_CONF_KEYS_MAX] = {0}; /* where each key was given */
	const struct conf_where where = conf_here(c, path);
	char *record = out;
	int rc;

	assert(schema->n <= WEIR_CONF_KEYS_MAX);
	if (c->event.type != YAML_MAPPING_START_EVENT)
		return conf_wrong_kind(c, "a section", path);
	if (c->depth == WEIR_CONF_DEPTH_MAX)
		return conf_wrong(c->why, &where, "is nested too deep, must be at most %d deep",
				  WEIR_CONF_DEPTH_MAX);
	c->depth++;
	if (schema->at_past != 0)
		((struct weir_conf_at *)(record + schema->at_past))[-1].line =
			c->is_default ? 0 : where.line;
	while ((rc = conf_next(c)) == 0 && c->event.type != YAML_MAPPING_END_EVENT) {
		size_t i = 0;
		struct conf_path step = {.up = path};

		rc = find_key(c, schema, path, lines, &i);
		if (rc < 0)
			return rc;
		lines[i] = conf_event_line(c);
		step.name = schema->keys[i].name;
		rc = conf_next(c);
		if (rc == 0)
			rc = conf_bind(c, &schema->keys[i], record + schema->keys[i].offset, &step);
		if (rc < 0)
			return rc;
	}
	if (rc == 0)
		rc = fill_absent(c, schema, record, lines, &where, true);
	c->depth--;
	return rc;
}

/* The current event begins the value of a key. */
int conf_bind(struct conf_load *c, const struct weir_conf_key *key, void *out,
	      const struct conf_path *path)
{
	bool set;
	int rc;

	if (key->many == WEIR_CONF_LIST)
		return conf_bind_list(c, key, out, path);
	if (key->many == WEIR_CONF_MAP)
		return conf_bind_map(c, key, out, path);
	if (key->type == WEIR_CONF_RECORD)
		return conf_bind_record(c, key->sub, out, path);
	rc = conf_bind_scalar(c, key, out, path);
	return rc < 0 ? rc : bind_env(c, key, out, path, &set);
}
