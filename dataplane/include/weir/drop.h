/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Why a packet was dropped: every drop has a name.
 */

/** The reasons, from drop.def, which says of each what it means and what to do about it. */
enum weir_drop {
#define WEIR_DROP(name, label, meaning, remedy) WEIR_DROP_##name,
#include <weir/drop.def>
#include <weir/must_check.h>
#undef WEIR_DROP
	WEIR_DROPS /**< how many there are */
};

/** One reason as the manual has it. */
struct weir_drop_text {
	const char *label;   /**< metric label and command-line word */
	const char *meaning; /**< half a sentence */
	const char *remedy;  /**< what an operator does about it */
};

/** The texts of a reason; of WEIR_DROP_NONE for one out of range. Any thread. */
const struct weir_drop_text *weir_drop_text(enum weir_drop reason);

/** The reason with this label, or -1. Any thread. */
WEIR_MUST_CHECK int weir_drop_by_label(const char *label);
