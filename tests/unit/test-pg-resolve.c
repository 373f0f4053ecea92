/* The resolve worker as a real process, also with name servers and files that never answer. */
#include "base/clock.h"
#include "base/str.h"
#include "pg/plan.h"
#include "tree.h"
#include "worker/worker.h"
#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

const struct worker_role *const worker_roles[] = { &resolve_role, NULL };

static char folder[] = "/tmp/dbhealth-resolve-XXXXXX";
static struct event_base *base;

struct job {
	bool is_ended;
	enum worker_end end;
	struct pg_plan *plan;
	json_t *sockets;
	int code;
	struct err err;
	int ticks; /* turns of a 5 ms timer meanwhile */
};

static int
set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	setenv("HOME", folder, 1);
	setenv("RUNTIME_DIRECTORY", folder, 1);
	base = event_base_new();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	event_base_free(base);
	return remove_tree(folder);
}

static void
on_message(uint32_t type, const char *payload, size_t len, void *arg)
{
	struct job *j = arg;

	if (type == RESOLVE_ANSWER)
		j->code = resolve_answer(payload, len, &j->plan, &j->err);
	else if (type == RESOLVE_SOCKETS)
		j->sockets = json_loadb(payload, len, 0, NULL);
}

static void
on_end(enum worker_end end, const struct err *e, void *arg)
{
	struct job *j = arg;

	(void)e;
	j->is_ended = true;
	j->end = end;
	event_base_loopbreak(base);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	((struct job *)arg)->ticks++;
}

static struct job
run_job(uint32_t type, const char *payload, int64_t deadline_us)
{
	const struct worker_limits limits = { .processes = 1, .queue = 4 };
	const struct timeval tick = { 0, 5000 };
	struct worker_pool *pool = NULL;
	struct worker_job *handle;
	struct job j = { 0 };
	struct err e = { 0 };
	struct event *timer = event_new(base, -1, EV_PERSIST, on_tick, &j);

	event_add(timer, &tick);
	assert_int_equal(worker_pool_new(base, "resolve", &limits, &pool, &e), 0);
	assert_int_equal(worker_submit(pool, type, payload, strlen(payload), deadline_us, 0,
	                     on_message, on_end, &j, &handle),
	    0);
	while (!j.is_ended)
		event_base_dispatch(base);
	worker_pool_free(pool);
	event_free(timer);
	return j;
}

static struct job
resolve(const char *dsn, int64_t deadline_us)
{
	_cleanup_free_ char *payload = resolve_job(dsn);

	return run_job(RESOLVE_JOB, payload, deadline_us);
}

static const char *
password_of(const struct pg_plan *p)
{
	for (size_t i = 0; pg_plan_keywords(p)[i]; i++)
		if (streq(pg_plan_keywords(p)[i], "password"))
			return pg_plan_values(p)[i];
	return "none";
}

static void
run_answers(void **state)
{
	_cleanup_free_ char *pass = xasprintf("%s/.pgpass", folder);
	FILE *f = fopen(pass, "w");
	struct job j;

	(void)state;
	fputs("*:*:*:u:from the file\n", f);
	fchmod(fileno(f), 0600);
	fclose(f);
	j = resolve("postgresql://u@localhost/d", 10 * USEC_PER_SEC);
	assert_int_equal(j.end, WORKER_DONE);
	assert_int_equal(j.code, 0);
	assert_string_equal(pg_plan_endpoint(j.plan), "localhost:5432 as u");
	assert_string_equal(password_of(j.plan), "from the file");
	pg_plan_unref(j.plan);
	setenv("PGPASSWORD", "from the environment", 1);
	j = resolve("postgresql://u@localhost/d", 10 * USEC_PER_SEC);
	unsetenv("PGPASSWORD");
	assert_string_equal(password_of(j.plan), "from the environment");
	pg_plan_unref(j.plan);
	j = resolve("host=/tmp port=none user=u", 10 * USEC_PER_SEC);
	assert_int_equal(j.end, WORKER_DONE);
	assert_int_equal(j.code, -EINVAL);
	assert_non_null(strstr(j.err.msg, "none"));
}

static void
run_discovers(void **state)
{
	static const char *const names[] = { ".s.PGSQL.5432", ".s.PGSQL.5433.lock", ".s.PGSQL.x",
		"other" };
	_cleanup_free_ char *payload = xasprintf("[\"%s\", \"/absent\"]", folder), *expected = NULL;
	_cleanup_free_ char *plain = xasprintf("%s/.s.PGSQL.7", folder);
	struct job j;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct sockaddr_un un = { .sun_family = AF_UNIX };
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", folder, names[i]);
		assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
		close(fd);
	}
	assert_int_equal(close(open(plain, O_WRONLY | O_CREAT, 0600)), 0);
	j = run_job(RESOLVE_DISCOVER, payload, 10 * USEC_PER_SEC);
	expected = xasprintf("%s:5432", folder);
	assert_int_equal(json_array_size(j.sockets), 1);
	assert_string_equal(json_string_value(json_array_get(j.sockets, 0)), expected);
	json_decref(j.sockets);
	j = run_job(
	    RESOLVE_DISCOVER, "", 10 * USEC_PER_SEC); /* the usual folders: an array anyway */
	assert_true(json_is_array(j.sockets));
	json_decref(j.sockets);
}

/* A name server that takes every question and never answers: the loop turns, the worker is killed. */
static void
run_silent_name_server(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(53) };
	_cleanup_free_ char *conf = xasprintf("%s/resolv.conf", folder);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	FILE *f = fopen(conf, "w");
	struct job j;
	char question[512];

	(void)state;
	inet_pton(AF_INET, "127.53.53.53", &in.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	fputs("nameserver 127.53.53.53\noptions timeout:30 attempts:1\n", f);
	fclose(f);
	/* a mount namespace of our own: nobody else sees this resolv.conf */
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount(conf, "/etc/resolv.conf", NULL, MS_BIND, NULL), 0);
	j = resolve("postgresql://u:p@db.example.org/d", 300 * USEC_PER_MSEC);
	assert_int_equal(umount2("/etc/resolv.conf", MNT_DETACH), 0);
	assert_int_equal(j.end, WORKER_TIMEOUT);
	assert_true(j.ticks > 10);
	assert_true(recv(fd, question, sizeof(question), MSG_DONTWAIT) > 0); /* it was asked */
	close(fd);
}

/* A service file that opens and never reads. */
static void
run_hanging_file(void **state)
{
	_cleanup_free_ char *fifo = xasprintf("%s/services", folder);
	struct job j;

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	setenv("PGSERVICEFILE", fifo, 1);
	j = resolve("service=s", 300 * USEC_PER_MSEC);
	unsetenv("PGSERVICEFILE");
	assert_int_equal(j.end, WORKER_TIMEOUT);
	assert_true(j.ticks > 10);
}

static void
run_garbage(void **state)
{
	static const char *const answers[] = { "", "{", "[]", "{\"keywords\": []}",
		"{\"keywords\": [[1, 2]], \"dbname\": \"d\", \"endpoint\": \"e\"}",
		"{\"keywords\": [[\"host\"]], \"dbname\": \"d\", \"endpoint\": \"e\"}",
		"{\"error\": 1, \"message\": \"positive\"}" };
	struct job j;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct pg_plan *p = NULL;
		struct err e = { 0 };

		assert_true(resolve_answer(answers[i], strlen(answers[i]), &p, &e) < 0);
		assert_null(p);
	}
	j = run_job(RESOLVE_JOB, "{}", 10 * USEC_PER_SEC);
	assert_int_equal(j.end, WORKER_FAILED);
	j = run_job(99, "", 10 * USEC_PER_SEC);
	assert_int_equal(j.end, WORKER_FAILED);
}

int
main(int argc, char **argv)
{
	worker_main_if_asked(argc, argv);

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_answers),
		cmocka_unit_test(run_discovers),
		cmocka_unit_test(run_silent_name_server),
		cmocka_unit_test(run_hanging_file),
		cmocka_unit_test(run_garbage),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
