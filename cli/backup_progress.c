/* How far a backup is, on a terminal: one line on stderr, of less than 80 columns, written over itself. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "cli/backup.h"

#include <stdio.h>

#define RATE_LEAST_US USEC_PER_SEC /* below that it says nothing */
#define LINE_BYTES    ((size_t)78)

static bool
is_shown(const struct cli *cli)
{
	const char *term = getenv("TERM");

	return !cli->o.quiet && isatty(STDERR_FILENO) && !(term && streq(term, "dumb"));
}

static void
add_rate(struct str *line, const struct backup_progress *p, int64_t took_us, int64_t began_at)
{
	double rate = (double)(p->done - began_at) * (double)USEC_PER_SEC / (double)MAX(took_us, 1);
	_cleanup_free_ char *speed = NULL, *left = NULL;

	if (took_us < RATE_LEAST_US || rate < 1)
		return;
	speed = unit_format(rate, UNIT_BYTES);
	str_addf(line, ", %s/s", speed);
	if (p->total <= p->done)
		return;
	left =
	    duration_format((int64_t)((double)(p->total - p->done) / rate * (double)USEC_PER_SEC));
	str_addf(line, ", %s left", left);
}

char *
backup_progress_text(const struct backup_progress *p, int64_t took_us, int64_t began_at)
{
	_cleanup_free_ char *done = backup_size(p->done), *total = backup_size(p->total),
	                    *took = duration_format(took_us), *text = NULL;
	_cleanup_str_ struct str line = { 0 };

	str_add(&line, p->what);
	if (p->done > 0 && p->total >= p->done)
		str_addf(&line, ": %s of %s, %lld %%", done, total,
		    (long long)((double)p->done / (double)p->total * 100));
	else if (p->done > 0)
		str_addf(&line, ": %s", done);
	if (p->done > 0)
		add_rate(&line, p, took_us, began_at);
	else if (took_us >= RATE_LEAST_US)
		str_addf(&line, ": %s", took);
	text = show_text(str_text(&line));
	return text_ellipsis(text, LINE_BYTES);
}

/* One command has one terminal: what it does, since when, and how far that was then. */
int
backup_show(const struct backup_progress *p, void *arg)
{
	static const char *what;
	static int64_t since_us, began_at;
	_cleanup_free_ char *line = NULL;

	if (!is_shown(arg))
		return 0;
	if (!what || !streq(what, p->what) || p->done < began_at) {
		what = p->what;
		since_us = clock_now_us();
		began_at = p->done;
	}
	line = backup_progress_text(p, clock_now_us() - since_us, began_at);
	fprintf(stderr, "\r\033[K%s", line);
	fflush(stderr);
	return 0;
}

void
backup_show_done(const struct cli *cli)
{
	if (is_shown(cli))
		fputs("\r\033[K", stderr);
}
