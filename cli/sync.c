/*
 * Which statements of a difference go into which file and section: what cannot run in a transaction, or
 * would hold a strong lock until its end, into a second file without one.
 */
#include "cli/sync.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/diff_plan.h"
#include "migrate/script.h"
#include "migrate/statements.h"

#include <stdio.h>
#include <time.h>

enum place { PLACE_FIRST = 0, PLACE_SECOND, PLACE_COMMENT, PLACE_NOWHERE };

/* One difference both ways: down may be NULL, or have no statements. */
struct change {
	struct diff_item *up, *down;
	enum place place;
};
struct changes {
	struct change *v;
	size_t n;
	struct map *by_item; /* of up and down, by key */
};

static char *
key_of(const struct diff_item *i)
{
	return xasprintf("%s\n%s", i->object, i->part ? i->part : "");
}

static char *
name_of(const struct diff_item *i)
{
	_cleanup_free_ char *object = show_text(i->object),
	                    *part = show_text(i->part ? i->part : "");

	return xasprintf("%s%s%s", object, i->part ? ": " : "", part);
}

/* ---- items as a migration wants them ---- */

static bool
is_view(const struct diff_item *i)
{
	return str_starts(i->object, "view ") || str_starts(i->object, "materialized view ");
}

static void
forget_statements(struct diff_item *i)
{
	i->ddl = strv_free(i->ddl);
	free(i->phases);
	free(i->refused);
	i->phases = NULL;
	i->refused = NULL;
}

/* Nobody reads a table that this file makes. */
static void
forget_concurrently(struct diff_item *i)
{
	static const char word[] = " CONCURRENTLY";

	for (char **text = i->ddl; text && *text; text++) {
		char *at = strstr(*text, word);

		if (at && at - *text <= (long)strlen("CREATE UNIQUE INDEX"))
			memmove(at, at + strlen(word), strlen(at + strlen(word)) + 1);
	}
}

/* CREATE OR REPLACE VIEW only adds columns. */
static void
make_view_anew(const struct diff *d, struct diff_item *i)
{
	_cleanup_free_ char *drop = diff_text_of(&d->b, i->object, "@drop"),
	                    *make = diff_text_of(&d->a, i->object, "definition");

	forget_statements(i);
	diff_item_add(i, PHASE_DROP, drop);
	diff_item_add(i, PHASE_VIEW, make);
}

static void
tidy_item(const struct diff *d, struct diff_item *i)
{
	if (!i->part && i->change == SHAPE_REMOVED)
		forget_concurrently(i);
	if (!i->part && i->change == SHAPE_ADDED && is_view(i))
		for (size_t k = 0; k < strv_len(i->ddl); k++)
			i->phases[k] = PHASE_DROP;
	if (i->part && str_starts(i->object, "view ") && str_starts(i->part, "column ") &&
	    i->change != SHAPE_REMOVED)
		make_view_anew(d, i);
}

struct keys {
	struct diff *diff;
	enum shape_change change;
	const char *object;
};

static void
add_key(const char *part, const char *value, void *arg)
{
	const struct keys *k = arg;
	struct diff *d = k->diff;
	_cleanup_free_ char *drop = xasprintf("@drop %s", part), *text = NULL;
	struct diff_item i = { .change = k->change };

	(void)value;
	if (!str_starts(part, "foreign key "))
		return;
	text = k->change == SHAPE_REMOVED ? diff_text_of(&d->a, k->object, part)
	                                  : diff_text_of(&d->b, k->object, drop);
	if (!text)
		return;
	i.object = xstrdup(k->object);
	i.part = xstrdup(part);
	i.words = xstrdup("");
	diff_item_add(&i, k->change == SHAPE_REMOVED ? PHASE_CONSTRAINT : PHASE_DROP, text);
	d->items = xreallocarray(d->items, d->n + 1, sizeof(*d->items));
	d->items[d->n++] = i;
}

/* Foreign keys of tables that come or go: by themselves, two new tables may point at each other. */
static void
part_keys(struct diff *d)
{
	size_t n = d->n;

	for (size_t i = 0; i < n; i++) {
		struct keys k = { d, d->items[i].change, d->items[i].object };

		if (d->items[i].part || k.change == SHAPE_CHANGED)
			continue;
		shape_parts(k.change == SHAPE_REMOVED ? d->a.now : d->b.now, k.object, add_key, &k);
	}
}

static void
prepare(struct diff *d)
{
	diff_make(d);
	part_keys(d);
	for (size_t i = 0; i < d->n; i++)
		tidy_item(d, &d->items[i]);
}

/* ---- where it goes ---- */

/* Whole objects, and what holds values. */
static bool
loses(const struct changes *c, const struct diff_item *i)
{
	_cleanup_free_ char *whole = xasprintf("%s\n", i->object);

	if (i->change != SHAPE_ADDED)
		return false;
	return !i->part || map_get(c->by_item, whole) || str_starts(i->part, "attribute ") ||
	       (str_starts(i->part, "column ") && !str_starts(i->object, "view "));
}

static bool
says(const struct diff_item *i, const char *word)
{
	for (char **text = i ? i->ddl : NULL; text && *text; text++)
		if (strstr(*text, word))
			return true;
	return false;
}

/* Validation reads the table: in one transaction with what went before it, under that lock. */
static bool
wants_no_transaction(const struct diff_item *i)
{
	return says(i, "CONCURRENTLY") || says(i, "VALIDATE CONSTRAINT");
}

static bool
is_new_key(const struct changes *c, const struct diff_item *i)
{
	_cleanup_free_ char *whole = xasprintf("%s\n", i->object);

	return i->part && str_starts(i->part, "foreign key ") && map_get(c->by_item, whole);
}

static enum place
place_of(const struct sync *s, const struct changes *c, const struct change *x)
{
	if (!x->up->ddl)
		return PLACE_NOWHERE;
	if (!s->drops && loses(c, x->up))
		return PLACE_COMMENT;
	if (s->engine == ENGINE_SQLITE || !x->up->part || is_new_key(c, x->up))
		return PLACE_FIRST;
	return wants_no_transaction(x->up) || wants_no_transaction(x->down) ? PLACE_SECOND
	                                                                    : PLACE_FIRST;
}

static void
place_all(const struct sync *s, struct changes *c)
{
	bool second = false;

	for (size_t i = 0; i < c->n; i++) {
		struct change *x = &c->v[i];

		x->place = place_of(s, c, x);
		second = second || x->place == PLACE_SECOND;
	}
	/* What new keys point at may be unique by the second file only; and what goes may be what a
	 * constraint or index there, which goes too, stands on. */
	for (size_t i = 0; second && i < c->n; i++) {
		struct change *x = &c->v[i];

		if (x->place == PLACE_FIRST &&
		    (is_new_key(c, x->up) || (loses(c, x->up) && !is_view(x->up))))
			x->place = PLACE_SECOND;
	}
}

/* Each database keeps its own account of what was run on it; ours is no difference at all. */
static bool
is_account(const struct diff_item *i)
{
	return str_starts(i->object, "table ") && (str_ends(i->object, ".schema_migrations") ||
	                                              streq(i->object, "table schema_migrations"));
}

static void
pair_up(struct diff *up, struct diff *down, struct changes *ret)
{
	struct map *downs = map_new();

	*ret = (struct changes){ .v = xcalloc(up->n + 1, sizeof(*ret->v)), .by_item = map_new() };
	for (size_t i = 0; i < down->n; i++) {
		_cleanup_free_ char *key = key_of(&down->items[i]);

		map_put(downs, key, &down->items[i]);
	}
	for (size_t i = 0; i < up->n; i++) {
		_cleanup_free_ char *key = key_of(&up->items[i]);
		struct change *x;

		if (is_account(&up->items[i]))
			continue;
		x = &ret->v[ret->n++];
		*x = (struct change){ .up = &up->items[i], .down = map_get(downs, key) };
		map_put(ret->by_item, key, x);
	}
	map_free(downs, NULL);
}

/* ---- sections ---- */

struct wanted {
	const struct changes *changes;
	enum place place;
};

static bool
is_wanted(const struct diff_item *i, void *arg)
{
	const struct wanted *w = arg;
	_cleanup_free_ char *key = key_of(i);
	const struct change *x = map_get(w->changes->by_item, key);

	return x && x->place == w->place;
}

/* Building an index waits for whoever reads, and holds nobody up meanwhile. */
static void
add_outside(struct str *out, const char *text)
{
	_cleanup_free_ struct migrate_statement *v = NULL;
	size_t n = 0;

	if (migrate_split(text, &v, &n) < 0) {
		str_addf(out, "%s\n", text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *one = xstrndup(text + v[i].at, v[i].len);
		bool concurrent = strstr(one, " CONCURRENTLY ") != NULL;

		if (concurrent)
			str_add(out, "SET lock_timeout = 0;\n");
		str_addf(out, "%s%s\n", one, str_ends(one, ";") ? "" : ";");
		if (concurrent)
			str_add(out, "SET lock_timeout = '2s';\n");
	}
}

static void
add_comment(struct str *out, const char *text)
{
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");

		str_add(out, "-- ");
		str_addn(out, line, n);
		str_addc(out, '\n');
		line += n + (line[n] == '\n');
	}
}

static void
add_section(const struct sync *s, struct str *out, char *const *list, bool transaction)
{
	bool postgresql = s->engine == ENGINE_POSTGRESQL;

	if (postgresql && list)
		str_addf(out, "SET %slock_timeout = '2s';\nSET %scheck_function_bodies = off;\n",
		    transaction ? "LOCAL " : "", transaction ? "LOCAL " : "");
	for (char *const *text = list; text && *text; text++) {
		if (transaction)
			str_addf(out, "%s\n", *text);
		else
			add_outside(out, *text);
	}
	if (postgresql && list && !transaction)
		str_add(out, "RESET lock_timeout;\nRESET check_function_bodies;\n");
}

/* ---- files ---- */

static void
add_notes(const struct sync *s, const struct changes *c, enum place place, struct str *out)
{
	bool second = place == PLACE_SECOND;
	_cleanup_free_ char *a = show_text(s->up->a.name), *b = show_text(s->up->b.name);
	size_t n = 0, lost = 0;

	for (size_t i = 0; i < c->n; i++) {
		n += c->v[i].place == place;
		lost += c->v[i].place == place && loses(c, c->v[i].up);
	}
	str_addf(out, "-- Bring %s to the schema of %s\n--\n-- Business context:\n", b, a);
	str_addf(out, "--   %s: %s differs from %s in %zu place%s that this closes\n",
	    migrate_note_names[NOTE_REASON], b, a, n, words_s(n));
	if (lost > 0)
		str_addf(out, "--   %s: what only %s has is dropped with its data: %zu object%s\n",
		    migrate_note_names[NOTE_DATA_IMPACT], b, lost, words_s(lost));
	else
		str_addf(out, "--   %s: no row is changed or lost\n",
		    migrate_note_names[NOTE_DATA_IMPACT]);
	str_addf(out, "--   %s: %s\n--\n-- Technical notes:\n", migrate_note_names[NOTE_ROLLBACK],
	    s->kept ? "in part, what cannot be taken back stands in the section down"
	            : "the section down; what was put into new columns and tables goes with them");
	str_addf(out, "--   %s: %s\n", migrate_note_names[NOTE_CONSTRAINTS],
	    second ? "added NOT VALID, then validated, each by itself"
	           : "those of new objects come with them");
	str_addf(out, "--   %s: %s\n\n", migrate_note_names[NOTE_PERFORMANCE],
	    s->engine == ENGINE_SQLITE ? "one transaction, in which nobody else writes"
	    : second ? "indexes CONCURRENTLY, validation reads the tables, outside a transaction"
	             : "short locks in one transaction; waits at most 2s for each");
}

static void
add_open(const struct sync *s, const struct changes *c, struct str *out)
{
	struct wanted w = { c, PLACE_COMMENT };
	_cleanup_strv_ char **lost = diff_statements(s->up, is_wanted, &w);

	if (lost)
		str_add(out, "\n-- These lose what is in them (dbhealth sync --drops):\n");
	for (char **text = lost; text && *text; text++)
		add_comment(out, *text);
	if (s->open)
		str_add(out, "\n-- Stays different:\n");
	for (char **text = s->open; text && *text; text++)
		add_comment(out, *text);
}

/* As the reader of such files sees it: a line of somebody's text may be a mark. */
static bool
reads_back(const char *name, const char *text, const char *up, const char *down)
{
	struct migrate_script m = { 0 };
	struct err e = { 0 };
	bool same;

	if (migrate_script_parse(name, text, strlen(text), &m, &e) < 0)
		return false;
	same = strstr(m.up.sql, up) && m.down.sql && strstr(m.down.sql, down);
	migrate_script_done(&m);
	return same;
}

static void
add_file(struct sync *s, const struct changes *c, enum place place, int64_t wall_us)
{
	bool transaction = place == PLACE_FIRST;
	struct wanted w = { c, place };
	_cleanup_strv_ char **up = diff_statements(s->up, is_wanted, &w),
	                    **down = diff_statements(s->down, is_wanted, &w);
	_cleanup_free_ char *words = xasprintf("sync with %s", s->up->a.name);
	_cleanup_free_ char *slug = migrate_slug(words);
	_cleanup_str_ struct str up_text = { 0 }, down_text = { 0 };
	struct str out = { 0 };
	time_t at = (time_t)(wall_us / USEC_PER_SEC) + (transaction ? 0 : 1);
	struct sync_file *f;
	struct tm tm;
	char stamp[32];

	if (!up && !(transaction && s->nfiles == 0 && s->open))
		return;
	gmtime_r(&at, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm);
	add_section(s, &up_text, up, transaction);
	add_section(s, &down_text, down, transaction);
	add_notes(s, c, place, &out);
	str_addf(&out, "-- migrate:up%s\n%s", transaction ? "" : " transaction:false",
	    str_text(&up_text));
	if (transaction)
		add_open(s, c, &out);
	str_addf(&out, "\n-- migrate:down%s\n%s", transaction ? "" : " transaction:false",
	    str_text(&down_text));
	for (char **text = transaction ? s->kept : NULL; text && *text; text++) {
		str_add(&out, "-- cannot be taken back: ");
		str_addf(&out, "%s\n", *text);
	}
	s->files = xreallocarray(s->files, s->nfiles + 1, sizeof(*s->files));
	f = &s->files[s->nfiles++];
	f->name = xasprintf("%s_%s%s.sql", stamp, slug, transaction ? "" : "_outside");
	f->text = str_take(&out);
	if (!reads_back(f->name, f->text, str_text(&up_text), str_text(&down_text)))
		s->reads_as_mark = true;
}

static void
note_gaps(struct sync *s, const struct changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct change *x = &c->v[i];
		_cleanup_free_ char *name = name_of(x->up), *text = NULL;
		const char *why = x->down ? x->down->refused : NULL;

		if (x->place == PLACE_NOWHERE && x->up->refused) {
			text = xasprintf("%s: %s", name, x->up->refused);
			strv_add(&s->open, text);
		} else if (x->place == PLACE_COMMENT && x->up->part == NULL) {
			text = xasprintf("%s: dropping it loses what is in it", name);
			strv_add(&s->open, text);
		} else if (x->place == PLACE_COMMENT) {
			text = xasprintf("%s: dropping it loses data", name);
			strv_add(&s->open, text);
		} else if ((x->place == PLACE_FIRST || x->place == PLACE_SECOND) && why) {
			text = xasprintf("%s: %s", name, why);
			strv_add(&s->kept, text);
		}
	}
}

void
sync_make(struct sync *s, struct diff *up, struct diff *down, int64_t version_wall_us)
{
	struct changes c;

	s->up = up;
	s->down = down;
	prepare(up);
	prepare(down);
	pair_up(up, down, &c);
	s->n = c.n;
	place_all(s, &c);
	note_gaps(s, &c);
	if (c.n > 0) {
		add_file(s, &c, PLACE_FIRST, version_wall_us);
		add_file(s, &c, PLACE_SECOND, version_wall_us);
	}
	map_free(c.by_item, NULL);
	free(c.v);
}

void
sync_done(struct sync *s)
{
	for (size_t i = 0; i < s->nfiles; i++) {
		free(s->files[i].name);
		free(s->files[i].text);
	}
	free(s->files);
	strv_free(s->open);
	strv_free(s->kept);
	*s = (struct sync){ 0 };
}
