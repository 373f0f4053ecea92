#pragma once
#include "base/base.h"
/*
 * Whose PostgreSQL this is, and what there is the platform's: told by roles, functions, settings,
 * schemas and extensions that only they have.  One table; a name that merely looks like a
 * platform's counts nowhere else.
 */
/* Rows ('tell', what, '') of everything in the table that is found in this database. */
char *pg_flavour_sql(void) _must_check_;
/* The flavour, for what was found (NULL-terminated or NULL): "community" unless told. */
const char *pg_flavour_of(char *const *tells);
/* Its data directory, settings and superuser are the provider's. */
bool pg_flavour_is_managed(char *const *tells);

enum pg_platform {
	PG_PLATFORM_SCHEMAS, /* globs */
	PG_PLATFORM_DATABASES,
	PG_PLATFORM_ROLES,
};
/* The platform's own, owned; as a JSON array.  NULL: none. */
char **pg_platform_names(char *const *tells, enum pg_platform) _must_check_;
char *pg_platform_json(char *const *tells, enum pg_platform) _must_check_;

/*
 * What speaks the protocol of PostgreSQL and is none, or one older than 13: its name, owned, NULL
 * for PostgreSQL.  server_version is what it says at start-up, version_text of version() or NULL;
 * parameter(arg, NAME) is any other setting that it reports at start-up.
 */
char *pg_stranger(const char *server_version, const char *version_text,
    const char *(*parameter)(const char *name, void *arg), void *arg) _must_check_;
