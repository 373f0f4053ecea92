/* What journals of both kinds have in common: sums, keys as JSON, batches. */
#include "archive/store_impl.h"
#include "base/sha.h"

#include <stdio.h>
#include <time.h>

struct archive_store *
archive_store_free(struct archive_store *s)
{
	if (s)
		s->ops->free(s);
	return NULL;
}

void
archive_batch_done(struct archive_batch *b)
{
	b->rows = archive_rows_free(b->rows);
	free(b->drop);
	free(b->token);
	*b = (struct archive_batch){ 0 };
}

void
archive_proof_done(struct archive_proof *p)
{
	strv_free(p->wrong);
	*p = (struct archive_proof){ 0 };
}

int
archive_store_unfinished(struct archive_store *s, struct archive_batch *ret, struct err *e)
{
	return s->ops->unfinished(s, ret, e);
}

int
archive_store_find(struct archive_store *s, const struct archive_rows *rows,
    struct archive_found *ret, struct archive_rows **ret_rows, struct err *e)
{
	return s->ops->find(s, rows, ret, ret_rows, e);
}

int
archive_store_put(struct archive_store *s, const struct archive_rows *rows, const bool *pick,
    struct archive_batch *ret, struct err *e)
{
	return s->ops->put(s, rows, pick, ret, e);
}

int
archive_store_note(struct archive_store *s, const struct archive_batch *b, struct err *e)
{
	return s->ops->note(s, b, e);
}

int
archive_store_finish(struct archive_store *s, const struct archive_batch *b, struct err *e)
{
	return s->ops->finish(s, b, e);
}

/* ---- sums ---- */

char *
archive_rows_csv(const struct archive_column *columns, const struct archive_rows *rows,
    const bool *drop, size_t *ret_len, size_t *ret_n)
{
	_cleanup_str_ struct str text = { 0 };
	_cleanup_free_ const char **names = xcalloc(rows->ncolumns + 1, sizeof(*names));

	for (size_t i = 0; i < rows->ncolumns; i++)
		names[i] = columns[i].name;
	archive_csv_header(names, rows->ncolumns, &text);
	*ret_n = 0;
	for (size_t i = 0; i < rows->n; i++) {
		if (drop && drop[i])
			continue;
		archive_csv_row(archive_rows_at(rows, i), rows->ncolumns, &text);
		(*ret_n)++;
	}
	*ret_len = text.len;
	return str_take(&text);
}

char *
archive_sum(const char *text, size_t len)
{
	char hex[SHA_HEX_SIZE];

	sha_hex(256, text, len, hex);
	return xasprintf("sha256:%s", hex);
}

char *
archive_rows_sum(const struct archive_column *columns, const struct archive_rows *rows,
    const bool *drop, size_t *ret_n)
{
	size_t len;
	_cleanup_free_ char *text = archive_rows_csv(columns, rows, drop, &len, ret_n);

	return archive_sum(text, len);
}

/* ---- keys ---- */

static json_t *
cell_json(const struct archive_cell *c)
{
	static const char kinds[] = "ntirb";
	_cleanup_str_ struct str text = { 0 };
	struct archive_cell blob = { CELL_BLOB, c->s, c->len };
	json_t *j;

	if (c->kind == CELL_NULL)
		return json_null();
	str_addc(&text, kinds[c->kind]);
	archive_cell_text(c, &text);
	j = json_stringn(str_text(&text), text.len);
	if (j)
		return j;
	/* Bytes that are no UTF-8. */
	str_reset(&text);
	str_addc(&text, 'x');
	archive_cell_text(&blob, &text);
	return json_string(str_text(&text));
}

static int
cell_parse(const json_t *j, struct archive_rows *rows, struct archive_cell *cell, struct err *e)
{
	const char *s = json_string_value(j);
	size_t len = s ? json_string_length(j) : 0;
	_cleanup_free_ char *bytes = NULL;

	if (json_is_null(j))
		return 0;
	if (!s || len == 0)
		return err_set(e, -EBADMSG, "a key in the journal cannot be read");
	switch (*s) {
	case 't':
		archive_rows_set(rows, cell, CELL_TEXT, s + 1, len - 1);
		return 0;
	case 'i':
		archive_rows_set(rows, cell, CELL_INTEGER, s + 1, len - 1);
		return 0;
	case 'r':
		archive_rows_set(rows, cell, CELL_REAL, s + 1, len - 1);
		return 0;
	case 'b':
	case 'x':
		bytes = archive_unhex(s + 1, len - 1, &len);
		if (bytes) {
			archive_rows_set(rows, cell, *s == 'b' ? CELL_BLOB : CELL_TEXT, bytes, len);
			return 0;
		}
		break;
	default:
		break;
	}
	return err_set(e, -EBADMSG, "a key in the journal cannot be read");
}

json_t *
archive_keys_json(const struct archive_table *t, const struct archive_rows *rows, const bool *drop)
{
	json_t *all = json_array();

	for (size_t i = 0; i < rows->n; i++) {
		json_t *one;

		if (drop && drop[i])
			continue;
		one = json_array();
		for (size_t k = 0; k < t->nkey; k++)
			json_array_append_new(one, cell_json(&archive_rows_at(rows, i)[t->key[k]]));
		json_array_append_new(all, one);
	}
	return all;
}

int
archive_keys_parse(
    const struct archive_table *t, const json_t *j, struct archive_rows **ret, struct err *e)
{
	_cleanup_(archive_rows_freep) struct archive_rows *rows = archive_rows_new(t->ncolumns);
	const json_t *one;
	size_t i;

	if (!json_is_array(j))
		return err_set(e, -EBADMSG, "the journal names no rows");
	json_array_foreach (j, i, one) {
		struct archive_cell *row = archive_rows_add(rows);

		if (json_array_size(one) != t->nkey)
			return err_set(e, -EBADMSG, "the journal is of a table with another key");
		for (size_t k = 0; k < t->nkey; k++)
			if (cell_parse(json_array_get(one, k), rows, &row[t->key[k]], e) < 0)
				return e->code;
	}
	*ret = TAKE_PTR(rows);
	return 0;
}

json_t *
archive_drop_json(const bool *drop, size_t n)
{
	json_t *j = json_array();

	for (size_t i = 0; drop && i < n; i++)
		if (drop[i])
			json_array_append_new(j, json_integer((json_int_t)i));
	return j;
}

int
archive_drop_parse(const json_t *j, bool *drop, size_t n)
{
	const json_t *one;
	size_t i;

	json_array_foreach (j, i, one) {
		json_int_t at = json_integer_value(one);

		if (!json_is_integer(one) || at < 0 || (size_t)at >= n)
			return -EBADMSG;
		drop[at] = true;
	}
	return 0;
}

char *
archive_now_text(void)
{
	char text[32];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return xstrdup(text);
}

char *
archive_json_text(const json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT), *copy = xstrdup(text ? text : "null");

	free(text);
	return copy;
}
