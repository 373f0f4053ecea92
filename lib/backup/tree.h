#pragma once
#include "base/err.h"
/* Folders with all that is in them.  Never follows a link. */
/* Names in a folder without "." and "..", in no order; NULL-terminated. */
int tree_names(int dirfd, char ***ret) _must_check_;
/* It and all below it; 0 where it is not there.  e may be NULL. */
int tree_remove(int dirfd, const char *name, struct err *e);
/* Files and folders to the disk, the innermost first. */
int tree_sync(int dirfd, const char *name, struct err *) _must_check_;
int tree_sync_parent(const char *path, struct err *) _must_check_;
uint64_t tree_hash_name(const char *);
