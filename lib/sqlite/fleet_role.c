/*
 * The worker role "fleet": lists, tells what is different from the last time, and waits for the kernel
 * to say that a folder changed, or for the next slow listing.
 */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "sqlite/fleet.h"
#include "sqlite/fleet_scan.h"
#include "sqlite/gather.h"
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define NAMES_A_FRAME 50 /* the loop makes a database of each in one turn */
#define SETTLE_US     (100 * USEC_PER_MSEC)
/* Listing takes at most this part of the time, however much changes. */
#define REST_TIMES  50
#define REST_MAX_US (30 * USEC_PER_SEC)
#define FRESH_US    (2 * USEC_PER_SEC)
#define LOST_FROM   10 /* files: where there were fewer, all may go without a word */
#define EVENTS      (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)

struct frame {
	json_t *came, *gone, *replaced, *changed;
	size_t n;
	int r;
};

struct watcher {
	const char *folder; /* borrowed from the job */
	char **parts, **exclude;
	size_t max_files;
	int64_t rescan_us, sweep_us, swept_us;
	struct fleet_file *known; /* what was told, by name */
	size_t nknown;
	bool lost;
	char *state; /* as it was told last */
	int inotify;
	bool anew; /* a folder went elsewhere: what is followed is not what it was */
	char why[200];
};

/* ---- telling ---- */

static void
frame_done(struct frame *f)
{
	json_decref(f->came);
	json_decref(f->gone);
	json_decref(f->replaced);
	json_decref(f->changed);
	f->came = f->gone = f->replaced = f->changed = NULL;
	f->n = 0;
}

static void
frame_send(struct frame *f)
{
	json_t *o;
	char *text;

	if (f->n > 0 && f->r == 0) {
		o = json_pack("{s:O, s:O, s:O, s:O}", "came", f->came, "gone", f->gone, "replaced",
		    f->replaced, "changed", f->changed);
		text = json_dumps(o, JSON_COMPACT);
		json_decref(o);
		f->r = text ? worker_send(FLEET_FILES, text, strlen(text)) : -ENOMEM;
		free(text);
	}
	frame_done(f);
}

static void
frame_begin(struct frame *f)
{
	f->came = json_array();
	f->gone = json_array();
	f->replaced = json_array();
	f->changed = json_array();
}

static void
frame_add(struct frame *f, json_t *list, const char *name)
{
	json_array_append_new(list, json_string(name));
	if (++f->n < NAMES_A_FRAME)
		return;
	frame_send(f);
	frame_begin(f);
}

static int
tell_state(struct watcher *w, const struct fleet_scan *s, size_t over)
{
	_cleanup_free_ char *error = text_from_peer(s->error, strlen(s->error), sizeof(s->error));
	json_t *o = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:s?, s:b, s:b, s:s, s:b, s:s}",
	    "files", (json_int_t)w->nknown, "over", (json_int_t)over, "excluded",
	    (json_int_t)s->excluded, "links", (json_int_t)s->links, "others", (json_int_t)s->others,
	    "closed", (json_int_t)strv_len(s->closed), "closed_folder",
	    s->closed ? s->closed[0] : NULL, "cut", s->cut, "lost", w->lost, "error", error,
	    "follows", w->why[0] == '\0', "why", w->why);
	char *text = json_dumps(o, JSON_COMPACT);
	int r = 0;

	json_decref(o);
	if (!text)
		return -ENOMEM;
	if (!w->state || !streq(w->state, text))
		r = worker_send(FLEET_STATE, text, strlen(text));
	free(w->state);
	w->state = text;
	return r;
}

/* ---- what is different ---- */

/* Nobody can say whether it is still there. */
static bool
is_hidden(const struct fleet_scan *s, const char *name)
{
	if (s->cut || (s->error[0] && !s->gone))
		return true;
	for (char **dir = s->closed; dir && *dir; dir++)
		if (str_starts(name, *dir))
			return true;
	return false;
}

static void
keep(struct fleet_file *v, size_t *n, struct fleet_file *f)
{
	v[(*n)++] = (struct fleet_file){ TAKE_PTR(f->name), f->inode, f->stamp };
}

/* What was known of those that are still there; the rest is told to be gone. */
static void
keep_known(struct watcher *w, const struct fleet_scan *s, bool *taken, struct fleet_file *now,
    size_t *n, struct frame *f)
{
	for (size_t i = 0; i < w->nknown; i++) {
		struct fleet_file *known = &w->known[i];
		const struct fleet_file *same =
		    s->n > 0 ? bsearch(known, s->v, s->n, sizeof(*s->v), fleet_by_name) : NULL;

		if (!same && !is_hidden(s, known->name)) {
			frame_add(f, f->gone, known->name);
			continue;
		}
		if (same) {
			taken[same - s->v] = true;
			if (same->inode != known->inode)
				frame_add(f, f->replaced, known->name);
			known->inode = same->inode;
		}
		keep(now, n, known);
	}
}

static uint64_t stamp_of(const struct watcher *, const char *name, int64_t wall_us);

/* Those that are known keep their place; free places go by name. */
static int
compare(struct watcher *w, struct fleet_scan *s, size_t *ret_over)
{
	struct fleet_file *now = xcalloc(w->nknown + s->n + 1, sizeof(*now));
	_cleanup_free_ bool *taken = xcalloc(s->n + 1, sizeof(*taken));
	struct frame f = { 0 };
	size_t n = 0, over = 0;

	frame_begin(&f);
	keep_known(w, s, taken, now, &n, &f);
	for (size_t i = 0; i < s->n; i++) {
		if (taken[i])
			continue;
		if (n >= w->max_files) {
			over++;
			continue;
		}
		/* before anybody looks into it: a change from then on is one */
		s->v[i].stamp = stamp_of(w, s->v[i].name, clock_wall_us());
		frame_add(&f, f.came, s->v[i].name);
		keep(now, &n, &s->v[i]);
	}
	frame_send(&f);
	if (n > 0)
		qsort(now, n, sizeof(*now), fleet_by_name);
	fleet_files_free(w->known, w->nknown);
	w->known = now;
	w->nknown = n;
	*ret_over = over;
	return f.r;
}

/* ---- what changed in them ---- */

static uint64_t
mix(uint64_t h, uint64_t v)
{
	h ^= v + 0x9e3779b97f4a7c15U + (h << 6) + (h >> 2);
	return h * 0xff51afd7ed558ccdU;
}

/* Clocks of file systems tick slowly: a change right after the look may leave the same time. */
static bool
is_fresh(const struct timespec *t, int64_t wall_us)
{
	int64_t at_us = (int64_t)t->tv_sec * USEC_PER_SEC + t->tv_nsec / 1000;

	return wall_us - at_us < FRESH_US;
}

static uint64_t
add_stat(uint64_t h, const char *path, int64_t wall_us, bool *ret_fresh)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return mix(h, (uint64_t)errno);
	*ret_fresh = *ret_fresh || is_fresh(&st.st_mtim, wall_us) || is_fresh(&st.st_ctim, wall_us);
	h = mix(mix(h, st.st_dev), st.st_ino);
	h = mix(mix(h, (uint64_t)st.st_size), (uint64_t)st.st_mtim.tv_sec);
	h = mix(mix(h, (uint64_t)st.st_mtim.tv_nsec), (uint64_t)st.st_ctim.tv_sec);
	return mix(h, (uint64_t)st.st_ctim.tv_nsec);
}

/* 0: it is, or may be, in the middle of a change. */
static uint64_t
stamp_of(const struct watcher *w, const char *name, int64_t wall_us)
{
	_cleanup_free_ char *path = fleet_path(w->folder, name);
	_cleanup_free_ char *wal = xasprintf("%s-wal", path),
	                    *journal = xasprintf("%s-journal", path);
	bool fresh = false;
	uint64_t h;

	/* Whether it is hot depends on a process, not on the file. */
	if (access(journal, F_OK) == 0)
		return 0;
	h = add_stat(add_stat(1, path, wall_us, &fresh), wal, wall_us, &fresh);
	return fresh || h == 0 ? 0 : h;
}

static bool
is_among(uint64_t inode, const uint64_t *v, size_t n)
{
	size_t low = 0;

	while (low < n) {
		size_t middle = low + (n - low) / 2;

		if (v[middle] == inode)
			return true;
		if (v[middle] < inode)
			low = middle + 1;
		else
			n = middle;
	}
	return false;
}

static int
sweep(struct watcher *w)
{
	int64_t wall_us = clock_wall_us();
	_cleanup_free_ uint64_t *held = NULL;
	size_t nheld = locks_held_inodes(&held);
	struct frame f = { 0 };

	w->swept_us = clock_now_us();
	frame_begin(&f);
	for (size_t i = 0; i < w->nknown; i++) {
		/* Who keeps others out of a file changes nothing that stat tells. */
		uint64_t stamp = is_among(w->known[i].inode, held, nheld)
		                     ? 0
		                     : stamp_of(w, w->known[i].name, wall_us);

		if (stamp == 0 || stamp != w->known[i].stamp)
			frame_add(&f, f.changed, w->known[i].name);
		w->known[i].stamp = stamp;
	}
	frame_send(&f);
	return f.r != 0 ? f.r : worker_send(FLEET_SWEPT, "{}", 2);
}

/* ---- following ---- */

static void
follow(const char *path, void *arg)
{
	struct watcher *w = arg;

	if (w->inotify < 0 || inotify_add_watch(w->inotify, path, EVENTS | IN_ONLYDIR) >= 0)
		return;
	if (errno == ENOSPC)
		snprintf(w->why, sizeof(w->why),
		    "fs.inotify.max_user_watches is used up: new files are seen within %lld s",
		    (long long)(w->rescan_us / USEC_PER_SEC));
}

static void
follow_anew(struct watcher *w)
{
	if (w->inotify >= 0)
		close(w->inotify);
	w->anew = false;
	w->why[0] = '\0';
	w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->inotify < 0)
		snprintf(w->why, sizeof(w->why), "%s: new files are seen within %lld s",
		    errno == EMFILE ? "fs.inotify.max_user_instances is used up" : strerror(errno),
		    (long long)(w->rescan_us / USEC_PER_SEC));
}

/* Reads all that is there; whether something may be different. */
static bool
read_events(struct watcher *w)
{
	_Alignas(struct inotify_event) char buf[64 << 10];
	bool changed = false;
	ssize_t n;

	while ((n = read(w->inotify, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e = (const struct inotify_event *)(void *)p;

			if (e->mask & (IN_MOVE_SELF | IN_UNMOUNT))
				w->anew = true;
			/* Rollback journals come and go with every transaction. */
			if (e->len == 0 ? e->mask != IN_IGNORED : !fleet_is_beside(e->name))
				changed = true;
			p += sizeof(*e) + e->len;
		}
	}
	return changed;
}

static void
sleep_us(int64_t us)
{
	const struct timespec ts = { us / USEC_PER_SEC, us % USEC_PER_SEC * 1000 };

	if (us > 0)
		nanosleep(&ts, NULL);
}

/* Sleeps until something may have changed; false: nothing did so far. */
static bool
sleep_for_change(struct watcher *w, int64_t us)
{
	struct pollfd p = { .fd = w->inotify, .events = POLLIN };

	if (w->inotify < 0) {
		sleep_us(us);
		return false;
	}
	if (poll(&p, 1, (int)MIN(us / USEC_PER_MSEC + 1, INT64_C(3600000))) <= 0)
		return false;
	sleep_us(SETTLE_US); /* files that are copied come in crowds */
	return read_events(w);
}

/* Until it is worth listing again; sweeps meanwhile. */
static int
wait_for_change(struct watcher *w, int64_t began_us)
{
	int64_t ended_us = clock_now_us();
	int64_t rest_us = MIN(REST_MAX_US, REST_TIMES * (ended_us - began_us));

	for (;;) {
		int64_t now_us = clock_now_us(), left_us = ended_us + w->rescan_us - now_us;
		int64_t sweep_us = w->swept_us + w->sweep_us - now_us;
		int r = sweep_us <= 0 ? sweep(w) : 0;

		if (r < 0 || left_us <= 0)
			return r;
		if (sweep_us <= 0 || !sleep_for_change(w, MIN(left_us, sweep_us)))
			continue;
		sleep_us(ended_us + rest_us - clock_now_us());
		read_events(w);
		return 0;
	}
}

/* ---- the job ---- */

static int
look(struct watcher *w)
{
	struct fleet_scan s = { .folder = w->folder,
		.parts = w->parts,
		.exclude = w->exclude,
		.on_folder = follow,
		.arg = w };
	size_t before = w->nknown, over;
	int r;

	if (w->anew || w->why[0])
		follow_anew(w);
	fleet_scan_run(&s);
	w->lost = s.n == 0 && !s.error[0] && (before >= LOST_FROM || w->lost);
	r = compare(w, &s, &over);
	if (r == 0)
		r = tell_state(w, &s, over);
	fleet_scan_done(&s);
	return r;
}

static void
watcher_done(struct watcher *w)
{
	fleet_files_free(w->known, w->nknown);
	strv_free(w->parts);
	strv_free(w->exclude);
	free(w->state);
	if (w->inotify >= 0)
		close(w->inotify);
}

static void
split_parts(struct watcher *w, const char *pattern)
{
	for (const char *p = pattern; *p; p += strspn(p, "/")) {
		_cleanup_free_ char *part = xstrndup(p, strcspn(p, "/"));

		strv_add(&w->parts, part);
		p += strlen(part);
	}
}

static int
fleet_serve(uint32_t type, const char *payload, size_t len)
{
	json_t *job = json_loadb(payload, len, 0, NULL), *exclude = NULL, *v;
	struct watcher w = { .inotify = -1, .anew = true };
	const char *pattern;
	json_int_t max_files, rescan_ms, sweep_ms;
	size_t i;
	int r = 0;

	if (type != FLEET_JOB ||
	    json_unpack(job, "{s:s, s:s, s:o, s:I, s:I, s:I}", "folder", &w.folder, "pattern",
	        &pattern, "exclude", &exclude, "max_files", &max_files, "rescan_ms", &rescan_ms,
	        "sweep_ms", &sweep_ms) < 0) {
		json_decref(job);
		return -EBADMSG;
	}
	w.max_files = (size_t)MAX(max_files, 1);
	w.sweep_us = MAX(sweep_ms, 1) * USEC_PER_MSEC;
	w.rescan_us = MAX(rescan_ms, 1) * USEC_PER_MSEC;
	split_parts(&w, pattern);
	json_array_foreach (exclude, i, v)
		if (json_is_string(v))
			strv_add(&w.exclude, json_string_value(v));
	while (r == 0 && w.parts) {
		int64_t began_us = clock_now_us();

		r = look(&w);
		if (r == 0)
			r = wait_for_change(&w, began_us);
	}
	watcher_done(&w);
	json_decref(job);
	return r;
}

const struct worker_role fleet_role = {
	.name = "fleet",
	.address_space = (size_t)512 << 20,
	.idle_io = true,
	.sandbox = SANDBOX_READS,
	.serve = fleet_serve,
};
