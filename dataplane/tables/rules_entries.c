/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A rule as entries of rte_acl: one for each combination of its prefixes, ports and protocols.
 *
 * The order of the fields is that of the trie. What splits rules into parts that have nothing in
 * common stands first, bits that few rules look at stand last. rte_acl leaves out words that no
 * rule looks at.
 */

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "rules_priv.h"

#define FIELDS_MAX 16
#define DSCP_MASK  0x3fu

/* Where fields are in an entry; addresses have one field or four. */
enum {
	AT_PROTO,
	AT_CLASS,
	AT_VLAN,
	AT_ADDRS,
};

/* And those behind the addresses. */
enum { AFTER_FIRST, AFTER_SECOND, AFTER_FLAGS, AFTER_DSCP, AFTER_APP, AFTER_FIELDS };

/* What a rule is combined of. */
enum { AXIS_PROTO, AXIS_SRC, AXIS_DST, AXIS_FIRST, AXIS_SECOND, AXIS_APP, AXES };

struct entry {
	struct rte_acl_rule_data data;
	struct rte_acl_field field[FIELDS_MAX];
};

static const uint8_t with_ports[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};

static unsigned words(uint8_t family)
{
	return family == 4 ? 1 : 4;
}

static unsigned after(uint8_t family)
{
	return AT_ADDRS + 2 * words(family);
}

size_t rules_entry_bytes(uint8_t family)
{
	return RTE_ACL_RULE_SZ(after(family) + AFTER_FIELDS);
}

static void define(struct rte_acl_config *c, uint8_t type, uint8_t bytes, uint8_t input,
		   size_t offset)
{
	c->defs[c->num_fields] = (struct rte_acl_field_def){
		.type = type,
		.size = bytes,
		.field_index = (uint8_t)c->num_fields,
		.input_index = input,
		.offset = (uint32_t)offset,
	};
	c->num_fields++;
}

#define FIELD(c, type, input, key, member)                                                \
	define(c, RTE_ACL_FIELD_TYPE_##type, RTE_SIZEOF_FIELD(struct key, member), input, \
	       offsetof(struct key, member))
/* A word of which one member is looked at. */
#define WORD(c, input, key, first) \
	define(c, RTE_ACL_FIELD_TYPE_BITMASK, sizeof(uint32_t), input, offsetof(struct key, first))

static void config4(struct rte_acl_config *out)
{
	FIELD(out, BITMASK, 0, rules_key4, proto);
	FIELD(out, BITMASK, 1, rules_key4, class_be);
	FIELD(out, BITMASK, 1, rules_key4, vlan_be);
	FIELD(out, MASK, 2, rules_key4, src_be);
	FIELD(out, MASK, 3, rules_key4, dst_be);
	FIELD(out, RANGE, 4, rules_key4, first_be);
	FIELD(out, RANGE, 4, rules_key4, second_be);
	WORD(out, 5, rules_key4, data_off);
	WORD(out, 6, rules_key4, version);
	WORD(out, 7, rules_key4, app_be);
}

static void config6(struct rte_acl_config *out)
{
	uint8_t input = 0;

	FIELD(out, BITMASK, input++, rules_key6, proto);
	FIELD(out, BITMASK, input, rules_key6, class_be);
	FIELD(out, BITMASK, input++, rules_key6, vlan_be);
	for (unsigned i = 0; i < words(6); i++)
		FIELD(out, MASK, input++, rules_key6, src_be[i]);
	for (unsigned i = 0; i < words(6); i++)
		FIELD(out, MASK, input++, rules_key6, dst_be[i]);
	FIELD(out, RANGE, input, rules_key6, first_be);
	FIELD(out, RANGE, input++, rules_key6, second_be);
	FIELD(out, BITMASK, input, rules_key6, tcp_flags);
	FIELD(out, BITMASK, input, rules_key6, dscp);
	FIELD(out, BITMASK, input, rules_key6, app_be);
}

void rules_entry_config(uint8_t family, struct rte_acl_config *out)
{
	memset(out, 0, sizeof(*out));
	out->num_categories = 1;
	if (family == 4)
		config4(out);
	else
		config6(out);
}

static bool has_ports(const struct weir_rule *r)
{
	return r->n_sports + r->n_dports > 0;
}

static bool has_icmp(const struct weir_rule *r)
{
	return r->icmp_type >= 0 || r->icmp_code >= 0;
}

unsigned rules_protos(const struct weir_rule *r, uint8_t family, uint8_t out[3])
{
	const uint8_t icmp = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	unsigned n = 0;

	if ((has_icmp(r) && (has_ports(r) || r->tcp_mask != 0)))
		return 0;
	if (has_icmp(r) || r->tcp_mask != 0) {
		out[0] = has_icmp(r) ? icmp : IPPROTO_TCP;
		return r->proto == 0 || r->proto == out[0];
	}
	if (!has_ports(r)) {
		out[0] = r->proto;
		return 1;
	}
	for (unsigned i = 0; i < RTE_DIM(with_ports); i++)
		if (r->proto == 0 || r->proto == with_ports[i])
			out[n++] = with_ports[i];
	return n;
}

/* The same as keys have them: what needs nothing behind the IP header matches later fragments too.
 */
static unsigned key_protos(const struct weir_rule *r, uint8_t family, uint8_t out[3])
{
	unsigned n = rules_protos(r, family, out);

	if (n == 1 && rules_has_header(out[0], family) && !has_ports(r) && !has_icmp(r) &&
	    r->tcp_mask == 0)
		out[n++] = RULES_HEADLESS;
	return n;
}

/* How many choices there are on each axis. */
static void measure(const struct weir_rule *r, uint8_t family, bool src, bool dst, uint32_t n[AXES])
{
	uint8_t unused[3];

	n[AXIS_PROTO] = r->family == 0 || r->family == family ? key_protos(r, family, unused) : 0;
	n[AXIS_SRC] = src ? r->src.n_prefixes : 1;
	n[AXIS_DST] = dst ? r->dst.n_prefixes : 1;
	n[AXIS_FIRST] = r->n_sports > 0 ? r->n_sports : 1;
	n[AXIS_SECOND] = r->n_dports > 0 ? r->n_dports : 1;
	n[AXIS_APP] = r->app != 0 && r->action == WEIR_ACTION_ACCEPT ? 2 : 1;
}

uint64_t rules_entry_count(const struct weir_rule *r, uint8_t family, bool src, bool dst)
{
	uint64_t product = 1;
	uint32_t n[AXES];

	measure(r, family, src, dst, n);
	if (src)
		n[AXIS_SRC] = rules_lists_prefixes(&r->src, family);
	if (dst)
		n[AXIS_DST] = rules_lists_prefixes(&r->dst, family);
	for (unsigned i = 0; i < AXES; i++)
		if (__builtin_mul_overflow(product, n[i], &product))
			return UINT64_MAX;
	return product;
}

static void set_prefix(struct rte_acl_field *f, const struct weir_prefix *p, uint8_t family)
{
	for (unsigned i = 0; i < words(family); i++) {
		const unsigned before = i * 32;
		uint32_t word;

		memcpy(&word, &p->addr.bytes[4 * i], sizeof(word));
		f[i].value.u32 = ntohl(word);
		f[i].mask_range.u32 = p->length <= before	 ? 0
				      : p->length - before >= 32 ? 32
								 : p->length - before;
	}
}

static void set_range(struct rte_acl_field *f, const struct weir_range *ranges, uint32_t n,
		      uint32_t at)
{
	f->value.u16 = n > 0 ? ranges[at].lo : 0;
	f->mask_range.u16 = n > 0 ? ranges[at].hi : UINT16_MAX;
}

static void set_exact(struct rte_acl_field *f, int value, uint16_t mask)
{
	f->value.u16 = value < 0 ? 0 : (uint16_t)value;
	f->mask_range.u16 = value < 0 ? 0 : mask;
}

static void set_number(struct rte_acl_field *f, int16_t value)
{
	f->value.u16 = value < 0 ? 0 : (uint16_t)value;
	f->mask_range.u16 = value < 0 ? UINT16_MAX : (uint16_t)value;
}

/* A byte or two of a word that begins that many bits above its end. */
static void set_in_word(struct rte_acl_field *f, uint32_t value, uint32_t mask, unsigned shift)
{
	f->value.u32 = (value & mask) << shift;
	f->mask_range.u32 = mask << shift;
}

/* Flags, DSCP and application: of IPv4 each is in a word of the headers, or behind them. */
static void set_behind(struct rte_acl_field *behind, uint8_t family, const struct weir_rule *r,
		       int app)
{
	if (family == 4) {
		set_in_word(&behind[AFTER_FLAGS], r->tcp_flags, r->tcp_mask, 16);
		set_in_word(&behind[AFTER_DSCP], (uint32_t)RTE_MAX(r->dscp, 0),
			    r->dscp < 0 ? 0 : DSCP_MASK, 16 + 2);
		set_in_word(&behind[AFTER_APP], (uint32_t)RTE_MAX(app, 0), app < 0 ? 0 : UINT16_MAX,
			    16);
		return;
	}
	behind[AFTER_FLAGS].value.u8 = r->tcp_flags;
	behind[AFTER_FLAGS].mask_range.u8 = r->tcp_mask;
	set_exact(&behind[AFTER_DSCP], r->dscp, UINT8_MAX);
	set_exact(&behind[AFTER_APP], app, UINT16_MAX);
}

/* The entry of one choice on each axis. */
static void fill(struct entry *e, const struct weir_rule *r, uint8_t family, bool src, bool dst,
		 const uint32_t at[AXES])
{
	struct rte_acl_field *f = e->field, *behind = e->field + after(family);
	uint8_t protos[3] = {0}, proto;

	key_protos(r, family, protos);
	proto = protos[at[AXIS_PROTO]];
	set_exact(&f[AT_PROTO], proto == 0 ? -1 : proto, UINT8_MAX);
	set_exact(&f[AT_VLAN], r->vlan == 0 ? -1 : r->vlan, UINT16_MAX);
	if (src)
		set_prefix(&f[AT_ADDRS], &r->src.prefixes[at[AXIS_SRC]], family);
	if (dst)
		set_prefix(&f[AT_ADDRS + words(family)], &r->dst.prefixes[at[AXIS_DST]], family);
	if (has_icmp(r)) {
		set_number(&behind[AFTER_FIRST], r->icmp_type);
		set_number(&behind[AFTER_SECOND], r->icmp_code);
	} else if (proto == RULES_HEADLESS) {
		set_number(&behind[AFTER_FIRST], r->proto);
		set_number(&behind[AFTER_SECOND], -1);
	} else {
		set_range(&behind[AFTER_FIRST], r->sports, r->n_sports, at[AXIS_FIRST]);
		set_range(&behind[AFTER_SECOND], r->dports, r->n_dports, at[AXIS_SECOND]);
	}
	/* The second choice of a rule that accepts an application: nothing is known yet. */
	set_behind(behind, family, r, r->app == 0 ? -1 : at[AXIS_APP] == 0 ? r->app : 0);
}

static int make_room(struct rules_entries *to)
{
	const uint32_t room = to->room == 0 ? 64 : 2 * to->room;
	uint8_t *bytes;

	if (to->n < to->room)
		return 0;
	bytes = realloc(to->bytes, room * rules_entry_bytes(to->family));
	if (bytes == NULL)
		return -ENOMEM;
	to->bytes = bytes;
	to->room = room;
	return 0;
}

static bool next(uint32_t at[AXES], const uint32_t n[AXES])
{
	for (unsigned i = 0; i < AXES; i++) {
		if (++at[i] < n[i])
			return true;
		at[i] = 0;
	}
	return false;
}

int rules_entry_add(struct rules_entries *to, const struct weir_rule *r, uint32_t number,
		    const struct rules_entry_how *how)
{
	const bool src = how->src, dst = how->dst;
	const size_t bytes = rules_entry_bytes(to->family);
	uint32_t n[AXES], at[AXES] = {0};

	if (rules_entry_count(r, to->family, src, dst) == 0)
		return 0;
	measure(r, to->family, src, dst, n);
	do {
		struct entry e = {.data = {.category_mask = UINT32_C(1) << how->category,
					   .priority = (int32_t)(WEIR_RULES_MAX + 1 - number),
					   .userdata = number + 1}};

		if ((src && r->src.prefixes[at[AXIS_SRC]].addr.family != to->family) ||
		    (dst && r->dst.prefixes[at[AXIS_DST]].addr.family != to->family))
			continue;
		if (make_room(to) < 0)
			return -ENOMEM;
		fill(&e, r, to->family, src, dst, at);
		e.field[AT_CLASS].value.u16 = how->class;
		memcpy(to->bytes + to->n++ * bytes, &e, bytes);
	} while (next(at, n));
	return 0;
}

unsigned rules_entry_range(uint8_t family, const void *entry, bool dst, uint64_t *lo, uint64_t *hi)
{
	const struct rte_acl_rule *e = entry;
	const struct rte_acl_field *f = &e->field[AT_ADDRS + (dst ? words(family) : 0)];
	const unsigned bits = family == 4 ? 32 : 64;
	uint64_t value = 0, host;
	unsigned length = 0, top;

	for (unsigned i = 0; i < words(family); i++)
		length += f[i].mask_range.u32;
	for (unsigned i = 0; i < bits / 32; i++)
		value = value << 32 | f[i].value.u32;
	top = length < bits ? length : bits;
	host = top == bits ? 0 : UINT64_MAX >> (64 - bits + top);
	*lo = value & ~host;
	*hi = value | host;
	return length;
}

bool rules_entry_beyond(uint8_t family, const void *entry)
{
	const struct rte_acl_field *f = ((const struct rte_acl_rule *)entry)->field;

	return f[AT_VLAN].mask_range.u16 != 0 || f[after(family) + AFTER_APP].mask_range.u32 != 0;
}

uint16_t rules_entry_class(const void *entry)
{
	return ((const struct rte_acl_rule *)entry)->field[AT_CLASS].value.u16;
}

void rules_entry_set_class(void *entry, uint16_t class, bool any)
{
	set_exact(&((struct rte_acl_rule *)entry)->field[AT_CLASS], any ? -1 : class, UINT16_MAX);
}
