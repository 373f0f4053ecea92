/*
 * The outer form of a check file: `-- key: value` lines with continuations up to the first blank or
 * other line, then SQL in one or several bodies that `-- @when`, `-- @items` and `-- @evidence` introduce.
 */
#include "check/head.h"
#include "base/str.h"
#include <ctype.h>

#define HEAD_MAX_LINES  200
#define HEAD_MAX_BODIES 20

struct splitter {
	const char *name;
	bool (*is_key)(const char *);
	struct head *head;
	struct str value; /* of the last head line, while it goes on */
	struct str sql;   /* of the last body */
	int line;
	bool in_sql;    /* the last body has more than blanks and comments */
	bool paragraph; /* an empty `--` was seen */
	struct err *e;
};

void
head_done(struct head *head)
{
	for (size_t i = 0; i < head->nlines; i++) {
		free(head->lines[i].key);
		free(head->lines[i].value);
	}
	for (size_t i = 0; i < head->nbodies; i++) {
		free(head->bodies[i].when);
		free(head->bodies[i].sql);
	}
	free(head->lines);
	free(head->bodies);
	*head = (struct head){ 0 };
}

/* Length of KEY when text is `KEY:` or `KEY: value`, else 0. */
static size_t
key_length(const char *s)
{
	size_t n = 0;

	if (!islower((unsigned char)*s))
		return 0;
	while (islower((unsigned char)s[n]) || isdigit((unsigned char)s[n]) || s[n] == '_' ||
	       s[n] == '.' || s[n] == '-')
		n++;
	return s[n] == ':' && (s[n + 1] == '\0' || isspace((unsigned char)s[n + 1])) ? n : 0;
}

static bool
goes_on_over_lines(const char *key)
{
	static const char *const keys[] = { "why", "spares", "fix", "message", "doc", "evidence",
		"reference" };
	size_t len = strlen(key);

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (streq(key, keys[i]))
			return true;
	return str_starts(key, "remedy.") && len > 5 && streq(key + len - 5, ".text");
}

static void
end_value(struct splitter *s)
{
	if (s->head->nlines > 0 && !s->head->lines[s->head->nlines - 1].value)
		s->head->lines[s->head->nlines - 1].value = str_take(&s->value);
	s->paragraph = false;
}

static int
continue_value(struct splitter *s, const char *text)
{
	const struct head_line *last =
	    s->head->nlines > 0 ? &s->head->lines[s->head->nlines - 1] : NULL;
	bool own_line;

	if (!last)
		return err_set(
		    s->e, -EINVAL, "%s:%d: the file begins with `-- id: NAME`", s->name, s->line);
	own_line = s->paragraph || str_starts(last->key, "remedy.");
	if (s->value.len > 0)
		str_addc(&s->value, own_line ? '\n' : ' ');
	str_add(&s->value, text);
	s->paragraph = false;
	return 0;
}

static int
add_line(struct splitter *s, const char *text, size_t key_len)
{
	struct head *head = s->head;
	_cleanup_free_ char *value = xstrdup(text + key_len + 1);

	end_value(s);
	if (head->nlines == HEAD_MAX_LINES)
		return err_set(s->e, -EINVAL, "%s:%d: more than %d head lines", s->name, s->line,
		    HEAD_MAX_LINES);
	head->lines = xreallocarray(head->lines, head->nlines + 1, sizeof(*head->lines));
	head->lines[head->nlines++] =
	    (struct head_line){ .key = xstrndup(text, key_len), .line = s->line };
	str_add(&s->value, str_trim(value));
	return 0;
}

/* One line of the head, behind its `--`. */
static int
take_head_line(struct splitter *s, const char *rest)
{
	_cleanup_free_ char *copy = xstrdup(rest);
	const char *text = str_trim(copy);
	bool indented = isspace((unsigned char)rest[0]) && isspace((unsigned char)rest[1]);
	size_t key_len = key_length(text);

	if (!*text) {
		s->paragraph = true;
		return 0;
	}
	if (key_len > 0 && (!indented || s->head->nlines == 0))
		return add_line(s, text, key_len);
	if (indented ||
	    (s->head->nlines > 0 && goes_on_over_lines(s->head->lines[s->head->nlines - 1].key)))
		return continue_value(s, text);
	return err_set(s->e, -EINVAL,
	    "%s:%d: \"%.60s\" is neither `-- key: value` nor an indented continuation", s->name,
	    s->line, text);
}

/* The last one, NULL before the first. */
static struct head_body *
last_body(const struct splitter *s)
{
	return s->head->nbodies > 0 ? &s->head->bodies[s->head->nbodies - 1] : NULL;
}

static void
end_body(struct splitter *s)
{
	struct head_body *body = last_body(s);

	if (body && !body->sql) {
		_cleanup_free_ char *sql = str_take(&s->sql);
		body->sql = xstrdup(str_trim(sql));
	}
	s->in_sql = false;
}

static int
begin_body(struct splitter *s)
{
	struct head *head = s->head;

	end_body(s);
	if (head->nbodies == HEAD_MAX_BODIES)
		return err_set(
		    s->e, -EINVAL, "%s:%d: more than %d bodies", s->name, s->line, HEAD_MAX_BODIES);
	head->bodies = xreallocarray(head->bodies, head->nbodies + 1, sizeof(*head->bodies));
	head->bodies[head->nbodies++] = (struct head_body){ .line = s->line };
	str_reset(&s->sql);
	return 0;
}

/* `-- @when CONDITIONS`, `-- @items` or `-- @evidence`, behind the @. */
static int
take_annotation(struct splitter *s, const char *rest)
{
	_cleanup_free_ char *copy = xstrdup(rest), *joined = NULL;
	const char *text = str_trim(copy);
	struct head_body *body;

	if ((!last_body(s) || s->in_sql) && begin_body(s) < 0)
		return -EINVAL;
	body = last_body(s);
	assert(body);
	if (streq(text, "items")) {
		body->items = true;
		return 0;
	}
	if (streq(text, "evidence")) {
		body->evidence = true;
		return 0;
	}
	if (!str_starts(text, "when") || !isspace((unsigned char)text[4]))
		return err_set(s->e, -EINVAL,
		    "%s:%d: @%.40s: only @when, @items and @evidence are known", s->name, s->line,
		    text);
	joined = body->when ? xasprintf("%s,%s", body->when, text + 5) : xstrdup(text + 5);
	free(body->when);
	body->when = TAKE_PTR(joined);
	body->when_line = s->line;
	return 0;
}

static int
take_sql_line(struct splitter *s, const char *line)
{
	const char *text = line + strspn(line, " \t");
	struct head_body *body;
	bool comment = str_starts(text, "--");

	if (comment && !s->in_sql && s->head->nbodies == 0) {
		_cleanup_free_ char *key = NULL;

		text += 2 + strspn(text + 2, " \t");
		key = xstrndup(text, key_length(text));
		if (s->is_key(key))
			return err_set(s->e, -EINVAL,
			    "%s:%d: %s: the head ended at the blank line above", s->name, s->line,
			    key);
	}
	if (s->head->nbodies == 0 && *text && !comment && begin_body(s) < 0)
		return -EINVAL;
	s->in_sql = s->in_sql || (*text && !comment);
	body = last_body(s);
	if (body && (s->in_sql || comment)) {
		if (s->sql.len == 0)
			body->line = s->line;
		str_add(&s->sql, line);
		str_addc(&s->sql, '\n');
	}
	return 0;
}

static int
take_line(struct splitter *s, const char *line, bool *in_head)
{
	const char *rest = line + 2;

	if (str_starts(line, "--")) {
		const char *text = rest + strspn(rest, " \t");

		if (*text == '@') {
			*in_head = false;
			return take_annotation(s, text + 1);
		}
		if (*in_head)
			return take_head_line(s, rest);
	}
	if (*in_head && s->head->nlines == 0 && !line[strspn(line, " \t")])
		return 0; /* blank lines above the head */
	*in_head = false;
	return take_sql_line(s, line);
}

static int
split(struct splitter *s, const char *text)
{
	bool in_head = true;
	int r;

	while (*text) {
		size_t len = strcspn(text, "\n");
		_cleanup_free_ char *line = xstrndup(text, len);

		s->line++;
		text += len + (text[len] == '\n');
		for (size_t end = strlen(line); end > 0 && isspace((unsigned char)line[end - 1]);
		     end--)
			line[end - 1] = '\0';
		for (const char *p = line; *p; p++)
			if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
				return err_set(s->e, -EINVAL, "%s:%d: a control character (0x%02x)",
				    s->name, s->line, (unsigned char)*p);
		r = take_line(s, line, &in_head);
		if (r < 0)
			return r;
	}
	end_value(s);
	end_body(s);
	return 0;
}

int
head_split(const char *text, const char *name, bool (*is_key)(const char *), struct head *ret,
    struct err *e)
{
	_cleanup_(head_done) struct head head = { 0 };
	struct splitter s = { .name = name, .is_key = is_key, .head = &head, .e = e };
	int r = split(&s, text);

	str_done(&s.value);
	str_done(&s.sql);
	if (r < 0)
		return r;
	*ret = head;
	head = (struct head){ 0 };
	return 0;
}
