/*
 * One worker process, seen from the loop.  It ends twice, by the end of its stream and by its exit,
 * in either order; both meet in proc_settle.
 */
#include "base/log.h"
#include "worker/frame.h"
#include "worker/pool.h"

#include <event2/buffer.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define READ_AT_ONCE ((size_t)64 << 10)
#define READS_A_TURN 8
/* While somebody traces a dead process it is not ours to reap. */
#define REAP_AGAIN_US (10 * USEC_PER_MSEC)

static void
event_freep(struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = NULL;
}

void
worker_proc_free(struct worker_proc *proc)
{
	event_freep(&proc->readable);
	event_freep(&proc->writable);
	event_freep(&proc->exited);
	event_freep(&proc->grace);
	event_freep(&proc->again);
	if (proc->in)
		evbuffer_free(proc->in);
	closep(&proc->fd);
	closep(&proc->pidfd);
	free(proc->fatal_call);
	free(proc);
}

static void
proc_arm_grace(struct worker_proc *proc)
{
	struct timeval tv = timeval_of(GRACE_US);

	event_add(proc->grace, &tv);
}

/* The group, for a worker may have children; before reaping, lest the number is another's. */
void
worker_proc_kill(struct worker_proc *proc)
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
proc_verdict(const struct worker_proc *proc, struct err *err)
{
	const char *role = proc->pool->role->name, *name;

	if (proc->status.si_code == CLD_KILLED || proc->status.si_code == CLD_DUMPED) {
		name = sigabbrev_np(proc->status.si_status);
		err_set(err, -EIO, "%s worker ended by SIG%s%s%s", role, name ? name : "?",
		    proc->fatal_call ? " for the system call " : "", proc->fatal_call ?: "");
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
proc_end_job(struct worker_proc *proc)
{
	struct worker_job *job = TAKE_PTR(proc->job);
	struct err err = job->err;
	enum worker_end end = job->end;

	if (job->state != JOB_ENDING)
		end = proc_verdict(proc, &err);
	worker_job_finish(job, end, &err);
}

/* Both ends of a process meet here. */
static void
proc_settle(struct worker_proc *proc)
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
	worker_proc_free(proc);
	worker_pool_wake(pool);
}

/* What is left of a process says more before it is reaped. */
static void
proc_ask_remains(struct worker_proc *proc)
{
	siginfo_t status = { 0 };

	if (proc->pool->role->sandbox == SANDBOX_NONE || proc->fatal_call ||
	    waitid(P_PIDFD, (id_t)proc->pidfd, &status, WEXITED | WNOHANG | WNOWAIT) < 0)
		return;
	if (status.si_pid == proc->pid && status.si_code != CLD_EXITED &&
	    status.si_status == SIGSYS)
		proc->fatal_call = sandbox_fatal_call(proc->pid);
}

bool
worker_proc_reap(struct worker_proc *proc)
{
	proc_ask_remains(proc);
	proc->status.si_pid = 0;
	/* ECHILD: someone ignores SIGCHLD or reaps every child; then the status is lost. */
	if (waitid(P_PIDFD, (id_t)proc->pidfd, &proc->status, WEXITED | WNOHANG) < 0)
		proc->status.si_code = 0;
	else if (proc->status.si_pid == 0)
		return false;
	proc->dead = true;
	return true;
}

static void
on_exited(evutil_socket_t fd, short what, void *arg)
{
	struct worker_proc *proc = arg;
	struct worker_pool *pool = proc->pool;
	struct timeval soon = timeval_of(REAP_AGAIN_US);

	(void)fd;
	(void)what;
	worker_pool_enter(pool);
	event_del(proc->exited);
	kill(-proc->pid, SIGKILL);
	if (!worker_proc_reap(proc))
		event_add(proc->again, &soon);
	else if (!pool->freed)
		proc_settle(proc);
	worker_pool_leave(pool);
}

/* An answer that our own program cannot have given: the process is not to be trusted any more. */
static void
proc_distrust(struct worker_proc *proc, const char *why)
{
	if (proc->job && proc->job->state == JOB_RUNNING) {
		err_set(&proc->job->err, -EPROTO, "%s worker: %s", proc->pool->role->name, why);
		worker_job_end(proc->job, WORKER_FAILED);
	} else {
		worker_proc_kill(proc);
	}
}

static void
on_grace(evutil_socket_t fd, short what, void *arg)
{
	struct worker_proc *proc = arg;
	struct worker_pool *pool = proc->pool;

	(void)fd;
	(void)what;
	worker_pool_enter(pool);
	if (!proc->killed) {
		proc_distrust(proc, "stream is closed, the process lives on");
	} else if (!proc->hung) {
		proc->hung = true;
		pool->hung++;
		log_warning("%s worker %d does not die, it hangs in the kernel", pool->role->name,
		    (int)proc->pid);
		if (proc->job)
			proc_end_job(proc);
		worker_pool_wake(pool);
	}
	worker_pool_leave(pool);
}

/* The worker leaves when it reads the end of its stream. */
void
worker_proc_dismiss(struct worker_proc *proc)
{
	proc->state = PROC_ENDING;
	shutdown(proc->fd, SHUT_WR);
	proc_arm_grace(proc);
}

static void
proc_job_done(struct worker_proc *proc)
{
	struct worker_job *job = TAKE_PTR(proc->job);
	const struct worker_limits *limits = &proc->pool->limits;

	event_del(proc->writable);
	proc->jobs++;
	if (limits->keep && job->sent == job->len &&
	    (limits->jobs == 0 || proc->jobs < limits->jobs))
		proc->state = PROC_IDLE;
	else
		worker_proc_dismiss(proc);
	worker_pool_wake(proc->pool);
	worker_job_finish(job, WORKER_DONE, NULL);
}

/* Takes one frame off the input.  False: none is complete, or the process is given up. */
static bool
proc_take_frame(struct worker_proc *proc)
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
proc_read(struct worker_proc *proc)
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
	struct worker_proc *proc = arg;
	struct worker_pool *pool = proc->pool;
	int r = 1;

	(void)fd;
	(void)what;
	worker_pool_enter(pool);
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
	worker_pool_leave(pool);
}

/* Errors say nothing here: the reading side learns of the end, after what the worker still said. */
static void
proc_write(struct worker_proc *proc)
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
	struct worker_proc *proc = arg;

	(void)fd;
	(void)what;
	if (proc->job)
		proc_write(proc);
}

int
worker_proc_new(struct worker_pool *pool, struct worker_proc **ret, struct err *err)
{
	struct worker_proc *proc = xcalloc(1, sizeof(*proc));
	int r;

	proc->pool = pool;
	proc->pidfd = proc->fd = -1;
	r = worker_spawn(pool->role, &proc->pid, &proc->pidfd, &proc->fd, err);
	if (r < 0) {
		worker_proc_free(proc);
		return r;
	}
	proc->in = evbuffer_new();
	proc->readable = event_new(pool->base, proc->fd, EV_READ | EV_PERSIST, on_readable, proc);
	proc->writable = event_new(pool->base, proc->fd, EV_WRITE, on_writable, proc);
	proc->exited = event_new(pool->base, proc->pidfd, EV_READ | EV_PERSIST, on_exited, proc);
	proc->grace = evtimer_new(pool->base, on_grace, proc);
	proc->again = evtimer_new(pool->base, on_exited, proc);
	assert(proc->in && proc->readable && proc->writable && proc->exited && proc->grace &&
	       proc->again);
	event_add(proc->readable, NULL);
	event_add(proc->exited, NULL);
	TAILQ_INSERT_TAIL(&pool->procs, proc, link);
	pool->alive++;
	*ret = proc;
	return 0;
}

void
worker_proc_start_job(struct worker_proc *proc, struct worker_job *job)
{
	struct timeval tv = timeval_of(job->deadline_us);

	worker_job_unqueue(job);
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
