/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One connection over one path, again and again: what arrives in some seconds of virtual time. The
 * same in each run, so a change of the stack shows as a change of the table.
 */

#include "goodput.h"

#define S_NS	   UINT64_C(1000000000)
#define MS_NS	   UINT64_C(1000000)
#define RUN_S	   3
#define MBIT	   125000 /* bytes a second */
#define PACKET	   1500
#define BUF_BYTES  (4 << 20)
#define LINE_BYTES 128
#define SEED	   1

static const char *const algorithms[] = {"cubic", "newreno", "bbr", "dctcp"};
static const uint32_t rates_mbit[] = {2, 20, 100};
static const uint32_t rtts_ms[] = {1, 20, 100};
static const uint32_t losses_ppm[] = {0, 1000, 10000, 50000};

struct path {
	uint32_t rate_mbit, rtt_ms, loss_ppm;
};

/* Half of the round trip each way; the queue takes a round trip's bytes, but at least 20 packets.
 */
static void make_wires(struct sim *s, const struct path *p, bool marks)
{
	const uint64_t rate = (uint64_t)p->rate_mbit * MBIT;
	const uint32_t trip_bytes = (uint32_t)(rate * p->rtt_ms / 1000);

	for (unsigned i = 0; i < 2; i++)
		s->wires[i].conf.delay_ns = p->rtt_ms * MS_NS / 2;
	s->wires[0].conf.bytes_s = rate;
	s->wires[0].conf.loss_ppm = p->loss_ppm;
	s->wires[0].conf.queue_bytes = RTE_MAX(trip_bytes, 20u * PACKET);
	if (marks) /* RFC 8257 section 3.5: a part of it, and some packets */
		s->wires[0].conf.mark_bytes = RTE_MAX(trip_bytes / 5, 5u * PACKET);
}

static void make_flow(struct sim *s)
{
	struct flow *f = &s->flows[0];

	s->n_flows = 1;
	f->family = 4;
	f->begin_ns = s->now_ns;
	f->may_break = true;
	for (unsigned end = 0; end < 2; end++) {
		f->side[end].flow = f;
		f->side[end].host = &s->hosts[end];
		f->side[end].manner.write_most = 65536;
	}
	f->side[0].to_send = UINT64_MAX;
	f->side[0].manner.hangs_up_ns = s->now_ns + RUN_S * S_NS;
	f->side[0].manner.aborts = true;
}

/* In kbit/s. */
static uint64_t measure(struct sim *s, const struct path *p, const char *algorithm)
{
	uint64_t bytes = 0;

	sim_begin(s, SEED);
	s->clean_ns = s->now_ns + RUN_S * S_NS;
	s->n_hosts = 2;
	make_wires(s, p, strcmp(algorithm, "dctcp") == 0);
	for (unsigned i = 0; i < 2; i++) {
		s->hosts[i].conf.congestion = algorithm;
		s->hosts[i].conf.sndbuf_bytes = BUF_BYTES;
		s->hosts[i].conf.rcvbuf_bytes = BUF_BYTES;
		sim_host(s, i);
	}
	make_flow(s);
	while (!s->failed && s->now_ns < s->clean_ns && sim_pass(s))
		bytes = s->flows[0].side[1].received;
	sim_run(s);
	sim_end(s);
	return bytes * 8 / 1000 / RUN_S;
}

static void print_head(FILE *to)
{
	fprintf(to,
		"Goodput in kbit/s of one connection in its first %u s: tests/sim/sim --goodput\n"
		"The queue takes a round trip's bytes; for dctcp packets are marked from a fifth "
		"on.\n\n  Mbit/s  RTT ms  loss %%",
		RUN_S);
	for (unsigned i = 0; i < RTE_DIM(algorithms); i++)
		fprintf(to, "  %8s", algorithms[i]);
	fputc('\n', to);
}

/* False: a run has failed. */
static bool print_row(struct sim *s, FILE *to, const struct path *p)
{
	fprintf(to, "  %6u  %6u  %3u.%02u", p->rate_mbit, p->rtt_ms, p->loss_ppm / 10000,
		p->loss_ppm / 100 % 100);
	for (unsigned i = 0; i < RTE_DIM(algorithms); i++) {
		fprintf(to, "  %8" PRIu64, measure(s, p, algorithms[i]));
		if (s->failed) {
			fprintf(stderr, "sim: %s: %s\n", algorithms[i], s->why);
			return false;
		}
	}
	fputc('\n', to);
	return true;
}

static bool print_table(struct sim *s, FILE *to)
{
	print_head(to);
	for (unsigned r = 0; r < RTE_DIM(rates_mbit); r++)
		for (unsigned t = 0; t < RTE_DIM(rtts_ms); t++)
			for (unsigned l = 0; l < RTE_DIM(losses_ppm); l++)
				if (!print_row(s, to,
					       &(struct path){rates_mbit[r], rtts_ms[t],
							      losses_ppm[l]}))
					return false;
	return true;
}

/* @return how many lines are others. */
static unsigned compare(FILE *was, FILE *is)
{
	char old[LINE_BYTES] = "", fresh[LINE_BYTES] = "";
	unsigned others = 0;
	bool has_old, has_fresh;

	for (;;) {
		has_old = fgets(old, sizeof(old), was) != NULL;
		has_fresh = fgets(fresh, sizeof(fresh), is) != NULL;
		if (!has_old && !has_fresh)
			return others;
		if (has_old && has_fresh && strcmp(old, fresh) == 0)
			continue;
		others++;
		printf("-%s+%s", has_old ? old : "\n", has_fresh ? fresh : "\n");
	}
}

int goodput(struct sim *s, const char *name)
{
	FILE *was = name == NULL ? NULL : fopen(name, "r");
	FILE *is = name == NULL ? stdout : tmpfile();
	int rc = 1;

	if ((name != NULL && was == NULL) || is == NULL) {
		perror(name);
	} else if (print_table(s, is)) {
		if (name != NULL)
			rewind(is);
		rc = name != NULL && compare(was, is) > 0;
		if (rc != 0)
			puts("If it is to be so: sim --goodput > tests/sim/goodput.txt");
	}
	if (was != NULL)
		fclose(was);
	if (is != NULL && is != stdout)
		fclose(is);
	return rc;
}
