/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * From a file to a configuration that is known to be good, and from that to what the system needs.
 */

#include "app_priv.h"
#include "app_record_priv.h"
#include "firewall/fw_app_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <weir/error.h>
#include <weir/rib.h>

static const struct weir_conf_options options = {.env_prefix = WEIR_CONF_ENV_PREFIX};

int app_conf_load(const struct weir_app *app, const char *path, void **out, struct weir_why *why)
{
	void *conf = calloc(1, app->schema->size);
	int rc;

	if (conf == NULL)
		return weir_why(why, -ENOMEM, "configuration: out of memory");
	if (path != NULL)
		rc = weir_conf_load_file(path, app->schema, &options, conf, why);
	else
		rc = weir_conf_load_text(app->name, app->default_conf, strlen(app->default_conf),
					 app->schema, &options, conf, why);
	if (rc < 0) {
		free(conf);
		return rc;
	}
	*out = conf;
	return 0;
}

void app_conf_free(const struct weir_app *app, void *conf)
{
	if (conf == NULL)
		return;
	weir_conf_free(app->schema, conf);
	free(conf);
}

const char *app_conf_name(const struct weir_run *run)
{
	return run->conf_path != NULL ? run->conf_path : run->app->name;
}

static int check_port(const struct weir_app_port_conf *p, const char *file, struct weir_why *why)
{
	const struct weir_vlan_conf *v;

	if (strlen(p->name) >= sizeof(((struct weir_port *)NULL)->name) - sizeof(".4094.4094"))
		return weir_conf_fail(why, file, p->at.line,
				      "ports.%s: the name is longer than 20 bytes", p->name);
	if ((p->interface == NULL) == (p->device == NULL))
		return weir_conf_fail(
			why, file, p->at.line,
			"ports.%s names %s, must name interface or device, one of them", p->name,
			p->interface == NULL ? "neither" : "both");
	weir_conf_each (v, &p->vlans) {
		unsigned outer = 0, inner = 0;
		int used = 0;

		if (sscanf(v->name, "%4u%n.%4u%n", &outer, &used, &inner, &used) < 1 ||
		    v->name[used] != '\0' || outer < 1 || outer > 4094 || inner > 4094)
			return weir_conf_fail(why, file, v->at.line,
					      "ports.%s.vlans.%s is no VLAN: 1 to 4094, or "
					      "OUTER.INNER",
					      p->name, v->name);
		if (v->mtu > p->mtu)
			return weir_conf_fail(why, file, v->at.line,
					      "ports.%s.vlans.%s.mtu is %" PRIu64
					      ", more than the port's %" PRIu64,
					      p->name, v->name, v->mtu, p->mtu);
	}
	return app_port_check(p, file, why);
}

/* ADDRESS:PORT of a key; empty: the key is off. */
static int check_address(const struct weir_control_conf *c, const char *key, const char *text,
			 const char *file, struct weir_why *why)
{
	struct sockaddr_storage addr;
	struct weir_why what;
	unsigned len;

	if (app_address(text, &addr, &len, &what) == 0)
		return 0;
	return weir_conf_fail(why, file, c->at.line, "control.%s: %s", key, what.text);
}

/* What a real-time priority does not go with. */
static int check_priority(const struct weir_runtime_conf *r, const char *file, struct weir_why *why)
{
	const uint64_t *core = r->workers.items;

	if (r->priority == 0)
		return 0;
	if (r->poll == WEIR_POLL_BUSY)
		return weir_conf_fail(
			why, file, r->at.line,
			"runtime.priority is %" PRIu64
			", must be 0 with poll: busy, which would starve the kernel's "
			"threads of the core",
			r->priority);
	for (size_t i = 0; i < r->workers.n; i++)
		for (size_t k = 0; k < i; k++)
			if (core[i] == core[k])
				return weir_conf_fail(
					why, file, r->at.line,
					"runtime.priority is %" PRIu64
					", must be 0 with two workers on core %" PRIu64
					", of which one would starve the other",
					r->priority, core[i]);
	return 0;
}

int app_conf_check(const struct weir_app *app, const void *conf, const char *file,
		   struct weir_why *why)
{
	const struct weir_app_conf *c = conf;
	const struct weir_app_port_conf *p, *q;
	int rc = 0;

	if (c->ports.n == 0)
		return weir_conf_fail(why, file, 0, "ports: there are none, name at least one");
	rc = check_priority(&c->runtime, file, why);
	if (rc < 0)
		return rc;
	weir_conf_each (p, &c->ports) {
		rc = check_port(p, file, why);
		if (rc < 0)
			return rc;
		weir_conf_each (q, &c->ports) {
			if (q != p && p->interface != NULL && q->interface != NULL &&
			    strcmp(p->interface, q->interface) == 0)
				return weir_conf_fail(why, file, q->at.line,
						      "ports.%s and ports.%s both name %s", p->name,
						      q->name, p->interface);
		}
	}
	rc = check_address(&c->control, "http", c->control.http, file, why);
	if (rc == 0)
		rc = check_address(&c->control, "statsd", c->control.statsd, file, why);
	if (rc == 0 && app->l3_at != 0)
		rc = app_l3_check(app, conf, file, why);
	if (rc == 0 && app->firewall_at != 0)
		rc = app_record_check(&app_fw_conf(app, conf)->records, file, why);
	if (rc == 0 && app->check != NULL)
		rc = app->check(conf, file, why);
	return rc;
}

static bool same_texts(const struct weir_conf_list *a, const struct weir_conf_list *b)
{
	char *const *x = a->items, *const *y = b->items;

	for (size_t i = 0; a->n == b->n && i < a->n; i++)
		if (!app_same_text(x[i], y[i]))
			return false;
	return a->n == b->n;
}

static bool same_numbers(const struct weir_conf_list *a, const struct weir_conf_list *b)
{
	return a->n == b->n &&
	       (a->n == 0 || memcmp(a->items, b->items, a->n * sizeof(uint64_t)) == 0);
}

static const char *section_differs(const struct weir_app_conf *a, const struct weir_app_conf *b)
{
	const struct weir_runtime_conf *ra = &a->runtime, *rb = &b->runtime;
	const struct weir_limits_conf *la = &a->limits, *lb = &b->limits;
	const struct weir_control_conf *ca = &a->control, *cb = &b->control;

	return !same_numbers(&ra->workers, &rb->workers)      ? "runtime.workers"
	       : ra->poll != rb->poll			      ? "runtime.poll"
	       : ra->gather != rb->gather		      ? "runtime.gather"
	       : ra->wakeup != rb->wakeup		      ? "runtime.wakeup"
	       : ra->priority != rb->priority		      ? "runtime.priority"
	       : ra->hugepages != rb->hugepages		      ? "runtime.hugepages"
	       : ra->burst != rb->burst			      ? "runtime.burst"
	       : ra->mbufs != rb->mbufs			      ? "runtime.mbufs"
	       : !same_texts(&ra->plugins, &rb->plugins)      ? "runtime.plugins"
	       : !same_texts(&ra->eal, &rb->eal)	      ? "runtime.eal"
	       : la->neighbours != lb->neighbours	      ? "limits.neighbours"
	       : la->neighbour_queue != lb->neighbour_queue   ? "limits.neighbour_queue"
	       : la->fragments != lb->fragments		      ? "limits.fragments"
	       : la->fragment_timeout != lb->fragment_timeout ? "limits.fragment_timeout"
	       : la->icmp_errors != lb->icmp_errors	      ? "limits.icmp_errors"
	       : la->punt_pps != lb->punt_pps		      ? "limits.punt_pps"
	       : la->routes4 != lb->routes4		      ? "limits.routes4"
	       : la->routes6 != lb->routes6		      ? "limits.routes6"
	       : !app_same_text(ca->socket, cb->socket)	      ? "control.socket"
	       : !app_same_text(ca->http, cb->http)	      ? "control.http"
	       : !app_same_text(ca->statsd, cb->statsd)	      ? "control.statsd"
	       : ca->statsd_interval != cb->statsd_interval   ? "control.statsd_interval"
							      : NULL;
}

int app_conf_may_follow(const struct weir_app *app, const void *old, const void *fresh,
			const char *file, struct weir_why *why)
{
	const struct weir_app_conf *a = old, *b = fresh;
	const struct weir_app_port_conf *pa = a->ports.items, *pb = b->ports.items;
	const char *key = section_differs(a, b);
	char path[WEIR_CONF_PATH];

	if (key == NULL && weir_conf_differs(app->schema, old, fresh, path))
		key = path;
	if (key != NULL)
		return weir_conf_fail(why, file, 0, "%s has changed, which needs a restart", key);
	if (a->ports.n != b->ports.n)
		return weir_conf_fail(why, file, 0,
				      "ports: %zu instead of %zu, which needs a restart",
				      b->ports.n, a->ports.n);
	for (size_t i = 0; i < a->ports.n; i++) {
		const int rc = app_port_may_follow(&pa[i], &pb[i], file, why);

		if (rc < 0)
			return rc;
	}
	if (app->l3_at != 0 &&
	    app_l3_conf(app, old)->kernel_routes != app_l3_conf(app, fresh)->kernel_routes)
		return weir_conf_fail(why, file, 0,
				      "kernel_routes has changed, which needs a restart");
	if (app->firewall_at != 0)
		return fw_may_follow(app_fw_conf(app, old), app_fw_conf(app, fresh), file, why);
	return 0;
}

int app_log_apply(const struct weir_log_conf *conf, struct weir_why *why)
{
	static const char *const formats[] = {"text", "json", "keyvalue"};
	struct weir_log_sink sink;
	int rc = weir_log_sink_parse(conf->to, formats[conf->format], &sink);

	if (rc == 0)
		rc = weir_log_set_sinks(&sink, 1);
	if (rc < 0)
		return weir_why(why, rc, "log.to: %s: %s", conf->to, weir_error_text(rc));
	rc = weir_log_set_level(NULL, (enum weir_log_level)conf->level);
	if (rc < 0)
		return weir_why(why, rc, "log.level: %d: %s", conf->level, weir_error_text(rc));
	return 0;
}

/* Fewer buffers than descriptors and workers hold, and a port could not even fill its ring. */
static int check_mbufs(const struct weir_system_conf *sys, struct weir_why *why)
{
	struct weir_system_plan plan;

	if (sys->mbufs == 0)
		return 0;
	weir_system_plan(sys, &plan);
	for (uint16_t i = 0; i < plan.n_nodes; i++) {
		struct weir_pool_need need = plan.node[i].need;
		struct weir_pool_plan least;

		need.held = 0;
		weir_pool_size(&need, &least);
		if (sys->mbufs < least.mbufs)
			return weir_why(why, -ERANGE,
					"runtime.mbufs is %u, must be 0 or at least %u: so many "
					"take the descriptors and the workers alone (see --plan)",
					sys->mbufs, least.mbufs);
	}
	return 0;
}

int app_sys_conf(const struct weir_app *app, const void *conf, struct weir_system_conf *out,
		 struct weir_why *why)
{
	const struct weir_app_conf *c = conf;
	const struct weir_limits_conf *l = &c->limits;
	const uint64_t *workers = c->runtime.workers.items;
	struct weir_system_port *ports = calloc(c->ports.n, sizeof(*ports));
	uint16_t *cores = calloc(c->runtime.workers.n, sizeof(*cores));
	int rc = 0;

	if (ports == NULL || cores == NULL) {
		free(ports);
		free(cores);
		return weir_why(why, -ENOMEM, "configuration: out of memory");
	}
	for (size_t i = 0; i < c->runtime.workers.n; i++)
		cores[i] = (uint16_t)workers[i];
	*out = (struct weir_system_conf){
		.name = app->name,
		.cores = cores,
		.workers = (uint16_t)c->runtime.workers.n,
		.poll = (enum weir_poll_mode)c->runtime.poll,
		.gather_ns = c->runtime.gather,
		.priority = (uint8_t)c->runtime.priority,
		.hugepages = (enum weir_hugepages)c->runtime.hugepages,
		.burst = (uint16_t)c->runtime.burst,
		.mbufs = (uint32_t)c->runtime.mbufs,
		.held = app->held == NULL ? 0 : app->held(conf),
		.limits = {.neighbours = (uint32_t)l->neighbours,
			   .neighbour_queue = (uint32_t)l->neighbour_queue,
			   .fragments = (uint32_t)l->fragments,
			   .fragment_timeout_ns = l->fragment_timeout,
			   .icmp_errors_per_s = l->icmp_errors,
			   .punt_pps = l->punt_pps},
		.ports = ports,
		.n_ports = (uint16_t)c->ports.n,
		.path = app->firewall_at == 0 ? app->path : fw_path(app, conf),
	};
	for (size_t i = 0; rc == 0 && i < c->ports.n; i++)
		rc = app_port_conf((const struct weir_app_port_conf *)c->ports.items + i, &ports[i],
				   why);
	return rc < 0 ? rc : check_mbufs(out, why);
}

void app_sys_free(struct weir_system_conf *sys)
{
	for (uint16_t i = 0; i < sys->n_ports; i++)
		free((void *)(uintptr_t)sys->ports[i].conf.owns);
	free((void *)(uintptr_t)sys->cores);
	free((void *)(uintptr_t)sys->ports);
}

void app_plan_print(const struct weir_app *app, const void *conf,
		    const struct weir_system_conf *sys, FILE *to)
{
	static const char *const pages[] = {"2 MiB", "1 GiB", "no"};
	struct weir_system_plan plan;
	uint64_t bytes;

	weir_system_plan(sys, &plan);
	weir_system_plan_print(sys, to);
	bytes = plan.bytes;
	if (app->l3_at != 0) {
		bytes += app_l3_bytes(conf);
		fprintf(to,
			"routes    %" PRIu64 " MiB for %" PRIu64 " IPv4 and %" PRIu64
			" IPv6 prefixes\n",
			app_l3_bytes(conf) >> 20,
			((const struct weir_app_conf *)conf)->limits.routes4,
			((const struct weir_app_conf *)conf)->limits.routes6);
	}
	if (app->firewall_at != 0) {
		bytes += fw_bytes(app, conf, sys->workers);
		fprintf(to, "flows     %" PRIu64 " MiB for %" PRIu64 " flows, rules and sets\n",
			fw_bytes(app, conf, sys->workers) >> 20,
			app_fw_conf(app, conf)->conntrack.flows);
		fw_plan_print(app, conf, sys->workers, to);
	}
	fprintf(to, "DPDK      %d MiB for itself\n", WEIR_EAL_OWN_MIB);
	fprintf(to, "in all    %" PRIu64 " MiB, in %s hugepages\n",
		((bytes + 1048575) >> 20) + WEIR_EAL_OWN_MIB, pages[sys->hugepages]);
}

int app_address(const char *text, struct sockaddr_storage *out, unsigned *len, struct weir_why *why)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				       .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	const char *colon;
	char host[64];

	*len = 0;
	if (text == NULL || text[0] == '\0')
		return 0;
	colon = strrchr(text, ':');
	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		return weir_why(why, -EINVAL, "\"%s\" is no ADDRESS:PORT", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	if (host[0] == '[' && host[colon - text - 1] == ']') {
		host[colon - text - 1] = '\0';
		memmove(host, host + 1, strlen(host));
	}
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return weir_why(why, -EINVAL, "\"%s\" is no ADDRESS:PORT", text);
	memcpy(out, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}
