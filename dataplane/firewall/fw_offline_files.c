/* SPDX-License-Identifier: BSD-3-Clause */

/* Captures on the command line: which port each is of, and their packets in the order of time. */

#include "fw_offline_priv.h"

#include <errno.h>
#include <string.h>
#include <weir/meta.h>

/* The port of a name, or of the Linux interface that it is; WEIR_NO_PORT: none. */
static uint16_t find_port(const struct weir_app_conf *conf, const char *name, size_t bytes)
{
	const struct weir_app_port_conf *pc = conf->ports.items;

	for (uint16_t i = 0; i < conf->ports.n; i++)
		if (strlen(pc[i].name) == bytes && memcmp(pc[i].name, name, bytes) == 0)
			return i;
	for (uint16_t i = 0; i < conf->ports.n; i++)
		if (pc[i].interface != NULL && strlen(pc[i].interface) == bytes &&
		    memcmp(pc[i].interface, name, bytes) == 0)
			return i;
	return WEIR_NO_PORT;
}

/* What stands in front of "=". */
static int read_port(struct offline_file *f, const struct weir_app_conf *conf, const char *arg,
		     size_t bytes, struct weir_why *why)
{
	const char *at = memchr(arg, '@', bytes);
	const size_t name_bytes = at == NULL ? bytes : (size_t)(at - arg);

	f->port = find_port(conf, arg, name_bytes);
	if (f->port == WEIR_NO_PORT)
		return weir_why(why, -EINVAL, "--offline %s: no port is called %.*s", arg,
				(int)name_bytes, arg);
	if (at == NULL)
		return 0;
	f->has_mac = true;
	if (weir_mac_parse(at + 1, bytes - name_bytes - 1, &f->mac) < 0)
		return weir_why(why, -EINVAL, "--offline %s: %.*s is no MAC address", arg,
				(int)(bytes - name_bytes - 1), at + 1);
	return 0;
}

int offline_files_add(struct offline_files *f, const struct weir_app_conf *conf, const char *arg,
		      struct weir_why *why)
{
	const char *equals = strchr(arg, '=');
	struct offline_file *file = &f->file[f->n];

	if (f->n == OFFLINE_FILES_MAX)
		return weir_why(why, -EINVAL, "--offline: more than %d files", OFFLINE_FILES_MAX);
	*file = (struct offline_file){.path = equals == NULL ? arg : equals + 1,
				      .port = WEIR_NO_PORT};
	f->n++;
	return equals == NULL ? 0 : read_port(file, conf, arg, (size_t)(equals - arg), why);
}

int offline_file_step(struct offline_file *f, struct weir_why *why)
{
	const int rc = weir_pcap_next(f->reader, &f->next, why);

	f->more = rc == 1;
	return rc < 0 ? rc : 0;
}

int offline_files_open(struct offline_files *f, struct weir_why *why)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < f->n; i++) {
		rc = weir_pcap_open(f->file[i].path, &f->file[i].reader, why);
		if (rc == 0)
			rc = offline_file_step(&f->file[i], why);
	}
	return rc;
}

void offline_files_close(struct offline_files *f)
{
	for (unsigned i = 0; i < f->n; i++)
		weir_pcap_close(f->file[i].reader);
	f->n = 0;
}

struct offline_file *offline_files_first(struct offline_files *f)
{
	struct offline_file *first = NULL;

	for (unsigned i = 0; i < f->n; i++)
		if (f->file[i].more &&
		    (first == NULL || f->file[i].next.time_ns < first->next.time_ns))
			first = &f->file[i];
	return first;
}

int offline_file_port(const struct offline_file *f, const struct weir_app_conf *conf,
		      uint16_t *port, struct weir_why *why)
{
	const char *name = f->next.interface;

	*port = f->port;
	if (*port == WEIR_NO_PORT)
		*port = find_port(conf, name, strlen(name));
	if (*port != WEIR_NO_PORT)
		return 0;
	if (name[0] == '\0')
		return weir_why(why, -ENODEV,
				"%s: it does not say by which interface its packets came: give the "
				"port with --offline PORT=%s",
				f->path, f->path);
	return weir_why(why, -ENODEV,
			"%s: at byte %llu: a packet of interface %s, which is no port: give the "
			"port with --offline PORT=%s",
			f->path, (unsigned long long)f->next.offset, name, f->path);
}
