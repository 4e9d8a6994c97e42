/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Who polls and feeds which queue: the layout that the plan prints and the system makes. */

#include <weir/system.h>

/* On which NUMA node, by the sysfs mounted there; -1: it does not say. */
int numa_of_core(const char *sysfs, unsigned core);
int numa_of_port(const char *sysfs, const struct weir_port_conf *conf);

/* The index in plan.node of a NUMA node; 0 if it has no pool of its own. */
uint16_t plan_node(const struct weir_system_plan *plan, int numa);

/* Queues asked of a port. */
uint16_t layout_rxqs(const struct weir_system_conf *conf, uint16_t port);
uint16_t layout_txqs(const struct weir_system_conf *conf, uint16_t port);

/* The worker of a queue, where the port has n queues. */
uint16_t layout_worker(uint16_t workers, uint16_t port, uint16_t queue, uint16_t n);
/* The queue by which a worker sends, where the port has n; false: through the worker of queue. */
bool layout_txq(uint16_t workers, uint16_t port, uint16_t worker, uint16_t n, uint16_t *queue);
