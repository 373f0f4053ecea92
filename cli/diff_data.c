/* `dbhealth diff --data`: the rows of both sides, beside each other. */
#include "cli/diff_data.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/admin.h"
#include "report/report.h"

#define ROWS_MAX 1000000
#define KEYS_MAX 100
#define WIDTH    78

/* ---- looking ---- */

static int
open_side(const struct cli *cli, const char *arg, int64_t until_us, struct data_source **ret)
{
	struct admin_target t = { 0 };
	struct err e = { 0 };
	int r = admin_target(cli, arg, &t);

	if (r == 0) {
		int code = t.engine == ENGINE_SQLITE
		               ? data_open_sqlite(t.path, until_us, ret, &e)
		               : data_open_postgresql(t.dsn, until_us, ret, &e);

		if (code < 0) {
			_cleanup_free_ char *name = show_text(t.db->name), *why = show_text(e.msg);

			r = cli_fail(
			    cli, EXIT_UNAVAILABLE, "%s: %s: %s.", cli->command->name, name, why);
		}
	}
	admin_target_done(&t);
	return r;
}

static void
count_states(struct diff_data *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct data_result *x = &d->v[i];

		switch (x->state) {
		case DATA_SAME:
			break;
		case DATA_DIFFERS:
		case DATA_ONLY_A:
		case DATA_ONLY_B:
			d->ndiffer++;
			break;
		case DATA_NOT_COMPARED:
			d->nunknown++;
			break;
		case DATA_STATE_N:
			assert(false);
		}
	}
}

int
diff_data_look(const struct cli *cli, const char *const args[2], struct diff_data *ret)
{
	const struct data_options options = { .rows_max = cli->o.rows > 0 ? cli->o.rows : ROWS_MAX,
		.keys_max = KEYS_MAX };
	int64_t until_us = clock_now_us() + cli->o.budget_us;
	_cleanup_(data_source_freep) struct data_source *a = NULL;
	_cleanup_(data_source_freep) struct data_source *b = NULL;
	struct err e = { 0 };
	int r = open_side(cli, args[0], until_us, &a);

	if (r == 0)
		r = open_side(cli, args[1], until_us, &b);
	if (r != 0)
		return r;
	ret->rows_max = options.rows_max;
	if (data_compare(a, b, &options, &ret->v, &ret->n, &e) < 0) {
		_cleanup_free_ char *why = show_text(e.msg);

		return cli_fail(cli, EXIT_UNAVAILABLE, "%s: %s.", cli->command->name, why);
	}
	count_states(ret);
	return 0;
}

void
diff_data_done(struct diff_data *d)
{
	data_results_free(d->v, d->n);
	d->v = NULL;
	d->n = 0;
}

/* ---- as text ---- */

/* Words behind what stands there, on as many lines as they need. */
static void
add_word(struct str *out, size_t *column, const char *word)
{
	_cleanup_free_ char *shown = show_text(word);
	size_t n = text_columns(shown);

	if (*column + n + 1 > WIDTH) {
		str_add(out, "\n   ");
		*column = 3;
	}
	str_addf(out, " %s", shown);
	*column += n + 1;
}

static void
add_keys(struct str *out, const struct data_result *x, enum data_row what, const char *title)
{
	size_t column = strlen(title) + 2, n = 0;

	for (size_t i = 0; i < x->nkeys; i++) {
		_cleanup_free_ char *word = NULL;

		if (x->keys[i].what != what)
			continue;
		if (n++ == 0)
			str_addf(out, "  %s", title);
		word = xasprintf("[%s]", x->keys[i].text);
		add_word(out, &column, word);
	}
	if (n > 0)
		str_addc(out, '\n');
}

static void
add_ranges(struct str *out, const struct data_result *x, const struct diff_data *d)
{
	for (size_t i = 0; i < x->nranges; i++) {
		const struct data_range *r = &x->ranges[i];
		_cleanup_free_ char *after = show_text(r->after ? r->after : "");
		_cleanup_free_ char *to = show_text(r->to ? r->to : "");

		str_addf(out, "  differs %s%s%s%s%s: %lld row%s in %s, %lld in %s\n",
		    r->after ? "behind " : "", after, r->after && r->to ? " " : "",
		    r->to ? "up to " : "", to, (long long)r->rows[0], words_s((size_t)r->rows[0]),
		    d->names[0], (long long)r->rows[1], d->names[1]);
	}
}

static void
add_ends(struct str *out, const struct data_result *x, const struct diff_data *d)
{
	for (size_t i = 0; x->key && i < 2; i++) {
		_cleanup_free_ char *key = show_text(x->key);
		_cleanup_free_ char *first = show_text(x->first[i] ? x->first[i] : "");
		_cleanup_free_ char *last = show_text(x->last[i] ? x->last[i] : "");

		if (x->first[i])
			str_addf(out, "  %s: %s from %s to %s\n", d->names[i], key, first, last);
	}
}

static void
add_different(struct str *out, const struct data_result *x, const struct diff_data *d)
{
	add_ends(out, x, d);
	if (x->nranges > 1 || x->nkeys == 0 || x->more)
		add_ranges(out, x, d);
	add_keys(out, x, DATA_ROW_CHANGED, "rows that differ:");
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *title = xasprintf("rows only in %s:", d->names[i]);

		add_keys(out, x, i == 0 ? DATA_ROW_ONLY_A : DATA_ROW_ONLY_B, title);
	}
	if (x->more)
		str_add(out, "  and more\n");
	if (x->nranges == 0 && x->by_row && x->rows[0] == x->rows[1])
		str_add(out, "  rows differ; no key that both have tells which\n");
}

static void
add_notes(struct str *out, const struct data_result *x, const struct diff_data *d)
{
	if (x->unshared) {
		_cleanup_free_ char *columns = show_text(x->unshared);

		str_addf(out, "  without columns that one side has not: %s\n", columns);
	}
	if (x->why) {
		_cleanup_free_ char *why = show_text(x->why);

		str_addf(out, "  %s%s\n",
		    x->state == DATA_NOT_COMPARED ? "not compared: " : "not all of it: ", why);
	} else if (!x->by_row && MAX(x->rows[0], x->rows[1]) > d->rows_max) {
		str_addf(
		    out, "  by count and key only: more than %lld rows\n", (long long)d->rows_max);
	}
}

static void
add_table(struct str *out, const struct data_result *x, const struct diff_data *d)
{
	_cleanup_free_ char *name = show_text(x->name);

	switch (x->state) {
	case DATA_ONLY_A:
	case DATA_ONLY_B:
		str_addf(out, "\n%s: only in %s", name, d->names[x->state == DATA_ONLY_B]);
		if (x->rows[x->state == DATA_ONLY_B] >= 0)
			str_addf(out, ", %lld row%s", (long long)x->rows[x->state == DATA_ONLY_B],
			    words_s((size_t)x->rows[x->state == DATA_ONLY_B]));
		str_addc(out, '\n');
		return;
	case DATA_SAME:
		if (x->by_row && !x->unshared)
			return;
		str_addf(out, "\n%s: %lld row%s in both\n", name, (long long)x->rows[0],
		    words_s((size_t)x->rows[0]));
		break;
	case DATA_DIFFERS:
		str_addf(out, "\n%s: %lld row%s in %s, %lld in %s\n", name, (long long)x->rows[0],
		    words_s((size_t)x->rows[0]), d->names[0], (long long)x->rows[1], d->names[1]);
		add_different(out, x, d);
		break;
	case DATA_NOT_COMPARED:
		str_addf(out, "\n%s\n", name);
		break;
	case DATA_STATE_N:
		assert(false);
	}
	add_notes(out, x, d);
}

char *
diff_data_text(const struct diff_data *d)
{
	struct str out = { 0 };

	if (d->ndiffer > 0)
		str_addf(&out, "%s and %s differ in their rows: %zu of %zu table%s\n", d->names[0],
		    d->names[1], d->ndiffer, d->n, words_s(d->n));
	else if (d->nunknown > 0 && d->nunknown == d->n)
		str_addf(&out, "whether %s and %s have the same rows is not known\n", d->names[0],
		    d->names[1]);
	else
		str_addf(&out, "%s and %s have the same rows: %zu table%s\n", d->names[0],
		    d->names[1], d->n - d->nunknown, words_s(d->n - d->nunknown));
	if (d->nunknown > 0)
		str_addf(&out, "not compared: %zu table%s\n", d->nunknown, words_s(d->nunknown));
	for (size_t i = 0; i < d->n; i++)
		add_table(&out, &d->v[i], d);
	return str_take(&out);
}

/* ---- as JSON ---- */

static json_t *
side_json(const struct data_result *x, size_t side)
{
	json_t *o = json_object();

	json_object_set_new(
	    o, "rows", x->rows[side] < 0 ? json_null() : json_integer(x->rows[side]));
	json_object_set_new(o, "first", report_string(x->first[side]));
	json_object_set_new(o, "last", report_string(x->last[side]));
	return o;
}

static json_t *
table_json(const struct data_result *x)
{
	json_t *o = json_object(), *keys = json_array(), *ranges = json_array();

	for (size_t i = 0; i < x->nkeys; i++) {
		json_t *k = json_object();

		json_object_set_new(k, "key", report_string(x->keys[i].text));
		json_object_set_new(k, "what", json_string(data_row_names[x->keys[i].what]));
		json_array_append_new(keys, k);
	}
	for (size_t i = 0; i < x->nranges; i++) {
		json_t *r = json_object();

		json_object_set_new(r, "after", report_string(x->ranges[i].after));
		json_object_set_new(r, "to", report_string(x->ranges[i].to));
		json_object_set_new(r, "rows_a", json_integer(x->ranges[i].rows[0]));
		json_object_set_new(r, "rows_b", json_integer(x->ranges[i].rows[1]));
		json_array_append_new(ranges, r);
	}
	json_object_set_new(o, "table", report_string(x->name));
	json_object_set_new(o, "state", json_string(data_state_names[x->state]));
	json_object_set_new(o, "key", report_string(x->key));
	json_object_set_new(o, "a", side_json(x, 0));
	json_object_set_new(o, "b", side_json(x, 1));
	json_object_set_new(o, "by_row", json_boolean(x->by_row));
	json_object_set_new(o, "reason", report_string(x->why));
	json_object_set_new(o, "columns_left_out", report_string(x->unshared));
	json_object_set_new(o, "rows", keys);
	json_object_set_new(o, "ranges", ranges);
	json_object_set_new(o, "more", json_boolean(x->more));
	return o;
}

json_t *
diff_data_json(const struct diff_data *d)
{
	json_t *o = json_object(), *tables = json_array();

	for (size_t i = 0; i < d->n; i++)
		json_array_append_new(tables, table_json(&d->v[i]));
	json_object_set_new(o, "same", json_boolean(d->ndiffer == 0));
	json_object_set_new(o, "differ", json_integer((json_int_t)d->ndiffer));
	json_object_set_new(o, "not_compared", json_integer((json_int_t)d->nunknown));
	json_object_set_new(o, "tables", tables);
	return o;
}
