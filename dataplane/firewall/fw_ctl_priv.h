/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the firewall's commands on the control socket share. */

#include <jansson.h>
#include <stdint.h>
#include <weir/ctl.h>
#include <weir/policy.h>
#include <weir/rules.h>
#include <weir/tuple.h>

struct weir_run;

/* The policy in force. */
const struct weir_policy *fw_policy_now(const struct weir_run *run);
/* The clock of the sets. */
uint32_t fw_now_s(const struct weir_run *run);
/* The second that begins next: what ends N seconds after it is there for N seconds at least. */
uint32_t fw_next_s(const struct weir_run *run);
/* "lan"; "?" for what is no zone. */
const char *fw_zone_name(const struct weir_policy *p, uint8_t zone);
/* "accept", "drop", ... */
const char *fw_action_name(enum weir_action action);
/* src, sport, dst, dport. */
json_t *fw_tuple_json(const struct weir_tuple *t);

/* fw_ctl_sets.c: sets, set_list, set_add, set_del, set_flush. */
weir_ctl_handler fw_ctl_sets, fw_ctl_set_list, fw_ctl_set_add, fw_ctl_set_del, fw_ctl_set_flush;
/* fw_dpi_show.c: dpi. */
weir_ctl_handler fw_ctl_dpi;
/* fw_push_run.c: rules_push. */
weir_ctl_handler fw_ctl_push;
/* fw_ctl_judge.c: judge. */
weir_ctl_handler fw_ctl_judge;
