/*
 * The VFS that cannot write.  Opening a database "read-only" is not enough: in write-ahead mode
 * SQLite still creates -wal and -shm beside it, owned by us, and locks their owner out.
 */
#include "sqlite/vfs.h"
#include "base/base.h"

#include <sqlite3.h>

/* The locks of a WAL index by their place: https://www.sqlite.org/walformat.html, "WAL Locks". */
#define SHM_WRITE_LOCK 0
#define SHM_READ_LOCKS 3
/* SQLite sleeps longer with each try; so many take 20 ms. */
#define HEADER_TRIES 20

struct reader_file {
	sqlite3_file base;
	sqlite3_file *real; /* in the memory behind this struct */
	int refused; /* times that the write lock was asked for in vain since the last read lock */
};

static sqlite3_vfs *
system_vfs(sqlite3_vfs *vfs)
{
	return vfs->pAppData;
}

static sqlite3_file *
real_file(sqlite3_file *file)
{
	return ((struct reader_file *)file)->real;
}

static int
reader_close(sqlite3_file *file)
{
	sqlite3_file *real = real_file(file);

	return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int
reader_read(sqlite3_file *file, void *buf, int n, sqlite3_int64 at)
{
	return real_file(file)->pMethods->xRead(real_file(file), buf, n, at);
}

static int
reader_write(sqlite3_file *file, const void *buf, int n, sqlite3_int64 at)
{
	(void)file;
	(void)buf;
	(void)n;
	(void)at;
	return SQLITE_READONLY;
}

static int
reader_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	(void)file;
	(void)size;
	return SQLITE_READONLY;
}

static int
reader_sync(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return SQLITE_OK;
}

static int
reader_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	return real_file(file)->pMethods->xFileSize(real_file(file), ret);
}

static int
reader_lock(sqlite3_file *file, int level)
{
	if (level > SQLITE_LOCK_SHARED)
		return SQLITE_BUSY;
	return real_file(file)->pMethods->xLock(real_file(file), level);
}

static int
reader_unlock(sqlite3_file *file, int level)
{
	return real_file(file)->pMethods->xUnlock(real_file(file), level);
}

static int
reader_check_reserved(sqlite3_file *file, int *ret)
{
	return real_file(file)->pMethods->xCheckReservedLock(real_file(file), ret);
}

static int
reader_control(sqlite3_file *file, int op, void *arg)
{
	/* Those that would change the file. */
	if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE ||
	    op == SQLITE_FCNTL_OVERWRITE || op == SQLITE_FCNTL_PERSIST_WAL)
		return SQLITE_OK;
	return real_file(file)->pMethods->xFileControl(real_file(file), op, arg);
}

static int
reader_sector_size(sqlite3_file *file)
{
	return real_file(file)->pMethods->xSectorSize(real_file(file));
}

static int
reader_characteristics(sqlite3_file *file)
{
	return real_file(file)->pMethods->xDeviceCharacteristics(real_file(file));
}

static int
reader_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **ret)
{
	(void)extend;
	return real_file(file)->pMethods->xShmMap(real_file(file), region, size, 0, ret);
}

/*
 * A reader that finds the header of the index half written asks for a share in the write lock, to
 * learn whether its writer lives.  Had it that share, the writer's next transaction would be refused.
 * A living writer has long completed the header when SQLite looks again; only where it stays as it is
 * may the question be put.
 */
static int
reader_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	struct reader_file *f = (struct reader_file *)file;
	int r;

	if ((flags & SQLITE_SHM_EXCLUSIVE) && (flags & SQLITE_SHM_LOCK))
		return SQLITE_BUSY;
	if (offset == SHM_WRITE_LOCK && (flags & SQLITE_SHM_LOCK) && f->refused++ < HEADER_TRIES)
		return SQLITE_BUSY;
	r = f->real->pMethods->xShmLock(f->real, offset, n, flags);
	if (r == SQLITE_OK && offset >= SHM_READ_LOCKS)
		f->refused = 0;
	return r;
}

static void
reader_shm_barrier(sqlite3_file *file)
{
	real_file(file)->pMethods->xShmBarrier(real_file(file));
}

static int
reader_shm_unmap(sqlite3_file *file, int delete)
{
	(void)delete;
	return real_file(file)->pMethods->xShmUnmap(real_file(file), 0);
}

/* Version 2: no xFetch, so nothing is ever mapped and a shrinking file is an error, not SIGBUS. */
static const sqlite3_io_methods reader_methods = {
	.iVersion = 2,
	.xClose = reader_close,
	.xRead = reader_read,
	.xWrite = reader_write,
	.xTruncate = reader_truncate,
	.xSync = reader_sync,
	.xFileSize = reader_size,
	.xLock = reader_lock,
	.xUnlock = reader_unlock,
	.xCheckReservedLock = reader_check_reserved,
	.xFileControl = reader_control,
	.xSectorSize = reader_sector_size,
	.xDeviceCharacteristics = reader_characteristics,
	.xShmMap = reader_shm_map,
	.xShmLock = reader_shm_lock,
	.xShmBarrier = reader_shm_barrier,
	.xShmUnmap = reader_shm_unmap,
};

static int
vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags)
{
	const int allowed = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL |
	                    SQLITE_OPEN_SUPER_JOURNAL;
	const int refused = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_DELETEONCLOSE |
	                    SQLITE_OPEN_EXCLUSIVE;
	struct reader_file *f = (struct reader_file *)file;
	int r;

	f->base.pMethods = NULL;
	if (!name || !(flags & allowed))
		return SQLITE_CANTOPEN;
	f->real = (sqlite3_file *)(f + 1);
	f->refused = 0;
	flags = (flags & ~refused) | SQLITE_OPEN_READONLY;
	r = system_vfs(vfs)->xOpen(system_vfs(vfs), name, f->real, flags, ret_flags);
	if (r == SQLITE_OK)
		f->base.pMethods = &reader_methods;
	return r;
}

static int
vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	(void)name;
	(void)sync;
	return SQLITE_READONLY;
}

static int
vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
	return system_vfs(vfs)->xAccess(system_vfs(vfs), name, flags, ret);
}

static int
vfs_full_path(sqlite3_vfs *vfs, const char *name, int n, char *ret)
{
	return system_vfs(vfs)->xFullPathname(system_vfs(vfs), name, n, ret);
}

static int
vfs_randomness(sqlite3_vfs *vfs, int n, char *ret)
{
	return system_vfs(vfs)->xRandomness(system_vfs(vfs), n, ret);
}

static int
vfs_sleep(sqlite3_vfs *vfs, int us)
{
	return system_vfs(vfs)->xSleep(system_vfs(vfs), us);
}

static int
vfs_time(sqlite3_vfs *vfs, double *ret)
{
	return system_vfs(vfs)->xCurrentTime(system_vfs(vfs), ret);
}

static int
vfs_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
	return system_vfs(vfs)->xCurrentTimeInt64(system_vfs(vfs), ret);
}

static int
vfs_last_error(sqlite3_vfs *vfs, int n, char *ret)
{
	return system_vfs(vfs)->xGetLastError(system_vfs(vfs), n, ret);
}

/* As root SQLite gives -wal and -shm to the owner of the database: not ours to do, we only read. */
static int
give_nothing(int fd, uid_t uid, gid_t gid)
{
	(void)fd;
	(void)uid;
	(void)gid;
	return 0;
}

int
reader_vfs_register(void)
{
	/* SQLite keeps the pointer for the life of the process. */
	static sqlite3_vfs reader = {
		.iVersion = 2,
		.zName = READER_VFS,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_path,
		.xRandomness = vfs_randomness,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_time,
		.xCurrentTimeInt64 = vfs_time_ms,
		.xGetLastError = vfs_last_error,
	};
	sqlite3_vfs *real = sqlite3_vfs_find("unix");

	if (!real || !real->xCurrentTimeInt64)
		return -ENOSYS;
	if (real->iVersion < 3 ||
	    real->xSetSystemCall(
	        real, "fchown", (sqlite3_syscall_ptr)(void (*)(void))give_nothing) != SQLITE_OK)
		return -ENOSYS;
	reader.szOsFile = (int)sizeof(struct reader_file) + real->szOsFile;
	reader.mxPathname = real->mxPathname;
	reader.pAppData = real;
	return sqlite3_vfs_register(&reader, 0) == SQLITE_OK ? 0 : -ENOMEM;
}
