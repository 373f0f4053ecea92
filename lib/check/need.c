/* What a check asks of a server, a role or the configuration: the text form. */
#include "check/need.h"
#include "base/str.h"
#include "check/facts.h"
#include <ctype.h>
#include <stdio.h>

void
need_list_done(struct need_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->v[i].name);
		free(list->v[i].word);
		free(list->v[i].text);
	}
	free(list->v);
	*list = (struct need_list){ 0 };
}

int
version_parse(const char *s, int ret[static 3])
{
	int n = 0;

	ret[0] = ret[1] = ret[2] = 0;
	while (n < 3 && isdigit((unsigned char)*s)) {
		for (; isdigit((unsigned char)*s); s++)
			if (ret[n] < 1000000)
				ret[n] = ret[n] * 10 + (*s - '0');
		n++;
		if (*s != '.')
			break;
		s++;
	}
	return n;
}

bool
version_compare(const int have[static 3], enum compare op, const int want[static 3], int parts)
{
	int order = 0;

	for (int i = 0; i < parts && order == 0; i++)
		order = (have[i] > want[i]) - (have[i] < want[i]);
	switch (op) {
	case CMP_LT:
		return order < 0;
	case CMP_LE:
		return order <= 0;
	case CMP_GT:
		return order > 0;
	case CMP_GE:
		return order >= 0;
	case CMP_EQ:
		return order == 0;
	case CMP_NE:
		return order != 0;
	case CMP_NONE:
		break;
	}
	return true;
}

static const char *
skip_blanks(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* The word at *p, owned; "" at the end. */
static char *
take_word(const char **p)
{
	const char *start = skip_blanks(*p), *q = start;

	while (*q && !isspace((unsigned char)*q) && !strchr("<>=!(),", *q))
		q++;
	*p = skip_blanks(q);
	return xstrndup(start, (size_t)(q - start));
}

static int
take_version(struct need *need, const char **p, bool required, struct err *e)
{
	_cleanup_free_ char *word = NULL;

	if (!required && !**p)
		return 0;
	need->cmp = compare_parse(p);
	if (need->cmp == CMP_NONE)
		return err_set(
		    e, -EINVAL, "\"%s\": a comparison is missing, as in >= 14", need->text);
	word = take_word(p);
	need->nversion = version_parse(word, need->version);
	if (need->nversion == 0 || strspn(word, "0123456789.") != strlen(word))
		return err_set(e, -EINVAL, "\"%s\": \"%s\" is not a version", need->text, word);
	return 0;
}

static int
take_name(struct need *need, const char **p, struct err *e)
{
	need->name = take_word(p);
	if (!*need->name)
		return err_set(e, -EINVAL, "\"%s\": a name is missing", need->text);
	return 0;
}

static int
take_role(struct need *need, const char **p, struct err *e)
{
	need->name = take_word(p);
	if (!streq(need->name, "primary") && !streq(need->name, "standby"))
		return err_set(e, -EINVAL, "\"%s\": role is primary or standby", need->text);
	return 0;
}

/* expected: a revision or the head of a folder; known: a folder or a list; files: a folder. */
static int
take_migrations(struct need *need, const char **p, struct err *e)
{
	need->name = take_word(p);
	if (!streq(need->name, "expected") && !streq(need->name, "known") &&
	    !streq(need->name, "files"))
		return err_set(
		    e, -EINVAL, "\"%s\": migrations are expected, known or files", need->text);
	return 0;
}

static int
take_flavour(struct need *need, const char **p, struct err *e)
{
	need->cmp = compare_parse(p);
	if (need->cmp != CMP_EQ && need->cmp != CMP_NE)
		return err_set(e, -EINVAL, "\"%s\": flavour is compared by = or !=", need->text);
	return take_name(need, p, e);
}

static int
take_configured(struct need *need, const char **p, struct err *e)
{
	int r = take_name(need, p, e);

	if (r < 0 || !**p)
		return r;
	need->cmp = compare_parse(p);
	if (need->cmp != CMP_EQ)
		return err_set(
		    e, -EINVAL, "\"%s\": write configured KEY or configured KEY=WORD", need->text);
	need->word = take_word(p);
	if (!*need->word)
		return err_set(e, -EINVAL, "\"%s\": a word is missing behind =", need->text);
	return 0;
}

static int
take_privilege(struct need *need, const char **p, bool when, struct err *e)
{
	const char *q = *p;
	int depth = 0;
	_cleanup_free_ char * or = NULL, *what = NULL, *sql = NULL;

	if (*q != '(')
		return err_set(e, -EINVAL, "\"%s\": a privilege stands in parentheses", need->text);
	do {
		depth += (*q == '(') - (*q == ')');
	} while (*q++ && depth > 0);
	if (depth > 0)
		return err_set(e, -EINVAL, "\"%s\": a parenthesis is not closed", need->text);
	need->name = xstrndup(*p + 1, (size_t)(q - *p) - 2);
	memmove(need->name, str_trim(need->name), strlen(str_trim(need->name)) + 1);
	sql = privilege_sql(need->name);
	if (!sql)
		return err_set(e, -EINVAL,
		    "\"%s\": a privilege is (ROLE), (execute SCHEMA.FUNCTION(TYPES)) or (select "
		    "SCHEMA.TABLE)",
		    need->text);
	*p = skip_blanks(q);
	if (when && !**p)
		return 0;
	or = take_word(p);
	what = take_word(p);
	need->or_uncovered = streq(what, "uncovered");
	if (!streq(or, "or") || (!need->or_uncovered && !streq(what, "unknown")))
		return err_set(
		    e, -EINVAL, "\"%s\": say `or unknown` or `or uncovered`", need->text);
	return 0;
}

static int
need_parse(struct need *need, bool when, struct err *e)
{
	static const char *const words[] = { "server", "extension", "role", "privilege", "flavour",
		"configured", "host", "migrations" };
	const char *p = need->text, *near;
	_cleanup_free_ char *word = take_word(&p);
	int r = -EINVAL;

	if (streq(word, "server")) {
		need->kind = NEED_VERSION;
		r = take_version(need, &p, true, e);
	} else if (streq(word, "extension")) {
		need->kind = NEED_EXTENSION;
		r = take_name(need, &p, e);
		if (r >= 0)
			r = take_version(need, &p, false, e);
	} else if (streq(word, "role")) {
		need->kind = NEED_ROLE;
		r = take_role(need, &p, e);
	} else if (streq(word, "privilege")) {
		need->kind = NEED_PRIVILEGE;
		r = take_privilege(need, &p, when, e);
	} else if (streq(word, "flavour")) {
		need->kind = NEED_FLAVOUR;
		r = take_flavour(need, &p, e);
	} else if (streq(word, "configured")) {
		need->kind = NEED_CONFIGURED;
		r = take_configured(need, &p, e);
	} else if (streq(word, "host")) {
		need->kind = NEED_HOST;
		r = 0;
	} else if (streq(word, "migrations")) {
		need->kind = NEED_MIGRATIONS;
		r = take_migrations(need, &p, e);
	} else {
		near = str_nearest(word, words, ARRAY_SIZE(words));
		return err_set(e, -EINVAL, "\"%s\": unknown condition%s%s%s", word,
		    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	}
	if (r >= 0 && *p)
		r = err_set(e, -EINVAL, "\"%s\": \"%s\" is too much", need->text, p);
	return r;
}

/* Where the condition that begins at p ends: at a comma or `and` outside parentheses. */
static const char *
condition_end(const char *p, const char **ret_next)
{
	int depth = 0;

	for (; *p; p++) {
		depth += (*p == '(') - (*p == ')');
		if (depth > 0)
			continue;
		if (*p == ',') {
			*ret_next = p + 1;
			return p;
		}
		if (isspace((unsigned char)*p) && str_starts(p + 1, "and") &&
		    isspace((unsigned char)p[4])) {
			*ret_next = p + 4;
			return p;
		}
	}
	*ret_next = NULL;
	return p;
}

int
need_list_parse(const char *text, bool when, struct need_list *ret, struct err *e)
{
	_cleanup_(need_list_done) struct need_list list = { 0 };
	const char *next = text;
	int r;

	while (next) {
		const char *p = next, *end = condition_end(p, &next);
		_cleanup_free_ char *copy = xstrndup(p, (size_t)(end - p));
		struct need *need;

		list.v = xreallocarray(list.v, list.n + 1, sizeof(*list.v));
		need = &list.v[list.n++];
		*need = (struct need){ .text = xstrdup(str_trim(copy)) };
		if (!*need->text)
			return err_set(e, -EINVAL, "an empty condition");
		r = need_parse(need, when, e);
		if (r < 0)
			return r;
	}
	*ret = list;
	list.v = NULL;
	list.n = 0;
	return 0;
}
