/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Our addresses in a running app: what workers heard goes to the state machine (autoconf_priv.h),
 * its frames to the first worker, and what has changed into a generation.
 */

#include "app_l3_priv.h"
#include "app_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <weir/error.h>

#include "app_show_priv.h"
#include "autoconf_priv.h"

/* Notices of a worker that are taken at once. */
#define NOTICES_AT_ONCE 128

static struct weir_neigh_table *neighbours_of(const struct app_l3 *l3, uint16_t worker)
{
	return weir_engine_shard(weir_system_engine(l3->run->system, worker))->neigh;
}

/* RFC 7217 section 5: the same after a restart, and nobody's but this machine's. */
static bool stable_secret(struct weir_siphash_key *secret)
{
	static const struct weir_siphash_key halves[2] = {{0x77656972, 1}, {0x77656972, 2}};
	char id[33] = "";
	FILE *file = fopen("/etc/machine-id", "re");
	const bool read = file != NULL && fscanf(file, "%32[0-9a-f]", id) == 1 && strlen(id) == 32;

	if (file != NULL)
		fclose(file);
	secret->k0 = weir_siphash24(&halves[0], id, sizeof(id));
	secret->k1 = weir_siphash24(&halves[1], id, sizeof(id));
	return read;
}

int app_autoconf_keys(struct app_l3 *l3, struct weir_why *why)
{
	if (getrandom(&l3->key, sizeof(l3->key), 0) != sizeof(l3->key))
		return weir_why(why, -EIO, "addresses: no random numbers");
	if (stable_secret(&l3->secret))
		return 0;
	l3->secret = l3->key;
	l3->secret_is_new = true;
	return 0;
}

/* The same order as app_l3_ifaces(); a capture that is judged has nobody to ask. */
static void fill_rules(const struct weir_run *run, const struct weir_app_conf *conf,
		       struct autoconf_rules *rules)
{
	const struct weir_app_port_conf *p;

	weir_conf_each (p, &conf->ports)
		for (size_t i = 0; i <= p->vlans.n; i++)
			*rules++ = (struct autoconf_rules){
				.probes = run->past != NULL ? 0 : (uint8_t)p->dad,
				.optimistic = p->optimistic,
				.slaac = p->slaac && i == 0,
				.eui64 = p->interface_id == 1,
			};
}

int app_autoconf_prepare(struct app_l3 *l3, const void *conf, const struct weir_iface *ifaces,
			 uint16_t n, struct autoconf **out, struct weir_why *why)
{
	struct autoconf_rules *rules = calloc(n, sizeof(*rules));
	int rc = -ENOMEM;

	if (rules != NULL) {
		fill_rules(l3->run, conf, rules);
		rc = autoconf_create(l3->autoconf, &l3->key, &l3->secret, ifaces, rules, n,
				     weir_run_now_ns(l3->run), out);
	}
	free(rules);
	return rc < 0 ? weir_why(why, rc, "addresses: out of memory") : 0;
}

/* ---- the door ---- */

static bool send_frame(void *ctx, const struct autoconf_iface *f, struct neigh_frame *frame)
{
	struct app_l3 *l3 = ctx;

	frame->iface = weir_rib_iface(l3->rib, f->name);
	if (!neigh_give_frame(neighbours_of(l3, 0), frame))
		return false;
	weir_engine_kick(weir_system_engine(l3->run->system, 0));
	return true;
}

static void say(void *ctx, const struct autoconf_iface *f, const struct autoconf_addr *a,
		enum autoconf_event event, const struct weir_mac *other)
{
	char addr[WEIR_ADDR_TEXT], ours[WEIR_MAC_TEXT], theirs[WEIR_MAC_TEXT];

	weir_addr_format(&a->prefix.addr, addr);
	weir_mac_format(&f->mac, ours);
	weir_mac_format(other, theirs);
	if (event == AUTOCONF_IS_DUPLICATE)
		weir_log_error("addresses",
			       "%s: %s is a duplicate: %s has it, and we are %s; it is not used%s",
			       f->name, addr, theirs, ours,
			       a->learnt ? "" : " until a reload finds it free");
	else
		weir_log_warn("addresses", "%s: %s uses our address %s, and we are %s", f->name,
			      theirs, addr, ours);
}

/* ---- default routers ---- */

/* All of one preference share the traffic (RFC 4311); the metric is in the order of RFC 4191. */
static uint16_t routers_of(const struct app_l3 *l3, const struct autoconf *ac,
			   enum ra_preference preference, struct weir_nexthop *hops)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < ac->n; i++) {
		const struct autoconf_iface *f = &ac->iface[i];

		for (uint8_t k = 0; k < f->n_routers && n < WEIR_GROUP_MAX; k++)
			if (f->router[k].preference == preference)
				hops[n++] = (struct weir_nexthop){
					.gateway = f->router[k].addr,
					.iface = weir_rib_iface(l3->rib, f->name)};
	}
	return n;
}

int app_autoconf_routes(struct app_l3 *l3, const struct autoconf *ac, struct weir_why *why)
{
	struct weir_nexthop hops[RA_PREFERENCES][WEIR_GROUP_MAX];
	struct weir_route routes[RA_PREFERENCES];
	size_t n = 0;

	for (unsigned p = 0; p < RA_PREFERENCES; p++) {
		const uint16_t n_hops = routers_of(l3, ac, (enum ra_preference)p, hops[p]);

		if (n_hops > 0)
			routes[n++] = (struct weir_route){.to = {.addr.family = 6},
							  .kind = WEIR_HOP_GATEWAY,
							  .source = WEIR_ROUTE_RA,
							  .metric = p,
							  .n_hops = n_hops,
							  .hops = hops[p]};
	}
	return weir_rib_replace(l3->rib, WEIR_ROUTE_RA, routes, n, why);
}

/* ---- the tick ---- */

static struct autoconf_iface *iface_of(const struct app_l3 *l3, uint16_t number)
{
	const struct weir_l3 *now = weir_gens_current(weir_system_gens(l3->run->system))->l3;

	return number < now->n_ifaces ? autoconf_find(l3->autoconf, now->ifaces[number].name)
				      : NULL;
}

static void hear(struct app_l3 *l3, uint16_t worker, const struct autoconf_door *door,
		 uint64_t now_ns)
{
	struct neigh_notice n;

	for (unsigned i = 0; i < NOTICES_AT_ONCE; i++) {
		struct autoconf_iface *f;

		if (!neigh_next_notice(neighbours_of(l3, worker), &n))
			return;
		f = iface_of(l3, n.iface);
		if (f != NULL)
			autoconf_heard(l3->autoconf, f, &n, door, now_ns);
	}
}

static void hear_routers(struct app_l3 *l3, uint16_t worker, uint64_t now_ns)
{
	struct neigh_advert a;

	for (unsigned i = 0; i < NOTICES_AT_ONCE; i++) {
		struct autoconf_iface *f;
		struct weir_addr from;

		if (!neigh_next_advert(neighbours_of(l3, worker), &a))
			return;
		f = iface_of(l3, a.iface);
		from = weir_addr_of(a.from, 6);
		if (f != NULL &&
		    slaac_heard(l3->autoconf, f, &from, a.bytes, a.len_bytes, now_ns) < 0)
			weir_log_warn("addresses", "%s: an advertisement that cannot be read",
				      f->name);
	}
}

/* The interfaces as they are now, in a generation of their own. */
static int publish(struct app_l3 *l3, struct weir_why *why)
{
	struct weir_iface *ifaces;
	uint16_t n;
	int rc = app_l3_ifaces(app_conf(l3->run), l3->run->system, &ifaces, &n, why);

	if (rc < 0)
		return rc;
	rc = weir_rib_begin(l3->rib);
	if (rc == 0) {
		for (uint16_t i = 0; i < n; i++)
			autoconf_dress(l3->autoconf, &ifaces[i]);
		rc = weir_rib_set_ifaces(l3->rib, ifaces, n, why);
		if (rc == 0)
			rc = app_autoconf_routes(l3, l3->autoconf, why);
		if (rc < 0)
			weir_rib_abort(l3->rib);
		else
			rc = app_l3_commit(l3, why);
	}
	free(ifaces);
	return rc;
}

static void tick(void *ctx)
{
	struct app_l3 *l3 = ctx;
	const struct autoconf_door door = {.send = send_frame, .say = say, .ctx = l3};
	const uint64_t now_ns = weir_run_now_ns(l3->run);
	struct weir_why why = {""};
	int rc;

	for (uint16_t w = 0; w < weir_system_workers(l3->run->system); w++) {
		hear(l3, w, &door, now_ns);
		hear_routers(l3, w, now_ns);
	}
	autoconf_run(l3->autoconf, &door, now_ns);
	if (!l3->autoconf->changed)
		return;
	rc = publish(l3, &why);
	if (rc < 0 && rc != -EBUSY && !l3->autoconf_behind) /* tried again by the next tick */
		weir_log_error("addresses", "what has changed is not in force: %s", why.text);
	l3->autoconf_behind = rc < 0 && rc != -EBUSY;
	l3->autoconf->changed = rc < 0;
}

int app_autoconf_start(struct app_l3 *l3)
{
	const struct weir_app_port_conf *p;

	weir_conf_each (p, &app_conf(l3->run)->ports) {
		if (p->slaac && app_port_keeps_routers(p))
			weir_log_warn(
				"addresses",
				"%s: Linux has IPv6 addresses on %s, so router advertisements "
				"stay with it: take them away, or run with steer: all",
				p->name, p->interface);
		if (l3->secret_is_new && p->slaac && p->interface_id == 0)
			weir_log_warn("addresses",
				      "%s: /etc/machine-id cannot be read: addresses by router "
				      "advertisements will be others after a restart",
				      p->name);
	}
	return app_loop_add(l3->run->loop, -1, tick, l3);
}

void app_autoconf_take(struct app_l3 *l3, struct autoconf *fresh)
{
	autoconf_free(l3->autoconf);
	l3->autoconf = fresh;
}

/* ---- weirctl addresses ---- */

/* "86400", or "forever". */
static json_t *left_json(uint64_t until_ns, uint64_t now_ns)
{
	return until_ns == UINT64_MAX
		       ? json_string("forever")
		       : json_integer((json_int_t)(until_ns <= now_ns
							   ? 0
							   : (until_ns - now_ns) / WEIR_NS_PER_S));
}

static json_t *addr_json(const struct autoconf_iface *f, const struct autoconf_addr *a,
			 uint64_t now_ns)
{
	char text[WEIR_PREFIX_TEXT], mac[WEIR_MAC_TEXT];
	json_t *j = json_pack("{s:s, s:s, s:s}", "dev", f->name, "address",
			      weir_prefix_format(&a->prefix, text), "state",
			      autoconf_state_names[autoconf_state(a)]);

	json_object_set_new(j, "from", json_string(a->learnt ? "router" : "us"));
	json_object_set_new(j, "preferred_s",
			    left_json(a->learnt ? a->preferred_ns : UINT64_MAX, now_ns));
	json_object_set_new(j, "valid_s", left_json(a->learnt ? a->valid_ns : UINT64_MAX, now_ns));
	json_object_set_new(
		j, "also_at",
		json_string(a->phase == AUTOCONF_DUPLICATE ? weir_mac_format(&a->other, mac) : ""));
	return j;
}

int app_autoconf_addresses(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
			   struct weir_why *why)
{
	const struct weir_run *run = ctx;
	const struct autoconf *ac = run->l3->autoconf;
	const int rc = app_args(rq, why, "{}");

	if (rc < 0)
		return rc;
	*reply = json_array();
	for (uint16_t i = 0; i < ac->n; i++)
		for (uint8_t k = 0; k < ac->iface[i].n_addrs; k++)
			json_array_append_new(*reply,
					      addr_json(&ac->iface[i], &ac->iface[i].addr[k],
							weir_run_now_ns(run)));
	return 0;
}

/* ---- metrics ---- */

enum { M_STATE, M_PROBES, M_DUPLICATES, M_CONFLICTS, M_LOOPED, M_ADVERTS, M_REFUSED, M_N };

static const struct weir_metric metrics[M_N] = {
	[M_STATE] = {"weir_addresses",
		     WEIR_METRIC_GAUGE,
		     NULL,
		     "Addresses of ours by state: tentative and duplicate ones are not used.",
		     "Any duplicate: weirctl addresses says which, and who else has it.",
		     {"state"}},
	[M_PROBES] = {"weir_address_probes_packets",
		      WEIR_METRIC_COUNTER,
		      "packets",
		      "Questions whether an address of ours is free (DAD, ACD).",
		      NULL,
		      {NULL}},
	[M_DUPLICATES] = {"weir_address_duplicates",
			  WEIR_METRIC_COUNTER,
			  NULL,
			  "Addresses that turned out to be somebody else's.",
			  "weirctl addresses",
			  {NULL}},
	[M_CONFLICTS] = {"weir_address_conflicts_packets",
			 WEIR_METRIC_COUNTER,
			 "packets",
			 "Messages of somebody who uses an address that we use, too.",
			 "The log has both MAC addresses.",
			 {NULL}},
	[M_LOOPED] = {"weir_address_probes_looped_packets",
		      WEIR_METRIC_COUNTER,
		      "packets",
		      "Our own probes that came back (RFC 7527).",
		      "Look for a loop of layer 2.",
		      {NULL}},
	[M_ADVERTS] = {"weir_router_advertisements_packets",
		       WEIR_METRIC_COUNTER,
		       "packets",
		       "Router advertisements taken in, on ports with slaac.",
		       NULL,
		       {NULL}},
	[M_REFUSED] =
		{"weir_router_refused",
		 WEIR_METRIC_COUNTER,
		 NULL,
		 "Routers and prefixes of advertisements that were left out.",
		 "An interface has room for 8 routers, 16 prefixes and 16 addresses; a prefix "
		 "must have 64 bits to make an address of, and be no other interface's.",
		 {NULL}},
};

static int collect(void *ctx, struct weir_metrics_sink *sink)
{
	const struct weir_run *run = ctx;
	const struct autoconf *ac = run->l3->autoconf;
	const uint64_t counts[] = {ac->counters.probes,	   ac->counters.duplicates,
				   ac->counters.conflicts, ac->counters.looped,
				   ac->counters.adverts,   ac->counters.refused};
	int rc = 0;

	for (unsigned s = 0; rc == 0 && s < AUTOCONF_STATES; s++)
		rc = weir_metrics_put_gauge(sink, &metrics[M_STATE],
					    autoconf_count(ac, (enum autoconf_state)s),
					    WEIR_LABELS(autoconf_state_names[s]));
	for (unsigned i = 0; rc == 0 && i < sizeof(counts) / sizeof(counts[0]); i++)
		rc = weir_metrics_put_count(sink, &metrics[M_PROBES + i], counts[i], NULL, 0);
	return rc;
}

int app_autoconf_metrics(struct weir_run *run)
{
	return weir_metrics_add(run->metrics, metrics, M_N, collect, run);
}
