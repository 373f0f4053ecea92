/* What both engines share of a side that is compared. */
#include "data/source.h"
#include "base/str.h"

#define COLUMNS_MAX 200000 /* a longer answer would come cut off */

const char *
data_text(const struct data_rows *r, size_t row, size_t column)
{
	return r->v[row * r->width + column].text;
}

void
data_rows_done(struct data_rows *r)
{
	for (size_t i = 0; i < r->n * r->width; i++)
		free(r->v[i].text);
	free(r->v);
	*r = (struct data_rows){ 0 };
}

void
data_tables_free(struct data_table *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].name);
		free(v[i].from);
		strv_free(v[i].columns);
		strv_free(v[i].key);
		strv_free(v[i].order);
		strv_free(v[i].shown);
	}
	free(v);
}

int
data_tables(struct data_source *s, struct data_table **ret, size_t *ret_n, struct err *e)
{
	struct data_rows rows = { 0 };
	struct data_table *v;
	size_t n = 0;
	int r = s->ops->ask(s, s->ops->tables_sql, NULL, 0, &rows, e);

	if (r < 0)
		return r;
	v = xcalloc(rows.n + 1, sizeof(*v));
	for (size_t i = 0; i < rows.n; i++) {
		const char *from = data_text(&rows, i, 1), *column = data_text(&rows, i, 2);

		if (!from || !column)
			continue;
		if (n == 0 || !streq(v[n - 1].from, from))
			v[n++] = (struct data_table){ .name = xstrdup(data_text(&rows, i, 0)),
				.from = xstrdup(from),
				.size = strtod(data_text(&rows, i, 5), NULL) };
		if (data_text(&rows, i, 3))
			s->ops->add_key(&v[n - 1], column, *data_text(&rows, i, 4) == 't');
		strv_add(&v[n - 1].columns, column);
	}
	*ret = v;
	*ret_n = n;
	if (rows.n >= COLUMNS_MAX)
		r = err_set(e, -E2BIG, "more than %d columns in all", COLUMNS_MAX);
	data_rows_done(&rows);
	return r;
}

struct data_source *
data_source_free(struct data_source *s)
{
	if (s)
		s->ops->free(s);
	return NULL;
}

char *
data_quote(const char *name)
{
	struct str s = { 0 };

	str_addc(&s, '"');
	for (; *name; name++) {
		if (*name == '"')
			str_addc(&s, '"');
		str_addc(&s, *name);
	}
	str_addc(&s, '"');
	return str_take(&s);
}
