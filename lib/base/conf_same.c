/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf_same: what a reload may not change. Takes two loaded structs of a schema and names the first
 * key below a fixed one whose value differs, but for live ones.
 */
#include <stdio.h>
#include <string.h>

#include "conf_priv.h"

/* Where the walk is; the name of what differs is written when it is found. */
struct walk {
	char *path; /* WEIR_CONF_PATH */
	size_t len;
};

static bool text_differs(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

static bool record_differs(struct walk *w, const struct weir_conf_schema *schema, const char *a,
			   const char *b);

static bool value_differs(struct walk *w, const struct weir_conf_key *key, const char *a,
			  const char *b)
{
	switch (key->type) {
	case WEIR_CONF_RECORD:
		return (key->many == WEIR_CONF_MAP &&
			text_differs(*(char *const *)(const void *)a,
				     *(char *const *)(const void *)b)) ||
		       record_differs(w, key->sub, a, b);
	case WEIR_CONF_STRING:
		return text_differs(*(char *const *)(const void *)a,
				    *(char *const *)(const void *)b);
	default: /* numbers, and structs of bytes alone: no padding */
		return memcmp(a, b, conf_value_size(key)) != 0;
	}
}

static bool member_differs(struct walk *w, const struct weir_conf_key *key, const char *a,
			   const char *b)
{
	const size_t size = key->type == WEIR_CONF_RECORD ? key->sub->size : conf_value_size(key);
	const struct weir_conf_list *x = (const void *)a, *y = (const void *)b;

	if (key->many == WEIR_CONF_ONE)
		return value_differs(w, key, a, b);
	if (x->n != y->n)
		return true;
	for (size_t i = 0; i < x->n; i++)
		if (value_differs(w, key, (const char *)x->items + i * size,
				  (const char *)y->items + i * size))
			return true;
	return false;
}

static bool key_differs(struct walk *w, const struct weir_conf_key *key, const char *a,
			const char *b)
{
	const size_t len = w->len;
	const int n = snprintf(w->path + len, WEIR_CONF_PATH - len, "%s%s", len > 0 ? "." : "",
			       key->name);

	w->len = len + (size_t)n < WEIR_CONF_PATH ? len + (size_t)n : WEIR_CONF_PATH - 1;
	if (member_differs(w, key, a + key->offset, b + key->offset))
		return true;
	w->len = len;
	w->path[len] = '\0';
	return false;
}

static bool record_differs(struct walk *w, const struct weir_conf_schema *schema, const char *a,
			   const char *b)
{
	for (size_t i = 0; i < schema->n; i++)
		if (!schema->keys[i].live && key_differs(w, &schema->keys[i], a, b))
			return true;
	return false;
}

bool weir_conf_differs(const struct weir_conf_schema *schema, const void *a, const void *b,
		       char path[WEIR_CONF_PATH])
{
	struct walk w = {.path = path};

	path[0] = '\0';
	for (size_t i = 0; i < schema->n; i++)
		if (schema->keys[i].fixed && key_differs(&w, &schema->keys[i], a, b))
			return true;
	return false;
}
