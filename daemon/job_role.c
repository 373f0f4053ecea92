/*
 * `--worker job`: runs one of our own commands and answers with what became of it.
 */
#include "base/clock.h"
#include "daemon/jobs_private.h"
#include "daemon/program.h"
#include "daemon/store_wire.h"
#include <stdio.h>

/* What it makes a backup or a lock of takes it that long to clear away. */
#define TERM_US  (10 * USEC_PER_SEC)
#define OUT_MAX  ((size_t)256 << 10)
#define ERR_MAX  ((size_t)4 << 10)
#define ARGV_MAX 80
#define ENV_MAX  ((size_t)4096)

static void
say_started(pid_t pid)
{
	_cleanup_str_ struct str s = { 0 };

	wire_add_int(&s, pid);
	worker_send(JOB_STARTED, s.s, s.len);
}

/* The command beside this very daemon: as built, or as installed (sbin and bin). */
static char *
find_command(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	_cleanup_free_ char *beside = NULL, *installed = NULL;
	char *slash;

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	beside = xasprintf("%s/dbhealth", path);
	if (access(beside, X_OK) == 0)
		return TAKE_PTR(beside);
	installed = xasprintf("%s/../bin/dbhealth", path);
	return access(installed, X_OK) == 0 ? TAKE_PTR(installed) : NULL;
}

static void
answer(const char *why, const struct program_end *end)
{
	_cleanup_str_ struct str s = { 0 };

	wire_add(&s, why);
	wire_add_int(&s, end->timeout);
	wire_add_int(&s, end->code);
	wire_add_int(&s, end->signal);
	wire_add_int(&s, end->cut);
	wire_add(&s, str_text(&end->out));
	wire_add(&s, str_text(&end->err));
	worker_send(JOB_ENDED, s.s, s.len);
}

static int
take_words(struct wire *w, size_t max, char ***ret)
{
	int64_t n;

	if (wire_take_int(w, &n) < 0 || n < 0 || (size_t)n > max)
		return -EPROTO;
	while (n-- > 0) {
		_cleanup_free_ char *word = wire_take(w);

		if (!word)
			return -EPROTO;
		strv_add(ret, word);
	}
	return 0;
}

static int
serve(uint32_t type, const char *payload, size_t len)
{
	struct wire w = { payload, len };
	_cleanup_program_end_ struct program_end end = { .code = -1 };
	_cleanup_strv_ char **argv = NULL, **env = NULL, **words = NULL;
	_cleanup_free_ char *command = find_command();
	struct program program = { .in = -1,
		.humble = true,
		.term_us = TERM_US,
		.out_max = OUT_MAX,
		.err_max = ERR_MAX,
		.on_started = say_started };
	struct err err = { 0 };

	if (type != JOB_RUN || wire_take_int(&w, &program.limit_us) < 0 ||
	    take_words(&w, ARGV_MAX, &words) < 0 || take_words(&w, ENV_MAX, &env) < 0)
		return -EPROTO;
	if (!command) {
		answer("the command dbhealth is not installed beside the daemon", &end);
		return 0;
	}
	strv_add(&argv, command);
	for (size_t i = 0; words && words[i]; i++)
		strv_add(&argv, words[i]);
	if (!env)
		env = xcalloc(1, sizeof(*env));
	program.argv = argv;
	program.env = env;
	if (program_run(&program, &end, &err) < 0)
		answer(err.msg, &end);
	else
		answer("", &end);
	return 0;
}

const struct worker_role job_role = { .name = "job", .serve = serve, .begin = program_begin };
