/* SPDX-License-Identifier: BSD-3-Clause */

/* The section `records:`. The text here is the reference manual. */

#include "app_record_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/ipfix.h>

#include "app_priv.h"

static const struct weir_conf_key ipfix_keys[] = {
	{WEIR_CONF_KEY(struct weir_records_ipfix_conf, to), .type = WEIR_CONF_STRING, .max = 64,
	 .doc = "ADDRESS:PORT of the collector, over UDP. Empty: none."},
	{WEIR_CONF_KEY(struct weir_records_ipfix_conf, domain), .type = WEIR_CONF_UINT,
	 .max = 4294967295, .def = "1", .doc = "Observation domain of all messages."},
	{WEIR_CONF_KEY(struct weir_records_ipfix_conf, mtu), .type = WEIR_CONF_UINT,
	 .min = WEIR_IPFIX_BYTES_MIN, .max = 65507, .def = "1400",
	 .doc = "Bytes of a message at most; the path should take it, with 28 or 48 more, in one "
		"piece."},
	{WEIR_CONF_KEY(struct weir_records_ipfix_conf, template_every), .type = WEIR_CONF_DURATION,
	 .min = 1000000000, .max = 86400000000000, .def = "60s",
	 .doc = "Templates are sent again after this time, before the next data."},
	{WEIR_CONF_KEY(struct weir_records_ipfix_conf, template_messages), .type = WEIR_CONF_UINT,
	 .max = 1000000, .def = "1000", .doc = "And after so many messages; 0: by time alone."},
};

static const struct weir_conf_schema ipfix_schema = {
	.name = "records.ipfix",
	.doc = "An IPFIX collector (RFC 7011) that is told of flows, translations, rules that log and "
	       "alerts. Counters are totals of a flow; with `updates: 0s` they are told once, as deltas.",
	WEIR_CONF_STRUCT(struct weir_records_ipfix_conf, ipfix_keys),
	WEIR_CONF_HAS_AT(struct weir_records_ipfix_conf),
};

static const struct weir_conf_key capture_keys[] = {
	{WEIR_CONF_KEY(struct weir_records_capture_conf, file), .type = WEIR_CONF_STRING,
	 .max = 255,
	 .doc = "A pcapng file, appended to; each packet has a comment that names its rule. Empty: "
		"none."},
	{WEIR_CONF_KEY(struct weir_records_capture_conf, snaplen), .type = WEIR_CONF_UINT,
	 .min = 14, .max = WEIR_CAPTURE_SNAP_MAX, .def = "256",
	 .doc = "Bytes that are kept of each packet."},
	{WEIR_CONF_KEY(struct weir_records_capture_conf, rate), .type = WEIR_CONF_RATE, .min = 1,
	 .max = 10000000, .def = "1000pps", .doc = "Packets that a worker captures."},
	{WEIR_CONF_KEY(struct weir_records_capture_conf, ring), .type = WEIR_CONF_UINT, .min = 2,
	 .max = 1048576, .def = "1024",
	 .doc = "Packets of a worker that wait to be written; what is more is lost, and counted."},
};

static const struct weir_conf_schema capture_schema = {
	.name = "records.capture",
	.doc = "Where packets of rules with `capture` go.",
	WEIR_CONF_STRUCT(struct weir_records_capture_conf, capture_keys),
	WEIR_CONF_HAS_AT(struct weir_records_capture_conf),
};

static const struct weir_conf_key records_keys[] = {
	{WEIR_CONF_KEY(struct weir_records_conf, flows), .type = WEIR_CONF_STRING, .max = 255,
	 .doc = "A file, one JSON object a line, of flows (flow_start, flow_update, flow) and "
		"translations (nat)."},
	{WEIR_CONF_KEY(struct weir_records_conf, rules), .type = WEIR_CONF_STRING, .max = 255,
	 .doc = "The same of rules with `log` (rule)."},
	{WEIR_CONF_KEY(struct weir_records_conf, alerts), .type = WEIR_CONF_STRING, .max = 255,
	 .doc = "The same of what inspection finds (alert), as Suricata's EVE has it."},
	{WEIR_CONF_KEY(struct weir_records_conf, ipfix), .type = WEIR_CONF_RECORD,
	 .sub = &ipfix_schema, .doc = "All of them to an IPFIX collector."},
	{WEIR_CONF_KEY(struct weir_records_conf, capture), .type = WEIR_CONF_RECORD,
	 .sub = &capture_schema, .doc = "Packets, to a file."},
	{WEIR_CONF_KEY(struct weir_records_conf, ring), .type = WEIR_CONF_UINT, .min = 2,
	 .max = WEIR_RECORDS_MAX, .def = "8192",
	 .doc = "Records of a worker that wait to be written, 384 bytes each; what is more is lost, "
		"and counted."},
	{WEIR_CONF_KEY(struct weir_records_conf, rule_log_rate), .type = WEIR_CONF_RATE, .min = 1,
	 .max = 10000000, .def = "1000/s", .doc = "Records of rules that a worker writes."},
	{WEIR_CONF_KEY(struct weir_records_conf, updates), .type = WEIR_CONF_DURATION,
	 .max = 86400000000000, .def = "60s",
	 .doc = "How often a flow that goes on is told of; 0s: only its start and its end."},
};

const struct weir_conf_schema weir_records_schema = {
	.name = "records",
	.doc = "Where it is recorded what the program does. Files are appended to, made with mode "
	       "0640, and opened anew by SIGUSR1. Changes need a restart.",
	WEIR_CONF_STRUCT(struct weir_records_conf, records_keys),
	WEIR_CONF_HAS_AT(struct weir_records_conf),
};

/* A file that is to be written, and the line that names it. */
struct named_file {
	const char *key, *path;
	uint32_t line;
};

#define FILES_MAX 4

/* How many there are. */
static unsigned files_of(const struct weir_records_conf *c, struct named_file out[FILES_MAX])
{
	const struct named_file all[FILES_MAX] = {
		{"flows", c->flows, c->at.line},
		{"rules", c->rules, c->at.line},
		{"alerts", c->alerts, c->at.line},
		{"capture.file", c->capture.file, c->capture.at.line},
	};
	unsigned n = 0;

	for (unsigned i = 0; i < FILES_MAX; i++)
		if (app_record_given(all[i].path))
			out[n++] = all[i];
	return n;
}

/* Two writers of one file would tear each other's lines, and SIGUSR1 would open it twice. */
static int check_files(const struct weir_records_conf *c, const char *file, struct weir_why *why)
{
	struct named_file f[FILES_MAX];
	const unsigned n = files_of(c, f);

	for (unsigned i = 0; i < n; i++) {
		if (f[i].path[0] != '/')
			return weir_conf_fail(why, file, f[i].line,
					      "records.%s is %s, must be an absolute path",
					      f[i].key, f[i].path);
		for (unsigned k = 0; k < i; k++)
			if (strcmp(f[i].path, f[k].path) == 0)
				return weir_conf_fail(why, file, c->at.line,
						      "records.%s and records.%s are both %s",
						      f[k].key, f[i].key, f[i].path);
	}
	return 0;
}

int app_record_check(const struct weir_records_conf *c, const char *file, struct weir_why *why)
{
	const struct weir_capture_conf capture = app_record_capture(c);
	struct sockaddr_storage addr;
	struct weir_why what;
	unsigned len;
	int rc = check_files(c, file, why);

	if (rc == 0 && app_address(c->ipfix.to, &addr, &len, &what) < 0)
		rc = weir_conf_fail(why, file, c->ipfix.at.line, "records.ipfix.to: %s", what.text);
	if (rc == 0 && app_record_captures(c) &&
	    weir_capture_size(&capture) > WEIR_CAPTURE_BYTES_MAX)
		rc = weir_conf_fail(why, file, c->capture.at.line,
				    "records.capture: ring times snaplen is more than 1 GiB");
	return rc;
}

/* As record_file_open() would; of a file that is not there yet its folder is asked. */
static int probe(const char *path)
{
	const int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char folder[256];

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno != ENOENT)
		return -errno;
	snprintf(folder, sizeof(folder), "%s", path);
	strrchr(folder, '/')[1] = '\0'; /* app_record_check() saw that there is one */
	return access(folder, W_OK | X_OK) < 0 ? -errno : 0;
}

int app_record_probe(const struct weir_records_conf *c, const char *file, struct weir_why *why)
{
	struct named_file f[FILES_MAX];
	const unsigned n = files_of(c, f);

	for (unsigned i = 0; i < n; i++) {
		const int rc = probe(f[i].path);

		if (rc < 0)
			return weir_conf_fail(why, file, f[i].line, "records.%s: %s: %s", f[i].key,
					      f[i].path, strerror(-rc));
	}
	return 0;
}

const char *app_record_differs(const struct weir_records_conf *a, const struct weir_records_conf *b)
{
	const struct weir_records_ipfix_conf *ia = &a->ipfix, *ib = &b->ipfix;
	const struct weir_records_capture_conf *ca = &a->capture, *cb = &b->capture;

	return !app_same_text(a->flows, b->flows)		? "records.flows"
	       : !app_same_text(a->rules, b->rules)		? "records.rules"
	       : !app_same_text(a->alerts, b->alerts)		? "records.alerts"
	       : a->ring != b->ring				? "records.ring"
	       : a->rule_log_rate != b->rule_log_rate		? "records.rule_log_rate"
	       : a->updates != b->updates			? "records.updates"
	       : !app_same_text(ia->to, ib->to)			? "records.ipfix.to"
	       : ia->domain != ib->domain			? "records.ipfix.domain"
	       : ia->mtu != ib->mtu				? "records.ipfix.mtu"
	       : ia->template_every != ib->template_every	? "records.ipfix.template_every"
	       : ia->template_messages != ib->template_messages ? "records.ipfix.template_messages"
	       : !app_same_text(ca->file, cb->file)		? "records.capture.file"
	       : ca->snaplen != cb->snaplen			? "records.capture.snaplen"
	       : ca->rate != cb->rate				? "records.capture.rate"
	       : ca->ring != cb->ring				? "records.capture.ring"
								: NULL;
}

bool app_record_captures(const struct weir_records_conf *c)
{
	return app_record_given(c->capture.file);
}

bool app_record_wanted(const struct weir_records_conf *c)
{
	return app_record_given(c->flows) || app_record_given(c->rules) ||
	       app_record_given(c->alerts) || app_record_given(c->ipfix.to);
}

struct weir_record_ring_conf app_record_ring(const struct weir_records_conf *c, uint16_t worker)
{
	return (struct weir_record_ring_conf){
		.worker = worker,
		.entries = (uint32_t)c->ring,
		.rate_pps = {[WEIR_RECORD_RULE] = c->rule_log_rate},
	};
}

struct weir_capture_conf app_record_capture(const struct weir_records_conf *c)
{
	return (struct weir_capture_conf){
		.packets = (uint32_t)c->capture.ring,
		.snap_bytes = (uint32_t)c->capture.snaplen,
		.rate_pps = c->capture.rate,
	};
}
