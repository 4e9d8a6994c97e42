/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ctl_answer: what the control socket says to a line of bytes.
 *
 * Takes a line that anybody may have written and the table of commands; says one line of JSON,
 * whatever the request was. No socket and no clock, so that tests and the fuzzer call it directly.
 */
#include "ctl_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir/error.h>

#define HELP "help"

static const struct ctl_command *find(const struct ctl_commands *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->list[i].name, name) == 0)
			return &c->list[i];
	return NULL;
}

int ctl_commands_add(struct ctl_commands *c, const struct ctl_command *command)
{
	struct ctl_command *list;

	if (command->name == NULL || command->name[0] == '\0' || command->help == NULL ||
	    command->handler == NULL || (command->flags & ~WEIR_CTL_CHANGES_STATE) != 0)
		return -EINVAL;
	if (find(c, command->name) != NULL || strcmp(command->name, HELP) == 0)
		return -EEXIST;
	list = reallocarray(c->list, c->n + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	c->list = list;
	c->list[c->n++] = *command;
	return 0;
}

void ctl_commands_free(struct ctl_commands *c)
{
	free(c->list);
	*c = (struct ctl_commands){0};
}

int ctl_line_make(const json_t *value, size_t bytes_max, struct ctl_line *line)
{
	const size_t bytes = json_dumpb(value, NULL, 0, JSON_COMPACT);
	char *text;

	if (bytes == 0)
		return -ENOMEM;
	if (bytes >= bytes_max)
		return -EMSGSIZE;
	text = malloc(bytes + 1);
	if (text == NULL)
		return -ENOMEM;
	if (json_dumpb(value, text, bytes, JSON_COMPACT) != bytes) {
		free(text);
		return -ENOMEM;
	}
	text[bytes] = '\n';
	*line = (struct ctl_line){text, bytes + 1};
	return 0;
}

/* A sentence as JSON. One that was cut within a character loses its foreign letters. */
static json_t *sentence(const char *text)
{
	json_t *value = json_string(text);
	char ascii[WEIR_WHY_LEN];
	size_t n;

	if (value != NULL)
		return value;
	for (n = 0; n < sizeof(ascii) - 1 && text[n] != '\0'; n++)
		ascii[n] = (signed char)text[n] < 0 ? '?' : text[n];
	return json_stringn(ascii, n);
}

int ctl_refuse(const struct weir_why *why, struct ctl_line *answer)
{
	json_t *root = json_object();
	int rc = -ENOMEM;

	if (json_object_set_new(root, "ok", json_false()) == 0 &&
	    json_object_set_new(root, "error", sentence(why->text)) == 0)
		rc = ctl_line_make(root, WEIR_CTL_REPLY_BYTES_MAX, answer);
	json_decref(root);
	return rc;
}

/* Takes over @p data; NULL is said as null. */
static int agree(json_t *data, struct ctl_line *answer)
{
	json_t *root = json_object();
	struct weir_why why;
	int rc = -ENOMEM;

	if (json_object_set_new(root, "ok", json_true()) < 0) {
		json_decref(data);
		goto out;
	}
	if (json_object_set_new(root, "data", data == NULL ? json_null() : data) < 0)
		goto out;
	rc = ctl_line_make(root, WEIR_CTL_REPLY_BYTES_MAX, answer);
	if (rc == -EMSGSIZE) {
		weir_why(&why, rc, "the answer is longer than %u MiB: ask for less at a time",
			 WEIR_CTL_REPLY_BYTES_MAX >> 20);
		rc = ctl_refuse(&why, answer);
	}
out:
	json_decref(root);
	return rc;
}

/* The parser recurses, so depth is bounded before it sees the text. */
static bool too_deep(const char *text, size_t bytes)
{
	unsigned depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < bytes; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == '[' || text[i] == '{') &&
			 ++depth > WEIR_CTL_DEPTH_MAX)
			return true;
		else if (!quoted && (text[i] == ']' || text[i] == '}') && depth > 0)
			depth--;
	}
	return false;
}

/* The request as an object with known keys, or NULL and a sentence. */
static json_t *parse(const char *text, size_t bytes, struct weir_why *why)
{
	json_error_t error;
	json_t *root, *value;
	const char *key;

	if (too_deep(text, bytes)) {
		weir_why(why, 0, "the request nests deeper than %u levels", WEIR_CTL_DEPTH_MAX);
		return NULL;
	}
	root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL) {
		weir_why(why, 0, "the request is not JSON: %s (at byte %d)", error.text,
			 error.position);
		return NULL;
	}
	json_object_foreach (root, key, value) {
		const bool cmd = strcmp(key, "cmd") == 0 && json_is_string(value);
		const bool args = strcmp(key, "args") == 0 && json_is_object(value);

		if (!cmd && !args) {
			weir_why(why, 0, "'%.64s' in the request is unknown or of the wrong type",
				 key);
			goto refuse;
		}
	}
	if (json_object_get(root, "cmd") != NULL)
		return root;
	weir_why(why, 0, "a request looks like {\"cmd\": \"" HELP "\", \"args\": {}}");
refuse:
	json_decref(root);
	return NULL;
}

static json_t *help(const struct ctl_commands *c)
{
	json_t *list = json_object();

	for (size_t i = 0; i < c->n; i++) {
		const struct ctl_command *cmd = &c->list[i];

		if (json_object_set_new(list, cmd->name,
					json_pack("{s:s, s:b}", "help", cmd->help, "changes_state",
						  (cmd->flags & WEIR_CTL_CHANGES_STATE) != 0)) <
		    0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* Let the command's handler speak, and the audit know. */
static int run(const struct ctl_commands *c, const struct weir_ctl_request *request, json_t **data,
	       struct weir_why *why)
{
	const struct ctl_command *command = find(c, request->cmd);
	int rc;

	if (strcmp(request->cmd, HELP) == 0) {
		*data = help(c);
		return *data == NULL ? -ENOMEM : 0;
	}
	if (command == NULL)
		return weir_why(why, -ENOENT, "no command is called '%.64s'; '" HELP "' lists them",
				request->cmd);
	rc = command->handler(command->ctx, request, data, why);
	if ((command->flags & WEIR_CTL_CHANGES_STATE) != 0 && c->audit != NULL)
		c->audit(c->audit_ctx, request, rc);
	return rc;
}

int ctl_answer(const struct ctl_commands *c, const char *text, size_t bytes,
	       const struct weir_ctl_peer *peer, uint64_t now_ns, struct ctl_line *answer)
{
	struct weir_why why = {.text = ""};
	json_t *data = NULL, *no_args = NULL;
	json_t *const root = parse(text, bytes, &why);
	struct weir_ctl_request request = {.peer = *peer, .now_ns = now_ns};
	int rc;

	if (root == NULL)
		return ctl_refuse(&why, answer);
	request.cmd = json_string_value(json_object_get(root, "cmd"));
	request.args = json_object_get(root, "args");
	if (request.args == NULL)
		request.args = no_args = json_object();
	rc = request.args == NULL ? -ENOMEM : run(c, &request, &data, &why);
	if (rc >= 0) {
		rc = agree(data, answer);
	} else {
		json_decref(data);
		if (why.text[0] == '\0')
			weir_why(&why, 0, "%s", weir_error_text(rc));
		rc = ctl_refuse(&why, answer);
	}
	json_decref(no_args);
	json_decref(root);
	return rc;
}
