/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A script in packetdrill's language, as it was read: options, and events in their order.
 *
 * Its text is not trusted: whatever it is, reading it ends with a script or with a sentence.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what is set for the whole of a script: --name=value ---- */

/* Whether the port cuts long segments, and if so what the lines of a script are. */
enum tso {
	TSO_NONE,
	TSO_WHOLE, /* what the port is given */
	TSO_CUT,   /* what it makes of that */
};

struct settings {
	bool v6, verbose;
	bool ecn, pacing;
	bool burst;	     /* segments of one time come in one burst */
	uint8_t tso;	     /* enum tso */
	uint8_t mtu_probing; /* as weir_stack_conf has it */
	uint16_t mtu_bytes, base_mss;
	uint16_t bind_port, connect_port;
	uint32_t tolerance_us, tolerance_percent;
	uint32_t connections, half_open, time_wait, sndbuf, rcvbuf;
	uint64_t memory_bytes;
	char congestion[16];
};

/* packetdrill's defaults. */
struct settings settings_default(void);
/* @arg is "--name=value" or "--name". NULL, or what is wrong with it. */
const char *settings_set(struct settings *s, const char *arg);
/* What a shell command of a script would change: sysctl and packetdrill's own. NULL, or what is
   wrong. */
const char *settings_shell(struct settings *s, char *command);

/* ---- when ---- */

enum when_kind { WHEN_AT, WHEN_AFTER, WHEN_ANY };

struct when {
	enum when_kind kind;
	uint64_t from_ns, to_ns; /* to is from, unless it is a range */
};

/* ---- segments ---- */

enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4, FLAG_PSH = 8, FLAG_ACK = 16, FLAG_URG = 32 };

#define OPTS_MOST	 40
#define OPT_BLOCKS	 4
#define OPT_BYTES_MOST	 40
#define COOKIES		 2
#define COOKIE_BYTES	 8
#define ECN_ANY		 0xff
#define ECN_ECT0_OR_ECT1 0xfe

enum opt_kind {
	OPT_EOL = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACKOK = 4,
	OPT_SACK = 5,
	OPT_TS = 8,
	OPT_UTO = 28,
	OPT_FO = 34,
	OPT_RAW = 256, /* bytes as they are, to lie with */
};

struct opt {
	uint16_t kind;	/* enum opt_kind, or any other number */
	uint8_t bytes;	/* of data */
	uint8_t blocks; /* of SACK */
	uint32_t value, echo;
	uint32_t sack[OPT_BLOCKS][2];
	uint8_t data[OPT_BYTES_MOST]; /* of FO, RAW and what is unknown */
	uint8_t cookie;		      /* of FO: COOKIE1 or COOKIE2, what the stack has given; 0 */
};

/* In the script's numbers. */
struct seg {
	uint32_t seq, ack;
	uint32_t bytes;
	uint16_t src_port, dst_port; /* 0: those of the current connection */
	uint16_t wnd, urg;
	uint8_t flags;
	uint8_t ecn; /* of the IP header, or ECN_ANY */
	uint8_t tos;
	bool has_tos, has_wnd, has_urg;
	bool any_opts; /* <...> */
	bool is_icmp;  /* an error about what we sent: seq and bytes are of that */
	uint8_t icmp_type, icmp_code;
	uint32_t icmp_mtu;
	uint8_t n_opts;
	struct opt opts[OPTS_MOST];
};

/* ---- calls ---- */

enum value_kind { VALUE_NUMBER, VALUE_TEXT, VALUE_ANY, VALUE_LIST, VALUE_FIELDS };

struct value {
	enum value_kind kind;
	int64_t number;
	const char *text;
	const char *field;   /* its name in a structure */
	struct value *items; /* of a list or a structure */
	struct value *next;
};

struct call {
	const char *name;
	struct value *args;
	struct value result;
	int error; /* errno that it fails with; 0: not said */
};

/* ---- what a connection is to say of itself: assert tcpi_... ---- */

enum compare { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

struct claim {
	const char *member;
	enum compare how;
	int64_t number;
	struct claim *next;
};

/* ---- events ---- */

enum event_kind { EVENT_IN, EVENT_OUT, EVENT_CALL, EVENT_CLAIM };

struct event {
	struct event *next;
	unsigned line;
	enum event_kind kind;
	struct when when;
	union {
		struct seg *seg;
		struct call *call;
		struct claim *claims;
	};
};

#define WHY_MOST 512

struct script {
	const char *file;
	struct settings set;
	struct event *events;
	void *blocks; /* what it holds, freed with it */
	char why[WHY_MOST];
};

/* 0, or -1 with why. To be freed in both cases. */
int script_read(struct script *s, const char *file, const char *text, size_t bytes,
		const struct settings *set);
void script_free(struct script *s);

/* Zeroed, freed with the script; never NULL. */
void *script_alloc(struct script *s, size_t bytes);
/* The number that a name of C stands for, as SOL_TCP. */
bool name_number(const char *name, int64_t *out);
/* "EAGAIN": its number, or 0. */
int errno_number(const char *name);
const char *errno_name(int number);
