/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The mark of functions whose result must not go unlooked at.
 *
 * Marked are those that can fail (0 or -errno), those that give something that the caller then
 * owns or has to act on, and those that do nothing but compute. Not marked are those whose result
 * is for convenience: a text that was passed in, a count of what was done, a part of an object.
 */

/** Dropping the result is a warning of the compiler, an error in weir's own builds. */
#define WEIR_MUST_CHECK __attribute__((warn_unused_result))
