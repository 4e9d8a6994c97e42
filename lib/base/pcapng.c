/* SPDX-License-Identifier: BSD-3-Clause */
/* pcapng: blocks of a capture file, each written once from its type to its length. */
#include <weir/pcapng.h>

#include <errno.h>
#include <string.h>
#include <weir/cursor.h>

#define BLOCK_SECTION	0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET	6u

#define OPTION_END	   0
#define OPTION_COMMENT	   1
#define OPTION_APPLICATION 4 /* of a section */
#define OPTION_NAME	   2 /* of an interface */
#define OPTION_RESOLUTION  9 /* of an interface */
#define OPTION_FLAGS	   2 /* of a packet */

#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define LENGTH_UNKNOWN	 UINT64_MAX
#define NANOSECONDS	 9 /* ten to the minus this */
#define TEXT_BYTES_MAX	 UINT16_MAX
#define PACKET_BYTES_MAX (1u << 30) /* so that a block's length is an int */
#define BLOCK_LENGTH_AT	 4

/* Numbers in this machine's order, as the section header's magic tells the reader. */
static void put_u16(struct weir_writer *w, uint16_t v)
{
	weir_put(w, &v, sizeof(v));
}

static void put_u32(struct weir_writer *w, uint32_t v)
{
	weir_put(w, &v, sizeof(v));
}

static void put_padded(struct weir_writer *w, const void *data, uint32_t bytes)
{
	static const uint8_t zeros[3];

	weir_put(w, data, bytes);
	weir_put(w, zeros, -bytes & 3);
}

static void put_option(struct weir_writer *w, uint16_t code, const void *value, size_t bytes)
{
	put_u16(w, code);
	put_u16(w, (uint16_t)bytes);
	put_padded(w, value, (uint32_t)bytes);
}

static void put_text(struct weir_writer *w, uint16_t code, const char *text)
{
	if (text != NULL)
		put_option(w, code, text, strlen(text));
}

static int too_long(const char *text)
{
	return text != NULL && strlen(text) > TEXT_BYTES_MAX;
}

static struct weir_writer begin(void *buf, size_t buf_bytes, uint32_t type)
{
	struct weir_writer w = {.at = buf, .end = (uint8_t *)buf + buf_bytes};

	put_u32(&w, type);
	put_u32(&w, 0); /* the length, when it is known */
	return w;
}

static int end(struct weir_writer *w, void *buf)
{
	uint32_t bytes;

	put_option(w, OPTION_END, NULL, 0);
	bytes = (uint32_t)(w->at - (uint8_t *)buf + sizeof(bytes));
	put_u32(w, bytes);
	if (w->bad)
		return -ENOBUFS;
	memcpy((uint8_t *)buf + BLOCK_LENGTH_AT, &bytes, sizeof(bytes));
	return (int)bytes;
}

int weir_pcapng_section(void *buf, size_t buf_bytes, const char *application)
{
	struct weir_writer w = begin(buf, buf_bytes, BLOCK_SECTION);
	const uint64_t length = LENGTH_UNKNOWN;

	if (too_long(application))
		return -EINVAL;
	put_u32(&w, BYTE_ORDER_MAGIC);
	put_u16(&w, 1); /* version 1.0 */
	put_u16(&w, 0);
	weir_put(&w, &length, sizeof(length));
	put_text(&w, OPTION_APPLICATION, application);
	return end(&w, buf);
}

int weir_pcapng_interface(void *buf, size_t buf_bytes, const char *name, uint32_t snaplen_bytes)
{
	struct weir_writer w = begin(buf, buf_bytes, BLOCK_INTERFACE);
	const uint8_t resolution = NANOSECONDS;

	if (too_long(name))
		return -EINVAL;
	put_u16(&w, WEIR_PCAPNG_ETHERNET);
	put_u16(&w, 0);
	put_u32(&w, snaplen_bytes);
	put_text(&w, OPTION_NAME, name);
	put_option(&w, OPTION_RESOLUTION, &resolution, sizeof(resolution));
	return end(&w, buf);
}

int weir_pcapng_packet(void *buf, size_t buf_bytes, const struct weir_pcapng_packet *packet)
{
	struct weir_writer w = begin(buf, buf_bytes, BLOCK_PACKET);

	if (too_long(packet->comment) || packet->captured_bytes > PACKET_BYTES_MAX)
		return -EINVAL;
	put_u32(&w, packet->interface);
	put_u32(&w, (uint32_t)(packet->time_ns >> 32));
	put_u32(&w, (uint32_t)packet->time_ns);
	put_u32(&w, packet->captured_bytes);
	put_u32(&w, packet->wire_bytes);
	put_padded(&w, packet->data, packet->captured_bytes);
	put_text(&w, OPTION_COMMENT, packet->comment);
	if (packet->flags != 0)
		put_option(&w, OPTION_FLAGS, &packet->flags, sizeof(packet->flags));
	return end(&w, buf);
}
