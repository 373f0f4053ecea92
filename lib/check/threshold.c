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

/* What stands before a word at the end of the text and the blanks before it; 0: no such word. */
static size_t
before_word(const char *s, size_t len, const char *word)
{
	size_t n = strlen(word);

	if (len < n || strncmp(s + len - n, word, n) != 0)
		return 0;
	for (len -= n; len > 0 && isspace((unsigned char)s[len - 1]); len--)
		;
	return len;
}

/* "5 x baseline": the factor's length, or 0. */
static size_t
factor_of(const char *s, const char *word)
{
	size_t len = before_word(s, strlen(s), word);

	return MAX(before_word(s, len, "x"), before_word(s, len, "*"));
}

/* How long the number is that stands before one of the words; 0: there is none of them. */
static size_t
read_word(const char *s, struct threshold_term *t)
{
	size_t len = factor_of(s, "baseline");

	t->times_baseline = len > 0;
	if (len == 0) {
		len = factor_of(s, "usual");
		t->times_usual = len > 0;
	}
	if (len == 0) {
		len = before_word(s, strlen(s), "mad");
		t->mads = len > 0;
	}
	return len;
}

/* A distance from what is usual: its sign must go the way that the comparison looks. */
static int
check_mads(const struct threshold_term *t, const char *text, struct err *e)
{
	bool above = t->op == CMP_GT || t->op == CMP_GE, below = t->op == CMP_LT || t->op == CMP_LE;

	if ((above || t->op == CMP_NE) && t->value > 0)
		return 0;
	if (below && t->value < 0)
		return 0;
	return err_set(e, -EINVAL,
	    "\"%s\": how far from usual is written > 4 mad, < -4 mad (less), or outside 4 mad "
	    "(either)",
	    text);
}

static int
parse_term(char *s, struct threshold_term *ret, struct err *e)
{
	struct threshold_term term = { 0 };
	const char *text = str_trim(s), *p = text;
	_cleanup_free_ char *factor = NULL;
	bool outside;
	size_t len;
	int r;

	term.eta = str_starts(p, "eta") && !isalnum((unsigned char)p[strlen("eta")]);
	for (p += term.eta ? strlen("eta") : 0; isspace((unsigned char)*p); p++)
		;
	outside = str_starts(p, "outside ");
	p += outside ? strlen("outside ") : 0;
	term.op = outside ? CMP_NE : compare_parse(&p);
	if (term.op == CMP_NONE)
		return err_set(e, -EINVAL,
		    "\"%s\": a threshold is a comparison and a value, as in >= 80%% or < 5min", p);
	while (isspace((unsigned char)*p))
		p++;
	len = read_word(p, &term);
	factor = len > 0 ? xstrndup(p, len) : xstrdup(p);
	r = number_parse(factor, &term.value, e);
	if (r < 0)
		return r;
	if (!isfinite(term.value))
		return err_set(e, -EINVAL, "\"%s\" is not a finite number", factor);
	if (outside || term.mads) {
		r = check_mads(&term, text, e);
		if (r < 0 || !term.mads)
			return r < 0 ? r : err_set(e, -EINVAL, "outside is for mad");
	}
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
	if (fallback && !threshold_is_relative(&t) && !threshold_asks_usual(&t))
		return err_set(
		    e, -EINVAL, "`else` is for thresholds that name baseline, usual or mad");
	if (t.fallback.times_baseline || t.fallback.times_usual || t.fallback.mads)
		return err_set(e, -EINVAL, "`else` is used while there is no baseline");
	*ret = t;
	return 0;
}

bool
threshold_is_relative(const struct threshold *t)
{
	return t->term[0].times_baseline || t->term[1].times_baseline;
}

bool
threshold_asks_usual(const struct threshold *t)
{
	return t->term[0].mads || t->term[1].mads || t->term[0].times_usual ||
	       t->term[1].times_usual;
}

/* All that it names is known. */
static bool
is_known(const struct threshold *t, const struct threshold_known *known)
{
	if (threshold_is_relative(t) && isnan(known->baseline))
		return false;
	return !threshold_asks_usual(t) || (!isnan(known->median) && known->mad > 0);
}

static bool
compare(enum compare op, double value, double limit)
{
	switch (op) {
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
term_limit(enum compare op, double limit, bool cleared)
{
	double tenth = cleared ? fabs(limit) * 0.1 : 0;

	switch (op) {
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

static double
term_number(const struct threshold_term *t, const struct threshold_known *known)
{
	return t->times_baseline ? t->value * known->baseline
	       : t->times_usual  ? t->value * known->median
	                         : t->value;
}

static bool
term_breached(
    const struct threshold_term *t, double value, const struct threshold_known *known, bool cleared)
{
	enum compare op = (enum compare)t->op;
	double limit = term_number(t, known);

	if (t->mads) {
		value = (value - known->median) / known->mad;
		if (op == CMP_NE) {
			value = fabs(value);
			op = CMP_GT;
		}
	}
	return compare(op, value, term_limit(op, limit, cleared));
}

static bool
judge(const struct threshold *t, double value, const struct threshold_known *known, bool cleared)
{
	if (!t->set || isnan(value))
		return false;
	if (!is_known(t, known))
		return t->fallback.op != CMP_NONE &&
		       term_breached(&t->fallback, value, known, cleared);
	for (size_t i = 0; i < ARRAY_SIZE(t->term); i++)
		if (!term_breached(&t->term[i], value, known, cleared))
			return false;
	return true;
}

bool
threshold_breached(const struct threshold *t, double value, const struct threshold_known *known)
{
	return judge(t, value, known, false);
}

bool
threshold_holds(const struct threshold *limit, const struct threshold *clear, double value,
    const struct threshold_known *known)
{
	if (isnan(value))
		return false;
	if (threshold_breached(limit, value, known))
		return true;
	if (clear->set)
		return limit->set && !threshold_breached(clear, value, known);
	return judge(limit, value, known, true);
}

/* Either for people (unit) or as configuration reads it (text). */
static void
add_term(struct str *out, const struct threshold_term *t, bool people, enum unit unit)
{
	const char *word = t->times_baseline ? " x baseline"
	                   : t->times_usual  ? " x usual"
	                   : t->mads         ? " mad"
	                                     : "";
	enum unit own = *word ? UNIT_COUNT : unit; /* a factor has no unit */
	_cleanup_free_ char *value =
	    people && !*word ? unit_format(t->value, unit) : unit_text(t->value, own);

	str_addf(out, "%s%s %s%s", t->eta && !people ? "eta " : "",
	    t->mads && t->op == CMP_NE ? "outside" : compare_text((enum compare)t->op), value,
	    word);
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
threshold_text(const struct threshold *t, enum unit unit)
{
	return format(t, false, unit);
}

double
threshold_value(const struct threshold *t, const struct threshold_known *known)
{
	const struct threshold_term *first = &t->term[0];

	if (!t->set)
		return NAN;
	if (!first->times_baseline && !first->times_usual && !first->mads)
		return first->value;
	if (is_known(t, known))
		return first->mads ? known->median + first->value * known->mad
		                   : term_number(first, known);
	return t->fallback.op != CMP_NONE ? t->fallback.value : NAN;
}

static bool
term_equal(const struct threshold_term *a, const struct threshold_term *b)
{
	return a->op == b->op && a->value == b->value && a->times_baseline == b->times_baseline &&
	       a->times_usual == b->times_usual && a->mads == b->mads;
}

bool
threshold_equal(const struct threshold *a, const struct threshold *b)
{
	return a->set == b->set && term_equal(&a->term[0], &b->term[0]) &&
	       term_equal(&a->term[1], &b->term[1]) && term_equal(&a->fallback, &b->fallback);
}

bool
threshold_asks_eta(const struct threshold *t)
{
	return t->term[0].eta || t->term[1].eta || t->fallback.eta;
}
