/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-pump: two interfaces joined by a wire of our own. The raw mode's example. */

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <weir/eal.h>
#include <weir/raw.h>

#define BURST 64

static volatile sig_atomic_t done;

static void on_signal(int number)
{
	done = number;
}

/* What one side has for the other; what that cannot take is dropped. */
static unsigned pump(struct weir_raw *r, uint16_t from, uint16_t to, uint64_t *dropped)
{
	struct rte_mbuf *pkts[BURST];
	const uint16_t got = weir_raw_rx(r, from, 0, pkts, BURST);
	const uint16_t sent = weir_raw_tx(r, to, 0, pkts, got);

	*dropped += got - sent;
	rte_pktmbuf_free_bulk(pkts + sent, got - sent);
	return got;
}

static void print_summary(struct weir_raw *r, const uint64_t dropped[2])
{
	struct weir_port_stats s;

	for (uint16_t i = 0; i < 2; i++)
		if (weir_raw_stats(r, i, &s) == 0)
			printf("%s: received %" PRIu64 ", sent %" PRIu64 ", dropped %" PRIu64
			       ", missed %" PRIu64 " packets\n",
			       weir_raw_port(r, i)->name, s.rx_pkts, s.tx_pkts, dropped[i],
			       s.rx_missed);
}

static int run(const struct weir_port_conf ports[2])
{
	const struct weir_eal_conf eal = {.program = "weir-pump",
					  .memory_mib = weir_raw_memory_mib(ports, 2)};
	const struct sigaction action = {.sa_handler = on_signal};
	uint64_t dropped[2] = {0}; /* by the side that they came to */
	struct weir_why why = {0};
	struct weir_raw *r;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (weir_eal_init(&eal, &why) < 0 || weir_raw_open(ports, 2, 0, &r, &why) < 0) {
		fprintf(stderr, "weir-pump: %s\n", why.text);
		return 1;
	}
	while (!done)
		if (pump(r, 0, 1, &dropped[0]) + pump(r, 1, 0, &dropped[1]) == 0)
			weir_raw_wait(r, 100);
	print_summary(r, dropped);
	weir_raw_close(r);
	weir_eal_done();
	return 0;
}

int main(int argc, char **argv)
{
	static const char usage[] =
		"usage: weir-pump INTERFACE_A INTERFACE_B [weir_xdp|af_xdp|af_packet]\n"
		"Joins two interfaces until SIGINT or SIGTERM.\n";
	const char *const driver = argc > 3 ? argv[3] : NULL;

	if (argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0))
		return fputs(usage, stdout) < 0;
	if (argc < 3 || argc > 4 || argv[1][0] == '-')
		return fputs(usage, stderr), 2;
	return run((const struct weir_port_conf[]){
		{.name = argv[1], .interface = argv[1], .driver = driver, .promiscuous = true},
		{.name = argv[2], .interface = argv[2], .driver = driver, .promiscuous = true}});
}
