/* SPDX-License-Identifier: BSD-3-Clause */
/* What the control socket says to a line, without a socket. */
#include "ctl_priv.h"
#include "failalloc.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct ctl_commands commands;
static const struct weir_ctl_peer peer = {.pid = 11, .uid = 22, .gid = 33};

static int echo(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		struct weir_why *why)
{
	*reply = json_deep_copy(request->args);
	return *reply == NULL ? -ENOMEM : 0;
}

static int who(void *ctx, const struct weir_ctl_request *request, json_t **reply,
	       struct weir_why *why)
{
	*reply = json_pack("[i, i, i, I]", (int)request->peer.pid, (int)request->peer.uid,
			   (int)request->peer.gid, (json_int_t)request->now_ns);
	return *reply == NULL ? -ENOMEM : 0;
}

static int nothing(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		   struct weir_why *why)
{
	return 0;
}

static int refuse(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		  struct weir_why *why)
{
	*reply = json_null(); /* must be let go */
	return weir_why(why, -EINVAL, "%s", (const char *)ctx);
}

static int refuse_silently(void *ctx, const struct weir_ctl_request *request, json_t **reply,
			   struct weir_why *why)
{
	return -ENOSPC;
}

static int huge(void *ctx, const struct weir_ctl_request *request, json_t **reply,
		struct weir_why *why)
{
	char *text = calloc(1, WEIR_CTL_REPLY_BYTES_MAX + 1);

	if (text == NULL)
		return -ENOMEM;
	memset(text, 'x', WEIR_CTL_REPLY_BYTES_MAX);
	*reply = json_string(text);
	free(text);
	return 0;
}

static char audited[64];
static int audited_rc;

static void audit(void *ctx, const struct weir_ctl_request *request, int rc)
{
	snprintf(audited, sizeof(audited), "%s %s by %d", (const char *)ctx, request->cmd,
		 (int)request->peer.uid);
	audited_rc = rc;
}

static void add(const char *name, weir_ctl_handler *handler, void *ctx, unsigned flags)
{
	CU_ASSERT_EQUAL_FATAL(
		ctl_commands_add(&commands,
				 &(struct ctl_command){name, "does it", handler, ctx, flags}),
		0);
}

static void begin(void)
{
	add("echo", echo, NULL, 0);
	add("who", who, NULL, 0);
	add("nothing", nothing, NULL, 0);
	add("refuse", refuse, (void *)"no port is called wan", WEIR_CTL_CHANGES_STATE);
	add("foreign", refuse, (void *)"cut within a letter \xc3", 0);
	add("silent", refuse_silently, NULL, 0);
	add("huge", huge, NULL, 0);
	commands.audit = audit;
	commands.audit_ctx = (void *)"log:";
	audited[0] = '\0';
}

/* Whether @p request, of @p bytes, is answered by @p expected. */
static bool answers_bytes(const char *request, size_t bytes, const char *expected)
{
	struct ctl_line line;
	bool same;

	CU_ASSERT_EQUAL_FATAL(ctl_answer(&commands, request, bytes, &peer, 44, &line), 0);
	same = line.bytes == strlen(expected) + 1 &&
	       memcmp(line.text, expected, line.bytes - 1) == 0 &&
	       line.text[line.bytes - 1] == '\n';
	if (!same)
		printf("\n    %.*s is answered by %.*s", (int)bytes, request, (int)line.bytes,
		       line.text);
	free(line.text);
	return same;
}

static bool answers(const char *request, const char *expected)
{
	return answers_bytes(request, strlen(request), expected);
}

/* Whether it is refused by a sentence that contains @p part. */
static bool refused(const char *request, size_t bytes, const char *part)
{
	struct ctl_line line;
	json_t *root;
	const char *error;
	bool says;

	CU_ASSERT_EQUAL_FATAL(ctl_answer(&commands, request, bytes, &peer, 44, &line), 0);
	root = json_loadb(line.text, line.bytes, 0, NULL);
	error = json_string_value(json_object_get(root, "error"));
	says = json_is_false(json_object_get(root, "ok")) && error != NULL &&
	       strstr(error, part) != NULL;
	if (!says)
		printf("\n    refused by %.*s", (int)line.bytes, line.text);
	json_decref(root);
	free(line.text);
	return says;
}

static bool refused_text(const char *request, const char *part)
{
	return refused(request, strlen(request), part);
}

static void test_a_command_gets_its_arguments_and_its_data_comes_back(void)
{
	begin();
	CU_ASSERT_TRUE(answers("{\"cmd\":\"echo\",\"args\":{\"a\":[1,\"x\\n\"]}}",
			       "{\"ok\":true,\"data\":{\"a\":[1,\"x\\n\"]}}"));
	CU_ASSERT_TRUE(answers(" { \"cmd\" : \"echo\" } \r", "{\"ok\":true,\"data\":{}}"));
	CU_ASSERT_TRUE(answers("{\"cmd\":\"nothing\"}", "{\"ok\":true,\"data\":null}"));
	ctl_commands_free(&commands);
}

static void test_a_handler_knows_who_asks_and_when(void)
{
	begin();
	CU_ASSERT_TRUE(answers("{\"cmd\":\"who\"}", "{\"ok\":true,\"data\":[11,22,33,44]}"));
	ctl_commands_free(&commands);
}

static void test_a_refusal_is_said_in_the_handlers_words(void)
{
	begin();
	CU_ASSERT_TRUE(answers("{\"cmd\":\"refuse\"}",
			       "{\"ok\":false,\"error\":\"no port is called wan\"}"));
	CU_ASSERT_TRUE(answers("{\"cmd\":\"foreign\"}",
			       "{\"ok\":false,\"error\":\"cut within a letter ?\"}"));
	CU_ASSERT_TRUE(answers("{\"cmd\":\"silent\"}",
			       "{\"ok\":false,\"error\":\"ENOSPC: the table is full\"}"));
	ctl_commands_free(&commands);
}

static void test_what_changes_state_is_audited_even_if_it_failed(void)
{
	begin();
	CU_ASSERT_TRUE(refused_text("{\"cmd\":\"silent\"}", "full"));
	CU_ASSERT_STRING_EQUAL(audited, "");
	CU_ASSERT_TRUE(refused_text("{\"cmd\":\"refuse\"}", "wan"));
	CU_ASSERT_STRING_EQUAL(audited, "log: refuse by 22");
	CU_ASSERT_EQUAL(audited_rc, -EINVAL);
	ctl_commands_free(&commands);
}

static void test_help_lists_the_commands(void)
{
	CU_ASSERT_TRUE(answers("{\"cmd\":\"help\"}", "{\"ok\":true,\"data\":{}}"));
	add("reload", nothing, NULL, WEIR_CTL_CHANGES_STATE);
	CU_ASSERT_TRUE(answers("{\"cmd\":\"help\"}",
			       "{\"ok\":true,\"data\":{\"reload\":{\"help\":\"does it\","
			       "\"changes_state\":true}}}"));
	ctl_commands_free(&commands);
}

static void test_what_is_no_request_is_told_so(void)
{
	static const char nul[] = "{\"cmd\":\"echo\0\"}";

	begin();
	CU_ASSERT_TRUE(refused_text("", "not JSON"));
	CU_ASSERT_TRUE(refused_text("hello", "not JSON"));
	CU_ASSERT_TRUE(refused_text("{\"cmd\":\"echo\"} x", "not JSON"));
	CU_ASSERT_TRUE(refused_text("{\"cmd\":\"echo\",\"cmd\":\"who\"}", "not JSON"));
	CU_ASSERT_TRUE(refused_text("{\"cmd\":\"\xff\"}", "not JSON"));
	CU_ASSERT_TRUE(refused_text("{\"cmd\":\"echo\\u0000\"}", "not JSON"));
	CU_ASSERT_TRUE(refused(nul, sizeof(nul) - 1, "not JSON"));
	CU_ASSERT_TRUE(refused_text("[]", "a request looks like"));
	CU_ASSERT_TRUE(refused_text("{}", "a request looks like"));
	CU_ASSERT_TRUE(refused_text("{\"args\":{}}", "a request looks like"));
	CU_ASSERT_TRUE(refused_text("{\"cmd\":7}", "'cmd' in the request"));
	CU_ASSERT_TRUE(refused_text("{\"cmd\":\"echo\",\"args\":[]}", "'args' in the request"));
	CU_ASSERT_TRUE(refused_text("{\"cmd\":\"echo\",\"more\":1}", "'more' in the request"));
	CU_ASSERT_TRUE(refused_text("{\"cmd\":\"nope\"}", "no command is called 'nope'"));
	ctl_commands_free(&commands);
}

static void test_nesting_is_bounded_before_it_is_parsed(void)
{
	static char deep[1 << 20];
	char text[256];

	begin();
	memset(deep, '[', sizeof(deep));
	CU_ASSERT_TRUE(refused(deep, sizeof(deep), "nests deeper than 32"));
	/* The request itself and its args are two of the levels. */
	snprintf(text, sizeof(text), "{\"cmd\":\"nothing\",\"args\":{\"a\":%.*s%.*s}}",
		 WEIR_CTL_DEPTH_MAX - 1, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", WEIR_CTL_DEPTH_MAX - 1,
		 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
	CU_ASSERT_TRUE(refused_text(text, "nests deeper"));
	snprintf(text, sizeof(text), "{\"cmd\":\"nothing\",\"args\":{\"a\":%.*s%.*s}}",
		 WEIR_CTL_DEPTH_MAX - 2, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", WEIR_CTL_DEPTH_MAX - 2,
		 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
	CU_ASSERT_TRUE(answers(text, "{\"ok\":true,\"data\":null}"));
	/* Brackets in a string are text, also after an escaped quote. */
	CU_ASSERT_TRUE(answers("{\"cmd\":\"nothing\",\"args\":{\"a\":"
			       "\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}}",
			       "{\"ok\":true,\"data\":null}"));
	ctl_commands_free(&commands);
}

static void test_an_answer_that_is_too_long_is_refused(void)
{
	begin();
	CU_ASSERT_TRUE(refused_text("{\"cmd\":\"huge\"}", "longer than 64 MiB"));
	ctl_commands_free(&commands);
}

static void test_commands_have_one_name_each(void)
{
	struct ctl_command c = {"reload", "does it", nothing, NULL, 0};

	CU_ASSERT_EQUAL(ctl_commands_add(&commands, &c), 0);
	CU_ASSERT_EQUAL(ctl_commands_add(&commands, &c), -EEXIST);
	c.name = "help";
	CU_ASSERT_EQUAL(ctl_commands_add(&commands, &c), -EEXIST);
	c.name = "";
	CU_ASSERT_EQUAL(ctl_commands_add(&commands, &c), -EINVAL);
	c = (struct ctl_command){"x", NULL, nothing, NULL, 0};
	CU_ASSERT_EQUAL(ctl_commands_add(&commands, &c), -EINVAL);
	c = (struct ctl_command){"x", "does it", NULL, NULL, 0};
	CU_ASSERT_EQUAL(ctl_commands_add(&commands, &c), -EINVAL);
	c = (struct ctl_command){"x", "does it", nothing, NULL, 2};
	CU_ASSERT_EQUAL(ctl_commands_add(&commands, &c), -EINVAL);
	ctl_commands_free(&commands);
}

static void test_out_of_memory_is_an_error_or_a_refusal_and_nothing_leaks(void)
{
	static const char *const requests[] = {
		"{\"cmd\":\"echo\",\"args\":{\"a\":[1]}}",
		"{\"cmd\":\"refuse\"}",
		"{\"cmd\":\"help\"}",
		"{",
	};

	/* So that the linker's --wrap reaches jansson's allocations too. */
	json_set_alloc_funcs(malloc, free);
	begin();
	for (unsigned i = 0; i < 4; i++) {
		FAILALLOC_EACH(n)
		{
			struct ctl_line line = {NULL, 0};
			const int rc = ctl_answer(&commands, requests[i], strlen(requests[i]),
						  &peer, 44, &line);
			const bool enough = failalloc_done();

			CU_ASSERT(rc == 0 || rc == -ENOMEM);
			CU_ASSERT_EQUAL(rc == 0, line.text != NULL);
			free(line.text);
			if (enough) {
				CU_ASSERT(n > 3);
				break;
			}
		}
	}
	ctl_commands_free(&commands);
}

WEIR_TESTS("base/ctl_answer", TEST(a_command_gets_its_arguments_and_its_data_comes_back),
	   TEST(a_handler_knows_who_asks_and_when), TEST(a_refusal_is_said_in_the_handlers_words),
	   TEST(what_changes_state_is_audited_even_if_it_failed), TEST(help_lists_the_commands),
	   TEST(what_is_no_request_is_told_so), TEST(nesting_is_bounded_before_it_is_parsed),
	   TEST(an_answer_that_is_too_long_is_refused), TEST(commands_have_one_name_each),
	   TEST(out_of_memory_is_an_error_or_a_refusal_and_nothing_leaks))
