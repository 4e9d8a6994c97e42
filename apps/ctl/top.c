/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * weirctl top: what happens now, stage by stage. Asks once a second and shows the differences.
 * On a terminal the screen is redrawn and q ends it; else a table follows the other.
 */

#include "ctl_priv.h"

#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define NS_PER_S 1e9

/* All that one refresh shows. */
struct reading {
	json_t *status, *ports, *stages;
};

static void forget(struct reading *r)
{
	json_decref(r->status);
	json_decref(r->ports);
	json_decref(r->stages);
	*r = (struct reading){0};
}

static int take(const struct cli *cli, struct reading *r)
{
	int status = cli_ask(cli, "status", NULL, &r->status);

	if (status == DONE)
		status = cli_ask(cli, "ports", NULL, &r->ports);
	if (status == DONE)
		status = cli_ask(cli, "stages", NULL, &r->stages);
	return status;
}

static double rate(const json_t *now, const json_t *before, const char *key, double seconds)
{
	return (real(now, key) - real(before, key)) / seconds;
}

static void rate_cell(struct table *t, double per_s)
{
	char text[16];

	table_cell(t, "%s", short_number(per_s, text));
}

static void print_workers(const struct cli *cli, const struct reading *now,
			  const struct reading *before, double seconds)
{
	const json_t *was = json_object_get(before->status, "workers");
	const double hz = real(now->status, "tsc_hz");
	json_t *w;
	size_t i;

	printf("%s%s %s%s  generation %" PRId64 "  busy", cli_bold(cli), str(now->status, "name"),
	       str(now->status, "version"), cli_plain(cli), num(now->status, "generation"));
	json_array_foreach (json_object_get(now->status, "workers"), i, w) {
		printf("  worker %zu %.1f%%", i,
		       100 * rate(w, json_array_get(was, i), "busy_cycles", seconds) / hz);
	}
	fputs("\n\n", stdout);
}

/* What a stage said since then, in parts of what it said in all. */
static void verdict_cell(struct table *t, const json_t *now, const json_t *before, double pkts)
{
	const json_t *was = json_object_get(before, "verdicts");
	char text[96] = "";
	const char *key;
	json_t *v;

	json_object_foreach (json_object_get(now, "verdicts"), key, v) {
		const double said = json_number_value(v) - real(was, key);
		const size_t n = strlen(text);

		if (said > 0 && pkts > 0)
			snprintf(text + n, sizeof(text) - n, "%s%s %.3g%%", n > 0 ? "  " : "", key,
				 100 * said / pkts);
	}
	table_cell(t, "%s", text);
}

static void print_stages(const struct cli *cli, const struct reading *now,
			 const struct reading *before, double seconds)
{
	static const char *const heads[] = {"stage",  "pkts/s",	  "share", "burst",
					    "cycles", "verdicts", NULL};
	const json_t *was = json_object_get(before->stages, "stages");
	struct table *t = table_new(heads);
	double came = 0;
	json_t *s;
	size_t i;

	json_array_foreach (json_object_get(now->status, "workers"), i, s) {
		came += rate(s, json_array_get(json_object_get(before->status, "workers"), i),
			     "pkts", seconds);
	}
	json_array_foreach (json_object_get(now->stages, "stages"), i, s) {
		const json_t *b = json_array_get(was, i);
		const double pps = rate(s, b, "pkts", seconds);
		const double bursts = rate(s, b, "bursts", seconds);
		const double timed = rate(s, b, "timed_pkts", seconds);
		const double cycles = rate(s, b, "timed_cycles", seconds);

		table_cell(t, "%s", str(s, "stage"));
		rate_cell(t, pps);
		table_cell(t, "%.1f%%", came > 0 ? 100 * pps / came : 0);
		table_ratio(t, pps, bursts, 1);
		table_ratio(t, cycles, timed, 0);
		verdict_cell(t, s, b, pps * seconds);
	}
	table_end(t, cli);
}

static void print_drops(const struct cli *cli, const struct reading *now,
			const struct reading *before, double seconds)
{
	static const char *const heads[] = {"dropped", "pkts/s", "meaning", NULL};
	const json_t *was = json_object_get(before->stages, "drops");
	struct table *t = table_new(heads);
	bool some = false;
	json_t *d;
	size_t i;

	json_array_foreach (json_object_get(now->stages, "drops"), i, d) {
		const double pps = rate(d, json_array_get(was, i), "pkts", seconds);

		if (pps <= 0)
			continue;
		some = true;
		table_cell(t, "%s", str(d, "reason"));
		rate_cell(t, pps);
		table_cell(t, "%s", str(d, "meaning"));
	}
	if (!some) {
		table_cell(t, "nothing");
		table_cell(t, "0");
		table_cell(t, "%s", "");
	}
	putchar('\n');
	table_end(t, cli);
}

static void print_ports(const struct cli *cli, const struct reading *now,
			const struct reading *before, double seconds)
{
	static const char *const heads[] = {"port",	"link",	     "rx pkts/s",
					    "rx bit/s", "tx pkts/s", "tx bit/s",
					    "missed/s", "errors/s",  NULL};
	struct table *t = table_new(heads);
	json_t *p;
	size_t i;

	json_array_foreach (now->ports, i, p) {
		const json_t *c = json_object_get(p, "counters");
		const json_t *b = json_object_get(json_array_get(before->ports, i), "counters");

		table_cell(t, "%s", str(p, "name"));
		table_cell(t, "%s", json_is_true(json_object_get(p, "up")) ? "up" : "DOWN");
		rate_cell(t, rate(c, b, "rx_pkts", seconds));
		rate_cell(t, 8 * rate(c, b, "rx_bytes", seconds));
		rate_cell(t, rate(c, b, "tx_pkts", seconds));
		rate_cell(t, 8 * rate(c, b, "tx_bytes", seconds));
		rate_cell(t, rate(c, b, "rx_missed", seconds) + rate(c, b, "rx_no_mbuf", seconds));
		rate_cell(t, rate(c, b, "rx_errors", seconds) + rate(c, b, "tx_errors", seconds));
	}
	putchar('\n');
	table_end(t, cli);
}

static void show(const struct cli *cli, const struct reading *now, const struct reading *before)
{
	const double seconds =
		(real(now->stages, "now_ns") - real(before->stages, "now_ns")) / NS_PER_S;

	if (seconds <= 0)
		return; /* the program was started anew between two readings */
	if (cli->terminal)
		fputs("\033[H\033[2J", stdout);
	print_workers(cli, now, before, seconds);
	print_stages(cli, now, before, seconds);
	print_drops(cli, now, before, seconds);
	print_ports(cli, now, before, seconds);
	if (!cli->terminal)
		putchar('\n');
	fflush(stdout);
}

/* Wait for the next refresh; false: it is enough. */
static bool wait_or_quit(const struct cli *cli, double seconds)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	const bool keys = cli->terminal && isatty(STDIN_FILENO);
	char key;

	if (poll(&in, keys ? 1 : 0, (int)(seconds * 1000)) > 0)
		if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q')
			return false;
	return !interrupted;
}

/* Keys without Enter, unseen; ended by restoring what was. */
static bool set_terminal(struct termios *was)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, was) < 0)
		return false;
	raw = *was;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static int loop(const struct cli *cli, double seconds, long count)
{
	struct reading before = {0}, now = {0};
	int status = take(cli, &before);

	for (long i = 0; status == DONE && (count == 0 || i < count); i++) {
		if (!wait_or_quit(cli, seconds))
			break;
		status = take(cli, &now);
		if (status == DONE)
			show(cli, &now, &before);
		forget(&before);
		before = now;
		now = (struct reading){0};
	}
	forget(&before);
	return interrupted ? DONE : status;
}

int cmd_top(const struct cli *cli, int argc, char **argv)
{
	struct termios was;
	double seconds = 1;
	long count = 0;
	bool changed;
	int c, status;

	while ((c = getopt(argc, argv, "i:n:")) != -1) {
		char *end = (char[]){"x"};

		if (c == 'i')
			seconds = strtod(optarg, &end);
		else if (c == 'n')
			count = strtol(optarg, &end, 10);
		if (*end != '\0' || !(seconds >= 0.1 && seconds <= 3600) || count < 0)
			return usage_of(argv[0]);
	}
	if (optind < argc || cli->json)
		return usage_of(argv[0]);
	changed = cli->terminal && isatty(STDIN_FILENO) && set_terminal(&was);
	status = loop(cli, seconds, count);
	if (changed)
		tcsetattr(STDIN_FILENO, TCSANOW, &was);
	return status;
}
