/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What is small: half-open connections, and those in TIME-WAIT, in lines of 64 bytes (tcp_slab.c).
 */

#include "tcp_segment_priv.h"

#define NONE SOCK_NONE

/* A millisecond and a bit: the clock of timestamps (RFC 7323 section 5.4) and of rest. */
static inline uint32_t tick_of(uint64_t now_ns)
{
	return (uint32_t)(now_ns >> 20);
}

#define TICKS_S 954u

struct link {
	uint32_t next, prev;
};

struct list {
	uint32_t head, tail;
};

enum half_open_flag { HALF_STAMPS = 1, HALF_SACK = 2, HALF_ECN = 4, HALF_V6 = 8 };
#define NO_SCALE 15

struct half_open {
	struct ends ends;
	struct link link;
	uint32_t iss, irs;
	union {
		uint32_t ts_recent; /* with HALF_STAMPS */
		uint32_t sent_us;   /* without: when it was answered, once; 0: more often */
	};
	uint32_t listener : 24, flags : 4, scale : 4; /* enum half_open_flag; NO_SCALE: none */
	uint16_t mss;
	uint16_t due : 13, retries : 3;
};

struct time_wait {
	struct ends ends;
	struct link link;
	uint32_t snd_nxt, rcv_nxt, ts_recent, ts_offset;
	uint16_t wnd;
	uint16_t due : 12, stamps : 1, v6 : 1, reuse : 1, reuseport : 1;
};

union small {
	struct {
		struct ends ends;
		struct link link;
	};
	struct half_open half_open;
	struct time_wait time_wait;
};
static_assert(sizeof(union small) == 64, "one line each");

struct slab {
	union small *at;
	uint32_t most, touched, used, free;
};

int slab_create(struct slab *l, uint32_t most);
/* NONE: all are used. */
uint32_t slab_take(struct slab *l);
void slab_give(struct slab *l, uint32_t i);
void list_put(struct slab *l, struct list *list, uint32_t i);
void list_remove(struct slab *l, struct list *list, uint32_t i);
