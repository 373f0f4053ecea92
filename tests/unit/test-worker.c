/* Worker processes through real ones: this program re-executes itself in the roles below. */
#include "base/clock.h"
#include "base/str.h"
#include "worker/worker.h"

#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

enum {
	PLAY_ECHO = 1,
	PLAY_BIG,
	PLAY_HANG,
	PLAY_ABORT,
	PLAY_EXIT,
	PLAY_GARBAGE,
	PLAY_HUGE_HEAD,
	PLAY_LOOK,
	PLAY_ALLOCATE,
	PLAY_CHILD,
	PLAY_CLOSE_AND_LIVE,
	PLAY_AFTER_END,
	PLAY_PROGRAM,
	PLAY_ANSWER = 100,
};

/* ---- the worker's side ---- */

static void
look_around(struct str *s)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "DB_POOL_SIZE", "WATCHDOG_USEC",
		"CREDENTIALS_DIRECTORY", "PLAY_KEEP" };
	struct rlimit core = { 1, 1 };
	struct dirent *e;
	DIR *d = opendir("/proc/self/fd");
	char link[64] = { 0 };
	int n = 0, parent_signal = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (getenv(names[i]))
			str_addf(s, "%s ", names[i]);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	getrlimit(RLIMIT_CORE, &core);
	prctl(PR_GET_PDEATHSIG, &parent_signal);
	if (readlink("/proc/self/fd/0", link, sizeof(link) - 1) < 0)
		link[0] = '\0';
	/* One descriptor is the folder being read. */
	str_addf(s, "fds=%d stdin=%s core=%d nnp=%d pdeath=%d group=%d pipe=%d", n - 1, link,
	    (int)core.rlim_cur, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), parent_signal,
	    getpgrp() == getpid(), signal(SIGPIPE, SIG_DFL) == SIG_DFL);
}

static int
send_text(struct str *s)
{
	int r = worker_send(PLAY_ANSWER, str_text(s), s->len);

	str_done(s);
	return r;
}

static int
play_big(const char *payload)
{
	size_t n = (size_t)atoi(payload);
	_cleanup_free_ char *mb = xcalloc(1, WORKER_FRAME_MAX);

	for (size_t i = 0; i < n; i++) {
		memset(mb, (int)('a' + i % 26), WORKER_FRAME_MAX);
		if (worker_send(PLAY_ANSWER, mb, WORKER_FRAME_MAX) < 0)
			return -1;
	}
	assert(worker_send(PLAY_ANSWER, mb, WORKER_FRAME_MAX + 1) == -EMSGSIZE);
	assert(worker_send(0, mb, 1) == -EINVAL);
	return 0;
}

static int
play_raw(const void *bytes, size_t len)
{
	return write(3, bytes, len) == (ssize_t)len ? 0 : -1;
}

static _noreturn_ void
hang(void)
{
	for (;;)
		pause();
}

static int
play_serve(uint32_t type, const char *payload, size_t len)
{
	static const uint32_t huge[2] = { (uint32_t)WORKER_FRAME_MAX + 1, PLAY_ANSWER };
	static const uint32_t twice_end[4] = { 0, 0, 0, 0 };
	struct str s = { 0 };
	pid_t child;

	switch (type) {
	case PLAY_ECHO:
		return worker_send(PLAY_ANSWER, payload, len);
	case PLAY_BIG:
		return play_big(payload);
	case PLAY_HANG:
		str_addf(&s, "%d", (int)getpid());
		send_text(&s);
		hang();
	case PLAY_ABORT:
		abort();
	case PLAY_EXIT:
		_exit(7);
	case PLAY_PROGRAM:
		execl("/bin/true", "true", NULL);
		return -1;
	case PLAY_GARBAGE:
		play_raw("\xff\xff\xff\xff\xff\xff\xff\xff garbage", 16);
		hang();
	case PLAY_HUGE_HEAD:
		play_raw(huge, sizeof(huge));
		hang();
	case PLAY_LOOK:
		look_around(&s);
		return send_text(&s);
	case PLAY_ALLOCATE: {
		/* Volatile: else the compiler leaves the allocation out. */
		char *volatile p = malloc((size_t)atoi(payload) << 20);

		str_add(&s, p ? "yes" : "no");
		free(p);
		return send_text(&s);
	}
	case PLAY_CHILD:
		child = fork();
		if (child == 0)
			hang();
		str_addf(&s, "%d", (int)child);
		send_text(&s);
		hang();
	case PLAY_CLOSE_AND_LIVE:
		close(3);
		hang();
	case PLAY_AFTER_END:
		return play_raw(twice_end, sizeof(twice_end));
	default:
		return -1;
	}
}

static const struct worker_role play_role = { .name = "play", .serve = play_serve };
static const struct worker_role small_role = {
	.name = "small",
	.address_space = (size_t)256 << 20,
	.idle_io = true,
	.credentials = true,
	.serve = play_serve,
};
static int
fail_begin(void)
{
	return -1;
}
static const struct worker_role broken_role = {
	.name = "broken",
	.serve = play_serve,
	.begin = fail_begin,
};
static const struct worker_role confined_role = {
	.name = "confined",
	.sandbox = SANDBOX_READS,
	.serve = play_serve,
};
const struct worker_role *const worker_roles[] = { &play_role, &small_role, &broken_role,
	&confined_role, NULL };

/* ---- the loop's side ---- */

struct stage {
	struct event_base *base;
	struct worker_pool *pool;
	int open_jobs;
};

/* One job and what came of it. */
struct act {
	struct stage *stage;
	struct worker_job *job;
	struct str text;
	size_t frames, bytes;
	bool free_pool_on_message, free_pool_on_end, cancel_on_message;
	int ends;
	pid_t pid;
	enum worker_end end;
	char why[512];
};

static void
on_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct act *act = arg;

	assert_int_equal(type, PLAY_ANSWER);
	assert_int_equal(act->ends, 0);
	act->frames++;
	act->pid = worker_job_pid(act->job);
	act->bytes += len;
	if (len < 4096)
		str_addn(&act->text, payload, len);
	else
		assert_int_equal(payload[0], payload[len - 1]);
	if (act->cancel_on_message)
		worker_cancel(act->job);
	if (act->free_pool_on_message)
		act->stage->pool = worker_pool_free(act->stage->pool);
}

static void
on_end(enum worker_end end, const struct err *err, void *arg)
{
	struct act *act = arg;

	assert_int_equal(err == NULL, end == WORKER_DONE);
	act->ends++;
	act->end = end;
	snprintf(act->why, sizeof(act->why), "%s", err ? err->msg : "");
	if (act->free_pool_on_end)
		act->stage->pool = worker_pool_free(act->stage->pool);
	if (--act->stage->open_jobs == 0)
		event_base_loopbreak(act->stage->base);
}

static struct stage
stage_new(const char *role, unsigned processes, unsigned queue, bool keep)
{
	struct worker_limits limits = { .processes = processes, .queue = queue, .keep = keep };
	struct stage st = { .base = event_base_new() };
	struct err err;

	assert_int_equal(worker_pool_new(st.base, role, &limits, &st.pool, &err), 0);
	return st;
}

static void
stage_free(struct stage *st)
{
	st->pool = worker_pool_free(st->pool);
	event_base_free(st->base);
}

static int
submit(struct stage *st, struct act *act, uint32_t type, const char *payload, int64_t deadline_us,
    int64_t wait_us)
{
	int r = worker_submit(st->pool, type, payload, strlen(payload), deadline_us, wait_us,
	    on_message, on_end, act, &act->job);

	act->stage = st;
	if (r == 0)
		st->open_jobs++;
	return r;
}

static void
run(struct stage *st)
{
	while (st->open_jobs > 0)
		event_base_dispatch(st->base);
}

/* Until no process is left, so that what leaves by itself can be told from what is killed. */
static void
run_until_gone(struct stage *st)
{
	while (worker_pool_processes(st->pool) > 0)
		event_base_loop(st->base, EVLOOP_ONCE);
}

static void
play(const char *role, uint32_t type, const char *payload, int64_t deadline_us, struct act *ret)
{
	struct stage st = stage_new(role, 1, 4, false);

	assert_int_equal(submit(&st, ret, type, payload, deadline_us, 0), 0);
	run(&st);
	assert_int_equal(ret->ends, 1);
	stage_free(&st);
}

static int
count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int fds_before;

static int
each_begin(void **state)
{
	(void)state;
	fds_before = count_fds();
	return 0;
}

/* After every test: no child of ours, dead or alive, and no descriptor more than before. */
static int
each_end(void **state)
{
	int fds = count_fds(), status = 0;
	pid_t child = waitpid(-1, &status, WNOHANG);

	(void)state;
	if (child >= 0)
		print_error("child %d left behind, status %x\n", (int)child, (unsigned)status);
	if (fds != fds_before)
		print_error("%d descriptors, %d before\n", fds, fds_before);
	return child == -1 && errno == ECHILD && fds == fds_before ? 0 : -1;
}

static void
test_ends(void **state)
{
	static const struct {
		const char *role;
		uint32_t type;
		const char *payload;
		int64_t deadline_us;
		enum worker_end end;
		const char *text, *why;
	} rows[] = {
		{ "play", PLAY_ECHO, "hello", 0, WORKER_DONE, "hello", "" },
		{ "play", PLAY_ECHO, "", 0, WORKER_DONE, "", "" },
		{ "play", PLAY_ABORT, "", 0, WORKER_CRASHED, "", "SIGABRT" },
		{ "play", PLAY_EXIT, "", 0, WORKER_FAILED, "", "code 7" },
		{ "play", 99, "", 0, WORKER_FAILED, "", "code 1" },
		{ "play", PLAY_GARBAGE, "", 0, WORKER_FAILED, "", "malformed" },
		{ "play", PLAY_HUGE_HEAD, "", 0, WORKER_FAILED, "", "malformed" },
		{ "play", PLAY_AFTER_END, "", 0, WORKER_DONE, "", "" },
		{ "play", PLAY_HANG, "", 30 * USEC_PER_MSEC, WORKER_TIMEOUT, NULL, "30 ms" },
		{ "broken", PLAY_ECHO, "x", 0, WORKER_FAILED, "", "code 1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct act act = { 0 };

		play(rows[i].role, rows[i].type, rows[i].payload, rows[i].deadline_us, &act);
		assert_int_equal(act.end, rows[i].end);
		if (rows[i].text)
			assert_string_equal(str_text(&act.text), rows[i].text);
		assert_non_null(strstr(act.why, rows[i].why));
		str_done(&act.text);
	}
}

/* What a filter ended a worker for is told by its name. */
static void
test_confined(void **state)
{
	static const struct {
		uint32_t type;
		enum worker_end end;
		const char *text, *why;
	} rows[] = {
		{ PLAY_ECHO, WORKER_DONE, "hello", "" },
		{ PLAY_ABORT, WORKER_CRASHED, "", "confined worker ended by SIGABRT" },
		{ PLAY_PROGRAM, WORKER_CRASHED, "",
		    "confined worker ended by SIGSYS for the system call execve" },
	};

	(void)state;
	if (worker_confinement_missing())
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct act act = { 0 };

		play("confined", rows[i].type, "hello", 0, &act);
		assert_int_equal(act.end, rows[i].end);
		assert_string_equal(str_text(&act.text), rows[i].text);
		assert_string_equal(act.why, rows[i].why);
		str_done(&act.text);
	}
}

/* Closing the stream is no answer: after a while the process is killed and its job fails. */
static void
test_close_and_live(void **state)
{
	struct act act = { 0 };

	(void)state;
	play("play", PLAY_CLOSE_AND_LIVE, "", 0, &act);
	assert_int_equal(act.end, WORKER_FAILED);
	assert_non_null(strstr(act.why, "lives on"));
}

static void
test_surroundings(void **state)
{
	struct act act = { 0 }, small = { 0 };
	int extra = open("/dev/null", O_RDONLY); /* not close-on-exec, and yet not inherited */

	(void)state;
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	setenv("WATCHDOG_USEC", "1", 1);
	setenv("DB_POOL_SIZE", "3", 1);
	setenv("CREDENTIALS_DIRECTORY", "/nowhere", 1);
	setenv("PLAY_KEEP", "1", 1);
	signal(SIGPIPE, SIG_IGN);
	play("play", PLAY_LOOK, "", 0, &act);
	assert_string_equal(str_text(&act.text), "PLAY_KEEP fds=4 stdin=/dev/null core=0 nnp=1 "
	                                         "pdeath=9 group=1 pipe=1");
	play("small", PLAY_LOOK, "", 0, &small);
	assert_true(str_starts(str_text(&small.text), "CREDENTIALS_DIRECTORY PLAY_KEEP "));
	signal(SIGPIPE, SIG_DFL);
	close(extra);
	str_done(&act.text);
	str_done(&small.text);
}

static void
test_address_space(void **state)
{
	struct act small = { 0 }, unlimited = { 0 };

	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	skip();
#endif
	play("small", PLAY_ALLOCATE, "300", 0, &small);
	assert_string_equal(str_text(&small.text), "no");
	play("play", PLAY_ALLOCATE, "300", 0, &unlimited);
	assert_string_equal(str_text(&unlimited.text), "yes");
	str_done(&small.text);
	str_done(&unlimited.text);
}

static void
test_big_both_ways(void **state)
{
	struct stage st = stage_new("play", 2, 8, true);
	struct act echo = { 0 }, big = { 0 };
	_cleanup_free_ char *mb = xcalloc(1, WORKER_FRAME_MAX + 2);

	(void)state;
	memset(mb, 'x', WORKER_FRAME_MAX + 1);
	assert_int_equal(submit(&st, &echo, PLAY_ECHO, mb, 0, 0), -EMSGSIZE);
	mb[WORKER_FRAME_MAX] = '\0';
	assert_int_equal(submit(&st, &echo, PLAY_ECHO, mb, 0, 0), 0);
	assert_int_equal(submit(&st, &big, PLAY_BIG, "40", 0, 0), 0);
	run(&st);
	assert_int_equal(echo.end, WORKER_DONE);
	assert_int_equal(echo.bytes, WORKER_FRAME_MAX);
	assert_int_equal(big.end, WORKER_DONE);
	assert_int_equal(big.frames, 40);
	stage_free(&st);
}

static void
test_many_jobs(void **state)
{
	struct stage st = stage_new("play", 4, 200, true);
	struct act acts[200] = { 0 }, refused = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
		char text[16];

		snprintf(text, sizeof(text), "job %zu", i);
		/* Each tenth kills its process, which is replaced. */
		assert_int_equal(submit(&st, &acts[i], i % 10 == 9 ? PLAY_ABORT : PLAY_ECHO, text,
		                     5 * USEC_PER_SEC, 0),
		    0);
	}
	assert_int_equal(worker_pool_queued(st.pool), 200);
	assert_int_equal(submit(&st, &refused, PLAY_ECHO, "", 0, 0), -EAGAIN);
	while (st.open_jobs > 0) {
		event_base_loop(st.base, EVLOOP_ONCE);
		assert_true(worker_pool_processes(st.pool) <= 4);
	}
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
		char text[16];

		snprintf(text, sizeof(text), "job %zu", i);
		assert_int_equal(acts[i].ends, 1);
		assert_int_equal(acts[i].end, i % 10 == 9 ? WORKER_CRASHED : WORKER_DONE);
		assert_string_equal(str_text(&acts[i].text), i % 10 == 9 ? "" : text);
		str_done(&acts[i].text);
	}
	stage_free(&st);
}

static void
test_leaves_by_itself(void **state)
{
	struct stage st = stage_new("play", 1, 4, false);
	struct act act = { 0 };
	int64_t start = clock_now_us();

	(void)state;
	assert_int_equal(submit(&st, &act, PLAY_ECHO, "x", 0, 0), 0);
	run(&st);
	assert_int_equal(worker_pool_processes(st.pool), 1);
	run_until_gone(&st);
	/* Not by the grace period's kill. */
	assert_true(clock_now_us() - start < 500 * USEC_PER_MSEC);
	str_done(&act.text);
	stage_free(&st);
}

static void
test_queue_wait_and_cancel(void **state)
{
	struct stage st = stage_new("play", 1, 8, true);
	struct act hang_act = { 0 }, late = { 0 }, cancelled = { 0 }, after = { 0 };

	(void)state;
	assert_int_equal(submit(&st, &hang_act, PLAY_HANG, "", 100 * USEC_PER_MSEC, 0), 0);
	assert_int_equal(submit(&st, &late, PLAY_ECHO, "x", 0, 20 * USEC_PER_MSEC), 0);
	assert_int_equal(submit(&st, &cancelled, PLAY_ECHO, "x", 0, 0), 0);
	assert_int_equal(submit(&st, &after, PLAY_ECHO, "after", 0, 0), 0);
	worker_cancel(cancelled.job);
	assert_int_equal(cancelled.ends, 0);
	while (hang_act.frames == 0)
		event_base_loop(st.base, EVLOOP_ONCE);
	assert_int_equal(cancelled.end, WORKER_CANCELLED);
	assert_int_equal(worker_job_pid(hang_act.job), atoi(str_text(&hang_act.text)));
	run(&st);
	assert_int_equal(late.end, WORKER_TIMEOUT);
	assert_non_null(strstr(late.why, "no free play worker"));
	assert_int_equal(hang_act.end, WORKER_TIMEOUT);
	assert_int_equal(after.end, WORKER_DONE);
	assert_string_equal(str_text(&after.text), "after");
	str_done(&hang_act.text);
	str_done(&after.text);
	stage_free(&st);
}

static void
test_cancel_running(void **state)
{
	struct stage st = stage_new("play", 1, 8, true);
	struct act act = { .cancel_on_message = true };

	(void)state;
	assert_int_equal(submit(&st, &act, PLAY_BIG, "20", 0, 0), 0);
	run(&st);
	assert_int_equal(act.end, WORKER_CANCELLED);
	assert_int_equal(act.frames, 1);
	str_done(&act.text);
	stage_free(&st);
}

static void
test_free_with_jobs(void **state)
{
	(void)state;
	for (int how = 0; how < 4; how++) {
		struct stage st = stage_new("play", 2, 8, true);
		struct act acts[4] = { 0 };
		int ended = 0;

		acts[0].free_pool_on_message = how == 1;
		acts[1].free_pool_on_end = how == 2;
		for (size_t i = 0; i < ARRAY_SIZE(acts); i++)
			assert_int_equal(
			    submit(&st, &acts[i], i == 1 ? PLAY_ECHO : PLAY_HANG, "", 0, 0), 0);
		if (how == 0)
			st.pool = worker_pool_free(st.pool);
		else if (how == 3) {
			while (acts[0].frames == 0)
				event_base_loop(st.base, EVLOOP_ONCE);
			st.pool = worker_pool_free(st.pool);
		} else
			run(&st);
		assert_null(st.pool);
		for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
			ended += acts[i].ends;
			assert_true(acts[i].end == WORKER_CANCELLED || i == 1);
			str_done(&acts[i].text);
		}
		assert_int_equal(ended, 4);
		stage_free(&st);
	}
}

/* A worker's own child dies with it. */
static void
test_group_is_killed(void **state)
{
	struct stage st = stage_new("play", 1, 8, true);
	struct act act = { 0 };
	pid_t child;
	int status;

	(void)state;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	assert_int_equal(submit(&st, &act, PLAY_CHILD, "", 100 * USEC_PER_MSEC, 0), 0);
	run(&st);
	child = atoi(str_text(&act.text));
	assert_true(child > 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	str_done(&act.text);
	stage_free(&st);
}

/* In a forked process: starts a worker, tells its pid, dies at once. */
static _noreturn_ void
die_as_parent(int fd)
{
	struct stage st = stage_new("play", 1, 8, true);
	struct act act = { 0 };

	submit(&st, &act, PLAY_HANG, "", 0, 0);
	while (act.frames == 0)
		event_base_loop(st.base, EVLOOP_ONCE);
	if (write(fd, act.text.s, act.text.len) < 0)
		_exit(1);
	kill(getpid(), SIGKILL);
	_exit(1);
}

static void
test_parent_death(void **state)
{
	int pipes[2], status;
	char text[16] = { 0 };
	pid_t parent, worker;

	(void)state;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	parent = fork();
	if (parent == 0)
		die_as_parent(pipes[1]);
	close(pipes[1]);
	assert_true(read(pipes[0], text, sizeof(text) - 1) > 0);
	worker = atoi(text);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	/* It hangs for ever otherwise. */
	assert_int_equal(waitpid(worker, &status, 0), worker);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	close(pipes[0]);
}

/* The owner of the loop may reap every child or ignore SIGCHLD: the job still ends. */
static void
test_status_lost(void **state)
{
	struct act act = { 0 };

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	play("play", PLAY_ABORT, "", 0, &act);
	signal(SIGCHLD, SIG_DFL);
	assert_int_equal(act.end, WORKER_FAILED);
	assert_non_null(strstr(act.why, "status was lost"));
}

static void
echo(struct stage *st, pid_t *ret_pid)
{
	struct act act = { 0 };

	assert_int_equal(submit(st, &act, PLAY_ECHO, "x", 0, 0), 0);
	run(st);
	assert_int_equal(act.end, WORKER_DONE);
	*ret_pid = act.pid;
	str_done(&act.text);
}

static void
test_kept_worker_is_replaced(void **state)
{
	struct stage st = stage_new("play", 1, 8, true);
	const struct worker_limits limits = { .processes = 1, .queue = 8, .keep = true, .jobs = 3 };
	struct err err = { 0 };
	pid_t pid[7];

	(void)state;
	worker_pool_free(st.pool);
	assert_int_equal(worker_pool_new(st.base, "play", &limits, &st.pool, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++)
		echo(&st, &pid[i]);
	for (size_t i = 1; i < ARRAY_SIZE(pid); i++)
		assert_int_equal(pid[i] == pid[i - 1], i % 3 != 0);
	stage_free(&st);
}

static void
test_kept_worker_rests(void **state)
{
	struct stage st = stage_new("play", 2, 8, true);
	struct act busy = { 0 };
	pid_t first, second, third;

	(void)state;
	worker_pool_rest(st.pool); /* nobody there */
	echo(&st, &first);
	echo(&st, &second);
	assert_int_equal(first, second);
	worker_pool_rest(st.pool);
	worker_pool_rest(st.pool);
	run_until_gone(&st);
	assert_int_equal(submit(&st, &busy, PLAY_ECHO, "y", 0, 0), 0);
	event_base_loop(st.base, EVLOOP_NONBLOCK);
	worker_pool_rest(st.pool); /* its job is not taken from who has one */
	run(&st);
	assert_int_equal(busy.end, WORKER_DONE);
	assert_string_equal(str_text(&busy.text), "y");
	echo(&st, &third);
	assert_int_not_equal(third, first);
	str_done(&busy.text);
	stage_free(&st);
}

static void
test_idle_worker_dies(void **state)
{
	struct stage st = stage_new("play", 1, 8, true);
	struct act first = { 0 }, second = { 0 };

	(void)state;
	assert_int_equal(submit(&st, &first, PLAY_ECHO, "a", 0, 0), 0);
	run(&st);
	assert_int_equal(first.end, WORKER_DONE);
	assert_int_equal(worker_pool_processes(st.pool), 1);
	assert_int_equal(kill(first.pid, SIGKILL), 0);
	run_until_gone(&st);
	assert_int_equal(submit(&st, &second, PLAY_ECHO, "b", 0, 0), 0);
	run(&st);
	assert_int_equal(second.end, WORKER_DONE);
	assert_int_not_equal(second.pid, first.pid);
	str_done(&first.text);
	str_done(&second.text);
	stage_free(&st);
}

/* One job after the other in one process. */
static void
test_kept_worker(void **state)
{
	struct stage st = stage_new("play", 1, 8, true);
	struct act acts[3] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++)
		assert_int_equal(submit(&st, &acts[i], PLAY_ECHO, "a", 0, 0), 0);
	run(&st);
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
		assert_int_equal(acts[i].pid, acts[0].pid);
		str_done(&acts[i].text);
	}
	stage_free(&st);
}

static void
test_refusals(void **state)
{
	struct event_base *base = event_base_new();
	struct worker_limits none = { 0 }, one = { 1, 1, false };
	struct worker_pool *pool = NULL;
	struct err err;

	(void)state;
	assert_int_equal(worker_pool_new(base, "nobody", &one, &pool, &err), -ENOENT);
	assert_int_equal(worker_pool_new(base, "play", &none, &pool, &err), -EINVAL);
	assert_int_equal(worker_pool_new(base, "play", &one, &pool, &err), 0);
	assert_int_equal(worker_submit(pool, 0, "", 0, 0, 0, NULL, on_end, NULL, NULL), -EINVAL);
	worker_pool_free(pool);
	event_base_free(base);
}

int
main(int argc, char **argv)
{
	worker_main_if_asked(argc, argv);

#define TEST(f) cmocka_unit_test_setup_teardown(f, each_begin, each_end)
	const struct CMUnitTest tests[] = {
		TEST(test_ends),
		TEST(test_confined),
		TEST(test_close_and_live),
		TEST(test_surroundings),
		TEST(test_address_space),
		TEST(test_big_both_ways),
		TEST(test_many_jobs),
		TEST(test_leaves_by_itself),
		TEST(test_queue_wait_and_cancel),
		TEST(test_cancel_running),
		TEST(test_free_with_jobs),
		TEST(test_group_is_killed),
		TEST(test_parent_death),
		TEST(test_status_lost),
		TEST(test_kept_worker_is_replaced),
		TEST(test_kept_worker_rests),
		TEST(test_idle_worker_dies),
		TEST(test_kept_worker),
		TEST(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
