/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf_print: a loaded struct as the YAML that loads to the same. Takes the struct and its schema,
 * and writes every key that has a value, wherever the value came from.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "conf_priv.h"

/* Where on the page the dump is. */
struct page {
	FILE *to;
	unsigned indent; /* of the current line, two blanks each */
	bool item;	 /* the current line begins an item: a dash in place of the last two */
};

static void begin_line(struct page *p)
{
	for (unsigned i = p->item; i < p->indent; i++)
		fputs("  ", p->to);
	if (p->item)
		fputs("- ", p->to);
	p->item = false;
}

/* A name as it is, if YAML would read it as just that; else quoted. */
static void print_name(const char *name, FILE *to)
{
	const char *const word = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	if (name[0] != '-' && strspn(name, word) == strlen(name))
		fputs(name, to);
	else
		conf_text_print(name, to);
}

static const struct weir_conf_list *member_list(const struct weir_conf_key *key, const char *member)
{
	return key->many == WEIR_CONF_ONE ? NULL : (const void *)member;
}

/* No text, no address: nothing that could be written. */
static bool is_unset(const struct weir_conf_key *key, const char *member)
{
	static const char zero[64];

	if (key->many != WEIR_CONF_ONE)
		return ((const struct weir_conf_list *)(const void *)member)->n == 0 &&
		       key->def == NULL;
	switch (key->type) {
	case WEIR_CONF_STRING:
	case WEIR_CONF_MAC:
	case WEIR_CONF_ADDR:
	case WEIR_CONF_PREFIX:
		return key->def == NULL && memcmp(member, zero, conf_value_size(key)) == 0;
	case WEIR_CONF_UINT:
	case WEIR_CONF_SIZE:
	case WEIR_CONF_DURATION:
	case WEIR_CONF_RATE:
		return key->min > 0 && *(const uint64_t *)(const void *)member == 0;
	default:
		return false;
	}
}

/* A section that was not given and cannot be given as it is. */
static bool is_off(const struct weir_conf_key *key, const char *member)
{
	const struct weir_conf_schema *sub = key->sub;
	const struct weir_conf_at *past;

	if (key->type != WEIR_CONF_RECORD || key->many != WEIR_CONF_ONE || sub->at_past == 0)
		return false;
	past = (const void *)(member + sub->at_past);
	if (past[-1].line != 0)
		return false;
	for (size_t i = 0; i < sub->n; i++)
		if (sub->keys[i].required && is_unset(&sub->keys[i], member + sub->keys[i].offset))
			return true;
	return false;
}

static void dump_record(struct page *p, const struct weir_conf_schema *schema, const char *record);

/* Items that are records, each on lines of its own, one step further in. */
static void dump_records(struct page *p, const struct weir_conf_key *key,
			 const struct weir_conf_list *list)
{
	const char *record = list->items;

	fputc('\n', p->to);
	for (size_t i = 0; i < list->n; i++, record += key->sub->size) {
		p->indent++;
		if (key->many == WEIR_CONF_MAP) {
			begin_line(p);
			print_name(*(char *const *)(const void *)record, p->to);
			fputs(":\n", p->to);
		}
		p->indent++;
		p->item = key->many == WEIR_CONF_LIST;
		dump_record(p, key->sub, record);
		p->indent -= 2;
	}
}

static void dump_values(struct page *p, const struct weir_conf_key *key,
			const struct weir_conf_list *list)
{
	const size_t size = conf_value_size(key);

	fputs(" [", p->to);
	for (size_t i = 0; i < list->n; i++) {
		fputs(i > 0 ? ", " : "", p->to);
		conf_value_print(key, (const char *)list->items + i * size, p->to);
	}
	fputs("]\n", p->to);
}

static void dump_key(struct page *p, const struct weir_conf_key *key, const char *member)
{
	const struct weir_conf_list *list = member_list(key, member);

	begin_line(p);
	print_name(key->name, p->to);
	fputc(':', p->to);
	if (list != NULL && list->n > 0 && key->type == WEIR_CONF_RECORD) {
		dump_records(p, key, list);
	} else if (list != NULL && key->many == WEIR_CONF_MAP) {
		fputs(" {}\n", p->to);
	} else if (list != NULL) {
		dump_values(p, key, list);
	} else if (key->type == WEIR_CONF_RECORD) {
		fputc('\n', p->to);
		p->indent++;
		dump_record(p, key->sub, member);
		p->indent--;
	} else {
		fputc(' ', p->to);
		conf_value_print(key, member, p->to);
		fputc('\n', p->to);
	}
}

static void dump_record(struct page *p, const struct weir_conf_schema *schema, const char *record)
{
	bool empty = true;

	for (size_t i = 0; i < schema->n; i++) {
		const struct weir_conf_key *key = &schema->keys[i];
		const char *member = record + key->offset;

		if (is_unset(key, member) || is_off(key, member))
			continue;
		dump_key(p, key, member);
		empty = false;
	}
	if (!empty)
		return;
	begin_line(p);
	fputs("{}\n", p->to);
}

int weir_conf_dump(const struct weir_conf_schema *schema, const void *conf, FILE *to)
{
	struct page p = {.to = to};

	dump_record(&p, schema, conf);
	return fflush(to) != 0 || ferror(to) ? -EIO : 0;
}
