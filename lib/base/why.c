/* SPDX-License-Identifier: BSD-3-Clause */

#include <weir/why.h>

#include <stdio.h>

int weir_why(struct weir_why *why, int rc, const char *fmt, ...)
{
	va_list ap;

	if (why == NULL)
		return rc;
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	return rc;
}
