/* SPDX-License-Identifier: BSD-3-Clause */

/* NUMA nodes, read from a sysfs of the test's own with two of them. */

#include "system_priv.h"
#include "test.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char sysfs[] = "/tmp/weir-sysfs-XXXXXX";

static void make(const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", sysfs, path);
	for (char *at = full + strlen(sysfs) + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		mkdir(full, 0700);
		*at = '/';
	}
	f = fopen(full, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	return remove(path);
}

static void test_cores_and_devices_are_found_on_their_nodes(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(sysfs));
	make("devices/system/node/node0/cpu0/x", "");
	make("devices/system/node/node1/cpu17/x", "");
	make("class/net/eth0/device/numa_node", "1\n");
	make("class/net/eth1/device/numa_node", "-1\n");
	make("bus/pci/devices/0000:81:00.0/numa_node", "1\n");
	CU_ASSERT_EQUAL(numa_of_core(sysfs, 0), 0);
	CU_ASSERT_EQUAL(numa_of_core(sysfs, 17), 1);
	CU_ASSERT_EQUAL(numa_of_core(sysfs, 3), -1);
	CU_ASSERT_EQUAL(numa_of_port(sysfs, &(struct weir_port_conf){.interface = (char *)"eth0"}),
			1);
	CU_ASSERT_EQUAL(numa_of_port(sysfs, &(struct weir_port_conf){.interface = (char *)"eth1"}),
			-1);
	CU_ASSERT_EQUAL(numa_of_port(sysfs, &(struct weir_port_conf){.interface = (char *)"veth"}),
			-1);
	CU_ASSERT_EQUAL(
		numa_of_port(sysfs, &(struct weir_port_conf){.device = "0000:81:00.0,arg=1"}), 1);
	CU_ASSERT_EQUAL(numa_of_port(sysfs, &(struct weir_port_conf){.device = "net_null0"}), -1);
	CU_ASSERT_EQUAL(numa_of_port(sysfs, &(struct weir_port_conf){.device = "../../x"}), -1);
	nftw(sysfs, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_one_node_has_one_pool_for_all(void)
{
	const uint16_t cores[] = {0, 0};
	const struct weir_system_port ports[] = {{.conf = {.name = "a", .device = "net_null0"}},
						 {.conf = {.name = "b", .device = "net_null1"}}};
	const struct weir_system_conf conf = {.cores = cores,
					      .workers = 2,
					      .limits = WEIR_LIMITS_DEFAULT,
					      .ports = ports,
					      .n_ports = 2};
	struct weir_system_plan plan;

	weir_system_plan(&conf, &plan);
	CU_ASSERT_EQUAL(plan.n_nodes, 1);
	CU_ASSERT_EQUAL(plan.node[0].need.workers, 2);
	CU_ASSERT_EQUAL(plan.worker_node[1], 0);
	CU_ASSERT_EQUAL(plan.port_node[1], 0);
	CU_ASSERT(plan.bytes >= plan.node[0].pool.bytes);
	CU_ASSERT_EQUAL(plan_node(&plan, 5), 0);
}

WEIR_TESTS("dataplane/system_numa", TEST(cores_and_devices_are_found_on_their_nodes),
	   TEST(one_node_has_one_pool_for_all))
