/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_state: the life of a flow under inspection, and what becomes of what is found in it.
 *
 * A state remembers with which patterns it began. When a packet comes with those of another
 * generation, the old ones may be gone already: their streams are not touched, and those of the new
 * generation begin where the flow is now.
 */
#include "dpi_worker_priv.h"

#include <netinet/in.h>
#include <rte_prefetch.h>
#include <string.h>

#define DNS_PORT 53

static void note_done(struct dpi_state *st)
{
	st->verdict.done = st->way[WEIR_DIR_ORIG].done && st->way[WEIR_DIR_REPLY].done;
}

void dpi_way_end(struct weir_dpi_worker *w, struct dpi_state *st, enum weir_dir dir)
{
	dpi_held_free(w, &st->way[dir]);
	st->way[dir].stream = NULL;
	st->way[dir].done = true;
	if (dir == WEIR_DIR_ORIG) {
		dpi_buffer_free(w, st);
		st->sniffing = false;
	}
	note_done(st);
}

/* With these patterns, from where the flow is now. */
static void begin_with(struct dpi_state *st, const struct dpi_side *side)
{
	const enum dpi_mode mode = st->flow.proto == IPPROTO_TCP ? DPI_STREAM : DPI_BLOCK;

	st->epoch = side->epoch;
	st->verdict = (struct weir_dpi_verdict){.action = WEIR_DPI_PASS};
	st->alerts = 0;
	for (unsigned dir = 0; dir < WEIR_DIRS; dir++) {
		struct dpi_way *way = &st->way[dir];

		way->stream = NULL;
		way->done = side->d->db[mode] == NULL && (dir != WEIR_DIR_ORIG || !st->sniffing);
		way->seen_bytes = 0;
	}
	note_done(st);
}

uint32_t weir_dpi_begin(struct weir_dpi_worker *w, const struct weir_dpi *d,
			const struct weir_dpi_flow *flow)
{
	const struct dpi_side *side = dpi_side_of(w, d);
	const uint32_t number = w->free_state;
	struct dpi_state *st = &w->state[number];

	if (unlikely(side == NULL || number == 0)) {
		weir_count(&w->counters.no_state, 1);
		return 0;
	}
	w->free_state = st->next;
	memset(st->way, 0, sizeof(st->way));
	st->used = true;
	st->sniffing = true;
	st->passing = false;
	st->dns_port = flow->dport == DNS_PORT;
	st->buffer = 0;
	st->sniff_have = 0;
	st->flow = *flow;
	memset(&st->rest, 0, sizeof(st->rest));
	memset(&st->sniffed, 0, offsetof(struct weir_sniff, name));
	st->sniffed.name[0] = st->sniffed.alpn[0] = '\0';
	begin_with(st, side);
	weir_count(&w->counters.begun, 1);
	weir_count(&w->counters.used, 1);
	return number;
}

/* A way that was given up begins again where its next segment does. */
void dpi_begin_anew(const struct dpi_look *look)
{
	struct dpi_state *st = look->st;
	struct dpi_look of_name = *look;
	const bool read = st->verdict.read || !st->sniffing;

	for (unsigned dir = 0; dir < WEIR_DIRS; dir++)
		if (st->way[dir].done)
			st->way[dir].known = false;
	begin_with(st, look->side);
	st->verdict.read = read;
	weir_count(&look->w->counters.begun_anew, 1);
	of_name.dir = WEIR_DIR_ORIG;
	of_name.way = &st->way[WEIR_DIR_ORIG];
	if ((!st->sniffing || st->passing) && st->flow.proto == IPPROTO_TCP)
		dpi_judge_name(&of_name);
}

/* Patterns with $ match where the stream ends, if all of it was seen. */
static void find_at_end(struct weir_dpi_worker *w, const struct weir_dpi *d, uint32_t state)
{
	const struct dpi_side *side = dpi_side_of(w, d);
	struct dpi_look look;

	if (side == NULL || w->state[state].epoch != side->epoch)
		return;
	for (unsigned dir = 0; dir < WEIR_DIRS; dir++) {
		hs_stream_t *stream = w->state[state].way[dir].stream;

		if (stream != NULL && dpi_look_begin(&look, w, d, state, dir))
			hs_reset_stream(stream, 0, side->scratch, dpi_on_match, &look);
	}
}

void weir_dpi_end(struct weir_dpi_worker *w, const struct weir_dpi *d, uint32_t state)
{
	struct dpi_state *st = &w->state[state];

	if (state == 0 || !st->used)
		return;
	if (d != NULL && d->at_end && st->verdict.action == WEIR_DPI_PASS)
		find_at_end(w, d, state);
	for (unsigned dir = 0; dir < WEIR_DIRS; dir++)
		dpi_way_end(w, st, dir);
	st->used = false;
	st->next = w->free_state;
	w->free_state = state;
	weir_count(&w->counters.used, (uint64_t)-1);
}

void weir_dpi_prefetch(const struct weir_dpi_worker *w, uint32_t state)
{
	rte_prefetch0(&w->state[state]);
	rte_prefetch0((const uint8_t *)&w->state[state] + RTE_CACHE_LINE_SIZE);
}

const struct weir_sniff *weir_dpi_sniffed(const struct weir_dpi_worker *w, uint32_t state)
{
	return &w->state[state].sniffed;
}

static void decide(const struct dpi_look *look, const struct dpi_found *f)
{
	struct weir_dpi_verdict *v = look->verdict;

	if (f->action == WEIR_DPI_TAG) {
		v->app = f->app;
		weir_count(&look->w->counters.tagged, 1);
		return;
	}
	v->action = f->action;
	v->by = f->by;
	v->id = f->id;
	if (f->action == WEIR_DPI_DROP)
		weir_count(&look->w->counters.dropped, 1);
	else
		weir_count(&look->w->counters.reset, 1);
}

void dpi_found(const struct dpi_look *look, const struct dpi_found *f)
{
	struct weir_dpi_worker *w = look->w;
	struct dpi_state *st = look->st;
	const struct weir_dpi_alert alert = {
		.flow = st->flow.flow,
		.id = f->id,
		.by = f->by,
		.action = f->action,
		.dir = (uint8_t)look->dir,
		.app = f->app,
		.end = f->end,
		.message = f->message,
		.name = st->sniffed.name,
	};

	if (f->action == WEIR_DPI_PASS || look->verdict->action != WEIR_DPI_PASS)
		return;
	if (f->action > WEIR_DPI_ALERT)
		decide(look, f);
	if (st->alerts >= w->conf.flow_alerts && look->verdict->action == WEIR_DPI_PASS) {
		weir_count(&w->counters.alerts_over, 1);
		return;
	}
	st->alerts++;
	weir_count(&w->counters.alerts, 1);
	if (w->conf.alert != NULL)
		w->conf.alert(w->conf.ctx, &alert);
}
