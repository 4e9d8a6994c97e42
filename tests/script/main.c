/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * weir-script: packet tests in packetdrill's language, on a stack in virtual time.
 *
 * usage: weir-script [--name=value ...] FILE|FOLDER...
 * Exit status: 0 all went as they say, 1 one did not, 2 one cannot be read or asks for too much.
 */

#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <weir/meta.h>

#define SCRIPT_BYTES_MOST (1u << 20)
#define BUFFERS		  4095
#define BUFFER_BYTES	  (RTE_PKTMBUF_HEADROOM + 9216 + 128)

static struct rte_mempool *pool;
static struct settings settings;
static unsigned run, failed, refused;

static bool begin(void)
{
	static char words[][24] = {"weir-script", "--no-huge", "--no-shconf",
				   "--no-pci",	  "-m",	       "96",
				   "-l",	  "0",	       "--log-level=error"};
	char *args[RTE_DIM(words)];

	for (unsigned i = 0; i < RTE_DIM(args); i++)
		args[i] = words[i];
	if (rte_eal_init(RTE_DIM(args), args) < 0)
		return false;
	pool = rte_pktmbuf_pool_create("script", BUFFERS, 0, sizeof(struct weir_meta), BUFFER_BYTES,
				       SOCKET_ID_ANY);
	return pool != NULL;
}

static char *read_file(const char *path, size_t *bytes)
{
	FILE *f = fopen(path, "rb");
	char *text = f == NULL ? NULL : malloc(SCRIPT_BYTES_MOST);

	if (text != NULL)
		*bytes = fread(text, 1, SCRIPT_BYTES_MOST, f);
	if (f != NULL)
		fclose(f);
	return text;
}

static void run_file(const char *path)
{
	size_t bytes = 0;
	char *text = read_file(path, &bytes);
	struct script s;
	int rc = -2;

	run++;
	if (text == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		refused++;
		return;
	}
	if (script_read(&s, path, text, bytes, &settings) < 0)
		fprintf(stderr, "%s\n", s.why);
	else
		rc = run_script(&s, pool);
	failed += rc == -1;
	refused += rc == -2;
	if (settings.verbose)
		printf("%s: %s\n", path, rc == 0 ? "passed" : rc == -1 ? "failed" : "refused");
	script_free(&s);
	free(text);
}

static int is_script(const struct dirent *e)
{
	const size_t n = strlen(e->d_name);

	return n > 4 && strcmp(e->d_name + n - 4, ".pkt") == 0;
}

static void run_path(const char *path)
{
	struct dirent **entries;
	struct stat st;
	int n;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		run_file(path);
		return;
	}
	n = scandir(path, &entries, is_script, alphasort);
	for (int i = 0; i < n; i++) {
		char file[4096];

		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		run_file(file);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

int main(int argc, char **argv)
{
	int i = 1;

	settings = settings_default();
	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		const char *why = settings_set(&settings, argv[i]);

		if (why != NULL) {
			fprintf(stderr, "weir-script: %s: %s\n", argv[i], why);
			return 2;
		}
	}
	if (i == argc) {
		fputs("usage: weir-script [--name=value ...] FILE|FOLDER...\n", stderr);
		return 2;
	}
	if (!begin()) {
		fputs("weir-script: there is no memory for a pool\n", stderr);
		return 2;
	}
	for (; i < argc; i++)
		run_path(argv[i]);
	printf("%u scripts: %u passed, %u failed, %u refused\n", run, run - failed - refused,
	       failed, refused);
	rte_mempool_free(pool);
	rte_eal_cleanup();
	return failed > 0 ? 1 : refused > 0 || run == 0 ? 2 : 0;
}
