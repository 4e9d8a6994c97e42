/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The program beside others': libxdp's dispatcher calls each in turn.
 *
 * A program in a dispatcher is pinned in bpffs, so it outlives a killed process: its socket map is
 * empty then and all packets pass. The next port on the interface takes it out. Which process is
 * alive is told by a socket address of the network namespace, that goes with its process.
 */

#include <errno.h>
#include <linux/magic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "log_priv.h"
#include "steer_in_priv.h"

#include "steer.skel.h" /* needs the structs of bpf/steer.h */

#define BPFFS	     "/sys/fs/bpf"
#define PROGRAMS_MAX 10 /* of a dispatcher */

static int log_of_libxdp(enum libxdp_print_level level, const char *fmt, va_list args)
{
	return rte_vlog(RTE_LOG_DEBUG, (uint32_t)xdp_logtype, fmt, args);
}

/* Become the one process that shares this interface. */
static int become_owner(struct steer *s)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const int n =
		snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "weir-xdp/%d", s->ifindex);
	const socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0) {
		const int rc = errno == EADDRINUSE ? -EBUSY : -errno;

		XDP_LOG(ERR, "%s: %s", s->ifname,
			rc == -EBUSY ? "another process has it, with coexist=1" : strerror(-rc));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	s->owner = fd;
	return 0;
}

/* The name of one of our programs, which nobody alive owns. */
static bool is_left_over(const struct xdp_program *program)
{
	return strncmp(xdp_program__name(program), "weir_steer", 10) == 0;
}

/* Take one left-over program out. Returns 1, 0 if there is none, or an error. */
static int take_out(const struct steer *s)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(s->ifindex);
	struct xdp_program *program = NULL;
	int rc = 0;

	if (libxdp_get_error(all) != 0)
		return 0; /* no program at all */
	if (xdp_multiprog__is_legacy(all)) {
		xdp_multiprog__close(all);
		return steer_foreign(s);
	}
	while ((program = xdp_multiprog__next_prog(program, all)) != NULL)
		if (is_left_over(program)) {
			rc = xdp_program__detach(program, s->ifindex,
						 xdp_multiprog__attach_mode(all), 0);
			break;
		}
	if (program != NULL && rc == 0) {
		XDP_LOG(NOTICE, "%s: took out the XDP program of a process that was killed",
			s->ifname);
		rc = 1;
	} else if (rc < 0) {
		XDP_LOG(ERR, "%s: cannot take out the XDP program of a process that was killed: %s",
			s->ifname, strerror(-rc));
	}
	xdp_multiprog__close(all);
	return rc;
}

int steer_share_open(struct steer *s)
{
	struct statfs fs;
	int rc;

	libxdp_set_print(log_of_libxdp);
	if (statfs(BPFFS, &fs) < 0 || fs.f_type != BPF_FS_MAGIC) {
		XDP_LOG(ERR,
			"%s: coexist=1 needs the BPF file system: mount -t bpf bpf " BPFFS
			" (ip netns exec hides it, nsenter --net does not)",
			s->ifname);
		return -ENOTSUP;
	}
	rc = become_owner(s);
	for (int i = 0; rc >= 0 && i < PROGRAMS_MAX; i++) {
		rc = take_out(s);
		if (rc == 0)
			return 0;
	}
	return rc < 0 ? rc : 0;
}

/* libxdp goes without a dispatcher if it cannot load one; then nobody could share. */
static bool is_dispatched(const struct steer *s)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(s->ifindex);
	bool good;

	if (libxdp_get_error(all) != 0)
		return false;
	good = !xdp_multiprog__is_legacy(all);
	xdp_multiprog__close(all);
	return good;
}

static int try_share(struct steer *s, enum steer_flavour flavour, enum xdp_attach_mode mode)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts);
	struct steer_bpf *bpf;
	int rc;

	rc = steer_program_open(s, flavour, &bpf);
	if (rc < 0)
		return rc;
	opts.obj = bpf->obj;
	opts.prog_name = bpf_program__name(steer_program_of(bpf, flavour));
	s->shared = xdp_program__create(&opts);
	rc = (int)libxdp_get_error(s->shared);
	if (rc < 0) {
		s->shared = NULL;
		steer_bpf__destroy(bpf);
		return rc;
	}
	s->shared_bpf = bpf;
	rc = xdp_program__attach(s->shared, s->ifindex, mode, 0);
	if (rc < 0) {
		xdp_program__close(s->shared);
		steer_bpf__destroy(bpf);
		s->shared = NULL;
		return rc;
	}
	return 0;
}

int steer_share_attach(struct steer *s, const struct steer_want *want, struct steer_got *got)
{
	const enum steer_flavour flavour = want->frags ? STEER_FRAGS : STEER_PLAIN;
	int rc = -ENOTSUP;

	if (!want->skb)
		rc = try_share(s, flavour, s->shared_mode = XDP_MODE_NATIVE);
	if (rc < 0 && !want->drv)
		rc = try_share(s, flavour, s->shared_mode = XDP_MODE_SKB);
	if (rc == 0 && !is_dispatched(s)) {
		steer_share_detach(s);
		rc = -ENOTSUP;
	}
	if (rc < 0) {
		XDP_LOG(ERR, "%s: cannot go into libxdp's dispatcher: %s", s->ifname,
			strerror(-rc));
		return rc;
	}
	if (want->hints)
		XDP_LOG(NOTICE, "%s: no hash, VLAN or time of the device: coexist=1 has none",
			s->ifname);
	got->mode = STEER_MODE_DISPATCHER;
	got->frags = want->frags;
	got->prog_id = xdp_program__id(s->shared);
	return 0;
}

void steer_share_detach(struct steer *s)
{
	int rc;

	if (s->shared == NULL)
		return;
	rc = xdp_program__detach(s->shared, s->ifindex, s->shared_mode, 0);
	if (rc < 0)
		XDP_LOG(ERR, "%s: cannot leave libxdp's dispatcher: %s", s->ifname, strerror(-rc));
	xdp_program__close(s->shared);
	steer_bpf__destroy(s->shared_bpf);
	s->shared = NULL;
}
