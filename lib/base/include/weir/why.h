/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * One sentence for a person beside the number for the program.
 *
 * A control-path function that can fail for reasons that a person must mend takes a
 * struct weir_why last. The sentence is made once, where the fact is known; callers pass it up.
 */

#include <stdarg.h>

/** Bytes of the sentence, with its NUL. */
#define WEIR_WHY_LEN 320

/** Why something failed, and what to do about it. Empty text: nothing failed. */
struct weir_why {
	char text[WEIR_WHY_LEN]; /**< NUL-terminated, without a newline */
};

/**
 * Write the sentence, cut at its end if too long.
 * @param why  NULL is allowed: nobody wants to know.
 * @param rc   returned as it is, so that `return weir_why(why, -ENODEV, "...")` reads well.
 */
int weir_why(struct weir_why *why, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
