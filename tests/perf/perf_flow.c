/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What does a flow cost? TSC cycles for each packet of a burst (--burst, 64) of random flows out of
 * 1,000, 64,000 and a million, half of them in the reply's direction: to find it, to find and track
 * and count it, to find it in DPDK's rte_hash with the same keys (which gives a number, not the
 * entry); and to begin and end a new flow beside so many others. One after the other in each round;
 * the tuples of a burst are made untimed, as a parser leaves them in the first-level cache.
 */

#include "flow_priv.h"
#include "perf.h"

#include <errno.h>
#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_hash.h>
#include <rte_tcp.h>
#include <stdio.h>
#include <stdlib.h>

#define BURST_MAX  128
#define PACKETS	   65536 /* in one sample: enough to have the flows in their caches again */
#define ROUNDS_MAX 1024

enum op { FIND, TRACK, RTE_HASH, NEW, HASH, SIPHASH, OPS };
static const char *const op_names[OPS] = {
	[FIND] = "lookup",
	[TRACK] = "lookup, TCP, count",
	[RTE_HASH] = "rte_hash, bulk",
	[NEW] = "draft, commit, kill",
	[HASH] = "hash alone",
	[SIPHASH] = "SipHash-1-3 alone",
};
static const uint32_t sizes[] = {1000, 64000, 1000000};
static const unsigned families[] = {4, 6};

/* A key of rte_hash: of IPv4 only what counts. */
struct key4 {
	uint32_t src, dst;
	uint16_t sport, dport;
	uint8_t proto, family;
	uint16_t vrf;
};

struct world {
	unsigned family;
	uint32_t n;
	struct weir_flow_table *flows;
	struct rte_hash *hash;
	uint32_t random;
	struct weir_tuple tuple[BURST_MAX];
	struct key4 key4[BURST_MAX];
	const void *key[BURST_MAX];
	uint32_t ref[BURST_MAX];
	unsigned burst;
	uint64_t sum; /* so that nothing is left out */
};

static double samples[RTE_DIM(families)][RTE_DIM(sizes)][OPS][ROUNDS_MAX];
static double empty_cycles = 1e9;

static uint32_t next_random(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 17;
	w->random ^= w->random << 5;
	return w->random;
}

/* The nth flow: all differ. */
static void make_tuple(const struct world *w, uint32_t n, struct weir_tuple *t)
{
	const uint32_t mixed = n * UINT32_C(2654435761), server = UINT32_C(0xc0000200) + n % 16;
	const uint32_t src = rte_cpu_to_be_32(mixed), dst = rte_cpu_to_be_32(server);
	const unsigned at = w->family == 4 ? 0 : 12;

	*t = (struct weir_tuple){.sport = rte_cpu_to_be_16((uint16_t)(1024 + n % 50000)),
				 .dport = RTE_BE16(443),
				 .proto = IPPROTO_TCP,
				 .family = (uint8_t)w->family};
	memcpy(t->src + at, &src, sizeof(src));
	memcpy(t->dst + at, &dst, sizeof(dst));
	if (w->family == 6)
		t->src[0] = t->dst[0] = 0x20;
}

static void make_key(struct world *w, unsigned i)
{
	const struct weir_tuple *t = &w->tuple[i];
	struct key4 *k = &w->key4[i];

	w->key[i] = t;
	if (w->family == 6)
		return;
	memcpy(&k->src, t->src, sizeof(k->src));
	memcpy(&k->dst, t->dst, sizeof(k->dst));
	k->sport = t->sport;
	k->dport = t->dport;
	k->proto = t->proto;
	k->family = t->family;
	k->vrf = t->vrf;
	w->key[i] = k;
}

static void make_burst(struct world *w, enum op op)
{
	for (unsigned i = 0; i < w->burst; i++) {
		const uint32_t lot = next_random(w);
		const uint32_t n = (uint32_t)((uint64_t)lot * w->n >> 32);

		make_tuple(w, op == NEW ? w->n + i : n, &w->tuple[i]);
		if (lot & 1)
			w->tuple[i] = weir_tuple_reverse(&w->tuple[i]);
		make_key(w, i);
	}
}

/* The three segments of a handshake, and one of data that comes again and again. */
static const struct weir_flow_segment handshake[] = {
	{.seq = 0, .window = 64240, .flags = RTE_TCP_SYN_FLAG, .wscale = 7},
	{.ack = 1, .window = 65160, .flags = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, .wscale = 7},
	{.seq = 1, .ack = 1, .window = 502, .flags = RTE_TCP_ACK_FLAG, .wscale = -1},
};
static const struct weir_flow_segment data = {
	.seq = 1, .ack = 1, .payload_bytes = 64, .window = 502, .flags = RTE_TCP_ACK_FLAG};

static void enter(struct world *w, uint32_t n)
{
	enum weir_flow_class cls = WEIR_FLOW_HALF_OPEN;
	struct weir_tuple t;
	struct weir_flow *f;
	uint32_t flow, ref;

	make_tuple(w, n, &t);
	flow = weir_flow_draft(w->flows, &t);
	f = weir_flow_at(w->flows, flow);
	for (unsigned i = 0; i < RTE_DIM(handshake); i++)
		if (weir_flow_tcp(f, i == 1 ? WEIR_DIR_REPLY : WEIR_DIR_ORIG, &handshake[i], false,
				  &cls) != WEIR_FLOW_TCP_OK)
			perf_die("the handshake is invalid", -EPROTO);
	weir_flow_set_class(w->flows, f, cls);
	if (weir_flow_commit(w->flows, flow, &ref) < 0)
		perf_die("a flow has no room", -ENOSPC);
	for (unsigned dir = 0; dir < WEIR_DIRS; dir++) {
		w->tuple[0] = dir == 0 ? t : weir_tuple_reverse(&t);
		make_key(w, 0);
		if (rte_hash_add_key(w->hash, w->key[0]) < 0)
			perf_die("rte_hash has no room", -ENOSPC);
	}
}

static void build(struct world *w, unsigned family, uint32_t n, unsigned burst)
{
	const struct weir_flow_conf conf = {
		.entries = n + BURST_MAX,
		.timeout_ns = WEIR_FLOW_TIMEOUTS,
		.numa = -1,
		.secret = {UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344)}};
	char name[RTE_HASH_NAMESIZE];
	const struct rte_hash_parameters parameters = {
		.name = name,
		.entries = n * 2 + n / 4 + 64,
		.key_len = family == 4 ? sizeof(struct key4) : sizeof(struct weir_tuple),
		.socket_id = SOCKET_ID_ANY,
	};
	struct weir_why why = {0};

	snprintf(name, sizeof(name), "perf%u_%u", family, n);
	*w = (struct world){.family = family, .n = n, .burst = burst, .random = 2463534242};
	if (weir_flow_table_create(&conf, &w->flows, &why) < 0)
		perf_die(why.text, -ENOMEM);
	w->hash = rte_hash_create(&parameters);
	if (w->hash == NULL)
		perf_die("rte_hash is not made", -ENOMEM);
	for (uint32_t i = 0; i < n; i++)
		enter(w, i);
}

static void find(struct world *w)
{
	weir_flow_lookup(w->flows, w->tuple, (uint16_t)w->burst, w->ref);
}

static void track(struct world *w)
{
	const uint32_t now_ms = weir_flow_table_now_ms(w->flows);

	find(w);
	for (unsigned i = 0; i < w->burst; i++) {
		struct weir_flow *f = weir_flow_at(w->flows, w->ref[i] >> 1);
		const enum weir_dir dir = w->ref[i] & 1;
		enum weir_flow_class cls;

		if (weir_flow_tcp(f, dir, &data, false, &cls) == WEIR_FLOW_TCP_OK)
			weir_flow_count(f, dir, 104, now_ms);
		weir_flow_set_class(w->flows, f, cls);
	}
}

static void begin_and_end(struct world *w)
{
	for (unsigned i = 0; i < w->burst; i++) {
		const uint32_t flow = weir_flow_draft(w->flows, &w->tuple[i]);

		if (weir_flow_commit(w->flows, flow, &w->ref[i]) < 0)
			perf_die("a new flow is refused", -EEXIST);
	}
	for (unsigned i = 0; i < w->burst; i++)
		weir_flow_kill(w->flows, w->ref[i] >> 1);
}

static uint64_t siphash(const struct weir_flow_table *t, const struct weir_tuple *tuple)
{
	if (tuple->family == 4)
		return weir_siphash13_u64x2(&t->secret,
					    flow_load32(tuple->src) |
						    (uint64_t)flow_load32(tuple->dst) << 32,
					    flow_load64(&tuple->sport));
	return weir_siphash13(&t->secret, tuple, sizeof(*tuple));
}

static void run_op(struct world *w, enum op op)
{
	int32_t at[BURST_MAX];

	switch (op) {
	case FIND:
		find(w);
		break;
	case TRACK:
		track(w);
		break;
	case RTE_HASH:
		for (unsigned i = 0; i < w->burst; i += RTE_HASH_LOOKUP_BULK_MAX)
			if (rte_hash_lookup_bulk(
				    w->hash, &w->key[i],
				    RTE_MIN(w->burst - i, (unsigned)RTE_HASH_LOOKUP_BULK_MAX),
				    &at[i]) < 0)
				perf_die("rte_hash does not look up", -EINVAL);
		for (unsigned i = 0; i < w->burst; i++)
			w->ref[i] = (uint32_t)at[i];
		break;
	case NEW:
		begin_and_end(w);
		break;
	case HASH:
		for (unsigned i = 0; i < w->burst; i++)
			w->sum += flow_hash(w->flows, &w->tuple[i]);
		break;
	default:
		for (unsigned i = 0; i < w->burst; i++)
			w->sum += siphash(w->flows, &w->tuple[i]);
	}
}

static double sample(struct world *w, enum op op)
{
	/* Of what takes long less, so that a sample fits between two interruptions. */
	const unsigned bursts = PACKETS / (op == NEW ? 8 : 1) / w->burst;
	uint64_t cycles = 0;

	for (unsigned b = 0; b < bursts; b++) {
		uint64_t begin;

		make_burst(w, op);
		memset(w->ref, 0xff, sizeof(w->ref));
		begin = rte_rdtsc_precise();
		run_op(w, op);
		cycles += rte_rdtsc_precise() - begin;
		for (unsigned i = 0; op <= RTE_HASH && i < w->burst; i++)
			if (w->ref[i] == UINT32_MAX)
				perf_die("a flow is not found", -ENOENT);
	}
	return (double)cycles / bursts / w->burst - empty_cycles / w->burst;
}

static void measure_nothing(void)
{
	for (unsigned i = 0; i < 1000; i++) {
		const uint64_t begin = rte_rdtsc_precise();
		const double cycles = (double)(rte_rdtsc_precise() - begin);

		empty_cycles = RTE_MIN(empty_cycles, cycles);
	}
}

static void run(unsigned f, const struct perf_options *o)
{
	static struct world worlds[RTE_DIM(sizes)];

	for (unsigned s = 0; s < RTE_DIM(sizes); s++)
		build(&worlds[s], families[f], sizes[s], o->burst);
	for (unsigned round = 0; round < o->rounds; round++)
		for (unsigned s = 0; s < RTE_DIM(sizes); s++)
			for (unsigned op = 0; op < OPS; op++)
				samples[f][s][op][round] = sample(&worlds[s], (enum op)op);
	for (unsigned s = 0; s < RTE_DIM(sizes); s++) {
		weir_flow_table_free(worlds[s].flows);
		rte_hash_free(worlds[s].hash);
	}
}

static void print_table(unsigned f, const struct perf_options *o)
{
	printf("IPv%u: TSC cycles a packet at bursts of %u, minimum (median) of %u rounds\n\n%-20s",
	       families[f], o->burst, o->rounds, "flows");
	for (unsigned s = 0; s < RTE_DIM(sizes); s++)
		printf(" %16u", sizes[s]);
	for (unsigned op = 0; op < OPS; op++) {
		printf("\n%-20s", op_names[op]);
		for (unsigned s = 0; s < RTE_DIM(sizes); s++) {
			const double median = perf_median(samples[f][s][op], o->rounds);

			printf(" %7.1f (%6.1f)", samples[f][s][op][0], median);
		}
	}
	printf("\n\n");
}

static void print_json(const struct perf_options *o)
{
	const char *comma = "";

	printf("{\"benchmark\": \"flow\", \"rounds\": %u, \"burst\": %u, \"hugepages\": %s, "
	       "\"figures\": [",
	       o->rounds, o->burst, o->huge ? "true" : "false");
	for (unsigned f = 0; f < RTE_DIM(families); f++)
		for (unsigned s = 0; s < RTE_DIM(sizes); s++)
			for (unsigned op = 0; op < OPS; op++) {
				const double median = perf_median(samples[f][s][op], o->rounds);

				if (o->family != 0 && o->family != families[f])
					continue;
				printf("%s\n{\"family\": %u, \"flows\": %u, \"what\": \"%s\", "
				       "\"minimum\": %.2f, \"median\": %.2f}",
				       comma, families[f], sizes[s], op_names[op],
				       samples[f][s][op][0], median);
				comma = ",";
			}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	struct perf_options o = {.core = 1, .rounds = 40, .huge = true, .burst = 64};

	perf_options(&o, argc, argv);
	if (o.rounds > ROUNDS_MAX || o.burst == 0)
		perf_die("--rounds or --burst", -ERANGE);
	perf_eal(&o, "perf_flow");
	measure_nothing();
	for (unsigned f = 0; f < RTE_DIM(families); f++) {
		if (o.family != 0 && o.family != families[f])
			continue;
		run(f, &o);
		if (!o.json)
			print_table(f, &o);
	}
	if (o.json)
		print_json(&o);
	return 0;
}
