/* A private cluster, its guard, and recorders for sessions and statements. */
#include "pg-support.h"
#include "base/str.h"
#include "tree.h"
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BIN "/usr/lib/postgresql/15/bin"

/* The guard hears pids to kill (positive) through the pipe; its end is ours. */
static int guard_fd = -1;

static void
guard(int fd, const char *root)
{
	pid_t pids[16], pid;
	size_t n = 0;

	setpgid(0, 0);
	signal(SIGTERM, SIG_IGN);
	while (read(fd, &pid, sizeof(pid)) == sizeof(pid))
		if (n < ARRAY_SIZE(pids))
			pids[n++] = pid;
	for (size_t i = 0; i < n; i++) {
		kill(-pids[i], SIGCONT);
		kill(-pids[i], SIGKILL);
		/* the shared memory of a killed postmaster lives until its children are gone */
		for (int tries = 0; kill(-pids[i], 0) == 0 && tries < 200; tries++)
			poll(NULL, 0, 10);
	}
	remove_tree(root);
	_exit(0);
}

static void
guard_start(const char *root)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	if (fork() == 0) {
		close(fds[1]);
		guard(fds[0], root);
	}
	close(fds[0]);
	guard_fd = fds[1];
}

void
pg_cluster_guard(struct pg_cluster *c, pid_t pid)
{
	(void)c;
	assert_int_equal(write(guard_fd, &pid, sizeof(pid)), sizeof(pid));
}

/* Its own process group, so that all of it can be stopped; the working folder is the cluster's. */
pid_t
pg_cluster_spawn(struct pg_cluster *c, const char *const *argv)
{
	const struct passwd *pw = getpwnam("postgres");
	pid_t pid = fork();

	if (pid > 0) {
		setpgid(pid, pid);
		return pid;
	}
	setpgid(0, 0);
	if (chdir(c->root) < 0 ||
	    (geteuid() == 0 && (setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (freopen("log", "a", stderr) == NULL || dup2(2, 1) < 0)
		_exit(126);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

void
pg_cluster_run(struct pg_cluster *c, const char *const *argv)
{
	pid_t pid = pg_cluster_spawn(c, argv);
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void
pg_cluster_write(const struct pg_cluster *c, const char *file, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", c->root, file);
	const struct passwd *pw = getpwnam("postgres");
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	if (geteuid() == 0)
		assert_int_equal(chown(path, pw->pw_uid, pw->pw_gid), 0);
}

void
pg_cluster_start(struct pg_cluster *c)
{
	const char *const argv[] = { BIN "/postgres", "-D", "data", NULL };

	c->pid = pg_cluster_spawn(c, argv);
	pg_cluster_guard(c, c->pid);
}

void
pg_cluster_wait(struct pg_cluster *c)
{
	for (int tries = 0; tries < 2000; tries++) {
		_cleanup_free_ char *dsn = pg_cluster_dsn(c, "postgres", "postgres");

		if (PQping(dsn) == PQPING_OK)
			return;
		poll(NULL, 0, 5);
	}
	fail_msg("the cluster does not start; see %s/log", c->root);
}

void
pg_cluster_stop(struct pg_cluster *c, int sig)
{
	kill(c->pid, sig);
	waitpid(c->pid, NULL, 0);
	c->pid = 0;
}

static int
free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return ntohs(in.sin_port);
}

struct pg_cluster *
pg_cluster_new(const char *conf)
{
	static const char *const argv[] = { BIN "/initdb", "-D", "data", "-A", "trust", "-U",
		"postgres", "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C", NULL };
	const struct passwd *pw = getpwnam("postgres");
	struct pg_cluster *c = xcalloc(1, sizeof(*c));
	_cleanup_free_ char *all = NULL;

	c->root = xstrdup("/tmp/dbhealth-pg-XXXXXX");
	assert_non_null(mkdtemp(c->root));
	guard_start(c->root);
	if (geteuid() == 0)
		assert_int_equal(chown(c->root, pw->pw_uid, pw->pw_gid), 0);
	assert_int_equal(chmod(c->root, 0755), 0);
	c->host = xstrdup(c->root);
	c->port = free_port();
	pg_cluster_run(c, argv);
	all = xasprintf("listen_addresses = ''\nunix_socket_directories = '%s'\nport = %d\n"
	                "fsync = off\nautovacuum = off\nshared_buffers = 16MB\n%s",
	    c->host, c->port, conf);
	pg_cluster_write(c, "data/postgresql.conf", all);
	pg_cluster_start(c);
	pg_cluster_wait(c);
	return c;
}

/* SIGQUIT ends it at once; the guard then removes the folder and is waited for. */
struct pg_cluster *
pg_cluster_free(struct pg_cluster *c)
{
	if (c->pid > 0) {
		pg_cluster_signal_all(c, SIGCONT);
		pg_cluster_stop(c, SIGQUIT);
	}
	close(guard_fd);
	while (wait(NULL) > 0)
		;
	free(c->root);
	free(c->host);
	free(c);
	return NULL;
}

/* Backends are leaders of sessions of their own: a signal to the group does not reach them. */
void
pg_cluster_signal_all(struct pg_cluster *c, int sig)
{
	DIR *proc = opendir("/proc");
	const struct dirent *d;

	kill(c->pid, sig);
	while ((d = readdir(proc))) {
		_cleanup_free_ char *path = xasprintf("/proc/%s/stat", d->d_name);
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
		char line[512] = "";
		const char *end;
		FILE *f = pid > 0 ? fopen(path, "r") : NULL;

		if (!f)
			continue;
		if (fgets(line, sizeof(line), f) && (end = strrchr(line, ')')) &&
		    strtol(end + 4, NULL, 10) == c->pid)
			kill(pid, sig);
		fclose(f);
	}
	closedir(proc);
}

char *
pg_cluster_dsn(const struct pg_cluster *c, const char *dbname, const char *user)
{
	return xasprintf("host=%s port=%d dbname=%s user=%s passfile=/dev/null/none", c->host,
	    c->port, dbname, user);
}

PGconn *
pg_open(const struct pg_cluster *c, const char *dbname, const char *user)
{
	_cleanup_free_ char *dsn = pg_cluster_dsn(c, dbname, user);
	PGconn *pg = PQconnectdb(dsn);

	if (PQstatus(pg) != CONNECTION_OK)
		fail_msg("%s", PQerrorMessage(pg));
	return pg;
}

void
pg_do(PGconn *pg, const char *sql)
{
	free(pg_ask(pg, sql));
}

char *
pg_ask(PGconn *pg, const char *sql)
{
	PGresult *res = PQexec(pg, sql);
	char *ret;

	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(pg));
	ret = xstrdup(PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : "");
	PQclear(res);
	return ret;
}

static void
on_connect(struct pg_session *s, const struct pg_failure *f, void *arg)
{
	struct watched *w = arg;

	assert_ptr_equal(s, w->session);
	w->connects++;
	w->is_up = !f;
	w->why = f ? *f : (struct pg_failure){ 0 };
	if (w->free_on_connect)
		w->session = pg_session_free(s);
}

static void
on_lost(struct pg_session *s, const struct pg_failure *f, void *arg)
{
	struct watched *w = arg;

	assert_int_equal(pg_session_state(s), PG_DOWN);
	assert_int_equal(pg_session_in_flight(s), 0);
	w->losts++;
	w->is_up = false;
	w->why = *f;
	if (w->free_on_lost)
		w->session = pg_session_free(s);
}

static void
on_closed(struct pg_session *s, void *arg)
{
	struct watched *w = arg;

	assert_int_equal(pg_session_state(s), PG_DOWN);
	w->closes++;
	w->is_up = false;
	if (w->free_on_closed)
		w->session = pg_session_free(s);
}

struct watched *
watched_new(struct event_base *base, const struct pg_session_options *o)
{
	static const struct pg_session_callbacks cb = { on_connect, on_lost, on_closed };
	struct watched *w = xcalloc(1, sizeof(*w));

	w->base = base;
	w->session =
	    pg_session_new(base, o ? o : &(struct pg_session_options){ .name = "test" }, &cb, w);
	return w;
}

struct watched *
watched_free(struct watched *w)
{
	pg_session_free(w->session);
	free(w);
	return NULL;
}

struct pg_plan *
plan_of(const char *dsn)
{
	struct pg_plan *plan = NULL;
	struct err e = { 0 };

	if (pg_plan_local(dsn, &plan, &e) < 0)
		fail_msg("%s", e.msg);
	return plan;
}

int
watched_connect(struct watched *w, const char *dsn, const char *dbname, int64_t timeout_us)
{
	struct pg_plan *plan = plan_of(dsn);
	int r = pg_session_connect(w->session, plan, dbname, timeout_us);

	pg_plan_unref(plan);
	return r;
}

void
watched_up(struct watched *w, const char *dsn)
{
	int before = w->connects;

	assert_int_equal(watched_connect(w, dsn, NULL, 5 * USEC_PER_SEC), 0);
	assert_int_equal(w->connects, before); /* never from inside the call */
	run_until(w->base, w->connects > before);
	if (!w->is_up)
		fail_msg("%s: %s", pg_cause_names[w->why.cause], w->why.err.msg);
}

static void
on_columns(size_t n, const char *const *names, void *arg)
{
	struct asked *a = arg;

	a->columns = n;
	snprintf(a->name, sizeof(a->name), "%s", n > 0 ? names[0] : "");
}

static bool
on_row(const char *const *cells, const size_t *lengths, void *arg)
{
	struct asked *a = arg;

	assert_false(a->is_done);
	for (size_t i = 0; a->rows == 0 && i < a->columns && i < ARRAY_SIZE(a->first); i++) {
		assert_int_equal(lengths[i], cells[i] ? strlen(cells[i]) : 0);
		snprintf(a->first[i], sizeof(a->first[i]), "%s", cells[i] ? cells[i] : "(null)");
	}
	a->rows++;
	if (a->free_on_row)
		a->w->session = pg_session_free(a->w->session);
	if (a->close_on_row)
		pg_session_close(a->w->session);
	return a->stop_after == 0 || a->rows < a->stop_after;
}

static void
on_done(const struct pg_failure *f, int64_t duration_us, void *arg)
{
	struct asked *a = arg;

	a->dones++;
	a->is_done = true;
	a->is_ok = !f;
	a->why = f ? *f : (struct pg_failure){ 0 };
	a->duration_us = duration_us;
	if (a->free_on_done)
		a->w->session = pg_session_free(a->w->session);
}

int
ask_with(struct watched *w, struct asked *a, const struct pg_statement *st, int64_t deadline_us)
{
	static const struct pg_request_callbacks cb = { on_columns, on_row, on_done };

	a->w = w;
	return pg_session_request(w->session, st, deadline_us, &cb, a);
}

int
ask_start(struct watched *w, struct asked *a, const char *sql)
{
	return ask_with(w, a, &(struct pg_statement){ .sql = sql }, 30 * USEC_PER_SEC);
}

void
ask(struct watched *w, struct asked *a, const char *sql)
{
	assert_int_equal(ask_start(w, a, sql), 0);
	assert_false(a->is_done);
	run_until(w->base, a->is_done);
}

void
run_turn(struct event_base *base)
{
	const struct timeval tv = { 0, 5000 };

	event_base_loopexit(base, &tv);
	event_base_loop(base, EVLOOP_ONCE);
}

void
run_for(struct event_base *base, int64_t us)
{
	for (int64_t until = clock_now_us() + us; clock_now_us() < until;)
		run_turn(base);
}
