/*
 * `privilege (x)`: the question to the server and the statement that grants.  Names are looked up
 * by catalogue rows where to_regclass() would raise an error for a schema we may not use.
 */
#include "base/str.h"
#include "check/facts.h"
#include <ctype.h>

struct part { /* of schema.name; folded and unquoted as the server does */
	char *schema, *name;
	const char *rest; /* behind the name, borrowed */
};

static void
part_done(struct part *part)
{
	free(part->schema);
	free(part->name);
}

/* One identifier at *p, as the server would read it; NULL when there is none. */
static char *
take_identifier(const char **p)
{
	_cleanup_str_ struct str out = { 0 };
	const char *q = *p;

	if (*q == '"') {
		for (q++; *q && (*q != '"' || q[1] == '"'); q++) {
			str_addc(&out, *q);
			q += *q == '"';
		}
		if (*q != '"')
			return NULL;
		q++;
	} else
		for (; isalnum((unsigned char)*q) || *q == '_' || *q == '$' ||
		       (unsigned char)*q >= 0x80;
		     q++)
			str_addc(&out, (char)tolower((unsigned char)*q));
	if (out.len == 0)
		return NULL;
	*p = q;
	return str_take(&out);
}

static bool
split_name(const char *text, struct part *ret)
{
	const char *p = text;

	*ret = (struct part){ 0 };
	ret->name = take_identifier(&p);
	if (ret->name && *p == '.') {
		p++;
		ret->schema = ret->name;
		ret->name = take_identifier(&p);
	}
	ret->rest = p;
	return ret->name != NULL;
}

static void
add_literal(struct str *out, const char *s)
{
	str_addc(out, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			str_addc(out, '\'');
		str_addc(out, *s);
	}
	str_addc(out, '\'');
}

static bool
must_quote(const char *s)
{
	static const char *const reserved[] = { "all", "analyse", "analyze", "and", "any", "array",
		"as", "asc", "asymmetric", "authorization", "between", "both", "case", "cast",
		"check", "collate", "column", "constraint", "create", "cross", "current_role",
		"current_user", "default", "desc", "distinct", "do", "else", "end", "except",
		"false", "fetch", "for", "foreign", "from", "full", "grant", "group", "having",
		"in", "initially", "inner", "intersect", "into", "is", "join", "leading", "left",
		"like", "limit", "localtime", "natural", "none", "not", "null", "offset", "on",
		"only", "or", "order", "outer", "primary", "public", "references", "returning",
		"right", "select", "session_user", "some", "symmetric", "table", "then", "to",
		"trailing", "true", "union", "unique", "user", "using", "verbose", "when", "where",
		"window", "with" };

	if (!islower((unsigned char)*s) && *s != '_')
		return true;
	for (const char *p = s; *p; p++)
		if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '_')
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (streq(s, reserved[i]))
			return true;
	return false;
}

/* Control characters become U&"\000A": nothing in the statement may move a terminal. */
static void
add_identifier(struct str *out, const char *s)
{
	bool control = false;

	if (!must_quote(s)) {
		str_add(out, s);
		return;
	}
	for (const char *p = s; *p; p++)
		control = control || (unsigned char)*p < 0x20 || *p == 0x7f;
	str_add(out, control ? "U&\"" : "\"");
	for (; *s; s++) {
		if (control && ((unsigned char)*s < 0x20 || *s == 0x7f))
			str_addf(out, "\\%04X", (unsigned)*s);
		else if (*s == '"' || (control && *s == '\\'))
			str_addf(out, "%c%c", *s, *s);
		else
			str_addc(out, *s);
	}
	str_addc(out, '"');
}

static void
schema_usable_sql(struct str *out, const char *schema)
{
	str_add(out, "EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = ");
	add_literal(out, schema);
	str_add(out, " AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'))");
}

static char *
role_sql(const char *role)
{
	_cleanup_str_ struct str out = { 0 };

	str_add(&out, "COALESCE((SELECT pg_catalog.pg_has_role(r.oid, 'USAGE') "
	              "FROM pg_catalog.pg_roles AS r WHERE r.rolname = ");
	add_literal(&out, role);
	str_add(&out, "), false)");
	return str_take(&out);
}

static char *
execute_sql(const char *signature, const struct part *part)
{
	_cleanup_str_ struct str out = { 0 };

	str_add(&out, "CASE WHEN ");
	schema_usable_sql(&out, part->schema);
	str_add(&out, " THEN COALESCE(pg_catalog.has_function_privilege("
	              "pg_catalog.to_regprocedure(");
	add_literal(&out, signature);
	str_add(&out, ")::pg_catalog.oid, 'EXECUTE'), false) ELSE false END");
	return str_take(&out);
}

static char *
select_sql(const struct part *part)
{
	_cleanup_str_ struct str out = { 0 };

	str_add(&out,
	    "COALESCE((SELECT pg_catalog.has_table_privilege(c.oid, 'SELECT') AND "
	    "pg_catalog.has_schema_privilege(n.oid, 'USAGE') FROM pg_catalog.pg_class AS c "
	    "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relname = ");
	add_literal(&out, part->name);
	str_add(&out, " AND n.nspname = ");
	add_literal(&out, part->schema);
	str_add(&out, "), false)");
	return str_take(&out);
}

enum form { FORM_NONE, FORM_ROLE, FORM_EXECUTE, FORM_SELECT };

static enum form
form_of(const char *text, const char **ret_what, struct part *ret)
{
	enum form form = FORM_ROLE;

	*ret_what = text;
	if (str_starts(text, "execute "))
		form = FORM_EXECUTE, *ret_what = text + strlen("execute ");
	else if (str_starts(text, "select "))
		form = FORM_SELECT, *ret_what = text + strlen("select ");
	*ret_what += strspn(*ret_what, " \t");
	if (!split_name(*ret_what, ret))
		return FORM_NONE;
	switch (form) {
	case FORM_ROLE:
		return ret->schema || *ret->rest ? FORM_NONE : form;
	case FORM_EXECUTE:
		return ret->schema && *ret->rest == '(' && ret->rest[strlen(ret->rest) - 1] == ')'
		           ? form
		           : FORM_NONE;
	case FORM_SELECT:
		return ret->schema && !*ret->rest ? form : FORM_NONE;
	case FORM_NONE:
		break;
	}
	return FORM_NONE;
}

char *
privilege_sql(const char *privilege)
{
	_cleanup_(part_done) struct part part = { 0 };
	const char *what;

	switch (form_of(privilege, &what, &part)) {
	case FORM_ROLE:
		return role_sql(part.name);
	case FORM_EXECUTE:
		return execute_sql(what, &part);
	case FORM_SELECT:
		return select_sql(&part);
	case FORM_NONE:
		break;
	}
	return NULL;
}

static void
add_schema_grant(struct str *out, const char *schema, const char *login)
{
	if (streq(schema, "pg_catalog") || streq(schema, "information_schema") ||
	    streq(schema, "public"))
		return;
	str_add(out, "GRANT USAGE ON SCHEMA ");
	add_identifier(out, schema);
	str_add(out, " TO ");
	add_identifier(out, login);
	str_add(out, "; ");
}

char *
privilege_grant(const char *privilege, const char *login)
{
	_cleanup_(part_done) struct part part = { 0 };
	_cleanup_str_ struct str out = { 0 };
	const char *what;
	enum form form = form_of(privilege, &what, &part);

	if (form == FORM_NONE)
		return NULL;
	if (part.schema)
		add_schema_grant(&out, part.schema, login);
	str_add(&out, form == FORM_EXECUTE  ? "GRANT EXECUTE ON FUNCTION "
	              : form == FORM_SELECT ? "GRANT SELECT ON "
	                                    : "GRANT ");
	if (form == FORM_ROLE)
		add_identifier(&out, part.name);
	else
		str_add(&out, what);
	str_add(&out, " TO ");
	add_identifier(&out, login);
	str_addc(&out, ';');
	return str_take(&out);
}

/* The statement at *p, quoted names whole; false at the end. */
static bool
next_statement(const char **p, const char **ret, size_t *ret_len)
{
	bool quoted = false;
	const char *s = *p + strspn(*p, " \n"), *q = s;

	for (; *q && (quoted || *q != ';'); q++)
		quoted ^= *q == '"';
	*ret = s;
	*ret_len = (size_t)(q - s) + (*q == ';');
	*p = s + *ret_len;
	return *ret_len > 0;
}

void
privilege_add_grants(struct str *out, const char *grants, size_t max)
{
	const char *stmt, *had;
	size_t len, had_len;

	while (next_statement(&grants, &stmt, &len)) {
		const char *p = str_text(out);
		bool known = false;

		while (!known && next_statement(&p, &had, &had_len))
			known = had_len == len && memcmp(had, stmt, len) == 0;
		if (!known && out->len + (out->len > 0) + len < max)
			str_addf(out, "%s%.*s", out->len > 0 ? " " : "", (int)len, stmt);
	}
}
