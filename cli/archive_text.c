/* What `dbhealth archive` says: for people in 80 columns, and as docs/schema/archive.json. */
#include "base/clock.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/archive.h"
#include "report/layout.h"
#include "report/report.h"

#include <stdio.h>

#define COLUMNS 79

/* Behind a label, wrapped; the text is for people already. */
static void
wrapped(const char *label, const char *text, struct str *out)
{
	size_t at = (size_t)MAX(strlen(label), (size_t)11);

	str_addf(out, "%-11s", label);
	while (*text) {
		size_t n = strcspn(text, " ");
		_cleanup_free_ char *word = xstrndup(text, n);
		size_t width = text_columns(word);

		if (at > 11 && at + 1 + width > COLUMNS) {
			str_addf(out, "\n%11s", "");
			at = 11;
		}
		if (at > 11) {
			str_addc(out, ' ');
			at++;
		}
		str_add(out, word);
		at += width;
		text += n + strspn(text + n, " ");
	}
	str_addc(out, '\n');
}

static void
line(struct str *out, const char *label, char *take)
{
	_cleanup_free_ char *shown = show_text(take);

	wrapped(label, shown, out);
	free(take);
}

/* The first line begins at the first column. */
static void
verdict(const char *message, struct str *out)
{
	_cleanup_free_ char *shown = show_text(message);
	_cleanup_str_ struct str body = { 0 };

	wrapped("", shown, &body);
	str_add(out, body.s + 11);
}

static char *
number(int64_t n)
{
	return unit_format((double)n, UNIT_COUNT);
}

static char *
rows_text(int64_t n)
{
	_cleanup_free_ char *count = number(n);

	return xasprintf("%s row%s", count, n == 1 ? "" : "s");
}

/* ---- JSON ---- */

static json_t *
text_or_null(const char *s)
{
	_cleanup_free_ char *clean = s ? text_from_peer(s, strlen(s), TEXT_MAX_BYTES) : NULL;

	return clean ? json_string(clean) : json_null();
}

static json_t *
texts(char *const *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < strv_len(v); i++)
		json_array_append_new(list, text_or_null(v[i]));
	return list;
}

static json_t *
head(const struct archive_job *j, bool ok, const char *message)
{
	json_t *o = json_object();

	json_object_set_new(o, "ok", json_boolean(ok));
	json_object_set_new(o, "message", text_or_null(message));
	json_object_set_new(
	    o, "archive", j->archive ? text_or_null(j->archive->name) : json_null());
	if (!j->archive)
		return o;
	json_object_set_new(o, "database", text_or_null(j->archive->database));
	json_object_set_new(o, "table", text_or_null(j->archive->table));
	json_object_set_new(o, "to", text_or_null(j->archive->to));
	return o;
}

static void
print(const struct archive_job *j, json_t *take)
{
	cli_print_json(j->cli, take);
	json_decref(take);
}

int
archive_fail(const struct archive_job *j, int code, const struct err *e, const char *what)
{
	_cleanup_free_ char *why = show_text(e->msg), *message = NULL;

	message = xasprintf(
	    "archive %s: %s%s%s.", j->archive->name, what ? what : "", what ? ": " : "", why);
	text_one_stop(message);
	if (j->cli->o.output == OUTPUT_JSON) {
		print(j, head(j, false, message));
		return code;
	}
	return cli_refuse(j->cli, code, "%s", message);
}

/* ---- what would be done ---- */

static int64_t
batches(const struct archive_job *j)
{
	return (j->count.rows + j->archive->batch - 1) / j->archive->batch;
}

static char *
plan_message(const struct archive_job *j)
{
	_cleanup_free_ char *rows = rows_text(j->count.rows);

	if (strv_len(j->refused) > 0)
		return xasprintf(
		    "archive %s: it cannot be done: %s", j->archive->name, j->refused[0]);
	if (j->count.rows == 0)
		return xasprintf("archive %s: nothing is old enough", j->archive->name);
	return xasprintf("archive %s: %s would be %s", j->archive->name, rows,
	    j->archive->delete_rows ? "moved" : "copied");
}

static void
print_plan_json(const struct archive_job *j, const char *message)
{
	const struct archive_count *c = &j->count;
	json_t *o = head(j, strv_len(j->refused) == 0, message);

	json_object_set_new(o, "dry_run", json_true());
	json_object_set_new(o, "cutoff", text_or_null(j->which.cutoff));
	json_object_set_new(o, "rows", json_integer(c->rows));
	json_object_set_new(o, "referenced", json_integer(c->referenced));
	json_object_set_new(o, "without_key", json_integer(c->without_key));
	json_object_set_new(o, "bytes", json_integer(c->bytes));
	json_object_set_new(o, "batches", json_integer(batches(j)));
	json_object_set_new(o, "oldest", text_or_null(c->oldest));
	json_object_set_new(o, "newest", text_or_null(c->newest));
	json_object_set_new(o, "refused", texts(j->refused));
	json_object_set_new(o, "notes", texts(j->notes));
	print(j, o);
}

void
archive_print_plan(const struct archive_job *j)
{
	const struct archive_count *c = &j->count;
	_cleanup_free_ char *message = plan_message(j), *n = number(batches(j)),
	                    *bytes = unit_format((double)c->bytes, UNIT_BYTES);
	_cleanup_str_ struct str out = { 0 };

	if (j->cli->o.output == OUTPUT_JSON) {
		print_plan_json(j, message);
		return;
	}
	verdict(message, &out);
	line(&out, "  from", xasprintf("%s: %s", j->archive->database, j->archive->table));
	line(&out, "  to", xstrdup(j->archive->to));
	if (j->which.cutoff)
		line(&out, "  before", xstrdup(j->which.cutoff));
	if (c->rows > 0)
		line(&out, "  size", xasprintf("about %s in %s batches", bytes, n));
	if (c->oldest)
		line(&out, "  rows of",
		    xasprintf("%s to %s", c->oldest, c->newest ? c->newest : "?"));
	if (c->referenced > 0)
		line(&out, "  stay",
		    xasprintf("%lld to which others refer", (long long)c->referenced));
	if (c->without_key > 0)
		line(
		    &out, "  stay", xasprintf("%lld whose key is NULL", (long long)c->without_key));
	for (size_t i = 1; i < strv_len(j->refused); i++)
		line(&out, "  and", xstrdup(j->refused[i]));
	for (size_t i = 0; i < strv_len(j->notes); i++)
		line(&out, "  note", xstrdup(j->notes[i]));
	cli_print(j->cli, str_text(&out));
}

/* ---- what was done ---- */

static char *
done_message(const struct archive_job *j, const struct err *e)
{
	const struct archive_tally *t = &j->tally;
	_cleanup_free_ char *rows = rows_text(j->archive->delete_rows ? t->deleted : t->copied),
	                    *took = duration_format(MAX(j->took_us, USEC_PER_MSEC));
	const char *verb = j->archive->delete_rows ? "moved" : "copied";

	if (e)
		return xasprintf("archive %s: %s. %s %s before that; the next run goes on",
		    j->archive->name, e->msg, rows, verb);
	if (t->conflicts > 0)
		return xasprintf(
		    "archive %s: %s %s; %lld stay, since other rows with their key are "
		    "there already, as %s",
		    j->archive->name, rows, verb, (long long)t->conflicts,
		    t->conflict ? t->conflict : "?");
	return xasprintf("archive %s: %s %s in %s", j->archive->name, rows, verb, took);
}

static void
print_done_json(const struct archive_job *j, int code, const char *message)
{
	const struct archive_tally *t = &j->tally;
	json_t *o = head(j, code == 0, message);

	json_object_set_new(o, "dry_run", json_false());
	json_object_set_new(o, "copied", json_integer(t->copied));
	json_object_set_new(o, "deleted", json_integer(t->deleted));
	json_object_set_new(o, "already", json_integer(t->already));
	json_object_set_new(o, "changed", json_integer(t->changed));
	json_object_set_new(o, "conflicts", json_integer(t->conflicts));
	json_object_set_new(o, "resumed", json_integer(t->resumed));
	json_object_set_new(o, "batches", json_integer(t->batches));
	json_object_set_new(o, "bytes", json_integer(t->bytes));
	json_object_set_new(o, "limited", json_boolean(t->limited));
	json_object_set_new(o, "seconds", json_real((double)j->took_us / 1e6));
	print(j, o);
}

void
archive_print_done(const struct archive_job *j, int code, const struct err *e)
{
	const struct archive_tally *t = &j->tally;
	_cleanup_free_ char *message = done_message(j, e), *shown = show_text(message);
	_cleanup_str_ struct str out = { 0 };

	if (j->cli->o.output == OUTPUT_JSON) {
		print_done_json(j, code, shown);
		return;
	}
	if (code != 0)
		(void)cli_refuse(j->cli, code, "%s.", shown);
	else
		layout_message(&out, "", 4, shown);
	if (t->resumed > 0)
		line(&out, "  resumed",
		    xasprintf("a batch of %lld row%s that an earlier run had left",
		        (long long)t->resumed, words_s((size_t)t->resumed)));
	if (t->already > 0)
		line(&out, "  already",
		    xasprintf("%lld were there, the same, from before", (long long)t->already));
	if (t->changed > 0)
		line(&out, "  stay",
		    xasprintf(
		        "%lld that others changed or had locked meanwhile", (long long)t->changed));
	if (t->limited)
		line(&out, "  more", xstrdup("the run ended at its limit; there may be more"));
	cli_print(j->cli, str_text(&out));
}

void
archive_print_proof(
    const struct archive_job *j, const struct archive_proof *p, int code, const struct err *e)
{
	_cleanup_free_ char *rows = rows_text(p->rows), *message = NULL, *shown = NULL;
	_cleanup_str_ struct str out = { 0 };
	size_t wrong = strv_len(p->wrong);

	if (e)
		message = xasprintf("archive %s: %s", j->archive->name, e->msg);
	else if (wrong > 0)
		message = xasprintf("archive %s: %zu of %lld batches are not as they were written",
		    j->archive->name, wrong, (long long)p->batches);
	else
		message = xasprintf("archive %s: %lld batch%s, %s: all as they were written",
		    j->archive->name, (long long)p->batches, p->batches == 1 ? "" : "es", rows);
	shown = show_text(message);
	if (j->cli->o.output == OUTPUT_JSON) {
		json_t *o = head(j, code == 0, shown);

		json_object_set_new(o, "batches", json_integer(p->batches));
		json_object_set_new(o, "rows", json_integer(p->rows));
		json_object_set_new(o, "bytes", json_integer(p->bytes));
		json_object_set_new(o, "unfinished", json_integer(p->unfinished));
		json_object_set_new(o, "wrong", texts(p->wrong));
		print(j, o);
		return;
	}
	if (code != 0)
		(void)cli_refuse(j->cli, code, "%s.", shown);
	else
		layout_message(&out, "", 4, shown);
	for (size_t i = 0; i < wrong; i++)
		line(&out, "  wrong", xstrdup(p->wrong[i]));
	if (p->unfinished > 0)
		line(&out, "  open",
		    xasprintf("%lld not finished: the next run goes on with it",
		        (long long)p->unfinished));
	cli_print(j->cli, str_text(&out));
}

/* ---- the list ---- */

static json_t *
one_json(const struct conf_archive *a)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", text_or_null(a->name));
	json_object_set_new(o, "database", text_or_null(a->database));
	json_object_set_new(o, "table", text_or_null(a->table));
	json_object_set_new(o, "to", text_or_null(a->to));
	json_object_set_new(o, "schedule", text_or_null(a->schedule));
	return o;
}

void
archive_print_list(const struct cli *cli, const struct conf *conf)
{
	_cleanup_str_ struct str out = { 0 };
	struct archive_job none = { .cli = cli };
	_cleanup_free_ char *message = xasprintf(
	    "%zu archive%s configured", conf->narchives, conf->narchives == 1 ? " is" : "s are");
	json_t *list = json_array();

	str_addf(&out, "%s\n", message);
	for (size_t i = 0; i < conf->narchives; i++) {
		const struct conf_archive *a = &conf->archives[i];

		json_array_append_new(list, one_json(a));
		line(&out, "  archive", xstrdup(a->name));
		line(&out, "    from", xasprintf("%s: %s", a->database, a->table));
		line(&out, "    to", xstrdup(a->to));
		if (a->schedule)
			line(&out, "    at", xstrdup(a->schedule));
	}
	if (cli->o.output == OUTPUT_JSON) {
		json_t *o = head(&none, true, message);

		json_object_set(o, "archives", list);
		print(&none, o);
	} else {
		cli_print(cli, str_text(&out));
	}
	json_decref(list);
}
