/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A firewall of a configuration, with each of its allocations failing once. */

#include "failalloc.h"
#include "test.h"
#include "toy_fw.h"

#include <errno.h>

/* What was built by then is freed, and -ENOMEM said. EAL must be up. */
static inline void expect_unwound(const char *text)
{
	struct weir_why why;
	struct toy_fw fw;
	unsigned failed = 0;

	FAILALLOC_EACH(n)
	{
		const int rc = toy_fw_open(&fw, text, NULL, &why);
		const bool whole = failalloc_done();

		toy_fw_close(&fw);
		if (whole) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		failed++;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
	}
	CU_ASSERT_TRUE(failed > 20);
}
