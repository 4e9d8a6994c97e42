/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Our own driver, net_weir_xdp, as seen from here: a DPDK driver that a program may have or not,
 * and that says itself, in one sentence, why it cannot.
 */

#include "port_eth_priv.h"

#include "eal_priv.h"

#include <errno.h>
#include <rte_devargs.h>
#include <rte_log.h>
#include <stdio.h>
#include <string.h>
#include <weir/l3.h>

/* What its log lines begin with. */
#define DRIVER_SAYS "net_weir_xdp: "

/* A device's text can be parsed only if there is a driver for it. It logs an error, unless told. */
bool port_eth_has_weir_xdp(void)
{
	const uint32_t level = rte_log_get_global_level();
	struct rte_devargs args = {0};
	bool has;

	rte_log_set_global_level(0);
	has = rte_devargs_parse(&args, "net_weir_xdp0") == 0;
	rte_log_set_global_level(level);
	rte_devargs_reset(&args);
	return has;
}

int port_eth_refused(const struct port_eth *e, int rc, const char *what, struct weir_why *why)
{
	const char *cause = eal_log_cause();

	if (e->kind == PORT_ETH_WEIR_XDP && strncmp(cause, DRIVER_SAYS, strlen(DRIVER_SAYS)) == 0)
		return weir_why(why, rc, "port %s: %s", e->port.name, cause + strlen(DRIVER_SAYS));
	return weir_why(why, rc, "port %s: %s: %s%s%s%s", e->port.name, what, strerror(-rc),
			cause[0] ? " (" : "", cause, cause[0] ? ")" : "");
}

const char *port_eth_owns(const struct weir_port_conf *conf, char text[PORT_ETH_DEVARGS])
{
	char addr[WEIR_ADDR_TEXT];
	struct weir_addr local;
	uint8_t mac[6];

	if (!conf->owns_link_local || linux_if_mac(conf->interface, mac) < 0)
		return conf->owns;
	local = weir_link_local(mac); /* as Linux makes it */
	snprintf(text, PORT_ETH_DEVARGS, "%s%s%s", conf->owns ? conf->owns : "",
		 conf->owns ? "+" : "", weir_addr_format(&local, addr));
	return text;
}
