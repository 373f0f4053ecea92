#pragma once
#include "check/check.h"
#include "finding/finding.h"
#include <jansson.h>
/*
 * Findings, checks and status as JSON (the shapes of the API), as text of at most 80 columns and
 * as a monitoring plugin's line.  Text is rendered from the JSON, so the command shows a daemon's
 * answer and its own look with the same code.
 */
/* jansson refuses invalid UTF-8 and NaN by returning NULL, and the key silently vanishes: these
 * never do. */
json_t *report_string(const char *) _must_check_; /* NULL gives null */
/* NaN and infinity give null; whole numbers are integers in JSON too. */
json_t *report_number(double, enum unit) _must_check_;
json_t *report_time(int64_t wall_us) _must_check_; /* 0 gives null */
/* Compact text, reals with 15 digits, terminated; control, bidi and line-separator characters that
 * JSON would let pass to a terminal are written as \uXXXX. */
char *report_dump(const json_t *) _must_check_;

json_t *report_finding(const struct finding *) _must_check_;
/* One entry of /v1/silences or /v1/accepts; what a finding says of the one that keeps it quiet. */
struct silence;
json_t *report_silence(const struct silence *, size_t matches) _must_check_;
json_t *report_mute(const struct silence *) _must_check_; /* NULL gives null */
/* Of a finding's JSON: silenced or accepted, so neither told nor counted; and how, in words. */
bool report_is_muted(const json_t *finding);
char *report_mute_text(const json_t *finding, int64_t now_wall_us) _must_check_;
/* One entry of /v1/checks; sql with all bodies, the longer of its interval and its probe's. */
json_t *report_check(const struct check *, int64_t probe_interval_us) _must_check_;

struct report_options {
	bool colour;
	int verbose;
	int64_t now_wall_us;
	const char *host;     /* who is spoken of in the verdict; NULL: "this host" */
	const char *only;     /* status: this database alone; NULL: all */
	bool database_column; /* findings: name the database in each head line */
	const json_t *open;   /* explain of a finding: what else is open, or NULL */
	const char *config;   /* explain: where an override would go; NULL: the usual file */
};
/* `status`: /v1/status and /v1/findings; owned text with newlines.  Entries of databases may be
 * those of /v1/databases/NAME: their checks are then listed (verbose) or, if unknown, told. */
char *report_status_text(
    const json_t *status, const json_t *findings, const struct report_options *) _must_check_;
/* `status -v`: /v1/cost, at most that many servers; of one (or "" of the files), or NULL: all. */
char *report_cost_text(const json_t *cost, const char *server, size_t servers) _must_check_;
char *report_findings_text(const json_t *findings, const struct report_options *) _must_check_;
/* `check`: {"status","databases","findings","unknown","not_covered"}, and "notes" if any. */
char *report_check_text(const json_t *result, const struct report_options *) _must_check_;
/* `explain` of a check: entries of /v1/checks with that id and open findings of it (or NULL: not
 * known, no daemon). */
char *report_explain_text(
    const json_t *checks, const json_t *findings, const struct report_options *) _must_check_;
/* `explain` of a finding; check NULL when its check is not known any more; database (its entry of
 * /v1/databases/NAME, for note and runbook) may be NULL. */
char *report_finding_text(const json_t *finding, const json_t *check, const json_t *database,
    const struct report_options *) _must_check_;
/* What stood behind it: `then` and `now` of /v1/findings/ID/evidence, each may be NULL; "" nothing. */
char *report_evidence_text(
    const json_t *then, const json_t *now, const struct report_options *) _must_check_;
/* `checks --sql`: the SQL of each entry. */
char *report_sql_text(const json_t *checks) _must_check_;
char *report_checks_text(const json_t *checks, const struct report_options *) _must_check_;
/* A plugin's line and perfdata, further findings on lines of their own; at most 4 kB.  checks (the
 * thresholds for perfdata) may be NULL.  status is a word: what the exit code says. */
char *report_nagios(const json_t *findings, const char *status, const char *summary,
    const json_t *checks) _must_check_;
struct report_options;
/* Entries of /v1/silences or /v1/accepts. */
char *report_silences_text(const json_t *list, const struct report_options *) _must_check_;
/* `jobs`: entries of /v1/jobs; and of how many the last run went wrong. */
char *report_jobs_text(const json_t *jobs, const struct report_options *) _must_check_;
size_t report_jobs_failed(const json_t *jobs);
/* "DBHEALTH UNKNOWN - why" */
char *report_nagios_failure(const char *why) _must_check_;
/* 0 ok, 1 warning, 2 critical, 3 unknown and nothing worse */
int report_exit_code(const char *status);
/* The worst of findings' severities and status words, as a status. */
enum status report_status_of(const json_t *findings);
/* Where /v1/status counts databases: "3 of 4 databases ok", owned. */
char *report_summary(const json_t *status) _must_check_;
/* `events`: entries of /v1/events, oldest first; days stand on lines of their own. */
/*
 * What happened around a finding, from /v1/events of its database: its own moves and what may have to
 * do with them, the last so many, oldest first.
 */
#define REPORT_AROUND_MAX 10
json_t *report_around(const json_t *finding, const json_t *events) _must_check_;
/* "" when that is nothing but its own beginning. */
char *report_around_text(
    const json_t *finding, const json_t *around, const struct report_options *) _must_check_;
char *report_events_text(const json_t *events, const struct report_options *) _must_check_;
/* One of them, with its whole time. */
struct str;
void report_event_text(const json_t *event, const struct report_options *, struct str *);
