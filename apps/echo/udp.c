/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * UDP of weir-echo: sockets that share the port, and sockets of their own for some peers, with what
 * they have sent back.
 */

#include "echo_priv.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <weir/error.h>

/*
 * Who answers everything by himself would be answered for ever: echo, daytime, quote, chargen and
 * time of the small services (RFC 862 to 868), and another one like us.
 */
static bool answers_by_itself(uint16_t port, uint16_t ours)
{
	return port == ours || port == 7 || port == 13 || port == 17 || port == 19 || port == 37;
}

/* From the address that was asked, if it is ours alone. */
static int answer(struct echo_worker *w, const struct echo_udp *u, struct weir_dgram *d)
{
	return weir_udp_send(w->stack.stack, u->sock, d->payload, &d->from,
			     d->to_many ? NULL : &d->to.addr);
}

static void echo_one(struct echo_worker *w, struct echo_udp *u, struct weir_dgram *d)
{
	if (answers_by_itself(d->from.port, d->to.port)) {
		weir_count(&w->ignored, 1);
		rte_pktmbuf_free(d->payload);
	} else if (answer(w, u, d) == 0) {
		weir_count(&w->echoed, 1);
		weir_count(&u->echoed, 1);
	} else {
		rte_pktmbuf_free(d->payload); /* counted by the stack */
	}
}

void echo_datagrams(struct stack_worker *stack, weir_sock sock)
{
	struct echo_worker *w = (struct echo_worker *)stack;
	struct echo_udp *u = w->udp;
	struct weir_dgram d;

	while (u->sock != sock) /* it is one of them */
		u++;
	while (weir_udp_recv(stack->stack, sock, &d) == 0)
		if (d.to_many && u != w->udp)
			rte_pktmbuf_free(d.payload); /* the first has it too, and answers */
		else
			echo_one(w, u, &d);
}

/* A socket at the port, for @peer (NULL: for all), as one of those that share it. */
static int open_one(struct echo_worker *w, uint16_t port, const struct weir_endpoint *peer)
{
	const struct weir_endpoint at = {.port = port};
	struct weir_stack *s = w->stack.stack;
	struct echo_udp *u = &w->udp[w->n_udp];
	const int on = 1;
	int rc = weir_socket(s, WEIR_UDP, &w->udp_user, &u->sock);

	if (rc == 0)
		rc = weir_setsockopt(s, u->sock, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (rc == 0)
		rc = weir_bind(s, u->sock, &at);
	if (rc == 0 && peer != NULL)
		rc = weir_connect(s, u->sock, peer);
	w->n_udp += rc == 0;
	return rc;
}

/* The first socket joins: by an interface that has an address of the family. */
static int join(struct echo_worker *w, const struct weir_addr *group)
{
	struct ip_mreqn four = {0};
	struct ipv6_mreq six = {0};

	memcpy(&four.imr_multiaddr, group->bytes, sizeof(four.imr_multiaddr));
	memcpy(&six.ipv6mr_multiaddr, group->bytes, sizeof(six.ipv6mr_multiaddr));
	if (group->family == 4)
		return weir_setsockopt(w->stack.stack, w->udp[0].sock, IPPROTO_IP,
				       IP_ADD_MEMBERSHIP, &four, sizeof(four));
	return weir_setsockopt(w->stack.stack, w->udp[0].sock, IPPROTO_IPV6, IPV6_JOIN_GROUP, &six,
			       sizeof(six));
}

static int join_all(struct echo_worker *w, const struct weir_conf_list *groups,
		    struct weir_why *why)
{
	const struct weir_addr *group;
	char text[WEIR_ADDR_TEXT];

	weir_conf_each (group, groups) {
		const int rc = join(w, group);

		if (rc < 0)
			return weir_why(why, rc, "group %s: %s", weir_addr_format(group, text),
					weir_error_text(rc));
	}
	return 0;
}

int echo_open_udp(struct echo_worker *w, const struct echo_section *conf, struct weir_why *why)
{
	const uint16_t port = (uint16_t)conf->udp;
	const struct echo_peer *p;
	char text[WEIR_ADDR_TEXT];
	int rc;

	w->udp_user.is = STACK_DATAGRAMS;
	for (uint64_t i = 0; port != 0 && i < conf->sockets; i++) {
		rc = open_one(w, port, NULL);
		if (rc < 0)
			return weir_why(why, rc, "UDP port %u: %s", port, weir_error_text(rc));
	}
	weir_conf_each (p, &conf->peers) {
		const struct weir_endpoint peer = {p->address, (uint16_t)p->port};

		rc = port == 0 ? 0 : open_one(w, port, &peer);
		if (rc < 0)
			return weir_why(why, rc, "UDP port %u, peer %s port %u: %s", port,
					weir_addr_format(&p->address, text), peer.port,
					weir_error_text(rc));
	}
	return port == 0 ? 0 : join_all(w, &conf->groups, why);
}
