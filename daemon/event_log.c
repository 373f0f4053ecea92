/* Who reads the log of events, and the store behind it. */
#include "daemon/event_log.h"
#include "base/clock.h"
#include "daemon/store.h"
#include <sys/queue.h>

struct event_member {
	TAILQ_ENTRY(event_member) link;
	struct event_log *log; /* borrowed */
	struct event_reader reader;
	const struct event_member_ops *ops;
	void *arg;
	int64_t since_us;
	struct event *turn;
	struct store_read *asked; /* borrowed; NULL: none */
	bool left;                /* freed when nobody looks at it any more */
};

struct event_log {
	struct event_base *base; /* borrowed, as the store */
	struct store *store;
	TAILQ_HEAD(, event_member) members;
	uint64_t last;
	unsigned depth; /* calls of members on the stack: who leaves meanwhile is freed after */
};

static void
sweep(struct event_log *log)
{
	struct event_member *m = TAILQ_FIRST(&log->members), *next;

	if (log->depth > 0)
		return;
	for (; m; m = next) {
		next = TAILQ_NEXT(m, link);
		if (!m->left)
			continue;
		TAILQ_REMOVE(&log->members, m, link);
		event_free(m->turn);
		free(m);
	}
}

static void
enter(struct event_log *log)
{
	log->depth++;
}

static void
leave(struct event_log *log)
{
	log->depth--;
	sweep(log);
}

/* ---- between reader and store ---- */

static void
set_turn(struct event_member *m, int64_t us)
{
	struct timeval tv = { .tv_sec = us / USEC_PER_SEC, .tv_usec = us % USEC_PER_SEC };

	event_add(m->turn, &tv);
}

static void
on_row(uint64_t sequence, const char *json, void *arg)
{
	struct event_member *m = arg;
	json_t *entry = json_loads(json, 0, NULL);

	enter(m->log);
	if (entry && !m->left)
		event_reader_row(&m->reader, sequence, entry);
	json_decref(entry);
	leave(m->log);
}

static void
on_end(bool ok, bool all, void *arg)
{
	struct event_member *m = arg;
	struct event_log *log = m->log;

	enter(log);
	m->asked = NULL;
	event_reader_end(&m->reader, ok, all);
	leave(log);
}

static bool
take(uint64_t sequence, const json_t *entry, void *arg)
{
	struct event_member *m = arg;

	return m->left || m->ops->take(sequence, entry, m->arg);
}

static bool
has_room(void *arg)
{
	const struct event_member *m = arg;

	return m->ops->has_room(m->arg);
}

static void
on_lost(uint64_t n, void *arg)
{
	struct event_member *m = arg;

	if (!m->left)
		m->ops->lost(n, m->arg);
}

static void
ask(uint64_t after, void *arg)
{
	struct event_member *m = arg;
	const struct store_query q = { .after = after, .since_us = m->since_us };

	m->asked = store_read_events(m->log->store, &q, on_row, on_end, m);
	if (!m->asked)
		event_reader_end(&m->reader, false, false);
}

static void
wait_turn(int64_t us, void *arg)
{
	set_turn(arg, us);
}

static const struct event_reader_ops reader_ops = { take, has_room, on_lost, ask, wait_turn };

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct event_member *m = arg;
	struct event_log *log = m->log;

	(void)fd;
	(void)what;
	enter(log);
	if (!m->left)
		event_reader_turn(&m->reader);
	leave(log);
}

/* ---- public ---- */

struct event_log *
event_log_new(struct event_base *base, struct store *store)
{
	struct event_log *log = xcalloc(1, sizeof(*log));

	log->base = base;
	log->store = store;
	log->last = store_last(store);
	TAILQ_INIT(&log->members);
	return log;
}

struct event_log *
event_log_free(struct event_log *log)
{
	if (!log)
		return NULL;
	sweep(log);
	assert(TAILQ_EMPTY(&log->members));
	free(log);
	return NULL;
}

void
event_log_tell(struct event_log *log, uint64_t sequence, const char *json)
{
	json_t *entry;
	struct event_member *m;

	log->last = MAX(log->last, sequence);
	if (TAILQ_EMPTY(&log->members))
		return;
	entry = json_loads(json, 0, NULL);
	if (!entry)
		return;
	enter(log);
	TAILQ_FOREACH (m, &log->members, link) {
		if (m->left)
			continue;
		event_reader_live(&m->reader, sequence, entry);
		if (m->reader.behind && !m->left)
			set_turn(m, 0);
	}
	json_decref(entry);
	leave(log);
}

uint64_t
event_log_last(const struct event_log *log)
{
	return log->last;
}

struct store *
event_log_store(struct event_log *log)
{
	return log->store;
}

struct event_member *
event_log_join(struct event_log *log, const struct event_from *from,
    const struct event_member_ops *ops, void *arg)
{
	struct event_member *m = xcalloc(1, sizeof(*m));

	m->log = log;
	m->ops = ops;
	m->arg = arg;
	m->since_us = from->since_us;
	m->reader = (struct event_reader){ .ops = &reader_ops,
		.arg = m,
		.taken = from->after,
		.seen = MAX(log->last, from->after),
		.counting = from->counting };
	m->reader.behind = m->reader.taken < m->reader.seen;
	m->turn = evtimer_new(log->base, on_turn, m);
	assert(m->turn);
	TAILQ_INSERT_TAIL(&log->members, m, link);
	if (m->reader.behind)
		set_turn(m, 0);
	return m;
}

void
event_log_leave(struct event_member *m)
{
	if (m->asked)
		store_read_cancel(m->asked);
	m->asked = NULL;
	m->left = true;
	event_del(m->turn);
	sweep(m->log);
}

void
event_log_go_on(struct event_member *m)
{
	if (m->reader.behind && !m->reader.asking)
		set_turn(m, 0);
}

uint64_t
event_log_taken(const struct event_member *m)
{
	return m->reader.taken;
}
