/* A request as its handler sees it, and the answer that is written whole. */
#include "base/str.h"
#include "daemon/http_private.h"

#include <event2/buffer.h>

struct http_body {
	unsigned refs;
	char *text; /* owned */
	size_t len;
};

/* ---- bodies ---- */

struct http_body *
http_body_new(char *take_text, size_t len)
{
	struct http_body *b = xcalloc(1, sizeof(*b));

	b->refs = 1;
	b->text = take_text;
	b->len = len;
	return b;
}

struct http_body *
http_body_ref(struct http_body *b)
{
	b->refs++;
	return b;
}

struct http_body *
http_body_unref(struct http_body *b)
{
	if (b && --b->refs == 0) {
		free(b->text);
		free(b);
	}
	return NULL;
}

static void
on_body_sent(const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	http_body_unref(arg);
}

/* ---- requests ---- */

const char *
http_request_method(const struct http_request *r)
{
	return r->head.method;
}

const char *
http_request_target(const struct http_request *r)
{
	return r->head.target;
}

const char *
http_request_host(const struct http_request *r)
{
	return r->head.host;
}

bool
http_request_is_old(const struct http_request *r)
{
	return r->head.old;
}

const char *
http_request_accept(const struct http_request *r)
{
	return r->head.accept;
}

const char *
http_request_last_event_id(const struct http_request *r)
{
	return r->head.last_event_id;
}

const char *
http_request_body(const struct http_request *r, size_t *ret_len)
{
	*ret_len = r->head.body_bytes;
	return r->head.body;
}

int
http_request_socket(const struct http_request *r)
{
	return (int)bufferevent_getfd(r->conn->bev);
}

void *
http_request_arg(const struct http_request *r)
{
	return r->arg;
}

void
http_request_set_arg(struct http_request *r, void *arg, void (*on_gone)(struct http_request *))
{
	r->arg = arg;
	r->on_gone = on_gone;
}

static const char *
reason_phrase(int code)
{
	static const struct {
		int code;
		const char *text;
	} phrases[] = { { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" },
		{ 400, "Bad Request" }, { 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 409, "Conflict" }, { 413, "Content Too Large" },
		{ 429, "Too Many Requests" }, { 503, "Service Unavailable" } };

	for (size_t i = 0; i < ARRAY_SIZE(phrases); i++)
		if (phrases[i].code == code)
			return phrases[i].text;
	return "Error";
}

/* Nothing more can come behind this request. */
static bool
is_last(const struct http_conn *c)
{
	return c->eof && evbuffer_get_length(bufferevent_get_input(c->bev)) == 0;
}

void
http_reply(
    struct http_request *r, int code, const char *type, const char *extra, struct http_body *body)
{
	struct http_conn *c = r->conn;
	struct evbuffer *out = bufferevent_get_output(c->bev);
	bool head_only = r->head.method && streq(r->head.method, "HEAD");

	assert(c->state == CONN_HANDLING);
	if (c->server->paused || c->server->full || is_last(c))
		c->close_after = true;
	evbuffer_add_printf(out,
	    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	    "Cache-Control: no-store\r\nConnection: %s\r\n%s\r\n",
	    code, reason_phrase(code), type, body->len, c->close_after ? "close" : "keep-alive",
	    extra ? extra : "");
	if (head_only || body->len == 0)
		http_body_unref(body);
	else if (evbuffer_add_reference(out, body->text, body->len, on_body_sent, body) < 0)
		http_body_unref(body);
	c->state = CONN_WRITING;
	c->request.on_gone = NULL;
	http_conn_arm(c, c->server->limits.drain_us);
}
