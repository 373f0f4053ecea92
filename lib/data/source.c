/* What both engines share of a side that is compared. */
#include "data/source.h"
#include "base/str.h"

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
