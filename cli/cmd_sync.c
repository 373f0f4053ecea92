/*
 * `dbhealth sync A B`: the migration that would bring B to the schema of A, in the format of dbhealth
 * migrate.  Nothing is run.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/diff_look.h"
#include "cli/sync.h"
#include "report/report.h"

#include <stdio.h>

static json_t *
list_json(char *const *list)
{
	json_t *out = json_array();

	for (char *const *text = list; text && *text; text++)
		json_array_append_new(out, report_string(*text));
	return out;
}

static void
print_json(const struct cli *cli, const struct sync *s)
{
	json_t *o = json_object(), *files = json_array();

	for (size_t i = 0; i < s->nfiles; i++) {
		json_t *f = json_object();

		json_object_set_new(f, "name", report_string(s->files[i].name));
		json_object_set_new(f, "text", report_string(s->files[i].text));
		json_array_append_new(files, f);
	}
	json_object_set_new(o, "a", report_string(s->up->a.name));
	json_object_set_new(o, "b", report_string(s->up->b.name));
	json_object_set_new(o, "same", json_boolean(s->n == 0));
	json_object_set_new(o, "files", files);
	json_object_set_new(o, "not_closed", list_json(s->open));
	json_object_set_new(o, "not_taken_back", list_json(s->kept));
	cli_print_json(cli, o);
	json_decref(o);
}

/* Files alone go to standard output. */
static void
print_text(const struct cli *cli, const struct sync *s)
{
	for (size_t i = 0; i < s->nfiles; i++) {
		if (i > 0)
			cli_print(cli, "\n");
		cli_print(cli, "-- file: ");
		cli_print(cli, s->files[i].name);
		cli_print(cli, "\n");
		cli_print(cli, s->files[i].text);
	}
	if (cli->o.quiet)
		return;
	if (s->n == 0)
		fprintf(stderr, "%s and %s have the same schema\n", s->up->a.name, s->up->b.name);
	for (char *const *text = s->open; text && *text; text++)
		fprintf(stderr, "not closed: %s\n", *text);
	for (char *const *text = s->kept; text && *text; text++)
		fprintf(stderr, "cannot be taken back: %s\n", *text);
}

static int
make(const struct cli *cli, const struct diff_look looks[2], struct diff *up)
{
	struct diff down = { .a = up->b, .b = up->a, .drops = true, .keys_apart = true };
	struct sync s = { .engine = looks[0].engine, .drops = cli->o.drops };
	int r;

	up->drops = up->keys_apart = true;
	sync_make(&s, up, &down, clock_wall_us());
	if (s.reads_as_mark)
		r = cli_fail(cli, EXIT_UNKNOWN,
		    "sync: a line in one of the definitions reads -- migrate:up or -- "
		    "migrate:down. Use dbhealth diff --ddl.");
	else if (cli->o.output == OUTPUT_JSON)
		print_json(cli, &s), r = s.open ? 1 : 0;
	else
		print_text(cli, &s), r = s.open ? 1 : 0;
	sync_done(&s);
	diff_done(&down);
	return r;
}

static int
run(struct cli *cli)
{
	const char *const args[2] = { cli->args[0], cli->args[1] };
	struct diff_look looks[2] = { 0 };
	struct diff up = { 0 };
	int r;

	log_init(LOG_LEVEL_ERROR, NULL, NULL);
	if (cli->o.output == OUTPUT_NAGIOS)
		return cli_fail(cli, EXIT_USAGE, "sync: text or json.");
	r = diff_look_at_both(cli, args, looks, &up);
	if (r == 0) {
		r = make(cli, looks, &up);
		diff_done(&up);
	}
	diff_look_done(&looks[0]);
	diff_look_done(&looks[1]);
	return r;
}

const struct command command_sync = {
	.name = "sync",
	.args = "A B",
	.summary = "the migration file that brings B to A's schema",
	.help = "A and B as for diff. Prints a file for dbhealth migrate with both ways; two,\n"
	        "each behind a line -- file: NAME, where some of it cannot run in a transaction\n"
	        "(indexes CONCURRENTLY, validation). What loses data is a comment unless --drops.\n"
	        "Nothing is run. Exits 1 when something stays different, which standard error\n"
	        "tells. Example:\n"
	        "  dbhealth sync stage prod >db/migrations/20260301120000_as_stage.sql",
	.options = { OPT_DROPS, OPT_CONFIG, OPT_TIMEOUT },
	.min_args = 2,
	.max_args = 2,
	.run = run,
};
