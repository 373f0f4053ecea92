/* What both engines have in common: tables, their names, and who may be called. */
#include "archive/db_impl.h"
#include "base/clock.h"

#include <time.h>

#define LOCK_STEP_NS 100000000L

struct archive_db *
archive_db_free(struct archive_db *db)
{
	if (db)
		db->ops->free(db);
	return NULL;
}

enum engine
archive_db_engine(const struct archive_db *db)
{
	return db->ops->engine;
}

struct archive_table *
archive_table_free(struct archive_table *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->ncolumns; i++) {
		free(t->columns[i].name);
		free(t->columns[i].quoted);
		free(t->columns[i].type);
		free(t->columns[i].plain);
	}
	for (size_t i = 0; i < t->nfks; i++) {
		free(t->fks[i].from);
		free(t->fks[i].table);
		free(t->fks[i].on_delete);
		strv_free(t->fks[i].own);
		strv_free(t->fks[i].refers_to);
	}
	free(t->columns);
	free(t->fks);
	free(t->key);
	free(t->name);
	free(t->quoted);
	free(t->schema);
	free(t->from);
	free(t->identity);
	free(t);
	return NULL;
}

void
archive_which_done(struct archive_which *w)
{
	free(w->old);
	free(w->cutoff);
	w->old = w->cutoff = NULL;
}

void
archive_count_done(struct archive_count *c)
{
	free(c->oldest);
	free(c->newest);
	free(c->cost);
	*c = (struct archive_count){ 0 };
}

char *
archive_name_part(const char **p)
{
	_cleanup_str_ struct str name = { 0 };
	const char *s = *p;

	if (*s == '"') {
		for (s++; *s; s++) {
			if (*s == '"' && *++s != '"')
				break;
			str_addc(&name, *s);
		}
	} else {
		while (*s && *s != '.')
			str_addc(&name, *s++);
	}
	*p = *s == '.' ? s + 1 : s;
	return str_take(&name);
}

char *
archive_referenced(const struct archive_table *t, const char *prefix)
{
	_cleanup_str_ struct str sql = { 0 };

	for (size_t i = 0; i < t->nfks; i++) {
		const struct archive_fk *fk = &t->fks[i];

		str_addf(&sql, "%sEXISTS (SELECT 1 FROM %s AS referring WHERE", i > 0 ? " OR " : "",
		    fk->table);
		for (size_t j = 0; fk->own[j]; j++)
			str_addf(&sql, "%s referring.%s = %s%s", j > 0 ? " AND" : "", fk->own[j],
			    prefix, fk->refers_to[j]);
		str_add(&sql, ")");
	}
	return t->nfks > 0 ? str_take(&sql) : NULL;
}

char *
archive_columns(const struct archive_table *t, const char *prefix)
{
	_cleanup_str_ struct str sql = { 0 };

	for (size_t i = 0; i < t->ncolumns; i++)
		str_addf(&sql, "%s%s%s", i > 0 ? ", " : "", prefix, t->columns[i].quoted);
	return str_take(&sql);
}

struct archive_column *
archive_table_add(struct archive_table *t)
{
	t->columns = xreallocarray(t->columns, t->ncolumns + 1, sizeof(*t->columns));
	t->columns[t->ncolumns] = (struct archive_column){ 0 };
	return &t->columns[t->ncolumns++];
}

struct archive_fk *
archive_fk_add(struct archive_table *t)
{
	t->fks = xreallocarray(t->fks, t->nfks + 1, sizeof(*t->fks));
	t->fks[t->nfks] = (struct archive_fk){ 0 };
	return &t->fks[t->nfks++];
}

size_t
archive_order(const struct archive_table *t, const struct archive_which *w, size_t *ret)
{
	size_t n = 0;

	if (w->by_column)
		ret[n++] = w->column_index;
	for (size_t i = 0; i < t->nkey; i++)
		if (!w->by_column || t->key[i] != w->column_index)
			ret[n++] = t->key[i];
	return n;
}

static struct archive_column *
column_named(const struct archive_table *t, const char *name)
{
	for (size_t i = 0; i < t->ncolumns; i++)
		if (streq(t->columns[i].name, name))
			return &t->columns[i];
	return NULL;
}

/* The target is found again by the same key: so that one must be unique there. */
static int
same_key(const struct archive_table *target, const struct archive_table *source, struct err *e)
{
	bool same = target->nkey == source->nkey;
	_cleanup_str_ struct str names = { 0 };

	for (size_t i = 0; i < source->nkey; i++) {
		bool has = false;

		for (size_t j = 0; j < target->nkey; j++)
			has = has || streq(target->columns[target->key[j]].name,
			                 source->columns[source->key[i]].name);
		same = same && has;
		str_addf(&names, "%s%s", i > 0 ? ", " : "", source->columns[source->key[i]].quoted);
	}
	if (same)
		return 0;
	return err_set(e, -EINVAL,
	    "%.120s has no primary key or unique index of (%.150s), by which its rows are found "
	    "again. ALTER TABLE %.120s ADD PRIMARY KEY (...), or name a table that is not there",
	    target->name, str_text(&names), target->quoted);
}

int
archive_table_align(struct archive_table *target, const struct archive_table *source, struct err *e)
{
	_cleanup_free_ struct archive_column *ordered =
	    xcalloc(source->ncolumns + 1, sizeof(*ordered));
	_cleanup_str_ struct str missing = { 0 };

	for (size_t i = 0; i < source->ncolumns; i++)
		if (!column_named(target, source->columns[i].name))
			str_addf(&missing, "%s%s", missing.len > 0 ? ", " : "",
			    source->columns[i].quoted);
	if (missing.len > 0)
		return err_set(e, -EINVAL,
		    "%.120s has no column %.200s; add it there, or name a table that is not there",
		    target->name, str_text(&missing));
	if (same_key(target, source, e) < 0)
		return e->code;
	for (size_t i = 0; i < source->ncolumns; i++) {
		struct archive_column *c = column_named(target, source->columns[i].name);

		ordered[i] = *c;
		ordered[i].as = source->columns[i].as;
		*c = (struct archive_column){ .name = xstrdup("") };
	}
	for (size_t i = 0; i < target->ncolumns; i++) {
		free(target->columns[i].name);
		free(target->columns[i].quoted);
		free(target->columns[i].type);
		free(target->columns[i].plain);
	}
	free(target->columns);
	target->columns = TAKE_PTR(ordered);
	target->ncolumns = source->ncolumns;
	free(target->key);
	target->key = xcalloc(source->nkey + 1, sizeof(*target->key));
	memcpy(target->key, source->key, source->nkey * sizeof(*target->key));
	return 0;
}

/* ---- one call each ---- */

int
archive_db_find(struct archive_db *db, const char *name, struct archive_table **ret, struct err *e)
{
	return db->ops->find(db, name, ret, e);
}

int
archive_db_survey(struct archive_table *t, struct err *e)
{
	return t->db->ops->survey ? t->db->ops->survey(t, e) : 0;
}

int
archive_db_create(
    struct archive_db *db, const char *name, const struct archive_table *like, struct err *e)
{
	return db->ops->create(db, name, like, e);
}

int
archive_db_prepare(const struct archive_table *t, struct archive_which *w, struct err *e)
{
	w->column_index = t->ncolumns;
	for (size_t i = 0; w->column && i < t->ncolumns; i++)
		if (streq(t->columns[i].name, w->column))
			w->column_index = i;
	if (w->column && w->column_index == t->ncolumns)
		return err_set(e, -ENOENT, "%.120s has no column %.120s", t->name, w->column);
	return t->db->ops->prepare(t, w, e);
}

int
archive_db_count(const struct archive_table *t, const struct archive_which *w,
    struct archive_count *ret, struct err *e)
{
	return t->db->ops->count(t, w, ret, e);
}

int
archive_db_lock(const struct archive_table *t, int64_t wait_us, struct err *e)
{
	int64_t until = clock_now_us() + wait_us;
	int r;

	while ((r = t->db->ops->lock(t, e)) == -EBUSY && clock_now_us() < until)
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_STEP_NS }, NULL);
	return r;
}

int
archive_db_begin(struct archive_db *db, bool write, struct err *e)
{
	return db->ops->begin(db, write, e);
}

int
archive_db_commit(struct archive_db *db, struct err *e)
{
	return db->ops->commit(db, e);
}

void
archive_db_rollback(struct archive_db *db)
{
	db->ops->rollback(db);
}

int
archive_db_select(const struct archive_table *t, const struct archive_which *w,
    const struct archive_cell *after, size_t n, bool lock, struct archive_rows **ret, struct err *e)
{
	return t->db->ops->select(t, w, after, n, lock, ret, e);
}

int
archive_db_read(const struct archive_table *t, const struct archive_rows *keys, bool lock,
    struct archive_found *ret, struct archive_rows **ret_rows, struct err *e)
{
	_cleanup_(archive_rows_freep) struct archive_rows *rows = archive_rows_new(t->ncolumns);
	int r;

	memset(ret, 0, keys->n * sizeof(*ret));
	r = keys->n > 0 ? t->db->ops->read(t, keys, lock, ret, rows, e) : 0;
	if (r < 0)
		return r;
	*ret_rows = TAKE_PTR(rows);
	return 0;
}

static bool
any(const bool *pick, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pick[i])
			return true;
	return false;
}

int
archive_db_insert(
    const struct archive_table *t, const struct archive_rows *rows, const bool *pick, struct err *e)
{
	return any(pick, rows->n) ? t->db->ops->insert(t, rows, pick, e) : 0;
}

int
archive_db_delete(const struct archive_table *t, const struct archive_rows *rows, const bool *pick,
    size_t *ret_n, struct err *e)
{
	*ret_n = 0;
	return any(pick, rows->n) ? t->db->ops->delete (t, rows, pick, ret_n, e) : 0;
}

int
archive_db_mark(struct archive_db *db, const char *archive, char **ret_token, struct err *e)
{
	return db->ops->mark(db, archive, ret_token, e);
}

int
archive_db_marked(struct archive_db *db, const char *archive, const char *token, struct err *e)
{
	return db->ops->marked(db, archive, token, e);
}

int
archive_db_query(struct archive_db *db, const char *sql, const char *const *params, size_t n,
    struct archive_rows **ret, struct err *e)
{
	return db->ops->query(db, sql, params, n, ret, e);
}

int
archive_db_load(struct archive_db *db, struct archive_load *ret, struct err *e)
{
	return db->ops->load(db, ret, e);
}
