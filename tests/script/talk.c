/* SPDX-License-Identifier: BSD-3-Clause */

/* Sequence numbers and timestamps: a script's are small, the stack's are secret. */

#include "run.h"

static struct talk *new_talk(struct runner *r, uint16_t our_port, uint16_t peer_port)
{
	struct talk *t;

	if (r->n_talks == TALKS_MOST)
		return NULL;
	t = &r->talks[r->n_talks++];
	t->our_port = our_port;
	t->peer_port = peer_port;
	return t;
}

#define PEER_PORT 50000

struct talk *talk_of(struct runner *r, uint16_t our_port, uint16_t peer_port)
{
	if (our_port == 0) {
		if (r->talk == NULL)
			r->talk = talk_of(r, r->script->set.bind_port, PEER_PORT);
		return r->talk;
	}
	for (unsigned i = 0; i < r->n_talks; i++)
		if (r->talks[i].our_port == our_port && r->talks[i].peer_port == peer_port)
			return &r->talks[i];
	return new_talk(r, our_port, peer_port);
}

/* ---- timestamps ---- */

void talk_learn_stamp(struct talk *t, uint32_t script, uint32_t live)
{
	for (unsigned i = 0; i < t->n_stamps; i++)
		if (t->stamps[i].script == script) {
			t->stamps[i].live = live;
			return;
		}
	if (t->n_stamps < STAMPS)
		t->stamps[t->n_stamps++] = (struct stamp){script, live};
}

/* One that the stack has sent is that; of another the distance to the first is the same. */
static uint32_t stamp_to_live(const struct talk *t, uint32_t script)
{
	for (unsigned i = 0; i < t->n_stamps; i++)
		if (t->stamps[i].script == script)
			return t->stamps[i].live;
	return t->n_stamps == 0 ? script : t->stamps[0].live + (script - t->stamps[0].script);
}

static uint32_t stamp_to_script(const struct talk *t, uint32_t live)
{
	for (unsigned i = 0; i < t->n_stamps; i++)
		if (t->stamps[i].live == live)
			return t->stamps[i].script;
	return t->n_stamps == 0 ? live : t->stamps[0].script + (live - t->stamps[0].live);
}

/* ---- segments ---- */

void seg_to_live(struct talk *t, struct seg *g)
{
	if (g->flags & FLAG_ACK)
		g->ack += t->iss;
	for (unsigned i = 0; i < g->n_opts; i++) {
		struct opt *o = &g->opts[i];

		if (o->kind == OPT_TS && o->echo != 0)
			o->echo = stamp_to_live(t, o->echo);
		for (unsigned k = 0; o->kind == OPT_SACK && k < o->blocks; k++) {
			o->sack[k][0] += t->iss;
			o->sack[k][1] += t->iss;
		}
	}
}

void seg_to_script(struct talk *t, struct seg *g)
{
	/* A reset of what has no connection has no number of ours: RFC 9293 section 3.10.7.1. */
	if ((g->flags & (FLAG_RST | FLAG_ACK)) != (FLAG_RST | FLAG_ACK) || g->seq != 0)
		g->seq -= t->iss;
	for (unsigned i = 0; i < g->n_opts; i++)
		if (g->opts[i].kind == OPT_TS)
			g->opts[i].value = stamp_to_script(t, g->opts[i].value);
}

void talk_learn_in(struct talk *t, const struct seg *g)
{
	if (!(g->flags & FLAG_SYN))
		return;
	if (!t->has_irs) {
		t->has_irs = true;
		t->irs = g->seq;
	} else if (!(g->flags & FLAG_ACK) && g->seq != t->irs) {
		t->may_begin = true; /* if it is answered by a SYN */
		t->next_irs = g->seq;
	}
}

void talk_learn_out(struct talk *t, const struct seg *live, const struct seg *script)
{
	if (!(live->flags & FLAG_SYN) || (t->has_iss && !t->may_begin))
		return;
	if (t->may_begin) {
		t->irs = t->next_irs;
		t->n_stamps = 0;
	}
	t->may_begin = false;
	t->has_iss = true;
	t->iss = live->seq - script->seq;
}
