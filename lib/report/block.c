/*
 * One finding as lines: a head (severity, where, check, object, how long), the message, and the
 * next step with its SQL alone on lines of its own.
 */
#include "report/block.h"

#include "base/text.h"
#include "report/layout.h"

#define AGE_COLUMN ((size_t)59)

static char *
finding_age(const json_t *f, int64_t now_wall_us)
{
	int64_t since = layout_get_time(f, "since"), resolved = layout_get_time(f, "resolved_at");
	const char *state = layout_get(f, "state");
	_cleanup_free_ char *text = NULL;

	if (resolved != 0) {
		text = layout_clock(resolved, now_wall_us);
		return xasprintf("resolved %s", text);
	}
	if (since == 0)
		return xstrdup("");
	if (streq(state, "pending")) {
		text = layout_age(now_wall_us - since);
		return xasprintf("pending, %s", text);
	}
	text = layout_since(since, now_wall_us);
	if (!json_is_true(json_object_get(f, "acknowledged")))
		return TAKE_PTR(text);
	return xasprintf("%s, acknowledged", text);
}

char *
block_head_text(const json_t *f, bool database)
{
	_cleanup_str_ struct str out = { 0 };
	const char *where = layout_get(f, "database");
	_cleanup_free_ char *check = show_text(layout_get(f, "check"));
	_cleanup_free_ char *object = show_text(layout_get(f, "object"));

	if (database) {
		_cleanup_free_ char *shown = show_text(*where ? where : layout_get(f, "server"));
		size_t w = text_columns(shown);

		str_add(&out, shown);
		layout_pad(&out, w < 7 ? 9 - w : 2);
	}
	str_add(&out, check);
	if (*object)
		str_addf(&out, "  %s", object);
	return str_take(&out);
}

static void
head_line(
    struct str *out, const json_t *f, const struct block_options *b, const struct report_options *o)
{
	_cleanup_free_ char *head = block_head_text(f, b->database);
	_cleanup_free_ char *age = b->age ? finding_age(f, o->now_wall_us) : xstrdup("");
	size_t used = 10 + text_columns(head), wide = text_columns(age);
	size_t at = MIN(AGE_COLUMN, LAYOUT_WIDTH - MIN(wide, LAYOUT_WIDTH));

	layout_status(out, layout_get(f, "severity"), o->colour);
	if (used > LAYOUT_WIDTH) {
		/* Whole names matter more than one line. */
		layout_prose_at(out, 10, 10, head);
		if (wide > 0)
			str_addf(out, "%10s%s\n", "", age);
		return;
	}
	str_add(out, head);
	if (wide == 0) {
		str_addc(out, '\n');
	} else if (used + 2 + wide <= LAYOUT_WIDTH) {
		layout_pad(out, MAX(at, used + 2) - used);
		str_addf(out, "%s\n", age);
	} else {
		str_addf(out, "\n%10s%s\n", "", age);
	}
}

void
block_remedy_text(struct str *out, const json_t *r, size_t indent)
{
	const char *kind = layout_get(r, "kind"), *text = layout_get(r, "text");

	if (streq(kind, remedy_kind_names[REMEDY_COMMAND]))
		layout_command(out, indent, text);
	else if (streq(kind, remedy_kind_names[REMEDY_MANUAL]))
		layout_prose(out, "", indent, text);
	else if (streq(kind, remedy_kind_names[REMEDY_CONFIG]))
		layout_verbatim(out, indent, text);
	else
		layout_sql(out, indent, text);
}

static bool
remedy_is_manual(const json_t *r)
{
	return streq(layout_get(r, "kind"), remedy_kind_names[REMEDY_MANUAL]);
}

static void
remedy(struct str *out, const char *lead, const json_t *r, size_t indent)
{
	const char *title = layout_get(r, "title"), *text = layout_get(r, "text");
	const char *risk = layout_get(r, "risk");
	bool risky = *risk && !streq(risk, remedy_risk_names[RISK_NONE]);
	const char *undo = layout_get(r, "undo");
	bool says_loss;
	_cleanup_free_ char *line = NULL;

	if (*text == '\0' || streq(title, text)) {
		layout_prose(out, lead, indent, *title ? title : text);
		return;
	}
	/* What would be lost stands where the statement is read. */
	says_loss = streq(risk, remedy_risk_names[RISK_DATA_LOSS]) && *undo;
	undo += str_starts(undo, "none: ") ? strlen("none: ") : 0;
	line = xasprintf("%s%s%s%s%s%s:", title, risky ? " (risk: " : "", risky ? risk : "",
	    says_loss ? "; " : "", says_loss ? undo : "", risky ? ")" : "");
	layout_prose(out, lead, indent, line);
	block_remedy_text(out, r, indent + 2);
}

static void
remedies_all(struct str *out, const json_t *remedies, size_t indent)
{
	const json_t *r;
	size_t i;

	json_array_foreach (remedies, i, r) {
		const char *undo = layout_get(r, "undo");
		_cleanup_free_ char *lead = xasprintf("%*s%zu. ", (int)indent, "", i + 1);

		remedy(out, lead, r, indent + 3);
		if (*undo && !streq(undo, "none")) {
			_cleanup_free_ char *back = xasprintf("%*sundo: ", (int)indent + 3, "");

			layout_prose(out, back, indent + 5, undo);
		}
		if (!json_is_true(json_object_get(r, "closes")))
			continue;
		if (json_array_size(remedies) > 1)
			str_addf(out, "%*s(closes the finding)\n", (int)indent + 3, "");
	}
}

/* They are sorted by risk; their number when none does. */
static size_t
first_that_closes(const json_t *remedies)
{
	size_t i;
	const json_t *r;

	json_array_foreach (remedies, i, r)
		if (json_is_true(json_object_get(r, "closes")))
			return i;
	return json_array_size(remedies);
}

void
block_remedies(struct str *out, const json_t *remedies, bool full, size_t indent)
{
	const json_t *first = json_array_get(remedies, 0), *r;
	const char *text = layout_get(first, "text");
	_cleanup_free_ char *lead = xasprintf("%*sFix: ", (int)indent, "");
	_cleanup_free_ char *then = xasprintf("%*sThen: ", (int)indent, "");
	size_t i, at;
	bool loses;

	if (!first)
		return;
	if (full) {
		remedies_all(out, remedies, indent);
		return;
	}
	/* One short statement needs no line of its own. */
	if (json_array_size(remedies) == 1 && !strchr(text, '\n') && *text &&
	    !remedy_is_manual(first) && text_columns(text) + indent + 5 <= LAYOUT_WIDTH &&
	    streq(layout_get(first, "risk"), remedy_risk_names[RISK_NONE])) {
		_cleanup_free_ char *shown = show_text(text);

		if (text_columns(shown) + indent + 5 <= LAYOUT_WIDTH) {
			str_addf(out, "%s%s\n", lead, shown);
			return;
		}
	}
	remedy(out, lead, first, indent);
	if (json_is_true(json_object_get(first, "closes")))
		return;
	at = first_that_closes(remedies);
	/* Nobody is sent to lose data before he saw the steps that lose none: those stand before it. */
	loses = streq(
	    layout_get(json_array_get(remedies, at), "risk"), remedy_risk_names[RISK_DATA_LOSS]);
	json_array_foreach (remedies, i, r)
		if (i > 0 && (i == at || (i < at && loses)))
			remedy(out, then, r, indent);
}

/* What makes it less than sure that it is so now. */
static void
block_doubts(struct str *out, const json_t *f, int64_t now_wall_us)
{
	const char *why = layout_get(f, "stale_reason");
	bool lost = json_is_true(json_object_get(f, "lost"));
	_cleanup_free_ char *line = NULL, *since = NULL;

	if (json_is_true(json_object_get(f, "stale"))) {
		line = xasprintf("(stale: %s%s%.6s)", *why ? why : "the check cannot answer now",
		    lost ? "; to close it: dbhealth ack " : "", lost ? layout_get(f, "id") : "");
		layout_prose(out, "", 2, line);
	}
	if (json_is_true(json_object_get(f, "flapping"))) {
		free(line);
		since = layout_since(layout_get_time(f, "flapping_since"), now_wall_us);
		line = xasprintf(
		    "(flapping %s: %lld changes; shown at its worst until it is stable)", since,
		    (long long)json_integer_value(json_object_get(f, "flapping_changes")));
		layout_prose(out, "", 2, line);
	}
}

void
block_finding(
    struct str *out, const json_t *f, const struct block_options *b, const struct report_options *o)
{
	const char *why = layout_get(f, "why");

	head_line(out, f, b, o);
	layout_prose(out, "", 2, layout_get(f, "message"));
	block_doubts(out, f, o->now_wall_us);
	if (b->cause && *layout_get(f, "caused_by")) {
		_cleanup_free_ char *cause = xasprintf(
		    "(follows from another: dbhealth explain %.6s)", layout_get(f, "caused_by"));

		layout_prose(out, "", 2, cause);
	}
	if (report_is_muted(f)) {
		_cleanup_free_ char *mute = report_mute_text(f, o->now_wall_us);

		layout_prose(out, "  ", 2, mute);
	}
	/* Advice is short; explain has the rest. */
	if (b->why && *why && (o->verbose || !streq(layout_get(f, "severity"), "info")))
		layout_prose(out, "  Why: ", 2, why);
	if (b->fix)
		block_remedies(out, json_object_get(f, "remedies"), false, 2);
}

/* ---- order ---- */

static int
severity_rank(const json_t *f)
{
	enum severity s = SEVERITY_NONE;

	return severity_parse(layout_get(f, "severity"), &s) < 0 ? 0 : (int)s;
}

static int
state_rank(const json_t *f)
{
	const char *state = layout_get(f, "state");

	if (streq(state, "open"))
		return report_is_muted(f) ? 2 : 3;
	return streq(state, "pending") ? 1 : 0;
}

/* What cannot be reached hides the rest, and what was seen before that may no longer be so. */
static int
weight_rank(const json_t *f)
{
	return streq(layout_get(f, "check"), "conn-up")    ? 2
	       : json_is_true(json_object_get(f, "stale")) ? 0
	                                                   : 1;
}

static int
compare_findings(const void *pa, const void *pb)
{
	static const char *const keys[] = { "since", "server", "database", "check", "object" };
	const json_t *a = *(const json_t *const *)pa, *b = *(const json_t *const *)pb;
	int d = state_rank(b) - state_rank(a);

	if (d == 0)
		d = severity_rank(b) - severity_rank(a);
	if (d == 0)
		d = weight_rank(b) - weight_rank(a);
	for (size_t i = 0; d == 0 && i < ARRAY_SIZE(keys); i++)
		d = strcmp(layout_get(a, keys[i]), layout_get(b, keys[i]));
	return d;
}

json_t *
block_sorted(const json_t *findings)
{
	size_t n = json_array_size(findings);
	_cleanup_free_ json_t **v = xcalloc(n + 1, sizeof(json_t *));
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++)
		v[i] = json_array_get(findings, i);
	if (n > 1)
		qsort(v, n, sizeof(*v), compare_findings);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, v[i]);
	return out;
}

int64_t
block_count(const json_t *findings, const char *severity)
{
	int64_t count = 0;
	const json_t *f;
	size_t i;

	json_array_foreach (findings, i, f)
		if (streq(layout_get(f, "severity"), severity) &&
		    streq(layout_get(f, "state"), "open") && !report_is_muted(f))
			count++;
	return count;
}

int
block_id_digits(const json_t *findings, const char *id)
{
	size_t digits = 6, len = strlen(id);
	const json_t *f;
	size_t i;

	json_array_foreach (findings, i, f) {
		const char *other = layout_get(f, "id");

		if (streq(other, id))
			continue;
		while (digits < len && strncmp(other, id, digits) == 0)
			digits++;
	}
	return (int)MIN(digits, len);
}

/* ---- unknown ---- */

static bool
same_unknown(const json_t *a, const json_t *b)
{
	return streq(layout_get(a, "database"), layout_get(b, "database")) &&
	       streq(layout_get(a, "reason"), layout_get(b, "reason")) &&
	       streq(layout_get(a, "grant"), layout_get(b, "grant"));
}

static void
unknown_group(struct str *out, const json_t *unknown, size_t at, bool database,
    const struct report_options *o)
{
	const json_t *u = json_array_get(unknown, at);
	_cleanup_str_ struct str names = { 0 };
	_cleanup_free_ char *reason = NULL;
	size_t n = 0, more = 0, column = 10;

	for (size_t i = at; i < json_array_size(unknown); i++) {
		const json_t *other = json_array_get(unknown, i);

		if (!same_unknown(u, other))
			continue;
		if (n >= 4 && !o->verbose)
			more++;
		else
			str_addf(&names, "%s%s", n++ > 0 ? ", " : "", layout_get(other, "check"));
	}
	if (more > 0)
		str_addf(&names, " and %zu more", more);
	layout_status(out, "unknown", o->colour);
	if (database) {
		_cleanup_free_ char *shown = layout_short(layout_get(u, "database"), 40);
		size_t w = MAX(text_columns(shown), (size_t)7);

		layout_cell(out, shown, w + 2);
		column += w + 2;
	}
	layout_prose_at(out, column, column, str_text(&names));
	reason = xstrdup(layout_get(u, "reason"));
	layout_prose(out, "", 2, *reason ? reason : "no reason was given");
	if (*layout_get(u, "grant")) {
		str_add(out, "  Fix:\n");
		layout_sql(out, 4, layout_get(u, "grant"));
	}
}

void
block_unknown(struct str *out, const json_t *unknown, bool database, const struct report_options *o)
{
	for (size_t i = 0; i < json_array_size(unknown); i++) {
		bool told = false;

		for (size_t k = 0; k < i && !told; k++)
			told = same_unknown(json_array_get(unknown, k), json_array_get(unknown, i));
		if (!told)
			unknown_group(out, unknown, i, database, o);
	}
}
