/*
 * Families of samples as text.  Every family collects its own lines, so values may come database by
 * database; what stands above them differs by format and is written at the end.
 */
#include "report/metrics.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/sha.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>

const char *const exposition_types[EXPOSITION_FORMAT_N] = {
	"text/plain; version=0.0.4; charset=utf-8",
	"application/openmetrics-text; version=1.0.0; charset=utf-8",
};

struct family {
	enum family_type type;
	char *name, *help;
	struct str lines;
};

struct exposition {
	enum exposition_format format;
	struct map *by_name;  /* struct family, in their order */
	struct map *reserved; /* names that samples of other families have */
};

/* ---- families ---- */

struct exposition *
exposition_new(enum exposition_format format)
{
	struct exposition *e = xcalloc(1, sizeof(*e));

	e->format = format;
	e->by_name = map_new();
	e->reserved = map_new();
	return e;
}

static void
family_free(void *arg)
{
	struct family *f = arg;

	free(f->name);
	free(f->help);
	str_done(&f->lines);
	free(f);
}

struct exposition *
exposition_free(struct exposition *e)
{
	if (!e)
		return NULL;
	map_free(e->by_name, family_free);
	map_free(e->reserved, NULL);
	free(e);
	return NULL;
}

static const char *const *
suffixes(enum family_type type)
{
	static const char *const
	    none[] = { NULL },
	    *const counter[] = { "_total", "_created", NULL }, *const info[] = { "_info", NULL },
	    *const histogram[] = { "_bucket", "_count", "_sum", "_created", NULL };

	switch (type) {
	case FAMILY_COUNTER:
		return counter;
	case FAMILY_INFO:
		return info;
	case FAMILY_HISTOGRAM:
		return histogram;
	case FAMILY_GAUGE:
		break;
	}
	return none;
}

/* Two families must not write a sample of one name, whatever a check file calls its metric. */
static bool
name_is_free(const struct exposition *e, const char *name, enum family_type type)
{
	if (map_get(e->reserved, name))
		return false;
	for (const char *const *s = suffixes(type); *s; s++) {
		_cleanup_free_ char *full = xasprintf("%s%s", name, *s);

		if (map_get(e->by_name, full) || map_get(e->reserved, full))
			return false;
	}
	return true;
}

bool
exposition_has(const struct exposition *e, const char *name)
{
	return map_get(e->by_name, name) != NULL;
}

struct family *
exposition_family(struct exposition *e, enum family_type type, const char *name, const char *help)
{
	struct family *f = map_get(e->by_name, name);

	if (f)
		return f->type == type ? f : NULL;
	if (!name_is_free(e, name, type))
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->type = type;
	f->name = xstrdup(name);
	f->help = xstrdup(help);
	map_put(e->by_name, name, f);
	for (const char *const *s = suffixes(type); *s; s++) {
		_cleanup_free_ char *full = xasprintf("%s%s", name, *s);

		map_put(e->reserved, full, f);
	}
	return f;
}

/* ---- samples ---- */

static void
add_whole(struct str *s, uint64_t n)
{
	char digits[24], *p = digits + sizeof(digits);

	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	str_addn(s, p, (size_t)(digits + sizeof(digits) - p));
}

static void
add_number(struct str *s, double v)
{
	/* whole numbers that a double holds exactly, which most are */
	if (v >= 0 && v <= 9007199254740992.0 && v == floor(v))
		add_whole(s, (uint64_t)v);
	else
		str_addf(s, "%.15g", v);
}

static void
begin_line(struct family *f, const char *suffix, const char *labels, const char *more)
{
	struct str *s = &f->lines;

	str_add(s, f->name);
	str_add(s, suffix);
	if (*labels || *more) {
		str_addc(s, '{');
		str_add(s, labels);
		if (*labels && *more)
			str_addc(s, ',');
		str_add(s, more);
		str_addc(s, '}');
	}
	str_addc(s, ' ');
}

static const char *
sample_suffix(const struct family *f)
{
	switch (f->type) {
	case FAMILY_COUNTER:
		return "_total";
	case FAMILY_INFO:
		return "_info";
	case FAMILY_GAUGE:
	case FAMILY_HISTOGRAM:
		break;
	}
	return "";
}

void
family_add(struct family *f, const char *labels, double value)
{
	if (!isfinite(value))
		return;
	begin_line(f, sample_suffix(f), labels, "");
	add_number(&f->lines, value);
	str_addc(&f->lines, '\n');
}

static void
add_us(struct str *s, int64_t us)
{
	add_whole(s, (uint64_t)us / USEC_PER_SEC);
	str_addf(s, ".%06d\n", (int)(us % USEC_PER_SEC));
}

void
family_add_time(struct family *f, const char *labels, int64_t wall_us)
{
	if (wall_us <= 0)
		return;
	begin_line(f, sample_suffix(f), labels, "");
	add_us(&f->lines, wall_us - wall_us % USEC_PER_MSEC);
}

void
family_add_histogram(struct family *f, const char *labels, const struct histogram *h)
{
	/* The same words in both formats: to Prometheus another spelling is another series. */
	static const char *const steps[HISTOGRAM_STEPS + 1] = { "le=\"0.005\"", "le=\"0.025\"",
		"le=\"0.1\"", "le=\"0.5\"", "le=\"2.5\"", "le=\"10.0\"", "le=\"+Inf\"" };
	uint64_t below = 0;

	for (size_t i = 0; i <= HISTOGRAM_STEPS; i++) {
		below += h->in_step[i];
		begin_line(f, "_bucket", labels, steps[i]);
		add_whole(&f->lines, below);
		str_addc(&f->lines, '\n');
	}
	begin_line(f, "_sum", labels, "");
	add_us(&f->lines, h->sum_us);
	begin_line(f, "_count", labels, "");
	add_whole(&f->lines, h->count);
	str_addc(&f->lines, '\n');
}

/* ---- labels ---- */

static void
add_escaped(struct str *s, const char *text, bool quotes)
{
	while (*text) {
		size_t n = strcspn(text, quotes ? "\\\n\"" : "\\\n");

		str_addn(s, text, n);
		text += n;
		if (!*text)
			break;
		str_addc(s, '\\');
		str_addc(s, (char)(*text == '\n' ? 'n' : *text));
		text++;
	}
}

static bool
is_plain(const char *s)
{
	const char *p = s;

	while ((unsigned char)(*p - 1) < 0x7f)
		p++;
	return *p == '\0' && p - s <= LABEL_MAX_BYTES;
}

static char *
clean_value(const char *value)
{
	size_t len = strlen(value);
	_cleanup_free_ char *cut = NULL;
	char digest[SHA_ID_SIZE];

	if (len <= LABEL_MAX_BYTES)
		return text_from_peer(value, len, LABEL_MAX_BYTES * 3);
	sha_id(&value, 1, digest);
	cut = text_from_peer(value, len, LABEL_MAX_BYTES - SHA_ID_SIZE);
	return xasprintf("%s#%s", cut, digest);
}

void
label_add(struct str *s, const char *name, const char *value)
{
	_cleanup_free_ char *clean = is_plain(value) ? NULL : clean_value(value);

	if (s->len > 0)
		str_addc(s, ',');
	str_add(s, name);
	str_addn(s, "=\"", 2);
	add_escaped(s, clean ? clean : value, true);
	str_addc(s, '"');
}

/* 10.0.0.1, 10.0.0.1:5432, 10.0.0.0/8, 2001:db8::1/64 */
static bool
is_address(const char *s)
{
	unsigned char buf[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];
	size_t n = strcspn(s, "/");

	if (n == 0 || n >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)n, s);
	if (inet_pton(AF_INET6, text, buf) == 1)
		return true;
	text[strcspn(text, ":")] = '\0';
	return inet_pton(AF_INET, text, buf) == 1;
}

const char *
label_object(const char *object)
{
	if (str_starts(object, "pid ") && isdigit((unsigned char)object[4]))
		return "";
	return is_address(object) ? "" : object;
}

/* ---- the whole ---- */

static const char *
type_word(enum family_type type, enum exposition_format format)
{
	switch (type) {
	case FAMILY_COUNTER:
		return "counter";
	case FAMILY_INFO:
		return format == EXPOSITION_OPENMETRICS ? "info" : "gauge";
	case FAMILY_HISTOGRAM:
		return "histogram";
	case FAMILY_GAUGE:
		break;
	}
	return "gauge";
}

static const char *
unit_of(const char *name)
{
	static const char *const units[] = { "seconds", "bytes", "ratio" };
	const char *last = strrchr(name, '_');

	for (size_t i = 0; last && i < ARRAY_SIZE(units); i++)
		if (streq(last + 1, units[i]))
			return units[i];
	return NULL;
}

static void
write_head(struct str *out, const struct family *f, enum exposition_format format)
{
	bool open = format == EXPOSITION_OPENMETRICS;
	const char *suffix = open ? "" : sample_suffix(f), *unit = open ? unit_of(f->name) : NULL;

	str_addf(out, "# HELP %s%s ", f->name, suffix);
	add_escaped(out, f->help, open);
	str_addf(out, "\n# TYPE %s%s %s\n", f->name, suffix, type_word(f->type, format));
	if (unit)
		str_addf(out, "# UNIT %s %s\n", f->name, unit);
}

char *
exposition_take(struct exposition *e, size_t *ret_len)
{
	struct str out = { 0 };
	size_t iter = 0;
	void *value;

	while (map_next(e->by_name, &iter, NULL, &value)) {
		struct family *f = value;

		if (f->lines.len == 0)
			continue;
		write_head(&out, f, e->format);
		str_addn(&out, f->lines.s, f->lines.len);
		str_done(&f->lines); /* not the whole of it twice */
	}
	if (e->format == EXPOSITION_OPENMETRICS)
		str_add(&out, "# EOF\n");
	*ret_len = out.len;
	return str_take(&out);
}
