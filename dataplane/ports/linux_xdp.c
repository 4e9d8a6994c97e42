/* SPDX-License-Identifier: BSD-3-Clause */

/* The XDP program of an interface, by rtnetlink(7) and bpf(2): whose it is, and off with ours. */

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

/* A request about one interface; attributes follow. */
struct request {
	struct nlmsghdr head;
	struct ifinfomsg link;
	char attrs[64];
};

/* Ask the kernel and take its one answer. @return its bytes or -errno. */
static ssize_t exchange(struct request *rq, void *answer, size_t room)
{
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = send(fd, rq, rq->head.nlmsg_len, 0);
	if (n >= 0)
		n = recv(fd, answer, room, 0);
	n = n < 0 ? -errno : n;
	close(fd);
	return n;
}

static struct request about(const char *interface, uint16_t type, uint16_t flags)
{
	return (struct request){
		.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			 .nlmsg_type = type,
			 .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
		.link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(interface)},
	};
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

static int program_fd(uint32_t id)
{
	union bpf_attr attr = {.prog_id = id};

	return bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

static void program_name(uint32_t id, char name[16])
{
	struct bpf_prog_info info = {0};
	union bpf_attr attr = {.info.info_len = sizeof(info), .info.info = (uintptr_t)&info};
	const int fd = program_fd(id);

	strcpy(name, "?");
	if (fd < 0)
		return;
	attr.info.bpf_fd = (uint32_t)fd;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0)
		memcpy(name, info.name, 16);
	name[15] = 0;
	close(fd);
}

int linux_xdp_program(const char *interface, uint32_t *id, char name[16])
{
	static _Alignas(struct nlmsghdr) char answer[ANSWER_BYTES]; /* control thread only */
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	struct request rq = about(interface, RTM_GETLINK, 0);
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

static struct rtattr *put(struct request *rq, struct rtattr *a, unsigned short type,
			  const void *data, unsigned short bytes)
{
	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(bytes);
	memcpy(RTA_DATA(a), data, bytes);
	rq->head.nlmsg_len = (uint32_t)((char *)a + RTA_ALIGN(a->rta_len) - (char *)rq);
	return (struct rtattr *)((char *)a + RTA_ALIGN(a->rta_len));
}

int linux_xdp_detach(const char *interface, uint32_t id)
{
	_Alignas(struct nlmsghdr) char answer[512];
	struct request rq = about(interface, RTM_SETLINK, NLM_F_ACK);
	struct rtattr *nest = (struct rtattr *)rq.attrs, *next;
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	const uint32_t flags = XDP_FLAGS_REPLACE;
	const int none = -1, fd = program_fd(id);
	ssize_t n;

	if (fd < 0)
		return fd;
	/* only if it is still this one */
	next = put(&rq, RTA_DATA(nest), IFLA_XDP_FD, &none, sizeof(none));
	next = put(&rq, next, IFLA_XDP_EXPECTED_FD, &fd, sizeof(fd));
	(void)put(&rq, next, IFLA_XDP_FLAGS, &flags, sizeof(flags));
	nest->rta_type = IFLA_XDP | NLA_F_NESTED;
	nest->rta_len = (unsigned short)((char *)&rq + rq.head.nlmsg_len - (char *)nest);
	n = exchange(&rq, answer, sizeof(answer));
	close(fd);
	if (n < 0)
		return (int)n;
	if (!NLMSG_OK(h, (size_t)n) || h->nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
}
