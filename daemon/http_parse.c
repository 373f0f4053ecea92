/* One HTTP/1.x request out of a buffer, by RFC 9112 without its leniencies. */
#include "daemon/http_parse.h"

#include <ctype.h>

#define BLANKS_MAX 16 /* bytes */

void
http_head_done(struct http_head *h)
{
	free(h->method);
	free(h->target);
	free(h->host);
	free(h->accept);
	free(h->body);
	free(h->last_event_id);
	*h = (struct http_head){ 0 };
}

static bool
is_token(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("!#$%&'*+-.^_`|~", s[i]))
			return false;
	return len > 0;
}

static int
refuse(int code, const char *why, const char **ret_why)
{
	*ret_why = why;
	return -code;
}

/* "GET /v1/status HTTP/1.1" */
static int
parse_request_line(struct http_head *h, char *line, const char **ret_why)
{
	char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;

	if (!target || !version)
		return refuse(400, "no request line", ret_why);
	*target++ = '\0';
	*version++ = '\0';
	if (!is_token(line, strlen(line)) || strlen(line) > 32)
		return refuse(400, "no method", ret_why);
	for (const char *p = target; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			return refuse(
			    400, "the target holds a character that must be encoded", ret_why);
	if (*target == '\0')
		return refuse(400, "no target", ret_why);
	if (strncmp(version, "HTTP/", 5) != 0)
		return refuse(400, "no request line", ret_why);
	if (!streq(version, "HTTP/1.1") && !streq(version, "HTTP/1.0"))
		return refuse(400, "HTTP/1.1 is spoken here", ret_why);
	h->old = streq(version, "HTTP/1.0");
	h->keep_alive = !h->old;
	target[strcspn(target, "#")] = '\0';
	h->method = xstrdup(line);
	h->target = xstrdup(target);
	return 0;
}

static bool
has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (*list) {
		size_t len;

		list += strspn(list, " \t,");
		len = strcspn(list, ",");
		while (len > 0 && isblank((unsigned char)list[len - 1]))
			len--;
		if (len == n && strncasecmp(list, word, n) == 0)
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

struct seen {
	bool length;
	unsigned hosts;
};

static int
parse_length(struct http_head *h, const char *value, struct seen *seen, const char **ret_why)
{
	size_t n = 0;

	/* Two lengths, even equal ones, are how requests are smuggled. */
	if (seen->length || !*value || strlen(value) > 18)
		return refuse(400, "bad Content-Length", ret_why);
	for (const char *p = value; *p; p++) {
		if (!isdigit((unsigned char)*p))
			return refuse(400, "bad Content-Length", ret_why);
		n = n * 10 + (size_t)(*p - '0');
	}
	seen->length = true;
	h->body_bytes = n;
	return 0;
}

static void
take_accept(struct http_head *h, const char *value)
{
	char *all = h->accept ? xasprintf("%s, %s", h->accept, value) : xstrdup(value);

	free(h->accept);
	free(h->body);
	h->accept = all;
}

static int
parse_field(struct http_head *h, char *line, struct seen *seen, const char **ret_why)
{
	char *value = strchr(line, ':');
	size_t n;

	if (!value || !is_token(line, (size_t)(value - line)))
		return refuse(400, "bad header field", ret_why);
	*value++ = '\0';
	value += strspn(value, " \t");
	n = strlen(value);
	while (n > 0 && isblank((unsigned char)value[n - 1]))
		value[--n] = '\0';
	if (strcasecmp(line, "Content-Length") == 0)
		return parse_length(h, value, seen, ret_why);
	if (strcasecmp(line, "Transfer-Encoding") == 0)
		return refuse(400, "a request body needs a Content-Length", ret_why);
	if (strcasecmp(line, "Host") == 0) {
		seen->hosts++;
		free(h->host);
		h->host = xstrdup(value);
	} else if (strcasecmp(line, "Accept") == 0)
		take_accept(h, value);
	else if (strcasecmp(line, "Last-Event-ID") == 0) {
		free(h->last_event_id);
		h->last_event_id = xstrdup(value);
	} else if (strcasecmp(line, "Expect") == 0)
		h->expects_continue = has_word(value, "100-continue");
	else if (strcasecmp(line, "Connection") == 0 && has_word(value, "close"))
		h->keep_alive = false;
	else if (strcasecmp(line, "Connection") == 0 && has_word(value, "keep-alive"))
		h->keep_alive = true;
	return 0;
}

/* text ends with the empty line, which is left out. */
static int
parse_head(struct http_head *h, char *text, size_t len, const char **ret_why)
{
	struct seen seen = { 0 };
	bool first = true;
	char *save = NULL;
	int r;

	if (memchr(text, '\0', len))
		return refuse(400, "NUL in the head", ret_why);
	/* Lines end in CR LF and nowhere else: others may read a lone one differently. */
	for (size_t i = 0; i < len; i++)
		if ((text[i] == '\r' && text[i + 1] != '\n') ||
		    (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')))
			return refuse(400, "a lone CR or LF in the head", ret_why);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t n = strlen(line);

		if (n > 0 && line[n - 1] == '\r')
			line[n - 1] = '\0';
		r = first ? parse_request_line(h, line, ret_why)
		          : parse_field(h, line, &seen, ret_why);
		if (r < 0)
			return r;
		first = false;
	}
	if (first)
		return refuse(400, "no request line", ret_why);
	if (seen.hosts > 1)
		return refuse(400, "two Host fields", ret_why);
	return 0;
}

/* Where the head ends in the input: 1 and its length; 0 not yet; negative: too long. */
static int
find_end(struct http_head *h, struct evbuffer *in, size_t max_header, size_t *ret_len,
    const char **ret_why)
{
	size_t len = evbuffer_get_length(in), from = h->searched > 3 ? h->searched - 3 : 0;
	struct evbuffer_ptr start, end;

	if (from > 0 && evbuffer_ptr_set(in, &start, from, EVBUFFER_PTR_SET) < 0)
		from = 0;
	end = evbuffer_search(in, "\r\n\r\n", 4, from > 0 ? &start : NULL);
	if (end.pos < 0 ? len >= max_header : (size_t)end.pos + 4 > max_header)
		return refuse(413, "the head is over 16 KiB", ret_why);
	h->searched = len;
	*ret_len = end.pos < 0 ? 0 : (size_t)end.pos;
	return end.pos >= 0;
}

/* Empty lines before a request are left over from the last one; more of them are no request. */
static int
skip_blanks(struct http_head *h, struct evbuffer *in, const char **ret_why)
{
	char first;

	while (evbuffer_copyout(in, &first, 1) == 1 && (first == '\r' || first == '\n')) {
		if (++h->blanks > BLANKS_MAX)
			return refuse(400, "no request line", ret_why);
		evbuffer_drain(in, 1);
	}
	return 0;
}

int
http_head_read(struct http_head *h, struct evbuffer *in, size_t max_header, size_t max_body,
    const char **ret_why)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r;

	if (!h->parsed) {
		r = h->searched > 0 ? 0 : skip_blanks(h, in, ret_why);
		if (r < 0)
			return r;
		r = find_end(h, in, max_header, &len, ret_why);
		if (r <= 0)
			return r;
		text = xcalloc(1, len + 1);
		evbuffer_remove(in, text, len);
		evbuffer_drain(in, 4);
		r = parse_head(h, text, len, ret_why);
		if (r < 0)
			return r;
		if (h->body_bytes > max_body)
			return refuse(413, "the body is over 64 KiB", ret_why);
		h->parsed = true;
	}
	if (evbuffer_get_length(in) < h->body_bytes)
		return 0;
	if (h->body_bytes > 0) {
		h->body = xcalloc(1, h->body_bytes + 1);
		evbuffer_remove(in, h->body, h->body_bytes);
	}
	return 1;
}
