/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * weirctl trace and pcap: start a watch, fetch what it saw until it is done, stop it. The program
 * writes no file: packets come here, and become lines or a pcapng file.
 */

#include "ctl_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/pcapng.h>

#define POLL_MS	      50
#define FRAME_MAX     65536
#define COMMENT_BYTES 256

/* What the words say beside the server's arguments. */
struct job {
	json_t *args;
	const char *file; /* NULL: lines */
	bool overwrite;
};

/* Where packets go. */
struct sink {
	const struct cli *cli;
	FILE *out; /* NULL: lines on stdout */
	int64_t packets, first_ns;
	int64_t line_packet; /* of the line before, and how it was described there */
	char line_text[256];
	bool failed;
};

/* ---- words ---- */

enum { OPT_OVERWRITE = 1, OPT_NUMBER };

static const struct option options[] = {
	{"port", required_argument, NULL, 0},
	{"src", required_argument, NULL, 0},
	{"dst", required_argument, NULL, 0},
	{"host", required_argument, NULL, 0},
	{"proto", required_argument, NULL, 0},
	{"sport", required_argument, NULL, OPT_NUMBER},
	{"dport", required_argument, NULL, OPT_NUMBER},
	{"count", required_argument, NULL, 'n'},
	{"seconds", required_argument, NULL, OPT_NUMBER},
	/* pcap only: */
	{"stage", required_argument, NULL, 0},
	{"drop", required_argument, NULL, 0},
	{"direction", required_argument, NULL, 0},
	{"snaplen", required_argument, NULL, OPT_NUMBER},
	{"write", required_argument, NULL, 'w'},
	{"overwrite", no_argument, NULL, OPT_OVERWRITE},
	{NULL},
};

static bool add_number(json_t *args, const char *key, const char *text)
{
	char *end;
	const long long n = strtoll(text, &end, 10);

	json_object_set_new(args, key, json_integer(n));
	return *text != '\0' && *end == '\0';
}

/* The words as arguments; 0 or USAGE. */
static int read_words(int argc, char **argv, struct job *job)
{
	const bool pcap = strcmp(argv[0], "pcap") == 0;
	bool good = true;
	int at, c;

	job->args = json_object();
	while (good && (c = getopt_long(argc, argv, pcap ? "n:w:" : "n:", options, &at)) != -1) {
		if (c == 'n')
			good = add_number(job->args, "count", optarg);
		else if (c == 'w')
			job->file = optarg;
		else if (c == OPT_OVERWRITE)
			job->overwrite = true;
		else if (c == OPT_NUMBER)
			good = add_number(job->args, options[at].name, optarg);
		else if (c == 0)
			json_object_set_new(job->args, options[at].name, json_string(optarg));
		else
			good = false;
	}
	if (good && optind == argc)
		return DONE;
	json_decref(job->args);
	usage_of(argv[0]);
	fputs("       FILTER: --port NAME --src PREFIX --dst PREFIX --host PREFIX --proto NAME\n"
	      "               --sport N --dport N; -n COUNT packets, --seconds N at most\n",
	      stderr);
	if (pcap)
		fputs("       WHERE:  --stage 60_route, or --drop ttl, or --port wan "
		      "[--direction rx|tx]\n"
		      "       -w FILE writes pcapng (- is stdout), --overwrite, --snaplen BYTES\n",
		      stderr);
	return USAGE;
}

/* ---- lines ---- */

static void print_line(struct sink *s, const json_t *r)
{
	const int64_t ns = num(r, "time_ns");
	const int64_t packet = num(r, "packet");

	if (s->first_ns == 0)
		s->first_ns = ns;
	printf("%s#%-4" PRId64 "%s %12.6f  w%" PRId64 "  %-13s %s%s%s", cli_bold(s->cli), packet,
	       cli_plain(s->cli), (double)(ns - s->first_ns) / 1e9, num(r, "worker"),
	       str(r, "stage"), strcmp(str(r, "verdict"), "DROP") == 0 ? cli_red(s->cli) : "",
	       str(r, "verdict"), cli_plain(s->cli));
	if (str(r, "drop")[0] != '\0')
		printf(" %s", str(r, "drop"));
	if (str(r, "out")[0] != '\0')
		printf(" to %s", str(r, "out"));
	/* Said once, and again when a stage has changed it. */
	if (str(r, "text")[0] != '\0' &&
	    (packet != s->line_packet || strcmp(s->line_text, str(r, "text")) != 0))
		printf("  %s", str(r, "text"));
	putchar('\n');
	if (packet != s->line_packet || str(r, "text")[0] != '\0')
		snprintf(s->line_text, sizeof(s->line_text), "%s", str(r, "text"));
	s->line_packet = packet;
}

/* ---- pcapng ---- */

static void put(struct sink *s, const void *block, int bytes)
{
	if (bytes < 0 || fwrite(block, 1, (size_t)bytes, s->out) != (size_t)bytes)
		s->failed = true;
}

static int open_file(const struct job *job, struct sink *s)
{
	const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC |
			  (job->overwrite ? O_TRUNC : O_EXCL);
	int fd;

	if (strcmp(job->file, "-") == 0) {
		s->out = stdout;
		return DONE;
	}
	fd = open(job->file, flags, 0640);
	if (fd >= 0)
		s->out = fdopen(fd, "w");
	if (s->out != NULL)
		return DONE;
	fprintf(stderr, "weirctl: %s: %s%s\n", job->file, strerror(errno),
		errno == EEXIST ? "; --overwrite replaces it" : "");
	return REFUSED;
}

static void put_heads(struct sink *s, const struct job *job)
{
	uint8_t block[512];
	const json_int_t snaplen = num(job->args, "snaplen");

	put(s, block, weir_pcapng_section(block, sizeof(block), "weirctl"));
	put(s, block,
	    weir_pcapng_interface(block, sizeof(block), "weir",
				  (uint32_t)(snaplen > 0 ? snaplen : 0)));
	if (fflush(s->out) != 0)
		s->failed = true;
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes from hexadecimal digits; how many. */
static uint32_t unhex(const char *text, uint8_t bytes[FRAME_MAX])
{
	uint32_t n = 0;

	for (; n < FRAME_MAX && nibble(text[0]) >= 0 && nibble(text[1]) >= 0; text += 2)
		bytes[n++] = (uint8_t)(nibble(text[0]) << 4 | nibble(text[1]));
	return n;
}

static void put_packet(struct sink *s, const json_t *r)
{
	static uint8_t bytes[FRAME_MAX];
	static uint8_t block[FRAME_MAX + COMMENT_BYTES + WEIR_PCAPNG_OVERHEAD_BYTES];
	const char *drop = str(r, "drop");
	char comment[COMMENT_BYTES];
	struct weir_pcapng_packet p = {
		.time_ns = (uint64_t)num(r, "time_ns"),
		.data = bytes,
		.captured_bytes = unhex(str(r, "data"), bytes),
		.wire_bytes = (uint32_t)num(r, "wire_bytes"),
		.flags = strcmp(str(r, "verdict"), "TX") == 0 ? WEIR_PCAPNG_OUTBOUND
							      : WEIR_PCAPNG_INBOUND,
		.comment = comment,
	};

	snprintf(comment, sizeof(comment), "stage=%s verdict=%s%s%s worker=%" PRId64,
		 str(r, "stage"), str(r, "verdict"), drop[0] != '\0' ? " drop=" : "", drop,
		 num(r, "worker"));
	put(s, block, weir_pcapng_packet(block, sizeof(block), &p));
}

/* ---- fetching ---- */

static void take_records(struct sink *s, const json_t *data)
{
	json_t *r;
	size_t i;

	json_array_foreach (json_object_get(data, "records"), i, r) {
		if (num(r, "packet") > s->packets)
			s->packets = num(r, "packet");
		if (s->cli->json && s->out == NULL) {
			json_dumpf(r, stdout, JSON_COMPACT);
			putchar('\n');
		} else if (s->out != NULL) {
			put_packet(s, r);
		} else {
			print_line(s, r);
		}
	}
	if (fflush(s->out != NULL ? s->out : stdout) != 0)
		s->failed = true; /* whoever read it has gone */
}

/* Wait a little; true if whoever read our output has gone. */
static bool reader_left(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	return poll(&out, 1, POLL_MS) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

/* Until the watch is done, Ctrl-C, or nobody wants more. */
static int fetch(const struct cli *cli, json_int_t id, struct sink *s)
{
	bool done = false, more;
	int64_t lost = 0;
	int status = DONE;

	while (!done && !interrupted && !s->failed) {
		json_t *data;

		status = cli_ask(cli, "watch-next", json_pack("{s:I}", "id", id), &data);
		if (status != DONE)
			break;
		take_records(s, data);
		done = json_is_true(json_object_get(data, "done"));
		more = json_array_size(json_object_get(data, "records")) > 0;
		lost = num(data, "lost");
		json_decref(data);
		if (!done && !more && reader_left())
			break;
	}
	if (lost > 0)
		fprintf(stderr,
			"weirctl: %" PRId64 " records were lost: they came faster than they were "
			"fetched; choose fewer packets\n",
			lost);
	return interrupted ? DONE : status;
}

/* The watch itself, into a sink that is open. */
static int watch_into(const struct cli *cli, const char *cmd, const struct job *job, struct sink *s)
{
	json_t *data;
	json_int_t id;
	int status = cli_ask(cli, cmd, json_incref(job->args), &data);

	if (status != DONE)
		return status;
	id = num(data, "id");
	json_decref(data);
	if (s->out != NULL)
		put_heads(s, job);
	status = fetch(cli, id, s);
	interrupted = 0; /* the goodbye is said in any case */
	if (cli_ask(cli, "watch-stop", json_pack("{s:I}", "id", id), &data) == DONE)
		json_decref(data);
	return status;
}

static int watch(const struct cli *cli, const char *cmd, const struct job *job)
{
	struct sink s = {.cli = cli};
	int status = job->file == NULL ? DONE : open_file(job, &s);

	if (status != DONE)
		return status;
	status = watch_into(cli, cmd, job, &s);
	if (s.out != NULL && s.out != stdout && fclose(s.out) != 0)
		s.failed = true;
	if (s.failed && job->file != NULL && strcmp(job->file, "-") != 0)
		fprintf(stderr, "weirctl: %s: cannot write all of it\n", job->file);
	if (s.out != NULL && status == DONE)
		fprintf(stderr, "%" PRId64 " packets\n", s.packets);
	return s.failed ? REFUSED : status;
}

int cmd_trace(const struct cli *cli, int argc, char **argv)
{
	struct job job = {0};
	int status = read_words(argc, argv, &job);

	if (status != DONE)
		return status;
	status = watch(cli, argv[0], &job);
	json_decref(job.args);
	return status;
}

int cmd_pcap(const struct cli *cli, int argc, char **argv)
{
	struct job job = {0};
	int status = read_words(argc, argv, &job);

	if (status != DONE)
		return status;
	if (job.file == NULL && !cli->terminal && !cli->json)
		job.file = "-";
	status = watch(cli, argv[0], &job);
	json_decref(job.args);
	return status;
}
