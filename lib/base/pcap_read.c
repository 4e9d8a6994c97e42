/* SPDX-License-Identifier: BSD-3-Clause */
/* Capture files: a header of the file, then records (pcap) or blocks (pcapng), one at a time. */
#include <weir/pcap_read.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <weir/cursor.h>
#include <weir/pcapng.h>

#define MAGIC_MICRO   0xa1b2c3d4u
#define MAGIC_NANO    0xa1b23c4du
#define MAGIC_SECTION 0x0a0d0d0au /* the same in both byte orders */
#define MAGIC_ORDER   0x1a2b3c4du

#define BLOCK_INTERFACE 1u
#define BLOCK_OBSOLETE	2u
#define BLOCK_SIMPLE	3u
#define BLOCK_PACKET	6u

#define OPTION_END	  0
#define OPTION_NAME	  2 /* of an interface */
#define OPTION_FLAGS	  2 /* of a packet */
#define OPTION_RESOLUTION 9
#define OPTION_OFFSET	  14

#define NS_PER_S UINT64_C(1000000000)
/* The last second whose nanoseconds since 1970 fit 64 bits, less one for a fraction. */
#define SECONDS_MAX	(UINT64_MAX / NS_PER_S - 1)
#define FILE_BYTES	24	   /* of a pcap file's header, with the magic */
#define RECORD_BYTES	16	   /* of a pcap record's header */
#define BLOCK_BYTES	12	   /* of a block around its body */
#define BLOCK_BYTES_MAX (1u << 20) /* of those that are read */

struct interface {
	uint16_t link_type;
	uint32_t snap_bytes; /* 0: no limit */
	uint64_t per_s;	     /* units of time in a second */
	int64_t offset_s;
	char name[WEIR_PCAP_NAME_LEN];
};

struct weir_pcap {
	FILE *file;
	char *name;
	uint64_t at; /* bytes read so far */
	uint64_t block_at;
	bool swapped, blocks; /* the other byte order; pcapng */
	uint64_t last_ns;
	uint32_t n_interfaces;
	struct interface interface[WEIR_PCAP_INTERFACES_MAX];
	uint8_t buf[BLOCK_BYTES_MAX];
};

/* ---- reading ---- */

static int broken(const struct weir_pcap *p, struct weir_why *why, const char *what)
{
	return weir_why(why, -EPROTO, "%s: at byte %llu: %s", p->name,
			(unsigned long long)p->block_at, what);
}

/* 1, 0 if the file ends in front of it, or -errno. */
static int fetch(struct weir_pcap *p, void *to, size_t bytes, struct weir_why *why)
{
	const size_t got = fread(to, 1, bytes, p->file);

	p->at += got;
	if (got == bytes)
		return 1;
	if (ferror(p->file))
		return weir_why(why, -EIO, "%s: cannot be read beyond byte %llu", p->name,
				(unsigned long long)p->at);
	return got == 0 ? 0 : broken(p, why, "the file ends in the middle of this");
}

/* What must be there. */
static int fetch_all(struct weir_pcap *p, void *to, size_t bytes, struct weir_why *why)
{
	const int rc = bytes == 0 ? 1 : fetch(p, to, bytes, why);

	return rc == 0 ? broken(p, why, "the file ends in the middle of this") : rc;
}

/* Read on without keeping. */
static int skip(struct weir_pcap *p, uint32_t bytes, struct weir_why *why)
{
	while (bytes > 0) {
		const uint32_t n = bytes < sizeof(p->buf) ? bytes : (uint32_t)sizeof(p->buf);
		const int rc = fetch_all(p, p->buf, n, why);

		if (rc < 0)
			return rc;
		bytes -= n;
	}
	return 0;
}

static uint16_t take16(const struct weir_pcap *p, struct weir_cursor *c)
{
	const uint8_t *at = weir_take(c, sizeof(uint16_t));
	uint16_t v = 0;

	if (at != NULL)
		memcpy(&v, at, sizeof(v));
	return p->swapped ? __builtin_bswap16(v) : v;
}

static uint32_t take32(const struct weir_pcap *p, struct weir_cursor *c)
{
	const uint8_t *at = weir_take(c, sizeof(uint32_t));
	uint32_t v = 0;

	if (at != NULL)
		memcpy(&v, at, sizeof(v));
	return p->swapped ? __builtin_bswap32(v) : v;
}

static uint64_t take64(const struct weir_pcap *p, struct weir_cursor *c)
{
	const uint8_t *at = weir_take(c, sizeof(uint64_t));
	uint64_t v = 0;

	if (at != NULL)
		memcpy(&v, at, sizeof(v));
	return p->swapped ? __builtin_bswap64(v) : v;
}

/* The next option of a block; false: there is none. */
static bool take_option(const struct weir_pcap *p, struct weir_cursor *c, uint16_t *code,
			const uint8_t **value, uint16_t *bytes)
{
	if (weir_left(c) == 0)
		return false;
	*code = take16(p, c);
	*bytes = take16(p, c);
	*value = weir_take(c, *bytes);
	weir_take(c, -(uint32_t)*bytes & 3);
	return !c->bad && *code != OPTION_END;
}

/* ---- packets ---- */

/* Of units since 1970; false: the time is beyond what 64 bits of nanoseconds can say. */
static bool time_of(const struct interface *f, uint64_t units, uint64_t *time_ns)
{
	const uint64_t s = units / f->per_s, rest = units % f->per_s;
	const __int128 at = (__int128)s + f->offset_s;

	if (at < 0 || at > (__int128)SECONDS_MAX)
		return false;
	*time_ns =
		(uint64_t)at * NS_PER_S + (uint64_t)((unsigned __int128)rest * NS_PER_S / f->per_s);
	return true;
}

/* What all kinds of packets share; out->data, captured_bytes, wire_bytes and time_ns are set. */
static int give(struct weir_pcap *p, const struct interface *f, struct weir_pcap_packet *out,
		struct weir_why *why)
{
	if (f->link_type != WEIR_PCAPNG_ETHERNET)
		return weir_why(why, -EPROTO,
				"%s: at byte %llu: a packet of link type %u, must be 1 (Ethernet)",
				p->name, (unsigned long long)p->block_at, f->link_type);
	out->offset = p->block_at;
	out->interface = f->name;
	if (out->wire_bytes < out->captured_bytes)
		out->wire_bytes = out->captured_bytes;
	p->last_ns = out->time_ns;
	return 1;
}

/* The same with a time, in the units of its interface. */
static int give_at(struct weir_pcap *p, const struct interface *f, uint64_t units,
		   struct weir_pcap_packet *out, struct weir_why *why)
{
	if (!time_of(f, units, &out->time_ns))
		return broken(p, why, "a time that is impossible");
	return give(p, f, out, why);
}

static int next_record(struct weir_pcap *p, struct weir_pcap_packet *out, struct weir_why *why)
{
	const struct interface *f = &p->interface[0];
	uint8_t head[RECORD_BYTES];
	struct weir_cursor c = {.at = head, .end = head + sizeof(head)};
	uint64_t seconds, units;
	int rc;

	p->block_at = p->at;
	rc = fetch(p, head, sizeof(head), why);
	if (rc <= 0)
		return rc;
	seconds = take32(p, &c);
	units = take32(p, &c);
	*out = (struct weir_pcap_packet){.data = p->buf, .captured_bytes = take32(p, &c)};
	out->wire_bytes = take32(p, &c);
	if (units >= f->per_s)
		return broken(p, why, "a time whose fraction is more than a second");
	if (out->captured_bytes > WEIR_PCAP_BYTES_MAX)
		return broken(p, why, "a packet that is longer than one can be");
	rc = fetch_all(p, p->buf, out->captured_bytes, why);
	return rc < 0 ? rc : give_at(p, f, seconds * f->per_s + units, out, why);
}

static int read_packet(struct weir_pcap *p, struct weir_cursor *c, bool obsolete,
		       struct weir_pcap_packet *out, struct weir_why *why)
{
	const uint32_t number = obsolete ? take16(p, c) : take32(p, c);
	const uint8_t *value;
	uint16_t code, bytes;
	uint64_t units;

	if (obsolete)
		take16(p, c); /* packets that were lost in front of it */
	units = (uint64_t)take32(p, c) << 32;
	units |= take32(p, c);
	*out = (struct weir_pcap_packet){.captured_bytes = take32(p, c)};
	out->wire_bytes = take32(p, c);
	if (out->captured_bytes > WEIR_PCAP_BYTES_MAX)
		return broken(p, why, "a packet that is longer than one can be");
	out->data = weir_take(c, out->captured_bytes);
	weir_take(c, -out->captured_bytes & 3);
	if (c->bad)
		return broken(p, why, "a packet that is longer than its block");
	if (number >= p->n_interfaces)
		return broken(p, why, "a packet of an interface that was not described");
	while (take_option(p, c, &code, &value, &bytes)) {
		struct weir_cursor v = {.at = value, .end = value + bytes};

		if (code == OPTION_FLAGS)
			out->flags = take32(p, &v) & 3;
		if (v.bad)
			return broken(p, why, "an option that is too short");
	}
	if (c->bad)
		return broken(p, why, "an option that is longer than its block");
	return give_at(p, &p->interface[number], units, out, why);
}

/* It has no time: that of the packet before. It is cut to the first interface's snaplen. */
static int read_simple(struct weir_pcap *p, struct weir_cursor *c, struct weir_pcap_packet *out,
		       struct weir_why *why)
{
	const struct interface *f = &p->interface[0];

	*out = (struct weir_pcap_packet){.wire_bytes = take32(p, c), .time_ns = p->last_ns};
	if (p->n_interfaces == 0)
		return broken(p, why, "a packet of an interface that was not described");
	out->captured_bytes = out->wire_bytes;
	if (f->snap_bytes != 0 && f->snap_bytes < out->captured_bytes)
		out->captured_bytes = f->snap_bytes;
	if (out->captured_bytes > WEIR_PCAP_BYTES_MAX)
		return broken(p, why, "a packet that is longer than one can be");
	out->data = weir_take(c, out->captured_bytes);
	if (c->bad)
		return broken(p, why, "a packet that is longer than its block");
	return give(p, f, out, why);
}

/* ---- blocks ---- */

/* Units of time in a second: ten or two to a power; 0: it is out of range. */
static uint64_t resolution(uint8_t code)
{
	uint64_t per_s = 1;

	if (code & 0x80)
		return (code & 0x7f) > 62 ? 0 : UINT64_C(1) << (code & 0x7f);
	if (code > 18)
		return 0;
	while (code-- > 0)
		per_s *= 10;
	return per_s;
}

/* It goes into sentences and onto terminals. */
static void copy_name(char name[WEIR_PCAP_NAME_LEN], const uint8_t *from, uint16_t bytes)
{
	uint16_t n = 0;

	for (; n < bytes && n < WEIR_PCAP_NAME_LEN - 1 && from[n] != '\0'; n++)
		name[n] = from[n] > 0x20 && from[n] < 0x7f ? (char)from[n] : '?';
	name[n] = '\0';
}

static int read_interface(struct weir_pcap *p, struct weir_cursor *c, struct weir_why *why)
{
	struct interface *f = &p->interface[p->n_interfaces];
	const uint8_t *value;
	uint16_t code, bytes;

	if (p->n_interfaces == WEIR_PCAP_INTERFACES_MAX)
		return broken(p, why, "more interfaces than 256");
	*f = (struct interface){.link_type = take16(p, c), .per_s = 1000000};
	take16(p, c);
	f->snap_bytes = take32(p, c);
	if (c->bad)
		return broken(p, why, "an interface that is longer than its block");
	while (take_option(p, c, &code, &value, &bytes)) {
		struct weir_cursor v = {.at = value, .end = value + bytes};

		if (code == OPTION_NAME)
			copy_name(f->name, value, bytes);
		else if (code == OPTION_RESOLUTION)
			f->per_s = resolution(weir_take_u8(&v));
		else if (code == OPTION_OFFSET)
			f->offset_s = (int64_t)take64(p, &v);
		if (v.bad)
			return broken(p, why, "an option that is too short");
	}
	if (c->bad)
		return broken(p, why, "an option that is longer than its block");
	if (f->per_s == 0)
		return broken(p, why, "an interface with an impossible resolution of time");
	p->n_interfaces++;
	return 0;
}

/* Its byte order is that of all that follows; the interfaces before it are forgotten. */
static int read_section(struct weir_pcap *p, const uint8_t length[4], struct weir_why *why)
{
	const uint32_t order = MAGIC_ORDER;
	struct weir_cursor c;
	uint32_t bytes, found;
	int rc = fetch_all(p, p->buf, sizeof(found), why);

	if (rc < 0)
		return rc;
	memcpy(&found, p->buf, sizeof(found));
	if (found != order && found != __builtin_bswap32(order))
		return broken(p, why, "a section of no known byte order");
	p->swapped = found != order;
	c = (struct weir_cursor){.at = length, .end = length + 4};
	bytes = take32(p, &c);
	if (bytes < BLOCK_BYTES + 16 || bytes % 4 != 0)
		return broken(p, why, "a block of an impossible length");
	p->n_interfaces = 0;
	rc = fetch_all(p, p->buf, 4, why);
	c = (struct weir_cursor){.at = p->buf, .end = p->buf + 4};
	if (rc == 1 && take16(p, &c) != 1)
		return broken(p, why, "a version of pcapng that is not 1");
	return rc < 0 ? rc : skip(p, bytes - 16, why);
}

static int read_body(struct weir_pcap *p, uint32_t type, uint32_t bytes,
		     struct weir_pcap_packet *out, struct weir_why *why)
{
	struct weir_cursor c = {.at = p->buf, .end = p->buf + bytes};
	int rc = fetch_all(p, p->buf, bytes, why);
	uint8_t again[4];

	if (rc == 1)
		rc = fetch_all(p, again, sizeof(again), why);
	if (rc < 0)
		return rc;
	switch (type) {
	case BLOCK_INTERFACE:
		return read_interface(p, &c, why);
	case BLOCK_SIMPLE:
		return read_simple(p, &c, out, why);
	default:
		return read_packet(p, &c, type == BLOCK_OBSOLETE, out, why);
	}
}

/* 1: it was a packet; 0: another one; -errno. */
static int next_block(struct weir_pcap *p, const uint8_t head[8], struct weir_pcap_packet *out,
		      struct weir_why *why)
{
	struct weir_cursor c = {.at = head, .end = head + 8};
	const uint32_t type = take32(p, &c), bytes = take32(p, &c);
	const bool ours = type == BLOCK_INTERFACE || type == BLOCK_OBSOLETE ||
			  type == BLOCK_SIMPLE || type == BLOCK_PACKET;

	if (type == MAGIC_SECTION)
		return read_section(p, head + 4, why);
	if (bytes < BLOCK_BYTES || bytes % 4 != 0 || (ours && bytes > BLOCK_BYTES_MAX))
		return broken(p, why, "a block of an impossible length");
	if (!ours)
		return skip(p, bytes - 8, why);
	return read_body(p, type, bytes - BLOCK_BYTES, out, why);
}

int weir_pcap_next(struct weir_pcap *p, struct weir_pcap_packet *out, struct weir_why *why)
{
	uint8_t head[8];
	int rc = 0;

	if (!p->blocks)
		return next_record(p, out, why);
	while (rc == 0) {
		p->block_at = p->at;
		rc = fetch(p, head, sizeof(head), why);
		if (rc <= 0)
			return rc;
		rc = next_block(p, head, out, why);
	}
	return rc;
}

/* ---- life ---- */

/* The rest of a pcap file's header, behind its magic. */
static int read_file_header(struct weir_pcap *p, bool nano, struct weir_why *why)
{
	struct weir_cursor c = {.at = p->buf, .end = p->buf + FILE_BYTES - 4};
	int rc = fetch_all(p, p->buf, FILE_BYTES - 4, why);

	if (rc < 0)
		return rc;
	if (take16(p, &c) != 2)
		return broken(p, why, "a version of pcap that is not 2");
	weir_take(&c, 14); /* minor version, time zone, accuracy, snaplen */
	p->n_interfaces = 1;
	p->interface[0] = (struct interface){.per_s = nano ? NS_PER_S : 1000000,
					     .link_type = (uint16_t)take32(p, &c)};
	return 0;
}

static int read_header(struct weir_pcap *p, struct weir_why *why)
{
	uint8_t head[8];
	uint32_t magic, turned;
	int rc = fetch(p, head, sizeof(magic), why);

	if (rc == 0)
		return weir_why(why, -EPROTO, "%s: the file is empty", p->name);
	if (rc < 0)
		return rc;
	memcpy(&magic, head, sizeof(magic));
	turned = __builtin_bswap32(magic);
	p->swapped = turned == MAGIC_MICRO || turned == MAGIC_NANO;
	if (p->swapped)
		magic = turned;
	if (magic == MAGIC_MICRO || magic == MAGIC_NANO)
		return read_file_header(p, magic == MAGIC_NANO, why);
	if (magic != MAGIC_SECTION)
		return broken(p, why, "this is no capture file of pcap or pcapng");
	p->blocks = true;
	rc = fetch_all(p, head + 4, 4, why);
	return rc < 0 ? rc : read_section(p, head + 4, why);
}

int weir_pcap_take(FILE *from, const char *name, struct weir_pcap **out, struct weir_why *why)
{
	struct weir_pcap *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL) {
		fclose(from);
		return weir_why(why, -ENOMEM, "%s: out of memory", name);
	}
	p->file = from;
	p->name = strdup(name);
	rc = p->name == NULL ? weir_why(why, -ENOMEM, "%s: out of memory", name)
			     : read_header(p, why);
	if (rc < 0) {
		weir_pcap_close(p);
		return rc;
	}
	*out = p;
	return 0;
}

int weir_pcap_open(const char *path, struct weir_pcap **out, struct weir_why *why)
{
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return weir_why(why, -errno, "%s: %s", path, strerror(errno));
	return weir_pcap_take(f, path, out, why);
}

void weir_pcap_close(struct weir_pcap *p)
{
	if (p == NULL)
		return;
	fclose(p->file);
	free(p->name);
	free(p);
}
