/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Groups that sockets hear, as a host: which there are on each interface, and when routers are told
 * (RFC 3376 and RFC 2236 for IPv4, RFC 3810 and RFC 2710 for IPv6, which are the same but for their
 * messages).
 *
 * Sockets hear groups from all sources. A change is reported at once and, as reports get lost, as
 * often as the querier's robustness says (2), after random times; queries are answered after random
 * times within what they say. All timers are one time, the earliest, and a walk over the groups
 * when it has come: there are few, and they rest for minutes. Tables have fixed sizes: a join
 * beyond them is refused.
 */

#include "ip_group_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#define MS		UINT64_C(1000000)
#define ROBUSTNESS	2
#define UNSOLICITED_NS	(1000 * MS)		/* RFC 3376 section 8.11 */
#define UNSOLICITED2_NS (10000 * MS)		/* RFC 2236 section 8.10 */
#define OLD_QUERIER_NS	(UINT64_C(260000) * MS) /* RFC 3376 section 8.12, with the defaults */
#define NEVER		UINT64_MAX

int groups_create(struct weir_stack *s)
{
	const uint32_t n = s->conf.groups, members = n * MEMBERSHIPS_A_GROUP;
	struct groups *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	s->groups = t;
	t->at = calloc(n, sizeof(*t->at));
	t->members = calloc(members, sizeof(*t->members));
	if (t->at == NULL || t->members == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		t->at[i].next = i + 1 < n ? i + 1 : SOCK_NONE;
	for (uint32_t i = 0; i < members; i++)
		t->members[i].next = i + 1 < members ? i + 1 : SOCK_NONE;
	for (uint32_t i = 0; i < GROUP_BUCKETS; i++)
		t->buckets[i] = SOCK_NONE;
	t->due_ns = NEVER;
	return 0;
}

void groups_free(struct weir_stack *s)
{
	if (s->groups == NULL)
		return;
	free(s->groups->members);
	free(s->groups->at);
	free(s->groups);
}

/* ---- the tables ---- */

static uint32_t *bucket_of(const struct weir_stack *s, uint16_t iface, const struct weir_addr *a)
{
	uint64_t words[2];

	memcpy(words, a->bytes, sizeof(words));
	return &s->groups->buckets[weir_siphash13_u64x3(&s->conf.secret, words[0], words[1],
							(uint64_t)iface << 8 | a->family) %
				   GROUP_BUCKETS];
}

static struct group *find(const struct weir_stack *s, uint16_t iface, const struct weir_addr *a)
{
	struct groups *t = s->groups;

	for (uint32_t i = *bucket_of(s, iface, a); i != SOCK_NONE; i = t->at[i].next)
		if (t->at[i].iface == iface && weir_addr_equal(&t->at[i].addr, a))
			return &t->at[i];
	return NULL;
}

static struct group_link *link_of(struct groups *t, uint16_t iface, uint8_t family)
{
	for (unsigned i = 0; i < GROUP_LINKS; i++)
		if (t->links[i].family == family && t->links[i].iface == iface)
			return &t->links[i];
	return NULL;
}

/* NULL: there are as many as may be. */
static struct group_link *link_get(struct groups *t, uint16_t iface, uint8_t family)
{
	struct group_link *l = link_of(t, iface, family);

	if (l != NULL)
		return l;
	l = link_of(t, 0, 0);
	for (unsigned i = 0; l == NULL && i < GROUP_LINKS; i++)
		if (t->links[i].family == 0)
			l = &t->links[i];
	if (l != NULL)
		*l = (struct group_link){.family = family,
					 .iface = iface,
					 .robustness = ROBUSTNESS,
					 .answer_ns = NEVER};
	return l;
}

static void forget(struct weir_stack *s, struct group *g)
{
	struct groups *t = s->groups;
	struct group_link *l = link_of(t, g->iface, g->addr.family);
	const uint32_t index = (uint32_t)(g - t->at);
	uint32_t *link = bucket_of(s, g->iface, &g->addr);

	while (*link != index)
		link = &t->at[*link].next;
	*link = g->next;
	*g = (struct group){.next = t->free};
	t->free = index;
	if (--l->groups == 0)
		l->family = 0;
}

/* A place: a free one, or that of a group that has left, whose last report goes unsaid. */
static struct group *place(struct weir_stack *s)
{
	struct groups *t = s->groups;
	struct group *g;

	for (uint32_t i = 0; t->free == SOCK_NONE && i < s->conf.groups; i++)
		if (t->at[i].users == 0)
			forget(s, &t->at[i]);
	if (t->free == SOCK_NONE)
		return NULL;
	g = &t->at[t->free];
	t->free = g->next;
	return g;
}

static struct group *enter(struct weir_stack *s, uint16_t iface, const struct weir_addr *a)
{
	struct group *g = place(s);
	struct group_link *l = g == NULL ? NULL : link_get(s->groups, iface, a->family);
	uint32_t *bucket = bucket_of(s, iface, a);

	if (g == NULL)
		return NULL;
	if (l == NULL) {
		*g = (struct group){.next = s->groups->free};
		s->groups->free = (uint32_t)(g - s->groups->at);
		return NULL;
	}
	l->groups++;
	*g = (struct group){.addr = *a,
			    .iface = iface,
			    .next = *bucket,
			    .change_ns = NEVER,
			    .answer_ns = NEVER};
	*bucket = (uint32_t)(g - s->groups->at);
	return g;
}

/* ---- times ---- */

static void due(struct groups *t, uint64_t at_ns)
{
	t->due_ns = RTE_MIN(t->due_ns, at_ns);
}

/* From now to @range_ns later. */
static uint64_t some_time(struct weir_stack *s, uint64_t range_ns)
{
	const uint64_t random = weir_siphash13_u64x3(&s->conf.secret, s->groups->draws++, 'g', 0);

	return s->now_ns + (random >> 32) * (range_ns >> 12) / (UINT64_C(1) << 20);
}

/* The newest version that the querier of a link speaks, as far as is known. */
static uint8_t version_of(const struct weir_stack *s, const struct group_link *l)
{
	if (s->now_ns < l->old_until_ns[GROUP_V1])
		return GROUP_V1;
	return s->now_ns < l->old_until_ns[GROUP_V2] ? GROUP_V2 : GROUP_V3;
}

/* Groups of which routers are not told: all hosts of a link hear them (RFC 3376 6, RFC 3810 6). */
static bool is_silent(const struct weir_addr *a)
{
	static const struct weir_addr systems = {4, {224, 0, 0, 1}},
				      nodes = {6, {0xff, 0x02, [15] = 1}};

	return weir_addr_equal(a, &systems) || weir_addr_equal(a, &nodes) ||
	       (a->family == 6 && (a->bytes[1] & 0xf) <= 1);
}

/* It was joined, or left: to be said now, and again. */
static void changed(struct weir_stack *s, struct group *g)
{
	const struct group_link *l = link_of(s->groups, g->iface, g->addr.family);

	g->answer_ns = NEVER;
	if (is_silent(&g->addr)) {
		if (g->users == 0)
			forget(s, g);
		return;
	}
	g->repeats = l->robustness;
	g->change_ns = s->now_ns;
	due(s->groups, s->now_ns);
}

/* ---- joining and leaving ---- */

int group_join(struct weir_stack *s, struct sock *k, uint16_t iface, const struct weir_addr *a)
{
	struct groups *t = s->groups;
	struct group *g = find(s, iface, a);
	const uint32_t m = t->member_free;
	unsigned n = 0;

	for (uint32_t i = k->memberships; i != SOCK_NONE; i = t->members[i].next, n++)
		if (&t->at[t->members[i].group] == g)
			return -EADDRINUSE;
	if (n >= MEMBERSHIPS_A_SOCKET || m == SOCK_NONE)
		return -ENOBUFS;
	if (g == NULL)
		g = enter(s, iface, a);
	if (g == NULL)
		return -ENOBUFS;
	t->member_free = t->members[m].next;
	t->members[m] = (struct membership){(uint32_t)(g - t->at), k->memberships};
	k->memberships = m;
	if (g->users++ == 0)
		changed(s, g);
	return 0;
}

/* The membership that @link leads to. */
static void leave(struct weir_stack *s, uint32_t *link)
{
	struct groups *t = s->groups;
	const uint32_t m = *link;
	struct group *g = &t->at[t->members[m].group];

	*link = t->members[m].next;
	t->members[m].next = t->member_free;
	t->member_free = m;
	if (--g->users == 0)
		changed(s, g);
}

int group_leave(struct weir_stack *s, struct sock *k, uint16_t iface, const struct weir_addr *a)
{
	struct groups *t = s->groups;

	for (uint32_t *link = &k->memberships; *link != SOCK_NONE; link = &t->members[*link].next) {
		const struct group *g = &t->at[t->members[*link].group];

		if (weir_addr_equal(&g->addr, a) && (iface == WEIR_NO_IFACE || g->iface == iface)) {
			leave(s, link);
			return 0;
		}
	}
	return -EADDRNOTAVAIL;
}

void group_leave_all(struct weir_stack *s, struct sock *k)
{
	while (k->memberships != SOCK_NONE)
		leave(s, &k->memberships);
}

bool weir_stack_hears(const struct weir_stack *s, uint16_t iface, const struct weir_addr *group)
{
	const struct group *g = find(s, iface, group);

	return g != NULL && g->users > 0;
}

bool group_is_member(const struct weir_stack *s, const struct sock *k, uint16_t iface,
		     const struct weir_addr *a)
{
	const struct groups *t = s->groups;

	for (uint32_t i = k->memberships; i != SOCK_NONE; i = t->members[i].next) {
		const struct group *g = &t->at[t->members[i].group];

		if (g->iface == iface && weir_addr_equal(&g->addr, a))
			return true;
	}
	return false;
}

/* ---- queries ---- */

/* RFC 3376 section 7.2.1: what was to be said in another version is not said. */
static void forget_answers(struct weir_stack *s, struct group_link *l)
{
	l->answer_ns = NEVER;
	for (uint32_t i = 0; i < s->conf.groups; i++) {
		struct group *g = &s->groups->at[i];

		if (g->iface != l->iface || g->addr.family != l->family)
			continue;
		g->answer_ns = NEVER;
		if (g->users > 0)
			g->repeats = 0;
	}
}

static void answer_within(struct weir_stack *s, uint64_t *answer_ns, uint64_t wait_ns)
{
	const uint64_t at_ns = some_time(s, wait_ns);

	if (at_ns >= *answer_ns)
		return;
	*answer_ns = at_ns;
	due(s->groups, at_ns);
}

void group_query(struct weir_stack *s, uint16_t iface, uint8_t family, const struct group_query *q)
{
	struct group_link *l = link_of(s->groups, iface, family);
	struct group *g;
	uint8_t was;

	if (l == NULL)
		return; /* nothing to tell */
	was = version_of(s, l);
	if (q->version < GROUP_V3)
		l->old_until_ns[q->version] = s->now_ns + OLD_QUERIER_NS;
	else
		l->robustness = q->robustness == 0 ? ROBUSTNESS : q->robustness;
	if (version_of(s, l) != was)
		forget_answers(s, l);
	if (q->group.family != 0) {
		g = find(s, iface, &q->group);
		if (g != NULL && g->users > 0 && !is_silent(&g->addr))
			answer_within(s, &g->answer_ns, q->wait_ns);
	} else if (version_of(s, l) == GROUP_V3) {
		answer_within(s, &l->answer_ns, q->wait_ns);
	} else {
		for (uint32_t i = 0; i < s->conf.groups; i++) {
			g = &s->groups->at[i];
			if (g->users > 0 && g->iface == iface && g->addr.family == family &&
			    !is_silent(&g->addr))
				answer_within(s, &g->answer_ns, q->wait_ns);
		}
	}
}

void group_reported(struct weir_stack *s, uint16_t iface, const struct weir_addr *group)
{
	struct group_link *l = link_of(s->groups, iface, group->family);
	struct group *g = find(s, iface, group);

	if (l != NULL && g != NULL && version_of(s, l) < GROUP_V3)
		g->answer_ns = NEVER;
}

/* ---- what is due ---- */

static void report_all(struct weir_stack *s, const struct group_link *l)
{
	struct weir_addr addr[GROUP_RECORDS_MOST];
	unsigned n = 0;

	for (uint32_t i = 0; i < s->conf.groups; i++) {
		const struct group *g = &s->groups->at[i];

		if (g->users == 0 || g->iface != l->iface || g->addr.family != l->family ||
		    is_silent(&g->addr))
			continue;
		addr[n++] = g->addr;
		if (n == GROUP_RECORDS_MOST) {
			group_report(s, l, GROUP_V3, GROUP_IS, addr, n);
			n = 0;
		}
	}
	if (n > 0)
		group_report(s, l, GROUP_V3, GROUP_IS, addr, n);
}

static void run_group(struct weir_stack *s, struct group *g)
{
	struct group_link *l = link_of(s->groups, g->iface, g->addr.family);
	const uint8_t version = version_of(s, l);

	if (g->answer_ns <= s->now_ns) {
		group_report(s, l, version, GROUP_IS, &g->addr, 1);
		g->answer_ns = NEVER;
	}
	if (g->change_ns <= s->now_ns) {
		if (g->repeats > 0) {
			group_report(s, l, version, g->users > 0 ? GROUP_JOINED : GROUP_LEFT,
				     &g->addr, 1);
			g->repeats--;
		}
		/* Leaving is said once in v2 (RFC 2236 section 3). */
		if (g->users == 0 && version < GROUP_V3)
			g->repeats = 0;
		g->change_ns = g->repeats == 0 ? NEVER
					       : some_time(s, version < GROUP_V3 ? UNSOLICITED2_NS
										 : UNSOLICITED_NS);
	}
	due(s->groups, RTE_MIN(g->answer_ns, g->change_ns));
	if (g->users == 0 && g->repeats == 0)
		forget(s, g);
}

uint64_t groups_poll(struct weir_stack *s)
{
	struct groups *t = s->groups;

	if (likely(s->now_ns < t->due_ns))
		return t->due_ns;
	t->due_ns = NEVER;
	for (unsigned i = 0; i < GROUP_LINKS; i++) {
		struct group_link *l = &t->links[i];

		if (l->family == 0)
			continue;
		if (l->answer_ns <= s->now_ns) {
			report_all(s, l);
			l->answer_ns = NEVER;
		}
		due(t, l->answer_ns);
	}
	for (uint32_t i = 0; i < s->conf.groups; i++)
		if (t->at[i].addr.family != 0)
			run_group(s, &t->at[i]);
	return t->due_ns;
}
