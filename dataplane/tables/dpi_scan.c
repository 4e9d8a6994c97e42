/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_scan: payload meets hyperscan.
 *
 * Takes: the next bytes of a stream, or a datagram. Says: what was found, through dpi_found().
 * A match counts if the rule is of this direction and these ports; as those are the same for a
 * whole stream, a pattern that is reported once need not be looked for again.
 */
#include "dpi_worker_priv.h"

static bool is_in(const struct dpi_ports *ports, uint16_t port)
{
	for (uint32_t i = 0; i < ports->n; i++)
		if (port >= ports->range[i].lo && port <= ports->range[i].hi)
			return true;
	return ports->n == 0;
}

static bool is_for(const struct dpi_rule *rule, const struct weir_dpi_flow *flow, enum weir_dir dir)
{
	const uint16_t sport = dir == WEIR_DIR_ORIG ? flow->sport : flow->dport;
	const uint16_t dport = dir == WEIR_DIR_ORIG ? flow->dport : flow->sport;

	if ((rule->dirs & 1u << dir) == 0)
		return false;
	return (is_in(&rule->sport, sport) && is_in(&rule->dport, dport)) ||
	       (rule->either_way && is_in(&rule->sport, dport) && is_in(&rule->dport, sport));
}

int dpi_on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		 void *ctx)
{
	const struct dpi_look *look = ctx;
	const struct dpi_rule *rule = &look->d->rules.rule[id];

	if (is_for(rule, &look->st->flow, look->dir))
		dpi_found(look, &(struct dpi_found){.id = rule->id,
						    .by = WEIR_DPI_BY_PATTERN,
						    .action = rule->action,
						    .app = rule->app,
						    .end = to,
						    .message = rule->message});
	return look->verdict->action != WEIR_DPI_PASS; /* then the rest does not matter */
}

/* Of these bytes, those that the budget has room for; the last ones end the way. */
static uint32_t within_budget(const struct dpi_look *look, uint32_t bytes)
{
	const uint64_t left = look->d->budget_bytes - look->way->seen_bytes;

	if (likely(bytes <= left))
		return bytes;
	weir_count(&look->w->counters.over_budget, 1);
	return (uint32_t)left;
}

static void spend(const struct dpi_look *look, uint32_t bytes)
{
	look->way->seen_bytes += bytes;
	weir_count(&look->w->counters.bytes, bytes);
}

static bool failed(const struct dpi_look *look, hs_error_t rc)
{
	if (likely(rc == HS_SUCCESS || rc == HS_SCAN_TERMINATED))
		return false;
	weir_count(&look->w->counters.failed, 1);
	return true;
}

static bool scan_stream(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	return !failed(look,
		       hs_scan_stream(look->way->stream, (const char *)p, bytes, 0,
				      look->side->scratch, dpi_on_match, (void *)(uintptr_t)look));
}

/* The stream of this state and direction begins. */
static bool open_stream(const struct dpi_look *look)
{
	const size_t number = WEIR_DIRS * (size_t)(look->st - look->w->state) + look->dir;
	uint8_t *at = look->side->streams + number * look->side->stride;

	if (look->way->stream != NULL)
		return true;
	if (failed(look, hs_reset_stream((hs_stream_t *)at, 0, look->side->scratch, NULL, NULL)))
		return false;
	look->way->stream = (hs_stream_t *)at;
	return true;
}

void dpi_scan_plain(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	spend(look, bytes);
	if (unlikely(!scan_stream(look, p, bytes)))
		dpi_way_end(look->w, look->st, look->dir);
}

void dpi_scan(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	const uint32_t n = within_budget(look, bytes);
	struct dpi_state *st = look->st;
	bool more = n == bytes;

	spend(look, n);
	if (st->sniffing && look->dir == WEIR_DIR_ORIG)
		dpi_sniff(look, p, n);
	if (look->verdict->action == WEIR_DPI_PASS && look->side->streams != NULL && n > 0)
		more &= open_stream(look) && scan_stream(look, p, n);
	if (!more && st->sniffing && look->dir == WEIR_DIR_ORIG)
		dpi_sniff_end(look);
	more &= look->side->streams != NULL || (look->dir == WEIR_DIR_ORIG && st->sniffing);
	if (!more)
		dpi_way_end(look->w, st, look->dir);
}

/* Inspect a datagram in one piece. */
static inline void scan_datagram(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	const hs_database_t *db = look->d->db[DPI_BLOCK];
	const uint32_t n = within_budget(look, bytes);

	spend(look, n);
	if (look->dir == WEIR_DIR_ORIG)
		dpi_sniff_datagram(look, p, n);
	if (likely(look->verdict->action == WEIR_DPI_PASS && db != NULL))
		failed(look, hs_scan(db, (const char *)p, n, 0, look->side->scratch, dpi_on_match,
				     (void *)(uintptr_t)look));
	if (unlikely(n < bytes))
		dpi_way_end(look->w, look->st, look->dir);
}

/* Its bytes in one piece; NULL: there are fewer, or more than a datagram has. */
static inline const uint8_t *in_one_piece(const struct weir_dpi_worker *w, const struct rte_mbuf *m,
					  uint32_t off, uint32_t bytes)
{
	if (likely((uint64_t)off + bytes <= m->data_len))
		return rte_pktmbuf_mtod_offset(m, const uint8_t *, off);
	return bytes <= DPI_DATAGRAM_BYTES ? rte_pktmbuf_read(m, off, bytes, w->flat) : NULL;
}

struct weir_dpi_verdict weir_dpi_datagram(struct weir_dpi_worker *w, const struct weir_dpi *d,
					  uint32_t state, enum weir_dir dir,
					  const struct rte_mbuf *m, uint32_t off, uint32_t bytes)
{
	const uint8_t *p = in_one_piece(w, m, off, bytes);
	struct weir_dpi_verdict v;
	struct dpi_look look;

	if (unlikely(p == NULL || !dpi_look_begin(&look, w, d, state, dir))) {
		weir_count(&w->counters.failed, 1);
		return (struct weir_dpi_verdict){.action = WEIR_DPI_PASS};
	}
	v = look.st->verdict; /* PASS, for none is kept */
	look.verdict = &v;
	weir_count(&w->counters.datagrams, 1);
	if (likely(bytes > 0 && !look.way->done))
		scan_datagram(&look, p, bytes);
	/* No byte of what is returned is written right before: reading it whole would wait for
	 * that. */
	if (look.st->verdict.app != v.app)
		look.st->verdict.app = v.app;
	if (unlikely(look.st->verdict.done))
		v.done = true;
	return v;
}
