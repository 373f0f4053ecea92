/*
 * JSON of a hostile daemon through every text that the command makes of it.  Input: a JSON value;
 * an object's members "status", "findings", "checks", "result" ... are given as what they name.
 */
#include "fuzz.h"
#include "report/block.h"
#include "report/layout.h"
#include "report/report.h"

static void
show(char *take_text)
{
	_cleanup_free_ char *text = take_text;

	check_report(text);
}

static void
show_line(char *take_text)
{
	_cleanup_free_ char *text = take_text;

	check_shown(text, true);
	CHECK_SHOW(strlen(text) <= 4096, text);
}

static void
render(const json_t *j, const struct report_options *o)
{
	const json_t *status = json_object_get(j, "status"), *one = json_object_get(j, "finding");
	const json_t *findings = json_object_get(j, "findings"), *result;
	const json_t *checks = json_object_get(j, "checks"), *check = json_object_get(j, "check");
	char *dump = report_dump(j), *summary;

	check_shown(dump, false);
	free(dump);
	result = json_object_get(j, "result") ?: j;
	show(report_status_text(status ?: j, findings ?: j, o));
	show(report_findings_text(findings ?: j, o));
	show(report_check_text(result, o));
	show(report_explain_text(checks ?: j, findings, o));
	show(report_finding_text(one ?: j, check, json_object_get(j, "database"), o));
	show(report_sql_text(checks ?: j));
	show(report_checks_text(checks ?: j, o));
	summary = report_summary(status ?: j);
	check_shown(summary, false);
	show_line(report_nagios(findings ?: j, "warning", summary, checks));
	free(summary);
	(void)report_status_of(findings ?: j);
	(void)report_exit_code(layout_get(result, "status"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report_options o = { .now_wall_us = INT64_C(1772356320000000), .host = "h" };
	json_t *j =
	    json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);

	if (!j)
		return 0;
	render(j, &o);
	o.verbose = 2;
	o.database_column = true;
	o.only = "orders";
	render(j, &o);
	json_decref(j);
	return 0;
}
