/*
 * `status -v`: what the checks cost their servers and the daemon, the dearest first.
 */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "report/layout.h"
#include "report/report.h"

#include <math.h>
#include <stdio.h>

#define ID_COLUMNS 29

static double
number(const json_t *o, const char *key)
{
	double v = layout_get_number(o, key);

	return isfinite(v) ? v : 0;
}

static char *
ms_text(double ms)
{
	return xasprintf("%.*f", ms < 10 ? 2 : ms < 100 ? 1 : 0, ms);
}

/* 1.2k, 34M: four columns at most tell how much it is. */
static char *
short_text(double n)
{
	static const char units[] = " kMGTP";
	size_t i = 0;

	while (n >= 1000 && i < sizeof(units) - 2) {
		n /= 1000;
		i++;
	}
	if (i == 0)
		return xasprintf("%.*f", n < 10 && n > 0 && n != floor(n) ? 1 : 0, n);
	return xasprintf("%.*f%c", n < 10 ? 1 : 0, n, units[i]);
}

/* What part of its budget a run takes on the average, or how often it runs now. */
static char *
budget_text(const json_t *c, double run_ms)
{
	double budget = number(c, "budget_ms");

	if (json_is_true(json_object_get(c, "spaced_out"))) {
		_cleanup_free_ char *every =
		    duration_text((int64_t)(number(c, "interval_seconds") * USEC_PER_SEC));

		return xasprintf("each %s", every);
	}
	return budget > 0 ? xasprintf("%.0f %%", 100 * run_ms / budget) : xstrdup("-");
}

static void
check_line(struct str *out, const json_t *c)
{
	double runs = MAX(number(c, "runs"), 1.0), server = number(c, "server_ms") / runs;
	_cleanup_free_ char *id = layout_short(layout_get(c, "check"), ID_COLUMNS);
	_cleanup_free_ char *n = short_text(number(c, "runs")), *theirs = ms_text(server);
	_cleanup_free_ char *ours = ms_text(number(c, "client_ms") / runs);
	_cleanup_free_ char *rows = short_text(number(c, "rows") / runs);
	_cleanup_free_ char *bytes = short_text(number(c, "bytes") / runs);
	_cleanup_free_ char *budget = budget_text(c, server);

	str_add(out, "  ");
	layout_cell(out, id, ID_COLUMNS);
	layout_right(out, 6, n);
	layout_right(out, 10, theirs);
	layout_right(out, 8, ours);
	layout_right(out, 6, rows);
	layout_right(out, 7, bytes);
	layout_right(out, 11, budget);
	str_addc(out, '\n');
}

static void
server_text(struct str *out, const json_t *server)
{
	_cleanup_free_ char *name = show_text(layout_get(server, "server")), *line = NULL;
	const json_t *c;
	size_t i;

	line = *name ? xasprintf("COST of checks on %s, the dearest since the start", name)
	             : xstrdup("COST of checks on SQLite files, the dearest since the start");
	str_addc(out, '\n');
	layout_prose(out, "", 0, line);
	str_add(out, "  ");
	layout_cell(out, "a run of", ID_COLUMNS);
	str_add(out, "  runs server ms  own ms  rows  bytes     budget\n");
	json_array_foreach (json_object_get(server, "checks"), i, c)
		check_line(out, c);
}

void
cost_add_words(struct str *out, const json_t *check)
{
	const json_t *cost = json_object_get(check, "cost");
	const char *until = layout_get(check, "new_until");

	if (json_is_true(json_object_get(cost, "spaced_out"))) {
		_cleanup_free_ char *every =
		    duration_format((int64_t)(number(cost, "interval_seconds") * USEC_PER_SEC));

		str_addf(out, "; runs every %s, over its budget", every);
	}
	if (*until)
		str_addf(out, "; new, what it warns of is info until %.10s", until);
}

char *
report_cost_text(const json_t *cost, const char *server, size_t servers)
{
	_cleanup_str_ struct str out = { 0 };
	const json_t *s;
	size_t i, n = 0;

	json_array_foreach (cost, i, s) {
		if ((server && !streq(server, layout_get(s, "server"))) || ++n > servers)
			continue;
		server_text(&out, s);
	}
	if (n > servers)
		str_addf(
		    &out, "\nAnd of %zu servers more: dbhealth status -v SERVER\n", n - servers);
	return str_take(&out);
}
