/*
 * Which of the two formats a client takes: RFC 9110's Accept.  The most specific range that a format
 * matches gives it its weight; of two that weigh the same, the one that was asked for by name.
 */
#include "report/metrics.h"

#include <ctype.h>
#include <strings.h>

/* How exactly a range names a type. */
enum match { MATCH_NONE = 0, MATCH_ANY, MATCH_MAJOR, MATCH_TYPE, MATCH_VERSION };

struct candidate {
	const char *major, *minor;
	const char *version;
	enum match best;
	int weight; /* in thousandths; -1: not named */
};

struct range {
	const char *type; /* "text/plain", without blanks around */
	size_t len;
	char version[16]; /* "" not told */
	int weight;
	bool odd; /* malformed: as if it were not there */
};

/* "0.8" in thousandths; -1 when it is no weight. */
static int
parse_weight(const char *s, size_t len)
{
	int n = 0;

	if (len == 0 || len > 5 || (*s != '0' && *s != '1') || (len > 1 && s[1] != '.'))
		return -1;
	n = (*s - '0') * 1000;
	for (size_t i = 2, unit = 100; i < len; i++, unit /= 10) {
		if (!isdigit((unsigned char)s[i]))
			return -1;
		n += (s[i] - '0') * (int)unit;
	}
	return n <= 1000 ? n : -1;
}

static void
trim(const char **s, size_t *len)
{
	while (*len > 0 && isblank((unsigned char)**s)) {
		(*s)++;
		(*len)--;
	}
	while (*len > 0 && isblank((unsigned char)(*s)[*len - 1]))
		(*len)--;
}

static void
parse_parameter(struct range *r, const char *s, size_t len)
{
	const char *eq = memchr(s, '=', len), *value = eq ? eq + 1 : s + len;
	size_t name = eq ? (size_t)(eq - s) : len, n = (size_t)(s + len - value);

	if (n >= 2 && *value == '"' && value[n - 1] == '"') {
		value++;
		n -= 2;
	}
	if (name == 1 && (*s == 'q' || *s == 'Q')) {
		r->weight = parse_weight(value, n);
		r->odd = r->odd || r->weight < 0;
	} else if (name == 7 && strncasecmp(s, "version", 7) == 0) {
		n = MIN(n, sizeof(r->version) - 1);
		memcpy(r->version, value, n);
		r->version[n] = '\0';
	}
}

/* One range with its parameters; quoted commas and semicolons stand nowhere in what we know. */
static struct range
parse_range(const char *s, size_t len)
{
	struct range r = { .weight = 1000 };
	const char *end = s + len;
	bool first = true;

	while (s <= end) {
		const char *semi = memchr(s, ';', (size_t)(end - s)), *part = s;
		size_t n = (size_t)((semi ? semi : end) - s);

		trim(&part, &n);
		if (first) {
			r.type = part;
			r.len = n;
		} else if (n > 0) {
			parse_parameter(&r, part, n);
		}
		first = false;
		if (!semi)
			break;
		s = semi + 1;
	}
	return r;
}

static bool
range_is(const struct range *r, const char *major, const char *minor)
{
	size_t n = strlen(major), m = strlen(minor);

	return r->len == n + 1 + m && strncasecmp(r->type, major, n) == 0 && r->type[n] == '/' &&
	       strncasecmp(r->type + n + 1, minor, m) == 0;
}

static enum match
range_match(const struct range *r, const struct candidate *c)
{
	if (range_is(r, "*", "*"))
		return MATCH_ANY;
	if (range_is(r, c->major, "*"))
		return MATCH_MAJOR;
	if (!range_is(r, c->major, c->minor))
		return MATCH_NONE;
	if (!*r->version)
		return MATCH_TYPE;
	return streq(c->version, r->version) ? MATCH_VERSION : MATCH_NONE;
}

static void
weigh(struct candidate *c, const struct range *r)
{
	enum match match = range_match(r, c);

	if (match == MATCH_NONE || match < c->best || (match == c->best && r->weight < c->weight))
		return;
	c->best = match;
	c->weight = r->weight;
}

enum exposition_format
exposition_negotiate(const char *accept)
{
	struct candidate plain = { "text", "plain", "0.0.4", MATCH_NONE, -1 };
	struct candidate open = { "application", "openmetrics-text", "1.0.0", MATCH_NONE, -1 };

	for (const char *s = accept ? accept : ""; *s;) {
		size_t n = strcspn(s, ",");
		struct range r = parse_range(s, n);

		if (!r.odd) {
			weigh(&plain, &r);
			weigh(&open, &r);
		}
		s += n + (s[n] == ',');
	}
	/* A wildcard asks for no format in particular. */
	if (open.best < MATCH_TYPE || open.weight <= 0 || open.weight < plain.weight)
		return EXPOSITION_PROMETHEUS;
	return EXPOSITION_OPENMETRICS;
}
