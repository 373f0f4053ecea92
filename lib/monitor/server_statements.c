/*
 * The statements of one server, for those outside of its runs: which of its databases has the extension, what
 * is kept over restarts, and what somebody asks to see.
 */
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "monitor/server_impl.h"
#include "report/report.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void
add_extension(json_t *list, const char *datname, const struct facts *f)
{
	const struct fact_extension *x = statements_extension(f);
	json_t *o;

	if (!x || !datname)
		return;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (streq(json_string_value(json_object_get(json_array_get(list, i), "datname")),
		        datname))
			return;
	o = json_object();
	json_object_set_new(o, "datname", report_string(datname));
	json_object_set_new(o, "version", report_string(x->version));
	json_array_append_new(list, o);
}

char *
server_statements_json(const struct server *s)
{
	json_t *list = json_array();
	bool all = s->facts_us > 0;
	char *text;

	if (all)
		add_extension(list, s->facts.datname, &s->facts);
	for (size_t i = 0; i < s->ndbs; i++) {
		const struct database *d = s->dbs[i];
		bool is_home = streq(d->datname ? d->datname : "", s->facts.datname);

		if (d->is_template)
			continue;
		if (d->facts_us > 0)
			add_extension(list, d->datname ? d->datname : d->facts.datname, &d->facts);
		else
			all = all && (is_home || d->unreachable);
	}
	/* Who was not looked at yet may have it. */
	text = all || json_array_size(list) > 0 ? report_dump(list) : NULL;
	json_decref(list);
	return text;
}

void
server_statements_restore(struct server *s)
{
	if (s->statements.restored)
		return;
	s->statements.restored = true;
	statement_watch_restore(&s->statements, s->m, s->scope.name);
}

void
server_statements_save(struct server *s, bool now)
{
	statement_watch_save(&s->statements, s->m, s->scope.name, now);
}

/* ---- for people ---- */

static int
by_of(const char *word)
{
	for (int i = 0; i < STATEMENTS_BY_N; i++)
		if (streq(statements_by_names[i], word))
			return i;
	return -1;
}

/* Why there is nothing to show, as the checks of statements of this database say it. */
static void
add_reason(json_t *o, const struct database *d)
{
	const char *why = d->server->down ? d->server->failure.err.msg
	                                  : "not looked at yet: the next turn comes soon";
	const char *grant = NULL;

	for (size_t i = 0; i < d->scope.ncheckups; i++) {
		const struct checkup *c = d->scope.checkups[i];

		if (c->check->source != SOURCE_STATEMENTS || !c->text)
			continue;
		if (c->status == CHECK_NOT_COVERED || c->status == CHECK_UNKNOWN) {
			why = c->text;
			grant = checkup_grant(c);
		}
	}
	json_object_set_new(o, "reason", report_string(why));
	json_object_set_new(o, "remedy",
	    report_string(grant                           ? grant
	                  : strstr(why, "(pgss-missing)") ? "dbhealth explain pgss-missing"
	                                                  : NULL));
}

static json_t *
answer_of(const struct database *d, enum statements_by by, size_t limit)
{
	const struct statement_watch *w = &d->server->statements;
	uint32_t oid = d->facts.oid;
	bool there = w->looked_us > 0 && oid > 0;
	/* Of a database whose number is not known, nothing: 0 would be all. */
	json_t *o = statements_json(w, there ? oid : UINT32_MAX, by, limit);

	json_object_set_new(o, "database", report_string(d->scope.name));
	json_object_set_new(o, "server", report_string(d->server->scope.name));
	if (there) {
		json_object_set_new(o, "reason", json_null());
		json_object_set_new(o, "remedy", json_null());
	} else {
		add_reason(o, d);
	}
	return o;
}

static void
statement_ask_answer(struct statement_ask *a)
{
	json_t *answer;

	if (!a->done)
		return;
	answer = answer_of(a->database, a->by, a->limit);
	a->done(answer, a->arg);
	a->done = NULL;
	json_decref(answer);
}

static void
statement_ask_end(struct statement_ask *a)
{
	struct statement_ask **p = &a->server->statement_asks;

	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
	statement_ask_answer(a);
	free(a);
}

/* It leaves the server, whose answer is still on its way. */
void
server_statements_leave(struct database *d)
{
	for (struct statement_ask *a = d->server->statement_asks; a; a = a->next)
		if (a->database == d)
			statement_ask_answer(a);
}

static bool
on_ask_row(const char *const *cells, const size_t *lengths, void *arg)
{
	struct statement_ask *a = arg;
	struct server *s = a->server;

	statements_text_row(&s->statements, cells, lengths,
	    s->scope.rules->conf->daemon.query_text != QUERY_TEXT_FULL);
	return true;
}

static void
on_ask_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	(void)f; /* without their texts they are shown all the same */
	(void)duration_us;
	statement_ask_end(arg);
}
static const struct pg_request_callbacks ask_callbacks = { NULL, on_ask_row, on_ask_done };

static char *
missing_texts(const struct statement_watch *w, uint32_t oid, enum statements_by by, size_t limit)
{
	_cleanup_free_ const struct statement **top = xcalloc(limit + 1, sizeof(*top));
	_cleanup_str_ struct str s = { 0 };
	bool window;
	size_t n = oid > 0 ? statements_top(w, oid, by, limit, top, &window) : 0;

	for (size_t i = 0; i < n; i++)
		if (!statements_text(w, &top[i]->key))
			str_addf(&s, "%s%" PRId64, s.len ? "," : "", top[i]->key.query);
	return s.len ? str_take(&s) : NULL;
}

/* Beside what the home session does, where the extension is in its database; else with the next look. */
static bool
ask_for_texts(struct server *s, struct statement_ask *a, const char *ids)
{
	const struct fact_extension *x = statements_extension(&s->facts);
	_cleanup_free_ char *sql = NULL, *list = xasprintf("{%s}", ids);
	const char *param = list;
	struct pg_statement st = { .params = &param, .nparams = 1 };

	if (s->link != LINK_UP || s->pooled || s->facts_us == 0 || !statements_readable(x)) {
		statements_want(&s->statements, ids);
		return false;
	}
	sql = statements_text_sql(
	    x->schema, s->scope.rules->conf->daemon.query_text != QUERY_TEXT_FINGERPRINT);
	st.sql = sql;
	return pg_session_request(s->home, &st, (PG_PIPELINE_MAX + 1) * server_timeout_us(s),
	           &ask_callbacks, a) >= 0;
}

int
server_statements_ask(
    struct database *d, const char *by_word, size_t limit, monitor_statements_fn done, void *arg)
{
	struct server *s = d->server;
	int by = by_of(by_word);
	_cleanup_free_ char *ids = NULL;
	struct statement_ask *a;

	if (by < 0)
		return -EINVAL;
	a = xcalloc(1, sizeof(*a));
	*a = (struct statement_ask){ .next = s->statement_asks,
		.server = s,
		.database = d,
		.by = (enum statements_by)by,
		.limit = limit,
		.done = done,
		.arg = arg };
	s->statement_asks = a;
	if (s->statements.looked_us > 0)
		ids = missing_texts(&s->statements, d->facts.oid, a->by, limit);
	if (!ids || !ask_for_texts(s, a, ids))
		statement_ask_end(a);
	return 0;
}

void
server_statements_forget(struct server *s, const void *arg)
{
	for (struct statement_ask *a = s->statement_asks; a; a = a->next)
		if (a->arg == arg)
			a->done = NULL;
}

void
server_statements_done(struct server *s)
{
	struct statement_ask *a;

	while ((a = s->statement_asks)) { /* its session is gone, and tells nobody */
		s->statement_asks = a->next;
		free(a);
	}
	statement_watch_done(&s->statements);
}

int
monitor_statements(struct monitor *m, const char *name, const char *by, size_t limit,
    monitor_statements_fn done, void *arg)
{
	struct database *d = map_get(m->by_name, name);

	if (!d || d->is_template)
		return -ENOENT;
	return d->server ? server_statements_ask(d, by, limit, done, arg) : -ENOTSUP;
}

void
monitor_statements_forget(struct monitor *m, const void *arg)
{
	for (size_t i = 0; i < m->nservers; i++)
		server_statements_forget(m->servers[i], arg);
	for (size_t i = 0; i < m->nretiring; i++)
		server_statements_forget(m->retiring[i], arg);
}
