#pragma once
#include "daemon/api.h"
#include "daemon/api_request.h"
#include "daemon/http.h"
#include <sys/queue.h>
#include <sys/stat.h>
/*
 * What the files of the API share: api.c lets in and finds the route, api_read.c answers what only
 * reads, api_write.c what makes a run or acknowledges, api_answer.c makes and keeps the answers.
 */
#define API_CACHE_ENTRIES 8
#define API_RETRY_AFTER   "Retry-After: 1\r\n"

struct metrics_page;
struct exposition;
struct wait;

struct api_cached {
	char *target;
	struct http_body *body;
	int64_t until_us;
};

struct api {
	struct event_base *base; /* borrowed, as the next two */
	struct monitor *monitor;
	const struct conf *conf;
	struct http_server *http;
	struct api_tcp *tcp; /* NULL: not listening there */
	struct metrics_page *metrics;
	void (*more_metrics)(struct exposition *, void *arg); /* of our owner; or NULL */
	void *more_metrics_arg;
	char *path; /* of the socket, when the file is ours to remove */
	dev_t device;
	ino_t inode;
	bool has_admin;
	gid_t admin_gid;
	void (*queues_fn)(void *, struct api_queues *);
	void *queues_arg;
	struct api_cached cache[API_CACHE_ENTRIES];
	TAILQ_HEAD(, wait) waits;
	unsigned nwaits;
};

/* api_answer.c */
void api_reply(struct http_request *, int code, const char *extra, json_t *take);
/* True when a fresh answer to the same words was there. */
bool api_reply_cached(struct api *, struct http_request *);
/* An answer that many ask for: made once and kept for a moment, longer the dearer it was. */
void api_reply_and_keep(struct api *, struct http_request *, int64_t began_us, json_t *take);
void api_reply_no_database(struct http_request *, const char *name);

/* The calls.  Each answers the request, now or later. */
/* api_read.c */
void api_get_status(struct api *, struct http_request *, const struct api_request *);
void api_get_database(struct api *, struct http_request *, const struct api_request *);
void api_get_health(struct api *, struct http_request *, const struct api_request *);
void api_get_findings(struct api *, struct http_request *, const struct api_request *);
void api_get_checks(struct api *, struct http_request *, const struct api_request *);
void api_get_check(struct api *, struct http_request *, const struct api_request *);
void api_get_healthz(struct api *, struct http_request *, const struct api_request *);
void api_get_readyz(struct api *, struct http_request *, const struct api_request *);
void api_get_metrics(struct api *, struct http_request *, const struct api_request *);
/* api_baseline.c */
void api_get_baseline(struct api *, struct http_request *, const struct api_request *);
void api_post_baseline(struct api *, struct http_request *, const struct api_request *);
void api_delete_baseline(struct api *, struct http_request *, const struct api_request *);
/* api_write.c */
void api_post_run(struct api *, struct http_request *, const struct api_request *);
void api_post_ack(struct api *, struct http_request *, const struct api_request *);
void api_waits_end(struct api *); /* unanswered: the server goes */
