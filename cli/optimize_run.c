/*
 * Runs the plan in a worker that may write.  The first ^C asks it to stop, so that SQLite undoes what is
 * under way; the second one kills it, which leaves that to whoever opens the file next.
 */
#include "base/clock.h"
#include "base/text.h"
#include "cli/optimize.h"
#include "report/report.h"
#include "sqlite/write_role.h"
#include "worker/worker.h"

#include <signal.h>
#include <stdio.h>

#define LOCK_TIMEOUT_US (5 * USEC_PER_SEC)
#define TICK_US         (200 * USEC_PER_MSEC)

struct act {
	const struct cli *cli;
	struct event_base *base;
	json_t *steps;
	struct worker_job *job; /* NULL once it ended */
	struct event *tick;     /* NULL: nobody watches */
	size_t step;
	int64_t step_us, done, total;
	bool shown, stopping;
	int error;
	struct err *err;
};

/* ---- on the terminal ---- */

static void
show(struct act *r)
{
	const json_t *step = json_array_get(r->steps, r->step);
	int64_t s = (clock_now_us() - r->step_us) / USEC_PER_SEC;

	fprintf(stderr, "\r\033[K%zu of %zu: %s, %lld s", r->step + 1, json_array_size(r->steps),
	    stats_get(step, "kind"), (long long)s);
	if (r->total > 0)
		fprintf(stderr, ", %lld %%", (long long)(r->done * 100 / r->total));
	fflush(stderr);
	r->shown = true;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	show(arg);
}

static void
wipe(struct act *r)
{
	if (r->shown)
		fputs("\r\033[K", stderr);
	r->shown = false;
}

/* ---- the worker ---- */

static void
take_step(struct act *r, const json_t *o)
{
	static const char *const keys[] = { "state", "ms", "text" };
	json_t *step = json_array_get(r->steps, (size_t)stats_int(o, "step"));

	for (size_t i = 0; step && i < ARRAY_SIZE(keys); i++)
		json_object_set(step, keys[i], json_object_get(o, keys[i]));
}

static void
on_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct act *r = arg;
	json_t *o = json_loadb(payload, len, 0, NULL);
	size_t step = (size_t)stats_int(o, "step");

	if (type == SQLITE_WRITE_STEP) {
		take_step(r, o);
	} else if (type == SQLITE_WRITE_PROGRESS) {
		if (step != r->step || stats_int(o, "total") == 0)
			r->step_us = clock_now_us();
		r->step = step;
		r->done = stats_int(o, "done");
		r->total = stats_int(o, "total");
	}
	json_decref(o);
}

static void
on_end(enum worker_end end, const struct err *err, void *arg)
{
	struct act *r = arg;

	r->job = NULL;
	if (end != WORKER_DONE && !r->stopping)
		r->error = err_set(r->err, -EIO, "%s", err ? err->msg : "the worker ended");
	event_base_loopbreak(r->base);
}

static void
on_interrupt(evutil_socket_t fd, short what, void *arg)
{
	struct act *r = arg;
	pid_t pid = r->job ? worker_job_pid(r->job) : 0;

	(void)fd;
	(void)what;
	wipe(r);
	if (pid > 0 && !r->stopping) {
		fputs("dbhealth: stopping; what is under way is undone. ^C again kills it.\n",
		    stderr);
		kill(pid, SIGINT);
	} else if (r->job) {
		worker_cancel(r->job);
	}
	r->stopping = true;
}

/* ---- */

static char *
job_text(const struct act *r, const struct stats_target *target, const json_t *plan)
{
	int64_t timeout = r->cli->o.timeout_us > 0 ? r->cli->o.timeout_us : LOCK_TIMEOUT_US;
	json_t *o = json_object();
	char *text;

	json_object_set_new(o, "path", json_string(target->path));
	json_object_set_new(o, "lock_timeout_ms", json_integer(timeout / USEC_PER_MSEC));
	if (json_is_string(json_object_get(plan, "temp_dir")))
		json_object_set(o, "temp_dir", json_object_get(plan, "temp_dir"));
	json_object_set(o, "steps", r->steps);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

static int
submit(struct act *r, struct worker_pool *pool, const char *job)
{
	struct event *signals[2] = { evsignal_new(r->base, SIGINT, on_interrupt, r),
		evsignal_new(r->base, SIGTERM, on_interrupt, r) };
	const struct timeval every = { .tv_usec = TICK_US };
	int e = worker_submit(
	    pool, SQLITE_WRITE_JOB, job, strlen(job), 0, 0, on_message, on_end, r, &r->job);

	if (e == 0) {
		event_add(signals[0], NULL);
		event_add(signals[1], NULL);
		if (isatty(STDERR_FILENO) && !r->cli->o.quiet)
			r->tick = event_new(r->base, -1, EV_PERSIST, on_tick, r);
		if (r->tick)
			event_add(r->tick, &every);
		event_base_dispatch(r->base);
		wipe(r);
	}
	event_free(signals[0]);
	event_free(signals[1]);
	if (r->tick)
		event_free(r->tick);
	return e < 0 ? err_set(r->err, e, "%s", strerror(-e)) : r->error;
}

int
optimize_run(
    const struct cli *cli, const struct stats_target *target, json_t *plan, struct err *err)
{
	const struct worker_limits limits = { .processes = 1, .queue = 1 };
	struct act r = { .cli = cli,
		.base = event_base_new(),
		.steps = json_object_get(plan, "steps"),
		.step_us = clock_now_us(),
		.err = err };
	_cleanup_free_ char *job = job_text(&r, target, plan);
	struct worker_pool *pool = NULL;
	int e = worker_pool_new(r.base, "sqlite-write", &limits, &pool, err);

	if (e == 0)
		e = submit(&r, pool, job);
	worker_pool_free(pool);
	event_base_free(r.base);
	return e;
}
