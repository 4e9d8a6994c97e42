/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What Linux says of an interface: everything that a person can mend is found here, before a driver
 * fails with a number.
 */

#include "port_eth_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A dead owner's queue is waited for so often, so long each time: two seconds. */
#define BUSY_STEPS   100
#define BUSY_STEP_NS 20000000

/* One ioctl on an interface. @return 0 or -errno. */
static int ask(const char *interface, unsigned long request, struct ifreq *r)
{
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", interface);
	rc = ioctl(fd, request, r) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

bool linux_if_running(const char *interface)
{
	struct ifreq r = {0};

	return ask(interface, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & IFF_UP) &&
	       (r.ifr_flags & IFF_RUNNING);
}

int linux_if_mtu(const char *interface)
{
	struct ifreq r = {0};
	const int rc = ask(interface, SIOCGIFMTU, &r);

	return rc < 0 ? rc : r.ifr_mtu;
}

int linux_if_mac(const char *interface, uint8_t mac[6])
{
	struct ifreq r = {0};
	const int rc = ask(interface, SIOCGIFHWADDR, &r);

	if (rc == 0)
		memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	return rc;
}

static bool is_address(const struct sockaddr *have, const struct weir_addr *addr)
{
	if (have == NULL)
		return false;
	if (have->sa_family == AF_INET && addr->family == 4)
		return memcmp(&((const struct sockaddr_in *)(const void *)have)->sin_addr,
			      addr->bytes, 4) == 0;
	return have->sa_family == AF_INET6 && addr->family == 6 &&
	       memcmp(&((const struct sockaddr_in6 *)(const void *)have)->sin6_addr, addr->bytes,
		      16) == 0;
}

bool linux_if_has_address(const char *interface, const struct weir_addr *addr)
{
	struct ifaddrs *list;
	bool found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *at = list; at != NULL && !found; at = at->ifa_next)
		found = strcmp(at->ifa_name, interface) == 0 && is_address(at->ifa_addr, addr);
	freeifaddrs(list);
	return found;
}

static bool is_wide_ipv6(const struct sockaddr *at)
{
	return at != NULL && at->sa_family == AF_INET6 &&
	       !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(const void *)at)->sin6_addr);
}

bool linux_if_has_ipv6(const char *interface)
{
	struct ifaddrs *list;
	bool found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *at = list; at != NULL && !found; at = at->ifa_next)
		found = strcmp(at->ifa_name, interface) == 0 && is_wide_ipv6(at->ifa_addr);
	freeifaddrs(list);
	return found;
}

int linux_if_promiscuous(const char *interface)
{
	struct packet_mreq m = {.mr_type = PACKET_MR_PROMISC,
				.mr_ifindex = (int)if_nametoindex(interface)};
	const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* Queue pairs that net_af_xdp finds: it looks at combined channels only. */
static unsigned channels(const char *interface)
{
	struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq r = {.ifr_data = (void *)&c};

	if (ask(interface, SIOCETHTOOL, &r) < 0 || c.max_combined == 0)
		return 1;
	return c.combined_count;
}

static bool may(unsigned capability)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	return data[capability / 32].effective & (1u << (capability % 32));
}

static int check_rights(const char *port, enum port_eth_kind kind, struct weir_why *why)
{
	const bool admin = may(CAP_SYS_ADMIN); /* of kernels without the finer ones */
	const bool ours = kind == PORT_ETH_WEIR_XDP, xdp = ours || kind == PORT_ETH_AF_XDP;

	if (may(CAP_NET_RAW) && (!xdp || (may(CAP_NET_ADMIN) && (may(CAP_BPF) || admin))) &&
	    (!ours || may(CAP_PERFMON) || admin))
		return 0;
	return weir_why(why, -EPERM, "port %s: no permission: run as root, or with %s", port,
			ours  ? "CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON"
			: xdp ? "CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF"
			      : "CAP_NET_RAW");
}

/* ---- a socket of our own, to hear the kernel's reason ---- */

static int bind_small(int fd, void *memory, size_t bytes, const char *interface, uint16_t queue)
{
	const struct xdp_umem_reg umem = {
		.addr = (uintptr_t)memory, .len = bytes, .chunk_size = 2048};
	const struct sockaddr_xdp where = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_COPY,
		.sxdp_ifindex = if_nametoindex(interface),
		.sxdp_queue_id = queue,
	};
	static const int rings[] = {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING};
	const int entries = 2;

	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) < 0)
		return -errno;
	for (unsigned i = 0; i < RTE_DIM(rings); i++)
		if (setsockopt(fd, SOL_XDP, rings[i], &entries, sizeof(entries)) < 0)
			return -errno;
	return bind(fd, (const struct sockaddr *)&where, sizeof(where)) < 0 ? -errno : 0;
}

/* A socket's memory that can be sealed later. @return a descriptor or -errno. */
static int memory_open(size_t bytes)
{
	const int memory = memfd_create("weir-trial", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc = memory < 0 ? -errno : 0;

	if (rc == 0 && ftruncate(memory, (off_t)bytes) < 0) {
		rc = -errno;
		close(memory);
	}
	return rc < 0 ? rc : memory;
}

static int bind_and_close(int memory, size_t bytes, const char *interface, uint16_t queue)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	const int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? -errno : at == MAP_FAILED ? -ENOMEM : 0;

	if (rc == 0)
		rc = bind_small(fd, at, bytes, interface, queue);
	if (fd >= 0)
		close(fd);
	if (at != MAP_FAILED)
		munmap(at, bytes);
	return rc;
}

/*
 * A closed socket still has its queue for some 30 ms (xp_release_deferred() of the kernel), and
 * nothing says when it has not. But the memory goes after the queue, and memory that a socket has
 * cannot be sealed: the kernel waits for that, up to 150 ms, or says EBUSY.
 */
static int try_bind(const char *interface, uint16_t queue)
{
	const size_t bytes = 4096;
	const int memory = memory_open(bytes);
	int rc;

	if (memory < 0)
		return memory;
	rc = bind_and_close(memory, bytes, interface, queue);
	if (rc == 0 && fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE) < 0)
		rc = -errno;
	close(memory);
	return rc;
}

int linux_if_wait_free(const struct weir_port_conf *conf, uint16_t queue, struct weir_why *why)
{
	const struct timespec step = {.tv_nsec = BUSY_STEP_NS};
	const char *const dev = conf->interface;
	int rc = try_bind(dev, queue);

	for (int i = 0; rc == -EBUSY && i < BUSY_STEPS; i++) {
		(void)nanosleep(&step, NULL);
		rc = try_bind(dev, queue);
	}
	if (rc == -EBUSY)
		return weir_why(why, rc,
				"port %s: queue %u of %s belongs to another AF_XDP socket: end the "
				"program that has it, or take another interface",
				conf->name, queue, dev);
	if (rc < 0)
		return weir_why(why, rc, "port %s: no AF_XDP socket on queue %u of %s: %s",
				conf->name, queue, dev, strerror(-rc));
	return 0;
}

/* ---- the checks ---- */

/*
 * Whose program, and whose queues? It must be known before the driver begins, for net_af_xdp takes
 * any program off, and loses buffers, when it gives up. A program of libxdp's is a living owner's
 * or a killed one's: the queues tell.
 */
static int check_owners(const struct weir_port_conf *conf, struct weir_why *why)
{
	const char *const dev = conf->interface;
	char name[16];
	uint32_t id;
	int rc = 0;

	if (linux_xdp_program(dev, &id, name) == 0 && !linux_xdp_is_default(name) &&
	    !linux_xdp_is_dispatcher(name))
		return weir_why(
			why, -EBUSY,
			"port %s: XDP program %u (%s) is attached to %s: ip link set dev %s "
			"xdp off, or take another interface",
			conf->name, id, name, dev, dev);
	for (uint16_t q = 0; rc == 0 && q < conf->rxqs; q++)
		rc = linux_if_wait_free(conf, q, why);
	return rc;
}

static int check_kernel(const struct weir_port_conf *conf, struct weir_why *why)
{
	const int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return weir_why(
			why, -errno,
			"port %s: this kernel has no AF_XDP sockets (CONFIG_XDP_SOCKETS): use "
			"driver: af_packet",
			conf->name);
	close(fd);
	return 0;
}

/* What net_af_xdp does not say itself. */
static int check_af_xdp(const struct weir_port_conf *conf, struct weir_why *why)
{
	const unsigned pairs = channels(conf->interface);

	if (conf->rxqs > pairs)
		return weir_why(
			why, -EINVAL,
			"port %s: %u queues are wanted, %s has %u pair%s for net_af_xdp: lower "
			"queues, or try ethtool -L %s combined %u",
			conf->name, conf->rxqs, conf->interface, pairs, pairs == 1 ? "" : "s",
			conf->interface, conf->rxqs);
	return check_owners(conf, why);
}

static int check_mtu(const struct weir_port_conf *conf, enum port_eth_kind kind,
		     struct weir_why *why)
{
	const bool one_page = kind == PORT_ETH_AF_XDP;
	const char *const dev = conf->interface;
	const int mtu = linux_if_mtu(dev);

	if (one_page && conf->mtu > PORT_ETH_AF_XDP_MTU_MAX)
		return weir_why(
			why, -EMSGSIZE,
			"port %s: mtu is %u, but a frame of net_af_xdp must fit a page: lower it "
			"to %d, or use driver: weir_xdp or af_packet",
			conf->name, conf->mtu, PORT_ETH_AF_XDP_MTU_MAX);
	if (mtu < 0)
		return weir_why(why, mtu, "port %s: cannot read the mtu of %s", conf->name, dev);
	if (mtu < conf->mtu)
		return weir_why(why, -EMSGSIZE,
				"port %s: mtu is %u, that of %s is %d: ip link set dev %s mtu %u",
				conf->name, conf->mtu, dev, mtu, dev, conf->mtu);
	if (one_page && mtu > PORT_ETH_AF_XDP_MTU_MAX)
		return weir_why(
			why, -EMSGSIZE,
			"port %s: the mtu of %s is %d, but a frame of net_af_xdp must fit a page: "
			"ip link set dev %s mtu %u, or use driver: weir_xdp or af_packet",
			conf->name, dev, mtu, dev, conf->mtu);
	return 0;
}

int linux_if_check(const struct weir_port_conf *conf, enum port_eth_kind kind, struct weir_why *why)
{
	const bool xdp = kind == PORT_ETH_WEIR_XDP || kind == PORT_ETH_AF_XDP;
	struct ifreq r = {0};
	int rc;

	if (kind == PORT_ETH_DEVICE || kind == PORT_ETH_TAP)
		return 0;
	if (if_nametoindex(conf->interface) == 0)
		return weir_why(why, -ENODEV,
				"port %s: no interface named %s: ip link shows what there "
				"is in this network namespace",
				conf->name, conf->interface);
	rc = ask(conf->interface, SIOCGIFFLAGS, &r);
	if (rc == 0 && !(r.ifr_flags & IFF_UP))
		return weir_why(why, -ENETDOWN, "port %s: %s is down: ip link set dev %s up",
				conf->name, conf->interface, conf->interface);
	if (rc == 0)
		rc = check_rights(conf->name, kind, why);
	if (rc == 0)
		rc = check_mtu(conf, kind, why);
	if (rc == 0 && xdp)
		rc = check_kernel(conf, why);
	if (rc == 0 && kind == PORT_ETH_AF_XDP)
		rc = check_af_xdp(conf, why);
	return rc;
}
