/* SPDX-License-Identifier: BSD-3-Clause */
/* Captured packets: a ring of slots with room for a packet's first bytes, and a bucket. */
#include <weir/capture.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/bucket.h>
#include <weir/meta.h>
#include <weir/shard.h>

#include "capture_priv.h"
#include "slots_priv.h"

#define SNAP_MIN 14 /* a frame's header */

struct weir_capture {
	struct slots slots;
	struct weir_bucket bucket; /* worker; of a limited one */
	uint64_t limited;	   /* worker */
	bool has_rate;		   /* constant */
	uint32_t snap_bytes;	   /* constant */
};

static size_t slot_bytes(const struct weir_capture_conf *conf)
{
	return RTE_ALIGN_CEIL(sizeof(struct weir_captured) + conf->snap_bytes, RTE_CACHE_LINE_SIZE);
}

uint64_t weir_capture_size(const struct weir_capture_conf *conf)
{
	return sizeof(struct weir_capture) + rte_align64pow2(conf->packets) * slot_bytes(conf);
}

int weir_capture_create(const struct weir_capture_conf *conf, struct weir_capture **out)
{
	struct weir_capture *c;
	int rc = 0;

	if (conf->packets == 0 || conf->snap_bytes < SNAP_MIN ||
	    conf->snap_bytes > WEIR_CAPTURE_SNAP_MAX ||
	    weir_capture_size(conf) > WEIR_CAPTURE_BYTES_MAX)
		return -EINVAL;
	c = aligned_alloc(alignof(struct weir_capture), sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	memset(c, 0, sizeof(*c));
	c->snap_bytes = conf->snap_bytes;
	c->has_rate = conf->rate_pps != 0;
	if (c->has_rate && weir_bucket_init(&c->bucket, conf->rate_pps, conf->rate_pps, 0) < 0)
		rc = -EINVAL;
	if (rc == 0)
		rc = slots_create(&c->slots, rte_align32pow2(conf->packets), slot_bytes(conf),
				  RTE_CACHE_LINE_SIZE);
	if (rc < 0) {
		weir_capture_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

void weir_capture_free(struct weir_capture *c)
{
	if (c == NULL)
		return;
	slots_free(&c->slots);
	free(c);
}

uint64_t weir_capture_lost(const struct weir_capture *c)
{
	return slots_lost(&c->slots);
}

uint64_t weir_capture_limited(const struct weir_capture *c)
{
	return weir_counted(&c->limited);
}

/* ---- worker ---- */

uint32_t capture_copy(const struct rte_mbuf *m, uint32_t most, uint8_t *to)
{
	const uint32_t want = m->pkt_len < most ? m->pkt_len : most;
	uint32_t copied = 0;

	for (const struct rte_mbuf *seg = m; seg != NULL && copied < want; seg = seg->next) {
		const uint32_t left = want - copied;
		const uint32_t n = seg->data_len < left ? seg->data_len : left;

		memcpy(to + copied, rte_pktmbuf_mtod(seg, const void *), n);
		copied += n;
	}
	return copied;
}

bool weir_capture_put(struct weir_capture *c, struct rte_mbuf *m, uint32_t comment, uint64_t now_ns)
{
	struct weir_captured *p;

	if (c->has_rate && !weir_bucket_take(&c->bucket, 1, now_ns)) {
		weir_count(&c->limited, 1);
		return false;
	}
	p = slots_reserve(&c->slots);
	if (p == NULL)
		return false;
	*p = (struct weir_captured){
		.now_ns = now_ns,
		.comment = comment,
		.wire_bytes = m->pkt_len,
		.captured_bytes = capture_copy(m, c->snap_bytes, (uint8_t *)(p + 1)),
		.port_in = weir_meta(m)->port_in,
	};
	slots_commit(&c->slots);
	return true;
}

/* ---- control thread ---- */

const struct weir_captured *weir_capture_peek(const struct weir_capture *c)
{
	return slots_peek(&c->slots);
}

const uint8_t *weir_captured_bytes(const struct weir_captured *packet)
{
	return (const uint8_t *)(packet + 1);
}

void weir_capture_pop(struct weir_capture *c)
{
	slots_pop(&c->slots);
}
