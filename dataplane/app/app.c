/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A program's life: options, configuration, EAL, system, control, the loop, an orderly end.
 */

#include "app_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <rte_cycles.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include <weir/clock.h>
#include <weir/drop.h>
#include <weir/error.h>
#include <weir/version.h>

#include "firewall/fw_app_priv.h"

/* A worker that makes no pass for so long is stuck: it sleeps at most a second. */
#define STUCK_NS (UINT64_C(5) * WEIR_NS_PER_S)

enum { OPT_CHECK = 1, OPT_PLAN, OPT_VERSION, OPT_HELP, OPT_OFFLINE, OPT_JSON, OPT_MANUAL };

static const struct option common_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"check", no_argument, NULL, OPT_CHECK},
	{"plan", no_argument, NULL, OPT_PLAN},
	{"manual", optional_argument, NULL, OPT_MANUAL},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
};
#define N_COMMON (sizeof(common_options) / sizeof(common_options[0]))

/* Of apps that track flows. */
static const struct option offline_options[] = {
	{"offline", required_argument, NULL, OPT_OFFLINE},
	{"json", no_argument, NULL, OPT_JSON},
};
#define N_OFFLINE (sizeof(offline_options) / sizeof(offline_options[0]))

static const char offline_help[] =
	"      --offline [PORT[@MAC]=]FILE\n"
	"                     print what each packet of a capture would meet and end\n"
	"      --json         with --offline: one JSON object a line\n";

/* What the command line asks for. */
struct ask {
	int argc;
	char **argv;
	const char *path;
	bool check, plan, json;
	const char **offline; /* n_offline of them */
	unsigned n_offline;
	struct option *options; /* common ones, the app's, a zero one */
	char *letters;
};

static void usage(const struct weir_app *app, FILE *to)
{
	fprintf(to,
		"%s: %s\n\n"
		"usage: %s %s\n\n"
		"  -c, --config FILE  configuration\n"
		"      --check        check the configuration and end\n"
		"      --plan         print cores, queues and memory and end\n"
		"      --manual[=OF]  print the reference manual of config, drops or metrics and end\n"
		"      --version      print the version and end\n"
		"  -h, --help         print this and end\n"
		"%s%s\n"
		"SIGHUP reloads, SIGTERM ends, SIGUSR1 opens the log file anew.\n"
		"Status: 0 done, 1 failed while running, 2 refused (usage or configuration).\n",
		app->name, app->summary, app->name,
		app->default_conf == NULL ? "-c FILE [OPTIONS]" : "[-c FILE] [OPTIONS]",
		app->firewall_at == 0 ? "" : offline_help,
		app->options_help == NULL ? "" : app->options_help);
}

static int join_options(const struct weir_app *app, struct ask *ask)
{
	size_t n = 0, at = N_COMMON;
	char *letter;

	while (app->options != NULL && app->options[n].name != NULL)
		n++;
	ask->options = calloc(N_COMMON + N_OFFLINE + n + 1, sizeof(*ask->options));
	ask->letters = calloc(1, sizeof("+:c:h") + 2 * n);
	ask->offline = calloc((size_t)ask->argc, sizeof(*ask->offline));
	if (ask->options == NULL || ask->letters == NULL || ask->offline == NULL)
		return -ENOMEM;
	memcpy(ask->options, common_options, sizeof(common_options));
	if (app->firewall_at != 0) {
		memcpy(ask->options + at, offline_options, sizeof(offline_options));
		at += N_OFFLINE;
	}
	if (n > 0)
		memcpy(ask->options + at, app->options, n * sizeof(*ask->options));
	letter = stpcpy(ask->letters, "+:c:h");
	for (size_t i = 0; i < n; i++) {
		const struct option *o = &app->options[i];

		if (o->val < 33 || o->val > 126)
			continue;
		*letter++ = (char)o->val;
		if (o->has_arg == required_argument)
			*letter++ = ':';
	}
	return 0;
}

/* The manual of the configuration, the drop reasons or the metrics, as docs/reference has it. */
static int print_manual(const struct weir_app *app, const char *of)
{
	struct weir_run run = {.app = app};
	char *text = NULL;
	size_t len;
	int rc = -EINVAL;

	if (of == NULL || strcmp(of, "config") == 0) {
		rc = weir_conf_manual(app->schema, stdout);
	} else if (strcmp(of, "drops") == 0) {
		rc = 0;
		printf("# Drop reasons\n\n| reason | meaning | what to do |\n|---|---|---|\n");
		for (int d = 1; d < WEIR_DROPS; d++) {
			const struct weir_drop_text *t = weir_drop_text((enum weir_drop)d);

			printf("| `%s` | %s | %s |\n", t->label, t->meaning, t->remedy);
		}
	} else if (strcmp(of, "metrics") == 0) {
		rc = app_metrics_create(&run);
		if (rc == 0)
			rc = weir_metrics_manual(run.metrics, &text, &len);
		if (rc == 0)
			fputs(text, stdout);
		free(text);
		weir_metrics_free(run.metrics);
	} else {
		fprintf(stderr, "%s: --manual=%s is none of config, drops, metrics\n", app->name,
			of);
		return WEIR_EXIT_REFUSED;
	}
	return rc < 0 ? WEIR_EXIT_FAILED : WEIR_EXIT_DONE;
}

/* Whether the options go together. Returns a status to end with, or -1 to go on. */
static int check_ask(const struct weir_app *app, const struct ask *ask)
{
	if (ask->json && ask->n_offline == 0) {
		fprintf(stderr, "%s: --json goes with --offline FILE\n", app->name);
		return WEIR_EXIT_REFUSED;
	}
	if (ask->n_offline > 0 && (ask->check || ask->plan)) {
		fprintf(stderr, "%s: --offline does not go with %s\n", app->name,
			ask->check ? "--check" : "--plan");
		return WEIR_EXIT_REFUSED;
	}
	if (ask->path == NULL && app->default_conf == NULL) {
		fprintf(stderr, "%s: which configuration? -c FILE\n", app->name);
		return WEIR_EXIT_REFUSED;
	}
	return -1;
}

/* First round over the words: the common options. Returns a status to end with, or -1 to go on. */
static int read_common(const struct weir_app *app, struct ask *ask)
{
	char **argv = ask->argv;
	int val;

	opterr = 0;
	while ((val = getopt_long(ask->argc, argv, ask->letters, ask->options, NULL)) != -1) {
		if (val == 'c') {
			ask->path = optarg;
		} else if (val == OPT_CHECK) {
			ask->check = true;
		} else if (val == OPT_PLAN) {
			ask->plan = true;
		} else if (val == OPT_OFFLINE) {
			ask->offline[ask->n_offline++] = optarg;
		} else if (val == OPT_JSON) {
			ask->json = true;
		} else if (val == OPT_VERSION) {
			printf("%s %s\n", app->name, weir_version());
			return WEIR_EXIT_DONE;
		} else if (val == OPT_MANUAL) {
			return print_manual(app, optarg);
		} else if (val == OPT_HELP || val == 'h') {
			usage(app, stdout);
			return WEIR_EXIT_DONE;
		} else if (val == '?' || val == ':') {
			fprintf(stderr, "%s: %s %s; --help tells what there is\n", app->name,
				argv[optind - 1], val == ':' ? "needs a value" : "is no option");
			return WEIR_EXIT_REFUSED;
		}
	}
	if (optind < ask->argc) {
		fprintf(stderr, "%s: %s is no option; --help tells what there is\n", app->name,
			argv[optind]);
		return WEIR_EXIT_REFUSED;
	}
	return check_ask(app, ask);
}

/* Second round: the app's own options, over the configuration. */
static int read_own(const struct weir_app *app, const struct ask *ask, void *conf,
		    struct weir_why *why)
{
	int val, rc = 0;

	optind = 0; /* GNU: start over */
	while (rc == 0 &&
	       (val = getopt_long(ask->argc, ask->argv, ask->letters, ask->options, NULL)) != -1)
		if (val != 'c' && val > OPT_MANUAL && app->option != NULL)
			rc = app->option(conf, val, optarg, why);
	return rc;
}

/* The file, the options over it, and whether both make sense. */
static int load(const struct weir_app *app, const struct ask *ask, void **out, struct weir_why *why)
{
	const char *name = ask->path != NULL ? ask->path : app->name;
	void *conf;
	int rc = app_conf_load(app, ask->path, &conf, why);

	if (rc < 0)
		return rc;
	rc = read_own(app, ask, conf, why);
	if (rc == 0)
		rc = app_conf_check(app, conf, name, why);
	if (rc < 0) {
		app_conf_free(app, conf);
		return rc;
	}
	*out = conf;
	return 0;
}

/* ---- the running program ---- */

static int start_eal(struct weir_run *run, const struct weir_system_conf *sys, struct weir_why *why)
{
	const struct weir_runtime_conf *rt = &app_conf(run)->runtime;
	const char *pci[WEIR_PORTS_MAX + 1] = {NULL};
	const char *plugins[17] = {NULL}, *extra[65] = {NULL};
	struct weir_system_plan plan;
	uint64_t bytes;
	unsigned n = 0;

	weir_system_plan(sys, &plan);
	bytes = plan.bytes + (run->app->l3_at == 0 ? 0 : app_l3_bytes(run->conf));
	if (run->fw != NULL)
		bytes += fw_bytes(run->app, run->conf, sys->workers);
	for (uint16_t p = 0; p < sys->n_ports; p++) {
		const char *dev = sys->ports[p].conf.device;

		/* A PCI address has a domain of four hexadecimal digits and a colon. */
		if (dev != NULL && strspn(dev, "0123456789abcdefABCDEF") == 4 && dev[4] == ':')
			pci[n++] = dev;
	}
	if (rt->plugins.n > 0)
		memcpy(plugins, rt->plugins.items, rt->plugins.n * sizeof(plugins[0]));
	if (rt->eal.n > 0)
		memcpy(extra, rt->eal.items, rt->eal.n * sizeof(extra[0]));
	return weir_eal_init(
		&(struct weir_eal_conf){
			.program = run->app->name,
			.cores = sys->cores,
			.n_cores = sys->workers,
			.hugepages = sys->hugepages,
			.memory_mib = (uint32_t)((bytes >> 20) + 1 + WEIR_EAL_OWN_MIB),
			.pci = n > 0 ? pci : NULL,
			.plugins = plugins,
			.extra = extra,
			.verbose = app_conf(run)->log.level <= (int)WEIR_LOG_DEBUG,
		},
		why);
}

static void on_signal(void *ctx);

/* All signals that we serve come through a descriptor; workers never see one. */
static int serve_signals(struct weir_run *run, struct weir_why *why)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGPIPE); /* blocked and never read: writes say EPIPE */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return weir_why(why, -errno, "signals: %s", strerror(errno));
	sigdelset(&set, SIGPIPE);
	run->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (run->signal_fd < 0)
		return weir_why(why, -errno, "signals: %s", strerror(errno));
	return app_loop_add(run->loop, run->signal_fd, on_signal, run);
}

/* Put a configuration that was checked in force, or leave all as it is. */
static int put_in_force(struct weir_run *run, const struct weir_app_conf *fresh,
			struct weir_why *why)
{
	int rc = app_log_apply(&fresh->log, why);

	if (rc == 0 && run->l3 != NULL)
		rc = app_l3_apply(run, fresh, why);
	if (rc < 0) {
		struct weir_why back = {""};

		if (app_log_apply(&app_conf(run)->log, &back) < 0)
			weir_log_error("app", "%s", back.text);
	}
	return rc;
}

int app_reload(struct weir_run *run, struct weir_why *why)
{
	const char *name = app_conf_name(run);
	void *fresh = NULL;
	int rc;

	if (run->conf_path == NULL)
		return weir_why(why, -ENOENT, "there is no configuration file to reload");
	rc = load(run->app, run->ask, &fresh, why);
	if (rc == 0)
		rc = app_conf_may_follow(run->app, run->conf, fresh, name, why);
	if (rc == 0)
		rc = put_in_force(run, fresh, why);
	if (rc < 0) {
		app_conf_free(run->app, fresh);
		run->reloads_refused++;
		weir_log_error("app", "reload refused, the old configuration stays: %s", why->text);
		return rc;
	}
	app_conf_free(run->app, run->conf);
	run->conf = fresh;
	if (run->app->follow != NULL)
		run->app->follow(run, fresh);
	run->reloads++;
	weir_log_info("app", "reloaded %s", name);
	return 0;
}

/* systemd wants the time with it, so that it takes no older READY=1 for the end of the reload. */
static void notify_reloading(void)
{
	char state[64];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		 weir_clock_system_ns() / 1000);
	app_notify(state);
}

static void on_signal(void *ctx)
{
	struct weir_run *run = ctx;
	struct signalfd_siginfo si;
	struct weir_why why;

	while (read(run->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGHUP) {
			notify_reloading();
			app_reload(run, &why); /* logged there */
			app_notify("READY=1");
		} else if (si.ssi_signo == SIGUSR1) {
			fw_records_reopen(run->fw);
			if (weir_log_reopen() == 0)
				weir_log_info("app", "log file opened anew");
		} else {
			weir_log_info("app", "%s: ending", strsignal((int)si.ssi_signo));
			weir_run_end(run, WEIR_EXIT_DONE);
		}
	}
}

bool app_healthy(struct weir_run *run, char *text, size_t len)
{
	const uint64_t now_ns = weir_run_now_ns(run);

	for (uint16_t w = 0; w < weir_system_workers(run->system); w++) {
		struct weir_engine_stats st;

		weir_engine_stats(weir_system_engine(run->system, w), &st);
		if (st.passes != run->passes[w] || run->passes_ns[w] == 0) {
			run->passes[w] = st.passes;
			run->passes_ns[w] = now_ns;
		} else if (now_ns - run->passes_ns[w] > STUCK_NS) {
			snprintf(text, len, "worker %u makes no passes\n", w);
			return false;
		}
	}
	snprintf(text, len, "ok\n");
	return true;
}

bool app_ready(struct weir_run *run, char *text, size_t len)
{
	if (run->draining) {
		snprintf(text, len, "ending\n");
		return false;
	}
	for (uint16_t p = 0; p < weir_system_ports(run->system); p++) {
		struct weir_port *port = weir_system_port(run->system, p);

		if (!port->ops->link_up(port)) {
			snprintf(text, len, "port %s is down\n", port->name);
			return false;
		}
	}
	return app_healthy(run, text, len);
}

static int open_all(struct weir_run *run, struct weir_system_conf *sys, struct weir_why *why)
{
	const struct weir_app *app = run->app;
	int rc;

	app_keep_heap();
	rc = app_loop_create(&run->loop, why);
	if (rc == 0)
		rc = serve_signals(run, why);
	if (rc == 0 && app_conf(run)->runtime.wakeup == WEIR_WAKEUP_FAST)
		rc = app_hold_awake(APP_LATENCY_DEVICE, &run->awake_fd, why);
	if (rc == 0 && app->firewall_at != 0)
		rc = fw_create(run, run->conf, why);
	if (rc == 0 && run->fw != NULL)
		sys->tracker = fw_sizes(run->fw);
	if (rc == 0)
		rc = start_eal(run, sys, why);
	if (rc < 0)
		return rc;
	run->eal = true;
	weir_clock_init(&run->clock);
	if (app->prepare != NULL)
		rc = app->prepare(run, run->conf, sys, why);
	if (rc == 0)
		rc = weir_system_create(sys, &run->system, why);
	if (rc == 0)
		run->clock = *weir_system_clock(run->system); /* one clock for all */
	if (rc == 0 && app->l3_at != 0)
		rc = app_l3_create(run, why);
	if (rc == 0)
		rc = app_metrics_create(run);
	if (rc == 0)
		rc = app_ctl_create(run, why);
	if (rc == 0 && run->l3 != NULL)
		rc = app_l3_register(run);
	if (rc == 0 && run->fw != NULL)
		rc = fw_register(run);
	if (rc == 0 && run->fw != NULL)
		rc = fw_records_start(run->fw, why);
	if (rc == 0 && run->fw != NULL)
		rc = fw_push_start(run->fw, why);
	if (rc == 0)
		rc = app_trace_create(run);
	if (rc == 0)
		rc = app_http_create(run, why);
	if (rc == 0)
		rc = app_statsd_create(run, why);
	if (rc == 0 && app->start != NULL)
		rc = app->start(run, run->conf, why);
	if (rc == 0)
		rc = weir_system_start(run->system, why);
	if (rc == 0 && run->l3 != NULL)
		rc = app_l3_start(run, why);
	if (rc == 0 && app->begin != NULL)
		rc = app->begin(run, why);
	return rc;
}

static void close_all(struct weir_run *run)
{
	fw_push_stop(run->fw);
	if (run->system != NULL)
		weir_system_stop(run->system); /* they use all that follows */
	fw_records_stop(run->fw);
	if (run->app->done != NULL)
		run->app->done(run);
	app_trace_free(run->trace);
	app_statsd_free(run->statsd);
	app_http_free(run->http);
	weir_ctl_server_free(run->ctl);
	weir_metrics_free(run->metrics);
	app_l3_stop(run->l3);
	weir_system_free(run->system); /* frees the last generation, which needs the table */
	run->system = NULL;
	app_l3_free(run->l3);
	fw_free(run->fw);
	app_loop_free(run->loop);
	if (run->signal_fd >= 0)
		close(run->signal_fd);
	if (run->awake_fd >= 0)
		close(run->awake_fd);
	if (run->eal)
		weir_eal_done();
}

/* What every program says at its end: ports, and what was dropped. */
static void print_summary(struct weir_run *run, FILE *to)
{
	struct weir_system *s = run->system;

	fprintf(to, "\n%-16s %16s %16s %12s %12s\n", "port", "received", "sent", "missed",
		"errors");
	for (uint16_t p = 0; p < weir_system_ports(s); p++) {
		struct weir_port *port = weir_system_port(s, p);
		struct weir_port_stats st = {0};

		port->ops->stats(port, &st);
		fprintf(to, "%-16s %16" PRIu64 " %16" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n",
			port->name, st.rx_pkts, st.tx_pkts, st.rx_missed + st.rx_no_mbuf,
			st.rx_errors + st.tx_errors);
	}
	for (int d = 1; d < WEIR_DROPS; d++) {
		uint64_t n = 0;

		for (uint16_t w = 0; w < weir_system_workers(s); w++)
			n += weir_counted(
				&weir_engine_shard(weir_system_engine(s, w))->counters.drops[d]);
		if (n > 0)
			fprintf(to, "dropped %12" PRIu64 "  %s: %s\n", n,
				weir_drop_text((enum weir_drop)d)->label,
				weir_drop_text((enum weir_drop)d)->meaning);
	}
	if (run->app->summary_print != NULL)
		run->app->summary_print(run, to);
	fflush(to);
}

static int run_app(struct weir_run *run, struct weir_system_conf *sys)
{
	struct weir_why why = {""};
	struct timespec ts;
	int rc;

	rc = app_log_apply(&app_conf(run)->log, &why);
	if (rc == 0)
		rc = open_all(run, sys, &why);
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", run->app->name,
			why.text[0] != '\0' ? why.text : weir_error_text(rc));
		close_all(run);
		return WEIR_EXIT_FAILED;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	run->started_ns = (uint64_t)ts.tv_sec * WEIR_NS_PER_S + (uint64_t)ts.tv_nsec;
	weir_log_info("app", "%s %s is running: %u workers, %u ports", run->app->name,
		      weir_version(), weir_system_workers(run->system),
		      weir_system_ports(run->system));
	app_notify("READY=1");
	app_loop_run(run->loop, &run->ended);
	app_notify("STOPPING=1");
	run->draining = true;
	weir_system_stop(run->system);
	print_summary(run, stdout);
	close_all(run);
	return run->status;
}

/* --check, of a configuration that was loaded. */
static int check_only(struct weir_run *run)
{
	struct weir_why why = {""};

	if (run->app->firewall_at != 0 && fw_check(run, run->conf, stdout, &why) < 0) {
		fprintf(stderr, "%s: %s\n", run->app->name, why.text);
		return WEIR_EXIT_REFUSED;
	}
	printf("%s: ok\n", app_conf_name(run));
	return WEIR_EXIT_DONE;
}

/* --offline. */
static int judge_captures(struct weir_run *run, const struct weir_system_conf *sys)
{
	const struct fw_offline_ask what = {
		.files = run->ask->offline, .n = run->ask->n_offline, .json = run->ask->json};
	struct weir_why why = {""};
	const int status = fw_offline(run, sys, &what, &why);

	if (status != WEIR_EXIT_DONE)
		fprintf(stderr, "%s: %s\n", run->app->name, why.text);
	return status;
}

int weir_app_main(const struct weir_app *app, int argc, char **argv)
{
	struct weir_system_conf sys = {0};
	struct weir_why why = {""};
	struct ask ask = {.argc = argc, .argv = argv};
	struct weir_run run = {.app = app, .ask = &ask, .signal_fd = -1, .awake_fd = -1};
	int status, rc;

	if (join_options(app, &ask) < 0)
		return WEIR_EXIT_FAILED;
	status = read_common(app, &ask);
	if (status < 0) {
		rc = load(app, &ask, &run.conf, &why);
		if (rc == 0)
			rc = app_sys_conf(app, run.conf, &sys, &why);
		run.conf_path = ask.path;
		if (rc < 0) {
			fprintf(stderr, "%s: %s\n", app->name, why.text);
			status = WEIR_EXIT_REFUSED;
		} else if (ask.check) {
			status = check_only(&run);
		} else if (ask.plan) {
			app_plan_print(app, run.conf, &sys, stdout);
			status = WEIR_EXIT_DONE;
		} else if (ask.n_offline > 0) {
			status = judge_captures(&run, &sys);
		} else {
			status = run_app(&run, &sys);
		}
	}
	app_sys_free(&sys);
	app_conf_free(app, run.conf);
	free(ask.offline);
	free(ask.options);
	free(ask.letters);
	return status;
}

struct weir_system *weir_run_system(const struct weir_run *run)
{
	return run->system;
}

struct weir_ctl_server *weir_run_ctl(const struct weir_run *run)
{
	return run->ctl;
}

struct weir_metrics *weir_run_metrics(const struct weir_run *run)
{
	return run->metrics;
}

const void *weir_run_conf(const struct weir_run *run)
{
	return run->conf;
}

uint64_t weir_run_now_ns(const struct weir_run *run)
{
	return run->past != NULL ? run->past->now_ns : weir_clock_now_ns(&run->clock);
}

void *weir_run_state(const struct weir_run *run)
{
	return run->state;
}

void weir_run_set_state(struct weir_run *run, void *state)
{
	run->state = state;
}

void weir_run_end(struct weir_run *run, int status)
{
	run->status = status;
	run->ended = true;
}

int weir_run_watch(struct weir_run *run, int fd, void (*ready)(void *ctx), void *ctx)
{
	return app_loop_add(run->loop, fd, ready, ctx);
}

void weir_run_unwatch(struct weir_run *run, int fd)
{
	app_loop_del(run->loop, fd);
}
