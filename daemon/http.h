#pragma once
#include "base/err.h"
#include <event2/event.h>
/*
 * HTTP/1.1 on a stream socket, on libevent's listener and bufferevents.  libevent's own evhttp has
 * no limit of connections, no total time for a request or an answer, and gives no hook before a
 * request is complete (2.1), so the little protocol that the API needs is read here; its URI and
 * percent decoding are evhttp's.
 *
 * Every connection has at most one request at a time.  Limits are hard: what comes too slowly, is
 * too large or does not read its answer is cut.
 */
struct http_server;
struct http_request; /* lives until replied to */

struct http_limits {
	unsigned clients;   /* connections at once; more wait in the backlog */
	int64_t request_us; /* from accept, or from the last answer, to a complete request */
	int64_t drain_us;   /* from the answer to its last byte taken */
	size_t header_bytes, body_bytes;
};
extern const struct http_limits http_limits_default;

/* A text shared by answers: kept until the last of them is sent. */
struct http_body;
struct http_body *http_body_new(char *take_text, size_t len) _must_check_;
struct http_body *http_body_ref(struct http_body *);
struct http_body *http_body_unref(struct http_body *); /* returns NULL */

/* A complete request.  Must be replied to, now or later from the loop. */
typedef void (*http_handler_fn)(struct http_request *, void *arg);

/* Takes the listening socket.  SIGPIPE becomes ignored in the process. */
/* From now on; those beyond it end as they would. */
void http_server_set_clients(struct http_server *, unsigned clients);
int http_server_new(struct event_base *, int take_listen_fd, const struct http_limits *,
    http_handler_fn, void *arg, struct http_server **ret, struct err *) _must_check_;
/* Who may connect at all: others are closed at once.  Asked anew for each. */
void http_server_set_admission(
    struct http_server *, bool (*admit)(const struct sockaddr *, void *arg), void *arg);
/* Cuts every connection; requests not replied to are gone without notice. */
struct http_server *http_server_free(struct http_server *);
/* No new connections; those that are open end with their answer. */
void http_server_pause(struct http_server *);
size_t http_server_connections(const struct http_server *);
struct http_stats {
	size_t connections; /* now */
	uint64_t requests;  /* complete ones */
	uint64_t refused;   /* what was no request */
	uint64_t full;      /* times that nobody more was let in */
	uint64_t timeouts;  /* cut: too slow to ask or to read */
};
struct http_stats http_server_stats(const struct http_server *);

const char *http_request_method(const struct http_request *);
const char *http_request_target(const struct http_request *);        /* as sent, without fragment */
const char *http_request_host(const struct http_request *);          /* NULL: not told */
bool http_request_is_old(const struct http_request *);               /* HTTP/1.0 */
const char *http_request_accept(const struct http_request *);        /* NULL: not told */
const char *http_request_last_event_id(const struct http_request *); /* NULL: not told */
/* What was sent with it, a NUL behind; NULL: nothing. */
const char *http_request_body(const struct http_request *, size_t *ret_len);
int http_request_socket(const struct http_request *); /* for credentials */
/* An opaque word of the handler's, NULL at first. */
void *http_request_arg(const struct http_request *);
/* on_gone: the client hung up before the reply; the request must still be replied to. */
void http_request_set_arg(struct http_request *, void *arg, void (*on_gone)(struct http_request *));

/* extra: whole header lines, each ending in CRLF, or NULL.  Consumes one reference of body. */
void http_reply(
    struct http_request *, int code, const char *type, const char *extra, struct http_body *body);
/* The error shape of the API: {"error":{"code","message"}}. */
void http_reply_error(struct http_request *, int code, const char *extra, const char *fmt, ...)
    _printf_(4, 5);

/*
 * An answer without an end: the head is sent now, text as it comes.  From here on on_gone is called
 * whenever the connection goes, and the request is gone after it; who does not read is cut after HTTP_STREAM_STUCK_US.  on_drained: all was taken that was written.
 */
#define HTTP_STREAM_STUCK_US (INT64_C(10) * 1000000)
void http_stream_begin(struct http_request *, const char *type,
    void (*on_gone)(struct http_request *), void (*on_drained)(struct http_request *));
void http_stream_write(struct http_request *, const char *, size_t);
size_t http_stream_unread(const struct http_request *); /* bytes that wait for the client */
