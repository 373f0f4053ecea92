/*
 * What a finding says: copied from the sample that breached, with the message and the remedies
 * rendered, so that nobody who shows it needs the check.
 */
#include "check/eval.h"
#include "finding/internal.h"

static void
free_remedies(struct finding *f)
{
	for (size_t i = 0; i < f->nremedies; i++) {
		free(f->remedies[i].title);
		free(f->remedies[i].undo);
		free(f->remedies[i].text);
	}
	free(f->remedies);
	f->remedies = NULL;
	f->nremedies = 0;
}

static void
free_labels(struct finding *f)
{
	for (size_t i = 0; i < f->nlabels; i++) {
		free(f->labels[i].name);
		free(f->labels[i].value);
	}
	free(f->labels);
	f->labels = NULL;
	f->nlabels = 0;
}

void
finding_done(struct finding *f)
{
	free_remedies(f);
	free_labels(f);
	free(f->scope);
	free(f->check);
	free(f->key);
	free(f->server);
	free(f->database);
	free(f->title);
	free(f->object);
	free(f->item);
	free(f->threshold);
	free(f->message);
	free(f->detail);
	free(f->why);
	free(f->stale_reason);
	free(f->moves);
}

static void
set_text(char **field, const char *text)
{
	if (*field && text && streq(*field, text))
		return;
	free(*field);
	*field = xstrdup(text);
}

static void
take_text(char **field, char *take_text)
{
	free(*field);
	*field = take_text;
}

void
finding_fresh(struct finding *f)
{
	f->stale = f->lost = false;
	free(f->stale_reason);
	f->stale_reason = NULL;
}

/* The threshold of that severity; where `severity =` forced another one, the strictest there is. */
static char *
breached_threshold(const struct settings *s, enum severity severity)
{
	const struct threshold *by[SEVERITY_N] = {
		[SEVERITY_INFO] = &s->info,
		[SEVERITY_WARNING] = &s->warning,
		[SEVERITY_CRITICAL] = &s->critical,
	};

	if (by[severity] && by[severity]->set)
		return threshold_format(by[severity], s->check->unit);
	for (int i = SEVERITY_CRITICAL; i > SEVERITY_NONE; i--)
		if (by[i]->set)
			return threshold_format(by[i], s->check->unit);
	return xstrdup("");
}

/* From the row, else the head's template.  A person's work may be its title alone. */
static char *
remedy_text(const struct check_remedy *r, size_t i, const struct run *run, const struct sample *s)
{
	if (s->remedies[i] && *s->remedies[i])
		return xstrdup(s->remedies[i]);
	if (r->text && *r->text)
		return message_render(r->text, run->settings, s);
	if (r->kind == REMEDY_MANUAL || r->kind == REMEDY_CONFIG)
		return xstrdup(r->title);
	return NULL;
}

static void
fill_remedies(struct finding *f, const struct run *run, const struct sample *s)
{
	const struct check *check = run->settings->check;

	free_remedies(f);
	f->cause_first = check->cause_first;
	if (check->nremedies == 0)
		return;
	f->remedies = xcalloc(check->nremedies, sizeof(*f->remedies));
	for (size_t i = 0; i < check->nremedies; i++) {
		const struct check_remedy *from = &check->remedies[i];
		char *text = remedy_text(from, i, run, s);
		size_t at = f->nremedies;

		if (!text)
			continue;
		for (; at > 0 && f->remedies[at - 1].risk > from->risk; at--)
			f->remedies[at] = f->remedies[at - 1];
		f->remedies[at] = (struct check_remedy){
			.title = xstrdup(from->title),
			.kind = from->kind,
			.risk = from->risk,
			.undo = xstrdup(from->undo ? from->undo : ""),
			.closes = from->closes,
			.text = text,
		};
		f->nremedies++;
	}
}

static void
fill_labels(struct finding *f, const struct sample *s)
{
	free_labels(f);
	if (s->nlabels == 0)
		return;
	f->labels = xcalloc(s->nlabels, sizeof(*f->labels));
	for (; f->nlabels < s->nlabels; f->nlabels++) {
		f->labels[f->nlabels].name = xstrdup(s->labels[f->nlabels].name);
		f->labels[f->nlabels].value = xstrdup(s->labels[f->nlabels].value);
	}
}

static void
fill_common(struct finding *f, const struct run *run, enum severity severity)
{
	const struct check *check = run->settings->check;

	set_text(&f->server, run->server ? run->server : "");
	set_text(&f->database, run->database ? run->database : "");
	set_text(&f->title, check->title);
	set_text(&f->why, check->why ? check->why : "");
	f->probe = check->probe;
	f->kind = check->kind;
	f->unit = check->unit;
	f->last_seen_wall_us = run->wall_us;
	finding_fresh(f);
	take_text(&f->threshold, breached_threshold(run->settings, severity));
}

void
content_fill(
    struct finding *f, const struct run *run, const struct sample *s, enum severity severity)
{
	fill_common(f, run, severity);
	set_text(&f->object, s->object);
	set_text(&f->item, s->item ? s->item : run->item);
	set_text(&f->detail, s->detail ? s->detail : "");
	f->has_value = s->has_value;
	f->value = s->has_value ? s->value : 0;
	take_text(&f->message, message_render(run->settings->check->message, run->settings, s));
	fill_remedies(f, run, s);
	fill_labels(f, s);
}

void
content_fill_more(struct finding *f, const struct run *run, size_t count, enum severity severity)
{
	fill_common(f, run, severity);
	set_text(&f->object, FINDING_MORE);
	set_text(&f->detail, "");
	f->count = count;
	take_text(&f->message, xasprintf("%s: %zu more beyond max_findings = %zu", f->title, count,
	                           run->settings->max_findings));
}
