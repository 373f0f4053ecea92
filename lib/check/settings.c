/* Overrides of the configuration on a check. */
#include "check/settings.h"
#include "base/clock.h"
#include "base/str.h"
#include "check/remedy.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>

bool
check_severity_by_sql(const struct check *c)
{
	return !c->info.set && !c->warning.set && !c->critical.set;
}

static struct check_param *
params_dup(const struct check_param *from, size_t n)
{
	struct check_param *to = n > 0 ? xcalloc(n, sizeof(*to)) : NULL;

	for (size_t i = 0; i < n; i++)
		to[i] = (struct check_param){ .name = xstrdup(from[i].name),
			.value = xstrdup(from[i].value) };
	return to;
}

struct settings *
settings_new(const struct check *c, size_t max_findings)
{
	struct settings *s = xcalloc(1, sizeof(*s));

	*s = (struct settings){ .check = c,
		.enabled = c->on_by_default,
		.info = c->info,
		.warning = c->warning,
		.critical = c->critical,
		.clear = c->clear,
		.clear_for_us = c->for_us[SEVERITY_WARNING],
		.hold_us = c->hold_us,
		.interval_us = c->interval_us,
		.window_us = c->window_us,
		.max_findings = max_findings,
		.budget = CHECK_BUDGET,
		.flap_changes = FLAP_CHANGES,
		.flap_window_us = FLAP_WINDOW_US,
		.cap = SEVERITY_CRITICAL,
		.params = params_dup(c->params, c->nparams),
		.nparams = c->nparams };
	memcpy(s->for_us, c->for_us, sizeof(s->for_us));
	if (!c->on_by_default)
		s->disabled_reason = xstrdup("off by default");
	return s;
}

struct settings *
settings_copy(const struct settings *from)
{
	struct settings *s = xcalloc(1, sizeof(*s));

	*s = *from;
	s->disabled_reason = xstrdup(from->disabled_reason);
	s->params = params_dup(from->params, from->nparams);
	s->ignore = strv_dup(from->ignore);
	return s;
}

struct settings *
settings_free(struct settings *s)
{
	if (!s)
		return NULL;
	free(s->disabled_reason);
	for (size_t i = 0; i < s->nparams; i++) {
		free(s->params[i].name);
		free(s->params[i].value);
	}
	free(s->params);
	strv_free(s->ignore);
	free(s);
	return NULL;
}

static bool
strv_equal(char *const *a, char *const *b)
{
	size_t n = strv_len(a);

	if (n != strv_len(b))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!streq(a[i], b[i]))
			return false;
	return true;
}

bool
settings_judge_alike(const struct settings *a, const struct settings *b)
{
	return a->enabled == b->enabled && threshold_equal(&a->info, &b->info) &&
	       threshold_equal(&a->warning, &b->warning) &&
	       threshold_equal(&a->critical, &b->critical) &&
	       threshold_equal(&a->clear, &b->clear) &&
	       memcmp(a->for_us, b->for_us, sizeof(a->for_us)) == 0 &&
	       a->clear_for_us == b->clear_for_us && a->hold_us == b->hold_us &&
	       a->window_us == b->window_us && a->max_findings == b->max_findings &&
	       a->force == b->force && a->cap == b->cap && strv_equal(a->ignore, b->ignore);
}

bool
settings_ask_usual(const struct settings *s)
{
	return threshold_asks_usual(&s->info) || threshold_asks_usual(&s->warning) ||
	       threshold_asks_usual(&s->critical) || threshold_asks_usual(&s->clear);
}

bool
settings_same_params(const struct settings *a, const struct settings *b)
{
	if (a->nparams != b->nparams)
		return false;
	for (size_t i = 0; i < a->nparams; i++) {
		const char *other = check_param_get(b->params, b->nparams, a->params[i].name);

		if (!other || !streq(other, a->params[i].value))
			return false;
	}
	return true;
}

int64_t
settings_interval_us(const struct settings *s, int64_t probe_us)
{
	return s->interval_set ? s->interval_us : MAX(s->interval_us, probe_us);
}

static bool
is_plain_number(const char *s)
{
	s += *s == '-' || *s == '+';
	return isdigit((unsigned char)*s) && strspn(s, "0123456789.eE+-") == strlen(s);
}

char *
check_param_text(const char *value)
{
	double number;
	int64_t us;
	char text[40];

	if (is_plain_number(value))
		return xstrdup(value);
	if (duration_parse(value, &us, NULL) >= 0)
		number = (double)us / (double)USEC_PER_SEC;
	else if (number_parse(value, &number, NULL) < 0 || !isfinite(number))
		return xstrdup(value);
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	if (fabs(number) < 1e18 && number == floor(number))
		snprintf(text, sizeof(text), "%.0f", number); /* ::bigint reads no exponent */
	return xstrdup(text);
}

/* "param.a, param.b" of a check, for messages. */
static char *
param_list(const struct settings *s)
{
	_cleanup_str_ struct str out = { 0 };

	for (size_t i = 0; i < s->nparams; i++)
		str_addf(&out, "%sparam.%s", i > 0 ? ", " : "", s->params[i].name);
	return str_take(&out);
}

static int
set_threshold(
    struct settings *s, const char *key, struct threshold *ret, const char *value, struct err *e)
{
	_cleanup_free_ char *params = param_list(s);
	struct threshold t;

	if (check_severity_by_sql(s->check))
		return err_set(e, -EINVAL, "%s: %s decides the severity itself; set %s instead",
		    key, s->check->id, *params ? params : "severity = or enabled =");
	if (streq(value, "none")) {
		*ret = (struct threshold){ 0 };
		return 0;
	}
	if (threshold_parse(value, &t, e) < 0)
		return e ? e->code : -EINVAL;
	if (threshold_asks_eta(&t) && s->check->source != SOURCE_HISTORY)
		return err_set(e, -EINVAL, "%s: %s", key, THRESHOLD_ETA_ONLY);
	*ret = t;
	return 0;
}

static int
set_param(struct settings *s, const char *name, const char *value, struct err *e)
{
	_cleanup_strv_ char **names = NULL;
	const char *near;
	double number;

	for (size_t i = 0; i < s->nparams; i++) {
		struct check_param *p = &s->params[i];

		strv_add(&names, p->name);
		if (!streq(p->name, name))
			continue;
		if (number_parse(p->value, &number, NULL) >= 0 &&
		    number_parse(value, &number, e) < 0)
			return -EINVAL;
		free(p->value);
		p->value = xstrdup(value);
		return 0;
	}
	if (!names)
		return err_set(e, -EINVAL, "%s has no params", s->check->id);
	near = str_nearest(name, (const char *const *)names, strv_len(names));
	return err_set(e, -EINVAL, "unknown param%s%s%s", near ? "; did you mean param." : "",
	    near ? near : "", near ? "?" : "");
}

static int
set_enabled(struct settings *s, const char *value, struct err *e)
{
	static const char *const yes[] = { "yes", "true", "on", "1" }, *const no[] = { "no",
		"false", "off", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		bool is_yes = strcasecmp(value, yes[i]) == 0;

		if (!is_yes && strcasecmp(value, no[i]) != 0)
			continue;
		s->enabled = is_yes;
		free(s->disabled_reason);
		s->disabled_reason = s->enabled ? NULL : xstrdup("switched off by configuration");
		return 0;
	}
	return err_set(e, -EINVAL, "\"%s\" is neither yes nor no", value);
}

static int
parse_seconds(const char *value, int64_t *ret, struct err *e)
{
	int64_t us;
	int r = duration_parse(value, &us, e);

	if (r < 0)
		return r;
	if (us < USEC_PER_SEC)
		return err_set(e, -EINVAL, "%s is less than 1s", value);
	*ret = us;
	return 0;
}

static int
set_interval(struct settings *s, const char *value, struct err *e)
{
	int r = parse_seconds(value, &s->interval_us, e);

	s->interval_set = s->interval_set || r == 0;
	return r;
}

static int
set_for(struct settings *s, const char *value, struct err *e)
{
	int r = check_for_parse(value, s->for_us, e);

	if (r >= 0 && !s->clear_for_set)
		s->clear_for_us = s->for_us[SEVERITY_WARNING];
	return r;
}

static int
set_clear_for(struct settings *s, const char *value, struct err *e)
{
	int r = duration_parse(value, &s->clear_for_us, e);

	s->clear_for_set = s->clear_for_set || r >= 0;
	return r;
}

static int
set_hold(struct settings *s, const char *value, struct err *e)
{
	if (s->check->kind != KIND_EVENT)
		return err_set(e, -EINVAL, "only for kind event; %s is a %s", s->check->id,
		    check_kind_names[s->check->kind]);
	return check_hold_parse(value, &s->hold_us, e);
}

static int
set_severity(struct settings *s, const char *value, struct err *e)
{
	if (severity_parse(value, &s->force) < 0)
		return err_set(e, -EINVAL, "\"%s\" is none of info, warning, critical", value);
	return 0;
}

static int
set_max_findings(struct settings *s, const char *value, struct err *e)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end || errno || n < 1 || n > 100000)
		return err_set(e, -EINVAL, "\"%s\" is not a number from 1 to 100000", value);
	s->max_findings = n;
	return 0;
}

static int
set_flap_changes(struct settings *s, const char *value, struct err *e)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end || errno || n > FLAP_CHANGES_MAX)
		return err_set(
		    e, -EINVAL, "\"%s\" is not a number from 0 to %d", value, FLAP_CHANGES_MAX);
	s->flap_changes = (unsigned)n;
	return 0;
}

static int
set_flap_window(struct settings *s, const char *value, struct err *e)
{
	return parse_seconds(value, &s->flap_window_us, e);
}

static int
set_ignore(struct settings *s, const char *value, struct err *e)
{
	char **globs = strv_split_commas(value);

	if (!globs || !*globs) {
		strv_free(globs);
		return err_set(e, -EINVAL, "no pattern");
	}
	strv_free(s->ignore);
	s->ignore = globs;
	return 0;
}

/* A share of the time between two runs, as "1%". */
static int
set_budget(struct settings *s, const char *value, struct err *e)
{
	double share;

	if (streq(value, "none")) {
		s->budget = 0;
		return 0;
	}
	if (number_parse(value, &share, NULL) < 0 || !(share > 0 && share <= 1))
		return err_set(e, -EINVAL, "\"%s\" is neither a share up to 100%% nor none", value);
	s->budget = share;
	return 0;
}

int
settings_set(struct settings *s, const char *key, const char *value, struct err *e)
{
	static const struct {
		const char *key;
		int (*set)(struct settings *, const char *, struct err *);
	} keys[] = { { "for", set_for }, { "clear_for", set_clear_for }, { "hold", set_hold },
		{ "interval", set_interval }, { "severity", set_severity },
		{ "max_findings", set_max_findings }, { "flap_changes", set_flap_changes },
		{ "flap_window", set_flap_window }, { "budget", set_budget },
		{ "enabled", set_enabled }, { "ignore", set_ignore } };
	struct {
		const char *key;
		struct threshold *threshold;
	} limits[] = { { "info", &s->info }, { "warning", &s->warning },
		{ "critical", &s->critical }, { "clear", &s->clear } };
	const char *names[ARRAY_SIZE(keys) + ARRAY_SIZE(limits)], *near;
	size_t n = 0;

	if (str_starts(key, "param."))
		return set_param(s, key + strlen("param."), value, e);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (streq(key, keys[i].key))
			return keys[i].set(s, value, e);
		names[n++] = keys[i].key;
	}
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		if (streq(key, limits[i].key))
			return set_threshold(s, key, limits[i].threshold, value, e);
		names[n++] = limits[i].key;
	}
	near = str_nearest(key, names, n);
	return err_set(e, -EINVAL, "unknown key%s%s%s", near ? "; did you mean " : "",
	    near ? near : "", near ? "?" : "");
}
