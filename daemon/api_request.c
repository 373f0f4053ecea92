/*
 * What a request asks for.  Segments are decoded after they were cut, so an encoded slash stays
 * inside its name; what does not decode to text is refused.
 */
#include "daemon/api_request.h"

#include "base/str.h"
#include "base/text.h"

#include <ctype.h>
#include <event2/http.h>

void
api_request_done(struct api_request *q)
{
	for (size_t i = 0; i < q->nsegments; i++)
		free(q->segments[i]);
	for (size_t i = 0; i < q->nkeys; i++) {
		free(q->keys[i].name);
		free(q->keys[i].value);
	}
	*q = (struct api_request){ 0 };
}

/* The decoded text, or NULL: a `%` without two digits, NUL, bytes that are no UTF-8, too long. */
static char *
decode(const char *s, size_t len, bool plus)
{
	_cleanup_free_ char *raw = xstrndup(s, len), *text = NULL, *clean = NULL;
	size_t size = 0;

	if (len > TEXT_MAX_BYTES)
		return NULL;
	for (const char *p = raw; (p = strchr(p, '%')); p++)
		if (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]))
			return NULL;
	text = evhttp_uridecode(raw, plus, &size);
	if (!text || strlen(text) != size)
		return NULL;
	clean = text_from_peer(text, size, TEXT_MAX_BYTES);
	return streq(clean, text) ? TAKE_PTR(text) : NULL;
}

static int
parse_path(const char *path, size_t len, struct api_request *q, struct err *e)
{
	const char *end = path + len;

	while (path < end) {
		size_t n = strcspn(path, "/?");
		char *segment;

		if (q->nsegments == API_SEGMENTS_MAX)
			return err_set(
			    e, -E2BIG, "the path has more than %d parts", API_SEGMENTS_MAX);
		segment = decode(path, MIN(n, (size_t)(end - path)), false);
		if (!segment)
			return err_set(e, -EINVAL, "the path does not decode to text");
		q->segments[q->nsegments++] = segment;
		path += n + 1;
	}
	return 0;
}

static int
parse_query(const char *query, struct api_request *q, struct err *e)
{
	while (*query) {
		size_t n = strcspn(query, "&"), name = strcspn(query, "=&");

		if (n > 0) {
			const char *value = name < n ? query + name + 1 : "";
			char *k = decode(query, name, true);
			char *v = decode(value, name < n ? n - name - 1 : 0, true);

			if (!k || !v || q->nkeys == API_KEYS_MAX || api_request_get(q, k)) {
				free(k);
				free(v);
				return err_set(e, -EINVAL,
				    "the query has a key twice, too many keys or what is no text");
			}
			q->keys[q->nkeys].name = k;
			q->keys[q->nkeys++].value = v;
		}
		query += n;
		query += *query == '&';
	}
	return 0;
}

int
api_request_parse(const char *target, struct api_request *q, struct err *e)
{
	const char *query;
	int r;

	if (str_starts(target, "http://")) {
		target += strlen("http://");
		target += strcspn(target, "/?");
	}
	if (*target != '/')
		return err_set(e, -EINVAL, "the target is no path");
	target++;
	query = strchr(target, '?');
	r = parse_path(target, query ? (size_t)(query - target) : strlen(target), q, e);
	return r < 0 || !query ? r : parse_query(query + 1, q, e);
}

const char *
api_request_get(const struct api_request *q, const char *key)
{
	for (size_t i = 0; i < q->nkeys; i++)
		if (streq(q->keys[i].name, key))
			return q->keys[i].value;
	return NULL;
}

bool
api_request_matches(const struct api_request *q, const char *pattern)
{
	size_t i = 0;

	for (const char *p = pattern; *p;) {
		size_t n = strcspn(p, "/");

		if (i == q->nsegments)
			return false;
		if (n == 1 && *p == '*'
		        ? *q->segments[i] == '\0'
		        : strlen(q->segments[i]) != n || memcmp(q->segments[i], p, n) != 0)
			return false;
		i++;
		p += n;
		p += *p == '/';
	}
	return i == q->nsegments;
}
