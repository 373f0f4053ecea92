/*
 * The command line: global options before or after the command, the command's own after it, and
 * the help, all from one table.
 */
#include "cli/options.h"
#include "cli/check_select.h"

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
	{ OPT_DROPS, 0, false, "drops", NULL, "also what drops something (diff: with --ddl)",
	    "dbhealth diff --ddl --drops stage prod", .flag = offsetof(struct options, drops) },
	{ OPT_DATA, 0, false, "data", NULL, "compare the rows too: counts, keys, which ones differ",
	    "dbhealth diff --data stage prod", .flag = offsetof(struct options, data) },
	{ OPT_DOCS, 0, false, "docs", "FILE", "also write the schema there, as Markdown",
	    "dbhealth release-check --docs schema.md orders",
	    .text = offsetof(struct options, docs) },
	{ OPT_ROWS, 0, false, "rows", "N", "rows of larger tables are counted only (1000000)",
	    "dbhealth diff --data --rows 100000000 stage prod" },
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
	    "with level data also the role for code (data_role)",
	    "dbhealth init --level data --data-role data service=db",
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
	{ OPT_WORK, 0, false, "budget", "TIME", "for all of it (30s; PostgreSQL: 10min)",
	    "dbhealth optimize --budget 1h postgresql:///orders",
	    .time = offsetof(struct options, work_us) },
	{ OPT_VACUUM, 0, false, "vacuum", "WHEN", "auto (where it returns a tenth), always, never",
	    "dbhealth optimize --vacuum=never sqlite:app.db" },
	{ OPT_FOLLOW, 'f', false, "follow", NULL, "go on with what happens from now on",
	    "dbhealth events --follow orders", .flag = offsetof(struct options, follow) },
	{ OPT_SINCE, 0, false, "since", "TIME", "how long ago (1d), or 2026-03-01T09:12:00Z",
	    "dbhealth events --since 2h orders", .text = offsetof(struct options, since) },
	{ OPT_UNTIL, 0, false, "until", "TIME", "to this time; as --since (now)",
	    "dbhealth history --until 1d orders conn-latency",
	    .text = offsetof(struct options, until) },
	{ OPT_STEP, 0, false, "step", "TIME", "one average each; 0: each sample",
	    "dbhealth history --step 1h orders conn-latency",
	    .text = offsetof(struct options, step) },
	{ OPT_FOR, 0, false, "for", "TIME", "how long, from now",
	    "dbhealth silence orders --for 2h --reason upgrade",
	    .text = offsetof(struct options, length) },
	{ OPT_QUIET_UNTIL, 0, false, "until", "TIME",
	    "HH:MM, YYYY-MM-DD [HH:MM] here, or 2026-03-01T12:00:00Z",
	    "dbhealth silence orders --until 06:00 --reason upgrade",
	    .text = offsetof(struct options, until) },
	{ OPT_REASON, 0, false, "reason", "TEXT", "why, for those who come after you",
	    "dbhealth accept orders --reason 'was so before us'",
	    .text = offsetof(struct options, reason) },
	{ OPT_NOTE, 0, false, "note", "TEXT", "what was seen or done, for those who come after",
	    "dbhealth checklist done Drill --note 'took 40 min'",
	    .text = offsetof(struct options, note) },
	{ OPT_DIGEST, 0, false, "digest", NULL, "the last seven days; -o markdown for a mail",
	    "dbhealth checklist --digest -o markdown", .flag = offsetof(struct options, digest) },
	{ OPT_UNTIL_RESOLVED, 0, false, "until-resolved", NULL,
	    "ends before its time when what it matched is resolved",
	    "dbhealth silence orders --for 8h --until-resolved ...",
	    .flag = offsetof(struct options, until_resolved) },
	{ OPT_EVEN_IF_WORSE, 0, false, "even-if-worse", NULL,
	    "a rise in severity does not break it",
	    "dbhealth silence orders --for 1h --even-if-worse ...",
	    .flag = offsetof(struct options, even_if_worse) },
	{ OPT_BY, 0, false, "by", "WORD", "time (of the server), calls, or io: blocks read",
	    "dbhealth top --by io orders" },
	{ OPT_LIMIT, 0, false, "limit", "N", "so many, 2 to 100 (10)",
	    "dbhealth top --limit 50 orders" },
	{ OPT_DIR, 0, false, "dir", "DIR", "where the migrations are (./db/migrations)",
	    "dbhealth migrate status --dir migrations orders",
	    .text = offsetof(struct options, dir) },
	{ OPT_TABLE, 0, false, "table", "NAME", "dbmate's table (schema_migrations)",
	    "dbhealth migrate status --table app.migrated orders",
	    .text = offsetof(struct options, table) },
	{ OPT_MESSAGE, 'm', false, "message", "TEXT", "what it does, in a few words",
	    "dbhealth migrate revision -m 'Add user preferences'",
	    .text = offsetof(struct options, message) },
	{ OPT_RANGE, 'r', false, "range", "A:B",
	    "from one to the other: base, current, head, VERSION",
	    "dbhealth migrate history -r current:head orders",
	    .text = offsetof(struct options, range) },
	{ OPT_SHOW_SQL, 0, false, "sql", NULL, "print what would run, and run nothing",
	    "dbhealth migrate upgrade --sql orders | less", .flag = offsetof(struct options, sql) },
	{ OPT_DESTROY, 'y', false, "yes", NULL, "also what takes data away, without asking",
	    "dbhealth migrate upgrade --yes orders", .flag = offsetof(struct options, yes) },
	{ OPT_OUT_OF_ORDER, 0, false, "out-of-order", NULL,
	    "also those that are older than what is applied",
	    "dbhealth migrate upgrade --out-of-order orders",
	    .flag = offsetof(struct options, out_of_order) },
	{ OPT_LOCK_TIMEOUT, 0, false, "lock-timeout", "TIME",
	    "how long a statement waits for locks (2s)",
	    "dbhealth migrate upgrade --lock-timeout 500ms orders",
	    .time = offsetof(struct options, lock_timeout_us) },
	{ OPT_SAFE, 0, false, "safe", NULL, "lint, a verified backup, and checks before and after",
	    "dbhealth migrate upgrade --safe orders", .flag = offsetof(struct options, safe) },
	{ OPT_RETRIES, 0, false, "retries", "N", "how often again after that, 0 to 1000 (5)",
	    "dbhealth migrate upgrade --retries 20 orders" },
	{ OPT_RUNNER_WAIT, 0, false, "wait", "TIME", "for another run to end (30s)",
	    "dbhealth migrate upgrade --wait 5min orders",
	    .time = offsetof(struct options, wait_us) },
	{ OPT_BACKUP_TO, 0, false, "to", "DIR", "the folder of all databases' backups",
	    "dbhealth backup create --to /srv/backups orders",
	    .text = offsetof(struct options, backup_to) },
	{ OPT_RESTORE_TO, 0, false, "to", "DSN", "the new database, or sqlite:FILE",
	    "dbhealth backup restore --to postgresql:///copy orders",
	    .text = offsetof(struct options, restore_to) },
	{ OPT_FROM, 0, false, "from", "DIR", "the folder of all databases' backups",
	    "dbhealth backup list --from /srv/backups", .text = offsetof(struct options, from) },
	{ OPT_POLICY, 0, false, "policy", "NAME", "by this [backup] section, not the first one",
	    "dbhealth backup create --policy weekly orders",
	    .text = offsetof(struct options, policy) },
	{ OPT_SCRATCH, 0, false, "scratch", "DSN", "the server for the copy (SQLite: a folder)",
	    "dbhealth backup verify --scratch service=test orders",
	    .text = offsetof(struct options, scratch) },
	{ OPT_VERIFY, 0, false, "verify", NULL, "restore it elsewhere and compare, whatever is set",
	    "dbhealth backup create --verify orders", .flag = offsetof(struct options, verify) },
	{ OPT_SCHEDULED, 0, false, "scheduled", NULL, "verify and prune too, as its [backup] says",
	    "dbhealth backup create --scheduled orders",
	    .flag = offsetof(struct options, scheduled) },
	{ OPT_CHECKSUMS, 0, false, "checksums", NULL, "read every byte, restore nothing",
	    "dbhealth backup verify --checksums orders",
	    .flag = offsetof(struct options, checksums) },
	{ OPT_ENCRYPT, 0, false, "encrypt", "FOR", "age:RECIPIENT or gpg:KEYID",
	    "dbhealth backup create --encrypt gpg:ops orders",
	    .text = offsetof(struct options, encrypt) },
	{ OPT_IDENTITY, 0, false, "identity", "FILE", "with the secret key of age",
	    "dbhealth backup verify --identity ~/key.txt orders",
	    .text = offsetof(struct options, identity) },
	{ OPT_KEEP, 0, false, "keep", "LIST", "so many days, weeks, months, years",
	    "dbhealth backup prune --keep 7d,4w,12m orders",
	    .text = offsetof(struct options, keep) },
	{ OPT_YES_ASIDE, 'y', false, "yes", NULL, "move what is there aside, without asking",
	    "dbhealth backup restore --yes --to service=db orders",
	    .flag = offsetof(struct options, yes) },
	{ OPT_YES_PRUNE, 'y', false, "yes", NULL, "remove them without asking",
	    "dbhealth backup prune --yes orders", .flag = offsetof(struct options, yes) },
	{ OPT_NO_OWNER, 0, false, "no-owner", NULL, "without owners and privileges",
	    "dbhealth backup restore --no-owner --to service=t app",
	    .flag = offsetof(struct options, no_owner) },
	{ OPT_AT_MOST, 0, false, "limit", "N|TIME", "so many rows, or so long, and no more",
	    "dbhealth archive --limit 30min old-events",
	    .text = offsetof(struct options, at_most) },
	{ OPT_YES_MOVE, 'y', false, "yes", NULL, "do not ask before rows are moved",
	    "dbhealth archive --yes old-events", .flag = offsetof(struct options, yes) },
	{ OPT_SAFE_WRAP, 0, false, "safe", NULL, "a verified backup first, or nothing is run",
	    "dbhealth migrate wrap --safe orders -- flyway migrate",
	    .flag = offsetof(struct options, safe) },
	{ OPT_YES_WRAP, 'y', false, "yes", NULL, "run it though its SQL is unsafe",
	    "dbhealth migrate wrap --yes orders -- dbmate up",
	    .flag = offsetof(struct options, yes) },
	{ OPT_ENGINE, 0, false, "engine", "WORD", "postgresql or sqlite (by $DATABASE_URL)",
	    "dbhealth migrate lint --engine sqlite db/migrations" },
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
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		if (entries[i].global)
			help_option(&entries[i]);
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
	const char *names[96];
	size_t n = 0;
	const char *near;
	_cleanup_free_ char *shown = show_text(word);

	for (; n < ARRAY_SIZE(names) && commands[n]; n++)
		names[n] = commands[n]->name;
	for (size_t i = 0; n < ARRAY_SIZE(names) && command_groups[i].name; i++)
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
