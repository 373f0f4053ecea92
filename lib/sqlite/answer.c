/*
 * Rows as JSON frames.  Cells leave as text_from_peer made them: what a file holds is hostile.
 */
#include "sqlite/answer.h"
#include "base/text.h"
#include "sqlite/sqlite_role.h"

#include <jansson.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>

#define FRAME_BYTES ((size_t)256 << 10)
/* A statement that was built for a wide table; cut, it would be another one. */
#define SQL_MAX_BYTES ((size_t)128 << 10)

void
answer_reset(struct answer *a)
{
	str_reset(&a->columns);
	str_reset(&a->open_frame);
	a->frames = strv_free(a->frames);
	a->rows = a->bytes = 0;
	a->truncated = false;
}

void
answer_done(struct answer *a)
{
	answer_reset(a);
	str_done(&a->columns);
	str_done(&a->open_frame);
}

void
answer_columns(struct answer *a, struct sqlite3_stmt *st)
{
	json_t *names = json_array();
	_cleanup_free_ char *text = NULL;

	for (int i = 0; i < sqlite3_column_count(st); i++) {
		const char *name = sqlite3_column_name(st, i) ?: "";
		_cleanup_free_ char *clean = text_from_peer(name, strlen(name), TEXT_MAX_BYTES);

		json_array_append_new(names, json_string(clean));
	}
	text = json_dumps(names, JSON_COMPACT);
	json_decref(names);
	str_addf(&a->columns, "{\"n\":%u,\"columns\":%s}", a->n, text);
}

static size_t
most_bytes(struct sqlite3_stmt *st, int i)
{
	const char *name = sqlite3_column_name(st, i);

	return name && streq(name, "sql") ? SQL_MAX_BYTES : TEXT_MAX_BYTES;
}

static json_t *
cell(struct sqlite3_stmt *st, int i)
{
	_cleanup_free_ char *clean = NULL;
	const char *p;
	char number[40];
	int n;

	switch (sqlite3_column_type(st, i)) {
	case SQLITE_NULL:
		return json_null();
	case SQLITE_INTEGER:
		snprintf(number, sizeof(number), "%lld", (long long)sqlite3_column_int64(st, i));
		return json_string(number);
	case SQLITE_FLOAT:
		if (!isfinite(sqlite3_column_double(st, i)))
			return json_null();
		snprintf(number, sizeof(number), "%.15g", sqlite3_column_double(st, i));
		return json_string(number);
	case SQLITE_TEXT:
		/* UTF-8, whatever the database is kept in. */
		p = (const char *)sqlite3_column_text(st, i);
		break;
	default:
		/* The bytes as they are. */
		p = sqlite3_column_blob(st, i);
		break;
	}
	/* After the conversion, of which it tells the length. */
	n = sqlite3_column_bytes(st, i);
	clean = text_from_peer(p ? p : "", p ? (size_t)n : 0, most_bytes(st, i));
	return json_string(clean);
}

static void
close_frame(struct answer *a)
{
	if (a->open_frame.len == 0)
		return;
	str_add(&a->open_frame, "]}");
	strv_add(&a->frames, str_text(&a->open_frame));
	str_reset(&a->open_frame);
}

int
answer_row(struct answer *a, struct sqlite3_stmt *st)
{
	json_t *row;
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (a->rows >= a->max_rows || a->bytes >= a->max_bytes) {
		a->truncated = true;
		return 0;
	}
	row = json_array();
	for (int i = 0; i < sqlite3_column_count(st); i++)
		json_array_append_new(row, cell(st, i));
	text = json_dumps(row, JSON_COMPACT);
	json_decref(row);
	len = text ? strlen(text) : FRAME_BYTES;
	if (len > FRAME_BYTES - 64)
		return -EMSGSIZE;
	if (a->open_frame.len + len > FRAME_BYTES - 8)
		close_frame(a);
	if (a->open_frame.len == 0)
		str_addf(&a->open_frame, "{\"n\":%u,\"rows\":[%s", a->n, text);
	else
		str_addf(&a->open_frame, ",%s", text);
	a->rows++;
	a->bytes += len;
	return 1;
}

int
answer_send(struct answer *a)
{
	int r = worker_send(SQLITE_COLUMNS, str_text(&a->columns), a->columns.len);

	close_frame(a);
	for (size_t i = 0; r == 0 && a->frames && a->frames[i]; i++)
		r = worker_send(SQLITE_ROWS, a->frames[i], strlen(a->frames[i]));
	return r;
}
