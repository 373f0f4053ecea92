/* The report of `dbhealth release-check`. */
#include "base/str.h"
#include "base/text.h"
#include "cli/release.h"
#include "report/report.h"

#include <stdarg.h>
#include <stdio.h>

#define WIDTH ((size_t)79)

const char *const release_state_names[RELEASE_STATE_N] = { "ok", "skipped", "warning", "failed" };

/* ---- steps ---- */

struct release_step *
release_add(struct release *r, const char *id, const char *title)
{
	struct release_step *s = &r->steps[r->nsteps++];

	assert(r->nsteps <= RELEASE_STEPS_MAX);
	*s = (struct release_step){ .id = id, .title = title };
	return s;
}

void
release_worsen(struct release_step *s, enum release_state state)
{
	s->state = MAX(s->state, state);
}

void
release_line(struct release_step *s, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	strv_add(&s->lines, text);
	free(text);
}

enum release_state
release_verdict(const struct release *r)
{
	enum release_state worst = RELEASE_OK;

	for (size_t i = 0; i < r->nsteps; i++)
		if (r->steps[i].state != RELEASE_SKIPPED)
			worst = MAX(worst, r->steps[i].state);
	return worst;
}

void
release_done(struct release *r)
{
	for (size_t i = 0; i < r->nsteps; i++) {
		free(r->steps[i].summary);
		strv_free(r->steps[i].lines);
		json_decref(r->steps[i].facts);
	}
	admin_target_done(&r->target);
	*r = (struct release){ 0 };
}

/* ---- as text ---- */

/* Words of a text behind what stands on the line, on as many lines as they need. */
void
release_wrap(struct str *out, size_t column, size_t indent, const char *text)
{
	_cleanup_free_ char *shown = show_text(text);
	char *rest = shown, *word;
	bool first = true;

	while ((word = strsep(&rest, " "))) {
		size_t n = text_columns(word);

		if (!first && column + 1 + n > WIDTH) {
			str_addf(out, "\n%*s", (int)indent, "");
			column = indent;
			first = true;
		}
		str_addf(out, "%s%s", first ? "" : " ", word);
		column += n + !first;
		first = false;
	}
	str_addc(out, '\n');
}

static const char *
verdict_word(const struct release *r)
{
	switch (release_verdict(r)) {
	case RELEASE_OK:
	case RELEASE_SKIPPED:
		return "GO";
	case RELEASE_WARNING:
		return "GO, WITH WARNINGS";
	case RELEASE_FAILED:
		return "NO-GO";
	case RELEASE_STATE_N:
		break;
	}
	return "";
}

static char *
summary_of(const struct release *r)
{
	size_t failed = 0, warned = 0;

	for (size_t i = 0; i < r->nsteps; i++) {
		failed += r->steps[i].state == RELEASE_FAILED;
		warned += r->steps[i].state == RELEASE_WARNING;
	}
	return xasprintf("%zu step%s, %zu failed, %zu with warnings", r->nsteps, words_s(r->nsteps),
	    failed, warned);
}

static void
add_step(struct str *out, const struct release_step *s)
{
	_cleanup_free_ char *head =
	    xasprintf("%-8s  %-14s", release_state_names[s->state], s->title);

	str_addf(out, "\n%s  ", head);
	release_wrap(out, strlen(head) + 2, 10, s->summary ? s->summary : "");
	for (char **line = s->lines; line && *line; line++) {
		str_add(out, "          ");
		release_wrap(out, 10, 12, *line);
	}
}

/* What a text may not do on a page. */
void
release_escape(struct str *out, const char *text)
{
	_cleanup_free_ char *shown = show_text(text);

	for (const char *p = shown; *p; p++) {
		if (strchr("\\`*_[]<>|#~&", *p))
			str_addc(out, '\\');
		str_addc(out, *p);
	}
}

static char *
markdown(const struct release *r)
{
	_cleanup_free_ char *summary = summary_of(r);
	struct str out = { 0 };

	str_add(&out, "# Release check of ");
	release_escape(&out, r->database);
	str_addf(&out, "\n\n**%s**: %s\n\n| Step | State | |\n| --- | --- | --- |\n",
	    verdict_word(r), summary);
	for (size_t i = 0; i < r->nsteps; i++) {
		const struct release_step *s = &r->steps[i];

		str_addf(&out, "| %s | %s | ", s->title, release_state_names[s->state]);
		release_escape(&out, s->summary ? s->summary : "");
		str_add(&out, " |\n");
	}
	for (size_t i = 0; i < r->nsteps; i++) {
		const struct release_step *s = &r->steps[i];

		if (s->lines)
			str_addf(&out, "\n## %s\n\n", s->title);
		for (char **line = s->lines; line && *line; line++) {
			str_add(&out, "- ");
			release_escape(&out, *line);
			str_addc(&out, '\n');
		}
	}
	return str_take(&out);
}

char *
release_text(const struct release *r, bool as_markdown)
{
	_cleanup_free_ char *summary = summary_of(r), *name = show_text(r->database);
	struct str out = { 0 };

	if (as_markdown)
		return markdown(r);
	str_addf(&out, "%s  ", verdict_word(r));
	{
		_cleanup_free_ char *rest = xasprintf("%s: %s", name, summary);

		release_wrap(&out, strlen(verdict_word(r)) + 2, 2, rest);
	}
	for (size_t i = 0; i < r->nsteps; i++)
		add_step(&out, &r->steps[i]);
	return str_take(&out);
}

/* ---- as JSON ---- */

json_t *
release_json(const struct release *r)
{
	static const char *const verdicts[RELEASE_STATE_N] = { "go", "go", "warnings", "no-go" };
	enum release_state verdict = release_verdict(r);
	_cleanup_free_ char *summary = summary_of(r);
	json_t *o = json_object(), *steps = json_array();

	for (size_t i = 0; i < r->nsteps; i++) {
		const struct release_step *s = &r->steps[i];
		json_t *step = json_object(), *lines = json_array();

		for (char **line = s->lines; line && *line; line++)
			json_array_append_new(lines, report_string(*line));
		json_object_set_new(step, "id", json_string(s->id));
		json_object_set_new(step, "title", json_string(s->title));
		json_object_set_new(step, "state", json_string(release_state_names[s->state]));
		json_object_set_new(step, "summary", report_string(s->summary ? s->summary : ""));
		json_object_set_new(step, "lines", lines);
		json_object_set_new(
		    step, "facts", s->facts ? json_incref(s->facts) : json_object());
		json_array_append_new(steps, step);
	}
	json_object_set_new(o, "database", report_string(r->database));
	json_object_set_new(o, "engine", json_string(engine_names[r->target.engine]));
	json_object_set_new(o, "verdict", json_string(verdicts[verdict]));
	json_object_set_new(o, "ok", json_boolean(verdict != RELEASE_FAILED));
	json_object_set_new(o, "message", report_string(summary));
	json_object_set_new(o, "steps", steps);
	return o;
}
