#pragma once
#include "check/check.h"
/*
 * What is known of one database at this moment, for `needs` and `@when`.  Filled by the monitor
 * from the session's head query or the file's header; pure data.
 */
struct fact_extension {
	char *name, *version;
	char *schema; /* as SQL writes it; NULL: not told */
};
struct fact_privilege {
	char *name; /* text of privilege (x) */
	bool granted;
};
enum fact_role { FACT_ROLE_UNKNOWN = 0, FACT_PRIMARY, FACT_STANDBY };
const char *fact_role_text(enum fact_role); /* NULL: not known */
struct facts {
	enum engine engine;
	int version[3]; /* PostgreSQL 15.18: {15,18,0}; SQLite library {3,40,1} */
	enum fact_role role;
	char *flavour; /* "community" unless told */
	bool managed;  /* by a provider, who has its host and its superuser: `flavour != managed` */
	char **tells;  /* what tells the flavour and other platforms (lib/pg/flavour.h) */
	char *login;   /* role we are seen as; for GRANT texts */
	char *datname;
	uint32_t oid; /* PostgreSQL: of the database; 0: not known */
	bool superuser, pooled;
	bool host; /* its file systems are seen from outside: `needs: host` */
	struct fact_extension *extensions;
	size_t nextensions;
	struct fact_privilege *privileges;
	size_t nprivileges;
	/* configured KEY: text of the option for this database or NULL.  borrowed arg. */
	const char *(*configured)(const void *arg, const char *key);
	const void *configured_arg;
	bool migrations;               /* the folder of expect_migration was read */
	const char *migrations_reason; /* why it was not, or NULL; borrowed */
};
void facts_done(struct facts *);

enum cover { COVER_UNKNOWN = 0, COVER_YES, COVER_NOT };
struct coverage {
	enum cover cover;
	const struct check_body *body, *items; /* chosen by @when; borrowed from the check */
	char reason[200];                      /* why not */
	enum need_kind need;                   /* which is not met; 0: none of them, or no body */
	char grant[400];                       /* the exact statement, or "" */
};
/* First body whose @when matches; COVER_NOT when a need is never met here, COVER_UNKNOWN for
 * `privilege ... or unknown` that is missing. */
void coverage_of(const struct check *, const struct facts *, struct coverage *ret);
/* The statement behind the findings of a check that is covered; NULL: none here. */
const struct check_body *coverage_evidence(const struct check *, const struct facts *);
/*
 * The privilege forms are
 *   privilege (ROLE)                       membership, by pg_has_role
 *   privilege (execute SIGNATURE)          by to_regprocedure and has_function_privilege
 *   privilege (select RELATION)            by to_regclass and has_table_privilege
 * SQL (one boolean expression, NULL-free) that the server answers, and the statement that grants.
 */
char *privilege_sql(const char *privilege) _must_check_;
char *privilege_grant(const char *privilege, const char *login) _must_check_;
/*
 * Adds each of the statements that out lacks, as long as out stays shorter than max: whole
 * statements only.
 */
struct str;
void privilege_add_grants(struct str *out, const char *grants, size_t max);
