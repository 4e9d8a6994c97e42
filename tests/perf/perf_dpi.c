/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What does inspection cost beside hyperscan alone? The same payloads, in the same packets and with
 * the same databases, go through weir_dpi_segment() and through hs_scan_stream(), through
 * weir_dpi_datagram() and through hs_scan(), in turn. 64 flows of 16 packets each, one packet of
 * each flow after the other; of streams, beginning and end of the flows are in it on both sides.
 */

#include "dpi_worker_priv.h"
#include "perf.h"

#include <errno.h>
#include <netinet/in.h>
#include <rte_cycles.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/pool.h>

#define FLOWS	   64
#define SEGMENTS   16
#define PKTS	   (FLOWS * SEGMENTS)
#define AHEAD	   4  /* packets, as a node fetches */
#define HEAD_BYTES 54 /* Ethernet, IPv4 and TCP before the payload */
#define ROUNDS_MAX 1024

enum { STREAM, DATAGRAM, MODES };
enum { RANDOM, HTTP, KINDS };

static const char *const mode_names[] = {"stream", "datagram"};
static const char *const kind_names[] = {"random", "http"};
static const unsigned numbers[] = {100, 1000};
static const uint16_t sizes[] = {64, 512, 1460};

/* One side of a contest. */
struct bench {
	struct weir_dpi *d;
	struct weir_dpi_worker *w;
	hs_stream_t *stream[FLOWS]; /* hyperscan's own */
	hs_scratch_t *scratch;
	struct rte_mbuf *pkt[PKTS];
	uint16_t bytes;
	uint64_t alerts, matches;
};

static uint64_t x = 88172645463325252u;

static uint32_t draw(uint32_t below)
{
	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return (uint32_t)((x >> 11) % below);
}

static const char *const words[] = {
	"index",  "search", "login",   "account", "report",  "static", "image",	  "style",
	"update", "kernel", "network", "packet",  "example", "server", "client",  "session",
	"cookie", "accept", "cache",   "control", "header",  "length", "content", "encoding",
	"the",	  "and",    "with",    "from",	  "this",    "that",   "have",	  "which"};

static const char *word(void)
{
	return words[draw(RTE_DIM(words))];
}

/*
 * Literals of two words and a number, as paths, fields and values are made of: text comes near them
 * often. One in fifty is of the very form that fill_http() writes, so that it meets some.
 */
static char *make_patterns(unsigned n, size_t *bytes)
{
	char *text = malloc(n * 64u);
	int at = 0;

	if (text == NULL)
		perf_die("no memory", -ENOMEM);
	for (unsigned i = 0; i < n; i++) {
		const bool meets = i % 50 == 0;

		at += snprintf(text + at, 64, "%u:/%s%c%s%s%u/\n", i, word(),
			       meets ? '_' : "_=-%"[draw(4)], word(), meets ? "=" : "",
			       draw(meets ? 10 : 1000));
	}
	*bytes = (size_t)at;
	return text;
}

static void fill_http(char *to, uint16_t bytes, bool first)
{
	char line[256];
	int at = 0;

	if (first)
		at = snprintf(to, bytes, "GET /%s/%s.html HTTP/1.1\r\nHost: www.%s.example\r\n",
			      word(), word(), word());
	while (at < bytes) {
		int n = snprintf(line, sizeof(line), "%s-%s: %s_%s=%u; %s %s %s, %s/%u.%u\r\n",
				 word(), word(), word(), word(), draw(100000), word(), word(),
				 word(), word(), draw(10), draw(100));

		n = n < bytes - at ? n : bytes - at;
		memcpy(to + at, line, (size_t)n);
		at += n;
	}
}

static void fill(struct bench *b, unsigned kind)
{
	for (unsigned i = 0; i < PKTS; i++) {
		char *p = rte_pktmbuf_mtod_offset(b->pkt[i], char *, HEAD_BYTES);

		b->pkt[i]->data_len = (uint16_t)(HEAD_BYTES + b->bytes);
		b->pkt[i]->pkt_len = HEAD_BYTES + b->bytes;
		if (kind == HTTP)
			fill_http(p, b->bytes, i < FLOWS);
		else
			for (uint16_t k = 0; k < b->bytes; k++)
				p[k] = (char)draw(256);
	}
}

static void count_alert(void *ctx, const struct weir_dpi_alert *alert)
{
	++*(uint64_t *)ctx;
}

static int count_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		       void *ctx)
{
	++*(uint64_t *)ctx;
	return 0;
}

static void make_databases(struct bench *b, unsigned patterns)
{
	struct weir_dpi_source source = {.name = "perf", .action = WEIR_DPI_ALERT};
	const struct weir_dpi_conf conf = {
		.sources = &source, .n_sources = 1, .budget_bytes = WEIR_DPI_UNLIMITED};
	const struct weir_dpi_worker_conf sizes_of = {
		.states = FLOWS, .numa = -1, .alert = count_alert, .ctx = &b->alerts};
	char *text = make_patterns(patterns, &source.text_bytes);
	struct weir_why why = {""};

	source.text = text;
	if (weir_dpi_compile(&conf, &b->d, &why) < 0 ||
	    weir_dpi_worker_create(&sizes_of, &b->w, &why) < 0 ||
	    weir_dpi_worker_prepare(b->w, b->d, &why) < 0)
		perf_die(why.text, -EINVAL);
	free(text);
	if (hs_clone_scratch(b->d->scratch, &b->scratch) != HS_SUCCESS)
		perf_die("no scratch", -ENOMEM);
	for (unsigned i = 0; i < FLOWS; i++)
		if (hs_open_stream(b->d->db[DPI_STREAM], 0, &b->stream[i]) != HS_SUCCESS)
			perf_die("no stream", -ENOMEM);
}

static void free_databases(struct bench *b)
{
	for (unsigned i = 0; i < FLOWS; i++)
		hs_close_stream(b->stream[i], NULL, NULL, NULL);
	hs_free_scratch(b->scratch);
	b->scratch = NULL;
	weir_dpi_worker_free(b->w);
	weir_dpi_free(b->d);
}

static void hyperscan_stream(struct bench *b)
{
	for (unsigned i = 0; i < FLOWS; i++)
		hs_reset_stream(b->stream[i], 0, b->scratch, NULL, NULL);
	for (unsigned i = 0; i < PKTS; i++)
		hs_scan_stream(b->stream[i % FLOWS],
			       rte_pktmbuf_mtod_offset(b->pkt[i], char *, HEAD_BYTES), b->bytes, 0,
			       b->scratch, count_match, &b->matches);
}

static void hyperscan_block(struct bench *b)
{
	for (unsigned i = 0; i < PKTS; i++)
		hs_scan(b->d->db[DPI_BLOCK], rte_pktmbuf_mtod_offset(b->pkt[i], char *, HEAD_BYTES),
			b->bytes, 0, b->scratch, count_match, &b->matches);
}

static uint32_t begin(struct bench *b, uint8_t proto)
{
	const struct weir_dpi_flow flow = {.sport = 40000, .dport = 80, .proto = proto};
	const uint32_t state = weir_dpi_begin(b->w, b->d, &flow);

	if (state == 0)
		perf_die("no state", -ENOSPC);
	return state;
}

static void weir_stream(struct bench *b)
{
	uint32_t state[FLOWS], seq[FLOWS];

	for (unsigned i = 0; i < FLOWS; i++) {
		state[i] = begin(b, IPPROTO_TCP);
		seq[i] = i;
		weir_dpi_syn(b->w, state[i], WEIR_DIR_ORIG, seq[i] - 1);
	}
	for (unsigned i = 0; i < PKTS; i++) {
		const unsigned f = i % FLOWS;

		weir_dpi_prefetch(b->w, state[(i + AHEAD) % FLOWS]);
		if (weir_dpi_segment(b->w, b->d, state[f], WEIR_DIR_ORIG, seq[f], b->pkt[i],
				     HEAD_BYTES, b->bytes)
			    .action != WEIR_DPI_PASS)
			perf_die("a verdict", -EINVAL);
		seq[f] += b->bytes;
	}
	for (unsigned i = 0; i < FLOWS; i++)
		weir_dpi_end(b->w, b->d, state[i]);
}

static void weir_block(struct bench *b)
{
	uint32_t state[FLOWS];

	for (unsigned i = 0; i < FLOWS; i++)
		state[i] = begin(b, IPPROTO_UDP);
	for (unsigned i = 0; i < PKTS; i++) {
		weir_dpi_prefetch(b->w, state[(i + AHEAD) % FLOWS]);
		if (weir_dpi_datagram(b->w, b->d, state[i % FLOWS], WEIR_DIR_ORIG, b->pkt[i],
				      HEAD_BYTES, b->bytes)
			    .action != WEIR_DPI_PASS)
			perf_die("a verdict", -EINVAL);
	}
	for (unsigned i = 0; i < FLOWS; i++)
		weir_dpi_end(b->w, b->d, state[i]);
}

/* Cycles a packet. */
static double sample(struct bench *b, void (*run)(struct bench *))
{
	const uint64_t since = rte_rdtsc_precise();

	run(b);
	return (double)(rte_rdtsc_precise() - since) / PKTS;
}

/* Both in turn, the first of them by turns too. */
static void contest(struct bench *b, unsigned mode, unsigned kind, unsigned patterns,
		    const struct perf_options *o, bool *comma)
{
	static double ours[ROUNDS_MAX], theirs[ROUNDS_MAX], ratio[ROUNDS_MAX];
	void (*const weir)(struct bench *) = mode == STREAM ? weir_stream : weir_block;
	void (*const hyperscan)(struct bench *) = mode == STREAM ? hyperscan_stream
								 : hyperscan_block;
	double median;

	weir(b);
	hyperscan(b);
	b->alerts = b->matches = 0;
	for (unsigned r = 0; r < o->rounds; r++) {
		if (r % 2 == 0)
			ours[r] = sample(b, weir);
		theirs[r] = sample(b, hyperscan);
		if (r % 2 == 1)
			ours[r] = sample(b, weir);
		ratio[r] = ours[r] / theirs[r];
	}
	if (b->alerts != b->matches)
		perf_die("they do not find the same", -EINVAL);
	perf_median(ours, o->rounds);
	perf_median(theirs, o->rounds);
	median = perf_median(ratio, o->rounds);
	if (o->json)
		printf("%s\n  {\"mode\": \"%s\", \"patterns\": %u, \"payload\": \"%s\", \"bytes\": %u, "
		       "\"weir\": %.1f, \"hyperscan\": %.1f, \"ratio\": %.4f, \"matches\": %.4f}",
		       *comma ? "," : "", mode_names[mode], patterns, kind_names[kind], b->bytes,
		       ours[0], theirs[0], median, (double)b->matches / o->rounds / PKTS);
	else
		printf("%-9s %5u %-7s %5u %9.1f %9.1f %7.2f %7.2f %8.3f %8.4f\n", mode_names[mode],
		       patterns, kind_names[kind], b->bytes, ours[0], theirs[0], b->bytes / ours[0],
		       b->bytes / theirs[0], median, (double)b->matches / o->rounds / PKTS);
	*comma = true;
	fflush(stdout);
}

static void run(struct bench *b, const struct perf_options *o)
{
	bool comma = false;

	for (unsigned n = 0; n < RTE_DIM(numbers); n++) {
		make_databases(b, numbers[n]);
		for (unsigned mode = 0; mode < MODES; mode++)
			for (unsigned kind = 0; kind < KINDS; kind++)
				for (unsigned s = 0; s < RTE_DIM(sizes); s++) {
					b->bytes = sizes[s];
					fill(b, kind);
					contest(b, mode, kind, numbers[n], o, &comma);
				}
		free_databases(b);
	}
}

int main(int argc, char **argv)
{
	const struct weir_pool_plan plan = {.mbufs = PKTS, .data_bytes = 2176};
	struct perf_options o = {.core = 1, .rounds = 101, .huge = true};
	struct rte_mempool *pool;
	static struct bench b;

	perf_options(&o, argc, argv);
	if (o.rounds > ROUNDS_MAX)
		perf_die("--rounds is too large", -ERANGE);
	perf_eal(&o, "perf_dpi");
	if (weir_pool_create("perf_dpi", &plan, -1, &pool, NULL) < 0 ||
	    rte_pktmbuf_alloc_bulk(pool, b.pkt, PKTS) < 0)
		perf_die("no buffers", -ENOMEM);
	if (o.json)
		printf("{\"benchmark\": \"dpi\", \"rounds\": %u, \"rows\": [", o.rounds);
	else
		printf("%-9s %5s %-7s %5s %9s %9s %7s %7s %8s %8s\n", "mode", "lits", "payload",
		       "bytes", "weir cyc", "hs cyc", "weir B", "hs B", "ratio", "matches");
	run(&b, &o);
	if (o.json)
		printf("\n]}\n");
	return 0;
}
