/* SPDX-License-Identifier: BSD-3-Clause */

/* What inspection counts, as metrics and for weirctl, and what is loaded. */

#include "fw_app_priv.h"
#include "fw_ctl_priv.h"
#include "fw_priv.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <weir/error.h>
#include <weir/metrics.h>
#include <weir/shard.h>

#include "app/app_priv.h"
#include "app/app_show_priv.h"

#define NUMBER_TEXT 12

/* The place of a counter in struct weir_dpi_counters, which is that of its metric. */
#define AT(member) (offsetof(struct weir_dpi_counters, member) / sizeof(uint64_t))
#define COUNTERS   (sizeof(struct weir_dpi_counters) / sizeof(uint64_t))

static const struct weir_metric metrics[COUNTERS + 1] = {
	[AT(used)] = {"weir_dpi_flows",
		      WEIR_METRIC_GAUGE,
		      NULL,
		      "Flows under inspection.",
		      "Near dpi.flows: raise it, or inspect fewer flows.",
		      {"worker"}},
	[AT(begun)] = {"weir_dpi_flows_begun",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "Flows whose inspection began.",
		       "Its rate is that of new connections of rules that inspect.",
		       {"worker"}},
	[AT(no_state)] = {"weir_dpi_no_state",
			  WEIR_METRIC_COUNTER,
			  NULL,
			  "Flows that went uninspected: dpi.flows were under inspection.",
			  "Raise dpi.flows.",
			  {"worker"}},
	[AT(begun_anew)] = {"weir_dpi_begun_anew",
			    WEIR_METRIC_COUNTER,
			    NULL,
			    "Flows whose inspection began anew with the patterns of a reload.",
			    "Nothing; a pattern that lay across the reload was not found.",
			    {"worker"}},
	[AT(segments)] = {"weir_dpi_segments",
			  WEIR_METRIC_COUNTER,
			  NULL,
			  "TCP segments with payload that were inspected.",
			  "Its rate tells what inspection costs.",
			  {"worker"}},
	[AT(datagrams)] = {"weir_dpi_datagrams",
			   WEIR_METRIC_COUNTER,
			   NULL,
			   "UDP datagrams likewise.",
			   "Its rate tells what inspection costs.",
			   {"worker"}},
	[AT(bytes)] = {"weir_dpi_bytes",
		       WEIR_METRIC_COUNTER,
		       "bytes",
		       "Payload that was inspected.",
		       "Its rate tells what inspection costs.",
		       {"worker"}},
	[AT(over_budget)] = {"weir_dpi_over_budget",
			     WEIR_METRIC_COUNTER,
			     NULL,
			     "Directions of flows that went on uninspected: dpi.budget was used.",
			     "Raise dpi.budget if patterns lie further behind.",
			     {"worker"}},
	[AT(early)] = {"weir_dpi_early_segments",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "TCP segments that came before their turn.",
		       "Many: look for loss or reordering on the way.",
		       {"worker"}},
	[AT(held)] = {"weir_dpi_early_blocks",
		      WEIR_METRIC_GAUGE,
		      NULL,
		      "Blocks of 2 KiB that hold such segments.",
		      "Near dpi.early_blocks: raise it.",
		      {"worker"}},
	[AT(held_flow)] = {"weir_dpi_given_up_flow",
			   WEIR_METRIC_COUNTER,
			   NULL,
			   "Directions given up: more came early than dpi.early_flow blocks hold.",
			   "Raise dpi.early_flow, or look for an attempt to evade inspection.",
			   {"worker"}},
	[AT(held_full)] = {"weir_dpi_given_up_full",
			   WEIR_METRIC_COUNTER,
			   NULL,
			   "Directions given up: no block of dpi.early_blocks was free.",
			   "Raise dpi.early_blocks, or look for a flood.",
			   {"worker"}},
	[AT(again_bytes)] = {"weir_dpi_again_bytes",
			     WEIR_METRIC_COUNTER,
			     "bytes",
			     "Payload that had come before, and was not inspected again.",
			     "Many: look for loss on the way.",
			     {"worker"}},
	[AT(alerts)] = {"weir_dpi_alerts",
			WEIR_METRIC_COUNTER,
			NULL,
			"Patterns and names that were found and told.",
			"records.alerts says which.",
			{"worker"}},
	[AT(alerts_over)] = {"weir_dpi_alerts_over",
			     WEIR_METRIC_COUNTER,
			     NULL,
			     "Likewise, but not told: the flow had dpi.alerts of them.",
			     "Raise dpi.alerts, or look at what matches so often.",
			     {"worker"}},
	[AT(dropped)] = {"weir_dpi_dropped",
			 WEIR_METRIC_COUNTER,
			 NULL,
			 "Flows and datagrams with the verdict drop.",
			 "records.alerts says why.",
			 {"worker"}},
	[AT(reset)] = {"weir_dpi_reset",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "Flows and datagrams with the verdict reset.",
		       "records.alerts says why.",
		       {"worker"}},
	[AT(tagged)] = {"weir_dpi_tagged",
			WEIR_METRIC_COUNTER,
			NULL,
			"Times that a pattern or a domain set told the application.",
			"Nothing.",
			{"worker"}},
	[AT(names)] = {"weir_dpi_names",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "Names that clients asked for: of TLS, HTTP, DNS.",
		       "None though there is such traffic: no rule inspects it.",
		       {"worker"}},
	[AT(bad_names)] = {"weir_dpi_bad_names",
			   WEIR_METRIC_COUNTER,
			   NULL,
			   "What stood in the place of a name, but is none of a host.",
			   "Many: look at who sends them.",
			   {"worker"}},
	[AT(unreadable)] =
		{"weir_dpi_unreadable",
		 WEIR_METRIC_COUNTER,
		 NULL,
		 "Messages whose name cannot be read, or not by everybody in the same way.",
		 "Many: look at who sends them, and consider dpi.unreadable: drop.",
		 {"worker"}},
	[AT(sniff_long)] =
		{"weir_dpi_messages_long",
		 WEIR_METRIC_COUNTER,
		 NULL,
		 "Messages of clients longer than dpi.message_bytes: judged by what was known.",
		 "Raise dpi.message_bytes.",
		 {"worker"}},
	[AT(sniff_full)] =
		{"weir_dpi_messages_full",
		 WEIR_METRIC_COUNTER,
		 NULL,
		 "Messages in pieces that found none of dpi.messages free: judged by what was known.",
		 "Raise dpi.messages, or look for a flood.",
		 {"worker"}},
	[AT(failed)] = {"weir_dpi_failed",
			WEIR_METRIC_COUNTER,
			NULL,
			"Scans that the pattern matcher refused.",
			"Report it.",
			{"worker"}},
	[COUNTERS] =
		{"weir_dpi_no_extension",
		 WEIR_METRIC_COUNTER,
		 NULL,
		 "Flows that went uninspected: none of the extensions of the flow table was free.",
		 "Raise conntrack.extended.",
		 {"worker"}},
};

/* What a worker has counted; without inspection 0. */
static uint64_t counted(const struct weir_tracker *t, size_t i)
{
	if (i == COUNTERS)
		return weir_counted(&t->dpi_no_ext);
	if (t->dpi == NULL)
		return 0;
	return weir_counted((const uint64_t *)weir_dpi_worker_counters(t->dpi) + i);
}

static const struct weir_tracker *tracker_of(const struct weir_run *run, uint16_t w)
{
	return weir_engine_shard(weir_system_engine(run->system, w))->tracker;
}

static int put_worker(const struct weir_tracker *t, const char *worker,
		      struct weir_metrics_sink *sink)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i <= COUNTERS; i++)
		rc = metrics[i].kind == WEIR_METRIC_GAUGE
			     ? weir_metrics_put_gauge(sink, &metrics[i], (double)counted(t, i),
						      &worker, 1)
			     : weir_metrics_put_count(sink, &metrics[i], counted(t, i), &worker, 1);
	return rc;
}

static int collect(void *ctx, struct weir_metrics_sink *sink)
{
	const struct weir_run *run = ctx;
	char worker[NUMBER_TEXT];
	int rc = 0;

	for (uint16_t w = 0; rc == 0 && w < weir_system_workers(run->system); w++) {
		snprintf(worker, sizeof(worker), "%u", w);
		rc = put_worker(tracker_of(run, w), worker, sink);
	}
	return rc;
}

int fw_dpi_metrics(struct weir_run *run)
{
	return weir_metrics_add(run->metrics, metrics, COUNTERS + 1, collect, run);
}

/* ---- weirctl dpi ---- */

static json_t *counters_json(const struct weir_run *run)
{
	json_t *j = json_object();

	for (size_t i = 0; i <= COUNTERS; i++) {
		uint64_t sum = 0;

		for (uint16_t w = 0; w < weir_system_workers(run->system); w++)
			sum += counted(tracker_of(run, w), i);
		json_object_set_new(j, metrics[i].name + strlen("weir_dpi_"),
				    json_integer((json_int_t)sum));
	}
	return j;
}

static json_t *apps_json(const struct fw *fw)
{
	json_t *j = json_array();

	for (uint32_t i = 1; i <= WEIR_APP_UNKNOWN; i++)
		if (fw_app_name(fw, i) != NULL)
			json_array_append_new(j, json_string(fw_app_name(fw, i)));
	return j;
}

int fw_ctl_dpi(void *ctx, const struct weir_ctl_request *rq, json_t **reply, struct weir_why *why)
{
	static const char *const caches[] = {
		[WEIR_DPI_CACHE_NONE] = "none",
		[WEIR_DPI_CACHE_WRITTEN] = "written",
		[WEIR_DPI_CACHE_HIT] = "hit",
	};
	const struct weir_run *run = ctx;
	const struct fw_dpi *d = fw_dpi_now(run->fw);
	struct weir_dpi_stats s;
	int rc = app_args(rq, why, "{}");

	if (rc < 0)
		return rc;
	if (d == NULL)
		return weir_why(why, -ENOENT, "dpi: the configuration has no such section");
	weir_dpi_stats(d->dpi, &s);
	*reply = json_pack("{s:i, s:i, s:i, s:I, s:i, s:f, s:s, s:o, s:o}", "patterns",
			   (int)s.patterns, "left_out", (int)s.left_out, "domains", (int)s.domains,
			   "bytes", (json_int_t)s.bytes, "stream_bytes", (int)s.stream_bytes,
			   "build_ms", (double)s.build_ns / 1e6, "cache", caches[s.cache],
			   "applications", apps_json(run->fw), "counters", counters_json(run));
	return 0;
}
