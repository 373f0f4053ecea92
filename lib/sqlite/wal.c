/*
 * The write-ahead log, judged by the file format alone (https://www.sqlite.org/fileformat2.html#walformat):
 * what of it holds, what is damaged, and whether it is this database's at all.
 */
#include "base/clock.h"
#include "base/str.h"
#include "base/unit.h"
#include "sqlite/bytes.h"
#include "sqlite/gather.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define WAL_SCANS 8

struct wal_scan {
	int fd;
	bool big_endian; /* of the checksums */
	uint32_t page_size, salt[2];
	int64_t frames, valid, committed, committed_pages, broken, commit_after;
	/* Page 1 as of the last commit: its change counter. */
	bool page_one;
	uint32_t counter;
	bool head_broken;
	int64_t until_us, max_bytes;
	bool unfinished;
	int64_t all; /* frames that there is room for; frames: those that are read */
	bool more;   /* behind those, of the same generation */
	struct wal_gap gap;
};

static void
wal_checksum(bool big_endian, const unsigned char *p, size_t n, uint32_t sum[2])
{
	uint32_t s0 = sum[0], s1 = sum[1];

	for (size_t i = 0; i + 8 <= n; i += 8) {
		uint32_t a = get_be32(p + i), b = get_be32(p + i + 4);

		if (!big_endian) {
			a = __builtin_bswap32(a);
			b = __builtin_bswap32(b);
		}
		s0 += a + s1;
		s1 += b + s0;
	}
	sum[0] = s0;
	sum[1] = s1;
}

static bool
wal_head(struct wal_scan *w, unsigned char head[WAL_HEAD], uint32_t sum[2])
{
	uint32_t magic;

	if (bytes_pread(w->fd, head, WAL_HEAD, 0) != WAL_HEAD)
		return false;
	magic = get_be32(head);
	w->big_endian = magic & 1;
	w->page_size = get_be32(head + 8);
	w->salt[0] = get_be32(head + 16);
	w->salt[1] = get_be32(head + 20);
	sum[0] = sum[1] = 0;
	wal_checksum(w->big_endian, head, 24, sum);
	return (magic & ~1u) == 0x377f0682 && bytes_power_of_two(w->page_size) &&
	       w->page_size >= 512 && w->page_size <= 65536 && sum[0] == get_be32(head + 24) &&
	       sum[1] == get_be32(head + 28);
}

static void
wal_commit(struct wal_scan *w, int64_t i, uint32_t pages, const uint32_t *counter)
{
	w->committed = i + 1;
	w->committed_pages = pages;
	if (counter) {
		w->page_one = true;
		w->counter = *counter;
	}
}

/*
 * Follows the chain of checksums.  Behind a break the chain goes on from what each frame says of
 * itself: a later commit of the same salts that holds so was made and is lost.  Frames that a
 * rollback left behind hold too, but have no commit among them.
 */
static void
wal_follow(struct wal_scan *w, uint32_t sum[2])
{
	size_t size = FRAME_HEAD + w->page_size;
	_cleanup_free_ unsigned char *frame = xcalloc(1, size);
	bool right = !w->head_broken, seen = false;
	uint32_t counter = 0;

	for (int64_t i = 0; i < w->frames; i++) {
		uint32_t commit;
		bool ours;

		if (clock_now_us() > w->until_us) {
			w->unfinished = true;
			return;
		}
		if (bytes_pread(w->fd, frame, size, WAL_HEAD + i * (int64_t)size) != (ssize_t)size)
			return;
		commit = get_be32(frame + 4);
		/* The salts first: most of a log that is long may be of older generations. */
		ours = get_be32(frame + 8) == w->salt[0] && get_be32(frame + 12) == w->salt[1];
		if (ours) {
			wal_checksum(w->big_endian, frame, 8, sum);
			wal_checksum(w->big_endian, frame + FRAME_HEAD, w->page_size, sum);
		}
		if (!ours || sum[0] != get_be32(frame + 16) || sum[1] != get_be32(frame + 20)) {
			if (right)
				w->broken = i;
			right = false;
			sum[0] = get_be32(frame + 16);
			sum[1] = get_be32(frame + 20);
			continue;
		}
		if (right)
			w->valid = i + 1;
		if (right && get_be32(frame) == 1) {
			seen = true;
			counter = get_be32(frame + FRAME_HEAD + 24);
		}
		if (right && commit > 0)
			wal_commit(w, i, commit, seen ? &counter : NULL);
		if (!right && commit > 0) {
			w->commit_after = i;
			return;
		}
	}
}

static void
wal_begin(struct wal_scan *w, int64_t size)
{
	w->valid = w->committed = w->committed_pages = 0;
	w->page_one = false;
	w->broken = w->commit_after = -1;
	w->all = size > 0 ? (size - WAL_HEAD) / (FRAME_HEAD + (int64_t)w->page_size) : 0;
	w->frames = MIN(w->all, w->max_bytes / (FRAME_HEAD + (int64_t)w->page_size));
}

/*
 * A header that does not hold makes SQLite forget the whole log.  Frames that hold by themselves,
 * with a commit among them, say that something was in it; the first one tells the salts.
 */
static void
wal_behind_header(struct wal_scan *w, const unsigned char *head, int64_t size, int64_t page_size)
{
	unsigned char first[FRAME_HEAD];

	if (page_size == 0 || size < WAL_HEAD + FRAME_HEAD + page_size ||
	    bytes_pread(w->fd, first, FRAME_HEAD, WAL_HEAD) != FRAME_HEAD)
		return;
	w->page_size = (uint32_t)page_size;
	w->salt[0] = get_be32(first + 8);
	w->salt[1] = get_be32(first + 12);
	w->head_broken = true;
	for (int big = 0; big < 2 && w->commit_after < 0; big++) {
		uint32_t sum[2] = { get_be32(head + 24), get_be32(head + 28) };

		w->big_endian = big;
		wal_begin(w, size);
		wal_follow(w, sum);
	}
	w->broken = 0;
}

/* Frames of one generation lie before those of the one that they overwrite: the first tells of all. */
static bool
goes_on_behind(const struct wal_scan *w)
{
	int64_t size = FRAME_HEAD + (int64_t)w->page_size;
	unsigned char head[FRAME_HEAD];

	return w->all > w->frames &&
	       bytes_pread(w->fd, head, FRAME_HEAD, WAL_HEAD + w->frames * size) == FRAME_HEAD &&
	       get_be32(head + 8) == w->salt[0] && get_be32(head + 12) == w->salt[1];
}

/* -1: it was restarted meanwhile. */
static int
wal_scan_once(struct wal_scan *w, int64_t size, int64_t page_size)
{
	unsigned char head[WAL_HEAD] = { 0 }, again[WAL_HEAD];
	uint32_t sum[2];
	bool right = wal_head(w, head, sum);

	w->head_broken = false;
	wal_begin(w, right ? size : 0);
	if (right)
		wal_follow(w, sum);
	else
		wal_behind_header(w, head, size, page_size);
	w->more = w->page_size > 0 && goes_on_behind(w);
	if ((right || w->head_broken) && (bytes_pread(w->fd, again, WAL_HEAD, 0) != WAL_HEAD ||
	                                     memcmp(head, again, WAL_HEAD) != 0))
		return -1;
	return 0;
}

/* Page size and kind of journal by the header as it is now: the first look may be from before. */
static bool
look_again(const struct file_facts *f, int64_t *ret_page, bool *ret_wal)
{
	_cleanup_close_ int fd = open(f->resolved, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	unsigned char h[20];

	if (fd < 0 || bytes_pread(fd, h, sizeof(h), 0) != (ssize_t)sizeof(h))
		return false;
	*ret_page = get_be16(h + 16) == 1 ? 65536 : get_be16(h + 16);
	*ret_wal = h[18] == 2 && h[19] == 2;
	return true;
}

/*
 * SQLite takes over whatever log lies beside the file.  What cannot be this database's: pages of
 * another size, a log beside a database that keeps none, a first page older than the one in the
 * file, whose change counter only grows.
 */
static void
set_foreign(struct file_facts *f, const struct wal_scan *w)
{
	uint32_t counter = (uint32_t)file_facts_int(f, FACT_CHANGE_COUNTER);
	int64_t page;
	char text[160];
	bool wal;

	if (w->committed == 0 || file_facts_int(f, FACT_PAGE_SIZE) == 0 ||
	    !look_again(f, &page, &wal))
		return;
	if (page != w->page_size && page == file_facts_int(f, FACT_PAGE_SIZE))
		snprintf(text, sizeof(text), "its pages have %u bytes, those of the file %lld",
		    w->page_size, (long long)page);
	else if (!wal && file_facts_int(f, FACT_WAL_MODE) == 0)
		snprintf(text, sizeof(text), "the file says that it keeps no such log");
	else if (w->page_one && (int32_t)(w->counter - counter) < 0)
		snprintf(text, sizeof(text),
		    "its last commit is older than the file (change %u, the file has %u)",
		    w->counter, counter);
	else
		return;
	file_facts_set_text(f, FACT_WAL_FOREIGN, text);
}

static void
set_damage(struct file_facts *f, const struct wal_scan *w)
{
	char text[128];

	file_facts_set_int(f, FACT_WAL_DAMAGED, w->commit_after >= 0);
	if (w->commit_after >= 0 && w->head_broken)
		snprintf(text, sizeof(text), "the header of the log is broken, frame %lld commits",
		    (long long)w->commit_after + 1);
	else if (w->commit_after >= 0)
		snprintf(text, sizeof(text),
		    "checksum breaks at frame %lld of %lld, frame %lld commits",
		    (long long)w->broken + 1, (long long)w->all, (long long)w->commit_after + 1);
	if (w->commit_after >= 0)
		file_facts_set_text(f, FACT_WAL_DAMAGE, text);
}

/* What was not read is not whole for that. */
static void
set_unread(struct file_facts *f, const struct wal_scan *w)
{
	int64_t frame = FRAME_HEAD + (int64_t)w->page_size;
	_cleanup_free_ char *all = unit_format((double)(w->all * frame), UNIT_BYTES);
	_cleanup_free_ char *read = unit_format((double)(w->valid * frame), UNIT_BYTES);
	char text[160];

	snprintf(text, sizeof(text),
	    "the log has %s: its checksums hold through the first %s, the rest is not read%s", all,
	    read, w->unfinished ? " for want of time" : "");
	file_facts_set_text(f, FACT_WAL_UNREAD, text);
}

/*
 * Each page of the last commit is in the log or in the file, also while others write: the log starts
 * over only when the file has grown to all of them.
 */
static void
find_gap(const struct file_facts *f, struct wal_scan *w)
{
	struct stat st;

	w->gap = (struct wal_gap){ 0 };
	if (w->commit_after >= 0 || w->committed == 0 ||
	    w->page_size != file_facts_int(f, FACT_PAGE_SIZE) || stat(f->resolved, &st) < 0 ||
	    st.st_size == 0)
		return;
	w->gap.file_pages = st.st_size / w->page_size;
	wal_gap_find(w->fd, w->page_size, w->committed, w->committed_pages, w->until_us, &w->gap);
}

/* A file that is shorter than its own header says was cut off: that says more. */
static void
set_gap(struct file_facts *f, const struct wal_scan *w)
{
	char text[192];

	if (w->gap.missing == 0) {
		/* Pages that the file lacks may be in the log. */
		gather_excuse_short(f);
		return;
	}
	if (gather_is_short(f) || file_facts_known(f, FACT_WAL_FOREIGN))
		return;
	snprintf(text, sizeof(text),
	    "the last commit counts %lld pages, the file has %lld, and %lld (the first: page %lld) "
	    "are in neither of them",
	    (long long)w->committed_pages, (long long)w->gap.file_pages, (long long)w->gap.missing,
	    (long long)w->gap.first);
	file_facts_set_text(f, FACT_WAL_GAP, text);
}

static void
set_wal(struct file_facts *f, const struct wal_scan *w)
{
	file_facts_set_int(f, FACT_WAL_FRAMES, w->all);
	file_facts_set_int(f, FACT_WAL_VALID_FRAMES, w->valid);
	file_facts_set_int(f, FACT_WAL_VALID_BYTES,
	    w->frames == 0 ? 0 : WAL_HEAD + w->valid * (FRAME_HEAD + (int64_t)w->page_size));
	file_facts_set_int(f, FACT_WAL_COMMITTED_FRAMES, w->committed);
	file_facts_set_int(f, FACT_WAL_COMMITTED_PAGES, w->committed_pages);
	set_damage(f, w);
	set_foreign(f, w);
	if (w->committed > 0) {
		file_facts_set_int(f, FACT_PAGE_COUNT, w->committed_pages);
		set_gap(f, w);
	}
}

static bool
same_break(const struct wal_scan *a, const struct wal_scan *b)
{
	return a->commit_after >= 0 && a->broken == b->broken &&
	       memcmp(a->salt, b->salt, sizeof(a->salt)) == 0;
}

static bool
same_gap(const struct wal_scan *a, const struct wal_scan *b)
{
	return a->gap.missing > 0 && a->committed == b->committed &&
	       memcmp(&a->gap, &b->gap, sizeof(a->gap)) == 0 &&
	       memcmp(a->salt, b->salt, sizeof(a->salt)) == 0;
}

/*
 * A frame may be read before a writer has filled it and those behind it after that, which looks like
 * damage.  Damage stays where it is; a frame of a living log does not stay broken.
 */
void
gather_wal(int64_t until_us, int64_t max_bytes, struct file_facts *f)
{
	_cleanup_free_ char *path = gather_beside(f, "-wal");
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct wal_scan w = { .fd = fd, .until_us = until_us, .max_bytes = max_bytes },
	                before = { .commit_after = -1 };
	struct stat st;

	for (int i = 0; fd >= 0 && i < WAL_SCANS; i++) {
		if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			return;
		if (wal_scan_once(&w, st.st_size, file_facts_int(f, FACT_PAGE_SIZE)) < 0)
			continue;
		if (w.commit_after < 0 && (w.unfinished || w.more)) {
			set_unread(f, &w);
			return;
		}
		/* What holds behind the damage is not known: it alone is told. */
		if (w.more && same_break(&before, &w)) {
			set_damage(f, &w);
			return;
		}
		find_gap(f, &w);
		if ((w.commit_after < 0 && w.gap.missing == 0) || same_break(&before, &w) ||
		    same_gap(&before, &w)) {
			set_wal(f, &w);
			return;
		}
		before = w;
		bytes_pause();
	}
	/* It moves faster than we read: alive, and no break stays. */
	if (fd < 0)
		return;
	w.commit_after = -1;
	w.gap.missing = 0;
	if (w.more)
		set_unread(f, &w);
	else
		set_wal(f, &w);
}
