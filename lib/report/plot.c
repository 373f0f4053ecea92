/*
 * A plot in the terminal.  A cell of braille has 2 by 4 dots; without UTF-8 it is one dot.  Axes have
 * round numbers in the unit that suits the largest of them, and local times.
 */
#include "report/plot.h"
#include "base/str.h"
#include <math.h>
#include <stdio.h>
#include <time.h>

#define COLUMNS_MIN 24
#define COLUMNS_MAX 1000
#define ROWS_MAX    100
#define LABEL_MAX   24
#define TICKS_ABOUT 4
#define TIMES_ABOUT 18 /* columns from one time to the next */
#define JOIN_STEPS  2.5
#define DAY_S       86400

struct scale {
	double divisor;
	const char *suffix;
	double low, high, step; /* in units of the divisor */
	int decimals;
};

struct field {
	size_t columns, rows; /* cells */
	size_t across, down;  /* dots of one cell */
	uint8_t *dots;        /* one byte a dot: 0 none, 1 range, 2 line */
};

/* ---- the scale ---- */

static void
choose_unit(struct scale *s, double largest, enum unit unit)
{
	static const struct {
		enum unit unit;
		double divisor;
		const char *suffix;
	} units[] = {
		{ UNIT_BYTES, 1099511627776.0, " TB" },
		{ UNIT_BYTES, 1073741824.0, " GB" },
		{ UNIT_BYTES, 1048576.0, " MB" },
		{ UNIT_BYTES, 1024.0, " kB" },
		{ UNIT_BYTES, 0, " B" },
		{ UNIT_SECONDS, 86400, " d" },
		{ UNIT_SECONDS, 3600, " h" },
		{ UNIT_SECONDS, 60, " min" },
		{ UNIT_SECONDS, 1, " s" },
		{ UNIT_SECONDS, 1e-3, " ms" },
		{ UNIT_SECONDS, 0, " us" },
		{ UNIT_RATIO, 0, " %" },
		{ UNIT_COUNT, 1e12, "T" },
		{ UNIT_COUNT, 1e9, "G" },
		{ UNIT_COUNT, 1e6, "M" },
		{ UNIT_COUNT, 1e4, "k" },
		{ UNIT_COUNT, 0, "" },
	};

	s->divisor = 1;
	s->suffix = "";
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (units[i].unit != unit || largest < units[i].divisor)
			continue;
		s->suffix = units[i].suffix;
		s->divisor = units[i].divisor > 0   ? units[i].divisor
		             : unit == UNIT_RATIO   ? 0.01
		             : unit == UNIT_SECONDS ? 1e-6
		                                    : 1;
		break;
	}
	if (unit == UNIT_COUNT && streq(s->suffix, "k"))
		s->divisor = 1e3;
}

/* 1, 2 or 5 times a power of ten, the next from rough on. */
static double
round_step(double rough)
{
	double power = pow(10, floor(log10(rough))), part = rough / power;

	return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static void
choose_scale(struct scale *s, const struct plot_point *p, size_t n, enum unit unit)
{
	double low = p[0].min, high = p[0].max, room;

	for (size_t i = 0; i < n; i++) {
		low = MIN(low, MIN(p[i].min, p[i].value));
		high = MAX(high, MAX(p[i].max, p[i].value));
	}
	choose_unit(s, MAX(fabs(low), fabs(high)), unit);
	low /= s->divisor;
	high /= s->divisor;
	/* A value that does not change, or only in digits that nobody reads, lies in the middle. */
	room = MAX(fabs(high), fabs(low)) * 1e-3;
	if (high - low < room || high - low <= 0) {
		bool above = low >= 0;

		room = room > 0 ? room * 50 : 1;
		low = above ? MAX(0, low - room) : low - room;
		high += room;
	} else if (low > 0 && low < (high - low) / 2) {
		low = 0;
	}
	s->step = round_step((high - low) / TICKS_ABOUT);
	s->low = floor(low / s->step + 1e-9) * s->step;
	s->high = ceil(high / s->step - 1e-9) * s->step;
	if (s->high <= s->low)
		s->high = s->low + s->step;
	s->decimals = s->step >= 1 ? 0 : MIN((int)ceil(-log10(s->step) - 1e-9), 9);
}

#define TICKS_MAX 20

static size_t
tick_count(const struct scale *s)
{
	double n = (s->high - s->low) / s->step + 1.5;

	return n < TICKS_MAX ? (size_t)n : TICKS_MAX;
}

static double
tick(const struct scale *s, size_t i)
{
	return s->low + (double)i * s->step;
}

static void
label(const struct scale *s, double v, char ret[static LABEL_MAX])
{
	if (fabs(v) < s->step / 1e6)
		v = 0; /* never "-0" */
	snprintf(ret, LABEL_MAX, "%.*f%s", s->decimals, v, s->suffix);
}

static size_t
label_columns(const struct scale *s)
{
	char text[LABEL_MAX];
	size_t most = 0;

	for (size_t i = 0; i < tick_count(s); i++) {
		label(s, tick(s, i), text);
		most = MAX(most, strlen(text));
	}
	return most;
}

/* ---- the field ---- */

static void
dot(struct field *f, double x, double y, uint8_t kind)
{
	size_t width = f->columns * f->across, height = f->rows * f->down;
	size_t cx = (size_t)MIN(MAX(x, 0), (double)(width - 1));
	size_t cy = (size_t)MIN(MAX(y, 0), (double)(height - 1));
	uint8_t *at = &f->dots[(height - 1 - cy) * width + cx];

	*at = MAX(*at, kind);
}

static double
place_y(const struct field *f, const struct scale *s, double v)
{
	double part = (v / s->divisor - s->low) / (s->high - s->low);

	return floor(part * (double)(f->rows * f->down - 1) + 0.5);
}

static double
place_x(const struct field *f, const struct plot_options *o, int64_t at_s)
{
	double part = (double)(at_s - o->from_s) / (double)MAX(o->to_s - o->from_s, INT64_C(1));

	return floor(part * (double)(f->columns * f->across - 1) + 0.5);
}

static void
join(struct field *f, double x0, double y0, double x1, double y1)
{
	size_t steps = (size_t)MAX(MAX(fabs(x1 - x0), fabs(y1 - y0)), 1);

	for (size_t k = 0; k <= steps; k++) {
		double i = (double)k / (double)steps;

		dot(f, floor(x0 + (x1 - x0) * i + 0.5), floor(y0 + (y1 - y0) * i + 0.5), 2);
	}
}

static void
fill(struct field *f, const struct scale *s, const struct plot_point *p, size_t n,
    const struct plot_options *o)
{
	for (size_t i = 0; i < n; i++) {
		double x = place_x(f, o, p[i].at_s), y = place_y(f, s, p[i].value);
		double low = place_y(f, s, p[i].min), top = place_y(f, s, p[i].max);
		bool near = i > 0 && (double)(p[i].at_s - p[i - 1].at_s) <=
		                         JOIN_STEPS * (double)MAX(o->step_s, INT64_C(1));

		for (size_t k = 0; k <= (size_t)MAX(top - low, 0); k++)
			dot(f, x, low + (double)k, 1);
		if (near)
			join(f, place_x(f, o, p[i - 1].at_s), place_y(f, s, p[i - 1].value), x, y);
		else
			dot(f, x, y, 2);
	}
}

/* ---- the text ---- */

/* Bits of U+2800: the left column down 0, 1, 2, 6, the right one 3, 4, 5, 7. */
static void
add_braille(struct str *out, const struct field *f, size_t row, size_t column)
{
	static const unsigned bits[4][2] = { { 0, 3 }, { 1, 4 }, { 2, 5 }, { 6, 7 } };
	size_t width = f->columns * f->across;
	unsigned cell = 0;

	for (size_t y = 0; y < 4; y++)
		for (size_t x = 0; x < 2; x++)
			if (f->dots[(row * 4 + y) * width + column * 2 + x])
				cell |= 1U << bits[y][x];
	if (cell == 0) {
		str_addc(out, ' ');
		return;
	}
	str_addc(out, (char)0xe2);
	str_addc(out, (char)(0xa0 | cell >> 6));
	str_addc(out, (char)(0x80 | (cell & 0x3f)));
}

static void
add_row(struct str *out, const struct field *f, size_t row)
{
	size_t end = out->len;

	for (size_t c = 0; c < f->columns; c++) {
		if (f->across == 2)
			add_braille(out, f, row, c);
		else
			str_addc(out, " :*"[f->dots[row * f->columns + c]]);
		if (out->s[out->len - 1] != ' ')
			end = out->len;
	}
	out->len = end; /* no blanks at the end of a line */
	out->s[end] = '\0';
}

static void
add_field(struct str *out, const struct field *f, const struct scale *s,
    const struct plot_options *o, size_t left)
{
	for (size_t row = 0; row < f->rows; row++) {
		double height = (double)(f->rows - 1), range = s->high - s->low;
		char text[LABEL_MAX] = "";

		for (size_t i = 0; i < tick_count(s); i++) {
			double v = tick(s, i);
			double at = floor((s->high - v) / range * height + 0.5);

			if ((size_t)MAX(at, 0) == row)
				label(s, v, text);
		}
		str_addf(out, "%*s %s", (int)left, text,
		    o->unicode ? (*text ? "\u2524" : "\u2502") : (*text ? "+" : "|"));
		if (o->colour)
			str_add(out, "\x1b[36m");
		add_row(out, f, row);
		str_add(out, o->colour ? "\x1b[0m\n" : "\n");
	}
}

/* Local time, no more of it than tells one mark from the next. */
static void
time_text(int64_t at_s, int64_t range_s, char ret[static LABEL_MAX])
{
	time_t at = (time_t)at_s;
	struct tm tm;
	size_t n = 0;

	ret[0] = '\0';
	if (!localtime_r(&at, &tm))
		return;
	if (range_s <= 300)
		n = strftime(ret, LABEL_MAX, "%H:%M:%S", &tm);
	else if (range_s <= 2 * DAY_S)
		n = strftime(ret, LABEL_MAX, "%H:%M", &tm);
	else if (range_s <= 10 * DAY_S)
		n = strftime(ret, LABEL_MAX, "%a %H:%M", &tm);
	else if (range_s <= 300 * DAY_S)
		n = strftime(ret, LABEL_MAX, "%d %b", &tm);
	else
		n = strftime(ret, LABEL_MAX, "%b %Y", &tm);
	ret[n] = '\0';
}

static void
add_times(struct str *out, const struct field *f, const struct plot_options *o, size_t left)
{
	int64_t range = o->to_s - o->from_s;
	size_t every = f->columns / MAX(f->columns / TIMES_ABOUT, (size_t)1), used = 0;
	_cleanup_str_ struct str line = { 0 }, times = { 0 };

	for (size_t c = 0; c < f->columns; c++) {
		bool mark = c % every == 0;
		double part = (double)c / (double)MAX(f->columns - 1, (size_t)1);
		char text[LABEL_MAX] = "";

		if (mark)
			time_text(o->from_s + (int64_t)((double)range * part), range, text);
		mark = mark && c >= used && c + strlen(text) <= f->columns;
		str_add(&line, o->unicode ? (mark ? "\u252c" : "\u2500") : (mark ? "+" : "-"));
		if (!mark)
			continue;
		str_addf(&times, "%*s%s", (int)(c - times.len), "", text);
		used = times.len + 1;
	}
	str_addf(out, "%*s %s%s\n", (int)left, "", o->unicode ? "\u2514" : "+", str_text(&line));
	str_addf(out, "%*s  %s\n", (int)left, "", str_text(&times));
}

char *
plot_draw(const struct plot_point *p, size_t n, const struct plot_options *o)
{
	size_t columns = MIN(MAX(o->columns, (size_t)COLUMNS_MIN), (size_t)COLUMNS_MAX), left;
	struct field f = { .rows = MIN(MAX(o->rows, (size_t)2), (size_t)ROWS_MAX),
		.across = o->unicode ? 2 : 1,
		.down = o->unicode ? 4 : 1 };
	_cleanup_free_ uint8_t *dots = NULL;
	struct str out = { 0 };
	struct scale s = { 0 };

	assert(n > 0);
	choose_scale(&s, p, n, o->unit);
	left = MIN(label_columns(&s), (size_t)LABEL_MAX - 1);
	f.columns = columns > left + 10 ? columns - left - 2 : 8;
	dots = xcalloc(f.columns * f.across * f.rows * f.down, 1);
	f.dots = dots;
	fill(&f, &s, p, n, o);
	add_field(&out, &f, &s, o, left);
	add_times(&out, &f, o, left);
	return str_take(&out);
}
