/* What both engines share of a database that is migrated: the tables, how one migration is run. */
#include "migrate/db.h"
#include "base/clock.h"
#include "base/str.h"
#include "migrate/db_impl.h"

/*
 * %T dbmate's table, %O ours; %V %F %S %W version, file, sum, who; %N a number or NULL, %E a text or
 * NULL.  The same for both engines.
 */
#define ROW_OF_OURS(STATE)                                                                         \
	"INSERT INTO %O AS o (version, file, sum, who, state, took_ms) VALUES (%V, %F, %S, %W, "   \
	"'" STATE "', %N) ON CONFLICT (version) DO UPDATE SET "
#define SAYS_DONE "state = 'done', statements = 0, error = NULL"

static const char recorded[] = "INSERT INTO %T (version) VALUES (%V);\n" ROW_OF_OURS(
    "done") "file = excluded.file, sum = excluded.sum, who = excluded.who, took_ms = "
            "excluded.took_ms, "
            "applied_at = CURRENT_TIMESTAMP, " SAYS_DONE ";\n";
static const char ended[] =
    "INSERT INTO %T (version) VALUES (%V) ON CONFLICT DO NOTHING;\n" ROW_OF_OURS(
        "done") "file = excluded.file, sum = excluded.sum, took_ms = excluded.took_ms, "
                "applied_at = CURRENT_TIMESTAMP, " SAYS_DONE ";\n";
/* Of what was applied before, its time and who did it stay. */
static const char resolved[] =
    "INSERT INTO %T (version) VALUES (%V) ON CONFLICT DO NOTHING;\n" ROW_OF_OURS(
        "done") "file = excluded.file, sum = excluded.sum,"
                " who = CASE o.state WHEN 'running' THEN excluded.who ELSE o.who END,"
                " applied_at = CASE o.state WHEN 'running' THEN CURRENT_TIMESTAMP ELSE "
                "o.applied_at END, " SAYS_DONE ";\n";
static const char gone[] =
    "DELETE FROM %T WHERE version = %V;\nDELETE FROM %O WHERE version = %V;\n";
static const char begun_up[] = ROW_OF_OURS(
    "running") "file = excluded.file, sum = excluded.sum, who = excluded.who, took_ms = NULL, "
               "applied_at = CURRENT_TIMESTAMP, state = 'running', statements = 0, error = NULL;\n";
static const char begun_down[] =
    ROW_OF_OURS("reverting") "state = 'reverting', statements = 0, error = NULL;\n";
static const char counted[] = "UPDATE %O SET statements = %N, error = %E WHERE version = %V;\n";
static const char undone_up[] = "DELETE FROM %O WHERE version = %V;\n";
static const char undone_down[] = "UPDATE %O SET " SAYS_DONE " WHERE version = %V;\n";

void
migrate_db_init(
    struct migrate_db *db, const struct migrate_db_ops *ops, const struct migrate_who *who)
{
	db->ops = ops;
	db->who = xstrdup(who->name);
	db->table = xstrdup(who->table ? who->table : MIGRATE_TABLE);
}

struct migrate_db *
migrate_db_free(struct migrate_db *db)
{
	if (!db)
		return NULL;
	free(db->who);
	free(db->table);
	free(db->theirs);
	free(db->ours);
	db->ops->free(db);
	return NULL;
}

enum engine
migrate_db_engine(const struct migrate_db *db)
{
	return db->ops->engine;
}

int
migrate_db_server_version(const struct migrate_db *db)
{
	return db->ops->version(db);
}

const char *
migrate_db_table(const struct migrate_db *db)
{
	return db->theirs;
}

char *
migrate_db_tables_sql(const struct migrate_db *db)
{
	bool pg = db->ops->engine == ENGINE_POSTGRESQL;

	return xasprintf(
	    "CREATE TABLE IF NOT EXISTS %s (version varchar(128) PRIMARY KEY);\n"
	    "CREATE TABLE IF NOT EXISTS %s (version varchar(128) NOT NULL PRIMARY KEY,"
	    " file text NOT NULL, sum text NOT NULL, who text NOT NULL, state text NOT NULL"
	    " CHECK (state IN ('done', 'running', 'reverting')),"
	    " statements integer NOT NULL DEFAULT 0, applied_at %s NOT NULL"
	    " DEFAULT CURRENT_TIMESTAMP, took_ms bigint, error text);\n",
	    db->theirs, db->ours, pg ? "timestamp with time zone" : "text");
}

int
migrate_fail_stranger(const struct migrate_db *db, const char *columns, struct err *e)
{
	return err_set(e, -EEXIST,
	    "%.120s is another tool's table, with the columns %.200s; name a table of its own for "
	    "these migrations",
	    db->theirs, columns);
}

int
migrate_db_applied(
    struct migrate_db *db, struct migrate_applied **ret, size_t *ret_n, struct err *e)
{
	int r = db->ops->find(db, e);

	*ret = NULL;
	*ret_n = 0;
	return r < 0 || (!db->has_theirs && !db->has_ours) ? r
	                                                   : db->ops->applied(db, ret, ret_n, e);
}

void
migrate_applied_free(struct migrate_applied *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].version);
		free(v[i].file);
		free(v[i].sum);
		free(v[i].who);
		free(v[i].error);
	}
	free(v);
}

int
migrate_db_lock(struct migrate_db *db, int64_t wait_us, struct err *e)
{
	_cleanup_free_ char *sql = NULL;
	int r = db->ops->lock(db, wait_us, e);

	if (r >= 0)
		r = db->ops->find(db, e);
	if (r < 0 || (db->has_theirs && db->has_ours))
		return r;
	sql = migrate_db_tables_sql(db);
	r = db->ops->execute(db, sql, e);
	if (r < 0)
		return err_prefix(e, "cannot make %.100s and %.100s", db->theirs, db->ours);
	db->has_theirs = db->has_ours = true;
	return 0;
}

/* ---- statements of ours ---- */

/* Right whatever standard_conforming_strings says. */
static void
add_literal(struct str *s, const struct migrate_db *db, const char *text)
{
	bool escape = db->ops->engine == ENGINE_POSTGRESQL && strchr(text, '\\');

	str_add(s, escape ? "E'" : "'");
	for (; *text; text++) {
		if (*text == '\'' || (escape && *text == '\\'))
			str_addc(s, *text);
		str_addc(s, *text);
	}
	str_addc(s, '\'');
}

/* number negative, text NULL: NULL. */
static char *
say(const struct migrate_db *db, const struct migrate_script *m, const char *fmt, int64_t number,
    const char *text)
{
	struct str s = { 0 };

	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			str_addc(&s, *fmt);
			continue;
		}
		fmt++;
		if (*fmt == 'T' || *fmt == 'O')
			str_add(&s, *fmt == 'T' ? db->theirs : db->ours);
		else if (*fmt == 'N' && number >= 0)
			str_addf(&s, "%lld", (long long)number);
		else if (*fmt == 'N' || (*fmt == 'E' && !text))
			str_add(&s, "NULL");
		else
			add_literal(&s, db,
			    *fmt == 'V'   ? m->version
			    : *fmt == 'F' ? m->file
			    : *fmt == 'S' ? m->sum
			    : *fmt == 'W' ? db->who
			                  : text);
	}
	return str_take(&s);
}

static int
do_say(struct migrate_db *db, const struct migrate_script *m, const char *fmt, int64_t number,
    const char *text, struct err *e)
{
	_cleanup_free_ char *sql = say(db, m, fmt, number, text);

	return db->ops->execute(db, sql, e);
}

/* Whatever the session is in, it is idle after; a failed COMMIT leaves some engines inside. */
static void
roll_back(struct migrate_db *db)
{
	struct err ignored = { 0 };
	enum migrate_where where = db->ops->where(db);

	if (where != WHERE_LOST && where != WHERE_IDLE)
		(void)!db->ops->execute(db, "ROLLBACK", &ignored);
}

/* In both tables, or in none. */
static int
do_together(struct migrate_db *db, const struct migrate_script *m, const char *fmt, int64_t number,
    struct err *e)
{
	int r = db->ops->execute(db, db->ops->begin, e);

	if (r >= 0)
		r = do_say(db, m, fmt, number, NULL, e);
	if (r >= 0)
		r = db->ops->execute(db, "COMMIT", e);
	if (r < 0)
		roll_back(db);
	return r;
}

int
migrate_db_resolve(
    struct migrate_db *db, const struct migrate_script *script, bool applied, struct err *e)
{
	return do_together(db, script, applied ? resolved : gone, -1, e);
}

/* ---- one migration ---- */

struct running {
	struct migrate_db *db;
	const struct migrate_run *run;
	const struct migrate_section *section;
	struct migrate_statement *v;
	size_t n;
	int64_t from_us;
};

static int64_t
took_ms(const struct running *g)
{
	return (clock_now_us() - g->from_us) / USEC_PER_MSEC;
}

static void
split(struct running *g)
{
	if (g->db->ops->split(g->section->sql, &g->v, &g->n) >= 0)
		return;
	g->v = xcalloc(1, sizeof(*g->v));
	g->v[0].len = strlen(g->section->sql);
	g->n = 1;
}

static enum migrate_kind
kind_of(const struct running *g, size_t i)
{
	return migrate_kind_of(g->section->sql + g->v[i].at, g->v[i].len);
}

static int
fail_at(const struct running *g, size_t at, struct err *e)
{
	return err_prefix(e, "%.200s:%d", g->run->script->file,
	    migrate_line(g->section->sql, at, g->section->line));
}

static int
run_statement(const struct running *g, size_t i, struct err *e)
{
	const struct migrate_statement *s = &g->v[i];
	_cleanup_free_ char *text = xstrndup(g->section->sql + s->at, s->len);
	size_t at = s->len;
	int r = g->db->ops->statement(g->db, text, &at, e);

	/* Where no place is named the statement as a whole is meant. */
	return r < 0 ? fail_at(g, s->at + (at < s->len ? at : 0), e) : 0;
}

static int
limit_locks(const struct running *g, int64_t us, bool local, struct err *e)
{
	_cleanup_free_ char *sql = g->db->ops->limit(us, local);

	return sql ? g->db->ops->execute(g->db, sql, e) : 0;
}

static int
refuse_end(const struct running *g, size_t i, struct err *e)
{
	err_set(e, -EINVAL,
	    "the file runs in a transaction already, so it may not begin or end one: take that "
	    "out, "
	    "or say -- migrate:%s transaction:false",
	    g->run->down ? "down" : "up");
	return fail_at(g, g->v[i].at, e);
}

static int
run_inside(const struct running *g, struct err *e)
{
	struct migrate_db *db = g->db;
	bool held = false;
	int r = db->ops->execute(db, db->ops->begin, e);

	if (r >= 0 && g->run->lock_timeout_us > 0)
		r = limit_locks(g, g->run->lock_timeout_us, true, e);
	if (r >= 0)
		r = db->ops->references(db, g->run, true, &held, e);
	for (size_t i = 0; r >= 0 && i < g->n; i++) {
		enum migrate_kind kind = kind_of(g, i);

		r = kind == STATEMENT_BEGIN || kind == STATEMENT_END ? refuse_end(g, i, e)
		                                                     : run_statement(g, i, e);
	}
	if (r >= 0)
		r = db->ops->references(db, g->run, false, &held, e);
	if (r >= 0)
		r = do_say(db, g->run->script, g->run->down ? gone : recorded, took_ms(g), NULL, e);
	if (r >= 0)
		r = db->ops->execute(db, "COMMIT", e);
	if (r < 0 && db->ops->where(db) == WHERE_LOST)
		return e->code = -ENOTCONN;
	if (r < 0)
		roll_back(db);
	return r;
}

/* CONCURRENTLY waits for others and holds up nobody; cut short it leaves an index that is not valid. */
static int
limit_around(const struct running *g, size_t i, bool before, struct err *e)
{
	if (g->run->lock_timeout_us == 0 || kind_of(g, i) != STATEMENT_LEAVES ||
	    strcasestr(g->section->sql, "lock_timeout"))
		return 0;
	return limit_locks(g, before ? 0 : g->run->lock_timeout_us, false, e);
}

static int
run_one_outside(const struct running *g, size_t i, struct err *e)
{
	int r = limit_around(g, i, true, e);

	if (r >= 0)
		r = run_statement(g, i, e);
	return r < 0 ? r : limit_around(g, i, false, e);
}

/* What is through already is passed over, but for what it set in the session. */
static int
pass_over(const struct running *g, size_t *i, struct err *e)
{
	int r = 0;

	for (*i = 0; r >= 0 && *i < MIN(g->run->skip, g->n); (*i)++)
		if (kind_of(g, *i) == STATEMENT_SETTING)
			r = run_statement(g, *i, e);
	/* Its COMMIT took the count with it, so when that is known it was through as well. */
	if (r >= 0 && g->run->skip > 0 && *i < g->n && kind_of(g, *i) == STATEMENT_END)
		(*i)++;
	return r;
}

/* done: statements that are through for good. */
static int
stopped_outside(const struct running *g, size_t done, bool leaves, struct err *e)
{
	struct migrate_db *db = g->db;
	struct err more = { 0 };

	if (db->ops->where(db) == WHERE_LOST)
		return e->code = -ENOTCONN;
	roll_back(db);
	if (done == 0 && !leaves) /* nothing has happened */
		return do_say(db, g->run->script, g->run->down ? undone_down : undone_up, -1, NULL,
		           &more) < 0
		           ? (e->code = -EINPROGRESS)
		           : e->code;
	(void)!do_say(db, g->run->script, counted, (int64_t)done, e->msg, &more);
	return e->code = -EINPROGRESS;
}

static int
run_outside(const struct running *g, struct err *e)
{
	struct migrate_db *db = g->db;
	const struct migrate_script *m = g->run->script;
	size_t i = 0, done;
	int r = 0;

	if (g->run->skip == 0) {
		r = do_say(db, m, g->run->down ? begun_down : begun_up, -1, NULL, e);
		if (r < 0)
			return db->ops->where(db) == WHERE_LOST ? (e->code = -ENOTCONN) : r;
	}
	if (g->run->lock_timeout_us > 0)
		r = limit_locks(g, g->run->lock_timeout_us, false, e);
	if (r >= 0)
		r = pass_over(g, &i, e);
	done = MAX(i, g->run->skip);
	for (; r >= 0 && i < g->n; i++) {
		r = run_one_outside(g, i, e);
		if (r < 0)
			break;
		/* Inside a transaction of its own the count is a part of that. */
		r = do_say(db, m, counted, (int64_t)i + 1, NULL, e);
		if (r >= 0 && db->ops->where(db) == WHERE_IDLE)
			done = i + 1;
	}
	if (r >= 0 && db->ops->where(db) != WHERE_IDLE)
		r = err_set(
		    e, -EINVAL, "%.200s leaves a transaction open: COMMIT is missing", m->file);
	if (r < 0)
		return stopped_outside(g, done, i < g->n && kind_of(g, i) == STATEMENT_LEAVES, e);
	r = do_together(db, m, g->run->down ? gone : ended, took_ms(g), e);
	return r < 0 ? stopped_outside(g, g->n, true, e) : 0;
}

int
migrate_db_run(
    struct migrate_db *db, const struct migrate_run *run, int64_t *ret_took_us, struct err *e)
{
	struct running g = { .db = db,
		.run = run,
		.section = run->down ? &run->script->down : &run->script->up,
		.from_us = clock_now_us() };
	int r = db->ops->settle(db, run, e);

	if (r >= 0) {
		split(&g);
		r = g.section->transaction ? run_inside(&g, e) : run_outside(&g, e);
		free(g.v);
	}
	*ret_took_us = clock_now_us() - g.from_us;
	return r;
}

/* ---- the same as text ---- */

char *
migrate_db_sql_begin(struct migrate_db *db)
{
	_cleanup_free_ char *tables =
	    db->has_theirs && db->has_ours ? NULL : migrate_db_tables_sql(db);

	return xasprintf("%s%s", db->ops->lock_sql ? db->ops->lock_sql : "", tables ? tables : "");
}

static void
add_part(struct str *s, char *take_text, const char *end)
{
	if (take_text)
		str_addf(s, "%s%s", take_text, end);
	free(take_text);
}

/* Whether the last line may hold its semicolon in a comment. */
static bool
ends_in_comment(const char *text, size_t len)
{
	size_t from = len;

	while (from > 0 && text[from - 1] != '\n')
		from--;
	for (; from + 1 < len; from++)
		if ((text[from] == '-' && text[from + 1] == '-') ||
		    (text[from] == '*' && text[from + 1] == '/'))
			return true;
	return false;
}

static void
add_statement(struct str *s, const char *text, size_t len)
{
	bool closed;

	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		len--;
	while (len > 0 && strchr(" \t\r\n", *text))
		text++, len--;
	closed = len > 0 && text[len - 1] == ';' && !ends_in_comment(text, len);
	str_addn(s, text, len);
	str_add(s, closed ? "\n" : "\n;\n");
}

static void
add_outside(struct str *s, const struct running *g)
{
	struct migrate_db *db = g->db;
	const struct migrate_script *m = g->run->script;

	if (g->run->skip == 0)
		add_part(s, say(db, m, g->run->down ? begun_down : begun_up, -1, NULL), "");
	if (g->run->lock_timeout_us > 0)
		add_part(s, db->ops->limit(g->run->lock_timeout_us, false), ";\n");
	for (size_t i = 0; i < g->n; i++) {
		if (i < g->run->skip && kind_of(g, i) != STATEMENT_SETTING)
			continue;
		add_statement(s, g->section->sql + g->v[i].at, g->v[i].len);
		if (i >= g->run->skip)
			add_part(s, say(db, m, counted, (int64_t)i + 1, NULL), "");
	}
	str_addf(s, "%s;\n", db->ops->begin);
	add_part(s, say(db, m, g->run->down ? gone : ended, -1, NULL), "COMMIT;\n");
}

char *
migrate_db_sql(struct migrate_db *db, const struct migrate_run *run)
{
	struct running g = {
		.db = db, .run = run, .section = run->down ? &run->script->down : &run->script->up
	};
	const char *sql = g.section->sql;
	struct str s = { 0 };

	split(&g);
	str_addf(&s, "-- %s, %s\n", run->script->file, run->down ? "down" : "up");
	if (!g.section->transaction) {
		add_outside(&s, &g);
	} else {
		str_addf(&s, "%s;\n", db->ops->begin);
		if (run->lock_timeout_us > 0)
			add_part(&s, db->ops->limit(run->lock_timeout_us, true), ";\n");
		if (g.n > 0)
			add_statement(&s, sql, strlen(sql));
		add_part(
		    &s, say(db, run->script, run->down ? gone : recorded, -1, NULL), "COMMIT;\n");
	}
	free(g.v);
	return str_take(&s);
}

size_t
migrate_db_count(struct migrate_db *db, const struct migrate_section *section)
{
	struct running g = { .db = db, .section = section };

	split(&g);
	free(g.v);
	return g.n;
}

int
migrate_db_line(struct migrate_db *db, const struct migrate_section *section, size_t statement)
{
	struct running g = { .db = db, .section = section };
	int line = section->line;

	split(&g);
	if (statement < g.n)
		line = migrate_line(section->sql, g.v[statement].at, section->line);
	free(g.v);
	return line;
}
