/* Answers that go on: events as they come. */
#include "base/clock.h"
#include "daemon/http_private.h"

#include <event2/buffer.h>

void
http_stream_begin(struct http_request *r, const char *type, void (*on_gone)(struct http_request *),
    void (*on_drained)(struct http_request *))
{
	static const struct timeval stuck = { .tv_sec = HTTP_STREAM_STUCK_US / USEC_PER_SEC };
	struct http_conn *c = r->conn;

	assert(c->state == CONN_HANDLING);
	evbuffer_add_printf(bufferevent_get_output(c->bev),
	    "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
	    "Connection: close\r\n\r\n",
	    type);
	c->state = CONN_STREAMING;
	c->close_after = true;
	r->on_gone = on_gone;
	r->on_drained = on_drained;
	event_del(c->timer);
	evbuffer_drain(bufferevent_get_input(c->bev), SIZE_MAX);
	bufferevent_set_timeouts(c->bev, NULL, &stuck);
}

void
http_stream_write(struct http_request *r, const char *s, size_t len)
{
	assert(r->conn->state == CONN_STREAMING);
	bufferevent_write(r->conn->bev, s, len);
}

size_t
http_stream_unread(const struct http_request *r)
{
	return evbuffer_get_length(bufferevent_get_output(r->conn->bev));
}
