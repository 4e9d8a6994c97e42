/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Layer 3 of a running app: what app_l3.c, app_l3_kernel.c and app_l3_ctl.c share. */

#include <jansson.h>
#include <stdbool.h>
#include <weir/addr.h>
#include <weir/ctl.h>
#include <weir/rib.h>
#include <weir/siphash.h>
#include <weir/why.h>

struct autoconf;
struct pending;
struct weir_app_conf;
struct weir_kernel;
struct weir_policy;
struct weir_run;
struct weir_system;

struct app_l3 {
	struct weir_run *run;
	struct weir_rib *rib;
	struct weir_policy *policy;	/* in force, held; NULL: none */
	struct weir_kernel *kernel;	/* NULL: not followed */
	bool kernel_behind;		/* the last reading failed */
	struct autoconf *autoconf;	/* which addresses may be used */
	struct weir_siphash_key key;	/* of its random numbers */
	struct weir_siphash_key secret; /* of interface identifiers (RFC 7217) */
	bool secret_is_new;		/* made at this start */
	bool autoconf_behind;		/* what it says could not be published */
	struct pending *pending;	/* neighbours that workers had no room for yet */
	struct pending *pending_end;
};

/* The table, for metrics and listings; NULL for NULL. */
const struct weir_rib *app_l3_rib(const struct app_l3 *l3);

/*
 * The interfaces that a configuration makes, in its order; system NULL: MAC addresses are not known
 * yet. *out is freed by the caller.
 */
int app_l3_ifaces(const struct weir_app_conf *conf, struct weir_system *system,
		  struct weir_iface **out, uint16_t *n, struct weir_why *why);

/* Publish what the table's last commit gave. -ENOMEM: not published, still the caller's. */
int app_l3_publish(struct app_l3 *l3, const struct weir_l3 *fresh);

/* Commit the open change and publish it; ends the change either way. */
int app_l3_commit(struct app_l3 *l3, struct weir_why *why);

/* app_autoconf.c: the addresses of a configuration, not yet in force; take it or free it. */
int app_autoconf_prepare(struct app_l3 *l3, const void *conf, const struct weir_iface *ifaces,
			 uint16_t n, struct autoconf **out, struct weir_why *why);
/* Put default routers into the open change. */
int app_autoconf_routes(struct app_l3 *l3, const struct autoconf *ac, struct weir_why *why);
/* Keys for what must not be guessed. */
int app_autoconf_keys(struct app_l3 *l3, struct weir_why *why);
void app_autoconf_take(struct app_l3 *l3, struct autoconf *fresh);
/* Begin to probe and to listen. */
int app_autoconf_start(struct app_l3 *l3);
/* The command `addresses`; ctx is the run. */
int app_autoconf_addresses(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
			   struct weir_why *why);

/* Tell every worker of a neighbour that needs no asking; mac NULL: it is to be asked again. */
void app_l3_set_neighbour(struct app_l3 *l3, uint16_t iface, const struct weir_addr *addr,
			  const struct weir_mac *mac, bool permanent);
/* Tell workers again what they had no room for. */
void app_l3_retry(struct app_l3 *l3);
/* Forget what no worker was told yet. */
void app_l3_forget(struct app_l3 *l3);
