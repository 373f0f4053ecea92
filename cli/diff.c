/*
 * Differences of two schemas.  What the catalogue keeps as a tree is compared by its text here, which the
 * server wrote on both sides.
 */
#include "cli/diff.h"
#include "base/str.h"
#include "base/text.h"
#include "base/words.h"
#include "cli/diff_plan.h"
#include "report/report.h"
#include <ctype.h>

/* ---- texts ---- */

static const char *
text_piece(const struct diff_side *s, const char *object, const char *part)
{
	for (size_t i = 0; i < s->ntexts; i++) {
		const char *text = shape_part(s->texts[i], object, part);

		if (text)
			return text;
	}
	return NULL;
}

char *
diff_text_of(const struct diff_side *s, const char *object, const char *part)
{
	const char *text = text_piece(s, object, part);
	struct str whole = { 0 };

	if (!text)
		return NULL;
	str_add(&whole, text);
	for (unsigned n = 2;; n++) {
		_cleanup_free_ char *more = xasprintf("%s\x01%03u", part, n);

		text = text_piece(s, object, more);
		if (!text)
			return str_take(&whole);
		str_add(&whole, text);
	}
}

/* Which text tells what stands behind ~. */
static char *
tree_name(const char *object, const char *part)
{
	if (str_starts(part, "column "))
		return xasprintf("@default %s", part);
	if (streq(part, "source") || streq(part, "arguments"))
		return xstrdup("definition");
	if (str_starts(object, "domain "))
		return xstrdup("@create");
	return xstrdup(part);
}

/*
 * Versions write the same view with and without the table before a column's name, and with more or fewer
 * brackets and blanks.
 */
static char *
plain(const char *text)
{
	struct str out = { 0 };
	size_t word = 0; /* where the name that is being written begins */

	for (const char *p = text; *p; p++) {
		if (*p == '\'' || *p == '"') {
			const char *end = strchr(p + 1, *p);
			size_t n = end ? (size_t)(end - p) + 1 : strlen(p);

			word = *p == '"' ? out.len : word;
			str_addn(&out, p, n);
			p += n - 1;
		} else if (*p == '.' && out.len > word && !isdigit((unsigned char)out.s[word])) {
			out.len = word; /* the table's name, or the schema's */
			out.s[out.len] = '\0';
		} else if (isalnum((unsigned char)*p) || *p == '_' || (*p & 0x80)) {
			str_addc(&out, *p);
		} else {
			if (!isspace((unsigned char)*p) && *p != '(' && *p != ')')
				str_addc(&out, *p);
			word = out.len;
		}
	}
	return str_take(&out);
}

static bool
same_tree(const struct diff *d, const char *object, const char *part)
{
	_cleanup_free_ char *name = tree_name(object, part);
	_cleanup_free_ char *a = diff_text_of(&d->a, object, name),
	                    *b = diff_text_of(&d->b, object, name);
	const char *v = text_piece(&d->a, object, "@version"),
	           *w = text_piece(&d->b, object, "@version");
	_cleanup_free_ char *x = NULL, *y = NULL;

	if (!a || !b || streq(a, b))
		return true;
	if (v && w && streq(v, w))
		return false;
	x = plain(a);
	y = plain(b);
	return streq(x, y);
}

/* ---- one text for a whole schema ---- */

struct lines {
	const struct diff_side *side;
	const char *object;
	char **v;
	size_t n, cap;
};

static void
add_line(struct lines *l, char *take)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n++] = take;
}

static void
add_part_line(const char *part, const char *value, void *arg)
{
	struct lines *l = arg;
	int n = (int)strcspn(value, "~");
	_cleanup_free_ char *name = value[n] ? tree_name(l->object, part) : NULL;
	_cleanup_free_ char *text = name ? diff_text_of(l->side, l->object, name) : NULL;

	add_line(
	    l, xasprintf("%s\x01%s\x01%.*s\x01%s\n", l->object, part, n, value, text ? text : ""));
}

static int
by_line(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void
diff_fingerprint(const struct diff_side *s, char ret[static SHA_HEX_SIZE])
{
	struct lines l = { .side = s };
	struct str all = { 0 };

	for (size_t iter = 0; shape_next(s->now, &iter, &l.object);) {
		add_line(&l, xasprintf("%s\n", l.object));
		shape_parts(s->now, l.object, add_part_line, &l);
	}
	if (l.n > 0)
		qsort(l.v, l.n, sizeof(*l.v), by_line);
	for (size_t i = 0; i < l.n; i++) {
		str_add(&all, l.v[i]);
		free(l.v[i]);
	}
	sha_hex(256, str_text(&all), all.len, ret);
	free(l.v);
	str_done(&all);
}

/* ---- what is wanted ---- */

struct tilde {
	const struct diff *diff;
	const char *object;
	bool differs;
};

static bool
only_tree_differs(const char *a, const char *b)
{
	size_t n = strcspn(a, "~");

	return n == strcspn(b, "~") && strncmp(a, b, n) == 0 && !streq(a, b);
}

static void
look_for_tree(const char *part, const char *value, void *arg)
{
	struct tilde *t = arg;
	const char *other = shape_part(t->diff->b.now, t->object, part);

	t->differs = t->differs || !other || only_tree_differs(value, other);
}

/*
 * Tables of ours in a database that we migrate or archive from and to: an account of what was done there,
 * no part of its schema.
 */
static bool
is_own(const char *object)
{
	static const char *const names[] = { "dbhealth_migrations", "dbhealth_archived",
		"dbhealth_archives" };
	const char *name;

	if (!str_starts(object, "table "))
		return false;
	name = strrchr(object, '.');
	name = name ? name + 1 : object + strlen("table ");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (streq(name, names[i]))
			return true;
	return false;
}

static size_t
count_objects(const struct shape *s)
{
	const char *object;
	size_t n = 0;

	for (size_t iter = 0; shape_next(s, &iter, &object);)
		n += !is_own(object);
	return n;
}

static void
note_object(const struct shape_difference *d, void *arg)
{
	json_t *seen = arg;

	if (!is_own(d->object))
		json_object_set_new(seen, d->object, json_true());
}

char *
diff_wanted(const struct diff *d, size_t from, size_t max)
{
	json_t *seen = json_object(), *list = json_array();
	const char *object;
	json_t *value;
	char *text = NULL;
	size_t i = 0;

	shape_compare(d->a.now, d->b.now, true, note_object, seen);
	for (size_t iter = 0; shape_next(d->a.now, &iter, &object);) {
		struct tilde t = { d, object, false };

		if (shape_has(d->b.now, object) && !is_own(object))
			shape_parts(d->a.now, object, look_for_tree, &t);
		if (t.differs)
			json_object_set_new(seen, object, json_true());
	}
	json_object_foreach (seen, object, value)
		if (i++ >= from && json_array_size(list) < max)
			json_array_append_new(list, json_string(object));
	if (json_array_size(list) > 0)
		text = json_dumps(list, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(seen);
	json_decref(list);
	return text;
}

/* ---- the text of a SQLite table ---- */

/* Columns and constraints between the outer brackets, each without quotes and blanks; a column that was
 * added by ALTER TABLE stands at the end, and is written as that was. */
struct cutter {
	int depth;
	bool in_text;
};

/* Whether the next character ends an element: a comma of the outer brackets, or these themselves. */
static bool
ends_element(struct cutter *c, char next)
{
	c->in_text = c->in_text != (next == '\'');
	if (c->in_text)
		return false;
	c->depth += next == '(' ? 1 : next == ')' ? -1 : 0;
	return (c->depth == 1 && (next == ',' || next == '(')) || (c->depth == 0 && next == ')');
}

static char **
elements(const char *text)
{
	_cleanup_str_ struct str one = { 0 };
	struct cutter c = { 0 };
	char **list = NULL;

	for (const char *p = text; *p; p++) {
		if (ends_element(&c, *p)) {
			strv_add(&list, str_text(&one));
			str_reset(&one);
		} else if (c.in_text) {
			str_addc(&one, *p);
		} else if (!isspace((unsigned char)*p) && !strchr("\"`[];", *p)) {
			str_addc(&one, (char)tolower((unsigned char)*p));
		}
	}
	strv_add(&list, str_text(&one));
	return list;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
same_table_text(const struct diff *d, const char *object)
{
	_cleanup_free_ char *a = diff_text_of(&d->a, object, "@create"),
	                    *b = diff_text_of(&d->b, object, "@create");
	char **x = a ? elements(a) : NULL, **y = b ? elements(b) : NULL;
	size_t n = strv_len(x);
	bool same = a && b && n == strv_len(y);

	if (same) {
		qsort(x, n, sizeof(*x), by_text);
		qsort(y, n, sizeof(*y), by_text);
	}
	for (size_t i = 0; same && i < n; i++)
		same = streq(x[i], y[i]);
	strv_free(x);
	strv_free(y);
	return same;
}

/* ---- differences ---- */

static unsigned
rank_of(const char *part)
{
	static const char *const grave[] = { "column ", "primary key ", "unique ", "foreign key ",
		"check ", "policy ", "row security", "labels", "type" };

	if (!part)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(grave); i++)
		if (str_starts(part, grave[i]))
			return 1;
	return 2;
}

static char *
words_of(const struct diff *d, const struct shape_difference *x)
{
	_cleanup_free_ char *a = NULL, *b = NULL;

	if (x->change != SHAPE_CHANGED)
		return xasprintf("only in %s", x->change == SHAPE_REMOVED ? d->a.name : d->b.name);
	a = shape_value_words(x->before);
	b = shape_value_words(x->after);
	if (!*a || !*b || streq(a, b) || strlen(a) > 100 || strlen(b) > 100)
		return xstrdup("differs");
	return xasprintf("%s in %s, %s in %s", a, d->a.name, b, d->b.name);
}

static void
add_item(const struct shape_difference *x, void *arg)
{
	struct diff *d = arg;
	struct diff_item *i;

	if (is_own(x->object))
		return;
	if (x->part && streq(x->part, "definition") && str_starts(x->object, "table ") &&
	    same_table_text(d, x->object))
		return;
	d->items = xreallocarray(d->items, d->n + 1, sizeof(*d->items));
	i = &d->items[d->n++];
	*i = (struct diff_item){ .change = x->change,
		.object = xstrdup(x->object),
		.part = xstrdup(x->part),
		.words = words_of(d, x),
		.rank = rank_of(x->part) };
	diff_plan(d, i, x->before, x->after);
}

struct trees {
	struct diff *diff;
	const char *object;
};

static void
add_tree(const char *part, const char *value, void *arg)
{
	const struct trees *t = arg;
	const char *other = shape_part(t->diff->b.now, t->object, part);
	struct shape_difference x = { .change = SHAPE_CHANGED,
		.object = t->object,
		.part = part,
		.before = value,
		.after = other };

	if (other && only_tree_differs(value, other) && !same_tree(t->diff, t->object, part))
		add_item(&x, t->diff);
}

static int
by_rank(const void *x, const void *y)
{
	const struct diff_item *a = x, *b = y;
	int r = a->rank != b->rank ? (int)a->rank - (int)b->rank : strcmp(a->object, b->object);

	return r != 0 ? r : strcmp(a->part ? a->part : "", b->part ? b->part : "");
}

static void
note_locked(struct diff *d, const struct diff_side *s)
{
	const char *object;

	for (size_t i = 0; i < s->ntexts; i++)
		for (size_t iter = 0; shape_next(s->texts[i], &iter, &object);)
			if (shape_part(s->texts[i], object, "@locked")) {
				_cleanup_free_ char *text = xasprintf("%s in %s", object, s->name);

				strv_add(&d->not_compared, text);
			}
}

void
diff_make(struct diff *d)
{
	const char *object;

	shape_compare(d->a.now, d->b.now, true, add_item, d);
	for (size_t iter = 0; shape_next(d->a.now, &iter, &object);) {
		struct trees t = { d, object };

		if (shape_has(d->b.now, object) && !is_own(object))
			shape_parts(d->a.now, object, add_tree, &t);
	}
	note_locked(d, &d->a);
	note_locked(d, &d->b);
	if (d->n > 0)
		qsort(d->items, d->n, sizeof(*d->items), by_rank);
}

void
diff_done(struct diff *d)
{
	for (size_t i = 0; i < d->n; i++) {
		struct diff_item *x = &d->items[i];

		free(x->object);
		free(x->part);
		free(x->words);
		free(x->refused);
		free(x->phases);
		strv_free(x->ddl);
	}
	free(d->items);
	strv_free(d->not_compared);
	d->items = NULL;
	d->not_compared = NULL;
	d->n = 0;
}

/* ---- what is told ---- */

char *
diff_text(const struct diff *d)
{
	struct str out = { 0 };
	const char *last = "";

	if (d->n == 0)
		str_addf(&out, "%s and %s have the same schema: %zu object%s\n", d->a.name,
		    d->b.name, count_objects(d->a.now), words_s(count_objects(d->a.now)));
	else
		str_addf(&out, "%s and %s differ: %zu difference%s\n", d->a.name, d->b.name, d->n,
		    d->n == 1 ? "" : "s");
	for (size_t i = 0; i < d->n; i++) {
		const struct diff_item *x = &d->items[i];
		_cleanup_free_ char *object = show_text(x->object);
		_cleanup_free_ char *part = show_text(x->part ? x->part : "");
		_cleanup_free_ char *words = show_text(x->words);

		if (!streq(last, x->object))
			str_addf(
			    &out, "\n%s%s%s\n", object, x->part ? "" : ": ", x->part ? "" : words);
		if (x->part)
			str_addf(&out, "  %s: %s\n", part, words);
		last = x->object;
	}
	for (char **name = d->not_compared; name && *name; name++) {
		_cleanup_free_ char *shown = show_text(*name);

		str_addf(&out, "\nnot compared as text, somebody has locked it: %s\n", shown);
	}
	return str_take(&out);
}

json_t *
diff_json(const struct diff *d)
{
	json_t *list = json_array(), *locked = json_array(), *o = json_object();

	for (size_t i = 0; i < d->n; i++) {
		const struct diff_item *x = &d->items[i];
		json_t *item = json_object(), *ddl = json_array();

		for (char **text = x->ddl; text && *text; text++)
			json_array_append_new(ddl, report_string(*text));
		json_object_set_new(item, "object", report_string(x->object));
		json_object_set_new(item, "part", report_string(x->part));
		json_object_set_new(item, "only_in",
		    x->change == SHAPE_CHANGED
		        ? json_null()
		        : report_string(x->change == SHAPE_REMOVED ? d->a.name : d->b.name));
		json_object_set_new(item, "words", report_string(x->words));
		json_object_set_new(item, "ddl", ddl);
		json_object_set_new(item, "refused", report_string(x->refused));
		json_array_append_new(list, item);
	}
	for (char **name = d->not_compared; name && *name; name++)
		json_array_append_new(locked, report_string(*name));
	json_object_set_new(o, "a", report_string(d->a.name));
	json_object_set_new(o, "b", report_string(d->b.name));
	json_object_set_new(o, "same", json_boolean(d->n == 0));
	json_object_set_new(o, "differences", list);
	json_object_set_new(o, "not_compared", locked);
	return o;
}
