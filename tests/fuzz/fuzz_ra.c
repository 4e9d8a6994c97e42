/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whatever routers say and whenever, an interface stays one that the routing table takes, within
 * its limits. Input: for each message the seconds since the last one, its length, both of two bytes
 * in network order, and its bytes.
 */
#include "autoconf_priv.h"

#include <stdlib.h>
#include <string.h>
#include <weir/clock.h>
#include <weir/cursor.h>
#include <weir/rib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static bool toy_send(void *ctx, const struct autoconf_iface *f, struct neigh_frame *frame)
{
	if (frame->len_bytes > sizeof(frame->bytes))
		abort();
	return true;
}

static void toy_say(void *ctx, const struct autoconf_iface *f, const struct autoconf_addr *a,
		    enum autoconf_event event, const struct weir_mac *other)
{
}

static void check(const struct autoconf *ac, const struct weir_iface *conf)
{
	struct weir_iface f = *conf;

	autoconf_dress(ac, &f);
	if (ac->iface[0].n_routers > AUTOCONF_ROUTERS_MAX ||
	    ac->iface[0].n_onlink > AUTOCONF_PREFIXES_MAX ||
	    ac->iface[0].n_addrs > AUTOCONF_ADDRS_MAX || f.mtu < 1280 || f.mtu > conf->mtu ||
	    weir_ifaces_check(&f, 1, NULL) != 0)
		abort();
	for (uint8_t k = 1; k < ac->iface[0].n_addrs; k++)
		for (uint8_t m = 0; m < k; m++)
			if (weir_addr_equal(&ac->iface[0].addr[k].prefix.addr,
					    &ac->iface[0].addr[m].prefix.addr))
				abort();
}

/* From a copy, so that a step past the end is seen. */
static void hear(struct autoconf *ac, const uint8_t *bytes, size_t len_bytes, uint64_t now_ns)
{
	const struct weir_addr from = {.family = 6, .bytes = {0xfe, 0x80, [15] = len_bytes % 16}};
	uint8_t *copy = malloc(len_bytes == 0 ? 1 : len_bytes);

	if (copy == NULL)
		return;
	memcpy(copy, bytes, len_bytes);
	slaac_heard(ac, &ac->iface[0], &from, copy, len_bytes, now_ns);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct weir_iface conf = {
		.name = "wan", .mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500};
	static const struct weir_siphash_key key = {1, 2};
	static const struct autoconf_door door = {.send = toy_send, .say = toy_say};
	const struct autoconf_rules rules = {
		.probes = 1, .optimistic = true, .slaac = true, .eui64 = bytes % 2};
	struct weir_cursor c = {.at = data, .end = data + bytes};
	uint64_t now_ns = WEIR_NS_PER_S;
	struct autoconf *ac;

	if (autoconf_create(NULL, &key, &key, &conf, &rules, 1, now_ns, &ac) < 0)
		return 0;
	for (;;) {
		const uint16_t wait_s = weir_take_u16_be(&c);
		const uint16_t len_bytes = weir_take_u16_be(&c);
		const uint8_t *message = weir_take(&c, len_bytes);

		if (c.bad)
			break;
		now_ns += wait_s * WEIR_NS_PER_S;
		hear(ac, message, len_bytes, now_ns);
		autoconf_run(ac, &door, now_ns);
		check(ac, &conf);
	}
	autoconf_free(ac);
	return 0;
}
