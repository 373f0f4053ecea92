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
struct event_log;
struct event_list;
struct evidence_wait;
struct event_streams;
struct status_page;
struct exposition;
struct history_wait;
struct jobs;
struct recorder;
struct statements_wait;
struct upkeep;
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
	struct status_page *status;
	void (*more_metrics)(struct exposition *, void *arg); /* of our owner; or NULL */
	void *more_metrics_arg;
	char *path; /* of the socket, when the file is ours to remove */
	dev_t device;
	ino_t inode;
	bool has_admin;
	gid_t admin_gid;
	void (*queues_fn)(void *, struct api_queues *);
	void *queues_arg;
	struct event_log *events; /* borrowed; NULL: none */
	struct event_streams *streams;
	TAILQ_HEAD(, event_list) event_lists;
	TAILQ_HEAD(, evidence_wait) evidence_waits;
	struct api_cached cache[API_CACHE_ENTRIES];
	struct jobs *jobs;         /* borrowed; NULL: none */
	struct recorder *recorder; /* borrowed; NULL: not yet */
	struct upkeep *upkeep;     /* the same */
	TAILQ_HEAD(, history_wait) history_waits;
	TAILQ_HEAD(, statements_wait) statements_waits;
	unsigned nstatements_waits;
	TAILQ_HEAD(, wait) waits;
	unsigned nwaits;
};

/* api_answer.c */
void api_reply(struct http_request *, int code, const char *extra, json_t *take);
/* True when a fresh answer to the same words was there. */
bool api_reply_cached(struct api *, struct http_request *);
/* An answer that many ask for: made once and kept for a moment, longer the dearer it was. */
void api_reply_and_keep(struct api *, struct http_request *, int64_t began_us, json_t *take);
/* The key `limit`, 1 to max; left as it is where it is not given.  False: an answer was given. */
bool api_parse_limit(struct http_request *, const struct api_request *, size_t max, size_t *limit);
void api_reply_no_database(struct http_request *, const char *name);

/* The calls.  Each answers the request, now or later. */
/* api_read.c */
json_t *api_own_status(void *arg); /* of the API, for `daemon` in the status */
void api_get_status(struct api *, struct http_request *, const struct api_request *);
void api_get_database(struct api *, struct http_request *, const struct api_request *);
void api_get_health(struct api *, struct http_request *, const struct api_request *);
void api_get_findings(struct api *, struct http_request *, const struct api_request *);
void api_get_checks(struct api *, struct http_request *, const struct api_request *);
void api_get_check(struct api *, struct http_request *, const struct api_request *);
void api_get_healthz(struct api *, struct http_request *, const struct api_request *);
void api_get_readyz(struct api *, struct http_request *, const struct api_request *);
void api_get_metrics(struct api *, struct http_request *, const struct api_request *);
void api_get_cost(struct api *, struct http_request *, const struct api_request *);
/* api_baseline.c */
void api_get_baseline(struct api *, struct http_request *, const struct api_request *);
void api_post_baseline(struct api *, struct http_request *, const struct api_request *);
void api_delete_baseline(struct api *, struct http_request *, const struct api_request *);
/* api_checklist.c */
void api_get_checklist(struct api *, struct http_request *, const struct api_request *);
void api_post_checklist_done(struct api *, struct http_request *, const struct api_request *);
void api_delete_checklist_done(struct api *, struct http_request *, const struct api_request *);
/* api_events.c */
void api_get_events(struct api *, struct http_request *, const struct api_request *);
void api_event_lists_end(struct api *);
/* api_evidence.c */
void api_get_evidence(struct api *, struct http_request *, const struct api_request *);
void api_post_evidence(struct api *, struct http_request *, const struct api_request *);
void api_evidence_end(struct api *); /* unanswered: the server goes */
/* api.c: how many may be connected at once */
unsigned api_client_limit(const struct conf *);
/* api_history.c */
void api_get_history(struct api *, struct http_request *, const struct api_request *);
void api_history_end(struct api *); /* unanswered: the server goes */
/* api_jobs.c */
void api_get_jobs(struct api *, struct http_request *, const struct api_request *);
void api_get_job(struct api *, struct http_request *, const struct api_request *);
void api_post_job_run(struct api *, struct http_request *, const struct api_request *);
/* api_silence.c */
void api_get_silences(struct api *, struct http_request *, const struct api_request *);
void api_post_silence(struct api *, struct http_request *, const struct api_request *);
void api_delete_silence(struct api *, struct http_request *, const struct api_request *);
void api_get_accepts(struct api *, struct http_request *, const struct api_request *);
void api_post_accept(struct api *, struct http_request *, const struct api_request *);
void api_delete_accept(struct api *, struct http_request *, const struct api_request *);
void api_silence_metrics(struct exposition *, const struct monitor *);
/* api_statements.c */
void api_get_statements(struct api *, struct http_request *, const struct api_request *);
void api_statements_end(struct api *); /* unanswered: the server goes */
/* api_write.c */
void api_post_run(struct api *, struct http_request *, const struct api_request *);
void api_post_ack(struct api *, struct http_request *, const struct api_request *);
void api_waits_end(struct api *); /* unanswered: the server goes */
