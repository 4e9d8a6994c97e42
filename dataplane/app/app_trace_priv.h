/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Trace and capture on the control thread: what a request asks for, and what a packet looks like.
 */

#include <weir/ctl.h>

#include "watch_priv.h"

struct weir_run;

/* Bytes of a packet's description. */
#define APP_PACKET_TEXT 192

/* Read the arguments of trace or pcap. 0, or -errno with a sentence. */
int app_watch_conf(const struct weir_run *run, const struct weir_ctl_request *request,
		   struct watch_conf *out, unsigned *seconds, struct weir_why *why);

/* "192.0.2.1 > 198.51.100.7 TCP 51234 > 443, 74 bytes"; returns text. */
const char *app_packet_text(const struct watch_record *r, char text[APP_PACKET_TEXT]);
