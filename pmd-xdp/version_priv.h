/* SPDX-License-Identifier: BSD-3-Clause */

/* Whether the DPDK that loaded us is the one whose driver headers we were compiled with. */

#pragma once

/*
 * The layouts that a driver and ethdev share differ from release to release, and no symbol version
 * guards them. Called first at probe. 0; -ENOTSUP after one log line that names both versions.
 */
int xdp_version_check(void);
