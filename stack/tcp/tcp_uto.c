/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The user timeout option (RFC 5482): a peer is told how long we keep data that it does not
 * acknowledge, and what it tells of itself is heeded within limits, so that both ends outlive the
 * same silence. Only where the application asks for it.
 */

#include "tcp_priv.h"

#define LEAST_S	   100	/* RFC 1122 section 4.2.3.5: R2 */
#define MOST_S	   3600 /* a peer cannot make us hold what nobody fetches for longer */
#define UNIT_S	   30u	/* what a peer tells is kept in, rounded up */
#define IN_MINUTES 0x8000
#define S_NS	   UINT64_C(1000000000)
static_assert(MOST_S / UNIT_S < 128, "seven bits hold it");

/* Section 3: the larger of what we say and what the peer says, within the limits. */
uint64_t uto_ns(const struct conn *c)
{
	const struct settings *set = settings_of(c);
	const uint64_t own_ns = set->user_timeout_ms * UINT64_C(1000000);
	const uint64_t peer_ns = set->uto ? count_of(c)->peer_uto * UNIT_S * S_NS : 0;

	if (peer_ns == 0)
		return own_ns;
	return RTE_MIN(RTE_MAX(RTE_MAX(own_ns, peer_ns), LEAST_S * S_NS), MOST_S * S_NS);
}

/* Section 3.2, 0 is reserved. */
void uto_heed(struct conn *c, const struct tcp_opts *o)
{
	const uint32_t value = o->user_timeout & (IN_MINUTES - 1);
	const uint32_t s = o->user_timeout & IN_MINUTES ? value * 60 : value;

	if (!settings_of(c)->uto || s == 0)
		return;
	count_of(c)->peer_uto = (RTE_MIN(s, (uint32_t)MOST_S) + UNIT_S - 1) / UNIT_S & 0x7f;
	conn_arm(c);
}

void uto_tell(const struct settings *set, struct tcp_opts *o)
{
	const uint32_t s = set->user_timeout_ms / 1000 + (set->user_timeout_ms % 1000 != 0);
	const uint32_t minutes = RTE_MIN((s + 59) / 60, (uint32_t)IN_MINUTES - 1);

	if (!set->uto || s == 0)
		return;
	o->flags |= OPT_USER_TIMEOUT;
	o->user_timeout = (uint16_t)(s < IN_MINUTES ? s : IN_MINUTES | minutes);
}

void uto_begin(struct conn *c)
{
	const struct settings *set = settings_of(c);

	count_of(c)->uto_due = set->uto && set->user_timeout_ms != 0;
}

void uto_changed(struct conn *c)
{
	if (c->state < TCPS_ESTABLISHED)
		return;
	uto_begin(c);
	conn_arm(c);
	if (!count_of(c)->uto_due)
		return;
	c->flags |= CONN_ACK_NOW;
	conn_dirty(c);
}
