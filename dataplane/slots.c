/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings of slots: their memory. */
#include "slots_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX (UINT32_C(1) << 24)

int slots_create(struct slots *s, uint32_t n, size_t slot_bytes, size_t align)
{
	const size_t rounded = RTE_ALIGN_CEIL(slot_bytes, align);
	uint8_t *memory;

	if (n == 0 || n > SLOTS_MAX || (n & (n - 1)) != 0)
		return -EINVAL;
	memory = aligned_alloc(SLOTS_APART, RTE_ALIGN_CEIL(n * rounded, (size_t)SLOTS_APART));
	if (memory == NULL)
		return -ENOMEM;
	memset(memory, 0, n * rounded);
	memset(s, 0, sizeof(*s));
	s->n = n;
	s->slot_bytes = rounded;
	s->memory = memory;
	return 0;
}

void slots_free(struct slots *s)
{
	free(s->memory);
	s->memory = NULL;
}
