/*
 * Who holds locks on the database, by the kernel's list: the only way that takes none ourselves.
 */
#include "base/str.h"
#include "base/text.h"
#include "sqlite/gather.h"

#include <fcntl.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

/* Where SQLite locks: bytes of the database file, bytes of the -shm file. */
#define PENDING_BYTE  0x40000000LL
#define RESERVED_BYTE (PENDING_BYTE + 1)
#define SHARED_FIRST  (PENDING_BYTE + 2)
#define SHARED_SIZE   510
#define SHM_WRITE     120LL
#define SHM_CKPT      121LL
#define SHM_RECOVER   122LL
#define SHM_READ      123LL
#define SHM_OPEN      128LL
/* Of an application of many processes each has the log open; who reads must not get lost among them. */
#define HOLDERS_MAX 256
#define OPEN_MAX    32
/*
 * The kernel tells its list by pages and finds its place again by counting: when a lock before that
 * goes meanwhile, the next one is left out.  Longer lists are read several times, and all counts.
 */
#define PASSES 3
#define PIECE  ((size_t)3 << 10)

struct lock_line {
	bool write;
	int pid; /* -1: an open file description's lock, whose holder the kernel does not tell */
	char device[24];
	uint64_t inode;
	long long first, last;
};

/* `1: POSIX  ADVISORY  WRITE 1234 fe:00:12345 1073741825 1073741825`; waiters have `->` and are
 * none. */
static bool
parse_line(const char *line, struct lock_line *ret)
{
	char kind[16], how[16], access[16], last[32];
	unsigned major, minor;
	unsigned long long inode;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers, bounded by their types */
	if (sscanf(line, "%*d: %15s %15s %15s %d %x:%x:%llu %lld %31s", kind, how, access,
	        &ret->pid, &major, &minor, &inode, &ret->first, last) != 9)
		return false;
	if (!streq(kind, "POSIX") && !streq(kind, "OFDLCK"))
		return false;
	ret->write = streq(access, "WRITE");
	ret->inode = inode;
	ret->last = streq(last, "EOF") ? INT64_MAX : strtoll(last, NULL, 10);
	snprintf(ret->device, sizeof(ret->device), "%u:%u", major, minor);
	return true;
}

static bool
covers(const struct lock_line *l, long long byte)
{
	return l->first <= byte && byte <= l->last;
}

static const char *
database_lock(const struct lock_line *l)
{
	if (l->write && l->first <= SHARED_FIRST + SHARED_SIZE - 1 && l->last >= SHARED_FIRST)
		return "exclusive";
	if (l->write && covers(l, PENDING_BYTE))
		return "pending";
	if (l->write && covers(l, RESERVED_BYTE))
		return "reserved";
	return "shared";
}

static const char *
shm_lock(const struct lock_line *l)
{
	if (l->write && covers(l, SHM_RECOVER))
		return "wal-recover";
	if (l->write && covers(l, SHM_WRITE))
		return "wal-write";
	if (l->write && covers(l, SHM_CKPT))
		return "wal-checkpoint";
	/* The kernel joins what lies side by side: mark 4 and "open" of one process are one lock. */
	if (l->first >= SHM_READ && l->first < SHM_OPEN)
		return "wal-read";
	return "wal-open";
}

static bool
is_known(json_t *holders, json_t *holder)
{
	json_t *o;
	size_t i;

	json_array_foreach (holders, i, o)
		if (json_equal(o, holder))
			return true;
	return false;
}

static void
add_holder(json_t *holders, const struct lock_line *l, const char *type)
{
	json_t *o;

	if (json_array_size(holders) >= (streq(type, "wal-open") ? OPEN_MAX : HOLDERS_MAX))
		return;
	o = gather_process(l->pid);
	if (!o)
		return;
	json_object_set_new(o, "type", json_string(type));
	json_object_set_new(o, "mode", json_string(l->write ? "write" : "read"));
	/* Of several marks that one process holds the lowest: it keeps the most. */
	if (streq(type, "wal-read"))
		json_object_set_new(o, "mark", json_integer(l->first - SHM_READ));
	if (!is_known(holders, o))
		json_array_append(holders, o);
	json_decref(o);
}

static void
judge_line(const struct lock_line *l, const char *device, uint64_t inode, uint64_t shm,
    struct file_facts *f, json_t *holders)
{
	uint64_t former = (uint64_t)file_facts_int(f, FACT_FORMER_INODE);
	const char *type;

	if (!streq(l->device, device) || l->pid == getpid())
		return;
	if (l->inode == inode) {
		type = database_lock(l);
		if (streq(type, "reserved"))
			file_facts_set_int(f, FACT_LOCK_RESERVED, 1);
		else if (streq(type, "pending"))
			file_facts_set_int(f, FACT_LOCK_PENDING, 1);
		else if (streq(type, "exclusive"))
			file_facts_set_int(f, FACT_LOCK_EXCLUSIVE, 1);
		add_holder(holders, l, type);
	} else if (former != 0 && l->inode == former) {
		add_holder(holders, l, "former");
	} else if (shm != 0 && l->inode == shm) {
		add_holder(holders, l, shm_lock(l));
	}
}

/* True: the kernel gave it in more than one piece. */
static bool
judge_list(FILE *file, const char *device, uint64_t inode, uint64_t shm, struct file_facts *f,
    json_t *holders)
{
	size_t bytes = 0;
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		struct lock_line l;

		bytes += strlen(line);
		if (parse_line(line, &l))
			judge_line(&l, device, inode, shm, f, holders);
	}
	return bytes > PIECE;
}

static uint64_t
shm_inode(const struct file_facts *f)
{
	_cleanup_free_ char *path = gather_beside(f, "-shm");
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* A lock of another process anywhere in the file; true where that cannot be told. */
static bool
may_be_locked(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0)
		return errno != ENOENT;
	return fcntl(fd, F_GETLK, &l) < 0 || l.l_type != F_UNLCK;
}

/*
 * The kernel's list stops every lock on the host while it is written, a page at a time: with
 * thousands of locks that is seconds.  Of a file that nobody has locked it would say nothing.  Our
 * own descriptors are closed again: no connection of ours is open yet, whose locks would go along.
 */
static bool
is_worth_the_list(const struct file_facts *f)
{
	_cleanup_free_ char *shm = gather_beside(f, "-shm");

	return file_facts_int(f, FACT_FORMER_INODE) != 0 || may_be_locked(f->resolved) ||
	       may_be_locked(shm);
}

void
gather_locks(struct file_facts *f)
{
	uint64_t inode = (uint64_t)file_facts_int(f, FACT_INODE), shm = shm_inode(f);
	_cleanup_free_ char *device = xstrdup(file_facts_text(f, FACT_DEVICE)), *text = NULL;
	FILE *file = fopen("/proc/locks", "re");
	bool worth = is_worth_the_list(f);
	json_t *holders;

	file_facts_set_int(f, FACT_LOCKS_VISIBLE, file != NULL);
	if (!file)
		return;
	holders = json_array();
	file_facts_set_int(f, FACT_LOCK_RESERVED, 0);
	file_facts_set_int(f, FACT_LOCK_PENDING, 0);
	file_facts_set_int(f, FACT_LOCK_EXCLUSIVE, 0);
	for (int pass = 0; worth && pass < PASSES; pass++) {
		rewind(file);
		if (!judge_list(file, device, inode, shm, f, holders))
			break;
	}
	fclose(file);
	text = json_dumps(holders, JSON_COMPACT);
	json_decref(holders);
	file_facts_set_json(f, FACT_LOCK_HOLDERS, text);
}

static int
by_inode(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

size_t
locks_held_inodes(uint64_t **ret)
{
	FILE *file = fopen("/proc/locks", "re");
	size_t n = 0, cap = 0;
	uint64_t *v = NULL;
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		struct lock_line l;

		if (!parse_line(line, &l) || !l.write || l.last < PENDING_BYTE)
			continue;
		if (n == cap) {
			cap = cap ? 2 * cap : 64;
			v = xreallocarray(v, cap, sizeof(*v));
		}
		v[n++] = l.inode;
	}
	if (file)
		fclose(file);
	if (n > 0)
		qsort(v, n, sizeof(*v), by_inode);
	*ret = v;
	return n;
}

void
lock_watch_init(const struct file_facts *f, struct lock_watch *ret)
{
	*ret = (struct lock_watch){ .inode = (uint64_t)file_facts_int(f, FACT_INODE) };
	snprintf(ret->device, sizeof(ret->device), "%.23s", file_facts_text(f, FACT_DEVICE));
}

static bool
writer_listed(const struct lock_watch *w)
{
	FILE *file = fopen("/proc/locks", "re");
	bool found = false;
	char line[256];

	while (file && !found && fgets(line, sizeof(line), file)) {
		struct lock_line l;

		if (parse_line(line, &l) && l.inode == w->inode && streq(l.device, w->device) &&
		    l.pid != getpid())
			found = !streq(database_lock(&l), "shared");
	}
	if (file)
		fclose(file);
	return found;
}

bool
lock_watch_writer(const struct lock_watch *w)
{
	int reserved = 0;

	/* Every writer has that lock until it is through, the exclusive one too. */
	if (w->file && w->file->pMethods &&
	    w->file->pMethods->xCheckReservedLock(w->file, &reserved) == SQLITE_OK)
		return reserved;
	return writer_listed(w);
}
