/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * rte_flow of a port: rules compiled and put where the XDP program finds them.
 *
 * A handle is the rule's place in the port's table, so nothing is allocated. Rules stay over stop
 * and start, and go with the port.
 */

#include <errno.h>
#include <rte_flow_driver.h>
#include <string.h>

#include "dev_priv.h"
#include "flow_priv.h"
#include "steer_in_priv.h"

static struct steer *owner_of(const struct rte_eth_dev *dev, struct rte_flow_error *error)
{
	struct steer *s = xdp_steer_of(dev);

	if (s == NULL)
		rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
				   "rules are made in the process that owns the port");
	return s;
}

/* The lock is held. */
static int compile(struct steer *s, const struct rte_flow_attr *attr,
		   const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
		   struct steer_spec *out, struct rte_flow_error *error)
{
	const struct steer_config *config = steer_config(s);
	struct flow_port port = {.rss_types = config->rss_types, .symmetric = config->symmetric};
	const char *why;
	int rc;

	memcpy(port.key, s->key, sizeof(port.key));
	rc = flow_compile(attr, pattern, actions, &port, out, error);
	if (rc < 0)
		return rc;
	/* A stopped port may be set up anew: its next start looks at the rules. */
	why = steer_is_attached(s) ? steer_rule_objection(s, &out->rule) : NULL;
	if (why != NULL)
		return rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, NULL, why);
	return 0;
}

static int flow_validate(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
			 const struct rte_flow_item pattern[],
			 const struct rte_flow_action actions[], struct rte_flow_error *error)
{
	struct steer *s = owner_of(dev, error);
	struct steer_spec spec;
	const char *why = NULL;
	int rc;

	if (s == NULL)
		return -ENOTSUP;
	pthread_mutex_lock(&s->lock);
	rc = compile(s, attr, pattern, actions, &spec, error);
	if (rc == 0) {
		rc = steer_table_may_add(&s->table, &spec, &why);
		if (rc < 0)
			rte_flow_error_set(error, -rc, RTE_FLOW_ERROR_TYPE_HANDLE, NULL, why);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* The lock is held. */
static struct rte_flow *create(struct steer *s, const struct steer_spec *spec,
			       struct rte_flow_error *error)
{
	struct rte_flow *flow = &s->flows[steer_table_next(&s->table)];
	const char *why = NULL;
	uint32_t id;
	int rc;

	/* Its counters go on where those of the last rule of this number ended. */
	rc = steer_rule_stats(s, (uint32_t)(flow - s->flows), &flow->base);
	if (rc == 0)
		rc = steer_rule_add(s, spec, &id, &why);
	if (rc < 0) {
		rte_flow_error_set(error, -rc, RTE_FLOW_ERROR_TYPE_HANDLE, NULL,
				   why != NULL ? why : "no memory");
		return NULL;
	}
	return flow;
}

static struct rte_flow *flow_create(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
				    const struct rte_flow_item pattern[],
				    const struct rte_flow_action actions[],
				    struct rte_flow_error *error)
{
	struct steer *s = owner_of(dev, error);
	struct rte_flow *flow = NULL;
	struct steer_spec spec;

	if (s == NULL)
		return NULL;
	pthread_mutex_lock(&s->lock);
	if (compile(s, attr, pattern, actions, &spec, error) == 0) {
		if (spec.rule.has_mark)
			xdp_marks_needed(dev);
		flow = create(s, &spec, error);
	}
	pthread_mutex_unlock(&s->lock);
	return flow;
}

/* Whether a number is that of a flow rule, and not of one that steer= says. */
static bool is_flow(const struct steer *s, uint32_t id)
{
	return steer_table_has(&s->table, id) &&
	       s->table.slots[id].priority != STEER_PRIORITY_WORDS;
}

/* The rule's number; 0: it is none of this port's. */
static uint32_t id_of(const struct steer *s, const struct rte_flow *flow)
{
	const uintptr_t offset = (uintptr_t)flow - (uintptr_t)s->flows;
	const uint32_t id = (uint32_t)(offset / sizeof(*flow));

	if (offset >= sizeof(s->flows) || offset % sizeof(*flow) != 0 || !is_flow(s, id))
		return 0;
	return id;
}

/* The lock is held. */
static int destroy(struct steer *s, uint32_t id, struct rte_flow_error *error)
{
	int rc = steer_rule_remove(s, id);

	if (rc < 0)
		return rte_flow_error_set(error, -rc, RTE_FLOW_ERROR_TYPE_HANDLE, NULL,
					  "the kernel does not take the rule out");
	return 0;
}

static int no_such_rule(const struct rte_flow *flow, struct rte_flow_error *error)
{
	return rte_flow_error_set(error, EINVAL, RTE_FLOW_ERROR_TYPE_HANDLE, flow,
				  "there is no such rule");
}

static int flow_destroy(struct rte_eth_dev *dev, struct rte_flow *flow,
			struct rte_flow_error *error)
{
	struct steer *s = owner_of(dev, error);
	uint32_t id;
	int rc;

	if (s == NULL)
		return -ENOTSUP;
	pthread_mutex_lock(&s->lock);
	id = id_of(s, flow);
	rc = id == 0 ? no_such_rule(flow, error) : destroy(s, id, error);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int flow_flush(struct rte_eth_dev *dev, struct rte_flow_error *error)
{
	struct steer *s = owner_of(dev, error);
	int rc = 0;

	if (s == NULL)
		return -ENOTSUP;
	pthread_mutex_lock(&s->lock);
	for (uint32_t id = 1; rc == 0 && id < STEER_RULES; id++)
		if (is_flow(s, id))
			rc = destroy(s, id, error);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* The lock is held. */
static int query_count(struct steer *s, uint32_t id, struct rte_flow_query_count *count,
		       struct rte_flow_error *error)
{
	struct rte_flow *flow = &s->flows[id];
	struct steer_rule_stats now;
	int rc = steer_rule_stats(s, id, &now);

	if (rc < 0)
		return rte_flow_error_set(error, -rc, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
					  "the kernel does not tell the rule's counters");
	count->hits_set = 1;
	count->bytes_set = 1;
	count->hits = now.pkts - flow->base.pkts;
	count->bytes = now.bytes - flow->base.bytes;
	if (count->reset)
		flow->base = now;
	return 0;
}

static int flow_query(struct rte_eth_dev *dev, struct rte_flow *flow,
		      const struct rte_flow_action *action, void *data,
		      struct rte_flow_error *error)
{
	struct steer *s = owner_of(dev, error);
	uint32_t id;
	int rc;

	if (s == NULL)
		return -ENOTSUP;
	if (action == NULL || action->type != RTE_FLOW_ACTION_TYPE_COUNT || data == NULL)
		return rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, action,
					  "only COUNT can be asked for");
	pthread_mutex_lock(&s->lock);
	id = id_of(s, flow);
	if (id == 0)
		rc = no_such_rule(flow, error);
	else if (!s->table.rules[id].count)
		rc = rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, action,
					"the rule has no COUNT action");
	else
		rc = query_count(s, id, data, error);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int flow_isolate(struct rte_eth_dev *dev, int on, struct rte_flow_error *error)
{
	struct steer *s = owner_of(dev, error);

	if (s == NULL)
		return -ENOTSUP;
	steer_isolate(s, on != 0);
	return 0;
}

const struct rte_flow_ops xdp_flow_ops = {
	.validate = flow_validate,
	.create = flow_create,
	.destroy = flow_destroy,
	.flush = flow_flush,
	.query = flow_query,
	.isolate = flow_isolate,
};
