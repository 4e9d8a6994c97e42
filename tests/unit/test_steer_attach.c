/* SPDX-License-Identifier: BSD-3-Clause */
/* The program on an interface: the best that can be had, never another's place, gone with the
 * process. */
#include "test.h"
#include "toy_steer.h"
#include "toy_xdp_log.h"

#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static struct steer *port;

static void run(const char *command)
{
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

/* One end of a veth pair, both in the test's namespace. */
static int device(void)
{
	static bool made;

	toy_config();
	if (!made)
		run("ip link add weir-a type veth peer name weir-b && ip link set weir-a up && "
		    "ip link set weir-b up");
	made = true;
	toy_log_begin();
	return (int)if_nametoindex("weir-a");
}

static int open_port(void)
{
	port = NULL;
	return steer_open("weir-a", device(), false, &port);
}

/* What is on the interface: its number, 0: nothing. */
static uint32_t attached(uint8_t *mode)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, found);

	CU_ASSERT_EQUAL(bpf_xdp_query((int)if_nametoindex("weir-a"), 0, &found), 0);
	*mode = found.attach_mode;
	return found.attach_mode == XDP_ATTACHED_DRV   ? found.drv_prog_id
	       : found.attach_mode == XDP_ATTACHED_SKB ? found.skb_prog_id
						       : 0;
}

static void test_native_mode_is_taken_and_given_back(void)
{
	const struct steer_want want = {0};
	struct steer_got got;
	uint8_t mode;

	CU_ASSERT_EQUAL_FATAL(open_port(), 0);
	for (unsigned i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL_FATAL(steer_attach(port, &want, &got), 0);
		CU_ASSERT_EQUAL(got.mode, STEER_MODE_DRV);
		CU_ASSERT_FALSE(got.frags || got.hints);
		CU_ASSERT_EQUAL(attached(&mode), got.prog_id);
		CU_ASSERT_EQUAL(mode, XDP_ATTACHED_DRV);
		steer_detach(port);
		CU_ASSERT_EQUAL(attached(&mode), 0);
	}
	steer_detach(port);
	steer_close(port);
	CU_ASSERT_EQUAL(toy_log_lines(), 0);
}

static void test_generic_mode_is_had_for_the_asking(void)
{
	const struct steer_want want = {.skb = true, .frags = true};
	struct steer_got got;
	uint8_t mode;

	CU_ASSERT_EQUAL_FATAL(open_port(), 0);
	CU_ASSERT_EQUAL(steer_attach(port, &want, &got), 0);
	CU_ASSERT_EQUAL(got.mode, STEER_MODE_SKB);
	CU_ASSERT_NOT_EQUAL(attached(&mode), 0);
	CU_ASSERT_EQUAL(mode, XDP_ATTACHED_SKB);
	steer_close(port);
	CU_ASSERT_EQUAL(attached(&mode), 0);
}

static void test_a_large_mtu_needs_frags_or_generic_mode(void)
{
	const struct steer_want frags = {.frags = true}, plain = {0}, native = {.drv = true};
	struct steer_got got;

	CU_ASSERT_EQUAL_FATAL(open_port(), 0);
	run("ip link set weir-a mtu 9000 && ip link set weir-b mtu 9000");
	CU_ASSERT_EQUAL(steer_attach(port, &frags, &got), 0);
	CU_ASSERT_TRUE(got.mode == STEER_MODE_DRV && got.frags);
	CU_ASSERT_EQUAL(toy_log_lines(), 0);
	steer_detach(port);
	CU_ASSERT_EQUAL(steer_attach(port, &plain, &got), 0);
	CU_ASSERT_EQUAL(got.mode, STEER_MODE_SKB);
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	CU_ASSERT_TRUE(toy_log_has("no native XDP, so generic mode: its MTU"));
	steer_detach(port);
	toy_log_begin();
	CU_ASSERT_EQUAL(steer_attach(port, &native, &got), -ERANGE);
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	CU_ASSERT_TRUE(toy_log_has("in native mode"));
	steer_close(port);
	run("ip link set weir-a mtu 1500 && ip link set weir-b mtu 1500");
}

static void test_hints_are_had_in_native_mode_or_missed_in_a_line(void)
{
	const struct steer_want native = {.hints = true}, generic = {.hints = true, .skb = true};
	struct steer_got got;

	CU_ASSERT_EQUAL_FATAL(open_port(), 0);
	CU_ASSERT_EQUAL(steer_attach(port, &native, &got), 0);
	CU_ASSERT_EQUAL(toy_log_lines(), got.hints ? 0 : 1); /* kernels before 6.3 have none */
	steer_detach(port);
	toy_log_begin();
	CU_ASSERT_EQUAL(steer_attach(port, &generic, &got), 0);
	CU_ASSERT_FALSE(got.hints);
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	CU_ASSERT_TRUE(toy_log_has("generic mode has none"));
	steer_close(port);
}

static void test_another_program_is_named_and_left_alone(void)
{
	const struct steer_want want = {0};
	struct steer *first;
	struct steer_got got, none;
	uint8_t mode;

	CU_ASSERT_EQUAL_FATAL(open_port(), 0);
	first = port;
	CU_ASSERT_EQUAL_FATAL(open_port(), 0); /* nothing is attached yet */
	CU_ASSERT_EQUAL_FATAL(steer_attach(first, &want, &got), 0);
	CU_ASSERT_EQUAL(steer_attach(port, &want, &none), -EBUSY);
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	CU_ASSERT_TRUE(toy_log_has("weir-a has the XDP program weir_steer (id "));
	steer_close(port);
	CU_ASSERT_EQUAL(open_port(), -EBUSY);
	CU_ASSERT_EQUAL(toy_log_lines(), 1);
	CU_ASSERT_EQUAL(attached(&mode), got.prog_id);
	steer_close(first);
	CU_ASSERT_EQUAL(attached(&mode), 0);
}

static void test_a_killed_process_leaves_nothing_on_the_interface(void)
{
	const struct steer_want want = {.frags = true};
	struct steer_got got;
	uint8_t mode;
	int pipes[2];
	char ready;
	pid_t child;

	CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
	(void)device();
	child = fork();
	if (child == 0) {
		if (open_port() < 0 || steer_attach(port, &want, &got) < 0)
			_exit(1);
		if (write(pipes[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	CU_ASSERT_FATAL(child > 0);
	CU_ASSERT_EQUAL_FATAL(read(pipes[0], &ready, 1), 1);
	CU_ASSERT_NOT_EQUAL(attached(&mode), 0);
	CU_ASSERT_EQUAL(kill(child, SIGKILL), 0);
	CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
	CU_ASSERT_EQUAL(attached(&mode), 0);
	close(pipes[0]);
	close(pipes[1]);
}

/* Send from the other end, and wait until the program has seen it all. */
static uint64_t send_and_see(unsigned n)
{
	const struct frame f = frame_flow(17, "192.0.2.1", 1, "192.0.2.2", 2);
	const struct sockaddr_ll to = {.sll_family = AF_PACKET,
				       .sll_ifindex = (int)if_nametoindex("weir-b")};
	const int fd = socket(AF_PACKET, SOCK_RAW, 0);
	const time_t end = time(NULL) + 5;
	struct steer_queue_stats stats = {0};
	const uint64_t before = steer_stats(port, 0, &stats) == 0 ? stats.dropped : 0;

	for (unsigned i = 0; i < n; i++)
		CU_ASSERT_EQUAL(sendto(fd, f.bytes, f.len, 0, (const void *)&to, sizeof(to)),
				(ssize_t)f.len);
	close(fd);
	while (stats.dropped < before + n && time(NULL) < end)
		CU_ASSERT_EQUAL_FATAL(steer_stats(port, 0, &stats), 0);
	return stats.dropped - before;
}

static void test_rules_and_counters_stay_over_stop_and_start(void)
{
	const struct steer_want want = {0};
	struct steer_spec drop = steer_spec_any(STEER_DROP, 1);
	struct steer_queue_stats stats;
	struct steer_got got;
	const char *why;
	uint32_t id;

	CU_ASSERT_EQUAL_FATAL(open_port(), 0);
	steer_config(port)->n_hwqs = 1;
	CU_ASSERT_EQUAL(steer_rule_add(port, &drop, &id, &why), 0);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(steer_attach(port, &want, &got), 0);
		CU_ASSERT(send_and_see(10) >= 10); /* and what the kernel sends by itself */
		steer_detach(port);
	}
	CU_ASSERT_EQUAL(steer_stats(port, 0, &stats), 0);
	CU_ASSERT(stats.dropped >= 20);
	CU_ASSERT_EQUAL(stats.dropped, stats.seen);
	steer_stats_reset(port);
	CU_ASSERT_EQUAL(steer_stats(port, 0, &stats), 0);
	CU_ASSERT_EQUAL(stats.seen, 0);
	CU_ASSERT_EQUAL(steer_stats(port, STEER_HWQS, &stats), -EINVAL);
	steer_close(port);
}

static void test_sharing_needs_the_bpf_file_system(void)
{
	const int ifindex = device();
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct steer *shared = NULL;
		int rc;

		/* As under ip netns exec: a fresh sysfs hides it. */
		if (unshare(CLONE_NEWNS) < 0 ||
		    system("mount --make-rprivate / && mount -t sysfs none /sys") != 0)
			_exit(2);
		rc = steer_open("weir-a", ifindex, true, &shared);
		_exit(rc == -ENOTSUP && toy_log_lines() == 1 && toy_log_has("mount -t bpf") ? 0
											    : 1);
	}
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_TRUE(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

WEIR_TESTS("xdp/steer-attach", TEST(native_mode_is_taken_and_given_back),
	   TEST(generic_mode_is_had_for_the_asking), TEST(a_large_mtu_needs_frags_or_generic_mode),
	   TEST(hints_are_had_in_native_mode_or_missed_in_a_line),
	   TEST(another_program_is_named_and_left_alone),
	   TEST(a_killed_process_leaves_nothing_on_the_interface),
	   TEST(rules_and_counters_stay_over_stop_and_start),
	   TEST(sharing_needs_the_bpf_file_system))
