/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The XDP program's maps, for as long as a port is probed: configuration, sockets, hash and
 * counters.
 *
 * Takes:  an interface; then what the port wants, written into memory that the program reads.
 * Says:   counters.
 * Holds:  the maps, and through steer_attach.c the program on the interface.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "log_priv.h"
#include "steer_in_priv.h"

#include "steer.skel.h" /* needs the structs of bpf/steer.h */

static int log_of_libbpf(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return rte_vlog(RTE_LOG_DEBUG, (uint32_t)xdp_logtype, fmt, args);
}

/* The function that tells a packet's VLAN is younger than those for its hash and time. */
static bool kernel_tells_vlan(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool found;

	if (btf == NULL)
		return false;
	found = btf__find_by_name_kind(btf, "bpf_xdp_metadata_rx_vlan_tag", BTF_KIND_FUNC) > 0;
	btf__free(btf);
	return found;
}

/* Make the maps; programs are loaded on them when they are attached. */
static int make_maps(struct steer *s)
{
	struct bpf_program *program;
	int rc;

	s->bpf = steer_bpf__open();
	if (s->bpf == NULL)
		rc = -errno;
	else {
		s->bpf->rodata->has_vlan_hint = kernel_tells_vlan();
		bpf_object__for_each_program(program, s->bpf->obj)
			bpf_program__set_autoload(program, false);
		rc = steer_bpf__load(s->bpf);
	}
	if (rc == -EPERM)
		XDP_LOG(ERR, "%s: may not use BPF: CAP_BPF and CAP_NET_ADMIN are needed",
			s->ifname);
	else if (rc < 0)
		XDP_LOG(ERR, "%s: cannot make the maps of the XDP program: %s", s->ifname,
			strerror(-rc));
	return rc;
}

int steer_open(const char *ifname, int ifindex, bool coexist, struct steer **out)
{
	const int cpus = libbpf_num_possible_cpus();
	struct steer *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL || cpus < 0) {
		free(s);
		XDP_LOG(ERR, "%s: no memory for the state of the XDP program", ifname);
		return -ENOMEM;
	}
	libbpf_set_print(log_of_libbpf);
	snprintf(s->ifname, sizeof(s->ifname), "%s", ifname);
	s->ifindex = ifindex;
	s->cpus = (unsigned)cpus;
	s->link = -1;
	s->owner = -1;
	pthread_mutex_init(&s->lock, NULL);
	rc = coexist ? steer_share_open(s) : steer_foreign(s);
	if (rc == 0)
		rc = make_maps(s);
	if (rc < 0) {
		steer_close(s);
		return rc;
	}
	steer_rules_init(s);
	*out = s;
	return 0;
}

void steer_close(struct steer *s)
{
	if (s == NULL)
		return;
	steer_detach(s);
	if (s->owner >= 0)
		close(s->owner);
	steer_bpf__destroy(s->bpf);
	pthread_mutex_destroy(&s->lock);
	free(s->owned);
	free(s);
}

struct steer_config *steer_config(struct steer *s)
{
	return &s->bpf->bss->config;
}

volatile uint16_t *steer_reta(struct steer *s)
{
	return s->bpf->bss->reta;
}

/* The 32 bits of the key that begin at a bit. */
static uint32_t key_window(const uint8_t *key, unsigned bit)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < 5; i++)
		bytes = bytes << 8 | key[bit / 8 + i];
	return (uint32_t)(bytes >> (8 - bit % 8));
}

/* What a byte of the input adds to the hash: the key's windows at the bits that are set in it. */
static uint32_t hash_of_byte(const uint8_t *key, unsigned at, unsigned value)
{
	uint32_t hash = 0;

	for (unsigned bit = 0; bit < 8; bit++)
		if (value & (0x80u >> bit))
			hash ^= key_window(key, at * 8 + bit);
	return hash;
}

void steer_set_key(struct steer *s, const uint8_t *key, size_t key_bytes)
{
	struct steer_config *config = steer_config(s);
	const uint8_t next = !config->key_set;

	pthread_mutex_lock(&s->lock);
	memset(s->key, 0, sizeof(s->key));
	memcpy(s->key, key, key_bytes < sizeof(s->key) ? key_bytes : sizeof(s->key));
	/* A run that began before the last change of key still reads the table that is written now.
	 */
	steer_wait(s);
	for (unsigned at = 0; at < STEER_KEY_BYTES; at++)
		for (unsigned value = 0; value < 256; value++)
			s->bpf->bss->toeplitz[next][at][value] = hash_of_byte(s->key, at, value);
	__atomic_store_n(&config->key_set, next, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&s->lock);
}

int steer_set_socket(struct steer *s, uint32_t slot, int fd)
{
	const int map = bpf_map__fd(s->bpf->maps.socks);
	int rc;

	if (slot >= STEER_SOCKS)
		return -EINVAL;
	if (fd >= 0)
		return bpf_map_update_elem(map, &slot, &fd, BPF_ANY);
	rc = bpf_map_delete_elem(map, &slot);
	return rc == -ENOENT ? 0 : rc;
}

/* Sum up what the CPUs counted, since ever. */
static int sum_stats(struct steer *s, uint32_t hwq, struct steer_queue_stats *out)
{
	struct steer_queue_stats *each = calloc(s->cpus, sizeof(*each));
	int rc;

	if (each == NULL)
		return -ENOMEM;
	rc = bpf_map_lookup_elem(bpf_map__fd(s->bpf->maps.queue_stats), &hwq, each);
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; rc == 0 && i < s->cpus; i++) {
		out->passed += each[i].passed;
		out->dropped += each[i].dropped;
		out->redirected += each[i].redirected;
		out->failed += each[i].failed;
		out->too_short += each[i].too_short;
		out->bytes += each[i].bytes;
	}
	free(each);
	return rc;
}

int steer_stats(struct steer *s, uint16_t hwq, struct steer_queue_stats *out)
{
	const struct steer_config *config = steer_config(s);
	const struct steer_queue_stats *base;
	const uint16_t i = hwq - config->first_hwq;
	int rc;

	if (i >= STEER_HWQS)
		return -EINVAL;
	rc = sum_stats(s, i, out);
	if (rc < 0)
		return rc;
	base = &s->base[i];
	out->passed -= base->passed;
	out->dropped -= base->dropped;
	out->redirected -= base->redirected;
	out->failed -= base->failed;
	out->too_short -= base->too_short;
	out->bytes -= base->bytes;
	out->seen = out->passed + out->dropped + out->redirected + out->failed;
	return 0;
}

void steer_stats_reset(struct steer *s)
{
	for (uint32_t i = 0; i < STEER_HWQS; i++)
		if (sum_stats(s, i, &s->base[i]) < 0)
			XDP_LOG(ERR, "%s: the XDP program's counters of queue %u are not reset",
				s->ifname, i);
}
