/*
 * `--worker alert`: runs one program of an [alert] and waits for it, so that the loop does not.  It
 * gets the message as a file on its standard input, so that one that reads nothing stops nobody, and
 * is ended at its time with all that it started.
 */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/alert.h"
#include "daemon/program.h"
#include "daemon/store_wire.h"
#include <sys/mman.h>

#define SAID_MAX     ((size_t)300)
#define TERM_WAIT_US (2 * USEC_PER_SEC)
#define ARGV_MAX     80

static int
message_file(const char *text, struct err *e)
{
	_cleanup_close_ int fd = memfd_create("dbhealth-alert", MFD_CLOEXEC);
	size_t len = strlen(text);

	for (size_t at = 0; fd >= 0 && at < len;) {
		ssize_t n = write(fd, text + at, len - at);

		if (n <= 0)
			return err_set(e, -EIO, "the message: %s", strerror(errno));
		at += (size_t)n;
	}
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(e, -EIO, "the message: %s", strerror(errno));
	return TAKE_FD(fd);
}

static char *
how_it_ended(const struct program_end *end)
{
	_cleanup_free_ char *words = text_from_peer(str_text(&end->out), end->out.len, SAID_MAX);
	_cleanup_free_ char *shown = NULL;
	const char *sep;

	words[strcspn(words, "\n")] = '\0';
	shown = show_text(words);
	sep = *shown ? ": " : "";
	if (end->signal != 0)
		return xasprintf("ended by signal %d%s%s", end->signal, sep, shown);
	if (end->code == 0)
		return xstrdup("");
	return xasprintf("exit %d%s%s", end->code, sep, shown);
}

static void
say_started(pid_t pid)
{
	_cleanup_str_ struct str s = { 0 };

	wire_add_int(&s, pid);
	worker_send(ALERT_STARTED, s.s, s.len);
}

static char *
run(char *const *argv, int in, int limit_ms)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char lang[] = "LANG=C.UTF-8";
	char *const env[] = { path, lang, NULL };
	const struct program program = { .argv = argv,
		.env = env,
		.in = in,
		.folder = "/",
		.limit_us = limit_ms * USEC_PER_MSEC,
		.term_us = TERM_WAIT_US,
		.out_max = SAID_MAX,
		.on_started = say_started };
	_cleanup_program_end_ struct program_end end = { 0 };
	struct err err = { 0 };

	if (program_run(&program, &end, &err) < 0)
		return xstrdup(err.msg);
	if (end.timeout)
		return xasprintf("no end within %d ms", limit_ms);
	return how_it_ended(&end);
}

static void
answer(const char *why)
{
	_cleanup_str_ struct str s = { 0 };

	wire_add(&s, why);
	worker_send(ALERT_ENDED, s.s, s.len);
}

static int
serve(uint32_t type, const char *payload, size_t len)
{
	struct wire w = { payload, len };
	_cleanup_free_ char *text = NULL, *why = NULL;
	_cleanup_strv_ char **argv = NULL;
	_cleanup_close_ int in = -1;
	struct err e = { 0 };
	int64_t limit_ms;

	if (type != ALERT_RUN || wire_take_int(&w, &limit_ms) < 0 || limit_ms > INT32_MAX)
		return -EPROTO;
	text = wire_take(&w);
	while (w.left > 0 && strv_len(argv) < ARGV_MAX) {
		_cleanup_free_ char *word = wire_take(&w);

		if (!word)
			return -EPROTO;
		strv_add(&argv, word);
	}
	if (!text || !argv)
		return -EPROTO;
	/* It may be another one since the configuration was read. */
	if (program_check(argv[0], &e) < 0 || (in = message_file(text, &e)) < 0) {
		answer(e.msg);
		return 0;
	}
	why = run(argv, in, (int)limit_ms);
	answer(why);
	return 0;
}

const struct worker_role alert_role = { .name = "alert", .serve = serve, .begin = program_begin };
