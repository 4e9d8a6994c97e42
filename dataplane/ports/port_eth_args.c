/* SPDX-License-Identifier: BSD-3-Clause */

/* What a port's configuration means to DPDK: pure arithmetic and text. */

#include "port_eth_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What net_af_xdp keeps in a queue's fill ring and completion ring, whatever rxd and txd are. */
#define AF_XDP_RING 2048
/* The smallest ring of net_weir_xdp. */
#define WEIR_XDP_RING_MIN 64

int port_eth_kind(const struct weir_port_conf *conf, enum port_eth_kind *out)
{
	static const char *const words[] = {
		[PORT_ETH_WEIR_XDP] = "weir_xdp",
		[PORT_ETH_AF_XDP] = "af_xdp",
		[PORT_ETH_AF_PACKET] = "af_packet",
		[PORT_ETH_TAP] = "tap",
	};

	if (conf->interface == NULL) {
		*out = PORT_ETH_DEVICE;
		return 0;
	}
	if (conf->driver == NULL) {
		*out = port_eth_has_weir_xdp() ? PORT_ETH_WEIR_XDP : PORT_ETH_AF_XDP;
		return 0;
	}
	for (unsigned k = PORT_ETH_WEIR_XDP; k < RTE_DIM(words); k++)
		if (strcmp(conf->driver, words[k]) == 0) {
			*out = (enum port_eth_kind)k;
			return 0;
		}
	return -EINVAL;
}

bool port_eth_has_pairs(const struct weir_port_conf *conf)
{
	enum port_eth_kind kind;

	return port_eth_kind(conf, &kind) == 0 && kind > PORT_ETH_WEIR_XDP;
}

struct weir_port_conf port_eth_defaults(const struct weir_port_conf *conf)
{
	struct weir_port_conf c = *conf;

	c.rxqs = c.rxqs ? c.rxqs : 1;
	c.txqs = c.txqs ? c.txqs : 1;
	c.rxd = c.rxd ? c.rxd : WEIR_PORT_DESCS_DEFAULT;
	c.txd = c.txd ? c.txd : WEIR_PORT_DESCS_DEFAULT;
	c.mtu = c.mtu ? c.mtu : 1500;
	if (port_eth_has_pairs(&c))
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

/* These, too, end up in DPDK's text. */
static bool is_driver_text(const char *s)
{
	for (; *s != 0; s++)
		if (!isalnum((unsigned char)*s) && strchr("+:./-", *s) == NULL)
			return false;
	return true;
}

static int check_text(const struct weir_port_conf *conf, const char *what, const char *text,
		      const char *instead, struct weir_why *why)
{
	if (text == NULL)
		return 0;
	if (text[0] == 0 || !is_driver_text(text))
		return weir_why(why, -EINVAL,
				"port %s: %s is \"%.64s\", must be words with + between",
				conf->name, what, text);
	if (strlen(text) > PORT_ETH_TEXT_MAX)
		return weir_why(why, -ENAMETOOLONG, "port %s: %s has %zu bytes, at most %d: %s",
				conf->name, what, strlen(text), PORT_ETH_TEXT_MAX, instead);
	return 0;
}

/* What only net_weir_xdp can be told. */
static int check_xdp(const struct weir_port_conf *conf, enum port_eth_kind kind,
		     struct weir_why *why)
{
	const char *key = conf->steer	      ? "steer"
			  : conf->start_queue ? "start_queue"
			  : conf->hw_queues   ? "hw_queues"
			  : conf->zero_copy   ? "zero_copy"
			  : conf->coexist     ? "coexist"
					      : NULL;
	int rc;

	if (kind != PORT_ETH_WEIR_XDP && key != NULL)
		return weir_why(why, -EINVAL,
				"port %s: %s is there, but only driver weir_xdp has it%s",
				conf->name, key,
				conf->driver == NULL && conf->interface != NULL
					? ", and this program is without: see docs/guide/building"
					: "");
	rc = check_text(conf, "steer", conf->steer, "write fewer words", why);
	if (rc == 0)
		rc = check_text(conf, "what addresses make owns=", conf->owns,
				"set steer: all, so that no address is Linux's", why);
	return rc;
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
				"port %s: driver %.32s is none of weir_xdp, af_xdp, af_packet, tap",
				conf->name, conf->driver);
	if (conf->mtu != 0 && (conf->mtu < WEIR_PORT_MTU_MIN || conf->mtu > WEIR_PORT_MTU_MAX))
		return weir_why(why, -EINVAL, "port %s: mtu is %u, must be %d to %d", conf->name,
				conf->mtu, WEIR_PORT_MTU_MIN, WEIR_PORT_MTU_MAX);
	return check_xdp(conf, kind, why);
}

/* A text that grows; len goes on counting when there is no more room. */
struct text {
	char *buf;
	size_t room, len;
};

__rte_format_printf(2, 3) static void add(struct text *t, const char *format, ...)
{
	const size_t at = RTE_MIN(t->len, t->room);
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(t->buf + at, t->room - at, format, ap);
	va_end(ap);
	t->len += n < 0 ? 0 : (size_t)n;
}

/*
 * Several rx queues get their packets from the driver's own hash, so that there may be more of them
 * than the device has, and both directions of a flow come to queues of the same number anywhere.
 */
static int weir_xdp_args(const struct weir_port_conf *c, uint16_t id, char *buf, size_t len)
{
	struct text t = {.buf = buf, .room = len};

	add(&t, "net_weir_xdp%u,iface=%s,queues=%u", id, c->interface, c->rxqs);
	if (c->rxqs > 1)
		add(&t, ",rss=soft,symmetric=1");
	if (c->start_queue != 0)
		add(&t, ",start_queue=%u", c->start_queue);
	if (c->hw_queues != 0)
		add(&t, ",hw_queues=%u", c->hw_queues);
	if (c->zero_copy != WEIR_PORT_ZERO_COPY_AUTO)
		add(&t, ",zerocopy=%s", c->zero_copy == WEIR_PORT_ZERO_COPY_ON ? "on" : "off");
	if (c->coexist)
		add(&t, ",coexist=1");
	if (c->steer != NULL)
		add(&t, ",steer=%s", c->steer);
	if (c->owns != NULL)
		add(&t, ",owns=%s", c->owns);
	return (int)t.len;
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
	case PORT_ETH_WEIR_XDP:
		return weir_xdp_args(&c, id, buf, len);
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

/* Its rings have a power of two of descriptors, and an rx ring is always full of buffers. */
static uint32_t weir_xdp_ring(uint16_t descs)
{
	return RTE_MAX(rte_align32pow2(descs), (uint32_t)WEIR_XDP_RING_MIN);
}

void weir_port_eth_need(const struct weir_port_conf *conf, struct weir_pool_need *need)
{
	const struct weir_port_conf c = port_eth_defaults(conf);
	enum port_eth_kind kind = PORT_ETH_DEVICE;

	(void)port_eth_kind(&c, &kind);
	if (kind == PORT_ETH_WEIR_XDP) {
		need->rx_descs += (uint32_t)c.rxqs * weir_xdp_ring(c.rxd);
		need->tx_descs += (uint32_t)c.txqs * weir_xdp_ring(c.txd);
		if (c.mtu > PORT_ETH_AF_XDP_MTU_MAX)
			return; /* in chains of whatever buffers there are */
	} else {
		need->rx_descs += (uint32_t)c.rxqs * c.rxd;
		need->tx_descs += (uint32_t)c.txqs * c.txd;
	}
	if (kind == PORT_ETH_AF_XDP) {
		need->rx_descs += (uint32_t)c.rxqs * AF_XDP_RING;
		need->tx_descs += (uint32_t)c.txqs * AF_XDP_RING;
	}
	need->mtu = RTE_MAX(need->mtu, c.mtu);
}
