/* SPDX-License-Identifier: BSD-3-Clause */
/* version: the one file that is compiled anew when the version changes. */
#include <weir/version.h>

const char *weir_version(void)
{
	return WEIR_VERSION;
}
