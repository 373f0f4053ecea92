/*
 * What a row says, for the eval: its cells as texts, numbers and growth.
 */
#include "base/sha.h"
#include "base/text.h"
#include "check/eval_private.h"
#include "check/facts.h"
#include <math.h>
#include <stdio.h>

const char *
eval_label_cell(const struct eval *e, const struct row *row, const char *name, size_t *ret_len)
{
	for (size_t i = 0; i < e->cols.nlabels; i++) {
		size_t at = e->cols.labels[i].index;

		if (!streq(e->cols.labels[i].name, name))
			continue;
		*ret_len = row->cells[at] ? row->lengths[at] : 0;
		return row->cells[at];
	}
	*ret_len = 0;
	return NULL;
}

char *
eval_label_text(const struct eval *e, const struct row *row, const char *name, size_t max)
{
	size_t len;
	const char *s = eval_label_cell(e, row, name, &len);

	return text_from_peer(s ? s : "", len, max);
}

const char *
eval_cell(const struct eval *e, const struct row *row, enum column_role role, size_t *ret_len)
{
	int i = e->cols.index[role];

	*ret_len = i < 0 || !row->cells[i] ? 0 : row->lengths[i];
	return i < 0 ? NULL : row->cells[i];
}

static char *
short_object(const struct row *row)
{
	_cleanup_free_ char *shown = show_text(row->object);

	return text_ellipsis(shown, 100);
}

void
eval_note_bad(struct eval *e, const struct row *row, const char *column, const char *what)
{
	_cleanup_free_ char *object = NULL;

	if (e->nbad++ > 0)
		return;
	object = short_object(row);
	result_unknown(
	    &e->bad, REASON_NO_VALUE, "%s %s%s%s", column, what, *object ? " for " : "", object);
}

bool
eval_note_grant(struct eval *e, const struct row *row)
{
	size_t len, value_len;
	const char *grant = eval_cell(e, row, COLUMN_GRANT, &len);
	_cleanup_free_ char *text = NULL, *object = NULL;
	_cleanup_str_ struct str all = { 0 };

	if (!grant || len == 0 || eval_cell(e, row, COLUMN_VALUE, &value_len))
		return false;
	text = text_from_peer(grant, len, 2 * sizeof(e->bad.grant));
	object = short_object(row);
	if (e->nbad++ == 0 || e->bad.reason != REASON_PRIVILEGE) {
		result_unknown(&e->bad, REASON_PRIVILEGE, "a right is missing%s%s",
		    *object ? " for " : "", object);
		e->bad.grant[0] = 0;
	}
	/* Those that do not fit any more come up once the first were run. */
	str_add(&all, e->bad.grant);
	privilege_add_grants(&all, text, sizeof(e->bad.grant));
	snprintf(e->bad.grant, sizeof(e->bad.grant), "%s", str_text(&all));
	return true;
}

const char *
eval_take_text(struct str *buf, const char *s, size_t len)
{
	bool plain = true;
	_cleanup_free_ char *text = NULL;
	char digest[SHA_ID_SIZE];

	str_reset(buf);
	for (size_t i = 0; i < len && plain; i++)
		plain = (unsigned char)s[i] < 0x80 && s[i] != '\0';
	if (plain && len <= TEXT_MAX_BYTES) {
		str_addn(buf, s, len);
		return str_text(buf);
	}
	if (len <= TEXT_MAX_BYTES) {
		text = text_from_peer(s, len, TEXT_MAX_BYTES);
		str_add(buf, text);
	} else {
		_cleanup_free_ char *whole = text_from_peer(s, len, EVAL_MAX_BYTES);
		const char *part = whole;

		sha_id(&part, 1, digest);
		text = text_from_peer(s, len, TEXT_MAX_BYTES - SHA_ID_SIZE);
		str_addf(buf, "%s#%s", text, digest);
	}
	return str_text(buf);
}

static enum outcome
read_number(
    struct eval *e, const struct row *row, enum column_role role, const char *name, double *ret)
{
	size_t len;
	const char *s = eval_cell(e, row, role, &len);

	if (s && cell_number(s, len, ret))
		return ROW_JUDGED;
	eval_note_bad(e, row, name, s ? "is not a finite number" : "is NULL");
	return ROW_BAD;
}

/* The text of `reset`; NULL is an epoch of its own. */
static char *
read_reset(const struct eval *e, const struct row *row)
{
	size_t len;
	const char *s = eval_cell(e, row, COLUMN_RESET, &len);

	return text_from_peer(s ? s : "", len, 60);
}

/* Growth as it was when the row came. */
static enum outcome
read_memory(const struct eval *e, struct row *row)
{
	const struct row_memory *m = e->ctx.again;

	row->growth = (struct growth){ .value = m->part, .whole = m->whole, .seconds = NAN };
	row->value = m->value;
	row->has_value = !m->waiting && !m->quiet;
	return m->waiting ? ROW_WAITING : m->quiet ? ROW_QUIET : ROW_JUDGED;
}

static enum outcome
read_rate(struct eval *e, struct row *row)
{
	struct counter now = { .whole = NAN };
	_cleanup_free_ char *reset = read_reset(e, row);
	int64_t window_us = e->settings->window_us;

	if (read_number(e, row, COLUMN_VALUE, "value", &now.value) == ROW_BAD ||
	    read_number(e, row, COLUMN_AT, "at", &now.at_s) == ROW_BAD)
		return ROW_BAD;
	row->counter = now.value;
	if (!growths_take(e->growths, row->key, reset, &now, &row->growth))
		return ROW_WAITING;
	row->has_value = true;
	if (window_us > 0)
		row->value = growths_window_sum(
		    e->growths, row->key, &row->growth, now.at_s, (double)window_us / 1e6);
	else
		row->value = row->growth.value / row->growth.seconds;
	return ROW_JUDGED;
}

static enum outcome
read_ratio(struct eval *e, struct row *row)
{
	struct counter now = { .at_s = NAN };
	_cleanup_free_ char *reset = read_reset(e, row);

	if (read_number(e, row, COLUMN_PART, "part", &now.value) == ROW_BAD ||
	    read_number(e, row, COLUMN_WHOLE, "whole", &now.whole) == ROW_BAD)
		return ROW_BAD;
	if (!growths_take(e->growths, row->key, reset, &now, &row->growth))
		return ROW_WAITING;
	if (row->growth.whole <= 0 || row->growth.whole < e->min_whole)
		return ROW_QUIET;
	row->has_value = true;
	row->value = row->growth.value / row->growth.whole;
	return ROW_JUDGED;
}

/* Kinds whose rows may do without a value, where no threshold asks for it. */
static enum outcome
read_optional(struct eval *e, struct row *row)
{
	size_t len;
	const char *s = eval_cell(e, row, COLUMN_VALUE, &len);

	row->has_value = s && cell_number(s, len, &row->value);
	if (row->has_value || check_severity_by_sql(e->check))
		return ROW_JUDGED;
	return read_number(e, row, COLUMN_VALUE, "value", &row->value);
}

enum outcome
eval_read_value(struct eval *e, struct row *row)
{
	enum outcome outcome = ROW_BAD;

	switch (e->check->kind) {
	case KIND_GAUGE:
	case KIND_EVENT:
		outcome = read_number(e, row, COLUMN_VALUE, "value", &row->value);
		row->has_value = outcome == ROW_JUDGED;
		break;
	case KIND_RATE:
		return e->ctx.again ? read_memory(e, row) : read_rate(e, row);
	case KIND_RATIO:
		return e->ctx.again ? read_memory(e, row) : read_ratio(e, row);
	case KIND_FINDING:
	case KIND_SCRUB:
		return read_optional(e, row);
	case KIND_SNAPSHOT: /* its rows are no samples */
	case KIND_NONE:
	case KIND_N:
		break;
	}
	return outcome;
}
