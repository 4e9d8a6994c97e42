/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_names: whom does the client ask for, and is that in a domain set?
 *
 * Takes: what the client says. Most say the first message, or the head of a request, in one
 * segment, which is read where it is; if more is needed, a buffer gathers it, and it is read again
 * when as much is there as was asked for. Behind a name the rest of the message is passed over
 * (HTTP, DNS): the next one may have another. What cannot be read is counted, and has a verdict of
 * its own.
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

/* What cannot be read, or not by everybody in the same way. */
static void refuse(const struct dpi_look *look, uint64_t *counter)
{
	weir_count(counter, 1);
	dpi_found(look, &(struct dpi_found){.id = WEIR_DPI_UNREADABLE,
					    .by = WEIR_DPI_BY_DOMAIN,
					    .action = look->d->unreadable,
					    .end = look->way->seen_bytes,
					    .message = WEIR_DPI_UNREADABLE_NAME});
}

/* What is known of a message. */
static void judge(const struct dpi_look *look)
{
	struct weir_dpi_counters *counters = &look->w->counters;
	const struct weir_sniff *s = &look->st->sniffed;

	if (s->name[0] != '\0') {
		weir_count(&counters->names, 1);
		dpi_judge_name(look);
	} else if (s->bad_name) {
		refuse(look, &counters->bad_names);
	}
	if (s->unreadable)
		refuse(look, &counters->unreadable);
}

/* Nothing more is read for names. */
static void stop(const struct dpi_look *look)
{
	look->st->sniffing = false;
	look->st->verdict.read = true;
	dpi_buffer_free(look->w, look->st);
}

void dpi_sniff_end(const struct dpi_look *look)
{
	if (!look->st->passing)
		judge(look);
	stop(look);
}

/* It has no room, or there is none: judge what is known. */
static void give_up(const struct dpi_look *look, uint64_t *counter)
{
	const bool known = look->st->sniffed.name[0] != '\0';

	dpi_sniff_end(look);
	if (known)
		weir_count(counter, 1);
	else
		refuse(look, counter);
}

/* Whether what is no message stands where there should be one. */
static bool should_be_one(const struct dpi_state *st)
{
	if (st->sniffed.unreadable)
		return true;
	return st->verdict.read ? !st->rest.tunnel : st->dns_port;
}

/* It is known what begins here: judge it and pass over the rest of it, or read no more. */
static void found(const struct dpi_look *look, enum weir_sniff_result r)
{
	struct dpi_state *st = look->st;
	const bool by_length = st->verdict.read && st->sniffed.proto == WEIR_SNIFF_DNS;

	if (r == WEIR_SNIFF_FOUND)
		judge(look);
	else if (should_be_one(st))
		refuse(look, &look->w->counters.unreadable);
	if (r == WEIR_SNIFF_NOT_IT && !by_length) {
		stop(look);
		return;
	}
	st->verdict.read = true;
	st->passing = true;
	memset(&st->rest, 0, sizeof(st->rest));
}

/* Bytes of a message of which the name is known. @return how many of these are. */
static uint32_t pass_over(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	struct dpi_state *st = look->st;
	const bool counted = st->sniffed.unreadable;
	const uint32_t n = (uint32_t)weir_sniff_rest(p, bytes, &st->sniffed, &st->rest);

	if (!counted && st->sniffed.unreadable)
		refuse(look, &look->w->counters.unreadable);
	if (st->rest.lost)
		stop(look);
	return n;
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

/* See what it is, or that the rest of it has room. */
static enum weir_sniff_result look_at(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	struct weir_dpi_worker *w = look->w;
	struct weir_sniff *s = &look->st->sniffed;
	const enum weir_sniff_result r = look->st->verdict.read ? weir_sniff_next(p, bytes, s)
								: weir_sniff_stream(p, bytes, s);

	if (r != WEIR_SNIFF_NEED_MORE)
		found(look, r);
	else if (s->need_bytes > w->conf.sniff_bytes)
		give_up(look, &w->counters.sniff_long);
	return r;
}

/* Go on with a message in a buffer. @return how many of these bytes are its. */
static uint32_t read_on(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	struct dpi_state *st = look->st;
	uint8_t *buffer = buffer_of(look->w, st);
	const uint32_t had = st->sniff_have;
	uint32_t n = RTE_MIN(bytes, look->w->conf.sniff_bytes - had);

	memcpy(buffer + had, p, n);
	st->sniff_have += n;
	if (st->sniff_have < st->sniffed.need_bytes ||
	    look_at(look, buffer, st->sniff_have) == WEIR_SNIFF_NEED_MORE || !st->sniffing)
		return n;
	n = pass_over(look, buffer, st->sniff_have);
	if (n < had) /* it has ended before it was known */
		stop(look);
	dpi_buffer_free(look->w, st);
	return n < had ? bytes : n - had;
}

/* @return how many bytes are done with: none, if a message was found that they begin with. */
static uint32_t read_message(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	if (look->st->buffer != 0)
		return read_on(look, p, bytes);
	if (look_at(look, p, bytes) != WEIR_SNIFF_NEED_MORE)
		return 0;
	if (look->st->sniffing) /* then more is needed than these bytes, and has room */
		keep_first(look, p, bytes);
	return bytes;
}

void dpi_sniff(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	struct dpi_state *st = look->st;

	while (bytes > 0 && st->sniffing && look->verdict->action == WEIR_DPI_PASS) {
		uint32_t n;

		if (st->passing && st->rest.over) {
			weir_sniff_next_begin(&st->sniffed, &st->rest);
			st->passing = false;
		}
		n = st->passing ? pass_over(look, p, bytes) : read_message(look, p, bytes);
		p += n;
		bytes -= n;
	}
}

/* What is no message of a known protocol leaves what was known. */
void dpi_sniff_message(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	struct weir_sniff *s = &look->st->sniffed;
	const enum weir_sniff_proto proto = s->proto;
	const bool response = bytes > 2 && (p[2] & 0x80) != 0;

	if (weir_sniff_datagram(p, bytes, s) == WEIR_SNIFF_FOUND) {
		if (s->proto == WEIR_SNIFF_DNS)
			judge(look);
		return;
	}
	s->proto = proto;
	if (look->st->dns_port && bytes > 0 && !response)
		refuse(look, &look->w->counters.unreadable);
}
