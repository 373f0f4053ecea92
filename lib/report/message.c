/* Sentences for a person: lines of 80 columns in which a command to copy is never broken. */
#include "base/text.h"
#include "report/layout.h"

#define BLANKS " \t"

/* "dbhealth" or "sudo", also behind a parenthesis, with a word behind it. */
static bool
begins_command(const char *p)
{
	static const char *const programs[] = { "dbhealth ", "sudo " };

	p += *p == '(';
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (str_starts(p, programs[i]))
			return p[strlen(programs[i])] != '(' && p[strlen(programs[i])] != '\0';
	return false;
}

/* Bytes of the word at p. */
static size_t
word_len(const char *p)
{
	return strcspn(p, BLANKS);
}

/* A command goes to the mark that ends it for the sentence, or to a parenthesis behind it. */
static size_t
command_len(const char *p)
{
	size_t n = 0;

	for (;;) {
		size_t blank;

		n += word_len(p + n);
		blank = strspn(p + n, BLANKS);
		if (strchr(".,;)", p[n - 1]) || p[n + blank] == '\0' || p[n + blank] == '(')
			return n;
		n += blank;
	}
}

static void
add_line(struct str *out, size_t *column, size_t indent, const char *p)
{
	for (p += strspn(p, BLANKS); *p; p += strspn(p, BLANKS)) {
		size_t n = begins_command(p) ? command_len(p) : word_len(p);
		_cleanup_free_ char *piece = xstrndup(p, n);
		size_t w = text_columns(piece);

		if (*column > indent && *column + 1 + w > LAYOUT_WIDTH) {
			str_addc(out, '\n');
			layout_pad(out, indent);
			*column = indent;
		} else if (*column > indent) {
			str_addc(out, ' ');
			*column += 1;
		}
		str_add(out, piece);
		*column += w;
		p += n;
	}
}

void
layout_message(struct str *out, const char *first, size_t indent, const char *text)
{
	_cleanup_free_ char *shown = show_text_lines(text), *head = xstrdup(first);
	char *rest = shown, *line;
	size_t column;

	/* add_line parts a word from what stands before it. */
	while (*head && head[strlen(head) - 1] == ' ' && strlen(head) > indent)
		head[strlen(head) - 1] = '\0';
	str_add(out, head);
	column = text_columns(head);
	while ((line = strsep(&rest, "\n"))) {
		add_line(out, &column, indent, line);
		if (rest && *rest) {
			str_addc(out, '\n');
			layout_pad(out, indent);
			column = indent;
		}
	}
	str_addc(out, '\n');
}
