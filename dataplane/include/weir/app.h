/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What every program of weir has in common: a configuration file, a system of workers, a control
 * socket, a management address, signals, and an orderly end.
 *
 * An app is an array of nodes and a struct weir_app; its main() is one call.
 */

#include <getopt.h>
#include <weir/conf.h>
#include <weir/ctl.h>
#include <weir/metrics.h>
#include <weir/must_check.h>
#include <weir/system.h>
#include <weir/why.h>

/** What ends a program, as its exit status. */
enum weir_exit {
	WEIR_EXIT_DONE = 0,    /**< it was asked to end, or had no more to do */
	WEIR_EXIT_FAILED = 1,  /**< while running */
	WEIR_EXIT_REFUSED = 2, /**< usage or configuration */
};

/** How fast a sleeping worker is to wake. */
enum weir_wakeup {
	WEIR_WAKEUP_SAVING, /**< as the host has it set */
	WEIR_WAKEUP_FAST,   /**< no core sleeps deeply (PM QoS), at the cost of power */
};

/** runtime: */
struct weir_runtime_conf {
	struct weir_conf_at at;	       /**< the section's line */
	struct weir_conf_list workers; /**< uint64_t: cores */
	int poll;		       /**< enum weir_poll_mode */
	uint64_t gather;	       /**< ns that packets gather behind several; 0: none */
	int wakeup;		       /**< enum weir_wakeup */
	uint64_t priority;	       /**< SCHED_FIFO's of the workers; 0: none */
	int hugepages;		       /**< enum weir_hugepages */
	uint64_t burst;		       /**< packets taken from a queue at once */
	uint64_t mbufs;		       /**< packet buffers in all; 0: by the arithmetic of --plan */
	struct weir_conf_list plugins; /**< char *: DPDK drivers to load */
	struct weir_conf_list eal;     /**< char *: further arguments for DPDK */
};

/** ports.NAME.vlans.ID: */
struct weir_vlan_conf {
	char *name;			 /**< "100", or "100.200" for a VLAN in a VLAN */
	struct weir_conf_at at;		 /**< the VLAN's line */
	struct weir_conf_list addresses; /**< struct weir_prefix */
	uint64_t mtu;			 /**< largest IP packet, bytes; 0: that of the port */
};

/** ports.NAME: */
struct weir_app_port_conf {
	char *name;		/**< the operator's name for it, in routes, metrics and weirctl */
	struct weir_conf_at at; /**< the port's line */
	char *interface;	/**< a Linux device; NULL: device is given */
	char *device;		/**< a DPDK device; NULL: interface is given */
	int driver; /**< how interface is taken: index in auto, weir_xdp, af_xdp, af_packet, tap */
	uint64_t queues;      /**< receive queues; workers share them evenly */
	uint64_t rxd;	      /**< descriptors of a receive queue; 0: WEIR_PORT_DESCS_DEFAULT */
	uint64_t txd;	      /**< descriptors of a transmit queue; 0: WEIR_PORT_DESCS_DEFAULT */
	uint64_t mtu;	      /**< largest IP packet, bytes */
	bool promiscuous;     /**< take frames for any MAC address */
	char *steer;	      /**< weir_xdp: what comes to us; NULL: the default */
	uint64_t start_queue; /**< weir_xdp: the first hardware queue */
	uint64_t hw_queues;   /**< weir_xdp: how many from there; 0: all */
	int zero_copy;	      /**< weir_xdp: enum weir_port_zero_copy */
	bool coexist;	      /**< weir_xdp: share the interface with other XDP programs */
	char *kernel;	      /**< name of the TAP by which the kernel sees it; NULL: none */
	uint64_t dad;	      /**< probes of an IPv6 address; 0: no address is probed */
	bool slaac;	      /**< addresses and default routes by router advertisements */
	int interface_id;     /**< their second half: index in stable, eui64 */
	bool optimistic;      /**< use addresses while they are probed */
	struct weir_conf_list addresses; /**< struct weir_prefix */
	struct weir_conf_list vlans;	 /**< struct weir_vlan_conf */
};

/** limits: */
struct weir_limits_conf {
	struct weir_conf_at at;	   /**< the section's line */
	uint64_t neighbours;	   /**< entries of a worker's neighbour table */
	uint64_t neighbour_queue;  /**< packets that wait for one neighbour */
	uint64_t fragments;	   /**< datagrams that a worker puts together at a time */
	uint64_t fragment_timeout; /**< ns that a datagram waits for its other fragments */
	uint64_t icmp_errors;	   /**< ICMP errors and RSTs a second from a worker */
	uint64_t punt_pps;	   /**< packets a second from a worker to the kernel */
	uint64_t routes4;	   /**< IPv4 prefixes, our own included */
	uint64_t routes6;	   /**< IPv6 prefixes, our own included */
};

/** control: */
struct weir_control_conf {
	struct weir_conf_at at; /**< the section's line */
	char *socket;		/**< path of the control socket; none: /run/weir/NAME.sock */
	char *http;   /**< ADDRESS:PORT of /metrics, /health and /ready; NULL or empty: none */
	char *statsd; /**< ADDRESS:PORT of a StatsD server; NULL or empty: none */
	uint64_t statsd_interval; /**< ns from one sending to the next */
};

/** log: */
struct weir_log_conf {
	struct weir_conf_at at; /**< the section's line */
	int level;		/**< enum weir_log_level: the lowest that is logged */
	int format;		/**< enum weir_log_format */
	char *to;		/**< as weir_log_sink_parse() takes it */
};

/** routes: */
struct weir_route_conf {
	struct weir_conf_at at;	   /**< the route's line */
	struct weir_prefix to;	   /**< the destination; host bits must be 0 */
	struct weir_conf_list via; /**< struct weir_addr; more than one: ECMP */
	char *dev;		   /**< interface: "lan", "lan.100" */
	int kind;		   /**< index in gateway, blackhole, unreachable, prohibit */
	uint64_t metric;	   /**< the lower one wins among those of one prefix */
	uint64_t mtu;		   /**< largest IP packet, bytes; 0: that of the interface */
};

/** neighbours: */
struct weir_neighbour_conf {
	struct weir_conf_at at;	  /**< the neighbour's line */
	char *dev;		  /**< interface: "lan", "lan.100" */
	struct weir_addr address; /**< IPv4 or IPv6 */
	struct weir_mac mac;	  /**< where its packets go; never asked for */
};

/** The sections that every app has; the first member of each app's own configuration. */
struct weir_app_conf {
	struct weir_runtime_conf runtime; /**< cores, polling, memory; a change needs a restart */
	struct weir_conf_list ports;	  /**< struct weir_app_port_conf */
	struct weir_limits_conf limits;	  /**< sizes of tables; a change needs a restart */
	struct weir_control_conf control; /**< sockets; a change needs a restart */
	struct weir_log_conf log;	  /**< applied by a reload too */
};

/** The sections of apps with layer 3. */
struct weir_l3_conf {
	struct weir_conf_list routes;	  /**< struct weir_route_conf */
	struct weir_conf_list neighbours; /**< struct weir_neighbour_conf */
	bool kernel_routes;		  /**< mirror the kernel's routes and neighbours */
};

/** The schema of struct weir_runtime_conf. */
extern const struct weir_conf_schema weir_runtime_schema;
/** The schema of struct weir_app_port_conf. */
extern const struct weir_conf_schema weir_port_schema;
/** The schema of struct weir_limits_conf. */
extern const struct weir_conf_schema weir_limits_schema;
/** The schema of struct weir_control_conf. */
extern const struct weir_conf_schema weir_control_schema;
/** The schema of struct weir_log_conf. */
extern const struct weir_conf_schema weir_log_schema;
/** The schema of struct weir_route_conf. */
extern const struct weir_conf_schema weir_route_schema;
/** The schema of struct weir_neighbour_conf. */
extern const struct weir_conf_schema weir_neighbour_schema;

/** The keys of struct weir_app_conf, where it is the member `app` of @p of. */
#define WEIR_APP_CONF_KEYS(of)                                                              \
	{WEIR_CONF_KEY_NAMED("runtime", of, app.runtime), .type = WEIR_CONF_RECORD,         \
	 .sub = &weir_runtime_schema, .doc = "Cores, polling, memory."},                    \
		{WEIR_CONF_KEY_NAMED("ports", of, app.ports),                               \
		 .type = WEIR_CONF_RECORD,                                                  \
		 .many = WEIR_CONF_MAP,                                                     \
		 .sub = &weir_port_schema,                                                  \
		 .max_items = WEIR_PORTS_MAX,                                               \
		 .doc = "Where packets come from and go to, by names of your own."},        \
		{WEIR_CONF_KEY_NAMED("limits", of, app.limits), .type = WEIR_CONF_RECORD,   \
		 .sub = &weir_limits_schema,                                                \
		 .doc = "Sizes of tables; a full one is a counted drop."},                  \
		{WEIR_CONF_KEY_NAMED("control", of, app.control), .type = WEIR_CONF_RECORD, \
		 .sub = &weir_control_schema,                                               \
		 .doc = "How the running program is watched and steered."},                 \
	{                                                                                   \
		WEIR_CONF_KEY_NAMED("log", of, app.log),                                    \
			.type = WEIR_CONF_RECORD, .sub = &weir_log_schema,                  \
			.doc = "What is logged, how and where to."                          \
	}

/** The keys of struct weir_l3_conf, where it is the member `l3` of @p of. */
#define WEIR_L3_CONF_KEYS(of)                                                                    \
	{WEIR_CONF_KEY_NAMED("routes", of, l3.routes), .type = WEIR_CONF_RECORD,                 \
	 .many = WEIR_CONF_LIST, .sub = &weir_route_schema, .doc = "Static routes."},            \
		{WEIR_CONF_KEY_NAMED("neighbours", of, l3.neighbours), .type = WEIR_CONF_RECORD, \
		 .many = WEIR_CONF_LIST, .sub = &weir_neighbour_schema,                          \
		 .doc = "MAC addresses that are not asked for by ARP or ND."},                   \
	{                                                                                        \
		WEIR_CONF_KEY_NAMED("kernel_routes", of, l3.kernel_routes),                      \
			.type = WEIR_CONF_BOOL, .def = "false",                                  \
			.doc = "Follow the kernel's main routing table and its neighbours, so "  \
			       "that BIRD or FRR can drive the forwarding. Needs "               \
			       "ports.NAME.kernel."                                              \
	}

struct weir_run;

/** A program. Constant. Hooks are called by the control thread; NULL: none. */
struct weir_app {
	const char *name;    /**< "weir-router" */
	const char *summary; /**< one line for --help */
	const struct weir_conf_schema
		*schema;    /**< of a struct that begins with weir_app_conf app */
	size_t l3_at;	    /**< offset of the struct weir_l3_conf; 0: no layer 3 */
	size_t firewall_at; /**< offset of the struct weir_firewall_conf; 0: flows are not tracked
			     */
	const struct weir_node_ops *const *path; /**< NULL: prepare() sets a callback */
	/** In its place with firewall.stateless; NULL: that is refused. */
	const struct weir_node_ops *const *stateless_path;
	/** Further options (val above 255), ended by a zero one; NULL: none. */
	const struct option *options;
	const char *options_help; /**< their lines for --help, each with its newline */
	const char *default_conf; /**< YAML in force without -c; NULL: -c is required */
	/** An option of ours. @p conf may be changed. @return 0 or -errno with a sentence. */
	int (*option)(void *conf, int val, const char *arg, struct weir_why *why);
	/** Checks beyond the schema. @p file for weir_conf_fail(). Also before a reload. */
	int (*check)(const void *conf, const char *file, struct weir_why *why);
	/** Packet buffers that a worker's stack may hold, for the arithmetic of memory. */
	uint32_t (*held)(const void *conf);
	/** Complete the system's conf: callbacks, contexts. */
	int (*prepare)(struct weir_run *run, const void *conf, struct weir_system_conf *sys,
		       struct weir_why *why);
	/** Add tables to weir_run_metrics(). For --manual=metrics too, when the run has no state
	 * yet. */
	int (*metrics)(struct weir_run *run);
	/** All is open, nothing runs yet: register commands. */
	int (*start)(struct weir_run *run, const void *conf, struct weir_why *why);
	/** A reload is in force: heed the keys of our own that are live. NULL: there are none. */
	void (*follow)(struct weir_run *run, const void *conf);
	/** The workers run. When it returns, /ready may say so. */
	int (*begin)(struct weir_run *run, struct weir_why *why);
	/** Workers have stopped: say what they did. */
	void (*summary_print)(struct weir_run *run, FILE *to);
	/** Free what prepare and start made. Also called after they failed. */
	void (*done)(struct weir_run *run);
};

/** Run a program: options, configuration, everything, until it is told to end. @return status. */
WEIR_MUST_CHECK int weir_app_main(const struct weir_app *app, int argc, char **argv);

/* For hooks, the control thread: */

/** The system of a running program. It stays the program's. */
struct weir_system *weir_run_system(const struct weir_run *run);
struct weir_ctl_server *weir_run_ctl(const struct weir_run *run); /**< NULL: no socket configured */
/** Its metrics, to add tables to. */
struct weir_metrics *weir_run_metrics(const struct weir_run *run);
/** The configuration in force, a struct of app.schema; another one after a reload. */
const void *weir_run_conf(const struct weir_run *run);
/** Nanoseconds on the clock of the workers' passes. */
uint64_t weir_run_now_ns(const struct weir_run *run);
/** The app's own state. */
void *weir_run_state(const struct weir_run *run);
/** Keep the app's own state, for weir_run_state(). */
void weir_run_set_state(struct weir_run *run, void *state);
/** Ask the program to end with a status. */
void weir_run_end(struct weir_run *run, int status);
/** Call @p ready when @p fd is readable; fd -1: call it about every 100 ms. @return 0 or -errno. */
WEIR_MUST_CHECK int weir_run_watch(struct weir_run *run, int fd, void (*ready)(void *ctx),
				   void *ctx);
/** Stop watching a descriptor. */
void weir_run_unwatch(struct weir_run *run, int fd);
