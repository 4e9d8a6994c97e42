/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The XDP program on the interface.
 *
 * Takes:  what a start wants: native or generic mode, frames of several buffers, the device's
 * hints. Says:   what it got; one line for each wish that the kernel or the device did not grant.
 * Holds:  a bpf_link: the program is gone when its descriptor is, however the process ends.
 *
 * What the kernel can do is found out by asking it for the best first.
 */

#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "log_priv.h"
#include "steer_in_priv.h"

#include "steer.skel.h" /* needs the structs of bpf/steer.h */

#ifndef BPF_F_XDP_DEV_BOUND_ONLY /* Linux 6.3 */
#define BPF_F_XDP_DEV_BOUND_ONLY (1U << 6)
#endif

const char *steer_program_name(uint32_t id, char *text, size_t text_bytes)
{
	struct bpf_prog_info info = {0};
	uint32_t info_bytes = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &info_bytes) < 0 || info.name[0] == '\0')
		snprintf(text, text_bytes, "(id %u)", id);
	else
		snprintf(text, text_bytes, "%s (id %u)", info.name, id);
	if (fd >= 0)
		close(fd);
	return text;
}

int steer_foreign(const struct steer *s)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, found);
	uint32_t id;
	char name[64];
	int rc;

	rc = bpf_xdp_query(s->ifindex, 0, &found);
	if (rc < 0) {
		XDP_LOG(ERR, "%s: cannot ask for its XDP program: %s", s->ifname, strerror(-rc));
		return rc;
	}
	if (found.attach_mode == XDP_ATTACHED_NONE)
		return 0;
	id = found.drv_prog_id ? found.drv_prog_id : found.skb_prog_id;
	if (id == 0)
		id = found.hw_prog_id;
	XDP_LOG(ERR,
		"%s has the XDP program %s of somebody else: stop its owner, or ip link set %s xdp "
		"off, or say coexist=1",
		s->ifname, steer_program_name(id, name, sizeof(name)), s->ifname);
	return -EBUSY;
}

/* Let an object that is not loaded use the maps of one that is. */
static int share_maps(const struct steer *s, struct bpf_object *obj)
{
	struct bpf_map *map, *shared;
	int rc = 0;

	bpf_object__for_each_map(map, obj)
	{
		shared = bpf_object__find_map_by_name(s->bpf->obj, bpf_map__name(map));
		if (rc == 0)
			rc = bpf_map__reuse_fd(map, bpf_map__fd(shared));
	}
	return rc;
}

struct bpf_program *steer_program_of(const struct steer_bpf *bpf, enum steer_flavour flavour)
{
	switch (flavour) {
	case STEER_HINTS:
		return bpf->progs.weir_steer_hints;
	case STEER_FRAGS:
		return bpf->progs.weir_steer_frags;
	default:
		return bpf->progs.weir_steer;
	}
}

int steer_program_open(const struct steer *s, enum steer_flavour flavour, struct steer_bpf **out)
{
	struct steer_bpf *bpf = steer_bpf__open();
	struct bpf_program *program, *wanted;
	int rc;

	if (bpf == NULL)
		return -errno;
	wanted = steer_program_of(bpf, flavour);
	bpf_object__for_each_program(program, bpf->obj)
		bpf_program__set_autoload(program, program == wanted);
	if (flavour == STEER_HINTS) {
		bpf_program__set_ifindex(wanted, (uint32_t)s->ifindex);
		bpf_program__set_flags(wanted, BPF_F_XDP_DEV_BOUND_ONLY);
	}
	rc = share_maps(s, bpf->obj);
	if (rc < 0) {
		steer_bpf__destroy(bpf);
		return rc;
	}
	*out = bpf;
	return 0;
}

uint32_t steer_program_id(int fd)
{
	struct bpf_prog_info info = {0};
	uint32_t info_bytes = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &info_bytes) < 0 ? 0 : info.id;
}

/* One try: this flavour in this mode. */
static int try_link(struct steer *s, enum steer_flavour flavour, enum steer_mode mode,
		    struct steer_got *got)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	struct steer_bpf *bpf;
	int rc, fd = -1;

	rc = steer_program_open(s, flavour, &bpf);
	if (rc < 0)
		return rc;
	rc = bpf_object__load(bpf->obj);
	if (rc == 0) {
		fd = bpf_program__fd(steer_program_of(bpf, flavour));
		opts.flags = mode == STEER_MODE_DRV ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
		rc = bpf_link_create(fd, s->ifindex, BPF_XDP, &opts);
	}
	if (rc >= 0) {
		s->link = rc;
		got->mode = mode;
		got->frags = flavour != STEER_PLAIN;
		got->hints = flavour == STEER_HINTS;
		got->prog_id = steer_program_id(fd);
		rc = 0;
	}
	steer_bpf__destroy(bpf); /* the link has the program, the program has the maps */
	return rc;
}

/* Errors that no other flavour or mode would mend. */
static bool is_final(int rc)
{
	return rc == 0 || rc == -EBUSY || rc == -EPERM || rc == -ENODEV || rc == -ENOMEM;
}

/* A mode, with the best flavour that it has of those wanted. @first is what became of the first
 * try. */
static int try_mode(struct steer *s, enum steer_mode mode, const struct steer_want *want,
		    struct steer_got *got, int *first)
{
	const bool wanted[] = {
		[STEER_HINTS] = want->hints && mode == STEER_MODE_DRV,
		[STEER_FRAGS] = want->frags,
		[STEER_PLAIN] = true,
	};
	bool tried = false;
	int rc = -ENOTSUP;

	for (int flavour = STEER_HINTS; flavour >= STEER_PLAIN && !is_final(rc); flavour--) {
		if (!wanted[flavour])
			continue;
		rc = try_link(s, flavour, mode, got);
		if (!tried)
			*first = rc;
		tried = true;
	}
	return rc;
}

/* What the kernel means, as far as its number tells. */
static const char *meaning(int rc)
{
	switch (-rc) {
	case ERANGE:
		return "its MTU, or its peer's, is too large for one buffer";
	case ENOSPC:
		return "it has fewer rx queues than its peer has tx queues";
	case EOPNOTSUPP:
		return "its driver has no XDP";
	case EINVAL:
		return "its driver refuses it as it is set up (LRO, MTU or queues)";
	case EPERM:
		return "CAP_BPF and CAP_NET_ADMIN are needed";
	case EACCES: /* the verifier's answer to a program that it would take with it */
		return "CAP_PERFMON is needed";
	default:
		return strerror(-rc);
	}
}

/* One line for each wish that was not granted. */
static void say_lost(const struct steer *s, const struct steer_want *want,
		     const struct steer_got *got, int native, int first)
{
	if (got->mode == STEER_MODE_SKB && !want->skb)
		XDP_LOG(NOTICE, "%s: no native XDP, so generic mode: %s", s->ifname,
			meaning(native));
	if (want->hints && !got->hints)
		XDP_LOG(NOTICE, "%s: no hash, VLAN or time of the device: %s", s->ifname,
			got->mode == STEER_MODE_SKB ? "generic mode has none" : strerror(-first));
	if (want->frags && !got->frags)
		XDP_LOG(NOTICE, "%s: no packets of several buffers: %s", s->ifname,
			strerror(-first));
}

static int attach_link(struct steer *s, const struct steer_want *want, struct steer_got *got)
{
	int native = -ENOTSUP, first = -ENOTSUP, rc = -ENOTSUP;

	if (!want->skb)
		rc = native = try_mode(s, STEER_MODE_DRV, want, got, &first);
	if (!is_final(rc) && !want->drv)
		rc = try_mode(s, STEER_MODE_SKB, want, got, &first);
	if (rc == 0)
		say_lost(s, want, got, native, first);
	else if (rc != -EBUSY || steer_foreign(s) == 0)
		XDP_LOG(ERR, "%s: cannot attach the XDP program%s: %s", s->ifname,
			want->drv ? " in native mode" : "", meaning(rc));
	return rc;
}

int steer_attach(struct steer *s, const struct steer_want *want, struct steer_got *got)
{
	int rc;

	memset(got, 0, sizeof(*got));
	pthread_mutex_lock(&s->lock);
	rc = steer_rules_check(s);
	if (rc == 0) {
		steer_settle(s);
		rc = want->coexist ? steer_share_attach(s, want, got) : attach_link(s, want, got);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void steer_detach(struct steer *s)
{
	pthread_mutex_lock(&s->lock);
	if (s->link >= 0)
		close(s->link);
	s->link = -1;
	steer_share_detach(s);
	pthread_mutex_unlock(&s->lock);
}
