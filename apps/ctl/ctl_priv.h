/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the parts of weirctl share. */

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { DONE = 0, REFUSED = 1, USAGE = 2 }; /* exit statuses */

/* What the command line said before the command. */
struct cli {
	const char *socket;
	bool json;
	bool terminal; /* stdout is one */
	bool colour;
};

/* Ctrl-C was pressed, or whoever read our output has gone. */
extern volatile sig_atomic_t interrupted;

/* Ask the server; takes the reference to args. On failure the sentence is on stderr. */
int cli_ask(const struct cli *cli, const char *cmd, json_t *args, json_t **data);
/* The same; with --json the answer is printed here, and *data is NULL. */
int cli_show(const struct cli *cli, const char *cmd, json_t *args, json_t **data);
/* Print data as it came. */
void cli_print_json(const json_t *data);
/* Begin and end of a colour; empty where there is none. */
const char *cli_bold(const struct cli *cli);
const char *cli_red(const struct cli *cli);
const char *cli_plain(const struct cli *cli);

/* commands.c: a command's words are argv[0] (its name) to argv[argc - 1]. Returns a status. */
struct command {
	const char *name;
	const char *arguments;
	const char *help;
	int (*run)(const struct cli *cli, int argc, char **argv);
};
extern const struct command commands[];			     /* the last has no name */
int cmd_top(const struct cli *cli, int argc, char **argv);   /* top.c */
int cmd_trace(const struct cli *cli, int argc, char **argv); /* watch.c */
int cmd_pcap(const struct cli *cli, int argc, char **argv);  /* watch.c */
/* firewall.c */
int cmd_rules(const struct cli *cli, int argc, char **argv);
int cmd_flows(const struct cli *cli, int argc, char **argv);
int cmd_dpi(const struct cli *cli, int argc, char **argv);
int cmd_sets(const struct cli *cli, int argc, char **argv);
int cmd_set(const struct cli *cli, int argc, char **argv);
int cmd_explain_packet(const struct cli *cli, int argc, char **argv);
int cmd_sockets(const struct cli *cli, int argc, char **argv); /* sockets.c */
/* Whatever the server has beyond these: words are KEY=VALUE. */
int cmd_other(const struct cli *cli, int argc, char **argv);
/* Say how a command is used, on stderr. Returns USAGE. */
int usage_of(const char *name);

/*
 * Words KEY VALUE as arguments; a key must be one of @keys (with a blank on each side), numbers are
 * those of @numbers.
 */
bool read_pairs(json_t *args, int argc, char **argv, const char *keys, const char *numbers);

/* Reading answers: 0, "" or NULL where a member is not there. */
int64_t num(const json_t *object, const char *key);
double real(const json_t *object, const char *key);
const char *str(const json_t *object, const char *key);

/* table.c: rows of cells; columns are as wide as they must be, the last is cut at 100. */
struct table;
struct table *table_new(const char *const *heads); /* NULL ends them */
/* The next cell, row by row. */
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same of a part by a whole; empty if there is no whole. */
void table_ratio(struct table *t, double part, double whole, int digits);
/* "0.3s", "59s", "12m", "3h", "5d" */
void table_duration(struct table *t, double s);
/* A member that is a number: 999, 1.23M. */
void table_number(struct table *t, const json_t *object, const char *key);
/* So many cells with nothing in them. */
void table_empty(struct table *t, unsigned n);
/* Print and free. */
void table_end(struct table *t, const struct cli *cli);
/* An array of objects, whatever their members are. */
void table_of(const json_t *list, const struct cli *cli);
/* 1234567 as "1.23M"; returns text. */
const char *short_number(double n, char text[16]);
