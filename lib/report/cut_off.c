/* What nobody reaches cannot answer. */
#include "report/cut_off.h"
#include "report/layout.h"

/* Whether this finding says that nobody reaches this database. */
static bool
cuts_off(const json_t *f, const json_t *db)
{
	if (!streq(layout_get(f, "check"), "conn-up") || !streq(layout_get(f, "state"), "open") ||
	    !streq(layout_get(f, "severity"), "critical"))
		return false;
	if (*layout_get(f, "database"))
		return streq(layout_get(f, "database"), layout_get(db, "name"));
	return streq(layout_get(f, "server"), layout_get(db, "server"));
}

static bool
is_cut_off(const json_t *findings, const json_t *db)
{
	const json_t *f;
	size_t i;

	json_array_foreach (findings, i, f)
		if (cuts_off(f, db))
			return true;
	return false;
}

json_t *
cut_off_unknown(const json_t *status, const json_t *findings, const char *only)
{
	json_t *out = json_array();
	const json_t *db, *c;
	size_t i, k;

	json_array_foreach (json_object_get(status, "databases"), i, db) {
		if ((only && !streq(only, layout_get(db, "name"))) || is_cut_off(findings, db))
			continue;
		json_array_foreach (json_object_get(db, "checks"), k, c) {
			if (!streq(layout_get(c, "status"), "unknown"))
				continue;
			json_array_append_new(
			    out, json_pack("{s:s, s:s, s:s, s:s}", "database",
			             layout_get(db, "name"), "check", layout_get(c, "id"), "reason",
			             layout_get(c, "reason"), "grant", layout_get(c, "grant")));
		}
	}
	return out;
}

void
cut_off_text(struct str *out, const json_t *status, const json_t *finding)
{
	_cleanup_free_ char *line = NULL, *nchecks = NULL, *ndatabases = NULL;
	int64_t checks = 0, databases = 0;
	const json_t *db;
	size_t i;

	json_array_foreach (json_object_get(status, "databases"), i, db) {
		int64_t n = json_integer_value(json_object_get(db, "unknown"));

		if (n == 0 || !cuts_off(finding, db))
			continue;
		checks += n;
		databases++;
	}
	if (databases == 0)
		return;
	nchecks = layout_count(checks);
	ndatabases = layout_count(databases);
	line = xasprintf("%s check%s of %s database%s cannot answer meanwhile", nchecks,
	    checks == 1 ? "" : "s", ndatabases, databases == 1 ? "" : "s");
	layout_prose(out, "  ", 2, line);
}
