/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Who connects: limits of each source, and what is done about one that exceeds them. */

#include "tcp_priv.h"

enum source_verdict {
	SOURCE_GOOD,
	SOURCE_CHALLENGED, /* with a cookie: nothing is kept of it */
	SOURCE_REFUSED,	   /* counted: it is not answered */
};

int sources_create(struct weir_stack *s);
void sources_free(struct weir_stack *s);
/* What to do about a SYN. */
enum source_verdict source_syn(struct weir_stack *s, const struct ends *e, bool v6);
/* Whether one that has shown that it hears us may have another connection. Counted if not. */
bool source_may_open(struct weir_stack *s, const struct ends *e, bool v6);
/* It has one more; after source_may_open(), or source_syn() in the same breath. */
void source_opened(struct conn *c);
/* It has one less. */
void source_closed(struct weir_stack *s, const struct ends *e, bool v6);
/* A half-open connection begins (+1) or is over (-1). */
void source_half_open(struct weir_stack *s, const struct ends *e, bool v6, int change);
