/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What fw_push.c and fw_push_check.c share. */

#include "fw_push_priv.h"

/* A rule as far as one family and one protocol go, with prefixes instead of sets. */
struct fw_push_part {
	struct weir_rule rule;
	const struct weir_rule *written; /* with its sets */
	uint32_t number;		 /* of it */
};

/* 0, or -EPERM with what speaks against it. */
int fw_push_check(const struct fw_push_ground *g, const struct fw_push_part *p,
		  struct weir_why *why);
