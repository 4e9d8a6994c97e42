/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Every allocation of our code can be made to fail: the linker sends malloc and its kin here
 * (tests/unit/meson.build: --wrap), and the nth call returns NULL.
 *
 *	FAILALLOC_EACH(n) {
 *		rc = weir_thing_create(&conf, &t);
 *		if (failalloc_done())      n allocations were enough: it succeeded by itself
 *			break;
 *		CU_ASSERT_EQUAL(rc, -ENOMEM);
 *	}
 */

#include <stdbool.h>

/* Let the call number @p nth from now fail (1 is the next one); 0 lets all succeed. */
void failalloc_at(unsigned nth);
/* Stop failing. @return true if the armed call was never reached. */
bool failalloc_done(void);

#define FAILALLOC_EACH(n) for (unsigned n = 1; failalloc_at(n), n < 10000; n++)
