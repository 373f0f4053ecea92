#pragma once
#include "daemon/http.h"
#include "monitor/monitor.h"
#include "report/metrics.h"
/*
 * GET /metrics: built at most once a second and in slices, shared by all who ask meanwhile, and
 * forgotten soon after.
 */
struct metrics_page;
/* own: families that are not the monitor's, added first. */
struct metrics_page *metrics_page_new(struct event_base *, const struct monitor *,
    void (*own)(struct exposition *, void *arg), void *arg) _must_check_;
/* Nobody may be waiting for an answer: the requests are gone before. */
struct metrics_page *metrics_page_free(struct metrics_page *);
/* Replies now or soon. */
void metrics_page_serve(struct metrics_page *, struct http_request *);
/* After a reload: what is being built is begun anew, what was built is forgotten. */
void metrics_page_anew(struct metrics_page *);
