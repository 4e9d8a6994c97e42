/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Takes an indirection table and a key; the device hashes and spreads by them (ETHTOOL_GRSSH and
 * ETHTOOL_SRSSH, one call for both). Holds what was there before.
 */

#include "netdev_in_priv.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <stdlib.h>
#include <string.h>

/* What a device can have; more is no table, it is a broken driver. */
#define TABLE_MAX 65536
#define KEY_MAX	  1024

#ifndef ETH_RXFH_INDIR_NO_CHANGE
#define ETH_RXFH_INDIR_NO_CHANGE 0xffffffff
#endif

/* Behind the struct: the table, then the key. */
static uint8_t *key_of(struct ethtool_rxfh *x)
{
	return (uint8_t *)&x->rss_config[x->indir_size];
}

static size_t bytes_of(const struct ethtool_rxfh *x)
{
	return sizeof(*x) + x->indir_size * sizeof(x->rss_config[0]) + x->key_size;
}

int netdev_rss_size(const struct netdev *n, struct netdev_rss_size *out)
{
	struct ethtool_rxfh x = {.cmd = ETHTOOL_GRSSH};
	const int rc = netdev_ethtool(n, &x);

	if (rc < 0)
		return rc;
	if (x.indir_size == 0)
		return -ENOTSUP;
	if (x.indir_size > TABLE_MAX || x.key_size > KEY_MAX)
		return -EPROTO;
	*out = (struct netdev_rss_size){.table_entries = x.indir_size, .key_bytes = x.key_size};
	return 0;
}

/* All of it, in memory that is the caller's to free. */
static int read_all(const struct netdev *n, struct ethtool_rxfh **out)
{
	struct netdev_rss_size size;
	struct ethtool_rxfh *x;
	int rc = netdev_rss_size(n, &size);

	if (rc < 0)
		return rc;
	x = calloc(1, sizeof(*x) + size.table_entries * sizeof(x->rss_config[0]) + size.key_bytes);
	if (x == NULL)
		return -ENOMEM;
	x->cmd = ETHTOOL_GRSSH;
	x->indir_size = size.table_entries;
	x->key_size = size.key_bytes;
	rc = netdev_ethtool(n, x);
	if (rc == 0 && (x->indir_size != size.table_entries || x->key_size != size.key_bytes))
		rc = -EPROTO;
	if (rc < 0) {
		free(x);
		return rc;
	}
	*out = x;
	return 0;
}

int netdev_rss_get(const struct netdev *n, uint32_t *table, uint8_t *key)
{
	struct ethtool_rxfh *x;
	const int rc = read_all(n, &x);

	if (rc < 0)
		return rc;
	if (table != NULL)
		memcpy(table, x->rss_config, x->indir_size * sizeof(table[0]));
	if (key != NULL)
		memcpy(key, key_of(x), x->key_size);
	free(x);
	return 0;
}

/* The hash function stays; so does what else was read (how the input is folded, from Linux 6.8 on).
 */
static int write_all(const struct netdev *n, struct ethtool_rxfh *x)
{
	x->cmd = ETHTOOL_SRSSH;
	return netdev_ethtool(n, x);
}

static int copy_of(struct ethtool_rxfh *x, struct ethtool_rxfh **out)
{
	*out = malloc(bytes_of(x));
	if (*out == NULL)
		return -ENOMEM;
	memcpy(*out, x, bytes_of(x));
	return 0;
}

/* Takes both over. */
static void remember(struct netdev *n, struct ethtool_rxfh *was, struct ethtool_rxfh *ours)
{
	if (n->rss.was == NULL)
		n->rss.was = was;
	else
		free(was);
	free(n->rss.ours);
	n->rss.ours = ours;
}

int netdev_rss_set(struct netdev *n, const uint32_t *table, const uint8_t *key)
{
	static const char what[] = "the hash's table and key cannot be set";
	struct ethtool_rxfh *was = NULL, *ours = NULL;
	int rc = read_all(n, &was);

	if (rc == 0)
		rc = copy_of(was, &ours);
	if (rc < 0)
		goto err;
	if (table != NULL)
		memcpy(ours->rss_config, table, ours->indir_size * sizeof(table[0]));
	if (key != NULL)
		memcpy(key_of(ours), key, ours->key_size);
	rc = write_all(n, ours);
	if (rc < 0)
		goto err;
	remember(n, was, ours);
	return 0;
err:
	free(was);
	free(ours);
	return netdev_failed(n, what, rc);
}

void netdev_rss_end(struct netdev *n)
{
	struct ethtool_rxfh *now;
	int rc;

	if (n->rss.was == NULL || read_all(n, &now) < 0)
		goto out;
	now->cmd = n->rss.ours->cmd;
	if (bytes_of(now) == bytes_of(n->rss.ours) &&
	    memcmp(now, n->rss.ours, bytes_of(now)) == 0) {
		rc = write_all(n, n->rss.was);
		if (rc < 0)
			netdev_failed(n, "the hash's table and key cannot be put back", rc);
	}
	free(now);
out:
	free(n->rss.was);
	free(n->rss.ours);
}
