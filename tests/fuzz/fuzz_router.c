/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The whole router under hostile frames: what the wire says, byte by byte, at two ports.
 *
 * Input: records of a head byte, a length (16 bits, little-endian) and so many bytes of a frame.
 * Head: bit 0 the port; bit 1 the frame is sent to our MAC; bit 2 its IPv4 header checksum is made
 * right (else hardly any input passes 10_parse); bits 4 to 7 milliseconds that go by, squared.
 *
 * After each input every buffer must be home or in a table, and stopping must free the tables'.
 */

#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/nodes.h>
#include <weir/rib.h>
#include <weir/system.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct weir_node_ops *const path[] = {&weir_node_rx,	&weir_node_ring,
						   &weir_node_origin,	&weir_node_parse,
						   &weir_node_neigh_in, &weir_node_defrag,
						   &weir_node_route,	&weir_node_local,
						   &weir_node_reject,	&weir_node_neigh_out,
						   &weir_node_tx,	&weir_node_punt,
						   &weir_node_drop,	NULL};

#define MS    UINT64_C(1000000)
#define MBUFS 2047

static struct rte_mempool *wire;
static struct weir_rib *rib;
static struct weir_system *sys;
static struct weir_port *port[2];
static uint64_t now_ns;

/* A broken promise ends the run: libFuzzer keeps the input that broke it. */
static void must(bool kept, const char *promise)
{
	if (kept)
		return;
	fprintf(stderr, "fuzz_router: %s\n", promise);
	abort();
}

static void free_gen(struct weir_gen *gen)
{
	weir_rib_release(rib, gen->l3);
	free(gen);
}

static void publish(void)
{
	struct weir_gen *gen = calloc(1, sizeof(*gen));
	struct weir_iface ifaces[3] = {0};
	const struct weir_nexthop hop = {.gateway = {.family = 4, .bytes = {10, 0, 1, 2}},
					 .iface = WEIR_NO_IFACE};
	const struct weir_route all = {.to = {.addr = {.family = 4}},
				       .kind = WEIR_HOP_GATEWAY,
				       .source = WEIR_ROUTE_STATIC,
				       .n_hops = 1,
				       .hops = &hop};

	must(gen != NULL, "out of memory");
	for (uint8_t i = 0; i < 3; i++) {
		struct weir_iface *f = &ifaces[i];

		snprintf(f->name, sizeof(f->name), "p%u", i);
		f->port = i % 2;
		f->vlan[0] = i == 2 ? 100 : 0;
		f->mtu = i == 1 ? 1280 : 1500;
		memcpy(f->mac, (uint8_t[]){2, 0, 0, 0, i % 2, 1}, 6);
		f->n_addrs = 2;
		f->addr[0] = (struct weir_prefix){.addr = {.family = 4, .bytes = {10, 0, i, 1}},
						  .length = 24};
		f->addr[1] = (struct weir_prefix){
			.addr = {.family = 6, .bytes = {0x20, 1, 0x0d, 0xb8, 0, i, [15] = 1}},
			.length = 64};
	}
	must(weir_rib_begin(rib) == 0 && weir_rib_set_ifaces(rib, ifaces, 3, NULL) == 0 &&
		     weir_rib_replace(rib, WEIR_ROUTE_STATIC, &all, 1, NULL) == 0 &&
		     weir_rib_commit(rib, &gen->l3, NULL) == 0,
	     "the routes are refused");
	gen->free = free_gen;
	weir_system_publish(sys, gen);
}

static void begin(void)
{
	static const char *const words[] = {"fuzz",	"--no-huge", "--no-shconf",
					    "--no-pci", "-m",	     "512",
					    "-l",	"0",	     "--log-level=error"};
	static char kept[RTE_DIM(words)][32]; /* EAL may write to them */
	char *args[RTE_DIM(words)];
	static const struct weir_rib_conf small = {
		.routes4 = 256, .routes6 = 256, .groups4 = 64, .groups6 = 256, .numa = -1};

	for (unsigned i = 0; i < RTE_DIM(words); i++)
		args[i] = strcpy(kept[i], words[i]);
	must(rte_eal_init(RTE_DIM(args), args) >= 0, "EAL does not begin");
	wire = rte_pktmbuf_pool_create("wire", MBUFS, 0, sizeof(struct weir_meta),
				       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	must(wire != NULL && weir_rib_create(&small, &rib, NULL) == 0, "no memory");
}

static void open_router(void)
{
	static const uint16_t core;
	struct weir_system_port ports[2] = {0};
	struct weir_system_conf conf = {.name = "fuzz",
					.cores = &core,
					.workers = 1,
					.mbufs = MBUFS,
					.limits = WEIR_LIMITS_DEFAULT,
					.ports = ports,
					.n_ports = 2,
					.path = path};

	conf.limits.neighbours = 32;
	conf.limits.fragments = 16;
	for (uint8_t i = 0; i < 2; i++) {
		must(weir_port_mem_create("p", i, 1, 1, 512, &port[i]) == 0, "no port");
		memcpy(&port[i]->mac, (uint8_t[]){2, 0, 0, 0, i, 1}, 6);
		ports[i].given = port[i];
	}
	must(weir_system_create(&conf, &sys, NULL) == 0, "no system");
	publish();
}

static void drain(void)
{
	struct rte_mbuf *got[64];
	uint16_t n;

	for (unsigned p = 0; p < 2; p++) {
		while ((n = weir_port_mem_sent(port[p], 0, got, 64)) > 0) {
			for (uint16_t i = 0; i < n; i++)
				must(got[i]->pkt_len >= RTE_ETHER_HDR_LEN &&
					     got[i]->pkt_len <= 1522,
				     "a frame of an impossible length was sent");
			rte_pktmbuf_free_bulk(got, n);
		}
	}
}

static void mend(uint8_t head, struct rte_mbuf *m)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);

	if ((head & 2) && m->data_len >= sizeof(*eth))
		eth->dst_addr = port[head & 1]->mac;
	if (!(head & 4) || m->data_len < sizeof(*eth) + sizeof(*ip) ||
	    m->data_len < sizeof(*eth) + rte_ipv4_hdr_len(ip))
		return;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void feed(uint8_t head, const uint8_t *bytes, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(wire);

	must(m != NULL, "buffers of the wire were lost");
	memcpy(rte_pktmbuf_append(m, len), bytes, len);
	mend(head, m);
	must(weir_port_mem_inject(port[head & 1], 0, &m, 1) == 1, "the port is full");
	now_ns += (uint64_t)(head >> 4) * (head >> 4) * MS;
	for (unsigned i = 0; i < 3; i++)
		weir_engine_once(weir_system_engine(sys, 0), now_ns);
	drain();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (wire == NULL)
		begin();
	open_router();
	now_ns = MS;
	while (size >= 3) {
		uint16_t len = (uint16_t)(data[1] | data[2] << 8);
		const uint8_t head = data[0];

		data += 3;
		size -= 3;
		if (len > 1518)
			len = 1518;
		if (len > size)
			len = (uint16_t)size;
		feed(head, data, len);
		data += len;
		size -= len;
	}
	weir_system_free(sys);
	must(rte_mempool_in_use_count(wire) == 0, "a buffer leaked");
	return 0;
}
