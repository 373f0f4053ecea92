#pragma once
#include "daemon/http.h"
#include "daemon/http_parse.h"
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <sys/queue.h>
/*
 * A connection from the inside: http.c reads and keeps the limits, http_answer.c writes an answer
 * that is whole, http_stream.c one that goes on.
 */
enum conn_state {
	CONN_READING = 0, /* a request, until request_us */
	CONN_HANDLING,    /* the handler has it */
	CONN_WRITING,     /* the answer, until drain_us */
	CONN_STREAMING,   /* the answer goes on */
	CONN_LINGERING,   /* answered and closed our side; what still comes is dropped */
};

struct http_request {
	struct http_conn *conn;
	struct http_head head;
	void *arg;
	void (*on_gone)(struct http_request *);
	void (*on_drained)(struct http_request *); /* of a stream; or NULL */
};

/* Owned by the server's list; freed by conn_free only, never inside its own reply. */
struct http_conn {
	TAILQ_ENTRY(http_conn) entry;
	struct http_server *server; /* borrowed */
	struct bufferevent *bev;
	struct event *timer;
	enum conn_state state;
	int64_t reading_since_us;
	bool close_after; /* the protocol or we want it closed after this answer */
	bool eof;         /* the client will send no more */
	bool continued;   /* 100 Continue was sent for this request */
	size_t lingered;
	unsigned served;
	struct http_request request;
};

struct http_server {
	struct event_base *base; /* borrowed */
	struct evconnlistener *listener;
	struct event *retry;
	struct http_limits limits;
	http_handler_fn handler;
	void *arg;
	TAILQ_HEAD(, http_conn) conns; /* oldest use first */
	size_t nconns;
	bool paused, full;
	struct http_stats stats;
	bool (*admit)(const struct sockaddr *, void *arg); /* NULL: everybody */
	void *admit_arg;
	int64_t problem_logged_us;
};

void http_conn_arm(struct http_conn *, int64_t us);
void http_conn_free(struct http_conn *);
