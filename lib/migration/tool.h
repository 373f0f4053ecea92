#pragma once
#include "migration/folder.h"
#include <jansson.h>
/*
 * One form of migration files.  Private to lib/migration.
 */
struct migration_tool {
	const char *name; /* word of migration_tool */
	const char *also; /* the name of another tool whose files look the same, or NULL */
	/* Whether this file is one of the tool's, by name; text NULL, or its beginning where peeks. */
	bool (*is_ours)(const struct migration_file *, const char *text);
	bool peeks;
	/* Adds objects to known, in the tool's order. */
	int (*read)(struct migration_folder *, json_t *known, struct err *);
};
extern const struct migration_tool *const migration_tools[]; /* NULL-terminated, the surest first */
extern const struct migration_tool migration_alembic, migration_django, migration_flyway,
    migration_liquibase, migration_prisma, migration_rails, migration_dbmate, migration_goose,
    migration_golang, migration_sqlx, migration_knex;

/* {"v": v, "file": path}, text that any file may hold made fit; added to known, borrowed. */
json_t *migration_add(json_t *known, const char *v, const char *path);
/* Digits at the start of s, without zeros in front, owned; NULL: none, or more than 40. */
char *migration_number(const char *s, const char **ret_rest) _must_check_;
/* Calls sum for the text as it is, with \n and with \r\n ends; what it gives (owned) becomes "sums". */
void migration_sums(json_t *o, const char *text, size_t len, char *(*sum)(const char *, size_t));
char *migration_sha256(const char *, size_t) _must_check_;
char *migration_sha384(const char *, size_t) _must_check_;
/* Flyway's: CRC-32 of the lines without their ends, as a signed number. */
char *migration_crc32(const char *, size_t) _must_check_;

/* ---- sources of several change sets; they add {"v", "file", "opt"} ---- */
int liquibase_read_sql(json_t *known, const char *path, const char *text, struct err *);
int liquibase_read_xml(json_t *known, const char *path, const char *text, size_t len, struct err *);
int liquibase_read_yaml(
    json_t *known, const char *path, const char *text, size_t len, struct err *);
int liquibase_read_json(
    json_t *known, const char *path, const char *text, size_t len, struct err *);
/* One set; logical NULL: named by its path. */
void liquibase_add(json_t *known, const char *path, const char *logical, const char *id,
    const char *author, bool optional);

/* ---- the pieces of Python that these files are ---- */
/*
 * The texts in what is assigned to name at the start of a line (name = 'a', name: str = ("a", 'b'), ...);
 * false: no such assignment.  None gives no text.
 */
bool python_strings(const char *text, const char *name, bool indented, char ***ret);
