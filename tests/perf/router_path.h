/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * weir-router's path between two ports of memory: engines with different bursts over one routing
 * table, and packets whose destinations are drawn from its routes.
 */

#include <stdint.h>
#include <weir/engine.h>

/* Packets between two refills: as many as a queue of default length holds. Power of two. */
#define ROUTER_PKTS 1024

#define ROUTER_ROUTES4	100000
#define ROUTER_ROUTES6	26000
#define ROUTER_GATEWAYS 8

struct router;

/*
 * Make tables and packets, whose destinations lie in so many routes; 0: in all. Exits with a
 * sentence if that fails.
 */
struct router *router_create(unsigned spread);
void router_free(struct router *r);

/* An engine with weir-router's path and the gateways in its neighbour table; freed by the caller.
 */
struct weir_engine *router_engine(struct router *r, uint16_t burst);

/* Put ROUTER_PKTS packets with new random destinations into the receiving port. */
void router_refill(struct router *r, unsigned family);

/* Packets sent since the last refill. */
unsigned router_sent(const struct router *r);

/* Routes of a family in the forwarding table. */
unsigned router_routes(const struct router *r, unsigned family);

/* Nanoseconds on the engines' clock. */
uint64_t router_now_ns(const struct router *r);
