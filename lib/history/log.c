/* Logs of samples: written at the end, read as a whole. */
#include "history/log.h"
#include "history/code.h"
#include "history/file.h"
#include <fcntl.h>
#include <stdio.h>

#define VERSION  1
#define FAST     1 /* of zstd: it is written once more soon */
#define FILE_MAX ((size_t)512 << 20)
enum { RECORD_HEAD = 1, RECORD_SAMPLES };

void
log_name_text(uint64_t seq, char ret[static LOG_NAME_SIZE])
{
	snprintf(ret, LOG_NAME_SIZE, "%010llu.log", (unsigned long long)seq);
}

bool
log_name_parse(const char *text, uint64_t *ret_seq)
{
	uint64_t seq;

	if (!file_digits(&text, &seq) || !streq(text, ".log"))
		return false;
	*ret_seq = seq;
	return true;
}

void
log_code_head(struct frames *f, uint64_t seq, int64_t created_s, struct str *out)
{
	_cleanup_str_ struct str raw = { 0 };

	code_number(&raw, RECORD_HEAD);
	code_number(&raw, VERSION);
	code_number(&raw, seq);
	code_signed(&raw, created_s);
	frame_write(f, &raw, FAST, out);
}

void
log_code(struct frames *f, const struct log_record *v, size_t n, struct str *out)
{
	_cleanup_str_ struct str raw = { 0 };
	_cleanup_free_ double *values = xcalloc(MAX(n, (size_t)1), sizeof(*values));
	int64_t last = 0;

	assert(n <= LOG_RECORDS_MAX);
	code_number(&raw, RECORD_SAMPLES);
	code_number(&raw, n);
	for (size_t i = 0; i < n; i++) {
		code_signed(&raw, (int64_t)v[i].id - last);
		last = (int64_t)v[i].id;
	}
	last = 0;
	for (size_t i = 0; i < n; i++) {
		code_signed(&raw, (int64_t)((uint64_t)v[i].at_s - (uint64_t)last));
		last = v[i].at_s;
		values[i] = v[i].value;
	}
	code_doubles(&raw, values, n);
	frame_write(f, &raw, FAST, out);
}

static bool
decode_samples(struct decode *d, struct log_record *v, double *values, size_t *ret_n)
{
	size_t n = decode_number(d);
	uint64_t last = 0;

	if (d->bad || n > LOG_RECORDS_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		v[i].id = last += (uint64_t)decode_signed(d);
	last = 0;
	for (size_t i = 0; i < n; i++)
		v[i].at_s = (int64_t)(last += (uint64_t)decode_signed(d));
	decode_doubles(d, values, n);
	for (size_t i = 0; i < n; i++)
		v[i].value = values[i];
	*ret_n = n;
	return !d->bad && d->left == 0;
}

struct reading {
	struct log_record v[LOG_RECORDS_MAX];
	double values[LOG_RECORDS_MAX];
};

static bool
take_frame(struct reading *rd, struct decode d, log_fn fn, void *arg, struct log_scan *scan)
{
	uint64_t type = decode_number(&d);
	size_t n;

	if (type == RECORD_HEAD) {
		bool ok = decode_number(&d) == VERSION;

		decode_number(&d);
		scan->created_s = decode_signed(&d);
		return ok && !d.bad;
	}
	if (type != RECORD_SAMPLES || !decode_samples(&d, rd->v, rd->values, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		scan->max_id = MAX(scan->max_id, rd->v[i].id);
	scan->records += n;
	if (fn)
		fn(rd->v, n, arg);
	return true;
}

int
log_read(int dirfd, uint64_t seq, struct frames *f, log_fn fn, void *arg, struct log_scan *ret,
    struct err *e)
{
	char name[LOG_NAME_SIZE];
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *bytes = NULL;
	_cleanup_free_ struct reading *rd = NULL;
	struct log_scan scan = { 0 };
	bool bad = false;
	size_t at = 0;
	int r;

	log_name_text(seq, name);
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", name, strerror(errno));
	r = file_read_all(fd, FILE_MAX, &bytes, &scan.len);
	if (r < 0)
		return err_set(e, r, "%s: %s", name, strerror(-r));
	rd = xcalloc(1, sizeof(*rd));
	while (at < scan.len) {
		const char *raw;
		size_t raw_len, used;

		if (frame_read(f, bytes + at, scan.len - at, &raw, &raw_len, &used) < 0 ||
		    !take_frame(rd, (struct decode){ raw, raw_len, false }, fn, arg, &scan)) {
			bad = true;
			at = frame_find(bytes, scan.len, at + 1);
			continue;
		}
		at += used;
		scan.damaged += bad;
		bad = false;
		scan.end = at;
	}
	*ret = scan;
	return 0;
}
