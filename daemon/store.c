/*
 * The loop's side of the store: collects what a turn of the loop gives, sends it as one batch to
 * the worker, one batch at a time, and repeats a batch until it is written.  Outlets hear of a
 * transition when its batch is on the disk, or when it is clear that it cannot get there.
 */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/store_private.h"
#include "daemon/store_wire.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#define PART_BYTES     ((size_t)512 << 10)
#define RECORD_BYTES   ((size_t)400 << 10) /* one row; a larger one is a mistake of ours */
#define QUEUE_BYTES    ((size_t)64 << 20)
#define LINGER_US      USEC_PER_SEC /* rows alone wait for company */
#define RETRY_FIRST_US (5 * USEC_PER_SEC)
#define RETRY_MAX_US   (60 * USEC_PER_SEC)
#define WRITE_US       (10 * USEC_PER_SEC)

void
store_set_turn(struct store *s, int64_t after_us)
{
	struct timeval tv = { .tv_sec = after_us / USEC_PER_SEC,
		.tv_usec = after_us % USEC_PER_SEC };
	struct timeval was, now;

	/* never later than it is set already */
	if (event_pending(s->turn, EV_TIMEOUT, &was)) {
		event_base_gettimeofday_cached(s->base, &now);
		if ((was.tv_sec - now.tv_sec) * USEC_PER_SEC + was.tv_usec - now.tv_usec <=
		    after_us)
			return;
	}
	event_add(s->turn, &tv);
}

static void
row_free(void *p)
{
	struct row *row = p;

	free(row->kind);
	free(row->key);
	free(row->json);
	free(row);
}

static void
event_list_free(struct pending_list *list)
{
	struct pending_event *ev;

	while ((ev = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, ev, link);
		free(ev->id);
		free(ev->json);
		free(ev);
	}
}

/* ---- trouble ---- */

void
store_set_trouble(struct store *s, const char *why)
{
	bool news = !s->trouble;

	s->failures++;
	free(s->trouble);
	s->trouble = xstrdup(why);
	s->retry_us = news ? RETRY_FIRST_US : MIN(s->retry_us * 2, RETRY_MAX_US);
	if (news && s->on.on_trouble)
		s->on.on_trouble(s->trouble, s->arg);
}

void
store_clear_trouble(struct store *s)
{
	if (!s->trouble)
		return;
	free(TAKE_PTR(s->trouble));
	if (s->on.on_trouble)
		s->on.on_trouble(NULL, s->arg);
}

/* ---- the batch ---- */

static struct str *
part_open(struct store *s)
{
	struct str *part;

	if (s->parts && s->parts[s->nparts - 1].len < PART_BYTES)
		return &s->parts[s->nparts - 1];
	s->parts = xreallocarray(s->parts, s->nparts + 1, sizeof(*s->parts));
	part = &s->parts[s->nparts++];
	*part = (struct str){ 0 };
	return part;
}

static void
batch_add_rows(struct store *s)
{
	size_t iter = 0;
	void *value;

	while (map_next(s->rows, &iter, NULL, &value)) {
		const struct row *row = value;
		struct str *part = part_open(s);

		wire_add(part, row->json ? STORE_PUT : STORE_DELETE);
		wire_add(part, row->kind);
		wire_add(part, row->key);
		if (row->json)
			wire_add(part, row->json);
	}
	s->rows = map_free(s->rows, row_free);
	s->rows = map_new();
}

static void
batch_add_events(struct store *s)
{
	struct pending_event *ev;

	while ((ev = TAILQ_FIRST(&s->events))) {
		struct str *part = part_open(s);

		TAILQ_REMOVE(&s->events, ev, link);
		TAILQ_INSERT_TAIL(&s->sending, ev, link);
		ev->sequence = ++s->last;
		wire_add(part, STORE_ADD);
		wire_add_int(part, (int64_t)ev->sequence);
		wire_add(part, ev->id);
		wire_add_int(part, ev->wall_us);
		wire_add(part, ev->json);
		s->sync = true;
	}
	s->nevents = 0;
}

static void
batch_add_cursors(struct store *s)
{
	size_t iter = 0;
	const char *name;
	void *value;

	while (map_next(s->cursors, &iter, &name, &value)) {
		struct cursor *c = value;
		struct str *part;

		if (!c->dirty)
			continue;
		part = part_open(s);
		wire_add(part, STORE_SEEN);
		wire_add(part, name);
		wire_add_int(part, (int64_t)c->sequence);
		c->dirty = false;
	}
}

static void
batch_free(struct store *s)
{
	for (size_t i = 0; i < s->nparts; i++)
		str_done(&s->parts[i]);
	free(s->parts);
	s->parts = NULL;
	s->nparts = s->part = 0;
	s->sync = false;
}

/* Stored, or not to be stored now: either way people want to know. */
static void
tell_sending(struct store *s)
{
	struct pending_event *ev;

	while ((ev = TAILQ_FIRST(&s->sending))) {
		TAILQ_REMOVE(&s->sending, ev, link);
		s->on.on_event(ev->sequence, ev->json, s->arg);
		free(ev->id);
		free(ev->json);
		free(ev);
	}
}

static void on_write_message(uint32_t, const char *, size_t, void *);
static void on_write_end(enum worker_end, const struct err *, void *);

static void
batch_failed(struct store *s, const char *why)
{
	s->part = 0;
	store_set_trouble(s, why);
	tell_sending(s);
	store_set_turn(s, s->retry_us);
	store_again_begin(s); /* what was written before can be read all the same */
}

static void
part_send(struct store *s)
{
	_cleanup_str_ struct str frame = { 0 };
	int flags = (s->part + 1 == s->nparts ? STORE_LAST : 0) | (s->sync ? STORE_SYNC : 0);
	int r;

	wire_add(&frame, s->dir);
	wire_add(&frame, s->outlets);
	wire_add_int(&frame, s->batch);
	wire_add_int(&frame, (int64_t)s->part);
	wire_add_int(&frame, flags);
	str_addn(&frame, s->parts[s->part].s, s->parts[s->part].len);
	s->answered = s->failed = s->moved = false;
	r = worker_submit(s->pool, STORE_WRITE, frame.s, frame.len, WRITE_US, 0, on_write_message,
	    on_write_end, s, &s->job);
	if (r < 0) {
		s->job = NULL;
		batch_failed(s, strerror(-r));
	}
}

static void
batch_begin(struct store *s)
{
	batch_add_rows(s);
	batch_add_events(s);
	batch_add_cursors(s);
	s->bytes = 0;
	s->batch++;
	if (s->parts)
		part_send(s);
}

void
store_take_moved(struct store *s, const char *payload, size_t len)
{
	struct wire w = { payload, len };
	_cleanup_free_ char *path = wire_take(&w);
	_cleanup_free_ char *why = wire_take(&w);

	s->moved = s->new_life = true;
	if (path && why && s->on.on_moved)
		s->on.on_moved(path, why, s->arg);
}

static void
on_write_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct store *s = arg;
	struct wire w = { payload, len };

	if (type == STORE_MOVED) {
		store_take_moved(s, payload, len);
	} else if (type == STORE_DONE) {
		s->answered = true;
		s->part++;
	} else if (type == STORE_LOST) {
		s->answered = true;
		s->part = 0;
	} else if (type == STORE_FAILED) {
		_cleanup_free_ char *why = wire_take(&w);

		s->answered = s->failed = true;
		if (!s->moved)
			store_set_trouble(s, why ? why : "no reason given");
	}
}

static void
on_write_end(enum worker_end end, const struct err *err, void *arg)
{
	struct store *s = arg;

	s->job = NULL;
	if (end == WORKER_CANCELLED)
		return;
	if (end == WORKER_CRASHED && !s->crashed) {
		s->crashed = true;
		s->part = 0;
		store_set_turn(s, 0);
		return;
	}
	if (end != WORKER_DONE || !s->answered) {
		batch_failed(s, err ? err->msg : "the store's worker gave no answer");
		return;
	}
	if (s->failed) {
		s->part = 0;
		tell_sending(s);
		/* moved: into the new, empty one at once */
		store_set_turn(s, s->moved ? 0 : s->retry_us);
		store_again_begin(s);
		return;
	}
	if (s->part < s->nparts) {
		part_send(s);
		return;
	}
	batch_free(s);
	s->crashed = false;
	store_clear_trouble(s);
	tell_sending(s);
	if (store_queued(s) > 0)
		store_set_turn(s, 0);
	store_again_begin(s);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct store *s = arg;

	(void)fd;
	(void)what;
	if (s->job)
		return;
	if (!s->loaded)
		store_load(s);
	else if (s->parts)
		part_send(s);
	else
		batch_begin(s);
	if (!s->job)
		store_again_begin(s);
}

/* ---- public ---- */

static int
take_lock(const char *dir, int *ret_fd, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/lock", dir);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char pid[24] = "";
	ssize_t n;

	/* Nobody can write there, so nothing needs the lock; the daemon goes on without memory. */
	if (fd < 0 && errno == EROFS)
		return 0;
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_set(e, -errno, "%s: %s", path, strerror(errno));
		n = read(fd, pid, sizeof(pid) - 1);
		pid[MAX(n, 0)] = 0;
		pid[strspn(pid, "0123456789")] = 0;
		return err_set(e, -EBUSY, "state_dir %s is in use by another dbhealthd (pid %s)",
		    dir, *pid ? pid : "unknown");
	}
	/* For that message alone: a full disk is no reason not to start. */
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) == 0 && write(fd, pid, (size_t)n) < 0)
		(void)0;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int
store_open(struct event_base *base, const char *dir, char *const *outlets,
    const struct store_callbacks *on, void *arg, struct store **ret, struct err *e)
{
	const struct worker_limits limits = { .processes = 1, .queue = 1, .keep = true };
	_cleanup_close_ int lock = -1;
	_cleanup_str_ struct str names = { 0 };
	struct worker_pool *pool;
	struct store *s;
	int r = take_lock(dir, &lock, e);

	if (r < 0)
		return r;
	r = worker_pool_new(base, store_role.name, &limits, &pool, e);
	if (r < 0)
		return r;
	s = xcalloc(1, sizeof(*s));
	s->base = base;
	s->pool = pool;
	s->on = *on;
	s->arg = arg;
	s->dir = xstrdup(dir);
	s->lock_fd = TAKE_FD(lock);
	s->rows = map_new();
	s->cursors = map_new();
	for (size_t i = 0; outlets && outlets[i]; i++) {
		str_addf(&names, "%s%s", i ? "," : "", outlets[i]);
		map_put(s->cursors, outlets[i], xcalloc(1, sizeof(struct cursor)));
	}
	s->outlets = str_take(&names);
	TAILQ_INIT(&s->reads_asked);
	TAILQ_INIT(&s->events);
	TAILQ_INIT(&s->sending);
	s->turn = evtimer_new(base, on_turn, s);
	store_set_turn(s, 0);
	*ret = s;
	return 0;
}

struct store *
store_close(struct store *s)
{
	if (!s)
		return NULL;
	event_free(s->turn);
	worker_pool_free(s->pool);
	batch_free(s);
	str_done(&s->loading);
	store_reads_free(s);
	event_list_free(&s->events);
	event_list_free(&s->sending);
	map_free(s->rows, row_free);
	map_free(s->cursors, free);
	free(s->outlets);
	free(s->trouble);
	free(s->dir);
	closep(&s->lock_fd);
	free(s);
	return NULL;
}

/* Rows alone may wait a little; while writing fails only the retry timer begins a batch. */
static void
wake(struct store *s, bool urgent)
{
	if (s->job || !s->loaded || s->parts)
		return;
	store_set_turn(s, s->trouble ? s->retry_us : urgent || s->flushing ? 0 : LINGER_US);
}

/* What finds none is lost to the next life, never to this one. */
static bool
has_room(struct store *s, const char *what, size_t bytes)
{
	if (bytes <= RECORD_BYTES && s->bytes + bytes <= QUEUE_BYTES) {
		s->bytes += bytes;
		return true;
	}
	if (!s->full_said)
		log_error("state: %s of %zu bytes is not kept: %s", what, bytes,
		    bytes > RECORD_BYTES ? "too large" : "the queue is full");
	s->full_said = true;
	return false;
}

void
store_put(struct store *s, const char *kind, const char *key, const char *json)
{
	_cleanup_free_ char *name = xasprintf("%s\x1f%s", kind, key);
	struct row *row;

	if (!has_room(s, kind, strlen(name) + (json ? strlen(json) : 0)))
		return;
	row = xcalloc(1, sizeof(*row));
	row->kind = xstrdup(kind);
	row->key = xstrdup(key);
	row->json = xstrdup(json);
	row = map_put(s->rows, name, row);
	if (row) {
		s->bytes -= MIN(s->bytes, strlen(name) + (row->json ? strlen(row->json) : 0));
		row_free(row);
	}
	wake(s, false);
}

void
store_transition(struct store *s, const char *id, int64_t wall_us, const char *json)
{
	struct pending_event *ev;

	if (!has_room(s, id, strlen(id) + strlen(json))) {
		s->on.on_event(++s->last, json, s->arg);
		return;
	}
	ev = xcalloc(1, sizeof(*ev));
	ev->id = xstrdup(id);
	ev->wall_us = wall_us;
	ev->json = xstrdup(json);
	TAILQ_INSERT_TAIL(&s->events, ev, link);
	s->nevents++;
	wake(s, true);
}

void
store_delivered(struct store *s, const char *outlet, uint64_t sequence)
{
	struct cursor *c = map_get(s->cursors, outlet);

	if (!c || c->sequence >= sequence)
		return;
	c->sequence = sequence;
	c->dirty = true;
	wake(s, true);
}

uint64_t
store_cursor(const struct store *s, const char *outlet)
{
	const struct cursor *c = map_get(s->cursors, outlet);

	return c ? c->sequence : 0;
}

uint64_t
store_last(const struct store *s)
{
	return s->last;
}

void
store_set_outlets(struct store *s, char *const *outlets)
{
	_cleanup_str_ struct str names = { 0 };
	struct map *cursors = map_new();

	for (size_t i = 0; outlets && outlets[i]; i++) {
		struct cursor *c = map_remove(s->cursors, outlets[i]);

		if (!c) {
			c = xcalloc(1, sizeof(*c));
			*c = (struct cursor){ s->last, true };
		}
		str_addf(&names, "%s%s", i ? "," : "", outlets[i]);
		free(map_put(cursors, outlets[i], c));
	}
	map_free(s->cursors, free);
	s->cursors = cursors;
	free(s->outlets);
	s->outlets = str_take(&names);
	wake(s, true);
}

const char *
store_trouble(const struct store *s)
{
	return s->trouble;
}

size_t
store_queued(const struct store *s)
{
	size_t n = map_size(s->rows) + s->nevents + s->nparts, iter = 0;
	void *value;

	while (map_next(s->cursors, &iter, NULL, &value))
		n += ((const struct cursor *)value)->dirty;
	return n;
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

int
store_flush(struct store *s, int64_t deadline_us)
{
	int64_t left_us = MAX(deadline_us - clock_now_us(), 0);
	struct timeval tv = { .tv_sec = left_us / USEC_PER_SEC, .tv_usec = left_us % USEC_PER_SEC };
	bool over = false;
	struct event *timer = evtimer_new(s->base, on_deadline, &over);
	unsigned failures = s->failures;

	s->flushing = true;
	event_add(timer, &tv);
	store_set_turn(s, 0);
	/* one attempt is enough for an end */
	while (!over && store_queued(s) > 0 && (s->job || s->failures == failures))
		if (event_base_loop(s->base, EVLOOP_ONCE) != 0)
			break;
	event_free(timer);
	s->flushing = false;
	if (store_queued(s) == 0)
		return 0;
	return s->trouble ? -EIO : -ETIMEDOUT;
}
