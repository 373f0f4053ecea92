#pragma once
#include "base/err.h"
/*
 * Backups on the disk: ROOT/DATABASE/STAMP/, a folder each.  It is made as .STAMP.partial and renamed
 * once it and all in it are on the disk; it is removed as .STAMP.gone.  What has such a name and no
 * owner is left over from a process that died, and goes at the next run.
 */
#define FOLDER_STAMP_SIZE 17 /* 20261123T150000Z */
/* The name of a database as that of a file: what is unsafe is %XX.  Owned. */
char *folder_name(const char *database) _must_check_;
void folder_stamp(int64_t wall_us, char ret[static FOLDER_STAMP_SIZE]);
int folder_stamp_parse(const char *, int64_t *ret_sec); /* -EINVAL */

/* One database's folder, held by one process at a time. */
struct folder;
enum folder_use {
	FOLDER_READ = 0, /* it must be there; no lock */
	FOLDER_WRITE, /* made where it is not; -EALREADY: another process writes there, err says which */
};
int folder_open(const char *root, const char *database, enum folder_use, struct folder **ret,
    struct err *) _must_check_;
struct folder *folder_free(struct folder *); /* NULL */
DEFINE_CLEANUP(struct folder *, folder_free)
const char *folder_path(const struct folder *);
/* ROOT/DATABASE/STAMP; owned. */
char *folder_path_of(const struct folder *, const char *stamp) _must_check_;

/* Stamps of the backups that are there, newest first; NULL-terminated. */
int folder_list(const struct folder *, char ***ret, struct err *) _must_check_;
/* Names of the .STAMP.partial folders. */
int folder_unfinished(const struct folder *, char ***ret, struct err *) _must_check_;
/* A file descriptor of one, or negative errno. */
int folder_open_stamp(const struct folder *, const char *stamp, struct err *) _must_check_;

/* Removes what dead processes left; held for writing nobody else's is there. */
int folder_clear(struct folder *, struct err *) _must_check_;
/* A new one: its stamp and the path of the unfinished folder.  Leftovers of dead processes go first. */
int folder_begin(struct folder *, char **ret_stamp, char **ret_path, struct err *) _must_check_;
/* All files and folders to the disk, then the name.  The unfinished one is as it was on failure. */
int folder_finish(struct folder *, const char *stamp, struct err *) _must_check_;
/* Removes the unfinished one. */
void folder_abandon(struct folder *, const char *stamp);
/* -EBUSY: it is being read (folder_hold). */
int folder_remove(struct folder *, const char *stamp, struct err *) _must_check_;
/* For as long as the descriptor is open nobody removes that backup; -ENOENT. */
int folder_hold(const struct folder *, const char *stamp, struct err *) _must_check_;
/* Told of every regular file below dirfd, sorted by path; links and other things are an error. */
typedef int (*folder_file_fn)(int dirfd, const char *path, int64_t bytes, void *arg, struct err *);
int folder_each_file(int dirfd, folder_file_fn, void *arg, struct err *) _must_check_;
/* SHA-256 of a file below dirfd in hexadecimal (65 bytes), and its size. */
int folder_hash(int dirfd, const char *path, char ret_sha256[static 65], int64_t *ret_bytes,
    struct err *) _must_check_;
/* Writes a small file whole: temporary name, fsync, rename, fsync of the folder. */
int folder_put(int dirfd, const char *name, const char *text, struct err *) _must_check_;
