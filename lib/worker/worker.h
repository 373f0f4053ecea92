#pragma once
#include "base/err.h"
#include <event2/event.h>
/*
 * Processes for whatever may block.  A worker is this same program, re-executed by posix_spawn with
 * `--worker ROLE` over a socketpair (descriptor 3), in its own process group, with NOTIFY_SOCKET
 * and DB_* unset, RLIMIT_CORE 0, RLIMIT_AS of its role and the death signal of its parent.
 * Frames are {uint32 length, uint32 type} in host order and a payload of at most
 * WORKER_FRAME_MAX bytes; a frame of a type the role does not know is fatal to the worker.
 */
#define WORKER_FRAME_MAX ((size_t)1 << 20)

/* ---- in the worker ---- */
struct worker_role {
	const char *name;
	size_t address_space;      /* RLIMIT_AS in bytes; 0: unlimited */
	bool idle_io;              /* ioprio idle */
	/* Serves one job: reads no frames itself; answers by worker_send.  Nonzero: fatal. */
	int (*serve)(uint32_t type, const char *payload, size_t len);
	int (*begin)(void);        /* once, may be NULL */
};
/* The table of roles, NULL-terminated; defined by each program that spawns workers. */
extern const struct worker_role *const worker_roles[];
/* First thing in main(): when argv asks for a worker, becomes it and never returns. */
void worker_main_if_asked(int argc, char **argv);
/* From serve(); blocks until the parent takes it.  Negative errno when the parent is gone. */
int worker_send(uint32_t type, const void *payload, size_t len);

/* ---- in the loop ---- */
struct worker_pool;
struct worker_job;
struct worker_limits {
	unsigned processes;    /* at most so many at once */
	unsigned queue;        /* jobs waiting; more are refused with -EAGAIN */
	bool keep;             /* workers stay for the next job; else one job each */
};
enum worker_end {
	WORKER_DONE = 0,  /* serve() returned 0 */
	WORKER_FAILED,    /* serve() returned nonzero, or the process could not be made */
	WORKER_TIMEOUT,   /* killed at the deadline */
	WORKER_CRASHED,   /* ended by a signal not ours */
	WORKER_CANCELLED, /* pool freed or job cancelled */
};
/* Both called from the loop only.  payload is borrowed.  on_end is called exactly once, last. */
typedef void (*worker_message_fn)(uint32_t type, const char *payload, size_t len, void *arg);
typedef void (*worker_end_fn)(enum worker_end, const struct err *, void *arg);

int worker_pool_new(struct event_base *, const char *role, const struct worker_limits *,
    struct worker_pool **ret, struct err *) _must_check_;
/* Kills its processes and reaps them; jobs end CANCELLED. */
struct worker_pool *worker_pool_free(struct worker_pool *);
/*
 * payload is copied.  The deadline counts from the moment a process takes the job, wait_us how
 * long it may queue before that (0: as long as it takes).  -EAGAIN queue full, -EMSGSIZE.
 */
int worker_submit(struct worker_pool *, uint32_t type, const void *payload, size_t len,
    int64_t deadline_us, int64_t wait_us, worker_message_fn, worker_end_fn, void *arg,
    struct worker_job **ret) _must_check_;
void worker_cancel(struct worker_job *); /* on_end comes with WORKER_CANCELLED, from the loop */
size_t worker_pool_queued(const struct worker_pool *);
pid_t worker_job_pid(const struct worker_job *); /* 0 while queued */
