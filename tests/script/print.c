/* SPDX-License-Identifier: BSD-3-Clause */

/* A segment as tcpdump and packetdrill write it. */

#include "run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct out {
	char *at;
	size_t room;
};

__attribute__((format(printf, 2, 3))) static void add(struct out *o, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(o->at, o->room, fmt, args);
	va_end(args);
	if (n > 0 && (size_t)n < o->room) {
		o->at += n;
		o->room -= (size_t)n;
	}
}

static void add_bytes(struct out *o, const char *name, const struct opt *opt)
{
	add(o, "%s%s", name, opt->bytes > 0 ? " " : "");
	for (unsigned i = 0; i < opt->bytes; i++)
		add(o, "%02x", opt->data[i]);
}

static void add_opt(struct out *o, const struct opt *opt)
{
	switch (opt->kind) {
	case OPT_EOL:
		add(o, "eol");
		break;
	case OPT_NOP:
		add(o, "nop");
		break;
	case OPT_MSS:
		add(o, "mss %" PRIu32, opt->value);
		break;
	case OPT_WSCALE:
		add(o, "wscale %" PRIu32, opt->value);
		break;
	case OPT_SACKOK:
		add(o, "sackOK");
		break;
	case OPT_UTO:
		add(o, "uto %" PRIu32, opt->value);
		break;
	case OPT_TS:
		add(o, "TS val %" PRIu32 " ecr %" PRIu32, opt->value, opt->echo);
		break;
	case OPT_SACK:
		add(o, "sack");
		for (unsigned i = 0; i < opt->blocks; i++)
			add(o, " %" PRIu32 ":%" PRIu32, opt->sack[i][0], opt->sack[i][1]);
		break;
	case OPT_FO:
		add_bytes(o, "FO", opt);
		break;
	case OPT_RAW:
		add_bytes(o, "raw", opt);
		break;
	default:
		add(o, "kind %u", opt->kind);
		add_bytes(o, "", opt);
		break;
	}
}

void print_seg(char *text, size_t room, const struct seg *g)
{
	static const char letters[] = "FSRP.UEW", *const ecn[] = {"noecn", "ect1", "ect0", "ce"};
	struct out o = {text, room};

	if (g->ecn < 4)
		add(&o, "[%s] ", ecn[g->ecn]);
	for (unsigned i = 0; i < 8; i++)
		if (g->flags & 1 << i && i != 4)
			add(&o, "%c", letters[i]);
	add(&o, "%s", g->flags & FLAG_ACK ? "." : g->flags == 0 ? "-" : "");
	add(&o, " %" PRIu32 ":%" PRIu32 "(%" PRIu32 ")", g->seq, g->seq + g->bytes, g->bytes);
	if (g->flags & FLAG_ACK)
		add(&o, " ack %" PRIu32, g->ack);
	if (g->has_wnd)
		add(&o, " win %u", g->wnd);
	if (g->has_urg)
		add(&o, " urg %u", g->urg);
	if (g->any_opts)
		add(&o, " <...>");
	for (unsigned i = 0; i < g->n_opts; i++) {
		add(&o, "%s", i == 0 ? " <" : ",");
		add_opt(&o, &g->opts[i]);
	}
	if (g->n_opts > 0)
		add(&o, ">");
}
