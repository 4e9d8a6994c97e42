/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* weir-httpd: its configuration, what it answers with, and a worker's part of it. */

#include <weir/http1.h>

#include "stack_app_priv.h"

struct httpd_section {
	struct weir_conf_at at;
	uint64_t port;
	char *root;			 /* NULL: no files */
	uint64_t files;			 /* bytes of all of them at most */
	uint64_t bytes;			 /* of /bytes/N at most */
	uint64_t line, head, fields;	 /* of a request at most */
	uint64_t partial;		 /* requests that come in pieces, of a worker */
	uint64_t request, idle, unacked; /* ns that a peer may take */
};

struct httpd_conf {
	struct weir_app_conf app;
	struct weir_l3_conf l3;
	struct stack_section stack;
	struct httpd_section httpd;
};

/* ---- answer.c: what is answered, made before anybody asks ---- */

/* Bytes of a head from "HTTP/1.1" to "Date: " at most. */
#define HEAD_BYTES 232

struct answer {
	uint16_t status;
	uint16_t slot; /* of the status in counters */
	uint16_t head_bytes;
	bool is_pattern; /* of /bytes/N: the head is made when it is asked for */
	char head[HEAD_BYTES];
	const uint8_t *body;
	uint64_t body_bytes;
};

/* All that is ever answered. */
#define STATUSES                                       \
	STATUS(200, "OK")                              \
	STATUS(400, "Bad Request")                     \
	STATUS(404, "Not Found")                       \
	STATUS(405, "Method Not Allowed")              \
	STATUS(408, "Request Timeout")                 \
	STATUS(413, "Content Too Large")               \
	STATUS(414, "URI Too Long")                    \
	STATUS(417, "Expectation Failed")              \
	STATUS(431, "Request Header Fields Too Large") \
	STATUS(501, "Not Implemented")                 \
	STATUS(503, "Service Unavailable")             \
	STATUS(505, "HTTP Version Not Supported")

#define STATUS(code, text) +1
enum { N_STATUSES = 0 STATUSES };
#undef STATUS

/* The code of a counter's place. */
uint16_t status_of(unsigned slot);

/* The body of /bytes/N is this block again and again: lines of 64 bytes with their number. */
#define PATTERN_BYTES (64u << 10)
extern uint8_t httpd_pattern[PATTERN_BYTES];

/* Make those below. Control thread, before any worker runs. */
void answers_make(void);
/* The answer to what cannot be served; 400 if the status is none of ours. */
const struct answer *answer_refusing(uint16_t status);
extern struct answer answer_root, answer_health, answer_pattern;

/* An answer 200 with a body, which is borrowed. */
void answer_fill(struct answer *a, const char *type, const void *body, uint64_t body_bytes);
/* The head of an answer with so many bytes, to "Date: ". Returns its bytes. */
uint16_t head_write(char out[HEAD_BYTES], unsigned slot, const char *type, uint64_t body_bytes);
/* RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". */
#define DATE_BYTES 29
void http_date(uint32_t epoch_s, char out[DATE_BYTES]);

/* ---- files.c: what lies under httpd.root, in memory ---- */

struct files;

/* Load them. Returns 0 or -errno with a sentence. Control thread; EAL is up. */
int files_load(const struct httpd_section *conf, struct files **out, struct weir_why *why);
void files_free(struct files *f);
/* The file of a path as weir_http1_path() makes it; NULL: none. Data path. */
const struct answer *files_find(const struct files *f, const char *path, size_t bytes);

/* ---- a worker ---- */

/* A request's head that comes in pieces. */
struct partial {
	struct weir_http1 http;
	struct httpd_conn *conn; /* whose it is */
	uint64_t since_ns;	 /* when its first byte came */
	uint32_t bytes;
	uint32_t next, prev; /* by age; next of the free ones too */
};

struct httpd_worker {
	struct stack_worker stack; /* first */
	struct stack_user listener;
	const struct httpd_section *conf;
	const struct files *files;  /* NULL: none */
	const atomic_uint *epoch_s; /* the control thread writes */
	struct weir_http1_limits limits;
	struct partial *partials;
	char *pieces;	       /* conf->head bytes of each partial */
	uint32_t free_partial; /* places plus one; 0: none */
	uint32_t oldest, newest;
	uint64_t answered[N_STATUSES]; /* requests, by status */
};

/* What becomes of a connection after an answer. */
enum after { STAYS, STAYS_AND_SAYS_SO /* HTTP/1.0 */, CLOSES };

struct httpd_conn {
	struct stack_conn conn;	     /* first */
	struct rte_mbuf *in;	     /* received, not looked at yet */
	const struct answer *answer; /* under way; NULL: none */
	uint64_t full_bytes;	     /* of its body, as the head says */
	uint64_t body_bytes;	     /* that are sent: 0 for HEAD */
	uint64_t sent;		     /* of head and body */
	uint64_t skip;		     /* of the request's body, still to come */
	struct weir_http1_chunks chunks;
	uint32_t date_s;    /* of the answer */
	uint32_t passed_by; /* bytes of the request's body, or behind the last one */
	uint32_t partial;   /* its place plus one; 0: none */
	uint8_t after;	    /* enum after */
	bool chunked;	    /* the request's body is, and has not ended */
	bool closing;	    /* all is sent: what comes is thrown away until the peer ends */
};

struct httpd {
	struct stack_app app;	   /* first */
	struct httpd_section conf; /* as it was at the start; its texts may be gone */
	struct files *files;
	atomic_uint epoch_s; /* wall clock, for Date */
	struct httpd_worker worker[WEIR_WORKERS_MAX];
};

/* conn.c */
extern const struct stack_service httpd_service;

/* partial.c: heads that come in pieces, by age. */
int partials_create(struct httpd_worker *w);
void partials_free(struct httpd_worker *w);
/* A new one for a connection; NULL: all are taken. */
struct partial *partial_take(struct httpd_worker *w, struct httpd_conn *c, uint64_t now_ns);
void partial_put(struct httpd_worker *w, struct httpd_conn *c);
struct partial *partial_of(const struct httpd_worker *w, const struct httpd_conn *c);
char *partial_piece(const struct httpd_worker *w, const struct httpd_conn *c);

/* reply.c */
/* Begin with an answer; pattern_bytes are those of /bytes/N. */
void reply_begin(struct httpd_worker *w, struct httpd_conn *c, const struct answer *a,
		 uint64_t pattern_bytes, bool head_only, enum after after);
/* Send as far as it goes. Returns 0: all of it is sent; or -errno. */
int reply_go_on(struct httpd_worker *w, struct httpd_conn *c);

/* route.c: what a request is answered with; its head lies at @p. */
const struct answer *route(const struct httpd_worker *w, const struct weir_http1 *request,
			   const char *p, uint64_t *pattern_bytes);
