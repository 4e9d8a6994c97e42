/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Addresses that the Internet does not have as sources. */

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether packets from the Internet may not have this source: what IANA's registries of special
 * purpose addresses (RFC 6890, as of 2024) say is not globally reachable. @addr: 4 or 16 bytes in
 * network order, by the family. Any thread.
 */
bool bogon_is(uint8_t family, const uint8_t *addr);
