/* SPDX-License-Identifier: BSD-3-Clause */

/* What --check warns of: rules that can never match, and what a rule asks for in vain. */

#include "fw_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "app/app_record_priv.h"

/* Rules that can never match, of which so many are printed. */
#define FINDINGS 100

static int say_unmatched(const struct weir_rules *rules, const char *file, FILE *to,
			 struct weir_why *why)
{
	struct weir_rules_finding *f = calloc(FINDINGS, sizeof(*f));
	uint32_t unsure = 0;
	int n;

	if (f == NULL)
		return weir_why(why, -ENOMEM, "firewall: out of memory");
	n = weir_rules_check(rules, f, FINDINGS, &unsure);
	if (n < 0) {
		free(f);
		return weir_why(why, n, "firewall: out of memory");
	}
	for (int i = 0; i < n && i < FINDINGS; i++)
		fprintf(to, "%s:%u: warning: %s\n", file, weir_rules_at(rules, f[i].rule)->line,
			f[i].text);
	if (n > FINDINGS)
		fprintf(to, "%s: warning: %d more rules can never match\n", file, n - FINDINGS);
	if (unsure > 0)
		fprintf(to,
			"%s: note: of %u rules it was not found out whether earlier ones take all "
			"of them: that would take too long\n",
			file, unsure);
	free(f);
	return 0;
}

/* Whether nothing of a family is in the list. */
static bool is_without(const struct weir_rule_addrs *as, uint8_t family)
{
	if (as->negate || as->n_prefixes == 0 || as->n_sets + as->n_countries > 0)
		return false;
	for (uint32_t i = 0; i < as->n_prefixes; i++)
		if (as->prefixes[i].addr.family == family)
			return false;
	return true;
}

/* To the compiler a protocol is a number, which a packet of the other family could have. */
static void say_strange(const struct weir_rules *rules, const char *file, FILE *to)
{
	for (uint32_t i = 0; i < weir_rules_count(rules); i++) {
		const struct weir_rule *r = weir_rules_at(rules, i);
		const uint8_t family = r->proto == IPPROTO_ICMP	    ? 4
				       : r->proto == IPPROTO_ICMPV6 ? 6
								    : 0;

		if (family == 0 || r->icmp_type >= 0 || /* the compiler finds that */
		    (!is_without(&r->src, family) && !is_without(&r->dst, family)))
			continue;
		fprintf(to, "%s:%u: warning: rule %s never matches: %s has no IPv%u addresses\n",
			file, r->line, r->name, family == 4 ? "ICMP" : "ICMPv6", 10u - family);
	}
}

static void say_unrecorded(const struct weir_firewall_conf *fc, const char *file, FILE *to)
{
	const struct weir_records_conf *records = &fc->records;
	const bool logs = app_record_given(records->rules) || app_record_given(records->ipfix.to);
	const struct weir_rule_conf *r;

	weir_conf_each (r, &fc->firewall.rules) {
		if (r->log && !logs)
			fprintf(to,
				"%s:%u: warning: rule %s: log writes nothing without records.rules "
				"or records.ipfix.to\n",
				file, r->at.line, r->name);
		if (r->capture && !app_record_captures(records))
			fprintf(to,
				"%s:%u: warning: rule %s: capture keeps nothing without "
				"records.capture.file\n",
				file, r->at.line, r->name);
	}
}

int fw_say_findings(const struct weir_policy *policy, const struct weir_firewall_conf *fc,
		    const char *file, FILE *to, struct weir_why *why)
{
	const int rc = say_unmatched(policy->rules, file, to, why);

	if (rc < 0)
		return rc;
	say_strange(policy->rules, file, to);
	say_unrecorded(fc, file, to);
	return 0;
}
