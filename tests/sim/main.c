/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The simulation as a program: seeds, the table of goodput, many connections.
 */

#include "crowd.h"
#include "goodput.h"

#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#define MBUFS 16383

static struct sim sim;

static void usage(FILE *to)
{
	fputs("usage: sim [--trace] --seed N | --seeds FROM-TO\n"
	      "       sim --goodput [FILE] | --connections N\n\n"
	      "Stacks over simulated wires in virtual time; a seed repeats a run.\n\n"
	      "  --seed N         one run\n"
	      "  --seeds FROM-TO  these; prints those that fail\n"
	      "  --trace          print each packet as it leaves, and with * as it arrives\n"
	      "  --goodput        print the table of goodput, or compare it with FILE's\n"
	      "  --connections N  so many at once, both ends here: memory and CPU of each\n",
	      to);
}

/* False: it has failed. */
static bool run_seed(uint64_t seed, bool trace, bool verbose)
{
	sim_begin(&sim, seed);
	sim.trace = trace;
	plan(&sim);
	sim_run(&sim);
	sim_end(&sim);
	if (sim.failed)
		printf("seed %" PRIu64 " at %.9f s: %s\n", seed,
		       (double)(sim.now_ns - sim.begin_ns) * 1e-9, sim.why);
	else if (verbose)
		printf("seed %" PRIu64 ": right, %u flows, %.3f s, digest %016" PRIx64 "\n", seed,
		       sim.n_flows, (double)(sim.now_ns - sim.begin_ns) * 1e-9, sim.digest);
	return !sim.failed;
}

static int run_seeds(uint64_t from, uint64_t to, bool trace)
{
	uint64_t failed = 0;

	for (uint64_t seed = from; seed <= to; seed++) {
		failed += !run_seed(seed, trace, from == to);
		if ((seed - from) % 1000 == 999 && isatty(STDERR_FILENO))
			fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " ", seed - from + 1,
				to - from + 1);
	}
	printf("%" PRIu64 " seeds, %" PRIu64 " failed\n", to - from + 1, failed);
	return failed > 0;
}

struct order {
	uint64_t from, to;
	bool trace, goodput;
	const char *file;
	uint32_t connections;
};

/* False: it cannot be understood. */
static bool read_range(const char *text, struct order *o)
{
	char *end;

	o->from = strtoull(text, &end, 10);
	o->to = o->from;
	if (*end == '-')
		o->to = strtoull(end + 1, &end, 10);
	return end != text && *end == '\0' && o->to >= o->from && o->from > 0;
}

static bool read_option(int c, struct order *o)
{
	char *end;

	switch (c) {
	case 't':
		o->trace = true;
		return true;
	case 'g':
		o->goodput = true;
		return true;
	case 's':
		return read_range(optarg, o);
	case 'c':
		o->connections = (uint32_t)strtoul(optarg, &end, 10);
		return *end == '\0' && o->connections > 0 && o->connections <= CROWD_MOST;
	default:
		return false;
	}
}

static bool read_order(int argc, char **argv, struct order *o)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
						{"seeds", required_argument, NULL, 's'},
						{"connections", required_argument, NULL, 'c'},
						{"goodput", no_argument, NULL, 'g'},
						{"trace", no_argument, NULL, 't'},
						{0}};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
		if (!read_option(c, o))
			return false;
	if (o->goodput && optind < argc)
		o->file = argv[optind++];
	return optind == argc && (o->from > 0) + o->goodput + (o->connections > 0) == 1;
}

int main(int argc, char **argv)
{
	struct order o = {0};

	if (!read_order(argc, argv, &o)) {
		usage(stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	sim_memory(MBUFS);
	if (o.goodput)
		return goodput(&sim, o.file);
	return o.connections > 0 ? crowd(o.connections) : run_seeds(o.from, o.to, o.trace);
}
