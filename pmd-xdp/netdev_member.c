/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Takes what a port is to receive besides its own address; the kernel counts it as wishes of a
 * packet socket (packet(7), PACKET_ADD_MEMBERSHIP), and so takes it back whenever that socket
 * closes. The socket itself is bound to no protocol and receives nothing.
 */

#include "netdev_in_priv.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* mac is NULL where the type needs none. */
static int change(const struct netdev *n, int how, unsigned short type,
		  const struct rte_ether_addr *mac)
{
	struct packet_mreq m = {.mr_ifindex = n->ifindex, .mr_type = type};

	if (mac != NULL) {
		m.mr_alen = sizeof(*mac);
		memcpy(m.mr_address, mac, sizeof(*mac));
	}
	return setsockopt(n->packet, SOL_PACKET, how, &m, sizeof(m)) < 0 ? -errno : 0;
}

static int turn(const struct netdev *n, unsigned short type, bool on, bool *is, const char *what)
{
	int rc;

	if (on == *is)
		return 0;
	rc = change(n, on ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP, type, NULL);
	if (rc < 0)
		return netdev_failed(n, what, rc);
	*is = on;
	return 0;
}

int netdev_promisc(struct netdev *n, bool on)
{
	return turn(n, PACKET_MR_PROMISC, on, &n->member.promisc,
		    "promiscuous mode cannot be changed");
}

int netdev_allmulti(struct netdev *n, bool on)
{
	return turn(n, PACKET_MR_ALLMULTI, on, &n->member.allmulti,
		    "all-multicast mode cannot be changed");
}

static void drop_all(const struct netdev *n, const struct rte_ether_addr *list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		change(n, PACKET_DROP_MEMBERSHIP, PACKET_MR_MULTICAST, &list[i]);
}

/* The kernel counts each address, so the new list is added before the old one is dropped. */
int netdev_multicast(struct netdev *n, const struct rte_ether_addr *list, uint32_t count)
{
	struct netdev_member *m = &n->member;
	struct rte_ether_addr *copy = NULL;
	int rc = 0;

	if (count > 0) {
		copy = calloc(count, sizeof(*copy));
		if (copy == NULL)
			return netdev_failed(n, "the multicast list cannot be kept", -ENOMEM);
		memcpy(copy, list, count * sizeof(*copy));
	}
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		rc = rte_is_multicast_ether_addr(&copy[i])
			     ? change(n, PACKET_ADD_MEMBERSHIP, PACKET_MR_MULTICAST, &copy[i])
			     : -EINVAL;
		if (rc < 0)
			drop_all(n, copy, i);
	}
	if (rc < 0) {
		free(copy);
		return netdev_failed(n, "the multicast list cannot be set", rc);
	}
	drop_all(n, m->multicast, m->n_multicast);
	free(m->multicast);
	m->multicast = copy;
	m->n_multicast = count;
	return 0;
}

/* Its place in the list, or the list's end. */
static uint32_t find_unicast(const struct netdev *n, const struct rte_ether_addr *mac)
{
	uint32_t i = 0;

	while (i < n->member.n_unicast && !rte_is_same_ether_addr(&n->member.unicast[i], mac))
		i++;
	return i;
}

int netdev_unicast_add(struct netdev *n, const struct rte_ether_addr *mac)
{
	struct netdev_member *m = &n->member;
	struct rte_ether_addr *grown;
	int rc;

	if (find_unicast(n, mac) < m->n_unicast)
		return 0;
	grown = reallocarray(m->unicast, m->n_unicast + 1, sizeof(*grown));
	if (grown == NULL)
		return netdev_failed(n, "the further MAC address cannot be added", -ENOMEM);
	m->unicast = grown;
	rc = rte_is_unicast_ether_addr(mac)
		     ? change(n, PACKET_ADD_MEMBERSHIP, PACKET_MR_UNICAST, mac)
		     : -EINVAL;
	if (rc < 0)
		return netdev_failed(n, "the further MAC address cannot be added", rc);
	m->unicast[m->n_unicast++] = *mac;
	return 0;
}

int netdev_unicast_remove(struct netdev *n, const struct rte_ether_addr *mac)
{
	struct netdev_member *m = &n->member;
	const uint32_t at = find_unicast(n, mac);
	int rc = at == m->n_unicast ? -ENOENT
				    : change(n, PACKET_DROP_MEMBERSHIP, PACKET_MR_UNICAST, mac);

	if (rc < 0)
		return netdev_failed(n, "the further MAC address cannot be removed", rc);
	m->unicast[at] = m->unicast[--m->n_unicast];
	return 0;
}

/* The socket's close, which comes next, ends the memberships. */
void netdev_member_end(struct netdev *n)
{
	free(n->member.multicast);
	free(n->member.unicast);
}
