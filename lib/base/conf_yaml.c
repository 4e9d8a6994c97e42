/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf_yaml: libyaml's events, one at a time. Says what the next one is, refuses the features of
 * YAML by which a file means something else than it shows, and reads one text from begin to end.
 */
#include <errno.h>
#include <string.h>

#include "conf_priv.h"

uint32_t conf_event_line(const struct conf_load *c)
{
	return (uint32_t)c->event.start_mark.line + 1;
}

struct conf_where conf_here(const struct conf_load *c, const struct conf_path *path)
{
	return (struct conf_where){.source = c->name, .line = conf_event_line(c), .path = path};
}

/* libyaml's own complaint about the syntax. */
static int yaml_wrong(struct conf_load *c)
{
	const yaml_parser_t *p = &c->parser;
	const char *problem = p->problem != NULL ? p->problem : "unreadable";

	if (p->error == YAML_MEMORY_ERROR)
		return conf_no_memory(c->why, c->name);
	return weir_conf_fail(c->why, c->name, (uint32_t)p->problem_mark.line + 1,
			      "the text is not YAML: %s%s%s", problem,
			      p->context != NULL ? ", " : "", p->context != NULL ? p->context : "");
}

/* The features of YAML by which a file says something else than it seems to. */
static const char *refused_feature(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_ALIAS_EVENT:
		return "an alias (*name)";
	case YAML_SCALAR_EVENT:
		return e->data.scalar.anchor != NULL ? "an anchor (&name)"
		       : e->data.scalar.tag != NULL  ? "a tag (!name)"
						     : NULL;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.anchor != NULL ? "an anchor (&name)"
		       : e->data.sequence_start.tag != NULL  ? "a tag (!name)"
							     : NULL;
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.anchor != NULL ? "an anchor (&name)"
		       : e->data.mapping_start.tag != NULL  ? "a tag (!name)"
							    : NULL;
	default:
		return NULL;
	}
}

int conf_next(struct conf_load *c)
{
	const char *feature;

	yaml_event_delete(&c->event);
	memset(&c->event, 0, sizeof(c->event));
	if (!yaml_parser_parse(&c->parser, &c->event))
		return yaml_wrong(c);
	feature = refused_feature(&c->event);
	if (feature != NULL)
		return weir_conf_fail(c->why, c->name, conf_event_line(c),
				      "%s is here, must be written out", feature);
	if (c->event.type == YAML_SCALAR_EVENT &&
	    memchr(c->event.data.scalar.value, '\0', c->event.data.scalar.length) != NULL)
		return weir_conf_fail(c->why, c->name, conf_event_line(c),
				      "a NUL (\\0) is in the text, must be without");
	return 0;
}

const char *conf_event_kind(const struct conf_load *c)
{
	switch (c->event.type) {
	case YAML_SEQUENCE_START_EVENT:
		return "a list";
	case YAML_MAPPING_START_EVENT:
		return "a section";
	default:
		return "a single value";
	}
}

bool conf_event_is_null(const yaml_event_t *e)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	if (e->type != YAML_SCALAR_EVENT || e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp((const char *)e->data.scalar.value, words[i]) == 0)
			return true;
	return false;
}

int conf_wrong_kind(struct conf_load *c, const char *wanted, const struct conf_path *path)
{
	const struct conf_where where = conf_here(c, path);

	if (conf_event_is_null(&c->event))
		return conf_wrong(c->why, &where, "has no value, must be %s", wanted);
	return conf_wrong(c->why, &where, "is %s, must be %s", conf_event_kind(c), wanted);
}

/* The first event of the text's value, or the end of the stream if there is none. */
static int begin(struct conf_load *c)
{
	int rc = conf_next(c); /* the stream begins */

	if (rc == 0)
		rc = conf_next(c);
	if (rc < 0 || c->event.type == YAML_STREAM_END_EVENT)
		return rc;
	if (c->event.data.document_start.tag_directives.start !=
	    c->event.data.document_start.tag_directives.end)
		return weir_conf_fail(c->why, c->name, conf_event_line(c),
				      "a tag directive (%%TAG) is here, must be without");
	return conf_next(c);
}

/* Nothing may follow. */
static int end(struct conf_load *c)
{
	int rc = conf_next(c); /* the document ends */

	if (rc == 0)
		rc = conf_next(c);
	if (rc == 0 && c->event.type != YAML_STREAM_END_EVENT)
		return weir_conf_fail(c->why, c->name, conf_event_line(c),
				      "a second document begins here, must be one in a file");
	return rc;
}

int conf_read(struct conf_load *c, const char *text, size_t len, const struct weir_conf_key *key,
	      void *out, const struct conf_path *path)
{
	int rc;

	if (!yaml_parser_initialize(&c->parser))
		return conf_no_memory(c->why, c->name);
	yaml_parser_set_encoding(&c->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&c->parser, (const unsigned char *)text, len);
	rc = begin(c);
	if (rc == 0 && c->event.type == YAML_STREAM_END_EVENT) {
		rc = conf_fill_root(c, key, out);
	} else if (rc == 0) {
		rc = path == NULL && conf_event_is_null(&c->event) ? conf_fill_root(c, key, out)
								   : conf_bind(c, key, out, path);
		if (rc == 0)
			rc = end(c);
	}
	yaml_event_delete(&c->event);
	yaml_parser_delete(&c->parser);
	return rc;
}
