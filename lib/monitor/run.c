/* Runs that somebody asked for, and who waits for their end. */
#include "base/clock.h"
#include "base/str.h"
#include "monitor/internal.h"

/* ---- runs that somebody asked for ---- */

static void
waiter_end(struct monitor *m, struct waiter *w)
{
	struct waiter **p = &m->waiters;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	if (w->done) {
		json_t *o = database_run_json(w);

		w->done(o, w->arg);
		json_decref(o);
	}
	free(w);
}

static void
settle_waiters(struct monitor *m)
{
	for (struct waiter *w = m->waiters, *next; w; w = next) {
		next = w->next;
		for (size_t i = 0; i < ARRAY_SIZE(w->tasks); i++)
			if (w->tasks[i] && w->tasks[i]->runs >= w->runs[i])
				w->tasks[i] = NULL;
		if (!w->tasks[0] && !w->tasks[1])
			waiter_end(m, w);
	}
}

static void
waiter_task(struct waiter *w, size_t i, struct scope *s)
{
	struct task *t = &s->tasks[w->probe];

	/* A section that stands for others is not asked itself. */
	if (!t->used || (!s->is_server && w->database->is_template))
		return;
	w->tasks[i] = t;
	w->runs[i] = scope_run_now(s, t);
}

int
monitor_run(struct monitor *m, const char *name, enum probe p, uint64_t *ret_run,
    monitor_run_fn done, void *arg)
{
	struct database *d = monitor_find_shown(m, name);
	struct waiter *w;

	if (!d)
		return -ENOENT;
	if ((d->is_template || !d->scope.tasks[p].used) &&
	    !(d->server && server_scope(d->server)->tasks[p].used))
		return -EINVAL;
	w = xcalloc(1, sizeof(*w));
	*w = (struct waiter){ .run_id = ++m->run_ids,
		.database = d,
		.probe = p,
		.started_us = clock_now_us(),
		.done = done,
		.arg = arg,
		.next = m->waiters };
	m->waiters = w;
	waiter_task(w, 0, &d->scope);
	if (d->server)
		waiter_task(w, 1, server_scope(d->server));
	*ret_run = w->run_id;
	return 0;
}

void
monitor_run_forget(struct monitor *m, monitor_run_fn done, void *arg)
{
	for (struct waiter *w = m->waiters; w; w = w->next)
		if (w->done == done && w->arg == arg)
			w->done = NULL;
}

void
monitor_forget_tasks(struct monitor *m, const struct scope *gone)
{
	for (struct waiter *w = m->waiters; w; w = w->next)
		for (size_t i = 0; i < ARRAY_SIZE(w->tasks); i++)
			if (w->tasks[i] && w->tasks[i]->scope == gone)
				w->tasks[i] = NULL;
	settle_waiters(m);
}

void
run_forget_database(struct monitor *m, const struct database *d)
{
	for (struct waiter *w = m->waiters; w; w = w->next)
		if (w->database == d)
			w->tasks[0] = w->tasks[1] = NULL;
	settle_waiters(m);
}

void
run_end_all(struct monitor *m)
{
	while (m->waiters)
		waiter_end(m, m->waiters);
}

void
monitor_run_ended(struct monitor *m, struct scope *s, struct task *t)
{
	(void)s;
	(void)t;
	settle_waiters(m);
	reload_wake(m);
	monitor_check_finished(m);
}
