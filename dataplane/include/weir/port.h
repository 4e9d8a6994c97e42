/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A port: where packets come from and go to. Any DPDK device (port_eth) or plain memory (port_mem).
 *
 * Opened, configured, started, stopped and closed by the control thread; a queue is polled by one
 * worker at a time.
 */

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/must_check.h>
#include <weir/pool.h>
#include <weir/why.h>

/** What a port can do; everything that it cannot, software does. */
enum weir_port_cap {
	WEIR_PORT_RX_CSUM_IP4 =
		1 << 0, /**< says of received IPv4 header checksums if they are good */
	WEIR_PORT_RX_CSUM_L4 = 1 << 1,	/**< the same of TCP and UDP checksums */
	WEIR_PORT_TX_CSUM_IP4 = 1 << 2, /**< makes the IPv4 header checksums that are asked for */
	WEIR_PORT_TX_CSUM_L4 = 1 << 3,	/**< the same of TCP and UDP checksums */
	WEIR_PORT_TX_SEGS = 1 << 4,	/**< sends chains of mbufs */
	WEIR_PORT_RX_SCATTER = 1 << 5,	/**< receives frames into chains of mbufs */
	WEIR_PORT_RSS = 1 << 6,		/**< spreads flows over its queues, both directions alike */
	WEIR_PORT_INTR = 1 << 7,   /**< a worker can sleep until a queue has packets; after start */
	WEIR_PORT_TSO = 1 << 8,	   /**< cuts TCP segments to the size that the mbuf says */
	WEIR_PORT_RSS_L4 = 1 << 9, /**< spreads by the ports of TCP and UDP, too; with RSS */
};

/** Counters since start. */
struct weir_port_stats {
	uint64_t rx_pkts;    /**< packets received */
	uint64_t rx_bytes;   /**< their bytes, Ethernet header included */
	uint64_t tx_pkts;    /**< packets sent */
	uint64_t tx_bytes;   /**< their bytes, Ethernet header included */
	uint64_t rx_missed;  /**< packets that the device had no room or no buffer for */
	uint64_t rx_errors;  /**< packets that the device found broken */
	uint64_t rx_no_mbuf; /**< times that the driver found the pool empty */
	uint64_t tx_errors;  /**< packets that were taken, and not sent after all */
};

struct weir_port;

/** What a kind of port does. Control thread unless said. */
struct weir_port_ops {
	/** Let packets in; no harm if they are. @return 0 or -errno with a sentence. */
	int (*start)(struct weir_port *p, struct weir_why *why);
	/** Let no packets in any more. No queue may be polled meanwhile. */
	void (*stop)(struct weir_port *p);
	/** Give the device back and free @p p; it is stopped. */
	void (*close)(struct weir_port *p);
	/** Read the counters. @return 0 or -errno. */
	int (*stats)(struct weir_port *p, struct weir_port_stats *out);
	/** Whether a frame would get out. */
	bool (*link_up)(struct weir_port *p);
	/** One named device counter after the other (xstats); may be NULL. */
	int (*each_xstat)(struct weir_port *p,
			  void (*emit)(void *ctx, const char *name, uint64_t value), void *ctx);
	/**
	 * Wake-ups for a queue, added to the calling thread's epoll set (rte_epoll, per thread).
	 * @return 0, or -ENOTSUP if the port has none. The worker's thread.
	 */
	int (*intr_add)(struct weir_port *p, uint16_t queue);
	/** Arm or disarm the queue's wake-up. The worker's thread; no-op where not needed. */
	void (*intr_arm)(struct weir_port *p, uint16_t queue, bool on);
	/** Take it out of the calling thread's epoll set. The worker's thread. */
	void (*intr_del)(struct weir_port *p, uint16_t queue);
};

/** The part that is read for every burst; the rest belongs to the kind. */
struct weir_port {
	/** Take up to n packets of a queue. @return how many. The queue's worker. */
	uint16_t (*rx)(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
	/** Send; those taken are the port's. @return how many were taken. The queue's worker. */
	uint16_t (*tx)(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
	/**
	 * Before tx, for packets that ask for what the port does (mbuf.ol_flags): headers become as
	 * its device wants them. NULL: they are. @return how many it can send, from the first on;
	 * all stay the caller's. The queue's worker.
	 */
	uint16_t (*prepare)(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts,
			    uint16_t n);
	uint32_t caps;			 /**< enum weir_port_cap */
	uint16_t id;			 /**< index among weir's ports */
	uint16_t dpdk_id;		 /**< ethdev port id, UINT16_MAX: none */
	uint16_t rxqs;			 /**< receive queues it got */
	uint16_t txqs;			 /**< transmit queues it got */
	uint16_t mtu;			 /**< largest layer-3 packet, bytes */
	uint16_t tso_mbufs;		 /**< of a segment to be cut at most; 0: any number */
	int numa;			 /**< node of the device; -1: it does not say */
	struct rte_ether_addr mac;	 /**< its own address */
	char name[32];			 /**< as in the configuration */
	uint16_t reta;			 /**< entries of its RSS indirection table; 0: none */
	char driver[64];		 /**< "net_weir_xdp", "memory" */
	const struct weir_port_ops *ops; /**< what is done by the control thread and before rest */
};

/** Whether the device may read and write our buffers itself. */
enum weir_port_zero_copy {
	WEIR_PORT_ZERO_COPY_AUTO, /**< if it can */
	WEIR_PORT_ZERO_COPY_ON,	  /**< or the port does not start */
	WEIR_PORT_ZERO_COPY_OFF,  /**< the kernel copies */
};

/** How a port is wanted. Zero means: the default. */
struct weir_port_conf {
	const char *name;      /**< as in the configuration, at most 31 bytes */
	const char *interface; /**< a Linux device taken through AF_XDP; or */
	const char *device;    /**< a DPDK device: "0000:01:00.0", "net_memif0,...", "net_null0" */
	/**
	 * For interface: weir_xdp, af_xdp, af_packet, tap. Default: weir_xdp, or af_xdp in a
	 * program that has no net_weir_xdp.
	 */
	const char *driver;
	uint16_t rxqs;	  /**< receive queues, default 1 */
	uint16_t txqs;	  /**< transmit queues, default 1; rxqs of them where they come in pairs */
	uint16_t rxd;	  /**< descriptors of a receive queue, default WEIR_PORT_DESCS_DEFAULT */
	uint16_t txd;	  /**< descriptors of a transmit queue, default WEIR_PORT_DESCS_DEFAULT */
	uint16_t mtu;	  /**< default 1500, at most 9000 */
	bool promiscuous; /**< take frames for any MAC address */
	/* Of driver weir_xdp alone: */
	const char *steer; /**< what comes to us, in the driver's words; default: "host" */
	/** Addresses with + between that are ours although Linux may have them there, too. */
	const char *owns;
	bool owns_link_local; /**< so is the IPv6 link-local address of the interface's MAC */
	uint16_t start_queue; /**< the first hardware queue that is taken */
	uint16_t hw_queues;   /**< how many from there; 0: all */
	enum weir_port_zero_copy zero_copy; /**< what the device must do */
	bool coexist; /**< share the interface with other XDP programs, by libxdp's dispatcher */
};

/**
 * Open any DPDK device. It is probed, configured and its queues are set up, not yet started.
 * @param pool buffers for what it receives; outlives the port.
 * @param id   weir's index for it.
 * @return 0 or -errno with a sentence and the remedy (no such interface, busy, no permission).
 */
WEIR_MUST_CHECK int weir_port_eth_open(const struct weir_port_conf *conf, uint16_t id,
				       struct rte_mempool *pool, struct weir_port **out,
				       struct weir_why *why);

/**
 * The text that EAL is given for a port: "net_weir_xdp0,iface=eth0,queues=1".
 * What `--plan` shows, and what tells a testpmd user the same port.
 * @return length as snprintf.
 */
int weir_port_eth_devargs(const struct weir_port_conf *conf, uint16_t id, char *buf, size_t len);

/**
 * Add what a port asks of its pool: descriptors, and MTU if it is the largest yet and the port
 * needs it in one buffer. Ports of net_af_xdp ask twice, for their fill and completion rings hold
 * buffers of their own. Control thread.
 */
void weir_port_eth_need(const struct weir_port_conf *conf, struct weir_pool_need *need);

/** Descriptors of a queue when the configuration does not say. */
#define WEIR_PORT_DESCS_DEFAULT 1024
/** The smallest and largest MTU that a port may have. */
#define WEIR_PORT_MTU_MIN 68
/** The largest MTU that may be asked for, bytes. */
#define WEIR_PORT_MTU_MAX 9000

/* The same calls for every kind: */

/** Let packets in; caps are final when it returns. Control thread. */
WEIR_MUST_CHECK static inline int weir_port_start(struct weir_port *p, struct weir_why *why)
{
	return p->ops->start(p, why);
}

/** Stop and close. NULL is allowed. */
void weir_port_close(struct weir_port *p);

/* port_mem: for tests and simulation. */

/**
 * What a memory port does to sent packets besides passing them on. Chances are in 1/2^16; one seed
 * gives one history of a queue.
 */
struct weir_port_mem_faults {
	uint16_t lose;	    /**< counted as tx_errors */
	uint16_t duplicate; /**< the copy comes from the packet's own pool, right behind it */
	uint16_t reorder;   /**< hold one back behind the next */
	uint16_t corrupt;   /**< flip one bit; bytes that others share are copied first */
	uint16_t tx_refuse; /**< a tx call takes nothing */
	uint64_t seed;	    /**< of every queue's own random numbers */
};

/**
 * A port made of memory: what is injected is received, what is sent can be inspected.
 * @param depth packets each queue holds, a power of two from 2 to 32768.
 * No EAL device, no EAL; buffers come from whoever injects. Its caps, mtu and mac may be
 * overwritten. weir_port_close() frees it with the packets that it holds; ports wired to it must
 * not send then.
 * @return 0, -EINVAL for a bad depth, -ENOMEM. Control thread.
 */
WEIR_MUST_CHECK int weir_port_mem_create(const char *name, uint16_t id, uint16_t rxqs,
					 uint16_t txqs, uint16_t depth, struct weir_port **out);
/**
 * Put packets where rx will find them. @return how many fit; the rest stays the caller's.
 * One thread at a time for a queue, and not one that a wired port sends to.
 */
WEIR_MUST_CHECK uint16_t weir_port_mem_inject(struct weir_port *p, uint16_t queue,
					      struct rte_mbuf **pkts, uint16_t n);
/** Take what was sent and not wired on; it is the caller's. @return how many. One thread. */
WEIR_MUST_CHECK uint16_t weir_port_mem_sent(struct weir_port *p, uint16_t queue,
					    struct rte_mbuf **pkts, uint16_t n);
/**
 * Connect: what one sends the other receives, queue by queue. Before any packet is sent.
 * @return 0, -EINVAL if one is no memory port or has fewer rx than the other tx queues.
 */
WEIR_MUST_CHECK int weir_port_mem_wire(struct weir_port *a, struct weir_port *b);
/** Set its faults; all zero: none. Between packets. With faults a depth below 4 passes nothing. */
void weir_port_mem_faults(struct weir_port *p, const struct weir_port_mem_faults *f);
