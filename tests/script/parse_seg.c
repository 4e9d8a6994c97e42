/* SPDX-License-Identifier: BSD-3-Clause */

/* A packet's line: [ect0] 8080 > 50000 S. 0:0(0) ack 1 win 1000 urg 1 <mss 1460,nop>. */

#include "lex.h"

#include <ctype.h>
#include <string.h>

static const char flag_letters[] = "FSRP.UEW";

static void parse_flags(struct lexer *l, struct seg *g)
{
	char text[WORD_MOST];

	if (lex_is(l, "udp") || lex_is(l, "ipv4") || lex_is(l, "ipv6") || lex_is(l, "gre") ||
	    lex_is(l, "mpls")) {
		lex_wrong(l, "only TCP and ICMP errors are supported here");
		return;
	}
	if (lex_is(l, "-"))
		return;
	if (!lex_chars(l, flag_letters, text)) {
		lex_wrong(l, "a segment's flags are missing, of %s", flag_letters);
		return;
	}
	for (const char *p = text; *p != 0; p++)
		g->flags |= (uint8_t)(1u << (strchr(flag_letters, *p) - flag_letters));
}

static void parse_ip(struct lexer *l, struct seg *g)
{
	static const char *const ecn[] = {"noecn", "ect1", "ect0", "ce"};

	if (!lex_is(l, "[") && !lex_is(l, "("))
		return;
	for (unsigned i = 0; i < 4; i++)
		if (lex_is(l, ecn[i]))
			g->ecn = (uint8_t)i;
	if (lex_is(l, "ect01"))
		g->ecn = ECN_ECT0_OR_ECT1;
	if (lex_is(l, "tos")) {
		g->tos = (uint8_t)lex_number(l, 0, UINT8_MAX, "tos");
		g->has_tos = true;
	}
	if (g->ecn == ECN_ANY && !g->has_tos)
		lex_wrong(l,
			  "of the IP header only noecn, ect0, ect1, ect01, ce and tos are known");
	if (!lex_is(l, "]"))
		lex_want(l, ")");
}

static void parse_ports(struct lexer *l, struct seg *g)
{
	if (!lex_is_number(l))
		return;
	g->src_port = (uint16_t)lex_number(l, 1, UINT16_MAX, "the source port");
	lex_want(l, ">");
	g->dst_port = (uint16_t)lex_number(l, 1, UINT16_MAX, "the destination port");
}

static void parse_seq(struct lexer *l, struct seg *g)
{
	uint32_t end;

	g->seq = (uint32_t)lex_number(l, 0, UINT32_MAX, "the sequence number");
	lex_want(l, ":");
	end = (uint32_t)lex_number(l, 0, UINT32_MAX, "the end's sequence number");
	lex_want(l, "(");
	g->bytes = (uint32_t)lex_number(l, 0, UINT16_MAX, "the number of bytes");
	lex_want(l, ")");
	if (g->seq + g->bytes != end)
		lex_wrong(l, "sequence numbers and the number of bytes disagree");
}

/* ---- ICMP errors: icmp unreachable frag_needed mtu 1400 [1:1461(1460)] ---- */

struct icmp_name {
	const char *text;
	uint8_t type, code;
};

/* The more words first. */
static const struct icmp_name names4[] = {
	{"unreachable net_unreachable", 3, 0},	    {"unreachable host_unreachable", 3, 1},
	{"unreachable protocol_unreachable", 3, 2}, {"unreachable port_unreachable", 3, 3},
	{"unreachable frag_needed", 3, 4},	    {"time_exceeded exceeded_ttl", 11, 0},
};

static const struct icmp_name names6[] = {
	{"unreachable net_unreachable", 1, 0},	{"unreachable host_unreachable", 1, 3},
	{"unreachable port_unreachable", 1, 4}, {"packet_too_big", 2, 0},
	{"time_exceeded exceeded_ttl", 3, 0},
};

static void parse_icmp(struct lexer *l, struct seg *g, bool inbound)
{
	const bool v6 = l->script->set.v6;
	const struct icmp_name *names = v6 ? names6 : names4;
	const size_t n = v6 ? sizeof(names6) / sizeof(names6[0])
			    : sizeof(names4) / sizeof(names4[0]);
	size_t i = 0;

	while (i < n && !lex_is(l, names[i].text))
		i++;
	if (i == n || !inbound) {
		lex_wrong(l, "an ICMP error that is not known, or that the stack would send");
		return;
	}
	g->is_icmp = true;
	g->icmp_type = names[i].type;
	g->icmp_code = names[i].code;
	if (lex_is(l, "mtu"))
		g->icmp_mtu = (uint32_t)lex_number(l, 0, UINT16_MAX, "mtu");
	lex_want(l, "[");
	parse_seq(l, g);
	lex_want(l, "]");
}

/* ---- options ---- */

static uint8_t parse_hex(struct lexer *l, uint8_t *out, size_t most)
{
	char text[WORD_MOST] = "";
	size_t n;

	if (isxdigit((unsigned char)lex_peek(l)))
		lex_chars(l, "0123456789abcdefABCDEF", text);
	n = strlen(text);
	if (n % 2 != 0 || n / 2 > most) {
		lex_wrong(l, "an odd number of hexadecimal digits, or too many");
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		const int c = tolower((unsigned char)text[i]);
		const int d = c <= '9' ? c - '0' : c - 'a' + 10;

		out[i / 2] = (uint8_t)(out[i / 2] << 4 | d);
	}
	return (uint8_t)(n / 2);
}

static void parse_sack(struct lexer *l, struct opt *o)
{
	o->kind = OPT_SACK;
	while (lex_is_number(l)) {
		if (o->blocks == OPT_BLOCKS) {
			lex_wrong(l, "more than %d SACK blocks", OPT_BLOCKS);
			return;
		}
		o->sack[o->blocks][0] = (uint32_t)lex_number(l, 0, UINT32_MAX, "sack");
		lex_want(l, ":");
		o->sack[o->blocks++][1] = (uint32_t)lex_number(l, 0, UINT32_MAX, "sack");
	}
}

static void parse_ts(struct lexer *l, struct opt *o)
{
	o->kind = OPT_TS;
	lex_want(l, "val");
	o->value = (uint32_t)lex_number(l, 0, UINT32_MAX, "val");
	lex_want(l, "ecr");
	o->echo = (uint32_t)lex_number(l, 0, UINT32_MAX, "ecr");
}

static void parse_opt(struct lexer *l, struct opt *o)
{
	if (lex_is(l, "nop")) {
		o->kind = OPT_NOP;
	} else if (lex_is(l, "eol")) {
		o->kind = OPT_EOL;
	} else if (lex_is(l, "mss")) {
		o->kind = OPT_MSS;
		o->value = (uint32_t)lex_number(l, 0, UINT16_MAX, "mss");
	} else if (lex_is(l, "wscale")) {
		o->kind = OPT_WSCALE;
		o->value = (uint32_t)lex_number(l, 0, UINT8_MAX, "wscale");
	} else if (lex_is(l, "sackOK")) {
		o->kind = OPT_SACKOK;
	} else if (lex_is(l, "sack")) {
		parse_sack(l, o);
	} else if (lex_is(l, "TS")) {
		parse_ts(l, o);
	} else if (lex_is(l, "FO")) {
		o->kind = OPT_FO;
		o->cookie = lex_is(l, "COOKIE1") ? 1 : lex_is(l, "COOKIE2") ? 2 : 0;
		o->bytes = o->cookie != 0 ? COOKIE_BYTES : parse_hex(l, o->data, 16);
	} else if (lex_is(l, "uto")) { /* not packetdrill's, as the next */
		o->kind = OPT_UTO;
		o->value = (uint32_t)lex_number(l, 0, UINT16_MAX, "uto");
	} else if (lex_is(l, "raw")) {
		o->kind = OPT_RAW;
		o->bytes = parse_hex(l, o->data, OPT_BYTES_MOST);
	} else {
		lex_wrong(l, "an option that is not known");
	}
}

static void parse_opts(struct lexer *l, struct seg *g, bool inbound)
{
	if (!lex_is(l, "<"))
		return;
	if (lex_is(l, "...")) {
		g->any_opts = true;
		if (inbound)
			lex_wrong(l, "<...> is for what the stack sends");
	} else {
		do {
			if (g->n_opts == OPTS_MOST) {
				lex_wrong(l, "too many options");
				return;
			}
			parse_opt(l, &g->opts[g->n_opts++]);
		} while (lex_is(l, ","));
	}
	lex_want(l, ">");
}

struct seg *parse_seg(struct lexer *l, bool inbound)
{
	struct seg *g = script_alloc(l->script, sizeof(*g));

	g->ecn = ECN_ANY;
	parse_ip(l, g);
	parse_ports(l, g);
	if (lex_is(l, "icmp")) {
		parse_icmp(l, g, inbound);
		return g;
	}
	parse_flags(l, g);
	parse_seq(l, g);
	if (lex_is(l, "ack"))
		g->ack = (uint32_t)lex_number(l, 0, UINT32_MAX, "ack");
	if (lex_is(l, "win")) {
		g->wnd = (uint16_t)lex_number(l, 0, UINT16_MAX, "win");
		g->has_wnd = true;
	}
	if (lex_is(l, "urg")) {
		g->urg = (uint16_t)lex_number(l, 0, UINT16_MAX, "urg");
		g->has_urg = true;
	}
	parse_opts(l, g, inbound);
	if (inbound && !g->has_wnd && !(g->flags & FLAG_RST))
		lex_wrong(l, "a segment to the stack says its window: win N");
	if (inbound && g->ecn == ECN_ECT0_OR_ECT1)
		lex_wrong(l, "[ect01] is for what the stack sends");
	return g;
}
