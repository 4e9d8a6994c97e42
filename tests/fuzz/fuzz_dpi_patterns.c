/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * fuzz_dpi_patterns: any bytes as a file of patterns. The first byte says whether they are patterns
 * of hyperscan or rules of Snort. What is read must be as the compiler of databases relies on.
 */

#include "dpi_priv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sentence(void *ctx, const char *sentence)
{
	++*(unsigned *)ctx;
	if (strncmp(sentence, "fuzz:", 5) != 0)
		abort();
}

static void check_rule(const struct dpi_rule *rule)
{
	if (rule->n_parts == 0 || rule->n_parts > DPI_PARTS || rule->message == NULL)
		abort();
	if (rule->modes == 0 || rule->dirs == 0 || rule->action >= WEIR_DPI_ACTIONS)
		abort();
	if (rule->sport.n > DPI_PORT_RANGES || rule->dport.n > DPI_PORT_RANGES)
		abort();
	for (unsigned i = 0; i < rule->n_parts; i++)
		if (rule->part[i].regex[0] == '\0' || rule->part[i].min_end > rule->part[i].max_end)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned findings = 0;
	const struct weir_dpi_conf conf = {.finding = check_sentence, .ctx = &findings};
	const struct weir_dpi_source source = {.name = "fuzz", .action = WEIR_DPI_ALERT};
	struct dpi_rules rules = {0};
	struct weir_why why = {""};
	struct dpi_reader r = {.conf = &conf, .rules = &rules, .source = &source, .file = "fuzz"};
	char *copy;
	int rc;

	if (size < 1)
		return 0;
	r.why = &why;
	copy = malloc(size); /* of just that length, so that a read past it is seen */
	if (copy == NULL)
		abort();
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		rc = dpi_snort_read(&r, (struct dpi_text){copy, size - 1});
	else
		rc = dpi_patterns_read(&r, (struct dpi_text){copy, size - 1});
	if ((rc < 0) != (why.text[0] != '\0') || findings != rules.left_out)
		abort();
	for (uint32_t i = 0; i < rules.n && rc == 0; i++)
		check_rule(&rules.rule[i]);
	dpi_rules_clear(&rules);
	free(copy);
	return 0;
}
