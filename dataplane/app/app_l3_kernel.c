/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Following the kernel: its routes and neighbours on the TAPs of our ports become ours.
 */

#include "app_l3_priv.h"
#include "app_priv.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <weir/error.h>
#include <weir/kernel_routes.h>

static int publish(void *ctx, const struct weir_l3 *l3)
{
	return app_l3_publish(ctx, l3);
}

static void neigh(void *ctx, uint16_t iface, const struct weir_addr *addr,
		  const struct weir_mac *mac)
{
	app_l3_set_neighbour(ctx, iface, addr, mac, false);
}

/* The TAPs by their index in the kernel; each stands for its port's untagged interface. */
static int set_links(struct app_l3 *l3, struct weir_why *why)
{
	const struct weir_app_conf *conf = app_conf(l3->run);
	const struct weir_app_port_conf *p;
	struct weir_kernel_link links[WEIR_PORTS_MAX];
	uint16_t n = 0;

	weir_conf_each (p, &conf->ports) {
		if (p->kernel == NULL)
			continue;
		links[n] = (struct weir_kernel_link){.ifindex = if_nametoindex(p->kernel),
						     .iface = weir_rib_iface(l3->rib, p->name)};
		if (links[n].ifindex == 0)
			return weir_why(why, -errno, "kernel_routes: no device %s: %s", p->kernel,
					strerror(errno));
		n++;
	}
	return weir_kernel_links(l3->kernel, links, n, why);
}

static void read_on(void *ctx)
{
	struct app_l3 *l3 = ctx;
	struct weir_why why = {""};

	l3->kernel_behind = weir_kernel_poll(l3->kernel, &why) < 0;
	if (l3->kernel_behind)
		weir_log_error("routes", "the kernel's routes are not followed: %s", why.text);
}

static void tick(void *ctx)
{
	struct app_l3 *l3 = ctx;

	app_l3_retry(l3);
	/* What could not be read or taken in is read again; nothing may come to wake us for it. */
	if (l3->kernel_behind)
		read_on(l3);
}

int app_l3_start(struct weir_run *run, struct weir_why *why)
{
	const struct weir_kernel_conf conf = {
		.rib = run->l3->rib, .publish = publish, .neigh = neigh, .ctx = run->l3};
	struct app_l3 *l3 = run->l3;
	int rc = app_loop_add(run->loop, -1, tick, l3);

	if (rc == 0)
		rc = app_autoconf_start(l3);
	if (rc < 0)
		return weir_why(why, rc, "routes: %s", weir_error_text(rc));
	if (!app_l3_conf(run->app, run->conf)->kernel_routes)
		return 0;
	rc = weir_kernel_create(&conf, &l3->kernel, why);
	if (rc == 0)
		rc = set_links(l3, why);
	if (rc == 0)
		rc = weir_kernel_poll(l3->kernel, why);
	return rc < 0 ? rc : app_loop_add(run->loop, weir_kernel_fd(l3->kernel), read_on, l3);
}

void app_l3_stop(struct app_l3 *l3)
{
	if (l3 == NULL)
		return;
	weir_kernel_free(l3->kernel);
	l3->kernel = NULL;
}
