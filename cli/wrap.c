/* Other teams' migration tools: started, and asked what they would run. */
#include "cli/wrap.h"

#include "backup/child.h"
#include "base/str.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX     ((off_t)8 << 20)
#define MIGRATIONS_MAX 200

/* ---- asked ---- */

char *
wrap_capture(const char *const *argv, char **ret_why)
{
	int fd = memfd_create("output", MFD_CLOEXEC);
	const struct child_spec spec = { .argv = argv, .in_fd = -1, .out_fd = fd };
	struct err e = { 0 };
	off_t size;
	char *text = NULL;

	if (fd < 0) {
		*ret_why = xstrdup(strerror(errno));
		return NULL;
	}
	if (child_run(&spec, &e) < 0) {
		*ret_why = xstrdup(e.msg);
	} else if ((size = lseek(fd, 0, SEEK_END)) < 0 || size > OUTPUT_MAX) {
		*ret_why = xasprintf("%s: it says more than 8 MiB", argv[0]);
	} else {
		ssize_t n;

		text = xcalloc(1, (size_t)size + 1);
		n = pread(fd, text, (size_t)size, 0);
		text[MAX(n, 0)] = '\0';
	}
	close(fd);
	return text;
}

static const char *
base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Where a word stands among the arguments; -1: nowhere. */
static int
find_word(char *const *argv, const char *word)
{
	for (int i = 0; argv[i]; i++)
		if (streq(argv[i], word))
			return i;
	return -1;
}

enum wrap_tool
wrap_tool_of(char *const *argv)
{
	if (find_word(argv, "upgrade") > 0)
		for (int i = 0; argv[i] && i < 4; i++)
			if (streq(base_of(argv[i]), "alembic"))
				return WRAP_ALEMBIC;
	if (find_word(argv, "migrate") > 0)
		for (int i = 0; argv[i] && i < 4; i++)
			if (streq(base_of(argv[i]), "manage.py") ||
			    streq(base_of(argv[i]), "django-admin") || streq(argv[i], "django"))
				return WRAP_DJANGO;
	if (argv[0] && streq(base_of(argv[0]), "dbmate") &&
	    (find_word(argv, "up") > 0 || find_word(argv, "migrate") > 0))
		return WRAP_DBMATE;
	return WRAP_OTHER;
}

/* `alembic upgrade head` -> `alembic upgrade CURRENT:head --sql` */
static char *
alembic_sql(char *const *argv, const char *current, char **ret_why)
{
	const char *words[66] = { 0 };
	_cleanup_free_ char *range = NULL;
	bool behind = false;
	size_t n = 0;

	for (int i = 0; argv[i]; i++) {
		const char *word = argv[i];

		if (n + 2 >= ARRAY_SIZE(words)) {
			*ret_why = xstrdup("too many arguments");
			return NULL;
		}
		if (behind && *word != '-' && !range && !strchr(word, ':')) {
			range = current ? xasprintf("%s:%s", current, word) : xstrdup(word);
			word = range;
		}
		behind |= streq(word, "upgrade");
		words[n++] = word;
	}
	words[n] = "--sql";
	return wrap_capture(words, ret_why);
}

/* The program and its options before or behind `migrate` that say which project and database. */
static size_t
django_words(char *const *argv, const char *command, const char **words, size_t max)
{
	int at = find_word(argv, "migrate");
	size_t n = 0;

	for (int i = 0; argv[i] && n + 6 < max; i++) {
		if (i < at)
			words[n++] = argv[i];
		else if (i == at)
			words[n++] = command;
		else if (str_starts(argv[i], "--settings") || str_starts(argv[i], "--pythonpath") ||
		         str_starts(argv[i], "--database")) {
			words[n++] = argv[i];
			if (!strchr(argv[i], '=') && argv[i + 1])
				words[n++] = argv[++i];
		}
	}
	return n;
}

/* `[ ]  app.0001_initial`: one that is not applied. */
static bool
take_unapplied(const char *line, size_t len, char **ret_app, char **ret_name)
{
	static const char mark[] = "[ ]";
	const char *at = memmem(line, len, mark, strlen(mark)), *end = line + len, *dot;

	if (!at)
		return false;
	for (at += strlen(mark); at < end && *at == ' ';)
		at++;
	while (end > at && strchr(" \r", end[-1]))
		end--;
	dot = memchr(at, '.', (size_t)(end - at));
	if (!dot)
		return false;
	*ret_app = xstrndup(at, (size_t)(dot - at));
	*ret_name = xstrndup(dot + 1, (size_t)(end - dot - 1));
	return true;
}

static char *
django_sql(char *const *argv, char **ret_why)
{
	const char *words[66] = { 0 };
	size_t n = django_words(argv, "showmigrations", words, ARRAY_SIZE(words)), asked = 0;
	_cleanup_free_ char *plan = NULL;
	struct str all = { 0 };

	words[n] = "--plan";
	plan = wrap_capture(words, ret_why);
	if (!plan)
		return NULL;
	for (const char *p = plan; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		_cleanup_free_ char *app = NULL, *name = NULL, *sql = NULL;

		if (!take_unapplied(p, strcspn(p, "\n"), &app, &name))
			continue;
		memset(words, 0, sizeof(words));
		n = django_words(argv, "sqlmigrate", words, ARRAY_SIZE(words));
		words[n++] = app;
		words[n] = name;
		if (++asked > MIGRATIONS_MAX)
			*ret_why = xstrdup("more migrations are to be run than can be looked at");
		else
			sql = wrap_capture(words, ret_why);
		if (!sql) {
			str_done(&all);
			return NULL;
		}
		str_addf(&all, "-- %s.%s\n%s\n", app, name, sql);
	}
	return str_take(&all);
}

char *
wrap_sql(enum wrap_tool tool, char *const *argv, const char *current, char **ret_why)
{
	switch (tool) {
	case WRAP_ALEMBIC:
		return alembic_sql(argv, current, ret_why);
	case WRAP_DJANGO:
		return django_sql(argv, ret_why);
	case WRAP_DBMATE:
	case WRAP_OTHER:
		break;
	}
	*ret_why = xasprintf("%s cannot say before what it will run", base_of(argv[0]));
	return NULL;
}

/* ---- run ---- */

static volatile sig_atomic_t child_pid;

/* SIGINT and SIGQUIT of a terminal reach the child by themselves. */
static void
pass_on(int sig)
{
	if (child_pid > 0)
		kill((pid_t)child_pid, sig);
}

static int
start(char *const *argv, pid_t *ret)
{
	posix_spawnattr_t at;
	sigset_t fresh;
	int r;

	sigemptyset(&fresh);
	sigaddset(&fresh, SIGPIPE);
	sigaddset(&fresh, SIGINT);
	sigaddset(&fresh, SIGQUIT);
	sigaddset(&fresh, SIGTERM);
	sigaddset(&fresh, SIGHUP);
	posix_spawnattr_init(&at);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigdefault(&at, &fresh);
	r = posix_spawnp(ret, argv[0], NULL, &at, argv, environ);
	posix_spawnattr_destroy(&at);
	return r;
}

int
wrap_run(char *const *argv)
{
	struct sigaction ignored = { .sa_handler = SIG_IGN }, passed = { .sa_handler = pass_on };
	int status = 0, r;
	pid_t pid;

	sigaction(SIGINT, &ignored, NULL);
	sigaction(SIGQUIT, &ignored, NULL);
	r = start(argv, &pid);
	if (r != 0) {
		_cleanup_free_ char *shown = show_text(argv[0]);

		fprintf(stderr, "dbhealth: %s: %s.\n", shown, strerror(r));
		return r == ENOENT ? 127 : 126;
	}
	child_pid = pid;
	sigaction(SIGTERM, &passed, NULL);
	sigaction(SIGHUP, &passed, NULL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	child_pid = 0;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
