/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The rest ladder. Idle time decides the step, so a trickle of packets keeps the worker low on it
 * and silence takes it to the top; one packet brings it down again.
 */

#include <weir/poll.h>

struct weir_poll_cfg weir_poll_defaults(enum weir_poll_mode mode, bool can_block)
{
	return (struct weir_poll_cfg){
		.mode = mode,
		.can_block = can_block,
		.spin_ns = 20000,
		.pause_ns = 50000,
		.nap_min_ns = 5000,
		.nap_max_ns = 80000,
		.block_max_ns = UINT64_C(1000000000),
	};
}

static uint64_t at_most(uint64_t ns, uint64_t now_ns, uint64_t due_ns)
{
	const uint64_t left = due_ns > now_ns ? due_ns - now_ns : 0;

	return ns < left ? ns : left;
}

static enum weir_rest rest_of(struct weir_poll *p, const struct weir_poll_cfg *cfg,
			      uint64_t idle_ns, uint64_t *rest_ns)
{
	if (cfg->mode == WEIR_POLL_INTERRUPT && cfg->can_block) {
		*rest_ns = cfg->block_max_ns;
		return WEIR_REST_BLOCK;
	}
	if (idle_ns < cfg->spin_ns)
		return WEIR_REST_SPIN;
	if (idle_ns < cfg->pause_ns)
		return WEIR_REST_PAUSE;
	if (p->nap_ns >= cfg->nap_max_ns && cfg->can_block) {
		*rest_ns = cfg->block_max_ns;
		return WEIR_REST_BLOCK;
	}
	p->nap_ns = p->nap_ns == 0 ? cfg->nap_min_ns : 2 * p->nap_ns;
	if (p->nap_ns > cfg->nap_max_ns)
		p->nap_ns = cfg->nap_max_ns;
	*rest_ns = p->nap_ns;
	return WEIR_REST_NAP;
}

enum weir_rest weir_poll_rest(struct weir_poll *p, const struct weir_poll_cfg *cfg, unsigned got,
			      uint64_t now_ns, uint64_t due_ns, uint64_t *rest_ns)
{
	enum weir_rest rest;

	*rest_ns = 0;
	if (got > 0) {
		p->idle = false;
		p->nap_ns = 0;
		return WEIR_REST_SPIN;
	}
	if (cfg->mode == WEIR_POLL_BUSY)
		return WEIR_REST_SPIN;
	if (!p->idle) {
		p->idle = true;
		p->idle_since_ns = now_ns;
	}
	rest = rest_of(p, cfg, now_ns - p->idle_since_ns, rest_ns);
	if (rest >= WEIR_REST_NAP) {
		*rest_ns = at_most(*rest_ns, now_ns, due_ns);
		if (*rest_ns == 0)
			rest = WEIR_REST_SPIN;
	}
	return rest;
}
