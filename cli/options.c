/*
 * The command line: global options before or after the command, the command's own after it, and
 * the help, all from one table.
 */
#include "cli/options.h"

#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "base/words.h"

#include <assert.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>

/* One option: how it is written, what it does, how it is used. */
static const struct option_entry {
	int id;
	char letter; /* or 0 */
	bool global;
	const char *name, *arg; /* arg NULL: none */
	const char *help, *example;
	size_t flag, text, time; /* where its value goes in struct options as it is; 0: see apply */
} entries[] = {
	{ OPT_SOCKET, 0, true, "socket", "PATH",
	    "the daemon's socket (/run/dbhealthd/dbhealthd.sock)",
	    "dbhealth --socket build/run/dbhealthd.sock status" },
	{ OPT_URL, 0, true, "url", "URL", "the daemon over TCP, or http+unix:///PATH",
	    "dbhealth --url http://127.0.0.1:9630 status" },
	{ OPT_OUTPUT, 'o', true, "output", "FORM",
	    "text, json or nagios (a monitoring plugin's line)", "dbhealth status -o nagios" },
	{ OPT_QUIET, 'q', true, "quiet", NULL, "print nothing: the exit code tells",
	    "dbhealth status -q || echo look", .flag = offsetof(struct options, quiet) },
	{ OPT_COLOR, 0, true, "color", "WHEN",
	    "auto (on a terminal, unless NO_COLOR), always, never",
	    "dbhealth --color=always status | less -R" },
	{ OPT_HELP, 'h', true, "help", NULL, "this text", "dbhealth status --help" },
	{ OPT_VERSION, 'V', true, "version", NULL, "print the version", "dbhealth --version" },
	{ OPT_VERBOSE, 'v', false, "verbose", NULL,
	    "more: every database, check, table; what is not covered",
	    "dbhealth status -v orders" },
	{ OPT_ALL, 'a', false, "all", NULL, "pending and resolved findings too",
	    "dbhealth findings -a", .flag = offsetof(struct options, all) },
	{ OPT_SQL, 0, false, "sql", NULL, "the SQL of a check, as it is run",
	    "dbhealth checks --sql lock-blocked", .flag = offsetof(struct options, sql) },
	{ OPT_DATABASE, 'd', false, "database", "NAME", "this database only (init: name or glob)",
	    "dbhealth findings --database orders", .text = offsetof(struct options, database) },
	{ OPT_SEVERITY, 0, false, "severity", "WORD", "critical, warning or info only",
	    "dbhealth findings --severity critical" },
	{ OPT_PROBE, 0, false, "probe", "LIST", "connectivity, schema, integrity, performance",
	    "dbhealth check --probe schema,integrity sqlite:app.db" },
	{ OPT_CHECK, 0, false, "check", "GLOB", "checks whose id matches, may be given again",
	    "dbhealth check --check 'fk-*' sqlite:app.db" },
	{ OPT_ENABLE, 0, false, "enable", "GLOB", "also checks that are off by default",
	    "dbhealth check --enable 'column-*' sqlite:app.db" },
	{ OPT_CONFIG, 'c', false, "config", "FILE",
	    "read this configuration: its databases and rules",
	    "dbhealth check -c /etc/dbhealthd/dbhealthd.conf orders",
	    .text = offsetof(struct options, config) },
	{ OPT_FAIL_ON, 0, false, "fail-on", "WORD",
	    "critical, warning, unknown or none; less bad exits 0",
	    "dbhealth check --fail-on critical postgresql:///app" },
	{ OPT_DDL, 0, false, "ddl", NULL, "print the statements that, run on B, close what differs",
	    "dbhealth diff --ddl stage prod | psql prod", .flag = offsetof(struct options, ddl) },
	{ OPT_DROPS, 0, false, "drops", NULL, "with --ddl: also what drops something",
	    "dbhealth diff --ddl --drops stage prod", .flag = offsetof(struct options, drops) },
	{ OPT_DEEP, 0, false, "deep", NULL, "verify whole files and relations, whatever it takes",
	    "dbhealth check --deep sqlite:app.db", .flag = offsetof(struct options, deep) },
	{ OPT_SAMPLE, 0, false, "sample", "TIME",
	    "look twice, so long apart: rates are answered too",
	    "dbhealth check --sample 2s postgresql:///app",
	    .time = offsetof(struct options, sample_us) },
	{ OPT_BUDGET, 0, false, "budget", "TIME", "for all of it together (30s)",
	    "dbhealth check --budget 5min sqlite:app.db",
	    .time = offsetof(struct options, budget_us) },
	{ OPT_TIMEOUT, 0, false, "timeout", "TIME", "of one statement (5s)",
	    "dbhealth check --timeout 20s postgresql:///app",
	    .time = offsetof(struct options, timeout_us) },
	{ OPT_LEVEL, 0, false, "level", "WORD", "monitor, schema or data: how much may be seen",
	    "dbhealth init --level schema postgresql:///orders" },
	{ OPT_APPLY, 0, false, "apply", NULL, "run it, in one transaction a database",
	    "dbhealth init --apply postgresql:///orders", .flag = offsetof(struct options, apply) },
	{ OPT_ONLY_CHECK, 0, false, "check", NULL, "say what is missing; 0 nothing, 1 something",
	    "dbhealth init --check postgresql:///orders",
	    .flag = offsetof(struct options, only_check) },
	{ OPT_YES, 'y', false, "yes", NULL, "do not ask before --apply",
	    "dbhealth init --apply --yes postgresql:///orders",
	    .flag = offsetof(struct options, yes) },
	{ OPT_ROLE, 0, false, "role", "NAME", "the monitoring role (dbhealth)",
	    "dbhealth init --role watcher postgresql:///orders",
	    .text = offsetof(struct options, role) },
	{ OPT_DATA_ROLE, 0, false, "data-role", "NAME",
	    "with level data also the role that runs code of the database (data_role)",
	    "dbhealth init --level data --data-role dbhealth_data postgresql:///orders",
	    .text = offsetof(struct options, data_role) },
	{ OPT_CONNECTION_LIMIT, 0, false, "connection-limit", "N",
	    "most connections of the role (4)",
	    "dbhealth init --connection-limit 6 postgresql:///" },
	{ OPT_READ_ALL, 0, false, "read-all", NULL,
	    "with level data also pg_read_all_data: every table",
	    "dbhealth init --level data --read-all postgresql:///",
	    .flag = offsetof(struct options, read_all) },
	{ OPT_EXTENSIONS, 0, false, "extensions", NULL, "also create the extensions worth having",
	    "dbhealth init --extensions --apply postgresql:///",
	    .flag = offsetof(struct options, extensions) },
	{ OPT_DRY_RUN, 'n', false, "dry-run", NULL,
	    "say what would be done and gained, and do nothing",
	    "dbhealth optimize --dry-run sqlite:app.db",
	    .flag = offsetof(struct options, dry_run) },
	{ OPT_BACKUP, 0, false, "backup", "FILE", "first a verified copy of the database to FILE",
	    "dbhealth optimize --backup app.bak sqlite:app.db",
	    .text = offsetof(struct options, backup) },
	{ OPT_VACUUM, 0, false, "vacuum", "WHEN", "auto (where it returns a tenth), always, never",
	    "dbhealth optimize --vacuum=never sqlite:app.db" },
	{ OPT_WAIT, 0, false, "wait", "TIME", "for the result, at most 60s (30s)",
	    "dbhealth run --wait 60s orders schema", .time = offsetof(struct options, wait_us) },
};

static const struct option_entry *
find_entry(int id)
{
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		if (entries[i].id == id)
			return &entries[i];
	return NULL;
}

static bool
command_has(const struct command *c, int id)
{
	for (size_t i = 0; c && c->options[i]; i++)
		if (c->options[i] == id)
			return true;
	return false;
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (streq(commands[i]->name, name))
			return commands[i];
	return NULL;
}

/* ---- help ---- */

static void
help_option(const struct option_entry *e)
{
	_cleanup_free_ char *left =
	    xasprintf("  %s%c%s--%s%s%s", e->letter ? "-" : "  ", e->letter ? e->letter : ' ',
	        e->letter ? ", " : " ", e->name, e->arg ? " " : "", e->arg ? e->arg : "");

	printf("%-22s  %s\n", left, e->help);
	printf("%24s  %s\n", "", e->example);
}

static void
help_program(void)
{
	printf("Usage: dbhealth [OPTION ...] COMMAND [ARGUMENT ...]\n\n"
	       "What ails the databases of this host, worst first, with the next safe step.\n\n"
	       "Commands:\n");
	for (size_t i = 0; commands[i]; i++) {
		_cleanup_free_ char *left =
		    xasprintf("%s %s", commands[i]->name, commands[i]->args);

		printf("  %-24s  %s\n", left, commands[i]->summary);
	}
	printf("\nOptions, before or after the command (each with an example):\n");
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		if (entries[i].global)
			help_option(&entries[i]);
	printf("\nExit: 0 ok, 1 warning, 2 critical, 3 unknown and nothing worse, 64 usage, 69 no\n"
	       "daemon, 77 permission denied, 78 bad configuration.\n"
	       "More of a command: dbhealth COMMAND --help, and dbhealth(1).\n");
}

static void
help_command(const struct command *c)
{
	printf("Usage: dbhealth %s [OPTION ...] %s\n\n%s.\n", c->name, c->args, c->summary);
	if (c->help)
		printf("\n%s\n", c->help);
	if (c->options[0])
		printf("\nOptions (each with an example):\n");
	for (size_t i = 0; c->options[i]; i++)
		help_option(find_entry(c->options[i]));
	printf("\nOptions of every command: dbhealth --help\n");
}

/* ---- values ---- */

static int
bad_value(const struct cli *cli, const struct option_entry *e, const char *value, const char *want)
{
	_cleanup_free_ char *shown = show_text(value);

	return cli_fail(
	    cli, EXIT_USAGE, "--%s %s: not understood. Write %s.", e->name, shown, want);
}

static int
set_word(const struct cli *cli, const struct option_entry *e, const char *value,
    const char *const *words, size_t n, int *ret)
{
	_cleanup_str_ struct str want = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (streq(words[i], value)) {
			*ret = (int)i;
			return 0;
		}
		str_addf(&want, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", words[i]);
	}
	return bad_value(cli, e, value, str_text(&want));
}

static int
set_duration(const struct cli *cli, const struct option_entry *e, const char *value, int64_t *ret)
{
	struct err err = { 0 };

	if (duration_parse(value, ret, &err) == 0 && *ret > 0)
		return 0;
	return bad_value(cli, e, value, "a time such as 500ms, 10s or 5min");
}

static int
set_count(const struct cli *cli, const struct option_entry *e, const char *value, int *ret)
{
	char *end;
	long n = strtol(value, &end, 10);

	if (*value == '\0' || *end || n < 2 || n > 100)
		return bad_value(cli, e, value, "a number from 2 to 100");
	*ret = (int)n;
	return 0;
}

static int
add_probes(const struct cli *cli, const struct option_entry *e, const char *value, char ***list)
{
	_cleanup_strv_ char **names = strv_split_commas(value);

	for (size_t i = 0; i < strv_len(names); i++) {
		enum probe p;

		if (probe_parse(names[i], &p) < 0)
			return bad_value(
			    cli, e, names[i], "connectivity, schema, integrity or performance");
		strv_add(list, names[i]);
	}
	return 0;
}

/* What is more than a value to be kept. */
static int
apply_own(struct cli *cli, const struct option_entry *e, const char *value)
{
	static const char *const outputs[] = { "text", "json", "nagios" };
	static const char *const colours[] = { "auto", "always", "never" };
	static const char *const fails[] = { "unknown", "warning", "critical", "none" };
	static const char *const vacuums[] = { "auto", "always", "never" };
	static const char *const levels[] = { "monitor", "schema", "data" };
	struct options *o = &cli->o;
	int word = 0, r;

	switch (e->id) {
	case OPT_SOCKET:
		o->socket = value;
		o->url = NULL;
		return 0;
	case OPT_URL:
		o->url = value;
		return 0;
	case OPT_OUTPUT:
		r = set_word(cli, e, value, outputs, ARRAY_SIZE(outputs), &word);
		o->output = (enum output)word;
		return r;
	case OPT_COLOR:
		r = set_word(cli, e, value, colours, ARRAY_SIZE(colours), &word);
		o->colour = (enum colour)word;
		return r;
	case OPT_HELP:
		if (cli->command)
			help_command(cli->command);
		else
			help_program();
		return -1;
	case OPT_VERSION:
		printf("dbhealth %s\n", DBHEALTHD_VERSION);
		return -1;
	case OPT_VERBOSE:
		o->verbose++;
		return 0;
	case OPT_SEVERITY:
		o->severity = value;
		return set_word(cli, e, value, severity_names + 1, SEVERITY_N - 1, &word);
	case OPT_PROBE:
		return add_probes(cli, e, value, &o->probes);
	case OPT_CHECK:
		strv_add(&o->checks, value);
		return 0;
	case OPT_ENABLE:
		strv_add(&o->enable, value);
		return 0;
	case OPT_FAIL_ON:
		r = set_word(cli, e, value, fails, ARRAY_SIZE(fails), &word);
		o->fail_on = (enum fail_on)word;
		return r;
	case OPT_LEVEL:
		return set_word(cli, e, value, levels, ARRAY_SIZE(levels), &o->level);
	case OPT_VACUUM:
		return set_word(cli, e, value, vacuums, ARRAY_SIZE(vacuums), &o->vacuum);
	case OPT_CONNECTION_LIMIT:
		return set_count(cli, e, value, &o->connection_limit);
	}
	assert(false); /* an option that neither goes anywhere nor does anything */
	return 0;
}

static int
apply(struct cli *cli, const struct option_entry *e, const char *value)
{
	char *options = (char *)&cli->o;

	if (e->flag)
		*(bool *)(options + e->flag) = true;
	else if (e->text)
		*(const char **)(void *)(options + e->text) = value;
	else if (e->time)
		return set_duration(cli, e, value, (int64_t *)(void *)(options + e->time));
	else
		return apply_own(cli, e, value);
	return 0;
}

/* ---- parsing ---- */

/* getopt's tables for the global options and those of command; short holds 3 per entry and more. */
static void
build(const struct command *command, const char *first, struct option *longs, char *shorts)
{
	char *s = stpcpy(shorts, first);
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		const struct option_entry *e = &entries[i];

		if (!e->global && !command_has(command, e->id))
			continue;
		longs[n++] = (struct option){ .name = e->name,
			.has_arg = e->arg ? required_argument : no_argument,
			.val = e->id };
		if (e->letter) {
			*s++ = e->letter;
			if (e->arg)
				*s++ = ':';
		}
	}
	*s = '\0';
	longs[n] = (struct option){ 0 };
}

static const struct option_entry *
entry_of(int c)
{
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		if (entries[i].id == c || (entries[i].letter && entries[i].letter == c))
			return &entries[i];
	return NULL;
}

static int
wrong_option(const struct cli *cli, int c, char **argv)
{
	_cleanup_free_ char *shown =
	    show_text(optind > 0 && argv[optind - 1] ? argv[optind - 1] : "option");
	const char *name = cli->command ? cli->command->name : "";

	return cli_fail(cli, EXIT_USAGE, "%s: %s. See: dbhealth %s%s--help.", shown,
	    c == ':' ? "it needs a value" : "no such option", name, *name ? " " : "");
}

static int
parse_part(int argc, char **argv, struct cli *cli, const char *first)
{
	struct option longs[ARRAY_SIZE(entries) + 1];
	char shorts[ARRAY_SIZE(entries) * 2 + 4];
	int c;

	build(cli->command, first, longs, shorts);
	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_entry *e = entry_of(c);
		int r;

		if (c == '?' || c == ':' || !e)
			return wrong_option(cli, c, argv);
		r = apply(cli, e, optarg);
		if (r != 0)
			return r;
	}
	return 0;
}

static int
unknown_command(const struct cli *cli, const char *word)
{
	const char *names[16];
	size_t n = 0;
	const char *near;
	_cleanup_free_ char *shown = show_text(word);

	for (; n < ARRAY_SIZE(names) && commands[n]; n++)
		names[n] = commands[n]->name;
	near = str_nearest(word, names, n);
	if (near)
		return cli_fail(
		    cli, EXIT_USAGE, "%s: no such command. Did you mean %s?", shown, near);
	return cli_fail(cli, EXIT_USAGE, "%s: no such command. See: dbhealth --help.", shown);
}

/* -o nagios must rule errors that come before it was read, too. */
static void
foresee_output(int argc, char **argv, struct cli *cli)
{
	for (int i = 1; i < argc; i++)
		if (streq(argv[i], "-onagios") || streq(argv[i], "--output=nagios") ||
		    ((streq(argv[i], "-o") || streq(argv[i], "--output")) && i + 1 < argc &&
		        streq(argv[i + 1], "nagios")))
			cli->o.output = OUTPUT_NAGIOS;
}

int
options_parse(int argc, char **argv, struct cli *cli)
{
	int r;

	foresee_output(argc, argv, cli);
	r = parse_part(argc, argv, cli, "+:");
	if (r != 0)
		return r < 0 ? 1 : r;
	if (optind >= argc) {
		help_program();
		return cli_fail(
		    cli, EXIT_USAGE, "no command: nothing to do. Try: dbhealth status.");
	}
	cli->command = find_command(argv[optind]);
	if (!cli->command)
		return unknown_command(cli, argv[optind]);
	argc -= optind;
	argv += optind;
	optind = 0; /* getopt begins anew, with what follows the command */
	r = parse_part(argc, argv, cli, ":");
	if (r != 0)
		return r < 0 ? 1 : r;
	cli->args = argv + optind;
	cli->nargs = argc - optind;
	if (cli->nargs < cli->command->min_args)
		return cli_fail(cli, EXIT_USAGE, "%s: it wants %s. See: dbhealth %s --help.",
		    cli->command->name, cli->command->args, cli->command->name);
	if (cli->command->max_args >= 0 && cli->nargs > cli->command->max_args) {
		_cleanup_free_ char *shown = show_text(cli->args[cli->command->max_args]);

		return cli_fail(cli, EXIT_USAGE,
		    "%s: %s: one argument too many. See: dbhealth %s "
		    "--help.",
		    cli->command->name, shown, cli->command->name);
	}
	return 0;
}

void
options_done(struct options *o)
{
	o->probes = strv_free(o->probes);
	o->checks = strv_free(o->checks);
	o->enable = strv_free(o->enable);
}
