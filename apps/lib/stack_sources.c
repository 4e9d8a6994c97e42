/* SPDX-License-Identifier: BSD-3-Clause */

/* The section `stack.sources:` as the stack takes it: limits, and two sets of prefixes. */

#include "stack_app_priv.h"

#include <errno.h>
#include <rte_common.h>
#include <weir/error.h>

/* Of prefixes that an address is in, the longest one counts; of equal ones, that which denies. */
static enum weir_stack_judgement judge(void *ctx, const struct weir_addr *from)
{
	const struct stack_worker *w = ctx;
	struct weir_prefix trusted, denied;
	const bool is_trusted = w->trusted != NULL && weir_set_find(w->trusted, from, 0, &trusted);
	const bool is_denied = w->denied != NULL && weir_set_find(w->denied, from, 0, &denied);

	if (is_denied && (!is_trusted || denied.length >= trusted.length))
		return WEIR_SOURCE_DENIED;
	return is_trusted ? WEIR_SOURCE_TRUSTED : WEIR_SOURCE_LIMITED;
}

static int make_set(struct stack_worker *w, const char *key, const struct weir_conf_list *list,
		    struct weir_set **out, struct weir_why *why)
{
	const struct weir_prefix *p = list->items;
	const struct weir_set_conf conf = {.name = key,
					   .entries = (uint32_t)list->n,
					   .numa = w->shard->numa,
					   .secret = w->shard->secret};
	int rc = 0;

	if (list->n == 0)
		return 0;
	rc = weir_set_create(&conf, out, why);
	for (size_t i = 0; rc == 0 && i < list->n; i++)
		rc = weir_set_add(*out, &p[i], WEIR_SET_FOREVER);
	if (rc < 0)
		return weir_why(why, rc, "worker %u: stack.sources.%s: %s", w->shard->worker, key,
				weir_error_text(rc));
	return 0;
}

int stack_sources_open(struct stack_worker *w, const struct stack_sources *conf,
		       struct weir_stack_conf *sc, struct weir_why *why)
{
	int rc = make_set(w, "allow", &conf->allow, &w->trusted, why);

	if (rc == 0)
		rc = make_set(w, "deny", &conf->deny, &w->denied, why);
	if (w->trusted != NULL || w->denied != NULL)
		sc->judge = judge;
	sc->sources = (struct weir_stack_sources){
		.at_once = (uint32_t)conf->at_once,
		.connections = (uint32_t)conf->connections,
		.rate = (uint32_t)conf->rate,
		.burst = (uint32_t)conf->burst,
		.block_ns = conf->block,
		.half_open = (uint32_t)conf->half_open,
		.prefix4 = (uint8_t)conf->prefix4,
		.prefix6 = (uint8_t)conf->prefix6,
	};
	return rc;
}

void stack_sources_close(struct stack_worker *w)
{
	weir_set_free(w->trusted);
	weir_set_free(w->denied);
	w->trusted = w->denied = NULL;
}
