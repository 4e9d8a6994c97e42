/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_names: whom does the client ask for, and is that in a domain set?
 *
 * Takes: what the client says first. Most say it in one segment, which is read where it is; if more
 * is needed, a buffer gathers it, and it is read again when as much is there as was asked for.
 */
#include "dpi_worker_priv.h"

#include <string.h>

void dpi_judge_name(const struct dpi_look *look)
{
	const int set = dpi_domains_find(&look->d->domains, look->st->sniffed.name);

	if (set >= 0)
		dpi_found(look, &(struct dpi_found){.id = (uint32_t)set,
						    .by = WEIR_DPI_BY_DOMAIN,
						    .action = look->d->set[set].action,
						    .app = look->d->set[set].app,
						    .end = look->way->seen_bytes,
						    .message = look->d->set[set].name});
}

static uint8_t *buffer_of(const struct weir_dpi_worker *w, const struct dpi_state *st)
{
	return w->buffer + (size_t)(st->buffer - 1) * w->conf.sniff_bytes;
}

void dpi_buffer_free(struct weir_dpi_worker *w, struct dpi_state *st)
{
	if (st->buffer == 0)
		return;
	w->buffer_next[st->buffer] = w->free_buffer;
	w->free_buffer = st->buffer;
	st->buffer = 0;
}

static void count_name(const struct dpi_look *look)
{
	if (look->st->sniffed.name[0] != '\0')
		weir_count(&look->w->counters.names, 1);
	else if (look->st->sniffed.bad_name)
		weir_count(&look->w->counters.bad_names, 1);
}

void dpi_sniff_end(const struct dpi_look *look, enum weir_sniff_result r)
{
	struct dpi_state *st = look->st;

	st->sniffing = false;
	st->verdict.read = true;
	dpi_buffer_free(look->w, st);
	if (r == WEIR_SNIFF_NOT_IT)
		return;
	count_name(look);
	dpi_judge_name(look);
}

/* It has no room, or there is none: judge what is known. */
static void give_up(const struct dpi_look *look, uint64_t *counter)
{
	weir_count(counter, 1);
	dpi_sniff_end(look, WEIR_SNIFF_NEED_MORE);
}

/* Judge the first message, or see that the rest of it has room. */
static void look_at(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	struct weir_dpi_worker *w = look->w;
	struct dpi_state *st = look->st;
	const enum weir_sniff_result r = weir_sniff_stream(p, bytes, &st->sniffed);

	if (r != WEIR_SNIFF_NEED_MORE)
		dpi_sniff_end(look, r);
	else if (st->sniffed.need_bytes > w->conf.sniff_bytes)
		give_up(look, &w->counters.sniff_long);
}

/* More must come: keep the first piece. */
static void keep_first(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	struct weir_dpi_worker *w = look->w;
	struct dpi_state *st = look->st;

	if (w->free_buffer == 0) {
		give_up(look, &w->counters.sniff_full);
		return;
	}
	st->buffer = w->free_buffer;
	w->free_buffer = w->buffer_next[st->buffer];
	memcpy(buffer_of(w, st), p, bytes);
	st->sniff_have = bytes;
}

void dpi_sniff(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	struct weir_dpi_worker *w = look->w;
	struct dpi_state *st = look->st;
	const uint32_t n = RTE_MIN(bytes, w->conf.sniff_bytes - st->sniff_have);

	if (bytes == 0)
		return;
	if (st->buffer == 0) {
		look_at(look, p, bytes);
		if (st->sniffing) /* then more is needed than these bytes, and has room */
			keep_first(look, p, bytes);
		return;
	}
	memcpy(buffer_of(w, st) + st->sniff_have, p, n);
	st->sniff_have += n;
	if (st->sniff_have >= st->sniffed.need_bytes)
		look_at(look, buffer_of(w, st), st->sniff_have);
}

/* What is no message of a known protocol leaves what was known. */
void dpi_sniff_message(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	struct weir_sniff *s = &look->st->sniffed;
	const enum weir_sniff_proto proto = s->proto;

	if (weir_sniff_datagram(p, bytes, s) != WEIR_SNIFF_FOUND) {
		s->proto = proto;
		return;
	}
	count_name(look);
	dpi_judge_name(look);
}
