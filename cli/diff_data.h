#pragma once
#include "cli/cli.h"
#include "data/data.h"
/* The rows of two databases: read by admin_target's rights within --budget; 0, or an exit code. */
struct diff_data {
	const char *names[2]; /* borrowed */
	struct data_result *v;
	size_t n, ndiffer, nunknown; /* of tables */
	int64_t rows_max;
};
int diff_data_look(const struct cli *, const char *const args[2], struct diff_data *ret);
void diff_data_done(struct diff_data *);
char *diff_data_text(const struct diff_data *) _must_check_;
json_t *diff_data_json(const struct diff_data *) _must_check_;
