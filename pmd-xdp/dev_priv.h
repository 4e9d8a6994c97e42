/* SPDX-License-Identifier: BSD-3-Clause */

/* Who a port is: what its parts ask of each other. */

#pragma once

#include "steer_priv.h"

#include <ethdev_driver.h>

/* The program of a port; NULL in a secondary process. */
struct steer *xdp_steer_of(const struct rte_eth_dev *dev);
