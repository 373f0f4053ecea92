#pragma once
#include "base/base.h"
/*
 * One listing of the files that a pattern names.
 */
struct fleet_file {
	char *name; /* as fleet_name() writes it */
	uint64_t inode;
	uint64_t stamp; /* of what a change of its content moves; 0: to be told in any case */
};
struct fleet_scan {
	/* given */
	const char *folder;
	char *const *parts;   /* of the pattern, a level of folders each */
	char *const *exclude; /* globs of the file's name, with folders or without; or NULL */
	/* Each folder that a change may concern, before it is looked into; the one above where there is
	 * none. */
	void (*on_folder)(const char *path, void *arg);
	void *arg;
	/* found */
	struct fleet_file *v; /* by name */
	size_t n;
	size_t excluded, links, others;
	char **
	    closed; /* folders that could not be read, beginning as names do, with a slash behind */
	bool cut;   /* there was no end of it */
	char error[300]; /* why the folder itself cannot be looked into, or "" */
	bool gone;       /* it is not there */
	size_t cap, entries;
};
void fleet_scan_run(struct fleet_scan *);
void fleet_scan_done(struct fleet_scan *);
void fleet_files_free(struct fleet_file *, size_t n);
int fleet_by_name(const void *a, const void *b); /* for qsort and bsearch */
/* Whether SQLite makes files of this name beside a database. */
bool fleet_is_beside(const char *name);
