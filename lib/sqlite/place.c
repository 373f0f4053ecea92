/*
 * Where the database lies: path and kind, owners and rights, the files beside it, its file system.
 */
#include "base/clock.h"
#include "base/disk.h"
#include "base/str.h"
#include "sqlite/gather.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

static const char *
kind_of_error(int e)
{
	switch (e) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
		return "absent";
	case ELOOP:
		return "loop";
	case EACCES:
		return "hidden";
	default:
		return "other";
	}
}

static const char *
kind_of_mode(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "folder";
	case S_IFIFO:
		return "fifo";
	case S_IFBLK:
	case S_IFCHR:
		return "device";
	case S_IFSOCK:
		return "socket";
	default:
		return "other";
	}
}

static void
set_error(struct file_facts *f, int e)
{
	file_facts_set_text(f, FACT_KIND, kind_of_error(e));
	file_facts_set_text(f, FACT_KIND_ERROR, strerror(e));
}

static void
set_owner(struct file_facts *f, uid_t uid)
{
	char number[24];
	/* May ask a directory service: that is what the deadline of this process is for. */
	const struct passwd *pw = getpwuid(uid);

	snprintf(number, sizeof(number), "%lu", (unsigned long)uid);
	file_facts_set_text(f, FACT_OWNER, pw ? pw->pw_name : number);
}

static void
set_stat(struct file_facts *f, const struct stat *st)
{
	char device[32];

	snprintf(device, sizeof(device), "%u:%u", major(st->st_dev), minor(st->st_dev));
	file_facts_set_text(f, FACT_DEVICE, device);
	file_facts_set_int(f, FACT_INODE, (int64_t)st->st_ino);
	file_facts_set_int(f, FACT_SIZE, st->st_size);
	file_facts_set_int(f, FACT_BLOCKS, (int64_t)st->st_blocks * 512);
	file_facts_set_mode(f, FACT_MODE, st->st_mode);
	file_facts_set_int(f, FACT_UID, st->st_uid);
	file_facts_set_int(f, FACT_GID, st->st_gid);
	file_facts_set_int(f, FACT_MTIME, st->st_mtim.tv_sec);
	file_facts_set_int(f, FACT_NLINK, (int64_t)st->st_nlink);
	set_owner(f, st->st_uid);
}

/* Bits alone: that is what every process of the owner lives with, root and ACLs aside. */
static bool
owner_may_write(const struct stat *dir, uid_t uid, gid_t gid)
{
	if (uid == 0)
		return true;
	if (dir->st_uid == uid)
		return (dir->st_mode & (S_IWUSR | S_IXUSR)) == (S_IWUSR | S_IXUSR);
	if (dir->st_gid == gid)
		return (dir->st_mode & (S_IWGRP | S_IXGRP)) == (S_IWGRP | S_IXGRP);
	return (dir->st_mode & (S_IWOTH | S_IXOTH)) == (S_IWOTH | S_IXOTH);
}

static void
set_folder(struct file_facts *f, const char *resolved)
{
	_cleanup_free_ char *copy = xstrdup(resolved);
	const char *dir = dirname(copy);
	struct stat st;

	file_facts_set_text(f, FACT_DIR, dir);
	if (stat(dir, &st) < 0)
		return;
	file_facts_set_mode(f, FACT_DIR_MODE, st.st_mode);
	file_facts_set_int(f, FACT_DIR_UID, st.st_uid);
	file_facts_set_int(
	    f, FACT_DIR_WRITABLE_BY_OTHERS, (st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX));
	file_facts_set_int(f, FACT_DIR_WRITABLE_BY_OWNER,
	    owner_may_write(
	        &st, (uid_t)file_facts_int(f, FACT_UID), (gid_t)file_facts_int(f, FACT_GID)));
}

char *
gather_beside(const struct file_facts *f, const char *suffix)
{
	return xasprintf("%s%s", f->resolved, suffix);
}

static void
set_beside(struct file_facts *f, const char *suffix, enum fact exists, enum fact size,
    enum fact bits, enum fact uid, int mtime)
{
	_cleanup_free_ char *path = gather_beside(f, suffix);
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			file_facts_set_int(f, exists, 0);
		return;
	}
	file_facts_set_int(f, exists, 1);
	file_facts_set_int(f, size, S_ISREG(st.st_mode) ? st.st_size : 0);
	file_facts_set_mode(f, bits, st.st_mode);
	file_facts_set_int(f, uid, st.st_uid);
	if (mtime >= 0)
		file_facts_set_int(f, (enum fact)mtime, st.st_mtim.tv_sec);
}

static void
set_neighbours(struct file_facts *f)
{
	set_beside(f, "-wal", FACT_WAL_EXISTS, FACT_WAL_SIZE, FACT_WAL_MODE_BITS, FACT_WAL_UID,
	    FACT_WAL_MTIME);
	set_beside(f, "-shm", FACT_SHM_EXISTS, FACT_SHM_SIZE, FACT_SHM_MODE_BITS, FACT_SHM_UID, -1);
	set_beside(f, "-journal", FACT_JOURNAL_EXISTS, FACT_JOURNAL_SIZE, FACT_JOURNAL_MODE_BITS,
	    FACT_JOURNAL_UID, FACT_JOURNAL_MTIME);
}

/*
 * O_PATH opens nothing: neither a FIFO nor a device notices.  Only what is known to be a regular
 * file is then opened for reading, through the same descriptor.
 */
static int
open_regular(struct file_facts *f, const char *resolved)
{
	_cleanup_close_ int at = open(resolved, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char link[32];
	struct stat st;
	int fd;

	if (at < 0 || fstat(at, &st) < 0) {
		set_error(f, errno);
		return -1;
	}
	file_facts_set_text(f, FACT_KIND, kind_of_mode(st.st_mode));
	set_stat(f, &st);
	if (!S_ISREG(st.st_mode))
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
	fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	file_facts_set_int(f, FACT_READABLE, fd >= 0);
	if (fd < 0)
		file_facts_set_text(f, FACT_KIND_ERROR, strerror(errno));
	return fd;
}

/* Its folder may be there, by another name. */
static char *
resolve_absent(const char *path)
{
	_cleanup_free_ char *of_dir = xstrdup(path), *of_base = xstrdup(path), *dir = NULL;

	dir = realpath(dirname(of_dir), NULL);
	return dir ? xasprintf("%s/%s", dir, basename(of_base)) : xstrdup(path);
}

int
gather_place(const char *path, struct file_facts *f)
{
	struct stat st;
	int fd;

	file_facts_set_text(f, FACT_PATH, path);
	if (lstat(path, &st) == 0)
		file_facts_set_int(f, FACT_IS_SYMLINK, S_ISLNK(st.st_mode));
	f->resolved = realpath(path, NULL);
	if (!f->resolved) {
		set_error(f, errno);
		/* Who is gone may have left something behind; not at the end of a link, whose name is another. */
		if (streq(file_facts_text(f, FACT_KIND), "absent") &&
		    !file_facts_known(f, FACT_IS_SYMLINK)) {
			f->resolved = resolve_absent(path);
			set_neighbours(f);
		}
		return -1;
	}
	file_facts_set_text(f, FACT_RESOLVED_PATH, f->resolved);
	fd = open_regular(f, f->resolved);
	if (file_facts_known(f, FACT_UID))
		set_folder(f, f->resolved);
	if (streq(file_facts_text(f, FACT_KIND), "file"))
		set_neighbours(f);
	return fd;
}

/* ---- file system ---- */

void
gather_file_system(struct file_facts *f)
{
	struct disk disk = { 0 };

	if (!f->resolved || disk_of_path(f->resolved, &disk) < 0)
		return;
	file_facts_set_int(f, FACT_FS_NETWORK, disk.network);
	file_facts_set_int(f, FACT_FS_READONLY, disk.readonly);
	file_facts_set_int(f, FACT_FS_TOTAL_BYTES, disk.total_bytes);
	file_facts_set_int(f, FACT_FS_FREE_BYTES, disk.free_bytes);
	if (disk.total_inodes > 0) {
		file_facts_set_int(f, FACT_FS_TOTAL_INODES, disk.total_inodes);
		file_facts_set_int(f, FACT_FS_FREE_INODES, disk.free_inodes);
	}
	if (disk.type)
		file_facts_set_text(f, FACT_FS_TYPE, disk.type);
	if (disk.mount)
		file_facts_set_text(f, FACT_FS_MOUNT, disk.mount);
	if (disk.device)
		file_facts_set_text(f, FACT_DEVICE, disk.device);
	disk_done(&disk);
}
