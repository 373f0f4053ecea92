#pragma once
#include "base/err.h"
#include "worker/sandbox.h"
#include <event2/event.h>
#include <sys/types.h>
/*
 * Processes for whatever may block.  A worker is this same program, re-executed by posix_spawn with
 * `--worker ROLE` over a socketpair (descriptor 3; stdin is /dev/null, stdout is stderr, nothing
 * else is inherited), in its own process group, with NOTIFY_SOCKET, DB_* and other secrets unset,
 * RLIMIT_CORE 0, RLIMIT_AS of its role, no new privileges and the death signal of its parent.
 * Frames are {uint32 length, uint32 type} in host order and a payload of at most
 * WORKER_FRAME_MAX bytes; a frame of a type the role does not know is fatal to the worker.  Type 0
 * is ours: the end of a job.
 */
#define WORKER_FRAME_MAX ((size_t)1 << 20)

/* ---- in the worker ---- */
struct worker_role {
	const char *name;
	size_t address_space; /* RLIMIT_AS in bytes; 0: unlimited (always so under a sanitizer) */
	bool idle_io;         /* ioprio idle */
	bool credentials; /* keeps CREDENTIALS_DIRECTORY, PGPASSWORD, PGPASSFILE, DATABASE_URL */
	/*
	 * Serves one job: reads no frames itself; answers by worker_send.  Nonzero: fatal.  A NUL
	 * follows the payload, which is not counted in len.
	 */
	int (*serve)(uint32_t type, const char *payload, size_t len);
	int (*begin)(void); /* once, may be NULL; nonzero: fatal */
	/*
	 * From then on: no sockets, programs or other processes, and of files so much.  A kernel
	 * without filters goes without.
	 */
	enum sandbox sandbox;
};
/* The table of roles, NULL-terminated; defined by each program that spawns workers. */
extern const struct worker_role *const worker_roles[];
/* NULL, or what this kernel lacks to confine those that ask for it. */
const char *worker_confinement_missing(void);
/* First thing in main(): when argv asks for a worker, becomes it and never returns. */
void worker_main_if_asked(int argc, char **argv);
/*
 * From serve(); blocks until the parent takes it.  -EPIPE when the parent is gone, -EMSGSIZE,
 * -EINVAL for type 0.
 */
int worker_send(uint32_t type, const void *payload, size_t len);

/* ---- in the loop ---- */
struct worker_pool;
struct worker_job;
struct worker_limits {
	unsigned processes; /* at most so many at once */
	unsigned queue;     /* jobs waiting; more are refused with -EAGAIN */
	bool keep;          /* workers stay for the next job; else one job each */
	unsigned jobs;      /* of kept ones: so many, then another takes over; 0: no end */
};
enum worker_end {
	WORKER_DONE = 0,  /* serve() returned 0 */
	WORKER_FAILED,    /* serve() returned nonzero, or the process could not be made */
	WORKER_TIMEOUT,   /* killed at the deadline, or waited too long in the queue */
	WORKER_CRASHED,   /* ended by a signal not ours; err names it */
	WORKER_CANCELLED, /* pool freed or job cancelled */
	WORKER_END_N
};
/*
 * Both called from the loop only (worker_pool_free ends jobs at once).  payload is borrowed.
 * on_end is called exactly once, last; err is NULL for WORKER_DONE.  A callback may submit, cancel
 * another job or free the pool.
 */
typedef void (*worker_message_fn)(uint32_t type, const char *payload, size_t len, void *arg);
typedef void (*worker_end_fn)(enum worker_end, const struct err *, void *arg);

/* -ENOENT: worker_roles has no such role; -EINVAL: limits of 0. */
int worker_pool_new(struct event_base *, const char *role, const struct worker_limits *,
    struct worker_pool **ret, struct err *) _must_check_;
/*
 * Kills its processes and reaps them; jobs end CANCELLED.  Waits at most half a second in all for
 * processes that do not die (hung in the kernel).
 */
struct worker_pool *worker_pool_free(struct worker_pool *);
/*
 * payload is copied.  The deadline counts from the moment a process takes the job (0: none),
 * wait_us how long it may queue before that (0: as long as it takes).  -EAGAIN queue full,
 * -EMSGSIZE, -EINVAL for type 0.  on_message and ret may be NULL; the job is valid until on_end.
 */
int worker_submit(struct worker_pool *, uint32_t type, const void *payload, size_t len,
    int64_t deadline_us, int64_t wait_us, worker_message_fn, worker_end_fn, void *arg,
    struct worker_job **ret) _must_check_;
void worker_cancel(struct worker_job *); /* on_end comes with WORKER_CANCELLED, from the loop */
/* Kept workers that have nothing to do leave. */
void worker_pool_rest(struct worker_pool *);
size_t worker_pool_queued(const struct worker_pool *);
size_t worker_pool_processes(const struct worker_pool *); /* alive, also those being killed */
pid_t worker_job_pid(const struct worker_job *);          /* 0 while queued */
