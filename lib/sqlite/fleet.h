#pragma once
#include "base/err.h"
#include "worker/worker.h"
/*
 * Role "fleet": which files a pattern names, followed as they come and go.  Its one job never ends;
 * it is cancelled.  All frames are JSON.
 *
 * The job:
 *   {"folder", "pattern", "exclude": [glob, ...], "max_files", "rescan_ms", "sweep_ms"}
 * The answers; every listing of the files ends with a state that is told when it differs from the
 * last one, and always after the first listing:
 *   FLEET_FILES  {"came": [NAME, ...], "gone": [...], "replaced": [...], "changed": [...]}, a few
 *                 files a frame
 *   FLEET_STATE  {"files": watched, "over": more than max_files, "excluded", "links", "others": no
 *                 regular files, "closed": folders that could not be read, "closed_folder": the
 *                 first, "cut": bool (there was no end of it), "lost": bool (ten or more files and
 *                 all of them went), "error": why the folder cannot be looked into or "",
 *                 "follows": bool, "why": why changes are only seen by listing, or ""}
 *
 *   FLEET_SWEPT  {}: every sweep_ms all files were compared with what they were (inode, size and times of
 *                 the file, its log and its journal), and those that differ were told as changed
 *
 * A wildcard matches no symbolic link and no name that begins with a dot, written-out folders may be
 * links, and the file itself is none: who may make files in a folder that is watched must not be able
 * to point at those of others.  Journals, logs and shared memory of a database never match.
 */
enum { FLEET_JOB = 1, FLEET_FILES = 2, FLEET_STATE = 3, FLEET_SWEPT = 4 };
extern const struct worker_role fleet_role;

/* "/srv/tenants" and "*.db" of "/srv/tenants/" "*.db"; both owned by the caller.  -EINVAL in words. */
int fleet_split(const char *path, char **ret_folder, char **ret_pattern, struct err *);
/*
 * Names of files are bytes, those of databases are text that a line, a URL and JSON can hold: control
 * characters, what is no UTF-8 and the percent sign itself are written %XX.
 */
char *fleet_name(const char *file) _must_check_;
char *fleet_bytes(const char *name) _must_check_; /* of a file, of its name */
char *fleet_path(const char *folder, const char *name) _must_check_;
