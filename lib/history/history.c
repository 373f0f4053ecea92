/* The writer: opens the folder, takes batches into the log, and does the housework step by step. */
#include "history/history.h"
#include "base/words.h"
#include "history/code.h"
#include "history/file.h"
#include "history/private.h"
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#define LOG_BYTES ((size_t)64 << 20)

void
history_say(struct history *h, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	if (h->on_lost)
		h->on_lost(text, h->arg);
	free(text);
}

void
history_set_aside(struct history *h, const char *name)
{
	_cleanup_free_ char *to = xasprintf("%s.damaged", name);

	/* Where not even this is possible, say on a disk that is read-only, it is passed over. */
	if (renameat(h->dirfd, name, h->dirfd, to) == 0)
		fsync(h->dirfd);
}

/* ---- opening ---- */

/* It will not become better: no such content, a folder in its place, a sector that is not read. */
static bool
is_spoilt(int r)
{
	return r == -EBADMSG || r == -EIO || r == -EISDIR || r == -ELOOP || r == -EFBIG ||
	       r == -ENXIO;
}

static int
check_segments(struct history *h, const struct folder *f, uint64_t *ret_max_id, struct err *e)
{
	char name[SEGMENT_NAME_SIZE];

	for (size_t i = 0; i < f->nsegments; i++) {
		_cleanup_(segment_freep) struct segment *s = NULL;
		struct err why = { 0 };
		int r = segment_open(h->dirfd, h->frames, &f->segments[i], &s, &why);

		segment_name_text(&f->segments[i], name);
		if (r == 0 && folder_is_superseded(f, &f->segments[i])) {
			unlinkat(h->dirfd, name, 0);
		} else if (r == 0) {
			*ret_max_id = MAX(*ret_max_id, segment_max_id(s));
		} else if (is_spoilt(r)) {
			history_say(
			    h, "history: %s is damaged and set aside: its samples are lost", name);
			history_set_aside(h, name);
		} else {
			return err_set(e, r, "%s", why.msg);
		}
	}
	return 0;
}

/* A log that is not over is gone on with, behind its last whole frame. */
static int
resume_log(struct history *h, uint64_t seq, const struct log_scan *scan)
{
	char name[LOG_NAME_SIZE];
	_cleanup_close_ int fd = -1;

	if (scan->created_s == 0 || scan->records >= LOG_RECORDS)
		return 0;
	log_name_text(seq, name);
	fd = openat(h->dirfd, name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (scan->end < scan->len && (ftruncate(fd, (off_t)scan->end) < 0 || fdatasync(fd) < 0))
		return -errno;
	h->fd = TAKE_FD(fd);
	h->seq = seq;
	h->created_s = scan->created_s;
	h->bytes = scan->end;
	h->records = scan->records;
	return 0;
}

static int
check_logs(struct history *h, const struct folder *f, uint64_t *max_id, struct err *e)
{
	for (size_t i = 0; i < f->nlogs; i++) {
		struct log_scan scan;
		int r = log_read(h->dirfd, f->logs[i], h->frames, NULL, NULL, &scan, e);

		if (is_spoilt(r)) {
			char name[LOG_NAME_SIZE];

			log_name_text(f->logs[i], name);
			history_say(h,
			    "history: %s cannot be read and is set aside: its samples are lost",
			    name);
			history_set_aside(h, name);
			continue;
		}
		if (r < 0)
			return r;
		*max_id = MAX(*max_id, scan.max_id);
		if (i + 1 < f->nlogs)
			continue;
		if (scan.end < scan.len)
			history_say(h,
			    "history: an end without warning: the last %zu bytes, some seconds of "
			    "samples at most, are lost",
			    scan.len - scan.end);
		r = resume_log(h, f->logs[i], &scan);
		if (r < 0)
			return err_set(e, r, "history: %s", strerror(-r));
	}
	return 0;
}

static int
open_names(struct history *h, uint64_t max_id, struct err *e)
{
	size_t damaged = 0, torn = 0;
	int r = names_open(h->dirfd, h->frames, &h->names, &damaged, &torn, e);
	bool known;

	if (is_spoilt(r)) {
		history_say(h,
		    "history: the list of series cannot be read and is set aside: the past of all "
		    "series is lost");
		history_set_aside(h, "series");
		r = names_open(h->dirfd, h->frames, &h->names, &damaged, &torn, e);
	}
	if (r < 0)
		return r;
	known = names_reserve(h->names, max_id);
	if (damaged == 0 && torn == 0)
		return 0;
	if (damaged == 0)
		history_say(h,
		    "history: an end without warning: the last %zu bytes of the list of series are "
		    "cut off%s",
		    torn, known ? "" : ": the past of the series that were named there is lost");
	else
		history_say(h,
		    "history: the list of series was damaged in %zu place%s: the past of the "
		    "series "
		    "that were named there is lost, %zu are left",
		    damaged, words_s(damaged), names_count(h->names));
	return names_rewrite(h->names, h->dirfd, INT64_MIN, e);
}

/* Where something else has its name, that is moved out of the way, once. */
static int
open_dir(struct history *h, struct err *e)
{
	_cleanup_free_ char *aside = xasprintf("%s.damaged", h->dir);
	struct stat st;

	if (lstat(h->dir, &st) == 0 && S_ISREG(st.st_mode) && rename(h->dir, aside) == 0)
		history_say(h, "history: %s was no folder and is now %s", h->dir, aside);
	if (mkdir(h->dir, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s: %s", h->dir, strerror(errno));
	h->dirfd = open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (h->dirfd < 0)
		return err_set(e, -errno, "%s: %s", h->dir, strerror(errno));
	return 0;
}

static int
open_folder(struct history *h, struct err *e)
{
	struct folder f = { 0 };
	uint64_t max_id = 0;
	int r;

	r = open_dir(h, e);
	if (r < 0)
		return r;
	r = folder_read(h->dirfd, &f, e);
	for (size_t i = 0; r == 0 && f.others && f.others[i]; i++)
		if (str_ends(f.others[i], ".tmp"))
			unlinkat(h->dirfd, f.others[i], 0);
	if (r == 0)
		r = check_segments(h, &f, &max_id, e);
	h->next_seq = 1;
	for (size_t i = 0; i < f.nsegments; i++)
		h->next_seq = MAX(h->next_seq, f.segments[i].to + 1);
	for (size_t i = 0; i < f.nlogs; i++)
		h->next_seq = MAX(h->next_seq, f.logs[i] + 1);
	if (r == 0)
		r = check_logs(h, &f, &max_id, e);
	if (r == 0)
		r = open_names(h, max_id, e);
	folder_done(&f);
	return r;
}

int
history_open(const char *dir, const struct history_limits *limits, history_lost_fn on_lost,
    void *arg, struct history **ret, struct err *e)
{
	struct history *h = xcalloc(1, sizeof(*h));
	int r;

	h->dir = xstrdup(dir);
	h->dirfd = h->fd = -1;
	h->limits = *limits;
	h->on_lost = on_lost;
	h->arg = arg;
	h->frames = frames_new();
	r = open_folder(h, e);
	if (r < 0) {
		history_close(h);
		return r;
	}
	*ret = h;
	return 0;
}

struct history *
history_close(struct history *h)
{
	if (!h)
		return NULL;
	closep(&h->fd);
	closep(&h->dirfd);
	names_free(h->names);
	frames_free(h->frames);
	free(h->dir);
	free(h);
	return NULL;
}

void
history_set_limits(struct history *h, const struct history_limits *limits)
{
	h->limits = *limits;
}

/* ---- appending ---- */

static int64_t
window_of(int64_t s)
{
	return s / WINDOW_S;
}

bool
history_log_is_over(const struct history *h, int64_t now_s)
{
	return h->fd >= 0 &&
	       (window_of(h->created_s) != window_of(now_s) || h->records >= LOG_RECORDS ||
	           h->bytes >= MIN(LOG_BYTES, (size_t)h->limits.max_bytes / 8));
}

void
history_log_end(struct history *h)
{
	closep(&h->fd);
	h->fd = -1;
}

static int
begin_log(struct history *h, int64_t now_s, struct err *e)
{
	_cleanup_str_ struct str head = { 0 };
	char name[LOG_NAME_SIZE];
	_cleanup_close_ int fd = -1;
	int r;

	log_name_text(h->next_seq, name);
	fd = openat(
	    h->dirfd, name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", name, strerror(errno));
	log_code_head(h->frames, h->next_seq, now_s, &head);
	r = file_write(fd, head.s, head.len);
	if (r == 0 && (fdatasync(fd) < 0 || fsync(h->dirfd) < 0))
		r = -errno;
	if (r < 0) {
		unlinkat(h->dirfd, name, 0);
		return err_set(e, r, "%s: %s", name, strerror(-r));
	}
	h->fd = TAKE_FD(fd);
	h->seq = h->next_seq++;
	h->created_s = now_s;
	h->bytes = head.len;
	h->records = 0;
	return 0;
}

static int
append(struct history *h, const struct str *out, size_t records, struct err *e)
{
	int r = file_write(h->fd, out->s, out->len);

	if (r == 0 && fdatasync(h->fd) < 0)
		r = -errno;
	if (r == 0) {
		h->bytes += out->len;
		h->records += records;
		return 0;
	}
	if (ftruncate(h->fd, (off_t)h->bytes) < 0)
		history_log_end(h); /* what is torn is passed over when it is read */
	return err_set(e, r, "history: %s", strerror(-r));
}

struct gathered {
	struct log_record *v;
	size_t n;
};

static bool
take_run(struct history *h, struct decode *d, struct gathered *g)
{
	_cleanup_free_ char *scope = decode_text(d, HISTORY_NAME_MAX);
	_cleanup_free_ char *check = decode_text(d, HISTORY_NAME_MAX);
	uint64_t unit = decode_number(d), n, ids[HISTORY_OBJECTS];
	int64_t at_s = decode_signed(d);
	char *objects[HISTORY_OBJECTS] = { 0 };
	double values[HISTORY_OBJECTS];

	n = decode_number(d);
	if (d->bad || unit >= UNIT_N || n > HISTORY_OBJECTS)
		return false;
	for (size_t i = 0; i < n; i++) {
		objects[i] = decode_text(d, HISTORY_NAME_MAX);
		values[i] = decode_double(d);
	}
	if (!d->bad) {
		names_take(h->names, scope, check, (enum unit)unit, at_s,
		    (const char *const *)objects, n, ids);
		g->v = xreallocarray(g->v, g->n + n + 1, sizeof(*g->v));
		for (size_t i = 0; i < n; i++)
			if (ids[i] && isfinite(values[i]))
				g->v[g->n++] = (struct log_record){ ids[i], at_s, values[i] };
	}
	for (size_t i = 0; i < n; i++)
		free(objects[i]);
	return !d->bad;
}

static void
say_full(struct history *h)
{
	if (!names_full(h->names) || h->full_said)
		return;
	h->full_said = true;
	history_say(h,
	    "history: not every series is kept: there are %zu, or hundreds of objects of one check "
	    "came and went; new ones wait until old ones have aged out",
	    names_count(h->names));
}

int
history_append(struct history *h, const char *batch, size_t len, int64_t now_s, struct err *e)
{
	struct decode d = { batch, len, false };
	_cleanup_str_ struct str out = { 0 };
	struct gathered g = { 0 };
	int r = 0;

	while (d.left > 0 && r == 0)
		if (!take_run(h, &d, &g))
			r = err_set(e, -EPROTO, "history: malformed batch");
	for (size_t done = 0; r == 0 && done < g.n;) {
		size_t part = MIN(g.n - done, (size_t)LOG_RECORDS_MAX);

		log_code(h->frames, g.v + done, part, &out);
		done += part;
	}
	free(g.v);
	say_full(h);
	if (r < 0 || g.n == 0)
		return r;
	if (history_log_is_over(h, now_s))
		history_log_end(h);
	r = names_save(h->names, h->dirfd, e);
	if (r == 0 && h->fd < 0)
		r = begin_log(h, now_s, e);
	return r < 0 ? r : append(h, &out, g.n, e);
}

int
history_maintain(struct history *h, int64_t now_s, struct err *e)
{
	struct folder f = { 0 };
	int r;

	if (history_log_is_over(h, now_s))
		history_log_end(h);
	r = folder_read(h->dirfd, &f, e);
	if (r == 0)
		r = history_close_log(h, &f, e);
	if (r == 0)
		r = history_merge_day(h, &f, now_s, e);
	/* Last, so that averages are made before what they are made of goes; of a full disk too. */
	if (r <= 0 && history_retain(h, &f, now_s, NULL) == 1)
		r = 1;
	folder_done(&f);
	return r;
}

void
history_batch_add(struct str *batch, const char *scope, const char *check, enum unit unit,
    int64_t at_s, const struct history_value *v, size_t n)
{
	size_t finite = 0;

	for (size_t i = 0; i < n; i++)
		finite += isfinite(v[i].value) && strlen(v[i].object) <= HISTORY_NAME_MAX;
	if (finite == 0 || strlen(scope) > HISTORY_NAME_MAX || strlen(check) > HISTORY_NAME_MAX)
		return;
	code_text(batch, scope);
	code_text(batch, check);
	code_number(batch, unit);
	code_signed(batch, at_s);
	finite = MIN(finite, (size_t)HISTORY_OBJECTS);
	code_number(batch, finite);
	for (size_t i = 0; i < n && finite > 0; i++) {
		if (!isfinite(v[i].value) || strlen(v[i].object) > HISTORY_NAME_MAX)
			continue;
		code_text(batch, v[i].object);
		code_double(batch, v[i].value);
		finite--;
	}
}
