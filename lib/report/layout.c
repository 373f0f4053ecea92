/*
 * Lines for people: at most 80 columns, prose wrapped at words, SQL never broken where a break
 * would change it, every text from outside made safe.
 */
#include "report/layout.h"

#include "base/clock.h"
#include "base/text.h"
#include "base/unit.h"

#include <ctype.h>
#include <math.h>
#include <time.h>

const char *
layout_get(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

double
layout_get_number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

int64_t
layout_get_time(const json_t *o, const char *key)
{
	int64_t us = 0;

	return clock_rfc3339_parse(layout_get(o, key), &us) < 0 ? 0 : us;
}

static size_t
character_bytes(const char *s)
{
	size_t n = 1;

	while (((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static size_t
columns_of(const char *s, size_t len)
{
	_cleanup_free_ char *part = xstrndup(s, len);

	return text_columns(part);
}

size_t
layout_fit(const char *s, size_t columns)
{
	size_t bytes = 0, used = 0;

	while (s[bytes]) {
		size_t n = character_bytes(s + bytes), w = columns_of(s + bytes, n);

		if (used + w > columns && bytes > 0)
			break;
		used += w;
		bytes += n;
	}
	return bytes;
}

void
layout_pad(struct str *out, size_t columns)
{
	while (columns-- > 0)
		str_addc(out, ' ');
}

char *
layout_short(const char *text, size_t columns)
{
	_cleanup_free_ char *shown = show_text(text);

	if (text_columns(shown) <= columns)
		return TAKE_PTR(shown);
	if (columns <= 3)
		return xstrndup("...", columns);
	return xasprintf("%.*s...", (int)layout_fit(shown, columns - 3), shown);
}

void
layout_cell(struct str *out, const char *text, size_t columns)
{
	_cleanup_free_ char *cut = layout_short(text, columns);
	size_t w = text_columns(cut);

	str_add(out, cut);
	layout_pad(out, w < columns ? columns - w : 0);
}

void
layout_right(struct str *out, size_t columns, const char *text)
{
	size_t w = text_columns(text);

	layout_pad(out, w < columns ? columns - w : 1);
	str_add(out, text);
}

/* Where lines of the source stay apart: see layout_prose. */
static bool
keeps_apart(const char *before, const char *after)
{
	size_t n = strlen(before);

	return n == 0 || before[n - 1] == ';' || before[n - 1] == ':' ||
	       isblank((unsigned char)*after);
}

static void
prose_word(struct str *out, size_t *column, size_t indent, const char *word, size_t len)
{
	size_t w = columns_of(word, len);

	if (*column > indent && *column + 1 + w > LAYOUT_WIDTH) {
		str_addc(out, '\n');
		layout_pad(out, indent);
		*column = indent;
	} else if (*column > indent) {
		str_addc(out, ' ');
		*column += 1;
	}
	/* A word that no line holds is cut. */
	while (*column + w > LAYOUT_WIDTH) {
		_cleanup_free_ char *rest = xstrndup(word, len);
		size_t n = layout_fit(rest, LAYOUT_WIDTH - *column);

		if (n >= len)
			break;
		str_addn(out, word, n);
		str_addc(out, '\n');
		layout_pad(out, indent);
		*column = indent;
		word += n;
		len -= n;
		w = columns_of(word, len);
	}
	str_addn(out, word, len);
	*column += w;
}

static void
prose_line(struct str *out, size_t *column, size_t indent, const char *line)
{
	_cleanup_free_ char *shown = show_text(line);
	const char *p = shown;

	while (*p) {
		size_t n;

		p += strspn(p, " \t");
		n = strcspn(p, " \t");
		if (n == 0)
			break;
		prose_word(out, column, indent, p, n);
		p += n;
	}
}

void
layout_prose_at(struct str *out, size_t column, size_t indent, const char *text)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *save = NULL;
	const char *before = NULL;

	if (column < indent) {
		layout_pad(out, indent - column);
		column = indent;
	}
	/* prose_word parts a word from what stands before it. */
	if (column > indent && out->len > 0 && out->s[out->len - 1] == ' ') {
		out->s[--out->len] = '\0';
		column--;
	}
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (before && keeps_apart(before, line)) {
			str_addc(out, '\n');
			layout_pad(out, indent);
			column = indent;
		}
		prose_line(out, &column, indent, line);
		before = line;
	}
	str_addc(out, '\n');
}

void
layout_prose(struct str *out, const char *first, size_t indent, const char *text)
{
	str_add(out, first);
	layout_prose_at(out, text_columns(first), indent, text);
}

/* ---- SQL ---- */

/* The byte after a quoted piece that begins at p ('..', "..", `..`, $tag$..$tag$, comments). */
static const char *
sql_skip_quoted(const char *p)
{
	const char *end;

	if (*p == '\'' || *p == '"' || *p == '`') {
		for (end = p + 1; *end; end++) {
			if (*end != *p)
				continue;
			if (end[1] != *p)
				return end + 1;
			end++;
		}
		return end;
	}
	if (p[0] == '-' && p[1] == '-')
		return p + strlen(p);
	if (p[0] == '/' && p[1] == '*') {
		end = strstr(p + 2, "*/");
		return end ? end + 2 : p + strlen(p);
	}
	if (*p == '$') {
		size_t tag = strspn(p + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
		                           "0123456789");
		_cleanup_free_ char *mark = NULL;

		if (p[1 + tag] != '$')
			return p + 1;
		mark = xstrndup(p, tag + 2);
		end = strstr(p + tag + 2, mark);
		return end ? end + tag + 2 : p + strlen(p);
	}
	return p;
}

/* A line reads better when it begins with the word than when it ends with it. */
static size_t
before_keyword(const char *line, size_t at)
{
	static const char *const words[] = { "AND", "OR", "FROM", "WHERE", "JOIN", "ON", "SET",
		"NOT", "VALUES" };
	size_t start = at;

	while (start > 0 && line[start - 1] != ' ')
		start--;
	if (start < 2)
		return at;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i]) == at - start &&
		    memcmp(words[i], line + start, at - start) == 0)
			return before_keyword(line, start - 1);
	return at;
}

/* The end of the longest head of a line that fits and may end there; all of it when none may. */
static size_t
sql_break(const char *line, size_t columns)
{
	size_t blank = 0, mark = 0;
	const char *p = line;

	while (*p) {
		const char *next = sql_skip_quoted(p);
		bool comment = p[0] == '-' && p[1] == '-';

		if (comment)
			break;
		if (next == p)
			next = p + character_bytes(p);
		if (*p == ' ' && p > line && columns_of(line, (size_t)(p - line)) <= columns)
			blank = (size_t)(p - line);
		/* "a"."b" may be broken before the point, lists after a comma or parenthesis. */
		if (*p == '.' && p > line && p[-1] == '"' &&
		    columns_of(line, (size_t)(p - line)) <= columns)
			mark = (size_t)(p - line);
		if ((*p == ',' || *p == '(') && next[0] != '\0' && next[0] != ' ' &&
		    columns_of(line, (size_t)(next - line)) <= columns)
			mark = (size_t)(next - line);
		/* Nothing fits: as soon as it may be after what cannot be broken. */
		if (*p == ' ' && p > line && blank == 0 && mark == 0)
			return (size_t)(p - line);
		p = next;
		if (columns_of(line, (size_t)(p - line)) > columns && (blank > 0 || mark > 0))
			break;
	}
	if (blank > 0)
		return before_keyword(line, blank);
	return mark > 0 ? mark : strlen(line);
}

static void
sql_line(struct str *out, size_t indent, const char *line)
{
	size_t own = strspn(line, " ");
	bool first = true;

	line += own;
	own = MIN(own, (size_t)20);
	while (*line) {
		size_t left = indent + own + (first ? 0 : 2);
		size_t n = strlen(line);

		if (left + text_columns(line) > LAYOUT_WIDTH && *line != '\\')
			n = sql_break(line, LAYOUT_WIDTH - left);
		layout_pad(out, left);
		str_addn(out, line, n);
		str_addc(out, '\n');
		line += n;
		line += strspn(line, " ");
		first = false;
	}
}

/* A quoted piece that holds a newline must not be indented or wrapped: it would change. */
static bool
sql_spans_lines(const char *sql)
{
	for (const char *p = sql; *p;) {
		const char *next = NULL;

		if (p[0] == '-' && p[1] == '-') {
			p += strcspn(p, "\n");
			continue;
		}
		next = sql_skip_quoted(p);
		if (next == p)
			next = p + 1;
		if (next > p + 1 && !(p[0] == '/' && p[1] == '*') &&
		    memchr(p, '\n', (size_t)(next - p)))
			return true;
		p = next;
	}
	return false;
}

/* Tabs are blanks to SQL; as they are they would be shown escaped. */
static char *
show_lines(const char *text)
{
	_cleanup_str_ struct str out = { 0 };

	for (; *text; text++) {
		if (*text == '\t')
			str_add(&out, "    ");
		else
			str_addc(&out, *text);
	}
	return show_text_lines(str_text(&out));
}

void
layout_sql(struct str *out, size_t indent, const char *sql)
{
	_cleanup_free_ char *shown = show_lines(sql);
	char *save = NULL;

	if (sql_spans_lines(shown)) {
		str_add(out, shown);
		if (out->len > 0 && out->s[out->len - 1] != '\n')
			str_addc(out, '\n');
		return;
	}
	for (char *line = strtok_r(shown, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		sql_line(out, indent, line);
}

static size_t
command_break(const char *line, size_t columns)
{
	size_t blank = 0;
	char quote = 0;

	for (const char *p = line; *p; p++) {
		if (quote) {
			if (*p == '\\' && quote == '"' && p[1])
				p++;
			else if (*p == quote)
				quote = 0;
			continue;
		}
		if (*p == '\'' || *p == '"') {
			quote = *p;
		} else if (*p == '\\' && p[1]) {
			p++;
		} else if (*p == '#' && (p == line || p[-1] == ' ')) {
			return strlen(line); /* a comment cannot go on */
		} else if (*p == ' ' && p > line) {
			if (columns_of(line, (size_t)(p - line)) <= columns)
				blank = (size_t)(p - line);
			else if (blank > 0)
				break;
		}
	}
	return blank > 0 ? blank : strlen(line);
}

void
layout_command(struct str *out, size_t indent, const char *command)
{
	_cleanup_free_ char *shown = show_text_lines(command);
	char *save = NULL;

	for (char *line = strtok_r(shown, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		bool first = true;

		while (*line) {
			size_t left = indent + (first ? 0 : 2), n = strlen(line);

			if (left + text_columns(line) > LAYOUT_WIDTH)
				n = command_break(line, LAYOUT_WIDTH - left - 2);
			layout_pad(out, left);
			str_addn(out, line, n);
			line += n;
			line += strspn(line, " ");
			str_add(out, *line ? " \\\n" : "\n");
			first = false;
		}
	}
}

char *
layout_id(const json_t *finding, int digits)
{
	_cleanup_free_ char *id = xstrndup(layout_get(finding, "id"), (size_t)MAX(digits, 0));

	return show_text(id);
}

void
layout_verbatim(struct str *out, size_t indent, const char *text)
{
	_cleanup_free_ char *shown = show_lines(text);
	char *save = NULL;

	for (char *line = strtok_r(shown, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		layout_pad(out, indent);
		str_add(out, line);
		str_addc(out, '\n');
	}
}

/* ---- words, times, counts ---- */

static const char *
colour_of(const char *word)
{
	static const struct {
		const char *word, *code;
	} colours[] = { { "critical", "\033[1;31m" }, { "warning", "\033[33m" },
		{ "unknown", "\033[35m" }, { "ok", "\033[32m" }, { "info", "\033[36m" } };

	for (size_t i = 0; i < ARRAY_SIZE(colours); i++)
		if (streq(colours[i].word, word))
			return colours[i].code;
	return NULL;
}

void
layout_status_word(struct str *out, const char *word, bool colour)
{
	const char *code = colour ? colour_of(word) : NULL;
	_cleanup_free_ char *shown = layout_short(streq(word, "critical") ? "CRITICAL" : word, 12);

	if (code)
		str_add(out, code);
	str_add(out, shown);
	if (code)
		str_add(out, "\033[0m");
}

void
layout_status(struct str *out, const char *word, bool colour)
{
	size_t n = MIN(strlen(word), (size_t)12);

	layout_status_word(out, word, colour);
	layout_pad(out, n < 10 ? 10 - n : 1);
}

void
layout_verdict(struct str *out, const char *word, bool colour, const char *who, const char *what)
{
	_cleanup_free_ char *name = layout_short(who, 60);
	_cleanup_free_ char *line = xasprintf("%s: %s", name, what);

	layout_status(out, word, colour);
	layout_prose_at(out, 10, 10, line);
}

char *
layout_age(int64_t us)
{
	static const struct {
		const char *name;
		int64_t us;
	} parts[] = { { "d", INT64_C(86400) * USEC_PER_SEC }, { "h", INT64_C(3600) * USEC_PER_SEC },
		{ "min", INT64_C(60) * USEC_PER_SEC }, { "s", USEC_PER_SEC } };
	_cleanup_free_ char *n = NULL;

	us = MAX(us, (int64_t)0);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (us < parts[i].us && i + 1 < ARRAY_SIZE(parts))
			continue;
		n = layout_count(us / parts[i].us);
		return xasprintf("%s %s", n, parts[i].name);
	}
	return xstrdup("0 s");
}

char *
layout_clock(int64_t wall_us, int64_t now_wall_us)
{
	time_t t = (time_t)(wall_us / USEC_PER_SEC), now = (time_t)(now_wall_us / USEC_PER_SEC);
	struct tm tm, today;
	char buf[64];

	if (!localtime_r(&t, &tm) || !localtime_r(&now, &today))
		return xstrdup("?");
	if (tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday)
		strftime(buf, sizeof(buf), "%H:%M:%S", &tm);
	else
		strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M", &tm);
	return xstrdup(buf);
}

char *
layout_since(int64_t wall_us, int64_t now_wall_us)
{
	_cleanup_free_ char *age = layout_age(now_wall_us - wall_us);
	_cleanup_free_ char *at = layout_clock(wall_us, now_wall_us);

	return xasprintf("%s, since %s", age, at);
}

char *
layout_count(int64_t n)
{
	char digits[32];
	_cleanup_str_ struct str out = { 0 };
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)n);

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
			str_addc(&out, ',');
		str_addc(&out, digits[i]);
	}
	return str_take(&out);
}

void
layout_count_of(struct str *out, int64_t n, const char *word)
{
	_cleanup_free_ char *text = NULL;

	if (n == 0)
		return;
	text = layout_count(n);
	str_addf(out, "%s%s %s", out->len > 0 ? ", " : "", text, word);
}
