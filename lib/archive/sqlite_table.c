/* A table of a SQLite file: what it is, one like it, which of its rows are old. */
#include "archive/sqlite.h"
#include "base/clock.h"

#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

static char *
text(sqlite3_stmt *s, int column)
{
	return xstrdup((const char *)sqlite3_column_text(s, column));
}

static int
prepare_one(const struct archive_lite *q, const char *sql, const char *param, sqlite3_stmt **ret,
    struct err *e)
{
	int r = sqlite_held_prepare(&q->file, sql, ret, e);

	if (r >= 0)
		sqlite3_bind_text(*ret, 1, param, -1, SQLITE_STATIC);
	return r;
}

/* ---- by name ---- */

static int
look_up(const struct archive_lite *q, const char *name, struct archive_table *t, struct err *e)
{
	const char *rest = name;
	_cleanup_free_ char *first = archive_name_part(&rest),
	                    *second = *rest ? archive_name_part(&rest) : NULL;
	const char *bare = second ? second : first;
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	if (second && strcasecmp(first, "main") != 0)
		return err_set(e, -EINVAL,
		    "%.150s: a SQLite file has no schemas; write the table alone", name);
	r = prepare_one(q,
	    "SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE "
	    "NOCASE",
	    bare, &s, e);
	if (r >= 0)
		r = sqlite_held_step(&q->file, s, e);
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(e, -ENOENT, "%.150s: there is no table %.150s", q->file.path, bare);
	t->name = text(s, 0);
	t->quoted = archive_lite_quote(t->name);
	t->from = xstrdup(t->quoted);
	if (!streq((const char *)sqlite3_column_text(s, 1), "table"))
		return err_set(e, -EINVAL, "%.150s is a %s, no plain table", t->name,
		    sqlite3_column_text(s, 1));
	return 0;
}

/* What declares no integer, real or blob is text, for a table elsewhere; rows may say otherwise. */
static const char *
plain_of(const char *type)
{
	static const struct {
		const char *word, *plain;
	} words[] = { { "INT", "bigint" }, { "CHAR", "text" }, { "CLOB", "text" },
		{ "TEXT", "text" }, { "BLOB", "bytea" }, { "REAL", "double precision" },
		{ "FLOA", "double precision" }, { "DOUB", "double precision" } };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasestr(type, words[i].word))
			return words[i].plain;
	return "text";
}

static int
read_columns(const struct archive_lite *q, struct archive_table *t, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = prepare_one(q,
	    "SELECT name, type, pk, hidden, \"notnull\" FROM pragma_table_xinfo(?) ORDER BY cid",
	    t->name, &s, e);

	while (r >= 0 && (r = sqlite_held_step(&q->file, s, e)) > 0) {
		struct archive_column *c = archive_table_add(t);
		int pk = sqlite3_column_int(s, 2);

		*c = (struct archive_column){ .name = text(s, 0),
			.type = text(s, 1),
			.generated = sqlite3_column_int(s, 3) > 1 };
		c->quoted = archive_lite_quote(c->name);
		c->plain = xstrdup(plain_of(c->type));
		if (pk < 1)
			continue;
		if ((size_t)pk > t->nkey) {
			t->key = xreallocarray(t->key, (size_t)pk, sizeof(*t->key));
			t->nkey = (size_t)pk;
		}
		t->key[pk - 1] = t->ncolumns - 1;
		t->nullable_key = t->nullable_key || !sqlite3_column_int(s, 4);
	}
	return r;
}

/* Without a primary key: a unique index of whole columns that cannot be NULL. */
static int
read_unique(const struct archive_lite *q, struct archive_table *t, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = prepare_one(q,
	    "SELECT i.name, c.cid FROM pragma_index_list(?1) AS i JOIN pragma_index_info(i.name) "
	    "AS c"
	    " WHERE i.\"unique\" AND NOT i.partial AND i.name = (SELECT j.name FROM"
	    " pragma_index_list(?1) AS j WHERE j.\"unique\" AND NOT j.partial AND NOT EXISTS "
	    "(SELECT 1"
	    " FROM pragma_index_info(j.name) AS d LEFT JOIN pragma_table_xinfo(?1) AS x ON x.cid = "
	    "d.cid"
	    " WHERE x.\"notnull\" IS NOT 1) ORDER BY j.seq LIMIT 1) ORDER BY c.seqno",
	    t->name, &s, e);

	while (r >= 0 && (r = sqlite_held_step(&q->file, s, e)) > 0) {
		t->key = xreallocarray(t->key, t->nkey + 1, sizeof(*t->key));
		t->key[t->nkey++] = (size_t)sqlite3_column_int(s, 1);
	}
	return r;
}

static int
read_fks(const struct archive_lite *q, struct archive_table *t, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = prepare_one(q,
	    "SELECT m.name, f.id, f.seq, f.\"from\", f.\"to\", f.on_delete FROM sqlite_master AS m"
	    " JOIN pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table'"
	    " AND f.\"table\" = ? COLLATE NOCASE ORDER BY m.name, f.id, f.seq",
	    t->name, &s, e);
	struct archive_fk *fk = NULL;

	while (r >= 0 && (r = sqlite_held_step(&q->file, s, e)) > 0) {
		const char *to = (const char *)sqlite3_column_text(s, 4);
		const char *action = (const char *)sqlite3_column_text(s, 5);
		size_t seq = (size_t)sqlite3_column_int(s, 2);
		_cleanup_free_ char *from =
		    archive_lite_quote((const char *)sqlite3_column_text(s, 3));
		_cleanup_free_ char *column = NULL;

		if (seq == 0) {
			fk = archive_fk_add(t);
			fk->table = archive_lite_quote((const char *)sqlite3_column_text(s, 0));
			fk->on_delete = xstrdup(action);
			fk->plain = streq(action, "NO ACTION") || streq(action, "RESTRICT");
			fk->from = xasprintf("%s (%s)", fk->table, from);
		}
		/* Unless it says so it means the primary key. */
		if (!to && seq < t->nkey)
			to = t->columns[t->key[seq]].name;
		column = archive_lite_quote(to ? to : "");
		strv_add(&fk->own, from);
		strv_add(&fk->refers_to, column);
	}
	return r;
}

int
archive_lite_find(
    struct archive_db *db, const char *name, struct archive_table **ret, struct err *e)
{
	const struct archive_lite *q = archive_lite_of(db);
	_cleanup_(archive_table_freep) struct archive_table *t = xcalloc(1, sizeof(*t));
	struct stat st;
	int r = look_up(q, name, t, e);

	t->db = db;
	if (r >= 0)
		r = read_columns(q, t, e);
	if (r >= 0 && t->nkey == 0)
		r = read_unique(q, t, e);
	if (r >= 0)
		r = read_fks(q, t, e);
	if (r < 0)
		return r;
	if (fstat(q->file.fd, &st) < 0)
		return err_set(e, -errno, "%.200s: %s", q->file.path, strerror(errno));
	t->identity = xasprintf(
	    "%llx:%llx:%s", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino, t->name);
	*ret = TAKE_PTR(t);
	return 0;
}

/* ---- a new one ---- */

static const char *
held(sqlite3_stmt *s, int at, const char *declared)
{
	bool integers = sqlite3_column_int64(s, at) > 0,
	     reals = sqlite3_column_int64(s, at + 1) > 0;
	bool texts = sqlite3_column_int64(s, at + 2) > 0,
	     blobs = sqlite3_column_int64(s, at + 3) > 0;

	if (!integers && !reals && !texts && !blobs)
		return declared;
	if (!texts && !blobs)
		return reals ? "double precision" : "bigint";
	return blobs && !texts && !integers && !reals ? "bytea" : "text";
}

int
archive_lite_survey(struct archive_table *t, struct err *e)
{
	const struct archive_lite *q = archive_lite_of(t->db);
	static const char *const kinds[] = { "integer", "real", "text", "blob" };
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	_cleanup_str_ struct str sql = { 0 };
	int r;

	str_add(&sql, "SELECT ");
	for (size_t i = 0; i < t->ncolumns; i++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			str_addf(&sql, "%smax(typeof(%s) = '%s')", i + k > 0 ? ", " : "",
			    t->columns[i].quoted, kinds[k]);
	str_addf(&sql, " FROM %s", t->from);
	r = sqlite_held_prepare(&q->file, sql.s, &s, e);
	if (r >= 0)
		r = sqlite_held_step(&q->file, s, e);
	for (size_t i = 0; r > 0 && i < t->ncolumns; i++) {
		struct archive_column *c = &t->columns[i];
		const char *plain = held(s, (int)(i * ARRAY_SIZE(kinds)), c->plain);

		if (streq(plain, c->plain))
			continue;
		free(c->plain);
		c->plain = xstrdup(plain);
	}
	return MIN(r, 0);
}

static const char *
type_for(const struct archive_table *like, size_t i)
{
	const struct archive_column *c = &like->columns[i];

	if (archive_db_engine(like->db) == ENGINE_SQLITE)
		return c->type;
	switch (c->as) {
	case ARCHIVE_AS_INTEGER:
	case ARCHIVE_AS_BOOL:
		return "INTEGER";
	case ARCHIVE_AS_BYTES:
		return "BLOB";
	case ARCHIVE_AS_IS:
		break;
	}
	return "TEXT";
}

int
archive_lite_create(
    struct archive_db *db, const char *name, const struct archive_table *like, struct err *e)
{
	const struct archive_lite *q = archive_lite_of(db);
	const char *rest = name;
	_cleanup_free_ char *first = archive_name_part(&rest),
	                    *second = *rest ? archive_name_part(&rest) : NULL,
	                    *quoted = archive_lite_quote(second ? second : first);
	_cleanup_str_ struct str sql = { 0 };
	int r;

	str_addf(&sql, "CREATE TABLE main.%s (", quoted);
	for (size_t i = 0; i < like->ncolumns; i++) {
		_cleanup_free_ char *column = archive_lite_quote(like->columns[i].name);

		str_addf(&sql, "%s %s, ", column, type_for(like, i));
	}
	str_add(&sql, "PRIMARY KEY (");
	for (size_t i = 0; i < like->nkey; i++) {
		_cleanup_free_ char *column = archive_lite_quote(like->columns[like->key[i]].name);

		str_addf(&sql, "%s%s", i > 0 ? ", " : "", column);
	}
	str_add(&sql, "))");
	r = sqlite_held_do(&q->file, sql.s, e);
	return r < 0 ? err_prefix(e, "cannot make %.150s", name) : 0;
}

/* ---- which rows ---- */

static int
find_index(const struct archive_lite *q, const struct archive_table *t, struct archive_which *w,
    struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = prepare_one(q,
	    "SELECT 1 FROM pragma_index_list(?1) AS i JOIN pragma_index_xinfo(i.name) AS c"
	    " WHERE NOT i.partial AND c.seqno = 0 AND c.name = ?2 AND c.coll = 'BINARY'",
	    t->name, &s, e);

	if (r < 0)
		return r;
	sqlite3_bind_text(s, 2, w->column, -1, SQLITE_STATIC);
	r = sqlite_held_step(&q->file, s, e);
	w->by_column = r > 0;
	return r;
}

/*
 * Text as date functions read it; a number by its size: seconds up to the year 5138, milliseconds,
 * microseconds, a real small enough is a Julian day.  0 and less stand for "never" in practice.
 */
static void
add_age(const struct archive_table *t, struct archive_which *w, struct str *sql)
{
	const char *c = t->columns[w->column_index].quoted;
	int64_t cut_us = clock_wall_us() - w->older_than_us;
	long long s = (long long)(cut_us / USEC_PER_SEC);
	double julian = (double)cut_us / 86400e6 + 2440587.5;

	str_addf(sql,
	    "CASE typeof(%s) WHEN 'text' THEN julianday(%s) < %.8f"
	    " WHEN 'integer' THEN %s > 0 AND %s < CASE WHEN %s < 100000000000 THEN %lld"
	    " WHEN %s < 100000000000000 THEN %lld ELSE %lld END"
	    " WHEN 'real' THEN %s > 0 AND %s < CASE WHEN %s < 10000000 THEN %.8f ELSE %lld END END",
	    c, c, julian, c, c, c, s, c, s * 1000, s * 1000000, c, c, c, julian, s);
	w->cutoff = xasprintf("%lld", s);
}

int
archive_lite_prepare(const struct archive_table *t, struct archive_which *w, struct err *e)
{
	const struct archive_lite *q = archive_lite_of(t->db);
	_cleanup_str_ struct str sql = { 0 };
	int r = 0;

	if (w->column) {
		add_age(t, w, &sql);
		r = find_index(q, t, w, e);
	}
	if (w->where)
		str_addf(&sql, "%s(%s)", sql.len > 0 ? " AND " : "", w->where);
	w->old = str_take(&sql);
	if (r >= 0 && w->cutoff) {
		_cleanup_stmt_ sqlite3_stmt *s = NULL;

		r = prepare_one(q,
		    "SELECT strftime('%Y-%m-%d %H:%M:%SZ', CAST(? AS INTEGER), 'unixepoch')",
		    w->cutoff, &s, e);
		if (r >= 0)
			r = sqlite_held_step(&q->file, s, e);
		if (r > 0) {
			free(w->cutoff);
			w->cutoff = text(s, 0);
		}
	}
	return MIN(r, 0);
}

int
archive_lite_count(const struct archive_table *t, const struct archive_which *w,
    struct archive_count *ret, struct err *e)
{
	const struct archive_lite *q = archive_lite_of(t->db);
	_cleanup_free_ char *prefix = xasprintf("%s.", t->quoted);
	_cleanup_free_ char *referenced = archive_referenced(t, prefix);
	const char *column = w->column ? t->columns[w->column_index].quoted : "NULL";
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	_cleanup_str_ struct str sql = { 0 };
	int r;

	str_addf(&sql, "SELECT count(*), total(%s), min(%s), max(%s), total(",
	    referenced ? referenced : "0", column, column);
	for (size_t i = 0; i < t->ncolumns; i++)
		str_addf(&sql, "%sifnull(length(CAST(%s AS BLOB)), 0)", i > 0 ? " + " : "",
		    t->columns[i].quoted);
	str_add(&sql, "), total(");
	for (size_t i = 0; i < t->nkey; i++)
		str_addf(&sql, "%s%s IS NULL", i > 0 ? " OR " : "", t->columns[t->key[i]].quoted);
	str_addf(&sql, ") FROM %s WHERE %s", t->from, w->old);
	r = sqlite_held_prepare(&q->file, sql.s, &s, e);
	if (r >= 0)
		r = sqlite_held_step(&q->file, s, e);
	if (r <= 0)
		return r;
	ret->referenced = sqlite3_column_int64(s, 1);
	ret->without_key = sqlite3_column_int64(s, 5);
	ret->rows = sqlite3_column_int64(s, 0) - ret->referenced - ret->without_key;
	ret->oldest = text(s, 2);
	ret->newest = text(s, 3);
	ret->bytes = sqlite3_column_int64(s, 4);
	if (w->column && !w->by_column)
		ret->cost =
		    xasprintf("no index begins with %s: each run reads the whole table, in the "
		              "order of its key",
		        column);
	return 0;
}
