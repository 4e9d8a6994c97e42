/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The command line: testpmd's words over the configuration file.
 */

#include "bench_priv.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <weir/units.h>

enum {
	OPT_MODE = 256,
	OPT_BURST,
	OPT_RXQ,
	OPT_TXQ,
	OPT_RXD,
	OPT_TXD,
	OPT_NB_CORES,
	OPT_CORES,
	OPT_PORT,
	OPT_TXPKTS,
	OPT_MULTI_FLOW,
	OPT_FLOWS,
	OPT_RATE,
	OPT_SEED,
	OPT_ETH_PEER,
	OPT_TX_IP,
	OPT_TX_UDP,
	OPT_TX_RETRIES,
	OPT_STATS_PERIOD,
	OPT_AUTO_START,
	OPT_TIME,
	OPT_PACKETS,
	OPT_REPORT,
	OPT_POLL,
	OPT_MBUFS,
	OPT_SOCKET,
};

const struct option bench_options[] = {
	{"forward-mode", required_argument, NULL, OPT_MODE},
	{"burst", required_argument, NULL, OPT_BURST},
	{"rxq", required_argument, NULL, OPT_RXQ},
	{"txq", required_argument, NULL, OPT_TXQ},
	{"rxd", required_argument, NULL, OPT_RXD},
	{"txd", required_argument, NULL, OPT_TXD},
	{"nb-cores", required_argument, NULL, OPT_NB_CORES},
	{"cores", required_argument, NULL, OPT_CORES},
	{"port", required_argument, NULL, OPT_PORT},
	{"txpkts", required_argument, NULL, OPT_TXPKTS},
	{"txonly-multi-flow", no_argument, NULL, OPT_MULTI_FLOW},
	{"flows", required_argument, NULL, OPT_FLOWS},
	{"rate", required_argument, NULL, OPT_RATE},
	{"seed", required_argument, NULL, OPT_SEED},
	{"eth-peer", required_argument, NULL, OPT_ETH_PEER},
	{"tx-ip", required_argument, NULL, OPT_TX_IP},
	{"tx-udp", required_argument, NULL, OPT_TX_UDP},
	{"tx-retries", required_argument, NULL, OPT_TX_RETRIES},
	{"stats-period", required_argument, NULL, OPT_STATS_PERIOD},
	{"auto-start", no_argument, NULL, OPT_AUTO_START},
	{"interactive", no_argument, NULL, 'i'},
	{"time", required_argument, NULL, OPT_TIME},
	{"packets", required_argument, NULL, OPT_PACKETS},
	{"report", required_argument, NULL, OPT_REPORT},
	{"poll", required_argument, NULL, OPT_POLL},
	{"total-num-mbufs", required_argument, NULL, OPT_MBUFS},
	{"socket", required_argument, NULL, OPT_SOCKET},
	{NULL, 0, NULL, 0},
};

const char bench_options_help[] =
	"      --port NAME         a Linux interface (eth0) or a DPDK device (net_null0,\n"
	"                          0000:01:00.0); again for each port; they pair 0-1, 2-3\n"
	"      --forward-mode=MODE io mac macswap 5tswap csum icmpecho rxonly txonly sink\n"
	"      --cores=1,2-3       one worker on each; --nb-cores=N: cores 1 to N\n"
	"      --burst=N --rxq=N --txq=N --rxd=N --txd=N --total-num-mbufs=N\n"
	"      --poll=MODE         busy adaptive interrupt\n"
	"      --tx-retries=N      offer again what a full queue did not take (0)\n"
	"      --eth-peer=P,MAC    who is behind port P\n"
	"      --txpkts=SIZE       64, 64-1500 or imix\n"
	"      --flows=N           --txonly-multi-flow: 256\n"
	"      --rate=1Mpps        each port's; without: as fast as it goes\n"
	"      --seed=N --tx-ip=SRC,DST --tx-udp=SRC[,DST]\n"
	"  -i, --interactive       take commands; --auto-start: and start at once\n"
	"      --stats-period=S    print statistics every S seconds\n"
	"      --time=S --packets=N  when to end\n"
	"      --report=FILE       JSON at the end\n"
	"      --socket=PATH       control socket, for a second weir-bench on a host\n";

static int bad(struct weir_why *why, const char *option, const char *arg, const char *must)
{
	return weir_why(why, -EINVAL, "--%s: \"%.64s\" must be %s", option, arg, must);
}

static int number(const char *option, const char *arg, uint64_t min, uint64_t max, uint64_t *out,
		  struct weir_why *why)
{
	uint64_t n;

	if (weir_parse_uint(arg, strlen(arg), &n) < 0 || n < min || n > max)
		return weir_why(why, -EINVAL,
				"--%s: \"%.64s\" must be a number from %" PRIu64 " to %" PRIu64,
				option, arg, min, max);
	*out = n;
	return 0;
}

/* Seconds as testpmd has them, or with a unit: 5, 500ms. */
static int duration(const char *option, const char *arg, uint64_t *out, struct weir_why *why)
{
	uint64_t n;

	if (weir_parse_uint(arg, strlen(arg), &n) == 0 && n <= UINT64_MAX / WEIR_NS_PER_S)
		*out = n * WEIR_NS_PER_S;
	else if (weir_parse_duration(arg, strlen(arg), out) < 0)
		return bad(why, option, arg, "seconds, or a time such as 500ms");
	return 0;
}

static int name(const char *option, const char *arg, const char *const *names, int *out,
		struct weir_why *why)
{
	char must[160] = "one of";

	for (int i = 0; names[i] != NULL; i++) {
		if (strcmp(arg, names[i]) == 0) {
			*out = i;
			return 0;
		}
		strncat(must, " ", sizeof(must) - strlen(must) - 1);
		strncat(must, names[i], sizeof(must) - strlen(must) - 1);
	}
	return bad(why, option, arg, must);
}

static int text(const char *arg, char **out, struct weir_why *why)
{
	char *copy = strdup(arg);

	if (copy == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	free(*out);
	*out = copy;
	return 0;
}

/* One more item at the end, zeroed. */
static void *append(struct weir_conf_list *list, size_t size, struct weir_why *why)
{
	char *items = reallocarray(list->items, list->n + 1, size);

	if (items == NULL) {
		weir_why(why, -ENOMEM, "out of memory");
		return NULL;
	}
	list->items = items;
	return memset(items + list->n++ * size, 0, size);
}

static int add_core(struct weir_conf_list *cores, uint64_t core, struct weir_why *why)
{
	uint64_t *item;

	if (cores->n == WEIR_WORKERS_MAX)
		return weir_why(why, -E2BIG, "--cores: more than %d", WEIR_WORKERS_MAX);
	item = append(cores, sizeof(*item), why);
	if (item == NULL)
		return -ENOMEM;
	*item = core;
	return 0;
}

/* "1,2-3" */
static int set_cores(struct weir_conf_list *cores, const char *arg, struct weir_why *why)
{
	const char *p = arg;

	cores->n = 0;
	for (;;) {
		const size_t len = strcspn(p, ",");
		const char *dash = memchr(p, '-', len);
		const size_t first = dash == NULL ? len : (size_t)(dash - p);
		uint64_t from, to;
		int rc = weir_parse_uint(p, first, &from);

		to = from;
		if (rc == 0 && dash != NULL)
			rc = weir_parse_uint(dash + 1, len - first - 1, &to);
		if (rc < 0 || to < from || to > 1023)
			return bad(why, "cores", arg, "cores such as 1 or 1,3-4, up to 1023");
		for (uint64_t core = from; rc == 0 && core <= to; core++)
			rc = add_core(cores, core, why);
		if (rc < 0 || p[len] == '\0')
			return rc;
		p += len + 1;
	}
}

static int set_nb_cores(struct weir_conf_list *cores, const char *arg, struct weir_why *why)
{
	uint64_t n;
	int rc = number("nb-cores", arg, 1, WEIR_WORKERS_MAX, &n, why);

	if (rc == 0)
		cores->n = 0;
	for (uint64_t core = 1; rc == 0 && core <= n; core++)
		rc = add_core(cores, core, why);
	return rc;
}

/* What DPDK is told of; everything else is a Linux interface. */
bool bench_is_device(const char *port)
{
	const size_t hex = strspn(port, "0123456789abcdefABCDEF");

	return strncmp(port, "net_", 4) == 0 || strncmp(port, "eth_", 4) == 0 ||
	       strchr(port, ',') != NULL || (hex > 0 && port[hex] == ':');
}

static void set_queues(const struct bench_conf *c, struct weir_app_port_conf *p)
{
	p->queues = c->rxq != 0 ? c->rxq : p->queues;
	p->rxd = c->rxd != 0 ? c->rxd : p->rxd;
	p->txd = c->txd != 0 ? c->txd : p->txd;
}

static int add_port(struct bench_conf *c, const char *arg, struct weir_why *why)
{
	/* A name has up to 20 bytes, for VLANs come behind it. */
	const int len = (int)RTE_MIN(strcspn(arg, ","), 20u);
	struct weir_app_port_conf *p;

	if (arg[0] == '\0')
		return bad(why, "port", arg, "an interface or a device");
	if (c->app.ports.n == WEIR_PORTS_MAX)
		return weir_why(why, -E2BIG, "--port: more than %d", WEIR_PORTS_MAX);
	p = append(&c->app.ports, sizeof(*p), why);
	if (p == NULL)
		return -ENOMEM;
	p->queues = 1;
	p->mtu = 1500;
	p->promiscuous = true;
	set_queues(c, p);
	p->name = strndup(arg, (size_t)len);
	if (p->name == NULL)
		return weir_why(why, -ENOMEM, "out of memory");
	return text(arg, bench_is_device(arg) ? &p->device : &p->interface, why);
}

static int set_all_ports(struct bench_conf *c, const char *option, const char *arg, uint64_t max,
			 uint64_t *member, struct weir_why *why)
{
	struct weir_app_port_conf *p = c->app.ports.items;
	const int rc = number(option, arg, 1, max, member, why);

	for (size_t i = 0; rc == 0 && i < c->app.ports.n; i++)
		set_queues(c, &p[i]);
	return rc;
}

static int add_peer(struct weir_conf_list *peers, const char *arg, struct weir_why *why)
{
	const char *comma = strchr(arg, ',');
	struct bench_peer_conf *peer, p = {0};

	if (comma == NULL || weir_parse_uint(arg, (size_t)(comma - arg), &p.port) < 0 ||
	    p.port >= WEIR_PORTS_MAX || weir_mac_parse(comma + 1, strlen(comma + 1), &p.mac) < 0)
		return bad(why, "eth-peer", arg, "PORT,MAC such as 0,02:00:00:00:00:01");
	peer = append(peers, sizeof(*peer), why);
	if (peer == NULL)
		return -ENOMEM;
	*peer = p;
	return 0;
}

static int set_addresses(struct bench_section *b, const char *arg, struct weir_why *why)
{
	const char *comma = strchr(arg, ',');

	if (comma == NULL || weir_addr_parse(arg, (size_t)(comma - arg), &b->source) < 0 ||
	    weir_addr_parse(comma + 1, strlen(comma + 1), &b->destination) < 0 ||
	    b->source.family != b->destination.family)
		return bad(why, "tx-ip", arg, "SOURCE,DESTINATION, two IPv4 or two IPv6 addresses");
	return 0;
}

static int set_udp(struct bench_section *b, const char *arg, struct weir_why *why)
{
	const size_t len = strcspn(arg, ",");
	uint64_t src, dst;
	int rc = weir_parse_uint(arg, len, &src);

	dst = src;
	if (rc == 0 && arg[len] == ',')
		rc = weir_parse_uint(arg + len + 1, strlen(arg + len + 1), &dst);
	if (rc < 0 || src > 65535 || dst > 65535)
		return bad(why, "tx-udp", arg, "SOURCE[,DESTINATION], ports up to 65535");
	b->source_port = src;
	b->destination_port = dst;
	return 0;
}

static int set_rate(uint64_t *out, const char *arg, struct weir_why *why)
{
	uint64_t n;

	if (weir_parse_rate(arg, strlen(arg), &n) < 0 || n > WEIR_BUCKET_RATE_MAX)
		return bad(why, "rate", arg, "packets a second such as 1Mpps, at most 1Gpps");
	*out = n;
	return 0;
}

/* Options of the common sections. */
static int common_option(struct bench_conf *c, int val, const char *arg, struct weir_why *why)
{
	static const char *const polls[] = {"busy", "adaptive", "interrupt", NULL};

	switch (val) {
	case OPT_BURST:
		return number("burst", arg, 1, BENCH_BURST_MAX, &c->app.runtime.burst, why);
	case OPT_RXQ:
		return set_all_ports(c, "rxq", arg, 64, &c->rxq, why);
	case OPT_TXQ:
		return number("txq", arg, 1, 64, &c->txq, why);
	case OPT_RXD:
		return set_all_ports(c, "rxd", arg, 32768, &c->rxd, why);
	case OPT_TXD:
		return set_all_ports(c, "txd", arg, 32768, &c->txd, why);
	case OPT_NB_CORES:
		return set_nb_cores(&c->app.runtime.workers, arg, why);
	case OPT_CORES:
		return set_cores(&c->app.runtime.workers, arg, why);
	case OPT_PORT:
		return add_port(c, arg, why);
	case OPT_POLL:
		return name("poll", arg, polls, &c->app.runtime.poll, why);
	case OPT_MBUFS:
		return number("total-num-mbufs", arg, 1024, 16777215, &c->app.runtime.mbufs, why);
	case OPT_SOCKET:
		return text(arg, &c->app.control.socket, why);
	default:
		return weir_why(why, -EINVAL, "option %d is not known", val);
	}
}

int bench_option(void *conf, int val, const char *arg, struct weir_why *why)
{
	struct bench_conf *c = conf;
	struct bench_section *b = &c->bench;

	switch (val) {
	case OPT_MODE:
		return name("forward-mode", arg, bench_mode_names, &b->mode, why);
	case OPT_TXPKTS:
		return text(arg, &b->sizes, why);
	case OPT_MULTI_FLOW:
		b->flows = 256;
		return 0;
	case OPT_FLOWS:
		return number("flows", arg, 1, BENCH_FLOWS_MAX, &b->flows, why);
	case OPT_RATE:
		return set_rate(&b->rate_pps, arg, why);
	case OPT_SEED:
		return number("seed", arg, 0, UINT64_MAX, &b->seed, why);
	case OPT_ETH_PEER:
		return add_peer(&b->peers, arg, why);
	case OPT_TX_IP:
		return set_addresses(b, arg, why);
	case OPT_TX_UDP:
		return set_udp(b, arg, why);
	case OPT_TX_RETRIES:
		return number("tx-retries", arg, 0, 1000, &b->tx_retries, why);
	case OPT_STATS_PERIOD:
		return duration("stats-period", arg, &b->stats_period_ns, why);
	case OPT_AUTO_START:
		b->auto_start = true;
		return 0;
	case 'i':
		b->interactive = true;
		return 0;
	case OPT_TIME:
		return duration("time", arg, &b->time_ns, why);
	case OPT_PACKETS:
		return number("packets", arg, 1, UINT64_MAX, &b->packets, why);
	case OPT_REPORT:
		return text(arg, &b->report, why);
	default:
		return common_option(c, val, arg, why);
	}
}

int bench_check(const void *conf, const char *file, struct weir_why *why)
{
	const struct bench_conf *c = conf;
	const struct bench_section *b = &c->bench;
	const size_t workers = c->app.runtime.workers.n;
	const struct weir_app_port_conf *p;
	struct bench_settings s;
	struct weir_why sizes;

	if (bench_settings_make(c, &s, &sizes) < 0)
		return weir_conf_fail(why, file, b->at.line, "bench.%s", sizes.text);
	if (b->source.family != b->destination.family)
		return weir_conf_fail(why, file, b->at.line,
				      "bench.source and bench.destination must be of one family: "
				      "both IPv4 or both IPv6");
	if (c->app.runtime.gather != 0)
		return weir_conf_fail(why, file, c->app.runtime.at.line,
				      "runtime.gather must be 0: weir-bench takes what is there");
	weir_conf_each (p, &c->app.ports) {
		if (c->txq != 0 && c->txq != p->queues)
			return weir_conf_fail(why, file, p->at.line,
					      "--txq=%" PRIu64 " but port %s has %" PRIu64
					      " receive queues: must be as many",
					      c->txq, p->name, p->queues);
		if (p->queues < workers)
			return weir_conf_fail(why, file, p->at.line,
					      "ports.%s.queues is %" PRIu64
					      ", must be at least %zu: a queue for each worker",
					      p->name, p->queues, workers);
	}
	return 0;
}
