/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Commands that show counters: status, ports, stages, drops, pool. Names say the unit; counts are
 * since start, so that whoever asks twice knows the rate.
 */

#include "app_priv.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_mempool.h>
#include <string.h>
#include <unistd.h>
#include <weir/drop.h>
#include <weir/version.h>

#include "app_show_priv.h"

/* Numbers as JSON has them: 63 bits are enough for centuries of packets. */
static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* The end of a command: what json_pack() could not make is NULL. */
static int answer(json_t *data, json_t **reply)
{
	*reply = data;
	return data == NULL ? -ENOMEM : 0;
}

/* ---- status ---- */

static json_t *worker_json(const struct weir_run *run, uint16_t w)
{
	const uint64_t *cores = app_conf(run)->runtime.workers.items;
	json_t *rests = json_object();
	struct weir_engine_stats st;

	weir_engine_stats(weir_system_engine(run->system, w), &st);
	for (unsigned r = 0; r < WEIR_RESTS; r++)
		json_object_set_new(rests, app_rest_name(r), count(st.rests[r]));
	return json_pack("{s:i, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "worker", (int)w,
			 "core", count(cores[w]), "busy_ratio", run->load[w].busy, "passes",
			 count(st.passes), "busy_passes", count(st.busy_passes), "pkts",
			 count(st.pkts), "busy_cycles", count(st.busy_cycles), "idle_cycles",
			 count(st.idle_cycles), "slept_ns", count(st.slept_ns), "rests", rests);
}

static json_t *workers_json(const struct weir_run *run)
{
	json_t *list = json_array();

	for (uint16_t w = 0; w < weir_system_workers(run->system); w++)
		json_array_append_new(list, worker_json(run, w));
	return list;
}

/* What the driver's counters say of how the port runs, as words; 0 and 1 among them are truths. */
static void add_mode(void *ctx, const char *name, uint64_t value)
{
	static const struct {
		const char *counter, *key, *words[2];
	} modes[] = {
		{"mode_native", "attached", {"generic", "native"}},
		{"zero_copy", "data", {"copy", "zero copy"}},
		{"scatter", "frames", {"one buffer", "scatter"}},
		{"metadata", "metadata", {"no metadata", "metadata"}},
		{"busy_poll", "polling", {"no busy polling", "busy polling"}},
	};

	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(name, modes[i].counter) == 0)
			json_object_set_new(ctx, modes[i].key,
					    json_string(modes[i].words[value != 0]));
}

static json_t *modes_json(struct weir_port *p)
{
	json_t *modes = json_object();

	if (p->ops->each_xstat != NULL)
		p->ops->each_xstat(p, add_mode, modes);
	return modes;
}

static json_t *links_json(const struct weir_run *run)
{
	json_t *list = json_array();

	for (uint16_t p = 0; p < weir_system_ports(run->system); p++) {
		struct weir_port *port = weir_system_port(run->system, p);

		json_array_append_new(list, json_pack("{s:s, s:b, s:s, s:o}", "name", port->name,
						      "up", port->ops->link_up(port), "driver",
						      port->driver, "modes", modes_json(port)));
	}
	return list;
}

static int cmd_status(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		      struct weir_why *why)
{
	static const char *const modes[] = {"busy", "adaptive", "interrupt"};
	struct weir_run *run = ctx;
	const struct weir_gen *gen = weir_gens_current(weir_system_gens(run->system));
	char text[256];
	bool is_ready;
	int rc = app_args(request, why, "{}");

	if (rc < 0)
		return rc;
	is_ready = app_ready(run, text, sizeof(text));
	text[strcspn(text, "\n")] = '\0';
	return answer(
		json_pack("{s:s, s:s, s:i, s:o, s:s?, s:b, s:s, s:b, s:o, s:o, s:o, s:s, s:o, "
			  "s:o, s:o}",
			  "name", run->app->name, "version", weir_version(), "pid", (int)getpid(),
			  "uptime_ns", count(weir_run_now_ns(run)), "config", run->conf_path,
			  "ready", is_ready, "ready_text", text, "draining", run->draining,
			  "generation", count(gen == NULL ? 0 : gen->number), "reloads",
			  count(run->reloads), "reloads_refused", count(run->reloads_refused),
			  "poll", modes[app_conf(run)->runtime.poll], "tsc_hz",
			  count(rte_get_tsc_hz()), "workers", workers_json(run), "ports",
			  links_json(run)),
		reply);
}

/* ---- ports ---- */

static json_t *caps_json(uint32_t caps)
{
	json_t *list = json_array();
	const char *name;

	for (unsigned bit = 0; (name = app_cap_name(bit)) != NULL; bit++)
		if ((caps >> bit) & 1)
			json_array_append_new(list, json_string(name));
	return list;
}

static json_t *rx_workers_json(const struct weir_run *run, const struct weir_port *p)
{
	json_t *list = json_array();

	for (uint16_t q = 0; q < p->rxqs; q++)
		json_array_append_new(list, count(weir_system_rx_worker(run->system, p->id, q)));
	return list;
}

static json_t *counters_json(struct weir_port *p)
{
	struct weir_port_stats st = {0};

	if (p->ops->stats(p, &st) < 0)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rx_pkts", count(st.rx_pkts),
			 "rx_bytes", count(st.rx_bytes), "rx_missed", count(st.rx_missed),
			 "rx_errors", count(st.rx_errors), "rx_no_mbuf", count(st.rx_no_mbuf),
			 "tx_pkts", count(st.tx_pkts), "tx_bytes", count(st.tx_bytes), "tx_errors",
			 count(st.tx_errors));
}

static void add_xstat(void *ctx, const char *name, uint64_t value)
{
	json_object_set_new(ctx, name, count(value));
}

static json_t *port_json(const struct weir_run *run, struct weir_port *p, bool xstats)
{
	const struct rte_ether_addr *a = &p->mac;
	json_t *port, *device;
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", a->addr_bytes[0],
		 a->addr_bytes[1], a->addr_bytes[2], a->addr_bytes[3], a->addr_bytes[4],
		 a->addr_bytes[5]);
	port = json_pack("{s:s, s:i, s:s, s:o, s:s, s:i, s:i, s:b, s:o, s:i, s:i, s:o, s:o}",
			 "name", p->name, "id", (int)p->id, "driver", p->driver, "modes",
			 modes_json(p), "mac", mac, "mtu", (int)p->mtu, "numa", p->numa, "up",
			 p->ops->link_up(p), "caps", caps_json(p->caps), "rx_queues", (int)p->rxqs,
			 "tx_queues", (int)p->txqs, "rx_workers", rx_workers_json(run, p),
			 "counters", counters_json(p));
	if (port == NULL || !xstats)
		return port;
	device = json_object();
	if (p->ops->each_xstat != NULL)
		p->ops->each_xstat(p, add_xstat, device);
	json_object_set_new(port, "xstats", device);
	return port;
}

static int cmd_ports(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		     struct weir_why *why)
{
	const struct weir_run *run = ctx;
	const char *name = NULL;
	int xstats = 0;
	json_t *list;
	int rc = app_args(request, why, "{s?s, s?b}", "name", &name, "xstats", &xstats);

	if (rc < 0)
		return rc;
	list = json_array();
	for (uint16_t i = 0; i < weir_system_ports(run->system); i++) {
		struct weir_port *p = weir_system_port(run->system, i);

		if (name == NULL || strcmp(name, p->name) == 0)
			json_array_append_new(list, port_json(run, p, xstats));
	}
	if (name != NULL && json_array_size(list) == 0) {
		json_decref(list);
		return weir_why(why, -ENOENT, "no port is called %s", name);
	}
	return answer(list, reply);
}

/* ---- stages and drops ---- */

static void add_stats(struct weir_stage_stats *sum, const struct weir_stage_stats *s)
{
	sum->bursts += s->bursts;
	sum->pkts += s->pkts;
	sum->timed_pkts += s->timed_pkts;
	sum->timed_cycles += s->timed_cycles;
	for (unsigned v = 0; v < WEIR_VERDICTS; v++)
		sum->verdicts[v] += s->verdicts[v];
}

/* A stage's counters; of the verdicts only those that it can say. */
static json_t *stats_json(const struct weir_node_ops *node, const struct weir_stage_stats *s)
{
	json_t *verdicts = json_object();

	for (unsigned v = 0; v < WEIR_VERDICTS; v++)
		if (node->may & WEIR_MAY(v))
			json_object_set_new(verdicts, app_verdict_name(v), count(s->verdicts[v]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "pkts", count(s->pkts), "bursts",
			 count(s->bursts), "timed_pkts", count(s->timed_pkts), "timed_cycles",
			 count(s->timed_cycles), "verdicts", verdicts);
}

static json_t *stage_json(const struct weir_run *run, unsigned at)
{
	const struct weir_node_ops *node = weir_graph_node(app_graph(run), at);
	struct weir_stage_stats sum = {0};
	json_t *workers = json_array(), *stage;
	char name[APP_STAGE_TEXT];

	for (uint16_t w = 0; w < weir_system_workers(run->system); w++) {
		struct weir_stage_stats st;

		weir_graph_stats(weir_engine_graph(weir_system_engine(run->system, w)), at, &st);
		json_array_append_new(workers, stats_json(node, &st));
		add_stats(&sum, &st);
	}
	stage = stats_json(node, &sum);
	json_object_set_new(stage, "stage", json_string(app_stage_name(node, name)));
	json_object_set_new(stage, "workers", workers);
	return stage;
}

static json_t *drops_json(const struct weir_run *run)
{
	json_t *list = json_array();

	for (unsigned d = 1; d < WEIR_DROPS; d++) {
		const struct weir_drop_text *t = weir_drop_text((enum weir_drop)d);
		json_t *workers = json_array();
		uint64_t sum = 0;

		for (uint16_t w = 0; w < weir_system_workers(run->system); w++) {
			const uint64_t n = app_drops(run, w, d);

			sum += n;
			json_array_append_new(workers, count(n));
		}
		json_array_append_new(list,
				      json_pack("{s:s, s:o, s:o, s:s, s:s}", "reason", t->label,
						"pkts", count(sum), "workers", workers, "meaning",
						t->meaning, "remedy", t->remedy));
	}
	return list;
}

static int cmd_stages(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		      struct weir_why *why)
{
	const struct weir_run *run = ctx;
	const struct weir_graph *g = app_graph(run);
	json_t *stages;
	int rc = app_args(request, why, "{}");

	if (rc < 0)
		return rc;
	if (g == NULL)
		return weir_why(why, -ENOTSUP, "%s has no pipeline, so no stages", run->app->name);
	stages = json_array();
	for (unsigned at = 0; at < weir_graph_stages(g); at++)
		json_array_append_new(stages, stage_json(run, at));
	return answer(json_pack("{s:o, s:o, s:o}", "now_ns", count(weir_run_now_ns(run)), "stages",
				stages, "drops", drops_json(run)),
		      reply);
}

static int cmd_drops(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		     struct weir_why *why)
{
	const int rc = app_args(request, why, "{}");

	return rc < 0 ? rc : answer(drops_json(ctx), reply);
}

/* ---- memory ---- */

static int cmd_pool(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		    struct weir_why *why)
{
	const struct weir_run *run = ctx;
	const int rc = app_args(request, why, "{}");
	json_t *list = json_array();

	for (uint16_t i = 0; rc == 0 && i < weir_system_pools(run->system); i++) {
		struct rte_mempool *pool = weir_system_pool(run->system, i);

		json_array_append_new(list, json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "name",
						      pool->name, "numa", pool->socket_id, "mbufs",
						      count(pool->size), "used",
						      count(rte_mempool_in_use_count(pool)), "free",
						      count(rte_mempool_avail_count(pool)), "cache",
						      count(pool->cache_size), "data_bytes",
						      count(rte_pktmbuf_data_room_size(pool))));
	}
	if (rc < 0) {
		json_decref(list);
		return rc;
	}
	return answer(list, reply);
}

int app_show_register(struct weir_run *run)
{
	static const struct {
		const char *name;
		const char *help;
		weir_ctl_handler *handler;
	} commands[] = {
		{"status", "the program, its workers and whether its ports are up", cmd_status},
		{"ports", "each port's device, queues and counters; name, xstats", cmd_ports},
		{"stages", "packets, bursts, verdicts and cycles of each stage", cmd_stages},
		{"drops", "dropped packets by reason, and what to do about it", cmd_drops},
		{"pool", "packet buffers in use", cmd_pool},
	};
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
		rc = weir_ctl_register(run->ctl, commands[i].name, commands[i].help,
				       commands[i].handler, run, 0);
	return rc;
}
