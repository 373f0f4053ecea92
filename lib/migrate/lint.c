/* What both engines share: the list of notes, what is remembered, what a file's head owes. */
#include "migrate/lint.h"
#include "base/str.h"
#include "migrate/lint_impl.h"

struct lint_note *
lint_add(struct lint *l, const char *rule, enum severity severity, int line, const char *object,
    char *take_message, const char *remedy, char *take_sql)
{
	if (l->n == l->cap) {
		l->cap = MAX(l->cap * 2, 8);
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n] = (struct lint_note){ .rule = rule,
		.severity = severity,
		.line = line,
		.last_line = line,
		.object = xstrdup(object),
		.message = take_message,
		.remedy = xstrdup(remedy),
		.sql = take_sql };
	return &l->v[l->n++];
}

/* ---- what files before left behind ---- */

struct lint_memory *
lint_memory_new(void)
{
	struct lint_memory *m = xcalloc(1, sizeof(*m));

	m->facts = map_new();
	return m;
}

struct lint_memory *
lint_memory_free(struct lint_memory *m)
{
	if (m)
		map_free(m->facts, free);
	free(m);
	return NULL;
}

const char *
lint_recall(const struct lint_memory *m, const char *kind, const char *table, const char *name)
{
	_cleanup_free_ char *key = xasprintf("%s\n%s\n%s", kind, table, name);

	return m ? map_get(m->facts, key) : NULL;
}

void
lint_remember(
    struct lint_memory *m, const char *kind, const char *table, const char *name, const char *value)
{
	_cleanup_free_ char *key = xasprintf("%s\n%s\n%s", kind, table, name);

	if (m)
		free(value ? map_put(m->facts, key, xstrdup(value)) : map_remove(m->facts, key));
}

/* ---- a file ---- */

/*
 * The way back is run when something went wrong: that it takes away what the way up brought is its
 * purpose, that it blocks is worth knowing, that it fails stays as bad.
 */
static void
be_gentle(struct lint *l, size_t from)
{
	static const char *const fails[] = { "concurrently-in-transaction", "vacuum-in-transaction",
		"not-in-transaction", "transaction-inside", "pragma-in-transaction", "not-parsed",
		"not-sqlite" };

	for (size_t i = from; i < l->n; i++) {
		struct lint_note *n = &l->v[i];
		bool stays = false;

		for (size_t j = 0; j < ARRAY_SIZE(fails); j++)
			stays |= streq(fails[j], n->rule);
		if (n->destructive || streq(n->rule, "object-renamed"))
			n->severity = SEVERITY_INFO;
		else if (!stays)
			n->severity = MIN(n->severity, SEVERITY_WARNING);
	}
}

static void
look_at_section(const struct migrate_section *section, bool down,
    const struct lint_context *context, struct lint *ret)
{
	size_t from = ret->n;

	if (context->engine == ENGINE_SQLITE)
		lint_sqlite(section, context, ret);
	else
		lint_postgresql(section, context, ret);
	if (down)
		be_gentle(ret, from);
	lint_allow(context->engine, section, ret, from);
}

void
lint_script(
    const struct migrate_script *m, bool down, const struct lint_context *context, struct lint *ret)
{
	const struct migrate_section *section = down ? &m->down : &m->up;
	struct lint_context alone = *context;

	if (section->line == 0)
		return;
	/* What the way back does is no state that the next file begins with. */
	if (down)
		alone.memory = NULL;
	look_at_section(section, down, &alone, ret);
}

void
lint_text(
    const char *sql, bool in_transaction, const struct lint_context *context, struct lint *ret)
{
	struct migrate_section section = {
		.sql = (char *)sql, .line = 1, .transaction = in_transaction
	};

	look_at_section(&section, false, context, ret);
}

void
lint_notes(const struct migrate_script *m, struct lint *ret)
{
	_cleanup_str_ struct str owed = { 0 };

	for (int i = 0; m->has_notes && i < NOTE_N; i++)
		if (!m->note[i])
			str_addf(&owed, "%s%s", owed.len ? ", " : "", migrate_note_names[i]);
	if (owed.len > 0)
		lint_add(ret, "notes-missing", SEVERITY_CRITICAL, 1, "",
		    xasprintf("its head does not say yet: %s", owed.s),
		    "Write them there, for those who review it and those who are called at "
		    "night; \"none\" is an answer.",
		    NULL);
	if (m->down.line == 0)
		lint_add(ret, "down-missing", SEVERITY_WARNING, 0, "",
		    xstrdup("there is no -- migrate:down, so no way back"),
		    "Write one; where there is no way back, say so in it and let it fail.", NULL);
}

enum severity
lint_worst(const struct lint *l)
{
	enum severity worst = SEVERITY_NONE;

	for (size_t i = 0; i < l->n; i++)
		worst = MAX(worst, l->v[i].severity);
	return worst;
}

void
lint_done(struct lint *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].object);
		free(l->v[i].message);
		free(l->v[i].remedy);
		free(l->v[i].sql);
		free(l->v[i].allowed);
	}
	free(l->v);
	*l = (struct lint){ 0 };
}
