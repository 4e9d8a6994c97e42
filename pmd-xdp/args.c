/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Takes the text behind net_weir_xdp0, in --vdev; says what the user wants, checked. What the words
 * of steer= and owns= mean is for the steering to read.
 */

#include "args_priv.h"

#include "log_priv.h"

#include <assert.h>
#include <errno.h>
#include <rte_common.h>
#include <rte_kvargs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <weir/units.h>

enum kind { KIND_NAME, KIND_TEXT, KIND_NUMBER, KIND_SWITCH, KIND_CHOICE };

struct key {
	const char *name;
	enum kind kind;
	size_t offset;	       /* in struct xdp_args */
	uint32_t min, max;     /* of a number */
	const char *choice[3]; /* in the order of their enum */
};

#define FIELD(f) .offset = offsetof(struct xdp_args, f)

static const struct key keys[] = {
	{"iface", KIND_NAME, FIELD(iface)},
	{"queues", KIND_NUMBER, FIELD(queues), .min = 1, .max = XDP_ARGS_QUEUES},
	{"start_queue", KIND_NUMBER, FIELD(start_queue), .min = 0, .max = UINT16_MAX},
	{"hw_queues", KIND_NUMBER, FIELD(hw_queues), .min = 1, .max = XDP_ARGS_QUEUES},
	{"steer", KIND_TEXT, FIELD(steer)},
	{"owns", KIND_TEXT, FIELD(owns)},
	{"mode", KIND_CHOICE, FIELD(mode), .choice = {"auto", "drv", "skb"}},
	{"zerocopy", KIND_CHOICE, FIELD(zerocopy), .choice = {"auto", "on", "off"}},
	{"busy_poll", KIND_CHOICE, FIELD(busy_poll), .choice = {"auto", "on", "off"}},
	{"busy_budget", KIND_NUMBER, FIELD(busy_budget), .min = 1, .max = UINT16_MAX},
	{"busy_usecs", KIND_NUMBER, FIELD(busy_usecs), .min = 1, .max = 1000000},
	{"rss", KIND_CHOICE, FIELD(rss), .choice = {"auto", "hw", "soft"}},
	{"symmetric", KIND_SWITCH, FIELD(symmetric)},
	{"txcsum", KIND_CHOICE, FIELD(txcsum), .choice = {"auto", "soft", "kernel"}},
	{"rxcsum", KIND_CHOICE, FIELD(rxcsum), .choice = {"none", "verify", "trust"}},
	{"rx_ts", KIND_CHOICE, FIELD(rx_ts), .choice = {"none", "hw", "sw"}},
	{"coexist", KIND_SWITCH, FIELD(coexist)},
	{"need_wakeup", KIND_SWITCH, FIELD(need_wakeup)},
};

/* A choice is kept in its enum as its place in the list. */
static_assert(sizeof(enum xdp_want_mode) == sizeof(uint32_t), "choices are stored as numbers");

/* One log line. @return -EINVAL. */
__rte_format_printf(2, 3) static int refuse(const char *who, const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	XDP_LOG(ERR, "%s: %s", who, text);
	return -EINVAL;
}

/* What the kernel takes for a name, and what upsets no log line, path or rule. */
static bool is_name(const char *s)
{
	if (s[0] == '\0' || strlen(s) >= IFNAMSIZ || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || strchr("/:%", *s) != NULL)
			return false;
	return true;
}

static int set_name(const char *who, const char *value, char out[IFNAMSIZ])
{
	if (!is_name(value))
		return refuse(who,
			      "iface is \"%.64s\", must be an interface's name of 1 to %d bytes",
			      value, IFNAMSIZ - 1);
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

static int set_text(const char *who, const struct key *k, const char *value, char *out)
{
	const size_t bytes = strlen(value) + 1;

	if (bytes > XDP_ARGS_TEXT_BYTES)
		return refuse(who, "%s has %zu bytes, must be 1 to %d", k->name, bytes - 1,
			      XDP_ARGS_TEXT_BYTES - 1);
	memcpy(out, value, bytes);
	return 0;
}

static int set_number(const char *who, const struct key *k, const char *value, uint32_t *out)
{
	uint64_t number;

	if (weir_parse_uint(value, strlen(value), &number) < 0 || number < k->min ||
	    number > k->max)
		return refuse(who, "%s is \"%.64s\", must be %u to %u", k->name, value, k->min,
			      k->max);
	*out = (uint32_t)number;
	return 0;
}

static int set_switch(const char *who, const struct key *k, const char *value, bool *out)
{
	if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
		return refuse(who, "%s is \"%.64s\", must be 0 or 1", k->name, value);
	*out = value[0] == '1';
	return 0;
}

static int set_choice(const char *who, const struct key *k, const char *value, uint32_t *out)
{
	for (uint32_t i = 0; i < RTE_DIM(k->choice); i++)
		if (strcmp(value, k->choice[i]) == 0) {
			*out = i;
			return 0;
		}
	return refuse(who, "%s is \"%.64s\", must be %s, %s or %s", k->name, value, k->choice[0],
		      k->choice[1], k->choice[2]);
}

static int set(const char *who, const struct key *k, const char *value, struct xdp_args *args)
{
	void *field = (uint8_t *)args + k->offset;

	switch (k->kind) {
	case KIND_NAME:
		return set_name(who, value, field);
	case KIND_TEXT:
		return set_text(who, k, value, field);
	case KIND_NUMBER:
		return set_number(who, k, value, field);
	case KIND_SWITCH:
		return set_switch(who, k, value, field);
	case KIND_CHOICE:
		return set_choice(who, k, value, field);
	}
	return -EINVAL;
}

static const struct key *key_of(const char *name)
{
	for (size_t i = 0; i < RTE_DIM(keys); i++)
		if (strcmp(name, keys[i].name) == 0)
			return &keys[i];
	return NULL;
}

/* The names of all keys, for those who mistyped one. */
static int refuse_key(const char *who, const char *name)
{
	char text[192];
	size_t at = 0;

	for (size_t i = 0; i < RTE_DIM(keys) && at < sizeof(text); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " %s", keys[i].name);
	return refuse(who, "%.32s is no key; the keys are%s", name, text);
}

static int set_pair(const char *who, const struct rte_kvargs *pairs, unsigned at,
		    struct xdp_args *args)
{
	const char *name = pairs->pairs[at].key;
	const char *value = pairs->pairs[at].value;
	const struct key *k = key_of(name);

	if (k == NULL)
		return refuse_key(who, name);
	for (unsigned i = 0; i < at; i++)
		if (strcmp(name, pairs->pairs[i].key) == 0)
			return refuse(who, "%s is there twice, must be there once", name);
	if (value == NULL || value[0] == '\0')
		return refuse(who, "%s is empty, must be %s=VALUE", name, name);
	return set(who, k, value, args);
}

/* Of two wishes that cannot both be had. What the device can do is seen when the port starts. */
static int check(const char *who, const struct xdp_args *a)
{
	if (a->iface[0] == '\0')
		return refuse(who, "iface is missing, must be an interface's name");
	if (a->mode == XDP_WANT_MODE_SKB && a->zerocopy == XDP_WANT_ON)
		return refuse(who, "zerocopy is on with mode=skb, must be auto or off");
	if (a->mode == XDP_WANT_MODE_SKB && a->rx_ts == XDP_WANT_RX_TS_HW)
		return refuse(who, "rx_ts is hw with mode=skb, must be none or sw");
	if (a->coexist && a->rx_ts == XDP_WANT_RX_TS_HW)
		return refuse(who, "rx_ts is hw with coexist=1, must be none or sw");
	return 0;
}

/* Whom the log lines are about: the interface, if it has a name that can be printed. */
static const char *who_of(const struct rte_kvargs *pairs)
{
	for (unsigned i = 0; i < pairs->count; i++)
		if (strcmp(pairs->pairs[i].key, "iface") == 0 && pairs->pairs[i].value != NULL &&
		    is_name(pairs->pairs[i].value))
			return pairs->pairs[i].value;
	return "net_weir_xdp";
}

int xdp_args_parse(const char *text, struct xdp_args *out)
{
	struct xdp_args args = {.busy_budget = 64, .busy_usecs = 20, .need_wakeup = true};
	struct rte_kvargs *pairs = rte_kvargs_parse(text == NULL ? "" : text, NULL);
	const char *who;
	int rc = 0;

	if (pairs == NULL)
		return refuse("net_weir_xdp",
			      "\"%.64s\" cannot be read, must be up to %d of key=value with "
			      "commas between",
			      text == NULL ? "" : text, RTE_KVARGS_MAX);
	who = who_of(pairs);
	for (unsigned i = 0; i < pairs->count && rc == 0; i++)
		rc = set_pair(who, pairs, i, &args);
	if (rc == 0)
		rc = check(who, &args);
	if (rc == 0)
		*out = args;
	rte_kvargs_free(pairs);
	return rc;
}
