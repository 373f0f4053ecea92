/*
 * The forms of a DSN: what it names, whether its syntax holds, and how it is shown without secrets.
 * Reads no file and asks for no name.
 */
#include "base/str.h"
#include "base/text.h"
#include "pg/plan.h"
#include "pg/plan_impl.h"
#include <ctype.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <sys/stat.h>

#define MASK "***"

static void
conninfo_freep(PQconninfoOption **o)
{
	PQconninfoFree(*o);
}

static void
pqmem_freep(char **s)
{
	PQfreemem(*s);
}

/* "postgresql+asyncpg://..." : the length of the bare scheme and of what precedes the colon. */
static size_t
scheme_of(const char *dsn, size_t *ret_len)
{
	size_t bare = strspn(dsn, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"),
	       len = bare;

	if (dsn[len] == '+')
		len += 1 + strspn(dsn + len + 1,
		               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	if (dsn[len] != ':')
		return 0;
	*ret_len = len;
	return bare;
}

static bool
is_word(const char *s, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(s, word, len) == 0;
}

/* A keyword string begins with a word and "="; whether libpq knows the word, dsn_check says. */
static bool
is_keyword_string(const char *dsn)
{
	const char *p = dsn + strspn(dsn, " \t\n");
	size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz_");

	return len > 0 && p[len + strspn(p + len, " \t\n")] == '=';
}

enum dsn_kind
dsn_kind_of(const char *dsn, bool allow_file)
{
	size_t len = 0, bare = scheme_of(dsn, &len);
	bool has_slashes = bare && strncmp(dsn + len, "://", 3) == 0;
	struct stat st;

	if (has_slashes && (is_word(dsn, bare, "postgresql") || is_word(dsn, bare, "postgres")))
		return DSN_POSTGRESQL;
	if (has_slashes && is_word(dsn, bare, "pgbouncer"))
		return DSN_PGBOUNCER;
	if (bare && is_word(dsn, bare, "sqlite"))
		return DSN_SQLITE;
	if (allow_file && (dsn[0] == '/' || str_starts(dsn, "./") || str_starts(dsn, "../") ||
	                      (dsn[0] && stat(dsn, &st) == 0)))
		return DSN_SQLITE;
	return is_keyword_string(dsn) ? DSN_POSTGRESQL : DSN_NONE;
}

/* SQLAlchemy's asyncpg says ssl=MODE where libpq says sslmode=MODE. */
static void
add_query(struct str *out, const char *query, bool has_driver)
{
	static const char *const modes[] = { "disable", "allow", "prefer", "require", "verify-ca",
		"verify-full" };

	while (*query) {
		size_t len = strcspn(query, "&");
		bool is_mode = false;

		for (size_t i = 0; has_driver && i < ARRAY_SIZE(modes); i++)
			is_mode =
			    is_mode || (len == strlen(modes[i]) + 4 && str_starts(query, "ssl=") &&
			                   strncmp(query + 4, modes[i], len - 4) == 0);
		if (is_mode)
			str_addf(out, "sslmode=%.*s", (int)(len - 4), query + 4);
		else
			str_addn(out, query, len);
		query += len;
		if (*query == '&') {
			str_addc(out, '&');
			query++;
		}
	}
}

char *
dsn_for_libpq(const char *dsn)
{
	size_t len = 0, bare = scheme_of(dsn, &len), path;
	struct str out = { 0 };

	if (!bare || strncmp(dsn + len, "://", 3) != 0)
		return xstrdup(dsn);
	str_add(&out, "postgresql");
	path = strcspn(dsn + len, "?");
	str_addn(&out, dsn + len, path);
	if (dsn[len + path] == '?') {
		str_addc(&out, '?');
		add_query(&out, dsn + len + path + 1, len > bare);
	}
	return str_take(&out);
}

/* libpq quotes pieces of the DSN, which may be of its password: only known words are repeated. */
static int
syntax_error(const char *message, struct err *e)
{
	static const char *const openings[] = { "invalid connection option \"",
		"invalid URI query parameter: \"" };
	_cleanup_(conninfo_freep) PQconninfoOption *known = PQconninfoParse("", NULL);
	const char *words[80], *near;
	size_t n = 0, len;

	/* Not a fault of the DSN: a configuration must not be refused for it. */
	if (!message || str_starts(message, "out of memory"))
		out_of_memory();
	for (const PQconninfoOption *o = known; o && o->keyword && n < ARRAY_SIZE(words); o++)
		words[n++] = o->keyword;
	for (size_t i = 0; i < ARRAY_SIZE(openings); i++) {
		_cleanup_free_ char *word = NULL;

		if (!str_starts(message, openings[i]))
			continue;
		len = strlen(openings[i]);
		word = xstrndup(message + len, strcspn(message + len, "\""));
		near = str_nearest(word, words, n);
		if (near)
			return err_set(
			    e, -EINVAL, "DSN: unknown word \"%s\"; did you mean %s?", word, near);
		return err_set(e, -EINVAL, "DSN: a word that libpq does not know");
	}
	len = strcspn(message, "\"\n");
	if (str_starts(message, "missing \"=\""))
		return err_set(
		    e, -EINVAL, "DSN: a word without \"=\" (values with blanks are quoted: 'a b')");
	while (len > 0 && strchr(" :(", message[len - 1]))
		len--;
	return err_set(e, -EINVAL, "DSN: %.*s", (int)len, message);
}

int
dsn_check(const char *dsn, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_secret_ char *text = NULL;
	_cleanup_(pqmem_freep) char *message = NULL;
	_cleanup_(conninfo_freep) PQconninfoOption *parsed = NULL;

	switch (dsn_kind_of(dsn, true)) {
	case DSN_SQLITE:
		return dsn_sqlite_path(dsn, &path, e);
	case DSN_NONE:
		return err_set(
		    e, -EINVAL, "DSN: neither postgresql://..., keyword=value nor sqlite:PATH");
	case DSN_POSTGRESQL:
	case DSN_PGBOUNCER:
		break;
	}
	text = dsn_for_libpq(dsn);
	parsed = PQconninfoParse(text, &message);
	return parsed ? 0 : syntax_error(message, e);
}

int
dsn_split(const char *dsn, char **ret_endpoint, char **ret_dbname, struct err *e)
{
	_cleanup_secret_ char *text = dsn_for_libpq(dsn);
	_cleanup_(pqmem_freep) char *message = NULL;
	_cleanup_(conninfo_freep) PQconninfoOption *parsed = PQconninfoParse(text, &message);
	struct str endpoint = { 0 };

	if (!parsed)
		return syntax_error(message, e);
	*ret_dbname = NULL;
	for (PQconninfoOption *o = parsed; o->keyword; o++) {
		if (!o->val)
			continue;
		if (!streq(o->keyword, "dbname"))
			str_addf(&endpoint, "%s=%zu:%s ", o->keyword, strlen(o->val), o->val);
		else if (*o->val)
			*ret_dbname = xstrdup(o->val);
	}
	*ret_endpoint = str_take(&endpoint);
	return 0;
}

static void
add_keyword(struct str *out, const char *keyword, const char *value)
{
	bool quoted = !*value || strpbrk(value, " \t\n\r\f\v'\\");

	str_addf(out, "%s%s=%s", out->len > 0 ? " " : "", keyword, quoted ? "'" : "");
	for (; *value; value++) {
		if (*value == '\\' || *value == '\'')
			str_addc(out, '\\');
		str_addc(out, *value);
	}
	if (quoted)
		str_addc(out, '\'');
}

/* An empty password keeps that of the service or the environment away: libpq looks into the password
 * file for one. */
int
dsn_for_role(const char *dsn, const char *role, char **ret, struct err *e)
{
	_cleanup_secret_ char *text = dsn_for_libpq(dsn);
	_cleanup_(pqmem_freep) char *message = NULL;
	_cleanup_(conninfo_freep) PQconninfoOption *parsed = PQconninfoParse(text, &message);
	struct str out = { 0 };

	if (!parsed)
		return syntax_error(message, e);
	for (PQconninfoOption *o = parsed; o->keyword; o++)
		if (o->val && !streq(o->keyword, "user") && !streq(o->keyword, "password"))
			add_keyword(&out, o->keyword, o->val);
	add_keyword(&out, "user", role);
	add_keyword(&out, "password", "");
	*ret = str_take(&out);
	return 0;
}

char *
dsn_beside(const char *dsn, const char *dbname)
{
	_cleanup_secret_ char *text = dsn_for_libpq(dsn);
	_cleanup_(conninfo_freep) PQconninfoOption *parsed = PQconninfoParse(text, NULL);
	struct str out = { 0 };

	for (PQconninfoOption *o = parsed; o && o->keyword; o++)
		if (o->val && !streq(o->keyword, "dbname") && !strchr(o->dispchar, '*'))
			add_keyword(&out, o->keyword, o->val);
	if (out.len == 0) {
		str_done(&out);
		return xasprintf("postgresql:///%s", dbname);
	}
	add_keyword(&out, "dbname", dbname);
	return str_take(&out);
}

/* SQLAlchemy: three slashes, then the path as it is; a fourth makes it absolute. */
int
dsn_sqlite_path(const char *dsn, char **ret, struct err *e)
{
	size_t len = 0, bare = scheme_of(dsn, &len);
	const char *path = dsn;
	_cleanup_free_ char *copy = NULL;

	if (bare && is_word(dsn, bare, "sqlite")) {
		bool is_url = strncmp(dsn + len, "://", 3) == 0;

		path = dsn + len + 1;
		if (is_url && path[2] != '/' && path[2] != '\0')
			return err_set(e, -EINVAL,
			    "DSN: sqlite:///relative.db or sqlite:////absolute.db (three or four "
			    "slashes)");
		if (is_url)
			path += path[2] == '/' ? 3 : 2;
		copy = xstrndup(path, is_url ? strcspn(path, "?") : strlen(path));
		if (is_url && str_starts(copy, "file:") && strstr(path, "uri=true"))
			memmove(copy, copy + 5, strlen(copy + 5) + 1);
	} else
		copy = xstrdup(path);
	if (!copy[0] || streq(copy, ":memory:"))
		return err_set(e, -EINVAL, "DSN: a SQLite database in memory cannot be watched");
	*ret = TAKE_PTR(copy);
	return 0;
}

static bool
is_secret(const char *word, size_t len)
{
	return is_word(word, len, "password") || is_word(word, len, "sslpassword");
}

/* Names of query parameters may be percent-encoded. */
static size_t
decode(const char *s, size_t len, char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size; i++) {
		char hex[3] = { 0 };

		if (s[i] == '%' && i + 2 < len && isxdigit((unsigned char)s[i + 1])) {
			memcpy(hex, s + i + 1, 2);
			i += 2;
		}
		buf[n++] = hex[0] ? (char)strtoul(hex, NULL, 16) : s[i];
	}
	buf[n] = '\0';
	return n;
}

/* libpq takes the user up to the first "@" before a "/"; a DSN that it refuses may have those in
 * the password, so there all up to the last "@" is hidden. */
static size_t
userinfo_len(const char *rest, bool is_valid)
{
	size_t first = strcspn(rest, "@/");
	const char *last = strrchr(rest, '@');

	if (is_valid)
		return rest[first] == '@' ? first : 0;
	return last ? (size_t)(last - rest) : 0;
}

static char *
show_uri(const char *dsn, size_t scheme_len, bool is_valid)
{
	struct str out = { 0 };
	const char *rest = dsn + scheme_len + 3;
	size_t user = userinfo_len(rest, is_valid), colon = strcspn(rest, ":"), path;

	str_addn(&out, dsn, scheme_len + 3);
	if (user > 0 && colon < user) {
		str_addn(&out, rest, colon + 1);
		str_add(&out, MASK);
	} else
		str_addn(&out, rest, user);
	rest += user;
	path = strcspn(rest, "?");
	str_addn(&out, rest, path);
	rest += path;
	while (*rest) {
		size_t len = strcspn(rest + 1, "&") + 1, key = strcspn(rest + 1, "=&");
		char word[32];
		size_t n = decode(rest + 1, key, word, sizeof(word));

		if (is_secret(word, n)) {
			str_addn(&out, rest, 1 + key);
			str_add(&out, "=" MASK);
		} else
			str_addn(&out, rest, len);
		rest += len;
	}
	return str_take(&out);
}

/* One value of a keyword string: quoted with '...' or bare, a backslash takes the next literally. */
static size_t
value_len(const char *p)
{
	bool is_quoted = *p == '\'';
	size_t i = is_quoted;

	while (p[i] && (is_quoted ? p[i] != '\'' : !isspace((unsigned char)p[i])))
		i += p[i] == '\\' && p[i + 1] ? 2 : 1;
	return i + (is_quoted && p[i] == '\'');
}

static char *
show_keywords(const char *dsn)
{
	struct str out = { 0 };

	while (*dsn) {
		size_t blank = strspn(dsn, " \t\n\r"), key, eq, value;

		str_addn(&out, dsn, blank);
		dsn += blank;
		key = strcspn(dsn, "= \t\n\r");
		eq = key + strspn(dsn + key, " \t\n\r");
		if (dsn[eq] != '=')
			break;
		eq++;
		eq += strspn(dsn + eq, " \t\n\r");
		value = value_len(dsn + eq);
		str_addn(&out, dsn, eq);
		if (is_secret(dsn, key))
			str_add(&out, MASK);
		else
			str_addn(&out, dsn + eq, value);
		dsn += eq + value;
	}
	return str_take(&out);
}

/* A slash in a password makes libpq take the user for a host and the password for its port. */
static bool
is_sane(const PQconninfoOption *parsed)
{
	for (const PQconninfoOption *o = parsed; o && o->keyword; o++)
		if (streq(o->keyword, "port") && o->val && o->val[strspn(o->val, "0123456789,")])
			return false;
	return parsed != NULL;
}

char *
dsn_show(const char *dsn)
{
	_cleanup_secret_ char *text = dsn_for_libpq(dsn);
	_cleanup_(conninfo_freep) PQconninfoOption *parsed = PQconninfoParse(text, NULL);
	size_t len = 0, bare = scheme_of(dsn, &len);

	if (bare && is_word(dsn, bare, "sqlite"))
		return xstrdup(dsn);
	if (bare && strncmp(dsn + len, "://", 3) == 0)
		return show_uri(dsn, len, is_sane(parsed));
	if (dsn_kind_of(dsn, false) == DSN_NONE)
		return dsn_kind_of(dsn, true) == DSN_SQLITE ? xstrdup(dsn) : xstrdup(MASK);
	return parsed ? show_keywords(dsn) : xstrdup(MASK);
}
