/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A line of the prompt, read strictly: the words of testpmd that mean something here. */

#include <stdint.h>
#include <weir/why.h>

#include "template_priv.h"

enum bench_verb {
	BENCH_NOTHING, /* an empty line, or a comment */
	BENCH_CMD_START,
	BENCH_CMD_STOP,
	BENCH_CMD_QUIT,
	BENCH_CMD_HELP,
	BENCH_CMD_SHOW_PORTS,
	BENCH_CMD_SHOW_FWD,
	BENCH_CMD_SHOW_CONFIG,
	BENCH_CMD_CLEAR,
	BENCH_CMD_SET_FWD,
	BENCH_CMD_SET_BURST,
	BENCH_CMD_SET_TXPKTS,
	BENCH_CMD_SET_RATE,
	BENCH_CMD_SET_FLOWS,
};

struct bench_command {
	enum bench_verb verb;
	uint64_t number;	  /* mode, burst, rate, flows */
	struct bench_sizes sizes; /* SET_TXPKTS */
};

/* @return 0, or -EINVAL with a sentence. */
int bench_command_parse(const char *line, struct bench_command *out, struct weir_why *why);

extern const char bench_command_help[];
