/* What silences and accepts have in common on the command line. */
#include "cli/silence.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/resolve.h"
#include "report/report.h"
#include <pwd.h>
#include <stdio.h>

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void
set(json_t *body, const char *key, const char *value)
{
	if (*value)
		json_object_set_new(body, key, report_string(value));
}

/* Length of as many parts as the name has, a glob or not, or 0: they do not name it. */
static size_t
length_naming(const char *text, const char *name)
{
	_cleanup_free_ char *parts = NULL;
	size_t n = strcspn(text, "/");

	for (const char *s = strchr(name, '/'); s && text[n]; s = strchr(s + 1, '/'))
		n += 1 + strcspn(text + n + 1, "/");
	parts = xstrndup(text, n);
	return str_glob(parts, name) ? n : 0;
}

/* Names of databases may hold a slash, and so may a section whose members are not known yet. */
static size_t
name_length(const json_t *status, const char *text)
{
	static const char *const lists[] = { "databases", "servers" };
	size_t best = 0, i;
	const json_t *o;

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
		json_array_foreach (json_object_get(status, lists[k]), i, o)
			best = MAX(best, length_naming(text, text_of(o, "name")));
	return best > 0 ? best : strcspn(text, "/");
}

int
silence_need_reason(const struct cli *cli, const char *command)
{
	return cli->o.reason && *cli->o.reason
	           ? 0
	           : cli_fail(cli, EXIT_USAGE,
	                 "%s: say why, for those who come after you: --reason TEXT.", command);
}

int
silence_set_target(const struct cli *cli, const char *text, json_t *body)
{
	_cleanup_free_ char *database = NULL, *check = NULL;
	json_t *status = NULL;
	const char *rest;
	size_t n;
	int r = client_get(cli, "/v1/status", &status);

	if (r != 0)
		return r;
	n = name_length(status, text);
	json_decref(status);
	database = xstrndup(text, n);
	rest = text + n + (text[n] == '/');
	check = xstrndup(rest, strcspn(rest, "/"));
	rest += strlen(check);
	set(body, "database", database);
	set(body, "check", check);
	set(body, "object", *rest == '/' ? rest + 1 : rest);
	return 0;
}

int
silence_post(const struct cli *cli, const char *path, const json_t *body, json_t **ret)
{
	_cleanup_free_ char *text = report_dump(body);

	return client_ask(cli, "POST", path, text, ret);
}

void
silence_warn(const struct cli *cli, const json_t *answer)
{
	_cleanup_free_ char *shown = show_text(text_of(answer, "warning"));

	if (*shown && !cli->o.quiet && cli->o.output != OUTPUT_NAGIOS)
		fprintf(stderr, "dbhealth: warning: %s\n", shown);
}

/* The daemon asks no directory who a uid is; this host's is ours to ask. */
static void
name_author(json_t *silence)
{
	const char *author = text_of(silence, "author");
	const struct passwd *p;

	if (!str_starts(author, "uid "))
		return;
	p = getpwuid((uid_t)strtoul(author + 4, NULL, 10));
	if (p)
		json_object_set_new(silence, "author", report_string(p->pw_name));
}

int
silence_show_list(const struct cli *cli, const char *path, const char *member, const char *none)
{
	_cleanup_free_ char *text = NULL;
	struct report_options o;
	json_t *answer = NULL, *s;
	size_t i;
	int r = client_get(cli, path, &answer);

	if (r != 0)
		return r;
	if (cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, answer);
		json_decref(answer);
		return EXIT_OK;
	}
	if (!cli->o.url)
		json_array_foreach (json_object_get(answer, member), i, s)
			name_author(s);
	cli_report_options(cli, &o);
	text = cli->o.output == OUTPUT_NAGIOS
	           ? xasprintf("DBHEALTH OK - %zu %s\n",
	                 json_array_size(json_object_get(answer, member)), member)
	           : report_silences_text(json_object_get(answer, member), &o);
	cli_print(cli, *text ? text : none);
	json_decref(answer);
	return EXIT_OK;
}

/* The whole id of the one that begins so; 0 or an exit code. */
static int
find_id(const struct cli *cli, const json_t *list, const char *x, const char *what, char **ret)
{
	_cleanup_free_ char *shown = show_text(x), *id = NULL;
	const json_t *s;
	size_t i, n = 0;

	if (!resolve_is_id(x))
		return cli_fail(cli, EXIT_USAGE,
		    "%s: no id: 4 to 16 digits 0-9, a-f. See: dbhealth %ss.", shown, what);
	json_array_foreach (list, i, s) {
		if (strncasecmp(text_of(s, "id"), x, strlen(x)) != 0)
			continue;
		free(id);
		id = xstrdup(text_of(s, "id"));
		n++;
	}
	if (n != 1)
		return cli_fail(cli, EXIT_USAGE, "%s: %s. See: dbhealth %ss.", shown,
		    n == 0 ? "no id begins so" : "several ids begin so, write more of it", what);
	*ret = TAKE_PTR(id);
	return 0;
}

static int
take_back_one(const struct cli *cli, const char *path, const char *id, const char *what)
{
	_cleanup_free_ char *target = xasprintf("%s/%s", path, id), *line = NULL;
	json_t *answer = NULL;
	int r = client_ask(cli, "DELETE", target, "", &answer);

	if (r != 0)
		return r;
	if (cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, answer);
	} else {
		line = xasprintf("%s%s %s is taken back\n",
		    cli->o.output == OUTPUT_NAGIOS ? "DBHEALTH OK - " : "", what, id);
		cli_print(cli, line);
	}
	json_decref(answer);
	return EXIT_OK;
}

int
silence_take_back(struct cli *cli, const char *path, const char *member, const char *what)
{
	json_t *answer = NULL;
	int r = client_get(cli, path, &answer);

	for (int i = 0; r == 0 && i < cli->nargs; i++) {
		_cleanup_free_ char *id = NULL;

		r = find_id(cli, json_object_get(answer, member), cli->args[i], what, &id);
		if (r == 0)
			r = take_back_one(cli, path, id, what);
	}
	json_decref(answer);
	return r;
}
