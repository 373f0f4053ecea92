/*
 * The loop's side: a bounded queue before a bounded number of worker processes, each killed at its
 * job's deadline and replaced.
 */
#include "worker/pool.h"
#include "base/log.h"
#include "worker/frame.h"

#include <poll.h>
#include <sys/wait.h>

/* Killed and still there: asleep in the kernel on a dead mount.  More of them are not made. */
#define HUNG_MAX 8

static void pool_destroy(struct worker_pool *);

void
worker_pool_enter(struct worker_pool *pool)
{
	pool->depth++;
}

void
worker_pool_leave(struct worker_pool *pool)
{
	assert(pool->depth > 0);
	if (--pool->depth == 0 && pool->freed)
		pool_destroy(pool);
}

void
worker_pool_wake(struct worker_pool *pool)
{
	if (!pool->freed)
		event_active(pool->turn, EV_TIMEOUT, 0);
}

/* ---- jobs ---- */

void
worker_job_finish(struct worker_job *job, enum worker_end end, const struct err *err)
{
	event_free(job->timer);
	job->on_end(end, end == WORKER_DONE ? NULL : err, job->arg);
	free(job->out);
	free(job);
}

void
worker_job_unqueue(struct worker_job *job)
{
	assert(job->state == JOB_QUEUED);
	TAILQ_REMOVE(&job->pool->queue, job, link);
	job->pool->queued--;
}

void
worker_job_end(struct worker_job *job, enum worker_end end)
{
	struct worker_pool *pool = job->pool;

	switch (job->state) {
	case JOB_QUEUED:
		worker_job_unqueue(job);
		TAILQ_INSERT_TAIL(&pool->ended, job, link);
		worker_pool_wake(pool);
		break;
	case JOB_RUNNING:
		event_del(job->timer);
		worker_proc_kill(job->proc);
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
	worker_job_end(job, WORKER_TIMEOUT);
}

/* ---- the pool ---- */

/* A free process; -EAGAIN: later; else why there can be none. */
static int
pool_find_proc(struct worker_pool *pool, struct worker_proc **ret, struct err *err)
{
	struct worker_proc *proc;
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
	r = worker_proc_new(pool, ret, err);
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
	worker_pool_enter(pool);
	while (!pool->freed && (job = TAILQ_FIRST(&pool->ended))) {
		TAILQ_REMOVE(&pool->ended, job, link);
		worker_job_finish(job, job->end, &job->err);
	}
	while (!pool->freed && (job = TAILQ_FIRST(&pool->queue))) {
		struct worker_proc *proc = NULL;
		int r = pool_find_proc(pool, &proc, &job->err);

		if (r == -EAGAIN)
			break;
		if (r < 0) {
			worker_job_unqueue(job);
			worker_job_finish(job, WORKER_FAILED, &job->err);
			continue;
		}
		worker_proc_start_job(proc, job);
	}
	worker_pool_leave(pool);
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
	struct worker_proc *proc;
	struct err err = { 0 };

	err_set(&err, -ECANCELED, "the %s workers are stopped", pool->role->name);
	while ((job = TAILQ_FIRST(&pool->ended))) {
		TAILQ_REMOVE(&pool->ended, job, link);
		worker_job_finish(job, WORKER_CANCELLED, &err);
	}
	while ((job = TAILQ_FIRST(&pool->queue))) {
		worker_job_unqueue(job);
		worker_job_finish(job, WORKER_CANCELLED, &err);
	}
	TAILQ_FOREACH (proc, &pool->procs, link) {
		if (proc->job)
			worker_job_finish(TAKE_PTR(proc->job), WORKER_CANCELLED, &err);
	}
}

/* False: not within the time. */
static bool
reap_until(struct worker_proc *proc, int64_t until)
{
	while (!proc->dead) {
		struct pollfd p = { .fd = proc->pidfd, .events = POLLIN };
		int64_t left = until - clock_now_us();

		if (poll(&p, 1, (int)(MAX(left, 0) / USEC_PER_MSEC)) > 0 && worker_proc_reap(proc))
			break;
		if (left <= 0)
			return false;
		usleep(500);
	}
	return true;
}

static void
pool_reap_all(struct worker_pool *pool)
{
	int64_t until = clock_now_us() + GRACE_US;
	struct worker_proc *proc;

	TAILQ_FOREACH (proc, &pool->procs, link) {
		event_del(proc->exited);
		event_del(proc->again);
		event_del(proc->grace);
		if (!reap_until(proc, until))
			log_warning("%s worker %d does not die, it is left behind",
			    pool->role->name, (int)proc->pid);
	}
}

static void
pool_destroy(struct worker_pool *pool)
{
	struct worker_proc *proc;

	while ((proc = TAILQ_FIRST(&pool->procs))) {
		TAILQ_REMOVE(&pool->procs, proc, link);
		worker_proc_free(proc);
	}
	event_free(pool->turn);
	free(pool);
}

struct worker_pool *
worker_pool_free(struct worker_pool *pool)
{
	struct worker_proc *proc;

	if (!pool || pool->freed)
		return NULL;
	pool->freed = true;
	worker_pool_enter(pool);
	event_del(pool->turn);
	TAILQ_FOREACH (proc, &pool->procs, link)
		worker_proc_kill(proc);
	pool_cancel_all(pool);
	pool_reap_all(pool);
	worker_pool_leave(pool);
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
	worker_pool_wake(pool);
	if (ret)
		*ret = job;
	return 0;
}

void
worker_cancel(struct worker_job *job)
{
	if (job->state != JOB_ENDING)
		err_set(&job->err, -ECANCELED, "cancelled");
	worker_job_end(job, WORKER_CANCELLED);
}

void
worker_pool_rest(struct worker_pool *pool)
{
	struct worker_proc *proc;

	TAILQ_FOREACH (proc, &pool->procs, link)
		if (proc->state == PROC_IDLE && !proc->closed && !proc->dead)
			worker_proc_dismiss(proc);
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
