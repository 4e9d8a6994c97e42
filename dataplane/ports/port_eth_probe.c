/* SPDX-License-Identifier: BSD-3-Clause */

/* A port on any DPDK device: found, opened, closed. Whatever we found, we leave. */

#include "port_eth_priv.h"

#include "eal_priv.h"

#include <errno.h>
#include <rte_dev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <weir/log.h>

/* A queue that the kernel calls free, and the driver cannot have, is tried for two seconds. */
#define RETRIES	 40
#define RETRY_NS 50000000

/* Devices that some port of weir has; the control thread's. */
static bool taken[RTE_MAX_ETHPORTS];

/* @return the ethdev of this device, -ENODEV, or -EBUSY if another port has it. */
static int find_id(const char *devargs)
{
	struct rte_dev_iterator it;
	int rc = -ENODEV;
	uint16_t id;

	RTE_ETH_FOREACH_MATCHING_DEV(id, devargs, &it)
	{
		if (!taken[id]) {
			rte_eth_iterator_cleanup(&it);
			return id;
		}
		rc = -EBUSY;
	}
	return rc;
}

/* net_af_packet opens its sockets here: the nth one is queue n's. */
static void find_packet_sockets(struct port_eth *e, const struct weir_port_conf *conf,
				const struct sock_list *before)
{
	struct sock_list after;

	sock_list(AF_PACKET, &after);
	for (uint16_t q = 0; q < conf->rxqs; q++)
		e->wait[q].fd = sock_list_new(before, &after, q);
}

static int probe(struct port_eth *e, const struct weir_port_conf *conf, struct weir_why *why)
{
	char devargs[PORT_ETH_DEVARGS], owns[PORT_ETH_DEVARGS];
	struct weir_port_conf all = *conf;
	struct rte_eth_dev_info info;
	struct sock_list before;
	int rc, id;

	all.owns = port_eth_owns(conf, owns);
	rc = weir_port_eth_devargs(&all, e->port.id, devargs, sizeof(devargs));
	if (rc < 0 || (size_t)rc >= sizeof(devargs))
		return weir_why(why, -ENAMETOOLONG, "port %s: its device is %d bytes, at most %zu",
				conf->name, rc, sizeof(devargs) - 1);
	sock_list(AF_PACKET, &before);
	port_eth_memif_clear(devargs);
	rc = rte_dev_probe(devargs); /* 0, too, if it was probed before */
	if (rc < 0 && rc != -EEXIST && e->kind == PORT_ETH_WEIR_XDP)
		return port_eth_refused(e, rc, "net_weir_xdp cannot begin", why);
	if (rc < 0 && rc != -EEXIST)
		return weir_why(why, -ENODEV, "port %s: no device for \"%s\" (%s)", conf->name,
				devargs, eal_log_cause());
	id = find_id(devargs);
	if (id < 0)
		return weir_why(why, id,
				id == -EBUSY ? "port %s: \"%s\" is already another port's device"
					     : "port %s: \"%s\" is no network device",
				conf->name, devargs);
	taken[id] = true;
	e->port.dpdk_id = (uint16_t)id;
	rc = rte_eth_dev_info_get((uint16_t)id, &info);
	if (rc < 0)
		return weir_why(why, rc, "port %s: cannot read what its device is", conf->name);
	e->device = info.device;
	snprintf(e->port.driver, sizeof(e->port.driver), "%s", info.driver_name);
	if (e->kind == PORT_ETH_AF_PACKET)
		find_packet_sockets(e, conf, &before);
	return 0;
}

/* Undo probe() as far as it got. */
static void detach(struct port_eth *e)
{
	if (e->port.dpdk_id == UINT16_MAX)
		return;
	(void)rte_eth_dev_close(e->port.dpdk_id);
	if (e->device != NULL)
		(void)rte_dev_remove(e->device);
	for (uint16_t q = 0; e->kind == PORT_ETH_AF_XDP && q < e->port.rxqs; q++) {
		xsk_let_go(e->wait[q].fd);
		e->wait[q].fd = -1;
	}
	taken[e->port.dpdk_id] = false;
	e->port.dpdk_id = UINT16_MAX;
	e->port.caps = 0;
}

/* net_af_xdp's rings are of no use after a queue failed, so another try needs another device. */
static int attach(struct port_eth *e, const struct weir_port_conf *conf, struct rte_mempool *pool,
		  struct weir_why *why)
{
	const struct timespec step = {.tv_nsec = RETRY_NS};
	int rc;

	for (int i = 0;; i++) {
		rc = probe(e, conf, why);
		if (rc == 0)
			rc = port_eth_setup(e, conf, pool, why);
		if (rc != -EAGAIN)
			return rc;
		if (i == RETRIES)
			return -EIO;
		detach(e);
		(void)nanosleep(&step, NULL);
	}
}

static int finish(struct port_eth *e, const struct weir_port_conf *conf, struct weir_why *why)
{
	struct weir_port *p = &e->port;
	int rc = rte_eth_macaddr_get(p->dpdk_id, &p->mac);

	if (rc < 0)
		return weir_why(why, rc, "port %s: its device has no MAC address", conf->name);
	p->numa = rte_eth_dev_socket_id(p->dpdk_id);
	if (!conf->promiscuous)
		return 0;
	if (e->kind == PORT_ETH_AF_XDP || e->kind == PORT_ETH_AF_PACKET) {
		e->promiscuous_fd = linux_if_promiscuous(e->interface);
		rc = e->promiscuous_fd < 0 ? e->promiscuous_fd : 0;
	} else {
		rc = rte_eth_promiscuous_enable(p->dpdk_id);
		e->promiscuous = rc == 0;
		rc = rc == -ENOTSUP ? 0 : rc; /* then it receives all there is anyway */
	}
	if (rc < 0)
		return weir_why(why, rc, "port %s: cannot be made promiscuous: %s", conf->name,
				strerror(-rc));
	return 0;
}

static struct port_eth *allocate(const struct weir_port_conf *conf, uint16_t id)
{
	struct port_eth *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->port = (struct weir_port){
		.rx = port_eth_rx,
		.tx = port_eth_tx,
		.prepare = port_eth_prepare,
		.id = id,
		.dpdk_id = UINT16_MAX,
		.numa = -1,
		.ops = &port_eth_ops,
	};
	e->promiscuous_fd = -1;
	(void)port_eth_kind(conf, &e->kind);
	snprintf(e->port.name, sizeof(e->port.name), "%s", conf->name);
	snprintf(e->interface, sizeof(e->interface), "%s", conf->interface ? conf->interface : "");
	e->wait = calloc(conf->rxqs, sizeof(e->wait[0]));
	for (uint16_t q = 0; e->wait != NULL && q < conf->rxqs; q++)
		e->wait[q].fd = -1;
	return e;
}

/* Whether the program has the driver that is wanted, and what it does if none was named. */
static int check_driver(const struct weir_port_conf *conf, const struct port_eth *e,
			struct weir_why *why)
{
	static bool told;

	if (e->kind == PORT_ETH_WEIR_XDP && !port_eth_has_weir_xdp())
		return weir_why(
			why, -ENODEV,
			"port %s: this program has no net_weir_xdp: build it in (run "
			"scripts/fetch-dpdk-sdk, then meson configure -Ddriver=enabled), or load it "
			"(runtime.plugins; --eal -d), or set driver: af_xdp",
			conf->name);
	if (e->kind == PORT_ETH_AF_XDP && conf->driver == NULL && !told) {
		told = true;
		weir_log_info("port", "this program has no net_weir_xdp: DPDK's net_af_xdp takes "
				      "its interfaces");
	}
	return 0;
}

int weir_port_eth_open(const struct weir_port_conf *wanted, uint16_t id, struct rte_mempool *pool,
		       struct weir_port **out, struct weir_why *why)
{
	struct weir_port_conf conf;
	struct port_eth *e;
	int rc = port_eth_check_conf(wanted, why);

	if (rc < 0)
		return rc;
	conf = port_eth_defaults(wanted);
	e = allocate(&conf, id);
	if (e == NULL || e->wait == NULL) {
		rc = weir_why(why, -ENOMEM, "port %s: out of memory", conf.name);
		goto err;
	}
	rc = check_driver(&conf, e, why);
	if (rc == 0)
		rc = linux_if_check(&conf, e->kind, why);
	if (rc < 0)
		goto err;
	eal_log_hush();
	rc = attach(e, &conf, pool, why);
	if (rc == 0)
		rc = finish(e, &conf, why);
	eal_log_speak();
	if (rc < 0)
		goto err;
	*out = &e->port;
	return 0;
err:
	if (e != NULL)
		port_eth_close(&e->port);
	return rc;
}

/* Also for a port that is only half open. */
void port_eth_close(struct weir_port *p)
{
	struct port_eth *e = port_eth(p);

	eal_log_hush(); /* drivers complain of what they never had */
	if (e->promiscuous)
		(void)rte_eth_promiscuous_disable(p->dpdk_id);
	detach(e);
	if (e->promiscuous_fd >= 0)
		close(e->promiscuous_fd);
	eal_log_speak();
	free(e->wait);
	free(e);
}
