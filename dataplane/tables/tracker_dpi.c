/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A flow under inspection: its state, whose number is in its extension, and what is found in it as
 * records. The state begins with the first packet that 45_dpi sees of the flow, and ends with the
 * flow, with a verdict, or when nothing is left to inspect.
 */

#include "tracker_priv.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <weir/shard.h>

static enum weir_record_text text_kind(enum weir_sniff_proto proto)
{
	static const uint8_t kinds[WEIR_SNIFF_PROTOS] = {
		[WEIR_SNIFF_TLS] = WEIR_RECORD_TEXT_SNI,
		[WEIR_SNIFF_HTTP] = WEIR_RECORD_TEXT_HOST,
		[WEIR_SNIFF_DNS] = WEIR_RECORD_TEXT_QNAME,
	};

	return kinds[proto] == WEIR_RECORD_TEXT_NONE ? WEIR_RECORD_TEXT_PLAIN
						     : (enum weir_record_text)kinds[proto];
}

static uint8_t record_action(uint8_t action)
{
	static const uint8_t actions[WEIR_DPI_ACTIONS] = {
		[WEIR_DPI_PASS] = WEIR_RECORD_ACCEPT,  [WEIR_DPI_ALERT] = WEIR_RECORD_ACCEPT,
		[WEIR_DPI_TAG] = WEIR_RECORD_TAG,      [WEIR_DPI_DROP] = WEIR_RECORD_DROP,
		[WEIR_DPI_RESET] = WEIR_RECORD_REJECT,
	};

	return actions[action];
}

void tracker_alert(void *tracker, const struct weir_dpi_alert *alert)
{
	struct weir_tracker *t = tracker;
	const struct weir_flow *f = weir_flow_at(t->flows, alert->flow);
	const struct weir_flow_ext *ext = weir_flow_ext(t->flows, f);
	struct weir_record *r;

	if (t->records == NULL || !weir_record_allow(t->records, WEIR_RECORD_ALERT, t->now_ns))
		return;
	r = weir_record_begin(t->records, WEIR_RECORD_ALERT, t->now_ns);
	if (r == NULL)
		return;
	tracker_fill(t, f, alert->flow, r);
	r->gid = alert->by == WEIR_DPI_BY_DOMAIN ? WEIR_RECORD_GID_DOMAINS
						 : WEIR_RECORD_GID_PATTERNS;
	r->signature = alert->id;
	r->action = record_action(alert->action);
	if (alert->action == WEIR_DPI_TAG)
		r->app = alert->app;
	if (alert->name[0] != '\0')
		weir_record_set_text(r, text_kind(weir_dpi_sniffed(t->dpi, ext->dpi)->proto),
				     alert->name, strlen(alert->name));
	weir_record_commit(t->records);
}

uint32_t tracker_inspect(struct weir_tracker *t, struct weir_flow *f)
{
	struct weir_flow_ext *ext = weir_flow_extend(t->flows, f);

	if (unlikely(ext == NULL)) {
		weir_count(&t->dpi_no_ext, 1);
		return 0;
	}
	if (likely(ext->dpi != 0))
		return ext->dpi;
	ext->dpi = weir_dpi_begin(t->dpi, t->patterns,
				  &(struct weir_dpi_flow){
					  .flow = (uint32_t)(f - weir_flow_at(t->flows, 0)),
					  .sport = rte_be_to_cpu_16(f->sport),
					  .dport = rte_be_to_cpu_16(f->dport),
					  .proto = f->proto,
				  });
	return ext->dpi;
}

void tracker_inspect_end(struct weir_tracker *t, struct weir_flow *f)
{
	struct weir_flow_ext *ext;

	if (!(f->flags & WEIR_FLOW_INSPECT))
		return;
	ext = weir_flow_ext(t->flows, f);
	if (ext != NULL) {
		if (ext->dpi < WEIR_FLOW_DROPPED)
			weir_dpi_end(t->dpi, t->patterns, ext->dpi);
		ext->dpi = 0;
		weir_flow_retract(t->flows, f);
	}
	f->flags &= (uint16_t)~WEIR_FLOW_INSPECT;
}

void tracker_block(struct weir_tracker *t, struct weir_flow *f, uint32_t how)
{
	struct weir_flow_ext *ext = weir_flow_ext(t->flows, f);

	weir_dpi_end(t->dpi, t->patterns, ext->dpi);
	ext->dpi = how;
}
