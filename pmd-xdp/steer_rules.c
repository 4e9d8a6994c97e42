/* SPDX-License-Identifier: BSD-3-Clause */

/* The rules of a port: its table on the kernel's maps, and whether the port can do what they say.
 */

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "log_priv.h"
#include "steer_in_priv.h"

#include "steer.skel.h" /* needs the structs of bpf/steer.h */

static int set_head(void *ctx, const struct steer_key *key, uint32_t id)
{
	const struct steer *s = ctx;

	return bpf_map_update_elem(bpf_map__fd(s->bpf->maps.chains), key, &id, BPF_ANY);
}

static int del_head(void *ctx, const struct steer_key *key)
{
	const struct steer *s = ctx;

	return bpf_map_delete_elem(bpf_map__fd(s->bpf->maps.chains), key);
}

/*
 * The program runs inside RCU, and this waits for all of RCU (some 10 ms). A kernel with nohz_full
 * has no such call; there a run would have to last while a rule is taken out and another is made,
 * two system calls, to see anything wrong.
 */
void steer_wait(const struct steer *s)
{
	if (steer_is_attached(s))
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

static void wait_for_runs(void *ctx)
{
	steer_wait(ctx);
}

void steer_rules_init(struct steer *s)
{
	static const struct steer_table_ops ops = {set_head, del_head, wait_for_runs};

	s->table.ops = &ops;
	s->table.ctx = s;
	s->table.masks = s->bpf->bss->masks;
	s->table.rules = s->bpf->bss->rules;
	s->table.n_masks = &s->bpf->bss->config.n_masks;
}

void steer_settle(struct steer *s)
{
	struct steer_config *config = &s->bpf->bss->config;
	const bool all = config->others == STEER_USER && !config->keep_host && !config->isolated &&
			 s->table.n_rules == 0 && !config->soft_rss && !config->meta;

	__atomic_store_n(&config->all, all, __ATOMIC_RELEASE);
}

int steer_rule_add(struct steer *s, const struct steer_spec *spec, uint32_t *id, const char **why)
{
	int rc = steer_table_add(&s->table, spec, id, why);

	if (rc == 0)
		steer_settle(s);
	return rc;
}

int steer_rule_remove(struct steer *s, uint32_t id)
{
	int rc = steer_table_remove(&s->table, id);

	if (rc == 0)
		steer_settle(s);
	return rc;
}

int steer_rule_stats(const struct steer *s, uint32_t id, struct steer_rule_stats *out)
{
	struct steer_rule_stats *each = calloc(s->cpus, sizeof(*each));
	int rc;

	if (each == NULL)
		return -ENOMEM;
	rc = bpf_map_lookup_elem(bpf_map__fd(s->bpf->maps.rule_stats), &id, each);
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; rc == 0 && i < s->cpus; i++) {
		out->pkts += each[i].pkts;
		out->bytes += each[i].bytes;
	}
	free(each);
	return rc;
}

const char *steer_rule_objection(const struct steer *s, const struct steer_rule *rule)
{
	const struct steer_config *config = &s->bpf->bss->config;
	const bool one_queue = config->n_hwqs == 1 && config->stride == 1;

	if (rule->verdict != STEER_SPREAD)
		return NULL;
	for (unsigned i = 0; i < rule->n_queues; i++) {
		if (rule->queues[i] >= s->n_queues)
			return "there is no such queue";
		if (!config->soft_rss && !(one_queue && rule->queues[i] == 0))
			return "the device chooses the queue; rss=soft lets the program do so";
	}
	return NULL;
}

bool steer_has_marks(struct steer *s)
{
	bool found = false;

	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 1; i < STEER_RULES && !found; i++)
		found = s->table.slots[i].used && s->table.rules[i].has_mark;
	pthread_mutex_unlock(&s->lock);
	return found;
}

/* A started port gets its metadata with its first mark; one that starts must be told before. */
static const char *reason_not_to_start(const struct steer *s, const struct steer_rule *rule)
{
	if (rule->has_mark && !s->bpf->bss->config.meta)
		return "a mark needs metadata in front of packets";
	return steer_rule_objection(s, rule);
}

int steer_rules_check(const struct steer *s)
{
	const char *why;

	for (uint32_t i = 1; i < STEER_RULES; i++) {
		why = s->table.slots[i].used ? reason_not_to_start(s, &s->table.rules[i]) : NULL;
		if (why == NULL)
			continue;
		XDP_LOG(ERR, "%s: flow rule %u cannot be kept: %s", s->ifname, i, why);
		return -EINVAL;
	}
	return 0;
}
