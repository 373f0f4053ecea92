#pragma once
/*
 * A pool of workers from the inside: jobs (pool.c) and the processes they run in (process.c).
 * Private to lib/worker.
 */
#include "base/clock.h"
#include "worker/worker.h"

#include <event2/event.h>
#include <signal.h>
#include <sys/queue.h>

enum worker_job_state { JOB_QUEUED, JOB_RUNNING, JOB_ENDING };
enum worker_proc_state { PROC_IDLE, PROC_BUSY, PROC_ENDING };

struct worker_job {
	TAILQ_ENTRY(worker_job) link; /* in queue or ended; not while it has a process */
	struct worker_pool *pool;     /* borrowed */
	struct worker_proc *proc;     /* borrowed; NULL unless a process has it */
	enum worker_job_state state;
	enum worker_end end; /* what it ends with, once JOB_ENDING */
	struct err err;
	int64_t deadline_us;
	struct event *timer; /* the wait in the queue, then the deadline */
	worker_message_fn on_message;
	worker_end_fn on_end;
	void *arg;
	size_t sent, len; /* of out */
	char *out;        /* head and payload */
};

struct worker_proc {
	TAILQ_ENTRY(worker_proc) link;
	struct worker_pool *pool; /* borrowed */
	struct worker_job *job;   /* owned while PROC_BUSY or while its end is awaited */
	enum worker_proc_state state;
	pid_t pid;
	unsigned jobs; /* done */
	int pidfd, fd;
	bool closed; /* its stream is over, or nobody listens any more */
	bool dead;   /* reaped; status says how */
	bool killed;
	bool hung; /* killed, yet there after GRACE_US */
	siginfo_t status;
	char *fatal_call; /* that its filter ended it for; NULL: not known */
	struct event *readable, *writable, *exited, *grace, *again;
	struct evbuffer *in;
};

TAILQ_HEAD(worker_job_list, worker_job);
TAILQ_HEAD(worker_proc_list, worker_proc);

struct worker_pool {
	struct event_base *base;        /* borrowed */
	const struct worker_role *role; /* borrowed */
	struct worker_limits limits;
	struct worker_job_list queue, ended;
	size_t queued;
	struct worker_proc_list procs;
	size_t alive, hung;
	struct event *turn; /* starts queued jobs, ends cancelled ones */
	unsigned depth;     /* callbacks of ours on the stack */
	bool freed;         /* memory goes when depth is 0 again */
};

static inline struct timeval
timeval_of(int64_t us)
{
	return (struct timeval){ .tv_sec = us / USEC_PER_SEC, .tv_usec = us % USEC_PER_SEC };
}

/* ---- pool.c ---- */
/* Around every callback of libevent: a pool that one of ours freed goes when the last has returned. */
void worker_pool_enter(struct worker_pool *);
void worker_pool_leave(struct worker_pool *);
void worker_pool_wake(struct worker_pool *); /* looks at the queue in the loop's next turn */
/* The only way out of a job, which is on no list and has no process any more. */
void worker_job_finish(struct worker_job *, enum worker_end, const struct err *);
void worker_job_unqueue(struct worker_job *);
/* Decides how a job ends; on_end comes when its process is gone, or from the loop's next turn. */
void worker_job_end(struct worker_job *, enum worker_end);

/* ---- process.c ---- */
/* How long a killed process, or one asked to leave, may take before we go on without it. */
#define GRACE_US (500 * USEC_PER_MSEC)

int worker_proc_new(struct worker_pool *, struct worker_proc **ret, struct err *);
void worker_proc_free(struct worker_proc *);
void worker_proc_start_job(struct worker_proc *, struct worker_job *); /* takes it off the queue */
void worker_proc_kill(struct worker_proc *);
void worker_proc_dismiss(struct worker_proc *); /* it has no job */
bool worker_proc_reap(struct worker_proc *);    /* false: not yet; else dead, status says how */
