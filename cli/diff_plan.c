/*
 * Which statements close a difference, and which are safe enough to be printed: nothing that rewrites a
 * table, holds a strong lock for long, or loses data unless that was asked for.
 */
#include "cli/diff_plan.h"
#include "base/map.h"
#include "base/str.h"

static enum phase
phase_of(const char *object, const char *part)
{
	static const struct {
		const char *begin;
		enum phase phase;
	} parts[] = { { "column ", PHASE_COLUMN }, { "attribute ", PHASE_TYPE },
		{ "index ", PHASE_INDEX }, { "primary key ", PHASE_INDEX },
		{ "unique ", PHASE_INDEX }, { "foreign key ", PHASE_CONSTRAINT },
		{ "check ", PHASE_CONSTRAINT } },
	  objects[] = { { "schema ", PHASE_SCHEMA }, { "extension ", PHASE_EXTENSION },
		  { "enum ", PHASE_TYPE }, { "domain ", PHASE_TYPE }, { "type ", PHASE_TYPE },
		  { "sequence ", PHASE_SEQUENCE }, { "table ", PHASE_TABLE },
		  { "partitioned table ", PHASE_TABLE }, { "virtual table ", PHASE_TABLE },
		  { "function ", PHASE_FUNCTION }, { "procedure ", PHASE_FUNCTION },
		  { "view ", PHASE_VIEW }, { "materialized view ", PHASE_VIEW } };

	if (part && str_starts(object, "materialized view ") && !streq(part, "definition"))
		return PHASE_REST;
	for (size_t i = 0; part && i < ARRAY_SIZE(parts); i++)
		if (str_starts(part, parts[i].begin))
			return parts[i].phase;
	if (part && !streq(part, "definition") && !streq(part, "labels") &&
	    !streq(part, "version") && !streq(part, "settings"))
		return PHASE_REST;
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		if (str_starts(object, objects[i].begin))
			return objects[i].phase;
	return PHASE_REST;
}

static void
refuse(struct diff_item *i, const char *why)
{
	if (!i->refused)
		i->refused = xstrdup(why);
}

void
diff_item_add(struct diff_item *i, enum phase phase, const char *text)
{
	size_t n = strv_len(i->ddl);

	if (!text)
		refuse(i, "no statement is known for it");
	else if (!*text) /* comes and goes with another one */
		return;
	else if (text[0] == '!')
		refuse(i, text + 1);
	else {
		i->phases = xreallocarray(i->phases, n + 1, sizeof(*i->phases));
		i->phases[n] = phase;
		strv_add(&i->ddl, text);
	}
}

static void
add_text(const struct diff_side *s, struct diff_item *i, enum phase phase, const char *name)
{
	_cleanup_free_ char *text = diff_text_of(s, i->object, name);

	diff_item_add(i, phase, text);
}

/* ---- objects ---- */

/* Parts that the statement which makes the object has made. */
static bool
is_made(const char *part)
{
	static const char *const made[] = { "column ", "attribute ", "partition key", "persistence",
		"definition", "labels", "settings", "version", "returns", "language", "arguments",
		"attributes", "source", "type", "inherits ", "bounds", "foreign server" };

	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		if (str_starts(part, made[i]))
			return true;
	return false;
}

struct making {
	const struct diff *diff;
	struct diff_item *item;
};

static void
make_part(const char *part, const char *value, void *arg)
{
	const struct making *m = arg;

	(void)value;
	/* What is said of a domain is in its CREATE; options of SQLite's tables too. */
	if (is_made(part) || str_starts(m->item->object, "domain "))
		return;
	if (m->diff->keys_apart && str_starts(part, "foreign key "))
		return;
	if (m->diff->a.ntexts > 0 && streq(part, "options")) {
		_cleanup_free_ char *text = diff_text_of(&m->diff->a, m->item->object, part);

		if (!text)
			return;
	}
	add_text(&m->diff->a, m->item, phase_of(m->item->object, part), part);
}

static void
plan_object(const struct diff *d, struct diff_item *i)
{
	struct making m = { d, i };
	_cleanup_free_ char *create = diff_text_of(&d->a, i->object, "@create");

	if (i->change == SHAPE_ADDED) {
		if (d->drops)
			add_text(&d->b, i, PHASE_DROP_LAST, "@drop");
		else
			refuse(i, "dropping it loses what is in it; --drops prints it");
		return;
	}
	if (create)
		diff_item_add(i, phase_of(i->object, NULL), create);
	else
		add_text(&d->a, i, phase_of(i->object, NULL), "definition");
	if (!i->refused)
		shape_parts(d->a.now, i->object, make_part, &m);
}

/* ---- parts ---- */

static bool
drops_not_null(const char *text)
{
	return text && str_ends(text, "DROP NOT NULL;");
}

static void
plan_column(const struct diff *d, struct diff_item *i)
{
	static const char *const names[] = { "@type", "@default", "@null" };
	char *a[3], *b[3];

	for (size_t n = 0; n < 3; n++) {
		_cleanup_free_ char *name = xasprintf("%s %s", names[n], i->part);

		a[n] = diff_text_of(&d->a, i->object, name);
		b[n] = diff_text_of(&d->b, i->object, name);
	}
	if (!a[0] || !b[0])
		refuse(i, "the table is to be made anew");
	else if (!streq(a[0], b[0]))
		refuse(i, "another type rewrites the table under a lock: do it by hand, or by a "
		          "new column");
	else {
		if (a[1] && (!b[1] || !streq(a[1], b[1])))
			diff_item_add(i, PHASE_COLUMN, a[1]);
		if (a[2] && b[2] && drops_not_null(a[2]) != drops_not_null(b[2]))
			diff_item_add(i, PHASE_COLUMN, a[2]);
	}
	for (size_t n = 0; n < 3; n++) {
		free(a[n]);
		free(b[n]);
	}
}

static bool
has_label(const struct diff_side *s, const char *object, const char *label)
{
	for (unsigned n = 1;; n++) {
		_cleanup_free_ char *name = xasprintf("value %u", n);
		_cleanup_free_ char *value = diff_text_of(s, object, name);

		if (!value || streq(value, label))
			return value != NULL;
	}
}

/* Labels can be added where they belong; none can be dropped. */
static void
plan_labels(const struct diff *d, struct diff_item *i)
{
	for (unsigned n = 1;; n++) {
		_cleanup_free_ char *name = xasprintf("value %u", n), *label = NULL, *value = NULL;
		_cleanup_free_ char *theirs = diff_text_of(&d->b, i->object, name);

		value = diff_text_of(&d->a, i->object, name);
		label = xasprintf("label %u", n);
		if (theirs && !has_label(&d->a, i->object, theirs))
			refuse(i, "a label cannot be dropped: make the type anew");
		if (!value && !theirs)
			break;
		if (value && !has_label(&d->b, i->object, value))
			add_text(&d->a, i, PHASE_TYPE, label);
	}
	if (!i->ddl)
		refuse(i, "labels cannot change their order: make the type anew");
}

static bool
only_not_validated(const char *a, const char *b)
{
	size_t n = strcspn(a, "~"), m = strcspn(b, "~");
	static const char tail[] = " not valid";
	size_t len = sizeof(tail) - 1;

	return m == n + len && strncmp(a, b, n) == 0 && strncmp(b + n, tail, len) == 0;
}

/* One under the same name is in the way. */
static void
plan_anew(const struct diff *d, struct diff_item *i)
{
	_cleanup_free_ char *drop = xasprintf("@drop %s", i->part);

	if (!d->drops) {
		refuse(i, "it would have to be dropped and made anew; --drops prints it");
		return;
	}
	add_text(&d->b, i, PHASE_DROP, drop);
	add_text(&d->a, i, phase_of(i->object, i->part), i->part);
}

static void
plan_changed(const struct diff *d, struct diff_item *i, const char *a, const char *b)
{
	static const char *const in_place[] = { "settings", "options", "row security",
		"replica identity", "version", "comment" };
	bool view = str_starts(i->object, "view "),
	     code = str_starts(i->object, "function ") || str_starts(i->object, "procedure ");

	for (size_t n = 0; n < ARRAY_SIZE(in_place); n++)
		if (str_starts(i->part, in_place[n])) {
			/* Those that only B has stay, unless they are taken away first. */
			if (d->drops && streq(i->part, "options"))
				add_text(&d->b, i, PHASE_REST, "@drop options");
			add_text(&d->a, i, phase_of(i->object, i->part), i->part);
			return;
		}
	if (view && streq(i->part, "definition"))
		add_text(&d->a, i, PHASE_VIEW, "definition");
	else if (code && !streq(i->part, "returns"))
		add_text(&d->a, i, PHASE_FUNCTION, "definition");
	else if (str_starts(i->part, "column ") && str_starts(i->object, "table "))
		plan_column(d, i);
	else if (streq(i->part, "labels"))
		plan_labels(d, i);
	else if ((str_starts(i->part, "check ") || str_starts(i->part, "foreign key ")) &&
	         only_not_validated(a, b)) {
		_cleanup_free_ char *text = diff_text_of(&d->a, i->object, i->part);
		const char *second = text ? strstr(text, ";\nALTER TABLE ") : NULL;

		diff_item_add(i, PHASE_CONSTRAINT, second ? second + 2 : NULL);
	} else if (str_starts(i->part, "index ") || str_starts(i->part, "check ") ||
	           str_starts(i->part, "foreign key ") || str_starts(i->part, "trigger ") ||
	           str_starts(i->part, "policy ") || str_starts(i->part, "rule ") ||
	           str_starts(i->part, "unique constraint ") || str_starts(i->part, "statistics "))
		plan_anew(d, i);
	else
		refuse(i, "do it by hand");
}

void
diff_plan(const struct diff *d, struct diff_item *i, const char *before, const char *after)
{
	if (d->a.ntexts == 0)
		return;
	if (!i->part) {
		plan_object(d, i);
	} else if (i->change == SHAPE_CHANGED) {
		plan_changed(d, i, before, after);
	} else if (i->change == SHAPE_REMOVED) {
		if (str_starts(i->object, "view ") && str_starts(i->part, "column "))
			add_text(&d->a, i, PHASE_VIEW, "definition");
		else
			add_text(&d->a, i, phase_of(i->object, i->part), i->part);
	} else if (d->drops) {
		_cleanup_free_ char *drop = xasprintf("@drop %s", i->part);

		add_text(&d->b, i,
		    str_starts(i->part, "column ") || str_starts(i->part, "attribute ")
		        ? PHASE_DROP_COLUMN
		        : PHASE_DROP_PART,
		    drop);
	} else {
		refuse(i, "dropping it is not printed unless --drops");
	}
	if (i->refused) { /* half of it helps nobody */
		i->ddl = strv_free(i->ddl);
		free(i->phases);
		i->phases = NULL;
	}
}

/* ---- all of them ---- */

struct statement {
	unsigned phase;
	char *order; /* by when it was made in A: what it stands on is older */
	size_t at;
	const char *text;
};

static int
by_order(const void *x, const void *y)
{
	const struct statement *a = x, *b = y;
	int r = a->phase != b->phase ? (int)a->phase - (int)b->phase : strcmp(a->order, b->order);

	/* What goes away goes in the other order. */
	if (a->phase == b->phase && (a->phase == PHASE_DROP || a->phase == PHASE_DROP_LAST))
		r = -r;
	return r != 0 ? r : a->at < b->at ? -1 : a->at > b->at;
}

char **
diff_statements(const struct diff *d, bool (*want)(const struct diff_item *, void *), void *arg)
{
	struct statement *all = NULL;
	struct map *seen = map_new();
	char **out = NULL;
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		for (size_t k = 0; d->items[i].ddl && d->items[i].ddl[k]; k++) {
			const struct diff_item *x = &d->items[i];
			bool goes = x->phases[k] == PHASE_DROP || x->phases[k] >= PHASE_DROP_PART;
			char *order;

			if (want && !want(x, arg))
				break;
			order = diff_text_of(goes ? &d->b : &d->a, x->object, "@order");
			if (!order)
				order = diff_text_of(goes ? &d->a : &d->b, x->object, "@order");
			all = xreallocarray(all, n + 1, sizeof(*all));
			all[n] = (struct statement){ x->phases[k], order ? order : xstrdup(""), n,
				x->ddl[k] };
			n++;
		}
	if (n > 0)
		qsort(all, n, sizeof(*all), by_order);
	for (size_t i = 0; i < n; i++) {
		if (!map_get(seen, all[i].text)) {
			map_put(seen, all[i].text, all);
			strv_add(&out, all[i].text);
		}
		free(all[i].order);
	}
	free(all);
	map_free(seen, NULL);
	return out;
}

char *
diff_ddl(const struct diff *d)
{
	_cleanup_strv_ char **list = diff_statements(d, NULL, NULL);
	struct str out = { 0 };

	for (char **text = list; text && *text; text++)
		str_addf(&out, "%s\n", *text);
	return str_take(&out);
}
