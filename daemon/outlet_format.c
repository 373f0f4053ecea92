/* How each kind of place wants an entry, and which kind standard error is. */
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "daemon/outlet_private.h"
#include "daemon/store_wire.h"
#include <stdio.h>
#include <sys/stat.h>

const char *
entry_field(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

/* Under journald the stream itself has time and priority: "<4>" is how a line says the latter. */
static void
render_text(struct str *out, const json_t *o, bool under_journald)
{
	_cleanup_free_ char *safe = show_text(entry_field(o, "MESSAGE"));
	char stamp[CLOCK_RFC3339_SIZE];

	if (under_journald) {
		str_addf(out, "<%s>%s\n", entry_field(o, "PRIORITY"), safe);
		return;
	}
	clock_rfc3339(strtoll(entry_field(o, ENTRY_TIME), NULL, 10), stamp);
	str_addf(out, "%s %s\n", stamp, safe);
}

static void
render_json(struct str *out, const json_t *o, bool under_journald)
{
	_cleanup_free_ char *text = json_dumps(o, JSON_COMPACT);

	(void)under_journald;
	str_addf(out, "%s\n", text ? text : "{}");
}

static void
render_fields(struct str *out, const json_t *o, bool under_journald)
{
	const char *name;
	json_t *value;

	(void)under_journald;
	json_object_foreach ((json_t *)(uintptr_t)o, name, value) {
		_cleanup_free_ char *pair = NULL;

		/* journald's own */
		if (*name == '_')
			continue;
		pair = xasprintf("%s=%s", name, json_string_value(value));
		wire_add(out, pair);
	}
}

const char *const outlet_format_names[OUTLET_FORMAT_N] = { "journal", "text", "json" };

const struct outlet_type outlet_types[OUTLET_FORMAT_N] = {
	[OUTLET_JOURNAL] = { "journal", "the journal", OUTLET_SEND, render_fields },
	[OUTLET_TEXT] = { "stderr", "standard error", OUTLET_WRITE, render_text },
	[OUTLET_JSON] = { "stderr", "standard error", OUTLET_WRITE, render_json },
};

int
outlet_format_parse(const char *s, enum outlet_format *ret)
{
	for (int i = 0; i < OUTLET_FORMAT_N; i++)
		if (streq(s, outlet_format_names[i])) {
			*ret = (enum outlet_format)i;
			return 0;
		}
	return -EINVAL;
}

bool
outlet_is_journald(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	_cleanup_free_ char *is = NULL;
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	is = xasprintf("%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	return streq(is, stream);
}

enum outlet_format
outlet_format_default(void)
{
	return outlet_is_journald() ? OUTLET_JOURNAL : OUTLET_TEXT;
}

char *const *
outlet_names(enum outlet_format format)
{
	static char journal[] = "journal", stream[] = "stderr";
	static char *const names[OUTLET_FORMAT_N][2] = { { journal }, { stream }, { stream } };

	return names[format];
}
