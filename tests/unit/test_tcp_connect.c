/* SPDX-License-Identifier: BSD-3-Clause */

/* Ports of connections that we begin: whose answers come here. */

#include "tcp_priv.h"
#include "toy_pair.h"

#include <errno.h>
#include <netinet/in.h>

#define A pair.end[0].stack

static struct {
	unsigned computed, searched;
	uint32_t first;
	bool can;
} steer;

static uint16_t compute_port(void *ctx, const struct weir_tuple *in, uint16_t first, uint16_t count,
			     uint32_t i)
{
	(void)ctx;
	CU_ASSERT_EQUAL(in->dst[3] * 256 + in->src[3], 1 * 256 + 2); /* as the answer has it */
	CU_ASSERT_EQUAL(in->sport, htons(80));
	if (steer.computed++ == 0)
		steer.first = i;
	return steer.can ? (uint16_t)(first + i % (count / 4) * 4 + 3) : 0;
}

static bool search_port(void *ctx, const struct weir_tuple *in)
{
	(void)ctx;
	steer.searched++;
	return ntohs(in->dport) % 4 == 3;
}

static void check_ports(bool can)
{
	unsigned wrong = 0, ports = 0;
	static uint8_t seen[UINT16_MAX + 1];
	struct weir_endpoint ours;

	memset(&steer, 0, sizeof(steer));
	memset(seen, 0, sizeof(seen));
	steer.can = can;
	pair_begin_with((struct weir_stack_conf){
		.connections = 256, .port = compute_port, .owns = search_port});
	for (unsigned i = 0; i < 200; i++) {
		const weir_sock c = pair_connect("192.0.2.2", 80);

		CU_ASSERT_EQUAL(weir_getsockname(A, c, &ours), 0);
		wrong += ours.port % 4 != 3 || ours.port < 32768 || ours.port > 60999;
		ports += seen[ours.port]++ == 0;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(ports, 200);
	CU_ASSERT(steer.first > 1 << 16); /* begins where a key says (RFC 6056 section 3.3.3) */
	pair_end();
}

static void test_a_port_that_can_be_computed_is_not_searched(void)
{
	check_ports(true);
	CU_ASSERT_EQUAL(steer.computed, 200);
	CU_ASSERT_EQUAL(steer.searched, 0);
	check_ports(false);
	CU_ASSERT(steer.searched > 600);
}

WEIR_TESTS("stack/tcp_connect", TEST(a_port_that_can_be_computed_is_not_searched))
