/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Heads of requests that come in pieces: few at a time, each with room for the longest, in a row by
 * age, so that the next one to give up is the first.
 *
 * Places are counted from 1: 0 is none.
 */

#include "httpd_priv.h"

#include <errno.h>
#include <stdlib.h>

static struct partial *at(const struct httpd_worker *w, uint32_t place)
{
	return &w->partials[place - 1];
}

int partials_create(struct httpd_worker *w)
{
	const uint32_t n = (uint32_t)w->conf->partial;

	w->partials = calloc(n, sizeof(*w->partials));
	w->pieces = malloc((size_t)n * w->limits.head_bytes);
	if (w->partials == NULL || w->pieces == NULL)
		return -ENOMEM;
	for (uint32_t place = n; place > 0; place--) {
		at(w, place)->next = w->free_partial;
		w->free_partial = place;
	}
	return 0;
}

void partials_free(struct httpd_worker *w)
{
	free(w->partials);
	free(w->pieces);
	w->partials = NULL;
	w->pieces = NULL;
}

struct partial *partial_take(struct httpd_worker *w, struct httpd_conn *c, uint64_t now_ns)
{
	const uint32_t place = w->free_partial;
	struct partial *p;

	if (place == 0)
		return NULL;
	p = at(w, place);
	w->free_partial = p->next;
	*p = (struct partial){.conn = c, .since_ns = now_ns, .prev = w->newest};
	if (w->newest == 0)
		w->oldest = place;
	else
		at(w, w->newest)->next = place;
	w->newest = place;
	c->partial = place;
	return p;
}

void partial_put(struct httpd_worker *w, struct httpd_conn *c)
{
	struct partial *p;

	if (c->partial == 0)
		return;
	p = at(w, c->partial);
	*(p->prev == 0 ? &w->oldest : &at(w, p->prev)->next) = p->next;
	*(p->next == 0 ? &w->newest : &at(w, p->next)->prev) = p->prev;
	p->next = w->free_partial;
	w->free_partial = c->partial;
	c->partial = 0;
}

struct partial *partial_of(const struct httpd_worker *w, const struct httpd_conn *c)
{
	return c->partial == 0 ? NULL : at(w, c->partial);
}

char *partial_piece(const struct httpd_worker *w, const struct httpd_conn *c)
{
	return w->pieces + (size_t)(c->partial - 1) * w->limits.head_bytes;
}
