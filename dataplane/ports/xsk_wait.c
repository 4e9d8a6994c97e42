/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * net_af_xdp and net_af_packet have no rx interrupts, but their sockets can be waited for as any
 * other. The drivers do not show them, so we look which descriptors of that domain appear while
 * the queue is set up. The kernel gives the lowest free number, so their order is the queues'.
 */

#include "port_eth_priv.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int domain_of(int fd)
{
	int domain;
	socklen_t bytes = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 ? domain : -1;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void sock_list(int domain, struct sock_list *out)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;

	out->n = 0;
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		const int fd = d->d_name[0] == '.' ? -1 : atoi(d->d_name);

		if (fd >= 0 && out->n < RTE_DIM(out->fd) && domain_of(fd) == domain)
			out->fd[out->n++] = fd;
	}
	if (dir != NULL)
		closedir(dir);
	qsort(out->fd, out->n, sizeof(out->fd[0]), by_number);
}

int sock_list_new(const struct sock_list *before, const struct sock_list *after, unsigned nth)
{
	unsigned b = 0;

	for (unsigned a = 0; a < after->n; a++) {
		while (b < before->n && before->fd[b] < after->fd[a])
			b++;
		if (b < before->n && before->fd[b] == after->fd[a])
			continue;
		if (nth-- == 0)
			return after->fd[a];
	}
	return -1;
}

/* ---- what net_af_xdp leaves open ---- */

/* The rings of a umem are two mappings. */
#define MAPPINGS 8

static void unmap_all_of(ino_t inode)
{
	struct {
		uintptr_t begin, end;
	} at[MAPPINGS];
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t begin, end;
	unsigned long found;
	char line[512];
	unsigned n = 0;

	if (maps == NULL)
		return;
	while (n < MAPPINGS && fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, " socket:[") == NULL ||
		    sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %lu", &begin, &end,
			   &found) != 3 ||
		    found != inode)
			continue;
		at[n].begin = begin;
		at[n++].end = end;
	}
	fclose(maps);
	while (n-- > 0)
		munmap((void *)at[n].begin, at[n].end - at[n].begin);
}

void xsk_let_go(int fd)
{
	struct stat st;

	if (domain_of(fd) != AF_XDP || fstat(fd, &st) < 0)
		return;
	unmap_all_of(st.st_ino);
	close(fd);
}
