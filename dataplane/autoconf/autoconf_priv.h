/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Which addresses of ours may be used: duplicate address detection (RFC 4862 section 5.4, with
 * RFC 4429 and RFC 7527) and address conflict detection (RFC 5227), by interface; and what routers
 * tell a host (SLAAC: RFC 4861 section 6.3, RFC 4862 section 5.5).
 *
 * A state machine without I/O: what was heard and the time go in, frames and events come out by
 * functions of the caller. It changes interfaces (autoconf_dress()) but publishes nothing. All of
 * it belongs to the control thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <weir/addr.h>
#include <weir/l3.h>
#include <weir/must_check.h>
#include <weir/siphash.h>

#include "neigh_notice_priv.h"
#include "ra_priv.h"

/* Addresses that an interface can have: those of weir_iface and the link-local one. */
#define AUTOCONF_ADDRS_MAX (WEIR_IFACE_ADDRS_MAX + 1)
/* Default routers of an interface, and prefixes that they say are on its link. */
#define AUTOCONF_ROUTERS_MAX  8
#define AUTOCONF_PREFIXES_MAX 16

enum autoconf_phase {
	AUTOCONF_PROBING,   /* asked for; used meanwhile if optimistic */
	AUTOCONF_GOOD,	    /* nobody objected */
	AUTOCONF_DUPLICATE, /* somebody else has it: not used */
};

/* The phases as people are told of them. */
enum autoconf_state {
	AUTOCONF_TENTATIVE,
	AUTOCONF_OPTIMISTIC,
	AUTOCONF_PREFERRED,
	AUTOCONF_DEPRECATED,
	AUTOCONF_GONE, /* a duplicate */
	AUTOCONF_STATES
};
extern const char *const autoconf_state_names[AUTOCONF_STATES];

/* What the configuration says of an interface beside its addresses. */
struct autoconf_rules {
	uint8_t probes;	 /* of an IPv6 address; 0: none is probed */
	bool optimistic; /* use an address while it is probed */
	bool slaac;	 /* listen to routers */
	bool eui64;	 /* addresses from the MAC address, not RFC 7217's */
};

struct autoconf_addr {
	struct weir_prefix prefix; /* the address and its subnet's length */
	uint8_t phase;		   /* enum autoconf_phase */
	bool optimistic;
	uint8_t probes_left;
	uint8_t announces_left;	  /* of IPv4 */
	uint64_t due_ns;	  /* of the next step; UINT64_MAX: none */
	uint64_t complained_ns;	  /* when a conflict was last told of; 0: never */
	struct neigh_nonce nonce; /* of our probes */
	struct weir_mac other;	  /* DUPLICATE: who has it */
	bool learnt;		  /* from a router; the rest is of those only */
	bool deprecated;
	uint8_t tries;	       /* RFC 7217's DAD_Counter */
	uint64_t preferred_ns; /* until then; UINT64_MAX: for ever */
	uint64_t valid_ns;     /* likewise */
};

struct autoconf_router {
	struct weir_addr addr;
	uint8_t preference; /* enum ra_preference */
	uint64_t until_ns;
};

struct autoconf_onlink {
	struct weir_prefix prefix;
	uint64_t until_ns;
};

struct autoconf_iface {
	char name[sizeof(((struct weir_iface *)NULL)->name)];
	struct weir_mac mac;
	struct autoconf_rules rules;
	uint8_t n_addrs;
	struct autoconf_addr addr[AUTOCONF_ADDRS_MAX]; /* the link-local one is the first */
	uint8_t n_routers, n_onlink;
	uint16_t mtu_bytes; /* that routers tell; 0: none */
	struct autoconf_router router[AUTOCONF_ROUTERS_MAX];
	struct autoconf_onlink onlink[AUTOCONF_PREFIXES_MAX];
	uint64_t solicit_ns;	   /* when to ask for routers; UINT64_MAX: not */
	uint64_t solicit_pause_ns; /* since the last time; 0: none was sent */
};

struct autoconf_counters {
	uint64_t probes;     /* sent: NS and ARP */
	uint64_t duplicates; /* addresses found to be somebody else's */
	uint64_t conflicts;  /* messages of somebody who has an address that we use */
	uint64_t looped;     /* probes of ours that came back (RFC 7527) */
	uint64_t adverts;    /* of routers, taken in */
	uint64_t refused;    /* routers and prefixes that were left out: no room, or not ours */
};

struct autoconf {
	struct weir_siphash_key key;	/* of random numbers */
	struct weir_siphash_key secret; /* RFC 7217's */
	uint64_t drawn;			/* random numbers so far */
	bool changed; /* autoconf_dress() says something else than when it was last cleared */
	struct autoconf_counters counters;
	uint16_t n;
	struct autoconf_iface iface[];
};

enum autoconf_event {
	AUTOCONF_IS_DUPLICATE, /* an address goes out of use */
	AUTOCONF_CONFLICT,     /* somebody uses an address of ours, which we keep */
};

/* What the caller does for it. */
struct autoconf_door {
	/* Send a frame by an interface. False: there is no room now, it is offered again. */
	bool (*send)(void *ctx, const struct autoconf_iface *f, struct neigh_frame *frame);
	/* Something happened to an address; @other is the other station. */
	void (*say)(void *ctx, const struct autoconf_iface *f, const struct autoconf_addr *a,
		    enum autoconf_event event, const struct weir_mac *other);
	void *ctx;
};

/*
 * The state for a configuration: what is in @before keeps its phase, but for duplicates, which are
 * probed again; new addresses are probed from now on. @rules: one for each of @ifaces.
 * Returns 0 or -ENOMEM.
 */
int autoconf_create(const struct autoconf *before, const struct weir_siphash_key *key,
		    const struct weir_siphash_key *secret, const struct weir_iface *ifaces,
		    const struct autoconf_rules *rules, uint16_t n, uint64_t now_ns,
		    struct autoconf **out);
/* NULL is allowed. */
void autoconf_free(struct autoconf *ac);
/* The interface of a name, or NULL. */
struct autoconf_iface *autoconf_find(struct autoconf *ac, const char *name);
/* The address of an interface, or NULL; NULL is allowed for the interface. */
struct autoconf_addr *autoconf_find_addr(struct autoconf_iface *f, const struct weir_addr *addr);
/* Make an interface of the configuration what it is now: addresses by their phase. */
void autoconf_dress(const struct autoconf *ac, struct weir_iface *f);
/* Take in what a worker heard on an interface. */
void autoconf_heard(struct autoconf *ac, struct autoconf_iface *f, const struct neigh_notice *n,
		    const struct autoconf_door *door, uint64_t now_ns);
/* Do what is due. */
void autoconf_run(struct autoconf *ac, const struct autoconf_door *door, uint64_t now_ns);
/* What an address is now. */
enum autoconf_state autoconf_state(const struct autoconf_addr *a);
/* How many addresses are in a state. */
unsigned autoconf_count(const struct autoconf *ac, enum autoconf_state state);

/* autoconf_dad.c: the steps of one address. */

/* Begin to probe an address. */
void dad_begin(struct autoconf *ac, const struct autoconf_rules *rules, struct autoconf_addr *a,
	       bool optimistic, uint64_t now_ns);
void dad_run(struct autoconf *ac, const struct autoconf_iface *f, struct autoconf_addr *a,
	     const struct autoconf_door *door, uint64_t now_ns);
void dad_heard(struct autoconf *ac, const struct autoconf_iface *f, struct autoconf_addr *a,
	       const struct neigh_notice *n, const struct autoconf_door *door, uint64_t now_ns);
/* slaac.c: what routers tell. */

/* Begin to look for routers. */
void slaac_begin(struct autoconf *ac, struct autoconf_iface *f, uint64_t now_ns);
/* Take over what was learnt before a reload. */
void slaac_keep(struct autoconf_iface *f, const struct autoconf_iface *was);
/* An advertisement whose IP header and checksum are good. Returns 0 or -EBADMSG. */
int slaac_heard(struct autoconf *ac, struct autoconf_iface *f, const struct weir_addr *from,
		const uint8_t *bytes, size_t len_bytes, uint64_t now_ns);
void slaac_run(struct autoconf *ac, struct autoconf_iface *f, const struct autoconf_door *door,
	       uint64_t now_ns);
/* Another address in place of one that turned out to be a duplicate (RFC 7217 section 6). */
void slaac_again(struct autoconf *ac, const struct autoconf_iface *f, struct autoconf_addr *a,
		 uint64_t now_ns);

/* A number that nobody can guess, below @below. */
uint64_t autoconf_random(struct autoconf *ac, uint64_t below);

/* autoconf_frame.c: what goes out. */

/* RFC 4862 section 5.4.2, RFC 7527: from ::, with a nonce. */
void frame_solicit(struct neigh_frame *out, const struct weir_addr *target,
		   const struct neigh_nonce *nonce);
/* RFC 4861 section 4.1. @from NULL: from ::; @mac NULL: without it. */
void frame_router_solicit(struct neigh_frame *out, const struct weir_addr *from,
			  const struct weir_mac *mac);
/* RFC 5227 sections 1.1 and 2.3: from 0.0.0.0 a probe, from itself an announcement. */
void frame_arp(struct neigh_frame *out, const struct weir_mac *mac, const struct weir_addr *target,
	       bool announce);
