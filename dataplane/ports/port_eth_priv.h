/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the files of port_eth share: arguments, checks, probing, wake-ups. */

#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <stdbool.h>
#include <weir/addr.h>
#include <weir/port.h>

/** How a port's packets reach us. */
enum port_eth_kind {
	PORT_ETH_DEVICE,
	PORT_ETH_WEIR_XDP,
	PORT_ETH_AF_XDP,
	PORT_ETH_AF_PACKET,
	PORT_ETH_TAP,
};

/** A wake-up of a queue. The event is the epoll set's as long as the fd is in it. */
struct port_eth_wait {
	int fd; /**< -1: the queue has none of this sort */
	struct rte_epoll_event event;
};

struct port_eth {
	struct weir_port port; /**< first: ops cast it back */
	enum port_eth_kind kind;
	char interface[16];	   /**< "" for a device */
	struct rte_device *device; /**< removed at close */
	bool started;
	bool device_intr;	     /**< wake-ups come from the device's own interrupts */
	bool promiscuous;	     /**< set in the device: cleared at close */
	struct weir_port_stats last; /**< of a stopped device: net_memif forgets its own */
	int promiscuous_fd; /**< or held by this socket: ends with it, even if we are killed */
	struct port_eth_wait *wait; /**< rxqs of them */
};

/**
 * The largest MTU of AF_XDP without chains, whose buffers must fit a page, with everything before
 * the frame: mempool's line, mbuf, metadata, headroom (128), the kernel's (256), two VLAN tags, and
 * the line that mempool adds to spread memory channels.
 */
#define PORT_ETH_AF_XDP_MTU_MAX 3366
#define PORT_ETH_PAGE		4096

/** Bytes that steer and owns of a port may have, each; as net_weir_xdp takes them. */
#define PORT_ETH_TEXT_MAX 2047
/** Room for what EAL is given, with the NUL. */
#define PORT_ETH_DEVARGS (2 * PORT_ETH_TEXT_MAX + 512)

static inline struct port_eth *port_eth(struct weir_port *p)
{
	return (struct port_eth *)p;
}

extern const struct weir_port_ops port_eth_ops;
uint16_t port_eth_rx(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
uint16_t port_eth_tx(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
uint16_t port_eth_prepare(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);

/* port_eth_probe.c */

void port_eth_close(struct weir_port *p);

/* port_eth_xdp.c: our own driver, which we know only by its name */

/** Whether this process has net_weir_xdp: linked to it, or loaded by EAL. */
bool port_eth_has_weir_xdp(void);
/** The refusal of a device: the driver's own sentence if it is ours, else @p what and the cause. */
int port_eth_refused(const struct port_eth *e, int rc, const char *what, struct weir_why *why);
/** owns with the link-local address, if that is ours too. @return @p conf->owns or @p text. */
const char *port_eth_owns(const struct weir_port_conf *conf, char text[PORT_ETH_DEVARGS]);

/* port_eth_args.c: pure */

/** The kind of a port. @return 0 or -EINVAL for a driver that is none. */
int port_eth_kind(const struct weir_port_conf *conf, enum port_eth_kind *out);
/** Whether its rx and tx queues come in pairs: all of net_af_xdp, net_af_packet and net_tap. */
bool port_eth_has_pairs(const struct weir_port_conf *conf);
/** The configuration with its defaults filled in. */
struct weir_port_conf port_eth_defaults(const struct weir_port_conf *conf);
/** Whether the configuration makes sense by itself. @return 0 or -EINVAL. */
int port_eth_check_conf(const struct weir_port_conf *conf, struct weir_why *why);

/* port_eth_dev.c */

/** Configure the device and set up its queues. @return 0, -errno, -EAGAIN: probe it again. */
int port_eth_setup(struct port_eth *e, const struct weir_port_conf *conf, struct rte_mempool *pool,
		   struct weir_why *why);

/** Whether the device uses the symmetric RSS key that it was given. It is started. */
bool port_eth_rss_holds(const struct port_eth *e);

/* port_eth_memif.c */

/** If it is a server of net_memif: remove the socket that a killed one left. */
void port_eth_memif_clear(const char *devargs);

/* linux_if.c: what Linux says of an interface */

/** What a person can mend before the driver is let loose. @return 0 or -errno. */
int linux_if_check(const struct weir_port_conf *conf, enum port_eth_kind kind,
		   struct weir_why *why);
/**
 * Wait up to two seconds until an AF_XDP socket can have the queue: the kernel frees a dead owner's
 * a little after it is gone.
 * @return 0, -EBUSY, or the kernel's reason why not.
 */
int linux_if_wait_free(const struct weir_port_conf *conf, uint16_t queue, struct weir_why *why);
/** Its MTU. @return bytes, or -errno. */
int linux_if_mtu(const char *interface);
/** Its MAC address. @return 0 or -errno. */
int linux_if_mac(const char *interface, uint8_t mac[6]);
/** Whether the kernel has this address on it. */
bool linux_if_has_address(const char *interface, const struct weir_addr *addr);
/* Whether Linux has an IPv6 address on it that is not link-local. */
bool linux_if_has_ipv6(const char *interface);
/** Whether it is up and has a carrier. */
bool linux_if_running(const char *interface);
/** Make it promiscuous for as long as the returned socket lives. @return the socket or -errno. */
int linux_if_promiscuous(const char *interface);

/* linux_xdp.c: the XDP program of an interface */

/** Its id and name. @return 0, or -ENOENT if there is none, or -errno. */
int linux_xdp_program(const char *interface, uint32_t *id, char name[16]);
/** Whether libxdp put it there for AF_XDP sockets, and for nothing else. */
bool linux_xdp_is_default(const char *name);
/** Whether libxdp shares it among several programs, so that ours can join. */
bool linux_xdp_is_dispatcher(const char *name);
/* xsk_wait.c: sockets that a driver opened and does not show */

/** Sockets of one domain that the process has, in ascending order. */
struct sock_list {
	int fd[128];
	unsigned n;
};

void sock_list(int domain, struct sock_list *out);
/** The socket that is in @p after, not in @p before; the @p nth of them, or -1. */
int sock_list_new(const struct sock_list *before, const struct sock_list *after, unsigned nth);

/**
 * Close an AF_XDP socket whose driver is gone: net_af_xdp keeps it open and its umem's rings
 * mapped, so that the queue would be busy until the process ends. Any other descriptor is left.
 */
void xsk_let_go(int fd);
