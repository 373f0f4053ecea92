#pragma once
#include "base/str.h"
/*
 * A file is a row of frames: a head of 12 bytes (a mark, the lengths compressed and plain) and what
 * zstd made of the content, with zstd's checksum of it.  What is torn or changed is noticed, and the
 * next whole frame is found by its mark.
 */
#define FRAME_HEAD    12
#define FRAME_RAW_MAX ((size_t)1 << 20)
struct frames; /* the compressor's memory, for one after the other */
struct frames *frames_new(void) _must_check_;
struct frames *frames_free(struct frames *);
/* level: zstd's.  Appends to out; raw is at most FRAME_RAW_MAX. */
void frame_write(struct frames *, const struct str *raw, int level, struct str *out);
/*
 * Reads the frame at the start of bytes: its content (valid until the next call), its length as
 * written.  -ENODATA: it ends too early; -EBADMSG: there is none, or it is damaged.
 */
int frame_read(struct frames *, const char *bytes, size_t len, const char **ret_raw,
    size_t *ret_raw_len, size_t *ret_len) _must_check_;
/* From `from` on the next place where a mark stands, or len. */
size_t frame_find(const char *bytes, size_t len, size_t from);
