#pragma once
#include "history/frame.h"
#include "history/history.h"
/*
 * A log: samples as they come, a frame a batch.  What is torn at its end is cut off, what is damaged
 * in the middle is passed over.
 */
struct log_record {
	uint64_t id;
	int64_t at_s;
	double value;
};
#define LOG_NAME_SIZE   32
#define LOG_RECORDS_MAX 16384 /* of one frame */
void log_name_text(uint64_t seq, char ret[static LOG_NAME_SIZE]);
bool log_name_parse(const char *, uint64_t *ret_seq);

/* The head of a file. */
void log_code_head(struct frames *, uint64_t seq, int64_t created_s, struct str *out);
void log_code(struct frames *, const struct log_record *, size_t n, struct str *out);
struct log_scan {
	int64_t created_s;
	size_t end;     /* behind the last frame that is whole */
	size_t len;     /* of the file */
	size_t damaged; /* places in the middle */
	size_t records;
	uint64_t max_id;
};
/* fn may be NULL. */
typedef void (*log_fn)(const struct log_record *, size_t n, void *arg);
int log_read(int dirfd, uint64_t seq, struct frames *, log_fn, void *arg, struct log_scan *ret,
    struct err *) _must_check_;
