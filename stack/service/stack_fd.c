/* SPDX-License-Identifier: BSD-3-Clause */

/* A stack at a file descriptor; the only file of the stack that makes system calls. */

#include "stack_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>
#include <weir/meta.h>
#include <weir/stack_fd.h>

#define NS_IN_MS  UINT64_C(1000000)
#define WAIT_MOST 60000u /* ms */
#define PARTS	  64	 /* buffers of a packet */

struct rte_mempool *weir_stack_pool(const char *name, uint32_t mbufs)
{
	return rte_pktmbuf_pool_create(name, mbufs, 0, sizeof(struct weir_meta),
				       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
}

int weir_tun_open(const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd, rc;

	if (strlen(name) >= sizeof(r.ifr_name))
		return -ENAMETOOLONG;
	strcpy(r.ifr_name, name);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, TUNSETIFF, &r) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

unsigned weir_stack_fd_input(struct weir_stack *s, struct weir_stack_fd *f, unsigned most,
			     uint64_t now_ns)
{
	unsigned n;

	for (n = 0; n < most; n++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(s->conf.pool);
		ssize_t bytes = -1;

		if (m != NULL)
			bytes = read(f->fd, rte_pktmbuf_mtod(m, void *), rte_pktmbuf_tailroom(m));
		if (bytes <= 0) {
			rte_pktmbuf_free(m);
			break;
		}
		rte_pktmbuf_append(m, (uint16_t)bytes);
		f->in_pkts++;
		if (!weir_stack_parse(m) || weir_stack_input(s, &m, 1, now_ns) > 0) {
			f->refused_pkts++;
			rte_pktmbuf_free(m);
		}
	}
	return n;
}

static bool write_one(int fd, const struct rte_mbuf *m)
{
	struct iovec part[PARTS];
	int parts = 0;

	for (; m != NULL; m = m->next) {
		if (parts == PARTS)
			return false;
		part[parts++] = (struct iovec){rte_pktmbuf_mtod(m, void *), m->data_len};
	}
	return writev(fd, part, parts) > 0;
}

void weir_stack_fd_output(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	struct weir_stack_fd *f = ctx;

	for (uint16_t i = 0; i < n; i++) {
		if (write_one(f->fd, pkts[i]))
			f->out_pkts++;
		else
			f->lost_pkts++;
		rte_pktmbuf_free(pkts[i]);
	}
}

int weir_stack_wait_ms(uint64_t due_ns, uint64_t now_ns)
{
	if (due_ns == UINT64_MAX)
		return -1;
	if (due_ns <= now_ns)
		return 0;
	return (int)RTE_MIN((due_ns - now_ns) / NS_IN_MS + 1, (uint64_t)WAIT_MOST);
}
