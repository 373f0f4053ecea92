/*
 * Two sides, table by table: counts, first and last key, then the sum over all rows; where that differs,
 * ranges of the key are halved down to the rows.
 */
#include "base/map.h"
#include "base/str.h"
#include "data/source.h"

#include <stdio.h>

#define PIECES    16   /* that a range which differs is cut into */
#define LEAF_ROWS 1000 /* compared row by row */

const char *const data_state_names[DATA_STATE_N] = { "same", "differs", "only_a", "only_b",
	"not_compared" };
const char *const data_row_names[DATA_ROW_N] = { "only_a", "only_b", "changed" };

/* A key: so many cells as it has columns; NULL: open. */
struct range {
	const struct data_cell *after, *to;
};

struct pair {
	struct data_source *side[2];
	const struct data_table *table[2];
	const struct data_options *options;
	struct data_result *result;
	char *hash; /* of the shared columns; NULL: not by row */
	size_t nkey;
};

/* ---- one question ---- */

static char *
join(char *const *list)
{
	struct str s = { 0 };

	for (size_t i = 0; i < strv_len(list); i++)
		str_addf(&s, "%s%s", i ? ", " : "", list[i]);
	return str_take(&s);
}

/* "(a, b) > ($1, $2)"; PostgreSQL's way to number is understood by both. */
static void
add_bound(const struct pair *p, const char *order, const struct data_cell *bound, const char *op,
    struct str *sql, struct data_cell *params, size_t *n)
{
	if (!bound)
		return;
	str_addf(sql, " %s (%s) %s (", *n == 0 ? "WHERE" : "AND", order, op);
	for (size_t i = 0; i < p->nkey; i++) {
		params[*n] = bound[i];
		str_addf(sql, "%s$%zu", i ? ", " : "", ++*n);
	}
	str_addc(sql, ')');
}

/* SELECT what FROM the table where the key is in the range, then more. */
static int
ask_range(const struct pair *p, size_t side, const char *what, const struct range *range,
    const char *more, struct data_rows *ret, struct err *e)
{
	const struct data_table *t = p->table[side];
	_cleanup_free_ struct data_cell *params = xcalloc(2 * p->nkey + 1, sizeof(*params));
	_cleanup_free_ char *order = join(t->order);
	_cleanup_str_ struct str sql = { 0 };
	size_t n = 0;

	str_addf(&sql, "SELECT %s FROM %s AS t", what, t->from);
	add_bound(p, order, range->after, ">", &sql, params, &n);
	add_bound(p, order, range->to, "<=", &sql, params, &n);
	str_add(&sql, more);
	return p->side[side]->ops->ask(p->side[side], sql.s, params, n, ret, e);
}

static const struct range whole = { 0 };

/* ---- counts and keys ---- */

static int
count(struct pair *p, size_t side, struct err *e)
{
	struct data_rows rows = { 0 };
	int r = ask_range(p, side, "count(*)", &whole, "", &rows, e);

	if (r >= 0)
		p->result->rows[side] = strtoll(data_text(&rows, 0, 0), NULL, 10);
	data_rows_done(&rows);
	return r;
}

static char *
key_text(const struct data_rows *rows, size_t row, size_t n)
{
	struct str s = { 0 };

	for (size_t i = 0; i < n; i++) {
		const char *text = data_text(rows, row, i);

		str_addf(&s, "%s%s", i ? ", " : "", text ? text : "NULL");
	}
	return str_take(&s);
}

static int
find_end(struct pair *p, size_t side, bool last, char **ret, struct err *e)
{
	const struct data_table *t = p->table[side];
	_cleanup_free_ char *shown = join(t->shown);
	_cleanup_str_ struct str more = { 0 };
	struct data_rows rows = { 0 };
	int r;

	for (size_t i = 0; i < p->nkey; i++)
		str_addf(
		    &more, "%s%s%s", i ? ", " : " ORDER BY ", t->order[i], last ? " DESC" : "");
	str_add(&more, " LIMIT 1");
	r = ask_range(p, side, shown, &whole, more.s, &rows, e);
	if (r >= 0 && rows.n > 0)
		*ret = key_text(&rows, 0, p->nkey);
	data_rows_done(&rows);
	return r;
}

static int
find_ends(struct pair *p, struct err *e)
{
	struct data_result *x = p->result;
	int r = 0;

	for (size_t side = 0; r >= 0 && side < 2; side++) {
		r = find_end(p, side, false, &x->first[side], e);
		if (r >= 0)
			r = find_end(p, side, true, &x->last[side], e);
	}
	return r;
}

/* ---- rows ---- */

struct total {
	int64_t rows;
	char sum[64];
};

static int
total_of(struct pair *p, size_t side, const struct range *range, struct total *ret, struct err *e)
{
	_cleanup_str_ struct str what = { 0 };
	const char *sum = p->side[side]->ops->sum, *at = strstr(sum, "%s");
	struct data_rows rows = { 0 };
	int r;

	str_add(&what, "count(*), ");
	str_addn(&what, sum, (size_t)(at - sum));
	str_add(&what, p->hash);
	str_add(&what, at + 2);
	r = ask_range(p, side, what.s, range, "", &rows, e);
	if (r >= 0) {
		ret->rows = strtoll(data_text(&rows, 0, 0), NULL, 10);
		snprintf(ret->sum, sizeof(ret->sum), "%s", data_text(&rows, 0, 1));
	}
	data_rows_done(&rows);
	return r;
}

static bool
is_full(const struct pair *p)
{
	return p->result->nkeys >= p->options->keys_max ||
	       p->result->nranges >= p->options->keys_max;
}

static void
add_key(struct pair *p, char *take_text, enum data_row what)
{
	struct data_result *x = p->result;

	if (x->nkeys >= p->options->keys_max) {
		free(take_text);
		x->more = true;
		return;
	}
	x->keys = xreallocarray(x->keys, x->nkeys + 1, sizeof(*x->keys));
	x->keys[x->nkeys++] = (struct data_key){ .text = take_text, .what = what };
}

static char *
bound_text(const struct pair *p, const struct data_cell *bound)
{
	struct data_rows one = { .v = (struct data_cell *)bound, .n = 1, .width = p->nkey };

	return bound ? key_text(&one, 0, p->nkey) : NULL;
}

static void
add_range(struct pair *p, const struct range *range, const struct total t[2])
{
	struct data_result *x = p->result;

	if (x->nranges >= p->options->keys_max) {
		x->more = true;
		return;
	}
	x->ranges = xreallocarray(x->ranges, x->nranges + 1, sizeof(*x->ranges));
	x->ranges[x->nranges++] = (struct data_range){ .after = bound_text(p, range->after),
		.to = bound_text(p, range->to),
		.rows = { t[0].rows, t[1].rows } };
}

/* Of both sides, by the text of the key. */
static void
merge(struct pair *p, const struct data_rows rows[2])
{
	struct map *theirs = map_new();

	for (size_t i = 0; i < rows[1].n; i++) {
		_cleanup_free_ char *key = key_text(&rows[1], i, p->nkey);

		map_put(theirs, key, rows[1].v[i * rows[1].width + p->nkey].text);
	}
	for (size_t i = 0; i < rows[0].n; i++) {
		char *key = key_text(&rows[0], i, p->nkey);
		const char *other = map_remove(theirs, key),
		           *hash = data_text(&rows[0], i, p->nkey);

		if (!other || !hash)
			add_key(p, key, DATA_ROW_ONLY_A);
		else if (!streq(other, hash))
			add_key(p, key, DATA_ROW_CHANGED);
		else
			free(key);
	}
	for (size_t i = 0; i < rows[1].n; i++) {
		char *key = key_text(&rows[1], i, p->nkey);

		if (map_get(theirs, key))
			add_key(p, key, DATA_ROW_ONLY_B);
		else
			free(key);
	}
	map_free(theirs, NULL);
}

static int
compare_leaf(struct pair *p, const struct range *range, struct err *e)
{
	struct data_rows rows[2] = { 0 };
	int r = 0;

	for (size_t side = 0; r >= 0 && side < 2; side++) {
		const struct data_table *t = p->table[side];
		_cleanup_free_ char *shown = join(t->shown), *order = join(t->order);
		_cleanup_free_ char *what = xasprintf("%s, %s", shown, p->hash);
		_cleanup_free_ char *more = xasprintf(" ORDER BY %s", order);

		r = ask_range(p, side, what, range, more, &rows[side], e);
	}
	if (r >= 0)
		merge(p, rows);
	data_rows_done(&rows[0]);
	data_rows_done(&rows[1]);
	return r;
}

/* Keys of the side that has more, so that each piece has about as many rows. */
static int
cut(struct pair *p, const struct range *range, const struct total t[2], struct data_rows *ret,
    struct err *e)
{
	size_t side = t[1].rows > t[0].rows;
	const struct data_table *table = p->table[side];
	_cleanup_free_ char *order = join(table->order);
	int64_t step = (t[side].rows + PIECES - 1) / PIECES;
	_cleanup_str_ struct str outer = { 0 };
	_cleanup_free_ struct data_cell *params = xcalloc(2 * p->nkey + 1, sizeof(*params));
	size_t n = 0;

	for (size_t i = 0; i < p->nkey; i++)
		str_addf(&outer, "%sk%zu", i ? ", " : "SELECT ", i);
	str_add(&outer, " FROM (SELECT ");
	for (size_t i = 0; i < p->nkey; i++)
		str_addf(&outer, "%s AS k%zu, ", table->shown[i], i);
	str_addf(&outer, "row_number() OVER (ORDER BY %s) AS n FROM %s AS t", order, table->from);
	add_bound(p, order, range->after, ">", &outer, params, &n);
	add_bound(p, order, range->to, "<=", &outer, params, &n);
	str_addf(&outer, ") AS x WHERE n %% %lld = 0 AND n < %lld ORDER BY n", (long long)step,
	    (long long)t[side].rows);
	return p->side[side]->ops->ask(p->side[side], outer.s, params, n, ret, e);
}

static int compare_range(struct pair *, const struct range *, struct err *);

static int
compare_pieces(struct pair *p, const struct range *range, const struct total t[2], struct err *e)
{
	struct data_rows cuts = { 0 };
	int r = cut(p, range, t, &cuts, e);

	if (r >= 0 && cuts.n == 0) /* one key for all of them: it tells no rows apart */
		add_range(p, range, t);
	for (size_t i = 0; r >= 0 && cuts.n > 0 && i <= cuts.n && !is_full(p); i++) {
		struct range piece = {
			.after = i == 0 ? range->after : &cuts.v[(i - 1) * cuts.width],
			.to = i == cuts.n ? range->to : &cuts.v[i * cuts.width],
		};

		r = compare_range(p, &piece, e);
	}
	p->result->more = p->result->more || is_full(p);
	data_rows_done(&cuts);
	return r;
}

/* Depth: at most the logarithm of the rows. */
static int
compare_range(struct pair *p, const struct range *range, struct err *e)
{
	struct total t[2] = { 0 };
	int r = total_of(p, 0, range, &t[0], e);

	if (r >= 0)
		r = total_of(p, 1, range, &t[1], e);
	if (r < 0 || (t[0].rows == t[1].rows && streq(t[0].sum, t[1].sum)))
		return r;
	p->result->state = DATA_DIFFERS;
	if (p->nkey == 0)
		return 0;
	if (MAX(t[0].rows, t[1].rows) > LEAF_ROWS)
		return compare_pieces(p, range, t, e);
	add_range(p, range, t);
	return compare_leaf(p, range, e);
}

/* ---- one table ---- */

static char **
only_in(char *const *a, char *const *b)
{
	char **list = NULL;

	for (size_t i = 0; i < strv_len(a); i++)
		if (!strv_has(b, a[i]))
			strv_add(&list, a[i]);
	return list;
}

static char **
shared(char *const *a, char *const *b)
{
	char **list = NULL;

	for (size_t i = 0; i < strv_len(a); i++)
		if (strv_has(b, a[i]))
			strv_add(&list, a[i]);
	return list;
}

static bool
same_list(char *const *a, char *const *b)
{
	size_t n = strv_len(a);

	if (n != strv_len(b))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!streq(a[i], b[i]))
			return false;
	return true;
}

static void
settle_columns(struct pair *p)
{
	char *const *a = p->table[0]->columns, *const *b = p->table[1]->columns;
	_cleanup_strv_ char **left = only_in(a, b), **more = only_in(b, a), **both = shared(a, b);
	bool one_engine = p->side[0]->ops == p->side[1]->ops;

	for (size_t i = 0; i < strv_len(more); i++)
		strv_add(&left, more[i]);
	if (left && one_engine)
		p->result->unshared = join(left);
	if (one_engine && both)
		p->hash = p->side[0]->ops->hash(both);
	if (p->table[0]->key && same_list(p->table[0]->key, p->table[1]->key)) {
		p->nkey = strv_len(p->table[0]->key);
		p->result->key = join(p->table[0]->key);
	}
}

static bool
ends_differ(const struct data_result *x)
{
	char *const *ends[] = { x->first, x->last };

	for (size_t i = 0; i < 2; i++)
		if (ends[i][0] && ends[i][1] && !streq(ends[i][0], ends[i][1]))
			return true;
	return false;
}

static int
compare_table(struct pair *p, struct err *e)
{
	struct data_result *x = p->result;
	bool one_engine = p->side[0]->ops == p->side[1]->ops;
	int r = count(p, 0, e);

	if (r >= 0)
		r = count(p, 1, e);
	if (r < 0)
		return r;
	x->state = x->rows[0] == x->rows[1] ? DATA_SAME : DATA_DIFFERS;
	if (p->nkey > 0)
		r = find_ends(p, e);
	/* Two engines may write and sort one key differently. */
	if (r >= 0 && one_engine && ends_differ(x))
		x->state = DATA_DIFFERS;
	if (r < 0 || !p->hash || MAX(x->rows[0], x->rows[1]) > p->options->rows_max)
		return r;
	r = compare_range(p, &whole, e);
	x->by_row = r >= 0;
	return r;
}

static void
fill(struct pair *p, struct err *e)
{
	struct data_result *x = p->result;

	settle_columns(p);
	if (compare_table(p, e) < 0) {
		x->why = xstrdup(e->msg);
		if (x->state == DATA_SAME) /* of what was compared; the rest may differ */
			x->state = DATA_NOT_COMPARED;
	}
	free(p->hash);
}

/* ---- all tables ---- */

/* SQLite has no schemas and does not mind case. */
static char *
meeting_name(const char *name, bool across)
{
	char *s = xstrdup(across && str_starts(name, "public.") ? name + 7 : name);

	for (char *c = s; across && *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + ('a' - 'A'));
	return s;
}

static int
by_size(const void *x, const void *y)
{
	const struct data_table *a = x, *b = y;

	return a->size != b->size ? (a->size < b->size ? -1 : 1) : strcmp(a->name, b->name);
}

static int
by_name(const void *x, const void *y)
{
	return strcmp(((const struct data_result *)x)->name, ((const struct data_result *)y)->name);
}

struct all {
	struct data_source *side[2];
	const struct data_options *options;
	struct data_table *tables[2];
	size_t ntables[2];
	struct map *theirs; /* of B, by the name under which both meet */
	struct data_result *v;
	size_t n;
};

static void
add_table(struct all *all, const struct data_table *a, const struct data_table *b)
{
	bool across = all->side[0]->ops != all->side[1]->ops;
	_cleanup_free_ char *name = meeting_name(a ? a->name : b->name, across);
	struct pair p = { .side = { all->side[0], all->side[1] },
		.table = { a, b },
		.options = all->options,
		.result = &all->v[all->n++] };
	struct err why = { 0 };

	*p.result = (struct data_result){ .name = xstrdup(name),
		.state = a && b ? DATA_NOT_COMPARED
		         : a    ? DATA_ONLY_A
		                : DATA_ONLY_B,
		.rows = { -1, -1 } };
	if (a && b)
		fill(&p, &why);
	else if (count(&p, a ? 0 : 1, &why) < 0)
		p.result->why = xstrdup(why.msg);
}

static void
compare_all(struct all *all)
{
	bool across = all->side[0]->ops != all->side[1]->ops;
	void *left;

	all->v = xcalloc(all->ntables[0] + all->ntables[1] + 1, sizeof(*all->v));
	if (all->ntables[0] > 0)
		qsort(all->tables[0], all->ntables[0], sizeof(*all->tables[0]), by_size);
	for (size_t i = 0; i < all->ntables[1]; i++) {
		_cleanup_free_ char *name = meeting_name(all->tables[1][i].name, across);

		map_put(all->theirs, name, &all->tables[1][i]);
	}
	for (size_t i = 0; i < all->ntables[0]; i++) {
		_cleanup_free_ char *name = meeting_name(all->tables[0][i].name, across);

		add_table(all, &all->tables[0][i], map_remove(all->theirs, name));
	}
	for (size_t iter = 0; map_next(all->theirs, &iter, NULL, &left);)
		add_table(all, NULL, left);
	if (all->n > 0)
		qsort(all->v, all->n, sizeof(*all->v), by_name);
}

int
data_compare(struct data_source *a, struct data_source *b, const struct data_options *options,
    struct data_result **ret, size_t *ret_n, struct err *e)
{
	struct all all = { .side = { a, b }, .options = options, .theirs = map_new() };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < 2; i++)
		r = data_tables(all.side[i], &all.tables[i], &all.ntables[i], e);
	if (r >= 0) {
		compare_all(&all);
		*ret = all.v;
		*ret_n = all.n;
	}
	map_free(all.theirs, NULL);
	data_tables_free(all.tables[0], all.ntables[0]);
	data_tables_free(all.tables[1], all.ntables[1]);
	return MIN(r, 0);
}

void
data_results_free(struct data_result *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct data_result *x = &v[i];

		for (size_t k = 0; k < x->nkeys; k++)
			free(x->keys[k].text);
		for (size_t k = 0; k < x->nranges; k++) {
			free(x->ranges[k].after);
			free(x->ranges[k].to);
		}
		for (size_t side = 0; side < 2; side++) {
			free(x->first[side]);
			free(x->last[side]);
		}
		free(x->keys);
		free(x->ranges);
		free(x->key);
		free(x->why);
		free(x->unshared);
		free(x->name);
	}
	free(v);
}
