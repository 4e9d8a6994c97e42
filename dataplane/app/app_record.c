/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Records and captured packets, from the workers' rings to where the configuration wants them.
 */

#include "app_record_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weir/clock.h>
#include <weir/log.h>
#include <weir/pcapng.h>
#include <weir/version.h>

/* "rule ", a name and a NUL. */
#define COMMENT_BYTES (WEIR_RECORD_NAME_MAX + 32)
/* The headers of a capture file, each at most. */
#define HEADER_BYTES 512

enum { FLOWS, RULES, ALERTS, CAPTURE, FILES };

struct app_record {
	struct app_record_options options; /* its ports are NULL: copied */
	char *program;
	char **ports;			/* options.n_ports */
	struct record_file file[FILES]; /* path NULL: none */
	struct record_export *export;	/* NULL: none */
	uint64_t now_ns;		/* of the drain that goes on, since 1970 */
	uint32_t ring, capture_ring;	/* entries: taken at most in one drain */
	uint32_t snap_bytes;
};

/* ---- units of files ---- */

static size_t line_bytes(const char *at, size_t left)
{
	const char *newline = memchr(at, '\n', left);

	return newline == NULL ? left : (size_t)(newline - at) + 1;
}

/* A block of pcapng tells its length behind its type. */
static size_t block_bytes(const char *at, size_t left)
{
	uint32_t bytes;

	if (left < 2 * sizeof(bytes))
		return left;
	memcpy(&bytes, at + sizeof(bytes), sizeof(bytes));
	return bytes == 0 || bytes > left ? left : bytes;
}

/* ---- lines ---- */

static void put_line(struct app_record *a, struct record_file *f, const struct weir_record *r)
{
	char *room;
	int bytes;

	if (f->path == NULL)
		return;
	room = record_file_room(f, WEIR_RECORD_JSON_MAX);
	if (room == NULL)
		return;
	bytes = weir_record_json(r, a->options.names, room, WEIR_RECORD_JSON_MAX);
	if (bytes < 0)
		return; /* of no kind: app_record_take() knows them all */
	room[bytes] = '\n';
	record_file_add(f, (size_t)bytes + 1);
}

void app_record_take(struct app_record *a, const struct weir_record *r)
{
	static const uint8_t file_of[WEIR_RECORD_KINDS] = {
		[WEIR_RECORD_FLOW_START] = FLOWS, [WEIR_RECORD_FLOW_UPDATE] = FLOWS,
		[WEIR_RECORD_FLOW_END] = FLOWS,	  [WEIR_RECORD_NAT] = FLOWS,
		[WEIR_RECORD_RULE] = RULES,	  [WEIR_RECORD_ALERT] = ALERTS};

	put_line(a, &a->file[file_of[r->kind]], r);
	if (a->export != NULL)
		record_export_put(a->export, r, a->now_ns);
}

static void take(void *ctx, const struct weir_record *r)
{
	app_record_take(ctx, r);
}

/* ---- captured packets ---- */

static void put_block(struct record_file *f, int bytes)
{
	if (bytes > 0)
		record_file_add(f, (size_t)bytes);
}

/* Interfaces are the ports by their index, and one more for packets that came by none. */
static void put_headers(struct app_record *a)
{
	struct record_file *f = &a->file[CAPTURE];
	char application[128];
	char *room = record_file_room(f, HEADER_BYTES);

	snprintf(application, sizeof(application), "%s %s", a->program, weir_version());
	if (room != NULL)
		put_block(f, weir_pcapng_section(room, HEADER_BYTES, application));
	for (uint16_t i = 0; i <= a->options.n_ports; i++) {
		const char *name = i < a->options.n_ports ? a->ports[i] : a->program;

		room = record_file_room(f, HEADER_BYTES);
		if (room != NULL)
			put_block(f,
				  weir_pcapng_interface(room, HEADER_BYTES, name, a->snap_bytes));
	}
}

static const char *comment(const struct app_record *a, uint32_t slot, char text[COMMENT_BYTES])
{
	const struct weir_record_names *names = a->options.names;
	const char *name = names == NULL || names->rule == NULL ? NULL
								: names->rule(names->ctx, slot);

	if (name != NULL)
		snprintf(text, COMMENT_BYTES, "rule %.*s", WEIR_RECORD_NAME_MAX, name);
	else
		snprintf(text, COMMENT_BYTES, "rule in slot %" PRIu32, slot);
	return text;
}

static void put_packet(struct app_record *a, const struct weir_captured *c, uint64_t epoch_ns)
{
	const size_t most = WEIR_PCAPNG_OVERHEAD_BYTES + c->captured_bytes + COMMENT_BYTES;
	const uint16_t ports = a->options.n_ports;
	char text[COMMENT_BYTES];
	const struct weir_pcapng_packet packet = {
		.interface = c->port_in < ports ? c->port_in : ports,
		.time_ns = epoch_ns + c->now_ns,
		.data = weir_captured_bytes(c),
		.captured_bytes = c->captured_bytes,
		.wire_bytes = c->wire_bytes,
		.flags = c->port_in < ports ? WEIR_PCAPNG_INBOUND : 0,
		.comment = comment(a, c->comment, text),
	};
	char *room = record_file_room(&a->file[CAPTURE], most);

	if (room != NULL)
		put_block(&a->file[CAPTURE], weir_pcapng_packet(room, most, &packet));
}

static void drain_captures(struct app_record *a, uint64_t epoch_ns)
{
	for (uint16_t w = 0; a->options.captures != NULL && w < a->options.workers; w++) {
		struct weir_capture *ring = a->options.captures[w];
		const struct weir_captured *c;

		for (uint32_t n = 0; n < a->capture_ring && (c = weir_capture_peek(ring)) != NULL;
		     n++) {
			if (a->file[CAPTURE].path != NULL)
				put_packet(a, c, epoch_ns);
			weir_capture_pop(ring);
		}
	}
}

/* ---- all of them ---- */

static uint64_t wall_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * WEIR_NS_PER_S + (uint64_t)ts.tv_nsec;
}

void app_record_drain(struct app_record *a, uint64_t now_ns)
{
	app_record_drain_at(a, now_ns, wall_clock_ns());
}

void app_record_drain_at(struct app_record *a, uint64_t now_ns, uint64_t wall_ns)
{
	a->now_ns = wall_ns;
	if (a->options.rings != NULL)
		weir_records_drain(a->options.rings, a->options.workers, a->now_ns - now_ns,
				   a->ring, take, a);
	drain_captures(a, a->now_ns - now_ns);
	for (unsigned i = 0; i < FILES; i++)
		if (a->file[i].path != NULL)
			record_file_flush(&a->file[i]);
	if (a->export != NULL)
		record_export_flush(a->export);
}

int app_record_reopen(struct app_record *a)
{
	int first = 0;

	for (unsigned i = 0; i < FILES; i++) {
		const int rc = a->file[i].path == NULL ? 0 : record_file_reopen(&a->file[i]);

		if (rc == 0 && i == CAPTURE && a->file[i].path != NULL)
			put_headers(a);
		if (first == 0)
			first = rc;
	}
	return first;
}

void app_record_stats(const struct app_record *a, struct app_record_stats *out)
{
	*out = (struct app_record_stats){.options = &a->options, .export = a->export};
	for (unsigned i = 0; i < FILES; i++)
		out->file[i] = a->file[i].path == NULL ? NULL : &a->file[i];
}

/* ---- life ---- */

static int copy_names(struct app_record *a, const struct app_record_options *o)
{
	a->options = *o;
	a->options.ports = NULL;
	a->options.program = NULL;
	a->program = strdup(o->program);
	a->ports = calloc(o->n_ports + 1u, sizeof(*a->ports));
	if (a->program == NULL || a->ports == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < o->n_ports; i++) {
		a->ports[i] = strdup(o->ports[i]);
		if (a->ports[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int open_all(struct app_record *a, const struct weir_records_conf *conf,
		    struct weir_why *why)
{
	const char *const paths[FILES] = {[FLOWS] = conf->flows,
					  [RULES] = conf->rules,
					  [ALERTS] = conf->alerts,
					  [CAPTURE] = conf->capture.file};
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < FILES; i++)
		if (app_record_given(paths[i]))
			rc = record_file_open(&a->file[i], paths[i],
					      i == CAPTURE ? block_bytes : line_bytes, why);
	if (rc == 0 && app_record_given(conf->ipfix.to))
		rc = record_export_create(&conf->ipfix, conf->updates != 0, a->options.names,
					  a->options.n_zones, &a->export, why);
	return rc;
}

int app_record_create(const struct weir_records_conf *conf,
		      const struct app_record_options *options, struct app_record **out,
		      struct weir_why *why)
{
	struct app_record *a = calloc(1, sizeof(*a));
	int rc;

	if (a == NULL)
		return weir_why(why, -ENOMEM, "records: out of memory");
	a->ring = (uint32_t)conf->ring;
	a->capture_ring = (uint32_t)conf->capture.ring;
	a->snap_bytes = (uint32_t)conf->capture.snaplen;
	rc = copy_names(a, options);
	if (rc < 0)
		weir_why(why, rc, "records: out of memory");
	else
		rc = open_all(a, conf, why);
	if (rc < 0) {
		app_record_free(a);
		return rc;
	}
	if (a->file[CAPTURE].path != NULL)
		put_headers(a);
	*out = a;
	return 0;
}

void app_record_free(struct app_record *a)
{
	if (a == NULL)
		return;
	record_export_free(a->export);
	for (unsigned i = 0; i < FILES; i++)
		record_file_close(&a->file[i]);
	for (uint16_t i = 0; a->ports != NULL && i < a->options.n_ports; i++)
		free(a->ports[i]);
	free(a->ports);
	free(a->program);
	free(a);
}
