/* SPDX-License-Identifier: BSD-3-Clause */

/* A firewall's life: sizes, what a reload may change, --check. */

#include "fw_app_priv.h"
#include "fw_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <weir/set.h>

#include "app/app_priv.h"
#include "app/app_record_priv.h"

/* Hugepages of rte_acl and the rule tables, beside what is counted. */
#define RULES_BYTES (UINT64_C(64) << 20)

void fw_timeouts(const struct weir_timeouts_conf *t, uint64_t out[WEIR_FLOW_CLASSES])
{
	const uint64_t by_class[WEIR_FLOW_CLASSES] = {t->closed,  t->half_open,	 t->unanswered,
						      t->icmp,	  t->other,	 t->udp,
						      t->closing, t->established};

	memcpy(out, by_class, sizeof(by_class));
}

/* Entries of a flow table that nobody uses: the least. */
#define NO_FLOWS 64

/* @dpi is where the sizes of inspection go. */
static void fill_sizes(const struct weir_firewall_conf *fc, uint16_t workers,
		       struct weir_tracker_conf *out, struct weir_dpi_worker_conf *dpi)
{
	const struct weir_conntrack_conf *c = &fc->conntrack;
	const bool inspects = fc->dpi.at.line != 0;
	const uint64_t wanted = c->extended + (inspects ? fc->dpi.flows : 0);
	const uint64_t extended = wanted < c->flows ? wanted : c->flows;

	*out = (struct weir_tracker_conf){
		.flows = {.entries = fw_share(c->flows, workers),
			  .exts = fw_share(extended, workers),
			  .sources = (uint32_t)c->sources,
			  .loose = c->loose,
			  .numa = -1},
		.rule_slots = WEIR_RULE_SLOTS_MAX,
		.limit_sources = (uint32_t)c->sources,
		.nat_maps = fw_share(c->mappings, workers),
		.nat_blocks = (uint32_t)c->sources,
		.dpi = inspects ? dpi : NULL,
		.stateless = fc->firewall.stateless,
	};
	fw_timeouts(&c->timeouts, out->flows.timeout_ns);
	if (inspects)
		fw_dpi_sizes(&fc->dpi, workers, dpi);
	if (out->stateless) {
		out->flows.entries = NO_FLOWS;
		out->flows.exts = 0;
		out->nat_maps = 1;
	}
}

const struct weir_node_ops *const *fw_path(const struct weir_app *app, const void *conf)
{
	return app_fw_conf(app, conf)->firewall.stateless ? app->stateless_path : app->path;
}

uint64_t fw_bytes(const struct weir_app *app, const void *conf, uint16_t workers)
{
	const struct weir_firewall_conf *fc = app_fw_conf(app, conf);
	const struct weir_set_section *s;
	struct weir_dpi_worker_conf dpi;
	struct weir_tracker_conf sizes;
	uint64_t bytes;

	fill_sizes(fc, workers, &sizes, &dpi);
	bytes = workers * weir_tracker_size(&sizes) + RULES_BYTES;
	if (sizes.dpi != NULL)
		bytes += fw_dpi_stream_bytes(&fc->dpi, workers);
	weir_conf_each (s, &fc->sets) {
		const struct weir_set_conf sc = {.entries = fw_set_entries(s)};

		bytes += weir_set_size(&sc);
	}
	return bytes;
}

void fw_plan_print(const struct weir_app *app, const void *conf, uint16_t workers, FILE *to)
{
	const struct weir_dpi_section *c = &app_fw_conf(app, conf)->dpi;
	struct weir_dpi_worker_conf sizes;

	if (c->at.line == 0)
		return;
	fw_dpi_sizes(c, workers, &sizes);
	fprintf(to,
		"  of it   %" PRIu64 " MiB to inspect %" PRIu64 " flows at a time (%" PRIu64
		" MiB of it for streams of patterns)\n",
		(workers * weir_dpi_worker_size(&sizes, NULL) + fw_dpi_stream_bytes(c, workers)) >>
			20,
		c->flows, fw_dpi_stream_bytes(c, workers) >> 20);
}

int fw_create(struct weir_run *run, const void *conf, struct weir_why *why)
{
	const struct weir_app_conf *app = conf;
	struct fw *fw = calloc(1, sizeof(*fw));

	if (fw == NULL)
		return weir_why(why, -ENOMEM, "firewall: out of memory");
	fw->run = run;
	if (fw_slots_create(fw) < 0) {
		fw_free(fw);
		return weir_why(why, -ENOMEM, "firewall: out of memory");
	}
	fill_sizes(app_fw_conf(run->app, conf), (uint16_t)app->runtime.workers.n, &fw->sizes,
		   &fw->dpi_sizes);
	fw_record_sizes(fw, &app_fw_conf(run->app, conf)->records);
	run->fw = fw;
	return 0;
}

void fw_free(struct fw *fw)
{
	if (fw == NULL)
		return;
	fw_slots_free(fw);
	for (uint32_t i = 0; i < WEIR_APP_UNKNOWN; i++)
		free(fw->app[i]);
	free(fw->told);
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
	if (!fw_dpi_may_follow(&old->dpi, &fresh->dpi))
		return weir_conf_fail(why, file, fresh->dpi.at.line,
				      "the sizes of dpi have changed, which needs a restart");
	if (old->firewall.stateless != fresh->firewall.stateless)
		return weir_conf_fail(why, file, fresh->firewall.at.line,
				      "firewall.stateless has changed, which needs a restart");
	if (app_record_differs(&old->records, &fresh->records) != NULL)
		return weir_conf_fail(why, file, fresh->records.at.line,
				      "%s has changed, which needs a restart",
				      app_record_differs(&old->records, &fresh->records));
	return 0;
}

uint16_t fw_own_core(void)
{
	const int cpu = sched_getcpu();

	return cpu < 0 ? 0 : (uint16_t)cpu;
}

int fw_begin_eal(const struct weir_run *run, uint16_t core, uint64_t bytes, struct weir_why *why)
{
	const char *const no_plugins[] = {NULL};

	return weir_eal_init(
		&(struct weir_eal_conf){
			.program = run->app->name,
			.cores = &core,
			.n_cores = 1,
			.hugepages = WEIR_HUGEPAGES_NONE,
			.memory_mib = (uint32_t)((bytes >> 20) + 1 + WEIR_EAL_OWN_MIB),
			.plugins = no_plugins,
		},
		why);
}

int fw_check(struct weir_run *run, const void *conf, FILE *to, struct weir_why *why)
{
	struct weir_policy *policy;
	int rc = app_record_probe(&app_fw_conf(run->app, conf)->records, app_conf_name(run), why);

	if (rc == 0)
		rc = fw_begin_eal(run, fw_own_core(), fw_bytes(run->app, conf, 1), why);
	if (rc < 0)
		return rc;
	rc = fw_create(run, conf, why);
	if (rc == 0) {
		run->fw->findings = to;
		rc = fw_policy(run, conf, app_conf_name(run), NULL, &policy, why);
	}
	if (rc == 0) {
		rc = fw_say_findings(policy, app_fw_conf(run->app, conf), app_conf_name(run), to,
				     why);
		fw_refused(run->fw, policy);
	}
	fw_free(run->fw);
	run->fw = NULL;
	weir_eal_done();
	return rc;
}
