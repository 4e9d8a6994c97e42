/* SPDX-License-Identifier: BSD-3-Clause */

/* From a configuration to a policy. */

#include "fw_app_priv.h"
#include "fw_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/app_priv.h"

static void free_owner(struct fw_owner *o)
{
	for (size_t i = 0; i < o->n_sets; i++)
		fw_set_release(o->sets[i]);
	free(o->sets);
	fw_dpi_release(o->dpi);
	weir_geo_free(o->geo);
	free(o);
}

static void free_policy(struct weir_policy *p)
{
	weir_nat_free(p->nat);
	weir_rules_free(p->rules);
	free_owner(p->owner);
	free(p);
}

static int add_zone(struct fw_build *b, uint32_t line, const char *name, struct weir_why *why)
{
	struct weir_policy *p = b->policy;

	if (p->n_zones == WEIR_ZONES_MAX)
		return weir_conf_fail(why, b->file, line,
				      "zones: %s is one too many, at most %d with self; put "
				      "interfaces into common zones",
				      name, WEIR_ZONES_MAX);
	snprintf(p->zone[p->n_zones++].name, WEIR_ZONE_NAME, "%s", name);
	return 0;
}

/* Called with each port and each of its VLANs; anything but 0 ends the walk. */
typedef int iface_fn(void *ctx, uint32_t line, const char *name);

/* @return 0, or what ended the walk. */
static int each_interface(const struct weir_app_conf *app, iface_fn *fn, void *ctx)
{
	const struct weir_app_port_conf *pc;
	const struct weir_vlan_conf *vc;
	char full[64];
	int rc = 0;

	weir_conf_each (pc, &app->ports) {
		if (rc == 0)
			rc = fn(ctx, pc->at.line, pc->name);
		weir_conf_each (vc, &pc->vlans) {
			snprintf(full, sizeof(full), "%s.%s", pc->name, vc->name);
			if (rc == 0)
				rc = fn(ctx, vc->at.line, full);
		}
	}
	return rc;
}

static int is_called(void *ctx, uint32_t line, const char *name)
{
	(void)line;
	return strcmp(ctx, name) == 0;
}

static bool has_interface(const struct weir_app_conf *app, char *name)
{
	return each_interface(app, is_called, name) != 0;
}

/* The zone that the configuration puts an interface into; NULL: none. */
static const struct weir_zone_conf *zone_with(const struct weir_firewall_conf *fc, const char *name)
{
	const struct weir_zone_conf *zc;
	char *const *iface;

	weir_conf_each (zc, &fc->zones)
		weir_conf_each (iface, &zc->interfaces)
			if (strcmp(*iface, name) == 0)
				return zc;
	return NULL;
}

/* One that the others are to have, too; NO_VLAN: there was no interface yet. */
#define NO_VLAN (-2)

static void note_vlan(int *vlan, int other)
{
	*vlan = *vlan == NO_VLAN || *vlan == other ? other : -1;
}

int fw_vlan_of(const struct weir_firewall_conf *fc, const struct weir_app_conf *app,
	       const char *name)
{
	const struct weir_app_port_conf *pc;
	const struct weir_vlan_conf *vc;
	int of_zone = NO_VLAN, own = 0;
	char full[64];

	weir_conf_each (pc, &app->ports) {
		const struct weir_zone_conf *zc = zone_with(fc, pc->name);

		if (strcmp(zc == NULL ? pc->name : zc->name, name) == 0)
			note_vlan(&of_zone, 0);
		weir_conf_each (vc, &pc->vlans) {
			const int outer = (int)strtoul(vc->name, NULL, 10);

			snprintf(full, sizeof(full), "%s.%s", pc->name, vc->name);
			zc = zone_with(fc, full);
			if (strcmp(zc == NULL ? full : zc->name, name) == 0)
				note_vlan(&of_zone, outer);
			if (strcmp(full, name) == 0)
				own = outer;
		}
	}
	return of_zone == NO_VLAN ? own : of_zone;
}

static int named_zones(struct fw_build *b, struct weir_why *why)
{
	const struct weir_zone_conf *zc;
	char *const *iface;

	weir_conf_each (zc, &b->conf->zones) {
		struct weir_zone *z = &b->policy->zone[b->policy->n_zones];

		if (strlen(zc->name) >= WEIR_ZONE_NAME || strcmp(zc->name, "self") == 0)
			return weir_conf_fail(why, b->file, zc->at.line,
					      "zones.%s: a zone's name has at most %d bytes and is "
					      "not self",
					      zc->name, WEIR_ZONE_NAME - 1);
		weir_conf_each (iface, &zc->interfaces) {
			if (!has_interface(b->app, *iface))
				return weir_conf_fail(why, b->file, zc->at.line,
						      "zones.%s: %s is no port and no VLAN",
						      zc->name, *iface);
			if (zone_with(b->conf, *iface) != zc)
				return weir_conf_fail(why, b->file, zc->at.line,
						      "zones.%s: %s is in zones.%s already",
						      zc->name, *iface,
						      zone_with(b->conf, *iface)->name);
		}
		if (add_zone(b, zc->at.line, zc->name, why) < 0)
			return -EINVAL;
		z->antispoof = zc->antispoof;
		z->bogons = zc->bogons;
		z->source_flows = (uint32_t)zc->source_flows;
		z->flows = (uint32_t)zc->flows;
	}
	return 0;
}

struct own_zones {
	struct fw_build *b;
	struct weir_why *why;
};

/* An interface that is in no zone is one. */
static int own_zone(void *ctx, uint32_t line, const char *name)
{
	const struct own_zones *own = ctx;
	struct fw_build *b = own->b;

	if (zone_with(b->conf, name) != NULL)
		return 0;
	if (strlen(name) >= WEIR_ZONE_NAME)
		return weir_conf_fail(own->why, b->file, line,
				      "interface %s: its name is too long for a zone", name);
	for (unsigned z = 0; z < b->policy->n_zones; z++)
		if (strcmp(b->policy->zone[z].name, name) == 0)
			return weir_conf_fail(
				own->why, b->file, line,
				"interface %s is in no zone, and a zone is called so; "
				"put it into one",
				name);
	return add_zone(b, line, name, own->why);
}

/* Zones of the configuration, and of each interface that is in none. */
static int build_zones(struct fw_build *b, struct weir_why *why)
{
	struct own_zones own = {b, why};
	int rc = add_zone(b, 0, "self", why);

	if (rc == 0)
		rc = named_zones(b, why);
	return rc == 0 ? each_interface(b->app, own_zone, &own) : rc;
}

static uint8_t zone_number(const struct fw_build *b, const char *iface)
{
	const struct weir_zone_conf *zc = zone_with(b->conf, iface);
	const char *name = zc == NULL ? iface : zc->name;

	for (unsigned z = 0; z < b->policy->n_zones; z++)
		if (strcmp(b->policy->zone[z].name, name) == 0)
			return (uint8_t)z;
	return WEIR_NO_ZONE;
}

struct places {
	const struct fw_build *b;
	const struct weir_rib *rib;
};

static int place_interface(void *ctx, uint32_t line, const char *name)
{
	const struct places *p = ctx;
	const uint16_t iface = weir_rib_iface(p->rib, name);

	(void)line;
	if (iface < WEIR_IFACES_MAX)
		p->b->policy->zone_of[iface] = zone_number(p->b, name);
	return 0;
}

/* Interfaces by their index in the routing table. */
static void place_interfaces(struct fw_build *b, const struct weir_rib *rib)
{
	struct places p = {b, rib};

	memset(b->policy->zone_of, WEIR_NO_ZONE, sizeof(b->policy->zone_of));
	if (rib != NULL)
		(void)each_interface(b->app, place_interface, &p);
}

static int open_geo(struct fw_build *b, struct weir_why *why)
{
	struct weir_why told = {""};
	const int rc = weir_geo_create(b->conf->firewall.geo, -1, &b->geo, &told);

	if (rc < 0)
		weir_conf_fail(why, b->file, b->conf->firewall.at.line, "firewall.geo: %s",
			       told.text);
	return rc;
}

static int build(struct fw_build *b, const struct weir_rib *rib, struct weir_why *why)
{
	int rc = build_zones(b, why);

	if (rc == 0)
		rc = fw_check_stateless(b, why);
	if (rc == 0 && b->conf->firewall.geo != NULL)
		rc = open_geo(b, why);
	if (rc == 0)
		rc = fw_sets_open(b, why);
	if (rc == 0)
		rc = fw_dpi_open(b, why);
	if (rc == 0)
		rc = fw_build_rules(b, why);
	if (rc == 0)
		rc = fw_build_nat(b, why);
	if (rc == 0)
		place_interfaces(b, rib);
	return rc;
}

/* One that says nothing yet. */
static struct weir_policy *blank_policy(void)
{
	struct weir_policy *p = calloc(1, sizeof(*p));
	struct fw_owner *o = calloc(1, sizeof(*o));

	if (p == NULL || o == NULL) {
		free(p);
		free(o);
		return NULL;
	}
	*p = (struct weir_policy){.refs = 1, .free = free_policy, .owner = o};
	return p;
}

int fw_policy(struct weir_run *run, const void *conf, const char *file, const struct weir_rib *rib,
	      struct weir_policy **out, struct weir_why *why)
{
	struct fw_build b = {
		.fw = run->fw,
		.system = run->system,
		.conf = app_fw_conf(run->app, conf),
		.app = conf,
		.file = file,
		.policy = blank_policy(),
	};
	int rc;

	if (b.policy == NULL)
		return weir_why(why, -ENOMEM, "policy: out of memory");
	fw_push_pull(run->fw); /* the sets that they know may change */
	fw_slots_begin(run->fw);
	rc = build(&b, rib, why);
	fw_arena_free(&b.arena);
	*(struct fw_owner *)b.policy->owner = (struct fw_owner){b.sets, b.n_sets, b.geo, b.dpi};
	if (rc < 0) {
		fw_refused(run->fw, b.policy);
		return rc;
	}
	b.policy->loose = b.conf->conntrack.loose;
	fw_timeouts(&b.conf->conntrack.timeouts, b.policy->timeout_ns);
	if (run->past != NULL)
		b.policy->synproxy.zones = 0; /* nobody in a capture answers our cookies */
	b.policy->number = ++run->fw->policies;
	*out = b.policy;
	return 0;
}

void fw_in_force(struct fw *fw)
{
	fw_slots_keep(fw);
	fw_record_names(fw);
}

void fw_refused(struct fw *fw, struct weir_policy *policy)
{
	fw_slots_forget(fw);
	weir_policy_release(policy);
}

struct fw_set *const *fw_sets(const struct fw *fw, size_t *n)
{
	const struct weir_policy *now = app_l3_policy(fw->run->l3);
	const struct fw_owner *o = now == NULL ? NULL : now->owner;

	*n = o == NULL ? 0 : o->n_sets;
	return o == NULL ? NULL : o->sets;
}
