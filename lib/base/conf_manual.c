/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf_manual: the reference manual of a schema, in Markdown. Takes nothing but the schema, so the
 * manual cannot say anything else than the loader does.
 */
#include <errno.h>
#include <string.h>

#include "conf_priv.h"

static void print_way(const struct conf_path *path, FILE *to)
{
	if (path->up != NULL)
		print_way(path->up, to);
	if (path->name == NULL)
		fputs("[]", to);
	else
		fprintf(to, "%s%s", path->up != NULL ? "." : "", path->name);
}

/* In a table's cell a bar ends the cell and a line's end the table. */
static void print_cell(const char *text, FILE *to)
{
	for (; *text != '\0'; text++) {
		if (*text == '|')
			fputs("\\|", to);
		else
			fputc(*text == '\n' ? ' ' : *text, to);
	}
}

static const char *type_name(const struct weir_conf_key *key)
{
	static const char *const names[] = {
		[WEIR_CONF_BOOL] = "boolean",  [WEIR_CONF_UINT] = "number",
		[WEIR_CONF_SIZE] = "size",     [WEIR_CONF_DURATION] = "duration",
		[WEIR_CONF_RATE] = "rate",     [WEIR_CONF_DOUBLE] = "fraction",
		[WEIR_CONF_STRING] = "text",   [WEIR_CONF_ENUM] = "word",
		[WEIR_CONF_MAC] = "MAC",       [WEIR_CONF_ADDR] = "address",
		[WEIR_CONF_PREFIX] = "prefix", [WEIR_CONF_RECORD] = "section",
	};

	return names[key->type];
}

static void print_type(const struct weir_conf_key *key, FILE *to)
{
	if (key->many == WEIR_CONF_LIST)
		fprintf(to, "list of %s%s", type_name(key), key->one_ok ? ", or one" : "");
	else if (key->many == WEIR_CONF_MAP)
		fprintf(to, "%s by name", type_name(key));
	else
		fputs(type_name(key), to);
}

static void print_default(const struct weir_conf_key *key, FILE *to)
{
	if (key->required) {
		fputs("required", to);
	} else if (key->def != NULL) {
		fputc('`', to);
		print_cell(key->def, to);
		fputc('`', to);
	}
}

static void print_allowed(const struct weir_conf_key *key, FILE *to)
{
	char bounds[CONF_BOUNDS];
	const char *between = "";

	if (key->type == WEIR_CONF_ENUM) {
		for (size_t i = 0; key->names[i] != NULL; i++)
			fprintf(to, "%s`%s`", i > 0 ? " " : "", key->names[i]);
		between = "; ";
	} else if (key->type != WEIR_CONF_RECORD && conf_bounds(key, bounds)[0] != '\0') {
		fputs(bounds, to);
		between = "; ";
	}
	if (key->max_items != 0)
		fprintf(to, "%s%zu to %zu items", between, key->min_items, key->max_items);
	else if (key->min_items != 0)
		fprintf(to, "%s%zu or more items", between, key->min_items);
}

static void print_table(const struct weir_conf_schema *schema, FILE *to)
{
	fputs("| Key | Type | Default | Allowed | Meaning |\n|---|---|---|---|---|\n", to);
	for (size_t i = 0; i < schema->n; i++) {
		const struct weir_conf_key *key = &schema->keys[i];

		fprintf(to, "| `%s` | ", key->name);
		print_type(key, to);
		fputs(" | ", to);
		print_default(key, to);
		fputs(" | ", to);
		print_allowed(key, to);
		fputs(" | ", to);
		print_cell(key->doc != NULL ? key->doc : "", to);
		fputs(" |\n", to);
	}
}

/* Whether the record is inside itself: then its section is there already. */
static bool is_above(const struct weir_conf_schema *schema,
		     const struct weir_conf_schema *const *above, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		if (above[i] == schema)
			return true;
	return false;
}

static void print_record(const struct weir_conf_schema *schema, const struct conf_path *path,
			 const struct weir_conf_schema **above, unsigned depth, FILE *to)
{
	if (depth == WEIR_CONF_DEPTH_MAX || is_above(schema, above, depth))
		return;
	above[depth] = schema;
	if (path == NULL) {
		fprintf(to, "# %s\n\n", schema->name);
	} else {
		fputs("\n## `", to);
		print_way(path, to);
		fputs("`\n\n", to);
	}
	if (schema->doc != NULL)
		fprintf(to, "%s\n\n", schema->doc);
	print_table(schema, to);
	for (size_t i = 0; i < schema->n; i++) {
		const struct weir_conf_key *key = &schema->keys[i];
		const struct conf_path step = {.up = path, .name = key->name};
		const struct conf_path inside = {
			.up = &step, .name = key->many == WEIR_CONF_MAP ? "NAME" : NULL};

		if (key->type == WEIR_CONF_RECORD)
			print_record(key->sub, key->many == WEIR_CONF_ONE ? &step : &inside, above,
				     depth + 1, to);
	}
}

int weir_conf_manual(const struct weir_conf_schema *schema, FILE *to)
{
	const struct weir_conf_schema *above[WEIR_CONF_DEPTH_MAX];

	print_record(schema, NULL, above, 0, to);
	return fflush(to) != 0 || ferror(to) ? -EIO : 0;
}
