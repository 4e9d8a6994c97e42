/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as steer= and owns=: refused in a sentence that begins with the key, or rules in their
 * masks. */
#include "steer_words_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool good)
{
	if (!good)
		abort();
}

static void check_rule(const struct steer_spec *spec, uint8_t others)
{
	const uint8_t *key = (const void *)&spec->key, *mask = (const void *)&spec->mask;

	for (size_t i = 0; i < sizeof(spec->key); i++)
		must((key[i] & ~mask[i]) == 0);
	must(spec->priority == STEER_PRIORITY_WORDS);
	must(spec->rule.verdict == (others == STEER_USER ? STEER_KERNEL : STEER_USER));
	must(spec->rule.src_port_lo <= spec->rule.src_port_hi);
	must(spec->rule.dst_port_lo <= spec->rule.dst_port_hi);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct steer_words words;
	struct weir_addr addrs[4];
	struct weir_why why = {0};
	char *text = malloc(bytes + 1);
	int n;

	must(text != NULL);
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	if (steer_words_read(text, &words, &why) < 0) {
		must(strncmp(why.text, "steer=", 6) == 0);
	} else {
		must(words.n <= STEER_WORDS_RULES);
		for (unsigned i = 0; i < words.n; i++)
			check_rule(&words.rules[i], words.others);
	}
	n = steer_addresses_read(text, addrs, 4, &why);
	must(n >= 1 || (n == -EINVAL && strncmp(why.text, "owns=", 5) == 0));
	for (int i = 0; i < n && i < 4; i++)
		must(addrs[i].family == 4 || addrs[i].family == 6);
	free(text);
	return 0;
}
