/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Patterns and domains that outlive a reload: those whose section and files say the same as before
 * are the same, and are not compiled again. Workers are prepared for them before the policy is
 * published, and told that they are gone when no generation has them any more.
 *
 * Names of applications get numbers, which they keep as long as the program runs: flows and records
 * have them.
 */

#include "fw_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <weir/error.h>
#include <weir/log.h>
#include <weir/shard.h>
#include <weir/sniff.h>

#include "app/app_priv.h"

/* ---- applications ---- */

const char *fw_app_name(const struct fw *fw, uint32_t app)
{
	if (app == WEIR_APP_UNKNOWN)
		return "unknown";
	if (app >= WEIR_APP_NAMED)
		return app < WEIR_APP_UNKNOWN ? fw->app[app] : NULL;
	return app != WEIR_SNIFF_NONE && app < WEIR_SNIFF_PROTOS
		       ? weir_sniff_proto_name((enum weir_sniff_proto)app)
		       : NULL;
}
static_assert(WEIR_SNIFF_PROTOS <= (int)WEIR_APP_NAMED, "they have numbers of their own");

uint8_t fw_app_number(const struct fw *fw, const char *name)
{
	for (uint32_t i = 1; i <= WEIR_APP_UNKNOWN; i++)
		if (fw_app_name(fw, i) != NULL && strcmp(fw_app_name(fw, i), name) == 0)
			return (uint8_t)i;
	return 0;
}

/* The number of what a section names with action tag; 0 with any other action. */
static int take_app(const struct fw_build *b, uint32_t line, const char *key, const char *name,
		    bool tag, const char *app, uint8_t *out, struct weir_why *why)
{
	char **names = b->fw->app;
	unsigned i = WEIR_APP_NAMED;

	*out = 0;
	if (tag != (app != NULL))
		return weir_conf_fail(why, b->file, line, "dpi.%s.%s: %s", key, name,
				      tag ? "action tag needs an application"
					  : "application needs action tag");
	if (!tag)
		return 0;
	if (strcmp(app, "unknown") == 0)
		return weir_conf_fail(why, b->file, line,
				      "dpi.%s.%s: application is unknown, which is what has none",
				      key, name);
	*out = fw_app_number(b->fw, app);
	if (*out != 0)
		return 0;
	while (i < WEIR_APP_UNKNOWN && names[i] != NULL)
		i++;
	if (i == WEIR_APP_UNKNOWN)
		return weir_conf_fail(why, b->file, line,
				      "dpi.%s.%s: application %s is one too many since the program "
				      "has begun, which had %d; restart it",
				      key, name, app, WEIR_APP_UNKNOWN - WEIR_APP_NAMED);
	names[i] = strdup(app);
	if (names[i] == NULL)
		return weir_why(why, -ENOMEM, "dpi: out of memory");
	*out = (uint8_t)i;
	return 0;
}

/* Whether this configuration has an application, and not only one before it. */
static bool is_named(const struct weir_dpi_section *c, const char *app)
{
	const struct weir_dpi_patterns_conf *p;
	const struct weir_dpi_domains_conf *d;

	weir_conf_each (p, &c->patterns)
		if (p->application != NULL && strcmp(p->application, app) == 0)
			return true;
	weir_conf_each (d, &c->domains)
		if (d->application != NULL && strcmp(d->application, app) == 0)
			return true;
	return false;
}

int fw_dpi_apps(const struct fw_build *b, const struct weir_rule_conf *c, uint8_t *out, unsigned *n,
		struct weir_why *why)
{
	char *const *word;

	*n = 0;
	if ((c->inspect || c->application.n > 0) && b->dpi == NULL)
		return weir_conf_fail(why, b->file, c->at.line,
				      "rule %s has %s, but there is no section dpi", c->name,
				      c->inspect ? "inspect" : "application");
	if (c->inspect && c->action != WEIR_ACTION_ACCEPT && c->action != WEIR_ACTION_SYNPROXY)
		return weir_conf_fail(why, b->file, c->at.line,
				      "rule %s: inspect needs action: accept or synproxy", c->name);
	weir_conf_each (word, &c->application) {
		const uint8_t app = fw_app_number(b->fw, *word);

		if (app == 0 || (app >= WEIR_APP_NAMED && app != WEIR_APP_UNKNOWN &&
				 !is_named(&b->conf->dpi, *word)))
			return weir_conf_fail(
				why, b->file, c->at.line,
				"application is %s, must be tls, http, ssh, dns, quic, "
				"unknown or what dpi names with action tag",
				*word);
		out[(*n)++] = app;
	}
	if (*n == 0)
		out[(*n)++] = 0;
	return 0;
}

/* ---- sizes ---- */

void fw_dpi_sizes(const struct weir_dpi_section *c, uint16_t workers,
		  struct weir_dpi_worker_conf *out)
{
	*out = (struct weir_dpi_worker_conf){
		.states = fw_share(c->flows, workers),
		.held_blocks = fw_share(c->early_blocks, workers),
		.sniff_buffers = fw_share(c->messages, workers),
		.sniff_bytes = (uint32_t)c->message_bytes,
		.flow_alerts = (uint32_t)c->alerts,
		.numa = -1,
	};
	out->flow_blocks = c->early_flow < out->held_blocks ? (uint32_t)c->early_flow
							    : out->held_blocks;
}

uint64_t fw_dpi_stream_bytes(const struct weir_dpi_section *c, uint16_t workers)
{
	const uint64_t stream = (c->stream_bytes + 63) / 64 * 64;

	return 2 * WEIR_DIRS * stream * workers * (fw_share(c->flows, workers) + UINT64_C(1));
}

bool fw_dpi_may_follow(const struct weir_dpi_section *old, const struct weir_dpi_section *fresh)
{
	return (old->at.line != 0) == (fresh->at.line != 0) && old->flows == fresh->flows &&
	       old->stream_bytes == fresh->stream_bytes &&
	       old->early_blocks == fresh->early_blocks && old->early_flow == fresh->early_flow &&
	       old->messages == fresh->messages && old->message_bytes == fresh->message_bytes &&
	       old->alerts == fresh->alerts;
}

/* ---- compiling ---- */

static uint64_t hash_section(const struct weir_dpi_section *c)
{
	uint64_t h = FW_SAID_NOTHING;
	const struct weir_dpi_patterns_conf *p;
	const struct weir_dpi_domains_conf *d;
	char *const *word;

	h = fw_said(h, &c->budget, sizeof(c->budget));
	h = fw_said(h, &c->unreadable, sizeof(c->unreadable));
	h = fw_said_text(h, c->cache);
	weir_conf_each (p, &c->patterns) {
		h = fw_said_file(fw_said_text(h, p->name), p->file);
		h = fw_said(h, &p->format, sizeof(p->format));
		h = fw_said(h, &p->action, sizeof(p->action));
		h = fw_said(h, &p->direction, sizeof(p->direction));
		h = fw_said_text(h, p->application);
	}
	weir_conf_each (d, &c->domains) {
		h = fw_said_text(h, d->name);
		h = fw_said_words(h, &d->names);
		weir_conf_each (word, &d->files)
			h = fw_said_file(h, *word);
		h = fw_said(h, &d->action, sizeof(d->action));
		h = fw_said_text(h, d->application);
	}
	return h;
}

static int fill_sources(struct fw_build *b, struct weir_dpi_source *sources, struct weir_why *why)
{
	static const enum weir_dpi_action actions[] = {WEIR_DPI_ALERT, WEIR_DPI_DROP,
						       WEIR_DPI_RESET, WEIR_DPI_TAG};
	const struct weir_dpi_patterns_conf *p;

	weir_conf_each (p, &b->conf->dpi.patterns) {
		const bool snort = p->format == WEIR_DPI_SNORT;
		int rc;

		*sources = (struct weir_dpi_source){.name = p->file,
						    .format = (enum weir_dpi_format)p->format,
						    .action = actions[p->action],
						    .dirs = (uint8_t)p->direction};
		if (snort && (p->action != 0 || p->direction != 0))
			return weir_conf_fail(why, b->file, p->at.line,
					      "dpi.patterns.%s: rules of format snort have their "
					      "own action and direction",
					      p->name);
		rc = take_app(b, p->at.line, "patterns", p->name, sources->action == WEIR_DPI_TAG,
			      p->application, &sources->app, why);
		if (rc < 0)
			return rc;
		sources++;
	}
	return 0;
}

static int fill_sets(struct fw_build *b, struct weir_dpi_set *sets, struct weir_why *why)
{
	const struct weir_dpi_domains_conf *d;

	weir_conf_each (d, &b->conf->dpi.domains) {
		int rc;

		*sets = (struct weir_dpi_set){.name = d->name,
					      .domains = d->names.items,
					      .n_domains = (uint32_t)d->names.n,
					      .files = d->files.items,
					      .n_files = (uint32_t)d->files.n,
					      .action = (enum weir_dpi_action)d->action};
		rc = take_app(b, d->at.line, "domains", d->name, sets->action == WEIR_DPI_TAG,
			      d->application, &sets->app, why);
		if (rc < 0)
			return rc;
		sets++;
	}
	return 0;
}

/* Say what the compiler found; each sentence once, however often it is compiled. */
static void finding(void *ctx, const char *sentence)
{
	struct fw *fw = ctx;
	const uint64_t said = fw_said_text(FW_SAID_NOTHING, sentence);

	if (fw->findings != NULL) {
		fprintf(fw->findings, "warning: %s\n", sentence);
		return;
	}
	for (uint32_t i = 0; i < fw->n_told; i++)
		if (fw->told[i] == said)
			return;
	if (fw->told == NULL)
		fw->told = calloc(FW_TOLD_MAX, sizeof(*fw->told));
	if (fw->told != NULL && fw->n_told < FW_TOLD_MAX)
		fw->told[fw->n_told++] = said;
	weir_log_warn("dpi", "%s", sentence);
}

static bool begins_with(const char *text, const char *name)
{
	const size_t len = strlen(name);

	return strncmp(text, name, len) == 0 && text[len] == ':';
}

/* Where the configuration speaks of what a sentence is about. */
static int name_place(const struct fw_build *b, int rc, struct weir_why *why)
{
	const struct weir_dpi_section *c = &b->conf->dpi;
	const struct weir_why told = *why;
	const struct weir_dpi_patterns_conf *p;
	const struct weir_dpi_domains_conf *d;
	char *const *path;

	weir_conf_each (p, &c->patterns) {
		if (begins_with(told.text, p->file)) {
			weir_conf_fail(why, b->file, p->at.line, "dpi.patterns.%s: %s", p->name,
				       told.text);
			return rc;
		}
	}
	weir_conf_each (d, &c->domains) {
		bool about = begins_with(told.text, d->name);

		weir_conf_each (path, &d->files)
			about |= begins_with(told.text, *path);
		if (about) {
			weir_conf_fail(why, b->file, d->at.line, "dpi.domains.%s: %s", d->name,
				       told.text);
			return rc;
		}
	}
	weir_conf_fail(why, b->file, c->at.line, "dpi: %s", told.text);
	return rc;
}

static int compile(struct fw_build *b, struct fw_dpi *d, struct weir_why *why)
{
	const struct weir_dpi_section *c = &b->conf->dpi;
	struct weir_dpi_source *sources = fw_alloc(&b->arena, c->patterns.n, sizeof(*sources));
	struct weir_dpi_set *sets = fw_alloc(&b->arena, c->domains.n, sizeof(*sets));
	struct weir_dpi_conf conf = {
		.sources = sources,
		.n_sources = (uint32_t)c->patterns.n,
		.sets = sets,
		.n_sets = (uint32_t)c->domains.n,
		.budget_bytes = c->budget == 0 ? WEIR_DPI_UNLIMITED : c->budget,
		.unreadable = c->unreadable != 0 ? WEIR_DPI_DROP : WEIR_DPI_PASS,
		.cache_dir = c->cache,
		.finding = finding,
		.ctx = b->fw,
	};
	struct weir_dpi_stats stats;
	int rc;

	if (sources == NULL || sets == NULL)
		return weir_why(why, -ENOMEM, "dpi: out of memory");
	if (getrandom(&conf.secret, sizeof(conf.secret), 0) != sizeof(conf.secret))
		return weir_why(why, -errno, "dpi: no random key: %s", weir_error_text(errno));
	rc = fill_sources(b, sources, why);
	if (rc == 0)
		rc = fill_sets(b, sets, why);
	if (rc < 0)
		return rc;
	rc = weir_dpi_compile(&conf, &d->dpi, why);
	if (rc < 0)
		return name_place(b, rc, why);
	weir_dpi_stats(d->dpi, &stats);
	if (stats.stream_bytes > c->stream_bytes)
		return weir_conf_fail(why, b->file, c->at.line,
				      "dpi.stream_bytes is %" PRIu64
				      ", but the patterns need %" PRIu32,
				      c->stream_bytes, stats.stream_bytes);
	weir_log_info("dpi", "%" PRIu32 " patterns and %" PRIu32 " domains %s in %.1f ms",
		      stats.patterns, stats.domains,
		      stats.cache == WEIR_DPI_CACHE_HIT ? "read from the cache" : "compiled",
		      (double)stats.build_ns / 1e6);
	return 0;
}

/* ---- life ---- */

static struct weir_dpi_worker *worker_of(struct weir_system *s, uint16_t w)
{
	return weir_engine_shard(weir_system_engine(s, w))->tracker->dpi;
}

void fw_dpi_release(struct fw_dpi *d)
{
	struct weir_system *system;

	if (d == NULL || --d->refs > 0)
		return;
	system = weir_run_system(d->run);
	for (uint16_t w = 0; system != NULL && w < weir_system_workers(system); w++)
		weir_dpi_worker_retire(worker_of(system, w), d->dpi);
	weir_dpi_free(d->dpi);
	free(d);
}

static int prepare(const struct fw_build *b, struct weir_why *why)
{
	int rc = 0;

	for (uint16_t w = 0; b->system != NULL && w < weir_system_workers(b->system); w++) {
		rc = weir_dpi_worker_prepare(worker_of(b->system, w), b->dpi->dpi, why);
		if (rc < 0)
			return fw_at_line(b, b->conf->dpi.at.line, rc, why);
	}
	return rc;
}

const struct fw_dpi *fw_dpi_now(const struct fw *fw)
{
	const struct weir_policy *now = app_l3_policy(fw->run->l3);

	return now == NULL ? NULL : ((const struct fw_owner *)now->owner)->dpi;
}

static int open_dpi(struct fw_build *b, struct weir_why *why)
{
	const uint64_t said = hash_section(&b->conf->dpi);
	struct fw_dpi *d = (struct fw_dpi *)(uintptr_t)fw_dpi_now(b->fw);

	if (d != NULL && d->said == said) {
		d->refs++;
		b->dpi = d;
		return 0;
	}
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return weir_why(why, -ENOMEM, "dpi: out of memory");
	*d = (struct fw_dpi){.run = b->fw->run, .said = said, .refs = 1};
	b->dpi = d;
	return compile(b, d, why);
}

int fw_dpi_open(struct fw_build *b, struct weir_why *why)
{
	const struct weir_dpi_patterns_conf *p;
	int rc;

	if (b->conf->dpi.at.line == 0)
		return 0;
	rc = open_dpi(b, why);
	if (rc == 0)
		rc = prepare(b, why);
	if (rc < 0)
		return rc;
	b->policy->dpi = b->dpi->dpi;
	weir_conf_each (p, &b->conf->dpi.patterns)
		b->policy->tags |= p->application != NULL;
	return 0;
}
