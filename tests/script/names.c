/* SPDX-License-Identifier: BSD-3-Clause */

/* Names of C that scripts use. */

#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <weir/socket.h>

struct name {
	const char *text;
	int64_t number;
};

#define NAME(n)       \
	{             \
#n, n \
	}

#ifndef TCP_NOTSENT_LOWAT
#define TCP_NOTSENT_LOWAT 25
#endif

static const struct name names[] = {
	NAME(AF_INET),
	NAME(AF_INET6),
	NAME(SOCK_STREAM),
	NAME(SOCK_DGRAM),
	NAME(SOCK_NONBLOCK),
	NAME(SOCK_CLOEXEC),
	NAME(IPPROTO_TCP),
	NAME(IPPROTO_UDP),
	NAME(IPPROTO_IP),
	NAME(IPPROTO_IPV6),
	NAME(SOL_SOCKET),
	NAME(SOL_TCP),
	NAME(SOL_IP),
	NAME(SOL_IPV6),
	NAME(SO_REUSEADDR),
	NAME(SO_REUSEPORT),
	NAME(SO_KEEPALIVE),
	NAME(SO_LINGER),
	NAME(SO_ERROR),
	NAME(SO_TYPE),
	NAME(SO_ACCEPTCONN),
	NAME(SO_SNDBUF),
	NAME(SO_RCVBUF),
	NAME(SO_DOMAIN),
	NAME(IP_TOS),
	NAME(IPV6_TCLASS),
	NAME(IPV6_V6ONLY),
	NAME(TCP_NODELAY),
	NAME(TCP_MAXSEG),
	NAME(TCP_CORK),
	NAME(TCP_KEEPIDLE),
	NAME(TCP_KEEPINTVL),
	NAME(TCP_KEEPCNT),
	NAME(TCP_SYNCNT),
	NAME(TCP_LINGER2),
	NAME(TCP_DEFER_ACCEPT),
	NAME(TCP_WINDOW_CLAMP),
	NAME(TCP_INFO),
	NAME(TCP_QUICKACK),
	NAME(TCP_CONGESTION),
	NAME(TCP_USER_TIMEOUT),
	NAME(WEIR_TCP_UTO),
	NAME(TCP_FASTOPEN),
	NAME(TCP_FASTOPEN_CONNECT),
	NAME(TCP_NOTSENT_LOWAT),
	NAME(F_GETFL),
	NAME(F_SETFL),
	NAME(O_RDWR),
	NAME(O_NONBLOCK),
	NAME(MSG_PEEK),
	NAME(MSG_DONTWAIT),
	NAME(MSG_NOSIGNAL),
	NAME(MSG_MORE),
	NAME(MSG_OOB),
	NAME(MSG_WAITALL),
	NAME(MSG_TRUNC),
	NAME(MSG_FASTOPEN),
	NAME(MSG_ZEROCOPY),
	NAME(SHUT_RD),
	NAME(SHUT_WR),
	NAME(SHUT_RDWR),
	NAME(POLLIN),
	NAME(POLLOUT),
	NAME(POLLERR),
	NAME(POLLHUP),
	NAME(POLLRDHUP),
	NAME(POLLPRI),
	NAME(TCP_CA_Open),
	NAME(TCP_CA_Disorder),
	NAME(TCP_CA_CWR),
	NAME(TCP_CA_Recovery),
	NAME(TCP_CA_Loss),
	NAME(TCP_ESTABLISHED),
	NAME(TCP_SYN_SENT),
	NAME(TCP_SYN_RECV),
	NAME(TCP_FIN_WAIT1),
	NAME(TCP_FIN_WAIT2),
	NAME(TCP_TIME_WAIT),
	NAME(TCP_CLOSE),
	NAME(TCP_CLOSE_WAIT),
	NAME(TCP_LAST_ACK),
	NAME(TCP_LISTEN),
	NAME(TCP_CLOSING),
	NAME(TCPI_OPT_TIMESTAMPS),
	NAME(TCPI_OPT_SACK),
	NAME(TCPI_OPT_WSCALE),
	NAME(TCPI_OPT_ECN),
	NAME(TCPI_OPT_SYN_DATA),
	NAME(WEIR_DEADLINE_READ),
	NAME(WEIR_DEADLINE_WRITE),
	NAME(WEIR_DEADLINE_IDLE),
	NAME(WEIR_DEADLINE_CONNECT),
};

static const struct name errors[] = {
	NAME(EAGAIN),	    NAME(EWOULDBLOCK),	NAME(EINPROGRESS),   NAME(EALREADY),
	NAME(EISCONN),	    NAME(ENOTCONN),	NAME(EPIPE),	     NAME(ECONNRESET),
	NAME(ECONNREFUSED), NAME(ECONNABORTED), NAME(ETIMEDOUT),     NAME(EBADF),
	NAME(EINVAL),	    NAME(EADDRINUSE),	NAME(EADDRNOTAVAIL), NAME(ENETUNREACH),
	NAME(EHOSTUNREACH), NAME(EMSGSIZE),	NAME(ENOBUFS),	     NAME(ENOMEM),
	NAME(EDESTADDRREQ), NAME(ENOPROTOOPT),	NAME(EOPNOTSUPP),    NAME(ENOENT),
	NAME(ENFILE),	    NAME(EPROTO),	NAME(EPERM),	     NAME(EDOM),
	NAME(EFAULT),	    NAME(ENOTSOCK),
};

#define COUNT(a) (sizeof(a) / sizeof(a[0]))

bool name_number(const char *name, int64_t *out)
{
	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(names[i].text, name) == 0) {
			*out = names[i].number;
			return true;
		}
	*out = errno_number(name);
	return *out != 0;
}

int errno_number(const char *name)
{
	for (size_t i = 0; i < COUNT(errors); i++)
		if (strcmp(errors[i].text, name) == 0)
			return (int)errors[i].number;
	return 0;
}

const char *errno_name(int number)
{
	for (size_t i = 0; i < COUNT(errors); i++)
		if (errors[i].number == number)
			return errors[i].text;
	return "an error without a name";
}
