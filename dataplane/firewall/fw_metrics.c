/* SPDX-License-Identifier: BSD-3-Clause */

/* What a firewall measures: flows of each worker, rules, sets. Read where it is kept, when asked.
 */

#include "fw_app_priv.h"
#include "fw_priv.h"

#include <stdio.h>
#include <weir/metrics.h>
#include <weir/shard.h>

#include "app/app_priv.h"
#include "app/app_record_priv.h"

#define NUMBER_TEXT 12

enum { F_USED, F_CREATED, F_EXPIRED, F_EVICTED, F_KILLED, F_REFUSED, F_BLOCKS, F_UNTOLD, F_N };

static const struct weir_metric flow_metrics[F_N] = {
	[F_USED] = {"weir_flows",
		    WEIR_METRIC_GAUGE,
		    NULL,
		    "Flows that the worker knows, by what they are.",
		    "Near conntrack.flows: raise it, or look for a flood with weirctl flows.",
		    {"worker", "class"}},
	[F_CREATED] = {"weir_flows_begun",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "Flows that were let in.",
		       "Its rate is that of new connections.",
		       {"worker"}},
	[F_EXPIRED] = {"weir_flows_expired",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "Flows that ended because no packet came for too long.",
		       "Many that are established: applications keep connections open and silent.",
		       {"worker", "class"}},
	[F_EVICTED] = {"weir_flows_evicted",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "Flows that went to make room for new ones.",
		       "The table is full: raise conntrack.flows.",
		       {"worker", "class"}},
	[F_KILLED] = {"weir_flows_killed",
		      WEIR_METRIC_COUNTER,
		      NULL,
		      "Flows that weirctl or a new policy has ended.",
		      "After a reload: the policy lets fewer pass.",
		      {"worker"}},
	[F_REFUSED] = {"weir_flows_refused",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "New flows for which there was no entry.",
		       "Raise conntrack.flows.",
		       {"worker"}},
	[F_BLOCKS] = {"weir_nat_blocks",
		      WEIR_METRIC_GAUGE,
		      NULL,
		      "Blocks of ports of CGNAT subscribers in use, where records are written.",
		      "Subscribers that are active at the same time.",
		      {"worker"}},
	[F_UNTOLD] = {"weir_nat_blocks_untold",
		      WEIR_METRIC_COUNTER,
		      NULL,
		      "Flows whose block of ports could not be recorded as in use.",
		      "Raise conntrack.sources: more subscribers are active.",
		      {"worker"}},
};

enum { RU_PKTS, RU_BYTES, RU_N };

static const struct weir_metric rule_metrics[RU_N] = {
	[RU_PKTS] = {"weir_rule_packets",
		     WEIR_METRIC_COUNTER,
		     "packets",
		     "Packets of flows that the rule let in, and packets that it turned away.",
		     "None for long: the rule may be of no use; weirctl explain tells.",
		     {"rule"}},
	[RU_BYTES] = {"weir_rule_bytes",
		      WEIR_METRIC_COUNTER,
		      "bytes",
		      "IP bytes of these packets.",
		      "Its rate tells who fills the link.",
		      {"rule"}},
};

enum { SY_COOKIES, SY_OPENED, SY_N };

static const struct weir_metric synproxy_metrics[SY_N] = {
	[SY_COOKIES] =
		{"weir_syn_cookies",
		 WEIR_METRIC_COUNTER,
		 NULL,
		 "Cookies of the SYN proxy: sent to clients, accepted when they came back, come "
		 "back too late (stale), and segments that brought none (wrong).",
		 "Many more are sent than accepted: a flood of SYNs, which begins no flow.",
		 {"worker", "cookie"}},
	[SY_OPENED] = {"weir_synproxy_opened",
		       WEIR_METRIC_COUNTER,
		       NULL,
		       "Servers that have answered a SYN of the SYN proxy, with SYN-ACK or RST.",
		       "Fewer than accepted cookies: a server is down or has too long a queue.",
		       {"worker"}},
};

static const struct weir_metric push_metric = {
	"weir_driver_rules",
	WEIR_METRIC_GAUGE,
	NULL,
	"Rules that drivers have for hot drop rules (firewall.push_down).",
	"More than 0: a flood; weirctl rules push tells of which rules.",
	{NULL}};

enum { SE_ENTRIES, SE_MAX, SE_N };

static const struct weir_metric set_metrics[SE_N] = {
	[SE_ENTRIES] = {"weir_set_entries",
			WEIR_METRIC_GAUGE,
			NULL,
			"Entries of a set.",
			"Near the limit: raise sets.NAME.entries.",
			{"set"}},
	[SE_MAX] = {"weir_set_entries_limit",
		    WEIR_METRIC_GAUGE,
		    NULL,
		    "Entries that the set has room for.",
		    "Set by sets.NAME.entries.",
		    {"set"}},
};

static int put_classes(struct weir_metrics_sink *sink, const struct weir_metric *m,
		       const uint64_t *by_class, const char *worker, bool gauge)
{
	int rc = 0;

	for (unsigned c = 0; rc == 0 && c < WEIR_FLOW_CLASSES; c++) {
		const char *labels[] = {worker, weir_flow_class_name((enum weir_flow_class)c)};
		const uint64_t n = weir_counted(&by_class[c]);

		rc = gauge ? weir_metrics_put_gauge(sink, m, (double)n, labels, 2)
			   : weir_metrics_put_count(sink, m, n, labels, 2);
	}
	return rc;
}

static int put_blocks(struct weir_metrics_sink *sink, const struct weir_tracker *t,
		      const char *worker)
{
	const int rc = weir_metrics_put_gauge(sink, &flow_metrics[F_BLOCKS], weir_tracker_blocks(t),
					      &worker, 1);

	return rc < 0 ? rc
		      : weir_metrics_put_count(sink, &flow_metrics[F_UNTOLD],
					       weir_tracker_blocks_untold(t), &worker, 1);
}

static int put_worker(struct weir_metrics_sink *sink, const struct weir_flow_stats *s,
		      const char *worker)
{
	int rc = put_classes(sink, &flow_metrics[F_USED], s->in_class, worker, true);

	if (rc == 0)
		rc = weir_metrics_put_count(sink, &flow_metrics[F_CREATED],
					    weir_counted(&s->created), &worker, 1);
	if (rc == 0)
		rc = put_classes(sink, &flow_metrics[F_EXPIRED], s->expired, worker, false);
	if (rc == 0)
		rc = put_classes(sink, &flow_metrics[F_EVICTED], s->evicted, worker, false);
	if (rc == 0)
		rc = weir_metrics_put_count(sink, &flow_metrics[F_KILLED], weir_counted(&s->killed),
					    &worker, 1);
	if (rc == 0)
		rc = weir_metrics_put_count(sink, &flow_metrics[F_REFUSED],
					    weir_counted(&s->refused), &worker, 1);
	return rc;
}

static int put_synproxy(struct weir_metrics_sink *sink, const struct weir_synproxy_stats *s,
			const char *worker)
{
	static const char *const names[] = {"sent", "accepted", "stale", "wrong"};
	const uint64_t *const counts[] = {&s->answered, &s->accepted, &s->stale, &s->wrong};
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < 4; i++) {
		const char *labels[] = {worker, names[i]};

		rc = weir_metrics_put_count(sink, &synproxy_metrics[SY_COOKIES],
					    weir_counted(counts[i]), labels, 2);
	}
	return rc < 0 ? rc
		      : weir_metrics_put_count(sink, &synproxy_metrics[SY_OPENED],
					       weir_counted(&s->opened), &worker, 1);
}

static int collect_synproxy(void *ctx, struct weir_metrics_sink *sink)
{
	struct weir_run *run = ctx;
	int rc = 0;

	for (uint16_t w = 0; rc == 0 && w < weir_system_workers(run->system); w++) {
		const struct weir_shard *s = weir_engine_shard(weir_system_engine(run->system, w));
		char worker[NUMBER_TEXT];

		snprintf(worker, sizeof(worker), "%u", w);
		rc = put_synproxy(sink, &s->tracker->synproxy, worker);
	}
	return rc;
}

static int collect_flows(void *ctx, struct weir_metrics_sink *sink)
{
	struct weir_run *run = ctx;
	int rc = 0;

	for (uint16_t w = 0; rc == 0 && w < weir_system_workers(run->system); w++) {
		const struct weir_shard *s = weir_engine_shard(weir_system_engine(run->system, w));
		char worker[NUMBER_TEXT];

		snprintf(worker, sizeof(worker), "%u", w);
		rc = put_worker(sink, weir_flow_table_stats(s->tracker->flows), worker);
		if (rc == 0)
			rc = put_blocks(sink, s->tracker, worker);
	}
	return rc;
}

static int put_rule(struct weir_metrics_sink *sink, const struct fw *fw, uint32_t slot,
		    const char *name)
{
	uint64_t pkts, bytes, last_ns;
	int rc;

	fw_slot_sum(fw, slot, &pkts, &bytes, &last_ns);
	rc = weir_metrics_put_count(sink, &rule_metrics[RU_PKTS], pkts, &name, 1);
	return rc < 0 ? rc : weir_metrics_put_count(sink, &rule_metrics[RU_BYTES], bytes, &name, 1);
}

static int collect_rules(void *ctx, struct weir_metrics_sink *sink)
{
	struct weir_run *run = ctx;
	int rc = put_rule(sink, run->fw, 0, "default");

	for (uint32_t i = 1; rc == 0 && i < run->fw->n_slots; i++)
		if (run->fw->slots[i].name != NULL)
			rc = put_rule(sink, run->fw, i, run->fw->slots[i].name);
	return rc;
}

static int collect_sets(void *ctx, struct weir_metrics_sink *sink)
{
	struct weir_run *run = ctx;
	size_t n;
	struct fw_set *const *sets = fw_sets(run->fw, &n);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		const char *name = weir_set_name(sets[i]->set);
		struct weir_set_stats st;

		weir_set_stats(sets[i]->set, &st);
		rc = weir_metrics_put_gauge(sink, &set_metrics[SE_ENTRIES], st.entries, &name, 1);
		if (rc == 0)
			rc = weir_metrics_put_gauge(sink, &set_metrics[SE_MAX], st.max, &name, 1);
	}
	return rc;
}

static int collect_push(void *ctx, struct weir_metrics_sink *sink)
{
	const struct weir_run *run = ctx;

	return weir_metrics_put_gauge(sink, &push_metric, fw_push_used(run->fw), NULL, 0);
}

int fw_metrics(struct weir_run *run)
{
	static struct app_record *const none; /* there is no firewall: it is for the manual */
	int rc = weir_metrics_add(run->metrics, flow_metrics, F_N, collect_flows, run);

	if (rc == 0)
		rc = weir_metrics_add(run->metrics, synproxy_metrics, SY_N, collect_synproxy, run);
	if (rc == 0)
		rc = weir_metrics_add(run->metrics, rule_metrics, RU_N, collect_rules, run);
	if (rc == 0)
		rc = weir_metrics_add(run->metrics, set_metrics, SE_N, collect_sets, run);
	if (rc == 0)
		rc = fw_dpi_metrics(run);
	if (rc == 0)
		rc = weir_metrics_add(run->metrics, &push_metric, 1, collect_push, run);
	if (rc == 0)
		rc = app_record_metrics(run->metrics, run->fw == NULL ? &none : &run->fw->records);
	return rc;
}
