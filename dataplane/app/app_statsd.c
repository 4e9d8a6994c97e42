/* SPDX-License-Identifier: BSD-3-Clause */

/* Metrics to a StatsD server: datagrams from the control thread, the difference since the last. */

#include "app_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/error.h>

struct app_statsd {
	struct weir_run *run;
	int fd;
	uint64_t due_ns;
	struct weir_metrics_snapshot *last;
};

static int send_one(void *ctx, const char *datagram, size_t len)
{
	struct app_statsd *s = ctx;

	/* Nobody listening (ECONNREFUSED) must not stop the rest. */
	if (send(s->fd, datagram, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		weir_log_warn("statsd", "%s", strerror(errno));
	return 0;
}

static void tick(void *ctx)
{
	struct app_statsd *s = ctx;
	const uint64_t now_ns = weir_run_now_ns(s->run);
	struct weir_metrics_snapshot *now;
	int rc;

	if (now_ns < s->due_ns)
		return;
	s->due_ns = now_ns + app_conf(s->run)->control.statsd_interval;
	if (weir_metrics_snapshot(s->run->metrics, &now) < 0)
		return; /* out of memory: the next one tells all */
	rc = weir_metrics_statsd(now, s->last, "weir.", send_one, s);
	if (rc < 0)
		weir_log_warn("statsd", "%s", weir_error_text(rc));
	weir_metrics_snapshot_free(s->last);
	s->last = now;
}

int app_statsd_create(struct weir_run *run, struct weir_why *why)
{
	const char *where = app_conf(run)->control.statsd;
	struct sockaddr_storage addr;
	struct app_statsd *s;
	unsigned len;
	int rc = app_address(where, &addr, &len, why);

	if (rc < 0 || len == 0)
		return rc;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return weir_why(why, -ENOMEM, "control.statsd: out of memory");
	s->run = run;
	run->statsd = s;
	s->fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&addr, len) < 0)
		return weir_why(why, -errno, "control.statsd: %s: %s", where, strerror(errno));
	return app_loop_add(run->loop, -1, tick, s);
}

void app_statsd_free(struct app_statsd *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	weir_metrics_snapshot_free(s->last);
	free(s);
}
