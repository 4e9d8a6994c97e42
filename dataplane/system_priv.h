/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Who polls and feeds which queue: the layout that the plan prints and the system makes. */

#include <weir/system.h>

/* Queues asked of a port. */
uint16_t layout_rxqs(const struct weir_system_conf *conf, uint16_t port);
uint16_t layout_txqs(const struct weir_system_conf *conf, uint16_t port);

/* The worker of a queue, where the port has n queues. */
uint16_t layout_worker(uint16_t workers, uint16_t port, uint16_t queue, uint16_t n);
/* The queue by which a worker sends, where the port has n; false: through the worker of queue. */
bool layout_txq(uint16_t workers, uint16_t port, uint16_t worker, uint16_t n, uint16_t *queue);
