/* Columns and cells of a result: found by name, read with care. */
#include "check/column.h"
#include "base/text.h"
#include "check/settings.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>

static const char *const role_names[COLUMN_REMEDY] = { "object", "key", "value", "severity",
	"detail", "part", "whole", "reset", "grant", "at", "first_seen", "resume", "keep" };

static int
role_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(role_names); i++)
		if (streq(name, role_names[i]))
			return (int)i;
	if (streq(name, "remedy"))
		return COLUMN_REMEDY;
	if (strncmp(name, "remedy_", 7) == 0 && name[7] >= '2' && name[7] < '1' + REMEDY_MAX &&
	    !name[8])
		return COLUMN_REMEDY + (name[7] - '1');
	return -1;
}

void
columns_init(struct columns *cols, size_t n, const char *const *names)
{
	*cols = (struct columns){ .n = n };
	for (size_t i = 0; i < COLUMN_N; i++)
		cols->index[i] = -1;
	for (size_t i = 0; i < n; i++) {
		int role = role_of(names[i]);

		if (role >= 0 && cols->index[role] < 0)
			cols->index[role] = (int)i;
		else if (role < 0 && cols->nlabels < COLUMN_MAX_LABELS) {
			cols->labels[cols->nlabels].name =
			    text_from_peer(names[i], strlen(names[i]), 63);
			cols->labels[cols->nlabels++].index = i;
		}
	}
}

void
columns_done(struct columns *cols)
{
	for (size_t i = 0; i < cols->nlabels; i++)
		free(cols->labels[i].name);
	*cols = (struct columns){ 0 };
}

const char *
columns_missing(const struct columns *cols, const struct check *c)
{
	bool value = cols->index[COLUMN_VALUE] >= 0;

	switch (c->kind) {
	case KIND_GAUGE:
	case KIND_EVENT:
		return value ? NULL : "value";
	case KIND_RATE:
		return !value ? "value" : cols->index[COLUMN_AT] < 0 ? "at" : NULL;
	case KIND_RATIO:
		return cols->index[COLUMN_PART] < 0    ? "part"
		       : cols->index[COLUMN_WHOLE] < 0 ? "whole"
		                                       : NULL;
	case KIND_SNAPSHOT:
		return cols->index[COLUMN_OBJECT] < 0 ? "object" : NULL;
	case KIND_FINDING:
	case KIND_SCRUB:
		return value || check_severity_by_sql(c) ? NULL : "value";
	case KIND_NONE:
	case KIND_N:
		break;
	}
	return NULL;
}

bool
cell_number(const char *s, size_t len, double *ret)
{
	char text[512], *end;
	double v;

	/* Digits of a numeric that nobody needs: the longest double is shorter. */
	if (len == 0 || len >= sizeof(text))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)s[i]) && !strchr("+-.eE", s[i]))
			return false;
	memcpy(text, s, len);
	text[len] = '\0';
	v = strtod(text, &end);
	if (*end || end == text || !isfinite(v))
		return false;
	*ret = v;
	return true;
}

char *
cell_text(const char *s, size_t len, bool *ret_cut)
{
	char *text = text_from_peer(s, MIN(len, TEXT_MAX_BYTES + 1), TEXT_MAX_BYTES);

	*ret_cut = len > TEXT_MAX_BYTES;
	return text;
}
