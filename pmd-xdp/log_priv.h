/* SPDX-License-Identifier: BSD-3-Clause */

/* The driver's log lines: "net_weir_xdp: " and a sentence. Control path only. */

#pragma once

#include <rte_log.h>

extern int xdp_logtype;

#define XDP_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_##level, (uint32_t)xdp_logtype, "net_weir_xdp: " fmt "\n", ##__VA_ARGS__)
