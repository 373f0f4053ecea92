/*
 * How pg_stat_statements is asked, by the version of the extension: after an upgrade of the server the
 * old definitions stay until somebody updates them.  Texts, which lie in a file of any size that the
 * function reads whole, are left out of the look that is made all day.
 */
#include "base/clock.h"
#include "base/map.h"
#include "base/redact.h"
#include "base/str.h"
#include "base/text.h"
#include "monitor/internal.h"
#include "monitor/statements.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define QUERY_MAX_BYTES 2000
#define TEXTS_MAX       500
#define TEXT_ROWS_MAX   200

const struct fact_extension *
statements_extension(const struct facts *f)
{
	for (size_t i = 0; i < f->nextensions; i++)
		if (streq(f->extensions[i].name, STATEMENTS_EXTENSION))
			return &f->extensions[i];
	return NULL;
}

static void
version_of(const struct fact_extension *x, int ret[static 2])
{
	char *end;

	ret[0] = (int)strtol(x->version, &end, 10);
	ret[1] = *end == '.' ? (int)strtol(end + 1, NULL, 10) : 0;
}

static bool
at_least(const struct fact_extension *x, int minor)
{
	int v[2];

	version_of(x, v);
	return v[0] > 1 || (v[0] == 1 && v[1] >= minor);
}

/* 1.8 divided the time of planning from that of execution. */
bool
statements_readable(const struct fact_extension *x)
{
	return x && x->schema && at_least(x, 8);
}

char *
statements_info_sql(const struct fact_extension *x)
{
	_cleanup_free_ char *info =
	    at_least(x, 9)
	        ? xasprintf(
	              "i.dealloc, extract(epoch FROM i.stats_reset)::float8"
	              " FROM (SELECT 1) AS one LEFT JOIN %s.pg_stat_statements_info AS i ON true",
	              x->schema)
	        : xstrdup("NULL, NULL");

	return xasprintf("SELECT extract(epoch FROM pg_catalog.clock_timestamp())::float8,"
	                 " pg_catalog.current_setting('pg_stat_statements.max', true), %s",
	    info);
}

char *
statements_look_sql(const struct fact_extension *x)
{
	return xasprintf(
	    "SELECT s.userid, s.dbid, s.queryid, %s, s.calls, s.total_exec_time, s.rows,"
	    " s.shared_blks_hit + s.local_blks_hit, s.shared_blks_read + s.local_blks_read,"
	    " s.temp_blks_read + s.temp_blks_written, %s, s.max_exec_time, %s,"
	    " s.userid = (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = "
	    "current_user)"
	    " FROM %s.pg_stat_statements(false) AS s WHERE s.queryid IS NOT NULL"
	    " ORDER BY s.total_exec_time DESC LIMIT %d",
	    at_least(x, 9) ? "s.toplevel" : "true",
	    at_least(x, 11) ? "s.shared_blk_read_time + s.shared_blk_write_time"
	                    : "s.blk_read_time + s.blk_write_time",
	    at_least(x, 11) ? "extract(epoch FROM s.stats_since)::float8" : "NULL", x->schema,
	    STATEMENTS_ROWS);
}

/* Users' names are asked for with the texts: a name a row would be half of each look. */
char *
statements_text_sql(const char *schema, bool with_text)
{
	return xasprintf("SELECT s.userid, s.dbid, s.queryid, pg_catalog.pg_get_userbyid(s.userid),"
	                 " pg_catalog.left(s.query, %d)"
	                 " FROM %s.pg_stat_statements(%s) AS s WHERE s.queryid = ANY ($1::int8[])"
	                 " ORDER BY s.total_exec_time DESC LIMIT %d",
	    QUERY_MAX_BYTES, schema, with_text ? "true" : "false", TEXT_ROWS_MAX);
}

bool
statements_granted(const struct facts *f)
{
	for (size_t i = 0; i < f->nprivileges; i++)
		if (streq(f->privileges[i].name, STATEMENTS_RIGHT))
			return f->privileges[i].granted;
	return f->superuser;
}

static double
number(const char *cell)
{
	return cell ? strtod(cell, NULL) : NAN;
}

static double
number_or_0(const char *cell)
{
	double v = number(cell);

	return isfinite(v) ? v : 0;
}

static uint32_t
oid(const char *cell)
{
	return cell ? (uint32_t)strtoul(cell, NULL, 10) : 0;
}

void
statements_info_row(struct statement_watch *w, const char *const *c, const char *epoch)
{
	w->at_s = number(c[0]);
	w->max = number(c[1]);
	w->dealloc = number(c[2]);
	w->reset_s = number(c[3]);
	free(w->epoch);
	w->epoch = xasprintf("%s %s", epoch ? epoch : "", c[3] ? c[3] : "");
}

static void
take_key(const char *const *c, struct statement_key *ret)
{
	*ret = (struct statement_key){ .user = oid(c[0]),
		.database = oid(c[1]),
		.query = c[2] ? strtoll(c[2], NULL, 10) : 0 };
}

void
statements_look_row(struct statement_watch *w, const char *const *c)
{
	struct statement_row r = { .max_ms = number(c[11]), .since = number_or_0(c[12]) };

	take_key(c, &r.key);
	r.key.top = !c[3] || *c[3] == 't';
	r.now = (struct statement_counters){ number(c[4]), number(c[5]), number_or_0(c[6]),
		number_or_0(c[7]), number_or_0(c[8]), number_or_0(c[9]), number_or_0(c[10]) };
	r.own = c[13] && *c[13] == 't';
	statements_take(w->table, &r);
}

static char *
text_key(const struct statement_key *k)
{
	return xasprintf("%u/%u/%" PRId64, k->database, k->user, k->query);
}

static void
text_free(void *p)
{
	struct statement_text *t = p;

	if (!t)
		return;
	free(t->user);
	free(t->query);
	free(t);
}

void
statements_text_row(
    struct statement_watch *w, const char *const *c, const size_t *lengths, bool redact)
{
	struct statement_key k;
	struct statement_text *t = xcalloc(1, sizeof(*t));
	_cleanup_free_ char *key = NULL, *whole = NULL;

	take_key(c, &k);
	key = text_key(&k);
	t->user = c[3] ? text_from_peer(c[3], lengths[3], 200) : NULL;
	whole = c[4] ? text_from_peer(c[4], lengths[4], QUERY_MAX_BYTES) : NULL;
	if (whole)
		t->query = redact ? redact_sql(whole, QUERY_MAX_BYTES) : TAKE_PTR(whole);
	if (map_size(w->texts) >= TEXTS_MAX) { /* those still wanted are asked for again */
		w->texts = map_free(w->texts, text_free);
		w->texts = map_new();
	}
	text_free(map_put(w->texts, key, t));
}

const struct statement_text *
statements_text(const struct statement_watch *w, const struct statement_key *k)
{
	_cleanup_free_ char *key = text_key(k);

	return map_get(w->texts, key);
}

/* ---- the watch ---- */

void
statement_watch_init(struct statement_watch *w)
{
	*w = (struct statement_watch){ .table = statements_new(),
		.texts = map_new(),
		.at_s = NAN,
		.max = NAN,
		.dealloc = NAN,
		.reset_s = NAN };
}

void
statement_watch_done(struct statement_watch *w)
{
	statements_free(w->table);
	map_free(w->texts, text_free);
	free(w->wanted);
	free(w->schema);
	free(w->datname);
	free(w->version);
	free(w->epoch);
	*w = (struct statement_watch){ 0 };
}

#define SAVE_US (60 * 60 * USEC_PER_SEC)

static char *
state_key(const char *name, unsigned shard)
{
	return xasprintf("s:%s/%u", name, shard);
}

void
statement_watch_restore(struct statement_watch *w, struct monitor *m, const char *name)
{
	for (unsigned i = 0; i < STATEMENTS_SHARDS; i++) {
		_cleanup_free_ char *at = state_key(name, i), *key = xasprintf("statements %s", at);
		_cleanup_free_ char *json = map_remove(m->restored, key);

		if (json)
			statements_load(w->table, json);
	}
}

static void
save_shard(const struct statement_watch *w, struct monitor *m, const char *name, unsigned shard)
{
	_cleanup_free_ char *key = state_key(name, shard), *json = statements_save(w->table, shard);

	monitor_state(m, "statements", key, json);
}

/* Written slice by slice, for the loop has other work; all at once before a stop. */
void
statement_watch_save(struct statement_watch *w, struct monitor *m, const char *name, bool now)
{
	int64_t us = clock_now_us();

	if (w->looked_us == 0 || m->options.one_shot)
		return;
	if (w->saving == 0 && w->saved_us < w->looked_us &&
	    (now || w->saved_us == 0 || us - w->saved_us >= SAVE_US)) {
		w->saved_us = us;
		w->saving = STATEMENTS_SHARDS;
	}
	while (w->saving > 0) {
		save_shard(w, m, name, --w->saving);
		if (!now)
			return;
	}
}

void
statement_watch_forget(struct monitor *m, const char *name)
{
	for (unsigned i = 0; i < STATEMENTS_SHARDS; i++) {
		_cleanup_free_ char *key = state_key(name, i);

		monitor_state(m, "statements", key, NULL);
	}
}
