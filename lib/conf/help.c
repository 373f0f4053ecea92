/* --help-config: the option table in words. */
#include "base/str.h"
#include "conf/option.h"

#define WIDTH 78

/* Words wrapped under an indent of eight. */
static void
add_wrapped(struct str *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column == 0 || column + 1 + n > WIDTH) {
			str_add(out, column ? "\n        " : "        ");
			column = 8;
		} else {
			str_addc(out, ' ');
			column++;
		}
		str_addn(out, text, n);
		column += n;
		text += n + (text[n] == ' ');
	}
	str_addc(out, '\n');
}

static void
add_option(struct str *out, const struct conf_option *o)
{
	_cleanup_free_ char *accepted = option_accepted(o), *words = NULL;

	str_addf(out, "  %s (%s", o->name, conf_type_names[o->type]);
	if (o->type == TYPE_INT)
		str_addf(out, ": %s", accepted);
	if (o->def)
		str_addf(out, "; default %s", o->def);
	if (o->env)
		str_addf(out, "; environment %s", o->env);
	if (o->flags & OPT_REQUIRED)
		str_add(out, "; required");
	if (o->flags & OPT_RESTART)
		str_add(out, "; applied by a restart");
	if (o->flags & OPT_LATER)
		str_add(out, "; not in effect in this version");
	str_add(out, ")\n");
	add_wrapped(out, o->help);
	if (o->words) {
		words = xasprintf("accepted: %s", accepted);
		add_wrapped(out, words);
	}
	str_addf(out, "        example: %s = %s\n",
	    streq(o->name, "param.*") ? "param.min_rows" : o->name, o->example);
}

char *
conf_help(void)
{
	_cleanup_str_ struct str out = { 0 };

	for (int kind = 0; kind < KIND_N; kind++) {
		const struct conf_section_type *s = &conf_sections[kind];

		str_addf(&out, "%s[%s%s%s]\n", kind ? "\n" : "", s->name, s->argument ? " " : "",
		    s->argument ? s->argument : "");
		add_wrapped(&out, s->help);
		for (size_t i = 0; i < conf_noptions; i++)
			if (conf_options[i].kind == (enum conf_kind)kind)
				add_option(&out, &conf_options[i]);
	}
	return str_take(&out);
}
