/*
 * Segments: blocks of series, each a frame; behind them an index of the blocks, a frame too, and 12
 * bytes that say where the index is.
 */
#include "history/segment.h"
#include "history/code.h"
#include "history/file.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define VERSION     1
#define BLOCK_BYTES ((size_t)64 << 10)
#define LEVEL       3 /* of zstd: more costs time and brings little */
#define BLOCKS_MAX  200000
static const char tail_mark[4] = { 'd', 'b', 'h', 'E' };
#define TAIL 12

const int64_t history_level_s[HISTORY_LEVEL_N] = { 1, 300, 3600 };
static const char *const level_names[HISTORY_LEVEL_N] = { "raw", "5min", "1h" };

void
segment_name_text(const struct segment_name *n, char ret[static SEGMENT_NAME_SIZE])
{
	snprintf(ret, SEGMENT_NAME_SIZE, "%010llu-%010llu.%s", (unsigned long long)n->from,
	    (unsigned long long)n->to, level_names[n->level]);
}

bool
segment_name_parse(const char *text, struct segment_name *ret)
{
	struct segment_name n;

	if (!file_digits(&text, &n.from) || *text++ != '-' || !file_digits(&text, &n.to) ||
	    *text++ != '.' || n.from > n.to)
		return false;
	for (unsigned i = 0; i < HISTORY_LEVEL_N; i++) {
		if (!streq(text, level_names[i]))
			continue;
		n.level = (enum history_level)i;
		*ret = n;
		return true;
	}
	return false;
}

/* ---- writing ---- */

struct segment_writer {
	int dirfd, fd;         /* dirfd: borrowed */
	struct frames *frames; /* borrowed */
	struct segment_name name;
	char path[SEGMENT_NAME_SIZE], tmp[SEGMENT_NAME_SIZE + 8];
	struct str meta, values, index, out;
	size_t nblocks, in_block;
	uint64_t first_id, last_id, max_id, offset;
	int64_t begin_s, end_s;
	bool any;
};

int
segment_writer_new(int dirfd, struct frames *frames, const struct segment_name *name,
    struct segment_writer **ret, struct err *e)
{
	struct segment_writer *w = xcalloc(1, sizeof(*w));

	w->dirfd = dirfd;
	w->frames = frames;
	w->name = *name;
	segment_name_text(name, w->path);
	snprintf(w->tmp, sizeof(w->tmp), "%s.tmp", w->path);
	w->fd = openat(dirfd, w->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0) {
		int r = err_set(e, -errno, "%s: %s", w->tmp, strerror(errno));

		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct segment_writer *
segment_writer_free(struct segment_writer *w)
{
	if (!w)
		return NULL;
	if (w->fd >= 0) {
		close(w->fd);
		unlinkat(w->dirfd, w->tmp, 0);
	}
	str_done(&w->meta);
	str_done(&w->values);
	str_done(&w->index);
	str_done(&w->out);
	free(w);
	return NULL;
}

static int
flush_out(struct segment_writer *w, struct err *e)
{
	int r = file_write(w->fd, w->out.s, w->out.len);

	w->offset += w->out.len;
	str_reset(&w->out);
	return r < 0 ? err_set(e, r, "%s: %s", w->tmp, strerror(-r)) : 0;
}

static int
end_block(struct segment_writer *w, struct err *e)
{
	_cleanup_str_ struct str raw = { 0 };

	if (w->in_block == 0)
		return 0;
	code_number(&raw, w->in_block);
	code_number(&raw, w->meta.len);
	str_addn(&raw, w->meta.s, w->meta.len);
	str_addn(&raw, w->values.s, w->values.len);
	frame_write(w->frames, &raw, LEVEL, &w->out);
	code_number(&w->index, w->first_id);
	code_number(&w->index, w->last_id - w->first_id);
	code_number(&w->index, w->out.len);
	w->nblocks++;
	w->in_block = 0;
	str_reset(&w->meta);
	str_reset(&w->values);
	return flush_out(w, e);
}

static void
code_points(struct segment_writer *w, const struct history_point *p, size_t n)
{
	_cleanup_free_ int64_t *times = xcalloc(n, sizeof(*times));
	_cleanup_free_ double *column = xcalloc(n, sizeof(*column));

	for (size_t i = 0; i < n; i++) {
		times[i] = p[i].at_s;
		w->begin_s = w->any ? MIN(w->begin_s, p[i].at_s) : p[i].at_s;
		w->end_s = w->any ? MAX(w->end_s, p[i].at_s) : p[i].at_s;
		w->any = true;
	}
	code_times(&w->meta, times, n);
	for (size_t i = 0; i < n; i++)
		column[i] = p[i].value;
	code_values(&w->values, column, n);
	if (w->name.level == HISTORY_RAW)
		return;
	for (size_t i = 0; i < n; i++)
		column[i] = p[i].min;
	code_values(&w->values, column, n);
	for (size_t i = 0; i < n; i++)
		column[i] = p[i].max;
	code_values(&w->values, column, n);
	for (size_t i = 0; i < n; i++)
		column[i] = p[i].count;
	code_values(&w->values, column, n);
}

int
segment_writer_add(
    struct segment_writer *w, uint64_t id, const struct history_point *p, size_t n, struct err *e)
{
	assert(id >= w->max_id);
	for (size_t done = 0; done < n;) {
		size_t part = MIN(n - done, (size_t)SEGMENT_CHUNK_MAX);
		int r;

		if (w->in_block == 0)
			w->first_id = w->last_id = id;
		code_number(&w->meta, id - w->last_id);
		code_number(&w->meta, part);
		code_points(w, p + done, part);
		w->last_id = w->max_id = id;
		w->in_block++;
		done += part;
		if (w->meta.len + w->values.len < BLOCK_BYTES)
			continue;
		r = end_block(w, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static void
add_index(struct segment_writer *w)
{
	_cleanup_str_ struct str raw = { 0 };
	uint64_t at = w->offset;

	code_number(&raw, VERSION);
	code_number(&raw, w->name.level);
	code_number(&raw, w->name.from);
	code_number(&raw, w->name.to);
	code_signed(&raw, w->begin_s);
	code_signed(&raw, w->end_s);
	code_number(&raw, w->max_id);
	code_number(&raw, w->nblocks);
	str_addn(&raw, w->index.s, w->index.len);
	frame_write(w->frames, &raw, LEVEL, &w->out);
	for (unsigned i = 0; i < 8; i++)
		str_addc(&w->out, (char)(at >> (8 * i)));
	str_addn(&w->out, tail_mark, sizeof(tail_mark));
}

int
segment_writer_finish(struct segment_writer *w, struct err *e)
{
	int r = end_block(w, e);

	if (r == 0 && w->index.len > FRAME_RAW_MAX - 128)
		r = err_set(e, -EFBIG, "%s: too large", w->tmp);
	if (r < 0)
		return r;
	add_index(w);
	r = flush_out(w, e);
	if (r == 0)
		r = file_publish(w->dirfd, w->fd, w->tmp, w->path, e);
	if (r == 0) {
		close(w->fd);
		w->fd = -1;
	}
	return r;
}

/* ---- reading ---- */

struct block {
	uint64_t offset, first_id, last_id;
	size_t len;
};

struct segment {
	int fd;
	struct frames *frames; /* borrowed */
	struct segment_name name;
	int64_t begin_s, end_s;
	uint64_t max_id;
	struct block *blocks;
	size_t nblocks, next, damaged;
	/* the block that is being read */
	char *raw;
	struct decode meta, values;
	uint64_t left, id;
};

struct segment *
segment_free(struct segment *s)
{
	if (!s)
		return NULL;
	closep(&s->fd);
	free(s->blocks);
	free(s->raw);
	free(s);
	return NULL;
}

static bool
decode_index(struct segment *s, struct decode d, uint64_t end)
{
	uint64_t at = 0, n;

	if (decode_number(&d) != VERSION || decode_number(&d) != s->name.level ||
	    decode_number(&d) != s->name.from || decode_number(&d) != s->name.to)
		return false;
	s->begin_s = decode_signed(&d);
	s->end_s = decode_signed(&d);
	s->max_id = decode_number(&d);
	n = decode_number(&d);
	if (d.bad || n > BLOCKS_MAX)
		return false;
	s->blocks = xcalloc(MAX(n, (uint64_t)1), sizeof(*s->blocks));
	for (s->nblocks = 0; s->nblocks < n; s->nblocks++) {
		struct block *b = &s->blocks[s->nblocks];

		b->first_id = decode_number(&d);
		b->last_id = b->first_id + decode_number(&d);
		b->len = decode_number(&d);
		b->offset = at;
		if (d.bad || b->len > end || at > end - b->len)
			return false;
		at += b->len;
	}
	return at == end && d.left == 0;
}

static int
read_index(struct segment *s)
{
	_cleanup_free_ char *bytes = NULL;
	char tail[TAIL];
	const char *raw;
	size_t raw_len, len, room;
	uint64_t at = 0;
	struct stat st;
	int r;

	if (fstat(s->fd, &st) < 0)
		return -errno;
	if (st.st_size < FRAME_HEAD + TAIL)
		return -EBADMSG;
	r = file_read_at(s->fd, tail, TAIL, (uint64_t)st.st_size - TAIL);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < 8; i++)
		at |= (uint64_t)(uint8_t)tail[i] << (8 * i);
	if (memcmp(tail + 8, tail_mark, sizeof(tail_mark)) != 0 ||
	    at > (uint64_t)st.st_size - TAIL - FRAME_HEAD)
		return -EBADMSG;
	room = (size_t)((uint64_t)st.st_size - TAIL - at);
	if (room > 2 * FRAME_RAW_MAX)
		return -EBADMSG;
	bytes = xcalloc(1, room);
	r = file_read_at(s->fd, bytes, room, at);
	if (r < 0)
		return r;
	if (frame_read(s->frames, bytes, room, &raw, &raw_len, &len) < 0 || len != room)
		return -EBADMSG;
	return decode_index(s, (struct decode){ raw, raw_len, false }, at) ? 0 : -EBADMSG;
}

int
segment_open(int dirfd, struct frames *frames, const struct segment_name *name,
    struct segment **ret, struct err *e)
{
	_cleanup_(segment_freep) struct segment *s = xcalloc(1, sizeof(*s));
	char path[SEGMENT_NAME_SIZE];
	int r;

	segment_name_text(name, path);
	s->frames = frames;
	s->name = *name;
	s->fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s->fd < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	r = read_index(s);
	if (r < 0)
		return err_set(e, r, "%s: %s", path, r == -EBADMSG ? "damaged" : strerror(-r));
	*ret = TAKE_PTR(s);
	return 0;
}

int64_t
segment_begin_s(const struct segment *s)
{
	return s->begin_s;
}

int64_t
segment_end_s(const struct segment *s)
{
	return s->end_s;
}

uint64_t
segment_max_id(const struct segment *s)
{
	return s->max_id;
}

size_t
segment_damaged(const struct segment *s)
{
	return s->damaged;
}

static size_t
block_of(const struct segment *s, uint64_t id)
{
	size_t low = 0, high = s->nblocks;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->blocks[middle].last_id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void
segment_seek(struct segment *s, uint64_t id)
{
	s->next = block_of(s, id);
	s->left = 0;
}

void
segment_skip(struct segment *s, uint64_t id)
{
	size_t block = block_of(s, id);

	if (block >= s->next) {
		s->next = block;
		s->left = 0;
	}
}

static int
begin_block(struct segment *s, const struct block *b)
{
	_cleanup_free_ char *bytes = NULL;
	const char *raw;
	size_t raw_len, len, meta;
	struct decode d;

	if (b->len > 2 * FRAME_RAW_MAX)
		return -EBADMSG;
	bytes = xcalloc(1, MAX(b->len, (size_t)1));
	if (file_read_at(s->fd, bytes, b->len, b->offset) < 0 ||
	    frame_read(s->frames, bytes, b->len, &raw, &raw_len, &len) < 0 || len != b->len)
		return -EBADMSG;
	if (!s->raw)
		s->raw = xcalloc(1, FRAME_RAW_MAX);
	memcpy(s->raw, raw, raw_len);
	d = (struct decode){ s->raw, raw_len, false };
	s->left = decode_number(&d);
	meta = decode_number(&d);
	s->meta = decode_part(&d, meta);
	s->values = d;
	s->id = b->first_id;
	return d.bad ? -EBADMSG : 0;
}

static void
decode_points(struct segment *s, struct history_point *p, size_t n)
{
	_cleanup_free_ int64_t *times = xcalloc(n, sizeof(*times));
	_cleanup_free_ double *column = xcalloc(n, sizeof(*column));

	decode_times(&s->meta, times, n);
	decode_values(&s->values, column, n);
	for (size_t i = 0; i < n; i++)
		p[i] = (struct history_point){ times[i], column[i], column[i], column[i], 1 };
	if (s->name.level == HISTORY_RAW)
		return;
	decode_values(&s->values, column, n);
	for (size_t i = 0; i < n; i++)
		p[i].min = column[i];
	decode_values(&s->values, column, n);
	for (size_t i = 0; i < n; i++)
		p[i].max = column[i];
	decode_values(&s->values, column, n);
	for (size_t i = 0; i < n; i++)
		p[i].count = column[i];
}

size_t
segment_next(struct segment *s, uint64_t *ret_id, struct history_point *ret)
{
	for (;;) {
		uint64_t n;

		if (s->left == 0) {
			if (s->next == s->nblocks)
				return 0;
			if (begin_block(s, &s->blocks[s->next++]) < 0) {
				s->damaged++;
				s->left = 0;
			}
			continue;
		}
		s->left--;
		s->id += decode_number(&s->meta);
		n = decode_number(&s->meta);
		if (!s->meta.bad && n > 0 && n <= SEGMENT_CHUNK_MAX) {
			decode_points(s, ret, n);
			if (!s->meta.bad && !s->values.bad) {
				*ret_id = s->id;
				return n;
			}
		}
		s->damaged++;
		s->left = 0;
	}
}
