/* Migration files of dbmate's format: sections, options, what their head says. */
#include "migrate/script.h"
#include "base/str.h"
#include <ctype.h>
#include <stdio.h>

#define MARK "migrate:"

const char *const migrate_note_names[NOTE_N] = { "Reason", "Data impact", "Rollback", "Constraints",
	"Performance" };

static const char *const placeholders[NOTE_N] = {
	"why this change is needed, and for whom",
	"which rows and tables change, how many, can anything be lost",
	"how to go back, and until when that is possible",
	"keys, checks and defaults that are added or removed, and why they hold",
	"locks and how long, rewrites, size of the tables, indexes",
};

char *
migrate_version_of(const char *file)
{
	size_t n = strspn(file, "0123456789");

	if (n == 0 || n > MIGRATE_VERSION_MAX || !str_ends(file, ".sql") || strchr(file, '/'))
		return NULL;
	return xstrndup(file, n);
}

static char *
title_of(const char *file)
{
	const char *s = file + strspn(file, "0123456789");
	char *title;

	s += *s == '_';
	title = xstrndup(s, strlen(s) - strlen(".sql"));

	for (char *p = title; *p; p++)
		if (*p == '_')
			*p = ' ';
	return title;
}

/* ---- lines ---- */

struct reader {
	const char *file;
	const char *at, *end;
	int line; /* of what next_line gave last */
};

static bool
next_line(struct reader *r, const char **ret, size_t *ret_len)
{
	const char *nl;

	if (r->at == r->end)
		return false;
	nl = memchr(r->at, '\n', (size_t)(r->end - r->at));
	*ret = r->at;
	*ret_len = (size_t)((nl ? nl : r->end) - r->at);
	r->at = nl ? nl + 1 : r->end;
	if (*ret_len > 0 && (*ret)[*ret_len - 1] == '\r')
		(*ret_len)--;
	r->line++;
	return true;
}

static bool
is_blank(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isspace((unsigned char)s[i]))
			return false;
	return true;
}

/* What stands behind `--`, without the blanks around it; NULL: the line is no comment. */
static char *
comment_of(const char *s, size_t len)
{
	while (len > 0 && isspace((unsigned char)*s))
		s++, len--;
	if (len < 2 || s[0] != '-' || s[1] != '-')
		return NULL;
	s += 2;
	len -= 2;
	while (len > 0 && isspace((unsigned char)*s))
		s++, len--;
	while (len > 0 && isspace((unsigned char)s[len - 1]))
		len--;
	return xstrndup(s, len);
}

/* ---- marks ---- */

static int
read_options(const struct reader *r, char *options, struct migrate_section *section, struct err *e)
{
	char *save = NULL;

	section->transaction = true;
	for (char *o = strtok_r(options, " \t", &save); o; o = strtok_r(NULL, " \t", &save)) {
		if (streq(o, "transaction:false"))
			section->transaction = false;
		else if (!streq(o, "transaction:true"))
			return err_set(e, -EINVAL,
			    "%.200s:%d: %.60s: there is no such option; transaction:false is all "
			    "that "
			    "may stand here",
			    r->file, r->line, o);
	}
	return 0;
}

/* A mark begins its line, as dbmate wants it: one in the middle of a text is none. */
static int
take_mark(const struct reader *r, const char *s, size_t len, struct migrate_script *m,
    struct migrate_section **current, struct err *e)
{
	_cleanup_free_ char *text = len > 0 && *s == '-' ? comment_of(s, len) : NULL;
	struct migrate_section *section;
	size_t word;
	bool up;

	if (!text || !str_starts(text, MARK))
		return 0;
	word = strcspn(text + strlen(MARK), " \t") + strlen(MARK);
	up = word == strlen("migrate:up") && str_starts(text, "migrate:up");
	if (!up && !(word == strlen("migrate:down") && str_starts(text, "migrate:down")))
		return err_set(e, -EINVAL,
		    "%.200s:%d: -- %.60s: is neither migrate:up nor migrate:down", r->file, r->line,
		    text);
	section = up ? &m->up : &m->down;
	if (section->line > 0)
		return err_set(e, -EINVAL,
		    "%.200s:%d: a second -- migrate:%s; the first stands in line %d", r->file,
		    r->line, up ? "up" : "down", section->line - 1);
	if (!up && m->up.line == 0)
		return err_set(e, -EINVAL,
		    "%.200s:%d: -- migrate:down comes before -- migrate:up; put it behind", r->file,
		    r->line);
	section->line = r->line + 1;
	*current = section;
	return read_options(r, text + word, section, e) < 0 ? -EINVAL : 1;
}

/* ---- notes ---- */

static bool
is_placeholder(const char *s)
{
	size_t len = strlen(s);

	return len == 0 || (s[0] == '<' && s[len - 1] == '>');
}

static int
note_of(const char *text, const char **ret_value)
{
	for (int i = 0; i < NOTE_N; i++) {
		size_t len = strlen(migrate_note_names[i]);

		if (strncasecmp(text, migrate_note_names[i], len) == 0 && text[len] == ':') {
			*ret_value = text + len + 1 + strspn(text + len + 1, " \t");
			return i;
		}
	}
	return -1;
}

/* A comment of the head: `Reason: text`, or the next line of it. */
static void
take_note(struct migrate_script *m, const char *text, int *current)
{
	const char *value = NULL;
	int i = note_of(text, &value);

	if (i >= 0) {
		m->has_notes = true;
		*current = i;
		free(m->note[i]);
		m->note[i] = xstrdup(value);
	} else if (!*text || text[strlen(text) - 1] == ':') {
		*current = -1;
	} else if (*current >= 0) {
		char *more =
		    xasprintf("%s%s%s", m->note[*current], *m->note[*current] ? " " : "", text);

		free(m->note[*current]);
		m->note[*current] = more;
	}
}

static void
forget_placeholders(struct migrate_script *m)
{
	for (int i = 0; i < NOTE_N; i++) {
		if (m->note[i] && is_placeholder(m->note[i])) {
			free(m->note[i]);
			m->note[i] = NULL;
		}
	}
}

/* ---- the file ---- */

static int
take_head_line(const struct reader *r, const char *s, size_t len, struct migrate_script *m,
    int *note, struct err *e)
{
	_cleanup_free_ char *text = comment_of(s, len);

	if (text)
		take_note(m, text, note);
	else if (is_blank(s, len))
		*note = -1;
	else
		return err_set(e, -EINVAL,
		    "%.200s:%d: statements before -- migrate:up belong to no section; put them "
		    "behind "
		    "it",
		    r->file, r->line);
	return 0;
}

static int
parse(struct reader *r, struct migrate_script *m, struct err *e)
{
	struct migrate_section *current = NULL;
	struct str sql = { 0 };
	const char *s;
	size_t len;
	int note = -1, code = 0;

	while (code >= 0 && next_line(r, &s, &len)) {
		struct migrate_section *before = current;

		code = take_mark(r, s, len, m, &current, e);
		if (code > 0 && before)
			before->sql = str_take(&sql);
		else if (code == 0 && current)
			str_addn(&sql, s, (size_t)(r->at - s));
		else if (code == 0)
			code = take_head_line(r, s, len, m, &note, e);
	}
	if (code >= 0 && current)
		current->sql = str_take(&sql);
	str_done(&sql);
	if (code >= 0 && !current)
		return err_set(e, -EINVAL,
		    "%.200s: no -- migrate:up: every migration has one, and a -- migrate:down "
		    "behind it",
		    r->file);
	return MIN(code, 0);
}

int
migrate_script_parse(
    const char *file, const char *text, size_t len, struct migrate_script *ret, struct err *e)
{
	struct migrate_script m = { .version = migrate_version_of(file) };
	struct reader r = { .file = file, .at = text, .end = text + len };
	int code;

	if (!m.version)
		return err_set(e, -EINVAL,
		    "%.200s: the name of a migration is its version in digits, _, words, .sql",
		    file);
	if (memchr(text, '\0', len)) {
		free(m.version);
		return err_set(e, -EINVAL, "%.200s: holds a byte 0 and is no text", file);
	}
	m.file = xstrdup(file);
	m.title = title_of(file);
	sha_hex(256, text, len, m.sum);
	code = parse(&r, &m, e);
	if (code < 0) {
		migrate_script_done(&m);
		return code;
	}
	forget_placeholders(&m);
	*ret = m;
	return 0;
}

void
migrate_script_done(struct migrate_script *m)
{
	free(m->file);
	free(m->version);
	free(m->title);
	free(m->up.sql);
	free(m->down.sql);
	for (int i = 0; i < NOTE_N; i++)
		free(m->note[i]);
	*m = (struct migrate_script){ 0 };
}

char *
migrate_script_template(const char *message, bool lock_timeout)
{
	struct str s = { 0 };

	str_addf(&s, "-- %s\n--\n-- Business context:\n", message);
	for (int i = 0; i < NOTE_N; i++) {
		if (i == NOTE_CONSTRAINTS)
			str_add(&s, "--\n-- Technical notes:\n");
		str_addf(&s, "--   %s: <%s>\n", migrate_note_names[i], placeholders[i]);
	}
	str_addf(&s, "\n-- migrate:up\n%s\n\n-- migrate:down\n%s\n",
	    lock_timeout ? "SET LOCAL lock_timeout = '2s';" : "",
	    lock_timeout ? "SET LOCAL lock_timeout = '2s';" : "");
	return str_take(&s);
}

char *
migrate_slug(const char *message)
{
	struct str s = { 0 };

	for (const char *p = message; *p && s.len < 60; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x80 && isalnum(c))
			str_addc(&s, (char)tolower(c));
		else if (s.len > 0 && s.s[s.len - 1] != '_')
			str_addc(&s, '_');
	}
	while (s.len > 0 && s.s[s.len - 1] == '_')
		s.s[--s.len] = '\0';
	return str_take(&s);
}
