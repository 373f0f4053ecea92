#pragma once
#include "daemon/http.h"
/*
 * Server-sent events: the log of events to clients that listen.  A slow one is
 * served at its pace; one that was cut goes on from the number that it read last.
 */
struct event_log;
struct event_streams;
struct event_filter { /* NULL: any; see store_query */
	const char *database, *server, *check, *finding, *kind;
};
struct event_streams *event_streams_new(struct event_base *, struct event_log *) _must_check_;
struct event_streams *event_streams_free(struct event_streams *);
#define EVENT_STREAMS_MAX 16
size_t event_streams_count(const struct event_streams *);
/* after: of Last-Event-ID, NULL: from now on, or since that time (wall) when since_us is set. */
void event_stream_begin(struct event_streams *, struct http_request *, const struct event_filter *,
    const uint64_t *after, int64_t since_us);
