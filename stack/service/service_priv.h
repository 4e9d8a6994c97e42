/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the services share. */

#include <netinet/in.h>
#include <weir/socket.h>

#include "count_priv.h"

/* Why a socket is over (SO_ERROR), -errno, told once; 0: it is not, or ended in order. */
static inline int service_error(struct weir_stack *s, weir_sock sock)
{
	int value = 0;
	uint32_t bytes = sizeof(value);
	const int rc = weir_getsockopt(s, sock, SOL_SOCKET, SO_ERROR, &value, &bytes);

	return rc < 0 ? rc : -value;
}
