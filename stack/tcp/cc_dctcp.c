/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * DCTCP (RFC 8257): NewReno, but a mark cuts the window by as much as there are marks. Alpha is the
 * fraction of bytes that were marked, smoothed over windows. A loss halves the window (3.5).
 */

#include "cc_priv.h"

#define ALPHA_BITS 20
#define ALPHA_ONE  (1u << ALPHA_BITS)
#define GAIN_SHIFT 4 /* g = 1/16, section 4.2 */

struct dctcp {
	struct reno reno;
	uint32_t alpha; /* DCTCP.Alpha, of ALPHA_ONE */
	uint64_t acked_bytes, marked_bytes;
};
static_assert(sizeof(struct dctcp) <= CC_PRIV_BYTES, "is struct cc's private part");

static struct dctcp *dctcp_of(struct cc *c)
{
	return (struct dctcp *)c->priv;
}

static void dctcp_init(struct cc *c, uint64_t now_ns)
{
	(void)now_ns;
	dctcp_of(c)->alpha = ALPHA_ONE; /* the first mark halves the window, as ever */
}

/* Section 3.3, steps 5 to 8. */
static void update_alpha(struct dctcp *d)
{
	uint64_t m;

	if (d->acked_bytes == 0)
		return;
	m = (d->marked_bytes << ALPHA_BITS) / d->acked_bytes;
	d->alpha = d->alpha - (d->alpha >> GAIN_SHIFT) + (uint32_t)(m >> GAIN_SHIFT);
	d->alpha = RTE_MIN(d->alpha, ALPHA_ONE);
	d->acked_bytes = 0;
	d->marked_bytes = 0;
}

static void dctcp_on_ack(struct cc *c, const struct cc_ack *a)
{
	struct dctcp *d = dctcp_of(c);

	d->acked_bytes += a->acked_bytes;
	d->marked_bytes += RTE_MIN(a->marked_bytes, a->acked_bytes);
	if (reno_see(c, a))
		update_alpha(d);
	newreno_grow(c, a);
	cc_pace(c, a);
}

static void dctcp_on_loss(struct cc *c, uint32_t flight_bytes, bool ecn, uint64_t now_ns)
{
	const uint64_t cwnd = c->cwnd_bytes;

	if (ecn) /* section 3.3: cwnd * (1 - alpha / 2) */
		reno_cut(c, (uint32_t)(cwnd - (cwnd * dctcp_of(c)->alpha >> (ALPHA_BITS + 1))));
	else
		newreno_on_loss(c, flight_bytes, false, now_ns);
}

const struct cc_ops cc_dctcp = {
	.name = "dctcp",
	.ecn = true,
	.init = dctcp_init,
	.on_ack = dctcp_on_ack,
	.on_loss = dctcp_on_loss,
	.on_timeout = newreno_on_timeout,
	.on_recovered = reno_recovered,
	.undo = reno_undo,
	.on_restart = reno_restart,
};
