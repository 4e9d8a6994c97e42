/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the files of sniff share. */

#include <weir/sniff.h>

/* Take a name as it was sent: in lower case into s->name, or s->bad_name if it is no host's. */
void sniff_name_set(struct weir_sniff *s, const uint8_t *name, size_t bytes);

/* So far so good: ask again with this many bytes. */
static inline enum weir_sniff_result sniff_need(struct weir_sniff *s, size_t bytes)
{
	s->need_bytes = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
	return WEIR_SNIFF_NEED_MORE;
}
