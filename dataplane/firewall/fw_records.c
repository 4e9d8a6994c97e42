/* SPDX-License-Identifier: BSD-3-Clause */

/* Records of a running firewall: rings of its workers, names for what is in them, and their end. */

#include "fw_app_priv.h"
#include "fw_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <weir/shard.h>

#include "app/app_priv.h"
#include "app/app_record_priv.h"

static const char *rule_name(void *ctx, uint32_t slot)
{
	return fw_slot_name(ctx, slot);
}

static const char *zone_name(void *ctx, uint32_t zone)
{
	const struct fw *fw = ctx;
	const struct weir_policy *p = app_l3_policy(fw->run->l3);

	return p != NULL && zone < p->n_zones ? p->zone[zone].name : NULL;
}

static const char *tcp_state_name(void *ctx, uint32_t state)
{
	return state < WEIR_TCP_STATES ? weir_tcp_state_name((enum weir_tcp_state)state) : NULL;
}

static const char *signature_name(void *ctx, uint32_t id)
{
	const struct fw *fw = ctx;

	return fw->named == NULL ? NULL : weir_dpi_message(fw->named, id);
}

static const char *domains_name(void *ctx, uint32_t id)
{
	const struct fw *fw = ctx;

	return fw->named == NULL ? NULL : weir_dpi_set_name(fw->named, id);
}

static const char *app_name(void *ctx, uint32_t app)
{
	return fw_app_name(ctx, app);
}

void fw_record_sizes(struct fw *fw, const struct weir_records_conf *conf)
{
	if (app_record_wanted(conf)) {
		fw->ring = app_record_ring(conf, 0);
		fw->sizes.records = &fw->ring;
		fw->sizes.update_ms = (uint32_t)(conf->updates / 1000000);
	}
	if (app_record_captures(conf)) {
		fw->packets = app_record_capture(conf);
		fw->sizes.capture = &fw->packets;
	}
}

void fw_records_drain(struct fw *fw)
{
	const struct app_past *past = fw->run->past;

	if (fw->records == NULL)
		return;
	if (past != NULL)
		app_record_drain_at(fw->records, past->now_ns, past->epoch_ns + past->now_ns);
	else
		app_record_drain(fw->records, weir_run_now_ns(fw->run));
}

static void drain(void *ctx)
{
	fw_records_drain(ctx);
}

void fw_record_names(struct fw *fw)
{
	const struct fw_dpi *now = fw_dpi_now(fw);

	if (fw->records != NULL)
		drain(fw);
	fw->named = now == NULL ? NULL : now->dpi;
}

/* The rings that the workers write into. */
static int find_rings(struct fw *fw, struct app_record_options *o, struct weir_why *why)
{
	struct weir_system *s = fw->run->system;
	struct weir_records **rings = calloc(o->workers, sizeof(struct weir_records *));
	struct weir_capture **captures = calloc(o->workers, sizeof(struct weir_capture *));

	fw->rings = rings;
	fw->captures = captures;
	if (rings == NULL || captures == NULL)
		return weir_why(why, -ENOMEM, "records: out of memory");
	for (uint16_t w = 0; w < o->workers; w++) {
		const struct weir_shard *shard = weir_engine_shard(weir_system_engine(s, w));

		rings[w] = shard->tracker->records;
		captures[w] = shard->tracker->capture;
	}
	o->rings = fw->sizes.records == NULL ? NULL : rings;
	o->captures = fw->sizes.capture == NULL ? NULL : captures;
	return 0;
}

int fw_records_start(struct fw *fw, struct weir_why *why)
{
	const struct weir_records_conf *conf = &app_fw_conf(fw->run->app, fw->run->conf)->records;
	struct weir_system *s = fw->run->system;
	const char *ports[WEIR_PORTS_MAX];
	struct app_record_options o = {
		.program = fw->run->app->name,
		.names = &fw->names,
		.n_zones = WEIR_ZONES_MAX,
		.ports = ports,
		.n_ports = weir_system_ports(s),
		.workers = weir_system_workers(s),
	};
	int rc;

	if (fw->sizes.records == NULL && fw->sizes.capture == NULL)
		return 0;
	fw->names = (struct weir_record_names){
		.rule = rule_name,
		.zone = zone_name,
		.signature = signature_name,
		.domains = domains_name,
		.app = app_name,
		.tcp_state = tcp_state_name,
		.ctx = fw,
	};
	for (uint16_t p = 0; p < o.n_ports; p++)
		ports[p] = weir_system_port(s, p)->name;
	rc = find_rings(fw, &o, why);
	if (rc == 0)
		rc = app_record_create(conf, &o, &fw->records, why);
	return rc < 0 ? rc : app_loop_add(fw->run->loop, -1, drain, fw);
}

void fw_records_reopen(struct fw *fw)
{
	if (fw != NULL && fw->records != NULL)
		app_record_reopen(fw->records); /* logged there */
}

void fw_records_stop(struct fw *fw)
{
	if (fw == NULL)
		return;
	fw_records_drain(fw);
	app_record_free(fw->records);
	fw->records = NULL;
	free(fw->rings);
	free(fw->captures);
	fw->rings = NULL;
	fw->captures = NULL;
}
