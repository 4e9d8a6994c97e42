/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stdint.h>

#define CROWD_MOST UINT32_C(15000000)

/*
 * So many connections between two stacks at once: prints what each costs, idle, in memory and in
 * CPU to set up. @return 0, or 1: something is not as it should be.
 */
int crowd(uint32_t connections);
