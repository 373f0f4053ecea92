#pragma once
#include "daemon/http.h"
#include "monitor/monitor.h"
/*
 * GET /v1/status: built in slices, shared by all who ask meanwhile, and kept for a moment, longer
 * the dearer it was.
 */
struct status_page;
/* own: more members of `daemon`, in an object that is taken. */
struct status_page *status_page_new(
    struct event_base *, const struct monitor *, json_t *(*own)(void *arg), void *arg) _must_check_;
/* Nobody may be waiting for an answer: the requests are gone before. */
struct status_page *status_page_free(struct status_page *);
/* Replies now or soon. */
void status_page_serve(struct status_page *, struct http_request *);
/* What was told, or is being written, may not be so any more: who asks from now on is told anew. */
void status_page_changed(struct status_page *);
