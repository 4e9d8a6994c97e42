/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * From settings to a plan, and from one plan to the next: made whole, published with one store, the
 * old one freed when no worker is in a pass that began before.
 */

#include "bench_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/gen.h>

static bool is_ip6(const struct bench_settings *s)
{
	return s->flow.src.family == 6;
}

int bench_settings_make(const struct bench_conf *conf, struct bench_settings *out,
			struct weir_why *why)
{
	const struct bench_section *c = &conf->bench;
	const struct bench_peer_conf *peer;
	struct bench_settings s = {
		.mode = (enum bench_mode)c->mode,
		.burst = (uint16_t)conf->app.runtime.burst,
		.retries = (uint16_t)c->tx_retries,
		.flows = (uint32_t)c->flows,
		.seed = c->seed,
		.rate_pps = c->rate_pps,
		.packets = c->packets,
		.flow = {.src = c->source,
			 .dst = c->destination,
			 .sport = (uint16_t)c->source_port,
			 .dport = (uint16_t)c->destination_port},
	};
	const char *least = is_ip6(&s) ? "80" : "64";
	int rc = bench_sizes_parse(c->sizes != NULL ? c->sizes : least, &s.sizes, why);

	if (rc == 0)
		rc = bench_sizes_fit(&s.sizes, is_ip6(&s), why);
	if (rc < 0)
		return rc;
	/* As testpmd: the peer of port N is 02:00:00:00:00:NN. */
	for (uint16_t p = 0; p < WEIR_PORTS_MAX; p++)
		s.peer[p] = (struct rte_ether_addr){{0x02, 0, 0, 0, 0, (uint8_t)p}};
	weir_conf_each (peer, &c->peers)
		memcpy(&s.peer[peer->port], &peer->mac, sizeof(s.peer[0]));
	*out = s;
	return 0;
}

/* The bytes behind the heads, and their sums for each size. */
static void make_filling(struct bench_plan *plan)
{
	const uint16_t head = plan->ip6 ? BENCH_HEAD6 : BENCH_HEAD4;

	for (unsigned i = 0; i < sizeof(plan->filling); i++)
		plan->filling[i] = (uint8_t)i;
	for (unsigned i = 0; i < BENCH_SIZES; i++)
		if (plan->sizes[i] > head)
			plan->filling_sums[i] = weir_csum_fold(
				weir_csum_sum(plan->filling, plan->sizes[i] - (size_t)head));
}

static int make_templates(const struct bench *b, const struct bench_settings *s,
			  struct bench_plan *plan)
{
	struct bench_flow_conf flow = s->flow;

	flow.run = b->run_id;
	flow.host = plan->host;
	plan->templates = aligned_alloc(
		RTE_CACHE_LINE_SIZE,
		s->flows * (plan->ip6 ? sizeof(*plan->templates6) : sizeof(*plan->templates4)));
	if (plan->templates == NULL)
		return -ENOMEM;
	for (uint32_t f = 0; f < s->flows; f++) {
		if (plan->ip6)
			bench_template6_make(&flow, (uint16_t)f, &plan->templates6[f]);
		else
			bench_template4_make(&flow, (uint16_t)f, &plan->templates4[f]);
	}
	return 0;
}

static void plan_free(struct bench_plan *plan)
{
	if (plan == NULL)
		return;
	free(plan->templates);
	free(plan);
}

static int plan_make(const struct bench *b, const struct bench_settings *s, struct bench_plan **out)
{
	const struct weir_system *system = weir_run_system(b->run);
	struct bench_plan *plan = calloc(1, sizeof(*plan));

	if (plan == NULL)
		return -ENOMEM;
	*plan = (struct bench_plan){
		.run = bench_run_of(s->mode, b->forwarding),
		.number = b->number + 1,
		.epoch = b->epoch,
		.burst = s->burst,
		.retries = s->retries,
		.idle = b->forwarding && s->mode == BENCH_TXONLY,
		.mode = s->mode,
		.host = bench_host(),
		.flows = s->flows,
		.rate_pps = s->rate_pps,
		.packets = s->packets,
		.ip6 = is_ip6(s),
	};
	bench_sizes_make(&s->sizes, s->seed, plan->sizes);
	make_filling(plan);
	for (uint16_t p = 0; p < weir_system_ports(system); p++) {
		plan->macs[p][0] = s->peer[p];
		plan->macs[p][1] = weir_system_port(system, p)->mac;
	}
	if (make_templates(b, s, plan) < 0) {
		plan_free(plan);
		return -ENOMEM;
	}
	*out = plan;
	return 0;
}

/* Whether what txonly would send fits the ports and the buffers. */
static int check_sizes(const struct bench *b, const struct bench_settings *s, struct weir_why *why)
{
	const struct weir_system *system = weir_run_system(b->run);
	const uint32_t room =
		rte_pktmbuf_data_room_size(weir_system_pool(system, 0)) - RTE_PKTMBUF_HEADROOM;

	if (s->mode != BENCH_TXONLY)
		return 0;
	for (uint16_t p = 0; p < weir_system_ports(system); p++) {
		const struct weir_port *port = weir_system_port(system, p);

		if (s->sizes.max > port->mtu + sizeof(struct rte_ether_hdr))
			return weir_why(why, -ERANGE,
					"sizes: up to %u bytes, but port %s has an MTU of %u and "
					"takes frames of %zu: raise ports.%s.mtu",
					s->sizes.max, port->name, port->mtu,
					port->mtu + sizeof(struct rte_ether_hdr), port->name);
	}
	if (s->sizes.max > room)
		return weir_why(why, -ERANGE, "sizes: up to %u bytes, but a buffer has %u",
				s->sizes.max, room);
	return 0;
}

/* Anew: count from here on. From before the first packet, for after `packets` no other comes. */
static int publish(struct bench *b, const struct bench_settings *s, bool anew, struct weir_why *why)
{
	struct bench_plan *fresh, *old;
	int rc = check_sizes(b, s, why);

	if (rc < 0)
		return rc;
	b->epoch += anew;
	rc = plan_make(b, s, &fresh);
	if (rc < 0)
		return weir_why(why, rc, "out of memory for %u flows", s->flows);
	b->number++;
	if (anew)
		bench_figures_take(b, &b->base);
	old = atomic_exchange(&b->plan, fresh);
	for (uint16_t w = 0; w < b->workers; w++) /* one that sleeps may have to send now */
		weir_engine_kick(weir_system_engine(weir_run_system(b->run), w));
	if (old != NULL)
		weir_gens_synchronize(weir_system_gens(weir_run_system(b->run)));
	plan_free(old);
	return 0;
}

int bench_change(struct bench *b, const struct bench_settings *s, struct weir_why *why)
{
	/* What was counted in two modes would not mean one thing. */
	const bool anew = b->forwarding && s->mode != b->set.mode;
	const int rc = publish(b, s, anew, why);

	if (rc == 0)
		b->set = *s;
	return rc;
}

int bench_start(struct bench *b, struct weir_why *why)
{
	int rc;

	if (b->forwarding)
		return weir_why(why, -EALREADY, "already started");
	b->forwarding = true;
	rc = publish(b, &b->set, true, why);
	if (rc < 0) {
		b->forwarding = false;
		return rc;
	}
	b->has_last = false;
	b->started_ns = b->shown_ns = weir_run_now_ns(b->run);
	return 0;
}

int bench_stop(struct bench *b, struct weir_why *why)
{
	int rc;

	if (!b->forwarding)
		return weir_why(why, -EALREADY, "not started");
	bench_figures_since(b, &b->last);
	b->has_last = true;
	b->forwarding = false;
	rc = publish(b, &b->set, false, why);
	b->forwarding = rc < 0;
	return rc;
}

int bench_clear(struct bench *b, struct weir_why *why)
{
	const int rc = publish(b, &b->set, true, why);

	if (rc == 0)
		memset(&b->last, 0, sizeof(b->last));
	return rc;
}

void bench_plan_drop(struct bench *b)
{
	plan_free(atomic_exchange(&b->plan, NULL));
}
