/* SPDX-License-Identifier: BSD-3-Clause */

/* Which socket of a memif server is in the way, on real sockets in a folder of our own. */

#include "port_eth_memif.c"
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>

static char folder[] = "/tmp/weir-memif-XXXXXX";
static char path[64];

/* A server's socket, bound and listening. */
static int served(void)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (path[0] == '\0') {
		CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
		snprintf(path, sizeof(path), "%s/link.sock", folder);
	}
	snprintf(where.sun_path, sizeof(where.sun_path), "%s", path);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (const struct sockaddr *)&where, sizeof(where)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(fd, 1), 0);
	return fd;
}

/* @return whether the file is gone when a port with these words was about to be opened. */
static bool is_cleared(const char *format)
{
	char devargs[256];

	snprintf(devargs, sizeof(devargs), format, path);
	port_eth_memif_clear(devargs);
	return access(path, F_OK) < 0;
}

static const char server[] = "net_memif0,role=server,socket=%s,socket-abstract=no";

static void test_what_a_killed_server_left_is_removed(void)
{
	close(served());
	CU_ASSERT_TRUE(is_cleared(server));
	CU_ASSERT_TRUE(is_cleared(server)); /* nothing there is nothing wrong */
}

static void test_a_living_server_stays_and_hears_nothing(void)
{
	const int fd = served();

	CU_ASSERT_FALSE(is_cleared(server));
	CU_ASSERT_EQUAL(accept(fd, NULL, NULL), -1);
	close(fd);
	unlink(path);
}

static void test_only_a_server_with_a_file_removes_it(void)
{
	close(served());
	CU_ASSERT_FALSE(is_cleared("net_memif0,role=client,socket=%s,socket-abstract=no"));
	CU_ASSERT_FALSE(is_cleared("net_memif0,role=server,socket=%s"));
	CU_ASSERT_FALSE(is_cleared("net_memif0,socket=%s,socket-abstract=no"));
	CU_ASSERT_FALSE(is_cleared("net_pcap0,role=server,socket=%s,socket-abstract=no"));
	CU_ASSERT_FALSE(is_cleared("net_memif0,,=%s"));
	CU_ASSERT_FALSE(is_cleared("net_memif0"));
	unlink(path);
}

static void test_what_is_no_socket_stays(void)
{
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	CU_ASSERT_FALSE(is_cleared(server));
	unlink(path);
	CU_ASSERT_EQUAL(rmdir(folder), 0);
}

WEIR_TESTS("port/eth_memif", TEST(what_a_killed_server_left_is_removed),
	   TEST(a_living_server_stays_and_hears_nothing),
	   TEST(only_a_server_with_a_file_removes_it), TEST(what_is_no_socket_stays))
