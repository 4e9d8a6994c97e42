/* SPDX-License-Identifier: BSD-3-Clause */

/* Compile a flow rule: attributes, pattern and actions into one rule of the program. */

#include "flow_priv.h"

#include <errno.h>

static int check_attributes(const struct rte_flow_attr *attr, struct rte_flow_error *error)
{
	if (attr->group != 0)
		return rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_GROUP, attr,
					  "there is only group 0");
	if (attr->priority >= FLOW_PRIORITIES)
		return rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_PRIORITY, attr,
					  "priorities are 0 to 131071, 0 is looked at first");
	if (attr->egress)
		return rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_EGRESS, attr,
					  "rules are for received packets");
	if (attr->transfer)
		return rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER, attr,
					  "rules are for this port only");
	if (!attr->ingress)
		return rte_flow_error_set(error, EINVAL, RTE_FLOW_ERROR_TYPE_ATTR_INGRESS, attr,
					  "a rule has a direction: ingress");
	return 0;
}

int flow_compile(const struct rte_flow_attr *attr, const struct rte_flow_item pattern[],
		 const struct rte_flow_action actions[], const struct flow_port *port,
		 struct steer_spec *out, struct rte_flow_error *error)
{
	int rc;

	if (attr == NULL || pattern == NULL || actions == NULL)
		return rte_flow_error_set(error, EINVAL, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
					  "a rule has attributes, a pattern and actions");
	rc = check_attributes(attr, error);
	if (rc < 0)
		return rc;
	/* The number between the two ranges is that of what steer= says. */
	*out = steer_spec_any(STEER_USER,
			      attr->priority + (attr->priority >= FLOW_PRIORITIES_LAST));
	rc = flow_pattern(pattern, out, error);
	if (rc < 0)
		return rc;
	return flow_actions(actions, port, &out->rule, error);
}
