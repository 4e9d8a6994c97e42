/* SPDX-License-Identifier: BSD-3-Clause */

/* What a firewall answers: rules, flows, sets, and what would become of a packet. */

#include "ctl_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <weir/units.h>

#define NS_PER_S UINT64_C(1000000000)
/* Entries of a set in one request, which is far below the size that one may have, and in one
 * answer. */
#define CHUNK 10000
#define PAGE  100000
/* Room for a line of a file with its NUL, as the program itself has for files of sets. */
#define LINE_MAX_BYTES 4096
/* Columns for the two ends of a flow on one line; longer ones take two. */
#define ENDS_MAX 41
/* Rules that were passed by, as shown to a person. */
#define PASSED_MAX 50

/* ---- rules ---- */

/* "rules push" */
static int show_pushed(const struct cli *cli)
{
	static const char *const heads[] = {"rule", "in the driver", "packets/s", "dropped there",
					    NULL};
	json_t *rules, *r;
	struct table *t;
	size_t i;
	int status = cli_show(cli, "rules_push", NULL, &rules);

	if (rules == NULL)
		return status;
	t = table_new(heads);
	json_array_foreach (rules, i, r) {
		const bool pushed = json_is_true(json_object_get(r, "pushed"));

		table_cell(t, "%s", str(r, "rule"));
		if (!pushed)
			table_cell(t, "%s", "no");
		else
			table_cell(t, "%s%" PRId64 " rules",
				   json_is_true(json_object_get(r, "partly")) ? "in part, " : "",
				   num(r, "driver_rules"));
		table_cell(t, "%" PRId64, num(r, "pps"));
		table_cell(t, "%" PRId64, num(r, "packets"));
	}
	table_end(t, cli);
	json_array_foreach (rules, i, r)
		if (json_object_get(r, "why") != NULL)
			printf("%s: %s\n", str(r, "rule"), str(r, "why"));
	json_decref(rules);
	return status;
}

int cmd_rules(const struct cli *cli, int argc, char **argv)
{
	static const char *const heads[] = {"rule",  "action",	 "line", "packets",
					    "bytes", "last hit", NULL};
	json_t *rules, *r;
	struct table *t;
	size_t i;
	int status;

	if (argc == 2 && strcmp(argv[1], "push") == 0)
		return show_pushed(cli);
	if (argc > 1)
		return usage_of(argv[0]);
	status = cli_show(cli, "rules", NULL, &rules);
	if (rules == NULL)
		return status;
	t = table_new(heads);
	json_array_foreach (rules, i, r) {
		table_cell(t, "%s", str(r, "name"));
		table_cell(t, "%s%s", str(r, "action"),
			   json_object_get(r, "driver_rules") != NULL ? " (driver)" : "");
		if (num(r, "line") > 0)
			table_cell(t, "%" PRId64, num(r, "line"));
		else
			table_cell(t, "%s", "");
		table_cell(t, "%" PRId64, num(r, "packets"));
		table_number(t, r, "bytes");
		if (json_object_get(r, "idle_s") != NULL)
			table_duration(t, real(r, "idle_s"));
		else
			table_cell(t, "%s", "never");
	}
	table_end(t, cli);
	json_decref(rules);
	return status;
}

/* ---- flows ---- */

static const char *proto_name(int64_t proto, char text[8])
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmp6";
	default:
		snprintf(text, 8, "%d", (int)proto);
		return text;
	}
}

static bool is_icmp(int64_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/* One end of a flow: "10.0.0.2:80", "[2001:db8::1]:80"; without a port the address. */
static void end_text(const json_t *tuple, const char *addr, const char *port, char text[64])
{
	const bool six = strchr(str(tuple, addr), ':') != NULL;

	if (port == NULL || num(tuple, port) == 0)
		snprintf(text, 64, "%s", str(tuple, addr));
	else
		snprintf(text, 64, "%s%s%s:%" PRId64, six ? "[" : "", str(tuple, addr),
			 six ? "]" : "", num(tuple, port));
}

/* Both ends, on one line or on two. An ICMP query has its identifier for a port. */
static void ends_cell(struct table *t, const json_t *tuple, bool icmp, const char *before)
{
	char src[64], dst[64];

	end_text(tuple, "src", "sport", src);
	end_text(tuple, "dst", icmp ? NULL : "dport", dst);
	if (strlen(before) + strlen(src) + strlen(dst) + 3 <= ENDS_MAX) {
		table_cell(t, "%s%s > %s", before, src, dst);
		return;
	}
	table_cell(t, "%s%s", before, src);
	table_empty(t, 8);
	table_cell(t, "%s> %s", *before == '\0' ? "" : "   ", dst);
}

/* States in few letters, as ss(8) has them. */
static const char *short_state(const char *state)
{
	if (strcmp(state, "ESTABLISHED") == 0)
		return "ESTAB";
	return strcmp(state, "unanswered") == 0 ? "new" : state;
}

static void print_flows(const struct cli *cli, const json_t *flows)
{
	static const char *const heads[] = {"proto", "state", "pkts", "bytes", "back",
					    "bytes", "idle",  "left", "flow",  NULL};
	struct table *t = table_new(heads);
	char text[8];
	size_t i;
	json_t *f;

	json_array_foreach ((json_t *)flows, i, f) {
		const bool icmp = is_icmp(num(f, "proto"));

		table_cell(t, "%s", proto_name(num(f, "proto"), text));
		table_cell(t, "%s", short_state(str(f, "state")));
		table_number(t, f, "packets");
		table_number(t, f, "bytes");
		table_number(t, f, "reply_packets");
		table_number(t, f, "reply_bytes");
		table_duration(t, real(f, "idle_s"));
		table_duration(t, real(f, "left_s"));
		ends_cell(t, json_object_get(f, "orig"), icmp, "");
		if (json_object_get(f, "leaves") == NULL)
			continue;
		table_empty(t, 8);
		ends_cell(t, json_object_get(f, "leaves"), icmp, "as ");
	}
	table_end(t, cli);
}

static int kill_flows(const struct cli *cli, int argc, char **argv)
{
	const bool all = argc == 3 && strcmp(argv[2], "all") == 0;
	json_t *args = json_object(), *data;
	int status;

	if (argc < 3 || (!all && !read_pairs(args, argc - 2, argv + 2, " addr proto ", " port "))) {
		json_decref(args);
		return usage_of(argv[0]);
	}
	if (all)
		json_object_set_new(args, "all", json_true());
	status = cli_show(cli, "flows_kill", args, &data);
	if (data != NULL)
		printf("%" PRId64 " flows ended\n", num(data, "killed"));
	json_decref(data);
	return status;
}

int cmd_flows(const struct cli *cli, int argc, char **argv)
{
	json_t *args, *flows;
	int status;

	if (argc > 1 && strcmp(argv[1], "kill") == 0)
		return kill_flows(cli, argc, argv);
	args = json_object();
	if (!read_pairs(args, argc - 1, argv + 1, " addr proto ", " port limit ")) {
		json_decref(args);
		return usage_of(argv[0]);
	}
	status = cli_show(cli, "flows", args, &flows);
	if (flows != NULL)
		print_flows(cli, flows);
	json_decref(flows);
	return status;
}

/* ---- sets ---- */

int cmd_sets(const struct cli *cli, int argc, char **argv)
{
	json_t *sets;
	int status;

	if (argc > 1)
		return usage_of(argv[0]);
	status = cli_show(cli, "sets", NULL, &sets);
	if (sets != NULL)
		table_of(sets, cli);
	json_decref(sets);
	return status;
}

/* A set may be long: it comes in parts. */
static int list_set(const struct cli *cli, const char *name)
{
	json_t *all = json_array(), *page;
	int status = DONE;
	bool more = true;

	while (more && !interrupted) {
		status = cli_ask(cli, "set_list",
				 json_pack("{s:s, s:I, s:i}", "name", name, "skip",
					   (json_int_t)json_array_size(all), "limit", PAGE),
				 &page);
		more = status == DONE && json_array_size(page) == PAGE;
		json_array_extend(all, page);
		json_decref(page);
	}
	if (status == DONE && cli->json)
		cli_print_json(all);
	else if (status == DONE)
		table_of(all, cli);
	json_decref(all);
	return status;
}

/* Entries on their way into or out of a set. */
struct batch {
	const struct cli *cli;
	const char *cmd, *name;
	json_int_t timeout_s;
	json_t *entries;
	bool asked;
	int64_t done, missing; /* as the program says */
};

static int send_batch(struct batch *b)
{
	json_t *args, *data;
	int status;

	if (json_array_size(b->entries) == 0)
		return DONE;
	args = json_pack("{s:s, s:O}", "name", b->name, "entries", b->entries);
	if (b->timeout_s > 0)
		json_object_set_new(args, "timeout_s", json_integer(b->timeout_s));
	status = cli_ask(b->cli, b->cmd, args, &data);
	b->asked = true;
	b->done += num(data, "added") + num(data, "deleted");
	b->missing += num(data, "missing");
	json_decref(data);
	json_array_clear(b->entries);
	return status;
}

static int add_entry(struct batch *b, const char *text)
{
	json_t *entry = json_string(text);

	if (entry == NULL) {
		fputs("weirctl: an entry is no UTF-8 text\n", stderr);
		return USAGE;
	}
	json_array_append_new(b->entries, entry);
	return json_array_size(b->entries) == CHUNK ? send_batch(b) : DONE;
}

/* A line of a file: an entry, a comment or nothing. */
static int add_line(struct batch *b, const char *path, unsigned line, char *text, bool is_last)
{
	const size_t len = strlen(text);

	if (!is_last && (len == 0 || text[len - 1] != '\n')) {
		fprintf(stderr, "weirctl: %s:%u: a line of text has fewer than %d bytes\n", path,
			line, LINE_MAX_BYTES - 1);
		return USAGE;
	}
	text[strcspn(text, "#\n")] = '\0';
	return text[strspn(text, " \t\r")] == '\0' ? DONE : add_entry(b, text);
}

/* A file has an entry a line; what stands behind a # is a comment. */
static int add_file(struct batch *b, const char *path)
{
	FILE *f = fopen(path, "re");
	char text[LINE_MAX_BYTES];
	unsigned line = 0;
	int status = DONE;

	if (f == NULL) {
		fprintf(stderr, "weirctl: %s: %s\n", path, strerror(errno));
		return USAGE;
	}
	while (status == DONE && !interrupted && fgets(text, sizeof(text), f) != NULL)
		status = add_line(b, path, ++line, text, feof(f));
	if (status == DONE && ferror(f)) {
		fprintf(stderr, "weirctl: %s: cannot be read to its end\n", path);
		status = REFUSED;
	}
	fclose(f);
	return status;
}

/* A set is asked for even if there was nothing to say, for it may not be there. */
static int ask_once(const struct batch *b)
{
	json_t *data;
	int status;

	if (b->asked)
		return DONE;
	status = cli_ask(b->cli, "set_list",
			 json_pack("{s:s, s:i, s:i}", "name", b->name, "skip", 0, "limit", 1),
			 &data);
	json_decref(data);
	return status;
}

/* Words behind the name: entries, @FILEs, and for all of them `timeout 10m`. */
static int read_entries(struct batch *b, int argc, char **argv)
{
	uint64_t ns;
	int status = DONE;

	if (argc > 1 && strcmp(argv[argc - 2], "timeout") == 0) {
		if (weir_parse_duration(argv[argc - 1], strlen(argv[argc - 1]), &ns) < 0 ||
		    ns < NS_PER_S) {
			fprintf(stderr, "weirctl: timeout %s is no duration of 1s or more\n",
				argv[argc - 1]);
			return USAGE;
		}
		b->timeout_s = (json_int_t)(ns / NS_PER_S);
		argc -= 2;
	}
	if (argc == 0)
		return usage_of("set");
	for (int i = 0; status == DONE && i < argc; i++)
		status = argv[i][0] == '@' ? add_file(b, argv[i] + 1) : add_entry(b, argv[i]);
	if (status == DONE)
		status = send_batch(b);
	return status == DONE ? ask_once(b) : status;
}

static int change_set(const struct cli *cli, bool add, int argc, char **argv)
{
	struct batch b = {.cli = cli,
			  .cmd = add ? "set_add" : "set_del",
			  .name = argv[2],
			  .entries = json_array()};
	const int status = read_entries(&b, argc - 3, argv + 3);
	json_t *sum;

	json_decref(b.entries);
	if (status != DONE && b.done == 0)
		return status;
	if (cli->json) {
		sum = add ? json_pack("{s:I}", "added", (json_int_t)b.done)
			  : json_pack("{s:I, s:I}", "deleted", (json_int_t)b.done, "missing",
				      (json_int_t)b.missing);
		cli_print_json(sum);
		json_decref(sum);
	} else {
		printf("%" PRId64 " %s", b.done, add ? "added" : "deleted");
		if (b.missing > 0)
			printf(", %" PRId64 " were not there", b.missing);
		putchar('\n');
	}
	return status;
}

int cmd_set(const struct cli *cli, int argc, char **argv)
{
	json_t *data;
	int status;

	if (argc < 3)
		return usage_of(argv[0]);
	if (strcmp(argv[1], "add") == 0 || strcmp(argv[1], "del") == 0)
		return change_set(cli, argv[1][0] == 'a', argc, argv);
	if (strcmp(argv[1], "list") == 0 && argc == 3)
		return list_set(cli, argv[2]);
	if (strcmp(argv[1], "flush") != 0 || argc != 3)
		return usage_of(argv[0]);
	status = cli_show(cli, "set_flush", json_pack("{s:s}", "name", argv[2]), &data);
	json_decref(data);
	return status;
}

/* ---- inspection ---- */

static void print_dpi(const struct cli *cli, const json_t *d)
{
	static const char *const heads[] = {"counted", "", NULL};
	const json_t *apps = json_object_get(d, "applications");
	struct table *t = table_new(heads);
	char text[16];
	const char *key;
	json_t *value;
	size_t i;

	printf("%" PRId64 " patterns, %" PRId64 " rules left out, %" PRId64 " domains: %s bytes\n",
	       num(d, "patterns"), num(d, "left_out"), num(d, "domains"),
	       short_number(real(d, "bytes"), text));
	printf("made in %.1f ms, cache: %s; %" PRId64 " bytes for each direction of a flow\n",
	       real(d, "build_ms"), str(d, "cache"), num(d, "stream_bytes"));
	fputs("applications:", stdout);
	json_array_foreach ((json_t *)apps, i, value)
		printf(" %s", json_string_value(value));
	fputs("\n\n", stdout);
	json_object_foreach (json_object_get(d, "counters"), key, value) {
		table_cell(t, "%s", key);
		table_cell(t, "%" PRId64, (int64_t)json_integer_value(value));
	}
	table_end(t, cli);
}

int cmd_dpi(const struct cli *cli, int argc, char **argv)
{
	json_t *data;
	int status;

	if (argc > 1)
		return usage_of(argv[0]);
	status = cli_show(cli, "dpi", NULL, &data);
	if (data != NULL)
		print_dpi(cli, data);
	json_decref(data);
	return status;
}

/* ---- explain ---- */

/* What came before the rule that decides. */
static void print_passed(const struct cli *cli, const json_t *passed)
{
	static const char *const heads[] = {"passed by", "line", "because", NULL};
	const size_t n = json_array_size(passed);
	struct table *t;

	if (n == 0)
		return;
	putchar('\n');
	t = table_new(heads);
	for (size_t i = 0; i < n && i < PASSED_MAX; i++) {
		const json_t *p = json_array_get(passed, i);

		table_cell(t, "%s", str(p, "rule"));
		table_cell(t, "%" PRId64, num(p, "line"));
		table_cell(t, "%s", str(p, "not"));
	}
	table_end(t, cli);
	if (n > PASSED_MAX)
		printf("and %zu more: --json has all\n", n - PASSED_MAX);
}

static void print_judgement(const struct cli *cli, const json_t *j)
{
	const json_t *leaves = json_object_get(j, "leaves");
	char dst[64];

	printf("%s%s%s", cli_bold(cli), str(j, "action"), cli_plain(cli));
	if (strcmp(str(j, "rule"), "default") == 0)
		printf(" by the default policy, no rule matched");
	else if (json_object_get(j, "rule") != NULL)
		printf(" by rule %s, %s:%" PRId64, str(j, "rule"), str(j, "file"), num(j, "line"));
	else
		printf(" before any rule is asked: %s", str(j, "meaning"));
	printf("\nfrom %s", str(j, "from"));
	if (json_object_get(j, "to") != NULL)
		printf(" to %s", str(j, "to"));
	putchar('\n');
	if (json_object_get(j, "waits_for") != NULL)
		printf("until inspection knows whether it is %s; then the rules are asked again\n",
		       str(j, "waits_for"));
	if (json_object_get(j, "nat") != NULL) {
		end_text(leaves, "dst", "dport", dst);
		printf("goes to %s by nat rule %s\n", dst, str(j, "nat"));
	}
	puts(str(j, "route"));
	print_passed(cli, json_object_get(j, "passed"));
}

int cmd_explain_packet(const struct cli *cli, int argc, char **argv)
{
	json_t *args = json_object(), *data;
	int status;

	if (!read_pairs(args, argc - 1, argv + 1, " from src dst proto app dscp icmp flags ",
			" sport dport ")) {
		json_decref(args);
		return usage_of(argv[0]);
	}
	status = cli_show(cli, "judge", args, &data);
	if (data != NULL)
		print_judgement(cli, data);
	json_decref(data);
	return status;
}
