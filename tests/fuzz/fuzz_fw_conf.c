/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Any text as a firewall's configuration: refused in one sentence, or a policy that answers; a
 * reload of the same text then gives every rule its counter again. Whatever it was, no memory of
 * DPDK stays behind.
 *
 * What names files (sets, countries) is not followed: they are tested beside.
 */

#include "toy_fw.h"

#include <rte_eal.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A broken promise ends the run: libFuzzer keeps the input that broke it. */
static void must(bool kept, const char *promise)
{
	if (kept)
		return;
	fprintf(stderr, "fuzz_fw_conf: %s\n", promise);
	abort();
}

static void begin(void)
{
	static const char *const words[] = {"fuzz",	"--no-huge", "--no-shconf",
					    "--no-pci", "-m",	     "512",
					    "-l",	"0",	     "--log-level=critical"};
	static char kept[sizeof(words) / sizeof(words[0])][32]; /* EAL may write to them */
	char *args[sizeof(words) / sizeof(words[0])];
	static bool begun;

	if (begun)
		return;
	begun = true;
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		args[i] = strcpy(kept[i], words[i]);
	must(rte_eal_init(sizeof(words) / sizeof(words[0]), args) >= 0, "EAL does not begin");
}

static size_t memory_used(void)
{
	struct rte_malloc_socket_stats st;

	must(rte_malloc_get_socket_stats(0, &st) == 0, "EAL does not count");
	return st.heap_allocsz_bytes;
}

static bool names_files(const struct toy_fw_conf *conf)
{
	const struct weir_set_section *s;

	weir_conf_each (s, &conf->fw.sets)
		if (s->file != NULL)
			return true;
	return conf->fw.firewall.geo != NULL;
}

/* A policy answers about any packet, and its rules have counters of their own. */
static void try_policy(const struct weir_policy *p)
{
	const uint32_t n = weir_rules_count(p->rules);
	const struct weir_rule_ask ask = {
		.tuple = {.family = 4, .proto = 6, .src = {10, 0, 0, 1}, .dst = {192, 0, 2, 1}},
		.from = p->n_zones > 1 ? 1 : 0,
		.tcp_flags = 2};
	const uint32_t rule = weir_rules_explain(p->rules, &ask, 1, NULL, NULL);

	must(rule == WEIR_RULE_DEFAULT || rule < n, "a rule decides that is not there");
	for (uint32_t i = 0; i < n; i++)
		must(weir_rules_at(p->rules, i)->slot != 0, "a rule has the default's counter");
}

/* Build it twice, as a reload does; the second one must be like the first. */
static void build(struct toy_fw *fw)
{
	struct weir_why why = {""};
	uint32_t slots;

	if (toy_fw_apply(fw, &fw->conf, &why) < 0) {
		must(why.text[0] != '\0', "a refusal without a sentence");
		return;
	}
	try_policy(fw->l3.policy);
	slots = fw->run.fw->n_slots;
	must(toy_fw_apply(fw, &fw->conf, &why) == 0, "the same is refused the second time");
	try_policy(fw->l3.policy);
	must(fw->run.fw->n_slots == slots, "a rule got another counter by a reload");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct toy_fw fw = {.run = {.app = &toy_fw_app}};
	struct weir_why why = {""};
	size_t before;

	begin();
	before = memory_used();
	if (toy_fw_load((const char *)data, size, &fw.conf, &why) < 0) {
		must(strncmp(why.text, "fw.yaml:", 8) == 0, "a refusal without a place");
		return 0;
	}
	fw.run.conf = &fw.conf;
	fw.run.l3 = &fw.l3;
	fw.l3.run = &fw.run;
	weir_clock_init(&fw.run.clock);
	if (!names_files(&fw.conf) && fw_create(&fw.run, &fw.conf, &why) == 0)
		build(&fw);
	toy_fw_close(&fw);
	must(memory_used() == before, "memory of DPDK leaked");
	return 0;
}
