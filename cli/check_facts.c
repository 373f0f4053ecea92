/* What `dbhealth check` says of a SQLite file beside its findings. */
#include "cli/check_facts.h"

#include "base/clock.h"
#include "pg/plan.h"
#include "report/report.h"
#include "sqlite/sqlite_role.h"
#include "worker/worker.h"

#define FILES_MAX   20
#define DEADLINE_US (1 * USEC_PER_SEC)

struct ask {
	struct asks *asks; /* borrowed */
	json_t *facts;     /* borrowed: lives in its database's entry */
};
struct asks {
	struct event_base *base;
	struct ask v[FILES_MAX];
	size_t n, waiting;
};

static char *
job_of(const char *path)
{
	static const char sql[] = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
				  " AND name NOT LIKE 'sqlite!_%' ESCAPE '!'";
	json_t *statement = json_pack("{s:i, s:s, s:s, s:[], s:i, s:i, s:i, s:b}", "n", 0, "sql", sql,
	    "source", "sql", "params", "max_rows", 1, "max_bytes", 1024, "timeout_ms", 500, "user", 0);
	json_t *job = json_pack("{s:o, s:i, s:i, s:i, s:b, s:[o]}", "path", report_string(path),
	    "copy_limit", 0, "deadline_ms", (int)(DEADLINE_US / USEC_PER_MSEC), "slice_ms", 250,
	    "pre_read", 0, "statements", statement);
	char *text = report_dump(job);

	json_decref(job);
	return text;
}

static void
on_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	const struct ask *a = arg;
	json_t *o = json_loadb(payload, len, 0, NULL), *mode, *rows;
	const char *tables;

	if (type == SQLITE_FACTS) {
		mode = json_object_get(o, "journal_mode");
		if (json_is_integer(json_object_get(o, "size")))
			json_object_set(a->facts, "size_bytes", json_object_get(o, "size"));
		if (json_is_string(mode) && *json_string_value(mode))
			json_object_set(a->facts, "journal_mode", mode);
	} else if (type == SQLITE_ROWS) {
		rows = json_object_get(o, "rows");
		tables = json_string_value(json_array_get(json_array_get(rows, 0), 0));
		if (tables)
			json_object_set_new(a->facts, "tables", json_integer(strtoll(tables, NULL, 10)));
	}
	json_decref(o);
}

static void
on_end(enum worker_end end, const struct err *e, void *arg)
{
	struct ask *a = arg;

	(void)end;
	(void)e;
	if (--a->asks->waiting == 0)
		event_base_loopbreak(a->asks->base);
}

static void
ask_file(struct asks *asks, struct worker_pool *pool, const struct conf_database *c, json_t *db)
{
	_cleanup_free_ char *path = NULL, *job = NULL;
	struct ask *a = &asks->v[asks->n];
	struct worker_job *made = NULL;

	if (dsn_sqlite_path(c->dsn, &path, NULL) < 0)
		return;
	a->asks = asks;
	a->facts = json_object();
	json_object_set_new(a->facts, "path", report_string(path));
	json_object_set_new(db, "facts", a->facts);
	job = job_of(path);
	if (worker_submit(pool, SQLITE_JOB, job, strlen(job), DEADLINE_US, DEADLINE_US, on_message,
		on_end, a, &made) < 0)
		return;
	asks->n++;
	asks->waiting++;
}

void
check_facts(struct event_base *base, const struct conf *conf, json_t *databases)
{
	static const struct worker_limits limits = { .processes = 2, .queue = FILES_MAX, .keep = true };
	struct asks asks = { .base = base };
	struct worker_pool *pool = NULL;
	json_t *db;
	size_t i;

	if (worker_pool_new(base, "sqlite", &limits, &pool, NULL) < 0)
		return;
	json_array_foreach (databases, i, db) {
		const char *name = json_string_value(json_object_get(db, "name"));
		const struct conf_database *c = name ? conf_find(conf, name) : NULL;

		if (c && c->engine == ENGINE_SQLITE && asks.n < FILES_MAX)
			ask_file(&asks, pool, c, db);
	}
	if (asks.waiting > 0)
		event_base_dispatch(base);
	/* Its jobs that are left end now, each with its on_end. */
	worker_pool_free(pool);
}
