/*
 * Words for a finding.  Placeholders are replaced in one pass over the template: what comes out of
 * a database is never read again, so a value of "{object}" stays as it is.
 */
#include "base/str.h"
#include "base/text.h"
#include "check/column.h"
#include "check/eval.h"
#include <ctype.h>
#include <math.h>

#define MESSAGE_MAX_BYTES ((size_t)4096)

static char *
threshold_number(const struct threshold *t, enum unit unit)
{
	double v = threshold_value(t, &THRESHOLD_KNOWN_NONE);

	if (!t->set)
		return xstrdup("none");
	if (!isnan(v) && !threshold_is_relative(t) && !threshold_asks_usual(t))
		return unit_format(v, unit);
	return threshold_format(t, unit); /* relative: words say it better than a number */
}

static char *
format_number(const char *text, enum unit unit)
{
	double v;

	return cell_number(text, strlen(text), &v) ? unit_format(v, unit) : xstrdup(text);
}

/* Value of a placeholder that no column may shadow; NULL when it is none of these. */
static char *
own_placeholder(const char *name, const struct settings *s, const struct sample *sample)
{
	const char *eta;

	if (streq(name, "object"))
		return xstrdup(sample->object);
	if (streq(name, "key"))
		return xstrdup(sample->key);
	if (streq(name, "detail"))
		return xstrdup(sample->detail ? sample->detail : "");
	if (streq(name, "severity"))
		return xstrdup(severity_names[sample->severity]);
	if (streq(name, "value"))
		return sample->has_value ? unit_format(sample->value, s->check->unit)
		                         : xstrdup("unknown");
	if (streq(name, "part") || streq(name, "whole")) {
		double v = *name == 'p' ? sample->part : sample->whole;

		return isnan(v) ? xstrdup("unknown") : unit_format(v, UNIT_COUNT);
	}
	if (streq(name, "info"))
		return threshold_number(&s->info, s->check->unit);
	if (streq(name, "warning"))
		return threshold_number(&s->warning, s->check->unit);
	if (streq(name, "critical"))
		return threshold_number(&s->critical, s->check->unit);
	if (streq(name, "eta") && (eta = sample_label(sample, "eta")))
		return format_number(eta, UNIT_SECONDS);
	if (streq(name, "eta") && s->check->source == SOURCE_HISTORY && sample->has_value)
		return unit_format(sample->value, UNIT_SECONDS);
	return NULL;
}

/* {name} or {name:unit}, name being a label or a param. */
static char *
placeholder(char *name, const struct settings *s, const struct sample *sample)
{
	char *colon = strchr(name, ':'), *own;
	const char *text;
	enum unit unit = UNIT_COUNT;

	if (colon) {
		*colon = '\0';
		if (unit_parse(colon + 1, &unit) < 0)
			return NULL;
	} else if ((own = own_placeholder(name, s, sample)))
		return own;
	text = sample_label(sample, name);
	if (!text)
		text = check_param_get(s->params, s->nparams, name);
	if (!text)
		text = "unknown";
	return colon ? format_number(text, unit) : xstrdup(text);
}

/* Length of {name} or {name:unit} at p, 0 when it is just a brace. */
static size_t
placeholder_length(const char *p)
{
	size_t n = 1;

	if (!islower((unsigned char)p[1]))
		return 0;
	while (islower((unsigned char)p[n]) || isdigit((unsigned char)p[n]) || p[n] == '_')
		n++;
	if (p[n] == ':')
		for (n++; islower((unsigned char)p[n]); n++)
			;
	return p[n] == '}' && n < 80 ? n + 1 : 0;
}

static char *
substitute(const char *template, const struct settings *s, const struct sample *sample)
{
	_cleanup_str_ struct str out = { 0 };

	for (const char *p = template; *p;) {
		size_t len = *p == '{' ? placeholder_length(p) : 0;
		_cleanup_free_ char *name = NULL, *text = NULL;

		if (len > 0) {
			name = xstrndup(p + 1, len - 2);
			text = placeholder(name, s, sample);
		}
		if (text)
			str_add(&out, text);
		else
			str_addn(&out, p, len > 0 ? len : 1);
		p += len > 0 ? len : 1;
	}
	return str_take(&out);
}

static char *
default_message(const struct settings *s, const struct sample *sample)
{
	_cleanup_free_ char *value = NULL;

	if (sample->detail && *sample->detail)
		return xasprintf("%s: %s", s->check->title, sample->detail);
	if (!sample->has_value)
		return xstrdup(s->check->title);
	value = unit_format(sample->value, s->check->unit);
	return xasprintf("%s: %s", s->check->title, value);
}

char *
message_render(const char *template, const struct settings *s, const struct sample *sample)
{
	_cleanup_free_ char *text = NULL;

	if (!template)
		template = s->check->message;
	text = template ? substitute(template, s, sample) : default_message(s, sample);
	return text_ellipsis(text, MESSAGE_MAX_BYTES);
}
