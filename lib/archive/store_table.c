/* Batches in a table of another database, their journal in a table beside it. */
#include "archive/db_impl.h"
#include "archive/store_impl.h"

#include <stdio.h>

#define JOURNAL "dbhealth_archives"

struct table_store {
	struct archive_store store;
	const struct archive_table *target; /* borrowed */
	char *journal;                      /* quoted, with its schema */
};

static struct table_store *
own(struct archive_store *s)
{
	return (struct table_store *)s;
}

static void
on_free(struct archive_store *s)
{
	free(own(s)->journal);
	free(s);
}

/* %J is the journal. */
static int
ask(const struct table_store *s, const char *fmt, const char *const *params, size_t n,
    struct archive_rows **ret, struct err *e)
{
	_cleanup_str_ struct str sql = { 0 };

	for (const char *p = fmt; *p; p++) {
		if (p[0] == '%' && p[1] == 'J') {
			str_add(&sql, s->journal);
			p++;
		} else {
			str_addc(&sql, *p);
		}
	}
	return archive_db_query(s->target->db, sql.s, params, n, ret, e);
}

static bool
keeps_keys(const struct table_store *s)
{
	return archive_db_engine(s->target->db) == ENGINE_SQLITE;
}

/* In a transaction: all of it or nothing. */
static int
end(const struct table_store *s, int r, struct err *e)
{
	if (r >= 0)
		r = archive_db_commit(s->target->db, e);
	if (r < 0)
		archive_db_rollback(s->target->db);
	return r;
}

static int
rows_of(const struct archive_table *t, const json_t *keys, struct archive_rows **ret, struct err *e)
{
	_cleanup_(archive_rows_freep) struct archive_rows *wanted = NULL, *read = NULL,
	                                                  *rows = NULL;
	_cleanup_free_ struct archive_found *found = NULL;
	int r = archive_keys_parse(t, keys, &wanted, e);

	if (r < 0)
		return r;
	found = xcalloc(wanted->n + 1, sizeof(*found));
	r = archive_db_read(t, wanted, false, found, &read, e);
	if (r < 0)
		return r;
	rows = archive_rows_new(t->ncolumns);
	for (size_t i = 0; i < wanted->n; i++) {
		if (!found[i].there)
			return err_set(e, -ENODATA,
			    "%.150s no longer has %zu of the rows that were copied there last",
			    t->name, wanted->n - read->n);
		archive_rows_copy(rows, archive_rows_at(read, found[i].row));
	}
	*ret = TAKE_PTR(rows);
	return 0;
}

static int
unfinished(struct archive_store *store, struct archive_batch *ret, struct err *e)
{
	struct table_store *s = own(store);
	const char *params[] = { store->archive };
	_cleanup_(archive_rows_freep) struct archive_rows *rows = NULL;
	_cleanup_json_ json_t *keys = NULL, *dropped = NULL;
	_cleanup_(archive_batch_done) struct archive_batch b = { 0 };
	const struct archive_cell *row;
	int r = ask(s,
	    "SELECT batch, key_list, token, dropped FROM %J WHERE archive = $1 AND state <> 'done'",
	    params, 1, &rows, e);

	if (r < 0 || rows->n == 0)
		return MIN(r, 0);
	row = archive_rows_at(rows, 0);
	b.number = strtoll(row[0].s, NULL, 10);
	keys = row[1].s ? json_loads(row[1].s, 0, NULL) : NULL;
	dropped = row[3].s ? json_loads(row[3].s, 0, NULL) : json_array();
	r = rows_of(s->target, keys, &b.rows, e);
	if (r < 0)
		return err_prefix(e, "batch %lld", (long long)b.number);
	b.drop = xcalloc(b.rows->n + 1, sizeof(bool));
	if (archive_drop_parse(dropped, b.drop, b.rows->n) < 0)
		return err_set(
		    e, -EBADMSG, "the journal of batch %lld cannot be read", (long long)b.number);
	b.token = xstrdup(row[2].s);
	*ret = archive_batch_take(&b);
	return 1;
}

static int
find(struct archive_store *store, const struct archive_rows *rows, struct archive_found *ret,
    struct archive_rows **ret_rows, struct err *e)
{
	return archive_db_read(own(store)->target, rows, false, ret, ret_rows, e);
}

/* What verify needs to read the rows again without the source. */
static char *
columns_text(const struct table_store *s)
{
	_cleanup_json_ json_t *j = json_array();

	for (size_t i = 0; i < s->target->ncolumns; i++) {
		size_t place = 0; /* in the key, from 1 */

		for (size_t k = 0; k < s->target->nkey; k++)
			if (s->target->key[k] == i)
				place = k + 1;
		json_array_append_new(j, json_pack("[s,i,i]", s->target->columns[i].name,
		                             (int)s->target->columns[i].as, (int)place));
	}
	return archive_json_text(j);
}

static int
write_journal(
    struct table_store *s, const struct archive_rows *picked, int64_t *ret_number, struct err *e)
{
	_cleanup_json_ json_t *keys = archive_keys_json(s->target, picked, NULL);
	size_t n;
	_cleanup_free_ char *key_text = archive_json_text(keys), *columns = columns_text(s),
	                    *sum = archive_rows_sum(s->target->columns, picked, NULL, &n),
	                    *count = xasprintf("%zu", picked->n), *at = archive_now_text();
	const char *last_params[] = { s->store.archive };
	_cleanup_(archive_rows_freep) struct archive_rows *last = NULL;
	char number[24];
	const char *params[] = { s->store.archive, number, s->store.source->name, count, sum,
		key_text, columns, at };
	int r = ask(s, "SELECT coalesce(max(batch), 0) + 1 FROM %J WHERE archive = $1", last_params,
	    1, &last, e);

	if (r < 0)
		return r;
	*ret_number = strtoll(archive_rows_at(last, 0)[0].s, NULL, 10);
	snprintf(number, sizeof(number), "%lld", (long long)*ret_number);
	return ask(s,
	    "INSERT INTO %J (archive, batch, state, source, n_rows, sum, key_list, columns, at)"
	    " VALUES ($1, $2, 'copied', $3, $4, $5, $6, $7, $8)",
	    params, ARRAY_SIZE(params), NULL, e);
}

static int
put(struct archive_store *store, const struct archive_rows *rows, const bool *pick,
    struct archive_batch *ret, struct err *e)
{
	struct table_store *s = own(store);
	_cleanup_(archive_rows_freep) struct archive_rows *picked =
	    archive_rows_new(rows->ncolumns);
	_cleanup_(archive_batch_done) struct archive_batch b = { 0 };
	_cleanup_json_ json_t *keys = NULL;
	int r;

	for (size_t i = 0; i < rows->n; i++)
		if (pick[i])
			archive_rows_copy(picked, archive_rows_at(rows, i));
	r = archive_db_begin(s->target->db, true, e);
	if (r >= 0)
		r = archive_db_insert(s->target, rows, pick, e);
	if (r >= 0)
		r = write_journal(s, picked, &b.number, e);
	r = end(s, r, e);
	if (r < 0)
		return r;
	keys = archive_keys_json(s->target, picked, NULL);
	r = rows_of(s->target, keys, &b.rows, e);
	if (r < 0)
		return r;
	b.drop = xcalloc(b.rows->n + 1, sizeof(bool));
	*ret = archive_batch_take(&b);
	return 0;
}

static int
note(struct archive_store *store, const struct archive_batch *b, struct err *e)
{
	struct table_store *s = own(store);
	_cleanup_json_ json_t *dropped = archive_drop_json(b->drop, b->rows->n);
	_cleanup_free_ char *drop_text = archive_json_text(dropped);
	char number[24];
	const char *params[] = { b->token, drop_text, store->archive, number };

	snprintf(number, sizeof(number), "%lld", (long long)b->number);
	return ask(s,
	    "UPDATE %J SET state = 'deleting', token = $1, dropped = $2 WHERE archive = $3 AND "
	    "batch = $4",
	    params, ARRAY_SIZE(params), NULL, e);
}

static int
say_done(struct table_store *s, const struct archive_batch *b, struct err *e)
{
	_cleanup_json_ json_t *keys = archive_keys_json(s->target, b->rows, b->drop);
	size_t n;
	_cleanup_free_ char *key_text = archive_json_text(keys),
	                    *sum = archive_rows_sum(s->target->columns, b->rows, b->drop, &n),
	                    *count = xasprintf("%zu", n);
	char number[24];
	const char *params[] = { count, sum, keeps_keys(s) ? key_text : NULL, s->store.archive,
		number };

	snprintf(number, sizeof(number), "%lld", (long long)b->number);
	if (n == 0)
		return ask(
		    s, "DELETE FROM %J WHERE archive = $1 AND batch = $2", params + 3, 2, NULL, e);
	return ask(s,
	    "UPDATE %J SET state = 'done', n_rows = $1, sum = $2, key_list = $3, token = NULL,"
	    " dropped = NULL WHERE archive = $4 AND batch = $5",
	    params, ARRAY_SIZE(params), NULL, e);
}

static int
finish(struct archive_store *store, const struct archive_batch *b, struct err *e)
{
	struct table_store *s = own(store);
	size_t want = 0, gone = 0;
	int r = archive_db_begin(s->target->db, true, e);

	for (size_t i = 0; i < b->rows->n; i++)
		want += b->drop[i];
	if (r >= 0)
		r = archive_db_delete(s->target, b->rows, b->drop, &gone, e);
	if (r >= 0 && gone != want)
		r = err_set(e, -EBADMSG, "%.150s: %zu rows were to be taken back, %zu were",
		    s->target->name, want, gone);
	if (r >= 0)
		r = say_done(s, b, e);
	return end(s, r, e);
}

static const struct archive_store_ops ops = {
	.unfinished = unfinished,
	.find = find,
	.put = put,
	.note = note,
	.finish = finish,
	.free = on_free,
};

static char *
journal_name(const struct archive_table *target)
{
	return target->schema ? xasprintf("%s." JOURNAL, target->schema) : xstrdup("main." JOURNAL);
}

int
archive_store_table(const char *archive, const struct archive_table *target,
    const struct archive_table *source, struct archive_store **ret, struct err *e)
{
	struct table_store *s = xcalloc(1, sizeof(*s));
	int r;

	s->store = (struct archive_store){ &ops, archive, source };
	s->target = target;
	s->journal = journal_name(target);
	r = ask(s,
	    "CREATE TABLE IF NOT EXISTS %J (archive text NOT NULL, batch bigint NOT NULL,"
	    " state text NOT NULL CHECK (state IN ('copied', 'deleting', 'done')),"
	    " source text NOT NULL, n_rows bigint NOT NULL, sum text NOT NULL, key_list text,"
	    " dropped text, token text, columns text NOT NULL, at text NOT NULL,"
	    " PRIMARY KEY (archive, batch))",
	    NULL, 0, NULL, e);
	if (r < 0) {
		archive_store_free(&s->store);
		return err_prefix(e, "cannot make the journal " JOURNAL);
	}
	*ret = &s->store;
	return 0;
}

/* ---- verify ---- */

/* The columns in the order and with the kinds that they were written with. */
static int
arrange(struct archive_table *t, const char *columns, struct err *e)
{
	_cleanup_json_ json_t *j = json_loads(columns, 0, NULL);
	_cleanup_(archive_table_freep) struct archive_table *like = xcalloc(1, sizeof(*like));
	const json_t *one;
	size_t i;

	like->db = t->db;
	json_array_foreach (j, i, one) {
		struct archive_column *c = archive_table_add(like);
		const char *name = json_string_value(json_array_get(one, 0));
		json_int_t place;

		c->name = xstrdup(name ? name : "");
		c->quoted = xstrdup(c->name);
		c->as = (enum archive_as)json_integer_value(json_array_get(one, 1));
		place = json_integer_value(json_array_get(one, 2));
		if (place < 1 || (size_t)place > json_array_size(j))
			continue;
		if ((size_t)place > like->nkey) {
			like->key = xreallocarray(like->key, (size_t)place, sizeof(*like->key));
			while (like->nkey < (size_t)place)
				like->key[like->nkey++] = 0;
		}
		like->key[place - 1] = i;
	}
	if (like->ncolumns == 0)
		return err_set(e, -EBADMSG, "its journal does not say what columns it has");
	return archive_table_align(t, like, e);
}

static int
prove(struct archive_db *db, const char *table, const struct archive_cell *row,
    struct archive_proof *ret, struct err *e)
{
	_cleanup_(archive_table_freep) struct archive_table *t = NULL;
	_cleanup_json_ json_t *keys = row[3].s ? json_loads(row[3].s, 0, NULL) : NULL;
	_cleanup_(archive_rows_freep) struct archive_rows *rows = NULL;
	_cleanup_free_ char *sum = NULL;
	size_t n;
	int r = archive_db_find(db, table, &t, e);

	if (r >= 0)
		r = arrange(t, row[4].s, e);
	if (r >= 0)
		r = rows_of(t, keys, &rows, e);
	if (r < 0 || !rows)
		return MIN(r, -1);
	sum = archive_rows_sum(t->columns, rows, NULL, &n);
	if (!streq(sum, row[2].s))
		return err_set(e, -EBADMSG,
		    "rows are not what was archived: %.20s..., not %.20s...", sum, row[2].s);
	ret->rows += (int64_t)n;
	ret->bytes += (int64_t)rows->bytes;
	return 0;
}

int
archive_verify_table(const char *archive, struct archive_db *db, const char *table,
    struct archive_proof *ret, struct err *e)
{
	_cleanup_(archive_table_freep) struct archive_table *t = NULL;
	_cleanup_(archive_rows_freep) struct archive_rows *rows = NULL;
	_cleanup_free_ char *sql = NULL, *journal = NULL;
	const char *params[] = { archive };
	int r = archive_db_find(db, table, &t, e);

	if (r < 0)
		return r;
	journal = journal_name(t);
	sql = xasprintf(
	    "SELECT batch, state, sum, key_list, columns FROM %s WHERE archive = $1 ORDER "
	    "BY batch",
	    journal);
	r = archive_db_query(db, sql, params, 1, &rows, e);
	for (size_t i = 0; r >= 0 && i < rows->n; i++) {
		const struct archive_cell *row = archive_rows_at(rows, i);
		_cleanup_free_ char *wrong = NULL;
		struct err why = { 0 };

		ret->batches++;
		ret->unfinished += !streq(row[1].s, "done");
		if (prove(db, table, row, ret, &why) >= 0)
			continue;
		wrong = xasprintf("batch %s: %s", row[0].s, why.msg);
		strv_add(&ret->wrong, wrong);
	}
	return r;
}
