/* SPDX-License-Identifier: BSD-3-Clause */

/* What is wrong with rules before they are compiled: one sentence, which names the rule. */

#include <errno.h>
#include <inttypes.h>

#include "rules_priv.h"

#define DSCP_MAX 63
#define VLAN_MAX 4094

static int judge_addrs(const struct weir_rule *r, const char *side, const struct weir_rule_addrs *a,
		       const struct weir_geo *geo, struct weir_why *why)
{
	for (uint32_t i = 0; i < a->n_prefixes; i++) {
		const struct weir_prefix *p = &a->prefixes[i];
		const uint8_t family = p->addr.family;

		if ((family != 4 && family != 6) || p->length > (family == 4 ? 32 : 128))
			return weir_why(why, -EINVAL, "rule %s: %s %u is not a prefix", r->name,
					side, i + 1);
	}
	for (uint32_t i = 0; i < a->n_sets; i++)
		if (a->sets[i] == NULL)
			return weir_why(why, -EINVAL, "rule %s: set %u of its %s is not there",
					r->name, i + 1, side);
	if (a->n_countries > 0 && geo == NULL)
		return weir_why(why, -EINVAL,
				"rule %s names countries, but there is no database of them",
				r->name);
	return 0;
}

static int judge_ports(const struct weir_rule *r, const struct weir_range *ranges, uint32_t n,
		       struct weir_why *why)
{
	for (uint32_t i = 0; i < n; i++)
		if (ranges[i].lo > ranges[i].hi)
			return weir_why(why, -EINVAL,
					"rule %s: ports %u-%u: the first is above the last",
					r->name, ranges[i].lo, ranges[i].hi);
	return 0;
}

static int judge_fields(const struct weir_rule *r, struct weir_why *why)
{
	if (r->family != 0 && r->family != 4 && r->family != 6)
		return weir_why(why, -EINVAL, "rule %s: family is %u, must be 4, 6 or 0", r->name,
				r->family);
	if (r->icmp_type < -1 || r->icmp_type > UINT8_MAX || r->icmp_code < -1 ||
	    r->icmp_code > UINT8_MAX)
		return weir_why(why, -EINVAL, "rule %s: ICMP type and code must be 0 to 255",
				r->name);
	if ((r->tcp_flags & ~r->tcp_mask) != 0)
		return weir_why(why, -EINVAL,
				"rule %s wants TCP flags that it does not look at: nothing matches",
				r->name);
	if (r->vlan > VLAN_MAX)
		return weir_why(why, -EINVAL, "rule %s: VLAN is %u, must be at most %u", r->name,
				r->vlan, VLAN_MAX);
	if (r->dscp < -1 || r->dscp > DSCP_MAX || r->set_dscp > DSCP_MAX)
		return weir_why(why, -EINVAL, "rule %s: DSCP must be 0 to %u", r->name, DSCP_MAX);
	return 0;
}

static int judge_action(const struct weir_rule *r, struct weir_why *why)
{
	if ((unsigned)r->action >= WEIR_ACTIONS || (unsigned)r->limit >= WEIR_LIMITS)
		return weir_why(why, -EINVAL, "rule %s has no such action or limit", r->name);
	if (r->limit == WEIR_LIMIT_NONE)
		return 0;
	if (r->limit_pps == 0 || r->limit_pps > WEIR_BUCKET_RATE_MAX)
		return weir_why(why, -EINVAL,
				"rule %s: limit is %" PRIu64
				" packets a second, must be 1 to %" PRIu64,
				r->name, r->limit_pps, WEIR_BUCKET_RATE_MAX);
	if (r->limit_bits4 > 32 || r->limit_bits6 > 64)
		return weir_why(why, -EINVAL,
				"rule %s: prefixes of a limit have at most 32 bits of IPv4 and 64 "
				"of IPv6",
				r->name);
	if (r->limit_burst == 0 || r->limit_burst > WEIR_BUCKET_BURST_MAX)
		return weir_why(why, -EINVAL,
				"rule %s: burst of the limit is %" PRIu64
				" packets, must be 1 to %" PRIu64,
				r->name, r->limit_burst, WEIR_BUCKET_BURST_MAX);
	return 0;
}

static int judge_rule(const struct weir_rule *r, const struct weir_geo *geo, struct weir_why *why)
{
	int rc = judge_fields(r, why);

	if (rc == 0)
		rc = judge_action(r, why);
	if (rc == 0)
		rc = judge_addrs(r, "source", &r->src, geo, why);
	if (rc == 0)
		rc = judge_addrs(r, "destination", &r->dst, geo, why);
	if (rc == 0)
		rc = judge_ports(r, r->sports, r->n_sports, why);
	if (rc == 0)
		rc = judge_ports(r, r->dports, r->n_dports, why);
	return rc;
}

int rules_judge(const struct weir_rules_conf *conf, struct weir_why *why)
{
	int rc = 0;

	if (conf->n > WEIR_RULES_MAX)
		return weir_why(why, -ENOSPC, "%u rules are too many, at most %u", conf->n,
				WEIR_RULES_MAX);
	if (conf->zones == 0 || conf->zones > WEIR_ZONES_MAX)
		return weir_why(why, -EINVAL, "%u zones, must be 1 to %u", conf->zones,
				WEIR_ZONES_MAX);
	if (conf->workers == 0)
		return weir_why(why, -EINVAL, "rules need a worker at least");
	if (conf->default_action > WEIR_ACTION_REJECT)
		return weir_why(why, -EINVAL, "the default policy must be accept, drop or reject");
	for (uint32_t i = 0; i < conf->n && rc == 0; i++) {
		if (conf->rules[i].name == NULL)
			return weir_why(why, -EINVAL, "rule %u has no name", i + 1);
		rc = judge_rule(&conf->rules[i], conf->geo, why);
	}
	return rc;
}
