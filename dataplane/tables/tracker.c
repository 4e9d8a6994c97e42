/* SPDX-License-Identifier: BSD-3-Clause */

/* What the stages 30 to 50 of one worker share. */

#include "tracker_priv.h"

#include <errno.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <weir/capture.h>
#include <weir/dpi.h>
#include <weir/shard.h>

#include "nat_priv.h"

static uint64_t counters_size(const struct weir_tracker_conf *conf)
{
	return conf->rule_slots * sizeof(struct weir_rule_counter);
}

uint64_t weir_tracker_size(const struct weir_tracker_conf *conf)
{
	return sizeof(struct weir_tracker) + weir_flow_table_size(&conf->flows) +
	       counters_size(conf) + weir_nat_maps_size(conf->nat_maps) +
	       (conf->records == NULL
			? 0
			: weir_records_size(conf->records) + nat_leases_size(conf->nat_blocks)) +
	       (conf->capture == NULL ? 0 : weir_capture_size(conf->capture)) +
	       (conf->dpi == NULL ? 0 : weir_dpi_worker_size(conf->dpi, NULL));
}

uint32_t weir_tracker_blocks(const struct weir_tracker *t)
{
	return nat_leases_used(t->leases);
}

uint64_t weir_tracker_blocks_untold(const struct weir_tracker *t)
{
	return nat_leases_untold(t->leases);
}

void weir_tracker_give_back(struct weir_tracker *t, struct weir_flow *f)
{
	struct weir_tuple orig, to;

	if (!(f->flags & WEIR_FLOW_OWN_PORT))
		return;
	f->flags &= (uint16_t)~WEIR_FLOW_OWN_PORT;
	weir_flow_tuple(t->flows, f, WEIR_DIR_ORIG, &orig);
	weir_flow_leaving(t->flows, f, WEIR_DIR_ORIG, &to);
	weir_nat_release(t->nat.maps, &orig, &to);
}

static void flow_ended(void *ctx, struct weir_flow *f, uint32_t flow)
{
	tracker_inspect_end(ctx, f);
	if (!(f->flags & WEIR_FLOW_DRAFT))
		tracker_ended(ctx, f, flow);
	weir_tracker_give_back(ctx, f);
}

static int create_rings(const struct weir_tracker_conf *conf, struct weir_tracker *t)
{
	struct weir_record_ring_conf ring;
	int rc = 0;

	t->ending = WEIR_RECORD_REASONS;
	t->update_ms = conf->update_ms;
	if (conf->records != NULL) {
		ring = *conf->records;
		ring.worker = t->shard->worker;
		rc = weir_records_create(&ring, &t->records);
	}
	if (rc == 0 && t->records != NULL && conf->nat_blocks > 0)
		rc = nat_leases_create(conf->nat_blocks, t->shard->numa, &t->shard->secret,
				       &t->leases);
	if (rc == 0 && conf->capture != NULL)
		rc = weir_capture_create(conf->capture, &t->capture);
	return rc;
}

static int create_dpi(const struct weir_tracker_conf *conf, struct weir_tracker *t,
		      struct weir_why *why)
{
	struct weir_dpi_worker_conf dpi;

	if (conf->dpi == NULL)
		return 0;
	dpi = *conf->dpi;
	dpi.numa = t->shard->numa;
	dpi.alert = tracker_alert;
	dpi.ctx = t;
	return weir_dpi_worker_create(&dpi, &t->dpi, why);
}

int weir_tracker_create(const struct weir_tracker_conf *conf, struct weir_shard *shard,
			struct weir_tracker **out, struct weir_why *why)
{
	struct weir_flow_conf flows = conf->flows;
	struct weir_tracker *t;
	int rc;

	if (conf->rule_slots == 0 || conf->rule_slots > WEIR_RULE_SLOTS_MAX)
		return weir_why(why, -EINVAL, "connection tracking: %u rule slots, must be 1 to %u",
				conf->rule_slots, WEIR_RULE_SLOTS_MAX);
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return weir_why(why, -ENOMEM, "connection tracking: out of memory");
	t->shard = shard;
	t->stateless = conf->stateless;
	t->rule_slots = conf->rule_slots;
	flows.numa = shard->numa;
	flows.secret = shard->secret;
	rc = weir_flow_table_create(&flows, &t->flows, why);
	if (rc < 0)
		goto err;
	rc = -ENOMEM;
	t->counter = rte_zmalloc_socket("rule_counters", counters_size(conf), RTE_CACHE_LINE_SIZE,
					shard->numa);
	if (t->counter != NULL)
		rc = weir_rules_worker_create(conf->limit_sources, shard->numa, &shard->secret,
					      &t->rules);
	if (rc == 0)
		rc = weir_nat_maps_create(conf->nat_maps, shard->numa, &shard->secret,
					  &t->nat.maps);
	if (rc < 0) {
		weir_why(why, rc, "connection tracking: out of memory");
		goto err;
	}
	t->nat.flows = t->flows;
	t->nat.secret = shard->secret;
	weir_flow_table_on_end(t->flows, flow_ended, t);
	rc = create_rings(conf, t);
	if (rc < 0) {
		weir_why(why, rc, "records: no rings of these sizes");
		goto err;
	}
	rc = create_dpi(conf, t, why);
	if (rc < 0)
		goto err;
	*out = t;
	return 0;
err:
	weir_tracker_free(t);
	return rc;
}

void weir_tracker_free(struct weir_tracker *t)
{
	if (t == NULL)
		return;
	weir_rules_worker_free(t->rules);
	rte_free(t->counter);
	weir_nat_maps_free(t->nat.maps);
	nat_leases_free(t->leases);
	weir_records_free(t->records);
	weir_capture_free(t->capture);
	weir_dpi_worker_free(t->dpi);
	weir_flow_table_free(t->flows);
	free(t);
}
