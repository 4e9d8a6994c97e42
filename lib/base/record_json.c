/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A record as a line of JSON.
 *
 * Texts of a record come from the network: bytes that are not UTF-8, control characters and those
 * that turn a terminal's writing direction are escaped, as in the log.
 */

#include <weir/record.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <weir/addr.h>

#include "utf8_priv.h"

#define NS_PER_S UINT64_C(1000000000)

struct out {
	char *at, *end; /* one byte is kept for the NUL */
	bool more;	/* the object has a member already */
	bool bad;	/* something did not fit */
};

static void put(struct out *o, const char *s, size_t n)
{
	if (o->bad || n > (size_t)(o->end - o->at)) {
		o->bad = true;
		return;
	}
	memcpy(o->at, s, n);
	o->at += n;
}

__attribute__((format(printf, 2, 3))) static void putf(struct out *o, const char *fmt, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, fmt);
	put(o, text, (size_t)vsnprintf(text, sizeof(text), fmt, ap));
	va_end(ap);
}

static void put_escaped(struct out *o, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t code = 0;
		const unsigned size = utf8_next(s + i, n - i, &code);

		if (size == 0 || code == 0) { /* NUL is JSON, but many readers refuse it */
			put(o, "\\ufffd", 6);
		} else if (utf8_is_treacherous(code)) {
			putf(o, "\\u%04x", code);
		} else {
			if (code == '\\' || code == '"')
				put(o, "\\", 1);
			put(o, s + i, size);
		}
		i += size == 0 ? 1 : size;
	}
}

/* ---- members; keys are ours ---- */

static void key(struct out *o, const char *name)
{
	put(o, ",\"", o->more ? 2 : 0);
	put(o, "\"", o->more ? 0 : 1);
	put(o, name, strlen(name));
	put(o, "\":", 2);
	o->more = true;
}

static void object(struct out *o, const char *name)
{
	if (name != NULL)
		key(o, name);
	put(o, "{", 1);
	o->more = false;
}

static void end(struct out *o)
{
	put(o, "}", 1);
	o->more = true;
}

static void number(struct out *o, const char *name, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	key(o, name);
	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	put(o, digits + n, sizeof(digits) - n);
}

static void bytes(struct out *o, const char *name, const char *s, size_t n)
{
	key(o, name);
	put(o, "\"", 1);
	put_escaped(o, s, n);
	put(o, "\"", 1);
}

static void text(struct out *o, const char *name, const char *s)
{
	bytes(o, name, s, strnlen(s, WEIR_RECORD_NAME_MAX));
}

/* As Suricata writes it. */
const char *weir_record_time(uint64_t time_ns, char line[WEIR_RECORD_TIME_TEXT])
{
	const time_t s = (time_t)(time_ns / NS_PER_S);
	struct tm t;

	gmtime_r(&s, &t);
	snprintf(line, WEIR_RECORD_TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%06u+0000",
		 t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
		 (unsigned)(time_ns % NS_PER_S / 1000));
	return line;
}

static void stamp(struct out *o, const char *name, uint64_t time_ns)
{
	char line[WEIR_RECORD_TIME_TEXT];

	text(o, name, weir_record_time(time_ns, line));
}

static const char *name_of(const struct weir_record_names *names, weir_record_name_fn *fn,
			   uint32_t n)
{
	return fn == NULL ? NULL : fn(names->ctx, n);
}

/* By its name; the number if it has none. */
static void named(struct out *o, const char *member, const struct weir_record_names *names,
		  weir_record_name_fn *fn, uint32_t n)
{
	const char *name = name_of(names, fn, n);

	if (name != NULL)
		text(o, member, name);
	else
		number(o, member, n);
}

/* ---- parts of a record ---- */

static void put_addr(struct out *o, const char *name, uint8_t family, const uint8_t raw[16])
{
	char line[WEIR_ADDR_TEXT];

	text(o, name, weir_addr_text(raw, family == 4 ? 4 : 6, line));
}

static void put_source(struct out *o, const struct weir_tuple *t)
{
	put_addr(o, "src_ip", t->family, t->src);
	if (weir_proto_has_ports(t->proto))
		number(o, "src_port", ntohs(t->sport));
}

static void put_ends(struct out *o, const struct weir_tuple *t)
{
	put_source(o, t);
	put_addr(o, "dest_ip", t->family, t->dst);
	if (weir_proto_has_ports(t->proto))
		number(o, "dest_port", ntohs(t->dport));
}

const char *weir_record_proto(uint8_t proto, char line[WEIR_RECORD_PROTO_TEXT])
{
	const char *name = proto == IPPROTO_TCP	     ? "TCP"
			   : proto == IPPROTO_UDP    ? "UDP"
			   : proto == IPPROTO_ICMP   ? "ICMP"
			   : proto == IPPROTO_ICMPV6 ? "IPv6-ICMP"
			   : proto == IPPROTO_SCTP   ? "SCTP"
			   : proto == IPPROTO_GRE    ? "GRE"
			   : proto == IPPROTO_ESP    ? "ESP"
						     : NULL;

	if (name != NULL)
		snprintf(line, WEIR_RECORD_PROTO_TEXT, "%s", name);
	else
		snprintf(line, WEIR_RECORD_PROTO_TEXT, "%03u", proto);
	return line;
}

static void put_proto(struct out *o, const struct weir_tuple *t)
{
	char line[WEIR_RECORD_PROTO_TEXT];

	text(o, "proto", weir_record_proto(t->proto, line));
	if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6) {
		number(o, "icmp_type", ntohs(t->dport));
		number(o, "icmp_id", ntohs(t->sport));
	}
}

/* Where it leaves to, if that differs. */
static void put_nat(struct out *o, const struct weir_record *r)
{
	if (r->to.family == 0 || memcmp(&r->orig, &r->to, sizeof(r->to)) == 0)
		return;
	object(o, "nat");
	put_ends(o, &r->to);
	end(o);
}

static void put_zones(struct out *o, const struct weir_record *r,
		      const struct weir_record_names *names)
{
	static const char *const side[] = {"from", "to"};

	if (r->zone[0] == WEIR_RECORD_NO_ZONE && r->zone[1] == WEIR_RECORD_NO_ZONE)
		return;
	object(o, "zone");
	for (unsigned i = 0; i < 2; i++)
		if (r->zone[i] != WEIR_RECORD_NO_ZONE)
			named(o, side[i], names, names->zone, r->zone[i]);
	end(o);
}

static const char *action_name(uint8_t action)
{
	static const char *const actions[] = {"accept", "drop",	    "reject",
					      "count",	"synproxy", "tag"};

	return action < WEIR_RECORD_ACTIONS ? actions[action] : "unknown";
}

static void put_rule(struct out *o, const struct weir_record *r,
		     const struct weir_record_names *names)
{
	if (r->rule == WEIR_RECORD_NO_RULE)
		return;
	object(o, "rule");
	number(o, "slot", r->rule);
	if (name_of(names, names->rule, r->rule) != NULL)
		named(o, "name", names, names->rule, r->rule);
	if (r->kind == WEIR_RECORD_RULE)
		text(o, "action", action_name(r->action));
	end(o);
}

static void put_flow(struct out *o, const struct weir_record *r)
{
	static const char *const reasons[] = {"timeout", "closed", "killed", "evicted", "policy"};
	const bool ended = r->kind == WEIR_RECORD_FLOW_END;

	object(o, "flow");
	number(o, "pkts_toserver", r->pkts[0]);
	number(o, "pkts_toclient", r->pkts[1]);
	number(o, "bytes_toserver", r->bytes[0]);
	number(o, "bytes_toclient", r->bytes[1]);
	if (r->start_ns != 0)
		stamp(o, "start", r->start_ns);
	if (ended) {
		stamp(o, "end", r->time_ns);
		number(o, "age",
		       r->time_ns > r->start_ns ? (r->time_ns - r->start_ns) / NS_PER_S : 0);
	}
	text(o, "state",
	     ended && r->reason == WEIR_RECORD_CLOSED ? "closed"
	     : r->pkts[1] != 0			      ? "established"
						      : "new");
	if (ended)
		text(o, "reason", r->reason < WEIR_RECORD_REASONS ? reasons[r->reason] : "unknown");
	end(o);
}

static void put_hex(struct out *o, const char *name, unsigned byte)
{
	key(o, name);
	putf(o, "\"%02x\"", byte);
}

static void put_tcp(struct out *o, const struct weir_record *r,
		    const struct weir_record_names *names)
{
	if (r->orig.proto != IPPROTO_TCP || (r->kind != WEIR_RECORD_RULE && r->tcp_state == 0))
		return;
	object(o, "tcp");
	if (r->kind == WEIR_RECORD_RULE) {
		put_hex(o, "tcp_flags", r->tcp_flags[0]);
	} else {
		put_hex(o, "tcp_flags", r->tcp_flags[0] | r->tcp_flags[1]);
		put_hex(o, "tcp_flags_ts", r->tcp_flags[0]);
		put_hex(o, "tcp_flags_tc", r->tcp_flags[1]);
	}
	if (r->tcp_state != 0)
		named(o, "state", names, names->tcp_state, r->tcp_state);
	end(o);
}

static void put_app(struct out *o, const struct weir_record *r,
		    const struct weir_record_names *names)
{
	if (r->app != 0)
		named(o, "app_proto", names, names->app, r->app);
}

/* What was read in its payload, under the name that Suricata has for it. */
static void put_text(struct out *o, const struct weir_record *r)
{
	static const char *const parts[] = {[WEIR_RECORD_TEXT_SNI] = "tls",
					    [WEIR_RECORD_TEXT_HOST] = "http",
					    [WEIR_RECORD_TEXT_QNAME] = "dns",
					    [WEIR_RECORD_TEXT_PLAIN] = "payload"};
	static const char *const members[] = {[WEIR_RECORD_TEXT_SNI] = "sni",
					      [WEIR_RECORD_TEXT_HOST] = "hostname",
					      [WEIR_RECORD_TEXT_QNAME] = "rrname",
					      [WEIR_RECORD_TEXT_PLAIN] = "text"};

	if (r->text_kind == WEIR_RECORD_TEXT_NONE || r->text_kind >= WEIR_RECORD_TEXTS)
		return;
	object(o, parts[r->text_kind]);
	bytes(o, members[r->text_kind], r->text,
	      r->text_bytes < WEIR_RECORD_TEXT ? r->text_bytes : WEIR_RECORD_TEXT);
	if (r->text_cut) {
		key(o, "cut");
		put(o, "true", 4);
	}
	end(o);
}

static void put_alert(struct out *o, const struct weir_record *r,
		      const struct weir_record_names *names)
{
	const bool set = r->gid == WEIR_RECORD_GID_DOMAINS;
	const bool blocked = r->action == WEIR_RECORD_DROP || r->action == WEIR_RECORD_REJECT;

	object(o, "alert");
	text(o, "action", blocked ? "blocked" : "allowed");
	number(o, "gid", set ? WEIR_RECORD_GID_DOMAINS : WEIR_RECORD_GID_PATTERNS);
	number(o, "signature_id", r->signature);
	if (name_of(names, set ? names->domains : names->signature, r->signature) != NULL)
		named(o, "signature", names, set ? names->domains : names->signature, r->signature);
	text(o, "verdict", action_name(r->action));
	end(o);
}

static void put_mark(struct out *o, const struct weir_record *r)
{
	if (r->mark != 0)
		number(o, "mark", r->mark);
}

/* ---- whole lines ---- */

static void put_head(struct out *o, const struct weir_record *r)
{
	static const char *const types[] = {"flow_start", "flow_update", "flow",
					    "rule",	  "nat",	 "alert"};

	stamp(o, "timestamp", r->time_ns);
	if (r->flow_id != 0)
		number(o, "flow_id", r->flow_id);
	text(o, "event_type", types[r->kind]);
	number(o, "worker", r->worker);
}

static const char *nat_event_name(uint8_t event)
{
	static const char *const events[WEIR_NAT_EVENTS] = {
		[WEIR_NAT_EVENT_CREATE] = "session_create",
		[WEIR_NAT_EVENT_DELETE] = "session_delete",
		[WEIR_NAT_EVENT_ADDRESSES_OUT] = "addresses_exhausted",
		[WEIR_NAT_EVENT_NAT44_CREATE] = "nat44_session_create",
		[WEIR_NAT_EVENT_NAT44_DELETE] = "nat44_session_delete",
		[WEIR_NAT_EVENT_NAT64_CREATE] = "nat64_session_create",
		[WEIR_NAT_EVENT_NAT64_DELETE] = "nat64_session_delete",
		[WEIR_NAT_EVENT_PORTS_OUT] = "ports_exhausted",
		[WEIR_NAT_EVENT_QUOTA] = "quota_exceeded",
		[WEIR_NAT_EVENT_BIND] = "address_bound",
		[WEIR_NAT_EVENT_UNBIND] = "address_unbound",
		[WEIR_NAT_EVENT_BLOCK] = "ports_allocated",
		[WEIR_NAT_EVENT_UNBLOCK] = "ports_released",
	};
	const char *name = event < WEIR_NAT_EVENTS ? events[event] : NULL;

	return name == NULL ? "unknown" : name;
}

static void put_nat_event(struct out *o, const struct weir_record *r)
{
	const bool block = r->nat_event == WEIR_NAT_EVENT_BLOCK ||
			   r->nat_event == WEIR_NAT_EVENT_UNBLOCK;

	if (block)
		put_source(o, &r->orig);
	else
		put_ends(o, &r->orig);
	if (!block)
		put_proto(o, &r->orig);
	object(o, "nat");
	text(o, "event", nat_event_name(r->nat_event));
	number(o, "event_id", r->nat_event);
	if (block) {
		put_source(o, &r->to);
		number(o, "port_lo", r->block_lo);
		number(o, "port_hi", r->block_hi);
	} else if (r->to.family != 0) {
		put_ends(o, &r->to);
	}
	end(o);
}

static void put_packet_event(struct out *o, const struct weir_record *r,
			     const struct weir_record_names *names)
{
	put_ends(o, &r->orig);
	put_proto(o, &r->orig);
	put_app(o, r, names);
	if (r->kind == WEIR_RECORD_ALERT)
		put_alert(o, r, names);
	put_text(o, r);
	put_zones(o, r, names);
	put_rule(o, r, names);
	put_nat(o, r);
	if (r->kind != WEIR_RECORD_RULE)
		put_flow(o, r);
	put_tcp(o, r, names);
	put_mark(o, r);
}

int weir_record_json(const struct weir_record *r, const struct weir_record_names *names, char *line,
		     size_t line_bytes)
{
	static const struct weir_record_names none;
	struct out o;

	if (r->kind >= WEIR_RECORD_KINDS)
		return -EINVAL;
	if (line_bytes == 0)
		return -ENOBUFS;
	o = (struct out){.at = line, .end = line + line_bytes - 1};
	object(&o, NULL);
	put_head(&o, r);
	if (r->kind == WEIR_RECORD_NAT)
		put_nat_event(&o, r);
	else
		put_packet_event(&o, r, names == NULL ? &none : names);
	end(&o);
	if (o.bad)
		return -ENOBUFS;
	*o.at = '\0';
	return (int)(o.at - line);
}
