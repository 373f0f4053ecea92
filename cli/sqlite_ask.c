/* Asks a worker to read a SQLite file and waits for the answers: for commands that look by themselves. */
#include "cli/sqlite_ask.h"

#include "base/clock.h"
#include "base/str.h"
#include "sqlite/sqlite_role.h"
#include "worker/worker.h"

#include <stdio.h>

#define GRACE_US       (5 * USEC_PER_SEC)
#define ROWS_MAX       200000
#define BYTES_MAX      (16 << 20)
#define STATEMENTS_MAX 1000
#define JOBS_MAX       100 /* of one worker */

size_t
sqlite_ask_add(struct sqlite_ask *a, const char *sql, const char *param, int64_t timeout_us)
{
	json_t *o = json_object(), *params = json_array();
	size_t n;

	if (!a->statements)
		a->statements = json_array();
	n = json_array_size(a->statements);
	assert(n < STATEMENTS_MAX);
	if (param)
		json_array_append_new(params, json_string(param));
	json_object_set_new(o, "n", json_integer((json_int_t)n));
	json_object_set_new(o, "sql", json_string(sql));
	json_object_set_new(o, "source", json_string("sql"));
	json_object_set_new(o, "params", params);
	json_object_set_new(o, "max_rows", json_integer(ROWS_MAX));
	json_object_set_new(o, "max_bytes", json_integer(BYTES_MAX));
	json_object_set_new(o, "timeout_ms", json_integer(timeout_us / USEC_PER_MSEC));
	json_array_append_new(a->statements, o);
	return n;
}

/* ---- what the worker says, which is not trusted to keep to the form ---- */

static struct sqlite_answer *
answer_of(const struct sqlite_ask *a, const json_t *o)
{
	json_int_t n = json_integer_value(json_object_get(o, "n"));

	return n >= 0 && (size_t)n < a->n ? &a->answers[n] : NULL;
}

static void
take_end(struct sqlite_ask *a, struct sqlite_answer *w, json_t *o)
{
	const char *state = json_string_value(json_object_get(o, "state"));

	json_array_append(a->ends, o);
	w->reason = json_string_value(json_object_get(o, "reason")) ?: "";
	w->text = json_string_value(json_object_get(o, "text")) ?: "";
	w->truncated = state && streq(state, "truncated");
	if (!*w->reason && !w->rows)
		w->rows = json_array();
}

static void
on_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct sqlite_ask *a = arg;
	json_t *o = json_loadb(payload, len, 0, NULL);
	struct sqlite_answer *w = o ? answer_of(a, o) : NULL;

	switch (type) {
	case SQLITE_FACTS:
		if (!a->facts)
			a->facts = json_incref(o);
		break;
	case SQLITE_ROWS:
		if (w && !w->rows)
			w->rows = json_array();
		if (w)
			json_array_extend(w->rows, json_object_get(o, "rows"));
		break;
	case SQLITE_ANSWERED:
		if (w)
			take_end(a, w, o);
		break;
	default: /* columns: their names are ours */
		break;
	}
	json_decref(o);
}

/* ---- the worker ---- */

struct sqlite_reader {
	struct event_base *base;
	struct worker_pool *pool; /* NULL until it is asked */
};

struct sqlite_reader *
sqlite_reader_new(void)
{
	struct sqlite_reader *r = xcalloc(1, sizeof(*r));

	r->base = event_base_new();
	return r;
}

void
sqlite_reader_free(struct sqlite_reader *r)
{
	if (!r)
		return;
	worker_pool_free(r->pool);
	event_base_free(r->base);
	free(r);
}

struct wait {
	struct event_base *base;
	struct sqlite_ask *ask;
};

static void
on_end(enum worker_end end, const struct err *err, void *arg)
{
	struct wait *w = arg;

	if (end != WORKER_DONE) {
		w->ask->error = end == WORKER_TIMEOUT ? -ETIMEDOUT : -EIO;
		snprintf(w->ask->why, sizeof(w->ask->why), "%s",
		    end == WORKER_CRASHED ? "the worker that read it died of it"
		    : err                 ? err->msg
		                          : "");
	}
	event_base_loopbreak(w->base);
}

static void
relay(uint32_t type, const char *payload, size_t len, void *arg)
{
	on_message(type, payload, len, ((struct wait *)arg)->ask);
}

static int
submit(struct sqlite_reader *reader, struct sqlite_ask *a, const char *job, int64_t budget_us)
{
	const struct worker_limits limits = {
		.processes = 1, .queue = 1, .keep = true, .jobs = JOBS_MAX
	};
	struct wait w = { .base = reader->base, .ask = a };
	struct err e = { 0 };
	int r = 0;

	if (!reader->pool)
		r = worker_pool_new(reader->base, "sqlite", &limits, &reader->pool, &e);
	if (r == 0)
		r = worker_submit(reader->pool, SQLITE_JOB, job, strlen(job), budget_us + GRACE_US,
		    0, relay, on_end, &w, NULL);
	if (r == 0)
		event_base_dispatch(reader->base);
	else
		snprintf(a->why, sizeof(a->why), "%s", *e.msg ? e.msg : strerror(-r));
	return r < 0 ? r : a->error;
}

static void
settle(struct sqlite_ask *a)
{
	for (size_t i = 0; i < a->n; i++) {
		struct sqlite_answer *w = &a->answers[i];

		if (!w->reason) { /* rows without an end are not known to be all */
			json_decref(w->rows);
			w->rows = NULL;
			w->reason = "error";
			w->text = a->why;
		} else if (*w->reason) {
			json_decref(w->rows);
			w->rows = NULL;
		}
	}
}

int
sqlite_ask_run(struct sqlite_ask *a, const char *path, int64_t copy_limit, int64_t budget_us)
{
	json_t *o = json_object();
	_cleanup_free_ char *job = NULL;
	struct sqlite_reader *own = NULL;
	int r;

	a->n = json_array_size(a->statements);
	a->answers = xcalloc(a->n + 1, sizeof(*a->answers));
	a->ends = json_array();
	if (json_object_set_new(o, "path", json_string(path)) < 0) {
		json_decref(o);
		snprintf(a->why, sizeof(a->why), "the path is not UTF-8");
		settle(a);
		return -EILSEQ;
	}
	json_object_set_new(o, "copy_limit", json_integer(copy_limit));
	json_object_set_new(o, "deadline_ms", json_integer(budget_us / USEC_PER_MSEC));
	json_object_set_new(o, "slice_ms", json_integer(250));
	json_object_set_new(o, "pre_read", json_true());
	json_object_set(o, "statements", a->statements);
	job = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	own = a->reader ? NULL : sqlite_reader_new();
	r = submit(a->reader ? a->reader : own, a, job, budget_us);
	sqlite_reader_free(own);
	settle(a);
	return r;
}

bool
sqlite_ask_opened(const struct sqlite_ask *a)
{
	return json_is_true(json_object_get(a->facts, "open"));
}

void
sqlite_ask_done(struct sqlite_ask *a)
{
	for (size_t i = 0; i < a->n; i++)
		json_decref(a->answers[i].rows);
	free(a->answers);
	json_decref(a->statements);
	json_decref(a->facts);
	json_decref(a->ends);
	*a = (struct sqlite_ask){ 0 };
}

/* ---- cells ---- */

const char *
sqlite_cell(const json_t *row, size_t i)
{
	const char *s = json_string_value(json_array_get(row, i));

	return s ? s : "";
}

bool
sqlite_cell_null(const json_t *row, size_t i)
{
	return !json_is_string(json_array_get(row, i));
}

int64_t
sqlite_cell_int(const json_t *row, size_t i)
{
	return strtoll(sqlite_cell(row, i), NULL, 10);
}
