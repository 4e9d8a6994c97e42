/* SPDX-License-Identifier: BSD-3-Clause */

/* Which answer a request gets. */

#include "httpd_priv.h"

#include <string.h>

/* No file has a longer path. */
#define PATH_MOST 1024

/* "/bytes/N": false: it is not that, or more than may be asked for. */
static bool is_pattern(const struct httpd_worker *w, const char *path, size_t bytes, uint64_t *out)
{
	static const char prefix[] = "/bytes/";
	const size_t skip = sizeof(prefix) - 1;

	/* So many digits cannot overflow. */
	if (bytes <= skip || bytes > skip + 18 || memcmp(path, prefix, skip) != 0)
		return false;
	*out = 0;
	for (size_t i = skip; i < bytes; i++) {
		if (path[i] < '0' || path[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(path[i] - '0');
	}
	return *out <= w->conf->bytes;
}

static bool is(const char *path, size_t bytes, const char *what)
{
	return bytes == strlen(what) && memcmp(path, what, bytes) == 0;
}

/* NULL: there is nothing of that name. */
static const struct answer *find(const struct httpd_worker *w, const char *path, size_t bytes,
				 uint64_t *pattern_bytes)
{
	const struct answer *file = w->files == NULL ? NULL : files_find(w->files, path, bytes);

	if (file != NULL)
		return file;
	if (is_pattern(w, path, bytes, pattern_bytes))
		return &answer_pattern;
	if (is(path, bytes, "/health"))
		return &answer_health;
	return is(path, bytes, "/") ? &answer_root : NULL;
}

const struct answer *route(const struct httpd_worker *w, const struct weir_http1 *request,
			   const char *p, uint64_t *pattern_bytes)
{
	char path[PATH_MOST] = "/";
	const struct answer *found;
	int64_t n = 1;

	if (request->method == WEIR_HTTP1_OTHER)
		return answer_refusing(501);
	if (request->method == WEIR_HTTP1_CONNECT || request->method == WEIR_HTTP1_OPTIONS ||
	    request->method == WEIR_HTTP1_TRACE)
		return answer_refusing(405);
	if (request->path.bytes >= sizeof(path))
		return answer_refusing(404);
	if (request->path.bytes > 0) /* else of "http://host" */
		n = weir_http1_path(p + request->path.at, request->path.bytes, path);
	if (n < 0)
		return answer_refusing(400);
	found = find(w, path, (size_t)n, pattern_bytes);
	if (found == NULL)
		return answer_refusing(404);
	return request->method <= WEIR_HTTP1_HEAD ? found : answer_refusing(405);
}
