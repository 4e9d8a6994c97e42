/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the parts of a running program share. All of it belongs to the control thread. */

#include <stdbool.h>
#include <stdint.h>
#include <weir/app.h>
#include <weir/firewall.h>
#include <weir/log.h>

struct app_http;
struct app_l3;
struct app_loop;
struct app_statsd;
struct app_trace;
struct ask;
struct fw;

/* How busy a worker was lately; kept by app_metrics.c. */
struct app_load {
	uint64_t busy_cycles, tsc; /* at its last reading */
	double busy;		   /* 0 to 1, of the second before it */
};

/* What time it is in a capture that is judged: passes' clock, and what makes it one since 1970. */
struct app_past {
	uint64_t now_ns, epoch_ns;
};

struct weir_run {
	const struct weir_app *app;
	const struct ask *ask; /* the command line; a reload reads its options again */
	const char *conf_path; /* NULL: default_conf */
	void *conf;	       /* in force; begins with struct weir_app_conf */
	void *state;
	struct weir_clock clock;
	const struct app_past *past; /* NULL: the clock is the clock */
	struct weir_system *system;
	struct weir_metrics *metrics;
	struct weir_ctl_server *ctl;
	char ctl_path[108];
	struct app_loop *loop;
	struct app_l3 *l3; /* NULL: an app without layer 3 */
	struct fw *fw;	   /* NULL: an app that tracks no flows */
	struct app_http *http;
	struct app_statsd *statsd;
	struct app_trace *trace;
	uint64_t started_ns; /* CLOCK_REALTIME */
	uint64_t reloads, reloads_refused;
	int signal_fd;
	int awake_fd; /* app_hold_awake(); -1: cores may sleep as the host lets them */
	bool eal;     /* begun */
	bool ended, draining;
	int status;
	/* /health: the passes that each worker had made, and when they last rose. */
	uint64_t passes[WEIR_WORKERS_MAX];
	uint64_t passes_ns[WEIR_WORKERS_MAX];
	struct app_load load[WEIR_WORKERS_MAX];
};

static inline const struct weir_app_conf *app_conf(const struct weir_run *run)
{
	return run->conf;
}

static inline const struct weir_l3_conf *app_l3_conf(const struct weir_app *app, const void *conf)
{
	return (const struct weir_l3_conf *)((const char *)conf + app->l3_at);
}

static inline const struct weir_firewall_conf *app_fw_conf(const struct weir_app *app,
							   const void *conf)
{
	return (const struct weir_firewall_conf *)((const char *)conf + app->firewall_at);
}

/* app_conf_port.c */
bool app_same_text(const char *a, const char *b);
/* Whether what it says of its device makes sense. */
int app_port_check(const struct weir_app_port_conf *p, const char *file, struct weir_why *why);
/* Whether Linux, with IPv6 addresses of its own, keeps advertisements of routers to itself. */
bool app_port_keeps_routers(const struct weir_app_port_conf *p);
/* A port as the system takes it; conf.owns is allocated. */
int app_port_conf(const struct weir_app_port_conf *from, struct weir_system_port *to,
		  struct weir_why *why);
/* Whether a reload may change it so; the sentence names what needs a restart. */
int app_port_may_follow(const struct weir_app_port_conf *old,
			const struct weir_app_port_conf *fresh, const char *file,
			struct weir_why *why);

/* app_conf_load.c */
int app_conf_load(const struct weir_app *app, const char *path, void **out, struct weir_why *why);
void app_conf_free(const struct weir_app *app, void *conf);
const char *app_conf_name(const struct weir_run *run);
/* Checks beyond the schema that all apps share. */
int app_conf_check(const struct weir_app *app, const void *conf, const char *file,
		   struct weir_why *why);
/* Whether a reload may go from one to the other; the sentence names the key that needs a restart.
 */
int app_conf_may_follow(const struct weir_app *app, const void *old, const void *fresh,
			const char *file, struct weir_why *why);
int app_log_apply(const struct weir_log_conf *conf, struct weir_why *why);
/* The system's conf from the file's; cores and ports are allocated, freed by app_sys_free(). */
int app_sys_conf(const struct weir_app *app, const void *conf, struct weir_system_conf *out,
		 struct weir_why *why);
void app_sys_free(struct weir_system_conf *sys);
void app_plan_print(const struct weir_app *app, const void *conf,
		    const struct weir_system_conf *sys, FILE *to);

/* app_loop.c: descriptors, signals, ticks. */
int app_loop_create(struct app_loop **out, struct weir_why *why);
void app_loop_free(struct app_loop *l);
int app_loop_add(struct app_loop *l, int fd, void (*ready)(void *ctx), void *ctx);
void app_loop_del(struct app_loop *l, int fd);
/* Wait and call whoever is ready, until the run has ended. */
void app_loop_run(struct app_loop *l, const bool *ended);

/* app_l3*.c: interfaces, routes and neighbours from the configuration to a generation. */
int app_l3_check(const struct weir_app *app, const void *conf, const char *file,
		 struct weir_why *why);
uint64_t app_l3_bytes(const void *conf);
int app_l3_create(struct weir_run *run, struct weir_why *why);
/* Publish what a configuration says; on error the former one stays in force. */
int app_l3_apply(struct weir_run *run, const void *conf, struct weir_why *why);
int app_l3_start(struct weir_run *run, struct weir_why *why); /* following the kernel */
void app_l3_stop(struct app_l3 *l3); /* following the kernel; NULL is allowed */
void app_l3_free(struct app_l3 *l3);
/* The policy in force; NULL: none yet. NULL is allowed. */
struct weir_policy *app_l3_policy(const struct app_l3 *l3);
int app_l3_register(struct weir_run *run);
int app_autoconf_metrics(struct weir_run *run);

/* app_ctl.c, app_metrics.c, app_http.c, app_statsd.c, app_trace.c */
int app_ctl_create(struct weir_run *run, struct weir_why *why);
int app_metrics_create(struct weir_run *run);
int app_http_create(struct weir_run *run, struct weir_why *why);
void app_http_free(struct app_http *h);
int app_statsd_create(struct weir_run *run, struct weir_why *why);
void app_statsd_free(struct app_statsd *s);
int app_trace_create(struct weir_run *run);
void app_trace_free(struct app_trace *t);

/* app.c */
int app_reload(struct weir_run *run, struct weir_why *why);
/* Whether every worker makes passes; false names the first that does not. */
bool app_healthy(struct weir_run *run, char *text, size_t len);
bool app_ready(struct weir_run *run, char *text, size_t len);

/* app_host.c */

/* The heap keeps what is freed, for the next reload. Giving it back to the kernel interrupts every
 * core with a thread of ours (TLB shootdown): 1,000 times for a reload of 10,000 rules. Before any
 * other thread. */
void app_keep_heap(void);

/* Keep idle cores from deep sleep until *fd is closed, as the kernel's PM QoS has it; @device is
 * APP_LATENCY_DEVICE. @return 0 or -errno. */
#define APP_LATENCY_DEVICE "/dev/cpu_dma_latency"
int app_hold_awake(const char *device, int *fd, struct weir_why *why);

/* Tell systemd (sd_notify(3)); nothing happens without NOTIFY_SOCKET. */
void app_notify(const char *state);

/* "127.0.0.1:9180", "[::1]:9180": an address of the host. NULL and "": none, *len is 0. */
struct sockaddr_storage;
int app_address(const char *text, struct sockaddr_storage *out, unsigned *len,
		struct weir_why *why);
