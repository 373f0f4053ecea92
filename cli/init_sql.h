#pragma once
#include "cli/init.h"
/* What the files that ask the server share. */
/* A name as SQL; U&"" where a control character would hide or break the line. */
#define IDENT(x)                                                                                   \
	"CASE WHEN " x " !~ '[\\u0001-\\u001f\\u007f-\\u009f]' THEN pg_catalog.quote_ident(" x ")" \
	" ELSE 'U&\"' || (SELECT pg_catalog.string_agg(CASE"                                       \
	" WHEN s ~ '[\\u0001-\\u001f\\u007f-\\u009f]'"                                             \
	" THEN '\\' || pg_catalog.lpad(pg_catalog.to_hex(pg_catalog.ascii(s)), 4, '0')"            \
	" WHEN s IN ('\"', '\\') THEN s || s ELSE s END, '' ORDER BY i)"                           \
	" FROM pg_catalog.regexp_split_to_table(" x ", '') WITH ORDINALITY AS c (s, i))"           \
	" || '\"' END"

#define ME                                                                                         \
	"WITH me AS (SELECT w.role, r.oid, r.rolcanlogin, r.rolconnlimit,"                         \
	" pg_catalog.quote_ident(w.role) AS q,"                                                    \
	" pg_catalog.current_setting('server_version_num')::int AS v"                              \
	" FROM (SELECT $1::text AS role) AS w"                                                     \
	" LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = w.role)"

/* Rows of (order, kind, level, what, sql, there) become items, up to the plan's level. */
void init_take(struct init_plan *, const struct pg_rows *, const char *database);
