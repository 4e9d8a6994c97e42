/* SPDX-License-Identifier: BSD-3-Clause */

/* What a request for a trace or a capture asks for, and whether this program can give it. */

#include "app_trace_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <weir/drop.h>

#include "app_priv.h"
#include "app_show_priv.h"

#define COUNT_DEFAULT 10
#define TRACE_MAX     1000
#define PCAP_MAX      10000000
#define SECONDS_MAX   3600
#define SNAP_TRACE    128 /* headers, for the line of text */
#define SNAP_DEFAULT  2048
#define SNAP_MAX      9216
/* Memory of one worker's ring. */
#define RING_BYTES (UINT32_C(4) << 20)
#define SLOTS_MIN  64u
#define SLOTS_MAX  4096u

#define RING_STAGE   1
#define ORIGIN_STAGE 2
#define PARSE_STAGE  10

/* The words of a request; NULL and 0 where there was none. */
struct words {
	const char *port, *src, *dst, *host, *stage, *drop, *direction;
	json_t *proto;
	json_int_t sport, dport, count, snaplen, seconds;
};

static int read_words(const struct weir_ctl_request *rq, struct words *w, struct weir_why *why)
{
	if (strcmp(rq->cmd, "trace") == 0)
		return app_args(rq, why, "{s?s, s?s, s?s, s?s, s?o, s?I, s?I, s?I, s?I}", "port",
				&w->port, "src", &w->src, "dst", &w->dst, "host", &w->host, "proto",
				&w->proto, "sport", &w->sport, "dport", &w->dport, "count",
				&w->count, "seconds", &w->seconds);
	return app_args(rq, why,
			"{s?s, s?s, s?s, s?s, s?o, s?I, s?I, s?I, s?I, s?s, s?s, s?s, s?I}", "port",
			&w->port, "src", &w->src, "dst", &w->dst, "host", &w->host, "proto",
			&w->proto, "sport", &w->sport, "dport", &w->dport, "count", &w->count,
			"seconds", &w->seconds, "stage", &w->stage, "drop", &w->drop, "direction",
			&w->direction, "snaplen", &w->snaplen);
}

/* ---- single words ---- */

static int want_range(const char *key, json_int_t n, json_int_t lo, json_int_t hi,
		      struct weir_why *why)
{
	if (n >= lo && n <= hi)
		return 0;
	return weir_why(why, -ERANGE,
			"%s is %" JSON_INTEGER_FORMAT ", must be %" JSON_INTEGER_FORMAT
			" to %" JSON_INTEGER_FORMAT,
			key, n, lo, hi);
}

/* An address or a prefix. */
static int want_prefix(const char *key, const char *text, struct watch_prefix *out,
		       struct weir_why *why)
{
	struct weir_prefix p;

	if (text == NULL)
		return 0;
	if (weir_addr_parse(text, strlen(text), &p.addr) == 0)
		p.length = p.addr.family == 4 ? 32 : 128;
	else if (weir_prefix_parse(text, strlen(text), &p) < 0)
		return weir_why(why, -EINVAL, "%s is %s, must be an IP address or a prefix", key,
				text);
	*out = watch_prefix(&p);
	return 0;
}

/* By name or by number. */
static int want_proto(const json_t *proto, uint8_t *out, struct weir_why *why)
{
	static const struct {
		const char *name;
		uint8_t number;
	} known[] = {{"tcp", IPPROTO_TCP},   {"udp", IPPROTO_UDP},
		     {"icmp", IPPROTO_ICMP}, {"icmp6", IPPROTO_ICMPV6},
		     {"gre", IPPROTO_GRE},   {"esp", IPPROTO_ESP},
		     {"ospf", 89},	     {"sctp", IPPROTO_SCTP}};
	const char *name = json_string_value(proto);
	json_int_t n = json_integer_value(proto);

	if (proto == NULL)
		return 0;
	for (unsigned i = 0; name != NULL && i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i].name) == 0)
			n = known[i].number;
	/* A command line has only words. */
	if (n == 0 && name != NULL && strspn(name, "0123456789") == strlen(name) &&
	    strlen(name) <= 3)
		for (; *name != '\0'; name++)
			n = 10 * n + (*name - '0');
	if (n < 1 || n > UINT8_MAX)
		return weir_why(why, -EINVAL,
				"proto must be tcp, udp, icmp, icmp6, gre, esp, ospf, sctp or 1 "
				"to 255");
	*out = (uint8_t)n;
	return 0;
}

static int want_port(const struct weir_run *run, const char *name, uint16_t *out,
		     struct weir_why *why)
{
	if (name == NULL)
		return 0;
	for (uint16_t p = 0; p < weir_system_ports(run->system); p++) {
		if (strcmp(weir_system_port(run->system, p)->name, name) == 0) {
			*out = p;
			return 0;
		}
	}
	return weir_why(why, -ENOENT, "no port is called %s", name);
}

/* The index of the stage with this number, or -1. */
static int stage_at(const struct weir_graph *g, unsigned number)
{
	for (unsigned i = 0; i < weir_graph_stages(g); i++)
		if (weir_graph_node(g, i)->stage == number)
			return (int)i;
	return -1;
}

/* By "60_route" or "route". */
static int want_stage(const struct weir_graph *g, const char *name, uint8_t *out,
		      struct weir_why *why)
{
	char full[APP_STAGE_TEXT];

	for (unsigned i = 0; i < weir_graph_stages(g); i++) {
		const struct weir_node_ops *node = weir_graph_node(g, i);

		if (strcmp(name, node->name) == 0 ||
		    strcmp(name, app_stage_name(node, full)) == 0) {
			*out = (uint8_t)i;
			return 0;
		}
	}
	return weir_why(why, -ENOENT, "no stage is called %s; weirctl stages lists them", name);
}

/* ---- together ---- */

static int read_filter(const struct weir_run *run, const struct words *w, struct watch_filter *f,
		       struct weir_why *why)
{
	int rc = want_port(run, w->port, &f->port, why);

	if (rc == 0)
		rc = want_prefix("src", w->src, &f->src, why);
	if (rc == 0)
		rc = want_prefix("dst", w->dst, &f->dst, why);
	if (rc == 0)
		rc = want_prefix("host", w->host, &f->host, why);
	if (rc == 0)
		rc = want_proto(w->proto, &f->proto, why);
	if (rc == 0)
		rc = want_range("sport", w->sport, 0, UINT16_MAX, why);
	if (rc == 0)
		rc = want_range("dport", w->dport, 0, UINT16_MAX, why);
	f->sport_be = htons((uint16_t)w->sport);
	f->dport_be = htons((uint16_t)w->dport);
	return rc;
}

static bool looks_inside(const struct watch_filter *f)
{
	return f->src.family != 0 || f->dst.family != 0 || f->host.family != 0 || f->proto != 0 ||
	       f->sport_be != 0 || f->dport_be != 0;
}

/* The stage behind which all that came in was seen; behind 10_parse if the filter looks inside. */
static uint8_t entry(const struct weir_graph *g, bool inside)
{
	const int parse = stage_at(g, PARSE_STAGE);
	const int ring = stage_at(g, RING_STAGE);

	if (inside && parse >= 0)
		return (uint8_t)parse;
	return ring >= 0 ? (uint8_t)ring : 0;
}

/* Of pcap: where. */
static int read_place(const struct weir_graph *g, const struct words *w, struct watch_conf *c,
		      struct weir_why *why)
{
	const bool tx = w->direction != NULL && strcmp(w->direction, "tx") == 0;
	const int drop = w->drop == NULL ? 0 : weir_drop_by_label(w->drop);
	const bool inside = looks_inside(&c->filter);

	if (w->stage != NULL && w->drop != NULL)
		return weir_why(why, -EINVAL, "pcap: stage or drop, not both");
	if (w->stage == NULL && w->drop == NULL && w->port == NULL)
		return weir_why(why, -EINVAL,
				"pcap: where? stage (60_route), drop (ttl) or port (wan)");
	if (w->direction != NULL &&
	    ((!tx && strcmp(w->direction, "rx") != 0) || w->stage != NULL || w->drop != NULL))
		return weir_why(why, -EINVAL, "pcap: direction is rx or tx, and goes with port");
	if (drop < 0)
		return weir_why(why, -ENOENT,
				"no reason is called %s; weirctl drops --all lists them", w->drop);
	c->drop = (uint16_t)drop;
	if (w->stage != NULL) {
		const int rc = want_stage(g, w->stage, &c->at, why);

		if (rc == 0 && inside && weir_graph_node(g, c->at)->stage < PARSE_STAGE)
			return weir_why(why, -EINVAL,
					"pcap: addresses are known behind 10_parse; choose a later "
					"stage than %s",
					w->stage);
		c->kind = WATCH_STAGE;
		return rc;
	}
	c->kind = w->drop != NULL ? WATCH_DROP : tx ? WATCH_TX : WATCH_RX;
	if (c->kind == WATCH_TX) {
		c->port_out = c->filter.port;
		c->filter.port = WEIR_NO_PORT;
		c->at = (uint8_t)(1 + stage_at(g, RING_STAGE));
	} else {
		c->at = entry(g, inside);
	}
	return 0;
}

static uint32_t ring_slots(uint32_t snap_bytes)
{
	uint32_t slots = SLOTS_MAX;

	while (slots > SLOTS_MIN && slots * (snap_bytes + sizeof(struct watch_record)) > RING_BYTES)
		slots /= 2;
	return slots;
}

int app_watch_conf(const struct weir_run *run, const struct weir_ctl_request *request,
		   struct watch_conf *out, unsigned *seconds, struct weir_why *why)
{
	const struct weir_graph *g = app_graph(run);
	const bool trace = strcmp(request->cmd, "trace") == 0;
	struct watch_conf c = {.filter.port = WEIR_NO_PORT};
	struct words w = {.count = COUNT_DEFAULT, .snaplen = trace ? SNAP_TRACE : SNAP_DEFAULT};
	int rc;

	if (g == NULL)
		return weir_why(why, -ENOTSUP, "%s has no pipeline to watch", run->app->name);
	rc = read_words(request, &w, why);
	if (rc == 0)
		rc = want_range("count", w.count, 1, trace ? TRACE_MAX : PCAP_MAX, why);
	if (rc == 0)
		rc = want_range("snaplen", w.snaplen, 14, SNAP_MAX, why);
	if (rc == 0)
		rc = want_range("seconds", w.seconds, 0, SECONDS_MAX, why);
	if (rc == 0)
		rc = read_filter(run, &w, &c.filter, why);
	if (rc == 0 && trace)
		c.at = stage_at(g, PARSE_STAGE) >= 0 ? (uint8_t)stage_at(g, PARSE_STAGE)
						     : entry(g, false);
	else if (rc == 0)
		rc = read_place(g, &w, &c, why);
	if (rc < 0)
		return rc;
	c.origin = (uint8_t)(1 + stage_at(g, ORIGIN_STAGE));
	c.count = (uint32_t)w.count;
	c.snap_bytes = (uint32_t)w.snaplen;
	c.slots = ring_slots(c.snap_bytes);
	*seconds = (unsigned)w.seconds;
	*out = c;
	return 0;
}
