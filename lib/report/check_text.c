/*
 * `dbhealth check` and `dbhealth findings`: what was found, worst first, each with why and the
 * next step ready to copy.
 */
#include "base/clock.h"
#include "base/text.h"
#include "base/unit.h"
#include "report/block.h"
#include "report/folded.h"
#include "report/layout.h"

#include <math.h>

static int64_t
sum(const json_t *databases, const char *key)
{
	const json_t *db;
	double n = 0;
	size_t i;

	json_array_foreach (databases, i, db) {
		double v = layout_get_number(json_object_get(db, "coverage"), key);

		n += isfinite(v) ? v : 0;
	}
	return (int64_t)n;
}

static void
verdict_text(struct str *out, const json_t *result, const struct report_options *o)
{
	const json_t *databases = json_object_get(result, "databases");
	const json_t *findings = json_object_get(result, "findings");
	size_t n = json_array_size(databases);
	int64_t covered = sum(databases, "covered");
	_cleanup_free_ char *who = NULL, *ran = layout_count(covered);
	_cleanup_str_ struct str counts = { 0 }, rest = { 0 };

	who = n == 1 ? xstrdup(layout_get(json_array_get(databases, 0), "name"))
	             : xasprintf("%zu databases", n);
	for (int s = SEVERITY_N - 1; s > SEVERITY_NONE; s--)
		layout_count_of(
		    &counts, block_count(findings, severity_names[s]), severity_names[s]);
	layout_count_of(
	    &counts, (int64_t)json_array_size(json_object_get(result, "unknown")), "unknown");
	str_addf(&rest, "%s %s ran", ran, covered == 1 ? "check" : "checks");
	layout_count_of(&rest, (int64_t)json_array_size(json_object_get(result, "not_covered")),
	    "not covered (-v)");
	str_addf(&counts, "%s%s", counts.len ? "; " : "", str_text(&rest));
	layout_verdict(out, layout_get(result, "status"), o->colour, who, str_text(&counts));
}

static void
add_part(struct str *out, const char *text)
{
	if (*text) {
		_cleanup_free_ char *shown = show_text(text);

		str_addf(out, "%s%s", out->len > 0 ? ", " : "", shown);
	}
}

static const char *
engine_word(const json_t *db)
{
	const char *engine = layout_get(db, "engine");

	return streq(engine, engine_names[ENGINE_SQLITE])      ? "SQLite"
	       : streq(engine, engine_names[ENGINE_PGBOUNCER]) ? "PgBouncer"
	                                                       : "PostgreSQL";
}

/* From the beginning of the first probe to the end of the last: they run side by side. */
static double
seconds_of(const json_t *probes)
{
	double begin = INFINITY, end = 0;

	for (int p = 0; p < PROBE_N; p++) {
		const json_t *o = json_object_get(probes, probe_names[p]);
		double ms = layout_get_number(o, "duration_ms");
		double at_ms = (double)layout_get_time(o, "last_run") / 1e3;

		if (!isfinite(ms))
			continue;
		begin = MIN(begin, at_ms);
		end = MAX(end, at_ms + ms);
	}
	return isfinite(begin) ? (end - begin) / 1e3 : 0;
}

/* "SQLite, 3.9 MB, journal wal, 14 tables, read in 0.21 s" out of what is known. */
static char *
database_facts(const json_t *db)
{
	const json_t *facts = json_object_get(db, "facts");
	double size = layout_get_number(facts, "size_bytes");
	double tables = layout_get_number(facts, "tables");
	bool sqlite = streq(layout_get(db, "engine"), engine_names[ENGINE_SQLITE]);
	const char *version = layout_get(db, "server_version"), *role = layout_get(db, "role");
	const char *flavour = layout_get(db, "flavour");
	_cleanup_str_ struct str out = { 0 };
	_cleanup_free_ char *text = NULL;

	text = sqlite || !*version ? xstrdup(engine_word(db))
	                           : xasprintf("%s %s", engine_word(db), version);
	add_part(&out, text);
	if (*flavour && !streq(flavour, "community"))
		add_part(&out, flavour);
	if (*role && !streq(role, "unknown"))
		add_part(&out, role);
	if (isfinite(size)) {
		_cleanup_free_ char *s = unit_format(size, UNIT_BYTES);

		add_part(&out, s);
	}
	if (*layout_get(facts, "journal_mode")) {
		_cleanup_free_ char *s = xasprintf("journal %s", layout_get(facts, "journal_mode"));

		add_part(&out, s);
	}
	if (fabs(tables) < 1e15) {
		_cleanup_free_ char *n = layout_count((int64_t)tables);
		_cleanup_free_ char *s = xasprintf("%s table%s", n, tables == 1 ? "" : "s");

		add_part(&out, s);
	}
	str_addf(&out, ", read in %.2f s", seconds_of(json_object_get(db, "probes")));
	return str_take(&out);
}

static void
databases_text(struct str *out, const json_t *result, const struct report_options *o)
{
	const json_t *databases = json_object_get(result, "databases"), *db;
	bool many = json_array_size(databases) > 1;
	size_t i;

	if (json_array_size(databases) > 20 && !o->verbose)
		return;
	json_array_foreach (databases, i, db) {
		_cleanup_free_ char *facts = database_facts(db);
		const char *path = layout_get(json_object_get(db, "facts"), "path");
		_cleanup_free_ char *shown = show_text(*path ? path : layout_get(db, "name"));

		if (many)
			layout_status(out, layout_get(db, "status"), o->colour);
		/* Two blanks part the name from what is known; a long one has its own line. */
		if (text_columns(shown) + 2 + text_columns(facts) + (many ? 10 : 0) <=
		    LAYOUT_WIDTH) {
			str_addf(out, "%s  %s\n", shown, facts);
			continue;
		}
		layout_prose_at(out, many ? 10 : 0, many ? 10 : 0, shown);
		layout_prose(out, "", many ? 12 : 2, facts);
	}
}

static void
not_covered_text(struct str *out, const json_t *not_covered)
{
	const json_t *c;
	size_t i;

	if (json_array_size(not_covered) > 0)
		str_addc(out, '\n');
	json_array_foreach (not_covered, i, c) {
		_cleanup_free_ char *line = xasprintf("%s %s: %s", layout_get(c, "database"),
		    layout_get(c, "check"), layout_get(c, "reason"));

		layout_prose(out, "not covered  ", 13, line);
		if (*layout_get(c, "grant"))
			layout_sql(out, 15, layout_get(c, "grant"));
	}
}

static void
notes_text(struct str *out, const json_t *result)
{
	const json_t *note;
	size_t i;

	json_array_foreach (json_object_get(result, "notes"), i, note) {
		str_addc(out, '\n');
		layout_prose(
		    out, "Note: ", 6, json_string_value(note) ? json_string_value(note) : "");
	}
}

char *
report_check_text(const json_t *result, const struct report_options *o)
{
	const json_t *unknown = json_object_get(result, "unknown"), *f;
	bool many = json_array_size(json_object_get(result, "databases")) > 1;
	const struct block_options b = {
		.database = many, .why = true, .fix = true, .cause = true
	};
	json_t *sorted = block_sorted(json_object_get(result, "findings"));
	_cleanup_(folded_freep) struct folded *folded = folded_new(sorted);
	_cleanup_str_ struct str out = { 0 };
	size_t i;

	verdict_text(&out, result, o);
	databases_text(&out, result, o);
	json_array_foreach (sorted, i, f) {
		if (folded_is_under(folded, i))
			continue;
		str_addc(&out, '\n');
		block_finding(&out, f, &b, o);
		folded_text(&out, folded, i, true, &b, o);
	}
	if (json_array_size(unknown) > 0)
		str_addc(&out, '\n');
	block_unknown(&out, unknown, many, o);
	notes_text(&out, result);
	if (o->verbose)
		not_covered_text(&out, json_object_get(result, "not_covered"));
	if (json_array_size(sorted) > 0) {
		_cleanup_free_ char *id = show_text(layout_get(json_array_get(sorted, 0), "check"));

		str_addf(&out, "\nWhat a check means: dbhealth explain %s\n", id);
	}
	json_decref(sorted);
	return str_take(&out);
}

char *
report_findings_text(const json_t *findings, const struct report_options *o)
{
	const struct block_options b = {
		.database = o->database_column, .age = true, .fix = true, .cause = true
	};
	json_t *sorted = block_sorted(findings);
	_cleanup_(folded_freep) struct folded *folded = folded_new(sorted);
	_cleanup_str_ struct str out = { 0 }, counts = { 0 };
	const char *host = o->only ? o->only : o->host ? o->host : "this host";
	const json_t *f;
	int64_t pending = 0, resolved = 0, silenced = 0, accepted = 0;
	size_t i;

	for (int s = SEVERITY_N - 1; s > SEVERITY_NONE; s--)
		layout_count_of(&counts, block_count(sorted, severity_names[s]), severity_names[s]);
	json_array_foreach (sorted, i, f) {
		pending += streq(layout_get(f, "state"), "pending");
		resolved += streq(layout_get(f, "state"), "resolved");
		silenced += json_is_true(json_object_get(f, "silenced"));
		accepted += json_is_true(json_object_get(f, "accepted"));
	}
	layout_count_of(&counts, silenced, "silenced");
	layout_count_of(&counts, accepted, "accepted");
	layout_count_of(&counts, pending, "pending");
	layout_count_of(&counts, resolved, "resolved");
	layout_verdict(&out, status_names[report_status_of(sorted)], o->colour, host,
	    counts.len ? str_text(&counts) : "no open findings");
	json_array_foreach (sorted, i, f) {
		_cleanup_free_ char *id = NULL;

		if (folded_is_under(folded, i))
			continue;
		str_addc(&out, '\n');
		block_finding(&out, f, &b, o);
		folded_text(&out, folded, i, true, &b, o);
		id = layout_id(f, block_id_digits(sorted, layout_get(f, "id")));
		str_addf(&out, "  Explain: dbhealth explain %s\n", id);
	}
	json_decref(sorted);
	return str_take(&out);
}
