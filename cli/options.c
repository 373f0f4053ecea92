/*
 * The command line as the tables say: global options before or after the command, the command's
 * own after it, and the help.
 */
#include "cli/options.h"
#include "cli/check_select.h"
#include "cli/option_table.h"

#include "base/str.h"
#include "base/text.h"
#include "base/unit.h"
#include "base/words.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>

static const struct option_entry *
find_entry(int id)
{
	for (const struct option_entry *e = option_entries; e->name; e++)
		if (e->id == id)
			return e;
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

static const struct command_group *
find_group(const char *name)
{
	for (size_t i = 0; command_groups[i].name; i++)
		if (streq(command_groups[i].name, name))
			return &command_groups[i];
	return NULL;
}

/* The action of "migrate status" as one of the group migrate; NULL: it is of another or of none. */
static const char *
action_of(const struct command *c, const struct command_group *g)
{
	size_t n = strlen(g->name);

	return strncmp(c->name, g->name, n) == 0 && c->name[n] == ' ' ? c->name + n + 1 : NULL;
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

		if (!strchr(commands[i]->name, ' '))
			printf("  %-24s  %s\n", left, commands[i]->summary);
	}
	for (size_t i = 0; command_groups[i].name; i++) {
		_cleanup_free_ char *left = xasprintf("%s ACTION ...", command_groups[i].name);

		printf("  %-24s  %s\n", left, command_groups[i].summary);
	}
	printf("\nOptions, before or after the command (each with an example):\n");
	for (const struct option_entry *e = option_entries; e->name; e++)
		if (e->global)
			help_option(e);
	printf("\nExit: 0 ok, 1 warning, 2 critical, 3 unknown and nothing worse, 64 usage, 69 no\n"
	       "daemon, 77 permission denied, 78 bad configuration.\n"
	       "More of a command: dbhealth COMMAND --help, and dbhealth(1).\n");
}

static void
help_group(const struct command_group *g)
{
	printf("Usage: dbhealth %s ACTION [OPTION ...] [ARGUMENT ...]\n\n%s.\n\nActions:\n",
	    g->name, g->summary);
	for (size_t i = 0; commands[i]; i++) {
		const char *action = action_of(commands[i], g);
		_cleanup_free_ char *left =
		    action ? xasprintf("%s %s", action, commands[i]->args) : NULL;

		if (left)
			printf("  %-24s  %s\n", left, commands[i]->summary);
	}
	if (g->help)
		printf("\n%s\n", g->help);
	printf("\nMore of one: dbhealth %s ACTION --help\n", g->name);
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
set_retries(const struct cli *cli, const struct option_entry *e, const char *value, int *ret)
{
	char *end;
	long n = strtol(value, &end, 10);

	if (*value == '\0' || *end || n < 0 || n > 1000)
		return bad_value(cli, e, value, "a number from 0 to 1000");
	*ret = (int)n;
	return 0;
}

static int
set_rows(const struct cli *cli, const struct option_entry *e, const char *value, int64_t *ret)
{
	char *end;
	long long n = strtoll(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || n < 1 || n > INT64_MAX / 2)
		return bad_value(cli, e, value, "a number of rows");
	*ret = n;
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
	static const char *const outputs[] = { "text", "json", "nagios", "csv", "markdown" };
	static const char *const colours[] = { "auto", "always", "never" };
	static const char *const fails[] = { "unknown", "warning", "critical", "none" };
	static const char *const engines[] = { "", "postgresql", "sqlite" };
	static const char *const bys[] = { "time", "calls", "io" };
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
		o->csv = word == 3;
		o->markdown = word == 4;
		o->output = word > 2 ? OUTPUT_TEXT : (enum output)word;
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
	case OPT_ENGINE:
		return set_word(cli, e, value, engines, ARRAY_SIZE(engines), &o->engine);
	case OPT_BY:
		return set_word(cli, e, value, bys, ARRAY_SIZE(bys), &o->by);
	case OPT_LIMIT:
		return set_count(cli, e, value, &o->limit);
	case OPT_RETRIES:
		return set_retries(cli, e, value, &o->retries);
	case OPT_ROWS:
		return set_rows(cli, e, value, &o->rows);
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

/*
 * getopt's tables for the global options and those of command; shorts holds two letters an entry and
 * what comes first.
 */
static void
build(const struct command *command, const char *first, struct option *longs, char *shorts)
{
	char *s = stpcpy(shorts, first);
	size_t n = 0;

	for (const struct option_entry *e = option_entries; e->name; e++) {
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
	for (const struct option_entry *e = option_entries; e->name; e++)
		if (e->id == c || (e->letter && e->letter == c))
			return e;
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
	struct option longs[OPTIONS_MAX];
	char shorts[OPTIONS_MAX * 2 + 4];
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
	const char *names[COMMANDS_MAX];
	size_t n = 0;
	const char *near;
	_cleanup_free_ char *shown = show_text(word);

	for (; commands[n]; n++)
		names[n] = commands[n]->name;
	for (size_t i = 0; command_groups[i].name; i++)
		names[n++] = command_groups[i].name;
	near = str_nearest(word, names, n);
	if (near)
		return cli_fail(
		    cli, EXIT_USAGE, "%s: no such command. Did you mean %s?", shown, near);
	return cli_fail(cli, EXIT_USAGE, "%s: no such command. See: dbhealth --help.", shown);
}

/* The action behind a group's name: 0, 1 after help was printed, or an exit code. */
static int
find_action(struct cli *cli, const struct command_group *g, int argc, char **argv)
{
	_cleanup_str_ struct str actions = { 0 };
	_cleanup_free_ char *name = NULL, *shown = NULL;

	if (argc < 2 || streq(argv[1], "--help") || streq(argv[1], "-h")) {
		help_group(g);
		return argc < 2 ? cli_fail(cli, EXIT_USAGE, "%s: no action.", g->name) : 1;
	}
	name = xasprintf("%s %s", g->name, argv[1]);
	cli->command = find_command(name);
	if (cli->command)
		return 0;
	for (size_t i = 0; commands[i]; i++)
		if (action_of(commands[i], g))
			str_addf(&actions, "%s%s", actions.len > 0 ? ", " : "",
			    action_of(commands[i], g));
	shown = show_text(argv[1]);
	return cli_fail(cli, EXIT_USAGE, "%s: %s: no such action. There are: %s.", g->name, shown,
	    str_text(&actions));
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

/* -3 is no option there: it is put behind all others, where getopt does not look.  How many are. */
static int
count_last(int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc - n; i++) {
		char *arg = argv[i];

		if (streq(arg, "--"))
			break;
		if (arg[0] != '-' || !arg[1] || arg[1 + strspn(arg + 1, "0123456789")])
			continue;
		memmove(&argv[i], &argv[i + 1], (size_t)(argc - i - 1) * sizeof(*argv));
		argv[argc - 1] = arg;
		n++;
		i--;
	}
	return n;
}

int
options_parse(int argc, char **argv, struct cli *cli)
{
	const struct command_group *group;
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
	argc -= optind;
	argv += optind;
	group = find_group(argv[0]);
	if (group) {
		r = find_action(cli, group, argc, argv);
		if (r != 0)
			return r;
		argc--;
		argv++;
	} else {
		cli->command = find_command(argv[0]);
	}
	if (!cli->command)
		return unknown_command(cli, argv[0]);
	optind = 0; /* getopt begins anew, with what follows the command */
	r = parse_part(argc - (cli->command->counts ? count_last(argc, argv) : 0), argv, cli, ":");
	if (r != 0)
		return r < 0 ? 1 : r;
	if (cli->o.markdown && cli->command != &command_checklist &&
	    cli->command != &command_release_check && cli->command != &command_schema)
		return cli_fail(cli, EXIT_USAGE,
		    "%s: markdown is what checklist --digest, release-check and schema print.",
		    cli->command->name);
	if (cli->o.csv && cli->command != &command_history)
		return cli_fail(
		    cli, EXIT_USAGE, "%s: csv is what history alone prints.", cli->command->name);
	cli->args = argv + optind;
	cli->nargs = argc - optind;
	if (cli->nargs < cli->command->min_args)
		return cli_fail(cli, EXIT_USAGE, "%s: it wants %s. See: dbhealth %s --help.",
		    cli->command->name, cli->command->args, cli->command->name);
	if (cli->command->max_args >= 0 && cli->nargs > cli->command->max_args) {
		_cleanup_free_ char *shown = check_select_show(cli->args[cli->command->max_args]);

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
