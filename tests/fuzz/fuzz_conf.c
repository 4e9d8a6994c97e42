/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a configuration: refused in a sentence, or loaded; then what is dumped loads too,
 * and dumps to the same again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int good)
{
	if (!good)
		abort();
}

static char *dump(const struct sample_conf *conf, size_t *len)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, len);

	must(to != NULL);
	must(weir_conf_dump(&sample_schema, conf, to) == 0);
	fclose(to);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sample_conf conf, again;
	struct weir_why why = {0};
	size_t first_len, second_len;
	char *first, *second;

	if (weir_conf_load_text("fuzz", (const char *)data, size, &sample_schema, NULL, &conf,
				&why) < 0) {
		must(strncmp(why.text, "fuzz:", 5) == 0);
		return 0;
	}
	first = dump(&conf, &first_len);
	must(weir_conf_load_text("dump", first, first_len, &sample_schema, NULL, &again, &why) ==
	     0);
	second = dump(&again, &second_len);
	must(first_len == second_len && memcmp(first, second, first_len) == 0);
	weir_conf_free(&sample_schema, &conf);
	weir_conf_free(&sample_schema, &again);
	free(first);
	free(second);
	return 0;
}
