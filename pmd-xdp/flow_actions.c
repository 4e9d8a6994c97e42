/* SPDX-License-Identifier: BSD-3-Clause */

/* The actions of a flow rule: one that decides where a packet goes, and perhaps COUNT and MARK. */

#include "flow_priv.h"

#include <errno.h>
#include <rte_ethdev.h>
#include <string.h>

uint32_t flow_rss_types(uint64_t types, uint64_t *others)
{
	static const struct {
		uint64_t rte;
		uint32_t steer;
	} pairs[] = {
		{RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER,
		 STEER_RSS_IPV4},
		{RTE_ETH_RSS_NONFRAG_IPV4_TCP, STEER_RSS_IPV4_TCP},
		{RTE_ETH_RSS_NONFRAG_IPV4_UDP, STEER_RSS_IPV4_UDP},
		{RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER |
			 RTE_ETH_RSS_IPV6_EX,
		 STEER_RSS_IPV6},
		{RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_IPV6_TCP_EX, STEER_RSS_IPV6_TCP},
		{RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_IPV6_UDP_EX, STEER_RSS_IPV6_UDP},
	};
	uint32_t found = 0;

	*others = types;
	for (size_t i = 0; i < RTE_DIM(pairs); i++) {
		if (types & pairs[i].rte)
			found |= pairs[i].steer;
		*others &= ~pairs[i].rte;
	}
	return found;
}

static int bad_conf(struct rte_flow_error *error, int code, const struct rte_flow_action *action,
		    const char *why)
{
	return rte_flow_error_set(error, code, RTE_FLOW_ERROR_TYPE_ACTION_CONF, action, why);
}

static int take_queue(const struct rte_flow_action *action, struct steer_rule *out,
		      struct rte_flow_error *error)
{
	const struct rte_flow_action_queue *conf = action->conf;

	if (conf == NULL)
		return bad_conf(error, EINVAL, action, "QUEUE without a queue");
	if (conf->index >= STEER_QUEUES)
		return bad_conf(error, EINVAL, action, "there is no such queue");
	out->verdict = STEER_SPREAD;
	out->n_queues = 1;
	out->queues[0] = (uint8_t)conf->index;
	return 0;
}

/* Why the port does not hash like this; NULL: it does. */
static const char *other_hash(const struct rte_flow_action_rss *conf, const struct flow_port *port)
{
	uint64_t others;

	if (conf->func != RTE_ETH_HASH_FUNCTION_DEFAULT &&
	    conf->func != (port->symmetric ? RTE_ETH_HASH_FUNCTION_SYMMETRIC_TOEPLITZ
					   : RTE_ETH_HASH_FUNCTION_TOEPLITZ))
		return "RSS has the hash function of the port";
	if (conf->level > 1)
		return "RSS hashes the outermost headers";
	if (conf->types != 0 &&
	    (flow_rss_types(conf->types, &others) != port->rss_types || others != 0))
		return "RSS has the hash types of the port";
	if (conf->key_len != 0 && conf->key != NULL &&
	    (conf->key_len < sizeof(port->key) ||
	     memcmp(conf->key, port->key, sizeof(port->key)) != 0))
		return "RSS has the hash key of the port";
	return NULL;
}

/* To some of the queues; without a list, as the port's own table says. */
static int take_rss(const struct rte_flow_action *action, const struct flow_port *port,
		    struct steer_rule *out, struct rte_flow_error *error)
{
	const struct rte_flow_action_rss *conf = action->conf;
	const char *why;

	if (conf == NULL)
		return bad_conf(error, EINVAL, action, "RSS without a configuration");
	why = other_hash(conf, port);
	if (why != NULL)
		return bad_conf(error, ENOTSUP, action, why);
	if (conf->queue_num > STEER_QUEUES || (conf->queue_num > 0 && conf->queue == NULL))
		return bad_conf(error, EINVAL, action, "RSS has 64 queues at most");
	out->verdict = conf->queue_num == 0 ? STEER_USER : STEER_SPREAD;
	out->n_queues = (uint8_t)conf->queue_num;
	for (uint32_t i = 0; i < conf->queue_num; i++) {
		if (conf->queue[i] >= STEER_QUEUES)
			return bad_conf(error, EINVAL, action, "there is no such queue");
		out->queues[i] = (uint8_t)conf->queue[i];
	}
	return 0;
}

static int take_mark(const struct rte_flow_action *action, struct steer_rule *out,
		     struct rte_flow_error *error)
{
	const struct rte_flow_action_mark *conf = action->conf;

	if (conf == NULL)
		return bad_conf(error, EINVAL, action, "MARK without a mark");
	out->has_mark = 1;
	out->mark = conf->id;
	return 0;
}

static int take_action(const struct rte_flow_action *action, const struct flow_port *port,
		       struct steer_rule *out, struct rte_flow_error *error)
{
	switch (action->type) {
	case RTE_FLOW_ACTION_TYPE_QUEUE:
		return take_queue(action, out, error);
	case RTE_FLOW_ACTION_TYPE_RSS:
		return take_rss(action, port, out, error);
	case RTE_FLOW_ACTION_TYPE_DROP:
		out->verdict = STEER_DROP;
		return 0;
	case RTE_FLOW_ACTION_TYPE_PASSTHRU:
		out->verdict = STEER_KERNEL;
		return 0;
	case RTE_FLOW_ACTION_TYPE_COUNT:
		out->count = 1;
		return 0;
	case RTE_FLOW_ACTION_TYPE_MARK:
		return take_mark(action, out, error);
	default:
		return rte_flow_error_set(
			error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, action,
			"only QUEUE, RSS, DROP, PASSTHRU, COUNT and MARK are done");
	}
}

static bool is_fate(enum rte_flow_action_type type)
{
	return type != RTE_FLOW_ACTION_TYPE_COUNT && type != RTE_FLOW_ACTION_TYPE_MARK;
}

int flow_actions(const struct rte_flow_action actions[], const struct flow_port *port,
		 struct steer_rule *out, struct rte_flow_error *error)
{
	const struct rte_flow_action *fate = NULL;
	bool twice;
	int rc;

	for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
		if (actions->type == RTE_FLOW_ACTION_TYPE_VOID)
			continue;
		twice = (is_fate(actions->type) && fate != NULL) ||
			(actions->type == RTE_FLOW_ACTION_TYPE_COUNT && out->count) ||
			(actions->type == RTE_FLOW_ACTION_TYPE_MARK && out->has_mark);
		if (twice)
			return rte_flow_error_set(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION,
						  actions,
						  "one of QUEUE, RSS, DROP and PASSTHRU, and at "
						  "most one COUNT and one MARK");
		rc = take_action(actions, port, out, error);
		if (rc < 0)
			return rc;
		if (is_fate(actions->type))
			fate = actions;
	}
	if (fate == NULL)
		return rte_flow_error_set(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, NULL,
					  "one of QUEUE, RSS, DROP and PASSTHRU is needed");
	if (out->has_mark && (out->verdict == STEER_DROP || out->verdict == STEER_KERNEL))
		return rte_flow_error_set(error, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, fate,
					  "a mark is for packets that come to a queue");
	return 0;
}
