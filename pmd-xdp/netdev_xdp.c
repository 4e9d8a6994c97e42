/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Takes an interface; says what its driver can do for XDP, from generic netlink's family "netdev"
 * (Documentation/netlink/specs/netdev.yaml). A kernel without it is no error: -ENOTSUP.
 */

#include "netdev_in_priv.h"
#include "netlink_priv.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <string.h>

/* linux/netdev.h */
#define NETDEV_CMD_DEV_GET		      1
#define NETDEV_A_DEV_IFINDEX		      1
#define NETDEV_A_DEV_XDP_FEATURES	      3
#define NETDEV_A_DEV_XDP_ZC_MAX_SEGS	      4
#define NETDEV_A_DEV_XDP_RX_METADATA_FEATURES 5
#define NETDEV_A_DEV_XSK_FEATURES	      6

struct request {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	struct nlattr attr;
	union {
		char name[8];
		uint32_t ifindex;
	} value;
};

static void request_init(struct request *r, uint16_t type, uint8_t command, uint16_t attr,
			 size_t bytes)
{
	*r = (struct request){
		.head = {.nlmsg_len =
				 (uint32_t)(offsetof(struct request, value) + NLA_ALIGN(bytes)),
			 .nlmsg_type = type},
		.genl = {.cmd = command, .version = 1},
		.attr = {.nla_len = (uint16_t)(NLA_HDRLEN + bytes), .nla_type = attr},
	};
}

/* The attributes of one whole message. */
static struct weir_cursor attrs_of(const void *message, size_t bytes)
{
	struct weir_cursor c = {.at = message};
	struct nlmsghdr head;

	c.end = c.at + bytes;
	if (bytes < sizeof(head)) {
		c.bad = true;
		return c;
	}
	memcpy(&head, message, sizeof(head));
	if (head.nlmsg_len <= bytes)
		c.end = c.at + head.nlmsg_len;
	weir_take(&c, NLMSG_HDRLEN + GENL_HDRLEN);
	return c;
}

static int family_id(const struct netdev *n, uint16_t *id)
{
	static const char name[] = "netdev";
	uint8_t answer[XDP_NL_ANSWER_BYTES];
	struct weir_cursor c;
	struct xdp_nl_attr a;
	struct request r;
	long got;

	request_init(&r, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, sizeof(name));
	memcpy(r.value.name, name, sizeof(name));
	got = xdp_nl_ask(n->genl, &r.head, answer, sizeof(answer));
	if (got < 0)
		return got == -ENOENT ? -ENOTSUP : (int)got;
	c = attrs_of(answer, (size_t)got);
	while (xdp_nl_next(&c, &a))
		if (a.type == CTRL_ATTR_FAMILY_ID && xdp_nl_number(&a, id, sizeof(*id)))
			return 0;
	return -EPROTO;
}

int netdev_xdp_read(const void *message, size_t bytes, struct netdev_xdp *out)
{
	struct weir_cursor c = attrs_of(message, bytes);
	struct netdev_xdp x = {0};
	struct xdp_nl_attr a;
	bool told = false;

	while (xdp_nl_next(&c, &a)) {
		if (a.type == NETDEV_A_DEV_XDP_FEATURES)
			told = xdp_nl_number(&a, &x.features, sizeof(x.features));
		else if (a.type == NETDEV_A_DEV_XDP_RX_METADATA_FEATURES)
			xdp_nl_number(&a, &x.rx_metadata, sizeof(x.rx_metadata));
		else if (a.type == NETDEV_A_DEV_XSK_FEATURES)
			xdp_nl_number(&a, &x.xsk, sizeof(x.xsk));
		else if (a.type == NETDEV_A_DEV_XDP_ZC_MAX_SEGS)
			xdp_nl_number(&a, &x.zc_max_segs, sizeof(x.zc_max_segs));
	}
	if (c.bad || !told)
		return -EPROTO;
	*out = x;
	return 0;
}

int netdev_xdp_features(const struct netdev *n, struct netdev_xdp *out)
{
	uint8_t answer[XDP_NL_ANSWER_BYTES];
	struct request r;
	uint16_t id;
	long got;
	int rc = family_id(n, &id);

	if (rc < 0)
		return rc;
	request_init(&r, id, NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, sizeof(r.value.ifindex));
	r.value.ifindex = (uint32_t)n->ifindex;
	got = xdp_nl_ask(n->genl, &r.head, answer, sizeof(answer));
	if (got < 0)
		return (int)got;
	return netdev_xdp_read(answer, (size_t)got, out);
}
