/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Records to an IPFIX collector over UDP. A message that the socket will not take now is lost; the
 * collector sees it by the sequence numbers.
 */

#include "app_record_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/ipfix.h>

#include "app_priv.h"

struct record_export {
	int fd;
	size_t message_bytes; /* at most */
	struct weir_ipfix ipfix;
	bool begun;   /* a message is in the making */
	uint8_t *buf; /* message_bytes */
	struct record_export_stats stats;
};

static int open_socket(struct record_export *e, const char *to, struct weir_why *why)
{
	struct sockaddr_storage addr;
	unsigned len;
	const int rc = app_address(to, &addr, &len, why);

	if (rc < 0)
		return rc;
	e->fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (e->fd < 0 || connect(e->fd, (struct sockaddr *)&addr, len) < 0)
		return weir_why(why, -errno, "records.ipfix.to: %s: %s", to, strerror(errno));
	return 0;
}

int record_export_create(const struct weir_records_ipfix_conf *conf, bool totals,
			 const struct weir_record_names *names, uint16_t n_zones,
			 struct record_export **out, struct weir_why *why)
{
	const struct weir_ipfix_conf ipfix = {
		.domain = (uint32_t)conf->domain,
		.template_every_ns = conf->template_every,
		.template_every_msgs = (uint32_t)conf->template_messages,
		.totals = totals,
		.n_zones = n_zones,
		.names = names,
	};
	struct record_export *e = calloc(1, sizeof(*e));
	int rc;

	if (e == NULL)
		return weir_why(why, -ENOMEM, "records.ipfix: out of memory");
	e->fd = -1;
	e->message_bytes = conf->mtu;
	e->buf = malloc(conf->mtu);
	if (e->buf == NULL)
		rc = weir_why(why, -ENOMEM, "records.ipfix: out of memory");
	else
		rc = open_socket(e, conf->to, why);
	if (rc == 0 && weir_ipfix_init(&e->ipfix, &ipfix) < 0)
		rc = weir_why(why, -EINVAL, "records.ipfix: more than %d zones",
			      WEIR_IPFIX_ZONES_MAX);
	if (rc < 0) {
		record_export_free(e);
		return rc;
	}
	*out = e;
	return 0;
}

void record_export_free(struct record_export *e)
{
	if (e == NULL)
		return;
	record_export_flush(e);
	if (e->fd >= 0)
		close(e->fd);
	free(e->buf);
	free(e);
}

void record_export_flush(struct record_export *e)
{
	const size_t bytes = e->begun ? weir_ipfix_end(&e->ipfix) : 0;
	ssize_t rc;

	e->begun = false;
	if (bytes == 0)
		return;
	rc = send(e->fd, e->buf, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (rc < 0 && errno == ECONNREFUSED) {
		/* What was sent before found nobody, who may be there now, and know no template. */
		e->stats.errors++;
		e->ipfix.templates_ns = 0;
		rc = send(e->fd, e->buf, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	if (rc < 0) {
		e->stats.errors++;
		return;
	}
	e->stats.messages++;
	e->stats.bytes += bytes;
}

static void begin(struct record_export *e, uint64_t now_ns)
{
	if (!e->begun)
		weir_ipfix_begin(&e->ipfix, e->buf, e->message_bytes, now_ns);
	e->begun = true;
}

void record_export_put(struct record_export *e, const struct weir_record *r, uint64_t now_ns)
{
	begin(e, now_ns);
	while (weir_ipfix_put(&e->ipfix, r) == -ENOBUFS) {
		record_export_flush(e);
		begin(e, now_ns);
	}
	e->stats.records++;
}

const struct record_export_stats *record_export_stats(const struct record_export *e)
{
	return &e->stats;
}
