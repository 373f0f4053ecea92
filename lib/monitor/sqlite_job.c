/*
 * What one job asks of a worker about a SQLite file, and its answers: rows go to the evaluators, lists
 * of items to their scrubs, facts to the file.
 */
#include "base/clock.h"
#include "base/str.h"
#include "monitor/scrub.h"
#include "monitor/sqlite_impl.h"
#include "report/report.h"
#include "sqlite/fleet.h"
#include "sqlite/sqlite_role.h"

#define SLICE_MS  250
#define MAX_CELLS 1024
/* The jobs of one look at a locked file wait for its locks so long in all, a single one so long. */
#define LOCK_WAIT_ALL_MS INT64_C(3000)
#define LOCK_WAIT_MS     INT64_C(2000)
#define LOCK_WAIT_MIN_MS INT64_C(100)

/* ---- jobs ---- */

void
sqlite_wants_free(struct visit *v)
{
	for (size_t i = 0; i < v->n; i++) {
		eval_free(v->wants[i].eval);
		free(v->wants[i].item);
		free(v->wants[i].item_sql);
	}
	free(TAKE_PTR(v->wants));
	v->n = 0;
}

struct want *
sqlite_want_add(struct visit *v, struct checkup *c)
{
	struct want *w;

	v->wants = xreallocarray(v->wants, v->n + 1, sizeof(*v->wants));
	w = &v->wants[v->n++];
	*w = (struct want){
		.checkup = c, .started_us = clock_now_us(), .started_wall_us = clock_wall_us()
	};
	return w;
}

static int64_t
statement_timeout(const struct visit *v, const struct want *w)
{
	/* The list of the work reads the schema only, however long the work itself takes. */
	return w->checkup->check->cost == COST_SCRUB && w->eval ? sqlite_scrub_long_us(v)
	                                                        : v->db->conf->timeout_us;
}

/*
 * A value for a parameter.  The folder of migrations is large and asked for by several statements: the
 * job has it once.  A revision stays the text that was written: 1.10 is not 1.1.
 */
static json_t *
param_json(const char *name, const char *value)
{
	if (!value)
		return json_null();
	if (streq(name, "migrations"))
		return json_pack("{s:s}", "shared", name);
	if (streq(name, "expect_migration") || streq(name, "migration_table"))
		return json_pack("{s:o}", "text", report_string(value));
	return report_string(value);
}

static json_t *
want_json(const struct visit *v, size_t n)
{
	const struct want *w = &v->wants[n];
	const struct check *c = w->checkup->check;
	json_t *o = json_object(), *params = json_array();

	json_object_set_new(o, "n", json_integer((json_int_t)n));
	json_object_set_new(o, "source", json_string(c->source == SOURCE_FILE ? "file" : "sql"));
	json_object_set_new(o, "user", json_boolean(c->user));
	json_object_set_new(o, "timeout_ms", json_integer(statement_timeout(v, w) / USEC_PER_MSEC));
	json_object_set_new(
	    o, "max_rows", json_integer(c->user ? EVAL_USER_MAX_ROWS : EVAL_MAX_ROWS));
	json_object_set_new(
	    o, "max_bytes", json_integer(c->user ? EVAL_USER_MAX_BYTES : EVAL_MAX_BYTES));
	if (w->body) {
		const struct bind *b = &checkup_binds(w->checkup)[w->body - c->bodies];
		struct bound bound;

		checkup_bind(w->checkup, b, &bound);
		for (size_t i = 0; i < bound.n; i++)
			json_array_append_new(params, param_json(b->names[i], bound.values[i]));
		bound_done(&bound);
		json_object_set_new(o, "sql", report_string(b->sql));
	} else {
		json_object_set_new(o, "sql", report_string(w->item_sql));
	}
	json_object_set_new(o, "params", params);
	sqlite_scrub_statement(w, v, o);
	return o;
}

static bool
shares_migrations(const struct visit *v)
{
	for (size_t i = 0; migrations_text(v->db) && i < v->n; i++)
		if (migrations_compared(v->db, v->wants[i].checkup))
			return true;
	return false;
}

/* A daemon looks again; somebody who asks once is not to wait at each probe for the same lock. */
static int64_t
lock_wait_ms(const struct database *d)
{
	if (!d->monitor->options.one_shot)
		return LOCK_WAIT_MS;
	return MIN(LOCK_WAIT_MS, MAX(LOCK_WAIT_ALL_MS - d->sqlite->locked_ms, LOCK_WAIT_MIN_MS));
}

char *
sqlite_job_text(struct visit *v, int64_t deadline_us)
{
	json_t *o = json_object(), *a = json_array(), *path;
	char *text;

	path = json_string(v->db->sqlite->path);
	if (!path) {
		_cleanup_free_ char *written = fleet_name(v->db->sqlite->path);

		json_object_set_new(o, "path_written", report_string(written));
	} else {
		json_object_set_new(o, "path", path);
	}
	json_object_set_new(o, "copy_limit", json_integer(v->db->conf->copy_limit));
	json_object_set_new(o, "deadline_ms", json_integer(deadline_us / USEC_PER_MSEC));
	v->lock_wait_ms = lock_wait_ms(v->db);
	json_object_set_new(o, "lock_wait_ms", json_integer(v->lock_wait_ms));
	sqlite_scrub_job(v, o);
	json_object_set_new(o, "slice_ms", json_integer(SLICE_MS));
	json_object_set_new(o, "pre_read",
	    json_boolean(v->scrubbing || v->wants[0].checkup->check->cost == COST_SCRUB));
	if (v->db->sqlite->former > 0)
		json_object_set_new(o, "former_inode", json_integer(v->db->sqlite->former));
	json_object_set_new(o, "closed", json_boolean(v->closed));
	if (shares_migrations(v))
		json_object_set_new(o, "shared",
		    json_pack("{s:o}", "migrations", report_string(migrations_text(v->db))));
	for (size_t i = 0; i < v->n; i++)
		if (!v->wants[i].done)
			json_array_append_new(a, want_json(v, i));
	json_object_set_new(o, "statements", a);
	text = report_dump(o);
	json_decref(o);
	return text;
}

/* ---- answers ---- */

static enum reason
reason_of(const char *name)
{
	for (enum reason r = REASON_NONE; name && r < REASON_N; r++)
		if (streq(reason_names[r], name))
			return r;
	return REASON_ERROR;
}

void
sqlite_want_finish(struct visit *v, struct want *w, enum reason reason, const char *text,
    bool truncated, int64_t duration_us)
{
	struct result result = { 0 }, why = { 0 };
	struct outcome o = { .checkup = w->checkup,
		.result = &result,
		.item = w->item,
		.started_us = w->started_us,
		.started_wall_us = w->started_wall_us,
		.duration_us = duration_us };
	bool cut = reason != REASON_NONE || truncated;

	if (w->done)
		return;
	w->done = true;
	if (reason != REASON_BUDGET && reason != REASON_CONNECTION) {
		w->cost.server_us = duration_us;
		w->cost.timed_out = reason == REASON_TIMEOUT;
		cost_add(w->checkup, &w->cost);
	}
	if (cut)
		result_unknown(&why, reason, "%s", text ? text : reason_names[reason]);
	if (!w->eval) { /* a list of items */
		if (!cut) {
			scope_scrub_listed(w->checkup);
			v->scrub_wall_us = clock_wall_us();
		} else {
			scope_record(
			    w->checkup->scope, &(struct outcome){ .checkup = w->checkup,
			                           .result = &why,
			                           .started_us = w->started_us,
			                           .started_wall_us = w->started_wall_us });
			v->scrubbing = NULL;
		}
		result_done(&why);
		return;
	}
	eval_finish(w->eval, cut ? &why : NULL, &result);
	/* An item that the job did not come to stays as it was. */
	if (w->item && reason == REASON_BUDGET)
		;
	else if (w->item && cut && sqlite_scrub_put_off(v, w, text ? text : reason_names[reason]))
		;
	else if (w->item)
		scope_scrub_record(&o, sqlite_scrub_long_us(v), sqlite_scrub_long_us(v));
	else
		scope_record(w->checkup->scope, &o);
	result_done(&result);
	result_done(&why);
}

static void
list_columns(struct want *w, size_t n, const char *const *names)
{
	static const char *const wanted[] = { "key", "object", "sql", "cost" };

	for (size_t k = 0; k < ARRAY_SIZE(wanted); k++) {
		w->col[k] = -1;
		for (size_t i = 0; i < n; i++)
			if (streq(names[i], wanted[k]))
				w->col[k] = (int)i;
	}
}

static void
list_row(struct want *w, size_t n, const char *const *cells)
{
	const char *v[4];

	for (size_t k = 0; k < 4; k++)
		v[k] = w->col[k] >= 0 && (size_t)w->col[k] < n ? cells[w->col[k]] : NULL;
	if (!v[COL_KEY])
		v[COL_KEY] = v[COL_OBJECT];
	if (v[COL_OBJECT] && v[COL_SQL])
		scrub_list_add(w->checkup->scrub, v[COL_KEY], v[COL_OBJECT], v[COL_SQL],
		    v[COL_COST] ? strtod(v[COL_COST], NULL) : 0);
}

static size_t
cells_of(const json_t *row, const char *cells[static MAX_CELLS], size_t lengths[static MAX_CELLS])
{
	size_t n = MIN(json_array_size(row), (size_t)MAX_CELLS);

	for (size_t i = 0; i < n; i++) {
		const json_t *cell = json_array_get(row, i);

		cells[i] = json_string_value(cell);
		lengths[i] = json_string_length(cell);
	}
	return n;
}

static struct want *
want_of(struct visit *v, const json_t *o)
{
	json_int_t n = json_integer_value(json_object_get(o, "n"));

	return n >= 0 && (size_t)n < v->n && !v->wants[n].done ? &v->wants[n] : NULL;
}

static void
take_rows(struct want *w, const json_t *rows)
{
	const char *cells[MAX_CELLS];
	size_t lengths[MAX_CELLS], i;
	const json_t *row;

	json_array_foreach (rows, i, row) {
		size_t n = cells_of(row, cells, lengths);

		w->cost.rows++;
		for (size_t k = 0; k < n; k++)
			w->cost.bytes += lengths[k];
		if (!w->eval)
			list_row(w, n, cells);
		else if (n > 0)
			eval_row(w->eval, cells, lengths);
	}
}

/* Once nobody is seen at the former file it is over: its number may be given to any other. */
static void
take_inode(struct sqlite_watch *w, const json_t *facts)
{
	int64_t inode = json_integer_value(json_object_get(facts, "inode"));
	const char *holders = json_string_value(json_object_get(facts, "lock_holders"));

	if (json_object_get(facts, "former_inode") &&
	    !(holders && strstr(holders, "\"type\":\"former\"")))
		w->former = 0;
	if (inode == 0)
		return;
	if (w->inode != 0 && inode != w->inode)
		w->former = w->inode;
	w->inode = inode;
	if (w->former == inode)
		w->former = 0;
}

/* What people see of the file beside its findings. */
/* What only the file itself tells comes at once, not after up to an hour; so does its end. */
static void
take_closed(struct database *d, bool closed)
{
	struct sqlite_watch *w = d->sqlite;
	bool first = !w->facts;
	int64_t now = clock_now_us();

	if (w->closed == closed)
		return;
	w->closed = closed;
	if (first)
		return;
	for (size_t i = 0; i < d->scope.ncheckups; i++) {
		struct checkup *c = d->scope.checkups[i];

		if (c->check->source == SOURCE_FILE && c->due_us > now && c->due_us != SCHED_NEVER)
			scope_checkup_due(c, now);
	}
	if (!closed)
		scope_ask_again(&d->scope);
}

/* Of one cause one finding: a file that cannot be opened is told as a lost connection is. */
static enum reason
reason_why(const struct visit *v, const struct want *w, const char *name)
{
	enum reason r = reason_of(name);
	const struct checkup *c = w->checkup;

	if (!v->db->sqlite->closed || c->check->source == SOURCE_FILE || w->item)
		return r;
	return r == REASON_ERROR || (r == REASON_PRIVILEGE && c->answered) ? REASON_CONNECTION : r;
}

/* Of the many files of a folder there would be too much to keep. */
static void
see_file(struct database *d, const json_t *facts)
{
	static const struct {
		const char *fact, *name;
	} seen[] = { { "inode", "inode" }, { "wal_mode", "wal" },
		{ "user_version", "user_version" }, { "application_id", "application_id" },
		{ "page_size", "page_size" }, { "encoding", "encoding" },
		{ "auto_vacuum", "auto_vacuum" } };
	json_t *o;

	if (d->dynamic || json_integer_value(json_object_get(facts, "header_ok")) != 1)
		return;
	o = json_object();
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		const json_t *v = json_object_get(facts, seen[i].fact);

		if (json_is_integer(v))
			json_object_set_new(o, seen[i].name,
			    json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v)));
		else if (json_is_string(v))
			json_object_set_new(o, seen[i].name, json_string(json_string_value(v)));
	}
	scope_saw(&d->scope, NULL, PAST_FILE, o);
}

static void
take_facts(struct database *d, const json_t *facts)
{
	struct sqlite_watch *w = d->sqlite;
	static const struct {
		const char *fact, *name;
	} shown[] = { { "path", "path" }, { "size", "size_bytes" },
		{ "journal_mode", "journal_mode" }, { "tables", "tables" } };

	take_inode(w, facts);
	see_file(d, facts);
	take_closed(d, json_is_true(json_object_get(facts, "closed")));
	if (json_is_integer(json_object_get(facts, "changes")))
		sqlite_note_changes(d, json_integer_value(json_object_get(facts, "changes")));
	json_decref(w->facts);
	w->facts = json_object();
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		json_t *value = json_object_get(facts, shown[i].fact);

		if (value)
			json_object_set(w->facts, shown[i].name, value);
	}
	if (json_is_integer(json_object_get(facts, "size")))
		w->bytes = json_integer_value(json_object_get(facts, "size"));
	else
		w->bytes = 0; /* nothing to read */
	for (struct visit *v = w->visits; v; v = v->next)
		if (v->in_lane)
			lane_tell(v->db->monitor->scrub_lane, &v->ticket, w->bytes);
}

static void
note_lock(struct visit *v, const json_t *facts)
{
	const char *why = json_string_value(json_object_get(facts, "open_reason"));
	int64_t *locked_ms = &v->db->sqlite->locked_ms;

	if (why && streq(why, "locked"))
		*locked_ms = MIN(*locked_ms + v->lock_wait_ms, LOCK_WAIT_ALL_MS);
	else
		*locked_ms = 0;
}

json_t *
sqlite_watch_facts(const struct database *d)
{
	return d->sqlite && d->sqlite->facts ? json_incref(d->sqlite->facts) : json_null();
}

void
sqlite_job_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct visit *v = arg;
	const char *names[MAX_CELLS];
	size_t lengths[MAX_CELLS], n;
	int64_t began = clock_now_us();
	json_t *o = json_loadb(payload, len, 0, NULL);
	struct want *w = o ? want_of(v, o) : NULL;
	const char *state;

	switch (type) {
	case SQLITE_COLUMNS:
		if (!w)
			break;
		n = cells_of(json_object_get(o, "columns"), names, lengths);
		if (w->eval)
			eval_columns(w->eval, n, names);
		else
			list_columns(w, n, names);
		break;
	case SQLITE_ROWS:
		if (w)
			take_rows(w, json_object_get(o, "rows"));
		if (w)
			w->cost.client_us += clock_now_us() - began;
		break;
	case SQLITE_ANSWERED:
		if (!w)
			break;
		state = json_string_value(json_object_get(o, "state"));
		w->gave_way = json_is_true(json_object_get(o, "gave_way"));
		sqlite_want_finish(v, w,
		    state && streq(state, "unknown")
		        ? reason_why(v, w, json_string_value(json_object_get(o, "reason")))
		        : REASON_NONE,
		    json_string_value(json_object_get(o, "text")),
		    state && streq(state, "truncated"),
		    (int64_t)(json_number_value(json_object_get(o, "ms")) * 1000));
		cost_add_client(w->checkup, clock_now_us() - began);
		break;
	case SQLITE_FACTS:
		v->told = true;
		if (o) {
			note_lock(v, o);
			take_facts(v->db, o);
		}
		break;
	default: /* a worker is not trusted to send only what we know */
		break;
	}
	json_decref(o);
}
