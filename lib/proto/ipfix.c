/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * IPFIX messages of records. A template is a list of fields; the same list writes the template and
 * each record of it, so that they cannot disagree.
 */

#include <weir/ipfix.h>

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define VERSION		 10
#define SET_BYTES	 4
#define SET_TEMPLATES	 2
#define SET_OPTIONS	 3
#define FIRST_TEMPLATE	 256
#define NS_PER_S	 UINT64_C(1000000000)
#define NS_PER_MS	 UINT64_C(1000000)
#define MESSAGE_BYTES_AT 2     /* in the message's header */
#define SET_BYTES_AT	 2     /* in a set's header */
#define VARIABLE	 65535 /* bytes of a field that tells its length itself */
#define NAME_BYTES	 64
#define INITIATOR	 1 /* biflowDirection: the first direction is that of who began */
#define ENGINE_USER	 6 /* applicationId: numbers of our own (RFC 6759) */

/* An element of an enterprise has this bit; ours are all of the reverse direction (RFC 5103). */
#define ENTERPRISE	   0x8000
#define ENTERPRISE_REVERSE 29305
#define REVERSE(ie)	   (ENTERPRISE | (ie))

/* Information elements, by their numbers in IANA's registry. */
enum ie {
	OCTET_DELTA = 1, /* of IP packets; so are all octets here */
	PACKET_DELTA = 2,
	PROTOCOL = 4,
	TCP_FLAGS = 6, /* the eight that RFC 7125 lets be sent in one byte */
	SOURCE_PORT = 7,
	SOURCE4 = 8,
	INGRESS = 10,
	DESTINATION_PORT = 11,
	DESTINATION4 = 12,
	EGRESS = 14,
	SOURCE6 = 27,
	DESTINATION6 = 28,
	INTERFACE_NAME = 82,
	OCTET_TOTAL = 85,
	PACKET_TOTAL = 86,
	APPLICATION = 95,
	FLOW_END_REASON = 136,
	FLOW_ID = 148,
	FLOW_START_MS = 152,
	FLOW_END_MS = 153,
	POST_SOURCE4 = 225,
	POST_DESTINATION4 = 226,
	POST_SOURCE_PORT = 227,
	POST_DESTINATION_PORT = 228,
	NAT_EVENT = 230,
	FIREWALL_EVENT = 233,
	BIFLOW_DIRECTION = 239,
	POST_SOURCE6 = 281,
	POST_DESTINATION6 = 282,
	SELECTOR_ID = 302,
	OBSERVATION_TIME_MS = 323,
	PORT_RANGE_START = 361,
	PORT_RANGE_END = 362,
};

struct field {
	uint16_t ie, bytes;
};

#define F(ie, bytes)      \
	{                 \
		ie, bytes \
	}
#define ENDS4	   F(SOURCE4, 4), F(DESTINATION4, 4)
#define ENDS6	   F(SOURCE6, 16), F(DESTINATION6, 16)
#define PORTS	   F(SOURCE_PORT, 2), F(DESTINATION_PORT, 2), F(PROTOCOL, 1)
#define POST_ENDS4 F(POST_SOURCE4, 4), F(POST_DESTINATION4, 4)
#define POST_ENDS6 F(POST_SOURCE6, 16), F(POST_DESTINATION6, 16)
#define POST_PORTS F(POST_SOURCE_PORT, 2), F(POST_DESTINATION_PORT, 2)
#define FLOW                                                                                \
	F(FLOW_ID, 8), F(FLOW_START_MS, 8), F(FLOW_END_MS, 8), F(INGRESS, 4), F(EGRESS, 4), \
		F(OCTET_DELTA, 8), F(PACKET_DELTA, 8), F(REVERSE(OCTET_DELTA), 8),          \
		F(REVERSE(PACKET_DELTA), 8), F(TCP_FLAGS, 1), F(REVERSE(TCP_FLAGS), 1),     \
		F(BIFLOW_DIRECTION, 1), F(APPLICATION, 4), F(FLOW_END_REASON, 1),           \
		F(FIREWALL_EVENT, 1), PORTS
#define EVENT                                                                                     \
	F(OBSERVATION_TIME_MS, 8), F(FLOW_ID, 8), F(INGRESS, 4), F(EGRESS, 4), F(APPLICATION, 4), \
		F(SELECTOR_ID, 8), F(FIREWALL_EVENT, 1), F(TCP_FLAGS, 1), PORTS
#define NAT   F(OBSERVATION_TIME_MS, 8), F(NAT_EVENT, 1)
#define BLOCK F(POST_SOURCE4, 4), F(PORT_RANGE_START, 2), F(PORT_RANGE_END, 2)
#define END   F(0, 0)

/* Which template a record takes; ids count from FIRST_TEMPLATE in this order. */
enum template {
	FLOW4,
	FLOW6,
	FLOW44, /* translated: before and after */
	FLOW64,
	FLOW66,
	EVENT4,
	EVENT6,
	NAT44,
	NAT64,
	NAT66,
	BLOCK4,
	BLOCK6, /* a subscriber with an IPv6 address */
	TEMPLATES
};

/* Behind the templates: that of the zones' names, and the names. */
#define ZONES_TEMPLATE (FIRST_TEMPLATE + TEMPLATES)

static const struct field *const templates[TEMPLATES] = {
	[FLOW4] = (const struct field[]){FLOW, ENDS4, END},
	[FLOW6] = (const struct field[]){FLOW, ENDS6, END},
	[FLOW44] = (const struct field[]){FLOW, ENDS4, POST_ENDS4, POST_PORTS, END},
	[FLOW64] = (const struct field[]){FLOW, ENDS6, POST_ENDS4, POST_PORTS, END},
	[FLOW66] = (const struct field[]){FLOW, ENDS6, POST_ENDS6, POST_PORTS, END},
	[EVENT4] = (const struct field[]){EVENT, ENDS4, END},
	[EVENT6] = (const struct field[]){EVENT, ENDS6, END},
	[NAT44] = (const struct field[]){NAT, PORTS, ENDS4, POST_ENDS4, POST_PORTS, END},
	[NAT64] = (const struct field[]){NAT, PORTS, ENDS6, POST_ENDS4, POST_PORTS, END},
	[NAT66] = (const struct field[]){NAT, PORTS, ENDS6, POST_ENDS6, POST_PORTS, END},
	[BLOCK4] = (const struct field[]){NAT, F(SOURCE4, 4), BLOCK, END},
	[BLOCK6] = (const struct field[]){NAT, F(SOURCE6, 16), BLOCK, END},
};

/* ---- what a record says ---- */

static bool is_block(const struct weir_record *r)
{
	return r->nat_event == WEIR_NAT_EVENT_BLOCK || r->nat_event == WEIR_NAT_EVENT_UNBLOCK;
}

static bool is_translated(const struct weir_record *r)
{
	return r->to.family != 0 && memcmp(&r->orig, &r->to, sizeof(r->to)) != 0;
}

/* The template of its kind and families; -EINVAL: it is of no kind. */
static int template_of(const struct weir_record *r)
{
	const bool v6 = r->orig.family == 6, to_v6 = r->to.family == 6;

	switch (r->kind) {
	case WEIR_RECORD_FLOW_UPDATE:
	case WEIR_RECORD_FLOW_END:
		if (!is_translated(r))
			return v6 ? FLOW6 : FLOW4;
		return !v6 ? FLOW44 : to_v6 ? FLOW66 : FLOW64;
	case WEIR_RECORD_FLOW_START:
	case WEIR_RECORD_RULE:
	case WEIR_RECORD_ALERT:
		return v6 ? EVENT6 : EVENT4;
	case WEIR_RECORD_NAT:
		if (is_block(r))
			return v6 ? BLOCK6 : BLOCK4;
		return !v6 ? NAT44 : to_v6 ? NAT66 : NAT64;
	default:
		return -EINVAL;
	}
}

/* IANA: 1 idle timeout, 2 active timeout, 3 end detected, 4 forced end, 5 lack of resources. */
static uint8_t end_reason(const struct weir_record *r)
{
	static const uint8_t reasons[] = {[WEIR_RECORD_IDLE] = 1,
					  [WEIR_RECORD_CLOSED] = 3,
					  [WEIR_RECORD_KILLED] = 4,
					  [WEIR_RECORD_EVICTED] = 5,
					  [WEIR_RECORD_POLICY] = 4};

	if (r->kind == WEIR_RECORD_FLOW_UPDATE)
		return 2;
	return r->reason < WEIR_RECORD_REASONS ? reasons[r->reason] : 0;
}

/* IANA: 1 created, 2 deleted, 3 denied, 4 alert, 5 update, 0 ignore. */
static uint8_t firewall_event(const struct weir_record *r)
{
	const bool denied = r->action == WEIR_RECORD_DROP || r->action == WEIR_RECORD_REJECT;

	switch (r->kind) {
	case WEIR_RECORD_FLOW_START:
		return 1;
	case WEIR_RECORD_FLOW_END:
		return 2;
	case WEIR_RECORD_RULE:
		return denied ? 3 : r->action == WEIR_RECORD_COUNT ? 0 : 1;
	case WEIR_RECORD_ALERT:
		return denied ? 3 : 4;
	default:
		return 5; /* update */
	}
}

/* Of ICMP, the type where collectors look for it: in the high byte of the port. */
static uint16_t destination_port(const struct weir_tuple *t)
{
	if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6)
		return (uint16_t)(ntohs(t->dport) << 8);
	return ntohs(t->dport);
}

static uint32_t application(const struct weir_record *r)
{
	return r->app == 0 ? 0 : (uint32_t)ENGINE_USER << 24 | r->app;
}

/* What changes at translation; a tuple that does not change need not be given. */
static const struct weir_tuple *after(const struct weir_record *r)
{
	return r->to.family == 0 ? &r->orig : &r->to;
}

static const uint8_t *address(const struct weir_record *r, uint16_t ie)
{
	switch (ie) {
	case SOURCE4:
	case SOURCE6:
		return r->orig.src;
	case DESTINATION4:
	case DESTINATION6:
		return r->orig.dst;
	case POST_SOURCE4:
	case POST_SOURCE6:
		return after(r)->src;
	case POST_DESTINATION4:
	case POST_DESTINATION6:
		return after(r)->dst;
	default:
		return NULL;
	}
}

static uint64_t value(const struct weir_record *r, uint16_t ie)
{
	const unsigned way = (ie & ENTERPRISE) != 0;

	switch (ie & ~ENTERPRISE) {
	case OCTET_DELTA:
		return r->bytes[way];
	case PACKET_DELTA:
		return r->pkts[way];
	case PROTOCOL:
		return r->orig.proto;
	case TCP_FLAGS:
		return r->tcp_flags[way];
	case SOURCE_PORT:
		return ntohs(r->orig.sport);
	case DESTINATION_PORT:
		return destination_port(&r->orig);
	case POST_SOURCE_PORT:
		return ntohs(after(r)->sport);
	case POST_DESTINATION_PORT:
		return destination_port(after(r));
	case INGRESS:
		return r->zone[0];
	case EGRESS:
		return r->zone[1];
	case APPLICATION:
		return application(r);
	case FLOW_ID:
		return r->flow_id;
	case FLOW_START_MS:
		return r->start_ns / NS_PER_MS;
	case FLOW_END_MS:
	case OBSERVATION_TIME_MS:
		return r->time_ns / NS_PER_MS;
	case FLOW_END_REASON:
		return end_reason(r);
	case FIREWALL_EVENT:
		return firewall_event(r);
	case BIFLOW_DIRECTION:
		return INITIATOR;
	case NAT_EVENT:
		return r->nat_event;
	case SELECTOR_ID:
		return r->kind == WEIR_RECORD_ALERT ? r->signature : r->rule;
	case PORT_RANGE_START:
		return r->block_lo;
	case PORT_RANGE_END:
		return r->block_hi;
	default:
		return 0;
	}
}

/* ---- writing ---- */

static void put_number(struct weir_writer *w, uint64_t v, uint16_t bytes)
{
	for (unsigned shift = 8 * bytes; shift > 0; shift -= 8)
		weir_put_u8(w, (uint8_t)(v >> (shift - 8)));
}

static void put_record(struct weir_writer *w, const struct weir_record *r, const struct field *f)
{
	for (; f->ie != 0; f++) {
		const uint8_t *addr = address(r, f->ie);

		if (addr != NULL)
			weir_put(w, addr, f->bytes);
		else
			put_number(w, value(r, f->ie), f->bytes);
	}
}

static uint16_t counter_ie(const struct weir_ipfix *x, uint16_t ie)
{
	const uint16_t way = ie & ENTERPRISE;

	if (!x->conf.totals)
		return ie;
	return (ie ^ way) == OCTET_DELTA    ? way | OCTET_TOTAL
	       : (ie ^ way) == PACKET_DELTA ? way | PACKET_TOTAL
					    : ie;
}

static void put_template(struct weir_ipfix *x, unsigned t)
{
	struct weir_writer *w = &x->out;
	uint16_t n = 0;

	while (templates[t][n].ie != 0)
		n++;
	weir_put_u16_be(w, (uint16_t)(FIRST_TEMPLATE + t));
	weir_put_u16_be(w, n);
	for (const struct field *f = templates[t]; f->ie != 0; f++) {
		weir_put_u16_be(w, counter_ie(x, f->ie));
		weir_put_u16_be(w, f->bytes);
		if (f->ie & ENTERPRISE)
			weir_put_u32_be(w, ENTERPRISE_REVERSE);
	}
}

static void put_zones_template(struct weir_writer *w)
{
	weir_put_u16_be(w, ZONES_TEMPLATE);
	weir_put_u16_be(w, 2); /* fields, */
	weir_put_u16_be(w, 1); /* of them one that says what the rest is about */
	weir_put_u16_be(w, INGRESS);
	weir_put_u16_be(w, 4);
	weir_put_u16_be(w, INTERFACE_NAME);
	weir_put_u16_be(w, VARIABLE);
}

static void put_zone(struct weir_writer *w, uint32_t zone, const char *name)
{
	const size_t bytes = strnlen(name, NAME_BYTES);

	weir_put_u32_be(w, zone);
	weir_put_u8(w, (uint8_t)bytes);
	weir_put(w, name, bytes);
}

static void close_set(struct weir_ipfix *x)
{
	struct weir_writer w;

	if (x->set == NULL)
		return;
	w = (struct weir_writer){.at = x->set + SET_BYTES_AT, .end = x->set + SET_BYTES};
	weir_put_u16_be(&w, (uint16_t)(x->out.at - x->set));
}

/* Records of one template that follow each other are one set. */
static void open_set(struct weir_ipfix *x, uint16_t id)
{
	if (x->set != NULL && x->set_id == id)
		return;
	close_set(x);
	x->set = x->out.at;
	x->set_id = id;
	weir_put_u16_be(&x->out, id);
	weir_put_u16_be(&x->out, 0); /* its bytes, when they are known */
}

/* What is due besides data: templates, then that of the names of zones, then the names. */
static unsigned due(const struct weir_ipfix *x)
{
	const bool names = x->conf.names != NULL && x->conf.names->zone != NULL;

	return TEMPLATES + (names ? 1u + x->conf.n_zones : 0);
}

static void put_due(struct weir_ipfix *x)
{
	const unsigned i = x->written, zone = i - TEMPLATES - 1;
	const char *name;

	if (i < TEMPLATES) {
		open_set(x, SET_TEMPLATES);
		put_template(x, i);
	} else if (i == TEMPLATES) {
		open_set(x, SET_OPTIONS);
		put_zones_template(&x->out);
	} else {
		name = x->conf.names->zone(x->conf.names->ctx, zone);
		if (name == NULL)
			return;
		open_set(x, ZONES_TEMPLATE);
		put_zone(&x->out, zone, name);
		x->records++;
	}
}

/* Give up what did not fit: the message is as it was. */
static bool take_back(struct weir_ipfix *x, const struct weir_ipfix *before)
{
	if (!x->out.bad)
		return false;
	*x = *before;
	return true;
}

int weir_ipfix_put(struct weir_ipfix *x, const struct weir_record *r)
{
	const int template = template_of(r);
	struct weir_ipfix before;

	if (template <0)
		return template;
	for (; x->written < due(x); x->written++) {
		before = *x;
		put_due(x);
		if (take_back(x, &before))
			return -ENOBUFS;
	}
	before = *x;
	open_set(x, (uint16_t)(FIRST_TEMPLATE + template));
	put_record(&x->out, r, templates[template]);
	x->records++;
	return take_back(x, &before) ? -ENOBUFS : 0;
}

/* ---- messages ---- */

int weir_ipfix_init(struct weir_ipfix *x, const struct weir_ipfix_conf *conf)
{
	if (conf->n_zones > WEIR_IPFIX_ZONES_MAX)
		return -EINVAL;
	*x = (struct weir_ipfix){.conf = *conf};
	return 0;
}

/* A clock that was set back makes them due too. */
static bool templates_are_due(const struct weir_ipfix *x, uint64_t now_ns)
{
	return x->templates_ns == 0 || now_ns - x->templates_ns >= x->conf.template_every_ns ||
	       (x->conf.template_every_msgs != 0 && x->messages >= x->conf.template_every_msgs);
}

void weir_ipfix_begin(struct weir_ipfix *x, void *buf, size_t bytes, uint64_t now_ns)
{
	const size_t most = bytes < UINT16_MAX ? bytes : UINT16_MAX;

	assert(bytes >= WEIR_IPFIX_BYTES_MIN);
	if (x->written == due(x) && templates_are_due(x, now_ns))
		x->written = 0;
	if (x->written == 0) {
		x->templates_ns = now_ns;
		x->messages = 0;
	}
	x->message = buf;
	x->out = (struct weir_writer){.at = buf, .end = (uint8_t *)buf + most};
	x->set = NULL;
	x->records = 0;
	weir_put_u16_be(&x->out, VERSION);
	weir_put_u16_be(&x->out, 0); /* bytes, when they are known */
	weir_put_u32_be(&x->out, (uint32_t)(now_ns / NS_PER_S));
	weir_put_u32_be(&x->out, x->sequence);
	weir_put_u32_be(&x->out, x->conf.domain);
}

size_t weir_ipfix_end(struct weir_ipfix *x)
{
	const size_t bytes = (size_t)(x->out.at - x->message);
	struct weir_writer w = {.at = x->message + MESSAGE_BYTES_AT, .end = x->message + bytes};

	if (x->set == NULL)
		return 0;
	close_set(x);
	weir_put_u16_be(&w, (uint16_t)bytes);
	x->sequence += x->records;
	x->messages++;
	return bytes;
}
