/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Compiled rules must say what the slow matcher says, whatever the rules and packets are.
 *
 * Input: a byte with the number of rules, less one, in its low four bits; the rules; then packets
 * of 16 bytes until there are no more. Each byte of a rule is one choice (see take_rule()), of few
 * networks, protocols and ports, so that packets meet rules. What is found never to match must not.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/cursor.h>
#include <weir/rules.h>
#include <weir/set.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RULES	 16
#define PACKETS	 64
#define PREFIXES 20
#define SETS	 2

struct rule_parts {
	struct weir_prefix prefixes[2][PREFIXES];
	struct weir_range ranges[2][2];
};

static struct weir_rules_worker *worker;
static const struct weir_set *sets[SETS];

static const uint8_t networks[4][16] = {
	{10, 0, 0, 0},
	{10, 0, 1, 0},
	{0x20, 1, 0x0d, 0xb8},
	{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1},
};
static const uint8_t protos[8] = {
	0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_GRE, 255};

/* A broken promise ends the run: libFuzzer keeps the input that broke it. */
static void must(bool kept, const char *promise)
{
	if (kept)
		return;
	fprintf(stderr, "fuzz_rules: %s\n", promise);
	abort();
}

/* Two bits choose the network, six a host in it. */
static struct weir_addr address(uint8_t choice)
{
	struct weir_addr a = {.family = (choice & 2) != 0 ? 6 : 4};

	memcpy(a.bytes, networks[choice & 3], sizeof(a.bytes));
	a.bytes[a.family == 4 ? 3 : 15] = choice >> 2;
	return a;
}

static void make_sets(void)
{
	for (uint8_t i = 0; i < SETS; i++) {
		const struct weir_set_conf conf = {
			.name = "set", .entries = 8, .numa = -1, .secret = {.k0 = i}};
		struct weir_set *set = NULL;

		must(weir_set_create(&conf, &set, NULL) == 0, "no set");
		for (uint8_t k = 0; k < 4; k++) {
			const struct weir_prefix p = {.addr = address((uint8_t)(i << 4 | k)),
						      .length = (k & 2) != 0 ? 126 : 30};

			must(weir_set_add(set, &p, i == 0 ? WEIR_SET_FOREVER : 100) == 0,
			     "the set is full");
		}
		sets[i] = set;
	}
}

static void begin(void)
{
	static const char *const words[] = {"fuzz",	"--no-huge", "--no-shconf",
					    "--no-pci", "-m",	     "256",
					    "-l",	"0",	     "--log-level=error"};
	static char kept[RTE_DIM(words)][32]; /* EAL may write to them */
	const struct weir_siphash_key secret = {.k0 = 1};
	char *args[RTE_DIM(words)];

	for (unsigned i = 0; i < RTE_DIM(words); i++)
		args[i] = strcpy(kept[i], words[i]);
	must(rte_eal_init(RTE_DIM(args), args) >= 0, "EAL does not begin");
	must(weir_rules_worker_create(64, -1, &secret, &worker) == 0, "no memory");
	make_sets();
}

/* Low two bits: how many prefixes, 0 to 2 or 20; then sets, negation. */
static void take_addrs(struct weir_cursor *c, struct weir_rule_addrs *a,
		       struct weir_prefix room[PREFIXES])
{
	const uint8_t how = weir_take_u8(c);

	a->n_prefixes = (how & 3) == 3 ? PREFIXES : how & 3;
	a->prefixes = room;
	for (uint32_t i = 0; i < a->n_prefixes; i++) {
		/* A long list goes on as it began. */
		const uint8_t choice = i < 2 ? weir_take_u8(c) : (uint8_t)(7 * i);
		const uint8_t length = i < 2 ? weir_take_u8(c) : (uint8_t)(24 + 2 * i);

		room[i].addr = address(choice);
		room[i].length = room[i].addr.family == 4 ? length % 33 : length % 129;
	}
	a->sets = &sets[(how & 4) != 0 && (how & 8) == 0];
	a->n_sets = (how & 12) == 12 ? 2 : (how & 12) != 0;
	a->negate = (how & 16) != 0;
}

static uint32_t take_ranges(struct weir_cursor *c, struct weir_range room[2])
{
	const uint8_t how = weir_take_u8(c);
	const uint32_t n = how & 3;

	for (uint32_t i = 0; i < RTE_MIN(n, 2u); i++) {
		const uint8_t lo = weir_take_u8(c), more = weir_take_u8(c);

		room[i].lo = (uint16_t)(lo * (how >> 2));
		room[i].hi = (uint16_t)RTE_MIN(room[i].lo + more, UINT16_MAX);
	}
	return RTE_MIN(n, 2u);
}

static void take_details(struct weir_cursor *c, struct weir_rule *r)
{
	const uint8_t which = weir_take_u8(c);

	r->icmp_type = (which & 1) != 0 ? weir_take_u8(c) & 15 : -1;
	r->icmp_code = (which & 2) != 0 ? weir_take_u8(c) & 3 : -1;
	r->tcp_mask = (which & 4) != 0 ? weir_take_u8(c) : 0;
	r->tcp_flags = r->tcp_mask & (which >> 4) * 17;
	r->vlan = (which & 8) != 0 ? weir_take_u8(c) & 3 : 0;
	r->dscp = (which & 16) != 0 ? weir_take_u8(c) & 3 : -1;
	r->app = (which & 32) != 0 ? weir_take_u8(c) & 3 : 0;
}

static void take_rule(struct weir_cursor *c, struct weir_rule *r, struct rule_parts *parts)
{
	const uint8_t how = weir_take_u8(c), zones = weir_take_u8(c), proto = weir_take_u8(c);

	*r = (struct weir_rule){.name = "rule", .limit_pps = 1000000000, .limit_burst = UINT32_MAX};
	r->action = (enum weir_action)(how % WEIR_ACTIONS);
	r->limit = (how & 0x80) != 0 ? (enum weir_limit_per)(zones % WEIR_LIMITS) : WEIR_LIMIT_NONE;
	r->family = (how & 0x40) == 0 ? 0 : (how & 0x20) != 0 ? 4 : 6;
	r->from_zones = zones & 15;
	r->to_zones = zones >> 4;
	r->proto = protos[proto & 7];
	take_addrs(c, &r->src, parts->prefixes[0]);
	take_addrs(c, &r->dst, parts->prefixes[1]);
	r->sports = parts->ranges[0];
	r->dports = parts->ranges[1];
	r->n_sports = take_ranges(c, parts->ranges[0]);
	r->n_dports = take_ranges(c, parts->ranges[1]);
	take_details(c, r);
}

static bool take_ask(struct weir_cursor *c, struct weir_rule_ask *a)
{
	const uint8_t *b = weir_take(c, 16);
	struct weir_addr src, dst;

	if (c->bad)
		return false;
	src = address(b[0]);
	dst = address(b[1]);
	*a = (struct weir_rule_ask){.from = b[2] & 3,
				    .to = b[2] >> 4 & 3,
				    .icmp_type = b[3] & 15,
				    .icmp_code = b[4] & 3,
				    .tcp_flags = b[5],
				    .dscp = b[6] & 3,
				    .vlan = b[7] & 3,
				    .app = b[8] & 3,
				    .later = b[8] >> 7};
	memcpy(a->tuple.src, src.bytes, 16);
	memcpy(a->tuple.dst, dst.bytes, 16);
	a->tuple.family = b[9] == 0 ? b[10] : src.family;
	a->tuple.proto = protos[b[9] & 7];
	a->tuple.sport = htons((uint16_t)(b[12] | b[13] << 8));
	a->tuple.dport = htons((uint16_t)(b[14] | b[15] << 8));
	return true;
}

static void compare(const struct weir_rules *rs, const struct weir_rule_ask *asks, uint32_t n,
		    uint32_t now_s)
{
	struct weir_rules_finding findings[RULES];
	uint32_t rule[PACKETS], unsure;
	const int found = weir_rules_check(rs, findings, RULES, &unsure);

	must(found >= 0 && found <= RULES, "rules cannot be checked");
	weir_rules_ask(rs, worker, asks, n, now_s, 1, rule, NULL, NULL);
	for (uint32_t i = 0; i < n; i++) {
		must(rule[i] == weir_rules_explain(rs, &asks[i], now_s, NULL, NULL),
		     "compiled rules decide otherwise than the same read one by one");
		for (int k = 0; k < found; k++)
			must(rule[i] != findings[k].rule, "a rule that never matches does");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rule_parts parts[RULES];
	struct weir_cursor c = {.at = data, .end = data + size};
	struct weir_rule_ask asks[PACKETS];
	struct weir_rule rules[RULES];
	struct weir_rules_conf conf = {
		.rules = rules, .zones = 2, .workers = 1, .numa = -1, .n = 0};
	struct weir_rules *rs = NULL;
	uint32_t n = 0;

	if (worker == NULL)
		begin();
	conf.n = (weir_take_u8(&c) & 15) + 1u;
	for (uint32_t i = 0; i < conf.n; i++)
		take_rule(&c, &rules[i], &parts[i]);
	while (n < PACKETS && take_ask(&c, &asks[n]))
		n++;
	if (weir_rules_compile(&conf, &rs, NULL) < 0)
		return 0;
	compare(rs, asks, n, 50);
	compare(rs, asks, n, 150);
	weir_rules_free(rs);
	return 0;
}
