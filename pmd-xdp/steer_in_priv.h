/* SPDX-License-Identifier: BSD-3-Clause */

/* What the parts of steer share with each other, and with nobody else. */

#pragma once

#include "steer_priv.h"
#include "steer_table_priv.h"

#include <net/if.h>
#include <pthread.h>
#include <weir/addr.h>

struct bpf_program;
struct steer_bpf;
struct xdp_program;

enum steer_flavour { STEER_PLAIN, STEER_FRAGS, STEER_HINTS };

/* A flow rule, as its owner holds it. A handle has the number of its rule. */
struct rte_flow {
	struct steer_rule_stats base; /* at the last reset */
};

struct steer {
	char ifname[IF_NAMESIZE];
	int ifindex;
	unsigned cpus;
	uint16_t n_queues; /* 0: not told yet */
	/* The maps. Each attach loads a program of its own on them. */
	struct steer_bpf *bpf;
	int link;  /* the attachment, gone with this descriptor; -1: none */
	int owner; /* the mark of the one process that shares the interface; -1: not sharing */
	struct steer_bpf *shared_bpf;
	struct xdp_program *shared;		   /* in the dispatcher; NULL: not there */
	int shared_mode;			   /* enum xdp_attach_mode */
	struct steer_queue_stats base[STEER_HWQS]; /* at the last reset */
	struct weir_addr *owned;		   /* addresses that user space has */
	unsigned n_owned;
	struct steer_table table;
	struct rte_flow flows[STEER_RULES];
	uint8_t key[STEER_KEY_BYTES + 4]; /* of the hash */
	pthread_mutex_t
		lock; /* of the rules, the attachment, the host's addresses and the hash key */
};

/*
 * Open a second object on the maps of the first, with only the program of a flavour to load. The
 * caller loads it, and frees it with steer_bpf__destroy().
 */
int steer_program_open(const struct steer *s, enum steer_flavour flavour, struct steer_bpf **out);
struct bpf_program *steer_program_of(const struct steer_bpf *bpf, enum steer_flavour flavour);
/* The name and number of a program, as "xdp_dispatcher (id 12)". */
const char *steer_program_name(uint32_t id, char *text, size_t text_bytes);
uint32_t steer_program_id(int fd);
/* Say, and return -EBUSY, if the interface has a program of somebody else; 0: it has none. */
int steer_foreign(const struct steer *s);

static inline bool steer_is_attached(const struct steer *s)
{
	return s->link >= 0 || s->shared != NULL;
}

/* Through libxdp's dispatcher: make this process the one that may, and take out what a dead one
 * left. */
int steer_share_open(struct steer *s);
int steer_share_attach(struct steer *s, const struct steer_want *want, struct steer_got *got);
void steer_share_detach(struct steer *s);

/* The rules. The lock is held, but by _init, which cannot fail. */
void steer_rules_init(struct steer *s);
int steer_rule_add(struct steer *s, const struct steer_spec *spec, uint32_t *id, const char **why);
int steer_rule_remove(struct steer *s, uint32_t id);
int steer_rule_stats(const struct steer *s, uint32_t id, struct steer_rule_stats *out);
/* Why a rule cannot do what it says with the port as it is set up; NULL: it can. */
const char *steer_rule_objection(const struct steer *s, const struct steer_rule *rule);
/* Refuse to start, with a log line, while there is a rule that is objected to. */
int steer_rules_check(const struct steer *s);
/* Wait until each run of the program has ended that began before. */
void steer_wait(const struct steer *s);
/* Write config.all: whether there is anything to read in a packet. */
void steer_settle(struct steer *s);

/* Read the interface's addresses into the map of those that the kernel keeps. The lock is held. */
int steer_hosts_read(struct steer *s);
