#pragma once
#include "base/err.h"
#include "worker/worker.h"
#include <event2/event.h>
#include <jansson.h>
/*
 * What the daemon has done at its times: commands of our own (`dbhealth backup create ...`), each a
 * process behind a worker that waits for it, so that the loop does not, and that ends it at its limit
 * with all it started.  The daemon itself holds no rights to change anything.  At most JOBS_AT_ONCE
 * run, and one on a server; the others wait.  A time that passed while the daemon was away is made up
 * once.  What the last run said is kept over restarts.
 */
#define JOBS_AT_ONCE 2
#define JOBS_MAX     4096
#define JOBS_AGAIN   4
#define JOB_NAME_MAX 300
struct exposition;
struct jobs;

/* A job is due by one of schedule, every_us, after and at_start; with none, only when asked for. */
struct job_spec {
	/*
	 * Unique, up to JOB_NAME_MAX bytes: "backup/nightly/orders".  What stands before the first
	 * slash is its family (jobs_configure).
	 */
	const char *name;
	const char *title;    /* for people: "backup of orders" */
	const char *schedule; /* calendar expression (base/calendar.h) */
	int64_t every_us; /* so long after it began last; first so long after it was configured */
	const char *
	    after; /* name of a job: when that one ended well, and with every_us at most so often */
	bool at_start; /* in each life of the daemon; where it fails, up to JOBS_AGAIN times more */
	/*
	 * Behind the program: { "backup", "create", "orders", NULL }; "-c FILE -o json" is added.
	 * It exits 0 when all is well, 75 while another one runs (it is tried again), and prints an
	 * object with "ok" and "message".
	 */
	char *const *argv;
	const char
	    *database;    /* on whose server no other job may run at the same time; NULL, "": any */
	int64_t limit_us; /* 0: JOBS_LIMIT_US */
};
#define JOBS_LIMIT_US INT64_C(21600000000)

enum job_result {
	JOB_NEVER = 0,   /* no run is known */
	JOB_OK,          /* exit 0 */
	JOB_FAILED,      /* it said no, or could not be run */
	JOB_TIMEOUT,     /* ended at its limit */
	JOB_INTERRUPTED, /* the daemon ended while it ran */
	JOB_BUSY,        /* another one runs: tried again soon */
	JOB_RESULT_N
};
extern const char *const job_result_names[JOB_RESULT_N]; /* never ok failed timeout ... */
struct job_last {
	enum job_result result;
	int64_t started_us, ended_us; /* wall; 0: never */
	int64_t ok_us;                /* wall: end of the last run that was ok; 0: none */
	unsigned failures;            /* in a row */
	int exit_code;                /* -1: none */
	const char *message;          /* "": none; one line as it was said, not made safe to show */
	const json_t *answer;         /* what it printed; NULL: no JSON, or too much of it */
};
struct jobs_callbacks {
	/* A row of kind "job" to be kept; json NULL: forget it. */
	void (*on_state)(const char *name, const char *json, void *arg);
	/* A run ended (not of JOB_BUSY).  May configure, not free. */
	void (*on_ended)(const char *name, const struct job_last *, void *arg);
	/* The server of a database; borrowed, NULL: not known yet. */
	const char *(*server_of)(const char *database, void *arg);
};
/* config: the daemon's own file, or NULL: the command takes its default. */
struct jobs *jobs_new(
    struct event_base *, const char *config, const struct jobs_callbacks *, void *arg) _must_check_;
/* What still runs is killed.  Returns NULL. */
struct jobs *jobs_free(struct jobs *);
/* What the store kept, before jobs_start. */
void jobs_restore(struct jobs *, const char *name, const char *json);
/* From now on jobs run.  What was kept of jobs that nobody configured until then is forgotten. */
void jobs_start(struct jobs *);
/*
 * All the jobs of a family, in place of those it had; specs are copied.  Those that stay keep what is
 * known of them, one that left while it runs is ended.  -EINVAL: a schedule or name that is none, or
 * too many: nothing changed.
 */
int jobs_configure(struct jobs *, const char *family, const struct job_spec *, size_t n,
    struct err *) _must_check_;
/* As soon as there is room.  -ENOENT no such job, -EALREADY it runs or waits for its turn. */
int jobs_run_now(struct jobs *, const char *name);
/* False: no such job. */
bool jobs_last(const struct jobs *, const char *name, struct job_last *ret);
/* Wall; 0: not by the clock. */
int64_t jobs_next_us(const struct jobs *, const char *name);
/* The answer of GET /v1/jobs (docs/schema/jobs.json); name NULL: all, else NULL if there is none. */
json_t *jobs_json(const struct jobs *, const char *name) _must_check_;
void jobs_add_metrics(const struct jobs *, struct exposition *);
/* For the end: nothing new begins, what runs is asked to end; the loop runs until it has, or the
 * deadline (monotonic) has passed. */
void jobs_flush(struct jobs *, int64_t deadline_us);

/* Of `--worker job`: runs one. */
extern const struct worker_role job_role;
