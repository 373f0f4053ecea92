/*
 * One asynchronous session with a server: states, events and the one way out.  Nothing here waits:
 * libpq gets a resolved plan, its socket is watched by the loop, and time is ours (PQconnectPoll
 * knows no timeout).
 */
#include "pg/session.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "pg/session_impl.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* What a step says besides a negative errno and the events it waits for. */
#define WANT_NOTHING 0
#define WANT_AGAIN   0x1000
/* One row or message, and all that a connect may say. */
#define PG_MESSAGE_MAX_BYTES ((size_t)4 << 20)
#define CONNECT_MAX_BYTES    ((size_t)1 << 20)
/* So long, in times of its deadline, a pooler may owe an answer before it is asked anew. */
#define KEPT_TIMEOUTS 5

static int step_down(struct pg_session *);
static int step_connecting(struct pg_session *);
static int step_unanswered(struct pg_session *);
static int step_setup(struct pg_session *);
static int step_ready(struct pg_session *);
static int step_closing(struct pg_session *);

static const struct {
	const char *name;
	int (*step)(struct pg_session *);
} states[] = {
	[PG_DOWN] = { "down", step_down },
	[PG_CONNECTING] = { "connecting", step_connecting },
	[PG_UNANSWERED] = { "unanswered", step_unanswered },
	[PG_SETUP] = { "setup", step_setup },
	[PG_READY] = { "ready", step_ready },
	[PG_CLOSING] = { "closing", step_closing },
};

static void
enter(struct pg_session *s, enum pg_session_state to)
{
	if (s->state != to)
		log_debug("%s: session %s -> %s", s->name, states[s->state].name, states[to].name);
	s->state = to;
}

/* Errors that come while nothing is asked reach us here too: they say why the server left. */
static void
on_notice(void *arg, const PGresult *res)
{
	struct pg_session *s = arg;
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
	struct pg_failure f;
	_cleanup_free_ char *shown = NULL;

	cause_of_result(res, &f);
	if (severity && (streq(severity, "FATAL") || streq(severity, "PANIC")))
		s->parting = f;
	shown = show_text(f.err.msg);
	log_debug("%s: server says: %s", s->name, shown);
}

static void
disarm(struct pg_session *s)
{
	if (s->io)
		event_free(TAKE_PTR(s->io));
	s->io_want = 0;
}

/*
 * Lets go of the connection.  Nothing of it waits: the socket is non-blocking, so Terminate and
 * TLS's close are sent if they fit.
 */
static void
hang_up(struct pg_session *s)
{
	disarm(s); /* before libpq closes the descriptor */
	event_del(s->timer);
	s->timer_at_us = INT64_MAX;
	PQfinish(TAKE_PTR(s->pg));
	requests_forget_prepared(s);
	s->is_up = s->is_hung_up = s->is_told = false;
	s->backend_pid = 0;
	s->parting = (struct pg_failure){ 0 };
}

static void
linger_stop(struct pg_session *s)
{
	int fd;

	if (!s->linger)
		return;
	fd = event_get_fd(s->linger);
	event_free(TAKE_PTR(s->linger));
	close(fd);
}

static void
release(struct pg_session *s)
{
	linger_stop(s);
	event_free(s->timer);
	map_free(s->prepared, free);
	pg_plan_unref(s->plan);
	free(s->settings_sql);
	free(s->dbname);
	free(s->cells);
	free(s->lengths);
	free(s->name);
	free(s);
}

static void
on_linger(evutil_socket_t fd, short what, void *arg)
{
	struct pg_session *s = arg;
	char rest[512];

	while (!(what & EV_TIMEOUT)) {
		ssize_t n = recv(fd, rest, sizeof(rest), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			break;
	}
	linger_stop(s);
	enter(s, PG_DOWN);
	if (s->cb.on_closed)
		s->cb.on_closed(s, s->arg);
}

/* The backend leaves the server's tables before its socket closes: its end is what we wait for. */
static bool
linger_start(struct pg_session *s, int fd)
{
	const struct timeval limit = { 1, 0 };

	if (fd < 0)
		return false;
	s->linger = event_new(s->base, fd, EV_READ | EV_PERSIST, on_linger, s);
	assert(s->linger);
	if (event_add(s->linger, &limit) >= 0)
		return true;
	linger_stop(s);
	return false;
}

/*
 * The only way out of a connection.  Settles our own state, then calls back: requests first, the
 * session last.  While they hear of it the state is CLOSING, so none can ask or connect again.
 */
static void
finish(struct pg_session *s)
{
	const struct pg_failure why = s->failure;
	enum pg_session_state was = s->state;
	int fd = was == PG_CLOSING ? fcntl(PQsocket(s->pg), F_DUPFD_CLOEXEC, 3) : -1;

	hang_up(s);
	if (s->ready_us == 0)
		s->timing.total_us = clock_now_us() - s->begun_us;
	enter(s, PG_CLOSING);
	requests_end(s, &why);
	if (s->is_dead) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (linger_start(s, fd))
		return;
	enter(s, PG_DOWN);
	if (was == PG_CLOSING && s->cb.on_closed)
		s->cb.on_closed(s, s->arg);
	else if (was == PG_READY && s->cb.on_lost)
		s->cb.on_lost(s, &why, s->arg);
	else if (was != PG_READY && was != PG_CLOSING && s->cb.on_connect)
		s->cb.on_connect(s, &why, s->arg);
}

/*
 * The deadline passed.  A connect that was not answered is kept as the attempt: a stopped server
 * queues each new one and would fork for all of them when it continues.
 */
static int
overdue(struct pg_session *s)
{
	struct pg_failure why;

	if (s->state == PG_READY)
		return session_fail(
		    s, PG_CAUSE_TIMEOUT, "a statement had no answer by its deadline");
	if (s->state == PG_UNANSWERED)
		return session_fail(s, PG_CAUSE_TIMEOUT,
		    "the pooler took the connection, but never answered the first query");
	session_fail(s, PG_CAUSE_TIMEOUT,
	    s->is_up ? "connected, but the first query had no answer within %.3g s"
	             : "no answer to the connection within %.3g s",
	    (double)s->timeout_us / USEC_PER_SEC);
	why = s->failure;
	enter(s, PG_UNANSWERED);
	s->deadline_us = clock_now_us() + KEPT_TIMEOUTS * s->timeout_us;
	if (!s->is_told && s->cb.on_connect) {
		s->is_told = true;
		s->timing.total_us = s->timeout_us;
		s->cb.on_connect(s, &why, s->arg);
	}
	return 0;
}

static int64_t
next_deadline(const struct pg_session *s)
{
	switch (s->state) {
	case PG_CONNECTING:
	case PG_SETUP:
		return s->deadline_us;
	case PG_READY:
		return requests_deadline(s);
	case PG_UNANSWERED:
		/* A pooler lives on without what it owes us, and itself limits who waits behind it.
		 */
		return s->is_up && s->is_plain ? s->deadline_us : INT64_MAX;
	case PG_DOWN:
	case PG_CLOSING:
		break;
	}
	return INT64_MAX;
}

/* A timer that is early costs one look; it is moved only when it would be late. */
static int
arm_timer(struct pg_session *s)
{
	int64_t at_us = next_deadline(s), wait_us;
	struct timeval tv;

	if (at_us >= s->timer_at_us || at_us == INT64_MAX)
		return 0;
	wait_us = MAX(at_us - clock_now_us(), USEC_PER_MSEC);
	tv = (struct timeval){ wait_us / USEC_PER_SEC, wait_us % USEC_PER_SEC };
	if (event_add(s->timer, &tv) < 0)
		return session_fail(s, PG_CAUSE_OTHER, "cannot add a timer");
	s->timer_at_us = at_us;
	return 0;
}

static void on_event(evutil_socket_t, short, void *);

static int
arm(struct pg_session *s, short want)
{
	if (s->io_want != want)
		disarm(s);
	if (want != WANT_NOTHING && !s->io) {
		s->io =
		    event_new(s->base, PQsocket(s->pg), (short)(want | EV_PERSIST), on_event, s);
		if (!s->io || event_add(s->io, NULL) < 0)
			return session_fail(s, PG_CAUSE_OTHER, "cannot watch the socket");
		s->io_want = want;
	}
	return arm_timer(s);
}

int
session_arm(struct pg_session *s)
{
	int r = PQflush(s->pg);

	return r < 0 ? r : arm(s, (short)(r > 0 ? EV_READ | EV_WRITE : EV_READ));
}

void
session_kick(struct pg_session *s)
{
	event_active(s->timer, EV_TIMEOUT, 0);
}

/*
 * libpq holds a message whole before it shows any of it, and believes the length that the peer
 * gives: what came since it last showed one is counted here, so that a row of a gigabyte, or an
 * endless refusal, does not end up in our memory whole.
 */
static int
count_input(struct pg_session *s)
{
	int n = 0;

	if (!s->pg || PQsocket(s->pg) < 0 || ioctl(PQsocket(s->pg), FIONREAD, &n) < 0 || n <= 0)
		return 0;
	s->unfinished_bytes += (size_t)n;
	if (s->unfinished_bytes <= (s->is_up ? PG_MESSAGE_MAX_BYTES : CONNECT_MAX_BYTES))
		return 0;
	session_fail(s, PG_CAUSE_OTHER, "the server sent over %zu kB without an end of it",
	    (s->is_up ? PG_MESSAGE_MAX_BYTES : CONNECT_MAX_BYTES) >> 10);
	/* program_limit_exceeded: it is what was asked, not the connection, that failed */
	snprintf(s->failure.err.sqlstate, sizeof(s->failure.err.sqlstate), "54000");
	return s->failure.err.code;
}

static void
run(struct pg_session *s, short what)
{
	int r = what & EV_READ ? count_input(s) : 0;

	if (what & EV_TIMEOUT)
		s->timer_at_us = INT64_MAX;
	if (r == 0 && s->is_up && (what & (EV_READ | EV_TIMEOUT)) && !PQconsumeInput(s->pg))
		s->is_hung_up = true;
	if (r == 0) {
		do
			r = states[s->state].step(s);
		while (r == WANT_AGAIN && !s->is_dead);
	}
	/* After the step: an answer that is here counts, however late the loop is. */
	if (!s->is_dead && r >= 0 && clock_now_us() >= next_deadline(s))
		r = overdue(s) < 0 ? -ETIMEDOUT : r;
	if (!s->is_dead && r >= 0)
		r = arm(s, (short)r);
	if (!s->is_dead && r < 0)
		finish(s);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct pg_session *s = arg;

	(void)fd;
	s->is_running = true;
	run(s, what);
	s->is_running = false;
	if (s->is_dead)
		release(s);
}

static int
step_down(struct pg_session *s)
{
	(void)s;
	return WANT_NOTHING;
}

/* The plan has what a service said; PGSERVICE would make libpq read the service file in here. */
static PGconn *
start_params(const char *const *keys, const char *const *values)
{
	const char *set = getenv("PGSERVICE");
	_cleanup_free_ char *service = xstrdup(set);
	PGconn *pg;

	if (service)
		unsetenv("PGSERVICE");
	pg = PQconnectStartParams(keys, values, 0);
	if (service)
		setenv("PGSERVICE", service, 1);
	return pg;
}

static int
start(struct pg_session *s)
{
	const char *const *keys = pg_plan_keywords(s->plan), *const *values =
	                                                         pg_plan_values(s->plan);
	_cleanup_free_ char *options = NULL;
	const char *k[64], *v[64];
	size_t n = 0;

	for (size_t i = 0; keys[i]; i++)
		if (!streq(keys[i], "options") && n < ARRAY_SIZE(k) - 3) {
			k[n] = keys[i];
			v[n++] = values[i];
		}
	k[n] = "dbname";
	v[n++] = s->dbname ? s->dbname : pg_plan_dbname(s->plan);
	if (!s->is_plain) {
		options = setup_options(s);
		k[n] = "options";
		v[n++] = options;
	}
	k[n] = v[n] = NULL;
	s->pg = start_params(k, v);
	if (!s->pg)
		return session_fail(s, PG_CAUSE_OTHER, "out of memory");
	PQsetErrorVerbosity(s->pg, PQERRORS_VERBOSE);
	PQsetNoticeReceiver(s->pg, on_notice, s);
	s->phase = PQstatus(s->pg);
	return 0;
}

/* A pooler that takes no options is asked once more without, and remembered as one. */
static int
refused(struct pg_session *s)
{
	cause_of_connect(s->pg, s->phase, &s->failure);
	if (s->is_asking)
		s->failure = s->refused;
	if (s->is_plain)
		return s->failure.err.code;
	if (!cause_is_refused_options(&s->failure)) {
		/* A setting that every server since 13 knows is not known there: who is it? */
		if (s->failure.cause != PG_CAUSE_SETTINGS)
			return s->failure.err.code;
		s->refused = s->failure;
		s->is_asking = true;
	}
	PQfinish(TAKE_PTR(s->pg));
	s->is_plain = true;
	return WANT_AGAIN;
}

static int
authenticated(struct pg_session *s)
{
	int64_t now = clock_now_us();
	int r = setup_refuse_stranger(s, NULL);

	if (r < 0)
		return r;
	if (s->is_asking) {
		s->failure = s->refused;
		return s->failure.err.code;
	}
	if (PQsetnonblocking(s->pg, 1) < 0 || !PQenterPipelineMode(s->pg))
		return session_fail(s, PG_CAUSE_OTHER, "%s", PQerrorMessage(s->pg));
	s->timing.auth_us = now - s->linked_us;
	s->is_up = true;
	if (s->is_told) /* answered late: the queries have a time of their own */
		s->deadline_us = now + s->timeout_us;
	enter(s, PG_SETUP);
	setup_begin(s);
	return WANT_AGAIN;
}

/*
 * libpq may be asked only when its socket is as it wished: before that, it takes an address that
 * has not answered yet for connected, sends, and waits for ever in a poll of its own.
 */
static bool
is_socket_ready(const struct pg_session *s, short want)
{
	short events = (short)((want & EV_READ ? POLLIN : 0) | (want & EV_WRITE ? POLLOUT : 0));
	struct pollfd p = { .fd = PQsocket(s->pg), .events = events };

	return poll(&p, 1, 0) != 0;
}

static int
step_connecting(struct pg_session *s)
{
	PostgresPollingStatusType polled;
	short want = s->io_want;

	if (s->pg && want && !is_socket_ready(s, want))
		return want;
	disarm(s); /* libpq may close its socket and get the same number again */
	if (!s->pg) {
		int r = start(s);

		if (r < 0)
			return r;
		if (s->phase == CONNECTION_BAD)
			return refused(s);
		return EV_WRITE; /* as libpq asks: behave as if it had said WRITING */
	}
	polled = PQconnectPoll(s->pg);
	if (polled == PGRES_POLLING_FAILED)
		return refused(s);
	s->phase = PQstatus(s->pg);
	if (s->linked_us == 0 && s->phase != CONNECTION_STARTED && s->phase != CONNECTION_NEEDED) {
		s->linked_us = clock_now_us();
		s->timing.connect_us = s->linked_us - s->begun_us;
	}
	if (polled == PGRES_POLLING_OK)
		return authenticated(s);
	return polled == PGRES_POLLING_READING ? EV_READ : EV_WRITE;
}

/* The kept attempt goes on where it was. */
static int
step_unanswered(struct pg_session *s)
{
	return s->is_up ? step_setup(s) : step_connecting(s);
}

/* Takes what is here, notices the end, says what to wait for. */
static int
pump(struct pg_session *s)
{
	int r = requests_pump(s);

	if (s->is_dead || r < 0)
		return r;
	if (s->state == PG_CLOSING)
		return WANT_AGAIN;
	r = PQflush(s->pg);
	if (r < 0 || s->is_hung_up || PQstatus(s->pg) == CONNECTION_BAD) {
		s->failure = s->parting;
		cause_of_loss(s->pg, &s->failure);
		/* It closes with our statements unread, and its words are lost with them. */
		if (s->is_pooled && s->ready_us == 0)
			err_prefix(&s->failure.err,
			    "the pooler refused a transaction (pool_mode=statement?)");
		return s->failure.err.code;
	}
	return r > 0 ? EV_READ | EV_WRITE : EV_READ;
}

static int
step_setup(struct pg_session *s)
{
	int want = pump(s), r;

	if (s->is_dead || want < 0 || want == WANT_AGAIN)
		return want;
	r = setup_step(s);
	if (r < 0)
		return r;
	if (r == 0) {
		want = PQflush(s->pg);
		return want < 0 ? session_fail(s, PG_CAUSE_LOST, "%s", PQerrorMessage(s->pg))
		                : (want > 0 ? EV_READ | EV_WRITE : EV_READ);
	}
	s->ready_us = clock_now_us();
	s->timing.total_us = s->ready_us - s->begun_us;
	enter(s, PG_READY);
	if (s->cb.on_connect)
		s->cb.on_connect(s, NULL, s->arg);
	return WANT_AGAIN;
}

static int
step_ready(struct pg_session *s)
{
	return pump(s);
}

static int
step_closing(struct pg_session *s)
{
	return session_fail(s, PG_CAUSE_LOST, "session closed");
}

struct pg_session *
pg_session_new(struct event_base *base, const struct pg_session_options *o,
    const struct pg_session_callbacks *cb, void *arg)
{
	struct pg_session *s = xcalloc(1, sizeof(*s));

	s->base = base;
	s->cb = *cb;
	s->arg = arg;
	s->name = xstrdup(o->name ? o->name : "postgresql");
	s->statement_timeout_us =
	    o->statement_timeout_us ? o->statement_timeout_us : 5 * USEC_PER_SEC;
	s->lock_timeout_us = o->lock_timeout_us ? o->lock_timeout_us : 100 * USEC_PER_MSEC;
	s->keep_prepared = o->keep_prepared;
	s->echo = o->echo;
	s->prepared = map_new();
	s->timer_at_us = INT64_MAX;
	s->timer = evtimer_new(base, on_event, s);
	assert(s->timer);
	return s;
}

struct pg_session *
pg_session_free(struct pg_session *s)
{
	if (!s || s->is_dead)
		return NULL;
	s->is_dead = true;
	linger_stop(s);
	hang_up(s);
	requests_drop(s);
	if (!s->is_running)
		release(s);
	return NULL;
}

int
pg_session_connect(
    struct pg_session *s, struct pg_plan *plan, const char *dbname, int64_t timeout_us)
{
	if (s->state != PG_DOWN)
		return -EBUSY;
	if (!s->plan || !pg_plan_equal(s->plan, plan) || s->is_asking)
		s->is_plain = s->lacks_newer = s->is_asking = false;
	pg_plan_ref(plan);
	pg_plan_unref(s->plan);
	s->plan = plan;
	free(s->dbname);
	s->dbname = xstrdup(dbname);
	s->is_pooled = false;
	s->server_version = 0;
	s->linked_us = s->ready_us = 0;
	s->timing = (struct pg_timing){ -1, -1, -1, -1 };
	s->timeout_us = timeout_us;
	s->begun_us = clock_now_us();
	s->unfinished_bytes = 0;
	s->deadline_us = s->begun_us + timeout_us;
	enter(s, PG_CONNECTING);
	session_kick(s);
	return 0;
}

void
pg_session_close(struct pg_session *s)
{
	if (s->state == PG_DOWN || s->state == PG_CLOSING)
		return;
	enter(s, PG_CLOSING);
	session_kick(s);
}

enum pg_session_state
pg_session_state(const struct pg_session *s)
{
	return s->state;
}

const struct pg_timing *
pg_session_timing(const struct pg_session *s)
{
	return &s->timing;
}

int
pg_session_backend_pid(const struct pg_session *s)
{
	return s->backend_pid;
}

bool
pg_session_is_pooled(const struct pg_session *s)
{
	return s->is_pooled;
}

int
pg_session_server_version(const struct pg_session *s)
{
	return s->server_version;
}

int
pg_session_socket(const struct pg_session *s)
{
	return s->pg ? PQsocket(s->pg) : -1;
}

int64_t
pg_session_age_us(const struct pg_session *s)
{
	return s->state == PG_READY ? clock_now_us() - s->ready_us : 0;
}

size_t
pg_session_in_flight(const struct pg_session *s)
{
	return s->nrequests;
}
