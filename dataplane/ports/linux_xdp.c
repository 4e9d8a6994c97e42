/* SPDX-License-Identifier: BSD-3-Clause */

/* The XDP program of an interface, by rtnetlink(7) and bpf(2): is there one, and whose? */

#include "port_eth_priv.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Room for the answer about one interface. */
#define ANSWER_BYTES 16384

/* A request about one interface. */
struct request {
	struct nlmsghdr head;
	struct ifinfomsg link;
};

/* Ask the kernel and take its one answer. @return its bytes or -errno. */
static ssize_t exchange(const struct request *rq, void *answer, size_t room)
{
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = send(fd, rq, sizeof(*rq), 0);
	if (n >= 0)
		n = recv(fd, answer, room, 0);
	n = n < 0 ? -errno : n;
	close(fd);
	return n;
}

static const struct rtattr *find(const struct rtattr *a, int bytes, unsigned short type)
{
	for (; RTA_OK(a, bytes); a = RTA_NEXT(a, bytes))
		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return a;
	return NULL;
}

static uint32_t program_id(const struct nlmsghdr *h)
{
	const struct ifinfomsg *link = NLMSG_DATA(h);
	const struct rtattr *a = find(IFLA_RTA(link), (int)IFLA_PAYLOAD(h), IFLA_XDP);
	uint32_t id = 0;

	if (a != NULL)
		a = find(RTA_DATA(a), (int)RTA_PAYLOAD(a), IFLA_XDP_PROG_ID);
	if (a != NULL && RTA_PAYLOAD(a) == sizeof(id))
		memcpy(&id, RTA_DATA(a), sizeof(id));
	return id;
}

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	const long rc = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return rc < 0 ? -errno : (int)rc;
}

static void program_name(uint32_t id, char name[16])
{
	struct bpf_prog_info info = {0};
	union bpf_attr which = {.prog_id = id};
	const int fd = bpf(BPF_PROG_GET_FD_BY_ID, &which);
	union bpf_attr attr = {.info = {.bpf_fd = (uint32_t)fd,
					.info_len = sizeof(info),
					.info = (uintptr_t)&info}};

	strcpy(name, "?");
	if (fd < 0)
		return;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0)
		memcpy(name, info.name, 16);
	name[15] = 0;
	close(fd);
}

int linux_xdp_program(const char *interface, uint32_t *id, char name[16])
{
	static _Alignas(struct nlmsghdr) char answer[ANSWER_BYTES]; /* control thread only */
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	const struct request rq = {
		.head = {.nlmsg_len = sizeof(rq),
			 .nlmsg_type = RTM_GETLINK,
			 .nlmsg_flags = NLM_F_REQUEST},
		.link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(interface)},
	};
	const ssize_t n = exchange(&rq, answer, sizeof(answer));

	if (n < 0)
		return (int)n;
	if (!NLMSG_OK(h, (size_t)n) || h->nlmsg_type != RTM_NEWLINK)
		return -ENOENT;
	*id = program_id(h);
	if (*id == 0)
		return -ENOENT;
	program_name(*id, name);
	return 0;
}

bool linux_xdp_is_default(const char *name)
{
	return strcmp(name, "xsk_def_prog") == 0;
}

bool linux_xdp_is_dispatcher(const char *name)
{
	return strcmp(name, "xdp_dispatcher") == 0;
}
