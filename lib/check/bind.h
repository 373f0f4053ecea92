#pragma once
#include "check/settings.h"
/*
 * `:name` in SQL becomes $1, $2 ... (PostgreSQL) or ?1, ?2 ... (SQLite); `::cast`, strings, quoted
 * identifiers, dollar quotes and comments are left alone.  Values are bound, never pasted.
 */
struct bind {
	char *sql;
	char **names; /* NULL-terminated, in order of their number */
};
int bind_parse(const char *sql, enum engine, struct bind *ret, struct err *) _must_check_;
void bind_done(struct bind *);
/* Names the engine fills besides params: first_seen (JSON object key -> Unix seconds), baseline,
 * host (JSON of lib/host/host.h, NULL unless seen), interval (seconds since this check last ran, NULL the first time), migrations
 * (JSON of lib/migration/migration.h, NULL without a folder of them), not_covered (JSON array of
 * {check,reason,grant}), schemas_platform, databases_platform and roles_platform (JSON arrays of globs: the
 * platform's own here, lib/pg/flavour.h), sample_keys (true or false), scrubs (JSON array of what each scrub
 * has not verified in time), slice and slices (kind snapshot: which part is asked for, of how
 * many; NULL until the answer said so), statements (JSON array of {datname,version}: watched databases of this
 * server with pg_stat_statements, NULL until all were looked at or one has it), and every configured key of [database] (lists as JSON arrays). */
extern const char *const bind_engine_names[]; /* NULL-terminated */
#define BIND_ENGINE_OWN 14                    /* so many at its head are no options of [database] */
