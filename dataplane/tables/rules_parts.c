/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Entries to contexts of rte_acl.
 *
 * A trie of rules with any source and of rules with any destination is nearly their product: 10,000
 * of mixed shapes took 5 s, 1.6 GB to build and 190 MB in the end; in parts by shape 0.5 s, 0.1 GB
 * and 12 MB. And what rte_acl takes to build grows with the entries, by 10 to 17 KB each of IPv4
 * and 41 KB of IPv6. So many entries become contexts by shape, and very many by ranges of addresses
 * too. A packet asks only those whose ranges its addresses are in and whose rules come early
 * enough. Few stay together, for a call costs about the same for one packet as for 32.
 */

#include <errno.h>
#include <rte_vect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules_priv.h"

/* Up to so many entries are built as they are, whatever they are: at most some 2 s. */
#define ALONE 4096
/* Prefixes shorter than these are taken as any address. */
#define WILD4 9
#define WILD6 33
/* What the entries of a context may weigh: building it takes some 140 MiB then. One of which an
 * address is any is merged into many others. Of fewer entries, which leave less behind, twice that.
 */
#define WEIGHT4	      22000
#define WEIGHT6	      6500
#define FEWER	      16384
#define WEIGHT_NARROW 2
#define WEIGHT_ANY    5

/* Which of an entry's addresses is specific. */
enum shape {
	SHAPE_SRC, /* the source, at least */
	SHAPE_DST, /* the destination only */
	SHAPE_NONE
};

/* An entry on its way to its part. */
struct placed {
	enum shape shape;
	uint64_t sort;	       /* the address that it is specific about */
	uint64_t lo[2], hi[2]; /* of its source and destination */
	uint32_t entry;
	uint16_t class;
	uint16_t weight;
};

/* What parts are made of. */
struct job {
	const struct weir_rules *rs;
	const struct rules_entries *e;
	const struct rules_class *classes; /* of the list */
	uint32_t n_classes;
	struct rules_parts *out;
};

/* An entry's class is the list's; a part numbers those that it has anew, so that its first one has
 * the number of the keys as they are. */
#define NO_NUMBER UINT16_MAX

/* AVX-512 halves the cycles; DPDK takes it only if EAL was told so for everything, as in fib.c. */
static void choose_classify(struct rte_acl_ctx *acl)
{
	const uint16_t bits = rte_vect_get_max_simd_bitwidth();

	if (rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_512) < 0)
		return;
	rte_acl_set_ctx_classify(acl, RTE_ACL_CLASSIFY_DEFAULT);
	rte_vect_set_max_simd_bitwidth(bits);
}

/* -E2BIG: rte_acl had not enough memory, or would need more than its eight tries. */
static int build(const struct job *job, const struct placed *placed, uint32_t n,
		 struct rte_acl_ctx **out)
{
	const struct rules_entries *e = job->e;
	static unsigned made; /* names must differ; control thread */
	char name[RTE_ACL_NAMESIZE];
	const struct rte_acl_param param = {
		.name = name,
		.socket_id = job->rs->numa,
		.rule_size = (uint32_t)rules_entry_bytes(e->family),
		.max_rule_num = n,
	};
	struct rte_acl_config config;
	struct rte_acl_ctx *acl;
	int rc = 0;

	snprintf(name, sizeof(name), "weir%u", made++);
	acl = rte_acl_create(&param);
	if (acl == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = rte_acl_add_rules(acl, rules_entry_at(e, placed[i].entry), 1);
	rules_entry_config(e->family, &config);
	config.num_categories = job->out->categories;
	if (rc == 0)
		rc = rte_acl_build(acl, &config);
	if (rc < 0) {
		rte_acl_free(acl);
		return rc == -ENOMEM || rc == -ERANGE ? -E2BIG : rc;
	}
	choose_classify(acl);
	*out = acl;
	return 0;
}

/* What the part is: its classes, once each, its first rule and its ranges. */
static int describe(struct rules_part *p, const struct job *job, const struct placed *placed,
		    uint32_t n, uint16_t *number)
{
	*p = (struct rules_part){.first = UINT32_MAX, .lo = {UINT64_MAX, UINT64_MAX}};
	p->classes = calloc(RTE_MIN(n, job->n_classes), sizeof(p->classes[0]));
	if (p->classes == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const struct placed *it = &placed[i];

		p->first = RTE_MIN(p->first, rules_entry_at(job->e, it->entry)->data.userdata);
		p->beyond |= rules_entry_beyond(job->e->family, rules_entry_at(job->e, it->entry));
		for (unsigned side = 0; side < 2; side++) {
			p->lo[side] = RTE_MIN(p->lo[side], it->lo[side]);
			p->hi[side] = RTE_MAX(p->hi[side], it->hi[side]);
		}
		if (number[it->class] != NO_NUMBER)
			continue;
		number[it->class] = (uint16_t)p->n_classes;
		p->classes[p->n_classes] = job->classes[it->class];
		p->classes[p->n_classes].id_be = htobe16((uint16_t)p->n_classes);
		p->n_classes++;
	}
	return 0;
}

static int append(struct rules_parts *to, const struct rules_part *p)
{
	struct rules_part *grown = realloc(to->part, (to->n + 1) * sizeof(grown[0]));

	if (grown == NULL)
		return -ENOMEM;
	to->part = grown;
	to->part[to->n++] = *p;
	return 0;
}

static int make_one(struct job *job, const struct placed *placed, uint32_t n)
{
	uint16_t *number = malloc(job->n_classes * sizeof(number[0]));
	struct rules_part part = {0};
	int rc = -ENOMEM;

	if (number == NULL)
		return rc;
	memset(number, 0xff, job->n_classes * sizeof(number[0]));
	rc = describe(&part, job, placed, n, number);
	/* If there is one class, its field is left out, and the keys are good as they are. */
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rules_entry_set_class(rules_entry_at(job->e, placed[i].entry),
				      number[placed[i].class], part.n_classes == 1);
	free(number);
	if (rc == 0)
		rc = build(job, placed, n, &part.acl);
	if (rc == 0)
		rc = append(job->out, &part);
	if (rc < 0) {
		rte_acl_free(part.acl);
		free(part.classes);
	}
	return rc;
}

/* One part, or halves if that is too big. */
static int make_part(struct job *job, const struct placed *placed, uint32_t n)
{
	const uint32_t half = n / 2;
	int rc = make_one(job, placed, n);

	if (rc != -E2BIG)
		return rc;
	if (half == 0)
		return -ENOMEM;
	rc = make_part(job, placed, half);
	if (rc == 0)
		rc = make_part(job, placed + half, n - half);
	return rc;
}

static void place(const struct rules_entries *e, uint32_t i, struct placed *out)
{
	const unsigned wild = e->family == 4 ? WILD4 : WILD6;
	const void *entry = rules_entry_at(e, i);
	bool specific[2];

	for (unsigned dst = 0; dst < 2; dst++)
		specific[dst] = rules_entry_range(e->family, entry, dst, &out->lo[dst],
						  &out->hi[dst]) >= wild;
	out->entry = i;
	out->class = rules_entry_class(entry);
	out->shape = specific[0] ? SHAPE_SRC : specific[1] ? SHAPE_DST : SHAPE_NONE;
	out->sort = out->lo[out->shape == SHAPE_DST];
	out->weight = specific[0] && specific[1] ? WEIGHT_NARROW : WEIGHT_ANY;
}

static int by_place(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->shape != y->shape)
		return x->shape < y->shape ? -1 : 1;
	if (x->sort != y->sort)
		return x->sort < y->sort ? -1 : 1;
	return (x->entry > y->entry) - (x->entry < y->entry);
}

static int by_first(const void *a, const void *b)
{
	const struct rules_part *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Parts of entries of one shape, about equally heavy. */
static int make_shape(struct job *job, const struct placed *placed, uint32_t n)
{
	const uint64_t most =
		(job->e->family == 4 ? WEIGHT4 : WEIGHT6) * (job->e->n <= FEWER ? 2 : 1);
	uint64_t weight = 0, weighed = 0, parts, made = 0;
	uint32_t begin = 0;
	int rc = 0;

	for (uint32_t i = 0; i < n; i++)
		weight += placed[i].weight;
	parts = (weight + most - 1) / most;
	for (uint32_t i = 1; i <= n && rc == 0; i++) {
		weighed += placed[i - 1].weight;
		if (i < n && weighed * parts < weight * (made + 1))
			continue;
		rc = make_part(job, placed + begin, i - begin);
		begin = i;
		made++;
	}
	return rc;
}

static int make_shapes(struct job *job, struct placed *placed, uint32_t n)
{
	uint32_t begin = 0;
	int rc = 0;

	qsort(placed, n, sizeof(placed[0]), by_place);
	for (uint32_t i = 1; i <= n && rc == 0; i++)
		if (i == n || placed[i].shape != placed[begin].shape) {
			rc = make_shape(job, placed + begin, i - begin);
			begin = i;
		}
	return rc;
}

int rules_parts_make(struct weir_rules *rs, const struct rules_entries *e,
		     const struct rules_class *classes, uint32_t n_classes, uint32_t categories,
		     struct rules_parts *out)
{
	struct placed *placed = calloc(e->n, sizeof(placed[0]));
	struct job job = {rs, e, classes, n_classes, out};
	int rc;

	if (placed == NULL)
		return -ENOMEM;
	out->categories = categories;
	for (uint32_t i = 0; i < e->n; i++)
		place(e, i, &placed[i]);
	rc = e->n > ALONE ? make_shapes(&job, placed, e->n) : make_part(&job, placed, e->n);
	free(placed);
	if (rc < 0)
		return rc;
	qsort(out->part, out->n, sizeof(out->part[0]), by_first);
	for (uint32_t i = 0; i < out->n; i++)
		rs->stats.bytes += sizeof(out->part[0]) +
				   out->part[i].n_classes * sizeof(out->part[i].classes[0]);
	return 0;
}

void rules_parts_free(struct rules_parts *p)
{
	for (uint32_t i = 0; i < p->n; i++) {
		rte_acl_free(p->part[i].acl);
		free(p->part[i].classes);
	}
	free(p->part);
}
