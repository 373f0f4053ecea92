#pragma once
#include "base/base.h"
/*
 * The file system that a path lies on, as the host knows it: a sandbox of ours that mounts
 * everything read-only does not count.  May block for as long as a network mount is dead: for
 * workers, never for the loop.
 */
struct disk {
	char *mount;  /* mount point, NULL: not found in /proc/self/mountinfo */
	char *type;   /* as ext4, xfs, nfs4; NULL: unknown */
	char *device; /* MAJOR:MINOR as the kernel lists it, or NULL */
	bool network, readonly;
	int64_t total_bytes, free_bytes;   /* free: to a process without privileges */
	int64_t total_inodes, free_inodes; /* total 0: it does not count them */
};
/* Negative errno of statfs(2); what was not found out besides is NULL. */
int disk_of_path(const char *path, struct disk *ret) _must_check_;
/* Judged by the number of statfs(2) and the name in the list of mounts (or NULL). */
struct disk_kind {
	const char *name; /* constant, or mounted_as; NULL: unknown */
	bool
	    network; /* network, shared with another host, or FUSE: locks are not to be relied on */
};
struct disk_kind disk_kind_of(unsigned long magic, const char *mounted_as);
void disk_done(struct disk *);
/* Whether something is mounted right there; needs no right to look into the folders above. */
bool disk_is_mount_point(const char *path);
