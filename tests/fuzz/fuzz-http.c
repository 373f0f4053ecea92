/*
 * HTTP requests.  One delivery, a byte at a time and pieces of any size must be read the same, to
 * the last byte left over; what two readers could take differently must have been refused.
 * Input: a byte that says how to cut, then what the client sends.
 */
#include "base/str.h"
#include "daemon/api_request.h"
#include "daemon/http_parse.h"
#include "fuzz.h"

#include <ctype.h>

#define HEADER_MAX   ((size_t)1 << 10)
#define BODY_MAX     ((size_t)4 << 10)
#define REQUESTS_MAX 16

struct seen {
	int result[REQUESTS_MAX];
	char *method[REQUESTS_MAX], *target[REQUESTS_MAX];
	bool keep_alive[REQUESTS_MAX], expects_continue[REQUESTS_MAX];
	size_t n, taken; /* taken: bytes of the input that became requests */
};

static void
seen_done(struct seen *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->method[i]);
		free(s->target[i]);
	}
}

/* The next piece's size; 0 cut: all at once; 1: bytes; else by a small generator. */
static size_t
piece(unsigned cut, uint32_t *state, size_t left)
{
	if (cut == 0)
		return left;
	*state = *state * 1103515245u + 12345u;
	return MIN(left, cut == 1 ? (size_t)1 : (size_t)1 + (*state >> 16) % cut);
}

static void
deliver(struct fuzz_in in, unsigned cut, struct seen *s)
{
	struct evbuffer *buffer = evbuffer_new();
	struct http_head head = { 0 };
	const char *why = NULL;
	uint32_t state = cut;
	size_t total = in.left;
	int r = 0;

	while (in.left > 0 && r >= 0 && s->n < REQUESTS_MAX) {
		size_t n = piece(cut, &state, in.left);

		evbuffer_add(buffer, in.p, n);
		in.p += n;
		in.left -= n;
		while (s->n < REQUESTS_MAX &&
		       (r = http_head_read(&head, buffer, HEADER_MAX, BODY_MAX, &why)) != 0) {
			s->result[s->n] = r;
			s->method[s->n] = TAKE_PTR(head.method);
			s->target[s->n] = TAKE_PTR(head.target);
			s->expects_continue[s->n] = head.expects_continue;
			s->keep_alive[s->n++] = head.keep_alive;
			CHECK(r > 0 || why);
			if (r < 0)
				break;
			s->taken = total - in.left - evbuffer_get_length(buffer);
			http_head_done(&head);
		}
	}
	http_head_done(&head);
	evbuffer_free(buffer);
}

static void
check_request(const char *target)
{
	struct api_request q = { 0 };
	struct err e = { 0 };
	int r = api_request_parse(target, &q, &e);

	CHECK(r == 0 || *e.msg);
	CHECK(q.nsegments <= API_SEGMENTS_MAX && q.nkeys <= API_KEYS_MAX);
	for (size_t i = 0; i < q.nsegments; i++)
		check_utf8(q.segments[i]);
	for (size_t i = 0; i < q.nkeys; i++) {
		check_utf8(q.keys[i].name);
		check_utf8(q.keys[i].value);
		CHECK(api_request_get(&q, q.keys[i].name) == q.keys[i].value);
	}
	(void)api_request_matches(&q, "v1/databases/*/health");
	api_request_done(&q);
}

/*
 * A second, plain reader of what was accepted whole: at the byte where ours says that the request
 * ended, it must have ended by its own one Content-Length too.
 */
static void
check_not_smuggled(const char *p, size_t len)
{
	_cleanup_free_ char *text = xstrndup(p, len);
	char *start = text + strspn(text, "\r\n"), *line = start;
	char *end = strstr(line, "\r\n\r\n");
	unsigned lengths = 0;
	size_t body = 0;

	CHECK(end);
	for (char *next; line < end; line = next + 2) {
		next = strstr(line, "\r\n");
		for (const char *c = line; c < next; c++)
			CHECK_SHOW(*c != '\r' && *c != '\n', text);
		CHECK_SHOW(!isblank((unsigned char)*line), text); /* no folding */
		CHECK_SHOW(
		    line == start || !isblank((unsigned char)*(strchrnul(line, ':') - 1)), text);
		if (strncasecmp(line, "content-length:", 15) == 0) {
			body = strtoul(line + 15, NULL, 10);
			lengths++;
		}
		CHECK_SHOW(strncasecmp(line, "transfer-encoding:", 18) != 0, text);
	}
	CHECK_SHOW(lengths <= 1, text);
	CHECK_SHOW(strlen(text) < len || (size_t)(end + 4 - text) + body == len, text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = fuzz_in(data, size);
	unsigned cut = 2 + fuzz_byte(&in);
	struct seen whole = { 0 }, bytes = { 0 }, pieces = { 0 };
	const struct seen *others[] = { &bytes, &pieces };

	deliver(in, 0, &whole);
	deliver(in, 1, &bytes);
	deliver(in, cut, &pieces);
	for (size_t k = 0; k < ARRAY_SIZE(others); k++) {
		const struct seen *o = others[k];

		CHECK(o->n == whole.n && o->taken == whole.taken);
		for (size_t i = 0; i < whole.n; i++) {
			CHECK(o->result[i] == whole.result[i]);
			if (whole.result[i] < 0)
				continue;
			CHECK(streq(o->method[i], whole.method[i]));
			CHECK(streq(o->target[i], whole.target[i]));
			CHECK(o->keep_alive[i] == whole.keep_alive[i]);
			CHECK(o->expects_continue[i] == whole.expects_continue[i]);
		}
	}
	for (size_t i = 0; i < whole.n; i++)
		if (whole.result[i] > 0)
			check_request(whole.target[i]);
	if (whole.n == 1 && whole.result[0] > 0)
		check_not_smuggled(in.p, whole.taken);
	seen_done(&whole);
	seen_done(&bytes);
	seen_done(&pieces);
	return 0;
}
