/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Takes an interface's name once; says and sets what the kernel knows of it, by ioctl and netlink.
 * Holds three sockets of the namespace it was opened in, and what is to be put back.
 */

#include "link_priv.h"
#include "log_priv.h"
#include "netdev_in_priv.h"
#include "netlink_priv.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MTU_MIN 68 /* RFC 791 */
#define MTU_MAX 65535

/* ---- asking ---- */

/* One ioctl; the interface's name of now is filled in. */
static int ask(const struct netdev *n, unsigned long request, struct ifreq *r)
{
	const int rc = netdev_name(n, r->ifr_name);

	if (rc < 0)
		return rc;
	return ioctl(n->route, request, r) < 0 ? -errno : 0;
}

int netdev_ethtool(const struct netdev *n, void *command)
{
	struct ifreq r = {.ifr_data = command};

	return ask(n, SIOCETHTOOL, &r);
}

static int ask_link(const struct netdev *n, struct xdp_link_news *news)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} request = {
		.head = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK},
		.info = {.ifi_family = AF_UNSPEC, .ifi_index = n->ifindex},
	};
	uint8_t answer[XDP_NL_ANSWER_BYTES];
	const long bytes = xdp_nl_ask(n->route, &request.head, answer, sizeof(answer));

	if (bytes < 0)
		return (int)bytes;
	if (xdp_link_read(answer, (size_t)bytes, n->ifindex, news) < 0 ||
	    news->kind != XDP_LINK_STATE)
		return -EPROTO;
	return 0;
}

int netdev_failed(const struct netdev *n, const char *what, int rc)
{
	char name[IFNAMSIZ];

	if (netdev_name(n, name) < 0)
		snprintf(name, sizeof(name), "%d", n->ifindex);
	XDP_LOG(ERR, "%s: %s: %s", name, what, strerror(-rc));
	return rc;
}

/* ---- life ---- */

static int find(struct netdev *n, const char *ifname)
{
	struct ifreq r = {0};

	if (strlen(ifname) >= sizeof(r.ifr_name))
		return -ENODEV;
	memcpy(r.ifr_name, ifname, strlen(ifname));
	if (ioctl(n->route, SIOCGIFINDEX, &r) < 0)
		return -errno;
	n->ifindex = r.ifr_ifindex;
	return 0;
}

static int open_all(struct netdev *n, const char *ifname)
{
	n->route = xdp_nl_open(NETLINK_ROUTE, 0);
	if (n->route < 0)
		return n->route;
	n->genl = xdp_nl_open(NETLINK_GENERIC, 0);
	if (n->genl < 0)
		return n->genl;
	n->packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (n->packet < 0)
		return -errno;
	return find(n, ifname);
}

int netdev_open(const char *ifname, struct netdev **out)
{
	struct netdev *n = calloc(1, sizeof(*n));
	int rc = -ENOMEM;

	if (n == NULL)
		goto err;
	n->route = n->genl = n->packet = -1;
	rc = open_all(n, ifname);
	if (rc < 0)
		goto err;
	*out = n;
	return 0;
err:
	XDP_LOG(ERR, "%s: %s", ifname,
		rc == -ENODEV  ? "no such interface in this network namespace"
		: rc == -EPERM ? "no permission: CAP_NET_RAW is needed"
			       : strerror(-rc));
	netdev_close(n);
	return rc;
}

static void undo_mtu(struct netdev *n)
{
	uint32_t mtu;

	if (n->mtu.changed && netdev_mtu_get(n, &mtu) == 0 && mtu == n->mtu.ours &&
	    mtu != n->mtu.was)
		netdev_mtu_set(n, n->mtu.was);
}

static void undo_mac(struct netdev *n)
{
	struct rte_ether_addr mac;

	if (n->mac.changed && netdev_mac_get(n, &mac) == 0 &&
	    rte_is_same_ether_addr(&mac, &n->mac.ours) &&
	    !rte_is_same_ether_addr(&mac, &n->mac.was))
		netdev_mac_set(n, &n->mac.was);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void netdev_close(struct netdev *n)
{
	if (n == NULL)
		return;
	undo_mtu(n);
	undo_mac(n);
	netdev_rss_end(n);
	netdev_types_end(n);
	netdev_member_end(n);
	close_fd(n->packet);
	close_fd(n->genl);
	close_fd(n->route);
	free(n);
}

int netdev_ifindex(const struct netdev *n)
{
	return n->ifindex;
}

int netdev_name(const struct netdev *n, char name[IFNAMSIZ])
{
	struct ifreq r = {.ifr_ifindex = n->ifindex};

	if (ioctl(n->route, SIOCGIFNAME, &r) < 0)
		return errno == ENXIO ? -ENODEV : -errno;
	memcpy(name, r.ifr_name, IFNAMSIZ);
	return 0;
}

/* ---- address and size ---- */

static int mac_ask(const struct netdev *n, struct ifreq *r)
{
	const int rc = ask(n, SIOCGIFHWADDR, r);

	if (rc < 0)
		return rc;
	if (r->ifr_hwaddr.sa_family != ARPHRD_ETHER && r->ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
		return -EAFNOSUPPORT;
	return 0;
}

int netdev_mac_get(const struct netdev *n, struct rte_ether_addr *mac)
{
	struct ifreq r = {0};
	const int rc = mac_ask(n, &r);

	if (rc < 0)
		return rc;
	memcpy(mac, r.ifr_hwaddr.sa_data, sizeof(*mac));
	return 0;
}

int netdev_mac_set(struct netdev *n, const struct rte_ether_addr *mac)
{
	struct ifreq r = {0};
	struct rte_ether_addr was;
	int rc = mac_ask(n, &r);

	if (rc == 0) {
		memcpy(&was, r.ifr_hwaddr.sa_data, sizeof(was));
		/* ethdev sets what it has at each start. */
		if (rte_is_same_ether_addr(&was, mac))
			return 0;
		memcpy(r.ifr_hwaddr.sa_data, mac, sizeof(*mac));
		rc = ask(n, SIOCSIFHWADDR, &r);
	}
	if (rc < 0)
		return netdev_failed(n, "the MAC address cannot be set", rc);
	if (!n->mac.changed)
		n->mac.was = was;
	n->mac.ours = *mac;
	n->mac.changed = true;
	return 0;
}

int netdev_mtu_get(const struct netdev *n, uint32_t *mtu)
{
	struct ifreq r = {0};
	const int rc = ask(n, SIOCGIFMTU, &r);

	if (rc < 0)
		return rc;
	*mtu = (uint32_t)r.ifr_mtu;
	return 0;
}

int netdev_mtu_limits(const struct netdev *n, uint32_t *min, uint32_t *max)
{
	struct xdp_link_news news;
	const int rc = ask_link(n, &news);

	if (rc < 0)
		return rc;
	*min = news.min_mtu > 0 ? news.min_mtu : MTU_MIN;
	*max = news.max_mtu > 0 ? news.max_mtu : MTU_MAX;
	return 0;
}

static int mtu_failed(const struct netdev *n, uint32_t mtu, int rc)
{
	uint32_t min = MTU_MIN, max = MTU_MAX;
	char what[128];

	netdev_mtu_limits(n, &min, &max);
	snprintf(what, sizeof(what), "MTU is to be %u, must be %u to %u%s", mtu, min, max,
		 mtu >= min && mtu <= max ? ", or what an XDP program leaves of it" : "");
	return netdev_failed(n, what, rc);
}

int netdev_mtu_set(struct netdev *n, uint32_t mtu)
{
	struct ifreq r = {0};
	uint32_t was;
	int rc = mtu > INT32_MAX ? -EINVAL : netdev_mtu_get(n, &was);

	if (rc == 0) {
		r.ifr_mtu = (int)mtu;
		rc = ask(n, SIOCSIFMTU, &r);
	}
	if (rc < 0)
		return mtu_failed(n, mtu, rc);
	if (!n->mtu.changed)
		n->mtu.was = was;
	n->mtu.ours = mtu;
	n->mtu.changed = true;
	return 0;
}

/* ---- link ---- */

int netdev_up(struct netdev *n, bool up)
{
	struct ifreq r = {0};
	int rc = ask(n, SIOCGIFFLAGS, &r);

	if (rc == 0 && up == ((r.ifr_flags & IFF_UP) != 0))
		return 0;
	if (rc == 0) {
		r.ifr_flags ^= IFF_UP;
		rc = ask(n, SIOCSIFFLAGS, &r);
	}
	return rc < 0 ? netdev_failed(n, up ? "cannot be set up" : "cannot be set down", rc) : 0;
}

/* The device fills in how many words its link modes take, and asks to be asked again with those. */
static int ask_speed(const struct netdev *n, struct ethtool_link_settings *out)
{
	union {
		struct ethtool_link_settings head;
		uint8_t room[sizeof(struct ethtool_link_settings) + 3 * 4 * INT8_MAX];
	} s = {.head = {.cmd = ETHTOOL_GLINKSETTINGS}};
	int rc = netdev_ethtool(n, &s);
	int words;

	if (rc < 0)
		return rc;
	if (s.head.link_mode_masks_nwords >= 0)
		return -EPROTO;
	words = -s.head.link_mode_masks_nwords;
	if (words > INT8_MAX)
		return -EPROTO;
	memset(&s, 0, sizeof(s));
	s.head.cmd = ETHTOOL_GLINKSETTINGS;
	s.head.link_mode_masks_nwords = (int8_t)words;
	rc = netdev_ethtool(n, &s);
	if (rc == 0)
		*out = s.head;
	return rc;
}

int netdev_link(const struct netdev *n, struct rte_eth_link *link)
{
	struct ethtool_link_settings s = {.speed = (uint32_t)SPEED_UNKNOWN,
					  .duplex = DUPLEX_FULL,
					  .autoneg = AUTONEG_DISABLE};
	struct xdp_link_news news;
	int rc = ask_link(n, &news);

	if (rc < 0)
		return rc;
	rc = ask_speed(n, &s);
	if (rc == -ENODEV)
		return rc;
	memset(link, 0, sizeof(*link));
	link->link_status = news.up ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN;
	link->link_duplex = s.duplex == DUPLEX_HALF ? RTE_ETH_LINK_HALF_DUPLEX
						    : RTE_ETH_LINK_FULL_DUPLEX;
	link->link_autoneg = s.autoneg == AUTONEG_ENABLE ? RTE_ETH_LINK_AUTONEG
							 : RTE_ETH_LINK_FIXED;
	if (!news.up)
		link->link_speed = RTE_ETH_SPEED_NUM_NONE;
	else
		link->link_speed = s.speed == (uint32_t)SPEED_UNKNOWN ? RTE_ETH_SPEED_NUM_UNKNOWN
								      : s.speed;
	return 0;
}

int netdev_driver(const struct netdev *n, struct netdev_driver *out)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	const int rc = netdev_ethtool(n, &info);

	if (rc < 0)
		return rc;
	snprintf(out->name, sizeof(out->name), "%.31s", info.driver);
	snprintf(out->bus, sizeof(out->bus), "%.31s", info.bus_info);
	return 0;
}
