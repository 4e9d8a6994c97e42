/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Which address lists a set or a country is in.
 *
 * Most are in one list, some in a few. So it is a row of numbers for each, one behind the other,
 * and not a bit for each list: 1,024 of those would be 16 words to read, for each of 1,024 sets.
 */

#include <errno.h>
#include <stdlib.h>

#include "rules_priv.h"

int rules_members_add(struct rules_members *m, uint16_t what, uint16_t list)
{
	if (m->n_members == m->room) {
		const uint32_t room = m->room == 0 ? 16 : 2 * m->room;
		struct rules_member *grown = realloc(m->member, room * sizeof(grown[0]));

		if (grown == NULL)
			return -ENOMEM;
		m->member = grown;
		m->room = room;
	}
	m->member[m->n_members++] = (struct rules_member){what, list};
	m->n = RTE_MAX(m->n, what + 1u);
	return 0;
}

int rules_members_seal(struct rules_members *m, uint64_t *bytes)
{
	if (m->n == 0)
		return 0;
	m->at = calloc(m->n + 1u, sizeof(m->at[0]));
	m->list = malloc(m->n_members * sizeof(m->list[0]));
	if (m->at == NULL || m->list == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_members; i++)
		m->at[m->member[i].what + 1u]++;
	for (uint32_t i = 0; i < m->n; i++)
		m->at[i + 1] += m->at[i];
	/* Where the next one goes, until all are there: then each is where the next thing begins.
	 */
	for (uint32_t i = 0; i < m->n_members; i++)
		m->list[m->at[m->member[i].what]++] = m->member[i].list;
	memmove(m->at + 1, m->at, m->n * sizeof(m->at[0]));
	m->at[0] = 0;
	free(m->member);
	m->member = NULL;
	*bytes += (m->n + 1u) * sizeof(m->at[0]) + m->n_members * sizeof(m->list[0]);
	return 0;
}

void rules_members_free(struct rules_members *m)
{
	free(m->at);
	free(m->list);
	free(m->member);
}
