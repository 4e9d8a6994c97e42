/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * YAML configuration, bound to C structs through a schema.
 *
 * A schema lists the keys of one struct: the type of each, its default, what is allowed and what
 * it means. From it come the loader, the reference manual and the print of what is in force.
 * Loading is whole or nothing, and what is wrong is said once, in a sentence of struct weir_why
 *that names file, line, key, what was found and what is allowed:
 *
 *	weir.yaml:12: runtime.burst is 0, must be 1 to 512
 *
 *	struct runtime_conf {
 *		struct weir_conf_at at;
 *		struct weir_conf_list workers; // of uint64_t
 *		uint64_t burst;
 *	};
 *	static const struct weir_conf_key runtime_keys[] = {
 *		{WEIR_CONF_KEY(struct runtime_conf, workers), .type = WEIR_CONF_UINT,
 *		 .many = WEIR_CONF_LIST, .one_ok = true, .max = 1023, .max_items = 64, .def = "[1]",
 *		 .doc = "The cores to run on, one worker on each."},
 *		{WEIR_CONF_KEY(struct runtime_conf, burst), .type = WEIR_CONF_UINT, .min = 1,
 *		 .max = 512, .def = "64", .doc = "The packets taken from a queue at once."},
 *	};
 *	static const struct weir_conf_schema runtime_schema = {
 *		.name = "runtime", .doc = "How packets are polled.",
 *		WEIR_CONF_STRUCT(struct runtime_conf, runtime_keys),
 *		WEIR_CONF_HAS_AT(struct runtime_conf),
 *	};
 *
 * A schema is constant and shared; loading, freeing and printing may be done by any thread, each
 * on its own struct. Never called by a worker: everything here allocates.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/must_check.h>
#include <weir/why.h>

/** What a key holds, and the C type that its struct member must have. */
enum weir_conf_type {
	WEIR_CONF_BOOL,	    /**< bool: true or false */
	WEIR_CONF_UINT,	    /**< uint64_t: 64, 0x40 */
	WEIR_CONF_SIZE,	    /**< uint64_t bytes: 64KiB, 2MiB, 512 */
	WEIR_CONF_DURATION, /**< uint64_t nanoseconds: 10s, 5ms */
	WEIR_CONF_RATE,	    /**< uint64_t packets or events a second: 100kpps, 5/s, 5 */
	WEIR_CONF_DOUBLE,   /**< double: 0.25 */
	WEIR_CONF_STRING,   /**< char *, UTF-8 without NUL inside */
	WEIR_CONF_ENUM,	    /**< int: the index of the text in names */
	WEIR_CONF_MAC,	    /**< struct weir_mac: 02:00:00:00:00:01 */
	WEIR_CONF_ADDR,	    /**< struct weir_addr: 192.0.2.1, 2001:db8::1 */
	WEIR_CONF_PREFIX,   /**< struct weir_prefix: 192.0.2.1/24, host bits kept */
	WEIR_CONF_RECORD,   /**< the struct of sub */
};

/** How many of it a key holds. */
enum weir_conf_many {
	WEIR_CONF_ONE,	/**< the member is the value itself */
	WEIR_CONF_LIST, /**< the member is a struct weir_conf_list of the type */
	WEIR_CONF_MAP,	/**< as a list, of records that begin with `char *name`: their key in the
			     file, not one of the keys of sub */
};

/** Values of a list or a map, in the file's order. Empty: items is NULL. */
struct weir_conf_list {
	void *items; /**< an array of the type's C type */
	size_t n;    /**< how many items there are */
};

/**
 * Visit the items of a list: `const struct route_conf *r; weir_conf_each(r, &conf->routes) {...}`.
 */
#define weir_conf_each(item, list)   \
	for ((item) = (list)->items; \
	     (size_t)((item) - (__typeof__(item))(list)->items) < (list)->n; (item)++)

/** Where a record stands, for checks that are made after loading. */
struct weir_conf_at {
	uint32_t line; /**< from 1; 0: the record is not in the file (its defaults are in force) */
};

struct weir_conf_schema;

/**
 * One key of a record. Write name, offset and width through WEIR_CONF_KEY().
 *
 * A key that is neither given nor has a default reads as zero: false, 0, NULL, an address of
 * family 0, an empty list, the first name of an enum.
 */
struct weir_conf_key {
	const char *name;	  /**< as the file has it */
	size_t offset;		  /**< of the member in the struct */
	size_t width;		  /**< sizeof the member, checked against the type */
	enum weir_conf_type type; /**< of the value, or of each of many */
	enum weir_conf_many many; /**< one value, a list or a map */
	const char *def;	  /**< the default as a user would type it ("[1, 2]"); NULL: none */
	bool required;		  /**< must be given, if its record is */
	bool one_ok;		  /**< a list of one may be written without brackets */
	bool fixed;		  /**< of a root key: weir_conf_differs() looks at it */
	bool live;		  /**< below a fixed one: it may change while the program runs */
	/**
	 * The least allowed: of numbers in the unit of the C type, of strings in bytes. (Of a
	 * double: in whole numbers, as max.)
	 */
	uint64_t min;
	uint64_t max;		  /**< the most allowed, in the unit of min; 0: no limit */
	size_t min_items;	  /**< the fewest that a list or map may have */
	size_t max_items;	  /**< the most; 0: no limit but WEIR_CONF_ITEMS_MAX */
	const char *const *names; /**< of an enum, ends with NULL */
	const struct weir_conf_schema *sub; /**< of a record */
	const char *doc;		    /**< a sentence or two for the manual */
};

/** The keys of one struct. */
struct weir_conf_schema {
	const char *name;		  /**< the title of the record in the manual */
	const char *doc;		  /**< what it is for, for the manual */
	const struct weir_conf_key *keys; /**< n of them, in the manual's order */
	size_t n;			  /**< keys, at most WEIR_CONF_KEYS_MAX */
	size_t size;			  /**< sizeof the struct */
	size_t at_past; /**< the offset just past its struct weir_conf_at; 0: it has none */
};

/** Keys of one record at most; records inside records at most. */
#define WEIR_CONF_KEYS_MAX 128
/** Records inside records at most. */
#define WEIR_CONF_DEPTH_MAX 16
/** Items of all lists and maps of one file together at most. */
#define WEIR_CONF_ITEMS_MAX (UINT32_C(1) << 21)
/** Bytes of a file at most. */
#define WEIR_CONF_FILE_MAX (UINT64_C(64) << 20)

/** Name, offset and width of a key that is called like its member. */
#define WEIR_CONF_KEY(type, member) WEIR_CONF_KEY_NAMED(#member, type, member)
/** The same, where the key is called otherwise (`default` is no name for a member). */
#define WEIR_CONF_KEY_NAMED(key, type, member) \
	.name = (key), .offset = offsetof(type, member), .width = sizeof(((type *)NULL)->member)
/** Keys and size of a schema. */
#define WEIR_CONF_STRUCT(type, array) \
	.keys = (array), .n = sizeof(array) / sizeof((array)[0]), .size = sizeof(type)
/** Says that the struct has a member `struct weir_conf_at at`. */
#define WEIR_CONF_HAS_AT(type) .at_past = offsetof(type, at) + sizeof(struct weir_conf_at)

/** How to load. NULL or all zero: the file alone. */
struct weir_conf_options {
	/**
	 * If not NULL: variables whose names begin so override single values of the file. With
	 * "WEIR_", WEIR_RUNTIME__BURST=64 sets runtime.burst and WEIR_PORTS__WAN__MTU=9000 sets
	 * ports.wan.mtu of a port that the file names ('-' and '.' in a key become '_'). Values
	 * in lists cannot be reached. A variable with "__" that fits no key is an error.
	 */
	const char *env_prefix;
};

/** The prefix that all programs of weir use. */
#define WEIR_CONF_ENV_PREFIX "WEIR_"

/**
 * Load a file, whole or not at all.
 *
 * @param options  NULL: none.
 * @param out      A struct of @p schema; set on success, untouched on error. What it points to is
 *                 freed by weir_conf_free(). Its former content is not freed.
 * @param why      Set on error; NULL is allowed.
 * @return 0; -EINVAL for a wrong configuration, -EFBIG above WEIR_CONF_FILE_MAX, -ENOMEM, or the
 *         error of opening or reading the file.
 */
WEIR_MUST_CHECK int weir_conf_load_file(const char *path, const struct weir_conf_schema *schema,
					const struct weir_conf_options *options, void *out,
					struct weir_why *why);

/** Load from memory; @p name stands for the file in errors. Otherwise as weir_conf_load_file(). */
WEIR_MUST_CHECK int weir_conf_load_text(const char *name, const char *text, size_t len_bytes,
					const struct weir_conf_schema *schema,
					const struct weir_conf_options *options, void *out,
					struct weir_why *why);

/** Free all that a loaded struct points to and zero it; not the struct. NULL is allowed. */
void weir_conf_free(const struct weir_conf_schema *schema, void *conf);

/**
 * Say what a later check found wrong, as the loader does: "FILE:LINE: sentence".
 * @param line  0: the line is not named.
 * @param why   NULL is allowed.
 * @return -EINVAL, so that a check may end with it.
 */
int weir_conf_fail(struct weir_why *why, const char *file, uint32_t line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/** Bytes of a key's name with those of its sections, cut there: "proxy.to_port". */
#define WEIR_CONF_PATH 256

/**
 * Whether something has changed that must not: the value of a root key that is fixed, or of a key
 * in its records, but for those that are live.
 * @param a, b  Two loaded structs of @p schema.
 * @param path  The name of the first key that differs; of items of lists, the list's.
 */
WEIR_MUST_CHECK bool weir_conf_differs(const struct weir_conf_schema *schema, const void *a,
				       const void *b, char path[WEIR_CONF_PATH]);

/**
 * Write the reference manual of a schema in Markdown: a section for each record, a row for each
 * key with its type, default, what is allowed and what it means.
 * @return 0, or -EIO if @p to has failed.
 */
WEIR_MUST_CHECK int weir_conf_manual(const struct weir_conf_schema *schema, FILE *to);

/**
 * Write the configuration in force, defaults and environment included, as YAML that loads to the
 * same. A section that was not given and has required keys is left out (it needs its `at`).
 * @return 0, or -EIO if @p to has failed.
 */
WEIR_MUST_CHECK int weir_conf_dump(const struct weir_conf_schema *schema, const void *conf,
				   FILE *to);
