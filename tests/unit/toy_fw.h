/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A firewall from YAML text without ports and workers: its configuration, its policy in force, and
 * reloads. Says what is wrong instead of asserting, so that fuzzers may use it too. EAL must be up.
 */

#include <stddef.h>
#include <string.h>
#include <weir/conf.h>
#include <weir/firewall.h>

#include "app/app_l3_priv.h"
#include "app/app_priv.h"
#include "firewall/fw_app_priv.h"
#include "firewall/fw_priv.h"

/* Two interfaces in front of a configuration, on its first line. */
#define TOY_PORTS "ports: {lan: {device: a}, wan: {device: b, vlans: {7: {}}}}\n"

struct toy_fw_conf {
	struct weir_app_conf app;
	struct weir_l3_conf l3;
	struct weir_firewall_conf fw;
};

static const struct weir_conf_key toy_fw_keys[] = {
	WEIR_APP_CONF_KEYS(struct toy_fw_conf),
	WEIR_L3_CONF_KEYS(struct toy_fw_conf),
	WEIR_FIREWALL_CONF_KEYS(struct toy_fw_conf),
};

static const struct weir_conf_schema toy_fw_schema = {
	.name = "toy",
	.doc = "A toy.",
	WEIR_CONF_STRUCT(struct toy_fw_conf, toy_fw_keys),
};

static const struct weir_app toy_fw_app = {.name = "weir-toy",
					   .schema = &toy_fw_schema,
					   .l3_at = offsetof(struct toy_fw_conf, l3),
					   .firewall_at = offsetof(struct toy_fw_conf, fw)};

struct toy_fw {
	struct weir_run run;
	struct app_l3 l3; /* rib: NULL, or of interfaces lan and wan */
	struct toy_fw_conf conf;
};

static inline int toy_fw_load(const char *text, size_t bytes, struct toy_fw_conf *out,
			      struct weir_why *why)
{
	return weir_conf_load_text("fw.yaml", text, bytes, &toy_fw_schema, NULL, out, why);
}

/* Make a policy of a configuration and put it in force; on error the former one stays. */
static inline int toy_fw_apply(struct toy_fw *t, const struct toy_fw_conf *conf,
			       struct weir_why *why)
{
	struct weir_policy *old = t->l3.policy, *fresh;
	const int rc = fw_policy(&t->run, conf, "fw.yaml", t->l3.rib, &fresh, why);

	if (rc < 0)
		return rc;
	t->l3.policy = fresh;
	fw_in_force(t->run.fw);
	weir_policy_release(old);
	return 0;
}

/* The first configuration. Afterwards toy_fw_close(), whatever this said. */
static inline int toy_fw_open(struct toy_fw *t, const char *text, struct weir_rib *rib,
			      struct weir_why *why)
{
	int rc;

	memset(t, 0, sizeof(*t));
	t->run.app = &toy_fw_app;
	t->run.l3 = &t->l3;
	t->l3.run = &t->run;
	t->l3.rib = rib;
	rc = toy_fw_load(text, strlen(text), &t->conf, why);
	if (rc < 0)
		return rc;
	t->run.conf = &t->conf;
	weir_clock_init(&t->run.clock);
	rc = fw_create(&t->run, &t->conf, why);
	return rc == 0 ? toy_fw_apply(t, &t->conf, why) : rc;
}

/* Another configuration; on error the former one stays in force. */
static inline int toy_fw_reload(struct toy_fw *t, const char *text, struct weir_why *why)
{
	struct toy_fw_conf fresh;
	int rc = toy_fw_load(text, strlen(text), &fresh, why);

	if (rc < 0)
		return rc;
	rc = toy_fw_apply(t, &fresh, why);
	if (rc < 0) {
		weir_conf_free(&toy_fw_schema, &fresh);
		return rc;
	}
	weir_conf_free(&toy_fw_schema, &t->conf);
	t->conf = fresh;
	return 0;
}

static inline void toy_fw_close(struct toy_fw *t)
{
	weir_policy_release(t->l3.policy);
	fw_free(t->run.fw);
	if (t->run.conf != NULL)
		weir_conf_free(&toy_fw_schema, &t->conf);
	memset(t, 0, sizeof(*t));
}
