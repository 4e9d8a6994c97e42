/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The flow table of one worker: its memory and the life of an entry.
 *
 *	free -> draft -> known -> free		draft(), commit(), the end
 *	           '--- abort() ---^
 *
 * All memory is one piece: the table, its buckets, entries, extensions, sources.
 */

#include "flow_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

/* Where the parts of the piece begin. */
struct layout {
	uint64_t buckets, over, entries, exts, sources, end; /* bytes */
	uint32_t n_buckets, n_over, n_sources;
};

static uint64_t place(uint64_t *end, uint64_t n, size_t bytes)
{
	const uint64_t at = *end;

	*end = RTE_ALIGN_CEIL(at + n * bytes, (uint64_t)RTE_CACHE_LINE_SIZE);
	return at;
}

static struct layout lay_out(const struct weir_flow_conf *conf)
{
	const uint64_t refs = (uint64_t)conf->entries * WEIR_DIRS;
	struct layout l = {0};

	l.n_buckets = (uint32_t)(refs / FLOW_SLOTS_USE + 2);
	l.n_over = RTE_MIN(l.n_buckets / FLOW_OVER_SHARE + 4, (uint32_t)FLOW_OVER_MAX);
	/* Half of the slots stay free, so that two choices are enough. */
	l.n_sources = conf->sources == 0 ? 0 : conf->sources / (FLOW_SOURCE_SLOTS / 2) + 2;
	place(&l.end, 1, sizeof(struct weir_flow_table));
	l.buckets = place(&l.end, l.n_buckets, sizeof(struct flow_bucket));
	l.over = place(&l.end, l.n_over, sizeof(struct flow_bucket));
	l.entries = place(&l.end, conf->entries, sizeof(struct weir_flow));
	l.exts = place(&l.end, (uint64_t)conf->exts + 1, sizeof(struct weir_flow_ext));
	l.sources = place(&l.end, l.n_sources, sizeof(struct flow_sources));
	return l;
}

uint64_t weir_flow_table_size(const struct weir_flow_conf *conf)
{
	return lay_out(conf).end;
}

static int judge(const struct weir_flow_conf *conf, struct weir_why *why)
{
	if (conf->entries == 0 || conf->entries > WEIR_FLOWS_MAX)
		return weir_why(why, -EINVAL, "flow table: %" PRIu32 " entries, must be 1 to %u",
				conf->entries, WEIR_FLOWS_MAX);
	if (conf->exts > conf->entries)
		return weir_why(why, -EINVAL,
				"flow table: %" PRIu32 " extensions, must be 0 to its %" PRIu32
				" entries",
				conf->exts, conf->entries);
	if (conf->sources > WEIR_FLOWS_MAX)
		return weir_why(why, -EINVAL, "flow table: %" PRIu32 " sources, must be 0 to %u",
				conf->sources, WEIR_FLOWS_MAX);
	return 0;
}

/* Free lists that give the first entry first. */
static void chain_up(struct weir_flow_table *t, const struct weir_flow_conf *conf, uint32_t n_over)
{
	t->free = FLOW_NONE;
	for (uint32_t i = conf->entries; i-- > 0;) {
		t->entries[i].next = t->free;
		t->free = i;
	}
	for (uint32_t i = conf->exts; i > 0; i--) {
		t->exts[i].dpi = t->free_ext;
		t->free_ext = i;
	}
	for (uint32_t i = n_over; i > 0; i--) {
		t->over[i - 1].over = (uint16_t)t->free_over;
		t->free_over = i;
	}
}

int weir_flow_table_create(const struct weir_flow_conf *conf, struct weir_flow_table **out,
			   struct weir_why *why)
{
	const struct layout l = lay_out(conf);
	struct weir_flow_table *t;
	int rc = judge(conf, why);

	if (rc < 0)
		return rc;
	t = rte_zmalloc_socket("weir_flows", l.end, RTE_CACHE_LINE_SIZE,
			       conf->numa < 0 ? SOCKET_ID_ANY : conf->numa);
	if (t == NULL)
		return weir_why(why, -ENOMEM,
				"flow table: no %" PRIu64 " MiB for %" PRIu32
				" entries: lower them, or give more hugepages",
				(l.end + (1 << 20) - 1) >> 20, conf->entries);
	rc = flow_set_timeouts(t, conf->timeout_ns);
	if (rc < 0) {
		rte_free(t);
		return weir_why(why, rc, "flow table: a timeout must be 1 ms to 24 days");
	}
	t->buckets = RTE_PTR_ADD(t, l.buckets);
	t->over = RTE_PTR_ADD(t, l.over);
	t->entries = RTE_PTR_ADD(t, l.entries);
	t->exts = RTE_PTR_ADD(t, l.exts);
	t->sources = RTE_PTR_ADD(t, l.sources);
	t->n_buckets = l.n_buckets;
	t->n_entries = conf->entries;
	t->n_sources = l.n_sources;
	t->max_sources = conf->sources;
	t->secret = conf->secret;
	for (uint64_t i = 0; i < FLOW_KEY_WORDS; i++)
		t->key[i] = weir_siphash24(&conf->secret, &i, sizeof(i));
	chain_up(t, conf, l.n_over);
	flow_queues_init(t);
	*out = t;
	return 0;
}

void weir_flow_table_free(struct weir_flow_table *t)
{
	rte_free(t);
}

void weir_flow_table_on_end(struct weir_flow_table *t, weir_flow_end_fn *fn, void *ctx)
{
	t->on_end = fn;
	t->on_end_ctx = ctx;
}

const struct weir_flow_stats *weir_flow_table_stats(const struct weir_flow_table *t)
{
	return &t->stats;
}

void weir_flow_table_tick(struct weir_flow_table *t, uint64_t now_ns)
{
	t->now_ms = (uint32_t)(now_ns / 1000000); /* by a constant: the compiler multiplies */
}

uint32_t weir_flow_table_now_ms(const struct weir_flow_table *t)
{
	return t->now_ms;
}

struct weir_flow *weir_flow_at(const struct weir_flow_table *t, uint32_t flow)
{
	return &t->entries[flow];
}

static enum weir_flow_class first_class(uint8_t proto)
{
	return proto == IPPROTO_TCP ? WEIR_FLOW_HALF_OPEN : WEIR_FLOW_UNANSWERED;
}

uint32_t weir_flow_draft(struct weir_flow_table *t, const struct weir_tuple *tuple)
{
	struct weir_flow *f;

	if (unlikely(tuple->vrf > UINT8_MAX) || (t->free == FLOW_NONE && !flow_evict(t))) {
		flow_more(&t->stats.refused);
		return WEIR_NO_FLOW;
	}
	f = &t->entries[t->free];
	t->free = f->next;
	if (t->free != FLOW_NONE) { /* the next draft's */
		rte_prefetch0(&t->entries[t->free]);
		rte_prefetch0(t->entries[t->free].carried);
	}
	memset(f, 0, sizeof(*f));
	if (tuple->family == 4) {
		memcpy(&f->v4.src, tuple->src, sizeof(f->v4.src));
		memcpy(&f->v4.dst, tuple->dst, sizeof(f->v4.dst));
		f->v4.xsrc = f->v4.src;
		f->v4.xdst = f->v4.dst;
	} else {
		memcpy(f->v6.src, tuple->src, sizeof(f->v6.src));
		memcpy(f->v6.dst, tuple->dst, sizeof(f->v6.dst));
	}
	f->sport = f->xsport = tuple->sport;
	f->dport = f->xdport = tuple->dport;
	f->proto = tuple->proto;
	f->family = tuple->family;
	f->vrf = tuple->vrf;
	f->cls = (uint8_t)first_class(tuple->proto);
	f->flags = WEIR_FLOW_DRAFT;
	f->start_ms = f->last_ms = t->now_ms;
	f->prev = f->next = FLOW_NONE;
	flow_more(&t->stats.used);
	return flow_index(t, f);
}

static void give_ext_back(struct weir_flow_table *t, struct weir_flow *f)
{
	if (f->ext == 0)
		return;
	t->exts[f->ext].dpi = t->free_ext;
	t->free_ext = f->ext;
	f->ext = 0;
	flow_less(&t->stats.exts_used);
}

/* What every entry gives back. */
static void put_back(struct weir_flow_table *t, struct weir_flow *f)
{
	if (f->flags & WEIR_FLOW_LIMITED)
		flow_limit_release(t, f);
	if (t->on_end != NULL)
		t->on_end(t->on_end_ctx, f, flow_index(t, f));
	give_ext_back(t, f);
	f->family = 0;
	f->flags = 0;
	f->next = t->free;
	t->free = flow_index(t, f);
	flow_less(&t->stats.used);
}

void weir_flow_abort(struct weir_flow_table *t, uint32_t flow)
{
	struct weir_flow *f = &t->entries[flow];

	if (f->flags & WEIR_FLOW_DRAFT)
		put_back(t, f);
}

void flow_end(struct weir_flow_table *t, struct weir_flow *f, uint64_t *counter)
{
	const uint32_t flow = flow_index(t, f);
	struct weir_tuple tuple;

	for (unsigned dir = 0; dir < WEIR_DIRS; dir++) {
		weir_flow_tuple(t, f, (enum weir_dir)dir, &tuple);
		flow_remove(t, flow_hash(t, &tuple), flow << 1 | dir);
	}
	flow_dequeue(t, f);
	flow_more(counter);
	if (f->zone[WEIR_DIR_ORIG] < FLOW_ZONES)
		t->zone_flows[f->zone[WEIR_DIR_ORIG]]--;
	put_back(t, f);
}

void weir_flow_kill(struct weir_flow_table *t, uint32_t flow)
{
	struct weir_flow *f = &t->entries[flow];

	if (f->flags & WEIR_FLOW_DRAFT)
		put_back(t, f);
	else if (f->family != 0)
		flow_end(t, f, &t->stats.killed);
}

/* The reference of a tuple; a flow that should have gone by now goes. */
static uint32_t find_alive(struct weir_flow_table *t, const struct weir_tuple *tuple, uint64_t hash)
{
	const uint32_t ref = flow_find(t, tuple, hash);
	struct weir_flow *f;

	if (ref == WEIR_NO_FLOW)
		return ref;
	f = &t->entries[ref >> 1];
	if (f->flags & WEIR_FLOW_DEAD)
		flow_end(t, f, &t->stats.killed);
	else if (flow_timed_out(t, f))
		flow_end(t, f, &t->stats.expired[f->cls]);
	else
		return ref;
	return WEIR_NO_FLOW;
}

/* Both its references are in the index, or none. */
static int enter(struct weir_flow_table *t, uint32_t flow, const uint64_t hash[WEIR_DIRS])
{
	int rc = flow_insert(t, hash[WEIR_DIR_ORIG], flow << 1 | WEIR_DIR_ORIG);

	if (rc < 0)
		return rc;
	rc = flow_insert(t, hash[WEIR_DIR_REPLY], flow << 1 | WEIR_DIR_REPLY);
	if (rc < 0)
		flow_remove(t, hash[WEIR_DIR_ORIG], flow << 1 | WEIR_DIR_ORIG);
	return rc;
}

void weir_flow_prefetch(const struct weir_flow_table *t, uint32_t flow)
{
	struct weir_tuple replies;

	weir_flow_tuple(t, &t->entries[flow], WEIR_DIR_REPLY, &replies);
	rte_prefetch0(flow_first(t, flow_hash(t, &replies)));
}

int weir_flow_commit(struct weir_flow_table *t, uint32_t flow, uint32_t *ref)
{
	struct weir_flow *f = &t->entries[flow];
	struct weir_tuple tuple[WEIR_DIRS];
	uint64_t hash[WEIR_DIRS];
	uint32_t other;
	int rc;

	for (unsigned dir = 0; dir < WEIR_DIRS; dir++) {
		weir_flow_tuple(t, f, (enum weir_dir)dir, &tuple[dir]);
		hash[dir] = flow_hash(t, &tuple[dir]);
	}
	other = find_alive(t, &tuple[WEIR_DIR_ORIG], hash[WEIR_DIR_ORIG]);
	if (other != WEIR_NO_FLOW) {
		*ref = other;
		flow_more(&t->stats.raced);
		put_back(t, f);
		return -EEXIST;
	}
	if (find_alive(t, &tuple[WEIR_DIR_REPLY], hash[WEIR_DIR_REPLY]) != WEIR_NO_FLOW)
		return -EADDRINUSE;
	rc = enter(t, flow, hash);
	if (rc < 0)
		return rc;
	f->flags &= (uint16_t)~WEIR_FLOW_DRAFT;
	flow_enqueue(t, f);
	if (f->zone[WEIR_DIR_ORIG] < FLOW_ZONES)
		t->zone_flows[f->zone[WEIR_DIR_ORIG]]++;
	flow_more(&t->stats.created);
	*ref = flow << 1 | WEIR_DIR_ORIG;
	return 0;
}

/* The first packet as it leaves. */
static void leaves_as(const struct weir_flow_table *t, const struct weir_flow *f,
		      struct weir_tuple *out)
{
	if (f->flags & WEIR_FLOW_EXT) {
		*out = t->exts[f->ext].to;
		return;
	}
	weir_flow_tuple(t, f, WEIR_DIR_ORIG, out);
	if (f->family == 4) {
		memcpy(out->src, &f->v4.xsrc, sizeof(f->v4.xsrc));
		memcpy(out->dst, &f->v4.xdst, sizeof(f->v4.xdst));
	}
	out->sport = f->xsport;
	out->dport = f->xdport;
}

void weir_flow_tuple(const struct weir_flow_table *t, const struct weir_flow *f, enum weir_dir dir,
		     struct weir_tuple *out)
{
	if (dir == WEIR_DIR_REPLY) {
		struct weir_tuple to;

		leaves_as(t, f, &to);
		*out = weir_tuple_reverse(&to);
		return;
	}
	*out = (struct weir_tuple){.sport = f->sport,
				   .dport = f->dport,
				   .proto = f->proto,
				   .family = f->family,
				   .vrf = f->vrf};
	if (f->family == 4) {
		memcpy(out->src, &f->v4.src, sizeof(f->v4.src));
		memcpy(out->dst, &f->v4.dst, sizeof(f->v4.dst));
	} else {
		memcpy(out->src, f->v6.src, sizeof(f->v6.src));
		memcpy(out->dst, f->v6.dst, sizeof(f->v6.dst));
	}
}

struct weir_flow_ext *weir_flow_extend(struct weir_flow_table *t, struct weir_flow *f)
{
	struct weir_flow_ext *ext;

	if (f->ext != 0)
		return &t->exts[f->ext];
	if (t->free_ext == 0)
		return NULL;
	f->ext = t->free_ext;
	ext = &t->exts[f->ext];
	t->free_ext = ext->dpi;
	memset(ext, 0, sizeof(*ext));
	flow_more(&t->stats.exts_used);
	return ext;
}

void weir_flow_retract(struct weir_flow_table *t, struct weir_flow *f)
{
	if (!(f->flags & (WEIR_FLOW_EXT | WEIR_FLOW_SYNPROXY)) && t->exts[f->ext].dpi == 0)
		give_ext_back(t, f);
}

struct weir_flow_ext *weir_flow_ext(const struct weir_flow_table *t, const struct weir_flow *f)
{
	return f->ext == 0 ? NULL : &t->exts[f->ext];
}

/* Marks of what a translation changes. */
static uint16_t changes(const struct weir_tuple *from, const struct weir_tuple *to)
{
	uint16_t flags = 0;

	if (from->family != to->family)
		return WEIR_FLOW_SNAT | WEIR_FLOW_DNAT;
	if (from->sport != to->sport || memcmp(from->src, to->src, sizeof(to->src)) != 0)
		flags |= WEIR_FLOW_SNAT;
	if (from->dport != to->dport || memcmp(from->dst, to->dst, sizeof(to->dst)) != 0)
		flags |= WEIR_FLOW_DNAT;
	return flags;
}

int weir_flow_translate(struct weir_flow_table *t, struct weir_flow *f, const struct weir_tuple *to)
{
	struct weir_tuple from;
	uint16_t flags;

	weir_flow_tuple(t, f, WEIR_DIR_ORIG, &from);
	flags = changes(&from, to);
	if (from.family != 4 || to->family != 4 || from.proto != to->proto || from.vrf != to->vrf) {
		const bool same = memcmp(&from, to, sizeof(from)) == 0; /* without padding */
		struct weir_flow_ext *ext = same ? NULL : weir_flow_extend(t, f);

		if (!same && ext == NULL)
			return -ENOSPC;
		if (!same) {
			ext->to = *to;
			flags |= WEIR_FLOW_EXT;
		}
	} else {
		memcpy(&f->v4.xsrc, to->src, sizeof(f->v4.xsrc));
		memcpy(&f->v4.xdst, to->dst, sizeof(f->v4.xdst));
	}
	f->xsport = to->sport;
	f->xdport = to->dport;
	f->flags &= (uint16_t) ~(WEIR_FLOW_SNAT | WEIR_FLOW_DNAT | WEIR_FLOW_EXT);
	f->flags |= flags;
	return 0;
}

uint32_t weir_flow_zone_count(const struct weir_flow_table *t, uint8_t zone)
{
	return zone < FLOW_ZONES ? t->zone_flows[zone] : 0;
}
