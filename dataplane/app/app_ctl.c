/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The control socket of a running program: its server, the audit log, and the commands that steer
 * the program or print what is in force. What only shows counters is in app_ctl_show.c.
 */

#include "app_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/error.h>
#include <weir/version.h>

#include "app_show_priv.h"

#define RUN_DIR	    "/run/weir"
#define SOCKET_MODE 0660
#define PREFIX	    "weir-"

/* ---- text as JSON ---- */

/* Have print() write, and make one JSON string of it. */
static int text_of(int (*print)(const struct weir_run *run, FILE *to, struct weir_why *why),
		   const struct weir_run *run, json_t **reply, struct weir_why *why)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int rc;

	if (f == NULL)
		return -ENOMEM;
	rc = print(run, f, why);
	if (fclose(f) != 0 && rc == 0)
		rc = -ENOMEM;
	if (rc == 0) {
		*reply = json_stringn(text, len);
		rc = *reply == NULL ? -ENOMEM : 0;
	}
	free(text);
	return rc;
}

static int print_plan(const struct weir_run *run, FILE *to, struct weir_why *why)
{
	struct weir_system_conf sys = {0};
	const int rc = app_sys_conf(run->app, run->conf, &sys, why);

	if (rc == 0)
		app_plan_print(run->app, run->conf, &sys, to);
	app_sys_free(&sys);
	return rc;
}

static int print_conf(const struct weir_run *run, FILE *to, struct weir_why *why)
{
	return weir_conf_dump(run->app->schema, run->conf, to);
}

/* ---- commands ---- */

static int cmd_plan(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		    struct weir_why *why)
{
	const int rc = app_args(request, why, "{}");

	return rc < 0 ? rc : text_of(print_plan, ctx, reply, why);
}

static int cmd_config(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		      struct weir_why *why)
{
	const int rc = app_args(request, why, "{}");

	return rc < 0 ? rc : text_of(print_conf, ctx, reply, why);
}

static int cmd_version(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		       struct weir_why *why)
{
	const struct weir_run *run = ctx;
	const int rc = app_args(request, why, "{}");

	if (rc < 0)
		return rc;
	*reply = json_pack("{s:s, s:s}", "name", run->app->name, "version", weir_version());
	return *reply == NULL ? -ENOMEM : 0;
}

static int cmd_reload(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		      struct weir_why *why)
{
	struct weir_run *run = ctx;
	const struct weir_gen *gen;
	int rc = app_args(request, why, "{}");

	if (rc == 0)
		rc = app_reload(run, why);
	if (rc < 0)
		return rc;
	gen = weir_gens_current(weir_system_gens(run->system));
	*reply = json_pack("{s:I}", "generation", gen == NULL ? (json_int_t)0 : gen->number);
	return *reply == NULL ? -ENOMEM : 0;
}

static int cmd_log_level(void *ctx, const struct weir_ctl_request *request, json_t **reply,
			 struct weir_why *why)
{
	const char *name = NULL, *module = NULL;
	enum weir_log_level level;
	int rc = app_args(request, why, "{s?s, s?s}", "level", &name, "module", &module);

	if (rc < 0)
		return rc;
	if (name != NULL && weir_log_level_parse(name, &level) < 0)
		return weir_why(why, -EINVAL,
				"%s is no level: trace, debug, info, warn, error, fatal or off",
				name);
	if (name != NULL)
		rc = weir_log_set_level(module, level);
	if (rc < 0)
		return weir_why(why, rc, "cannot set the level of %s: %s",
				module == NULL ? "all modules" : module, weir_error_text(rc));
	*reply = json_pack("{s:s, s:s*}", "level", weir_log_level_name(weir_log_get_level(module)),
			   "module", module);
	return *reply == NULL ? -ENOMEM : 0;
}

static int metrics_text(const struct weir_metrics_snapshot *s, enum weir_metrics_dialect dialect,
			json_t **reply)
{
	char *text;
	size_t len;
	int rc = weir_metrics_text(s, dialect, &text, &len);

	if (rc < 0)
		return rc;
	*reply = json_stringn(text, len);
	free(text);
	return *reply == NULL ? -ENOMEM : 0;
}

static int cmd_metrics(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		       struct weir_why *why)
{
	const struct weir_run *run = ctx;
	struct weir_metrics_snapshot *s;
	const char *format = "json";
	int rc = app_args(request, why, "{s?s}", "format", &format);

	if (rc < 0)
		return rc;
	if (strcmp(format, "json") != 0 && strcmp(format, "prometheus") != 0 &&
	    strcmp(format, "openmetrics") != 0)
		return weir_why(why, -EINVAL,
				"metrics: format is %s, must be json, prometheus or openmetrics",
				format);
	rc = weir_metrics_snapshot(run->metrics, &s);
	if (rc < 0)
		return rc;
	if (strcmp(format, "json") == 0)
		rc = weir_metrics_json(s, reply);
	else if (strcmp(format, "prometheus") == 0)
		rc = metrics_text(s, WEIR_METRICS_PROMETHEUS, reply);
	else
		rc = metrics_text(s, WEIR_METRICS_OPENMETRICS, reply);
	weir_metrics_snapshot_free(s);
	return rc;
}

static int cmd_metrics_reset(void *ctx, const struct weir_ctl_request *request, json_t **reply,
			     struct weir_why *why)
{
	const struct weir_run *run = ctx;
	const int rc = app_args(request, why, "{}");

	return rc < 0 ? rc : weir_metrics_reset(run->metrics);
}

/* ---- the server ---- */

static void audit(void *ctx, const struct weir_ctl_request *request, int rc)
{
	char *args;

	/* Asking for a level changes nothing. */
	if (strcmp(request->cmd, "log-level") == 0 &&
	    json_object_get(request->args, "level") == NULL)
		return;
	args = json_dumps(request->args, JSON_COMPACT | JSON_SORT_KEYS);
	weir_log_kv(WEIR_LOG_INFO, "audit", "control command", WEIR_STR("command", request->cmd),
		    WEIR_STR("args", args == NULL ? "?" : args), WEIR_U64("uid", request->peer.uid),
		    WEIR_I64("pid", request->peer.pid),
		    WEIR_STR("outcome", rc < 0 ? weir_error_text(rc) : "done"));
	free(args);
}

static void ready(void *ctx)
{
	struct weir_run *run = ctx;
	const int rc = weir_ctl_server_poll(run->ctl, weir_run_now_ns(run));

	if (rc < 0)
		weir_log_error("ctl", "%s: %s", run->ctl_path, weir_error_text(rc));
}

/* Where the socket is: as configured, or by the program's name. */
static int place(struct weir_run *run, struct weir_why *why)
{
	const char *path = app_conf(run)->control.socket;
	const char *name = run->app->name;

	if (strncmp(name, PREFIX, strlen(PREFIX)) == 0)
		name += strlen(PREFIX);
	if (path != NULL && path[0] != '\0')
		snprintf(run->ctl_path, sizeof(run->ctl_path), "%s", path);
	else
		snprintf(run->ctl_path, sizeof(run->ctl_path), RUN_DIR "/%s.sock", name);
	/* /run is empty after each boot: our folder in it is made when it is wanted. */
	if (strncmp(run->ctl_path, RUN_DIR "/", strlen(RUN_DIR "/")) == 0 &&
	    mkdir(RUN_DIR, 0755) < 0 && errno != EEXIST)
		return weir_why(why, -errno,
				"cannot make " RUN_DIR ": %s; run as root, or set control.socket",
				strerror(errno));
	return 0;
}

static int add_commands(struct weir_run *run)
{
	static const struct {
		const char *name;
		const char *help;
		weir_ctl_handler *handler;
		unsigned flags;
	} commands[] = {
		{"version", "name and version of the program", cmd_version, 0},
		{"plan", "cores, queues and memory by arithmetic", cmd_plan, 0},
		{"config", "the configuration in force, defaults included", cmd_config, 0},
		{"metrics", "all metrics; format: json, prometheus or openmetrics", cmd_metrics, 0},
		{"metrics-reset", "count metrics from now on", cmd_metrics_reset,
		 WEIR_CTL_CHANGES_STATE},
		{"log-level", "get or set the level of the log, of one module or of all",
		 cmd_log_level, WEIR_CTL_CHANGES_STATE},
		{"reload", "load the configuration file anew", cmd_reload, WEIR_CTL_CHANGES_STATE},
	};
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
		rc = weir_ctl_register(run->ctl, commands[i].name, commands[i].help,
				       commands[i].handler, run, commands[i].flags);
	return rc == 0 ? app_show_register(run) : rc;
}

int app_ctl_create(struct weir_run *run, struct weir_why *why)
{
	int rc = place(run, why);

	if (rc == 0)
		rc = weir_ctl_server_create(run->ctl_path, SOCKET_MODE, &run->ctl, why);
	if (rc < 0)
		return rc;
	weir_ctl_server_audit(run->ctl, audit, run);
	rc = add_commands(run);
	if (rc == 0)
		rc = app_loop_add(run->loop, weir_ctl_server_fd(run->ctl), ready, run);
	if (rc == 0)
		rc = app_loop_add(run->loop, -1, ready, run); /* who is too slow must go */
	if (rc < 0)
		weir_why(why, rc, "%s: %s", run->ctl_path, weir_error_text(rc));
	return rc;
}
