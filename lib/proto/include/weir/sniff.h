/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The name in the first bytes of a connection: whom does the client want to talk to?
 *
 * TLS ClientHello (RFC 8446, server_name of RFC 6066), HTTP/1.x requests (RFC 9112), DNS questions
 * (RFC 1035). Each function is given what the client has sent so far, from its first byte on and in
 * one piece, and says whether that is a message of its protocol. Nothing is allocated or kept but
 * in struct weir_sniff, and no byte is believed: any thread may call.
 *
 * Names come out in lower case, without the dot at the end, and only if they are names of hosts:
 * labels of 1 to 63 letters, digits, '-' and '_', 253 characters in all.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/must_check.h>

/** Room for a name with its NUL. */
#define WEIR_SNIFF_NAME 256
/** Room for the protocols that a ClientHello offers, with the NUL. */
#define WEIR_SNIFF_ALPN 64

/** What the bytes are. */
enum weir_sniff_result {
	WEIR_SNIFF_NOT_IT,    /**< not this protocol, whatever may follow */
	WEIR_SNIFF_NEED_MORE, /**< so far it is: ask again with need_bytes */
	WEIR_SNIFF_FOUND,     /**< it is; the name is empty if the message has none */
};

/** A protocol that can be told by its first bytes. */
enum weir_sniff_proto {
	WEIR_SNIFF_NONE,  /**< none of them */
	WEIR_SNIFF_TLS,	  /**< a TLS handshake, of whichever protocol is inside */
	WEIR_SNIFF_HTTP,  /**< HTTP/1.x */
	WEIR_SNIFF_SSH,	  /**< SSH's banner (RFC 4253 section 4.2) */
	WEIR_SNIFF_DNS,	  /**< a DNS query */
	WEIR_SNIFF_QUIC,  /**< a QUIC long header (RFC 9000 section 17.2) */
	WEIR_SNIFF_PROTOS /**< how many there are */
};

/** What was found. Zero it before the first call, and keep it as it is between calls. */
struct weir_sniff {
	enum weir_sniff_proto proto; /**< with NEED_MORE: what it is likely to be */
	uint32_t need_bytes;	     /**< with NEED_MORE: bytes there must be to ask again */
	uint32_t seen_bytes;	     /**< of HTTP: bytes that are not looked at again */
	uint16_t tls_version;	     /**< of TLS: the highest that is offered: 0x0304 is TLS 1.3 */
	uint16_t dns_type;	     /**< of DNS: the type asked for: 1 is A, 28 is AAAA */
	bool bad_name;		     /**< a name is there, but it is no host's; name is empty */
	/** Not all of it can be read, or readers may take it for different names. With NOT_IT too:
	 * it began like the protocol. */
	bool unreadable;
	char name[WEIR_SNIFF_NAME]; /**< the name, or empty; with NEED_MORE: if already seen */
	char alpn[WEIR_SNIFF_ALPN]; /**< of TLS: "h2,http/1.1", what fits; odd bytes are '.' */
};

/**
 * Read a name of a host as a client may write it: what comes out is as the names found are.
 * @param out  the name in lower case; empty if it is none.
 * @return 0 or -EINVAL.
 */
WEIR_MUST_CHECK int weir_sniff_host(const void *name, size_t bytes, char out[WEIR_SNIFF_NAME]);

/**
 * The name of a protocol in lower case: "tls"; "none" for WEIR_SNIFF_NONE and what is out of range.
 */
const char *weir_sniff_proto_name(enum weir_sniff_proto proto);

/**
 * TLS: the server's name, application protocols and version of a ClientHello, which may lie in any
 * number of records. FOUND only when all of it is there; a name is given as soon as it was seen.
 */
WEIR_MUST_CHECK enum weir_sniff_result weir_sniff_tls(const uint8_t *p, size_t bytes,
						      struct weir_sniff *s);

/**
 * HTTP: the host of a request, from its target (absolute or CONNECT) or else from the Host
 * field, without the port. FOUND as soon as the host was seen, or the fields end.
 */
WEIR_MUST_CHECK enum weir_sniff_result weir_sniff_http(const uint8_t *p, size_t bytes,
						       struct weir_sniff *s);

/**
 * DNS: name and type of the first question of a message that is no response, whatever its operation
 * and other counts, of all of a datagram's payload. Never NEED_MORE. Unreadable with more questions
 * than one (RFC 9619), or a compression pointer, for which there is nothing to point to.
 */
WEIR_MUST_CHECK enum weir_sniff_result weir_sniff_dns(const uint8_t *p, size_t bytes,
						      struct weir_sniff *s);

/** The same of a stream, in which two bytes of length come first (RFC 7766 section 8). */
WEIR_MUST_CHECK enum weir_sniff_result weir_sniff_dns_stream(const uint8_t *p, size_t bytes,
							     struct weir_sniff *s);

/** Whichever of TLS, HTTP, SSH and DNS it is, told by the first bytes of a stream. */
WEIR_MUST_CHECK enum weir_sniff_result weir_sniff_stream(const uint8_t *p, size_t bytes,
							 struct weir_sniff *s);

/** A message of which the name is known, on the way to its end. Zero at its first byte. */
struct weir_sniff_rest {
	uint64_t body_bytes; /**< of the body or chunk, to be passed over */
	bool over;	     /**< the message has ended: what follows is the next one */
	bool lost;	     /**< nobody can say where it ends, or there is no next one */
	bool tunnel;	     /**< of HTTP: what follows may be another protocol */
	bool connect;	     /**< of HTTP: the request has no body */
	bool chunked;	     /**< the body comes in chunks */
	bool has_length;     /**< Content-Length was there */
	bool begun;	     /**< there are bytes of this line, beside its end */
	bool value;	     /**< this line is behind its colon */
	bool cr;	     /**< the last byte was CR */
	bool blank;	     /**< the last byte was a blank */
	bool cut;	     /**< text has not all of it */
	uint8_t phase;	     /**< where in the message this is */
	uint8_t field;	     /**< whose value comes */
	uint8_t hosts;	     /**< Host fields so far: 2 are many */
	uint8_t text_bytes;  /**< of text */
	uint16_t host_bytes; /**< of Host that are those of the name */
	char text[20];	     /**< the first bytes of the line, its name or its value */
};

/**
 * Pass over a message that weir_sniff_stream() has found, HTTP or DNS, from its first byte on, in
 * pieces of any size; others are lost at once. Sets unreadable where RFC 9112 says that readers
 * differ: a second Host, one that is not the target's, blanks before a colon, folded lines, a CR
 * alone, lengths that disagree.
 * @return bytes of this piece that are the message's.
 */
WEIR_MUST_CHECK size_t weir_sniff_rest(const uint8_t *p, size_t bytes, struct weir_sniff *s,
				       struct weir_sniff_rest *rest);

/**
 * The message behind one that has ended, of the same protocol; behind a tunnel's head, any.
 * @param s  as weir_sniff_next_begin() has left it, or the call before.
 */
WEIR_MUST_CHECK enum weir_sniff_result weir_sniff_next(const uint8_t *p, size_t bytes,
						       struct weir_sniff *s);

/** Forget the message before, but for its protocol; of a tunnel, that too. */
void weir_sniff_next_begin(struct weir_sniff *s, const struct weir_sniff_rest *rest);

/** Whether a version of QUIC is in use: 1, 2 (RFC 9369), the drafts, 0 for negotiation, and those
 * that mean nothing. */
WEIR_MUST_CHECK static inline bool weir_sniff_is_quic(uint32_t version)
{
	return version <= 1 || version == 0x6b3343cf || version >> 8 == 0xff0000 ||
	       (version & 0x0f0f0f0f) == 0x0a0a0a0a;
}

/**
 * Whether the first bytes of a datagram let it be anything that weir_sniff_datagram() knows: a few
 * comparisons, which tell nearly all others apart.
 */
WEIR_MUST_CHECK static inline bool weir_sniff_may_be(const uint8_t *p, size_t bytes)
{
	if (bytes < 7)
		return false;
	/* What nearly no other payload has comes first: a branch on one bit would be guessed. */
	if (weir_sniff_is_quic((uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 |
			       p[4]) &&
	    (p[0] & 0x80) != 0)
		return true;
	/* RFC 1035 section 4.1.1: no response, and there are questions. */
	return p[4] == 0 && p[5] != 0 && (p[2] & 0x80) == 0;
}

/**
 * Whichever of DNS and QUIC it is, told by the payload of a datagram. Never NEED_MORE. @p s may be
 * that of the flow's last one: NOT_IT leaves all of it but proto.
 */
WEIR_MUST_CHECK enum weir_sniff_result weir_sniff_datagram(const uint8_t *p, size_t bytes,
							   struct weir_sniff *s);
