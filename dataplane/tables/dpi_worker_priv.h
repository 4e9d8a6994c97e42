/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What one worker has looked at. Written by the worker alone, but for struct dpi_side. */

#include <assert.h>
#include <rte_mbuf.h>
#include <weir/shard.h>

#include "dpi_priv.h"

/* Of a datagram at most. */
#define DPI_DATAGRAM_BYTES 65536u

/* Early bytes of a stream, which wait for their turn. */
struct dpi_block {
	uint32_t next;	/* in the order of numbers; 0: the last */
	uint32_t seq;	/* number of the first byte */
	uint32_t bytes; /* of data */
	uint8_t data[2036];
};
static_assert(sizeof(struct dpi_block) == 2048, "as weir_dpi_worker_conf says");

/* One direction of a flow. */
struct dpi_way {
	hs_stream_t *stream; /* of patterns; NULL: it has not begun, or is over */
	uint64_t seen_bytes; /* that were inspected */
	uint32_t pos;	     /* TCP: number of the byte that is inspected next, if known */
	uint32_t held;	     /* first block of those that came early; 0: none */
	uint32_t n_held;     /* blocks */
	bool known;	     /* pos is */
	bool seen;	     /* there was payload */
	bool done;	     /* it is inspected no more */
};

/* What every packet reads is in the first two lines. */
struct dpi_state {
	uint32_t next;	/* free ones: the next free one */
	uint32_t epoch; /* of the struct dpi_side that it began with */
	bool used;
	bool sniffing; /* what the client says is read for names */
	bool passing;  /* of TCP: the name of this message is known, the rest of it passes */
	bool dns_port; /* it goes to DNS, whatever it looks like */
	struct weir_dpi_verdict verdict;
	struct dpi_way way[WEIR_DIRS];
	uint32_t alerts;     /* told so far */
	uint32_t buffer;     /* that gathers a message of the client's; 0: none */
	uint32_t sniff_have; /* bytes in it */
	struct weir_dpi_flow flow;
	struct weir_sniff sniffed;
	struct weir_sniff_rest rest; /* with passing */
} __attribute__((aligned(64)));
static_assert(offsetof(struct dpi_state, flow) <= 128, "two lines for every packet");
static_assert(sizeof(struct weir_dpi_verdict) == 8, "one register");

/*
 * What inspection for one struct weir_dpi needs. The control thread writes it while d is NULL; then
 * it is read by the worker, and by nobody after its generation was retired.
 */
struct dpi_side {
	const struct weir_dpi *d; /* atomic: set last, cleared first */
	uint32_t epoch;		  /* another one each time */
	hs_scratch_t *scratch;	  /* NULL: there are no patterns */
	uint8_t *streams;	  /* of all states and directions; NULL: no patterns of TCP */
	size_t stride;		  /* bytes from one to the next */
};

#define DPI_SIDES 2 /* the current and the next generation's */

struct weir_dpi_worker {
	struct dpi_side side[DPI_SIDES];
	struct dpi_state *state; /* conf.states + 1: number 0 is none */
	struct dpi_block *block; /* conf.held_blocks + 1, likewise */
	uint8_t *buffer;	 /* conf.sniff_buffers times conf.sniff_bytes; number 1 first */
	uint32_t *buffer_next;	 /* of free ones: the next free one */
	uint8_t *flat;		 /* a datagram of several buffers, copied together */
	uint32_t free_state, free_block, free_buffer; /* 0: none */
	uint32_t epochs;			      /* sides so far; control thread */
	struct weir_dpi_worker_conf conf;
	struct weir_dpi_counters counters;
};

/* Payload that is being inspected. */
struct dpi_look {
	struct weir_dpi_worker *w;
	const struct weir_dpi *d;
	const struct dpi_side *side;
	struct dpi_state *st;
	struct dpi_way *way;
	struct weir_dpi_verdict *verdict; /* what is found goes here */
	enum weir_dir dir;
};

/* Open the streams of all states, in memory that is taken at once. 0 or -ENOMEM. */
int dpi_streams_open(struct dpi_side *side, const struct weir_dpi *d, uint32_t states, int numa);
void dpi_streams_close(struct dpi_side *side);
/* Memory for them. */
uint64_t dpi_streams_size(const struct weir_dpi *d, uint32_t states);

/* The worker's side for d; NULL: it is not prepared for it. */
static inline const struct dpi_side *dpi_side_of(const struct weir_dpi_worker *w,
						 const struct weir_dpi *d)
{
	for (unsigned i = 0; i < DPI_SIDES; i++)
		if (likely(__atomic_load_n(&w->side[i].d, __ATOMIC_ACQUIRE) == d))
			return d != NULL ? &w->side[i] : NULL;
	return NULL;
}

/* A flow that began with other patterns begins anew. */
void dpi_begin_anew(const struct dpi_look *look);

/* Where a look at a state begins; false: the worker is not prepared for d. */
static inline bool dpi_look_begin(struct dpi_look *look, struct weir_dpi_worker *w,
				  const struct weir_dpi *d, uint32_t state, enum weir_dir dir)
{
	struct dpi_state *st = &w->state[state];

	*look = (struct dpi_look){
		.w = w,
		.d = d,
		.side = dpi_side_of(w, d),
		.st = st,
		.way = &st->way[dir],
		.verdict = &st->verdict,
		.dir = dir,
	};
	if (unlikely(look->side == NULL))
		return false;
	if (unlikely(st->epoch != look->side->epoch))
		dpi_begin_anew(look);
	return true;
}

/* A way is inspected no more: give back what it holds, and note if that was all. */
void dpi_way_end(struct weir_dpi_worker *w, struct dpi_state *st, enum weir_dir dir);

/* Something was found: tell, tag, decide. */
struct dpi_found {
	uint32_t id;
	uint8_t by, action, app;
	uint64_t end;
	const char *message;
};
void dpi_found(const struct dpi_look *look, const struct dpi_found *f);
/* Inspect the next bytes of a stream, as many as the budget lets. */
void dpi_scan(const struct dpi_look *look, const uint8_t *p, uint32_t bytes);
/* The same where the stream is open, the budget has room, and patterns are all there is to it. */
void dpi_scan_plain(const struct dpi_look *look, const uint8_t *p, uint32_t bytes);
/* What hyperscan calls for a match; ctx is a struct dpi_look. */
int dpi_on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		 void *ctx);

/* The next bytes of what the client says. */
void dpi_sniff(const struct dpi_look *look, const uint8_t *p, uint32_t bytes);
/* No more of it will be seen: judge what is known. */
void dpi_sniff_end(const struct dpi_look *look);
void dpi_sniff_message(const struct dpi_look *look, const uint8_t *p, uint32_t bytes);
/* A datagram. Of most not even what was found before (a third line of the state) is looked at. */
static inline void dpi_sniff_datagram(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	look->verdict->read = true;
	if (unlikely(look->st->dns_port || weir_sniff_may_be(p, bytes)))
		dpi_sniff_message(look, p, bytes);
}
/* Is the client's name in a set? */
void dpi_judge_name(const struct dpi_look *look);
void dpi_buffer_free(struct weir_dpi_worker *w, struct dpi_state *st);

/* Give back the blocks of a way. */
void dpi_held_free(struct weir_dpi_worker *w, struct dpi_way *way);
