/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A killed server of net_memif leaves the file of its socket, and DPDK cannot open another one
 * there. Nobody has such a file open, which is how it is known.
 */

#include "port_eth_priv.h"

#include <errno.h>
#include <rte_kvargs.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * As a datagram socket: one of net_memif's is of another kind, so a living one says EPROTOTYPE and
 * no connection is made. DPDK 22.11 panics when one is made and closed at once.
 */
static bool nobody_has(const char *path)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct stat st;
	bool refused;

	if (fd < 0)
		return false;
	snprintf(where.sun_path, sizeof(where.sun_path), "%s", path);
	/* A file that is no socket refuses, too. */
	refused = lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
		  connect(fd, (const struct sockaddr *)&where, sizeof(where)) < 0 &&
		  errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static bool says(const struct rte_kvargs *args, const char *key, const char *value)
{
	const char *said = rte_kvargs_get(args, key);

	return said != NULL && strcmp(said, value) == 0;
}

void port_eth_memif_clear(const char *devargs)
{
	const char *comma = strchr(devargs, ',');
	struct rte_kvargs *args;
	const char *path;

	if (strncmp(devargs, "net_memif", strlen("net_memif")) != 0 || comma == NULL)
		return;
	args = rte_kvargs_parse(comma + 1, NULL);
	if (args == NULL)
		return; /* DPDK will say what is wrong */
	path = rte_kvargs_get(args, "socket");
	if (path != NULL && says(args, "role", "server") && says(args, "socket-abstract", "no") &&
	    nobody_has(path))
		(void)unlink(path);
	rte_kvargs_free(args);
}
