/*
 * Tools whose files say all by their names: a number or a time in front, or a word that orders them.
 */
#include "base/str.h"
#include "migration/tool.h"
#include <ctype.h>
#include <stdlib.h>

typedef char *(*version_fn)(const struct migration_file *);

/* The number before `_` of NUMBER_name.ending; NULL: no such name. */
static char *
numbered(const struct migration_file *f, const char *ending, const char *not_ending)
{
	_cleanup_free_ char *number = NULL;
	const char *rest;

	if (!str_ends(f->name, ending) || (not_ending && str_ends(f->name, not_ending)))
		return NULL;
	number = migration_number(f->name, &rest);
	return number && *rest == '_' ? TAKE_PTR(number) : NULL;
}

static char *
rails_version(const struct migration_file *f)
{
	return numbered(f, ".rb", NULL);
}

static char *
golang_version(const struct migration_file *f)
{
	/* It reads one folder, not those below. */
	return f->name == f->path ? numbered(f, ".up.sql", NULL) : NULL;
}

static char *
goose_version(const struct migration_file *f)
{
	char *v;

	if (f->name != f->path)
		return NULL;
	v = numbered(f, ".sql", NULL);
	return v ? v : numbered(f, ".go", "_test.go");
}

static char *
sqlx_version(const struct migration_file *f)
{
	return f->name == f->path ? numbered(f, ".sql", ".down.sql") : NULL;
}

static char *
dbmate_version(const struct migration_file *f)
{
	const char *rest;

	return f->name == f->path && str_ends(f->name, ".sql") ? migration_number(f->name, &rest)
	                                                       : NULL;
}

static char *
knex_version(const struct migration_file *f)
{
	static const char *const endings[] = { ".js", ".cjs", ".mjs", ".ts" };

	if (f->name != f->path || !isdigit((unsigned char)f->name[0]) || str_ends(f->name, ".d.ts"))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (str_ends(f->name, endings[i]))
			return xstrdup(f->name);
	return NULL;
}

static char *
prisma_version(const struct migration_file *f)
{
	return streq(f->name, "migration.sql") && f->name != f->path ? xstrdup(f->dir) : NULL;
}

static bool
has_version(const struct migration_file *f, version_fn version)
{
	_cleanup_free_ char *v = version(f);

	return v != NULL;
}

#define NAMED(tool)                                                                                \
	static bool is_##tool(const struct migration_file *f, const char *text)                    \
	{                                                                                          \
		(void)text;                                                                        \
		return has_version(f, tool##_version);                                             \
	}
NAMED(rails)
NAMED(golang)
NAMED(sqlx)
NAMED(knex)
NAMED(prisma)

/* Both are NUMBER_name.sql; their marks tell. */
static bool
is_goose(const struct migration_file *f, const char *text)
{
	return has_version(f, goose_version) && (!text || strcasestr(text, "-- +goose"));
}

static bool
is_dbmate(const struct migration_file *f, const char *text)
{
	return has_version(f, dbmate_version) && (!text || strcasestr(text, "-- migrate:up"));
}

struct entry {
	char *v;
	const struct migration_file *file;
};

/* Numbers by their value, then the rest as it stands. */
static int
by_version(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	size_t nx = strspn(x->v, "0123456789"), ny = strspn(y->v, "0123456789");

	if (!x->v[nx] && !y->v[ny] && nx != ny)
		return nx < ny ? -1 : 1;
	return strcmp(x->v, y->v);
}

static int
read_versions(struct migration_folder *f, version_fn version, char *(*sum)(const char *, size_t),
    json_t *known, struct err *e)
{
	_cleanup_free_ struct entry *v = xcalloc(f->n + 1, sizeof(*v));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < f->n; i++)
		if ((v[n].v = version(&f->v[i])))
			v[n++].file = &f->v[i];
	qsort(v, n, sizeof(*v), by_version);
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *text = NULL;
		json_t *o;
		size_t len;

		if (r >= 0 && (i == 0 || !streq(v[i].v, v[i - 1].v) || sum)) {
			o = migration_add(known, v[i].v, v[i].file->path);
			if (sum && (r = migration_file_read(f, v[i].file, &text, &len, e)) >= 0)
				migration_sums(o, text, len, sum);
		}
	}
	for (size_t i = 0; i < n; i++)
		free(v[i].v);
	return r;
}

#define READS(tool, sum)                                                                           \
	static int read_##tool(struct migration_folder *f, json_t *known, struct err *e)           \
	{                                                                                          \
		return read_versions(f, tool##_version, sum, known, e);                            \
	}
READS(rails, NULL)
READS(golang, migration_sha384) /* sqlx's reversible ones have the same names */
READS(goose, NULL)
READS(dbmate, NULL)
READS(sqlx, migration_sha384)
READS(knex, NULL)
READS(prisma, migration_sha256)

const struct migration_tool migration_rails = { "rails", NULL, is_rails, false, read_rails };
const struct migration_tool migration_golang = { "golang-migrate", "sqlx", is_golang, false,
	read_golang };
const struct migration_tool migration_goose = { "goose", NULL, is_goose, true, read_goose };
const struct migration_tool migration_dbmate = { "dbmate", NULL, is_dbmate, true, read_dbmate };
const struct migration_tool migration_sqlx = { "sqlx", NULL, is_sqlx, false, read_sqlx };
const struct migration_tool migration_knex = { "knex", NULL, is_knex, false, read_knex };
const struct migration_tool migration_prisma = { "prisma", NULL, is_prisma, false, read_prisma };
