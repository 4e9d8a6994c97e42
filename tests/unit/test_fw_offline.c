/* SPDX-License-Identifier: BSD-3-Clause */

/* --offline: which port a capture is of, packets of several files by time, and what a packet's fate
 * is of all that the stages say. The runs are dts/test_firewall_offline.py. */

#include "fw_offline_files.c"
#include "fw_offline_see.c"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char lan[] = "lan", wan[] = "wan", eth0[] = "eth0";
static struct weir_app_port_conf ports[] = {{.name = lan, .interface = wan},
					    {.name = wan, .interface = eth0}};
static const struct weir_app_conf conf = {.ports = {.items = ports, .n = 2}};

static void expect_refused(const char *arg, const char *sentence)
{
	struct offline_files f = {.n = 0};
	struct weir_why why = {""};

	CU_ASSERT_EQUAL(offline_files_add(&f, &conf, arg, &why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text, sentence);
}

static void test_an_argument_names_port_mac_and_file(void)
{
	static const struct weir_mac mac = {.bytes = {2, 0, 0, 0, 0, 9}};
	struct offline_files f = {.n = 0};
	struct weir_why why;

	CU_ASSERT_EQUAL(offline_files_add(&f, &conf, "a.pcapng", &why), 0);
	CU_ASSERT_EQUAL(offline_files_add(&f, &conf, "wan=a=b.pcap", &why), 0);
	CU_ASSERT_EQUAL(offline_files_add(&f, &conf, "eth0@02:00:00:00:00:09=c", &why), 0);
	CU_ASSERT_EQUAL_FATAL(f.n, 3);
	CU_ASSERT_STRING_EQUAL(f.file[0].path, "a.pcapng");
	CU_ASSERT_EQUAL(f.file[0].port, WEIR_NO_PORT);
	CU_ASSERT_STRING_EQUAL(f.file[1].path, "a=b.pcap");
	CU_ASSERT_EQUAL(f.file[1].port, 1); /* a port's name comes before an interface's */
	CU_ASSERT_FALSE(f.file[1].has_mac);
	CU_ASSERT_STRING_EQUAL(f.file[2].path, "c");
	CU_ASSERT_EQUAL(f.file[2].port, 1);
	CU_ASSERT_TRUE(f.file[2].has_mac);
	CU_ASSERT_EQUAL(memcmp(f.file[2].mac.bytes, mac.bytes, sizeof(mac.bytes)), 0);
}

static void test_an_argument_that_makes_no_sense_is_named(void)
{
	struct offline_files f = {.n = OFFLINE_FILES_MAX};
	struct weir_why why;

	expect_refused("dmz=a", "--offline dmz=a: no port is called dmz");
	expect_refused("=a", "--offline =a: no port is called ");
	expect_refused("wan@x=a", "--offline wan@x=a: x is no MAC address");
	CU_ASSERT_EQUAL(offline_files_add(&f, &conf, "a", &why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text, "--offline: more than 64 files");
}

/* A capture of packets at these seconds, each of one byte that says which it is; 0: the end. */
static void write_capture(char *path, const char *packets, const uint32_t *seconds)
{
	const uint32_t head[] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1};
	FILE *f = fdopen(mkstemp(path), "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fwrite(head, sizeof(head), 1, f);
	for (; *packets != '\0'; packets++, seconds++) {
		const uint32_t record[] = {*seconds, 0, 1, 1};

		fwrite(record, sizeof(record), 1, f);
		fputc(*packets, f);
	}
	CU_ASSERT_EQUAL(fclose(f), 0);
}

static void test_packets_of_several_files_come_by_their_time(void)
{
	static const uint32_t one[] = {1, 4, 5}, other[] = {2, 3, 4, 9};
	char a[] = "/tmp/weir-offline-XXXXXX", b[] = "/tmp/weir-offline-XXXXXX", seen[16] = "";
	struct offline_files f = {.n = 0};
	struct offline_file *first;
	struct weir_why why;
	uint16_t port;

	write_capture(a, "adf", one);
	write_capture(b, "bceg", other);
	CU_ASSERT_EQUAL(offline_files_add(&f, &conf, a, &why), 0);
	CU_ASSERT_EQUAL(offline_files_add(&f, &conf, b, &why), 0);
	CU_ASSERT_EQUAL_FATAL(offline_files_open(&f, &why), 0);
	CU_ASSERT_EQUAL(offline_file_port(&f.file[0], &conf, &port, &why), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "it does not say by which interface"));
	for (unsigned i = 0; (first = offline_files_first(&f)) != NULL; i++) {
		seen[i] = (char)first->next.data[0];
		CU_ASSERT_EQUAL_FATAL(offline_file_step(first, &why), 0);
	}
	CU_ASSERT_STRING_EQUAL(seen, "abcdefg"); /* of one time: in the order of the files */
	offline_files_close(&f);
	unlink(a);
	CU_ASSERT_EQUAL(offline_files_add(&f, &conf, a, &why), 0);
	CU_ASSERT_EQUAL(offline_files_open(&f, &why), -ENOENT);
	offline_files_close(&f);
	unlink(b);
}

/* What a stage says, with the reason if it is a drop. */
struct word {
	uint16_t stage;
	enum weir_verdict verdict;
	enum weir_drop drop;
};

static struct offline_packet told(bool kernel, const struct word *words, unsigned n)
{
	struct offline_packet k = {.fate = OFFLINE_SKIPPED, .kernel = kernel};

	for (unsigned i = 0; i < n; i++) {
		const struct weir_meta meta = {.drop = (uint16_t)words[i].drop, .iface_out = 3};

		judge(&k, i, words[i].stage, words[i].verdict, &meta);
	}
	return k;
}

#define WORDS(...) (const struct word[]){__VA_ARGS__}, RTE_DIM(((const struct word[]){__VA_ARGS__}))
#define TOLD(...)  told(true, WORDS(__VA_ARGS__))

static void test_the_last_word_is_the_fate(void)
{
	const struct offline_packet sent = TOLD({40, WEIR_NEXT}, {60, WEIR_OUT}, {80, WEIR_TX});
	const struct offline_packet dropped =
		TOLD({10, WEIR_NEXT}, {40, WEIR_DROP, WEIR_DROP_RULE}, {99, WEIR_HELD});

	CU_ASSERT_EQUAL(sent.fate, OFFLINE_FORWARD);
	CU_ASSERT_EQUAL(sent.stage, 2);
	CU_ASSERT_EQUAL(sent.iface, 3);
	CU_ASSERT_EQUAL(dropped.fate, OFFLINE_DROP);
	CU_ASSERT_EQUAL(dropped.stage, 1);
	CU_ASSERT_EQUAL(dropped.drop, WEIR_DROP_RULE);
}

static void test_what_answers_a_packet_is_not_its_fate(void)
{
	const struct offline_packet rejected = TOLD({40, WEIR_REJECT, WEIR_DROP_RULE_REJECT},
						    {75, WEIR_DROP, WEIR_DROP_ERROR_LIMIT});
	const struct offline_packet punted =
		TOLD({60, WEIR_LOCAL}, {70, WEIR_PUNT}, {95, WEIR_DROP, WEIR_DROP_PUNT_OFF});
	const struct offline_packet nowhere =
		told(false, WORDS({10, WEIR_PUNT}, {95, WEIR_DROP, WEIR_DROP_PUNT_OFF}));
	const struct offline_packet unserved =
		TOLD({60, WEIR_LOCAL}, {70, WEIR_REJECT, WEIR_DROP_NO_SERVICE});
	const struct offline_packet echo =
		TOLD({60, WEIR_LOCAL}, {70, WEIR_DROP, WEIR_DROP_LOCAL_DONE});
	const struct offline_packet arp = TOLD({15, WEIR_TX});

	CU_ASSERT_EQUAL(rejected.fate, OFFLINE_REJECT);
	CU_ASSERT_EQUAL(rejected.drop, WEIR_DROP_RULE_REJECT);
	CU_ASSERT_EQUAL(punted.fate, OFFLINE_LOCAL);
	CU_ASSERT_EQUAL(nowhere.fate, OFFLINE_DROP);
	CU_ASSERT_EQUAL(nowhere.drop, WEIR_DROP_PUNT_OFF);
	CU_ASSERT_EQUAL(unserved.fate, OFFLINE_REJECT);
	CU_ASSERT_EQUAL(echo.fate, OFFLINE_LOCAL);
	CU_ASSERT_EQUAL(echo.drop, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(arp.fate, OFFLINE_LOCAL);
}

WEIR_TESTS("firewall/offline", TEST(an_argument_names_port_mac_and_file),
	   TEST(an_argument_that_makes_no_sense_is_named),
	   TEST(packets_of_several_files_come_by_their_time), TEST(the_last_word_is_the_fate),
	   TEST(what_answers_a_packet_is_not_its_fate))
