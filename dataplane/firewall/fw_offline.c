/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * --offline: the policy over captures. Ports are memory, small pages will do, the only worker is
 * driven from here, and what time it is the capture says; so it needs no interface, no root and no
 * hugepages, and a week of traffic takes seconds.
 */

#include "fw_offline_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <rte_ether.h>
#include <stdlib.h>
#include <string.h>
#include <weir/drop.h>
#include <weir/error.h>
#include <weir/nodes.h>
#include <weir/pcapng.h>
#include <weir/shard.h>
#include <weir/tracker.h>

#include "fw_app_priv.h"
#include "fw_priv.h"

/* Where the passes' clock begins: zero would be no time at all. */
#define BEGIN_NS WEIR_NS_PER_S
/* Longest frame: an IP packet of 64 KiB behind Ethernet and two tags. */
#define FRAME_BYTES_MAX (UINT16_MAX + 22)
/* Passes for one packet at most: it may go round twice. */
#define PASSES_MAX 8
/* A gap in the capture is gone through in so many steps at most (as a shift). */
#define GAP_STEPS_SHIFT 16
#define PORT_DEPTH	256

struct offline {
	struct weir_run *run;
	struct app_past past;
	struct offline_files files;
	struct offline_watch watch;
	struct offline_print print;
	const struct weir_node_ops *path[WEIR_STAGES + 1];
	struct weir_system_port ports[WEIR_PORTS_MAX];
	struct weir_engine *engine;
	struct rte_mempool *pool;
	uint64_t packets;
};

/* ---- a packet ---- */

/* A pass at the time that it is. */
static void go_round(struct offline *o)
{
	struct rte_mbuf *sent[PORT_DEPTH];
	uint16_t n;

	weir_engine_once(o->engine, o->past.now_ns);
	for (uint16_t p = 0; p < weir_system_ports(o->run->system); p++) {
		n = weir_port_mem_sent(weir_system_port(o->run->system, p), 0, sent, PORT_DEPTH);
		rte_pktmbuf_free_bulk(sent, n);
	}
	fw_records_drain(o->run->fw);
}

/* Let time go by: timers fire when they are due, or a bit later if the gap is long. */
static void wait_until(struct offline *o, uint64_t at_ns)
{
	const uint64_t least_ns =
		at_ns > o->past.now_ns ? (at_ns - o->past.now_ns) >> GAP_STEPS_SHIFT : 0;
	uint64_t due_ns;

	while ((due_ns = weir_engine_due_ns(o->engine)) <= at_ns) {
		const uint64_t next_ns = RTE_MAX(due_ns, o->past.now_ns + least_ns);

		o->past.now_ns = RTE_MIN(next_ns, at_ns);
		go_round(o);
	}
	o->past.now_ns = RTE_MAX(at_ns, o->past.now_ns);
}

/* A frame as it was on the wire: what the snaplen has cut off is zeros. NULL: no buffer. */
static struct rte_mbuf *make_frame(struct offline *o, const struct offline_packet *k)
{
	struct rte_mbuf *head = NULL;
	uint32_t at = 0;

	do {
		struct rte_mbuf *m = rte_pktmbuf_alloc(o->pool);
		const uint32_t left = k->wire_bytes - at;
		uint32_t there, bytes;
		uint8_t *to;

		if (m == NULL || (head != NULL && rte_pktmbuf_chain(head, m) < 0)) {
			rte_pktmbuf_free(m);
			rte_pktmbuf_free(head);
			return NULL;
		}
		if (head == NULL)
			head = m;
		bytes = RTE_MIN(left, (uint32_t)rte_pktmbuf_tailroom(m));
		there = at < k->captured_bytes ? RTE_MIN(bytes, k->captured_bytes - at) : 0;
		to = (uint8_t *)rte_pktmbuf_append(head, (uint16_t)bytes);
		memcpy(to, k->data + at, there);
		memset(to + there, 0, bytes - there);
		at += bytes;
	} while (at < k->wire_bytes);
	if (k->captured_bytes < k->wire_bytes) /* it cannot be known */
		head->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return head;
}

/* What is not for the policy, and why; NULL: it is. */
static const char *skip_reason(const struct offline_file *f)
{
	const struct weir_pcap_packet *next = &f->next;

	if (next->flags == WEIR_PCAPNG_OUTBOUND ||
	    (f->has_mac && next->captured_bytes >= 2 * RTE_ETHER_ADDR_LEN &&
	     memcmp(next->data + RTE_ETHER_ADDR_LEN, f->mac.bytes, RTE_ETHER_ADDR_LEN) == 0))
		return "sent by the port";
	if (next->wire_bytes > FRAME_BYTES_MAX)
		return "longer than a packet can be";
	if (next->wire_bytes == 0)
		return "empty";
	return NULL;
}

static uint64_t drops(const struct offline *o, enum weir_drop why)
{
	return weir_counted(&weir_engine_shard(o->engine)->counters.drops[why]);
}

static int judge(struct offline *o, const struct offline_file *f, struct offline_packet *k,
		 struct weir_why *why)
{
	struct weir_port *port = weir_system_port(o->run->system, k->port_in);
	const struct weir_shard *s = weir_engine_shard(o->engine);
	const uint64_t bad = drops(o, WEIR_DROP_FRAG_BAD), full = drops(o, WEIR_DROP_FRAG_FULL);
	struct rte_mbuf *m = make_frame(o, k);
	struct rte_ether_hdr *eth;
	unsigned passes = 0;

	if (m == NULL || weir_port_mem_inject(port, 0, &m, 1) != 1) {
		rte_pktmbuf_free(m);
		return weir_why(why, -ENOMEM, "%s: at byte %" PRIu64 ": no buffer for the packet",
				f->path, f->next.offset);
	}
	eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	/* Whose MAC address the port had is not known: it was for us. */
	if (!f->has_mac && m->data_len >= sizeof(*eth) &&
	    !rte_is_multicast_ether_addr(&eth->dst_addr))
		eth->dst_addr = port->mac;
	s->tracker->decided = OFFLINE_NO_RULE;
	o->watch.packet = k;
	do
		go_round(o);
	while (weir_engine_due_ns(o->engine) == 0 && ++passes < PASSES_MAX);
	o->watch.packet = NULL;
	if (k->fate != OFFLINE_HELD)
		return 0;
	/* The table of fragments gives up without a word to the pipeline. */
	k->drop = drops(o, WEIR_DROP_FRAG_BAD) != bad	  ? WEIR_DROP_FRAG_BAD
		  : drops(o, WEIR_DROP_FRAG_FULL) != full ? WEIR_DROP_FRAG_FULL
							  : WEIR_DROP_NONE;
	if (k->drop != WEIR_DROP_NONE)
		k->fate = OFFLINE_DROP;
	return 0;
}

/* The next packet of a file: its time, its fate, its line. */
static int take(struct offline *o, struct offline_file *f, struct weir_why *why)
{
	const struct weir_app_port_conf *ports = app_conf(o->run)->ports.items;
	struct offline_packet k = {
		.number = ++o->packets,
		.time_ns = f->next.time_ns,
		.data = f->next.data,
		.captured_bytes = f->next.captured_bytes,
		.wire_bytes = f->next.wire_bytes,
		.skipped = skip_reason(f),
		.rule = OFFLINE_NO_RULE,
	};
	int rc = offline_file_port(f, app_conf(o->run), &k.port_in, why);

	if (rc < 0)
		return rc;
	k.kernel = ports[k.port_in].kernel != NULL;
	if (o->packets == 1) {
		o->print.begin_ns = k.time_ns;
		o->past.epoch_ns = k.time_ns - BEGIN_NS;
	}
	if (k.time_ns > o->print.begin_ns) /* it never goes back */
		wait_until(o, RTE_MAX(k.time_ns - o->past.epoch_ns, o->past.now_ns));
	if (k.skipped == NULL)
		rc = judge(o, f, &k, why);
	if (rc == 0)
		offline_print_packet(&o->print, &k);
	return rc;
}

static int run_all(struct offline *o, struct weir_why *why)
{
	struct offline_file *f;
	int rc = 0;

	while (rc == 0 && (f = offline_files_first(&o->files)) != NULL) {
		rc = take(o, f, why);
		if (rc == 0)
			rc = offline_file_step(f, why);
	}
	offline_print_summary(&o->print, o->watch.answers);
	if (fflush(o->print.to) != 0 && rc == 0)
		rc = weir_why(why, -errno, "standard output: %s", strerror(errno));
	return rc;
}

/* ---- life ---- */

/* The app's path, but for neighbours. */
static void make_path(struct offline *o)
{
	const struct weir_node_ops *const *path = fw_path(o->run->app, app_conf(o->run));

	for (unsigned i = 0; i < WEIR_STAGES && path[i] != NULL; i++)
		o->path[i] = path[i] == &weir_node_neigh_out ? &offline_neigh_out : path[i];
}

/* Memory in the place of each port, with the MAC address that a file says it has. */
static int make_ports(struct offline *o, uint16_t n, struct weir_why *why)
{
	const struct weir_app_port_conf *pc = app_conf(o->run)->ports.items;

	for (uint16_t p = 0; p < n; p++) {
		struct weir_port **port = &o->ports[p].given;
		const int rc = weir_port_mem_create(pc[p].name, p, 1, 1, PORT_DEPTH, port);

		if (rc < 0)
			return weir_why(why, rc, "port %s: %s", pc[p].name, weir_error_text(rc));
		for (unsigned i = 0; i < o->files.n; i++)
			if (o->files.file[i].port == p && o->files.file[i].has_mac)
				memcpy((*port)->mac.addr_bytes, o->files.file[i].mac.bytes,
				       RTE_ETHER_ADDR_LEN);
	}
	return 0;
}

static int begin_eal(struct offline *o, const struct weir_system_conf *sys, struct weir_why *why)
{
	struct weir_system_plan plan;
	uint64_t bytes;

	weir_system_plan(sys, &plan);
	bytes = plan.bytes + app_l3_bytes(o->run->conf) + fw_bytes(o->run->app, o->run->conf, 1);
	return fw_begin_eal(o->run, sys->cores[0], bytes, why);
}

static int make_system(struct offline *o, const struct weir_system_conf *sys, struct weir_why *why)
{
	int rc = make_ports(o, sys->n_ports, why);

	if (rc == 0)
		rc = weir_system_create(sys, &o->run->system, why);
	if (rc == 0)
		return 0;
	for (uint16_t p = 0; p < sys->n_ports; p++)
		if (o->ports[p].given != NULL)
			weir_port_close(o->ports[p].given); /* it stayed ours */
	return rc;
}

static int open_all(struct offline *o, struct weir_system_conf *sys, struct weir_why *why)
{
	struct weir_run *run = o->run;
	int rc = app_loop_create(&run->loop, why);

	if (rc == 0)
		rc = fw_create(run, run->conf, why);
	if (rc < 0)
		return rc;
	sys->tracker = fw_sizes(run->fw);
	rc = begin_eal(o, sys, why);
	if (rc < 0)
		return rc;
	run->eal = true;
	rc = make_system(o, sys, why);
	if (rc == 0)
		rc = app_l3_create(run, why);
	if (rc == 0)
		rc = fw_records_start(run->fw, why);
	if (rc < 0)
		return rc;
	o->engine = weir_system_engine(run->system, 0);
	o->pool = weir_system_pool(run->system, 0);
	offline_watch_init(&o->watch, o->engine);
	weir_engine_watch(o->engine, &o->watch.hook);
	rc = offline_print_begin(&o->print);
	return rc < 0 ? weir_why(why, rc, "out of memory") : 0;
}

static void close_all(struct offline *o)
{
	struct weir_run *run = o->run;

	fw_records_stop(run->fw);
	app_l3_stop(run->l3);
	weir_system_free(run->system);
	run->system = NULL;
	app_l3_free(run->l3);
	fw_free(run->fw);
	app_loop_free(run->loop);
	offline_print_free(&o->print);
	offline_files_close(&o->files);
	if (run->eal)
		weir_eal_done();
}

/* What of the configuration is otherwise here: one worker, a core that we may use, messages to
 * standard error. */
static int adapt(struct offline *o, const struct weir_system_conf *from, uint16_t *core,
		 struct weir_system_conf *sys, struct weir_why *why)
{
	struct weir_app_conf *conf = o->run->conf;
	struct weir_log_conf log = conf->log;
	char to[] = "stderr";

	conf->runtime.workers.n = 1; /* the tables' sizes are shared among them */
	*core = fw_own_core();
	*sys = *from;
	sys->cores = core;
	sys->workers = 1;
	sys->hugepages = WEIR_HUGEPAGES_NONE;
	sys->mbufs = 0;
	sys->ports = o->ports;
	sys->path = o->path;
	log.to = to;
	if (log.level < (int)WEIR_LOG_WARN)
		log.level = (int)WEIR_LOG_WARN;
	return app_log_apply(&log, why);
}

int fw_offline(struct weir_run *run, const struct weir_system_conf *from,
	       const struct fw_offline_ask *ask, struct weir_why *why)
{
	struct offline o = {.run = run,
			    .past = {.now_ns = BEGIN_NS},
			    .print = {.run = run, .to = stdout, .json = ask->json}};
	struct weir_system_conf sys;
	uint16_t core;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < ask->n; i++)
		rc = offline_files_add(&o.files, run->conf, ask->files[i], why);
	if (rc < 0)
		return WEIR_EXIT_REFUSED;
	run->past = &o.past;
	make_path(&o);
	rc = adapt(&o, from, &core, &sys, why);
	if (rc == 0)
		rc = offline_files_open(&o.files, why);
	if (rc == 0)
		rc = open_all(&o, &sys, why);
	if (rc == 0 && app_l3_conf(run->app, run->conf)->kernel_routes)
		weir_log_warn("offline", "kernel_routes: routes of the kernel are not known here");
	if (rc == 0)
		rc = run_all(&o, why);
	if (rc < 0 && why->text[0] == '\0')
		(void)weir_why(why, rc, "%s", weir_error_text(rc));
	close_all(&o);
	run->past = NULL;
	return rc < 0 ? WEIR_EXIT_FAILED : WEIR_EXIT_DONE;
}
