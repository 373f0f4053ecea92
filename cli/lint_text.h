#pragma once
#include "cli/cli.h"
#include "migrate/lint.h"
/* What the linter found in files, for people and for -o json. */
struct lint_report {
	enum engine engine;
	json_t *files; /* owned */
	size_t n[SEVERITY_N], allowed;
};
void lint_report_init(struct lint_report *, enum engine);
void lint_report_done(struct lint_report *);
void lint_report_add(struct lint_report *, const char *path, const char *version,
    const struct lint *up, const struct lint *down);
/* docs/schema/migrate-lint.json */
json_t *lint_report_json(const struct lint_report *) _must_check_;
/* Without the last line, which sums up; all: also what is allowed. */
char *lint_report_text(const struct lint_report *, bool all) _must_check_;
/* On stdout; the exit code. */
int lint_report_print(const struct cli *, const struct lint_report *);
