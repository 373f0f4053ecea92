/* [routine]: what is to be done each day, week, month, and what of it the daemon does. */
#include "base/str.h"
#include "conf/loader.h"
#include "conf/option.h"
#include <stdarg.h>
#include <stdio.h>

/* A slip in the name of an item would become a person's work that nobody does. */
static const char *
slip_of(const char *name)
{
	if (routine_item_find(name) != ROUTINE_MANUAL)
		return NULL;
	return str_nearest(name, routine_item_names + 1, ROUTINE_ITEM_N - 1);
}

_printf_(3, 4) static void refuse(
    struct loader *l, const struct merged_entry *e, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	err_list_add(
	    l->errors, "%s:%d: [routine] %s: %s", e->origin.file, e->origin.line, e->key, text);
	free(text);
}

static void
judge_name(struct loader *l, const struct merged_entry *e, const char *name)
{
	const char *meant = slip_of(name);

	if (meant)
		refuse(l, e, "%s: did you mean %s? What people do needs another name", name, meant);
	if (strlen(name) > CONF_ROUTINE_NAME_MAX)
		refuse(l, e, "%s: longer than %d bytes", name, CONF_ROUTINE_NAME_MAX);
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '/') {
			refuse(l, e, "a name has neither control characters nor slashes");
			return;
		}
}

static bool
has(char *const *list, const char *name)
{
	for (; list && *list; list++)
		if (streq(*list, name))
			return true;
	return false;
}

/* The period that names the item; ROUTINE_PERIOD_N: none. */
static enum routine_period
period_of(const struct conf_routine *r, const char *name, enum routine_period until)
{
	for (enum routine_period p = 0; p < until; p++)
		if (has(r->items[p], name))
			return p;
	return ROUTINE_PERIOD_N;
}

static void
judge_items(struct loader *l, const struct merged_section *s)
{
	const struct conf_routine *r = &l->conf->routine;
	size_t n = 0;

	for (enum routine_period p = 0; p < ROUTINE_PERIOD_N; p++) {
		const struct merged_entry *e = merged_find(s, routine_period_names[p]);

		for (size_t i = 0; e && r->items[p] && r->items[p][i]; i++) {
			const char *name = r->items[p][i];
			enum routine_period other = period_of(r, name, p);

			judge_name(l, e, name);
			for (size_t k = 0; other == ROUTINE_PERIOD_N && k < i; k++)
				if (streq(r->items[p][k], name))
					other = p;
			if (other != ROUTINE_PERIOD_N)
				refuse(l, e, "%s is %s already", name, routine_period_names[other]);
			if (++n == CONF_ROUTINE_ITEMS_MAX + 1)
				refuse(l, e, "more than %d items", CONF_ROUTINE_ITEMS_MAX);
		}
	}
}

/* What takes eyes is no job. */
static bool
is_job(enum routine_item i)
{
	switch (i) {
	case ROUTINE_HEALTH_CHECK:
	case ROUTINE_BACKUP_VERIFICATION:
	case ROUTINE_OPTIMIZE:
	case ROUTINE_STATISTICS:
	case ROUTINE_MIGRATIONS_REVIEW:
	case ROUTINE_ARCHIVE:
		return true;
	case ROUTINE_MANUAL:
	case ROUTINE_SLOW_QUERIES:
	case ROUTINE_FINDINGS_REVIEW:
	case ROUTINE_ITEM_N:
		break;
	}
	return false;
}

static void
judge_run(struct loader *l, const struct merged_section *s)
{
	const struct conf_routine *r = &l->conf->routine;
	const struct merged_entry *e = merged_find(s, "run");

	for (size_t i = 0; e && r->run && r->run[i]; i++) {
		const char *name = r->run[i], *meant = slip_of(name);

		if (meant)
			refuse(l, e, "there is no %s; did you mean %s?", name, meant);
		else if (!is_job(routine_item_find(name)))
			refuse(l, e,
			    "%s is people's work: health-check, backup-verification, optimize, "
			    "statistics, migrations-review and archive can be run",
			    name);
		else if (period_of(r, name, ROUTINE_PERIOD_N) == ROUTINE_PERIOD_N)
			refuse(l, e, "%s is neither daily, weekly, monthly, quarterly nor yearly",
			    name);
	}
}

void
loader_read_routine(struct loader *l, const struct merged_section *s)
{
	struct conf_routine *r = &l->conf->routine;

	r->origin = (struct conf_origin){ xstrdup(s->origin.file), s->origin.line };
	for (size_t i = 0; i < s->nentries; i++)
		free(loader_read_entry(l, s, &s->entries[i], r));
	judge_items(l, s);
	judge_run(l, s);
}

bool
conf_routine_equal(const struct conf *a, const struct conf *b)
{
	return !a->routine.origin.file == !b->routine.origin.file &&
	       option_fields_equal(KIND_ROUTINE, &a->routine, &b->routine);
}

void
conf_routine_free(struct conf *c)
{
	option_free_fields(KIND_ROUTINE, &c->routine);
	free(c->routine.origin.file);
}
