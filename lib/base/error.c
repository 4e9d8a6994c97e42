/* SPDX-License-Identifier: BSD-3-Clause */

/* One row for every errno that weir returns; what is not in the table is the caller's fault. */

#include <weir/error.h>

#include <errno.h>
#include <stddef.h>

struct row {
	int code;
	enum weir_error_category category;
	bool retryable;
	const char *text;
};

static const struct row rows[] = {
	{EAGAIN, WEIR_ERROR_RESOURCE, true, "EAGAIN: not now, call again when ready"},
	{EINTR, WEIR_ERROR_RESOURCE, true, "EINTR: a signal came first"},
	{EBUSY, WEIR_ERROR_RESOURCE, true, "EBUSY: somebody else holds it"},
	{ENOMEM, WEIR_ERROR_RESOURCE, true, "ENOMEM: out of memory"},
	{ENOBUFS, WEIR_ERROR_RESOURCE, true, "ENOBUFS: the pool or queue is exhausted"},
	{ENOSPC, WEIR_ERROR_RESOURCE, true, "ENOSPC: the table is full"},
	{EMFILE, WEIR_ERROR_RESOURCE, true, "EMFILE: too many open files in this process"},
	{ENFILE, WEIR_ERROR_RESOURCE, true, "ENFILE: too many open files in the system"},
	{ETIMEDOUT, WEIR_ERROR_TIMEOUT, true, "ETIMEDOUT: nothing came in time"},
	{ETIME, WEIR_ERROR_TIMEOUT, true, "ETIME: the deadline passed"},
	{ECONNREFUSED, WEIR_ERROR_NETWORK, true, "ECONNREFUSED: nobody listens there"},
	{ECONNRESET, WEIR_ERROR_NETWORK, true, "ECONNRESET: the peer reset the connection"},
	{ECONNABORTED, WEIR_ERROR_NETWORK, true, "ECONNABORTED: the connection was aborted"},
	{EPIPE, WEIR_ERROR_NETWORK, true, "EPIPE: the other side has closed"},
	{ENETUNREACH, WEIR_ERROR_NETWORK, true, "ENETUNREACH: no route to the network"},
	{EHOSTUNREACH, WEIR_ERROR_NETWORK, true, "EHOSTUNREACH: no route to the host"},
	{ENETDOWN, WEIR_ERROR_NETWORK, true, "ENETDOWN: the interface is down"},
	{EPROTO, WEIR_ERROR_PROTOCOL, false, "EPROTO: the peer broke the protocol"},
	{EBADMSG, WEIR_ERROR_PROTOCOL, false, "EBADMSG: malformed message"},
	{EMSGSIZE, WEIR_ERROR_PROTOCOL, false, "EMSGSIZE: message longer than allowed"},
	{EPROTONOSUPPORT, WEIR_ERROR_PROTOCOL, false, "EPROTONOSUPPORT: protocol not supported"},
	{EINVAL, WEIR_ERROR_APP, false, "EINVAL: invalid argument"},
	{ERANGE, WEIR_ERROR_APP, false, "ERANGE: value out of range"},
	{EPERM, WEIR_ERROR_APP, false, "EPERM: not permitted"},
	{EACCES, WEIR_ERROR_APP, false, "EACCES: permission denied"},
	{EEXIST, WEIR_ERROR_APP, false, "EEXIST: exists already"},
	{ENOENT, WEIR_ERROR_APP, false, "ENOENT: no such thing"},
	{ENODEV, WEIR_ERROR_APP, false, "ENODEV: no such device"},
	{ENOTSUP, WEIR_ERROR_APP, false, "ENOTSUP: not supported"},
	{EALREADY, WEIR_ERROR_APP, false, "EALREADY: already under way"},
	{ECANCELED, WEIR_ERROR_APP, false, "ECANCELED: cancelled by the caller"},
	{ENOTCONN, WEIR_ERROR_APP, false, "ENOTCONN: not connected"},
	{EADDRINUSE, WEIR_ERROR_APP, false, "EADDRINUSE: address in use"},
	{EADDRNOTAVAIL, WEIR_ERROR_APP, false, "EADDRNOTAVAIL: no such address here"},
	{EIO, WEIR_ERROR_RESOURCE, false, "EIO: input/output error"},
};

static const struct row other = {0, WEIR_ERROR_APP, false, "unknown error"};

static const struct row *find(int rc)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == -rc)
			return &rows[i];
	return &other;
}

enum weir_error_category weir_error_category(int rc)
{
	return rc >= 0 ? WEIR_ERROR_NONE : find(rc)->category;
}

const char *weir_error_category_name(enum weir_error_category category)
{
	static const char *const names[] = {
		[WEIR_ERROR_NONE] = "none",	    [WEIR_ERROR_NETWORK] = "network",
		[WEIR_ERROR_PROTOCOL] = "protocol", [WEIR_ERROR_APP] = "app",
		[WEIR_ERROR_TIMEOUT] = "timeout",   [WEIR_ERROR_RESOURCE] = "resource",
	};

	return (unsigned)category < sizeof(names) / sizeof(names[0]) ? names[category] : "unknown";
}

bool weir_error_is_retryable(int rc)
{
	return rc < 0 && find(rc)->retryable;
}

const char *weir_error_text(int rc)
{
	return rc >= 0 ? "success" : find(rc)->text;
}
