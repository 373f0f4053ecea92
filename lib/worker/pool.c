/*
 * The loop's side: a bounded queue before a bounded number of worker processes, each killed at its
 * job's deadline and replaced.  A process ends twice, by the end of its stream and by its exit, in
 * either order; both meet in proc_settle.
 */
#include "base/clock.h"
#include "base/log.h"
#include "worker/frame.h"
#include "worker/worker.h"

#include <event2/buffer.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>

#ifndef TAILQ_FOREACH_SAFE
#define TAILQ_FOREACH_SAFE(var, head, field, next)                                                 \
	for ((var) = TAILQ_FIRST(head); (var) && ((next) = TAILQ_NEXT(var, field), 1);             \
	     (var) = (next))
#endif

/* How long a killed process, or one asked to leave, may take before we go on without it. */
#define GRACE_US (500 * USEC_PER_MSEC)
/* Killed and still there: asleep in the kernel on a dead mount.  More of them are not made. */
#define HUNG_MAX     8
#define READ_AT_ONCE ((size_t)64 << 10)
#define READS_A_TURN 8

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_ENDING };
enum proc_state { PROC_IDLE, PROC_BUSY, PROC_ENDING };

struct worker_job {
	TAILQ_ENTRY(worker_job) link; /* in queue or ended; not while it has a process */
	struct worker_pool *pool;     /* borrowed */
	struct proc *proc;            /* borrowed; NULL unless a process has it */
	enum job_state state;
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

struct proc {
	TAILQ_ENTRY(proc) link;
	struct worker_pool *pool; /* borrowed */
	struct worker_job *job;   /* owned while PROC_BUSY or while its end is awaited */
	enum proc_state state;
	pid_t pid;
	int pidfd, fd;
	bool closed; /* its stream is over, or nobody listens any more */
	bool dead;   /* reaped; status says how */
	bool killed;
	bool hung; /* killed, yet there after GRACE_US */
	siginfo_t status;
	struct event *readable, *writable, *exited, *grace;
	struct evbuffer *in;
};

TAILQ_HEAD(job_list, worker_job);
TAILQ_HEAD(proc_list, proc);

struct worker_pool {
	struct event_base *base;        /* borrowed */
	const struct worker_role *role; /* borrowed */
	struct worker_limits limits;
	struct job_list queue, ended;
	size_t queued;
	struct proc_list procs;
	size_t alive, hung;
	struct event *turn; /* starts queued jobs, ends cancelled ones */
	unsigned depth;     /* callbacks of ours on the stack */
	bool freed;         /* memory goes when depth is 0 again */
};

static void pool_destroy(struct worker_pool *);

static void
pool_enter(struct worker_pool *pool)
{
	pool->depth++;
}

static void
pool_leave(struct worker_pool *pool)
{
	assert(pool->depth > 0);
	if (--pool->depth == 0 && pool->freed)
		pool_destroy(pool);
}

static void
pool_wake(struct worker_pool *pool)
{
	if (!pool->freed)
		event_active(pool->turn, EV_TIMEOUT, 0);
}

static struct timeval
timeval_of(int64_t us)
{
	return (struct timeval){ .tv_sec = us / USEC_PER_SEC, .tv_usec = us % USEC_PER_SEC };
}

static void
event_freep(struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = NULL;
}

/* ---- jobs ---- */

/* The only way out of a job, which is on no list and has no process any more. */
static void
job_finish(struct worker_job *job, enum worker_end end, const struct err *err)
{
	event_freep(&job->timer);
	job->on_end(end, end == WORKER_DONE ? NULL : err, job->arg);
	free(job->out);
	free(job);
}

static void
job_unqueue(struct worker_job *job)
{
	assert(job->state == JOB_QUEUED);
	TAILQ_REMOVE(&job->pool->queue, job, link);
	job->pool->queued--;
}

static void proc_kill(struct proc *);

/* Decides how a job ends; on_end comes when its process is gone, or from the loop's next turn. */
static void
job_end(struct worker_job *job, enum worker_end end)
{
	struct worker_pool *pool = job->pool;

	switch (job->state) {
	case JOB_QUEUED:
		job_unqueue(job);
		TAILQ_INSERT_TAIL(&pool->ended, job, link);
		pool_wake(pool);
		break;
	case JOB_RUNNING:
		event_del(job->timer);
		proc_kill(job->proc);
		break;
	case JOB_ENDING:
		return;
	}
	job->end = end;
	job->state = JOB_ENDING;
}

static void
on_job_timer(evutil_socket_t fd, short what, void *arg)
{
	struct worker_job *job = arg;

	(void)fd;
	(void)what;
	if (job->state == JOB_QUEUED)
		err_set(&job->err, -ETIMEDOUT, "no free %s worker in time", job->pool->role->name);
	else
		err_set(&job->err, -ETIMEDOUT, "%s worker killed at its deadline of %lld ms",
		    job->pool->role->name, (long long)(job->deadline_us / USEC_PER_MSEC));
	job_end(job, WORKER_TIMEOUT);
}

/* ---- processes ---- */

static void
proc_free(struct proc *proc)
{
	event_freep(&proc->readable);
	event_freep(&proc->writable);
	event_freep(&proc->exited);
	event_freep(&proc->grace);
	if (proc->in)
		evbuffer_free(proc->in);
	closep(&proc->fd);
	closep(&proc->pidfd);
	free(proc);
}

static void
proc_arm_grace(struct proc *proc)
{
	struct timeval tv = timeval_of(GRACE_US);

	event_add(proc->grace, &tv);
}

/* The group, because a worker may have children; before reaping, so that the number is still its
 * own. */
static void
proc_kill(struct proc *proc)
{
	proc->state = PROC_ENDING;
	proc->killed = true;
	if (!proc->dead)
		kill(-proc->pid, SIGKILL);
	event_del(proc->readable);
	event_del(proc->writable);
	proc->closed = true;
	if (!proc->hung)
		proc_arm_grace(proc);
}

static enum worker_end
proc_verdict(const struct proc *proc, struct err *err)
{
	const char *role = proc->pool->role->name, *name;

	if (proc->status.si_code == CLD_KILLED || proc->status.si_code == CLD_DUMPED) {
		name = sigabbrev_np(proc->status.si_status);
		err_set(err, -EIO, "%s worker ended by SIG%s", role, name ? name : "?");
		return WORKER_CRASHED;
	}
	if (proc->status.si_code == CLD_EXITED)
		err_set(err, -EIO, "%s worker ended with code %d before it had answered", role,
		    proc->status.si_status);
	else
		err_set(err, -ECHILD, "%s worker is gone, its exit status was lost", role);
	return WORKER_FAILED;
}

static void
proc_end_job(struct proc *proc)
{
	struct worker_job *job = TAKE_PTR(proc->job);
	struct err err = job->err;
	enum worker_end end = job->end;

	if (job->state != JOB_ENDING)
		end = proc_verdict(proc, &err);
	job_finish(job, end, &err);
}

/* Both ends of a process meet here. */
static void
proc_settle(struct proc *proc)
{
	struct worker_pool *pool = proc->pool;

	if (!proc->closed || !proc->dead) {
		if (proc->closed && !event_pending(proc->grace, EV_TIMEOUT, NULL) && !proc->hung)
			proc_arm_grace(proc);
		return;
	}
	TAILQ_REMOVE(&pool->procs, proc, link);
	pool->alive--;
	if (proc->hung)
		pool->hung--;
	if (proc->job)
		proc_end_job(proc);
	else if (!proc->killed && proc->status.si_code == CLD_EXITED && proc->status.si_status != 0)
		log_warning(
		    "%s worker left with code %d", pool->role->name, proc->status.si_status);
	proc_free(proc);
	pool_wake(pool);
}

static void
on_exited(evutil_socket_t fd, short what, void *arg)
{
	struct proc *proc = arg;
	struct worker_pool *pool = proc->pool;

	(void)fd;
	(void)what;
	pool_enter(pool);
	kill(-proc->pid, SIGKILL);
	/* ECHILD: someone ignores SIGCHLD or reaps every child; then the status is lost. */
	if (waitid(P_PIDFD, (id_t)proc->pidfd, &proc->status, WEXITED | WNOHANG) < 0)
		proc->status.si_code = 0;
	event_del(proc->exited);
	proc->dead = true;
	if (!pool->freed)
		proc_settle(proc);
	pool_leave(pool);
}

/* An answer that our own program cannot have given: the process is not to be trusted any more. */
static void
proc_distrust(struct proc *proc, const char *why)
{
	if (proc->job && proc->job->state == JOB_RUNNING) {
		err_set(&proc->job->err, -EPROTO, "%s worker: %s", proc->pool->role->name, why);
		job_end(proc->job, WORKER_FAILED);
	} else {
		proc_kill(proc);
	}
}

static void
on_grace(evutil_socket_t fd, short what, void *arg)
{
	struct proc *proc = arg;
	struct worker_pool *pool = proc->pool;

	(void)fd;
	(void)what;
	pool_enter(pool);
	if (!proc->killed) {
		proc_distrust(proc, "stream is closed, the process lives on");
	} else if (!proc->hung) {
		proc->hung = true;
		pool->hung++;
		log_warning("%s worker %d does not die, it hangs in the kernel", pool->role->name,
		    (int)proc->pid);
		if (proc->job)
			proc_end_job(proc);
		pool_wake(pool);
	}
	pool_leave(pool);
}

static void
proc_job_done(struct proc *proc)
{
	struct worker_job *job = TAKE_PTR(proc->job);

	event_del(proc->writable);
	if (proc->pool->limits.keep && job->sent == job->len) {
		proc->state = PROC_IDLE;
	} else {
		/* The worker leaves when it reads the end of its stream. */
		proc->state = PROC_ENDING;
		shutdown(proc->fd, SHUT_WR);
		proc_arm_grace(proc);
	}
	pool_wake(proc->pool);
	job_finish(job, WORKER_DONE, NULL);
}

/* Takes one frame off the input.  False: none is complete, or the process is given up. */
static bool
proc_take_frame(struct proc *proc)
{
	struct worker_frame head;
	struct worker_job *job = proc->job;
	const char *payload = "";

	if (evbuffer_copyout(proc->in, &head, sizeof(head)) != sizeof(head))
		return false;
	if (!job || head.len > WORKER_FRAME_MAX ||
	    (head.type == WORKER_TYPE_END && head.len != 0)) {
		proc_distrust(proc, job ? "malformed frame" : "frame without a job");
		return false;
	}
	if (evbuffer_get_length(proc->in) - sizeof(head) < head.len)
		return false;
	evbuffer_drain(proc->in, sizeof(head));
	if (head.type == WORKER_TYPE_END) {
		proc_job_done(proc);
		return true;
	}
	if (head.len > 0)
		payload = (const char *)evbuffer_pullup(proc->in, (ev_ssize_t)head.len);
	if (job->on_message)
		job->on_message(head.type, payload, head.len, job->arg);
	evbuffer_drain(proc->in, head.len);
	return true;
}

/* More: there may be more to read; otherwise 0 and the stream is over, or -EAGAIN. */
static int
proc_read(struct proc *proc)
{
	struct evbuffer_iovec space;
	ssize_t n;

	if (evbuffer_reserve_space(proc->in, (ev_ssize_t)READ_AT_ONCE, &space, 1) != 1)
		return -ENOMEM;
	n = recv(proc->fd, space.iov_base, MIN(space.iov_len, READ_AT_ONCE), 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
	space.iov_len = (size_t)n;
	evbuffer_commit_space(proc->in, &space, 1);
	return n > 0;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct proc *proc = arg;
	struct worker_pool *pool = proc->pool;
	int r = 1;

	(void)fd;
	(void)what;
	pool_enter(pool);
	for (int i = 0; i < READS_A_TURN && r > 0 && !proc->closed; i++) {
		r = proc_read(proc);
		while (r > 0 && !proc->closed && proc_take_frame(proc))
			;
	}
	if (!pool->freed && !proc->closed && r != -EAGAIN && r <= 0) {
		proc->closed = true;
		event_del(proc->readable);
		event_del(proc->writable);
		proc_settle(proc);
	}
	pool_leave(pool);
}

/* Errors say nothing here: the reading side learns of the end, after what the worker still said. */
static void
proc_write(struct proc *proc)
{
	struct worker_job *job = proc->job;

	while (job->sent < job->len) {
		ssize_t n = send(proc->fd, job->out + job->sent, job->len - job->sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			event_add(proc->writable, NULL);
		if (n < 0)
			return;
		job->sent += (size_t)n;
	}
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct proc *proc = arg;

	(void)fd;
	(void)what;
	if (proc->job)
		proc_write(proc);
}

static int
proc_new(struct worker_pool *pool, struct proc **ret, struct err *err)
{
	struct proc *proc = xcalloc(1, sizeof(*proc));
	int r;

	proc->pool = pool;
	proc->pidfd = proc->fd = -1;
	r = worker_spawn(pool->role, &proc->pid, &proc->pidfd, &proc->fd, err);
	if (r < 0) {
		proc_free(proc);
		return r;
	}
	proc->in = evbuffer_new();
	proc->readable = event_new(pool->base, proc->fd, EV_READ | EV_PERSIST, on_readable, proc);
	proc->writable = event_new(pool->base, proc->fd, EV_WRITE, on_writable, proc);
	proc->exited = event_new(pool->base, proc->pidfd, EV_READ | EV_PERSIST, on_exited, proc);
	proc->grace = evtimer_new(pool->base, on_grace, proc);
	assert(proc->in && proc->readable && proc->writable && proc->exited && proc->grace);
	event_add(proc->readable, NULL);
	event_add(proc->exited, NULL);
	TAILQ_INSERT_TAIL(&pool->procs, proc, link);
	pool->alive++;
	*ret = proc;
	return 0;
}

static void
proc_start_job(struct proc *proc, struct worker_job *job)
{
	struct timeval tv = timeval_of(job->deadline_us);

	job_unqueue(job);
	job->state = JOB_RUNNING;
	job->proc = proc;
	proc->job = job;
	proc->state = PROC_BUSY;
	if (job->deadline_us > 0)
		event_add(job->timer, &tv);
	else
		event_del(job->timer);
	proc_write(proc);
}

/* ---- the pool ---- */

/* A free process; -EAGAIN: later; else why there can be none. */
static int
pool_find_proc(struct worker_pool *pool, struct proc **ret, struct err *err)
{
	struct proc *proc;
	int r;

	TAILQ_FOREACH (proc, &pool->procs, link) {
		if (proc->state == PROC_IDLE && !proc->closed && !proc->dead) {
			*ret = proc;
			return 0;
		}
	}
	if (pool->alive - pool->hung >= pool->limits.processes)
		return -EAGAIN;
	if (pool->hung >= HUNG_MAX)
		return pool->alive > pool->hung
		           ? -EAGAIN
		           : err_set(err, -EBUSY, "%zu %s workers hang in the kernel", pool->hung,
		                 pool->role->name);
	r = proc_new(pool, ret, err);
	/* Short of descriptors or memory: those at work will leave some. */
	return r < 0 && pool->alive > pool->hung ? -EAGAIN : r;
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct worker_pool *pool = arg;
	struct worker_job *job;

	(void)fd;
	(void)what;
	pool_enter(pool);
	while (!pool->freed && (job = TAILQ_FIRST(&pool->ended))) {
		TAILQ_REMOVE(&pool->ended, job, link);
		job_finish(job, job->end, &job->err);
	}
	while (!pool->freed && (job = TAILQ_FIRST(&pool->queue))) {
		struct proc *proc = NULL;
		int r = pool_find_proc(pool, &proc, &job->err);

		if (r == -EAGAIN)
			break;
		if (r < 0) {
			job_unqueue(job);
			job_finish(job, WORKER_FAILED, &job->err);
			continue;
		}
		proc_start_job(proc, job);
	}
	pool_leave(pool);
}

int
worker_pool_new(struct event_base *base, const char *role, const struct worker_limits *limits,
    struct worker_pool **ret, struct err *err)
{
	const struct worker_role *found = worker_role_find(role);
	struct worker_pool *pool;

	if (!found)
		return err_set(err, -ENOENT, "no worker role %s in this program", role);
	if (limits->processes == 0 || limits->queue == 0)
		return err_set(err, -EINVAL, "worker pool %s without room", role);
	pool = xcalloc(1, sizeof(*pool));
	pool->base = base;
	pool->role = found;
	pool->limits = *limits;
	TAILQ_INIT(&pool->queue);
	TAILQ_INIT(&pool->ended);
	TAILQ_INIT(&pool->procs);
	pool->turn = evtimer_new(base, on_turn, pool);
	assert(pool->turn);
	*ret = pool;
	return 0;
}

static void
pool_cancel_all(struct worker_pool *pool)
{
	struct worker_job *job;
	struct proc *proc;
	struct err err = { 0 };

	err_set(&err, -ECANCELED, "the %s workers are stopped", pool->role->name);
	while ((job = TAILQ_FIRST(&pool->ended))) {
		TAILQ_REMOVE(&pool->ended, job, link);
		job_finish(job, WORKER_CANCELLED, &err);
	}
	while ((job = TAILQ_FIRST(&pool->queue))) {
		job_unqueue(job);
		job_finish(job, WORKER_CANCELLED, &err);
	}
	TAILQ_FOREACH (proc, &pool->procs, link) {
		if (proc->job)
			job_finish(TAKE_PTR(proc->job), WORKER_CANCELLED, &err);
	}
}

static void
pool_reap_all(struct worker_pool *pool)
{
	int64_t until = clock_now_us() + GRACE_US;
	struct proc *proc;

	TAILQ_FOREACH (proc, &pool->procs, link) {
		struct pollfd p = { .fd = proc->pidfd, .events = POLLIN };
		int64_t left = until - clock_now_us();

		while (!proc->dead && poll(&p, 1, (int)(MAX(left, 0) / USEC_PER_MSEC)) < 0 &&
		       errno == EINTR)
			left = until - clock_now_us();
		if (!proc->dead && p.revents)
			waitid(P_PIDFD, (id_t)proc->pidfd, &proc->status, WEXITED | WNOHANG);
		else if (!proc->dead)
			log_warning("%s worker %d does not die, it is left behind",
			    pool->role->name, (int)proc->pid);
		proc->dead = true;
		event_del(proc->exited);
		event_del(proc->grace);
	}
}

static void
pool_destroy(struct worker_pool *pool)
{
	struct proc *proc, *next;

	TAILQ_FOREACH_SAFE (proc, &pool->procs, link, next)
		proc_free(proc);
	event_freep(&pool->turn);
	free(pool);
}

struct worker_pool *
worker_pool_free(struct worker_pool *pool)
{
	struct proc *proc;

	if (!pool || pool->freed)
		return NULL;
	pool->freed = true;
	pool_enter(pool);
	event_del(pool->turn);
	TAILQ_FOREACH (proc, &pool->procs, link)
		proc_kill(proc);
	pool_cancel_all(pool);
	pool_reap_all(pool);
	pool_leave(pool);
	return NULL;
}

int
worker_submit(struct worker_pool *pool, uint32_t type, const void *payload, size_t len,
    int64_t deadline_us, int64_t wait_us, worker_message_fn on_message, worker_end_fn on_end,
    void *arg, struct worker_job **ret)
{
	struct worker_frame head = { .len = (uint32_t)len, .type = type };
	struct timeval tv = timeval_of(wait_us);
	struct worker_job *job;

	if (type == WORKER_TYPE_END)
		return -EINVAL;
	if (len > WORKER_FRAME_MAX)
		return -EMSGSIZE;
	if (pool->freed)
		return -ECANCELED;
	if (pool->queued >= pool->limits.queue)
		return -EAGAIN;
	job = xcalloc(1, sizeof(*job));
	job->pool = pool;
	job->deadline_us = deadline_us;
	job->on_message = on_message;
	job->on_end = on_end;
	job->arg = arg;
	job->len = sizeof(head) + len;
	job->out = xcalloc(1, job->len);
	memcpy(job->out, &head, sizeof(head));
	if (len > 0)
		memcpy(job->out + sizeof(head), payload, len);
	job->timer = evtimer_new(pool->base, on_job_timer, job);
	assert(job->timer);
	if (wait_us > 0)
		event_add(job->timer, &tv);
	TAILQ_INSERT_TAIL(&pool->queue, job, link);
	pool->queued++;
	pool_wake(pool);
	if (ret)
		*ret = job;
	return 0;
}

void
worker_cancel(struct worker_job *job)
{
	if (job->state != JOB_ENDING)
		err_set(&job->err, -ECANCELED, "cancelled");
	job_end(job, WORKER_CANCELLED);
}

size_t
worker_pool_queued(const struct worker_pool *pool)
{
	return pool->queued;
}

size_t
worker_pool_processes(const struct worker_pool *pool)
{
	return pool->alive;
}

pid_t
worker_job_pid(const struct worker_job *job)
{
	return job->proc ? job->proc->pid : 0;
}
