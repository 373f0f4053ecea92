/* What explains the findings of a check, as its head declares it. */
#include "check/cause.h"
#include "base/str.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789"

static bool
is_word(const char *s, const char *chars)
{
	size_t len = strlen(s);

	return len > 0 && len <= 63 && strspn(s, chars) == len;
}

static int
parse_field(char *text, struct check_cause *c, struct err *e)
{
	char *of = strchr(text, '=');

	if (of) {
		*of++ = '\0';
		of = str_trim(of);
		text = str_trim(text);
	}
	if (!is_word(text, NAME_CHARS "_") || (of && !is_word(of, NAME_CHARS "_")))
		return err_set(e, -EINVAL,
		    "behind `by` stands object, key or the name of a label, or two of them with = "
		    "between");
	c->field = xstrdup(text);
	c->of = xstrdup(of ? of : text);
	return 0;
}

static int
parse_one(char *text, struct check_cause *c, struct err *e)
{
	char *save = NULL, *word = strtok_r(text, " \t", &save), *rest;

	for (int s = SEVERITY_INFO; word && s < SEVERITY_N; s++)
		if (streq(word, severity_names[s])) {
			c->least = (enum severity)s;
			word = strtok_r(NULL, " \t", &save);
			break;
		}
	if (!word || !is_word(word, NAME_CHARS "-"))
		return err_set(e, -EINVAL, "\"%.60s\" is not the id of a check", word ? word : "");
	c->check = xstrdup(word);
	word = strtok_r(NULL, " \t", &save);
	if (!word)
		return 0;
	rest = strtok_r(NULL, "", &save);
	if (!streq(word, "by") || !rest)
		return err_set(e, -EINVAL,
		    "\"%.60s\" is not understood: [SEVERITY] CHECK [by FIELD[=FIELD]], ...", word);
	return parse_field(str_trim(rest), c, e);
}

int
check_causes_parse(const char *text, struct check *check, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(text);

	for (char *at = copy, *next; at; at = next) {
		struct check_cause *c;

		next = strchr(at, ',');
		if (next)
			*next++ = '\0';
		if (check->ncauses == CHECK_CAUSES_MAX)
			return err_set(e, -EINVAL, "more than %d causes", CHECK_CAUSES_MAX);
		check->causes =
		    xreallocarray(check->causes, check->ncauses + 1, sizeof(*check->causes));
		c = &check->causes[check->ncauses++];
		*c = (struct check_cause){ .least = SEVERITY_INFO };
		if (parse_one(str_trim(at), c, e) < 0)
			return -EINVAL;
	}
	return 0;
}

void
check_causes_free(struct check *check)
{
	for (size_t i = 0; i < check->ncauses; i++) {
		free(check->causes[i].check);
		free(check->causes[i].field);
		free(check->causes[i].of);
	}
	free(check->causes);
}

char *
check_cause_text(const struct check_cause *c)
{
	_cleanup_str_ struct str out = { 0 };

	if (c->least > SEVERITY_INFO)
		str_addf(&out, "%s ", severity_names[c->least]);
	str_add(&out, c->check);
	if (c->field)
		str_addf(&out, " by %s", c->field);
	if (c->field && !streq(c->field, c->of))
		str_addf(&out, "=%s", c->of);
	return str_take(&out);
}
