/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Takes an interface; says how many queues it has and where it is plugged in. What ethtool does not
 * tell sysfs does, but sysfs is of the namespace of its mount: it is believed only where it shows
 * this very interface.
 */

#include "netdev_in_priv.h"

#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <stdio.h>
#include <string.h>

static int sysfs_number(const struct netdev *n, const char *what, int *number)
{
	char name[IFNAMSIZ], path[64 + IFNAMSIZ];
	int rc = netdev_name(n, name);
	FILE *f;

	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, what);
	f = fopen(path, "re");
	if (f == NULL)
		return -errno;
	rc = fscanf(f, "%d", number) == 1 ? 0 : -EIO;
	fclose(f);
	return rc;
}

static bool sysfs_is_ours(const struct netdev *n)
{
	int ifindex;

	return sysfs_number(n, "ifindex", &ifindex) == 0 && ifindex == n->ifindex;
}

static int sysfs_queues(const struct netdev *n, uint32_t *rx, uint32_t *tx)
{
	char name[IFNAMSIZ], path[64 + IFNAMSIZ];
	int rc = netdev_name(n, name);
	struct dirent *entry;
	DIR *folder;

	if (rc < 0)
		return rc;
	if (!sysfs_is_ours(n))
		return -ENOTSUP;
	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", name);
	folder = opendir(path);
	if (folder == NULL)
		return -errno;
	*rx = *tx = 0;
	while ((entry = readdir(folder)) != NULL) {
		*rx += strncmp(entry->d_name, "rx-", 3) == 0;
		*tx += strncmp(entry->d_name, "tx-", 3) == 0;
	}
	closedir(folder);
	return *rx > 0 && *tx > 0 ? 0 : -ENOTSUP;
}

int netdev_numa_node(const struct netdev *n)
{
	int node;

	if (!sysfs_is_ours(n) || sysfs_number(n, "device/numa_node", &node) < 0 || node < 0)
		return -1;
	return node;
}

int netdev_channels(const struct netdev *n, uint32_t *rx, uint32_t *tx)
{
	struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
	const int rc = netdev_ethtool(n, &c);

	if (rc == 0) {
		*rx = c.combined_count + c.rx_count;
		*tx = c.combined_count + c.tx_count;
		if (*rx > 0 && *tx > 0)
			return 0;
	} else if (rc != -EOPNOTSUPP) {
		return rc;
	}
	return sysfs_queues(n, rx, tx);
}
