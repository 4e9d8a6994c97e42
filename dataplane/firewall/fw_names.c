/* SPDX-License-Identifier: BSD-3-Clause */

/* Words of the configuration: protocols, ports, types, flags, zones, addresses. */

#include "fw_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <weir/addr.h>

void *fw_alloc(struct fw_arena *a, size_t n, size_t size)
{
	void **block;
	void *p;

	if (a->n == a->room) {
		block = realloc(a->block, (a->room + 64) * sizeof(*block));
		if (block == NULL)
			return NULL;
		a->block = block;
		a->room += 64;
	}
	p = calloc(n == 0 ? 1 : n, size);
	if (p != NULL)
		a->block[a->n++] = p;
	return p;
}

void fw_arena_free(struct fw_arena *a)
{
	while (a->n > 0)
		free(a->block[--a->n]);
	free(a->block);
	*a = (struct fw_arena){NULL};
}

/* A whole number of at most @p max; false: it is none. */
static bool number(const char *word, size_t len, unsigned long max, unsigned long *out)
{
	unsigned long v = 0;

	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (word[i] < '0' || word[i] > '9')
			return false;
		v = v * 10 + (unsigned long)(word[i] - '0');
	}
	*out = v;
	return v <= max;
}

/* A name and its number. */
struct word {
	const char *name;
	uint8_t value;
};

static bool find_word(const struct word *words, size_t n, const char *name, uint8_t *out)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i].name, name) == 0) {
			*out = words[i].value;
			return true;
		}
	}
	return false;
}

static const struct word protos[] = {
	{"tcp", IPPROTO_TCP},	      {"udp", IPPROTO_UDP},   {"icmp", IPPROTO_ICMP},
	{"icmp6", IPPROTO_ICMPV6},    {"sctp", IPPROTO_SCTP}, {"gre", IPPROTO_GRE},
	{"esp", IPPROTO_ESP},	      {"ah", IPPROTO_AH},     {"ipip", IPPROTO_IPIP},
	{"udplite", IPPROTO_UDPLITE},
};

int fw_proto(const struct fw_build *b, uint32_t line, const char *word, uint8_t *out,
	     struct weir_why *why)
{
	unsigned long v;

	if (find_word(protos, sizeof(protos) / sizeof(protos[0]), word, out))
		return 0;
	if (!number(word, strlen(word), 255, &v) || v == 0)
		return weir_conf_fail(why, b->file, line,
				      "proto is %s, must be tcp, udp, icmp, icmp6, sctp, gre, esp, "
				      "ah, ipip, udplite or 1 to 255",
				      word);
	*out = (uint8_t)v;
	return 0;
}

int fw_range(const struct fw_build *b, uint32_t line, const char *key, const char *word,
	     struct weir_range *out, struct weir_why *why)
{
	const char *dash = strchr(word, '-');
	unsigned long lo, hi;

	if (!number(word, dash == NULL ? strlen(word) : (size_t)(dash - word), UINT16_MAX, &lo))
		goto bad;
	hi = lo;
	if (dash != NULL && !number(dash + 1, strlen(dash + 1), UINT16_MAX, &hi))
		goto bad;
	if (hi < lo)
		goto bad;
	*out = (struct weir_range){(uint16_t)lo, (uint16_t)hi};
	return 0;
bad:
	return weir_conf_fail(why, b->file, line,
			      "%s is %s, must be a port or a range such as 1000-2000", key, word);
}

int fw_ranges(struct fw_build *b, uint32_t line, const char *key,
	      const struct weir_conf_list *words, const struct weir_range **out, uint32_t *n,
	      struct weir_why *why)
{
	char *const *word;
	struct weir_range *ranges = fw_alloc(&b->arena, words->n, sizeof(*ranges));
	uint32_t i = 0;

	if (ranges == NULL)
		return weir_why(why, -ENOMEM, "rules: out of memory");
	weir_conf_each (word, words) {
		const int rc = fw_range(b, line, key, *word, &ranges[i++], why);

		if (rc < 0)
			return rc;
	}
	*out = ranges;
	*n = i;
	return 0;
}

static const struct word icmp_types[] = {
	{"echo-reply", 0},	   {"unreachable", 3},	    {"redirect", 5},
	{"echo-request", 8},	   {"time-exceeded", 11},   {"parameter-problem", 12},
	{"timestamp-request", 13}, {"timestamp-reply", 14},
};

/* Of ICMPv6 the same names have other numbers. */
static const struct word icmp6_types[] = {
	{"unreachable", 1},	  {"packet-too-big", 2}, {"time-exceeded", 3},
	{"parameter-problem", 4}, {"echo-request", 128}, {"echo-reply", 129},
};

int fw_icmp(const struct fw_build *b, uint32_t line, const char *word, bool six, int16_t *type,
	    int16_t *code, struct weir_why *why)
{
	const char *slash = strchr(word, '/');
	unsigned long t, c = 0;
	uint8_t named;

	if (find_word(six ? icmp6_types : icmp_types,
		      six ? sizeof(icmp6_types) / sizeof(icmp6_types[0])
			  : sizeof(icmp_types) / sizeof(icmp_types[0]),
		      word, &named)) {
		*type = named;
		*code = -1;
		return 0;
	}
	if (!number(word, slash == NULL ? strlen(word) : (size_t)(slash - word), 255, &t) ||
	    (slash != NULL && !number(slash + 1, strlen(slash + 1), 255, &c)))
		return weir_conf_fail(why, b->file, line,
				      "icmp is %s, must be a type of %s such as echo-request, or "
				      "TYPE or TYPE/CODE in numbers",
				      word, six ? "ICMPv6" : "ICMP");
	*type = (int16_t)t;
	*code = slash == NULL ? -1 : (int16_t)c;
	return 0;
}

int fw_tcp_flags(const struct fw_build *b, uint32_t line, const char *key, const char *word,
		 uint8_t *flags, uint8_t *mask, struct weir_why *why)
{
	static const struct word names[] = {{"fin", 1},	 {"syn", 2},  {"rst", 4},  {"psh", 8},
					    {"ack", 16}, {"urg", 32}, {"ece", 64}, {"cwr", 128}};
	char text[64], *save = NULL;

	snprintf(text, sizeof(text), "%s", word);
	*flags = 0;
	*mask = 0;
	for (char *at = strtok_r(text, ",", &save); at != NULL; at = strtok_r(NULL, ",", &save)) {
		const bool no = *at == '!';
		uint8_t bit;

		if (!find_word(names, sizeof(names) / sizeof(names[0]), at + no, &bit) ||
		    (*mask & bit))
			return weir_conf_fail(
				why, b->file, line,
				"%s is %s, must be some of fin syn rst psh "
				"ack urg ece cwr, each once, with ! if it must not be "
				"set: syn,!ack",
				key, word);
		*mask |= bit;
		if (!no)
			*flags |= bit;
	}
	return 0;
}

int fw_dscp(const struct fw_build *b, uint32_t line, const char *key, const char *word,
	    uint8_t *out, struct weir_why *why)
{
	unsigned long v;

	if (strcmp(word, "ef") == 0) { /* RFC 3246 */
		*out = 46;
		return 0;
	}
	/* RFC 2474 section 4.2.2: class selectors; RFC 2597 section 6: assured forwarding. */
	if (word[0] == 'c' && word[1] == 's' && number(word + 2, strlen(word + 2), 7, &v)) {
		*out = (uint8_t)(v << 3);
		return 0;
	}
	if (word[0] == 'a' && word[1] == 'f' && strlen(word) == 4 && word[2] >= '1' &&
	    word[2] <= '4' && word[3] >= '1' && word[3] <= '3') {
		*out = (uint8_t)((word[2] - '0') << 3 | (word[3] - '0') << 1);
		return 0;
	}
	if (!number(word, strlen(word), 63, &v))
		return weir_conf_fail(why, b->file, line,
				      "%s is %s, must be ef, af11 to af43, cs0 to cs7 or 0 to 63",
				      key, word);
	*out = (uint8_t)v;
	return 0;
}

int fw_zones(const struct fw_build *b, uint32_t line, const char *key,
	     const struct weir_conf_list *words, uint32_t *out, struct weir_why *why)
{
	char *const *word;

	*out = 0;
	weir_conf_each (word, words) {
		unsigned z = 0;

		while (z < b->policy->n_zones && strcmp(b->policy->zone[z].name, *word) != 0)
			z++;
		if (z == b->policy->n_zones)
			return weir_conf_fail(why, b->file, line,
					      "%s is %s, which is no zone and no interface", key,
					      *word);
		*out |= UINT32_C(1) << z;
	}
	return 0;
}

/* One word of a list of addresses, without its "!". */
static int addr_word(struct fw_build *b, uint32_t line, const char *key, const char *word,
		     struct weir_rule_addrs *out, struct weir_why *why)
{
	struct weir_prefix *prefixes = (struct weir_prefix *)(uintptr_t)out->prefixes;
	const struct weir_set **sets = (const struct weir_set **)(uintptr_t)out->sets;
	uint16_t *countries = (uint16_t *)(uintptr_t)out->countries;
	struct weir_prefix p = {.length = 0};
	const struct fw_set *set;

	if (weir_prefix_parse(word, strlen(word), &p) == 0) {
		const struct weir_prefix net = weir_prefix_network(&p);

		if (!weir_addr_equal(&net.addr, &p.addr))
			return weir_conf_fail(why, b->file, line,
					      "%s is %s, which has bits behind its length", key,
					      word);
		prefixes[out->n_prefixes++] = p;
		return 0;
	}
	if (weir_addr_parse(word, strlen(word), &p.addr) == 0) {
		p.length = p.addr.family == 4 ? 32 : 128;
		prefixes[out->n_prefixes++] = p;
		return 0;
	}
	if (strncmp(word, "country:", 8) == 0) {
		const uint16_t country = b->geo == NULL ? WEIR_GEO_NONE
							: weir_geo_country(b->geo, word + 8);

		if (country == WEIR_GEO_NONE)
			return weir_conf_fail(why, b->file, line, "%s is %s, %s", key, word,
					      b->geo == NULL
						      ? "but firewall.geo names no database"
						      : "of which the database has no address");
		countries[out->n_countries++] = country;
		return 0;
	}
	set = fw_set_find(b->sets, b->n_sets, word);
	if (set == NULL)
		return weir_conf_fail(why, b->file, line,
				      "%s is %s, which is no address, no prefix and no set", key,
				      word);
	sets[out->n_sets++] = set->set;
	return 0;
}

int fw_addrs(struct fw_build *b, uint32_t line, const char *key, const struct weir_conf_list *words,
	     struct weir_rule_addrs *out, struct weir_why *why)
{
	char *const *word;
	size_t negated = 0;

	*out = (struct weir_rule_addrs){
		.prefixes = fw_alloc(&b->arena, words->n, sizeof(struct weir_prefix)),
		.sets = fw_alloc(&b->arena, words->n, sizeof(struct weir_set *)),
		.countries = fw_alloc(&b->arena, words->n, sizeof(uint16_t)),
	};
	if (out->prefixes == NULL || out->sets == NULL || out->countries == NULL)
		return weir_why(why, -ENOMEM, "rules: out of memory");
	weir_conf_each (word, words) {
		const bool no = **word == '!';
		const int rc = addr_word(b, line, key, *word + no, out, why);

		if (rc < 0)
			return rc;
		negated += no;
	}
	if (negated != 0 && negated != words->n)
		return weir_conf_fail(why, b->file, line,
				      "%s mixes words with and without !; all or none must have it",
				      key);
	out->negate = negated != 0;
	return 0;
}

static int check_name(const struct fw_build *b, uint32_t line, const char *what, const char *name,
		      struct weir_why *why)
{
	for (const unsigned char *at = (const unsigned char *)name; *at != '\0'; at++)
		if (*at < ' ' || *at == 0x7f || (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0))
			return weir_conf_fail(why, b->file, line,
					      "the name of a %s has control characters", what);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct fw_name *x = a, *y = b;
	const int order = strcmp(x->name, y->name);

	return order != 0 ? order : x->line < y->line ? -1 : x->line > y->line;
}

int fw_names_differ(const struct fw_build *b, const char *what, struct fw_name *names, size_t n,
		    struct weir_why *why)
{
	for (size_t i = 0; i < n; i++)
		if (check_name(b, names[i].line, what, names[i].name, why) < 0)
			return -EINVAL;
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 1; i < n; i++)
		if (strcmp(names[i - 1].name, names[i].name) == 0)
			return weir_conf_fail(why, b->file, names[i].line,
					      "%s %s: the one in line %u has this name already",
					      what, names[i].name, names[i - 1].line);
	return 0;
}

bool fw_is_about(const struct weir_why *why, const char *what, const char *name)
{
	const size_t w = strlen(what), n = strlen(name);

	return why != NULL && strncmp(why->text, what, w) == 0 && why->text[w] == ' ' &&
	       strncmp(why->text + w + 1, name, n) == 0 &&
	       (why->text[w + 1 + n] == ':' || why->text[w + 1 + n] == ' ');
}

int fw_at_line(const struct fw_build *b, uint32_t line, int rc, struct weir_why *why)
{
	const struct weir_why told = *why;

	weir_conf_fail(why, b->file, line, "%s", told.text);
	return rc;
}
