/* SPDX-License-Identifier: BSD-3-Clause */

/* The sockets of a program with a stack, as ss(8) shows them. */

#include "ctl_priv.h"

#include <inttypes.h>
#include <string.h>

/* "10.0.0.2:80", "[2001:db8::1]:80", "*:80" */
static void end_cell(struct table *t, const json_t *end)
{
	const char *addr = str(end, "addr");
	const bool six = strchr(addr, ':') != NULL;

	if (end == NULL)
		table_cell(t, "%s", "");
	else
		table_cell(t, "%s%s%s:%" PRId64, six ? "[" : "", addr, six ? "]" : "",
			   num(end, "port"));
}

static void print_sockets(const struct cli *cli, const json_t *sockets)
{
	static const char *const heads[] = {"proto", "state", "in",   "out", "age",
					    "quiet", "ours",  "peer", NULL};
	struct table *t = table_new(heads);
	size_t i;
	json_t *s;

	json_array_foreach ((json_t *)sockets, i, s) {
		table_cell(t, "%s", str(s, "proto"));
		table_cell(t, "%s", str(s, "state"));
		table_number(t, s, "in");
		table_number(t, s, "out");
		table_duration(t, real(s, "age_s"));
		table_duration(t, real(s, "quiet_s"));
		end_cell(t, json_object_get(s, "ours"));
		end_cell(t, json_object_get(s, "peer"));
	}
	table_end(t, cli);
}

static int kill_sockets(const struct cli *cli, int argc, char **argv)
{
	const bool all = argc == 3 && strcmp(argv[2], "all") == 0;
	json_t *args = json_object(), *data;
	int status;

	if (argc < 3 || (!all && !read_pairs(args, argc - 2, argv + 2, " addr state ", " port "))) {
		json_decref(args);
		return usage_of(argv[0]);
	}
	if (all)
		json_object_set_new(args, "all", json_true());
	status = cli_show(cli, "sockets_kill", args, &data);
	if (data != NULL)
		printf("%" PRId64 " connections ended\n", num(data, "killed"));
	json_decref(data);
	return status;
}

int cmd_sockets(const struct cli *cli, int argc, char **argv)
{
	json_t *args, *sockets;
	int status;

	if (argc > 1 && strcmp(argv[1], "kill") == 0)
		return kill_sockets(cli, argc, argv);
	args = json_object();
	if (!read_pairs(args, argc - 1, argv + 1, " addr state proto ", " port limit ")) {
		json_decref(args);
		return usage_of(argv[0]);
	}
	status = cli_show(cli, "sockets", args, &sockets);
	if (sockets != NULL)
		print_sockets(cli, sockets);
	json_decref(sockets);
	return status;
}
