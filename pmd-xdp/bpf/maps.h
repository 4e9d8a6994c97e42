/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0-only) */

/* What the program reads and writes. Global data is the driver's to write, mapped into its memory.
 */

#pragma once

#include "steer.h"

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, STEER_SOCKS);
	__type(key, __u32);
	__type(value, __u32);
} socks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STEER_HWQS);
	__type(key, __u32);
	__type(value, struct steer_queue_stats);
} queue_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STEER_RULES);
	__type(key, __u32);
	__type(value, struct steer_rule_stats);
} rule_stats SEC(".maps");

/* A masked key leads to the first rule of its chain. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STEER_RULES);
	__type(key, struct steer_key);
	__type(value, __u32);
} chains SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STEER_HOSTS);
	__type(key, struct steer_host);
	__type(value, __u32); /* enum steer_host_kind */
} hosts SEC(".maps");

struct steer_config config = {};
__u16 reta[STEER_RETA] = {};
struct steer_mask masks[STEER_MASKS] = {};
struct steer_rule rules[STEER_RULES] = {};
/* What each value of each input byte adds to the hash, for the key in use and for the next one. */
__u32 toeplitz[2][STEER_KEY_BYTES][256] = {};
