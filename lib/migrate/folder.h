#pragma once
#include "migrate/script.h"
/* All migrations of a folder, as dbmate finds them: files whose names begin with digits and end in .sql. */
struct migrate_folder {
	char *path;
	struct migrate_script *v;
	size_t n;
	char **ignored; /* names of other .sql files; NULL: none */
};
#define MIGRATE_FILES_MAX 20000
/*
 * Each file's first fault ends it: FILE:LINE and what to do.  -ENOENT: no such folder; -EFBIG: a file
 * over MIGRATE_FILE_MAX, or too many of them.
 */
int migrate_folder_read(const char *path, struct migrate_folder *ret, struct err *);
void migrate_folder_done(struct migrate_folder *);
/* One file by its path. */
int migrate_file_read(const char *path, struct migrate_script *ret, struct err *);
