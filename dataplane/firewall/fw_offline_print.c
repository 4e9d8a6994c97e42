/* SPDX-License-Identifier: BSD-3-Clause */

/* What each packet of a capture would meet, for people and as JSON, and the sums at the end. */

#include "fw_offline_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <weir/clock.h>
#include <weir/drop.h>
#include <weir/gen.h>
#include <weir/l3.h>
#include <weir/policy.h>
#include <weir/record.h>

#include "app/app_show_priv.h"
#include "app/app_trace_priv.h"
#include "fw_priv.h"

/* "TCP [address]:port > [address]:port SYN ACK". */
#define TUPLE_TEXT 192
/* A frame that is no IP packet: what its headers say. */
#define OTHER_BYTES 64

static const char *const fates[OFFLINE_FATES] = {"skipped", "forward", "local",
						 "reject",  "drop",    "held"};

/* ---- parts ---- */

static const struct weir_policy *policy(const struct offline_print *p)
{
	return app_l3_policy(p->run->l3);
}

static const char *rule_name(const struct offline_print *p, uint32_t slot, uint32_t *line)
{
	const struct weir_rule *r;

	*line = 0;
	if (slot == 0 || p->rule_of[slot] == OFFLINE_NO_RULE)
		return "default";
	r = weir_rules_at(policy(p)->rules, p->rule_of[slot]);
	*line = r->line;
	return r->name;
}

static const char *iface_name(const struct offline_print *p, uint16_t iface)
{
	const struct weir_gen *gen = weir_gens_current(weir_system_gens(p->run->system));

	return iface < gen->l3->n_ifaces ? gen->l3->ifaces[iface].name : "?";
}

/* "10.0.0.2:40000", "[2001:db8::1]:53", "10.0.0.2". */
static void end_text(const struct weir_tuple *t, bool source, bool l4, char text[64])
{
	const uint16_t port = ntohs(source ? t->sport : t->dport);
	char addr[WEIR_ADDR_TEXT];

	weir_addr_text(source ? t->src : t->dst, t->family, addr);
	if (!l4 || !weir_proto_has_ports(t->proto))
		snprintf(text, 64, "%s", addr);
	else
		snprintf(text, 64, t->family == 6 ? "[%s]:%u" : "%s:%u", addr, port);
}

static const char *tuple_text(const struct weir_tuple *t, bool l4, char text[TUPLE_TEXT])
{
	char from[64], to[64];

	end_text(t, true, l4, from);
	end_text(t, false, l4, to);
	snprintf(text, TUPLE_TEXT, "%s > %s", from, to);
	return text;
}

/* "TCP 10.0.0.2:40000 > 192.0.2.2:80 SYN", or what there is instead of IP. */
static void packet_text(const struct offline_packet *k, char text[TUPLE_TEXT + 64])
{
	struct {
		struct watch_record record;
		uint8_t bytes[OTHER_BYTES];
	} other = {.record = {.known = true, .wire_bytes = k->wire_bytes}};
	const uint8_t flags = k->l4[0];
	char tuple[TUPLE_TEXT], proto[WEIR_RECORD_PROTO_TEXT], detail[48] = "";

	if (k->came.family == 0) {
		other.record.captured_bytes = k->captured_bytes < OTHER_BYTES ? k->captured_bytes
									      : OTHER_BYTES;
		memcpy(other.bytes, k->data, other.record.captured_bytes);
		app_packet_text(&other.record, text);
		return;
	}
	if (!k->came_l4)
		snprintf(detail, sizeof(detail), " fragment");
	else if (k->came.proto == IPPROTO_TCP)
		snprintf(detail, sizeof(detail), "%s%s%s%s", flags & 2 ? " SYN" : "",
			 flags & 16 ? " ACK" : "", flags & 1 ? " FIN" : "",
			 flags & 4 ? " RST" : "");
	else if (k->came.proto == IPPROTO_ICMP || k->came.proto == IPPROTO_ICMPV6)
		snprintf(detail, sizeof(detail), " type %u code %u", k->l4[0], k->l4[1]);
	snprintf(text, TUPLE_TEXT + 64, "%s %s%s", weir_record_proto(k->came.proto, proto),
		 tuple_text(&k->came, k->came_l4, tuple), detail);
}

static bool is_translated(const struct offline_packet *k)
{
	return k->fate == OFFLINE_FORWARD && k->leaves.family != 0 && k->leaves_l4 == k->came_l4 &&
	       memcmp(&k->leaves, &k->came, sizeof(k->came)) != 0;
}

static const char *stage_name(const struct offline_print *p, const struct offline_packet *k,
			      char text[APP_STAGE_TEXT])
{
	return app_stage_name(weir_graph_node(app_graph(p->run), k->stage), text);
}

static const char *drop_label(const struct offline_packet *k)
{
	return k->drop == WEIR_DROP_NONE ? NULL : weir_drop_text((enum weir_drop)k->drop)->label;
}

/* ---- for people ---- */

static void print_verdict(const struct offline_print *p, const struct offline_packet *k)
{
	char stage[APP_STAGE_TEXT], tuple[TUPLE_TEXT];

	fprintf(p->to, "  %s", fates[k->fate]);
	switch (k->fate) {
	case OFFLINE_FORWARD:
		fprintf(p->to, " to %s", iface_name(p, k->iface));
		if (is_translated(k))
			fprintf(p->to, " as %s", tuple_text(&k->leaves, k->leaves_l4, tuple));
		break;
	case OFFLINE_SKIPPED:
		fprintf(p->to, ": %s", k->skipped);
		break;
	default:
		fprintf(p->to, " at %s", stage_name(p, k, stage));
		if (drop_label(k) != NULL)
			fprintf(p->to, ": %s", drop_label(k));
		break;
	}
}

static void print_text(const struct offline_print *p, const struct offline_packet *k)
{
	const uint64_t since_ns = k->time_ns > p->begin_ns ? k->time_ns - p->begin_ns : 0;
	char text[TUPLE_TEXT + 64];
	uint32_t line;

	packet_text(k, text);
	fprintf(p->to, "%6" PRIu64 " %6" PRIu64 ".%06" PRIu64 " %-8s %s", k->number,
		since_ns / WEIR_NS_PER_S, since_ns % WEIR_NS_PER_S / 1000,
		weir_system_port(p->run->system, k->port_in)->name, text);
	print_verdict(p, k);
	if (k->rule != OFFLINE_NO_RULE) {
		const char *name = rule_name(p, k->rule, &line);

		fprintf(p->to, line == 0 ? ", rule %s" : ", rule %s (line %u)", name, line);
	}
	if (k->captured_bytes < k->wire_bytes)
		fprintf(p->to, "  [cut: %u of %u bytes]", k->captured_bytes, k->wire_bytes);
	fputc('\n', p->to);
}

/* ---- JSON: members are called as in records ---- */

static void put_tuple(json_t *j, const struct weir_tuple *t, bool l4)
{
	char addr[WEIR_ADDR_TEXT];

	json_object_set_new(j, "src_ip", json_string(weir_addr_text(t->src, t->family, addr)));
	json_object_set_new(j, "dest_ip", json_string(weir_addr_text(t->dst, t->family, addr)));
	if (!l4 || !weir_proto_has_ports(t->proto))
		return;
	json_object_set_new(j, "src_port", json_integer(ntohs(t->sport)));
	json_object_set_new(j, "dest_port", json_integer(ntohs(t->dport)));
}

static json_t *rule_json(const struct offline_print *p, uint32_t slot)
{
	uint32_t line;
	const char *name = rule_name(p, slot, &line);
	json_t *j = json_pack("{s:s}", "name", name);

	if (line != 0)
		json_object_set_new(j, "line", json_integer(line));
	return j;
}

static void put_came(json_t *j, const struct offline_packet *k)
{
	char proto[WEIR_RECORD_PROTO_TEXT];

	if (k->came.family == 0)
		return;
	json_object_set_new(j, "proto", json_string(weir_record_proto(k->came.proto, proto)));
	put_tuple(j, &k->came, k->came_l4);
	if (!k->came_l4)
		json_object_set_new(j, "fragment", json_true());
	else if (k->came.proto == IPPROTO_TCP)
		json_object_set_new(j, "tcp_flags", json_integer(k->l4[0]));
	else if (k->came.proto == IPPROTO_ICMP || k->came.proto == IPPROTO_ICMPV6)
		json_object_set_new(j, "icmp_type", json_integer(k->l4[0]));
}

static void print_json(const struct offline_print *p, const struct offline_packet *k)
{
	const bool skipped = k->fate == OFFLINE_SKIPPED;
	char time_text[WEIR_RECORD_TIME_TEXT], stage[APP_STAGE_TEXT];
	json_t *j, *nat;

	j = json_pack("{s:I, s:s, s:s, s:I, s:s, s:s*, s:s*, s:s*}", "packet",
		      (json_int_t)k->number, "timestamp", weir_record_time(k->time_ns, time_text),
		      "in_iface", weir_system_port(p->run->system, k->port_in)->name, "wire_bytes",
		      (json_int_t)k->wire_bytes, "verdict", fates[k->fate], "stage",
		      skipped ? NULL : stage_name(p, k, stage), "drop", drop_label(k), "why",
		      k->skipped);
	put_came(j, k);
	if (k->fate == OFFLINE_FORWARD)
		json_object_set_new(j, "out_iface", json_string(iface_name(p, k->iface)));
	if (is_translated(k)) {
		nat = json_object();
		put_tuple(nat, &k->leaves, k->leaves_l4);
		json_object_set_new(j, "nat", nat);
	}
	if (k->rule != OFFLINE_NO_RULE)
		json_object_set_new(j, "rule", rule_json(p, k->rule));
	if (k->captured_bytes < k->wire_bytes)
		json_object_set_new(j, "captured_bytes", json_integer(k->captured_bytes));
	json_dumpf(j, p->to, JSON_COMPACT);
	json_decref(j);
	fputc('\n', p->to);
}

void offline_print_packet(struct offline_print *p, const struct offline_packet *k)
{
	p->by_fate[k->fate]++;
	p->cut += k->captured_bytes < k->wire_bytes;
	if (p->json)
		print_json(p, k);
	else
		print_text(p, k);
}

/* ---- sums ---- */

static void summary_json(const struct offline_print *p, uint64_t answers)
{
	json_t *verdicts = json_object(), *drops = json_object(), *rules = json_array();
	json_t *j = json_pack("{s:{s:I, s:I, s:o, s:o, s:o}}", "summary", "cut", (json_int_t)p->cut,
			      "answers", (json_int_t)answers, "verdicts", verdicts, "drops", drops,
			      "rules", rules);

	for (unsigned f = 0; f < OFFLINE_FATES; f++)
		json_object_set_new(verdicts, fates[f], json_integer((json_int_t)p->by_fate[f]));
	for (unsigned d = 1; d < WEIR_DROPS; d++)
		if (app_drops(p->run, 0, d) > 0)
			json_object_set_new(drops, weir_drop_text((enum weir_drop)d)->label,
					    json_integer((json_int_t)app_drops(p->run, 0, d)));
	for (uint32_t s = 0; s < p->run->fw->n_slots; s++) {
		uint64_t pkts, bytes, last_ns;
		json_t *r;

		fw_slot_sum(p->run->fw, s, &pkts, &bytes, &last_ns);
		if (s != 0 && p->rule_of[s] == OFFLINE_NO_RULE)
			continue;
		r = rule_json(p, s);
		json_object_set_new(r, "pkts", json_integer((json_int_t)pkts));
		json_object_set_new(r, "bytes", json_integer((json_int_t)bytes));
		json_array_append_new(rules, r);
	}
	json_dumpf(j, p->to, JSON_COMPACT);
	json_decref(j);
	fputc('\n', p->to);
}

static void rules_text(const struct offline_print *p)
{
	fprintf(p->to, "\n%-32s %6s %12s %14s\n", "rule", "line", "packets", "bytes");
	for (uint32_t s = 0; s < p->run->fw->n_slots; s++) {
		uint64_t pkts, bytes, last_ns;
		uint32_t line;
		const char *name;

		if (s != 0 && p->rule_of[s] == OFFLINE_NO_RULE)
			continue;
		name = rule_name(p, s, &line);
		fw_slot_sum(p->run->fw, s, &pkts, &bytes, &last_ns);
		if (pkts > 0)
			fprintf(p->to, "%-32s %6.0u %12" PRIu64 " %14" PRIu64 "\n", name, line,
				pkts, bytes);
	}
}

static void summary_text(const struct offline_print *p, uint64_t answers)
{
	fprintf(p->to, "\n%-32s %19s\n", "verdict", "packets");
	for (unsigned f = 0; f < OFFLINE_FATES; f++)
		if (p->by_fate[f] > 0)
			fprintf(p->to, "%-32s %19" PRIu64 "\n", fates[f], p->by_fate[f]);
	if (answers > 0)
		fprintf(p->to, "%-32s %19" PRIu64 "\n", "sent ourselves", answers);
	if (p->cut > 0)
		fprintf(p->to, "%-32s %19" PRIu64 "\n", "cut by the snaplen", p->cut);
	for (unsigned d = 1; d < WEIR_DROPS; d++) {
		const struct weir_drop_text *t = weir_drop_text((enum weir_drop)d);

		if (app_drops(p->run, 0, d) > 0)
			fprintf(p->to, "dropped %12" PRIu64 "  %s: %s\n", app_drops(p->run, 0, d),
				t->label, t->meaning);
	}
	rules_text(p);
}

void offline_print_summary(struct offline_print *p, uint64_t answers)
{
	if (p->json)
		summary_json(p, answers);
	else
		summary_text(p, answers);
}

/* ---- life ---- */

int offline_print_begin(struct offline_print *p)
{
	const struct weir_rules *rules = policy(p)->rules;

	p->rule_of = malloc(WEIR_RULE_SLOTS_MAX * sizeof(*p->rule_of));
	if (p->rule_of == NULL)
		return -ENOMEM;
	memset(p->rule_of, 0xff, WEIR_RULE_SLOTS_MAX * sizeof(*p->rule_of));
	for (uint32_t i = weir_rules_count(rules); i-- > 0;)
		p->rule_of[weir_rules_at(rules, i)->slot] = i;
	return 0;
}

void offline_print_free(struct offline_print *p)
{
	free(p->rule_of);
	p->rule_of = NULL;
}
