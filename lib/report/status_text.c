/*
 * `dbhealth status`: the verdict, the daemon, a line a database (fleets and large servers folded
 * into one), open findings and the next step.
 */
#include "base/clock.h"
#include "base/map.h"
#include "base/text.h"
#include "base/unit.h"
#include "report/block.h"
#include "report/cut_off.h"
#include "report/folded.h"
#include "report/layout.h"
#include "report/memory.h"

#include <math.h>

#define SERVER_FOLDS_FROM 5U /* databases with sections of their own on one server */
#define OK_ROWS_MAX       20U
#define DATABASE_COLUMNS  ((size_t)12)

/* One line of the table: a database, or several folded. */
struct row {
	char *name;          /* owned */
	const json_t *first; /* borrowed: the worst of them */
	const char *status;  /* borrowed */
	size_t n, ok;
	bool fleet; /* named NAME/MEMBER */
	int64_t findings[SEVERITY_N];
	int64_t covered, total; /* of the member with the least share */
	int64_t last_us;        /* the oldest of the members' last runs; 0: none yet */
	double answer_ms;       /* the slowest; NaN none */
	const char *error;      /* borrowed; of connectivity */
};
struct table {
	struct row *v;
	size_t n;
};

static void
table_done(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].name);
	free(t->v);
}

static int
status_rank(const char *s)
{
	static const char *const order[] = { "ok", "unknown", "warning", "critical" };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (streq(s, order[i]))
			return (int)i;
	return 1;
}

static int64_t
integer(const json_t *o, const char *key)
{
	double v = layout_get_number(o, key);

	return isfinite(v) && fabs(v) < 1e15 ? (int64_t)v : 0;
}

/* ---- folding ---- */

/* "fleet:tenants" for tenants/a17, "server:billing" for a PostgreSQL server; owned. */
static char *
fleet_key(const json_t *db)
{
	const char *name = layout_get(db, "name"), *slash = strchr(name, '/');

	return slash ? xasprintf("fleet:%.*s", (int)(slash - name), name) : NULL;
}

static char *
server_key(const json_t *db)
{
	const char *server = layout_get(db, "server");

	if (strchr(layout_get(db, "name"), '/') || !*server ||
	    !streq(layout_get(db, "engine"), engine_names[ENGINE_POSTGRESQL]))
		return NULL;
	return xasprintf("server:%s", server);
}

static void
count_key(struct map *counts, const char *key)
{
	if (key)
		map_put(counts, key, (void *)((uintptr_t)map_get(counts, key) + 1));
}

/* Name of the line that a database belongs to; owned. */
static char *
row_key(const json_t *db, const struct map *counts, bool fold, bool *ret_fleet)
{
	_cleanup_free_ char *fleet = fleet_key(db), *server = server_key(db);

	*ret_fleet = false;
	if (fold && fleet && (uintptr_t)map_get(counts, fleet) > 1) {
		*ret_fleet = true;
		return xstrdup(fleet);
	}
	if (fold && server && (uintptr_t)map_get(counts, server) >= SERVER_FOLDS_FROM)
		return xstrdup(server);
	return xasprintf("database:%s", layout_get(db, "name"));
}

static void
row_times(struct row *r, const json_t *db)
{
	const json_t *probes = json_object_get(db, "probes"), *p;
	const json_t *connectivity = json_object_get(probes, "connectivity");
	/* The server's answer, where it is known; else how long the probe took. */
	double ms = layout_get_number(json_object_get(db, "answer_ms") ? db : connectivity,
	    json_object_get(db, "answer_ms") ? "answer_ms" : "duration_ms");
	int64_t last = 0;

	for (int i = 0; i < PROBE_N; i++) {
		p = json_object_get(probes, probe_names[i]);
		last = MAX(last, layout_get_time(p, "last_run"));
	}
	if (r->n == 0 || (last != 0 && last < r->last_us))
		r->last_us = last;
	if (isfinite(ms) && (isnan(r->answer_ms) || ms > r->answer_ms))
		r->answer_ms = ms;
	if (*layout_get(connectivity, "error"))
		r->error = layout_get(connectivity, "error");
}

static void
row_add(struct row *r, const json_t *db)
{
	const json_t *coverage = json_object_get(db, "coverage");
	const json_t *findings = json_object_get(db, "findings");
	int64_t covered = integer(coverage, "covered"), total = integer(coverage, "total");
	const char *status = layout_get(db, "status");

	if (r->n == 0 || status_rank(status) > status_rank(r->status)) {
		r->first = db;
		r->status = status;
	}
	if (r->n == 0 || (total > 0 && covered * MAX(r->total, (int64_t)1) < r->covered * total)) {
		r->covered = covered;
		r->total = total;
	}
	for (int s = SEVERITY_INFO; s < SEVERITY_N; s++)
		r->findings[s] += integer(findings, severity_names[s]);
	row_times(r, db);
	r->ok += streq(status, "ok") ? 1 : 0;
	r->n++;
}

static int
compare_rows(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;
	int d = status_rank(b->status) - status_rank(a->status);

	return d ? d : strcmp(a->name, b->name);
}

static void
table_fill(struct table *t, const json_t *databases, bool fold, const char *only)
{
	struct map *counts = map_new(), *rows = map_new();
	size_t i, n = json_array_size(databases);
	const json_t *db;

	t->v = xcalloc(n + 1, sizeof(*t->v));
	json_array_foreach (databases, i, db) {
		_cleanup_free_ char *fleet = fleet_key(db), *server = server_key(db);

		count_key(counts, fleet);
		count_key(counts, server);
	}
	json_array_foreach (databases, i, db) {
		bool fleet = false;
		_cleanup_free_ char *key = row_key(db, counts, fold && !only, &fleet);
		struct row *r = map_get(rows, key);

		if (only && !streq(only, layout_get(db, "name")))
			continue;
		if (!r) {
			r = &t->v[t->n++];
			r->answer_ms = NAN;
			r->fleet = fleet;
			r->name = xstrdup(strchr(key, ':') + 1);
			map_put(rows, key, r);
		}
		row_add(r, db);
	}
	map_free(counts, NULL);
	map_free(rows, NULL);
	qsort(t->v, t->n, sizeof(*t->v), compare_rows);
}

/* Findings of a server are in the counts of each of its databases; a folded line counts once. */
static void
table_count_once(struct table *t, const json_t *findings)
{
	for (size_t i = 0; i < t->n; i++) {
		struct row *r = &t->v[i];
		const char *server = layout_get(r->first, "server");
		const json_t *f;
		size_t k;

		if (r->n < 2 || !*server)
			continue;
		json_array_foreach (findings, k, f) {
			enum severity s = SEVERITY_NONE;

			if (*layout_get(f, "database") || !streq(layout_get(f, "server"), server) ||
			    !streq(layout_get(f, "state"), "open") || report_is_muted(f) ||
			    severity_parse(layout_get(f, "severity"), &s) < 0)
				continue;
			r->findings[s] = MAX(r->findings[s] - (int64_t)(r->n - 1), (int64_t)1);
		}
	}
}

/* ---- cells ---- */

static char *
engine_cell(const struct row *r)
{
	const char *engine = layout_get(r->first, "engine");
	const json_t *v = json_object_get(r->first, "server_version");
	_cleanup_free_ char *n = layout_count((int64_t)r->n);

	if (streq(engine, engine_names[ENGINE_SQLITE]))
		return r->n > 1 ? xasprintf("SQLite x%s", n) : xstrdup("SQLite");
	if (streq(engine, engine_names[ENGINE_PGBOUNCER]))
		return xstrdup("PgBouncer");
	if (json_is_string(v) && *json_string_value(v))
		return xasprintf("PostgreSQL %.*s", (int)strcspn(json_string_value(v), ". ("),
		    json_string_value(v));
	if (json_is_integer(v) && json_integer_value(v) > 0)
		return xasprintf("PostgreSQL %d", (int)(json_integer_value(v) / 10000));
	return xstrdup("PostgreSQL");
}

static char *
answer_cell(const struct row *r)
{
	if (r->error && *r->error) {
		size_t n =
		    strcspn(r->error, ":;, "); /* the word that stands for it, as "timeout" */

		return n <= 7 ? xstrndup(r->error, n) : xstrdup("failed");
	}
	if (isnan(r->answer_ms) ||
	    streq(layout_get(r->first, "engine"), engine_names[ENGINE_SQLITE]))
		return xstrdup("-");
	if (r->answer_ms < 999.5)
		return xasprintf(r->answer_ms < 9.95 ? "%.1f ms" : "%.0f ms", r->answer_ms);
	return xasprintf("%.1f s", MIN(r->answer_ms / 1e3, 9999.0));
}

static void
count_cell(struct str *out, int64_t n)
{
	if (n == 0)
		str_add(out, "  .");
	else if (n < 1000)
		str_addf(out, "%3lld", (long long)n);
	else
		str_addf(out, n < 100000 ? "%2lldk" : ">99k", (long long)(n / 1000));
}

static void
row_text(struct str *out, const struct row *r, const struct report_options *o)
{
	const char *role = layout_get(r->first, "role");
	_cleanup_free_ char *count = layout_count((int64_t)r->n);
	_cleanup_free_ char *shown = show_text(r->name), *name = NULL;
	_cleanup_free_ char *engine = engine_cell(r), *answer = answer_cell(r), *last = NULL;
	_cleanup_free_ char *covered = NULL;
	bool sqlite = streq(layout_get(r->first, "engine"), engine_names[ENGINE_SQLITE]);

	name = r->n > 1 && !sqlite ? xasprintf("%s (%s)", shown, count) : xstrdup(shown);
	if (text_columns(name) > DATABASE_COLUMNS) {
		layout_prose(out, "", 0, name);
		layout_pad(out, DATABASE_COLUMNS + 2);
	} else {
		layout_cell(out, name, DATABASE_COLUMNS + 2);
	}
	layout_cell(out, engine, 13);
	str_add(out, "  ");
	layout_cell(out, *role && !streq(role, "unknown") ? role : "-", 7);
	str_add(out, "  ");
	layout_status_word(out, r->status, o->colour);
	layout_pad(out, 8 - MIN(strlen(r->status), (size_t)8));
	count_cell(out, r->findings[SEVERITY_CRITICAL]);
	count_cell(out, r->findings[SEVERITY_WARNING]);
	count_cell(out, r->findings[SEVERITY_INFO]);
	covered = xasprintf("%lld/%lld", (long long)r->covered, (long long)r->total);
	last = r->last_us ? layout_age(o->now_wall_us - r->last_us) : xstrdup("-");
	str_add(out, "  ");
	layout_cell(out, covered, 7);
	str_add(out, "  ");
	layout_cell(out, last, 6);
	str_add(out, " ");
	str_addf(out, "%s\n", answer);
}

static void
table_text(struct str *out, const struct table *t, const struct report_options *o)
{
	size_t ok_rows = 0, hidden = 0;

	str_add(out,
	    "DATABASE      ENGINE         ROLE     STATUS    C  W  I  COVERED  LAST   ANSWER\n");
	for (size_t i = 0; i < t->n; i++) {
		if (streq(t->v[i].status, "ok") && ++ok_rows > OK_ROWS_MAX && !o->verbose)
			hidden += t->v[i].n;
		else
			row_text(out, &t->v[i], o);
	}
	if (hidden > 0) {
		_cleanup_free_ char *n = layout_count((int64_t)hidden);

		str_addf(out, "and %s more that are ok (-v shows them)\n", n);
	}
}

/* ---- head ---- */

static int64_t
count_databases(const json_t *status, const char *word, const char *only)
{
	const json_t *db;
	int64_t n = 0;
	size_t i;

	json_array_foreach (json_object_get(status, "databases"), i, db)
		if ((!only || streq(only, layout_get(db, "name"))) &&
		    (!word || streq(word, layout_get(db, "status"))))
			n++;
	return n;
}

char *
report_summary(const json_t *status)
{
	_cleanup_free_ char *ok = layout_count(count_databases(status, "ok", NULL));
	_cleanup_free_ char *all = layout_count(count_databases(status, NULL, NULL));

	if (streq(all, "0"))
		return xstrdup("no databases are configured");
	return xasprintf("%s of %s databases ok", ok, all);
}

static void
verdict_text(struct str *out, const json_t *status, const json_t *findings, const char *word,
    const struct report_options *o)
{
	const char *who = o->only ? o->only : o->host ? o->host : "this host";
	_cleanup_free_ char *summary = report_summary(status);
	_cleanup_str_ struct str counts = { 0 };
	const json_t *db;
	size_t i;

	layout_count_of(&counts, block_count(findings, "critical"), "critical");
	layout_count_of(&counts, block_count(findings, "warning"), "warning");
	if (!o->only) {
		layout_count_of(&counts, count_databases(status, "unknown", NULL), "unknown");
		str_addf(&counts, "%s%s", counts.len ? "; " : "", summary);
		layout_verdict(out, word, o->colour, who, str_text(&counts));
		return;
	}
	layout_count_of(&counts, block_count(findings, "info"), "info");
	json_array_foreach (json_object_get(status, "databases"), i, db) {
		const json_t *c = json_object_get(db, "coverage");

		if (!streq(o->only, layout_get(db, "name")))
			continue;
		layout_count_of(&counts, integer(db, "unknown"), "unknown");
		str_addf(&counts, "%s%lld of %lld checks answer", counts.len ? "; " : "",
		    (long long)integer(c, "covered"), (long long)integer(c, "total"));
	}
	layout_verdict(out, word, o->colour, who, str_text(&counts));
}

static void
daemon_text(struct str *out, const json_t *status)
{
	const json_t *d = json_object_get(status, "daemon");
	_cleanup_free_ char *version = layout_short(layout_get(d, "version"), 12);
	double up = layout_get_number(d, "uptime_seconds");
	_cleanup_free_ char *age =
	    duration_format(isfinite(up) && up < 1e11 ? (int64_t)up * USEC_PER_SEC : 0);
	int64_t loaded = layout_get_time(d, "config_loaded_at"),
	        silences = integer(status, "silences");

	str_addf(out, "dbhealthd %s, up %s", version, age);
	if (loaded != 0) {
		/* Always with its date: "of 09:12" would read like today's. */
		_cleanup_free_ char *when = layout_clock(loaded, 0);

		str_addf(out, ", configuration of %s", when);
	}
	if (silences > 0)
		str_addf(out, ", %lld silence%s", (long long)silences, silences == 1 ? "" : "s");
	str_addc(out, '\n');
}

/* A healthy host's third and last line. */
static void
healthy_text(struct str *out, const json_t *status)
{
	int64_t covered = 0, total = 0, info = 0;
	const json_t *db;
	size_t i;

	json_array_foreach (json_object_get(status, "databases"), i, db) {
		covered += integer(json_object_get(db, "coverage"), "covered");
		total += integer(json_object_get(db, "coverage"), "total");
		info += integer(json_object_get(db, "findings"), "info");
	}
	{
		_cleanup_free_ char *c = layout_count(covered), *t = layout_count(total);
		_cleanup_free_ char *n = layout_count(info);
		_cleanup_free_ char *line = xasprintf("%s of %s checks answer, %s info "
		                                      "(dbhealth findings; -v: each database)",
		    c, t, n);

		layout_prose(out, "", 0, line);
	}
}

/* ---- checks of one database ---- */

static void
checks_text(struct str *out, const json_t *db, const struct report_options *o)
{
	const json_t *c;
	_cleanup_free_ char *name = show_text(layout_get(db, "name"));
	size_t i;

	str_addc(out, '\n');
	layout_prose(out, "", 0, name);
	json_array_foreach (json_object_get(db, "checks"), i, c) {
		enum unit unit = UNIT_COUNT;
		double value = layout_get_number(c, "value");
		_cleanup_free_ char *v = NULL;
		_cleanup_str_ struct str line = { 0 };

		(void)unit_parse(layout_get(c, "unit"), &unit);
		v = isfinite(value) ? unit_format(value, unit) : xstrdup("");
		str_add(&line, layout_get(c, "id"));
		if (*v)
			str_addf(&line, "  %s", v);
		if (*layout_get(c, "reason"))
			str_addf(&line, ": %s", layout_get(c, "reason"));
		cost_add_words(&line, c);
		str_add(out, "  ");
		layout_status_word(out, layout_get(c, "status"), o->colour);
		layout_pad(out, 13 - MIN(strlen(layout_get(c, "status")), (size_t)12));
		layout_prose_at(out, 15, 15, str_text(&line));
		if (*layout_get(c, "grant"))
			layout_sql(out, 17, layout_get(c, "grant"));
	}
}

/* What is open and does not count: on the host, or of one database. */
static void
muted_text(struct str *out, const json_t *status, const char *only)
{
	const json_t *db, *counts = status;
	_cleanup_str_ struct str line = { 0 };
	size_t i;

	json_array_foreach (json_object_get(status, "databases"), i, db)
		if (only && streq(only, layout_get(db, "name")))
			counts = json_object_get(db, "findings");
	layout_count_of(&line, integer(counts, "silenced"), "silenced");
	layout_count_of(&line, integer(counts, "accepted"), "accepted");
	if (line.len > 0)
		str_addf(out, "%s, not counted (dbhealth findings)\n", str_text(&line));
}

static void
open_findings_text(
    struct str *out, const json_t *status, const json_t *findings, const struct report_options *o)
{
	_cleanup_free_ char *id = NULL;
	const struct block_options b = { .database = o->only == NULL, .age = true, .cause = true };
	_cleanup_(folded_freep) struct folded *folded = folded_new(findings);
	const json_t *f, *first = NULL;
	json_t *unknown = cut_off_unknown(status, findings, o->only);
	size_t i;

	str_addc(out, '\n');
	json_array_foreach (findings, i, f) {
		if (!o->only && !o->verbose && streq(layout_get(f, "severity"), "info"))
			continue;
		if (!streq(layout_get(f, "state"), "open") || report_is_muted(f) ||
		    folded_is_under(folded, i))
			continue;
		first = first ? first : f;
		block_finding(out, f, &b, o);
		cut_off_text(out, status, f);
		folded_text(out, folded, i, false, &b, o);
	}
	block_unknown(out, unknown, o->only == NULL, o);
	json_decref(unknown);
	if (!first)
		return;
	id = layout_id(first, block_id_digits(findings, layout_get(first, "id")));
	str_addf(out, "\nNext: dbhealth explain %s    (each finding: dbhealth findings)\n", id);
}

/* How many files of a fleet need somebody, and which are not watched. */
static void
fleets_text(struct str *out, const json_t *status)
{
	const json_t *fleet;
	size_t i;

	json_array_foreach (json_object_get(status, "fleets"), i, fleet) {
		_cleanup_free_ char *bad = layout_count(integer(fleet, "attention"));
		_cleanup_free_ char *all = layout_count(integer(fleet, "files")), *line = NULL;
		const char *note = layout_get(fleet, "note");

		if (integer(fleet, "attention") > 0)
			line = xasprintf("%s: %s of %s files need%s attention%s%s",
			    layout_get(fleet, "name"), bad, all,
			    integer(fleet, "attention") == 1 ? "s" : "", *note ? "; " : "", note);
		else if (*note)
			line = xasprintf("%s: %s files; %s", layout_get(fleet, "name"), all, note);
		if (line)
			layout_prose(out, "", 2, line);
	}
}

char *
report_status_text(const json_t *status, const json_t *findings, const struct report_options *o)
{
	_cleanup_str_ struct str out = { 0 };
	_cleanup_(table_done) struct table t = { 0 };
	json_t *sorted = block_sorted(findings);
	const json_t *db;
	const char *word = layout_get(status, "status");
	size_t i;

	table_fill(&t, json_object_get(status, "databases"), o->verbose == 0, o->only);
	table_count_once(&t, findings);
	if (o->only)
		word = t.n > 0 ? t.v[0].status : "unknown";
	verdict_text(&out, status, sorted, word, o);
	daemon_text(&out, status);
	memory_text(&out, json_object_get(status, "daemon"));
	if (streq(word, "ok") && !o->only && !o->verbose) {
		healthy_text(&out, status);
		fleets_text(&out, status);
		muted_text(&out, status, NULL);
	} else {
		if (t.n > 0) {
			str_addc(&out, '\n');
			table_text(&out, &t, o);
		}
		if (!o->only)
			fleets_text(&out, status);
		muted_text(&out, status, o->only);
		if (json_array_size(sorted) > 0 || !streq(word, "ok"))
			open_findings_text(&out, status, sorted, o);
		json_array_foreach (json_object_get(status, "databases"), i, db)
			if (o->verbose && json_object_get(db, "checks") &&
			    (!o->only || streq(o->only, layout_get(db, "name"))))
				checks_text(&out, db, o);
	}
	json_decref(sorted);
	return str_take(&out);
}
