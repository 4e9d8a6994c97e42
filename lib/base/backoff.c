/* SPDX-License-Identifier: BSD-3-Clause */
/* backoff: waits that grow and scatter, and a breaker that stops hopeless calls. */
#include <weir/backoff.h>

#include <errno.h>
#include <weir/wheel.h>

int weir_backoff_init(struct weir_backoff *b, uint64_t base_ns, uint64_t max_ns, uint64_t seed)
{
	if (base_ns == 0 || max_ns < base_ns)
		return -EINVAL;
	*b = (struct weir_backoff){
		.base_ns = base_ns, .max_ns = max_ns, .last_ns = base_ns, .random = seed};
	return 0;
}

/* SplitMix64 (Steele, Lea, Flood, 2014): any seed is good. */
static uint64_t random64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t weir_backoff_next(struct weir_backoff *b)
{
	const uint64_t most_ns = b->last_ns > b->max_ns / 3 ? b->max_ns : b->last_ns * 3;
	const unsigned __int128 choices = (unsigned __int128)(most_ns - b->base_ns) + 1;

	b->last_ns = b->base_ns + (uint64_t)(choices * random64(&b->random) >> 64);
	return b->last_ns;
}

void weir_backoff_reset(struct weir_backoff *b)
{
	b->last_ns = b->base_ns;
}

int weir_breaker_init(struct weir_breaker *b, unsigned failures_to_open,
		      unsigned successes_to_close, uint64_t open_ns)
{
	if (failures_to_open == 0 || successes_to_close == 0 || open_ns == 0)
		return -EINVAL;
	*b = (struct weir_breaker){.state = WEIR_BREAKER_CLOSED,
				   .failures_to_open = failures_to_open,
				   .successes_to_close = successes_to_close,
				   .open_ns = open_ns};
	return 0;
}

static void turn(struct weir_breaker *b, enum weir_breaker_state state, uint64_t retry_at_ns)
{
	b->state = state;
	b->in_a_row = 0;
	b->retry_at_ns = retry_at_ns;
}

bool weir_breaker_allows(struct weir_breaker *b, uint64_t now_ns)
{
	if (b->state == WEIR_BREAKER_CLOSED)
		return true;
	/* Open, and the time is not over; or half open, and the probe is still out. */
	if (now_ns < b->retry_at_ns)
		return false;
	if (b->state == WEIR_BREAKER_OPEN)
		turn(b, WEIR_BREAKER_HALF_OPEN, 0);
	b->retry_at_ns = weir_deadline_after(now_ns, b->open_ns);
	return true;
}

void weir_breaker_success(struct weir_breaker *b)
{
	if (b->state == WEIR_BREAKER_CLOSED)
		b->in_a_row = 0;
	if (b->state != WEIR_BREAKER_HALF_OPEN)
		return; /* open: the late answer of a call from before */
	b->retry_at_ns = 0;
	if (++b->in_a_row >= b->successes_to_close)
		turn(b, WEIR_BREAKER_CLOSED, 0);
}

void weir_breaker_failure(struct weir_breaker *b, uint64_t now_ns)
{
	if (b->state == WEIR_BREAKER_OPEN)
		return;
	if (b->state == WEIR_BREAKER_CLOSED && ++b->in_a_row < b->failures_to_open)
		return;
	turn(b, WEIR_BREAKER_OPEN, weir_deadline_after(now_ns, b->open_ns));
}

const char *weir_breaker_state_name(enum weir_breaker_state state)
{
	switch (state) {
	case WEIR_BREAKER_CLOSED:
		return "closed";
	case WEIR_BREAKER_OPEN:
		return "open";
	case WEIR_BREAKER_HALF_OPEN:
		return "half_open";
	}
	return "unknown";
}
