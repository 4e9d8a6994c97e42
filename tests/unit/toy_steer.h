/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The XDP program on packets made by hand: BPF_PROG_TEST_RUN, in a network namespace of its own.
 *
 * Where a packet goes is asked by who has a socket there: the program tells only that it found one.
 */

#include "steer_in_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "steer.skel.h"

#define TOY_QUEUES 8
#define TOY_KERNEL 100
#define TOY_DROP   101
#define TOY_COOKIE 0xc001d00d
#define SKIPPED	   77

static struct steer *toy;
static struct steer_bpf *toy_bpf;
static int toy_program;
static int toy_sock;

/* What became of a packet. */
struct toy_end {
	int action; /* XDP_... */
	bool has_meta;
	struct steer_meta meta;
};

struct frame {
	uint8_t bytes[2048];
	size_t len;
};

static inline void toy_load(enum steer_flavour flavour)
{
	steer_bpf__destroy(toy_bpf);
	if (steer_program_open(toy, flavour, &toy_bpf) < 0 || bpf_object__load(toy_bpf->obj) < 0)
		abort();
	toy_program = bpf_program__fd(steer_program_of(toy_bpf, flavour));
}

static void toy_close(void)
{
	steer_bpf__destroy(toy_bpf);
	close(toy_sock);
	steer_close(toy);
}

/* Open what is tested on the loopback of a new namespace, or end with 77. */
static inline void toy_open(void)
{
	const uint32_t size = 64;

	if (unshare(CLONE_NEWNET) < 0 || steer_open("lo", 1, false, &toy) < 0) {
		fprintf(stderr, "skipped: network namespaces and BPF need root\n");
		exit(SKIPPED);
	}
	toy_sock = socket(AF_XDP, SOCK_RAW, 0);
	if (toy_sock < 0 || setsockopt(toy_sock, SOL_XDP, XDP_RX_RING, &size, sizeof(size)) < 0) {
		fprintf(stderr, "skipped: this kernel has no AF_XDP\n");
		exit(SKIPPED);
	}
	atexit(toy_close);
	toy_load(STEER_PLAIN);
}

static inline void toy_flush(void)
{
	for (uint32_t id = 1; id < STEER_RULES; id++)
		if (steer_table_has(&toy->table, id) && steer_rule_remove(toy, id) < 0)
			abort();
}

/* Begin anew: one hardware queue, several of the port's, no rule, everything to user space. */
static inline struct steer_config *toy_config(void)
{
	struct steer_config *config;

	if (toy == NULL)
		toy_open();
	toy_flush();
	config = steer_config(toy);
	memset(config, 0, sizeof(*config));
	config->n_hwqs = 1;
	config->stride = TOY_QUEUES;
	config->soft_rss = 1;
	config->meta = 1;
	config->cookie = TOY_COOKIE;
	steer_queues(toy, TOY_QUEUES);
	for (uint32_t q = 0; q < TOY_QUEUES; q++)
		if (steer_set_socket(toy, q, toy_sock) < 0)
			abort();
	return config;
}

static inline struct toy_end toy_run(const struct frame *f)
{
	struct toy_end end = {.action = -1};
	uint8_t out[sizeof(f->bytes) + sizeof(end.meta)];
	struct xdp_md ctx = {.data_end = (uint32_t)f->len}, after;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = (uint32_t)f->len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .ctx_out = &after, .ctx_size_out = sizeof(after),
		    .repeat = 1);

	if (bpf_prog_test_run_opts(toy_program, &opts) < 0)
		return end;
	end.action = (int)opts.retval;
	if (after.data - after.data_meta == sizeof(end.meta)) {
		memcpy(&end.meta, out, sizeof(end.meta));
		end.has_meta = true;
	}
	return end;
}

/* Where a packet goes: a queue, TOY_KERNEL or TOY_DROP. */
static inline int toy_goes_to(const struct frame *f)
{
	const int action = toy_run(f).action;
	int queue = -1;

	if (action == XDP_DROP)
		return TOY_DROP;
	if (action == XDP_PASS)
		return TOY_KERNEL;
	for (uint32_t q = 0; q < TOY_QUEUES; q++)
		steer_set_socket(toy, q, -1);
	for (uint32_t q = 0; q < TOY_QUEUES && queue < 0; q++) {
		steer_set_socket(toy, q, toy_sock);
		if (toy_run(f).action == XDP_REDIRECT)
			queue = (int)q;
	}
	for (uint32_t q = 0; q < TOY_QUEUES; q++)
		steer_set_socket(toy, q, toy_sock);
	return queue;
}

/* ---- frames ---- */

static inline void put(struct frame *f, const void *bytes, size_t n)
{
	memcpy(f->bytes + f->len, bytes, n);
	f->len += n;
}

static inline void put16(struct frame *f, uint16_t value)
{
	value = htons(value);
	put(f, &value, 2);
}

static inline void put8(struct frame *f, uint8_t value)
{
	put(f, &value, 1);
}

static inline void put_zero(struct frame *f, size_t n)
{
	memset(f->bytes + f->len, 0, n);
	f->len += n;
}

/* An Ethernet header less its type. */
static inline struct frame frame_eth(void)
{
	struct frame f = {.len = 0};

	put(&f, "\x02\x00\x00\x00\x00\x0d\x02\x00\x00\x00\x00\x05", 12);
	return f;
}

static inline void put_tag(struct frame *f, uint16_t tpid, uint16_t tci)
{
	put16(f, tpid);
	put16(f, tci);
}

static inline void put_ip(struct frame *f, const char *text)
{
	uint8_t ip[16];
	const bool v6 = strchr(text, ':') != NULL;

	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, ip) != 1)
		abort();
	put(f, ip, v6 ? 16 : 4);
}

/* The Ethernet type and an IPv4 header; @frag is more fragments and the offset as the header has
 * them. */
static inline void put_ipv4(struct frame *f, uint8_t proto, const char *src, const char *dst,
			    uint16_t frag, unsigned option_words)
{
	put16(f, 0x0800);
	put8(f, (uint8_t)(0x45 + option_words));
	put8(f, 0);
	put16(f, 40);
	put16(f, 1);
	put16(f, frag);
	put8(f, 64);
	put8(f, proto);
	put16(f, 0);
	put_ip(f, src);
	put_ip(f, dst);
	for (unsigned i = 0; i < option_words; i++)
		put(f, "\x01\x01\x01\x01", 4);
}

static inline void put_ipv6(struct frame *f, uint8_t next, const char *src, const char *dst)
{
	put16(f, 0x86dd);
	put(f, "\x60\x00\x00\x00\x00\x14", 6);
	put8(f, next);
	put8(f, 64);
	put_ip(f, src);
	put_ip(f, dst);
}

/* As much of a TCP header as TCP needs. */
static inline void put_ports(struct frame *f, uint16_t src, uint16_t dst)
{
	put16(f, src);
	put16(f, dst);
	put_zero(f, 16);
}

/* TCP (6) or UDP (17) over whichever IP the addresses are of. */
static inline struct frame frame_flow(uint8_t proto, const char *src, uint16_t sport,
				      const char *dst, uint16_t dport)
{
	struct frame f = frame_eth();

	if (strchr(src, ':') != NULL)
		put_ipv6(&f, proto, src, dst);
	else
		put_ipv4(&f, proto, src, dst, 0, 0);
	put_ports(&f, sport, dport);
	return f;
}

/* A rule that leads to one queue. */
static inline struct steer_spec toy_spec(enum steer_verdict verdict, uint8_t queue,
					 uint32_t priority)
{
	struct steer_spec spec = steer_spec_any(verdict, priority);

	spec.rule.n_queues = 1;
	spec.rule.queues[0] = queue;
	return spec;
}

static inline uint32_t toy_add(const struct steer_spec *spec)
{
	const char *why;
	uint32_t id;

	return steer_rule_add(toy, spec, &id, &why) == 0 ? id : 0;
}
