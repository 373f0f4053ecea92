#pragma once
#include "history/frame.h"
#include "history/history.h"
/*
 * A segment: what one or more logs held, in order of the series, at one level.  Written once, as a
 * whole, under another name until it is on the disk.
 */
struct segment_name {
	uint64_t from, to; /* numbers of the logs that are in it */
	enum history_level level;
};
#define SEGMENT_NAME_SIZE 64
#define SEGMENT_CHUNK_MAX 8192 /* points at once */
void segment_name_text(const struct segment_name *, char ret[static SEGMENT_NAME_SIZE]);
bool segment_name_parse(const char *, struct segment_name *ret);

struct segment_writer;
int segment_writer_new(int dirfd, struct frames *, const struct segment_name *,
    struct segment_writer **ret, struct err *) _must_check_;
/* Ids must not fall. */
int segment_writer_add(struct segment_writer *, uint64_t id, const struct history_point *, size_t n,
    struct err *) _must_check_;
/* Under its name when it returns 0. */
int segment_writer_finish(struct segment_writer *, struct err *) _must_check_;
/* What is not finished is removed. */
struct segment_writer *segment_writer_free(struct segment_writer *);
DEFINE_CLEANUP(struct segment_writer *, segment_writer_free)

struct segment;
/* -EBADMSG: damaged. */
int segment_open(int dirfd, struct frames *, const struct segment_name *, struct segment **ret,
    struct err *) _must_check_;
struct segment *segment_free(struct segment *);
DEFINE_CLEANUP(struct segment *, segment_free)
int64_t segment_begin_s(const struct segment *);
int64_t segment_end_s(const struct segment *); /* of the last sample */
uint64_t segment_max_id(const struct segment *);
/* From this series on, or some before it.  skip: never back. */
void segment_seek(struct segment *, uint64_t id);
void segment_skip(struct segment *, uint64_t id);
/*
 * The next series and its points; up to SEGMENT_CHUNK_MAX, more come with the same id.  Returns how
 * many, 0 at the end.  Damaged blocks are left out and counted.
 */
size_t segment_next(struct segment *, uint64_t *ret_id, struct history_point *ret);
size_t segment_damaged(const struct segment *);
