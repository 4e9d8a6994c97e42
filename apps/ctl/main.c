/* SPDX-License-Identifier: BSD-3-Clause */

/* weirctl: ask a running program, and show what it answers to a person or as JSON. */

#include "ctl_priv.h"

#include <getopt.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/ctl.h>
#include <weir/version.h>

#define SOCKETS	   "/run/weir/*.sock"
#define TIMEOUT_NS UINT64_C(10000000000)

volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* Columns of a command's arguments; longer ones have the help on a line of its own. */
#define ARGUMENTS 32

static void print_usage(FILE *to)
{
	fputs("usage: weirctl [-s SOCKET] [--json] COMMAND [ARGUMENTS]\n\n", to);
	for (const struct command *c = commands; c->name != NULL; c++) {
		fprintf(to, "  %-10s %-*s ", c->name, ARGUMENTS, c->arguments);
		if (strlen(c->arguments) > ARGUMENTS)
			fprintf(to, "\n%*s", ARGUMENTS + 14, "");
		fprintf(to, "%s\n", c->help);
	}
	fputs("\n"
	      "  -s, --socket SOCKET  of the program; else the one in /run/weir\n"
	      "  -j, --json           print the answer as JSON\n"
	      "      --version        print the version and end\n"
	      "  -h, --help           print this and end\n"
	      "\n"
	      "Status: 0 done, 1 the program refused or is gone, 2 usage.\n",
	      to);
}

int usage_of(const char *name)
{
	for (const struct command *c = commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			fprintf(stderr, "usage: weirctl %s%s%s\n       %s\n", c->name,
				c->arguments[0] != '\0' ? " " : "", c->arguments, c->help);
	return USAGE;
}

/* The only socket there is; the caller never frees it. NULL after a sentence. */
static const char *only_socket(void)
{
	static char path[108];
	const char *found = NULL;
	glob_t g;

	if (glob(SOCKETS, 0, NULL, &g) != 0) {
		fputs("weirctl: nothing of weir runs here (no " SOCKETS
		      "); -s SOCKET names another place\n",
		      stderr);
		return NULL;
	}
	if (g.gl_pathc == 1) {
		snprintf(path, sizeof(path), "%s", g.gl_pathv[0]);
		found = path;
	} else {
		fputs("weirctl: several programs run here; choose one with", stderr);
		for (size_t i = 0; i < g.gl_pathc; i++)
			fprintf(stderr, "%s -s %s", i > 0 ? " or" : "", g.gl_pathv[i]);
		fputc('\n', stderr);
	}
	globfree(&g);
	return found;
}

int cli_ask(const struct cli *cli, const char *cmd, json_t *args, json_t **data)
{
	struct weir_why why = {""};
	int rc;

	*data = NULL;
	rc = weir_ctl_call(cli->socket, cmd, args, TIMEOUT_NS, data, &why);
	json_decref(args);
	if (rc == 0)
		return DONE;
	if (!interrupted)
		fprintf(stderr, "weirctl: %s\n", why.text);
	return REFUSED;
}

void cli_print_json(const json_t *data)
{
	json_dumpf(data, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

const char *cli_bold(const struct cli *cli)
{
	return cli->colour ? "\033[1m" : "";
}

const char *cli_red(const struct cli *cli)
{
	return cli->colour ? "\033[31m" : "";
}

const char *cli_plain(const struct cli *cli)
{
	return cli->colour ? "\033[0m" : "";
}

static int run(const struct cli *cli, int argc, char **argv)
{
	for (const struct command *c = commands; c->name != NULL; c++)
		if (strcmp(c->name, argv[0]) == 0)
			return c->run(cli, argc, argv);
	return cmd_other(cli, argc, argv);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL},
	};
	const struct sigaction action = {.sa_handler = on_signal};
	struct cli cli = {.terminal = isatty(STDOUT_FILENO)};
	int c, status;

	cli.colour = cli.terminal && getenv("NO_COLOR") == NULL;
	while ((c = getopt_long(argc, argv, "+s:jh", options, NULL)) != -1) {
		if (c == 's') {
			cli.socket = optarg;
		} else if (c == 'j') {
			cli.json = true;
		} else if (c == 'v') {
			printf("weirctl %s\n", weir_version());
			return DONE;
		} else {
			print_usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? DONE : USAGE;
		}
	}
	if (optind == argc) {
		print_usage(stderr);
		return USAGE;
	}
	if (strcmp(argv[optind], "help") == 0 && !cli.json)
		print_usage(stdout);
	if (cli.socket == NULL)
		cli.socket = only_socket();
	if (cli.socket == NULL)
		return REFUSED;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGPIPE, &action, NULL);
	argc -= optind;
	argv += optind;
	optind = 0; /* GNU: commands read their own options from the start */
	status = run(&cli, argc, argv);
	if (fflush(stdout) != 0 && status == DONE)
		status = REFUSED;
	return status;
}
