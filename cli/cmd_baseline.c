/* `dbhealth baseline show|pin|unpin NAME`: how a schema should be, and what differs from that. */
#include "base/str.h"
#include "base/text.h"
#include "cli/cli.h"
#include "report/report.h"

#include <stdio.h>

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static long long
number_of(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

/* Words of several differences, one a line. */
static void
add_lines(struct str *out, const char *words)
{
	while (*words) {
		const char *end = strstr(words, "; ");
		size_t n = end ? (size_t)(end - words) : strlen(words);
		_cleanup_free_ char *line = xstrndup(words, n), *shown = show_text(line);

		str_addf(out, "    %s\n", shown);
		words += n + (end ? 2 : 0);
	}
}

static void
add_versions(struct str *out, const json_t *versions)
{
	const json_t *v;
	size_t i;

	str_add(out, "\nVERSIONS, newest first; each came between two looks\n");
	json_array_foreach (versions, i, v) {
		const char *after = text_of(v, "after");

		if (*after)
			str_addf(out, "%5lld  after %.16sZ, seen %.16sZ\n", number_of(v, "version"),
			    after, text_of(v, "seen_at"));
		else
			str_addf(out, "%5lld  seen %.16sZ\n", number_of(v, "version"),
			    text_of(v, "seen_at"));
		add_lines(out, text_of(v, "words"));
	}
}

static char *
answer_text(const json_t *a)
{
	struct str out = { 0 };
	const json_t *baseline = json_object_get(a, "baseline"), *d;
	long long n = number_of(a, "differences_total");
	_cleanup_free_ char *name = show_text(text_of(a, "database"));
	size_t i;

	if (!json_is_object(baseline))
		str_addf(&out, "%s: no baseline is pinned; version %lld, %lld object%s\n", name,
		    number_of(a, "version"), number_of(a, "objects"),
		    words_s((size_t)number_of(a, "objects")));
	else
		str_addf(&out, "%s: %s (version %lld, pinned %.16sZ by %s)\n", name,
		    n == 0   ? "as its baseline"
		    : n == 1 ? "1 difference from its baseline"
		             : "differs from its baseline",
		    number_of(baseline, "version"), text_of(baseline, "pinned_at"),
		    text_of(baseline, "by"));
	json_array_foreach (json_object_get(a, "differences"), i, d) {
		_cleanup_free_ char *object = show_text(text_of(d, "object"));
		_cleanup_free_ char *words = show_text(text_of(d, "words"));
		const char *colon = json_is_string(json_object_get(d, "part")) ? ":" : "";

		str_addf(&out, "  %s%s %s\n", object, colon, words);
	}
	if (n > (long long)i)
		str_addf(&out, "  and %lld more\n", n - (long long)i);
	add_versions(&out, json_object_get(a, "versions"));
	return str_take(&out);
}

static int
run(struct cli *cli)
{
	static const struct {
		const char *word, *method;
	} acts[] = { { "show", "GET" }, { "pin", "POST" }, { "unpin", "DELETE" } };
	_cleanup_free_ char *name = client_encode(cli->args[1]), *path = NULL, *text = NULL;
	const char *method = NULL;
	json_t *answer = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(acts); i++)
		if (streq(cli->args[0], acts[i].word))
			method = acts[i].method;
	if (!method)
		return cli_fail(cli, EXIT_USAGE, "baseline: write show, pin or unpin, then NAME.");
	if (cli->nargs > 2 && !streq(cli->args[0], "pin"))
		return cli_fail(cli, EXIT_USAGE, "baseline: only pin takes a version.");
	path = cli->nargs > 2
	           ? xasprintf("/v1/databases/%s/baseline?version=%s", name, cli->args[2])
	           : xasprintf("/v1/databases/%s/baseline", name);
	r = client_ask(cli, method, path, "", &answer);
	if (r != 0)
		return r;
	if (cli->o.output == OUTPUT_JSON) {
		cli_print_json(cli, answer);
	} else {
		text = answer_text(answer);
		cli_print(cli, text);
	}
	json_decref(answer);
	return EXIT_OK;
}

const struct command command_baseline = {
	.name = "baseline",
	.args = "ACT NAME [VERSION]",
	.summary = "show, pin or unpin how a schema should be",
	.help = "show: what differs from the baseline, and the last 20 versions of the schema,\n"
	        "each with the two looks between which it came. pin: what is there now (or was\n"
	        "in VERSION) is how it should be; what differs is a warning of schema-drift\n"
	        "until it is undone or pinned anew. unpin: there is no baseline any more.\n"
	        "pin and unpin need root, the daemon's user, or membership of admin_group.",
	.min_args = 2,
	.max_args = 3,
	.run = run,
};
