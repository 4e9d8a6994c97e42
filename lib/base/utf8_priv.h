/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* One character of UTF-8 at a time, as strict as RFC 3629: no overlong form, no surrogate. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of the character at @p s (at most @p n are there), or 0 if they are not UTF-8. */
static inline unsigned utf8_next(const char *s, size_t n, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *p = (const uint8_t *)s;
	unsigned size;

	if (n == 0)
		return 0;
	if (p[0] < 0x80) {
		*code = p[0];
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	size = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n < size)
		return 0;
	*code = p[0] & (0x7fU >> size);
	for (unsigned i = 1; i < size; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (p[i] & 0x3f);
	}
	if (*code < least[size] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return size;
}

/* Characters that move a terminal's cursor or turn its direction ("Trojan source"). */
static inline bool utf8_is_treacherous(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200e && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
	       code == 0x061c || code == 0xfeff;
}
