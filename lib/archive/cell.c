/* Cells and rows: held, compared, written as CSV and read back. */
#include "archive/cell.h"

#include <stdio.h>

#define ROWS_STEP 64

static char *
bytes_dup(const void *s, size_t len)
{
	char *copy = xcalloc(len + 1, 1);

	if (len > 0)
		memcpy(copy, s, len);
	return copy;
}

struct archive_cell
archive_cell_new(enum archive_kind kind, const void *s, size_t len)
{
	struct archive_cell c = { .kind = kind };

	if (kind != CELL_NULL) {
		c.s = bytes_dup(s, len);
		c.len = len;
	}
	return c;
}

struct archive_rows *
archive_rows_new(size_t ncolumns)
{
	struct archive_rows *rows = xcalloc(1, sizeof(*rows));

	rows->ncolumns = ncolumns;
	return rows;
}

struct archive_rows *
archive_rows_free(struct archive_rows *rows)
{
	for (size_t i = 0; rows && i < rows->n * rows->ncolumns; i++)
		free(rows->cells[i].s);
	if (rows)
		free(rows->cells);
	free(rows);
	return NULL;
}

struct archive_cell *
archive_rows_add(struct archive_rows *rows)
{
	struct archive_cell *row;

	if (rows->n % ROWS_STEP == 0)
		rows->cells = xreallocarray(rows->cells, (rows->n + ROWS_STEP),
		    MAX(rows->ncolumns, (size_t)1) * sizeof(*rows->cells));
	row = &rows->cells[rows->n++ * rows->ncolumns];
	memset(row, 0, rows->ncolumns * sizeof(*row));
	return row;
}

struct archive_cell *
archive_rows_at(const struct archive_rows *rows, size_t row)
{
	assert(row < rows->n);
	return &rows->cells[row * rows->ncolumns];
}

void
archive_rows_set(struct archive_rows *rows, struct archive_cell *cell, enum archive_kind kind,
    const void *s, size_t len)
{
	*cell = archive_cell_new(kind, s, len);
	rows->bytes += len + sizeof(*cell);
}

void
archive_rows_copy(struct archive_rows *to, const struct archive_cell *row)
{
	struct archive_cell *new = archive_rows_add(to);

	for (size_t i = 0; i < to->ncolumns; i++)
		archive_rows_set(to, &new[i], row[i].kind, row[i].s, row[i].len);
}

/* ---- values ---- */

void
archive_real_text(double d, char ret[static 32])
{
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(ret, 32, "%.*g", digits, d);
		if (strtod(ret, NULL) == d)
			return;
	}
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *
archive_unhex(const char *s, size_t len, size_t *ret_len)
{
	char *bytes;

	if (len >= 2 && s[0] == '\\' && s[1] == 'x') {
		s += 2;
		len -= 2;
	}
	if (len % 2 != 0)
		return NULL;
	bytes = xcalloc(len / 2 + 1, 1);
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(s[i]), low = hex_digit(s[i + 1]);

		if (high < 0 || low < 0) {
			free(bytes);
			return NULL;
		}
		bytes[i / 2] = (char)(high << 4 | low);
	}
	*ret_len = len / 2;
	return bytes;
}

void
archive_cell_text(const struct archive_cell *c, struct str *out)
{
	static const char digits[] = "0123456789abcdef";

	if (c->kind != CELL_BLOB) {
		str_addn(out, c->s ? c->s : "", c->len);
		return;
	}
	str_add(out, "\\x");
	for (size_t i = 0; i < c->len; i++) {
		str_addc(out, digits[(unsigned char)c->s[i] >> 4]);
		str_addc(out, digits[(unsigned char)c->s[i] & 15]);
	}
}

static bool
same_number(const struct archive_cell *a, const struct archive_cell *b)
{
	char *a_end, *b_end;
	double x = strtod(a->s, &a_end), y = strtod(b->s, &b_end);

	return a->len > 0 && b->len > 0 && a_end == a->s + a->len && b_end == b->s + b->len &&
	       x == y;
}

static bool
same_text(const struct archive_cell *a, const struct archive_cell *b)
{
	_cleanup_str_ struct str x = { 0 }, y = { 0 };

	if (a->kind != CELL_BLOB && b->kind != CELL_BLOB)
		return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
	archive_cell_text(a, &x);
	archive_cell_text(b, &y);
	return x.len == y.len && memcmp(str_text(&x), str_text(&y), x.len) == 0;
}

bool
archive_cell_equal(const struct archive_cell *a, const struct archive_cell *b, bool strict)
{
	if (a->kind == CELL_NULL || b->kind == CELL_NULL)
		return a->kind == b->kind;
	if (strict && a->kind != b->kind)
		return false;
	if (a->kind == b->kind)
		return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
	if (a->kind == CELL_REAL || b->kind == CELL_REAL)
		return same_number(a, b);
	return same_text(a, b);
}

bool
archive_row_equal(
    const struct archive_cell *a, const struct archive_cell *b, size_t ncolumns, bool strict)
{
	for (size_t i = 0; i < ncolumns; i++)
		if (!archive_cell_equal(&a[i], &b[i], strict))
			return false;
	return true;
}

/* ---- CSV ---- */

static void
csv_field(const char *s, size_t len, bool alone, struct str *out)
{
	bool quote = len == 0 || (alone && len == 2 && memcmp(s, "\\.", 2) == 0);

	for (size_t i = 0; i < len && !quote; i++)
		quote = s[i] == ',' || s[i] == '"' || s[i] == '\n' || s[i] == '\r';
	if (!quote) {
		str_addn(out, s, len);
		return;
	}
	str_addc(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '"')
			str_addc(out, '"');
		str_addc(out, s[i]);
	}
	str_addc(out, '"');
}

void
archive_csv_row(const struct archive_cell *row, size_t ncolumns, struct str *out)
{
	for (size_t i = 0; i < ncolumns; i++) {
		_cleanup_str_ struct str text = { 0 };

		if (i > 0)
			str_addc(out, ',');
		if (row[i].kind == CELL_NULL)
			continue;
		archive_cell_text(&row[i], &text);
		csv_field(str_text(&text), text.len, ncolumns == 1, out);
	}
	str_addc(out, '\n');
}

void
archive_csv_header(const char *const *names, size_t ncolumns, struct str *out)
{
	for (size_t i = 0; i < ncolumns; i++) {
		if (i > 0)
			str_addc(out, ',');
		csv_field(names[i], strlen(names[i]), false, out);
	}
	str_addc(out, '\n');
}

struct csv {
	const char *p, *end;
};

/* One field and what ends it: ',', '\n', or 0 where the text stops short. */
static char
csv_next(struct csv *c, struct str *text, bool *ret_null)
{
	bool quoted = c->p < c->end && *c->p == '"';

	str_reset(text);
	*ret_null = false;
	if (quoted) {
		for (c->p++; c->p < c->end; c->p++) {
			if (*c->p == '"') {
				c->p++;
				if (c->p >= c->end || *c->p != '"')
					break;
			}
			str_addc(text, *c->p);
		}
	} else {
		while (c->p < c->end && *c->p != ',' && *c->p != '\n')
			str_addc(text, *c->p++);
		*ret_null = text->len == 0;
	}
	return c->p < c->end && (*c->p == ',' || *c->p == '\n') ? *c->p++ : '\0';
}

int
archive_csv_parse(
    const char *text, size_t len, size_t ncolumns, struct archive_rows **ret, struct err *e)
{
	_cleanup_(archive_rows_freep) struct archive_rows *rows = archive_rows_new(ncolumns);
	_cleanup_str_ struct str field = { 0 };
	struct csv c = { text, text + len };
	struct archive_cell *row = NULL;
	size_t line = 0;

	for (size_t i = 0; c.p < c.end; i = (i + 1) % ncolumns) {
		bool null;
		char stop = csv_next(&c, &field, &null);

		if (stop != (i + 1 == ncolumns ? '\n' : ','))
			return err_set(
			    e, -EBADMSG, "row %zu does not have %zu fields", line, ncolumns);
		if (line > 0 && i == 0)
			row = archive_rows_add(rows);
		if (row && !null)
			archive_rows_set(rows, &row[i], CELL_TEXT, str_text(&field), field.len);
		line += i + 1 == ncolumns;
	}
	if (line == 0)
		return err_set(e, -EBADMSG, "there is no header");
	*ret = TAKE_PTR(rows);
	return 0;
}
