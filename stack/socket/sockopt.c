/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Options of sockets, with Linux's names and meanings.
 *
 * What is more than a flag lies in settings, which connections share: who sets an option gets the
 * entry with just these settings, or a new one. So a million connections that all have the same
 * options take one.
 */

#include "tcp_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#define CC_NAME_MOST 16

int settings_create(struct weir_stack *s)
{
	const char *name = s->conf.congestion;
	struct settings_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	s->settings = t;
	memset(&t->at[0], 0, sizeof(t->at[0]));
	t->at[0].cc = cc_find(name, strlen(name));
	t->at[0].sndbuf = s->conf.sndbuf_bytes;
	t->at[0].keep_idle_s = 7200;
	t->at[0].keep_interval_s = 75;
	t->at[0].keep_count = 9;
	t->at[0].syn_count = 6;
	t->at[0].linger2_s = 60;
	t->users[0] = 1;
	t->used = 1;
	return t->at[0].cc == NULL ? -EINVAL : 0;
}

void settings_free(struct weir_stack *s)
{
	free(s->settings);
	s->settings = NULL;
}

void settings_drop(struct conn *c)
{
	if (c->opts != 0)
		c->stack->settings->users[c->opts]--;
	c->opts = 0;
}

void settings_inherit(struct conn *c, const struct conn *from)
{
	c->opts = from->opts;
	if (c->opts != 0)
		c->stack->settings->users[c->opts]++;
}

/* Settings are compared by their bytes: they are made by copying one that was zero at first. */
static int change(struct conn *c, const struct settings *want)
{
	struct settings_table *t = c->stack->settings;
	uint32_t free_at = 0;

	for (uint32_t i = 0; i < t->used; i++) {
		if (t->users[i] == 0 && free_at == 0)
			free_at = i;
		if ((t->users[i] == 0 && i != 0) || memcmp(&t->at[i], want, sizeof(*want)) != 0)
			continue;
		settings_drop(c);
		c->opts = i;
		if (i != 0)
			t->users[i]++;
		return 0;
	}
	if (free_at == 0 && t->used == SETTINGS_MOST)
		return -ENOBUFS;
	if (free_at == 0)
		free_at = t->used++;
	memcpy(&t->at[free_at], want, sizeof(*want));
	settings_drop(c);
	c->opts = free_at;
	t->users[free_at] = 1;
	return 0;
}

/* ---- flags ---- */

struct flag_opt {
	int level, name;
	uint32_t flag;
};

static const struct flag_opt flag_opts[] = {
	{IPPROTO_TCP, TCP_NODELAY, CONN_NODELAY},
	{IPPROTO_TCP, TCP_CORK, CONN_CORK},
	{SOL_SOCKET, SO_KEEPALIVE, CONN_KEEPALIVE},
	{IPPROTO_TCP, TCP_QUICKACK, CONN_QUICKACK},
};

static const struct flag_opt *flag_opt(int level, int name)
{
	for (unsigned i = 0; i < RTE_DIM(flag_opts); i++)
		if (flag_opts[i].level == level && flag_opts[i].name == name)
			return &flag_opts[i];
	return NULL;
}

/* ---- numbers ---- */

struct number_opt {
	int level, name;
	uint16_t at, bytes; /* in struct settings */
	int64_t min, max;
};

#define NUMBER(level, name, member, min, max)                            \
	{                                                                \
		level, name, offsetof(struct settings, member),          \
			sizeof(((struct settings *)0)->member), min, max \
	}

/* Linux's bounds. */
static const struct number_opt number_opts[] = {
	NUMBER(IPPROTO_TCP, TCP_KEEPIDLE, keep_idle_s, 1, 32767),
	NUMBER(IPPROTO_TCP, TCP_KEEPINTVL, keep_interval_s, 1, 32767),
	NUMBER(IPPROTO_TCP, TCP_KEEPCNT, keep_count, 1, 127),
	NUMBER(IPPROTO_TCP, TCP_SYNCNT, syn_count, 1, 127),
	NUMBER(IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms, 0, INT32_MAX),
	NUMBER(IPPROTO_TCP, TCP_LINGER2, linger2_s, 0, 120),
	NUMBER(IPPROTO_TCP, TCP_DEFER_ACCEPT, defer_s, 0, INT32_MAX),
	NUMBER(IPPROTO_TCP, TCP_MAXSEG, maxseg, MSS_LEAST, 32767),
	NUMBER(IPPROTO_TCP, WEIR_TCP_UTO, uto, 0, 1),
	NUMBER(IPPROTO_TCP, TCP_FASTOPEN, fastopen, 0, INT32_MAX),
	NUMBER(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, fastopen_connect, 0, 1),
	NUMBER(SOL_SOCKET, SO_SNDBUF, sndbuf, 2048, 1 << 30),
	NUMBER(SOL_SOCKET, SO_RCVBUF, rcvbuf, 2048, 1 << 30),
	NUMBER(SOL_SOCKET, SO_REUSEADDR, reuse, 0, 1),
	NUMBER(SOL_SOCKET, SO_REUSEPORT, reuseport, 0, 1),
	NUMBER(IPPROTO_IPV6, IPV6_V6ONLY, v6_only, 0, 1),
	NUMBER(IPPROTO_IP, IP_TOS, tos, 0, 255),
	NUMBER(IPPROTO_IPV6, IPV6_TCLASS, tos, 0, 255),
};

static const struct number_opt *number_opt(int level, int name)
{
	for (unsigned i = 0; i < RTE_DIM(number_opts); i++)
		if (number_opts[i].level == level && number_opts[i].name == name)
			return &number_opts[i];
	return NULL;
}

static int64_t number_get(const struct settings *set, const struct number_opt *o)
{
	const uint8_t *p = (const uint8_t *)set + o->at;
	uint32_t four;
	uint16_t two;

	if (o->bytes == 1)
		return *p;
	if (o->bytes == 2) {
		memcpy(&two, p, sizeof(two));
		return two;
	}
	memcpy(&four, p, sizeof(four));
	return four;
}

static int number_set(struct conn *c, const struct number_opt *o, int64_t value)
{
	struct settings want;
	const uint32_t four = (uint32_t)value;
	const uint16_t two = (uint16_t)value;
	uint8_t *p = (uint8_t *)&want + o->at;
	int rc;

	if (value < o->min || value > o->max)
		return -EINVAL;
	memcpy(&want, settings_of(c), sizeof(want));
	if (o->bytes == 1)
		*p = (uint8_t)value;
	else if (o->bytes == 2)
		memcpy(p, &two, sizeof(two));
	else
		memcpy(p, &four, sizeof(four));
	rc = change(c, &want);
	if (rc == 0 && o->level == SOL_SOCKET && o->name == SO_RCVBUF)
		c->rcvbuf = RTE_MIN(four, c->stack->conf.rcvbuf_bytes);
	if (rc == 0 && o->level == IPPROTO_TCP &&
	    (o->name == TCP_USER_TIMEOUT || o->name == WEIR_TCP_UTO))
		uto_changed(c);
	return rc;
}

/* ---- the others ---- */

static int set_congestion(struct conn *c, const char *name, uint32_t bytes)
{
	const struct cc_ops *ops = cc_find(name, strnlen(name, bytes));
	struct settings want;
	struct work *w;
	int rc;

	if (ops == NULL)
		return -ENOENT;
	memcpy(&want, settings_of(c), sizeof(want));
	want.cc = ops;
	rc = change(c, &want);
	w = work_of(c);
	if (rc == 0 && w != NULL)
		cc_switch(&w->cc, ops, c->stack->now_ns);
	return rc;
}

static int set_linger(struct conn *c, const void *value, uint32_t bytes)
{
	struct linger l;

	if (bytes < sizeof(l))
		return -EINVAL;
	memcpy(&l, value, sizeof(l));
	/* Calls never block, so only "do not linger at all" is another way to close. */
	c->flags = l.l_onoff && l.l_linger == 0 ? c->flags | CONN_LINGER : c->flags & ~CONN_LINGER;
	return 0;
}

/* What can be chosen only while there is no connection. */
static bool is_of_beginning(int level, int name)
{
	return level == IPPROTO_TCP && (name == TCP_FASTOPEN || name == TCP_FASTOPEN_CONNECT);
}

int weir_setsockopt(struct weir_stack *s, weir_sock sock, int level, int name, const void *value,
		    uint32_t bytes)
{
	struct conn *c = conn_by(s, sock);
	const struct flag_opt *f = flag_opt(level, name);
	const struct number_opt *o = number_opt(level, name);
	struct sock *k = sock_of(s, sock);
	int number;

	if (c == NULL)
		return k == NULL ? -EBADF : udp_setsockopt(s, k, level, name, value, bytes);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION)
		return set_congestion(c, value, bytes);
	if (level == SOL_SOCKET && name == SO_LINGER)
		return set_linger(c, value, bytes);
	if (f == NULL && o == NULL)
		return -ENOPROTOOPT;
	if (bytes < sizeof(number) || (is_of_beginning(level, name) && c->state > TCPS_LISTEN))
		return -EINVAL;
	memcpy(&number, value, sizeof(number));
	if (o != NULL)
		return number_set(c, o, number);
	c->flags = number != 0 ? c->flags | f->flag : c->flags & ~f->flag;
	if (c->state >= TCPS_ESTABLISHED) { /* what was held may go now */
		conn_dirty(c);
		conn_arm(c);
	}
	return 0;
}

/* As much as there is room for, as Linux. */
static int give(void *value, uint32_t *bytes, const void *from, uint32_t from_bytes)
{
	*bytes = RTE_MIN(*bytes, from_bytes);
	memcpy(value, from, *bytes);
	return 0;
}

static int give_number(void *value, uint32_t *bytes, int number)
{
	return give(value, bytes, &number, sizeof(number));
}

static int udp_option(struct sock *k, int level, int name, void *value, uint32_t *bytes)
{
	int number, rc;

	if (k == NULL)
		return -EBADF;
	rc = udp_getsockopt(k, level, name, &number);
	return rc < 0 ? rc : give_number(value, bytes, number);
}

int weir_getsockopt(struct weir_stack *s, weir_sock sock, int level, int name, void *value,
		    uint32_t *bytes)
{
	struct conn *c = conn_by(s, sock);
	const struct flag_opt *f = flag_opt(level, name);
	const struct number_opt *o = number_opt(level, name);
	char cc_name[CC_NAME_MOST] = "";
	struct tcp_info info;
	int error;

	if (c == NULL)
		return udp_option(sock_of(s, sock), level, name, value, bytes);
	if (f != NULL)
		return give_number(value, bytes, (c->flags & f->flag) != 0);
	if (o != NULL)
		return give_number(value, bytes, (int)number_get(settings_of(c), o));
	if (level == SOL_SOCKET && name == SO_TYPE)
		return give_number(value, bytes, SOCK_STREAM);
	if (level == SOL_SOCKET && name == SO_ACCEPTCONN)
		return give_number(value, bytes, c->state == TCPS_LISTEN);
	if (level == SOL_SOCKET && name == SO_ERROR) {
		error = c->error;
		c->error = 0;
		return give_number(value, bytes, error);
	}
	if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
		strncpy(cc_name, settings_of(c)->cc->name, sizeof(cc_name) - 1);
		return give(value, bytes, cc_name, sizeof(cc_name));
	}
	if (level == IPPROTO_TCP && name == TCP_INFO) {
		conn_info(c, &info);
		return give(value, bytes, &info, sizeof(info));
	}
	return -ENOPROTOOPT;
}

int weir_sock_deadline(struct weir_stack *s, weir_sock sock, enum weir_deadline which, uint64_t ns)
{
	struct conn *c = conn_by(s, sock);
	struct settings want;
	int rc;

	if (c == NULL)
		return -EBADF;
	if (which >= WEIR_DEADLINES)
		return -EINVAL;
	memcpy(&want, settings_of(c), sizeof(want));
	want.deadline_ns[which] = ns;
	rc = change(c, &want);
	if (rc == 0)
		conn_arm(c);
	return rc;
}
