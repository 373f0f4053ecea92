/* dbhealth: reads the command line, runs one command, exits with what it found. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "host/host.h"
#include "migration/migration.h"
#include "pg/plan.h"
#include "report/layout.h"
#include "report/report.h"
#include "sqlite/fleet.h"
#include "sqlite/sqlite_role.h"
#include "sqlite/write_role.h"
#include "worker/worker.h"

#include <event2/event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define DEFAULT_SOCKET "/run/dbhealthd/dbhealthd.sock"

const struct worker_role *const worker_roles[] = { &resolve_role, &sqlite_role, &host_role,
	&migration_role, &fleet_role, &sqlite_write_role, NULL };

static int
fail(const struct cli *cli, int code, bool wrap, char *message)
{
	/* What others said is in it, with marks of theirs. */
	text_one_stop(message);
	if (cli->o.output == OUTPUT_NAGIOS) {
		_cleanup_free_ char *line = report_nagios_failure(message);

		fputs(line, stdout);
		return EXIT_UNKNOWN;
	}
	if (wrap)
		cli_note(message);
	else
		fprintf(stderr, "dbhealth: %s\n", message);
	return code;
}

int
cli_fail(const struct cli *cli, int code, const char *fmt, ...)
{
	_cleanup_free_ char *message = NULL;
	va_list ap;

	va_start(ap, fmt);
	message = xvasprintf(fmt, ap);
	va_end(ap);
	return fail(cli, code, false, message);
}

int
cli_refuse(const struct cli *cli, int code, const char *fmt, ...)
{
	_cleanup_free_ char *message = NULL;
	va_list ap;

	va_start(ap, fmt);
	message = xvasprintf(fmt, ap);
	va_end(ap);
	return fail(cli, code, true, message);
}

void
cli_note(const char *text)
{
	_cleanup_str_ struct str out = { 0 };

	layout_message(&out, "dbhealth: ", 4, text);
	fputs(str_text(&out), stderr);
}

void
cli_print(const struct cli *cli, const char *text)
{
	if (!cli->o.quiet)
		fputs(text, stdout);
}

void
cli_print_json(const struct cli *cli, const json_t *j)
{
	_cleanup_free_ char *text = report_dump(j);

	if (!cli->o.quiet)
		puts(text);
}

const char *
cli_where(const struct cli *cli)
{
	return cli->o.url ? cli->o.url : cli->o.socket ? cli->o.socket : DEFAULT_SOCKET;
}

const char *
cli_host(void)
{
	static char name[65];

	if (!*name && gethostname(name, sizeof(name) - 1) < 0)
		return "this host";
	return name;
}

void
cli_report_options(const struct cli *cli, struct report_options *ret)
{
	*ret = (struct report_options){ .colour = cli->colour,
		.verbose = cli->o.verbose,
		.now_wall_us = clock_wall_us(),
		.host = cli->o.url ? cli->o.url : cli_host(),
		.database_column = true };
}

static bool
wants_colour(const struct cli *cli)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	switch (cli->o.colour) {
	case COLOUR_ALWAYS:
		return true;
	case COLOUR_NEVER:
		return false;
	case COLOUR_AUTO:
		break;
	}
	return isatty(STDOUT_FILENO) && !(no_color && *no_color) && !(term && streq(term, "dumb"));
}

int
main(int argc, char **argv)
{
	struct cli cli = {
		.o = { .budget_us = 30 * USEC_PER_SEC, .wait_us = 30 * USEC_PER_SEC, .retries = 5 }
	};
	int r;

	json_set_alloc_funcs(xmalloc, free);
	event_set_mem_functions(xmalloc, xrealloc, free);
	worker_main_if_asked(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	tzset();
	r = options_parse(argc, argv, &cli);
	if (r == 0) {
		cli.colour = wants_colour(&cli);
		r = cli.command->run(&cli);
	} else if (r == 1) {
		r = EXIT_OK;
	}
	options_done(&cli.o);
	if (fflush(stdout) != 0 && errno != EPIPE)
		r = r == EXIT_OK ? 1 : r;
	return r;
}
