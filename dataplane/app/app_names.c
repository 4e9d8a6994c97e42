/* SPDX-License-Identifier: BSD-3-Clause */

/* What the commands, the metrics and the traces call things, and what they share. */

#include "app_show_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weir/drop.h>

#include "app_priv.h"

const char *app_verdict_name(unsigned verdict)
{
	static const char *const names[WEIR_VERDICTS] = {"NEXT",   "KNOWN", "LOCAL", "OUT", "TX",
							 "REJECT", "PUNT",  "DROP",  "HELD"};

	return verdict < WEIR_VERDICTS ? names[verdict] : "?";
}

const char *app_rest_name(unsigned rest)
{
	static const char *const names[WEIR_RESTS] = {"spin", "pause", "nap", "block"};

	return rest < WEIR_RESTS ? names[rest] : "?";
}

const char *app_cap_name(unsigned bit)
{
	/* In the order of enum weir_port_cap. */
	static const char *const names[] = {
		"rx_csum_ip4", "rx_csum_l4", "tx_csum_ip4", "tx_csum_l4", "tx_segs",
		"rx_scatter",  "rss",	     "interrupts",  "tso",	  "rss_l4"};

	return bit < sizeof(names) / sizeof(names[0]) ? names[bit] : NULL;
}

const char *app_stage_name(const struct weir_node_ops *node, char text[APP_STAGE_TEXT])
{
	snprintf(text, APP_STAGE_TEXT, "%02u_%s", node->stage, node->name);
	return text;
}

const struct weir_graph *app_graph(const struct weir_run *run)
{
	return weir_engine_graph(weir_system_engine(run->system, 0));
}

uint64_t app_drops(const struct weir_run *run, uint16_t worker, unsigned reason)
{
	return weir_counted(&weir_engine_shard(weir_system_engine(run->system, worker))
				     ->counters.drops[reason]);
}

int app_args(const struct weir_ctl_request *request, struct weir_why *why, const char *format, ...)
{
	json_error_t error;
	va_list list;
	int rc;

	va_start(list, format);
	/* Unpacking borrows from the arguments; json_vunpack_ex() only forgets the const. */
	rc = json_vunpack_ex((json_t *)request->args, &error, JSON_STRICT, format, list);
	va_end(list);
	if (rc == 0)
		return 0;
	/* "1 object item(s) left unpacked: src" */
	if (json_error_code(&error) == json_error_end_of_input_expected)
		return weir_why(why, -EINVAL, "%s takes no %s", request->cmd,
				strrchr(error.text, ' ') + 1);
	return weir_why(why, -EINVAL, "%s: %s", request->cmd, error.text);
}
