/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket with clients of every bad habit, on a clock that the test moves. */
#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <weir/ctl.h>

#define SECOND	    UINT64_C(1000000000)
#define BIG_BYTES   (8u << 20)
#define ASK_ECHO    "{\"cmd\":\"echo\",\"args\":{\"n\":1}}\n"
#define ANSWER_ECHO "{\"ok\":true,\"data\":{\"n\":1}}\n"

static char folder[] = "/tmp/weir-ctl-XXXXXX";
static char path[64];
static struct weir_ctl_server *server;

static int echo(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		struct weir_why *why)
{
	*reply = json_deep_copy(request->args);
	return 0;
}

static int big(void *ctx, const struct weir_ctl_request *request, json_t **reply,
	       struct weir_why *why)
{
	char *text = malloc(BIG_BYTES);

	if (text == NULL)
		return -ENOMEM;
	memset(text, 'x', BIG_BYTES);
	*reply = json_stringn(text, BIG_BYTES);
	free(text);
	return 0;
}

static int refuse(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		  struct weir_why *why)
{
	return weir_why(why, -EINVAL, "not today");
}

static int who(void *ctx, const struct weir_ctl_request *request, json_t **reply,
	       struct weir_why *why)
{
	*reply = json_pack("[i, i, i]", (int)request->peer.pid, (int)request->peer.uid,
			   (int)request->peer.gid);
	return 0;
}

static void begin(void)
{
	struct weir_why why = {.text = ""};

	CU_ASSERT_EQUAL_FATAL(weir_ctl_server_create(path, 0660, &server, &why), 0);
	CU_ASSERT_EQUAL(weir_ctl_register(server, "echo", "says it", echo, NULL, 0), 0);
	CU_ASSERT_EQUAL(weir_ctl_register(server, "big", "says much", big, NULL, 0), 0);
	CU_ASSERT_EQUAL(weir_ctl_register(server, "refuse", "does not", refuse, NULL, 0), 0);
	CU_ASSERT_EQUAL(weir_ctl_register(server, "who", "says who", who, NULL, 0), 0);
	CU_ASSERT_EQUAL(weir_ctl_register(server, "who", "says who", who, NULL, 0), -EEXIST);
}

static void finish(void)
{
	weir_ctl_server_free(server);
	server = NULL;
	CU_ASSERT_EQUAL(access(path, F_OK), -1);
}

static int dial(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, path);
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	CU_ASSERT_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Whether what has come by now is exactly @p expected. */
static bool hears(int fd, const char *expected)
{
	char text[4096];
	const ssize_t n = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	return n == (ssize_t)strlen(expected) && memcmp(text, expected, (size_t)n) == 0;
}

static bool hung_up(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static int server_poll(uint64_t now_ns)
{
	return weir_ctl_server_poll(server, now_ns);
}

static bool server_has_work(void)
{
	struct pollfd p = {.fd = weir_ctl_server_fd(server), .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

/* As an owner would: until there is nothing left to do. */
static int server_settle(void)
{
	int answered = 0;

	for (unsigned i = 0; i < 10000 && server_has_work(); i++)
		answered += server_poll(0);
	CU_ASSERT_FALSE(server_has_work());
	return answered;
}

static void test_a_request_written_byte_by_byte_is_answered_once_whole(void)
{
	int fd, answered = 0;

	begin();
	fd = dial();
	for (const char *p = ASK_ECHO; *p != '\0'; p++) {
		CU_ASSERT_EQUAL(answered, 0);
		CU_ASSERT_EQUAL(send(fd, p, 1, 0), 1);
		answered += server_settle();
	}
	CU_ASSERT_EQUAL(answered, 1);
	CU_ASSERT_TRUE(hears(fd, ANSWER_ECHO));
	close(fd);
	CU_ASSERT_EQUAL(server_settle(), 0);
	finish();
}

static void test_many_requests_at_once_are_answered_in_order(void)
{
	char text[64], all[8192] = "", expected[8192] = "";
	int fd, answered = 0;
	size_t got = 0;

	begin();
	fd = dial();
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "{\"cmd\":\"echo\",\"args\":{\"n\":%u}}\n", i);
		strcat(all, text);
		snprintf(text, sizeof(text), "{\"ok\":true,\"data\":{\"n\":%u}}\n", i);
		strcat(expected, text);
	}
	say(fd, all);
	/* Even if the client has closed its half by then. */
	CU_ASSERT_EQUAL(shutdown(fd, SHUT_WR), 0);
	for (unsigned i = 0; i < 100; i++) { /* the socket holds fewer answers than these */
		ssize_t n;

		answered += server_settle();
		while ((n = recv(fd, all + got, sizeof(all) - got, MSG_DONTWAIT)) > 0)
			got += (size_t)n;
		if (n == 0)
			break;
	}
	CU_ASSERT_EQUAL(answered, 100);
	CU_ASSERT_EQUAL(got, strlen(expected));
	CU_ASSERT_EQUAL(memcmp(all, expected, strlen(expected)), 0);
	close(fd);
	finish();
}

static void test_a_client_that_does_not_read_holds_up_nobody(void)
{
	static char text[1 << 16];
	int slow, other;
	size_t got = 0;

	begin();
	slow = dial();
	other = dial();
	say(slow, "{\"cmd\":\"big\"}\n{\"cmd\":\"big\"}\n");
	CU_ASSERT_EQUAL(server_settle(), 1); /* the second waits until the first is taken */
	say(other, ASK_ECHO);
	CU_ASSERT_EQUAL(server_settle(), 1);
	CU_ASSERT_TRUE(hears(other, ANSWER_ECHO));
	for (unsigned i = 0; i < 100000; i++) {
		const ssize_t n = recv(slow, text, sizeof(text), MSG_DONTWAIT);

		if (n < 0 && !server_has_work())
			break;
		got += n > 0 ? (size_t)n : 0;
		server_poll(0);
	}
	CU_ASSERT_EQUAL(got, 2 * (BIG_BYTES + strlen("{\"ok\":true,\"data\":\"\"}\n")));
	close(slow);
	close(other);
	server_settle();
	finish();
}

static void test_clients_that_vanish_leave_their_places_to_others(void)
{
	begin();
	for (unsigned i = 0; i < 3 * WEIR_CTL_CLIENTS_MAX; i++) {
		const int fd = dial();

		say(fd, i % 3 == 0 ? "{\"cmd\":\"big\"}\n" : i % 3 == 1 ? "{\"cm" : ASK_ECHO);
		if (i % 2 == 0)
			server_settle();
		close(fd);
		server_settle();
	}
	finish();
}

static void test_one_client_too_many_is_told_so(void)
{
	int fd[WEIR_CTL_CLIENTS_MAX + 1];
	char text[256] = "";

	begin();
	for (unsigned i = 0; i <= WEIR_CTL_CLIENTS_MAX; i++) {
		fd[i] = dial();
		server_settle();
	}
	CU_ASSERT(recv(fd[WEIR_CTL_CLIENTS_MAX], text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "too many clients"));
	CU_ASSERT_TRUE(hung_up(fd[WEIR_CTL_CLIENTS_MAX]));
	say(fd[0], ASK_ECHO);
	CU_ASSERT_EQUAL(server_settle(), 1);
	CU_ASSERT_TRUE(hears(fd[0], ANSWER_ECHO));
	for (unsigned i = 0; i <= WEIR_CTL_CLIENTS_MAX; i++)
		close(fd[i]);
	server_settle();
	finish();
}

static void test_a_request_may_be_long_but_not_endless(void)
{
	static char chunk[1 << 16];
	char text[256] = "";
	size_t sent = 0;
	int fd;

	begin();
	fd = dial();
	memset(chunk, ' ', sizeof(chunk));
	/* Just short of the limit: spaces before a request are no fault. */
	while (sent < WEIR_CTL_REQUEST_BYTES_MAX - sizeof(chunk)) {
		const ssize_t n = send(fd, chunk, sizeof(chunk), MSG_DONTWAIT);

		sent += n > 0 ? (size_t)n : 0;
		server_settle();
	}
	say(fd, ASK_ECHO);
	CU_ASSERT_EQUAL(server_settle(), 1);
	CU_ASSERT_TRUE(hears(fd, ANSWER_ECHO));
	for (sent = 0; sent <= 2 * WEIR_CTL_REQUEST_BYTES_MAX;) {
		const ssize_t n = send(fd, chunk, sizeof(chunk), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		server_settle();
	}
	CU_ASSERT(sent < 2 * WEIR_CTL_REQUEST_BYTES_MAX);
	CU_ASSERT(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "longer than 1 MiB"));
	close(fd);
	finish();
}

static void test_who_is_idle_or_too_slow_is_disconnected(void)
{
	int idle, trickle, busy;

	begin();
	idle = dial();
	trickle = dial();
	busy = dial();
	CU_ASSERT_EQUAL(server_poll(0), 0);
	for (uint64_t s = 1; s < 30; s++) {
		say(trickle, " "); /* bytes, but never a request */
		CU_ASSERT_EQUAL(server_poll(s * SECOND), 0);
	}
	say(busy, ASK_ECHO);
	CU_ASSERT_EQUAL(server_poll(29 * SECOND), 1);
	CU_ASSERT_FALSE(hung_up(idle));
	server_poll(WEIR_CTL_IDLE_NS);
	CU_ASSERT_TRUE(hung_up(idle));
	CU_ASSERT_TRUE(hung_up(trickle));
	CU_ASSERT_TRUE(hears(busy, ANSWER_ECHO));
	CU_ASSERT_FALSE(hung_up(busy));
	close(idle);
	close(trickle);
	close(busy);
	server_settle();
	finish();
}

static void test_a_socket_that_a_killed_process_left_is_replaced(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, path);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	CU_ASSERT_EQUAL(listen(fd, 1), 0);
	close(fd);
	begin();
	finish();
}

static void test_a_socket_that_is_answered_is_left_alone(void)
{
	struct weir_ctl_server *second = NULL;
	struct weir_why why = {.text = ""};
	int fd;

	begin();
	CU_ASSERT_EQUAL(weir_ctl_server_create(path, 0660, &second, &why), -EADDRINUSE);
	CU_ASSERT_PTR_NULL(second);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "another process already answers at /tmp/weir-"));
	fd = dial();
	say(fd, ASK_ECHO);
	CU_ASSERT_EQUAL(server_settle(), 1);
	close(fd);
	finish();
}

static void test_what_is_no_socket_is_never_removed(void)
{
	struct weir_why why = {.text = ""};
	const int fd = open(path, O_CREAT | O_WRONLY, 0600);

	close(fd);
	CU_ASSERT_EQUAL(weir_ctl_server_create(path, 0660, &server, &why), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "is not a socket"));
	CU_ASSERT_EQUAL(unlink(path), 0);
}

static void test_paths_that_cannot_be_are_explained(void)
{
	struct weir_why why = {.text = ""};
	char too_long[200];

	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	CU_ASSERT_EQUAL(weir_ctl_server_create(too_long, 0660, &server, &why), -ENAMETOOLONG);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "has 199 bytes, must have 1 to 107"));
	CU_ASSERT_EQUAL(weir_ctl_server_create("", 0660, &server, NULL), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(weir_ctl_server_create("/nowhere/x/y", 0660, &server, &why), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "/nowhere/x/y: No such file"));
	CU_ASSERT_PTR_NULL(server);
}

static void test_the_mode_is_what_was_asked_for_whatever_the_umask(void)
{
	static const mode_t masks[] = {0, 022, 077, 0777};

	for (unsigned i = 0; i < 4; i++) {
		const mode_t before = umask(masks[i]);
		struct stat st;

		begin();
		umask(before);
		CU_ASSERT_EQUAL(stat(path, &st), 0);
		CU_ASSERT_EQUAL(st.st_mode, S_IFSOCK | 0660);
		finish();
	}
}

static void test_a_successors_socket_is_not_removed(void)
{
	struct weir_ctl_server *old;
	int fd;

	begin();
	old = server;
	CU_ASSERT_EQUAL(unlink(path), 0);
	begin();
	weir_ctl_server_free(old);
	fd = dial();
	close(fd);
	finish();
}

static void test_without_descriptors_it_waits_instead_of_spinning(void)
{
	struct rlimit before, none;
	int fd;

	begin();
	fd = dial();
	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)fd; /* all below are in use */
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &none), 0);
	say(fd, ASK_ECHO);
	CU_ASSERT_EQUAL(server_poll(SECOND), 0);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
	CU_ASSERT_FALSE(server_has_work());
	CU_ASSERT_EQUAL(server_poll(2 * SECOND - 1), 0);
	CU_ASSERT_FALSE(server_has_work());
	CU_ASSERT_EQUAL(server_poll(2 * SECOND), 0);
	CU_ASSERT_TRUE(server_has_work());
	CU_ASSERT_EQUAL(server_settle(), 1);
	CU_ASSERT_TRUE(hears(fd, ANSWER_ECHO));
	close(fd);
	finish();
}

static void test_out_of_memory_is_an_error_that_leaves_no_file(void)
{
	FAILALLOC_EACH(n)
	{
		struct weir_ctl_server *s = NULL;
		const int rc = weir_ctl_server_create(path, 0660, &s, NULL);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			weir_ctl_server_free(s);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(s);
		CU_ASSERT_EQUAL(access(path, F_OK), -1);
	}
	weir_ctl_server_free(NULL);
}

static void test_a_client_without_memory_loses_its_connection_only(void)
{
	unsigned last = 0;

	begin();
	FAILALLOC_EACH(n)
	{
		const int fd = dial();
		bool enough;

		say(fd, ASK_ECHO);
		server_settle();
		enough = failalloc_done();
		CU_ASSERT_EQUAL(enough, hears(fd, ANSWER_ECHO));
		close(fd);
		server_settle();
		last = n;
		if (enough)
			break;
	}
	CU_ASSERT(last > 1);
	finish();
}

/* A server that runs by itself, for the blocking client. */
static atomic_bool stop;

static void *run(void *unused)
{
	while (!atomic_load(&stop)) {
		struct pollfd p = {.fd = weir_ctl_server_fd(server), .events = POLLIN};

		poll(&p, 1, 10);
		server_poll(0);
	}
	return NULL;
}

static void test_a_call_brings_the_data_or_the_servers_words(void)
{
	struct weir_why why = {.text = ""};
	json_t *args = json_pack("{s:i}", "n", 7), *data = NULL;
	pthread_t thread;

	begin();
	atomic_store(&stop, false);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run, NULL), 0);
	CU_ASSERT_EQUAL(weir_ctl_call(path, "echo", args, 20 * SECOND, &data, &why), 0);
	CU_ASSERT_TRUE(json_equal(args, data));
	json_decref(data);
	CU_ASSERT_EQUAL(weir_ctl_call(path, "big", NULL, 20 * SECOND, &data, &why), 0);
	CU_ASSERT_EQUAL(json_string_length(data), BIG_BYTES);
	json_decref(data);
	CU_ASSERT_EQUAL(weir_ctl_call(path, "who", NULL, 20 * SECOND, &data, &why), 0);
	CU_ASSERT_EQUAL(json_integer_value(json_array_get(data, 0)), getpid());
	CU_ASSERT_EQUAL(json_integer_value(json_array_get(data, 1)), getuid());
	CU_ASSERT_EQUAL(json_integer_value(json_array_get(data, 2)), getgid());
	json_decref(data);
	CU_ASSERT_EQUAL(weir_ctl_call(path, "refuse", NULL, 20 * SECOND, &data, &why), -EREMOTEIO);
	CU_ASSERT_STRING_EQUAL(why.text, "not today");
	CU_ASSERT_EQUAL(weir_ctl_call(path, "echo", NULL, 20 * SECOND, NULL, NULL), 0);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	json_decref(args);
	finish();
}

static void test_a_call_fails_in_time_and_says_why(void)
{
	struct weir_why why = {.text = ""};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	json_t *data = NULL;
	int fd;

	CU_ASSERT_EQUAL(weir_ctl_call(path, "echo", NULL, SECOND, &data, &why), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "is the program running?"));
	begin(); /* it listens, and never answers */
	CU_ASSERT_EQUAL(weir_ctl_call(path, "echo", NULL, SECOND / 100, &data, &why), -ETIMEDOUT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "did not answer in time"));
	CU_ASSERT_EQUAL(weir_ctl_call(path, "echo", NULL, 0, &data, &why), -ETIMEDOUT);
	server_settle();
	finish();
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(a.sun_path, path);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	CU_ASSERT_EQUAL(weir_ctl_call(path, "echo", NULL, SECOND, &data, &why), -ECONNREFUSED);
	close(fd);
	unlink(path);
	CU_ASSERT_EQUAL(weir_ctl_call(path, "\xff", NULL, SECOND, &data, NULL), -ENOMEM);
	CU_ASSERT_PTR_NULL(data);
}

static void test_the_folder_is_left_empty(void)
{
	CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void test_a_folder_of_its_own_is_made(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
}

WEIR_TESTS("base/ctl", TEST(a_folder_of_its_own_is_made),
	   TEST(a_request_written_byte_by_byte_is_answered_once_whole),
	   TEST(many_requests_at_once_are_answered_in_order),
	   TEST(a_client_that_does_not_read_holds_up_nobody),
	   TEST(clients_that_vanish_leave_their_places_to_others),
	   TEST(one_client_too_many_is_told_so), TEST(a_request_may_be_long_but_not_endless),
	   TEST(who_is_idle_or_too_slow_is_disconnected),
	   TEST(a_socket_that_a_killed_process_left_is_replaced),
	   TEST(a_socket_that_is_answered_is_left_alone), TEST(what_is_no_socket_is_never_removed),
	   TEST(paths_that_cannot_be_are_explained),
	   TEST(the_mode_is_what_was_asked_for_whatever_the_umask),
	   TEST(a_successors_socket_is_not_removed),
	   TEST(without_descriptors_it_waits_instead_of_spinning),
	   TEST(out_of_memory_is_an_error_that_leaves_no_file),
	   TEST(a_client_without_memory_loses_its_connection_only),
	   TEST(a_call_brings_the_data_or_the_servers_words),
	   TEST(a_call_fails_in_time_and_says_why), TEST(the_folder_is_left_empty))
