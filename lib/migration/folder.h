#pragma once
#include "base/err.h"
/*
 * A folder of migrations, hostile or huge: what lies in it by name, and the bytes of one file at a time.
 * Private to lib/migration.
 */
#define FOLDER_MAX_ENTRIES 20000
#define FOLDER_MAX_DEPTH   8
#define FOLDER_MAX_FILE    ((size_t)8 << 20)
#define FOLDER_MAX_BYTES   ((size_t)256 << 20) /* of all files that are read */

struct migration_file {
	char *path;       /* below the folder */
	const char *name; /* its last part */
	char *dir;        /* the name of the folder that it is in */
};
struct migration_folder {
	char *path;
	int fd;
	struct migration_file *v; /* regular files with an ending that some tool has, by path */
	size_t n;
	size_t entries, bytes; /* looked at, read */
};
/* -ELOOP: a symbolic link where a migration is expected, and the like; the reason names it. */
int migration_folder_open(
    const char *path, struct migration_folder *ret, struct err *) _must_check_;
void migration_folder_done(struct migration_folder *);
/* Its bytes, terminated, owned by the caller. */
int migration_file_read(struct migration_folder *, const struct migration_file *, char **ret,
    size_t *ret_len, struct err *) _must_check_;
