/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What stays with the kernel: the words of steer=, and the host's own addresses.
 *
 * The addresses are those of the interface, less those that user space owns. An IPv6 address brings
 * its solicited-node group along, and one at all the group that routers advertise to.
 */

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "log_priv.h"
#include "steer_in_priv.h"
#include "steer_words_priv.h"

#include "steer.skel.h" /* needs the structs of bpf/steer.h */

/* What the map is to hold. */
struct host_set {
	unsigned n; /* may be above STEER_HOSTS */
	struct {
		struct steer_host host;
		uint32_t kind;
	} entries[STEER_HOSTS];
};

static void add_host(struct host_set *set, const uint8_t *ip, uint32_t version,
		     enum steer_host_kind kind)
{
	struct steer_host host = {.version = version};

	memcpy(host.ip, ip, version == 4 ? 4 : 16);
	for (unsigned i = 0; i < set->n && i < STEER_HOSTS; i++)
		if (memcmp(&set->entries[i].host, &host, sizeof(host)) == 0)
			return;
	if (set->n < STEER_HOSTS) {
		set->entries[set->n].host = host;
		set->entries[set->n].kind = kind;
	}
	set->n++;
}

static bool is_owned(const struct steer *s, const struct weir_addr *addr)
{
	for (unsigned i = 0; i < s->n_owned; i++)
		if (weir_addr_equal(&s->owned[i], addr))
			return true;
	return false;
}

static void add_ipv6(struct host_set *set, const uint8_t *ip)
{
	/* RFC 4291, 2.7.1: ff02::1:ffXX:XXXX, and all nodes. */
	uint8_t group[16] = {[0] = 0xff, [1] = 0x02, [11] = 0x01, [12] = 0xff};
	static const uint8_t all_nodes[16] = {[0] = 0xff, [1] = 0x02, [15] = 0x01};

	memcpy(group + 13, ip + 13, 3);
	add_host(set, ip, 6, STEER_HOST_OWN);
	add_host(set, group, 6, STEER_HOST_OWN);
	add_host(set, all_nodes, 6, STEER_HOST_ROUTERS);
}

/* The name of an interface, or of an alias of it: eth0:1. */
static bool is_ours(const char *ifname, const char *label)
{
	const size_t len = strlen(ifname);

	return strncmp(label, ifname, len) == 0 && (label[len] == '\0' || label[len] == ':');
}

static void add_address(const struct steer *s, const struct ifaddrs *at, struct host_set *set)
{
	struct weir_addr addr = {0};

	if (at->ifa_addr == NULL || !is_ours(s->ifname, at->ifa_name))
		return;
	if (at->ifa_addr->sa_family == AF_INET) {
		addr.family = 4;
		memcpy(addr.bytes, &((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr, 4);
		if (!is_owned(s, &addr))
			add_host(set, addr.bytes, 4, STEER_HOST_OWN);
	} else if (at->ifa_addr->sa_family == AF_INET6) {
		addr.family = 6;
		memcpy(addr.bytes, &((struct sockaddr_in6 *)(void *)at->ifa_addr)->sin6_addr, 16);
		if (!is_owned(s, &addr))
			add_ipv6(set, addr.bytes);
	}
}

static bool is_in(const struct host_set *set, const struct steer_host *host)
{
	for (unsigned i = 0; i < set->n && i < STEER_HOSTS; i++)
		if (memcmp(&set->entries[i].host, host, sizeof(*host)) == 0)
			return true;
	return false;
}

/* First out with what has gone, so that there is room; what stays is never missing. */
static int write_hosts(const struct steer *s, const struct host_set *set)
{
	const int map = bpf_map__fd(s->bpf->maps.hosts);
	struct steer_host gone[STEER_HOSTS], *at = NULL, host;
	unsigned n = 0;
	int rc = 0;

	while (n < STEER_HOSTS && bpf_map_get_next_key(map, at, &host) == 0) {
		if (!is_in(set, &host))
			gone[n++] = host;
		at = &host;
	}
	for (unsigned i = 0; i < n; i++)
		bpf_map_delete_elem(map, &gone[i]);
	for (unsigned i = 0; rc == 0 && i < set->n && i < STEER_HOSTS; i++)
		rc = bpf_map_update_elem(map, &set->entries[i].host, &set->entries[i].kind,
					 BPF_ANY);
	return rc;
}

int steer_hosts_read(struct steer *s)
{
	struct host_set set = {0};
	struct ifaddrs *list;
	int rc;

	if (getifaddrs(&list) < 0)
		rc = -errno;
	else {
		for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next)
			add_address(s, at, &set);
		freeifaddrs(list);
		rc = write_hosts(s, &set);
	}
	if (rc < 0)
		XDP_LOG(ERR, "%s: its own addresses may not be left to the kernel: %s", s->ifname,
			strerror(-rc));
	if (set.n > STEER_HOSTS)
		XDP_LOG(WARNING,
			"%s has too many addresses: %u are not left to the kernel (an IPv6 one "
			"counts twice, at most %u)",
			s->ifname, set.n - STEER_HOSTS, STEER_HOSTS);
	return rc;
}

void steer_hosts_changed(struct steer *s)
{
	pthread_mutex_lock(&s->lock);
	steer_hosts_read(s); /* has logged what failed; the next change tries again */
	pthread_mutex_unlock(&s->lock);
}

static int add_words(struct steer *s, const struct steer_words *words)
{
	uint32_t ids[STEER_WORDS_RULES];
	const char *why;
	unsigned n = 0;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < words->n; i++) {
		rc = steer_rule_add(s, &words->rules[i], &ids[n], &why);
		if (rc == 0)
			n++;
		else if (rc == -EEXIST) /* a term that is there twice */
			rc = 0;
	}
	if (rc == 0)
		return 0;
	XDP_LOG(ERR, "%s: steer=: %s", s->ifname, why);
	while (n > 0)
		steer_rule_remove(s, ids[--n]);
	return rc;
}

int steer_words(struct steer *s, const char *text)
{
	struct steer_config *config = steer_config(s);
	struct steer_words *words = malloc(sizeof(*words));
	struct weir_why why;
	int rc;

	if (words == NULL) {
		XDP_LOG(ERR, "%s: no memory for steer=", s->ifname);
		return -ENOMEM;
	}
	pthread_mutex_lock(&s->lock);
	rc = steer_words_read(text, words, &why);
	if (rc < 0)
		XDP_LOG(ERR, "%s: %s", s->ifname, why.text);
	if (rc == 0)
		rc = add_words(s, words);
	if (rc == 0) {
		config->others = words->others;
		config->keep_host = words->keep_host;
		rc = steer_hosts_read(s);
	}
	steer_settle(s);
	pthread_mutex_unlock(&s->lock);
	free(words);
	return rc;
}

int steer_owns(struct steer *s, const char *addresses)
{
	struct weir_addr *owned = NULL;
	struct weir_why why;
	int n = 0, rc;

	if (addresses != NULL && addresses[0] != '\0') {
		n = steer_addresses_read(addresses, NULL, 0, &why);
		if (n < 0) {
			XDP_LOG(ERR, "%s: %s", s->ifname, why.text);
			return n;
		}
		owned = calloc((size_t)n, sizeof(*owned));
		if (owned == NULL ||
		    steer_addresses_read(addresses, owned, (unsigned)n, &why) < 0) {
			free(owned);
			XDP_LOG(ERR, "%s: no memory for owns=", s->ifname);
			return -ENOMEM;
		}
	}
	pthread_mutex_lock(&s->lock);
	free(s->owned);
	s->owned = owned;
	s->n_owned = (unsigned)n;
	rc = steer_hosts_read(s);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void steer_isolate(struct steer *s, bool on)
{
	pthread_mutex_lock(&s->lock);
	__atomic_store_n(&steer_config(s)->isolated, on, __ATOMIC_RELEASE);
	steer_settle(s);
	pthread_mutex_unlock(&s->lock);
}

void steer_queues(struct steer *s, uint16_t n_queues)
{
	pthread_mutex_lock(&s->lock);
	s->n_queues = n_queues;
	pthread_mutex_unlock(&s->lock);
}
