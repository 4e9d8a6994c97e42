/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The worker's own queue (weir_origin_push() in shard.h fills it). */

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;
struct weir_origin;
struct weir_shard;

/* Made and freed by the engine. Free drops what waits, as STOPPING. */
int origin_create(struct weir_shard *shard, struct weir_origin **out);
void origin_free(struct weir_origin *o);
/* Let a packet that is dressed be KNOWN in the next pass that has room for it (local.h). */
void origin_push_local(struct weir_origin *o, struct rte_mbuf *m);
/* Take up to room packets; returns how many. */
uint16_t origin_take(struct weir_origin *o, struct rte_mbuf **pkts, uint16_t room);
/* Whether the worker must not rest. */
bool origin_waits(const struct weir_origin *o);
