/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf_env: values from the environment. Holds the variables that begin with the prefix; says which
 * one sets a value, and at the end which one set none. They are few, so a plain array will do.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_priv.h"

#define ENV_NAME_MAX 256

int conf_env_take(struct conf_env *env, const char *prefix, struct weir_why *why)
{
	const size_t prefix_len = strlen(prefix);
	size_t n = 0;

	for (char **e = environ; e != NULL && *e != NULL; e++)
		n += strncmp(*e, prefix, prefix_len) == 0;
	if (n == 0)
		return 0;
	env->vars = calloc(n, sizeof(env->vars[0]));
	if (env->vars == NULL)
		return conf_no_memory(why, "environment");
	for (char **e = environ; *e != NULL && env->n < n; e++) {
		const char *equals = strchr(*e, '=');

		if (strncmp(*e, prefix, prefix_len) != 0 || equals == NULL)
			continue;
		env->vars[env->n++] = (struct conf_var){.name = *e,
							.prefix_len = prefix_len,
							.name_len = (size_t)(equals - *e),
							.value = equals + 1};
	}
	return 0;
}

void conf_env_drop(struct conf_env *env)
{
	free(env->vars);
}

/* RUNTIME__BURST for runtime.burst. Returns its length, 0 if no variable can be called so. */
static size_t env_name(const struct conf_path *path, char name[ENV_NAME_MAX])
{
	size_t used = 0;

	if (path == NULL || path->name == NULL)
		return 0;
	if (path->up != NULL) {
		used = env_name(path->up, name);
		if (used == 0 || used + 2 >= ENV_NAME_MAX)
			return 0;
		name[used++] = '_';
		name[used++] = '_';
	}
	for (const char *c = path->name; *c != '\0'; c++) {
		if (used == ENV_NAME_MAX)
			return 0;
		name[used++] =
			(char)(isalnum((unsigned char)*c) ? toupper((unsigned char)*c) : '_');
	}
	return used;
}

/* The first variable that is so called, or with @p inside, that begins so and goes on with __. */
static struct conf_var *find(const struct conf_env *env, const struct conf_path *path, bool inside)
{
	char name[ENV_NAME_MAX];
	size_t len;

	if (env == NULL || env->n == 0)
		return NULL;
	len = env_name(path, name);
	for (size_t i = 0; i < env->n && len > 0; i++) {
		struct conf_var *v = &env->vars[i];
		const char *rest = v->name + v->prefix_len;
		const size_t rest_len = v->name_len - v->prefix_len;

		if (rest_len < len || memcmp(rest, name, len) != 0)
			continue;
		if (inside ? rest_len > len + 2 && memcmp(rest + len, "__", 2) == 0
			   : rest_len == len)
			return v;
	}
	return NULL;
}

const struct conf_var *conf_env_find(const struct conf_env *env, const struct conf_path *path)
{
	struct conf_var *v = find(env, path, false);

	if (v != NULL)
		v->used = true;
	return v;
}

bool conf_env_reaches(const struct conf_env *env, const struct conf_path *path)
{
	return find(env, path, true) != NULL;
}

int conf_env_check_used(const struct conf_env *env, struct weir_why *why)
{
	for (size_t i = 0; i < env->n; i++) {
		const struct conf_var *v = &env->vars[i];
		const size_t rest_len = v->name_len - v->prefix_len;

		if (v->used || memmem(v->name + v->prefix_len, rest_len, "__", 2) == NULL)
			continue;
		return weir_conf_fail(why, "environment", 0,
				      "%.*s sets nothing, must name a single value of the "
				      "configuration",
				      (int)(v->name_len < 128 ? v->name_len : 128), v->name);
	}
	return 0;
}
