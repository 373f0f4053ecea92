/*
 * The file system below a path.  The mount's own options are our view of it, which a sandbox
 * changes; those of the super block, in mountinfo, are the file system's.
 */
#include "base/disk.h"
#include "base/str.h"
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

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
	{ 0x6a656a63, "virtiofs", true },
	{ 0x0bd00bd0, "lustre", true },
	{ 0x47504653, "gpfs", true },
	{ 0x19830326, "beegfs", true },
	{ 0x20030528, "orangefs", true },
	{ 0xaad7aaea, "panfs", true },
	{ 0x564c, "ncp", true },
	{ 0x786f4256, "vboxsf", true },
	{ 0x7c7c6673, "prl_fs", true },
	{ 0xbacbacbc, "vmhgfs", true },
	{ 0x61756673, "aufs", false },
};

struct disk_kind
disk_kind_of(unsigned long magic, const char *mounted_as)
{
	struct disk_kind kind = { .name = mounted_as };

	for (size_t i = 0; i < ARRAY_SIZE(fs_types); i++) {
		if (fs_types[i].magic != magic)
			continue;
		kind.name = mounted_as ? mounted_as : fs_types[i].name;
		kind.network = fs_types[i].network;
	}
	/* A disk of this host whose driver runs as a process: ntfs-3g, exfat. */
	if (mounted_as && streq(mounted_as, "fuseblk"))
		kind.network = false;
	else if (mounted_as && str_starts(mounted_as, "fuse"))
		kind.network = true;
	return kind;
}

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

/* What follows the options of the mount: [FIELDS ...] - TYPE SOURCE SUPER-OPTIONS. */
static void
read_super(char *tail, struct disk *ret)
{
	char *save = NULL, *type = strtok_r(tail, " ", &save), *options;

	if (type) {
		free(ret->type);
		ret->type = xstrdup(type);
	}
	strtok_r(NULL, " ", &save);
	options = strtok_r(NULL, " \n", &save);
	ret->readonly = options && has_option(options, "ro");
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS and the rest; the mount point, in its line. */
static char *
mount_point(char *line, char **ret_device, char **ret_tail)
{
	char *save = NULL, *tail = strstr(line, " - "), *point;

	if (!tail)
		return NULL;
	*tail = '\0';
	*ret_tail = tail + 3;
	strtok_r(line, " ", &save);
	strtok_r(NULL, " ", &save);
	*ret_device = strtok_r(NULL, " ", &save);
	strtok_r(NULL, " ", &save);
	point = strtok_r(NULL, " ", &save);
	if (point)
		unescape_octal(point);
	return point;
}

static void
read_mount(char *line, struct disk *ret)
{
	char *device = NULL, *tail, *point = mount_point(line, &device, &tail);

	if (!point)
		return;
	ret->mount = xstrdup(point);
	ret->device = xstrdup(device);
	read_super(tail, ret);
}

static void
find_mount(uint64_t id, struct disk *ret)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;

	if (!file)
		return;
	while (getline(&line, &cap, file) > 0) {
		if (strtoull(line, NULL, 10) == id) {
			read_mount(line, ret);
			break;
		}
	}
	fclose(file);
}

bool
disk_is_mount_point(const char *path)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;
	bool found = false;

	if (!file)
		return false;
	while (!found && getline(&line, &cap, file) > 0) {
		char *device, *tail, *point = mount_point(line, &device, &tail);

		found = point && streq(point, path);
	}
	fclose(file);
	return found;
}

int
disk_of_path(const char *path, struct disk *ret)
{
	struct disk disk = { 0 };
	struct disk_kind kind;
	struct statfs fs;
	struct statx sx;
	int64_t unit;

	if (statfs(path, &fs) < 0)
		return -errno;
	unit = fs.f_frsize > 0 ? fs.f_frsize : fs.f_bsize;
	disk.total_bytes = (int64_t)fs.f_blocks * unit;
	disk.free_bytes = (int64_t)fs.f_bavail * unit;
	disk.total_inodes = (int64_t)fs.f_files;
	disk.free_inodes = (int64_t)fs.f_ffree;
	disk.readonly = (fs.f_flags & ST_RDONLY) != 0;
	/* The mount's own number: a path alone may lie under several. */
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_MNT_ID, &sx) == 0 &&
	    (sx.stx_mask & STATX_MNT_ID))
		find_mount(sx.stx_mnt_id, &disk);
	/* Of 32 bits, sign-extended where the type of the member is signed. */
	kind = disk_kind_of((unsigned long)fs.f_type & UINT32_MAX, disk.type);
	disk.network = kind.network;
	if (!disk.type && kind.name)
		disk.type = xstrdup(kind.name);
	*ret = disk;
	return 0;
}

void
disk_done(struct disk *d)
{
	free(d->mount);
	free(d->type);
	free(d->device);
	*d = (struct disk){ 0 };
}
