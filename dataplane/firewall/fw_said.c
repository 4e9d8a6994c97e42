/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a part of the configuration says, as a number: what says the same after a reload is kept.
 * FNV-1a, for nobody attacks his own configuration.
 */

#include "fw_priv.h"

#include <string.h>
#include <sys/stat.h>

uint64_t fw_said(uint64_t said, const void *data, size_t bytes)
{
	const uint8_t *at = data;

	while (bytes-- > 0)
		said = (said ^ *at++) * UINT64_C(0x100000001b3);
	return said;
}

uint64_t fw_said_text(uint64_t said, const char *text)
{
	return text == NULL ? fw_said(said, "\1", 2) : fw_said(said, text, strlen(text) + 1);
}

uint64_t fw_said_words(uint64_t said, const struct weir_conf_list *words)
{
	char *const *word;

	said = fw_said(said, &words->n, sizeof(words->n));
	weir_conf_each (word, words)
		said = fw_said_text(said, *word);
	return said;
}

uint64_t fw_said_file(uint64_t said, const char *path)
{
	struct stat st;

	said = fw_said_text(said, path);
	if (path == NULL || stat(path, &st) < 0)
		return said;
	said = fw_said(said, &st.st_size, sizeof(st.st_size));
	said = fw_said(said, &st.st_ino, sizeof(st.st_ino));
	said = fw_said(said, &st.st_mtim.tv_sec, sizeof(st.st_mtim.tv_sec));
	return fw_said(said, &st.st_mtim.tv_nsec, sizeof(st.st_mtim.tv_nsec));
}
