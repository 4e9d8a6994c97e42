/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Where records and captured packets go: files of lines, a pcapng file, an IPFIX collector. All of
 * it belongs to the control thread; nothing here waits for a disk that is full or a collector that
 * is away.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/capture.h>
#include <weir/metrics.h>
#include <weir/record_conf.h>
#include <weir/records.h>
#include <weir/why.h>

/* Whether a path or an address of the section is there: "" is none, too. */
static inline bool app_record_given(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* ---- app_record_conf.c ---- */

/* Checks beyond the schema. 0, or -EINVAL with a sentence. */
int app_record_check(const struct weir_records_conf *conf, const char *file, struct weir_why *why);
/* Whether its files could be opened now; nothing is made, or written to. For --check. */
int app_record_probe(const struct weir_records_conf *conf, const char *file, struct weir_why *why);
/* Which key differs, so that a reload needs a restart; NULL: none. */
const char *app_record_differs(const struct weir_records_conf *a,
			       const struct weir_records_conf *b);
/* Whether anything is to be recorded at all, or captured. */
bool app_record_wanted(const struct weir_records_conf *conf);
bool app_record_captures(const struct weir_records_conf *conf);
/* The rings of one worker. */
struct weir_record_ring_conf app_record_ring(const struct weir_records_conf *conf, uint16_t worker);
struct weir_capture_conf app_record_capture(const struct weir_records_conf *conf);

/* ---- app_record_file.c: a file of units (lines, blocks) that are written whole ---- */

/* Room of its buffer. */
#define RECORD_FILE_BYTES (UINT32_C(256) << 10)

struct record_file {
	char *path;
	int fd;
	/* Bytes of the unit that begins here. */
	size_t (*unit_bytes)(const char *at, size_t left);
	char *buf; /* whole units, but for `torn` bytes in front */
	size_t used;
	size_t torn;	/* the rest of a unit whose beginning is in the file */
	uint64_t lost;	/* units that found no room */
	uint64_t units; /* that were added */
	int failing;	/* -errno of the last write; 0: it went well */
};

/* Open for appending; a FIFO that nobody reads is an error. 0 or -errno with a sentence. */
int record_file_open(struct record_file *f, const char *path,
		     size_t (*unit_bytes)(const char *at, size_t left), struct weir_why *why);
void record_file_close(struct record_file *f);
/* Where the next unit goes, and how many bytes there are for it at most; asked for more than there
 * are, it writes what it has first. NULL: there is no room, and the unit is lost (counted). */
char *record_file_room(struct record_file *f, size_t bytes);
/* So many bytes of the room are a unit. */
void record_file_add(struct record_file *f, size_t bytes);
/* Write what there is, as far as it goes. */
void record_file_flush(struct record_file *f);
/* Another file under the same path, behind a logrotate. What the old one would not take is lost. 0,
 * or -errno and the old one stays in use. */
int record_file_reopen(struct record_file *f);

/* ---- app_record_ipfix.c: datagrams to a collector ---- */

struct record_export;

struct record_export_stats {
	uint64_t messages, bytes; /* sent */
	uint64_t records;	  /* put into messages, also those that failed */
	uint64_t errors;	  /* messages that the socket would not take */
};

/* names may be NULL; n_zones zones have one. totals: flows are told of more than once. */
int record_export_create(const struct weir_records_ipfix_conf *conf, bool totals,
			 const struct weir_record_names *names, uint16_t n_zones,
			 struct record_export **out, struct weir_why *why);
void record_export_free(struct record_export *e);
/* Put a record into the message in the making; a full one is sent. now_ns: since 1970. */
void record_export_put(struct record_export *e, const struct weir_record *r, uint64_t now_ns);
/* Send what is in the making. */
void record_export_flush(struct record_export *e);
const struct record_export_stats *record_export_stats(const struct record_export *e);

/* ---- app_record.c: all of them ---- */

struct app_record;

struct app_record_options {
	const char *program;		       /* "weir-firewall" */
	const struct weir_record_names *names; /* borrowed; NULL: none */
	uint16_t n_zones;		       /* zones that may have one */
	const char *const *ports;	       /* names, by index; borrowed while it is made */
	uint16_t n_ports;
	/* By worker; borrowed. NULL: none. */
	struct weir_records *const *rings;
	struct weir_capture *const *captures;
	uint16_t workers;
};

/* Open all that conf names. 0 or -errno with a sentence. */
int app_record_create(const struct weir_records_conf *conf,
		      const struct app_record_options *options, struct app_record **out,
		      struct weir_why *why);
/* Write what is left and close. NULL is allowed. */
void app_record_free(struct app_record *a);
/* Take what the workers have written, and write it down: about ten times a second, and once after
 * they have stopped. now_ns: on the clock of passes. */
void app_record_drain(struct app_record *a, uint64_t now_ns);
/* The same at a time of the caller's, since 1970. */
void app_record_drain_at(struct app_record *a, uint64_t now_ns, uint64_t wall_ns);
/* SIGUSR1: open the files anew. 0, or the first -errno (logged). */
int app_record_reopen(struct app_record *a);
/* Write one record down. */
void app_record_take(struct app_record *a, const struct weir_record *r);

/* ---- app_record_metrics.c ---- */

/* What app_record.c counts. */
struct app_record_stats {
	const struct app_record_options *options;
	const struct record_file *file[4];  /* flows, rules, alerts, capture; NULL: none */
	const struct record_export *export; /* NULL: none */
};
void app_record_stats(const struct app_record *a, struct app_record_stats *out);
/* Add them to a registry. *a NULL when asked: they are 0 (--manual=metrics). */
int app_record_metrics(struct weir_metrics *m, struct app_record *const *a);
