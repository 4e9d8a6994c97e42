/* SPDX-License-Identifier: BSD-3-Clause */

/* What a script asks for as a whole: packetdrill's options, ours (--weir_...), and sysctls. */

#include "script.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/stack.h>

/* What packetdrill's defaults.sh sets beside what the stack does anyway. */
#define DEFAULTS_RCVBUF (15u << 20)
#define DEFAULTS_SNDBUF (256u << 10)

struct settings settings_default(void)
{
	return (struct settings){
		.mtu_bytes = 1500,
		.bind_port = 8080,
		.connect_port = 8080,
		.tolerance_us = 4000,
		.connections = 64,
		.congestion = "cubic",
	};
}

struct number {
	const char *name;
	size_t at, bytes;
	uint64_t most;
};

#define NUMBER(name, member, most)                                                               \
	{                                                                                        \
		name, offsetof(struct settings, member), sizeof(((struct settings *)0)->member), \
			most                                                                     \
	}

static const struct number numbers[] = {
	NUMBER("--mtu", mtu_bytes, 9216),
	NUMBER("--bind_port", bind_port, UINT16_MAX),
	NUMBER("--connect_port", connect_port, UINT16_MAX),
	NUMBER("--tolerance_usecs", tolerance_us, 10000000),
	NUMBER("--tolerance_percent", tolerance_percent, 100),
	NUMBER("--weir_connections", connections, 4096),
	NUMBER("--weir_half_open", half_open, 4096),
	NUMBER("--weir_time_wait", time_wait, 4096),
	NUMBER("--weir_sndbuf", sndbuf, 1 << 24),
	NUMBER("--weir_rcvbuf", rcvbuf, 1 << 24),
	NUMBER("--weir_memory", memory_bytes, 1 << 30),
	NUMBER("--weir_ecn", ecn, 1),
	NUMBER("--weir_pacing", pacing, 1),
	NUMBER("--weir_burst", burst, 1),
	NUMBER("--weir_tso", tso, TSO_CUT),
};

static void store(struct settings *s, const struct number *n, uint64_t value)
{
	char *p = (char *)s + n->at;

	if (n->bytes == sizeof(uint64_t))
		memcpy(p, &value, sizeof(value));
	else if (n->bytes == sizeof(uint32_t))
		memcpy(p, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
	else if (n->bytes == sizeof(uint16_t))
		memcpy(p, &(uint16_t){(uint16_t)value}, sizeof(uint16_t));
	else /* a bool, too: 0 or 1 */
		memcpy(p, &(uint8_t){(uint8_t)value}, sizeof(uint8_t));
}

static const char *set_number(struct settings *s, const struct number *n, const char *value)
{
	char *end;
	const unsigned long long v = strtoull(value, &end, 10);

	if (*value < '0' || *value > '9' || *end != 0 || v > n->most)
		return "no number, or one out of range";
	store(s, n, v);
	return NULL;
}

static const char *set_congestion(struct settings *s, const char *value)
{
	if (strlen(value) >= sizeof(s->congestion))
		return "no such congestion control";
	strcpy(s->congestion, value);
	return NULL;
}

static const char *set_version(struct settings *s, const char *value)
{
	if (strcmp(value, "ipv4") != 0 && strcmp(value, "ipv6") != 0)
		return "only ipv4 and ipv6 are supported";
	s->v6 = value[3] == '6';
	return NULL;
}

const char *settings_set(struct settings *s, const char *arg)
{
	const char *value = strchr(arg, '=');
	const size_t n = value == NULL ? strlen(arg) : (size_t)(value - arg);

	if (strcmp(arg, "--verbose") == 0 || strcmp(arg, "-v") == 0) {
		s->verbose = true;
		return NULL;
	}
	if (value == NULL)
		return "no such option, or it has no value";
	value++;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strlen(numbers[i].name) == n && memcmp(numbers[i].name, arg, n) == 0)
			return set_number(s, &numbers[i], value);
	if (strncmp(arg, "--ip_version=", n + 1) == 0)
		return set_version(s, value);
	if (strncmp(arg, "--weir_congestion=", n + 1) == 0)
		return set_congestion(s, value);
	return "no such option";
}

/* ---- sysctl: what the stack does anyway may be asked for, what it has a setting for is set ----
 */

struct sysctl {
	const char *name;
	const char *value; /* that it has; NULL: any, it is not looked at */
};

static const struct sysctl sysctls[] = {
	{"tcp_sack", "1"},
	{"tcp_dsack", "1"},
	{"tcp_timestamps", "1"},
	{"tcp_window_scaling", "1"},
	{"tcp_frto", "2"},
	{"tcp_fack", "0"},
	{"tcp_recovery", "1"},
	{"tcp_syncookies", "1"},
	{"tcp_slow_start_after_idle", NULL},
	{"tcp_early_retrans", NULL},
	{"tcp_reordering", "3"},
	{"tcp_no_metrics_save", NULL},
	{"tcp_min_tso_segs", NULL},
	{"tcp_tso_win_divisor", NULL},
	{"tcp_pacing_ss_ratio", NULL},
	{"tcp_pacing_ca_ratio", NULL},
	{"tcp_notsent_lowat", NULL},
	{"tcp_syn_retries", "6"},
	{"tcp_synack_retries", "5"},
	{"tcp_autocorking", NULL},
};

/* "4096 50000 4194304": the first, at first and at most; 0, the default, if it is not there. */
static uint32_t triple(const char *value, unsigned which)
{
	for (; which > 0; which--) {
		value += strspn(value, " \t");
		value += strcspn(value, " \t");
	}
	return (uint32_t)strtoul(value, NULL, 10);
}

static const char *set_mtu_probing(struct settings *s, const char *value)
{
	static const uint8_t kinds[] = {WEIR_MTU_PROBING_OFF, WEIR_MTU_PROBING_HOLES,
					WEIR_MTU_PROBING_ALWAYS};

	if (*value < '0' || *value > '2' || value[1] != 0)
		return "tcp_mtu_probing is 0, 1 or 2";
	s->mtu_probing = kinds[*value - '0'];
	return NULL;
}

static const char *set_sysctl(struct settings *s, const char *key, const char *value)
{
	const char *name = key;

	for (const char *p = key; *p != 0; p++)
		if (*p == '.' || *p == '/')
			name = p + 1;
	if (strcmp(name, "tcp_congestion_control") == 0)
		return set_congestion(s, value);
	if (strcmp(name, "tcp_ecn") == 0) {
		s->ecn = strcmp(value, "1") == 0;
		return NULL;
	}
	if (strcmp(name, "tcp_mtu_probing") == 0)
		return set_mtu_probing(s, value);
	if (strcmp(name, "tcp_base_mss") == 0) {
		s->base_mss = (uint16_t)triple(value, 0);
		return NULL;
	}
	if (strcmp(name, "tcp_wmem") == 0) {
		s->sndbuf = triple(value, 1);
		return NULL;
	}
	if (strcmp(name, "tcp_rmem") == 0) {
		s->rcvbuf = triple(value, 2);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(sysctls) / sizeof(sysctls[0]); i++)
		if (strcmp(name, sysctls[i].name) == 0)
			return sysctls[i].value == NULL || strcmp(sysctls[i].value, value) == 0
				       ? NULL
				       : "a sysctl that the stack has no other value of";
	return "a sysctl that is not known";
}

/* The value behind '=', which may be in quotation marks; cut off. @return what follows. */
static char *cut_value(char *value)
{
	char *end;

	if (*value == '"') {
		memmove(value, value + 1, strlen(value));
		end = value + strcspn(value, "\"");
	} else {
		end = value + strcspn(value, " \t\n;");
	}
	if (*end != 0)
		*end++ = 0;
	return end;
}

const char *settings_shell(struct settings *s, char *at)
{
	while (*(at += strspn(at, " \t\n;\\")) != 0) {
		char *word = at, *value;
		const size_t n = strcspn(at, " \t\n;=");
		const char *why;

		at += n;
		if (*at != '=') { /* a word: a command, or its flag */
			if (*at != 0)
				*at++ = 0;
			if (strstr(word, "defaults.sh") != NULL) {
				s->rcvbuf = DEFAULTS_RCVBUF;
				s->sndbuf = DEFAULTS_SNDBUF;
			}
			if (strcmp(word, "sysctl") != 0 && strcmp(word, "-q") != 0 &&
			    strcmp(word, "-w") != 0 && strstr(word, "defaults.sh") == NULL &&
			    strstr(word, "set_sysctls.py") == NULL &&
			    strstr(word, "sysctl_restore") == NULL)
				return "a command: only sysctl and packetdrill's defaults.sh and "
				       "set_sysctls.py are supported";
			continue;
		}
		*at = 0;
		value = at + 1;
		at = cut_value(value);
		why = set_sysctl(s, word, value);
		if (why != NULL)
			return why;
	}
	return NULL;
}
