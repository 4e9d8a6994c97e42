/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a port asked for and got, over DPDK's telemetry socket: dpdk-telemetry.py, /weir/xdp/info,0.
 *
 * Takes:  a port's number.
 * Says:   its interface, modes, program, memory and sockets; a sentence if there is no such port.
 * Holds:  nothing. Runs in telemetry's thread.
 */

#include "dev_priv.h"
#include "log_priv.h"
#include "stats_priv.h"

#include <rte_telemetry.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static const struct rte_eth_dev *find(const char *params)
{
	char *end;
	unsigned long id;

	if (params == NULL || *params < '0' || *params > '9')
		return NULL;
	id = strtoul(params, &end, 10);
	if (*end != '\0' || id >= RTE_MAX_ETHPORTS || !rte_eth_dev_is_valid_port((uint16_t)id) ||
	    rte_eth_devices[id].dev_ops != &xdp_dev_ops)
		return NULL;
	return &rte_eth_devices[id];
}

static int list(const char *cmd, const char *params, struct rte_tel_data *d)
{
	uint16_t id;

	rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
	RTE_ETH_FOREACH_DEV (id)
		if (rte_eth_devices[id].dev_ops == &xdp_dev_ops)
			rte_tel_data_add_array_int(d, id);
	return 0;
}

static void add_queue(struct rte_tel_data *d, const char *name, uint16_t queue)
{
	if (queue != UINT16_MAX)
		rte_tel_data_add_dict_int(d, name, queue);
}

static struct rte_tel_data *tell_sock(const struct xdp_sock *s)
{
	struct rte_tel_data *d = rte_tel_data_alloc();

	if (d == NULL)
		return NULL;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_int(d, "hardware_queue", s->channel->hwq);
	add_queue(d, "rx_queue", s->rxq);
	add_queue(d, "tx_queue", s->txq);
	return d;
}

/* By number: DPDK 22.11 has no arrays of such. As many as an answer holds. */
static struct rte_tel_data *tell_socks(const struct xdp_port *port)
{
	struct rte_tel_data *all = rte_tel_data_alloc();
	bool room = true;

	if (all == NULL)
		return NULL;
	rte_tel_data_start_dict(all);
	if (xdp_sockets_hold(port)) {
		for (uint16_t i = 0; room && i < port->n_socks; i++) {
			struct rte_tel_data *one = tell_sock(&port->socks[i]);
			char name[8];

			snprintf(name, sizeof(name), "%u", i);
			room = one != NULL &&
			       rte_tel_data_add_dict_container(all, name, one, 0) == 0;
			if (!room)
				rte_tel_data_free(one);
		}
	}
	xdp_sockets_release();
	return all;
}

/* As they were at the last start; there is no program but between start and stop. */
static void tell_modes(struct rte_tel_data *d, const struct xdp_modes *modes, bool started)
{
	static const char *const attach[] = {
		[STEER_MODE_NONE] = "none",
		[STEER_MODE_DRV] = "native",
		[STEER_MODE_SKB] = "generic",
		[STEER_MODE_DISPATCHER] = "dispatcher",
	};

	rte_tel_data_add_dict_string(d, "attach_mode",
				     attach[started ? modes->attach : STEER_MODE_NONE]);
	rte_tel_data_add_dict_string(d, "memory", modes->zero_copy ? "zero-copy" : "copy");
	rte_tel_data_add_dict_int(d, "scatter", modes->scatter);
	rte_tel_data_add_dict_int(d, "metadata", modes->meta);
	rte_tel_data_add_dict_int(d, "device_hints", modes->hints);
	rte_tel_data_add_dict_int(d, "tx_checksum_by_kernel", modes->tx_meta);
	rte_tel_data_add_dict_int(d, "need_wakeup", modes->need_wakeup);
	rte_tel_data_add_dict_int(d, "busy_poll", modes->busy_poll);
	rte_tel_data_add_dict_int(d, "software_rss", modes->soft_rss);
	rte_tel_data_add_dict_int(d, "program_id", started ? (int)modes->prog_id : 0);
}

static int info(const char *cmd, const char *params, struct rte_tel_data *d)
{
	const struct rte_eth_dev *dev = find(params);
	const struct xdp_port *port;
	struct rte_tel_data *socks;
	char window[64];

	if (dev == NULL) {
		rte_tel_data_string(d, "the parameter must be a port of net_weir_xdp: "
				       "/weir/xdp/list has them");
		return 0;
	}
	port = xdp_port_of(dev);
	socks = tell_socks(port);
	if (socks == NULL)
		return -ENOMEM;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "interface", port->args.iface);
	rte_tel_data_add_dict_int(d, "ifindex", port->ifindex);
	rte_tel_data_add_dict_int(d, "started", dev->data->dev_started);
	tell_modes(d, &port->modes, dev->data->dev_started);
	snprintf(window, sizeof(window), "0x%" PRIxPTR "-0x%" PRIxPTR, (uintptr_t)port->umem.base,
		 (uintptr_t)port->umem.base + (uintptr_t)port->umem.bytes);
	rte_tel_data_add_dict_string(d, "window", window);
	rte_tel_data_add_dict_int(d, "chunk_bytes", (int)port->umem.chunk_bytes);
	if (rte_tel_data_add_dict_container(d, "sockets", socks, 0) < 0)
		rte_tel_data_free(socks);
	return 0;
}

void xdp_telemetry_begin(void)
{
	static bool begun;

	if (begun)
		return;
	begun = true;
	if (rte_telemetry_register_cmd("/weir/xdp/list", list,
				       "Ports of net_weir_xdp. Takes no parameters") < 0 ||
	    rte_telemetry_register_cmd("/weir/xdp/info", info,
				       "Modes, program, memory and sockets of a port. Parameters: "
				       "port number") < 0)
		XDP_LOG(NOTICE, "no /weir/xdp in telemetry: it has too many commands");
}
