#pragma once
#include "report/report.h"
/* The routine as people read it: `checklist`, and its digest of a week as text or Markdown. */
/* /v1/checklist; the first line is the verdict. */
char *report_checklist_text(const json_t *checklist, const struct report_options *) _must_check_;
/* "1 item overdue, 2 due, 6 done"; ret_overdue may be NULL.  Items of several databases count once. */
char *report_checklist_summary(const json_t *checklist, size_t *ret_overdue) _must_check_;
/* docs/schema/digest.json */
char *report_digest_text(const json_t *digest, const struct report_options *) _must_check_;
char *report_digest_markdown(const json_t *digest, const struct report_options *) _must_check_;
/* "2026-11-23 02:11", in local time; "" for 0. */
char *report_minute(int64_t wall_us) _must_check_;
/* "alice", "the daemon", "itself", of a mark. */
const char *report_mark_who(const json_t *mark);
