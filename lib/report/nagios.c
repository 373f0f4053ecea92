/*
 * A monitoring plugin's output: the worst finding and perfdata on the first line, further findings
 * on lines of their own, at most 4 kB, no `|` or newline from outside.
 */
#include "base/text.h"
#include "base/unit.h"
#include "check/threshold.h"
#include "report/block.h"
#include "report/layout.h"

#include <ctype.h>
#include <math.h>

#define NAGIOS_MAX_BYTES ((size_t)4000)

/* Safe, and without what would end the line or begin perfdata. */
static char *
plain(const char *text)
{
	char *s = show_text(text);

	for (char *p = s; *p; p++)
		if (*p == '|' || *p == '\n' || *p == '\r')
			*p = '/';
	return s;
}

/* A label: quotes double, `=` is not allowed. */
static char *
perf_label(const char *where, const char *check, const char *object)
{
	_cleanup_free_ char *raw = xasprintf("%s/%s%s%s", where, check, *object ? "/" : "", object);
	_cleanup_free_ char *safe = plain(raw), *cut = text_ellipsis(safe, 200);
	_cleanup_str_ struct str out = { 0 };

	for (const char *p = cut; *p; p++) {
		if (*p == '\'')
			str_addc(&out, '\'');
		str_addc(&out, *p == '=' ? '_' : *p);
	}
	return str_take(&out);
}

/* 3 decimals at most, no exponent: plugins read digits and a point. */
static char *
perf_number(double v)
{
	char *s = xasprintf("%.3f", v);
	size_t n = strlen(s);

	while (n > 0 && s[n - 1] == '0')
		s[--n] = '\0';
	if (n > 0 && s[n - 1] == '.')
		s[--n] = '\0';
	return s;
}

static const char *
perf_unit(enum unit unit)
{
	switch (unit) {
	case UNIT_BYTES:
		return "B";
	case UNIT_SECONDS:
		return "s";
	case UNIT_RATIO:
		return "%";
	case UNIT_COUNT:
	case UNIT_N:
		break;
	}
	return "c";
}

/* The range that alerts: `>= x` is @x:, `> x` is ~:x, `<= x` is @~:x, `< x` is x:. */
static char *
perf_range(const char *threshold, enum unit unit)
{
	_cleanup_free_ char *n = NULL;
	struct threshold t = { 0 };
	double v;

	if (!*threshold || threshold_parse(threshold, &t, NULL) < 0 || t.term[0].times_baseline ||
	    t.term[0].mads)
		return xstrdup("");
	v = t.term[0].value * (unit == UNIT_RATIO ? 100 : 1);
	if (!isfinite(v))
		return xstrdup("");
	n = perf_number(v);
	switch ((enum compare)t.term[0].op) {
	case CMP_GE:
		return xasprintf("@%s:", n);
	case CMP_GT:
		return xasprintf("~:%s", n);
	case CMP_LE:
		return xasprintf("@~:%s", n);
	case CMP_LT:
		return xasprintf("%s:", n);
	case CMP_EQ:
		return xasprintf("@%s:%s", n, n);
	case CMP_NE:
		return xasprintf("%s:%s", n, n);
	case CMP_NONE:
		break;
	}
	return xstrdup("");
}

/* A check whose SQL decides keeps its limits in params warning_after and critical_after. */
static char *
check_limit(const json_t *checks, const json_t *f, const char *severity)
{
	_cleanup_free_ char *param = xasprintf("%s_after", severity);
	const json_t *c;
	size_t i;

	json_array_foreach (checks, i, c) {
		const char *limit = layout_get(json_object_get(c, "thresholds"), severity);
		const char *after = layout_get(json_object_get(c, "params"), param);

		if (!streq(layout_get(c, "id"), layout_get(f, "check")) ||
		    !streq(layout_get(c, "engine"), layout_get(f, "engine")))
			continue;
		if (*limit)
			return xstrdup(limit);
		if (*after)
			return xasprintf(">= %s", after);
	}
	return xstrdup("");
}

static void
add_perf(struct str *perf, const json_t *f, const json_t *checks, bool with_object)
{
	double value = layout_get_number(f, "value");
	const char *where = layout_get(f, "database");
	enum unit unit = UNIT_COUNT;
	_cleanup_free_ char *label = NULL, *n = NULL, *w = NULL, *c = NULL, *wr = NULL, *cr = NULL;

	if (!isfinite(value))
		return;
	(void)unit_parse(layout_get(f, "unit"), &unit);
	label = perf_label(*where ? where : layout_get(f, "server"), layout_get(f, "check"),
	    with_object ? layout_get(f, "object") : "");
	n = perf_number(value * (unit == UNIT_RATIO ? 100 : 1));
	w = check_limit(checks, f, "warning");
	c = check_limit(checks, f, "critical");
	wr = perf_range(w, unit);
	cr = perf_range(c, unit);
	str_addf(
	    perf, "%s'%s'=%s%s;%s;%s;0", perf->len ? " " : "", label, n, perf_unit(unit), wr, cr);
}

/* "orders: lock-blocked 340 s (pid 48121)" */
static char *
finding_line(const json_t *f)
{
	const char *where = layout_get(f, "database");
	double value = layout_get_number(f, "value");
	enum unit unit = UNIT_COUNT;
	_cleanup_free_ char *v = NULL, *n = NULL, *raw = NULL;
	bool has_object = *layout_get(f, "object") != '\0';

	(void)unit_parse(layout_get(f, "unit"), &unit);
	n = isfinite(value) ? perf_number(value) : xstrdup("");
	v = !isfinite(value)       ? xstrdup("")
	    : unit == UNIT_SECONDS ? xasprintf(" %s s", n)
	                           : unit_format(value, unit);
	raw = xasprintf("%s: %s%s%s%s%s%s", *where ? where : layout_get(f, "server"),
	    layout_get(f, "check"), *v && *v != ' ' ? " " : "", v, has_object ? " (" : "",
	    layout_get(f, "object"), has_object ? ")" : "");
	return plain(raw);
}

/* Whether this check shows more than once on its database: labels then need the object. */
static bool
is_repeated(const json_t *findings, const json_t *f)
{
	const json_t *other;
	size_t i, n = 0;

	json_array_foreach (findings, i, other)
		n += streq(layout_get(other, "check"), layout_get(f, "check")) &&
		     streq(layout_get(other, "database"), layout_get(f, "database")) &&
		     streq(layout_get(other, "server"), layout_get(f, "server"));
	return n > 1;
}

static char *
status_upper(const char *status)
{
	char *s = xstrdup(report_exit_code(status) == 3 ? "unknown" : status);

	for (char *p = s; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return s;
}

static json_t *
alerting(const json_t *findings)
{
	json_t *sorted = block_sorted(findings), *out = json_array();
	json_t *f;
	size_t i;

	json_array_foreach (sorted, i, f)
		if (streq(layout_get(f, "state"), "open") &&
		    !streq(layout_get(f, "severity"), "info") && !report_is_muted(f))
			json_array_append(out, f);
	json_decref(sorted);
	return out;
}

char *
report_nagios(const json_t *findings, const char *status, const char *summary, const json_t *checks)
{
	json_t *shown = alerting(findings);
	size_t n = json_array_size(shown);
	_cleanup_free_ char *word = status_upper(status);
	_cleanup_str_ struct str out = { 0 }, perf = { 0 }, more = { 0 };

	for (size_t i = 0; i < n; i++) {
		const json_t *f = json_array_get(shown, i);
		_cleanup_free_ char *line = finding_line(f);
		_cleanup_free_ char *cut = text_ellipsis(line, 500);
		_cleanup_str_ struct str one = { 0 };

		if (i == 0)
			str_addf(&out, "DBHEALTH %s - %s", word, cut);
		else if (more.len + strlen(cut) < NAGIOS_MAX_BYTES / 2 - 600)
			str_addf(&more, "%s\n", cut);
		add_perf(&one, f, checks, is_repeated(shown, f));
		if (one.len > 0 && perf.len + one.len < NAGIOS_MAX_BYTES / 2 - 100)
			str_addf(&perf, "%s%s", perf.len ? " " : "", str_text(&one));
	}
	if (n == 0) {
		_cleanup_free_ char *safe = plain(summary), *cut = text_ellipsis(safe, 1000);

		str_addf(&out, "DBHEALTH %s - %s", word, cut);
	}
	if (n > 1)
		str_addf(&out, " [%zu more]", n - 1);
	if (perf.len > 0)
		str_addf(&out, " | %s", str_text(&perf));
	str_addf(&out, "\n%s", str_text(&more));
	json_decref(shown);
	return str_take(&out);
}

char *
report_nagios_failure(const char *why)
{
	_cleanup_free_ char *safe = plain(why), *cut = text_ellipsis(safe, 1000);

	return xasprintf("DBHEALTH UNKNOWN - %s\n", cut);
}
