/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TAP devices: made, dressed as a port, and gone when their descriptor is closed.
 */

#include "tap_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/error.h>

/* Make a device of that name; the descriptor, or why not. */
static int attach(const char *name, struct weir_why *why)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int rc;

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return weir_why(why, -ENOENT,
				"%s: no /dev/net/tun; load it with `modprobe tun`, or run the "
				"container with --device /dev/net/tun",
				name);
	if (fd < 0)
		return weir_why(why, -errno, "%s: cannot open /dev/net/tun: %s", name,
				weir_error_text(-errno));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return fd;
	rc = -errno;
	close(fd);
	if (rc == -EPERM)
		return weir_why(why, rc,
				"%s: no permission to make a TAP; run as root or with "
				"CAP_NET_ADMIN",
				name);
	if (rc == -EBUSY || rc == -EEXIST)
		return weir_why(why, -EBUSY,
				"%s: a network device has that name already; choose another name "
				"for the kernel path, or `ip link del %s`",
				name, name);
	return weir_why(why, rc, "%s: cannot make a TAP: %s", name, weir_error_text(rc));
}

/* Give it the port's MAC address and MTU, and bring it up. */
static int dress(const char *name, const uint8_t mac[6], uint16_t mtu, struct weir_why *why)
{
	struct ifreq ifr = {.ifr_flags = 0};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const char *what = "a socket";
	int rc = fd < 0 ? -errno : 0;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (rc == 0) {
		what = "its MAC address";
		ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
		rc = ioctl(fd, SIOCSIFHWADDR, &ifr) < 0 ? -errno : 0;
	}
	if (rc == 0) {
		what = "its MTU";
		ifr.ifr_mtu = mtu;
		rc = ioctl(fd, SIOCSIFMTU, &ifr) < 0 ? -errno : 0;
	}
	if (rc == 0) {
		what = "it up";
		rc = ioctl(fd, SIOCGIFFLAGS, &ifr) < 0 ? -errno : 0;
		ifr.ifr_flags |= IFF_UP;
		if (rc == 0)
			rc = ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
	}
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return weir_why(why, rc, "%s: cannot set %s: %s", name, what, weir_error_text(rc));
	return 0;
}

int tap_open(const char *name, const uint8_t mac[6], uint16_t mtu, struct weir_why *why)
{
	int fd, rc;

	if (name[0] == '\0' || strlen(name) >= IFNAMSIZ)
		return weir_why(why, -EINVAL, "\"%s\" cannot name a TAP: 1 to %d bytes", name,
				IFNAMSIZ - 1);
	fd = attach(name, why);
	if (fd < 0)
		return fd;
	rc = dress(name, mac, mtu, why);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}
