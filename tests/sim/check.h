/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A bystander who holds both ends to their word: windows, acknowledgments, sequence numbers.
 */

#include "packet.h"

struct sim;

/* One end of a connection, as it is seen. */
struct seen {
	bool begun, has_scale, has_ack, was_heard, fin;
	uint8_t scale;
	uint32_t iss;
	uint32_t sent;	/* the highest sequence number that it has used */
	uint32_t ack;	/* the highest that it has acknowledged */
	uint32_t edge;	/* the highest that it has offered to take */
	uint32_t heard; /* the highest that its peer has heard it offer */
	uint32_t fin_seq;
};

struct watched {
	uint8_t host[2];
	uint16_t port[2];
	bool v6;
	bool is_doubtful; /* its SYN was answered by a cookie and without: nobody knows which counts
			   */
	struct seen end[2];
};

#define WATCHED_MOST 256

struct check {
	struct watched at[WATCHED_MOST];
	unsigned n;
};

/* A segment leaves a host. */
void check_sent(struct sim *s, const struct packet *p);
/* It reaches the other. */
void check_arrived(struct sim *s, const struct packet *p);
