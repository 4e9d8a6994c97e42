/* SPDX-License-Identifier: BSD-3-Clause */

/* What needs flows, and is refused where nothing is tracked. */

#include "fw_priv.h"

#include <errno.h>

#include "app/app_record_priv.h"

static int refuse(const struct fw_build *b, uint32_t line, const char *what, struct weir_why *why)
{
	return weir_conf_fail(why, b->file, line,
			      "%s needs flows, and firewall.stateless tracks none", what);
}

static int check_rules(const struct fw_build *b, struct weir_why *why)
{
	const struct weir_rule_conf *r;

	weir_conf_each (r, &b->conf->firewall.rules) {
		if (r->action == WEIR_ACTION_SYNPROXY)
			return refuse(b, r->at.line, "synproxy", why);
		if (r->inspect || r->application.n > 0)
			return refuse(b, r->at.line, "inspection", why);
		if (r->mark != 0)
			return refuse(b, r->at.line, "mark", why);
		if (r->set_dscp != NULL)
			return refuse(b, r->at.line, "set_dscp", why);
	}
	return 0;
}

static int check_zones(const struct fw_build *b, struct weir_why *why)
{
	const struct weir_zone_conf *z;

	weir_conf_each (z, &b->conf->zones)
		if (z->flows != 0 || z->source_flows != 0)
			return refuse(b, z->at.line, "a limit of flows", why);
	return 0;
}

/* Keys of other sections that would never do anything. */
static int check_sections(const struct fw_build *b, struct weir_why *why)
{
	const struct weir_firewall_conf *c = b->conf;

	if (c->firewall.synproxy.at.line != 0)
		return refuse(b, c->firewall.synproxy.at.line, "firewall.synproxy", why);
	if (c->conntrack.loose)
		return refuse(b, c->conntrack.at.line, "conntrack.loose", why);
	if (c->conntrack.timeouts.at.line != 0)
		return refuse(b, c->conntrack.timeouts.at.line, "conntrack.timeouts", why);
	if (app_record_given(c->records.flows))
		return refuse(b, c->records.at.line, "records.flows", why);
	if (app_record_given(c->records.alerts))
		return refuse(b, c->records.at.line, "records.alerts", why);
	return 0;
}

int fw_check_stateless(const struct fw_build *b, struct weir_why *why)
{
	const struct weir_nat_section *nat = &b->conf->nat;
	const struct weir_nat_rule_conf *r;
	int rc;

	if (!b->conf->firewall.stateless)
		return 0;
	if (b->conf->dpi.at.line != 0)
		return refuse(b, b->conf->dpi.at.line, "dpi", why);
	weir_conf_each (r, &nat->source)
		return refuse(b, r->at.line, "nat.source", why);
	weir_conf_each (r, &nat->destination)
		return refuse(b, r->at.line, "nat.destination", why);
	rc = check_sections(b, why);
	if (rc == 0)
		rc = check_rules(b, why);
	return rc == 0 ? check_zones(b, why) : rc;
}
