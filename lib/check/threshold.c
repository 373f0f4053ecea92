/* Thresholds: parsed, judged, printed. */
#include "check/threshold.h"
#include "base/str.h"
#include "check/check.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>

static const struct {
	const char *text;
	enum compare op;
} operators[] = { /* the longer first */
	{ "<=", CMP_LE }, { ">=", CMP_GE }, { "!=", CMP_NE }, { "<>", CMP_NE }, { "==", CMP_EQ },
	{ "<", CMP_LT }, { ">", CMP_GT }, { "=", CMP_EQ }
};

enum compare
compare_parse(const char **p)
{
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
		if (str_starts(*p, operators[i].text)) {
			*p += strlen(operators[i].text);
			return operators[i].op;
		}
	return CMP_NONE;
}

const char *
compare_text(enum compare op)
{
	switch (op) {
	case CMP_LT:
		return "<";
	case CMP_LE:
		return "<=";
	case CMP_GT:
		return ">";
	case CMP_GE:
		return ">=";
	case CMP_EQ:
		return "=";
	case CMP_NE:
		return "!=";
	case CMP_NONE:
		break;
	}
	return "";
}

/* "5 x baseline": the factor's length, or 0. */
static size_t
baseline_factor(const char *s)
{
	const char *p = s + strlen(s);

	if (!str_starts(p - MIN((size_t)(p - s), strlen("baseline")), "baseline"))
		return 0;
	for (p -= strlen("baseline"); p > s && isspace((unsigned char)p[-1]); p--)
		;
	if (p == s || (p[-1] != 'x' && p[-1] != '*'))
		return 0;
	for (p--; p > s && isspace((unsigned char)p[-1]); p--)
		;
	return (size_t)(p - s);
}

static int
parse_term(char *s, struct threshold_term *ret, struct err *e)
{
	struct threshold_term term = { 0 };
	const char *p = str_trim(s);
	_cleanup_free_ char *factor = NULL;
	size_t len;
	int r;

	term.op = compare_parse(&p);
	if (term.op == CMP_NONE)
		return err_set(e, -EINVAL,
		    "\"%s\": a threshold is a comparison and a value, as in >= 80%% or < 5min", p);
	while (isspace((unsigned char)*p))
		p++;
	len = baseline_factor(p);
	term.times_baseline = len > 0;
	factor = len > 0 ? xstrndup(p, len) : xstrdup(p);
	r = number_parse(factor, &term.value, e);
	if (r < 0)
		return r;
	if (!isfinite(term.value))
		return err_set(e, -EINVAL, "\"%s\" is not a finite number", factor);
	*ret = term;
	return 0;
}

/* Cuts s at a word between blanks; returns what follows it, or NULL. */
static char *
cut_word(char *s, const char *word)
{
	size_t len = strlen(word);

	for (char *p = strstr(s, word); p; p = strstr(p + 1, word))
		if (p > s && isspace((unsigned char)p[-1]) && isspace((unsigned char)p[len])) {
			*p = '\0';
			return p + len;
		}
	return NULL;
}

int
threshold_parse(const char *text, struct threshold *ret, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(text);
	struct threshold t = { .set = true };
	char *fallback = cut_word(copy, "else"), *second = cut_word(copy, "and");
	int r;

	if (second && cut_word(second, "and"))
		return err_set(e, -EINVAL, "at most two comparisons joined by `and`");
	r = parse_term(copy, &t.term[0], e);
	if (r >= 0 && second)
		r = parse_term(second, &t.term[1], e);
	if (r >= 0 && fallback)
		r = parse_term(fallback, &t.fallback, e);
	if (r < 0)
		return r;
	if (fallback && !t.term[0].times_baseline && !t.term[1].times_baseline)
		return err_set(e, -EINVAL, "`else` is for thresholds that name the baseline");
	if (t.fallback.times_baseline)
		return err_set(e, -EINVAL, "`else` is used while there is no baseline");
	*ret = t;
	return 0;
}

static bool
term_breached(const struct threshold_term *t, double limit, double value)
{
	switch ((enum compare)t->op) {
	case CMP_LT:
		return value < limit;
	case CMP_LE:
		return value <= limit;
	case CMP_GT:
		return value > limit;
	case CMP_GE:
		return value >= limit;
	case CMP_EQ:
		return value == limit;
	case CMP_NE:
		return value != limit;
	case CMP_NONE:
		break;
	}
	return true;
}

/* The limit itself, or 10 % of it towards ok. */
static double
term_limit(const struct threshold_term *t, double baseline, bool cleared)
{
	double limit = t->times_baseline ? t->value * baseline : t->value;
	double tenth = cleared ? fabs(limit) * 0.1 : 0;

	switch ((enum compare)t->op) {
	case CMP_LT:
	case CMP_LE:
		return limit + tenth;
	case CMP_GT:
	case CMP_GE:
		return limit - tenth;
	case CMP_EQ:
	case CMP_NE:
	case CMP_NONE:
		break;
	}
	return limit;
}

static bool
judge(const struct threshold *t, double value, double baseline, bool cleared)
{
	bool relative = t->term[0].times_baseline || t->term[1].times_baseline;

	if (!t->set || isnan(value))
		return false;
	if (relative && isnan(baseline))
		return t->fallback.op != CMP_NONE &&
		       term_breached(
		           &t->fallback, term_limit(&t->fallback, baseline, cleared), value);
	for (size_t i = 0; i < ARRAY_SIZE(t->term); i++)
		if (!term_breached(&t->term[i], term_limit(&t->term[i], baseline, cleared), value))
			return false;
	return true;
}

bool
threshold_breached(const struct threshold *t, double value, double baseline)
{
	return judge(t, value, baseline, false);
}

bool
threshold_holds(
    const struct threshold *limit, const struct threshold *clear, double value, double baseline)
{
	if (isnan(value))
		return false;
	if (threshold_breached(limit, value, baseline))
		return true;
	if (clear->set)
		return limit->set && !threshold_breached(clear, value, baseline);
	return judge(limit, value, baseline, true);
}

/* Either for people (unit) or as configuration reads it (text). */
static void
add_term(struct str *out, const struct threshold_term *t, bool people, enum unit unit)
{
	_cleanup_free_ char *value = NULL;
	char number[40];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(number, sizeof(number), "%.*g", digits, t->value);
		if (strtod(number, NULL) == t->value)
			break;
	}
	if (people && !t->times_baseline)
		value = unit_format(t->value, unit);
	str_addf(out, "%s %s%s", compare_text((enum compare)t->op), value ? value : number,
	    t->times_baseline ? " x baseline" : "");
}

static char *
format(const struct threshold *t, bool people, enum unit unit)
{
	_cleanup_str_ struct str out = { 0 };

	if (t->set) {
		add_term(&out, &t->term[0], people, unit);
		if (t->term[1].op != CMP_NONE) {
			str_add(&out, " and ");
			add_term(&out, &t->term[1], people, unit);
		}
		if (t->fallback.op != CMP_NONE) {
			str_add(&out, " else ");
			add_term(&out, &t->fallback, people, unit);
		}
	}
	return str_take(&out);
}

char *
threshold_format(const struct threshold *t, enum unit unit)
{
	return format(t, true, unit);
}

char *
threshold_text(const struct threshold *t)
{
	return format(t, false, UNIT_COUNT);
}

double
threshold_value(const struct threshold *t, double baseline)
{
	if (!t->set)
		return NAN;
	if (!t->term[0].times_baseline)
		return t->term[0].value;
	if (!isnan(baseline))
		return t->term[0].value * baseline;
	return t->fallback.op != CMP_NONE ? t->fallback.value : NAN;
}

static bool
term_equal(const struct threshold_term *a, const struct threshold_term *b)
{
	return a->op == b->op && a->value == b->value && a->times_baseline == b->times_baseline;
}

bool
threshold_equal(const struct threshold *a, const struct threshold *b)
{
	return a->set == b->set && term_equal(&a->term[0], &b->term[0]) &&
	       term_equal(&a->term[1], &b->term[1]) && term_equal(&a->fallback, &b->fallback);
}
