/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * EAL's command line, made from a few facts, and what is checked before EAL is let loose: it can
 * begin only once in a process, so what a person can mend is said before.
 */

#include "eal_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The most arguments that are not lists of the caller's. */
#define ARGS_OWN 16

static uint64_t sysfs_number(const char *dir, const char *pages, const char *name)
{
	char path[256];
	uint64_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%s", dir, pages, name);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%" SCNu64, &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

int eal_check_pages(const char *sysfs, enum weir_hugepages kind, uint32_t memory_mib,
		    struct weir_why *why)
{
	const bool giant = kind == WEIR_HUGEPAGES_1G;
	const char *pages = giant ? "hugepages-1048576kB" : "hugepages-2048kB";
	const uint32_t page_mib = giant ? 1024 : 2;
	const uint64_t need = ((uint64_t)memory_mib + page_mib - 1) / page_mib;
	uint64_t have, total, reserved, more, surplus;

	if (kind == WEIR_HUGEPAGES_NONE)
		return 0;
	total = sysfs_number(sysfs, pages, "nr_hugepages");
	have = sysfs_number(sysfs, pages, "free_hugepages");
	reserved = sysfs_number(sysfs, pages, "resv_hugepages");
	more = sysfs_number(sysfs, pages, "nr_overcommit_hugepages");
	surplus = sysfs_number(sysfs, pages, "surplus_hugepages");
	have = have > reserved ? have - reserved : 0;
	have += more > surplus ? more - surplus : 0;
	if (have >= (need ? need : 1))
		return 0;
	return weir_why(why, -ENOMEM,
			"need %" PRIu64 " hugepages of %s, %" PRIu64 " are free: echo %" PRIu64
			" > %s/%s/nr_hugepages, or set hugepages: none",
			need, giant ? "1 GiB" : "2 MiB", have, total + need - have, sysfs, pages);
}

static int check_cores(const struct weir_eal_conf *conf, const cpu_set_t *allowed,
		       struct weir_why *why)
{
	const long cpus = sysconf(_SC_NPROCESSORS_CONF);

	for (uint16_t i = 0; i < conf->n_cores; i++) {
		const unsigned core = conf->cores[i];

		if (core >= CPU_SETSIZE || (long)core >= cpus)
			return weir_why(why, -EINVAL,
					"worker %u is to run on core %u, but this machine has only "
					"cores 0 to %ld",
					i, core, cpus - 1);
		if (!CPU_ISSET(core, allowed))
			return weir_why(
				why, -EINVAL,
				"worker %u is to run on core %u, which this process may not "
				"use: see taskset -p %d, or the cpuset of its container",
				i, core, getpid());
	}
	return 0;
}

static int check_plugins(const char *const *plugins, struct weir_why *why)
{
	for (; plugins != NULL && *plugins != NULL; plugins++)
		if (strchr(*plugins, '/') != NULL && access(*plugins, R_OK) < 0)
			return weir_why(why, -errno,
					"cannot read the driver %s: %s; is weir installed, or is "
					"the path wrong?",
					*plugins, strerror(errno));
	return 0;
}

/* "0@(0,2),1@1,2@3": the control thread floats where no worker runs, or everywhere. */
static char *lcores(const struct weir_eal_conf *conf, const cpu_set_t *allowed)
{
	cpu_set_t rest = *allowed;
	const char *comma = "";
	size_t bytes;
	char *text = NULL;
	FILE *f = open_memstream(&text, &bytes);

	if (f == NULL)
		return NULL;
	for (uint16_t i = 0; i < conf->n_cores; i++)
		CPU_CLR(conf->cores[i], &rest);
	if (CPU_COUNT(&rest) == 0)
		rest = *allowed;
	fputs("0@(", f);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &rest)) {
			fprintf(f, "%s%u", comma, cpu);
			comma = ",";
		}
	fputc(')', f);
	for (uint16_t i = 0; i < conf->n_cores; i++)
		fprintf(f, ",%u@%u", weir_eal_lcore(i), conf->cores[i]);
	return fclose(f) == 0 ? text : NULL;
}

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list != NULL && list[n] != NULL)
		n++;
	return n;
}

/* Room is counted before; NULL stays in the place of a string that there was no memory for. */
static void add(struct eal_words *a, const char *text)
{
	a->argv[a->argc++] = strdup(text);
}

static void add_list(struct eal_words *a, const char *option, const char *const *list)
{
	for (; list != NULL && *list != NULL; list++) {
		if (option != NULL)
			add(a, option);
		add(a, *list);
	}
}

static void add_memory(struct eal_words *a, const struct weir_eal_conf *conf)
{
	char mib[16];

	if (conf->hugepages != WEIR_HUGEPAGES_NONE) {
		add(a, "--in-memory");
		return;
	}
	/* --in-memory and --no-huge exclude each other in 22.11; this means the same. */
	snprintf(mib, sizeof(mib), "%" PRIu32, conf->memory_mib ? conf->memory_mib : 64);
	add(a, "--no-huge");
	add(a, "--no-shconf");
	add(a, "-m");
	add(a, mib);
}

/* Errors; and of our driver, what it could not have as it was asked for. */
static void add_log_levels(struct eal_words *a, const struct weir_eal_conf *conf)
{
	if (conf->verbose) {
		add(a, "--log-level=info");
		return;
	}
	add(a, "--log-level=notice");
	add(a, "--log-level=*:error");
	add(a, "--log-level=pmd.net.weir_xdp:notice");
}

static void add_all(struct eal_words *a, const struct weir_eal_conf *conf)
{
	add(a, conf->program ? conf->program : "weir");
	add_memory(a, conf);
	/* A telemetry socket would outlive a killed process; --telemetry in extra brings it back */
	add(a, "--no-telemetry");
	add_log_levels(a, conf);
	if (conf->pci == NULL || conf->pci[0] == NULL) {
		add(a, "--no-pci");
		/* net_af_xdp needs a pool in one piece, which physical addresses would cut up */
		add(a, "--iova-mode=va");
	}
	add_list(a, "-a", conf->pci);
	add_list(a, "-d", conf->plugins);
	add_list(a, NULL, conf->extra);
}

int eal_words(const struct weir_eal_conf *conf, const cpu_set_t *allowed, struct eal_words *out,
	      struct weir_why *why)
{
	const size_t most =
		ARGS_OWN + 2 * count(conf->pci) + 2 * count(conf->plugins) + count(conf->extra);
	struct eal_words a = {0};
	int rc = check_cores(conf, allowed, why);

	if (rc == 0)
		rc = check_plugins(conf->plugins, why);
	if (rc < 0)
		return rc;
	a.argv = calloc(most + 1, sizeof(a.argv[0]));
	if (a.argv == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	add_all(&a, conf);
	add(&a, "--lcores");
	a.argv[a.argc++] = lcores(conf, allowed);
	for (int i = 0; i < a.argc; i++)
		if (a.argv[i] == NULL) {
			eal_words_free(&a);
			return weir_why(why, -ENOMEM, "out of memory");
		}
	*out = a;
	return 0;
}

void eal_words_free(struct eal_words *a)
{
	for (int i = 0; a->argv != NULL && i < a->argc; i++)
		free(a->argv[i]);
	free(a->argv);
	*a = (struct eal_words){0};
}
