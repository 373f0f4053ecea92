/*
 * The history at full size: DATABASES x CHECKS samples each minute for HOURS of a day that ends in
 * between (or of some days up to END), as fast as it goes.  Prints one JSON object: CPU by side,
 * bytes by level, times of questions.
 */
#include "history/history.h"
#include "base/clock.h"
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MONDAY INT64_C(1772409600)
#define BATCH  5 /* seconds */

static uint64_t seed = 7;

static double
dice(void)
{
	seed = seed * 6364136223846793005U + 1442695040888963407U;
	return (double)(seed >> 11) / 9007199254740992.0;
}

static double
cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* As checks are: many do not move, some count or grow, some are noise. */
static double
next_value(unsigned check, double last)
{
	switch (check % 10) {
	case 0:
	case 1:
	case 2:
	case 3:
		return check;
	case 4:
	case 5:
		return dice() < 0.1 ? (double)(int64_t)(dice() * 40) : last;
	case 6:
		return last + (double)(int64_t)(dice() * 1e6);
	case 7:
		return last + (double)(int64_t)((dice() - 0.5) * 8192) * 8192;
	}
	return dice();
}

static void
fail(const struct err *e)
{
	fprintf(stderr, "history: %s\n", e->msg);
	exit(1);
}

static int64_t
bytes_of(const char *dir, const char *end)
{
	DIR *d = opendir(dir);
	struct dirent *en;
	struct stat st;
	int64_t sum = 0;

	while (d && (en = readdir(d)))
		if (str_ends(en->d_name, end) && fstatat(dirfd(d), en->d_name, &st, 0) == 0 &&
		    S_ISREG(st.st_mode))
			sum += st.st_size;
	if (d)
		closedir(d);
	return sum;
}

static double
ask_ms(const char *dir, int64_t from_s, int64_t to_s, int64_t step_s, const char *object)
{
	double best = 1e9;

	for (unsigned i = 0; i < 5; i++) {
		const struct history_query q = { "database-5", "check-48", object, from_s, to_s,
			step_s };
		struct history_answer a = { 0 };
		struct err e = { 0 };
		int64_t began = clock_now_us();

		if (history_read(dir, &q, &a, &e) < 0)
			fail(&e);
		best = MIN(best, (double)(clock_now_us() - began) / 1000);
		if (a.nseries != 1 || a.series[0].npoints == 0)
			fail(&(struct err){ .msg = "nothing was found" });
		history_answer_done(&a);
	}
	return best;
}

int
main(int argc, char **argv)
{
	const struct history_limits limits = { INT64_C(400) * 86400, INT64_C(8) << 30 };
	unsigned databases = argc > 4 ? (unsigned)atoi(argv[2]) : 0;
	unsigned checks = argc > 4 ? (unsigned)atoi(argv[3]) : 0;
	double hours = argc > 4 ? atof(argv[4]) : 0, loop = 0, writer = 0, began, worst_ms = 0;
	int64_t length = (int64_t)(hours * 3600), samples = 0, at;
	int64_t end = argc > 5 ? atoll(argv[5]) : MONDAY + 86400 + length / 4, start = end - length;
	double *values = xcalloc((size_t)databases * checks + 1, sizeof(*values));
	struct history *h = NULL;
	struct err e = { 0 };
	struct rusage u;

	if (databases == 0 || checks == 0 || hours <= 0) {
		fprintf(stderr, "usage: history FOLDER DATABASES CHECKS HOURS [END]\n");
		return 64;
	}
	if (history_open(argv[1], &limits, NULL, NULL, &h, &e) < 0)
		fail(&e);
	for (at = start; at < end; at += BATCH) {
		_cleanup_str_ struct str batch = { 0 };
		unsigned slot = (unsigned)(at / BATCH % (60 / BATCH));
		int r;

		began = cpu_s();
		for (unsigned i = slot; i < databases * checks; i += 60 / BATCH) {
			char scope[32], check[32];
			struct history_value v = { "", 0 };

			values[i] = v.value = next_value(i % checks, values[i]);
			snprintf(scope, sizeof(scope), "database-%u", i / checks);
			snprintf(check, sizeof(check), "check-%u", i % checks);
			history_batch_add(&batch, scope, check, UNIT_COUNT, at, &v, 1);
			samples++;
		}
		loop += cpu_s() - began;
		began = cpu_s();
		if (history_append(h, batch.s, batch.len, at, &e) < 0)
			fail(&e);
		writer += cpu_s() - began;
		if (at % 300 >= BATCH)
			continue;
		began = cpu_s();
		do {
			int64_t step = clock_now_us();

			r = history_maintain(h, at, &e);
			if (r < 0)
				fail(&e);
			worst_ms = MAX(worst_ms, (double)(clock_now_us() - step) / 1000);
		} while (r == 1);
		writer += cpu_s() - began;
	}
	history_close(h);
	getrusage(RUSAGE_SELF, &u);
	printf("{\"samples\":%lld,\"seconds\":%.0f,\"loop_s\":%.3f,\"writer_s\":%.3f,"
	       "\"worst_step_ms\":%.0f,\"rss_kb\":%ld,\"raw\":%lld,\"minutes\":%lld,\"hours\":%lld,"
	       "\"log\":%lld,\"names\":%lld,",
	    (long long)samples, hours * 3600, loop, writer, worst_ms, u.ru_maxrss,
	    (long long)bytes_of(argv[1], ".raw"), (long long)bytes_of(argv[1], ".5min"),
	    (long long)bytes_of(argv[1], ".1h"), (long long)bytes_of(argv[1], ".log"),
	    (long long)bytes_of(argv[1], "series"));
	printf(
	    "\"hour_raw_ms\":%.1f,\"all_raw_ms\":%.1f,\"all_5min_ms\":%.1f,\"all_1h_ms\":%.1f}\n",
	    ask_ms(argv[1], end - 3600, end, 0, ""), ask_ms(argv[1], start, end, 0, ""),
	    ask_ms(argv[1], start, end, 300, ""), ask_ms(argv[1], start, end, 3600, ""));
	free(values);
	return 0;
}
