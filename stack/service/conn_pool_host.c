/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The hosts of a pool: found by a keyed hash, known for as long as there are connections to them or
 * somebody waits for one.
 */

#include "conn_pool_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pool_hosts_create(struct weir_conn_pool *p)
{
	uint32_t buckets = 1;

	while (buckets < p->conf.hosts)
		buckets *= 2;
	p->hosts = calloc(p->conf.hosts, sizeof(*p->hosts));
	p->buckets = calloc(buckets, sizeof(struct pool_host *));
	if (p->hosts == NULL || p->buckets == NULL)
		return -ENOMEM;
	p->bucket_mask = buckets - 1;
	for (uint32_t i = p->conf.hosts; i > 0; i--) {
		p->hosts[i - 1].next = p->free_hosts;
		p->free_hosts = &p->hosts[i - 1];
	}
	return 0;
}

void pool_hosts_free(struct weir_conn_pool *p)
{
	free(p->buckets);
	free(p->hosts);
}

static struct pool_host **bucket_of(const struct weir_conn_pool *p, const struct weir_endpoint *at)
{
	uint64_t words[2];

	memcpy(words, at->addr.bytes, sizeof(words));
	return &p->buckets[weir_siphash13_u64x3(&p->conf.secret, words[0], words[1],
						(uint64_t)at->addr.family << 16 | at->port) &
			   p->bucket_mask];
}

static bool is_at(const struct pool_host *h, const struct weir_endpoint *at)
{
	return h->at.port == at->port && h->at.addr.family == at->addr.family &&
	       memcmp(h->at.addr.bytes, at->addr.bytes, sizeof(at->addr.bytes)) == 0;
}

/* Give up the host whose connection was used longest ago, if it has none that is used. */
static void make_place(struct weir_conn_pool *p, uint64_t now_ns)
{
	struct pool_host *h = TAILQ_EMPTY(&p->idle) ? NULL : TAILQ_FIRST(&p->idle)->host;

	if (h == NULL || h->idles < h->n || h->waiting > 0)
		return;
	for (uint32_t left = h->n; left > 0; left--) /* it is forgotten with the last one */
		pool_close(p, TAILQ_FIRST(&h->idle), &p->stats.by_need, now_ns);
}

struct pool_host *pool_host_get(struct weir_conn_pool *p, const struct weir_endpoint *at,
				uint64_t now_ns)
{
	struct pool_host **bucket = bucket_of(p, at), *h = *bucket;

	while (h != NULL && !is_at(h, at))
		h = h->next;
	if (h != NULL)
		return h;
	if (p->free_hosts == NULL)
		make_place(p, now_ns);
	if (p->free_hosts == NULL)
		return NULL;
	h = p->free_hosts;
	p->free_hosts = h->next;
	*h = (struct pool_host){.at = *at, .next = *bucket};
	TAILQ_INIT(&h->idle);
	TAILQ_INIT(&h->asks);
	*bucket = h;
	stack_count(&p->stats.hosts, 1);
	return h;
}

static void forget(struct weir_conn_pool *p, struct pool_host *h)
{
	struct pool_host **link = bucket_of(p, &h->at);

	while (*link != h)
		link = &(*link)->next;
	*link = h->next;
	h->next = p->free_hosts;
	p->free_hosts = h;
	stack_count(&p->stats.hosts, UINT64_MAX);
}

void pool_host_settle(struct weir_conn_pool *p, struct pool_host *h)
{
	const uint32_t most = p->conf.limits.per_host;
	const bool hungry = h->waiting > h->connecting && (most == 0 || h->n < most);

	if (hungry && !h->is_hungry)
		TAILQ_INSERT_TAIL(&p->hungry, h, hungry);
	if (!hungry && h->is_hungry)
		TAILQ_REMOVE(&p->hungry, h, hungry);
	h->is_hungry = hungry;
	if (h->n == 0 && h->waiting == 0)
		forget(p, h);
}
