/* The rows behind a finding: capped, and without what is secret in statements. */
#include "base/redact.h"
#include "base/str.h"
#include "base/text.h"
#include "monitor/evidence.h"
#include "report/report.h"
#include <strings.h>

#define NAME_BYTES ((size_t)63)

struct evidence_rows {
	json_t *columns, *rows;
	bool is_sql[EVIDENCE_MAX_COLUMNS];
	size_t ncolumns, bytes;
	bool truncated, full;
};

struct evidence_rows *
evidence_rows_new(void)
{
	struct evidence_rows *r = xcalloc(1, sizeof(*r));

	r->columns = json_array();
	r->rows = json_array();
	return r;
}

struct evidence_rows *
evidence_rows_free(struct evidence_rows *r)
{
	if (!r)
		return NULL;
	json_decref(r->columns);
	json_decref(r->rows);
	free(r);
	return NULL;
}

static bool
says_statement(const char *name)
{
	return strcasestr(name, "query") || strcasestr(name, "statement") ||
	       strcasestr(name, "sql");
}

void
evidence_rows_columns(struct evidence_rows *r, size_t n, const char *const *names)
{
	r->truncated = n > EVIDENCE_MAX_COLUMNS;
	r->ncolumns = MIN(n, (size_t)EVIDENCE_MAX_COLUMNS);
	for (size_t i = 0; i < r->ncolumns; i++) {
		_cleanup_free_ char *name = text_from_peer(names[i], strlen(names[i]), NAME_BYTES);

		r->is_sql[i] = says_statement(name);
		json_array_append_new(r->columns, report_string(name));
		r->bytes += strlen(name) + 3;
	}
}

/* A password may stand in any text; where one is named, it is read as a statement would be. */
static char *
cell_text(const char *cell, size_t len, bool is_sql)
{
	_cleanup_free_ char *text = text_from_peer(cell, len, TEXT_MAX_BYTES);

	if (is_sql || strcasestr(text, "password"))
		return redact_sql(text, EVIDENCE_CELL_BYTES);
	return text_ellipsis(text, EVIDENCE_CELL_BYTES);
}

bool
evidence_rows_add(struct evidence_rows *r, const char *const *cells, const size_t *lengths)
{
	json_t *row;
	size_t bytes = 4;

	if (r->full || json_array_size(r->rows) == EVIDENCE_MAX_ROWS) {
		r->full = r->truncated = true;
		return false;
	}
	row = json_array();
	for (size_t i = 0; i < r->ncolumns; i++) {
		_cleanup_free_ char *text =
		    cells[i] ? cell_text(cells[i], lengths[i], r->is_sql[i]) : NULL;
		json_t *value = report_string(text);
		_cleanup_free_ char *dumped = report_dump(value);

		bytes += strlen(dumped) + 1; /* escapes make a text longer */
		json_array_append_new(row, value);
	}
	if (r->bytes + bytes > EVIDENCE_MAX_BYTES) {
		json_decref(row);
		r->full = r->truncated = true;
		return false;
	}
	r->bytes += bytes;
	json_array_append_new(r->rows, row);
	return true;
}

char *
evidence_rows_json(const struct evidence_rows *r)
{
	json_t *o = json_pack(
	    "{s:O,s:O,s:b}", "columns", r->columns, "rows", r->rows, "truncated", r->truncated);
	char *text = report_dump(o);

	json_decref(o);
	return text;
}
