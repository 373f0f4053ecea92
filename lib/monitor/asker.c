/* Questions to the history in their line. */
#include "monitor/asker.h"
#include "base/clock.h"
#include "base/str.h"
#include "monitor/internal.h"
#include <sys/queue.h>

/* Somebody else asks too much just now. */
#define AGAIN_US (5 * USEC_PER_SEC)

struct asker_question {
	TAILQ_ENTRY(asker_question) link;
	struct asker *asker;
	enum history_ask_kind kind;
	char *scope, **checks;
	asker_fn fn;
	void *arg;
	void *under_way; /* of the history; NULL: waits */
};
struct asker {
	struct monitor *monitor;
	struct event *turn;
	TAILQ_HEAD(question_list, asker_question) line; /* the first one may be under way */
	bool ending;
};

static void
set_turn(struct asker *a, int64_t after_us)
{
	struct timeval tv = { .tv_sec = after_us / USEC_PER_SEC,
		.tv_usec = after_us % USEC_PER_SEC };

	if (!a->ending)
		event_add(a->turn, &tv);
}

static void
question_free(struct asker_question *q)
{
	TAILQ_REMOVE(&q->asker->line, q, link);
	strv_free(q->checks);
	free(q->scope);
	free(q);
}

static void
on_answer(const json_t *answer, const struct err *err, void *arg)
{
	struct asker_question *q = arg;
	struct asker *a = q->asker;
	asker_fn fn = q->fn;
	void *fn_arg = q->arg;

	q->under_way = NULL;
	question_free(q);
	set_turn(a, 0);
	fn(answer, err, fn_arg);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct asker *a = arg;
	struct monitor *m = a->monitor;
	struct asker_question *q = TAILQ_FIRST(&a->line);
	struct err err = { 0 };
	struct history_ask ask;
	int r;

	(void)fd;
	(void)what;
	if (!q || q->under_way)
		return;
	ask = (struct history_ask){ q->kind, q->scope, q->checks, clock_wall_us() / USEC_PER_SEC };
	r = m->callbacks.ask_history(&ask, on_answer, q, &q->under_way, m->arg);
	if (r == 0)
		return;
	if (r == -EAGAIN) {
		set_turn(a, AGAIN_US);
		return;
	}
	err_set(&err, r, "the history cannot be asked: %s", strerror(-r));
	on_answer(NULL, &err, q);
}

struct asker *
asker_new(struct monitor *m)
{
	struct asker *a = xcalloc(1, sizeof(*a));

	a->monitor = m;
	a->turn = evtimer_new(m->base, on_turn, a);
	TAILQ_INIT(&a->line);
	return a;
}

struct asker *
asker_free(struct asker *a)
{
	struct asker_question *q;
	struct err err = { 0 };

	if (!a)
		return NULL;
	a->ending = true;
	err_set(&err, -ESHUTDOWN, "the end has come");
	while ((q = TAILQ_FIRST(&a->line))) {
		if (q->under_way)
			a->monitor->callbacks.forget_history(q->under_way, a->monitor->arg);
		on_answer(NULL, &err, q);
	}
	event_free(a->turn);
	free(a);
	return NULL;
}

bool
asker_has_history(const struct monitor *m)
{
	return m->callbacks.ask_history && !m->options.one_shot;
}

struct asker_question *
asker_ask(struct monitor *m, enum history_ask_kind kind, const char *scope, char *const *checks,
    asker_fn fn, void *arg)
{
	struct asker *a = m->asker;
	struct asker_question *q;

	if (!a || a->ending || !asker_has_history(m))
		return NULL;
	q = xcalloc(1, sizeof(*q));
	q->asker = a;
	q->kind = kind;
	q->scope = xstrdup(scope);
	q->checks = strv_dup(checks);
	q->fn = fn;
	q->arg = arg;
	if (TAILQ_EMPTY(&a->line))
		set_turn(a, 0);
	TAILQ_INSERT_TAIL(&a->line, q, link);
	return q;
}

void
asker_forget(struct asker_question *q)
{
	struct asker *a;
	struct monitor *m;

	if (!q)
		return;
	a = q->asker;
	m = a->monitor;
	if (q->under_way) {
		m->callbacks.forget_history(q->under_way, m->arg);
		set_turn(a, 0);
	}
	question_free(q);
}
