/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Which weir this is.
 */

/** The version, such as "1.2.3". Static storage. Any thread may call. */
const char *weir_version(void);
