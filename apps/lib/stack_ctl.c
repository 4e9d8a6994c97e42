/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * `weirctl sockets`: list and end connections.
 *
 * The control thread leaves a question with a worker, which goes through its sockets, some in each
 * pass, and says when it is through. While the answer is made it is the worker's alone.
 */

#include "stack_app_priv.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <weir/error.h>
#include <weir/gen.h>

/* Sockets in one answer, of all workers. */
#define SOCKETS_MAX 100000
/* Sockets that a worker looks at in one pass. */
#define PART 64

/* Which sockets; what is 0 or NULL is not looked at. */
struct wanted {
	const char *state; /* as ss names it */
	const char *proto;
	struct weir_prefix addr; /* of either end */
	uint16_t port;		 /* of either end */
};

struct stack_ask {
	struct wanted wanted;
	bool kill;
	struct weir_sock_info *out; /* room of them; NULL with kill */
	uint32_t room, matched;
	uint64_t at; /* of weir_sock_walk() */
	atomic_bool done;
};

/* ---- the worker's side ---- */

static const char *proto_of(const struct weir_sock_info *i)
{
	return i->type == WEIR_TCP ? "tcp" : "udp";
}

static const char *state_of(const struct weir_sock_info *i)
{
	return i->state == NULL ? "UNCONN" : i->state;
}

static bool is_wanted(const struct wanted *w, const struct weir_sock_info *i)
{
	return (w->state == NULL || strcasecmp(w->state, state_of(i)) == 0) &&
	       (w->proto == NULL || strcmp(w->proto, proto_of(i)) == 0) &&
	       (w->port == 0 || i->ours.port == w->port || i->peer.port == w->port) &&
	       (w->addr.addr.family == 0 || weir_prefix_contains(&w->addr, &i->ours.addr) ||
		weir_prefix_contains(&w->addr, &i->peer.addr));
}

/* A connection that somebody has: listeners and UDP sockets are the program itself. */
static bool can_be_ended(const struct weir_sock_info *i)
{
	return i->type == WEIR_TCP && i->sock != WEIR_NO_SOCK && i->peer.addr.family != 0;
}

static void end_one(struct stack_worker *w, const struct weir_sock_info *i, uint64_t now_ns)
{
	const struct weir_event e = {.sock = i->sock, .ready = WEIR_READY_ERR, .user = i->user};
	struct stack_user *user = i->user;

	/* The end of another may have ended it already. */
	if (weir_sock_abort(w->stack, i->sock) < 0 || user == NULL)
		return;
	if (user->is == STACK_OWN)
		w->service->own(w, &e, now_ns);
	else
		stack_end(w, (struct stack_conn *)user);
}

static void answer_one(struct stack_worker *w, struct stack_ask *ask,
		       const struct weir_sock_info *i, uint64_t now_ns)
{
	if (!is_wanted(&ask->wanted, i))
		return;
	if (!ask->kill) {
		ask->out[ask->matched++] = *i;
	} else if (can_be_ended(i)) {
		end_one(w, i, now_ns);
		ask->matched++;
	}
}

bool stack_answer(struct stack_worker *w, uint64_t now_ns)
{
	struct stack_ask *ask = atomic_load_explicit(&w->ask, memory_order_acquire);
	struct weir_sock_info info[PART];
	uint16_t n, most;

	if (likely(ask == NULL))
		return false;
	most = (uint16_t)(ask->kill ? PART : RTE_MIN(ask->room - ask->matched, (uint32_t)PART));
	n = most == 0 ? 0 : weir_sock_walk(w->stack, &ask->at, info, most);
	for (uint16_t i = 0; i < n; i++)
		answer_one(w, ask, &info[i], now_ns);
	if (most > 0 && ask->at != UINT64_MAX)
		return true;
	/* First out of the worker: once it is done, its owner may free it. */
	atomic_store_explicit(&w->ask, NULL, memory_order_relaxed);
	atomic_store_explicit(&ask->done, true, memory_order_release);
	return true; /* what was ended says so to its peer */
}

/* ---- the control thread's ---- */

static bool is_answered(const void *ask)
{
	return atomic_load_explicit(&((const struct stack_ask *)ask)->done, memory_order_acquire);
}

static int ask_worker(struct weir_run *run, struct stack_worker *w, struct stack_ask *ask,
		      struct weir_why *why)
{
	struct weir_engine *e = weir_system_engine(weir_run_system(run), w->shard->worker);

	atomic_store_explicit(&w->ask, ask, memory_order_release);
	if (weir_engine_await(e, is_answered, ask))
		return 0;
	atomic_store_explicit(&w->ask, NULL, memory_order_release);
	weir_gens_synchronize(weir_system_gens(weir_run_system(run)));
	return is_answered(ask)
		       ? 0
		       : weir_why(why, -ETIMEDOUT, "worker %u does not answer", w->shard->worker);
}

static json_t *end_json(const struct weir_endpoint *e)
{
	char text[WEIR_ADDR_TEXT];

	return json_pack("{s:s, s:i}", "addr",
			 e->addr.family == 0 ? "*" : weir_addr_format(&e->addr, text), "port",
			 e->port);
}

static json_t *sock_json(uint16_t worker, const struct weir_sock_info *i)
{
	json_t *j = json_pack("{s:i, s:s, s:s, s:I, s:I, s:o, s:f, s:f}", "worker", worker, "proto",
			      proto_of(i), "state", state_of(i), "in", (json_int_t)i->in_bytes,
			      "out", (json_int_t)i->out_bytes, "ours", end_json(&i->ours), "age_s",
			      (double)i->age_ns / 1e9, "quiet_s", (double)i->quiet_ns / 1e9);

	if (i->peer.addr.family != 0)
		json_object_set_new(j, "peer", end_json(&i->peer));
	return j;
}

/* Ask all workers; list is NULL for those that are to be ended. */
static int ask_all(struct weir_run *run, struct stack_ask *ask, json_t *list, uint32_t *matched,
		   struct weir_why *why)
{
	const struct stack_app *app = weir_run_state(run);
	const uint32_t room = ask->room;

	*matched = 0;
	for (uint16_t w = 0; w < app->workers; w++) {
		int rc;

		ask->room = room - *matched;
		ask->matched = 0;
		ask->at = 0;
		atomic_store(&ask->done, false);
		rc = ask_worker(run, app->worker[w], ask, why);
		if (rc < 0)
			return rc;
		for (uint32_t i = 0; list != NULL && i < ask->matched; i++)
			json_array_append_new(list, sock_json(w, &ask->out[i]));
		*matched += ask->matched;
	}
	return 0;
}

/* Arguments as they come. */
struct args {
	const char *addr, *proto, *state;
	json_int_t port, limit;
	int all;
};

static int read_args(const struct weir_ctl_request *rq, struct args *a, struct weir_why *why)
{
	json_error_t error;

	*a = (struct args){.limit = 1000};
	if (json_unpack_ex((json_t *)(uintptr_t)rq->args, &error, JSON_STRICT,
			   "{s?s, s?s, s?s, s?I, s?I, s?b}", "addr", &a->addr, "proto", &a->proto,
			   "state", &a->state, "port", &a->port, "limit", &a->limit, "all",
			   &a->all) < 0)
		return weir_why(why, -EINVAL, "%s: %s", rq->cmd, error.text);
	if (a->port < 0 || a->port > UINT16_MAX)
		return weir_why(why, -ERANGE, "%s: port must be 0 to 65535", rq->cmd);
	if (a->limit < 1 || a->limit > SOCKETS_MAX)
		return weir_why(why, -ERANGE, "%s: limit must be 1 to %d", rq->cmd, SOCKETS_MAX);
	if (a->proto != NULL && strcmp(a->proto, "tcp") != 0 && strcmp(a->proto, "udp") != 0)
		return weir_why(why, -EINVAL, "%s: proto is \"%s\", must be tcp or udp", rq->cmd,
				a->proto);
	return 0;
}

static int read_wanted(const struct weir_ctl_request *rq, const struct args *a, struct wanted *out,
		       struct weir_why *why)
{
	*out = (struct wanted){.state = a->state, .proto = a->proto, .port = (uint16_t)a->port};
	if (a->addr == NULL || weir_prefix_parse(a->addr, strlen(a->addr), &out->addr) == 0)
		return 0;
	if (weir_addr_parse(a->addr, strlen(a->addr), &out->addr.addr) < 0)
		return weir_why(why, -EINVAL, "%s: addr is \"%s\", must be an address or a prefix",
				rq->cmd, a->addr);
	out->addr.length = out->addr.addr.family == 4 ? 32 : 128;
	return 0;
}

static int cmd_sockets(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
		       struct weir_why *why)
{
	struct stack_ask ask = {.kill = false};
	struct args args;
	uint32_t matched;
	int rc = read_args(rq, &args, why);

	if (rc == 0 && args.all)
		rc = weir_why(why, -EINVAL, "sockets takes no all");
	if (rc == 0)
		rc = read_wanted(rq, &args, &ask.wanted, why);
	if (rc < 0)
		return rc;
	ask.room = (uint32_t)args.limit;
	ask.out = calloc(ask.room, sizeof(*ask.out));
	*reply = json_array();
	rc = ask.out == NULL || *reply == NULL ? weir_why(why, -ENOMEM, "sockets: out of memory")
					       : ask_all(ctx, &ask, *reply, &matched, why);
	free(ask.out);
	return rc; /* what *reply holds is freed by who asked, if this failed */
}

static int cmd_sockets_kill(void *ctx, const struct weir_ctl_request *rq, json_t **reply,
			    struct weir_why *why)
{
	struct stack_ask ask = {.kill = true};
	struct args a;
	uint32_t matched;
	int rc = read_args(rq, &a, why);

	if (rc == 0 && a.addr == NULL && a.proto == NULL && a.state == NULL && a.port == 0 &&
	    !a.all)
		rc = weir_why(why, -EINVAL, "sockets kill: say which: addr, port, state, or all");
	if (rc == 0)
		rc = read_wanted(rq, &a, &ask.wanted, why);
	if (rc == 0)
		rc = ask_all(ctx, &ask, NULL, &matched, why);
	if (rc < 0)
		return rc;
	*reply = json_pack("{s:I}", "killed", (json_int_t)matched);
	return *reply == NULL ? -ENOMEM : 0;
}

int stack_add_commands(struct weir_run *run)
{
	struct weir_ctl_server *ctl = weir_run_ctl(run);
	int rc;

	if (ctl == NULL)
		return 0;
	rc = weir_ctl_register(ctl, "sockets",
			       "Sockets of all workers: addr, port, proto, state, limit",
			       cmd_sockets, run, 0);
	if (rc < 0)
		return rc;
	return weir_ctl_register(ctl, "sockets_kill",
				 "End connections: addr, port, proto, state, all", cmd_sockets_kill,
				 run, WEIR_CTL_CHANGES_STATE);
}
