/*
 * The worker role "sqlite": facts first, then the file opened as design allows, then one statement
 * after the other, each repeated when a writer had to pass or the file changed under it.
 */
#include "base/clock.h"
#include "base/text.h"
#include "base/unit.h"
#include "sqlite/answer.h"
#include "sqlite/fleet.h"
#include "sqlite/guard.h"
#include "sqlite/reader.h"
#include "sqlite/sqlite_role.h"
#include "sqlite/vfs.h"

#include <jansson.h>
#include <math.h>
#include <nss.h>
#include <pwd.h>
#include <sqlite3.h>
#include <stdio.h>

#define ADDRESS_SPACE  ((size_t)1 << 30)
#define STATEMENTS_MAX 1000
/* So much of a log is read at each turn. */
#define WAL_READ_MAX ((int64_t)1 << 30)
#define COLUMNS_MAX  100
#define TRIES_MAX    5
#define GENTLE_TRIES 3
#define PAUSE_US     (20 * USEC_PER_MSEC)
/* A log that writers add to starts over at once. */
#define SETTLE_US    (500 * USEC_PER_MSEC)
#define LOCK_WAIT_US (2 * USEC_PER_SEC)

struct statement {
	unsigned n;
	const char *sql; /* borrowed from the job, as is params */
	json_t *params;
	bool file, user;
	size_t max_rows, max_bytes;
	int64_t timeout_us;
	int64_t wal_budget; /* bytes that the log may grow by while it is read */
	bool gentle;        /* nor beyond what it reaches without us */
	bool insists;       /* when that is in vain, within the budget */
};

struct job {
	json_t *json;
	char *path;
	int64_t until_us, slice_us;
	int64_t begin_until_us; /* no statement begins after it */
	int64_t lock_wait_us;   /* what is left for waiting on others, of the whole job */
	struct file_facts facts;
	struct watch watch;
	struct reader reader;
	struct verdict closed; /* why the file could not be opened */
	sqlite3 *memory;       /* of statements with source "file" */
};

/* ---- the job's text ---- */

static int64_t
get_int(json_t *o, const char *name, int64_t missing)
{
	json_t *v = json_object_get(o, name);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? json_integer_value(v) : missing;
}

static char *
get_path(json_t *job)
{
	const char *written = json_string_value(json_object_get(job, "path_written"));

	return written ? fleet_bytes(written)
	               : xstrdup(json_string_value(json_object_get(job, "path")));
}

/* In place of the names of what the job has once. */
static void
put_shared(json_t *params, json_t *shared)
{
	json_t *param;
	size_t i;

	json_array_foreach (params, i, param) {
		const char *name = json_string_value(json_object_get(param, "shared"));

		if (name)
			json_array_set(params, i, json_object_get(shared, name));
	}
}

static struct statement
get_statement(json_t *o, json_t *shared)
{
	const char *source = json_string_value(json_object_get(o, "source"));

	put_shared(json_object_get(o, "params"), shared);

	return (struct statement){
		.n = (unsigned)get_int(o, "n", 0),
		.sql = json_string_value(json_object_get(o, "sql")) ?: "",
		.params = json_object_get(o, "params"),
		.file = source && streq(source, "file"),
		.user = json_is_true(json_object_get(o, "user")),
		.max_rows = (size_t)get_int(o, "max_rows", 10000),
		.max_bytes = (size_t)MIN(get_int(o, "max_bytes", 4 << 20), 16 << 20),
		.timeout_us = get_int(o, "timeout_ms", 5000) * USEC_PER_MSEC,
		.wal_budget = get_int(o, "wal_budget", INT64_MAX),
		.gentle = json_is_true(json_object_get(o, "gentle")),
		.insists = json_is_true(json_object_get(o, "insists")),
	};
}

static bool
asks_for(json_t *statements, size_t n, const char *const *words)
{
	json_t *o;
	size_t i;

	json_array_foreach (statements, i, o) {
		const char *sql = json_string_value(json_object_get(o, "sql"));

		for (size_t w = 0; sql && w < n; w++)
			if (strstr(sql, words[w]))
				return true;
	}
	return false;
}

/* Checksums of a long log, all processes and the whole folder are worth their time only for a check that asks. */
static struct gather_how
get_how(const struct job *j, json_t *statements)
{
	static const char *const log[] = { "wal_valid_", "wal_committed_", "wal_damage",
		"wal_frames", "wal_foreign", "wal_gap", "wal_unread" };
	static const char *const users[] = { "replaced_holders", "mapped_holders",
		"users_visible" };
	static const char *const strays[] = { "misplaced" };

	return (struct gather_how){
		.scan_wal = asks_for(statements, ARRAY_SIZE(log), log),
		.users = asks_for(statements, ARRAY_SIZE(users), users),
		.strays = asks_for(statements, ARRAY_SIZE(strays), strays),
		.wal_read_max = get_int(j->json, "wal_read_max", WAL_READ_MAX),
		.pre_read = json_is_true(json_object_get(j->json, "pre_read")),
	};
}

/* ---- one statement ---- */

static size_t
digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* 12, -0.5, 1e+06: as programs write numbers; 007, 1e4 and +5 are somebody's names. */
static bool
looks_numeric(const char *s, bool *ret_integer)
{
	size_t n;

	s += *s == '-';
	n = digits(s);
	if (n == 0 || (n > 1 && s[0] == '0'))
		return false;
	s += n;
	*ret_integer = *s == '\0' && n <= 18;
	if (*s == '.') {
		n = digits(s + 1);
		if (n == 0)
			return false;
		s += 1 + n;
	}
	if (*s == 'e' && (s[1] == '+' || s[1] == '-')) {
		n = digits(s + 2);
		if (n == 0)
			return false;
		s += 2 + n;
	}
	return *s == '\0';
}

static int
bind_param(sqlite3_stmt *st, int i, json_t *param)
{
	json_t *text = json_object_get(param, "text");
	const char *s = json_string_value(text ? text : param);
	bool integer = false;

	if (!s)
		return sqlite3_bind_null(st, i);
	if (text || !looks_numeric(s, &integer))
		return sqlite3_bind_text(st, i, s, -1, SQLITE_TRANSIENT);
	if (integer)
		return sqlite3_bind_int64(st, i, strtoll(s, NULL, 10));
	return sqlite3_bind_double(st, i, strtod(s, NULL));
}

static int
bind_params(sqlite3_stmt *st, json_t *params)
{
	size_t n = json_array_size(params);
	int rc = SQLITE_OK;

	for (int i = 1; rc == SQLITE_OK && i <= sqlite3_bind_parameter_count(st); i++)
		rc = (size_t)i > n ? SQLITE_RANGE
		                   : bind_param(st, i, json_array_get(params, (size_t)i - 1));
	return rc;
}

/* Only blanks and comments may follow the first statement. */
static bool
nothing_follows(sqlite3 *db, const char *tail)
{
	sqlite3_stmt *next = NULL;
	bool none = sqlite3_prepare_v2(db, tail, -1, &next, NULL) == SQLITE_OK && !next;

	sqlite3_finalize(next);
	return none;
}

static bool
prepare(sqlite3 *db, const struct statement *s, sqlite3_stmt **ret, struct verdict *v)
{
	const char *tail = NULL;
	int rc;

	guard_authorize(db, s->user);
	rc = sqlite3_prepare_v2(db, s->sql, -1, ret, &tail);
	if (rc != SQLITE_OK) {
		verdict_from_db(v, db, WATCH_NOTHING);
		return false;
	}
	if (!*ret)
		verdict_set(v, "error", 0, "no statement");
	else if (!nothing_follows(db, tail))
		verdict_set(v, "error", 0, "more than one statement");
	else if (!sqlite3_stmt_readonly(*ret) || sqlite3_column_count(*ret) == 0)
		verdict_set(v, "error", 0, "not a statement that reads");
	else if (sqlite3_column_count(*ret) > COLUMNS_MAX)
		verdict_set(v, "error", 0, "more than %d columns", COLUMNS_MAX);
	else if (bind_params(*ret, s->params) != SQLITE_OK)
		verdict_set(v, "error", 0, "parameters are missing");
	else
		return true;
	return false;
}

static void
step_all(sqlite3 *db, sqlite3_stmt *st, struct answer *a, struct verdict *v)
{
	int rc, r = 1;

	answer_columns(a, st);
	while (r > 0 && (rc = sqlite3_step(st)) == SQLITE_ROW)
		r = answer_row(a, st);
	if (r == -EMSGSIZE)
		verdict_set(v, "error", 0, "a row is larger than 256 kB");
	else if (r > 0 && rc != SQLITE_DONE)
		verdict_from_db(v, db, WATCH_NOTHING);
}

static void
tell_growth(const struct job *j, int64_t took_us, struct verdict *v)
{
	_cleanup_free_ char *grown = unit_format((double)j->watch.meter.grown_bytes, UNIT_BYTES);
	_cleanup_free_ char *took = duration_format(took_us);

	verdict_set(v, "locked", v->code,
	    "gave way to writers after %s: the log had grown by %s and cannot start over while it "
	    "is read",
	    took, grown);
}

/* Why the watch interrupted, having told it in the verdict too. */
static enum watch_why
run_once(struct job *j, sqlite3 *db, const struct statement *s, int64_t until_us, struct answer *a,
    struct verdict *v)
{
	bool yields = db != j->memory && reader_hinders_writers(&j->reader);
	int64_t start = clock_now_us();
	sqlite3_stmt *st = NULL;
	struct wal_meter meter;
	enum watch_why why;

	*v = (struct verdict){ .reason = "" };
	answer_reset(a);
	watch_begin(&j->watch, db, until_us, yields ? j->slice_us : 0, &j->reader.locks);
	if (db != j->memory) {
		reader_meter(&j->reader, s->wal_budget, s->gentle, &meter);
		watch_meter(&j->watch, &meter);
	}
	if (prepare(db, s, &st, v))
		step_all(db, st, a, v);
	why = watch_end(&j->watch);
	if ((v->code & 0xff) == SQLITE_INTERRUPT)
		verdict_from_db(v, db, why);
	if (v->gave_way && why == WATCH_WAL)
		tell_growth(j, clock_now_us() - start, v);
	sqlite3_finalize(st);
	if (db != j->memory)
		wal_meter_settle(&meter, MIN(SETTLE_US, MAX(j->until_us - clock_now_us(), 0)));
	return why;
}

/* Waits for others a little, out of what the job may wait in all. */
static bool
may_wait(struct job *j, int64_t until_us)
{
	if (j->lock_wait_us < PAUSE_US || clock_now_us() + PAUSE_US > until_us)
		return false;
	usleep((useconds_t)PAUSE_US);
	j->lock_wait_us -= PAUSE_US;
	return true;
}

static void
let_writer_pass(struct job *j, int64_t until_us)
{
	while (lock_watch_writer(&j->reader.locks) && may_wait(j, until_us))
		;
}

/*
 * What can pass by itself within the tries that were made.  SQLite also says "hot journal" when a
 * commit deleted the journal while it looked; what was seen hot before stays so.
 */
static bool
is_passing(const struct job *j, const struct verdict *v, int tries)
{
	/* A journal that is no journal stays for ever; a commit is over at once. */
	if (v->code == SQLITE_READONLY_ROLLBACK)
		return file_facts_int(&j->facts, FACT_JOURNAL_HOT) != 1 && tries < 2 * TRIES_MAX;
	return streq(v->reason, "locked") || v->code == SQLITE_READONLY_RECOVERY;
}

/* One try: opens the file where the last one had to close it. */
static enum watch_why
try_on_file(
    struct job *j, const struct statement *s, int64_t until_us, struct answer *a, struct verdict *v)
{
	enum watch_why why;

	*v = (struct verdict){ .reason = "" };
	if (!j->reader.db && !reader_open(&j->reader, until_us, v))
		return WATCH_NOTHING;
	why = run_once(j, j->reader.db, s, until_us, a, v);
	if (!reader_unchanged(&j->reader)) {
		verdict_set(v, "locked", 0, "busy: the database changed while it was read");
		reader_close(&j->reader);
	}
	return why;
}

static void
run_on_file(
    struct job *j, const struct statement *s, int64_t until_us, struct answer *a, struct verdict *v)
{
	struct statement t = *s;

	for (int tries = 1;; tries++) {
		enum watch_why why = try_on_file(j, &t, until_us, a, v);

		if (why == WATCH_WAL && t.gentle && t.insists && v->reason[0]) {
			t.gentle = tries < GENTLE_TRIES;
			continue;
		}
		if (why == WATCH_WAL || v->reason[0] == '\0' || !is_passing(j, v, tries) ||
		    (tries >= TRIES_MAX && why == WATCH_WRITER))
			return;
		if (!may_wait(j, until_us))
			return;
		if (why == WATCH_WRITER)
			let_writer_pass(j, until_us);
	}
}

static int
send_done(const struct statement *s, const struct answer *a, const struct verdict *v, int64_t us)
{
	_cleanup_free_ char *clean = text_from_peer(v->text, strlen(v->text), sizeof(v->text));
	const char *state = v->reason[0] ? "unknown" : a->truncated ? "truncated" : "complete";
	json_t *o =
	    json_pack("{s:i, s:f, s:s, s:s, s:s, s:b}", "n", (int)s->n, "ms", (double)us / 1000,
	        "state", state, "reason", v->reason, "text", clean, "gave_way", v->gave_way);
	_cleanup_free_ char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(6));

	json_decref(o);
	return text ? worker_send(SQLITE_ANSWERED, text, strlen(text)) : -ENOMEM;
}

static int
serve_statement(struct job *j, const struct statement *s)
{
	struct answer a = { .n = s->n, .max_rows = s->max_rows, .max_bytes = s->max_bytes };
	int64_t start = clock_now_us(), until = MIN(start + s->timeout_us, j->until_us);
	struct verdict v = { .reason = "" };
	int r = 0;

	if (start >= j->begin_until_us)
		verdict_set(&v, "budget", 0, "the time of this run was over");
	else if (s->file)
		run_once(j, j->memory, s, until, &a, &v);
	else if (!j->reader.db && j->closed.reason[0])
		v = j->closed;
	else
		run_on_file(j, s, until, &a, &v);
	if (v.reason[0] == '\0')
		r = answer_send(&a);
	if (r == 0)
		r = send_done(s, &a, &v, clock_now_us() - start);
	answer_done(&a);
	return r;
}

/* ---- the job ---- */

static bool
open_reader(struct job *j, struct verdict *v)
{
	if (json_is_true(json_object_get(j->json, "copy")))
		return snapshot_open(
		    &j->reader, j->until_us, get_int(j->json, "copy_wal_budget", INT64_MAX), v);
	return reader_open(&j->reader, j->until_us, v);
}

static void
open_file(struct job *j)
{
	struct verdict v = { .reason = "" };

	if (json_is_true(json_object_get(j->json, "closed")))
		verdict_set(&j->closed, "crash", 0, "SQLite fell when it opened the file");
	for (int tries = 1; !j->closed.reason[0] && !open_reader(j, &v); tries++) {
		if (!v.gave_way && is_passing(j, &v, tries) && may_wait(j, j->until_us)) {
			v = (struct verdict){ .reason = "" };
			continue;
		}
		j->closed = v;
		break;
	}
	file_facts_set_int(&j->facts, FACT_OPEN_OK, j->reader.db != NULL);
	file_facts_set_text(&j->facts, FACT_OPEN_REASON, j->closed.reason);
	if (j->closed.reason[0]) {
		file_facts_set_int(&j->facts, FACT_OPEN_ERROR_CODE, j->closed.code);
		file_facts_set_text(&j->facts, FACT_OPEN_ERROR, j->closed.text);
		return;
	}
	/* SQLite, which may see locks that the kernel's list hides from us, saw a living writer. */
	if (file_facts_int(&j->facts, FACT_JOURNAL_HOT) == 1)
		file_facts_set_int(&j->facts, FACT_JOURNAL_HOT, 0);
	file_facts_set_text(&j->facts, FACT_OPEN_HOW,
	    j->reader.how == READER_COPY        ? "copy"
	    : j->reader.how == READER_IMMUTABLE ? "immutable"
	                                        : "in place");
	file_facts_set_text(&j->facts, FACT_JOURNAL_MODE,
	    file_facts_int(&j->facts, FACT_WAL_MODE) ? "wal" : "delete");
}

static int
open_memory(struct job *j)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_FULLMUTEX;

	if (sqlite3_open_v2(":memory:", &j->memory, flags, NULL) != SQLITE_OK ||
	    guard_connection(j->memory) != SQLITE_OK)
		return -ENOMEM;
	return file_facts_register(j->memory, &j->facts);
}

static int
serve_all(struct job *j)
{
	json_t *statements = json_object_get(j->json, "statements"), *o;
	const struct gather_how how = get_how(j, statements);
	_cleanup_free_ char *facts = NULL;
	int64_t former = get_int(j->json, "former_inode", 0);
	size_t i;
	int r;

	if (former > 0)
		file_facts_set_int(&j->facts, FACT_FORMER_INODE, former);
	gather_facts(j->path, &how, clock_now_us() + (j->until_us - clock_now_us()) / 2, &j->facts);
	open_file(j);
	facts = file_facts_json(&j->facts);
	r = facts ? worker_send(SQLITE_FACTS, facts, strlen(facts)) : -ENOMEM;
	/* What needs nothing of the file's schema comes first: a schema made to cost the worker its life
	 * does not take those answers along. */
	for (int round = 0; round < 2; round++) {
		json_array_foreach (statements, i, o) {
			struct statement s = get_statement(o, json_object_get(j->json, "shared"));

			if (r == 0 && s.file == (round == 0))
				r = serve_statement(j, &s);
		}
	}
	return r;
}

static int
serve_job(struct job *j)
{
	int64_t deadline_us = get_int(j->json, "deadline_ms", 30000) * USEC_PER_MSEC;
	int r;

	j->path = get_path(j->json);
	if (!j->path || json_array_size(json_object_get(j->json, "statements")) > STATEMENTS_MAX)
		return -EINVAL;
	j->until_us = clock_now_us() + deadline_us;
	j->begin_until_us = MIN(j->until_us,
	    clock_now_us() +
	        get_int(j->json, "begin_ms", deadline_us / USEC_PER_MSEC) * USEC_PER_MSEC);
	j->slice_us = get_int(j->json, "slice_ms", 250) * USEC_PER_MSEC;
	j->lock_wait_us =
	    MIN(get_int(j->json, "lock_wait_ms", LOCK_WAIT_US / USEC_PER_MSEC) * USEC_PER_MSEC,
	        deadline_us / 4);
	j->closed.reason = "";
	j->reader.facts = &j->facts;
	j->reader.watch = &j->watch;
	j->reader.copy_limit = get_int(j->json, "copy_limit", INT64_C(1) << 30);
	j->reader.temp_dir = json_string_value(json_object_get(j->json, "temp_dir"));
	r = watch_init(&j->watch);
	if (r < 0)
		return r;
	r = open_memory(j);
	if (r == 0)
		r = serve_all(j);
	reader_close(&j->reader);
	sqlite3_close(j->memory);
	watch_done(&j->watch);
	file_facts_done(&j->facts);
	return r;
}

static int
sqlite_serve(uint32_t type, const char *payload, size_t len)
{
	struct job j = { 0 };
	int r;

	if (type != SQLITE_JOB)
		return -EINVAL;
	j.json = json_loadb(payload, len, 0, NULL);
	if (!j.json)
		return -EINVAL;
	r = serve_job(&j);
	json_decref(j.json);
	free(j.path);
	return r;
}

static int
sqlite_begin(void)
{
	sqlite3_hard_heap_limit64(GUARD_HEAP_BYTES);
	/* No directory service is asked for an owner's name: what it needs is not granted, and it may be slow. */
	__nss_configure_lookup("passwd", "files");
	/* Older C libraries load code for that, which is not possible later. */
	(void)getpwuid(0);
	return reader_vfs_register();
}

const struct worker_role sqlite_role = {
	.name = "sqlite",
	.address_space = ADDRESS_SPACE,
	.idle_io = true,
	.sandbox = SANDBOX_COPIES,
	.serve = sqlite_serve,
	.begin = sqlite_begin,
};

void
sqlite_role_sweep(const char *temp_dir)
{
	copy_sweep(temp_dir);
}

const char *
sqlite_role_library(void)
{
	return sqlite3_libversion();
}
