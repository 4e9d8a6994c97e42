/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf_text: files and characters. Takes a path or bytes; says whether they are text that YAML can
 * hold, and where not, so that libyaml never sees anything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_priv.h"
#include "utf8_priv.h"

#define READ_FIRST_BYTES (UINT64_C(64) << 10)

/* YAML 1.1, c-printable, but U+0085, U+2028 and U+2029, which would be line ends. */
bool conf_may_stand(uint32_t c)
{
	if (c < 0xa0)
		return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0x7e);
	return c != 0x2028 && c != 0x2029 && c != 0xfeff && c != 0xfffe && c != 0xffff;
}

int conf_text_check(struct weir_why *why, const char *source, const char *text, size_t len)
{
	const char *at = text, *end = text + len;
	uint32_t line = 1, c;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		at += 3; /* a byte order mark */
	while (at < end) {
		const unsigned size = utf8_next(at, (size_t)(end - at), &c);

		if (size == 0)
			return weir_conf_fail(why, source, line,
					      "byte 0x%02x is not UTF-8, must be UTF-8 text",
					      (unsigned char)*at);
		if (c == 0)
			return weir_conf_fail(why, source, line,
					      "a NUL byte is in the text, must be UTF-8 text");
		if (!conf_may_stand(c))
			return weir_conf_fail(
				why, source, line,
				"the control character U+%04X is in the text, must be "
				"without",
				c);
		at += size;
		line += c == '\n';
	}
	return 0;
}

/* Read until the end into a buffer that doubles; one byte more than allowed tells too large. */
static int read_all(int fd, char **text, size_t *len)
{
	size_t room = 0;

	for (;;) {
		ssize_t got;

		if (*len == room) {
			char *more;

			room = room == 0 ? READ_FIRST_BYTES : room * 2;
			more = realloc(*text, room);
			if (more == NULL)
				return -ENOMEM;
			*text = more;
		}
		got = read(fd, *text + *len, room - *len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : 0;
		*len += (size_t)got;
		if (*len > WEIR_CONF_FILE_MAX)
			return -EFBIG;
	}
}

int conf_too_large(struct weir_why *why, const char *source)
{
	weir_conf_fail(why, source, 0, "the file is too large, must be at most 64MiB");
	return -EFBIG;
}

int conf_text_read(struct weir_why *why, const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	*text = NULL;
	*len = 0;
	if (fd < 0) {
		rc = -errno;
	} else {
		rc = read_all(fd, text, len);
		close(fd);
	}
	if (rc == 0)
		return 0;
	free(*text);
	*text = NULL;
	if (rc == -ENOMEM)
		return conf_no_memory(why, path);
	if (rc == -EFBIG)
		return conf_too_large(why, path);
	weir_conf_fail(why, path, 0, "the file cannot be read: %s", strerrordesc_np(-rc));
	return rc;
}
