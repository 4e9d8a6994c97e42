/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * An ethdev configured: offloads, RSS, MTU, queues.
 *
 * What the device offers and weir can use is switched on and said in caps; the rest is software's.
 */

#include "port_eth_priv.h"

#include "eal_priv.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <weir/log.h>

/* With this key the Toeplitz hash of a flow is that of its replies (Woo and Park, 2012). */
static uint8_t symmetric_key[64];

#define RX_CSUM_L4 (RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define TX_CSUM_L4 (RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)

/* What each cap asks of a device; a device that has only a part of it gets none. */
static const struct offload {
	uint32_t cap;
	bool tx;
	uint64_t flags;
} offloads[] = {
	{WEIR_PORT_RX_CSUM_IP4, false, RTE_ETH_RX_OFFLOAD_IPV4_CKSUM},
	{WEIR_PORT_RX_CSUM_L4, false, RX_CSUM_L4},
	{WEIR_PORT_TX_CSUM_IP4, true, RTE_ETH_TX_OFFLOAD_IPV4_CKSUM},
	{WEIR_PORT_TX_CSUM_L4, true, TX_CSUM_L4},
	{WEIR_PORT_TX_SEGS, true, RTE_ETH_TX_OFFLOAD_MULTI_SEGS},
	{WEIR_PORT_TSO, true, RTE_ETH_TX_OFFLOAD_TCP_TSO},
};

/*
 * Chains cost net_weir_xdp time in each burst, so it has them only where frames are long. net_tap
 * says that it cuts, but does so in software, IPv4 alone, and refuses pieces that fill the MTU.
 */
static bool is_wanted(const struct port_eth *e, const struct offload *o)
{
	if (o->cap == WEIR_PORT_TSO && strcmp(e->port.driver, "net_tap") == 0)
		return false;
	return o->cap != WEIR_PORT_TX_SEGS || e->kind != PORT_ETH_WEIR_XDP ||
	       (e->port.caps & WEIR_PORT_RX_SCATTER);
}

static uint32_t choose_offloads(const struct port_eth *e, const struct rte_eth_dev_info *info,
				struct rte_eth_conf *out)
{
	uint32_t caps = 0;

	for (unsigned i = 0; i < RTE_DIM(offloads); i++) {
		const struct offload *o = &offloads[i];
		const uint64_t have = o->tx ? info->tx_offload_capa : info->rx_offload_capa;

		if ((have & o->flags) != o->flags || !is_wanted(e, o))
			continue;
		*(o->tx ? &out->txmode.offloads : &out->rxmode.offloads) |= o->flags;
		caps |= o->cap;
	}
	return caps;
}

/* By ports if those of TCP and UDP of both families count, so that one bit says all. */
#define RSS_L4                                                         \
	(RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP | \
	 RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)

static bool has_rss_l4(const struct rte_eth_dev_info *info)
{
	return (info->flow_type_rss_offloads & RSS_L4) == RSS_L4;
}

static struct rte_eth_rss_conf symmetric_rss(const struct rte_eth_dev_info *info)
{
	const uint64_t want = RTE_ETH_RSS_IP |
			      (has_rss_l4(info) ? RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP : 0);

	for (unsigned i = 0; i < sizeof(symmetric_key); i++)
		symmetric_key[i] = i % 2 ? 0x5a : 0x6d;
	return (struct rte_eth_rss_conf){
		.rss_key = symmetric_key,
		.rss_key_len = info->hash_key_size ? info->hash_key_size : 40,
		.rss_hf = info->flow_type_rss_offloads & want,
	};
}

static uint32_t choose_rss(struct port_eth *e, const struct rte_eth_dev_info *info,
			   struct rte_eth_conf *out)
{
	const struct rte_eth_rss_conf rss = symmetric_rss(info);

	if (e->port.rxqs < 2 || rss.rss_hf == 0 || rss.rss_key_len > sizeof(symmetric_key))
		return 0;
	out->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	out->rx_adv_conf.rss_conf = rss;
	e->port.reta = info->reta_size;
	return WEIR_PORT_RSS | (has_rss_l4(info) ? WEIR_PORT_RSS_L4 : 0);
}

bool port_eth_rss_holds(const struct port_eth *e)
{
	const uint16_t id = e->port.dpdk_id;
	uint8_t key[sizeof(symmetric_key)] = {0};
	struct rte_eth_dev_info info;
	struct rte_eth_rss_conf want, have;

	if (rte_eth_dev_info_get(id, &info) < 0)
		return false;
	want = symmetric_rss(&info);
	have = (struct rte_eth_rss_conf){.rss_key = key, .rss_key_len = want.rss_key_len};
	(void)rte_eth_dev_rss_hash_update(id, &want); /* some take it only when they run */
	return rte_eth_dev_rss_hash_conf_get(id, &have) == 0 && have.rss_hf != 0 &&
	       ((have.rss_hf ^ want.rss_hf) & RSS_L4) == 0 &&
	       memcmp(key, symmetric_key, want.rss_key_len) == 0;
}

/* net_af_xdp gives the kernel the pool's own memory: in one piece, each buffer within a page. */
static int check_pool(struct port_eth *e, const struct weir_port_conf *conf,
		      const struct rte_mempool *pool, struct weir_why *why)
{
	const uint32_t each = pool->header_size + pool->elt_size + pool->trailer_size;

	if (e->kind != PORT_ETH_AF_XDP)
		return 0;
	if (each > PORT_ETH_PAGE)
		return weir_why(
			why, -EMSGSIZE,
			"port %s: the pool's buffers of %u bytes do not fit a page, as AF_XDP "
			"demands: lower the largest mtu to %d, or use driver: af_packet",
			conf->name, each, PORT_ETH_AF_XDP_MTU_MAX);
	if (pool->nb_mem_chunks > 1)
		return weir_why(
			why, -ENOMEM,
			"port %s: the pool is in %u pieces of memory, and AF_XDP demands one: "
			"free or add hugepages, or set hugepages: none",
			conf->name, pool->nb_mem_chunks);
	return 0;
}

/* Bytes of a frame that one buffer holds. */
static uint32_t room_in(const struct port_eth *e, struct rte_mempool *pool)
{
	const uint32_t room = rte_pktmbuf_data_room_size(pool);
	const uint32_t head = (uint32_t)sizeof(struct rte_mbuf) + rte_pktmbuf_priv_size(pool);

	if (e->kind != PORT_ETH_WEIR_XDP)
		return room - RTE_PKTMBUF_HEADROOM;
	/* the kernel's frame is within a page, and begins with the mbuf and room for XDP programs
	 */
	return RTE_MIN(head + room, (uint32_t)PORT_ETH_PAGE) - head - XDP_PACKET_HEADROOM;
}

/* The longest frame that may come: of an interface whose own MTU is above ours, one of that. */
static uint32_t longest_frame(const struct port_eth *e, const struct weir_port_conf *conf)
{
	const int own = e->kind == PORT_ETH_WEIR_XDP ? linux_if_mtu(e->interface) : 0;

	return (uint32_t)RTE_MAX(own, (int)conf->mtu) + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN;
}

static int choose_mtu(struct port_eth *e, const struct weir_port_conf *conf,
		      const struct rte_eth_dev_info *info, struct rte_mempool *pool,
		      struct rte_eth_conf *out, struct weir_why *why)
{
	const uint32_t room = room_in(e, pool), frame = longest_frame(e, conf);

	if (info->max_mtu != 0 && conf->mtu > info->max_mtu)
		return weir_why(why, -EINVAL,
				"port %s: mtu is %u, but %s takes at most %u: lower it", conf->name,
				conf->mtu, info->driver_name, info->max_mtu);
	/* net_af_packet says 1518 bytes, but its ring was made for this mtu */
	out->rxmode.mtu = e->kind == PORT_ETH_AF_PACKET ? RTE_MIN(conf->mtu, 1500) : conf->mtu;
	e->port.mtu = conf->mtu;
	if (frame <= room)
		return 0;
	if (!(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER))
		return weir_why(
			why, -EMSGSIZE,
			"port %s: frames of %u bytes may come, the pool's buffers hold %u, and %s "
			"cannot chain them here: lower the mtu, also that of the interface",
			conf->name, frame, room, info->driver_name);
	out->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	e->port.caps |= WEIR_PORT_RX_SCATTER;
	return 0;
}

static int choose_queues(struct port_eth *e, const struct weir_port_conf *conf,
			 const struct rte_eth_dev_info *info, struct weir_why *why)
{
	struct weir_port *p = &e->port;

	if (conf->rxqs > info->max_rx_queues)
		return weir_why(why, -EINVAL,
				"port %s: %u queues are wanted, %s has %u: lower queues",
				conf->name, conf->rxqs, info->driver_name, info->max_rx_queues);
	p->rxqs = conf->rxqs;
	p->txqs = RTE_MIN(conf->txqs, info->max_tx_queues);
	if (p->txqs < conf->txqs)
		weir_log_info("port", "%s: %u tx queues are wanted, %s has %u", conf->name,
			      conf->txqs, info->driver_name, info->max_tx_queues);
	return 0;
}

static int setup_rx(struct port_eth *e, uint16_t q, uint16_t descs, struct rte_mempool *pool)
{
	struct sock_list before, after;
	int rc;

	if (e->kind != PORT_ETH_AF_XDP)
		return rte_eth_rx_queue_setup(e->port.dpdk_id, q, descs, (unsigned)SOCKET_ID_ANY,
					      NULL, pool);
	sock_list(AF_XDP, &before);
	rc = rte_eth_rx_queue_setup(e->port.dpdk_id, q, descs, (unsigned)SOCKET_ID_ANY, NULL, pool);
	sock_list(AF_XDP, &after);
	e->wait[q].fd = sock_list_new(&before, &after, 0);
	return rc;
}

static int refused(const struct port_eth *e, int rc, const char *what, uint16_t q,
		   struct weir_why *why)
{
	char text[80];

	snprintf(text, sizeof(text), "its driver refuses %s %u", what, q);
	return port_eth_refused(e, rc, text, why);
}

/* net_af_xdp says only that it failed, so the kernel is asked why. */
static int explain_rx(struct port_eth *e, const struct weir_port_conf *conf, uint16_t q, int rc,
		      struct weir_why *why)
{
	const int free = e->kind == PORT_ETH_AF_XDP ? linux_if_wait_free(conf, q, why) : 0;

	if (free < 0)
		return free;
	if (e->kind != PORT_ETH_AF_XDP)
		return refused(e, rc, "rx queue", q, why);
	return weir_why(why, -EAGAIN, "port %s: %s refuses rx queue %u: %s (%s)", conf->name,
			e->port.driver, q, strerror(-rc), eal_log_cause());
}

static int setup_queues(struct port_eth *e, const struct weir_port_conf *conf,
			struct rte_mempool *pool, struct weir_why *why)
{
	struct weir_port *p = &e->port;
	uint16_t rxd = conf->rxd, txd = conf->txd;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->dpdk_id, &rxd, &txd);

	if (rc < 0)
		return weir_why(why, rc, "port %s: %s does not take %u and %u descriptors",
				conf->name, p->driver, conf->rxd, conf->txd);
	for (uint16_t q = 0; q < p->rxqs; q++) {
		rc = setup_rx(e, q, rxd, pool);
		if (rc < 0)
			return explain_rx(e, conf, q, rc, why);
	}
	for (uint16_t q = 0; q < p->txqs; q++) {
		rc = rte_eth_tx_queue_setup(p->dpdk_id, q, txd, (unsigned)SOCKET_ID_ANY, NULL);
		if (rc < 0)
			return refused(e, rc, "tx queue", q, why);
	}
	return 0;
}

int port_eth_setup(struct port_eth *e, const struct weir_port_conf *conf, struct rte_mempool *pool,
		   struct weir_why *why)
{
	const bool sockets = e->kind == PORT_ETH_AF_XDP || e->kind == PORT_ETH_AF_PACKET;
	struct weir_port *p = &e->port;
	struct rte_eth_dev_info info;
	struct rte_eth_conf dev = {.intr_conf.rxq = !sockets};
	int rc = rte_eth_dev_info_get(p->dpdk_id, &info);

	if (rc < 0)
		return weir_why(why, rc, "port %s: cannot read what its device is", conf->name);
	rc = choose_queues(e, conf, &info, why);
	if (rc == 0)
		rc = check_pool(e, conf, pool, why);
	if (rc == 0)
		rc = choose_mtu(e, conf, &info, pool, &dev, why);
	if (rc < 0)
		return rc;
	p->tso_mbufs = info.tx_desc_lim.nb_seg_max;
	p->caps |= choose_offloads(e, &info, &dev) | choose_rss(e, &info, &dev);
	rc = rte_eth_dev_configure(p->dpdk_id, p->rxqs, p->txqs, &dev);
	if (rc < 0)
		return port_eth_refused(e, rc, "its driver refuses so many queues", why);
	return setup_queues(e, conf, pool, why);
}
