/*
 * `dbhealth explain` and `dbhealth checks`: what a check finds, why it matters, what it leaves
 * alone, how to fix it, what is open, and how to change the rule.
 */
#include "base/clock.h"
#include "base/text.h"
#include "base/unit.h"
#include "check/threshold.h"
#include "report/block.h"
#include "report/layout.h"

#include <ctype.h>
#include <math.h>

#define LABEL_COLUMNS ((size_t)9)

static void
section(struct str *out, const char *label, const char *text)
{
	_cleanup_str_ struct str first = { 0 };

	if (!*text)
		return;
	str_add(&first, label);
	layout_pad(&first, LABEL_COLUMNS - MIN(strlen(label), LABEL_COLUMNS - 1));
	layout_prose(out, str_text(&first), LABEL_COLUMNS, text);
}

static const char *
engine_word(const json_t *c)
{
	const char *engine = layout_get(c, "engine");

	return streq(engine, engine_names[ENGINE_SQLITE])       ? "SQLite"
	       : streq(engine, engine_names[ENGINE_PGBOUNCER])  ? "PgBouncer"
	       : streq(engine, engine_names[ENGINE_POSTGRESQL]) ? "PostgreSQL"
	                                                        : "every engine";
}

/* A section told once where engines agree, else once each. */
static void
section_of_all(struct str *out, const char *label, const json_t *checks, const char *key)
{
	const json_t *c, *first = json_array_get(checks, 0);
	bool same = true;
	size_t i;

	json_array_foreach (checks, i, c)
		same = same && streq(layout_get(c, key), layout_get(first, key));
	if (same) {
		section(out, label, layout_get(first, key));
		return;
	}
	json_array_foreach (checks, i, c) {
		_cleanup_free_ char *text =
		    xasprintf("(%s) %s", engine_word(c), layout_get(c, key));

		if (*layout_get(c, key))
			section(out, label, text);
	}
}

static void
interval_text(struct str *out, const json_t *c)
{
	double s = layout_get_number(c, "interval");
	_cleanup_free_ char *every = NULL;

	str_addf(out, "%s probe", layout_get(c, "probe"));
	if (!isfinite(s))
		return;
	every = duration_format((int64_t)(MAX(MIN(s, 1e9), 0) * 1e6));
	str_addf(out, ", every %s", every);
}

/* A limit of the answer, which has bare numbers: for people, or as configuration is written. */
static char *
limit_text(const json_t *check, const char *severity, bool people)
{
	const char *text = layout_get(json_object_get(check, "thresholds"), severity);
	enum unit unit = UNIT_COUNT;
	struct threshold t = { 0 };

	(void)unit_parse(layout_get(check, "unit"), &unit);
	if (!*text || threshold_parse(text, &t, NULL) < 0)
		return show_text(text);
	return people ? threshold_format(&t, unit) : threshold_text(&t, unit);
}

/* "warning >= 80 %, critical >= 90 %; for 1 min", or the params that decide. */
static void
limits_text(struct str *out, const json_t *c)
{
	const json_t *params = json_object_get(c, "params");
	_cleanup_str_ struct str limits = { 0 };
	double lasting = layout_get_number(c, "for");

	for (int s = SEVERITY_N - 1; s > SEVERITY_NONE; s--) {
		_cleanup_free_ char *text = limit_text(c, severity_names[s], true);

		if (*text)
			str_addf(
			    &limits, "%s%s %s", limits.len ? ", " : "", severity_names[s], text);
	}
	if (limits.len == 0 && *layout_get(c, "severity"))
		str_addf(&limits, "%s at worst", layout_get(c, "severity"));
	if (limits.len == 0)
		str_add(&limits, "each finding says its own severity");
	if (isfinite(lasting) && lasting > 0) {
		_cleanup_free_ char *d = duration_format((int64_t)(MIN(lasting, 1e9) * 1e6));

		str_addf(&limits, ", for %s", d);
	}
	str_add(out, str_text(&limits));
	if (json_object_size(params) > 0) {
		const char *name;
		json_t *value;
		bool first = true;

		str_add(out, limits.len ? "; params: " : "params: ");
		json_object_foreach ((json_t *)params, name, value) {
			str_addf(out, "%s%s = %s", first ? "" : ", ", name,
			    json_string_value(value) ? json_string_value(value) : "");
			first = false;
		}
	}
}

static void
needs_text(struct str *out, const json_t *c)
{
	const json_t *need;
	size_t i;

	json_array_foreach (json_object_get(c, "needs"), i, need)
		str_addf(out, "%s%s", i == 0 ? "; needs " : ", ",
		    json_string_value(need) ? json_string_value(need) : "");
	str_add(out, "; lock: none");
}

static void
head_text(struct str *out, const json_t *checks)
{
	const json_t *c, *first = json_array_get(checks, 0);
	_cleanup_free_ char *title =
	    xasprintf("%s: %s", layout_get(first, "id"), layout_get(first, "title"));
	_cleanup_str_ struct str line = { 0 };
	size_t i;

	layout_prose(out, "", 0, title);
	json_array_foreach (checks, i, c)
		str_addf(&line, "%s%s", i == 0 ? "" : " and ", engine_word(c));
	str_add(&line, "; ");
	interval_text(&line, first);
	str_addf(&line, "; %s by default", layout_get(first, "default"));
	layout_prose(out, "", 2, str_text(&line));
	json_array_foreach (checks, i, c) {
		_cleanup_str_ struct str limits = { 0 };

		if (json_array_size(checks) > 1)
			str_addf(&limits, "%s: ", engine_word(c));
		limits_text(&limits, c);
		needs_text(&limits, c);
		layout_prose(out, "", 2, str_text(&limits));
		if (!streq(layout_get(c, "origin"), "built-in")) {
			_cleanup_free_ char *from = xasprintf("from %s%s", layout_get(c, "origin"),
			    json_is_true(json_object_get(c, "replaces"))
			        ? ", in place of the built-in check"
			        : "");

			layout_prose(out, "", 2, from);
		}
	}
}

/* What the check finds: its title as a sentence. */
static void
finds_text(struct str *out, const json_t *first)
{
	_cleanup_free_ char *text = xasprintf("%s.", layout_get(first, "title"));

	text[0] = (char)toupper((unsigned char)text[0]);
	section(out, "FINDS", text);
}

static void
open_line(struct str *out, const json_t *f, int digits, const struct report_options *o)
{
	enum unit unit = UNIT_COUNT;
	double value = layout_get_number(f, "value");
	_cleanup_free_ char *v = NULL, *age = NULL, *id = layout_id(f, digits);
	const char *where = layout_get(f, "database");

	(void)unit_parse(layout_get(f, "unit"), &unit);
	v = isfinite(value) ? unit_format(value, unit) : xstrdup("-");
	age = layout_age(o->now_wall_us - layout_get_time(f, "since"));
	str_add(out, "  ");
	layout_status_word(out, layout_get(f, "severity"), o->colour);
	layout_pad(out, 9 - MIN(strlen(layout_get(f, "severity")), (size_t)8));
	layout_cell(out, *where ? where : layout_get(f, "server"), 12);
	str_addc(out, ' ');
	layout_cell(out, *layout_get(f, "object") ? layout_get(f, "object") : "-", 27);
	str_addc(out, ' ');
	layout_cell(out, v, 12);
	str_addc(out, ' ');
	layout_cell(out, age, MAX(text_columns(age), (size_t)5)); /* the id is never cut off */
	str_addc(out, ' ');
	str_addf(out, "%s\n", id);
}

static void
open_text(struct str *out, const json_t *findings, const struct report_options *o)
{
	json_t *sorted = block_sorted(findings);
	size_t n = json_array_size(sorted);
	_cleanup_free_ char *count = layout_count((int64_t)n);

	str_addf(out, "\nOPEN     %s on %s\n", count, o->host ? o->host : "this host");
	for (size_t i = 0; i < n && (i < 10 || o->verbose); i++) {
		const json_t *f = json_array_get(sorted, i);

		open_line(out, f, block_id_digits(sorted, layout_get(f, "id")), o);
	}
	if (n > 10 && !o->verbose)
		str_addf(out, "  and %zu more (-v shows them)\n", n - 10);
	json_decref(sorted);
}

/* What explains its findings, as its head declares. */
static void
causes_text(struct str *out, const json_t *c, bool many)
{
	_cleanup_str_ struct str line = { 0 };
	const json_t *cause;
	size_t i;

	if (many && json_array_size(json_object_get(c, "caused_by")) > 0)
		str_addf(&line, "(%s) ", engine_word(c));
	json_array_foreach (json_object_get(c, "caused_by"), i, cause) {
		const char *severity = layout_get(cause, "severity");
		const char *field = layout_get(cause, "field"), *of = layout_get(cause, "of");

		str_addf(&line, "%s%s%s%s", i == 0 ? "" : ", ",
		    streq(severity, "info") ? "" : severity, streq(severity, "info") ? "" : " ",
		    layout_get(cause, "check"));
		if (*field && streq(field, of))
			str_addf(&line, " of the same %s", field);
		else if (*field)
			str_addf(&line, " whose %s is its %s", of, field);
	}
	section(out, "CAUSES", str_text(&line));
}

/* A glob for the object that fits a line; what cannot be written in a file ends it early. */
static char *
ignore_glob(const char *object)
{
	_cleanup_free_ char *shown = show_text(object);
	size_t same = 0, fits = layout_fit(object, 60);

	while (object[same] && object[same] == shown[same])
		same++;
	if (!object[same] && fits >= same)
		return xstrdup(object);
	return xasprintf("%.*s*", (int)MIN(same, fits), object);
}

/* The key that is most likely meant: an object to leave alone, a limit, a param. */
static void
change_key(struct str *out, const json_t *check, const char *object)
{
	const json_t *params = json_object_get(check, "params");
	_cleanup_free_ char *limit = limit_text(check, "warning", false);
	const char *name;
	json_t *value;

	if (*object) {
		_cleanup_free_ char *glob = ignore_glob(object);

		str_addf(out, "  ignore = %s\n", glob);
		return;
	}
	if (*limit) {
		str_addf(out, "  warning = %s\n", limit);
		return;
	}
	json_object_foreach ((json_t *)params, name, value) {
		_cleanup_free_ char *key = show_text(name),
		                    *shown = show_text(
		                        json_string_value(value) ? json_string_value(value) : "");

		str_addf(out, "  param.%s = %s\n", key, shown);
		return;
	}
	str_add(out, "  enabled = no\n");
}

static void
silence_text(struct str *out, const char *database, const char *check)
{
	_cleanup_free_ char *command =
	    xasprintf("dbhealth silence %s/%s --for 7d --reason ...", database, check);

	str_add(out, "  for a while:");
	if (text_columns(command) + 15 <= LAYOUT_WIDTH) {
		str_addf(out, " %s\n", command);
	} else {
		str_addc(out, '\n');
		layout_command(out, 4, command);
	}
}

static void
change_text(struct str *out, const json_t *check, const char *id, const char *database,
    const char *object, const struct report_options *o)
{
	const char *file = o->config ? o->config : "/etc/dbhealthd/conf.d/local.conf";
	_cleanup_free_ char *shown = layout_short(id, 60), *db = show_text(database);
	bool fits = *db && text_columns(db) + text_columns(shown) + 11 <= LAYOUT_WIDTH;

	str_addf(out, "\nCHANGE   %s, then: systemctl reload dbhealthd\n", file);
	str_addf(out, "  [check %s%s%s]\n", fits ? db : "", fits ? "/" : "", shown);
	change_key(out, check, object);
	silence_text(out, fits ? db : "", shown);
}

char *
report_explain_text(const json_t *checks, const json_t *findings, const struct report_options *o)
{
	const json_t *first = json_array_get(checks, 0), *worst;
	_cleanup_str_ struct str out = { 0 };
	json_t *sorted = findings ? block_sorted(findings) : NULL;
	const json_t *c;
	size_t i;
	_cleanup_free_ char *id = layout_short(layout_get(first, "id"), 40);

	if (!first) {
		json_decref(sorted);
		return str_take(&out);
	}
	head_text(&out, checks);
	str_addc(&out, '\n');
	finds_text(&out, first);
	section_of_all(&out, "WHY", checks, "why");
	section_of_all(&out, "SPARES", checks, "spares");
	section_of_all(&out, "FIX", checks, "fix");
	json_array_foreach (checks, i, c)
		causes_text(&out, c, json_array_size(checks) > 1);
	if (findings)
		open_text(&out, sorted, o);
	worst = json_array_get(sorted, 0);
	change_text(&out, first, layout_get(first, "id"),
	    worst ? layout_get(worst, "database") : "", worst ? layout_get(worst, "object") : "",
	    o);
	str_addf(&out, "\nSOURCE   dbhealth checks --sql %s%s(also dbhealthd-checks(5))\n", id,
	    text_columns(id) > 20 ? "\n         " : "   ");
	json_decref(sorted);
	return str_take(&out);
}

/* Up to what explains it, and what it explains itself. */
static void
family_text(struct str *out, const json_t *finding, const struct report_options *o)
{
	const char *by = layout_get(finding, "caused_by"), *id = layout_get(finding, "id");
	const json_t *f;
	size_t i;

	json_array_foreach (o->open, i, f) {
		bool cause = *by && streq(layout_get(f, "id"), by);
		_cleanup_free_ char *head = block_head_text(f, true), *line = NULL;

		if (!cause && (!*id || !streq(layout_get(f, "caused_by"), id)))
			continue;
		line = xasprintf("%s (dbhealth explain %.6s)%s%s", head, layout_get(f, "id"),
		    cause ? ": " : "", cause ? layout_get(f, "message") : "");
		section(out, cause ? "CAUSE" : "FOLLOWS", line);
	}
}

static void
labels_text(struct str *out, const json_t *labels)
{
	_cleanup_str_ struct str line = { 0 };
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)labels, name, value)
		str_addf(&line, "%s%s %s", line.len ? "; " : "", name,
		    json_string_value(value) ? json_string_value(value) : "");
	section(out, "LABELS", str_text(&line));
}

static void
value_text(struct str *out, const json_t *f)
{
	double value = layout_get_number(f, "value");
	enum unit unit = UNIT_COUNT;
	_cleanup_free_ char *v = NULL, *line = NULL;

	if (!isfinite(value))
		return;
	(void)unit_parse(layout_get(f, "unit"), &unit);
	v = unit_format(value, unit);
	line = *layout_get(f, "threshold") ? xasprintf("%s (%s %s)", v, layout_get(f, "severity"),
	                                         layout_get(f, "threshold"))
	                                   : xstrdup(v);
	section(out, "VALUE", line);
}

static void
owner_text(struct str *out, const json_t *database)
{
	section(out, "NOTE", layout_get(database, "note"));
	section(out, "RUNBOOK", layout_get(database, "runbook_url"));
}

char *
report_finding_text(const json_t *finding, const json_t *check, const json_t *database,
    const struct report_options *o)
{
	const struct block_options b = { .database = true, .age = true };
	const json_t *remedies = json_object_get(finding, "remedies");
	const char *detail = layout_get(finding, "detail"),
	           *message = layout_get(finding, "message");
	const char *why = layout_get(finding, "why");
	_cleanup_str_ struct str out = { 0 };
	_cleanup_free_ char *id = layout_short(layout_get(finding, "check"), 40);
	_cleanup_free_ char *whole = show_text(layout_get(finding, "id")), *seen = NULL;

	block_finding(&out, finding, &b, o);
	str_addc(&out, '\n');
	section(&out, "FINDS", layout_get(finding, "title"));
	value_text(&out, finding);
	if (*detail && !strstr(message, detail))
		section(&out, "DETAIL", detail);
	labels_text(&out, json_object_get(finding, "labels"));
	family_text(&out, finding, o);
	section(&out, "WHY", *why ? why : layout_get(check, "why"));
	section(&out, "SPARES", layout_get(check, "spares"));
	section(&out, "NOTES", layout_get(check, "fix"));
	owner_text(&out, database);
	if (layout_get_time(finding, "last_seen") != 0) {
		seen = layout_clock(layout_get_time(finding, "last_seen"), o->now_wall_us);
		section(&out, "SEEN", seen);
	}
	if (json_array_size(remedies) > 0) {
		str_add(&out, "\nFIX      safest first\n");
		block_remedies(&out, remedies, true, 2);
	}
	change_text(&out, check, layout_get(finding, "check"), layout_get(finding, "database"),
	    layout_get(finding, "object"), o);
	str_addf(&out, "\nID       %s\n", whole);
	str_addf(&out, "CHECK    dbhealth explain %s\n", id);
	return str_take(&out);
}

char *
report_sql_text(const json_t *checks)
{
	_cleanup_str_ struct str out = { 0 };
	const json_t *c;
	size_t i;

	json_array_foreach (checks, i, c) {
		_cleanup_free_ char *id = show_text(layout_get(c, "id"));

		str_addf(&out, "%s-- %s, %s\n", i ? "\n" : "", id, engine_word(c));
		layout_verbatim(&out, 0, layout_get(c, "sql"));
	}
	return str_take(&out);
}

static int
compare_checks(const void *pa, const void *pb)
{
	const json_t *a = *(const json_t *const *)pa, *b = *(const json_t *const *)pb;
	int d = strcmp(layout_get(a, "engine"), layout_get(b, "engine"));

	d = d ? d : strcmp(layout_get(a, "probe"), layout_get(b, "probe"));
	return d ? d : strcmp(layout_get(a, "id"), layout_get(b, "id"));
}

char *
report_checks_text(const json_t *checks, const struct report_options *o)
{
	size_t n = json_array_size(checks);
	_cleanup_free_ const json_t **v = xcalloc(n + 1, sizeof(*v));
	_cleanup_str_ struct str out = { 0 };
	const char *engine = "", *probe = "";

	(void)o;
	for (size_t i = 0; i < n; i++)
		v[i] = json_array_get(checks, i);
	if (n > 1)
		qsort(v, n, sizeof(*v), compare_checks);
	str_addf(&out, "%zu checks; what one means: dbhealth explain ID\n", n);
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *id = show_text(layout_get(v[i], "id"));
		_cleanup_free_ char *line = NULL, *shown = NULL;
		size_t w = text_columns(id);

		if (!streq(engine, layout_get(v[i], "engine")) ||
		    !streq(probe, layout_get(v[i], "probe"))) {
			engine = layout_get(v[i], "engine");
			probe = layout_get(v[i], "probe");
			shown = show_text(probe);
			str_addf(&out, "\n%s, %s\n", engine_word(v[i]), shown);
		}
		line = xasprintf("  %s%*s", id, w < 32 ? (int)(34 - w) : 2, "");
		layout_prose(&out, line, 36, layout_get(v[i], "title"));
		if (streq(layout_get(v[i], "default"), "off"))
			str_addf(&out, "%36s(off by default)\n", "");
	}
	return str_take(&out);
}
