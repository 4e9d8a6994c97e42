/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The section `records:` of an app's configuration: where records of flows, rules, translations and
 * alerts go, and captured packets.
 */

#include <stdint.h>
#include <weir/conf.h>

/** records.ipfix: */
struct weir_records_ipfix_conf {
	struct weir_conf_at at;	    /**< the section's line */
	char *to;		    /**< ADDRESS:PORT of the collector; NULL or empty: none */
	uint64_t domain;	    /**< observation domain */
	uint64_t mtu;		    /**< bytes of one datagram at most */
	uint64_t template_every;    /**< ns after which templates are sent again */
	uint64_t template_messages; /**< or after so many messages; 0: by time alone */
};

/** records.capture: */
struct weir_records_capture_conf {
	struct weir_conf_at at; /**< the section's line */
	char *file;		/**< pcapng; NULL or empty: none */
	uint64_t snaplen;	/**< bytes kept of each packet */
	uint64_t rate;		/**< packets a second from a worker */
	uint64_t ring;		/**< packets that wait for the control thread, of each worker */
};

/** records: */
struct weir_records_conf {
	struct weir_conf_at at;			  /**< the section's line */
	char *flows;				  /**< file of flows and translations; NULL: none */
	char *rules;				  /**< file of rules that log; NULL: none */
	char *alerts;				  /**< file of alerts; NULL: none */
	struct weir_records_ipfix_conf ipfix;	  /**< all of them to a collector */
	struct weir_records_capture_conf capture; /**< packets of rules that capture */
	uint64_t ring;		/**< records that wait for the control thread, of each worker */
	uint64_t rule_log_rate; /**< records of rules a second from a worker */
	uint64_t updates;	/**< ns between records of a flow that goes on; 0: none */
};

/** The schema of struct weir_records_conf. */
extern const struct weir_conf_schema weir_records_schema;
