/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * weirctl trace and pcap on the control thread: one watch at a time. A client starts it, fetches
 * records with watch-next, and ends it with watch-stop; a client that stays away ends it too.
 */

#include "app_trace_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <weir/drop.h>

#include "app_priv.h"
#include "app_show_priv.h"

/* A client that did not fetch for so long is gone. */
#define GONE_NS (UINT64_C(5) * WEIR_NS_PER_S)
/* All packets of a trace are chosen, and nothing was heard of them for so long: it is done. */
#define QUIET_NS (WEIR_NS_PER_S / 2)
/* Records, and bytes of packets, in one answer. */
#define ANSWER_RECORDS 2000
#define ANSWER_BYTES   (1u << 20)

struct app_trace {
	struct weir_run *run;
	struct watch_conf conf;
	uint16_t workers;
	struct watch *watch[WEIR_WORKERS_MAX]; /* NULL: nobody watches */
	json_int_t id;			       /* of the watch, or of the last one */
	pid_t pid;
	uint32_t packets; /* told of so far */
	uint32_t *number; /* of a followed packet: by worker, then by its serial there */
	uint64_t fetched_ns, heard_ns; /* last watch-next; last record */
	uint64_t end_ns;	       /* 0: no limit of time */
};

/* ---- life of a watch ---- */

static bool is_on(const struct app_trace *t)
{
	return t->watch[0] != NULL;
}

static void forget(struct app_trace *t)
{
	for (uint16_t w = 0; w < t->workers; w++) {
		watch_free(t->watch[w]);
		t->watch[w] = NULL;
	}
	free(t->number);
	t->number = NULL;
}

/* Take the hooks away, wait until no worker is inside, free. */
static void stop(struct app_trace *t)
{
	if (is_on(t))
		weir_system_watch(t->run->system, NULL);
	forget(t);
}

static int start(struct app_trace *t)
{
	int rc = 0;

	t->workers = weir_system_workers(t->run->system);
	t->packets = 0;
	if (t->conf.kind == WATCH_TRACE) {
		t->number = calloc(t->workers * (t->conf.count + 1), sizeof(*t->number));
		rc = t->number == NULL ? -ENOMEM : 0;
	}
	for (uint16_t w = 0; rc == 0 && w < t->workers; w++)
		rc = watch_create(&t->conf, &t->watch[w]);
	if (rc < 0) {
		forget(t);
		return rc;
	}
	for (uint16_t w = 0; w < t->workers; w++)
		weir_engine_watch(weir_system_engine(t->run->system, w), watch_hook(t->watch[w]));
	return 0;
}

static void tick(void *ctx)
{
	struct app_trace *t = ctx;

	if (is_on(t) && weir_run_now_ns(t->run) - t->fetched_ns > GONE_NS) {
		weir_log_info("trace", "process %d went away: its watch ends", (int)t->pid);
		stop(t);
	}
}

/* ---- records ---- */

/* The packet's number among all; 0: one more than was asked for. */
static uint32_t number_of(struct app_trace *t, uint16_t worker, uint32_t serial)
{
	uint32_t fresh = 0;
	uint32_t *n = t->conf.kind == WATCH_TRACE
			      ? &t->number[worker * (t->conf.count + 1) + serial]
			      : &fresh;

	if (*n == 0 && t->packets < t->conf.count)
		*n = ++t->packets;
	return *n;
}

/* Where it goes, as far as it is decided. */
static const char *out_name(const struct weir_run *run, const struct watch_record *r)
{
	const struct weir_gen *gen = weir_gens_current(weir_system_gens(run->system));
	const uint16_t iface = r->meta.iface_out, port = r->meta.port_out;

	if (!r->known)
		return NULL;
	if (r->verdict == WEIR_TX && port < weir_system_ports(run->system))
		return weir_system_port(run->system, port)->name;
	if (r->verdict == WEIR_OUT && gen != NULL && gen->l3 != NULL && iface < gen->l3->n_ifaces)
		return gen->l3->ifaces[iface].name;
	return NULL;
}

static json_t *hex(const struct watch_record *r)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = watch_bytes(r);
	char *text = malloc(2 * (size_t)r->captured_bytes + 1);
	json_t *j;

	if (text == NULL)
		return NULL;
	for (uint32_t i = 0; i < r->captured_bytes; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	j = json_stringn_nocheck(text, 2 * (size_t)r->captured_bytes);
	free(text);
	return j;
}

static json_t *record_json(const struct app_trace *t, const struct watch_record *r, uint16_t worker,
			   uint32_t packet, uint64_t epoch_ns)
{
	const bool dropped = r->known && (r->verdict == WEIR_DROP || r->verdict == WEIR_REJECT);
	const struct weir_port *in = r->known ? weir_system_port(t->run->system, r->meta.port_in)
					      : NULL;
	char stage[APP_STAGE_TEXT], text[APP_PACKET_TEXT];
	json_t *j = json_pack("{s:I, s:I, s:i, s:s, s:s, s:s*, s:s*, s:s*, s:s}", "packet",
			      (json_int_t)packet, "time_ns", (json_int_t)(epoch_ns + r->now_ns),
			      "worker", (int)worker, "stage",
			      app_stage_name(weir_graph_node(app_graph(t->run), r->stage), stage),
			      "verdict", app_verdict_name(r->verdict), "drop",
			      dropped ? weir_drop_text((enum weir_drop)r->meta.drop)->label : NULL,
			      "in", in == NULL ? NULL : in->name, "out", out_name(t->run, r),
			      "text", app_packet_text(r, text));

	if (r->known && r->meta.hop != WEIR_NO_HOP && r->verdict == WEIR_OUT)
		json_object_set_new(j, "hop", json_integer(r->meta.hop));
	if (r->known)
		json_object_set_new(j, "wire_bytes", json_integer(r->wire_bytes));
	if (t->conf.kind != WATCH_TRACE)
		json_object_set_new(j, "data", hex(r));
	return j;
}

/* Move one worker's records into the answer; what is too much for it stays. */
static void take(struct app_trace *t, uint16_t worker, json_t *list, size_t *bytes,
		 uint64_t epoch_ns)
{
	const struct watch_record *r;

	while (json_array_size(list) < ANSWER_RECORDS && *bytes < ANSWER_BYTES &&
	       (r = watch_peek(t->watch[worker])) != NULL) {
		const uint32_t packet = number_of(t, worker, r->serial);

		if (packet != 0) {
			json_array_append_new(list, record_json(t, r, worker, packet, epoch_ns));
			*bytes += r->captured_bytes;
			t->heard_ns = weir_run_now_ns(t->run);
		}
		watch_pop(t->watch[worker]);
	}
}

/* Nanoseconds from 1970 to the start of the passes' clock. */
static uint64_t epoch(const struct weir_run *run)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * WEIR_NS_PER_S + (uint64_t)ts.tv_nsec - weir_run_now_ns(run);
}

static bool is_done(const struct app_trace *t, size_t records, uint64_t lost, uint64_t now_ns)
{
	if (records > 0)
		return false;
	if (t->end_ns != 0 && now_ns >= t->end_ns)
		return true;
	if (t->conf.kind != WATCH_TRACE)
		return t->packets == t->conf.count;
	return t->packets + lost >= t->conf.count && now_ns - t->heard_ns > QUIET_NS;
}

/* ---- commands ---- */

static int cmd_start(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		     struct weir_why *why)
{
	struct app_trace *t = ctx;
	const uint64_t now_ns = weir_run_now_ns(t->run);
	unsigned seconds;
	int rc;

	if (is_on(t))
		return weir_why(why, -EBUSY,
				"process %d watches already, and only one can; it ends with its "
				"client",
				(int)t->pid);
	rc = app_watch_conf(t->run, request, &t->conf, &seconds, why);
	if (rc == 0)
		rc = start(t);
	if (rc < 0)
		return rc;
	t->id++;
	t->pid = request->peer.pid;
	t->fetched_ns = t->heard_ns = now_ns;
	t->end_ns = seconds == 0 ? 0 : now_ns + seconds * WEIR_NS_PER_S;
	*reply = json_pack("{s:I}", "id", t->id);
	return *reply == NULL ? -ENOMEM : 0;
}

/* The watch that a request names. */
static int find(const struct app_trace *t, const struct weir_ctl_request *request,
		struct weir_why *why)
{
	json_int_t id;
	const int rc = app_args(request, why, "{s:I}", "id", &id);

	if (rc < 0)
		return rc;
	if (!is_on(t) || id != t->id)
		return weir_why(why, -ENOENT, "that watch has ended");
	return 0;
}

static int cmd_next(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		    struct weir_why *why)
{
	struct app_trace *t = ctx;
	const uint64_t epoch_ns = epoch(t->run);
	uint64_t lost = 0;
	size_t bytes = 0;
	json_t *list;
	int rc = find(t, request, why);

	if (rc < 0)
		return rc;
	t->fetched_ns = weir_run_now_ns(t->run);
	list = json_array();
	for (uint16_t w = 0; w < t->workers; w++) {
		take(t, w, list, &bytes, epoch_ns);
		lost += watch_lost(t->watch[w]);
	}
	*reply = json_pack("{s:b, s:I, s:o}", "done",
			   is_done(t, json_array_size(list), lost, t->fetched_ns), "lost",
			   (json_int_t)lost, "records", list);
	return *reply == NULL ? -ENOMEM : 0;
}

static int cmd_stop(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		    struct weir_why *why)
{
	struct app_trace *t = ctx;
	const int rc = find(t, request, why);

	if (rc == 0)
		stop(t);
	return rc;
}

int app_trace_create(struct weir_run *run)
{
	struct app_trace *t;
	int rc;

	if (run->ctl == NULL)
		return 0;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->run = run;
	run->trace = t;
	rc = weir_ctl_register(run->ctl, "trace",
			       "follow packets: port, src, dst, host, proto, sport, dport, count, "
			       "seconds; gives an id for watch-next",
			       cmd_start, t, WEIR_CTL_CHANGES_STATE);
	if (rc == 0)
		rc = weir_ctl_register(run->ctl, "pcap",
				       "capture at stage, drop, or port and direction; filter as "
				       "trace, and snaplen",
				       cmd_start, t, WEIR_CTL_CHANGES_STATE);
	if (rc == 0)
		rc = weir_ctl_register(run->ctl, "watch-next",
				       "what the trace or capture with this id saw since", cmd_next,
				       t, 0);
	if (rc == 0)
		rc = weir_ctl_register(run->ctl, "watch-stop", "end the trace or capture", cmd_stop,
				       t, 0);
	if (rc == 0)
		rc = app_loop_add(run->loop, -1, tick, t);
	return rc;
}

void app_trace_free(struct app_trace *t)
{
	if (t == NULL)
		return;
	stop(t);
	free(t);
}
