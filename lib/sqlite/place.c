/*
 * Where the database lies: path and kind, owners and rights, the files beside it, its file system.
 */
#include "base/clock.h"
#include "base/str.h"
#include "sqlite/gather.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
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

static const struct {
	unsigned long magic;
	const char *name;
	bool network;
} fs_types[] = {
	{ EXT4_SUPER_MAGIC, "ext4", false },
	{ XFS_SUPER_MAGIC, "xfs", false },
	{ BTRFS_SUPER_MAGIC, "btrfs", false },
	{ TMPFS_MAGIC, "tmpfs", false },
	{ RAMFS_MAGIC, "ramfs", false },
	{ OVERLAYFS_SUPER_MAGIC, "overlay", false },
	{ F2FS_SUPER_MAGIC, "f2fs", false },
	{ MSDOS_SUPER_MAGIC, "vfat", false },
	{ EXFAT_SUPER_MAGIC, "exfat", false },
	{ SQUASHFS_MAGIC, "squashfs", false },
	{ 0x2fc12fc1, "zfs", false },
	{ 0x5346544e, "ntfs", false },
	{ NFS_SUPER_MAGIC, "nfs", true },
	{ CIFS_SUPER_MAGIC, "cifs", true },
	{ SMB2_SUPER_MAGIC, "smb2", true },
	{ SMB_SUPER_MAGIC, "smb", true },
	{ V9FS_MAGIC, "9p", true },
	{ FUSE_SUPER_MAGIC, "fuse", true },
	{ CEPH_SUPER_MAGIC, "ceph", true },
	{ AFS_SUPER_MAGIC, "afs", true },
	{ AFS_FS_MAGIC, "afs", true },
	{ CODA_SUPER_MAGIC, "coda", true },
	{ OCFS2_SUPER_MAGIC, "ocfs2", true },
	{ 0x01161970, "gfs2", true },
};

static bool
has_option(const char *options, const char *option)
{
	_cleanup_free_ char *copy = xstrdup(options);
	char *save = NULL;

	for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save))
		if (streq(p, option))
			return true;
	return false;
}

/* mountinfo writes blanks, tabs, newlines and backslashes as \ooo. */
static void
unescape_octal(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/*
 * ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELDS ...] - TYPE SOURCE SUPER-OPTIONS.  The options
 * of the mount are our own view (a sandbox shows everything read-only), those behind the source
 * are the file system's.
 */
static void
read_mount(char *line, struct file_facts *f)
{
	char *save = NULL, *tail = strstr(line, " - "), *point, *type;

	if (!tail)
		return;
	*tail = '\0';
	tail += 3;
	strtok_r(line, " ", &save);
	strtok_r(NULL, " ", &save);
	file_facts_set_text(f, FACT_DEVICE, strtok_r(NULL, " ", &save) ?: "");
	strtok_r(NULL, " ", &save);
	point = strtok_r(NULL, " ", &save);
	if (point) {
		unescape_octal(point);
		file_facts_set_text(f, FACT_FS_MOUNT, point);
	}
	type = strtok_r(tail, " ", &save);
	if (type) {
		file_facts_set_text(f, FACT_FS_TYPE, type);
		if (str_starts(type, "fuse."))
			file_facts_set_int(f, FACT_FS_NETWORK, 1);
	}
	strtok_r(NULL, " ", &save);
	tail = strtok_r(NULL, " \n", &save);
	file_facts_set_int(f, FACT_FS_READONLY, tail && has_option(tail, "ro"));
}

static void
find_mount(uint64_t id, struct file_facts *f)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;

	if (!file)
		return;
	while (getline(&line, &cap, file) > 0) {
		if (strtoull(line, NULL, 10) == id) {
			read_mount(line, f);
			break;
		}
	}
	fclose(file);
}

void
gather_file_system(struct file_facts *f)
{
	const char *path = f->resolved;
	struct statfs fs;
	struct statx sx;
	int64_t unit;

	if (!path || statfs(path, &fs) < 0)
		return;
	file_facts_set_int(f, FACT_FS_NETWORK, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fs_types); i++) {
		if (fs_types[i].magic != (unsigned long)fs.f_type)
			continue;
		file_facts_set_text(f, FACT_FS_TYPE, fs_types[i].name);
		file_facts_set_int(f, FACT_FS_NETWORK, fs_types[i].network);
	}
	unit = fs.f_frsize > 0 ? fs.f_frsize : fs.f_bsize;
	file_facts_set_int(f, FACT_FS_TOTAL_BYTES, (int64_t)fs.f_blocks * unit);
	file_facts_set_int(f, FACT_FS_FREE_BYTES, (int64_t)fs.f_bavail * unit);
	if (fs.f_files > 0) {
		file_facts_set_int(f, FACT_FS_TOTAL_INODES, (int64_t)fs.f_files);
		file_facts_set_int(f, FACT_FS_FREE_INODES, (int64_t)fs.f_ffree);
	}
	file_facts_set_int(f, FACT_FS_READONLY, (fs.f_flags & ST_RDONLY) != 0);
	/* The mount's own number: a path alone may lie under several. */
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_MNT_ID, &sx) == 0 &&
	    (sx.stx_mask & STATX_MNT_ID))
		find_mount(sx.stx_mnt_id, f);
}
