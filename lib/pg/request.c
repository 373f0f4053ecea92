/*
 * Statements in a pipeline: a Sync after each, so that an error stays its own; rows as they come.
 * User statements, pooled sessions and other time limits go as a group: BEGIN READ ONLY, local
 * settings, the statement, Sync, ROLLBACK, Sync.  Whatever the statement set goes with the ROLLBACK,
 * and no group ever sets anything for the session, which may be the next client's.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/text.h"
#include "pg/session_impl.h"
#include <stdio.h>

#define ECHO_MAX_BYTES ((size_t)1000)

struct prepared {
	uint64_t sql_hash;
	size_t sql_len;
	bool is_stale; /* to be deallocated and prepared anew */
};

static void
clear_resultp(PGresult **res)
{
	PQclear(*res);
}

static struct request *
head_of(struct pg_session *s)
{
	return &s->requests[s->head];
}

static void
request_done(struct request *q)
{
	free(q->failure);
	free(q->name);
	free(q->echo);
	memset(q, 0, sizeof(*q));
}

/* Tells texts of our own catalogue apart, not an adversary's; whole words, for they are long and
 * each is hashed whenever it is asked. */
static uint64_t
hash(const char *s, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ len, word;

	for (; len >= sizeof(word); s += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, s, sizeof(word));
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	word = 0;
	memcpy(&word, s, len);
	return (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
}

static void
expect(struct request *q, enum part part)
{
	assert(q->nparts < PARTS_MAX);
	q->parts[q->nparts++] = (uint8_t)part;
}

static bool
send_text(struct pg_session *s, struct request *q, enum part part, const char *sql,
    const char *const *params, size_t nparams)
{
	expect(q, part);
	return PQsendQueryParams(s->pg, sql, (int)nparams, NULL, params, NULL, NULL, 0);
}

static bool
send_sync(struct pg_session *s, struct request *q)
{
	expect(q, PART_SYNC);
	return PQpipelineSync(s->pg);
}

/* The first of a name brings its text; a text that changed replaces the old one on the server. */
static bool
send_prepared(struct pg_session *s, struct request *q, const struct pg_statement *st)
{
	struct prepared *p = map_get(s->prepared, st->name);
	size_t len = strlen(st->sql);
	uint64_t h = hash(st->sql, len);

	q->name = xstrdup(st->name);
	if (p && (p->is_stale || p->sql_hash != h || p->sql_len != len)) {
		_cleanup_(str_done) struct str sql = { 0 };

		str_add(&sql, "DEALLOCATE \"");
		for (const char *c = st->name; *c; c++)
			str_add(&sql, *c == '"' ? "\"\"" : (const char[]){ *c, '\0' });
		str_addc(&sql, '"');
		if (!send_text(s, q, PART_DEALLOCATE, str_text(&sql), NULL, 0))
			return false;
		free(map_remove(s->prepared, st->name));
		p = NULL;
	}
	if (!p) {
		expect(q, PART_PREPARE);
		if (!PQsendPrepare(s->pg, st->name, st->sql, 0, NULL))
			return false;
		p = xcalloc(1, sizeof(*p));
		p->sql_hash = h;
		p->sql_len = len;
		map_put(s->prepared, st->name, p);
	}
	expect(q, PART_STATEMENT);
	return PQsendQueryPrepared(s->pg, st->name, (int)st->nparams, st->params, NULL, NULL, 0);
}

static bool
send_statement(struct pg_session *s, struct request *q, const struct pg_statement *st)
{
	/* NAMEDATALEN: a longer name would be cut by the server and clash */
	if (st->name && s->keep_prepared && !s->is_pooled && !st->user && strlen(st->name) < 64)
		return send_prepared(s, q, st);
	return send_text(s, q, PART_STATEMENT, st->sql, st->params, st->nparams);
}

/* The ROLLBACK follows a Sync of its own: after an error the server skips all up to the next. */
static bool
send_group(
    struct pg_session *s, struct request *q, const struct pg_statement *st, int64_t timeout_us)
{
	char buf[GUC_TIME_SIZE];
	const char *const params[] = { buf };

	setup_time_text(timeout_us, buf);
	return send_text(s, q, PART_BEGIN, "BEGIN READ ONLY", NULL, 0) &&
	       send_text(s, q, PART_SETTINGS, s->settings_sql, params, 1) &&
	       send_statement(s, q, st) && send_sync(s, q) &&
	       send_text(s, q, PART_ROLLBACK, "ROLLBACK", NULL, 0) && send_sync(s, q);
}

/* A little under the deadline: the server then ends the statement and the session lives. */
static int64_t
timeout_of(const struct pg_session *s, const struct pg_statement *st, int64_t deadline_us)
{
	int64_t timeout_us = st->timeout_us > 0 ? st->timeout_us : s->statement_timeout_us;

	return MIN(timeout_us, deadline_us - deadline_us / 20);
}

int
request_send(struct pg_session *s, const struct pg_statement *st, int64_t deadline_us,
    const struct pg_request_callbacks *cb, void *arg, bool is_internal)
{
	int64_t timeout_us = is_internal ? s->statement_timeout_us : timeout_of(s, st, deadline_us);
	struct request *q;
	bool is_grouped, ok;

	if (s->nrequests == PG_PIPELINE_MAX)
		return -EAGAIN;
	q = &s->requests[(s->head + s->nrequests++) % PG_PIPELINE_MAX];
	memset(q, 0, sizeof(*q));
	q->cb = *cb;
	q->arg = arg;
	q->is_internal = is_internal;
	q->begun_us = clock_now_us();
	q->deadline_us = q->begun_us + deadline_us;
	if (s->echo && !is_internal)
		q->echo = text_ellipsis(st->sql, ECHO_MAX_BYTES);
	is_grouped = s->is_pooled || st->user ||
	             timeout_us / USEC_PER_MSEC != s->statement_timeout_us / USEC_PER_MSEC;
	ok = is_grouped ? send_group(s, q, st, timeout_us)
	                : send_statement(s, q, st) && send_sync(s, q);
	if (!ok) {
		/* Told from the loop: its step finds the connection bad. */
		cause_of_loss(s->pg, &s->parting);
		s->is_hung_up = true;
		session_kick(s);
	} else if (!s->is_running && session_arm(s) < 0)
		session_kick(s);
	return 0;
}

int
pg_session_request(struct pg_session *s, const struct pg_statement *st, int64_t deadline_us,
    const struct pg_request_callbacks *cb, void *arg)
{
	if (s->state != PG_READY || s->is_hung_up)
		return -ENOTCONN;
	if (st->nparams > 1000)
		return -EINVAL;
	return request_send(s, st, deadline_us, cb, arg, false);
}

int64_t
requests_deadline(const struct pg_session *s)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < s->nrequests; i++)
		first = MIN(first, s->requests[(s->head + i) % PG_PIPELINE_MAX].deadline_us);
	return first;
}

static void
keep_failure(struct request *q, const struct pg_failure *f)
{
	if (q->failure)
		return;
	q->failure = xcalloc(1, sizeof(*q->failure));
	*q->failure = *f;
}

/* Settles the slot first, calls back last: the callback may ask again, close or free. */
static void
request_end(struct pg_session *s, const struct pg_failure *f)
{
	struct request q = *head_of(s);
	int64_t now = clock_now_us();

	memset(head_of(s), 0, sizeof(q));
	s->head = (s->head + 1) % PG_PIPELINE_MAX;
	if (--s->nrequests > 0)
		head_of(s)->begun_us = MAX(head_of(s)->begun_us, now);
	if (q.echo) {
		_cleanup_free_ char *shown = show_text(q.echo);

		log_info("%s: statement took %.3f ms%s: %s", s->name,
		    (double)(now - q.begun_us) / USEC_PER_MSEC, f ? " and failed" : "", shown);
	}
	q.cb.on_done(f, now - q.begun_us, q.arg);
	request_done(&q);
}

static void
forget_if_unusable(struct pg_session *s, const struct request *q)
{
	struct prepared *p = q->name && q->failure ? map_get(s->prepared, q->name) : NULL;

	if (!p)
		return;
	/* 26000: somebody deallocated it; 0A000: its result type changed under it */
	if (q->parts[q->at] == PART_PREPARE || q->parts[q->at] == PART_DEALLOCATE ||
	    streq(q->failure->err.sqlstate, "26000"))
		free(map_remove(s->prepared, q->name));
	else if (streq(q->failure->err.sqlstate, "0A000"))
		p->is_stale = true;
}

static void
grow_cells(struct pg_session *s, size_t n)
{
	if (n <= s->ncells)
		return;
	s->cells = xreallocarray(s->cells, n, sizeof(*s->cells));
	s->lengths = xreallocarray(s->lengths, n, sizeof(*s->lengths));
	s->ncells = n;
}

static void
tell_columns(struct pg_session *s, struct request *q, const PGresult *res)
{
	size_t n = (size_t)PQnfields(res);

	if (q->has_columns || !q->cb.on_columns)
		return;
	q->has_columns = true;
	grow_cells(s, n);
	for (size_t i = 0; i < n; i++)
		s->cells[i] = PQfname(res, (int)i);
	q->cb.on_columns(n, s->cells, q->arg);
}

/* The slot may be gone when a callback freed the session: is_dead is looked at after each. */
static void
tell_rows(struct pg_session *s, struct request *q, const PGresult *res)
{
	size_t n = (size_t)PQnfields(res);

	tell_columns(s, q, res);
	for (int row = 0; row < PQntuples(res) && !s->is_dead && !q->is_unwanted; row++) {
		bool more;

		grow_cells(s, n);
		for (size_t i = 0; i < n; i++) {
			bool is_null = PQgetisnull(res, row, (int)i);

			s->cells[i] = is_null ? NULL : PQgetvalue(res, row, (int)i);
			s->lengths[i] = is_null ? 0 : (size_t)PQgetlength(res, row, (int)i);
		}
		more = !q->cb.on_row || q->cb.on_row(s->cells, s->lengths, q->arg);
		if (!s->is_dead && !more)
			q->is_unwanted = true;
	}
}

static int
take_error(struct pg_session *s, struct request *q, const PGresult *res)
{
	struct pg_failure f;

	cause_of_result(res, &f);
	if (q->parts[q->at] == PART_ROLLBACK && f.err.sqlstate[0] && f.cause == PG_CAUSE_OTHER)
		return session_fail(s, PG_CAUSE_OTHER, "cannot roll back: %s", f.err.msg);
	keep_failure(q, &f);
	if (f.cause == PG_CAUSE_SHUTDOWN)
		s->parting = f;
	forget_if_unusable(s, q);
	return 0;
}

static int
take_sync(struct pg_session *s, struct request *q)
{
	if (q->parts[q->at] != PART_SYNC)
		return session_fail(s, PG_CAUSE_OTHER, "the server's answers are out of step");
	if (++q->at < q->nparts)
		return 0;
	/* Known only when nothing else is under way.  A transaction left open would go on holding
	 * back vacuum, and through a pooler a backend. */
	if (s->nrequests == 1 && PQtransactionStatus(s->pg) != PQTRANS_IDLE)
		return session_fail(s, PG_CAUSE_OTHER, "a statement left its transaction open");
	request_end(s, q->failure);
	return 0;
}

static int
take(struct pg_session *s, const PGresult *res)
{
	struct request *q = head_of(s);

	switch (PQresultStatus(res)) {
	case PGRES_PIPELINE_SYNC:
		return take_sync(s, q);
	case PGRES_SINGLE_TUPLE:
	case PGRES_TUPLES_OK:
		if (q->parts[q->at] == PART_STATEMENT)
			tell_rows(s, q, res);
		return 0;
	case PGRES_FATAL_ERROR:
	case PGRES_BAD_RESPONSE:
		return take_error(s, q, res);
	case PGRES_COPY_IN:
	case PGRES_COPY_OUT:
	case PGRES_COPY_BOTH:
		keep_failure(
		    q, &(struct pg_failure){ .cause = PG_CAUSE_OTHER,
		           .err = { .code = -EINVAL, .msg = "COPY is not possible here" } });
		return session_fail(s, PG_CAUSE_OTHER, "a statement began a COPY");
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
	case PGRES_NONFATAL_ERROR:
	case PGRES_PIPELINE_ABORTED:
		break;
	}
	return 0;
}

int
requests_pump(struct pg_session *s)
{
	while (!s->is_dead && s->nrequests > 0) {
		_cleanup_(clear_resultp) PGresult *res = NULL;
		struct request *q = head_of(s);
		int r;

		/* Before anything of it is parsed, and PQisBusy parses. */
		if (q->parts[q->at] == PART_STATEMENT && !q->is_streamed)
			q->is_streamed = PQsetSingleRowMode(s->pg);
		if (PQisBusy(s->pg))
			break;
		res = PQgetResult(s->pg);
		if (!res) {
			if (q->parts[q->at] == PART_SYNC)
				break;
			q->at++;
			continue;
		}
		s->unfinished_bytes = 0;
		r = take(s, res);
		if (r < 0)
			return r;
	}
	/* Parses what nobody asked for: notices, and the reason why the server is leaving. */
	if (!s->is_dead && s->nrequests == 0)
		(void)PQisBusy(s->pg);
	return 0;
}

/*
 * The first in line hears why.  Who only stood behind it hears that too, but of a fault that is the
 * first one's own just that the session was lost, and by its code that it was not reached.
 */
void
requests_end(struct pg_session *s, const struct pg_failure *why)
{
	int64_t now = clock_now_us();
	bool is_first = true;

	while (!s->is_dead && s->nrequests > 0) {
		const struct request *q = head_of(s);
		struct pg_failure f = *why;

		if (q->failure)
			f = *q->failure;
		else if ((why->cause == PG_CAUSE_TIMEOUT && now < q->deadline_us) ||
		         (why->cause == PG_CAUSE_OTHER && !is_first)) {
			f.cause = PG_CAUSE_LOST;
			err_set(&f.err, PG_NOT_REACHED,
			    "the session was given up: a statement before this one %s",
			    why->cause == PG_CAUSE_TIMEOUT ? "had no answer" : "broke it");
		}
		is_first = false;
		request_end(s, &f);
	}
}

void
requests_drop(struct pg_session *s)
{
	for (size_t i = 0; i < PG_PIPELINE_MAX; i++)
		request_done(&s->requests[i]);
	s->head = s->nrequests = 0;
}

void
requests_forget_prepared(struct pg_session *s)
{
	size_t i = 0;
	const char *name;
	void *p;

	while (map_next(s->prepared, &i, &name, &p))
		free(map_remove(s->prepared, name));
}
