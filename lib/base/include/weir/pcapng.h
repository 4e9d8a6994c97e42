/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Blocks of a pcapng file (draft-ietf-opsawg-pcapng), made in the caller's memory.
 *
 * A file is one section header, then an interface block for each interface, numbered from 0 in
 * that order, and packets. Numbers are in the byte order of this machine, which the section header
 * tells the reader. Times are nanoseconds since 1970.
 *
 * Each function writes one block and returns its length in bytes (a multiple of 4), or -ENOBUFS if
 * it does not fit, -EINVAL if a text or packet is longer than the format can say. All are pure; any
 * thread may call, but they are meant for the control thread: the text of a comment costs.
 */

#include <stddef.h>
#include <stdint.h>
#include <weir/must_check.h>

/** Link type of Ethernet frames. */
#define WEIR_PCAPNG_ETHERNET 1
/** Packet flags: which way it went. */
#define WEIR_PCAPNG_INBOUND 1u
/** The packet left by the interface. */
#define WEIR_PCAPNG_OUTBOUND 2u
/** The most that a packet's block has beyond its bytes and its comment. */
#define WEIR_PCAPNG_OVERHEAD_BYTES 64

/** One packet as it goes into a file. */
struct weir_pcapng_packet {
	uint32_t interface;	 /**< number of its interface block */
	uint64_t time_ns;	 /**< since 1970 */
	const void *data;	 /**< its bytes, contiguous */
	uint32_t captured_bytes; /**< how many of them there are */
	uint32_t wire_bytes;	 /**< how long the packet was */
	uint32_t flags;		 /**< WEIR_PCAPNG_INBOUND, WEIR_PCAPNG_OUTBOUND or 0 */
	const char *comment;	 /**< shown by Wireshark; NULL for none; at most 65535 bytes */
};

/**
 * The section header.
 * @param application  The program that writes it, such as "weir-router 1.0"; NULL for none.
 */
WEIR_MUST_CHECK int weir_pcapng_section(void *buf, size_t buf_bytes, const char *application);

/**
 * An interface of Ethernet frames.
 * @param name           Shown by Wireshark; NULL for none.
 * @param snaplen_bytes  Packets are cut to this many bytes; 0 if they are not.
 */
WEIR_MUST_CHECK int weir_pcapng_interface(void *buf, size_t buf_bytes, const char *name,
					  uint32_t snaplen_bytes);

/** A packet. */
WEIR_MUST_CHECK int weir_pcapng_packet(void *buf, size_t buf_bytes,
				       const struct weir_pcapng_packet *packet);
