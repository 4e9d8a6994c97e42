/* SPDX-License-Identifier: BSD-3-Clause */

/* What the benchmarks share. */

#include "perf.h"

#include <errno.h>
#include <getopt.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/error.h>

static void usage(const char *program)
{
	fprintf(stderr,
		"usage: %s [--core N] [--rounds N] [--huge | --no-huge] [--json] [--spread N]\n"
		"       [--family 4 | 6] [--burst N] [--dump FOLDER] [--only CASE]\n"
		"       [--rules N] [--count N]\n"
		"  --core N    the core to run on\n"
		"  --rounds N  samples of each figure, of which the minimum and median are shown\n"
		"  --huge      packet buffers and tables in hugepages; --no-huge: in 4 KiB pages\n"
		"  --json      print one JSON object\n"
		"  --spread N  perf_router: destinations lie in N routes (all)\n"
		"  --family N  perf_router, perf_rules: only IPv4 or IPv6 (both)\n"
		"  --burst N   perf_router: only this burst (16, 32, 64, 128)\n"
		"  --dump F    perf_rules: write rules and packets for dpdk-test-acl into a folder\n"
		"  --only C    perf_firewall: this case alone; perf_rules: mixed\n"
		"  --rules N   perf_firewall: rules that a new flow is compared with (1000)\n"
		"  --count N   perf_stack: do N of each, timed by nothing, for callgrind\n",
		program);
	exit(2);
}

static unsigned number(const char *text, unsigned max, const char *program)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n > max)
		usage(program);
	return (unsigned)n;
}

void perf_options(struct perf_options *o, int argc, char **argv)
{
	static const struct option known[] = {
		{"core", required_argument, NULL, 'c'},
		{"rounds", required_argument, NULL, 'r'},
		{"huge", no_argument, NULL, 'h'},
		{"no-huge", no_argument, NULL, 'n'},
		{"json", no_argument, NULL, 'j'},
		{"spread", required_argument, NULL, 's'},
		{"family", required_argument, NULL, 'f'},
		{"burst", required_argument, NULL, 'b'},
		{"dump", required_argument, NULL, 'd'},
		{"only", required_argument, NULL, 'o'},
		{"rules", required_argument, NULL, 'u'},
		{"count", required_argument, NULL, 'k'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'c')
			o->core = number(optarg, 1023, argv[0]);
		else if (c == 'r')
			o->rounds = number(optarg, 100000, argv[0]);
		else if (c == 'h' || c == 'n')
			o->huge = c == 'h';
		else if (c == 'f')
			o->family = number(optarg, 6, argv[0]);
		else if (c == 'b')
			o->burst = number(optarg, 128, argv[0]);
		else if (c == 's')
			o->spread = number(optarg, 1000000, argv[0]);
		else if (c == 'u')
			o->rules = number(optarg, 100000, argv[0]);
		else if (c == 'k')
			o->count = number(optarg, 100000000, argv[0]);
		else if (c == 'd')
			o->dump = optarg;
		else if (c == 'o')
			o->only = optarg;
		else if (c == 'j')
			o->json = true;
		else
			usage(argv[0]);
	}
	if (optind != argc || o->rounds == 0)
		usage(argv[0]);
}

void perf_eal(const struct perf_options *o, const char *program)
{
	char core[16], name[64];
	char *args[16] = {name, (char *)"-l", core, (char *)"--no-pci",
			  (char *)"--log-level=error"};
	int n = 5;

	if (o->core >= (unsigned)sysconf(_SC_NPROCESSORS_CONF))
		perf_die("--core: there is no such core", -EINVAL);
	snprintf(name, sizeof(name), "%s", program);
	snprintf(core, sizeof(core), "%u", o->core);
	if (o->huge) {
		args[n++] = (char *)"--in-memory";
		args[n++] = (char *)"--single-file-segments";
	} else {
		args[n++] = (char *)"--no-huge";
		args[n++] = (char *)"--no-shconf";
		args[n++] = (char *)"-m";
		args[n++] = (char *)"512";
	}
	n = rte_eal_init(n, args);
	if (n < 0)
		perf_die("EAL does not start (hugepages: nr_hugepages; core: --core)", -rte_errno);
}

void perf_die(const char *what, int rc)
{
	fprintf(stderr, "%s: %s\n", what, weir_error_text(rc));
	exit(1);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double perf_median(double *samples, size_t n)
{
	qsort(samples, n, sizeof(*samples), compare);
	return n % 2 == 1 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
}
