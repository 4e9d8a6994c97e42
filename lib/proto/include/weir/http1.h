/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Heads of HTTP/1 requests (RFC 9112) and chunked bodies, strictly, in as many pieces as they come.
 *
 * What two readers could understand differently is refused, for that is how requests are smuggled:
 * a line that ends without CR, a folded field, a blank before a colon, two lengths. Nothing is
 * allocated or kept but what the structs hold; any thread may use structs of its own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/must_check.h>

/** Methods (RFC 9110 section 9, RFC 5789). */
enum weir_http1_method {
	WEIR_HTTP1_GET,	    /**< GET */
	WEIR_HTTP1_HEAD,    /**< HEAD */
	WEIR_HTTP1_POST,    /**< POST */
	WEIR_HTTP1_PUT,	    /**< PUT */
	WEIR_HTTP1_DELETE,  /**< DELETE */
	WEIR_HTTP1_CONNECT, /**< CONNECT */
	WEIR_HTTP1_OPTIONS, /**< OPTIONS */
	WEIR_HTTP1_TRACE,   /**< TRACE */
	WEIR_HTTP1_PATCH,   /**< PATCH */
	WEIR_HTTP1_OTHER,   /**< a token that is none of these */
};

/** Part of a head, by where it begins in it. */
struct weir_http1_part {
	uint32_t at;	/**< offset from the head's first byte */
	uint32_t bytes; /**< 0: empty, or not there */
};

/** What a head may have at most. */
struct weir_http1_limits {
	uint32_t line_bytes; /**< of the request line, with its end; more: 414 */
	uint32_t head_bytes; /**< in all; more: 431. At least line_bytes. */
	uint16_t fields;     /**< field lines; more: 431 */
};

/** What most servers take. */
#define WEIR_HTTP1_LIMITS \
	((struct weir_http1_limits){.line_bytes = 4096, .head_bytes = 8192, .fields = 100})

/** A request's head. Begin with zero; what it says is set when weir_http1_read() has all of it. */
struct weir_http1 {
	enum weir_http1_method method; /**< what is to be done */
	uint8_t minor;		       /**< of the version: 0, or 1 for all later ones */
	bool keep_alive;	       /**< the connection may be used again (RFC 9112, 9.3) */
	bool chunked;		       /**< the body is chunked: weir_http1_chunked() */
	bool expects_continue;	       /**< 100 is awaited (RFC 9110 section 10.1.1) */
	uint64_t body_bytes;	       /**< Content-Length; 0: none */
	struct weir_http1_part target; /**< as it stands in the request line */
	struct weir_http1_part path;   /**< from its '/', without the query; "*" of OPTIONS */
	struct weir_http1_part query;  /**< behind the '?' */
	struct weir_http1_part host;   /**< with its port: of the target, else the field */
	uint16_t status;	       /**< set with -EPROTO: what to answer */
	/* How far it has come: the parser's alone. */
	uint32_t line_at;      /**< where the first line begins that was not read */
	uint32_t seen;	       /**< bytes that have no end of a line behind line_at */
	uint16_t fields;       /**< lines read */
	bool has_request_line; /**< the request line was read */
	bool has_host;	       /**< a Host field was read */
	bool has_length;       /**< a Content-Length field was read */
	bool has_coding;       /**< a Transfer-Encoding field was read */
	bool wants_close;      /**< Connection: close */
	bool wants_keep_alive; /**< Connection: keep-alive */
};

/**
 * Read on. Each byte is looked at once (or twice, at the end of a piece).
 * @param p      All that has come of the head so far, and what may follow it.
 * @param bytes  How many; not fewer than last time.
 * @return bytes of the head, with the empty line behind it; -EAGAIN: more has to come; -EPROTO: it
 *         is none, or beyond a limit, and h->status says what to answer: 400, 414, 417, 431, 501 or
 *         505. The connection cannot be used any more then.
 */
WEIR_MUST_CHECK int64_t weir_http1_read(struct weir_http1 *h,
					const struct weir_http1_limits *limits, const void *p,
					size_t bytes);

/** A chunked body on its way (RFC 9112 section 7.1). Begin with zero. */
struct weir_http1_chunks {
	uint64_t left;	/**< bytes of data in the chunk that has begun */
	uint16_t line;	/**< bytes of the line that has begun: a chunk's, or of the trailer */
	uint8_t state;	/**< the parser's alone */
	uint8_t digits; /**< of a chunk's size */
};

/**
 * Read on in a chunked body.
 * @param data  Set to the first bytes of content in this piece; its bytes are 0 if there are none.
 * @param done  Set when the last chunk and its trailer were read.
 * @return bytes of @p p that were read, at least 1 unless @p bytes is 0: call again with the rest
 *         until it is empty or done. -EPROTO: it is not chunked, or a line is beyond 4096 bytes.
 */
WEIR_MUST_CHECK int64_t weir_http1_chunked(struct weir_http1_chunks *c, const void *p, size_t bytes,
					   struct weir_http1_part *data, bool *done);

/**
 * Undo percent-encoding (RFC 3986 section 2.1) and remove dot segments (section 5.2.4), so that
 * one resource has one name.
 * @param out  Room for @p bytes and a NUL.
 * @return bytes written, without the NUL; -EPROTO: no path, a '%' without two digits, or a NUL.
 */
WEIR_MUST_CHECK int64_t weir_http1_path(const char *path, size_t bytes, char *out);

/** A method's name; "other" of WEIR_HTTP1_OTHER. */
const char *weir_http1_method_name(enum weir_http1_method method);
