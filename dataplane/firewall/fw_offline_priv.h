/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * --offline: the policy over a capture. One worker, driven by the control thread: a packet, the
 * passes that it needs, its fate, the next one. The clock is the capture's.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <weir/addr.h>
#include <weir/engine.h>
#include <weir/flow.h>
#include <weir/node.h>
#include <weir/pcap_read.h>
#include <weir/why.h>

#include "app/app_priv.h"

/* Files that are read side by side. */
#define OFFLINE_FILES_MAX 64
/* No rule has decided. */
#define OFFLINE_NO_RULE UINT32_MAX

/* ---- fw_offline_files.c: captures, as one in the order of time ---- */

struct offline_file {
	const char *path; /* within an argument of the command line */
	uint16_t port;	  /* WEIR_NO_PORT: by the names of its interfaces */
	bool has_mac;
	struct weir_mac mac; /* of the port: what it sent itself is known by it */
	struct weir_pcap *reader;
	struct weir_pcap_packet next;
	bool more; /* next is set */
};

struct offline_files {
	struct offline_file file[OFFLINE_FILES_MAX];
	unsigned n;
};

/* Read "FILE", "PORT=FILE" or "PORT@MAC=FILE". 0 or -EINVAL with a sentence. */
int offline_files_add(struct offline_files *f, const struct weir_app_conf *conf, const char *arg,
		      struct weir_why *why);
/* Open all. 0 or -errno with a sentence. */
int offline_files_open(struct offline_files *f, struct weir_why *why);
void offline_files_close(struct offline_files *f);
/* The one whose next packet is the earliest; NULL: there are no more. */
struct offline_file *offline_files_first(struct offline_files *f);
/* Go on to its next packet. 0 or -errno with a sentence. */
int offline_file_step(struct offline_file *f, struct weir_why *why);
/* The port that its next packet came by; -ENODEV with a sentence. */
int offline_file_port(const struct offline_file *f, const struct weir_app_conf *conf,
		      uint16_t *port, struct weir_why *why);

/* ---- fw_offline_see.c: what becomes of one packet ---- */

enum offline_fate {
	OFFLINE_SKIPPED, /* not given to the policy */
	OFFLINE_FORWARD,
	OFFLINE_LOCAL,
	OFFLINE_REJECT,
	OFFLINE_DROP,
	OFFLINE_HELD, /* a fragment that waits */
	OFFLINE_FATES
};

struct offline_packet {
	uint64_t number; /* from 1 */
	uint64_t time_ns;
	uint16_t port_in;
	const uint8_t *data;
	uint32_t captured_bytes, wire_bytes;
	const char *skipped; /* why */
	bool kernel;	     /* its port has a way to the kernel */
	/* what was seen */
	enum offline_fate fate;
	bool settled;			/* no later stage changes it */
	uint8_t stage;			/* index in the path */
	uint16_t drop;			/* enum weir_drop */
	uint16_t iface;			/* it leaves by */
	uint32_t rule;			/* slot, or OFFLINE_NO_RULE */
	struct weir_tuple came, leaves; /* family 0: unknown */
	bool came_l4, leaves_l4;	/* with ports */
	uint8_t l4[2];			/* TCP: flags; ICMP: type and code */
};

struct offline_watch {
	struct weir_watch hook; /* first: see() casts it back */
	struct weir_engine *engine;
	struct offline_packet *packet; /* NULL: none is under judgement */
	uint64_t answers;	       /* packets of our own that were sent */
};

void offline_watch_init(struct offline_watch *w, struct weir_engine *engine);
/* 80_neigh_out without neighbours: all are there. */
extern const struct weir_node_ops offline_neigh_out;

/* ---- fw_offline_print.c ---- */

struct offline_print {
	const struct weir_run *run;
	FILE *to;
	bool json;
	uint64_t begin_ns; /* time of the first packet */
	uint32_t *rule_of; /* by slot: index of the first rule that has it */
	uint64_t by_fate[OFFLINE_FATES], cut;
};

/* 0 or -ENOMEM. */
int offline_print_begin(struct offline_print *p);
void offline_print_packet(struct offline_print *p, const struct offline_packet *k);
/* Packets by verdict, by reason, by rule. */
void offline_print_summary(struct offline_print *p, uint64_t answers);
void offline_print_free(struct offline_print *p);
