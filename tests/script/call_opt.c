/* SPDX-License-Identifier: BSD-3-Clause */

/* setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) and getsockopt(3, ..., [1], [4]). */

#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define BYTES_MOST 64

static int64_t number_in(const struct value *v)
{
	if (v != NULL && v->kind == VALUE_LIST)
		v = v->items;
	return v != NULL && v->kind == VALUE_NUMBER ? v->number : 0;
}

static const char *text_in(const struct value *v)
{
	if (v != NULL && v->kind == VALUE_LIST)
		v = v->items;
	return v != NULL && v->kind == VALUE_TEXT ? v->text : NULL;
}

/* {onoff=1, linger=0} */
static struct linger linger_in(const struct value *v)
{
	struct linger l = {0};

	for (const struct value *f = v->items; f != NULL; f = f->next) {
		if (f->field != NULL && strcmp(f->field, "onoff") == 0)
			l.l_onoff = (int)f->number;
		if (f->field != NULL && (strcmp(f->field, "linger") == 0))
			l.l_linger = (int)f->number;
	}
	return l;
}

/* The value's bytes. @return how many. */
static uint32_t bytes_of(const struct value *v, uint8_t out[BYTES_MOST])
{
	const char *text = text_in(v);
	const int number = (int)number_in(v);

	if (text != NULL) {
		const size_t n = RTE_MIN(strlen(text), (size_t)BYTES_MOST - 1);

		memset(out, 0, BYTES_MOST);
		memcpy(out, text, n);
		return (uint32_t)n;
	}
	if (v != NULL && v->kind == VALUE_FIELDS) {
		const struct linger l = linger_in(v);

		memcpy(out, &l, sizeof(l));
		return sizeof(l);
	}
	memcpy(out, &number, sizeof(number));
	return sizeof(number);
}

int64_t call_setsockopt(struct runner *r, const struct value *a[], int *refused)
{
	uint8_t bytes[BYTES_MOST] = {0};
	uint32_t n;

	if (a[4] == NULL || a[4]->kind != VALUE_NUMBER) {
		*refused = refuse(r, "setsockopt has five arguments");
		return 0;
	}
	n = bytes_of(a[3], bytes);
	/* A script may lie about the length. */
	if (number_in(a[4]) < n)
		n = (uint32_t)RTE_MAX(number_in(a[4]), 0);
	return weir_setsockopt(r->stack, fd_of(r, number_in(a[0]))->sock, (int)number_in(a[1]),
			       (int)number_in(a[2]), bytes, n);
}

int64_t call_getsockopt(struct runner *r, const struct value *a[], int *refused)
{
	uint8_t want[BYTES_MOST] = {0}, got[BYTES_MOST] = {0};
	uint32_t n = BYTES_MOST, n_want;
	int rc;

	if (a[4] == NULL || number_in(a[2]) == TCP_INFO) {
		*refused =
			refuse(r, "getsockopt has five arguments, and TCP_INFO is read by %%{ }%%");
		return 0;
	}
	n_want = bytes_of(a[3], want);
	n = RTE_MIN((uint32_t)RTE_MAX(number_in(a[4]), 0), n);
	rc = weir_getsockopt(r->stack, fd_of(r, number_in(a[0]))->sock, (int)number_in(a[1]),
			     (int)number_in(a[2]), got, &n);
	if (rc < 0)
		return rc;
	if (a[3]->kind != VALUE_ANY && memcmp(want, got, n_want) != 0) {
		int number;

		memcpy(&number, got, sizeof(number));
		*refused = fail(r,
				"runtime error in getsockopt call: Expected %" PRId64 " but got %d",
				number_in(a[3]), number);
	}
	return rc;
}
