/* SPDX-License-Identifier: BSD-3-Clause */

#include "command_priv.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <weir/units.h>

#include "bench_priv.h"

const char bench_command_help[] =
	"start                  begin to forward, count anew\n"
	"stop                   end, and show what was counted\n"
	"show port stats all    the devices' counters\n"
	"show fwd stats all     what was forwarded, and what it cost\n"
	"show config            what is in force\n"
	"set fwd MODE           io mac macswap 5tswap csum icmpecho rxonly "
	"txonly sink\n"
	"set burst N            packets taken at once, 1 to 256\n"
	"set txpkts SIZE        64, 64-1500, imix\n"
	"set rate RATE          1Mpps; 0: as fast as it goes\n"
	"set flows N            1 to 65536\n"
	"clear port stats all   count anew\n"
	"quit                   end the program\n";

#define WORDS_MAX 4

/* A fixed phrase, or one that ends in a value. */
static const struct {
	const char *words[WORDS_MAX]; /* "*" is the value */
	enum bench_verb verb;
} commands[] = {
	{{"start"}, BENCH_CMD_START},
	{{"stop"}, BENCH_CMD_STOP},
	{{"quit"}, BENCH_CMD_QUIT},
	{{"help"}, BENCH_CMD_HELP},
	{{"show", "port", "stats", "all"}, BENCH_CMD_SHOW_PORTS},
	{{"show", "fwd", "stats", "all"}, BENCH_CMD_SHOW_FWD},
	{{"show", "config"}, BENCH_CMD_SHOW_CONFIG},
	{{"show", "config", "fwd"}, BENCH_CMD_SHOW_CONFIG},
	{{"clear", "port", "stats", "all"}, BENCH_CMD_CLEAR},
	{{"clear", "fwd", "stats", "all"}, BENCH_CMD_CLEAR},
	{{"set", "fwd", "*"}, BENCH_CMD_SET_FWD},
	{{"set", "burst", "*"}, BENCH_CMD_SET_BURST},
	{{"set", "txpkts", "*"}, BENCH_CMD_SET_TXPKTS},
	{{"set", "rate", "*"}, BENCH_CMD_SET_RATE},
	{{"set", "flows", "*"}, BENCH_CMD_SET_FLOWS},
};

/* Cut a line into words. @return how many, or -EINVAL for too many or too long ones. */
static int cut(const char *line, char words[WORDS_MAX][32])
{
	int n = 0;

	for (;;) {
		size_t len;

		while (isspace((unsigned char)*line))
			line++;
		if (*line == '\0' || *line == '#')
			return n;
		len = strcspn(line, " \t\r\n");
		if (n == WORDS_MAX || len >= sizeof(words[0]))
			return -EINVAL;
		memcpy(words[n], line, len);
		words[n++][len] = '\0';
		line += len;
	}
}

static bool matches(const char *const pattern[WORDS_MAX], char words[WORDS_MAX][32], int n)
{
	for (int i = 0; i < WORDS_MAX; i++) {
		if (i >= n || pattern[i] == NULL)
			return i >= n && pattern[i] == NULL;
		if (strcmp(pattern[i], "*") != 0 && strcmp(pattern[i], words[i]) != 0)
			return false;
	}
	return true;
}

static int parse_mode(const char *text, uint64_t *out, struct weir_why *why)
{
	for (int i = 0; i < BENCH_MODES; i++) {
		if (strcmp(text, bench_mode_names[i]) == 0) {
			*out = (uint64_t)i;
			return 0;
		}
	}
	return weir_why(why, -EINVAL, "%s is no mode; help tells what there is", text);
}

static int parse_number(const char *what, const char *text, uint64_t max, uint64_t *out,
			struct weir_why *why)
{
	uint64_t n;

	if (weir_parse_uint(text, strlen(text), &n) < 0 || n < 1 || n > max)
		return weir_why(why, -EINVAL, "%s is %s, must be 1 to %u", what, text,
				(unsigned)max);
	*out = n;
	return 0;
}

static int parse_value(const char *text, struct bench_command *c, struct weir_why *why)
{
	switch (c->verb) {
	case BENCH_CMD_SET_FWD:
		return parse_mode(text, &c->number, why);
	case BENCH_CMD_SET_BURST:
		return parse_number("burst", text, BENCH_BURST_MAX, &c->number, why);
	case BENCH_CMD_SET_FLOWS:
		return parse_number("flows", text, BENCH_FLOWS_MAX, &c->number, why);
	case BENCH_CMD_SET_TXPKTS:
		return bench_sizes_parse(text, &c->sizes, why);
	case BENCH_CMD_SET_RATE:
		if (weir_parse_rate(text, strlen(text), &c->number) == 0 &&
		    c->number <= WEIR_BUCKET_RATE_MAX)
			return 0;
		return weir_why(why, -EINVAL, "rate is %s, must be such as 1Mpps, at most 1Gpps",
				text);
	default:
		return 0;
	}
}

int bench_command_parse(const char *line, struct bench_command *out, struct weir_why *why)
{
	struct bench_command c = {.verb = BENCH_NOTHING};
	char words[WORDS_MAX][32];
	const int n = cut(line, words);
	int rc;

	if (n == 0) {
		*out = c;
		return 0;
	}
	for (size_t i = 0; n > 0 && i < RTE_DIM(commands); i++) {
		if (!matches(commands[i].words, words, n))
			continue;
		c.verb = commands[i].verb;
		rc = parse_value(words[n - 1], &c, why);
		if (rc == 0)
			*out = c;
		return rc;
	}
	return weir_why(why, -EINVAL, "\"%.*s\" is no command; help tells what there is",
			(int)strcspn(line, "\r\n"), line);
}
