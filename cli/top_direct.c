/* The statements of a server that we ask ourselves, without a daemon. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/top.h"
#include "monitor/statements.h"
#include "pg/direct.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS_MAX   16
#define SAMPLE_MAX_US (60 * 60 * USEC_PER_SEC)

struct look {
	const struct cli *cli; /* borrowed */
	struct pg_direct *session;
	struct statement_watch watch;
	struct fact_extension extension;
	uint32_t database;
};

static int
fail(const struct look *l, const struct err *e)
{
	_cleanup_free_ char *why = show_text(e->msg);

	return cli_fail(
	    l->cli, e->code == -EACCES ? EXIT_PERMISSION : EXIT_UNKNOWN, "top: %s.", why);
}

static const char facts_sql[] =
    "SELECT d.oid, x.extversion, pg_catalog.quote_ident(n.nspname),"
    " EXISTS (SELECT FROM pg_catalog.pg_settings AS s WHERE s.name = 'pg_stat_statements.max'),"
    " pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"
    " FROM pg_catalog.pg_database AS d"
    " LEFT JOIN pg_catalog.pg_extension AS x ON x.extname = 'pg_stat_statements'"
    " LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = x.extnamespace"
    " WHERE d.datname = pg_catalog.current_database()";

static int
take_facts(struct look *l)
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	struct err e = { 0 };
	const char *version;

	if (pg_direct_query(l->session, facts_sql, NULL, 0, &rows, &e) < 0)
		return fail(l, &e);
	version = pg_rows_get(rows, 0, 1);
	if (!pg_rows_true(rows, 0, 3))
		return cli_fail(l->cli, EXIT_UNKNOWN,
		    "top: the server does not load pg_stat_statements. Add it to "
		    "shared_preload_libraries, restart the server, then: CREATE EXTENSION "
		    "pg_stat_statements;");
	if (!version)
		return cli_fail(l->cli, EXIT_UNKNOWN,
		    "top: this database lacks the extension. CREATE EXTENSION pg_stat_statements;");
	l->database = (uint32_t)strtoul(pg_rows_get(rows, 0, 0), NULL, 10);
	l->extension.name = xstrdup(STATEMENTS_EXTENSION);
	l->extension.version = xstrdup(version);
	l->extension.schema = xstrdup(pg_rows_get(rows, 0, 2));
	if (!statements_readable(&l->extension))
		return cli_fail(l->cli, EXIT_UNKNOWN,
		    "top: pg_stat_statements %s is too old. ALTER EXTENSION pg_stat_statements "
		    "UPDATE;",
		    version);
	if (!pg_rows_true(rows, 0, 4))
		return cli_fail(l->cli, EXIT_PERMISSION,
		    "top: this role does not see what others run. GRANT pg_monitor TO it.");
	return 0;
}

static int
each_row(struct look *l, char *take_sql, const char *param,
    void (*take)(struct look *, const char *const *, const size_t *))
{
	_cleanup_(pg_rows_freep) struct pg_rows *rows = NULL;
	_cleanup_free_ char *sql = take_sql;
	struct err e = { 0 };

	if (pg_direct_query(l->session, sql, &param, param ? 1 : 0, &rows, &e) < 0)
		return fail(l, &e);
	for (size_t i = 0; i < pg_rows_count(rows); i++) {
		const char *cells[COLUMNS_MAX];
		size_t lengths[COLUMNS_MAX];

		for (size_t k = 0; k < pg_rows_width(rows); k++) {
			cells[k] = pg_rows_get(rows, i, k);
			lengths[k] = cells[k] ? strlen(cells[k]) : 0;
		}
		take(l, cells, lengths);
	}
	return 0;
}

static void
take_info(struct look *l, const char *const *cells, const size_t *lengths)
{
	(void)lengths;
	statements_info_row(&l->watch, cells, NULL);
}

static void
take_row(struct look *l, const char *const *cells, const size_t *lengths)
{
	(void)lengths;
	statements_look_row(&l->watch, cells);
}

static void
take_text(struct look *l, const char *const *cells, const size_t *lengths)
{
	statements_text_row(&l->watch, cells, lengths, true);
}

static int
look_once(struct look *l)
{
	struct statements_look look = { .wall_s = clock_wall_us() / USEC_PER_SEC, .all = true };
	int r = each_row(l, statements_info_sql(&l->extension), NULL, take_info);

	if (r != 0)
		return r;
	look.at_s = l->watch.at_s;
	look.epoch = l->watch.epoch;
	statements_begin(l->watch.table, &look);
	r = each_row(l, statements_look_sql(&l->extension), NULL, take_row);
	statements_end(l->watch.table, r == 0);
	return r;
}

static int
add_texts(struct look *l, enum statements_by by, int limit)
{
	_cleanup_free_ const struct statement **top = xcalloc((size_t)limit + 1, sizeof(*top));
	_cleanup_str_ struct str ids = { 0 };
	bool window;
	size_t n = statements_top(&l->watch, l->database, by, (size_t)limit, top, &window);

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		str_addf(&ids, "%c%" PRId64, i ? ',' : '{', top[i]->key.query);
	str_addc(&ids, '}');
	return each_row(
	    l, statements_text_sql(l->extension.schema, true), str_text(&ids), take_text);
}

static int
look_at(struct look *l, enum statements_by by, int limit)
{
	int r = take_facts(l);

	if (r == 0)
		r = look_once(l);
	if (r == 0 && l->cli->o.sample_us > 0) {
		int64_t us = MIN(l->cli->o.sample_us, SAMPLE_MAX_US);
		struct timespec ts = { us / USEC_PER_SEC, us % USEC_PER_SEC * 1000 };

		nanosleep(&ts, NULL);
		r = look_once(l);
	}
	return r == 0 ? add_texts(l, by, limit) : r;
}

int
top_direct(const struct cli *cli, const char *dsn, const char *by, int limit, json_t **ret)
{
	struct look l = { .cli = cli };
	struct pg_failure why = { 0 };
	enum statements_by order = STATEMENTS_BY_TIME;
	int r;

	for (int i = 0; i < STATEMENTS_BY_N; i++)
		if (streq(statements_by_names[i], by))
			order = (enum statements_by)i;
	if (pg_direct_open(dsn, NULL, &l.session, &why) < 0) {
		_cleanup_free_ char *shown = show_text(why.err.msg);

		return cli_fail(cli, EXIT_UNAVAILABLE, "top: %s.", shown);
	}
	statement_watch_init(&l.watch);
	r = look_at(&l, order, limit);
	if (r == 0) {
		json_t *o = statements_json(&l.watch, l.database, order, (size_t)limit);

		json_object_set_new(o, "database", json_string(pg_direct_dbname(l.session)));
		json_object_set_new(o, "server", json_null());
		json_object_set_new(o, "reason", json_null());
		json_object_set_new(o, "remedy", json_null());
		*ret = o;
	}
	statement_watch_done(&l.watch);
	free(l.extension.name);
	free(l.extension.version);
	free(l.extension.schema);
	pg_direct_free(l.session);
	return r;
}
