#pragma once
#include "base/calendar.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "daemon/jobs.h"
#include <limits.h>
#include <sys/queue.h>
/*
 * Jobs from the inside: jobs.c has their life and their times, jobs_run.c one run, jobs_state.c what
 * is kept and shown of them.
 */
enum {               /* frames of job_role; lists are a number and that many fields */
	JOB_RUN = 1, /* to it: time limit in microseconds, list of words, list of the environment */
	JOB_STARTED, /* from it: the process, which leads a group of its own */
	JOB_ENDED, /* from it: why it was not run or "", timeout, code, signal, cut, output, errors */
};
enum job_state { JOB_IDLE = 0, JOB_WAITING, JOB_RUNNING };

struct job {
	TAILQ_ENTRY(job) link;
	struct jobs *all; /* borrowed */
	/* as configured */
	char *name, *title, *schedule, *after, *database;
	char **argv;
	struct calendar *calendar; /* NULL: not by the calendar */
	int64_t every_us, limit_us;
	bool at_start;
	/* kept: what time is accounted for (wall), and the last run */
	int64_t base_us;
	bool began;           /* a run is on its way, or was when the daemon ended */
	unsigned interrupted; /* in a row */
	struct job_last last;
	char *message; /* owned, of last */
	json_t *answer;
	/* now */
	enum job_state state;
	int64_t next_us;  /* wall; 0: none */
	int64_t waits_us; /* since then, monotonic */
	int64_t begun_us; /* of the run on its way, wall */
	unsigned again;   /* at_start: how often it was tried again */
	bool gone;        /* left the configuration while it ran */
	const char *lane; /* while it runs: the server, owned by lane_name */
	char *lane_name;
	pid_t program;          /* its group; 0: none */
	struct worker_job *job; /* borrowed; while it runs */
	struct str said;        /* the frame JOB_ENDED */
};
TAILQ_HEAD(job_list, job);

struct jobs {
	struct event_base *base; /* borrowed */
	char *config;            /* absolute, or NULL */
	struct jobs_callbacks on;
	void *arg;
	struct job_list list;
	struct map *by_name;  /* those that are not gone */
	struct map *restored; /* name -> JSON, owned; until jobs_start */
	struct worker_pool *pool;
	struct event *turn;
	int64_t offset_us; /* wall minus monotonic, when it was looked at last */
	unsigned running;
	bool started, stopping;
};

/* ---- jobs.c ---- */
void jobs_set_turn(struct jobs *, int64_t after_us);
/* When it is due next; at_once: what was missed may begin then. */
void job_schedule(struct job *, int64_t now_wall_us, int64_t at_once_us);
struct job *jobs_find(const struct jobs *, const char *name);
struct job *job_free(struct job *);

/* ---- jobs_run.c ---- */
bool job_has_room(const struct job *);
void job_begin(struct job *);
/* It ended: called by jobs_run.c, once a run. */
void jobs_on_run_ended(struct job *);
void job_ask_to_end(const struct job *, int sig);

/* ---- jobs_state.c ---- */
void job_keep(const struct job *);
void job_restore(struct job *, const char *json);
void job_set_last(
    struct job *, enum job_result, int code, const char *message, json_t *take_answer);
bool job_result_is_bad(enum job_result);
