/* SPDX-License-Identifier: BSD-3-Clause */

/* Commands carried out: from standard input, and from the control socket. */

#include "bench_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/error.h>

#include "command_priv.h"

#define LINE_BYTES 256

static int set(struct bench *b, const struct bench_command *c, struct weir_why *why)
{
	struct bench_settings s = b->set;
	int rc;

	switch (c->verb) {
	case BENCH_CMD_SET_FWD:
		/* As in testpmd: what was counted would not mean one thing. */
		if (b->forwarding)
			return weir_why(why, -EBUSY, "stop first");
		s.mode = (enum bench_mode)c->number;
		break;
	case BENCH_CMD_SET_BURST:
		s.burst = (uint16_t)c->number;
		break;
	case BENCH_CMD_SET_TXPKTS:
		s.sizes = c->sizes;
		rc = bench_sizes_fit(&s.sizes, s.flow.src.family == 6, why);
		if (rc < 0)
			return rc;
		break;
	case BENCH_CMD_SET_RATE:
		s.rate_pps = c->number;
		break;
	default:
		s.flows = (uint32_t)c->number;
		break;
	}
	return bench_change(b, &s, why);
}

static int carry_out(struct bench *b, const struct bench_command *c, FILE *to, struct weir_why *why)
{
	int rc;

	switch (c->verb) {
	case BENCH_NOTHING:
		return 0;
	case BENCH_CMD_START:
		return bench_start(b, why);
	case BENCH_CMD_STOP:
		rc = bench_stop(b, why);
		if (rc == 0)
			bench_report_print(b, to);
		return rc;
	case BENCH_CMD_QUIT:
		weir_run_end(b->run, WEIR_EXIT_DONE);
		return 0;
	case BENCH_CMD_HELP:
		fputs(bench_command_help, to);
		return 0;
	case BENCH_CMD_SHOW_PORTS:
		bench_ports_print(b, to);
		return 0;
	case BENCH_CMD_SHOW_FWD:
		bench_report_print(b, to);
		return 0;
	case BENCH_CMD_SHOW_CONFIG:
		bench_config_print(b, to);
		return 0;
	case BENCH_CMD_CLEAR:
		return bench_clear(b, why);
	default:
		return set(b, c, why);
	}
}

static int obey(struct bench *b, const char *line, FILE *to, struct weir_why *why)
{
	struct bench_command c;
	const int rc = bench_command_parse(line, &c, why);

	return rc < 0 ? rc : carry_out(b, &c, to, why);
}

/* ---- standard input ---- */

static void say_prompt(const struct bench *b)
{
	if (isatty(STDOUT_FILENO))
		fputs("weir-bench> ", stdout);
	fflush(stdout);
}

static void obey_line(struct bench *b, char *line)
{
	struct weir_why why = {""};

	if (obey(b, line, stdout, &why) < 0)
		printf("error: %s\n", why.text);
}

/* Whole lines out of what has come; one that does not end in time is an error, not two commands. */
static void on_input(void *ctx)
{
	static char line[LINE_BYTES]; /* the control thread's */
	static size_t have;
	static bool too_long;
	struct bench *b = ctx;
	char in[512];
	const ssize_t n = read(STDIN_FILENO, in, sizeof(in));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) { /* as in testpmd: the end of input is the end of the program */
		weir_run_unwatch(b->run, STDIN_FILENO);
		weir_run_end(b->run, WEIR_EXIT_DONE);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (in[i] != '\n') {
			too_long = too_long || have == sizeof(line) - 1 || in[i] == '\0';
			if (!too_long)
				line[have++] = in[i];
			continue;
		}
		line[have] = '\0';
		if (too_long)
			printf("error: the line is longer than %zu bytes\n", sizeof(line) - 1);
		else
			obey_line(b, line);
		have = 0;
		too_long = false;
		say_prompt(b);
	}
}

int bench_prompt_begin(struct bench *b, struct weir_why *why)
{
	int rc = weir_run_watch(b->run, STDIN_FILENO, on_input, b);

	if (rc == -EPERM) /* a file: epoll does not have it, but it is always readable */
		rc = weir_run_watch(b->run, -1, on_input, b);
	if (rc < 0)
		return weir_why(why, rc, "standard input cannot be watched: %s",
				weir_error_text(rc));
	say_prompt(b);
	return 0;
}

/* ---- the control socket ---- */

static int on_report(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		     struct weir_why *why)
{
	return bench_report_json(ctx, reply);
}

/* {"cmd": "bench", "args": {"line": "set rate 1Mpps"}}: what the prompt would have printed. */
static int on_command(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		      struct weir_why *why)
{
	const char *line = json_string_value(json_object_get(request->args, "line"));
	char *text = NULL;
	size_t len = 0;
	FILE *to;
	int rc;

	if (line == NULL)
		return weir_why(why, -EINVAL, "args.line must be a command, such as \"help\"");
	to = open_memstream(&text, &len);
	if (to == NULL)
		return -ENOMEM;
	rc = obey(ctx, line, to, why);
	if (fclose(to) == 0 && rc == 0)
		*reply = json_stringn(text, len);
	free(text);
	return rc;
}

int bench_register(struct bench *b, struct weir_why *why)
{
	struct weir_ctl_server *ctl = weir_run_ctl(b->run);
	int rc;

	if (ctl == NULL)
		return 0;
	rc = weir_ctl_register(ctl, "report", "what was counted, as --report has it", on_report, b,
			       0);
	if (rc == 0)
		rc = weir_ctl_register(ctl, "bench", "a line of the prompt: args.line", on_command,
				       b, WEIR_CTL_CHANGES_STATE);
	return rc < 0 ? weir_why(why, rc, "control socket: %s", weir_error_text(rc)) : 0;
}
