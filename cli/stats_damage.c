/*
 * Is a SQLite file damaged?  The walk of `stats` stops at what is no tree, and takes for whole what only
 * SQLite's own check sees; this asks that check.
 */
#include "base/text.h"
#include "cli/sqlite_ask.h"
#include "cli/stats.h"
#include "sqlite/damage.h"

int
stats_quick_check(const struct stats_target *target, int64_t budget_us, char **ret_text)
{
	struct sqlite_ask ask = { .reader = target->reader };
	const struct sqlite_answer *a;
	int r = -ETIMEDOUT;

	sqlite_ask_add(&ask, "PRAGMA quick_check(100)", NULL, budget_us);
	(void)sqlite_ask_run(&ask, target->path, target->copy_limit, budget_us);
	a = &ask.answers[0];
	if (a->rows) {
		const json_t *row;
		size_t i;

		r = 0;
		json_array_foreach (a->rows, i, row) {
			if (r == 1 || !damage_is_of_file(sqlite_cell(row, 0)))
				continue;
			*ret_text = xstrdup(sqlite_cell(row, 0));
			r = 1;
		}
	} else if (damage_says_corrupt(a->text)) {
		*ret_text = xstrdup(a->text);
		r = 1;
	}
	sqlite_ask_done(&ask);
	return r;
}
