/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the files of dpi share on the control path: rules as they were read, and what is made of
 * them. What a worker holds is in dpi_worker_priv.h. */

#include <hs.h>
#include <rte_branch_prediction.h>
#include <weir/dpi.h>

/* A file of patterns or domains is not longer. */
#define DPI_FILE_BYTES (64u << 20)
/* Ranges of ports in the header of one rule. */
#define DPI_PORT_RANGES 8
/* Contents and regular expressions of one rule. */
#define DPI_PARTS 32

enum dpi_mode { DPI_BLOCK, DPI_STREAM, DPI_MODES };

/* One regular expression. */
struct dpi_part {
	char *regex;
	uint32_t flags;	  /* HS_FLAG_ */
	uint64_t min_end; /* where a match may end; 0 and UINT64_MAX: anywhere */
	uint64_t max_end;
	bool literal; /* made of bytes, so that it cannot be wrong */
};

/* Ports of one side; none: any. */
struct dpi_ports {
	uint32_t n;
	struct {
		uint16_t lo, hi;
	} range[DPI_PORT_RANGES];
};

/* A pattern, or a rule of which all parts must be found. */
struct dpi_rule {
	uint32_t id;
	uint8_t action; /* enum weir_dpi_action */
	uint8_t app;
	uint8_t dirs;	 /* bits 1 << enum weir_dir */
	uint8_t modes;	 /* bits 1 << enum dpi_mode */
	bool either_way; /* the ports may be those of the other side */
	bool left_out;
	bool must;	 /* a part that cannot be compiled is an error, not a finding */
	uint8_t n_parts; /* to DPI_PARTS */
	struct dpi_ports sport, dport;
	struct dpi_part *part;
	char *message;
	const char *file; /* of dpi_rules.name */
	uint32_t line;
};

/* All that was read. */
struct dpi_rules {
	struct dpi_rule *rule; /* n of them, room for more */
	uint32_t n, room;
	uint32_t left_out; /* rules that never got here */
	char **name;	   /* of files, n_names */
	uint32_t n_names;
};

/* Where reading is: for sentences. */
struct dpi_reader {
	const struct weir_dpi_conf *conf;
	struct dpi_rules *rules;
	const struct weir_dpi_source *source;
	const char *file; /* its name, which stays */
	uint32_t line;	  /* from 1 */
	struct weir_why *why;
};

/* Text of a file, or its like. */
struct dpi_text {
	const char *at;
	size_t bytes;
};

/* A file of at most DPI_FILE_BYTES, with a NUL behind it that is not counted. */
int dpi_file_read(const char *path, char **text, size_t *bytes, struct weir_why *why);
/* The next line without its end; false: there is none. */
bool dpi_line(struct dpi_text *left, struct dpi_text *line);
/* Without blanks at both ends. */
struct dpi_text dpi_trim(struct dpi_text t);
/* A number in decimal digits and nothing else; false: it is none, or above max. */
bool dpi_number(struct dpi_text t, uint64_t max, uint64_t *out);
/* Tell whoever wants to know. */
void dpi_finding(const struct weir_dpi_conf *conf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Room for one more rule, zeroed; NULL: out of memory or too many, with a sentence. */
struct dpi_rule *dpi_rule_add(struct dpi_reader *r, int *rc);
/* One more part of a rule; the text is copied. 0, -ENOMEM or -E2BIG. */
int dpi_part_add(struct dpi_rule *rule, struct dpi_text regex, uint32_t flags);
/* Free what a rule points to. */
void dpi_rule_clear(struct dpi_rule *rule);
void dpi_rules_clear(struct dpi_rules *rules);

/* Read one source. 0 or -errno with a sentence. */
int dpi_patterns_read(struct dpi_reader *r, struct dpi_text text);
int dpi_snort_read(struct dpi_reader *r, struct dpi_text text);

/* The expressions of one mode, as hyperscan wants them. */
struct dpi_exprs {
	const char **regex;
	unsigned *flags, *ids, *rule; /* rule: the one that an expression is of */
	hs_expr_ext_t *ext;
	const hs_expr_ext_t **ext_at;
	char *combos; /* texts of combinations */
	unsigned n;
};

/* Take all rules of a mode that are not left out. 0 or -ENOMEM; dpi_exprs_clear() in any case. */
int dpi_exprs_make(struct dpi_exprs *e, const struct dpi_rules *rules, enum dpi_mode mode);
void dpi_exprs_clear(struct dpi_exprs *e);

/* Names and suffixes, hashed. */
struct dpi_domains {
	struct dpi_domain *slot; /* mask + 1 of them */
	uint32_t mask;
	uint32_t n;	     /* entries */
	uint32_t labels_max; /* of the entry with most labels */
	char *text;	     /* what the slots point into */
	size_t text_bytes, text_room;
	struct weir_siphash_key secret;
};

int dpi_domains_make(struct dpi_domains *ds, const struct weir_dpi_conf *conf,
		     struct weir_why *why);
void dpi_domains_clear(struct dpi_domains *ds);
int dpi_domains_find(const struct dpi_domains *ds, const char *name);

/* A domain set as it is kept. */
struct dpi_set {
	char *name;
	uint8_t action;
	uint8_t app;
};

struct weir_dpi {
	hs_database_t *db[DPI_MODES]; /* NULL: no pattern is of this mode */
	hs_scratch_t *scratch;	      /* for both, to be cloned for workers; NULL: no pattern */
	size_t scratch_bytes;
	bool at_end; /* a pattern may match where a stream ends */
	struct dpi_rules rules;
	uint32_t *by_id; /* rules in the order of their numbers */
	struct dpi_domains domains;
	struct dpi_set *set; /* n_sets */
	uint32_t n_sets;
	uint64_t budget_bytes;
	uint8_t unreadable; /* enum weir_dpi_action */
	struct weir_dpi_stats stats;
};

/* Databases of d's rules, and which of those were left out. 0 or -errno with a sentence. */
int dpi_databases_make(struct weir_dpi *d, const struct weir_dpi_conf *conf, struct weir_why *why);
void dpi_databases_free(struct weir_dpi *d);

/* Bytes that belong to the caller. */
struct dpi_bytes {
	char *at;
	size_t bytes;
};

/* What databases are made of with this hyperscan on this processor: equal keys, equal databases.
 * 0 or -ENOMEM. */
int dpi_key_make(struct dpi_bytes *key, const struct dpi_rules *rules,
		 const struct dpi_exprs exprs[DPI_MODES]);

/* What is kept under a key. */
struct dpi_cached {
	hs_database_t *db[DPI_MODES];
	struct dpi_bytes notes; /* of dpi_databases.c: which rules were refused */
};

/* Read it; false: there is none that is right, and `odd` says what is wrong, if anything. */
bool dpi_cache_read(const char *dir, const struct dpi_bytes *key, struct dpi_cached *c,
		    struct weir_why *odd);
/* Write it, and remove the oldest if there are many. 0 or -errno with a sentence. */
int dpi_cache_write(const char *dir, const struct dpi_bytes *key, const struct dpi_cached *c,
		    struct weir_why *why);
