/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replay: a fuzz target without a fuzzer. Gives every file of the named folders, in the order of
 * their names, to the target, so that what a fuzzer once found stays mended under any compiler.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exactly as long as the file, so that a sanitizer sees a read past its end. */
static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	long size = -1;
	int rc = -1;

	if (f != NULL && fseek(f, 0, SEEK_END) == 0)
		size = ftell(f);
	if (size >= 0)
		data = malloc(size > 0 ? (size_t)size : 1);
	if (data != NULL) {
		rewind(f);
		if (fread(data, 1, (size_t)size, f) == (size_t)size)
			rc = LLVMFuzzerTestOneInput(data, (size_t)size);
	}
	if (rc < 0)
		fprintf(stderr, "%s: cannot be replayed: %s\n", path, strerror(errno));
	free(data);
	if (f != NULL)
		fclose(f);
	return rc;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Returns how many files there were, or -1. */
static int replay_folder(const char *folder)
{
	struct dirent **entries;
	const int n = scandir(folder, &entries, is_visible, alphasort);
	int rc = n;

	if (n < 0) {
		fprintf(stderr, "%s: cannot be listed: %s\n", folder, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (rc >= 0 && replay_file(path) < 0)
			rc = -1;
		free(entries[i]);
	}
	free(entries);
	return rc;
}

int main(int argc, char **argv)
{
	int files = 0;

	for (int i = 1; i < argc; i++) {
		const int n = replay_folder(argv[i]);

		if (n < 0)
			return 1;
		files += n;
	}
	printf("%d files replayed\n", files);
	return files > 0 ? 0 : 1; /* an empty corpus tests nothing */
}
