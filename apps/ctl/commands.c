/* SPDX-License-Identifier: BSD-3-Clause */

/* The commands that ask once and print a table. */

#include "ctl_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <weir/units.h>

#define NS_PER_S 1000000000

int64_t num(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

double real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

const char *str(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s == NULL ? "" : s;
}

int cli_show(const struct cli *cli, const char *cmd, json_t *args, json_t **data)
{
	const int status = cli_ask(cli, cmd, args, data);

	if (status == DONE && cli->json) {
		cli_print_json(*data);
		json_decref(*data);
		*data = NULL;
	}
	return status;
}

/* Commands that take no words. */
static int plain(const struct cli *cli, int argc, char **argv, json_t **data)
{
	*data = NULL;
	return argc > 1 ? usage_of(argv[0]) : cli_show(cli, argv[0], NULL, data);
}

static void print_duration(int64_t ns)
{
	const int64_t s = ns / NS_PER_S;

	if (s >= 86400)
		printf("%" PRId64 "d ", s / 86400);
	printf("%02d:%02d:%02d", (int)(s / 3600 % 24), (int)(s / 60 % 60), (int)(s % 60));
}

/* ---- status ---- */

static void print_workers(const struct cli *cli, const json_t *status)
{
	static const char *const heads[] = {"worker", "core", "busy",	"work",	  "passes", "spins",
					    "pauses", "naps", "blocks", "asleep", NULL};
	struct table *t = table_new(heads);
	json_t *w;
	size_t i;

	json_array_foreach (json_object_get(status, "workers"), i, w) {
		const json_t *rests = json_object_get(w, "rests");

		table_cell(t, "%" PRId64, num(w, "worker"));
		table_cell(t, "%" PRId64, num(w, "core"));
		table_cell(t, "%.1f%%", 100 * real(w, "busy_ratio"));
		table_cell(t, "%" PRId64, num(w, "pkts"));
		table_cell(t, "%" PRId64, num(w, "passes"));
		table_cell(t, "%" PRId64, num(rests, "spin"));
		table_cell(t, "%" PRId64, num(rests, "pause"));
		table_cell(t, "%" PRId64, num(rests, "nap"));
		table_cell(t, "%" PRId64, num(rests, "block"));
		table_cell(t, "%" PRId64 "s", num(w, "slept_ns") / NS_PER_S);
	}
	table_end(t, cli);
}

/* How an AF_XDP port runs: ", native, copy, ..." and the end of the line. */
static void print_modes(json_t *modes)
{
	const char *key;
	json_t *v;

	json_object_foreach (modes, key, v) {
		printf(", %s", json_string_value(v));
	}
	putchar('\n');
}

static int cmd_status(const struct cli *cli, int argc, char **argv)
{
	json_t *s, *p;
	size_t i;
	int status = plain(cli, argc, argv, &s);

	if (s == NULL)
		return status;
	printf("%s%s %s%s, process %" PRId64 ", up ", cli_bold(cli), str(s, "name"),
	       str(s, "version"), cli_plain(cli), num(s, "pid"));
	print_duration(num(s, "uptime_ns"));
	printf("\nconfiguration %s, generation %" PRId64 ", %" PRId64 " reloads, %" PRId64
	       " refused\n",
	       json_is_string(json_object_get(s, "config")) ? str(s, "config") : "built in",
	       num(s, "generation"), num(s, "reloads"), num(s, "reloads_refused"));
	if (json_is_true(json_object_get(s, "ready")))
		puts("ready");
	else
		printf("%snot ready: %s%s\n", cli_red(cli), str(s, "ready_text"), cli_plain(cli));
	puts("ports");
	json_array_foreach (json_object_get(s, "ports"), i, p) {
		const bool up = json_is_true(json_object_get(p, "up"));

		printf("  %s %s%s%s  %s", str(p, "name"), up ? "" : cli_red(cli),
		       up ? "up" : "DOWN", up ? "" : cli_plain(cli), str(p, "driver"));
		print_modes(json_object_get(p, "modes"));
	}
	printf("workers rest: %s\n\n", str(s, "poll"));
	print_workers(cli, s);
	json_decref(s);
	return status;
}

/* ---- ports ---- */

static void print_list(const char *head, const json_t *list)
{
	json_t *v;
	size_t i;

	printf("  %-12s", head);
	json_array_foreach ((json_t *)list, i, v) {
		if (json_is_string(v))
			printf(" %s", json_string_value(v));
		else
			printf(" %" JSON_INTEGER_FORMAT, json_integer_value(v));
	}
	putchar('\n');
}

static void print_port(const struct cli *cli, const json_t *p)
{
	const json_t *c = json_object_get(p, "counters");
	const char *key;
	json_t *v;

	printf("%s%s%s  %s  %s  mtu %" PRId64 "  %s\n", cli_bold(cli), str(p, "name"),
	       cli_plain(cli), str(p, "driver"), str(p, "mac"), num(p, "mtu"),
	       json_is_true(json_object_get(p, "up")) ? "up" : "DOWN");
	if (json_object_size(json_object_get(p, "modes")) > 0) {
		fputs("  runs         as AF_XDP", stdout);
		print_modes(json_object_get(p, "modes"));
	}
	print_list("capabilities", json_object_get(p, "caps"));
	print_list("rx by worker", json_object_get(p, "rx_workers"));
	printf("  received     %" PRId64 " packets, %" PRId64 " bytes, missed %" PRId64
	       ", no buffer %" PRId64 ", errors %" PRId64 "\n",
	       num(c, "rx_pkts"), num(c, "rx_bytes"), num(c, "rx_missed"), num(c, "rx_no_mbuf"),
	       num(c, "rx_errors"));
	printf("  sent         %" PRId64 " packets, %" PRId64 " bytes, errors %" PRId64 "\n",
	       num(c, "tx_pkts"), num(c, "tx_bytes"), num(c, "tx_errors"));
	json_object_foreach (json_object_get(p, "xstats"), key, v) {
		printf("    %-40s %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(v));
	}
}

static int cmd_ports(const struct cli *cli, int argc, char **argv)
{
	json_t *args = json_object(), *list, *p;
	size_t i;
	int status;

	for (int w = 1; w < argc; w++) {
		if (strcmp(argv[w], "-x") == 0 || strcmp(argv[w], "--xstats") == 0) {
			json_object_set_new(args, "xstats", json_true());
		} else if (argv[w][0] != '-' && json_object_get(args, "name") == NULL) {
			json_object_set_new(args, "name", json_string(argv[w]));
		} else {
			json_decref(args);
			return usage_of(argv[0]);
		}
	}
	status = cli_show(cli, argv[0], args, &list);
	json_array_foreach (list, i, p) {
		print_port(cli, p);
	}
	json_decref(list);
	return status;
}

/* ---- stages and drops ---- */

static void print_drops(const struct cli *cli, const json_t *drops, bool all)
{
	static const char *const heads[] = {"reason", "packets", "meaning", NULL};
	struct table *t = table_new(heads);
	unsigned n = 0;
	json_t *d;
	size_t i;

	json_array_foreach ((json_t *)drops, i, d) {
		if (num(d, "pkts") == 0 && !all)
			continue;
		n++;
		table_cell(t, "%s", str(d, "reason"));
		table_cell(t, "%" PRId64, num(d, "pkts"));
		table_cell(t, "%s", str(d, "meaning"));
		if (num(d, "pkts") == 0 || strcmp(str(d, "remedy"), "nothing") == 0)
			continue;
		table_cell(t, "%s", "");
		table_cell(t, "%s", "");
		table_cell(t, "> %s", str(d, "remedy"));
	}
	if (n == 0)
		table_cell(t, "none"), table_cell(t, "0"), table_cell(t, "nothing was dropped");
	table_end(t, cli);
}

/* "NEXT 98% DROP 2%": what a stage said, of all it said. */
static void verdict_cell(struct table *t, const json_t *verdicts)
{
	char text[128] = "";
	const char *key;
	int64_t sum = 0;
	json_t *v;

	json_object_foreach ((json_t *)verdicts, key, v) {
		sum += json_integer_value(v);
	}
	json_object_foreach ((json_t *)verdicts, key, v) {
		const size_t n = strlen(text);

		if (json_integer_value(v) > 0)
			snprintf(text + n, sizeof(text) - n, "%s%s %.3g%%", n > 0 ? "  " : "", key,
				 100.0 * (double)json_integer_value(v) / (double)sum);
	}
	table_cell(t, "%s", text);
}

static int cmd_stages(const struct cli *cli, int argc, char **argv)
{
	static const char *const heads[] = {"stage",  "packets",  "bursts", "burst",
					    "cycles", "verdicts", NULL};
	struct table *t;
	json_t *data, *s;
	size_t i;
	int status = plain(cli, argc, argv, &data);

	if (data == NULL)
		return status;
	t = table_new(heads);
	json_array_foreach (json_object_get(data, "stages"), i, s) {
		const double bursts = real(s, "bursts"), timed = real(s, "timed_pkts");

		table_cell(t, "%s", str(s, "stage"));
		table_cell(t, "%" PRId64, num(s, "pkts"));
		table_cell(t, "%" PRId64, num(s, "bursts"));
		table_ratio(t, real(s, "pkts"), bursts, 1);
		table_ratio(t, real(s, "timed_cycles"), timed, 0);
		verdict_cell(t, json_object_get(s, "verdicts"));
	}
	table_end(t, cli);
	putchar('\n');
	print_drops(cli, json_object_get(data, "drops"), false);
	json_decref(data);
	return status;
}

static int cmd_drops(const struct cli *cli, int argc, char **argv)
{
	const bool all = argc == 2 && strcmp(argv[1], "--all") == 0;
	json_t *data;
	int status = plain(cli, all ? 1 : argc, argv, &data);

	if (data != NULL)
		print_drops(cli, data, all);
	json_decref(data);
	return status;
}

/* ---- the rest ---- */

/* Text as it is, lists as tables, objects line by line. */
static void print_any(const struct cli *cli, const json_t *data)
{
	const char *key;
	json_t *v;

	if (json_is_string(data)) {
		fputs(json_string_value(data), stdout);
		if (json_string_length(data) > 0 &&
		    json_string_value(data)[json_string_length(data) - 1] != '\n')
			putchar('\n');
	} else if (json_is_array(data) &&
		   (json_array_size(data) == 0 || json_is_object(json_array_get(data, 0)))) {
		table_of(data, cli);
	} else if (json_is_object(data)) {
		json_object_foreach ((json_t *)data, key, v) {
			if (json_is_array(v) && json_is_object(json_array_get(v, 0))) {
				printf("%s:\n", key);
				table_of(v, cli);
				continue;
			}
			printf("%-12s ", key);
			if (json_is_string(v))
				puts(json_string_value(v));
			else
				cli_print_json(v);
		}
	} else if (data != NULL && !json_is_null(data)) {
		cli_print_json(data);
	}
}

static int print_and_free(const struct cli *cli, json_t *data, int status)
{
	if (data != NULL)
		print_any(cli, data);
	json_decref(data);
	return status;
}

static int cmd_plain(const struct cli *cli, int argc, char **argv)
{
	json_t *data;
	const int status = plain(cli, argc, argv, &data);

	return print_and_free(cli, data, status);
}

/* Routes asked for at once. */
#define PAGE 10000

/* "via 192.0.2.1 dev wan", for each way to go. */
static void hops_cell(struct table *t, const json_t *hops)
{
	char text[160] = "";
	json_t *h;
	size_t i;

	json_array_foreach ((json_t *)hops, i, h) {
		const char *via = str(h, "via"), *dev = str(h, "dev");
		const size_t n = strlen(text);

		snprintf(text + n, sizeof(text) - n, "%s%s%s%s%s", i > 0 ? ", " : "",
			 via[0] != '\0' ? "via " : "", via, dev[0] != '\0' ? " dev " : "", dev);
	}
	table_cell(t, "%s", text[0] == ' ' ? text + 1 : text);
}

static void print_routes(const struct cli *cli, const json_t *routes)
{
	static const char *const heads[] = {"to",     "kind",	  "source", "metric",
					    "active", "leads to", NULL};
	struct table *t = table_new(heads);
	json_t *r;
	size_t i;

	json_array_foreach ((json_t *)routes, i, r) {
		table_cell(t, "%s", str(r, "to"));
		table_cell(t, "%s", str(r, "kind"));
		table_cell(t, "%s", str(r, "source"));
		table_cell(t, "%" PRId64, num(r, "metric"));
		table_cell(t, "%s", json_is_true(json_object_get(r, "active")) ? "yes" : "no");
		hops_cell(t, json_object_get(r, "hops"));
	}
	table_end(t, cli);
}

/* The table may be long: it comes in pages. */
static int cmd_routes(const struct cli *cli, int argc, char **argv)
{
	json_t *all = json_array(), *page;
	int status = DONE;
	bool more = true;

	if (argc > 1) {
		json_decref(all);
		return usage_of(argv[0]);
	}
	while (more && !interrupted) {
		const json_int_t skip = (json_int_t)json_array_size(all);

		status = cli_ask(cli, argv[0], json_pack("{s:I, s:i}", "skip", skip, "limit", PAGE),
				 &page);
		more = status == DONE && json_array_size(page) == PAGE;
		json_array_extend(all, page);
		json_decref(page);
	}
	if (status == DONE && cli->json)
		cli_print_json(all);
	else if (status == DONE)
		print_routes(cli, all);
	json_decref(all);
	return status;
}

static int cmd_neigh(const struct cli *cli, int argc, char **argv)
{
	json_t *data;
	int status;

	if (argc > 1)
		return usage_of(argv[0]);
	status = cli_show(cli, "neighbours", NULL, &data);
	return print_and_free(cli, data, status);
}

static int cmd_metrics(const struct cli *cli, int argc, char **argv)
{
	const char *format = argc > 1 ? argv[1] : cli->json ? "json" : "prometheus";
	json_t *data;
	int status;

	if (argc > 2)
		return usage_of(argv[0]);
	status = cli_show(cli, argv[0], json_pack("{s:s}", "format", format), &data);
	return print_and_free(cli, data, status);
}

static int cmd_log_level(const struct cli *cli, int argc, char **argv)
{
	json_t *data;
	int status;

	if (argc > 3)
		return usage_of(argv[0]);
	status = cli_show(cli, argv[0],
			  json_pack("{s:s*, s:s*}", "level", argc > 1 ? argv[1] : NULL, "module",
				    argc > 2 ? argv[2] : NULL),
			  &data);
	return print_and_free(cli, data, status);
}

/* A word's value: a number or a truth if it looks like one, else text. */
static json_t *value(const char *text)
{
	char *end;
	const long long n = strtoll(text, &end, 10);

	if (*text != '\0' && *end == '\0')
		return json_integer(n);
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return json_boolean(strcmp(text, "true") == 0);
	return json_string(text);
}

/* The words behind a command as its arguments: KEY=VALUE, --KEY VALUE. NULL: they are neither. */
static json_t *words(int argc, char **argv)
{
	json_t *args = json_object();

	for (int i = 1; i < argc; i++) {
		char *equal = strchr(argv[i], '=');
		const char *key = argv[i];

		if (strncmp(key, "--", 2) == 0)
			key += 2;
		if (equal != NULL) {
			*equal = '\0';
			json_object_set_new(args, key, value(equal + 1));
		} else if (key != argv[i] && i + 1 < argc) {
			json_object_set_new(args, key, value(argv[++i]));
		} else {
			json_decref(args);
			return NULL;
		}
	}
	return args;
}

static int cmd_explain(const struct cli *cli, int argc, char **argv)
{
	json_t *args, *data;
	int status;

	if (argc > 2 && strchr(argv[1], '=') == NULL && argv[1][0] != '-')
		return cmd_explain_packet(cli, argc, argv);
	if (argc == 2 && argv[1][0] != '-')
		args = json_pack("{s:s}", "dst", argv[1]);
	else
		args = words(argc, argv);
	if (argc < 2 || args == NULL)
		return usage_of(argv[0]);
	status = cli_show(cli, argv[0], args, &data);
	if (data != NULL) {
		puts(str(data, "text"));
		table_of(json_object_get(data, "hops"), cli);
	}
	json_decref(data);
	return status;
}

bool read_pairs(json_t *args, int argc, char **argv, const char *keys, const char *numbers)
{
	char key[32];

	for (int i = 0; i < argc; i += 2) {
		uint64_t n;

		snprintf(key, sizeof(key), " %s ", argv[i]);
		if (i + 1 == argc || json_object_get(args, argv[i]) != NULL)
			return false;
		if (strstr(keys, key) != NULL)
			json_object_set_new(args, argv[i], json_string(argv[i + 1]));
		else if (strstr(numbers, key) != NULL &&
			 weir_parse_uint(argv[i + 1], strlen(argv[i + 1]), &n) == 0 &&
			 n <= UINT32_MAX)
			json_object_set_new(args, argv[i], json_integer((json_int_t)n));
		else
			return false;
	}
	return true;
}

int cmd_other(const struct cli *cli, int argc, char **argv)
{
	json_t *args = words(argc, argv), *data;
	int status;

	if (args == NULL) {
		fprintf(stderr, "usage: weirctl %s [KEY=VALUE ...]\n", argv[0]);
		return USAGE;
	}
	status = cli_show(cli, argv[0], args, &data);
	return print_and_free(cli, data, status);
}

static int cmd_help(const struct cli *cli, int argc, char **argv)
{
	static const char *const heads[] = {"command", "changes", "what the program answers", NULL};
	const char *name;
	struct table *t;
	json_t *data, *c;
	int status = plain(cli, argc, argv, &data);

	if (data == NULL)
		return status;
	putchar('\n');
	t = table_new(heads);
	json_object_foreach (data, name, c) {
		table_cell(t, "%s", name);
		table_cell(t, "%s", json_is_true(json_object_get(c, "changes_state")) ? "yes" : "");
		table_cell(t, "%s", str(c, "help"));
	}
	table_end(t, cli);
	json_decref(data);
	return status;
}

const struct command commands[] = {
	{"status", "", "the program, its workers, its ports", cmd_status},
	{"ports", "[NAME] [-x]", "devices, queues, counters; -x: the device's own", cmd_ports},
	{"stages", "", "packets, bursts, cycles, verdicts by stage", cmd_stages},
	{"top", "[-i SECONDS] [-n COUNT]", "the same live, as rates", cmd_top},
	{"drops", "[--all]", "drops by reason, and what to do", cmd_drops},
	{"routes", "", "the routing table", cmd_routes},
	{"neighbours", "", "who has which MAC address (neigh)", cmd_neigh},
	{"neigh", "", "the same", cmd_neigh},
	{"addresses", "", "our addresses and whether they may be used", cmd_plain},
	{"explain", "ADDRESS", "where packets for an address go, and why", cmd_explain},
	{"explain", "from ZONE src A dst B [proto P] [sport N] [dport N] [icmp T] [flags F] ...",
	 "which rule decides about a packet, and why", cmd_explain},
	{"rules", "", "rules of the firewall, and what they have counted", cmd_rules},
	{"rules", "push", "hot drop rules: in the driver, or why not", cmd_rules},
	{"flows", "[addr PREFIX] [proto P] [port N] [limit N]", "connections", cmd_flows},
	{"flows", "kill all | [addr PREFIX] [proto P] [port N]", "end connections", cmd_flows},
	{"sockets", "[addr PREFIX] [port N] [state S] [proto P] [limit N]", "as ss shows them",
	 cmd_sockets},
	{"sockets", "kill all | [addr PREFIX] [port N] [state S]", "reset connections",
	 cmd_sockets},
	{"sets", "", "sets of addresses, and how full they are", cmd_sets},
	{"set", "list|flush NAME", "what is in a set; empty it", cmd_set},
	{"set", "add|del NAME PREFIX|@FILE... [timeout 10m]", "change a set", cmd_set},
	{"dpi", "", "what payloads are inspected for, and what was found", cmd_dpi},
	{"trace", "[FILTER] [-n COUNT]", "follow packets through the stages", cmd_trace},
	{"pcap", "WHERE [FILTER] [-w FILE]", "packets of a stage, drop or port", cmd_pcap},
	{"reload", "", "load the configuration anew", cmd_plain},
	{"plan", "", "cores, queues, memory by arithmetic", cmd_plain},
	{"config", "", "the configuration in force", cmd_plain},
	{"metrics", "[prometheus|openmetrics|json]", "all metrics", cmd_metrics},
	{"pool", "", "packet buffers", cmd_plain},
	{"log-level", "[LEVEL [MODULE]]", "say or set what is logged", cmd_log_level},
	{"help", "", "this, and what the program has beside", cmd_help},
	{NULL},
};
