/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The firewall of a running app: what app/ calls. All of it belongs to the control thread. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <weir/app.h>
#include <weir/firewall.h>
#include <weir/policy.h>
#include <weir/rib.h>
#include <weir/tracker.h>
#include <weir/why.h>

struct fw;
struct weir_run;

/* Memory of tables and sets for all workers, for --plan and hugepages. */
uint64_t fw_bytes(const struct weir_app *app, const void *conf, uint16_t workers);

/* What of it is for inspection, if anything is inspected. */
void fw_plan_print(const struct weir_app *app, const void *conf, uint16_t workers, FILE *to);
/* The app's path: that for packets by themselves, if the configuration says so. */
const struct weir_node_ops *const *fw_path(const struct weir_app *app, const void *conf);

/* @conf: the app's. */
int fw_create(struct weir_run *run, const void *conf, struct weir_why *why);
/* No worker runs, and no policy is held. NULL is allowed. */
void fw_free(struct fw *fw);
/* Sizes of each worker's tracker. */
const struct weir_tracker_conf *fw_sizes(const struct fw *fw);

/*
 * The policy of a configuration, held once. The tables of @rib know its interfaces; NULL: they are
 * not placed. Must be followed by fw_in_force() or fw_refused().
 */
int fw_policy(struct weir_run *run, const void *conf, const char *file, const struct weir_rib *rib,
	      struct weir_policy **out, struct weir_why *why);
/* It is published. */
void fw_in_force(struct fw *fw);
/* It is not, and is given back. */
void fw_refused(struct fw *fw, struct weir_policy *policy);

/* Whether a reload may go from one configuration to the other. */
int fw_may_follow(const struct weir_firewall_conf *old, const struct weir_firewall_conf *fresh,
		  const char *file, struct weir_why *why);

/* --check: build the policy without workers; say which rules never match. */
int fw_check(struct weir_run *run, const void *conf, FILE *to, struct weir_why *why);

/* --offline: what the policy would do with captures. */
struct fw_offline_ask {
	const char *const *files; /* as on the command line */
	unsigned n;
	bool json; /* an object a line */
};
/* Run over them to the end; the exit status, with a sentence if it is not 0. @from: as for a live
 * run. */
int fw_offline(struct weir_run *run, const struct weir_system_conf *from,
	       const struct fw_offline_ask *ask, struct weir_why *why);

/* Look for hot drop rules from now on. */
int fw_push_start(struct fw *fw, struct weir_why *why);
/* Routes are about to change: what depends on them comes back from the drivers. NULL is allowed. */
void fw_push_before_routes(struct fw *fw, const struct weir_l3 *fresh);
/* All comes back; ports are still there. NULL is allowed. */
void fw_push_stop(struct fw *fw);

/* Where records go: opened when the system is made, written about ten times a second. */
int fw_records_start(struct fw *fw, struct weir_why *why);
/* Write down what the workers have recorded. */
void fw_records_drain(struct fw *fw);
/* SIGUSR1. NULL is allowed. */
void fw_records_reopen(struct fw *fw);
/* The workers have stopped, and their rings are there still. NULL is allowed. */
void fw_records_stop(struct fw *fw);

/* weirctl's commands. */
int fw_register(struct weir_run *run);
/* Tables of metrics. */
int fw_metrics(struct weir_run *run);
