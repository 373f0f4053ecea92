/*
 * The history on real files: what was acknowledged is read again, through closing, averaging, torn
 * and changed files, and a writer that is killed between any two system calls.
 */
#include "base/clock.h"
#include "history/code.h"
#include "history/history.h"
#include "history/private.h"
#include "tree.h"
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define MONDAY INT64_C(1772409600) /* 2026-03-02 00:00 UTC */

static char root[40];
static char dir[64];
static struct str lost;

static void
clear(void)
{
	remove_tree(dir);
	str_reset(&lost);
}

static void
on_lost(const char *what, void *arg)
{
	(void)arg;
	str_addf(&lost, "%s\n", what);
}

static const struct history_limits generous = { INT64_C(400) * 86400, INT64_C(1) << 30 };

static struct history *
open_it(const struct history_limits *limits)
{
	struct history *h = NULL;
	struct err e = { 0 };

	if (history_open(dir, limits, on_lost, NULL, &h, &e) < 0)
		fail_msg("%s", e.msg);
	return h;
}

static int
append_one(struct history *h, const char *scope, const char *object, int64_t at_s, double value)
{
	_cleanup_str_ struct str batch = { 0 };
	struct history_value v = { object, value };

	history_batch_add(&batch, scope, "a-check", UNIT_BYTES, at_s, &v, 1);
	return history_append(h, batch.s, batch.len, at_s, NULL);
}

static void
work_off(struct history *h, int64_t now_s)
{
	struct err e = { 0 };
	int r;

	while ((r = history_maintain(h, now_s, &e)) == 1)
		;
	if (r < 0)
		fail_msg("%s", e.msg);
}

static void
ask(const char *scope, const char *object, int64_t from_s, int64_t to_s, int64_t step_s,
    struct history_answer *ret)
{
	const struct history_query q = { scope, "a-check", object, from_s, to_s, step_s };
	struct err e = { 0 };

	if (history_read(dir, &q, ret, &e) < 0)
		fail_msg("%s", e.msg);
}

/* ---- bytes ---- */

static uint64_t seed = 42;

static uint64_t
dice(uint64_t sides)
{
	seed = seed * 6364136223846793005U + 1442695040888963407U;
	return (seed >> 33) % sides;
}

static double
odd_value(unsigned kind, double last)
{
	switch (kind) {
	case 0:
		return last + (double)dice(100);
	case 1:
		return (double)dice(1000000) / 7;
	case 2:
		return dice(2) ? 1e300 : 5e-324;
	case 3:
		return dice(2) ? -9007199254740992.0 : 9007199254740992.0;
	}
	return 0;
}

static void
test_values_and_times_come_back(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		_cleanup_str_ struct str s = { 0 };
		size_t n = 1 + dice(300);
		double v[300], back[300];
		int64_t t[300], tback[300];
		struct decode d;

		for (size_t i = 0; i < n; i++) {
			v[i] = odd_value(round % 5, i ? v[i - 1] : 0);
			t[i] = dice(20) ? (i ? t[i - 1] : MONDAY) + (int64_t)dice(90)
			                : (int64_t)(dice(2) ? INT64_MAX : INT64_MIN) / 3;
		}
		code_times(&s, t, n);
		code_values(&s, v, n);
		code_doubles(&s, v, n);
		d = (struct decode){ s.s, s.len, false };
		decode_times(&d, tback, n);
		decode_values(&d, back, n);
		for (size_t i = 0; i < n; i++) {
			assert_true(t[i] == tback[i]);
			if (round % 5 == 1)
				assert_true(fabs(back[i] - v[i]) <= fabs(v[i]) * 1e-7);
			else
				assert_true(back[i] == v[i]);
		}
		decode_doubles(&d, back, n);
		assert_false(d.bad);
		assert_int_equal(d.left, 0);
		assert_memory_equal(v, back, n * sizeof(*v));
		/* whatever is cut off is noticed */
		d = (struct decode){ s.s, dice(s.len), false };
		decode_times(&d, tback, n);
		decode_values(&d, back, n);
		decode_doubles(&d, back, n);
		assert_true(d.bad);
	}
}

static void
test_frames_are_whole_or_refused(void **state)
{
	struct frames *f = frames_new();
	_cleanup_str_ struct str raw = { 0 }, out = { 0 };
	const char *got;
	size_t len, used;

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		str_addf(&raw, "%u,", i * i);
	frame_write(f, &raw, 3, &out);
	assert_int_equal(frame_read(f, out.s, out.len, &got, &len, &used), 0);
	assert_int_equal(used, out.len);
	assert_int_equal(len, raw.len);
	assert_memory_equal(got, raw.s, len);
	for (size_t cut = 0; cut < out.len; cut++)
		assert_true(frame_read(f, out.s, cut, &got, &len, &used) < 0);
	for (size_t at = 0; at < out.len; at++) {
		out.s[at] = (char)(out.s[at] ^ (1 << dice(8)));
		if (frame_read(f, out.s, out.len, &got, &len, &used) == 0) {
			/* bits that mean nothing: what is read is right all the same */
			assert_int_equal(len, raw.len);
			assert_memory_equal(got, raw.s, len);
		}
		str_reset(&out);
		frame_write(f, &raw, 3, &out);
	}
	frames_free(f);
}

/* ---- what was given is read, at each level ---- */

static void
test_samples_then_averages(void **state)
{
	struct history *h;
	struct history_answer a;
	int64_t end = MONDAY + 3 * 86400;

	(void)state;
	clear();
	h = open_it(&generous);
	for (int64_t at = MONDAY; at < end; at += 60) {
		assert_int_equal(append_one(h, "orders", "t", at, (double)(at % 3600)), 0);
		if (at % 1800 == 0)
			work_off(h, at);
	}
	history_close(h);

	/* the last two days: as they came */
	ask("orders", "t", end - 86400, end - 1, 0, &a);
	assert_int_equal(a.nseries, 1);
	assert_int_equal(a.series[0].unit, UNIT_BYTES);
	assert_int_equal(a.series[0].npoints, 1440);
	assert_int_equal(a.resolution_s, 1);
	for (size_t i = 0; i < 1440; i++) {
		const struct history_point *p = &a.series[0].points[i];

		assert_true(p->at_s == end - 86400 + (int64_t)i * 60);
		assert_true(p->value == (double)(p->at_s % 3600));
	}
	assert_true(a.series[0].last == 3540);
	history_answer_done(&a);

	/* beyond them averages, each once */
	ask("orders", NULL, MONDAY, end - 1, 0, &a);
	assert_int_equal(a.resolution_s, 300);
	history_answer_done(&a);

	/* all three days by the hour */
	ask("orders", "t", MONDAY, end - 1, 3600, &a);
	assert_int_equal(a.series[0].npoints, 72);
	for (size_t i = 0; i < 72; i++) {
		const struct history_point *p = &a.series[0].points[i];

		assert_true(p->at_s == MONDAY + (int64_t)i * 3600);
		assert_true(p->count == 60);
		assert_true(p->min == 0 && p->max == 3540);
		assert_true(fabs(p->value - 1770) < 0.001);
	}
	history_answer_done(&a);

	ask("orders", "t", MONDAY, end - 1, 300, &a);
	assert_int_equal(a.series[0].npoints, 3 * 288);
	for (size_t i = 0; i < 3 * 288; i++)
		assert_true(a.series[0].points[i].count == 5);
	history_answer_done(&a);

	ask("nobody", "t", MONDAY, end, 0, &a);
	assert_false(a.known);
	history_answer_done(&a);
	assert_int_equal(lost.len, 0);
}

/* A step finer than what is left of the first day: no sample is there twice, none is missing. */
static void
test_levels_meet_without_overlap(void **state)
{
	struct history *h;
	struct history_answer a;
	int64_t end = MONDAY + 4 * 86400 + 5000;
	double count = 0;

	(void)state;
	clear();
	h = open_it(&generous);
	for (int64_t at = MONDAY; at < end; at += 300) {
		append_one(h, "orders", "t", at, 1);
		if (at % 1800 == 0)
			work_off(h, at);
	}
	work_off(h, end);
	history_close(h);
	ask("orders", "t", MONDAY, end, 60, &a);
	for (size_t i = 0; i < a.series[0].npoints; i++)
		count += a.series[0].points[i].count;
	assert_true(count == (double)((end - MONDAY + 299) / 300));
	history_answer_done(&a);
}

static void
test_a_clock_that_jumps(void **state)
{
	static const int64_t jumps[] = { 0, 60, -86400, 86400 * 40, 120, -86400 * 300, 180, 240 };
	struct history *h;
	struct history_answer a;
	double count = 0;

	(void)state;
	clear();
	h = open_it(&generous);
	for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
		assert_int_equal(append_one(h, "orders", "t", MONDAY + jumps[i], (double)i), 0);
		work_off(h, MONDAY + jumps[i]);
	}
	work_off(h, MONDAY + 300);
	history_close(h);
	/* samples may have gone before their time, averages of all are there */
	ask("orders", "t", MONDAY - 86400 * 400, MONDAY + 86400 * 400, 3600, &a);
	for (size_t i = 0; i < a.series[0].npoints; i++)
		count += a.series[0].points[i].count;
	assert_true(count == (double)ARRAY_SIZE(jumps));
	history_answer_done(&a);
}

/* ---- who is kept ---- */

static void
test_the_worst_keep_their_places(void **state)
{
	struct history *h;
	struct history_answer a;

	(void)state;
	clear();
	h = open_it(&generous);
	for (unsigned run = 0; run < 200; run++) {
		_cleanup_str_ struct str batch = { 0 };
		struct history_value v[HISTORY_OBJECTS];
		char name[HISTORY_OBJECTS][16];

		/* twelve that stay; the tail is another eight each time */
		for (unsigned i = 0; i < HISTORY_OBJECTS; i++) {
			snprintf(name[i], sizeof(name[i]), "t%u", i < 12 ? i : i + run * 8);
			v[i] = (struct history_value){ name[i], 1000.0 - i };
		}
		history_batch_add(
		    &batch, "orders", "a-check", UNIT_COUNT, MONDAY + run * 10, v, HISTORY_OBJECTS);
		assert_int_equal(history_append(h, batch.s, batch.len, MONDAY + run * 10, NULL), 0);
	}
	history_close(h);
	ask("orders", NULL, MONDAY, MONDAY + 86400, 0, &a);
	assert_int_equal(a.nseries, HISTORY_OBJECTS);
	history_answer_done(&a);

	/* who comes among the ten worst gets in at once */
	h = open_it(&generous);
	for (unsigned run = 0; run < 2; run++) {
		_cleanup_str_ struct str batch = { 0 };
		struct history_value v[HISTORY_OBJECTS];
		char name[HISTORY_OBJECTS][16];

		for (unsigned i = 0; i < HISTORY_OBJECTS; i++) {
			snprintf(name[i], sizeof(name[i]), run && i == 9 ? "new" : "t%u", i);
			v[i] = (struct history_value){ name[i], 1000.0 - i };
		}
		history_batch_add(&batch, "orders", "a-check", UNIT_COUNT, MONDAY + 5000 + run * 10,
		    v, HISTORY_OBJECTS);
		assert_int_equal(
		    history_append(h, batch.s, batch.len, MONDAY + 5000 + run * 10, NULL), 0);
	}
	history_close(h);
	ask("orders", "new", MONDAY, MONDAY + 86400, 0, &a);
	assert_int_equal(a.nseries, 1);
	history_answer_done(&a);
}

static int64_t
folder_bytes(void)
{
	struct dirent *en;
	struct stat st;
	int64_t sum = 0;
	DIR *d = opendir(dir);

	assert_non_null(d);
	while ((en = readdir(d)))
		if (fstatat(dirfd(d), en->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
			sum += st.st_size;
	closedir(d);
	return sum;
}

static void
test_time_and_bytes_are_bounded(void **state)
{
	const struct history_limits tight = { 5 * 86400, 1 << 20 };
	struct history *h;
	struct history_answer a;
	int64_t at = MONDAY, most = 0;

	(void)state;
	clear();
	h = open_it(&tight);
	for (; at < MONDAY + 8 * 86400; at += 600) {
		_cleanup_str_ struct str batch = { 0 };

		for (unsigned db = 0; db < 60; db++) {
			char name[16];
			struct history_value v = { "", (double)dice(1U << 30) / 3 };

			snprintf(name, sizeof(name), "db%u", db);
			history_batch_add(&batch, name, "a-check", UNIT_COUNT, at, &v, 1);
		}
		assert_int_equal(history_append(h, batch.s, batch.len, at, NULL), 0);
		if (at % 1800 == 0)
			work_off(h, at);
		most = MAX(most, folder_bytes());
	}
	work_off(h, at);
	history_close(h);
	assert_true(most <= tight.max_bytes);
	ask("db3", "", MONDAY, at, 3600, &a);
	assert_true(a.series[0].npoints > 24);
	assert_true(a.series[0].points[0].at_s >= at - tight.keep_s - 2 * 86400);
	assert_true(a.series[0].points[a.series[0].npoints - 1].at_s >= at - 4200);
	history_answer_done(&a);

	/* a database that is no more ages out, its name too */
	h = open_it(&generous);
	history_set_limits(h, &tight);
	for (unsigned day = 1; day < 9; day++) {
		append_one(h, "db0", "", at + day * 86400, 1);
		work_off(h, at + day * 86400);
	}
	work_off(h, at + 10 * 86400);
	history_close(h);
	ask("db3", "", 0, at * 2, 3600, &a);
	assert_false(a.known);
	history_answer_done(&a);
	ask("db0", "", 0, at * 2, 3600, &a);
	assert_true(a.known);
	history_answer_done(&a);
}

/* ---- damage ---- */

static char *
slurp(const char *name, size_t *ret_len)
{
	char path[300];
	struct stat st;
	char *bytes;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	bytes = xcalloc(1, (size_t)st.st_size + 1);
	*ret_len = fread(bytes, 1, (size_t)st.st_size, f);
	fclose(f);
	return bytes;
}

static void
spill(const char *name, const char *bytes, size_t len)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

/* A log cut at every byte: what was whole before stays, and it is gone on with. */
static void
test_torn_tails(void **state)
{
	_cleanup_free_ char *bytes = NULL, *series = NULL;
	size_t len, nseries;
	struct history *h;

	(void)state;
	clear();
	h = open_it(&generous);
	for (unsigned i = 0; i < 6; i++)
		append_one(h, "orders", "t", MONDAY + i, (double)i);
	history_close(h);
	bytes = slurp("0000000001.log", &len);
	series = slurp("series", &nseries);
	for (size_t cut = 0; cut <= len; cut++) {
		struct history_answer a;
		size_t n;

		clear();
		assert_int_equal(mkdir(dir, 0700), 0);
		spill("0000000001.log", bytes, cut);
		spill("series", series, nseries);
		h = open_it(&generous);
		assert_int_equal(append_one(h, "orders", "t", MONDAY + 9, 9), 0);
		history_close(h);
		ask("orders", "t", MONDAY, MONDAY + 9, 0, &a);
		n = a.series[0].npoints;
		assert_true(n >= 1 && n <= 7);
		for (size_t i = 0; i + 1 < n; i++)
			assert_true(a.series[0].points[i].value == (double)i);
		assert_true(a.series[0].points[n - 1].value == 9);
		assert_int_equal(n == 7 && cut < len, 0);
		history_answer_done(&a);
	}
}

/* One bit of any file: nothing wrong is ever read, the rest goes on, and it is said. */
static void
flip_each(const char *name, int64_t end, size_t all)
{
	_cleanup_free_ char *bytes = NULL;
	size_t len;

	bytes = slurp(name, &len);
	for (size_t at = 0; at < len; at++) {
		struct history_answer a;
		struct history *h;
		char was = bytes[at];
		size_t n;

		str_reset(&lost);
		bytes[at] = (char)(was ^ (1 << dice(8)));
		spill(name, bytes, len);
		bytes[at] = was;
		h = open_it(&generous);
		work_off(h, end);
		assert_int_equal(append_one(h, "orders", "t", end + 60, 60), 0);
		history_close(h);
		ask("orders", "t", MONDAY, end + 60, 0, &a);
		assert_int_equal(a.nseries, 1);
		n = a.series[0].npoints;
		assert_true(n >= 1);
		for (size_t i = 0; i < n; i++) {
			const struct history_point *p = &a.series[0].points[i];

			assert_true(p->value >= p->min && p->value <= p->max);
			assert_true(p->min >= 0 && p->max <= 60);
		}
		if (n < all)
			assert_true(lost.len > 0 || a.damaged > 0);
		history_answer_done(&a);
	}
	spill(name, bytes, len);
}

static void
copy_files(const char *from, const char *to)
{
	_cleanup_free_ char *keep = xstrdup(dir), *source = xstrdup(from), *target = xstrdup(to);
	DIR *d = opendir(source);
	struct dirent *en;

	assert_non_null(d);
	mkdir(target, 0700);
	while ((en = readdir(d))) {
		size_t len;
		char *bytes;

		if (en->d_name[0] == '.')
			continue;
		snprintf(dir, sizeof(dir), "%s", source);
		bytes = slurp(en->d_name, &len);
		snprintf(dir, sizeof(dir), "%s", target);
		spill(en->d_name, bytes, len);
		free(bytes);
	}
	closedir(d);
	snprintf(dir, sizeof(dir), "%s", keep);
}

static void
test_flipped_bits(void **state)
{
	static const char *const names[] = { "0000000001-0000000001.raw",
		"0000000001-0000000001.5min", "0000000002.log", "series" };
	char kept[64];
	struct history *h;

	(void)state;
	clear();
	h = open_it(&generous);
	for (int64_t i = 0; i < 40; i++) {
		append_one(h, "orders", "t", MONDAY + i * 60, (double)i);
		work_off(h, MONDAY + i * 60);
	}
	history_close(h);
	snprintf(kept, sizeof(kept), "%s/kept", root);
	copy_files(dir, kept);
	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		flip_each(names[k], MONDAY + 2400, 40);
		clear();
		copy_files(kept, dir);
	}
	remove_tree(kept);
}

/* ---- the end comes between any two system calls ---- */

#define LIFE 6

struct shared {
	volatile int acknowledged;
};

static void
live(struct shared *s)
{
	struct history *h = NULL;

	if (history_open(dir, &generous, NULL, NULL, &h, NULL) < 0)
		_exit(3);
	for (int i = 0; i < LIFE; i++) {
		/* over an end of a window, and at last over that of a day */
		int64_t at = MONDAY + 86400 - 3600 + i * 900;

		if (append_one(h, "orders", i % 2 ? "a" : "b", at, i) < 0)
			_exit(4);
		s->acknowledged = i + 1;
		while (history_maintain(h, at, NULL) == 1)
			;
	}
	history_close(h);
	_exit(0);
}

/* What is on the disk is what a writer that is killed here leaves. */
static void
check_survivor(int acknowledged)
{
	int64_t later = MONDAY + 86400 + 9000;
	struct history_answer a;
	struct history *h = open_it(&generous);
	bool seen[LIFE + 1] = { false };

	assert_int_equal(append_one(h, "orders", "a", later, LIFE), 0);
	work_off(h, later);
	history_close(h);
	ask("orders", NULL, MONDAY, later, 0, &a);
	for (size_t k = 0; k < a.nseries; k++)
		for (size_t i = 0; i < a.series[k].npoints; i++) {
			const struct history_point *p = &a.series[k].points[i];

			assert_true(p->value >= 0 && p->value <= LIFE && p->count == 1);
			assert_false(seen[(int)p->value]);
			seen[(int)p->value] = true;
		}
	for (int i = 0; i < acknowledged; i++)
		assert_true(seen[i]);
	assert_true(seen[LIFE]);
	assert_int_equal(a.damaged, 0);
	history_answer_done(&a);
	/* averages are not doubled by what was done twice */
	ask("orders", NULL, MONDAY, later, 86400, &a);
	for (size_t k = 0; k < a.nseries; k++)
		for (size_t i = 0; i < a.series[k].npoints; i++)
			assert_true(a.series[k].points[i].count <= LIFE / 2 + 1);
	history_answer_done(&a);
}

static void
check_copy(int acknowledged)
{
	char copy[sizeof(dir)];

	if (access(dir, F_OK) < 0)
		return;
	snprintf(copy, sizeof(copy), "%s/copy", root);
	copy_files(dir, copy);
	snprintf(dir, sizeof(dir), "%s", copy);
	check_survivor(acknowledged);
	clear();
	snprintf(dir, sizeof(dir), "%s/h", root);
}

/* Names and sizes: a call that changes none leaves nothing new to look at. */
static uint64_t
fingerprint(void)
{
	uint64_t sum = 1469598103934665603U;
	struct dirent *en;
	struct stat st;
	DIR *d = opendir(dir);

	if (!d)
		return 0;
	while ((en = readdir(d))) {
		uint64_t one = 1469598103934665603U;

		if (en->d_name[0] == '.' || fstatat(dirfd(d), en->d_name, &st, 0) < 0)
			continue;
		for (const char *p = en->d_name; *p; p++)
			one = (one ^ (uint8_t)*p) * 1099511628211U;
		sum += one * (uint64_t)(st.st_size + 1);
	}
	closedir(d);
	return sum;
}

static void
test_the_end_between_any_two_calls(void **state)
{
	struct shared *s =
	    mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t last = 0;
	unsigned looked = 0;
	int status;
	pid_t pid;

	(void)state;
	assert_ptr_not_equal(s, MAP_FAILED);
	clear();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(77);
		raise(SIGSTOP);
		live(s);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status)) {
		print_message("no process may be traced here\n");
		munmap(s, sizeof(*s));
		skip();
	}
	while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) || WIFSIGNALED(status))
			break;
		if (fingerprint() == last)
			continue;
		last = fingerprint();
		check_copy(s->acknowledged);
		looked++;
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);

	assert_true(looked > 30);
	assert_int_equal(s->acknowledged, LIFE);
	munmap(s, sizeof(*s));
}

static int
setup(void **state)
{
	(void)state;
	/* where fsync costs nothing: thousands of lives pass here */
	snprintf(root, sizeof(root), "%s/dbhealth-history-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(root))
		return -1;
	snprintf(dir, sizeof(dir), "%s/h", root);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	clear();
	str_done(&lost);
	return rmdir(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_and_times_come_back),
		cmocka_unit_test(test_frames_are_whole_or_refused),
		cmocka_unit_test(test_samples_then_averages),
		cmocka_unit_test(test_levels_meet_without_overlap),
		cmocka_unit_test(test_a_clock_that_jumps),
		cmocka_unit_test(test_the_worst_keep_their_places),
		cmocka_unit_test(test_time_and_bytes_are_bounded),
		cmocka_unit_test(test_torn_tails),
		cmocka_unit_test(test_flipped_bits),
		cmocka_unit_test(test_the_end_between_any_two_calls),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
