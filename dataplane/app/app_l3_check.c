/* SPDX-License-Identifier: BSD-3-Clause */

/* What no schema can say of interfaces, routes and neighbours. */

#include "app_l3_priv.h"
#include "app_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct weir_iface *find_iface(const struct weir_iface *ifaces, uint16_t n,
					   const char *name)
{
	for (uint16_t i = 0; i < n; i++)
		if (strcmp(ifaces[i].name, name) == 0)
			return &ifaces[i];
	return NULL;
}

/* Whether a gateway is another machine on the interface's link, as far as addresses tell. */
static bool is_neighbour(const struct weir_iface *f, const struct weir_addr *via, bool named)
{
	const bool link_local = via->family == 6 && via->bytes[0] == 0xfe &&
				(via->bytes[1] & 0xc0) == 0x80;
	bool on_link = named && link_local;

	for (uint8_t i = 0; i < f->n_addrs; i++) {
		if (weir_addr_equal(&f->addr[i].addr, via))
			return false;
		on_link |= (named || !link_local) && weir_prefix_contains(&f->addr[i], via);
	}
	return on_link;
}

static int check_gateway(const struct weir_route_conf *r, const struct weir_addr *via,
			 const struct weir_iface *ifaces, uint16_t n, const char *file,
			 struct weir_why *why)
{
	char text[WEIR_PREFIX_TEXT], gateway[WEIR_ADDR_TEXT];

	weir_prefix_format(&r->to, text);
	if (via->family != r->to.addr.family)
		return weir_conf_fail(why, file, r->at.line,
				      "route to %s: the gateway is of the other IP version", text);
	for (uint16_t i = 0; i < n; i++)
		if ((r->dev == NULL || strcmp(r->dev, ifaces[i].name) == 0) &&
		    is_neighbour(&ifaces[i], via, r->dev != NULL))
			return 0;
	return weir_conf_fail(why, file, r->at.line,
			      "route to %s: gateway %s is on no subnet of %s, or is ours", text,
			      weir_addr_format(via, gateway), r->dev != NULL ? r->dev : "ours");
}

/* What no schema can say of a route. */
static int check_route(const struct weir_route_conf *r, const struct weir_iface *ifaces, uint16_t n,
		       const char *file, struct weir_why *why)
{
	const struct weir_prefix net = weir_prefix_network(&r->to);
	const bool through = r->kind == 0;
	const struct weir_addr *via;
	char text[WEIR_PREFIX_TEXT], other[WEIR_PREFIX_TEXT];
	int rc = 0;

	weir_prefix_format(&r->to, text);
	if (!weir_addr_equal(&net.addr, &r->to.addr))
		return weir_conf_fail(why, file, r->at.line,
				      "route to %s has host bits set, write %s", text,
				      weir_prefix_format(&net, other));
	if (through && r->via.n == 0 && r->dev == NULL)
		return weir_conf_fail(why, file, r->at.line,
				      "route to %s needs via, dev, or a kind other than gateway",
				      text);
	if (!through && (r->via.n > 0 || r->dev != NULL))
		return weir_conf_fail(why, file, r->at.line,
				      "route to %s drops packets, so it takes no via and no dev",
				      text);
	if (r->mtu != 0 && r->mtu < WEIR_PORT_MTU_MIN)
		return weir_conf_fail(why, file, r->at.line,
				      "route to %s: mtu is %" PRIu64 ", must be 0 or %d to %d",
				      text, r->mtu, WEIR_PORT_MTU_MIN, WEIR_PORT_MTU_MAX);
	if (r->dev != NULL && find_iface(ifaces, n, r->dev) == NULL)
		return weir_conf_fail(why, file, r->at.line,
				      "route to %s: no port or VLAN is called %s", text, r->dev);
	weir_conf_each (via, &r->via) {
		if (rc == 0)
			rc = check_gateway(r, via, ifaces, n, file, why);
	}
	return rc;
}

/* The line of the port or VLAN that makes the interface of this number. */
static uint32_t iface_line(const struct weir_app_conf *conf, uint16_t number)
{
	const struct weir_app_port_conf *p;
	const struct weir_vlan_conf *v;

	weir_conf_each (p, &conf->ports) {
		if (number-- == 0)
			return p->at.line;
		weir_conf_each (v, &p->vlans)
			if (number-- == 0)
				return v->at.line;
	}
	return 0;
}

/* What an interface may be by itself, and beside the others; the first that may not is named. */
static int check_ifaces(const struct weir_app_conf *conf, const struct weir_iface *ifaces,
			uint16_t n, const char *file, struct weir_why *why)
{
	struct weir_why what = {""};
	uint16_t good = 0;
	int rc = weir_ifaces_check(ifaces, n, &what);

	if (rc == 0 || rc == -ENOMEM)
		return rc == 0 ? 0 : weir_why(why, rc, "interfaces: out of memory");
	while (good + 1 < n && weir_ifaces_check(ifaces, (uint16_t)(good + 1), NULL) == 0)
		good++;
	return weir_conf_fail(why, file, iface_line(conf, good), "%s", what.text);
}

static int check_neighbour(const struct weir_neighbour_conf *nc, const struct weir_iface *ifaces,
			   uint16_t n, const char *file, struct weir_why *why)
{
	const struct weir_mac none = {{0}};
	char mac[WEIR_MAC_TEXT];

	if (find_iface(ifaces, n, nc->dev) == NULL)
		return weir_conf_fail(why, file, nc->at.line,
				      "neighbour: no port or VLAN is called %s", nc->dev);
	if ((nc->mac.bytes[0] & 1) || memcmp(&nc->mac, &none, sizeof(none)) == 0)
		return weir_conf_fail(why, file, nc->at.line,
				      "neighbour: %s is no MAC address of a station",
				      weir_mac_format(&nc->mac, mac));
	return 0;
}

/* What the kernel's routes are read by. */
static int check_kernel(const struct weir_app_conf *conf, const struct weir_l3_conf *l3,
			const char *file, struct weir_why *why)
{
	const struct weir_app_port_conf *p;

	if (!l3->kernel_routes)
		return 0;
	weir_conf_each (p, &conf->ports)
		if (p->kernel != NULL)
			return 0;
	return weir_conf_fail(why, file, 0,
			      "kernel_routes: no port has kernel: set ports.NAME.kernel to the "
			      "name of a TAP");
}

int app_l3_check(const struct weir_app *app, const void *conf, const char *file,
		 struct weir_why *why)
{
	const struct weir_l3_conf *l3 = app_l3_conf(app, conf);
	const struct weir_neighbour_conf *nc;
	const struct weir_route_conf *r;
	struct weir_iface *ifaces;
	uint16_t n;
	int rc = app_l3_ifaces(conf, NULL, &ifaces, &n, why);

	if (rc < 0)
		return rc;
	rc = check_ifaces(conf, ifaces, n, file, why);
	if (rc == 0)
		rc = check_kernel(conf, l3, file, why);
	weir_conf_each (r, &l3->routes)
		if (rc == 0)
			rc = check_route(r, ifaces, n, file, why);
	weir_conf_each (nc, &l3->neighbours)
		if (rc == 0)
			rc = check_neighbour(nc, ifaces, n, file, why);
	free(ifaces);
	return rc;
}
