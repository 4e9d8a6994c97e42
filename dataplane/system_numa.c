/* SPDX-License-Identifier: BSD-3-Clause */

/* On which NUMA node a core or a device is, as sysfs says; -1: it does not say. */

#include "system_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NODES_SEEN 64

int numa_of_core(const char *sysfs, unsigned core)
{
	char path[256];

	for (int node = 0; node < NODES_SEEN; node++) {
		snprintf(path, sizeof(path), "%s/devices/system/node/node%d/cpu%u", sysfs, node,
			 core);
		if (access(path, F_OK) == 0)
			return node;
	}
	return -1;
}

static int read_node(const char *path)
{
	FILE *f = fopen(path, "re");
	int node = -1;

	if (f == NULL)
		return -1;
	if (fscanf(f, "%d", &node) != 1 || node < 0)
		node = -1;
	fclose(f);
	return node;
}

int numa_of_port(const char *sysfs, const struct weir_port_conf *conf)
{
	char path[512];

	if (conf->interface != NULL)
		snprintf(path, sizeof(path), "%s/class/net/%s/device/numa_node", sysfs,
			 conf->interface);
	else if (conf->device != NULL && strchr(conf->device, '/') == NULL)
		snprintf(path, sizeof(path), "%s/bus/pci/devices/%.*s/numa_node", sysfs,
			 (int)strcspn(conf->device, ","), conf->device);
	else
		return -1;
	return read_node(path);
}
