/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What local_send.c and local_way.c share. */

#include <stdbool.h>
#include <weir/gen.h>
#include <weir/shard.h>

#include "nodes/packet_priv.h"

/* Interfaces and routes of this pass; NULL: there are none. */
static inline const struct weir_l3 *local_l3(const struct weir_shard *s)
{
	const struct weir_gen *gen = s->gens == NULL ? NULL : weir_gens_enter(s->gens);

	return gen == NULL ? NULL : gen->l3;
}

/* fe80::/10 */
static inline bool local_is_link_local(const uint8_t *addr)
{
	return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}
