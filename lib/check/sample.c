/* One judged row, and what a run gave. */
#include "check/sample.h"
#include "base/text.h"
#include "check/rows.h"
#include "check/shape.h"
#include <stdarg.h>
#include <stdio.h>

const char *const reason_names[REASON_N] = { "", "timeout", "locked", "privilege", "connection",
	"error", "no_value", "crash", "budget" };

struct sample *
sample_free(struct sample *s)
{
	if (!s)
		return NULL;
	free(s->object);
	free(s->key);
	free(s->item);
	free(s->detail);
	for (size_t i = 0; i < REMEDY_MAX; i++)
		free(s->remedies[i]);
	for (size_t i = 0; i < s->nlabels; i++) {
		free(s->labels[i].name);
		free(s->labels[i].value);
	}
	free(s->labels);
	free(s);
	return NULL;
}

struct sample *
sample_copy(const struct sample *from)
{
	struct sample *s = xcalloc(1, sizeof(*s));

	*s = *from;
	s->object = xstrdup(from->object);
	s->key = xstrdup(from->key);
	s->item = xstrdup(from->item);
	s->detail = xstrdup(from->detail);
	for (size_t i = 0; i < REMEDY_MAX; i++)
		s->remedies[i] = xstrdup(from->remedies[i]);
	s->labels = from->nlabels > 0 ? xcalloc(from->nlabels, sizeof(*s->labels)) : NULL;
	for (size_t i = 0; i < from->nlabels; i++) {
		s->labels[i].name = xstrdup(from->labels[i].name);
		s->labels[i].value = xstrdup(from->labels[i].value);
	}
	return s;
}

const char *
sample_label(const struct sample *s, const char *name)
{
	for (size_t i = 0; i < s->nlabels; i++)
		if (streq(s->labels[i].name, name))
			return s->labels[i].value;
	return NULL;
}

void
result_done(struct result *r)
{
	for (size_t i = 0; i < r->nsamples; i++)
		sample_free(r->samples[i]);
	free(r->samples);
	for (size_t i = 0; i < r->nvalues; i++)
		free(r->values[i].object);
	free(r->value_object);
	rows_free(r->rows);
	shape_free(r->shape);
	free(r->home);
	*r = (struct result){ 0 };
}

void
result_unknown(struct result *r, enum reason reason, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	char raw[2 * sizeof(r->text)];
	va_list ap;

	/* Formatted aside: an argument may be the old text. */
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	text = text_from_peer(raw, strlen(raw), sizeof(r->text) - 1);
	result_done(r);
	r->state = RESULT_UNKNOWN;
	r->reason = reason;
	memcpy(r->text, text, strlen(text) + 1);
}
