/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The sections that every app has: what an empty file means, what is refused and in which words,
 * and what a reload may change.
 */

#include "app/app_priv.h"
#include "test.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define FILE_NAME "test.yaml"
#define PORT	  "ports: {wan: {interface: eth0}}\n"
#define TWO	  "ports:\n  a: {interface: eth0, addresses: [10.0.0.1/24]}\n  b: {interface: eth1}\n"

struct toy_conf {
	struct weir_app_conf app;
	struct weir_l3_conf l3;
};

static const struct weir_conf_key keys[] = {
	WEIR_APP_CONF_KEYS(struct toy_conf),
	WEIR_L3_CONF_KEYS(struct toy_conf),
};

static const struct weir_conf_schema schema = {
	.name = "toy",
	.doc = "A toy.",
	WEIR_CONF_STRUCT(struct toy_conf, keys),
};

static const struct weir_app app = {
	.name = "toy", .schema = &schema, .l3_at = offsetof(struct toy_conf, l3)};

/* Load, check and make the system's configuration, as weir_app_main() does; all is freed. */
static int load(const char *text, struct toy_conf *c, struct weir_why *why)
{
	struct weir_system_conf sys = {0};
	int rc = weir_conf_load_text(FILE_NAME, text, strlen(text), &schema, NULL, c, why);

	if (rc < 0)
		return rc;
	rc = app_conf_check(&app, c, FILE_NAME, why);
	if (rc == 0)
		rc = app_sys_conf(&app, c, &sys, why);
	app_sys_free(&sys);
	if (rc < 0)
		weir_conf_free(&schema, c);
	return rc;
}

static void test_a_port_alone_is_a_configuration(void)
{
	struct toy_conf c;
	struct weir_why why = {""};
	const struct weir_app_port_conf *p;

	CU_ASSERT_EQUAL_FATAL(load(PORT, &c, &why), 0);
	CU_ASSERT_EQUAL(c.app.runtime.workers.n, 1);
	CU_ASSERT_EQUAL(c.app.runtime.poll, WEIR_POLL_ADAPTIVE);
	CU_ASSERT_EQUAL(c.app.runtime.hugepages, WEIR_HUGEPAGES_2M);
	CU_ASSERT_EQUAL(c.app.runtime.burst, WEIR_BURST_DEFAULT);
	CU_ASSERT_EQUAL(c.app.control.statsd_interval, 10 * WEIR_NS_PER_S);
	CU_ASSERT_EQUAL(c.app.log.level, WEIR_LOG_INFO);
	CU_ASSERT_STRING_EQUAL(c.app.log.to, "stderr");
	CU_ASSERT_FALSE(c.l3.kernel_routes);
	p = c.app.ports.items;
	CU_ASSERT_EQUAL(p->queues, 1);
	CU_ASSERT_EQUAL(p->mtu, 1500);
	CU_ASSERT_FALSE(p->promiscuous);
	weir_conf_free(&schema, &c);
}

static void test_the_manuals_limits_are_those_of_the_library(void)
{
	const struct weir_limits l = WEIR_LIMITS_DEFAULT;
	struct weir_system_conf sys;
	struct toy_conf c;

	CU_ASSERT_EQUAL_FATAL(load(PORT, &c, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(app_sys_conf(&app, &c, &sys, NULL), 0);
	CU_ASSERT_EQUAL(sys.limits.neighbours, l.neighbours);
	CU_ASSERT_EQUAL(sys.limits.neighbour_queue, l.neighbour_queue);
	CU_ASSERT_EQUAL(sys.limits.fragments, l.fragments);
	CU_ASSERT_EQUAL(sys.limits.fragment_timeout_ns, l.fragment_timeout_ns);
	CU_ASSERT_EQUAL(sys.limits.icmp_errors_per_s, l.icmp_errors_per_s);
	CU_ASSERT_EQUAL(sys.limits.punt_pps, l.punt_pps);
	CU_ASSERT_EQUAL(sys.workers, 1);
	CU_ASSERT_EQUAL(sys.cores[0], 1);
	CU_ASSERT_PTR_NULL(sys.ports[0].conf.driver);
	CU_ASSERT_PTR_NULL(sys.ports[0].conf.steer);
	app_sys_free(&sys);
	weir_conf_free(&schema, &c);
}

static void test_workers_with_a_priority_have_a_core_each(void)
{
	struct weir_why why = {""};
	struct toy_conf c;

	CU_ASSERT_EQUAL(load(TWO "runtime: {workers: [1, 2, 1], priority: 3}\n", &c, &why),
			-EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "test.yaml:4: runtime.priority is 3, must be 0 with two workers on "
			       "core 1, of which one would starve the other");
	CU_ASSERT_EQUAL_FATAL(load(TWO "runtime: {workers: [1, 2], priority: 3}\n", &c, &why), 0);
	weir_conf_free(&schema, &c);
	CU_ASSERT_EQUAL_FATAL(load(TWO "runtime: {workers: [1, 1]}\n", &c, &why), 0);
	weir_conf_free(&schema, &c);
}

static void test_what_is_wrong_is_said_with_file_and_line(void)
{
	static const struct {
		const char *text, *sentence;
	} bad[] = {
		{"log: {level: info}\n", "test.yaml: ports: there are none, name at least one"},
		{TWO "runtime: {poll: busy, priority: 1}\n",
		 "test.yaml:4: runtime.priority is 1, must be 0 with poll: busy, which would starve "
		 "the kernel's threads of the core"},
		{"ports: {a: {}}\n", "test.yaml:1: ports.a names neither, must name interface or "
				     "device, one of them"},
		{"ports: {a: {interface: x, device: y}}\n",
		 "test.yaml:1: ports.a names both, must name interface or device, one of them"},
		{"ports: {a: {interface: x, driver: af_xdp, steer: all}}\n",
		 "test.yaml:1: port a: steer is there, but only driver weir_xdp has it"},
		{"ports: {a: {interface: x, driver: weir_xdp, steer: 'all,mode=skb'}}\n",
		 "test.yaml:1: port a: steer is \"all,mode=skb\", must be words with + between"},
		{"ports: {abcdefghijklmnopqrstu: {interface: x}}\n",
		 "test.yaml:1: ports.abcdefghijklmnopqrstu: the name is longer than 20 bytes"},
		{"ports:\n  a: {interface: x}\n  b: {interface: x}\n",
		 "test.yaml:3: ports.a and ports.b both name x"},
		{"ports:\n  a:\n    interface: x\n    vlans: {4095: {}}\n",
		 "test.yaml:4: ports.a.vlans.4095 is no VLAN: 1 to 4094, or OUTER.INNER"},
		{"ports:\n  a:\n    interface: x\n    vlans: {7: {mtu: 1501}}\n",
		 "test.yaml:4: ports.a.vlans.7.mtu is 1501, more than the port's 1500"},
		{"ports:\n  a:\n    interface: x\n    vlans: {7: {mtu: 67}}\n",
		 "test.yaml:4: interface a.7: MTU 67, must be 68 or more"},
		{"ports:\n  a:\n    interface: x\n    vlans: {7: {}, 7.0: {}}\n",
		 "test.yaml:4: interfaces a.7 and a.7.0 have the same port and VLAN"},
		{TWO "routes: [{to: 10.1.0.0/16}]\n",
		 "test.yaml:4: route to 10.1.0.0/16 needs via, dev, or a kind other than gateway"},
		{TWO "routes: [{to: 10.1.0.1/16, via: 10.0.0.2}]\n",
		 "test.yaml:4: route to 10.1.0.1/16 has host bits set, write 10.1.0.0/16"},
		{TWO "routes: [{to: 10.1.0.0/16, via: 10.0.0.2, dev: c}]\n",
		 "test.yaml:4: route to 10.1.0.0/16: no port or VLAN is called c"},
		{TWO "routes: [{to: 10.1.0.0/16, via: '2001:db8::1'}]\n",
		 "test.yaml:4: route to 10.1.0.0/16: the gateway is of the other IP version"},
		{TWO "routes: [{to: 10.1.0.0/16, via: 10.0.0.1}]\n",
		 "test.yaml:4: route to 10.1.0.0/16: gateway 10.0.0.1 is on no subnet of ours, or "
		 "is ours"},
		{TWO "routes: [{to: 10.1.0.0/16, kind: blackhole, dev: a}]\n",
		 "test.yaml:4: route to 10.1.0.0/16 drops packets, so it takes no via and no dev"},
		{TWO "routes: [{to: 10.1.0.0/16, via: 10.0.0.2, mtu: 10}]\n",
		 "test.yaml:4: route to 10.1.0.0/16: mtu is 10, must be 0 or 68 to 9000"},
		{TWO "neighbours: [{dev: c, address: 10.0.0.9, mac: '02:00:00:00:00:01'}]\n",
		 "test.yaml:4: neighbour: no port or VLAN is called c"},
		{TWO "neighbours: [{dev: a, address: 10.0.0.9, mac: '01:00:00:00:00:01'}]\n",
		 "test.yaml:4: neighbour: 01:00:00:00:00:01 is no MAC address of a station"},
		{TWO "kernel_routes: true\n", "test.yaml: kernel_routes: no port has kernel: set "
					      "ports.NAME.kernel to the name of a TAP"},
		{PORT "control: {http: here}\n",
		 "test.yaml:2: control.http: \"here\" is no ADDRESS:PORT"},
		{PORT "control: {statsd: '127.0.0.1:none'}\n",
		 "test.yaml:2: control.statsd: \"127.0.0.1:none\" is no ADDRESS:PORT"},
		{"ports: {a: {interface: x, addresses: [224.0.0.1/24]}}\n",
		 "test.yaml:1: interface a: 224.0.0.1 is no address of a host"},
		{"ports:\n  a: {interface: x, addresses: [10.0.0.1/24]}\n"
		 "  b: {interface: y, addresses: [10.0.0.2/24]}\n",
		 "test.yaml:3: interfaces a and b both have 10.0.0.0/24"},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct weir_why why = {""};
		struct toy_conf c;

		CU_ASSERT_TRUE(load(bad[i].text, &c, &why) < 0);
		CU_ASSERT_STRING_EQUAL(why.text, bad[i].sentence);
		if (strcmp(why.text, bad[i].sentence) != 0)
			printf("\n  is   %s\n  want %s\n", why.text, bad[i].sentence);
	}
}

static void test_too_few_buffers_are_refused_before_any_port_is_opened(void)
{
	struct weir_why why = {""};
	struct toy_conf c;

	CU_ASSERT_EQUAL(load(PORT "runtime: {mbufs: 64}\n", &c, &why), -ERANGE);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "runtime.mbufs is 64, must be 0 or at least "));
	CU_ASSERT_EQUAL_FATAL(load(PORT "runtime: {mbufs: 65536}\n", &c, &why), 0);
	weir_conf_free(&schema, &c);
}

static void test_our_driver_is_told_which_addresses_are_ours(void)
{
	static const struct {
		const char *port, *owns;
		bool link_local;
	} ports[] = {
		{"addresses: [192.0.2.1/24]", "192.0.2.1", false},
		{"addresses: [192.0.2.1/24, '2001:db8::1/64']", "192.0.2.1+2001:db8::1", true},
		{"vlans: {7: {addresses: ['2001:db8::1/64']}}", NULL, true},
		{"addresses: [192.0.2.1/24], steer: 'kernel:host+icmp'", "192.0.2.1", false},
		{"addresses: ['2001:db8::1/64'], steer: all", NULL, false},
		{"steer: host", NULL, false},
	};
	struct weir_system_conf sys;
	struct toy_conf c;
	char text[128];

	for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		const struct weir_port_conf *p;

		snprintf(text, sizeof(text), "ports: {a: {interface: x, driver: weir_xdp, %s}}",
			 ports[i].port);
		CU_ASSERT_EQUAL_FATAL(load(text, &c, NULL), 0);
		CU_ASSERT_EQUAL_FATAL(app_sys_conf(&app, &c, &sys, NULL), 0);
		p = &sys.ports[0].conf;
		CU_ASSERT_TRUE(app_same_text(p->owns, ports[i].owns));
		CU_ASSERT_EQUAL(p->owns_link_local, ports[i].link_local);
		app_sys_free(&sys);
		weir_conf_free(&schema, &c);
	}
}

/* Whether a running "old" may follow "fresh"; the sentence if not. */
static int follow(const char *old, const char *fresh, struct weir_why *why)
{
	struct toy_conf a, b;
	int rc;

	why->text[0] = '\0';
	CU_ASSERT_EQUAL_FATAL(load(old, &a, why), 0);
	CU_ASSERT_EQUAL_FATAL(load(fresh, &b, why), 0);
	rc = app_conf_may_follow(&app, &a, &b, FILE_NAME, why);
	weir_conf_free(&schema, &a);
	weir_conf_free(&schema, &b);
	return rc;
}

static void test_a_key_of_our_driver_needs_a_restart(void)
{
	static const char *const changes[] = {"steer: all", "start_queue: 1", "hw_queues: 1",
					      "zero_copy: on", "coexist: true"};
	const char *old = "ports: {wan: {interface: eth0, driver: weir_xdp}}";
	char fresh[96], want[64];
	struct weir_why why;

	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		snprintf(fresh, sizeof(fresh),
			 "ports: {wan: {interface: eth0, driver: weir_xdp, %s}}", changes[i]);
		snprintf(want, sizeof(want), "ports.wan.%.*s has changed",
			 (int)strcspn(changes[i], ":"), changes[i]);
		CU_ASSERT_TRUE(follow(old, fresh, &why) < 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, want));
	}
}

static void test_a_key_that_needs_a_restart_is_named(void)
{
	static const struct {
		const char *fresh, *key;
	} changes[] = {
		{PORT "runtime: {workers: [2]}", "runtime.workers"},
		{PORT "runtime: {workers: [1, 1]}", "runtime.workers"},
		{PORT "runtime: {poll: busy}", "runtime.poll"},
		{PORT "runtime: {wakeup: fast}", "runtime.wakeup"},
		{PORT "runtime: {priority: 1}", "runtime.priority"},
		{PORT "runtime: {hugepages: none}", "runtime.hugepages"},
		{PORT "runtime: {burst: 32}", "runtime.burst"},
		{PORT "runtime: {mbufs: 65536}", "runtime.mbufs"},
		{PORT "runtime: {plugins: x.so}", "runtime.plugins"},
		{PORT "runtime: {eal: [--telemetry]}", "runtime.eal"},
		{PORT "limits: {neighbours: 99}", "limits.neighbours"},
		{PORT "limits: {neighbour_queue: 9}", "limits.neighbour_queue"},
		{PORT "limits: {fragments: 99}", "limits.fragments"},
		{PORT "limits: {fragment_timeout: 9s}", "limits.fragment_timeout"},
		{PORT "limits: {icmp_errors: 9pps}", "limits.icmp_errors"},
		{PORT "limits: {punt_pps: 9pps}", "limits.punt_pps"},
		{PORT "limits: {routes4: 99}", "limits.routes4"},
		{PORT "limits: {routes6: 99}", "limits.routes6"},
		{PORT "control: {socket: /tmp/x}", "control.socket"},
		{PORT "control: {http: '127.0.0.1:9'}", "control.http"},
		{PORT "control: {statsd: '127.0.0.1:9'}", "control.statsd"},
		{PORT "control: {statsd_interval: 9s}", "control.statsd_interval"},
		{"ports: {lan: {interface: eth0}}", "ports.lan.name"},
		{"ports: {wan: {interface: eth1}}", "ports.wan.interface"},
		{"ports: {wan: {device: net_null0}}", "ports.wan.interface"},
		{"ports: {wan: {interface: eth0, driver: tap}}", "ports.wan.driver"},
		{"ports: {wan: {interface: eth0, queues: 2}}", "ports.wan.queues"},
		{"ports: {wan: {interface: eth0, rxd: 64}}", "ports.wan.rxd"},
		{"ports: {wan: {interface: eth0, txd: 64}}", "ports.wan.txd"},
		{"ports: {wan: {interface: eth0, mtu: 1400}}", "ports.wan.mtu"},
		{"ports: {wan: {interface: eth0, promiscuous: true}}", "ports.wan.promiscuous"},
		{"ports: {wan: {interface: eth0, kernel: k0}}", "ports.wan.kernel"},
	};
	struct weir_why why;
	char want[64];

	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		snprintf(want, sizeof(want), " %s has changed, which needs a restart",
			 changes[i].key);
		CU_ASSERT_TRUE(follow(PORT, changes[i].fresh, &why) < 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, want));
		CU_ASSERT_TRUE(follow(changes[i].fresh, PORT, &why) < 0);
	}
	CU_ASSERT_TRUE(follow(PORT, "ports: {wan: {interface: eth0}, b: {interface: x}}", &why) <
		       0);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "ports: 2 instead of 1"));
	CU_ASSERT_TRUE(follow("ports: {wan: {interface: eth0, kernel: k0}}",
			      "ports: {wan: {interface: eth0, kernel: k0}}\nkernel_routes: true",
			      &why) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "kernel_routes has changed"));
}

static void test_addresses_vlans_routes_neighbours_and_the_log_may_change(void)
{
	struct weir_why why;

	CU_ASSERT_EQUAL(follow(PORT,
			       "ports:\n  wan: {interface: eth0, addresses: [10.0.0.1/24], "
			       "vlans: {7: {addresses: 10.0.7.1/24}}}\n"
			       "routes: [{to: 0.0.0.0/0, via: 10.0.7.2}]\n"
			       "neighbours: [{dev: wan.7, address: 10.0.7.2, mac: "
			       "'02:00:00:00:00:02'}]\n"
			       "log: {level: debug, format: json}\n",
			       &why),
			0);
	CU_ASSERT_STRING_EQUAL(why.text, "");
}

WEIR_TESTS("app/conf", TEST(a_port_alone_is_a_configuration),
	   TEST(the_manuals_limits_are_those_of_the_library),
	   TEST(workers_with_a_priority_have_a_core_each),
	   TEST(what_is_wrong_is_said_with_file_and_line),
	   TEST(too_few_buffers_are_refused_before_any_port_is_opened),
	   TEST(our_driver_is_told_which_addresses_are_ours),
	   TEST(a_key_of_our_driver_needs_a_restart), TEST(a_key_that_needs_a_restart_is_named),
	   TEST(addresses_vlans_routes_neighbours_and_the_log_may_change))
