/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the benchmarks share: options, EAL, samples and their minimum and median. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The command line; a benchmark sets its defaults first. */
struct perf_options {
	unsigned core;
	unsigned rounds;  /* samples of each figure */
	bool huge;	  /* with hugepages */
	bool json;	  /* one JSON object instead of tables */
	unsigned spread;  /* perf_router: destinations lie in so many routes; 0: in all */
	unsigned family;  /* perf_router, perf_rules: only this one; 0: both */
	unsigned burst;	  /* perf_router: only this one; 0: all */
	unsigned rules;	  /* perf_firewall: so many */
	unsigned count;	  /* perf_stack: do so many and say how many it was; 0: measure */
	const char *only; /* perf_firewall, perf_rules: a case; NULL: all */
	const char *dump; /* perf_rules: folder for what dpdk-test-acl reads; NULL: none */
};

/* Read the command line; prints usage and exits with status 2 for what it does not know. */
void perf_options(struct perf_options *o, int argc, char **argv);

/* Begin EAL on one core, without devices; exits with status 1 if it cannot. */
void perf_eal(const struct perf_options *o, const char *program);

/* Print a sentence and exit with status 1. */
void perf_die(const char *what, int rc) __attribute__((noreturn));

/* Sort the samples; then the smallest is first and this is the median. n > 0. */
double perf_median(double *samples, size_t n);
