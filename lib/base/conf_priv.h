/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the parts of conf share: the state of one load, the way from the root to a value, and the
 * single values. From the outside in: conf.c loads and frees, conf_yaml.c takes libyaml's events,
 * conf_bind.c sets records by them and conf_list.c lists and maps, conf_value.c knows the types.
 * Beside them conf_text.c knows characters, conf_error.c sentences, conf_env.c the environment, and
 * conf_print.c and conf_manual.c write. conf_same.c compares.
 */

#include <stdbool.h>
#include <yaml.h>

#include <weir/conf.h>

/* One step from the root to a value; lives on the stack of the walk. */
struct conf_path {
	const struct conf_path *up; /* NULL: the root */
	const char *name;	    /* NULL: an item of a list */
	size_t index;		    /* of the item, from 0 */
};

/* Where a value comes from: what an error begins with. */
struct conf_where {
	const char *source; /* the file, or the variable */
	uint32_t line;	    /* 0: none */
	const struct conf_path *path;
};

/* A variable of the environment that begins with the prefix. */
struct conf_var {
	const char *name;  /* whole: WEIR_RUNTIME__BURST, not terminated here */
	size_t prefix_len; /* WEIR_ */
	size_t name_len;   /* up to the equals sign */
	const char *value;
	bool used;
};

struct conf_env {
	struct conf_var *vars;
	size_t n;
};

/* One load of one text. */
struct conf_load {
	const char *name; /* of the file, for errors */
	yaml_parser_t parser;
	yaml_event_t event;   /* the current one */
	struct conf_env *env; /* NULL: the environment is not asked */
	bool is_default;      /* the text is a default of the schema */
	unsigned depth;	      /* records that we are in */
	uint32_t *items_left; /* of WEIR_CONF_ITEMS_MAX */
	struct weir_why *why;
};

/* conf_error.c */
/* "SOURCE:LINE: PATH sentence". Returns -EINVAL. */
int conf_wrong(struct weir_why *why, const struct conf_where *where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Returns -ENOMEM. */
int conf_no_memory(struct weir_why *why, const char *source);
/* Text as an error shows it: short, and quoted unless it is a plain word. Returns @p shown. */
#define CONF_SHOWN 64
const char *conf_show(const char *text, size_t len, char shown[CONF_SHOWN]);
/* The key's name that is nearest to the text, or NULL if none is near. */
const char *conf_nearest(const struct weir_conf_schema *schema, const char *text, size_t len);

/* conf_text.c */
/* Whether the character may stand in YAML as it is. */
bool conf_may_stand(uint32_t c);
/* Refuse what is not UTF-8 or holds characters that may not stand. */
int conf_text_check(struct weir_why *why, const char *source, const char *text, size_t len);
/* Returns -EFBIG. */
int conf_too_large(struct weir_why *why, const char *source);
/* Read a file whole. @p text is malloc'd. */
int conf_text_read(struct weir_why *why, const char *path, char **text, size_t *len);

/* conf_value.c */
/* Bytes of the C type of one value. */
size_t conf_value_size(const struct weir_conf_key *key);
/* Parse one value that is not a record. 0, -EINVAL, -ERANGE, -ENOMEM. */
int conf_value_parse(const struct weir_conf_key *key, const char *text, size_t len, void *out);
/* Write one value that is not a record, as YAML. */
void conf_value_print(const struct weir_conf_key *key, const void *value, FILE *to);
/* Write text in double quotes with YAML's escapes. */
void conf_text_print(const char *text, FILE *to);
/* What is allowed, to follow "must be". @p rc is what parsing said. Returns @p text. */
#define CONF_ALLOWED 256
const char *conf_allowed(const struct weir_conf_key *key, int rc, char text[CONF_ALLOWED]);
/* Only the bounds: "1 to 512", "at most 4KiB"; empty if there are none. Returns @p text. */
#define CONF_BOUNDS 160
const char *conf_bounds(const struct weir_conf_key *key, char text[CONF_BOUNDS]);

/* conf_yaml.c */
/* Bind one text, a file or a list's default, to a key. 0, -EINVAL or -ENOMEM, as below. */
int conf_read(struct conf_load *c, const char *text, size_t len, const struct weir_conf_key *key,
	      void *out, const struct conf_path *path);
/* Make the next event the current one. */
int conf_next(struct conf_load *c);
uint32_t conf_event_line(const struct conf_load *c);
/* What the current event is, after "is". */
const char *conf_event_kind(const struct conf_load *c);
/* Nothing behind the colon, or a word for it. In quotes it would be text. */
bool conf_event_is_null(const yaml_event_t *e);
/* A value at the current event. */
struct conf_where conf_here(const struct conf_load *c, const struct conf_path *path);
/* The current event is of another kind than the key wants. Returns -EINVAL. */
int conf_wrong_kind(struct conf_load *c, const char *wanted, const struct conf_path *path);

/* conf_bind.c and conf_list.c: the current event begins a value of that kind. */
int conf_bind(struct conf_load *c, const struct weir_conf_key *key, void *out,
	      const struct conf_path *path);
int conf_bind_scalar(struct conf_load *c, const struct weir_conf_key *key, void *out,
		     const struct conf_path *path);
int conf_bind_record(struct conf_load *c, const struct weir_conf_schema *schema, void *out,
		     const struct conf_path *path);
int conf_bind_list(struct conf_load *c, const struct weir_conf_key *key,
		   struct weir_conf_list *list, const struct conf_path *path);
int conf_bind_map(struct conf_load *c, const struct weir_conf_key *key, struct weir_conf_list *list,
		  const struct conf_path *path);
/* The file holds no value at all: every key at its default. */
int conf_fill_root(struct conf_load *c, const struct weir_conf_key *root, void *out);

/* conf_env.c */
int conf_env_take(struct conf_env *env, const char *prefix, struct weir_why *why);
void conf_env_drop(struct conf_env *env);
/* The variable that sets this value, marked as used, or NULL. */
const struct conf_var *conf_env_find(const struct conf_env *env, const struct conf_path *path);
/* Whether a variable sets something inside this record. */
bool conf_env_reaches(const struct conf_env *env, const struct conf_path *path);
/* Refuse variables that look like keys and were not used. */
int conf_env_check_used(const struct conf_env *env, struct weir_why *why);
