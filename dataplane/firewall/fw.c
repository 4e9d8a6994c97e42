/* SPDX-License-Identifier: BSD-3-Clause */

/* A firewall's life: sizes, what a reload may change, --check. */

#include "fw_app_priv.h"
#include "fw_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/set.h>

#include "app/app_priv.h"
#include "app/app_record_priv.h"

/* Hugepages of rte_acl and the rule tables, beside what is counted. */
#define RULES_BYTES (UINT64_C(64) << 20)
/* Findings of --check that are printed. */
#define FINDINGS 100

void fw_timeouts(const struct weir_timeouts_conf *t, uint64_t out[WEIR_FLOW_CLASSES])
{
	const uint64_t by_class[WEIR_FLOW_CLASSES] = {t->closed,  t->half_open,	 t->unanswered,
						      t->icmp,	  t->other,	 t->udp,
						      t->closing, t->established};

	memcpy(out, by_class, sizeof(by_class));
}

static void fill_sizes(const struct weir_conntrack_conf *c, uint16_t workers,
		       struct weir_tracker_conf *out)
{
	const uint64_t extended = c->extended < c->flows ? c->extended : c->flows;

	*out = (struct weir_tracker_conf){
		.flows = {.entries = (uint32_t)((c->flows + workers - 1) / workers),
			  .exts = (uint32_t)((extended + workers - 1) / workers),
			  .sources = (uint32_t)c->sources,
			  .loose = c->loose,
			  .numa = -1},
		.rule_slots = WEIR_RULES_MAX + 1,
		.limit_sources = (uint32_t)c->sources,
		.nat_maps = (uint32_t)((c->mappings + workers - 1) / workers),
		.nat_blocks = (uint32_t)c->sources,
	};
	fw_timeouts(&c->timeouts, out->flows.timeout_ns);
}

uint64_t fw_bytes(const struct weir_app *app, const void *conf, uint16_t workers)
{
	const struct weir_firewall_conf *fc = app_fw_conf(app, conf);
	const struct weir_set_section *s;
	struct weir_tracker_conf sizes;
	uint64_t bytes;

	fill_sizes(&fc->conntrack, workers, &sizes);
	bytes = workers * weir_tracker_size(&sizes) + RULES_BYTES;
	weir_conf_each (s, &fc->sets) {
		const struct weir_set_conf sc = {.entries = (uint32_t)s->entries};

		bytes += weir_set_size(&sc);
	}
	return bytes;
}

int fw_create(struct weir_run *run, const void *conf, struct weir_why *why)
{
	const struct weir_app_conf *app = conf;
	struct fw *fw = calloc(1, sizeof(*fw));

	if (fw == NULL)
		return weir_why(why, -ENOMEM, "firewall: out of memory");
	fw->run = run;
	fw->n_slots = 1; /* 0 is the default policy's */
	fw->slots = calloc(WEIR_RULES_MAX + 1, sizeof(*fw->slots));
	if (fw->slots == NULL) {
		free(fw);
		return weir_why(why, -ENOMEM, "firewall: out of memory");
	}
	fill_sizes(&app_fw_conf(run->app, conf)->conntrack, (uint16_t)app->runtime.workers.n,
		   &fw->sizes);
	fw_record_sizes(fw, &app_fw_conf(run->app, conf)->records);
	run->fw = fw;
	return 0;
}

void fw_free(struct fw *fw)
{
	if (fw == NULL)
		return;
	for (uint32_t i = 0; i < fw->n_slots; i++)
		free(fw->slots[i].name);
	free(fw->slots);
	free(fw);
}

const struct weir_tracker_conf *fw_sizes(const struct fw *fw)
{
	return &fw->sizes;
}

int fw_may_follow(const struct weir_firewall_conf *old, const struct weir_firewall_conf *fresh,
		  const char *file, struct weir_why *why)
{
	const struct weir_conntrack_conf *a = &old->conntrack, *b = &fresh->conntrack;

	if (a->flows != b->flows || a->extended != b->extended || a->sources != b->sources ||
	    a->mappings != b->mappings)
		return weir_conf_fail(why, file, b->at.line,
				      "the sizes of conntrack have changed, which needs a restart");
	if (app_record_differs(&old->records, &fresh->records) != NULL)
		return weir_conf_fail(why, file, fresh->records.at.line,
				      "%s has changed, which needs a restart",
				      app_record_differs(&old->records, &fresh->records));
	return 0;
}

static int say_findings(const struct weir_policy *policy, const char *file, FILE *to,
			struct weir_why *why)
{
	struct weir_rules_finding *f = calloc(FINDINGS, sizeof(*f));
	int n;

	if (f == NULL)
		return weir_why(why, -ENOMEM, "firewall: out of memory");
	n = weir_rules_check(policy->rules, f, FINDINGS);
	if (n < 0) {
		free(f);
		return weir_why(why, n, "firewall: out of memory");
	}
	for (int i = 0; i < n && i < FINDINGS; i++)
		fprintf(to, "%s:%u: warning: %s\n", file,
			weir_rules_at(policy->rules, f[i].rule)->line, f[i].text);
	if (n > FINDINGS)
		fprintf(to, "%s: warning: %d more rules can never match\n", file, n - FINDINGS);
	free(f);
	return 0;
}

int fw_check(struct weir_run *run, const void *conf, FILE *to, struct weir_why *why)
{
	const char *const no_plugins[] = {NULL};
	struct weir_policy *policy;
	int rc = weir_eal_init(
		&(struct weir_eal_conf){.program = run->app->name,
					.cores = (const uint16_t[]){0},
					.n_cores = 1,
					.hugepages = WEIR_HUGEPAGES_NONE,
					.memory_mib = (uint32_t)(fw_bytes(run->app, conf, 1) >> 20),
					.plugins = no_plugins},
		why);

	if (rc < 0)
		return rc;
	rc = fw_create(run, conf, why);
	if (rc == 0)
		rc = fw_policy(run, conf, app_conf_name(run), NULL, &policy, why);
	if (rc == 0) {
		rc = say_findings(policy, app_conf_name(run), to, why);
		fw_refused(run->fw, policy);
	}
	fw_free(run->fw);
	run->fw = NULL;
	weir_eal_done();
	return rc;
}
