/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The XDP program of a port: what it may hand to us, where it hands it, and the rules.
 *
 * Only the process that probed the port has one; its calls are control path, one thread at a time
 * (rte_flow and RSS calls are serialised by a mutex inside).
 */

#pragma once

#include "bpf/steer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rte_flow_ops;
struct steer;

enum steer_mode { STEER_MODE_NONE, STEER_MODE_DRV, STEER_MODE_SKB, STEER_MODE_DISPATCHER };

/* What a start asks of the program. */
struct steer_want {
	bool frags;   /* frames of several buffers will come */
	bool hints;   /* hash, VLAN or time of the device, if it can */
	bool skb;     /* generic mode is asked for: mode=skb */
	bool drv;     /* native mode or nothing: mode=drv */
	bool coexist; /* through libxdp's dispatcher, as steer_open() was told */
};

/* What a start got. */
struct steer_got {
	enum steer_mode mode;
	bool frags;
	bool hints;
	uint32_t prog_id;
};

/*
 * Load the program for an interface; nothing is attached yet. Refuses an interface that has
 * somebody else's program (unless it is to share through the dispatcher) and names that program.
 * Returns 0; -EBUSY, -EPERM, -ENOTSUP or another error of the kernel, after one log line.
 */
int steer_open(const char *ifname, int ifindex, bool coexist, struct steer **out);
/* Detach and free. NULL is allowed. */
void steer_close(struct steer *s);

/*
 * Set the words of steer= (steer_words_priv.h has the grammar), once: NULL is the default. -EINVAL
 * after one log line.
 */
int steer_words(struct steer *s, const char *words);
/* owns=, with + between: addresses that are user space's even where the kernel has them too. */
int steer_owns(struct steer *s, const char *addresses);
/* rte_flow_isolate: only what rules name comes to user space. */
void steer_isolate(struct steer *s, bool on);

/*
 * Configuration in the program's memory. The caller may write the queue, hash and metadata fields
 * while detached, rss_types and symmetric always; steer owns all, others, keep_host, isolated,
 * key_set and n_masks.
 */
struct steer_config *steer_config(struct steer *s);
/* The indirection table, STEER_RETA queue numbers, as the program reads it: one store is one
 * change. */
volatile uint16_t *steer_reta(struct steer *s);
/* Fill the program's Toeplitz tables from a key of 40 bytes (or more; the first 40 count). */
void steer_set_key(struct steer *s, const uint8_t *key, size_t key_bytes);

/* Put a socket into the map, or take it out (fd < 0). */
int steer_set_socket(struct steer *s, uint32_t slot, int fd);
/* Attach, the best way the device has among what is wanted. 0, or an error after one log line. */
int steer_attach(struct steer *s, const struct steer_want *want, struct steer_got *got);
void steer_detach(struct steer *s);

/* The program's counters of a hardware queue, summed over the CPUs. */
int steer_stats(struct steer *s, uint16_t hwq, struct steer_queue_stats *out);
void steer_stats_reset(struct steer *s);

/* Whether a flow rule marks packets: such a port starts with config.meta, or not at all. */
bool steer_has_marks(struct steer *s);
/* Tell how many queues a rule may name, at each start. */
void steer_queues(struct steer *s, uint16_t n_queues);
/* Called from the link watch when the host's addresses changed. */
void steer_hosts_changed(struct steer *s);

/* rte_flow of a port whose steer is found by xdp_steer_of() (dev_priv.h). */
extern const struct rte_flow_ops xdp_flow_ops;
