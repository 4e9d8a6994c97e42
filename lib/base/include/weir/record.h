/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Records: one event of the firewall as a plain value of fixed size, and its text as JSON.
 *
 * Workers write records into rings (weir/records.h of the dataplane), the control thread makes
 * lines of them, or data of IPFIX (weir/ipfix.h). What a record has no use for is 0.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <weir/must_check.h>
#include <weir/tuple.h>

/** No rule is named by a record. */
#define WEIR_RECORD_NO_RULE UINT32_MAX
/** No zone is named by a record. */
#define WEIR_RECORD_NO_ZONE UINT8_MAX
/** Bytes of a record's text at most. */
#define WEIR_RECORD_TEXT 216
/** Room that every line has in, with its NUL. */
#define WEIR_RECORD_JSON_MAX 8192
/** Bytes of each name in a line at most; what is longer is cut. */
#define WEIR_RECORD_NAME_MAX 160

/** What has happened. */
enum weir_record_kind {
	WEIR_RECORD_FLOW_START,	 /**< a flow was let in */
	WEIR_RECORD_FLOW_UPDATE, /**< it goes on: what it carried so far */
	WEIR_RECORD_FLOW_END,	 /**< it has ended: what it carried, and why */
	WEIR_RECORD_RULE,	 /**< a rule that logs has decided about a packet */
	WEIR_RECORD_NAT,	 /**< a translation was made or taken away (RFC 8158) */
	WEIR_RECORD_ALERT,	 /**< inspection has found something */
	WEIR_RECORD_KINDS	 /**< how many there are */
};

/** Why a flow has ended. */
enum weir_record_reason {
	WEIR_RECORD_IDLE,    /**< its timeout */
	WEIR_RECORD_CLOSED,  /**< TCP has closed it */
	WEIR_RECORD_KILLED,  /**< an operator has */
	WEIR_RECORD_EVICTED, /**< the table was full */
	WEIR_RECORD_POLICY,  /**< a new policy does not let it in */
	WEIR_RECORD_REASONS  /**< how many there are */
};

/** What became of the packet or the flow. The first ones are those of rules, in their order. */
enum weir_record_action {
	WEIR_RECORD_ACCEPT,   /**< it may pass */
	WEIR_RECORD_DROP,     /**< dropped in silence */
	WEIR_RECORD_REJECT,   /**< dropped, and told so by RST or ICMP */
	WEIR_RECORD_COUNT,    /**< counted; later rules decide */
	WEIR_RECORD_SYNPROXY, /**< it may pass after a handshake with us */
	WEIR_RECORD_TAG,      /**< it may pass; its application is known now */
	WEIR_RECORD_ACTIONS   /**< how many there are */
};

/** Events of translation, with the values of IPFIX (RFC 8158 section 4.2, IANA "NAT Event Type").
 */
enum weir_nat_event {
	WEIR_NAT_EVENT_NONE = 0,	  /**< none */
	WEIR_NAT_EVENT_CREATE = 1,	  /**< IPv6 to IPv6 (NPTv6): a session was made */
	WEIR_NAT_EVENT_DELETE = 2,	  /**< and has ended */
	WEIR_NAT_EVENT_ADDRESSES_OUT = 3, /**< the pool has no address left */
	WEIR_NAT_EVENT_NAT44_CREATE = 4,  /**< IPv4 to IPv4: a session was made */
	WEIR_NAT_EVENT_NAT44_DELETE = 5,  /**< and has ended */
	WEIR_NAT_EVENT_NAT64_CREATE = 6,  /**< IPv6 to IPv4: a session was made */
	WEIR_NAT_EVENT_NAT64_DELETE = 7,  /**< and has ended */
	WEIR_NAT_EVENT_PORTS_OUT = 12,	  /**< no port is left for the address */
	WEIR_NAT_EVENT_QUOTA = 13,	  /**< a subscriber has all that it may have */
	WEIR_NAT_EVENT_BIND = 14,	  /**< an inside address has an outside address now */
	WEIR_NAT_EVENT_UNBIND = 15,	  /**< and no longer */
	WEIR_NAT_EVENT_BLOCK = 16,	  /**< a subscriber was given a block of ports */
	WEIR_NAT_EVENT_UNBLOCK = 17,	  /**< and it was taken back */
	WEIR_NAT_EVENTS			  /**< one more than the last */
};

/** What an alert's signature is the number of. */
enum weir_record_gid {
	WEIR_RECORD_GID_NONE,	  /**< not said: patterns */
	WEIR_RECORD_GID_PATTERNS, /**< patterns */
	WEIR_RECORD_GID_DOMAINS	  /**< domain sets, by their place */
};

/** What the text of a record is. */
enum weir_record_text {
	WEIR_RECORD_TEXT_NONE,	/**< there is none */
	WEIR_RECORD_TEXT_SNI,	/**< server name of a TLS ClientHello */
	WEIR_RECORD_TEXT_HOST,	/**< Host of an HTTP request */
	WEIR_RECORD_TEXT_QNAME, /**< name that DNS was asked for */
	WEIR_RECORD_TEXT_PLAIN, /**< anything else: what a pattern has matched */
	WEIR_RECORD_TEXTS	/**< how many there are */
};

/** One event. Of pairs, the first is of the direction of the flow's first packet. */
struct weir_record {
	uint64_t time_ns;  /**< when: since 1970; in a worker's ring, on the clock of its passes */
	uint64_t start_ns; /**< first packet of the flow, on the same clock; 0: none */
	uint64_t flow_id;  /**< weir_record_flow_id(), the same in all records of a flow; 0: none */
	uint64_t pkts[2];  /**< packets each way, since the flow began */
	uint64_t bytes[2]; /**< IP bytes each way, since the flow began */
	struct weir_tuple
		orig; /**< first packet as it came; of a port block: src is the subscriber */
	struct weir_tuple
		to;	    /**< as it leaves; of a port block: src is outside. family 0: as orig */
	uint32_t rule;	    /**< slot of the rule; WEIR_RECORD_NO_RULE: none */
	uint32_t signature; /**< of ALERT: the pattern's number */
	uint32_t mark;	    /**< of the flow */
	uint16_t worker;    /**< who wrote it */
	uint16_t block_lo;  /**< of a port block: first port, host order */
	uint16_t block_hi;  /**< of a port block: last port, host order */
	uint8_t kind;	    /**< enum weir_record_kind */
	uint8_t reason;	    /**< of FLOW_END: enum weir_record_reason */
	uint8_t action;	    /**< of RULE and ALERT: enum weir_record_action */
	uint8_t nat_event;  /**< of NAT: enum weir_nat_event */
	uint8_t zone[2];    /**< where packets of each way come from; WEIR_RECORD_NO_ZONE: none */
	uint8_t tcp_flags[2]; /**< of flows: all that were seen each way; of RULE: [0], of its
				 packet */
	uint8_t tcp_state;    /**< as the connection tracker counts them; 0: none */
	uint8_t app;	      /**< application; 0: not known */
	uint8_t text_kind;    /**< enum weir_record_text */
	uint8_t text_bytes;   /**< of text */
	bool text_cut;	      /**< there was more of it */
	uint8_t gid;	      /**< of ALERT: enum weir_record_gid */
	char text[WEIR_RECORD_TEXT]; /**< bytes from the network: not text that can be trusted */
} __attribute__((aligned(128)));
static_assert(sizeof(struct weir_record) == 384, "three pairs of cache lines");

/** What there is to write before the text, which few records have. */
#define WEIR_RECORD_HEAD_BYTES offsetof(struct weir_record, text)

/**
 * A number for a flow that no other one has within half an hour, exact in JSON (53 bits).
 * @param worker    to 63.
 * @param flow      index of its entry, to 2^26.
 * @param start_ms  when it began, on the clock of the worker's table.
 */
WEIR_MUST_CHECK static inline uint64_t weir_record_flow_id(uint16_t worker, uint32_t flow,
							   uint32_t start_ms)
{
	return (uint64_t)(worker & 63) << 47 | (uint64_t)(flow & 0x3ffffff) << 21 |
	       (start_ms & 0x1fffff);
}

/** Keep bytes from the network in a record, as many as it has room for. A worker may. */
static inline void weir_record_set_text(struct weir_record *r, enum weir_record_text kind,
					const void *text, size_t bytes)
{
	r->text_kind = (uint8_t)kind;
	r->text_cut = bytes > WEIR_RECORD_TEXT;
	r->text_bytes = (uint8_t)(r->text_cut ? WEIR_RECORD_TEXT : bytes);
	if (bytes > 0)
		memcpy(r->text, text, r->text_bytes);
}

/** Room for weir_record_time(), with its NUL. */
#define WEIR_RECORD_TIME_TEXT 88
/** Room for weir_record_proto(), with its NUL. */
#define WEIR_RECORD_PROTO_TEXT 16

/**
 * A time as records have it: "2026-01-13T02:19:53.123456+0000".
 * @param time_ns  since 1970.
 * @return text. Any thread.
 */
const char *weir_record_time(uint64_t time_ns, char text[WEIR_RECORD_TIME_TEXT]);

/**
 * A protocol as records have it: "TCP", "IPv6-ICMP"; "047" if it has no name there.
 * @return text. Any thread.
 */
const char *weir_record_proto(uint8_t proto, char text[WEIR_RECORD_PROTO_TEXT]);

/** The name of a number; NULL: it has none. Valid until the next call. */
typedef const char *weir_record_name_fn(void *ctx, uint32_t number);

/** Names for the numbers in records. What is NULL names nothing: the number is told instead. */
struct weir_record_names {
	weir_record_name_fn *rule;	/**< of slots */
	weir_record_name_fn *zone;	/**< of zones */
	weir_record_name_fn *signature; /**< of patterns: what an alert says */
	weir_record_name_fn *domains;	/**< of domain sets */
	weir_record_name_fn *app;	/**< of applications: "tls" */
	weir_record_name_fn *tcp_state; /**< of TCP's states: "ESTABLISHED" */
	void *ctx;			/**< given to them */
};

/**
 * Write a record as one object of JSON, in the words of Suricata's EVE where it has one. Whatever
 * the record has in it, the line is valid JSON in UTF-8 without control characters.
 *
 * event_type is "flow" for the end of a flow, "flow_start" and "flow_update" before it, "alert",
 * "rule" or "nat".
 * @param names  NULL: none.
 * @param line   The text and a NUL, no newline; WEIR_RECORD_JSON_MAX is always enough.
 * @return its bytes without the NUL, -ENOBUFS if there is no room, -EINVAL for a kind that is none.
 *         Pure; any thread.
 */
WEIR_MUST_CHECK int weir_record_json(const struct weir_record *r,
				     const struct weir_record_names *names, char *line,
				     size_t line_bytes);
