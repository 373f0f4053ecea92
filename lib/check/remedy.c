/* `remedy.N` and the other head values with a form of their own. */
#include "check/remedy.h"
#include "base/str.h"

static int
index_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (streq(word, words[i]))
			return (int)i;
	return -EINVAL;
}

/* Splits `a | b | c` in place; returns how many parts, or one more than max. */
static size_t
split_bars(char *s, char **parts, size_t max)
{
	size_t n = 0;

	for (char *next = s; next; n++) {
		char *part = next;

		next = strchr(part, '|');
		if (next)
			*next++ = '\0';
		if (n == max)
			return max + 1;
		parts[n] = str_trim(part);
	}
	return n;
}

static bool
means_nothing(const char *s)
{
	return !*s || streq(s, "-") || streq(s, "none");
}

static int
parse_line(struct check_remedy *remedy, const char *value, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(value);
	char *part[5] = { 0 };
	size_t n = split_bars(copy, part, ARRAY_SIZE(part));
	int kind, risk;

	if (n < 3 || n > ARRAY_SIZE(part) || !*part[0])
		return err_set(e, -EINVAL, "write: title | kind | risk | undo [| closes or helps]");
	kind = index_of(part[1], remedy_kind_names, REMEDY_KIND_N);
	if (kind < 0)
		return err_set(e, -EINVAL,
		    "\"%s\" is not a kind (look, sql, command, config, manual)", part[1]);
	risk = index_of(part[2], remedy_risk_names, RISK_N);
	if (risk < 0)
		return err_set(e, -EINVAL,
		    "\"%s\" is not a risk (none, lock, load, ends-session, data-loss)", part[2]);
	if (n == 5 && !streq(part[4], "closes") && !streq(part[4], "helps"))
		return err_set(e, -EINVAL, "\"%s\" is neither closes nor helps", part[4]);
	remedy->title = xstrdup(part[0]);
	remedy->kind = (enum remedy_kind)kind;
	remedy->risk = (enum remedy_risk)risk;
	remedy->undo = xstrdup(n < 4 || means_nothing(part[3]) ? "" : part[3]);
	remedy->closes = n == 5 && streq(part[4], "closes");
	remedy->told = n == 5;
	return 0;
}

int
remedy_parse(struct check *c, const char *key, const char *value, struct err *e)
{
	size_t i = (size_t)(key[0] - '1');

	if (key[0] < '1' || i >= REMEDY_MAX || (key[1] && !streq(key + 1, ".text")))
		return err_set(
		    e, -EINVAL, "remedies are remedy.1 to remedy.%d and remedy.N.text", REMEDY_MAX);
	if (!key[1])
		return parse_line(&c->remedies[i], value, e);
	c->remedies[i].text = xstrdup(value);
	return 0;
}

int
remedy_finish(struct check *c, const char *name, struct err *e)
{
	bool told = false;

	for (size_t i = 0; i < REMEDY_MAX; i++) {
		const struct check_remedy *remedy = &c->remedies[i];

		if (remedy->title && c->nremedies < i)
			return err_set(e, -EINVAL, "%s:1: remedy.%zu: there is no remedy.%zu", name,
			    i + 1, c->nremedies + 1);
		if (remedy->text && !remedy->title)
			return err_set(e, -EINVAL, "%s:1: remedy.%zu.text: there is no remedy.%zu",
			    name, i + 1, i + 1);
		c->nremedies += remedy->title != NULL;
		told = told || remedy->told;
	}
	for (size_t i = 0; !told && i < c->nremedies; i++) {
		enum remedy_kind kind = c->remedies[i].kind;

		if (kind == REMEDY_SQL || kind == REMEDY_COMMAND || kind == REMEDY_CONFIG) {
			c->remedies[i].closes = true;
			break;
		}
	}
	return 0;
}

int
check_for_parse(const char *value, int64_t ret_us[static SEVERITY_N], struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(value);
	char *second = strchr(copy, ',');
	int64_t warning, critical;
	int r;

	if (second)
		*second++ = '\0';
	r = duration_parse(str_trim(copy), &warning, e);
	if (r < 0)
		return r;
	critical = warning;
	if (second && (r = duration_parse(str_trim(second), &critical, e)) < 0)
		return r;
	ret_us[SEVERITY_INFO] = ret_us[SEVERITY_WARNING] = warning;
	ret_us[SEVERITY_CRITICAL] = critical;
	return 0;
}

int
check_hold_parse(const char *value, int64_t *ret_us, struct err *e)
{
	if (streq(value, "ack")) {
		*ret_us = HOLD_ACK;
		return 0;
	}
	return duration_parse(value, ret_us, e);
}
