/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever a line says, the control socket answers one line of JSON that says ok or why not. */
#include "ctl_priv.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int echo(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		struct weir_why *why)
{
	*reply = json_deep_copy(request->args);
	return 0;
}

static int refuse(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		  struct weir_why *why)
{
	const char *name = json_string_value(json_object_get(request->args, "name"));

	return weir_why(why, -ENOENT, "no port is called %s", name == NULL ? "nothing" : name);
}

static void check(const struct ctl_line *line)
{
	json_t *root = json_loadb(line->text, line->bytes, JSON_REJECT_DUPLICATES, NULL);
	const json_t *ok = json_object_get(root, "ok");
	const char *other = json_is_true(ok) ? "data" : "error";

	if (memchr(line->text, '\n', line->bytes) != line->text + line->bytes - 1)
		abort();
	if (!json_is_boolean(ok) || json_object_get(root, other) == NULL ||
	    json_object_size(root) != 2)
		abort();
	json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct ctl_command list[] = {
		{"echo", "says it", echo, NULL, 0},
		{"refuse", "does not", refuse, NULL, WEIR_CTL_CHANGES_STATE},
	};
	static const struct ctl_commands commands = {.list = list, .n = 2};
	const struct weir_ctl_peer peer = {.pid = 1, .uid = 2, .gid = 3};
	const char *text = (const char *)data;
	struct ctl_line line;

	if (ctl_answer(&commands, text, bytes, &peer, 0, &line) < 0)
		abort();
	check(&line);
	free(line.text);
	return 0;
}
