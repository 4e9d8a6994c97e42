/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The management address: /metrics, /health and /ready over the host's own sockets, by
 * libmicrohttpd without threads, in the control thread's loop.
 */

#include "app_priv.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX 16
#define TIMEOUT_S	10

struct app_http {
	struct weir_run *run;
	struct MHD_Daemon *daemon;
};

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *type,
			      char *text, size_t len, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, text, mode);
	enum MHD_Result done;

	if (r == NULL)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	done = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return done;
}

static enum MHD_Result say(struct MHD_Connection *c, unsigned status, char *text)
{
	return answer(c, status, "text/plain; charset=utf-8", text, strlen(text),
		      MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result metrics(struct weir_run *run, struct MHD_Connection *c)
{
	const char *accept =
		MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	const enum weir_metrics_dialect dialect =
		accept != NULL && strstr(accept, "application/openmetrics-text") != NULL
			? WEIR_METRICS_OPENMETRICS
			: WEIR_METRICS_PROMETHEUS;
	struct weir_metrics_snapshot *s;
	size_t len;
	char *text;
	int rc = weir_metrics_snapshot(run->metrics, &s);

	if (rc == 0) {
		rc = weir_metrics_text(s, dialect, &text, &len);
		weir_metrics_snapshot_free(s);
	}
	if (rc < 0)
		return say(c, MHD_HTTP_INTERNAL_SERVER_ERROR, (char[]){"no memory\n"});
	return answer(c, MHD_HTTP_OK, weir_metrics_content_type(dialect), text, len,
		      MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *body,
			      size_t *body_len, void **per_request)
{
	struct app_http *h = ctx;
	char text[256];
	bool good;

	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return say(c, MHD_HTTP_METHOD_NOT_ALLOWED, (char[]){"only GET and HEAD\n"});
	if (strcmp(url, "/metrics") == 0)
		return metrics(h->run, c);
	if (strcmp(url, "/health") == 0)
		good = app_healthy(h->run, text, sizeof(text));
	else if (strcmp(url, "/ready") == 0)
		good = app_ready(h->run, text, sizeof(text));
	else
		return say(c, MHD_HTTP_NOT_FOUND, (char[]){"/metrics /health /ready\n"});
	return say(c, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static void ready(void *ctx)
{
	struct app_http *h = ctx;

	MHD_run(h->daemon);
}

int app_http_create(struct weir_run *run, struct weir_why *why)
{
	const char *where = app_conf(run)->control.http;
	struct sockaddr_storage addr;
	struct app_http *h;
	unsigned len;
	int rc = app_address(where, &addr, &len, why);

	if (rc < 0 || len == 0)
		return rc;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return weir_why(why, -ENOMEM, "control.http: out of memory");
	h->run = run;
	errno = 0;
	h->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | (addr.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0), 0, NULL, NULL,
		handle, h, MHD_OPTION_SOCK_ADDR, &addr, MHD_OPTION_CONNECTION_LIMIT,
		CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S, MHD_OPTION_END);
	if (h->daemon == NULL) {
		rc = errno == 0 ? -EIO : -errno;
		free(h);
		return weir_why(why, rc, "control.http: cannot listen on %s: %s", where,
				strerror(-rc));
	}
	run->http = h;
	rc = app_loop_add(run->loop,
			  MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, ready,
			  h);
	if (rc == 0)
		rc = app_loop_add(run->loop, -1, ready, h); /* its timeouts */
	return rc;
}

void app_http_free(struct app_http *h)
{
	if (h == NULL)
		return;
	MHD_stop_daemon(h->daemon);
	free(h);
}
