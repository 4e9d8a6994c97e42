/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf: load and free. Takes a file or a text and a schema; sets the caller's struct when all of
 * it was good, and leaves nothing behind when it was not.
 */
#include <weir/conf.h>

#include <stdlib.h>
#include <string.h>

#include "conf_priv.h"

/* Into a struct of our own first, so that the caller's is whole or untouched. */
static int load(struct conf_load *c, const char *text, size_t len,
		const struct weir_conf_schema *schema, void *out)
{
	const struct weir_conf_key root = {.type = WEIR_CONF_RECORD, .sub = schema};
	void *fresh = calloc(1, schema->size);
	int rc;

	if (fresh == NULL)
		return conf_no_memory(c->why, c->name);
	rc = conf_read(c, text, len, &root, fresh, NULL);
	if (rc == 0 && c->env != NULL)
		rc = conf_env_check_used(c->env, c->why);
	if (rc == 0)
		memcpy(out, fresh, schema->size);
	else
		weir_conf_free(schema, fresh);
	free(fresh);
	return rc;
}

int weir_conf_load_text(const char *name, const char *text, size_t len_bytes,
			const struct weir_conf_schema *schema,
			const struct weir_conf_options *options, void *out, struct weir_why *why)
{
	const char *prefix = options != NULL ? options->env_prefix : NULL;
	uint32_t items_left = WEIR_CONF_ITEMS_MAX;
	struct conf_env env = {0};
	struct conf_load c = {.name = name, .items_left = &items_left, .why = why};
	int rc;

	if (len_bytes > WEIR_CONF_FILE_MAX)
		return conf_too_large(why, name);
	rc = conf_text_check(why, name, text, len_bytes);
	if (rc == 0 && prefix != NULL) {
		c.env = &env;
		rc = conf_env_take(&env, prefix, why);
	}
	if (rc == 0)
		rc = load(&c, text, len_bytes, schema, out);
	conf_env_drop(&env);
	return rc;
}

int weir_conf_load_file(const char *path, const struct weir_conf_schema *schema,
			const struct weir_conf_options *options, void *out, struct weir_why *why)
{
	char *text;
	size_t len;
	int rc = conf_text_read(why, path, &text, &len);

	if (rc < 0)
		return rc;
	rc = weir_conf_load_text(path, text, len, schema, options, out, why);
	free(text);
	return rc;
}

static void free_values(const struct weir_conf_key *key, void *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (key->type == WEIR_CONF_RECORD) {
			char *record = (char *)values + i * key->sub->size;

			if (key->many == WEIR_CONF_MAP)
				free(*(char **)record);
			weir_conf_free(key->sub, record);
		} else if (key->type == WEIR_CONF_STRING) {
			free(((char **)values)[i]);
		}
	}
}

void weir_conf_free(const struct weir_conf_schema *schema, void *conf)
{
	if (conf == NULL)
		return;
	for (size_t i = 0; i < schema->n; i++) {
		const struct weir_conf_key *key = &schema->keys[i];
		void *member = (char *)conf + key->offset;

		if (key->many == WEIR_CONF_ONE) {
			free_values(key, member, 1);
		} else {
			struct weir_conf_list *list = member;

			free_values(key, list->items, list->n);
			free(list->items);
		}
	}
	memset(conf, 0, schema->size);
}
