/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Layer 3 of an app: interfaces, routes and neighbours from the configuration (and from the
 * kernel, if asked) to a generation that the stages read.
 */

#include "app_l3_priv.h"
#include "app_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <weir/error.h>
#include <weir/policy.h>

#include "autoconf_priv.h"
#include "firewall/fw_app_priv.h"

/* A generation with the table that its l3 belongs to. */
struct l3_gen {
	struct weir_gen gen;
	struct weir_rib *rib;
	struct weir_policy *policy; /* held; NULL: none */
};

static uint64_t rib_sizes(const void *conf, struct weir_rib_conf *out)
{
	const struct weir_limits_conf *l = &((const struct weir_app_conf *)conf)->limits;

	*out = (struct weir_rib_conf){
		.routes4 = (uint32_t)l->routes4,
		.routes6 = (uint32_t)l->routes6,
		.numa = -1,
	};
	return weir_rib_size(out);
}

uint64_t app_l3_bytes(const void *conf)
{
	struct weir_rib_conf sizes;

	return rib_sizes(conf, &sizes);
}

/* Copy addresses of a port or VLAN; their number was limited by the schema. */
static void copy_addresses(struct weir_iface *to, const struct weir_conf_list *from)
{
	const struct weir_prefix *p;

	weir_conf_each (p, from)
		to->addr[to->n_addrs++] = *p;
}

static void port_iface(const struct weir_app_port_conf *pc, uint16_t id,
		       const struct weir_port *port, struct weir_iface *out)
{
	*out = (struct weir_iface){
		.port = id,
		.mtu = (uint16_t)pc->mtu,
		.kernel = pc->kernel != NULL,
	};
	snprintf(out->name, sizeof(out->name), "%s", pc->name);
	if (port != NULL)
		memcpy(out->mac, port->mac.addr_bytes, sizeof(out->mac));
	copy_addresses(out, &pc->addresses);
}

static void vlan_iface(const struct weir_iface *port, const struct weir_vlan_conf *vc,
		       struct weir_iface *out)
{
	unsigned outer = 0, inner = 0;

	*out = *port;
	out->n_addrs = 0;
	/* app_conf_check() saw that both fit. */
	strcat(strcat(out->name, "."), vc->name);
	sscanf(vc->name, "%u.%u", &outer, &inner); /* app_conf_check() saw that it is one */
	out->vlan[0] = (uint16_t)outer;
	out->vlan[1] = (uint16_t)inner;
	if (vc->mtu != 0)
		out->mtu = (uint16_t)vc->mtu;
	copy_addresses(out, &vc->addresses);
}

int app_l3_ifaces(const struct weir_app_conf *conf, struct weir_system *system,
		  struct weir_iface **out, uint16_t *n, struct weir_why *why)
{
	const struct weir_app_port_conf *pc = conf->ports.items;
	const struct weir_vlan_conf *vc;
	size_t count = conf->ports.n;

	for (size_t i = 0; i < conf->ports.n; i++)
		count += pc[i].vlans.n;
	if (count > WEIR_IFACES_MAX)
		return weir_why(why, -ENOSPC, "ports and VLANs make %zu interfaces, at most %d",
				count, WEIR_IFACES_MAX);
	*out = calloc(count, sizeof(**out));
	if (*out == NULL)
		return weir_why(why, -ENOMEM, "interfaces: out of memory");
	*n = 0;
	for (uint16_t i = 0; i < conf->ports.n; i++) {
		const struct weir_port *port = system == NULL ? NULL : weir_system_port(system, i);
		const uint16_t base = *n;

		port_iface(&pc[i], i, port, &(*out)[(*n)++]);
		weir_conf_each (vc, &pc[i].vlans)
			vlan_iface(&(*out)[base], vc, &(*out)[(*n)++]);
	}
	return 0;
}

static enum weir_hop_kind route_kind(int word)
{
	static const enum weir_hop_kind kinds[] = {WEIR_HOP_GATEWAY, WEIR_HOP_BLACKHOLE,
						   WEIR_HOP_UNREACHABLE, WEIR_HOP_PROHIBIT};

	return kinds[word];
}

static int add_route(struct weir_rib *rib, const struct weir_route_conf *rc, struct weir_why *why)
{
	struct weir_nexthop hops[WEIR_GROUP_MAX];
	const uint16_t iface = rc->dev == NULL ? WEIR_NO_IFACE : weir_rib_iface(rib, rc->dev);
	const struct weir_addr *via = rc->via.items;
	struct weir_route route = {
		.to = rc->to,
		.kind = route_kind(rc->kind),
		.source = WEIR_ROUTE_STATIC,
		.metric = (uint32_t)rc->metric,
		.mtu = (uint16_t)rc->mtu,
		.hops = hops,
	};

	for (; route.n_hops < rc->via.n; route.n_hops++)
		hops[route.n_hops] =
			(struct weir_nexthop){.gateway = via[route.n_hops], .iface = iface};
	if (rc->via.n == 0 && route.kind == WEIR_HOP_GATEWAY)
		hops[route.n_hops++] = (struct weir_nexthop){.iface = iface};
	return weir_rib_route_add(rib, &route, why);
}

/* The interfaces of a configuration, with addresses by what is known of them. */
static int fill_ifaces(struct weir_run *run, const void *conf, struct autoconf **ac,
		       struct weir_why *why)
{
	struct weir_iface *ifaces;
	uint16_t n;
	int rc = app_l3_ifaces(conf, run->system, &ifaces, &n, why);

	if (rc < 0)
		return rc;
	rc = app_autoconf_prepare(run->l3, conf, ifaces, n, ac, why);
	for (uint16_t i = 0; rc == 0 && i < n; i++)
		autoconf_dress(*ac, &ifaces[i]);
	if (rc == 0)
		rc = weir_rib_set_ifaces(run->l3->rib, ifaces, n, why);
	if (rc == 0)
		rc = app_autoconf_routes(run->l3, *ac, why);
	free(ifaces);
	return rc;
}

/* Everything that the configuration says, into an open change of the table. */
static int fill_rib(struct weir_run *run, const void *conf, struct autoconf **ac,
		    struct weir_why *why)
{
	struct weir_rib *rib = run->l3->rib;
	const struct weir_l3_conf *l3 = app_l3_conf(run->app, conf);
	const struct weir_route_conf *r;
	int rc = fill_ifaces(run, conf, ac, why);

	if (rc < 0)
		return rc;
	weir_rib_mark(rib, WEIR_ROUTE_STATIC);
	weir_conf_each (r, &l3->routes) {
		rc = add_route(rib, r, why);
		if (rc < 0)
			return rc;
	}
	return weir_rib_sweep(rib, WEIR_ROUTE_STATIC, why);
}

static void free_gen(struct weir_gen *gen)
{
	struct l3_gen *g = (struct l3_gen *)gen;

	weir_rib_release(g->rib, gen->l3);
	weir_policy_release(g->policy);
	free(g);
}

int app_l3_publish(struct app_l3 *l3, const struct weir_l3 *fresh)
{
	struct l3_gen *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return -ENOMEM;
	g->gen.l3 = fresh;
	g->gen.free = free_gen;
	g->rib = l3->rib;
	g->policy = weir_policy_hold(l3->policy);
	g->gen.policy = g->policy;
	fw_push_before_routes(l3->run->fw, fresh);
	weir_system_publish(l3->run->system, &g->gen);
	return 0;
}

int app_l3_commit(struct app_l3 *l3, struct weir_why *why)
{
	const struct weir_l3 *fresh;
	int rc = weir_rib_commit(l3->rib, &fresh, why);

	if (rc < 0)
		return rc;
	rc = app_l3_publish(l3, fresh);
	if (rc < 0) {
		weir_rib_revert(l3->rib, fresh);
		weir_why(why, rc, "routes: out of memory");
	}
	return rc;
}

/* Static neighbours: each worker is told; those that are gone from the file are taken back. */
static void set_neighbours(struct weir_run *run, const void *before, const void *conf)
{
	const struct weir_l3 *l3 = weir_gens_current(weir_system_gens(run->system))->l3;
	const struct weir_l3_conf *sets[] = {
		before == NULL ? NULL : app_l3_conf(run->app, before),
		app_l3_conf(run->app, conf),
	};
	const struct weir_neighbour_conf *nc;

	for (unsigned i = 0; i < 2; i++) {
		if (sets[i] == NULL)
			continue;
		weir_conf_each (nc, &sets[i]->neighbours) {
			const uint16_t iface = weir_rib_iface(run->l3->rib, nc->dev);

			if (iface < l3->n_ifaces)
				app_l3_set_neighbour(run->l3, iface, &nc->address,
						     i == 0 ? NULL : &nc->mac, true);
		}
	}
}

struct weir_policy *app_l3_policy(const struct app_l3 *l3)
{
	return l3 == NULL ? NULL : l3->policy;
}

/* Commit routes and policy together; ends the open change either way. */
static int commit_with(struct weir_run *run, struct weir_policy *fresh, struct weir_why *why)
{
	struct weir_policy *old = run->l3->policy;
	int rc;

	if (fresh != NULL) {
		fw_records_drain(run->fw); /* by the names that were in force */
		run->l3->policy = fresh;
	}
	rc = app_l3_commit(run->l3, why);
	if (fresh == NULL)
		return rc;
	if (rc < 0) {
		run->l3->policy = old;
		fw_refused(run->fw, fresh);
	} else {
		fw_in_force(run->fw);
		weir_policy_release(old);
	}
	return rc;
}

int app_l3_apply(struct weir_run *run, const void *conf, struct weir_why *why)
{
	struct weir_policy *policy = NULL;
	struct autoconf *ac = NULL;
	int rc = weir_rib_begin(run->l3->rib);

	if (rc < 0)
		return weir_why(why, rc, "routes: a change is under way");
	rc = fill_rib(run, conf, &ac, why);
	if (rc == 0 && run->fw != NULL)
		rc = fw_policy(run, conf, app_conf_name(run), run->l3->rib, &policy, why);
	if (rc < 0) {
		weir_rib_abort(run->l3->rib);
		autoconf_free(ac);
		return rc;
	}
	rc = commit_with(run, policy, why);
	if (rc < 0) {
		autoconf_free(ac);
		return rc;
	}
	app_autoconf_take(run->l3, ac);
	set_neighbours(run, conf == run->conf ? NULL : run->conf, conf);
	return 0;
}

int app_l3_create(struct weir_run *run, struct weir_why *why)
{
	struct weir_rib_conf sizes;
	int rc;

	run->l3 = calloc(1, sizeof(*run->l3));
	if (run->l3 == NULL)
		return weir_why(why, -ENOMEM, "routes: out of memory");
	run->l3->run = run;
	rc = app_autoconf_keys(run->l3, why);
	if (rc < 0)
		return rc;
	rib_sizes(run->conf, &sizes);
	rc = weir_rib_create(&sizes, &run->l3->rib, why);
	return rc < 0 ? rc : app_l3_apply(run, run->conf, why);
}

const struct weir_rib *app_l3_rib(const struct app_l3 *l3)
{
	return l3 == NULL ? NULL : l3->rib;
}

void app_l3_free(struct app_l3 *l3)
{
	if (l3 == NULL)
		return;
	app_l3_forget(l3);
	weir_policy_release(l3->policy);
	weir_rib_free(l3->rib);
	autoconf_free(l3->autoconf);
	free(l3);
}
