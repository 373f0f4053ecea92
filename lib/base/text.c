/*
 * The two doors for text: bytes of a peer become valid UTF-8, text for people loses what could
 * move a cursor, forge a line or turn the reading direction.
 */
#include "base/text.h"
#include "base/str.h"
#include <locale.h>
#include <wchar.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/*
 * Length of the well-formed character at s, with its code point; 0 when it is malformed, then
 * *ret_bad is how many bytes stand for one U+FFFD (the Unicode standard's "maximal subpart",
 * table 3-7: it rules out overlong forms, surrogates and what lies over U+10FFFF).
 */
static size_t
utf8_next(const char *text, size_t len, uint32_t *ret_cp, size_t *ret_bad)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned char lo = 0x80, hi = 0xbf;
	uint32_t cp = s[0];
	size_t need;

	*ret_bad = 1;
	if (cp < 0x80) {
		*ret_cp = cp;
		return 1;
	}
	if (cp < 0xc2 || cp > 0xf4)
		return 0;
	need = cp < 0xe0 ? 2 : cp < 0xf0 ? 3 : 4;
	if (cp == 0xe0)
		lo = 0xa0;
	else if (cp == 0xed)
		hi = 0x9f;
	else if (cp == 0xf0)
		lo = 0x90;
	else if (cp == 0xf4)
		hi = 0x8f;
	cp &= need == 2 ? 0x1f : need == 3 ? 0x0f : 0x07;
	for (size_t i = 1; i < need; i++) {
		if (i >= len || s[i] < lo || s[i] > hi) {
			*ret_bad = i;
			return 0;
		}
		cp = cp << 6 | (s[i] & 0x3f);
		lo = 0x80;
		hi = 0xbf;
	}
	*ret_cp = cp;
	return need;
}

size_t
text_character(const char *s, size_t len)
{
	uint32_t cp;
	size_t bad;

	return len > 0 ? utf8_next(s, len, &cp, &bad) : 0;
}

char *
text_from_peer(const char *s, size_t len, size_t max_bytes)
{
	_cleanup_str_ struct str out = { 0 };
	size_t i = 0;

	while (s && i < len) {
		const char *add = s + i;
		size_t bad, step, n;
		uint32_t cp;

		step = n = utf8_next(s + i, len - i, &cp, &bad);
		if (n == 0 || cp == 0) {
			step = n ? n : bad;
			add = replacement;
			n = sizeof(replacement) - 1;
		}
		if (n > max_bytes - out.len)
			break;
		str_addn(&out, add, n);
		i += step;
	}
	return str_take(&out);
}

/* What a terminal obeys rather than shows, or what changes how its neighbours are read. */
static bool
is_unsafe(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x061c || cp == 0x180e ||
	       cp == 0x200b || cp == 0x200e || cp == 0x200f || /* marks of direction */
	       (cp >= 0x2028 && cp <= 0x202e) || /* line and paragraph separators, embeddings */
	       (cp >= 0x2060 && cp <= 0x206f) || /* isolates and invisible operators */
	       cp == 0xfeff || (cp >= 0xfff9 && cp <= 0xfffb) || (cp >= 0xe0000 && cp <= 0xe007f);
}

static void
add_escaped(struct str *out, uint32_t cp)
{
	if (cp == '\n')
		str_add(out, "\\n");
	else if (cp == '\t')
		str_add(out, "\\t");
	else if (cp == '\r')
		str_add(out, "\\r");
	else if (cp < 0x80)
		str_addf(out, "\\x%02x", cp);
	else if (cp <= 0xffff)
		str_addf(out, "\\u%04x", cp);
	else
		str_addf(out, "\\U%08x", cp);
}

static char *
show(const char *s, bool lines)
{
	_cleanup_str_ struct str out = { 0 };
	size_t len = strlen(s);

	while (len > 0) {
		size_t bad, n;
		uint32_t cp;

		n = utf8_next(s, len, &cp, &bad);
		if (n == 0) {
			/* A lone 0x9b is a control sequence introducer on an 8-bit terminal. */
			n = 1;
			str_addf(&out, "\\x%02x", (unsigned char)*s);
		} else if (is_unsafe(cp) && !(lines && cp == '\n')) {
			add_escaped(&out, cp);
		} else {
			str_addn(&out, s, n);
		}
		s += n;
		len -= n;
	}
	return str_take(&out);
}

char *
show_text(const char *s)
{
	return show(s, false);
}

char *
show_text_lines(const char *s)
{
	return show(s, true);
}

char *
text_ellipsis(const char *s, size_t max_bytes)
{
	size_t len = strlen(s), dots = MIN(max_bytes, (size_t)3), n;

	if (len <= max_bytes)
		return xstrdup(s);
	n = max_bytes - dots;
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return xasprintf("%.*s%.*s", (int)n, s, (int)dots, "...");
}

static bool
is_ascii(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

size_t
text_columns(const char *s)
{
	size_t len = strlen(s), columns = 0;
	locale_t utf8, old = (locale_t)0;

	if (is_ascii(s))
		return len;
	/* wcwidth() knows Unicode only in a UTF-8 locale, whatever the user's own is. */
	utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (utf8)
		old = uselocale(utf8);
	while (len > 0) {
		size_t bad, n;
		uint32_t cp;
		int width = 1;

		n = utf8_next(s, len, &cp, &bad);
		if (n == 0)
			n = bad;
		else if (utf8)
			width = wcwidth((wchar_t)cp);
		columns += width >= 0 ? (size_t)width : 1;
		s += n;
		len -= n;
	}
	if (utf8) {
		uselocale(old);
		freelocale(utf8);
	}
	return columns;
}

char *
shell_word(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                            "-_./:@%+=,";
	struct str out = { 0 };

	if (*s && s[strspn(s, plain)] == '\0')
		return xstrdup(s);
	str_addc(&out, '\'');
	for (; *s; s++)
		if (*s == '\'')
			str_add(&out, "'\\''");
		else
			str_addc(&out, *s);
	str_addc(&out, '\'');
	return str_take(&out);
}

/* Of the text before the stop at s[i].  "..", "a/.." are folders, "..." is no end. */
static bool
has_its_mark(const char *s, size_t i)
{
	if (i == 0)
		return false;
	if (s[i - 1] == '?' || s[i - 1] == '!')
		return true;
	if (s[i - 1] != '.' || i == 1)
		return false;
	if (s[i - 2] == '.')
		return i >= 3 && s[i - 3] == '.';
	return !strchr(" /\n", s[i - 2]);
}

void
text_one_stop(char *s)
{
	size_t to = 0;

	for (size_t i = 0; s[i]; i++) {
		bool ends = s[i] == '.' && (s[i + 1] == '\0' || strchr(" \n", s[i + 1]));

		if (!ends || !has_its_mark(s, i))
			s[to++] = s[i];
	}
	s[to] = '\0';
}
