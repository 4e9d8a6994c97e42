/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Names and their answers: who asks for one that is known is served from it, who asks for one that
 * is being asked for waits with the others.
 */

#include "resolver_priv.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MOST 1024
#define LABEL_MOST 63

/* ---- names ---- */

/* The name in lower case, without its last dot. @return false: it is none. */
static bool fold(const char *text, char out[WEIR_NAME_MAX + 1])
{
	size_t n = 0, label = 0;

	for (; text[n] != '\0' && !(text[n] == '.' && text[n + 1] == '\0' && n > 0); n++) {
		const unsigned char c = (unsigned char)text[n];

		if (n == WEIR_NAME_MAX || label > LABEL_MOST)
			return false;
		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (isalnum(c) || c == '_' || (c == '-' && label > 0)) {
			label++;
		} else {
			return false;
		}
		out[n] = (char)tolower(c);
	}
	out[n] = '\0';
	return label > 0 && label <= LABEL_MOST;
}

bool weir_name_is_valid(const char *text)
{
	char out[WEIR_NAME_MAX + 1];

	return fold(text, out);
}

static bool is_idle(const struct resolver_name *name)
{
	return !name->asked && !name->fresh && TAILQ_EMPTY(&name->asks);
}

/* Its place, or that of the one that nobody has used for longest; NULL: all are in use. */
static struct resolver_name *place_of(struct weir_resolver *r, const char *text, uint8_t family)
{
	struct resolver_name *oldest = NULL;

	for (uint32_t i = 0; i < r->conf.names; i++) {
		struct resolver_name *name = &r->names[i];

		if (name->family == family && strcmp(name->text, text) == 0)
			return name;
		if (is_idle(name) && (oldest == NULL || name->used_ns < oldest->used_ns))
			oldest = name;
	}
	if (oldest == NULL)
		return NULL;
	strcpy(oldest->text, text); /* both are arrays of one length */
	oldest->family = family;
	oldest->until_ns = 0;
	return oldest;
}

/* ---- answers ---- */

/* Those who wait are told by the run. */
static void freshen(struct weir_resolver *r, struct resolver_name *name)
{
	if (name->fresh)
		return;
	name->fresh = true;
	TAILQ_INSERT_TAIL(&r->fresh, name, link);
}

static int error_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
	case ARES_ENONAME:
		return -ENOENT;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	case ARES_ECONNREFUSED:
		return -ECONNREFUSED;
	case ARES_ENOMEM:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

/* Its addresses. @return the TTL in seconds that all of them and the aliases before them share. */
static uint32_t take_addrs(struct resolver_name *name, const struct ares_addrinfo *ai)
{
	int ttl = INT32_MAX;

	name->n = 0;
	for (const struct ares_addrinfo_cname *c = ai->cnames; c != NULL; c = c->next)
		ttl = RTE_MIN(ttl, c->ttl);
	for (const struct ares_addrinfo_node *node = ai->nodes; node != NULL;
	     node = node->ai_next) {
		struct weir_addr *a = &name->addrs[name->n];

		if (node->ai_family != (name->family == 4 ? AF_INET : AF_INET6) ||
		    name->n == WEIR_NAME_ADDRS)
			continue;
		*a = (struct weir_addr){.family = name->family};
		if (name->family == 4)
			memcpy(a->bytes,
			       &((const struct sockaddr_in *)(void *)node->ai_addr)->sin_addr, 4);
		else
			memcpy(a->bytes,
			       &((const struct sockaddr_in6 *)(void *)node->ai_addr)->sin6_addr,
			       16);
		ttl = RTE_MIN(ttl, node->ai_ttl);
		name->n++;
	}
	return ttl < 0 ? 0 : (uint32_t)ttl;
}

static void answered(void *ctx, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct resolver_name *name = ctx;
	struct weir_resolver *r = name->resolver;
	uint64_t keep_ns = r->conf.negative_ns;

	(void)timeouts;
	if (status == ARES_EDESTRUCTION)
		return;
	name->asked = false;
	freshen(r, name);
	name->error = error_of(status);
	if (name->error == 0) {
		const uint64_t ttl_ns = take_addrs(name, ai) * UINT64_C(1000000000);

		keep_ns = RTE_MIN(RTE_MAX(ttl_ns, r->conf.least_ttl_ns), r->conf.most_ttl_ns);
		if (name->n == 0)
			name->error = -ENOENT;
	}
	ares_freeaddrinfo(ai);
	stack_count(name->error == 0	     ? &r->stats.answered
		    : name->error == -ENOENT ? &r->stats.negative
					     : &r->stats.failed,
		    1);
	/* Only what a server has said is kept; who asks after a failure asks anew. */
	name->until_ns = name->error == 0 || name->error == -ENOENT ? r->now_ns + keep_ns : 0;
}

static void question(struct weir_resolver *r, struct resolver_name *name)
{
	const struct ares_addrinfo_hints hints = {
		.ai_family = name->family == 4 ? AF_INET : AF_INET6,
		.ai_flags = ARES_AI_NOSORT, /* sorting would ask the kernel */
	};

	stack_count(&r->stats.questions, 1);
	name->asked = true;
	ares_getaddrinfo(r->channel, name->text, NULL, &hints, answered, name);
	r->due_ns = 0; /* it has a timeout now */
}

/* ---- asks ---- */

int weir_resolve(struct weir_resolver *r, const char *name, uint8_t family,
		 struct weir_name_ask *ask, uint64_t now_ns)
{
	char text[WEIR_NAME_MAX + 1];
	struct resolver_name *found;

	if (ask->resolver != NULL)
		return -EALREADY;
	if ((family != 4 && family != 6) || !fold(name, text))
		return -EINVAL;
	r->now_ns = now_ns;
	found = place_of(r, text, family);
	if (found == NULL) {
		stack_count(&r->stats.full, 1);
		return -ENOSPC;
	}
	stack_count(&r->stats.asked, 1);
	found->used_ns = now_ns;
	ask->resolver = r;
	ask->name = found;
	TAILQ_INSERT_TAIL(&found->asks, ask, link);
	found->waiting++;
	if (now_ns < found->until_ns) {
		stack_count(&r->stats.cached, 1);
		freshen(r, found);
	} else if (!found->asked && !found->fresh) {
		question(r, found);
	}
	return 0;
}

static void leave(struct weir_name_ask *ask)
{
	TAILQ_REMOVE(&ask->name->asks, ask, link);
	ask->name->waiting--;
	ask->resolver = NULL;
}

void weir_resolve_cancel(struct weir_name_ask *ask)
{
	if (ask->resolver != NULL)
		leave(ask);
}

/* As many as wait now: who asks again from within is told by the next run. */
static void tell(struct weir_resolver *r, struct resolver_name *name)
{
	struct weir_name_ask *ask;

	for (uint32_t n = name->waiting; n > 0 && (ask = TAILQ_FIRST(&name->asks)) != NULL; n--) {
		leave(ask);
		ask->done(ask, name->error, name->addrs, name->error == 0 ? name->n : 0, r->now_ns);
	}
}

uint64_t weir_resolver_run(struct weir_resolver *r, uint64_t now_ns)
{
	struct resolver_name *name, *last;

	r->now_ns = now_ns;
	resolver_channel_run(r);
	last = TAILQ_LAST(&r->fresh, fresh_names);
	while (last != NULL && (name = TAILQ_FIRST(&r->fresh)) != NULL) {
		TAILQ_REMOVE(&r->fresh, name, link);
		name->fresh = false;
		tell(r, name);
		if (name == last)
			break;
	}
	return TAILQ_EMPTY(&r->fresh) ? r->due_ns : now_ns;
}

/* ---- birth and death ---- */

void weir_resolver_stats(const struct weir_resolver *r, struct weir_resolver_stats *out)
{
	stack_count_read(&r->stats, out, sizeof(*out));
}

static bool is_valid(const struct weir_resolver_conf *conf)
{
	if (conf->stack == NULL || conf->pool == NULL || conf->n_servers == 0 ||
	    conf->n_servers > WEIR_DNS_SERVERS || conf->names == 0 || conf->names > NAMES_MOST ||
	    conf->least_ttl_ns > conf->most_ttl_ns)
		return false;
	for (unsigned i = 0; i < conf->n_servers; i++)
		if (conf->servers[i].addr.family == 0)
			return false;
	return true;
}

static int fill(struct weir_resolver *r, const struct weir_resolver_conf *conf)
{
	r->conf = *conf;
	memcpy(r->servers, conf->servers, conf->n_servers * sizeof(r->servers[0]));
	r->conf.servers = r->servers;
	r->due_ns = UINT64_MAX;
	TAILQ_INIT(&r->fresh);
	r->names = calloc(conf->names, sizeof(*r->names));
	if (r->names == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < conf->names; i++) {
		r->names[i].resolver = r;
		TAILQ_INIT(&r->names[i].asks);
	}
	return resolver_channel_open(r);
}

int weir_resolver_create(const struct weir_resolver_conf *conf, struct weir_resolver **out)
{
	struct weir_resolver *r;
	int rc;

	if (!is_valid(conf))
		return -EINVAL;
	rc = ares_library_init(ARES_LIB_INIT_ALL);
	if (rc != ARES_SUCCESS)
		return rc == ARES_ENOMEM ? -ENOMEM : -ENOSYS;
	r = calloc(1, sizeof(*r));
	rc = r == NULL ? -ENOMEM : fill(r, conf);
	if (rc == 0) {
		*out = r;
		return 0;
	}
	if (r == NULL)
		ares_library_cleanup();
	weir_resolver_free(r);
	return rc;
}

void weir_resolver_free(struct weir_resolver *r)
{
	if (r == NULL)
		return;
	if (r->channel != NULL)
		ares_destroy(r->channel);
	ares_library_cleanup();
	free(r->names);
	free(r);
}
