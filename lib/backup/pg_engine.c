/*
 * PostgreSQL: pg_dump in the directory format, of a snapshot in which the rows of each table are counted
 * too, and the roles by pg_dumpall.  What is encrypted is one stream and never on the disk in the clear.
 */
#include "backup/encrypt.h"
#include "backup/pg.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include <fcntl.h>
#include <sys/stat.h>

#define COUNT_LEAST_US (60 * USEC_PER_SEC)
/* What is locked for a moment does not cost the night's backup. */
#define LOCKS_WAIT "120s"
/* Who waits behind the dump for a table would wait for a count behind him. */
#define COUNT_WAIT "2s"

struct dump {
	struct backup_job *job;
	struct pg_direct *session; /* holds the snapshot */
	struct pg_way way;
	struct child *child;
	char *program, *snapshot;
	char **encrypt; /* words of the command, or NULL */
	int64_t start_us, told_us, bytes;
	int64_t expected; /* bytes, by the newest one and how the database grew; 0: nobody knows */
};

static void
dump_done(struct dump *d)
{
	child_free(d->child); /* before the snapshot that it reads */
	pg_direct_free(d->session);
	pg_way_done(&d->way);
	free(d->program);
	free(d->snapshot);
	strv_free(d->encrypt);
}

/* ---- progress ---- */

static int
add_size(int dirfd, const char *path, int64_t bytes, void *arg, struct err *e)
{
	int64_t *sum = arg;

	(void)dirfd;
	(void)path;
	(void)e;
	*sum += bytes;
	return 0;
}

static int
on_tick(void *arg, struct err *e)
{
	struct dump *d = arg;
	int64_t now = clock_now_us(), sum = 0;

	/* Walking a folder of many tables is not free. */
	if (d->job->watch->on_progress && now - d->told_us >= USEC_PER_SEC) {
		d->told_us = now;
		if (folder_each_file(d->job->dirfd, add_size, &sum, NULL) == 0)
			d->bytes = sum;
	}
	if (d->child)
		(void)child_poll(d->child, 0);
	return backup_tick(
	    d->job->watch, "dumping", d->bytes, d->bytes <= d->expected ? d->expected : 0, e);
}

/* ---- the snapshot ---- */

static int
server_failed(const struct pg_failure *f, struct err *e)
{
	*e = f->err;
	return e->code < 0 ? e->code : err_set(e, -ECONNREFUSED, "no connection");
}

/* Held until the dump has ended: its workers take it up one by one. */
static int
hold_snapshot(struct dump *d, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	struct pg_failure why = { 0 };
	int r = pg_direct_open(d->job->source->dsn, NULL, &d->session, &why);

	if (r < 0)
		return server_failed(&why, e);
	pg_direct_watch(d->session, on_tick, d);
	r = pg_direct_do(d->session,
	    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
	    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN "
	    "('statement_timeout',"
	    " 'idle_in_transaction_session_timeout', 'transaction_timeout');"
	    /* Rows that we may not see are an error, never a smaller number. */
	    "SET LOCAL row_security = off;"
	    "SET LOCAL lock_timeout = '" LOCKS_WAIT "'",
	    e);
	if (r == 0)
		r = pg_direct_query(d->session, "SELECT pg_export_snapshot()", NULL, 0, &rows, e);
	if (r == 0)
		d->snapshot = xstrdup(pg_rows_get(rows, 0, 0));
	return r;
}

static char *
version_text(int version)
{
	return xasprintf("%d.%d", version / 10000, version % 10000);
}

static int
record(struct dump *d, struct err *e)
{
	struct manifest *m = d->job->manifest;
	int r = pg_facts_read(d->session, &m->facts, &m->fingerprint, e);

	if (r < 0)
		return r;
	m->version_number = pg_direct_version(d->session);
	m->version = version_text((int)m->version_number);
	m->where = dsn_show(d->job->source->dsn);
	m->source_bytes = json_integer_value(json_object_get(m->facts, "bytes"));
	return d->job->options->only ? 0 : pg_facts_tables(d->session, m, e);
}

/* ---- rows ---- */

static int
count_one(struct dump *d, struct manifest_table *t, struct err *e)
{
	struct err why = { 0 };
	int r = pg_direct_do(d->session, "SAVEPOINT one", e);

	if (r < 0)
		return r;
	r = pg_facts_count(d->session, t->name, &t->rows, &why);
	if (r == 0)
		return pg_direct_do(d->session, "RELEASE one", e);
	t->rows = -1;
	if (r == -ECANCELED || r == -ETIME || pg_direct_state(d->session) == PG_DIRECT_LOST) {
		*e = why;
		return r;
	}
	return pg_direct_do(d->session, "ROLLBACK TO one", e);
}

/* The smallest first, while the dump goes on and then about as long again: not a second night. */
static int
count_rows(struct dump *d, struct err *e)
{
	struct manifest *m = d->job->manifest;
	int64_t until = 0;
	int r = pg_direct_do(d->session, "SET LOCAL lock_timeout = '" COUNT_WAIT "'", e);

	for (size_t i = 0; r == 0 && i < m->ntables; i++) {
		int64_t now = clock_now_us();

		if (until == 0 && child_poll(d->child, 0) == 1)
			until = now + MAX(now - d->start_us, COUNT_LEAST_US);
		if (until > 0 && now >= until)
			return 0;
		r = count_one(d, &m->tables[i], e);
	}
	return r;
}

/* ---- programs ---- */

static int
create_file(const struct dump *d, const char *name)
{
	_cleanup_free_ char *whole =
	    xasprintf("%s%s", name, encrypt_suffix(d->job->options->encrypt));

	return openat(
	    d->job->dirfd, whole, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static char **
dump_words(const struct dump *d)
{
	const struct backup_options *o = d->job->options;
	char *const *only = o->only;
	char **v = NULL;
	_cleanup_free_ char *snapshot = xasprintf("--snapshot=%s", d->snapshot);
	_cleanup_free_ char *file = xasprintf("--file=%s/dump", d->job->path);
	_cleanup_free_ char *jobs = xasprintf("--jobs=%lld", (long long)MAX(o->jobs, 1));
	_cleanup_free_ char *dbname = xasprintf("--dbname=%s", d->way.conninfo);

	strv_add(&v, d->program);
	strv_add(&v, d->encrypt ? "--format=custom" : "--format=directory");
	if (!d->encrypt) {
		strv_add(&v, file);
		strv_add(&v, jobs);
		strv_add(&v, "--no-sync"); /* all of it is synced with its folder */
	}
	strv_add(&v, snapshot);
	strv_add(&v, "--no-password");
	strv_add(&v, "--lock-wait-timeout=" LOCKS_WAIT);
	for (size_t i = 0; only && only[i]; i++) {
		_cleanup_free_ char *table = xasprintf("--table=%s", only[i]);

		strv_add(&v, table);
	}
	strv_add(&v, dbname);
	return v;
}

static int
start_dump(struct dump *d, struct err *e)
{
	_cleanup_strv_ char **argv = dump_words(d);
	_cleanup_close_ int out = d->encrypt ? create_file(d, "dump") : -1;
	struct child_spec spec = { .argv = (const char *const *)argv,
		.env = (const char *const *)d->way.env,
		.in_fd = -1,
		.out_fd = out,
		.then = (const char *const *)d->encrypt,
		.on_tick = on_tick,
		.arg = d };

	if (d->encrypt && out < 0)
		return err_set(e, -errno, "%s/dump: %s", d->job->path, strerror(errno));
	d->start_us = clock_now_us();
	return child_start(&spec, &d->child, e);
}

static int
dump_globals(struct dump *d, struct err *e)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	_cleanup_free_ char *program = NULL, *dbname = xasprintf("--dbname=%s", d->way.conninfo);
	_cleanup_close_ int out = -1;
	int major, r = pg_tool_find(
	               "pg_dumpall", pg_direct_version(d->session) / 10000, &program, &major, e);
	bool passwords;

	if (r == 0)
		r = pg_direct_query(d->session,
		    "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')", NULL, 0, &rows,
		    e);
	if (r < 0)
		return r;
	passwords = pg_rows_true(rows, 0, 0);
	out = create_file(d, "globals.sql");
	if (out < 0)
		return err_set(e, -errno, "%s/globals.sql: %s", d->job->path, strerror(errno));
	{
		const char *const argv[] = { program, "--globals-only", "--no-password", dbname,
			passwords ? NULL : "--no-role-passwords", NULL };
		struct child_spec spec = { .argv = argv,
			.env = (const char *const *)d->way.env,
			.in_fd = -1,
			.out_fd = out,
			.then = (const char *const *)d->encrypt,
			.on_tick = on_tick,
			.arg = d };

		r = child_run(&spec, e);
	}
	if (r < 0)
		return err_prefix(e, "roles and tablespaces (globals)");
	json_object_set_new(d->job->manifest->facts, "globals", json_true());
	json_object_set_new(d->job->manifest->facts, "passwords", json_boolean(passwords));
	return 0;
}

/* ---- all of it ---- */

static void
note(struct dump *d)
{
	const struct manifest *m = d->job->manifest;
	size_t not_counted = 0;

	for (size_t i = 0; i < m->ntables; i++)
		not_counted += m->tables[i].rows < 0;
	if (d->job->options->only)
		d->job->note = xasprintf("%zu table%s alone, not the whole database",
		    strv_len(d->job->options->only), words_s(strv_len(d->job->options->only)));
	else if (not_counted > 0)
		d->job->note = xasprintf(
		    "rows of %zu table%s were not counted", not_counted, words_s(not_counted));
}

/* A dump is smaller than its database, by how much the one before it tells. */
static void
expect(struct dump *d)
{
	_cleanup_(backup_list_done) struct backup_list list = { 0 };
	const struct backup_entry *newest;
	const struct manifest *m = d->job->manifest;
	struct err e = { 0 };

	if (d->job->options->only ||
	    backup_list(d->job->options->root, d->job->source->name, &list, &e) < 0)
		return;
	newest = backup_newest(&list, false);
	if (newest && newest->manifest.source_bytes > 0)
		d->expected =
		    (int64_t)((double)manifest_bytes(&newest->manifest) * (double)m->source_bytes /
		              (double)newest->manifest.source_bytes);
}

static int
prepare(struct dump *d, struct err *e)
{
	const struct backup_options *o = d->job->options;
	struct manifest *m = d->job->manifest;
	int major = 0, r = hold_snapshot(d, e);

	if (r == 0)
		r = pg_tool_find(
		    "pg_dump", pg_direct_version(d->session) / 10000, &d->program, &major, e);
	if (r == 0)
		r = pg_way_make(d->job->source->dsn, pg_direct_dbname(d->session), &d->way, e);
	if (r == 0 && o->encrypt)
		r = encrypt_command(o->encrypt, &d->encrypt, e);
	if (r == 0)
		r = record(d, e);
	if (r < 0)
		return r;
	if (d->job->watch->on_progress)
		expect(d);
	m->tool = xasprintf("pg_dump %d", major);
	json_object_set_new(m->facts, "tool_major", json_integer(major));
	if (o->only) {
		json_t *only = json_array();

		for (size_t i = 0; o->only[i]; i++)
			json_array_append_new(only, json_string(o->only[i]));
		json_object_set_new(m->facts, "only", only);
	}
	return 0;
}

static int
create(struct backup_job *job, struct err *e)
{
	_cleanup_(dump_done) struct dump d = { .job = job };
	int r = prepare(&d, e);

	if (r == 0)
		r = start_dump(&d, e);
	if (r == 0)
		r = count_rows(&d, e);
	if (r == 0)
		r = child_wait(d.child, e);
	if (r == 0 && job->options->globals && !job->options->only)
		r = dump_globals(&d, e);
	if (r == 0)
		note(&d);
	return r;
}

const struct backup_engine backup_postgresql = {
	.engine = ENGINE_POSTGRESQL, .create = create, .verify = pg_verify, .restore = pg_restore
};
