/*
 * How long the log is and how much of it was taken over, by the index that its users share (-shm):
 * https://www.sqlite.org/walformat.html.  Where nobody has it open the index says nothing; then the
 * salts of the frames tell, found by halving.
 */
#include "base/str.h"
#include "sqlite/bytes.h"
#include "sqlite/gather.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#define INDEX_BYTES   136
#define INDEX_VERSION 3007000
#define READ_MARKS    5
#define SHM_READ      123
#define SHM_OPEN      128
#define MARK_UNUSED   UINT32_MAX
#define TRIES         3

struct wal_log {
	int64_t size, page_size;
	unsigned char salts[8];
	bool right; /* the header is one */
};

struct wal_index {
	uint32_t changes, frames, taken_over, marks[READ_MARKS];
	unsigned char salts[8];
};

/* Of this host's own byte order: the index is memory, not a file format. */
static uint32_t
get_native32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool
index_holds(const unsigned char *p)
{
	uint32_t a = 0, b = 0;

	if (memcmp(p, p + 48, 48) != 0 || get_native32(p) != INDEX_VERSION || p[12] == 0)
		return false;
	for (size_t i = 0; i < 40; i += 8) {
		a += get_native32(p + i) + b;
		b += get_native32(p + i + 4) + a;
	}
	return a == get_native32(p + 40) && b == get_native32(p + 44);
}

static bool
index_read(int fd, struct wal_index *ret)
{
	unsigned char p[INDEX_BYTES];

	if (bytes_pread(fd, p, sizeof(p), 0) != (ssize_t)sizeof(p) || !index_holds(p))
		return false;
	ret->changes = get_native32(p + 8);
	ret->frames = get_native32(p + 16);
	memcpy(ret->salts, p + 32, 8);
	ret->taken_over = get_native32(p + 96);
	for (size_t i = 0; i < READ_MARKS; i++)
		ret->marks[i] = get_native32(p + 100 + 4 * i);
	return true;
}

/* Whether another process has a lock there, and whom we cannot see: of another PID namespace. */
static bool
is_locked(int fd, off_t byte, bool *ret_hidden)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	if (fcntl(fd, F_GETLK, &l) < 0 || l.l_type == F_UNLCK)
		return false;
	*ret_hidden = l.l_pid <= 0;
	return true;
}

static struct wal_log
log_read(int fd)
{
	struct wal_log log = { 0 };
	unsigned char head[WAL_HEAD];
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    bytes_pread(fd, head, sizeof(head), 0) != WAL_HEAD)
		return log;
	log.size = st.st_size;
	log.page_size = get_be32(head + 8);
	memcpy(log.salts, head + 16, 8);
	log.right = (get_be32(head) & ~1u) == 0x377f0682 && log.page_size >= 512 &&
	            log.page_size <= 65536 && bytes_power_of_two((unsigned)log.page_size);
	return log;
}

/* Frames of one generation lie before those of the one that they overwrite. */
static int64_t
count_by_salts(int fd, const struct wal_log *log)
{
	int64_t frame = FRAME_HEAD + log->page_size, low = 0, high = (log->size - WAL_HEAD) / frame;

	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		unsigned char head[FRAME_HEAD];

		if (bytes_pread(fd, head, sizeof(head), WAL_HEAD + middle * frame) == FRAME_HEAD &&
		    memcmp(head + 8, log->salts, 8) == 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* To each reader the frame where its view of the database ends; whether one of them holds the log. */
static bool
mark_readers(struct file_facts *f, const struct wal_index *x)
{
	json_t *holders = json_loads(file_facts_text(f, FACT_LOCK_HOLDERS), 0, NULL), *o;
	_cleanup_free_ char *text = NULL;
	bool pinned = false;
	size_t i;

	json_array_foreach (holders, i, o) {
		json_int_t mark = json_integer_value(json_object_get(o, "mark"));

		if (!json_object_get(o, "mark") || mark < 0 || mark >= READ_MARKS)
			continue;
		pinned = pinned || mark > 0;
		if (x && x->marks[mark] != MARK_UNUSED)
			json_object_set_new(o, "frame", json_integer(x->marks[mark]));
	}
	text = holders ? json_dumps(holders, JSON_COMPACT) : NULL;
	json_decref(holders);
	if (text)
		file_facts_set_json(f, FACT_LOCK_HOLDERS, text);
	return pinned;
}

/* The index belongs to this log, unless the log was begun anew and nothing is written yet. */
static bool
index_of_log(int shm, int wal, struct wal_index *ret_index, struct wal_log *ret_log)
{
	for (int i = 0; i < TRIES; i++) {
		*ret_log = log_read(wal);
		if (index_read(shm, ret_index) &&
		    (ret_index->frames == 0 ||
		        (ret_log->right && memcmp(ret_index->salts, ret_log->salts, 8) == 0)))
			return true;
		bytes_pause();
	}
	return false;
}

static void
set_live(struct file_facts *f, int64_t frames, int64_t page_size)
{
	file_facts_set_int(f, FACT_WAL_LIVE_FRAMES, frames);
	file_facts_set_int(
	    f, FACT_WAL_LIVE_BYTES, frames == 0 ? 0 : WAL_HEAD + frames * (FRAME_HEAD + page_size));
}

void
gather_wal_index(struct file_facts *f)
{
	_cleanup_free_ char *wal_path = gather_beside(f, "-wal"),
	                    *shm_path = gather_beside(f, "-shm");
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	_cleanup_close_ int wal = open(wal_path, flags), shm = open(shm_path, flags);
	bool hidden = false, pinned = false;
	struct wal_index index = { 0 };
	struct wal_log log;

	if (wal < 0 || (shm < 0 && errno != ENOENT))
		return;
	file_facts_set_int(f, FACT_WAL_IN_USE, shm >= 0 && is_locked(shm, SHM_OPEN, &hidden));
	if (file_facts_int(f, FACT_WAL_IN_USE) && index_of_log(shm, wal, &index, &log)) {
		pinned = mark_readers(f, &index);
		for (off_t i = 1; i < READ_MARKS && !pinned; i++)
			pinned = is_locked(shm, SHM_READ + i, &hidden) && hidden;
		file_facts_set_int(f, FACT_WAL_PINNED, pinned);
		file_facts_set_int(f, FACT_CHANGES, index.changes);
		file_facts_set_int(f, FACT_WAL_CHECKPOINTED_FRAMES, index.taken_over);
		set_live(f, index.frames, log.page_size);
		return;
	}
	log = log_read(wal);
	if (log.right)
		set_live(f, count_by_salts(wal, &log), log.page_size);
	else if (log.size == 0)
		set_live(f, 0, 0);
}
