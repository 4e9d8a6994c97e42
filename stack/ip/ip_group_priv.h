/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Groups that sockets hear: what ip_group.c (who hears what, and when routers are told) and
 * ip_group_msg.c (IGMP and MLD) share.
 */

#include "stack_priv.h"

/* A version of IGMP; MLDv1 and v2 are the like of IGMPv2 and v3. */
enum group_version { GROUP_V1 = 1, GROUP_V2, GROUP_V3 };

/* A group that is heard on an interface, or was: then its last reports are still to be sent. */
struct group {
	struct weir_addr addr; /* family 0: the place is free */
	uint16_t iface;
	uint16_t users;	    /* memberships; 0: it has left */
	uint8_t repeats;    /* reports of the last change that are still to be sent */
	uint32_t next;	    /* in its bucket, or of the free ones */
	uint64_t change_ns; /* when the next of those is due */
	uint64_t answer_ns; /* when the answer to a query for it is due; UINT64_MAX: none */
};

/* An interface with groups, of one family. */
struct group_link {
	uint8_t family; /* 0: the place is free */
	uint8_t robustness;
	uint16_t iface;
	uint32_t groups; /* on it, those that have left too */
	uint64_t
		old_until_ns[GROUP_V3]; /* until when a querier of GROUP_V1, _V2 is thought there */
	uint64_t answer_ns; /* when all groups are to be reported; UINT64_MAX: they are not */
};

/* That a socket has joined a group. */
struct membership {
	uint32_t group;
	uint32_t next; /* of the socket's, or of the free ones */
};

#define GROUP_LINKS   64
#define GROUP_BUCKETS 256

struct groups {
	struct group *at;
	struct membership *members;
	uint32_t free, member_free;
	uint32_t draws;	 /* counts what was left to chance */
	uint64_t due_ns; /* when the first of all timers is due */
	struct group_link links[GROUP_LINKS];
	uint32_t buckets[GROUP_BUCKETS];
};

/* What a report says of a group (RFC 3376 section 4.2.12); v2 and v1 know joining and leaving. */
enum group_record {
	GROUP_IS = 2,	  /* MODE_IS_EXCLUDE: it is heard, from all sources */
	GROUP_LEFT = 3,	  /* CHANGE_TO_INCLUDE_MODE, of no source */
	GROUP_JOINED = 4, /* CHANGE_TO_EXCLUDE_MODE */
};

/* A query that was read. */
struct group_query {
	struct weir_addr group; /* family 0: for all groups */
	uint64_t wait_ns;	/* an answer is to come within this time */
	uint8_t version;	/* enum group_version */
	uint8_t robustness;	/* the querier's; 0: not said */
};

/* ip_group.c */

/* A querier has asked, or another host has reported @group by v2 or v1: ours need not. */
void group_query(struct weir_stack *s, uint16_t iface, uint8_t family, const struct group_query *q);
void group_reported(struct weir_stack *s, uint16_t iface, const struct weir_addr *group);

/* ip_group_msg.c */

/* Records that fit into a packet that every link carries. */
#define GROUP_RECORDS_MOST 60

/* Queue a report about groups of one link: of v3 in one packet, else in one for each. */
void group_report(struct weir_stack *s, const struct group_link *l, uint8_t version,
		  enum group_record what, const struct weir_addr *groups, unsigned n);
