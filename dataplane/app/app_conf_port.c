/* SPDX-License-Identifier: BSD-3-Clause */

/* A port of the file: what the system is told of it, and what of it a reload may change. */

#include "app_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ports/port_eth_priv.h"

/* In the order of the names in app_conf.c; the first is the default. */
static const char *const drivers[] = {NULL, "weir_xdp", "af_xdp", "af_packet", "tap"};

bool app_same_text(const char *a, const char *b)
{
	return (a == NULL && b == NULL) || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* The key that differs, of those that need a restart; NULL: none. */
static const char *port_differs(const struct weir_app_port_conf *a,
				const struct weir_app_port_conf *b)
{
	return !app_same_text(a->name, b->name)		    ? "name"
	       : !app_same_text(a->interface, b->interface) ? "interface"
	       : !app_same_text(a->device, b->device)	    ? "device"
	       : a->driver != b->driver			    ? "driver"
	       : a->queues != b->queues			    ? "queues"
	       : a->rxd != b->rxd			    ? "rxd"
	       : a->txd != b->txd			    ? "txd"
	       : a->mtu != b->mtu			    ? "mtu"
	       : a->promiscuous != b->promiscuous	    ? "promiscuous"
	       : !app_same_text(a->steer, b->steer)	    ? "steer"
	       : a->start_queue != b->start_queue	    ? "start_queue"
	       : a->hw_queues != b->hw_queues		    ? "hw_queues"
	       : a->zero_copy != b->zero_copy		    ? "zero_copy"
	       : a->coexist != b->coexist		    ? "coexist"
	       : !app_same_text(a->kernel, b->kernel)	    ? "kernel"
							    : NULL;
}

/* Whether Linux keeps what is meant for its own addresses: then the driver must know ours. */
static bool leaves_hosts(const struct weir_app_port_conf *p)
{
	const struct weir_port_conf conf = {.interface = p->interface,
					    .driver = drivers[p->driver]};
	enum port_eth_kind kind;

	return port_eth_kind(&conf, &kind) == 0 && kind == PORT_ETH_WEIR_XDP &&
	       (p->steer == NULL || strstr(p->steer, "host") != NULL);
}

bool app_port_keeps_routers(const struct weir_app_port_conf *p)
{
	return leaves_hosts(p) && linux_if_has_ipv6(p->interface);
}

static bool has_ipv6(const struct weir_conf_list *addresses)
{
	const struct weir_prefix *a;

	weir_conf_each (a, addresses)
		if (a->addr.family == 6)
			return true;
	return false;
}

/* An interface with an IPv6 address has the link-local one of its MAC, VLANs the port's. */
static bool has_link_local(const struct weir_app_port_conf *p)
{
	const struct weir_vlan_conf *v;

	weir_conf_each (v, &p->vlans)
		if (has_ipv6(&v->addresses))
			return true;
	return p->slaac || has_ipv6(&p->addresses);
}

/* "192.0.2.1+2001:db8::1", NULL if there is no memory. */
static char *addresses_text(const struct weir_conf_list *addresses)
{
	char *text = malloc(addresses->n * WEIR_ADDR_TEXT), one[WEIR_ADDR_TEXT];
	const struct weir_prefix *a;
	size_t at = 0;

	if (text == NULL)
		return NULL;
	weir_conf_each (a, addresses)
		at += (size_t)sprintf(text + at, "%s%s", at == 0 ? "" : "+",
				      weir_addr_format(&a->addr, one));
	return text;
}

static struct weir_system_port system_port(const struct weir_app_port_conf *from)
{
	return (struct weir_system_port){
		.conf = {.name = from->name,
			 .interface = from->interface,
			 .device = from->device,
			 .driver = drivers[from->driver],
			 .rxqs = (uint16_t)from->queues,
			 .rxd = (uint16_t)from->rxd,
			 .txd = (uint16_t)from->txd,
			 .mtu = (uint16_t)from->mtu,
			 .promiscuous = from->promiscuous,
			 .steer = from->steer,
			 .start_queue = (uint16_t)from->start_queue,
			 .hw_queues = (uint16_t)from->hw_queues,
			 .zero_copy = (enum weir_port_zero_copy)from->zero_copy,
			 .coexist = from->coexist},
		.kernel = from->kernel,
	};
}

int app_port_check(const struct weir_app_port_conf *p, const char *file, struct weir_why *why)
{
	const struct weir_system_port port = system_port(p);
	struct weir_why what;

	if (port_eth_check_conf(&port.conf, &what) == 0)
		return 0;
	return weir_conf_fail(why, file, p->at.line, "%s", what.text);
}

int app_port_conf(const struct weir_app_port_conf *from, struct weir_system_port *to,
		  struct weir_why *why)
{
	*to = system_port(from);
	if (!leaves_hosts(from))
		return 0;
	to->conf.owns_link_local = has_link_local(from);
	if (from->addresses.n == 0)
		return 0;
	to->conf.owns = addresses_text(&from->addresses);
	if (to->conf.owns == NULL)
		return weir_why(why, -ENOMEM, "configuration: out of memory");
	return 0;
}

static bool has_address(const struct weir_app_port_conf *p, const struct weir_addr *addr)
{
	const struct weir_prefix *a;

	weir_conf_each (a, &p->addresses)
		if (weir_addr_equal(&a->addr, addr))
			return true;
	return false;
}

/* The driver is told of our addresses when it starts, so Linux would keep one that we take later.
 */
static int check_taken(const struct weir_app_port_conf *old, const struct weir_app_port_conf *fresh,
		       const char *file, struct weir_why *why)
{
	const struct weir_prefix *a;
	char text[WEIR_ADDR_TEXT];

	weir_conf_each (a, &fresh->addresses)
		if (!has_address(old, &a->addr) && linux_if_has_address(fresh->interface, &a->addr))
			return weir_conf_fail(
				why, file, fresh->at.line,
				"ports.%s.addresses: Linux has %s on %s, too: taking it over needs "
				"a restart, or steer: all",
				fresh->name, weir_addr_format(&a->addr, text), fresh->interface);
	return 0;
}

int app_port_may_follow(const struct weir_app_port_conf *old,
			const struct weir_app_port_conf *fresh, const char *file,
			struct weir_why *why)
{
	const char *key = port_differs(old, fresh);

	if (key != NULL)
		return weir_conf_fail(why, file, fresh->at.line,
				      "ports.%s.%s has changed, which needs a restart", fresh->name,
				      key);
	return leaves_hosts(fresh) ? check_taken(old, fresh, file, why) : 0;
}
