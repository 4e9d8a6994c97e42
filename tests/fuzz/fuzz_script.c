/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The reader of packet scripts (tests/script). Input: a script.
 *
 * Whatever it is: it is read, with events in the order of their lines, or refused by a sentence
 * that begins with its file and line.
 */

#include "script.h"

#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct settings set = settings_default();
	struct script s;
	unsigned line = 0;

	if (script_read(&s, "f", (const char *)data, size, &set) < 0)
		must(strncmp(s.why, "f:", 2) == 0 && strlen(s.why) > 5, "it says where and why");
	else
		must(s.events != NULL && s.why[0] == 0, "something happens");
	for (const struct event *e = s.events; e != NULL; e = e->next) {
		must(e->line >= line, "lines follow each other");
		line = e->line;
	}
	script_free(&s);
	return 0;
}
