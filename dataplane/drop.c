/* SPDX-License-Identifier: BSD-3-Clause */

#include <weir/drop.h>

#include <string.h>

static const struct weir_drop_text texts[WEIR_DROPS] = {
#define WEIR_DROP(name, label, meaning, remedy) [WEIR_DROP_##name] = {label, meaning, remedy},
#include <weir/drop.def>
#undef WEIR_DROP
};

const struct weir_drop_text *weir_drop_text(enum weir_drop reason)
{
	return &texts[(unsigned)reason < WEIR_DROPS ? reason : WEIR_DROP_NONE];
}

int weir_drop_by_label(const char *label)
{
	for (int i = 0; i < WEIR_DROPS; i++)
		if (strcmp(texts[i].label, label) == 0)
			return i;
	return -1;
}
