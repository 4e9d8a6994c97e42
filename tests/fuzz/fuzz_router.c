/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The whole router under hostile frames. The input is as fuzz_wire.h says; of its heads, bits 4 to
 * 7 are milliseconds that go by, squared.
 *
 * After each input every buffer must be home or in a table, and stopping must free the tables'.
 */

#include "fuzz_wire.h"
#include "toy_paths.h"

static void free_gen(struct weir_gen *gen)
{
	weir_rib_release(fuzz_rib, gen->l3);
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

	must(gen != NULL, "there is memory");
	for (uint8_t i = 0; i < 3; i++) {
		fuzz_iface(&ifaces[i], (const char *[]){"p0", "p1", "p2"}[i], i);
		ifaces[i].vlan[0] = i == 2 ? 100 : 0;
	}
	must(weir_rib_begin(fuzz_rib) == 0 && weir_rib_set_ifaces(fuzz_rib, ifaces, 3, NULL) == 0 &&
		     weir_rib_replace(fuzz_rib, WEIR_ROUTE_STATIC, &all, 1, NULL) == 0 &&
		     weir_rib_commit(fuzz_rib, &gen->l3, NULL) == 0,
	     "the routes are taken");
	gen->free = free_gen;
	weir_system_publish(sys, gen);
}

static void feed(uint8_t head, struct rte_mbuf *m)
{
	fuzz_mend(head, m);
	fuzz_inject(head, m);
	fuzz_now_ns += (uint64_t)(head >> 4) * (head >> 4) * FUZZ_MS;
	fuzz_passes();
	fuzz_drain(NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (wire == NULL)
		fuzz_begin("512");
	fuzz_open(toy_router_path, NULL);
	publish();
	fuzz_frames(data, size, feed);
	fuzz_close();
	return 0;
}
