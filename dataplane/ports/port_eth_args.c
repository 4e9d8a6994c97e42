/* SPDX-License-Identifier: BSD-3-Clause */

/* What a port's configuration means to DPDK: pure arithmetic and text. */

#include "port_eth_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What net_af_xdp keeps in a queue's fill ring and completion ring, whatever rxd and txd are. */
#define AF_XDP_RING 2048

int port_eth_kind(const struct weir_port_conf *conf, enum port_eth_kind *out)
{
	static const char *const words[] = {
		[PORT_ETH_AF_XDP] = "af_xdp",
		[PORT_ETH_AF_PACKET] = "af_packet",
		[PORT_ETH_TAP] = "tap",
	};

	if (conf->interface == NULL) {
		*out = PORT_ETH_DEVICE;
		return 0;
	}
	for (unsigned k = PORT_ETH_AF_XDP; k < RTE_DIM(words); k++)
		if (strcmp(conf->driver ? conf->driver : "af_xdp", words[k]) == 0) {
			*out = (enum port_eth_kind)k;
			return 0;
		}
	return -EINVAL;
}

struct weir_port_conf port_eth_defaults(const struct weir_port_conf *conf)
{
	struct weir_port_conf c = *conf;
	enum port_eth_kind kind = PORT_ETH_DEVICE;

	c.rxqs = c.rxqs ? c.rxqs : 1;
	c.txqs = c.txqs ? c.txqs : 1;
	c.rxd = c.rxd ? c.rxd : WEIR_PORT_DESCS_DEFAULT;
	c.txd = c.txd ? c.txd : WEIR_PORT_DESCS_DEFAULT;
	c.mtu = c.mtu ? c.mtu : 1500;
	if (port_eth_kind(&c, &kind) == 0 && kind != PORT_ETH_DEVICE)
		c.txqs = c.rxqs; /* a socket, or a TAP's descriptor, is both */
	return c;
}

/* Names go into DPDK's comma-separated text, so only what Linux users write is let through. */
static bool is_interface_name(const char *s)
{
	const size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && strchr("-_.:@", s[i]) == NULL)
			return false;
	return n > 0 && n < 16 && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

int port_eth_check_conf(const struct weir_port_conf *conf, struct weir_why *why)
{
	enum port_eth_kind kind;

	if (conf->name == NULL || conf->name[0] == 0 || strlen(conf->name) > 31)
		return weir_why(why, -EINVAL, "a port's name has 1 to 31 bytes");
	if ((conf->interface == NULL) == (conf->device == NULL))
		return weir_why(why, -EINVAL, "port %s needs either an interface or a device",
				conf->name);
	if (conf->interface != NULL && !is_interface_name(conf->interface))
		return weir_why(why, -EINVAL,
				"port %s: \"%.32s\" is not the name of a Linux interface",
				conf->name, conf->interface);
	if (port_eth_kind(conf, &kind) < 0)
		return weir_why(why, -EINVAL,
				"port %s: driver %.32s is none of af_xdp, af_packet, tap",
				conf->name, conf->driver);
	if (conf->mtu != 0 && (conf->mtu < WEIR_PORT_MTU_MIN || conf->mtu > WEIR_PORT_MTU_MAX))
		return weir_why(why, -EINVAL, "port %s: mtu is %u, must be %d to %d", conf->name,
				conf->mtu, WEIR_PORT_MTU_MIN, WEIR_PORT_MTU_MAX);
	return 0;
}

/*
 * A slot of net_af_packet's ring holds the kernel's header and a whole frame, and the driver wants
 * a buffer that holds the slot. The driver takes slots to lie one behind the other, the kernel
 * begins anew in each block: so a block of whole pages has to be filled by whole slots.
 */
static int af_packet_args(const struct weir_port_conf *c, uint16_t id, char *buf, size_t len)
{
	const unsigned slot = RTE_MAX(RTE_ALIGN_CEIL(c->mtu + 160u, 128u), 2048u);
	const unsigned slots = 4096u >> RTE_MIN(rte_bsf32(slot), 12u);

	return snprintf(buf, len,
			"net_af_packet%u,iface=%s,qpairs=%u,blocksz=%u,framesz=%u,framecnt=%u", id,
			c->interface, c->rxqs, slot * slots, slot,
			RTE_MAX(rte_align32pow2(c->rxd), slots));
}

int weir_port_eth_devargs(const struct weir_port_conf *conf, uint16_t id, char *buf, size_t len)
{
	const struct weir_port_conf c = port_eth_defaults(conf);
	enum port_eth_kind kind = PORT_ETH_DEVICE;

	(void)port_eth_kind(&c, &kind);
	switch (kind) {
	case PORT_ETH_AF_XDP:
		/* its busy polling makes a system call for each empty poll: off */
		return snprintf(buf, len,
				"net_af_xdp%u,iface=%s,start_queue=0,queue_count=%u,busy_budget=0",
				id, c.interface, c.rxqs);
	case PORT_ETH_AF_PACKET:
		return af_packet_args(&c, id, buf, len);
	case PORT_ETH_TAP:
		return snprintf(buf, len, "net_tap%u,iface=%s", id, c.interface);
	case PORT_ETH_DEVICE:
		break;
	}
	return snprintf(buf, len, "%s", c.device ? c.device : "");
}

void weir_port_eth_need(const struct weir_port_conf *conf, struct weir_pool_need *need)
{
	const struct weir_port_conf c = port_eth_defaults(conf);
	enum port_eth_kind kind = PORT_ETH_DEVICE;

	(void)port_eth_kind(&c, &kind);
	need->rx_descs += (uint32_t)c.rxqs * c.rxd;
	need->tx_descs += (uint32_t)c.txqs * c.txd;
	if (kind == PORT_ETH_AF_XDP) {
		need->rx_descs += (uint32_t)c.rxqs * AF_XDP_RING;
		need->tx_descs += (uint32_t)c.txqs * AF_XDP_RING;
	}
	need->mtu = RTE_MAX(need->mtu, c.mtu);
}
