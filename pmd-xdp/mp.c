/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the primary process does for secondary ones (mp_priv.h).
 *
 * Takes:  questions from guests, in EAL's thread for messages.
 * Says:   descriptors of sockets, counters; when sockets come and go.
 * Holds:  the ports that may be asked about.
 */

#include "mp_priv.h"

#include "dev_priv.h"
#include "log_priv.h"
#include "stats_priv.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define LEAVE_TRIES    1000
#define LEAVE_PAUSE_NS 1000000

/* A port is not closed while a question about it is answered. */
static pthread_mutex_t hosted_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rte_eth_dev *hosted[RTE_MAX_ETHPORTS];

const struct xdp_mp_message *xdp_mp_read(const struct rte_mp_msg *msg)
{
	const struct xdp_mp_message *m = (const struct xdp_mp_message *)msg->param;

	return msg->len_param == sizeof(*m) && m->port_id < RTE_MAX_ETHPORTS ? m : NULL;
}

void xdp_mp_write(struct rte_mp_msg *msg, const struct xdp_mp_message *m)
{
	memset(msg, 0, sizeof(*msg));
	strcpy(msg->name, XDP_MP_ACTION);
	memcpy(msg->param, m, sizeof(*m));
	msg->len_param = sizeof(*m);
}

/* The sockets are held: none is closed before the answer is on its way. */
static int give_socks(const struct xdp_port *port, struct xdp_mp_message *m, struct rte_mp_msg *out)
{
	const int *fds = xdp_fds[port->port_id];

	m->generation = port->guests->generation;
	if (m->generation % 2 == 0 || m->first >= port->n_socks)
		return -EAGAIN;
	m->n_socks = port->n_socks;
	while (out->num_fds < RTE_MP_MAX_FD_NUM && m->first + out->num_fds < port->n_socks) {
		out->fds[out->num_fds] = fds[m->first + out->num_fds];
		out->num_fds++;
	}
	return 0;
}

static int answer(struct rte_eth_dev *dev, struct xdp_mp_message *m, const void *peer)
{
	const struct xdp_port *port = xdp_port_of(dev);
	struct rte_mp_msg out;
	struct rte_mp_msg with = {0};
	int rc;

	if (m->what == XDP_MP_STATS)
		m->rc = xdp_stats_read(dev, &port->stats->asked);
	xdp_sockets_hold(port);
	if (m->what == XDP_MP_SOCKETS)
		m->rc = give_socks(port, m, &with);
	xdp_mp_write(&out, m);
	out.num_fds = with.num_fds;
	memcpy(out.fds, with.fds, sizeof(out.fds));
	rc = rte_mp_reply(&out, peer);
	xdp_sockets_release();
	return rc;
}

static int on_question(const struct rte_mp_msg *msg, const void *peer)
{
	const struct xdp_mp_message *in = xdp_mp_read(msg);
	struct xdp_mp_message m;
	int rc = -EINVAL;

	if (in == NULL || (in->what != XDP_MP_STATS && in->what != XDP_MP_SOCKETS))
		return rc;
	m = *in;
	pthread_mutex_lock(&hosted_lock);
	if (hosted[m.port_id] != NULL)
		rc = answer(hosted[m.port_id], &m, peer);
	pthread_mutex_unlock(&hosted_lock);
	return rc;
}

int xdp_mp_open(struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);
	static bool listening;

	port->guests = rte_zmalloc("xdp_guests", sizeof(*port->guests), 0);
	if (port->guests == NULL)
		return -ENOMEM;
	if (!listening && rte_mp_action_register(XDP_MP_ACTION, on_question) < 0 &&
	    rte_errno != ENOTSUP)
		return -rte_errno;
	listening = true;
	pthread_mutex_lock(&hosted_lock);
	hosted[port->port_id] = dev;
	pthread_mutex_unlock(&hosted_lock);
	return 0;
}

static unsigned count_seats(const struct xdp_guests *guests)
{
	unsigned n = 0;

	for (unsigned i = 0; i < XDP_MAX_GUESTS; i++)
		n += __atomic_load_n(&guests->seats[i].pid, __ATOMIC_SEQ_CST) != 0;
	return n;
}

void xdp_mp_close(struct rte_eth_dev *dev)
{
	struct xdp_port *port = xdp_port_of(dev);

	pthread_mutex_lock(&hosted_lock);
	hosted[port->port_id] = NULL;
	pthread_mutex_unlock(&hosted_lock);
	/* Who still sits there writes into its seat when it goes. */
	if (port->guests != NULL && count_seats(port->guests) == 0)
		rte_free(port->guests);
	port->guests = NULL;
}

/* True if a guest still has sockets mapped. A dead one's seat is free again. */
static bool is_mapped(struct xdp_seat *seat)
{
	const int pid = __atomic_load_n(&seat->pid, __ATOMIC_SEQ_CST);

	if (pid == 0 || __atomic_load_n(&seat->mapped, __ATOMIC_SEQ_CST) == 0)
		return false;
	if (kill(pid, 0) == 0 || errno != ESRCH)
		return true;
	seat->mapped = 0;
	__atomic_store_n(&seat->pid, 0, __ATOMIC_SEQ_CST);
	return false;
}

static unsigned count_mapped(struct xdp_guests *guests)
{
	unsigned n = 0;

	for (unsigned i = 0; i < XDP_MAX_GUESTS; i++)
		n += is_mapped(&guests->seats[i]);
	return n;
}

static void tell_guests(const struct xdp_port *port, enum xdp_mp_what what)
{
	const struct xdp_mp_message m = {.what = what, .port_id = port->port_id};
	struct rte_mp_msg msg;

	if (count_seats(port->guests) == 0)
		return;
	xdp_mp_write(&msg, &m);
	if (rte_mp_sendmsg(&msg) < 0)
		XDP_LOG(WARNING, "%s: cannot tell secondary processes: %s", port->args.iface,
			strerror(rte_errno));
}

void xdp_mp_started(struct rte_eth_dev *dev)
{
	const struct xdp_port *port = xdp_port_of(dev);

	__atomic_add_fetch(&port->guests->generation, 1, __ATOMIC_SEQ_CST);
	tell_guests(port, XDP_MP_STARTED);
}

void xdp_mp_stopping(struct rte_eth_dev *dev)
{
	const struct timespec pause = {.tv_nsec = LEAVE_PAUSE_NS};
	const struct xdp_port *port = xdp_port_of(dev);
	unsigned n;

	xdp_sockets_hold(port);
	__atomic_add_fetch(&port->guests->generation, 1, __ATOMIC_SEQ_CST);
	xdp_sockets_release();
	if (count_mapped(port->guests) == 0)
		return;
	tell_guests(port, XDP_MP_STOPPED);
	for (unsigned tries = 0; (n = count_mapped(port->guests)) > 0; tries++) {
		if (tries == LEAVE_TRIES) {
			XDP_LOG(WARNING,
				"%s: %u secondary processes do not let go of their queues; they "
				"must be ended",
				port->args.iface, n);
			return;
		}
		nanosleep(&pause, NULL);
	}
}
