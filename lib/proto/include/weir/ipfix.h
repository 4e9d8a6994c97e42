/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * IPFIX messages (RFC 7011) of records: flows with both directions in one (RFC 5103), events of
 * translation (RFC 8158), rules that logged and alerts.
 *
 *	weir_ipfix_begin(&x, buf, sizeof(buf), now_ns);
 *	while (weir_ipfix_put(&x, record) == -ENOBUFS) {
 *		send(buf, weir_ipfix_end(&x));
 *		weir_ipfix_begin(&x, buf, sizeof(buf), now_ns);
 *	}
 *	...
 *	if ((bytes = weir_ipfix_end(&x)) > 0)
 *		send(buf, bytes);
 *
 * Over UDP a collector may miss templates, so they are written again from time to time, each before
 * the first data that needs it. Zones are told as interfaces: their names go along with the
 *templates (options data of ingressInterface and interfaceName). Nothing is allocated and no clock
 *is read. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/cursor.h>
#include <weir/must_check.h>
#include <weir/record.h>

/** The least that a message may have room for: any template, any record (RFC 7011 10.3.3). */
#define WEIR_IPFIX_BYTES_MIN 512
/** Zones whose names are told at most. */
#define WEIR_IPFIX_ZONES_MAX 64

/** How messages are made. */
struct weir_ipfix_conf {
	uint32_t domain;	      /**< observation domain of all messages */
	uint64_t template_every_ns;   /**< templates are written again after this time */
	uint32_t template_every_msgs; /**< or after so many messages; 0: by time alone */
	/** Flows are told of more than once, so counters are totals (IEs 85, 86), not deltas (1,
	 * 2). */
	bool totals;
	uint16_t n_zones; /**< zones that there are, numbered from 0, to WEIR_IPFIX_ZONES_MAX */
	const struct weir_record_names *names; /**< names of zones; borrowed; NULL: none */
};

/** A stream of messages. Set up by weir_ipfix_init(); the fields are the encoder's. */
struct weir_ipfix {
	struct weir_ipfix_conf conf; /**< as it was given */
	uint8_t *message;	     /**< the caller's memory */
	struct weir_writer out;	     /**< where the message goes on */
	uint8_t *set;		     /**< header of the open set; NULL: none is */
	uint16_t set_id;	     /**< of the open set */
	uint32_t sequence;	     /**< data records in the messages before this one */
	uint32_t records;	     /**< data records in this one */
	uint32_t messages;	     /**< since the templates were written last */
	uint64_t templates_ns;	     /**< when that was; 0: never */
	unsigned written; /**< of the templates and names that are due, so many are out */
};

/** Set up a stream. @return 0, or -EINVAL (more zones than there may be). */
WEIR_MUST_CHECK int weir_ipfix_init(struct weir_ipfix *x, const struct weir_ipfix_conf *conf);

/**
 * Begin a message.
 * @param buf     Of the caller, until weir_ipfix_end().
 * @param bytes   Room: at least WEIR_IPFIX_BYTES_MIN, and at most what the path takes as payload of
 *                UDP; 65,535 are used at most.
 * @param now_ns  Since 1970: the time of export.
 */
void weir_ipfix_begin(struct weir_ipfix *x, void *buf, size_t bytes, uint64_t now_ns);

/**
 * Add a record, and before it the templates that are due.
 * @return 0; -ENOBUFS: the message is full, end it and put the record into another one; -EINVAL: a
 *         kind that is none.
 */
WEIR_MUST_CHECK int weir_ipfix_put(struct weir_ipfix *x, const struct weir_record *r);

/** End the message. @return its bytes; 0: there is nothing in it, and nothing to send. */
WEIR_MUST_CHECK size_t weir_ipfix_end(struct weir_ipfix *x);
