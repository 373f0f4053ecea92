#pragma once
#include "check/check.h"
#include "finding/finding.h"
#include <jansson.h>
/*
 * Findings, checks and status as JSON (the shapes of design section 6), as text of at most 80
 * columns and as a monitoring plugin's line.  Text is rendered from the JSON, so the command shows
 * a daemon's answer and its own look with the same code.
 */
/* jansson refuses invalid UTF-8 and NaN by returning NULL, and the key silently vanishes: these
 * never do. */
json_t *report_string(const char *) _must_check_; /* NULL gives null */
json_t *report_number(double, enum unit) _must_check_; /* NaN gives null; counts as integers */
json_t *report_time(int64_t wall_us) _must_check_; /* 0 gives null */
/* Compact text, reals with 15 digits, terminated. */
char *report_dump(const json_t *) _must_check_;

json_t *report_finding(const struct finding *) _must_check_;
/* One entry of /v1/checks; sql with all bodies. */
json_t *report_check(const struct check *) _must_check_;

struct report_options {
	bool colour;
	int verbose;
	int64_t now_wall_us;
};
/* `status`: /v1/status and /v1/findings; owned text with newlines. */
char *report_status_text(const json_t *status, const json_t *findings, const struct report_options *) _must_check_;
char *report_findings_text(const json_t *findings, const struct report_options *) _must_check_;
/* `check`: {"status","databases","findings","unknown","not_covered"}. */
char *report_check_text(const json_t *result, const struct report_options *) _must_check_;
/* `explain` of a check: entries of /v1/checks with that id and open findings of it (or NULL). */
char *report_explain_text(const json_t *checks, const json_t *findings, const struct report_options *) _must_check_;
/* `explain` of a finding. */
char *report_finding_text(const json_t *finding, const json_t *check, const struct report_options *) _must_check_;
char *report_checks_text(const json_t *checks, const struct report_options *) _must_check_;
/* One line and perfdata by screens; at most 4 kB. */
char *report_nagios(const json_t *findings, const json_t *status) _must_check_;
/* 0 ok, 1 warning, 2 critical, 3 unknown and nothing worse */
int report_exit_code(const char *status);
