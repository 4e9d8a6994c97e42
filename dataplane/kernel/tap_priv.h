/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A TAP device: the kernel's end of a port. */

#include <stdint.h>
#include <weir/why.h>

/*
 * Make a TAP with this MAC address and MTU, up. A descriptor that does not block: each read gives
 * a frame, each write takes one. Closing it removes the device. -errno with a sentence else.
 */
int tap_open(const char *name, const uint8_t mac[6], uint16_t mtu, struct weir_why *why);
