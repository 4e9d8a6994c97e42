/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Packets of a capture file: pcap (of micro- or nanoseconds) and pcapng
 * (draft-ietf-opsawg-pcapng), in either byte order, told apart by their first bytes.
 *
 * libpcap reads these too, but says neither by which interface of a pcapng file a packet came, nor
 * which way it went, nor where in the file something is broken. The file is hostile: a packet is at
 * most WEIR_PCAP_BYTES_MAX long, and everything has one sentence with the file's name and the byte
 * at which it went wrong. Memory is fixed. For the control thread; a reader belongs to one thread.
 */

#include <stdint.h>
#include <stdio.h>
#include <weir/must_check.h>
#include <weir/why.h>

/** Captured bytes of a packet at most, as in libpcap. */
#define WEIR_PCAP_BYTES_MAX (256 * 1024)
/** Interfaces of a section of a pcapng file at most. */
#define WEIR_PCAP_INTERFACES_MAX 256
/** Bytes of an interface's name with its NUL; a longer one is cut. */
#define WEIR_PCAP_NAME_LEN 64

/** One packet. What is pointed to is valid until the next call. */
struct weir_pcap_packet {
	uint64_t offset;	 /**< byte of the file at which its record or block begins */
	uint64_t time_ns;	 /**< since 1970 */
	const uint8_t *data;	 /**< its bytes: an Ethernet frame */
	uint32_t captured_bytes; /**< how many of them there are */
	uint32_t wire_bytes;	 /**< how long it was; more than captured_bytes: it was cut */
	uint32_t flags;		 /**< WEIR_PCAPNG_INBOUND, WEIR_PCAPNG_OUTBOUND, 0: unknown */
	const char *interface;	 /**< name of its interface, "" if it has none */
};

struct weir_pcap;

/** Open a file and read its header. @return 0 or -errno with a sentence. */
WEIR_MUST_CHECK int weir_pcap_open(const char *path, struct weir_pcap **out, struct weir_why *why);
/**
 * The same with a stream, which is the reader's then, also on an error.
 * @param name what sentences call it.
 */
WEIR_MUST_CHECK int weir_pcap_take(FILE *from, const char *name, struct weir_pcap **out,
				   struct weir_why *why);
/** Close it. NULL is allowed. */
void weir_pcap_close(struct weir_pcap *p);
/**
 * The next packet.
 * @return 1, 0 at the end of the file, or -EPROTO (it is broken) or another -errno with a sentence.
 */
WEIR_MUST_CHECK int weir_pcap_next(struct weir_pcap *p, struct weir_pcap_packet *out,
				   struct weir_why *why);
