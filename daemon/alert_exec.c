/* The loop's side of a program that is run: a worker each, which waits for it. */
#include "base/clock.h"
#include "base/str.h"
#include "daemon/alert_private.h"
#include "daemon/store_wire.h"
#include <signal.h>

/* What the worker needs beyond the program's time: to end it, and to answer. */
#define GRACE_US (10 * USEC_PER_SEC)

static void
on_answer(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct alert_group *g = arg;
	struct wire w = { payload, len };
	int64_t pid;

	if (type == ALERT_STARTED && wire_take_int(&w, &pid) == 0 && pid > 1)
		g->program = (pid_t)pid;
	if (type != ALERT_ENDED)
		return;
	free(g->why);
	g->why = wire_take(&w);
	g->program = 0;
}

static void
on_end(enum worker_end end, const struct err *err, void *arg)
{
	struct alert_group *g = arg;
	_cleanup_free_ char *why = TAKE_PTR(g->why);

	if (end == WORKER_CANCELLED)
		return;
	g->program = 0;
	if (end != WORKER_DONE || !why)
		alert_ended(g, err ? err->msg : "no answer of its worker", false);
	else
		alert_ended(g, *why ? why : NULL, false);
}

int
alert_exec_begin(struct alert_group *g, struct err *e)
{
	struct alert *a = g->alert;
	const struct worker_limits limits = { .processes = (unsigned)a->conf->concurrency,
		.queue = (unsigned)a->conf->concurrency };
	_cleanup_str_ struct str payload = { 0 };
	int r;

	if (!a->pool) {
		r = worker_pool_new(a->all->base, alert_role.name, &limits, &a->pool, e);
		if (r < 0)
			return r;
	}
	wire_add_int(&payload, a->conf->timeout_us / USEC_PER_MSEC);
	wire_add(&payload, g->text);
	for (char *const *w = a->conf->argv; *w; w++)
		wire_add(&payload, *w);
	r = worker_submit(a->pool, ALERT_RUN, payload.s, payload.len,
	    a->conf->timeout_us + GRACE_US, 0, on_answer, on_end, g, &g->job);
	return r < 0 ? err_set(e, r, "%s", strerror(-r)) : 0;
}

void
alert_exec_free(struct alert *a)
{
	const struct alert_group *g;

	/* Its worker ends with the pool, and cannot do it then. */
	TAILQ_FOREACH (g, &a->groups, link)
		if (g->program > 1)
			kill(-g->program, SIGKILL);
	a->pool = worker_pool_free(a->pool);
}
