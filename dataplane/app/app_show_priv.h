/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the commands, the metrics and the traces call things, and what they share. */

#include <jansson.h>
#include <weir/ctl.h>
#include <weir/graph.h>
#include <weir/poll.h>

struct weir_run;

/* Bytes of "60_route" with its NUL. */
#define APP_STAGE_TEXT 40

/* "NEXT", "OUT", ... */
const char *app_verdict_name(unsigned verdict);
/* "spin", "pause", ... */
const char *app_rest_name(unsigned rest);
/* "rx_csum_ip4", ...; NULL beyond the last bit. */
const char *app_cap_name(unsigned bit);
/* "60_route"; returns text. */
const char *app_stage_name(const struct weir_node_ops *node, char text[APP_STAGE_TEXT]);

/* The pipeline of the first worker, which all have; NULL: the app has none. */
const struct weir_graph *app_graph(const struct weir_run *run);
/* Packets dropped for a reason by one worker. */
uint64_t app_drops(const struct weir_run *run, uint16_t worker, unsigned reason);

/*
 * Read a request's arguments as json_unpack(3) does. Arguments that the format does not name are
 * refused. Returns 0, or -EINVAL with a sentence.
 */
int app_args(const struct weir_ctl_request *request, struct weir_why *why, const char *format, ...);

/* app_ctl_show.c: status, ports, stages, drops, pool. */
int app_show_register(struct weir_run *run);
