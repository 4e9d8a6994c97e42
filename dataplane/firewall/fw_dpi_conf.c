/* SPDX-License-Identifier: BSD-3-Clause */

/* The section of inspection. */

#include <weir/dpi.h>
#include <weir/firewall.h>

static const char *const format_names[] = {"hyperscan", "snort", NULL};
static const char *const pattern_actions[] = {"alert", "drop", "reset", "tag", NULL};
static const char *const unreadable_actions[] = {"accept", "drop", NULL};
static const char *const directions[] = {"both", "request", "reply", NULL};
/* By enum weir_dpi_action. */
static const char *const domain_actions[] = {"pass", "alert", "tag", "drop", "reset", NULL};

#define APPLICATION(of)                                                       \
	{                                                                     \
		WEIR_CONF_KEY(of, application),                               \
			.type = WEIR_CONF_STRING, .min = 1, .max = 31,        \
			.doc = "With action tag: the application, for rules." \
	}

static const struct weir_conf_key pattern_keys[] = {
	{WEIR_CONF_KEY(struct weir_dpi_patterns_conf, file), .type = WEIR_CONF_STRING,
	 .required = true, .min = 1, .max = 4095, .doc = "Where they are."},
	{WEIR_CONF_KEY(struct weir_dpi_patterns_conf, format), .type = WEIR_CONF_ENUM,
	 .names = format_names, .def = "hyperscan",
	 .doc = "hyperscan: `NUMBER:/REGEX/FLAGS`, one a line. snort: rules, with their own actions "
		"and directions; what has no equivalent is left out and logged."},
	{WEIR_CONF_KEY(struct weir_dpi_patterns_conf, action), .type = WEIR_CONF_ENUM,
	 .names = pattern_actions, .def = "alert",
	 .doc = "hyperscan: what becomes of a flow in which one is found."},
	APPLICATION(struct weir_dpi_patterns_conf),
	{WEIR_CONF_KEY(struct weir_dpi_patterns_conf, direction), .type = WEIR_CONF_ENUM,
	 .names = directions, .def = "both",
	 .doc = "hyperscan: whose bytes; request is the side that began."},
};

static const struct weir_conf_schema pattern_schema = {
	.name = "dpi.patterns.NAME",
	.doc = "A file of patterns.",
	WEIR_CONF_STRUCT(struct weir_dpi_patterns_conf, pattern_keys),
	WEIR_CONF_HAS_AT(struct weir_dpi_patterns_conf),
};

static const struct weir_conf_key domain_keys[] = {
	{WEIR_CONF_KEY(struct weir_dpi_domains_conf, names), .type = WEIR_CONF_STRING,
	 .many = WEIR_CONF_LIST, .one_ok = true, .min = 1, .max = 254,
	 .doc = "`example.com` is that name and all below it, `=example.com` only itself."},
	{WEIR_CONF_KEY(struct weir_dpi_domains_conf, files), .type = WEIR_CONF_STRING,
	 .many = WEIR_CONF_LIST, .one_ok = true, .min = 1, .max = 4095, .max_items = 64,
	 .doc = "Files of more: one a line, `#` comments."},
	{WEIR_CONF_KEY(struct weir_dpi_domains_conf, action), .type = WEIR_CONF_ENUM,
	 .names = domain_actions, .required = true,
	 .doc = "What becomes of a flow whose client asks for such a name; pass: nothing, an "
		"exception from wider entries of other sets."},
	APPLICATION(struct weir_dpi_domains_conf),
};

static const struct weir_conf_schema domain_schema = {
	.name = "dpi.domains.NAME",
	.doc = "Names that clients ask for: of TLS, HTTP and DNS. The most special entry decides; of the "
	       "same one in several sets, the first set.",
	WEIR_CONF_STRUCT(struct weir_dpi_domains_conf, domain_keys),
	WEIR_CONF_HAS_AT(struct weir_dpi_domains_conf),
};

static const struct weir_conf_key dpi_keys[] = {
	{WEIR_CONF_KEY(struct weir_dpi_section, patterns), .type = WEIR_CONF_RECORD,
	 .many = WEIR_CONF_MAP, .sub = &pattern_schema, .max_items = 256,
	 .doc = "Patterns in payloads."},
	{WEIR_CONF_KEY(struct weir_dpi_section, domains), .type = WEIR_CONF_RECORD,
	 .many = WEIR_CONF_MAP, .sub = &domain_schema, .max_items = WEIR_DPI_SETS_MAX,
	 .doc = "Sets of names that clients ask for."},
	{WEIR_CONF_KEY(struct weir_dpi_section, budget), .type = WEIR_CONF_SIZE, .def = "64KiB",
	 .doc = "Bytes of each direction of a flow that are inspected; 0: all."},
	{WEIR_CONF_KEY(struct weir_dpi_section, unreadable), .type = WEIR_CONF_ENUM,
	 .names = unreadable_actions, .def = "accept",
	 .doc = "What becomes of messages of TLS, HTTP and DNS whose name cannot be read, or not by "
		"everybody in the same way; drop: the connection, or the datagram."},
	{WEIR_CONF_KEY(struct weir_dpi_section, cache), .type = WEIR_CONF_STRING, .min = 1,
	 .max = 4000, .doc = "A folder in which compiled patterns are kept for the next start."},
	{WEIR_CONF_KEY(struct weir_dpi_section, flows), .type = WEIR_CONF_UINT, .min = 16,
	 .max = WEIR_DPI_STATES_MAX, .def = "16384",
	 .doc = "Flows under inspection at once, of all workers together; more go uninspected."},
	{WEIR_CONF_KEY(struct weir_dpi_section, stream_bytes), .type = WEIR_CONF_SIZE, .min = 64,
	 .max = 1 << 20, .def = "512",
	 .doc = "Memory that the patterns may need for each direction of such a flow, taken four "
		"times: for both, and for those of a reload."},
	{WEIR_CONF_KEY(struct weir_dpi_section, early_blocks), .type = WEIR_CONF_UINT, .min = 16,
	 .max = 1 << 22, .def = "4096",
	 .doc = "Blocks of 2 KiB for TCP segments that come before their turn, of all workers "
		"together."},
	{WEIR_CONF_KEY(struct weir_dpi_section, early_flow), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 4096, .def = "32", .doc = "Of them, those that one direction of a flow may have."},
	{WEIR_CONF_KEY(struct weir_dpi_section, messages), .type = WEIR_CONF_UINT, .min = 1,
	 .max = 65536, .def = "256",
	 .doc = "Messages of clients that come in pieces, at once, of all workers together."},
	{WEIR_CONF_KEY(struct weir_dpi_section, message_bytes), .type = WEIR_CONF_SIZE, .min = 512,
	 .max = 1 << 18, .def = "16645",
	 .doc = "Of such a message at most: a whole TLS record and a bit."},
	{WEIR_CONF_KEY(struct weir_dpi_section, alerts), .type = WEIR_CONF_UINT, .min = 1,
	 .max = UINT32_MAX, .def = "64", .doc = "Alerts of one flow at most."},
};

const struct weir_conf_schema weir_dpi_schema = {
	.name = "dpi",
	.doc = "Inspection of payloads, for the flows of rules with `inspect` or `application`. Patterns, "
	       "domains, budget and cache can be changed by a reload; sizes need a restart.",
	WEIR_CONF_STRUCT(struct weir_dpi_section, dpi_keys),
	WEIR_CONF_HAS_AT(struct weir_dpi_section),
};
