/*
 * The life of jobs and their times.  Times are the wall clock's; a timer looks at it at least every
 * half minute, so that a clock that is set is followed.
 */
#include "daemon/jobs_private.h"
#include <signal.h>

#define LOOK_US (30 * USEC_PER_SEC)
/* After a start, for what was missed: the databases are looked at first. */
#define MAKE_UP_US   (5 * USEC_PER_SEC)
#define AGAIN_US     (30 * USEC_PER_SEC)
#define BUSY_US      (300 * USEC_PER_SEC)
#define CLOCK_SET_US (5 * USEC_PER_SEC)

struct job *
jobs_find(const struct jobs *all, const char *name)
{
	return map_get(all->by_name, name);
}

void
jobs_set_turn(struct jobs *all, int64_t after_us)
{
	struct timeval tv = { .tv_sec = after_us / USEC_PER_SEC,
		.tv_usec = after_us % USEC_PER_SEC };

	event_add(all->turn, &tv);
}

/* ---- times ---- */

static int64_t
calendar_due(const struct job *j)
{
	int64_t next;

	if (!j->calendar || calendar_next(j->calendar, j->base_us / USEC_PER_SEC, &next) < 0)
		return 0;
	return next * USEC_PER_SEC;
}

/* After that one was well: once for each time, or for a time so often as is wanted. */
static int64_t
after_due(const struct job *j)
{
	const struct job *first = j->after ? jobs_find(j->all, j->after) : NULL;

	if (!first || first->last.ok_us <= j->base_us)
		return 0;
	/* The one before it does not take equally long each time. */
	if (j->last.ok_us > 0 && first->last.ok_us - j->last.ok_us < j->every_us - j->every_us / 14)
		return 0;
	return first->last.ok_us;
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a > 0 && b > 0 ? MIN(a, b) : MAX(a, b);
}

void
job_schedule(struct job *j, int64_t now, int64_t at_once)
{
	int64_t due, every = j->every_us > 0 && !j->after ? j->base_us + j->every_us : 0;

	/* The clock was set back over what was already done. */
	if (j->base_us > now + 3600 * USEC_PER_SEC)
		j->base_us = now;
	due = sooner(sooner(calendar_due(j), after_due(j)), every);
	j->next_us = due > 0 ? MAX(due, at_once) : 0;
}

/* After a start: what was cut off or missed comes once more, soon; what was cut off twice, at its time. */
static void
schedule_first(struct job *j, int64_t now)
{
	int64_t soon = now + MAKE_UP_US;

	job_schedule(j, now, now);
	if (j->next_us > 0 && j->next_us <= now)
		j->next_us = soon;
	if (j->last.result == JOB_INTERRUPTED && j->interrupted == 1)
		j->next_us = sooner(j->next_us, soon);
	if (j->at_start)
		j->next_us = now;
}

static void
arm(struct jobs *all, int64_t now)
{
	int64_t after = LOOK_US;
	const struct job *j;

	TAILQ_FOREACH (j, &all->list, link)
		if (j->state == JOB_IDLE && j->next_us > 0 && !j->gone)
			after = MIN(after, MAX(j->next_us - now, 0));
	jobs_set_turn(all, after);
}

/* The one that waits longest and may begin. */
static struct job *
next_to_begin(struct jobs *all)
{
	struct job *j, *best = NULL;

	TAILQ_FOREACH (j, &all->list, link)
		if (j->state == JOB_WAITING && (!best || j->waits_us < best->waits_us) &&
		    job_has_room(j))
			best = j;
	return best;
}

/* A clock that was set: what is due is judged anew by what it says now. */
static void
follow_clock(struct jobs *all, int64_t now)
{
	int64_t offset = now - clock_now_us(), moved = offset - all->offset_us;
	struct job *j;

	all->offset_us = offset;
	if (moved < CLOCK_SET_US && moved > -CLOCK_SET_US)
		return;
	TAILQ_FOREACH (j, &all->list, link)
		if (j->state == JOB_IDLE)
			job_schedule(j, now, now);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct jobs *all = arg;
	int64_t now = clock_wall_us();
	struct job *j;

	(void)fd;
	(void)what;
	if (!all->started || all->stopping)
		return;
	follow_clock(all, now);
	TAILQ_FOREACH (j, &all->list, link) {
		if (j->state != JOB_IDLE || j->gone || j->next_us == 0 || j->next_us > now)
			continue;
		j->state = JOB_WAITING;
		j->waits_us = clock_now_us();
	}
	while ((j = next_to_begin(all)))
		job_begin(j);
	arm(all, now);
}

/* ---- runs that end ---- */

void
jobs_on_run_ended(struct job *j)
{
	struct jobs *all = j->all;
	enum job_result result = j->last.result;
	int64_t now = clock_wall_us();
	struct job *k;

	j->state = JOB_IDLE;
	if (j->gone) {
		job_free(j);
		jobs_set_turn(all, 0);
		return;
	}
	/* What came due meanwhile is done by this run. */
	if (j->every_us == 0)
		j->base_us = MAX(j->base_us, now);
	job_schedule(j, now, now);
	if (result == JOB_BUSY)
		j->next_us = sooner(j->next_us, now + BUSY_US);
	/* What it needs may not be up yet. */
	if (j->at_start && job_result_is_bad(result) && result != JOB_INTERRUPTED &&
	    j->again++ < JOBS_AGAIN)
		j->next_us = sooner(j->next_us, now + j->again * AGAIN_US);
	TAILQ_FOREACH (k, &all->list, link)
		if (k->after && k->state == JOB_IDLE && streq(k->after, j->name))
			job_schedule(k, now, now);
	job_keep(j);
	jobs_set_turn(all, 0);
	if (result != JOB_BUSY && all->on.on_ended)
		all->on.on_ended(j->name, &j->last, all->arg);
}

int
jobs_run_now(struct jobs *all, const char *name)
{
	struct job *j = jobs_find(all, name);

	if (!j)
		return -ENOENT;
	if (j->state != JOB_IDLE)
		return -EALREADY;
	j->state = JOB_WAITING;
	j->waits_us = clock_now_us();
	jobs_set_turn(all, 0);
	return 0;
}

/* ---- configuration ---- */

struct job *
job_free(struct job *j)
{
	if (!j)
		return NULL;
	TAILQ_REMOVE(&j->all->list, j, link);
	free(j->name);
	free(j->title);
	free(j->schedule);
	free(j->after);
	free(j->database);
	free(j->lane_name);
	free(j->message);
	json_decref(j->answer);
	strv_free(j->argv);
	calendar_free(j->calendar);
	str_done(&j->said);
	free(j);
	return NULL;
}

static bool
is_of(const char *name, const char *family)
{
	return str_starts(name, family) && name[strlen(family)] == '/';
}

static int
check_spec(const char *family, const struct job_spec *s, struct err *e)
{
	struct calendar *c = NULL;

	if (!is_of(s->name, family) || strlen(s->name) > JOB_NAME_MAX)
		return err_set(
		    e, -EINVAL, "%s: no name of a job of the family %s", s->name, family);
	if (!s->argv || !s->argv[0])
		return err_set(e, -EINVAL, "%s: nothing to run", s->name);
	if (s->schedule && calendar_parse(s->schedule, &c, e) < 0)
		return err_prefix(e, "%s", s->name);
	calendar_free(c);
	return 0;
}

static size_t
count_others(const struct jobs *all, const char *family)
{
	const struct job *j;
	size_t n = 0;

	TAILQ_FOREACH (j, &all->list, link)
		n += !j->gone && !is_of(j->name, family);
	return n;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && streq(a, b));
}

static void
set_text(char **text, const char *to)
{
	free(*text);
	*text = xstrdup(to);
}

/* True: it is due by other times than before. */
static bool
job_take(struct job *j, const struct job_spec *s)
{
	bool other = !same_text(j->schedule, s->schedule) || !same_text(j->after, s->after) ||
	             j->every_us != s->every_us;
	struct err e;

	if (!same_text(j->schedule, s->schedule)) {
		j->calendar = calendar_free(j->calendar);
		/* check_spec has seen it */
		if (s->schedule && calendar_parse(s->schedule, &j->calendar, &e) < 0)
			j->calendar = NULL;
	}
	set_text(&j->title, s->title ? s->title : s->name);
	set_text(&j->schedule, s->schedule);
	set_text(&j->after, s->after);
	set_text(&j->database, s->database ? s->database : "");
	strv_free(j->argv);
	j->argv = strv_dup(s->argv);
	j->every_us = s->every_us;
	j->limit_us = s->limit_us > 0 ? s->limit_us : JOBS_LIMIT_US;
	j->at_start = s->at_start;
	return other;
}

static void
job_add(struct jobs *all, const struct job_spec *s)
{
	struct job *j = xcalloc(1, sizeof(*j));
	_cleanup_free_ char *kept = map_remove(all->restored, s->name);

	j->all = all;
	j->name = xstrdup(s->name);
	TAILQ_INSERT_TAIL(&all->list, j, link);
	map_put(all->by_name, j->name, j);
	job_take(j, s);
	j->base_us = clock_wall_us();
	j->last.exit_code = -1;
	j->last.message = "";
	if (kept)
		job_restore(j, kept);
	else
		job_keep(j);
	if (all->started)
		job_schedule(j, clock_wall_us(), clock_wall_us());
}

static void
job_leave(struct job *j)
{
	struct jobs *all = j->all;

	map_remove(all->by_name, j->name);
	all->on.on_state(j->name, NULL, all->arg);
	if (j->state != JOB_RUNNING) {
		job_free(j);
		return;
	}
	j->gone = true;
	job_ask_to_end(j, SIGTERM);
}

static bool
has_spec(const struct job_spec *s, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (streq(s[i].name, name))
			return true;
	return false;
}

int
jobs_configure(
    struct jobs *all, const char *family, const struct job_spec *s, size_t n, struct err *e)
{
	struct job *j, *next;

	if (count_others(all, family) + n > JOBS_MAX)
		return err_set(e, -EINVAL, "more than %d jobs", JOBS_MAX);
	for (size_t i = 0; i < n; i++)
		if (check_spec(family, &s[i], e) < 0)
			return e ? e->code : -EINVAL;
	for (j = TAILQ_FIRST(&all->list); j; j = next) {
		next = TAILQ_NEXT(j, link);
		if (!j->gone && is_of(j->name, family) && !has_spec(s, n, j->name))
			job_leave(j);
	}
	for (size_t i = 0; i < n; i++) {
		j = jobs_find(all, s[i].name);
		if (!j) {
			job_add(all, &s[i]);
		} else if (job_take(j, &s[i])) {
			/* What the new times would have had before now was not missed. */
			j->base_us = clock_wall_us();
			if (j->state == JOB_IDLE)
				job_schedule(j, j->base_us, j->base_us);
			job_keep(j);
		}
	}
	if (all->started)
		jobs_set_turn(all, 0);
	return 0;
}

/* ---- life ---- */

struct jobs *
jobs_new(struct event_base *base, const char *config, const struct jobs_callbacks *on, void *arg)
{
	struct jobs *all = xcalloc(1, sizeof(*all));

	TAILQ_INIT(&all->list);
	all->base = base;
	all->config = xstrdup(config);
	all->on = *on;
	all->arg = arg;
	all->by_name = map_new();
	all->restored = map_new();
	all->turn = evtimer_new(base, on_turn, all);
	assert(all->turn);
	return all;
}

struct jobs *
jobs_free(struct jobs *all)
{
	struct job *j, *next;

	if (!all)
		return NULL;
	/* Their workers end with the pool, and cannot do it then. */
	TAILQ_FOREACH (j, &all->list, link)
		job_ask_to_end(j, SIGKILL);
	all->stopping = true;
	worker_pool_free(all->pool);
	for (j = TAILQ_FIRST(&all->list); j; j = next) {
		next = TAILQ_NEXT(j, link);
		job_free(j);
	}
	event_free(all->turn);
	map_free(all->by_name, NULL);
	map_free(all->restored, free);
	free(all->config);
	free(all);
	return NULL;
}

void
jobs_restore(struct jobs *all, const char *name, const char *json)
{
	free(map_put(all->restored, name, xstrdup(json)));
}

void
jobs_start(struct jobs *all)
{
	int64_t now = clock_wall_us();
	const char *name;
	size_t iter = 0;
	struct job *j;

	while (map_next(all->restored, &iter, &name, NULL))
		all->on.on_state(name, NULL, all->arg);
	map_free(all->restored, free);
	all->restored = map_new();
	all->started = true;
	all->offset_us = now - clock_now_us();
	TAILQ_FOREACH (j, &all->list, link)
		schedule_first(j, now);
	jobs_set_turn(all, 0);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

void
jobs_flush(struct jobs *all, int64_t deadline_us)
{
	int64_t left = MAX(deadline_us - clock_now_us(), 0);
	struct timeval tv = { .tv_sec = left / USEC_PER_SEC, .tv_usec = left % USEC_PER_SEC };
	struct event *timer;
	struct job *j;
	bool over = false;

	if (!all)
		return;
	all->stopping = true;
	TAILQ_FOREACH (j, &all->list, link)
		job_ask_to_end(j, SIGTERM);
	timer = evtimer_new(all->base, on_deadline, &over);
	assert(timer);
	event_add(timer, &tv);
	while (!over && all->running > 0)
		if (event_base_loop(all->base, EVLOOP_ONCE) != 0)
			break;
	event_free(timer);
}
