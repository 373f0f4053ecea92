#pragma once
#include "base/err.h"
#include "base/sha.h"
/*
 * One migration file, `VERSION_name.sql`, in the format of dbmate: a head of comments, then a section
 * `-- migrate:up` and one `-- migrate:down`, each with options behind its mark.  Pure: text in, no I/O.
 */
struct migrate_section {
	char *sql; /* what stands between the marks; "" when nothing but blanks and comments */
	int line;  /* of its first line in the file; 0: there is no such section */
	bool transaction;
};
/* What people say of it in its head, for those who review it. */
enum migrate_note {
	NOTE_REASON = 0,
	NOTE_DATA_IMPACT,
	NOTE_ROLLBACK,
	NOTE_CONSTRAINTS,
	NOTE_PERFORMANCE,
	NOTE_N
};
extern const char *const migrate_note_names[NOTE_N]; /* "Reason" "Data impact" ... */
struct migrate_script {
	char *file, *version, *title; /* "2026_add_x.sql", "2026", "add x" */
	struct migrate_section up, down;
	bool has_notes;     /* its head has our form: then all of them are asked for */
	char *note[NOTE_N]; /* NULL: it does not stand there, or only its placeholder does */
	char sum[SHA_HEX_SIZE];
};
#define MIGRATE_FILE_MAX    ((size_t)8 << 20)
#define MIGRATE_VERSION_MAX 128 /* schema_migrations.version is varchar(128) */

/* Its version, as dbmate takes it: the digits that its name begins with.  NULL: not a migration. */
char *migrate_version_of(const char *file) _must_check_;
/*
 * text is terminated at len.  -EINVAL with "FILE:LINE: what; what to do": no up section, statements
 * before it, a mark given twice or in the wrong order, an option that is not known, a byte 0.
 */
int migrate_script_parse(
    const char *file, const char *text, size_t len, struct migrate_script *ret, struct err *);
void migrate_script_done(struct migrate_script *);
/* A new one with everything still to be said; lock_timeout: PostgreSQL's. */
char *migrate_script_template(const char *message, bool lock_timeout) _must_check_;
/* "Add user preferences" -> "add_user_preferences"; at most 60 bytes; "" when nothing is left. */
char *migrate_slug(const char *message) _must_check_;
