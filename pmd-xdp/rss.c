/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Takes:  table, key and types of the hash, when a port is configured and while it runs.
 * Says:   the same back, as they are in force.
 * Holds:  key and types of the program's hash. The program's table is in its memory; the device's
 *         are in the device, and stay as they are as long as nobody asks for others.
 */

#include "rss_priv.h"

#include "dev_priv.h"
#include "log_priv.h"

#include <rte_errno.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RETA_GROUP RTE_ETH_RETA_GROUP_SIZE

static const struct {
	uint64_t type;
	uint32_t steer;
} kinds[] = {
	{RTE_ETH_RSS_IPV4, STEER_RSS_IPV4},
	{RTE_ETH_RSS_NONFRAG_IPV4_TCP, STEER_RSS_IPV4_TCP},
	{RTE_ETH_RSS_NONFRAG_IPV4_UDP, STEER_RSS_IPV4_UDP},
	{RTE_ETH_RSS_IPV6, STEER_RSS_IPV6},
	{RTE_ETH_RSS_NONFRAG_IPV6_TCP, STEER_RSS_IPV6_TCP},
	{RTE_ETH_RSS_NONFRAG_IPV6_UDP, STEER_RSS_IPV6_UDP},
};

/* The key of Microsoft's specification of RSS, which has test vectors for it. */
static const uint8_t default_key[XDP_RSS_KEY_BYTES] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static uint64_t types_offered(void)
{
	uint64_t types = 0;

	for (unsigned i = 0; i < RTE_DIM(kinds); i++)
		types |= kinds[i].type;
	return types;
}

static uint32_t steer_types(uint64_t types)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < RTE_DIM(kinds); i++)
		bits |= types & kinds[i].type ? kinds[i].steer : 0;
	return bits;
}

const char *xdp_rss_decide(const struct xdp_rss_ask *ask, enum xdp_rss_by *by)
{
	const char *no = !ask->device_has_table	       ? "the device has no indirection table"
			 : ask->symmetric	       ? "symmetric=1 is a hash of the program"
			 : ask->queues > ask->channels ? "there are more rx queues than its own"
			 : ask->hash && !ask->device_tells_hash
				 ? "the device does not tell a packet's hash"
				 : NULL;

	if (ask->want == XDP_WANT_RSS_HW && no != NULL)
		return no;
	if (ask->want != XDP_WANT_RSS_SOFT && no == NULL)
		*by = XDP_RSS_DEVICE;
	else if (ask->want == XDP_WANT_RSS_SOFT || ask->queues > ask->channels || ask->hash ||
		 (ask->spread && ask->queues > 1))
		*by = XDP_RSS_PROGRAM;
	else
		*by = XDP_RSS_NOBODY;
	return NULL;
}

void xdp_rss_learn(struct xdp_rss *rss, const struct netdev *netdev)
{
	struct netdev_rss_size size;

	/* What ethdev has no numbers for is left to the device, and to ethtool. */
	if (netdev_rss_size(netdev, &size) == 0 && size.table_entries <= UINT16_MAX &&
	    size.key_bytes <= UINT8_MAX)
		rss->device = size;
}

/* Whether table and key are the device's: once configured, or before, as far as can be said. */
static bool is_device(const struct xdp_port *port)
{
	if (port->n_rxqs > 0)
		return port->rss.by == XDP_RSS_DEVICE;
	return port->rss.device.table_entries > 0 && port->args.rss != XDP_WANT_RSS_SOFT &&
	       !port->args.symmetric;
}

static uint32_t table_entries(const struct xdp_port *port)
{
	return is_device(port) ? port->rss.device.table_entries : STEER_RETA;
}

static uint32_t key_bytes(const struct xdp_port *port)
{
	return is_device(port) ? port->rss.device.key_bytes : XDP_RSS_KEY_BYTES;
}

void xdp_rss_info(const struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	const struct xdp_port *port = xdp_port_of(dev);

	info->flow_type_rss_offloads = types_offered();
	info->reta_size = (uint16_t)table_entries(port);
	info->hash_key_size = (uint8_t)key_bytes(port);
}

/* ---- configuration ---- */

static int refuse(const struct xdp_port *port, int rc, const char *what, uint64_t is, uint64_t must)
{
	XDP_LOG(ERR, "%s: %s %" PRIu64 ", must be %" PRIu64, port->args.iface, what, is, must);
	return rc;
}

/* The device's types and key, both or none. */
static int set_device(struct netdev *n, uint64_t types, const uint8_t *key)
{
	uint64_t was;
	int rc = netdev_rss_types_get(n, &was);

	if (rc == 0 && (was & types_offered()) != types)
		rc = netdev_rss_types_set(n, types);
	if (rc < 0 || key == NULL)
		return rc;
	rc = netdev_rss_set(n, NULL, key);
	if (rc < 0)
		netdev_rss_types_set(n, was);
	return rc;
}

/* How the program hashes from now on. */
static void set_program(struct rte_eth_dev *dev, uint64_t types, const uint8_t *key)
{
	struct xdp_rss *rss = &xdp_port_of(dev)->rss;
	struct steer *steer = xdp_steer_of(dev);

	if (key != NULL) {
		memcpy(rss->key, key, sizeof(rss->key));
		steer_set_key(steer, rss->key, sizeof(rss->key));
	}
	rss->types = types;
	__atomic_store_n(&steer_config(steer)->rss_types, steer_types(types), __ATOMIC_RELAXED);
}

/* What there is before the application says otherwise. */
static void begin_program(struct rte_eth_dev *dev, uint64_t types, const uint8_t *key)
{
	const struct xdp_port *port = xdp_port_of(dev);
	struct steer *steer = xdp_steer_of(dev);

	steer_config(steer)->symmetric = port->args.symmetric;
	for (uint16_t i = 0; i < STEER_RETA; i++)
		steer_reta(steer)[i] = i % dev->data->nb_rx_queues;
	set_program(dev, types, key != NULL ? key : default_key);
}

static struct xdp_rss_ask ask_of(const struct rte_eth_dev *dev)
{
	const struct rte_eth_rxmode *mode = &dev->data->dev_conf.rxmode;
	const struct xdp_port *port = xdp_port_of(dev);

	return (struct xdp_rss_ask){
		.want = port->args.rss,
		.symmetric = port->args.symmetric,
		.device_has_table = port->rss.device.table_entries > 0,
		.device_tells_hash = (port->hints & NETDEV_XDP_RX_METADATA_HASH) != 0,
		.spread = (mode->mq_mode & RTE_ETH_MQ_RX_RSS_FLAG) != 0,
		.hash = (mode->offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH) != 0,
		.queues = dev->data->nb_rx_queues,
		.channels = xdp_rx_window(port),
	};
}

/* What is asked of the device, if anything is. rss=hw takes the types that it has. */
static int try_device(struct rte_eth_dev *dev, const struct xdp_rss_ask *ask,
		      const struct rte_eth_rss_conf *conf)
{
	struct netdev *netdev = xdp_local_of(dev)->netdev;
	int rc;

	if (!ask->spread)
		return 0;
	rc = set_device(netdev, conf->rss_hf, conf->rss_key);
	if (rc == -ENOTSUP && ask->want == XDP_WANT_RSS_HW)
		rc = conf->rss_key ? netdev_rss_set(netdev, NULL, conf->rss_key) : 0;
	return rc;
}

int xdp_rss_configure(struct rte_eth_dev *dev)
{
	const struct rte_eth_rss_conf *conf = &dev->data->dev_conf.rx_adv_conf.rss_conf;
	struct xdp_port *port = xdp_port_of(dev);
	const struct xdp_rss_ask ask = ask_of(dev);
	const uint8_t *key = ask.spread ? conf->rss_key : NULL;
	enum xdp_rss_by by = XDP_RSS_NOBODY;
	const char *no = xdp_rss_decide(&ask, &by);
	uint32_t least;
	int rc;

	if (no != NULL) {
		XDP_LOG(ERR, "%s: rss=hw: %s", port->args.iface, no);
		return -ENOTSUP;
	}
	/* A longer one was meant for the device; the program's hash needs no more than it has. */
	least = by == XDP_RSS_DEVICE ? port->rss.device.key_bytes : XDP_RSS_KEY_BYTES;
	if (key != NULL &&
	    (conf->rss_key_len < least || (by == XDP_RSS_DEVICE && conf->rss_key_len > least)))
		return refuse(port, -EINVAL, "the hash key's bytes are", conf->rss_key_len, least);
	if (by == XDP_RSS_DEVICE) {
		rc = try_device(dev, &ask, conf);
		if (rc < 0 && (ask.want == XDP_WANT_RSS_HW || rc == -ENODEV || rc == -ENOMEM))
			return rc;
		if (rc < 0)
			XDP_LOG(NOTICE, "%s: so the program hashes; rss=hw leaves it to the device",
				port->args.iface);
		by = rc < 0 ? XDP_RSS_PROGRAM : by;
	}
	port->rss.by = by;
	begin_program(dev, ask.spread ? conf->rss_hf : 0, key);
	return 0;
}

/* ---- calls of the application ---- */

/* The rx queue of a hardware queue; UINT16_MAX: it is none of ours. */
static uint16_t queue_of(const struct xdp_port *port, uint32_t hwq)
{
	const uint32_t at = hwq - port->args.start_queue;

	return at < port->n_rx_channels ? (uint16_t)(at % port->n_rxqs) : UINT16_MAX;
}

static int check_reta(const struct rte_eth_dev *dev, const struct rte_eth_rss_reta_entry64 *conf,
		      uint16_t entries, bool values)
{
	const struct xdp_port *port = xdp_port_of(dev);

	if (xdp_steer_of(dev) == NULL)
		return -E_RTE_SECONDARY;
	if (entries != table_entries(port))
		return refuse(port, -EINVAL, "the indirection table's entries are", entries,
			      table_entries(port));
	for (uint16_t i = 0; values && i < entries; i++)
		if ((conf[i / RETA_GROUP].mask >> i % RETA_GROUP & 1) &&
		    conf[i / RETA_GROUP].reta[i % RETA_GROUP] >= port->n_rxqs) {
			XDP_LOG(ERR, "%s: the indirection table leads to rx queue %u, of %u",
				port->args.iface, conf[i / RETA_GROUP].reta[i % RETA_GROUP],
				port->n_rxqs);
			return -EINVAL;
		}
	return 0;
}

/* The device's table, in memory that is the caller's to free. */
static int read_device(const struct rte_eth_dev *dev, uint32_t **out)
{
	uint32_t *table = malloc(xdp_port_of(dev)->rss.device.table_entries * sizeof(*table));
	int rc;

	if (table == NULL)
		return -ENOMEM;
	rc = netdev_rss_get(xdp_local_of(dev)->netdev, table, NULL);
	if (rc < 0) {
		free(table);
		return rc;
	}
	*out = table;
	return 0;
}

int xdp_rss_reta_update(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *conf,
			uint16_t entries)
{
	const struct xdp_port *port = xdp_port_of(dev);
	uint32_t *table = NULL;
	int rc = check_reta(dev, conf, entries, true);

	if (rc == 0 && is_device(port))
		rc = read_device(dev, &table);
	if (rc < 0)
		return rc;
	for (uint16_t i = 0; i < entries; i++) {
		const uint16_t queue = conf[i / RETA_GROUP].reta[i % RETA_GROUP];

		if ((conf[i / RETA_GROUP].mask >> i % RETA_GROUP & 1) == 0)
			continue;
		if (table != NULL)
			table[i] = port->args.start_queue + queue;
		else
			steer_reta(xdp_steer_of(dev))[i] = queue;
	}
	if (table != NULL)
		rc = netdev_rss_set(xdp_local_of(dev)->netdev, table, NULL);
	free(table);
	return rc;
}

int xdp_rss_reta_query(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *conf,
		       uint16_t entries)
{
	const struct xdp_port *port = xdp_port_of(dev);
	uint32_t *table = NULL;
	int rc = check_reta(dev, conf, entries, false);

	if (rc == 0 && is_device(port))
		rc = read_device(dev, &table);
	if (rc < 0)
		return rc;
	for (uint16_t i = 0; i < entries; i++)
		if (conf[i / RETA_GROUP].mask >> i % RETA_GROUP & 1)
			conf[i / RETA_GROUP].reta[i % RETA_GROUP] =
				table != NULL ? queue_of(port, table[i])
					      : steer_reta(xdp_steer_of(dev))[i];
	free(table);
	return 0;
}

int xdp_rss_hash_update(struct rte_eth_dev *dev, struct rte_eth_rss_conf *conf)
{
	const struct xdp_port *port = xdp_port_of(dev);

	if (xdp_steer_of(dev) == NULL)
		return -E_RTE_SECONDARY;
	if (conf->rss_key != NULL && conf->rss_key_len != key_bytes(port))
		return refuse(port, -EINVAL, "the hash key's bytes are", conf->rss_key_len,
			      key_bytes(port));
	if (conf->rss_hf & ~types_offered()) {
		XDP_LOG(ERR, "%s: packet types 0x%" PRIx64 " are not hashed, only 0x%" PRIx64,
			port->args.iface, conf->rss_hf & ~types_offered(), types_offered());
		return -EINVAL;
	}
	if (is_device(port))
		return set_device(xdp_local_of(dev)->netdev, conf->rss_hf, conf->rss_key);
	set_program(dev, conf->rss_hf, conf->rss_key);
	return 0;
}

int xdp_rss_hash_get(struct rte_eth_dev *dev, struct rte_eth_rss_conf *conf)
{
	const struct xdp_port *port = xdp_port_of(dev);
	const bool device = is_device(port);
	int rc = 0;

	if (device && xdp_local_of(dev)->netdev == NULL)
		return -E_RTE_SECONDARY;
	if (conf->rss_key != NULL && conf->rss_key_len < key_bytes(port))
		return refuse(port, -EINVAL, "the bytes for the hash key are", conf->rss_key_len,
			      key_bytes(port));
	conf->rss_hf = port->rss.types;
	if (device)
		rc = netdev_rss_types_get(xdp_local_of(dev)->netdev, &conf->rss_hf);
	if (rc == 0 && conf->rss_key != NULL) {
		if (device)
			rc = netdev_rss_get(xdp_local_of(dev)->netdev, NULL, conf->rss_key);
		else
			memcpy(conf->rss_key, port->rss.key, sizeof(port->rss.key));
	}
	conf->rss_hf &= types_offered();
	conf->rss_key_len = (uint8_t)key_bytes(port);
	return rc;
}
