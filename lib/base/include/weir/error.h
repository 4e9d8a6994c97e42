/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What a negative errno means to a program that must decide: whose fault, and try again or not.
 */

#include <stdbool.h>
#include <weir/must_check.h>

/** Whose fault an error is. */
enum weir_error_category {
	WEIR_ERROR_NONE,     /**< 0 or a positive result: not an error */
	WEIR_ERROR_NETWORK,  /**< the path or the peer's host: unreachable, reset, refused */
	WEIR_ERROR_PROTOCOL, /**< the peer said what it must not say */
	WEIR_ERROR_APP,	    /**< the caller's fault: a bad argument, a wrong state, no permission */
	WEIR_ERROR_TIMEOUT, /**< nothing came in time */
	WEIR_ERROR_RESOURCE, /**< a table, pool or limit of ours is full */
};

/**
 * The category of a result.
 * @param rc  0, positive, or -errno, as weir's functions return it.
 * Any thread may call.
 */
WEIR_MUST_CHECK enum weir_error_category weir_error_category(int rc);

/** The category's name in lower case, for logs and metric labels. Never NULL. */
const char *weir_error_category_name(enum weir_error_category category);

/**
 * Whether the same call may succeed if it is made again later with nothing changed.
 * The table in docs/guide/errors.md lists every code. Any thread may call.
 */
WEIR_MUST_CHECK bool weir_error_is_retryable(int rc);

/**
 * A sentence for a person.
 * @return The name and the meaning ("ENOMEM: out of memory"), static storage, never NULL.
 */
const char *weir_error_text(int rc);
