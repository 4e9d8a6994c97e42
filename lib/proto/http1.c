/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * HTTP/1 requests as RFC 9112 writes them, line by line.
 *
 * A line is read when all of it is there; of one that is not, it is kept how far it was looked at.
 * Lines are taken apart with struct word, whose `bad` sticks.
 */

#include <weir/http1.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Content-Length of at most so many digits, so that it fits. */
#define LENGTH_DIGITS 18

/* A piece of text that is taken from its beginning. */
struct word {
	const char *at, *end;
	bool bad;
};

static int refuse(struct weir_http1 *h, uint16_t status)
{
	h->status = status;
	return -EPROTO;
}

/* ---- kinds of bytes (RFC 9110 section 5.6.2, RFC 3986 section 3.2.2) ---- */

enum { TOKEN = 1, VISIBLE = 2, HOST = 4 };

#define ALNUM (TOKEN | VISIBLE | HOST)

static const uint8_t kinds[256] = {
	['!'] = ALNUM,		 ['"'] = VISIBLE,	 ['#'] = TOKEN | VISIBLE,
	['$'] = ALNUM,		 ['%'] = ALNUM,		 ['&'] = ALNUM,
	['\''] = ALNUM,		 ['('] = VISIBLE | HOST, [')'] = VISIBLE | HOST,
	['*'] = ALNUM,		 ['+'] = ALNUM,		 [','] = VISIBLE | HOST,
	['-'] = ALNUM,		 ['.'] = ALNUM,		 ['/'] = VISIBLE,
	['0' ... '9'] = ALNUM,	 [':'] = VISIBLE | HOST, [';'] = VISIBLE | HOST,
	['<'] = VISIBLE,	 ['='] = VISIBLE | HOST, ['>'] = VISIBLE,
	['?'] = VISIBLE,	 ['@'] = VISIBLE,	 ['A' ... 'Z'] = ALNUM,
	['['] = VISIBLE | HOST,	 ['\\'] = VISIBLE,	 [']'] = VISIBLE | HOST,
	['^'] = TOKEN | VISIBLE, ['_'] = ALNUM,		 ['`'] = TOKEN | VISIBLE,
	['a' ... 'z'] = ALNUM,	 ['{'] = VISIBLE,	 ['|'] = TOKEN | VISIBLE,
	['}'] = VISIBLE,	 ['~'] = ALNUM,
};

static bool is_kind(char c, uint8_t kind)
{
	return kinds[(uint8_t)c] & kind;
}

static size_t left(const struct word *w)
{
	return (size_t)(w->end - w->at);
}

/* The bytes up to @stop, which is passed over; bad if it is not there. */
static struct word take_until(struct word *w, char stop)
{
	const char *found = w->bad ? NULL : memchr(w->at, stop, left(w));
	struct word taken = {w->at, w->at, true};

	if (found == NULL) {
		w->bad = true;
		return taken;
	}
	taken = (struct word){w->at, found, false};
	w->at = found + 1;
	return taken;
}

/* All of it is of one kind, and there is some. */
static bool is_all(const struct word *w, uint8_t kind)
{
	for (const char *c = w->at; c < w->end; c++)
		if (!is_kind(*c, kind))
			return false;
	return !w->bad && w->at < w->end;
}

static bool is_same(const struct word *w, const char *text)
{
	return left(w) == strlen(text) && memcmp(w->at, text, left(w)) == 0;
}

/* Whatever the case of its letters. */
static bool is_called(const struct word *w, const char *text)
{
	return left(w) == strlen(text) && strncasecmp(w->at, text, left(w)) == 0;
}

static struct weir_http1_part part_of(const char *head, const struct word *w)
{
	return (struct weir_http1_part){(uint32_t)(w->at - head), (uint32_t)left(w)};
}

/* ---- the request line (RFC 9112 section 3) ---- */

static const char *const methods[] = {
	[WEIR_HTTP1_GET] = "GET",	  [WEIR_HTTP1_HEAD] = "HEAD",
	[WEIR_HTTP1_POST] = "POST",	  [WEIR_HTTP1_PUT] = "PUT",
	[WEIR_HTTP1_DELETE] = "DELETE",	  [WEIR_HTTP1_CONNECT] = "CONNECT",
	[WEIR_HTTP1_OPTIONS] = "OPTIONS", [WEIR_HTTP1_TRACE] = "TRACE",
	[WEIR_HTTP1_PATCH] = "PATCH",	  [WEIR_HTTP1_OTHER] = "other",
};

const char *weir_http1_method_name(enum weir_http1_method method)
{
	return (unsigned)method <= WEIR_HTTP1_OTHER ? methods[method] : "?";
}

static enum weir_http1_method method_of(const struct word *w)
{
	for (unsigned m = WEIR_HTTP1_GET; m < WEIR_HTTP1_OTHER; m++)
		if (is_same(w, methods[m]))
			return (enum weir_http1_method)m;
	return WEIR_HTTP1_OTHER;
}

/* "HTTP/1.1". A major version of another kind is understood, but not spoken. */
static int read_version(struct weir_http1 *h, const struct word *w)
{
	if (left(w) != 8 || memcmp(w->at, "HTTP/", 5) != 0 || w->at[6] != '.' || w->at[5] < '0' ||
	    w->at[5] > '9' || w->at[7] < '0' || w->at[7] > '9')
		return refuse(h, 400);
	if (w->at[5] != '1')
		return refuse(h, 505);
	h->minor = w->at[7] > '0';
	return 0;
}

static void set_path(struct weir_http1 *h, const char *head, struct word path)
{
	const char *mark = memchr(path.at, '?', left(&path));

	if (mark != NULL) {
		h->query = part_of(head, &(struct word){mark + 1, path.end, false});
		path.end = mark;
	}
	h->path = part_of(head, &path);
}

/* "http://host/path": the host is that of the request, whatever the field says (section 3.2.2). */
static int read_absolute(struct weir_http1 *h, const char *head, struct word w)
{
	struct word host;

	w.at += strlen("http://");
	host = (struct word){w.at, w.at, false};
	while (host.end < w.end && *host.end != '/' && *host.end != '?')
		host.end++;
	if (!is_all(&host, HOST))
		return refuse(h, 400);
	h->host = part_of(head, &host);
	set_path(h, head, (struct word){host.end, w.end, false});
	return 0;
}

/* The four forms of section 3.2. */
static int read_target(struct weir_http1 *h, const char *head, const struct word *w)
{
	if (!is_all(w, VISIBLE) || memchr(w->at, '#', left(w)) != NULL)
		return refuse(h, 400);
	h->target = part_of(head, w);
	if (h->method == WEIR_HTTP1_CONNECT) {
		h->host = h->target;
		return is_all(w, HOST) ? 0 : refuse(h, 400);
	}
	if (*w->at == '/' || (h->method == WEIR_HTTP1_OPTIONS && is_same(w, "*"))) {
		set_path(h, head, *w);
		return 0;
	}
	if (left(w) > 7 && strncasecmp(w->at, "http://", 7) == 0)
		return read_absolute(h, head, *w);
	return refuse(h, 400);
}

static int read_request_line(struct weir_http1 *h, const char *head, struct word line)
{
	const struct word method = take_until(&line, ' ');
	const struct word target = take_until(&line, ' ');
	int rc;

	if (line.bad || !is_all(&method, TOKEN))
		return refuse(h, 400);
	h->method = method_of(&method);
	/* First the version: another one may have other rules. */
	rc = read_version(h, &line);
	if (rc == 0)
		rc = read_target(h, head, &target);
	h->has_request_line = rc == 0;
	return rc;
}

/* ---- fields (section 5) ---- */

static struct word trimmed(struct word w)
{
	while (w.at < w.end && (*w.at == ' ' || *w.at == '\t'))
		w.at++;
	while (w.end > w.at && (w.end[-1] == ' ' || w.end[-1] == '\t'))
		w.end--;
	return w;
}

/* The next of a list (RFC 9110 section 5.6.1); false: there is none. */
static bool next_of_list(struct word *list, struct word *item)
{
	while (list->at < list->end) {
		const char *comma = memchr(list->at, ',', left(list));
		const char *end = comma == NULL ? list->end : comma;

		*item = trimmed((struct word){list->at, end, false});
		list->at = comma == NULL ? end : comma + 1;
		if (item->at < item->end)
			return true;
	}
	return false;
}

static int read_host(struct weir_http1 *h, const char *head, const struct word *w)
{
	if (h->has_host || (w->at < w->end && !is_all(w, HOST)))
		return refuse(h, 400);
	h->has_host = true;
	if (h->host.bytes == 0)
		h->host = part_of(head, w);
	return 0;
}

/* RFC 9110 section 8.6. One value alone, though a list of equal ones might be taken. */
static int read_length(struct weir_http1 *h, const struct word *w)
{
	uint64_t n = 0;

	if (h->has_length || left(w) == 0 || left(w) > LENGTH_DIGITS)
		return refuse(h, 400);
	for (const char *c = w->at; c < w->end; c++) {
		if (*c < '0' || *c > '9')
			return refuse(h, 400);
		n = n * 10 + (uint64_t)(*c - '0');
	}
	h->has_length = true;
	h->body_bytes = n;
	return 0;
}

/* Section 6.1: chunked, and nothing else that we could not undo. */
static int read_coding(struct weir_http1 *h, const struct word *w)
{
	if (h->has_coding || h->minor == 0)
		return refuse(h, 400);
	h->has_coding = true;
	h->chunked = is_called(w, "chunked");
	return h->chunked ? 0 : refuse(h, 501);
}

static void read_connection(struct weir_http1 *h, struct word list)
{
	struct word item;

	while (next_of_list(&list, &item)) {
		h->wants_close |= is_called(&item, "close");
		h->wants_keep_alive |= is_called(&item, "keep-alive");
	}
}

static int read_expect(struct weir_http1 *h, const struct word *w)
{
	if (!is_called(w, "100-continue"))
		return refuse(h, 417);
	h->expects_continue = h->minor > 0;
	return 0;
}

/* Text, blanks and what is not ASCII; no control characters (section 5.5). */
static bool is_value(const struct word *w)
{
	for (const char *c = w->at; c < w->end; c++)
		if (((uint8_t)*c < ' ' && *c != '\t') || *c == 0x7f)
			return false;
	return true;
}

static int read_field(struct weir_http1 *h, const struct weir_http1_limits *limits,
		      const char *head, struct word line)
{
	const struct word name = take_until(&line, ':');
	const struct word value = trimmed(line);

	if (h->fields == limits->fields)
		return refuse(h, 431);
	h->fields++;
	/* No blank in a name: neither a folded line nor one before the colon (section 5.1, 5.2). */
	if (line.bad || !is_all(&name, TOKEN) || !is_value(&value))
		return refuse(h, 400);
	if (is_called(&name, "Host"))
		return read_host(h, head, &value);
	if (is_called(&name, "Content-Length"))
		return read_length(h, &value);
	if (is_called(&name, "Transfer-Encoding"))
		return read_coding(h, &value);
	if (is_called(&name, "Expect"))
		return read_expect(h, &value);
	if (is_called(&name, "Connection"))
		read_connection(h, value);
	return 0;
}

/* All fields are read: do they go together? */
static int end_head(struct weir_http1 *h)
{
	if (h->minor > 0 && !h->has_host)
		return refuse(h, 400); /* section 3.2 */
	if (h->has_length && h->has_coding)
		return refuse(h, 400); /* section 6.1: smuggled, most likely */
	h->keep_alive = !h->wants_close && (h->minor > 0 || h->wants_keep_alive);
	return 0;
}

/* ---- lines ---- */

/* A line of the head, without its end. 0: the head ends here; 1: it goes on. */
static int read_line(struct weir_http1 *h, const struct weir_http1_limits *limits, const char *head,
		     struct word line)
{
	int rc;

	if (line.at == line.end && h->has_request_line)
		return end_head(h);
	/* Section 2.2: an empty line before a request is passed over, once. */
	if (line.at == line.end)
		return line.at == head ? 1 : refuse(h, 400);
	rc = h->has_request_line ? read_field(h, limits, head, line)
				 : read_request_line(h, head, line);
	return rc < 0 ? rc : 1;
}

/* What has come is longer than it may be, and not at its end. */
static int check_size(struct weir_http1 *h, const struct weir_http1_limits *limits, size_t bytes)
{
	if (!h->has_request_line && bytes > limits->line_bytes)
		return refuse(h, 414);
	return bytes >= limits->head_bytes ? refuse(h, 431) : -EAGAIN;
}

int64_t weir_http1_read(struct weir_http1 *h, const struct weir_http1_limits *limits, const void *p,
			size_t bytes)
{
	const char *head = p;
	const size_t looked = bytes < limits->head_bytes ? bytes : limits->head_bytes;

	while (h->line_at + h->seen < looked) {
		const char *from = head + h->line_at + h->seen;
		const char *lf = memchr(from, '\n', looked - h->line_at - h->seen);
		struct word line = {head + h->line_at, lf, false};
		int rc;

		if (lf == NULL) {
			h->seen = (uint32_t)(looked - h->line_at);
			break;
		}
		if (!h->has_request_line && (size_t)(lf + 1 - head) > limits->line_bytes)
			return refuse(h, 414);
		if (lf == line.at || lf[-1] != '\r')
			return refuse(h, 400);
		line.end--;
		h->line_at = (uint32_t)(lf + 1 - head);
		h->seen = 0;
		rc = read_line(h, limits, head, line);
		if (rc <= 0)
			return rc < 0 ? rc : (int64_t)h->line_at;
	}
	return check_size(h, limits, bytes);
}

/* ---- paths ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A byte as it was meant; negative: it cannot be. */
static int decoded(struct word *w)
{
	const char c = *w->at++;
	int high, low;

	if (c != '%')
		return c == '\0' ? -EPROTO : (uint8_t)c;
	if (left(w) < 2)
		return -EPROTO;
	high = hex(w->at[0]);
	low = hex(w->at[1]);
	w->at += 2;
	return high < 0 || low < 0 || (high | low) == 0 ? -EPROTO : high << 4 | low;
}

/* Behind a whole segment that ends at @n: back over it if it is "." or with the one before "..". */
static size_t without_dots(const char *out, size_t n)
{
	size_t from = n;

	while (out[from - 1] != '/')
		from--;
	if (n - from == 1 && out[from] == '.')
		return from;
	if (n - from != 2 || out[from] != '.' || out[from + 1] != '.')
		return n;
	for (from--; from > 0 && out[from - 1] != '/'; from--)
		;
	return from > 0 ? from : 1;
}

int64_t weir_http1_path(const char *path, size_t bytes, char *out)
{
	struct word w = {path, path + bytes, false};
	size_t n = 0;

	if (bytes == 0 || *path != '/')
		return -EPROTO;
	while (w.at < w.end) {
		const int c = decoded(&w);

		if (c < 0)
			return c;
		if (c == '/' && n > 0)
			n = without_dots(out, n);
		if (c != '/' || n == 0 || out[n - 1] != '/')
			out[n++] = (char)c; /* several slashes are one */
	}
	n = without_dots(out, n);
	out[n] = '\0';
	return (int64_t)n;
}
